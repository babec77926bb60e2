// SPDX-License-Identifier: GPL-2.0

//! NAPI: interrupt mitigation and polling for network devices.
//!
//! A [`Napi`] owns the state `P` of one polling instance, for example a pair of descriptor rings.
//! The networking core calls [`Poll::poll`] with exclusive access to it, in softirq context, after
//! [`Napi::schedule`] was called. No lock is involved: a scheduled NAPI is polled in one place at a
//! time, and a disabled one is not polled at all. [`Context`] is the proof of either of the two.
//!
//! A driver disables its NAPIs when the device is stopped. One that does not is polled on, and what
//! it receives is dropped from the unregistration of the device on: see
//! [`PollContext::gro_receive`].
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! Reference: <https://docs.kernel.org/networking/napi.html>
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     net::{
//!         device::{
//!             Device,
//!             Driver, //
//!         },
//!         napi::{
//!             Napi,
//!             Poll,
//!             PollContext,
//!             Polled, //
//!         }, //
//!     },
//!     prelude::*, //
//!     sync::atomic::{
//!         Atomic,
//!         Relaxed, //
//!     },
//! };
//!
//! /// The interrupt enable bit of a channel, shared by the interrupt handler and `rearm()`.
//! struct Gate(Atomic<bool>);
//!
//! struct Channel {
//!     pending: u32,
//! }
//!
//! impl Poll for Channel {
//!     type Irq = Gate;
//!
//!     fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
//!         let done = self.pending.min(cx.budget());
//!         self.pending -= done;
//!         if self.pending > 0 {
//!             Polled::Again
//!         } else {
//!             Polled::Done(done)
//!         }
//!     }
//!
//!     fn rearm(irq: &Gate) {
//!         irq.0.store(true, Relaxed);
//!     }
//! }
//!
//! fn channel<'a, T: Driver>(dev: &'a Device<T>) -> Result<Pin<KBox<Napi<'a, Channel>>>> {
//!     let gate = Gate(Atomic::new(false));
//!
//!     // SAFETY: The owner of the returned box keeps it in the driver data and drops it.
//!     let napi = unsafe { Napi::new(dev, gate, Ok(Channel { pending: 0 })) };
//!
//!     KBox::pin_init(napi, GFP_KERNEL)
//! }
//!
//! fn interrupt(napi: &Napi<'_, Channel>) {
//!     napi.irq().0.store(false, Relaxed);
//!     napi.schedule();
//! }
//!
//! fn close(napi: &Napi<'_, Channel>) {
//!     napi.disable();
//!     napi.with_disabled(|channel, _cx| channel.pending = 0);
//! }
//! ```

use super::{
    device::{
        Device,
        Driver, //
    },
    rtnl::Rtnl,
    skbuff::SkBuff, //
};
use crate::{
    bindings,
    container_of,
    impl_has_hr_timer,
    new_mutex,
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            AtomicFlag,
            Relaxed,
            Release, //
        },
        barrier::{
            smp_mb,
            Full, //
        },
        Arc,
        Mutex, //
    },
    time::{
        hrtimer::{
            HasHrTimer,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerRestart,
            RelativePinnedMode, //
        },
        Delta,
        Monotonic, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};
use core::{
    cell::UnsafeCell,
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    ops::Deref,
    ptr,
};
use pin_init::Wrapper;

/// Length of an Ethernet header.
// CAST: Small constant.
const ETH_HLEN: c_int = bindings::ETH_HLEN as c_int;

/// The part of a [`Napi`] that other objects may refer to after the [`Napi`] is gone.
///
/// A page pool remembers the NAPI it belongs to, and reads it whenever a page comes back. Keeping
/// the C structure in an allocation of its own lets the pool hold a reference instead of a rule.
///
/// # Invariants
///
/// - `napi` has a device, and can be scheduled only while it is in the list of the device. It was
///   initialized by `netif_napi_add()` when it was put there.
/// - `owner` is null or points to the [`Napi`] that was passed the only reference at that time. It
///   is written before `netif_napi_add()` and only used by the poll callback, hence while the
///   [`Napi`] is enabled and thus alive.
#[pin_data]
pub(crate) struct Core {
    #[pin]
    napi: Opaque<bindings::napi_struct>,
    #[pin]
    timer: HrTimer<Core>,
    /// Whether the timer was started and has not expired yet.
    armed: Atomic<bool>,
    /// Whether the poll function is being run, see [`begin_poll()`](Self::begin_poll).
    polling: AtomicFlag,
    owner: UnsafeCell<*const c_void>,
}

// SAFETY: The C structure may be used and freed by any task. `owner` is only a pointer.
unsafe impl Send for Core {}

// SAFETY: The C functions called through a shared reference (`napi_schedule()` and the functions
// that take the lock of the device) may be called concurrently. `owner` is written once, before it
// is read by anyone.
unsafe impl Sync for Core {}

impl Core {
    /// `dev` must be a valid network device, or null for one that is never used.
    fn new(dev: *mut bindings::net_device) -> impl PinInit<Self> {
        // INVARIANT: As a NAPI that was added, disabled and deleted.
        let napi = bindings::napi_struct {
            dev,
            state: 1 << bindings::NAPI_STATE_SCHED | 1 << bindings::NAPI_STATE_NPSVC,
            index: -1,
            irq: -1,
            list_owner: -1,
            ..pin_init::zeroed()
        };

        pin_init!(Self {
            napi: Opaque::new(napi),
            timer <- HrTimer::new(),
            armed: Atomic::new(false),
            polling: AtomicFlag::new(false),
            owner: UnsafeCell::new(ptr::null()),
        })
    }

