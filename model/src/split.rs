// SPDX-License-Identifier: GPL-2.0

//! Where a received packet is split into header and payload.

use crate::csum;
use crate::regs::field;

/// What decides; taken from the registers.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// MAC_Ext_Configuration.
    pub ext: u32,
    /// MAC_Ext_Cfg1; on a core without it, zero.
    pub cfg1: u32,
    /// The checksum engine is on: it is what finds the headers of layers 3 and 4.
    pub checksums: bool,
}

impl Split {
    /// Length of the header, or zero if the packet is not split.
    pub fn header(&self, data: &[u8]) -> usize {
        let layer4 = || self.checksums.then(|| csum::header_length(data)).flatten();
        let layer2 = || {
            // The offset counts from the length or type field.
            let (_, l3) = csum::ethertype(data)?;
            Some(l3 - 2 + field(self.cfg1, 0, 7) as usize)
        };
        let at = match field(self.cfg1, 8, 2) {
            0 => layer4(),
            1 => layer2(),
            2 => layer4().or_else(layer2),
            _ => None,
        };
        let longest = 64 << field(self.ext, 20, 3).min(4);
        at.filter(|n| *n <= longest.min(1023) && *n <= data.len())
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const HDSMS_256: u32 = 2 << 20;

    fn split(cfg1: u32) -> Split {
        Split {
            ext: HDSMS_256,
            cfg1,
            checksums: true,
        }
    }

    fn udp() -> Vec<u8> {
        let mut v = Vec::new();
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([1, 1, 1, 1], [2, 2, 2, 2], 9)
            .udp(1, 2)
            .write(&mut v, &[0; 100])
            .unwrap();
        v
    }

    #[test]
    fn layer_3_and_4() {
        assert_eq!(split(0).header(&udp()), 42);
        let mut v = Vec::new();
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .single_vlan(5.try_into().unwrap())
            .ipv6([1; 16], [2; 16], 9)
            .tcp(1, 2, 3, 4)
            .options_raw(&[1; 12])
            .unwrap()
            .write(&mut v, &[0; 10])
            .unwrap();
        assert_eq!(split(0).header(&v), 18 + 40 + 32);
        // Another protocol, and a fragment: the IP header.
        let mut other = udp();
        other[23] = 47;
        assert_eq!(split(0).header(&other), 34);
        let mut fragment = udp();
        fragment[20] = 0x20;
        assert_eq!(split(0).header(&fragment), 34);
        // No IP, no checksum engine.
        let mut arp = udp();
        arp[12..14].copy_from_slice(&[8, 6]);
        assert_eq!(split(0).header(&arp), 0);
        let off = Split {
            checksums: false,
            ..split(0)
        };
        assert_eq!(off.header(&udp()), 0);
    }

    #[test]
    fn layer_2() {
        assert_eq!(split(1 << 8 | 2).header(&udp()), 14);
        let mut arp = udp();
        arp[12..14].copy_from_slice(&[8, 6]);
        assert_eq!(split(1 << 8 | 2).header(&arp), 14);
        assert_eq!(split(2 << 8 | 2).header(&arp), 14);
        assert_eq!(split(2 << 8 | 2).header(&udp()), 42);
        assert_eq!(split(3 << 8 | 2).header(&udp()), 0);
    }

    #[test]
    fn too_long_a_header_is_not_split() {
        let mut v = udp();
        let small = Split {
            ext: 0,
            ..split(1 << 8 | 52)
        };
        assert_eq!(small.header(&v), 64);
        let small = Split {
            ext: 0,
            ..split(1 << 8 | 53)
        };
        assert_eq!(small.header(&v), 0);
        v.truncate(20);
        assert_eq!(split(1 << 8 | 52).header(&v), 0);
    }
}
