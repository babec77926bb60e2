// SPDX-License-Identifier: GPL-2.0

//! The PTP clock: system time of the core, from which timestamps are taken.
//!
//! The clock exists for as long as the device is bound and runs all that time, whether the port is
//! up or not. A reset of the core stops it, and so does sleep; then it goes on where it would be
//! ([`Clock::across`], [`Clock::resume`]).

use kernel::{
    device::ActiveGuard,
    net::hwtstamp::{
        self,
        RxFilter,
        RxFilters,
        TxMode,
        TxModes, //
    },
    new_mutex,
    prelude::*,
    ptp::{
        self,
        FreqOffset,
        Registration,
        SystemTime,
        Timespec, //
    },
    sync::{
        atomic::Relaxed,
        Arc,
        Mutex,
        MutexGuard, //
    },
    time::{
        BootTime,
        Delta,
        Instant,
        RealTime, //
    },
};

use crate::{
    config::PtpClock,
    hw::Hw,
    hwif::{
        features::TimeSource,
        Pace,
        PtpMessages,
        RxStamps,
        Time, //
    },
};

/// Largest change of the frequency, parts per billion. [`Pace::new`] leaves room for it.
pub(crate) const MAX_ADJ: u32 = 62_500_000;

/// Readings of the seconds may differ because time goes by. If they never agree, it is no clock.
const READ_TRIES: u32 = 4;

/// What takes longer to read or set the time was interrupted, and worth another try.
const PROMPT: Delta = Delta::from_micros(200);

/// That many tries are made.
const PROMPT_TRIES: u32 = 4;

/// Timestamps of transmitted frames.
pub(crate) const TX_MODES: TxModes = TxModes::EMPTY.with(TxMode::Off).with(TxMode::On);

/// Timestamps of received frames.
pub(crate) const RX_FILTERS: RxFilters = RxFilters::EMPTY
    .with(RxFilter::None)
    .with(RxFilter::All)
    .with(RxFilter::PtpV1L4Event)
    .with(RxFilter::PtpV1L4Sync)
    .with(RxFilter::PtpV1L4DelayReq)
    .with(RxFilter::PtpV2L4Event)
    .with(RxFilter::PtpV2L4Sync)
    .with(RxFilter::PtpV2L4DelayReq)
    .with(RxFilter::PtpV2L2Event)
    .with(RxFilter::PtpV2L2Sync)
    .with(RxFilter::PtpV2L2DelayReq)
    .with(RxFilter::PtpV2Event)
    .with(RxFilter::PtpV2Sync)
    .with(RxFilter::PtpV2DelayReq);

/// `num / den` as a fraction of 2^32, rounded down; `num` is less than `den`.
fn fraction(num: u32, den: u32) -> u32 {
    let den = u64::from(den);
    let mut rest = u64::from(num);
    let mut bits = 0u32;

    for _ in 0..u32::BITS {
        rest = rest.wrapping_shl(1);
        bits = bits.wrapping_shl(1);
        if let Some(less) = rest.checked_sub(den) {
            rest = less;
            bits |= 1;
        }
    }
    bits
}

impl Pace {
    /// The pace for a PTP clock of `rate` Hz; none if it is too slow or too fast to be used.
    ///
    /// The increment is the smallest, and the time advances as smoothly, as can be with room for
    /// [`MAX_ADJ`].
    pub(crate) fn new(rate: u32) -> Option<Self> {
        /// Nanoseconds in a second that runs as fast as can be.
        const FASTEST: u32 = Time::SECOND + MAX_ADJ;

        let increment = FASTEST.checked_div(rate)?.checked_add(1)?;
        // Nanoseconds in a second if the accumulator overflowed at each cycle: more than `FASTEST`,
        // and not more than by `rate`.
        let most = increment.checked_mul(rate)?;

        Some(Self {
            increment: u8::try_from(increment).ok()?,
            addend: fraction(Time::SECOND, most),
        })
    }

