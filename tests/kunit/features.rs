// SPDX-License-Identifier: GPL-2.0

//! Decoding of the capability registers.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_features)]
mod tests {
    use crate::hwif::{
        features::{
            ActivePhy,
            Features,
            SafetyPackage,
            TimeSource, //
        },
        generations::dwmac4::features::decode, //
    };

    /// What a core has that claims nothing: one queue and one channel each way, FIFOs of 128 bytes.
    const BARE: Features = Features {
        mii: false,
        gmii: false,
        half_duplex: false,
        pcs: false,
        vlan_hash: false,
        mdio: false,
        remote_wake: false,
        magic_packet: false,
        mmc: false,
        arp_offload: false,
        timestamp: false,
        time_source: TimeSource::None,
        eee: false,
        tx_checksum: false,
        rx_checksum: false,
        added_addresses: 0,
        sa_vlan_insertion: false,
        active_phy: ActivePhy::Gmii,
        rx_fifo_size: 128,
        tx_fifo_size: 128,
        single_port_ram: false,
        one_step: false,
        ptp_offload: false,
        time_high_word: false,
        address_bits: 32,
        dcb: false,
        split_header: false,
        tso: false,
        debug_memory: false,
        av: false,
        rx_av: false,
        one_step_udp: false,
        hash_bits: 0,
        l3l4_filters: 0,
        rx_queues: 1,
        tx_queues: 1,
        rx_channels: 1,
        tx_channels: 1,
        rx_descriptor_cache: 0,
        tx_descriptor_cache: 0,
        pps_outputs: 0,
        aux_snapshots: 0,
        vlan_filters: 0,
        channel_vlan_insertion: false,
        double_vlan: false,
        packet_duplication: false,
        rx_parser: false,
        rx_parser_bytes: 0,
        rx_parser_entries: 0,
        est: false,
        est_depth: 0,
        est_width: 0,
        fpe: false,
        tbs: false,
        safety: SafetyPackage::None,
    };

    #[test]
    fn no_claims() {
        assert_eq!(decode([0; 4]), BARE);
    }

