// SPDX-License-Identifier: GPL-2.0

//! Ethernet driver for the Synopsys DesignWare MACs.
//!
//! From the bus down to the registers:
//!
//! - `pci`: which device, which board; makes a [`port::Port`].
//! - `netdev`, `ethtool`, `phylink`, `mdio`, `ptp`: callbacks of the kernel's subsystems, thin.
//! - `port`: settings, rings and interrupts of a port, and how they change together.
//! - `recovery`: which faults there are, and what is reset for them.
//! - `safety`: errors that the core finds in itself.
//! - `health`: what devlink tells of them.
//! - `selftest`: tests by frames that the port sends to itself.
//! - `napi`, `tx`, `rx`, `ring`, `desc`: the data paths, generic over the descriptor format.
//! - `hwif`: which generation of the hardware; traits that each generation implements, and the
//!   generations, a folder each.
//!
//! Glossary: AAL address-aligned beats; COE checksum offload engine; CSR control and status
//! registers; FCS frame check sequence; FD, LD first and last descriptor of a frame; IC interrupt
//! on completion; MTL MAC transaction layer, the FIFOs; OWN the descriptor is the DMA's; PBL
//! programmable burst length; RBU receive buffer unavailable; RIWT receive interrupt watchdog
//! timer.

use kernel::{
    driver,
    pci::Adapter,
    prelude::*,
    InPlaceModule,
    ThisModule, //
};

mod config;
mod datapath;
mod debugfs;
mod desc;
mod ethtool;
mod health;
mod hw;
mod hwif;
mod mdio;
mod mmc;
mod napi;
mod netdev;
mod pci;
mod pcs;
mod phylink;
mod port;
mod ptp;
mod recovery;
mod ring;
mod rx;
mod safety;
mod selftest;
mod stats;
mod tx;
mod vlan;

#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/counters.rs"]
mod kunit_counters;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/datapath.rs"]
mod kunit_datapath;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/desc.rs"]
mod kunit_desc;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/dma.rs"]
mod kunit_dma;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/features.rs"]
mod kunit_features;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/hwif.rs"]
mod kunit_hwif;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/mac.rs"]
mod kunit_mac;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/mdio.rs"]
mod kunit_mdio;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/mtl.rs"]
mod kunit_mtl;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/pcs.rs"]
mod kunit_pcs;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/phylink.rs"]
mod kunit_phylink;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/port.rs"]
mod kunit_port;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/ptp.rs"]
mod kunit_ptp;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/recovery.rs"]
mod kunit_recovery;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/safety.rs"]
mod kunit_safety;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/selftest.rs"]
mod kunit_selftest;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/tx.rs"]
mod kunit_tx;
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
#[path = "tests/kunit/vlan.rs"]
mod kunit_vlan;

/// Name of the driver and of its interrupts.
pub(crate) const NAME: &core::ffi::CStr = <LocalModule as kernel::ModuleMetadata>::NAME;

/// The module: one registration a bus.
#[pin_data]
struct RustStmmac {
    #[pin]
    _pci: driver::Registration<Adapter<pci::Driver>>,
}

impl InPlaceModule for RustStmmac {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _pci <- driver::Registration::new(NAME, module),
        })
    }
}

module! {
    type: RustStmmac,
    name: "rust_stmmac",
    authors: ["rust_stmmac maintainers"],
    description: "Synopsys DesignWare Ethernet driver",
    license: "GPL v2",
}
