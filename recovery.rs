// SPDX-License-Identifier: GPL-2.0

//! What can go wrong while a port runs, how a queue that stands still is noticed, and what is reset
//! then.
//!
//! A fault resets the smallest thing that may mend it: the queue, which is one direction of a
//! channel, and whose ring starts over while all others and the link go on. If it shows a fault
//! again soon, or a fault is of both directions, that is the channel; and if the channel does not
//! obey, or shows a fault again, the core is reset. So it is for an error of the
//! [safety package](crate::safety), which is no single channel's. All of it is decided here, from
//! times and counts only; who carries it out is
//! [`Port::recover()`](crate::port::Port::recover).

use core::{
    mem,
    ops::BitOrAssign, //
};

use kernel::{
    fmt,
    time::Delta, //
};

use crate::hwif::{
    ChannelIrqs,
    MAX_CHANNELS, //
};

/// What shows a fault within this time of its restart was not mended by that. The slowest to notice
/// one is the stack's transmit watchdog, which takes up to 10 s.
pub(crate) const PROBATION: Delta = Delta::from_secs(30);

/// Least time between two resets of the core, unless resets fail: then it doubles each time.
const CORE_PAUSE_SECS: i64 = 2;

/// Most doublings of it.
const MAX_DOUBLINGS: u32 = 5;

/// Time between two looks of the watchdog.
pub(crate) const WATCH_PERIOD: Delta = Delta::from_secs(1);

/// A fault of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The DMA reported a fatal bus error.
    BusError,
    /// A transmit queue made no progress.
    TxTimeout,
    /// The receiver has frames that do not arrive.
    RxStall,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::BusError, Self::TxTimeout, Self::RxStall];

    /// What has to be restarted for it.
    pub(crate) const fn directions(self) -> ChannelIrqs {
        ChannelIrqs {
            tx: !matches!(self, Self::RxStall),
            rx: !matches!(self, Self::TxTimeout),
        }
    }

    /// For messages.
    const fn text(self) -> &'static str {
        match self {
            Self::BusError => "bus error",
            Self::TxTimeout => "transmit timeout",
            Self::RxStall => "receiver stands still",
        }
    }
}

/// A set of faults of channels; fits the events of
/// [`Devlink::report()`](kernel::net::devlink::Devlink::report).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(usize);

impl Faults {
    // CAST: Small numbers.
    const CORE_BIT: u32 = (Fault::ALL.len() * MAX_CHANNELS) as u32;

    /// The core has found an error in itself that it could not correct.
    pub(crate) const CORE: Self = Self(1 << Self::CORE_BIT);

    /// All faults of all channels.
    pub(crate) const CHANNELS: Self = Self(Self::CORE.0 - 1);

    /// All faults.
    pub(crate) const ALL: Self = Self(Self::CORE.0 | Self::CHANNELS.0);

    /// Fault `fault` of channel `ch`; nothing for a channel that no core has.
    pub(crate) fn new(fault: Fault, ch: usize) -> Self {
        // CAST: Both are small.
        let bit = (fault as u32 * MAX_CHANNELS as u32).wrapping_add(ch as u32);
        Self(if ch < MAX_CHANNELS {
            1usize.checked_shl(bit).unwrap_or(0)
        } else {
            0
        })
    }

