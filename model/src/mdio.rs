// SPDX-License-Identifier: GPL-2.0

//! Station management: the MDIO master behind MAC_MDIO_Address and MAC_MDIO_Data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::phy::Phy;
use crate::regs::{bit, field};

/// MAC_MDIO_Address: busy.
pub const GB: u32 = bit(0);
const C45E: u32 = bit(1);
const PSE: u32 = bit(27);

/// The bus and its master.
#[derive(Default)]
pub struct Mdio {
    phys: BTreeMap<u8, Box<dyn Phy>>,
    /// Addresses of devices in the same chip as the master.
    inside: BTreeSet<u8>,
    pending: Option<Pending>,
    /// No device outside answers.
    silent: bool,
    /// Register address that a C45 device last got.
    c45_addr: u16,
}

struct Pending {
    addr: u32,
    data: u32,
    done: Duration,
    /// Software has seen it busy.
    seen: bool,
}

/// CSR clock divided by this gives MDC.
pub fn divider(cr: u32) -> u32 {
    match cr {
        0 => 42,
        1 => 62,
        2 => 16,
        3 => 26,
        4 => 102,
        5 => 124,
        6 => 204,
        7 => 324,
        n => (n - 6) * 2,
    }
}

impl Mdio {
    /// Puts a device on the bus.
    pub fn attach(&mut self, addr: u8, phy: Box<dyn Phy>) {
        self.phys.insert(addr, phy);
    }

    /// Puts a device on the bus that is in the same chip as the master.
    pub fn attach_inside(&mut self, addr: u8, device: Box<dyn Phy>) {
        self.inside.insert(addr);
        self.attach(addr, device);
    }

    /// The device at an address.
    pub fn phy(&self, addr: u8) -> Option<&dyn Phy> {
        self.phys.get(&addr).map(|p| p.as_ref())
    }

