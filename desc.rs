// SPDX-License-Identifier: GPL-2.0

//! What the data path asks of a descriptor format.
//!
//! A format is a type without values: its functions are pure and inlined into the data path, which
//! is instantiated once per format. Words are in CPU order here; the ring stores them as
//! little-endian.

use crate::hwif::{
    Mmio,
    Time, //
};

/// A basic descriptor: DES0 to DES3.
pub(crate) type Words = [u32; 4];

/// Checksum insertion asked of the transmitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxChecksum {
    /// Leave the frame as it is.
    None,
    /// IP header, payload and pseudo header.
    Full,
}

/// How the transmitter is to cut a frame into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxSegmentation {
    /// Bytes of the transport header.
    pub(crate) transport_len: u32,
    /// Bytes of all segments' payload.
    pub(crate) payload_len: u32,
}

/// What a context descriptor tells the channel before the frame that follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TxContext {
    /// Payload bytes of a segment, from now on.
    pub(crate) mss: Option<u16>,
    /// VLAN tag (TCI) of the frame that follows.
    pub(crate) vlan: Option<u16>,
}

impl TxContext {
    /// Nothing is to be told: no descriptor is needed.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.mss.is_none() && self.vlan.is_none()
    }
}

/// A transmit buffer, in the place it has in its frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxBuffer {
    /// Bus address.
    pub(crate) addr: u64,
    /// Bytes in this buffer; at most [`Format::TX_BUFFER_MAX`].
    pub(crate) len: u32,
    /// Bytes in the whole frame.
    pub(crate) frame_len: u32,
    /// FD: first buffer of the frame.
    pub(crate) first: bool,
    /// LD: last buffer of the frame.
    pub(crate) last: bool,
    /// IC: interrupt when this frame is sent. Only with `last`.
    pub(crate) interrupt: bool,
    /// CIC. Only with `first`.
    pub(crate) checksum: TxChecksum,
    /// TSE: the frame is segmented, and this buffer holds all of its headers and nothing else.
    /// Includes `checksum`. Only with `first`.
    pub(crate) segmentation: Option<TxSegmentation>,
    /// TTSE: take a timestamp. Only with `first`, and not with `segmentation`.
    pub(crate) timestamp: bool,
    /// VTIR: insert the VLAN tag of the context descriptor. Only with `first`.
    pub(crate) insert_vlan: bool,
}

/// What the segmentation engine can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentationLimits {
    /// Most bytes of all headers.
    pub(crate) header_max: u32,
    /// Fewest payload bytes of a segment.
    pub(crate) mss_min: u32,
    /// Most bytes of a segment with its headers.
    pub(crate) segment_max: u32,
    /// Most payload bytes of a frame.
    pub(crate) payload_max: u32,
}

/// What became of a transmit descriptor that the DMA gave back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TxStatus {
    /// The frame was not sent, or not whole, or that cannot be told.
    pub(crate) error: bool,
    /// The descriptor is none that ends a frame.
    pub(crate) bad: bool,
    /// UF: the FIFO ran dry.
    pub(crate) underflow: bool,
    /// Late or excessive collision, loss of carrier, excessive deferral.
    pub(crate) link_error: bool,
    /// The checksum engine could not insert what was asked.
    pub(crate) checksum_error: bool,
}

/// What the receiver says of checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RxChecksum {
    /// Nothing was checked.
    None,
    /// IP header and TCP, UDP or ICMP payload are good.
    Good,
    /// A checksum is wrong.
    Bad,
}

/// A receive descriptor that the DMA gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RxStatus {
    /// FD: the frame starts here.
    pub(crate) first: bool,
    /// LD: the frame ends here; the other fields are valid only then.
    pub(crate) last: bool,
    /// CTXT: carries a timestamp, no frame.
    pub(crate) context: bool,
    /// PL: bytes of the frame so far. Untrusted.
    pub(crate) len: u32,
    /// The frame is bad and is to be dropped.
    pub(crate) error: bool,
    /// CE.
    pub(crate) crc_error: bool,
    /// OE.
    pub(crate) overflow: bool,
    /// Length or watchdog error, giant frame.
    pub(crate) length_error: bool,
    /// Dribble or receive error.
    pub(crate) frame_error: bool,
    /// Checksum engine's verdict.
    pub(crate) checksum: RxChecksum,
    /// TSA: the next descriptor carries the frame's timestamp.
    pub(crate) timestamp: bool,
    /// TD: the frame was to get a timestamp, for which there was no room.
    pub(crate) timestamp_dropped: bool,
    /// The VLAN tag (TCI) of the frame.
    pub(crate) vlan: Option<u16>,
}

/// A descriptor format and the doorbell that goes with it.
pub(crate) trait Format: Send + Sync + 'static {
    /// Most bytes that one transmit descriptor can point at.
    const TX_BUFFER_MAX: u32;

    /// Word that holds OWN, and what became of a frame that was sent; it is stored last.
    const OWN_WORD: usize;

    /// What may be asked of [`TxBuffer::segmentation`].
    const SEGMENTATION: SegmentationLimits;

    /// Composes a context descriptor, OWN set.
    fn tx_context(context: &TxContext) -> Words;

    /// Composes a transmit descriptor, OWN set.
    fn tx_buffer(buf: &TxBuffer) -> Words;

    /// True while the DMA owns the descriptor whose [`Format::OWN_WORD`] is `word`.
    fn owned(word: u32) -> bool;

    /// Decodes [`Format::OWN_WORD`] of the last descriptor of a frame that the DMA gave back.
    fn tx_status(word: u32) -> TxStatus;

    /// The timestamp in the last descriptor of a frame, if there is one.
    fn tx_timestamp(words: &Words) -> Option<Time>;

    /// Composes a receive descriptor for the buffer at `addr`, OWN and IOC as told.
    fn rx_buffer(addr: u64, interrupt: bool) -> Words;

    /// As [`Format::rx_buffer`], with the buffer at `payload` for what follows the headers.
    fn rx_split_buffers(addr: u64, payload: u64, interrupt: bool) -> Words;

    /// Decodes a receive descriptor that the DMA gave back.
    fn rx_status(words: &Words) -> RxStatus;

    /// Bytes of the headers, in the first descriptor of a frame, if those are split off; else zero.
    /// Untrusted.
    fn rx_header_len(words: &Words) -> u32;

    /// The timestamp in a context descriptor, if it makes sense.
    fn rx_timestamp(words: &Words) -> Option<Time>;

    /// Whether the VLAN filter lets a frame pass, by the descriptor that has its tag.
    fn rx_vlan_passed(words: &Words) -> bool;

    /// Tells channel `ch` that descriptors below `tail` are ready to be sent.
    fn tx_doorbell(io: Mmio<'_>, ch: usize, tail: u64);

    /// Tells channel `ch` that descriptors below `tail` are ready to be filled.
    fn rx_doorbell(io: Mmio<'_>, ch: usize, tail: u64);
}
