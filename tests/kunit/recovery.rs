// SPDX-License-Identifier: GPL-2.0

//! What is taken for a fault, and what is reset then.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_recovery)]
mod tests {
    use core::cell::Cell;

    use kernel::{
        prelude::*,
        str::CString,
        time::Delta, //
    };

    use crate::{
        hwif::{
            ChannelIrqs,
            MAX_CHANNELS, //
        },
        recovery::{
            core_pause,
            decide,
            decide_core,
            relapses,
            sample,
            Fault,
            Faults,
            Past,
            RxSample,
            RxWatch,
            Step,
            TxSample,
            TxWatch,
            Verdict,
            PROBATION, //
        },
    };

    const SECOND: Delta = Delta::from_secs(1);
    const HOUR: Delta = Delta::from_secs(3600);

    #[test]
    fn sets_of_faults() {
        let mut faults = Faults::default();
        assert!(faults.is_empty() && faults.text().is_empty());
        faults |= Faults::new(Fault::TxTimeout, 2);
        faults |= Faults::new(Fault::RxStall, MAX_CHANNELS - 1);
        assert!(faults.has(Fault::TxTimeout, 2) && !faults.has(Fault::TxTimeout, 1));
        assert!(!faults.has(Fault::BusError, 2));
        assert_eq!(faults.of(2), Faults::new(Fault::TxTimeout, 2));
        assert!(faults.of(0).is_empty());
        assert_eq!(faults.text(), "transmit timeout");
        assert_eq!(faults.of(MAX_CHANNELS - 1).text(), "receiver stands still");
        assert_eq!(Faults::from_bits(faults.bits()), faults);
        assert_eq!(faults.without(faults.of(2)), faults.of(MAX_CHANNELS - 1));
        assert_eq!(
            faults.filter(|fault, _| fault == Fault::RxStall),
            faults.of(MAX_CHANNELS - 1)
        );
        let text = CString::try_from_fmt(fmt!("{}", faults));
        let expected = c"channel 2: transmit timeout, channel 7: receiver stands still";
        assert!(text.is_ok_and(|text| text.to_bytes() == expected.to_bytes()));
        // No other event is taken for a fault, and no channel for another.
        assert!(Faults::from_bits(1 << (Fault::ALL.len() * MAX_CHANNELS + 1)).is_empty());
        assert!(Fault::ALL
            .into_iter()
            .all(|fault| Faults::ALL.has(fault, MAX_CHANNELS - 1)));
        assert!(Faults::new(Fault::BusError, MAX_CHANNELS).is_empty());
        assert!(Faults::new(Fault::RxStall, usize::MAX).is_empty());
        // An error of the core is no channel's.
        assert!(!faults.has_core());
        faults |= Faults::CORE;
        assert!(faults.has_core() && Faults::from_bits(faults.bits()) == faults);
        assert_eq!(faults.text(), "safety error");
        assert!(
            faults.of_core() == Faults::CORE && faults.without(Faults::CHANNELS) == Faults::CORE
        );
        let text = CString::try_from_fmt(fmt!("{}", Faults::CORE));
        assert!(text.is_ok_and(|text| text.to_bytes() == c"safety error".to_bytes()));
        assert!((0..MAX_CHANNELS).all(|ch| Faults::CORE.of(ch).is_empty()));
    }

    #[test]
    fn a_restart_mends_what_it_is_enough_for() {
        let [tx, rx] = [(true, false), (false, true)].map(|(tx, rx)| ChannelIrqs { tx, rx });
        let (timeout, stall) = (Fault::TxTimeout, Fault::RxStall);
        let mended = |which| Faults::ALL.mended(1, which);

        assert_eq!(mended(tx), Faults::new(timeout, 1));
        assert_eq!(mended(rx), Faults::new(stall, 1));
        assert_eq!(mended(ChannelIrqs::BOTH), Faults::ALL.of(1));
        assert!(mended(ChannelIrqs::default()).is_empty());
        assert!(Faults::default().mended(1, ChannelIrqs::BOTH).is_empty());
        assert_eq!(Faults::new(timeout, 3).directions(), tx);
        assert_eq!(Faults::new(stall, 3).directions(), rx);
        assert_eq!(
            Faults::new(Fault::BusError, 3).directions(),
            ChannelIrqs::BOTH
        );
        let mut two = Faults::new(timeout, 3);
        two |= Faults::new(stall, 3);
        assert_eq!(two.directions(), ChannelIrqs::BOTH);
        assert!(Faults::CORE.directions().is_empty());
    }

