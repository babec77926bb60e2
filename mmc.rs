// SPDX-License-Identifier: GPL-2.0

//! MAC management counters: what the MAC counts by itself.
//!
//! The hardware's counters have 32 bits, too few for the octets of a minute at 1 Gbit/s. So they
//! are cleared by reading, what was read is added up here, and they interrupt before they wrap.

use kernel::{
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    }, //
};

use crate::{
    hwif::{
        Mmc,
        Mmio, //
    },
    stats::counters, //
};

counters! {
    /// What may be counted; a core need not have all of it. Octets include the FCS.
    pub(crate) mod mac {
        /// Good frames sent.
        TX_GOOD = c"mac_tx_good",
        /// Octets of them.
        TX_GOOD_OCTETS = c"mac_tx_good_octets",
        /// Good multicast frames sent.
        TX_GOOD_MULTICAST = c"mac_tx_good_multicast",
        /// Good broadcast frames sent.
        TX_GOOD_BROADCAST = c"mac_tx_good_broadcast",
        /// Frames sent, good and bad, of up to 64 octets.
        TX_64 = c"mac_tx_64",
        /// 65 to 127 octets.
        TX_127 = c"mac_tx_65_127",
        /// 128 to 255 octets.
        TX_255 = c"mac_tx_128_255",
        /// 256 to 511 octets.
        TX_511 = c"mac_tx_256_511",
        /// 512 to 1023 octets.
        TX_1023 = c"mac_tx_512_1023",
        /// 1024 octets to the longest frame that is not oversize.
        TX_MORE = c"mac_tx_1024_max",
        /// Frames for which the FIFO ran dry.
        TX_UNDERFLOW = c"mac_tx_underflow",
        /// Frames sent after one collision.
        TX_SINGLE_COLLISION = c"mac_tx_single_collision",
        /// Frames sent after several collisions.
        TX_MULTIPLE_COLLISION = c"mac_tx_multiple_collision",
        /// Frames that waited for the medium.
        TX_DEFERRED = c"mac_tx_deferred",
        /// Frames not sent because of a late collision.
        TX_LATE_COLLISION = c"mac_tx_late_collision",
        /// Frames not sent because of too many collisions.
        TX_EXCESSIVE_COLLISION = c"mac_tx_excessive_collision",
        /// Frames not sent because there was no carrier.
        TX_CARRIER_ERROR = c"mac_tx_carrier_error",
        /// Frames not sent because the medium was busy for too long.
        TX_EXCESSIVE_DEFERRAL = c"mac_tx_excessive_deferral",
        /// Pause frames sent.
        TX_PAUSE = c"mac_tx_pause",
        /// Octets of the good frames received.
        RX_GOOD_OCTETS = c"mac_rx_good_octets",
        /// Good unicast frames received.
        RX_GOOD_UNICAST = c"mac_rx_good_unicast",
        /// Good multicast frames received.
        RX_GOOD_MULTICAST = c"mac_rx_good_multicast",
        /// Good broadcast frames received.
        RX_GOOD_BROADCAST = c"mac_rx_good_broadcast",
        /// Frames received, good and bad, of up to 64 octets.
        RX_64 = c"mac_rx_64",
        /// 65 to 127 octets.
        RX_127 = c"mac_rx_65_127",
        /// 128 to 255 octets.
        RX_255 = c"mac_rx_128_255",
        /// 256 to 511 octets.
        RX_511 = c"mac_rx_256_511",
        /// 512 to 1023 octets.
        RX_1023 = c"mac_rx_512_1023",
        /// 1024 octets to the longest frame that is not oversize.
        RX_MORE = c"mac_rx_1024_max",
        /// Frames with a wrong FCS.
        RX_CRC_ERROR = c"mac_rx_crc_error",
        /// Frames with a wrong FCS that are no whole number of octets.
        RX_ALIGNMENT_ERROR = c"mac_rx_alignment_error",
        /// Frames with a wrong FCS of less than 64 octets.
        RX_RUNT = c"mac_rx_runt",
        /// Frames with a wrong FCS that are too long.
        RX_JABBER = c"mac_rx_jabber",
        /// Good frames of less than 64 octets.
        RX_UNDERSIZE = c"mac_rx_undersize",
        /// Good frames longer than the standard's maximum, jumbo frames among them.
        RX_OVERSIZE = c"mac_rx_oversize",
        /// Frames whose length field contradicts their length.
        RX_LENGTH_ERROR = c"mac_rx_length_error",
        /// Frames whose length field is neither a length nor a type.
        RX_OUT_OF_RANGE = c"mac_rx_out_of_range",
        /// Pause frames received.
        RX_PAUSE = c"mac_rx_pause",
        /// MAC control frames received.
        RX_CONTROL = c"mac_rx_control",
        /// Frames for which the FIFO had no room.
        RX_FIFO_OVERFLOW = c"mac_rx_fifo_overflow",

        /// Frames sent, good and bad.
        TX_FRAMES = c"mac_tx_frames",
        /// Octets of them.
        TX_OCTETS = c"mac_tx_octets",
        /// Good frames sent with a VLAN tag.
        TX_VLAN = c"mac_tx_vlan",
        /// Good frames sent that are longer than the standard's maximum.
        TX_OVERSIZE = c"mac_tx_oversize",
        /// Frames received, good and bad.
        RX_FRAMES = c"mac_rx_frames",
        /// Octets of them.
        RX_OCTETS = c"mac_rx_octets",
        /// Frames received with a VLAN tag, good and bad.
        RX_VLAN = c"mac_rx_vlan",
        /// Frames cut off by the watchdog.
        RX_WATCHDOG = c"mac_rx_watchdog",
        /// Frames during which the PHY reported an error.
        RX_PHY_ERROR = c"mac_rx_phy_error",
        /// Microseconds that the transmitter was in low-power idle.
        TX_LPI_USECS = c"mac_tx_lpi_usecs",
        /// Times that it entered it.
        TX_LPI_ENTRIES = c"mac_tx_lpi_entries",
        /// Microseconds that the receiver was in low-power idle.
        RX_LPI_USECS = c"mac_rx_lpi_usecs",
        /// Times that it entered it.
        RX_LPI_ENTRIES = c"mac_rx_lpi_entries",
    }
}

