// SPDX-License-Identifier: GPL-2.0

//! Safety package: errors that a core finds in its memories, data paths and state machines.
//!
//! What it corrects by itself is counted and mentioned in the log now and then. Anything else may
//! have spoilt data or state, so the core is reset, see [`crate::recovery`]. Until then nothing is
//! looked for any more: such errors cannot be masked, and one that persists would interrupt without
//! end. Corrected ones that come too fast are masked until the watchdog's next look.

use core::mem;

use kernel::{
    fmt,
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SpinLockIrq, //
    }, //
};

use crate::hwif::{
    Features,
    Mmio,
    Safety, //
};

/// How often errors may be seen between two looks of the watchdog; more is too much.
pub(crate) const MAX_INTERRUPTS: u32 = 16;

/// Looks of the watchdog between two messages about corrected errors.
const LOOKS_A_MESSAGE: u32 = 10;

/// Status registers of a core.
const WORDS: usize = 3;

/// A kind of error.
#[derive(Debug)]
pub(crate) struct Known {
    /// Word of [`Errors`].
    pub(crate) word: usize,
    /// Bit of the word.
    pub(crate) bit: u32,
    /// The hardware corrects it.
    pub(crate) corrected: bool,
    /// Its counter in `ethtool -S`.
    pub(crate) name: &'static CStr,
    /// For messages.
    pub(crate) text: &'static str,
}

/// A set of errors, as status words. [`Safety::known`] says what the bits mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors([u32; WORDS]);

impl Errors {
    /// Replaces word `index`, if there is such a word.
    pub(crate) fn set_word(&mut self, index: usize, value: u32) {
        if let Some(word) = self.0.get_mut(index) {
            *word = value;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `known` is in the set.
    pub(crate) fn has(&self, known: &Known) -> bool {
        let word = self.0.get(known.word).copied().unwrap_or(0);
        word.checked_shr(known.bit).unwrap_or(0) & 1 != 0
    }

    fn add(&mut self, known: &Known) {
        if let Some(word) = self.0.get_mut(known.word) {
            *word |= 1u32.checked_shl(known.bit).unwrap_or(0);
        }
    }
}

/// What is to be done about errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing but to count them.
    Count,
    /// Keep corrected errors from interrupting for a while.
    Mask,
    /// Reset the core.
    Reset,
}

/// Decides what is to be done about `errors`, the cause of the last of `interrupts`.
pub(crate) fn judge(known: &[Known], errors: &Errors, interrupts: u32) -> Action {
    let seen = |corrected| {
        let mut of_kind = known.iter().filter(|known| known.corrected == corrected);
        of_kind.any(|known| errors.has(known))
    };

    if seen(false) {
        Action::Reset
    } else if interrupts <= MAX_INTERRUPTS {
        Action::Count
    } else if seen(true) {
        Action::Mask
    } else {
        // Whatever it is, it can neither be masked nor does it go away.
        Action::Reset
    }
}

struct State {
    /// One for each of [`Safety::known`].
    counts: KVec<u64>,
    /// Errors are looked for.
    on: bool,
    /// The core has to be reset.
    tripped: bool,
    /// Corrected errors do not interrupt.
    masked: bool,
    /// Since the watchdog's last look.
    interrupts: u32,
    /// Looks of the watchdog since the last message about corrected errors.
    looks: u32,
    /// Corrected errors that were not mentioned yet.
    corrected: Errors,
    /// Other errors that were not mentioned yet.
    fatal: Errors,
}

impl State {
    fn note(&mut self, known: &[Known], errors: &Errors) {
        for (known, count) in known.iter().zip(self.counts.iter_mut()) {
            if errors.has(known) {
                *count = count.wrapping_add(1);
                if known.corrected {
                    self.corrected.add(known);
                } else {
                    self.fatal.add(known);
                }
            }
        }
    }
}

/// Watches over the errors of a core.
#[pin_data]
pub(crate) struct Monitor {
    /// None for a core without the package.
    safety: Option<&'static dyn Safety>,
    /// Serialises interrupt handlers, of which there may be several, and the control path. Nothing
    /// else is taken under it.
    #[pin]
    state: SpinLockIrq<State>,
    /// A reset is due that nobody was told of yet.
    alarm: Atomic<bool>,
}

/// What the watchdog has found.
pub(crate) struct Look {
    /// The core has to be reset.
    pub(crate) alarm: bool,
    /// Corrected errors to be mentioned.
    pub(crate) corrected: Option<Errors>,
}

impl Monitor {
    /// Makes the monitor of a core, nothing being looked for yet. `safety`: it has the package.
    pub(crate) fn new(safety: Option<&'static dyn Safety>) -> Result<impl PinInit<Self>> {
        let kinds = safety.map_or(0, |safety| safety.known().len());
        let mut counts = KVec::with_capacity(kinds, GFP_KERNEL)?;
        for _ in 0..kinds {
            counts.push(0, GFP_KERNEL)?;
        }

        Ok(pin_init!(Self {
            safety,
            state <- new_spinlock_irq!(State {
                counts,
                on: false,
                tripped: false,
                masked: false,
                interrupts: 0,
                looks: LOOKS_A_MESSAGE,
                corrected: Errors::default(),
                fatal: Errors::default(),
            }),
            alarm: Atomic::new(false),
        }))
    }

