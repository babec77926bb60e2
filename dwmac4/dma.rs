// SPDX-License-Identifier: GPL-2.0

//! DMA block.

use core::marker::PhantomData;

use kernel::{
    device,
    io::Io,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

use super::regs::*;
use crate::{
    config::Config,
    hwif::{
        self,
        ChannelEvents,
        ChannelIrqs,
        Features,
        Mmio,
        RingSetup,
        Summary, //
    },
};

/// A reset waits for every clock domain, some of which a PHY feeds that may just come out of its
/// own reset.
const RESET_TIMEOUT: Delta = Delta::from_secs(1);

/// A process stops after the frame it is at, which may have to wait for the wire: a jumbo frame
/// takes 7.2 ms at 10 Mbit/s, and a paused peer or a lost link may hold it up for good.
const STOP_TIMEOUT: Delta = Delta::from_millis(100);

/// A process that is started fetches a descriptor, which takes a few accesses of the bus.
const START_TIMEOUT: Delta = Delta::from_millis(10);

/// CSR clocks of a receive watchdog unit (RWTU = 0).
const RIWT_CLOCKS: u32 = 256;

/// Most watchdog units that RWT holds.
const RIWT_MAX: u32 = 255;

/// Watchdog units for `usecs` at a CSR clock of `rate` Hz: rounded down, for the interrupt is to
/// come no later than asked, but at least one unit unless `usecs` is zero.
pub(crate) fn usecs_to_riwt(usecs: u32, rate: u64) -> u32 {
    const DIVISOR: u32 = 1000 * RIWT_CLOCKS;

    if usecs == 0 {
        return 0;
    }

    usecs
        .checked_mul(khz(rate))
        .map_or(RIWT_MAX, |n| (n / DIVISOR).clamp(1, RIWT_MAX))
}

/// Least microseconds that are `riwt` watchdog units at a CSR clock of `rate` Hz.
pub(crate) fn riwt_to_usecs(riwt: u32, rate: u64) -> u32 {
    match khz(rate) {
        0 => 0,
        // The product is far from overflow once it is clamped.
        khz => (riwt.min(RIWT_MAX) * 1000 * RIWT_CLOCKS).div_ceil(khz),
    }
}

/// A rate in kHz; no CSR clock is faster than 4 GHz.
fn khz(rate: u64) -> u32 {
    u32::try_from(rate).unwrap_or(u32::MAX) / 1000
}

/// The lower and the upper half of a bus address.
pub(super) fn halves(addr: u64) -> (u32, u32) {
    // CAST: each truncates to one half, as intended.
    (addr as u32, (addr >> 32) as u32)
}

/// Where a release has the summary bits of a channel's events, NIS and AIS.
pub(super) trait SummaryBits: Sync {
    /// The bits in the status register.
    const STATUS: u32;

    /// Enables exactly `irqs`, and the abnormal events if there are any.
    fn enable(io: Mmio<'_>, ch: usize, irqs: ChannelIrqs) -> Result;
}

/// From 4.10 on: bits 15 and 14.
pub(super) struct From410;

impl SummaryBits for From410 {
    const STATUS: u32 = DMA_CH_STATUS::NIS_MASK | DMA_CH_STATUS::AIS_MASK;

    fn enable(io: Mmio<'_>, ch: usize, irqs: ChannelIrqs) -> Result {
        let any = irqs.tx || irqs.rx;

        // RPS and TPS follow from FBE or from our own command, so they tell nothing new.
        poke(
            io,
            ch,
            DMA_CH_INTERRUPT_ENABLE::zeroed()
                .with_nie(any)
                .with_tie(irqs.tx)
                .with_rie(irqs.rx)
                .with_aie(any)
                .with_rbue(any)
                .with_fbee(any)
                .with_cdee(any),
        )
    }
}

/// Before 4.10: bits 16 and 15.
pub(super) struct Before410;

impl SummaryBits for Before410 {
    const STATUS: u32 = DMA_CH_STATUS_4_00::NIS_MASK | DMA_CH_STATUS_4_00::AIS_MASK;

    fn enable(io: Mmio<'_>, ch: usize, irqs: ChannelIrqs) -> Result {
        let any = irqs.tx || irqs.rx;

        poke(
            io,
            ch,
            DMA_CH_INTERRUPT_ENABLE_4_00::zeroed()
                .with_nie(any)
                .with_tie(irqs.tx)
                .with_rie(irqs.rx)
                .with_aie(any)
                .with_rbue(any)
                .with_fbee(any),
        )
    }
}

/// The DMA block of releases whose summary bits are as in `S`.
pub(super) struct Dma<S>(PhantomData<S>);

impl<S> Dma<S> {
    /// Creates the object.
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S: SummaryBits> hwif::Dma for Dma<S> {
    fn reset(&self, dev: &device::Device, io: Mmio<'_>) -> Result {
        io.update(DMA_MODE, |r| r.with_swr(true));
        // The bit must not be read in the first CSR clocks after it was written.
        fsleep(hwif::POLL_INTERVAL);
        hwif::wait_until(
            || Ok(io.read(DMA_MODE)),
            |r| !r.swr(),
            hwif::POLL_INTERVAL,
            RESET_TIMEOUT,
        )
        .inspect_err(|_| {
            dev_err!(
                dev,
                "reset does not end (DMA_Mode.SWR): a clock is missing; check the receive clock from the PHY first, then transmit, CSR and PTP clock\n"
            )
        })?;

        Ok(())
    }

    fn init(&self, io: Mmio<'_>, features: &Features, config: &Config, per_channel_irqs: bool) {
        let wide = features.address_bits > 32 && config.dma_bits.is_none_or(|bits| bits > 32);

        io.update(DMA_SYSBUS_MODE, |r| {
            let r = r.with_eame(wide);

            match &config.axi {
                Some(axi) => r
                    .with_fb(axi.fixed_burst)
                    .with_mb(axi.mixed_burst)
                    .with_aal(axi.aligned)
                    .with_bursts(axi.bursts)
                    .with_outstanding(axi.write_outstanding, axi.read_outstanding),
                None => r,
            }
        });
        io.update(DMA_MODE, |r| r.with_per_channel_irqs(per_channel_irqs));
    }

    fn init_channel(&self, io: Mmio<'_>, ch: usize, config: &Config, split: bool) -> Result {
        let old = peek::<DMA_CH_CONTROL>(io, ch)?;

        // A write would set MSS, too, which the DMA takes from context descriptors as well.
        if old.pblx8() == config.burst.x8 && old.sph() == split {
            return Ok(());
        }
        poke(
            io,
            ch,
            DMA_CH_CONTROL::zeroed()
                .with_pblx8(config.burst.x8)
                .with_sph(split),
        )
    }

    fn init_tx(
        &self,
        io: Mmio<'_>,
        ch: usize,
        config: &Config,
        ring: &RingSetup,
        segmentation: bool,
    ) -> Result {
        let (base, base_high) = halves(ring.base);
        let (tail, _) = halves(ring.tail);

        poke(
            io,
            ch,
            DMA_CH_TX_CONTROL::zeroed()
                .with_osp(true)
                .with_tse(segmentation)
                .try_with_txpbl(config.burst.tx)
                .map_err(|_| EINVAL)?,
        )?;
        poke(io, ch, DMA_CH_TXDESC_RING_LENGTH::new(ring.len)?)?;
        poke(io, ch, DMA_CH_TXDESC_LIST_HADDRESS::from_raw(base_high))?;
        poke(io, ch, DMA_CH_TXDESC_LIST_ADDRESS::from_raw(base))?;
        poke(io, ch, DMA_CH_TXDESC_TAIL_POINTER::from_raw(tail))
    }

    fn init_rx(
        &self,
        io: Mmio<'_>,
        ch: usize,
        config: &Config,
        ring: &RingSetup,
        buf_len: u32,
    ) -> Result {
        let (base, base_high) = halves(ring.base);
        let (tail, _) = halves(ring.tail);

        poke(
            io,
            ch,
            DMA_CH_RX_CONTROL::zeroed()
                .try_with_buffer_len(buf_len)?
                .try_with_rxpbl(config.burst.rx)
                .map_err(|_| EINVAL)?,
        )?;
        poke(io, ch, DMA_CH_RXDESC_RING_LENGTH::new(ring.len)?)?;
        poke(io, ch, DMA_CH_RXDESC_LIST_HADDRESS::from_raw(base_high))?;
        poke(io, ch, DMA_CH_RXDESC_LIST_ADDRESS::from_raw(base))?;
        poke(io, ch, DMA_CH_RXDESC_TAIL_POINTER::from_raw(tail))
    }

    // In what follows an access fails only for a channel that no core has, where there is nothing
    // to start, enable or set.

    fn start_tx(&self, io: Mmio<'_>, ch: usize) {
        let _ = modify::<DMA_CH_TX_CONTROL>(io, ch, |r| r.with_st(true));
    }

    fn start_rx(&self, io: Mmio<'_>, ch: usize) {
        let _ = modify::<DMA_CH_RX_CONTROL>(io, ch, |r| r.with_sr(true));
    }

    fn wait_started(&self, io: Mmio<'_>, ch: usize, irqs: ChannelIrqs) -> Result {
        hwif::wait_until(
            || process_state(io, ch),
            |(tx, rx)| !(irqs.tx && tx.is_stopped() || irqs.rx && rx.is_stopped()),
            hwif::POLL_INTERVAL,
            START_TIMEOUT,
        )?;

        Ok(())
    }

    fn stop_tx(&self, io: Mmio<'_>, ch: usize) -> Result {
        modify::<DMA_CH_TX_CONTROL>(io, ch, |r| r.with_st(false))?;
        hwif::wait_until(
            || process_state(io, ch),
            |(tx, _)| tx.is_quiet(),
            hwif::POLL_INTERVAL,
            STOP_TIMEOUT,
        )?;

        Ok(())
    }

    fn stop_rx(&self, io: Mmio<'_>, ch: usize) -> Result {
        modify::<DMA_CH_RX_CONTROL>(io, ch, |r| r.with_sr(false))?;
        hwif::wait_until(
            || process_state(io, ch),
            |(_, rx)| rx.is_quiet(),
            hwif::POLL_INTERVAL,
            STOP_TIMEOUT,
        )?;

        Ok(())
    }

    fn summary(&self, io: Mmio<'_>) -> Summary {
        let status = io.read(DMA_INTERRUPT_STATUS);

        // A device that is gone reads as all ones, which no device that is there does.
        if status.into_raw() == u32::MAX {
            return Summary::default();
        }

        Summary {
            channels: status.dcis().get(),
            mac: status.macis(),
        }
    }

    fn enable_irqs(&self, io: Mmio<'_>, ch: usize, irqs: ChannelIrqs) {
        let _ = S::enable(io, ch, irqs);
    }

    fn take_events(&self, io: Mmio<'_>, ch: usize) -> ChannelEvents {
        // Acknowledged before the status is read, not after: writes are posted, and one that
        // reaches the device after the caller has looked at the rings would wipe out an event that
        // came in between. The read makes sure that it has arrived.
        if poke(io, ch, DMA_CH_STATUS::completions(S::STATUS)).is_err() {
            return ChannelEvents::default();
        }
        let Ok(status) = peek::<DMA_CH_STATUS>(io, ch) else {
            return ChannelEvents::default();
        };
        // A device that is gone reads as all ones.
        if status.into_raw() == u32::MAX {
            return ChannelEvents::default();
        }
        let abnormal = status.abnormal(S::STATUS);
        if abnormal.into_raw() != 0 {
            let _ = poke(io, ch, abnormal);
        }

        ChannelEvents {
            tx_stopped: status.tps(),
            rx_stopped: status.rps(),
            rx_starved: status.rbu(),
            bus_error: status.fbe() || status.cde(),
        }
    }

    fn set_rx_watchdog(&self, io: Mmio<'_>, ch: usize, riwt: u32) {
        let riwt = u8::try_from(riwt).unwrap_or(u8::MAX);
        let _ = poke(
            io,
            ch,
            DMA_CH_RX_INTERRUPT_WATCHDOG_TIMER::zeroed().with_rwt(riwt),
        );
    }

    fn usecs_to_riwt(&self, usecs: u32, rate: u64) -> u32 {
        usecs_to_riwt(usecs, rate)
    }

    fn riwt_to_usecs(&self, riwt: u32, rate: u64) -> u32 {
        riwt_to_usecs(riwt, rate)
    }

    fn position(&self, io: Mmio<'_>, ch: usize) -> (u32, u32) {
        (
            peek::<DMA_CH_CURRENT_APP_TXDESC>(io, ch).map_or(0, |r| r.into_raw()),
            peek::<DMA_CH_CURRENT_APP_RXDESC>(io, ch).map_or(0, |r| r.into_raw()),
        )
    }

    fn activity(&self, io: Mmio<'_>, ch: usize) -> (&'static CStr, &'static CStr) {
        process_state(io, ch).map_or((c"unknown", c"unknown"), |(tx, rx)| (tx.name(), rx.name()))
    }
}