    #[test]
    fn the_smallest_thing_is_reset_first() {
        let cases = [
            (None, None, None, 0, Step::Queue),
            // It is back: the queue was not enough.
            (Some(SECOND), None, None, 0, Step::Channel),
            (Some(PROBATION), None, None, 0, Step::Queue),
            // Nor was the channel.
            (Some(HOUR), Some(SECOND), None, 0, Step::Core),
            (None, Some(SECOND), None, 0, Step::Core),
            (None, Some(PROBATION), None, 0, Step::Queue),
            // Of another channel.
            (None, None, Some(HOUR), 0, Step::Queue),
            (None, Some(SECOND), Some(SECOND), 0, Step::Later),
            (Some(SECOND), None, Some(SECOND), 0, Step::Later),
            (None, None, Some(SECOND), 0, Step::Later),
            (None, Some(HOUR), Some(HOUR), 0, Step::Queue),
            // A core that could not be reset has no queues that could be.
            (None, None, Some(HOUR), 1, Step::Core),
            (None, None, Some(core_pause(0)), 0, Step::Queue),
            (None, None, Some(core_pause(0)), 1, Step::Later),
            (None, None, Some(core_pause(1)), 1, Step::Core),
        ];
        for (queue, channel, core, failures, step) in cases {
            let past = Past {
                queue,
                channel,
                core,
                failures,
                relapses: 0,
            };
            assert_eq!(decide(&past), step);
        }
    }

    #[test]
    fn errors_of_the_core_reset_it() {
        let past = |core, failures, relapses| Past {
            queue: None,
            channel: None,
            core,
            failures,
            relapses,
        };
        assert_eq!(decide_core(&past(None, 0, 0)), Step::Core);
        assert_eq!(decide_core(&past(Some(HOUR), 0, 0)), Step::Core);
        assert_eq!(decide_core(&past(Some(SECOND), 0, 0)), Step::Later);
        // One that comes back again and again resets it ever more rarely.
        let mut count = 0;
        for _ in 0..8 {
            let pause = core_pause(count);
            assert_eq!(decide_core(&past(Some(SECOND), 0, count)), Step::Later);
            assert_eq!(decide_core(&past(Some(pause), 0, count)), Step::Core);
            let next = relapses(&past(Some(pause), 0, count));
            assert!(next > count);
            count = next;
        }
        assert_eq!(relapses(&past(Some(HOUR), 0, count)), 0);
        assert_eq!(relapses(&past(None, 0, 0)), 0);
        assert_eq!(relapses(&past(Some(SECOND), 0, u32::MAX)), u32::MAX);
    }

    #[test]
    fn attempts_become_rare_but_do_not_end() {
        let mut last = core_pause(0);
        for failures in 1..6 {
            let pause = core_pause(failures);
            assert!(pause > last);
            last = pause;
        }
        assert_eq!(core_pause(u32::MAX), last);
        assert!(last < Delta::from_secs(120));
    }

    /// Looks at `samples`: taken, polls, starved, position, waiting.
    fn looks<const N: usize>(samples: [(u64, u64, u64, u32, bool); N]) -> [Verdict; N] {
        let mut watch = RxWatch::default();
        samples.map(|(taken, polls, starved, position, waiting)| {
            watch.look(&RxSample {
                taken,
                polls,
                starved,
                position,
                waiting,
            })
        })
    }

    use Verdict::{
        Fine,
        Look,
        Poll,
        Stalled, //
    };

    #[test]
    fn silence_and_traffic_are_fine() {
        // Once after the start, and once after traffic.
        assert_eq!(
            looks([(5, 5, 0, 80, false); 5]),
            [Fine, Look, Fine, Fine, Fine]
        );
        let burst = [1, 2, 2, 2, 2].map(|n| (n, n, 0, 16, false));
        assert_eq!(looks(burst), [Fine, Fine, Look, Fine, Fine]);
        // The FIFO is never found empty, nor the DMA where it was.
        let busy = [1u32, 2, 3, 4, 5].map(|n| (n.into(), 1, 0, 16 * n, true));
        assert_eq!(looks(busy), [Fine; 5]);
        // Around the ring to the same place.
        let round = [1u64, 2, 3].map(|n| (n, n, 0, 0, false));
        assert_eq!(looks(round), [Fine; 3]);
    }

    #[test]
    fn frames_that_stay_in_the_fifo() {
        let wedged = [1, 2, 3, 4, 5].map(|n| (9, n, 0, 16, n > 1));
        assert_eq!(looks(wedged), [Fine, Fine, Poll, Stalled, Fine]);
        // A ring without memory cannot take them.
        let starved = [1, 2, 3, 4, 5].map(|n| (9, n, n, 16, true));
        assert_eq!(looks(starved), [Fine; 5]);
    }

    #[test]
    fn a_descriptor_that_never_comes_back() {
        // The DMA goes on to the end of the ring; nothing more has to arrive.
        let positions = [16, 32, 48, 48, 48];
        let mut polls = 0;
        let samples = positions.map(|position| {
            polls += 1;
            (9, polls, 0, position, false)
        });
        assert_eq!(looks(samples), [Fine, Fine, Poll, Stalled, Fine]);
    }

