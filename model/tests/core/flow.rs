// SPDX-License-Identifier: GPL-2.0

//! Pause in both directions, and which control packets software gets to see.

use dwmac_model::wire::PhyState;

use super::*;

const PAUSE_DA: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 1];
const OTHER_GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 2];
const STRANGER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];

const FCB: u32 = 1;
const TFE: u32 = 1 << 1;
const DZPQ: u32 = 1 << 7;
const RFE: u32 = 1;
const UP: u32 = 1 << 1;

fn plt(code: u32) -> u32 {
    code << 4
}

/// Time of so many quanta at 1 Gbit/s.
fn quanta(n: u32) -> Duration {
    Duration::from_nanos(512) * n
}

fn control(to: [u8; 6], opcode: u16, time: u16) -> Vec<u8> {
    let mut f = frame(to, 60);
    f[12..14].copy_from_slice(&[0x88, 0x08]);
    f[14..16].copy_from_slice(&opcode.to_be_bytes());
    f[16..18].copy_from_slice(&time.to_be_bytes());
    f
}

/// The pause times that have been sent.
fn pauses(b: &mut Bench) -> Vec<u16> {
    let time = |f: Frame| {
        assert_eq!(f.data[..6], PAUSE_DA);
        assert_eq!(f.data[6..12], US);
        assert_eq!((f.data.len(), &f.data[12..16]), (60, &[0x88, 8, 0, 1][..]));
        u16::from_be_bytes([f.data[16], f.data[17]])
    };
    b.sent().into_iter().map(time).collect()
}

/// A core whose FIFO of 8 KiB asks for a pause 2 KiB before it is full, and takes it back at half.
fn bench(flow: u32) -> Bench {
    let mut b = Bench::new(|c| c.rx_fifo = 8192);
    b.start(16);
    let mode = b.r(mtl(0, MTL_RXQ_MODE));
    b.w(mtl(0, MTL_RXQ_MODE), mode | RXQ_EHFC | 2 << 8 | 6 << 14);
    b.w(MAC_TX_FLOW, flow);
    b
}

/// Lets the FIFO fill.
fn congest(b: &mut Bench) {
    for _ in 0..7 {
        b.arrive(Frame::good(frame(US, 1000)));
    }
}

/// Gives descriptors, which empty it.
fn relieve(b: &mut Bench) {
    for n in 0..8 {
        b.rx_desc(n, false);
    }
    b.rx_tail(8);
    b.run();
}

fn wait(b: &mut Bench, time: Duration) {
    b.clock.advance(time);
    b.run();
}

#[test]
fn a_pause_is_repeated_before_it_ends_while_the_queue_is_full() {
    for (code, threshold) in [(0, 4), (1, 28), (2, 36), (3, 144), (4, 256), (5, 512)] {
        let mut b = bench(0x0300 << 16 | plt(code) | TFE);
        congest(&mut b);
        assert_eq!(pauses(&mut b), [0x0300]);
        let interval = quanta(0x0300 - threshold);
        for _ in 0..3 {
            assert_eq!(b.mac.deadline(), Some(b.mac.now() + interval), "{code}");
            wait(&mut b, interval - Duration::from_nanos(1));
            assert!(pauses(&mut b).is_empty(), "{code}");
            wait(&mut b, Duration::from_nanos(1));
            assert_eq!(pauses(&mut b), [0x0300], "{code}");
        }
        assert_eq!(b.r(MMC_TX + 4 * 23), 4);
        relieve(&mut b);
        assert_eq!(pauses(&mut b), [0]);
        assert_eq!(b.mac.deadline(), None);
        wait(&mut b, interval * 3);
        assert!(pauses(&mut b).is_empty(), "{code}");
    }
}

#[test]
fn quanta_are_longer_at_lower_speed() {
    let mut b = bench(0x0100 << 16 | plt(1) | TFE);
    let slow = PhyState {
        adv_1000: 0,
        ..PhyState::CAPABLE
    };
    b.far.set_phy(Some(slow), true);
    b.clock.advance(AN_TIME);
    let config = b.r(MAC_CONFIG);
    b.w(MAC_CONFIG, config | CONFIG_PS | CONFIG_FES);
    congest(&mut b);
    assert_eq!(pauses(&mut b), [0x0100]);
    wait(&mut b, quanta(228) * 10 - Duration::from_nanos(1));
    assert!(pauses(&mut b).is_empty());
    wait(&mut b, Duration::from_nanos(1));
    assert_eq!(pauses(&mut b), [0x0100]);
}

