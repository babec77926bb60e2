// SPDX-License-Identifier: GPL-2.0

//! PTP hardware clocks.
//!
//! A PTP hardware clock is what network devices take timestamps from: it can be read, set and made
//! to run faster or slower. User space has it as `/dev/ptp*`. A driver implements [`Clock`] for the
//! object that knows how to do this and keeps a [`Registration`].
//!
//! C header: [`include/linux/ptp_clock_kernel.h`](srctree/include/linux/ptp_clock_kernel.h)
//!
//! # Examples
//!
//! A clock that always stands at its epoch:
//!
//! ```
//! use kernel::{
//!     device,
//!     prelude::*,
//!     ptp::{
//!         Clock,
//!         FreqOffset,
//!         Registration,
//!         SystemTime,
//!         Timespec, //
//!     },
//!     time::Delta, //
//! };
//!
//! struct Stopped;
//!
//! #[vtable]
//! impl Clock for Stopped {
//!     const NAME: &'static CStr = c"stopped";
//!
//!     fn adjfine(&self, _offset: FreqOffset) -> Result {
//!         Err(EOPNOTSUPP)
//!     }
//!
//!     fn adjtime(&self, _delta: Delta) -> Result {
//!         Err(EOPNOTSUPP)
//!     }
//!
//!     fn gettimex(&self, system: &mut SystemTime<'_>) -> Result<Timespec> {
//!         let nanos = system.around(|| 0);
//!
//!         Timespec::new(0, nanos).ok_or(EIO)
//!     }
//!
//!     fn settime(&self, _time: Timespec) -> Result {
//!         Err(EOPNOTSUPP)
//!     }
//! }
//!
//! fn probe<'a>(dev: &'a device::Device<device::Bound>) -> Result<Registration<'a, Stopped>> {
//!     // SAFETY: The caller keeps the registration in its driver data.
//!     let clock = unsafe { Registration::new(dev, 0, Ok::<_, Error>(Stopped)) }?;
//!
//!     dev_info!(dev, "clock is /dev/ptp{}\n", clock.index());
//!     Ok(clock)
//! }
//! ```

use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::{
        from_err_ptr,
        from_result, //
    },
    module::this_module,
    prelude::*,
    time::{
        ClockSource,
        Delta,
        Instant,
        NSEC_PER_SEC, //
    },
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// [`NSEC_PER_SEC`] in the type of the nanoseconds.
const NANOS: u32 = NSEC_PER_SEC as u32; // CAST: 10^9.

/// A point in time, counted from the epoch of a clock; the C `struct timespec64`.
///
/// # Invariants
///
/// `nanos` is less than 10^9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timespec {
    secs: i64,
    nanos: u32,
}

impl Timespec {
    /// Creates a point in time; [`None`] if `nanos` is a second or more.
    #[inline]
    pub const fn new(secs: i64, nanos: u32) -> Option<Self> {
        if nanos < NANOS {
            // INVARIANT: Just checked.
            Some(Self { secs, nanos })
        } else {
            None
        }
    }

    /// The point in time that is `delta` after the epoch.
    pub fn from_delta(delta: Delta) -> Self {
        // SAFETY: A pure function.
        let ts = unsafe { bindings::ns_to_timespec64(delta.as_nanos()) };

        // INVARIANT: The C function guarantees it.
        Self {
            secs: ts.tv_sec,
            // CAST: The value is in `0..10^9`.
            nanos: ts.tv_nsec as u32,
        }
    }

    /// The point in time that the clock of `instant` shows then.
    pub fn from_instant<C: ClockSource>(instant: Instant<C>) -> Self {
        Self::from_delta(Delta::from_nanos(instant.as_nanos()))
    }