    /// The time by which a clock with `addend` advances in `real`, which is not negative.
    pub(crate) fn advance(&self, addend: u32, real: Delta) -> Delta {
        let (real, nominal) = (real.as_nanos(), i64::from(self.addend));
        let faster = i64::from(addend).saturating_sub(nominal);
        let (Some(whole), Some(rest)) = (real.checked_div(nominal), real.checked_rem(nominal))
        else {
            return Delta::from_nanos(real);
        };
        // The second product has less than 62 bits, for `faster` is a fraction of the whole.
        let rest = rest.saturating_mul(faster).checked_div(nominal);
        let more = whole
            .saturating_mul(faster)
            .saturating_add(rest.unwrap_or(0));

        Delta::from_nanos(real.saturating_add(more))
    }

    /// The addend for a frequency that is off by `offset`; `ERANGE` if there is none.
    pub(crate) fn adjusted(&self, offset: FreqOffset) -> Result<u32> {
        u32::try_from(offset.adjust(self.addend.into())).map_err(|_| ERANGE)
    }
}

/// A time of the registers, which hold 32 bits of seconds; `ERANGE` if it does not fit.
pub(crate) fn register_time(time: Timespec) -> Result<Time> {
    let secs = u32::try_from(time.secs()).map_err(|_| ERANGE)?;

    Time::new(secs, time.nanos()).ok_or(ERANGE)
}

/// The frames that are to get a timestamp for `filter`, and the filter that this amounts to;
/// `ERANGE` if the hardware cannot do it.
pub(crate) fn rx_stamps(filter: RxFilter) -> Result<(RxStamps, RxFilter)> {
    use PtpMessages::*;

    let ptp = |v2, ethernet, udp, messages| {
        let stamps = RxStamps::Ptp {
            v2,
            ethernet,
            udp,
            messages,
        };
        (stamps, filter)
    };

    Ok(match filter {
        RxFilter::None => (RxStamps::None, filter),
        RxFilter::All | RxFilter::NtpAll => (RxStamps::All, RxFilter::All),
        RxFilter::PtpV1L4Event => ptp(false, false, true, Event),
        RxFilter::PtpV1L4Sync => ptp(false, false, true, Sync),
        RxFilter::PtpV1L4DelayReq => ptp(false, false, true, DelayReq),
        RxFilter::PtpV2L4Event => ptp(true, false, true, Event),
        RxFilter::PtpV2L4Sync => ptp(true, false, true, Sync),
        RxFilter::PtpV2L4DelayReq => ptp(true, false, true, DelayReq),
        RxFilter::PtpV2L2Event => ptp(true, true, false, Event),
        RxFilter::PtpV2L2Sync => ptp(true, true, false, Sync),
        RxFilter::PtpV2L2DelayReq => ptp(true, true, false, DelayReq),
        RxFilter::PtpV2Event => ptp(true, true, true, Event),
        RxFilter::PtpV2Sync => ptp(true, true, true, Sync),
        RxFilter::PtpV2DelayReq => ptp(true, true, true, DelayReq),
        RxFilter::Some => return Err(ERANGE),
    })
}

/// What the clock is to be set to whenever the core comes out of reset.
struct State {
    addend: u32,
    config: hwtstamp::Config,
    stamps: RxStamps,
    /// The clock has stopped when it was this time: the core was not reset successfully since.
    stopped: Option<(Timespec, Instant<BootTime>)>,
}

/// The system time of a core, as a clock.
#[pin_data]
pub(crate) struct Clock<'a> {
    hw: Arc<Hw<'a>>,
    source: PtpClock,
    pace: Pace,
    /// Serialises the accesses to the registers.
    #[pin]
    state: Mutex<State>,
}

