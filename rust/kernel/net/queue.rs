// SPDX-License-Identifier: GPL-2.0

//! Transmit queues.
//!
//! A transmit queue of a network device has two sides that run concurrently:
//!
//! - The producer side, which is serialized by the transmit lock of the queue. It is held while
//!   [`Driver::start_xmit`] is called, any other code takes it by [`Queue::lock()`].
//!   Whoever holds it has a [`TxQueue`], which opens a [`TxLocked`]: this is where a driver keeps
//!   the producer's state of a ring, without another lock.
//! - The completion side, usually in a NAPI poll. It is represented by the only [`Completion`] of
//!   the queue.
//!
//! Both sides maintain the byte queue limits and stop and wake the queue with the memory barriers
//! that are needed between them: [`Sender::maybe_stop()`] and [`Completion::completed()`].
//!
//! C headers: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)
//!
//! [`Driver::start_xmit`]: super::device::Driver::start_xmit
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     net::queue::{
//!         Completion,
//!         TxLocked,
//!         TxQueue, //
//!     },
//!     sync::atomic::{
//!         Acquire,
//!         Atomic,
//!         Release, //
//!     },
//! };
//!
//! const SLOTS: u32 = 256;
//!
//! struct Ring {
//!     head: TxLocked<u32>,
//!     tail: Atomic<u32>,
//! }
//!
//! impl Ring {
//!     fn free(&self, head: u32) -> u32 {
//!         SLOTS.wrapping_sub(head.wrapping_sub(self.tail.load(Acquire)))
//!     }
//!
//!     /// Queues a packet of `bytes` bytes; returns whether the device must be told.
//!     fn send(&self, queue: &mut TxQueue<'_>, bytes: u32) -> bool {
//!         let Some((head, mut sender)) = self.head.get(queue) else {
//!             return false;
//!         };
//!
//!         *head = head.wrapping_add(1);
//!         let head = *head;
//!         let more = sender.xmit_more();
//!
//!         sender.maybe_stop(|| self.free(head), 1, SLOTS / 4);
//!         sender.sent(bytes, more)
//!     }
//!
//!     /// Takes note that the device has sent a packet of `bytes` bytes.
//!     fn complete(&self, completion: &mut Completion<'_>, head: u32, bytes: u32) {
//!         self.tail.store(self.tail.load(Acquire).wrapping_add(1), Release);
//!         completion.completed(1, bytes, self.free(head), SLOTS / 4);
//!     }
//! }
//! ```

use crate::{
    bindings,
    sync::barrier::{
        smp_mb,
        Full, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    },
    warn_on,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr, //
};

/// A transmit queue of a network device.
///
/// # Invariants
///
/// The `netdev_queue` is one of the transmit queues of a valid `net_device`, and it has a qdisc.
#[repr(transparent)]
pub struct Queue(Opaque<bindings::netdev_queue>);

// SAFETY: A queue is not bound to a task or CPU.
unsafe impl Send for Queue {}

// SAFETY: All methods use atomic operations or locks.
unsafe impl Sync for Queue {}

impl Queue {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a transmit queue of a `net_device` that is valid for the lifetime `'a`,
    /// and the queue must have a qdisc.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::netdev_queue) -> &'a Self {
        // SAFETY: `Queue` is a transparent wrapper of `netdev_queue`; the rest is required from the
        // caller.
        unsafe { &*ptr.cast() }
    }

    /// Returns the raw pointer.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::netdev_queue {
        self.0.get()
    }

    /// Returns the device that the queue belongs to.
    #[inline]
    fn dev(&self) -> *mut bindings::net_device {
        // SAFETY: By the type invariant the queue is valid; `dev` never changes.
        unsafe { (*self.as_raw()).dev }
    }

    /// Returns the index of the queue.
    #[inline]
    pub fn index(&self) -> u32 {
        // SAFETY: By the type invariant the queue belongs to a valid device.
        unsafe { bindings::netdev_queue_index(self.as_raw()) }
    }

    /// Allows the networking core to transmit, and makes it do so. May be called in any context.
    ///
    /// Normally it is [`Completion::completed()`] that does this.
    #[inline]
    pub fn wake(&self) {
        // SAFETY: By the type invariant the queue is valid and has a qdisc.
        unsafe { bindings::netif_tx_wake_queue(self.as_raw()) };
    }

    /// Has the transmit watchdog measure from now on how long the queue makes no progress.
    #[inline]
    pub fn restart_watchdog(&self) {
        // SAFETY: By the type invariant the queue is valid. The field is written without a lock
        // elsewhere, too.
        unsafe { bindings::txq_trans_cond_update(self.as_raw()) };
    }

    /// Returns whether the driver has stopped the queue.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        // SAFETY: By the type invariant the queue is valid.
        unsafe { bindings::netif_tx_queue_stopped(self.as_raw()) }
    }

    /// Returns whether this CPU holds the transmit lock.
    ///
    /// # Safety
    ///
    /// Bottom halves must be disabled, or the answer is another CPU's.
    #[inline]
    pub(crate) unsafe fn is_locked_here(&self) -> bool {
        // SAFETY: By the type invariant the queue is valid; the rest is required from the caller.
        unsafe { bindings::netif_tx_owned(self.as_raw()) }
    }

    /// Acquires the transmit lock, in process context.
    ///
    /// Bottom halves are disabled until the guard is dropped. Like any spin lock it is not
    /// recursive: whoever holds a [`TxQueue`] of the same queue must not call this.
    #[inline]
    pub fn lock(&self) -> LockedQueue<'_> {
        // SAFETY: By the type invariant the queue is valid.
        unsafe { bindings::__netif_tx_lock_bh(self.as_raw()) };

        LockedQueue {
            // INVARIANT: The lock was just acquired, and is held until the guard is dropped.
            token: TxQueue {
                queue: self,
                more: false,
                _context: NotThreadSafe,
            },
            queue: self,
        }
    }
}