    /// Returns the C structure.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::napi_struct {
        self.napi.get()
    }

    /// Returns the device of the NAPI.
    #[inline]
    pub(crate) fn netdev(&self) -> *mut bindings::net_device {
        // SAFETY: By the type invariant the structure has a device, which is never another one.
        unsafe { (*self.as_raw()).dev }
    }

    /// Returns whether the device is registered.
    ///
    /// The unregistration changes that first, and then waits for all polls: while a poll that has
    /// seen `true` runs, packets may refer to the device.
    #[inline]
    fn is_registered(&self) -> bool {
        // SAFETY: The device exists as long as the NAPI does. The field may be changed at any time.
        let state = unsafe { (&raw const (*self.netdev()).reg_state).read_volatile() };

        bindings::netdev_reg_state::from(state) == bindings::netdev_reg_state_NETREG_REGISTERED
    }

    #[inline]
    fn schedule(&self) -> bool {
        // SAFETY: By the type invariant the structure is initialized. The function may be called in
        // any context, also while the NAPI is disabled, where it does nothing.
        unsafe { bindings::napi_schedule(self.as_raw()) }
    }

    /// See [`Napi::schedule_after`]. Called by the [`Napi`] and in its poll only, hence never after
    /// the timer was cancelled for good.
    #[inline]
    fn schedule_after(&self, delay: Delta) {
        // The callback clears `armed`, then schedules, which is a full barrier as well. So either
        // this load sees the store, or the poll sees what was written before the barrier. Each side
        // stores one thing and loads the other, hence neither can do without: a caller that has
        // several things to wait for should call this once, after the last of them.
        smp_mb(Full);
        if self.armed.load(Relaxed) {
            return;
        }
        self.arm(delay);
    }

    /// Has netpoll and the regular poll exclude each other. Returns whether the caller may poll.
    ///
    /// C uses `poll_owner` for this, but only as long as netpoll is set up for the device: neither
    /// a regular poll that began before that, nor one that begins after the removal while netpoll
    /// has not finished yet, is excluded.
    #[inline]
    fn begin_poll(&self, regular: bool) -> bool {
        if !cfg!(CONFIG_NETPOLL) {
            return true;
        }

        while self.polling.xchg(true, Acquire) {
            // Netpoll may have interrupted the regular poll on this CPU. The other way round it
            // runs on another one, and is short.
            if !regular {
                return false;
            }
            cpu_relax();
        }
        true
    }

    /// Undoes [`begin_poll()`](Self::begin_poll).
    #[inline]
    fn end_poll(&self) {
        if cfg!(CONFIG_NETPOLL) {
            self.polling.store(false, Release);
        }
    }

    #[cold]
    fn arm(&self, delay: Delta) {
        self.armed.store(true, Relaxed);

        // SAFETY: `self` is valid. The timer is cancelled before `self` is freed, by the destructor
        // of the `Napi`. There is no other way to start it.
        unsafe { <Core as HasHrTimer<Core>>::start(self, delay) };
    }
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Core {
        mode: RelativePinnedMode<Monotonic>, field: self.timer
    }
}

impl HrTimerCallback for Core {
    type Pointer<'a> = Pin<&'a Self>;

    fn run(this: Pin<&Self>, _cx: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        // Cleared first: see `Napi::schedule_after()`.
        this.armed.store(false, Relaxed);
        this.schedule();
        HrTimerRestart::NoRestart
    }
}

/// How a [`Context`] came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The NAPI is disabled, in process context.
    Disabled,
    /// The NAPI is being polled, in softirq context.
    Poll(u32),
    /// The NAPI is being polled by netpoll, in any context, with interrupts disabled.
    Netpoll,
}

/// Exclusive access to one NAPI.
///
/// A reference to it is handed to [`Poll::poll`] (inside a [`PollContext`]) and to the closure of
/// [`Napi::with_disabled`].
///
/// # Invariants
///
/// For as long as a reference to this object is usable, the current context either runs the poll
/// function of `core` or keeps `core` disabled.
pub struct Context<'a> {
    core: &'a Arc<Core>,
    mode: Mode,
    _not_send: NotThreadSafe,
}

impl Context<'_> {
    /// Returns the NAPI that this context belongs to.
    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        self.core
    }

    /// Returns whether the NAPI is disabled, as opposed to being polled.
    #[inline]
    pub(crate) fn is_disabled(&self) -> bool {
        self.mode == Mode::Disabled
    }

    /// Returns whether the NAPI is being polled by netpoll.
    ///
    /// Nothing may be received then: this is neither softirq context, nor the CPU on which the NAPI
    /// is scheduled.
    #[inline]
    pub(crate) fn is_netpoll(&self) -> bool {
        self.mode == Mode::Netpoll
    }

    /// Returns the budget in the sense of `napi_consume_skb()`: 0 outside of a regular poll.
    #[inline]
    pub(crate) fn budget(&self) -> u32 {
        match self.mode {
            Mode::Poll(budget) => budget,
            Mode::Disabled | Mode::Netpoll => 0,
        }
    }
}

/// The [`Context`] of a running [`Poll::poll`].
///
/// # Invariants
///
/// - The mode of the inner context is not `Disabled`.
/// - `receives` is only set in a regular poll which has found the device registered.
pub struct PollContext<'a> {
    cx: Context<'a>,
    receives: bool,
}

impl PollContext<'_> {
    /// Returns the number of packets that may be received.
    ///
    /// Zero means that netpoll is polling: transmit completions may be processed, but no packet may
    /// be received.
    #[inline]
    pub fn budget(&self) -> u32 {
        self.cx.budget()
    }

    /// Has this NAPI polled again after a delay, unless that is planned already.
    ///
    /// See [`Napi::schedule_after`].
    #[inline]
    pub fn schedule_after(&self, delay: Delta) {
        self.core().schedule_after(delay);
    }

    /// Hands a received packet to the networking stack.
    ///
    /// The packet must have been passed to [`SkBuff::eth_type_trans`] with the device of this NAPI;
    /// it is dropped otherwise, and also if the budget is 0 or the device is not registered.
    #[inline]
    pub fn gro_receive(&mut self, skb: SkBuff) {
        let raw = skb.as_raw();

        // SAFETY: An `SkBuff` owns a valid buffer.
        let (dev, mac_offset) = unsafe { (bindings::skb_dev(raw), bindings::skb_mac_offset(raw)) };

        // A buffer that is still to be transmitted has its Ethernet header in the data.
        if !self.receives || dev != self.core().netdev() || mac_offset != -ETH_HLEN {
            return drop(skb);
        }

        // SAFETY: The buffer is valid.
        let shared = unsafe { bindings::skb_cloned(raw) != 0 || bindings::skb_shared(raw) };
        let skb = skb.into_raw().as_ptr();

        // SAFETY: By the type invariants this context runs the poll function, in softirq context
        // because this is not netpoll, and the unregistration of the device waits for it. Both
        // functions take over the ownership of the buffer, which was prepared for being received.
        // GRO moves fragments, which it must not do to those that a clone refers to, and frees what
        // it has merged whatever its count is: a packet that was transmitted has clones, and those
        // of pktgen have a second reference.
        unsafe {
            if shared {
                bindings::netif_receive_skb(skb);
            } else {
                bindings::napi_gro_receive(self.core().as_raw(), skb);
            }
        }
    }
}

