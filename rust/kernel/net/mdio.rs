// SPDX-License-Identifier: GPL-2.0

//! MDIO bus controllers.
//!
//! An MDIO bus is what an Ethernet MAC reads and writes the registers of its PHYs through. A driver
//! implements [`Bus`] for the object that knows how to do a transfer and keeps a [`Registration`];
//! registering scans the bus and binds the PHYs found to their drivers.
//!
//! PHY *drivers* are in [`net::phy`](super::phy).
//!
//! C headers: [`include/linux/phy.h`](srctree/include/linux/phy.h),
//! [`include/linux/mdio.h`](srctree/include/linux/mdio.h)
//!
//! # Examples
//!
//! A bus that nothing is connected to:
//!
//! ```
//! use kernel::{
//!     device,
//!     net::mdio::{
//!         Bus,
//!         PhyAddr,
//!         Registration, //
//!     },
//!     prelude::*, //
//! };
//!
//! struct Nothing;
//!
//! #[vtable]
//! impl Bus for Nothing {
//!     const NAME: &'static CStr = c"nothing";
//!
//!     fn read(&self, _addr: PhyAddr, _reg: u8) -> Result<u16> {
//!         // What the pull-up resistor of the data line makes of an access that nobody answers.
//!         Ok(0xffff)
//!     }
//!
//!     fn write(&self, _addr: PhyAddr, _reg: u8, _val: u16) -> Result {
//!         Ok(())
//!     }
//! }
//!
//! fn probe<'a>(dev: &'a device::Device<device::Bound>) -> Result<Registration<'a, Nothing>> {
//!     // SAFETY: The caller keeps the registration in its driver data.
//!     let bus = unsafe { Registration::new(dev, c"nothing-0", 0, Ok::<_, Error>(Nothing)) }?;
//!
//!     assert!(bus.find_first().is_none());
//!     Ok(bus)
//! }
//! ```

use super::rtnl;
use crate::{
    bindings,
    device::{
        self,
        property::FwNode,
        Bound, //
    },
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    module::this_module,
    prelude::*,
    sync::static_lock_class, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The address of a device on an MDIO bus (PRTAD in IEEE 802.3 clause 45, PHYAD in clause 22).
///
/// # Invariants
///
/// The value is less than [`PhyAddr::COUNT`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PhyAddr(u8);

impl PhyAddr {
    /// The number of addresses on a bus.
    // CAST: The C constant is 32.
    pub const COUNT: u8 = bindings::PHY_MAX_ADDR as u8;

    /// Creates an address; [`None`] if there is no such one.
    #[inline]
    pub const fn new(addr: u8) -> Option<Self> {
        if addr < Self::COUNT {
            // INVARIANT: Just checked.
            Some(Self(addr))
        } else {
            None
        }
    }

    /// All addresses of a bus, in ascending order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).filter_map(Self::new)
    }

    /// The address as a number.
    #[inline]
    pub const fn get(self) -> u8 {
        self.0
    }

    fn from_c(addr: ffi::c_int) -> Result<Self> {
        u8::try_from(addr).ok().and_then(Self::new).ok_or(ENXIO)
    }
}

/// The address of an MDIO manageable device inside a PHY (DEVAD in IEEE 802.3 clause 45).
///
/// # Invariants
///
/// The value is less than [`DevAddr::COUNT`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct DevAddr(u8);

impl DevAddr {
    /// The number of devices that a PHY can have.
    pub const COUNT: u8 = 32;

    /// Creates a device address; [`None`] if there is no such one.
    #[inline]
    pub const fn new(addr: u8) -> Option<Self> {
        if addr < Self::COUNT {
            // INVARIANT: Just checked.
            Some(Self(addr))
        } else {
            None
        }
    }

    /// The address as a number.
    #[inline]
    pub const fn get(self) -> u8 {
        self.0
    }

    fn from_c(addr: ffi::c_int) -> Result<Self> {
        u8::try_from(addr).ok().and_then(Self::new).ok_or(EINVAL)
    }
}

/// The number of clause 22 registers of a PHY.
const C22_REGS: u8 = 32;

/// Checks a clause 22 register number.
///
/// The MDIO core checks the address of the PHY but not this one, and it may come straight from user
/// space (`SIOCGMIIREG`).
fn c22_reg(reg: ffi::c_int) -> Result<u8> {
    u8::try_from(reg)
        .ok()
        .filter(|&reg| reg < C22_REGS)
        .ok_or(EINVAL)
}

