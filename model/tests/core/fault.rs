// SPDX-License-Identifier: GPL-2.0

//! Faults: each does what it says, as often as it was told, and no longer.

use std::fs::File;

use dwmac_model::pci::{Function, IrqIndex};

use super::*;

fn fault(b: &mut Bench, spec: &str) {
    b.mac.fault(spec).unwrap();
}

fn running(change: impl FnOnce(&mut Config)) -> Bench {
    let mut b = Bench::new(change);
    b.start(8);
    b
}

/// Gives `n` receive descriptors.
fn offer(b: &mut Bench, n: u64) {
    for i in 0..n {
        b.rx_desc(i, true);
    }
    b.rx_tail(n);
}

fn tx(b: &mut Bench, n: u64) {
    let buf = b.fill(n, &frame(PEER, 100));
    b.put(
        TX_RING + n * 16,
        [buf, 0, 1 << 31 | 100, OWN | FD | LD | 100],
    );
    b.tx_tail(n + 1);
    b.run();
}

#[test]
fn bus_errors_halt_until_a_restart() {
    for (at, bits) in [
        ("rx-desc", 0b011 << 19),
        ("rx-buf", 0b100 << 19),
        ("rx-close", 0b010 << 19),
        ("tx-desc", 0b011 << 16),
        ("tx-buf", 0b101 << 16),
        ("tx-close", 0b010 << 16),
    ] {
        let mut b = running(|c| c.strict = Some(dwmac_model::strict::Mode::On));
        b.mac.strict.clear();
        fault(&mut b, &format!("bus-error {at}"));
        offer(&mut b, 4);
        if at.starts_with("rx") {
            b.arrive(Frame::good(frame(US, 100)));
        } else {
            tx(&mut b, 0);
        }
        let s = b.ack();
        assert_eq!(s & (ST_FBE | 0x3f << 16), ST_FBE | bits, "{at}");
        assert_eq!(b.mac.stats.bus_errors, 1);
        // The driver is not to blame.
        assert_eq!(b.mac.strict.total(), 0, "{at}");
        // Nothing moves until the channel is stopped and started.
        let reg = if at.starts_with("rx") {
            ch(0, CH_RX_CONTROL)
        } else {
            ch(0, CH_TX_CONTROL)
        };
        b.run();
        // Only the status of a frame that has been sent can get lost.
        let sent = usize::from(at == "tx-close");
        assert_eq!(
            (b.mac.stats.rx_delivered, b.sent().len()),
            (0, sent),
            "{at}"
        );
        let v = b.r(reg);
        b.w(reg, v & !1);
        b.w(reg, v);
        b.run();
        assert_eq!(b.mac.stats.rx_delivered + b.sent().len() as u64, 1, "{at}");
    }
}

#[test]
fn resets_that_do_not_end() {
    for spec in [
        "reset-stuck",
        "clock-dead rx",
        "clock-dead tx",
        "clock-dead ptp",
    ] {
        let mut b = running(|_| {});
        fault(&mut b, spec);
        b.w(DMA_MODE, MODE_SWR);
        b.clock.advance(Duration::from_secs(10));
        assert_eq!(b.r(DMA_MODE) & MODE_SWR, MODE_SWR, "{spec}");
        // Nothing can be written meanwhile.
        b.w(MAC_RX_FLOW, 1);
        assert_eq!(b.r(MAC_RX_FLOW), 0);
        fault(&mut b, "clear");
        assert_eq!(b.r(DMA_MODE) & MODE_SWR, 0);
        b.w(MAC_RX_FLOW, 1);
        assert_eq!(b.r(MAC_RX_FLOW), 1);
    }
}

