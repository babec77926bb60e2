// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! An Ethernet driver implements [`Driver`] on a type that is only a name. In the probe function of
//! its bus driver it creates an [`UnregisteredDevice`], sets it up, and turns it into a
//! [`Registration`] together with the data that the callbacks need. The registration is kept in the
//! data of the bus driver: when that is dropped the network device is stopped and unregistered.
//!
//! # Lifetimes
//!
//! A `struct net_device` is a managed resource of its parent device, it is freed after the parent
//! was unbound. This is why a plain `&'a Device<T>` may be stored in [`Driver::Data`] and in
//! everything that belongs to it, and why there is no reference counting: a reference that a driver
//! holds would make the unregistration wait forever.
//!
//! The order of the teardown follows from the types: [`Registration`] unregisters the device, which
//! waits for all callbacks, then it drops the data, and later the parent frees the `net_device`.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! A device that loses everything it is given:
//!
//! ```
//! use kernel::{
//!     device,
//!     net::{
//!         device::{
//!             Device,
//!             Driver,
//!             Registration,
//!             UnregisteredDevice,
//!             Xmit, //
//!         },
//!         queue::TxQueue,
//!         rtnl::Rtnl,
//!         skbuff::{
//!             DropReason,
//!             SkBuff, //
//!         },
//!         stats::{
//!             Reader,
//!             Stats64, //
//!         }, //
//!     },
//!     prelude::*, //
//! };
//!
//! struct Sink;
//!
//! /// What the callbacks need. It may borrow from the bound device for `'a`.
//! struct SinkData<'a> {
//!     parent: &'a device::Device<device::Bound>,
//!     counters: Reader<2>,
//! }
//!
//! #[vtable]
//! impl Driver for Sink {
//!     type Data<'a> = SinkData<'a>;
//!
//!     fn open<'a>(dev: &Device<Self>, _data: Pin<&SinkData<'a>>, rtnl: &Rtnl) -> Result {
//!         dev.tx_start_all(rtnl);
//!         dev.carrier_on();
//!         Ok(())
//!     }
//!
//!     fn stop<'a>(dev: &Device<Self>, _data: Pin<&SinkData<'a>>, rtnl: &Rtnl) {
//!         dev.carrier_off();
//!         dev.tx_disable(rtnl);
//!     }
//!
//!     fn start_xmit<'a>(
//!         _dev: &Device<Self>,
//!         _data: Pin<&SinkData<'a>>,
//!         _queue: &mut TxQueue<'_>,
//!         skb: SkBuff,
//!     ) -> Xmit {
//!         skb.drop_reason(DropReason::DevReady);
//!         Xmit::Sent
//!     }
//!
//!     fn get_stats64<'a>(data: Pin<&SinkData<'a>>, stats: &mut Stats64) {
//!         let [packets, bytes] = data.counters.read();
//!
//!         stats.set_tx_packets(packets);
//!         stats.set_tx_bytes(bytes);
//!     }
//! }
//!
//! fn probe<'a>(
//!     parent: &'a device::Device<device::Bound>,
//!     counters: Reader<2>,
//! ) -> Result<Registration<'a, Sink>> {
//!     let mut dev = UnregisteredDevice::<Sink>::new(parent, 1, 1)?;
//!
//!     dev.set_random_hw_addr();
//!     dev.set_mtu_range(68, 9000);
//!
//!     // SAFETY: The caller keeps the registration in the data of its bus driver and does not
//!     // forget it.
//!     unsafe { Registration::new(dev, Ok::<_, Error>(SinkData { parent, counters })) }
//! }
//! ```

use crate::{
    bindings, container_of, device,
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt,
    net::{
        hwtstamp,
        napi::NapiConfig,
        queue::{
            Completion,
            Queue,
            TxQueue, //
        },
        rtnl::{
            self,
            Rtnl, //
        },
        skbuff::{
            DropReason,
            SkBuff,
            SkBuffRef,
            VlanProtocol, //
        },
        stats::{
            RxQueueStats,
            Stats64,
            TxQueueStats, //
        }, //
    },
    prelude::*,
    str::BStr,
    sync::{
        new_mutex,
        rcu,
        Arc,
        Mutex,
        SetOnce, //
    },
    time::{
        msecs_to_jiffies,
        Delta, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    },
    warn_on,
};
use core::{
    marker::PhantomData,
    ops::{
        BitAnd,
        BitOr,
        BitOrAssign,
        Deref,
        Sub, //
    },
    ptr::{
        self,
        NonNull, //
    },
};

/// Length of an Ethernet header.
const ETH_HLEN: c_int = bindings::ETH_HLEN as c_int; // CAST: 14.

/// Length of an Ethernet address.
const ETH_ALEN: usize = bindings::ETH_ALEN as usize; // CAST: 6.

/// Size of the buffer for the name of a device.
const IFNAMSIZ: usize = bindings::IFNAMSIZ as usize; // CAST: 16.

/// What became of a packet that was given to [`Driver::start_xmit`].
#[must_use]
pub enum Xmit {
    /// It was sent, or it was dropped.
    Sent,
    /// There was no room for it, although the queue was not stopped. It is handed back unchanged
    /// and comes again later. Another buffer, or one that was made a received packet, is dropped
    /// with a warning.
    ///
    /// A driver should stop the queue in time instead.
    Busy(SkBuff),
}

/// A set of offload features, the C `netdev_features_t`.
///
/// # Examples
///
/// ```
/// use kernel::net::device::Features;
///
/// let checksums = Features::IP_CSUM | Features::IPV6_CSUM;
/// let features = checksums | Features::SG;
///
/// assert!(features.contains(checksums));
/// assert!(!(features - Features::IP_CSUM).contains(checksums));
/// assert!((features - Features::IP_CSUM).intersects(checksums));
/// assert_eq!(features & Features::SG, Features::SG);
/// ```
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct Features(u64);

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:ident;)*) => {
        impl Features {
            $(
                $(#[$doc])*
                pub const $name: Self = Self(1 << bindings::$bit);
            )*

            /// All features that a driver can offer with the callbacks that [`Driver`] has.
            ///
            /// The networking core calls functions on behalf of some others without looking whether
            /// they exist. Of these, it does so for the filters: see [`Adapter::SUPPORTED`].
            const SUPPORTED: Self = Self(0 $(| Self::$name.0)*);
        }
    };
}

features! {
    /// Scatter and gather: packets may have page fragments.
    SG = NETIF_F_SG_BIT;
    /// Transmit checksums of TCP and UDP over IPv4.
    IP_CSUM = NETIF_F_IP_CSUM_BIT;
    /// Transmit checksums of TCP and UDP over IPv6.
    IPV6_CSUM = NETIF_F_IPV6_CSUM_BIT;
    /// Transmit checksums of any protocol.
    HW_CSUM = NETIF_F_HW_CSUM_BIT;
    /// Receive checksums.
    RXCSUM = NETIF_F_RXCSUM_BIT;
    /// Receive hashes.
    RXHASH = NETIF_F_RXHASH_BIT;
    /// Fragments in high memory.
    HIGHDMA = NETIF_F_HIGHDMA_BIT;
    /// Segmentation of packets by software, below the queueing disciplines.
    GSO = NETIF_F_GSO_BIT;
    /// Merging of received packets by software.
    GRO = NETIF_F_GRO_BIT;
    /// TCP segmentation over IPv4.
    TSO = NETIF_F_TSO_BIT;
    /// TCP segmentation over IPv6.
    TSO6 = NETIF_F_TSO6_BIT;
    /// UDP segmentation.
    GSO_UDP_L4 = NETIF_F_GSO_UDP_L4_BIT;
    /// Reception of bad frames.
    RXALL = NETIF_F_RXALL_BIT;
    /// Reception with the frame check sequence.
    RXFCS = NETIF_F_RXFCS_BIT;
    /// Insertion of VLAN tags.
    HW_VLAN_CTAG_TX = NETIF_F_HW_VLAN_CTAG_TX_BIT;
    /// Removal of VLAN tags.
    HW_VLAN_CTAG_RX = NETIF_F_HW_VLAN_CTAG_RX_BIT;
    /// Insertion of service VLAN tags.
    HW_VLAN_STAG_TX = NETIF_F_HW_VLAN_STAG_TX_BIT;
    /// Removal of service VLAN tags.
    HW_VLAN_STAG_RX = NETIF_F_HW_VLAN_STAG_RX_BIT;
    /// Filter for VLAN tags, see [`Driver::vlan_rx_add_vid`].
    HW_VLAN_CTAG_FILTER = NETIF_F_HW_VLAN_CTAG_FILTER_BIT;
    /// Filter for service VLAN tags, see [`Driver::vlan_rx_add_vid`].
    HW_VLAN_STAG_FILTER = NETIF_F_HW_VLAN_STAG_FILTER_BIT;
    /// Loopback within the device.
    LOOPBACK = NETIF_F_LOOPBACK_BIT;
}

impl Features {
    /// No feature.
    pub const EMPTY: Self = Self(0);

    /// Creates a set from a `netdev_features_t`.
    #[inline]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns the set as a `netdev_features_t`.
    #[inline]
    pub const fn into_raw(self) -> u64 {
        self.0
    }

    /// Returns whether all of `other` are in the set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether any of `other` is in the set.
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Features {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Features {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Features {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The difference of two sets.
impl Sub for Features {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The packets that a device should receive, besides those for its own address.
///
/// This is a snapshot, nobody changes it during the callback.
///
/// # Invariants
///
/// Both lists are valid and are not changed.
pub struct RxMode<'a> {
    flags: u32,
    unicast: &'a Opaque<bindings::netdev_hw_addr_list>,
    multicast: &'a Opaque<bindings::netdev_hw_addr_list>,
}

impl<'a> RxMode<'a> {
    /// Returns whether all packets are to be received.
    #[inline]
    pub fn promisc(&self) -> bool {
        self.flags & bindings::net_device_flags_IFF_PROMISC != 0
    }

    /// Returns whether all multicast packets are to be received.
    #[inline]
    pub fn allmulti(&self) -> bool {
        self.flags & bindings::net_device_flags_IFF_ALLMULTI != 0
    }

    /// Returns the unicast addresses to be received besides that of the device.
    #[inline]
    pub fn unicast(&self) -> Addresses<'a> {
        Addresses::new(self.unicast)
    }

    /// Returns the number of unicast addresses.
    #[inline]
    pub fn unicast_count(&self) -> usize {
        self.unicast().count
    }

    /// Returns the multicast addresses to be received.
    #[inline]
    pub fn multicast(&self) -> Addresses<'a> {
        Addresses::new(self.multicast)
    }

    /// Returns the number of multicast addresses.
    #[inline]
    pub fn multicast_count(&self) -> usize {
        self.multicast().count
    }
}

/// An iterator over the addresses of a [`RxMode`].
///
/// # Invariants
///
/// `next` is an entry or the head of a valid list that is not changed for `'a`, `head` is the head.
#[derive(Clone)]
pub struct Addresses<'a> {
    head: *const bindings::list_head,
    next: *const bindings::list_head,
    count: usize,
    _list: PhantomData<&'a Opaque<bindings::netdev_hw_addr_list>>,
}

impl<'a> Addresses<'a> {
    fn new(list: &'a Opaque<bindings::netdev_hw_addr_list>) -> Self {
        let list = list.get();

        // INVARIANT: By the invariant of `RxMode` the list is valid and is not changed.
        Self {
            // SAFETY: As above, the pointer is valid.
            head: unsafe { &raw const (*list).list },
            // SAFETY: As above.
            next: unsafe { (*list).list.next },
            // SAFETY: As above.
            count: usize::try_from(unsafe { (*list).count }).unwrap_or(0),
            _list: PhantomData,
        }
    }
}

impl Iterator for Addresses<'_> {
    type Item = [u8; ETH_ALEN];

