// SPDX-License-Identifier: GPL-2.0

//! The SerDes of Intel's functions with a serial link.
//!
//! It is a device on the MDIO bus of the core, with a register of requests and one where they are
//! acknowledged, bit by bit.

use kernel::{
    net::phylink::Interface,
    prelude::*,
    time::Delta, //
};

use crate::{
    hwif,
    pcs::{
        self,
        Fault,
        Regs, //
    },
};

/// MDIO address of the SerDes.
pub(super) const ADDR: u8 = 0x15;

/// Global configuration: what firmware has set up.
pub(crate) const GCR: u8 = 0x00;
/// Link mode.
const GCR_LINK_MODE: u16 = 0b11 << 1;
/// 2.5 Gbit/s.
const GCR_LINK_MODE_2G5: u16 = 0b11 << 1;

/// Global status 0: what is acknowledged.
pub(crate) const GSR0: u8 = 0x05;

/// Global configuration 0: what is requested. Up to the power state, the bits are those of GSR0.
pub(crate) const GCR0: u8 = 0x0b;
/// The clock of the PLL.
const PLL_CLK: u16 = 1 << 0;
/// The receive clock of the PSE's SGMII.
const PHY_RX_CLK: u16 = 1 << 1;
/// The reset of the lane.
const LANE_RST: u16 = 1 << 2;
/// The power state.
const POWER: u16 = 0b111 << 4;
/// Power state P3, off; 0 is P0, on.
const POWER_P3: u16 = 3 << 4;
/// The rate of the lane; 0 is 1.25 Gbaud.
const RATE: u16 = 0b11 << 8;
/// 3.125 Gbaud.
const RATE_2G5: u16 = 1 << 8;
/// The rate of the clock to the PCS; 0 is 37.5 MHz.
const PCLK: u16 = 0b111 << 12;
/// 70 MHz.
const PCLK_70MHZ: u16 = 1 << 12;

/// Between two looks at the acknowledgment.
const INTERVAL: Delta = Delta::from_micros(10);
/// The longest an acknowledgment takes: it is a matter of microseconds.
const TIMEOUT: Delta = Delta::from_millis(10);

/// A request.
struct Request {
    /// What it is, to complete "the SerDes does not".
    step: &'static str,
    /// Bits to change.
    mask: u16,
    /// To which value.
    value: u16,
    /// Bits that are acknowledged.
    ack: u16,
}

impl Request {
    fn make(&self, regs: &dyn Regs) -> Result<(), Fault> {
        let make = || {
            let old = regs.read(GCR0)?;
            regs.write(GCR0, old & !self.mask | self.value)?;
            if self.ack != 0 {
                hwif::wait_until(
                    || regs.read(GSR0),
                    |status| status & self.ack == self.value & self.ack,
                    INTERVAL,
                    TIMEOUT,
                )?;
            }
            Ok(())
        };
        make().map_err(|err| Fault {
            step: self.step,
            err,
        })
    }
}

const RX_CLOCK_ON: Request = Request {
    step: "let the receive clock through",
    mask: PHY_RX_CLK,
    value: PHY_RX_CLK,
    ack: 0,
};

const RX_CLOCK_OFF: Request = Request {
    step: "hold the receive clock",
    mask: PHY_RX_CLK,
    value: 0,
    ack: 0,
};

/// What comes after the rate.
const POWER_UP: [Request; 3] = [
    Request {
        step: "start its PLL",
        mask: PLL_CLK,
        value: PLL_CLK,
        ack: PLL_CLK,
    },
    Request {
        step: "reset its lane",
        mask: LANE_RST,
        value: LANE_RST,
        ack: LANE_RST,
    },
    Request {
        step: "power its lane up",
        mask: POWER,
        value: 0,
        ack: POWER,
    },
];

const POWER_DOWN: [Request; 3] = [
    Request {
        step: "power its lane down",
        mask: POWER,
        value: POWER_P3,
        ack: POWER,
    },
    Request {
        step: "stop its PLL",
        mask: PLL_CLK,
        value: 0,
        ack: PLL_CLK,
    },
    Request {
        step: "end the reset of its lane",
        mask: LANE_RST,
        value: 0,
        ack: LANE_RST,
    },
];

/// How a function's SerDes is powered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serdes {
    /// By the driver.
    Driver,
    /// By the driver, with a gate in the receive clock: the PSE's.
    DriverWithClockGate,
    /// By firmware, for good.
    Firmware,
}

impl pcs::Serdes for Serdes {
    fn addr(&self) -> u8 {
        ADDR
    }

    fn interface(&self, regs: &dyn Regs) -> Result<Interface, Fault> {
        let mode = regs.read(GCR).map_err(|err| Fault {
            step: "tell its link mode",
            err,
        })?;
        Ok(if mode & GCR_LINK_MODE == GCR_LINK_MODE_2G5 {
            Interface::Base2500X
        } else {
            Interface::Sgmii
        })
    }

    fn power_up(&self, regs: &dyn Regs, interface: Interface) -> Result<(), Fault> {
        if *self == Self::Firmware {
            return Ok(());
        }
        let value = match interface {
            Interface::Base2500X => RATE_2G5,
            _ => PCLK_70MHZ,
        };
        let rate = Request {
            step: "take its rate",
            mask: RATE | PCLK,
            value,
            ack: 0,
        };
        rate.make(regs)?;
        for request in &POWER_UP {
            request.make(regs)?;
        }
        if *self == Self::DriverWithClockGate {
            RX_CLOCK_ON.make(regs)?;
        }
        Ok(())
    }

    fn power_down(&self, regs: &dyn Regs) -> Result<(), Fault> {
        if *self == Self::Firmware {
            return Ok(());
        }
        if *self == Self::DriverWithClockGate {
            RX_CLOCK_OFF.make(regs)?;
        }
        for request in &POWER_DOWN {
            request.make(regs)?;
        }
        Ok(())
    }
}
