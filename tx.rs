// SPDX-License-Identifier: GPL-2.0

//! Transmit: from the stack into descriptors, and back when the DMA is done.
//!
//! Producer and consumer share no lock. The producer runs under the queue's xmit lock, the
//! consumer in the channel's poll; between them stand the in-flight slots
//! ([`kernel::net::inflight`]), one per descriptor, and the OWN bits.

use core::{
    marker::PhantomData,
    mem, //
};

use kernel::{
    net::{
        device::Xmit,
        hwtstamp::Timestamp,
        inflight,
        napi,
        queue::{
            Completion,
            Sender, //
        },
        skbuff::{
            Checksum,
            DropReason,
            Gso,
            GsoProtocol,
            SkBuff, //
        }, //
    },
    prelude::*,
    sync::{
        atomic::Relaxed,
        barrier::{
            dma_mb,
            smp_mb,
            Full,
            Read,
            Write, //
        },
        Arc, //
    }, //
};

use crate::{
    config::Config,
    datapath,
    desc::{
        Format,
        SegmentationLimits,
        TxBuffer,
        TxChecksum,
        TxContext,
        TxSegmentation,
        Words, //
    },
    hw::Hw,
    hwif::{
        Features,
        RingSetup, //
    },
    ring::{
        DescRing,
        MIN_LEN, //
    },
    stats::{
        poll,
        xmit,
        Tally,
        XmitWriter, //
    }, //
};

/// Longest frame that the hardware is given to segment; what IP can carry without jumbograms.
pub(crate) const MAX_SEGMENTED: u32 = 65536;

/// Most doorbells after an underflow, should frames be sent at the same time.
const RING_TRIES: u32 = 4;

/// Fewest beats of a transmit burst (TXPBL) that the segmentation engine works with.
const MIN_SEGMENTATION_PBL: u32 = 4;

/// Whether the core has a segmentation engine that works as it is set up. Segments get their
/// checksums by the checksum engine.
pub(crate) fn has_segmentation(features: &Features, config: &Config) -> bool {
    features.tso && features.tx_checksum && config.burst.tx >= MIN_SEGMENTATION_PBL
}

/// Bytes of the longest segment of `gso` when a tag of `tag` bytes is yet to be put into it.
pub(crate) fn segment_len(gso: &Gso, tag: u32) -> u32 {
    gso.header_len
        .saturating_add(tag)
        .saturating_add(gso.size.into())
}

/// Whether an engine with these limits can segment `gso` when a tag of `tag` bytes is yet to be
/// put into it.
pub(crate) fn segmentable(gso: &Gso, tag: u32, limits: &SegmentationLimits) -> bool {
    gso.header_len.saturating_add(tag) <= limits.header_max
        && u32::from(gso.size) >= limits.mss_min
        && segment_len(gso, tag) <= limits.segment_max
        && gso.payload_len <= limits.payload_max
}

/// What a channel was told by context descriptors since it was started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    mss: Option<u16>,
}

impl Told {
    /// What the channel has yet to be told for a frame that is segmented by `gso` and gets a `vlan`
    /// tag. No databook says that a channel remembers the tag.
    #[inline]
    pub(crate) fn missing(&self, gso: Option<&Gso>, vlan: Option<u16>) -> TxContext {
        TxContext {
            vlan,
            mss: gso.map(|gso| gso.size).filter(|&mss| self.mss != Some(mss)),
        }
    }

    /// The channel is told `context`.
    #[inline]
    pub(crate) fn tell(&mut self, context: &TxContext) {
        self.mss = context.mss.or(self.mss);
    }
}

/// When to ask for a transmit interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coalesce {
    /// After this many frames. One: every frame. Zero: never, the timer does it.
    pub(crate) frames: u32,
    /// After this many bytes, so that few large frames do not wait.
    pub(crate) bytes: u32,
    /// Look for completions this long after a frame that asked for no interrupt.
    pub(crate) usecs: u32,
}

impl Coalesce {
    /// Few enough frames that TCP's small-queue limit is not what ends a burst.
    pub(crate) const DEFAULT: Self = Self {
        frames: 16,
        bytes: 32 * 1024,
        usecs: 500,
    };
}

/// Decides which frames ask for an interrupt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    limits: Coalesce,
    frames: u32,
    bytes: u32,
}

impl Meter {
    /// Starts counting towards `limits`.
    pub(crate) const fn new(limits: Coalesce) -> Self {
        Self {
            limits,
            frames: 0,
            bytes: 0,
        }
    }