/// Token: this CPU holds the transmit lock of a queue.
///
/// # Invariants
///
/// The lock of `queue` is held by this CPU, and bottom halves are disabled with it, until the token
/// is gone, and there is no other token of the same queue.
pub struct TxQueue<'q> {
    queue: &'q Queue,
    more: bool,
    _context: NotThreadSafe,
}

impl<'q> TxQueue<'q> {
    /// Creates the token for a call of `ndo_start_xmit`.
    ///
    /// # Safety
    ///
    /// This CPU must hold the transmit lock of `queue`, with bottom halves disabled, as long as the
    /// token exists, and there must be no other token for it.
    #[inline]
    pub(crate) unsafe fn in_xmit(queue: &'q Queue) -> Self {
        // SAFETY: By the type invariant of `Queue` the pointer is valid.
        unsafe { bindings::netdev_queue_assert_locked(queue.as_raw()) };

        // INVARIANT: Required from the caller.
        Self {
            queue,
            // SAFETY: Bottom halves are disabled, as the lock is held.
            more: unsafe { bindings::netdev_xmit_more() },
            _context: NotThreadSafe,
        }
    }

    /// Returns the queue.
    #[inline]
    pub fn queue(&self) -> &'q Queue {
        self.queue
    }

    /// Returns the index of the queue.
    #[inline]
    pub fn index(&self) -> u32 {
        self.queue.index()
    }

    /// Returns whether the networking core has more packets for this queue right away, so that the
    /// device need not be told about each of them.
    #[inline]
    pub fn xmit_more(&self) -> bool {
        self.more
    }

    /// Returns the control of the queue without opening a [`TxLocked`].
    #[inline]
    pub fn sender(&mut self) -> Sender<'_> {
        // INVARIANT: The token is borrowed as long as the `Sender` exists.
        Sender {
            queue: self.queue,
            more: self.more,
            _token: PhantomData,
        }
    }
}

/// A transmit queue locked by [`Queue::lock()`].
///
/// Forgetting the guard leaves the queue locked.
#[must_use = "the queue is unlocked immediately when the guard is unused"]
pub struct LockedQueue<'q> {
    token: TxQueue<'q>,
    queue: &'q Queue,
}

impl<'q> Deref for LockedQueue<'q> {
    type Target = TxQueue<'q>;

    #[inline]
    fn deref(&self) -> &TxQueue<'q> {
        &self.token
    }
}

impl<'q> DerefMut for LockedQueue<'q> {
    #[inline]
    fn deref_mut(&mut self) -> &mut TxQueue<'q> {
        &mut self.token
    }
}

impl Drop for LockedQueue<'_> {
    #[inline]
    fn drop(&mut self) {
        // Tokens can be exchanged by `mem::swap()`. Somebody else may then still have the token of
        // our queue, which therefore has to stay locked.
        if warn_on!(!ptr::eq(self.token.queue, self.queue)) {
            return;
        }

        // SAFETY: By the type invariant of `TxQueue` we hold the lock. The token, which is the only
        // one, is going away.
        unsafe { bindings::__netif_tx_unlock_bh(self.queue.as_raw()) };
    }
}

