// SPDX-License-Identifier: GPL-2.0

//! Capability registers.

use kernel::io::Io;

use super::regs::*;
use crate::hwif::{
    features::{
        ActivePhy,
        SafetyPackage,
        TimeSource, //
    },
    Features,
    Mmio, //
};

/// Reads and decodes the capability registers.
pub(super) fn read(io: Mmio<'_>) -> Features {
    decode([
        io.read(MAC_HW_FEATURE0).into(),
        io.read(MAC_HW_FEATURE1).into(),
        io.read(MAC_HW_FEATURE2).into(),
        io.read(MAC_HW_FEATURE3).into(),
    ])
}

/// Decodes MAC_HW_Feature0 to MAC_HW_Feature3.
pub(crate) fn decode(words: [u32; 4]) -> Features {
    let [f0, f1, f2, f3] = words;
    let f0 = MAC_HW_FEATURE0::from(f0);
    let f1 = MAC_HW_FEATURE1::from(f1);
    let f2 = MAC_HW_FEATURE2::from(f2);
    let f3 = MAC_HW_FEATURE3::from(f3);
    // The encodings below leave gaps. A value that no databook names counts as "not there".
    let parser = f3.frpsel();
    let est = f3.estsel();

    Features {
        mii: f0.miisel(),
        gmii: f0.gmiisel(),
        half_duplex: f0.hdsel(),
        pcs: f0.pcssel(),
        vlan_hash: f0.vlhash(),
        mdio: f0.smasel(),
        remote_wake: f0.rwksel(),
        magic_packet: f0.mgksel(),
        mmc: f0.mmcsel(),
        arp_offload: f0.arpoffsel(),
        timestamp: f0.tssel(),
        time_source: match f0.tsstssel().get() {
            1 => TimeSource::Internal,
            2 => TimeSource::External,
            3 => TimeSource::Both,
            _ => TimeSource::None,
        },
        eee: f0.eeesel(),
        tx_checksum: f0.txcoesel(),
        rx_checksum: f0.rxcoesel(),
        added_addresses: f0.added_addresses(),
        sa_vlan_insertion: f0.savlanins(),
        active_phy: match f0.actphysel().get() {
            1 => ActivePhy::Rgmii,
            2 => ActivePhy::Sgmii,
            3 => ActivePhy::Tbi,
            4 => ActivePhy::Rmii,
            5 => ActivePhy::Rtbi,
            6 => ActivePhy::Smii,
            7 => ActivePhy::RevMii,
            _ => ActivePhy::Gmii,
        },

        rx_fifo_size: fifo_bytes(f1.rxfifosize().get()),
        tx_fifo_size: fifo_bytes(f1.txfifosize().get()),
        single_port_ram: f1.spram(),
        one_step: f1.osten(),
        ptp_offload: f1.ptoen(),
        time_high_word: f1.advthword(),
        address_bits: match f1.addr64().get() {
            1 => 40,
            2 => 48,
            _ => 32,
        },
        dcb: f1.dcben(),
        split_header: f1.sphen(),
        tso: f1.tsoen(),
        debug_memory: f1.dbgmema(),
        av: f1.avsel(),
        rx_av: f1.ravsel(),
        one_step_udp: f1.pouost(),
        hash_bits: match f1.hashtblsz().get() {
            1 => 64,
            2 => 128,
            3 => 256,
            _ => 0,
        },
        l3l4_filters: f1.l3l4fnum().get(),

        rx_queues: f2.rx_queues(),
        tx_queues: f2.tx_queues(),
        rx_channels: f2.rx_channels(),
        tx_channels: f2.tx_channels(),
        rx_descriptor_cache: cache_entries(f2.rdcsz().get()),
        tx_descriptor_cache: cache_entries(f2.tdcsz().get()),
        pps_outputs: f2.ppsoutnum().get(),
        aux_snapshots: f2.auxsnapnum().get(),

        vlan_filters: match f3.nrvf().get() {
            1 => 4,
            2 => 8,
            3 => 16,
            4 => 24,
            5 => 32,
            _ => 0,
        },
        channel_vlan_insertion: f3.cbtisel(),
        double_vlan: f3.dvlan(),
        packet_duplication: f3.pdupsel(),
        rx_parser: parser,
        rx_parser_bytes: parser_size(parser, f3.frpbs().get()),
        rx_parser_entries: parser_size(parser, f3.frpes().get()),
        est,
        est_depth: match f3.estdep().get() {
            1 if est => 64,
            2 if est => 128,
            3 if est => 256,
            4 if est => 512,
            5 if est => 1024,
            _ => 0,
        },
        est_width: match f3.estwid().get() {
            1 if est => 16,
            2 if est => 20,
            3 if est => 24,
            _ => 0,
        },
        fpe: f3.fpesel(),
        tbs: f3.tbssel(),
        safety: match f3.asp().get() {
            1 => SafetyPackage::Ecc,
            2 => SafetyPackage::AllButParityPort,
            3 => SafetyPackage::All,
            _ => SafetyPackage::None,
        },
    }
}

/// A FIFO's size from its encoding, base-2 logarithm in units of 128 bytes; no core has more than
/// 256 KiB.
fn fifo_bytes(log2: u32) -> u32 {
    const LARGEST: u32 = 11;

    match log2 {
        0..=LARGEST => 128u32.checked_shl(log2).unwrap_or(0),
        _ => 0,
    }
}

/// Descriptors of a channel's cache (RDCSZ, TDCSZ).
fn cache_entries(size: u32) -> u32 {
    match size {
        1 => 4,
        2 => 8,
        3 => 16,
        _ => 0,
    }
}

/// Bytes or instructions of the receive parser (FRPBS, FRPES).
fn parser_size(present: bool, size: u32) -> u32 {
    match size {
        0 if present => 64,
        1 if present => 128,
        2 if present => 256,
        _ => 0,
    }
}