/// Checks a clause 45 register number.
fn c45_reg(reg: ffi::c_int) -> Result<u16> {
    u16::try_from(reg).map_err(|_| EINVAL)
}

/// A bus controller.
///
/// All transfers of a bus are serialised by the MDIO core and run in process context, so they may
/// sleep. Transfers start during [`Registration::new`] (the scan) and end with the drop of the
/// [`Registration`]; whatever they need - clocks, mapped registers - must be available in between.
///
/// At least one of the two pairs of operations, clause 22 ([`read`](Bus::read) and
/// [`write`](Bus::write)) and clause 45 ([`read_c45`](Bus::read_c45) and
/// [`write_c45`](Bus::write_c45)), must be implemented, and never half a pair;
/// [`Registration::new`] fails with [`EINVAL`] otherwise.
///
/// An address where no device answers should read as `0xffff` or fail with [`ENODEV`] or [`EIO`];
/// the scan of the bus ends with any other error.
#[vtable]
pub trait Bus: Send + Sync {
    /// What kind of controller this is; for the log.
    const NAME: &'static CStr;

    /// Reads the clause 22 register `reg`, which is less than 32.
    fn read(&self, _addr: PhyAddr, _reg: u8) -> Result<u16> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes the clause 22 register `reg`, which is less than 32.
    fn write(&self, _addr: PhyAddr, _reg: u8, _val: u16) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the clause 45 register `reg` of the device `dev` of a PHY.
    fn read_c45(&self, _addr: PhyAddr, _dev: DevAddr, _reg: u16) -> Result<u16> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes the clause 45 register `reg` of the device `dev` of a PHY.
    fn write_c45(&self, _addr: PhyAddr, _dev: DevAddr, _reg: u16, _val: u16) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Resets the bus; called once, before the scan.
    fn reset(&self) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The C callbacks of a bus.
struct Adapter<B: Bus>(PhantomData<B>);

impl<B: Bus> Adapter<B> {
    /// Returns the bus controller behind `bus`.
    ///
    /// # Safety
    ///
    /// Only to be called by a callback of a bus allocated by [`Registration::<B>::register`], which
    /// the MDIO core has called with the `mdio_lock` held, or while the bus is being registered;
    /// `'b` must end with the callback.
    unsafe fn controller<'b>(bus: *mut bindings::mii_bus) -> &'b B {
        // SAFETY: `priv_` points to the `B` that the `Registration` owns. It is only dropped after
        // `release()`, which takes the lock, and after which there are no callbacks.
        unsafe { &*(*bus).priv_.cast::<B>() }
    }

    /// # Safety
    ///
    /// Only to be called by the MDIO core, as `mii_bus::read` of a bus of [`Registration<B>`].
    unsafe extern "C" fn read(
        bus: *mut bindings::mii_bus,
        addr: ffi::c_int,
        reg: ffi::c_int,
    ) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The MDIO core calls this with `mdio_lock` held.
            let controller = unsafe { Self::controller(bus) };

            Ok(controller
                .read(PhyAddr::from_c(addr)?, c22_reg(reg)?)?
                .into())
        })
    }

    /// # Safety
    ///
    /// Only to be called by the MDIO core, as `mii_bus::write` of a bus of [`Registration<B>`].
    unsafe extern "C" fn write(
        bus: *mut bindings::mii_bus,
        addr: ffi::c_int,
        reg: ffi::c_int,
        val: u16,
    ) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The MDIO core calls this with `mdio_lock` held.
            let controller = unsafe { Self::controller(bus) };

            controller.write(PhyAddr::from_c(addr)?, c22_reg(reg)?, val)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by the MDIO core, as `mii_bus::read_c45` of a bus of [`Registration<B>`].
    unsafe extern "C" fn read_c45(
        bus: *mut bindings::mii_bus,
        addr: ffi::c_int,
        dev: ffi::c_int,
        reg: ffi::c_int,
    ) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The MDIO core calls this with `mdio_lock` held.
            let controller = unsafe { Self::controller(bus) };

            Ok(controller
                .read_c45(PhyAddr::from_c(addr)?, DevAddr::from_c(dev)?, c45_reg(reg)?)?
                .into())
        })
    }

    /// # Safety
    ///
    /// Only to be called by the MDIO core, as `mii_bus::write_c45` of a bus of [`Registration<B>`].
    unsafe extern "C" fn write_c45(
        bus: *mut bindings::mii_bus,
        addr: ffi::c_int,
        dev: ffi::c_int,
        reg: ffi::c_int,
        val: u16,
    ) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The MDIO core calls this with `mdio_lock` held.
            let controller = unsafe { Self::controller(bus) };

            controller.write_c45(
                PhyAddr::from_c(addr)?,
                DevAddr::from_c(dev)?,
                c45_reg(reg)?,
                val,
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only to be called by the MDIO core, as `mii_bus::reset` of a bus of [`Registration<B>`].
    unsafe extern "C" fn reset(bus: *mut bindings::mii_bus) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The MDIO core calls this while the bus is being registered.
            let controller = unsafe { Self::controller(bus) };

            controller.reset()?;
            Ok(0)
        })
    }
}

