// SPDX-License-Identifier: GPL-2.0

//! Selection of a hardware generation.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_hwif)]
mod tests {
    use crate::hwif::{
        find,
        Family,
        Spec,
        TABLE, //
    };

    /// `min_snpsver` of the row that serves `snpsver`.
    fn row(snpsver: u8) -> Option<u8> {
        find(&Spec {
            family: Family::Gmac4,
            snpsver,
            userver: 0x10,
        })
        .map(|row| row.min_snpsver)
    }

    #[test]
    fn releases_have_their_rows() {
        for (snpsver, min) in [
            (0x37, 0x01),
            (0x3f, 0x01),
            (0x40, 0x40),
            (0x41, 0x41),
            (0x42, 0x41),
            (0x50, 0x41),
            (0x51, 0x51),
            (0x52, 0x51),
            (0x54, 0x51),
        ] {
            assert_eq!(row(snpsver), Some(min));
        }
    }

    #[test]
    fn unknown_releases_have_none() {
        for snpsver in [0x00, 0x60, 0x76, 0x99, 0xff] {
            assert_eq!(row(snpsver), None);
        }
    }

    #[test]
    fn rows_do_not_overlap() {
        for snpsver in 0..=u8::MAX {
            let rows = TABLE
                .iter()
                .filter(|row| row.min_snpsver <= snpsver && snpsver <= row.max_snpsver);
            assert!(rows.count() <= 1);
        }
    }
}
