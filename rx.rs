// SPDX-License-Identifier: GPL-2.0

//! Receive: from descriptors to the stack.
//!
//! Every buffer is a fragment of a page-pool page. A frame longer than a buffer spans several
//! descriptors and becomes a fragmented skb. Where the hardware splits frames, each descriptor has
//! a second buffer for what follows the headers. What the DMA wrote is not trusted: lengths are
//! checked against what the buffers hold, and a sequence that makes no sense is counted and
//! dropped.

use core::marker::PhantomData;

use kernel::{
    net::{
        hwtstamp::Timestamp,
        napi,
        page_pool::{
            self,
            PagePool,
            RxBuffer,
            RxLayout,
            HEADROOM, //
        },
        rtnl::Rtnl,
        skbuff::{
            DropReason,
            SkBuff,
            VlanProtocol,
            VlanTag, //
        }, //
    },
    prelude::*,
    sync::{
        barrier::{
            dma_mb,
            Read,
            Write, //
        },
        Arc, //
    }, //
};

use crate::{
    datapath,
    desc::{
        Format,
        RxChecksum,
        RxStatus,
        Words, //
    },
    hw::Hw,
    hwif::RingSetup,
    netdev::Device,
    ring::{
        DescRing,
        Position, //
    },
    stats::{
        poll,
        Tally, //
    }, //
};

/// Consumed descriptors are refilled in batches of this size during a poll.
const REFILL_BATCH: u32 = 16;

/// Buffer lengths that the DMA takes are multiples of this.
const BUF_ALIGN: u32 = 16;

/// A second VLAN tag, and a frame check sequence should the hardware not strip it.
const FRAME_SLACK: u32 = 4 + 4;

/// Polls that a frame waits for its timestamp, which the DMA writes right after the frame.
const STAMP_TRIES: u32 = 8;

/// When the receiver interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coalesce {
    /// Interrupt at every so many frames. Zero: leave it to the watchdog.
    pub(crate) frames: u32,
    /// Watchdog (RIWT): interrupt this long after a frame that asked for no interrupt. Zero: off.
    pub(crate) usecs: u32,
}

impl Coalesce {
    /// A burst shares an interrupt, and a lone frame waits little.
    pub(crate) const DEFAULT: Self = Self {
        frames: 0,
        usecs: 64,
    };

    /// Whether the descriptor at `slot` is to ask for an interrupt.
    #[inline(always)]
    pub(crate) fn interrupt(&self, slot: u32) -> bool {
        match slot.checked_rem(self.frames) {
            Some(rest) => rest == 0,
            None => self.usecs == 0,
        }
    }
}

/// A receive ring that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Its channel.
    pub(crate) ch: usize,
    /// Number of descriptors.
    pub(crate) len: u32,
    /// Bytes of the longest frame.
    pub(crate) max_frame: u32,
    /// When it interrupts.
    pub(crate) coalesce: Coalesce,
    /// Headers get buffers of their own.
    pub(crate) split: bool,
    /// Type of the VLAN tags that are removed.
    pub(crate) vlan: VlanProtocol,
}

/// Buffer length for frames of up to `max_frame` bytes: all of it where it fits, else what a page
/// holds.
pub(crate) fn buf_len(max_frame: u32) -> u32 {
    let wanted = max_frame
        .saturating_add(FRAME_SLACK)
        .checked_next_multiple_of(BUF_ALIGN)
        .unwrap_or(u32::MAX);
    wanted.min(RxLayout::max_data(HEADROOM) / BUF_ALIGN * BUF_ALIGN)
}

/// Bytes in both buffers of a descriptor, where frames are split; none if they make no sense.
///
/// The descriptors before, if any, hold `got` bytes of the frame; with this one it is `total`. The
/// headers, of `header` bytes, are in the first buffer of the first descriptor. A frame that is not
/// split, with no `header`, starts there; what is left of either is in the second buffers.
pub(crate) fn split_lens(got: u32, total: u32, header: u32, buf_len: u32) -> Option<(u32, u32)> {
    let here = total.checked_sub(got).filter(|&here| here != 0)?;
    let one = match (got, header) {
        (0, 0) => here.min(buf_len),
        (0, header) => header,
        _ => 0,
    };
    let two = here.checked_sub(one)?;

    (one <= buf_len && two <= buf_len).then_some((one, two))
}

