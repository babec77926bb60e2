// SPDX-License-Identifier: GPL-2.0

//! GMAC4 descriptors: four words, a format to read and one to write back.

use crate::mem::{DmaResult, GuestMem};
use crate::regs::{bit, field};

/// OWN: the DMA may use the descriptor.
pub const OWN: u32 = bit(31);
/// CTXT: context descriptor (TX both formats, RX write-back).
pub const CTXT: u32 = bit(30);
/// RX read format: interrupt on completion.
pub const RX_IOC: u32 = bit(30);
/// First descriptor.
pub const FD: u32 = bit(29);
/// Last descriptor.
pub const LD: u32 = bit(28);
/// RX read format: buffer 2 is valid.
pub const RX_BUF2V: u32 = bit(25);
/// RX read format: buffer 1 is valid.
pub const RX_BUF1V: u32 = bit(24);

/// TX context: the outer VLAN tag is valid.
pub const TX_VLTV: u32 = bit(16);
/// TX context: the inner VLAN tag is valid.
pub const TX_IVLTV: u32 = bit(17);
/// TX context: the MSS (or the one-step correction) is valid.
pub const TX_TCMSSV: u32 = bit(26);
/// TX context: the descriptor carries a one-step timestamp correction.
pub const TX_OSTC: u32 = bit(27);

/// TX write-back: TDES0 and TDES1 hold a time stamp.
pub const TX_TTSS: u32 = bit(17);
/// TX write-back: descriptor error.
pub const TX_DE: u32 = bit(23);
/// TX write-back: error summary.
pub const TX_ES: u32 = bit(15);
/// TX write-back: jabber timeout.
pub const TX_JT: u32 = bit(14);
/// TX write-back: packet flushed.
pub const TX_FF: u32 = bit(13);
/// TX write-back: payload checksum error.
pub const TX_PCE: u32 = bit(12);
/// TX write-back: underflow.
pub const TX_UF: u32 = bit(2);
/// TX write-back: IP header error.
pub const TX_IHE: u32 = bit(0);

/// RX write-back: RDES2 valid.
pub const RX_RS2V: u32 = bit(27);
/// RX write-back: RDES0 valid.
pub const RX_RS0V: u32 = bit(25);
/// RX write-back: RDES1 valid.
pub const RX_RS1V: u32 = bit(26);
/// RX write-back: CRC error.
pub const RX_CE: u32 = bit(24);
/// RX write-back: giant packet.
pub const RX_GP: u32 = bit(23);
/// RX write-back: watchdog timeout.
pub const RX_RWT: u32 = bit(22);
/// RX write-back: receive error.
pub const RX_RE: u32 = bit(20);
/// RX write-back: dribble bit error.
pub const RX_DE: u32 = bit(19);
/// RX write-back: error summary.
pub const RX_ES: u32 = bit(15);

/// A descriptor in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desc {
    /// The four words.
    pub w: [u32; 4],
}

impl Desc {
    /// Reads a descriptor; the word with OWN first.
    pub fn load(mem: &GuestMem, addr: u64) -> DmaResult<Desc> {
        let w3 = mem.load(addr + 12)?;
        if w3 & OWN == 0 {
            return Ok(Desc { w: [0, 0, 0, w3] });
        }
        let mut raw = [0; 12];
        mem.read(addr, &mut raw)?;
        let word = |i: usize| u32::from_le_bytes([raw[i], raw[i + 1], raw[i + 2], raw[i + 3]]);
        Ok(Desc {
            w: [word(0), word(4), word(8), w3],
        })
    }

    /// Writes a descriptor back; the word with OWN last.
    pub fn store(&self, mem: &GuestMem, addr: u64) -> DmaResult<()> {
        let mut raw = [0; 12];
        for (chunk, word) in raw.chunks_exact_mut(4).zip(self.w) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        mem.write(addr, &raw)?;
        mem.store(addr + 12, self.w[3])
    }

    /// Whether the DMA owns it.
    pub fn own(&self) -> bool {
        self.w[3] & OWN != 0
    }
}

/// A transmit descriptor in its read format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxRead {
    /// Address and length of buffer 1.
    pub buf1: (u64, u32),
    /// Address and length of buffer 2; with wide addresses there is none.
    pub buf2: (u64, u32),
    /// Interrupt on completion.
    pub ioc: bool,
    /// Take a time stamp (in the first descriptor).
    pub ttse: bool,
    /// First descriptor.
    pub first: bool,
    /// Last descriptor.
    pub last: bool,
    /// Context descriptor.
    pub context: bool,
    /// CRC and pad control.
    pub cpc: u32,
    /// Checksum insertion control.
    pub cic: u32,
    /// Source address insertion control.
    pub saic: u32,
    /// VLAN tag insertion or replacement.
    pub vtir: u32,
    /// Segment the packet (TSE): then `tpl` takes the place of `cic`, and `hl` is buffer 1's length.
    pub tse: bool,
    /// Length of the header to segment with.
    pub hl: u32,
    /// Length of the transport header in words.
    pub thl: u32,
    /// Length of the payload to segment.
    pub tpl: u32,
}

impl TxRead {
    /// Decodes; `wide` says that TDES1 holds the upper bits of buffer 1's address.
    pub fn decode(d: &Desc, wide: bool) -> TxRead {
        let len1 = field(d.w[2], 0, 14);
        let len2 = field(d.w[2], 16, 14);
        let (buf1, buf2) = if wide {
            ((u64::from(d.w[1]) << 32 | u64::from(d.w[0]), len1), (0, 0))
        } else {
            ((u64::from(d.w[0]), len1), (u64::from(d.w[1]), len2))
        };
        TxRead {
            buf1,
            buf2,
            ioc: d.w[2] & bit(31) != 0,
            ttse: d.w[2] & bit(30) != 0,
            first: d.w[3] & FD != 0,
            last: d.w[3] & LD != 0,
            context: d.w[3] & CTXT != 0,
            cpc: field(d.w[3], 26, 2),
            cic: field(d.w[3], 16, 2),
            saic: field(d.w[3], 23, 3),
            vtir: field(d.w[2], 14, 2),
            tse: d.w[3] & bit(18) != 0,
            hl: field(d.w[2], 0, 10),
            thl: field(d.w[3], 19, 4),
            tpl: field(d.w[3], 0, 18),
        }
    }
}

/// A receive descriptor in its read format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxRead {
    /// Address of buffer 1, if valid.
    pub buf1: Option<u64>,
    /// Address of buffer 2, if valid.
    pub buf2: Option<u64>,
    /// Interrupt on completion.
    pub ioc: bool,
}

impl RxRead {
    /// Decodes; `wide` says that RDES1 and RDES3 hold the upper bits of the addresses.
    pub fn decode(d: &Desc, wide: bool) -> RxRead {
        let high = |word: u32| if wide { u64::from(word) << 32 } else { 0 };
        RxRead {
            buf1: (d.w[3] & RX_BUF1V != 0).then(|| high(d.w[1]) | u64::from(d.w[0])),
            buf2: (d.w[3] & RX_BUF2V != 0).then(|| high(field(d.w[3], 0, 16)) | u64::from(d.w[2])),
            ioc: d.w[3] & RX_IOC != 0,
        }
    }
}
