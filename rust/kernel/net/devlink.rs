// SPDX-License-Identifier: GPL-2.0

//! Devlink instances of network devices, and their health reporters.
//!
//! By devlink a driver tells of a device what is not a matter of its network interface: what it is,
//! and how it fares. A health reporter stands for a kind of fault. Whoever finds one calls
//! [`Devlink::report()`]; devlink counts it, has the driver write a dump of what it finds, and has
//! it recover. The user can choose that this is not done automatically, and do it by hand: see
//! `devlink health` in `devlink-health(8)`.
//!
//! A driver implements [`Operations`] for the type that implements [`Driver`], and creates a
//! [`Devlink`] for the device before that is registered.
//!
//! # Locks
//!
//! The lock of the devlink instance is outside the rtnl mutex, and so faults are reported by a work
//! item that holds neither: [`Devlink::report()`] only queues it. The callbacks hold both.
//!
//! C header: [`include/net/devlink.h`](srctree/include/net/devlink.h)
//!
//! # Examples
//!
//! A device that knows one fault:
//!
//! ```
//! use kernel::{
//!     fmt,
//!     net::{
//!         device::{
//!             Device,
//!             Driver,
//!             UnregisteredDevice, //
//!         },
//!         devlink::{
//!             Devlink,
//!             Object,
//!             Operations,
//!             Recovery, //
//!         },
//!         rtnl::Rtnl, //
//!     },
//!     prelude::*, //
//! };
//! # use kernel::net::{
//! #     device::Xmit,
//! #     queue::TxQueue,
//! #     skbuff::SkBuff, //
//! # };
//!
//! struct MyDriver;
//! struct MyData;
//! #
//! # #[vtable]
//! # impl Driver for MyDriver {
//! #     type Data<'a> = MyData;
//! #
//! #     fn open<'a>(_: &Device<Self>, _: Pin<&MyData>, _: &Rtnl) -> Result {
//! #         Ok(())
//! #     }
//! #
//! #     fn stop<'a>(_: &Device<Self>, _: Pin<&MyData>, _: &Rtnl) {}
//! #
//! #     fn start_xmit<'a>(
//! #         _: &Device<Self>,
//! #         _: Pin<&MyData>,
//! #         _: &mut TxQueue<'_>,
//! #         skb: SkBuff,
//! #     ) -> Xmit {
//! #         skb.consume_any();
//! #         Xmit::Sent
//! #     }
//! # }
//!
//! impl Operations for MyDriver {
//!     const REPORTERS: &'static [&'static CStr] = &[c"hw"];
//!
//!     fn describe(_reporter: usize, events: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         f.write_fmt(fmt!("causes {:#x}", events))
//!     }
//!
//!     fn recover<'a>(
//!         dev: &Device<Self>,
//!         _data: Pin<&MyData>,
//!         recovery: Recovery,
//!         _rtnl: &Rtnl,
//!     ) -> Result {
//!         kernel::netdev_warn!(dev, "reset for causes {:#x}\n", recovery.events);
//!         Ok(())
//!     }
//!
//!     fn dump<'a>(
//!         dev: &Device<Self>,
//!         _data: Pin<&MyData>,
//!         _reporter: usize,
//!         _events: Option<usize>,
//!         object: &mut Object<'_>,
//!         _rtnl: &Rtnl,
//!     ) {
//!         object.array(c"queues", |queues| {
//!             for queue in (0..dev.num_tx_queues()).filter_map(|index| dev.tx_queue(index)) {
//!                 queues.object(|object| object.pair(c"stopped", queue.is_stopped()));
//!             }
//!         });
//!     }
//! }
//!
//! fn probe<'a>(dev: &UnregisteredDevice<'a, MyDriver>) -> Result<&'a Devlink<MyDriver>> {
//!     Devlink::new(dev)
//! }
//! ```

use super::{
    device::{
        Device,
        Driver,
        UnregisteredDevice, //
    },
    rtnl::{
        self,
        Rtnl, //
    }, //
};
use crate::{
    bindings,
    container_of,
    device,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        static_lock_class, //
    },
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};

/// Bytes of a text, including the null byte at its end. What is longer is cut off.
const TEXT_SIZE: usize = 128;

/// Alignment of the private area of a devlink instance.
const PRIVATE_ALIGN: usize = 32;

/// A recovery to be carried out, see [`Operations::recover`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Index of the reporter.
    pub reporter: usize,
    /// All events of the reporter since the last recovery that succeeded; none if what was reported
    /// is over already.
    pub events: usize,
    /// The user has asked for it.
    pub on_demand: bool,
}

