// SPDX-License-Identifier: GPL-2.0

//! The link between a MAC and what is attached to it.
//!
//! phylink decides what a network device's link looks like - from a PHY, an SFP module, a PCS or a
//! fixed description - and tells the driver by [`MacOps`] how to program its MAC, and by [`PcsOps`]
//! how to program its PCS (the part of a MAC that speaks a serial protocol such as SGMII).
//!
//! A driver creates a [`Phylink`] for its network device before it registers the device, connects a
//! PHY and starts it in `open`, and stops it in `stop`. The carrier state of the network device
//! belongs to phylink.
//!
//! C header: [`include/linux/phylink.h`](srctree/include/linux/phylink.h)
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
//!         mdio,
//!         phylink::{
//!             Config,
//!             Interface,
//!             Interfaces,
//!             Link,
//!             LinkState,
//!             MacCapabilities,
//!             MacOps,
//!             Mode,
//!             Phylink, //
//!         },
//!         rtnl::Rtnl, //
//!     },
//!     prelude::*, //
//! };
//!
//! /// A MAC, which would hold its registers.
//! struct Mac;
//!
//! #[vtable]
//! impl MacOps for Mac {
//!     fn config(&self, _mode: Mode, state: &LinkState) {
//!         pr_info!("use {:?}\n", state.interface());
//!     }
//!
//!     fn link_up(&self, link: &Link) {
//!         pr_info!("run at {} Mbit/s\n", link.speed);
//!     }
//!
//!     fn link_down(&self, _mode: Mode, _interface: Interface) {
//!         pr_info!("stop\n");
//!     }
//! }
//!
//! fn create<'a, T: Driver>(dev: &'a Device<T>) -> impl PinInit<Phylink<'a, Mac>, Error> + 'a {
//!     let config = Config {
//!         interfaces: Interfaces::RGMII,
//!         mac_capabilities: MacCapabilities::MAC_100 | MacCapabilities::MAC_1000FD,
//!         ..Default::default()
//!     };
//!
//!     // SAFETY: The caller makes it a part of the data of the network device.
//!     unsafe { Phylink::new(dev, None, Interface::RgmiiId, &config, Ok::<_, Error>(Mac)) }
//! }
//!
//! /// Called by `Driver::open()`.
//! fn open<B: mdio::Bus>(
//!     phylink: &Phylink<'_, Mac>,
//!     bus: &mdio::Registration<'_, B>,
//!     rtnl: &Rtnl,
//! ) -> Result {
//!     let addr = bus.find_first().ok_or(ENODEV)?;
//!
//!     phylink.connect_mdio(bus, addr, rtnl)?;
//!     phylink.start(rtnl);
//!     Ok(())
//! }
//!
//! /// Called by `Driver::stop()`.
//! fn stop(phylink: &Phylink<'_, Mac>, rtnl: &Rtnl) {
//!     phylink.stop(rtnl);
//!     phylink.disconnect(rtnl);
//! }
//! ```

