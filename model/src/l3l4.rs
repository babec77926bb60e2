// SPDX-License-Identifier: GPL-2.0

//! Filters for IP addresses and ports.

use crate::csum;
use crate::gmac::Gmac;
use crate::regs::gmac4::*;
use crate::regs::{bit, field};

// Bits of MAC_L3_L4_Control.
const L3PEN: u32 = bit(0);
const L3SAM: u32 = bit(2);
const L3SAIM: u32 = bit(3);
const L3DAM: u32 = bit(4);
const L3DAIM: u32 = bit(5);
const L4PEN: u32 = bit(16);
const L4SPM: u32 = bit(18);
const L4SPIM: u32 = bit(19);
const L4DPM: u32 = bit(20);
const L4DPIM: u32 = bit(21);
const DMCHEN: u32 = bit(28);

/// Writable bits of MAC_L3_L4_Control; more than one channel adds the choice of one.
pub const fn control_mask(channels: bool) -> u32 {
    0x003d_fffd | if channels { DMCHEN | 7 << 24 } else { 0 }
}

/// One filter's registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct L3L4 {
    /// MAC_L3_L4_Control.
    pub control: u32,
    /// MAC_Layer4_Address: destination and source port.
    pub ports: u32,
    /// MAC_Layer3_Address0-3.
    pub addrs: [u32; 4],
}

/// What the filters decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// With IPFE the packet is dropped.
    pub failed: bool,
    /// No TCP or UDP over IP.
    pub not_l4: bool,
    /// Number of the filter that matched.
    pub index: Option<usize>,
    /// Its addresses matched.
    pub l3: bool,
    /// Its ports matched.
    pub l4: bool,
    /// DMA channel that it asks for.
    pub channel: Option<usize>,
}

impl Verdict {
    /// The bits in RDES2.
    pub fn rdes2(&self) -> u32 {
        self.index.map_or(0, |i| (i as u32 & 7) << 29)
            | u32::from(self.l4) << 28
            | u32::from(self.l3) << 27
    }
}

/// Addresses as numbers.
#[derive(Clone, Copy, Debug)]
enum Addresses {
    V4(u32, u32),
    V6(u128, u128),
}

/// What the filters look at.
struct Packet {
    addrs: Addresses,
    /// UDP, source port, destination port.
    l4: Option<(bool, u16, u16)>,
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]))
}

fn be32(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(be16(data, at)?) << 16 | u32::from(be16(data, at + 2)?))
}

fn be128(data: &[u8], at: usize) -> Option<u128> {
    (0..4).try_fold(0, |v, i| {
        Some(v << 32 | u128::from(be32(data, at + 4 * i)?))
    })
}

fn parse(data: &[u8]) -> Option<Packet> {
    let (ethertype, l3) = csum::ethertype(data)?;
    let (addrs, protocol, at, fragment) = match ethertype {
        0x0800 => {
            let head = *data.get(l3)?;
            if head >> 4 != 4 || head & 0xf < 5 {
                return None;
            }
            let addrs = Addresses::V4(be32(data, l3 + 12)?, be32(data, l3 + 16)?);
            // Only a packet that begins a datagram has ports.
            let later = be16(data, l3 + 6)? & 0x1fff != 0;
            let at = l3 + usize::from(head & 0xf) * 4;
            (addrs, *data.get(l3 + 9)?, at, later)
        }
        0x86dd => {
            if *data.get(l3)? >> 4 != 6 {
                return None;
            }
            let addrs = Addresses::V6(be128(data, l3 + 8)?, be128(data, l3 + 24)?);
            (addrs, *data.get(l3 + 6)?, l3 + 40, false)
        }
        _ => return None,
    };
    let l4 = match (protocol, fragment) {
        (6 | 17, false) => be16(data, at)
            .zip(be16(data, at + 2))
            .map(|(s, d)| (protocol == 17, s, d)),
        _ => None,
    };
    Some(Packet { addrs, l4 })
}

impl L3L4 {
    fn has(&self, bits: u32) -> bool {
        self.control & bits != 0
    }

    /// `None`: the filter has nothing to say about the addresses of this packet.
    fn l3(&self, p: &Packet) -> Option<bool> {
        if !self.has(L3SAM | L3DAM) {
            return None;
        }
        let ok = |enabled, inverse, equal: bool| !self.has(enabled) || equal != self.has(inverse);
        match p.addrs {
            Addresses::V4(sa, da) if !self.has(L3PEN) => {
                let low = |shift| u32::MAX << field(self.control, shift, 5);
                let source = (sa ^ self.addrs[0]) & low(6) == 0;
                let destination = (da ^ self.addrs[1]) & low(11) == 0;
                Some(ok(L3SAM, L3SAIM, source) && ok(L3DAM, L3DAIM, destination))
            }
            Addresses::V6(sa, da) if self.has(L3PEN) => {
                // One address only; both fields together say how many bits do not count.
                let masked = field(self.control, 6, 7);
                let want = self
                    .addrs
                    .iter()
                    .rev()
                    .fold(0, |v, w| v << 32 | u128::from(*w));
                let equal = |a: u128| (a ^ want) & (u128::MAX << masked) == 0;
                Some(if self.has(L3SAM) {
                    ok(L3SAM, L3SAIM, equal(sa))
                } else {
                    ok(L3DAM, L3DAIM, equal(da))
                })
            }
            _ => None,
        }
    }

