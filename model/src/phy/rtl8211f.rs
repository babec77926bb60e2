// SPDX-License-Identifier: GPL-2.0

//! Realtek RTL8211F: IEEE registers, and pages behind register 31.

use std::collections::HashMap;
use std::sync::Arc;

use super::Phy;
use crate::wire::{Endpoint, Link, PhyState};

const PHYID: u32 = 0x001c_c916;

const BMCR_RESET: u16 = 0x8000;
const BMCR_LOOPBACK: u16 = 0x4000;
const BMCR_SPEED_LSB: u16 = 0x2000;
const BMCR_AN: u16 = 0x1000;
const BMCR_POWER_DOWN: u16 = 0x0800;
const BMCR_ISOLATE: u16 = 0x0400;
const BMCR_RESTART_AN: u16 = 0x0200;
const BMCR_DUPLEX: u16 = 0x0100;
const BMCR_SPEED_MSB: u16 = 0x0040;
const BMCR_DEFAULT: u16 = BMCR_AN | BMCR_DUPLEX | BMCR_SPEED_MSB;

const PAGE_DEFAULT: u16 = 0xa42;
/// Page of registers 24 to 30 while the default page is selected.
const PAGE_STATUS: u16 = 0xa43;

const PHYSR: u8 = 0x1a;
const INSR: u8 = 0x1d;
const INSR_LINK: u16 = 0x0010;

/// MMD 3 register 20: EEE at 100 and 1000 Mbit/s.
const EEE_ABILITY: u16 = 0x0006;

/// The chip.
pub struct Rtl8211f {
    wire: Arc<Endpoint>,
    page: u16,
    bmcr: u16,
    anar: u16,
    gbcr: u16,
    mmd_dev: u8,
    mmd_func: u16,
    mmd_addr: u16,
    mmd: HashMap<(u8, u16), u16>,
    vendor: HashMap<(u16, u8), u16>,
    /// Generation of the link when BMSR and INSR were last read.
    bmsr_seen: u64,
    insr_seen: u64,
    physr: u16,
}

impl Rtl8211f {
    /// A chip after power-on.
    pub fn new(wire: Arc<Endpoint>) -> Rtl8211f {
        let mut phy = Rtl8211f {
            wire,
            page: 0,
            bmcr: 0,
            anar: 0,
            gbcr: 0,
            mmd_dev: 0,
            mmd_func: 0,
            mmd_addr: 0,
            mmd: HashMap::new(),
            vendor: HashMap::new(),
            bmsr_seen: 0,
            insr_seen: 0,
            physr: 0,
        };
        phy.reset();
        phy
    }

    fn soft_reset(&mut self) {
        self.bmcr = BMCR_DEFAULT;
        self.anar = 0x0de1;
        self.gbcr = 0x0200;
        self.page = PAGE_DEFAULT;
        self.mmd.clear();
        self.publish(true);
    }

    fn publish(&self, restart: bool) {
        let speed = match (
            self.bmcr & BMCR_SPEED_MSB != 0,
            self.bmcr & BMCR_SPEED_LSB != 0,
        ) {
            (true, _) => 1000,
            (false, true) => 100,
            (false, false) => 10,
        };
        self.wire.set_phy(
            Some(PhyState {
                on: self.bmcr & (BMCR_POWER_DOWN | BMCR_ISOLATE | BMCR_LOOPBACK) == 0,
                an: self.bmcr & BMCR_AN != 0,
                adv: self.anar,
                adv_1000: self.gbcr & 0x0300,
                speed,
                full: self.bmcr & BMCR_DUPLEX != 0,
                eee: self.mmd.get(&(7, 60)).copied().unwrap_or(0),
            }),
            restart,
        );
    }

    fn bmsr(&mut self) -> u16 {
        let link = self.link();
        let mut v = 0x7949;
        if link.an_done {
            v |= 0x0020;
        }
        // The link bit stays low once after an interruption.
        if link.up && (self.bmsr_seen == link.generation || self.loopback()) {
            v |= 0x0004;
        }
        self.bmsr_seen = link.generation;
        v
    }

    fn gbsr(&self) -> u16 {
        let link = self.link();
        if !(link.up && link.speed == 1000) {
            return if link.lp_1000 != 0 {
                link.lp_1000 << 2
            } else {
                0
            };
        }
        let mut v = 0x3000 | link.lp_1000 << 2;
        if link.master {
            v |= 0x4000;
        }
        v
    }

    /// Speed and duplex stay as they were when the link goes.
    fn physr(&mut self) -> u16 {
        let link = self.link();
        if !link.up {
            return self.physr & !0x0004;
        }
        let mut v = 0x0004;
        v |= match link.speed {
            1000 => 0x0020,
            100 => 0x0010,
            _ => 0,
        };
        if link.full {
            v |= 0x0008;
        }
        if link.master {
            v |= 0x0800;
        }
        self.physr = v;
        v
    }

