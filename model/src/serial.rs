// SPDX-License-Identifier: GPL-2.0

//! The serial interface of Intel's functions: an XPCS on the core's GMII, and the SerDes below it.
//! Both are devices on the core's own MDIO bus.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::phy::Phy;
use crate::wire::{Endpoint, Link};

/// MDIO address of the SerDes.
pub const SERDES_ADDR: u8 = 0x15;
/// MDIO address of the XPCS.
pub const XPCS_ADDR: u8 = 0x16;

/// Identifier of the XPCS.
const ID: u32 = 0x7996_ced0;
/// The MMD that it is in: vendor specific 2, here called MII.
const MII: u8 = 31;

const SR_MII_CTRL: u16 = 0x0000;
const SR_MII_STS: u16 = 0x0001;
const SR_MII_DEV_ID1: u16 = 0x0002;
const SR_MII_DEV_ID2: u16 = 0x0003;
const SR_MII_AN_ADV: u16 = 0x0004;
const SR_MII_LP_BABL: u16 = 0x0005;
const SR_MII_EXT_STS: u16 = 0x000f;
const VR_MII_DIG_CTRL1: u16 = 0x8000;
const VR_MII_AN_CTRL: u16 = 0x8001;
const VR_MII_AN_INTR_STS: u16 = 0x8002;
const VR_MII_EEE_MCTRL0: u16 = 0x8006;
const VR_MII_EEE_TXTIMER: u16 = 0x8008;
const VR_MII_EEE_RXTIMER: u16 = 0x8009;
const VR_MII_EEE_MCTRL1: u16 = 0x800b;
const VR_MII_DIG_STS: u16 = 0x8010;
const VR_MII_DIG_CTRL2: u16 = 0x80e1;

const CTRL_RST: u16 = 1 << 15;
const CTRL_LBE: u16 = 1 << 14;
const CTRL_SS13: u16 = 1 << 13;
const CTRL_AN_ENABLE: u16 = 1 << 12;
const CTRL_LPM: u16 = 1 << 11;
const CTRL_RESTART_AN: u16 = 1 << 9;
const CTRL_DUPLEX: u16 = 1 << 8;
const CTRL_SS6: u16 = 1 << 6;
const CTRL_SS5: u16 = 1 << 5;

const STS_AN_CMPL: u16 = 1 << 5;
const STS_LINK: u16 = 1 << 2;
/// Abilities: extended status, preamble suppression, auto-negotiation, extended registers.
const STS_ABILITIES: u16 = 0x0149;

const DIG_CTRL1_VR_RST: u16 = 1 << 15;
const DIG_CTRL1_EN_VSMMD1: u16 = 1 << 13;
const DIG_CTRL1_MAC_AUTO_SW: u16 = 1 << 9;
const DIG_CTRL1_EN_2_5G: u16 = 1 << 2;

const AN_CTRL_TX_CONFIG: u16 = 1 << 3;
const AN_CTRL_PCS_MODE: u16 = 0b11 << 1;
const AN_CTRL_MODE_SGMII: u16 = 0b10 << 1;
const AN_CTRL_MODE_BASEX: u16 = 0b00 << 1;

const AN_INTR_CMPLT: u16 = 1 << 0;

/// PSEQ_STATE: power good.
const DIG_STS_POWER_GOOD: u16 = 4 << 2;

/// What software can write, and what is there after a reset.
const WRITABLE: [(u16, u16, u16); 9] = [
    (SR_MII_CTRL, 0x7960, CTRL_AN_ENABLE | CTRL_DUPLEX | CTRL_SS6),
    (SR_MII_AN_ADV, 0xb1e0, 0x0020),
    (VR_MII_DIG_CTRL1, 0x7fff, DIG_CTRL1_EN_VSMMD1),
    (VR_MII_AN_CTRL, 0x011f, 0),
    (VR_MII_EEE_MCTRL0, 0x0fff, 0),
    (VR_MII_EEE_TXTIMER, 0x1fff, 0),
    (VR_MII_EEE_RXTIMER, 0x3fff, 0),
    (VR_MII_EEE_MCTRL1, 0x0001, 0),
    (VR_MII_DIG_CTRL2, 0x0011, 0),
];

