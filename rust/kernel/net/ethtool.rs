// SPDX-License-Identifier: GPL-2.0

//! The operations behind `ethtool`.
//!
//! A driver that implements [`Operations`] for its [`Driver`] type calls
//! [`UnregisteredDevice::set_ethtool_ops`] before it registers its device.
//!
//! # Locking
//!
//! The networking core calls the operations with the rtnl lock held, from the ioctl
//! (`net/ethtool/ioctl.c`) as well as from netlink (`net/ethtool/netlink.c`), except for devices
//! that asked for the instance lock in its place (`netdev_need_ops_lock()`), which
//! [`UnregisteredDevice`] never does. That is why they all get an [`&Rtnl`](Rtnl).
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)
//!
//! # Examples
//!
//! The operations of a driver that has one statistic a queue:
//!
//! ```
//! # use kernel::net::{
//! #     device::{Driver, Xmit},
//! #     queue::TxQueue,
//! #     skbuff::SkBuff,
//! # };
//! use kernel::{
//!     net::{
//!         device::{
//!             Device,
//!             UnregisteredDevice, //
//!         },
//!         ethtool::{
//!             DriverInfo,
//!             Operations,
//!             Strings,
//!             Values, //
//!         },
//!         rtnl::Rtnl, //
//!     },
//!     prelude::*, //
//! };
//!
//! struct MyDriver;
//!
//! struct MyData {
//!     packets: [u64; 4],
//! }
//!
//! # #[vtable]
//! # impl Driver for MyDriver {
//! #     type Data<'a> = MyData;
//! #
//! #     fn open<'a>(_: &Device<Self>, _: Pin<&MyData>, _: &Rtnl) -> Result {
//! #         Ok(())
//! #     }
//! #     fn stop<'a>(_: &Device<Self>, _: Pin<&MyData>, _: &Rtnl) {}
//! #     fn start_xmit<'a>(
//! #         _: &Device<Self>,
//! #         _: Pin<&MyData>,
//! #         _: &mut TxQueue<'_>,
//! #         _: SkBuff,
//! #     ) -> Xmit {
//! #         Xmit::Sent
//! #     }
//! # }
//! #[vtable]
//! impl Operations for MyDriver {
//!     fn drvinfo<'a>(
//!         _dev: &Device<Self>,
//!         _data: Pin<&MyData>,
//!         info: &mut DriverInfo,
//!         _rtnl: &Rtnl,
//!     ) {
//!         info.set_fw_version(fmt!("{}.{}", 1, 2));
//!     }
//!
//!     fn stats_count<'a>(_dev: &Device<Self>, _data: Pin<&MyData>, _rtnl: &Rtnl) -> u32 {
//!         4
//!     }
//!
//!     fn stat_names<'a>(
//!         _dev: &Device<Self>,
//!         data: Pin<&MyData>,
//!         names: &mut Strings<'_>,
//!         _rtnl: &Rtnl,
//!     ) {
//!         for i in 0..data.packets.len() {
//!             names.push(fmt!("q{}_packets", i));
//!         }
//!     }
//!
//!     fn stats<'a>(
//!         _dev: &Device<Self>,
//!         data: Pin<&MyData>,
//!         values: &mut Values<'_>,
//!         _rtnl: &Rtnl,
//!     ) {
//!         values.extend(data.packets);
//!     }
//! }
//!
//! fn set_up(dev: &mut UnregisteredDevice<'_, MyDriver>) {
//!     dev.set_ethtool_ops();
//! }
//! ```

use super::{
    device::{
        Device,
        Driver,
        UnregisteredDevice, //
    },
    hwtstamp::{
        RxFilters,
        TxModes, //
    },
    rtnl::Rtnl,
};
use crate::{
    bindings,
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt::{
        self,
        Write as _, //
    },
    prelude::*,
};
use core::{
    marker::PhantomData,
    ops::BitOr,
    slice, //
};

/// The size of the name of a statistic, with the NUL.
const GSTRING_LEN: usize = bindings::ETH_GSTRING_LEN as usize;

/// More statistics than that are refused.
///
/// Far above what any device has and far below where the sizes that C computes would overflow.
const MAX_STATS: u32 = 1 << 16;

/// Formats text into a buffer, cut off where it does not fit, and NUL-terminated.
fn write_str(buf: &mut [u8], text: fmt::Arguments<'_>) {
    struct Cursor<'b>(&'b mut [u8]);

    impl fmt::Write for Cursor<'_> {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            let buf = core::mem::take(&mut self.0);
            let n = s.len().min(buf.len());

            if let (Some((dst, rest)), Some(src)) =
                (buf.split_at_mut_checked(n), s.as_bytes().get(..n))
            {
                dst.copy_from_slice(src);
                self.0 = rest;
            }
            Ok(())
        }
    }

    buf.fill(0);
    if let Some((_nul, text_buf)) = buf.split_last_mut() {
        // The cursor does not fail; a `Display` that does leaves what it has written before.
        let _ = Cursor(text_buf).write_fmt(text);
    }
}

/// Where the reason for a refusal is left, for the user to see beside the error.
///
/// C counterpart: `struct netlink_ext_ack`.
pub struct ExtAck<'a>(Option<&'a mut bindings::netlink_ext_ack>);

impl<'a> ExtAck<'a> {
    /// # Safety
    ///
    /// `raw` must be null or valid for the lifetime `'a`, and not be used otherwise meanwhile.
    unsafe fn from_raw(raw: *mut bindings::netlink_ext_ack) -> Self {
        // SAFETY: By the safety requirements.
        Self(unsafe { raw.as_mut() })
    }

    /// One whose reason goes nowhere, for requests that take none.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Sets the reason. What does not fit into some 80 bytes is cut off, and a user that does not
    /// come by netlink is not told.
    pub fn set(&mut self, reason: fmt::Arguments<'_>) {
        if let Some(extack) = self.0.as_mut() {
            write_str(&mut extack._msg_buf, reason);
            extack._msg = (&raw const extack._msg_buf).cast();
        }
    }
}

/// What `ethtool -i` shows.
///
/// What is not set is filled in by the networking core: the name of the driver, the version of the
/// kernel, and the name of the parent device.
#[repr(transparent)]
pub struct DriverInfo(bindings::ethtool_drvinfo);

impl DriverInfo {
    /// Sets the name of the driver.
    pub fn set_driver(&mut self, text: fmt::Arguments<'_>) {
        write_str(&mut self.0.driver, text);
    }

    /// Sets the version of the driver. In-tree drivers have none but that of the kernel.
    pub fn set_version(&mut self, text: fmt::Arguments<'_>) {
        write_str(&mut self.0.version, text);
    }

    /// Sets the version of the firmware.
    pub fn set_fw_version(&mut self, text: fmt::Arguments<'_>) {
        write_str(&mut self.0.fw_version, text);
    }

    /// Sets the address on the bus.
    pub fn set_bus_info(&mut self, text: fmt::Arguments<'_>) {
        write_str(&mut self.0.bus_info, text);
    }
}

/// Link settings: speed, duplex, autonegotiation, link modes.
///
/// Passed on to [`Phylink::ksettings_get`](super::phylink::Phylink::ksettings_get) and
/// [`Phylink::ksettings_set`](super::phylink::Phylink::ksettings_set).
#[repr(transparent)]
pub struct LinkSettings(bindings::ethtool_link_ksettings);

