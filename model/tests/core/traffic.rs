// SPDX-License-Identifier: GPL-2.0

//! Source and sink.

use super::*;

#[test]
fn a_source_keeps_its_rate_and_its_count() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    // Nothing is given: the FIFO fills.
    b.mac.traffic("start rate=1000 size=100").unwrap();
    for _ in 0..100 {
        b.run();
        b.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(b.mac.stats.rx_frames, 100);
    assert!(b.mac.deadline().is_some());
    let shown = b.mac.traffic("stop").unwrap();
    assert_eq!(
        (&shown["made"], &shown["milliseconds"]),
        (&100.into(), &100.into())
    );
    b.clock.advance(Duration::from_millis(10));
    b.run();
    assert_eq!(b.mac.stats.rx_frames, 100);
    b.mac
        .traffic("start rate=1000000 count=300 size=60")
        .unwrap();
    for _ in 0..10 {
        b.run();
        b.clock.advance(Duration::from_millis(1));
    }
    let shown = b.mac.traffic("show").unwrap();
    assert_eq!(
        (&shown["made"], &shown["running"]),
        (&300.into(), &false.into())
    );
}

#[test]
fn a_model_that_was_held_up_does_not_burst_without_end() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    b.mac.traffic("start rate=1000").unwrap();
    b.clock.advance(Duration::from_secs(100));
    b.run();
    let shown = b.mac.traffic("stop").unwrap();
    assert_eq!(shown["made"], 512);
    assert_eq!(shown["skipped"], 100_001 - 512);
}

#[test]
fn a_sink_takes_what_is_sent() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.mac.traffic("sink on").unwrap();
    let buf = b.fill(0, &frame(PEER, 100));
    for n in 0..2 {
        b.put(TX_RING + n * 16, [buf, 0, 100, OWN | FD | LD | 100]);
    }
    b.tx_tail(1);
    b.run();
    b.mac.traffic("sink off").unwrap();
    b.tx_tail(2);
    b.run();
    assert_eq!(b.sent().len(), 1);
    let shown = b.mac.traffic("show").unwrap();
    assert_eq!(
        (&shown["sunk"], &shown["sunk_bytes"]),
        (&1.into(), &100.into())
    );
    assert_eq!(b.mac.stats.tx_frames, 2);
}
