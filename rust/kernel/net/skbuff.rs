// SPDX-License-Identifier: GPL-2.0

//! Socket buffers.
//!
//! [`SkBuff`] owns a `struct sk_buff`, [`SkBuffRef`] is what it dereferences to: the read-only view
//! that a driver also gets where the networking core keeps the ownership.
//!
//! A buffer leaves the hands of a driver in one of these ways, and each of them consumes the
//! [`SkBuff`]:
//!
//! - it was transmitted: [`SkBuff::consume_any()`], or [`SkBuff::consume_napi()`] in a NAPI poll;
//! - it was received: it is given to the networking core by a NAPI poll;
//! - it is lost: [`SkBuff::drop_reason()`]. Dropping the value does the same, with a reason that
//!   says nothing. The reason is what an administrator finds in the `skb:kfree_skb` trace event.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! # Examples
//!
//! ```
//! use kernel::net::skbuff::{
//!     Checksum,
//!     DropReason,
//!     SkBuff, //
//! };
//!
//! /// Prepares a buffer for a device that cannot checksum and that does not pad short frames.
//! fn prepare(mut skb: SkBuff) -> Option<SkBuff> {
//!     if skb.ip_summed() == Checksum::Partial && skb.checksum_help().is_err() {
//!         skb.drop_reason(DropReason::SkbCsum);
//!         return None;
//!     }
//!
//!     skb.put_padto(60)
//! }
//! ```

use crate::{
    bindings,
    error::to_result,
    net::{
        device::{
            Device,
            Driver, //
        },
        hwtstamp::Timestamp,
        napi, //
    },
    num::casts::u32_as_usize,
    prelude::*,
    types::Opaque, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

/// Length of an Ethernet header.
const ETH_HLEN: u32 = bindings::ETH_HLEN;

/// Why a buffer is dropped.
///
/// Corresponds to the C `enum skb_drop_reason`; only what a driver may report is represented.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum DropReason {
    /// Nothing better is known.
    NotSpecified = bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
    /// The frame is too short to be valid.
    PktTooSmall = bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_SMALL,
    /// The frame is longer than what the device or its configuration supports.
    PktTooBig = bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
    /// The checksum is wrong or could not be computed.
    SkbCsum = bindings::skb_drop_reason_SKB_DROP_REASON_SKB_CSUM,
    /// The buffer could not be segmented.
    SkbGsoSeg = bindings::skb_drop_reason_SKB_DROP_REASON_SKB_GSO_SEG,
    /// A header that the device driver needs is missing or wrong.
    DevHdr = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_HDR,
    /// The device is not ready, for example because it is being stopped.
    DevReady = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY,
    /// The ring of the device is full.
    FullRing = bindings::skb_drop_reason_SKB_DROP_REASON_FULL_RING,
    /// There is no memory.
    NoMem = bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM,
    /// The headers are truncated.
    HdrTrunc = bindings::skb_drop_reason_SKB_DROP_REASON_HDR_TRUNC,
    /// A queue is emptied.
    QueuePurge = bindings::skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE,
}

impl DropReason {
    /// Returns the value of the C enumeration.
    #[inline]
    const fn as_raw(self) -> bindings::skb_drop_reason {
        // CAST: `DropReason` is `repr(u32)`, and so is the C enumeration.
        self as bindings::skb_drop_reason
    }
}

/// The state of the checksum of a buffer.
///
/// See "Checksumming of received packets by device" in
/// [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Checksum {
    /// Not checked by the device; on transmit: nothing to do.
    None,
    /// Checked by the device and right; on transmit: nothing to do.
    Unnecessary,
    /// The device has summed the whole packet.
    Complete,
    /// On transmit: the device has to fill in the checksum.
    Partial,
}

/// What a packet that is to be segmented carries.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum GsoProtocol {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP over IPv4 or IPv6: each segment becomes a datagram.
    Udp,
}

/// How a packet is to be segmented.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Gso {
    /// What is segmented.
    pub protocol: GsoProtocol,
    /// Bytes of all headers, which every segment gets. They are in the linear part.
    pub header_len: u32,
    /// Bytes of the transport header, the last of the headers.
    pub transport_len: u32,
    /// Payload bytes of each segment but the last, not 0.
    pub size: u16,
    /// Payload bytes of the packet, not 0.
    pub payload_len: u32,
}

