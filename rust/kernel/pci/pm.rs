// SPDX-License-Identifier: GPL-2.0

//! Power management of PCI devices.
//!
//! The PCI core saves and restores the configuration space, changes the power state, and has the
//! device signal wake-up events if [that is wanted](crate::device::Device::set_wakeup_enable). What
//! is left to a driver is to bring its device to rest before, and to set it up again afterwards.
//!
//! A driver may also have its device sleep while the system does not: whenever nobody holds an
//! [`ActiveGuard`](crate::device::ActiveGuard) and the user, who is asked first, allows it
//! (`power/control` in sysfs).
//!
//! C header: [`include/linux/pm.h`](srctree/include/linux/pm.h)
//!
//! # Examples
//!
//! ```
//! # use kernel::{device::{Bound, Core}, pci, prelude::*};
//! # struct MyDriver;
//! # kernel::pci_device_table!(
//! #     PCI_TABLE,
//! #     <MyDriver as pci::Driver>::IdInfo,
//! #     [(pci::DeviceId::from_id(pci::Vendor::REDHAT, 0), ())]
//! # );
//! impl pci::Driver for MyDriver {
//!     type IdInfo = ();
//!     type Data<'bound> = Self;
//!     const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;
//!     const PM_OPS: pci::PmOps<Self> = pci::PmOps::SYSTEM_SLEEP_AND_RUNTIME;
//!
//!     fn probe<'bound>(
//!         _pdev: &'bound pci::Device<Core<'_>>,
//!         _id_info: Option<&'bound Self::IdInfo>,
//!     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
//!         Err(ENODEV)
//!     }
//! }
//!
//! impl pci::SystemSleep for MyDriver {
//!     fn suspend<'bound>(pdev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self>) -> Result {
//!         dev_dbg!(pdev, "good night\n");
//!         Ok(())
//!     }
//!
//!     fn resume<'bound>(pdev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self>) -> Result {
//!         dev_dbg!(pdev, "good morning\n");
//!         Ok(())
//!     }
//! }
//!
//! impl pci::RuntimePm for MyDriver {
//!     const AUTOSUSPEND_DELAY: c_int = 100;
//!
//!     fn runtime_suspend<'bound>(pdev: &'bound pci::Device<Bound>, _this: Pin<&Self>) -> Result {
//!         dev_dbg!(pdev, "nobody needs me\n");
//!         Ok(())
//!     }
//!
//!     fn runtime_resume<'bound>(pdev: &'bound pci::Device<Bound>, _this: Pin<&Self>) {
//!         dev_dbg!(pdev, "somebody does\n");
//!     }
//! }
//!
//! /// Keeps the device awake while `f` uses it.
//! fn with_registers(pdev: &pci::Device<Bound>, f: impl FnOnce()) -> Result {
//!     let _awake = pdev.as_ref().runtime_get()?;
//!
//!     f();
//!     Ok(())
//! }
//! ```

use super::{
    Adapter,
    Device,
    Driver, //
};
use crate::{
    bindings,
    device::{
        self,
        AsBusDevice, //
    },
    error::{
        from_result,
        to_result, //
    },
    ffi::c_int,
    prelude::*, //
};
use core::marker::PhantomData;

/// What a driver does when the system goes to sleep and wakes up.
///
/// Both functions are called while the device is bound, with userspace and what is freezable
/// frozen, and may sleep. They serve hibernation as well: before the image is made and when it is
/// written, [`suspend`](Self::suspend) is called, after that and after it was restored
/// [`resume`](Self::resume).
pub trait SystemSleep: Driver {
    /// Brings the device to rest: it does not interrupt, access memory or need its registers any
    /// more until it is resumed.
    ///
    /// The device works, its children are suspended. An error keeps the system from going to
    /// sleep; the device is not resumed then.
    fn suspend<'bound>(
        dev: &'bound Device<device::Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result;

    /// Sets the device up again. It is in D0 with its configuration space restored; what else it
    /// was told is lost, or not.
    ///
    /// The device may not have been suspended by this driver.
    fn resume<'bound>(
        dev: &'bound Device<device::Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result;
}

/// What a driver does when nobody needs its device any more, and before it is needed again.
///
/// Both functions are called while the device is bound, never at the same time, and may sleep. The
/// device lock is not held: the system may run, but what holds an
/// [`ActiveGuard`](crate::device::ActiveGuard) does not while the first is called and until the
/// second has returned. They must not create one themselves, nor wait for anybody who does.
pub trait RuntimePm: Driver {
    /// How long nobody has to have needed the device, in milliseconds; the user may change it
    /// (`power/autosuspend_delay_ms` in sysfs).
    const AUTOSUSPEND_DELAY: c_int;