/// Puts `len` bytes in `buffer` at the end of `skb`, or makes one of them. `ENOMEM`, or `EMSGSIZE`
/// for more fragments than any frame has: the buffer stays then.
#[inline(always)]
fn place(
    cx: &napi::PollContext<'_>,
    skb: &mut Option<SkBuff>,
    buffer: Option<&mut Option<RxBuffer>>,
    len: u32,
) -> Result {
    let place = buffer.ok_or(ENOMEM)?;
    let taken = place.take().ok_or(ENOMEM)?;
    let placed = match skb.as_mut() {
        None => taken.into_skb(cx, len).map(|new| *skb = Some(new)),
        Some(skb) => taken.add_to(cx, skb, len),
    };
    placed.map_err(|(err, unused)| {
        *place = Some(unused);
        err
    })
}

/// Has a buffer in a slot of `buffers`; returns where the DMA finds it.
#[inline(always)]
fn fill(
    pool: &mut PagePool<'_>,
    buffers: &mut KVec<Option<RxBuffer>>,
    slot: u32,
    cx: Option<&napi::Context<'_>>,
) -> Result<u64> {
    // CAST: `u32` fits `usize` on every architecture of the kernel.
    let buffer = buffers.get_mut(slot as usize).ok_or(EINVAL)?;

    Ok(match buffer {
        // Kept from a descriptor whose contents were dropped, or that did not need it.
        Some(kept) => kept.dma_address(),
        None => buffer.insert(pool.alloc(cx, GFP_ATOMIC)?).dma_address(),
    })
}

/// Outcome of a poll.
pub(crate) struct Polled {
    /// Frames taken from the ring.
    pub(crate) frames: u32,
    /// Memory was short: the ring lacks buffers and nobody will interrupt for it.
    pub(crate) starving: bool,
    /// A frame waits for its timestamp, for which nobody may interrupt.
    pub(crate) waiting: bool,
}

/// What a poll handed to the stack.
#[derive(Default)]
struct Delivered {
    /// Dropped ones among them: they were work, too.
    frames: u32,
    dropped: u32,
    bytes: u64,
    multicast: u64,
}

/// A receive ring. `SPLIT`: headers have buffers of their own.
pub(crate) struct RxRing<'a, F: Format, const SPLIT: bool> {
    desc: DescRing,
    buffers: KVec<Option<RxBuffer>>,
    /// Second buffers, if there are any.
    payloads: KVec<Option<RxBuffer>>,
    /// Next descriptor to look at.
    current: Position,
    /// Next descriptor to fill; the DMA owns `current..dirty`.
    dirty: Position,
    /// The frame being put together from several descriptors.
    partial: Option<SkBuff>,
    /// The rest of the frame is to be dropped, up to its last descriptor.
    skipping: bool,
    /// A whole frame whose timestamp is to be in the next descriptor.
    unstamped: Option<SkBuff>,
    /// Polls that did not find it.
    waited: u32,
    /// Nanoseconds by which timestamps are late.
    capture_delay: i64,
    buf_len: u32,
    /// Type of the VLAN tags that are removed.
    vlan: VlanProtocol,
    coalesce: Coalesce,
    ch: usize,
    hw: Arc<Hw<'a>>,
    pool: PagePool<'a>,
    _format: PhantomData<F>,
}

