// SPDX-License-Identifier: GPL-2.0

//! The PCS of a serial link and the SerDes below it; both sit on the core's own MDIO bus.
//!
//! The PCS is an XPCS, for which the kernel has a library. How its SerDes is brought up is the
//! board's business: see [`Serdes`].

use core::fmt;

use kernel::{
    net::{
        mdio::PhyAddr,
        phylink::{
            Interface,
            Interfaces, //
        },
        xpcs::Xpcs, //
    },
    prelude::*, //
};

use crate::{
    config,
    hw::Hw,
    mdio::Registration, //
};

/// Clause 22 registers of a device on the MDIO bus.
pub(crate) trait Regs {
    /// Reads a register.
    fn read(&self, reg: u8) -> Result<u16>;

    /// Writes a register.
    fn write(&self, reg: u8, val: u16) -> Result;
}

/// What a SerDes did not do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Completes "the SerDes does not".
    pub(crate) step: &'static str,
    /// Why: `ETIMEDOUT`, or an error of the bus.
    pub(crate) err: Error,
}

/// What turns the bits of a serial link into levels on a lane. All methods may sleep.
pub(crate) trait Serdes: fmt::Debug + Sync {
    /// Where it is on the MDIO bus.
    fn addr(&self) -> u8;

    /// The interface that firmware has set up the lane for.
    fn interface(&self, regs: &dyn Regs) -> Result<Interface, Fault>;

    /// Starts the lane for `interface`: without it the core has no receive clock.
    fn power_up(&self, regs: &dyn Regs, interface: Interface) -> Result<(), Fault>;

    /// Stops the lane.
    fn power_down(&self, regs: &dyn Regs) -> Result<(), Fault>;
}

/// A device on the MDIO bus.
struct OnBus<'b, 'a> {
    bus: &'b Registration<'a>,
    addr: PhyAddr,
}

impl Regs for OnBus<'_, '_> {
    fn read(&self, reg: u8) -> Result<u16> {
        self.bus.read(self.addr, reg)
    }

    fn write(&self, reg: u8, val: u16) -> Result {
        self.bus.write(self.addr, reg, val)
    }
}

/// The interfaces that go over the same lane as `interface`, at the same rate.
fn siblings(interface: Interface) -> Interfaces {
    match interface {
        Interface::Sgmii | Interface::Base1000X => {
            Interfaces::from(Interface::Sgmii).with(Interface::Base1000X)
        }
        other => other.into(),
    }
}

/// The PCS of a port.
pub(crate) struct Pcs {
    /// The PCS proper.
    pub(crate) xpcs: Xpcs,
    /// The interface to begin with.
    pub(crate) interface: Interface,
    /// All that it can speak over its lane as it is.
    pub(crate) interfaces: Interfaces,
}

impl Pcs {
    /// Finds the PCS that `config` tells of on `bus`.
    pub(crate) fn new(hw: &Hw<'_>, bus: &Registration<'_>, config: &config::Pcs) -> Result<Self> {
        let addr = PhyAddr::new(config.addr).ok_or(EINVAL)?;
        let xpcs = Xpcs::new(bus, addr).inspect_err(|err| {
            dev_err!(
                hw.dev,
                "no XPCS answers at MDIO address {:#x} ({:?}): is it powered and out of reset?\n",
                config.addr,
                err
            );
        })?;
        let mut interface = hw.config.interface;
        if config.lane_decides {
            interface =
                on_lane(hw, bus, |serdes, regs| serdes.interface(regs))?.unwrap_or(interface);
        }
        let interfaces = siblings(interface) & xpcs.interfaces();
        // Firmware may prefer another one, for a link without a PHY.
        if let Some(mode) = hw.dev.fwnode().and_then(|n| Interface::from_fwnode(n).ok()) {
            if interfaces.contains(mode) {
                interface = mode;
            }
        }
        Ok(Self {
            xpcs: xpcs.with_eee_factor(config.eee_factor),
            interface,
            interfaces,
        })
    }
}

/// Does something with the SerDes of `hw`; none if it has none, or none to be seen to.
fn on_lane<T>(
    hw: &Hw<'_>,
    bus: &Registration<'_>,
    f: impl FnOnce(&dyn Serdes, &dyn Regs) -> Result<T, Fault>,
) -> Result<Option<T>> {
    let Some(serdes) = hw.config.pcs.and_then(|pcs| pcs.serdes) else {
        return Ok(None);
    };
    let addr = PhyAddr::new(serdes.addr()).ok_or(EINVAL)?;

    f(serdes, &OnBus { bus, addr })
        .map(Some)
        .map_err(|Fault { step, err }| {
            dev_err!(
                hw.dev,
                "the SerDes does not {} ({:?}): no clock, or the lane is not for Ethernet?\n",
                step,
                err
            );
            err
        })
}

/// Starts the lane of a serial link; does nothing for others.
pub(crate) fn power_up(hw: &Hw<'_>, bus: &Registration<'_>, interface: Interface) -> Result {
    on_lane(hw, bus, |serdes, regs| serdes.power_up(regs, interface)).map(|_| ())
}

/// Stops the lane of a serial link; does nothing for others.
pub(crate) fn power_down(hw: &Hw<'_>, bus: &Registration<'_>) {
    // A lane that goes on costs power, no more; it has been said.
    let _ = on_lane(hw, bus, |serdes, regs| serdes.power_down(regs));
}
