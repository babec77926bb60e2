// SPDX-License-Identifier: GPL-2.0

//! Station management.

use kernel::{
    io::Io,
    prelude::*,
    time::Delta, //
};

use super::regs::*;
use crate::hwif::{
    self,
    Mmio, //
};

/// An access is 64 bits at 2.5 MHz or less: 26 us at best.
const BUSY_INTERVAL: Delta = Delta::from_micros(100);

/// The slowest MDC that a divider leads to is some 60 kHz: 1 ms an access.
const BUSY_TIMEOUT: Delta = Delta::from_millis(10);

/// CR for a CSR clock of `rate` Hz, so that MDC keeps to 2.5 MHz; `EINVAL` if no divider does.
pub(crate) fn clock_range(rate: u64) -> Result<u32> {
    // Ranges and CR as the databook pairs them; from 20 MHz on, MDC is above 1 MHz.
    match rate {
        0 => Err(EINVAL),
        1..35_000_000 => Ok(2),
        35_000_000..60_000_000 => Ok(3),
        60_000_000..100_000_000 => Ok(0),
        100_000_000..150_000_000 => Ok(1),
        150_000_000..250_000_000 => Ok(4),
        250_000_000..300_000_000 => Ok(5),
        300_000_000..500_000_000 => Ok(6),
        500_000_000..=800_000_000 => Ok(7),
        _ => Err(EINVAL),
    }
}

/// Station management of all releases.
pub(super) struct Mdio;

/// Waits until no access is under way.
fn wait_idle(io: Mmio<'_>) -> Result {
    hwif::wait_until(
        || Ok(io.read(MAC_MDIO_ADDRESS)),
        |r| !r.gb(),
        BUSY_INTERVAL,
        BUSY_TIMEOUT,
    )?;

    Ok(())
}

/// Makes one access with `data` in the data register, and returns what is there afterwards.
fn access(io: Mmio<'_>, address: MAC_MDIO_ADDRESS, data: MAC_MDIO_DATA) -> Result<u16> {
    // An access that timed out may still be under way.
    wait_idle(io)?;
    io.write_reg(data);
    io.write_reg(address.with_gb(true));
    wait_idle(io)?;

    Ok(io.read(MAC_MDIO_DATA).gd())
}

/// The address register for `goc` on `addr` and `reg`: PHY and register, or port and device.
fn address(csr: u32, addr: u8, reg: u8, goc: MdioCommand) -> Result<MAC_MDIO_ADDRESS> {
    MAC_MDIO_ADDRESS::zeroed()
        .with_goc(goc)
        .try_with_pa(addr)
        .and_then(|r| r.try_with_rda(reg))
        .and_then(|r| r.try_with_cr(csr))
        .map_err(|_| EINVAL)
}

impl hwif::Mdio for Mdio {
    fn read(&self, io: Mmio<'_>, csr: u32, addr: u8, reg: u8) -> Result<u16> {
        access(
            io,
            address(csr, addr, reg, MdioCommand::Read)?,
            MAC_MDIO_DATA::zeroed(),
        )
    }

    fn write(&self, io: Mmio<'_>, csr: u32, addr: u8, reg: u8, val: u16) -> Result {
        access(
            io,
            address(csr, addr, reg, MdioCommand::Write)?,
            MAC_MDIO_DATA::zeroed().with_gd(val),
        )?;

        Ok(())
    }

    fn read_c45(&self, io: Mmio<'_>, csr: u32, addr: u8, devad: u8, reg: u16) -> Result<u16> {
        access(
            io,
            address(csr, addr, devad, MdioCommand::Read)?.with_c45e(true),
            MAC_MDIO_DATA::zeroed().with_ra(reg),
        )
    }

    fn write_c45(&self, io: Mmio<'_>, csr: u32, addr: u8, devad: u8, reg: u16, val: u16) -> Result {
        access(
            io,
            address(csr, addr, devad, MdioCommand::Write)?.with_c45e(true),
            MAC_MDIO_DATA::zeroed().with_ra(reg).with_gd(val),
        )?;

        Ok(())
    }

    fn clock_range(&self, rate: u64) -> Result<u32> {
        clock_range(rate)
    }
}
