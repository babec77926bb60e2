// SPDX-License-Identifier: GPL-2.0

//! Intel's functions: Elkhart Lake, with the ports of its Programmable Services Engine (PSE), and
//! the chipsets of Tiger Lake, Alder Lake and Raptor Lake.

use kernel::net::phylink::Interface;

use super::Glue;
use crate::{
    config::{
        Axi,
        BurstLength,
        Config,
        Pcs,
        PtpClock,
        Vectors, //
    },
    hwif::Family,
};

pub(crate) mod serdes;

use serdes::Serdes;

/// Elkhart Lake, host, RGMII.
pub(super) const EHL_RGMII_ID: u32 = 0x4b30;

/// Elkhart Lake, host, SGMII.
pub(super) const EHL_SGMII_ID: u32 = 0x4b31;

/// Elkhart Lake, host, SGMII or 2500BASE-X.
pub(super) const EHL_SGMII_2G5_ID: u32 = 0x4b32;

/// Elkhart Lake, first PSE port, RGMII.
pub(super) const EHL_PSE0_RGMII_ID: u32 = 0x4ba0;

/// Elkhart Lake, first PSE port, SGMII.
pub(super) const EHL_PSE0_SGMII_ID: u32 = 0x4ba1;

/// Elkhart Lake, first PSE port, SGMII or 2500BASE-X.
pub(super) const EHL_PSE0_SGMII_2G5_ID: u32 = 0x4ba2;

/// Elkhart Lake, second PSE port, RGMII.
pub(super) const EHL_PSE1_RGMII_ID: u32 = 0x4bb0;

/// Elkhart Lake, second PSE port, SGMII.
pub(super) const EHL_PSE1_SGMII_ID: u32 = 0x4bb1;

/// Elkhart Lake, second PSE port, SGMII or 2500BASE-X.
pub(super) const EHL_PSE1_SGMII_2G5_ID: u32 = 0x4bb2;

/// Tiger Lake UP3 and UP4.
pub(super) const TGL_ID: u32 = 0xa0ac;

/// Tiger Lake H, first port.
pub(super) const TGL_H0_ID: u32 = 0x43ac;

/// Tiger Lake H, second port.
pub(super) const TGL_H1_ID: u32 = 0x43a2;

/// Alder Lake S, first port.
pub(super) const ADL_S0_ID: u32 = 0x7aac;

/// Alder Lake S, second port.
pub(super) const ADL_S1_ID: u32 = 0x7aad;

/// Alder Lake N.
pub(super) const ADL_N_ID: u32 = 0x54ac;

/// Raptor Lake P.
pub(super) const RPL_P_ID: u32 = 0x51ac;

/// MDIO address of the XPCS.
const XPCS: u8 = 0x16;

/// MDIO addresses that are no PHYs.
const NO_PHYS: u32 = (1 << serdes::ADDR) | (1 << XPCS);

