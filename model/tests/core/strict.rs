// SPDX-License-Identifier: GPL-2.0

//! Strict mode: each rule is broken once, and keeping it is no violation.

use dwmac_model::pci::{Function, IrqIndex};
use dwmac_model::strict::Mode;

use super::*;

fn bench() -> Bench {
    Bench::new(|_| {})
}

/// A running channel; how it got there is not judged.
fn running() -> Bench {
    let mut b = bench();
    b.start(8);
    b.mac.strict.clear();
    b
}

fn none(b: &mut Bench) {
    assert_eq!(b.broken(), Vec::<String>::new());
}

fn one(b: &mut Bench, what: &str) {
    assert_eq!(b.broken(), [what]);
}

/// A packet of one buffer, as a driver ought to describe it.
fn tx_desc(b: &mut Bench, n: u64, len: usize) {
    let buf = b.fill(n, &frame(PEER, len));
    let len = len as u32;
    b.put(
        TX_RING + n * 16,
        [buf, 0, 1 << 31 | len, OWN | FD | LD | len],
    );
}

#[test]
fn a_driver_that_keeps_the_rules_is_not_reported() {
    let mut b = running();
    for n in 0..4 {
        b.rx_desc(n, true);
        tx_desc(&mut b, n, 100);
    }
    b.rx_tail(4);
    b.tx_tail(4);
    for _ in 0..4 {
        b.arrive(Frame::good(frame(US, 100)));
    }
    b.run();
    assert_eq!(b.sent().len(), 4);
    assert_eq!(b.mac.stats.rx_delivered, 4);
    b.ack();
    let v = b.r(ch(0, CH_TX_CONTROL));
    b.w(ch(0, CH_TX_CONTROL), v & !TX_ST);
    let v = b.r(ch(0, CH_RX_CONTROL));
    b.w(ch(0, CH_RX_CONTROL), v & !RX_SR);
    b.w(ch(0, CH_TX_LEN), 3);
    b.w(DMA_MODE, MODE_SWR);
    while b.r(DMA_MODE) & MODE_SWR != 0 {
        b.clock.advance(RESET_TIME / 4);
    }
    // What is read may be written back.
    for off in [MAC_CONFIG, MAC_ADDR_HIGH, DMA_SYSBUS, ch(0, CH_STATUS)] {
        let v = b.r(off);
        b.w(off, v);
    }
    none(&mut b);
}

#[test]
fn what_was_shown_may_be_written_back() {
    let mut b = running();
    b.w(MAC_LPI_TIMERS, 0);
    b.w(MAC_LPI_CONTROL, LPI_PLS | LPI_EN);
    b.run();
    let v = b.r(MAC_LPI_CONTROL);
    assert_eq!(v & LPI_TLPIST, LPI_TLPIST);
    b.w(MAC_LPI_CONTROL, v & !LPI_EN);
    b.run();
    b.w(MAC_LPI_CONTROL, v);
    none(&mut b);
    b.w(MAC_LPI_CONTROL, v | 1 << 10);
    one(&mut b, "reserved-bits MAC_LPI_Control_Status@0x00d0");
}

#[test]
fn registers_that_cannot_be_written() {
    let mut b = bench();
    b.w(MAC_VERSION, 0);
    one(&mut b, "read-only MAC_Version@0x0110");
    b.w(0x0ff0, 0);
    one(&mut b, "no-register 0x0ff0");
    b.w(MAC_RX_FLOW, 1 << 20 | 1);
    one(&mut b, "reserved-bits MAC_Rx_Flow_Ctrl@0x0090");
    b.w(DMA_MODE, 3 << 16);
    one(&mut b, "reserved-value DMA_Mode@0x1000");
}

