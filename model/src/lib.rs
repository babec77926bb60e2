// SPDX-License-Identifier: GPL-2.0

//! A model of the Synopsys DesignWare Ethernet MACs, served to QEMU over vfio-user.
//!
//! [`gmac::Gmac`] is the core without any bus; [`pci`] makes a PCI function of it, [`backend`]
//! puts that on a socket, [`port`] gives it threads, and [`wire`] connects ports.

#![warn(missing_docs)]

pub mod arp;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod csum;
pub mod desc;
pub mod dma;
pub mod fault;
pub mod filter;
pub mod gmac;
pub mod l3l4;
pub mod lpi;
pub mod mac;
pub mod mdio;
pub mod mem;
pub mod mmc;
pub mod mtl;
pub mod pcap;
pub mod pci;
pub mod phy;
pub mod pmt;
pub mod port;
pub mod ptp;
pub mod regs;
pub mod safety;
pub mod sched;
pub mod serial;
pub mod split;
pub mod strict;
pub mod traffic;
pub mod tso;
pub mod vlan;
pub mod wire;
