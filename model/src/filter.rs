// SPDX-License-Identifier: GPL-2.0

//! The address filter.

use crate::regs::gmac4::*;
use crate::regs::{bit, field};

/// What the filter reads; taken from the registers.
pub struct Filter<'a> {
    /// MAC_Packet_Filter.
    pub control: u32,
    /// MAC_Hash_Table; empty when the option is absent.
    pub hash: &'a [u32],
    /// MAC_AddressN_High and Low.
    pub addrs: &'a [(u32, u32)],
}

/// What the filter decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The destination passed.
    pub da: bool,
    /// The source passed.
    pub sa: bool,
    /// The hash filter matched.
    pub hash: bool,
    /// Number of the address register that matched.
    pub index: Option<usize>,
}

/// The bit in a hash table of `bits` entries: the upper bits of the bit-reversed CRC.
pub fn hash_index(addr: &[u8; 6], bits: u32) -> u32 {
    let crc = crc32fast::hash(addr).reverse_bits();
    crc >> (32 - bits.trailing_zeros())
}

impl Filter<'_> {
    fn perfect(&self, addr: &[u8; 6], source: bool) -> Option<usize> {
        self.addrs.iter().position(|&(high, low)| {
            let enabled = high & bit(31) != 0;
            let for_source = high & bit(30) != 0;
            if !enabled || for_source != source {
                return false;
            }
            let mask = field(high, 24, 6);
            let h = (high as u16).to_le_bytes();
            let l = low.to_le_bytes();
            let want = [l[0], l[1], l[2], l[3], h[0], h[1]];
            (0..6).all(|i| mask & bit(i as u32) != 0 || want[i] == addr[i])
        })
    }

    fn hashed(&self, addr: &[u8; 6]) -> bool {
        if self.hash.is_empty() {
            return false;
        }
        let n = hash_index(addr, self.hash.len() as u32 * 32);
        self.hash[(n / 32) as usize] & bit(n % 32) != 0
    }

    /// Applies the filter to a destination and a source address.
    pub fn apply(&self, da: &[u8; 6], sa: &[u8; 6]) -> Verdict {
        let c = |b| self.control & b != 0;
        let mut v = Verdict {
            sa: true,
            ..Verdict::default()
        };
        // Promiscuous: neither address fails.
        if c(FILTER_SAF) && !c(FILTER_PR) {
            v.sa = self.perfect(sa, true).is_some() != c(FILTER_SAIF);
        }
        v.index = self.perfect(da, false);
        if *da == [0xff; 6] {
            v.da = c(FILTER_PR) || !c(FILTER_DBF);
            return v;
        }
        let multicast = da[0] & 1 != 0;
        let use_hash = c(if multicast { FILTER_HMC } else { FILTER_HUC }) && !self.hash.is_empty();
        v.hash = use_hash && self.hashed(da);
        let matched = if use_hash {
            v.hash || (c(FILTER_HPF) && v.index.is_some())
        } else {
            v.index.is_some()
        };
        v.da = c(FILTER_PR) || (multicast && c(FILTER_PM)) || matched != c(FILTER_DAIF);
        v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 0xfb];
    const ALL: [u8; 6] = [0xff; 6];

    fn reg(a: [u8; 6], bits: u32) -> (u32, u32) {
        (
            bits | u32::from(u16::from_le_bytes([a[4], a[5]])),
            u32::from_le_bytes([a[0], a[1], a[2], a[3]]),
        )
    }

    fn da(control: u32, hash: &[u32], addrs: &[(u32, u32)], to: [u8; 6]) -> bool {
        Filter {
            control,
            hash,
            addrs,
        }
        .apply(&to, &OTHER)
        .da
    }

    #[test]
    fn perfect_unicast_and_broadcast() {
        let a = [reg(US, bit(31)), reg(OTHER, 0)];
        assert!(da(0, &[0, 0], &a, US));
        assert!(!da(0, &[0, 0], &a, OTHER));
        assert!(da(FILTER_PR, &[0, 0], &a, OTHER));
        assert!(!da(FILTER_DAIF, &[0, 0], &a, US));
        assert!(da(FILTER_DAIF, &[0, 0], &a, OTHER));
        assert!(da(0, &[0, 0], &a, ALL));
        assert!(!da(FILTER_DBF, &[0, 0], &a, ALL));
    }

    #[test]
    fn byte_mask() {
        let a = [reg(US, bit(31) | bit(24 + 5))];
        assert!(da(0, &[], &a, OTHER));
    }

    #[test]
    fn multicast_modes() {
        let a = [reg(US, bit(31)), reg(GROUP, bit(31))];
        assert!(da(0, &[0, 0], &a, GROUP));
        assert!(!da(FILTER_HMC, &[0, 0], &a, GROUP));
        assert!(da(FILTER_HMC | FILTER_HPF, &[0, 0], &a, GROUP));
        assert!(da(FILTER_PM, &[0, 0], &a[..1], GROUP));
        assert!(!da(FILTER_HMC | FILTER_HPF, &[0, 0], &a[..1], GROUP));
        // Without the option the hash bits mean nothing.
        assert!(da(FILTER_HMC, &[], &a, GROUP));
    }

    /// The reference is the CRC as IEEE 802.3 writes it, bit by bit.
    #[test]
    fn hash_index_is_the_top_of_the_crc_register() {
        for addr in [US, GROUP, [0x33, 0x33, 0xff, 1, 2, 3]] {
            let mut crc = u32::MAX;
            for byte in addr {
                for i in 0..8 {
                    let b = u32::from(byte >> i & 1);
                    let top = crc >> 31;
                    crc <<= 1;
                    if top ^ b != 0 {
                        crc ^= 0x04c1_1db7;
                    }
                }
            }
            let crc = !crc;
            for bits in [64u32, 128, 256] {
                let n = hash_index(&addr, bits);
                assert_eq!(n, crc >> (32 - bits.trailing_zeros()));
                let mut table = vec![0; (bits / 32) as usize];
                table[(n / 32) as usize] = bit(n % 32);
                assert!(da(FILTER_HMC | FILTER_HUC, &table, &[], addr));
                table[(n / 32) as usize] = !bit(n % 32);
                assert!(!da(FILTER_HMC | FILTER_HUC, &table, &[], addr));
            }
        }
    }

    #[test]
    fn source_filter() {
        let addrs = [reg(US, bit(31)), reg(OTHER, bit(31) | bit(30))];
        let sa = |control, from| {
            Filter {
                control,
                hash: &[],
                addrs: &addrs,
            }
            .apply(&US, &from)
            .sa
        };
        assert!(sa(FILTER_SAF, OTHER));
        assert!(!sa(FILTER_SAF, US));
        assert!(sa(FILTER_SAF | FILTER_SAIF, US));
        assert!(sa(FILTER_SAF | FILTER_PR, US));
        assert!(sa(0, US));
    }
}
