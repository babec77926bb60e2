// SPDX-License-Identifier: GPL-2.0

//! What a core was synthesised with.

/// How the system time counter is fed (TSSTSSEL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeSource {
    /// No counter, or an encoding that no databook names.
    #[default]
    None,
    /// The core's own counter.
    Internal,
    /// A counter outside the core.
    External,
    /// Selectable at run time.
    Both,
}

/// PHY interface that was selected by the straps at reset (ACTPHYSEL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ActivePhy {
    /// GMII or MII.
    #[default]
    Gmii,
    /// RGMII.
    Rgmii,
    /// SGMII.
    Sgmii,
    /// TBI.
    Tbi,
    /// RMII.
    Rmii,
    /// RTBI.
    Rtbi,
    /// SMII.
    Smii,
    /// RevMII.
    RevMii,
}

/// Automotive safety package (ASP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SafetyPackage {
    /// None.
    #[default]
    None,
    /// ECC protection of the memories only.
    Ecc,
    /// ECC, and all other features without the parity port.
    AllButParityPort,
    /// ECC, and all other features.
    All,
}

/// Capabilities of a core, decoded once at probe; nothing else reads the capability registers.
///
/// Field comments name the databook's field. Sizes and numbers are in plain units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// MIISEL: 10 and 100 Mbit/s.
    pub(crate) mii: bool,
    /// GMIISEL: 1000 Mbit/s.
    pub(crate) gmii: bool,
    /// HDSEL: half duplex.
    pub(crate) half_duplex: bool,
    /// PCSSEL: TBI, SGMII or RTBI PCS.
    pub(crate) pcs: bool,
    /// VLHASH: hash filter for VLAN tags.
    pub(crate) vlan_hash: bool,
    /// SMASEL: MDIO master.
    pub(crate) mdio: bool,
    /// RWKSEL: wake on a frame that a filter selects.
    pub(crate) remote_wake: bool,
    /// MGKSEL: wake on a magic frame.
    pub(crate) magic_packet: bool,
    /// MMCSEL: statistics counters.
    pub(crate) mmc: bool,
    /// ARPOFFSEL: the core answers ARP requests.
    pub(crate) arp_offload: bool,
    /// TSSEL: IEEE 1588 timestamps.
    pub(crate) timestamp: bool,
    /// TSSTSSEL: what feeds the timestamps. Meaningful only with `timestamp`.
    pub(crate) time_source: TimeSource,
    /// EEESEL: Energy Efficient Ethernet.
    pub(crate) eee: bool,
    /// TXCOESEL: checksum insertion.
    pub(crate) tx_checksum: bool,
    /// RXCOESEL: checksum check.
    pub(crate) rx_checksum: bool,
    /// ADDMACADRSEL, MACADR32SEL and MACADR64SEL: address slots beside slot 0.
    pub(crate) added_addresses: u32,
    /// SAVLANINS: source address or VLAN tag insertion.
    pub(crate) sa_vlan_insertion: bool,
    /// ACTPHYSEL.
    pub(crate) active_phy: ActivePhy,

    /// RXFIFOSIZE, bytes.
    pub(crate) rx_fifo_size: u32,
    /// TXFIFOSIZE, bytes.
    pub(crate) tx_fifo_size: u32,
    /// SPRAM: both FIFOs share one single-port RAM.
    pub(crate) single_port_ram: bool,
    /// OSTEN: one-step timestamping.
    pub(crate) one_step: bool,
    /// PTOEN: the core answers PTP messages.
    pub(crate) ptp_offload: bool,
    /// ADVTHWORD: IEEE 1588 high word register (48 bits of seconds).
    pub(crate) time_high_word: bool,
    /// ADDR64: bits of a bus address, 32, 40 or 48.
    pub(crate) address_bits: u32,
    /// DCBEN: data centre bridging.
    pub(crate) dcb: bool,
    /// SPHEN: header splitting.
    pub(crate) split_header: bool,
    /// TSOEN: TCP segmentation.
    pub(crate) tso: bool,
    /// DBGMEMA: FIFO access for debugging.
    pub(crate) debug_memory: bool,
    /// AVSEL: audio video bridging.
    pub(crate) av: bool,
    /// RAVSEL: audio video bridging on the receive side only.
    pub(crate) rx_av: bool,
    /// POUOST: one-step timestamps for PTP over UDP.
    pub(crate) one_step_udp: bool,
    /// HASHTBLSZ: bits of the address hash table; 0, 64, 128 or 256.
    pub(crate) hash_bits: u32,
    /// L3L4FNUM: layer 3 and 4 filters.
    pub(crate) l3l4_filters: u32,

    /// RXQCNT: receive queues of the MTL.
    pub(crate) rx_queues: u32,
    /// TXQCNT: transmit queues of the MTL.
    pub(crate) tx_queues: u32,
    /// RXCHCNT: receive channels of the DMA.
    pub(crate) rx_channels: u32,
    /// TXCHCNT: transmit channels of the DMA.
    pub(crate) tx_channels: u32,
    /// RDCSZ: receive descriptors that a channel prefetches; 0 if it does not.
    pub(crate) rx_descriptor_cache: u32,
    /// TDCSZ: transmit descriptors that a channel prefetches; 0 if it does not.
    pub(crate) tx_descriptor_cache: u32,
    /// PPSOUTNUM: pulse-per-second outputs.
    pub(crate) pps_outputs: u32,
    /// AUXSNAPNUM: auxiliary snapshot inputs.
    pub(crate) aux_snapshots: u32,

    /// NRVF: extended VLAN tag filters.
    pub(crate) vlan_filters: u32,
    /// CBTISEL: VLAN tag insertion per channel.
    pub(crate) channel_vlan_insertion: bool,
    /// DVLAN: double VLAN tags.
    pub(crate) double_vlan: bool,
    /// PDUPSEL: broadcast and multicast duplication.
    pub(crate) packet_duplication: bool,
    /// FRPSEL: flexible receive parser.
    pub(crate) rx_parser: bool,
    /// FRPBS: bytes of a frame that the parser sees. Zero without parser.
    pub(crate) rx_parser_bytes: u32,
    /// FRPES: instructions of the parser. Zero without parser.
    pub(crate) rx_parser_entries: u32,
    /// ESTSEL: enhancements to scheduled traffic.
    pub(crate) est: bool,
    /// ESTDEP: gate control list entries; 0 without EST.
    pub(crate) est_depth: u32,
    /// ESTWID: bits of a gate control list entry's time interval; 0 without EST.
    pub(crate) est_width: u32,
    /// FPESEL: frame preemption.
    pub(crate) fpe: bool,
    /// TBSSEL: time-based scheduling.
    pub(crate) tbs: bool,
    /// ASP.
    pub(crate) safety: SafetyPackage,
}