/// A registered MDIO bus.
///
/// Dropping it takes every PHY on the bus away from the network device that uses it, removes the
/// PHYs and the bus, and drops the [`Bus`] last. It must not be dropped with the rtnl lock held.
///
/// # Invariants
///
/// - `bus` is a registered `mii_bus`, owned by this object.
/// - The `priv` pointer of `bus` points to `controller`.
pub struct Registration<'a, B: Bus + 'a> {
    bus: NonNull<bindings::mii_bus>,
    controller: Pin<KBox<B>>,
    _parent: PhantomData<&'a device::Device<Bound>>,
}

// SAFETY: A bus may be unregistered from any thread, and `B` is `Send`.
unsafe impl<'a, B: Bus + 'a> Send for Registration<'a, B> {}

// SAFETY: The methods that take `&self` only read the map of the PHYs, which changes with the
// registration and unregistration of the bus only; and `B` is `Sync`.
unsafe impl<'a, B: Bus + 'a> Sync for Registration<'a, B> {}

impl<'a, B: Bus + 'a> Registration<'a, B> {
    /// Registers a bus below `parent` and scans it for PHYs.
    ///
    /// `id` must be unique in the system; it is what sysfs shows and the first part of the names of
    /// the PHYs. Addresses whose bit is set in `phy_mask` are not scanned.
    ///
    /// # Safety
    ///
    /// Callers must not `mem::forget()` the returned [`Registration`] or otherwise prevent its
    /// [`Drop`] implementation from running.
    pub unsafe fn new(
        parent: &'a device::Device<Bound>,
        id: &CStr,
        phy_mask: u32,
        controller: impl PinInit<B, Error>,
    ) -> Result<Self> {
        // SAFETY: As this function's safety requirements.
        unsafe { Self::new_with_fwnode(parent, id, phy_mask, None, controller) }
    }

    /// The same as [`Registration::new`] for a bus that firmware describes.
    ///
    /// If `fwnode` is a device tree node, its children are the devices of the bus, and addresses
    /// are only scanned for children that do not tell theirs.
    ///
    /// # Safety
    ///
    /// Callers must not `mem::forget()` the returned [`Registration`] or otherwise prevent its
    /// [`Drop`] implementation from running.
    pub unsafe fn new_with_fwnode(
        parent: &'a device::Device<Bound>,
        id: &CStr,
        phy_mask: u32,
        fwnode: Option<&FwNode>,
        controller: impl PinInit<B, Error>,
    ) -> Result<Self> {
        let controller: Pin<KBox<B>> = KBox::pin_init(controller, GFP_KERNEL)?;
        let bus = Self::register(parent, id, phy_mask, fwnode, &controller)?;

        // INVARIANT: `register` has just registered the bus, whose `priv` points to `controller`,
        // which is pinned.
        Ok(Self {
            bus,
            controller,
            _parent: PhantomData,
        })
    }

    /// Allocates and registers the `mii_bus`.
    fn register(
        parent: &'a device::Device<Bound>,
        id: &CStr,
        phy_mask: u32,
        fwnode: Option<&FwNode>,
        controller: &Pin<KBox<B>>,
    ) -> Result<NonNull<bindings::mii_bus>> {
        let id = id.to_bytes_with_nul();

        // SAFETY: Allocating a bus has no requirements.
        let bus = NonNull::new(unsafe { bindings::mdiobus_alloc_size(0) }).ok_or(ENOMEM)?;
        let raw = bus.as_ptr();

        // SAFETY: `raw` has just been allocated and nobody else knows it.
        let bus_id = unsafe { &mut (*raw).id };
        let Some(bus_id) = bus_id.get_mut(..id.len()) else {
            // SAFETY: `raw` has just been allocated and is not used any more.
            unsafe { bindings::mdiobus_free(raw) };
            return Err(EINVAL);
        };
        // `c_char` is `u8` in the kernel.
        bus_id.copy_from_slice(id);

        // SAFETY: `raw` has just been allocated and nobody else knows it.
        unsafe {
            // Registering initialises the lock once more, unless it fails early.
            bindings::__mutex_init(
                &raw mut (*raw).mdio_lock,
                c"mdio_lock".as_char_ptr(),
                static_lock_class!().as_ptr(),
            );
            (*raw).name = B::NAME.as_char_ptr();
            (*raw).priv_ = core::ptr::from_ref::<B>(controller).cast_mut().cast();
            (*raw).parent = parent.as_raw();
            (*raw).phy_mask = phy_mask;

            if B::HAS_READ {
                (*raw).read = Some(Adapter::<B>::read);
            }
            if B::HAS_WRITE {
                (*raw).write = Some(Adapter::<B>::write);
            }
            if B::HAS_READ_C45 {
                (*raw).read_c45 = Some(Adapter::<B>::read_c45);
            }
            if B::HAS_WRITE_C45 {
                (*raw).write_c45 = Some(Adapter::<B>::write_c45);
            }
            if B::HAS_RESET {
                (*raw).reset = Some(Adapter::<B>::reset);
            }
        }

        let owner = this_module::<B::OwnerModule>().as_ptr();

        // SAFETY: `raw` is set up completely; `owner` is the module of the callbacks, on which the
        // users of a PHY in other modules take a reference. The device node, if any, is kept alive
        // by `fwnode`.
        let ret = unsafe {
            match fwnode.and_then(of_node) {
                #[cfg(CONFIG_OF_MDIO)]
                Some(node) => bindings::__of_mdiobus_register(raw, node.as_ptr(), owner),
                _ => bindings::__mdiobus_register(raw, owner),
            }
        };

        to_result(ret).inspect_err(|_| {
            // SAFETY: Registering failed. It has been seen by others meanwhile, so that ours need
            // not be the only reference.
            unsafe { release(raw) }
        })?;

        Ok(bus)
    }

    /// The bus controller.
    #[inline]
    pub fn controller(&self) -> Pin<&B> {
        self.controller.as_ref()
    }

    /// The address of the first PHY on the bus.
    pub fn find_first(&self) -> Option<PhyAddr> {
        PhyAddr::all().find(|&addr| self.phy(addr).is_some())
    }

    /// Returns whether there is a PHY at `addr`.
    pub fn has_phy(&self, addr: PhyAddr) -> bool {
        self.phy(addr).is_some()
    }

    /// Reads the clause 22 register `reg` of the device at `addr`, PHY or not.
    ///
    /// Fails with [`EINVAL`] if there is no such register, with [`EOPNOTSUPP`] if the controller
    /// does not know clause 22, and with its errors.
    pub fn read(&self, addr: PhyAddr, reg: u8) -> Result<u16> {
        // SAFETY: The bus is registered by the type invariants.
        let val =
            unsafe { bindings::mdiobus_read(self.bus.as_ptr(), addr.get().into(), u32::from(reg)) };

        to_result(val)?;
        u16::try_from(val).map_err(|_| EIO)
    }

    /// Writes the clause 22 register `reg` of the device at `addr`; fails like
    /// [`read`](Self::read).
    pub fn write(&self, addr: PhyAddr, reg: u8, val: u16) -> Result {
        // SAFETY: The bus is registered by the type invariants.
        to_result(unsafe {
            bindings::mdiobus_write(self.bus.as_ptr(), addr.get().into(), u32::from(reg), val)
        })
    }

    /// The bus. It is registered for as long as the [`Registration`] is there.
    #[cfg(CONFIG_RUST_PCS_XPCS_ABSTRACTIONS)]
    pub(super) fn as_raw(&self) -> NonNull<bindings::mii_bus> {
        self.bus
    }

    /// The PHY at `addr`. It is valid for as long as the [`Registration`] is.
    pub(super) fn phy(&self, addr: PhyAddr) -> Option<NonNull<bindings::phy_device>> {
        // SAFETY: The bus is registered by the type invariants.
        NonNull::new(unsafe { bindings::mdiobus_get_phy(self.bus.as_ptr(), addr.get().into()) })
    }

    /// Returns a reference on each PHY of the bus.
    fn get_phys(&self) -> Phys {
        let mut phys = [None; PhyAddr::COUNT as usize];

        for (slot, addr) in phys.iter_mut().zip(PhyAddr::all()) {
            *slot = self.phy(addr).inspect(|phy| {
                // SAFETY: The PHY is valid as the bus is still registered.
                unsafe { bindings::get_device(&raw mut (*phy.as_ptr()).mdio.dev) };
            });
        }

        // INVARIANT: A reference on each was just taken.
        Phys(phys)
    }
}