impl<'a, F: Format, const SPLIT: bool> RxRing<'a, F, SPLIT> {
    /// Makes a ring and fills it with buffers.
    pub(crate) fn new(hw: &Arc<Hw<'a>>, dev: &Device, plan: &Plan, rtnl: &Rtnl) -> Result<Self> {
        let len = plan.len;
        let buf_len = buf_len(plan.max_frame);
        let pool = PagePool::for_netdev(
            hw.dev,
            &page_pool::Config {
                pool_size: if SPLIT { len.saturating_mul(2) } else { len },
                frag_size: RxLayout::new(HEADROOM, buf_len).frag_size,
                headroom: HEADROOM,
            },
            dev,
            rtnl,
        )?;
        let slots = |count: u32| -> Result<_> {
            let mut slots = KVec::with_capacity(count.try_into()?, GFP_KERNEL)?;
            for _ in 0..count {
                slots.push(None, GFP_KERNEL)?;
            }
            Ok(slots)
        };
        let mut ring = Self {
            desc: DescRing::new(hw.dev, len)?,
            buffers: slots(len)?,
            payloads: slots(if SPLIT { len } else { 0 })?,
            current: Position::default(),
            dirty: Position::default(),
            partial: None,
            skipping: false,
            unstamped: None,
            waited: 0,
            capture_delay: hw.capture_delay(),
            buf_len,
            vlan: plan.vlan,
            coalesce: plan.coalesce,
            ch: plan.ch,
            hw: hw.clone(),
            pool,
            _format: PhantomData,
        };
        ring.refill(None)?;
        Ok(ring)
    }

    /// Fills every descriptor but one: a tail equal to the DMA's position would read as empty.
    fn refill(&mut self, cx: Option<&napi::Context<'_>>) -> Result {
        let mask = self.desc.mask();
        while self.dirty.ahead_of(self.current) < mask {
            let slot = self.dirty.slot(mask);
            let interrupt = self.coalesce.interrupt(slot);
            let addr = fill(&mut self.pool, &mut self.buffers, slot, cx)?;
            let words = if SPLIT {
                let payload = fill(&mut self.pool, &mut self.payloads, slot, cx)?;
                F::rx_split_buffers(addr, payload, interrupt)
            } else {
                F::rx_buffer(addr, interrupt)
            };
            self.desc.store_except(slot, &words, F::OWN_WORD);
            dma_mb(Write);
            self.desc.store_word(
                slot,
                F::OWN_WORD,
                words.get(F::OWN_WORD).copied().unwrap_or(0),
            );
            self.dirty = self.dirty.next();
        }
        Ok(())
    }

    /// Takes a context descriptor. Returns the frame that has waited for its timestamp.
    #[cold]
    fn take_timestamp(&mut self, words: &Words, tally: &mut Tally) -> Option<SkBuff> {
        let Some(mut skb) = self.unstamped.take() else {
            // None was announced.
            tally.add(poll::RX_BAD_DESCRIPTORS, 1);
            return None;
        };
        match F::rx_timestamp(words) {
            Some(time) => {
                let nanos = time.as_nanos().wrapping_sub(self.capture_delay);
                skb.set_hwtstamp(Timestamp::from_nanos(nanos));
                tally.add(poll::RX_TIMESTAMPS, 1);
            }
            None => tally.add(poll::RX_TIMESTAMPS_MISSED, 1),
        }
        Some(skb)
    }

    /// The frame that waits for a timestamp goes without.
    #[cold]
    fn go_unstamped(&mut self, tally: &mut Tally) -> Option<SkBuff> {
        tally.add(poll::RX_TIMESTAMPS_MISSED, 1);
        self.unstamped.take()
    }