impl<'a> Deref for PollContext<'a> {
    type Target = Context<'a>;

    #[inline]
    fn deref(&self) -> &Context<'a> {
        &self.cx
    }
}

/// Result of [`Poll::poll`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// All work is done, and this number of packets was received. Polling stops.
    Done(u32),
    /// The budget is used up and there may be more work. Polling continues.
    Again,
}

impl Polled {
    /// Returns the number to be reported to C, and whether polling is to be completed.
    ///
    /// C tells "done" from "again" by comparing the number with the budget. "Done" is therefore
    /// always less than the budget: C would poll again a NAPI that was given back already. Netpoll
    /// (no budget) expects 0 and owns the NAPI, which is then not to be completed.
    #[inline]
    fn settle(self, budget: u32) -> (u32, bool) {
        match self {
            Polled::Done(n) if budget > 0 => (n.min(budget - 1), true),
            Polled::Done(_) => (0, false),
            Polled::Again => (budget, false),
        }
    }
}

/// The state of a polling instance, and what to do with it.
pub trait Poll: Send {
    /// What [`rearm`](Self::rearm) and the interrupt handler share, for example a register block.
    ///
    /// Use `()` if there is nothing to be rearmed.
    type Irq: Send + Sync;

    /// Processes completed transmissions and received packets.
    ///
    /// Runs in softirq context: must not sleep. At most [`budget()`](PollContext::budget) packets
    /// may be received. Processing transmissions does not count.
    fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled;

    /// Enables the interrupt of this instance.
    ///
    /// Called after polling has stopped. It is not called if polling continues for whatever reason:
    /// because the NAPI was scheduled in the meantime, by a socket that is busy polling, or in
    /// order to defer interrupts.
    ///
    /// There is no `self`: the NAPI was given back, hence [`poll`](Self::poll) may be running
    /// already on another CPU.
    fn rearm(irq: &Self::Irq);
}

/// What the networking core remembers of a NAPI beyond [`Napi::disable()`], or even its end: its
/// number, and what users have set by netlink.
///
/// A device has as many as it has queues of the kind it has more of. See [`take_napi_configs()`].
///
/// [`take_napi_configs()`]: super::device::UnregisteredDevice::take_napi_configs
///
/// # Invariants
///
/// `index` is a valid index of the configurations of `dev`, and there is no other object for the
/// same one.
pub struct NapiConfig<'a, T: Driver> {
    dev: &'a Device<T>,
    index: c_int,
}

impl<'a, T: Driver> NapiConfig<'a, T> {
    /// # Safety
    ///
    /// `index` must be less than `num_napi_configs` of `dev`, and this must be called once for each
    /// index at most.
    pub(super) unsafe fn new(dev: &'a Device<T>, index: c_int) -> Self {
        // INVARIANT: By the safety requirements.
        Self { dev, index }
    }
}

/// State of a [`Napi`] that is protected by its mutex.
struct State {
    enabled: bool,
    rx: Option<u32>,
    tx: Option<u32>,
    /// The interrupt, or -1.
    irq: c_int,
}

/// A NAPI instance.
///
/// It is created disabled. [`enable()`](Self::enable) and [`disable()`](Self::disable) may be
/// called in any order and any number of times, [`schedule()`](Self::schedule) in any context and
/// at any time.
///
/// The device has it in its list only while it is enabled: whoever switches threads off for those
/// in the list waits until each of them is idle, which one that is disabled never becomes.
///
/// # Invariants
///
/// - `core.napi` belongs to a device that exists during `'a`, and `core.owner` points to this
///   object.
/// - The NAPI is enabled, and in the list of the device with the poll callback of `P`, if and only
///   if `state.enabled` is set. Else it cannot be scheduled, and nobody walks the list over it.
/// - `config` is a valid index of the configurations of the device, if any, which no other NAPI
///   uses.
/// - `inner` is accessed by the poll callback, or with `state` locked and the NAPI disabled: not
///   `enabled`, or paused.
#[pin_data(PinnedDrop)]
pub struct Napi<'a, P: Poll> {
    core: Arc<Core>,
    config: Option<c_int>,
    irq: P::Irq,
    #[pin]
    state: Mutex<State>,
    #[pin]
    inner: UnsafeCell<P>,
    _dev: PhantomData<&'a ()>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: `P` and `P::Irq` may be sent to another task. The remaining fields may, too.
unsafe impl<P: Poll> Send for Napi<'_, P> {}

// SAFETY: A shared reference gives access to `P::Irq`, which is `Sync`, and exclusive access to
// `P`, which is `Send`, as laid out by the type invariants.
unsafe impl<P: Poll> Sync for Napi<'_, P> {}

