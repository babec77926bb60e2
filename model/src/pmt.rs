// SPDX-License-Identifier: GPL-2.0

//! Power management: magic packets and remote wake-up packets.

use crate::filter::Verdict;
use crate::gmac::Gmac;
use crate::regs::gmac4::*;
use crate::regs::{bit, field};

/// Filters.
const FILTERS: usize = 4;
/// Words behind MAC_RWK_Packet_Filter.
const WORDS: usize = 8;

// Bits of a filter's command.
const ENABLE: u32 = bit(0);
const AND_PREVIOUS: u32 = bit(1);
const INVERSE: u32 = bit(2);
const MULTICAST: u32 = bit(3);

/// The filters behind the register, and what they found.
#[derive(Clone, Debug, Default)]
pub struct Pmt {
    words: [u32; WORDS],
    next: usize,
    /// Events that the bus has not been told of.
    event: bool,
}

/// The CRC of the bytes that a filter looks at: x^16 + x^15 + x^2 + 1 from all ones, least
/// significant bit of each byte first.
pub fn crc16(bytes: impl Iterator<Item = u8>) -> u16 {
    let mut crc = 0xffffu16;
    for byte in bytes {
        for i in 0..8 {
            let feedback = (crc >> 15 ^ u16::from(byte >> i)) & 1;
            crc = crc << 1 ^ if feedback != 0 { 0x8005 } else { 0 };
        }
    }
    crc
}

/// Whether a frame has the magic sequence for an address anywhere in its payload.
pub fn is_magic(data: &[u8], addr: &[u8; 6]) -> bool {
    let Some(payload) = data.get(12..) else {
        return false;
    };
    payload.windows(6 + 16 * 6).any(|w| {
        let (sync, copies) = w.split_at(6);
        sync == [0xff; 6] && copies.chunks_exact(6).all(|c| c == addr)
    })
}

impl Pmt {
    /// Whether filter `i` by itself finds its pattern.
    fn matches(&self, i: usize, command: u32, data: &[u8]) -> bool {
        let multicast = data.first().is_some_and(|b| b & 1 != 0);
        if (command & MULTICAST != 0) != multicast {
            return false;
        }
        let mask = self.words[i];
        let offset = field(self.words[5], 8 * i as u32, 8) as usize;
        let want = field(self.words[6 + i / 2], 16 * (i as u32 % 2), 16);
        let picked = (0..31)
            .filter(|j| mask & bit(*j) != 0)
            .map(|j| data.get(offset + j as usize).copied());
        // A frame that ends before the pattern does not match, not even inversely.
        let Some(bytes) = picked.collect::<Option<Vec<u8>>>() else {
            return false;
        };
        (u32::from(crc16(bytes.into_iter())) == want) != (command & INVERSE != 0)
    }

    /// Whether a frame wakes by a filter.
    fn wakes(&self, data: &[u8]) -> bool {
        let command = |i: usize| field(self.words[4], 8 * i as u32, 4);
        let mut chain = false;
        for i in 0..FILTERS {
            let c = command(i);
            if c & ENABLE == 0 {
                chain = false;
                continue;
            }
            let hit = self.matches(i, c, data);
            chain = if c & AND_PREVIOUS != 0 && i > 0 {
                chain && hit
            } else {
                hit
            };
            // The result of a group is that of its last filter.
            let goes_on = i + 1 < FILTERS
                && command(i + 1) & (ENABLE | AND_PREVIOUS) == ENABLE | AND_PREVIOUS;
            if chain && !goes_on {
                return true;
            }
        }
        false
    }
}

impl Gmac {
    pub(crate) fn pmt_read(&mut self, off: u32) -> u32 {
        if off == MAC_RWK_FILTER {
            let v = self.pmt.words[self.pmt.next];
            self.pmt.next = (self.pmt.next + 1) % WORDS;
            return v;
        }
        self.regs.read(MAC_PMT) | (self.pmt.next as u32) << 24
    }

    pub(crate) fn pmt_filter_write(&mut self, value: u32, lanes: u32) {
        let word = &mut self.pmt.words[self.pmt.next];
        *word = *word & !lanes | value & lanes;
        self.pmt.next = (self.pmt.next + 1) % WORDS;
    }

    pub(crate) fn pmt_reset_pointer(&mut self) {
        self.pmt.next = 0;
    }

