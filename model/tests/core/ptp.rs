// SPDX-License-Identifier: GPL-2.0

//! System time and time stamps as a driver sees them.

use dwmac_model::ptp::{Stamp, RX_TD, RX_TSA};

use super::*;

const COARSE: u32 = TS_ENA | TS_CTRLSSR | TS_IPV4ENA;

/// 5 ns a cycle at 200 MHz, coarse, from `secs` s on.
fn bench(secs: u32) -> Bench {
    let mut b = Bench::new(|c| c.ptp_hz = 200_000_000);
    b.w(MAC_TS_CONTROL, COARSE);
    b.w(MAC_SUB_SECOND, 5 << 16);
    b.w(MAC_SECS_UPDATE, secs);
    b.w(MAC_NSECS_UPDATE, 0);
    b.w(MAC_TS_CONTROL, COARSE | TS_INIT);
    b
}

fn time(b: &mut Bench) -> (u32, u32) {
    (b.r(MAC_SYSTEM_SECS), b.r(MAC_SYSTEM_NSECS))
}

/// A PTP version 2 message of `kind` over Ethernet.
fn message(kind: u8) -> Vec<u8> {
    let mut f = frame([0x01, 0x1b, 0x19, 0, 0, 0], 60);
    f[12..14].copy_from_slice(&[0x88, 0xf7]);
    f[14] = kind;
    f[15] = 2;
    f
}