    fn next(&mut self) -> Option<Self::Item> {
        if ptr::eq(self.next, self.head) {
            return None;
        }

        // SAFETY: By the type invariant `next` is the `list` of a `netdev_hw_addr`, as it is not
        // the head.
        let entry = unsafe { crate::container_of!(self.next, bindings::netdev_hw_addr, list) };

        // SAFETY: As above; an address has room for `MAX_ADDR_LEN` bytes, which is more.
        let address = unsafe { (&raw const (*entry).addr).cast::<Self::Item>().read() };

        // SAFETY: As above.
        self.next = unsafe { (*self.next).next };
        self.count = self.count.saturating_sub(1);

        Some(address)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.count))
    }
}

/// A driver of network devices.
///
/// The implementing type is only a name, it is never instantiated. All callbacks get the
/// [`Data`](Self::Data) of the registration.
///
/// Callbacks with an [`&Rtnl`](Rtnl) run in process context with the rtnl mutex held and may sleep.
/// An optional callback that is not implemented does not exist for the networking core either,
/// which usually means that the operation is not supported.
#[vtable]
pub trait Driver: Sized + 'static {
    /// The data of a registered device.
    ///
    /// It may borrow, for the lifetime `'a` in which the parent device is bound: the resources of
    /// the parent, and the [`Device`] itself.
    type Data<'a>: Send + Sync + 'a;

    /// Brings the device up.
    ///
    /// On success the transmit queues have to be enabled sooner or later:
    /// [`Device::tx_start_all()`].
    fn open<'a>(dev: &Device<Self>, data: Pin<&Self::Data<'a>>, rtnl: &Rtnl) -> Result;

    /// Takes the device down.
    fn stop<'a>(dev: &Device<Self>, data: Pin<&Self::Data<'a>>, rtnl: &Rtnl);

    /// Transmits a packet.
    ///
    /// Called with bottom halves disabled, or even interrupts: it must not sleep.
    fn start_xmit<'a>(
        dev: &Device<Self>,
        data: Pin<&Self::Data<'a>>,
        queue: &mut TxQueue<'_>,
        skb: SkBuff,
    ) -> Xmit;

    /// Returns the features that the device has for this packet: those of `features` that it can
    /// not do are removed, and done by software.
    ///
    /// What does not work for packets with several VLAN tags is already removed.
    ///
    /// Called with bottom halves disabled, concurrently for all packets.
    fn features_check<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _skb: &SkBuffRef,
        _features: Features,
    ) -> Features {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reports the statistics.
    ///
    /// Called concurrently with everything, including [`open`](Self::open) and
    /// [`stop`](Self::stop), and must not sleep.
    fn get_stats64<'a>(_data: Pin<&Self::Data<'a>>, _stats: &mut Stats64) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reports the statistics of a receive queue that is less than the number of queues that the
    /// device was created with.
    ///
    /// They may be 0 again after the number of queues in use has changed.
    fn rx_queue_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _queue: u32,
        _stats: &mut RxQueueStats,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reports the statistics of a transmit queue, see [`rx_queue_stats`](Self::rx_queue_stats).
    fn tx_queue_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _queue: u32,
        _stats: &mut TxQueueStats,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reports what cannot be attributed to a queue.
    ///
    /// Those statistics that are set here, usually to 0, are reported for the whole device. Those
    /// of all queues, in use or not, are added by the caller.
    fn base_stats<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rx: &mut RxQueueStats,
        _tx: &mut TxQueueStats,
        _rtnl: &Rtnl,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the receive filter. Only called while the device is up.
    ///
    /// After an error it is called again later.
    fn set_rx_mode<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _mode: &RxMode<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the address of the device.
    ///
    /// The address is valid, and [`Device::dev_addr()`] is the old one until this succeeds. While
    /// the device is up, only called after [`UnregisteredDevice::set_live_addr_change()`].
    fn set_mac_address<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _addr: &[u8; ETH_ALEN],
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the MTU.
    ///
    /// It is within the limits, and [`Device::mtu()`] is the old one until this succeeds. Then the
    /// features are determined again, if there is a [`fix_features`](Self::fix_features).
    fn change_mtu<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _mtu: u32,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the features that are possible at the same time, out of those that are wanted.
    ///
    /// Called with the rtnl mutex held.
    fn fix_features<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _features: Features,
    ) -> Features {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes `features` the active ones. [`Device::features()`] are the old ones until this
    /// succeeds.
    fn set_features<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _features: Features,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads or writes a register of a PHY for the user: the ioctls `SIOCGMIIPHY`, `SIOCGMIIREG`
    /// and `SIOCSMIIREG`.
    ///
    /// The device is present, but need not be up.
    fn mii_ioctl<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _ioctl: &mut MiiIoctl<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns of which packets hardware timestamps are taken.
    fn hwtstamp_get<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _rtnl: &Rtnl,
    ) -> Result<hwtstamp::Config> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets of which packets hardware timestamps are taken, and returns what was really set.
    ///
    /// More may be taken than was asked for. `ERANGE` is the answer where that is impossible.
    fn hwtstamp_set<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _config: &hwtstamp::Config,
        _rtnl: &Rtnl,
    ) -> Result<hwtstamp::Config> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lets packets of a VLAN pass the filter.
    ///
    /// Called for each VLAN once, while the device has the filter feature for the kind of tag, and
    /// also while it is down. After an error the VLAN is not set up.
    ///
    /// A filter needs this and [`vlan_rx_kill_vid`](Self::vlan_rx_kill_vid): the features are not
    /// offered unless both exist.
    fn vlan_rx_add_vid<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _protocol: VlanProtocol,
        _vid: u16,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes [`vlan_rx_add_vid`](Self::vlan_rx_add_vid).
    fn vlan_rx_kill_vid<'a>(
        _dev: &Device<Self>,
        _data: Pin<&Self::Data<'a>>,
        _protocol: VlanProtocol,
        _vid: u16,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A transmit queue has been stopped for too long, see [`UnregisteredDevice::set_watchdog()`].
    ///
    /// Called by a timer, it must not sleep.
    fn tx_timeout<'a>(_dev: &Device<Self>, _data: Pin<&Self::Data<'a>>, _queue: u32) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks after the device from time to time, see [`Device::watch_after()`]. Returns the delay
    /// until it is called again, if it is to be.
    ///
    /// Called in process context, without the rtnl mutex, which it must not take: whoever holds it
    /// may wait in [`Device::watch_cancel()`]. Called concurrently with everything but itself.
    fn watch<'a>(_dev: &Device<Self>, _data: Pin<&Self::Data<'a>>) -> Option<Delta> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A request of the user to read or write a register of a PHY.
///
/// Passed on to [`Phylink::mii_ioctl`](super::phylink::Phylink::mii_ioctl).
///
/// # Invariants
///
/// `request` is valid and not used by anyone else for `'a`; `command` is one of the three ioctls of
/// [`Driver::mii_ioctl`].
#[cfg_attr(
    not(CONFIG_RUST_PHYLINK_ABSTRACTIONS),
    expect(dead_code, reason = "only phylink looks inside")
)]
pub struct MiiIoctl<'a> {
    request: NonNull<bindings::ifreq>,
    command: c_int,
    _request: PhantomData<&'a mut bindings::ifreq>,
}

#[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
impl MiiIoctl<'_> {
    pub(super) fn as_raw(&mut self) -> *mut bindings::ifreq {
        self.request.as_ptr()
    }

    pub(super) fn command(&self) -> c_int {
        self.command
    }
}

/// The name of a network device at some moment. It dereferences to a [`CStr`].
pub struct Name([u8; IFNAMSIZ]);

impl Deref for Name {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(BStr::from_bytes(self.to_bytes()), f)
    }
}

/// The private area of a [`Device`].
///
/// It is freed without being dropped.
struct Private<T: Driver> {
    /// The data of the registration, with its lifetime erased.
    data: NonNull<T::Data<'static>>,

    /// The number of statistics for ethtool, which may not change once it was told.
    stats_count: SetOnce<u32>,

    /// Calls [`Driver::watch`]. Enabled only while `data` is valid.
    watch: Opaque<bindings::delayed_work>,

    /// The device that this is the private area of.
    dev: *mut bindings::net_device,
}

/// A network device.
///
/// # Invariants
///
/// - The `net_device` was allocated by [`UnregisteredDevice::new()`] for the same `T`: its private
///   area is an initialized `Private<T>`, its operations are those of `T`, its transmit queues
///   have a qdisc, and it does not use `lltx`.
/// - The data pointer in the private area is dangling, or, from before the registration until after
///   the unregistration, it points to the data owned by the [`Registration`].
#[repr(transparent)]
pub struct Device<T: Driver>(Opaque<bindings::net_device>, PhantomData<fn(T) -> T>);

// SAFETY: A `net_device` is not bound to a task or CPU.
unsafe impl<T: Driver> Send for Device<T> {}

// SAFETY: All methods either only read, or take the locks that the fields need or have a token as
// the proof that they are held. The data is `Send` and `Sync`.
unsafe impl<T: Driver> Sync for Device<T> {}