#[test]
fn a_pause_need_not_be_taken_back() {
    let mut b = bench(0x0100 << 16 | DZPQ | TFE);
    congest(&mut b);
    assert_eq!(pauses(&mut b), [0x0100]);
    relieve(&mut b);
    assert!(pauses(&mut b).is_empty());
    assert_eq!(b.mac.stats.rx_delivered, 7);
    // Nor is it repeated.
    wait(&mut b, quanta(0x0100));
    assert!(pauses(&mut b).is_empty());
}

#[test]
fn no_pause_is_sent_without_leave() {
    // TFE and EHFC off; then a queue of less than 4 KiB.
    let mut b = bench(0x0100 << 16);
    congest(&mut b);
    relieve(&mut b);
    assert!(pauses(&mut b).is_empty());
    let mut b = bench(0x0100 << 16 | TFE);
    let mode = b.r(mtl(0, MTL_RXQ_MODE));
    b.w(mtl(0, MTL_RXQ_MODE), mode & !RXQ_EHFC);
    congest(&mut b);
    relieve(&mut b);
    assert!(pauses(&mut b).is_empty());
    let mut b = Bench::new(|c| c.rx_fifo = 2048);
    b.start(8);
    let mode = b.r(mtl(0, MTL_RXQ_MODE));
    b.w(mtl(0, MTL_RXQ_MODE), mode | RXQ_EHFC);
    b.w(MAC_TX_FLOW, 0x0100 << 16 | TFE);
    congest(&mut b);
    assert!(pauses(&mut b).is_empty());
}

#[test]
fn a_queue_that_is_still_full_pauses_anew_once_it_may() {
    let mut b = bench(0x0100 << 16 | TFE);
    congest(&mut b);
    assert_eq!(pauses(&mut b), [0x0100]);
    b.w(MAC_TX_FLOW, 0x0100 << 16);
    wait(&mut b, quanta(0x0100));
    assert!(pauses(&mut b).is_empty());
    b.w(MAC_TX_FLOW, 0x0200 << 16 | TFE);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(pauses(&mut b), [0x0200]);
}

#[test]
fn any_of_several_queues_asks_for_a_pause_and_all_take_it_back() {
    let mut b = Bench::new(|c| (c.rx_queues, c.rx_fifo) = (2, 16384));
    b.start(16);
    b.w(MAC_RXQ_CTRL0, 0xa);
    b.w(MAC_RXQ_CTRL1, 1 << 16 | 1 << 20);
    for q in 0..2 {
        let mode = RXQ_RSF | 31 << 20 | RXQ_EHFC | 2 << 8 | 6 << 14;
        b.w(mtl(q, MTL_RXQ_MODE), mode);
    }
    // Both by channel 0, which has nothing yet.
    b.w(MTL_RXQ_DMA_MAP, 0);
    b.w(MAC_TX_FLOW, 0x0100 << 16 | TFE);
    for _ in 0..7 {
        b.arrive(Frame::good(frame([0xff; 6], 1000)));
    }
    assert_eq!(pauses(&mut b), [0x0100]);
    // Queue 0 likewise, and four frames that wait on the wire for the end of the pause.
    for _ in 0..11 {
        b.arrive(Frame::good(frame(US, 1000)));
    }
    assert_eq!(b.r(mtl(0, MTL_RXQ_DEBUG)) >> 16, 7);
    // One is enough.
    assert!(pauses(&mut b).is_empty());
    // All of queue 1, one of queue 0.
    relieve(&mut b);
    assert_eq!(b.r(mtl(1, MTL_RXQ_DEBUG)) >> 16, 0);
    assert_eq!(b.r(mtl(0, MTL_RXQ_DEBUG)) >> 16, 6);
    assert!(pauses(&mut b).is_empty());
    for n in 8..16 {
        b.rx_desc(n, false);
    }
    b.rx_tail(0);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 16);
    assert_eq!(pauses(&mut b), [0]);
}