impl<'a> Clock<'a> {
    /// Makes the clock, and starts it at the time of the system.
    fn new(hw: Arc<Hw<'a>>, source: PtpClock, pace: Pace) -> impl PinInit<Self, Error> + 'a {
        let clock = try_pin_init!(Self {
            hw,
            source,
            pace,
            state <- new_mutex!(State {
                addend: pace.addend,
                config: hwtstamp::Config::OFF,
                stamps: RxStamps::None,
                stopped: None,
            }),
        });

        clock.pin_chain(|clock| {
            let time = register_time(Timespec::from_instant(Instant::<RealTime>::now()))?;

            let state = clock.state.lock();

            clock.start(&state, time)
        })
    }

    /// Says that a command was not carried out.
    fn stuck(&self, err: Error) -> Error {
        dev_err!(
            self.hw.dev,
            "the system time does not obey: is there a PTP clock, of {} Hz?\n",
            self.source.rate
        );
        err
    }

    /// The state, unless the clock has stopped for other reasons than that nobody needs it.
    fn running(&self) -> Result<(MutexGuard<'_, State>, ActiveGuard<'_>)> {
        let awake = self.hw.dev.runtime_get()?;
        let state = self.state.lock();

        if state.stopped.is_some() {
            return Err(EIO);
        }
        Ok((state, awake))
    }

    /// Reads the system time, and tells `system` when. The caller has locked the state.
    fn read(&self, mut system: Option<&mut SystemTime<'_>>) -> Result<Time> {
        let (ptp, io) = (self.hw.hwif.ptp, self.hw.io());
        let mut secs = ptp.secs(io);

        for _ in 0..READ_TRIES {
            let nanos = match system.as_deref_mut() {
                Some(system) => system.around(|| ptp.nanos(io)),
                None => ptp.nanos(io),
            };
            let after = ptp.secs(io);
            if after == secs {
                return Time::new(secs, nanos).ok_or(EIO);
            }
            secs = after;
        }
        Err(EIO)
    }

    /// Starts the system time at `time`.
    fn start(&self, state: &State, time: Time) -> Result {
        let (ptp, io) = (self.hw.hwif.ptp, self.hw.io());

        ptp.start(
            io,
            &self.source,
            &Pace {
                addend: state.addend,
                ..self.pace
            },
            state.stamps,
        )
        .and_then(|()| ptp.set_time(io, time))
        .map_err(|err| self.stuck(err))
    }

    /// What the system time is, by the clock if that can be read, and when.
    fn note(&self) -> (Timespec, Instant<BootTime>) {
        let mut noted = None;
        let mut least = None;
        for _ in 0..PROMPT_TRIES {
            let before = Instant::now();
            let Ok(now) = self.read(None) else {
                break;
            };
            let took = before.elapsed();
            if least.is_none_or(|least| took < least) {
                least = Some(took);
                noted = Some((
                    Timespec::from_delta(Delta::from_nanos(now.as_nanos())),
                    before,
                ));
            }
            if took < PROMPT {
                break;
            }
        }
        noted.unwrap_or_else(|| {
            let now = Timespec::from_instant(Instant::<RealTime>::now());
            (now, Instant::now())
        })
    }

    /// The time that the clock would show now if it showed `then` at `since`.
    fn due(&self, state: &State, then: Timespec, since: Instant<BootTime>) -> Option<Time> {
        then.checked_add(self.pace.advance(state.addend, since.elapsed()))
            .and_then(|time| register_time(time).ok())
    }

    /// Starts a clock that has stopped, at the time that it would show now.
    ///
    /// Without a clock the port still works: if this fails it stays as it is.
    fn go_on(&self, state: &mut State, (then, since): (Timespec, Instant<BootTime>)) {
        let (ptp, io) = (self.hw.hwif.ptp, self.hw.io());
        let started = self
            .due(state, then, since)
            .is_some_and(|time| self.start(state, time).is_ok());
        state.stopped = (!started).then_some((then, since));
        // To start it takes a while, and this CPU may have been away.
        for _ in 0..PROMPT_TRIES {
            let asked = Instant::<BootTime>::now();
            match self.due(state, then, since).filter(|_| started) {
                Some(time) if ptp.set_time(io, time).is_ok() && asked.elapsed() >= PROMPT => (),
                _ => break,
            }
        }
    }

    /// Resets the core by means of `reset`; afterwards the clock goes on as if nothing had
    /// happened.
    pub(crate) fn across(&self, reset: impl FnOnce() -> Result) -> Result {
        let mut state = self.state.lock();
        let noted = match state.stopped {
            Some(stopped) => stopped,
            None => self.note(),
        };

        // Until it is known better.
        state.stopped = Some(noted);
        reset()?;
        self.go_on(&mut state, noted);
        Ok(())
    }

    /// Has the clock stop before the core may lose its power.
    pub(crate) fn suspend(&self) {
        let mut state = self.state.lock();

        if state.stopped.is_none() {
            state.stopped = Some(self.note());
        }
    }

    /// Has the clock go on, if it has stopped.
    pub(crate) fn resume(&self) {
        let mut state = self.state.lock();

        if let Some(stopped) = state.stopped {
            self.go_on(&mut state, stopped);
        }
    }

    /// The system time; `EIO` if the clock has stopped.
    pub(crate) fn now(&self) -> Result<Time> {
        let _running = self.running()?;
        self.read(None)
    }

    /// Of which frames timestamps are taken.
    pub(crate) fn config(&self) -> hwtstamp::Config {
        self.state.lock().config
    }

    /// Takes timestamps of the frames that `wanted` says, or more; returns which.
    pub(crate) fn configure(&self, wanted: &hwtstamp::Config) -> Result<hwtstamp::Config> {
        if !TX_MODES.contains(wanted.tx) {
            return Err(ERANGE);
        }

        let (stamps, rx) = rx_stamps(wanted.rx)?;
        let (mut state, _awake) = self.running()?;

        self.hw.hwif.ptp.set_stamps(self.hw.io(), stamps);
        self.hw
            .tx_timestamps
            .store(wanted.tx == TxMode::On, Relaxed);
        state.stamps = stamps;
        state.config = hwtstamp::Config { tx: wanted.tx, rx };
        Ok(state.config)
    }
}

#[vtable]
impl ptp::Clock for Clock<'_> {
    const NAME: &'static CStr = crate::NAME;

