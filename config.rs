// SPDX-License-Identifier: GPL-2.0

//! What the bus glue knows of a board or SoC and the core cannot tell by itself.

use kernel::net::phylink::Interface;

use crate::pcs::Serdes;

/// Programmable burst lengths of the DMA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BurstLength {
    /// TXPBL, beats.
    pub(crate) tx: u32,
    /// RXPBL, beats.
    pub(crate) rx: u32,
    /// PBLx8: both count eightfold.
    pub(crate) x8: bool,
}

/// Bytes in a beat of the widest data bus that the cores are built with.
const BEAT: u32 = 16;

impl BurstLength {
    /// Most bytes of a transmit burst.
    pub(crate) fn tx_bytes(&self) -> u32 {
        let beats = if self.x8 { 8 } else { 1u32 };
        self.tx.saturating_mul(beats).saturating_mul(BEAT)
    }
}

/// AXI bus behaviour; the fields are those of DMA_SysBus_Mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axi {
    /// Outstanding writes, less one.
    pub(crate) write_outstanding: u32,
    /// Outstanding reads, less one.
    pub(crate) read_outstanding: u32,
    /// Permitted burst lengths: bit 0 is 4 beats, bit 6 is 256.
    pub(crate) bursts: u32,
    /// FB: fixed bursts only.
    pub(crate) fixed_burst: bool,
    /// MB: mixed bursts.
    pub(crate) mixed_burst: bool,
    /// AAL: address-aligned beats.
    pub(crate) aligned: bool,
}

/// Interrupt vectors that each hold one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors {
    /// Vectors the device has to be given for this layout to hold.
    pub(crate) needed: u32,
    /// The MAC's and MTL's vector.
    pub(crate) mac: u32,
    /// Receive vector of channel 0 and distance to the next channel's.
    pub(crate) rx: (u32, u32),
    /// Transmit vector of channel 0 and distance to the next channel's.
    pub(crate) tx: (u32, u32),
    /// Vectors of the safety package: errors that were corrected, and others.
    pub(crate) safety: [u32; 2],
}

/// What the system time is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PtpClock {
    /// Hz.
    pub(crate) rate: u32,
    /// General-purpose outputs of the core that choose the clock: which ones.
    pub(crate) select_mask: u32,
    /// The levels of those outputs.
    pub(crate) select: u32,
}

/// The PCS of a serial link, on the core's own MDIO bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcs {
    /// Its MDIO address.
    pub(crate) addr: u8,
    /// Periods of its EEE clock, less one, that make up 100 ns or so.
    pub(crate) eee_factor: u8,
    /// The SerDes below it, where something is to be known of it.
    pub(crate) serdes: Option<&'static dyn Serdes>,
    /// The way firmware has set the SerDes up decides on the interface.
    pub(crate) lane_decides: bool,
}

/// Board or SoC data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// How the MAC is wired to its PHY.
    pub(crate) interface: Interface,
    /// The PCS, where the interface is a serial one.
    pub(crate) pcs: Option<Pcs>,
    /// PHY addresses to leave alone: bit i is address i.
    pub(crate) phy_mask: u32,
    /// CSR clock, Hz: MDC and the receive watchdog are derived from it.
    pub(crate) csr_rate: u64,
    /// PTP clock, where it is known.
    pub(crate) ptp: Option<PtpClock>,
    /// Burst lengths.
    pub(crate) burst: BurstLength,
    /// The transmit clock may stop in low-power idle, if the PHY can do without.
    pub(crate) lpi_stops_clock: bool,
    /// AXI behaviour; none: leave the reset values.
    pub(crate) axi: Option<Axi>,
    /// Most transmit queues to use; the core may have fewer.
    pub(crate) tx_queues: u32,
    /// Most receive queues to use.
    pub(crate) rx_queues: u32,
    /// Address bits that the bus between core and memory carries, when fewer than the core drives.
    pub(crate) dma_bits: Option<u32>,
    /// Headers may be split off received frames, if the core can.
    pub(crate) split_header: bool,
    /// Parity and timeouts of the core may be watched, if it can; else only the memories are (ECC).
    pub(crate) parity: bool,
    /// A vector per queue, where the platform has them.
    pub(crate) vectors: Option<Vectors>,
}
