// SPDX-License-Identifier: GPL-2.0

//! System time: pace, corrections, selection of timestamps.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_ptp)]
mod tests {
    use super::*;
    use kernel::{
        net::hwtstamp::RxFilter,
        ptp::{
            FreqOffset,
            Timespec, //
        },
        time::Delta, //
    };

    use crate::{
        hwif::{
            generations::dwmac4::ptp::{
                control_word,
                update_words, //
            },
            Pace,
            PtpMessages,
            RxStamps,
            Time,
            TABLE, //
        },
        ptp::{
            register_time,
            rx_stamps,
            MAX_ADJ,
            RX_FILTERS, //
        },
    };

    /// All bits that choose what timestamps are taken of.
    const STAMP_BITS: u32 = 0x0003_fd00;

    /// TSENA, TSCFUPDT, TSCTRLSSR.
    const RUNNING: u32 = 0x0000_0203;

    #[test]
    fn paces() {
        for (rate, increment, addend) in [
            (204_800_000, 6, 0xd055_5555),
            (200_000_000, 6, 0xd555_5555),
            (250_000_000, 5, 0xcccc_cccc),
            (50_000_000, 22, 0xe8ba_2e8b),
        ] {
            assert_eq!(Pace::new(rate), Some(Pace { increment, addend }));
        }
    }

    #[test]
    fn rates_that_are_of_no_use() {
        for rate in [0, 1, 1_000_000, 4_150_000] {
            assert_eq!(Pace::new(rate), None);
        }
    }

    /// What an unmodified addend makes of a second, and whether there is room to modify it.
    #[test]
    fn paces_are_right() -> Result {
        // Not more than the limit, which is in parts per billion, allows after rounding.
        let limit = i64::from(MAX_ADJ) * 8192 / 125;

        for rate in [
            4_166_667,
            10_000_000,
            19_200_000,
            50_000_000,
            62_500_000,
            66_666_667,
            125_000_000,
            200_000_000,
            204_800_000,
            250_000_000,
            500_000_000,
            1_062_500_000,
            u32::MAX,
        ] {
            let pace = Pace::new(rate).ok_or(EINVAL)?;
            // In two steps, so that it fits; what is lost does not make a nanosecond.
            let nanos = |addend: u32| {
                let overflows = u64::from(addend) * u64::from(rate);
                ((overflows >> 16) * u64::from(pace.increment)) >> 16
            };

            // The addend is rounded: 2^-32 of `rate` times `increment` at most.
            let second = nanos(pace.addend);
            assert!((999_999_995..=1_000_000_000).contains(&second));

            let fast = pace.adjusted(FreqOffset::from_scaled_ppm(limit + 64))?;
            assert!((1_062_499_990..=1_062_500_010).contains(&nanos(fast)));
            let slow = pace.adjusted(FreqOffset::from_scaled_ppm(-limit))?;
            assert!((937_499_990..=937_500_010).contains(&nanos(slow)));

            // More than there is room for is refused, not cut off.
            let double = FreqOffset::from_scaled_ppm(1_000_000 << 16);
            assert!(pace.adjusted(double) == Err(ERANGE) || pace.addend < 1 << 31);
        }
        Ok(())
    }

    #[test]
    fn small_offsets_count() -> Result {
        let pace = Pace::new(200_000_000).ok_or(EINVAL)?;
        // One part per billion is more than the last bit.
        let ppb = FreqOffset::from_scaled_ppm(66);

        assert_eq!(pace.adjusted(ppb)?, pace.addend + 3);
        assert_eq!(pace.adjusted(FreqOffset::from_scaled_ppm(0))?, pace.addend);
        Ok(())
    }

    #[test]
    fn time_passes_as_steered() -> Result {
        let day = Delta::from_secs(86_400);

        for rate in [10_000_000, 204_800_000, 250_000_000] {
            let pace = Pace::new(rate).ok_or(EINVAL)?;
            // 100 parts per million.
            let fast = pace.adjusted(FreqOffset::from_scaled_ppm(100 << 16))?;
            let slow = pace.adjusted(FreqOffset::from_scaled_ppm(-(100 << 16)))?;
            let gained = |addend: u32| pace.advance(addend, day).as_nanos() - day.as_nanos();

            assert_eq!(gained(pace.addend), 0);
            // The last bit of the addend makes for 40 microseconds a day.
            assert!((8_639_959_000..=8_640_041_000).contains(&gained(fast)));
            assert!((-8_640_041_000..=-8_639_959_000).contains(&gained(slow)));
            assert_eq!(pace.advance(fast, Delta::from_nanos(0)).as_nanos(), 0);
            // A hundred years of sleep.
            let long = Delta::from_secs(36_525 * 86_400);
            assert!(pace.advance(fast, long).as_nanos() > long.as_nanos());
        }
        Ok(())
    }