    fn l4(&self, p: &Packet) -> Option<bool> {
        if !self.has(L4SPM | L4DPM) {
            return None;
        }
        let (udp, source, destination) = p.l4?;
        if udp != self.has(L4PEN) {
            return None;
        }
        let ok = |enabled, inverse, equal: bool| !self.has(enabled) || equal != self.has(inverse);
        Some(
            ok(L4SPM, L4SPIM, source == self.ports as u16)
                && ok(L4DPM, L4DPIM, destination == (self.ports >> 16) as u16),
        )
    }
}

/// Applies all filters. A filter that looks at something the packet does not have (another
/// protocol, no ports) has no say; of those that have, one has to match.
pub fn apply(filters: &[L3L4], data: &[u8]) -> Verdict {
    let mut v = Verdict::default();
    let Some(p) = parse(data) else {
        return v;
    };
    v.not_l4 = p.l4.is_none();
    for (i, f) in filters.iter().enumerate() {
        let wants_l3 = f.has(L3SAM | L3DAM);
        let wants_l4 = f.has(L4SPM | L4DPM);
        let (l3, l4) = (f.l3(&p), f.l4(&p));
        // A filter for both needs both.
        if (!wants_l3 && !wants_l4) || (wants_l3 && l3.is_none()) || (wants_l4 && l4.is_none()) {
            continue;
        }
        if l3.unwrap_or(true) && l4.unwrap_or(true) {
            v.failed = false;
            v.index = Some(i);
            v.l3 = wants_l3;
            v.l4 = wants_l4;
            if f.has(DMCHEN) {
                v.channel = Some(field(f.control, 24, 3) as usize);
            }
            return v;
        }
        v.failed = true;
    }
    v
}

impl Gmac {
    fn l3l4_filters(&self) -> Vec<L3L4> {
        (0..u32::from(self.cfg.l3l4))
            .map(|i| {
                let base = MAC_L3L4 + i * L3L4_STRIDE;
                L3L4 {
                    control: self.regs.get(base),
                    ports: self.regs.get(base + 4),
                    addrs: std::array::from_fn(|k| self.regs.get(base + 0x10 + 4 * k as u32)),
                }
            })
            .collect()
    }