impl Gso {
    /// Returns the number of segments, not 0.
    #[inline]
    pub fn segments(&self) -> u32 {
        match u32::from(self.size) {
            0 => 1,
            size => self.payload_len.div_ceil(size).max(1),
        }
    }

    /// Returns the number of bytes of all segments, each with its headers.
    #[inline]
    pub fn wire_len(&self) -> u32 {
        self.segments()
            .saturating_mul(self.header_len)
            .saturating_add(self.payload_len)
    }
}

/// A kind of VLAN tags.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum VlanProtocol {
    /// Customer VLAN (IEEE 802.1Q).
    CTag,
    /// Service VLAN (IEEE 802.1ad).
    STag,
}

impl VlanProtocol {
    /// Returns the Ethertype, in host order.
    #[inline]
    pub const fn ethertype(self) -> u16 {
        // CAST: Ethertypes have 16 bits.
        match self {
            Self::CTag => bindings::ETH_P_8021Q as u16,
            Self::STag => bindings::ETH_P_8021AD as u16,
        }
    }

    /// Returns the kind that has an Ethertype, in host order.
    #[inline]
    pub const fn from_ethertype(ethertype: u16) -> Option<Self> {
        if ethertype == Self::CTag.ethertype() {
            Some(Self::CTag)
        } else if ethertype == Self::STag.ethertype() {
            Some(Self::STag)
        } else {
            None
        }
    }
}

/// A VLAN tag that is kept beside the data of a buffer.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct VlanTag {
    /// The kind of the tag.
    pub protocol: VlanProtocol,
    /// The tag control information: priority, drop eligibility and VLAN ID.
    pub tci: u16,
}

/// A borrowed socket buffer.
///
/// # Invariants
///
/// The `sk_buff` is valid and initialized, its metadata is not changed while a shared reference
/// exists.
#[repr(transparent)]
pub struct SkBuffRef(Opaque<bindings::sk_buff>);

// SAFETY: All methods that take `&self` only read fields which by the type invariant nobody
// changes concurrently.
unsafe impl Sync for SkBuffRef {}