/// What a driver tells devlink.
///
/// The callbacks with an [`&Rtnl`](Rtnl) run in process context with the lock of the devlink
/// instance and the rtnl mutex held, while the device is registered.
pub trait Operations: Driver {
    /// The names of the health reporters. Elsewhere a reporter is known by its index.
    const REPORTERS: &'static [&'static CStr];

    /// Writes what `events` are, in a few words.
    fn describe(reporter: usize, events: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Recovers from the events of a reporter.
    ///
    /// After an error the reporter stays in error, and nothing is recovered automatically that is
    /// reported from then on. The driver may have that tried again by [`Devlink::retry()`].
    fn recover<'a>(
        dev: &Device<Self>,
        data: Pin<&Self::Data<'a>>,
        recovery: Recovery,
        rtnl: &Rtnl,
    ) -> Result;

    /// Nobody recovers from events that were just reported: the user does not want it, an earlier
    /// recovery has failed, or is too short a time ago.
    ///
    /// Called in process context without a lock.
    fn unattended(_dev: &Device<Self>, _reporter: usize, _events: usize) {}

    /// Writes what is to be kept for a later analysis.
    ///
    /// Called before the recovery of `events`, or, without events, for the user.
    fn dump<'a>(
        dev: &Device<Self>,
        data: Pin<&Self::Data<'a>>,
        reporter: usize,
        events: Option<usize>,
        object: &mut Object<'_>,
        rtnl: &Rtnl,
    );

    /// Writes the present state. There should be no effect on the device.
    fn diagnose<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _reporter: usize,
        _object: &mut Object<'_>,
        _rtnl: &Rtnl,
    ) {
    }

    /// Reports the versions of the device, for `devlink dev info`.
    fn info<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _info: &mut Info<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        Ok(())
    }
}

/// A text for the C side, which wants a null byte at the end.
struct Text {
    bytes: [u8; TEXT_SIZE],
    len: usize,
}

impl Text {
    fn new(args: fmt::Arguments<'_>) -> Self {
        let mut text = Self {
            bytes: [0; TEXT_SIZE],
            len: 0,
        };

        // Writing does not fail; an argument that does has written what it could.
        let _ = text.write_fmt(args);
        text
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        // The last byte stays 0.
        let room = self.bytes.iter_mut().take(TEXT_SIZE - 1).skip(self.len);

        for (to, from) in room.zip(s.bytes()) {
            *to = from;
            self.len = self.len.wrapping_add(1);
        }
        Ok(())
    }
}

impl core::ops::Deref for Text {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// A value that devlink messages can hold: [`bool`], [`u8`], [`u32`], [`u64`] and [`CStr`].
pub trait Value: private::Value {}

impl<T: private::Value> Value for T {}

mod private {
    use super::*;

    pub trait Value {
        /// Appends a pair.
        ///
        /// # Safety
        ///
        /// `fmsg` must be valid and nobody else's, and within an object.
        unsafe fn put(self, fmsg: *mut bindings::devlink_fmsg, name: &CStr);
    }

    macro_rules! values {
        ($($type:ty = $put:ident;)*) => {
            $(
                impl Value for $type {
                    unsafe fn put(self, fmsg: *mut bindings::devlink_fmsg, name: &CStr) {
                        // SAFETY: As required by this function. The name is copied.
                        unsafe { bindings::$put(fmsg, name.as_char_ptr(), self) };
                    }
                }
            )*
        };
    }

    values! {
        bool = devlink_fmsg_bool_pair_put;
        u8 = devlink_fmsg_u8_pair_put;
        u32 = devlink_fmsg_u32_pair_put;
        u64 = devlink_fmsg_u64_pair_put;
    }

    impl Value for &CStr {
        unsafe fn put(self, fmsg: *mut bindings::devlink_fmsg, name: &CStr) {
            // The C side keeps the length in 16 bits before it checks it.
            if self.to_bytes_with_nul().len() > usize::from(u16::MAX) {
                return;
            }

            // SAFETY: As required by this function. Both strings are copied; the value's length,
            // with the null byte, is one that C can keep.
            unsafe {
                bindings::devlink_fmsg_string_pair_put(fmsg, name.as_char_ptr(), self.as_char_ptr())
            };
        }
    }
}

/// An object in a message to the user: pairs of a name and a value.
///
/// Whatever does not get the memory that it needs spoils the whole message, but is no error here.
///
/// # Invariants
///
/// `fmsg` is valid and nobody else's for `'a`. It is within an object.
pub struct Object<'a> {
    fmsg: NonNull<bindings::devlink_fmsg>,
    _fmsg: PhantomData<&'a mut bindings::devlink_fmsg>,
}