/// The counters from here on have no place in the standard statistics: `ethtool -S` shows them.
pub(crate) const OTHERS: usize = mac::TX_FRAMES;

/// Number of these.
pub(crate) const OTHERS_COUNT: usize = mac::COUNT - OTHERS;

/// The counters of a MAC, added up since it was found.
pub(crate) struct Counters {
    sums: [Atomic<u64>; mac::COUNT],
    /// The hardware counts as [`Mmc::init`] has told it; else it is left alone.
    live: Atomic<bool>,
}

impl Counters {
    /// Nothing was counted yet.
    pub(crate) fn new() -> Self {
        Self {
            sums: [const { Atomic::new(0) }; mac::COUNT],
            live: Atomic::new(false),
        }
    }

    /// Starts counting, after a reset of the core.
    pub(crate) fn start(&self, mmc: &dyn Mmc, io: Mmio<'_>) {
        mmc.init(io);
        self.live.store(true, Relaxed);
    }

    /// Collects what was counted before a reset of the core, which clears it. If true is returned,
    /// who asks for statistics may be about to read them until
    /// [`kernel::net::rtnl::synchronize_net`]; else the hardware is left alone already.
    #[must_use]
    pub(crate) fn stop(&self, mmc: &dyn Mmc, io: Mmio<'_>) -> bool {
        if !self.live.load(Relaxed) {
            return false;
        }
        self.collect(mmc, io);
        self.live.store(false, Relaxed);
        true
    }

    /// Collects one counter and returns it.
    ///
    /// Callable in any context, also at the same time as others: each gets a part of the count.
    pub(crate) fn get(&self, mmc: &dyn Mmc, io: Mmio<'_>, counter: usize) -> u64 {
        let Some(sum) = self.sums.get(counter) else {
            return 0;
        };
        let _reading = rcu::read_lock();
        if self.live.load(Relaxed) {
            match mmc.take(io, counter) {
                // What a device reads as that is gone.
                0 | u32::MAX => (),
                n => sum.add(u64::from(n), Relaxed),
            }
        }
        sum.load(Relaxed)
    }

    /// Collects all counters.
    pub(crate) fn collect(&self, mmc: &dyn Mmc, io: Mmio<'_>) {
        for counter in 0..mac::COUNT {
            self.get(mmc, io, counter);
        }
    }

    /// Collects all counters and returns them.
    pub(crate) fn read(&self, mmc: &dyn Mmc, io: Mmio<'_>) -> Values {
        let mut values = Values([0; mac::COUNT]);
        for (counter, value) in values.0.iter_mut().enumerate() {
            *value = self.get(mmc, io, counter);
        }
        values
    }
}

/// The counters of a MAC at some moment.
pub(crate) struct Values([u64; mac::COUNT]);

impl Values {
    /// Returns a counter, one of [`mac`]'s.
    pub(crate) fn get(&self, counter: usize) -> u64 {
        self.0.get(counter).copied().unwrap_or(0)
    }

    /// Returns the counters that have no place in the standard statistics, and their names.
    pub(crate) fn others(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().skip(OTHERS).copied()
    }
}

/// The names of [`Values::others`].
pub(crate) fn other_names() -> impl Iterator<Item = &'static kernel::str::CStr> {
    mac::NAMES.iter().skip(OTHERS).copied()
}
