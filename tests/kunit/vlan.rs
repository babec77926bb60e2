// SPDX-License-Identifier: GPL-2.0

//! Sets of VLANs, how they are filtered, and which features go together.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_vlan)]
mod tests {
    use kernel::{
        error::code::EINVAL,
        net::{
            device::Features,
            skbuff::VlanProtocol, //
        }, //
    };

    use crate::{
        hwif::{
            self,
            generations::dwmac4::vlan::{
                hash_index,
                FilterPlan, //
            }, //
        },
        vlan::{
            features,
            fix_features,
            removed,
            rx_protocol,
            Vids, //
        }, //
    };

    fn vids(list: &[u16]) -> Vids {
        let mut vids = Vids::new();

        for &vid in list {
            assert!(vids.set(vid, true).is_ok());
        }
        vids
    }

    #[test]
    fn sets_of_vlans() {
        let mut set = vids(&[4095, 31, 0, 32, 31]);

        assert_eq!(set.len(), 4);
        assert!(set.iter().eq([0, 31, 32, 4095]));
        assert!(set.set(0, false).is_ok());
        assert!(set.set(100, false).is_ok());
        assert!(set.iter().eq([31, 32, 4095]));
        for vid in [4096, u16::MAX] {
            assert_eq!(set.set(vid, true), Err(EINVAL));
            assert_eq!(set.set(vid, false), Err(EINVAL));
        }
        assert_eq!(set.len(), 3);
    }

    #[test]
    fn hash_of_a_vlan() {
        // The CRC-32 of 12 bits, computed by another algorithm.
        for (vid, index) in HASHES {
            assert_eq!(hash_index(vid), index);
        }
    }

    #[test]
    fn filters_are_exact_where_they_can_be() {
        let few = vids(&[0, 5, 100, 4094]);
        let many = vids(&[0, 5, 100, 200, 4094]);

        assert_eq!(FilterPlan::new(4, true, None), FilterPlan::Off);
        assert_eq!(
            FilterPlan::new(4, true, Some(&Vids::new())),
            FilterPlan::Off
        );
        for hash in [true, false] {
            assert_eq!(FilterPlan::new(4, hash, Some(&few)), FilterPlan::Extended);
        }
        // More than there are filters: by hash, or not at all.
        let table = |vids: &Vids| vids.iter().fold(0, |t, vid| t | 1u16 << hash_index(vid));
        assert_eq!(
            FilterPlan::new(4, true, Some(&many)),
            FilterPlan::Hash {
                table: table(&many),
                vid: 5,
            }
        );
        assert_eq!(FilterPlan::new(4, false, Some(&many)), FilterPlan::Off);
    }

    #[test]
    fn the_single_filter_never_compares_with_zero() {
        let plan = |list: &[u16], hash| FilterPlan::new(0, hash, Some(&vids(list)));

        for hash in [true, false] {
            assert_eq!(plan(&[7], hash), FilterPlan::Single(7));
        }
        assert_eq!(plan(&[0], false), FilterPlan::Off);
        assert_eq!(plan(&[0, 7], false), FilterPlan::Off);
        assert_eq!(
            plan(&[0], true),
            FilterPlan::Hash {
                table: 1 << hash_index(0),
                vid: 0xfff,
            }
        );
        assert_eq!(
            plan(&[0, 7], true),
            FilterPlan::Hash {
                table: 1 << hash_index(0) | 1 << hash_index(7),
                vid: 7,
            }
        );
    }

    #[test]
    fn features_of_capabilities() {
        let rx = Features::HW_VLAN_CTAG_RX;
        let filter = Features::HW_VLAN_CTAG_FILTER;
        let (s_rx, s_filter) = (Features::HW_VLAN_STAG_RX, Features::HW_VLAN_STAG_FILTER);
        let (c_tag, s_tag) = (Features::HW_VLAN_CTAG_TX, Features::HW_VLAN_STAG_TX);
        let none = hwif::Features::default();

        assert_eq!(features(&none), (rx, rx));
        for caps in [
            hwif::Features {
                vlan_hash: true,
                ..none
            },
            hwif::Features {
                vlan_filters: 4,
                ..none
            },
        ] {
            assert_eq!(features(&caps), (rx | filter, rx | filter));
        }
        let caps = hwif::Features {
            sa_vlan_insertion: true,
            ..none
        };
        assert_eq!(features(&caps), (rx | c_tag | s_tag, rx | c_tag));

        // Who tells the types of tags apart.
        let double = hwif::Features {
            double_vlan: true,
            ..none
        };
        assert_eq!(features(&double), (rx, rx));
        let caps = hwif::Features {
            vlan_filters: 4,
            ..double
        };
        assert_eq!(features(&caps), (rx | filter | s_filter, rx | filter));
        let caps = hwif::Features {
            vlan_hash: true,
            ..double
        };
        assert_eq!(
            features(&caps),
            (rx | filter | s_rx | s_filter, rx | filter)
        );

        // One type of tags at a time.
        for c in [rx, filter, rx | filter] {
            for s in [s_rx, s_filter, s_rx | s_filter] {
                assert_eq!(fix_features(c | s | c_tag), c | c_tag);
                assert_eq!(fix_features(s | c_tag), s | c_tag);
                assert_eq!(removed(c), c.contains(rx).then_some(VlanProtocol::CTag));
                assert_eq!(removed(s), s.contains(s_rx).then_some(VlanProtocol::STag));
                assert_eq!(rx_protocol(c), VlanProtocol::CTag);
                assert_eq!(rx_protocol(s), VlanProtocol::STag);
            }
        }
        assert_eq!(fix_features(c_tag | s_tag | rx), c_tag | rx);
        assert_eq!(fix_features(s_tag | rx), s_tag | rx);
        assert_eq!(fix_features(c_tag), c_tag);
        assert_eq!(fix_features(rx), rx);
    }

    /// VLANs and the bits of the hash table that stand for them.
    const HASHES: [(u16, u8); 8] = [
        (0, 0),
        (1, 8),
        (2, 4),
        (5, 2),
        (100, 0),
        (200, 0),
        (1000, 0),
        (4095, 0),
    ];
}