    /// The whole seconds, rounded down.
    #[inline]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// The nanoseconds since the last whole second.
    #[inline]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// The point in time that is `delta` later; [`None`] if it cannot be represented.
    pub fn checked_add(self, delta: Delta) -> Option<Self> {
        let delta = Self::from_delta(delta);
        // By the type invariants the sum is less than 2 * 10^9.
        let nanos = self.nanos + delta.nanos;
        let secs = self.secs.checked_add(delta.secs)?;

        match nanos.checked_sub(NANOS) {
            Some(nanos) => Self::new(secs.checked_add(1)?, nanos),
            None => Self::new(secs, nanos),
        }
    }

    /// Reads a C structure; `EINVAL` if it is not normalized.
    fn from_c(ts: &bindings::timespec64) -> Result<Self> {
        let nanos = u32::try_from(ts.tv_nsec).map_err(|_| EINVAL)?;

        Self::new(ts.tv_sec, nanos).ok_or(EINVAL)
    }

    fn into_c(self) -> bindings::timespec64 {
        bindings::timespec64 {
            tv_sec: self.secs,
            // CAST: The value is less than 10^9.
            tv_nsec: self.nanos as c_long,
        }
    }
}

/// How much faster than nominal a clock is to run, as a fraction of its frequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreqOffset {
    /// Parts per million, with 16 fractional bits.
    scaled_ppm: i64,
}

impl FreqOffset {
    /// A whole in the unit of `scaled_ppm`.
    const UNITY: u64 = 1_000_000 << 16;

    /// An offset in parts per million with 16 fractional bits.
    #[inline]
    pub const fn from_scaled_ppm(scaled_ppm: i64) -> Self {
        Self { scaled_ppm }
    }

    /// The offset in parts per million with 16 fractional bits.
    #[inline]
    pub const fn as_scaled_ppm(self) -> i64 {
        self.scaled_ppm
    }

    /// Changes `base`, which makes for the nominal frequency, by this offset.
    ///
    /// An offset of more than 100 % counts as 100 %; the result saturates.
    pub fn adjust(self, base: u64) -> u64 {
        let magnitude = self.scaled_ppm.unsigned_abs().min(Self::UNITY);

        // SAFETY: The divisor is not 0, and as it is not less than the second factor the quotient
        // does not overflow.
        let diff = unsafe { bindings::mul_u64_u64_div_u64(base, magnitude, Self::UNITY) };

        if self.scaled_ppm < 0 {
            base.saturating_sub(diff)
        } else {
            base.saturating_add(diff)
        }
    }
}

/// Tells when a clock was read by the clocks of the system.
///
/// # Invariants
///
/// `sts` is `NULL` or points to a `ptp_system_timestamp` that nobody else uses for `'a`.
pub struct SystemTime<'a> {
    sts: *mut bindings::ptp_system_timestamp,
    taken: bool,
    _sts: PhantomData<&'a mut bindings::ptp_system_timestamp>,
}

impl SystemTime<'_> {
    /// Calls `read`, which reads the least significant part of the clock and should do nothing
    /// else; the system time is noted before and after.
    ///
    /// Where this is called more than once the last time counts.
    #[inline]
    pub fn around<R>(&mut self, read: impl FnOnce() -> R) -> R {
        // SAFETY: By the type invariants the pointer is valid or `NULL`, which is permitted.
        unsafe { bindings::ptp_read_system_prets(self.sts) };
        let value = read();
        // SAFETY: As above.
        unsafe { bindings::ptp_read_system_postts(self.sts) };

        self.taken = true;
        value
    }
}

/// A PTP hardware clock.
///
/// The functions are called in process context, where they may sleep, and may be called at the same
/// time. This begins during [`Registration::new`] and ends with the drop of the [`Registration`].
#[vtable]
pub trait Clock: Send + Sync {
    /// What kind of clock this is, for `/sys/class/ptp/ptp*/clock_name`. It is cut off after 31
    /// bytes.
    const NAME: &'static CStr;

