// SPDX-License-Identifier: GPL-2.0

//! Transmit buffers that are between driver and device.
//!
//! [`ring()`] creates a ring with one slot for each descriptor of a transmit ring. The
//! [`Producer`], which belongs to whoever holds the transmit lock of the queue, maps packets for
//! DMA and hands them over to the [`Consumer`], which belongs to the NAPI that reaps completed
//! descriptors, unmaps the packets and frees them. The two sides share nothing but two indices;
//! there is no lock, and no memory is allocated per packet.
//!
//! # Soundness
//!
//! What nothing here can check is that the device has stopped reading a packet when the driver
//! reports it as sent, or drops the ring: the memory is unmapped and freed then, and without an
//! IOMMU that confines it the device reads whatever is there. The driver, which has given it the
//! addresses, is trusted to have looked at the descriptors, and to have stopped the device.
//!
//! # Indices
//!
//! The indices run freely, and are masked to find a slot. What is returned is masked, and so is the
//! index of a descriptor.
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     device,
//!     dma::DmaAddress,
//!     net::{
//!         inflight::{
//!             ring,
//!             Consumer,
//!             Producer, //
//!         },
//!         napi::Context,
//!         skbuff::{
//!             DropReason,
//!             SkBuff, //
//!         }, //
//!     },
//!     prelude::*, //
//! };
//!
//! fn open<'a>(
//!     dev: &'a device::Device<device::Bound>,
//! ) -> Result<(Producer<'a>, Consumer<'a>)> {
//!     ring(dev, 512)
//! }
//!
//! /// Composes the descriptors of a packet by means of `write(index, address, len, last)`.
//! fn transmit(tx: &mut Producer<'_>, skb: SkBuff, write: impl Fn(u32, DmaAddress, u32, bool)) {
//!     let pending = match tx.map(skb, 0, 16383) {
//!         Ok(pending) => pending,
//!         Err((_, skb)) => return skb.drop_reason(DropReason::NoMem),
//!     };
//!
//!     for segment in pending.segments() {
//!         write(
//!             segment.index,
//!             segment.addr,
//!             segment.len,
//!             segment.index == pending.last(),
//!         );
//!     }
//!     pending.commit();
//!     // Here the driver gives the descriptors to the device.
//! }
//!
//! /// Frees the packets which the device is done with, according to `done(index)`.
//! fn reap(tx: &mut Consumer<'_>, cx: &Context<'_>, done: impl Fn(u32) -> bool) -> u32 {
//!     let mut bytes = 0;
//!
//!     while tx.front().is_some_and(|entry| done(entry.last)) {
//!         bytes += tx.pop(cx);
//!     }
//!     tx.release();
//!     bytes
//! }
//! ```

use super::{
    hwtstamp::Timestamp,
    napi::Context,
    queue::Sender,
    skbuff::{
        DropReason,
        SkBuff,
        SkBuffRef, //
    }, //
};
use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    dma::{
        DataDirection,
        DmaAddress, //
    },
    num::casts::u32_as_usize,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};
use core::{
    cell::{
        Cell,
        UnsafeCell, //
    },
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};

/// Largest number of slots of a ring.
const MAX_SLOTS: u32 = 1 << 15;

/// The arithmetic of free-running indices.
///
/// `head` is the index of the next slot to be produced, `tail` the one of the next slot to be
/// consumed. Both wrap around at `u32::MAX`, which works because the capacity is a power of two.
///
/// # Invariants
///
/// `capacity` is a power of two, and at most [`MAX_SLOTS`].
#[derive(Clone, Copy, Debug)]
struct Indices {
    capacity: u32,
}

impl Indices {
    fn new(capacity: u32) -> Result<Self> {
        if !capacity.is_power_of_two() || capacity > MAX_SLOTS {
            return Err(EINVAL);
        }

        // INVARIANT: As just checked.
        Ok(Self { capacity })
    }

    /// Returns the index of slot 0 to start with.
    ///
    /// The first lap ends at `u32::MAX`, lest wrapping around be something that happens only after
    /// weeks.
    #[inline]
    const fn start(self) -> u32 {
        0u32.wrapping_sub(self.capacity)
    }

    #[inline]
    const fn mask(self, index: u32) -> u32 {
        index & self.capacity.wrapping_sub(1)
    }

    #[inline]
    const fn used(self, head: u32, tail: u32) -> u32 {
        head.wrapping_sub(tail)
    }

    #[inline]
    const fn free(self, head: u32, tail: u32) -> u32 {
        self.capacity.wrapping_sub(self.used(head, tail))
    }
}

/// Returns the number of segments of a buffer.
///
/// `max_seg` must not be 0.
#[inline]
const fn segments(len: u32, max_seg: u32) -> u32 {
    len.div_ceil(max_seg)
}

/// How the buffer that starts with a slot was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No buffer starts here.
    None,
    /// Mapped by `dma_map_single()`.
    Single,
    /// Mapped by `skb_frag_dma_map()`.
    Page,
}

/// A slot, corresponding to one descriptor.
#[derive(Clone, Copy)]
struct Slot {
    /// Address and length of the segment. The length is 0 for slots that precede the first buffer.
    addr: DmaAddress,
    len: u32,
    /// Length of the mapping that starts with this segment, unless `kind` is [`Kind::None`].
    map_len: u32,
    /// First slot of a packet only: the packet.
    skb: *mut bindings::sk_buff,
    /// First slot of a packet only: the bytes that it is on the wire.
    bytes: u32,
    /// First slot of a packet only: the frames that it is on the wire.
    frames: u32,
    /// First slot of a packet only: number of slots of the packet.
    count: u16,
    kind: Kind,
    /// First slot of a packet only: the device was asked for a timestamp.
    timestamp: bool,
}

impl Slot {
    const EMPTY: Self = Self {
        addr: 0,
        len: 0,
        map_len: 0,
        skb: ptr::null_mut(),
        bytes: 0,
        frames: 0,
        count: 0,
        kind: Kind::None,
        timestamp: false,
    };
}

