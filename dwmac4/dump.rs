// SPDX-License-Identifier: GPL-2.0

//! Which registers a dump shows.

use core::ops::RangeInclusive;

use kernel::prelude::*;

use super::safety;
use crate::hwif::{
    features::SafetyPackage,
    Features,
    MAX_CHANNELS, //
};

/// Registers that exist once for each of some things.
struct Block {
    /// Distance between two things.
    stride: usize,
    /// Offsets of the first one's registers, first and last.
    registers: &'static [RangeInclusive<usize>],
}

// Left out is what reading changes: status bits and counters that are cleared by it, and windows
// whose position it advances.

/// What every core has.
const CORE: Block = Block {
    stride: 0,
    registers: &[
        // MAC_Configuration to MAC_Watchdog_Timeout.
        0x0000..=0x000c,
        // MAC_Rx_Flow_Ctrl to MAC_RxQ_Ctrl3.
        0x0090..=0x00ac,
        // MAC_Interrupt_Enable.
        0x00b4..=0x00b4,
        // MAC_Version, MAC_Debug.
        0x0110..=0x0114,
        // MAC_HW_Feature0 to MAC_HW_Feature3.
        0x011c..=0x0128,
        // MAC_MDIO_Address, MAC_MDIO_Data.
        0x0200..=0x0204,
        // MTL_Operation_Mode.
        0x0c00..=0x0c00,
        // MTL_Interrupt_Status.
        0x0c20..=0x0c20,
        // MTL_RxQ_DMA_Map0 and 1.
        0x0c30..=0x0c34,
        // DMA_Mode to DMA_Debug_Status2.
        0x1000..=0x1014,
    ],
};

/// Hash table of the address filter.
const HASH: Block = Block {
    stride: 4,
    registers: &[0x0010..=0x0010],
};

/// MAC_VLAN_Tag.
const VLAN: Block = Block {
    stride: 0,
    registers: &[0x0050..=0x0050],
};

/// MAC_VLAN_Incl.
const VLAN_INSERTION: Block = Block {
    stride: 0,
    registers: &[0x0060..=0x0060],
};

/// MAC_LPI_Timers_Control to MAC_1US_Tic_Counter.
const LPI: Block = Block {
    stride: 0,
    registers: &[0x00d4..=0x00dc],
};

/// Address slots.
const ADDRESS: Block = Block {
    stride: 8,
    registers: &[0x0300..=0x0304],
};

/// MMC_Control, and the masks.
const COUNTERS: Block = Block {
    stride: 0,
    registers: &[0x0700..=0x0700, 0x070c..=0x0710, 0x0800..=0x0800],
};

/// MAC_Timestamp_Control to MAC_Timestamp_Addend.
const TIME: Block = Block {
    stride: 0,
    registers: &[0x0b00..=0x0b18],
};

/// Safety package: ECC.
const ECC: Block = Block {
    stride: 0,
    registers: &[
        // MTL_ECC_Control to MTL_ECC_Interrupt_Status.
        0x0cc0..=0x0ccc,
        // DMA_Safety_Interrupt_Status to DMA_ECC_Interrupt_Status.
        0x1080..=0x1088,
    ],
};

/// Safety package: parity and timeouts.
const PARITY: Block = Block {
    stride: 0,
    registers: &[
        // MAC_DPP_FSM_Interrupt_Status.
        0x0140..=0x0140,
        // MAC_FSM_Control.
        0x0148..=0x0148,
        // MTL_DPP_Control.
        0x0ce0..=0x0ce0,
    ],
};

/// MAC_Q_Tx_Flow_Ctrl.
const FLOW: Block = Block {
    stride: 4,
    registers: &[0x0070..=0x0070],
};

/// Transmit queues of the MTL.
const TX_QUEUE: Block = Block {
    stride: 0x40,
    registers: &[
        // MTL_TxQ_Operation_Mode.
        0x0d00..=0x0d00,
        // MTL_TxQ_Debug.
        0x0d08..=0x0d08,
        // MTL_TxQ_Quantum_Weight.
        0x0d18..=0x0d18,
    ],
};

/// Receive queues of the MTL.
const RX_QUEUE: Block = Block {
    stride: 0x40,
    registers: &[
        // MTL_Q_Interrupt_Control_Status, MTL_RxQ_Operation_Mode.
        0x0d2c..=0x0d30,
        // MTL_RxQ_Debug, MTL_RxQ_Control.
        0x0d38..=0x0d3c,
    ],
};

