// SPDX-License-Identifier: GPL-2.0

//! The core of one port: its registers, and what is known of it.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    io::IoBase,
    net::rtnl,
    new_mutex,
    pci,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Mutex, //
    },
    time::Delta, //
};

use crate::{
    config::Config,
    hwif::{
        self,
        features::SafetyPackage,
        Duplex,
        Family,
        Features,
        Hwif,
        Link,
        Lpi,
        Mac,
        Mmio,
        Spec,
        Wake,
        REGS_SIZE, //
    },
    mmc,
    safety, //
};

/// A FIFO is empty after this, if the DMA can empty it: 64 KiB at 1 Gbit/s take half a millisecond,
/// and a CPU that is late with new buffers some more.
const DRAIN_TIMEOUT: Delta = Delta::from_millis(20);

/// What the MAC is to be set to whenever it comes out of reset.
pub(crate) struct LinkState {
    /// The link, while it is up.
    pub(crate) link: Option<Link>,
    /// Low-power idle, while it is on.
    pub(crate) lpi: Option<Lpi>,
    /// Frames to wake the system on when it sleeps.
    pub(crate) wake: Wake,
    /// Transmit queues in use; flow control is programmed for each.
    pub(crate) tx_queues: u32,
    /// No frame may pass, whatever the link: FIFOs and rings are not there.
    pub(crate) held: bool,
}

/// A core and its registers.
///
/// Shared by everything that touches the hardware: control paths, interrupt handlers, phylink and
/// the MDIO bus. Registers that several of them change are changed by one of them only, or under
/// [`Hw::link`].
#[pin_data]
pub(crate) struct Hw<'a> {
    /// The device that does DMA and to whose name messages are put.
    pub(crate) dev: &'a Device<Bound>,
    regs: pci::Bar<'a, REGS_SIZE>,
    /// What the version register says.
    pub(crate) spec: Spec,
    /// The generation's objects.
    pub(crate) hwif: &'static Hwif,
    /// What the core can do.
    pub(crate) features: Features,
    /// What the board or SoC says.
    pub(crate) config: Config,
    /// Serialises link changes with resets of the MAC.
    #[pin]
    pub(crate) link: Mutex<LinkState>,
    /// Serialises accesses to the MDIO bus with resets of the core and dumps of its registers.
    #[pin]
    pub(crate) mdio: Mutex<()>,
    /// Frames dropped because a receive FIFO was full, as far as its queue has counted them.
    rx_overflows: Atomic<u64>,
    /// Transmitted frames get a timestamp if their senders want one.
    pub(crate) tx_timestamps: Atomic<bool>,
    counters: mmc::Counters,
    /// Errors that the core finds in itself.
    #[pin]
    pub(crate) safety: safety::Monitor,
    /// No register but the one that tells of its end may be touched.
    in_reset: Atomic<bool>,
}

