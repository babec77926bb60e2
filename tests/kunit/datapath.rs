// SPDX-License-Identifier: GPL-2.0

//! Ring arithmetic, coalescing and buffer sizes.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_datapath)]
mod tests {
    use kernel::net::page_pool::{
        RxLayout,
        HEADROOM, //
    };

    use crate::{
        hwif::RingSetup,
        ring::{
            index_of,
            round_len,
            Position,
            View,
            MAX_LEN,
            MIN_LEN, //
        },
        rx,
        tx, //
    };

    #[test]
    fn ring_lengths_are_powers_of_two_in_range() {
        for (wanted, got) in [
            (0, MIN_LEN),
            (1, MIN_LEN),
            (64, 64),
            (65, 128),
            (512, 512),
            (513, 1024),
            (1024, 1024),
            (1025, MAX_LEN),
            (u32::MAX, MAX_LEN),
        ] {
            assert_eq!(round_len(wanted), got);
        }
    }

    #[test]
    fn positions_wrap() {
        let mask = 511;
        let last = Position::new(u32::MAX);
        let wrapped = last.next();
        assert_eq!(wrapped, Position::new(0));
        assert_eq!(last.slot(mask), 511);
        assert_eq!(wrapped.slot(mask), 0);
        assert_eq!(wrapped.ahead_of(last), 1);
        assert_eq!(last.ahead_of(wrapped), u32::MAX);
        assert_eq!(Position::new(5).ahead_of(Position::new(u32::MAX - 4)), 10);
    }

    #[test]
    fn descriptors_are_found_by_address() {
        let ring = RingSetup {
            base: 0x1_ffff_f000,
            len: 64,
            tail: 0,
        };
        assert_eq!(index_of(&ring, 0xffff_f000), Some(0));
        assert_eq!(index_of(&ring, 0xffff_f3f0), Some(63));
        assert_eq!(index_of(&ring, 0xffff_f400), None);
        assert_eq!(index_of(&ring, 0xffff_eff0), None);
        assert_eq!(index_of(&ring, 0), None);
    }

    #[test]
    fn a_view_is_centred_on_the_dma() {
        let ring = RingSetup {
            base: 0x1000,
            len: 64,
            tail: 0,
        };
        let load = |index| [index, 0, 0, 0];
        let view = View::new(&ring, 0x1030, 5, 2, load);
        assert!(view.dma == Some(3) && view.head == 5 && view.tail == 2);
        let shown = view.descriptors();
        assert!(shown
            .zip([59, 60, 61, 62, 63, 0, 1, 2, 3].into_iter().chain(4..11))
            .all(|((index, words), expected)| index == expected && *words == [expected, 0, 0, 0]));
        assert_eq!(view.descriptors().count(), 16);
        // Or on where the driver waits for it.
        let view = View::new(&ring, 0, 5, 20, load);
        assert!(view.dma.is_none());
        assert_eq!(view.descriptors().map(|(index, _)| index).next(), Some(12));
    }

    #[test]
    fn tx_interrupts_by_frames() {
        let mut meter = tx::Meter::new(tx::Coalesce {
            frames: 4,
            bytes: u32::MAX,
            usecs: 0,
        });
        for round in 0..3 {
            for frame in 0..4 {
                let asked = meter.account(60);
                assert_eq!((round, frame, asked), (round, frame, frame == 3));
            }
        }
    }

    #[test]
    fn tx_interrupts_by_bytes() {
        let mut meter = tx::Meter::new(tx::Coalesce {
            frames: 1000,
            bytes: 3000,
            usecs: 0,
        });
        let asked = [1500, 1500, 1500, 1499, 1, 9000].map(|bytes| meter.account(bytes));
        assert_eq!(asked, [false, true, false, false, true, true]);
    }

    #[test]
    fn tx_interrupts_never_without_frames() {
        let mut meter = tx::Meter::new(tx::Coalesce {
            frames: 0,
            bytes: 1,
            usecs: 100,
        });
        for _ in 0..100 {
            assert_eq!(meter.account(u32::MAX), false);
        }
    }

    #[test]
    fn rx_interrupts() {
        let every_fourth = rx::Coalesce {
            frames: 4,
            usecs: 50,
        };
        let watchdog = rx::Coalesce {
            frames: 0,
            usecs: 50,
        };
        let every = rx::Coalesce {
            frames: 0,
            usecs: 0,
        };
        for slot in 0..16 {
            assert_eq!(every_fourth.interrupt(slot), slot % 4 == 0);
            assert_eq!(watchdog.interrupt(slot), false);
            assert_eq!(every.interrupt(slot), true);
        }
    }

    #[test]
    fn split_frames_fill_buffers() {
        const SIZE: u32 = 1536;

        for (got, total, header, lens) in [
            // Headers and payload, headers only.
            (0, 1514, 54, Some((54, 1460))),
            (0, 54, 54, Some((54, 0))),
            // Not split: the second buffer takes what the first does not hold.
            (0, 60, 0, Some((60, 0))),
            (0, SIZE, 0, Some((SIZE, 0))),
            (0, 2000, 0, Some((SIZE, 2000 - SIZE))),
            // The frame goes on in second buffers, also if none was used before.
            (54 + SIZE, 54 + SIZE + 1, 0, Some((0, 1))),
            (54, 1514, 0, Some((0, 1460))),
            (1590, 3126, 54, Some((0, SIZE))),
            // Nonsense.
            (0, 0, 0, None),
            (0, 0, 54, None),
            (0, 53, 54, None),
            (1514, 1514, 0, None),
            (1514, 100, 0, None),
            (0, 54 + SIZE + 1, 54, None),
            (0, 2 * SIZE + 1, 0, None),
            (0, u32::MAX, u32::MAX, None),
            (1, u32::MAX, 0, None),
        ] {
            assert_eq!(rx::split_lens(got, total, header, SIZE), lens);
        }
    }

    #[test]
    fn rx_buffers_hold_a_frame_or_a_page() {
        // A standard frame with two VLAN tags and FCS fits one buffer.
        assert!(rx::buf_len(1514) >= 1514 + 8 + 4);
        assert!(rx::buf_len(1514) < 1600);
        for max_frame in [60, 1514, 2014, 4014, 9014, u32::MAX] {
            let len = rx::buf_len(max_frame);
            assert_eq!(len % 16, 0);
            assert!(len <= RxLayout::max_data(HEADROOM));
            assert!(len > 0);
        }
        assert_eq!(rx::buf_len(9014), rx::buf_len(u32::MAX));
    }
}