#[cfg_attr(
    not(CONFIG_RUST_PHYLINK_ABSTRACTIONS),
    expect(dead_code, reason = "only phylink looks inside")
)]
impl LinkSettings {
    pub(super) fn as_raw(&self) -> *const bindings::ethtool_link_ksettings {
        &raw const self.0
    }

    pub(super) fn as_raw_mut(&mut self) -> *mut bindings::ethtool_link_ksettings {
        &raw mut self.0
    }
}

/// Pause settings.
#[derive(Copy, Clone)]
#[repr(transparent)]
pub struct PauseParam(bindings::ethtool_pauseparam);

impl PauseParam {
    /// Negotiation decides.
    pub fn autoneg(&self) -> bool {
        self.0.autoneg != 0
    }

    /// Act on pause frames that are received.
    pub fn rx_pause(&self) -> bool {
        self.0.rx_pause != 0
    }

    /// Send pause frames.
    pub fn tx_pause(&self) -> bool {
        self.0.tx_pause != 0
    }

    /// Sets all three.
    pub fn set(&mut self, autoneg: bool, rx_pause: bool, tx_pause: bool) {
        self.0.autoneg = autoneg.into();
        self.0.rx_pause = rx_pause.into();
        self.0.tx_pause = tx_pause.into();
    }

    #[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
    pub(super) fn as_raw_mut(&mut self) -> *mut bindings::ethtool_pauseparam {
        &raw mut self.0
    }
}

/// Kinds of frames and events that wake the system, a set of `WAKE_*` bits.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct WakeModes(u32);

impl WakeModes {
    /// None.
    pub const NONE: Self = Self(0);
    /// Activity of the PHY.
    pub const PHY: Self = Self(bindings::WAKE_PHY);
    /// Frames for the device's own address.
    pub const UCAST: Self = Self(bindings::WAKE_UCAST);
    /// Frames for a group.
    pub const MCAST: Self = Self(bindings::WAKE_MCAST);
    /// Frames for everybody.
    pub const BCAST: Self = Self(bindings::WAKE_BCAST);
    /// ARP requests.
    pub const ARP: Self = Self(bindings::WAKE_ARP);
    /// Magic frames.
    pub const MAGIC: Self = Self(bindings::WAKE_MAGIC);

    /// The set with what is in `other` added.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
    pub(super) const fn from_raw(modes: u32) -> Self {
        Self(modes)
    }

    #[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for WakeModes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

/// What the device can, and is to, wake the system on (Wake-on-LAN).
///
/// Passed on to [`Phylink::get_wol`](super::phylink::Phylink::get_wol) and
/// [`Phylink::set_wol`](super::phylink::Phylink::set_wol).
#[derive(Copy, Clone)]
#[repr(transparent)]
pub struct WolInfo(bindings::ethtool_wolinfo);

impl WolInfo {
    /// What it can.
    pub fn supported(&self) -> WakeModes {
        WakeModes(self.0.supported)
    }

    /// What it is to.
    pub fn modes(&self) -> WakeModes {
        WakeModes(self.0.wolopts)
    }

    /// Sets both.
    pub fn set(&mut self, supported: WakeModes, modes: WakeModes) {
        self.0.supported = supported.0;
        self.0.wolopts = modes.0;
    }

    #[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
    pub(super) fn as_raw_mut(&mut self) -> *mut bindings::ethtool_wolinfo {
        &raw mut self.0
    }
}

/// The self-test of a device that is asked for, and its results.
pub struct SelfTest<'t> {
    flags: &'t mut u32,
    results: &'t mut [u64],
}

impl SelfTest<'_> {
    /// The device may be taken out of service for the time of the test.
    pub fn is_offline(&self) -> bool {
        *self.flags & bindings::ethtool_test_flags_ETH_TEST_FL_OFFLINE != 0
    }

    /// Stores the result of a test, an index into [`Operations::SELF_TESTS`]: zero if it passed,
    /// else what the user is to be shown. Those that are not stored have passed.
    pub fn set(&mut self, index: usize, result: u64) {
        if let Some(slot) = self.results.get_mut(index) {
            *slot = result;
        }
    }

    /// Says that something has failed.
    pub fn fail(&mut self) {
        *self.flags |= bindings::ethtool_test_flags_ETH_TEST_FL_FAILED;
    }
}

/// Settings and state of Energy Efficient Ethernet.
///
/// Passed on to [`Phylink::get_eee`](super::phylink::Phylink::get_eee) and
/// [`Phylink::set_eee`](super::phylink::Phylink::set_eee).
#[derive(Copy, Clone)]
#[repr(transparent)]
pub struct Eee(bindings::ethtool_keee);

impl Eee {
    /// Makes the time, in microseconds, that the transmitter is idle before it enters low-power
    /// idle at most `max`.
    pub fn limit_tx_lpi_timer(&mut self, max: u32) {
        self.0.tx_lpi_timer = self.0.tx_lpi_timer.min(max);
    }

    #[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
    pub(super) fn as_raw_mut(&mut self) -> *mut bindings::ethtool_keee {
        &raw mut self.0
    }
}

// CAST: What the field holds is small.
const DATA_SPLIT_UNKNOWN: u8 =
    bindings::ethtool_tcp_data_split_ETHTOOL_TCP_DATA_SPLIT_UNKNOWN as u8;
const DATA_SPLIT_DISABLED: u8 =
    bindings::ethtool_tcp_data_split_ETHTOOL_TCP_DATA_SPLIT_DISABLED as u8;
const DATA_SPLIT_ENABLED: u8 =
    bindings::ethtool_tcp_data_split_ETHTOOL_TCP_DATA_SPLIT_ENABLED as u8;

/// The sizes of the rings, in descriptors.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RingParams {
    /// The maximum of `rx`.
    pub rx_max: u32,
    /// The maximum of `tx`.
    pub tx_max: u32,
    /// The size of a receive ring.
    pub rx: u32,
    /// The size of a transmit ring.
    pub tx: u32,
    /// Headers of received TCP packets are scattered to buffers of their own. `None`: the driver
    /// does not say, or is to decide.
    pub tcp_data_split: Option<bool>,
}

impl RingParams {
    fn from_c(
        ring: &bindings::ethtool_ringparam,
        kernel: &bindings::kernel_ethtool_ringparam,
    ) -> Self {
        Self {
            tcp_data_split: match kernel.tcp_data_split {
                DATA_SPLIT_DISABLED => Some(false),
                DATA_SPLIT_ENABLED => Some(true),
                _ => None,
            },
            rx_max: ring.rx_max_pending,
            tx_max: ring.tx_max_pending,
            rx: ring.rx_pending,
            tx: ring.tx_pending,
        }
    }

    fn store(
        &self,
        ring: &mut bindings::ethtool_ringparam,
        kernel: &mut bindings::kernel_ethtool_ringparam,
    ) {
        kernel.tcp_data_split = match self.tcp_data_split {
            None => DATA_SPLIT_UNKNOWN,
            Some(false) => DATA_SPLIT_DISABLED,
            Some(true) => DATA_SPLIT_ENABLED,
        };
        ring.rx_max_pending = self.rx_max;
        ring.tx_max_pending = self.tx_max;
        ring.rx_pending = self.rx;
        ring.tx_pending = self.tx;
    }
}

