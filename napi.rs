// SPDX-License-Identifier: GPL-2.0

//! Channels: the poll that serves a transmit and a receive ring, and its interrupts.

use kernel::{
    irq,
    net::{
        self,
        napi::{
            self,
            Napi,
            NapiConfig,
            PollContext,
            Polled, //
        },
        queue::{
            Completion,
            TxLocked,
            TxQueue, //
        }, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta, //
};

use crate::{
    datapath::{
        Rx,
        Tx,
        TxClean, //
    },
    health::{
        self,
        Devlink, //
    },
    hw::Hw,
    hwif::{
        ChannelIrqs,
        MAX_CHANNELS, //
    },
    netdev::{
        Device,
        Dwmac, //
    },
    port::index_u32,
    recovery::{
        Fault,
        Faults, //
    },
    safety::Action,
    stats::{
        self,
        poll,
        PollReader,
        PollWriter,
        Tally,
        XmitReader,
        XmitWriter, //
    }, //
};

/// How long to wait before a ring that memory was short for is tried again.
const STARVING_RETRY: Delta = Delta::from_millis(2);

/// Most looks at an interrupt beside the first one: each channel may be late once.
const LOOKS: usize = MAX_CHANNELS + 1;

/// How long to wait before a timestamp that was not there yet is looked for again.
const STAMP_RETRY: Delta = Delta::from_micros(50);

/// Interrupts of one channel, as seen from the poll, the handler and the control path.
pub(crate) struct ChannelIrq<'a> {
    hw: Arc<Hw<'a>>,
    ch: usize,
    /// Sources that the poll turns on when it is done; see [`ChannelIrq::pack`].
    wanted: Atomic<u32>,
}

impl ChannelIrq<'_> {
    const TX: u32 = 1;
    const RX: u32 = 2;

    fn pack(irqs: ChannelIrqs) -> u32 {
        u32::from(irqs.tx) * Self::TX + u32::from(irqs.rx) * Self::RX
    }

    /// Lets `irqs` interrupt from now on, and after every poll.
    pub(crate) fn unmask(&self, irqs: ChannelIrqs) {
        self.wanted.store(Self::pack(irqs), Relaxed);
        self.hw.hwif.dma.enable_irqs(self.hw.io(), self.ch, irqs);
    }

    /// Keeps the channel from interrupting, and polls from turning it on.
    pub(crate) fn mask(&self) {
        self.wanted.store(0, Relaxed);
        self.quiet();
    }

    /// Keeps the channel from interrupting until the next poll is done.
    #[inline]
    fn quiet(&self) {
        let none = ChannelIrqs::default();
        self.hw.hwif.dma.enable_irqs(self.hw.io(), self.ch, none);
    }

    #[inline]
    fn rearm(&self) {
        let wanted = self.wanted.load(Relaxed);
        let irqs = ChannelIrqs {
            tx: wanted & Self::TX != 0,
            rx: wanted & Self::RX != 0,
        };
        self.hw.hwif.dma.enable_irqs(self.hw.io(), self.ch, irqs);
    }
}

/// What the poll owns: nobody else touches it while NAPI is enabled.
pub(crate) struct Poller<'a> {
    hw: Arc<Hw<'a>>,
    dev: &'a Device,
    devlink: &'a Devlink,
    ch: usize,
    /// Consumer side of the transmit ring, while there is one.
    pub(crate) clean: Option<KBox<dyn TxClean + 'a>>,
    /// Receive ring, while there is one.
    pub(crate) rx: Option<KBox<dyn Rx + 'a>>,
    completion: Option<Completion<'a>>,
    /// Look for completions this long after a frame that asked for no interrupt.
    pub(crate) backstop: Delta,
    stats: PollWriter,
}

impl Poller<'_> {
    /// Forgets what BQL holds of frames that will never complete.
    pub(crate) fn reset_queue(&mut self, queue: &mut TxQueue<'_>) {
        if let Some(completion) = self.completion.as_mut() {
            completion.reset(queue);
        }
    }
}

impl<'a> napi::Poll for Poller<'a> {
    type Irq = ChannelIrq<'a>;

    fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
        let mut tally = Tally::default();
        tally.add(poll::POLLS, 1);