    /// Looks at an intact frame; returns whether it goes on to the queues.
    pub(crate) fn pmt_receive(&mut self, data: &[u8], verdict: &Verdict) -> bool {
        let control = self.regs.get(MAC_PMT);
        let enabled = PMT_MGKPKTEN | PMT_RWKPKTEN;
        if control & (enabled | PMT_PWRDWN) == 0 {
            return true;
        }
        let asleep = control & PMT_PWRDWN != 0;
        let waits = !asleep && control & PMT_RWKPKTEN != 0 && control & PMT_RWKPFE != 0;
        let magic = control & PMT_MGKPKTEN != 0 && verdict.da && is_magic(data, &self.address());
        let unicast = data.first().is_some_and(|b| b & 1 == 0);
        let pattern = control & PMT_RWKPKTEN != 0
            && verdict.da
            && (control & PMT_GLBLUCAST != 0 && unicast || self.pmt.wakes(data));
        if !magic && !pattern {
            return !asleep && !waits;
        }
        let mut received = 0;
        if magic {
            received |= PMT_MGKPRCVD;
        }
        if pattern {
            received |= PMT_RWKPRCVD;
        }
        self.regs.set_bits(MAC_PMT, received);
        self.regs.clear_bits(MAC_PMT, PMT_PWRDWN | PMT_RWKPFE);
        self.pmt.event = true;
        self.stats.wakeups += 1;
        tracing::info!(
            "{}: woken by a {} packet",
            self.cfg.name,
            if magic { "magic" } else { "wake-up" }
        );
        !asleep && (!waits || pattern)
    }

    /// Whether the receiver drops everything until it is woken.
    pub(crate) fn pmt_asleep(&self) -> bool {
        self.regs.get(MAC_PMT) & PMT_PWRDWN != 0
    }

    /// The bit of PMT in MAC_Interrupt_Status.
    pub(crate) fn pmt_int_status(&self) -> u32 {
        if self.regs.get(MAC_PMT) & (PMT_MGKPRCVD | PMT_RWKPRCVD) != 0 {
            INT_PMTIS
        } else {
            0
        }
    }

    /// Takes the event that PME tells the bus of.
    pub fn take_pme(&mut self) -> bool {
        std::mem::take(&mut self.pmt.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn magic(at: usize) -> Vec<u8> {
        let mut f = vec![0; at];
        f.resize(at.max(14), 0x11);
        f.extend_from_slice(&[0xff; 6]);
        for _ in 0..16 {
            f.extend_from_slice(&US);
        }
        f
    }

    #[test]
    fn crc_is_the_reflected_crc16_reversed() {
        // CRC-16/MODBUS of the check string is 0x4b37.
        assert_eq!(
            crc16(b"123456789".iter().copied()),
            0x4b37u16.reverse_bits()
        );
    }

    proptest! {
        #[test]
        fn magic_anywhere(at in 14usize..200, tail in 0usize..20, spoil in 0usize..102, bit in 0u8..8) {
            let mut f = magic(at);
            let n = f.len();
            f.resize(n + tail, 0x22);
            prop_assert!(is_magic(&f, &US));
            f[at + spoil] ^= 1 << bit;
            prop_assert!(!is_magic(&f, &US));
        }

        #[test]
        fn garbage_does_not_panic(words: [u32; 8], data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let p = Pmt { words, ..Pmt::default() };
            p.wakes(&data);
            is_magic(&data, &US);
        }
    }

    /// Filter `i` for the bytes `data[14..18]`.
    fn filter(p: &mut Pmt, i: usize, command: u32, data: &[u8]) {
        p.words[i] = 0xf;
        p.words[4] |= command << (8 * i);
        p.words[5] |= 14 << (8 * i);
        let crc = u32::from(crc16(data[14..18].iter().copied()));
        p.words[6 + i / 2] |= crc << (16 * (i % 2));
    }

    #[test]
    fn filters() {
        let mut f = vec![0; 60];
        f[..6].copy_from_slice(&US);
        f[14..18].copy_from_slice(b"wake");
        let mut other = f.clone();
        other[15] ^= 1;
        let mut p = Pmt::default();
        assert!(!p.wakes(&f));
        filter(&mut p, 2, ENABLE, &f);
        assert!(p.wakes(&f) && !p.wakes(&other) && !p.wakes(&f[..16]));
        // The pattern is for unicast.
        f[0] |= 1;
        assert!(!p.wakes(&f));
        f[0] &= !1;
        // Together with the previous one, which does not match.
        filter(&mut p, 1, ENABLE, &other);
        assert!(p.wakes(&f) && p.wakes(&other));
        p.words[4] |= AND_PREVIOUS << 16;
        assert!(!p.wakes(&f) && !p.wakes(&other));
        // Unless that one is inverse.
        p.words[4] |= INVERSE << 8;
        assert!(p.wakes(&f) && !p.wakes(&other));
    }
}
