// SPDX-License-Identifier: GPL-2.0

//! Devices that wake the system up.
//!
//! C header: [`include/linux/pm_wakeup.h`](srctree/include/linux/pm_wakeup.h)

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
    /// Whether the device is able to wake the system up.
    pub fn can_wakeup(&self) -> bool {
        // SAFETY: By the type invariants the device is valid, and it is bound, hence added.
        unsafe { bindings::device_can_wakeup(self.as_raw()) }
    }

    /// Says whether the device is to wake the system up, which the user may change. May sleep.
    ///
    /// Fails with [`EINVAL`](crate::error::code::EINVAL) if it is not able to, and with `EEXIST` if
    /// that has been said already.
    pub fn set_wakeup_enable(&self, enable: bool) -> Result {
        // SAFETY: As above.
        to_result(unsafe { bindings::device_set_wakeup_enable(self.as_raw(), enable) })
    }

    /// Whether the device is able, and is to wake the system up.
    pub fn may_wakeup(&self) -> bool {
        // SAFETY: As above.
        unsafe { bindings::device_may_wakeup(self.as_raw()) }
    }

    /// Tells that the device has signalled a wake-up event: a suspend that has begun is aborted.
    /// Callable in any context, but with `PREEMPT_RT` not in a hard interrupt.
    pub fn wakeup_event(&self) {
        // SAFETY: As above.
        unsafe { bindings::pm_wakeup_dev_event(self.as_raw(), 0, false) };
    }
}