/// The numbers of channels, i.e. interrupt vectors with the queues that belong to them.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// The maximum of `rx`.
    pub max_rx: u32,
    /// The maximum of `tx`.
    pub max_tx: u32,
    /// The maximum of `combined`.
    pub max_combined: u32,
    /// Channels that only receive.
    pub rx: u32,
    /// Channels that only transmit.
    pub tx: u32,
    /// Channels that do both.
    pub combined: u32,
}

impl Channels {
    fn from_c(ch: &bindings::ethtool_channels) -> Self {
        Self {
            max_rx: ch.max_rx,
            max_tx: ch.max_tx,
            max_combined: ch.max_combined,
            rx: ch.rx_count,
            tx: ch.tx_count,
            combined: ch.combined_count,
        }
    }

    fn store(&self, ch: &mut bindings::ethtool_channels) {
        ch.max_rx = self.max_rx;
        ch.max_tx = self.max_tx;
        ch.max_combined = self.max_combined;
        ch.rx_count = self.rx;
        ch.tx_count = self.tx;
        ch.combined_count = self.combined;
    }
}

/// The coalescing parameters that a driver understands, a set of `ETHTOOL_COALESCE_*` bits.
///
/// The networking core refuses to set others.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct CoalesceParams(u32);

impl CoalesceParams {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// [`Coalesce::rx_usecs`].
    pub const RX_USECS: Self = Self(1 << 0);
    /// [`Coalesce::rx_max_frames`].
    pub const RX_MAX_FRAMES: Self = Self(1 << 1);
    /// [`Coalesce::tx_usecs`].
    pub const TX_USECS: Self = Self(1 << 4);
    /// [`Coalesce::tx_max_frames`].
    pub const TX_MAX_FRAMES: Self = Self(1 << 5);
    /// [`Coalesce::adaptive_rx`].
    pub const ADAPTIVE_RX: Self = Self(1 << 9);
    /// [`Coalesce::adaptive_tx`].
    pub const ADAPTIVE_TX: Self = Self(1 << 10);
    /// The times of both directions.
    pub const USECS: Self = Self::RX_USECS.union(Self::TX_USECS);
    /// The numbers of frames of both directions.
    pub const MAX_FRAMES: Self = Self::RX_MAX_FRAMES.union(Self::TX_MAX_FRAMES);

    /// The set with what is in `other` added.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for CoalesceParams {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

/// When interrupts are raised.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Coalesce {
    /// The longest time from a reception to the interrupt.
    pub rx_usecs: u32,
    /// The largest number of frames received without an interrupt.
    pub rx_max_frames: u32,
    /// The longest time from the end of a transmission to the interrupt.
    pub tx_usecs: u32,
    /// The largest number of frames transmitted without an interrupt.
    pub tx_max_frames: u32,
    /// The driver adapts the parameters of reception to the load.
    pub adaptive_rx: bool,
    /// The driver adapts the parameters of transmission to the load.
    pub adaptive_tx: bool,
}

impl Coalesce {
    fn from_c(c: &bindings::ethtool_coalesce) -> Self {
        Self {
            rx_usecs: c.rx_coalesce_usecs,
            rx_max_frames: c.rx_max_coalesced_frames,
            tx_usecs: c.tx_coalesce_usecs,
            tx_max_frames: c.tx_max_coalesced_frames,
            adaptive_rx: c.use_adaptive_rx_coalesce != 0,
            adaptive_tx: c.use_adaptive_tx_coalesce != 0,
        }
    }

    fn store(&self, c: &mut bindings::ethtool_coalesce) {
        c.rx_coalesce_usecs = self.rx_usecs;
        c.rx_max_coalesced_frames = self.rx_max_frames;
        c.tx_coalesce_usecs = self.tx_usecs;
        c.tx_max_coalesced_frames = self.tx_max_frames;
        c.use_adaptive_rx_coalesce = self.adaptive_rx.into();
        c.use_adaptive_tx_coalesce = self.adaptive_tx.into();
    }
}

/// The timestamps that a device can take.
///
/// Of received packets software always takes them, that is not told here.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct TsInfo {
    /// Software takes timestamps of transmitted packets, see
    /// [`Pending::software_timestamp`](super::inflight::Pending::software_timestamp).
    pub tx_software: bool,
    /// The hardware takes timestamps of transmitted packets in these modes.
    pub tx_modes: TxModes,
    /// The hardware takes timestamps of these received packets.
    pub rx_filters: RxFilters,
    /// The number of the clock that the hardware takes them from.
    pub clock: Option<u32>,
}

impl TsInfo {
    fn store(&self, info: &mut bindings::kernel_ethtool_ts_info) {
        let mut flags = 0;

        if self.tx_software {
            flags |= bindings::SOF_TIMESTAMPING_TX_SOFTWARE;
        }
        if self.tx_modes != TxModes::EMPTY {
            flags |= bindings::SOF_TIMESTAMPING_TX_HARDWARE;
        }
        if self.rx_filters != RxFilters::EMPTY {
            flags |= bindings::SOF_TIMESTAMPING_RX_HARDWARE;
        }
        if flags & !bindings::SOF_TIMESTAMPING_TX_SOFTWARE != 0 {
            flags |= bindings::SOF_TIMESTAMPING_RAW_HARDWARE;
        }

        info.so_timestamping = flags;
        info.tx_types = self.tx_modes.into_raw();
        info.rx_filters = self.rx_filters.into_raw();
        info.phc_index = self
            .clock
            .and_then(|index| ffi::c_int::try_from(index).ok())
            .unwrap_or(-1);
    }
}

/// Receives the names of the statistics, in their order.
///
/// There is room for as many as [`Operations::stats_count`] returned when it was called; what is
/// more is ignored, and what is less leaves empty names.
pub struct Strings<'b> {
    rest: slice::IterMut<'b, [u8; GSTRING_LEN]>,
}

impl Strings<'_> {
    /// Appends a name. It is cut off after 31 bytes.
    pub fn push(&mut self, name: fmt::Arguments<'_>) {
        if let Some(buf) = self.rest.next() {
            write_str(buf, name);
        }
    }
}

/// Receives the values of the statistics, in the order of their names.
///
/// There is as much room as in [`Strings`].
pub struct Values<'b> {
    rest: slice::IterMut<'b, u64>,
}

impl Values<'_> {
    /// Appends a value.
    pub fn push(&mut self, value: u64) {
        if let Some(slot) = self.rest.next() {
            *slot = value;
        }
    }
}

impl Extend<u64> for Values<'_> {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, values: I) {
        // Not `zip()`, which takes a slot before it finds that there is no value for it.
        for value in values {
            let Some(slot) = self.rest.next() else {
                break;
            };
            *slot = value;
        }
    }
}

/// What C takes for a statistic that a device does not count, `ETHTOOL_STAT_NOT_SET`.
const STAT_NOT_SET: u64 = u64::MAX;