/// Keeps the indices of the two sides in different cache lines.
#[repr(align(64))]
struct CacheAligned<T>(T);

/// What the two sides share.
///
/// # Invariants
///
/// - `slots.len()` is the capacity of `indices`.
/// - At most a capacity's worth of slots is between `tail` and `head`. They make up whole packets,
///   whose first slots have `skb` (owned, or null in place of a packet), `bytes` and `count`, and
///   whose buffers are mapped as recorded.
/// - The slots from `tail` up to `head` are only accessed by the consumer, the others only by the
///   producer. A side gives up slots by storing its index with release semantics, and gains access
///   by loading the other index with acquire semantics.
struct Ring<'a> {
    slots: KVVec<UnsafeCell<Slot>>,
    indices: Indices,
    dev: &'a device::Device<Bound>,
    /// Written by the producer.
    head: CacheAligned<Atomic<u32>>,
    /// Written by the consumer.
    tail: CacheAligned<Atomic<u32>>,
}

// SAFETY: All fields may be sent to another task, including the packets in the slots.
unsafe impl Send for Ring<'_> {}

// SAFETY: The type invariants lay down who may access a slot. There is one producer and one
// consumer, neither of which can be cloned.
unsafe impl Sync for Ring<'_> {}

impl Ring<'_> {
    #[inline]
    fn slot(&self, index: u32) -> Option<*mut Slot> {
        self.slots
            .get(u32_as_usize(self.indices.mask(index)))
            .map(UnsafeCell::get)
    }

    /// # Safety
    ///
    /// The caller must have the right to access the slot.
    #[inline]
    unsafe fn read(&self, index: u32) -> Slot {
        match self.slot(index) {
            // SAFETY: Slots are initialized; the access is the responsibility of the caller.
            Some(slot) => unsafe { *slot },
            None => Slot::EMPTY,
        }
    }

    /// # Safety
    ///
    /// The caller must have the right to access the slot.
    #[inline]
    unsafe fn write(&self, index: u32, value: Slot) {
        if let Some(slot) = self.slot(index) {
            // SAFETY: The access is the responsibility of the caller.
            unsafe { *slot = value };
        }
    }

    /// Unmaps the buffer that starts with a slot, if any.
    ///
    /// # Safety
    ///
    /// The buffer must be mapped as recorded in `slot`, and this must be the only time that it is
    /// unmapped.
    #[inline]
    unsafe fn unmap(&self, slot: &Slot) {
        let len = u32_as_usize(slot.map_len);
        let dir = DataDirection::ToDevice.into();

        match slot.kind {
            Kind::None => {}
            // SAFETY: By the safety requirements. The device is bound.
            Kind::Single => unsafe {
                bindings::dma_unmap_single(self.dev.as_raw(), slot.addr, len, dir)
            },
            // SAFETY: By the safety requirements. The device is bound.
            Kind::Page => unsafe {
                bindings::dma_unmap_page(self.dev.as_raw(), slot.addr, len, dir)
            },
        }
    }

    /// Unmaps the packet that starts with the slot `tail`, and returns it, its length and the
    /// number of its slots.
    ///
    /// # Safety
    ///
    /// `tail` must be the first slot of a packet, with all slots of which the caller may do as it
    /// likes. The caller must not use them again as slots of a packet.
    #[inline]
    unsafe fn take(&self, tail: u32) -> (Option<SkBuff>, u32, u32) {
        // SAFETY: By the safety requirements.
        let first = unsafe { self.read(tail) };
        let count = u32::from(first.count);

        for i in 0..count {
            // SAFETY: By the safety requirements, and by the type invariants, according to which
            // the buffers are mapped as recorded.
            unsafe { self.unmap(&self.read(tail.wrapping_add(i))) };
        }

        // SAFETY: By the type invariants the first slot owns the packet, and by the safety
        // requirements it is not looked at again.
        let skb = NonNull::new(first.skb).map(|skb| unsafe { SkBuff::from_raw(skb) });

        (skb, first.bytes, count)
    }
}

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        let head = self.head.0.load(Relaxed);
        let mut tail = self.tail.0.load(Relaxed);

        while tail != head {
            // SAFETY: Both sides are gone, and the consumer has stored its index. By the type
            // invariants there are whole packets between the indices.
            let (skb, _, count) = unsafe { self.take(tail) };

            if let Some(skb) = skb {
                skb.drop_reason(DropReason::QueuePurge);
            }
            // A packet has at least one slot.
            tail = tail.wrapping_add(count.max(1));
        }
    }
}

/// Most buffers that a packet consists of, if none exceeds the `max_seg` of [`Producer::map`]: the
/// linear part and all fragments.
pub const MAX_SEGMENTS: u32 = bindings::MAX_SKB_FRAGS + 1;

/// Creates a ring of transmit buffers, and returns its two ends.
///
/// `slots` is the number of descriptors, it must be a power of two and at most 32768 (`EINVAL`
/// otherwise). `dev` is the device that reads the buffers.
///
/// Packets that are in the ring when both ends are dropped are unmapped and freed. The device must
/// have been stopped by then.
pub fn ring<'a>(
    dev: &'a device::Device<Bound>,
    slots: u32,
) -> Result<(Producer<'a>, Consumer<'a>)> {
    let indices = Indices::new(slots)?;
    let start = indices.start();

    let mut vec = KVVec::with_capacity(u32_as_usize(slots), GFP_KERNEL)?;
    for _ in 0..slots {
        vec.push(UnsafeCell::new(Slot::EMPTY), GFP_KERNEL)?;
    }

    // INVARIANT: There are no packets yet, all slots belong to the producer.
    let ring = Arc::new(
        Ring {
            slots: vec,
            indices,
            dev,
            head: CacheAligned(Atomic::new(start)),
            tail: CacheAligned(Atomic::new(start)),
        },
        GFP_KERNEL,
    )?;

    // INVARIANT: These are the only two ends of the ring.
    Ok((
        Producer {
            ring: ring.clone(),
            head: start,
            tail: Cell::new(start),
        },
        Consumer {
            ring,
            tail: start,
            head: Cell::new(start),
        },
    ))
}