impl<'a, B: Bus + 'a> Drop for Registration<'a, B> {
    fn drop(&mut self) {
        let bus = self.bus.as_ptr();
        let phys = self.get_phys();

        phys.disconnect();

        // SAFETY: The bus is registered by the type invariants.
        unsafe { bindings::mdiobus_unregister(bus) };

        // Until a moment ago a PHY could still be found by its firmware node, and be connected.
        phys.disconnect();
        if phys.in_use() {
            // Nothing can take it away from a driver that has got it by other means, and that will
            // look at the bus when it lets go. A bus that stays is better than one that is gone.
            //
            // SAFETY: The bus is valid as we own a reference.
            unsafe { bindings::get_device(&raw mut (*bus).dev) };
        }
        drop(phys);

        // SAFETY: The bus was registered, and this drops the reference that we own.
        unsafe { release(bus) };

        // `self.controller` is dropped here, when nothing can reach it any more.
    }
}

/// The PHYs of a bus.
///
/// # Invariants
///
/// There is a reference on each of them.
struct Phys([Option<NonNull<bindings::phy_device>>; PhyAddr::COUNT as usize]);

impl Phys {
    fn iter(&self) -> impl Iterator<Item = *mut bindings::phy_device> + '_ {
        self.0.iter().flatten().map(|phy| phy.as_ptr())
    }

    /// Takes the PHYs away from the phylink instances that use them, and waits until nobody looks
    /// at them any more.
    ///
    /// A network device normally lets go of its PHY before the bus of that PHY vanishes. But the
    /// order of the two is the user's choice if they belong to different devices, and a driver's
    /// mistake if they belong to the same. Neither must end in the use of a PHY that is gone.
    fn disconnect(&self) {
        let rtnl = rtnl::lock();

        for phy in self.iter() {
            // SAFETY: `phy` is valid by the type invariants. `phylink` is set and cleared under
            // rtnl.
            let phylink = unsafe { (*phy).phylink };

            if !phylink.is_null() {
                // SAFETY: A PHY is disconnected, which clears this pointer, before its phylink is
                // destroyed. We hold rtnl.
                unsafe { bindings::phylink_disconnect_phy(phylink) };
            }
        }

        drop(rtnl);
        // Packets that are on their way may look at the PHY that their device had, also if it was
        // the driver that has just let go of it.
        //
        // SAFETY: Takes no argument, and the caller may sleep.
        unsafe { bindings::synchronize_net() };
    }

    /// Whether a network device that has no phylink uses one of them.
    fn in_use(&self) -> bool {
        let _rtnl = rtnl::lock();

        self.iter().any(|phy| {
            // SAFETY: `phy` is valid by the type invariants. `attached_dev` is set under rtnl.
            !unsafe { (*phy).attached_dev }.is_null()
        })
    }
}