impl Object<'_> {
    /// Appends a value. A string of 64 KiB and more is left out.
    pub fn pair(&mut self, name: &CStr, value: impl Value) {
        // SAFETY: By the type invariants.
        unsafe { value.put(self.fmsg.as_ptr(), name) };
    }

    /// Appends a text, of which 127 bytes are kept.
    pub fn text(&mut self, name: &CStr, args: fmt::Arguments<'_>) {
        self.pair(name, &*Text::new(args));
    }

    /// Appends an object, which `f` fills.
    pub fn object<R>(&mut self, name: &CStr, f: impl FnOnce(&mut Object<'_>) -> R) -> R {
        let fmsg = self.fmsg.as_ptr();

        // INVARIANT: The message is within an object until `f` returns, and nobody else's as `self`
        // is borrowed.
        //
        // SAFETY: By the type invariants. The name is copied.
        let mut object = unsafe {
            bindings::devlink_fmsg_pair_nest_start(fmsg, name.as_char_ptr());
            bindings::devlink_fmsg_obj_nest_start(fmsg);
            Object {
                fmsg: self.fmsg,
                _fmsg: PhantomData,
            }
        };
        let result = f(&mut object);

        // SAFETY: The object and the pair were started above; all that `f` has started it has
        // ended.
        unsafe {
            bindings::devlink_fmsg_obj_nest_end(fmsg);
            bindings::devlink_fmsg_pair_nest_end(fmsg);
        }
        result
    }

    /// Appends an array, which `f` fills.
    pub fn array<R>(&mut self, name: &CStr, f: impl FnOnce(&mut Array<'_>) -> R) -> R {
        let fmsg = self.fmsg.as_ptr();

        // SAFETY: By the type invariants. The name is copied.
        unsafe { bindings::devlink_fmsg_arr_pair_nest_start(fmsg, name.as_char_ptr()) };
        // INVARIANT: The message is within an array until `f` returns, and nobody else's as `self`
        // is borrowed.
        let result = f(&mut Array {
            fmsg: self.fmsg,
            _fmsg: PhantomData,
        });

        // SAFETY: The array was started above; all that `f` has started it has ended.
        unsafe { bindings::devlink_fmsg_arr_pair_nest_end(fmsg) };
        result
    }
}

/// An array in a message to the user.
///
/// # Invariants
///
/// `fmsg` is valid and nobody else's for `'a`. It is within an array.
pub struct Array<'a> {
    fmsg: NonNull<bindings::devlink_fmsg>,
    _fmsg: PhantomData<&'a mut bindings::devlink_fmsg>,
}

impl Array<'_> {
    /// Appends a number.
    pub fn number(&mut self, value: u32) {
        // SAFETY: By the type invariants.
        unsafe { bindings::devlink_fmsg_u32_put(self.fmsg.as_ptr(), value) };
    }

    /// Appends a text, of which 127 bytes are kept.
    pub fn text(&mut self, args: fmt::Arguments<'_>) {
        // SAFETY: By the type invariants. The string is copied.
        unsafe {
            bindings::devlink_fmsg_string_put(self.fmsg.as_ptr(), Text::new(args).as_char_ptr())
        };
    }

    /// Appends an object, which `f` fills.
    pub fn object<R>(&mut self, f: impl FnOnce(&mut Object<'_>) -> R) -> R {
        let fmsg = self.fmsg.as_ptr();

        // SAFETY: By the type invariants.
        unsafe { bindings::devlink_fmsg_obj_nest_start(fmsg) };
        // INVARIANT: The message is within an object until `f` returns, and nobody else's as `self`
        // is borrowed.
        let result = f(&mut Object {
            fmsg: self.fmsg,
            _fmsg: PhantomData,
        });

        // SAFETY: The object was started above; all that `f` has started it has ended.
        unsafe { bindings::devlink_fmsg_obj_nest_end(fmsg) };
        result
    }
}

/// Takes the versions of a device.
///
/// # Invariants
///
/// `request` is valid and nobody else's for `'a`.
pub struct Info<'a> {
    request: NonNull<bindings::devlink_info_req>,
    _request: PhantomData<&'a mut bindings::devlink_info_req>,
}

impl Info<'_> {
    /// Adds a version that cannot be changed, as that of the hardware. Common names are in
    /// `Documentation/networking/devlink/devlink-info.rst`.
    ///
    /// The error is for the caller of the callback.
    pub fn fixed(&mut self, name: &CStr, version: fmt::Arguments<'_>) -> Result {
        // SAFETY: By the type invariants; both strings are copied.
        to_result(unsafe {
            bindings::devlink_info_version_fixed_put(
                self.request.as_ptr(),
                name.as_char_ptr(),
                Text::new(version).as_char_ptr(),
            )
        })
    }
}

/// Displays events of a reporter.
struct Description<T>(usize, usize, PhantomData<T>);

impl<T: Operations> fmt::Display for Description<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::describe(self.0, self.1, f)
    }
}

/// A reporter of a [`Devlink`].
///
/// # Invariants
///
/// `devlink` points to what this is a part of. `reporter` is null during its creation; afterwards
/// it is that of `ops`, with a pointer to this as its private data.
struct Slot<T: Operations> {
    ops: bindings::devlink_health_reporter_ops,
    reporter: *mut bindings::devlink_health_reporter,
    devlink: *const Devlink<T>,
    index: usize,
    /// What devlink was not told yet.
    pending: Atomic<usize>,
    /// What it was told and nobody has recovered from.
    open: Atomic<usize>,
    /// What of it is over, although nobody was asked to recover from it.
    over: Atomic<usize>,
    /// Somebody has tried to recover from what devlink was told last.
    attended: Atomic<bool>,
    /// A recovery is to be tried again.
    retry: Atomic<bool>,
}

