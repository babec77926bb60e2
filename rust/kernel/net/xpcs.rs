// SPDX-License-Identifier: GPL-2.0

//! Synopsys DesignWare XPCS.
//!
//! The XPCS is the PCS behind many DesignWare MACs: it speaks SGMII, 1000BASE-X, 2500BASE-X and the
//! like, and is programmed as a device on the MDIO bus of its MAC. The kernel has a library for it;
//! [`Xpcs`] is an instance, which a driver hands to phylink.
//!
//! C header: [`include/linux/pcs/pcs-xpcs.h`](srctree/include/linux/pcs/pcs-xpcs.h)
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     net::{
//!         mdio,
//!         phylink::{
//!             Interface,
//!             Link,
//!             LinkState,
//!             MacOps,
//!             Mode,
//!             PcsHandle, //
//!         },
//!         xpcs::Xpcs, //
//!     },
//!     prelude::*, //
//! };
//!
//! /// A MAC with an XPCS.
//! struct Mac {
//!     xpcs: Xpcs,
//! }
//!
//! #[vtable]
//! impl MacOps for Mac {
//!     fn config(&self, _mode: Mode, _state: &LinkState) {}
//!
//!     fn link_up(&self, _link: &Link) {}
//!
//!     fn link_down(&self, _mode: Mode, _interface: Interface) {}
//!
//!     fn select_pcs(&self, interface: Interface) -> Option<PcsHandle<'_>> {
//!         self.xpcs
//!             .interfaces()
//!             .contains(interface)
//!             .then(|| self.xpcs.handle())
//!     }
//! }
//!
//! fn create<B: mdio::Bus>(bus: &mdio::Registration<'_, B>) -> Result<Mac> {
//!     let addr = mdio::PhyAddr::new(0x16).ok_or(EINVAL)?;
//!
//!     Ok(Mac {
//!         xpcs: Xpcs::new(bus, addr)?,
//!     })
//! }
//! ```

use super::{
    mdio,
    phylink::{
        Claim,
        Interfaces,
        PcsHandle, //
    },
};
use crate::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};
use core::ptr::NonNull;

/// An XPCS.
///
/// It may outlive the registration of its bus: then its accesses fail.
///
/// # Invariants
///
/// - `xpcs` is a valid `dw_xpcs`, owned by this object, on the bus `bus`.
/// - There is a reference on `bus`, owned by this object.
pub struct Xpcs {
    xpcs: NonNull<bindings::dw_xpcs>,
    bus: NonNull<bindings::mii_bus>,
    claim: Claim,
}

// SAFETY: An XPCS may be used and destroyed by any thread.
unsafe impl Send for Xpcs {}

// SAFETY: The methods that take `&self` read what does not change after the creation. All else is
// only touched by the one phylink instance that `claim` admits, which serialises its callbacks.
unsafe impl Sync for Xpcs {}

impl Xpcs {
    /// Identifies the XPCS at `addr` of `bus`.
    ///
    /// Fails with [`ENODEV`] if there is none, or one of an unknown kind, and with the error of the
    /// bus.
    pub fn new<B: mdio::Bus>(bus: &mdio::Registration<'_, B>, addr: mdio::PhyAddr) -> Result<Self> {
        let bus = bus.as_raw();

        // SAFETY: The bus is registered, as the registration is borrowed.
        let xpcs = from_err_ptr(unsafe {
            bindings::xpcs_create_mdiodev(bus.as_ptr(), addr.get().into())
        })?;
        let xpcs = NonNull::new(xpcs).ok_or(ENODEV)?;

        // The XPCS refers to its bus without holding a reference.
        //
        // SAFETY: The bus is valid, as above.
        unsafe { bindings::get_device(&raw mut (*bus.as_ptr()).dev) };

        // INVARIANT: The XPCS has just been created on `bus`, on which a reference was just taken.
        Ok(Self {
            xpcs,
            bus,
            claim: Claim::new(),
        })
    }