#[test]
fn accesses_during_a_reset() {
    let mut b = bench();
    b.w(DMA_MODE, MODE_SWR);
    b.r(DMA_MODE);
    none(&mut b);
    // To look whether it has ended is all that may be done.
    b.w(DMA_MODE, 0);
    one(&mut b, "in-reset DMA_Mode@0x1000");
    b.r(MAC_CONFIG);
    one(&mut b, "in-reset MAC_Configuration@0x0000");
    b.w(MAC_CONFIG, 0);
    one(&mut b, "in-reset MAC_Configuration@0x0000");
    b.clock.advance(RESET_TIME);
    b.w(MAC_CONFIG, 0);
    none(&mut b);
}

#[test]
fn mdio_while_busy() {
    let mut b = bench();
    b.w(MAC_MDIO_ADDR, 1 << 21 | 4 << 8 | 3 << 2 | 1);
    none(&mut b);
    b.w(MAC_MDIO_DATA, 0);
    b.w(MAC_MDIO_ADDR, 1 << 21 | 4 << 8 | 3 << 2 | 1);
    let got = b.broken();
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|v| v.starts_with("mdio-busy")), "{got:?}");
}

#[test]
fn mdio_data_is_read_once_the_access_is_over() {
    let read = 1 << 21 | 2 << 16 | 4 << 8 | 3 << 2 | 1;
    let data = "mdio-busy MAC_MDIO_Data@0x0204";
    let mut b = bench();
    b.w(MAC_MDIO_ADDR, read);
    b.r(MAC_MDIO_DATA);
    one(&mut b, data);
    // To look at GB is what it is there for.
    while b.r(MAC_MDIO_ADDR) & 1 != 0 {
        b.clock.advance(Duration::from_micros(10));
    }
    assert_eq!(b.r(MAC_MDIO_DATA), 0x001c);
    none(&mut b);
    // GB was seen and has not cleared.
    b.w(MAC_MDIO_ADDR, read);
    assert_eq!(b.r(MAC_MDIO_ADDR) & 1, 1);
    b.r(MAC_MDIO_DATA);
    one(&mut b, data);
    // Time enough is as good as a look.
    b.w(MAC_MDIO_DATA, 0);
    b.w(MAC_MDIO_ADDR, read);
    b.clock.advance(Duration::from_millis(1));
    assert_eq!(b.r(MAC_MDIO_DATA), 0x001c);
    b.w(MAC_MDIO_ADDR, read);
    b.clock.advance(Duration::from_millis(1));
    b.w(MAC_MDIO_ADDR, read);
    none(&mut b);
    // Unless the access does not end.
    b.mac.fault("mdio-timeout").unwrap();
    b.clock.advance(Duration::from_secs(1));
    b.r(MAC_MDIO_DATA);
    one(&mut b, data);
}

#[test]
fn reserved_codes() {
    let mut b = Bench::new(|c| {
        c.strict = Some(Mode::On);
        (c.tx_queues, c.rx_queues) = (2, 4);
    });
    // Off, for AV, for others; then one of the four.
    b.w(MAC_RXQ_CTRL0, 0x92);
    none(&mut b);
    for q in 0..4 {
        b.w(MAC_RXQ_CTRL0, 0xaa | 3 << (2 * q));
        one(&mut b, "reserved-value MAC_RxQ_Ctrl0@0x00a0");
    }
    for code in 0..3 {
        b.w(mtl(1, MTL_TXQ_MODE), TXQ_TSF | code << 2);
        none(&mut b);
    }
    b.w(mtl(1, MTL_TXQ_MODE), TXQ_TSF | 3 << 2);
    one(&mut b, "reserved-value MTL_TxQ_Operation_Mode@0x0d40");
    // Write, read with increment, read; no command matters only to an access.
    let mdio = |b: &mut Bench, goc: u32, gb: u32| {
        b.w(MAC_MDIO_ADDR, 1 << 21 | 2 << 16 | 4 << 8 | goc << 2 | gb);
        b.clock.advance(Duration::from_millis(1));
        assert_eq!(b.r(MAC_MDIO_ADDR) & 1, 0);
    };
    for (goc, gb) in [(1, 1), (2, 1), (3, 1), (0, 0)] {
        mdio(&mut b, goc, gb);
        none(&mut b);
    }
    mdio(&mut b, 0, 1);
    one(&mut b, "reserved-value MAC_MDIO_Address@0x0200");
}