impl<T: Operations> Slot<T> {
    /// Calls `f` with the data of the driver, unless there is none yet, or any more.
    ///
    /// The lock of the devlink instance may be held, but not the rtnl mutex.
    fn with_data<R>(
        &self,
        f: impl for<'b> FnOnce(&Device<T>, Pin<&T::Data<'b>>, &Rtnl) -> R,
    ) -> Result<R> {
        // SAFETY: By the type invariants.
        let dev = unsafe { &*self.devlink }.device();
        let rtnl = rtnl::lock();

        dev.with_registered(&rtnl, |dev, data| f(dev, data, &rtnl))
            .ok_or(ENODEV)
    }

    /// The lock of the devlink instance must be held, the rtnl mutex must not.
    fn recover(&self, on_demand: bool) -> Result {
        self.attended.store(true, Relaxed);

        let events = self.open.xchg(0, Relaxed);
        let recovery = Recovery {
            reporter: self.index,
            events,
            on_demand,
        };
        let result = self.with_data(|dev, data, rtnl| T::recover(dev, data, recovery, rtnl));

        result.and_then(|result| result).inspect_err(|_| {
            insert(&self.open, events);
        })
    }
}

/// Adds `bits` to `set`.
fn insert(set: &Atomic<usize>, bits: usize) {
    let mut old = set.load(Relaxed);

    // What was over before something else is reported is also seen before.
    while let Err(now) = set.cmpxchg(old, old | bits, Full) {
        old = now;
    }
}

/// Removes `bits` from `set`.
fn remove(set: &Atomic<usize>, bits: usize) {
    let mut old = set.load(Relaxed);

    while let Err(now) = set.cmpxchg(old, old & !bits, Relaxed) {
        old = now;
    }
}

/// A devlink instance, registered.
///
/// It is a managed resource of the parent of the network device: it is unregistered when the parent
/// was unbound, and so a plain `&'a Devlink<T>` may be stored in [`Driver::Data`], as one to the
/// [`Device`].
///
/// # Invariants
///
/// - This is the private area of the instance `raw`, whose operations are those of `T`.
/// - `dev` is the network device that it was created for; it is valid for as long as this is.
/// - `work` is initialized.
/// - The reporters of `slots` exist, and the vector does not change.
/// - The instance is registered from the end of [`Devlink::new()`] on, until `work` is disabled.
pub struct Devlink<T: Operations> {
    raw: *mut bindings::devlink,
    dev: NonNull<Device<T>>,
    work: Opaque<bindings::work_struct>,
    slots: KVec<Slot<T>>,
}

// SAFETY: A devlink instance is not bound to a task or CPU; there is no owned data of the driver in
// it.
unsafe impl<T: Operations> Send for Devlink<T> {}

// SAFETY: What changes is atomic. All else is done by the work, which does not run twice at the
// same time, and by callbacks under the lock of the devlink instance.
unsafe impl<T: Operations> Sync for Devlink<T> {}