#[test]
fn dead_clocks() {
    let mut b = running(|_| {});
    fault(&mut b, "clock-dead csr");
    assert_eq!(b.r(MAC_VERSION), u32::MAX);
    b.w(MAC_HASH, 1);
    fault(&mut b, "clear");
    assert_eq!(b.r(MAC_HASH), 0);
    fault(&mut b, "clock-dead tx");
    tx(&mut b, 0);
    assert!(b.sent().is_empty());
    assert_eq!(b.r(mtl(0, MTL_TXQ_DEBUG)), TXQ_ONE_WAITS);
    fault(&mut b, "clear clock-dead");
    b.run();
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.r(mtl(0, MTL_TXQ_DEBUG)), 0);
    offer(&mut b, 2);
    fault(&mut b, "clock-dead rx");
    b.arrive(Frame::good(frame(US, 100)));
    fault(&mut b, "clear");
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 0);
    fault(&mut b, "clock-dead app");
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!(b.mac.stats.rx_delivered, 0);
    fault(&mut b, "clear");
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 1);
}

#[test]
fn overflow_and_crc_errors_are_counted_out() {
    let mut b = running(|_| {});
    offer(&mut b, 7);
    fault(&mut b, "rx-overflow count=2");
    fault(&mut b, "rx-crc count=1");
    for _ in 0..4 {
        b.arrive(Frame::good(frame(US, 100)));
    }
    // One was bad, two did not fit.
    assert_eq!(b.mac.stats.rx_delivered, 1);
    assert_eq!(b.mac.stats.rx_overflow, 2);
    assert_eq!(b.mac.stats.rx_errors, 1);
    assert_eq!(b.r(mtl(0, MTL_RXQ_MISSED)) & 0x7ff, 2);
    assert!(b.r(mtl(0, MTL_Q_INT)) & Q_RXOVFIS != 0);
}

/// A running core on a link of 100 Mbit/s.
fn running_slowly() -> Bench {
    let mut b = running(|_| {});
    let slow = dwmac_model::wire::PhyState {
        adv_1000: 0,
        ..dwmac_model::wire::PhyState::CAPABLE
    };
    b.far.set_phy(Some(slow), true);
    b.clock.advance(AN_TIME);
    let config = b.r(MAC_CONFIG);
    b.w(MAC_CONFIG, config | CONFIG_PS | CONFIG_FES);
    b
}

/// Receive counters: all packets, good unicast ones, with CRC error, with alignment error, with
/// receive error.
fn counters(b: &mut Bench) -> [u32; 5] {
    [0, 17, 5, 6, 24].map(|i| b.r(MMC_RX + 4 * i))
}

#[test]
fn receive_errors_of_the_phy_are_counted_and_dropped_or_shown() {
    let mut b = running(|_| {});
    offer(&mut b, 4);
    fault(&mut b, "rx-error count=2");
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!((b.mac.stats.rx_errors, b.mac.stats.rx_delivered), (1, 0));
    assert_eq!(counters(&mut b), [1, 0, 0, 0, 1]);
    let mode = b.r(mtl(0, MTL_RXQ_MODE));
    b.w(mtl(0, MTL_RXQ_MODE), mode | RXQ_FEP);
    b.arrive(Frame::good(frame(US, 100)));
    let errors = RX_CE | RX_GP | RX_RWT | RX_RE | RX_DE | RX_ES;
    assert_eq!(b.get(RX_RING)[3] & errors, RX_RE | RX_ES);
    assert_eq!(counters(&mut b), [2, 0, 0, 0, 2]);
    // The next is well.
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!(b.get(RX_RING + 16)[3] & errors, 0);
    assert_eq!(counters(&mut b), [3, 1, 0, 0, 2]);
    // Of a frame that the filter drops nothing is counted.
    fault(&mut b, "rx-error");
    b.arrive(Frame::good(frame([0x02, 0, 0, 0, 0, 0x99], 100)));
    assert_eq!(counters(&mut b), [3, 1, 0, 0, 2]);
    assert_eq!(b.mac.fault("list").unwrap()[1]["hits"], 1);
}

