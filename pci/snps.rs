// SPDX-License-Identifier: GPL-2.0

//! Synopsys' own functions: the core on a HAPS prototyping board.

use kernel::net::phylink::Interface;

use super::Glue;
use crate::{
    config::{
        Axi,
        BurstLength,
        Config, //
    },
    hwif::Family,
};

/// DWC Ethernet QoS 5.x.
pub(super) const GMAC5_ID: u32 = 0x7102;

/// DWC Ethernet QoS 5.x.
pub(super) const GMAC5: Glue = Glue {
    name: "Synopsys GMAC5",
    family: Family::Gmac4,
    bar: 0,
    config: Config {
        interface: Interface::Gmii,
        pcs: None,
        phy_mask: 0,
        csr_rate: 250_000_000,
        // Whatever was synthesised.
        ptp: None,
        burst: BurstLength {
            tx: 32,
            rx: 32,
            x8: true,
        },
        lpi_stops_clock: false,
        axi: Some(Axi {
            // As many as the fields hold.
            write_outstanding: 15,
            read_outstanding: 15,
            // 4 to 32 beats.
            bursts: 0b000_1111,
            fixed_burst: false,
            mixed_burst: false,
            aligned: false,
        }),
        tx_queues: 4,
        rx_queues: 4,
        dma_bits: None,
        split_header: true,
        parity: true,
        // Boards differ, and none says how.
        vectors: None,
    },
};