impl<T: Operations> Devlink<T> {
    /// Creates and registers the devlink instance of the parent of `dev`.
    ///
    /// There should be one only. Its callbacks begin when `dev` is registered. Must not be called
    /// with the rtnl mutex held.
    pub fn new<'a>(dev: &UnregisteredDevice<'a, T>) -> Result<&'a Self> {
        let dev = dev.device();
        let parent: &device::Device = dev.as_ref();

        const_assert!(
            align_of::<Self>() <= PRIVATE_ALIGN,
            "the private area is aligned to a cache line"
        );

        // SAFETY: The operations are a constant. The parent is bound: it has a driver and a bus.
        let raw = unsafe {
            bindings::devlink_alloc_ns(
                &Adapter::<T>::OPS,
                size_of::<Self>(),
                &raw mut bindings::init_net,
                parent.as_raw(),
            )
        };
        if raw.is_null() {
            return Err(ENOMEM);
        }

        // SAFETY: The instance is valid.
        let this = unsafe { bindings::devlink_priv(raw) }.cast::<Self>();

        // SAFETY: The private area has the size and the alignment of a `Self`, and is not used by
        // anyone else.
        unsafe {
            this.write(Self {
                raw,
                dev: NonNull::from(dev),
                work: Opaque::uninit(),
                slots: KVec::new(),
            });
            bindings::init_work_with_key(
                Opaque::cast_into(&raw const (*this).work),
                Some(Adapter::<T>::work),
                false,
                c"devlink_report".as_char_ptr(),
                static_lock_class!().as_ptr(),
            );
        }

        // SAFETY: It is initialized, and not registered.
        if let Err(e) = unsafe { Self::create_reporters(this) } {
            // SAFETY: As above.
            unsafe { Self::free(this) };
            return Err(e);
        }

        // The device was allocated before, hence is freed after this is released.
        //
        // SAFETY: The parent is bound: nothing is released before this returns.
        let ret = unsafe {
            bindings::devm_add_action(parent.as_raw(), Some(Adapter::<T>::release), this.cast())
        };
        if let Err(e) = to_result(ret) {
            // SAFETY: It is initialized and not registered, and nobody else knows it.
            unsafe { Self::free(this) };
            return Err(e);
        }

        // INVARIANT: The reporters were created above.
        //
        // SAFETY: The instance is valid, and not registered.
        unsafe { bindings::devlink_register(raw) };

        // SAFETY: It is released when the parent is unbound, after `'a`.
        Ok(unsafe { &*this })
    }

    /// # Safety
    ///
    /// `this` must be initialized, without reporters, not registered and nobody else's.
    unsafe fn create_reporters(this: *mut Self) -> Result {
        let mut slots = KVec::with_capacity(T::REPORTERS.len(), GFP_KERNEL)?;

        for (index, name) in T::REPORTERS.iter().enumerate() {
            // INVARIANT: `reporter` is null.
            let slot = Slot {
                ops: bindings::devlink_health_reporter_ops {
                    // Not written to.
                    name: name.as_char_ptr().cast_mut(),
                    recover: Some(Adapter::<T>::recover),
                    dump: Some(Adapter::<T>::dump),
                    diagnose: Some(Adapter::<T>::diagnose),
                    ..pin_init::zeroed()
                },
                reporter: ptr::null_mut(),
                devlink: this,
                index,
                pending: Atomic::new(0),
                open: Atomic::new(0),
                over: Atomic::new(0),
                attended: Atomic::new(false),
                retry: Atomic::new(false),
            };

            slots.push(slot, GFP_KERNEL)?;
        }

        // SAFETY: Required from the caller.
        let this = unsafe { &mut *this };
        let raw = this.raw;

        // The vector does not grow from here on.
        this.slots = slots;
        for slot in this.slots.iter_mut() {
            let slot = ptr::from_mut(slot);

            // INVARIANT: The operations and the private data are those of this slot.
            //
            // SAFETY: The instance is valid; the operations are so until the reporter is destroyed.
            unsafe {
                (*slot).reporter = from_err_ptr(bindings::devlink_health_reporter_create(
                    raw,
                    &raw const (*slot).ops,
                    slot.cast(),
                ))?;
            }
        }
        Ok(())
    }

    /// # Safety
    ///
    /// `this` must be initialized and not registered, its work must not run, and it must not be
    /// used any more.
    unsafe fn free(this: *mut Self) {
        // SAFETY: Required from the caller.
        let Self { raw, ref slots, .. } = *unsafe { &*this };

        for slot in slots.iter().filter(|slot| !slot.reporter.is_null()) {
            // SAFETY: By the type invariants the reporter exists.
            unsafe { bindings::devlink_health_reporter_destroy(slot.reporter) };
        }

        // SAFETY: Nobody uses it any more, as the reporters are gone.
        unsafe { ptr::drop_in_place(this) };
        // SAFETY: Required from the caller. Nothing belongs to the instance any more.
        unsafe { bindings::devlink_free(raw) };
    }

    fn device(&self) -> &Device<T> {
        // SAFETY: By the type invariants.
        unsafe { self.dev.as_ref() }
    }

    /// Reports `events`, a set of bits that is not empty, by a reporter.
    ///
    /// This only makes a note of it: soon devlink is told, in process context, once for all events
    /// since the last time, and of each once until it is over. It has the driver write a
    /// [dump](Operations::dump) and [recover](Operations::recover), unless the user has decided
    /// otherwise. May be called in any context but NMI. A reporter that does not exist reports
    /// nothing.
    pub fn report(&self, reporter: usize, events: usize) {
        if let Some(slot) = self.slots.get(reporter) {
            insert(&slot.pending, events);
            self.queue();
        }
    }

    /// Has [`Operations::recover`] called soon, if a recovery from what a reporter had reported was
    /// tried and has failed, also one on demand. May be called in any context but NMI.
    pub fn retry(&self, reporter: usize) {
        if let Some(slot) = self.slots.get(reporter) {
            slot.retry.store(true, Relaxed);
            self.queue();
        }
    }

    /// Takes back those of `events` that were reported and devlink was not told yet. May be called
    /// in any context but NMI.
    pub fn withdraw(&self, reporter: usize, events: usize) {
        if let Some(slot) = self.slots.get(reporter) {
            remove(&slot.pending, events);
        }
    }

    /// Tells that those of `events` that devlink was told are over, without a recovery that was
    /// asked for. A reporter without others soon is healthy again. May be called in any context but
    /// NMI.
    pub fn over(&self, reporter: usize, events: usize) {
        if let Some(slot) = self.slots.get(reporter) {
            insert(&slot.over, events);
            self.queue();
        }
    }

    fn queue(&self) {
        // SAFETY: By the type invariants the work is initialized; it is valid as long as `self`. It
        // is refused when it is disabled. The work queue is always there.
        unsafe {
            bindings::queue_work_on(
                // CAST: A small constant.
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_dfl_long_wq,
                self.work.get(),
            )
        };
    }

    /// Calls `f` with the lock of the devlink instance held.
    fn locked(&self, f: impl FnOnce()) {
        // SAFETY: By the type invariants the instance is valid.
        unsafe { bindings::devl_lock(self.raw) };
        f();
        // SAFETY: It was locked above.
        unsafe { bindings::devl_unlock(self.raw) };
    }

    /// Ends what is over.
    fn settle(&self, slot: &Slot<T>) {
        let over = slot.over.xchg(0, Full);

        if over != 0 {
            self.locked(|| end(slot, over));
        }
    }

    /// Tells devlink what is new.
    ///
    /// Called by the work only, while the instance is registered.
    fn attend(&self) {
        for slot in self.slots.iter() {
            self.settle(slot);

            if slot.retry.xchg(false, Relaxed) {
                self.locked(|| {
                    if slot.open.load(Relaxed) != 0 && slot.recover(false).is_ok() {
                        // SAFETY: By the type invariants the reporter exists.
                        unsafe { bindings::devlink_health_reporter_recovery_done(slot.reporter) };
                        healthy(slot);
                    }
                });
            }

            if slot.pending.load(Relaxed) == 0 {
                continue;
            }
            let mut events = 0;
            // A recovery on demand has taken what is open: with the lock it is waited for.
            self.locked(|| {
                events = slot.pending.xchg(0, Full);
                // What was over before these were reported must not end them.
                end(slot, slot.over.xchg(0, Full));
                // What devlink knows is no news.
                events &= !slot.open.load(Relaxed);
                insert(&slot.open, events);
                slot.attended.store(false, Relaxed);
            });
            if events == 0 {
                continue;
            }

            let description = Description::<T>(slot.index, events, PhantomData);
            let text = Text::new(fmt!("{}", description));
            // Its result tells nothing that the callbacks do not know.
            //
            // SAFETY: By the type invariants the reporter exists, and the instance is registered.
            // The callbacks expect a `usize`.
            unsafe {
                bindings::devlink_health_report(
                    slot.reporter,
                    text.as_char_ptr(),
                    (&raw mut events).cast(),
                )
            };
            // A recovery on demand may have come before devlink was told.
            self.locked(|| healthy(slot));
            if !slot.attended.load(Relaxed) {
                T::unattended(self.device(), slot.index, events);
            }
        }
    }
}