impl<T: Driver> Device<T> {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for the lifetime `'a` and satisfy the type invariants of [`Device<T>`].
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::net_device) -> &'a Self {
        // SAFETY: `Device` is a transparent wrapper of `net_device`; the rest is required from the
        // caller.
        unsafe { &*ptr.cast() }
    }

    /// Returns the raw pointer.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// Returns the private area.
    #[inline]
    fn private(&self) -> *mut Private<T> {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netdev_priv(self.as_raw()) }.cast()
    }

    /// Returns where the pointer to the data is stored.
    #[inline]
    fn data_slot(&self) -> *mut NonNull<T::Data<'static>> {
        // SAFETY: By the type invariant the private area is valid.
        unsafe { &raw mut (*self.private()).data }
    }

    /// Returns the number of statistics for ethtool.
    #[inline]
    pub(crate) fn stats_count(&self) -> &SetOnce<u32> {
        // SAFETY: By the type invariant the private area is valid and initialized; there is never a
        // mutable reference to this field.
        unsafe { &(*self.private()).stats_count }
    }

    /// Returns the work that calls [`Driver::watch`].
    #[inline]
    fn watch(&self) -> *mut bindings::delayed_work {
        // SAFETY: By the type invariant the private area is valid.
        Opaque::cast_into(unsafe { &raw const (*self.private()).watch })
    }

    /// Calls `f` with the data of the registration.
    ///
    /// `f` is higher-ranked, so that the data may be invariant in its lifetime: the erased one can
    /// neither escape nor be chosen. The borrow has a lifetime of its own, which ends with the
    /// call: one as long as that of the data would let a reference to the data be stored inside of
    /// it.
    ///
    /// # Safety
    ///
    /// Must only be called by callbacks that the networking core calls between the registration
    /// and the unregistration of the device, by the work that is enabled for that time, or with the
    /// rtnl mutex held while the device is registered.
    #[inline]
    pub(crate) unsafe fn with_data<R>(
        &self,
        f: impl for<'a> FnOnce(&Device<T>, Pin<&T::Data<'a>>) -> R,
    ) -> R {
        // SAFETY: The slot was initialized at allocation, and is not written while callbacks run.
        let data = unsafe { self.data_slot().read() };

        // SAFETY: By the safety requirements and the type invariant the pointer is valid. Lifetimes
        // do not affect the layout. The data is pinned in its box.
        let data = unsafe { Pin::new_unchecked(data.cast::<T::Data<'_>>().as_ref()) };

        f(self, data)
    }

    /// Calls `f` with the data of the registration, if the device is registered.
    ///
    /// This is for callbacks of other subsystems.
    pub(super) fn with_registered<R>(
        &self,
        _rtnl: &Rtnl,
        f: impl for<'b> FnOnce(&Device<T>, Pin<&T::Data<'b>>) -> R,
    ) -> Option<R> {
        if !self.is_registered() {
            return None;
        }

        // SAFETY: The device is registered, and stays so as the rtnl mutex is held.
        Some(unsafe { self.with_data(f) })
    }

    /// Returns a copy of the name, which is `eth%d` before the registration.
    pub fn name(&self) -> Name {
        let mut name = Name([0; IFNAMSIZ]);

        // SAFETY: By the type invariant the device is valid; the buffer is large enough.
        unsafe { bindings::netdev_copy_name(self.as_raw(), name.0.as_mut_ptr().cast()) };

        name
    }

    /// Returns the MTU.
    #[inline]
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid. The field may be changed at any time.
        unsafe { (&raw const (*self.as_raw()).mtu).read_volatile() }
    }

    /// Returns the address.
    ///
    /// It may be changed at any time, unless the caller holds the rtnl mutex.
    pub fn dev_addr(&self) -> [u8; ETH_ALEN] {
        let mut addr = [0; ETH_ALEN];

        // SAFETY: By the type invariant the device is valid; the pointer does not change.
        let from = unsafe { (*self.as_raw()).dev_addr };

        for (i, byte) in addr.iter_mut().enumerate() {
            // SAFETY: An Ethernet device has an address of `ETH_ALEN` bytes.
            *byte = unsafe { from.add(i).read_volatile() };
        }

        addr
    }

    /// Returns the active features.
    #[inline]
    pub fn features(&self) -> Features {
        // SAFETY: By the type invariant the device is valid. The field may be changed at any time.
        Features(unsafe { (&raw const (*self.as_raw()).features).read_volatile() })
    }

    /// Returns whether the device is up.
    ///
    /// This is the case from before [`Driver::open`] until before [`Driver::stop`].
    #[inline]
    pub fn is_running(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_running(self.as_raw()) }
    }

    /// Returns whether the device is attached, see [`detach()`](Self::detach).
    #[inline]
    pub fn is_present(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_device_present(self.as_raw()) }
    }

    /// Returns whether there is a carrier.
    #[inline]
    pub fn carrier_ok(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_carrier_ok(self.as_raw()) }
    }

    /// Returns whether the device is registered. With the rtnl mutex held, it stays so.
    #[inline]
    pub(super) fn is_registered(&self) -> bool {
        self.reg_state() == bindings::netdev_reg_state_NETREG_REGISTERED
    }

    /// Returns whether the device was not registered so far.
    #[cfg(CONFIG_RUST_PHYLINK_ABSTRACTIONS)]
    #[inline]
    pub(super) fn was_never_registered(&self) -> bool {
        self.reg_state() == bindings::netdev_reg_state_NETREG_UNINITIALIZED
    }

    /// Returns the state of the registration.
    ///
    /// It only ever advances. It leaves `NETREG_REGISTERED` with the rtnl mutex held.
    #[inline]
    fn reg_state(&self) -> bindings::netdev_reg_state {
        // SAFETY: By the type invariant the device is valid. The field may be changed at any time.
        unsafe { (&raw const (*self.as_raw()).reg_state).read_volatile() }.into()
    }

    /// Prints a message of the level `level`, which is one of the `KERN_*` constants.
    #[cfg_attr(not(CONFIG_PRINTK), expect(unused_variables))]
    fn printk(&self, level: &'static [u8], args: fmt::Arguments<'_>) {
        // SAFETY: The level is null-terminated, and by the type invariant the device is valid.
        // "%pA" expects a pointer to `fmt::Arguments`.
        #[cfg(CONFIG_PRINTK)]
        unsafe {
            bindings::netdev_printk(
                level.as_ptr().cast(),
                self.as_raw(),
                c"%pA".as_char_ptr(),
                ptr::from_ref(&args).cast::<c_void>(),
            )
        };
    }

    /// Calls `f` unless the unregistration of the device has begun, and makes the unregistration
    /// wait for it.
    #[inline]
    fn unless_unregistering(&self, f: impl FnOnce(*mut bindings::net_device)) {
        // `unregister_netdevice_many()` changes the state first, and then waits for RCU readers.
        let _guard = rcu::read_lock();

        if matches!(
            self.reg_state(),
            bindings::netdev_reg_state_NETREG_UNINITIALIZED
                | bindings::netdev_reg_state_NETREG_REGISTERED
        ) {
            f(self.as_raw());
        }
    }

    /// There is a carrier now. May be called in any context.
    pub fn carrier_on(&self) {
        // The link watch would keep a reference to a device that is freed.
        //
        // SAFETY: By the type invariant the device is valid. The unregistration waits for us, and
        // after that for the link watch.
        self.unless_unregistering(|dev| unsafe { bindings::netif_carrier_on(dev) });
    }

    /// There is no carrier now. May be called in any context.
    pub fn carrier_off(&self) {
        // SAFETY: As in `carrier_on()`.
        self.unless_unregistering(|dev| unsafe { bindings::netif_carrier_off(dev) });
    }

    /// Returns the number of transmit queues that the device was created with.
    #[inline]
    pub fn num_tx_queues(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid; the field does not change.
        unsafe { (*self.as_raw()).num_tx_queues }
    }

    /// Returns the number of transmit queues in use.
    #[inline]
    pub fn real_num_tx_queues(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid. The field may be changed at any time.
        unsafe { (&raw const (*self.as_raw()).real_num_tx_queues).read_volatile() }
    }

    /// Returns a transmit queue.
    #[inline]
    pub fn tx_queue(&self, index: u32) -> Option<&Queue> {
        if index >= self.num_tx_queues() {
            return None;
        }

        // SAFETY: By the type invariant the device is valid, and the queue exists.
        let queue = unsafe { bindings::netdev_get_tx_queue(self.as_raw(), index) };

        // SAFETY: The queue is valid as long as the device is, and by the type invariant it has a
        // qdisc.
        Some(unsafe { Queue::from_raw(queue) })
    }

    /// Returns the transmit queue whose lock this CPU holds, unless there are several.
    ///
    /// # Safety
    ///
    /// Bottom halves must be disabled.
    #[cold]
    unsafe fn only_queue_locked_here(&self) -> Option<&Queue> {
        let mut queues = (0..self.num_tx_queues())
            .filter_map(|index| self.tx_queue(index))
            // SAFETY: Required from the caller.
            .filter(|queue| unsafe { queue.is_locked_here() });
        let queue = queues.next()?;

        queues.next().is_none().then_some(queue)
    }

    /// Sets the numbers of transmit and receive queues in use.
    ///
    /// Returns `EINVAL` if there are none, or more than the device was created with, and `ENODEV`
    /// if the device was unregistered.
    pub fn set_real_num_queues(&self, tx: u32, rx: u32, _rtnl: &Rtnl) -> Result {
        // The queues of a device that was unregistered have no place in sysfs any more, to which
        // the C function would add them. The state does not change while the rtnl mutex is held.
        if !matches!(
            self.reg_state(),
            bindings::netdev_reg_state_NETREG_UNINITIALIZED
                | bindings::netdev_reg_state_NETREG_REGISTERED
        ) {
            return Err(ENODEV);
        }

        // SAFETY: By the type invariant the device is valid, and the rtnl mutex is held.
        to_result(unsafe { bindings::netif_set_real_num_queues(self.as_raw(), tx, rx) })
    }

    /// Marks the device as absent and stops its queues, for example while it is reset.
    pub fn detach(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_device_detach(self.as_raw()) };
    }

    /// Marks the device as present again, and wakes its queues if it is up.
    pub fn attach(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant the device is valid; as the rtnl mutex is held the device
        // cannot be unregistered meanwhile, and one that is not registered is not up.
        unsafe { bindings::netif_device_attach(self.as_raw()) };
    }

    /// Changes the address of a registered device.
    ///
    /// To be used where the device itself has changed it; a change by the user is committed after
    /// [`Driver::set_mac_address`].
    ///
    /// Returns `ENODEV` if the device is not registered. See
    /// [`UnregisteredDevice::set_hw_addr()`] for what to do before that.
    pub fn hw_addr_set(&self, addr: &[u8; ETH_ALEN], _rtnl: &Rtnl) -> Result {
        // Before the registration it is the `UnregisteredDevice` that changes the address, without
        // the rtnl mutex.
        if !self.is_registered() {
            return Err(ENODEV);
        }

        // SAFETY: By the type invariant the device is valid, and the rtnl mutex is held. There is
        // no `UnregisteredDevice` any more. The address has `ETH_ALEN` bytes.
        unsafe { bindings::eth_hw_addr_set(self.as_raw(), addr.as_ptr()) };
        Ok(())
    }

    /// Enables all transmit queues.
    pub fn tx_start_all(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_tx_start_all_queues(self.as_raw()) };
    }

    /// Stops all transmit queues and waits until no CPU is within [`Driver::start_xmit`].
    ///
    /// The transmit watchdog does not hold what follows to the device's account: its time starts
    /// over. Takes the transmit locks: whoever holds a [`TxQueue`] must not call this.
    pub fn tx_disable(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_tx_disable(self.as_raw()) };

        for index in 0..self.num_tx_queues() {
            if let Some(queue) = self.tx_queue(index) {
                queue.restart_watchdog();
            }
        }
    }

    /// Wakes all transmit queues.
    pub fn tx_wake_all(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::netif_tx_wake_all_queues(self.as_raw()) };
    }

    /// Has [`Driver::watch`] called after about `delay`, unless that is planned already.
    ///
    /// Delays of seconds are rounded, so that the CPU wakes up less often. May be called in any
    /// context. Does nothing while the device is not registered.
    pub fn watch_after(&self, delay: Delta) {
        let ms = u32::try_from(delay.as_millis_ceil().max(0)).unwrap_or(u32::MAX);
        let jiffies = msecs_to_jiffies(ms);

        // SAFETY: By the type invariant the work is initialized, and valid as long as the device.
        // It is disabled, and then refused, unless the device is registered. The work queue is
        // always there.
        unsafe {
            bindings::queue_delayed_work_on(
                // CAST: A small constant.
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_power_efficient_wq,
                self.watch(),
                if jiffies > msecs_to_jiffies(1000) / 2 {
                    bindings::round_jiffies_relative(jiffies)
                } else {
                    jiffies
                },
            )
        };
    }

    /// Undoes [`watch_after()`](Self::watch_after), and waits until [`Driver::watch`] has returned.
    pub fn watch_cancel(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant the work is initialized. The caller may sleep as it holds a
        // mutex.
        unsafe { bindings::cancel_delayed_work_sync(self.watch()) };
    }

    /// Restarts the time until [`Driver::tx_timeout`] is called.
    #[inline]
    pub fn trans_update(&self) {
        // SAFETY: By the type invariant the device is valid; it has at least one queue.
        unsafe { bindings::netif_trans_update(self.as_raw()) };
    }
}