const GCR: u8 = 0x00;
/// Link mode: 1 Gbit/s.
const GCR_1G: u16 = 0b10 << 1;
const GSR0: u8 = 0x05;
const GCR0: u8 = 0x0b;
const PLL_CLK: u16 = 1 << 0;
const PHY_RX_CLK: u16 = 1 << 1;
const LANE_RST: u16 = 1 << 2;
const POWER: u16 = 0b111 << 4;
const POWER_P0: u16 = 0;
const POWER_P3: u16 = 3 << 4;
const RATE: u16 = 0b11 << 8;

struct State {
    wire: Arc<Endpoint>,
    /// The receive clock to the core has a gate.
    gated: bool,
    /// SerDes: what is requested.
    gcr0: u16,
    /// SerDes: the power state that the lane is in.
    power: u16,
    /// XPCS: registers that keep what is written.
    regs: BTreeMap<u16, u16>,
    /// XPCS: the configuration word that the negotiation has ended with.
    word: Option<u16>,
    /// XPCS: CL37_ANCMPLT_INTR.
    complete: bool,
    /// Generation of the link when SR_MII_STS was last read.
    seen: u64,
}

impl State {
    fn reset_pcs(&mut self) {
        self.regs = WRITABLE.iter().map(|(reg, _, v)| (*reg, *v)).collect();
        self.word = None;
        self.complete = false;
    }

    fn reset_serdes(&mut self) {
        self.gcr0 = POWER_P3;
        self.power = POWER_P3;
    }

    fn reg(&self, reg: u16) -> u16 {
        self.regs.get(&reg).copied().unwrap_or(0)
    }

    fn lane_up(&self) -> bool {
        let on = PLL_CLK | LANE_RST;
        self.gcr0 & on == on && self.power == POWER_P0
    }

    fn clock(&self) -> bool {
        self.lane_up() && (!self.gated || self.gcr0 & PHY_RX_CLK != 0)
    }

    /// Whether the PCS is in step with the PHY behind the lane.
    fn synced(&self) -> bool {
        self.lane_up()
            && self.gcr0 & RATE == 0
            && self.reg(VR_MII_DIG_CTRL1) & DIG_CTRL1_EN_2_5G == 0
            && self.reg(SR_MII_CTRL) & (CTRL_LPM | CTRL_LBE) == 0
    }

    fn negotiates(&self) -> bool {
        self.reg(SR_MII_CTRL) & CTRL_AN_ENABLE != 0
    }

    /// SGMII, as the side of the MAC.
    fn is_sgmii(&self) -> bool {
        self.reg(VR_MII_AN_CTRL) & (AN_CTRL_PCS_MODE | AN_CTRL_TX_CONFIG) == AN_CTRL_MODE_SGMII
    }

    /// Takes the configuration word that the PHY sends.
    fn negotiate(&mut self) {
        if !(self.synced() && self.is_sgmii() && self.negotiates()) {
            self.word = None;
            return;
        }
        let word = config_word(&self.wire.link());
        if self.word != Some(word) {
            self.word = Some(word);
            self.complete = true;
        }
    }

    /// The speed at which the PCS carries frames; none if it does not.
    fn speed(&self, line: &Link) -> Option<u32> {
        let ctrl = self.reg(SR_MII_CTRL);
        let auto = self.reg(VR_MII_DIG_CTRL1) & DIG_CTRL1_MAC_AUTO_SW != 0;
        if !self.synced() {
            return None;
        }
        if self.is_sgmii() {
            return if self.negotiates() && auto {
                Some(line.speed)
            } else {
                match (ctrl & CTRL_SS6 != 0, ctrl & CTRL_SS13 != 0) {
                    (true, false) => Some(1000),
                    (false, true) => Some(100),
                    (false, false) => Some(10),
                    (true, true) => None,
                }
            };
        }
        // 1000BASE-X makes nothing of the words of SGMII, but the code groups are the same.
        let base_x = self.reg(VR_MII_AN_CTRL) & AN_CTRL_PCS_MODE == AN_CTRL_MODE_BASEX;
        (base_x && !self.negotiates()).then_some(1000)
    }