    #[test]
    fn corrections() {
        const SUBTRACT: u32 = 1 << 31;

        for ((secs, nanos), words) in [
            ((0, 0), (0, 0)),
            ((5, 7), (5, 7)),
            // -1 ns.
            ((-1, 999_999_999), (0, SUBTRACT | 999_999_999)),
            // -2.000000001 s.
            ((-3, 999_999_999), (0xffff_fffe, SUBTRACT | 999_999_999)),
            // -0.999999999 s.
            ((-1, 1), (0, SUBTRACT | 1)),
            // Whole seconds.
            ((-1, 0), (0xffff_ffff, 0)),
            ((-37, 0), (0xffff_ffdb, 0)),
        ] {
            assert_eq!(update_words(secs, nanos), words);
        }
    }

    #[test]
    fn times_of_the_hardware() {
        assert_eq!(Time::new(1, 1_000_000_000), None);
        assert_eq!(Time::new(u32::MAX, u32::MAX), None);
        assert_eq!(
            Time::new(u32::MAX, 999_999_999).map(Time::as_nanos),
            Some(4_294_967_295_999_999_999)
        );

        let time = |secs| Timespec::new(secs, 5).map(register_time);
        assert_eq!(time(7).and_then(|time| time.ok()), Time::new(7, 5));
        assert_eq!(time(-1), Some(Err(ERANGE)));
        assert_eq!(time(1 << 32), Some(Err(ERANGE)));
    }

    #[test]
    fn filters() {
        let ptp = |v2, ethernet, udp, messages| RxStamps::Ptp {
            v2,
            ethernet,
            udp,
            messages,
        };

        for (filter, stamps, answer) in [
            (RxFilter::None, RxStamps::None, RxFilter::None),
            (RxFilter::NtpAll, RxStamps::All, RxFilter::All),
            (
                RxFilter::PtpV1L4Sync,
                ptp(false, false, true, PtpMessages::Sync),
                RxFilter::PtpV1L4Sync,
            ),
            (
                RxFilter::PtpV2L2DelayReq,
                ptp(true, true, false, PtpMessages::DelayReq),
                RxFilter::PtpV2L2DelayReq,
            ),
            (
                RxFilter::PtpV2Event,
                ptp(true, true, true, PtpMessages::Event),
                RxFilter::PtpV2Event,
            ),
        ] {
            assert_eq!(rx_stamps(filter), Ok((stamps, answer)));
            // An answer is told to be possible.
            assert!(RX_FILTERS.contains(answer));
        }
        assert_eq!(rx_stamps(RxFilter::Some), Err(ERANGE));
        assert!(!RX_FILTERS.contains(RxFilter::Some));
    }

    #[test]
    fn control_bits() {
        let ptp = |v2, ethernet, udp, messages| RxStamps::Ptp {
            v2,
            ethernet,
            udp,
            messages,
        };

        for (stamps, bits) in [
            // Not even what is on after a reset.
            (RxStamps::None, 0),
            (RxStamps::All, 0x100),
            (ptp(false, false, true, PtpMessages::Event), 0x0001_3000),
            (ptp(false, false, true, PtpMessages::Sync), 0x7000),
            (ptp(true, true, false, PtpMessages::DelayReq), 0xcc00),
            (ptp(true, true, true, PtpMessages::Event), 0x0001_3c00),
        ] {
            assert_eq!(control_word(stamps), RUNNING | bits);
            assert_eq!(bits & !STAMP_BITS, 0);
        }
    }

    #[test]
    fn capture_delays() {
        for row in TABLE {
            assert_eq!(row.ptp.capture_delay(200_000_000), 10);
            assert_eq!(row.ptp.capture_delay(204_800_000), 9);
            assert_eq!(row.ptp.capture_delay(0), 0);
        }
    }
}
