// SPDX-License-Identifier: GPL-2.0

//! Filters for IP, ARP offload, and the safety package as a driver sees them.

use etherparse::PacketBuilder;

use super::*;

const SAM: u32 = 1 << 2;
const DPM: u32 = 1 << 20;
const DPIM: u32 = 1 << 21;

fn tcp(port: u16) -> Frame {
    let mut out = Vec::new();
    PacketBuilder::ethernet2(PEER, US)
        .ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64)
        .tcp(1000, port, 1, 1)
        .write(&mut out, b"hello")
        .unwrap();
    out.resize(out.len().max(60), 0);
    Frame::good(out)
}

fn arp(ip: [u8; 4]) -> Frame {
    let mut f = frame([0xff; 6], 60);
    f[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    f[22..28].copy_from_slice(&PEER);
    f[28..32].copy_from_slice(&[192, 0, 2, 2]);
    f[38..42].copy_from_slice(&ip);
    Frame::good(f)
}

fn receiver(change: impl FnOnce(&mut Config)) -> Bench {
    let mut b = Bench::new(change);
    b.start(8);
    for n in 0..8 {
        b.rx_desc(n, true);
    }
    b.rx_tail(8);
    b
}

#[test]
fn options_leave_them_out() {
    let mut b = Bench::new(|c| {
        c.l3l4 = 0;
        c.arp = false;
        c.asp = 0;
    });
    b.breaks = &["no-register", "reserved-bits"];
    assert_eq!(b.r(MAC_HW_FEATURE0) & 1 << 9, 0);
    assert_eq!(b.r(MAC_HW_FEATURE1) >> 27, 0);
    assert_eq!(b.r(MAC_HW_FEATURE3) >> 28, 0);
    let safety = [
        MTL_ECC_CONTROL,
        MTL_SAFETY_STATUS,
        DMA_SAFETY_STATUS,
        MAC_FSM_CONTROL,
    ];
    for off in [MAC_L3L4, MAC_ARP_ADDR].into_iter().chain(safety) {
        b.w(off, ALL);
        assert_eq!(b.r(off), 0, "{off:#x}");
    }
    b.w(MAC_CONFIG, CONFIG_ARPEN);
    b.w(MAC_PACKET_FILTER, FILTER_IPFE | FILTER_DNTU);
    assert_eq!(
        (b.r(MAC_CONFIG) & CONFIG_ARPEN, b.r(MAC_PACKET_FILTER)),
        (0, 0)
    );
    // ECC alone.
    let mut b = Bench::new(|c| c.asp = 1);
    b.breaks = &["no-register", "reserved-bits"];
    b.w(MAC_FSM_CONTROL, ALL);
    b.w(MTL_ECC_CONTROL, ALL);
    assert_eq!(b.r(MAC_FSM_CONTROL), 0);
    assert_ne!(b.r(MTL_ECC_CONTROL), 0);
}

#[test]
fn a_filter_that_fails_drops_only_with_ipfe() {
    let mut b = receiver(|c| c.l3l4 = 2);
    b.breaks = &["no-register"];
    // Everything but port 80.
    let second = MAC_L3L4 + L3L4_STRIDE;
    b.w(second, DPM | DPIM);
    b.w(second + 4, 80 << 16);
    b.arrive(tcp(80));
    assert_eq!(b.get(RX_RING)[2] >> 27, 0);
    b.arrive(tcp(81));
    // Filter 1, ports.
    assert_eq!(b.get(RX_RING + 16)[2] >> 27, 1 << 2 | 1 << 1);
    b.w(MAC_PACKET_FILTER, FILTER_IPFE);
    b.arrive(tcp(80));
    assert_eq!((b.mac.stats.rx_delivered, b.mac.stats.rx_filtered), (2, 1));
    b.arrive(tcp(81));
    b.arrive(arp([192, 0, 2, 1]));
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!((b.mac.stats.rx_delivered, b.mac.stats.rx_filtered), (5, 1));
    // There is no third one.
    b.w(second + L3L4_STRIDE, SAM);
    assert_eq!(b.r(second + L3L4_STRIDE), 0);
}

#[test]
fn a_filter_can_choose_the_channel() {
    let mut b = Bench::new(|c| c.rx_queues = 4);
    b.start(8);
    b.w(MAC_RXQ_CTRL0, 0xaa);
    b.w(mtl(0, MTL_RXQ_MODE), RXQ_RSF | 31 << 20);
    b.w(MTL_RXQ_DMA_MAP, 1 << 4);
    b.w(MAC_L3L4, DPM | 1 << 28 | 2 << 24);
    b.w(MAC_L3L4 + 4, 80 << 16);
    b.w(ch(2, CH_RX_BASE), RX_RING as u32);
    b.w(ch(2, CH_RX_LEN), 7);
    b.w(ch(2, CH_RX_TAIL), RX_RING as u32);
    b.w(ch(2, CH_RX_CONTROL), RX_ON | 1536 << 1);
    b.rx_desc(0, true);
    b.w(ch(2, CH_RX_TAIL), RX_RING as u32 + 16);
    b.arrive(tcp(80));
    assert_eq!(b.r(ch(2, CH_STATUS)) & ST_RI, ST_RI);
}

#[test]
fn arp_requests_are_answered_and_passed_on() {
    let mut b = receiver(|_| {});
    b.w(MAC_ARP_ADDR, 0xc000_0201);
    b.arrive(arp([192, 0, 2, 1]));
    assert_eq!(b.sent(), vec![]);
    // Without the engine it is a packet like others.
    assert_eq!(b.get(RX_RING)[3] >> 16 & 7, 1);
    let config = b.r(MAC_CONFIG);
    b.w(MAC_CONFIG, config | CONFIG_ARPEN);
    b.arrive(arp([192, 0, 2, 1]));
    let sent = b.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].data[..6], PEER);
    assert_eq!(sent[0].data[6..12], US);
    assert_eq!(sent[0].data[20..22], [0, 2]);
    assert_eq!(b.get(RX_RING + 16)[3] >> 16 & 7, 3);
    b.arrive(arp([192, 0, 2, 3]));
    b.arrive(Frame {
        fcs: Some(1),
        ..arp([192, 0, 2, 1])
    });
    assert_eq!(b.sent(), vec![]);
    assert_eq!(b.mac.stats.arp_replies, 1);
}