    /// Whether the core has the package.
    pub(crate) fn is_present(&self) -> bool {
        self.safety.is_some()
    }

    /// The kinds of errors; none without the package.
    pub(crate) fn known(&self) -> &'static [Known] {
        self.safety.map_or(&[], |safety| safety.known())
    }

    /// How often each of [`Monitor::known`] was seen.
    pub(crate) fn count(&self, index: usize) -> u64 {
        self.state.lock().counts.get(index).copied().unwrap_or(0)
    }

    /// Has the core look for errors, before it gets anything to do: what is in a memory already has
    /// no ECC. Nothing changes if it does so, or has to be reset first.
    pub(crate) fn start(&self, io: Mmio<'_>, features: &Features) {
        let Some(safety) = self.safety else {
            return;
        };
        let mut state = self.state.lock();
        if !state.on && !state.tripped {
            state.on = true;
            state.masked = false;
            state.interrupts = 0;
            safety.enable(io, features);
        }
    }

    /// Nothing interrupts any more when this returns.
    pub(crate) fn stop(&self, io: Mmio<'_>, features: &Features) {
        let Some(safety) = self.safety else {
            return;
        };
        let mut state = self.state.lock();
        if mem::take(&mut state.on) {
            safety.disable(io, features);
            if let Some(errors) = safety.take(io) {
                state.note(safety.known(), &errors);
            }
        }
    }

    /// The core was reset: it looks for nothing, and what it had found is gone.
    pub(crate) fn was_reset(&self) {
        let mut state = self.state.lock();
        state.on = false;
        state.tripped = false;
    }

    /// Sees to what interrupts; nothing if that was no error.
    pub(crate) fn interrupt(&self, io: Mmio<'_>, features: &Features) -> Option<Action> {
        let safety = self.safety?;
        self.look(safety, &mut self.state.lock(), io, features)
    }

    fn look(
        &self,
        safety: &dyn Safety,
        state: &mut State,
        io: Mmio<'_>,
        features: &Features,
    ) -> Option<Action> {
        if !state.on {
            return None;
        }
        let known = safety.known();
        let mut last = None;
        // What comes meanwhile keeps the line up, of which a message may not tell again.
        for _ in 0..MAX_INTERRUPTS.saturating_mul(2) {
            let Some(errors) = safety.take(io) else {
                break;
            };
            state.interrupts = state.interrupts.saturating_add(1);
            state.note(known, &errors);

            let action = judge(known, &errors, state.interrupts);
            last = Some(action);
            match action {
                Action::Count => (),
                Action::Mask => {
                    state.masked = true;
                    safety.let_corrected(io, features, false);
                }
                Action::Reset => {
                    state.on = false;
                    state.tripped = true;
                    safety.disable(io, features);
                    // Nothing comes any more but what is there.
                    if let Some(errors) = safety.take(io) {
                        state.note(known, &errors);
                    }
                    self.alarm.store(true, Relaxed);
                    break;
                }
            }
        }
        last
    }

    /// The watchdog's look, while the port runs.
    pub(crate) fn watch(&self, io: Mmio<'_>, features: &Features) -> Look {
        let mut corrected = None;
        if let Some(safety) = self.safety {
            let mut state = self.state.lock();
            state.interrupts = 0;
            // Also for an interrupt that was lost.
            self.look(safety, &mut state, io, features);
            if state.on && mem::take(&mut state.masked) {
                safety.let_corrected(io, features, true);
            }
            state.looks = state.looks.saturating_add(1);
            if state.looks > LOOKS_A_MESSAGE && !state.corrected.is_empty() {
                state.looks = 0;
                corrected = Some(mem::take(&mut state.corrected));
            }
        }
        Look {
            alarm: self.take_alarm(),
            corrected,
        }
    }

    /// Whether a reset of the core is due that nobody was told of yet.
    #[inline]
    pub(crate) fn take_alarm(&self) -> bool {
        self.alarm.load(Relaxed) && self.alarm.xchg(false, Relaxed)
    }

    /// Whether the core has to be reset.
    pub(crate) fn is_tripped(&self) -> bool {
        self.state.lock().tripped
    }

    /// Errors to be mentioned that the core has not corrected.
    pub(crate) fn take_fatal(&self) -> Errors {
        mem::take(&mut self.state.lock().fatal)
    }

    /// Shows `errors` in a message.
    pub(crate) fn show(&self, errors: Errors) -> Shown {
        Shown::new(self.known(), errors)
    }
}

/// Errors in a message.
pub(crate) struct Shown {
    known: &'static [Known],
    errors: Errors,
}

impl Shown {
    pub(crate) fn new(known: &'static [Known], errors: Errors) -> Self {
        Self { known, errors }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";

        for known in self.known.iter().filter(|known| self.errors.has(known)) {
            f.write_str(separator)?;
            f.write_str(known.text)?;
            f.write_fmt(fmt!(" ({})", known.name.to_str().unwrap_or_default()))?;
            separator = ", ";
        }
        Ok(())
    }
}