    /// Those among reported events.
    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// As events to be reported.
    pub(crate) const fn bits(self) -> usize {
        self.0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `fault` of channel `ch` is in the set.
    pub(crate) fn has(self, fault: Fault, ch: usize) -> bool {
        self.0 & Self::new(fault, ch).0 != 0
    }

    /// Whether [`Faults::CORE`] is in the set.
    pub(crate) const fn has_core(self) -> bool {
        self.0 & Self::CORE.0 != 0
    }

    /// What is not a channel's.
    pub(crate) const fn of_core(self) -> Self {
        Self(self.0 & Self::CORE.0)
    }

    /// Those of channel `ch`.
    pub(crate) fn of(self, ch: usize) -> Self {
        self.filter(|_, of| of == ch)
    }

    /// Those of channel `ch` that a restart of `which` directions mends.
    pub(crate) fn mended(self, ch: usize, which: ChannelIrqs) -> Self {
        self.filter(|fault, of| {
            let needed = fault.directions();
            of == ch && needed.and(which) == needed
        })
    }

    /// Directions that all of them together need to be restarted.
    pub(crate) fn directions(self) -> ChannelIrqs {
        let mut all = ChannelIrqs::default();
        for (fault, _) in self.iter() {
            let ChannelIrqs { tx, rx } = fault.directions();
            all.tx |= tx;
            all.rx |= rx;
        }
        all
    }

    /// Those of channels that `wanted` holds for.
    pub(crate) fn filter(self, wanted: impl Fn(Fault, usize) -> bool) -> Self {
        let mut found = Self::default();
        for (fault, ch) in self.iter().filter(|&(fault, ch)| wanted(fault, ch)) {
            found |= Self::new(fault, ch);
        }
        found
    }

    /// Those that are not in `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// All of channels, each with its channel.
    pub(crate) fn iter(self) -> impl Iterator<Item = (Fault, usize)> {
        let all = (0..MAX_CHANNELS).flat_map(|ch| Fault::ALL.map(|fault| (fault, ch)));
        all.filter(move |&(fault, ch)| self.has(fault, ch))
    }

    /// The first of the faults, for a message.
    pub(crate) fn text(self) -> &'static str {
        if self.has_core() {
            return "safety error";
        }
        let named = |fault: &Fault| (0..MAX_CHANNELS).any(|ch| self.has(*fault, ch));
        Fault::ALL.into_iter().find(named).map_or("", Fault::text)
    }
}

/// As in `safety error, channel 2: transmit timeout`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_core() {
            f.write_str(self.of_core().text())?;
        }
        for (n, (fault, ch)) in self.iter().enumerate() {
            if n != 0 || self.has_core() {
                f.write_str(", ")?;
            }
            f.write_fmt(kernel::prelude::fmt!("channel {}: {}", ch, fault.text()))?;
        }
        Ok(())
    }
}

impl BitOrAssign for Faults {
    fn bitor_assign(&mut self, rhs: Self) {
        self.0 |= rhs.0;
    }
}

/// What was reset before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Time since the queue was restarted, of two the one restarted later.
    pub(crate) queue: Option<Delta>,
    /// Time since the channel was restarted or, after a fault of it, the core reset.
    pub(crate) channel: Option<Delta>,
    /// Time since the core was reset to recover from a fault, or that was tried.
    pub(crate) core: Option<Delta>,
    /// How often in a row that failed.
    pub(crate) failures: u32,
    /// How often in a row an error of the core was back soon after.
    pub(crate) relapses: u32,
}

/// What to do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet: the core has been reset just now.
    Later,
    /// Restart the directions of the channel that the fault is of.
    Queue,
    /// Restart the channel.
    Channel,
    /// Reset the core.
    Core,
}

/// Least time between two attempts to reset the core when the last `failures` of them failed.
pub(crate) fn core_pause(failures: u32) -> Delta {
    Delta::from_secs(CORE_PAUSE_SECS << failures.min(MAX_DOUBLINGS))
}

/// Decides what to reset for a channel with a fault.
pub(crate) fn decide(past: &Past) -> Step {
    if past.core.is_some_and(|ago| ago < core_pause(past.failures)) {
        Step::Later
    } else if past.failures != 0 || past.channel.is_some_and(|ago| ago < PROBATION) {
        Step::Core
    } else if past.queue.is_some_and(|ago| ago < PROBATION) {
        Step::Channel
    } else {
        Step::Queue
    }
}

/// Decides whether the core is reset yet for an error of its own.
pub(crate) fn decide_core(past: &Past) -> Step {
    let pause = core_pause(past.failures.max(past.relapses));

    if past.core.is_some_and(|ago| ago < pause) {
        Step::Later
    } else {
        Step::Core
    }
}

/// How often in a row an error of the core has come back, now that it is reset for one. It is back
/// if the last reset, which waited for its turn, did not help for long.
pub(crate) fn relapses(past: &Past) -> u32 {
    let pause = core_pause(past.relapses).as_nanos();
    let soon = |ago: Delta| ago.as_nanos() < pause.saturating_add(PROBATION.as_nanos());

    if past.core.is_some_and(soon) {
        past.relapses.saturating_add(1)
    } else {
        0
    }
}

/// Tries to get a sample of a receiver that works.
const SAMPLES: u32 = 4;

/// What `rest` sees while the DMA is at one `position`; none if it goes on all the time.
///
/// A frame that comes in and out between the two would look like one that never comes out.
pub(crate) fn sample<T>(
    mut position: impl FnMut() -> u32,
    mut rest: impl FnMut() -> T,
) -> Option<(u32, T)> {
    let mut before = position();
    for _ in 0..SAMPLES {
        let seen = rest();
        let after = position();
        if after == before {
            return Some((before, seen));
        }
        before = after;
    }
    None
}

