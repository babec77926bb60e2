// SPDX-License-Identifier: GPL-2.0

//! The SerDes of a serial link.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_pcs)]
mod tests {
    use super::*;

    use core::cell::Cell;

    use kernel::net::phylink::Interface;

    use crate::{
        pci::intel::serdes::{
            Serdes,
            GCR,
            GCR0,
            GSR0, //
        },
        pcs::{
            Regs,
            Serdes as _, //
        },
    };

    /// A SerDes that acknowledges what it is asked, but for the bits of `stuck`.
    struct Fake {
        gcr: u16,
        gcr0: Cell<u16>,
        stuck: u16,
        writes: Cell<u32>,
    }

    impl Fake {
        fn new(stuck: u16) -> Self {
            // As firmware leaves it: powered down, with a rate that is not ours.
            Self {
                gcr: 0,
                gcr0: Cell::new(0x0330),
                stuck,
                writes: Cell::new(0),
            }
        }
    }

    impl Regs for Fake {
        fn read(&self, reg: u8) -> Result<u16> {
            match reg {
                GCR => Ok(self.gcr),
                GCR0 => Ok(self.gcr0.get()),
                GSR0 => Ok((self.gcr0.get() & 0x7f) ^ self.stuck),
                _ => Err(EIO),
            }
        }

        fn write(&self, reg: u8, val: u16) -> Result {
            if reg != GCR0 {
                return Err(EIO);
            }
            self.gcr0.set(val);
            self.writes.set(self.writes.get() + 1);
            Ok(())
        }
    }

    #[test]
    fn lane_goes_up_and_down() {
        for (serdes, interface, on) in [
            (Serdes::Driver, Interface::Sgmii, 0x1005),
            (Serdes::DriverWithClockGate, Interface::Sgmii, 0x1007),
            (Serdes::Driver, Interface::Base2500X, 0x0105),
        ] {
            let fake = Fake::new(0);
            assert!(serdes.power_up(&fake, interface).is_ok());
            assert_eq!(fake.gcr0.get(), on);
            assert!(serdes.power_down(&fake).is_ok());
            // The rate stays.
            assert_eq!(fake.gcr0.get(), on & 0xff00 | 0x30);
        }
    }

    #[test]
    fn firmware_lane_is_left_alone() {
        let fake = Fake::new(0);
        assert!(Serdes::Firmware.power_up(&fake, Interface::Sgmii).is_ok());
        assert!(Serdes::Firmware.power_down(&fake).is_ok());
        assert_eq!(fake.writes.get(), 0);
    }

    #[test]
    fn what_is_not_acknowledged_is_named() {
        for (stuck, step) in [
            (1 << 0, "start its PLL"),
            (1 << 2, "reset its lane"),
            (1 << 4, "power its lane up"),
        ] {
            let fault = Serdes::Driver.power_up(&Fake::new(stuck), Interface::Sgmii);
            assert!(fault.is_err_and(|f| f.step == step && f.err == ETIMEDOUT));
        }
        let fault = Serdes::Driver.power_down(&Fake::new(1 << 5));
        assert!(fault.is_err_and(|f| f.step == "power its lane down"));
    }

    #[test]
    fn link_mode_is_the_firmwares() {
        for (gcr, interface) in [
            (0, Interface::Sgmii),
            (0b10 << 1, Interface::Sgmii),
            (0b11 << 1, Interface::Base2500X),
            (0xffff, Interface::Base2500X),
        ] {
            let fake = Fake {
                gcr,
                ..Fake::new(0)
            };
            assert!(Serdes::Driver
                .interface(&fake)
                .is_ok_and(|i| i == interface));
        }
    }
}