use super::{
    device::{
        Device,
        Driver,
        MiiIoctl, //
    },
    ethtool::{
        Eee,
        LinkSettings,
        PauseParam,
        WakeModes,
        WolInfo, //
    },
    mdio,
    rtnl::{
        self,
        Rtnl, //
    },
};
use crate::{
    bindings,
    container_of,
    device::property::FwNode,
    error::{
        from_err_ptr,
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ops::{
        BitAnd,
        BitOr,
        BitOrAssign,
        Sub, //
    },
    ptr::NonNull, //
};

macro_rules! define_interface {
    ($( $(#[$meta:meta])* $name:ident = $c:ident, )*) => {
        /// How a MAC and a PHY are wired to each other, `phy_interface_t`.
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Interface {
            $( $(#[$meta])* $name = bindings::phy_interface_t::$c.0, )*
        }

        impl Interface {
            /// Every interface, in the order of the C enumeration.
            const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            fn from_c(interface: bindings::phy_interface_t) -> Option<Self> {
                match interface {
                    $( bindings::phy_interface_t::$c => Some(Self::$name), )*
                    _ => None,
                }
            }
        }
    };
}

define_interface! {
    /// Not known, or not applicable: whatever the PHY uses.
    Na = PHY_INTERFACE_MODE_NA,
    /// The MAC and the PHY are one.
    Internal = PHY_INTERFACE_MODE_INTERNAL,
    /// Media-independent interface.
    Mii = PHY_INTERFACE_MODE_MII,
    /// Gigabit MII.
    Gmii = PHY_INTERFACE_MODE_GMII,
    /// Serial gigabit MII.
    Sgmii = PHY_INTERFACE_MODE_SGMII,
    /// Ten-bit interface.
    Tbi = PHY_INTERFACE_MODE_TBI,
    /// Reverse MII: the MAC behaves like a PHY.
    RevMii = PHY_INTERFACE_MODE_REVMII,
    /// Reduced MII.
    Rmii = PHY_INTERFACE_MODE_RMII,
    /// Reverse RMII.
    RevRmii = PHY_INTERFACE_MODE_REVRMII,
    /// Reduced gigabit MII without delays in the PHY.
    Rgmii = PHY_INTERFACE_MODE_RGMII,
    /// RGMII with both delays in the PHY.
    RgmiiId = PHY_INTERFACE_MODE_RGMII_ID,
    /// RGMII with the receive delay in the PHY.
    RgmiiRxId = PHY_INTERFACE_MODE_RGMII_RXID,
    /// RGMII with the transmit delay in the PHY.
    RgmiiTxId = PHY_INTERFACE_MODE_RGMII_TXID,
    /// Reduced TBI.
    Rtbi = PHY_INTERFACE_MODE_RTBI,
    /// Serial MII.
    Smii = PHY_INTERFACE_MODE_SMII,
    /// 10 gigabit MII.
    Xgmii = PHY_INTERFACE_MODE_XGMII,
    /// 40 gigabit MII.
    Xlgmii = PHY_INTERFACE_MODE_XLGMII,
    /// Multimedia over coax.
    Moca = PHY_INTERFACE_MODE_MOCA,
    /// Penta SGMII.
    Psgmii = PHY_INTERFACE_MODE_PSGMII,
    /// Quad SGMII.
    Qsgmii = PHY_INTERFACE_MODE_QSGMII,
    /// Turbo RGMII.
    Trgmii = PHY_INTERFACE_MODE_TRGMII,
    /// 100BASE-X.
    Base100X = PHY_INTERFACE_MODE_100BASEX,
    /// 1000BASE-X.
    Base1000X = PHY_INTERFACE_MODE_1000BASEX,
    /// 2500BASE-X.
    Base2500X = PHY_INTERFACE_MODE_2500BASEX,
    /// 5GBASE-R.
    Base5GR = PHY_INTERFACE_MODE_5GBASER,
    /// Reduced XAUI.
    Rxaui = PHY_INTERFACE_MODE_RXAUI,
    /// 10 gigabit attachment unit interface.
    Xaui = PHY_INTERFACE_MODE_XAUI,
    /// 10GBASE-R, XFI and SFI.
    Base10GR = PHY_INTERFACE_MODE_10GBASER,
    /// 25GBASE-R.
    Base25GR = PHY_INTERFACE_MODE_25GBASER,
    /// Universal serial 10GE MII.
    Usxgmii = PHY_INTERFACE_MODE_USXGMII,
    /// 10GBASE-KR.
    Base10GKr = PHY_INTERFACE_MODE_10GKR,
    /// Quad universal SGMII.
    Qusgmii = PHY_INTERFACE_MODE_QUSGMII,
    /// 1000BASE-KX.
    Base1000Kx = PHY_INTERFACE_MODE_1000BASEKX,
    /// Quad USXGMII over a 10G lane.
    Qxgmii10G = PHY_INTERFACE_MODE_10G_QXGMII,
    /// 50GBASE-R.
    Base50GR = PHY_INTERFACE_MODE_50GBASER,
    /// 50 gigabit attachment unit interface.
    Laui = PHY_INTERFACE_MODE_LAUI,
    /// 100GBASE-P.
    Base100GP = PHY_INTERFACE_MODE_100GBASEP,
    /// MII without the error and collision signals.
    MiiLite = PHY_INTERFACE_MODE_MIILITE,
}

impl Interface {
    /// Reads the `phy-mode` or `phy-connection-type` that firmware gives a network device.
    pub fn from_fwnode(fwnode: &FwNode) -> Result<Self> {
        // SAFETY: `fwnode` is valid by its type invariants.
        let mode = unsafe { bindings::fwnode_get_phy_mode(fwnode.as_raw()) };

        to_result(mode)?;
        u32::try_from(mode)
            .ok()
            .map(bindings::phy_interface_t)
            .and_then(Self::from_c)
            .ok_or(EINVAL)
    }

    #[inline]
    const fn into_c(self) -> bindings::phy_interface_t {
        // CAST: The enumeration has the values of the C one.
        bindings::phy_interface_t(self as u32)
    }

    /// Whether this is RGMII, with whatever delays.
    pub const fn is_rgmii(self) -> bool {
        matches!(
            self,
            Self::Rgmii | Self::RgmiiId | Self::RgmiiRxId | Self::RgmiiTxId
        )
    }
}

/// A set of [`Interface`]s.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces(u64);

impl Interfaces {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// All variants of RGMII; they are the same to a MAC that adds no delays itself.
    pub const RGMII: Self = Self::NONE
        .with(Interface::Rgmii)
        .with(Interface::RgmiiId)
        .with(Interface::RgmiiRxId)
        .with(Interface::RgmiiTxId);

    /// The set with `interface` added.
    #[must_use]
    pub const fn with(self, interface: Interface) -> Self {
        const_assert!(
            bindings::phy_interface_t::PHY_INTERFACE_MODE_MAX.0 <= u64::BITS,
            "a set of interfaces does not fit"
        );

        Self(self.0 | 1 << interface.into_c().0)
    }

    /// The set with the interfaces of `other` added.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `interface` is in the set.
    pub const fn contains(self, interface: Interface) -> bool {
        self.0 & 1 << interface.into_c().0 != 0
    }

    /// The interfaces in the set.
    pub fn iter(self) -> impl Iterator<Item = Interface> {
        Interface::ALL
            .iter()
            .copied()
            .filter(move |&i| self.contains(i))
    }

    /// Reads the set from a C bitmap.
    #[cfg(CONFIG_RUST_PCS_XPCS_ABSTRACTIONS)]
    pub(super) fn load(bitmap: &[usize]) -> Self {
        Interface::ALL
            .iter()
            .copied()
            .filter(|i| {
                let (word, bit) = (i.into_c().0 / usize::BITS, i.into_c().0 % usize::BITS);

                // CAST: `u32` fits `usize` on every architecture of the kernel.
                bitmap
                    .get(word as usize)
                    .is_some_and(|w| w & (1 << bit) != 0)
            })
            .fold(Self::NONE, Self::with)
    }

    /// Writes the set as a C bitmap.
    fn store(self, bitmap: &mut [usize]) {
        for (i, word) in (0u32..).step_by(usize::BITS as usize).zip(bitmap) {
            // CAST: The lower bits of what is left.
            *word = self.0.checked_shr(i).unwrap_or(0) as usize;
        }
    }
}

impl From<&[Interface]> for Interfaces {
    fn from(list: &[Interface]) -> Self {
        list.iter().fold(Self::NONE, |set, &i| set.with(i))
    }
}

impl From<Interface> for Interfaces {
    fn from(interface: Interface) -> Self {
        Self::NONE.with(interface)
    }
}

impl BitOr for Interfaces {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitAnd for Interfaces {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The speeds, duplexes and kinds of pause of a MAC: a set of `MAC_*` bits.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct MacCapabilities(u32);

impl MacCapabilities {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Can send and receive pause frames, both or neither.
    pub const SYM_PAUSE: Self = Self(bindings::MAC_SYM_PAUSE);
    /// Can send and receive pause frames independently.
    pub const ASYM_PAUSE: Self = Self(bindings::MAC_ASYM_PAUSE);
    /// 10 Mbit/s half duplex.
    pub const MAC_10HD: Self = Self(bindings::MAC_10HD);
    /// 10 Mbit/s full duplex.
    pub const MAC_10FD: Self = Self(bindings::MAC_10FD);
    /// 10 Mbit/s.
    pub const MAC_10: Self = Self(bindings::MAC_10);
    /// 100 Mbit/s half duplex.
    pub const MAC_100HD: Self = Self(bindings::MAC_100HD);
    /// 100 Mbit/s full duplex.
    pub const MAC_100FD: Self = Self(bindings::MAC_100FD);
    /// 100 Mbit/s.
    pub const MAC_100: Self = Self(bindings::MAC_100);
    /// 1 Gbit/s half duplex.
    pub const MAC_1000HD: Self = Self(bindings::MAC_1000HD);
    /// 1 Gbit/s full duplex.
    pub const MAC_1000FD: Self = Self(bindings::MAC_1000FD);
    /// 1 Gbit/s.
    pub const MAC_1000: Self = Self(bindings::MAC_1000);
    /// 2.5 Gbit/s full duplex.
    pub const MAC_2500FD: Self = Self(bindings::MAC_2500FD);
    /// 5 Gbit/s full duplex.
    pub const MAC_5000FD: Self = Self(bindings::MAC_5000FD);
    /// 10 Gbit/s full duplex.
    pub const MAC_10000FD: Self = Self(bindings::MAC_10000FD);
    /// 25 Gbit/s full duplex.
    pub const MAC_25000FD: Self = Self(bindings::MAC_25000FD);
    /// 40 Gbit/s full duplex.
    pub const MAC_40000FD: Self = Self(bindings::MAC_40000FD);
    /// 50 Gbit/s full duplex.
    pub const MAC_50000FD: Self = Self(bindings::MAC_50000FD);
    /// 100 Gbit/s full duplex.
    pub const MAC_100000FD: Self = Self(bindings::MAC_100000FD);

    /// The set with what is in `other` added.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for MacCapabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for MacCapabilities {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl BitAnd for MacCapabilities {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for MacCapabilities {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Where the state of the link comes from, `MLO_AN_*`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A PHY tells.
    Phy,
    /// The link is always the same.
    Fixed,
    /// The PCS tells, from what it receives in-band.
    InBand,
}

impl Mode {
    fn from_c(mode: ffi::c_uint) -> Self {
        match mode {
            bindings::MLO_AN_FIXED => Self::Fixed,
            bindings::MLO_AN_INBAND => Self::InBand,
            _ => Self::Phy,
        }
    }
}

/// How a PCS negotiates, `PHYLINK_PCS_NEG_*`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum NegMode {
    /// The protocol has no in-band signalling.
    None,
    /// By other means, or not at all.
    Outband,
    /// The protocol has in-band signalling that is not to be used.
    InbandDisabled,
    /// In-band.
    InbandEnabled,
}

impl NegMode {
    fn from_c(mode: ffi::c_uint) -> Self {
        match mode {
            bindings::PHYLINK_PCS_NEG_OUTBAND => Self::Outband,
            bindings::PHYLINK_PCS_NEG_INBAND_DISABLED => Self::InbandDisabled,
            bindings::PHYLINK_PCS_NEG_INBAND_ENABLED => Self::InbandEnabled,
            _ => Self::None,
        }
    }

    fn into_c(self) -> ffi::c_uint {
        match self {
            Self::None => bindings::PHYLINK_PCS_NEG_NONE,
            Self::Outband => bindings::PHYLINK_PCS_NEG_OUTBAND,
            Self::InbandDisabled => bindings::PHYLINK_PCS_NEG_INBAND_DISABLED,
            Self::InbandEnabled => bindings::PHYLINK_PCS_NEG_INBAND_ENABLED,
        }
    }
}

/// The kinds of in-band signalling that a PCS can do, `LINK_INBAND_*`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct InbandCaps {
    /// Can work without it.
    pub disable: bool,
    /// Can work with it.
    pub enable: bool,
    /// Can work with a partner that does not answer.
    pub bypass: bool,
}

impl InbandCaps {
    fn into_c(self) -> ffi::c_uint {
        let bit = |on: bool, bit| if on { bit } else { 0 };

        bit(
            self.disable,
            bindings::link_inband_signalling_LINK_INBAND_DISABLE,
        ) | bit(
            self.enable,
            bindings::link_inband_signalling_LINK_INBAND_ENABLE,
        ) | bit(
            self.bypass,
            bindings::link_inband_signalling_LINK_INBAND_BYPASS,
        )
    }
}

/// Half or full duplex.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// One at a time.
    Half,
    /// Both directions at once.
    Full,
}

impl Duplex {
    fn from_c(duplex: ffi::c_int) -> Self {
        if u32::try_from(duplex) == Ok(bindings::DUPLEX_FULL) {
            Self::Full
        } else {
            Self::Half
        }
    }

    fn into_c(self) -> ffi::c_int {
        // CAST: The constants are 0 and 1.
        match self {
            Self::Half => bindings::DUPLEX_HALF as ffi::c_int,
            Self::Full => bindings::DUPLEX_FULL as ffi::c_int,
        }
    }
}

/// A speed in Mbit/s as C has it, where -1 stands for unknown; here that is 0.
fn speed_from_c(speed: ffi::c_int) -> u32 {
    u32::try_from(speed).unwrap_or(0)
}

/// The reverse of [`speed_from_c`].
fn speed_into_c(speed: u32) -> ffi::c_int {
    match ffi::c_int::try_from(speed) {
        Ok(speed) if speed > 0 => speed,
        _ => bindings::SPEED_UNKNOWN,
    }
}

/// The pause of a link, `MLO_PAUSE_*`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// Act on pause frames that are received.
    pub rx: bool,
    /// Send pause frames.
    pub tx: bool,
    /// The result of negotiation decides.
    pub autoneg: bool,
}

/// A set of link modes (`ETHTOOL_LINK_MODE_*`).
#[derive(Copy, Clone, Debug, Default)]
#[repr(transparent)]
pub struct LinkModes([ffi::c_ulong; LINK_MODE_WORDS]);

/// The length of the bitmaps in `struct phylink_link_state`.
const LINK_MODE_WORDS: usize =
    (bindings::ethtool_link_mode_bit_indices___ETHTOOL_LINK_MODE_MASK_NBITS as usize)
        .div_ceil(ffi::c_ulong::BITS as usize);

impl LinkModes {
    /// The bit of autonegotiation.
    pub const AUTONEG: u32 = bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Autoneg_BIT;
    /// The bit of symmetric pause.
    pub const PAUSE: u32 = bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Pause_BIT;
    /// The bit of asymmetric pause.
    pub const ASYM_PAUSE: u32 =
        bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Asym_Pause_BIT;

    /// Whether the mode with the number `bit` is in the set.
    pub fn contains(&self, bit: u32) -> bool {
        let (word, bit) = (bit / ffi::c_ulong::BITS, bit % ffi::c_ulong::BITS);

        self.0
            .get(word as usize)
            .is_some_and(|w| w & (1 << bit) != 0)
    }

    /// The advertisement register of a clause 37 or SGMII PCS for this set of modes; [`None`] if
    /// the protocol of `interface` has none.
    pub fn encode_c22(&self, interface: Interface) -> Option<u16> {
        // SAFETY: The bitmap has the length that C expects.
        let adv = unsafe {
            bindings::phylink_mii_c22_pcs_encode_advertisement(interface.into_c(), self.0.as_ptr())
        };

        u16::try_from(adv).ok()
    }
}

/// The state of a link, negotiated or asked for.
///
/// Which parts are meaningful depends on where it appears; see [`MacOps::config`] and
/// [`PcsOps::get_state`].
#[repr(transparent)]
pub struct LinkState(bindings::phylink_link_state);

impl LinkState {
    /// # Safety
    ///
    /// `state` must be valid and not be written for the duration of `'s`.
    unsafe fn from_c<'s>(state: *const bindings::phylink_link_state) -> &'s Self {
        // SAFETY: The type is transparent; the rest is the function's safety requirements.
        unsafe { &*state.cast() }
    }

    /// # Safety
    ///
    /// `state` must be valid and exclusively ours for the duration of `'s`.
    unsafe fn from_c_mut<'s>(state: *mut bindings::phylink_link_state) -> &'s mut Self {
        // SAFETY: The type is transparent; the rest is the function's safety requirements.
        unsafe { &mut *state.cast() }
    }

    /// The interface between the MAC and the PHY.
    pub fn interface(&self) -> Interface {
        Interface::from_c(self.0.interface).unwrap_or(Interface::Na)
    }

    /// The link modes advertised.
    pub fn advertising(&self) -> LinkModes {
        LinkModes(self.0.advertising)
    }

    /// The pause settings.
    pub fn pause(&self) -> Pause {
        // CAST: A set of bits.
        let pause = self.0.pause as u32;

        Pause {
            rx: pause & bindings::MLO_PAUSE_RX != 0,
            tx: pause & bindings::MLO_PAUSE_TX != 0,
            autoneg: pause & bindings::MLO_PAUSE_AN != 0,
        }
    }

    /// The speed in Mbit/s; 0 if it is not known.
    pub fn speed(&self) -> u32 {
        speed_from_c(self.0.speed)
    }

    /// The duplex.
    pub fn duplex(&self) -> Duplex {
        Duplex::from_c(self.0.duplex)
    }

    /// Whether the link is up.
    pub fn link(&self) -> bool {
        self.0.link() != 0
    }

    /// Sets whether the link is up.
    pub fn set_link(&mut self, link: bool) {
        self.0.set_link(link.into());
    }

    /// Sets whether negotiation is complete.
    pub fn set_an_complete(&mut self, complete: bool) {
        self.0.set_an_complete(complete.into());
    }

    /// Sets the speed, in Mbit/s.
    pub fn set_speed(&mut self, speed: u32) {
        self.0.speed = speed_into_c(speed);
    }

    /// Sets the duplex.
    pub fn set_duplex(&mut self, duplex: Duplex) {
        self.0.duplex = duplex.into_c();
    }

    /// Sets the result of the negotiation of pause.
    pub fn set_pause(&mut self, pause: Pause) {
        let bit = |on: bool, bit| if on { bit } else { 0 };
        let bits = bit(pause.rx, bindings::MLO_PAUSE_RX)
            | bit(pause.tx, bindings::MLO_PAUSE_TX)
            | bit(pause.autoneg, bindings::MLO_PAUSE_AN);

        // CAST: The bits are 0 to 2.
        self.0.pause = bits as ffi::c_int;
    }

    /// Sets the state from the status and link partner ability registers of a PCS with the
    /// registers of clause 22.
    pub fn decode_c22(&mut self, neg_mode: NegMode, bmsr: u16, lpa: u16) {
        // SAFETY: `self.0` is valid and ours.
        unsafe {
            bindings::phylink_mii_c22_pcs_decode_state(
                &raw mut self.0,
                neg_mode.into_c(),
                bmsr,
                lpa,
            )
        };
    }
}

/// A link that has come up, as the MAC sees it.
#[derive(Copy, Clone, Debug)]
pub struct Link {
    /// Where the state of the link comes from.
    pub mode: Mode,
    /// The interface between the MAC and the PHY.
    pub interface: Interface,
    /// The speed, in Mbit/s.
    pub speed: u32,
    /// The duplex.
    pub duplex: Duplex,
    /// Send pause frames.
    pub tx_pause: bool,
    /// Act on pause frames that are received.
    pub rx_pause: bool,
}

/// The MAC side of a link.
///
/// The callbacks run in process context, serialised by phylink but - because most of them run from
/// a work item - *without* the rtnl lock. They must not take it: [`Phylink::stop`] waits for them
/// with the lock held.
#[vtable]
pub trait MacOps: Send + Sync {
    /// Configures the MAC for an interface.
    ///
    /// Called when the interface changes, not when the speed, the duplex or the pause do. Only the
    /// interface and the advertised modes of `state` are valid, and with [`Mode::InBand`] the
    /// pause.
    fn config(&self, mode: Mode, state: &LinkState);

    /// The link has come up: programs the MAC for it and lets it send and receive.
    ///
    /// The carrier of the network device is turned on afterwards.
    fn link_up(&self, link: &Link);

    /// The link has gone down: keeps the MAC from sending and receiving.
    ///
    /// Only called after [`link_up`](MacOps::link_up). The carrier of the network device is already
    /// off. With [`Mode::InBand`] this must not keep the link from coming up again.
    fn link_down(&self, mode: Mode, interface: Interface);

    /// What the MAC can do on `interface`, where this is not simply [`Config::mac_capabilities`].
    fn capabilities(&self, _interface: Interface) -> MacCapabilities {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Selects the PCS for `interface`; [`None`] if it needs none.
    ///
    /// Must not change any state: phylink also asks to find out what would be possible. A PCS that
    /// belongs to another phylink instance, even to one that is gone, is refused.
    fn select_pcs(&self, _interface: Interface) -> Option<PcsHandle<'_>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Prepares for a change of the interface; called before [`config`](MacOps::config).
    fn prepare(&self, _mode: Mode, _interface: Interface) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Completes a change of the interface.
    fn finish(&self, _mode: Mode, _interface: Interface) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lets the transmitter go to low-power idle (LPI) when it has been idle for `timer`
    /// microseconds; with `stop_clock` the transmit clock may stop meanwhile.
    ///
    /// Only called while the link is up, after [`link_up`](MacOps::link_up), and only with an
    /// interface of [`Config::lpi_interfaces`]. The partner can do it at this speed.
    ///
    /// Implemented together with [`disable_tx_lpi`](MacOps::disable_tx_lpi), or not at all.
    fn enable_tx_lpi(&self, _timer: u32, _stop_clock: bool) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Keeps the transmitter from low-power idle; called before [`link_down`](MacOps::link_down).
    fn disable_tx_lpi(&self) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Has the MAC wake the system on `modes`, which are of [`Config::wol_mac_support`]; on nothing
    /// if there are none. Called with the rtnl lock held, the link may be down.
    fn set_wol(&self, _modes: WakeModes) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The PCS side of a link.
///
/// The callbacks run in process context, serialised by phylink, like those of [`MacOps`].
#[vtable]
pub trait PcsOps: Send + Sync {
    /// Reads the state of the link from the PCS.
    ///
    /// `state` arrives with what is configured; the implementation sets the speed, the duplex, the
    /// pause, and whether the link is up and the negotiation complete.
    fn get_state(&self, neg_mode: NegMode, state: &mut LinkState);

    /// Configures the PCS, without disturbing a link that already is as it should be.
    ///
    /// Returns whether negotiation has to be restarted.
    fn config(
        &self,
        neg_mode: NegMode,
        interface: Interface,
        advertising: &LinkModes,
        permit_pause_to_mac: bool,
    ) -> Result<bool>;

    /// Restarts the negotiation of 1000BASE-X and the like.
    fn an_restart(&self);

    /// Programs the PCS for a link that comes up.
    fn link_up(&self, _neg_mode: NegMode, _interface: Interface, _speed: u32, _duplex: Duplex) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The in-band signalling that the PCS can do on `interface`.
    fn inband_caps(&self, _interface: Interface) -> InbandCaps {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Turns the PCS on.
    fn enable(&self) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Turns the PCS off.
    fn disable(&self) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A PCS.
///
/// Usually a field of the object that implements [`MacOps`].
///
/// It does not report changes of the link by itself, as C does with `phylink_pcs_change()`: the
/// pointer in `phylink_pcs` which that follows may outlive the phylink instance.
/// [`Phylink::mac_change`] has the same effect.
///
/// # Invariants
///
/// `pcs` is initialised, with the operations of `Pcs<P>`. The object is pinned from its creation
/// on, as it can only be made by a pin-initialiser.
#[pin_data]
pub struct Pcs<P: PcsOps> {
    #[pin]
    pcs: Opaque<bindings::phylink_pcs>,
    claim: Claim,
    #[pin]
    ops: P,
}

// SAFETY: `phylink_pcs` is plain data that only phylink uses, and `P` is `Send`.
unsafe impl<P: PcsOps> Send for Pcs<P> {}

// SAFETY: No method that takes `&self` touches the `phylink_pcs`, and `P` is `Sync`.
unsafe impl<P: PcsOps> Sync for Pcs<P> {}

impl<P: PcsOps> Pcs<P> {
    const OPS: bindings::phylink_pcs_ops = bindings::phylink_pcs_ops {
        pcs_get_state: Some(Self::get_state),
        pcs_config: Some(Self::config),
        pcs_an_restart: Some(Self::an_restart),
        pcs_link_up: if P::HAS_LINK_UP {
            Some(Self::link_up)
        } else {
            None
        },
        pcs_inband_caps: if P::HAS_INBAND_CAPS {
            Some(Self::inband_caps)
        } else {
            None
        },
        pcs_enable: if P::HAS_ENABLE {
            Some(Self::enable)
        } else {
            None
        },
        pcs_disable: if P::HAS_DISABLE {
            Some(Self::disable)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// Creates a PCS for `interfaces`.
    ///
    /// With `poll` phylink looks at the state of the link once a second; without it the driver has
    /// to call [`Phylink::mac_change`] when the PCS reports a change.
    pub fn new(
        interfaces: Interfaces,
        poll: bool,
        ops: impl PinInit<P, Error>,
    ) -> impl PinInit<Self, Error> {
        let mut pcs = bindings::phylink_pcs {
            ops: &Self::OPS,
            poll,
            ..pin_init::zeroed()
        };
        interfaces.store(&mut pcs.supported_interfaces);

        // INVARIANT: `pcs` has just been set up.
        try_pin_init!(Self {
            pcs: Opaque::new(pcs),
            claim: Claim::new(),
            ops <- ops,
        })
    }

    /// The operations of the PCS.
    #[inline]
    pub fn ops(&self) -> &P {
        &self.ops
    }

    /// A handle to return from [`MacOps::select_pcs`].
    #[inline]
    pub fn handle(&self) -> PcsHandle<'_> {
        // SAFETY: By the type invariants the `phylink_pcs` is initialised and pinned; and `self` is
        // borrowed for as long as the handle exists.
        unsafe { PcsHandle::new(self.pcs.get(), &self.claim) }
    }

    /// # Safety
    ///
    /// `pcs` must point into a `Pcs<P>` that is valid for the duration of `'p`.
    #[inline]
    unsafe fn from_c<'p>(pcs: *mut bindings::phylink_pcs) -> &'p P {
        // SAFETY: By the safety requirements of the function. Only `ops` is borrowed, as phylink
        // may be writing to the `phylink_pcs`.
        unsafe { &(*container_of!(Opaque::cast_from(pcs), Self, pcs)).ops }
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_get_state` of a [`Pcs<P>`].
    unsafe extern "C" fn get_state(
        pcs: *mut bindings::phylink_pcs,
        neg_mode: ffi::c_uint,
        state: *mut bindings::phylink_link_state,
    ) {
        // SAFETY: phylink calls this with a PCS that `select_pcs` has returned, which is valid
        // until the phylink instance is destroyed, see `Phylink::mac_select_pcs`.
        let ops = unsafe { Self::from_c(pcs) };
        // SAFETY: phylink passes a state that is its own and valid during the call.
        let state = unsafe { LinkState::from_c_mut(state) };

        ops.get_state(NegMode::from_c(neg_mode), state);
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_config` of a [`Pcs<P>`].
    unsafe extern "C" fn config(
        pcs: *mut bindings::phylink_pcs,
        neg_mode: ffi::c_uint,
        interface: bindings::phy_interface_t,
        advertising: *const ffi::c_ulong,
        permit_pause_to_mac: bool,
    ) -> ffi::c_int {
        // SAFETY: As in `get_state`.
        let ops = unsafe { Self::from_c(pcs) };
        // SAFETY: phylink passes a bitmap of all link modes, which is not written during the call.
        let advertising = unsafe { &*advertising.cast::<LinkModes>() };

        from_result(|| {
            let interface = Interface::from_c(interface).ok_or(EINVAL)?;
            let restart = ops.config(
                NegMode::from_c(neg_mode),
                interface,
                advertising,
                permit_pause_to_mac,
            )?;

            Ok(restart.into())
        })
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_an_restart` of a [`Pcs<P>`].
    unsafe extern "C" fn an_restart(pcs: *mut bindings::phylink_pcs) {
        // SAFETY: As in `get_state`.
        unsafe { Self::from_c(pcs) }.an_restart();
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_link_up` of a [`Pcs<P>`].
    unsafe extern "C" fn link_up(
        pcs: *mut bindings::phylink_pcs,
        neg_mode: ffi::c_uint,
        interface: bindings::phy_interface_t,
        speed: ffi::c_int,
        duplex: ffi::c_int,
    ) {
        // SAFETY: As in `get_state`.
        let ops = unsafe { Self::from_c(pcs) };

        if let Some(interface) = Interface::from_c(interface) {
            ops.link_up(
                NegMode::from_c(neg_mode),
                interface,
                speed_from_c(speed),
                Duplex::from_c(duplex),
            );
        }
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_inband_caps` of a [`Pcs<P>`].
    unsafe extern "C" fn inband_caps(
        pcs: *mut bindings::phylink_pcs,
        interface: bindings::phy_interface_t,
    ) -> ffi::c_uint {
        // SAFETY: As in `get_state`.
        let ops = unsafe { Self::from_c(pcs) };

        Interface::from_c(interface).map_or(0, |i| ops.inband_caps(i).into_c())
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_enable` of a [`Pcs<P>`].
    unsafe extern "C" fn enable(pcs: *mut bindings::phylink_pcs) -> ffi::c_int {
        // SAFETY: As in `get_state`.
        let ops = unsafe { Self::from_c(pcs) };

        from_result(|| ops.enable().map(|()| 0))
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `pcs_disable` of a [`Pcs<P>`].
    unsafe extern "C" fn disable(pcs: *mut bindings::phylink_pcs) {
        // SAFETY: As in `get_state`.
        unsafe { Self::from_c(pcs) }.disable();
    }
}

/// Whose a PCS is: a `phylink_pcs` is written to by the phylink instance that selects it, and so
/// may be what is behind it. Two instances would do so at the same time.
pub(super) struct Claim(Atomic<usize>);

impl Claim {
    /// Nobody's.
    pub(super) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Takes it for the phylink instance with `config`; false if it is somebody else's.
    ///
    /// It is never given up. If another instance comes to have the same address, the first one is
    /// gone.
    fn take(&self, config: *mut bindings::phylink_config) -> bool {
        let config = config.addr();

        match self.0.cmpxchg(0, config, Relaxed) {
            Ok(_) => true,
            Err(owner) => owner == config,
        }
    }
}

/// A reference to a [`Pcs`] of any type, or to one of the kernel's own.
///
/// # Invariants
///
/// `pcs` is an initialised `phylink_pcs` that, with all that its operations need, is valid for the
/// duration of `'p`, and that only the phylink instance that `claim` belongs to uses.
#[derive(Copy, Clone)]
pub struct PcsHandle<'p> {
    pcs: *mut bindings::phylink_pcs,
    claim: &'p Claim,
}

impl<'p> PcsHandle<'p> {
    /// # Safety
    ///
    /// As the invariants of the type. Whatever the operations touch must be touched by nobody but
    /// that phylink instance.
    #[inline]
    pub(super) unsafe fn new(pcs: *mut bindings::phylink_pcs, claim: &'p Claim) -> Self {
        // INVARIANT: By the safety requirements of the function.
        Self { pcs, claim }
    }
}

/// What a MAC is able to do, for [`Phylink::new`].
#[derive(Copy, Clone, Debug, Default)]
pub struct Config {
    /// The interfaces that the MAC, with its PCS, supports. Must not be empty.
    pub interfaces: Interfaces,
    /// The speeds, duplexes and kinds of pause.
    pub mac_capabilities: MacCapabilities,
    /// The driver suspends and resumes the PHY, not the MDIO bus.
    pub mac_managed_pm: bool,
    /// The MAC needs the receive clock of the PHY all the time, e.g. to be reset.
    pub mac_requires_rxc: bool,
    /// In-band status is the default where firmware does not tell.
    pub default_an_inband: bool,
    /// The interfaces on which the MAC can signal low-power idle.
    ///
    /// If there are none, a MAC that implements [`MacOps::enable_tx_lpi`] has no Energy Efficient
    /// Ethernet (EEE).
    pub lpi_interfaces: Interfaces,
    /// The speeds and duplexes at which it can.
    pub lpi_capabilities: MacCapabilities,
    /// The idle time before low-power idle, in microseconds, until the user changes it.
    pub lpi_timer_default: u32,
    /// EEE is on until the user turns it off.
    pub eee_enabled_default: bool,
    /// The PHY may stop the receive clock while the partner is in low-power idle.
    pub eee_rx_clk_stop_enable: bool,
    /// What the MAC can wake the system on. Must be empty unless it implements
    /// [`MacOps::set_wol`].
    pub wol_mac_support: WakeModes,
}

/// A phylink instance of a network device.
///
/// Dropping it stops it and disconnects the PHY if that has not been done. It must not be dropped
/// with the rtnl lock held.
///
/// # Invariants
///
/// - `raw` is a valid phylink instance, created with `config`, which is embedded in this object;
///   and with the operations of `Phylink<O>`.
/// - `started` tells whether it is started, `suspended` whether it is suspended, which only one
///   that is started can be; both only change with the rtnl lock held.
/// - `wol` tells whether the MAC is to wake the system, as phylink sees it.
/// - `netdev` is the network device that it belongs to, which is valid for the duration of `'a`.
/// - `notifier` is registered, and stops the instance when that device is unregistered. It is not
///   started again after that.
#[pin_data(PinnedDrop)]
pub struct Phylink<'a, O: MacOps + 'a> {
    raw: NonNull<bindings::phylink>,
    netdev: NonNull<bindings::net_device>,
    started: Atomic<bool>,
    suspended: Atomic<bool>,
    wol: Atomic<bool>,
    #[pin]
    notifier: Opaque<bindings::notifier_block>,
    #[pin]
    config: Opaque<bindings::phylink_config>,
    #[pin]
    ops: O,
    _netdev: PhantomData<&'a ()>,
}

// SAFETY: A phylink instance may be used and destroyed by any thread, and `O` is `Send`.
unsafe impl<'a, O: MacOps + 'a> Send for Phylink<'a, O> {}

// SAFETY: The methods that take `&self` are either serialised by rtnl, which they demand a proof
// of, or may be called at any time; and `O` is `Sync`.
unsafe impl<'a, O: MacOps + 'a> Sync for Phylink<'a, O> {}

impl<'a, O: MacOps + 'a> Phylink<'a, O> {
    const HAS_TX_LPI: bool = {
        assert!(
            O::HAS_ENABLE_TX_LPI == O::HAS_DISABLE_TX_LPI,
            "low-power idle needs to be enabled and disabled"
        );
        O::HAS_ENABLE_TX_LPI
    };

    const OPS: bindings::phylink_mac_ops = bindings::phylink_mac_ops {
        mac_config: Some(Self::mac_config),
        mac_link_up: Some(Self::mac_link_up),
        mac_link_down: Some(Self::mac_link_down),
        mac_get_caps: if O::HAS_CAPABILITIES {
            Some(Self::mac_get_caps)
        } else {
            None
        },
        mac_select_pcs: if O::HAS_SELECT_PCS {
            Some(Self::mac_select_pcs)
        } else {
            None
        },
        mac_prepare: if O::HAS_PREPARE {
            Some(Self::mac_prepare)
        } else {
            None
        },
        mac_finish: if O::HAS_FINISH {
            Some(Self::mac_finish)
        } else {
            None
        },
        mac_enable_tx_lpi: if Self::HAS_TX_LPI {
            Some(Self::mac_enable_tx_lpi)
        } else {
            None
        },
        mac_disable_tx_lpi: if Self::HAS_TX_LPI {
            Some(Self::mac_disable_tx_lpi)
        } else {
            None
        },
        mac_wol_set: if O::HAS_SET_WOL {
            Some(Self::mac_wol_set)
        } else {
            None
        },
    };

    /// Creates the phylink instance of a network device and turns the carrier of the device off.
    ///
    /// `fwnode` is the node of the network device, where firmware may describe a fixed link,
    /// in-band status or an SFP cage. With the interface [`Interface::Na`] that of the PHY is used.
    ///
    /// [`MacOps::capabilities`] and [`MacOps::select_pcs`] are called already from here. The rtnl
    /// lock must not be held. Fails with [`ENODEV`] if the device was registered before.
    ///
    /// # Safety
    ///
    /// Callers must not `mem::forget()` the [`Phylink`] or otherwise prevent its [`Drop`]
    /// implementation from running.
    pub unsafe fn new<T: Driver>(
        dev: &'a Device<T>,
        fwnode: Option<&'a FwNode>,
        interface: Interface,
        config: &Config,
        ops: impl PinInit<O, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        let netdev = dev.as_raw();
        let mut c_config = bindings::phylink_config {
            // SAFETY: `dev` is valid.
            dev: unsafe { &raw mut (*netdev).dev },
            type_: bindings::phylink_op_type_PHYLINK_NETDEV,
            // CAST: From 32 bits to at least as many.
            mac_capabilities: config.mac_capabilities.0 as ffi::c_ulong,
            mac_managed_pm: config.mac_managed_pm,
            mac_requires_rxc: config.mac_requires_rxc,
            default_an_inband: config.default_an_inband,
            // CAST: As above.
            lpi_capabilities: config.lpi_capabilities.0 as ffi::c_ulong,
            lpi_timer_default: config.lpi_timer_default,
            eee_enabled_default: config.eee_enabled_default,
            eee_rx_clk_stop_enable: config.eee_rx_clk_stop_enable,
            wol_mac_support: config.wol_mac_support.into_raw(),
            ..pin_init::zeroed()
        };
        config.interfaces.store(&mut c_config.supported_interfaces);
        config.lpi_interfaces.store(&mut c_config.lpi_interfaces);

        let fwnode = fwnode.map_or(core::ptr::null_mut(), FwNode::as_raw);

        // INVARIANT: `raw` is created from `config`. A new instance is not started.
        try_pin_init!(&this in Self {
            started: Atomic::new(false),
            suspended: Atomic::new(false),
            wol: Atomic::new(false),
            config: Opaque::new(c_config),
            ops <- ops,
            _netdev: PhantomData,
            netdev: NonNull::new(netdev).ok_or(EINVAL)?,
            notifier: Opaque::new(bindings::notifier_block {
                notifier_call: Some(Self::notify),
                ..pin_init::zeroed()
            }),
            raw: {
                // Turning off the carrier of a device that is about to be freed would leave a
                // reference to it.
                if !dev.was_never_registered() {
                    return Err(ENODEV);
                }

                // SAFETY: `this` is being initialised; this is merely the address of a field.
                let config = unsafe { (&raw mut (*this.as_ptr()).config).cast() };

                // SAFETY: `config` and `ops`, which are all that the callbacks use, have just been
                // initialised, and are pinned until the instance is destroyed by `drop`. `fwnode`
                // is `NULL` or valid for `'a`.
                let raw = from_err_ptr(unsafe {
                    bindings::phylink_create(config, fwnode, interface.into_c(), &Self::OPS)
                })?;
                let raw = NonNull::new(raw).ok_or(ENOMEM)?;

                // SAFETY: `this` is being initialised. The notifier is, and so is all that its
                // callback uses before the instance is started; it is pinned, and unregistered by
                // `drop`.
                let ret = unsafe {
                    bindings::register_netdevice_notifier(Opaque::cast_into(
                        &raw const (*this.as_ptr()).notifier,
                    ))
                };
                to_result(ret).inspect_err(|_| {
                    // SAFETY: It was just created, and is not used any more.
                    unsafe { bindings::phylink_destroy(raw.as_ptr()) }
                })?;
                raw
            },
        })
    }

    #[inline]
    fn as_raw(&self) -> *mut bindings::phylink {
        self.raw.as_ptr()
    }

    /// The MAC operations.
    #[inline]
    pub fn ops(&self) -> &O {
        &self.ops
    }

    /// Whether a PHY should be connected; not so for a fixed link.
    pub fn expects_phy(&self, _rtnl: &Rtnl) -> bool {
        // SAFETY: `raw` is valid by the type invariants. What is read is written under rtnl.
        unsafe { bindings::phylink_expects_phy(self.as_raw()) }
    }

    fn is_started(&self) -> bool {
        self.started.load(Relaxed)
    }

    /// Connects the PHY at `addr` of `bus`. Does nothing if the link is a fixed one.
    ///
    /// Fails with [`ENODEV`] if there is no such PHY, and with [`EBUSY`] if the PHY is in use, if
    /// there is a connected one already, or if phylink is started.
    ///
    /// The PHY may vanish before it is disconnected: see [`mdio::Registration`].
    pub fn connect_mdio<B: mdio::Bus>(
        &self,
        bus: &mdio::Registration<'_, B>,
        addr: mdio::PhyAddr,
        rtnl: &Rtnl,
    ) -> Result {
        if self.is_started() {
            return Err(EBUSY);
        }
        if !self.expects_phy(rtnl) {
            return Ok(());
        }

        let phy = bus.phy(addr).ok_or(ENODEV)?;

        // SAFETY: `phy` is valid as `bus` is borrowed.
        unsafe { self.connect(phy, rtnl) }
    }

    /// Connects the PHY that firmware gives the network device `fwnode` (`phy-handle`). Does
    /// nothing if no PHY is needed.
    ///
    /// Fails with [`ENODEV`] if the PHY is not there (yet), and like
    /// [`connect_mdio`](Self::connect_mdio) with [`EBUSY`].
    pub fn connect_fwnode(&self, fwnode: &FwNode, rtnl: &Rtnl) -> Result {
        if self.is_started() {
            return Err(EBUSY);
        }
        if !self.expects_phy(rtnl) {
            return Ok(());
        }

        // SAFETY: `fwnode` is valid.
        let node = unsafe { bindings::fwnode_get_phy_node(fwnode.as_raw()) };
        let Ok(node) = from_err_ptr(node) else {
            // phylink knows whether that is an error: it depends on the mode.
            //
            // SAFETY: `raw` is valid by the type invariants, no node has no PHY either, and we hold
            // rtnl.
            return to_result(unsafe {
                bindings::phylink_fwnode_phy_connect(self.as_raw(), core::ptr::null(), 0)
            });
        };

        // SAFETY: `node` has just been returned to us with a reference.
        let phy = unsafe { bindings::fwnode_phy_find_device(node) };
        // SAFETY: This drops the reference.
        unsafe { bindings::fwnode_handle_put(node) };

        let phy = NonNull::new(phy).ok_or(ENODEV)?;
        // SAFETY: `phy` has just been returned to us with a reference.
        let result = unsafe { self.connect(phy, rtnl) };
        // SAFETY: This drops the reference; if it is connected there is another one.
        unsafe { bindings::phy_device_free(phy.as_ptr()) };

        result
    }

    /// Connects `phy`, unless it or another one is connected.
    ///
    /// # Safety
    ///
    /// `phy` must be valid, and a PHY must be expected.
    unsafe fn connect(&self, phy: NonNull<bindings::phy_device>, _rtnl: &Rtnl) -> Result {
        // `phy_attach_direct` would, to clean up, take the PHY away from whom it belongs to.
        //
        // SAFETY: `phy` is valid. We hold rtnl, which protects the field.
        if !unsafe { (*phy.as_ptr()).attached_dev }.is_null() {
            return Err(EBUSY);
        }

        // Unlike its sibling for firmware nodes this refuses to replace a PHY that is connected,
        // which would never be disconnected.
        //
        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe { bindings::phylink_connect_phy(self.as_raw(), phy.as_ptr()) })
    }

    /// Disconnects the PHY, if there is one.
    pub fn disconnect(&self, _rtnl: &Rtnl) {
        // SAFETY: `raw` is valid by the type invariants, and we hold rtnl.
        unsafe { bindings::phylink_disconnect_phy(self.as_raw()) };
    }

    /// Makes the link one that is always up, at the given speed and duplex.
    ///
    /// Fails with [`EINVAL`] if that is not one of the link's modes, if phylink is started or if
    /// the link is fixed or in-band already.
    pub fn set_fixed_link(&self, speed: u32, duplex: Duplex, _rtnl: &Rtnl) -> Result {
        let state = bindings::phylink_link_state {
            speed: speed_into_c(speed),
            duplex: duplex.into_c(),
            ..pin_init::zeroed()
        };

        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe { bindings::phylink_set_fixed_link(self.as_raw(), &state) })
    }

    /// Starts phylink; from here on the callbacks are called. Does nothing if it is started
    /// already, or if the network device was unregistered.
    ///
    /// The MAC is configured before this returns.
    pub fn start(&self, _rtnl: &Rtnl) {
        if self.is_started() || !self.is_alive() {
            return;
        }

        // SAFETY: `raw` is valid by the type invariants and not started, and we hold rtnl.
        unsafe { bindings::phylink_start(self.as_raw()) };

        // INVARIANT: It is started now.
        self.started.store(true, Relaxed);
    }

    /// Whether the network device is registered or not yet so. With the rtnl lock held it does not
    /// cease to be.
    fn is_alive(&self) -> bool {
        // SAFETY: The network device is valid by the type invariants. The field may be changed at
        // any time.
        let state = unsafe { (&raw const (*self.netdev.as_ptr()).reg_state).read_volatile() };

        matches!(
            bindings::netdev_reg_state::from(state),
            bindings::netdev_reg_state_NETREG_UNINITIALIZED
                | bindings::netdev_reg_state_NETREG_REGISTERED
        )
    }

    /// Called for the events of all network devices.
    ///
    /// # Safety
    ///
    /// `notifier` must be that of a `Self` that is being or was created, but not dropped yet;
    /// called with the rtnl lock held, for the events of network devices.
    unsafe extern "C" fn notify(
        notifier: *mut bindings::notifier_block,
        event: ffi::c_ulong,
        info: *mut ffi::c_void,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirements. These fields are there before the notifier is, and
        // the instance is started only when all are.
        let (this, ours) = unsafe {
            let this = container_of!(Opaque::cast_from(notifier), Self, notifier);
            let dev = (*info.cast::<bindings::netdev_notifier_info>()).dev;

            (
                this,
                core::ptr::eq(dev, (*this).netdev.as_ptr()) && (*this).started.load(Relaxed),
            )
        };

        // The link of a device whose driver has forgotten to stop it: the carrier must not change
        // any more once the core has waited for those who refer to the device, link watch among
        // them.
        //
        // CAST: A small constant.
        if ours && event == bindings::netdev_cmd_NETDEV_UNREGISTER as ffi::c_ulong {
            // SAFETY: By the safety requirements; it was created as it is started.
            let (this, rtnl) = unsafe { (&*this, Rtnl::assume_held()) };

            // The event is also that of a device which moves to another namespace.
            if !this.is_alive() {
                this.stop(rtnl);
            }
        }

        // CAST: It is 0.
        bindings::NOTIFY_DONE as ffi::c_int
    }

    /// Stops phylink and takes the link down, if it is up, before this returns. Does nothing if it
    /// is not started.
    ///
    /// Is called when the network device is unregistered, in case the driver has not done so.
    pub fn stop(&self, rtnl: &Rtnl) {
        if !self.is_started() {
            return;
        }
        // One that was suspended with the link kept for Wake-on-LAN would never have a link again.
        self.resume(rtnl);

        // SAFETY: `raw` is valid by the type invariants and started, and we hold rtnl.
        unsafe { bindings::phylink_stop(self.as_raw()) };

        // INVARIANT: It is stopped now.
        self.started.store(false, Relaxed);
    }

    /// Prepares for the system to sleep: as [`stop`](Self::stop), but if the MAC is to be woken by
    /// a frame the link stays up, and only the carrier is turned off. Does nothing if phylink is
    /// not started or suspended already.
    ///
    /// [`stop`](Self::stop) may follow as well as [`resume`](Self::resume).
    pub fn suspend(&self, _rtnl: &Rtnl) {
        if !self.is_started() || self.suspended.load(Relaxed) {
            return;
        }

        // phylink knows itself whether the MAC is to wake the system if it sets `mac_wol_set`, else
        // the MAC cannot.
        //
        // SAFETY: `raw` is valid by the type invariants and started, and we hold rtnl.
        unsafe { bindings::phylink_suspend(self.as_raw(), false) };

        // INVARIANT: It is suspended now, and started.
        self.suspended.store(true, Relaxed);
    }

    /// Wakes the PHY, if there is one, and sets it up again, so that its receive clock is there
    /// when the MAC needs it. To be called before [`resume`](Self::resume); does nothing if phylink
    /// is not suspended.
    pub fn prepare_resume(&self, rtnl: &Rtnl) -> Result {
        if !self.suspended.load(Relaxed) {
            return Ok(());
        }

        // SAFETY: `raw` is valid by the type invariants, and we hold rtnl.
        unsafe { bindings::phylink_prepare_resume(self.as_raw()) };

        match self.phy(rtnl) {
            Some(phy) if !self.keeps_link() => {
                // It may have lost its power, and what its driver had set with it.
                //
                // SAFETY: A PHY that is connected is valid, and remains so while we hold rtnl.
                to_result(unsafe { bindings::phy_init_hw(phy.as_ptr()) })
            }
            _ => Ok(()),
        }
    }

    /// The PHY, if one is connected.
    fn phy(&self, _rtnl: &Rtnl) -> Option<NonNull<bindings::phy_device>> {
        // SAFETY: The network device is valid by the type invariants. We hold rtnl, which protects
        // the field.
        NonNull::new(unsafe { (*self.netdev.as_ptr()).phydev })
    }

    /// Whether a link that is suspended is kept for the MAC to be woken by a frame.
    fn keeps_link(&self) -> bool {
        self.wol.load(Relaxed)
    }

    /// The reverse of [`suspend`](Self::suspend). Does nothing if phylink is not suspended.
    ///
    /// The MAC must be able to be configured; the link comes back later, also if it was kept.
    pub fn resume(&self, _rtnl: &Rtnl) {
        if !self.suspended.load(Relaxed) {
            return;
        }

        // SAFETY: `raw` is valid by the type invariants and suspended, and we hold rtnl.
        unsafe { bindings::phylink_resume(self.as_raw()) };

        // INVARIANT: It is no more suspended.
        self.suspended.store(false, Relaxed);
    }

    /// Whether the link is up, i.e. the network device has its carrier.
    #[inline]
    pub fn is_up(&self) -> bool {
        // SAFETY: The network device is valid by the type invariants.
        unsafe { bindings::netif_carrier_ok(self.netdev.as_ptr()) }
    }

    /// Tells phylink that the MAC or the PCS has seen a change of the link. Callable in any
    /// context.
    ///
    /// With `up` false the link is taken down even if it has come back in the meantime.
    #[inline]
    pub fn mac_change(&self, up: bool) {
        // SAFETY: `raw` is valid by the type invariants.
        unsafe { bindings::phylink_mac_change(self.as_raw(), up) };
    }

    /// Lets the PHY use the lowest speed it has in common with its partner, to save power.
    pub fn speed_down(&self, sync: bool, _rtnl: &Rtnl) -> Result {
        // SAFETY: `raw` is valid by the type invariants, and we hold rtnl.
        to_result(unsafe { bindings::phylink_speed_down(self.as_raw(), sync) })
    }

    /// The reverse of [`speed_down`](Self::speed_down).
    pub fn speed_up(&self, _rtnl: &Rtnl) -> Result {
        // SAFETY: `raw` is valid by the type invariants, and we hold rtnl.
        to_result(unsafe { bindings::phylink_speed_up(self.as_raw()) })
    }

    /// Reads the link settings for ethtool.
    pub fn ksettings_get(&self, settings: &mut LinkSettings, _rtnl: &Rtnl) -> Result {
        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe {
            bindings::phylink_ethtool_ksettings_get(self.as_raw(), settings.as_raw_mut())
        })
    }

    /// Changes the link settings for ethtool.
    pub fn ksettings_set(&self, settings: &LinkSettings, _rtnl: &Rtnl) -> Result {
        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe {
            bindings::phylink_ethtool_ksettings_set(self.as_raw(), settings.as_raw())
        })
    }

    /// Restarts negotiation for ethtool.
    pub fn nway_reset(&self, _rtnl: &Rtnl) -> Result {
        // SAFETY: `raw` is valid by the type invariants, and we hold rtnl.
        to_result(unsafe { bindings::phylink_ethtool_nway_reset(self.as_raw()) })
    }

    /// Reads the pause settings for ethtool.
    pub fn get_pauseparam(&self, pause: &mut PauseParam, _rtnl: &Rtnl) {
        // SAFETY: Both are valid, and we hold rtnl.
        unsafe { bindings::phylink_ethtool_get_pauseparam(self.as_raw(), pause.as_raw_mut()) };
    }

    /// Changes the pause settings for ethtool.
    pub fn set_pauseparam(&self, pause: &PauseParam, _rtnl: &Rtnl) -> Result {
        let mut pause = *pause;

        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe {
            bindings::phylink_ethtool_set_pauseparam(self.as_raw(), pause.as_raw_mut())
        })
    }

    /// Reads the settings and the state of Energy Efficient Ethernet for ethtool.
    pub fn get_eee(&self, eee: &mut Eee, _rtnl: &Rtnl) -> Result {
        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe { bindings::phylink_ethtool_get_eee(self.as_raw(), eee.as_raw_mut()) })
    }

    /// Changes the settings of Energy Efficient Ethernet for ethtool.
    pub fn set_eee(&self, eee: &Eee, _rtnl: &Rtnl) -> Result {
        let mut eee = *eee;

        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe { bindings::phylink_ethtool_set_eee(self.as_raw(), eee.as_raw_mut()) })
    }

    /// Reads for ethtool what MAC and PHY are able and set to wake the system on.
    pub fn get_wol(&self, wol: &mut WolInfo, _rtnl: &Rtnl) {
        // SAFETY: Both are valid, and we hold rtnl.
        unsafe { bindings::phylink_ethtool_get_wol(self.as_raw(), wol.as_raw_mut()) };
    }

    /// Changes for ethtool what wakes the system: the PHY as far as it can, else the MAC.
    pub fn set_wol(&self, wol: &WolInfo, _rtnl: &Rtnl) -> Result {
        let mut wol = *wol;

        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe { bindings::phylink_ethtool_set_wol(self.as_raw(), wol.as_raw_mut()) })
    }

    /// Reads or writes a register of a PHY for the user.
    pub fn mii_ioctl(&self, ioctl: &mut MiiIoctl<'_>, _rtnl: &Rtnl) -> Result {
        // SAFETY: Both are valid, and we hold rtnl.
        to_result(unsafe {
            bindings::phylink_mii_ioctl(self.as_raw(), ioctl.as_raw(), ioctl.command())
        })
    }

    /// Returns the MAC operations behind a `phylink_config`.
    ///
    /// The result borrows `ops` only, because the rest may not be initialised yet: `phylink_create`
    /// calls back.
    ///
    /// # Safety
    ///
    /// `config` must be that of a `Phylink<'_, O>` whose `ops` are initialised, and which is not
    /// dropped before the end of `'o`.
    #[inline]
    unsafe fn ops_from_c<'o>(config: *mut bindings::phylink_config) -> &'o O {
        // SAFETY: By the function's safety requirements.
        unsafe { &(*container_of!(Opaque::cast_from(config), Self, config)).ops }
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_config`, with the configuration of a [`Phylink<O>`].
    unsafe extern "C" fn mac_config(
        config: *mut bindings::phylink_config,
        mode: ffi::c_uint,
        state: *const bindings::phylink_link_state,
    ) {
        // SAFETY: phylink passes the configuration that it was created with; the callbacks have
        // ended when `phylink_destroy` returns, which is before `ops` is dropped.
        let ops = unsafe { Self::ops_from_c(config) };
        // SAFETY: phylink passes a state that is valid and constant during the call.
        let state = unsafe { LinkState::from_c(state) };

        ops.config(Mode::from_c(mode), state);
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_link_up`, with the configuration of a [`Phylink<O>`].
    unsafe extern "C" fn mac_link_up(
        config: *mut bindings::phylink_config,
        _phy: *mut bindings::phy_device,
        mode: ffi::c_uint,
        interface: bindings::phy_interface_t,
        speed: ffi::c_int,
        duplex: ffi::c_int,
        tx_pause: bool,
        rx_pause: bool,
    ) {
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        ops.link_up(&Link {
            mode: Mode::from_c(mode),
            interface: Interface::from_c(interface).unwrap_or(Interface::Na),
            speed: speed_from_c(speed),
            duplex: Duplex::from_c(duplex),
            tx_pause,
            rx_pause,
        });
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_link_down`, with the configuration of a
    /// [`Phylink<O>`].
    unsafe extern "C" fn mac_link_down(
        config: *mut bindings::phylink_config,
        mode: ffi::c_uint,
        interface: bindings::phy_interface_t,
    ) {
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        ops.link_down(
            Mode::from_c(mode),
            Interface::from_c(interface).unwrap_or(Interface::Na),
        );
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_get_caps`, with the configuration of a [`Phylink<O>`].
    unsafe extern "C" fn mac_get_caps(
        config: *mut bindings::phylink_config,
        interface: bindings::phy_interface_t,
    ) -> ffi::c_ulong {
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        Interface::from_c(interface).map_or(0, |interface| {
            // CAST: From 32 bits to at least as many.
            ops.capabilities(interface).0 as ffi::c_ulong
        })
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_select_pcs`, with the configuration of a
    /// [`Phylink<O>`].
    unsafe extern "C" fn mac_select_pcs(
        config: *mut bindings::phylink_config,
        interface: bindings::phy_interface_t,
    ) -> *mut bindings::phylink_pcs {
        // phylink keeps the PCS until it is destroyed, so that the borrow of `ops` that this
        // creates, and with it the PCS, has to last as long. It does, because nobody ever gets an
        // exclusive reference to `ops` before `drop` has destroyed phylink.
        //
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        Interface::from_c(interface)
            .and_then(|interface| ops.select_pcs(interface))
            .map_or(core::ptr::null_mut(), |handle| {
                if handle.claim.take(config) {
                    handle.pcs
                } else {
                    EBUSY.to_ptr()
                }
            })
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_prepare`, with the configuration of a [`Phylink<O>`].
    unsafe extern "C" fn mac_prepare(
        config: *mut bindings::phylink_config,
        mode: ffi::c_uint,
        interface: bindings::phy_interface_t,
    ) -> ffi::c_int {
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        from_result(|| {
            let interface = Interface::from_c(interface).ok_or(EINVAL)?;

            ops.prepare(Mode::from_c(mode), interface).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_finish`, with the configuration of a [`Phylink<O>`].
    unsafe extern "C" fn mac_finish(
        config: *mut bindings::phylink_config,
        mode: ffi::c_uint,
        interface: bindings::phy_interface_t,
    ) -> ffi::c_int {
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        from_result(|| {
            let interface = Interface::from_c(interface).ok_or(EINVAL)?;

            ops.finish(Mode::from_c(mode), interface).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_enable_tx_lpi`, with the configuration of a
    /// [`Phylink<O>`].
    unsafe extern "C" fn mac_enable_tx_lpi(
        config: *mut bindings::phylink_config,
        timer: u32,
        stop_clock: bool,
    ) -> ffi::c_int {
        // SAFETY: As in `mac_config`.
        let ops = unsafe { Self::ops_from_c(config) };

        from_result(|| ops.enable_tx_lpi(timer, stop_clock).map(|()| 0))
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_disable_tx_lpi`, with the configuration of a
    /// [`Phylink<O>`].
    unsafe extern "C" fn mac_disable_tx_lpi(config: *mut bindings::phylink_config) {
        // SAFETY: As in `mac_config`.
        unsafe { Self::ops_from_c(config) }.disable_tx_lpi();
    }

    /// # Safety
    ///
    /// Only to be called by phylink, as `mac_wol_set`, with the configuration of a [`Phylink<O>`]
    /// that is completely initialised, and with the rtnl lock held.
    unsafe extern "C" fn mac_wol_set(
        config: *mut bindings::phylink_config,
        modes: u32,
        _password: *const u8,
    ) -> ffi::c_int {
        // SAFETY: By the function's safety requirements; it is not dropped while phylink is in it.
        let this = unsafe { &*container_of!(Opaque::cast_from(config), Self, config) };
        let modes = WakeModes::from_raw(modes);

        from_result(|| {
            this.ops.set_wol(modes)?;

            // INVARIANT: phylink takes note of the modes if this succeeds.
            this.wol.store(!modes.is_empty(), Relaxed);
            Ok(0)
        })
    }
}

#[pinned_drop]
impl<'a, O: MacOps + 'a> PinnedDrop for Phylink<'a, O> {
    fn drop(self: Pin<&mut Self>) {
        let rtnl = rtnl::lock();
        self.stop(&rtnl);
        self.disconnect(&rtnl);
        drop(rtnl);

        // SAFETY: It is registered by the type invariants. This waits for its callback.
        unsafe { bindings::unregister_netdevice_notifier(self.notifier.get()) };

        // SAFETY: `raw` is valid by the type invariants; it is stopped and no PHY is connected.
        // This waits for the callbacks.
        unsafe { bindings::phylink_destroy(self.as_raw()) };

        // The carrier may just have changed for the last time, of a device that failed to be
        // registered and that the networking core has not waited for. The reference of link watch
        // must not outlive the device, so let it process what is pending; that is what this
        // function does besides returning the carrier.
        let _rtnl = rtnl::lock();
        // SAFETY: The network device is valid by the type invariants, and we hold rtnl.
        unsafe { bindings::ethtool_op_get_link(self.netdev.as_ptr()) };
    }
}

#[macros::kunit_tests(rust_net_phylink)]
mod tests {
    use super::*;
    use crate::{
        device::{
            self,
            Bound, //
        },
        faux,
        net::{
            device::{
                Registration,
                UnregisteredDevice,
                Xmit, //
            },
            mdio::tests::OnePhy,
            queue::TxQueue,
            skbuff::SkBuff, //
        },
        sync::Arc,
        time::{
            delay::fsleep,
            Delta, //
        },
    };

    /// A network device.
    struct Netdev;

    #[vtable]
    impl Driver for Netdev {
        type Data<'a> = ();

        fn open<'a>(_dev: &Device<Self>, _data: Pin<&()>, _rtnl: &Rtnl) -> Result {
            Ok(())
        }

        fn stop<'a>(_dev: &Device<Self>, _data: Pin<&()>, _rtnl: &Rtnl) {}

        fn start_xmit<'a>(
            _dev: &Device<Self>,
            _data: Pin<&()>,
            _queue: &mut TxQueue<'_>,
            _skb: SkBuff,
        ) -> Xmit {
            Xmit::Sent
        }
    }

    /// What a MAC is told.
    struct Record {
        configs: Atomic<u32>,
        ups: Atomic<u32>,
        downs: Atomic<u32>,
        speed: Atomic<u32>,
    }

    impl Record {
        fn new() -> Result<Arc<Self>> {
            let record = Self {
                configs: Atomic::new(0),
                ups: Atomic::new(0),
                downs: Atomic::new(0),
                speed: Atomic::new(0),
            };
            Ok(Arc::new(record, GFP_KERNEL)?)
        }
    }

    /// Waits, for longer than phylib takes to notice anything, until `n` is 1.
    fn becomes_one(n: &Atomic<u32>) -> bool {
        (0..500).any(|_| {
            if n.load(Relaxed) == 1 {
                return true;
            }
            fsleep(Delta::from_millis(10));
            false
        })
    }

    struct Mac(Arc<Record>);

    #[vtable]
    impl MacOps for Mac {
        fn config(&self, _mode: Mode, state: &LinkState) {
            assert!(state.interface() == Interface::Gmii);
            self.0.configs.fetch_add(1, Relaxed);
        }

        fn link_up(&self, link: &Link) {
            assert!(link.interface == Interface::Gmii && link.duplex == Duplex::Full);
            self.0.speed.store(link.speed, Relaxed);
            self.0.ups.fetch_add(1, Relaxed);
        }

        fn link_down(&self, _mode: Mode, _interface: Interface) {
            self.0.downs.fetch_add(1, Relaxed);
        }
    }

    fn create<'a>(
        parent: &'a faux::Device<Bound>,
        record: &Arc<Record>,
    ) -> Result<Pin<KBox<Phylink<'a, Mac>>>> {
        let parent: &device::Device<Bound> = parent.as_ref();

        create_for(UnregisteredDevice::new(parent, 1, 1)?.device(), record)
    }

    fn create_for<'a>(
        dev: &'a Device<Netdev>,
        record: &Arc<Record>,
    ) -> Result<Pin<KBox<Phylink<'a, Mac>>>> {
        let config = Config {
            interfaces: Interface::Gmii.into(),
            mac_capabilities: MacCapabilities::MAC_100FD | MacCapabilities::MAC_1000FD,
            ..Default::default()
        };
        let mac = Mac(record.clone());

        // SAFETY: The callers drop it, unless they fail: then its memory leaks, as nothing of the
        // thread of the test is dropped, and the parent stays bound.
        let phylink =
            unsafe { Phylink::new(dev, None, Interface::Gmii, &config, Ok::<_, Error>(mac)) };
        KBox::pin_init(phylink, GFP_KERNEL)
    }

    #[test]
    fn fixed_link() -> Result {
        let parent = faux::Registration::new(c"rust_net_phylink", None)?;
        let record = Record::new()?;
        let phylink = create(parent.as_ref(), &record)?;

        let rtnl = rtnl::lock();
        assert!(phylink.expects_phy(&rtnl));
        assert!(phylink.set_fixed_link(7, Duplex::Full, &rtnl).is_err());
        phylink.set_fixed_link(100, Duplex::Full, &rtnl)?;
        assert!(!phylink.expects_phy(&rtnl));
        // Nothing to be stopped.
        phylink.stop(&rtnl);
        assert_eq!(record.configs.load(Relaxed), 0);

        phylink.start(&rtnl);
        phylink.start(&rtnl);
        assert_eq!(record.configs.load(Relaxed), 1);
        assert!(becomes_one(&record.ups));
        assert_eq!(record.speed.load(Relaxed), 100);
        assert!(phylink.set_fixed_link(1000, Duplex::Full, &rtnl).is_err());

        phylink.stop(&rtnl);
        assert_eq!(record.downs.load(Relaxed), 1);
        phylink.stop(&rtnl);
        assert_eq!(record.downs.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn unregistration_stops_it() -> Result {
        if !cfg!(CONFIG_RUST_NETDEV_KUNIT_TEST) {
            return Ok(());
        }

        let parent = faux::Registration::new(c"rust_net_phylink", None)?;
        let record = Record::new()?;
        let faux: &faux::Device<Bound> = parent.as_ref();
        let dev = UnregisteredDevice::<Netdev>::new(faux.as_ref(), 1, 1)?;
        let device = dev.device();
        let phylink = create_for(device, &record)?;

        let rtnl = rtnl::lock();
        phylink.set_fixed_link(100, Duplex::Full, &rtnl)?;
        phylink.start(&rtnl);
        drop(rtnl);
        assert!(becomes_one(&record.ups));

        // SAFETY: It is dropped below; for failures see `create`.
        let reg = unsafe { Registration::new(dev, Ok::<_, Error>(())) }?;
        assert!(create_for(device, &record).is_err_and(|e| e == ENODEV));
        assert!(phylink.is_up());
        drop(reg);
        assert!(!phylink.is_started());
        assert_eq!(record.downs.load(Relaxed), 1);

        // Nor is it started any more.
        let configs = record.configs.load(Relaxed);
        phylink.start(&rtnl::lock());
        assert!(!phylink.is_started());
        assert_eq!(record.configs.load(Relaxed), configs);
        Ok(())
    }

    #[test]
    fn phy_vanishes() -> Result {
        let parent = faux::Registration::new(c"rust_net_phylink", None)?;
        let record = Record::new()?;
        let dev: &faux::Device<Bound> = parent.as_ref();
        let dev = dev.as_ref();
        let phy = Ok::<_, Error>(OnePhy);
        // SAFETY: It is dropped below; for failures see `create`.
        let bus = unsafe { mdio::Registration::new(dev, c"kunit-phylink", 0, phy) }?;
        let phylink = create(parent.as_ref(), &record)?;
        let other = create(parent.as_ref(), &record)?;
        let nobody = mdio::PhyAddr::new(9).ok_or(EINVAL)?;

        let rtnl = rtnl::lock();
        assert!(phylink
            .connect_mdio(&bus, nobody, &rtnl)
            .is_err_and(|e| e == ENODEV));
        phylink.connect_mdio(&bus, OnePhy::ADDR, &rtnl)?;
        assert!(phylink
            .connect_mdio(&bus, OnePhy::ADDR, &rtnl)
            .is_err_and(|e| e == EBUSY));
        // The attempt must not disturb the one that has the PHY.
        assert!(other
            .connect_mdio(&bus, OnePhy::ADDR, &rtnl)
            .is_err_and(|e| e == EBUSY));
        phylink.start(&rtnl);
        assert!(phylink
            .connect_mdio(&bus, OnePhy::ADDR, &rtnl)
            .is_err_and(|e| e == EBUSY));
        drop(rtnl);

        assert!(becomes_one(&record.ups));
        assert_eq!(record.speed.load(Relaxed), 1000);
        assert!(phylink.is_up());

        // In the wrong order, and with everything still running.
        drop(bus);
        assert!(becomes_one(&record.downs));
        assert!(!phylink.is_up());
        drop(phylink);
        drop(other);
        assert_eq!(record.ups.load(Relaxed), 1);
        assert_eq!(record.downs.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn interfaces() {
        // The enumeration is complete and in order.
        for (i, interface) in Interface::ALL.iter().enumerate() {
            assert_eq!(interface.into_c().0 as usize, i);
            assert!(Interface::from_c(interface.into_c()) == Some(*interface));
        }
        let max = bindings::phy_interface_t::PHY_INTERFACE_MODE_MAX;
        assert_eq!(Interface::ALL.len(), max.0 as usize);
        assert!(Interface::from_c(max).is_none());
    }

    #[test]
    fn interface_sets() {
        let set = Interfaces::RGMII | Interface::Sgmii.into();

        assert_eq!(set.iter().count(), 5);
        assert!(set.contains(Interface::RgmiiTxId));
        assert!(!set.contains(Interface::Gmii));
        assert!(set.iter().filter(|i| i.is_rgmii()).count() == 4);

        let mut bitmap = [0; 2];
        set.store(&mut bitmap);
        assert_eq!(bitmap[0], 1 << 4 | 0xf << 9);
        #[cfg(CONFIG_RUST_PCS_XPCS_ABSTRACTIONS)]
        assert!(Interfaces::load(&bitmap) == set);
        assert!(set & Interfaces::RGMII == Interfaces::RGMII);
    }

    #[test]
    fn speeds() {
        assert_eq!(speed_from_c(-1), 0);
        assert_eq!(speed_from_c(1000), 1000);
        assert_eq!(speed_into_c(0), -1);
        assert_eq!(speed_into_c(2500), 2500);
        assert_eq!(speed_into_c(u32::MAX), -1);
        assert!(Duplex::from_c(1) == Duplex::Full);
        assert!(Duplex::from_c(0xff) == Duplex::Half);
    }

    #[test]
    fn link_modes() {
        let modes = LinkModes([1 << 6, 0]);

        assert!(modes.contains(LinkModes::AUTONEG));
        assert!(!modes.contains(LinkModes::PAUSE));
        assert!(!modes.contains(u32::MAX));
    }

    #[test]
    fn link_state() {
        let mut state = LinkState(pin_init::zeroed());

        state.set_link(true);
        state.set_speed(1000);
        state.set_duplex(Duplex::Full);
        state.set_pause(Pause {
            rx: true,
            tx: false,
            autoneg: true,
        });
        assert!(state.link());
        assert_eq!(state.speed(), 1000);
        assert!(state.duplex() == Duplex::Full);
        assert!(state.pause().rx && !state.pause().tx && state.pause().autoneg);
        assert!(state.interface() == Interface::Na);
    }
}