/// The end of a ring that maps packets and hands them over to the device.
///
/// # Invariants
///
/// - There is one producer of a ring. `head` equals the `head` of the ring.
/// - `tail` is a value of the `tail` of the ring that was loaded with acquire semantics.
pub struct Producer<'a> {
    ring: Arc<Ring<'a>>,
    head: u32,
    tail: Cell<u32>,
}

impl<'a> Producer<'a> {
    /// Returns the index of the next slot.
    #[inline]
    pub fn index(&self) -> u32 {
        self.ring.indices.mask(self.head)
    }

    /// Returns the number of slots of the ring.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.ring.indices.capacity
    }

    /// Returns the number of free slots.
    ///
    /// This reads the index of the other end, see [`free_at_least()`](Self::free_at_least).
    #[inline]
    pub fn free(&self) -> u32 {
        self.free_at_least(u32::MAX)
    }

    /// Returns the number of free slots as far as it is known, but exactly if that is less than
    /// `want`.
    ///
    /// This is cheaper than [`free()`](Self::free): most calls do not share a cache line with the
    /// other end. It serves just as well to find out whether there are `want` slots.
    #[inline]
    pub fn free_at_least(&self, want: u32) -> u32 {
        let free = self.ring.indices.free(self.head, self.tail.get());

        if free >= want {
            return free;
        }

        // INVARIANT: Loaded with acquire semantics. Pairs with the store in `Consumer::release()`:
        // the consumer is done with the slots that are free according to this.
        self.tail.set(self.ring.tail.0.load(Acquire));
        self.ring.indices.free(self.head, self.tail.get())
    }

    /// Maps a packet for DMA.
    ///
    /// The packet gets one slot for every `max_seg` bytes of its linear part and of each of its
    /// fragments, after `prefix` slots without data, for descriptors that precede it.
    ///
    /// Hands back the packet if this fails, with one of these errors:
    ///
    /// - `EBUSY`: there are not enough free slots.
    /// - `EINVAL`: the packet cannot be transmitted. It has no data, or data that the CPU cannot
    ///   read, or a fragment list, or it would never fit into the ring.
    /// - `ENOMEM`: it could not be mapped.
    #[inline]
    pub fn map<'p>(
        &'p mut self,
        skb: SkBuff,
        prefix: u32,
        max_seg: u32,
    ) -> Result<Pending<'p, 'a>, (Error, SkBuff)> {
        self.map_split(skb, prefix, 0, max_seg)
    }

    /// Maps a packet for DMA, as [`map()`](Self::map) does, with its first `header` bytes in a slot
    /// of their own.
    ///
    /// This is for devices that have to be told apart headers and payload. Fails with `EINVAL` also
    /// if the linear part has less than `header` bytes, or if these exceed `max_seg`.
    #[inline]
    pub fn map_split<'p>(
        &'p mut self,
        skb: SkBuff,
        prefix: u32,
        header: u32,
        max_seg: u32,
    ) -> Result<Pending<'p, 'a>, (Error, SkBuff)> {
        let need = match self.need(&skb, prefix, header, max_seg) {
            Ok(need) => need,
            Err(e) => return Err((e, skb)),
        };

        if self.free_at_least(need) < need {
            return Err((EBUSY, skb));
        }

        // INVARIANT: Nothing is mapped yet.
        let mut pending = Pending {
            producer: self,
            skb: ManuallyDrop::new(skb),
            count: 0,
            timestamp: false,
        };

        match pending.map_buffers(prefix, header, max_seg, need) {
            Ok(()) => Ok(pending),
            Err(e) => Err((e, pending.abort())),
        }
    }

    /// Returns the number of slots that a packet needs.
    #[inline]
    fn need(&self, skb: &SkBuffRef, prefix: u32, header: u32, max_seg: u32) -> Result<u32> {
        if max_seg == 0 || header > max_seg {
            return Err(EINVAL);
        }

        let headlen = skb.headlen();
        let rest = headlen.checked_sub(header).ok_or(EINVAL)?;
        let mut bytes = headlen;
        let mut slots = segments(rest, max_seg)
            .checked_add(u32::from(header != 0))
            .ok_or(EINVAL)?;

        // The linear part is most of the packets.
        if headlen != skb.len() {
            // SAFETY: The buffer is valid.
            if !unsafe { bindings::skb_frags_readable(skb.as_raw()) } {
                return Err(EINVAL);
            }
            for frag in frags(skb) {
                bytes = bytes.checked_add(frag.len).ok_or(EINVAL)?;
                slots = slots
                    .checked_add(segments(frag.len, max_seg))
                    .ok_or(EINVAL)?;
            }
        }

        let need = slots.checked_add(prefix).ok_or(EINVAL)?;
        if slots == 0 || bytes != skb.len() || need > self.capacity() {
            return Err(EINVAL);
        }
        Ok(need)
    }

    /// Skips the slots up to the end of the ring, so that the next packet starts with slot 0.
    ///
    /// This is where a device goes on that is restarted. The other end has to be emptied by
    /// [`Consumer::pop_all()`] before and after this: it finds an entry without a packet in place
    /// of the slots.
    ///
    /// Returns `EBUSY` if not all of these slots are free.
    pub fn skip_to_start(&mut self) -> Result {
        let index = self.index();
        if index == 0 {
            return Ok(());
        }

        let count = self.capacity().wrapping_sub(index);
        if self.free_at_least(count) < count {
            return Err(EBUSY);
        }

        for i in 0..count {
            // SAFETY: `count` slots are free, hence belong to the producer.
            unsafe { self.ring.write(self.head.wrapping_add(i), Slot::EMPTY) };
        }
        let entry = Slot {
            // CAST: The count is less than `MAX_SLOTS`.
            count: count as u16,
            ..Slot::EMPTY
        };
        // SAFETY: As above.
        unsafe { self.ring.write(self.head, entry) };

        self.head = self.head.wrapping_add(count);
        // INVARIANT: The slots make up an entry without a packet or a mapping.
        self.ring.head.0.store(self.head, Release);
        Ok(())
    }
}