#[test]
fn rings_of_running_channels_stay_as_they_are() {
    let mut b = running();
    b.w(ch(0, CH_TX_LEN), 3);
    b.w(ch(0, CH_RX_BASE), RX_RING as u32);
    let v = b.r(ch(0, CH_RX_CONTROL));
    b.w(ch(0, CH_RX_CONTROL), v ^ 64 << 1);
    let got = b.broken();
    assert_eq!(got.len(), 3);
    assert!(
        got.iter().all(|v| v.starts_with("running-channel")),
        "{got:?}"
    );
    b.stop(CH_RX_CONTROL, RX_SR);
    b.w(ch(0, CH_RX_BASE), RX_RING as u32);
    none(&mut b);
}

/// What must keep still while transmission runs, reception, or either.
const STILL: [(u32, u32, bool, bool); 7] = [
    (CH_CONTROL, 1 << 16, true, true),
    (CH_CONTROL, 1 << 18, true, true),
    (CH_CONTROL, CH_SPH, true, true),
    (CH_TX_CONTROL, 24 << 16, true, false),
    (CH_TX_CONTROL, TX_EDSE, true, false),
    (CH_RX_CONTROL, 24 << 16, false, true),
    (CH_RX_CONTROL, 64 << 1, false, true),
];

/// The violation of who does not leave it alone.
fn stirred(b: &mut Bench, reg: u32) {
    let off = ch(0, reg);
    let name = b.mac.regs.name(off).unwrap();
    one(b, &format!("running-channel {name}@{off:#06x}"));
}

#[test]
fn settings_of_running_channels_stay_as_they_are() {
    for (reg, bits, by_tx, by_rx) in STILL {
        for (tx, rx) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut b = running();
            if !tx {
                b.stop(CH_TX_CONTROL, TX_ST);
            }
            if !rx {
                b.stop(CH_RX_CONTROL, RX_SR);
            }
            b.mac.strict.clear();
            let v = b.r(ch(0, reg));
            // What is there may be written again.
            b.w(ch(0, reg), v);
            none(&mut b);
            b.w(ch(0, reg), v ^ bits);
            assert_eq!(b.r(ch(0, reg)), v ^ bits);
            if tx && by_tx || rx && by_rx {
                stirred(&mut b, reg);
            } else {
                none(&mut b);
            }
        }
    }
    // Other fields of the same registers may change.
    let mut b = running();
    b.w(ch(0, CH_CONTROL), 1448);
    let v = b.r(ch(0, CH_TX_CONTROL));
    b.w(ch(0, CH_TX_CONTROL), v | TX_TSE);
    none(&mut b);
}

#[test]
fn settings_stay_as_they_are_until_the_channel_has_stopped() {
    for (reg, bits, ..) in STILL {
        let mut b = running();
        tx_desc(&mut b, 0, 100);
        b.tx_tail(1);
        b.rx_desc(0, true);
        b.rx_tail(1);
        b.far.send(Frame::good(frame(US, 100)));
        b.stop(CH_TX_CONTROL, TX_ST);
        b.stop(CH_RX_CONTROL, RX_SR);
        assert_eq!(b.processes(), (1, 3));
        let v = b.r(ch(0, reg));
        b.w(ch(0, reg), v ^ bits);
        stirred(&mut b, reg);
        b.w(ch(0, reg), v);
        b.mac.strict.clear();
        b.run();
        assert_eq!(b.processes(), (0, 0));
        b.w(ch(0, reg), v ^ bits);
        none(&mut b);
    }
    // Nor with the very write that stops it.
    let mut b = running();
    tx_desc(&mut b, 0, 100);
    b.tx_tail(1);
    b.w(ch(0, CH_TX_CONTROL), 16 << 16);
    stirred(&mut b, CH_TX_CONTROL);
}

