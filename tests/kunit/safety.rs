// SPDX-License-Identifier: GPL-2.0

//! Errors that a core finds in itself: what status bits mean, and what is done about them.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_safety)]
mod tests {
    use kernel::{
        prelude::*,
        str::CString, //
    };

    use crate::{
        hwif::generations::dwmac4::safety::ERRORS,
        safety::{
            judge,
            Action,
            Errors,
            Known,
            Shown,
            MAX_INTERRUPTS, //
        },
    };

    const MAC: usize = 0;
    const MTL: usize = 1;
    const DMA: usize = 2;

    fn errors(word: usize, value: u32) -> Errors {
        let mut errors = Errors::default();
        errors.set_word(word, value);
        errors
    }

    /// The kind that status bit `bit` of word `word` stands for.
    fn find(word: usize, bit: u32) -> Option<&'static Known> {
        let set = errors(word, 1u32.checked_shl(bit).unwrap_or(0));
        ERRORS.iter().find(|known| set.has(known))
    }

    #[test]
    fn bits_have_their_meaning() {
        for (word, bits, corrected) in [
            (MAC, 0x010f_ffffu32, 0),
            (MTL, 0x0000_7777, 0x1111u32),
            (DMA, 0x0000_0007, 0x1),
        ] {
            for bit in 0..32 {
                let known = find(word, bit);
                assert_eq!(known.is_some(), bits >> bit & 1 != 0);
                if let Some(known) = known {
                    assert_eq!(known.corrected, corrected >> bit & 1 != 0);
                }
            }
        }
        for (word, bit, name) in [
            (MAC, 0, c"safety_atpes"),
            (MAC, 13, c"safety_t125es"),
            (MAC, 24, c"safety_fsmpes"),
            (MTL, 4, c"safety_rxces"),
            (MTL, 5, c"safety_rxams"),
            (MTL, 14, c"safety_rpues"),
            (DMA, 2, c"safety_tues"),
        ] {
            assert_eq!(find(word, bit).map(|known| known.name), Some(name));
        }
    }

    #[test]
    fn kinds_are_told_apart() {
        for (index, a) in ERRORS.iter().enumerate() {
            for b in ERRORS.iter().skip(index + 1) {
                assert!(a.name != b.name && (a.word, a.bit) != (b.word, b.bit));
            }
        }
        // What is not there is in no set.
        let nonsense = Known {
            word: usize::MAX,
            bit: 40,
            corrected: true,
            name: c"",
            text: "",
        };
        assert!(!errors(usize::MAX, u32::MAX).has(&nonsense));
        assert!(errors(usize::MAX, u32::MAX).is_empty());
    }

    #[test]
    fn what_is_done() {
        const MANY: u32 = MAX_INTERRUPTS + 1;

        for (word, value, interrupts, action) in [
            // Corrected.
            (MTL, 1 << 4, 1, Action::Count),
            (MTL, 1 << 4, MAX_INTERRUPTS, Action::Count),
            (MTL, 1 << 4, MANY, Action::Mask),
            (DMA, 1 << 0, u32::MAX, Action::Mask),
            // Not corrected, and both.
            (MTL, 1 << 5, 1, Action::Reset),
            (MTL, 1 << 4 | 1 << 6, 1, Action::Reset),
            (MAC, 1 << 19, 1, Action::Reset),
            // No databook names it.
            (MAC, 1 << 31, 1, Action::Count),
            (MAC, 1 << 31, MANY, Action::Reset),
            (MAC, 0, MANY, Action::Reset),
        ] {
            assert_eq!(judge(&ERRORS, &errors(word, value), interrupts), action);
        }
    }

    #[test]
    fn messages_name_the_counters() -> Result {
        let shown = Shown::new(&ERRORS, errors(MTL, 1 << 4 | 1 << 6));
        let text = CString::try_from_fmt(fmt!("{}", shown))?;
        assert_eq!(
            text.to_str()?,
            "receive FIFO (safety_rxces), receive FIFO (safety_rxues)"
        );
        Ok(())
    }
}
