// SPDX-License-Identifier: GPL-2.0

//! Counters: what is counted, and under which name `ethtool -S` shows it.

use kernel::net::stats;

/// Declares a set of counters: an index constant each, their number, and their names.
macro_rules! counters {
    ($(#[$meta:meta])* $vis:vis mod $module:ident {
        $($(#[$doc:meta])* $name:ident = $text:literal,)*
    }) => {
        $(#[$meta])*
        $vis mod $module {
            #[expect(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Index { $($name,)* COUNT }
            $(
                $(#[$doc])*
                // CAST: Discriminants are small.
                pub(crate) const $name: usize = Index::$name as usize;
            )*
            /// Number of counters in the set.
            pub(crate) const COUNT: usize = Index::COUNT as usize;
            /// Names, in index order.
            pub(crate) const NAMES: [&kernel::str::CStr; COUNT] = [$($text,)*];
        }
    };
}

pub(crate) use counters;

counters! {
    /// Counted by the poll of a channel.
    pub(crate) mod poll {
        /// Frames given to the stack.
        RX_PACKETS = c"rx_packets",
        /// Bytes given to the stack, FCS not counted.
        RX_BYTES = c"rx_bytes",
        /// Multicast frames among them.
        RX_MULTICAST = c"rx_multicast",
        /// Frames whose checksums the hardware found good.
        RX_CSUM_GOOD = c"rx_csum_good",
        /// Frames in which the hardware found a wrong checksum; the stack looks at them.
        RX_CSUM_BAD = c"rx_csum_bad",
        /// Frames whose VLAN tag the hardware removed.
        RX_VLAN_FRAMES = c"rx_vlan_frames",
        /// Frames whose headers the hardware put into a buffer of their own.
        RX_SPLIT_HEADERS = c"rx_split_headers",
        /// Bad frames of whatever kind that reached the ring; the FIFO drops most.
        RX_ERRORS = c"rx_errors",
        /// Such frames with a wrong FCS.
        RX_CRC_ERRORS = c"rx_crc_errors",
        /// Such frames that are too long.
        RX_LENGTH_ERRORS = c"rx_length_errors",
        /// Such frames with a dribble bit or a receive error from the PHY.
        RX_FRAME_ERRORS = c"rx_frame_errors",
        /// Such frames that the FIFO could not hold whole.
        RX_OVERFLOW_ERRORS = c"rx_overflow_errors",
        /// Descriptors whose contents make no sense.
        RX_BAD_DESCRIPTORS = c"rx_bad_descriptors",
        /// Frames dropped because memory was short.
        RX_NO_MEMORY = c"rx_no_memory",
        /// Polls that could not refill the ring because memory was short.
        RX_REFILL_FAILED = c"rx_refill_failed",
        /// Frames received with a timestamp.
        RX_TIMESTAMPS = c"rx_timestamps",
        /// Frames whose timestamp was announced and did not come, was dropped, or makes no sense.
        RX_TIMESTAMPS_MISSED = c"rx_timestamps_missed",
        /// Descriptors that the DMA gave back.
        RX_DESCRIPTORS = c"rx_descriptors",
        /// Times the DMA found no receive descriptor.
        RX_STARVED = c"rx_starved",
        /// Frames sent.
        TX_PACKETS = c"tx_packets",
        /// Bytes sent, FCS not counted.
        TX_BYTES = c"tx_bytes",
        /// Frames not sent, or not whole.
        TX_ERRORS = c"tx_errors",
        /// Frames for which the FIFO ran dry.
        TX_UNDERFLOWS = c"tx_underflows",
        /// Frames lost to collisions or to a loss of carrier.
        TX_LINK_ERRORS = c"tx_link_errors",
        /// Frames whose checksum the hardware could not insert.
        TX_CSUM_ERRORS = c"tx_csum_errors",
        /// Descriptors whose contents make no sense.
        TX_BAD_DESCRIPTORS = c"tx_bad_descriptors",
        /// Frames sent with a timestamp.
        TX_TIMESTAMPS = c"tx_timestamps",
        /// Frames that were to get a timestamp and got none.
        TX_TIMESTAMPS_MISSED = c"tx_timestamps_missed",
        /// Polls that left frames with the DMA.
        TX_PENDING = c"tx_pending",
        /// Failed bus accesses.
        BUS_ERRORS = c"bus_errors",
        /// Polls.
        POLLS = c"polls",
    }
}

counters! {
    /// Counted where the stack hands frames over.
    pub(crate) mod xmit {
        /// Frames for which no DMA mapping could be had.
        TX_MAP_ERRORS = c"tx_map_errors",
        /// Frames given back to the stack because the ring was full.
        TX_BUSY = c"tx_busy",
        /// Frames dropped because the port was not running.
        TX_NOT_RUNNING = c"tx_not_running",
        /// Writes to the tail pointer.
        TX_DOORBELLS = c"tx_doorbells",
        /// Frames with IC set.
        TX_IC_FRAMES = c"tx_ic_frames",
        /// TCP frames that the hardware segments.
        TX_TSO_FRAMES = c"tx_tso_frames",
        /// UDP frames that the hardware segments.
        TX_USO_FRAMES = c"tx_uso_frames",
        /// Segments that the hardware makes of both.
        TX_GSO_SEGMENTS = c"tx_gso_segments",
        /// Frames dropped because the hardware could not segment them.
        TX_GSO_ERRORS = c"tx_gso_errors",
        /// Frames into which the hardware inserts a VLAN tag.
        TX_VLAN_FRAMES = c"tx_vlan_frames",
        /// Context descriptors.
        TX_CONTEXTS = c"tx_contexts",
    }
}

/// Writer of a channel's poll counters.
pub(crate) type PollWriter = stats::Writer<{ poll::COUNT }>;
/// Reader of a channel's poll counters.
pub(crate) type PollReader = stats::Reader<{ poll::COUNT }>;
/// Writer of a channel's xmit counters.
pub(crate) type XmitWriter = stats::Writer<{ xmit::COUNT }>;
/// Reader of a channel's xmit counters.
pub(crate) type XmitReader = stats::Reader<{ xmit::COUNT }>;

/// Counts of one poll, kept in registers or on the stack and flushed once.
#[derive(Default)]
pub(crate) struct Tally([u64; poll::COUNT]);

impl Tally {
    /// Adds `n` to counter `index`, one of [`poll`]'s.
    #[inline(always)]
    pub(crate) fn add(&mut self, index: usize, n: u64) {
        if let Some(counter) = self.0.get_mut(index) {
            *counter = counter.wrapping_add(n);
        }
    }

    /// Adds all that was counted to `writer`.
    #[inline]
    pub(crate) fn flush(self, writer: &mut PollWriter) {
        writer.update(|update| {
            for (index, &n) in self.0.iter().enumerate() {
                if n != 0 {
                    update.add(index, n);
                }
            }
        });
    }
}