    /// The page that a register above 15 belongs to.
    fn vendor_page(&self, reg: u8) -> u16 {
        match self.page {
            0 | PAGE_DEFAULT | PAGE_STATUS if reg >= 24 => PAGE_STATUS,
            0 => PAGE_DEFAULT,
            page => page,
        }
    }

    fn ieee_page(&self) -> bool {
        matches!(self.page, 0 | 0xa40..=0xa43)
    }

    fn vendor_default(page: u16, reg: u8) -> u16 {
        match (page, reg) {
            (PAGE_STATUS, 0x18) => 0x2118, // PHYCR1
            (PAGE_STATUS, 0x19) => 0x0863, // PHYCR2
            (0xd04, 0x10) => 0x6251,       // LCR
            _ => 0,
        }
    }

    fn mmd_read(&self, dev: u8, reg: u16) -> u16 {
        match (dev, reg) {
            // PCS status 1: the clock may stop; LPI indications (latching and current).
            (3, 1) => {
                let mut v = 0x0040;
                if self.wire.link().up {
                    v |= 0x0004;
                }
                if self.wire.tx_lpi() && self.wire.link().eee {
                    v |= 0x0a00;
                }
                if self.wire.rx_lpi() {
                    v |= 0x0500;
                }
                v
            }
            (3, 20) => EEE_ABILITY,
            (7, 61) => self.wire.link().lp_eee,
            _ => self.mmd.get(&(dev, reg)).copied().unwrap_or(0),
        }
    }

    fn mmd_write(&mut self, dev: u8, reg: u16, value: u16) {
        match (dev, reg) {
            // Only whether the receive clock may stop.
            (3, 0) => {
                self.mmd.insert((dev, reg), value & 0x0400);
            }
            // Counts from the next negotiation on.
            (7, 60) => {
                self.mmd.insert((dev, reg), value & EEE_ABILITY);
            }
            _ => {}
        }
    }
}

impl Phy for Rtl8211f {
    fn reset(&mut self) {
        self.vendor.clear();
        self.mmd_dev = 0;
        self.mmd_func = 0;
        self.mmd_addr = 0;
        self.soft_reset();
        self.bmsr_seen = 0;
        self.insr_seen = self.wire.link().generation;
    }

    fn read(&mut self, reg: u8) -> u16 {
        if reg == 31 {
            return self.page;
        }
        if reg < 16 {
            if !self.ieee_page() {
                let key = (self.page, reg);
                return self.vendor.get(&key).copied().unwrap_or(0);
            }
            return match reg {
                0 => self.bmcr,
                1 => self.bmsr(),
                2 => (PHYID >> 16) as u16,
                3 => PHYID as u16,
                4 => self.anar,
                5 => self.link().lp_adv,
                6 => {
                    0x0004
                        | if self.link().lp_adv & 0x4000 != 0 {
                            3
                        } else {
                            0
                        }
                }
                7 => 0x2001,
                9 => self.gbcr,
                10 => self.gbsr(),
                13 => self.mmd_func << 14 | u16::from(self.mmd_dev),
                14 => match self.mmd_func {
                    0 => self.mmd_addr,
                    _ => {
                        let v = self.mmd_read(self.mmd_dev, self.mmd_addr);
                        if self.mmd_func == 2 {
                            self.mmd_addr = self.mmd_addr.wrapping_add(1);
                        }
                        v
                    }
                },
                15 => 0x2000,
                _ => 0,
            };
        }
        match (self.vendor_page(reg), reg) {
            (PAGE_STATUS, PHYSR) => self.physr(),
            (PAGE_STATUS, INSR) => {
                let generation = self.wire.link().generation;
                let changed = generation != self.insr_seen;
                self.insr_seen = generation;
                if changed {
                    INSR_LINK
                } else {
                    0
                }
            }
            (page, reg) => self
                .vendor
                .get(&(page, reg))
                .copied()
                .unwrap_or(Self::vendor_default(page, reg)),
        }
    }

