// SPDX-License-Identifier: GPL-2.0

//! Safety features: ECC of the memories, parity of the data path, timeouts of state machines.
//!
//! Nothing here fails by itself. [`Gmac::safety_error`] makes an error happen.

use crate::gmac::Gmac;
use crate::regs::bit;
use crate::regs::gmac4::*;

/// Where an error is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// MAC_DPP_FSM_Interrupt_Status.
    Mac,
    /// MTL_ECC_Interrupt_Status.
    Mtl,
    /// DMA_ECC_Interrupt_Status.
    Dma,
}

/// What has to be switched on for an error to be seen: bits of MTL_ECC_Control, MTL_DPP_Control
/// or MAC_FSM_Control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    Ecc(u32),
    Parity,
    ExternalParity,
    FsmParity,
    Timeout,
}

use Block::*;
use Guard::*;

/// Databook name of the status bit, register, bit, what enables it.
const ERRORS: [(&str, Block, u32, Guard); 30] = [
    ("TXCES", Mtl, 0, Ecc(ECC_MTXEE)),
    ("TXAMS", Mtl, 1, Ecc(ECC_MTXEE)),
    ("TXUES", Mtl, 2, Ecc(ECC_MTXEE)),
    ("RXCES", Mtl, 4, Ecc(ECC_MRXEE)),
    ("RXAMS", Mtl, 5, Ecc(ECC_MRXEE)),
    ("RXUES", Mtl, 6, Ecc(ECC_MRXEE)),
    ("TCES", Dma, 0, Ecc(ECC_TSOEE)),
    ("TAMS", Dma, 1, Ecc(ECC_TSOEE)),
    ("TUES", Dma, 2, Ecc(ECC_TSOEE)),
    ("ATPES", Mac, 0, ExternalParity),
    ("TPES", Mac, 1, Parity),
    ("RDPES", Mac, 2, Parity),
    ("MPES", Mac, 3, Parity),
    ("MTSPES", Mac, 4, Parity),
    ("ARPES", Mac, 5, Parity),
    ("CWPES", Mac, 6, ExternalParity),
    ("ASRPES", Mac, 7, Parity),
    ("TTES", Mac, 8, Timeout),
    ("RTES", Mac, 9, Timeout),
    ("CTES", Mac, 10, Timeout),
    ("ATES", Mac, 11, Timeout),
    ("PTES", Mac, 12, Timeout),
    ("T125ES", Mac, 13, Timeout),
    ("R125ES", Mac, 14, Timeout),
    ("RVCTES", Mac, 15, Timeout),
    ("MSTTES", Mac, 16, Timeout),
    ("SLVTES", Mac, 17, Timeout),
    ("ATITES", Mac, 18, Timeout),
    ("ARITES", Mac, 19, Timeout),
    ("FSMPES", Mac, 24, FsmParity),
];

/// Correctable errors in MTL_ECC_Interrupt_Status and the bits that enable their interrupts.
const MTL_CORRECTABLE: u32 = bit(0) | bit(4);
const MTL_UNCORRECTABLE: u32 = bit(1) | bit(2) | bit(5) | bit(6);
const DMA_CORRECTABLE: u32 = bit(0);
const DMA_UNCORRECTABLE: u32 = bit(1) | bit(2);

/// Status bits of the three registers, for the table.
pub const MAC_ERRORS: u32 = 0x010f_ffff;
/// MTL_ECC_Interrupt_Status.
pub const MTL_ERRORS: u32 = MTL_CORRECTABLE | MTL_UNCORRECTABLE;
/// DMA_ECC_Interrupt_Status.
pub const DMA_ERRORS: u32 = DMA_CORRECTABLE | DMA_UNCORRECTABLE;

/// Levels of the two safety lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SafetyLines {
    /// A correctable error.
    pub correctable: bool,
    /// An uncorrectable error.
    pub uncorrectable: bool,
}

/// Names that [`Gmac::safety_error`] takes.
pub const ERROR_NAMES: [&str; ERRORS.len()] = {
    let mut names = [""; ERRORS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = ERRORS[i].0;
        i += 1;
    }
    names
};