impl<'a, P: Poll> Napi<'a, P> {
    /// Adds a NAPI to `dev`.
    ///
    /// It gets another number each time it is enabled, and forgets then what users have set: see
    /// [`with_config()`](Self::with_config).
    ///
    /// `irq` is what [`Poll::rearm`] and, by means of [`irq()`](Self::irq), the interrupt handler
    /// get to see. `inner` initializes what [`Poll::poll`] works on, it may be as simple as
    /// `Ok(value)`. The value is not pinned, and dropped with the NAPI.
    ///
    /// # Safety
    ///
    /// Callers must not `mem::forget()` the [`Napi`] or otherwise prevent its [`Drop`]
    /// implementation from running.
    pub unsafe fn new<T: Driver, I: Init<P, Error>>(
        dev: &'a Device<T>,
        irq: P::Irq,
        inner: I,
    ) -> impl PinInit<Self, Error> + use<'a, P, T, I> {
        // SAFETY: There is no configuration. The rest is up to the caller.
        unsafe { Self::add(dev, None, irq, inner) }
    }

    /// Adds a NAPI to a device which keeps its number and what users have set, as long as the
    /// device exists.
    ///
    /// The arguments are those of [`new()`](Self::new).
    ///
    /// # Safety
    ///
    /// As for [`new()`](Self::new).
    pub unsafe fn with_config<T: Driver, I: Init<P, Error>>(
        config: NapiConfig<'a, T>,
        irq: P::Irq,
        inner: I,
    ) -> impl PinInit<Self, Error> + use<'a, P, T, I> {
        // SAFETY: By the type invariants of `NapiConfig`, whose only instance ends here. The rest
        // is up to the caller.
        unsafe { Self::add(config.dev, Some(config.index), irq, inner) }
    }

    /// # Safety
    ///
    /// As for [`new()`](Self::new). `config` must be valid for `dev`, and no other NAPI may use it.
    unsafe fn add<T: Driver, I: Init<P, Error>>(
        dev: &'a Device<T>,
        config: Option<c_int>,
        irq: P::Irq,
        inner: I,
    ) -> impl PinInit<Self, Error> + use<'a, P, T, I> {
        // INVARIANT: The NAPI is not in any list. `config` is valid by the safety requirements.
        try_pin_init!(&this in Self {
            core: Arc::pin_init(Core::new(dev.as_raw()), GFP_KERNEL)?,
            config,
            irq,
            state <- new_mutex!(State {
                enabled: false,
                rx: None,
                tx: None,
                irq: -1,
            }),
            inner <- UnsafeCell::pin_init(inner),
            _dev: PhantomData,
            _pin: PhantomPinned,
            _: {
                // SAFETY: Nobody else has a reference to `core` yet.
                // INVARIANT: `this` is pinned.
                unsafe { *core.owner.get() = this.as_ptr().cast_const().cast() };
            },
        })
    }

    /// Returns what was passed as `irq` to [`new()`](Self::new).
    #[inline]
    pub fn irq(&self) -> &P::Irq {
        &self.irq
    }

    /// Makes the networking core poll this NAPI soon.
    ///
    /// May be called in any context. Does nothing while the NAPI is disabled. If the NAPI is being
    /// polled already, it will be polled once more.
    ///
    /// Returns whether the NAPI was idle and is scheduled now.
    #[inline]
    pub fn schedule(&self) -> bool {
        self.core.schedule()
    }

    /// Calls [`schedule()`](Self::schedule) after a delay.
    ///
    /// If a delay is running already, it is neither shortened nor extended. In either case a poll
    /// starts after this call, and sees everything that was written before this call. May be called
    /// in any context.
    #[inline]
    pub fn schedule_after(&self, delay: Delta) {
        self.core.schedule_after(delay);
    }

    fn cancel(&self) {
        // SAFETY: The timer is initialized.
        unsafe { HrTimer::raw_cancel(&raw const self.core.timer) };
        self.core.armed.store(false, Relaxed);
    }

    /// Enables polling.
    ///
    /// May sleep.
    pub fn enable(&self) {
        let mut state = self.state.lock();

        if !state.enabled {
            let (napi, dev) = (self.core.as_raw(), self.core.netdev());

            // SAFETY: By the type invariants the device exists, and the NAPI is not in its list and
            // does not move until it is deleted, which `disable()` does, and the destructor by it.
            // Its timer does not run. The index is valid. The lock of the device is held.
            unsafe {
                bindings::netdev_lock(dev);
                match self.config {
                    Some(index) => bindings::netif_napi_add_config_locked(
                        dev,
                        napi,
                        Some(poll_callback::<P>),
                        index,
                    ),
                    None => bindings::netif_napi_add_locked(dev, napi, Some(poll_callback::<P>)),
                }
                bindings::netif_napi_set_irq_locked(napi, state.irq);
                bindings::napi_enable_locked(napi);
                bindings::netdev_unlock(dev);
            }
            // INVARIANT: It is in the list, and enabled, now.
            state.enabled = true;
        }
    }

    /// Disables polling.
    ///
    /// Waits for a poll that is in progress, [`Poll::rearm`] included, and stops the timer of
    /// [`schedule_after()`](Self::schedule_after). Packets that GRO still holds, as it does if
    /// users have it wait for more (`gro_flush_timeout`), are dropped. If the NAPI is polled by a
    /// thread, that ends; [`enable()`](Self::enable) makes another. May sleep.
    pub fn disable(&self) {
        let mut state = self.state.lock();

        if state.enabled {
            let (napi, dev) = (self.core.as_raw(), self.core.netdev());

            // SAFETY: By the type invariants the NAPI exists, is in the list of its device and
            // enabled. The lock of the device is held, and the caller may sleep. After the grace
            // period nobody finds the NAPI who would start its timer, as a poll that was ending,
            // or a busy poll, may have done since it was disabled: it is set up anew by `enable()`,
            // and freed by the destructor.
            unsafe {
                bindings::netdev_lock(dev);
                bindings::napi_disable_locked(napi);
                bindings::__netif_napi_del_locked(napi);
                bindings::netdev_unlock(dev);
                bindings::synchronize_net();
                bindings::hrtimer_cancel(&raw mut (*napi).timer);
            }
            // INVARIANT: It is disabled now, and in no list that somebody walks.
            state.enabled = false;
        }
        self.cancel();
    }

    /// Gives access to the state of the NAPI while it is disabled.
    ///
    /// Returns [`None`] without calling `f` if the NAPI is enabled. It cannot be enabled before `f`
    /// returns; trying so from within `f` is a deadlock.
    pub fn with_disabled<R>(&self, f: impl FnOnce(&mut P, &Context<'_>) -> R) -> Option<R> {
        let state = self.state.lock();

        if state.enabled {
            return None;
        }

        // INVARIANT: The NAPI is disabled, and stays so while `state` is locked.
        let cx = Context {
            core: &self.core,
            mode: Mode::Disabled,
            _not_send: NotThreadSafe,
        };

        // SAFETY: By the type invariants nobody else accesses `inner` while `state` is locked and
        // the NAPI is disabled. A poll that has ended before does not use it any more.
        let inner = unsafe { &mut *self.inner.get() };

        Some(f(inner, &cx))
    }

    /// Gives access to the state of the NAPI while it is not polled.
    ///
    /// An enabled NAPI pauses for that, and is polled once more afterwards; unlike with
    /// [`disable()`](Self::disable) it keeps what GRO holds, and its thread if it has one. A NAPI
    /// that is disabled stays so. `f` is called with the lock of the network device held if the
    /// NAPI is enabled: it must neither take that nor use other methods of a NAPI that do. May
    /// sleep.
    pub fn with_paused<R>(&self, f: impl FnOnce(&mut P, &Context<'_>) -> R) -> R {
        let state = self.state.lock();
        let (napi, dev) = (self.core.as_raw(), self.core.netdev());

        if state.enabled {
            // SAFETY: By the type invariants the NAPI and its device exist, and it is enabled. The
            // caller may sleep.
            unsafe {
                bindings::netdev_lock(dev);
                bindings::napi_disable_locked(napi);
            }
        }

        // INVARIANT: The NAPI is disabled, and stays so while `state` is locked.
        let cx = Context {
            core: &self.core,
            mode: Mode::Disabled,
            _not_send: NotThreadSafe,
        };

        // SAFETY: By the type invariants, as in `with_disabled()`.
        let inner = unsafe { &mut *self.inner.get() };

        let result = f(inner, &cx);

        if state.enabled {
            // SAFETY: The NAPI was disabled above, and the lock of the device is held since.
            unsafe {
                bindings::napi_enable_locked(napi);
                bindings::netdev_unlock(dev);
            }
            // What came meanwhile found it disabled.
            self.schedule();
        }

        result
    }

    /// Tells the networking core which interrupt this NAPI is served by, if any.
    ///
    /// May sleep.
    pub fn set_irq(&self, irq: Option<u32>) -> Result {
        let irq = irq.map_or(Ok(-1), TryInto::try_into)?;
        let mut state = self.state.lock();

        state.irq = irq;
        if state.enabled {
            let dev = self.core.netdev();

            // SAFETY: By the type invariants the NAPI and its device exist. The lock of the device
            // is held.
            unsafe {
                bindings::netdev_lock(dev);
                bindings::netif_napi_set_irq_locked(self.core.as_raw(), irq);
                bindings::netdev_unlock(dev);
            }
        }
        Ok(())
    }

    /// Tells the networking core which queues this NAPI serves.
    ///
    /// Replaces the association that was made before, if any. Should be undone by
    /// [`unlink_queues()`](Self::unlink_queues) before the NAPI is dropped.
    pub fn link_queues(&self, rx: Option<u32>, tx: Option<u32>, _rtnl: &Rtnl) -> Result {
        let netdev = self.core.netdev();

        // SAFETY: By the type invariants the device exists. The numbers of queues do not change
        // after it was allocated.
        let (num_rx, num_tx) = unsafe { ((*netdev).num_rx_queues, (*netdev).num_tx_queues) };
        if rx.is_some_and(|i| i >= num_rx) || tx.is_some_and(|i| i >= num_tx) {
            return Err(EINVAL);
        }

        let mut state = self.state.lock();
        self.unlink(&mut state);

        // SAFETY: By the type invariants the device and the NAPI exist. The mutex of the queues is
        // held as witnessed by `_rtnl`, and the indices are valid. The NAPI does not go away while
        // it is linked: see the destructor.
        unsafe { Self::set_napi(netdev, rx, tx, self.core.as_raw()) };
        state.rx = rx;
        state.tx = tx;
        Ok(())
    }

    /// Undoes [`link_queues()`](Self::link_queues).
    pub fn unlink_queues(&self, _rtnl: &Rtnl) {
        self.unlink(&mut self.state.lock());
    }

    /// Must be called with rtnl held.
    fn unlink(&self, state: &mut State) {
        // SAFETY: As in `link_queues()`, which has checked the indices.
        unsafe {
            Self::set_napi(
                self.core.netdev(),
                state.rx.take(),
                state.tx.take(),
                ptr::null_mut(),
            )
        };
    }

    /// # Safety
    ///
    /// `netdev` must be valid, rtnl must be held, and the indices must be less than the numbers of
    /// queues. `napi` must be null or stay valid until it is replaced.
    unsafe fn set_napi(
        netdev: *mut bindings::net_device,
        rx: Option<u32>,
        tx: Option<u32>,
        napi: *mut bindings::napi_struct,
    ) {
        if let Some(i) = rx {
            // SAFETY: By the safety requirements.
            unsafe {
                bindings::netif_queue_set_napi(
                    netdev,
                    i,
                    bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_RX,
                    napi,
                )
            };
        }
        if let Some(i) = tx {
            // SAFETY: By the safety requirements.
            unsafe {
                bindings::netif_queue_set_napi(
                    netdev,
                    i,
                    bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_TX,
                    napi,
                )
            };
        }
    }
}

#[pinned_drop]
impl<P: Poll> PinnedDrop for Napi<'_, P> {
    fn drop(self: Pin<&mut Self>) {
        // After this the timer does not run: nobody else has access to `self`.
        self.disable();

        let state = self.state.lock();
        if state.rx.is_some() || state.tx.is_some() {
            // The queues still point to the NAPI, and resetting them requires rtnl, which the
            // caller may or may not hold. Give up the few bytes instead.
            core::mem::forget(self.core.clone());
        }
    }
}

