// SPDX-License-Identifier: GPL-2.0

//! Address filter and frame limit.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_mac)]
mod tests {
    use crate::hwif::{
        generations::dwmac4::mac::{
            address_crc,
            hash_index,
            FilterPlan,
            FrameLimit, //
        },
        Filter, //
    };

    /// Asks for nothing but the port's own address.
    const OWN: Filter<'_> = Filter {
        promiscuous: false,
        all_multicast: false,
        unicast: &[],
        multicast: &[],
        vlan: false,
    };

    const UNICAST: &[[u8; 6]] = &[[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3]];
    const MULTICAST: &[[u8; 6]] = &[
        [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01],
        [0x33, 0x33, 0x00, 0x00, 0x00, 0x01],
    ];

    /// Values from another implementation of CRC-32, bit-reversed.
    #[test]
    fn hashes() {
        for (addr, crc, h64, h128, h256) in [
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0x00b7_9b82, 0, 0, 0),
            (
                [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01],
                0x805c_d264,
                32,
                64,
                128,
            ),
            ([0x33, 0x33, 0x00, 0x00, 0x00, 0x01], 0x0664_5545, 1, 3, 6),
            (
                [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb],
                0xc084_c4de,
                48,
                96,
                192,
            ),
            (
                [0x01, 0x80, 0xc2, 0x00, 0x00, 0x03],
                0xc5ad_ac71,
                49,
                98,
                197,
            ),
            (
                [0x33, 0x33, 0xff, 0x12, 0x34, 0x56],
                0xf406_14b4,
                61,
                122,
                244,
            ),
            (
                [0x02, 0x00, 0x00, 0x00, 0x00, 0x01],
                0x7c0c_b0d1,
                31,
                62,
                124,
            ),
            (
                [0x01, 0x00, 0x5e, 0x7f, 0xff, 0xff],
                0xa0ec_e30d,
                40,
                80,
                160,
            ),
            (
                [0x33, 0x33, 0x00, 0x00, 0x00, 0x0c],
                0xbb5a_d83b,
                46,
                93,
                187,
            ),
        ] {
            assert_eq!(address_crc(&addr), crc);
            assert_eq!(hash_index(&addr, 64), Some(h64));
            assert_eq!(hash_index(&addr, 128), Some(h128));
            assert_eq!(hash_index(&addr, 256), Some(h256));
            assert_eq!(hash_index(&addr, 0), None);
        }
    }

    #[test]
    fn plain_plans() {
        assert_eq!(FilterPlan::new(31, 64, &OWN), FilterPlan::default());
        assert_eq!(
            FilterPlan::new(
                31,
                64,
                &Filter {
                    promiscuous: true,
                    unicast: UNICAST,
                    multicast: MULTICAST,
                    ..OWN
                }
            ),
            FilterPlan {
                promiscuous: true,
                ..FilterPlan::default()
            }
        );
        assert_eq!(
            FilterPlan::new(
                31,
                64,
                &Filter {
                    all_multicast: true,
                    unicast: UNICAST,
                    multicast: MULTICAST,
                    ..OWN
                }
            ),
            FilterPlan {
                all_multicast: true,
                unicast_slots: 3,
                ..FilterPlan::default()
            }
        );
    }

    #[test]
    fn multicast_is_hashed() {
        let filter = Filter {
            unicast: UNICAST,
            multicast: MULTICAST,
            ..OWN
        };

        // Bits 1 and 32.
        assert_eq!(
            FilterPlan::new(3, 64, &filter),
            FilterPlan {
                hash_multicast: true,
                hash: [1 << 1, 1 << 0, 0, 0, 0, 0, 0, 0],
                unicast_slots: 3,
                ..FilterPlan::default()
            }
        );
        // Bits 6 and 128.
        assert_eq!(
            FilterPlan::new(3, 256, &filter),
            FilterPlan {
                hash_multicast: true,
                hash: [1 << 6, 0, 0, 0, 1 << 0, 0, 0, 0],
                unicast_slots: 3,
                ..FilterPlan::default()
            }
        );
    }

    #[test]
    fn slots_run_out() {
        let filter = Filter {
            unicast: UNICAST,
            multicast: MULTICAST,
            ..OWN
        };

        // One slot is missing, but there is a hash table.
        let plan = FilterPlan::new(2, 64, &filter);
        assert_eq!(plan.unicast_slots, 2);
        assert!(plan.hash_unicast && plan.hash_multicast);
        assert!(!plan.promiscuous && !plan.all_multicast);
        assert_eq!(plan.hash.iter().map(|w| w.count_ones()).sum::<u32>(), 3);

        // Without hash table, multicast takes what slots are left.
        let plan = FilterPlan::new(5, 0, &filter);
        assert_eq!((plan.unicast_slots, plan.multicast_slots), (3, 2));
        assert!(!plan.promiscuous && !plan.all_multicast);
        assert_eq!(plan.hash, [0; 8]);

        let plan = FilterPlan::new(4, 0, &filter);
        assert_eq!((plan.unicast_slots, plan.multicast_slots), (3, 0));
        assert!(!plan.promiscuous && plan.all_multicast);

        let plan = FilterPlan::new(2, 0, &filter);
        assert!(plan.promiscuous && plan.all_multicast);

        let plan = FilterPlan::new(0, 0, &OWN);
        assert_eq!(plan, FilterPlan::default());
    }

    #[test]
    fn frame_limits() {
        let standard = FrameLimit::default();
        let jumbo = FrameLimit {
            jumbo: true,
            ..standard
        };
        let giant = |bytes| FrameLimit {
            giant: Some(bytes),
            ..standard
        };
        let beyond = |bytes| FrameLimit {
            no_timers: true,
            ..giant(bytes)
        };

        for (bytes, limit) in [
            (0, standard),
            // Beside the FCS there is room for a second tag: MTU 1500 with both is 1526.
            (1510, standard),
            (1511, giant(1519)),
            (1518, giant(1526)),
            (2040, giant(2048)),
            (2041, jumbo),
            (9014, jumbo),
            (9018, jumbo),
            (9019, beyond(9027)),
            (16375, beyond(16383)),
            (16379, beyond(16383)),
            (16380, beyond(16383)),
            (u32::MAX, beyond(16383)),
        ] {
            assert_eq!(FrameLimit::new(bytes), limit);
        }
    }
}