    /// Sets how many periods of the EEE clock, less one, make up about 100 ns: 0 to 15.
    ///
    /// The XPCS times its low-power states with that.
    #[must_use]
    pub fn with_eee_factor(self, factor: u8) -> Self {
        // SAFETY: `xpcs` is valid by the type invariants. Nobody else uses it, as phylink may have
        // got a handle only from a borrow that outlives the phylink instance.
        unsafe { bindings::xpcs_config_eee_mult_fact(self.xpcs.as_ptr(), factor & 0xf) };
        self
    }

    fn pcs(&self) -> *mut bindings::phylink_pcs {
        // SAFETY: `xpcs` is valid by the type invariants.
        unsafe { bindings::xpcs_to_phylink_pcs(self.xpcs.as_ptr()) }
    }

    /// The interfaces that it can speak; which of them are wired is another question.
    pub fn interfaces(&self) -> Interfaces {
        // SAFETY: `pcs` returns a valid pointer; the field does not change after the creation.
        Interfaces::load(unsafe { &(*self.pcs()).supported_interfaces })
    }

    /// A handle to return from [`MacOps::select_pcs`](super::phylink::MacOps::select_pcs).
    pub fn handle(&self) -> PcsHandle<'_> {
        // SAFETY: The `phylink_pcs` is initialised, and valid while `self` is borrowed, which is
        // also not moved, being behind a pointer. All that it refers to lives as long.
        unsafe { PcsHandle::new(self.pcs(), &self.claim) }
    }
}

impl Drop for Xpcs {
    fn drop(&mut self) {
        // SAFETY: By the type invariants `xpcs` is ours, and nobody uses it any more: phylink
        // instances borrow it.
        unsafe { bindings::xpcs_destroy(self.xpcs.as_ptr()) };

        // SAFETY: By the type invariants the reference is ours.
        unsafe { bindings::put_device(&raw mut (*self.bus.as_ptr()).dev) };
    }
}

