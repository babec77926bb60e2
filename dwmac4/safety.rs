// SPDX-License-Identifier: GPL-2.0

//! Safety package, from 5.10 on: ECC of the memories, parity of the data path, parity and timeouts
//! of the state machines.

use kernel::{
    io::{
        register,
        Io, //
    },
    prelude::*, //
};

use crate::{
    hwif::{
        self,
        features::SafetyPackage,
        Features,
        Mmio, //
    },
    safety::{
        Errors,
        Known, //
    },
};

register! {
    /// Errors of data path and state machines; written ones are cleared.
    pub(super) MAC_DPP_FSM_INTERRUPT_STATUS(u32) @ 0x0140 {
        31:0 status;
    }

    /// What is looked for in the state machines.
    pub(super) MAC_FSM_CONTROL(u32) @ 0x0148 {
        /// PRTYEN: parity.
        1:1 prtyen => bool;
        /// TMOUTEN: timeouts.
        0:0 tmouten => bool;
    }

    /// Memories with ECC.
    pub(super) MTL_ECC_CONTROL(u32) @ 0x0cc0 {
        /// TSOEE: segmentation engine.
        4:4 tsoee => bool;
        /// MRXPEE: receive parser.
        3:3 mrxpee => bool;
        /// MESTEE: gate control lists.
        2:2 mestee => bool;
        /// MRXEE: receive FIFO.
        1:1 mrxee => bool;
        /// MTXEE: transmit FIFO.
        0:0 mtxee => bool;
    }

    /// Corrected errors that interrupt; all others do so anyway.
    pub(super) MTL_ECC_INTERRUPT_ENABLE(u32) @ 0x0cc8 {
        /// RPCEIE: receive parser.
        12:12 rpceie => bool;
        /// ECEIE: gate control lists.
        8:8 eceie => bool;
        /// RXCEIE: receive FIFO.
        4:4 rxceie => bool;
        /// TXCEIE: transmit FIFO.
        0:0 txceie => bool;
    }

    /// Errors of the MTL's memories; written ones are cleared.
    pub(super) MTL_ECC_INTERRUPT_STATUS(u32) @ 0x0ccc {
        31:0 status;
    }

    /// Parity of the data path.
    pub(super) MTL_DPP_CONTROL(u32) @ 0x0ce0 {
        /// EPSI: parity at the interfaces to the outside, which has to take part.
        2:2 epsi => bool;
        /// OPE: odd parity.
        1:1 ope => bool;
        /// EDPP: parity is generated and checked.
        0:0 edpp => bool;
    }

    /// What interrupts.
    pub(super) DMA_SAFETY_INTERRUPT_STATUS(u32) @ 0x1080 {
        /// MCSIS: MAC_DPP_FSM_Interrupt_Status.
        31:31 mcsis => bool;
        /// MSUIS: MTL_ECC_Interrupt_Status, not corrected.
        29:29 msuis => bool;
        /// MSCIS: MTL_ECC_Interrupt_Status, corrected.
        28:28 mscis => bool;
        /// DEUIS: DMA_ECC_Interrupt_Status, not corrected.
        1:1 deuis => bool;
        /// DECIS: DMA_ECC_Interrupt_Status, corrected.
        0:0 decis => bool;
    }

    /// Corrected errors that interrupt; all others do so anyway.
    pub(super) DMA_ECC_INTERRUPT_ENABLE(u32) @ 0x1084 {
        /// TCEIE: segmentation engine.
        0:0 tceie => bool;
    }

    /// Errors of the DMA's memories; written ones are cleared.
    pub(super) DMA_ECC_INTERRUPT_STATUS(u32) @ 0x1088 {
        31:0 status;
    }
}

// Words of `Errors`: the status registers as they are.
const MAC: usize = 0;
const MTL: usize = 1;
const DMA: usize = 2;

const fn corrected(word: usize, bit: u32, name: &'static CStr, text: &'static str) -> Known {
    Known {
        word,
        bit,
        corrected: true,
        name,
        text,
    }
}

const fn fatal(word: usize, bit: u32, name: &'static CStr, text: &'static str) -> Known {
    Known {
        word,
        bit,
        corrected: false,
        name,
        text,
    }
}