/// The parent device.
///
/// Not the device that is embedded in the `net_device`: that one has no reference count before the
/// registration. Use [`netdev_err!`](crate::netdev_err) and its likes to print messages.
impl<T: Driver> AsRef<device::Device> for Device<T> {
    #[inline]
    fn as_ref(&self) -> &device::Device {
        // SAFETY: By the type invariant the device is valid; the parent was set when it was
        // allocated and does not change.
        let parent = unsafe { (*self.as_raw()).dev.parent };

        // SAFETY: The `net_device` is a managed resource of the parent, which therefore exists at
        // least as long.
        unsafe { device::Device::from_raw(parent) }
    }
}

macro_rules! print_methods {
    ($($(#[$doc:meta])* $name:ident = $level:ident;)*) => {
        impl<T: Driver> Device<T> {
            $(
                $(#[$doc])*
                #[doc(hidden)]
                pub fn $name(&self, args: fmt::Arguments<'_>) {
                    self.printk(bindings::$level, args);
                }
            )*
        }
    };
}

print_methods! {
    /// Prints an error, see [`netdev_err!`](crate::netdev_err).
    netdev_err = KERN_ERR;
    /// Prints a warning, see [`netdev_warn!`](crate::netdev_warn).
    netdev_warn = KERN_WARNING;
    /// Prints an information, see [`netdev_info!`](crate::netdev_info).
    netdev_info = KERN_INFO;
}

/// Prints an error about a network device: prefixed with its name and those of its parent and
/// driver.
///
/// Equivalent to the C function of the same name, with the interface of
/// [`dev_err!`](crate::dev_err).
#[macro_export]
macro_rules! netdev_err {
    ($dev:expr, $($f:tt)*) => {
        $crate::net::device::Device::netdev_err($dev, $crate::prelude::fmt!($($f)*))
    }
}

/// Prints a warning about a network device, see [`netdev_err!`](crate::netdev_err).
#[macro_export]
macro_rules! netdev_warn {
    ($dev:expr, $($f:tt)*) => {
        $crate::net::device::Device::netdev_warn($dev, $crate::prelude::fmt!($($f)*))
    }
}

/// Prints an information about a network device, see [`netdev_err!`](crate::netdev_err).
#[macro_export]
macro_rules! netdev_info {
    ($dev:expr, $($f:tt)*) => {
        $crate::net::device::Device::netdev_info($dev, $crate::prelude::fmt!($($f)*))
    }
}

/// What a [`Handle`] leads to.
///
/// # Invariants
///
/// Points to a valid `Device<T>` for the same `T` as the handle's.
struct Target(NonNull<bindings::net_device>);

// SAFETY: A `net_device` is not bound to a task or CPU.
unsafe impl Send for Target {}

/// A way to the data of a driver for what may not borrow it, as the files of debugfs.
///
/// Made by [`UnregisteredDevice::handle()`], of use while the device is registered.
///
/// # Invariants
///
/// Empty unless the device is registered: its [`Registration`] empties it first of all.
pub struct Handle<T: Driver>(Arc<Mutex<Option<Target>>>, PhantomData<fn(T) -> T>);

impl<T: Driver> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<T: Driver> Handle<T> {
    /// Calls `f` with the device and the data of its registration; returns [`None`] if the device
    /// is not registered.
    ///
    /// Must not be called with the rtnl mutex held, and so not from callbacks of the device. The
    /// device is not unregistered before `f` returns.
    pub fn with<R>(
        &self,
        f: impl for<'b> FnOnce(&Device<T>, Pin<&T::Data<'b>>, &Rtnl) -> R,
    ) -> Option<R> {
        let target = self.0.lock();
        let target = target.as_ref()?;
        let rtnl = rtnl::lock();

        // SAFETY: By the type invariants of `Target`. The device stays as it is registered, and the
        // registration does not end while the mutex is held.
        let dev = unsafe { Device::<T>::from_raw(target.0.as_ptr()) };

        dev.with_registered(&rtnl, |dev, data| f(dev, data, &rtnl))
    }
}

/// A network device that is not registered yet.
///
/// As nobody else uses it, it can be set up without locks. If it is dropped instead of registered
/// it is freed when the parent is unbound.
pub struct UnregisteredDevice<'a, T: Driver> {
    dev: &'a Device<T>,
    handle: Option<Handle<T>>,
    completions_taken: bool,
    napi_configs_taken: bool,
    _context: NotThreadSafe,
}

impl<'a, T: Driver> UnregisteredDevice<'a, T> {
    /// Creates an Ethernet device with `txqs` transmit and `rxqs` receive queues.
    pub fn new(parent: &'a device::Device<device::Bound>, txqs: u32, rxqs: u32) -> Result<Self> {
        // The queue of a packet is stored in 16 bits.
        if !(1..=u32::from(u16::MAX)).contains(&txqs) || !(1..=u32::from(u16::MAX)).contains(&rxqs)
        {
            return Err(EINVAL);
        }

        const_assert!(
            align_of::<Private<T>>() <= 16,
            "the private area is aligned to a cache line"
        );

        // CAST: The size of a few words fits into a `c_int`.
        let size = size_of::<Private<T>>() as c_int;

        // SAFETY: `parent` is valid and bound, so its resources are released later, not now.
        let raw = unsafe { bindings::devm_alloc_etherdev_mqs(parent.as_raw(), size, txqs, rxqs) };
        if raw.is_null() {
            return Err(ENOMEM);
        }

        // SAFETY: `raw` is valid and not used by anyone else. The private area has the size and
        // the alignment of a `Private<T>`.
        unsafe {
            bindings::netdev_priv(raw)
                .cast::<Private<T>>()
                .write(Private {
                    data: NonNull::dangling(),
                    stats_count: SetOnce::new(),
                    watch: Opaque::uninit(),
                    dev: raw,
                });
            let watch = &raw const (*bindings::netdev_priv(raw).cast::<Private<T>>()).watch;
            bindings::init_delayed_work(Opaque::cast_into(watch), Some(Adapter::<T>::WATCH));
            // There is no data yet.
            bindings::disable_delayed_work(Opaque::cast_into(watch));
            bindings::SET_NETDEV_DEV(raw, parent.as_raw());
            bindings::netdev_init_noop_qdisc(raw);
            // A buffer that its other holder sends again could not be owned by `SkBuff`.
            bindings::netdev_change_priv_flags(
                raw,
                0,
                bindings::netdev_priv_flags_IFF_TX_SKB_SHARING,
            );
            (*raw).netdev_ops = &Adapter::<T>::OPS;
            if Adapter::<T>::HAS_QUEUE_STATS {
                (*raw).stat_ops = &Adapter::<T>::STAT_OPS;
            }
        }

        Ok(Self {
            // INVARIANT: The private area, the operations and the queues were just initialized;
            // `lltx` is off by default.
            //
            // SAFETY: The device is freed when `parent` is unbound, after `'a`.
            dev: unsafe { Device::from_raw(raw) },
            handle: None,
            completions_taken: false,
            napi_configs_taken: false,
            _context: NotThreadSafe,
        })
    }

    /// Returns the device, for as long as the parent is bound.
    #[inline]
    pub fn device(&self) -> &'a Device<T> {
        self.dev
    }

    /// Returns a way to the data that the registration will own.
    pub fn handle(&mut self) -> Result<Handle<T>> {
        if let Some(handle) = &self.handle {
            return Ok(handle.clone());
        }

        // INVARIANT: Empty.
        let handle = Handle(Arc::pin_init(new_mutex!(None), GFP_KERNEL)?, PhantomData);

        self.handle = Some(handle.clone());
        Ok(handle)
    }

    /// Sets the features: `hw` can be changed by the user, `active` are on in the beginning, `vlan`
    /// also work for VLAN packets.
    pub fn set_features(&mut self, hw: Features, active: Features, vlan: Features) {
        let dev = self.dev.as_raw();

        // SAFETY: The device is valid, and not registered: nobody else writes.
        unsafe {
            (&raw mut (*dev).hw_features).write_volatile((hw & Adapter::<T>::SUPPORTED).0);
            (&raw mut (*dev).features).write_volatile((active & Adapter::<T>::SUPPORTED).0);
            (&raw mut (*dev).vlan_features).write_volatile((vlan & Adapter::<T>::SUPPORTED).0);
        }
    }

    /// Sets the limits of the MTU.
    pub fn set_mtu_range(&mut self, min: u32, max: u32) {
        let dev = self.dev.as_raw();

        // SAFETY: The device is valid, and not registered: nobody else uses these fields.
        unsafe {
            (*dev).min_mtu = min;
            (*dev).max_mtu = max;
        }
    }

    /// Sets the permanent address.
    pub fn set_hw_addr(&mut self, addr: &[u8; ETH_ALEN]) {
        // SAFETY: The device is valid, and not registered: nobody else changes the address. It has
        // `ETH_ALEN` bytes.
        unsafe { bindings::eth_hw_addr_set(self.dev.as_raw(), addr.as_ptr()) };
    }

    /// Chooses a random address.
    pub fn set_random_hw_addr(&mut self) {
        // SAFETY: The device is valid, and not registered: nobody else changes the address.
        unsafe { bindings::eth_hw_addr_random(self.dev.as_raw()) };
    }

    /// Sets for how long a transmit queue may be stopped before [`Driver::tx_timeout`] is called.
    pub fn set_watchdog(&mut self, timeout: Delta) {
        let ms = u32::try_from(timeout.as_millis_ceil().max(1)).unwrap_or(u32::MAX);
        let jiffies = c_int::try_from(msecs_to_jiffies(ms)).unwrap_or(c_int::MAX);

        // SAFETY: The device is valid, and not registered: nobody else uses the field.
        unsafe { (*self.dev.as_raw()).watchdog_timeo = jiffies };
    }

    /// Sets the largest TCP packet that the device can segment.
    pub fn set_tso_max_size(&mut self, bytes: u32) {
        // SAFETY: The device is valid, and not registered.
        unsafe { bindings::netif_set_tso_max_size(self.dev.as_raw(), bytes) };
    }

    /// Declares that the device filters unicast addresses.
    ///
    /// Otherwise the networking core makes it promiscuous when more than one is needed.
    pub fn set_unicast_filter(&mut self) {
        self.add_priv_flags(bindings::netdev_priv_flags_IFF_UNICAST_FLT);
    }

    /// Declares that the address can be changed while the device is up.
    pub fn set_live_addr_change(&mut self) {
        self.add_priv_flags(bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE);
    }

    fn add_priv_flags(&mut self, flags: bindings::netdev_priv_flags) {
        // SAFETY: The device is valid, and not registered: nobody else uses the field.
        unsafe { bindings::netdev_change_priv_flags(self.dev.as_raw(), flags, 0) };
    }

    /// Sets the ethtool operations.
    ///
    /// # Safety
    ///
    /// `ops` must be valid forever, and its functions must expect a [`Device<T>`].
    pub(crate) unsafe fn set_ethtool_ops_raw(&self, ops: *const bindings::ethtool_ops) {
        // SAFETY: The device is valid, and not registered: nobody else uses the field.
        unsafe { (*self.dev.as_raw()).ethtool_ops = ops };
    }

    /// Returns the completion sides of all transmit queues, in their order.
    ///
    /// Returns `EBUSY` from the second time on.
    pub fn take_completions(&mut self) -> Result<KVec<Completion<'a>>> {
        if self.completions_taken {
            return Err(EBUSY);
        }

        let count = self.dev.num_tx_queues();
        // CAST: The count is at most 65535.
        let mut completions = KVec::with_capacity(count as usize, GFP_KERNEL)?;

        for queue in (0..count).filter_map(|i| self.dev.tx_queue(i)) {
            // SAFETY: There is one `UnregisteredDevice` per device, and by the check above it does
            // this once.
            completions.push(unsafe { Completion::new(queue) }, GFP_KERNEL)?;
        }

        self.completions_taken = true;
        Ok(completions)
    }

    /// Returns what NAPIs need in order to be remembered, one for each queue of the kind that there
    /// are more of.
    ///
    /// Returns `EBUSY` from the second time on.
    pub fn take_napi_configs(&mut self) -> Result<KVec<NapiConfig<'a, T>>> {
        if self.napi_configs_taken {
            return Err(EBUSY);
        }

        // SAFETY: The device is valid. The number does not change.
        let count = unsafe { (*self.dev.as_raw()).num_napi_configs };
        // CAST: The count is at most 65535.
        let mut configs = KVec::with_capacity(count as usize, GFP_KERNEL)?;

        for index in 0..count {
            // SAFETY: There is one `UnregisteredDevice` per device, and by the check above it does
            // this once. The index is less than the count.
            let config = unsafe { NapiConfig::new(self.dev, index.try_into()?) };

            configs.push(config, GFP_KERNEL)?;
        }

        self.napi_configs_taken = true;
        Ok(configs)
    }
}