#[test]
fn rings_are_left_alone_until_the_channel_has_stopped() {
    let mut b = running();
    tx_desc(&mut b, 0, 100);
    b.tx_tail(1);
    b.rx_desc(0, true);
    b.rx_tail(1);
    b.far.send(Frame::good(frame(US, 100)));
    b.stop(CH_TX_CONTROL, TX_ST);
    b.stop(CH_RX_CONTROL, RX_SR);
    b.w(ch(0, CH_TX_BASE), TX_RING as u32);
    one(&mut b, "running-channel DMA_CH_TxDesc_List_Address@0x1114");
    b.w(ch(0, CH_RX_LEN), 3);
    one(&mut b, "running-channel DMA_CH_RxDesc_Ring_Length@0x1130");
    b.tx_tail(9);
    one(&mut b, "doorbell transmit channel 0");
    b.tx_tail(1);
    // A descriptor taken back, a buffer freed.
    b.put(TX_RING, [0; 4]);
    b.put(RX_RING, [0x1000, 0, 0, OWN | RX_BUF1V]);
    b.run();
    let got = b.broken();
    let kinds = |k: &str| got.iter().any(|v| v.starts_with(k));
    assert!(
        kinds("owned-descriptor transmit") && kinds("bus-error receive"),
        "{got:?}"
    );
    // Then all of it is software's, a tail pointer included, and nothing is said of it.
    assert_eq!(b.processes(), (0, 0));
    b.w(ch(0, CH_TX_BASE), TX_RING as u32);
    b.w(ch(0, CH_RX_LEN), 7);
    b.put(RX_RING, [0; 4]);
    b.tx_tail(3);
    b.rx_tail(3);
    b.tx_tail(0);
    b.run();
    none(&mut b);
}

#[test]
fn each_register_of_a_ring_stays_as_it_is() {
    for (reg, tx) in [
        (CH_TX_BASE_HI, true),
        (CH_TX_BASE, true),
        (CH_TX_LEN, true),
        (CH_RX_BASE_HI, false),
        (CH_RX_BASE, false),
        (CH_RX_LEN, false),
    ] {
        for (control, bit, own) in [(CH_TX_CONTROL, TX_ST, tx), (CH_RX_CONTROL, RX_SR, !tx)] {
            let mut b = running();
            b.stop(control, bit);
            b.mac.strict.clear();
            // What is there is no better than anything else.
            let v = b.r(ch(0, reg));
            b.w(ch(0, reg), v);
            if own {
                none(&mut b);
            } else {
                stirred(&mut b, reg);
            }
        }
    }
}

