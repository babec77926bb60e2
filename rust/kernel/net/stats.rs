// SPDX-License-Identifier: GPL-2.0

//! Statistics of network devices.
//!
//! [`counters()`] creates a set of 64-bit counters that one side increments without any atomic
//! instruction and that others read at any time; [`Stats64`] is what a device reports.
//!
//! C headers: [`include/linux/u64_stats_sync.h`](srctree/include/linux/u64_stats_sync.h),
//! [`include/uapi/linux/if_link.h`](srctree/include/uapi/linux/if_link.h)
//!
//! # Examples
//!
//! ```
//! use kernel::net::stats;
//!
//! const PACKETS: usize = 0;
//! const BYTES: usize = 1;
//!
//! let (mut writer, reader) = stats::counters::<2>()?;
//!
//! writer.update(|c| {
//!     c.add(PACKETS, 2);
//!     c.add(BYTES, 1600);
//! });
//! writer.update(|c| c.add(PACKETS, 1));
//!
//! assert_eq!(reader.read(), [3, 1600]);
//! # Ok::<(), Error>(())
//! ```

use crate::{
    bindings,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// The statistics that a device reports.
///
/// A callback is given one in which everything is 0; the networking core adds what it has counted
/// itself afterwards.
#[repr(transparent)]
pub struct Stats64(bindings::rtnl_link_stats64);

macro_rules! stats64_fields {
    ($($(#[$doc:meta])* $field:ident, $set:ident, $add:ident;)*) => {
        impl Stats64 {
            $(
                $(#[$doc])*
                ///
                /// Sets the counter.
                #[inline]
                pub fn $set(&mut self, value: u64) {
                    self.0.$field = value;
                }

                $(#[$doc])*
                ///
                /// Adds to the counter.
                #[inline]
                pub fn $add(&mut self, value: u64) {
                    self.0.$field = self.0.$field.wrapping_add(value);
                }
            )*
        }
    };
}

stats64_fields! {
    /// Good packets received.
    rx_packets, set_rx_packets, add_rx_packets;
    /// Good packets transmitted.
    tx_packets, set_tx_packets, add_tx_packets;
    /// Bytes of the good packets received.
    rx_bytes, set_rx_bytes, add_rx_bytes;
    /// Bytes of the good packets transmitted.
    tx_bytes, set_tx_bytes, add_tx_bytes;
    /// Bad packets received, of all kinds.
    rx_errors, set_rx_errors, add_rx_errors;
    /// Packets that could not be transmitted, for all reasons.
    tx_errors, set_tx_errors, add_tx_errors;
    /// Good packets received and then dropped, for example because there was no memory.
    rx_dropped, set_rx_dropped, add_rx_dropped;
    /// Packets dropped on their way to the device.
    tx_dropped, set_tx_dropped, add_tx_dropped;
    /// Multicast packets received.
    multicast, set_multicast, add_multicast;
    /// Collisions during transmission.
    collisions, set_collisions, add_collisions;
    /// Packets received with a length that is not valid.
    rx_length_errors, set_rx_length_errors, add_rx_length_errors;
    /// Packets that overflowed the receiver ring.
    rx_over_errors, set_rx_over_errors, add_rx_over_errors;
    /// Packets received with a CRC error.
    rx_crc_errors, set_rx_crc_errors, add_rx_crc_errors;
    /// Packets received with an alignment error.
    rx_frame_errors, set_rx_frame_errors, add_rx_frame_errors;
    /// Packets that overflowed the receive FIFO.
    rx_fifo_errors, set_rx_fifo_errors, add_rx_fifo_errors;
    /// Packets that the device missed because the host had not provided buffers.
    rx_missed_errors, set_rx_missed_errors, add_rx_missed_errors;
    /// Transmissions aborted, for example after too many collisions.
    tx_aborted_errors, set_tx_aborted_errors, add_tx_aborted_errors;
    /// Transmissions that failed because the carrier was lost.
    tx_carrier_errors, set_tx_carrier_errors, add_tx_carrier_errors;
    /// Transmissions that failed because the FIFO underflowed.
    tx_fifo_errors, set_tx_fifo_errors, add_tx_fifo_errors;
    /// Transmissions that failed because there was no heartbeat.
    tx_heartbeat_errors, set_tx_heartbeat_errors, add_tx_heartbeat_errors;
    /// Late collisions.
    tx_window_errors, set_tx_window_errors, add_tx_window_errors;
}

impl Stats64 {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid, initialized and not used by anyone else for the lifetime `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::rtnl_link_stats64) -> &'a mut Self {
        // SAFETY: `Stats64` is a transparent wrapper of `rtnl_link_stats64`; the rest is required
        // from the caller.
        unsafe { &mut *ptr.cast() }
    }
}

macro_rules! queue_stats {
    ($($(#[$meta:meta])* $name:ident: $raw:ident {
        $($(#[$doc:meta])* $field:ident, $set:ident;)*
    })*) => {$(
        $(#[$meta])*
        ///
        /// Statistics that are not set are not reported.
        #[repr(transparent)]
        pub struct $name(bindings::$raw);

        impl $name {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $set(&mut self, value: u64) {
                    self.0.$field = value;
                }
            )*

            /// Creates a reference from a raw pointer.
            ///
            /// # Safety
            ///
            /// `ptr` must be valid, initialized and not used by anyone else for the lifetime `'a`.
            #[inline]
            pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::$raw) -> &'a mut Self {
                // SAFETY: This is a transparent wrapper; the rest is required from the caller.
                unsafe { &mut *ptr.cast() }
            }
        }
    )*};
}