/// The same over UDP and IPv4 or IPv6.
fn udp_message(v6: bool, port: u16, body: &[u8]) -> Vec<u8> {
    let udp = |out: &mut Vec<u8>| {
        out.extend_from_slice(&port.to_be_bytes());
        out.extend_from_slice(&port.to_be_bytes());
        out.extend_from_slice(&(8 + body.len() as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(body);
    };
    let mut f = frame([0x01, 0, 0x5e, 0, 1, 0x81], 14);
    if v6 {
        f[12..14].copy_from_slice(&[0x86, 0xdd]);
        f.extend_from_slice(&[0x60, 0, 0, 0, 0, 8 + body.len() as u8, 17, 1]);
        f.extend_from_slice(&[0x20; 32]);
    } else {
        f[12..14].copy_from_slice(&[8, 0]);
        let len = 28 + body.len() as u8;
        f.extend_from_slice(&[0x45, 0, 0, len, 0, 0, 0, 0, 1, 17, 0, 0]);
        f.extend_from_slice(&[192, 0, 2, 1, 224, 0, 1, 129]);
    }
    udp(&mut f);
    f
}

#[test]
fn claimed_and_optional() {
    let mut b = Bench::new(|_| {});
    assert_eq!(
        b.r(MAC_HW_FEATURE0) & (1 << 12 | 3 << 25),
        1 << 12 | 1 << 25
    );
    assert_eq!(b.r(MAC_TS_CONTROL), TS_IPV4ENA);
    let mut b = Bench::new(|c| c.ts = false);
    b.breaks = &["no-register"];
    assert_eq!(b.r(MAC_HW_FEATURE0) & (1 << 12 | 3 << 25), 0);
    b.w(MAC_TS_CONTROL, ALL);
    b.w(MAC_ADDEND, ALL);
    assert_eq!((b.r(MAC_TS_CONTROL), b.r(MAC_ADDEND)), (0, 0));
}

#[test]
fn time_runs_and_commands_clear_themselves() {
    let mut b = bench(100);
    assert_eq!(b.r(MAC_TS_CONTROL), COARSE);
    assert_eq!(time(&mut b), (100, 0));
    b.clock.advance(Duration::from_nanos(2_000_000_123));
    // 24.6 cycles of 5 ns.
    assert_eq!(time(&mut b), (102, 120));
    b.w(MAC_SECS_UPDATE, 1);
    b.w(MAC_NSECS_UPDATE, 999_999_990);
    b.w(MAC_TS_CONTROL, COARSE | TS_UPDT);
    assert_eq!(time(&mut b), (104, 110));
    // Minus 4.000000111 s.
    b.w(MAC_SECS_UPDATE, 4u32.wrapping_neg());
    b.w(MAC_NSECS_UPDATE, ADDSUB | (1_000_000_000 - 111));
    b.w(MAC_TS_CONTROL, COARSE | TS_UPDT);
    assert_eq!(time(&mut b), (99, 999_999_999));
    assert_eq!(b.r(MAC_TS_CONTROL), COARSE);
}

#[test]
fn fine_update_follows_the_addend_once_it_is_taken_over() {
    let mut b = bench(0);
    let fine = COARSE | TS_CFUPDT;
    b.w(MAC_TS_CONTROL, fine);
    b.w(MAC_SUB_SECOND, 10 << 16);
    b.w(MAC_ADDEND, 1 << 31);
    b.clock.advance(Duration::from_secs(1));
    assert_eq!(time(&mut b), (0, 0));
    b.w(MAC_TS_CONTROL, fine | TS_ADDREG);
    b.clock.advance(Duration::from_secs(10));
    assert_eq!(time(&mut b), (10, 0));
    // 100 ppm faster.
    b.w(MAC_ADDEND, (1 << 31) + (1 << 31) / 10_000);
    b.w(MAC_TS_CONTROL, fine | TS_ADDREG);
    b.clock.advance(Duration::from_secs(10));
    let (s, ns) = time(&mut b);
    assert_eq!(s, 20);
    assert!(ns.abs_diff(1_000_000) < 10_000, "{ns}");
}

#[test]
fn reset_stops_the_time() {
    let mut b = bench(5);
    b.clock.advance(Duration::from_secs(1));
    b.w(DMA_MODE, MODE_SWR);
    b.clock.advance(Duration::from_secs(1));
    assert_eq!(time(&mut b), (0, 0));
    b.w(MAC_SUB_SECOND, 5 << 16);
    b.w(MAC_TS_CONTROL, COARSE);
    b.clock.advance(Duration::from_nanos(10));
    assert_eq!(time(&mut b), (0, 10));
}

#[test]
fn a_dead_clock_stops_the_time_and_commands() {
    let mut b = bench(5);
    b.mac.fault("clock-dead ptp").unwrap();
    b.clock.advance(Duration::from_secs(1));
    b.w(MAC_TS_CONTROL, COARSE | TS_INIT);
    assert_eq!(b.r(MAC_TS_CONTROL), COARSE | TS_INIT);
    assert_eq!(time(&mut b), (5, 0));
    b.mac.fault("clear").unwrap();
    assert_eq!(b.r(MAC_TS_CONTROL), COARSE);
    b.clock.advance(Duration::from_nanos(10));
    assert_eq!(time(&mut b), (5, 10));
}

#[test]
fn seconds_overflow_interrupts() {
    let mut b = bench(ALL);
    b.w(MAC_INT_EN, INT_TSIS);
    assert!(!b.mac.lines().common);
    b.clock.advance(Duration::from_secs(1));
    assert_eq!(time(&mut b), (0, 0));
    assert!(b.mac.lines().common);
    assert_eq!(b.r(MAC_INT_STATUS) & INT_TSIS, INT_TSIS);
    assert_eq!(b.r(MAC_TS_STATUS), TS_SSOVF);
    assert!(!b.mac.lines().common);
}

#[test]
fn transmit_time_stamp_is_in_the_last_descriptor() {
    let mut b = bench(7);
    b.start(4);
    let data = frame(PEER, 100);
    let one = b.fill(0, &data[..40]);
    let two = b.fill(1, &data[40..]);
    b.put(TX_RING, [one, 0, 1 << 30 | 40, OWN | FD | 100]);
    b.put(TX_RING + 16, [two, 0, 60, OWN | LD | 100]);
    b.put(TX_RING + 32, [one, 0, 40, OWN | FD | LD | 40]);
    b.clock.advance(Duration::from_micros(3));
    b.tx_tail(3);
    b.run();
    assert_eq!(b.sent().len(), 2);
    assert_eq!(b.get(TX_RING)[0], one);
    assert_eq!(b.get(TX_RING + 16), [3000, 7, 60, LD | TX_TTSS]);
    assert_eq!(b.get(TX_RING + 32)[3], FD | LD);
}

#[test]
fn no_transmit_time_stamp_while_the_unit_is_off() {
    let mut b = bench(7);
    b.w(MAC_TS_CONTROL, 0);
    b.start(4);
    let buf = b.fill(0, &frame(PEER, 100));
    b.put(TX_RING, [buf, 0, 1 << 30 | 100, OWN | FD | LD | 100]);
    b.tx_tail(1);
    b.run();
    assert_eq!(b.get(TX_RING), [buf, 0, 1 << 30 | 100, FD | LD]);
}

#[test]
fn dropped_status_leaves_the_time_stamp_in_registers() {
    let mut b = bench(7);
    b.start(4);
    b.w(MTL_OPERATION_MODE, DTXSTS);
    b.w(MAC_INT_EN, INT_TSIS);
    let buf = b.fill(0, &frame(PEER, 100));
    for n in 0..2 {
        b.put(
            TX_RING + 16 * n,
            [buf, 0, 1 << 30 | 100, OWN | FD | LD | 100],
        );
    }
    b.clock.advance(Duration::from_micros(1));
    b.tx_tail(1);
    b.run();
    assert_eq!(b.get(TX_RING)[3], FD | LD);
    assert!(b.mac.lines().common);
    assert_eq!(b.r(MAC_TS_STATUS), TS_TXTSSIS);
    // The second finds the first unread.
    b.clock.advance(Duration::from_micros(1));
    b.tx_tail(2);
    b.run();
    assert_eq!(b.r(MAC_TX_TS_NSECS), TX_TS_MISSED | 1000);
    assert_eq!(b.r(MAC_TX_TS_SECS), 7);
    assert_eq!(b.r(MAC_TS_STATUS), 0);
    assert_eq!(b.r(MAC_TX_TS_NSECS), 1000);
}

#[test]
fn corrections_shift_time_stamps_but_not_the_time() {
    let mut b = bench(7);
    b.start(8);
    b.w(MAC_TS_EGRESS_NSECS, 300);
    // Minus 200 ns.
    b.w(MAC_TS_INGRESS_NSECS, 1 << 31 | (1_000_000_000 - 200));
    b.w(MAC_TS_CONTROL, COARSE | TS_ENALL);
    let buf = b.fill(0, &frame(PEER, 100));
    b.put(TX_RING, [buf, 0, 1 << 30 | 100, OWN | FD | LD | 100]);
    for n in 0..8 {
        b.rx_desc(n, true);
    }
    b.rx_tail(8);
    b.tx_tail(1);
    b.run();
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.get(TX_RING)[..2], [300, 7]);
    assert_eq!(b.get(RX_RING + 16)[..2], [999_999_800, 6]);
    assert_eq!(time(&mut b), (7, 0));
}

#[test]
fn received_time_stamp_has_a_descriptor_of_its_own() {
    let mut b = bench(3);
    b.start(8);
    b.w(MAC_TS_CONTROL, COARSE | TS_ENALL);
    b.rx_desc(0, true);
    b.rx_desc(1, false);
    b.rx_desc(2, true);
    b.rx_tail(3);
    b.clock.advance(Duration::from_micros(2));
    b.arrive(Frame::good(frame(US, 60)));
    let w = b.get(RX_RING);
    assert_eq!(w[3] & (OWN | CTXT | LD | RX_RS1V), LD | RX_RS1V);
    assert_eq!(w[1] & (RX_TSA | 0xf << 8), RX_TSA);
    assert_eq!(b.get(RX_RING + 16), [2000, 3, 0, CTXT]);
    assert_eq!(b.ack() & ST_RI, ST_RI);
    // The next packet has a descriptor for itself but none for its time stamp.
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.get(RX_RING + 32)[1] & RX_TSA, RX_TSA);
    let s = b.ack();
    assert_eq!(s & (ST_RI | ST_RBU), ST_RBU);
    b.clock.advance(Duration::from_secs(1));
    b.rx_desc(3, false);
    b.rx_tail(4);
    b.run();
    assert_eq!(b.get(RX_RING + 48), [2000, 3, 0, CTXT]);
    assert_eq!(b.ack() & ST_RI, ST_RI);
    assert_eq!(b.mac.stats.rx_delivered, 2);
}