macro_rules! standard_stats {
    ($(#[$meta:meta])* $name:ident, $c:ident {
        $($(#[$doc:meta])* $field:ident = $c_field:ident,)*
    }) => {
        $(#[$meta])*
        ///
        /// What a device does not count stays [`None`].
        #[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: Option<u64>,)*
        }

        impl $name {
            fn store(&self, stats: &mut bindings::$c) {
                $(
                    stats.__bindgen_anon_1.__bindgen_anon_1.$c_field =
                        self.$field.unwrap_or(STAT_NOT_SET);
                )*
            }
        }
    };
}

standard_stats! {
    /// Statistics of pause frames.
    PauseStats, ethtool_pause_stats {
        /// Pause frames sent.
        tx_pause_frames = tx_pause_frames,
        /// Pause frames received.
        rx_pause_frames = rx_pause_frames,
    }
}

standard_stats! {
    /// Statistics of the MAC, as in IEEE 802.3 30.3.1.1.
    EthMacStats, ethtool_eth_mac_stats {
        /// Good frames sent.
        frames_transmitted_ok = FramesTransmittedOK,
        /// Frames sent after exactly one collision.
        single_collision_frames = SingleCollisionFrames,
        /// Frames sent after several collisions.
        multiple_collision_frames = MultipleCollisionFrames,
        /// Good frames received.
        frames_received_ok = FramesReceivedOK,
        /// Frames received with a wrong FCS.
        frame_check_sequence_errors = FrameCheckSequenceErrors,
        /// Frames received that are no whole number of octets, with a wrong FCS.
        alignment_errors = AlignmentErrors,
        /// Octets of the good frames sent.
        octets_transmitted_ok = OctetsTransmittedOK,
        /// Frames that had to wait for the medium.
        frames_with_deferred_xmissions = FramesWithDeferredXmissions,
        /// Collisions later than one slot time.
        late_collisions = LateCollisions,
        /// Frames not sent because of too many collisions.
        frames_aborted_due_to_xs_colls = FramesAbortedDueToXSColls,
        /// Frames not sent because of an error inside the device.
        frames_lost_due_to_int_mac_xmit_error = FramesLostDueToIntMACXmitError,
        /// Transmissions without carrier.
        carrier_sense_errors = CarrierSenseErrors,
        /// Octets of the good frames received.
        octets_received_ok = OctetsReceivedOK,
        /// Frames not received because of an error inside the device.
        frames_lost_due_to_int_mac_rcv_error = FramesLostDueToIntMACRcvError,
        /// Good multicast frames sent.
        multicast_frames_xmitted_ok = MulticastFramesXmittedOK,
        /// Good broadcast frames sent.
        broadcast_frames_xmitted_ok = BroadcastFramesXmittedOK,
        /// Frames that had to wait for the medium for too long.
        frames_with_excessive_deferral = FramesWithExcessiveDeferral,
        /// Good multicast frames received.
        multicast_frames_received_ok = MulticastFramesReceivedOK,
        /// Good broadcast frames received.
        broadcast_frames_received_ok = BroadcastFramesReceivedOK,
        /// Frames received whose length field contradicts their length.
        in_range_length_errors = InRangeLengthErrors,
        /// Frames received whose length field is neither a length nor a type.
        out_of_range_length_field = OutOfRangeLengthField,
        /// Frames received that are longer than permitted.
        frame_too_long_errors = FrameTooLongErrors,
    }
}

standard_stats! {
    /// Statistics of the MAC control sublayer, as in IEEE 802.3 30.3.3.
    EthCtrlStats, ethtool_eth_ctrl_stats {
        /// MAC control frames sent.
        mac_control_frames_transmitted = MACControlFramesTransmitted,
        /// MAC control frames received.
        mac_control_frames_received = MACControlFramesReceived,
        /// MAC control frames received that are of no use to the device.
        unsupported_opcodes_received = UnsupportedOpcodesReceived,
    }
}

/// The largest number of frame sizes that [`RmonStats`] tells apart.
pub const RMON_RANGES_MAX: usize = bindings::ETHTOOL_RMON_HIST_MAX as usize;

/// The frame sizes that a device tells apart for [`RmonStats`].
pub struct RmonRanges([bindings::ethtool_rmon_hist_range; RMON_RANGES_MAX + 1]);

impl RmonRanges {
    /// None at all.
    pub const NONE: Self = Self::new([]);

    /// The sizes from the first to the second number of bytes of each pair.
    pub const fn new<const N: usize>(ranges: [(u16, u16); N]) -> Self {
        const_assert!(N <= RMON_RANGES_MAX, "more ranges than C can take");

        let end = bindings::ethtool_rmon_hist_range { low: 0, high: 0 };
        let mut c_ranges = [end; RMON_RANGES_MAX + 1];
        let mut i = 0;
        while i < N {
            let (low, high) = ranges[i];
            c_ranges[i] = bindings::ethtool_rmon_hist_range { low, high };
            i += 1;
        }
        Self(c_ranges)
    }
}

/// Statistics of frame sizes, as in RFC 2819.
///
/// What a device does not count stays [`None`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RmonStats {
    /// Good frames received that are too short.
    pub undersize_pkts: Option<u64>,
    /// Good frames received that are longer than the standard's maximum.
    pub oversize_pkts: Option<u64>,
    /// Bad frames received that are too short.
    pub fragments: Option<u64>,
    /// Bad frames received that are too long.
    pub jabbers: Option<u64>,
    /// Frames received, by the sizes in [`Operations::RMON_RANGES`].
    pub hist: [Option<u64>; RMON_RANGES_MAX],
    /// Frames sent, by the same sizes.
    pub hist_tx: [Option<u64>; RMON_RANGES_MAX],
}

impl RmonStats {
    fn store(&self, stats: &mut bindings::ethtool_rmon_stats) {
        let set = |value: Option<u64>| value.unwrap_or(STAT_NOT_SET);
        let stats = &mut stats.__bindgen_anon_1;

        stats.__bindgen_anon_1.undersize_pkts = set(self.undersize_pkts);
        stats.__bindgen_anon_1.oversize_pkts = set(self.oversize_pkts);
        stats.__bindgen_anon_1.fragments = set(self.fragments);
        stats.__bindgen_anon_1.jabbers = set(self.jabbers);
        stats.__bindgen_anon_1.hist = self.hist.map(set);
        stats.__bindgen_anon_1.hist_tx = self.hist_tx.map(set);
    }
}

/// More bytes of registers than that are not dumped.
const MAX_REGS: usize = 1 << 20;

/// Receives a register dump.
pub struct Regs<'b> {
    version: &'b mut u32,
    words: &'b mut [u32],
}

impl Regs<'_> {
    /// Sets the version of the layout, which may also tell the kind of device.
    pub fn set_version(&mut self, version: u32) {
        *self.version = version;
    }

    /// Where the registers go, in the byte order of the CPU.
    ///
    /// At most as many as [`Operations::regs_len`] returned, as the user may want fewer; zero at
    /// first.
    pub fn words(&mut self) -> &mut [u32] {
        self.words
    }
}

/// The ethtool operations of a driver.
///
/// What is not implemented is not supported; except that `ethtool` always tells whether the carrier
/// is on, and that time stamping is possible in software.
///
/// # Statistics
///
/// The three functions of the statistics belong together: either all of them are implemented or
/// none.
#[vtable]
pub trait Operations: Driver {
    /// The parameters that [`set_coalesce`](Operations::set_coalesce) understands. Must not be
    /// empty if that is implemented.
    const SUPPORTED_COALESCE: CoalesceParams = CoalesceParams::NONE;

