// SPDX-License-Identifier: GPL-2.0

//! Intel's functions: Elkhart Lake, with the ports of its Programmable Services Engine (PSE).

use kernel::net::phylink::Interface;

use super::Glue;
use crate::{
    config::{
        Axi,
        BurstLength,
        Config,
        PtpClock,
        Vectors, //
    },
    hwif::Family,
};

/// Elkhart Lake, host, RGMII.
pub(super) const EHL_RGMII_ID: u32 = 0x4b30;

/// Elkhart Lake, first PSE port, RGMII.
pub(super) const EHL_PSE0_RGMII_ID: u32 = 0x4ba0;

/// Elkhart Lake, second PSE port, RGMII.
pub(super) const EHL_PSE1_RGMII_ID: u32 = 0x4bb0;

/// MDIO addresses that are no PHYs: SERDES (0x15) and XPCS (0x16).
const NO_PHYS: u32 = (1 << 0x15) | (1 << 0x16);

/// What all functions have in common.
const EHL: Config = Config {
    interface: Interface::Rgmii,
    phy_mask: NO_PHYS,
    csr_rate: 204_800_000,
    ptp: Some(PtpClock {
        rate: 204_800_000,
        select_mask: 0b0001,
        select: 0,
    }),
    // A burst must not exceed half of a queue's share of the FIFO, which is as small as 4 KiB.
    burst: BurstLength {
        tx: 16,
        rx: 16,
        x8: true,
    },
    axi: Some(Axi {
        write_outstanding: 1,
        read_outstanding: 1,
        // 4 to 16 beats.
        bursts: 0b000_0111,
        fixed_burst: false,
        mixed_burst: false,
        aligned: false,
    }),
    tx_queues: 8,
    rx_queues: 8,
    dma_bits: None,
    // Even numbers up to 14 are for reception, odd ones up to 15 for transmission.
    vectors: Some(Vectors {
        needed: 30,
        mac: 29,
        rx: (0, 2),
        tx: (1, 2),
    }),
};

/// What the PSE's ports have in common: the PSE has a clock of its own, its bus reaches 32 bits of
/// memory addresses, whatever the core drives, and the board leaves the delays to the PHY.
const EHL_PSE: Config = Config {
    interface: Interface::RgmiiId,
    csr_rate: 200_000_000,
    ptp: Some(PtpClock {
        rate: 200_000_000,
        select_mask: 0b1001,
        select: 0b1001,
    }),
    dma_bits: Some(32),
    ..EHL
};

/// Elkhart Lake, host, RGMII.
pub(super) const EHL_RGMII: Glue = Glue {
    name: "Intel Elkhart Lake RGMII",
    family: Family::Gmac4,
    bar: 0,
    config: EHL,
};

/// Elkhart Lake, first PSE port, RGMII.
pub(super) const EHL_PSE0_RGMII: Glue = Glue {
    name: "Intel Elkhart Lake PSE0 RGMII",
    config: EHL_PSE,
    ..EHL_RGMII
};

/// Elkhart Lake, second PSE port, RGMII.
pub(super) const EHL_PSE1_RGMII: Glue = Glue {
    name: "Intel Elkhart Lake PSE1 RGMII",
    config: EHL_PSE,
    ..EHL_RGMII
};