    /// Takes one descriptor that the DMA gave back. Returns a frame if it is complete.
    fn take(
        &mut self,
        cx: &napi::PollContext<'_>,
        slot: u32,
        words: &Words,
        status: &RxStatus,
        tally: &mut Tally,
    ) -> Option<SkBuff> {
        if status.context {
            return self.take_timestamp(words, tally);
        }
        if status.first {
            self.skipping = false;
            if let Some(orphan) = self.partial.take() {
                orphan.drop_reason(DropReason::NotSpecified);
                tally.add(poll::RX_BAD_DESCRIPTORS, 1);
                tally.add(poll::RX_ERRORS, 1);
            }
        } else if self.partial.is_none() && !self.skipping {
            self.skipping = true;
            tally.add(poll::RX_BAD_DESCRIPTORS, 1);
            tally.add(poll::RX_ERRORS, 1);
        }
        if self.skipping {
            self.skipping = !status.last;
            return None;
        }
        if status.last && status.error {
            self.abandon(status, tally);
            return None;
        }

        let got = self.partial.as_ref().map_or(0, |skb| skb.len());
        let lens = if SPLIT {
            // The length is that of the frame so far, in all descriptors.
            let header = F::rx_header_len(words);
            tally.add(poll::RX_SPLIT_HEADERS, (status.first && header != 0).into());
            split_lens(got, status.len, header, self.buf_len)
        } else {
            let len = if status.last {
                status.len.checked_sub(got)
            } else {
                Some(self.buf_len)
            };
            len.filter(|&len| (1..=self.buf_len).contains(&len))
                .map(|len| (len, 0))
        };
        let Some((len, payload)) = lens else {
            self.abandon(status, tally);
            tally.add(poll::RX_BAD_DESCRIPTORS, 1);
            return None;
        };
        // CAST: As in `fill()`.
        let index = slot as usize;
        let skb = &mut self.partial;
        let mut placed = Ok(());
        if !SPLIT || len != 0 {
            placed = place(cx, skb, self.buffers.get_mut(index), len);
        }
        if SPLIT && payload != 0 && placed.is_ok() {
            placed = place(cx, skb, self.payloads.get_mut(index), payload);
        }
        if let Err(err) = placed {
            if err == EMSGSIZE {
                tally.add(poll::RX_BAD_DESCRIPTORS, 1);
                tally.add(poll::RX_ERRORS, 1);
            } else {
                tally.add(poll::RX_NO_MEMORY, 1);
            }
            self.partial = None;
            self.skipping = !status.last;
            return None;
        }
        if !status.last {
            return None;
        }
        let mut skb = self.partial.take()?;
        match status.checksum {
            RxChecksum::Good => {
                skb.set_checksum_unnecessary();
                tally.add(poll::RX_CSUM_GOOD, 1);
            }
            RxChecksum::Bad => tally.add(poll::RX_CSUM_BAD, 1),
            RxChecksum::None => {}
        }
        // Of other tags than customer tags, those that do not pass the filter are still there.
        let removed = |_: &u16| self.vlan == VlanProtocol::CTag || F::rx_vlan_passed(words);
        if let Some(tci) = status.vlan.filter(removed) {
            skb.put_vlan_tag(VlanTag {
                protocol: self.vlan,
                tci,
            });
            tally.add(poll::RX_VLAN_FRAMES, 1);
        }
        if status.timestamp {
            self.unstamped = Some(skb);
            self.waited = 0;
            return None;
        }
        if status.timestamp_dropped {
            tally.add(poll::RX_TIMESTAMPS_MISSED, 1);
        }
        Some(skb)
    }

    /// Hands a frame to the stack.
    #[inline(always)]
    fn deliver(
        &self,
        dev: &Device,
        cx: &mut napi::PollContext<'_>,
        mut skb: SkBuff,
        done: &mut Delivered,
        tally: &mut Tally,
    ) {
        let len = skb.len();
        done.frames = done.frames.wrapping_add(1);
        if skb.eth_type_trans(dev, cx) {
            done.bytes = done.bytes.wrapping_add(len.into());
            done.multicast = done.multicast.wrapping_add(skb.is_multicast().into());
            // CAST: Channels are few.
            skb.record_rx_queue(self.ch as u16);
            cx.gro_receive(skb);
        } else {
            // Shorter than its header: no MAC passes such a frame on.
            skb.drop_reason(DropReason::NotSpecified);
            tally.add(poll::RX_BAD_DESCRIPTORS, 1);
            tally.add(poll::RX_ERRORS, 1);
            done.dropped = done.dropped.wrapping_add(1);
        }
    }

    /// Drops the frame that `status` belongs to and counts why.
    #[cold]
    fn abandon(&mut self, status: &RxStatus, tally: &mut Tally) {
        if let Some(skb) = self.partial.take() {
            skb.drop_reason(DropReason::NotSpecified);
        }
        self.skipping = !status.last;
        tally.add(poll::RX_ERRORS, 1);
        tally.add(poll::RX_CRC_ERRORS, status.crc_error.into());
        tally.add(poll::RX_LENGTH_ERRORS, status.length_error.into());
        tally.add(poll::RX_FRAME_ERRORS, status.frame_error.into());
        tally.add(poll::RX_OVERFLOW_ERRORS, status.overflow.into());
    }
}