queue_stats! {
    /// The statistics of a receive queue.
    ///
    /// C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)
    RxQueueStats: netdev_queue_stats_rx {
        /// Packets given to the networking core.
        packets, set_packets;
        /// Bytes given to the networking core.
        bytes, set_bytes;
        /// Failures to allocate a buffer, whether a packet was lost for it or not.
        alloc_fail, set_alloc_fail;
        /// Packets that the device got but did not deliver, for all reasons.
        hw_drops, set_hw_drops;
        /// Packets that the device dropped because there was no room for them.
        hw_drop_overruns, set_hw_drop_overruns;
        /// Packets whose checksum the device has found right.
        csum_unnecessary, set_csum_unnecessary;
        /// Packets whose checksum the device did not look at.
        csum_none, set_csum_none;
        /// Packets whose checksum the device has found wrong.
        csum_bad, set_csum_bad;
    }

    /// The statistics of a transmit queue.
    ///
    /// C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)
    TxQueueStats: netdev_queue_stats_tx {
        /// Packets sent.
        packets, set_packets;
        /// Bytes sent.
        bytes, set_bytes;
        /// Packets that the device was given but did not send, for all reasons.
        hw_drops, set_hw_drops;
        /// Packets that the device did not send because they were invalid.
        hw_drop_errors, set_hw_drop_errors;
        /// Packets that needed no checksum.
        csum_none, set_csum_none;
        /// Packets whose checksum the device was asked for.
        needs_csum, set_needs_csum;
        /// Packets that the device was asked to segment.
        hw_gso_packets, set_hw_gso_packets;
        /// Bytes of the packets that the device was asked to segment.
        hw_gso_bytes, set_hw_gso_bytes;
        /// Packets that these were segmented into.
        hw_gso_wire_packets, set_hw_gso_wire_packets;
    }
}

/// The memory of a set of counters.
///
/// # Invariants
///
/// `sync` is initialized. The counters are only written by the one [`Writer`], within an update
/// section of `sync`.
#[pin_data]
struct Counters<const N: usize> {
    #[pin]
    sync: Opaque<bindings::u64_stats_sync>,
    values: [Opaque<bindings::u64_stats_t>; N],
}

// SAFETY: The counters are plain memory, not bound to a task or CPU.
unsafe impl<const N: usize> Send for Counters<N> {}