#[test]
fn software_sends_a_pause() {
    let mut b = bench(0);
    b.w(MAC_TX_FLOW, 0x1234 << 16 | TFE | FCB);
    // Done at once: FCB reads as zero.
    assert_eq!(b.r(MAC_TX_FLOW), 0x1234 << 16 | TFE);
    b.run();
    assert_eq!(pauses(&mut b), [0x1234]);
    assert_eq!(b.r(MMC_TX + 4 * 23), 1);
    // Once: neither repeated nor taken back, and not by a write of other bits.
    wait(&mut b, quanta(0x1_0000));
    b.w(MAC_TX_FLOW, 0x4321 << 16 | TFE);
    b.run();
    assert!(pauses(&mut b).is_empty());
    // It can take one back itself.
    b.w(MAC_TX_FLOW, TFE | FCB);
    b.run();
    assert_eq!(pauses(&mut b), [0]);
    b.w(MAC_TX_FLOW, 0x1234 << 16 | FCB);
    b.run();
    assert!(pauses(&mut b).is_empty());
    // The transmitter is off.
    let config = b.r(MAC_CONFIG);
    b.w(MAC_CONFIG, config & !CONFIG_TE);
    b.w(MAC_TX_FLOW, 0x1234 << 16 | TFE | FCB);
    b.run();
    assert!(pauses(&mut b).is_empty());
    assert_eq!(b.r(MMC_TX + 4 * 23), 2);
}

/// A packet that waits to be sent, and whether it is held.
fn posted(b: &mut Bench) {
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(1);
    b.run();
}

#[test]
fn only_a_pause_for_us_holds_the_transmitter() {
    let group = || Frame::good(control(PAUSE_DA, 1, 100));
    let own = || Frame::good(control(US, 1, 100));
    let mut damaged = group();
    damaged.fcs = Some(0);
    for (flow, pause, holds) in [
        (RFE, group(), true),
        (0, group(), false),
        (UP, group(), false),
        (RFE, own(), false),
        (RFE | UP, own(), true),
        (RFE | UP, group(), true),
        (UP, own(), false),
        (RFE | UP, Frame::good(control(STRANGER, 1, 100)), false),
        (RFE | UP, Frame::good(control(OTHER_GROUP, 1, 100)), false),
        // Priority flow control, which this core does not have.
        (RFE, Frame::good(control(PAUSE_DA, 0x0101, 100)), false),
        (RFE, damaged, false),
        (RFE, Frame::good(control(PAUSE_DA, 1, 0)), false),
    ] {
        let mut b = Bench::new(|_| {});
        b.start(4);
        // What the filter says of the address has no say.
        b.w(MAC_PACKET_FILTER, FILTER_PM | FILTER_PR);
        b.w(MAC_RX_FLOW, flow);
        let what = format!("{flow} {:02x?}", &pause.data[..18]);
        let counts = pause.data[16..18] == [0, 0];
        b.arrive(pause);
        posted(&mut b);
        assert_eq!(b.sent().is_empty(), holds, "{what}");
        let honoured = u64::from(holds || counts);
        assert_eq!(b.mac.stats.pause_rx, honoured, "{what}");
        assert_eq!(u64::from(b.r(MMC_RX + 4 * 20)), honoured, "{what}");
        // "In a pause" is what transmitter and queue say of themselves.
        assert_eq!(b.r(MAC_DEBUG) >> 17 & 3, u32::from(holds), "{what}");
        let state = if holds { 1 | TXQ_ONE_WAITS } else { 0 };
        assert_eq!(b.r(mtl(0, MTL_TXQ_DEBUG)), state, "{what}");
    }
}