#[test]
fn half_bytes_are_counted_and_shown() {
    let mut b = running_slowly();
    offer(&mut b, 4);
    fault(&mut b, "rx-error alignment count=2");
    b.arrive(Frame::good(frame(US, 100)));
    // Its FCS is right: the queue does not drop it.
    let errors = RX_CE | RX_GP | RX_RWT | RX_RE | RX_DE | RX_ES;
    assert_eq!(b.get(RX_RING)[3] & errors, RX_DE | RX_ES);
    assert_eq!(b.get(RX_RING)[3] & 0x7fff, 100);
    assert_eq!(counters(&mut b), [1, 0, 0, 1, 0]);
    // If that is wrong, too, it does.
    fault(&mut b, "rx-crc");
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!((b.mac.stats.rx_errors, b.mac.stats.rx_delivered), (1, 1));
    assert_eq!(counters(&mut b), [2, 0, 1, 2, 0]);
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!(b.get(RX_RING + 16)[3] & errors, 0);
    assert_eq!(counters(&mut b), [3, 1, 1, 2, 0]);
    // GMII has whole bytes: the fault waits for a slower link.
    let mut b = running(|_| {});
    offer(&mut b, 4);
    fault(&mut b, "rx-error alignment");
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!(counters(&mut b), [1, 1, 0, 0, 0]);
    assert_eq!(b.mac.fault("list").unwrap()[0]["hits"], 0);
}

#[test]
fn what_the_phy_signals_keeps_out_of_the_macs_loop() {
    let mut b = Bench::new(|_| {});
    let (buf, _) = b.start_looping();
    fault(&mut b, "rx-error");
    b.put(TX_RING, [buf, 0, 80, OWN | FD | LD | 80]);
    b.tx_tail(1);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 1);
    assert_eq!(counters(&mut b)[4], 0);
}

#[test]
fn a_damaged_pause_is_none() {
    let mut b = running(|_| {});
    b.w(MAC_RX_FLOW, 1);
    let mut pause = frame([0x01, 0x80, 0xc2, 0, 0, 1], 60);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 10]);
    fault(&mut b, "rx-error");
    b.arrive(Frame::good(pause.clone()));
    tx(&mut b, 0);
    assert_eq!(b.sent().len(), 1);
    b.arrive(Frame::good(pause));
    tx(&mut b, 1);
    assert!(b.sent().is_empty());
}

#[test]
fn wedges_and_what_heals_them() {
    for (until, restart, reset) in [
        ("restart", true, true),
        ("reset", false, true),
        ("clear", false, false),
    ] {
        let mut b = running(|_| {});
        b.ack();
        offer(&mut b, 4);
        fault(&mut b, &format!("rx-wedge until={until}"));
        fault(&mut b, &format!("tx-wedge until={until}"));
        b.arrive(Frame::good(frame(US, 100)));
        tx(&mut b, 0);
        // Not a word.
        assert_eq!(b.status(), 0, "{until}");
        assert_eq!((b.mac.stats.rx_delivered, b.sent().len()), (0, 0));
        // The DMA has fetched nothing that could wait.
        assert_eq!(b.r(mtl(0, MTL_TXQ_DEBUG)), 0);
        for reg in [ch(0, CH_RX_CONTROL), ch(0, CH_TX_CONTROL)] {
            let v = b.r(reg);
            b.w(reg, v & !1);
            b.w(reg, v);
        }
        b.run();
        let moved = b.mac.stats.rx_delivered + b.sent().len() as u64;
        assert_eq!(moved, if restart { 2 } else { 0 }, "{until}");
        b.w(DMA_MODE, MODE_SWR);
        b.clock.advance(RESET_TIME);
        b.start(8);
        offer(&mut b, 4);
        b.arrive(Frame::good(frame(US, 100)));
        tx(&mut b, 0);
        let moved = b.mac.stats.rx_delivered + b.sent().len() as u64 - moved;
        assert_eq!(moved > 0, reset, "{until}");
    }
}

#[test]
fn mdio_and_phy() {
    let mut b = running(|_| {});
    b.breaks = &["mdio-busy"];
    let read = |b: &mut Bench| {
        b.w(MAC_MDIO_ADDR, 1 << 21 | 2 << 16 | 4 << 8 | 3 << 2 | 1);
        b.clock.advance(Duration::from_millis(1));
        (b.r(MAC_MDIO_ADDR) & 1, b.r(MAC_MDIO_DATA))
    };
    assert_eq!(read(&mut b), (0, 0x001c));
    fault(&mut b, "mdio-timeout ms=50");
    assert_eq!(read(&mut b).0, 1);
    b.clock.advance(Duration::from_millis(60));
    b.run();
    assert_eq!((b.r(MAC_MDIO_ADDR) & 1, b.r(MAC_MDIO_DATA)), (0, 0x001c));
    fault(&mut b, "phy-gone");
    assert_eq!(read(&mut b), (0, 0xffff));
    assert!(!b.mac.link().up);
    fault(&mut b, "clear");
    b.clock.advance(AN_TIME);
    assert_eq!(read(&mut b), (0, 0x001c));
    assert!(b.mac.link().up);
}

