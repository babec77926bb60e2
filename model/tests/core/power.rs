// SPDX-License-Identifier: GPL-2.0

//! Low power idle and wake-up as a driver sees them.

use dwmac_model::pmt::crc16;
use dwmac_model::wire::PhyState;

use super::*;

const MS: Duration = Duration::from_millis(1);
const US_1: Duration = Duration::from_micros(1);

/// EEE agreed on by both PHYs, the LS timer run out, TW 30 us.
fn bench() -> Bench {
    let mut b = Bench::new(|c| c.csr_hz = 200_000_000);
    mmd(&mut b, 7, 60, Some(6));
    mdio(&mut b, 0, Some(0x1340));
    b.clock.advance(AN_TIME);
    b.start(8);
    b.w(MAC_1US_TIC, 199);
    b.w(MAC_LPI_TIMERS, 100 << 16 | 30);
    b.w(MAC_INT_EN, INT_LPIIS);
    b.w(MAC_LPI_CONTROL, LPI_PLS);
    b.run();
    b.clock.advance(100 * MS);
    b.run();
    b
}

fn mdio(b: &mut Bench, reg: u32, write: Option<u16>) -> u16 {
    let op = if write.is_some() { 1 } else { 3 };
    b.w(MAC_MDIO_DATA, u32::from(write.unwrap_or(0)));
    b.w(MAC_MDIO_ADDR, 1 << 21 | reg << 16 | op << 2 | 1);
    b.clock.advance(MS);
    assert_eq!(b.r(MAC_MDIO_ADDR) & 1, 0);
    b.r(MAC_MDIO_DATA) as u16
}

fn mmd(b: &mut Bench, dev: u16, reg: u16, write: Option<u16>) -> u16 {
    mdio(b, 13, Some(dev));
    mdio(b, 14, Some(reg));
    mdio(b, 13, Some(0x4000 | dev));
    mdio(b, 14, write)
}

fn lpi(b: &mut Bench, bits: u32) {
    b.w(MAC_LPI_CONTROL, LPI_PLS | bits);
    b.run();
}

/// The LPI events, cleared by this look, and states.
fn look(b: &mut Bench) -> u32 {
    b.r(MAC_LPI_CONTROL) & (LPI_EVENTS | LPI_TLPIST | LPI_RLPIST)
}

fn send(b: &mut Bench, n: u64) {
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING + 16 * n, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(n + 1);
    b.run();
}

#[test]
fn claims() {
    let f0 = |change: fn(&mut dwmac_model::config::Config)| Bench::new(change).r(MAC_HW_FEATURE0);
    assert_eq!(f0(|_| {}) & (1 << 13 | 3 << 6), 1 << 13 | 3 << 6);
    assert_eq!(f0(|c| c.eee = false) & (1 << 13 | 3 << 6), 3 << 6);
    assert_eq!(f0(|c| c.pmt = false) & (1 << 13 | 3 << 6), 1 << 13);
    let mut b = Bench::new(|c| {
        c.eee = false;
        c.pmt = false;
    });
    b.breaks = &["no-register"];
    for off in [
        MAC_LPI_CONTROL,
        MAC_LPI_TIMERS,
        MAC_PMT,
        MAC_RWK_FILTER,
        MMC_LPI,
    ] {
        b.w(off, ALL);
        assert_eq!(b.r(off), 0, "{off:#x}");
    }
}

#[test]
fn phys_agree_on_eee() {
    let mut b = bench();
    assert_eq!(mmd(&mut b, 3, 20, None), 6);
    assert_eq!(mmd(&mut b, 7, 61, None), 6);
    assert!(b.mac.link().eee);
    // The partner gives it up.
    b.far.set_phy(
        Some(PhyState {
            eee: 0,
            ..PhyState::CAPABLE
        }),
        true,
    );
    b.clock.advance(AN_TIME);
    assert_eq!(mmd(&mut b, 7, 61, None), 0);
    assert!(b.mac.link().up && !b.mac.link().eee);
}