    fn read(&mut self, reg: u16) -> u16 {
        self.negotiate();
        match reg {
            SR_MII_STS => {
                let line = self.wire.link();
                let mut v = STS_ABILITIES;
                if self.word.is_some() {
                    v |= STS_AN_CMPL;
                }
                // Low once after an interruption.
                if line.up && self.speed(&line) == Some(line.speed) && self.seen == line.generation
                {
                    v |= STS_LINK;
                }
                self.seen = line.generation;
                v
            }
            SR_MII_DEV_ID1 => (ID >> 16) as u16,
            SR_MII_DEV_ID2 => ID as u16,
            SR_MII_LP_BABL => self.word.unwrap_or(0),
            // 1000BASE-X, full duplex.
            SR_MII_EXT_STS => 0x8000,
            VR_MII_AN_INTR_STS => {
                let mut v = if self.complete { AN_INTR_CMPLT } else { 0 };
                if let Some(word) = self.word {
                    // Link, speed and duplex.
                    v |= (word >> 15) << 4 | (word >> 10 & 3) << 2 | (word >> 12 & 1) << 1;
                }
                v
            }
            VR_MII_DIG_STS if self.lane_up() => DIG_STS_POWER_GOOD,
            _ => self.reg(reg),
        }
    }

    fn write(&mut self, reg: u16, value: u16) {
        match reg {
            SR_MII_CTRL if value & CTRL_RST != 0 => return self.reset_pcs(),
            VR_MII_DIG_CTRL1 if value & DIG_CTRL1_VR_RST != 0 => return self.reset_pcs(),
            SR_MII_CTRL if value & CTRL_RESTART_AN != 0 => self.word = None,
            VR_MII_AN_INTR_STS => {
                self.negotiate();
                self.complete &= value & AN_INTR_CMPLT != 0;
            }
            _ => {}
        }
        if let Some((_, mask, _)) = WRITABLE.iter().find(|(r, ..)| *r == reg) {
            let fixed = if reg == SR_MII_CTRL { CTRL_SS5 } else { 0 };
            self.regs.insert(reg, value & mask & !fixed);
        }
        self.negotiate();
    }

    fn write_serdes(&mut self, value: u16) {
        self.gcr0 = value & 0x7377;
        // The state machine of the lane runs by the PLL.
        if self.gcr0 & PLL_CLK != 0 {
            self.power = self.gcr0 & POWER;
        }
        self.negotiate();
    }
}

/// What a PHY sends in SGMII: link, acknowledge, duplex, speed.
fn config_word(line: &Link) -> u16 {
    let speed = match line.speed {
        1000 => 2,
        100 => 1,
        _ => 0,
    };
    let word = 1 << 14 | speed << 10 | 1;
    match (line.up, line.full) {
        (true, true) => word | 1 << 15 | 1 << 12,
        (true, false) => word | 1 << 15,
        // Nothing is known of a link that is down.
        (false, _) => 1 << 14 | 1,
    }
}

/// XPCS and SerDes of a port.
#[derive(Clone)]
pub struct Serial(Arc<Mutex<State>>);

impl Serial {
    /// After power-on; `gated` if the receive clock to the core has a gate.
    pub fn new(wire: Arc<Endpoint>, gated: bool) -> Serial {
        let mut state = State {
            wire,
            gated,
            gcr0: 0,
            power: 0,
            regs: BTreeMap::new(),
            word: None,
            complete: false,
            seen: 0,
        };
        state.reset_pcs();
        state.reset_serdes();
        Serial(Arc::new(Mutex::new(state)))
    }

    /// The device at [`XPCS_ADDR`].
    pub fn xpcs(&self) -> Box<dyn Phy> {
        Box::new(Xpcs(self.clone()))
    }

    /// The device at [`SERDES_ADDR`].
    pub fn serdes(&self) -> Box<dyn Phy> {
        Box::new(Serdes(self.clone()))
    }

    /// Whether the core gets its receive clock.
    pub fn clock(&self) -> bool {
        self.0.lock().clock()
    }

    /// What reaches the GMII of the link that the PHY has.
    pub fn link(&self, line: Link) -> Link {
        let state = self.0.lock();
        let passes = state.clock() && state.speed(&line) == Some(line.speed);
        Link {
            up: line.up && passes,
            ..line
        }
    }
}

struct Xpcs(Serial);

impl Phy for Xpcs {
    fn reset(&mut self) {
        self.0 .0.lock().reset_pcs();
    }

    fn read(&mut self, _reg: u8) -> u16 {
        0xffff
    }

    fn write(&mut self, _reg: u8, _value: u16) {}

    fn read_c45(&mut self, dev: u8, reg: u16) -> u16 {
        match dev {
            MII => self.0 .0.lock().read(reg),
            // It is built for 1 and 2.5 Gbit/s only: the other MMDs are empty.
            _ => 0,
        }
    }

