// SPDX-License-Identifier: GPL-2.0

//! The rtnetlink semaphore.
//!
//! The control plane of network devices is serialized by one mutex, `rtnl`. This module provides a
//! token for it: a function that takes an [`&Rtnl`](Rtnl) can only be called while the mutex is
//! held, either because the caller has called [`lock()`] or because it runs in a callback that the
//! networking core calls with the mutex held.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)
//!
//! # Examples
//!
//! ```
//! use kernel::net::rtnl::{
//!     self,
//!     Rtnl, //
//! };
//!
//! fn reconfigure(_rtnl: &Rtnl) {}
//!
//! let guard = rtnl::lock();
//! reconfigure(&guard);
//! drop(guard);
//! ```

use crate::{
    bindings,
    types::NotThreadSafe, //
};
use core::ops::Deref;

/// Token: the current task holds the rtnl mutex.
///
/// # Invariants
///
/// The rtnl mutex is held by the current task for as long as a reference to an object of this type
/// is usable.
pub struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Returns a token without taking the mutex.
    ///
    /// Used for code that the networking core calls with the mutex held.
    ///
    /// # Safety
    ///
    /// The current task must hold the rtnl mutex for the whole lifetime `'a`, and the reference
    /// must not be handed to another task.
    #[inline]
    pub unsafe fn assume_held<'a>() -> &'a Rtnl {
        const ASSUME_HELD: &Rtnl = &Rtnl(NotThreadSafe);

        // SAFETY: It is always safe to call `ASSERT_RTNL()`.
        unsafe { bindings::ASSERT_RTNL() };

        // INVARIANT: By the safety requirements the mutex is held for `'a`.
        ASSUME_HELD
    }
}

/// A lock of the rtnl mutex.
///
/// The mutex is released when the guard is dropped. This may sleep for long: it finishes the
/// removal of the network devices that were unregistered while the mutex was held.
///
/// # Invariants
///
/// The current task holds the rtnl mutex, and this object is what releases it.
#[must_use = "the rtnl mutex is released immediately when the guard is unused"]
pub struct Guard(Rtnl);

/// Acquires the rtnl mutex.
///
/// May sleep. The mutex is not recursive: a function that is passed an [`Rtnl`] must not call this.
#[inline]
pub fn lock() -> Guard {
    // SAFETY: `rtnl_lock()` has no requirement except a context that may sleep, which is not a
    // matter of memory safety.
    unsafe { bindings::rtnl_lock() };

    // INVARIANT: The mutex was just acquired and is released by dropping the guard only. The guard
    // cannot leave the task.
    Guard(Rtnl(NotThreadSafe))
}

/// Waits until all RCU readers of now have ended, and with them all sections that run with bottom
/// halves disabled: polls and transmissions among others.
///
/// In a hurry while somebody holds the rtnl mutex, for others wait for that. May sleep.
#[inline]
pub fn synchronize_net() {
    // SAFETY: The function has no requirement except a context that may sleep, which is not a
    // matter of memory safety.
    unsafe { bindings::synchronize_net() };
}

impl Deref for Guard {
    type Target = Rtnl;

    #[inline]
    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant the current task holds the mutex, and nobody else releases
        // it.
        unsafe { bindings::rtnl_unlock() };
    }
}