#[test]
fn forced_entry_waits_for_the_link_timer_and_holds_packets() {
    let mut b = bench();
    b.w(MAC_LPI_TIMERS, 200 << 16 | 30);
    lpi(&mut b, LPI_EN);
    assert_eq!(look(&mut b), 0);
    assert_eq!(b.mac.deadline(), Some(b.clock.now() + 100 * MS));
    b.clock.advance(100 * MS);
    b.run();
    assert!(b.mac.lines().common);
    assert_eq!(b.r(MAC_INT_STATUS), INT_LPIIS);
    assert_eq!(look(&mut b), LPI_TLPIEN | LPI_TLPIST);
    assert!(!b.mac.lines().common);
    assert!(b.far.rx_lpi());
    assert_eq!(mmd(&mut b, 3, 1, None), 0x0a44);
    send(&mut b, 0);
    assert_eq!(b.sent(), vec![]);
    // Only software ends it.
    lpi(&mut b, 0);
    assert!(!b.far.rx_lpi());
    assert_eq!((look(&mut b), b.sent()), (0, vec![]));
    b.clock.advance(30 * US_1);
    b.run();
    assert_eq!(look(&mut b), LPI_TLPIEX);
    assert_eq!(b.sent().len(), 1);
}

#[test]
fn automatic_mode_leaves_for_a_packet_and_disables_itself() {
    let mut b = bench();
    lpi(&mut b, LPI_EN | LPI_TXA);
    assert_eq!(look(&mut b), LPI_TLPIEN | LPI_TLPIST);
    send(&mut b, 0);
    assert_eq!(b.r(MAC_LPI_CONTROL), LPI_PLS | LPI_TXA);
    assert_eq!(b.mac.deadline(), Some(b.clock.now() + 30 * US_1));
    b.clock.advance(30 * US_1);
    b.run();
    assert_eq!(b.sent().len(), 1);
    assert_eq!(look(&mut b), LPI_TLPIEX);
    b.clock.advance(1000 * MS);
    b.run();
    assert_eq!(look(&mut b), 0);
}

#[test]
fn timer_mode_enters_again_after_each_packet() {
    let mut b = bench();
    b.breaks = &["reserved-bits"];
    b.w(MAC_LPI_ENTRY, 407);
    assert_eq!(b.r(MAC_LPI_ENTRY), 400);
    send(&mut b, 0);
    lpi(&mut b, LPI_EN | LPI_TXA | LPI_ATE);
    for n in 1..4 {
        b.clock.advance(399 * US_1);
        b.run();
        assert_eq!(look(&mut b) & LPI_TLPIST, 0);
        b.clock.advance(US_1);
        b.run();
        assert_eq!(
            look(&mut b) & (LPI_TLPIST | LPI_TLPIEN),
            LPI_TLPIST | LPI_TLPIEN
        );
        b.clock.advance(50 * US_1);
        send(&mut b, n);
        b.clock.advance(30 * US_1);
        b.run();
        assert_eq!(look(&mut b), LPI_TLPIEX);
    }
    assert_eq!(b.sent().len(), 4);
    assert_eq!((b.r(MMC_LPI), b.r(MMC_LPI + 4)), (150, 3));
}

#[test]
fn microseconds_are_those_of_the_tick_counter() {
    let mut b = bench();
    b.w(MAC_1US_TIC, 399);
    b.w(MAC_LPI_ENTRY, 400);
    send(&mut b, 0);
    b.clock.advance(100 * MS);
    send(&mut b, 1);
    lpi(&mut b, LPI_EN | LPI_TXA | LPI_ATE);
    b.clock.advance(799 * US_1);
    b.run();
    assert_eq!(look(&mut b), 0);
    b.clock.advance(US_1);
    b.run();
    assert_eq!(look(&mut b), LPI_TLPIEN | LPI_TLPIST);
    b.clock.advance(20 * US_1);
    assert_eq!(b.r(MMC_LPI), 10);
}