impl SkBuffRef {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid `sk_buff` whose metadata is not changed for the lifetime `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::sk_buff) -> &'a Self {
        // SAFETY: `SkBuffRef` is a transparent wrapper of `sk_buff`; the rest is required from the
        // caller.
        unsafe { &*ptr.cast() }
    }

    /// Returns the raw pointer.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::sk_buff {
        self.0.get()
    }

    /// Returns the number of bytes of the packet.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        unsafe { (*self.as_raw()).len }
    }

    /// Returns the number of bytes in the linear part.
    #[inline]
    pub fn headlen(&self) -> u32 {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        let data_len = unsafe { (*self.as_raw()).data_len };

        self.len().wrapping_sub(data_len)
    }

    #[inline]
    fn shared_info(&self) -> *const bindings::skb_shared_info {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        unsafe { bindings::skb_shinfo(self.as_raw()) }
    }

    /// Returns the number of page fragments that follow the linear part.
    #[inline]
    pub fn nr_frags(&self) -> u32 {
        // SAFETY: Every valid `sk_buff` has a shared info.
        u32::from(unsafe { (*self.shared_info()).nr_frags })
    }

    /// Returns the state of the checksum.
    #[inline]
    pub fn ip_summed(&self) -> Checksum {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        match unsafe { bindings::skb_ip_summed(self.as_raw()) } {
            bindings::CHECKSUM_UNNECESSARY => Checksum::Unnecessary,
            bindings::CHECKSUM_COMPLETE => Checksum::Complete,
            bindings::CHECKSUM_PARTIAL => Checksum::Partial,
            _ => Checksum::None,
        }
    }

    /// Returns where the device has to start summing, in bytes from the start of the packet.
    ///
    /// [`None`] unless the state is [`Checksum::Partial`].
    #[inline]
    pub fn checksum_start(&self) -> Option<u32> {
        if self.ip_summed() != Checksum::Partial {
            return None;
        }

        // SAFETY: By the type invariant the `sk_buff` is valid.
        u32::try_from(unsafe { bindings::skb_checksum_start_offset(self.as_raw()) }).ok()
    }

    /// Returns whether the packet was sent to a multicast address, the broadcast address excepted.
    ///
    /// Known of received packets after [`SkBuff::eth_type_trans`].
    #[inline]
    pub fn is_multicast(&self) -> bool {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        let pkt_type = unsafe { bindings::skb_pkt_type(self.as_raw()) };

        pkt_type == bindings::PACKET_MULTICAST
    }

    /// Returns whether the packet has to be segmented by the device.
    #[inline]
    pub fn is_gso(&self) -> bool {
        self.gso_size() != 0
    }

    /// Returns the number of payload bytes of each segment, 0 if the packet is not to be segmented.
    #[inline]
    pub fn gso_size(&self) -> u16 {
        // SAFETY: Every valid `sk_buff` has a shared info.
        unsafe { (*self.shared_info()).gso_size }
    }

    /// Returns the number of segments, 0 if the packet is not to be segmented.
    #[inline]
    pub fn gso_segs(&self) -> u16 {
        // SAFETY: Every valid `sk_buff` has a shared info.
        unsafe { (*self.shared_info()).gso_segs }
    }

    /// Returns how the packet is to be segmented.
    ///
    /// [`None`] if it is not to be, if it is a tunnel or of another protocol, or if its headers are
    /// not all in the linear part. The headers were not looked at otherwise.
    #[inline]
    pub fn gso(&self) -> Option<Gso> {
        // CAST: All of these are positive.
        //
        // Flags that say nothing of the layout of the packet.
        const MODIFIERS: u32 = (bindings::SKB_GSO_DODGY
            | bindings::SKB_GSO_TCP_ECN
            | bindings::SKB_GSO_TCP_FIXEDID) as u32;
        const TCP_V4: u32 = bindings::SKB_GSO_TCPV4 as u32;
        const TCP_V6: u32 = bindings::SKB_GSO_TCPV6 as u32;
        const UDP_L4: u32 = bindings::SKB_GSO_UDP_L4 as u32;
        const UDP_HEADER: u32 = 8;
        const TCP_HEADER: u32 = 20;
        // The byte whose upper half is the length of a TCP header in words.
        const TCP_DATA_OFFSET: usize = 12;

        let size = self.gso_size();
        if size == 0 {
            return None;
        }

        let skb = self.as_raw();
        // SAFETY: Every valid `sk_buff` has a shared info.
        let gso_type = unsafe { (*self.shared_info()).gso_type };
        let protocol = match gso_type & !MODIFIERS {
            TCP_V4 => GsoProtocol::TcpV4,
            TCP_V6 => GsoProtocol::TcpV6,
            UDP_L4 => GsoProtocol::Udp,
            _ => return None,
        };

        // SAFETY: By the type invariant the `sk_buff` is valid.
        if !unsafe { bindings::skb_transport_header_was_set(skb) } {
            return None;
        }
        // SAFETY: As above.
        let offset = u32::try_from(unsafe { bindings::skb_transport_offset(skb) }).ok()?;

        let transport_len = if protocol == GsoProtocol::Udp {
            UDP_HEADER
        } else {
            if offset.checked_add(TCP_HEADER)? > self.headlen() {
                return None;
            }
            // SAFETY: The linear part starts at `data` and has a whole TCP header at `offset`.
            // Clones may share it, so it is read once.
            let byte = unsafe {
                (*skb)
                    .data
                    .add(u32_as_usize(offset).wrapping_add(TCP_DATA_OFFSET))
                    .read_volatile()
            };
            u32::from(byte >> 4).wrapping_mul(4)
        };
        if protocol != GsoProtocol::Udp && transport_len < TCP_HEADER {
            return None;
        }

        let header_len = offset.checked_add(transport_len)?;
        if header_len > self.headlen() {
            return None;
        }
        let payload_len = self.len().checked_sub(header_len).filter(|&len| len != 0)?;

        Some(Gso {
            protocol,
            header_len,
            transport_len,
            size,
            payload_len,
        })
    }

    /// Returns the Ethertype in host order.
    #[inline]
    pub fn protocol(&self) -> u16 {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        u16::from_be(unsafe { bindings::skb_ethertype(self.as_raw()) })
    }

    /// Returns the index of the transmit queue chosen for the packet.
    #[inline]
    pub fn queue_mapping(&self) -> u16 {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        unsafe { (*self.as_raw()).queue_mapping }
    }

    /// Returns whether the sender wants a hardware time stamp.
    #[inline]
    pub fn tx_hw_tstamp(&self) -> bool {
        // SAFETY: Every valid `sk_buff` has a shared info.
        let flags = unsafe { (*self.shared_info()).tx_flags };

        u32::from(flags) & (bindings::SKBTX_HW_TSTAMP_NOBPF | bindings::SKBTX_BPF) != 0
    }

    /// Returns the VLAN tag that the device has to insert, or that it has removed.
    #[inline]
    pub fn vlan_tag(&self) -> Option<VlanTag> {
        let skb = self.as_raw();

        // SAFETY: By the type invariant the `sk_buff` is valid.
        if !unsafe { bindings::skb_vlan_tag_present(skb) } {
            return None;
        }

        Some(VlanTag {
            // SAFETY: As above.
            protocol: VlanProtocol::from_ethertype(u16::from_be(unsafe {
                bindings::skb_vlan_proto(skb)
            }))?,
            // SAFETY: As above.
            tci: unsafe { bindings::skb_vlan_tag_get(skb) },
        })
    }

    /// Returns whether a VLAN tag is kept beside the data.
    #[inline]
    pub fn has_vlan_tag(&self) -> bool {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        unsafe { bindings::skb_vlan_tag_present(self.as_raw()) }
    }

    /// Copies `to.len()` bytes of the packet, from `offset` on.
    ///
    /// Returns `EINVAL` if the packet does not have them.
    pub fn copy_bits(&self, offset: u32, to: &mut [u8]) -> Result {
        let len = u32::try_from(to.len()).map_err(|_| EINVAL)?;
        let end = offset.checked_add(len).ok_or(EINVAL)?;

        if end > self.len() {
            return Err(EINVAL);
        }

        let offset = c_int::try_from(offset)?;
        let len = c_int::try_from(len)?;

        // SAFETY: By the type invariant the `sk_buff` is valid and has `offset + len` bytes, `to`
        // is valid for writing `len` bytes.
        to_result(unsafe {
            bindings::skb_copy_bits(self.as_raw(), offset, to.as_mut_ptr().cast(), len)
        })
    }
}

/// An owned socket buffer.
///
/// Dropping it frees the buffer in any context, and reports it as lost: see [`DropReason`].
///
/// # Invariants
///
/// The pointer is valid and this object owns a reference to the `sk_buff`; it is on no list.
/// Whoever else holds a reference does nothing with the `sk_buff` but drop it. The data may be
/// shared with clones.
pub struct SkBuff(NonNull<bindings::sk_buff>);

// SAFETY: A `sk_buff` is not bound to a task or CPU; by the type invariant nobody else uses it.
unsafe impl Send for SkBuff {}

// SAFETY: A shared reference to a `SkBuff` only gives a shared `SkBuffRef`, which is `Sync`.
unsafe impl Sync for SkBuff {}

impl SkBuff {
    /// Makes a buffer with an Ethernet frame, header and all but the frame check sequence, for
    /// `dev` to transmit. May sleep.
    ///
    /// Fails with `EINVAL` if there is no complete header or there are more than 64 KiB.
    pub fn from_frame<T: Driver>(dev: &Device<T>, frame: &[u8]) -> Result<Self> {
        let len = u16::try_from(frame.len())?.into();
        let &[hi, lo] = frame
            .get(12..14)
            .and_then(|bytes| bytes.first_chunk())
            .ok_or(EINVAL)?;

        // SAFETY: The device is valid.
        let skb = unsafe { bindings::__netdev_alloc_skb(dev.as_raw(), len, bindings::GFP_KERNEL) };

        // INVARIANT: The buffer is new, so that nobody else holds it.
        let skb = Self(NonNull::new(skb).ok_or(ENOMEM)?);

        // SAFETY: It was allocated with room for `len` bytes, which the C function returns a
        // pointer to. The headers are within these.
        unsafe {
            let data = bindings::skb_put(skb.as_raw(), len).cast::<u8>();
            data.copy_from_nonoverlapping(frame.as_ptr(), frame.len());
            bindings::skb_set_ethernet(skb.as_raw(), u16::from_be_bytes([hi, lo]).to_be());
        }
        Ok(skb)
    }

    /// Asks the device for a checksum over everything from byte `start` on, to be put `offset`
    /// bytes behind that, where the sum of the pseudo-header is.
    ///
    /// Fails with `EINVAL` if it does not have these bytes in its linear part.
    pub fn request_checksum(&mut self, start: u16, offset: u16) -> Result {
        self.check_unshared()?;

        // SAFETY: By the type invariant we own the `sk_buff`. The function checks the numbers.
        if unsafe { bindings::skb_partial_csum_set(self.as_raw(), start, offset) } {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// Takes over the ownership of a raw `sk_buff`.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, on no list, and the caller must own its only reference, which it gives
    /// up.
    #[inline]
    pub(crate) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: Required from the caller.
        Self(skb)
    }

    /// Gives up the ownership.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<bindings::sk_buff> {
        ManuallyDrop::new(self).0
    }

    /// Frees the buffer and reports `reason`. May be called in any context.
    #[inline]
    pub fn drop_reason(self, reason: DropReason) {
        // SAFETY: `into_raw()` gives us the ownership.
        unsafe { bindings::dev_kfree_skb_any_reason(self.into_raw().as_ptr(), reason.as_raw()) };
    }

    /// Frees the buffer after it was used as intended. May be called in any context.
    #[inline]
    pub fn consume_any(self) {
        // SAFETY: `into_raw()` gives us the ownership.
        unsafe {
            bindings::dev_kfree_skb_any_reason(
                self.into_raw().as_ptr(),
                bindings::skb_drop_reason_SKB_CONSUMED,
            )
        };
    }

    /// Frees the buffer after it was used as intended, in a NAPI poll.
    ///
    /// This is faster there than [`consume_any()`](Self::consume_any), as buffers are freed in
    /// batches.
    #[inline]
    pub fn consume_napi(self, cx: &napi::Context<'_>) {
        // CAST: A budget is a small positive number.
        let budget = cx.budget() as c_int;

        // SAFETY: The budget is only not 0 in a regular poll.
        unsafe { self.consume_budget(budget) };
    }

    /// Frees the buffer after it was used as intended. A `budget` of 0 works in any context.
    ///
    /// # Safety
    ///
    /// Unless `budget` is 0 the caller must be in the softirq that polls a NAPI.
    #[inline]
    pub(crate) unsafe fn consume_budget(self, budget: c_int) {
        // SAFETY: `into_raw()` gives us the ownership, the context is required from the caller.
        unsafe { bindings::napi_consume_skb(self.into_raw().as_ptr(), budget) };
    }

    /// Refuses buffers that others hold too: the C functions that change one treat this as fatal.
    #[inline]
    fn check_unshared(&self) -> Result {
        // SAFETY: By the type invariant the `sk_buff` is valid.
        if unsafe { bindings::skb_shared(self.as_raw()) } {
            return Err(EBUSY);
        }

        Ok(())
    }

    /// Refuses buffers of which the C functions that change the data cannot let go here.
    ///
    /// What they free on the way may belong to a page pool, and must not in an interrupt or with
    /// interrupts disabled: see [`RxBuffer`](super::page_pool::RxBuffer). There only buffers that
    /// never were received are changed, as those of netpoll.
    fn check_changeable(&self) -> Result {
        self.check_unshared()?;

        // SAFETY: By the type invariant the `sk_buff` is valid. The others only look at the state
        // of the CPU.
        if unsafe {
            bindings::skb_may_have_pp(self.as_raw())
                && (bindings::in_hardirq() || bindings::irqs_disabled())
        } {
            return Err(EBUSY);
        }

        Ok(())
    }

    /// Pads the packet with zeros up to `len` bytes.
    ///
    /// On failure the buffer is dropped, with the reason [`DropReason::NoMem`]. One that may
    /// consist of pages of a page pool cannot be padded in an interrupt.
    pub fn put_padto(self, len: u32) -> Option<Self> {
        if self.len() >= len {
            return Some(self);
        }

        // The C function takes the difference as a signed integer.
        if len > u32::from(u16::MAX) || self.check_changeable().is_err() {
            self.drop_reason(DropReason::NotSpecified);
            return None;
        }

        // SAFETY: By the type invariant we own the `sk_buff`, which was just checked not to be
        // shared. `false` makes the function leave it to us on failure.
        if unsafe { bindings::__skb_put_padto(self.as_raw(), len, false) } != 0 {
            self.drop_reason(DropReason::NoMem);
            return None;
        }

        Some(self)
    }

    /// Moves all data into the linear part.
    ///
    /// Returns `EBUSY` if others hold the buffer too, and for one that may consist of pages of a
    /// page pool in an interrupt.
    pub fn linearize(&mut self) -> Result {
        self.check_changeable()?;

        // SAFETY: By the type invariant we own the `sk_buff`, which was just checked not to be
        // shared.
        to_result(unsafe { bindings::skb_linearize(self.as_raw()) })
    }

    /// Computes the checksum that the device was asked for.
    ///
    /// Does nothing if it was not asked for any. Returns `EINVAL` if the packet is to be segmented,
    /// or if the place of the checksum is not in the linear part; and `EBUSY` as
    /// [`linearize()`](Self::linearize) does.
    pub fn checksum_help(&mut self) -> Result {
        if self.ip_summed() != Checksum::Partial {
            return Ok(());
        }

        self.check_changeable()?;

        // What the C function warns of, and it looks at the device then: that of a packet which was
        // kept may be gone.
        let start = self.checksum_start().ok_or(EINVAL)?;
        // SAFETY: By the type invariant the `sk_buff` is valid.
        let offset = u32::from(unsafe { bindings::skb_csum_offset(self.as_raw()) });
        let end = start.saturating_add(offset).saturating_add(2);
        if self.is_gso() || start >= self.headlen() || end > self.headlen() {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariant we own the `sk_buff`, which was just checked not to be
        // shared. It is not to be segmented, and `csum_start` and `csum_offset` are valid.
        to_result(unsafe { bindings::skb_checksum_help(self.as_raw()) })
    }

    /// Declares that the device has checked the checksums of a received packet.
    #[inline]
    pub fn set_checksum_unnecessary(&mut self) {
        // SAFETY: By the type invariant we own the `sk_buff`.
        unsafe { bindings::skb_set_ip_summed(self.as_raw(), bindings::CHECKSUM_UNNECESSARY) };
    }

    /// Stores when the device received the packet.
    ///
    /// Does nothing with a packet that is shared with clones or belongs to a socket, as those do
    /// that are transmitted.
    #[inline]
    pub fn set_hwtstamp(&mut self, time: Timestamp) {
        // SAFETY: By the type invariant we own the `sk_buff`.
        unsafe { bindings::skb_set_hwtstamp(self.as_raw(), time.as_nanos()) };
    }

    /// Stores the VLAN tag that the device has removed from a received packet.
    #[inline]
    pub fn put_vlan_tag(&mut self, tag: VlanTag) {
        let protocol = tag.protocol.ethertype().to_be();

        // SAFETY: By the type invariant we own the `sk_buff`.
        unsafe { bindings::skb_put_vlan_tag(self.as_raw(), protocol, tag.tci) };
    }

    /// Stores the receive queue that a packet came from.
    #[inline]
    pub fn record_rx_queue(&mut self, queue: u16) {
        // SAFETY: By the type invariant we own the `sk_buff`.
        unsafe { bindings::skb_record_rx_queue(self.as_raw(), queue) };
    }

    /// Makes the buffer a packet received by `dev`: takes the Ethernet header off and determines
    /// the protocol.
    ///
    /// Returns whether the packet is long enough for that. If not the buffer stays as it is, and
    /// the networking core is not given it. The same is true of one that came from elsewhere and is
    /// changed in a poll of netpoll, which may be an interrupt.
    pub fn eth_type_trans<T: Driver>(
        &mut self,
        dev: &Device<T>,
        cx: &napi::PollContext<'_>,
    ) -> bool {
        let skb = self.as_raw();

        if self.headlen() < ETH_HLEN {
            // The function below may free fragments that belong to a page pool.
            if cx.is_netpoll() || self.check_unshared().is_err() {
                return false;
            }

            // SAFETY: By the type invariant we own the `sk_buff`, which was just checked not to be
            // shared. The function refuses to pull more than the length.
            if !unsafe { bindings::pskb_may_pull(skb, ETH_HLEN) } {
                return false;
            }
        }

        // One that was built by the driver belongs to no device yet.
        //
        // SAFETY: By the type invariant we own the `sk_buff`.
        if !unsafe { bindings::skb_dev(skb) }.is_null() && !self.scrub(cx) {
            return false;
        }

        // SAFETY: By the type invariant we own the `sk_buff`; its linear part has a whole Ethernet
        // header. `dev` is valid.
        let protocol = unsafe { bindings::eth_type_trans(skb, dev.as_raw()) };

        // SAFETY: As above.
        unsafe { bindings::skb_set_ethertype(skb, protocol) };

        true
    }

    /// Takes off what a buffer that was on its way out carries and must not enter the receive path:
    /// a socket, a route, connection tracking state and extensions.
    ///
    /// Returns whether that is possible here: destructors expect a softirq.
    #[cold]
    fn scrub(&mut self, cx: &napi::PollContext<'_>) -> bool {
        if cx.is_netpoll() {
            return false;
        }

        // SAFETY: By the type invariant we own the `sk_buff`. This is the softirq of a poll.
        unsafe { bindings::skb_scrub_for_rx(self.as_raw()) };
        true
    }
}

impl Deref for SkBuff {
    type Target = SkBuffRef;

    #[inline]
    fn deref(&self) -> &SkBuffRef {
        // SAFETY: By the type invariant the pointer is valid, and all changes of the `sk_buff` need
        // a mutable reference or the ownership.
        unsafe { SkBuffRef::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for SkBuff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own the `sk_buff`.
        unsafe {
            bindings::dev_kfree_skb_any_reason(self.0.as_ptr(), DropReason::NotSpecified.as_raw())
        };
    }
}

#[kunit_tests(rust_net_skbuff)]
mod tests {
    use super::*;
    use crate::interrupt::local_interrupt_disable;

    /// Creates a packet of `len` bytes whose transport header is at `offset`.
    fn packet(len: u32, offset: u16) -> Result<SkBuff> {
        // SAFETY: This just allocates.
        let raw =
            unsafe { bindings::__alloc_skb(len, GFP_KERNEL.as_raw(), 0, bindings::NUMA_NO_NODE) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;

        // SAFETY: The packet was just allocated.
        let skb = unsafe { SkBuff::from_raw(raw) };
        // SAFETY: There is as much room.
        unsafe {
            bindings::skb_put(raw.as_ptr(), len)
                .cast::<u8>()
                .write_bytes(0, u32_as_usize(len))
        };
        // SAFETY: The function checks the offset.
        if !unsafe { bindings::skb_partial_csum_set(raw.as_ptr(), offset, 0) } {
            return Err(EINVAL);
        }
        Ok(skb)
    }

    /// Has the packet segmented; `words` is the length of the TCP header at `offset`.
    fn segment(skb: &mut SkBuff, gso_type: u32, size: u16, offset: usize, words: u8) {
        let raw = skb.as_raw();

        // SAFETY: We own the packet, which is longer than `offset` by more than a TCP header.
        unsafe {
            let info = bindings::skb_shinfo(raw);
            (*info).gso_type = gso_type;
            (*info).gso_size = size;
            (*raw).data.add(offset + 12).write(words << 4);
        }
    }

    const TCP_V4: u32 = bindings::SKB_GSO_TCPV4 as u32;
    const TCP_V6: u32 = bindings::SKB_GSO_TCPV6 as u32;
    const UDP: u32 = bindings::SKB_GSO_UDP_L4 as u32;
    const ECN: u32 = bindings::SKB_GSO_TCP_ECN as u32;
    const GRE: u32 = bindings::SKB_GSO_GRE as u32;

    #[test]
    fn gso_of_whole_headers() -> Result {
        for (gso_type, offset, words, protocol, transport_len) in [
            (TCP_V4, 34, 5, GsoProtocol::TcpV4, 20),
            (TCP_V4 | ECN, 34, 15, GsoProtocol::TcpV4, 60),
            (TCP_V6, 54, 8, GsoProtocol::TcpV6, 32),
            // What looks like a TCP header is payload.
            (UDP, 42, 15, GsoProtocol::Udp, 8),
        ] {
            let mut skb = packet(1000, offset)?;

            assert!(!skb.is_gso() && skb.gso().is_none());
            segment(&mut skb, gso_type, 100, offset.into(), words);
            assert!(skb.is_gso());

            let gso = skb.gso().ok_or(EINVAL)?;
            assert_eq!(gso.protocol, protocol);
            assert_eq!(gso.transport_len, transport_len);
            assert_eq!(gso.header_len, u32::from(offset) + transport_len);
            assert_eq!(gso.header_len + gso.payload_len, 1000);
            assert_eq!(gso.size, 100);
        }
        Ok(())
    }

    #[test]
    fn gso_of_odd_headers_is_none() -> Result {
        for (gso_type, offset, words) in [
            // Tunnels, and what is not known.
            (TCP_V4 | GRE, 34, 5),
            (TCP_V4 | UDP, 34, 5),
            (0, 34, 5),
            // A header that is too short to be one.
            (TCP_V4, 34, 0),
            (TCP_V4, 34, 4),
            // A header that is longer than the linear part, or all of the packet.
            (TCP_V4, 74, 7),
            (TCP_V6, 80, 5),
            (TCP_V6, 84, 5),
            (UDP, 92, 0),
        ] {
            let mut skb = packet(120, offset)?;
            let raw = skb.as_raw();

            segment(&mut skb, gso_type, 10, offset.into(), words);
            // SAFETY: The packet has as many bytes.
            unsafe { bindings::skb_trim(raw, 100) };
            assert!(skb.gso().is_none());
        }
        Ok(())
    }

    #[test]
    fn checksum_of_what_is_there() -> Result {
        let mut skb = packet(100, 34)?;
        assert_eq!(skb.checksum_help(), Ok(()));
        assert_eq!(skb.ip_summed(), Checksum::None);
        // Nothing to do.
        assert_eq!(skb.checksum_help(), Ok(()));

        // What is to be segmented.
        let mut skb = packet(100, 34)?;
        segment(&mut skb, TCP_V4, 10, 34, 5);
        assert_eq!(skb.checksum_help(), Err(EINVAL));

        // The checksum, or all that is summed, is behind the end.
        for len in [35, 34, 33] {
            let mut skb = packet(100, 34)?;

            // SAFETY: The packet has as many bytes.
            unsafe { bindings::skb_trim(skb.as_raw(), len) };
            assert_eq!(skb.checksum_help(), Err(EINVAL));
            assert_eq!(skb.ip_summed(), Checksum::Partial);
        }
        let mut skb = packet(100, 34)?;
        // SAFETY: The packet has as many bytes.
        unsafe { bindings::skb_trim(skb.as_raw(), 36) };
        assert_eq!(skb.checksum_help(), Ok(()));

        // It starts in front of the data.
        let mut skb = packet(100, 34)?;
        // SAFETY: The packet has as many bytes.
        unsafe { bindings::skb_pull(skb.as_raw(), 40) };
        assert_eq!(skb.checksum_start(), None);
        assert_eq!(skb.checksum_help(), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn pages_of_a_pool_are_not_freed_in_interrupts() -> Result {
        for recycle in [false, true] {
            let mut skb = packet(100, 34)?;
            let result = if recycle { Err(EBUSY) } else { Ok(()) };

            // It has no pages: nothing happens to them.
            if recycle {
                // SAFETY: We own the packet.
                unsafe { bindings::skb_mark_for_recycle(skb.as_raw()) };
            }
            assert_eq!(skb.check_changeable(), Ok(()));
            let disabled = local_interrupt_disable();
            let (linear, summed) = (skb.linearize(), skb.checksum_help());
            let padded = skb.put_padto(101);
            drop(disabled);

            assert_eq!((linear, summed), (result, result));
            assert_eq!(padded.is_none(), recycle);
        }
        Ok(())
    }

    #[test]
    fn vlan_tags() -> Result {
        for (protocol, ethertype) in [(VlanProtocol::CTag, 0x8100), (VlanProtocol::STag, 0x88a8)] {
            let tag = VlanTag {
                protocol,
                tci: 0xe123,
            };
            let mut skb = packet(100, 34)?;

            assert_eq!((skb.has_vlan_tag(), skb.vlan_tag()), (false, None));
            skb.put_vlan_tag(tag);
            assert_eq!((skb.has_vlan_tag(), skb.vlan_tag()), (true, Some(tag)));
            assert_eq!(protocol.ethertype(), ethertype);
            assert_eq!(VlanProtocol::from_ethertype(ethertype), Some(protocol));
        }
        assert_eq!(VlanProtocol::from_ethertype(0x0800), None);
        Ok(())
    }

    #[test]
    fn segments_of_a_gso() {
        for (size, payload_len, segments) in [
            (1, 1, 1),
            (100, 99, 1),
            (100, 100, 1),
            (100, 101, 2),
            (1448, 65160, 45),
            (u16::MAX, u32::MAX, 65537),
            (0, 5, 1),
        ] {
            let gso = Gso {
                protocol: GsoProtocol::TcpV4,
                header_len: 54,
                transport_len: 20,
                size,
                payload_len,
            };

            assert_eq!(gso.segments(), segments);
            assert_eq!(gso.wire_len(), (segments * 54).saturating_add(payload_len));
        }
    }
}