/// Data that is protected by the transmit lock of a queue.
///
/// # Examples
///
/// ```
/// use kernel::net::queue::{
///     Queue,
///     TxLocked, //
/// };
///
/// fn next(queue: &Queue, serial: &TxLocked<u32>) -> Option<u32> {
///     let mut locked = queue.lock();
///     let (serial, _) = serial.get(&mut locked)?;
///
///     *serial = serial.wrapping_add(1);
///     Some(*serial)
/// }
/// ```
pub struct TxLocked<T> {
    /// Only compared, never dereferenced. If the queue is freed and another one is created at the
    /// same place, that one opens the data: it is still only one at a time.
    queue: *const bindings::netdev_queue,
    value: UnsafeCell<T>,
}

// SAFETY: The pointer is only compared; `TxLocked` can be sent if the data can.
unsafe impl<T: Send> Send for TxLocked<T> {}

// SAFETY: `get()` gives access to one at a time, as there is one token for the queue; this is like
// sending the data to it.
unsafe impl<T: Send> Sync for TxLocked<T> {}

impl<T> TxLocked<T> {
    /// Creates data protected by the transmit lock of `queue`.
    #[inline]
    pub fn new(queue: &Queue, value: T) -> Self {
        Self {
            queue: queue.as_raw(),
            value: UnsafeCell::new(value),
        }
    }

    /// Returns the data and the control of the queue.
    ///
    /// [`None`] if `queue` is not the queue that the data belongs to.
    #[inline]
    pub fn get<'a>(&'a self, queue: &'a mut TxQueue<'_>) -> Option<(&'a mut T, Sender<'a>)> {
        if !ptr::eq(queue.queue.as_raw(), self.queue) {
            return None;
        }

        // SAFETY: `queue` is the only token of our queue and it is borrowed for `'a`, also by the
        // `Sender`, which does not open a `TxLocked`. So nobody else can get here before the
        // reference is gone.
        let value = unsafe { &mut *self.value.get() };

        Some((value, queue.sender()))
    }

    /// Returns the data, which nobody else can use at the moment.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns the data.
    #[inline]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// The control of a queue whose transmit lock is held.
///
/// This is what is left of the [`TxQueue`] while a [`TxLocked`] is open.
///
/// # Invariants
///
/// The token of `queue` is borrowed mutably for `'a`: its lock is held by this CPU, and bottom
/// halves are disabled.
pub struct Sender<'a> {
    queue: &'a Queue,
    more: bool,
    _token: PhantomData<(&'a mut (), NotThreadSafe)>,
}

impl Sender<'_> {
    /// Returns the device that the queue belongs to.
    #[inline]
    pub(super) fn dev(&self) -> *mut bindings::net_device {
        self.queue.dev()
    }

    /// Takes note of `bytes` bytes given to the device, for the byte queue limits.
    ///
    /// `more` says that the caller will be back with more packets right away, see
    /// [`xmit_more()`](Self::xmit_more). Returns whether the device must be told now: the caller
    /// has to ring the doorbell then, for this and the packets before.
    ///
    /// To be called before the device is told about the packet: the same bytes have to be reported
    /// by [`Completion::completed()`] later, and must not be so earlier.
    #[inline]
    pub fn sent(&mut self, bytes: u32, more: bool) -> bool {
        // SAFETY: By the type invariants the lock of the queue is held, by this CPU and with bottom
        // halves disabled, for as long as the token is borrowed.
        unsafe { bindings::__netdev_tx_sent_queue(self.queue.as_raw(), bytes, more) }
    }

    /// Returns whether the networking core has more packets for this queue right away.
    #[inline]
    pub fn xmit_more(&self) -> bool {
        self.more
    }

    /// Stops the queue: the networking core does not transmit until it is woken or started.
    #[inline]
    pub fn stop(&mut self) {
        // SAFETY: By the type invariant of `Queue` the pointer is valid. The lock is held, with
        // bottom halves disabled.
        unsafe { bindings::netif_tx_stop_queue(self.queue.as_raw()) };
    }

    /// Allows the networking core to transmit, without making it do so.
    #[inline]
    pub fn start(&mut self) {
        // SAFETY: As in `stop()`.
        unsafe { bindings::netif_tx_start_queue(self.queue.as_raw()) };
    }

    /// Stops the queue if less than `stop_below` descriptors are available.
    ///
    /// `avail` returns the number of descriptors available at the moment, with at least acquire
    /// semantics of the completion side's progress; the producer's own progress must be visible to
    /// the completion side before. `start_above` is the number from which on the queue is started
    /// again, the same that is passed to [`Completion::completed()`].
    ///
    /// Returns whether the queue is left enabled.
    #[inline]
    pub fn maybe_stop(
        &mut self,
        avail: impl Fn() -> u32,
        stop_below: u32,
        start_above: u32,
    ) -> bool {
        if avail() >= stop_below {
            return true;
        }

        self.stop();

        // The stop bit must be visible before we look again. Pairs with the barrier in
        // `Completion::completed()`: either it sees the bit, or we see its progress.
        smp_mb(Full);

        if avail() < start_above {
            return false;
        }

        self.start();
        true
    }
}