/// DMA channels.
const CHANNEL: Block = Block {
    stride: 0x80,
    registers: &[
        // DMA_CH_Control to DMA_CH_Rx_Control.
        0x1100..=0x1108,
        // The rings' bases.
        0x1110..=0x111c,
        // DMA_CH_TxDesc_Tail_Pointer.
        0x1120..=0x1120,
        // DMA_CH_RxDesc_Tail_Pointer to DMA_CH_Rx_Interrupt_Watchdog_Timer.
        0x1128..=0x1138,
        // DMA_CH_Current_App_TxDesc.
        0x1144..=0x1144,
        // DMA_CH_Current_App_RxDesc.
        0x114c..=0x114c,
        // DMA_CH_Current_App_TxBuffer.
        0x1154..=0x1154,
        // DMA_CH_Current_App_RxBuffer.
        0x115c..=0x115c,
        // DMA_CH_Status.
        0x1160..=0x1160,
    ],
};

/// Where the last channel's registers end.
pub(crate) const END: usize = 0x1500;

/// Calls `f` with the offset of each register that a core with `features` has and whose reading
/// has no effect.
pub(crate) fn registers(features: &Features, f: &mut dyn FnMut(usize)) {
    let once = usize::from;
    let queues = |n: u32| usize::try_from(n).map_or(MAX_CHANNELS, |n| n.min(MAX_CHANNELS));
    let channels = features.tx_channels.max(features.rx_channels);

    for (block, count) in [
        (&CORE, 1),
        (&HASH, queues(features.hash_bits / 32)),
        (&FLOW, queues(features.tx_queues)),
        (&VLAN, 1),
        (&VLAN_INSERTION, once(features.sa_vlan_insertion)),
        (&LPI, once(features.eee)),
        // As many slots as there is room for before the next block.
        (
            &ADDRESS,
            usize::try_from(features.added_addresses).map_or(1, |n| n.min(127).saturating_add(1)),
        ),
        (&COUNTERS, once(features.mmc)),
        (&TIME, once(features.timestamp)),
        (&ECC, once(features.safety != SafetyPackage::None)),
        (&PARITY, once(safety::has_parity(features))),
        (&TX_QUEUE, queues(features.tx_queues)),
        (&RX_QUEUE, queues(features.rx_queues)),
        (&CHANNEL, queues(channels)),
    ] {
        for index in 0..count {
            for range in block.registers {
                for offset in range.clone().step_by(4) {
                    f(offset.saturating_add(index.saturating_mul(block.stride)));
                }
            }
        }
    }
}

/// Registers that tell what a channel and its queues do: name, the first one's offset, stride.
const TELLING: [(&CStr, usize, usize); 20] = [
    (c"DMA_CH_Control", 0x1100, 0x80),
    (c"DMA_CH_Tx_Control", 0x1104, 0x80),
    (c"DMA_CH_Rx_Control", 0x1108, 0x80),
    (c"DMA_CH_TxDesc_List_Address", 0x1114, 0x80),
    (c"DMA_CH_RxDesc_List_Address", 0x111c, 0x80),
    (c"DMA_CH_TxDesc_Tail_Pointer", 0x1120, 0x80),
    (c"DMA_CH_RxDesc_Tail_Pointer", 0x1128, 0x80),
    (c"DMA_CH_TxDesc_Ring_Length", 0x112c, 0x80),
    (c"DMA_CH_RxDesc_Ring_Length", 0x1130, 0x80),
    (c"DMA_CH_Interrupt_Enable", 0x1134, 0x80),
    (c"DMA_CH_Current_App_TxDesc", 0x1144, 0x80),
    (c"DMA_CH_Current_App_RxDesc", 0x114c, 0x80),
    (c"DMA_CH_Current_App_TxBuffer", 0x1154, 0x80),
    (c"DMA_CH_Current_App_RxBuffer", 0x115c, 0x80),
    (c"DMA_CH_Status", 0x1160, 0x80),
    (c"MTL_TxQ_Operation_Mode", 0x0d00, 0x40),
    (c"MTL_TxQ_Debug", 0x0d08, 0x40),
    (c"MTL_Q_Interrupt_Control_Status", 0x0d2c, 0x40),
    (c"MTL_RxQ_Operation_Mode", 0x0d30, 0x40),
    (c"MTL_RxQ_Debug", 0x0d38, 0x40),
];

/// First of the registers that hold what the channels' processes do, see
/// [`process_state()`](super::regs::process_state).
const DEBUG_STATUS: usize = 0x100c;

/// Calls `f` with names and offsets of the registers that tell of channel `ch`, of those that
/// [`registers()`] is about.
pub(crate) fn channel(ch: usize, f: &mut dyn FnMut(&'static CStr, usize)) {
    for (name, first, stride) in TELLING {
        f(name, first.saturating_add(ch.saturating_mul(stride)));
    }
    let register = ch.saturating_add(1) / 4;
    f(
        c"DMA_Debug_Status",
        DEBUG_STATUS.saturating_add(register.saturating_mul(4)),
    );
}
