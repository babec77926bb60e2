// SPDX-License-Identifier: GPL-2.0

//! A port that recovers from faults; what is reset when is decided by [`crate::recovery`].

use kernel::{
    net::rtnl::Rtnl,
    netdev_err,
    netdev_warn,
    num::casts::IntoSafeCast,
    prelude::*,
    sync::atomic::Relaxed,
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

use super::{
    index_u32,
    Control,
    Port,
    Settings, //
};
use crate::{
    datapath,
    health,
    hwif::{
        ChannelIrqs,
        MAX_CHANNELS, //
    },
    napi::Channel,
    recovery::{
        core_pause,
        decide,
        decide_core,
        relapses,
        sample,
        Fault,
        Faults,
        Past,
        RxSample,
        RxWatch,
        Step,
        TxSample,
        TxWatch,
        Verdict,
        WATCH_PERIOD, //
    },
    stats::{
        poll,
        xmit, //
    }, //
};

/// When a channel was restarted.
#[derive(Clone, Copy, Default)]
struct Restarts {
    /// One direction only.
    tx: Option<Instant<Monotonic>>,
    rx: Option<Instant<Monotonic>>,
    /// All of it, or the core for it.
    all: Option<Instant<Monotonic>>,
}

/// What was reset since the port came up.
#[derive(Default)]
pub(super) struct History {
    channels: [Restarts; MAX_CHANNELS],
    core: Option<Instant<Monotonic>>,
    failures: u32,
    relapses: u32,
}

impl History {
    /// What was reset, as far as directions `which` of channel `ch` are concerned.
    fn past(&self, ch: usize, which: ChannelIrqs) -> Past {
        let ago = |then: Option<Instant<Monotonic>>| then.map(|then| then.elapsed());
        let Restarts { tx, rx, all } = self.channels.get(ch).copied().unwrap_or_default();
        let (tx, rx) = (ago(tx.filter(|_| which.tx)), ago(rx.filter(|_| which.rx)));
        Past {
            queue: [tx, rx].into_iter().flatten().min(),
            channel: ago(all),
            core: ago(self.core),
            failures: self.failures,
            relapses: self.relapses,
        }
    }

    /// The same, of the core only.
    fn core_past(&self) -> Past {
        self.past(MAX_CHANNELS, ChannelIrqs::default())
    }

    /// How often in a row the core could not be reset.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The core was reset, or did without.
    pub(super) fn core_works(&mut self) {
        self.failures = 0;
    }

    /// The core could not be reset, or not be started afterwards.
    pub(super) fn core_failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Directions `which` of channel `ch` were reset, or more than these.
    fn note(&mut self, ch: usize, which: ChannelIrqs) {
        let Some(restarts) = self.channels.get_mut(ch) else {
            return;
        };
        let place = match which {
            ChannelIrqs { rx: false, .. } => &mut restarts.tx,
            ChannelIrqs { tx: false, .. } => &mut restarts.rx,
            _ => &mut restarts.all,
        };
        *place = Some(Instant::now());
    }
}

/// What the watchdog knows.
#[derive(Default)]
pub(super) struct Health {
    /// Queues to look after; none while the registers are not to be touched.
    senders: usize,
    receivers: usize,
    tx: [TxWatch; MAX_CHANNELS],
    rx: [RxWatch; MAX_CHANNELS],
    /// Faults that could not be mended yet: to be tried again.
    deferred: Faults,
}

impl<'a> Port<'a> {
    /// Has the watchdog look after that many queues from now on.
    pub(super) fn watch_start(&self, senders: u32, receivers: u32) {
        let tripped = self.hw.safety.is_tripped();
        let mut health = self.health.lock();
        health.senders = senders.into_safe_cast();
        health.receivers = receivers.into_safe_cast();
        health.tx = Default::default();
        health.rx = Default::default();
        // What starts anew has no faults, but for those that only a reset of the core ends.
        health.deferred = if tripped {
            health.deferred.of_core()
        } else {
            Faults::default()
        };
        drop(health);
        self.dev.watch_after(WATCH_PERIOD);
    }

    /// Has the watchdog go on with what could not be mended yet, on a port that is shut.
    pub(super) fn watch_deferred(&self) {
        if self.has_deferred() {
            self.dev.watch_after(WATCH_PERIOD);
        }
    }

    /// Whether faults are still to be mended.
    pub(super) fn has_deferred(&self) -> bool {
        !self.health.lock().deferred.is_empty()
    }

    /// On return the watchdog does not touch the hardware.
    pub(super) fn watch_stop(&self, rtnl: &Rtnl) {
        self.dev.watch_cancel(rtnl);
        let mut health = self.health.lock();
        (health.senders, health.receivers) = (0, 0);
    }

    /// Looks after all queues, and after the core.
    pub(crate) fn watch(&self) -> Option<Delta> {
        let mut guard = self.health.lock();
        let health = &mut *guard;
        let (deferred, running) = (health.deferred, health.receivers != 0);
        let mut faults = Faults::default();
        let senders = health.tx.iter_mut().take(health.senders);
        for (channel, watch) in self.channels.iter().zip(senders) {
            if self.watch_tx(channel, watch) == Verdict::Stalled {
                self.rare.tx_stalls.fetch_add(1, Relaxed);
                faults |= Faults::new(Fault::TxTimeout, channel.index);
            }
        }
        let receivers = health.rx.iter_mut().take(health.receivers);
        for (channel, watch) in self.channels.iter().zip(receivers) {
            if self.watch_rx(channel, watch) == Verdict::Stalled {
                self.rare.rx_stalls.fetch_add(1, Relaxed);
                faults |= Faults::new(Fault::RxStall, channel.index);
            }
        }
        drop(guard);
        if running && self.watch_safety() {
            faults |= Faults::CORE;
        }
        health::retry(self.devlink, deferred);
        health::report(self.devlink, faults);
        Some(WATCH_PERIOD)
    }

    /// Looks after a sender.
    fn watch_tx(&self, channel: &Channel<'_>, watch: &mut TxWatch) -> Verdict {
        let (polls, xmits) = (channel.poll_stats.read(), channel.xmit_stats.read());
        let get = |index: usize| polls.get(index).copied().unwrap_or(0);
        let seen = TxSample {
            rung: xmits.get(xmit::TX_DOORBELLS).copied().unwrap_or(0),
            returned: get(poll::TX_PACKETS).wrapping_add(get(poll::TX_ERRORS)),
            pending: get(poll::TX_PENDING),
        };
        let waiting = || self.hw.hwif.mtl.tx_waiting(self.hw.io(), channel.index);
        let verdict = watch.look(&seen, waiting);
        if verdict == Verdict::Look {
            channel.napi.schedule();
        }
        verdict
    }

    /// Looks after a receiver.
    fn watch_rx(&self, channel: &Channel<'_>, watch: &mut RxWatch) -> Verdict {
        let (hw, io, ch) = (&self.hw, self.hw.io(), channel.index);
        hw.count_overflows(ch);
        let seen = sample(
            || hw.hwif.dma.position(io, ch).1,
            || {
                let waiting = hw.hwif.mtl.rx_waiting(io, ch);
                (waiting, channel.poll_stats.read())
            },
        );
        // None is needed of a receiver that is seen at work.
        let Some((position, (waiting, counters))) = seen else {
            return Verdict::Fine;
        };
        let get = |index: usize| counters.get(index).copied().unwrap_or(0);
        let verdict = watch.look(&RxSample {
            taken: get(poll::RX_DESCRIPTORS),
            polls: get(poll::POLLS),
            starved: get(poll::RX_REFILL_FAILED),
            position,
            waiting,
        });
        match verdict {
            Verdict::Look => {
                channel.napi.schedule();
            }
            Verdict::Poll => {
                self.rare.watchdog_polls.fetch_add(1, Relaxed);
                channel.napi.schedule();
            }
            Verdict::Fine | Verdict::Stalled => {}
        }
        verdict
    }

    /// Looks after errors that the core finds in itself; true if it has to be reset for one.
    fn watch_safety(&self) -> bool {
        let safety = &self.hw.safety;
        let look = safety.watch(self.hw.io(), &self.hw.features);
        if let Some(errors) = look.corrected {
            netdev_warn!(
                self.dev,
                "the hardware corrected an error: {}\n",
                safety.show(errors)
            );
        }
        look.alarm
    }

    /// Whether the core still has to be reset for an error that it has found in itself, which is
    /// told.
    fn needs_reset(&self) -> bool {
        let safety = &self.hw.safety;
        let errors = safety.take_fatal();
        if !errors.is_empty() {
            netdev_err!(
                self.dev,
                "the hardware found an error that it cannot correct: {}\n",
                safety.show(errors)
            );
        }
        safety.is_tripped()
    }

    /// Resets as little of a running port as is needed to get rid of `faults`; the link stays up.
    ///
    /// After an error it is to be tried again, which the watchdog sees to. `EAGAIN`: the core was
    /// reset just now. `on_demand`: that does not matter.
    pub(crate) fn recover(&self, faults: Faults, on_demand: bool, rtnl: &Rtnl) -> Result {
        let mut control = self.control.lock();
        let (mut beyond, mut later) = (Faults::default(), Faults::default());
        let mut health = self.health.lock();
        health.deferred = health.deferred.without(faults);
        drop(health);
        // It will start without faults.
        if control.irqs.is_none() {
            return Ok(());
        }
        // A recovery may have failed after it had reset the core.
        if faults.has_core() && (self.needs_reset() || control.history.failures() != 0) {
            match decide_core(&control.history.core_past()) {
                Step::Later if !on_demand => later |= Faults::CORE,
                _ => beyond |= Faults::CORE,
            }
        }
        for channel in self.channels.iter() {
            let ch = channel.index;
            let own = faults.of(ch);
            let used = in_use(&control.settings, ch);
            let queues = own.directions().and(used);
            if queues.is_empty() {
                continue;
            }
            let step = decide(&control.history.past(ch, queues));
            let which = match step {
                Step::Later if !on_demand => {
                    later |= own;
                    continue;
                }
                Step::Later | Step::Core => {
                    beyond |= own;
                    continue;
                }
                Step::Queue => queues,
                Step::Channel => used,
            };
            // A channel with one direction is all of it.
            let noted = if which == used {
                ChannelIrqs::BOTH
            } else {
                which
            };
            control.history.note(ch, noted);
            match self.restart(channel, which, &control.settings) {
                Ok(()) => {
                    let (count, what) = match noted {
                        ChannelIrqs { rx: false, .. } => {
                            (&self.rare.queue_recoveries, "transmit queue")
                        }
                        ChannelIrqs { tx: false, .. } => {
                            (&self.rare.queue_recoveries, "receive queue")
                        }
                        _ => (&self.rare.channel_recoveries, "channel"),
                    };
                    count.fetch_add(1, Relaxed);
                    netdev_warn!(
                        self.dev,
                        "channel {}: {}, restarted the {}\n",
                        ch,
                        own.text(),
                        what
                    );
                }
                Err(err) => {
                    netdev_warn!(
                        self.dev,
                        "channel {}: {}, cannot be restarted by itself ({:?})\n",
                        ch,
                        own.text(),
                        err
                    );
                    beyond |= own;
                }
            }
        }
        if !beyond.is_empty() {
            self.recover_core(&mut control, beyond, rtnl)
        } else if !later.is_empty() {
            self.health.lock().deferred |= later;
            Err(EAGAIN)
        } else {
            Ok(())
        }
    }

    fn recover_core(&self, control: &mut Control<'a>, faults: Faults, rtnl: &Rtnl) -> Result {
        let result = self.restart_core(control, rtnl);
        let history = &mut control.history;
        if faults.has_core() {
            history.relapses = relapses(&history.core_past());
        }
        history.core = Some(Instant::now());
        for channel in self.channels.iter() {
            if !faults.of(channel.index).is_empty() {
                history.note(channel.index, ChannelIrqs::BOTH);
            }
        }
        match &result {
            Ok(()) => {
                history.core_works();
                self.rare.recoveries.fetch_add(1, Relaxed);
                netdev_warn!(self.dev, "{}: reset the core\n", faults.text());
            }
            Err(err) => {
                history.core_failed();
                self.rare.recovery_failures.fetch_add(1, Relaxed);
                netdev_err!(
                    self.dev,
                    "recovery failed ({:?}), next attempt in {} s\n",
                    err,
                    core_pause(history.failures).as_millis() / 1000
                );
                self.health.lock().deferred |= faults;
                self.dev.watch_after(WATCH_PERIOD);
            }
        }
        result
    }

    /// Resets the core. The rings start over; no memory is needed for that unless an attempt before
    /// has failed.
    pub(super) fn restart_core(&self, control: &mut Control<'a>, rtnl: &Rtnl) -> Result {
        let settings = control.settings;
        let rings = &mut control.retired;
        let result = self
            .quiesce(ChannelIrqs::BOTH, rings, rtnl)
            .and_then(|_| self.revive(&settings, rings, rtnl));
        if result.is_err() {
            self.shut(control, rtnl);
        }
        result
    }

    /// Stops directions `which` of a channel, which it is in use for, and starts their rings over.
    /// The other direction goes on, though not polled for that time; all other channels go on, and
    /// so does the link.
    ///
    /// On failure the channel is silent, and a reset of the core is due.
    fn restart(&self, channel: &Channel<'a>, which: ChannelIrqs, settings: &Settings) -> Result {
        let (hw, dma, io, ch) = (&self.hw, self.hw.hwif.dma, self.hw.io(), channel.index);
        let queue = self.dev.tx_queue(index_u32(ch)).filter(|_| which.tx);
        // One restart is for all of these that have been noticed.
        let mended = Faults::ALL.mended(ch, which);
        self.silence(channel);
        // Only now: a poll would wake the queue, which has room.
        let mut tx = self
            .with_sender(channel, |side, sender| {
                if which.tx {
                    sender.stop();
                }
                side.ring.take_if(|_| which.tx)
            })
            .flatten();
        if let Some(queue) = queue {
            // Stopped by us, not stuck.
            queue.restart_watchdog();
        }
        health::withdraw(self.devlink, mended);

        let result = self.halt(ch, which).and_then(|()| {
            // What the channel reported before is seen to, unless it is the other direction's.
            let events = dma.take_events(io, ch);
            if events.bus_error && !mended.has(Fault::BusError, ch) {
                health::report(self.devlink, Faults::new(Fault::BusError, ch));
            }
            channel
                .napi
                .with_disabled(|poller, cx| {
                    if let Some(rx) = poller.rx.as_mut().filter(|_| which.rx) {
                        rx.detach(cx);
                        rx.rewind();
                        rx.attach(cx)?;
                        dma.init_rx(io, ch, &hw.config, &rx.setup(), rx.buf_len())?;
                        dma.set_rx_watchdog(io, ch, self.riwt(&settings.coalesce(ch).rx));
                    }
                    if let Some(queue) = queue {
                        poller.reset_queue(&mut queue.lock());
                    }
                    if let (Some(tx), Some(clean)) = (tx.as_mut(), poller.clean.as_mut()) {
                        datapath::rewind(&mut **tx, &mut **clean)?;
                        let (setup, segmentation) = (clean.setup(), self.segmentation.is_some());
                        dma.init_tx(io, ch, &hw.config, &setup, segmentation)?;
                    }
                    // After a start that failed there may be none, and nothing for a DMA to work
                    // on.
                    let there = ChannelIrqs {
                        tx: tx.is_some() && poller.clean.is_some(),
                        rx: poller.rx.is_some(),
                    };
                    (there.and(which) == which).then_some(()).ok_or(ENODEV)
                })
                .ok_or(EBUSY)?
        });
        if which.tx {
            // Even if it is not to be used: its descriptors stay until the DMA is known to be
            // quiet.
            self.with_sender(channel, |side, _| side.ring = tx);
        }
        result?;

        channel.napi.enable();
        self.start_dma(ch, which);
        dma.wait_started(io, ch, which)?;
        channel.napi.irq().unmask(in_use(settings, ch));
        if let Some(queue) = queue {
            queue.wake();
        }
        // What came in meanwhile need not interrupt.
        channel.napi.schedule();
        let mut health = self.health.lock();
        health.deferred = health.deferred.without(mended);
        if let Some(watch) = health.tx.get_mut(ch).filter(|_| which.tx) {
            *watch = TxWatch::default();
        }
        if let Some(watch) = health.rx.get_mut(ch).filter(|_| which.rx) {
            *watch = RxWatch::default();
        }
        drop(health);
        health::over(self.devlink, mended);
        Ok(())
    }

    /// Stops processes of a channel, the sender's FIFO emptied.
    pub(super) fn halt(&self, ch: usize, which: ChannelIrqs) -> Result {
        let (hwif, io) = (self.hw.hwif, self.hw.io());
        if which.tx {
            hwif.dma.stop_tx(io, ch)?;
            hwif.mtl.flush_tx(io, ch)?;
        }
        if which.rx {
            hwif.dma.stop_rx(io, ch)?;
        }
        Ok(())
    }
}

/// Directions that channel `ch` is in use for.
pub(super) fn in_use(settings: &Settings, ch: usize) -> ChannelIrqs {
    ChannelIrqs {
        tx: ch < settings.tx_queues.into_safe_cast(),
        rx: ch < settings.rx_queues.into_safe_cast(),
    }
}