    /// Brings the device to rest, see [`SystemSleep::suspend`].
    ///
    /// An error keeps it awake until the next occasion.
    fn runtime_suspend<'bound>(
        dev: &'bound Device<device::Bound>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result;

    /// Sets the device up again, see [`SystemSleep::resume`]. What fails has to show when the
    /// device is used.
    fn runtime_resume<'bound>(dev: &'bound Device<device::Bound>, this: Pin<&Self::Data<'bound>>);
}

impl<T: Driver> Adapter<T> {
    /// The operations as the PCI core wants them.
    pub(super) const PM_OPS: &'static Option<bindings::dev_pm_ops> = &T::PM_OPS.0;

    /// To be called before probing: no callback is called until [`Self::bound`].
    ///
    /// `EBUSY` if the device sleeps because the bridge above it does not wake up.
    pub(super) fn bind(dev: &Device<device::CoreInternal<'_>>) -> Result {
        match T::PM_OPS.1 {
            Some(_) => Self::hold(dev),
            None => Ok(()),
        }
    }

    /// To be called once probing has succeeded: gives up what the PCI core keeps the device awake
    /// by, as the callbacks can be called from now on.
    pub(super) fn bound(dev: &Device<device::CoreInternal<'_>>) {
        if let Some(delay) = T::PM_OPS.1 {
            let dev = dev.as_ref().as_raw();

            // SAFETY: The device is valid, and the PCI core has incremented its usage counter
            // before it called the driver.
            unsafe {
                bindings::pm_runtime_set_autosuspend_delay(dev, delay);
                bindings::__pm_runtime_use_autosuspend(dev, true);
                bindings::pm_runtime_put_noidle(dev);
            }
        }
    }

    /// To be called before unbinding: gives back what the PCI core keeps the device awake by, and
    /// ends the callbacks.
    pub(super) fn unbind(dev: &Device<device::CoreInternal<'_>>) {
        if T::PM_OPS.1.is_some() {
            // SAFETY: The device is valid.
            unsafe {
                bindings::pm_runtime_get_noresume(dev.as_ref().as_raw());
                bindings::__pm_runtime_use_autosuspend(dev.as_ref().as_raw(), false);
            }
            if Self::hold(dev).is_err() {
                // SAFETY: As above. With runtime power management disabled no callback is called
                // either; that it stays so is the least of the troubles of a dead bus.
                unsafe { bindings::pm_runtime_disable(dev.as_ref().as_raw()) };
            }
        }
    }

    /// Waits for the callbacks. None is called any more while the usage counter is not zero: the
    /// PCI core has tried to wake the device, and if that has failed, it counts as awake all the
    /// same, or nobody would know whether somebody else tries again.
    fn hold(dev: &Device<device::CoreInternal<'_>>) -> Result {
        let dev = dev.as_ref().as_raw();

        // SAFETY: The device is valid, and the PCI core has enabled its runtime power management.
        unsafe {
            bindings::pm_runtime_disable(dev);
            let result = to_result(bindings::pm_runtime_set_active(dev));
            bindings::pm_runtime_enable(dev);
            result
        }
    }
}

/// The power management operations of the driver `T`, for [`Driver::PM_OPS`].
///
/// The number is [`RuntimePm::AUTOSUSPEND_DELAY`], if the driver has that.
pub struct PmOps<T: Driver + ?Sized>(
    Option<bindings::dev_pm_ops>,
    Option<c_int>,
    PhantomData<fn(&T)>,
);

impl<T: Driver + ?Sized> PmOps<T> {
    /// None: the PCI core does all that is done.
    pub const NONE: Self = Self(None, None, PhantomData);
}

impl<T: SystemSleep> PmOps<T> {
    /// Those of a driver that implements [`SystemSleep`].
    pub const SYSTEM_SLEEP: Self = Self(Some(Self::SLEEP_OPS), None, PhantomData);

    const SLEEP_OPS: bindings::dev_pm_ops = bindings::dev_pm_ops {
        suspend: Some(Self::suspend),
        resume: Some(Self::resume),
        freeze: Some(Self::suspend),
        thaw: Some(Self::resume),
        poweroff: Some(Self::suspend),
        restore: Some(Self::resume),
        ..pin_init::zeroed()
    };

