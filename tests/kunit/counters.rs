// SPDX-License-Identifier: GPL-2.0

//! Where the MAC's counters are, and what a register dump reads.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_counters)]
mod tests {
    use super::*;
    use crate::{
        hwif::{
            generations::dwmac4::{
                dump,
                mmc::address, //
            },
            Features, //
        },
        mmc::mac,
    };

    #[test]
    fn every_counter_has_a_register_of_its_own() -> Result {
        for counter in 0..mac::COUNT {
            let at = address(counter).ok_or(EINVAL)?;
            assert!((0x714..=0x7f8).contains(&at) && at % 4 == 0);
            for other in 0..counter {
                assert!(address(other) != Some(at));
            }
        }
        assert!(address(mac::COUNT).is_none());
        assert!(address(mac::TX_GOOD_OCTETS) == Some(0x764));
        assert!(address(mac::RX_FIFO_OVERFLOW) == Some(0x7d4));
        Ok(())
    }

    /// PMT, its filter window, LPI, PCS, in-band and time status; a channel's lost frames.
    const CHANGED_BY_READING: [usize; 9] =
        [0xb0, 0xb8, 0xc0, 0xc4, 0xd0, 0xe4, 0xf8, 0xb20, 0x1164];

    #[test]
    fn a_dump_changes_nothing() {
        let features = Features {
            tx_queues: 8,
            rx_queues: 8,
            tx_channels: 8,
            rx_channels: 8,
            hash_bits: 256,
            added_addresses: 127,
            sa_vlan_insertion: true,
            eee: true,
            mmc: true,
            timestamp: true,
            ..Features::default()
        };
        let (mut count, mut slots, mut last_channel) = (0, 0, false);

        dump::registers(&features, &mut |offset| {
            assert!(offset < dump::END && offset % 4 == 0);
            assert!(!CHANGED_BY_READING.contains(&offset));
            // Counters, but not their control.
            assert!(!(0x704..0x70c).contains(&offset) && !(0x714..0x800).contains(&offset));
            count += 1;
            slots += usize::from((0x300..0x700).contains(&offset));
            last_channel |= offset == 0x14e0;
        });
        assert!(count > 400);
        assert_eq!(slots, 2 * 128);
        assert!(last_channel);
    }

    #[test]
    fn what_is_shown_of_a_channel_is_part_of_a_dump() {
        for ch in 0..8 {
            let features = Features {
                tx_queues: 8,
                rx_queues: 8,
                tx_channels: 8,
                rx_channels: 8,
                ..Features::default()
            };
            let mut shown = 0;

            dump::channel(ch, &mut |name, offset| {
                let mut found = name.is_empty();
                dump::registers(&features, &mut |other| found |= other == offset);
                assert!(found);
                shown += 1;
            });
            assert!(shown > 20);
        }
    }

    #[test]
    fn a_dump_leaves_out_what_is_not_there() {
        let features = Features {
            tx_queues: 1,
            rx_queues: 1,
            tx_channels: 1,
            rx_channels: 1,
            ..Features::default()
        };

        dump::registers(&features, &mut |offset| {
            assert!(offset < 0x1180);
            assert!(!(0x308..0xc00).contains(&offset));
            assert!(!(0xd40..0x1000).contains(&offset));
        });
    }
}