/// The reporter is healthy again, unless something is open.
///
/// Called by the work only, while the instance is registered, with its lock held.
fn healthy<T: Operations>(slot: &Slot<T>) {
    if slot.open.load(Relaxed) != 0 {
        return;
    }

    // SAFETY: By the type invariants the reporter exists.
    unsafe {
        bindings::devlink_health_reporter_state_update(
            slot.reporter,
            bindings::devlink_health_reporter_state_DEVLINK_HEALTH_REPORTER_STATE_HEALTHY,
        )
    };
}

/// Ends `over` of the events that are open. With the lock of devlink.
fn end<T: Operations>(slot: &Slot<T>, over: usize) {
    remove(&slot.open, over);
    healthy(slot);
}

/// The C callbacks of a driver.
struct Adapter<T: Operations>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const OPS: bindings::devlink_ops = bindings::devlink_ops {
        info_get: Some(Self::info_get),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `this` must be a registered `Devlink<T>`, which nobody uses but its work and devlink.
    unsafe extern "C" fn release(this: *mut c_void) {
        let this = this.cast::<Devlink<T>>();

        {
            // SAFETY: By the safety requirements.
            let devlink = unsafe { &*this };

            // SAFETY: The work is initialized. We may sleep, and nobody who waits for us holds a
            // lock that the work needs.
            unsafe { bindings::disable_work_sync(devlink.work.get()) };
            // SAFETY: It is registered. This waits for callbacks that run, and lets none begin.
            unsafe { bindings::devlink_unregister(devlink.raw) };
        }
        // SAFETY: The work is disabled and the instance unregistered, and by the safety
        // requirements nobody else uses it.
        unsafe { Devlink::free(this) };
    }

    /// # Safety
    ///
    /// `work` must be that of a `Devlink<T>`, and enabled.
    unsafe extern "C" fn work(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirements. Disabling the work waits for us.
        let devlink = unsafe { &*container_of!(Opaque::cast_from(work), Devlink<T>, work) };

        devlink.attend();
    }