#[test]
fn the_link_flaps_in_time() {
    let mut b = running(|_| {});
    fault(&mut b, "link-flap count=2 down=100 up=500");
    let mut seen = Vec::new();
    for _ in 0..200 {
        b.run();
        let up = b.mac.link().up;
        if seen.last() != Some(&up) {
            seen.push(up);
        }
        b.clock.advance(Duration::from_millis(10));
    }
    assert_eq!(seen, [false, true, false, true]);
    assert_eq!(b.mac.fault("list").unwrap()[0]["hits"], 2);
}

#[test]
fn receive_descriptors_with_garbage() {
    for (what, check) in [
        ("length", (|w| w[3] & 0x7fff > 1536) as fn([u32; 4]) -> bool),
        ("zero", |w| w[3] & 0x7fff == 0 && w[3] & LD != 0),
        ("flags", |w| w[3] & RX_ES != 0),
        ("no-first", |w| w[3] & (FD | LD) == LD),
        ("no-last", |w| w[3] & (FD | LD) == FD),
        ("context", |w| w[3] & (CTXT | FD | LD) == CTXT),
        ("ones", |w| w == [ALL, ALL, ALL, !OWN]),
        ("random seed=4", |w| w[3] & OWN == 0),
        ("early", |w| w == [0; 4]),
        ("never", |w| w[3] & OWN != 0),
    ] {
        let mut b = running(|_| {});
        offer(&mut b, 4);
        fault(&mut b, &format!("rx-garbage {what}"));
        b.arrive(Frame::good(frame(US, 100)));
        assert!(check(b.get(RX_RING)), "{what}: {:08x?}", b.get(RX_RING));
        // Only the one.
        b.arrive(Frame::good(frame(US, 100)));
        let next = if what == "early" { 2 } else { 1 };
        assert_eq!(
            b.get(RX_RING + 16 * next)[3] & (OWN | FD | LD | 0x7fff),
            FD | LD | 100,
            "{what}"
        );
    }
}

#[test]
fn transmit_descriptors_with_garbage() {
    for (what, check) in [
        ("status", (|w| w & TX_ES != 0) as fn(u32) -> bool),
        ("random", |w| w & OWN == 0),
        ("context", |w| w & (CTXT | LD) == CTXT),
        ("never", |w| w & OWN != 0),
    ] {
        let mut b = running(|_| {});
        fault(&mut b, &format!("tx-garbage {what}"));
        tx(&mut b, 0);
        let w3 = b.get(TX_RING)[3];
        assert!(check(w3), "{what}: {w3:08x}");
        // The frame itself is on the wire, and the next one is well.
        tx(&mut b, 1);
        assert_eq!(b.sent().len(), 2);
        assert_eq!(b.get(TX_RING + 16)[3], FD | LD, "{what}");
    }
}