// SAFETY: By the type invariant there is one writer; reading beside it is what `u64_stats_sync` and
// `u64_stats_t` are made for.
unsafe impl<const N: usize> Sync for Counters<N> {}

/// Creates `N` counters with the value 0.
pub fn counters<const N: usize>() -> Result<(Writer<N>, Reader<N>)> {
    let counters = Arc::pin_init(
        // INVARIANT: `sync` is initialized, and the only `Writer` is created below.
        pin_init!(Counters::<N> {
            // SAFETY: The pointer passed to the closure is valid for the initialization, and the
            // memory is pinned.
            sync <- Opaque::ffi_init(|sync| unsafe { bindings::u64_stats_init(sync) }),
            values: [const { Opaque::zeroed() }; N],
        }),
        GFP_KERNEL,
    )?;

    Ok((
        Writer {
            counters: counters.clone(),
        },
        Reader { counters },
    ))
}

/// The side of a set of counters that increments them.
///
/// There is exactly one per set: whoever owns it needs no lock.
pub struct Writer<const N: usize> {
    counters: Arc<Counters<N>>,
}

impl<const N: usize> Writer<N> {
    /// Runs `f` to increment counters. May be called in any context.
    ///
    /// `f` should do nothing else: on 32-bit machines readers wait until it returns. In particular
    /// it must not read the same counters there.
    #[inline]
    pub fn update<R>(&mut self, f: impl FnOnce(&mut Update<'_, N>) -> R) -> R {
        let sync = self.counters.sync.get();

        // SAFETY: By the type invariant of `Counters` the pointer is valid and we are the only
        // writer. The variant that saves the interrupt state makes it correct in every context,
        // and costs nothing on 64-bit machines.
        let flags = unsafe { bindings::u64_stats_update_begin_irqsave(sync) };

        let result = f(&mut Update {
            counters: &self.counters,
        });

        // SAFETY: As above; `flags` is from the matching call.
        unsafe { bindings::u64_stats_update_end_irqrestore(sync, flags) };

        result
    }

    /// Returns another reader.
    #[inline]
    pub fn reader(&self) -> Reader<N> {
        Reader {
            counters: self.counters.clone(),
        }
    }
}

/// An update of a set of counters in progress.
///
/// # Invariants
///
/// An update section is open, and the [`Writer`] is borrowed.
pub struct Update<'a, const N: usize> {
    counters: &'a Counters<N>,
}

impl<const N: usize> Update<'_, N> {
    /// Adds `value` to the counter `index`. Does nothing if there is no such counter.
    #[inline]
    pub fn add(&mut self, index: usize, value: u64) {
        let Some(counter) = self.counters.values.get(index) else {
            return;
        };

        // SAFETY: The pointer is valid, and by the type invariant nobody else writes.
        let old = unsafe { bindings::u64_stats_read(counter.get()) };

        // SAFETY: As above.
        unsafe { bindings::u64_stats_set(counter.get(), old.wrapping_add(value)) };
    }
}

/// The side of a set of counters that reads them. May be used in any context.
pub struct Reader<const N: usize> {
    counters: Arc<Counters<N>>,
}

impl<const N: usize> Clone for Reader<N> {
    fn clone(&self) -> Self {
        Self {
            counters: self.counters.clone(),
        }
    }
}

impl<const N: usize> Reader<N> {
    /// Returns the values of all counters.
    pub fn read(&self) -> [u64; N] {
        let sync = self.counters.sync.get();
        let mut values = [0; N];

        loop {
            // SAFETY: By the type invariant of `Counters` the pointer is valid and initialized.
            let start = unsafe { bindings::u64_stats_fetch_begin(sync) };

            for (value, counter) in values.iter_mut().zip(&self.counters.values) {
                // SAFETY: The pointer is valid; a value read beside an update is discarded below
                // where it may be torn.
                *value = unsafe { bindings::u64_stats_read(counter.get()) };
            }

            // SAFETY: As for the beginning.
            if !unsafe { bindings::u64_stats_fetch_retry(sync, start) } {
                return values;
            }
        }
    }
}