    /// Accounts for a frame; true if it is to ask for an interrupt.
    #[inline]
    pub(crate) fn account(&mut self, bytes: u32) -> bool {
        self.frames = self.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let by_frames = self.limits.frames != 0 && self.frames >= self.limits.frames;
        let by_bytes = self.limits.frames != 0 && self.bytes >= self.limits.bytes;
        if by_frames || by_bytes {
            self.frames = 0;
            self.bytes = 0;
        }
        by_frames || by_bytes
    }
}

/// Producer side of a transmit ring.
pub(crate) struct TxRing<'a, F: Format> {
    slots: inflight::Producer<'a>,
    desc: Arc<DescRing>,
    meter: Meter,
    told: Told,
    /// Descriptors were handed over that the DMA was not told of.
    unrung: bool,
    hw: Arc<Hw<'a>>,
    ch: usize,
    _format: PhantomData<F>,
}

impl<'a, F: Format> TxRing<'a, F> {
    /// Descriptors that one frame may need: for context, for the header of a frame that is
    /// segmented, for every buffer, and for what of these has to be split.
    const MAX_PER_FRAME: u32 = 1 + 1 + inflight::MAX_SEGMENTS + MAX_SEGMENTED / F::TX_BUFFER_MAX;

    /// The queue is stopped below this many free descriptors, so that a frame always fits. One
    /// stays free: with all of them handed over the tail pointer would be where the DMA is, which
    /// says that there are none.
    const STOP_BELOW: u32 = Self::MAX_PER_FRAME + 1;

    /// A stopped queue is woken at this many free descriptors: room for a few frames at once, as
    /// far as the shortest ring has it.
    const WAKE_AT: u32 = {
        let few = 2 * Self::MAX_PER_FRAME;
        let wake_at = if few < MIN_LEN { few } else { MIN_LEN - 1 };
        assert!(wake_at >= Self::STOP_BELOW);
        wake_at
    };

    /// Makes both ends of an empty ring of `len` descriptors for channel `ch`.
    pub(crate) fn new(
        hw: &Arc<Hw<'a>>,
        ch: usize,
        len: u32,
        coalesce: &Coalesce,
    ) -> Result<(Self, TxCleaner<'a, F>)> {
        let desc = Arc::new(DescRing::new(hw.dev, len)?, GFP_KERNEL)?;
        let (producer, consumer) = inflight::ring(hw.dev, len)?;
        let cleaner = TxCleaner {
            slots: consumer,
            desc: desc.clone(),
            capture_delay: hw.capture_delay(),
            hw: hw.clone(),
            ch,
            _format: PhantomData,
        };
        let ring = Self {
            slots: producer,
            desc,
            meter: Meter::new(*coalesce),
            told: Told::default(),
            unrung: false,
            hw: hw.clone(),
            ch,
            _format: PhantomData,
        };
        Ok((ring, cleaner))
    }

    /// Stops the queue if there may be too few descriptors for another frame; false if it is
    /// stopped.
    #[inline(always)]
    fn make_room(&mut self, queue: &mut Sender<'_>) -> bool {
        queue.maybe_stop(
            || self.slots.free_at_least(Self::WAKE_AT),
            Self::STOP_BELOW,
            Self::WAKE_AT,
        )
    }

    #[inline(always)]
    fn ring_doorbell(&mut self, stats: &mut XmitWriter) {
        let tail = self.desc.addr(self.slots.index());
        F::tx_doorbell(self.hw.io(), self.ch, tail);
        self.unrung = false;
        stats.update(|update| update.add(xmit::TX_DOORBELLS, 1));
    }

    /// A frame was not queued: what was queued before it in this burst must not wait for it. Nor
    /// for the rest of the burst, which a stopped queue does not come to.
    #[cold]
    fn give_up(&mut self, stats: &mut XmitWriter, counter: usize) {
        stats.update(|update| update.add(counter, 1));
        if self.unrung {
            self.ring_doorbell(stats);
        }
    }
}