    /// Takes the devices outside off the bus, or puts them back as they were.
    pub fn silence(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Resets the devices on the bus.
    pub fn reset_phys(&mut self) {
        self.pending = None;
        for phy in self.phys.values_mut() {
            phy.reset();
        }
    }

    /// Forgets an access under way.
    pub fn abort(&mut self) {
        self.pending = None;
    }

    /// Starts an access; `false` if one is under way.
    pub fn start(&mut self, addr: u32, data: u32, csr_hz: u64, now: Duration) -> bool {
        if self.pending.is_some() {
            return false;
        }
        // Preamble and frame; clause 45 takes an address frame as well.
        let mut bits = if addr & PSE != 0 { 33 } else { 64 };
        if addr & C45E != 0 {
            bits *= 2;
        }
        let ns = bits * u64::from(divider(field(addr, 8, 4))) * 1_000_000_000 / csr_hz;
        self.pending = Some(Pending {
            addr,
            data,
            done: now + Duration::from_nanos(ns),
            seen: false,
        });
        true
    }

    /// Whether an access is under way.
    pub fn busy(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the access under way takes longer than until `now`.
    pub fn lasts(&self, now: Duration) -> bool {
        self.pending.as_ref().is_some_and(|p| now < p.done)
    }

    /// Finishes the access when its time has come; gives the value of a read.
    ///
    /// A guest that its host held up looks twice in quick succession and gives up, although it had
    /// waited long enough by its own clock. So the second look at the busy bit finds it clear.
    pub fn poll(&mut self, now: Duration) -> Option<Option<u16>> {
        let p = self.pending.as_mut()?;
        if now < p.done && !p.seen {
            p.seen = true;
            return None;
        }
        let p = self.pending.take()?;
        let pa = field(p.addr, 21, 5) as u8;
        let reg = field(p.addr, 16, 5) as u8;
        let c45 = p.addr & C45E != 0;
        let skip_address = p.addr & bit(4) != 0;
        let value = p.data as u16;
        if c45 && !skip_address {
            self.c45_addr = (p.data >> 16) as u16;
        }
        let answers = !self.silent || self.inside.contains(&pa);
        let phy = self.phys.get_mut(&pa).filter(|_| answers);
        Some(match field(p.addr, 2, 2) {
            1 => {
                if let Some(phy) = phy {
                    if c45 {
                        phy.write_c45(reg, self.c45_addr, value);
                    } else {
                        phy.write(reg, value);
                    }
                }
                None
            }
            goc @ 2..=3 => {
                let v = phy.map_or(0xffff, |phy| {
                    if c45 {
                        phy.read_c45(reg, self.c45_addr)
                    } else {
                        phy.read(reg)
                    }
                });
                if c45 && goc == 2 {
                    self.c45_addr = self.c45_addr.wrapping_add(1);
                }
                Some(v)
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Link;

    /// Answers both clauses and remembers what it was told.
    #[derive(Default)]
    struct Echo {
        c22: BTreeMap<u8, u16>,
        c45: BTreeMap<(u8, u16), u16>,
    }

    impl Phy for Echo {
        fn reset(&mut self) {}
        fn read(&mut self, reg: u8) -> u16 {
            self.c22.get(&reg).copied().unwrap_or(0)
        }
        fn write(&mut self, reg: u8, value: u16) {
            self.c22.insert(reg, value);
        }
        fn read_c45(&mut self, dev: u8, reg: u16) -> u16 {
            self.c45.get(&(dev, reg)).copied().unwrap_or(0)
        }
        fn write_c45(&mut self, dev: u8, reg: u16, value: u16) {
            self.c45.insert((dev, reg), value);
        }
        fn link(&self) -> Link {
            Link::default()
        }
    }

    const T: Duration = Duration::from_millis(1);

    fn bus() -> Mdio {
        let mut m = Mdio::default();
        m.attach(5, Box::new(Echo::default()));
        m
    }

    fn access(m: &mut Mdio, pa: u32, reg: u32, op: u32, data: u32) -> Option<u16> {
        assert!(m.start(
            pa << 21 | reg << 16 | 4 << 8 | op | GB,
            data,
            200_000_000,
            Duration::ZERO
        ));
        m.poll(T).unwrap()
    }

    #[test]
    fn clause_22() {
        let mut m = bus();
        assert_eq!(access(&mut m, 5, 7, 1 << 2, 0xbeef), None);
        assert_eq!(access(&mut m, 5, 7, 3 << 2, 0), Some(0xbeef));
        assert_eq!(access(&mut m, 6, 7, 3 << 2, 0), Some(0xffff));
    }

    #[test]
    fn clause_45_with_post_increment() {
        let mut m = bus();
        let c45 = C45E;
        access(&mut m, 5, 3, 1 << 2 | c45, 0x0100_1111);
        access(&mut m, 5, 3, 1 << 2 | c45, 0x0101_2222);
        assert_eq!(
            access(&mut m, 5, 3, 2 << 2 | c45, 0x0100_0000),
            Some(0x1111)
        );
        // Without an address frame the incremented address is used.
        assert_eq!(access(&mut m, 5, 3, 3 << 2 | c45 | bit(4), 0), Some(0x2222));
        assert_eq!(access(&mut m, 1, 3, 3 << 2 | c45, 0), Some(0xffff));
    }

    #[test]
    fn busy_for_the_length_of_a_frame() {
        let mut m = bus();
        // 64 bits at 200 MHz / 102.
        m.start(
            5 << 21 | 4 << 8 | 3 << 2 | GB,
            0,
            200_000_000,
            Duration::ZERO,
        );
        assert!(!m.start(GB, 0, 200_000_000, Duration::ZERO));
        assert!(m.poll(Duration::from_nanos(32_639)).is_none());
        assert!(m.busy());
        assert!(m.poll(Duration::from_nanos(32_639)).is_some());
        assert!(!m.busy());
        m.start(GB | 3 << 2, 0, 200_000_000, Duration::ZERO);
        assert!(m.poll(Duration::from_nanos(65_000)).is_some());
    }

    #[test]
    fn dividers() {
        assert_eq!(divider(4), 102);
        assert_eq!(divider(8), 4);
        assert_eq!(divider(15), 18);
    }
}
