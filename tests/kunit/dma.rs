// SPDX-License-Identifier: GPL-2.0

//! Receive watchdog.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_dma)]
mod tests {
    use crate::hwif::generations::dwmac4::dma::{
        riwt_to_usecs,
        usecs_to_riwt, //
    };

    #[test]
    fn usecs_become_units() {
        for (usecs, rate, riwt) in [
            (0, 250_000_000, 0),
            // 256 clocks are 1.024 us.
            (1, 250_000_000, 1),
            (2, 250_000_000, 1),
            (3, 250_000_000, 2),
            (100, 250_000_000, 97),
            (261, 250_000_000, 254),
            (262, 250_000_000, 255),
            (263, 250_000_000, 255),
            (u32::MAX, 250_000_000, 255),
            // 12.8 us.
            (100, 20_000_000, 7),
            // 1.25 us, and not what whole megahertz would make of it.
            (5, 204_800_000, 4),
            (200, 204_800_000, 160),
            // Nonsense asks for the least there is.
            (100, 0, 1),
            (100, u64::MAX, 255),
        ] {
            assert_eq!(usecs_to_riwt(usecs, rate), riwt);
        }
    }

    #[test]
    fn units_become_usecs() {
        for (riwt, rate, usecs) in [
            (0, 250_000_000, 0),
            (1, 250_000_000, 2),
            (160, 204_800_000, 200),
            (255, 250_000_000, 262),
            (u32::MAX, 250_000_000, 262),
            (7, 20_000_000, 90),
            (1, 0, 0),
        ] {
            assert_eq!(riwt_to_usecs(riwt, rate), usecs);
        }
    }

    /// What was set is read back, at clocks where a unit is 1 us or more.
    #[test]
    fn round_trip() {
        for rate in [
            20_000_000,
            50_000_000,
            125_000_000,
            200_000_000,
            250_000_000,
        ] {
            for riwt in 0..=255 {
                assert_eq!(usecs_to_riwt(riwt_to_usecs(riwt, rate), rate), riwt);
            }
        }
    }
}