/// The completion side of a queue.
///
/// # Invariants
///
/// There is no other `Completion` of the same queue.
pub struct Completion<'a> {
    queue: &'a Queue,
}

impl<'a> Completion<'a> {
    /// Creates the completion side of `queue`.
    ///
    /// # Safety
    ///
    /// Must be called at most once for each queue.
    #[inline]
    pub(crate) unsafe fn new(queue: &'a Queue) -> Self {
        // INVARIANT: Required from the caller.
        Self { queue }
    }

    /// Returns the queue.
    #[inline]
    pub fn queue(&self) -> &'a Queue {
        self.queue
    }

    /// Returns the number of bytes that were sent but not completed.
    #[inline]
    fn in_flight(&self) -> u32 {
        #[cfg(CONFIG_BQL)]
        {
            let txq = self.queue.as_raw();

            // SAFETY: By the type invariant of `Queue` the pointer is valid. `num_queued` may be
            // written at the same time by the producer, `num_completed` is written by us only.
            let (queued, completed) = unsafe {
                (
                    (&raw const (*txq).dql.num_queued).read_volatile(),
                    (&raw const (*txq).dql.num_completed).read_volatile(),
                )
            };

            queued.wrapping_sub(completed)
        }
        #[cfg(not(CONFIG_BQL))]
        {
            u32::MAX
        }
    }

    /// Takes note of `packets` packets with `bytes` bytes that the device has sent, and wakes the
    /// queue if there is room.
    ///
    /// `avail` is the number of descriptors available after that. The progress has to be visible to
    /// the producer, by a store with release semantics, before this is called. The queue is woken
    /// if `avail` is at least `wake_above` and the device is running and present. Returns whether
    /// it was woken.
    ///
    /// To be called once per round, not per packet. The bytes must be those reported by
    /// [`Sender::sent()`]; more than that are refused with a warning.
    #[inline]
    pub fn completed(&mut self, packets: u32, bytes: u32, avail: u32, wake_above: u32) -> bool {
        if packets == 0 {
            return false;
        }

        let in_flight = self.in_flight();
        // The C function treats this as fatal.
        let bytes = if warn_on!(bytes > in_flight) {
            in_flight
        } else {
            bytes
        };

        if bytes != 0 {
            // This includes a full barrier, see below.
            //
            // SAFETY: By the type invariant of `Queue` the pointer is valid, and by our own type
            // invariant nobody else completes.
            unsafe { bindings::netdev_txq_completed_mb(self.queue.as_raw(), packets, bytes) };
        } else {
            smp_mb(Full);
        }

        // Our progress is visible before we look at the stop bit: the barrier pairs with the one in
        // `Sender::maybe_stop()`. `avail` was determined before, which can only be too much: the
        // producer uses descriptors up, but never returns them.
        if avail < wake_above || !self.queue.is_stopped() {
            return false;
        }

        self.wake_running()
    }

    /// Wakes the queue unless the device is stopped or detached: then it is started or attached
    /// again later, which enables the queue.
    #[cold]
    fn wake_running(&self) -> bool {
        let dev = self.queue.dev();

        // SAFETY: By the type invariant of `Queue` the device is valid.
        if !unsafe { bindings::netif_running(dev) && bindings::netif_device_present(dev) } {
            return false;
        }

        self.queue.wake();
        true
    }

    /// Forgets all bytes in flight, after what was in flight was dropped.
    ///
    /// Does nothing but warn if `queue` is another queue.
    pub fn reset(&mut self, queue: &mut TxQueue<'_>) {
        if warn_on!(!ptr::eq(queue.queue, self.queue)) {
            return;
        }

        // SAFETY: By the type invariant of `Queue` the pointer is valid. Both sides are excluded:
        // the producer by the token, and the completion side is us.
        unsafe { bindings::netdev_tx_reset_queue(self.queue.as_raw()) };
    }
}