/// # Safety
///
/// Only to be used as the poll callback of the NAPI of a [`Napi<'_, P>`].
unsafe extern "C" fn poll_callback<P: Poll>(
    napi: *mut bindings::napi_struct,
    budget: c_int,
) -> c_int {
    // SAFETY: `napi` is a field of a `Core`, and `Opaque` is transparent.
    let core = unsafe { container_of!(Opaque::cast_from(napi), Core, napi) };

    // SAFETY: By the type invariants of `Core` and `Napi` the pointers are valid: `disable()` waits
    // for this function, and the destructor of `Napi` calls it.
    let this = unsafe { &*(*(*core).owner.get()).cast::<Napi<'_, P>>() };

    let budget = u32::try_from(budget).unwrap_or(0);

    if !this.core.begin_poll(budget > 0) {
        return 0;
    }

    // INVARIANT: This is the poll function. A regular poll has a positive budget and runs in
    // softirq context.
    let mut cx = PollContext {
        cx: Context {
            core: &this.core,
            mode: if budget > 0 {
                Mode::Poll(budget)
            } else {
                Mode::Netpoll
            },
            _not_send: NotThreadSafe,
        },
        receives: budget > 0 && this.core.is_registered(),
    };

    // SAFETY: This is the only place where the NAPI is polled: regular and busy polling own
    // `NAPI_STATE_SCHED`, and netpoll is excluded by `begin_poll()`. While it is called the NAPI is
    // enabled: `napi_disable()` waits for `NAPI_STATE_SCHED` and `NAPI_STATE_NPSVC`.
    let polled = unsafe { &mut *this.inner.get() }.poll(&mut cx);

    this.core.end_poll();

    if budget > 0 && !cx.receives {
        // What GRO has held since the device was registered must not be delivered either, as it
        // would be when this poll is completed.
        //
        // SAFETY: This function owns the NAPI, because it has a budget and has not given it back.
        unsafe { bindings::napi_drop_held(napi) };
    }

    let (work, complete) = polled.settle(budget);

    // CAST: Both are at most `budget`, which was a positive `c_int` or is 0.
    let work = work as c_int;

    // `this.inner` is out of bounds from here on if the NAPI is completed.
    //
    // SAFETY: This function owns the NAPI, because it has a budget and has not given it back.
    if complete && unsafe { bindings::napi_complete_done(napi, work) } {
        P::rearm(&this.irq);
    }

    work
}

/// A network device for tests.
#[cfg(CONFIG_KUNIT = "y")]
pub(super) mod testing {
    use super::*;
    use crate::{
        device::{
            self,
            Bound, //
        },
        faux,
        net::{
            device::{
                UnregisteredDevice,
                Xmit, //
            },
            queue::TxQueue, //
        },
        time::delay::fsleep, //
    };

    /// A driver that drops everything.
    pub(in crate::net) struct Null;

    #[vtable]
    impl Driver for Null {
        type Data<'a> = ();

        fn open<'a>(_dev: &Device<Self>, _data: Pin<&()>, _rtnl: &Rtnl) -> Result {
            Ok(())
        }

        fn stop<'a>(_dev: &Device<Self>, _data: Pin<&()>, _rtnl: &Rtnl) {}

        fn start_xmit<'a>(
            _dev: &Device<Self>,
            _data: Pin<&()>,
            _queue: &mut TxQueue<'_>,
            skb: SkBuff,
        ) -> Xmit {
            drop(skb);
            Xmit::Sent
        }
    }

    /// The parent device, which is able to do DMA anywhere.
    pub(in crate::net) struct Parent(faux::Registration);

    impl Parent {
        pub(in crate::net) fn new() -> Result<Self> {
            let this = Self(faux::Registration::new(c"rust-net-test", None)?);
            let dev = this.device().as_raw();

            // SAFETY: Nobody else uses the device.
            unsafe {
                (*dev).dma_mask = &raw mut (*dev).coherent_dma_mask;
                (*dev).coherent_dma_mask = u64::MAX;
            }
            Ok(this)
        }

        pub(in crate::net) fn device(&self) -> &device::Device<Bound> {
            self.0.as_ref().as_ref()
        }

        pub(in crate::net) fn netdev(&self) -> Result<&Device<Null>> {
            Ok(UnregisteredDevice::new(self.device(), 1, 1)?.device())
        }
    }

    /// Waits for a condition, but not forever.
    pub(in crate::net) fn eventually(condition: impl Fn() -> bool) -> bool {
        for _ in 0..1000 {
            if condition() {
                return true;
            }
            fsleep(Delta::from_millis(2));
        }
        false
    }
}