impl<'a> Hw<'a> {
    /// Identifies the core behind `regs`.
    pub(crate) fn new(
        dev: &'a Device<Bound>,
        regs: pci::Bar<'a, REGS_SIZE>,
        family: Family,
        config: &Config,
    ) -> Result<impl PinInit<Self, Error> + 'a> {
        let io = (&regs).as_view();
        let (spec, hwif) = hwif::probe(dev, io, family)?;
        let config = *config;
        let features = usable(hwif, io, &config);
        let safety = hwif
            .safety
            .filter(|_| features.safety != SafetyPackage::None);
        let safety = safety::Monitor::new(safety)?;
        Ok(try_pin_init!(Self {
            dev,
            regs,
            spec,
            hwif,
            features,
            config,
            link <- new_mutex!(LinkState {
                link: None,
                lpi: None,
                wake: Wake::default(),
                tx_queues: 1,
                held: true,
            }),
            mdio <- new_mutex!(()),
            rx_overflows: Atomic::new(0),
            tx_timestamps: Atomic::new(false),
            counters: mmc::Counters::new(),
            safety <- safety,
            in_reset: Atomic::new(false),
        }))
    }

    /// Reads again what the core can do.
    pub(crate) fn read_features(&self) -> Features {
        usable(self.hwif, self.io(), &self.config)
    }

    /// The register file.
    #[inline(always)]
    pub(crate) fn io(&self) -> Mmio<'_> {
        (&self.regs).as_view()
    }

    /// Nanoseconds by which timestamps are late.
    pub(crate) fn capture_delay(&self) -> i64 {
        self.config
            .ptp
            .map_or(0, |clock| self.hwif.ptp.capture_delay(clock.rate))
            .into()
    }

    /// Resets the core; bounded wait. What its MAC has counted is kept. Channels must not interrupt
    /// any more. May sleep.
    pub(crate) fn reset(&self) -> Result {
        let _no_access = self.mdio.lock();

        // What no handler acknowledges must not keep the line up.
        self.hwif.mac.mask_irqs(self.io());
        self.safety.stop(self.io(), &self.features);
        let _ = self.counters.stop(self.hwif.mmc, self.io());
        self.in_reset.store(true, Relaxed);
        // For handlers, and who asks for statistics.
        rtnl::synchronize_net();
        let result = self.hwif.dma.reset(self.dev, self.io());
        self.in_reset.store(false, Relaxed);
        result?;
        self.safety.was_reset();
        Ok(())
    }

    /// Calls `f`, an interrupt handler, unless the core is being reset: then nothing of it
    /// interrupts, but the line may be shared, or a message late.
    #[inline]
    pub(crate) fn unless_in_reset<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let _reading = rcu::read_lock();
        (!self.in_reset.load(Relaxed)).then(f)
    }

    /// Counts the frames that receive queue `queue` had no room for. Asked for now and then: an
    /// interrupt for each would keep a CPU that has too much to do from doing any of it.
    pub(crate) fn count_overflows(&self, queue: usize) {
        let overflows = self.hwif.mtl.take_overflows(self.io(), queue);
        if overflows != 0 {
            self.rx_overflows.fetch_add(overflows.into(), Relaxed);
        }
    }

    /// Frames that the receive FIFOs had no room for. Callable in any context.
    pub(crate) fn overflows(&self) -> u64 {
        // Those of the queues are looked at every second, and hold some thousands.
        self.counter(mmc::mac::RX_FIFO_OVERFLOW)
            .unwrap_or_else(|| self.rx_overflows.load(Relaxed))
    }

    /// Waits until receive queue `queue`'s FIFO is empty, when frames have stopped coming in.
    pub(crate) fn drain_rx(&self, queue: usize) -> Result {
        let drained = hwif::wait_until(
            || Ok(self.hwif.mtl.rx_waiting(self.io(), queue)),
            |waiting| !waiting,
            hwif::POLL_INTERVAL,
            DRAIN_TIMEOUT,
        );
        self.count_overflows(queue);
        drained.map(|_| ())
    }

    /// Collects what the MAC has counted, before it loses it. On return nobody reads its counters.
    /// May sleep.
    pub(crate) fn stop_counters(&self) {
        if self.counters.stop(self.hwif.mmc, self.io()) {
            rtnl::synchronize_net();
        }
    }

    /// Has the MAC count, after a reset.
    pub(crate) fn start_counters(&self) {
        if self.features.mmc {
            self.counters.start(self.hwif.mmc, self.io());
        }
    }

    /// The MAC's counters; none if the core does not have them.
    pub(crate) fn counters(&self) -> Option<mmc::Values> {
        self.features
            .mmc
            .then(|| self.counters.read(self.hwif.mmc, self.io()))
    }

    /// One of the MAC's counters, of [`mmc::mac`]; none if the core does not have them. Callable in
    /// any context.
    pub(crate) fn counter(&self, counter: usize) -> Option<u64> {
        self.features
            .mmc
            .then(|| self.counters.get(self.hwif.mmc, self.io(), counter))
    }

    /// Sees to the MAC's events, in the interrupt handler.
    pub(crate) fn mac_events(&self) {
        // Of the others nothing is asked for; reading acknowledges them.
        let events = self.hwif.mac.events(self.io());
        if events.mmc {
            self.collect_counters();
        }
        if events.wake {
            // On its way to sleep the system turns round.
            self.dev.wakeup_event();
        }
    }

    /// Acknowledges the interrupt of the MAC's counters and collects them.
    pub(crate) fn collect_counters(&self) {
        if self.features.mmc {
            self.hwif.mmc.acknowledge(self.io());
            self.counters.collect(self.hwif.mmc, self.io());
        }
    }

    /// A link came up: programs it and lets frames pass, now or when they may.
    pub(crate) fn link_up(&self, link: Link) -> Result {
        let mut state = self.link.lock();
        if !state.held {
            self.apply_link(&link, state.tx_queues)?;
        }
        state.link = Some(link);
        Ok(())
    }

    /// The link went down: no frame passes any more.
    pub(crate) fn link_down(&self) {
        let mut state = self.link.lock();
        state.link = None;
        // A core that is held may be in reset.
        if !state.held {
            self.hwif.mac.enable(self.io(), false, false);
        }
    }

    /// Programs the link again after the MAC was reset or stopped.
    pub(crate) fn restore_link(&self, tx_queues: u32) -> Result {
        let mut state = self.link.lock();
        state.tx_queues = tx_queues;
        state.held = false;
        match state.link {
            Some(link) => self.apply_link(&link, tx_queues)?,
            // It may have gone while the MAC was held.
            None => self.hwif.mac.enable(self.io(), false, false),
        }
        self.apply_lpi(state.lpi);
        Ok(())
    }

    /// Turns low-power idle of the transmitter on or off, now or when frames may pass.
    pub(crate) fn set_lpi(&self, lpi: Option<Lpi>) {
        let mut state = self.link.lock();
        state.lpi = lpi;
        if !state.held {
            self.apply_lpi(lpi);
        }
    }

    fn apply_lpi(&self, lpi: Option<Lpi>) {
        if self.features.eee {
            self.hwif
                .mac
                .set_lpi(self.io(), lpi.as_ref(), self.config.csr_rate);
        }
    }

    /// Changes the MAC's configuration, of which link changes are a part.
    pub(crate) fn configure_mac(&self, f: impl FnOnce(&dyn Mac, Mmio<'_>)) {
        let _state = self.link.lock();
        f(self.hwif.mac, self.io());
    }

    /// Stops the receiver, and the transmitter unless it `sends` on, while the link stays up;
    /// [`Hw::restore_link`] lets all frames pass again.
    pub(crate) fn suspend_link(&self, sends: bool) {
        let mut state = self.link.lock();
        state.held = true;
        let sends = sends && state.link.is_some();
        self.hwif.mac.enable(self.io(), sends, false);
    }

    /// Has the MAC receive what it transmits, at the speed of the link if there is one; with
    /// `rx_pause`, pause frames too. [`Hw::restore_link`] after a reset undoes it.
    pub(crate) fn loop_back(&self, rx_pause: bool) -> Result {
        let state = self.link.lock();
        let (mac, io) = (self.hwif.mac, self.io());
        // Of those that need no other interface.
        let speeds = mac.speeds(&self.features).iter().copied();
        let fastest = speeds.filter(|&speed| speed <= 1000).max().ok_or(EINVAL)?;
        let link = Link {
            speed: state.link.map_or(fastest, |link| link.speed),
            duplex: Duplex::Full,
            tx_pause: false,
            rx_pause,
        };

        mac.set_link(io, &link, state.tx_queues)?;
        mac.set_rx_checksum(io, true);
        mac.set_loopback(io, true);
        mac.enable(io, true, true);
        Ok(())
    }

    /// Wakes the system on frames of `wake` from now on; by means of the function's power
    /// management, which is asked for as well.
    pub(crate) fn set_wake(&self, wake: Wake) -> Result {
        let enable = !wake.is_empty();
        // To enable what is enabled is an error.
        if self.dev.may_wakeup() != enable {
            self.dev.set_wakeup_enable(enable)?;
        }
        self.link.lock().wake = wake;
        Ok(())
    }

    /// Whether the system is to be woken by frames.
    pub(crate) fn wakes(&self) -> bool {
        !self.link.lock().wake.is_empty()
    }

    /// Has the MAC, which has been stopped, wait for frames that wake the system. A link that is up
    /// stays so; if the core was reset it is programmed anew.
    pub(crate) fn wait_for_wake(&self) -> Result {
        let state = self.link.lock();
        if let Some(link) = state.link {
            self.hwif.mac.set_link(self.io(), &link, state.tx_queues)?;
        }
        self.hwif.mac.set_wake(self.io(), &state.wake);
        Ok(())
    }

    fn apply_link(&self, link: &Link, tx_queues: u32) -> Result {
        let io = self.io();
        self.hwif
            .mac
            .set_link(io, link, tx_queues)
            .inspect_err(|_| {
                dev_err!(self.dev, "the MAC cannot run at {} Mbit/s\n", link.speed);
            })?;
        self.hwif.mac.enable(io, true, true);
        Ok(())
    }
}

/// What the core can do and the board may use.
fn usable(hwif: &Hwif, io: Mmio<'_>, config: &Config) -> Features {
    let mut features = (hwif.features)(io);
    if !config.parity && features.safety != SafetyPackage::None {
        features.safety = SafetyPackage::Ecc;
    }
    features
}
