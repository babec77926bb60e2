// SPDX-License-Identifier: GPL-2.0

//! MAC management counters.

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
        Mmio, //
    },
    mmc::mac, //
};

register! {
    /// How counters behave.
    pub(super) MMC_CONTROL(u32) @ 0x0700 {
        /// UCDBC: broadcast frames that the filter drops are counted, too.
        8:8 ucdbc => bool;
        /// CNTPRSTLVL: preset to almost full instead of almost half.
        5:5 cntprstlvl => bool;
        /// CNTPRST: presets all counters; clears itself.
        4:4 cntprst => bool;
        /// CNTFREEZ: nothing is counted.
        3:3 cntfreez => bool;
        /// RSTONRD: a counter is cleared when it is read.
        2:2 rstonrd => bool;
        /// CNTSTOPRO: a counter stops at its maximum.
        1:1 cntstopro => bool;
        /// CNTRST: clears all counters; clears itself.
        0:0 cntrst => bool;
    }

    /// Receive counters at half or full range; cleared by reading.
    pub(super) MMC_RX_INTERRUPT(u32) @ 0x0704 {
        31:0 status;
    }

    /// Transmit counters at half or full range; cleared by reading.
    pub(super) MMC_TX_INTERRUPT(u32) @ 0x0708 {
        31:0 status;
    }

    /// Set bits keep the receive counters from interrupting.
    pub(super) MMC_RX_INTERRUPT_MASK(u32) @ 0x070c {
        /// RXLPITRCIM and RXLPIUSCIM: low-power idle.
        27:26 lpi;
        25:0 mask;
    }

    /// Set bits keep the transmit counters from interrupting.
    pub(super) MMC_TX_INTERRUPT_MASK(u32) @ 0x0710 {
        /// TXLPITRCIM and TXLPIUSCIM: low-power idle.
        27:26 lpi;
        25:0 mask;
    }

    /// Set bits keep the receive checksum counters from interrupting.
    pub(super) MMC_IPC_RX_INTERRUPT_MASK(u32) @ 0x0800 {
        /// Octets.
        29:16 octets;
        /// Frames.
        13:0 frames;
    }
}

/// RXGBOCTIM: Rx_Octet_Count_Good_Bad.
const RX_OCTETS_MASK: u32 = 1 << 1;

/// TXGBOCTIM: Tx_Octet_Count_Good_Bad.
const TX_OCTETS_MASK: u32 = 1 << 0;

/// Where a counter is.
pub(crate) fn address(counter: usize) -> Option<usize> {
    Some(match counter {
        mac::TX_OCTETS => 0x0714,
        mac::TX_FRAMES => 0x0718,
        mac::TX_GOOD_BROADCAST => 0x071c,
        mac::TX_GOOD_MULTICAST => 0x0720,
        mac::TX_64 => 0x0724,
        mac::TX_127 => 0x0728,
        mac::TX_255 => 0x072c,
        mac::TX_511 => 0x0730,
        mac::TX_1023 => 0x0734,
        mac::TX_MORE => 0x0738,
        mac::TX_UNDERFLOW => 0x0748,
        mac::TX_SINGLE_COLLISION => 0x074c,
        mac::TX_MULTIPLE_COLLISION => 0x0750,
        mac::TX_DEFERRED => 0x0754,
        mac::TX_LATE_COLLISION => 0x0758,
        mac::TX_EXCESSIVE_COLLISION => 0x075c,
        mac::TX_CARRIER_ERROR => 0x0760,
        mac::TX_GOOD_OCTETS => 0x0764,
        mac::TX_GOOD => 0x0768,
        mac::TX_EXCESSIVE_DEFERRAL => 0x076c,
        mac::TX_PAUSE => 0x0770,
        mac::TX_VLAN => 0x0774,
        mac::TX_OVERSIZE => 0x0778,
        mac::RX_FRAMES => 0x0780,
        mac::RX_OCTETS => 0x0784,
        mac::RX_GOOD_OCTETS => 0x0788,
        mac::RX_GOOD_BROADCAST => 0x078c,
        mac::RX_GOOD_MULTICAST => 0x0790,
        mac::RX_CRC_ERROR => 0x0794,
        mac::RX_ALIGNMENT_ERROR => 0x0798,
        mac::RX_RUNT => 0x079c,
        mac::RX_JABBER => 0x07a0,
        mac::RX_UNDERSIZE => 0x07a4,
        mac::RX_OVERSIZE => 0x07a8,
        mac::RX_64 => 0x07ac,
        mac::RX_127 => 0x07b0,
        mac::RX_255 => 0x07b4,
        mac::RX_511 => 0x07b8,
        mac::RX_1023 => 0x07bc,
        mac::RX_MORE => 0x07c0,
        mac::RX_GOOD_UNICAST => 0x07c4,
        mac::RX_LENGTH_ERROR => 0x07c8,
        mac::RX_OUT_OF_RANGE => 0x07cc,
        mac::RX_PAUSE => 0x07d0,
        mac::RX_FIFO_OVERFLOW => 0x07d4,
        mac::RX_VLAN => 0x07d8,
        mac::RX_WATCHDOG => 0x07dc,
        mac::RX_PHY_ERROR => 0x07e0,
        mac::RX_CONTROL => 0x07e4,
        mac::TX_LPI_USECS => 0x07ec,
        mac::TX_LPI_ENTRIES => 0x07f0,
        mac::RX_LPI_USECS => 0x07f4,
        mac::RX_LPI_ENTRIES => 0x07f8,
        _ => return None,
    })
}

/// The counters of all releases.
pub(super) struct Mmc;

impl hwif::Mmc for Mmc {
    fn init(&self, io: Mmio<'_>) {
        io.write_reg(MMC_CONTROL::zeroed().with_rstonrd(true).with_cntrst(true));
        // No counter grows faster than that of all octets, but those of low-power idle.
        io.write_reg(MMC_RX_INTERRUPT_MASK::from_raw(
            MMC_RX_INTERRUPT_MASK::MASK_MASK & !RX_OCTETS_MASK,
        ));
        io.write_reg(MMC_TX_INTERRUPT_MASK::from_raw(
            MMC_TX_INTERRUPT_MASK::MASK_MASK & !TX_OCTETS_MASK,
        ));
        io.write_reg(MMC_IPC_RX_INTERRUPT_MASK::from_raw(
            MMC_IPC_RX_INTERRUPT_MASK::OCTETS_MASK | MMC_IPC_RX_INTERRUPT_MASK::FRAMES_MASK,
        ));
    }

    fn take(&self, io: Mmio<'_>, counter: usize) -> u32 {
        address(counter)
            .and_then(|address| io.try_read32(address).ok())
            .unwrap_or(0)
    }

    fn acknowledge(&self, io: Mmio<'_>) {
        io.read(MMC_RX_INTERRUPT);
        io.read(MMC_TX_INTERRUPT);
    }
}