/// All errors. The names are those of the status bits.
pub(crate) static ERRORS: [Known; 36] = [
    fatal(MAC, 0, c"safety_atpes", "transmit interface parity"),
    fatal(MAC, 1, c"safety_tpes", "segmentation data parity"),
    fatal(MAC, 2, c"safety_rdpes", "descriptor parity"),
    fatal(MAC, 3, c"safety_mpes", "MTL data parity"),
    fatal(MAC, 4, c"safety_mtspes", "transmit status parity"),
    fatal(MAC, 5, c"safety_arpes", "receive interface parity"),
    fatal(MAC, 6, c"safety_cwpes", "register write parity"),
    fatal(MAC, 7, c"safety_asrpes", "register read parity"),
    fatal(MAC, 8, c"safety_ttes", "transmitter timeout"),
    fatal(MAC, 9, c"safety_rtes", "receiver timeout"),
    fatal(MAC, 10, c"safety_ctes", "CSR timeout"),
    fatal(MAC, 11, c"safety_ates", "application clock timeout"),
    fatal(MAC, 12, c"safety_ptes", "PTP timeout"),
    fatal(MAC, 13, c"safety_t125es", "125 MHz transmit clock timeout"),
    fatal(MAC, 14, c"safety_r125es", "125 MHz receive clock timeout"),
    fatal(MAC, 15, c"safety_rvctes", "RevMII clock timeout"),
    fatal(MAC, 16, c"safety_msttes", "bus master timeout"),
    fatal(MAC, 17, c"safety_slvtes", "bus slave timeout"),
    fatal(MAC, 18, c"safety_atites", "transmit interface timeout"),
    fatal(MAC, 19, c"safety_arites", "receive interface timeout"),
    fatal(MAC, 24, c"safety_fsmpes", "state machine parity"),
    corrected(MTL, 0, c"safety_txces", "transmit FIFO"),
    fatal(MTL, 1, c"safety_txams", "address in the transmit FIFO"),
    fatal(MTL, 2, c"safety_txues", "transmit FIFO"),
    corrected(MTL, 4, c"safety_rxces", "receive FIFO"),
    fatal(MTL, 5, c"safety_rxams", "address in the receive FIFO"),
    fatal(MTL, 6, c"safety_rxues", "receive FIFO"),
    corrected(MTL, 8, c"safety_eces", "gate control list"),
    fatal(MTL, 9, c"safety_eams", "address in a gate control list"),
    fatal(MTL, 10, c"safety_eues", "gate control list"),
    corrected(MTL, 12, c"safety_rpces", "receive parser"),
    fatal(MTL, 13, c"safety_rpams", "address in the receive parser"),
    fatal(MTL, 14, c"safety_rpues", "receive parser"),
    corrected(DMA, 0, c"safety_tces", "segmentation memory"),
    fatal(DMA, 1, c"safety_tams", "address in the segmentation memory"),
    fatal(DMA, 2, c"safety_tues", "segmentation memory"),
];

/// Whether there is more than ECC.
pub(super) const fn has_parity(features: &Features) -> bool {
    matches!(
        features.safety,
        SafetyPackage::AllButParityPort | SafetyPackage::All
    )
}

/// The safety package of releases from 5.10 on.
pub(super) struct Safety;

impl hwif::Safety for Safety {
    fn known(&self) -> &'static [Known] {
        &ERRORS
    }

    fn enable(&self, io: Mmio<'_>, features: &Features) {
        io.write_reg(
            MTL_ECC_CONTROL::zeroed()
                .with_mtxee(true)
                .with_mrxee(true)
                .with_mestee(features.est)
                .with_mrxpee(features.rx_parser)
                .with_tsoee(features.tso),
        );
        self.let_corrected(io, features, true);
        if has_parity(features) {
            io.write_reg(
                MAC_FSM_CONTROL::zeroed()
                    .with_prtyen(true)
                    .with_tmouten(true),
            );
            io.write_reg(
                MTL_DPP_CONTROL::zeroed()
                    .with_edpp(true)
                    .with_epsi(features.safety == SafetyPackage::All),
            );
        }
    }

    fn disable(&self, io: Mmio<'_>, features: &Features) {
        self.let_corrected(io, features, false);
        io.write_reg(MTL_ECC_CONTROL::zeroed());
        if has_parity(features) {
            io.write_reg(MTL_DPP_CONTROL::zeroed());
            io.write_reg(MAC_FSM_CONTROL::zeroed());
        }
    }

    fn let_corrected(&self, io: Mmio<'_>, features: &Features, interrupt: bool) {
        io.write_reg(
            MTL_ECC_INTERRUPT_ENABLE::zeroed()
                .with_txceie(interrupt)
                .with_rxceie(interrupt)
                .with_eceie(interrupt && features.est)
                .with_rpceie(interrupt && features.rx_parser),
        );
        io.write_reg(DMA_ECC_INTERRUPT_ENABLE::zeroed().with_tceie(interrupt && features.tso));
    }

    fn take(&self, io: Mmio<'_>) -> Option<Errors> {
        let summary = io.read(DMA_SAFETY_INTERRUPT_STATUS);
        // A device that is gone, or whose registers have lost their clock, reads as that.
        if summary.into_raw() == u32::MAX {
            return None;
        }
        let mtl = summary.mscis() || summary.msuis();
        let dma = summary.decis() || summary.deuis();
        if !(summary.mcsis() || mtl || dma) {
            return None;
        }

        let mut errors = Errors::default();
        if summary.mcsis() {
            let status = io.read(MAC_DPP_FSM_INTERRUPT_STATUS);
            io.write_reg(status);
            errors.set_word(MAC, status.into_raw());
        }
        if mtl {
            let status = io.read(MTL_ECC_INTERRUPT_STATUS);
            io.write_reg(status);
            errors.set_word(MTL, status.into_raw());
        }
        if dma {
            let status = io.read(DMA_ECC_INTERRUPT_STATUS);
            io.write_reg(status);
            errors.set_word(DMA, status.into_raw());
        }
        Some(errors)
    }
}