impl<T: Driver> Deref for UnregisteredDevice<'_, T> {
    type Target = Device<T>;

    #[inline]
    fn deref(&self) -> &Device<T> {
        self.dev
    }
}

/// A registered network device.
///
/// Owns the data of the driver. Dropping it stops and unregisters the device and then drops the
/// data; it must not be dropped with the rtnl mutex held.
///
/// # Invariants
///
/// The device is registered, and its private area points to `data`.
pub struct Registration<'a, T: Driver> {
    dev: &'a Device<T>,
    handle: Option<Handle<T>>,
    data: Pin<KBox<T::Data<'a>>>,
}

impl<'a, T: Driver> Registration<'a, T> {
    /// Registers a device.
    ///
    /// Callbacks may run before this returns: everything must be set up before.
    ///
    /// # Safety
    ///
    /// The registration must not be forgotten: it must be dropped before `'a` ends.
    pub unsafe fn new(
        dev: UnregisteredDevice<'a, T>,
        data: impl PinInit<T::Data<'a>, Error>,
    ) -> Result<Self> {
        let UnregisteredDevice { dev, handle, .. } = dev;
        let data: Pin<KBox<T::Data<'a>>> = KBox::pin_init(data, GFP_KERNEL)?;

        // The lifetime is erased; `Device::with_data()` gives the callbacks a fresh one.
        let erased: NonNull<T::Data<'static>> = NonNull::from(data.as_ref().get_ref()).cast();

        // INVARIANT: The private area points to the data from now on.
        //
        // SAFETY: The device is not registered, so no callback reads the slot.
        unsafe { dev.data_slot().write(erased) };

        // SAFETY: The work was initialized and disabled once, as there is one `UnregisteredDevice`.
        // The data is valid until it is disabled again.
        unsafe { bindings::enable_delayed_work(dev.watch()) };

        // SAFETY: The device is valid and was not registered before, as the only
        // `UnregisteredDevice` was consumed.
        if let Err(e) = to_result(unsafe { bindings::register_netdev(dev.as_raw()) }) {
            // SAFETY: The work is initialized. We may sleep, and nobody who waits for us holds a
            // lock that the work needs.
            unsafe { bindings::disable_delayed_work_sync(dev.watch()) };

            // INVARIANT: The pointer is dangling before the data is dropped.
            //
            // SAFETY: If the device was visible at all, `register_netdev()` has unregistered it
            // and waited for the callbacks; the work was waited for just now.
            unsafe { dev.data_slot().write(NonNull::dangling()) };

            return Err(e);
        }

        if let Some(handle) = &handle {
            // INVARIANT: `dev` is a valid `Device<T>`, and registered. Dropping this empties it.
            *handle.0.lock() = Some(Target(NonNull::from(dev).cast()));
        }

        // INVARIANT: Established above.
        Ok(Self { dev, handle, data })
    }

    /// Returns the device.
    #[inline]
    pub fn device(&self) -> &'a Device<T> {
        self.dev
    }

    /// Returns the data.
    #[inline]
    pub fn data(&self) -> Pin<&T::Data<'a>> {
        self.data.as_ref()
    }
}

impl<T: Driver> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            // INVARIANT: Before the registration ends. Who uses the handle is waited for.
            *handle.0.lock() = None;
        }

        // SAFETY: By the type invariant the device is registered, and by the safety requirements of
        // `new()` its parent is still bound.
        unsafe { bindings::unregister_netdev(self.dev.as_raw()) };

        // SAFETY: As in `new()`.
        unsafe { bindings::disable_delayed_work_sync(self.dev.watch()) };

        // INVARIANT: The pointer is dangling before the data is dropped.
        //
        // SAFETY: `unregister_netdev()` has waited for all callbacks, and the work cannot run any
        // more.
        unsafe { self.dev.data_slot().write(NonNull::dangling()) };

        // `self.data` is dropped now.
    }
}

/// What has to be known of a buffer that the core may get back from [`Driver::start_xmit`].
///
/// Only what is at hand: most buffers do not come back.
struct Lent {
    skb: *mut bindings::sk_buff,
    dev: *mut bindings::net_device,
    sk: *mut bindings::sock,
    mapping: u16,
}

impl Lent {
    #[inline]
    fn new(skb: &SkBuffRef) -> Self {
        let raw = skb.as_raw();

        Self {
            skb: raw,
            // SAFETY: The buffer is valid.
            dev: unsafe { bindings::skb_dev(raw) },
            // SAFETY: As above.
            sk: unsafe { (*raw).sk },
            mapping: skb.queue_mapping(),
        }
    }

    /// Returns whether `skb` may be handed back.
    ///
    /// Not so another buffer, not even at the same place: the core would send again the one that
    /// the driver has kept or freed, and on behalf of the socket that it came from. Nor one that
    /// was made a received packet, which has lost its socket, its route and its header. Everything
    /// else that a driver can change is but the contents of the packet.
    #[cold]
    fn is(&self, skb: &SkBuffRef) -> bool {
        let raw = skb.as_raw();

        // SAFETY: The buffer is valid.
        let (sk, mac_offset) = unsafe { ((*raw).sk, bindings::skb_mac_offset(raw)) };

        // The header of a buffer that is to be transmitted is not in front of its data.
        ptr::eq(raw, self.skb) && ptr::eq(sk, self.sk) && mac_offset != -ETH_HLEN
    }

    /// Hands the buffer back, with the values that the core relies on and that the driver may have
    /// changed by means of the methods for packets that are received.
    #[cold]
    fn give_back(&self, skb: SkBuff) {
        let skb = skb.into_raw().as_ptr();

        // SAFETY: The buffer is valid, and these are the values that it came with.
        unsafe {
            (*skb).queue_mapping = self.mapping;
            bindings::skb_set_dev(skb, self.dev);
        }
    }
}

/// The callbacks of the networking core.
struct Adapter<T: Driver>(PhantomData<T>);

/// All of them are called by the networking core for a device whose operations are [`OPS`], between
/// its registration and the end of its unregistration. This is what makes it correct to create a
/// [`Device<T>`] and to use [`Device::with_data()`].
///
/// [`OPS`]: Self::OPS
impl<T: Driver> Adapter<T> {
    /// All features that the driver can offer with the callbacks that it has.
    const SUPPORTED: Features = if T::HAS_VLAN_RX_ADD_VID && T::HAS_VLAN_RX_KILL_VID {
        Features::SUPPORTED
    } else {
        Features(
            Features::SUPPORTED.0
                & !Features::HW_VLAN_CTAG_FILTER.0
                & !Features::HW_VLAN_STAG_FILTER.0,
        )
    };

    const OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_open: Some(Self::open),
        ndo_stop: Some(Self::stop),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ndo_features_check: if T::HAS_FEATURES_CHECK {
            Some(Self::features_check)
        } else {
            None
        },
        ndo_get_stats64: if T::HAS_GET_STATS64 {
            Some(Self::get_stats64)
        } else {
            None
        },
        ndo_set_rx_mode_async: if T::HAS_SET_RX_MODE {
            Some(Self::set_rx_mode)
        } else {
            None
        },
        ndo_set_mac_address: if T::HAS_SET_MAC_ADDRESS {
            Some(Self::set_mac_address)
        } else {
            None
        },
        ndo_change_mtu: if T::HAS_CHANGE_MTU {
            Some(Self::change_mtu)
        } else {
            None
        },
        ndo_fix_features: if T::HAS_FIX_FEATURES {
            Some(Self::fix_features)
        } else {
            None
        },
        ndo_set_features: if T::HAS_SET_FEATURES {
            Some(Self::set_features)
        } else {
            None
        },
        ndo_eth_ioctl: if T::HAS_MII_IOCTL {
            Some(Self::eth_ioctl)
        } else {
            None
        },
        ndo_hwtstamp_get: if T::HAS_HWTSTAMP_GET {
            Some(Self::hwtstamp_get)
        } else {
            None
        },
        ndo_hwtstamp_set: if T::HAS_HWTSTAMP_SET {
            Some(Self::hwtstamp_set)
        } else {
            None
        },
        ndo_vlan_rx_add_vid: if T::HAS_VLAN_RX_ADD_VID {
            Some(Self::vlan_rx_add_vid)
        } else {
            None
        },
        ndo_vlan_rx_kill_vid: if T::HAS_VLAN_RX_KILL_VID {
            Some(Self::vlan_rx_kill_vid)
        } else {
            None
        },
        ndo_tx_timeout: if T::HAS_TX_TIMEOUT {
            Some(Self::tx_timeout)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    const HAS_QUEUE_STATS: bool =
        T::HAS_RX_QUEUE_STATS || T::HAS_TX_QUEUE_STATS || T::HAS_BASE_STATS;

    const STAT_OPS: bindings::netdev_stat_ops = bindings::netdev_stat_ops {
        get_queue_stats_rx: if T::HAS_RX_QUEUE_STATS {
            Some(Self::get_queue_stats_rx)
        } else {
            None
        },
        get_queue_stats_tx: if T::HAS_TX_QUEUE_STATS {
            Some(Self::get_queue_stats_tx)
        } else {
            None
        },
        get_base_stats: if T::HAS_BASE_STATS {
            Some(Self::get_base_stats)
        } else {
            None
        },
    };

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held.
    unsafe extern "C" fn open(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_open` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            // SAFETY: A device is only opened while it is registered.
            unsafe { dev.with_data(|dev, data| T::open(dev, data, rtnl)) }?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held.
    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_stop` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };

        // SAFETY: The unregistration stops the device first, so this is never later.
        unsafe { dev.with_data(|dev, data| T::stop(dev, data, rtnl)) };

        // A poll that a driver has not disabled may be about to queue packets to another CPU, as
        // the device was running when it looked. The core removes them from there, but once only;
        // it has waited for such polls before, unless the device is going away.
        //
        // SAFETY: The device is valid. The field is written with the rtnl mutex held.
        if unsafe { (*dev.as_raw()).dismantle } {
            // SAFETY: Takes no argument, and the caller may sleep.
            unsafe { bindings::synchronize_net() };
        }

        0
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `skb` a valid buffer for it
    /// whose ownership is passed; called with the lock of a transmit queue.
    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };

