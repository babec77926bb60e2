// SPDX-License-Identifier: GPL-2.0

//! DWC Ethernet QoS, 4.x and 5.x.

use kernel::io::Io;

use crate::{
    datapath,
    hwif::{
        Dump,
        Family,
        Hwif,
        Mmio,
        Spec, //
    },
};

pub(crate) mod desc;
pub(crate) mod dma;
pub(crate) mod dump;
pub(crate) mod features;
pub(crate) mod mac;
pub(crate) mod mdio;
pub(crate) mod mmc;
pub(crate) mod mtl;
pub(crate) mod ptp;
mod regs;
pub(crate) mod safety;
pub(crate) mod vlan;

/// Reads the version register.
pub(crate) fn spec(io: Mmio<'_>) -> Spec {
    let version = io.read(regs::MAC_VERSION);

    Spec {
        family: Family::Gmac4,
        snpsver: version.snpsver(),
        userver: version.userver(),
    }
}

/// Releases 5.10 and later.
pub(crate) const GMAC_5_10: Hwif = Hwif {
    min_snpsver: 0x51,
    max_snpsver: 0x5f,
    name: c"GMAC 5.10",
    safety: Some(&safety::Safety),
    udp_segmentation: true,
    ..GMAC_4_10
};

/// Releases 4.10 to 5.00.
pub(crate) const GMAC_4_10: Hwif = Hwif {
    min_snpsver: 0x41,
    max_snpsver: 0x50,
    name: c"GMAC 4.10",
    dma: &dma::Dma::<dma::From410>::new(),
    ..GMAC_4_00
};

/// Release 4.00.
pub(crate) const GMAC_4_00: Hwif = Hwif {
    min_snpsver: 0x40,
    max_snpsver: 0x40,
    name: c"GMAC 4.00",
    ..GMAC_4
};

/// What came before 4.00 with these registers.
pub(crate) const GMAC_4: Hwif = Hwif {
    family: Family::Gmac4,
    min_snpsver: 0x01,
    max_snpsver: 0x3f,
    name: c"GMAC 4",
    features: features::read,
    mac: &mac::Mac,
    mtl: &mtl::Mtl,
    dma: &dma::Dma::<dma::Before410>::new(),
    mdio: &mdio::Mdio,
    ptp: &ptp::Ptp,
    mmc: &mmc::Mmc,
    dump: Dump {
        end: dump::END,
        registers: dump::registers,
        channel: dump::channel,
    },
    vlan: &vlan::Vlan,
    safety: None,
    udp_segmentation: false,
    datapath: &datapath::DataPath::<desc::Gmac4>::new(),
};
