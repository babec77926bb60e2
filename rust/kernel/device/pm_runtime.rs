// SPDX-License-Identifier: GPL-2.0

//! Devices that sleep while the system does not.
//!
//! A bus that supports this calls the driver when nobody needs the device any more and before it is
//! needed again; what needs it holds an [`ActiveGuard`].
//!
//! C header: [`include/linux/pm_runtime.h`](srctree/include/linux/pm_runtime.h)

use super::{
    Bound,
    Device, //
};
use crate::{
    bindings,
    error::{
        to_result,
        Result, //
    }, //
};

impl Device<Bound> {
    /// Wakes the device up, if it sleeps, and keeps it awake for as long as the guard exists. May
    /// sleep.
    ///
    /// Fails if the device, or what it is connected to, does not wake up; always if it is on a bus
    /// without runtime power management, with [`EACCES`](crate::error::code::EACCES). While the
    /// system sleeps a device that was awake before counts as awake.
    ///
    /// Waits for the driver's callbacks for this device, so that these must not call it, nor may
    /// the caller hold a lock that they take.
    #[inline]
    pub fn runtime_get(&self) -> Result<ActiveGuard<'_>> {
        // SAFETY: By the type invariants the device is valid, and it is bound, hence added.
        to_result(unsafe { bindings::pm_runtime_resume_and_get(self.as_raw()) })?;

        // INVARIANT: The usage counter was incremented.
        Ok(ActiveGuard(self))
    }
}

/// Keeps a device awake. Some time after the last was dropped the device may fall asleep.
///
/// # Invariants
///
/// The usage counter of the device includes this object.
#[must_use = "the device may fall asleep at once when unused"]
pub struct ActiveGuard<'a>(&'a Device<Bound>);

impl Drop for ActiveGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants of `Device` it is valid, by those of this type the usage
        // counter is not zero. Callable in any context.
        unsafe { bindings::pm_runtime_put_autosuspend(self.0.as_raw()) };
    }
}