    /// Applies the filters to a frame; the second value says whether it is dropped.
    pub(crate) fn l3l4(&self, data: &[u8]) -> (Verdict, bool) {
        if self.cfg.l3l4 == 0 {
            return (Verdict::default(), false);
        }
        let filters = self.l3l4_filters();
        let v = apply(&filters, data);
        let control = self.regs.get(MAC_PACKET_FILTER);
        let l4 = filters.iter().any(|f| f.has(L4SPM | L4DPM));
        let dropped = control & FILTER_IPFE != 0
            && (v.failed || l4 && v.not_l4 && control & FILTER_DNTU != 0);
        (v, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    const SA: [u8; 4] = [192, 0, 2, 1];
    const DA: [u8; 4] = [198, 51, 100, 7];

    fn packet(six: bool, udp: bool) -> Vec<u8> {
        let eth = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let ip = if six {
            eth.ipv6(v6(1), v6(2), 64)
        } else {
            eth.ipv4(SA, DA, 64)
        };
        let mut out = Vec::new();
        if udp {
            ip.udp(1000, 2000).write(&mut out, b"hello").unwrap();
        } else {
            ip.tcp(1000, 2000, 3, 4).write(&mut out, b"hello").unwrap();
        }
        out
    }

    fn v6(last: u8) -> [u8; 16] {
        let mut a = [0x20; 16];
        a[15] = last;
        a
    }

    fn words(a: [u8; 16]) -> [u32; 4] {
        let n = u128::from_be_bytes(a);
        std::array::from_fn(|i| (n >> (32 * i)) as u32)
    }

    fn verdict(f: L3L4, data: &[u8]) -> Option<bool> {
        let v = apply(&[L3L4::default(), f], data);
        assert_eq!(v.index.is_some(), v.l3 || v.l4);
        assert!(!(v.failed && v.index.is_some()));
        match (v.failed, v.index) {
            (true, _) => Some(false),
            (false, Some(1)) => Some(true),
            (false, None) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_v4() {
        let p = packet(false, false);
        let f = |control, sa, da| L3L4 {
            control,
            addrs: [u32::from_be_bytes(sa), u32::from_be_bytes(da), 0, 0],
            ..L3L4::default()
        };
        assert_eq!(verdict(f(L3SAM, SA, SA), &p), Some(true));
        assert_eq!(verdict(f(L3SAM, DA, DA), &p), Some(false));
        assert_eq!(verdict(f(L3DAM, SA, DA), &p), Some(true));
        assert_eq!(verdict(f(L3SAM | L3SAIM, SA, DA), &p), Some(false));
        assert_eq!(verdict(f(L3SAM | L3SAIM, DA, DA), &p), Some(true));
        assert_eq!(verdict(f(L3SAM | L3DAM, SA, SA), &p), Some(false));
        assert_eq!(verdict(f(L3SAM | L3DAM, SA, DA), &p), Some(true));
        // The last eight bits do not count.
        let mut near = SA;
        near[3] = 200;
        assert_eq!(verdict(f(L3SAM | 8 << 6, near, DA), &p), Some(true));
        assert_eq!(verdict(f(L3SAM | 7 << 6, near, DA), &p), Some(false));
        // Not for this protocol.
        assert_eq!(verdict(f(L3SAM, DA, DA), &packet(true, false)), None);
        assert_eq!(verdict(f(L3SAM | L3PEN, DA, DA), &p), None);
    }

    #[test]
    fn addresses_v6() {
        let p = packet(true, true);
        let f = |control, a| L3L4 {
            control: control | L3PEN,
            addrs: words(a),
            ..L3L4::default()
        };
        assert_eq!(verdict(f(L3SAM, v6(1)), &p), Some(true));
        assert_eq!(verdict(f(L3SAM, v6(2)), &p), Some(false));
        assert_eq!(verdict(f(L3DAM, v6(2)), &p), Some(true));
        assert_eq!(verdict(f(L3DAM | L3DAIM, v6(2)), &p), Some(false));
        assert_eq!(verdict(f(L3DAM | 2 << 6, v6(1)), &p), Some(true));
        // 64 bits: six in the lower field, the rest in the upper one.
        let mut far = v6(1);
        far[8..].fill(0);
        assert_eq!(verdict(f(L3SAM | 64 << 6, far), &p), Some(true));
        assert_eq!(verdict(f(L3SAM | 61 << 6, far), &p), Some(false));
    }

    #[test]
    fn ports() {
        let f = |control, d: u32, s: u32| L3L4 {
            control,
            ports: d << 16 | s,
            ..L3L4::default()
        };
        for six in [false, true] {
            let tcp = packet(six, false);
            let udp = packet(six, true);
            assert_eq!(verdict(f(L4SPM, 0, 1000), &tcp), Some(true));
            assert_eq!(verdict(f(L4SPM, 1000, 0), &tcp), Some(false));
            assert_eq!(verdict(f(L4DPM, 2000, 0), &tcp), Some(true));
            assert_eq!(verdict(f(L4DPM | L4DPIM, 2000, 0), &tcp), Some(false));
            assert_eq!(verdict(f(L4DPM, 2000, 0), &udp), None);
            assert_eq!(verdict(f(L4DPM | L4PEN, 2000, 0), &udp), Some(true));
            assert_eq!(verdict(f(L4DPM | L4SPM, 2000, 1), &tcp), Some(false));
        }
        let mut fragment = packet(false, false);
        fragment[21] = 1;
        assert_eq!(verdict(f(L4DPM, 1, 0), &fragment), None);
    }

    #[test]
    fn one_of_several_is_enough() {
        let p = packet(false, false);
        let port = |n: u32, more| L3L4 {
            control: L4DPM | more,
            ports: n << 16,
            ..L3L4::default()
        };
        let v = apply(&[port(1, 0), port(2000, DMCHEN | 3 << 24)], &p);
        assert_eq!((v.failed, v.index, v.channel), (false, Some(1), Some(3)));
        assert_eq!(v.rdes2(), 1 << 29 | 1 << 28);
        assert!(apply(&[port(1, 0), port(2, 0)], &p).failed);
    }

    proptest! {
        #[test]
        fn garbage_does_not_panic(control: u32, ports: u32, addrs: [u32; 4], six: bool,
                                  mut data in proptest::collection::vec(any::<u8>(), 0..80)) {
            if data.len() > 14 {
                let t: [u8; 2] = if six { [0x86, 0xdd] } else { [8, 0] };
                data[12..14].copy_from_slice(&t);
                data[14] = if six { 0x60 } else { 0x45 };
            }
            apply(&[L3L4 { control, ports, addrs }], &data);
        }
    }
}
