// SPDX-License-Identifier: GPL-2.0

//! What a core offers phylink.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_phylink)]
mod tests {
    use kernel::net::phylink::MacCapabilities as Caps;

    use crate::phylink::capabilities;

    #[test]
    fn half_duplex_is_for_slow_links_and_one_queue() {
        let pause = Caps::SYM_PAUSE | Caps::ASYM_PAUSE;
        let full = Caps::MAC_10FD | Caps::MAC_100FD | Caps::MAC_1000FD | pause;
        let all = [10, 100, 1000];

        assert_eq!(
            capabilities(&all, true, 1),
            full | Caps::MAC_10HD | Caps::MAC_100HD
        );
        assert_eq!(capabilities(&all, true, 2), full);
        assert_eq!(capabilities(&all, false, 1), full);
    }

    #[test]
    fn only_speeds_of_the_core_are_offered() {
        let pause = Caps::SYM_PAUSE | Caps::ASYM_PAUSE;

        assert_eq!(
            capabilities(&[1000, 2500], true, 1),
            Caps::MAC_1000FD | Caps::MAC_2500FD | pause
        );
        // A speed that phylink has no word for.
        assert_eq!(capabilities(&[0, 42], true, 1), pause);
    }
}
