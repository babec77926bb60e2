// SPDX-License-Identifier: GPL-2.0

//! The two data paths as the rest of the driver sees them.
//!
//! [`DataPath`] is instantiated once per descriptor format. Its rings are used through the traits
//! here, one call per packet sent or per poll; below that call nothing is dispatched dynamically.

use core::marker::PhantomData;

use kernel::{
    net::{
        device::Xmit, //
        napi,
        queue::{
            Completion,
            Sender, //
        },
        rtnl::Rtnl,
        skbuff::SkBuff, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    desc::{
        Format,
        SegmentationLimits,
        Words, //
    },
    hw::Hw,
    hwif::RingSetup,
    netdev::Device,
    rx::{
        self,
        RxRing, //
    },
    stats::{
        Tally,
        XmitWriter, //
    },
    tx::{
        self,
        TxCleaner,
        TxRing, //
    }, //
};

/// What became of a frame that the stack handed over.
pub(crate) struct Sent {
    /// Answer to the stack.
    pub(crate) xmit: Xmit,
    /// The DMA was told of frames the last of which asked for no interrupt: somebody has to look
    /// for their completion by time.
    pub(crate) backstop: bool,
}

/// Producer side of a transmit ring; opened by the queue's xmit lock.
pub(crate) trait Tx: Send {
    /// Sends one frame.
    fn xmit(&mut self, queue: &mut Sender<'_>, skb: SkBuff, stats: &mut XmitWriter) -> Sent;

    /// Applies new coalescing limits.
    fn set_coalesce(&mut self, coalesce: &tx::Coalesce);

    /// Goes on with the first slot; see [`rewind()`].
    fn rewind(&mut self) -> Result;

    /// Index of the next descriptor to be handed over.
    fn next(&self) -> u32;
}

/// Consumer side of a transmit ring; owned by the channel's poll.
pub(crate) trait TxClean: Send {
    /// Takes back what was sent; true if something is still in flight.
    fn clean(
        &mut self,
        cx: &napi::Context<'_>,
        completion: &mut Completion<'_>,
        tally: &mut Tally,
    ) -> bool;

    /// Where the ring is.
    fn setup(&self) -> RingSetup;

    /// Index of the first descriptor that was not taken back; none if all were.
    fn next(&self) -> Option<u32>;

    /// The descriptor at `index`, for a report.
    fn descriptor(&self, index: u32) -> Words;

    /// Drops all that is in flight. The DMA has stopped.
    fn drain(&mut self);
}

/// A receive ring; owned by the channel's poll.
pub(crate) trait Rx: Send {
    /// Makes `cx`'s NAPI the one that polls this ring.
    fn attach(&mut self, cx: &napi::Context<'_>) -> Result;

    /// Undoes [`Rx::attach`], so that the ring can be dropped cheaply.
    fn detach(&mut self, cx: &napi::Context<'_>);

    /// Hands at most the poll's budget of frames to the stack and refills the ring.
    fn poll(
        &mut self,
        dev: &Device,
        cx: &mut napi::PollContext<'_>,
        tally: &mut Tally,
    ) -> rx::Polled;

    /// Tells the DMA how far the ring is filled.
    fn kick(&self);

    /// Where the ring is and how far it is filled.
    fn setup(&self) -> RingSetup;

    /// Index of the next descriptor to be looked at.
    fn next(&self) -> u32;

    /// The descriptor at `index`, for a report.
    fn descriptor(&self, index: u32) -> Words;

    /// Bytes the DMA may write to a buffer.
    fn buf_len(&self) -> u32;

    /// Starts over with the first slot, where the DMA begins that is started again. The DMA has
    /// stopped, and the ring is [detached](Rx::detach).
    fn rewind(&mut self);

    /// Applies new coalescing limits.
    fn set_coalesce(&mut self, coalesce: &rx::Coalesce);
}

/// Both ends of a new transmit ring.
pub(crate) struct TxEnds<'a> {
    /// Producer side.
    pub(crate) tx: KBox<dyn Tx + 'a>,
    /// Consumer side.
    pub(crate) clean: KBox<dyn TxClean + 'a>,
}

impl TxEnds<'_> {
    /// See [`rewind()`].
    pub(crate) fn rewind(&mut self) -> Result {
        rewind(&mut *self.tx, &mut *self.clean)
    }
}

/// Has both ends of a transmit ring start over with the first slot, where the DMA begins that is
/// started again. The DMA has stopped; what is in flight is dropped.
pub(crate) fn rewind(tx: &mut dyn Tx, clean: &mut dyn TxClean) -> Result {
    clean.drain();
    tx.rewind()?;
    // Passes over the slots that were skipped.
    clean.drain();
    Ok(())
}

/// Makes rings for one descriptor format.
pub(crate) trait Factory: Sync {
    /// What a segmentation engine takes by these descriptors.
    fn segmentation(&self) -> SegmentationLimits;

    /// Makes an empty transmit ring for channel `ch`.
    fn tx<'a>(
        &self,
        hw: &Arc<Hw<'a>>,
        ch: usize,
        len: u32,
        coalesce: &tx::Coalesce,
    ) -> Result<TxEnds<'a>>;

    /// Makes a filled receive ring.
    fn rx<'a>(
        &self,
        hw: &Arc<Hw<'a>>,
        dev: &Device,
        plan: &rx::Plan,
        rtnl: &Rtnl,
    ) -> Result<KBox<dyn Rx + 'a>>;
}

/// The data paths for descriptor format `F`.
pub(crate) struct DataPath<F: Format>(PhantomData<F>);

impl<F: Format> DataPath<F> {
    /// The maker of rings, for a row of the hwif table.
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<F: Format> Factory for DataPath<F> {
    fn segmentation(&self) -> SegmentationLimits {
        F::SEGMENTATION
    }

    fn tx<'a>(
        &self,
        hw: &Arc<Hw<'a>>,
        ch: usize,
        len: u32,
        coalesce: &tx::Coalesce,
    ) -> Result<TxEnds<'a>> {
        let (tx, clean) = TxRing::<F>::new(hw, ch, len, coalesce)?;
        let tx: KBox<TxRing<'a, F>> = KBox::new(tx, GFP_KERNEL)?;
        let clean: KBox<TxCleaner<'a, F>> = KBox::new(clean, GFP_KERNEL)?;
        Ok(TxEnds { tx, clean })
    }

    fn rx<'a>(
        &self,
        hw: &Arc<Hw<'a>>,
        dev: &Device,
        plan: &rx::Plan,
        rtnl: &Rtnl,
    ) -> Result<KBox<dyn Rx + 'a>> {
        if plan.split {
            let ring = RxRing::<F, true>::new(hw, dev, plan, rtnl)?;
            let ring: KBox<RxRing<'a, F, true>> = KBox::new(ring, GFP_KERNEL)?;
            Ok(ring)
        } else {
            let ring = RxRing::<F, false>::new(hw, dev, plan, rtnl)?;
            let ring: KBox<RxRing<'a, F, false>> = KBox::new(ring, GFP_KERNEL)?;
            Ok(ring)
        }
    }
}