/// Returns the fragments of a packet.
#[inline]
fn frags(skb: &SkBuffRef) -> &[bindings::skb_frag_t] {
    // SAFETY: The buffer is valid.
    let info = unsafe { bindings::skb_shinfo(skb.as_raw()) };

    // SAFETY: The shared info of a valid buffer is valid. The fragments are not changed while `skb`
    // is borrowed, as opposed to the reference count that clones share.
    let (count, frags) = unsafe { ((*info).nr_frags, &(*info).frags) };

    frags.get(..usize::from(count)).unwrap_or_default()
}

/// A part of a packet, as the device gets to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index of the slot.
    pub index: u32,
    /// Address of the data.
    pub addr: DmaAddress,
    /// Number of bytes.
    pub len: u32,
}

/// A packet that was mapped, but not handed over yet.
///
/// Unmaps and drops the packet when dropped.
///
/// # Invariants
///
/// The `count` slots from the `head` of the producer on are initialized, and the buffers recorded
/// in them are mapped. The `skb` of the slots is null. `count` does not exceed the number of free
/// slots.
#[must_use = "a packet that is not committed is dropped"]
pub struct Pending<'p, 'a> {
    producer: &'p mut Producer<'a>,
    skb: ManuallyDrop<SkBuff>,
    count: u32,
    timestamp: bool,
}

impl<'p, 'a> Pending<'p, 'a> {
    /// Maps all buffers of the packet to `need` slots, which must be free.
    #[inline]
    fn map_buffers(&mut self, prefix: u32, header: u32, max_seg: u32, need: u32) -> Result {
        let dev = self.producer.ring.dev.as_raw();
        let raw = self.skb.as_raw();

        for _ in 0..prefix {
            self.push(Slot::EMPTY, need)?;
        }

        let headlen = self.skb.headlen();
        if headlen > 0 {
            // SAFETY: The device is bound. The linear part of a valid packet has `headlen` bytes,
            // and exists as long as the packet, which is longer than it is mapped.
            let addr = unsafe {
                bindings::dma_map_single(
                    dev,
                    (*raw).data.cast(),
                    u32_as_usize(headlen),
                    DataDirection::ToDevice.into(),
                )
            };
            self.push_buffer(addr, headlen, Kind::Single, header, max_seg, need)?;
        }

        // SAFETY: The shared info of a valid packet is valid.
        let nr_frags = usize::from(unsafe { (*bindings::skb_shinfo(raw)).nr_frags });
        for i in 0..nr_frags {
            let Some(frag) = frags(&self.skb).get(i) else {
                break;
            };
            let len = frag.len;
            if len == 0 {
                continue;
            }

            // SAFETY: As above. The fragments are pages, as the packet is readable.
            let addr = unsafe {
                bindings::__skb_frag_dma_map(
                    dev,
                    frag,
                    0,
                    u32_as_usize(len),
                    DataDirection::ToDevice.into(),
                )
            };
            self.push_buffer(addr, len, Kind::Page, 0, max_seg, need)?;
        }
        Ok(())
    }

    /// Records a buffer that was just mapped to `addr`, or failed to be. Unless it is 0, the first
    /// segment is one of `header` bytes, of which there must be at most `len`.
    #[inline]
    fn push_buffer(
        &mut self,
        addr: DmaAddress,
        len: u32,
        kind: Kind,
        header: u32,
        max_seg: u32,
        need: u32,
    ) -> Result {
        // SAFETY: The device is bound.
        if unsafe { bindings::dma_mapping_error(self.producer.ring.dev.as_raw(), addr) } != 0 {
            return Err(ENOMEM);
        }

        let mut slot = Slot {
            addr,
            len: if header != 0 {
                header
            } else {
                len.min(max_seg)
            },
            map_len: len,
            kind,
            ..Slot::EMPTY
        };

        if let Err(e) = self.push(slot, need) {
            // SAFETY: It was mapped by the caller, and is not recorded.
            unsafe { self.producer.ring.unmap(&slot) };
            return Err(e);
        }

        // The mapping belongs to the first segment.
        slot.kind = Kind::None;
        let mut done = slot.len;
        while done < len {
            slot.addr = slot.addr.wrapping_add(slot.len.into());
            slot.len = len.wrapping_sub(done).min(max_seg);
            self.push(slot, need)?;
            done = done.wrapping_add(slot.len);
        }
        Ok(())
    }

    /// Fills the next slot. Refuses to use more than `need` slots.
    #[inline]
    fn push(&mut self, slot: Slot, need: u32) -> Result {
        if self.count >= need {
            return Err(EINVAL);
        }

        // SAFETY: `need` slots are free, hence belong to the producer.
        unsafe { self.producer.ring.write(self.raw_index(self.count), slot) };
        // INVARIANT: The slot was initialized.
        self.count = self.count.wrapping_add(1);
        Ok(())
    }

    #[inline]
    fn raw_index(&self, i: u32) -> u32 {
        self.producer.head.wrapping_add(i)
    }

    /// Returns the packet.
    #[inline]
    pub fn skb(&self) -> &SkBuffRef {
        &self.skb
    }

    /// Returns the index of the first slot, which is a prefix slot if there are any.
    #[inline]
    pub fn first(&self) -> u32 {
        self.producer.index()
    }

    /// Returns the index of the last slot.
    #[inline]
    pub fn last(&self) -> u32 {
        self.producer
            .ring
            .indices
            .mask(self.raw_index(self.count.wrapping_sub(1)))
    }