#[test]
fn an_underflow_cuts_the_packet_and_suspends_until_a_doorbell() {
    let mut b = running(|_| {});
    fault(&mut b, "tx-underflow");
    b.w(mtl(0, MTL_Q_INT), Q_TXUIE);
    let buf = b.fill(0, &frame(PEER, 100));
    for n in 0..3 {
        b.put(TX_RING + n * 16, [buf, 0, 100, OWN | FD | LD | 100]);
    }
    b.tx_tail(2);
    b.run();
    assert_eq!(b.get(TX_RING)[3], FD | LD | TX_UF | TX_ES);
    assert_ne!(b.r(mtl(0, MTL_Q_INT)) & Q_TXUNFIS, 0);
    assert!(b.mac.lines().common);
    assert_eq!(b.r(mtl(0, MTL_TXQ_UNDERFLOW)), 1);
    let sent = b.sent();
    assert!(sent.len() == 1 && sent[0].data.len() < 100 && !sent[0].intact());
    // Packets good and bad, underflows, good packets.
    let counters = |b: &mut Bench| [1, 13, 21].map(|i| b.r(MMC_TX + 4 * i));
    assert_eq!(counters(&mut b), [1, 1, 0]);
    // The second packet is posted and stays so, whatever time passes.
    assert_eq!(b.processes().0, 6);
    b.clock.advance(Duration::from_secs(1));
    b.run();
    assert_ne!(b.get(TX_RING + 16)[3] & OWN, 0);
    b.tx_tail(3);
    b.run();
    assert_eq!(b.sent().len(), 2);
    assert_eq!(counters(&mut b), [3, 1, 2]);
    // A channel that was told to stop does.
    fault(&mut b, "tx-underflow");
    b.put(TX_RING + 48, [buf, 0, 100, OWN | FD | LD | 100]);
    b.tx_tail(4);
    b.stop(CH_TX_CONTROL, TX_ST);
    b.run();
    assert_eq!(b.processes().0, 0);
}