#[kunit_tests(rust_net_napi)]
mod tests {
    use super::{
        testing::{
            eventually,
            Null,
            Parent, //
        },
        *,
    };
    use crate::{
        net::{
            device::{
                Registration,
                UnregisteredDevice, //
            },
            rtnl, //
        },
        time::delay::fsleep, //
    };

    #[test]
    fn done_is_less_than_budget() {
        for budget in [1, 2, 8, 64, 0x7fff_ffff] {
            for n in [0, 1, 7, 63, 64, 65, u32::MAX] {
                let (work, complete) = Polled::Done(n).settle(budget);

                assert!(complete);
                assert!(work < budget);
                assert!(work == n || n >= budget);
            }
        }
    }

    #[test]
    fn again_is_the_budget() {
        for budget in [1, 8, 64, 0x7fff_ffff] {
            assert_eq!(Polled::Again.settle(budget), (budget, false));
        }
    }

    #[test]
    fn netpoll_neither_receives_nor_completes() {
        assert_eq!(Polled::Again.settle(0), (0, false));
        assert_eq!(Polled::Done(0).settle(0), (0, false));
        assert_eq!(Polled::Done(5).settle(0), (0, false));
    }

    struct Calls {
        poll: Atomic<u32>,
        rearm: Atomic<u32>,
        dropped: Atomic<bool>,
    }

    impl Calls {
        fn new() -> Self {
            Self {
                poll: Atomic::new(0),
                rearm: Atomic::new(0),
                dropped: Atomic::new(false),
            }
        }
    }

    /// Processes `left` packets, as many as possible at a time.
    struct Work {
        left: u32,
        calls: Arc<Calls>,
    }

    impl Poll for Work {
        type Irq = Arc<Calls>;

        fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
            self.calls.poll.add(1, Relaxed);
            let done = self.left.min(cx.budget());
            self.left -= done;
            if done == cx.budget() {
                Polled::Again
            } else {
                Polled::Done(done)
            }
        }