impl Drop for Phys {
    fn drop(&mut self) {
        for phy in self.iter() {
            // SAFETY: By the type invariants there is a reference, which is dropped here.
            unsafe { bindings::put_device(&raw mut (*phy).mdio.dev) };
        }
    }
}

/// Drops our reference on a bus that is not registered (any more) and keeps it from calling back.
///
/// Somebody else who holds a reference could still try a transfer, even when the module of the
/// callbacks is gone: let it fail. The lock waits for one that is under way.
///
/// # Safety
///
/// `bus` must be valid, allocated by [`Registration::register`], and its `mdio_lock` initialised.
/// The reference must not be used afterwards.
unsafe fn release(bus: *mut bindings::mii_bus) {
    // SAFETY: By the function's safety requirements. The MDIO core looks at the callbacks with the
    // lock held.
    unsafe {
        bindings::mutex_lock(&raw mut (*bus).mdio_lock);
        (*bus).read = None;
        (*bus).write = None;
        (*bus).read_c45 = None;
        (*bus).write_c45 = None;
        (*bus).priv_ = core::ptr::null_mut();
        bindings::mutex_unlock(&raw mut (*bus).mdio_lock);
        bindings::mdiobus_free(bus);
    }
}

/// The device tree node behind `fwnode`, if that is what it is.
fn of_node(fwnode: &FwNode) -> Option<NonNull<bindings::device_node>> {
    if !fwnode.is_of_node() {
        return None;
    }

    // SAFETY: A `fwnode_handle` that `is_of_node` is embedded in a `device_node`.
    NonNull::new(unsafe { crate::container_of!(fwnode.as_raw(), bindings::device_node, fwnode) })
}