#[test]
fn a_packet_without_its_time_stamp_is_not_delivered_again() {
    let mut b = bench(3);
    b.start(8);
    b.w(MAC_TS_CONTROL, COARSE | TS_ENALL);
    b.rx_desc(0, true);
    b.rx_tail(1);
    b.arrive(Frame::good(frame(US, 60)));
    b.stop(CH_RX_CONTROL, RX_SR);
    b.w(ch(0, CH_RX_BASE), RX_RING as u32);
    b.rx_desc(0, true);
    b.w(ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1);
    b.rx_tail(1);
    b.run();
    assert_eq!(b.get(RX_RING)[3] & OWN, OWN);
    assert_eq!(b.mac.rings()["rx_queues"][0]["packets"], 0);
}

/// Delivers a frame; returns RDES1 and the time stamp, if there is one.
fn deliver(b: &mut Bench, data: Vec<u8>) -> (u32, Option<Stamp>) {
    b.stop(CH_RX_CONTROL, RX_SR);
    b.w(ch(0, CH_RX_BASE), RX_RING as u32);
    for n in 0..3 {
        b.rx_desc(n, true);
    }
    b.w(ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1);
    b.rx_tail(3);
    b.arrive(Frame::good(data));
    let rdes1 = b.get(RX_RING)[1];
    let [sub, secs, _, w3] = b.get(RX_RING + 16);
    let stamp = (w3 == CTXT).then_some(Stamp { secs, sub });
    assert_eq!(rdes1 & RX_TSA != 0, stamp.is_some());
    // The other bits are the checksum engine's.
    (rdes1 & 0x7f00, stamp)
}