/// What the watchdog sees of a receiver. Counters are free-running.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RxSample {
    /// Descriptors that polls took back from the DMA.
    pub(crate) taken: u64,
    /// Polls.
    pub(crate) polls: u64,
    /// Polls that could not refill the ring.
    pub(crate) starved: u64,
    /// Descriptor that the DMA is at.
    pub(crate) position: u32,
    /// Frames wait in the FIFO.
    pub(crate) waiting: bool,
}

/// What the watchdog makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong.
    Fine,
    /// Traffic has stopped: poll, for the last interrupt may have been lost.
    Look,
    /// Frames may have arrived for which no interrupt came: poll.
    Poll,
    /// The queue stands still.
    Stalled,
}

/// Watches a receiver.
///
/// Software alone cannot tell a receiver that stands still from a silent network. So the hardware
/// is asked: frames come in if some wait in the FIFO, or if the DMA is at another descriptor than
/// before. From then on the ring has to move until the next look but one, or a lost interrupt is
/// made up for by a poll. If that has run and found nothing, the receiver stands still.
///
/// When traffic ends, nothing tells whether all of it came out: one more poll does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RxWatch {
    last: Option<RxSample>,
    /// Looks since frames came in of which none came out.
    looks: u32,
    /// Frames came out before the last look.
    busy: bool,
}

impl RxWatch {
    /// Takes a look.
    pub(crate) fn look(&mut self, now: &RxSample) -> Verdict {
        let Some(last) = self.last.replace(*now) else {
            self.busy = true;
            return Verdict::Fine;
        };
        // A ring that lacks memory has no room for frames; nothing but memory would help.
        if now.taken != last.taken || now.starved != last.starved {
            self.looks = 0;
            self.busy = true;
            return Verdict::Fine;
        }
        if self.looks == 0 && !now.waiting && now.position == last.position {
            return if mem::take(&mut self.busy) {
                Verdict::Look
            } else {
                Verdict::Fine
            };
        }
        // No poll, no verdict: the CPU may be busy with something else.
        if self.looks >= 2 && now.polls == last.polls {
            return Verdict::Poll;
        }
        self.looks = self.looks.saturating_add(1);
        match self.looks {
            0 | 1 => Verdict::Fine,
            2 => Verdict::Poll,
            _ => {
                *self = Self::default();
                Verdict::Stalled
            }
        }
    }
}

/// What the watchdog sees of a sender. Counters are free-running.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TxSample {
    /// Times the DMA was told of frames.
    pub(crate) rung: u64,
    /// Frames that it gave back.
    pub(crate) returned: u64,
    /// Polls that left frames with it.
    pub(crate) pending: u64,
}

/// Watches a sender.
///
/// The stack's watchdog notices a queue only that has stopped, by a ring or a limit of BQL that is
/// full. Neither comes of a frame whose descriptor does not come back if nobody sends any more; its
/// sender, which may wait for just that, hangs. So a sender stands still, too, if two looks in a
/// row find that the DMA has frames, that it has given none back since the last look, and that the
/// FIFO is empty: what is paused, or has no link, waits there.
///
/// Frames are looked for by polls only. When none runs by itself, one is asked for after traffic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TxWatch {
    last: Option<TxSample>,
    /// The last look found that the sender may stand still.
    suspect: bool,
    /// Frames were sent before the last look.
    busy: bool,
}

impl TxWatch {
    /// Takes a look. `waiting`: whether the FIFO has frames.
    pub(crate) fn look(&mut self, now: &TxSample, waiting: impl FnOnce() -> bool) -> Verdict {
        let Some(last) = self.last.replace(*now) else {
            self.busy = true;
            return Verdict::Fine;
        };
        let suspect = mem::take(&mut self.suspect);
        if now.returned != last.returned {
            self.busy = true;
            Verdict::Fine
        } else if now.pending == last.pending {
            if mem::take(&mut self.busy) || suspect || now.rung != last.rung {
                Verdict::Look
            } else {
                Verdict::Fine
            }
        } else if waiting() {
            // To be judged when it is empty.
            self.busy = true;
            Verdict::Fine
        } else if suspect {
            *self = Self::default();
            Verdict::Stalled
        } else {
            self.suspect = true;
            Verdict::Look
        }
    }
}