#[test]
fn safety_errors_need_their_detection() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["reserved-bits"];
    assert_eq!(b.mac.safety_error("RXUES"), Ok(false));
    b.w(MTL_ECC_CONTROL, ECC_MRXEE | ECC_MTXEE);
    assert_eq!(b.mac.safety_error("rxues"), Ok(true));
    assert_eq!(b.r(MTL_ECC_STATUS), 1 << 6);
    assert_eq!(
        (b.r(MTL_SAFETY_STATUS), b.r(DMA_SAFETY_STATUS)),
        (2, 1 << 29)
    );
    assert!(b.mac.lines().safety.uncorrectable && !b.mac.lines().safety.correctable);
    assert!(!b.mac.lines().common);
    b.w(MTL_ECC_STATUS, 1 << 6);
    assert!(!b.mac.lines().safety.uncorrectable);
    // A corrected error is only told if that is wanted.
    assert_eq!(b.mac.safety_error("TXCES"), Ok(true));
    assert_eq!(
        (b.r(MTL_SAFETY_STATUS), b.mac.lines().safety.correctable),
        (0, false)
    );
    b.w(MTL_ECC_INT_EN, 1);
    assert_eq!(
        (b.r(MTL_SAFETY_STATUS), b.r(DMA_SAFETY_STATUS)),
        (1, 1 << 28)
    );
    assert!(b.mac.lines().safety.correctable);
    b.w(MTL_ECC_STATUS, ALL);
    // The data path and state machines.
    b.w(MTL_DPP_CONTROL, DPP_EDPP);
    b.w(MAC_FSM_CONTROL, FSM_TMOUTEN);
    assert_eq!(b.mac.safety_error("MPES"), Ok(true));
    assert_eq!(b.mac.safety_error("TTES"), Ok(true));
    assert_eq!(b.mac.safety_error("FSMPES"), Ok(false));
    assert_eq!(b.r(MAC_DPP_FSM_STATUS), 1 << 8 | 1 << 3);
    assert_eq!(
        (b.r(MTL_SAFETY_STATUS), b.r(DMA_SAFETY_STATUS)),
        (1 << 31, 1 << 31)
    );
    b.w(MAC_DPP_FSM_STATUS, ALL);
    assert_eq!(b.mac.lines(), Default::default());
    assert!(b.mac.safety_error("ATPES").unwrap_err().contains("asp=3"));
    assert!(b
        .mac
        .safety_error("nonsense")
        .unwrap_err()
        .contains("TXCES"));
}

#[test]
fn counters_are_for_what_passes_the_filter() {
    let mut b = receiver(|_| {});
    let packets = |b: &mut Bench| b.r(MMC_RX);
    b.arrive(Frame::good(frame(PEER, 60)));
    assert_eq!(packets(&mut b), 0);
    b.w(MAC_PACKET_FILTER, FILTER_DBF);
    b.arrive(Frame::good(frame([0xff; 6], 60)));
    assert_eq!(packets(&mut b), 0);
    b.w(MMC_CONTROL, 1 << 8);
    b.arrive(Frame::good(frame([0xff; 6], 60)));
    assert_eq!(packets(&mut b), 1);
    b.w(MAC_PACKET_FILTER, FILTER_RA);
    b.arrive(Frame::good(frame(PEER, 60)));
    assert_eq!(packets(&mut b), 2);
    // A pause frame is dropped and counted.
    let mut pause = frame([0x01, 0x80, 0xc2, 0, 0, 1], 60);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 9]);
    b.w(MAC_PACKET_FILTER, 0);
    b.w(MAC_RX_FLOW, 1);
    b.arrive(Frame::good(pause));
    assert_eq!(packets(&mut b), 3);
    // Pause frames, control frames.
    assert_eq!((b.r(MMC_RX + 4 * 20), b.r(MMC_RX + 4 * 25)), (1, 1));
}

#[test]
fn counters_of_octets_are_preset_further_from_the_top() {
    let mut b = Bench::new(|_| {});
    b.w(MMC_CONTROL, 1 << 4);
    assert_eq!((b.r(MMC_RX), b.r(MMC_RX + 4)), (0x7fff_fff0, 0x7fff_f800));
    assert_eq!(
        (b.r(MMC_IPC), b.r(MMC_IPC_OCTETS)),
        (0x7fff_fff0, 0x7fff_f800)
    );
    b.w(MMC_CONTROL, 1 << 4 | 1 << 5);
    assert_eq!((b.r(MMC_TX), b.r(MMC_TX + 4)), (0xffff_f800, 0xffff_fff0));
}