    fn write_c45(&mut self, dev: u8, reg: u16, value: u16) {
        if dev == MII {
            self.0 .0.lock().write(reg, value);
        }
    }

    fn link(&self) -> Link {
        Link::default()
    }
}

struct Serdes(Serial);

impl Phy for Serdes {
    fn reset(&mut self) {
        self.0 .0.lock().reset_serdes();
    }

    fn read(&mut self, reg: u8) -> u16 {
        let state = self.0 .0.lock();
        match reg {
            GCR => GCR_1G,
            GSR0 => state.gcr0 & (PLL_CLK | LANE_RST) | state.power,
            GCR0 => state.gcr0,
            _ => 0,
        }
    }

    fn write(&mut self, reg: u8, value: u16) {
        if reg == GCR0 {
            self.0 .0.lock().write_serdes(value);
        }
    }

    fn link(&self) -> Link {
        Link::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::wire::{Ingress, Medium, PhyState, AN_TIME};

    struct Bench {
        serial: Serial,
        xpcs: Box<dyn Phy>,
        serdes: Box<dyn Phy>,
        near: Arc<Endpoint>,
        far: Endpoint,
        clock: Clock,
    }

    impl Bench {
        fn new(gated: bool) -> Bench {
            let clock = Clock::manual();
            let a = Ingress::new(Arc::default());
            let b = Ingress::new(Arc::default());
            let m = Medium::cable(&a, &b, "a:b");
            let near = Arc::new(Endpoint::new(m.clone(), 0, a, clock.clone()));
            let far = Endpoint::new(m, 1, b, clock.clone());
            let serial = Serial::new(near.clone(), gated);
            let bench = Bench {
                xpcs: serial.xpcs(),
                serdes: serial.serdes(),
                serial,
                near,
                far,
                clock,
            };
            bench.near.set_phy(Some(PhyState::CAPABLE), false);
            bench.plug(PhyState::CAPABLE);
            bench
        }

        fn plug(&self, far: PhyState) {
            self.far.set_phy(Some(far), false);
            self.clock.advance(AN_TIME);
        }

        fn power_up(&mut self) {
            for gcr0 in [0x1030, 0x1031, 0x1035, 0x1005] {
                self.serdes.write(GCR0, gcr0);
            }
        }

        fn read(&mut self, reg: u16) -> u16 {
            self.xpcs.read_c45(MII, reg)
        }

        fn write(&mut self, reg: u16, value: u16) {
            self.xpcs.write_c45(MII, reg, value);
        }

        fn sgmii(&mut self) {
            self.write(SR_MII_CTRL, CTRL_DUPLEX | CTRL_SS6);
            self.write(VR_MII_AN_CTRL, AN_CTRL_MODE_SGMII);
            self.write(
                VR_MII_DIG_CTRL1,
                DIG_CTRL1_EN_VSMMD1 | DIG_CTRL1_MAC_AUTO_SW,
            );
            self.write(SR_MII_CTRL, CTRL_AN_ENABLE | CTRL_DUPLEX | CTRL_SS6);
        }

        fn passes(&self) -> bool {
            self.serial.link(self.near.link()).up
        }
    }

    #[test]
    fn identity() {
        let mut b = Bench::new(false);
        assert_eq!(
            (b.read(SR_MII_DEV_ID1), b.read(SR_MII_DEV_ID2)),
            (0x7996, 0xced0)
        );
        // No PCS of 10 Gbit/s, no PMA, no clause 22.
        assert_eq!(b.xpcs.read_c45(3, 2), 0);
        assert_eq!(b.xpcs.read_c45(1, 2), 0);
        assert_eq!(b.xpcs.read(2), 0xffff);
        assert_eq!(b.serdes.read_c45(MII, 2), 0xffff);
    }

    #[test]
    fn lane_acknowledges_in_order() {
        let mut b = Bench::new(false);
        assert_eq!(b.serdes.read(GSR0), POWER_P3);
        // Without the PLL the power state stays.
        b.serdes.write(GCR0, 0);
        assert_eq!(b.serdes.read(GSR0), POWER_P3);
        b.serdes.write(GCR0, PLL_CLK);
        assert_eq!(b.serdes.read(GSR0), PLL_CLK);
        assert!(!b.serial.clock());
        b.serdes.write(GCR0, PLL_CLK | LANE_RST);
        assert_eq!(b.serdes.read(GSR0), PLL_CLK | LANE_RST);
        assert!(b.serial.clock());
        assert_eq!(b.read(VR_MII_DIG_STS), DIG_STS_POWER_GOOD);
        b.serdes.write(GCR0, PLL_CLK | LANE_RST | POWER_P3);
        assert!(!b.serial.clock());
        b.serdes.write(GCR0, POWER_P3);
        assert_eq!(b.serdes.read(GSR0), POWER_P3);
        assert_eq!(b.serdes.read(GCR), GCR_1G);
    }

    #[test]
    fn gate_holds_the_clock() {
        let mut b = Bench::new(true);
        b.power_up();
        assert!(!b.serial.clock());
        b.serdes.write(GCR0, 0x1007);
        assert!(b.serial.clock());
    }

    #[test]
    fn sgmii_follows_the_phy() {
        let mut b = Bench::new(false);
        b.sgmii();
        assert_eq!(b.read(VR_MII_AN_INTR_STS), 0);
        b.power_up();
        assert!(b.passes());
        // Link, 1000, full, and the completion until it is cleared.
        assert_eq!(b.read(VR_MII_AN_INTR_STS), 0x1b);
        b.write(VR_MII_AN_INTR_STS, 0);
        assert_eq!(b.read(VR_MII_AN_INTR_STS), 0x1a);
        assert_eq!(b.read(SR_MII_STS) & STS_AN_CMPL, STS_AN_CMPL);
        assert_ne!(b.read(SR_MII_STS) & STS_LINK, 0);

        b.plug(PhyState {
            adv_1000: 0,
            ..PhyState::CAPABLE
        });
        assert!(b.passes());
        assert_eq!(b.read(VR_MII_AN_INTR_STS), 0x17);
        assert_eq!(b.read(SR_MII_STS) & STS_LINK, 0);
        assert_ne!(b.read(SR_MII_STS) & STS_LINK, 0);

        b.far.set_phy(None, false);
        assert!(!b.passes());
        assert_eq!(b.read(VR_MII_AN_INTR_STS), 0x01);
    }

    #[test]
    fn without_negotiation_the_speed_is_softwares() {
        let mut b = Bench::new(false);
        b.power_up();
        b.sgmii();
        b.write(SR_MII_CTRL, CTRL_DUPLEX | CTRL_SS13);
        assert_eq!(b.read(VR_MII_AN_INTR_STS) & !AN_INTR_CMPLT, 0);
        assert!(!b.passes());
        b.write(SR_MII_CTRL, CTRL_DUPLEX | CTRL_SS6);
        assert!(b.passes());
        // Nor does it switch by itself with negotiation only.
        b.write(VR_MII_DIG_CTRL1, DIG_CTRL1_EN_VSMMD1);
        b.write(SR_MII_CTRL, CTRL_AN_ENABLE | CTRL_SS13);
        assert!(!b.passes());
    }

    #[test]
    fn wrong_modes_pass_nothing() {
        let mut b = Bench::new(false);
        b.power_up();
        // After a reset: 1000BASE-X, whose negotiation a PHY does not answer.
        assert!(!b.passes());
        b.write(SR_MII_CTRL, CTRL_DUPLEX | CTRL_SS6);
        assert!(b.passes());
        b.sgmii();
        assert!(b.passes());
        b.write(VR_MII_DIG_CTRL1, DIG_CTRL1_MAC_AUTO_SW | DIG_CTRL1_EN_2_5G);
        assert!(!b.passes());
        b.sgmii();
        b.write(VR_MII_AN_CTRL, AN_CTRL_MODE_SGMII | AN_CTRL_TX_CONFIG);
        assert!(!b.passes());
        b.sgmii();
        b.write(SR_MII_CTRL, CTRL_AN_ENABLE | CTRL_LPM);
        assert!(!b.passes());
        b.sgmii();
        b.serdes.write(GCR0, 0x0105);
        assert!(!b.passes());
    }

    #[test]
    fn soft_reset_forgets() {
        let mut b = Bench::new(false);
        b.power_up();
        b.sgmii();
        b.write(VR_MII_EEE_MCTRL1, 0xffff);
        assert_eq!(b.read(VR_MII_EEE_MCTRL1), 1);
        b.write(SR_MII_CTRL, CTRL_RST);
        assert_eq!(b.read(SR_MII_CTRL), 0x1140);
        assert_eq!(b.read(VR_MII_AN_CTRL), 0);
        assert_eq!(b.read(VR_MII_EEE_MCTRL1), 0);
        assert!(b.serial.clock());
    }
}