    /// # Safety
    ///
    /// `reporter` must be one of a `Devlink<T>` that exists for `'b`.
    unsafe fn slot<'b>(reporter: *mut bindings::devlink_health_reporter) -> &'b Slot<T> {
        // SAFETY: By the safety requirements its private data is a slot, of which there are only
        // shared references.
        unsafe { &*bindings::devlink_health_reporter_priv(reporter).cast() }
    }

    /// # Safety
    ///
    /// Only to be called by devlink, as `devlink_health_reporter_ops::recover`.
    unsafe extern "C" fn recover(
        reporter: *mut bindings::devlink_health_reporter,
        context: *mut c_void,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A reporter is destroyed after the instance was unregistered, which waits.
            let slot = unsafe { Self::slot(reporter) };

            slot.recover(context.is_null())?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by devlink, as `devlink_health_reporter_ops::dump`.
    unsafe extern "C" fn dump(
        reporter: *mut bindings::devlink_health_reporter,
        fmsg: *mut bindings::devlink_fmsg,
        context: *mut c_void,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `recover()`.
            let slot = unsafe { Self::slot(reporter) };
            // SAFETY: The context is null, or that of `Devlink::attend()`.
            let events = unsafe { context.cast::<usize>().as_ref() }.copied();
            // INVARIANT: Devlink has started an object in a message for us.
            let mut object = Object {
                fmsg: NonNull::new(fmsg).ok_or(EINVAL)?,
                _fmsg: PhantomData,
            };

            slot.with_data(|dev, data, rtnl| {
                T::dump(dev, data, slot.index, events, &mut object, rtnl);
            })?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by devlink, as `devlink_health_reporter_ops::diagnose`.
    unsafe extern "C" fn diagnose(
        reporter: *mut bindings::devlink_health_reporter,
        fmsg: *mut bindings::devlink_fmsg,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `recover()`.
            let slot = unsafe { Self::slot(reporter) };
            // INVARIANT: Devlink has started an object in a message for us.
            let mut object = Object {
                fmsg: NonNull::new(fmsg).ok_or(EINVAL)?,
                _fmsg: PhantomData,
            };

            slot.with_data(|dev, data, rtnl| {
                T::diagnose(dev, data, slot.index, &mut object, rtnl);
            })?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by devlink, as `devlink_ops::info_get`.
    unsafe extern "C" fn info_get(
        devlink: *mut bindings::devlink,
        request: *mut bindings::devlink_info_req,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The instance is registered, and its operations are those of `T`.
            let devlink = unsafe { &*bindings::devlink_priv(devlink).cast::<Devlink<T>>() };
            // INVARIANT: The request is ours during the call.
            let mut info = Info {
                request: NonNull::new(request).ok_or(EINVAL)?,
                _request: PhantomData,
            };
            let rtnl = rtnl::lock();

            // A device without data has no versions.
            devlink
                .device()
                .with_registered(&rtnl, |dev, data| T::info(dev, data, &mut info, &rtnl))
                .unwrap_or(Ok(()))?;
            Ok(0)
        })
    }
}

#[cfg(CONFIG_RUST_NETDEV_KUNIT_TEST)]
#[kunit_tests(rust_net_devlink)]
mod tests {
    use super::*;
    use crate::{
        faux,
        net::{
            device::{
                Registration,
                Xmit, //
            },
            napi::testing::eventually,
            queue::TxQueue,
            skbuff::SkBuff, //
        },
    };

    struct Probe;

    /// What the callbacks were called with.
    struct Seen {
        recovered: Atomic<usize>,
        recoveries: Atomic<u32>,
        refused: Atomic<u32>,
        dumped: Atomic<usize>,
        dumps: Atomic<u32>,
        refuse: Atomic<bool>,
    }

    impl Seen {
        fn new() -> Self {
            Self {
                recovered: Atomic::new(0),
                recoveries: Atomic::new(0),
                refused: Atomic::new(0),
                dumped: Atomic::new(0),
                dumps: Atomic::new(0),
                refuse: Atomic::new(false),
            }
        }
    }

    #[vtable]
    impl Driver for Probe {
        type Data<'a> = &'a Seen;

        fn open<'a>(_dev: &Device<Self>, _data: Pin<&&'a Seen>, _rtnl: &Rtnl) -> Result {
            Ok(())
        }

        fn stop<'a>(_dev: &Device<Self>, _data: Pin<&&'a Seen>, _rtnl: &Rtnl) {}