    /// Returns the number of slots, including prefix slots.
    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the parts of the packet in the order of the slots.
    #[inline]
    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<'_, 'p, 'a> {
        (0..self.count).filter_map(|i| {
            let index = self.raw_index(i);
            // SAFETY: By the type invariants the slots belong to the producer.
            let slot = unsafe { self.producer.ring.read(index) };

            // Prefix slots have no data, all others have.
            (slot.len > 0).then(|| Segment {
                index: self.producer.ring.indices.mask(index),
                addr: slot.addr,
                len: slot.len,
            })
        })
    }

    /// Declares that the device takes a timestamp of the packet, which its sender wants: see
    /// [`SkBuffRef::tx_hw_tstamp`] and [`Consumer::pop_timestamped`].
    #[inline]
    pub fn request_timestamp(&mut self) {
        self.timestamp = true;
        // SAFETY: We own the packet.
        unsafe { bindings::skb_tx_in_progress(self.skb.as_raw()) };
    }

    /// Takes the timestamp of software, if the sender wants one.
    ///
    /// To be called when all else is done and right before the descriptors are given to the device,
    /// after [`request_timestamp()`](Self::request_timestamp) if that is called. `queue` is the one
    /// that the packet is transmitted on; for a packet of another device this does nothing.
    #[inline]
    pub fn software_timestamp(&mut self, queue: &Sender<'_>) {
        // SAFETY: We own the packet. The device of the queue is valid, which is the only one that
        // the function uses.
        unsafe { bindings::skb_tx_timestamp_of(self.skb.as_raw(), queue.dev()) };
    }

    /// Hands the packet over to the [`Consumer`].
    ///
    /// To be called when the descriptors are composed, and before the device is told about them.
    #[inline]
    pub fn commit(self) {
        let bytes = self.skb.len();

        self.commit_as(1, bytes);
    }

    /// Hands over a packet, as [`commit()`](Self::commit) does, that the device makes `frames`
    /// frames of, with `bytes` in all.
    ///
    /// The [`Consumer`] is told these numbers; nothing depends on them here.
    #[inline]
    pub fn commit_as(self, frames: u32, bytes: u32) {
        let mut this = ManuallyDrop::new(self);
        let head = this.producer.head;

        // SAFETY: `this` is not dropped.
        let skb = unsafe { ManuallyDrop::take(&mut this.skb) };

        // SAFETY: By the type invariants the slot belongs to the producer.
        let first = unsafe { this.producer.ring.read(head) };
        // CAST: The count is at most `MAX_SLOTS`.
        let count = this.count as u16;
        // SAFETY: As above.
        unsafe {
            this.producer.ring.write(
                head,
                Slot {
                    skb: skb.into_raw().as_ptr(),
                    bytes,
                    frames,
                    count,
                    timestamp: this.timestamp,
                    ..first
                },
            )
        };

        this.producer.head = head.wrapping_add(this.count);
        // INVARIANT: The slots make up a whole packet. Pairs with the loads by the consumer.
        this.producer.ring.head.0.store(this.producer.head, Release);
    }

    /// Unmaps the packet and returns it.
    pub fn abort(self) -> SkBuff {
        let mut this = ManuallyDrop::new(self);

        this.unmap();
        // SAFETY: `this` is not dropped.
        unsafe { ManuallyDrop::take(&mut this.skb) }
    }

    fn unmap(&mut self) {
        for i in 0..self.count {
            let index = self.raw_index(i);

            // SAFETY: By the type invariants the slots belong to the producer, and the buffers are
            // mapped as recorded. They are not looked at again.
            unsafe {
                let slot = self.producer.ring.read(index);
                self.producer.ring.unmap(&slot);
            }
        }
        // INVARIANT: Nothing is mapped any more.
        self.count = 0;
    }
}

impl Drop for Pending<'_, '_> {
    fn drop(&mut self) {
        self.unmap();
        // SAFETY: The field is not used again.
        unsafe { ManuallyDrop::drop(&mut self.skb) };
    }
}

/// A packet that was handed over by the [`Producer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index of the first slot, which is a prefix slot if there are any.
    pub first: u32,
    /// Index of the last slot.
    pub last: u32,
    /// Number of bytes of the packet, on the wire.
    pub bytes: u32,
    /// Number of frames that the packet is on the wire.
    pub frames: u32,
    /// The device was asked for a timestamp.
    pub timestamp: bool,
}

/// The end of a ring that frees packets which the device is done with.
///
/// # Invariants
///
/// - There is one consumer of a ring. `tail` is at most `head`, and at least the `tail` of the
///   ring. The packets from the latter on up to the former were taken.
/// - `head` is a value of the `head` of the ring that was loaded with acquire semantics.
pub struct Consumer<'a> {
    ring: Arc<Ring<'a>>,
    tail: u32,
    head: Cell<u32>,
}