    #[test]
    fn a_lost_interrupt_costs_a_poll() {
        let samples = [
            (9, 1, 0, 16, false),
            (9, 1, 0, 32, false),
            (9, 1, 0, 32, false),
            (10, 2, 0, 32, false),
            (10, 2, 0, 32, false),
        ];
        assert_eq!(looks(samples), [Fine, Fine, Poll, Fine, Look]);
    }

    #[test]
    fn without_a_poll_there_is_no_verdict() {
        let samples = [
            (9, 1, 0, 16, true),
            (9, 1, 0, 16, true),
            (9, 1, 0, 16, true),
            (9, 1, 0, 16, true),
            (9, 1, 0, 16, true),
            (9, 2, 0, 16, true),
        ];
        assert_eq!(looks(samples), [Fine, Fine, Poll, Poll, Poll, Stalled]);
    }

    /// What the watchdog makes of a row of (doorbells, returned, pending, waiting).
    fn tx_looks<const N: usize>(samples: [(u64, u64, u64, bool); N]) -> [Verdict; N] {
        let mut watch = TxWatch::default();
        samples.map(|(rung, returned, pending, waiting)| {
            let now = TxSample {
                rung,
                returned,
                pending,
            };
            watch.look(&now, || waiting)
        })
    }

    #[test]
    fn senders_that_are_fine() {
        // Once after the start, and once after traffic.
        assert_eq!(tx_looks([(5, 5, 9, false); 4]), [Fine, Look, Fine, Fine]);
        let burst = [1, 2, 2, 2].map(|n| (n, n, n, false));
        assert_eq!(tx_looks(burst), [Fine, Fine, Look, Fine]);
        // Frames are with the DMA at every look, never the same.
        assert_eq!(tx_looks([1, 2, 3, 4].map(|n| (n, n, n, false))), [Fine; 4]);
        // Paused, or without a link, for however long.
        assert_eq!(
            tx_looks([1, 2, 3, 4, 5].map(|n| (1, 0, n, true))),
            [Fine; 5]
        );
        // Sent just before the first look, seen by a poll, and back soon after.
        let late = [(0, 0, 0, false), (1, 0, 1, false), (1, 1, 1, false)];
        assert_eq!(tx_looks(late), [Fine, Look, Fine]);
    }

    #[test]
    fn a_frame_that_never_comes_back() {
        // Polls look for it all the time.
        let lost = [1, 2, 3, 4].map(|n| (1, 0, n, false));
        assert_eq!(tx_looks(lost), [Fine, Look, Stalled, Fine]);
        // One poll runs for each look that asks for one: there is no time limit, nor other traffic.
        let silent = [
            (0, 0, 0, false),
            (1, 0, 0, false),
            (1, 0, 1, false),
            (1, 0, 2, false),
        ];
        assert_eq!(tx_looks(silent), [Fine, Look, Look, Stalled]);
        // Others are sent behind it.
        let followed = [1, 2, 3].map(|n| (n, 7, n, false));
        assert_eq!(tx_looks(followed), [Fine, Look, Stalled]);
        // It was paused before.
        let paused = [
            (1, 0, 1, false),
            (1, 0, 2, true),
            (1, 0, 3, false),
            (1, 0, 4, true),
            (1, 0, 5, false),
            (1, 0, 6, false),
        ];
        assert_eq!(tx_looks(paused), [Fine, Fine, Look, Fine, Look, Stalled]);
    }

    #[test]
    fn without_a_poll_a_sender_is_not_judged() {
        let samples = [
            (1, 0, 1, false),
            (1, 0, 2, false),
            (1, 0, 2, false),
            (1, 0, 2, false),
            (1, 0, 3, false),
            (1, 0, 4, false),
        ];
        // The CPU may be busy with something else.
        let verdicts = [Fine, Look, Look, Fine, Look, Stalled];
        assert_eq!(tx_looks(samples), verdicts);
    }

    #[test]
    fn samples_of_a_working_receiver() {
        // A frame comes in, and out, while the first look is taken.
        let dma = Cell::new(16);
        let taken = Cell::new(9);
        let got = sample(
            || dma.get(),
            || {
                if taken.get() == 9 {
                    dma.set(32);
                    taken.set(10);
                }
                taken.get()
            },
        );
        assert_eq!(got, Some((32, 10)));

        // One that is never taken out is seen.
        let got = sample(|| 48, || 10);
        assert_eq!(got, Some((48, 10)));

        let mut position = 0;
        let got = sample(
            || {
                position += 16;
                position
            },
            || (),
        );
        assert_eq!(got, None);
    }
}