    /// Calls `f` with the device and the data of its driver.
    ///
    /// # Safety
    ///
    /// `dev` must be a PCI device that is bound to the driver `T`, and the caller must hold its
    /// device lock.
    unsafe fn with(
        dev: *mut bindings::device,
        f: impl for<'b> FnOnce(&'b Device<device::Core<'_>>, Pin<&T::Data<'b>>) -> Result,
    ) -> c_int {
        // SAFETY: By the safety requirements the device is valid for the duration of this function.
        //
        // INVARIANT: It is bound, and its lock is held.
        let dev = unsafe { &*dev.cast::<device::Device<device::CoreInternal<'_>>>() };

        // SAFETY: By the safety requirements it is a PCI device.
        let pdev = unsafe { Device::<device::CoreInternal<'_>>::from_device(dev) };

        // SAFETY: As the device is bound and its lock is held, probing has succeeded and stored a
        // `Pin<KBox<T::Data<'_>>>`, and unbinding has not begun.
        let data = unsafe { dev.drvdata_borrow::<T::Data<'_>>() };

        from_result(|| f(pdev, data).map(|()| 0))
    }

    /// # Safety
    ///
    /// Must only be called by the PCI core as a callback for system sleep of a device that is bound
    /// to the driver `T`: the PM core holds the device lock then.
    unsafe extern "C" fn suspend(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data| T::suspend(dev, data)) }
    }

    /// # Safety
    ///
    /// As for [`Self::suspend`].
    unsafe extern "C" fn resume(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data| T::resume(dev, data)) }
    }
}

impl<T: SystemSleep + RuntimePm> PmOps<T>
where
    for<'bound> T::Data<'bound>: Sync,
{
    /// Those of a driver that implements [`SystemSleep`] and [`RuntimePm`].
    pub const SYSTEM_SLEEP_AND_RUNTIME: Self = Self(
        Some(bindings::dev_pm_ops {
            runtime_suspend: Some(Self::runtime_suspend),
            runtime_resume: Some(Self::runtime_resume),
            ..Self::SLEEP_OPS
        }),
        Some(T::AUTOSUSPEND_DELAY),
        PhantomData,
    );

    /// Calls `f` with the device and the data of its driver.
    ///
    /// # Safety
    ///
    /// `dev` must be a PCI device that is bound to the driver `T`, or about to be, and stays so
    /// until this function returns.
    unsafe fn with_bound(
        dev: *mut bindings::device,
        f: impl for<'b> FnOnce(&'b Device<device::Bound>, Pin<&T::Data<'b>>) -> Result,
    ) -> c_int {
        // A device that was asleep when probing began may be woken up before `Adapter::bind`, which
        // fails then if it is asleep still.
        //
        // SAFETY: By the safety requirements the device is valid.
        if unsafe { bindings::dev_get_drvdata(dev) }.is_null() {
            return 0;
        }

        // SAFETY: By the safety requirements the device is valid for the duration of this function.
        //
        // INVARIANT: It is bound.
        let dev = unsafe { &*dev.cast::<device::Device<device::BoundInternal>>() };

        // SAFETY: By the safety requirements it is a PCI device.
        let pdev = unsafe { Device::<device::BoundInternal>::from_device(dev) };

        // SAFETY: There is data, hence probing has succeeded and stored a `Pin<KBox<T::Data<'_>>>`,
        // and as the device is bound that has not been dropped.
        let data = unsafe { dev.drvdata_borrow::<T::Data<'_>>() };

        from_result(|| f(pdev, data).map(|()| 0))
    }

    /// # Safety
    ///
    /// Must only be called by the PCI core as a callback for runtime power management of a device
    /// that is bound to the driver `T`: [`Adapter::bound`] lets it happen after probing, and
    /// [`Adapter::unbind`] ends it, and waits, before the driver is called to unbind.
    unsafe extern "C" fn runtime_suspend(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the safety requirements.
        //
        // Any other error would have the PM core refuse to wake up the device, which is awake.
        unsafe {
            Self::with_bound(dev, |dev, data| {
                T::runtime_suspend(dev, data).map_err(|_| EBUSY)
            })
        }
    }

    /// # Safety
    ///
    /// As for [`Self::runtime_suspend`].
    unsafe extern "C" fn runtime_resume(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe {
            Self::with_bound(dev, |dev, data| {
                T::runtime_resume(dev, data);
                Ok(())
            })
        }
    }
}