        fn rearm(irq: &Arc<Calls>) {
            irq.rearm.add(1, Relaxed);
        }
    }

    impl Drop for Work {
        fn drop(&mut self) {
            self.calls.dropped.store(true, Relaxed);
        }
    }

    type Counted<'a> = (Pin<KBox<Napi<'a, Work>>>, Arc<Calls>);

    fn napi(parent: &Parent, left: u32) -> Result<Counted<'_>> {
        let calls = Arc::new(Calls::new(), GFP_KERNEL)?;
        let work = Work {
            left,
            calls: calls.clone(),
        };

        // SAFETY: The tests drop it.
        let napi = unsafe { Napi::new(parent.netdev()?, calls.clone(), Ok(work)) };

        Ok((KBox::pin_init(napi, GFP_KERNEL)?, calls))
    }

    #[test]
    fn polls_until_all_is_done() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, 200)?;

        napi.enable();
        assert!(napi.schedule());
        assert!(eventually(|| calls.rearm.load(Relaxed) == 1));
        napi.disable();

        // 64 + 64 + 64 + 8
        assert_eq!(calls.poll.load(Relaxed), 4);
        assert_eq!(calls.rearm.load(Relaxed), 1);
        assert_eq!(napi.with_disabled(|work, _| work.left), Some(0));
        Ok(())
    }

    #[test]
    fn a_config_keeps_the_number() -> Result {
        let parent = Parent::new()?;
        let mut dev = UnregisteredDevice::<Null>::new(parent.device(), 2, 1)?;
        let mut ids = KVec::new();

        for config in dev.take_napi_configs()? {
            let calls = Arc::new(Calls::new(), GFP_KERNEL)?;
            let work = Work {
                left: 0,
                calls: calls.clone(),
            };
            // SAFETY: The test drops it.
            let napi = unsafe { Napi::with_config(config, calls, Ok::<_, Error>(work)) };
            let napi = KBox::pin_init(napi, GFP_KERNEL)?;
            // SAFETY: The NAPI exists, and the number changes only when it is enabled.
            let id = || unsafe { (*napi.core.as_raw()).napi_id };

            napi.enable();
            let first = id();
            napi.disable();
            napi.enable();
            assert_eq!(id(), first);
            napi.disable();
            ids.push(first, GFP_KERNEL)?;
        }
        assert_eq!(ids.len(), 2);
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], 0);
        Ok(())
    }

    #[test]
    fn a_disabled_napi_is_not_polled() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, 1)?;

        assert!(!napi.schedule());
        napi.disable();
        assert!(!napi.schedule());
        napi.schedule_after(Delta::from_micros(1));
        fsleep(Delta::from_millis(5));
        assert_eq!(calls.poll.load(Relaxed), 0);
        Ok(())
    }

    /// Is polled by netpoll while it is being polled, as if it printed a message to a network
    /// console.
    struct Nested {
        calls: Arc<Calls>,
    }

    impl Poll for Nested {
        type Irq = Arc<Calls>;

        fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
            let napi = cx.core().as_raw();

            // SAFETY: The NAPI is valid, and the function is that of netpoll.
            let poll = unsafe { (*napi).poll };
            if self.calls.poll.fetch_add(1, Relaxed) == 0 {
                // SAFETY: The function expects this NAPI. A poll that is nested does nothing.
                let work = poll.map_or(0, |poll| unsafe { poll(napi, 0) });

                self.calls.dropped.store(work != 0, Relaxed);
            }
            Polled::Done(0)
        }

        fn rearm(irq: &Arc<Calls>) {
            irq.rearm.add(1, Relaxed);
        }
    }

    #[test]
    fn netpoll_does_not_interrupt_a_poll() -> Result {
        if !cfg!(CONFIG_NETPOLL) {
            return Ok(());
        }

        let parent = Parent::new()?;
        let calls = Arc::new(Calls::new(), GFP_KERNEL)?;
        let nested = Nested {
            calls: calls.clone(),
        };
        // SAFETY: It is dropped at the end of the test.
        let napi = unsafe { Napi::new(parent.netdev()?, calls.clone(), Ok(nested)) };
        let napi = KBox::pin_init(napi, GFP_KERNEL)?;

        napi.enable();
        for n in 1..=2 {
            napi.schedule();
            assert!(eventually(|| calls.rearm.load(Relaxed) == n));
            assert_eq!(calls.poll.load(Relaxed), n);
        }
        assert!(!calls.dropped.load(Relaxed));
        Ok(())
    }

    #[test]
    fn state_is_accessible_while_disabled() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, 3)?;

        assert_eq!(napi.with_disabled(|work, _| work.left), Some(3));
        for _ in 0..2 {
            napi.enable();
            napi.enable();
            assert_eq!(napi.with_disabled(|work, _| work.left), None);
            napi.disable();
            napi.disable();
            assert_eq!(
                napi.with_disabled(|work, cx| (cx.is_disabled(), cx.budget(), work.left)),
                Some((true, 0, 3))
            );
        }
        assert_eq!(calls.poll.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_pause_ends_with_a_poll() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, 3)?;

        // One that is disabled stays so.
        assert_eq!(
            napi.with_paused(|work, cx| (cx.is_disabled(), work.left)),
            (true, 3)
        );
        assert_eq!(napi.with_disabled(|work, _| work.left), Some(3));

        napi.enable();
        let during = napi.with_paused(|_, _| {
            let scheduled = napi.schedule();
            fsleep(Delta::from_millis(5));
            (scheduled, calls.poll.load(Relaxed))
        });
        assert_eq!(during, (false, 0));
        assert!(eventually(|| calls.rearm.load(Relaxed) == 1));
        assert_eq!(napi.with_paused(|work, _| work.left), 0);
        assert!(eventually(|| calls.rearm.load(Relaxed) == 2));
        Ok(())
    }

    #[test]
    fn a_delay_leads_to_one_poll() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, 1)?;

        napi.enable();
        for _ in 0..3 {
            napi.schedule_after(Delta::from_millis(200));
        }
        assert!(eventually(|| calls.rearm.load(Relaxed) == 1));
        fsleep(Delta::from_millis(220));
        assert_eq!(calls.poll.load(Relaxed), 1);

        // It can be used again.
        napi.schedule_after(Delta::from_micros(1));
        assert!(eventually(|| calls.rearm.load(Relaxed) == 2));
        Ok(())
    }

    #[test]
    fn disabling_stops_the_delay() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, 1)?;

        napi.enable();
        napi.schedule_after(Delta::from_millis(200));
        napi.disable();
        napi.enable();
        fsleep(Delta::from_millis(220));
        assert_eq!(calls.poll.load(Relaxed), 0);

        napi.schedule_after(Delta::from_micros(1));
        assert!(eventually(|| calls.rearm.load(Relaxed) == 1));
        Ok(())
    }

    #[test]
    fn dropping_ends_everything() -> Result {
        let parent = Parent::new()?;
        let (napi, calls) = napi(&parent, u32::MAX)?;

        napi.enable();
        napi.schedule();
        assert!(eventually(|| calls.poll.load(Relaxed) > 10));
        napi.schedule_after(Delta::from_millis(1));
        assert!(!calls.dropped.load(Relaxed));
        drop(napi);

        assert!(calls.dropped.load(Relaxed));
        let polls = calls.poll.load(Relaxed);
        fsleep(Delta::from_millis(5));
        assert_eq!(calls.poll.load(Relaxed), polls);
        Ok(())
    }

    /// The Ethertype of the packets that are received here.
    const ETHERTYPE: u16 = 0x88b5;

    /// Receives a packet when polled.
    struct Receiver<'a> {
        dev: &'a Device<Null>,
        polls: Arc<Atomic<u32>>,
    }

    impl Poll for Receiver<'_> {
        type Irq = Arc<Atomic<u32>>;

        fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
            if let Ok(mut skb) = packet() {
                if skb.eth_type_trans(self.dev, cx) {
                    cx.gro_receive(skb);
                }
            }
            self.polls.add(1, Relaxed);
            Polled::Done(1)
        }

        fn rearm(polled: &Arc<Atomic<u32>>) {
            polled.add(1, Relaxed);
        }
    }

    /// Builds a packet that belongs to no device.
    fn packet() -> Result<SkBuff> {
        const LEN: u32 = 60;

        // SAFETY: All values are valid.
        let raw =
            unsafe { bindings::__alloc_skb(LEN, GFP_ATOMIC.as_raw(), 0, bindings::NUMA_NO_NODE) };
        let raw = ptr::NonNull::new(raw).ok_or(ENOMEM)?;

        // SAFETY: The buffer is new, empty, and has room for `LEN` bytes.
        unsafe {
            let data = bindings::skb_put(raw.as_ptr(), LEN).cast::<u8>();

            data.write_bytes(0, 60);
            data.add(12)
                .cast::<[u8; 2]>()
                .write(ETHERTYPE.to_be_bytes());
            Ok(SkBuff::from_raw(raw))
        }
    }

    /// Counts what arrives in the stack.
    ///
    /// # Safety
    ///
    /// Only to be called for the `packet_type` of the test below, with a reference to `skb` that is
    /// given away.
    unsafe extern "C" fn arrived(
        skb: *mut bindings::sk_buff,
        _dev: *mut bindings::net_device,
        packets: *mut bindings::packet_type,
        _orig_dev: *mut bindings::net_device,
    ) -> c_int {
        // SAFETY: This is what the test has stored there.
        let count = unsafe { &*(*packets).af_packet_priv.cast::<Atomic<u32>>() };

        count.add(1, Relaxed);
        // SAFETY: The reference is ours.
        drop(unsafe { SkBuff::from_raw(ptr::NonNull::new_unchecked(skb)) });
        0
    }

    #[test]
    fn only_a_registered_device_receives() -> Result {
        if !cfg!(CONFIG_RUST_NETDEV_KUNIT_TEST) {
            return Ok(());
        }

        let parent = Parent::new()?;
        let dev = UnregisteredDevice::<Null>::new(parent.device(), 1, 1)?;
        let device = dev.device();
        let polls = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let polled = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let receiver = Receiver {
            dev: device,
            polls: polls.clone(),
        };
        // SAFETY: It is dropped at the end of the test.
        let napi = unsafe { Napi::new(device, polled.clone(), Ok(receiver)) };
        let napi = KBox::pin_init(napi, GFP_KERNEL)?;

        let count = Atomic::new(0u32);
        let packets = Opaque::new(bindings::packet_type {
            type_: ETHERTYPE.to_be(),
            func: Some(arrived),
            af_packet_priv: ptr::from_ref(&count).cast_mut().cast(),
            ..pin_init::zeroed()
        });
        // SAFETY: It is initialized, and removed below.
        unsafe { bindings::dev_add_pack(packets.get()) };

        let poll = |n| {
            napi.schedule();
            eventually(|| polled.load(Relaxed) == n)
        };

        napi.enable();
        let before = poll(1);
        let none = count.load(Relaxed);

        // SAFETY: It is dropped below.
        let reg = unsafe { Registration::new(dev, Ok::<_, Error>(())) };
        let during = poll(2);
        let one = count.load(Relaxed);

        drop(reg);
        let after = poll(3);

        // As if it was held by GRO since.
        let hold = |skb: SkBuff| {
            let raw = skb.into_raw().as_ptr();

            // SAFETY: The NAPI is paused, and the packet is on no list. It belongs to the device
            // and has no header.
            unsafe {
                let gro = &raw mut (*napi.core.as_raw()).gro;

                bindings::skb_set_ethertype(raw, ETHERTYPE.to_be());
                bindings::skb_set_dev(raw, device.as_raw());
                let list = &raw mut (*raw).__bindgen_anon_1.list;
                let head = &raw mut (*gro).rx_list;
                (*list).next = head;
                (*list).prev = head;
                (*head).next = list;
                (*head).prev = list;
                (*gro).rx_count = 1;
            }
        };
        let held = napi.with_paused(|_, _| packet().map(hold));
        let last = eventually(|| polled.load(Relaxed) == 4);
        napi.disable();

        // SAFETY: It was added above.
        unsafe { bindings::dev_remove_pack(packets.get()) };

        assert_eq!(held, Ok(()));
        assert!(before && during && after && last);
        assert_eq!(polls.load(Relaxed), 4);
        assert_eq!((none, one, count.load(Relaxed)), (0, 1, 1));
        Ok(())
    }

    #[test]
    fn only_existing_queues_can_be_linked() -> Result {
        let parent = Parent::new()?;
        let (napi, _) = napi(&parent, 1)?;
        let rtnl = rtnl::lock();

        assert_eq!(napi.link_queues(Some(1), None, &rtnl), Err(EINVAL));
        assert_eq!(napi.link_queues(None, Some(1), &rtnl), Err(EINVAL));
        assert_eq!(napi.link_queues(Some(0), Some(0), &rtnl), Ok(()));
        assert_eq!(napi.link_queues(Some(0), None, &rtnl), Ok(()));
        napi.unlink_queues(&rtnl);
        napi.unlink_queues(&rtnl);
        Ok(())
    }
}