    /// Bits and the features that they stand for, one case a field. A case fails as well if its
    /// bits reach another field.
    #[test]
    fn each_field() {
        // Too large for the stack.
        static CASES: &[([u32; 4], Features)] = &[
            ([1 << 0, 0, 0, 0], Features { mii: true, ..BARE }),
            ([1 << 1, 0, 0, 0], Features { gmii: true, ..BARE }),
            (
                [1 << 2, 0, 0, 0],
                Features {
                    half_duplex: true,
                    ..BARE
                },
            ),
            ([1 << 3, 0, 0, 0], Features { pcs: true, ..BARE }),
            (
                [1 << 4, 0, 0, 0],
                Features {
                    vlan_hash: true,
                    ..BARE
                },
            ),
            ([1 << 5, 0, 0, 0], Features { mdio: true, ..BARE }),
            (
                [1 << 6, 0, 0, 0],
                Features {
                    remote_wake: true,
                    ..BARE
                },
            ),
            (
                [1 << 7, 0, 0, 0],
                Features {
                    magic_packet: true,
                    ..BARE
                },
            ),
            ([1 << 8, 0, 0, 0], Features { mmc: true, ..BARE }),
            (
                [1 << 9, 0, 0, 0],
                Features {
                    arp_offload: true,
                    ..BARE
                },
            ),
            (
                [1 << 12, 0, 0, 0],
                Features {
                    timestamp: true,
                    ..BARE
                },
            ),
            ([1 << 13, 0, 0, 0], Features { eee: true, ..BARE }),
            (
                [1 << 14, 0, 0, 0],
                Features {
                    tx_checksum: true,
                    ..BARE
                },
            ),
            (
                [1 << 16, 0, 0, 0],
                Features {
                    rx_checksum: true,
                    ..BARE
                },
            ),
            (
                [31 << 18, 0, 0, 0],
                Features {
                    added_addresses: 31,
                    ..BARE
                },
            ),
            (
                [1 << 23, 0, 0, 0],
                Features {
                    added_addresses: 32,
                    ..BARE
                },
            ),
            (
                [1 << 24, 0, 0, 0],
                Features {
                    added_addresses: 64,
                    ..BARE
                },
            ),
            (
                [0x19d << 16, 0, 0, 0],
                Features {
                    added_addresses: 103,
                    rx_checksum: true,
                    ..BARE
                },
            ),
            (
                [1 << 27, 0, 0, 0],
                Features {
                    sa_vlan_insertion: true,
                    ..BARE
                },
            ),
            (
                [1 << 28, 0, 0, 0],
                Features {
                    active_phy: ActivePhy::Rgmii,
                    ..BARE
                },
            ),
            (
                [7 << 28, 0, 0, 0],
                Features {
                    active_phy: ActivePhy::RevMii,
                    ..BARE
                },
            ),
            (
                [1 << 25, 0, 0, 0],
                Features {
                    time_source: TimeSource::Internal,
                    ..BARE
                },
            ),
            (
                [3 << 25, 0, 0, 0],
                Features {
                    time_source: TimeSource::Both,
                    ..BARE
                },
            ),
            (
                [0, 9, 0, 0],
                Features {
                    rx_fifo_size: 65536,
                    ..BARE
                },
            ),
            (
                [0, 1 << 5, 0, 0],
                Features {
                    single_port_ram: true,
                    ..BARE
                },
            ),
            (
                [0, 11 << 6, 0, 0],
                Features {
                    tx_fifo_size: 262144,
                    ..BARE
                },
            ),
            (
                [0, 1 << 11, 0, 0],
                Features {
                    one_step: true,
                    ..BARE
                },
            ),
            (
                [0, 1 << 12, 0, 0],
                Features {
                    ptp_offload: true,
                    ..BARE
                },
            ),
            (
                [0, 1 << 13, 0, 0],
                Features {
                    time_high_word: true,
                    ..BARE
                },
            ),
            (
                [0, 1 << 14, 0, 0],
                Features {
                    address_bits: 40,
                    ..BARE
                },
            ),
            (
                [0, 2 << 14, 0, 0],
                Features {
                    address_bits: 48,
                    ..BARE
                },
            ),
            ([0, 1 << 16, 0, 0], Features { dcb: true, ..BARE }),
            (
                [0, 1 << 17, 0, 0],
                Features {
                    split_header: true,
                    ..BARE
                },
            ),
            ([0, 1 << 18, 0, 0], Features { tso: true, ..BARE }),
            (
                [0, 1 << 19, 0, 0],
                Features {
                    debug_memory: true,
                    ..BARE
                },
            ),
            ([0, 1 << 20, 0, 0], Features { av: true, ..BARE }),
            (
                [0, 1 << 21, 0, 0],
                Features {
                    rx_av: true,
                    ..BARE
                },
            ),
            (
                [0, 1 << 23, 0, 0],
                Features {
                    one_step_udp: true,
                    ..BARE
                },
            ),
            (
                [0, 1 << 24, 0, 0],
                Features {
                    hash_bits: 64,
                    ..BARE
                },
            ),
            (
                [0, 2 << 24, 0, 0],
                Features {
                    hash_bits: 128,
                    ..BARE
                },
            ),
            (
                [0, 3 << 24, 0, 0],
                Features {
                    hash_bits: 256,
                    ..BARE
                },
            ),
            (
                [0, 8 << 27, 0, 0],
                Features {
                    l3l4_filters: 8,
                    ..BARE
                },
            ),
            (
                [0, 0, 7, 0],
                Features {
                    rx_queues: 8,
                    ..BARE
                },
            ),
            (
                [0, 0, 3 << 6, 0],
                Features {
                    tx_queues: 4,
                    ..BARE
                },
            ),
            (
                [0, 0, 7 << 12, 0],
                Features {
                    rx_channels: 8,
                    ..BARE
                },
            ),
            (
                [0, 0, 2 << 16, 0],
                Features {
                    rx_descriptor_cache: 8,
                    ..BARE
                },
            ),
            (
                [0, 0, 3 << 18, 0],
                Features {
                    tx_channels: 4,
                    ..BARE
                },
            ),
            (
                [0, 0, 3 << 22, 0],
                Features {
                    tx_descriptor_cache: 16,
                    ..BARE
                },
            ),
            (
                [0, 0, 4 << 24, 0],
                Features {
                    pps_outputs: 4,
                    ..BARE
                },
            ),
            (
                [0, 0, 4 << 28, 0],
                Features {
                    aux_snapshots: 4,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 5],
                Features {
                    vlan_filters: 32,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 1 << 4],
                Features {
                    channel_vlan_insertion: true,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 1 << 5],
                Features {
                    double_vlan: true,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 1 << 9],
                Features {
                    packet_duplication: true,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 1 << 10],
                Features {
                    rx_parser: true,
                    rx_parser_bytes: 64,
                    rx_parser_entries: 64,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 0x6c00],
                Features {
                    rx_parser: true,
                    rx_parser_bytes: 128,
                    rx_parser_entries: 0,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 0x31_0000 | 5 << 17],
                Features {
                    est: true,
                    est_depth: 1024,
                    est_width: 24,
                    ..BARE
                },
            ),
            ([0, 0, 0, 1 << 26], Features { fpe: true, ..BARE }),
            ([0, 0, 0, 1 << 27], Features { tbs: true, ..BARE }),
            (
                [0, 0, 0, 1 << 28],
                Features {
                    safety: SafetyPackage::Ecc,
                    ..BARE
                },
            ),
            (
                [0, 0, 0, 3 << 28],
                Features {
                    safety: SafetyPackage::All,
                    ..BARE
                },
            ),
        ];

        for (words, features) in CASES {
            assert_eq!(decode(*words), *features);
        }
    }

    #[test]
    fn encodings_without_meaning_claim_nothing() {
        // A FIFO beyond what exists, ADDR64 3, NRVF 7; depth and width without EST.
        assert_eq!(
            decode([0, 0x1f << 6, 0, 0]),
            Features {
                tx_fifo_size: 0,
                ..BARE
            }
        );
        assert_eq!(decode([0, 3 << 14, 0, 0]), BARE);
        assert_eq!(decode([0, 0, 0, 7]), BARE);
        assert_eq!(decode([0, 0, 0, 0x3e << 16]), BARE);
    }

    #[test]
    fn all_ones_is_sane() {
        let features = decode([u32::MAX; 4]);

        assert_eq!(features.added_addresses, 127);
        assert_eq!((features.rx_queues, features.tx_queues), (8, 8));
        assert_eq!((features.rx_channels, features.tx_channels), (8, 8));
        assert_eq!(features.rx_fifo_size, 0);
        assert_eq!(features.address_bits, 32);
    }
}