    fn adjfine(&self, offset: FreqOffset) -> Result {
        let addend = self.pace.adjusted(offset)?;
        let (mut state, _awake) = self.running()?;

        self.hw
            .hwif
            .ptp
            .set_addend(self.hw.io(), addend)
            .map_err(|err| self.stuck(err))?;
        state.addend = addend;
        Ok(())
    }

    fn adjtime(&self, delta: Delta) -> Result {
        let shift = Timespec::from_delta(delta);
        let _running = self.running()?;
        let now = self.read(None)?;
        let secs = i64::from(now.secs()).saturating_add(shift.secs());

        // The registers would wrap around.
        u32::try_from(secs).map_err(|_| ERANGE)?;
        self.hw
            .hwif
            .ptp
            .shift(self.hw.io(), shift.secs(), shift.nanos())
            .map_err(|err| self.stuck(err))
    }

    fn gettimex(&self, system: &mut SystemTime<'_>) -> Result<Timespec> {
        let _running = self.running()?;
        let now = self.read(Some(system))?;

        Timespec::new(now.secs().into(), now.nanos()).ok_or(EIO)
    }

    fn settime(&self, time: Timespec) -> Result {
        let time = register_time(time)?;
        let _running = self.running()?;

        self.hw
            .hwif
            .ptp
            .set_time(self.hw.io(), time)
            .map_err(|err| self.stuck(err))
    }
}

/// Starts the system time and registers it as a clock.
///
/// There is none if the core or the board does not have what it takes, or if that does not work:
/// a port can do without. The result must be kept in the data of the network device, never
/// forgotten.
pub(crate) fn register<'a>(hw: &Arc<Hw<'a>>) -> Option<Registration<'a, Clock<'a>>> {
    let features = &hw.features;

    if !features.timestamp
        || !matches!(
            features.time_source,
            TimeSource::Internal | TimeSource::Both
        )
    {
        return None;
    }
    let Some(source) = hw.config.ptp else {
        dev_info!(
            hw.dev,
            "the rate of the PTP clock is not known: no timestamps\n"
        );
        return None;
    };
    let Some(pace) = Pace::new(source.rate) else {
        dev_err!(
            hw.dev,
            "no system time can be made from a PTP clock of {} Hz: is the rate right?\n",
            source.rate
        );
        return None;
    };

    // SAFETY: The only caller stores the registration in the data of the network device, which is
    // dropped before the device is unbound.
    let clock = unsafe { Registration::new(hw.dev, MAX_ADJ, Clock::new(hw.clone(), source, pace)) };
    clock
        .inspect_err(|err| {
            dev_err!(
                hw.dev,
                "cannot register the PTP clock ({:?}): no timestamps\n",
                err
            );
        })
        .ok()
}