#[test]
fn loss_of_the_link_status_ends_lpi() {
    let mut b = bench();
    lpi(&mut b, LPI_EN | LPI_TXA);
    look(&mut b);
    b.w(MAC_LPI_CONTROL, LPI_EN | LPI_TXA);
    b.run();
    assert_eq!(look(&mut b), 0);
    b.clock.advance(30 * US_1);
    b.run();
    assert_eq!(look(&mut b), LPI_TLPIEX);
}

#[test]
fn received_lpi_is_reported_and_counted() {
    let mut b = bench();
    b.far.set_lpi(true);
    b.run();
    assert_eq!(look(&mut b), LPI_RLPIEN | LPI_RLPIST);
    b.clock.advance(70 * US_1);
    assert_eq!((b.r(MMC_LPI + 8), b.r(MMC_LPI + 12)), (70, 1));
    assert_eq!(mmd(&mut b, 3, 1, None), 0x0544);
    b.far.set_lpi(false);
    b.run();
    assert_eq!(look(&mut b), LPI_RLPIEX);
    // Without EEE the PHY has nothing to say.
    b.far.set_phy(
        Some(PhyState {
            eee: 0,
            ..PhyState::CAPABLE
        }),
        true,
    );
    b.clock.advance(AN_TIME);
    b.far.set_lpi(true);
    b.run();
    assert_eq!(look(&mut b), 0);
}

#[test]
fn reset_ends_lpi() {
    let mut b = bench();
    lpi(&mut b, LPI_EN);
    assert!(b.far.rx_lpi());
    b.w(DMA_MODE, MODE_SWR);
    assert!(!b.far.rx_lpi());
    b.clock.advance(RESET_TIME);
    assert_eq!(b.r(MAC_LPI_CONTROL), 0);
}

fn magic() -> Vec<u8> {
    let mut f = frame(US, 14);
    f.extend_from_slice(&[0xff; 6]);
    for _ in 0..16 {
        f.extend_from_slice(&US);
    }
    f
}

fn asleep(bits: u32) -> Bench {
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..8 {
        b.rx_desc(n, true);
    }
    b.rx_tail(8);
    b.w(MAC_INT_EN, INT_PMTIS);
    b.w(MAC_PMT, bits);
    b
}

#[test]
fn a_magic_packet_wakes_and_is_dropped() {
    let mut b = asleep(PMT_PWRDWN | PMT_MGKPKTEN);
    b.arrive(Frame::good(frame(US, 60)));
    // For somebody else, and damaged.
    let mut other = magic();
    other[..6].copy_from_slice(&PEER);
    b.arrive(Frame::good(other));
    b.arrive(Frame {
        data: magic(),
        fcs: Some(1),
    });
    assert!(!b.mac.lines().common);
    assert_eq!(b.mac.stats.rx_asleep, 3);
    assert!(!b.mac.take_pme());
    b.arrive(Frame::good(magic()));
    assert!(b.mac.lines().common && b.mac.take_pme());
    assert_eq!(b.mac.stats.wakeups, 1);
    assert_eq!(b.r(MAC_INT_STATUS), INT_PMTIS);
    assert_eq!(b.mac.stats.rx_delivered, 0);
    assert_eq!(b.r(MAC_PMT), PMT_MGKPRCVD | PMT_MGKPKTEN);
    assert_eq!(b.r(MAC_PMT), PMT_MGKPKTEN);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.mac.stats.rx_delivered, 1);
}

#[test]
fn global_unicast_wakes() {
    let mut b = asleep(PMT_PWRDWN | PMT_RWKPKTEN | PMT_GLBLUCAST);
    b.arrive(Frame::good(frame([0xff; 6], 60)));
    b.arrive(Frame::good(frame(PEER, 60)));
    assert_eq!(b.mac.stats.rx_asleep, 2);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.r(MAC_PMT) & (PMT_RWKPRCVD | PMT_PWRDWN), PMT_RWKPRCVD);
}

#[test]
fn software_can_end_power_down() {
    let mut b = asleep(PMT_PWRDWN | PMT_MGKPKTEN);
    b.arrive(Frame::good(frame(US, 60)));
    b.w(MAC_PMT, 0);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!((b.mac.stats.rx_asleep, b.mac.stats.rx_delivered), (1, 1));
}