/// What all functions have in common.
const EHL: Config = Config {
    interface: Interface::Rgmii,
    pcs: None,
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
    lpi_stops_clock: false,
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
    // The core claims it, but it is not known to work here.
    split_header: false,
    // Not known to work either.
    parity: false,
    // Even numbers up to 14 are for reception, odd ones up to 15 for transmission.
    vectors: Some(Vectors {
        needed: 30,
        mac: 29,
        rx: (0, 2),
        tx: (1, 2),
        safety: [27, 26],
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

/// The XPCS of all functions that have one.
const SGMII: Pcs = Pcs {
    addr: XPCS,
    // The EEE clock is 19.2 MHz, 52 ns.
    eee_factor: 1,
    serdes: Some(&Serdes::Driver),
    lane_decides: false,
};

/// The same where the lane may run at 2.5 Gbit/s, for which firmware has to set its PLL up.
const SGMII_2G5: Pcs = Pcs {
    lane_decides: true,
    ..SGMII
};

/// The SerDes of the PSE's ports.
const PSE_SERDES: &Serdes = &Serdes::DriverWithClockGate;

/// Later chipsets: a smaller configuration of the same core, without RGMII.
const PCH: Config = Config {
    interface: Interface::Sgmii,
    pcs: Some(SGMII_2G5),
    tx_queues: 4,
    rx_queues: 6,
    ..EHL
};

/// Elkhart Lake, host, RGMII.
pub(super) const EHL_RGMII: Glue = Glue {
    name: "Intel Elkhart Lake RGMII",
    family: Family::Gmac4,
    bar: 0,
    config: EHL,
};

/// Elkhart Lake, host, SGMII.
pub(super) const EHL_SGMII: Glue = Glue {
    name: "Intel Elkhart Lake SGMII",
    config: Config {
        interface: Interface::Sgmii,
        pcs: Some(SGMII),
        ..EHL
    },
    ..EHL_RGMII
};

/// Elkhart Lake, host, SGMII or 2500BASE-X.
pub(super) const EHL_SGMII_2G5: Glue = Glue {
    name: "Intel Elkhart Lake SGMII 2.5G",
    config: Config {
        interface: Interface::Sgmii,
        pcs: Some(SGMII_2G5),
        ..EHL
    },
    ..EHL_RGMII
};

/// Elkhart Lake, first PSE port, RGMII.
pub(super) const EHL_PSE0_RGMII: Glue = Glue {
    name: "Intel Elkhart Lake PSE0 RGMII",
    config: EHL_PSE,
    ..EHL_RGMII
};

/// Elkhart Lake, first PSE port, SGMII.
pub(super) const EHL_PSE0_SGMII: Glue = Glue {
    name: "Intel Elkhart Lake PSE0 SGMII",
    config: Config {
        interface: Interface::Sgmii,
        pcs: Some(Pcs {
            serdes: Some(PSE_SERDES),
            ..SGMII
        }),
        ..EHL_PSE
    },
    ..EHL_RGMII
};

/// Elkhart Lake, first PSE port, SGMII or 2500BASE-X.
pub(super) const EHL_PSE0_SGMII_2G5: Glue = Glue {
    name: "Intel Elkhart Lake PSE0 SGMII 2.5G",
    config: Config {
        interface: Interface::Sgmii,
        pcs: Some(Pcs {
            serdes: Some(PSE_SERDES),
            ..SGMII_2G5
        }),
        ..EHL_PSE
    },
    ..EHL_RGMII
};

/// Elkhart Lake, second PSE port, RGMII.
pub(super) const EHL_PSE1_RGMII: Glue = Glue {
    name: "Intel Elkhart Lake PSE1 RGMII",
    ..EHL_PSE0_RGMII
};

/// Elkhart Lake, second PSE port, SGMII.
pub(super) const EHL_PSE1_SGMII: Glue = Glue {
    name: "Intel Elkhart Lake PSE1 SGMII",
    ..EHL_PSE0_SGMII
};

/// Elkhart Lake, second PSE port, SGMII or 2500BASE-X.
pub(super) const EHL_PSE1_SGMII_2G5: Glue = Glue {
    name: "Intel Elkhart Lake PSE1 SGMII 2.5G",
    ..EHL_PSE0_SGMII_2G5
};

/// Tiger Lake.
pub(super) const TGL: Glue = Glue {
    name: "Intel Tiger Lake",
    config: PCH,
    ..EHL_RGMII
};

/// Alder Lake S: its firmware leaves the lanes running.
pub(super) const ADL_S: Glue = Glue {
    name: "Intel Alder Lake S",
    config: Config {
        pcs: Some(Pcs {
            serdes: Some(&Serdes::Firmware),
            ..SGMII_2G5
        }),
        ..PCH
    },
    ..EHL_RGMII
};

/// Alder Lake N.
pub(super) const ADL_N: Glue = Glue {
    name: "Intel Alder Lake N",
    config: PCH,
    ..EHL_RGMII
};

/// Raptor Lake P.
pub(super) const RPL_P: Glue = Glue {
    name: "Intel Raptor Lake P",
    config: PCH,
    ..EHL_RGMII
};