    /// Changes the frequency to `offset` from nominal, which does not exceed the limit given at
    /// registration by more than rounding.
    fn adjfine(&self, offset: FreqOffset) -> Result;

    /// Shifts the time by `delta`.
    fn adjtime(&self, delta: Delta) -> Result;

    /// Reads the time.
    ///
    /// The register with its lowest bits should be read within [`SystemTime::around`].
    fn gettimex(&self, system: &mut SystemTime<'_>) -> Result<Timespec>;

    /// Sets the time.
    fn settime(&self, time: Timespec) -> Result;
}

/// What the C side knows a clock by, and the clock.
#[pin_data]
struct Inner<C> {
    #[pin]
    info: Opaque<bindings::ptp_clock_info>,
    #[pin]
    clock: C,
}

impl<C: Clock> Inner<C> {
    fn new(max_adj_ppb: u32, clock: impl PinInit<C, Error>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            info: Opaque::new(Adapter::<C>::info(max_adj_ppb)),
            clock <- clock,
        })
    }
}

/// The C callbacks of a clock.
struct Adapter<C: Clock>(PhantomData<C>);

impl<C: Clock> Adapter<C> {
    /// Returns the clock that `info` belongs to.
    ///
    /// # Safety
    ///
    /// `info` must be that of a [`Registration<C>`], which must not be dropped for `'b`.
    unsafe fn clock<'b>(info: *mut bindings::ptp_clock_info) -> &'b C {
        // SAFETY: By the safety requirements `info` is embedded in an `Inner<C>`.
        let inner = unsafe { crate::container_of!(Opaque::cast_from(info), Inner<C>, info) };

        // SAFETY: By the safety requirements it is alive; there are only shared references to it.
        unsafe { &(*inner).clock }
    }