#[test]
fn filters_are_loaded_word_by_word() {
    let mut b = asleep(PMT_RWKFILTRST);
    let wanted = {
        let mut f = frame(US, 60);
        f[20..24].copy_from_slice(b"wake");
        f
    };
    // Filter 1: four bytes from the 20th, unicast.
    let crc = u32::from(crc16(b"wake".iter().copied()));
    let words = [0, 0xf, 0, 0, 1 << 8, 20 << 8, crc << 16, 0];
    for (i, word) in words.into_iter().enumerate() {
        assert_eq!(b.r(MAC_PMT) >> 24 & 0x1f, i as u32);
        b.w(MAC_RWK_FILTER, word);
    }
    for word in words {
        assert_eq!(b.r(MAC_RWK_FILTER), word);
    }
    b.w(MAC_PMT, PMT_PWRDWN | PMT_RWKPKTEN);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.r(MAC_PMT) & (PMT_RWKPRCVD | PMT_PWRDWN), PMT_PWRDWN);
    b.arrive(Frame::good(wanted.clone()));
    assert_eq!(b.r(MAC_PMT) & (PMT_RWKPRCVD | PMT_PWRDWN), PMT_RWKPRCVD);
    assert_eq!(b.mac.stats.rx_delivered, 0);
    // Forwarding: dropped until the wake-up packet, which passes.
    b.w(MAC_PMT, PMT_RWKPKTEN | PMT_RWKPFE);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.mac.stats.rx_delivered, 0);
    b.arrive(Frame::good(wanted));
    assert_eq!(b.r(MAC_PMT), PMT_RWKPKTEN | PMT_RWKPRCVD);
    assert_eq!(b.mac.stats.rx_delivered, 1);
}

#[test]
fn a_reset_needs_the_clock_of_the_phy() {
    for bmcr in [0x1940, 0x1540] {
        let mut b = Bench::new(|_| {});
        b.start(4);
        b.mdio_write(1, 0, bmcr);
        assert!(!b.mac.link().up);
        b.w(DMA_MODE, MODE_SWR);
        b.clock.advance(Duration::from_secs(1));
        assert_eq!(b.r(DMA_MODE), MODE_SWR, "{bmcr:#x}");
        b.w(MAC_HASH, 1);
        assert_eq!(b.r(MAC_HASH), 0);
        b.mdio_write(1, 0, 0x1140);
        assert_eq!(b.r(DMA_MODE), 0, "{bmcr:#x}");
        b.w(MAC_HASH, 1);
        assert_eq!(b.r(MAC_HASH), 1);
    }
    // The clock comes from elsewhere, with SGMII from the lane.
    let none = Bench::new(|c| c.phy = dwmac_model::config::PhyKind::None);
    let mut sgmii = Bench::new(|c| {
        c.id = (0x8086, 0x4b31);
        c.phy_if = dwmac_model::config::PhyInterface::Sgmii;
    });
    for gcr0 in [0x1031, 0x1035, 0x1005] {
        sgmii.mdio_write(0x15, 0x0b, gcr0);
    }
    sgmii.mdio_write(1, 0, 0x1940);
    for mut b in [none, sgmii] {
        b.w(DMA_MODE, MODE_SWR);
        b.clock.advance(RESET_TIME);
        assert_eq!(b.r(DMA_MODE), 0);
    }
}

#[test]
fn a_loop_in_the_mac_needs_the_clock_of_the_phy() {
    let mut b = Bench::new(|_| {});
    let (buf, _) = b.start_looping();
    for (n, bmcr) in [0x1940, 0x1140].into_iter().enumerate() {
        b.mdio_write(1, 0, bmcr);
        b.put(TX_RING + 16 * n as u64, [buf, 0, 80, OWN | FD | LD | 80]);
        b.tx_tail(n as u64 + 1);
        b.run();
        assert_eq!(b.mac.stats.rx_delivered, n as u64);
    }
}