#[test]
fn messages_are_recognised_as_the_control_register_says() {
    let mut b = bench(9);
    b.start(8);
    b.w(MAC_PACKET_FILTER, FILTER_PR);
    let kind = |rdes1: u32| rdes1 >> 8 & 0xf;
    let v2 = COARSE | TS_VER2ENA | TS_IPENA | TS_IPV6ENA | 1 << 16;
    b.w(MAC_TS_CONTROL, v2 | TS_EVNTENA);
    let (r, s) = deliver(&mut b, message(0));
    assert_eq!((kind(r), r >> 12 & 3), (1, 3));
    assert_eq!(s, Some(Stamp { secs: 9, sub: 0 }));
    // Pdelay_Req is an event, Follow_Up and Announce are not.
    assert!(deliver(&mut b, message(2)).1.is_some());
    let (r, s) = deliver(&mut b, message(8));
    assert_eq!((kind(r), s), (2, None));
    let (r, s) = deliver(&mut b, message(0xb));
    assert_eq!((kind(r), s), (8, None));
    let mut body = [0; 44];
    body[..2].copy_from_slice(&[0, 2]);
    for v6 in [false, true] {
        let (r, s) = deliver(&mut b, udp_message(v6, 319, &body));
        assert_eq!((kind(r), r >> 12 & 3), (1, 2));
        assert!(s.is_some());
        assert_eq!(deliver(&mut b, udp_message(v6, 321, &body)), (0, None));
    }
    // A tagged frame.
    let mut tagged = message(0);
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    assert!(deliver(&mut b, tagged).1.is_some());
    // Not asked for: the carrier, the version.
    b.w(MAC_TS_CONTROL, v2 & !TS_IPENA);
    assert_eq!(deliver(&mut b, message(0)), (0, None));
    b.w(MAC_TS_CONTROL, v2 & !TS_VER2ENA);
    assert_eq!(deliver(&mut b, message(0)), (0, None));
    // Version 1: the control field says the type.
    body[..2].copy_from_slice(&[0, 1]);
    body[32] = 1;
    let (r, s) = deliver(&mut b, udp_message(false, 319, &body));
    assert_eq!((kind(r), r >> 12 & 3), (3, 0));
    assert!(s.is_some());
    // Addresses.
    b.w(MAC_TS_CONTROL, v2 | TS_ENMACADDR);
    assert!(deliver(&mut b, message(0)).1.is_some());
    let mut other = message(0);
    other[..6].copy_from_slice(&PEER);
    assert_eq!(deliver(&mut b, other.clone()), (0, None));
    other[..6].copy_from_slice(&US);
    assert!(deliver(&mut b, other).1.is_some());
    // The unit is off.
    b.w(MAC_TS_CONTROL, v2 & !TS_ENA);
    assert_eq!(deliver(&mut b, message(0)), (0, None));
}