impl Gmac {
    /// Makes an error happen, by the databook name of its status bit. Returns whether the core saw
    /// it: software may not have switched its detection on.
    pub fn safety_error(&mut self, name: &str) -> Result<bool, String> {
        let Some(&(_, block, n, guard)) = ERRORS.iter().find(|e| e.0.eq_ignore_ascii_case(name))
        else {
            return Err(format!(
                "no safety error '{name}'; there are: {}",
                ERROR_NAMES.join(", ")
            ));
        };
        let needed = match guard {
            Ecc(_) => 1,
            Parity | FsmParity | Timeout => 2,
            ExternalParity => 3,
        };
        if self.cfg.asp < needed {
            return Err(format!(
                "this port's safety package (asp={}) has no {name}; it needs asp={needed}",
                self.cfg.asp
            ));
        }
        let on = match guard {
            Ecc(bits) => self.regs.get(MTL_ECC_CONTROL) & bits,
            Parity => self.regs.get(MTL_DPP_CONTROL) & DPP_EDPP,
            ExternalParity => self.regs.get(MTL_DPP_CONTROL) & DPP_EPSI,
            FsmParity => self.regs.get(MAC_FSM_CONTROL) & FSM_PRTYEN,
            Timeout => self.regs.get(MAC_FSM_CONTROL) & FSM_TMOUTEN,
        };
        if on == 0 {
            return Ok(false);
        }
        let off = match block {
            Mac => MAC_DPP_FSM_STATUS,
            Mtl => MTL_ECC_STATUS,
            Dma => DMA_ECC_STATUS,
        };
        self.regs.set_bits(off, bit(n));
        Ok(true)
    }

    /// Correctable and uncorrectable errors of the MTL, the DMA, and errors of the MAC. Correctable
    /// ones count if their interrupt is enabled.
    fn safety_state(&self) -> [bool; 5] {
        let mtl = self.regs.get(MTL_ECC_STATUS);
        let dma = self.regs.get(DMA_ECC_STATUS);
        [
            mtl & MTL_CORRECTABLE & self.regs.get(MTL_ECC_INT_EN) != 0,
            mtl & MTL_UNCORRECTABLE != 0,
            dma & DMA_CORRECTABLE & self.regs.get(DMA_ECC_INT_EN) != 0,
            dma & DMA_UNCORRECTABLE != 0,
            self.regs.get(MAC_DPP_FSM_STATUS) != 0,
        ]
    }

    /// MTL_Safety_Interrupt_Status.
    pub(crate) fn mtl_safety_status(&self) -> u32 {
        let [corrected, failed, _, _, mac] = self.safety_state();
        u32::from(corrected) | u32::from(failed) << 1 | u32::from(mac) << 31
    }

    /// DMA_Safety_Interrupt_Status.
    pub(crate) fn dma_safety_status(&self) -> u32 {
        let [mtl_corrected, mtl_failed, corrected, failed, mac] = self.safety_state();
        u32::from(corrected)
            | u32::from(failed) << 1
            | u32::from(mtl_corrected) << 28
            | u32::from(mtl_failed) << 29
            | u32::from(mac) << 31
    }

    pub(crate) fn safety_lines(&self) -> SafetyLines {
        if self.cfg.asp == 0 {
            return SafetyLines::default();
        }
        let [mtl_corrected, mtl_failed, dma_corrected, dma_failed, mac] = self.safety_state();
        SafetyLines {
            correctable: mtl_corrected || dma_corrected,
            uncorrectable: mtl_failed || dma_failed || mac,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_covers_the_status_bits() {
        let all = |block| {
            ERRORS
                .iter()
                .filter(|e| e.1 == block)
                .fold(0, |v, e| v | bit(e.2))
        };
        assert_eq!(all(Mac), MAC_ERRORS);
        assert_eq!(all(Mtl), MTL_ERRORS);
        assert_eq!(all(Dma), DMA_ERRORS);
    }
}