        // A budget of zero is netpoll, which may send but not receive, and has interrupts disabled.
        // It leaves the events to the next poll.
        if cx.budget() != 0 {
            // Acknowledged before the rings are looked at: what comes later interrupts again when
            // the channel is unmasked.
            let events = self.hw.hwif.dma.take_events(self.hw.io(), self.ch);
            tally.add(poll::RX_STARVED, events.rx_starved.into());
            if events.bus_error {
                tally.add(poll::BUS_ERRORS, 1);
                health::report(self.devlink, Faults::new(Fault::BusError, self.ch));
            }
            if self.ch == 0 && self.hw.safety.take_alarm() {
                health::report(self.devlink, Faults::CORE);
            }
        }

        if let (Some(clean), Some(completion)) = (self.clean.as_mut(), self.completion.as_mut()) {
            if clean.clean(cx, completion, &mut tally) {
                tally.add(poll::TX_PENDING, 1);
                cx.schedule_after(self.backstop);
            }
        }

        let mut frames = 0;
        if let Some(rx) = self.rx.as_mut().filter(|_| cx.budget() != 0) {
            let polled = rx.poll(self.dev, cx, &mut tally);
            frames = polled.frames;
            if polled.waiting {
                cx.schedule_after(STAMP_RETRY);
            } else if polled.starving {
                cx.schedule_after(STARVING_RETRY);
            }
        }
        tally.flush(&mut self.stats);

        if frames < cx.budget() || cx.budget() == 0 {
            Polled::Done(frames)
        } else {
            Polled::Again
        }
    }

    #[inline]
    fn rearm(irq: &ChannelIrq<'a>) {
        irq.rearm();
    }
}

/// What `start_xmit` owns: opened by the transmit queue's lock.
pub(crate) struct TxSide<'a> {
    /// Producer side of the transmit ring, while there is one.
    pub(crate) ring: Option<KBox<dyn Tx + 'a>>,
    pub(crate) stats: XmitWriter,
}

/// A DMA channel with its poll and, where the port has that queue, its transmit side.
#[pin_data]
pub(crate) struct Channel<'a> {
    /// Number of the DMA channel and of the queues that are mapped to it.
    pub(crate) index: usize,
    /// The poll.
    #[pin]
    pub(crate) napi: Napi<'a, Poller<'a>>,
    /// Transmit side.
    pub(crate) tx: Option<TxLocked<TxSide<'a>>>,
    /// Backstop of the transmit coalescing, nanoseconds.
    pub(crate) backstop_ns: Atomic<i64>,
    /// What the poll counted.
    pub(crate) poll_stats: PollReader,
    /// What `start_xmit` counted.
    pub(crate) xmit_stats: XmitReader,
}

impl<'a> Channel<'a> {
    /// Makes channel `index` without rings.
    pub(crate) fn new(
        dev: &'a Device,
        devlink: &'a Devlink,
        hw: &Arc<Hw<'a>>,
        index: usize,
        config: NapiConfig<'a, Dwmac>,
        completion: Option<Completion<'a>>,
    ) -> Result<impl PinInit<Self, Error> + 'a> {
        let (poll_writer, poll_stats) = net::stats::counters::<{ stats::poll::COUNT }>()?;
        let (xmit_writer, xmit_stats) = net::stats::counters::<{ stats::xmit::COUNT }>()?;
        let tx = match (&completion, dev.tx_queue(index_u32(index))) {
            (Some(_), Some(queue)) => Some(TxLocked::new(
                queue,
                TxSide {
                    ring: None,
                    stats: xmit_writer,
                },
            )),
            _ => None,
        };
        let poller = Poller {
            hw: hw.clone(),
            dev,
            devlink,
            ch: index,
            clean: None,
            rx: None,
            completion,
            backstop: Delta::ZERO,
            stats: poll_writer,
        };
        let irq = ChannelIrq {
            hw: hw.clone(),
            ch: index,
            wanted: Atomic::new(0),
        };
        // SAFETY: A channel is owned by its port and is dropped with it.
        let napi = unsafe { Napi::with_config(config, irq, Ok::<_, Error>(poller)) };
        Ok(try_pin_init!(Self {
            index,
            napi <- napi,
            tx,
            backstop_ns: Atomic::new(0),
            poll_stats,
            xmit_stats,
        }))
    }

    /// Looks for transmit completions in a while, unless that is planned already.
    #[inline]
    pub(crate) fn arm_backstop(&self) {
        let delay = Delta::from_nanos(self.backstop_ns.load(Relaxed));
        self.napi.schedule_after(delay);
    }

    /// Masks the channel's interrupts and has it polled.
    #[inline]
    fn interrupt(&self) {
        self.napi.irq().quiet();
        self.napi.schedule();
    }
}

