// SPDX-License-Identifier: GPL-2.0

//! Tests of what the self-tests compare with.

use kernel::prelude::*;

use crate::selftest::{
    fold,
    pattern,
    sum,
    NAMES, //
};

#[kunit_tests(rust_stmmac_selftest)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_rfc1071() {
        // The example of the RFC, section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)), 0xddf2);
    }

    #[test]
    fn checksum_of_odd_length() {
        assert_eq!(fold(sum(&[0x12, 0x34, 0x56])), 0x1234 + 0x5600);
        assert_eq!(fold(sum(&[])), 0);
    }

    #[test]
    fn carries_are_added_twice() {
        assert_eq!(fold(0x0001_ffff), 1);
        assert_eq!(fold(0xffff_ffff), 0xffff);
    }

    #[test]
    fn pattern_tells_lengths_apart() {
        // A block that is lost or comes twice changes what follows.
        assert!((1..300).all(|shift| (0..8).any(|i| pattern(i) != pattern(i + shift))));
    }

    #[test]
    fn names_are_short_and_differ() {
        for (i, name) in NAMES.iter().enumerate() {
            assert!(name.to_bytes().len() < 32);
            assert!(NAMES.iter().skip(i + 1).all(|other| other != name));
        }
    }
}