#[test]
fn ptp_over_ethernet_has_a_queue() {
    let mut b = Bench::new(|c| c.rx_queues = 4);
    b.start(8);
    b.w(MAC_PACKET_FILTER, FILTER_PR);
    b.w(MAC_RXQ_CTRL0, 0xaa);
    for q in 0..4 {
        b.w(mtl(q, MTL_RXQ_MODE), RXQ_RSF | 31 << 20);
    }
    b.w(MAC_RXQ_CTRL1, 2 << 4 | 1 << 12);
    b.arrive(Frame::good(message(0)));
    b.arrive(Frame::good(frame(US, 60)));
    let packets = |b: &Bench, q: usize| b.mac.rings()["rx_queues"][q]["packets"].clone();
    assert_eq!(packets(&b, 2), 1);
    // Unicast: queue 1.
    assert_eq!(packets(&b, 1), 1);
}

#[test]
fn time_stamps_can_be_lost_and_late() {
    let mut b = bench(3);
    b.start(8);
    b.w(MAC_TS_CONTROL, COARSE | TS_ENALL);
    for n in 0..8 {
        b.rx_desc(n, n != 2);
    }
    b.rx_tail(8);
    b.mac.fault("stamp-lost").unwrap();
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.get(RX_RING)[1] & (RX_TSA | RX_TD), RX_TD);
    b.ack();
    b.mac.fault("stamp-late us=50").unwrap();
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.get(RX_RING + 16)[1] & (RX_TSA | RX_TD), RX_TSA);
    assert_eq!(b.ack() & ST_RI, ST_RI);
    assert_eq!(b.get(RX_RING + 32)[3] & OWN, OWN);
    let at = b.clock.now() + Duration::from_micros(50);
    assert_eq!(b.mac.deadline(), Some(at));
    b.clock.advance(Duration::from_micros(50));
    b.run();
    assert_eq!(b.get(RX_RING + 32), [0, 3, 0, CTXT]);
    assert_eq!(b.ack() & ST_RI, 0);
    assert_eq!(b.mac.deadline(), None);
    b.mac.fault("stamp-lost promised").unwrap();
    b.arrive(Frame::good(frame(US, 60)));
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.get(RX_RING + 48)[1] & (RX_TSA | RX_TD), RX_TSA);
    assert_eq!(b.get(RX_RING + 64)[3] & (CTXT | LD), LD);
    assert_eq!(b.get(RX_RING + 80)[3] & CTXT, CTXT);
    let buf = b.fill(0, &frame(PEER, 100));
    b.put(TX_RING, [buf, 0, 1 << 30 | 100, OWN | FD | LD | 100]);
    b.mac.fault("stamp-lost tx").unwrap();
    b.tx_tail(1);
    b.run();
    assert_eq!(b.get(TX_RING)[3], FD | LD);
}
