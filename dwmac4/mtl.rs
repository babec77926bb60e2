// SPDX-License-Identifier: GPL-2.0

//! MTL block.

use kernel::{
    io::Io,
    prelude::*,
    time::Delta, //
};

use super::regs::*;
use crate::hwif::{
    self,
    Features,
    Mmio, //
};

/// Weight of every transmit queue; equal ones share the wire evenly.
const WEIGHT: u32 = 16;

/// A flush ends when the transmit clock has emptied the queue, one frame under way at the most. A
/// jumbo frame takes 7.2 ms at 10 Mbit/s.
const FLUSH_TIMEOUT: Delta = Delta::from_millis(20);

/// When a receive queue pauses the peer and lets it go on, by bytes left in its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowLevels {
    /// Pause the peer when no more than this is left.
    pub(crate) pause: u32,
    /// Let it go on when this is left again.
    pub(crate) resume: u32,
}

impl FlowLevels {
    /// Levels for a share of `bytes`; none where there is no room for flow control.
    ///
    /// After the decision to pause the peer may still send all of a frame, and another one while
    /// our pause frame waits behind one that we send. The rows leave room for that: with jumbo
    /// frames, with standard frames, and for one standard frame.
    pub(crate) fn new(bytes: u32) -> Option<Self> {
        match bytes {
            ..4096 => None,
            4096..8192 => Some(Self {
                pause: 1536,
                resume: 2560,
            }),
            8192..32768 => Some(Self {
                pause: 3072,
                resume: 4608,
            }),
            32768.. => Some(Self {
                pause: 19456,
                resume: 24576,
            }),
        }
    }
}

/// Equal share of a FIFO of `fifo` bytes for each of `queues`; `EINVAL` if that is too little for
/// a queue to exist.
pub(crate) fn fifo_share(fifo: u32, queues: u32) -> Result<u32> {
    const UNIT: u32 = 256;

    match fifo.checked_div(queues) {
        Some(share) if share >= UNIT => Ok(share),
        _ => Err(EINVAL),
    }
}

/// The MTL block of all releases.
pub(super) struct Mtl;

impl hwif::Mtl for Mtl {
    fn init_tx(&self, io: Mmio<'_>, features: &Features, queues: u32) -> Result {
        let share = fifo_share(features.tx_fifo_size, queues)?;

        io.write_reg(MTL_OPERATION_MODE::zeroed().with_schalg(TxScheduling::Wrr));

        for queue in 0..usize::try_from(queues)? {
            if queues > 1 {
                poke(
                    io,
                    queue,
                    MTL_TXQ_QUANTUM_WEIGHT::zeroed().with_const_iscqw::<WEIGHT>(),
                )?;
            }
            poke(
                io,
                queue,
                MTL_TXQ_OPERATION_MODE::zeroed()
                    .with_tsf(true)
                    .with_generic()
                    .try_with_share(share)?,
            )?;
        }
        // What an earlier set of queues had of the FIFO is others' now.
        for queue in usize::try_from(queues)?..usize::try_from(features.tx_queues)? {
            poke(io, queue, MTL_TXQ_OPERATION_MODE::zeroed())?;
        }

        Ok(())
    }

    fn init_rx(&self, io: Mmio<'_>, features: &Features, queues: u32) -> Result {
        let share = fifo_share(features.rx_fifo_size, queues)?;

        let mut mode = MTL_RXQ_OPERATION_MODE::zeroed()
            .with_rsf(true)
            // The stack is to see frames with a wrong checksum: the engine knows less than it.
            .with_dis_tcp_ef(true)
            .try_with_share(share)?;
        if let Some(levels) = FlowLevels::new(share) {
            mode = mode.try_with_flow_control(levels.pause, levels.resume)?;
        }
        for queue in 0..usize::try_from(queues)? {
            poke(io, queue, mode)?;
        }
        // As above.
        for queue in usize::try_from(queues)?..usize::try_from(features.rx_queues)? {
            poke(io, queue, MTL_RXQ_OPERATION_MODE::zeroed())?;
        }

        // A core with one queue has no map.
        if features.rx_queues > 1 {
            for (index, map) in MTL_RXQ_DMA_MAP::identity(features.rx_queues)
                .into_iter()
                .enumerate()
                .take(usize::try_from(queues.div_ceil(4))?)
            {
                poke(io, index, map)?;
            }
        }

        // Queues take frames from here on.
        io.write_reg(MAC_RXQ_CTRL0::generic(queues));

        Ok(())
    }

    fn take_overflows(&self, io: Mmio<'_>, queue: usize) -> u32 {
        peek::<MTL_RXQ_MISSED_PACKET_OVERFLOW_CNT>(io, queue).map_or(0, |r| {
            r.ovfpktcnt()
                .get()
                .saturating_add(if r.ovfcntovf() { 1 << 11 } else { 0 })
        })
    }

    fn rx_waiting(&self, io: Mmio<'_>, queue: usize) -> bool {
        peek::<MTL_RXQ_DEBUG>(io, queue).is_ok_and(|r| r.prxq().get() != 0)
    }

    fn tx_waiting(&self, io: Mmio<'_>, queue: usize) -> bool {
        // What cannot be asked is not taken for idle.
        peek::<MTL_TXQ_DEBUG>(io, queue).map_or(true, |r| {
            r.txqsts()
                || r.twcsts()
                || r.txqpaused()
                || r.ptxq().get() != 0
                || r.trcsts().get() != 0
        })
    }

    fn flush_tx(&self, io: Mmio<'_>, queue: usize) -> Result {
        modify::<MTL_TXQ_OPERATION_MODE>(io, queue, |r| r.with_ftq(true))?;
        hwif::wait_until(
            || peek::<MTL_TXQ_OPERATION_MODE>(io, queue),
            |r| !r.ftq(),
            hwif::POLL_INTERVAL,
            FLUSH_TIMEOUT,
        )?;

        Ok(())
    }
}