        fn start_xmit<'a>(
            _dev: &Device<Self>,
            _data: Pin<&&'a Seen>,
            _queue: &mut TxQueue<'_>,
            skb: SkBuff,
        ) -> Xmit {
            skb.consume_any();
            Xmit::Sent
        }
    }

    impl Operations for Probe {
        const REPORTERS: &'static [&'static CStr] = &[c"first", c"second"];

        fn describe(reporter: usize, events: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_fmt(fmt!("{}: {:#x}", reporter, events))
        }

        fn recover<'a>(
            _dev: &Device<Self>,
            seen: Pin<&&'a Seen>,
            recovery: Recovery,
            _rtnl: &Rtnl,
        ) -> Result {
            // Not by an assertion: this does not run in the test's task.
            if recovery.on_demand || recovery.reporter != 1 {
                return Err(EINVAL);
            }
            if seen.refuse.load(Relaxed) {
                seen.refused.fetch_add(1, Relaxed);
                return Err(EAGAIN);
            }
            seen.recovered.store(recovery.events, Relaxed);
            seen.recoveries.fetch_add(1, Relaxed);
            Ok(())
        }

        fn dump<'a>(
            _dev: &Device<Self>,
            seen: Pin<&&'a Seen>,
            reporter: usize,
            events: Option<usize>,
            object: &mut Object<'_>,
            _rtnl: &Rtnl,
        ) {
            object.pair(c"number", 1u64);
            object.object(c"object", |object| object.pair(c"text", c"value"));
            object.array(c"array", |array| {
                array.number(1);
                array.object(|object| object.text(c"reporter", fmt!("{}", reporter)));
                array.text(fmt!("{}", 2));
            });
            seen.dumped.store(events.unwrap_or(0), Relaxed);
            seen.dumps.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn texts_are_cut_off() {
        let text = Text::new(fmt!("{}-{}", 1, "a"));
        assert_eq!(text.to_bytes(), &b"1-a"[..]);
        let text = Text::new(fmt!("{}", ""));
        assert!(text.to_bytes().is_empty());
        let text = Text::new(fmt!("{:>100}{:>100}", 1, 2));
        assert_eq!(text.to_bytes().len(), TEXT_SIZE - 1);
        let text = Text::new(fmt!("{}", "a\0b"));
        assert_eq!(text.to_bytes(), &b"a"[..]);
    }

    #[test]
    fn events_add_up() {
        let set = Atomic::new(1);

        insert(&set, 6);
        insert(&set, 2);
        assert_eq!(set.load(Relaxed), 7);
        remove(&set, 10);
        assert_eq!(set.load(Relaxed), 5);
    }

    #[test]
    fn faults_are_seen_to() -> Result {
        let seen = Seen::new();
        let faux = faux::Registration::new(c"rust_net_devlink", None)?;
        let dev = UnregisteredDevice::<Probe>::new(faux.as_ref().as_ref(), 1, 1)?;
        let devlink = Devlink::new(&dev)?;
        let recoveries = || seen.recoveries.load(Relaxed);

        let slot = devlink.slots.get(1).ok_or(ENODEV)?;
        insert(&slot.pending, 12);
        devlink.withdraw(1, 12);
        assert_eq!(slot.pending.load(Relaxed), 0);
        // There is no such reporter.
        devlink.report(2, 4);

        // SAFETY: It is dropped below; if an assertion fails before, everything is leaked,
        // including the device that it borrows.
        let reg = unsafe { Registration::new(dev, Ok::<_, Error>(&seen)) }?;

        devlink.report(1, 3);
        assert!(eventually(|| recoveries() == 1));
        assert_eq!(seen.recovered.load(Relaxed), 3);
        assert_eq!(seen.dumped.load(Relaxed), 3);

        // Without a recovery that failed there is nothing to try again.
        devlink.retry(1);
        // What could not be mended is not forgotten, and what comes on top of it is not tried by
        // itself.
        seen.refuse.store(true, Relaxed);
        devlink.report(1, 4);
        assert!(eventually(|| seen.refused.load(Relaxed) == 1));
        devlink.report(1, 8);
        assert!(eventually(|| slot.open.load(Relaxed) == 12));
        assert_eq!(recoveries(), 1);
        seen.refuse.store(false, Relaxed);
        devlink.retry(1);
        assert!(eventually(|| recoveries() == 2));
        assert_eq!(seen.recovered.load(Relaxed), 12);

        // It is healthy again: the next one is seen to.
        devlink.report(1, 16);
        assert!(eventually(|| recoveries() == 3));
        assert_eq!(seen.recovered.load(Relaxed), 16);

        // What is over need not be mended.
        seen.refuse.store(true, Relaxed);
        devlink.report(1, 32 | 64);
        assert!(eventually(|| seen.refused.load(Relaxed) == 2));
        devlink.over(1, 32);
        assert!(eventually(|| slot.open.load(Relaxed) == 64));
        devlink.over(1, usize::MAX);
        seen.refuse.store(false, Relaxed);
        devlink.retry(1);
        devlink.report(1, 128);
        assert!(eventually(|| recoveries() == 4));
        assert_eq!(seen.recovered.load(Relaxed), 128);

        // The first dump is kept for the user.
        assert_eq!(seen.dumps.load(Relaxed), 1);

        drop(reg);
        // Nobody is left.
        devlink.report(1, 1);
        Ok(())
    }
}