    fn write(&mut self, reg: u8, value: u16) {
        if reg == 31 {
            self.page = value & 0x0fff;
            return;
        }
        if reg < 16 {
            if !self.ieee_page() {
                self.vendor.insert((self.page, reg), value);
                return;
            }
            match reg {
                0 => {
                    if value & BMCR_RESET != 0 {
                        self.soft_reset();
                        return;
                    }
                    self.bmcr = value & !(BMCR_RESTART_AN | 0x0080 | 0x001f);
                    self.publish(value & BMCR_RESTART_AN != 0);
                }
                // What is advertised counts from the next negotiation on.
                4 => self.anar = value & 0x2fff | 1,
                9 => self.gbcr = value & 0xff00,
                13 => {
                    self.mmd_func = value >> 14;
                    self.mmd_dev = (value & 0x1f) as u8;
                }
                14 => match self.mmd_func {
                    0 => self.mmd_addr = value,
                    f => {
                        self.mmd_write(self.mmd_dev, self.mmd_addr, value);
                        if f != 1 {
                            self.mmd_addr = self.mmd_addr.wrapping_add(1);
                        }
                    }
                },
                _ => {}
            }
            return;
        }
        match (self.vendor_page(reg), reg) {
            (PAGE_STATUS, PHYSR | INSR) => {}
            (page, reg) => {
                self.vendor.insert((page, reg), value);
            }
        }
    }

    fn link(&self) -> Link {
        let mut link = self.wire.link();
        if self.loopback() {
            link.up = true;
            link.full = true;
            link.speed = match (
                self.bmcr & BMCR_SPEED_MSB != 0,
                self.bmcr & BMCR_SPEED_LSB != 0,
            ) {
                (true, _) => 1000,
                (false, true) => 100,
                (false, false) => 10,
            };
        }
        link
    }

    /// IEEE 802.3, 22.2.4.1.5 and 6: it may stop when powered down, and is not driven when isolated.
    fn clock(&self) -> bool {
        self.bmcr & (BMCR_POWER_DOWN | BMCR_ISOLATE) == 0
    }

    fn loopback(&self) -> bool {
        self.bmcr & BMCR_LOOPBACK != 0 && self.bmcr & BMCR_POWER_DOWN == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::wire::{Ingress, Medium, AN_TIME};

    fn phy() -> (Rtl8211f, Clock) {
        let clock = Clock::manual();
        let ingress = Ingress::new(Arc::default());
        let wire = Endpoint::new(Medium::looped(&ingress), 0, ingress, clock.clone());
        (Rtl8211f::new(Arc::new(wire)), clock)
    }

    #[test]
    fn identifies_itself() {
        let (mut p, _) = phy();
        assert_eq!((p.read(2), p.read(3)), (0x001c, 0xc916));
        assert_eq!(p.read(0), 0x1140);
        assert_eq!(p.read(15), 0x2000);
    }

    #[test]
    fn link_bit_latches_low() {
        let (mut p, clock) = phy();
        clock.advance(AN_TIME);
        assert_eq!(p.read(1) & 4, 0);
        assert_eq!(p.read(1) & 0x24, 0x24);
        assert_eq!(p.read(10) & 0x0800, 0x0800);
        assert_eq!(p.read(0x1a) & 0x003c, 0x002c);
        p.write(0, 0x1340);
        assert_eq!(p.read(1) & 0x24, 0);
        clock.advance(AN_TIME);
        // Already seen low after the restart.
        assert_eq!(p.read(1) & 4, 4);
    }

    #[test]
    fn advertisement_limits_the_speed() {
        let (mut p, clock) = phy();
        p.write(9, 0);
        p.write(4, 0x0101);
        p.write(0, 0x1200);
        clock.advance(AN_TIME);
        p.read(1);
        assert_eq!(p.read(0x1a) & 0x003c, 0x001c);
        assert_eq!(p.read(5) & 0x4000, 0x4000);
    }

    #[test]
    fn pages() {
        let (mut p, _) = phy();
        p.write(31, 0xd08);
        p.write(0x11, 0x0100);
        p.write(31, 0);
        assert_ne!(p.read(0x11), 0x0100);
        p.write(31, 0xd08);
        assert_eq!(p.read(0x11), 0x0100);
        // The status page is where the default page shows it.
        p.write(31, 0xa43);
        let physr = p.read(0x1a);
        p.write(31, 0xa42);
        assert_eq!(p.read(0x1a), physr);
    }

    #[test]
    fn power_down_and_loopback() {
        let (mut p, clock) = phy();
        clock.advance(AN_TIME);
        assert!(p.clock());
        for off in [0x1940, 0x1540] {
            p.write(0, off);
            assert!(!p.link().up && !p.clock());
        }
        p.write(0, 0x4140);
        assert!(p.loopback() && p.clock());
        assert_eq!(p.read(1) & 4, 4);
        p.write(0, 0x8000);
        assert_eq!(p.read(0), 0x1140);
    }

    #[test]
    fn mmd_behind_13_and_14() {
        let (mut p, _) = phy();
        p.write(13, 3);
        p.write(14, 20);
        p.write(13, 0x4003);
        assert_eq!(p.read(14), 6);
        p.write(13, 7);
        p.write(14, 60);
        p.write(13, 0x4007);
        p.write(14, 0xffff);
        assert_eq!(p.read(14), 6);
    }
}