impl Consumer<'_> {
    /// Returns whether there is a packet, which the consumer may access then.
    #[inline]
    fn available(&self) -> bool {
        if self.tail != self.head.get() {
            return true;
        }

        // INVARIANT: Loaded with acquire semantics. Pairs with the store in `Pending::commit()`.
        self.head.set(self.ring.head.0.load(Acquire));
        self.tail != self.head.get()
    }

    /// Returns the oldest packet.
    #[inline]
    pub fn front(&self) -> Option<Entry> {
        if !self.available() {
            return None;
        }

        // SAFETY: There is a packet, so the slot belongs to the consumer.
        let slot = unsafe { self.ring.read(self.tail) };
        let last = self
            .tail
            .wrapping_add(u32::from(slot.count))
            .wrapping_sub(1);

        Some(Entry {
            first: self.ring.indices.mask(self.tail),
            last: self.ring.indices.mask(last),
            bytes: slot.bytes,
            frames: slot.frames,
            timestamp: slot.timestamp,
        })
    }

    /// Unmaps the oldest packet and returns it with its length. There is none if nothing is in the
    /// ring, or slots that were skipped.
    #[inline]
    fn take(&mut self) -> Option<(SkBuff, u32)> {
        if !self.available() {
            return None;
        }

        // SAFETY: There is a packet, so its slots belong to the consumer, which skips them below.
        let (skb, bytes, count) = unsafe { self.ring.take(self.tail) };

        // INVARIANT: The packet was taken.
        self.tail = self.tail.wrapping_add(count);
        skb.map(|skb| (skb, bytes))
    }

    /// Unmaps the oldest packet and frees it as transmitted.
    ///
    /// Returns the number of its bytes, or 0 if there was none. The device must be done with it.
    #[inline]
    pub fn pop(&mut self, cx: &Context<'_>) -> u32 {
        let Some((skb, bytes)) = self.take() else {
            return 0;
        };

        skb.consume_napi(cx);
        bytes
    }

    /// The same as [`pop()`](Self::pop) for a packet of which the device took a timestamp: the
    /// sender gets it, provided that it was [requested](Pending::request_timestamp).
    ///
    /// It is lost in netpoll, where sockets cannot be woken.
    pub fn pop_timestamped(&mut self, cx: &Context<'_>, time: Timestamp) -> u32 {
        let requested = self.front().is_some_and(|entry| entry.timestamp);
        let Some((skb, bytes)) = self.take() else {
            return 0;
        };

        if requested && cx.budget() != 0 {
            // SAFETY: We own the packet. A budget means softirq context.
            unsafe { bindings::skb_tstamp_tx_hw(skb.as_raw(), time.as_nanos()) };
        }
        skb.consume_napi(cx);
        bytes
    }

    /// Makes the slots of the packets that were popped available to the producer.
    ///
    /// To be called once after a series of [`pop()`](Self::pop).
    #[inline]
    pub fn release(&mut self) {
        // INVARIANT: The packets were taken. Pairs with the load by the producer.
        self.ring.tail.0.store(self.tail, Release);
    }

    /// Returns the number of slots that are free once the popped ones are
    /// [released](Self::release).
    #[inline]
    pub fn free_after_release(&self) -> u32 {
        self.ring
            .indices
            .free(self.ring.head.0.load(Relaxed), self.tail)
    }

    /// Unmaps and drops all packets, and releases their slots.
    ///
    /// Returns the numbers of packets and of bytes. The device must have been stopped.
    pub fn pop_all(&mut self) -> (u32, u32) {
        let mut packets = 0u32;
        let mut total = 0u32;

        while self.available() {
            let Some((skb, bytes)) = self.take() else {
                continue;
            };
            skb.drop_reason(DropReason::QueuePurge);
            packets = packets.wrapping_add(1);
            total = total.wrapping_add(bytes);
        }
        self.release();
        (packets, total)
    }
}

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        // What was taken must not be taken again by the destructor of the ring.
        self.release();
    }
}

#[kunit_tests(rust_net_inflight)]
mod tests {
    use super::*;
    use crate::{
        net::napi::{
            testing::{
                eventually,
                Parent, //
            },
            Napi,
            Poll,
            PollContext,
            Polled, //
        },
        page::PAGE_SIZE, //
    };

    /// A sequence of numbers without apparent order (a linear congruential generator).
    struct Random(u32);