    /// # Safety
    ///
    /// Only to be called by the PTP core, as `ptp_clock_info::adjfine` of a [`Registration<C>`].
    unsafe extern "C" fn adjfine(info: *mut bindings::ptp_clock_info, scaled_ppm: c_long) -> c_int {
        from_result(|| {
            // SAFETY: The PTP core calls this while the clock is registered only.
            let clock = unsafe { Self::clock(info) };

            // CAST: `c_long` has at most 64 bits.
            clock.adjfine(FreqOffset::from_scaled_ppm(scaled_ppm as i64))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by the PTP core, as `ptp_clock_info::adjtime` of a [`Registration<C>`].
    unsafe extern "C" fn adjtime(info: *mut bindings::ptp_clock_info, delta: i64) -> c_int {
        from_result(|| {
            // SAFETY: As in `adjfine`.
            let clock = unsafe { Self::clock(info) };

            clock.adjtime(Delta::from_nanos(delta))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by the PTP core, as `ptp_clock_info::gettimex64` of a [`Registration<C>`].
    unsafe extern "C" fn gettimex64(
        info: *mut bindings::ptp_clock_info,
        ts: *mut bindings::timespec64,
        sts: *mut bindings::ptp_system_timestamp,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `adjfine`.
            let clock = unsafe { Self::clock(info) };
            // INVARIANT: `sts` is valid or `NULL`, and the callee's for the duration of the call.
            let mut system = SystemTime {
                sts,
                taken: false,
                _sts: PhantomData,
            };
            let time = clock.gettimex(&mut system)?;

            // The caller looks at it, and it was not initialized.
            if !system.taken {
                system.around(|| ());
            }

            // SAFETY: `ts` is valid for writes.
            unsafe { ts.write(time.into_c()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by the PTP core, as `ptp_clock_info::settime64` of a [`Registration<C>`].
    unsafe extern "C" fn settime64(
        info: *mut bindings::ptp_clock_info,
        ts: *const bindings::timespec64,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `adjfine`.
            let clock = unsafe { Self::clock(info) };

            // SAFETY: `ts` is valid for reads.
            clock.settime(Timespec::from_c(unsafe { &*ts })?)?;
            Ok(0)
        })
    }

    /// What the C side is told of the clock.
    fn info(max_adj_ppb: u32) -> bindings::ptp_clock_info {
        let mut info = bindings::ptp_clock_info {
            owner: this_module::<C::OwnerModule>().as_ptr(),
            // CAST: At most 10^9.
            max_adj: max_adj_ppb.min(NANOS) as i32,
            adjfine: Some(Self::adjfine),
            adjtime: Some(Self::adjtime),
            gettimex64: Some(Self::gettimex64),
            settime64: Some(Self::settime64),
            ..pin_init::zeroed()
        };

        // The last byte stays 0.
        if let Some((_, name)) = info.name.split_last_mut() {
            for (to, from) in name.iter_mut().zip(C::NAME.to_bytes()) {
                *to = *from;
            }
        }

        info
    }
}

/// A registered clock.
///
/// Dropping it takes the clock away from its users, who get errors from then on, and drops the
/// [`Clock`].
///
/// # Invariants
///
/// - `ptp` is a registered clock, owned by this object.
/// - Its information is that of `inner`.
pub struct Registration<'a, C: Clock + 'a> {
    ptp: NonNull<bindings::ptp_clock>,
    inner: Pin<KBox<Inner<C>>>,
    _parent: PhantomData<&'a device::Device<Bound>>,
}

// SAFETY: A clock may be unregistered from any thread, and `C` is `Send`.
unsafe impl<'a, C: Clock + 'a> Send for Registration<'a, C> {}

// SAFETY: The methods that take `&self` only read the index, which does not change, and `C` is
// `Sync`.
unsafe impl<'a, C: Clock + 'a> Sync for Registration<'a, C> {}

impl<'a, C: Clock + 'a> Registration<'a, C> {
    /// Registers a clock below `parent`.
    ///
    /// `max_adj_ppb` is the largest change of its frequency, in parts per billion; more than 10^9
    /// counts as 10^9.
    ///
    /// # Safety
    ///
    /// Callers must not `mem::forget()` the returned [`Registration`] or otherwise prevent its
    /// [`Drop`] implementation from running.
    pub unsafe fn new(
        parent: &'a device::Device<Bound>,
        max_adj_ppb: u32,
        clock: impl PinInit<C, Error>,
    ) -> Result<Self> {
        let inner: Pin<KBox<Inner<C>>> =
            KBox::pin_init(Inner::new(max_adj_ppb, clock), GFP_KERNEL)?;

        // SAFETY: The information is complete and pinned. It is alive until the clock is
        // unregistered.
        let ptp = from_err_ptr(unsafe {
            bindings::ptp_clock_register(inner.info.get(), parent.as_raw())
        })?;

        // INVARIANT: The clock was just registered, with the information in `inner`.
        Ok(Self {
            // There is no clock if the kernel was built without PTP.
            ptp: NonNull::new(ptp).ok_or(ENODEV)?,
            inner,
            _parent: PhantomData,
        })
    }

    /// The number of the clock, as in `/dev/ptp0`.
    #[inline]
    pub fn index(&self) -> u32 {
        // SAFETY: The clock is registered by the type invariants.
        let index = unsafe { bindings::ptp_clock_index(self.ptp.as_ptr()) };

        // CAST: The PTP core numbers clocks from 0.
        index as u32
    }

    /// The clock.
    #[inline]
    pub fn clock(&self) -> Pin<&C> {
        // SAFETY: The clock is pinned as a part of `Inner`.
        unsafe { self.inner.as_ref().map_unchecked(|inner| &inner.clock) }
    }
}

impl<'a, C: Clock + 'a> Drop for Registration<'a, C> {
    fn drop(&mut self) {
        // This waits for callbacks that run, and lets none begin.
        //
        // SAFETY: The clock is registered by the type invariants.
        unsafe { bindings::ptp_clock_unregister(self.ptp.as_ptr()) };

        // `self.inner` is dropped here, when nothing can reach it any more.
    }
}

#[macros::kunit_tests(rust_ptp)]
mod tests {
    use super::*;
    use crate::{
        faux,
        new_mutex,
        sync::Mutex, //
    };

    /// A clock that only moves when it is told to.
    #[pin_data]
    struct Manual {
        #[pin]
        now: Mutex<Timespec>,
        /// Whether it notes the system time itself.
        brackets: bool,
    }

    impl Manual {
        fn new(brackets: bool) -> impl PinInit<Self, Error> {
            try_pin_init!(Self {
                now <- new_mutex!(Timespec { secs: 5, nanos: 7 }),
                brackets,
            })
        }
    }

    #[vtable]
    impl Clock for Manual {
        const NAME: &'static CStr = c"a manual clock with a name that is too long";

        fn adjfine(&self, offset: FreqOffset) -> Result {
            // For the test: shows what has come in as seconds.
            self.now.lock().secs = offset.as_scaled_ppm();
            Ok(())
        }

        fn adjtime(&self, delta: Delta) -> Result {
            let mut now = self.now.lock();

            *now = now.checked_add(delta).ok_or(ERANGE)?;
            Ok(())
        }

        fn gettimex(&self, system: &mut SystemTime<'_>) -> Result<Timespec> {
            if self.brackets {
                Ok(system.around(|| *self.now.lock()))
            } else {
                Ok(*self.now.lock())
            }
        }

        fn settime(&self, time: Timespec) -> Result {
            *self.now.lock() = time;
            Ok(())
        }
    }

    fn register<'a>(
        dev: &'a faux::Registration,
        brackets: bool,
    ) -> Result<Registration<'a, Manual>> {
        let dev: &faux::Device<Bound> = dev.as_ref();

        // SAFETY: The callers drop it.
        unsafe { Registration::new(dev.as_ref(), 1_000_000, Manual::new(brackets)) }
    }

    fn time(secs: i64, nanos: u32) -> Timespec {
        Timespec { secs, nanos }
    }

    #[test]
    fn times_are_normalized() {
        assert!(Timespec::new(1, 999_999_999).is_some());
        assert!(Timespec::new(1, 1_000_000_000).is_none());

        for (nanos, expected) in [
            (0, time(0, 0)),
            (-1, time(-1, 999_999_999)),
            (-2_000_000_000, time(-2, 0)),
            (3_000_000_001, time(3, 1)),
            (i64::MAX, time(9_223_372_036, 854_775_807)),
            (i64::MIN, time(-9_223_372_037, 145_224_192)),
        ] {
            assert_eq!(Timespec::from_delta(Delta::from_nanos(nanos)), expected);
        }
    }

    #[test]
    fn times_add_up() {
        let add = |a: Timespec, nanos| a.checked_add(Delta::from_nanos(nanos));

        assert_eq!(add(time(1, 999_999_999), 1), Some(time(2, 0)));
        assert_eq!(add(time(1, 0), -1), Some(time(0, 999_999_999)));
        assert_eq!(add(time(1, 5), -1_000_000_006), Some(time(-1, 999_999_999)));
        assert_eq!(add(time(i64::MAX, 999_999_999), 1), None);
        assert_eq!(add(time(i64::MAX, 0), 1_000_000_000), None);
    }

    #[test]
    fn offsets_adjust() {
        let ppm = |ppm: i64| FreqOffset::from_scaled_ppm(ppm << 16);

        assert_eq!(ppm(0).adjust(1 << 31), 1 << 31);
        assert_eq!(ppm(1).adjust(1_000_000_000), 1_000_001_000);
        assert_eq!(ppm(-1).adjust(1_000_000_000), 999_999_000);
        assert_eq!(ppm(500_000).adjust(1 << 31), 3 << 30);
        assert_eq!(ppm(-1_000_000).adjust(77), 0);
        assert_eq!(ppm(1_000_000).adjust(u64::MAX), u64::MAX);
        // A fraction of a part per million.
        let tiny = FreqOffset::from_scaled_ppm(1);
        assert_eq!(tiny.adjust(65_536_000_000), 65_536_000_001);
        // What nobody should ask for.
        assert_eq!(FreqOffset::from_scaled_ppm(i64::MIN).adjust(77), 0);
        assert_eq!(FreqOffset::from_scaled_ppm(i64::MAX).adjust(77), 154);
    }

    #[test]
    fn clocks_have_numbers() -> Result {
        let dev = faux::Registration::new(c"rust_ptp", None)?;
        let first = register(&dev, true)?;
        let second = register(&dev, true)?;

        assert!(first.index() != second.index());
        Ok(())
    }

    #[test]
    fn callbacks_reach_the_clock() -> Result {
        let dev = faux::Registration::new(c"rust_ptp", None)?;
        let clock = register(&dev, true)?;
        let raw = clock.inner.info.get();
        // SAFETY: Registered, so that nobody changes it.
        let info = unsafe { &*raw };
        let mut ts = bindings::timespec64::default();

        assert_eq!(info.name.last(), Some(&0));
        assert_eq!(info.name.first(), Some(&b'a'));
        assert_eq!(info.max_adj, 1_000_000);

        let get = info.gettimex64.ok_or(EINVAL)?;
        let set = info.settime64.ok_or(EINVAL)?;
        let adjtime = info.adjtime.ok_or(EINVAL)?;
        let adjfine = info.adjfine.ok_or(EINVAL)?;

        // SAFETY: The arguments are valid, the system time may be missing.
        assert_eq!(unsafe { get(raw, &raw mut ts, core::ptr::null_mut()) }, 0);
        assert_eq!((ts.tv_sec, ts.tv_nsec), (5, 7));

        // SAFETY: The arguments are valid.
        assert_eq!(unsafe { adjtime(raw, -8) }, 0);
        assert_eq!(*clock.clock().now.lock(), time(4, 999_999_999));

        ts.tv_nsec = 1_000_000_000;
        // SAFETY: The arguments are valid.
        assert_eq!(unsafe { set(raw, &raw const ts) }, EINVAL.to_errno());
        ts.tv_nsec = -1;
        // SAFETY: The arguments are valid.
        assert_eq!(unsafe { set(raw, &raw const ts) }, EINVAL.to_errno());
        ts.tv_nsec = 9;
        // SAFETY: The arguments are valid.
        assert_eq!(unsafe { set(raw, &raw const ts) }, 0);
        assert_eq!(*clock.clock().now.lock(), time(5, 9));

        // SAFETY: The arguments are valid.
        assert_eq!(unsafe { adjfine(raw, -3) }, 0);
        assert_eq!(clock.clock().now.lock().secs, -3);
        Ok(())
    }

    #[test]
    fn system_time_is_always_noted() -> Result {
        let dev = faux::Registration::new(c"rust_ptp", None)?;

        for brackets in [false, true] {
            let clock = register(&dev, brackets)?;
            let raw = clock.inner.info.get();
            // SAFETY: Registered, so that nobody changes it.
            let get = unsafe { (*raw).gettimex64 }.ok_or(EINVAL)?;
            let mut ts = bindings::timespec64::default();
            let mut sts = bindings::ptp_system_timestamp {
                // CAST: A small constant.
                clockid: bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                ..Default::default()
            };

            // SAFETY: The arguments are valid.
            assert_eq!(unsafe { get(raw, &raw mut ts, &raw mut sts) }, 0);
            assert!(sts.pre_sts.valid != 0 && sts.post_sts.valid != 0);
            assert!(sts.pre_sts.systime > 0);
            assert!(sts.pre_sts.systime <= sts.post_sts.systime);
        }
        Ok(())
    }
}