#[test]
fn what_a_channel_is_started_with() {
    let channel = |tx: bool, flaw: &str| {
        let mut b = Bench::new(|c| (c.tx_queues, c.rx_queues) = (2, 2));
        let unless = |name: &str, v: u32| if flaw == name { 0 } else { v };
        let burst = match flaw {
            "a burst length of 0" => 0,
            "a burst length of 3" => 3,
            "a burst length of 48" => 48,
            _ => 8,
        };
        let (base, tail, control, on, ring) = if tx {
            (CH_TX_BASE, CH_TX_TAIL, CH_TX_CONTROL, TX_ST, TX_RING)
        } else {
            (CH_RX_BASE, CH_RX_TAIL, CH_RX_CONTROL, RX_SR, RX_RING)
        };
        let ring = unless("no ring address", ring as u32);
        let size = unless("buffers of no size", 1536 << 1);
        b.w(ch(1, base), ring);
        b.w(ch(1, tail), ring);
        let on_code = unless("a queue that is off", 2 << 2);
        b.w(mtl(1, MTL_TXQ_MODE), TXQ_TSF | on_code);
        b.w(ch(1, control), on | burst << 16 | if tx { 0 } else { size });
        let list = b.mac.strict.list();
        b.mac.strict.clear();
        list.iter()
            .map(|v| format!("{} {} {}", v["kind"], v["subject"], v["detail"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    for flaw in [
        "no ring address",
        "a burst length of 0",
        "a burst length of 3",
        "a burst length of 48",
        "a queue that is off",
        "buffers of no size",
    ] {
        for (tx, name) in [(true, "transmit"), (false, "receive")] {
            let matters = match flaw {
                "a queue that is off" => tx,
                "buffers of no size" => !tx,
                _ => true,
            };
            let want = format!("setup {name} channel 1 started with {flaw}");
            let want = if matters { vec![want] } else { vec![] };
            assert_eq!(channel(tx, flaw), want);
        }
    }
    for tx in [true, false] {
        assert_eq!(channel(tx, "none"), Vec::<String>::new());
    }
}

#[test]
fn channels_that_cannot_work_are_not_started() {
    let mut b = bench();
    b.w(ch(0, CH_TX_CONTROL), TX_ON | 3 << 16);
    one(&mut b, "setup transmit channel 0");
    b.w(ch(0, CH_RX_BASE), RX_RING as u32);
    b.w(ch(0, CH_RX_TAIL), RX_RING as u32);
    b.w(ch(0, CH_RX_CONTROL), RX_SR | 8 << 16);
    one(&mut b, "setup receive channel 0");
}

#[test]
fn doorbells() {
    let mut b = running();
    // Not the DMA's.
    b.tx_tail(1);
    b.run();
    one(&mut b, "doorbell transmit channel 0: descriptor 0");
    // Beyond the ring; one past its end is good for reception only.
    b.tx_tail(8);
    one(&mut b, "doorbell transmit channel 0");
    b.w(ch(0, CH_TX_TAIL), TX_RING as u32 + 8);
    one(&mut b, "doorbell transmit channel 0");
    for n in 0..8 {
        b.rx_desc(n, true);
    }
    b.rx_tail(8);
    none(&mut b);
    b.rx_tail(9);
    one(&mut b, "doorbell receive channel 0");
}

#[test]
fn a_doorbell_tells_of_descriptors_that_are_the_dmas() {
    let mut b = running();
    // A hole is told of when the doorbell rings, before the DMA meets it, and once.
    for n in [0, 2] {
        tx_desc(&mut b, n, 100);
        b.rx_desc(n, true);
    }
    b.tx_tail(3);
    one(&mut b, "doorbell transmit channel 0: descriptor 1");
    b.rx_tail(3);
    one(&mut b, "doorbell receive channel 0: descriptor 1");
    b.run();
    b.tx_tail(3);
    b.rx_tail(3);
    none(&mut b);
    // It is filled; what the DMA has given back meanwhile lacks OWN rightly.
    tx_desc(&mut b, 1, 100);
    tx_desc(&mut b, 3, 100);
    b.tx_tail(4);
    b.run();
    assert_eq!(b.sent().len(), 4);
    b.rx_desc(1, true);
    b.rx_desc(3, true);
    b.rx_tail(4);
    for _ in 0..4 {
        b.arrive(Frame::good(frame(US, 100)));
    }
    assert_eq!(b.mac.stats.rx_delivered, 4);
    none(&mut b);
    // The tail comes to where the receiver is: it has all of the ring.
    for n in [4, 5, 6, 7, 0, 1, 2] {
        b.rx_desc(n, true);
    }
    b.rx_tail(3);
    none(&mut b);
    b.rx_tail(4);
    one(&mut b, "doorbell receive channel 0: descriptor 3");
    b.rx_desc(3, true);
    b.rx_tail(3);
    b.rx_tail(4);
    none(&mut b);
}

#[test]
fn a_batch_rings_once_or_for_each_and_both_are_good() {
    for each in [false, true] {
        let mut b = running();
        for round in 0..3u64 {
            for i in 0..4 {
                tx_desc(&mut b, (round * 4 + i) % 8, 100);
                if each {
                    b.tx_tail((round * 4 + i + 1) % 8);
                }
            }
            b.tx_tail((round * 4 + 4) % 8);
            b.run();
        }
        assert_eq!(b.sent().len(), 12);
        none(&mut b);
    }
}

#[test]
fn descriptors_of_the_dma_are_left_alone() {
    let mut b = running();
    tx_desc(&mut b, 0, 100);
    b.tx_tail(1);
    // Before the DMA gets there, software thinks again.
    tx_desc(&mut b, 0, 90);
    b.run();
    one(&mut b, "owned-descriptor transmit channel 0");
    b.rx_desc(0, true);
    b.rx_desc(1, true);
    b.rx_tail(2);
    b.put(RX_RING, [0; 4]);
    b.arrive(Frame::good(frame(US, 100)));
    one(&mut b, "owned-descriptor receive channel 0");
    // A channel that was stopped and started is told anew.
    let v = b.r(ch(0, CH_RX_CONTROL));
    b.w(ch(0, CH_RX_CONTROL), v & !RX_SR);
    b.rx_desc(0, false);
    b.w(ch(0, CH_RX_CONTROL), v);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 1);
    none(&mut b);
}

#[test]
fn transmit_descriptors() {
    let buf = BUFFERS as u32;
    let whole = |len: u32| [buf, 0, len, OWN | FD | LD | len];
    let with = |i: usize, bits: u32| {
        let mut w = whole(60);
        w[i] |= bits;
        w
    };
    for (descs, what) in [
        (vec![whole(0)], "no bytes"),
        (vec![[buf, 0, 60, OWN | FD | LD | 61]], "FL is not the sum"),
        (vec![[buf, 0, 60, OWN | LD]], "no FD at the start"),
        (
            vec![
                [buf, 0, 60, OWN | FD | 120],
                [buf, 0, 60, OWN | FD | LD | 60],
            ],
            "FD inside a packet",
        ),
        (
            vec![[buf, 0, 60, OWN | FD | 60], [0, 0, 0, OWN | CTXT]],
            "context descriptor inside",
        ),
        (vec![with(3, 1 << 18)], "TSE in a channel where it is off"),
        (vec![with(3, 1 << 18)], "TSE in a core"),
        (vec![with(3, 5 << 19)], "THL or slot number without TSE"),
        (vec![with(2, 1 << 30)], "TTSE in a core"),
        (vec![with(2, 1 << 14)], "VTIR in a core"),
        (vec![with(3, 1 << 23)], "SAIC in a core"),
    ] {
        let judge = |has_options: bool| {
            let mut b = Bench::new(|c| {
                c.strict = Some(Mode::On);
                (c.tso, c.ts, c.sa_vlan_ins) = (has_options, has_options, has_options);
            });
            b.start(8);
            b.mac.strict.clear();
            b.fill(0, &frame(PEER, 200));
            for (i, d) in descs.iter().enumerate() {
                b.put(TX_RING + i as u64 * 16, *d);
            }
            b.tx_tail(descs.len() as u64);
            b.run();
            b.broken()
        };
        // What a core can do is not wrong in it.
        let (needs_option, in_channel) = (what.ends_with("in a core"), what.contains("channel"));
        let got = judge(in_channel);
        assert_eq!(got.len(), 1, "{what}: {got:?}");
        assert!(
            got[0].starts_with("tx-descriptor") && got[0].contains(what),
            "{got:?}"
        );
        if needs_option {
            let got = judge(true);
            assert!(!got.iter().any(|v| v.contains(what)), "{got:?}");
        }
    }
}

#[test]
fn wide_addresses_leave_no_room_for_a_second_buffer_to_send() {
    for wide in [false, true] {
        let mut b = bench();
        if wide {
            let v = b.r(DMA_SYSBUS);
            b.w(DMA_SYSBUS, v | SYSBUS_EAME);
        }
        b.start(8);
        let buf = b.fill(0, &frame(PEER, 200));
        // What would be buffer 2's address is the upper half of buffer 1's.
        let high = if wide { 0 } else { buf };
        b.put(TX_RING, [buf, high, 40 << 16 | 60, OWN | FD | LD | 100]);
        b.tx_tail(1);
        b.run();
        if wide {
            one(
                &mut b,
                "tx-descriptor transmit channel 0: a buffer 2, whose address wide addresses have no room for",
            );
        } else {
            none(&mut b);
        }
    }
}

#[test]
fn reserved_bits_of_receive_descriptors_by_the_width_of_addresses() {
    for (bits, narrow, wide) in [
        (0, 0, 0),
        (1, 1, 0),
        (1 << 15, 1 << 15, 0),
        (1 << 16, 1 << 16, 1 << 16),
        (1 << 23, 1 << 23, 1 << 23),
        (1 << 26, 1 << 26, 1 << 26),
        (1 << 29, 1 << 29, 1 << 29),
        (0xa5ffff, 0xa5ffff, 0xa50000),
    ] {
        for (eame, reserved) in [(0, narrow), (SYSBUS_EAME, wide)] {
            let mut b = bench();
            let v = b.r(DMA_SYSBUS);
            b.w(DMA_SYSBUS, v | eame);
            b.start(8);
            let flags = OWN | RX_BUF1V | RX_IOC | bits;
            b.put(RX_RING, [BUFFERS as u32, 0, 0, flags]);
            b.rx_tail(1);
            b.arrive(Frame::good(frame(US, 100)));
            assert_eq!(b.mac.stats.rx_delivered, 1);
            if reserved == 0 {
                none(&mut b);
            } else {
                let what = format!("reserved bits {reserved:#010x} of RDES3");
                one(&mut b, &format!("rx-descriptor receive channel 0: {what}"));
            }
        }
    }
}

#[test]
fn receive_descriptors() {
    let mut b = running();
    b.put(RX_RING, [BUFFERS as u32, 0, 0, OWN]);
    b.put(RX_RING + 16, [BUFFERS as u32, 0, 0, OWN | RX_BUF1V | FD]);
    b.rx_tail(2);
    b.arrive(Frame::good(frame(US, 100)));
    b.run();
    let got = b.broken();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].contains("no valid buffer"), "{got:?}");
    assert!(got[1].contains("reserved bits 0x20000000"), "{got:?}");
}

#[test]
fn memory_that_is_not_there() {
    let mut b = running();
    b.put(TX_RING, [0x1000, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(1);
    b.run();
    let list = b.mac.strict.list();
    let line = list[0]["line"].as_str().unwrap();
    assert!(
        line.contains("bus-error transmit channel 0: buffer") && line.contains("0x1000"),
        "{line}"
    );
    b.mac.strict.clear();
    b.mac.bus_master = false;
    b.rx_desc(0, true);
    b.rx_tail(1);
    b.arrive(Frame::good(frame(US, 100)));
    let list = b.mac.strict.list();
    assert!(list
        .iter()
        .any(|v| v["line"].as_str().unwrap().contains("may not master")));
    b.mac.strict.clear();
}

#[test]
fn accesses_from_the_bus() {
    let (mac, ..) = Bench::core(|_| {});
    let mut f = Function::new(mac);
    let kinds = |f: &mut Function| {
        let v = f.mac.strict.counts();
        f.mac.strict.clear();
        let map = v.as_object().unwrap().clone();
        map.keys().cloned().collect::<Vec<_>>()
    };
    f.bar0_read(u64::from(MAC_VERSION), &mut [0; 4]);
    assert!(kinds(&mut f).is_empty());
    f.bar0_read(u64::from(MAC_VERSION), &mut [0; 1]);
    assert_eq!(kinds(&mut f), ["access-width"]);
    f.bar0_write(0x8000, &[0; 4]);
    assert_eq!(kinds(&mut f), ["beyond-map"]);
    // D3hot.
    f.config_write(0x44, &[3, 0]);
    f.bar0_read(u64::from(MAC_VERSION), &mut [0; 4]);
    assert_eq!(kinds(&mut f), ["asleep"]);
    f.bar0_write(u64::from(MAC_HASH), &[0xff; 4]);
    assert_eq!(kinds(&mut f), ["asleep"]);
    f.config_write(0x44, &[0, 0]);
    f.config_write(0x04, &[6, 4]);
    for off in [MMC_RX_INT_MASK, MAC_INT_EN] {
        f.bar0_write(u64::from(off), &[0; 4]);
    }
    assert!(kinds(&mut f).is_empty());
    // The pin is disabled and there is no vector.
    f.bar0_write(u64::from(ch(0, CH_INT_EN)), &0xc002u32.to_le_bytes());
    f.bar0_write(
        u64::from(ch(0, CH_TX_CONTROL)),
        &(TX_ST | 8 << 16).to_le_bytes(),
    );
    f.mac.strict.clear();
    f.bar0_write(u64::from(ch(0, CH_TX_CONTROL)), &(8u32 << 16).to_le_bytes());
    assert_eq!(kinds(&mut f), ["unheard"]);
}

/// What was seen, as `kind subject: detail`.
fn seen(f: &mut Function) -> Vec<String> {
    let list = f.mac.strict.list();
    f.mac.strict.clear();
    list.iter()
        .map(|v| format!("{} {}: {}", v["kind"], v["subject"], v["detail"]).replace('"', ""))
        .collect()
}

#[test]
fn widths_and_places_of_accesses() {
    let (mac, ..) = Bench::core(|_| {});
    let mut f = Function::new(mac);
    for (off, len) in [
        (0, 4),
        (4, 4),
        (0, 1),
        (0, 2),
        (0, 8),
        (1, 4),
        (2, 4),
        (3, 1),
    ] {
        let at = MAC_HASH + off;
        let odd = len != 4 || off % 4 != 0;
        for what in ["read", "write"] {
            if what == "read" {
                f.bar0_read(at.into(), &mut vec![0; len]);
            } else {
                f.bar0_write(at.into(), &vec![0; len]);
            }
            let line = format!(
                "access-width {at:#06x}: {what} of {len} bytes; registers are aligned words"
            );
            let want = if odd { vec![line] } else { vec![] };
            assert_eq!(seen(&mut f), want, "{off} {len}");
        }
    }
    for off in [u64::from(SIZE) - 4, u64::from(SIZE)] {
        f.bar0_read(off, &mut [0; 4]);
        let beyond = seen(&mut f).iter().any(|v| v.starts_with("beyond-map"));
        assert_eq!(beyond, off >= u64::from(SIZE));
    }
}

#[test]
fn nobody_is_at_home_in_d3hot() {
    for state in [1, 3] {
        let (mac, ..) = Bench::core(|_| {});
        let mut f = Function::new(mac);
        f.config_write(0x44, &[state, 0]);
        f.bar0_write(u64::from(MAC_HASH), &[0xff; 4]);
        let what = "while the function is in a power state other than D0";
        assert_eq!(seen(&mut f), [format!("asleep 0x0010: write {what}")]);
        f.bar0_read(u64::from(MAC_HASH), &mut [0; 4]);
        assert_eq!(seen(&mut f), [format!("asleep 0x0010: read {what}")]);
        f.config_write(0x44, &[0, 0]);
        let mut v = [0xff; 4];
        f.bar0_read(u64::from(MAC_HASH), &mut v);
        assert_eq!((v, seen(&mut f)), ([0; 4], Vec::new()));
    }
}

#[test]
fn the_pin_needs_a_handler() {
    for heard in [false, true] {
        let (mac, ..) = Bench::core(|_| {});
        let mut f = Function::new(mac);
        let w = |f: &mut Function, off: u32, v: u32| f.bar0_write(off.into(), &v.to_le_bytes());
        let pin = tempfile::tempfile().unwrap();
        if heard {
            f.irq
                .connect(IrqIndex::Intx, 0, vec![Some(pin.try_clone().unwrap())]);
        }
        w(&mut f, ch(0, CH_INT_EN), 0xc002);
        w(&mut f, ch(0, CH_TX_CONTROL), TX_ON);
        f.mac.strict.clear();
        w(&mut f, ch(0, CH_TX_CONTROL), 8 << 16);
        assert_eq!(pin.metadata().unwrap().len() != 0, heard);
        let line = "unheard pin without a handler: an enabled interrupt was signalled there: common, DMA_CH0_Status 0x4002";
        let want = if heard { vec![] } else { vec![line] };
        assert_eq!(seen(&mut f), want);
    }
}