    /// Whether [`set_ringparam`](Operations::set_ringparam) understands
    /// [`tcp_data_split`](RingParams::tcp_data_split); else the core refuses to change it.
    const TCP_DATA_SPLIT: bool = false;

    /// The frame sizes that [`get_rmon_stats`](Operations::get_rmon_stats) tells apart.
    const RMON_RANGES: RmonRanges = RmonRanges::NONE;

    /// The names of the self-tests, at most 31 bytes each. Must not be empty if
    /// [`self_test`](Operations::self_test) is implemented.
    const SELF_TESTS: &'static [&'static CStr] = &[];

    /// Fills in what `ethtool -i` shows.
    fn drvinfo<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _info: &mut DriverInfo,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the link settings.
    fn get_link_ksettings<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _settings: &mut LinkSettings,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the link settings.
    fn set_link_ksettings<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _settings: &LinkSettings,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Restarts autonegotiation.
    fn nway_reset<'a>(_dev: &Device<Self>, _data: Pin<&Self::Data<'a>>, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the pause settings.
    fn get_pauseparam<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _pause: &mut PauseParam,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the pause settings.
    fn set_pauseparam<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _pause: &PauseParam,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the settings and the state of Energy Efficient Ethernet.
    fn get_eee<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _eee: &mut Eee,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the settings of Energy Efficient Ethernet.
    fn set_eee<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _eee: &Eee,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads what the device can, and is to, wake the system on.
    fn get_wol<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _wol: &mut WolInfo,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes what the device is to wake the system on.
    fn set_wol<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _wol: &WolInfo,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Runs the self-tests. The device may be down.
    fn self_test<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _test: &mut SelfTest<'_>,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the statistics of pause frames.
    fn get_pause_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> PauseStats {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the standard statistics of the MAC.
    fn get_eth_mac_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> EthMacStats {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the standard statistics of the MAC control sublayer.
    fn get_eth_ctrl_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> EthCtrlStats {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the standard statistics of frame sizes.
    fn get_rmon_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> RmonStats {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the sizes of the rings.
    fn get_ringparam<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> RingParams {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the sizes of the rings. The core has checked the maxima.
    fn set_ringparam<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _params: &RingParams,
        _extack: &mut ExtAck<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the numbers of channels.
    fn get_channels<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> Channels {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the numbers of channels. The core has checked the maxima, and that there is at least
    /// one channel for each direction.
    fn set_channels<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _channels: &Channels,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns when interrupts are raised.
    fn get_coalesce<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> Result<Coalesce> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes when interrupts are raised.
    ///
    /// The core has refused what [`SUPPORTED_COALESCE`](Operations::SUPPORTED_COALESCE) does not
    /// contain.
    fn set_coalesce<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _coalesce: &Coalesce,
        _extack: &mut ExtAck<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns when the interrupts of one queue are raised.
    ///
    /// The number of the queue comes from the user and is not checked; [`EINVAL`] is the answer
    /// where there is no such queue.
    fn get_per_queue_coalesce<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _queue: u32,
        _rtnl: &Rtnl,
    ) -> Result<Coalesce> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes when the interrupts of one queue are raised.
    fn set_per_queue_coalesce<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _queue: u32,
        _coalesce: &Coalesce,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns which timestamps can be taken.
    ///
    /// Called in an RCU read-side critical section, it must not sleep; the rtnl lock may not be
    /// held.
    fn get_ts_info<'a>(_dev: &Device<Self>, _data: Pin<&Self::Data<'a>>) -> TsInfo {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the number of 32-bit words of a register dump.
    fn regs_len<'a>(_dev: &Device<Self>, _data: Pin<&Self::Data<'a>>, _rtnl: &Rtnl) -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Dumps the registers.
    fn get_regs<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _regs: &mut Regs<'_>,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the number of statistics.
    ///
    /// Called once in the life of a device; the number does not change afterwards.
    fn stats_count<'a>(_dev: &Device<Self>, _data: Pin<&Self::Data<'a>>, _rtnl: &Rtnl) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Names the statistics.
    fn stat_names<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _names: &mut Strings<'_>,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the statistics.
    fn stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _values: &mut Values<'_>,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

impl<'a, T: Operations> UnregisteredDevice<'a, T> {
    /// Makes the [`Operations`] of the driver available to `ethtool`.
    pub fn set_ethtool_ops(&mut self) {
        // SAFETY: The operations are a constant, and those of `T`.
        unsafe { self.set_ethtool_ops_raw(&VTable::<T>::OPS) };
    }
}

/// The C operations of a driver.
///
/// The safety requirement of all callbacks is the same: they may only be called by the networking
/// core, as the operation that they are named after, on a registered device whose driver is `T`,
/// with the rtnl lock held; and with arguments that are valid, initialised, and exclusively the
/// callee's unless `const`.
struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    const RMON_RANGES: &'static RmonRanges = &T::RMON_RANGES;

    const HAS_SELF_TEST: bool = {
        assert!(
            T::HAS_SELF_TEST != T::SELF_TESTS.is_empty(),
            "a self-test needs names"
        );
        T::HAS_SELF_TEST
    };

    const HAS_STATISTICS: bool = {
        assert!(
            T::HAS_STATS_COUNT == T::HAS_STATS && T::HAS_STATS_COUNT == T::HAS_STAT_NAMES,
            "statistics need a count, names and values"
        );
        T::HAS_STATS
    };

    const OPS: bindings::ethtool_ops = {
        assert!(
            !T::HAS_SET_COALESCE || T::SUPPORTED_COALESCE.0 != 0,
            "SUPPORTED_COALESCE must not be empty"
        );
        assert!(
            T::HAS_REGS_LEN == T::HAS_GET_REGS,
            "a register dump needs a length and registers"
        );

        bindings::ethtool_ops {
            supported_coalesce_params: T::SUPPORTED_COALESCE.0,
            supported_ring_params: if T::TCP_DATA_SPLIT {
                bindings::ethtool_supported_ring_param_ETHTOOL_RING_USE_TCP_DATA_SPLIT
            } else {
                0
            },
            get_link: Some(bindings::ethtool_op_get_link),
            get_ts_info: if T::HAS_GET_TS_INFO {
                Some(Self::get_ts_info)
            } else {
                Some(bindings::ethtool_op_get_ts_info)
            },
            get_drvinfo: if T::HAS_DRVINFO {
                Some(Self::get_drvinfo)
            } else {
                None
            },
            get_link_ksettings: if T::HAS_GET_LINK_KSETTINGS {
                Some(Self::get_link_ksettings)
            } else {
                None
            },
            set_link_ksettings: if T::HAS_SET_LINK_KSETTINGS {
                Some(Self::set_link_ksettings)
            } else {
                None
            },
            nway_reset: if T::HAS_NWAY_RESET {
                Some(Self::nway_reset)
            } else {
                None
            },
            get_pauseparam: if T::HAS_GET_PAUSEPARAM {
                Some(Self::get_pauseparam)
            } else {
                None
            },
            set_pauseparam: if T::HAS_SET_PAUSEPARAM {
                Some(Self::set_pauseparam)
            } else {
                None
            },
            get_eee: if T::HAS_GET_EEE {
                Some(Self::get_eee)
            } else {
                None
            },
            set_eee: if T::HAS_SET_EEE {
                Some(Self::set_eee)
            } else {
                None
            },
            get_wol: if T::HAS_GET_WOL {
                Some(Self::get_wol)
            } else {
                None
            },
            set_wol: if T::HAS_SET_WOL {
                Some(Self::set_wol)
            } else {
                None
            },
            self_test: if Self::HAS_SELF_TEST {
                Some(Self::self_test)
            } else {
                None
            },
            get_pause_stats: if T::HAS_GET_PAUSE_STATS {
                Some(Self::get_pause_stats)
            } else {
                None
            },
            get_eth_mac_stats: if T::HAS_GET_ETH_MAC_STATS {
                Some(Self::get_eth_mac_stats)
            } else {
                None
            },
            get_eth_ctrl_stats: if T::HAS_GET_ETH_CTRL_STATS {
                Some(Self::get_eth_ctrl_stats)
            } else {
                None
            },
            get_rmon_stats: if T::HAS_GET_RMON_STATS {
                Some(Self::get_rmon_stats)
            } else {
                None
            },
            get_ringparam: if T::HAS_GET_RINGPARAM {
                Some(Self::get_ringparam)
            } else {
                None
            },
            set_ringparam: if T::HAS_SET_RINGPARAM {
                Some(Self::set_ringparam)
            } else {
                None
            },
            get_channels: if T::HAS_GET_CHANNELS {
                Some(Self::get_channels)
            } else {
                None
            },
            set_channels: if T::HAS_SET_CHANNELS {
                Some(Self::set_channels)
            } else {
                None
            },
            get_coalesce: if T::HAS_GET_COALESCE {
                Some(Self::get_coalesce)
            } else {
                None
            },
            set_coalesce: if T::HAS_SET_COALESCE {
                Some(Self::set_coalesce)
            } else {
                None
            },
            get_per_queue_coalesce: if T::HAS_GET_PER_QUEUE_COALESCE {
                Some(Self::get_per_queue_coalesce)
            } else {
                None
            },
            set_per_queue_coalesce: if T::HAS_SET_PER_QUEUE_COALESCE {
                Some(Self::set_per_queue_coalesce)
            } else {
                None
            },
            get_regs_len: if T::HAS_REGS_LEN {
                Some(Self::get_regs_len)
            } else {
                None
            },
            get_regs: if T::HAS_GET_REGS {
                Some(Self::get_regs)
            } else {
                None
            },
            get_sset_count: if Self::HAS_STATISTICS || Self::HAS_SELF_TEST {
                Some(Self::get_sset_count)
            } else {
                None
            },
            get_strings: if Self::HAS_STATISTICS || Self::HAS_SELF_TEST {
                Some(Self::get_strings)
            } else {
                None
            },
            get_ethtool_stats: if Self::HAS_STATISTICS {
                Some(Self::get_ethtool_stats)
            } else {
                None
            },
            ..pin_init::zeroed()
        }
    };

    /// Calls `f` with the device, its data and the proof of rtnl.
    ///
    /// # Safety
    ///
    /// `dev` must be a registered device whose driver is `T`, and stay so during the call; and the
    /// rtnl lock must be held.
    unsafe fn with<R>(
        dev: *mut bindings::net_device,
        f: impl for<'a> FnOnce(&Device<T>, Pin<&T::Data<'a>>, &Rtnl) -> R,
    ) -> R {
        // SAFETY: By the function's safety requirements.
        let (dev, rtnl) = unsafe { (Device::<T>::from_raw(dev), Rtnl::assume_held()) };

        // SAFETY: The device is registered, so that its data is valid.
        unsafe { dev.with_data(|dev, data| f(dev, data, rtnl)) }
    }

    /// The number of statistics of a device.
    ///
    /// `get_strings` writes into a buffer whose size it is not told: the caller has asked for the
    /// count before. Nothing in safe Rust can force [`Operations::stats_count`] to return the same
    /// number twice, hence it is asked only once.
    fn stats_count(dev: &Device<T>, data: Pin<&T::Data<'_>>, rtnl: &Rtnl) -> u32 {
        let frozen = dev.stats_count();

        match frozen.copy() {
            Some(count) => count,
            None => {
                // Nobody else does this at the same time, as we hold rtnl. Even if `T` came back
                // here from `stats_count` there would be one winner.
                frozen.populate(T::stats_count(dev, data, rtnl).min(MAX_STATS));
                frozen.copy().unwrap_or(0)
            }
        }
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_drvinfo(
        dev: *mut bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: By the safety requirements; the type is transparent.
        let info = unsafe { &mut *info.cast::<DriverInfo>() };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::drvinfo(dev, data, info, rtnl)) }
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_link_ksettings(
        dev: *mut bindings::net_device,
        settings: *mut bindings::ethtool_link_ksettings,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements; the type is transparent.
        let settings = unsafe { &mut *settings.cast::<LinkSettings>() };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::get_link_ksettings(dev, data, settings, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_link_ksettings(
        dev: *mut bindings::net_device,
        settings: *const bindings::ethtool_link_ksettings,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements; the type is transparent.
        let settings = unsafe { &*settings.cast::<LinkSettings>() };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::set_link_ksettings(dev, data, settings, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn nway_reset(dev: *mut bindings::net_device) -> ffi::c_int {
        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe { Self::with(dev, |dev, data, rtnl| T::nway_reset(dev, data, rtnl)) }.map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_pauseparam(
        dev: *mut bindings::net_device,
        pause: *mut bindings::ethtool_pauseparam,
    ) {
        // SAFETY: By the safety requirements; the type is transparent.
        let pause = unsafe { &mut *pause.cast::<PauseParam>() };

        // SAFETY: By the safety requirements.
        unsafe {
            Self::with(dev, |dev, data, rtnl| {
                T::get_pauseparam(dev, data, pause, rtnl)
            })
        }
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_pauseparam(
        dev: *mut bindings::net_device,
        pause: *mut bindings::ethtool_pauseparam,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements; the type is transparent.
        let pause = unsafe { &*pause.cast::<PauseParam>() };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::set_pauseparam(dev, data, pause, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_eee(
        dev: *mut bindings::net_device,
        eee: *mut bindings::ethtool_keee,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements; the type is transparent.
        let eee = unsafe { &mut *eee.cast::<Eee>() };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe { Self::with(dev, |dev, data, rtnl| T::get_eee(dev, data, eee, rtnl)) }
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_eee(
        dev: *mut bindings::net_device,
        eee: *mut bindings::ethtool_keee,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements; the type is transparent.
        let eee = unsafe { &*eee.cast::<Eee>() };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe { Self::with(dev, |dev, data, rtnl| T::set_eee(dev, data, eee, rtnl)) }
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_wol(
        dev: *mut bindings::net_device,
        wol: *mut bindings::ethtool_wolinfo,
    ) {
        // SAFETY: By the safety requirements; the type is transparent.
        let wol = unsafe { &mut *wol.cast::<WolInfo>() };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::get_wol(dev, data, wol, rtnl)) }
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_wol(
        dev: *mut bindings::net_device,
        wol: *mut bindings::ethtool_wolinfo,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements; the type is transparent.
        let wol = unsafe { &*wol.cast::<WolInfo>() };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe { Self::with(dev, |dev, data, rtnl| T::set_wol(dev, data, wol, rtnl)) }
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`]. `results` must have room for as many numbers as `get_sset_count` returned.
    unsafe extern "C" fn self_test(
        dev: *mut bindings::net_device,
        test: *mut bindings::ethtool_test,
        results: *mut u64,
    ) {
        // SAFETY: By the safety requirements.
        let flags = unsafe { &mut (*test).flags };

        // SAFETY: The caller has allocated and cleared as many numbers as `get_sset_count` returned
        // to it, which is a constant.
        let results = unsafe { slice::from_raw_parts_mut(results, T::SELF_TESTS.len()) };
        let mut test = SelfTest { flags, results };

        // SAFETY: By the safety requirements.
        unsafe {
            Self::with(dev, |dev, data, rtnl| {
                T::self_test(dev, data, &mut test, rtnl)
            })
        }
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_pause_stats(
        dev: *mut bindings::net_device,
        stats: *mut bindings::ethtool_pause_stats,
    ) {
        // SAFETY: By the safety requirements.
        let stats = unsafe { &mut *stats };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::get_pause_stats(dev, data, rtnl)) }
            .store(stats);
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_eth_mac_stats(
        dev: *mut bindings::net_device,
        stats: *mut bindings::ethtool_eth_mac_stats,
    ) {
        // SAFETY: By the safety requirements.
        let stats = unsafe { &mut *stats };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::get_eth_mac_stats(dev, data, rtnl)) }
            .store(stats);
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_eth_ctrl_stats(
        dev: *mut bindings::net_device,
        stats: *mut bindings::ethtool_eth_ctrl_stats,
    ) {
        // SAFETY: By the safety requirements.
        let stats = unsafe { &mut *stats };

        // SAFETY: By the safety requirements.
        unsafe {
            Self::with(dev, |dev, data, rtnl| {
                T::get_eth_ctrl_stats(dev, data, rtnl)
            })
        }
        .store(stats);
    }

    /// # Safety
    ///
    /// See [`VTable`]. `ranges` must be valid for writes.
    unsafe extern "C" fn get_rmon_stats(
        dev: *mut bindings::net_device,
        stats: *mut bindings::ethtool_rmon_stats,
        ranges: *mut *const bindings::ethtool_rmon_hist_range,
    ) {
        // SAFETY: By the safety requirements.
        let stats = unsafe { &mut *stats };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::get_rmon_stats(dev, data, rtnl)) }
            .store(stats);

        // SAFETY: By the safety requirements. The array is a constant that ends with an empty
        // range.
        unsafe { *ranges = Self::RMON_RANGES.0.as_ptr() };
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_ringparam(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: By the safety requirements.
        let (ring, kernel_ring) = unsafe { (&mut *ring, &mut *kernel_ring) };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::get_ringparam(dev, data, rtnl)) }
            .store(ring, kernel_ring);
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_ringparam(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        extack: *mut bindings::netlink_ext_ack,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let (params, mut extack) = unsafe {
            (
                RingParams::from_c(&*ring, &*kernel_ring),
                ExtAck::from_raw(extack),
            )
        };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::set_ringparam(dev, data, &params, &mut extack, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) {
        // SAFETY: By the safety requirements.
        let channels = unsafe { &mut *channels };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, |dev, data, rtnl| T::get_channels(dev, data, rtnl)) }
            .store(channels);
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let channels = Channels::from_c(unsafe { &*channels });

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::set_channels(dev, data, &channels, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_coalesce(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel_coalesce: *mut bindings::kernel_ethtool_coalesce,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let coalesce = unsafe { &mut *coalesce };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe { Self::with(dev, |dev, data, rtnl| T::get_coalesce(dev, data, rtnl)) }?
                .store(coalesce);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_coalesce(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel_coalesce: *mut bindings::kernel_ethtool_coalesce,
        extack: *mut bindings::netlink_ext_ack,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let (coalesce, mut extack) =
            unsafe { (Coalesce::from_c(&*coalesce), ExtAck::from_raw(extack)) };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::set_coalesce(dev, data, &coalesce, &mut extack, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_per_queue_coalesce(
        dev: *mut bindings::net_device,
        queue: u32,
        coalesce: *mut bindings::ethtool_coalesce,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let coalesce = unsafe { &mut *coalesce };

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::get_per_queue_coalesce(dev, data, queue, rtnl)
                })
            }?
            .store(coalesce);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn set_per_queue_coalesce(
        dev: *mut bindings::net_device,
        queue: u32,
        coalesce: *mut bindings::ethtool_coalesce,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let coalesce = Coalesce::from_c(unsafe { &*coalesce });

        from_result(|| {
            // SAFETY: By the safety requirements.
            unsafe {
                Self::with(dev, |dev, data, rtnl| {
                    T::set_per_queue_coalesce(dev, data, queue, &coalesce, rtnl)
                })
            }
            .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`VTable`], except that instead of the rtnl lock there may only be a reference to the
    /// device, or the RCU read lock since it was found registered.
    unsafe extern "C" fn get_ts_info(
        dev: *mut bindings::net_device,
        info: *mut bindings::kernel_ethtool_ts_info,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let (dev, info) = unsafe { (Device::<T>::from_raw(dev), &mut *info) };

        // SAFETY: The device is registered, and its unregistration waits for references as well as
        // for RCU readers before the data is dropped.
        unsafe { dev.with_data(|dev, data| T::get_ts_info(dev, data)) }.store(info);
        0
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_regs_len(dev: *mut bindings::net_device) -> ffi::c_int {
        // SAFETY: By the safety requirements.
        let words = unsafe { Self::with(dev, |dev, data, rtnl| T::regs_len(dev, data, rtnl)) };
        let bytes = words.saturating_mul(size_of::<u32>()).min(MAX_REGS);

        // CAST: Less than 2^31.
        bytes as ffi::c_int
    }

    /// # Safety
    ///
    /// See [`VTable`]. `buf` must have room for `(*regs).len` bytes, and be aligned to a word.
    unsafe extern "C" fn get_regs(
        dev: *mut bindings::net_device,
        regs: *mut bindings::ethtool_regs,
        buf: *mut ffi::c_void,
    ) {
        // SAFETY: By the safety requirements.
        let regs = unsafe { &mut *regs };
        // CAST: From 32 bits to at least as many.
        let count = regs.len as usize / size_of::<u32>();

        // SAFETY: By the safety requirements: the core has allocated whole pages, set them to zero,
        // and limited the length to what it has allocated.
        let words = unsafe { slice::from_raw_parts_mut(buf.cast::<u32>(), count) };
        let mut out = Regs {
            version: &mut regs.version,
            words,
        };

        // SAFETY: By the safety requirements.
        unsafe {
            Self::with(dev, |dev, data, rtnl| {
                T::get_regs(dev, data, &mut out, rtnl)
            })
        }
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_sset_count(
        dev: *mut bindings::net_device,
        sset: ffi::c_int,
    ) -> ffi::c_int {
        from_result(|| {
            let count = match u32::try_from(sset) {
                Ok(bindings::ethtool_stringset_ETH_SS_TEST) => T::SELF_TESTS.len(),
                Ok(bindings::ethtool_stringset_ETH_SS_STATS) if Self::HAS_STATISTICS => {
                    // SAFETY: By the safety requirements.
                    let count = unsafe { Self::with(dev, Self::stats_count) };
                    // CAST: From 32 bits to at least as many.
                    count as usize
                }
                _ => return Err(EOPNOTSUPP),
            };

            // An empty set would be a warning in the log.
            match ffi::c_int::try_from(count) {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(EOPNOTSUPP),
            }
        })
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_strings(dev: *mut bindings::net_device, sset: u32, buf: *mut u8) {
        if buf.is_null() {
            return;
        }
        if sset == bindings::ethtool_stringset_ETH_SS_TEST {
            // SAFETY: The caller has allocated the buffer for, and initialised, as many strings as
            // `get_sset_count` returned to it, which is a constant.
            let buf = unsafe {
                slice::from_raw_parts_mut(buf.cast::<[u8; GSTRING_LEN]>(), T::SELF_TESTS.len())
            };

            for (buf, name) in buf.iter_mut().zip(T::SELF_TESTS) {
                write_str(buf, fmt!("{}", *name));
            }
            return;
        }
        if sset != bindings::ethtool_stringset_ETH_SS_STATS || !Self::HAS_STATISTICS {
            return;
        }

        let f = |dev: &Device<T>, data: Pin<&T::Data<'_>>, rtnl: &Rtnl| {
            let count = Self::stats_count(dev, data, rtnl);

            // SAFETY: The caller has allocated the buffer for, and initialised, as many strings as
            // `get_sset_count` returned to it, which is `count`, as that never changes.
            let buf = unsafe {
                slice::from_raw_parts_mut(buf.cast::<[u8; GSTRING_LEN]>(), count as usize)
            };

            T::stat_names(
                dev,
                data,
                &mut Strings {
                    rest: buf.iter_mut(),
                },
                rtnl,
            );
        };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, f) };
    }

    /// # Safety
    ///
    /// See [`VTable`].
    unsafe extern "C" fn get_ethtool_stats(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        buf: *mut u64,
    ) {
        if buf.is_null() {
            return;
        }

        let f = |dev: &Device<T>, data: Pin<&T::Data<'_>>, rtnl: &Rtnl| {
            let count = Self::stats_count(dev, data, rtnl);

            // SAFETY: The caller has allocated the buffer for, and initialised, at least as many
            // numbers as `get_sset_count` returned to it, which is `count`, as that never changes.
            let buf = unsafe { slice::from_raw_parts_mut(buf, count as usize) };

            T::stats(
                dev,
                data,
                &mut Values {
                    rest: buf.iter_mut(),
                },
                rtnl,
            );
        };

        // SAFETY: By the safety requirements.
        unsafe { Self::with(dev, f) };
    }
}

#[macros::kunit_tests(rust_net_ethtool)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_cut_and_terminated() {
        let mut buf = [0xff_u8; 8];

        write_str(&mut buf, fmt!("tx{}_packets", 3));
        assert_eq!(&buf, b"tx3_pac\0");
        write_str(&mut buf, fmt!("a{}", "b"));
        assert_eq!(&buf, b"ab\0\0\0\0\0\0");
        write_str(&mut [], fmt!("x"));
    }

    #[test]
    fn writers_stop_at_the_end() {
        let mut names = [[0xff_u8; GSTRING_LEN]; 2];
        let mut out = Strings {
            rest: names.iter_mut(),
        };
        for i in 0..4 {
            out.push(fmt!("stat_{}", i));
        }
        assert_eq!(&names[1][..7], b"stat_1\0");

        let mut values = [0; 5];
        let mut out = Values {
            rest: values.iter_mut(),
        };
        out.push(7);
        out.extend([8, 9]);
        out.extend(10..);
        out.push(1);
        assert_eq!(values, [7, 8, 9, 10, 11]);
    }

    #[test]
    fn timestamps_imply_flags() {
        use super::super::hwtstamp::{
            RxFilter,
            TxMode, //
        };

        let mut c: bindings::kernel_ethtool_ts_info = pin_init::zeroed();
        TsInfo::default().store(&mut c);
        assert_eq!((c.so_timestamping, c.phc_index), (0, -1));

        TsInfo {
            tx_software: true,
            tx_modes: TxModes::EMPTY.with(TxMode::Off).with(TxMode::On),
            rx_filters: RxFilters::EMPTY.with(RxFilter::All),
            clock: Some(3),
        }
        .store(&mut c);
        // TX_HARDWARE, TX_SOFTWARE, RX_HARDWARE, RAW_HARDWARE.
        assert_eq!(c.so_timestamping, 0x47);
        assert_eq!((c.phc_index, c.tx_types, c.rx_filters), (3, 3, 2));
    }

    #[test]
    fn standard_statistics() {
        let mut c = bindings::ethtool_pause_stats::default();
        PauseStats {
            tx_pause_frames: Some(7),
            rx_pause_frames: None,
        }
        .store(&mut c);
        // SAFETY: Both sides of the union are the same.
        let stats = unsafe { c.__bindgen_anon_1.stats };
        assert_eq!(
            (stats.tx_pause_frames, stats.rx_pause_frames),
            (7, STAT_NOT_SET)
        );

        let mut c = bindings::ethtool_rmon_stats::default();
        let mut rmon = RmonStats {
            jabbers: Some(3),
            ..Default::default()
        };
        rmon.hist_tx[1] = Some(9);
        rmon.store(&mut c);
        // SAFETY: Both sides of the union are the same.
        let stats = unsafe { c.__bindgen_anon_1.stats };
        assert_eq!((stats.jabbers, stats.fragments), (3, STAT_NOT_SET));
        assert_eq!((stats.hist_tx[1], stats.hist[1]), (9, STAT_NOT_SET));

        let ranges = RmonRanges::new([(0, 64), (65, 127)]).0;
        assert_eq!((ranges[0].high, ranges[1].low), (64, 65));
        assert_eq!((ranges[2].low, ranges[2].high), (0, 0));
    }

    #[test]
    fn round_trips() {
        let mut c = pin_init::zeroed();
        let coalesce = Coalesce {
            rx_usecs: 1,
            rx_max_frames: 2,
            tx_usecs: 3,
            tx_max_frames: 4,
            adaptive_rx: true,
            adaptive_tx: false,
        };
        coalesce.store(&mut c);
        assert_eq!(Coalesce::from_c(&c), coalesce);

        for tcp_data_split in [None, Some(false), Some(true)] {
            let (mut c, mut kernel) = (pin_init::zeroed(), pin_init::zeroed());
            let ring = RingParams {
                rx_max: 1024,
                tx_max: 2048,
                rx: 512,
                tx: 256,
                tcp_data_split,
            };
            ring.store(&mut c, &mut kernel);
            assert_eq!(RingParams::from_c(&c, &kernel), ring);
        }

        let mut c = pin_init::zeroed();
        let channels = Channels {
            max_combined: 4,
            combined: 2,
            ..Default::default()
        };
        channels.store(&mut c);
        assert_eq!(Channels::from_c(&c), channels);
    }
}