#[macros::kunit_tests(rust_net_mdio)]
pub(super) mod tests {
    use super::*;
    use crate::faux;

    /// A bus with one gigabit PHY, which has found a partner that can do all that it can.
    pub(in crate::net) struct OnePhy;

    impl OnePhy {
        pub(in crate::net) const ADDR: PhyAddr = PhyAddr(3);
    }

    #[vtable]
    impl Bus for OnePhy {
        const NAME: &'static CStr = c"one PHY";

        fn read(&self, addr: PhyAddr, reg: u8) -> Result<u16> {
            if addr != Self::ADDR {
                return Ok(0xffff);
            }

            Ok(match reg {
                // BMCR: autonegotiation, full duplex, 1000 Mbit/s.
                0x0 => 0x1140,
                // BMSR: all of 10 and 100 Mbit/s, ESTATUS, negotiation possible and complete, link.
                0x1 => 0x796d,
                // PHYSID: of no vendor.
                0x2 => 0x0a5a,
                0x3 => 0x5a50,
                // ADVERTISE and LPA: all of 10 and 100 Mbit/s, pause; the partner acknowledges.
                0x4 => 0x05e1,
                0x5 => 0x45e1,
                // CTRL1000, STAT1000 and ESTATUS: both duplexes.
                0x9 => 0x0300,
                0xa => 0x3c00,
                0xf => 0x3000,
                _ => 0,
            })
        }

        fn write(&self, _addr: PhyAddr, _reg: u8, _val: u16) -> Result {
            Ok(())
        }
    }

    #[test]
    fn phy_addresses() {
        assert!(PhyAddr::new(0).is_some());
        assert!(PhyAddr::new(31).is_some());
        assert!(PhyAddr::new(32).is_none());
        assert_eq!(PhyAddr::all().count(), 32);
        assert!(PhyAddr::from_c(-1).is_err());
        assert!(PhyAddr::from_c(256).is_err());
        assert!(DevAddr::from_c(31).is_ok());
        assert!(DevAddr::from_c(32).is_err());
    }

    #[test]
    fn register_numbers() {
        assert!(c22_reg(31).is_ok());
        assert!(c22_reg(32).is_err());
        assert!(c22_reg(-1).is_err());
        assert!(c22_reg(0x100).is_err());
        assert!(c45_reg(0xffff).is_ok());
        assert!(c45_reg(0x1_0000).is_err());
        assert!(c45_reg(-1).is_err());
    }

    fn register<'a>(
        dev: &'a faux::Registration,
        id: &CStr,
        phy_mask: u32,
    ) -> Result<Registration<'a, OnePhy>> {
        let dev: &faux::Device<Bound> = dev.as_ref();

        // SAFETY: The callers drop it.
        unsafe { Registration::new(dev.as_ref(), id, phy_mask, Ok::<_, Error>(OnePhy)) }
    }

    #[test]
    fn bus_is_scanned() -> Result {
        let dev = faux::Registration::new(c"rust_net_mdio", None)?;

        let bus = register(&dev, c"kunit-mdio", 0)?;
        assert!(bus.find_first() == Some(OnePhy::ADDR));
        assert!(bus.has_phy(OnePhy::ADDR));
        assert!(!bus.has_phy(PhyAddr(4)));
        drop(bus);

        // The name is free again, and nothing is looked for where it is not wanted.
        let bus = register(&dev, c"kunit-mdio", 1 << OnePhy::ADDR.get())?;
        assert!(bus.find_first().is_none());
        Ok(())
    }

    #[test]
    fn long_ids_are_refused() -> Result {
        let dev = faux::Registration::new(c"rust_net_mdio", None)?;
        // One byte too long, with the NUL.
        let id = c"kunit-mdio-01234567890123456789012345678901234567890123456789";

        assert_eq!(id.count_bytes(), bindings::MII_BUS_ID_SIZE as usize);
        assert!(register(&dev, id, 0).is_err_and(|e| e == EINVAL));
        Ok(())
    }
}
