// SPDX-License-Identifier: GPL-2.0

//! MDC dividers.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_mdio)]
mod tests {
    use super::*;
    use crate::hwif::generations::dwmac4::mdio::clock_range;

    #[test]
    fn ranges() {
        for (rate, cr) in [
            (1, 2),
            (19_999_999, 2),
            (20_000_000, 2),
            (34_999_999, 2),
            (35_000_000, 3),
            (59_999_999, 3),
            (60_000_000, 0),
            (99_999_999, 0),
            (100_000_000, 1),
            (149_999_999, 1),
            (150_000_000, 4),
            (249_999_999, 4),
            (250_000_000, 5),
            (299_999_999, 5),
            (300_000_000, 6),
            (499_999_999, 6),
            (500_000_000, 7),
            (800_000_000, 7),
        ] {
            assert_eq!(clock_range(rate), Ok(cr));
        }
    }

    #[test]
    fn no_range() {
        for rate in [0, 800_000_001, u64::MAX] {
            assert_eq!(clock_range(rate), Err(EINVAL));
        }
    }

    /// Whatever the clock, MDC keeps to 2.5 MHz, and to 1 MHz at least from 20 MHz on.
    #[test]
    fn mdc_is_within_limits() {
        // By CR.
        let dividers: [u32; 8] = [42, 62, 16, 26, 102, 124, 204, 324];

        for rate in (1_000_000..=800_000_000u32).step_by(1_000_000) {
            let mdc = clock_range(rate.into())
                .ok()
                .and_then(|cr| dividers.get(cr as usize))
                .and_then(|divider| rate.checked_div(*divider));
            assert!(mdc.is_some_and(|mdc| mdc <= 2_500_000));
            assert!(rate < 20_000_000 || mdc.is_some_and(|mdc| mdc >= 1_000_000));
        }
    }
}