    impl Random {
        fn below(&mut self, end: u32) -> u32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) % end
        }
    }

    #[test]
    fn capacity_is_a_power_of_two() {
        for bad in [0, 3, 6, 511, MAX_SLOTS + 1, 2 * MAX_SLOTS, u32::MAX] {
            assert!(Indices::new(bad).is_err());
        }
        for shift in 0..=15 {
            assert!(Indices::new(1 << shift).is_ok());
        }
    }

    #[test]
    fn indices_match_unbounded_counters() -> Result {
        for capacity in [1, 2, 16, 512, MAX_SLOTS] {
            let indices = Indices::new(capacity)?;
            let mut random = Random(capacity);
            let (mut head, mut tail) = (indices.start(), indices.start());
            let (mut produced, mut consumed) = (0u64, 0u64);

            assert_eq!(indices.mask(head), 0);

            // Many laps, the first of which ends with the wrap-around.
            while produced < 10 * u64::from(capacity) {
                let n = random.below(indices.free(head, tail) + 1);
                head = head.wrapping_add(n);
                produced += u64::from(n);

                let n = random.below(indices.used(head, tail) + 1);
                tail = tail.wrapping_add(n);
                consumed += u64::from(n);

                assert_eq!(u64::from(indices.used(head, tail)), produced - consumed);
                assert_eq!(
                    indices.used(head, tail) + indices.free(head, tail),
                    capacity
                );
                assert_eq!(
                    u64::from(indices.mask(head)),
                    produced % u64::from(capacity)
                );
                assert_eq!(
                    u64::from(indices.mask(tail)),
                    consumed % u64::from(capacity)
                );
            }
        }
        Ok(())
    }

    #[test]
    fn segments_cover_the_length() {
        for max in [1, 2, 7, 4096, 16383, u32::MAX] {
            for len in [0, 1, 6, 7, 8, 4095, 4096, 4097, 65536, u32::MAX] {
                let n = u64::from(segments(len, max));

                assert!(n * u64::from(max) >= u64::from(len));
                assert!(n == 0 || (n - 1) * u64::from(max) < u64::from(len));
            }
        }
    }

    /// Creates a packet with a linear part of `head` bytes, and fragments.
    fn packet(head: u32, frags: &[u32]) -> Result<SkBuff> {
        // SAFETY: This just allocates.
        let raw = unsafe {
            bindings::__alloc_skb(head.max(1), GFP_KERNEL.as_raw(), 0, bindings::NUMA_NO_NODE)
        };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;

        // SAFETY: The packet was just allocated.
        let skb = unsafe { SkBuff::from_raw(raw) };
        // SAFETY: There is as much room.
        unsafe { bindings::skb_put(raw.as_ptr(), head) };

        for (i, len) in (0..).zip(frags) {
            assert!(u32_as_usize(*len) <= PAGE_SIZE);
            // SAFETY: This just allocates.
            let page = unsafe { bindings::alloc_pages(GFP_KERNEL.as_raw(), 0) };
            if page.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: The packet has few fragments, and takes over the page.
            unsafe {
                bindings::skb_add_rx_frag(raw.as_ptr(), i, page, 0, *len as c_int, 4096);
            }
        }
        Ok(skb)
    }

    #[test]
    fn packets_come_out_as_they_went_in() -> Result {
        let parent = Parent::new()?;
        let (mut tx, mut done) = ring(parent.device(), 64)?;
        let mut random = Random(1);
        let mut sent = KVec::new();
        let mut reaped = 0;
        let mut next = 0;
        let mut free = 64;

        for _ in 0..500 {
            let frags = [1 + random.below(4000), 1 + random.below(4000)];
            let nr_frags = u32_as_usize(random.below(3));
            let frags = frags.get(..nr_frags).ok_or(EINVAL)?;
            let skb = packet(random.below(2) * 100 + 1, frags)?;
            let len = skb.len();
            let prefix = random.below(2);
            let max_seg = 1000 + random.below(4000);

            assert_eq!((tx.index(), tx.free()), (next, free));
            let refused = match tx.map(skb, prefix, max_seg) {
                Err(refused) => refused,
                Ok(pending) => {
                    // The slots are consecutive, and the segments are all of the packet.
                    assert_eq!(pending.first(), next);
                    assert_eq!(pending.last(), (next + pending.count() - 1) % 64);
                    let mut index = next + prefix;
                    let mut bytes = 0;
                    for segment in pending.segments() {
                        assert_eq!(segment.index, index % 64);
                        assert!(segment.len > 0 && segment.len <= max_seg);
                        index += 1;
                        bytes += segment.len;
                    }
                    assert_eq!(index, next + pending.count());
                    assert_eq!(bytes, len);

                    let count = pending.count();
                    if random.below(4) == 0 {
                        let skb = pending.abort();
                        assert_eq!(skb.len(), len);
                    } else {
                        sent.push((pending.first(), pending.last(), len), GFP_KERNEL)?;
                        pending.commit();
                        next = (next + count) % 64;
                        free -= count;
                    }
                    continue;
                }
            };

            // The ring is full. The packet is as it was before.
            let (e, skb) = refused;
            assert_eq!(e, EBUSY);
            assert_eq!(skb.len(), len);
            assert!(free < prefix + 1 + 2 * 4);

            while let Some(entry) = done.front() {
                let (_, bytes) = done.take().ok_or(EINVAL)?;

                assert_eq!(sent.get(reaped), Some(&(entry.first, entry.last, bytes)));
                assert_eq!(entry.bytes, bytes);
                reaped += 1;
            }
            assert_eq!(done.free_after_release(), 64);
            done.release();
            free = 64;
        }

        // Several laps were made.
        assert!(sent.len() > 200);
        let (packets, _) = done.pop_all();
        assert_eq!(reaped + u32_as_usize(packets), sent.len());
        assert_eq!(done.front(), None);
        assert_eq!(tx.free(), 64);
        Ok(())
    }

    #[test]
    fn a_split_buffer_is_contiguous() -> Result {
        let parent = Parent::new()?;
        let (mut tx, _done) = ring(parent.device(), 16)?;
        let pending = tx.map(packet(2500, &[])?, 0, 1000).map_err(|(e, _)| e)?;
        let mut segments = pending.segments();
        let mut end = None;

        for len in [1000, 1000, 500] {
            let segment = segments.next().ok_or(EINVAL)?;

            assert_eq!(segment.len, len);
            assert!(end.is_none_or(|end| end == segment.addr));
            end = Some(segment.addr + DmaAddress::from(segment.len));
        }
        assert_eq!(segments.next(), None);
        Ok(())
    }

    #[test]
    fn a_header_has_a_slot_of_its_own() -> Result {
        let parent = Parent::new()?;
        let (mut tx, mut done) = ring(parent.device(), 16)?;
        let pending = tx
            .map_split(packet(2554, &[1700])?, 1, 54, 1000)
            .map_err(|(e, _)| e)?;
        let mut segments = pending.segments();
        let mut end = None;

        // The slot before the first one is the prefix.
        for (index, len) in (1..).zip([54, 1000, 1000, 500]) {
            let segment = segments.next().ok_or(EINVAL)?;

            assert_eq!((segment.index, segment.len), (index, len));
            assert!(end.is_none_or(|end| end == segment.addr));
            end = Some(segment.addr + DmaAddress::from(segment.len));
        }
        // Fragments have no header.
        assert_eq!(segments.next().map(|segment| segment.len), Some(1000));
        assert_eq!(segments.next().map(|segment| segment.len), Some(700));
        assert_eq!(segments.next(), None);
        drop(segments);

        pending.commit_as(3, 4362);
        assert_eq!(
            done.front(),
            Some(Entry {
                first: 0,
                last: 6,
                bytes: 4362,
                frames: 3,
                timestamp: false,
            })
        );
        assert_eq!(done.pop_all(), (1, 4362));

        // Nothing but a header.
        let pending = tx
            .map_split(packet(54, &[100])?, 0, 54, 1000)
            .map_err(|(e, _)| e)?;
        let mut segments = pending.segments().map(|segment| segment.len);
        assert_eq!((segments.next(), segments.next()), (Some(54), Some(100)));
        assert_eq!(segments.next(), None);
        Ok(())
    }

    #[test]
    fn impossible_headers_are_handed_back() -> Result {
        let parent = Parent::new()?;
        let (mut tx, _done) = ring(parent.device(), 16)?;

        // Longer than the linear part, or than a segment.
        for (header, max_seg) in [(101, 1000), (u32::MAX, u32::MAX), (60, 59)] {
            let Err((e, skb)) = tx.map_split(packet(100, &[50])?, 0, header, max_seg) else {
                return Err(EINVAL);
            };

            assert_eq!(e, EINVAL);
            assert_eq!(skb.len(), 150);
        }
        assert_eq!(tx.free(), 16);
        Ok(())
    }

    #[test]
    fn impossible_packets_are_handed_back() -> Result {
        let parent = Parent::new()?;
        let (mut tx, done) = ring(parent.device(), 4)?;

        for (head, prefix, max_seg) in [
            (0, 0, 1000),
            (100, 0, 0),
            (100, 4, 1000),
            (100, u32::MAX, 1000),
            (100, 0, 20),
        ] {
            let Err((e, skb)) = tx.map(packet(head, &[])?, prefix, max_seg) else {
                return Err(EINVAL);
            };

            assert_eq!(e, EINVAL);
            assert_eq!(skb.len(), head);
        }
        assert_eq!(tx.free(), 4);
        assert_eq!(done.front(), None);
        Ok(())
    }

    #[test]
    fn a_full_ring_wraps() -> Result {
        let parent = Parent::new()?;
        let (mut tx, mut done) = ring(parent.device(), 4)?;

        for _ in 0..3 {
            for i in 0..4 {
                assert_eq!(tx.index(), i);
                tx.map(packet(60, &[])?, 0, 1000)
                    .map_err(|(e, _)| e)?
                    .commit();
            }
            assert_eq!(tx.free(), 0);
            assert_eq!(tx.free_at_least(1), 0);
            assert!(tx
                .map(packet(60, &[])?, 0, 1000)
                .is_err_and(|(e, _)| e == EBUSY));

            // What is popped is not free before it is released.
            assert!(done.take().is_some());
            assert_eq!(tx.free(), 0);
            done.release();
            assert_eq!(tx.free(), 1);

            assert_eq!(done.pop_all(), (3, 180));
            assert_eq!(done.pop_all(), (0, 0));
            assert_eq!(tx.free(), 4);
        }
        Ok(())
    }

    #[test]
    fn timestamps_are_marked() -> Result {
        let parent = Parent::new()?;
        let (mut tx, mut done) = ring(parent.device(), 8)?;

        for marked in [true, false, true] {
            let mut pending = tx.map(packet(60, &[])?, 1, 30).map_err(|(e, _)| e)?;

            if marked {
                pending.request_timestamp();
                // SAFETY: The packet is valid.
                let flags = unsafe { (*bindings::skb_shinfo(pending.skb().as_raw())).tx_flags };
                assert_eq!(u32::from(flags), bindings::SKBTX_IN_PROGRESS);
            }
            pending.commit();
            assert!(done.front().is_some_and(|entry| entry.timestamp == marked));
            assert!(done.take().is_some());
            done.release();
        }
        Ok(())
    }

    #[test]
    fn the_rest_of_the_ring_can_be_skipped() -> Result {
        let parent = Parent::new()?;
        let (mut tx, mut done) = ring(parent.device(), 8)?;
        let send = |tx: &mut Producer<'_>, prefix| -> Result {
            tx.map(packet(60, &[])?, prefix, 1000)
                .map_err(|(e, _)| e)?
                .commit();
            Ok(())
        };

        // There is nothing to skip.
        assert_eq!(tx.skip_to_start(), Ok(()));
        assert_eq!((tx.index(), tx.free()), (0, 8));

        send(&mut tx, 4)?;
        send(&mut tx, 0)?;
        assert_eq!(done.pop_all(), (2, 120));
        send(&mut tx, 0)?;
        send(&mut tx, 2)?;
        assert_eq!(tx.index(), 2);
        // Not all slots are free.
        assert_eq!(tx.skip_to_start(), Err(EBUSY));
        assert_eq!(tx.index(), 2);

        assert_eq!(done.pop_all(), (2, 120));
        assert_eq!(tx.skip_to_start(), Ok(()));
        assert_eq!((tx.index(), tx.free()), (0, 2));
        // What was skipped is no packet, and is not unmapped again.
        assert_eq!(done.pop_all(), (0, 0));
        assert_eq!(tx.free(), 8);

        // Dropping the ends frees the packet, and passes over what was skipped.
        send(&mut tx, 0)?;
        assert_eq!(
            done.front().map(|entry| (entry.first, entry.bytes)),
            Some((0, 60))
        );
        assert_eq!(tx.skip_to_start(), Ok(()));
        Ok(())
    }

    /// Reaps packets in softirq context.
    struct Sink<'a> {
        ring: Consumer<'a>,
        seen: Arc<Atomic<u32>>,
        wrong: u32,
    }

    /// The length of the n-th packet, which tells one packet from another.
    fn length(n: u32) -> u32 {
        1 + n % 97
    }

    impl Poll for Sink<'_> {
        type Irq = ();

        fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
            for n in 0..cx.budget() {
                let Some(entry) = self.ring.front() else {
                    self.ring.release();
                    return Polled::Done(n);
                };
                let seen = self.seen.load(Relaxed);

                if entry.bytes != length(seen) || self.ring.pop(cx) != entry.bytes {
                    self.wrong += 1;
                }
                self.seen.store(seen.wrapping_add(1), Relaxed);
            }
            self.ring.release();
            Polled::Again
        }

        fn rearm(_irq: &()) {}
    }

    #[test]
    fn both_ends_work_at_the_same_time() -> Result {
        const PACKETS: u32 = 20_000;

        let parent = Parent::new()?;
        let (mut tx, ring) = ring(parent.device(), 16)?;
        let seen = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let sink = Sink {
            ring,
            seen: seen.clone(),
            wrong: 0,
        };

        // SAFETY: It is dropped at the end of the test.
        let napi = unsafe { Napi::new(parent.netdev()?, (), Ok(sink)) };
        let napi = KBox::pin_init(napi, GFP_KERNEL)?;

        napi.enable();
        for n in 0..PACKETS {
            let mut skb = packet(length(n), &[])?;

            loop {
                skb = match tx.map(skb, n % 3, 50) {
                    Ok(pending) => {
                        pending.commit();
                        break;
                    }
                    Err((e, skb)) => {
                        assert_eq!(e, EBUSY);
                        skb
                    }
                };
                napi.schedule();
            }
            napi.schedule();
        }
        assert!(eventually(|| seen.load(Relaxed) == PACKETS));
        napi.disable();

        assert_eq!(tx.free(), 16);
        assert_eq!(
            napi.with_disabled(|sink, _| (sink.wrong, sink.ring.front())),
            Some((0, None))
        );
        Ok(())
    }
}
