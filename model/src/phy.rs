// SPDX-License-Identifier: GPL-2.0

//! PHYs on the MDIO bus.

pub mod rtl8211f;

use crate::wire::Link;

/// A device that answers at one MDIO address.
pub trait Phy: Send {
    /// Power-on reset.
    fn reset(&mut self);
    /// Clause 22 read.
    fn read(&mut self, reg: u8) -> u16;
    /// Clause 22 write.
    fn write(&mut self, reg: u8, value: u16);
    /// Clause 45 read; a device that knows no such frames leaves the bus high.
    fn read_c45(&mut self, _dev: u8, _reg: u16) -> u16 {
        0xffff
    }
    /// Clause 45 write.
    fn write_c45(&mut self, _dev: u8, _reg: u16, _value: u16) {}
    /// The link on the medium side.
    fn link(&self) -> Link;
    /// Whether the MAC gets its receive clock from it.
    fn clock(&self) -> bool {
        true
    }
    /// Whether frames from the MAC come back instead of going to the medium.
    fn loopback(&self) -> bool {
        false
    }
}