impl<F: Format> datapath::Tx for TxRing<'_, F> {
    fn xmit(
        &mut self,
        queue: &mut Sender<'_>,
        skb: SkBuff,
        stats: &mut XmitWriter,
    ) -> datapath::Sent {
        let more = queue.xmit_more();
        let mut gso = None;
        if skb.is_gso() {
            gso = skb.gso();
            // The stack was told in `features_check()` what does not work.
            if !gso.is_some_and(|gso| segmentable(&gso, 0, &F::SEGMENTATION)) {
                skb.drop_reason(DropReason::SkbGsoSeg);
                self.give_up(stats, xmit::TX_GSO_ERRORS);
                return datapath::Sent {
                    xmit: Xmit::Sent,
                    backstop: true,
                };
            }
        }
        let frame_len = skb.len();
        let (frames, bytes) = match &gso {
            Some(gso) => (gso.segments(), gso.wire_len()),
            None => (1, frame_len),
        };
        let checksum = match skb.ip_summed() {
            Checksum::Partial => TxChecksum::Full,
            _ => TxChecksum::None,
        };
        // The MAC knows the type of the tag, which is the same for all frames.
        let vlan = skb.vlan_tag().map(|tag| tag.tci);
        let context = self.told.missing(gso.as_ref(), vlan);
        let prefix = u32::from(!context.is_empty());
        let header = gso.map_or(0, |gso| gso.header_len);

        let mut interrupt = false;
        let mut rung = false;
        let refused = match self.slots.map_split(skb, prefix, header, F::TX_BUFFER_MAX) {
            Ok(mut frame) => {
                // None is taken of segments.
                let timestamp = frame.skb().tx_hw_tstamp()
                    && gso.is_none()
                    && self.hw.tx_timestamps.load(Relaxed);
                if timestamp {
                    frame.request_timestamp();
                }
                // Who waits for a timestamp does not wait for more frames.
                interrupt = self.meter.account(bytes) || timestamp;
                let (head, last) = (frame.first(), frame.last());
                let mut own = 0;
                let mut store = |index, words: &Words| {
                    if index == head {
                        own = words.get(F::OWN_WORD).copied().unwrap_or(0);
                        self.desc.store_except(index, words, F::OWN_WORD);
                    } else {
                        self.desc.store(index, words);
                    }
                };
                if !context.is_empty() {
                    store(head, &F::tx_context(&context));
                }
                let mut first = true;
                for segment in frame.segments() {
                    let words = F::tx_buffer(&TxBuffer {
                        addr: segment.addr,
                        len: segment.len,
                        frame_len,
                        first: mem::replace(&mut first, false),
                        last: segment.index == last,
                        interrupt: interrupt && segment.index == last,
                        checksum,
                        segmentation: gso.map(|gso| TxSegmentation {
                            transport_len: gso.transport_len,
                            payload_len: gso.payload_len,
                        }),
                        timestamp,
                        insert_vlan: vlan.is_some(),
                    });
                    store(segment.index, &words);
                }
                frame.software_timestamp(queue);
                // Before the DMA has it: the cleaner may find it sent at once.
                rung = queue.sent(bytes, more);
                // The frame becomes the DMA's with its first descriptor, when all the others are
                // in memory.
                dma_mb(Write);
                self.desc.store_word(head, F::OWN_WORD, own);
                // Only now: the cleaner takes a committed frame without OWN for a sent one.
                frame.commit_as(frames, bytes);
                self.told.tell(&context);
                self.unrung = true;
                None
            }
            Err(refused) => Some(refused),
        };
        if let Some((err, skb)) = refused {
            let (xmit, counter) = if err == EBUSY {
                // Only if somebody else restarted the queue: we stop it well before.
                self.make_room(queue);
                (Xmit::Busy(skb), xmit::TX_BUSY)
            } else {
                skb.drop_reason(DropReason::NoMem);
                (Xmit::Sent, xmit::TX_MAP_ERRORS)
            };
            self.give_up(stats, counter);
            return datapath::Sent {
                xmit,
                backstop: true,
            };
        }

        if interrupt || prefix != 0 || gso.is_some() {
            stats.update(|update| {
                update.add(xmit::TX_IC_FRAMES, interrupt.into());
                update.add(xmit::TX_CONTEXTS, prefix.into());
                update.add(xmit::TX_VLAN_FRAMES, vlan.is_some().into());
                if let Some(gso) = &gso {
                    update.add(
                        match gso.protocol {
                            GsoProtocol::Udp => xmit::TX_USO_FRAMES,
                            _ => xmit::TX_TSO_FRAMES,
                        },
                        1,
                    );
                    update.add(xmit::TX_GSO_SEGMENTS, frames.into());
                }
            });
        }
        // A stopped queue does not come to the rest of the burst.
        rung |= !self.make_room(queue);
        if rung {
            self.ring_doorbell(stats);
        }
        datapath::Sent {
            xmit: Xmit::Sent,
            // Frames complete in order, and none before its doorbell. So the frame that is rung for
            // answers for those before it in the burst, and one full barrier does for all of them.
            backstop: rung && !interrupt,
        }
    }

    fn set_coalesce(&mut self, coalesce: &Coalesce) {
        self.meter = Meter::new(*coalesce);
    }

    fn rewind(&mut self) -> Result {
        self.slots.skip_to_start()?;
        // What was in flight is not to be sent.
        for index in 0..self.desc.len() {
            self.desc.store_word(index, F::OWN_WORD, 0);
        }
        self.meter = Meter::new(self.meter.limits);
        self.told = Told::default();
        self.unrung = false;
        Ok(())
    }

    fn next(&self) -> u32 {
        self.slots.index()
    }
}

