// SPDX-License-Identifier: GPL-2.0

//! PCI glue: which functions carry a core, and what has to be known of each.
//!
//! A vendor's functions and their peculiarities are data in a file of its own; [`driver`] is the
//! same for all.

use kernel::pci::{
    DeviceId,
    Vendor, //
};

use crate::{
    config::Config,
    hwif::Family, //
};

mod driver;
pub(crate) mod intel;
mod snps;

pub(crate) use driver::Driver;

/// What has to be known of a PCI function.
pub(crate) struct Glue {
    /// As shown to users.
    pub(crate) name: &'static str,
    /// Family of the core.
    pub(crate) family: Family,
    /// BAR with the core's registers.
    pub(crate) bar: u32,
    /// What the core cannot tell by itself.
    pub(crate) config: Config,
}

kernel::pci_device_table!(
    PCI_TABLE,
    Glue,
    [
        (
            DeviceId::from_id(Vendor::SYNOPSYS, snps::GMAC5_ID),
            snps::GMAC5
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_RGMII_ID),
            intel::EHL_RGMII
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_SGMII_ID),
            intel::EHL_SGMII
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_SGMII_2G5_ID),
            intel::EHL_SGMII_2G5
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_PSE0_RGMII_ID),
            intel::EHL_PSE0_RGMII
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_PSE0_SGMII_ID),
            intel::EHL_PSE0_SGMII
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_PSE0_SGMII_2G5_ID),
            intel::EHL_PSE0_SGMII_2G5
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_PSE1_RGMII_ID),
            intel::EHL_PSE1_RGMII
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_PSE1_SGMII_ID),
            intel::EHL_PSE1_SGMII
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::EHL_PSE1_SGMII_2G5_ID),
            intel::EHL_PSE1_SGMII_2G5
        ),
        (DeviceId::from_id(Vendor::INTEL, intel::TGL_ID), intel::TGL),
        (
            DeviceId::from_id(Vendor::INTEL, intel::TGL_H0_ID),
            intel::TGL
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::TGL_H1_ID),
            intel::TGL
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::ADL_S0_ID),
            intel::ADL_S
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::ADL_S1_ID),
            intel::ADL_S
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::ADL_N_ID),
            intel::ADL_N
        ),
        (
            DeviceId::from_id(Vendor::INTEL, intel::RPL_P_ID),
            intel::RPL_P
        ),
    ]
);