#[test]
fn a_pause_replaces_the_one_before() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.w(MAC_RX_FLOW, RFE);
    b.arrive(Frame::good(control(PAUSE_DA, 1, 100)));
    posted(&mut b);
    wait(&mut b, quanta(60));
    // Longer, then shorter.
    b.arrive(Frame::good(control(PAUSE_DA, 1, 100)));
    wait(&mut b, quanta(60));
    assert!(b.sent().is_empty());
    b.arrive(Frame::good(control(PAUSE_DA, 1, 10)));
    wait(&mut b, quanta(9));
    assert!(b.sent().is_empty());
    wait(&mut b, quanta(1));
    assert_eq!(b.sent().len(), 1);
    // Zero ends it at once.
    b.arrive(Frame::good(control(PAUSE_DA, 1, 0xffff)));
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING + 16, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(2);
    b.run();
    assert!(b.sent().is_empty());
    b.arrive(Frame::good(control(PAUSE_DA, 1, 0)));
    assert_eq!(b.sent().len(), 1);
}

#[test]
fn a_held_transmitter_sends_pauses() {
    let mut b = bench(0);
    b.w(MAC_RX_FLOW, RFE);
    b.arrive(Frame::good(control(PAUSE_DA, 1, 100)));
    posted(&mut b);
    b.w(MAC_TX_FLOW, 0x0100 << 16 | TFE | FCB);
    b.run();
    assert_eq!(pauses(&mut b), [0x0100]);
}

#[test]
fn software_sees_the_control_packets_that_pcf_passes() {
    let pause = || control(PAUSE_DA, 1, 0);
    let other = || control(PAUSE_DA, 0x0101, 0);
    let strange = || control(STRANGER, 7, 0);
    // By PCF: 0 none, 1 all but pauses, 2 all, 3 what passes the address filter.
    for (flow, filter, data, want) in [
        (RFE, 0, pause(), [false, false, true, false]),
        (RFE, FILTER_PM, pause(), [false, false, true, true]),
        (RFE, 0, other(), [false, true, true, false]),
        (RFE, FILTER_PM, other(), [false, true, true, true]),
        (RFE, 0, control(US, 7, 0), [false, true, true, true]),
        (RFE, 0, strange(), [false, true, true, false]),
        (RFE, FILTER_PR, strange(), [false, true, true, true]),
        // To the station, a pause is one with UP only.
        (RFE | UP, 0, control(US, 1, 0), [false, false, true, true]),
        (RFE, 0, control(US, 1, 0), [false, true, true, true]),
        // With RFE off there are no pauses, just control packets.
        (0, 0, pause(), [false, true, true, false]),
    ] {
        for (pcf, want) in want.into_iter().enumerate() {
            let mut b = Bench::new(|_| {});
            b.start(4);
            b.rx_desc(0, false);
            b.rx_tail(1);
            b.w(MAC_RX_FLOW, flow);
            b.w(MAC_PACKET_FILTER, filter | (pcf as u32) << 6);
            b.arrive(Frame::good(data.clone()));
            let what = format!("{flow} {filter:#x} {pcf} {:02x?}", &data[..18]);
            let seen = b.mac.stats.rx_delivered == 1;
            assert_eq!(seen, want, "{what}");
            assert_eq!(b.mac.stats.rx_filtered, u64::from(!seen), "{what}");
            if seen {
                let w = b.get(RX_RING);
                assert_eq!(w[3] >> 16 & 7, 6, "{what}");
                // What the address filter said is shown.
                let ours = data[..6] == US || filter != 0;
                assert_eq!(w[2] & 1 << 17 == 0, ours, "{what}");
                assert_eq!(b.rx_data(0, 60), data, "{what}");
            }
        }
    }
}

#[test]
fn a_pause_is_honoured_whether_software_sees_it_or_not() {
    for pcf in 0..4 {
        let mut b = Bench::new(|_| {});
        b.start(4);
        b.rx_desc(0, false);
        b.rx_tail(1);
        b.w(MAC_RX_FLOW, RFE);
        b.w(MAC_PACKET_FILTER, pcf << 6);
        b.arrive(Frame::good(control(PAUSE_DA, 1, 100)));
        posted(&mut b);
        assert!(b.sent().is_empty(), "{pcf}");
        assert_eq!(b.mac.stats.rx_delivered, u64::from(pcf == 2));
        wait(&mut b, quanta(100));
        assert_eq!(b.sent().len(), 1, "{pcf}");
    }
}