impl<F: Format, const SPLIT: bool> datapath::Rx for RxRing<'_, F, SPLIT> {
    fn attach(&mut self, cx: &napi::Context<'_>) -> Result {
        self.pool.attach(cx)
    }

    fn detach(&mut self, cx: &napi::Context<'_>) {
        // Fails for another ring's NAPI only; dropping the pool then takes longer.
        let _ = self.pool.detach(cx);
    }

    fn poll(&mut self, dev: &Device, cx: &mut napi::PollContext<'_>, tally: &mut Tally) -> Polled {
        let mask = self.desc.mask();
        let start = self.dirty;
        let mut done = Delivered::default();
        let mut looked = 0u32;
        // A ring's worth of descriptors is enough for one poll, whatever the device writes.
        while done.frames < cx.budget() && looked <= mask {
            if self.current == self.dirty {
                break;
            }
            let slot = self.current.slot(mask);
            let word = self.desc.load_word(slot, F::OWN_WORD);
            if F::owned(word) {
                break;
            }
            dma_mb(Read);
            let words = self.desc.load_rest(slot, F::OWN_WORD, word);
            self.current = self.current.next();
            looked = looked.wrapping_add(1);
            let status = F::rx_status(&words);
            if self.unstamped.is_some() && !status.context {
                if let Some(skb) = self.go_unstamped(tally) {
                    self.deliver(dev, cx, skb, &mut done, tally);
                }
            }
            if let Some(skb) = self.take(cx, slot, &words, &status, tally) {
                self.deliver(dev, cx, skb, &mut done, tally);
            }
            if looked % REFILL_BATCH == 0 {
                // What fails here is tried again below.
                let _ = self.refill(Some(cx));
            }
        }
        if self.unstamped.is_some() {
            self.waited = self.waited.saturating_add(1);
            if self.waited > STAMP_TRIES {
                if let Some(skb) = self.go_unstamped(tally) {
                    self.deliver(dev, cx, skb, &mut done, tally);
                }
            }
        }
        let starving = self.refill(Some(cx)).is_err();
        tally.add(poll::RX_REFILL_FAILED, starving.into());
        if self.dirty != start {
            self.kick();
        }
        tally.add(poll::RX_DESCRIPTORS, looked.into());
        tally.add(
            poll::RX_PACKETS,
            done.frames.wrapping_sub(done.dropped).into(),
        );
        tally.add(poll::RX_BYTES, done.bytes);
        tally.add(poll::RX_MULTICAST, done.multicast);
        Polled {
            frames: done.frames,
            starving,
            waiting: self.unstamped.is_some(),
        }
    }

    fn kick(&self) {
        let tail = self.desc.addr(self.dirty.slot(self.desc.mask()));
        F::rx_doorbell(self.hw.io(), self.ch, tail);
    }

    fn setup(&self) -> RingSetup {
        RingSetup {
            base: self.desc.addr(0),
            len: self.desc.len(),
            tail: self.desc.addr(self.dirty.slot(self.desc.mask())),
        }
    }

    fn next(&self) -> u32 {
        self.current.slot(self.desc.mask())
    }

    fn descriptor(&self, index: u32) -> Words {
        self.desc.load(index)
    }

    fn buf_len(&self) -> u32 {
        self.buf_len
    }

    fn set_coalesce(&mut self, coalesce: &Coalesce) {
        self.coalesce = *coalesce;
    }

    fn rewind(&mut self) {
        self.partial = None;
        self.skipping = false;
        self.unstamped = None;
        self.waited = 0;
        self.current = Position::default();
        self.dirty = Position::default();
        for index in 0..self.desc.len() {
            self.desc.store_word(index, F::OWN_WORD, 0);
        }
        // Most slots have their buffers still. Where memory is short the poll tries again.
        let _ = self.refill(None);
    }
}