#[test]
fn a_transmit_descriptor_comes_back_before_its_time() {
    let mut b = running(|c| c.strict = Some(dwmac_model::strict::Mode::On));
    b.mac.strict.clear();
    b.ack();
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING, [buf, 0, 60, OWN | FD | 120]);
    b.put(TX_RING + 16, [buf, 0, 1 << 31 | 60, OWN | LD | 120]);
    fault(&mut b, "tx-garbage early");
    b.tx_tail(2);
    // Before the first one of its packet.
    assert_ne!(b.get(TX_RING)[3] & OWN, 0);
    assert_eq!(b.get(TX_RING + 16)[3], LD);
    assert_ne!(b.ack() & ST_TI, 0);
    b.run();
    assert!(b.sent().is_empty());
    // The next one is well, and no driver is to blame.
    b.put(TX_RING + 32, [buf, 0, 1 << 31 | 60, OWN | FD | LD | 60]);
    b.tx_tail(3);
    assert_ne!(b.get(TX_RING + 32)[3] & OWN, 0);
    b.run();
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.mac.strict.list(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_late_stop_leaves_the_channel_at_work() {
    let mut b = running(|_| {});
    offer(&mut b, 4);
    fault(&mut b, "stop-late us=100");
    b.stop(CH_RX_CONTROL, RX_SR);
    let ends = b.mac.now() + Duration::from_micros(100);
    assert_eq!(b.mac.deadline(), Some(ends));
    b.clock.advance(Duration::from_micros(99));
    for _ in 0..2 {
        b.arrive(Frame::good(frame(US, 60)));
    }
    assert_eq!(b.mac.stats.rx_delivered, 2);
    assert_eq!(b.processes().1, 3);
    b.clock.advance(Duration::from_micros(1));
    assert_eq!(b.processes().1, 0);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.mac.stats.rx_delivered, 2);
    // The next one is in time.
    b.w(ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1);
    b.run();
    b.stop(CH_RX_CONTROL, RX_SR);
    assert_eq!(b.processes().1, 0);
    // A start makes up for it.
    fault(&mut b, "stop-late tx");
    tx(&mut b, 0);
    let buf = b.fill(1, &frame(PEER, 60));
    b.put(TX_RING + 16, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(2);
    b.stop(CH_TX_CONTROL, TX_ST);
    b.w(ch(0, CH_TX_CONTROL), TX_ON);
    b.clock.advance(Duration::from_secs(1));
    b.run();
    assert_eq!((b.sent().len(), b.processes().0), (2, 6));
}

#[test]
fn a_stuck_channel_stays_stopped_until_a_start_works() {
    for tx_dir in [true, false] {
        let (name, control, bit, on) = if tx_dir {
            ("tx", CH_TX_CONTROL, TX_ST, TX_ON)
        } else {
            ("rx", CH_RX_CONTROL, RX_SR, RX_ON | 1536 << 1)
        };
        let mut b = running(|_| {});
        let process = |b: &mut Bench| {
            let (tx, rx) = b.processes();
            if tx_dir {
                tx
            } else {
                rx
            }
        };
        // Frames that were sent or received.
        let moves = |b: &mut Bench| {
            let before = b.mac.stats.rx_delivered;
            if tx_dir {
                b.tx_tail(0);
                b.tx_tail(2);
                b.run();
            } else {
                b.rx_tail(4);
                b.arrive(Frame::good(frame(US, 100)));
            }
            b.sent().len() as u64 + b.mac.stats.rx_delivered - before
        };
        let hits = |b: &mut Bench| b.mac.fault("list").unwrap()[0]["hits"].clone();
        let posted = |b: &mut Bench| {
            for n in 0..4 {
                b.rx_desc(n, true);
            }
            let buf = b.fill(0, &frame(PEER, 100));
            for n in 0..2 {
                b.put(TX_RING + n * 16, [buf, 0, 100, OWN | FD | LD | 100]);
            }
        };
        fault(&mut b, &format!("start-stuck {name} count=3"));
        // A channel that runs is none that starts.
        assert_ne!(process(&mut b), 0, "{name}");
        assert_eq!(hits(&mut b), 0);
        b.stop(control, bit);
        posted(&mut b);
        for n in 1..3 {
            b.w(ch(0, control), on);
            assert_ne!(b.r(ch(0, control)) & bit, 0);
            assert_eq!(process(&mut b), 0, "{name}");
            assert_eq!(moves(&mut b), 0, "{name}");
            // To set what is set is no start.
            b.w(ch(0, control), on);
            assert_eq!((process(&mut b), hits(&mut b)), (0, n.into()));
            b.stop(control, bit);
        }
        // A software reset helps nothing, and its count goes on.
        b.w(DMA_MODE, MODE_SWR);
        b.clock.advance(RESET_TIME);
        b.start(4);
        assert_eq!((process(&mut b), hits(&mut b)), (0, 3.into()), "{name}");
        // The other direction works.
        let (tx, rx) = b.processes();
        assert_ne!(if tx_dir { rx } else { tx }, 0, "{name}");
        assert_eq!(moves(&mut b), 0, "{name}");
        b.stop(control, bit);
        b.w(ch(0, control), on);
        assert_ne!(process(&mut b), 0, "{name}");
        // What had arrived before is received, too.
        assert_ne!(moves(&mut b), 0, "{name}");
        assert_eq!(hits(&mut b), 3);
    }
}

#[test]
fn one_channel_is_stuck_and_the_others_start() {
    let mut b = Bench::new(|c| (c.tx_queues, c.rx_queues) = (2, 2));
    fault(&mut b, "start-stuck tx channel=1");
    fault(&mut b, "start-stuck rx channel=1");
    for c in 0..2 {
        for (reg, ring) in [(CH_TX_BASE, TX_RING), (CH_RX_BASE, RX_RING)] {
            b.w(ch(c, reg), ring as u32 + 0x1000 * c as u32);
        }
        for (reg, ring) in [(CH_TX_TAIL, TX_RING), (CH_RX_TAIL, RX_RING)] {
            b.w(ch(c, reg), ring as u32 + 0x1000 * c as u32);
        }
        b.w(mtl(c, MTL_TXQ_MODE), TXQ_TSF | 2 << 2);
        b.w(ch(c, CH_TX_CONTROL), TX_ON);
        b.w(ch(c, CH_RX_CONTROL), RX_ON | 1536 << 1);
    }
    assert_eq!(b.r(DMA_DEBUG0), 0x1300);
}

#[test]
fn what_time_ends_is_woken_for() {
    let mut b = running(|_| {});
    let now = b.mac.now();
    fault(&mut b, "rx-wedge ms=30");
    assert_eq!(b.mac.deadline(), Some(now + Duration::from_millis(30)));
    offer(&mut b, 2);
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!(b.mac.stats.rx_delivered, 0);
    b.clock.advance(Duration::from_millis(30));
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 1);
}