/// The channels of a port; index is the DMA channel's number.
pub(crate) type Channels<'a> = Arc<KVec<Arc<Channel<'a>>>>;

/// What a vector stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Everything.
    All,
    /// The MAC, and what of a DMA channel is neither a frame sent nor received.
    Mac,
    /// Frames received on a DMA channel.
    Rx(usize),
    /// Frames sent on a DMA channel.
    Tx(usize),
    /// Errors that the core finds in itself.
    Safety,
}

impl Source {
    /// The vector's name in `/proc/interrupts`, which has the function's address beside it.
    pub(crate) fn name(self) -> &'static CStr {
        const RX: [&CStr; MAX_CHANNELS] = [
            c"rust_stmmac-rx-0",
            c"rust_stmmac-rx-1",
            c"rust_stmmac-rx-2",
            c"rust_stmmac-rx-3",
            c"rust_stmmac-rx-4",
            c"rust_stmmac-rx-5",
            c"rust_stmmac-rx-6",
            c"rust_stmmac-rx-7",
        ];
        const TX: [&CStr; MAX_CHANNELS] = [
            c"rust_stmmac-tx-0",
            c"rust_stmmac-tx-1",
            c"rust_stmmac-tx-2",
            c"rust_stmmac-tx-3",
            c"rust_stmmac-tx-4",
            c"rust_stmmac-tx-5",
            c"rust_stmmac-tx-6",
            c"rust_stmmac-tx-7",
        ];
        let nth = |names: [&'static CStr; MAX_CHANNELS], ch: usize| names.get(ch).copied();
        match self {
            Self::All => None,
            Self::Mac => Some(c"rust_stmmac-mac"),
            Self::Rx(ch) => nth(RX, ch),
            Self::Tx(ch) => nth(TX, ch),
            Self::Safety => Some(c"rust_stmmac-safety"),
        }
        .unwrap_or(crate::NAME)
    }
}

/// Handler of one vector.
pub(crate) struct Irq<'a> {
    pub(crate) hw: Arc<Hw<'a>>,
    pub(crate) channels: Channels<'a>,
    pub(crate) source: Source,
    /// The vector is a message, sent when the common line rises.
    pub(crate) edge: bool,
}

impl Irq<'_> {
    /// Sees to errors that the core has found in itself.
    #[cold]
    fn safety_events(&self) -> irq::IrqReturn {
        let hw = &self.hw;
        match hw.safety.interrupt(hw.io(), &hw.features) {
            None => return irq::IrqReturn::None,
            Some(Action::Count | Action::Mask) => (),
            Some(Action::Reset) => {
                // Its poll asks for it, for that cannot be done here.
                if let Some(channel) = self.channels.first() {
                    channel.napi.schedule();
                }
            }
        }
        irq::IrqReturn::Handled
    }

    /// Looks once at all that the summary tells of; false if there was nothing.
    #[inline]
    fn look(&self) -> bool {
        let summary = self.hw.hwif.dma.summary(self.hw.io());
        if summary.is_empty() {
            return false;
        }
        // Also with vectors of their own: those tell of frames only, a bus error or a ring without
        // descriptors comes here.
        for channel in self.channels.iter() {
            if summary.channels & 1u32.checked_shl(index_u32(channel.index)).unwrap_or(0) != 0 {
                channel.interrupt();
            }
        }
        // MAC events are rare: they are acknowledged and seen to here.
        if summary.mac {
            self.hw.mac_events();
        }
        true
    }

    #[inline]
    fn serve(&self) -> irq::IrqReturn {
        match self.source {
            Source::Rx(ch) | Source::Tx(ch) => {
                if let Some(channel) = self.channels.get(ch) {
                    channel.interrupt();
                }
                return irq::IrqReturn::Handled;
            }
            Source::Safety => return self.safety_events(),
            Source::All | Source::Mac => (),
        }
        if !self.look() {
            // The safety package is not part of it.
            return self.safety_events();
        }
        // A message is sent when the common line rises: with all of it seen to it has fallen. What
        // will not be quiet does so anyway, and must not keep the CPU.
        if self.edge {
            for _ in 0..LOOKS {
                if !self.look() {
                    break;
                }
            }
            if self.source == Source::All {
                self.safety_events();
            }
        }
        irq::IrqReturn::Handled
    }
}

impl irq::Handler for Irq<'_> {
    fn handle(&self) -> irq::IrqReturn {
        self.hw
            .unless_in_reset(|| self.serve())
            .unwrap_or(irq::IrqReturn::None)
    }
}