#[macros::kunit_tests(rust_net_xpcs)]
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
                Device,
                Driver,
                UnregisteredDevice,
                Xmit, //
            },
            phylink::{
                Config,
                Duplex,
                Interface,
                Link,
                LinkState,
                MacCapabilities,
                MacOps,
                Mode,
                Phylink, //
            },
            queue::TxQueue,
            rtnl::{
                self,
                Rtnl, //
            },
            skbuff::SkBuff, //
        },
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
    };

    /// A bus with an XPCS.
    struct OneXpcs {
        /// VR_MII_AN_CTRL.
        an_ctrl: Atomic<u32>,
        /// SR_MII_CTRL.
        ctrl: Atomic<u32>,
    }

    impl OneXpcs {
        const ADDR: u8 = 0x16;
        /// MII MMD (vendor specific 2).
        const MII: u8 = 31;
        const ID: [u16; 2] = [0x7996, 0xced0];
    }

    #[vtable]
    impl mdio::Bus for OneXpcs {
        const NAME: &'static CStr = c"one XPCS";

        fn read_c45(&self, addr: mdio::PhyAddr, dev: mdio::DevAddr, reg: u16) -> Result<u16> {
            if addr.get() != Self::ADDR {
                return Ok(0xffff);
            }
            // CAST: What was written are 16 bits.
            Ok(match (dev.get(), reg) {
                (Self::MII, 0) => self.ctrl.load(Relaxed) as u16,
                (Self::MII, 2) => Self::ID[0],
                (Self::MII, 3) => Self::ID[1],
                (Self::MII, 0x8001) => self.an_ctrl.load(Relaxed) as u16,
                _ => 0,
            })
        }

        fn write_c45(&self, addr: mdio::PhyAddr, dev: mdio::DevAddr, reg: u16, val: u16) -> Result {
            match (addr.get(), dev.get(), reg) {
                // A reset ends at once.
                (Self::ADDR, Self::MII, 0) => self.ctrl.store((val & !(1 << 15)).into(), Relaxed),
                (Self::ADDR, Self::MII, 0x8001) => self.an_ctrl.store(val.into(), Relaxed),
                _ => {}
            }
            Ok(())
        }
    }

    fn register<'a>(
        parent: &'a faux::Device<Bound>,
        id: &CStr,
    ) -> Result<mdio::Registration<'a, OneXpcs>> {
        let bus = OneXpcs {
            an_ctrl: Atomic::new(0),
            ctrl: Atomic::new(0),
        };
        let parent: &device::Device<Bound> = parent.as_ref();

        // SAFETY: The callers drop it, unless they fail: then its memory leaks, as nothing of the
        // thread of the test is dropped, and the parent stays bound.
        unsafe { mdio::Registration::new(parent, id, u32::MAX, Ok::<_, Error>(bus)) }
    }

    /// A network device that is never registered.
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

    struct Mac(Arc<Xpcs>);

    #[vtable]
    impl MacOps for Mac {
        fn config(&self, _mode: Mode, _state: &LinkState) {}

        fn link_up(&self, _link: &Link) {}

        fn link_down(&self, _mode: Mode, _interface: Interface) {}

        fn select_pcs(&self, _interface: Interface) -> Option<PcsHandle<'_>> {
            Some(self.0.handle())
        }
    }

    fn create<'a>(
        parent: &'a faux::Device<Bound>,
        xpcs: &Arc<Xpcs>,
    ) -> Result<Pin<KBox<Phylink<'a, Mac>>>> {
        let parent: &device::Device<Bound> = parent.as_ref();
        let dev = UnregisteredDevice::<Netdev>::new(parent, 1, 1)?.device();
        let config = Config {
            interfaces: Interface::Sgmii.into(),
            mac_capabilities: MacCapabilities::MAC_1000FD,
            ..Default::default()
        };
        let mac = Ok::<_, Error>(Mac(xpcs.clone()));

        // SAFETY: As in `register`.
        let phylink = unsafe { Phylink::new(dev, None, Interface::Sgmii, &config, mac) };
        KBox::pin_init(phylink, GFP_KERNEL)
    }

    #[test]
    fn identified() -> Result {
        let parent = faux::Registration::new(c"rust_net_xpcs", None)?;
        let bus = register(parent.as_ref(), c"kunit-xpcs-id")?;
        let addr = mdio::PhyAddr::new(OneXpcs::ADDR).ok_or(EINVAL)?;
        let nobody = mdio::PhyAddr::new(1).ok_or(EINVAL)?;

        let xpcs = Xpcs::new(&bus, addr)?.with_eee_factor(1);
        let interfaces = xpcs.interfaces();
        assert!(interfaces.contains(Interface::Sgmii));
        assert!(interfaces.contains(Interface::Base2500X));
        assert!(!interfaces.contains(Interface::Rgmii));
        assert!(Xpcs::new(&bus, nobody).is_err_and(|e| e == ENODEV));

        // In the wrong order.
        drop(bus);
        drop(xpcs);
        Ok(())
    }

    #[test]
    fn used_by_one_phylink() -> Result {
        let parent = faux::Registration::new(c"rust_net_xpcs", None)?;
        let bus = register(parent.as_ref(), c"kunit-xpcs-use")?;
        let addr = mdio::PhyAddr::new(OneXpcs::ADDR).ok_or(EINVAL)?;
        let xpcs = Arc::new(Xpcs::new(&bus, addr)?, GFP_KERNEL)?;
        let phylink = create(parent.as_ref(), &xpcs)?;
        let other = create(parent.as_ref(), &xpcs)?;

        let rtnl = rtnl::lock();
        phylink.set_fixed_link(1000, Duplex::Full, &rtnl)?;
        // It is refused the PCS, whose registers it leaves alone.
        other.start(&rtnl);
        assert_eq!(bus.controller().an_ctrl.load(Relaxed), 0);
        phylink.start(&rtnl);
        // PCS_MODE: SGMII.
        assert_eq!(bus.controller().an_ctrl.load(Relaxed), 0b10 << 1);
        drop(rtnl);

        // In the wrong order, and with everything still running.
        drop(bus);
        drop(xpcs);
        drop(phylink);
        drop(other);
        Ok(())
    }
}