#[test]
fn spurious_interrupts_come_and_end() {
    let mut b = running(|_| {});
    fault(&mut b, "irq-spurious rx count=3 every=10");
    let mut n = 0;
    for _ in 0..100 {
        b.run();
        let pulses = b.mac.take_pulses();
        n += u32::from(pulses.rx[0]);
        assert!(!pulses.common);
        b.clock.advance(Duration::from_micros(5));
    }
    assert_eq!(n, 3);
    assert!(!b.mac.lines().any());
}

#[test]
fn errors_of_the_safety_package_come_again() {
    let mut b = running(|_| {});
    b.w(MTL_ECC_CONTROL, ECC_MRXEE);
    fault(&mut b, "safety rxces count=3 every=10");
    let mut n = 0;
    for _ in 0..100 {
        n += u32::from(b.r(MTL_ECC_STATUS) == 1 << 4);
        b.w(MTL_ECC_STATUS, 1 << 4);
        b.clock.advance(Duration::from_micros(5));
        b.run();
    }
    assert_eq!(n, 3);
    for (spec, word) in [
        ("safety RXCE", "no safety error"),
        ("safety RXCES channel=1", "takes no channel="),
    ] {
        assert!(b.mac.fault(spec).unwrap_err().contains(word));
    }
}

#[test]
fn help_is_to_be_had_from_the_port() {
    let mut b = Bench::new(|_| {});
    let help = b.mac.fault("help").unwrap();
    let lines: Vec<_> = help
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    let has = |start: &str| lines.iter().any(|l| l.starts_with(start));
    assert!(has("  tx-underflow [channel=]") && has("  rx-error phy|alignment [count=]"));
    assert!(b.mac.fault("tx-overflow").unwrap_err().contains("help"));
}

/// A function with an MSI-X vector, or the pin, for each of `lines`, in interrupt mode 1; a message
/// is eight bytes of its file.
fn function(index: IrqIndex, lines: usize) -> (Function, Endpoint, Vec<File>) {
    let (mac, far, _) = Bench::core(|c| (c.tx_queues, c.rx_queues) = (2, 2));
    let mut f = Function::new(mac);
    let files: Vec<File> = (0..lines).map(|_| tempfile::tempfile().unwrap()).collect();
    let theirs = files.iter().map(|f| Some(f.try_clone().unwrap()));
    f.irq.connect(index, 0, theirs.collect());
    f.config_write(4, &[6, 0]);
    for (off, v) in [
        (DMA_MODE, 1 << 16),
        (ch(0, CH_TX_BASE), TX_RING as u32),
        (ch(0, CH_RX_BASE), RX_RING as u32),
        (ch(0, CH_TX_TAIL), TX_RING as u32),
        (ch(0, CH_RX_TAIL), RX_RING as u32),
        (ch(0, CH_TX_LEN), 15),
        (ch(0, CH_RX_LEN), 15),
        (ch(0, CH_INT_EN), 1 << 15 | 1 << 14 | ST_TI | ST_RI | ST_TPS),
        (mtl(0, MTL_TXQ_MODE), TXQ_TSF | 2 << 2),
        (mtl(0, MTL_RXQ_MODE), RXQ_RSF),
        (MAC_RXQ_CTRL0, 2),
        (ch(0, CH_TX_CONTROL), TX_ON),
        (ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1),
        (MAC_CONFIG, CONFIG_RE | CONFIG_TE),
    ] {
        f.bar0_write(off.into(), &v.to_le_bytes());
    }
    for n in 0..15u64 {
        let buf = (BUFFERS + n * 0x1000) as u32;
        let d = Desc {
            w: [buf, 0, 1 << 31 | 60, OWN | FD | LD | 60],
        };
        d.store(&f.mac.mem, TX_RING + 16 * n).unwrap();
        let d = Desc {
            w: [buf, 0, 0, OWN | RX_BUF1V | RX_IOC],
        };
        d.store(&f.mac.mem, RX_RING + 16 * n).unwrap();
    }
    (f, far, files)
}

fn poke(f: &mut Function, off: u32, v: u32) {
    f.bar0_write(off.into(), &v.to_le_bytes());
}