        // SAFETY: By the safety requirements we own the buffer, and the core has taken it off all
        // lists. As the device does not have `IFF_TX_SKB_SHARING`, whoever else holds a reference
        // does nothing but drop it.
        let skb = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        let lent = Lent::new(&skb);

        // The device does not use `lltx`, so the core holds the transmit lock of the queue that it
        // has picked. A filter of that queue's qdisc may have mapped the buffer to another one
        // since: it takes the way whose lock is held.
        let mapped = dev
            .tx_queue(u32::from(lent.mapping))
            // SAFETY: Bottom halves are disabled, as a lock is held.
            .filter(|queue| unsafe { queue.is_locked_here() });
        // SAFETY: As above.
        let Some(queue) = mapped.or_else(|| unsafe { dev.only_queue_locked_here() }) else {
            skb.drop_reason(DropReason::NotSpecified);
            return bindings::netdev_tx::NETDEV_TX_OK;
        };

        // SAFETY: This CPU holds the transmit lock of the queue, as was just checked. It is the one
        // that the core holds, or the buffer's own, and the core calls this function once at a time
        // with it.
        let mut queue = unsafe { TxQueue::in_xmit(queue) };

        // SAFETY: Packets are only transmitted while the device is registered.
        match unsafe { dev.with_data(|dev, data| T::start_xmit(dev, data, &mut queue, skb)) } {
            Xmit::Sent => bindings::netdev_tx::NETDEV_TX_OK,
            Xmit::Busy(skb) => {
                if warn_on!(!lent.is(&skb)) {
                    return bindings::netdev_tx::NETDEV_TX_OK;
                }

                lent.give_back(skb);
                bindings::netdev_tx::NETDEV_TX_BUSY
            }
        }
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `skb` a valid buffer.
    unsafe extern "C" fn features_check(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // What the core does where there is no callback.
        //
        // SAFETY: By the safety requirements `skb` is valid.
        let features = unsafe { bindings::vlan_features_check(skb, features) };

        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the safety requirements `skb` is valid; its owner waits for us.
        let skb = unsafe { SkBuffRef::from_raw(skb) };

        // SAFETY: Packets are only transmitted while the device is registered.
        unsafe { dev.with_data(|dev, data| T::features_check(dev, data, skb, Features(features))) }
            .0
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `stats` must be valid,
    /// initialized and exclusive.
    unsafe extern "C" fn get_stats64(
        dev: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: Required from the caller.
        let stats = unsafe { Stats64::from_raw(stats) };

        // SAFETY: The statistics are read by who has found a registered device and holds a
        // reference to it, the rtnl mutex or the RCU read lock: the unregistration waits for all of
        // these.
        unsafe { dev.with_data(|_, data| T::get_stats64(data, stats)) };
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `stats` must be valid,
    /// initialized and exclusive; called with the rtnl mutex held.
    unsafe extern "C" fn get_queue_stats_rx(
        dev: *mut bindings::net_device,
        queue: c_int,
        stats: *mut bindings::netdev_queue_stats_rx,
    ) {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: The device does not have a lock of its own (`netdev_need_ops_lock()`), the
        // statistics are read with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: Required from the caller.
        let stats = unsafe { RxQueueStats::from_raw(stats) };

        if let Ok(queue) = u32::try_from(queue) {
            // SAFETY: Only called for devices that are registered.
            unsafe { dev.with_data(|dev, data| T::rx_queue_stats(dev, data, queue, stats, rtnl)) };
        }
    }

    /// # Safety
    ///
    /// As for [`Self::get_queue_stats_rx`].
    unsafe extern "C" fn get_queue_stats_tx(
        dev: *mut bindings::net_device,
        queue: c_int,
        stats: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As in `get_queue_stats_rx()`.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: Required from the caller.
        let stats = unsafe { TxQueueStats::from_raw(stats) };

        if let Ok(queue) = u32::try_from(queue) {
            // SAFETY: Only called for devices that are registered.
            unsafe { dev.with_data(|dev, data| T::tx_queue_stats(dev, data, queue, stats, rtnl)) };
        }
    }

    /// # Safety
    ///
    /// As for [`Self::get_queue_stats_rx`].
    unsafe extern "C" fn get_base_stats(
        raw: *mut bindings::net_device,
        rx: *mut bindings::netdev_queue_stats_rx,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: By the safety requirements `raw` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(raw) };
        // SAFETY: As in `get_queue_stats_rx()`.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: Required from the caller.
        let (rx_base, tx_base) =
            unsafe { (RxQueueStats::from_raw(rx), TxQueueStats::from_raw(tx)) };

        // SAFETY: Only called for devices that are registered.
        unsafe { dev.with_data(|dev, data| T::base_stats(dev, data, rx_base, tx_base, rtnl)) };

        // Queues in use are added by the caller.
        //
        // SAFETY: All pointers are valid, and the numbers of queues do not change while the rtnl
        // mutex is held. They fit into a `c_int`, as they are at most 65535.
        unsafe {
            bindings::netdev_stat_queue_sum(
                raw,
                (*raw).real_num_rx_queues as c_int,
                (*raw).num_rx_queues as c_int,
                rx,
                (*raw).real_num_tx_queues as c_int,
                (*raw).num_tx_queues as c_int,
                tx,
            )
        };
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], the lists must be valid and
    /// must not be changed; called with the rtnl mutex held.
    unsafe extern "C" fn set_rx_mode(
        dev: *mut bindings::net_device,
        unicast: *mut bindings::netdev_hw_addr_list,
        multicast: *mut bindings::netdev_hw_addr_list,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_set_rx_mode_async` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };

        // INVARIANT: The lists are snapshots made for this call.
        let mode = RxMode {
            // SAFETY: The device is valid. The field may be changed at any time.
            flags: unsafe { (&raw const (*dev.as_raw()).flags).read_volatile() },
            // SAFETY: Required from the caller.
            unicast: unsafe { &*unicast.cast() },
            // SAFETY: Required from the caller.
            multicast: unsafe { &*multicast.cast() },
        };

        from_result(|| {
            // SAFETY: Only called for devices that are up, which are registered.
            unsafe { dev.with_data(|dev, data| T::set_rx_mode(dev, data, &mode, rtnl)) }?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `addr` must point to a
    /// `sockaddr` with an Ethernet address; called with the rtnl mutex held.
    unsafe extern "C" fn set_mac_address(
        dev: *mut bindings::net_device,
        addr: *mut c_void,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_set_mac_address` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            // SAFETY: Both pointers are valid.
            to_result(unsafe { bindings::eth_prepare_mac_addr_change(dev.as_raw(), addr) })?;

            // SAFETY: `addr` is valid, and its `sa_data` is longer than an Ethernet address.
            let new = unsafe {
                (&raw const (*addr.cast::<bindings::sockaddr>()).sa_data)
                    .cast::<[u8; ETH_ALEN]>()
                    .read()
            };

            // SAFETY: The address is only changed while the device is registered.
            unsafe { dev.with_data(|dev, data| T::set_mac_address(dev, data, &new, rtnl)) }?;

            // SAFETY: Both pointers are valid, and the rtnl mutex is held.
            unsafe { bindings::eth_commit_mac_addr_change(dev.as_raw(), addr) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held.
    unsafe extern "C" fn change_mtu(dev: *mut bindings::net_device, mtu: c_int) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_change_mtu` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            let mtu = u32::try_from(mtu)?;

            // SAFETY: The MTU is only changed while the device is registered.
            unsafe { dev.with_data(|dev, data| T::change_mtu(dev, data, mtu, rtnl)) }?;

            // SAFETY: The device is valid. The field is read at any time, and written with the rtnl
            // mutex held.
            unsafe { (&raw mut (*dev.as_raw()).mtu).write_volatile(mtu) };

            if T::HAS_FIX_FEATURES {
                // SAFETY: The device is registered, and the rtnl mutex is held.
                unsafe { bindings::netdev_update_features(dev.as_raw()) };
            }

            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`].
    unsafe extern "C" fn fix_features(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        let features = Features(features);

        // SAFETY: The features are determined from within the registration on, after the data was
        // set.
        let fixed = unsafe { dev.with_data(|dev, data| T::fix_features(dev, data, features)) };

        (fixed & (features | Self::SUPPORTED)).0
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held.
    unsafe extern "C" fn set_features(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_set_features` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };
        let features = Features(features);

        from_result(|| {
            // SAFETY: As for `fix_features()`.
            unsafe { dev.with_data(|dev, data| T::set_features(dev, data, features, rtnl)) }?;
            Ok(0)
        })
    }

    /// Calls `f` with the data, the kind of tag and the proof that the rtnl mutex is held.
    ///
    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held, between the registration and the end of the unregistration.
    unsafe fn vlan_rx_vid(
        dev: *mut bindings::net_device,
        ethertype: bindings::__be16,
        f: impl for<'a> FnOnce(&Device<T>, Pin<&T::Data<'a>>, VlanProtocol, &Rtnl) -> Result,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: Required from the caller.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            let protocol = VlanProtocol::from_ethertype(u16::from_be(ethertype)).ok_or(EINVAL)?;

            // SAFETY: Required from the caller.
            unsafe { dev.with_data(|dev, data| f(dev, data, protocol, rtnl)) }?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held.
    unsafe extern "C" fn vlan_rx_add_vid(
        dev: *mut bindings::net_device,
        ethertype: bindings::__be16,
        vid: u16,
    ) -> c_int {
        // SAFETY: By the safety requirements of this function. VLANs are added to registered
        // devices.
        unsafe {
            Self::vlan_rx_vid(dev, ethertype, |dev, data, protocol, rtnl| {
                T::vlan_rx_add_vid(dev, data, protocol, vid, rtnl)
            })
        }
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`]; called with the rtnl mutex
    /// held.
    unsafe extern "C" fn vlan_rx_kill_vid(
        dev: *mut bindings::net_device,
        ethertype: bindings::__be16,
        vid: u16,
    ) -> c_int {
        // SAFETY: By the safety requirements of this function. The VLANs of a device are removed
        // by notifiers while it is being unregistered at the latest.
        unsafe {
            Self::vlan_rx_vid(dev, ethertype, |dev, data, protocol, rtnl| {
                T::vlan_rx_kill_vid(dev, data, protocol, vid, rtnl)
            })
        }
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `request` must be valid,
    /// initialized and exclusive; called with the rtnl mutex held.
    unsafe extern "C" fn eth_ioctl(
        dev: *mut bindings::net_device,
        request: *mut bindings::ifreq,
        command: c_int,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_eth_ioctl` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            if !matches!(
                u32::try_from(command)?,
                bindings::SIOCGMIIPHY | bindings::SIOCGMIIREG | bindings::SIOCSMIIREG
            ) {
                return Err(EOPNOTSUPP);
            }

            // INVARIANT: The command was just checked; the rest is required from the caller.
            let mut ioctl = MiiIoctl {
                request: NonNull::new(request).ok_or(EINVAL)?,
                command,
                _request: PhantomData,
            };

            // SAFETY: The user finds registered devices only.
            unsafe { dev.with_data(|dev, data| T::mii_ioctl(dev, data, &mut ioctl, rtnl)) }?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `config` must be valid,
    /// initialized and exclusive; called with the rtnl mutex held.
    unsafe extern "C" fn hwtstamp_get(
        dev: *mut bindings::net_device,
        config: *mut bindings::kernel_hwtstamp_config,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_hwtstamp_get` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: Required from the caller.
        let config = unsafe { &mut *config };

        from_result(|| {
            // SAFETY: Only called for registered devices.
            unsafe { dev.with_data(|dev, data| T::hwtstamp_get(dev, data, rtnl)) }?.store(config);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`], `config` must be valid,
    /// initialized and exclusive; called with the rtnl mutex held.
    unsafe extern "C" fn hwtstamp_set(
        dev: *mut bindings::net_device,
        config: *mut bindings::kernel_hwtstamp_config,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: `ndo_hwtstamp_set` is called with the rtnl mutex held.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: Required from the caller.
        let config = unsafe { &mut *config };

        from_result(|| {
            let wanted = hwtstamp::Config::from_c(config)?;

            // SAFETY: Only called for registered devices.
            unsafe { dev.with_data(|dev, data| T::hwtstamp_set(dev, data, &wanted, rtnl)) }?
                .store(config);
            Ok(0)
        })
    }

    /// What the work of the device calls.
    const WATCH: unsafe extern "C" fn(*mut bindings::work_struct) = if T::HAS_WATCH {
        Self::watch
    } else {
        Self::watch_nothing
    };

    extern "C" fn watch_nothing(_work: *mut bindings::work_struct) {}

    /// # Safety
    ///
    /// `work` must be that in the private area of a `Device<T>`, and enabled.
    unsafe extern "C" fn watch(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirements of this function.
        let dev = unsafe {
            let work = container_of!(work, bindings::delayed_work, work);
            let private = container_of!(
                work.cast::<Opaque<bindings::delayed_work>>(),
                Private<T>,
                watch
            );

            Device::<T>::from_raw((*private).dev)
        };

        // SAFETY: The work is enabled for as long as the data is valid; disabling it waits for us.
        if let Some(delay) = unsafe { dev.with_data(|dev, data| T::watch(dev, data)) } {
            dev.watch_after(delay);
        }
    }

    /// # Safety
    ///
    /// `dev` must be a valid device whose operations are [`Self::OPS`].
    unsafe extern "C" fn tx_timeout(dev: *mut bindings::net_device, queue: c_uint) {
        // SAFETY: By the safety requirements `dev` is a `Device<T>`.
        let dev = unsafe { Device::<T>::from_raw(dev) };

        // SAFETY: The watchdog runs while the device is up, and holds a reference to it.
        unsafe { dev.with_data(|dev, data| T::tx_timeout(dev, data, queue)) };
    }
}

#[cfg(CONFIG_RUST_NETDEV_KUNIT_TEST)]
#[kunit_tests(rust_net_device)]
mod tests {
    use super::*;
    use crate::{
        faux,
        net::{
            napi::testing::eventually,
            queue::TxLocked,
            rtnl, //
        },
        sync::atomic::{
            Atomic,
            Relaxed, //
        },
    };

    /// The Ethertype of the packets sent here, as others may send to the device too.
    const ETHERTYPE: u16 = 0x88b5;

    struct Probe;

    struct Seen {
        open: Atomic<u32>,
        stop: Atomic<u32>,
        packets: Atomic<u32>,
        busy: Atomic<u32>,
        mtu: Atomic<u32>,
        address: Atomic<u32>,
        watched: Atomic<u32>,
        watches: Atomic<u32>,
    }

    impl Seen {
        fn new() -> Self {
            Self {
                open: Atomic::new(0),
                stop: Atomic::new(0),
                packets: Atomic::new(0),
                busy: Atomic::new(0),
                mtu: Atomic::new(0),
                address: Atomic::new(0),
                watched: Atomic::new(0),
                watches: Atomic::new(0),
            }
        }
    }

    /// Has a lifetime and is invariant in it.
    struct ProbeData<'a> {
        device: &'a Device<Probe>,
        seen: &'a Seen,
        sent: TxLocked<u32>,
        _invariant: PhantomData<core::cell::Cell<&'a ()>>,
    }

    // SAFETY: There is no `Cell` in fact.
    unsafe impl Sync for ProbeData<'_> {}

    fn count(counter: &Atomic<u32>) {
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }

    #[vtable]
    impl Driver for Probe {
        type Data<'a> = ProbeData<'a>;

        fn open<'a>(dev: &Device<Self>, data: Pin<&ProbeData<'a>>, rtnl: &Rtnl) -> Result {
            count(&data.seen.open);
            dev.tx_start_all(rtnl);
            data.device.carrier_on();
            Ok(())
        }

        fn stop<'a>(dev: &Device<Self>, data: Pin<&ProbeData<'a>>, rtnl: &Rtnl) {
            count(&data.seen.stop);
            dev.carrier_off();
            dev.tx_disable(rtnl);
        }

        fn start_xmit<'a>(
            _dev: &Device<Self>,
            data: Pin<&ProbeData<'a>>,
            queue: &mut TxQueue<'_>,
            mut skb: SkBuff,
        ) -> Xmit {
            if skb.protocol() != ETHERTYPE {
                return Xmit::Sent;
            }

            if data.seen.busy.load(Relaxed) != 0 {
                // Nonsense, which must not lead the core to a queue that does not exist.
                skb.record_rx_queue(1000);
                return Xmit::Busy(skb);
            }

            if let Some((sent, _)) = data.get_ref().sent.get(queue) {
                *sent = sent.wrapping_add(1);
                data.seen.packets.store(*sent, Relaxed);
            }

            skb.consume_any();
            Xmit::Sent
        }

        fn set_mac_address<'a>(
            _dev: &Device<Self>,
            data: Pin<&ProbeData<'a>>,
            _addr: &[u8; ETH_ALEN],
            _rtnl: &Rtnl,
        ) -> Result {
            count(&data.seen.address);
            Ok(())
        }

        fn tx_queue_stats<'a>(
            _dev: &Device<Self>,
            _data: Pin<&ProbeData<'a>>,
            queue: u32,
            stats: &mut TxQueueStats,
            _rtnl: &Rtnl,
        ) {
            stats.set_packets(10 * (u64::from(queue) + 1));
            stats.set_bytes(1000);
        }

        fn base_stats<'a>(
            _dev: &Device<Self>,
            _data: Pin<&ProbeData<'a>>,
            _rx: &mut RxQueueStats,
            tx: &mut TxQueueStats,
            _rtnl: &Rtnl,
        ) {
            tx.set_packets(1);
        }

        fn change_mtu<'a>(
            dev: &Device<Self>,
            data: Pin<&ProbeData<'a>>,
            mtu: u32,
            _rtnl: &Rtnl,
        ) -> Result {
            if mtu == dev.mtu() || mtu == 1000 {
                return Err(EINVAL);
            }

            data.seen.mtu.store(mtu, Relaxed);
            Ok(())
        }

        fn watch<'a>(_dev: &Device<Self>, data: Pin<&ProbeData<'a>>) -> Option<Delta> {
            count(&data.seen.watched);
            let more = data.seen.watched.load(Relaxed) < data.seen.watches.load(Relaxed);
            more.then_some(Delta::from_millis(1))
        }
    }

    /// Creates a minimal frame that belongs to `dev`.
    fn frame(dev: &Device<Probe>) -> Result<SkBuff> {
        let mut frame = [0; 60];

        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        SkBuff::from_frame(dev, &frame)
    }

    fn data<'a>(
        dev: &UnregisteredDevice<'a, Probe>,
        seen: &'a Seen,
    ) -> Result<impl PinInit<ProbeData<'a>, Error>> {
        let device = dev.device();

        Ok(Ok::<_, Error>(ProbeData {
            device,
            seen,
            sent: TxLocked::new(device.tx_queue(0).ok_or(ENODEV)?, 0),
            _invariant: PhantomData,
        }))
    }

    #[test]
    fn unregistered() -> Result {
        let faux = faux::Registration::new(c"rust_net_device", None)?;
        let parent = faux.as_ref().as_ref();

        assert_eq!(
            UnregisteredDevice::<Probe>::new(parent, 0, 1).err(),
            Some(EINVAL)
        );

        let mut dev = UnregisteredDevice::<Probe>::new(parent, 2, 3)?;

        assert_eq!(dev.num_tx_queues(), 2);
        assert!(dev.tx_queue(2).is_none());
        assert_eq!(dev.tx_queue(1).map(|q| q.index()), Some(1));

        dev.set_features(
            Features::SG,
            Features::SG | Features(u64::MAX),
            Features::EMPTY,
        );
        // Filters need callbacks, which `Probe` does not have.
        assert_eq!(dev.features(), Adapter::<Probe>::SUPPORTED);
        assert!(!dev
            .features()
            .intersects(Features::HW_VLAN_CTAG_FILTER | Features::HW_VLAN_STAG_FILTER));

        dev.set_hw_addr(&[2, 0, 0, 0, 0, 1]);
        assert_eq!(dev.dev_addr(), [2, 0, 0, 0, 0, 1]);

        assert_eq!(dev.take_completions()?.len(), 2);
        assert_eq!(dev.take_completions().err(), Some(EBUSY));
        assert_eq!(dev.take_napi_configs()?.len(), 3);
        assert_eq!(dev.take_napi_configs().err(), Some(EBUSY));

        let rtnl = rtnl::lock();
        assert_eq!(dev.set_real_num_queues(3, 1, &rtnl).err(), Some(EINVAL));
        assert!(dev.set_real_num_queues(1, 1, &rtnl).is_ok());
        assert_eq!(dev.real_num_tx_queues(), 1);

        // What is embedded in the `net_device` is not initialized yet.
        let as_ref: &device::Device = dev.device().as_ref();
        assert_eq!(as_ref.as_raw(), parent.as_raw());

        // Only the `UnregisteredDevice` may change the address, and there is no data to be seen.
        assert_eq!(dev.hw_addr_set(&[2, 0, 0, 0, 0, 2], &rtnl), Err(ENODEV));
        dev.attach(&rtnl);
        assert!(dev.with_registered(&rtnl, |_, _| ()).is_none());
        drop(rtnl);
        assert!(dev.handle()?.with(|_, _, _| ()).is_none());
        dev.watch_after(Delta::ZERO);
        // SAFETY: The work is initialized.
        assert!(!unsafe { bindings::delayed_work_pending(dev.watch()) });

        Ok(())
    }

    #[test]
    fn queues() -> Result {
        let faux = faux::Registration::new(c"rust_net_queues", None)?;
        let mut dev = UnregisteredDevice::<Probe>::new(faux.as_ref().as_ref(), 2, 1)?;
        let first = dev.device().tx_queue(0).ok_or(ENODEV)?;
        let second = dev.device().tx_queue(1).ok_or(ENODEV)?;
        let value = TxLocked::new(first, 1);

        // Only its own queue opens the value.
        assert!(value.get(&mut second.lock()).is_none());

        let mut locked = first.lock();
        let opened = value.get(&mut locked).map(|(value, mut sender)| {
            *value += 1;
            (
                sender.maybe_stop(|| 8, 8, 16),
                sender.maybe_stop(|| 7, 8, 16),
                sender.sent(100, false),
            )
        });
        drop(locked);

        // Enough room, not enough room; the doorbell has to be rung.
        assert_eq!(opened, Some((true, false, true)));
        assert_eq!(value.into_inner(), 2);
        assert!(first.is_stopped());

        // A device that is down is not woken.
        let mut completions = dev.take_completions()?;
        let completion = completions.first_mut().ok_or(ENODEV)?;

        assert!(!completion.completed(1, 100, 256, 16));
        assert!(first.is_stopped());

        first.wake();
        assert!(!first.is_stopped());

        // Room that became free just before the queue was stopped is noticed.
        let calls = Atomic::new(0u32);
        let avail = || {
            count(&calls);
            calls.load(Relaxed) * 10
        };

        assert!(first.lock().sender().maybe_stop(avail, 16, 16));
        assert!(!first.is_stopped());

        Ok(())
    }

    #[test]
    fn registered() -> Result {
        let seen = Seen::new();
        let faux = faux::Registration::new(c"rust_net_device", None)?;
        let mut dev = UnregisteredDevice::<Probe>::new(faux.as_ref().as_ref(), 1, 1)?;

        dev.set_random_hw_addr();
        dev.set_live_addr_change();
        dev.set_mtu_range(68, 2000);

        let mut completions = dev.take_completions()?;
        let handle = dev.handle()?;
        let data = data(&dev, &seen)?;

        // SAFETY: It is dropped below; if an assertion fails before, everything is leaked,
        // including the device that it borrows.
        let reg = unsafe { Registration::new(dev, data) }?;
        let dev = reg.device();
        let raw = dev.as_raw();

        assert!(!dev.name().to_bytes().contains(&b'%'));
        assert!(!dev.is_running());

        let rtnl = rtnl::lock();

        // SAFETY: The device is registered, and the rtnl mutex is held.
        assert_eq!(unsafe { bindings::dev_open(raw, ptr::null_mut()) }, 0);
        assert_eq!(seen.open.load(Relaxed), 1);
        assert!(dev.is_running() && dev.carrier_ok());

        // SAFETY: As above.
        let set_mtu = |mtu| unsafe { bindings::dev_set_mtu(raw, mtu) };

        assert_eq!(set_mtu(1200), 0);
        assert_eq!(set_mtu(1000), EINVAL.to_errno());
        assert_eq!(set_mtu(2001), EINVAL.to_errno());
        assert_eq!(dev.mtu(), 1200);
        assert_eq!(seen.mtu.load(Relaxed), 1200);

        let set_address = |address: [u8; ETH_ALEN]| {
            let mut storage = bindings::__kernel_sockaddr_storage::default();
            let sockaddr = (&raw mut storage).cast::<bindings::sockaddr>();

            // SAFETY: The storage has room for every kind of `sockaddr`, the device is registered,
            // and the rtnl mutex is held.
            unsafe {
                (*sockaddr).sa_family = (*raw).type_;
                (&raw mut (*sockaddr).sa_data)
                    .cast::<[u8; ETH_ALEN]>()
                    .write(address);
                bindings::dev_set_mac_address(raw, &raw mut storage, ptr::null_mut())
            }
        };

        assert_eq!(set_address([2, 0, 0, 0, 0, 7]), 0);
        assert_eq!(dev.dev_addr(), [2, 0, 0, 0, 0, 7]);
        // The driver does not get to see a multicast address.
        assert_eq!(set_address([3, 0, 0, 0, 0, 7]), EADDRNOTAVAIL.to_errno());
        assert_eq!(seen.address.load(Relaxed), 1);
        assert_eq!(dev.dev_addr(), [2, 0, 0, 0, 0, 7]);

        assert_eq!(dev.hw_addr_set(&[2, 0, 0, 0, 0, 8], &rtnl), Ok(()));
        assert_eq!(dev.dev_addr(), [2, 0, 0, 0, 0, 8]);

        let opened = dev.with_registered(&rtnl, |_, data| data.seen.open.load(Relaxed));
        assert_eq!(opened, Some(1));

        drop(rtnl);

        let found = handle.with(|dev, data, _| (dev.as_raw(), data.seen.open.load(Relaxed)));
        assert_eq!(found, Some((raw, 1)));

        // As often as it wants to be called, and once more.
        seen.watches.store(3, Relaxed);
        dev.watch_after(Delta::ZERO);
        assert!(eventually(|| seen.watched.load(Relaxed) == 3));
        dev.watch_after(Delta::from_secs(3600));
        dev.watch_cancel(&rtnl::lock());
        // SAFETY: The work is initialized.
        assert!(!unsafe { bindings::delayed_work_pending(dev.watch()) });
        dev.watch_after(Delta::ZERO);
        assert!(eventually(|| seen.watched.load(Relaxed) == 4));
        // This is ended by the unregistration.
        seen.watches.store(u32::MAX, Relaxed);
        dev.watch_after(Delta::ZERO);

        // SAFETY: The buffer belongs to the device; the ownership is passed.
        let ret = unsafe { bindings::__dev_direct_xmit(frame(dev)?.into_raw().as_ptr(), 0) };
        assert_eq!(ret, bindings::netdev_tx::NETDEV_TX_OK.0);
        assert_eq!(seen.packets.load(Relaxed), 1);

        // A buffer that is handed back is still there.
        seen.busy.store(1, Relaxed);
        let skb = frame(dev)?.into_raw();
        // SAFETY: As above.
        let ret = unsafe { bindings::__dev_direct_xmit(skb.as_ptr(), 0) };
        assert_eq!(ret, bindings::netdev_tx::NETDEV_TX_BUSY.0);
        // SAFETY: A busy device leaves the ownership with the caller.
        let skb = unsafe { SkBuff::from_raw(skb) };
        assert_eq!((skb.len(), skb.queue_mapping()), (60, 0));
        assert_eq!(seen.packets.load(Relaxed), 1);

        // A running device is woken when there is room.
        let queue = dev.tx_queue(0).ok_or(ENODEV)?;
        let completion = completions.first_mut().ok_or(ENODEV)?;

        queue.lock().sender().stop();
        assert!(!completion.completed(1, 0, 7, 8));
        assert!(completion.completed(1, 0, 8, 8));
        assert!(!queue.is_stopped());

        drop(reg);
        assert_eq!(seen.stop.load(Relaxed), 1);
        assert!(handle.with(|_, _, _| ()).is_none());

        Ok(())
    }

    #[test]
    fn only_what_was_lent_is_given_back() -> Result {
        let faux = faux::Registration::new(c"rust_net_lent", None)?;
        let dev = UnregisteredDevice::<Probe>::new(faux.as_ref().as_ref(), 1, 1)?;
        let skb = frame(&dev)?;
        let raw = skb.as_raw();
        let lent = Lent::new(&skb);

        assert!(lent.is(&skb));
        assert!(!lent.is(&*frame(&dev)?));

        // Another one at the same place has another socket, if any.
        let other = Lent {
            sk: NonNull::dangling().as_ptr(),
            ..lent
        };
        assert!(!other.is(&skb));

        // As if it was received.
        // SAFETY: The buffer is ours, and has a header.
        unsafe { bindings::eth_type_trans(raw, dev.as_raw()) };
        assert!(!lent.is(&skb));

        Ok(())
    }

    #[test]
    fn queue_statistics() -> Result {
        let seen = Seen::new();
        let faux = faux::Registration::new(c"rust_net_stats", None)?;
        let dev = UnregisteredDevice::<Probe>::new(faux.as_ref().as_ref(), 3, 1)?;
        let data = data(&dev, &seen)?;

        // SAFETY: It is dropped below; if an assertion fails before, everything is leaked.
        let reg = unsafe { Registration::new(dev, data) }?;
        let dev = reg.device();
        let rtnl = rtnl::lock();

        // SAFETY: The device has these operations.
        let ops = unsafe { &*(*dev.as_raw()).stat_ops };
        let mut rx = bindings::netdev_queue_stats_rx {
            packets: u64::MAX,
            ..Default::default()
        };
        let mut tx = bindings::netdev_queue_stats_tx {
            bytes: u64::MAX,
            ..Default::default()
        };

        assert!(ops.get_queue_stats_rx.is_none());
        dev.set_real_num_queues(1, 1, &rtnl)?;
        if let (Some(queue), Some(base)) = (ops.get_queue_stats_tx, ops.get_base_stats) {
            // SAFETY: All pointers are valid.
            unsafe { base(dev.as_raw(), &raw mut rx, &raw mut tx) };
            // The base and two queues that are not in use; no bytes, which the base does not have.
            assert_eq!(
                (tx.packets, tx.bytes, rx.packets),
                (1 + 20 + 30, u64::MAX, u64::MAX)
            );

            // SAFETY: As above.
            unsafe { queue(dev.as_raw(), 0, &raw mut tx) };
            assert_eq!((tx.packets, tx.bytes), (10, 1000));
        }

        drop(rtnl);
        drop(reg);
        Ok(())
    }

    #[test]
    fn addresses() {
        let mut head = bindings::netdev_hw_addr_list::default();
        let mut entries = [bindings::netdev_hw_addr::default(); 2];
        let [first, second] = &mut entries;

        first.addr[..ETH_ALEN].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        second.addr[..ETH_ALEN].copy_from_slice(&[7, 8, 9, 10, 11, 12]);
        second.list.next = &raw mut head.list;
        first.list.next = &raw mut second.list;
        head.list.next = &raw mut first.list;
        head.count = 2;

        let mut empty = bindings::netdev_hw_addr_list::default();
        empty.list.next = &raw mut empty.list;

        // INVARIANT: Both lists are valid.
        let mode = RxMode {
            flags: bindings::net_device_flags_IFF_ALLMULTI,
            // SAFETY: The list is on the stack.
            unicast: unsafe { &*(&raw const empty).cast() },
            // SAFETY: The list is on the stack.
            multicast: unsafe { &*(&raw const head).cast() },
        };
        let mut multicast = mode.multicast();

        assert!(mode.allmulti() && !mode.promisc());
        assert_eq!((mode.unicast_count(), mode.multicast_count()), (0, 2));
        assert!(mode.unicast().next().is_none());
        assert_eq!(multicast.next(), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(multicast.next(), Some([7, 8, 9, 10, 11, 12]));
        assert_eq!(multicast.next(), None);
    }
}