/// Consumer side of a transmit ring.
pub(crate) struct TxCleaner<'a, F: Format> {
    slots: inflight::Consumer<'a>,
    desc: Arc<DescRing>,
    /// Nanoseconds by which timestamps are late.
    capture_delay: i64,
    hw: Arc<Hw<'a>>,
    ch: usize,
    _format: PhantomData<F>,
}

impl<F: Format> TxCleaner<'_, F> {
    /// After an underflow the DMA stands still until the next doorbell, for which a stopped queue
    /// would wait in vain.
    #[cold]
    fn ring_again(&self) {
        for _ in 0..RING_TRIES {
            let Some(frame) = self.slots.front() else {
                return;
            };
            let free = self.slots.free_after_release();
            let used = self.desc.len().wrapping_sub(free);
            let tail = frame.first.wrapping_add(used) & self.desc.mask();
            F::tx_doorbell(self.hw.io(), self.ch, self.desc.addr(tail));
            // It may have come after that of a newer frame, which it takes back then.
            smp_mb(Full);
            if self.slots.free_after_release() == free {
                return;
            }
        }
    }

    /// Takes back the oldest frame, whose last descriptor is `words` and was to get a timestamp.
    /// Returns its bytes.
    #[cold]
    fn pop_timestamped(&mut self, cx: &napi::Context<'_>, words: &Words, tally: &mut Tally) -> u32 {
        let Some(time) = F::tx_timestamp(words) else {
            tally.add(poll::TX_TIMESTAMPS_MISSED, 1);
            return self.slots.pop(cx);
        };
        tally.add(poll::TX_TIMESTAMPS, 1);
        let time = Timestamp::from_nanos(time.as_nanos().wrapping_sub(self.capture_delay));
        self.slots.pop_timestamped(cx, time)
    }
}

impl<F: Format> datapath::TxClean for TxCleaner<'_, F> {
    fn clean(
        &mut self,
        cx: &napi::Context<'_>,
        completion: &mut Completion<'_>,
        tally: &mut Tally,
    ) -> bool {
        let (mut packets, mut bytes) = (0u32, 0u32);
        let (mut pending, mut underflow) = (false, false);
        // The producer may add frames meanwhile; a ring's worth is enough for one poll.
        for _ in 0..self.desc.len() {
            let Some(frame) = self.slots.front() else {
                pending = false;
                break;
            };
            pending = true;
            let word = self.desc.load_word(frame.last, F::OWN_WORD);
            if F::owned(word) {
                break;
            }
            dma_mb(Read);
            let status = F::tx_status(word);
            if status.error {
                tally.add(poll::TX_ERRORS, 1);
                tally.add(poll::TX_UNDERFLOWS, status.underflow.into());
                underflow |= status.underflow;
                tally.add(poll::TX_LINK_ERRORS, status.link_error.into());
                tally.add(poll::TX_CSUM_ERRORS, status.checksum_error.into());
                tally.add(poll::TX_BAD_DESCRIPTORS, status.bad.into());
            } else {
                tally.add(poll::TX_PACKETS, frame.frames.into());
                tally.add(poll::TX_BYTES, frame.bytes.into());
            }
            // BQL counts what was handed over, sent or not.
            bytes = bytes.wrapping_add(if frame.timestamp {
                let words = self.desc.load_rest(frame.last, F::OWN_WORD, word);
                self.pop_timestamped(cx, &words, tally)
            } else {
                self.slots.pop(cx)
            });
            packets = packets.wrapping_add(1);
        }
        if packets != 0 {
            self.slots.release();
            let free = self.slots.free_after_release();
            completion.completed(packets, bytes, free, TxRing::<F>::WAKE_AT);
        }
        if underflow {
            self.ring_again();
        }
        pending
    }

    fn setup(&self) -> RingSetup {
        RingSetup {
            base: self.desc.addr(0),
            len: self.desc.len(),
            tail: self.desc.addr(0),
        }
    }

    fn next(&self) -> Option<u32> {
        self.slots.front().map(|frame| frame.first)
    }

    fn descriptor(&self, index: u32) -> Words {
        self.desc.load(index)
    }

    fn drain(&mut self) {
        self.slots.pop_all();
    }
}