/// Clears what channel 0 says.
fn acknowledge(f: &mut Function) {
    let mut status = [0; 4];
    f.bar0_read(ch(0, CH_STATUS).into(), &mut status);
    f.bar0_write(ch(0, CH_STATUS).into(), &status);
}

/// A packet sent, a packet received, and a stop, which is told on the common line; then all of it
/// is acknowledged. Gives the messages on each of `files` by these events.
fn three_events(f: &mut Function, far: &Endpoint, files: &[File], n: u32) -> Vec<u64> {
    let messages = |files: &[File]| -> Vec<u64> {
        let len = |f: &File| f.metadata().unwrap().len() / 8;
        files.iter().map(len).collect()
    };
    let before = messages(files);
    poke(f, ch(0, CH_RX_TAIL), RX_RING as u32 + 16 * 15);
    poke(f, ch(0, CH_TX_TAIL), TX_RING as u32 + 16 * (n + 1));
    while f.mac.service(16) {}
    f.update_irq(Ack::None);
    far.send(Frame::good(frame(US, 60)));
    while f.mac.service(16) {}
    f.update_irq(Ack::None);
    poke(f, ch(0, CH_TX_CONTROL), TX_ON & !TX_ST);
    let after = messages(files);
    acknowledge(f);
    poke(f, ch(0, CH_TX_CONTROL), TX_ON);
    assert_eq!(f.mac.lines(), Default::default());
    after.iter().zip(&before).map(|(a, b)| a - b).collect()
}

#[test]
fn messages_of_a_line_are_lost() {
    // Common, then receive and transmit of each channel.
    let all = [1, 1, 1, 0, 0];
    for (spec, first, second) in [
        ("tx", [1, 1, 0, 0, 0], all),
        ("rx", [1, 0, 1, 0, 0], all),
        ("common", [0, 1, 1, 0, 0], all),
        ("all count=4", [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]),
        ("all channel=0 count=2", [1, 0, 0, 0, 0], all),
        ("tx count=2", [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]),
        ("tx channel=1", all, all),
        ("rx channel=0", [1, 0, 1, 0, 0], all),
    ] {
        let (mut f, far, files) = function(IrqIndex::Msix, 5);
        f.mac.fault(&format!("irq-drop {spec}")).unwrap();
        assert_eq!(three_events(&mut f, &far, &files, 0), first, "{spec}");
        assert_eq!(three_events(&mut f, &far, &files, 1), second, "{spec}");
        assert_eq!(three_events(&mut f, &far, &files, 2), all, "{spec}");
        assert_eq!(f.mac.strict.list(), Vec::<serde_json::Value>::new());
    }
}

#[test]
fn a_lost_message_comes_again_when_its_line_is_still_high() {
    let (mut f, _far, files) = function(IrqIndex::Msix, 5);
    let len = |n: usize| files[n].metadata().unwrap().len() / 8;
    f.mac.fault("irq-drop tx").unwrap();
    poke(&mut f, ch(0, CH_TX_TAIL), TX_RING as u32 + 16);
    while f.mac.service(16) {}
    f.update_irq(Ack::None);
    assert!(f.mac.lines().tx[0]);
    assert_eq!((len(2), f.irq.pba()), (0, 0));
    // Another write of the channel's enables, as after polling.
    poke(
        &mut f,
        ch(0, CH_INT_EN),
        1 << 15 | 1 << 14 | ST_TI | ST_RI | ST_TPS,
    );
    assert_eq!(len(2), 1);
}

#[test]
fn messages_of_safety_are_not_lost_but_the_pin_is() {
    for (index, lines, heard) in [(IrqIndex::Msix, 5, 1), (IrqIndex::Intx, 1, 0)] {
        let (mut f, _far, files) = function(index, lines);
        poke(&mut f, MTL_ECC_CONTROL, ECC_MRXEE);
        f.mac.fault("irq-drop all count=9").unwrap();
        f.mac.fault("safety rxues").unwrap();
        f.update_irq(Ack::None);
        assert!(f.mac.lines().safety.uncorrectable);
        let messages: u64 = files.iter().map(|f| f.metadata().unwrap().len() / 8).sum();
        assert_eq!(messages, heard, "{index:?}");
    }
}
