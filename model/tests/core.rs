// SPDX-License-Identifier: GPL-2.0

//! The core as a driver sees it: registers, rings in memory, interrupt lines. No QEMU.

use std::sync::Arc;
use std::time::Duration;

use dwmac_model::clock::Clock;
use dwmac_model::config::Config;
use dwmac_model::desc::*;
use dwmac_model::dma::STOP_TIME;
use dwmac_model::gmac::{Ack, Gmac, RESET_TIME};
use dwmac_model::regs::gmac4::*;
use dwmac_model::strict::Mode;
use dwmac_model::wire::{Endpoint, Frame, Ingress, Medium, AN_TIME};
use proptest::prelude::*;

#[path = "core/fault.rs"]
mod fault;
#[path = "core/flow.rs"]
mod flow;
#[path = "core/mmc.rs"]
mod mmc;
#[path = "core/offload.rs"]
mod offload;
#[path = "core/power.rs"]
mod power;
#[path = "core/ptp.rs"]
mod ptp;
#[path = "core/route.rs"]
mod route;
#[path = "core/strict.rs"]
mod strict;
#[path = "core/traffic.rs"]
mod traffic;

const RAM: u64 = 0x10_0000;
const RAM_SIZE: u64 = 0x20_0000;
const TX_RING: u64 = RAM;
const RX_RING: u64 = RAM + 0x8000;
const BUFFERS: u64 = RAM + 0x4_0000;
const ALL: u32 = u32::MAX;

/// A process that runs, with a burst length.
const TX_ON: u32 = TX_ST | 8 << 16;
const RX_ON: u32 = RX_SR | 8 << 16;

const US: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// A core, and the far end of its cable.
struct Bench {
    mac: Gmac,
    far: Endpoint,
    clock: Clock,
    stride: u64,
    /// Kinds of rules that the test breaks on purpose.
    breaks: &'static [&'static str],
}

impl Bench {
    /// A core and its far end, and strict mode to judge the test itself.
    fn new(change: impl FnOnce(&mut Config)) -> Bench {
        let (mac, far, clock) = Bench::core(change);
        Bench {
            mac,
            far,
            clock,
            stride: 16,
            breaks: &[],
        }
    }

    fn core(change: impl FnOnce(&mut Config)) -> (Gmac, Endpoint, Clock) {
        let mut cfg = Config {
            name: "dut".into(),
            mac: Some(US),
            tx_queues: 1,
            rx_queues: 1,
            strict: Some(Mode::On),
            ..Config::default()
        };
        change(&mut cfg);
        let clock = Clock::manual();
        let near = Ingress::new(Arc::default());
        let far = Ingress::new(Arc::default());
        let cable = Medium::cable(&near, &far, "test");
        let far = Endpoint::new(cable.clone(), 1, far, clock.clone());
        far.set_phy(Some(dwmac_model::wire::PhyState::CAPABLE), false);
        let near = Arc::new(Endpoint::new(cable, 0, near, clock.clone()));
        let mut mac = Gmac::new(cfg, clock.clone(), near);
        mac.mem.map_anonymous(RAM, RAM_SIZE);
        mac.bus_master = true;
        clock.advance(AN_TIME);
        (mac, far, clock)
    }

    /// The rules broken so far, as `kind subject`; forgotten by this.
    fn broken(&mut self) -> Vec<String> {
        let word = |v: &serde_json::Value, key: &str| v[key].as_str().unwrap().to_string();
        let list = self.mac.strict.list();
        self.mac.strict.clear();
        list.iter()
            .map(|v| format!("{} {}", word(v, "kind"), word(v, "subject")))
            .collect()
    }

    /// One channel with rings of `n` descriptors and all interrupts enabled.
    fn start(&mut self, n: u32) {
        self.w(ch(0, CH_TX_BASE), TX_RING as u32);
        self.w(ch(0, CH_RX_BASE), RX_RING as u32);
        self.w(ch(0, CH_TX_TAIL), TX_RING as u32);
        self.w(ch(0, CH_RX_TAIL), RX_RING as u32);
        self.w(ch(0, CH_TX_LEN), n - 1);
        self.w(ch(0, CH_RX_LEN), n - 1);
        let all = self.mac.regs.def(ch(0, CH_INT_EN)).unwrap().rw;
        self.w(ch(0, CH_INT_EN), all);
        self.w(mtl(0, MTL_TXQ_MODE), TXQ_TSF | 2 << 2);
        self.w(mtl(0, MTL_RXQ_MODE), RXQ_RSF | RXQ_DIS_TCP_EF);
        self.w(ch(0, CH_TX_CONTROL), TX_ON);
        self.w(ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1);
        self.w(
            MAC_CONFIG,
            CONFIG_RE | CONFIG_TE | CONFIG_IPC | CONFIG_CST | CONFIG_ACS,
        );
        // The transmitter finds nothing and says so.
        self.run();
        self.ack();
    }

    fn w(&mut self, off: u32, value: u32) {
        self.mac.write(off, value, ALL);
    }

    fn r(&mut self, off: u32) -> u32 {
        self.mac.read(off)
    }

    fn run(&mut self) {
        while self.mac.service(16) {}
    }

    fn put(&mut self, addr: u64, w: [u32; 4]) {
        Desc { w }.store(&self.mac.mem, addr).unwrap();
    }

    fn get(&self, addr: u64) -> [u32; 4] {
        std::array::from_fn(|i| self.mac.mem.load(addr + 4 * i as u64).unwrap())
    }

    /// A write to a PHY.
    fn mdio_write(&mut self, addr: u32, reg: u32, value: u16) {
        self.w(MAC_MDIO_DATA, value.into());
        self.w(MAC_MDIO_ADDR, addr << 21 | reg << 16 | 4 << 8 | 1 << 2 | 1);
        self.clock.advance(Duration::from_millis(1));
        assert_eq!(self.r(MAC_MDIO_ADDR) & 1, 0);
    }

    fn tx_tail(&mut self, n: u64) {
        self.w(ch(0, CH_TX_TAIL), (TX_RING + n * self.stride) as u32);
    }

    fn rx_tail(&mut self, n: u64) {
        self.w(ch(0, CH_RX_TAIL), (RX_RING + n * self.stride) as u32);
    }

    /// Puts `data` into buffer `n` and returns its address.
    fn fill(&mut self, n: u64, data: &[u8]) -> u32 {
        let at = BUFFERS + n * 0x4000;
        self.mac.mem.write(at, data).unwrap();
        at as u32
    }

    /// Starts with MAC loopback and a descriptor to receive into; returns a buffer with a frame of
    /// 80 bytes for itself, and the configuration without loopback.
    fn start_looping(&mut self) -> (u32, u32) {
        self.start(4);
        self.rx_desc(0, true);
        self.rx_tail(1);
        let config = self.r(MAC_CONFIG);
        self.w(MAC_CONFIG, config | CONFIG_LM);
        (self.fill(0, &frame(US, 80)), config)
    }

    /// Has `len` bytes of payload segmented for an MSS of 64, and the first 16 segments sent.
    fn start_segmenting(&mut self, len: u32) {
        self.w(ch(0, CH_CONTROL), 64);
        self.start(4);
        self.w(ch(0, CH_TX_CONTROL), TX_ON | TX_TSE);
        let (header, payload) = tcp_packet(len as usize);
        let (h, p) = (self.fill(0, &header), self.fill(1, &payload));
        self.put(TX_RING, [h, p, len << 16 | 54, TX_TSE_DESC | LD | len]);
        self.tx_tail(1);
        assert!(self.mac.service(16));
    }

    fn rx_desc(&mut self, n: u64, ioc: bool) {
        let buf = (BUFFERS + (32 + n) * 0x1000) as u32;
        let flags = OWN | RX_BUF1V | if ioc { RX_IOC } else { 0 };
        self.put(RX_RING + n * self.stride, [buf, 0, 0, flags]);
    }

    fn rx_data(&self, n: u64, len: usize) -> Vec<u8> {
        let mut v = vec![0; len];
        self.mac
            .mem
            .read(BUFFERS + (32 + n) * 0x1000, &mut v)
            .unwrap();
        v
    }

    /// A frame from the far end.
    fn arrive(&mut self, frame: Frame) {
        self.far.send(frame);
        self.run();
    }

    fn sent(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.far.ingress().take()).collect()
    }

    fn status(&mut self) -> u32 {
        self.r(ch(0, CH_STATUS))
    }

    /// TPS and RPS of channel 0.
    fn processes(&mut self) -> (u32, u32) {
        let v = self.r(DMA_DEBUG0);
        (v >> 12 & 0xf, v >> 8 & 0xf)
    }

    /// Receive buffers of another size.
    fn set_rbsz(&mut self, size: u32) {
        self.stop(CH_RX_CONTROL, RX_SR);
        self.w(ch(0, CH_RX_CONTROL), RX_ON | size << 1);
    }

    /// Clears ST or SR of channel 0.
    fn stop(&mut self, control: u32, bit: u32) {
        let v = self.r(ch(0, control));
        self.w(ch(0, control), v & !bit);
    }

    /// Reads the status and clears what it says.
    fn ack(&mut self) -> u32 {
        let s = self.status();
        self.w(ch(0, CH_STATUS), s);
        s
    }
}

impl Drop for Bench {
    /// A test has failed if it broke a rule and did not mean to, or meant to and did not.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let list = self.mac.strict.list();
        let kind = |v: &serde_json::Value| v["kind"].as_str().unwrap().to_string();
        let stray: Vec<_> = list
            .iter()
            .filter(|v| !self.breaks.contains(&kind(v).as_str()))
            .map(|v| v["line"].to_string())
            .collect();
        assert!(stray.is_empty(), "strict mode:\n{}", stray.join("\n"));
        for meant in self.breaks {
            assert!(list.iter().any(|v| kind(v) == *meant), "no {meant}");
        }
    }
}

fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut f = vec![0x5a; len];
    f[..6].copy_from_slice(&to);
    f[6..12].copy_from_slice(&PEER);
    f[12..14].copy_from_slice(&[0x88, 0xb5]);
    f
}

#[test]
fn capabilities_follow_the_configuration() {
    let mut b = Bench::new(|c| {
        c.tx_queues = 4;
        c.rx_queues = 2;
        c.tx_fifo = 16384;
        c.hash_bits = 128;
        c.mac_addrs = 63;
        c.version = 0x51;
    });
    assert_eq!(b.r(MAC_VERSION) & 0xff, 0x51);
    let f0 = b.r(MAC_HW_FEATURE0);
    assert_eq!(f0 >> 18 & 0x1f, 31);
    assert_eq!(f0 >> 23 & 3, 1);
    // PCS, half duplex: not there.
    assert_eq!(f0 & (1 << 27 | 1 << 4), 1 << 27 | 1 << 4);
    assert_eq!(f0 & (1 << 3 | 1 << 2), 0);
    let f1 = b.r(MAC_HW_FEATURE1);
    assert_eq!(f1 & 0x1f, 9);
    assert_eq!(f1 >> 6 & 0x1f, 7);
    assert_eq!(f1 >> 14 & 3, 1);
    assert_eq!(f1 >> 24 & 3, 2);
    assert_eq!(f1 & (1 << 18 | 1 << 17), 1 << 18 | 1 << 17);
    let mut less = Bench::new(|c| (c.tso, c.sph) = (false, false));
    less.breaks = &["reserved-bits"];
    assert_eq!(less.r(MAC_HW_FEATURE1) & (1 << 18 | 1 << 17), 0);
    less.w(ch(0, CH_CONTROL), ALL);
    assert_eq!(less.r(ch(0, CH_CONTROL)) & (CH_SPH | 0x3fff), 0);
    assert_eq!(f1 >> 27, 8);
    assert_eq!(b.r(MAC_HW_FEATURE2), 1 | 3 << 6 | 1 << 12 | 3 << 18);
    // The safety package, but no ports for parity.
    assert_eq!(b.r(MAC_HW_FEATURE3), 2 << 28 | 1 | 1 << 5);
    let mut less = Bench::new(|c| {
        c.sa_vlan_ins = false;
        c.vlan_hash = false;
        c.vlan_filters = 1;
        c.dvlan = false;
        c.asp = 0;
    });
    assert_eq!(less.r(MAC_HW_FEATURE0) & (1 << 27 | 1 << 4), 0);
    assert_eq!(less.r(MAC_HW_FEATURE3), 0);
    less.breaks = &["no-register"];
    less.w(MAC_VLAN_INCL, ALL);
    less.w(MAC_VLAN_HASH, ALL);
    less.w(MAC_VLAN_TAG_DATA, ALL);
    for off in [MAC_VLAN_INCL, MAC_VLAN_HASH, MAC_VLAN_TAG_DATA] {
        assert_eq!(less.r(off), 0);
    }
    b.breaks = &["read-only"];
    b.w(MAC_HW_FEATURE0, 0);
    assert_eq!(b.r(MAC_HW_FEATURE0), f0);
}

#[test]
fn software_reset_clears_itself_and_the_core() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    b.w(MAC_HASH, 0xffff);
    b.w(DMA_MODE, MODE_SWR);
    assert_eq!(b.r(DMA_MODE), MODE_SWR);
    b.clock.advance(RESET_TIME);
    assert_eq!(b.r(DMA_MODE), 0);
    assert_eq!(b.r(MAC_HASH), 0);
    assert_eq!(b.r(ch(0, CH_TX_CONTROL)), 0);
    assert_eq!(b.r(DMA_DEBUG0), 0);
    assert_eq!(b.r(DMA_SYSBUS), 0x0101_0000);
}

#[test]
fn queues_beyond_the_configuration_do_not_exist() {
    let mut b = Bench::new(|c| {
        c.tx_queues = 2;
        c.rx_queues = 2;
    });
    b.breaks = &["no-register", "reserved-bits", "reserved-value"];
    b.w(ch(2, CH_TX_BASE), ALL);
    assert_eq!(b.r(ch(2, CH_TX_BASE)), 0);
    b.w(ch(1, CH_TX_BASE), ALL);
    // Aligned to the 64-bit bus.
    assert_eq!(b.r(ch(1, CH_TX_BASE)), 0xffff_fff8);
    b.w(ch(1, CH_TX_BASE_HI), ALL);
    assert_eq!(b.r(ch(1, CH_TX_BASE_HI)), 0xff);
    b.w(MAC_RXQ_CTRL0, ALL);
    assert_eq!(b.r(MAC_RXQ_CTRL0), 0xf);
}

#[test]
fn transmit_one() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    let data = frame(PEER, 100);
    let buf = b.fill(0, &data);
    b.put(TX_RING, [buf, 0, 1 << 31 | 100, OWN | FD | LD | 100]);
    b.tx_tail(1);
    b.run();
    assert_eq!(b.sent(), vec![Frame::good(data)]);
    assert_eq!(b.get(TX_RING)[3], FD | LD);
    assert_eq!(b.r(ch(0, CH_CUR_TX)), TX_RING as u32 + 16);
    // Suspended at the tail.
    assert_eq!(b.r(DMA_DEBUG0) >> 12 & 0xf, 6);
    let s = b.ack();
    assert_eq!(s, ST_TI | ST_TBU | 1 << 15);
    assert_eq!(b.status(), 0);
    assert!(!b.mac.lines().common);
}

#[test]
fn transmit_gathers_both_buffers_of_several_descriptors_across_the_end_of_the_ring() {
    let mut b = Bench::new(|_| {});
    b.start(3);
    let data = frame(PEER, 300);
    // Descriptor 2, then 0: move there first.
    let dummy = b.fill(9, &data);
    for n in 0..2 {
        b.put(TX_RING + n * 16, [dummy, 0, 60, OWN | FD | LD | 60]);
    }
    b.tx_tail(2);
    b.run();
    b.sent();
    let parts = [
        b.fill(0, &data[..50]),
        b.fill(1, &data[50..120]),
        b.fill(2, &data[120..300]),
    ];
    b.put(
        TX_RING + 32,
        [parts[0], parts[1], 50 | 70 << 16, OWN | FD | 300],
    );
    b.put(TX_RING, [parts[2], 0, 180, OWN | LD]);
    b.tx_tail(1);
    b.run();
    assert_eq!(b.sent(), vec![Frame::good(data)]);
    assert_eq!(b.get(TX_RING + 32)[3], FD | 300);
    assert_eq!(b.get(TX_RING)[3], LD);
}

#[test]
fn a_packet_waits_for_its_last_descriptor() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    let data = frame(PEER, 200);
    let parts = [b.fill(0, &data[..100]), b.fill(1, &data[100..])];
    b.put(TX_RING, [parts[0], 0, 100, OWN | FD | 200]);
    b.tx_tail(1);
    b.run();
    assert!(b.sent().is_empty());
    b.put(TX_RING + 16, [parts[1], 0, 100, OWN | LD]);
    b.tx_tail(2);
    b.run();
    assert_eq!(b.sent().len(), 1);
}

#[test]
fn the_tail_bounds_what_is_fetched_and_own_suspends() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["doorbell"];
    b.start(8);
    let buf = b.fill(0, &frame(PEER, 60));
    for n in 0..3 {
        b.put(TX_RING + n * 16, [buf, 0, 60, OWN | FD | LD | 60]);
    }
    b.tx_tail(2);
    b.run();
    assert_eq!(b.sent().len(), 2);
    b.tx_tail(5);
    b.run();
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.r(DMA_DEBUG0) >> 12 & 0xf, 6);
    // Giving a descriptor without moving the tail is not noticed.
    b.put(TX_RING + 48, [buf, 0, 60, OWN | FD | LD | 60]);
    b.run();
    assert!(b.sent().is_empty());
    b.tx_tail(4);
    b.run();
    assert_eq!(b.sent().len(), 1);
}

#[test]
fn wide_addresses_take_the_place_of_buffer_2() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["tx-descriptor"];
    b.mac.mem.map_anonymous(0x12_0000_0000, 0x1000);
    b.w(DMA_SYSBUS, SYSBUS_EAME);
    b.start(4);
    let data = frame(PEER, 64);
    b.mac.mem.write(0x12_0000_0000, &data).unwrap();
    b.put(TX_RING, [0, 0x12, 64 | 60 << 16, OWN | FD | LD]);
    b.tx_tail(1);
    b.run();
    assert_eq!(b.sent(), vec![Frame::good(data)]);
    assert_eq!(b.r(ch(0, CH_CUR_TX_BUF_HI)), 0x12);
    b.put(RX_RING, [0x100, 0x12, 0, OWN | RX_BUF1V]);
    b.rx_tail(1);
    b.arrive(Frame::good(frame(US, 80)));
    let mut got = vec![0; 80];
    b.mac.mem.read(0x12_0000_0100, &mut got).unwrap();
    assert_eq!(got, frame(US, 80));
}

#[test]
fn descriptor_skip_length_and_enhanced_descriptors() {
    let mut b = Bench::new(|_| {});
    // Two bus words of eight bytes between descriptors; launch time before each.
    b.w(ch(0, CH_CONTROL), 2 << 18);
    b.start(4);
    b.stop(CH_TX_CONTROL, TX_ST);
    b.w(ch(0, CH_TX_CONTROL), TX_EDSE);
    b.w(ch(0, CH_TX_BASE), TX_RING as u32);
    b.w(ch(0, CH_TX_CONTROL), TX_EDSE | TX_ON);
    let buf = b.fill(0, &frame(PEER, 60));
    for n in 0..3u64 {
        b.put(TX_RING + n * 48 + 16, [buf, 0, 60, OWN | FD | LD | 60]);
    }
    b.stride = 48;
    b.tx_tail(3);
    b.run();
    assert_eq!(b.sent().len(), 3);
    assert_eq!(b.get(TX_RING + 96 + 16)[3], FD | LD);
    // Reception: 32 bytes apart.
    b.stride = 32;
    for n in 0..2 {
        b.rx_desc(n, true);
    }
    b.rx_tail(2);
    b.arrive(Frame::good(frame(US, 60)));
    b.arrive(Frame::good(frame(US, 61)));
    assert_eq!(b.get(RX_RING + 32)[3] & 0x7fff, 61);
}

#[test]
fn context_descriptors_are_closed() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["tx-descriptor"];
    b.start(4);
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING, [0, 0, 1448, OWN | CTXT | 1 << 26]);
    b.put(TX_RING + 16, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(2);
    b.run();
    assert_eq!(b.get(TX_RING)[3] & (OWN | CTXT), CTXT);
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.status() & ST_CDE, 0);
    // The middle of a packet without its start.
    b.put(TX_RING + 32, [buf, 0, 60, OWN | LD]);
    b.tx_tail(3);
    b.run();
    assert_ne!(b.status() & ST_CDE, 0);
    assert!(b.sent().is_empty());
}

/// An IPv4 packet to segment: header and payload.
fn tcp_packet(payload: usize) -> (Vec<u8>, Vec<u8>) {
    let mut header = Vec::new();
    etherparse::PacketBuilder::ethernet2(US, PEER)
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .tcp(1, 2, 1000, 100)
        .psh()
        .write(&mut header, &[])
        .unwrap();
    (header, (0..payload).map(|i| i as u8).collect())
}

const TX_TSE_DESC: u32 = OWN | FD | 1 << 18 | 5 << 19;

#[test]
fn a_tcp_packet_leaves_in_segments_of_the_latest_mss() {
    let mut b = Bench::new(|_| {});
    b.w(ch(0, CH_CONTROL), 500);
    b.start(16);
    b.w(ch(0, CH_TX_CONTROL), TX_ON | TX_TSE);
    let (header, payload) = tcp_packet(1200);
    let bufs = [
        b.fill(0, &header),
        b.fill(1, &payload[..700]),
        b.fill(2, &payload[700..]),
    ];
    let packet = |b: &mut Bench, at: u64| {
        b.put(
            TX_RING + at * 16,
            [bufs[0], bufs[1], 700 << 16 | 54, TX_TSE_DESC | 1200],
        );
        b.put(
            TX_RING + at * 16 + 16,
            [bufs[2], 0, 1 << 31 | 500, OWN | LD],
        );
    };
    packet(&mut b, 0);
    b.tx_tail(2);
    b.run();
    let sent = b.sent();
    let lens = |sent: &[Frame]| sent.iter().map(|f| f.data.len()).collect::<Vec<_>>();
    assert_eq!(lens(&sent), [554, 554, 254]);
    let body: Vec<u8> = sent.iter().flat_map(|f| f.data[54..].to_vec()).collect();
    assert_eq!(body, payload);
    assert!(sent
        .iter()
        .all(|f| dwmac_model::csum::check(&f.data).rdes1() == 2 | 1 << 4));
    assert_eq!(b.get(TX_RING)[3], FD | 1 << 18 | 5 << 19 | 1200);
    assert_eq!(b.get(TX_RING + 16)[3], LD);
    assert_eq!(b.ack() & (ST_TI | ST_CDE), ST_TI);
    // A context descriptor overrides the register, and a write of the register that.
    b.put(TX_RING + 32, [0, 0, 1000, OWN | CTXT | TX_TCMSSV]);
    packet(&mut b, 3);
    b.tx_tail(5);
    b.run();
    assert_eq!(lens(&b.sent()), [1054, 254]);
    b.put(TX_RING + 80, [0, 0, 64, OWN | CTXT | TX_TCMSSV | TX_OSTC]);
    packet(&mut b, 6);
    b.tx_tail(8);
    b.run();
    assert_eq!(lens(&b.sent()), [1054, 254]);
    b.w(ch(0, CH_CONTROL), 1200);
    packet(&mut b, 8);
    b.tx_tail(10);
    b.run();
    assert_eq!(lens(&b.sent()), [1254]);
}

#[test]
fn a_packet_that_cannot_be_segmented_is_an_error() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["tx-descriptor"];
    b.w(ch(0, CH_CONTROL), 500);
    b.start(8);
    b.w(ch(0, CH_TX_CONTROL), TX_ON | TX_TSE);
    let (header, payload) = tcp_packet(1200);
    let (h, p) = (b.fill(0, &header), b.fill(1, &payload));
    // One byte less than the buffers hold, one more, and a header that ends too early.
    for (i, (hl, tpl)) in [(54, 1199), (54, 1201), (53, 1200)].into_iter().enumerate() {
        let i = i as u64;
        b.put(
            TX_RING + i * 16,
            [h, p, 1200 << 16 | hl, TX_TSE_DESC | LD | tpl],
        );
        b.tx_tail(i + 1);
        b.run();
        assert_eq!(b.get(TX_RING + i * 16)[3], FD | LD | TX_DE | TX_ES);
    }
    assert!(b.sent().is_empty());
    assert_eq!(b.mac.stats.tso_errors, 3);
    // A channel without TSE takes the descriptor for an ordinary one.
    b.w(ch(0, CH_TX_CONTROL), TX_ON);
    b.put(
        TX_RING + 48,
        [h, p, 1000 << 16 | 54, TX_TSE_DESC | LD | 1000],
    );
    b.tx_tail(4);
    b.run();
    assert_eq!(b.sent()[0].data.len(), 1054);
}

#[test]
fn segments_wait_for_room_and_end_with_a_flush() {
    let mut b = Bench::new(|_| {});
    b.start_segmenting(0x3f00);
    assert_eq!(b.sent().len(), 16);
    assert_ne!(b.get(TX_RING)[3] & OWN, 0);
    b.w(mtl(0, MTL_TXQ_MODE), TXQ_TSF | TXQ_FTQ);
    b.run();
    assert_eq!(b.get(TX_RING)[3], FD | LD | TX_FF | TX_ES);
    assert!(b.sent().is_empty());
}

#[test]
fn a_context_descriptor_inside_a_packet_is_ignored_and_an_error() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["tx-descriptor"];
    b.start(4);
    let data = frame(PEER, 100);
    let parts = [b.fill(0, &data[..50]), b.fill(1, &data[50..])];
    b.put(TX_RING, [parts[0], 0, 50, OWN | FD | 100]);
    b.put(TX_RING + 16, [0, 0, 64, OWN | CTXT | TX_TCMSSV]);
    b.put(TX_RING + 32, [parts[1], 0, 50, OWN | LD]);
    b.tx_tail(3);
    b.run();
    assert_eq!(b.sent(), vec![Frame::good(data)]);
    assert_eq!(b.get(TX_RING + 16)[3], CTXT | TX_TCMSSV | TX_DE);
    assert_ne!(b.status() & ST_CDE, 0);
}

const TAG: [u8; 4] = [0x81, 0x00, 0x61, 0x23];

fn tagged(to: [u8; 6], tags: &[[u8; 4]], len: usize) -> Vec<u8> {
    let mut f = frame(to, len);
    f.splice(12..12, tags.concat());
    f
}

#[test]
fn tags_are_inserted_as_descriptors_or_registers_say() {
    let mut b = Bench::new(|_| {});
    b.start(16);
    let data = frame(PEER, 80);
    let buf = b.fill(0, &data);
    let plain = |b: &mut Bench, at: u64, w2: u32| {
        b.put(TX_RING + at * 16, [buf, 0, w2 | 80, OWN | FD | LD | 80]);
    };
    b.w(MAC_VLAN_INCL, INCL_VLTI);
    b.put(TX_RING, [0, 0, 0, OWN | CTXT | TX_VLTV | 0x6123]);
    plain(&mut b, 1, 2 << 14);
    // The tag stays for further packets; without a request it is not used.
    plain(&mut b, 2, 2 << 14);
    plain(&mut b, 3, 0);
    // There is nothing to replace.
    plain(&mut b, 4, 3 << 14);
    b.tx_tail(5);
    b.run();
    let with_tag = tagged(PEER, &[TAG], 80);
    let sent: Vec<_> = b.sent().into_iter().map(|f| f.data).collect();
    assert_eq!(sent, [&with_tag, &with_tag, &data, &data].map(Vec::clone));
    // Inner and outer, once.
    b.w(MAC_VLAN_TAG, VLAN_EDVLP);
    b.w(MAC_VLAN_INCL, INCL_VLTI | INCL_CSVL);
    b.w(MAC_INNER_VLAN_INCL, INCL_VLTI);
    let both = CTXT | TX_VLTV | 0x0005 | TX_IVLTV | 2 << 18;
    b.put(TX_RING + 80, [0, 0, 0x6123 << 16, OWN | both]);
    plain(&mut b, 6, 2 << 14);
    plain(&mut b, 7, 0);
    b.tx_tail(8);
    b.run();
    let sent: Vec<_> = b.sent().into_iter().map(|f| f.data).collect();
    let outer = [0x88, 0xa8, 0x00, 0x05];
    assert_eq!(sent, [tagged(PEER, &[outer, TAG], 80), data.clone()]);
    // By register, whatever the descriptor says.
    b.w(MAC_INNER_VLAN_INCL, 0);
    b.w(MAC_VLAN_INCL, INCL_VLP | 2 << 16 | 0x6123);
    plain(&mut b, 8, 1 << 14);
    b.tx_tail(9);
    b.run();
    assert_eq!(b.sent()[0].data, with_tag);
}

#[test]
fn source_addresses_are_inserted_and_replaced() {
    let mut b = Bench::new(|_| {});
    b.start(16);
    let other = [0x02, 0, 0, 0, 0, 0x77];
    b.w(MAC_ADDR_HIGH + 8, 0x7700);
    b.w(MAC_ADDR_HIGH + 12, 0x0000_0002);
    let whole = frame(PEER, 80);
    let mut without = whole.clone();
    without.drain(6..12);
    let bufs = [b.fill(0, &without), b.fill(1, &whole)];
    let want = |sa: [u8; 6]| {
        let mut f = whole.clone();
        f[6..12].copy_from_slice(&sa);
        f
    };
    // Descriptor: insert, replace; then with address 1. Register: the same.
    for (i, (sarc, saic, insert, sa)) in [
        (0, 1, true, US),
        (0, 2, false, US),
        (0, 5, true, other),
        (0, 6, false, other),
        (2, 0, true, US),
        (3, 0, false, US),
        (6, 1, true, other),
        (7, 0, false, other),
    ]
    .into_iter()
    .enumerate()
    {
        let i = i as u64;
        b.w(MAC_CONFIG, CONFIG_TE | sarc << 28);
        let (buf, len) = if insert { (bufs[0], 74) } else { (bufs[1], 80) };
        b.put(
            TX_RING + i * 16,
            [buf, 0, len, OWN | FD | LD | saic << 23 | len],
        );
        b.tx_tail(i + 1);
        b.run();
        assert_eq!(b.sent()[0].data, want(sa), "{sarc} {saic}");
    }
}

#[test]
fn received_tags_are_stripped_and_shown() {
    let mut b = Bench::new(|_| {});
    b.start(16);
    for n in 0..8 {
        b.rx_desc(n, true);
    }
    b.rx_tail(8);
    let arrived = tagged(US, &[TAG], 80);
    b.arrive(Frame::good(arrived.clone()));
    let d = b.get(RX_RING);
    assert_eq!(d[3] & (RX_RS0V | 0x7fff), 84);
    assert_eq!(d[3] >> 16 & 7, 4);
    b.w(MAC_VLAN_TAG, VLAN_EVLRXS | 3 << 21);
    b.arrive(Frame::good(arrived));
    let d = b.get(RX_RING + 16);
    assert_eq!(d[3] & (RX_RS0V | 0x7fff), RX_RS0V | 80);
    assert_eq!(d[0], 0x6123);
    assert_eq!(b.rx_data(1, 80), frame(US, 80));
    // Untagged packets have no valid RDES0.
    b.arrive(Frame::good(frame(US, 80)));
    assert_eq!(b.get(RX_RING + 32)[3] & RX_RS0V, 0);
    // Double.
    b.w(
        MAC_VLAN_TAG,
        VLAN_EDVLP | VLAN_ESVL | VLAN_EVLRXS | VLAN_EIVLRXS | 3 << 28,
    );
    let outer = [0x88, 0xa8, 0x00, 0x05];
    b.arrive(Frame::good(tagged(US, &[outer, TAG], 80)));
    let d = b.get(RX_RING + 48);
    assert_eq!(d[0], 0x6123 << 16 | 5);
    assert_eq!(d[3] >> 16 & 7, 5);
    assert_eq!(b.rx_data(3, 84), tagged(US, &[outer], 80));
}

#[test]
fn headers_are_split_from_payloads() {
    let mut b = Bench::new(|_| {});
    b.start(16);
    // Layer 2 is the reset state's choice of offset, layers 3 and 4 that of the mode.
    assert_eq!(b.r(MAC_EXT_CFG1), 2);
    b.w(MAC_EXT_CONFIG, 2 << 20);
    b.stop(CH_RX_CONTROL, RX_SR);
    b.stop(CH_TX_CONTROL, TX_ST);
    b.w(ch(0, CH_CONTROL), CH_SPH);
    b.set_rbsz(512);
    let buf2 = |n: u64| BUFFERS + (64 + n) * 0x1000;
    for n in 0..8 {
        let buf1 = (BUFFERS + (32 + n) * 0x1000) as u32;
        let flags = OWN | RX_BUF1V | RX_BUF2V;
        b.put(RX_RING + n * 16, [buf1, 0, buf2(n) as u32, flags]);
    }
    b.rx_tail(8);
    let (mut packet, payload) = tcp_packet(1200);
    packet[..6].copy_from_slice(&US);
    packet[16..18].copy_from_slice(&1240u16.to_be_bytes());
    packet.extend_from_slice(&payload);
    dwmac_model::csum::insert(&mut packet, 3);
    b.arrive(Frame::good(packet));
    let words: Vec<_> = (0..3).map(|n| b.get(RX_RING + n * 16)).collect();
    assert_eq!(words[0][2] & 0x3ff, 54);
    assert_eq!(words[0][3], FD | (54 + 512));
    assert_eq!(words[1][2..], [0, 54 + 1024]);
    assert_eq!(words[2][3] & (LD | 0x7fff), LD | 1254);
    let mut got = Vec::new();
    for (n, len) in [(0, 512), (1, 512), (2, 176)] {
        let mut part = vec![0; len];
        b.mac.mem.read(buf2(n), &mut part).unwrap();
        got.extend(part);
    }
    assert_eq!(got, payload);
    // What is not split goes on from buffer 1 into buffer 2.
    b.arrive(Frame::good(frame(US, 600)));
    let w = b.get(RX_RING + 48);
    assert_eq!(w[2] & 0x3ff, 0);
    assert_eq!(w[3] & (FD | LD | 0x7fff), FD | LD | 600);
    let mut part = vec![0; 88];
    b.mac.mem.read(buf2(3), &mut part).unwrap();
    assert_eq!(part, frame(US, 600)[512..]);
}

#[test]
fn a_threshold_lets_long_bad_packets_through() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..4 {
        b.rx_desc(n, true);
    }
    b.rx_tail(4);
    let bad = |len| Frame {
        data: frame(US, len),
        fcs: Some(1),
    };
    b.arrive(bad(200));
    assert_eq!(b.mac.stats.rx_errors, 1);
    b.w(mtl(0, MTL_RXQ_MODE), 3);
    b.arrive(bad(100));
    assert_eq!(b.mac.stats.rx_errors, 2);
    b.arrive(bad(200));
    assert_eq!(b.mac.stats.rx_errors, 2);
    assert_eq!(b.get(RX_RING)[3] & (RX_CE | RX_ES), RX_CE | RX_ES);
}

#[test]
fn queues_share_the_line_by_weight() {
    let mut b = Bench::new(|c| c.tx_queues = 2);
    b.start(64);
    let bufs = [b.fill(0, &frame(PEER, 60)), b.fill(1, &frame(PEER, 61))];
    let ring = |c: u64| TX_RING + c * 0x1000;
    for (c, buf) in bufs.into_iter().enumerate() {
        b.w(mtl(c, MTL_TXQ_MODE), TXQ_TSF | 2 << 2);
        b.w(ch(c, CH_TX_CONTROL), 8 << 16);
        b.w(ch(c, CH_TX_BASE), ring(c as u64) as u32);
        b.w(ch(c, CH_TX_LEN), 63);
        for i in 0..40 {
            let len = 60 + c as u32;
            let at = ring(c as u64) + i * 16;
            b.put(at, [buf, 0, len, OWN | FD | LD | len]);
        }
        b.w(ch(c, CH_TX_TAIL), (ring(c as u64) + 40 * 16) as u32);
    }
    b.w(mtl(0, MTL_TXQ_WEIGHT), 1);
    b.w(mtl(1, MTL_TXQ_WEIGHT), 3);
    for c in 0..2 {
        b.w(ch(c, CH_TX_CONTROL), TX_ON);
    }
    b.mac.service(16);
    let second = |sent: Vec<Frame>| sent.iter().filter(|f| f.data.len() == 61).count();
    assert_eq!(second(b.sent()), 12);
    // Strict priority: the rest of the higher queue first.
    b.w(MTL_OPERATION_MODE, 3 << 5);
    b.mac.service(16);
    assert_eq!(second(b.sent()), 16);
}

#[test]
fn vlan_filters_are_reached_through_their_window_and_drop() {
    let mut b = Bench::new(|c| c.vlan_filters = 8);
    b.start(16);
    for n in 0..8 {
        b.rx_desc(n, true);
    }
    b.rx_tail(8);
    let filter = VLAN_DATA_VEN | VLAN_DATA_ETV | 0x123;
    b.w(MAC_VLAN_TAG_DATA, filter);
    b.w(MAC_VLAN_TAG, 5 << 2 | VLAN_OB);
    assert_eq!(b.r(MAC_VLAN_TAG), 5 << 2);
    b.w(MAC_VLAN_TAG_DATA, 0);
    b.w(MAC_VLAN_TAG, 5 << 2 | VLAN_CT | VLAN_OB);
    assert_eq!(b.r(MAC_VLAN_TAG_DATA), filter);
    b.w(MAC_PACKET_FILTER, FILTER_VTFE);
    let wrong = tagged(US, &[[0x81, 0, 0, 1]], 80);
    b.arrive(Frame::good(wrong.clone()));
    assert_eq!(b.mac.stats.rx_filtered, 1);
    b.arrive(Frame::good(tagged(US, &[TAG], 80)));
    b.arrive(Frame::good(frame(US, 80)));
    assert_eq!(b.mac.stats.rx_delivered, 2);
    assert_eq!(b.get(RX_RING)[2] & 1 << 15, 1 << 15);
    b.w(MAC_PACKET_FILTER, FILTER_VTFE | FILTER_RA);
    b.arrive(Frame::good(wrong));
    assert_eq!(b.mac.stats.rx_delivered, 3);
    b.w(DMA_MODE, MODE_SWR);
    b.clock.advance(RESET_TIME);
    b.w(MAC_VLAN_TAG, 5 << 2 | VLAN_CT | VLAN_OB);
    assert_eq!(b.r(MAC_VLAN_TAG_DATA), 0);
}

#[test]
fn padding_crc_and_replacement() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    let short = b.fill(0, &frame(PEER, 20));
    let mut with_fcs = frame(PEER, 64);
    with_fcs.extend_from_slice(&[1, 2, 3, 4]);
    let brought = b.fill(1, &with_fcs);
    b.put(TX_RING, [short, 0, 20, OWN | FD | LD | 20]);
    b.put(TX_RING + 16, [short, 0, 20, OWN | FD | LD | 1 << 26 | 20]);
    b.put(TX_RING + 32, [brought, 0, 68, OWN | FD | LD | 2 << 26 | 68]);
    b.put(TX_RING + 48, [brought, 0, 68, OWN | FD | LD | 3 << 26 | 68]);
    b.tx_tail(4);
    b.run();
    let sent = b.sent();
    assert_eq!(sent[0].data.len(), 60);
    assert!(sent[0].data[20..].iter().all(|x| *x == 0));
    assert_eq!(sent[1].data.len(), 20);
    assert_eq!(sent[2].fcs, Some(0x0403_0201));
    assert!(!sent[2].intact());
    assert_eq!(sent[3], Frame::good(frame(PEER, 64)));
}

#[test]
fn checksums_need_the_whole_packet_in_the_queue() {
    let mut udp = Vec::new();
    etherparse::PacketBuilder::ethernet2(PEER, US)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut udp, &[7; 1000])
        .unwrap();
    let len = udp.len() as u32;
    let mut bare = udp.clone();
    bare[24..26].fill(0);
    bare[40..42].fill(0);
    for (mode, inserted) in [(TXQ_TSF, true), (0, false)] {
        let mut b = Bench::new(|_| {});
        b.start(4);
        b.w(mtl(0, MTL_TXQ_MODE), mode);
        let buf = b.fill(0, &bare);
        b.put(TX_RING, [buf, 0, len, OWN | FD | LD | 3 << 16 | len]);
        b.tx_tail(1);
        b.run();
        let want = if inserted { &udp } else { &bare };
        assert_eq!(&b.sent()[0].data, want);
        let error = b.get(TX_RING)[3] & (TX_PCE | TX_ES);
        assert_eq!(error, if inserted { 0 } else { TX_PCE | TX_ES });
    }
}

#[test]
fn jabber_and_jumbo() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    let data = frame(PEER, 5000);
    let buf = b.fill(0, &data);
    b.put(TX_RING, [buf, 0, 5000, OWN | FD | LD | 5000]);
    b.tx_tail(1);
    b.run();
    assert_eq!(b.sent()[0].data.len(), 2048);
    assert_ne!(b.get(TX_RING)[3] & TX_JT, 0);
    assert_ne!(b.r(MAC_RX_TX_STATUS) & 1, 0);
    assert_eq!(b.r(MAC_RX_TX_STATUS), 0);
    let config = b.r(MAC_CONFIG);
    b.w(MAC_CONFIG, config | CONFIG_JE);
    b.put(TX_RING + 16, [buf, 0, 5000, OWN | FD | LD | 5000]);
    b.tx_tail(2);
    b.run();
    assert_eq!(b.sent(), vec![Frame::good(data)]);
}

#[test]
fn receive_one_with_interrupt() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.rx_desc(0, true);
    b.rx_tail(1);
    let data = frame(US, 200);
    b.arrive(Frame::good(data.clone()));
    let w = b.get(RX_RING);
    assert_eq!(w[3] & !(7 << 16), FD | LD | RX_RS1V | RX_RS2V | 200);
    assert_eq!(w[3] >> 16 & 7, 1);
    assert_eq!(b.rx_data(0, 200), data);
    assert!(b.mac.lines().common);
    assert_eq!(b.r(DMA_INT_STATUS), 1);
    assert_eq!(b.ack() & ST_RI, ST_RI);
    assert_eq!(b.r(DMA_INT_STATUS), 0);
}

#[test]
fn receive_spreads_over_both_buffers_and_descriptors() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.set_rbsz(64);
    let at = |n: u64| (BUFFERS + n * 0x1000) as u32;
    let both = OWN | RX_BUF1V | RX_BUF2V;
    b.put(RX_RING, [at(0), 0, at(1), both]);
    b.put(RX_RING + 16, [at(2), 0, at(3), both | RX_IOC]);
    b.rx_tail(2);
    let mut data = frame(US, 200);
    for (i, x) in data.iter_mut().enumerate().skip(14) {
        *x = i as u8;
    }
    b.arrive(Frame::good(data.clone()));
    assert_eq!(b.get(RX_RING)[3] & (OWN | FD | LD), FD);
    let w3 = b.get(RX_RING + 16)[3];
    assert_eq!(w3 & (OWN | FD | LD), LD);
    assert_eq!(w3 & 0x7fff, 200);
    let mut got = Vec::new();
    for (n, len) in [(0, 64), (1, 64), (2, 64), (3, 8)] {
        let mut part = vec![0; len];
        b.mac.mem.read(BUFFERS + n * 0x1000, &mut part).unwrap();
        got.extend(part);
    }
    assert_eq!(got, data);
}

#[test]
fn a_packet_waits_for_a_descriptor() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.arrive(Frame::good(frame(US, 100)));
    assert_eq!(b.ack() & (ST_RBU | ST_RI), ST_RBU);
    assert_eq!(b.r(DMA_DEBUG0) >> 8 & 0xf, 4);
    assert_eq!(b.r(mtl(0, MTL_RXQ_DEBUG)) >> 16, 1);
    b.rx_desc(0, true);
    b.rx_tail(1);
    b.run();
    assert_eq!(b.ack() & ST_RI, ST_RI);
    assert_eq!(b.r(mtl(0, MTL_RXQ_DEBUG)), 0);
}

#[test]
fn a_full_ring_whose_tail_is_where_the_dma_is_stays_valid() {
    let mut b = Bench::new(|_| {});
    b.start(2);
    for round in 0..5u64 {
        for n in 0..2 {
            b.rx_desc(n, true);
        }
        b.rx_tail(round % 2);
        b.arrive(Frame::good(frame(US, 60)));
        assert_ne!(b.ack() & ST_RI, 0, "round {round}");
    }
}

#[test]
fn fifo_overflow_drops_counts_and_interrupts() {
    let mut b = Bench::new(|c| c.rx_fifo = 4096);
    b.start(4);
    b.w(mtl(0, MTL_Q_INT), Q_RXOIE);
    for _ in 0..5 {
        b.arrive(Frame::good(frame(US, 1000)));
    }
    assert_eq!(b.mac.stats.rx_overflow, 1);
    assert_eq!(b.r(mtl(0, MTL_RXQ_MISSED)) & 0x7ff, 1);
    assert_eq!(b.r(mtl(0, MTL_RXQ_MISSED)), 0);
    assert_eq!(b.r(MTL_INT_STATUS), 1);
    assert_eq!(b.r(DMA_INT_STATUS) & 1 << 16, 1 << 16);
    assert!(b.mac.lines().common);
    let v = b.r(mtl(0, MTL_Q_INT));
    b.w(mtl(0, MTL_Q_INT), v);
    assert_eq!(b.r(MTL_INT_STATUS), 0);
    assert_eq!(b.r(MMC_RX + 4 * 21), 1);
    // The four that were kept arrive once there are descriptors.
    for n in 0..4 {
        b.rx_desc(n, false);
    }
    b.rx_tail(4);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 4);
}

#[test]
fn flow_control_pauses_and_releases() {
    let mut b = Bench::new(|c| c.rx_fifo = 8192);
    b.start(8);
    // Activate at full minus 2 KiB, release at full minus 4 KiB.
    let mode = b.r(mtl(0, MTL_RXQ_MODE));
    b.w(mtl(0, MTL_RXQ_MODE), mode | RXQ_EHFC | 2 << 8 | 6 << 14);
    b.w(MAC_TX_FLOW, 0x0100 << 16 | 2);
    for _ in 0..7 {
        b.arrive(Frame::good(frame(US, 1000)));
    }
    let pauses = b.sent();
    assert_eq!(pauses.len(), 1);
    assert_eq!(pauses[0].data[..6], [0x01, 0x80, 0xc2, 0, 0, 1]);
    assert_eq!(pauses[0].data[6..12], US);
    assert_eq!(pauses[0].data[12..18], [0x88, 0x08, 0, 1, 0x01, 0x00]);
    for n in 0..7 {
        b.rx_desc(n, false);
    }
    b.rx_tail(7);
    b.run();
    assert_eq!(b.sent()[0].data[16..18], [0, 0]);
}

#[test]
fn a_received_pause_holds_the_transmitter() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.w(MAC_RX_FLOW, 1);
    let mut pause = frame([0x01, 0x80, 0xc2, 0, 0, 1], 60);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 10]);
    b.arrive(Frame::good(pause));
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(1);
    b.run();
    assert!(b.sent().is_empty());
    // Ten times 512 ns.
    b.clock.advance(Duration::from_nanos(5119));
    b.run();
    assert!(b.sent().is_empty());
    b.clock.advance(Duration::from_nanos(1));
    b.run();
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.mac.stats.rx_delivered, 0);
}

#[test]
fn watchdog_interrupts_once_for_several_packets() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..4 {
        b.rx_desc(n, n == 3);
    }
    b.rx_tail(4);
    // 10 * 512 cycles of 5 ns.
    b.w(ch(0, CH_RIWT), 1 << 16 | 10);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.status() & ST_RI, 0);
    let at = b.mac.deadline().unwrap();
    assert_eq!(at - b.mac.now(), Duration::from_nanos(25_600));
    b.clock.advance(Duration::from_nanos(25_000));
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.status() & ST_RI, 0);
    b.clock.advance(Duration::from_nanos(600));
    b.run();
    assert_eq!(b.ack() & ST_RI, ST_RI);
    // A packet with IOC interrupts at once and stops the timer.
    b.arrive(Frame::good(frame(US, 60)));
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.ack() & ST_RI, ST_RI);
    b.clock.advance(Duration::from_millis(1));
    b.run();
    assert_eq!(b.status() & ST_RI, 0);
}

#[test]
fn summary_bits_are_sticky_and_follow_the_enables() {
    for (version, nis, ais) in [(0x40, 1 << 16, 1 << 15), (0x42, 1 << 15, 1 << 14)] {
        let mut b = Bench::new(|c| c.version = version);
        b.start(4);
        b.w(ch(0, CH_INT_EN), nis | ais);
        b.rx_desc(0, true);
        b.rx_tail(1);
        b.arrive(Frame::good(frame(US, 60)));
        assert_eq!(b.status(), ST_RI);
        assert!(!b.mac.lines().common);
        // Enabling shows what is pending.
        assert_eq!(
            b.mac.write(ch(0, CH_INT_EN), nis | ST_RI, ALL),
            Ack::Channel(0)
        );
        assert_eq!(b.status(), ST_RI | nis);
        assert!(b.mac.lines().common);
        // NIS outlives its cause, and comes back while the cause is there.
        b.w(ch(0, CH_STATUS), nis);
        assert_eq!(b.status(), ST_RI | nis);
        b.w(ch(0, CH_STATUS), ST_RI);
        assert_eq!(b.status(), nis);
        b.w(ch(0, CH_STATUS), nis);
        assert_eq!(b.status(), 0);
    }
}

#[test]
fn interrupt_modes() {
    for mode in 0..3 {
        let mut b = Bench::new(|_| {});
        b.start(8);
        b.w(DMA_MODE, mode << 16);
        for n in 0..4 {
            b.rx_desc(n, true);
        }
        b.rx_tail(4);
        b.arrive(Frame::good(frame(US, 60)));
        b.arrive(Frame::good(frame(US, 60)));
        let lines = b.mac.lines();
        let pulses = b.mac.take_pulses();
        assert_eq!(lines.common, mode == 0);
        assert_eq!(lines.rx[0], mode != 0);
        assert_eq!(pulses.rx[0], mode == 0);
        b.ack();
        // Only mode 2 remembers that there were two.
        assert_eq!(b.mac.lines().rx[0], mode == 2);
        b.ack();
        assert!(!b.mac.lines().rx[0]);
        // The rest is always on the common line.
        b.stop(CH_RX_CONTROL, RX_SR);
        assert!(b.mac.lines().common);
        assert_ne!(b.ack() & ST_RPS, 0);
        assert!(!b.mac.lines().common);
    }
}

#[test]
fn bus_errors_halt_the_channel_until_it_is_restarted() {
    let mut b = Bench::new(|_| {});
    b.breaks = &["bus-error"];
    b.start(4);
    b.put(TX_RING, [0x5000_0000, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(1);
    b.run();
    let s = b.ack();
    assert_ne!(s & ST_FBE, 0);
    // Data, read.
    assert_eq!(s >> 16 & 7, 0b101);
    b.put(RX_RING, [0x5000_0000, 0, 0, OWN | RX_BUF1V]);
    b.rx_tail(1);
    b.arrive(Frame::good(frame(US, 60)));
    // Data, write.
    assert_eq!(b.ack() >> 19 & 7, 0b100);
    let buf = b.fill(0, &frame(PEER, 60));
    b.put(TX_RING, [buf, 0, 60, OWN | FD | LD | 60]);
    b.tx_tail(1);
    b.run();
    assert!(b.sent().is_empty());
    b.stop(CH_TX_CONTROL, TX_ST);
    b.w(ch(0, CH_TX_CONTROL), TX_ON);
    b.run();
    assert_eq!(b.sent().len(), 1);
    // A descriptor outside memory.
    b.stop(CH_TX_CONTROL, TX_ST);
    b.w(ch(0, CH_TX_BASE), 0x6000_0000);
    b.w(ch(0, CH_TX_TAIL), 0x6000_0010);
    b.w(ch(0, CH_TX_CONTROL), TX_ON);
    b.run();
    assert_eq!(b.ack() >> 16 & 7, 0b011);
    // Without bus mastering nothing is reachable.
    let mut b = Bench::new(|_| {});
    b.breaks = &["bus-error"];
    b.start(4);
    b.put(TX_RING, [buf, 0, 60, OWN | FD | LD | 60]);
    b.mac.bus_master = false;
    b.tx_tail(1);
    b.run();
    assert_ne!(b.ack() & ST_FBE, 0);
}

#[test]
fn errors_are_dropped_or_forwarded() {
    let bad = || Frame {
        data: frame(US, 100),
        fcs: Some(0),
    };
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..6 {
        b.rx_desc(n, false);
    }
    b.rx_tail(6);
    b.arrive(bad());
    assert_eq!(b.mac.stats.rx_errors, 1);
    assert_eq!(b.r(MMC_RX + 4 * 5), 1);
    // A runt.
    b.arrive(Frame::good(frame(US, 40)));
    assert_eq!(b.mac.stats.rx_errors, 2);
    let mode = b.r(mtl(0, MTL_RXQ_MODE));
    b.w(mtl(0, MTL_RXQ_MODE), mode | RXQ_FEP | RXQ_FUP);
    b.arrive(bad());
    assert_eq!(b.get(RX_RING)[3] & (RX_CE | RX_ES), RX_CE | RX_ES);
    b.arrive(Frame::good(frame(US, 40)));
    assert_eq!(b.get(RX_RING + 16)[3] & 0x7fff, 40);
    // Giant, and cut by the watchdog.
    b.arrive(Frame::good(frame(US, 1600)));
    assert_eq!(
        b.get(RX_RING + 48)[3] & (RX_GP | RX_ES | RX_RWT),
        RX_GP | RX_ES
    );
    b.arrive(Frame::good(frame(US, 3000)));
    assert_ne!(b.r(MAC_RX_TX_STATUS) & RXTX_RWT, 0);
}

#[test]
fn fcs_stripping() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..4 {
        b.rx_desc(n, false);
    }
    b.rx_tail(4);
    b.w(MAC_CONFIG, CONFIG_RE);
    let typed = frame(US, 100);
    b.arrive(Frame::good(typed.clone()));
    assert_eq!(b.get(RX_RING)[3] & 0x7fff, 104);
    let fcs = crc32fast::hash(&typed).to_le_bytes();
    assert_eq!(b.rx_data(0, 104)[100..], fcs);
    b.w(MAC_CONFIG, CONFIG_RE | CONFIG_CST);
    b.arrive(Frame::good(typed));
    assert_eq!(b.get(RX_RING + 16)[3] & 0x7fff, 100);
    // A length packet: CST does not apply, ACS strips padding as well.
    let mut length = frame(US, 100);
    length[12..14].copy_from_slice(&[0, 60]);
    b.arrive(Frame::good(length.clone()));
    assert_eq!(b.get(RX_RING + 32)[3] & 0x7fff, 104);
    b.w(MAC_CONFIG, CONFIG_RE | CONFIG_ACS);
    b.arrive(Frame::good(length));
    assert_eq!(b.get(RX_RING + 48)[3] & 0x7fff, 74);
}

#[test]
fn padding_of_short_length_packets_is_stripped() {
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..4 {
        b.rx_desc(n, false);
    }
    b.rx_tail(4);
    // As a bridge's BPDU: 38 bytes, padded to 46.
    let mut bpdu = frame(US, 60);
    bpdu[12..14].copy_from_slice(&[0, 38]);
    bpdu[52..].fill(0);
    for (n, (bits, length)) in [(CONFIG_ACS, 52), (0, 64), (CONFIG_CST, 64)]
        .into_iter()
        .enumerate()
    {
        b.w(MAC_CONFIG, CONFIG_RE | bits);
        b.arrive(Frame::good(bpdu.clone()));
        assert_eq!(b.get(RX_RING + 16 * n as u64)[3] & 0x7fff, length);
        assert_eq!(b.rx_data(n as u64, 52), bpdu[..52]);
    }
    // The length is that of more bytes than came.
    bpdu[12..14].copy_from_slice(&[0, 47]);
    b.w(MAC_CONFIG, CONFIG_RE | CONFIG_ACS);
    b.arrive(Frame::good(bpdu));
    assert_eq!(b.get(RX_RING + 48)[3] & 0x7fff, 60);
}

#[test]
fn queues_are_chosen_enabled_and_mapped() {
    let mut b = Bench::new(|c| {
        c.tx_queues = 3;
        c.rx_queues = 3;
    });
    b.start(4);
    for q in 0..3 {
        b.w(mtl(q, MTL_RXQ_MODE), RXQ_RSF | 31 << 20);
    }
    // Untagged to 1, multicast to 2, priority 5 to 2; queue 1 to channel 0, 2 to 0 as well.
    b.w(MAC_RXQ_CTRL1, 1 << 12 | 2 << 16 | 1 << 20);
    b.w(MAC_RXQ_CTRL2, 1 << (16 + 5));
    b.w(MTL_RXQ_DMA_MAP, 0);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.mac.stats.rx_queue_disabled, 1);
    b.w(MAC_RXQ_CTRL0, 0x2a);
    b.stop(CH_RX_CONTROL, RX_SR);
    b.arrive(Frame::good(frame(US, 60)));
    b.arrive(Frame::good(frame([0xff; 6], 60)));
    let mut tagged = frame(US, 60);
    tagged.splice(12..12, [0x81, 0, 5 << 5, 1]);
    b.arrive(Frame::good(tagged));
    let waiting = |b: &mut Bench, q| b.r(mtl(q, MTL_RXQ_DEBUG)) >> 16;
    assert_eq!(waiting(&mut b, 0), 0);
    assert_eq!(waiting(&mut b, 1), 1);
    assert_eq!(waiting(&mut b, 2), 2);
    for n in 0..3 {
        b.rx_desc(n, false);
    }
    b.rx_tail(3);
    b.w(ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 3);
}

#[test]
fn a_stopped_channel_can_flush() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    b.stop(CH_RX_CONTROL, RX_SR);
    b.w(ch(0, CH_RX_CONTROL), RX_RPF | 8 << 16 | 1536 << 1);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.r(mtl(0, MTL_RXQ_DEBUG)), 0);
    let missed = ch(0, miss_frame_cnt(0x52));
    assert_eq!(b.r(missed), 1);
    assert_eq!(b.r(missed), 0);
}

#[test]
fn a_stopped_transmitter_finishes_its_packet() {
    let post = || {
        let mut b = Bench::new(|_| {});
        b.start(4);
        let buf = b.fill(0, &frame(PEER, 60));
        for n in 0..2 {
            b.put(TX_RING + n * 16, [buf, 0, 60, OWN | FD | LD | 60]);
        }
        b.tx_tail(2);
        b.stop(CH_TX_CONTROL, TX_ST);
        assert_eq!(b.processes().0, 1);
        assert_eq!(b.status() & ST_TPS, 0);
        b
    };
    let mut b = post();
    assert_eq!(b.mac.deadline(), Some(b.mac.now() + STOP_TIME));
    b.run();
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.processes().0, 0);
    assert_ne!(b.ack() & ST_TPS, 0);
    assert_ne!(b.get(TX_RING + 16)[3] & OWN, 0);
    b.w(ch(0, CH_TX_CONTROL), TX_ON);
    b.run();
    assert_eq!(b.sent().len(), 1);
    // It had begun none in time.
    let mut b = post();
    b.clock.advance(STOP_TIME);
    assert_eq!(b.processes().0, 0);
    b.run();
    assert!(b.sent().is_empty());
    // It was never stopped.
    let mut b = post();
    b.w(ch(0, CH_TX_CONTROL), TX_ON);
    b.run();
    assert_eq!(b.sent().len(), 2);
    assert_eq!(b.processes().0, 6);
    // A suspended one is at nothing.
    b.stop(CH_TX_CONTROL, TX_ST);
    assert_eq!(b.processes().0, 0);
}

#[test]
fn a_stopped_transmitter_sends_all_segments() {
    let mut b = Bench::new(|_| {});
    b.start_segmenting(0x1000);
    b.stop(CH_TX_CONTROL, TX_ST);
    b.clock.advance(STOP_TIME * 10);
    assert_eq!(b.processes().0, 1);
    // There is nothing to be woken up for: it does not end by time.
    assert_eq!(b.mac.deadline(), None);
    b.run();
    assert_eq!(b.sent().len(), 0x1000 / 64);
    assert_eq!((b.processes().0, b.get(TX_RING)[3]), (0, FD | LD));
}

#[test]
fn a_stopped_receiver_finishes_its_packet() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    for n in 0..3 {
        b.rx_desc(n, true);
    }
    b.rx_tail(3);
    for _ in 0..2 {
        b.far.send(Frame::good(frame(US, 60)));
    }
    b.stop(CH_RX_CONTROL, RX_SR);
    assert_eq!(b.processes().1, 3);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 1);
    assert_eq!(b.processes().1, 0);
    assert_ne!(b.ack() & ST_RPS, 0);
    // The other is in the FIFO.
    assert_ne!(b.get(RX_RING + 16)[3] & OWN, 0);
    b.w(ch(0, CH_RX_CONTROL), RX_ON | 1536 << 1);
    b.run();
    assert_eq!(b.mac.stats.rx_delivered, 2);
    // One that waits for a packet is at nothing.
    b.stop(CH_RX_CONTROL, RX_SR);
    assert_eq!(b.processes().1, 0);
}

#[test]
fn loopback_and_speed() {
    let mut b = Bench::new(|_| {});
    let (buf, config) = b.start_looping();
    b.put(TX_RING, [buf, 0, 80, OWN | FD | LD | 80]);
    b.tx_tail(1);
    b.run();
    assert!(b.sent().is_empty());
    assert_eq!(b.rx_data(0, 80), frame(US, 80));
    // At the wrong speed nothing gets across.
    b.w(MAC_CONFIG, config | CONFIG_PS | CONFIG_FES);
    b.put(TX_RING + 16, [buf, 0, 80, OWN | FD | LD | 80]);
    b.tx_tail(2);
    b.run();
    assert!(b.sent().is_empty());
    assert_eq!(b.mac.stats.speed_mismatch, 1);
}

#[test]
fn a_closed_loop_is_deaf_and_mute_to_the_cable() {
    for mac in [true, false] {
        let mut b = Bench::new(|_| {});
        b.start(8);
        for n in 0..4 {
            b.rx_desc(n, true);
        }
        b.rx_tail(4);
        let config = b.r(MAC_CONFIG);
        let close = |b: &mut Bench, closed: bool| match (mac, closed) {
            (true, true) => b.w(MAC_CONFIG, config | CONFIG_LM),
            (true, false) => b.w(MAC_CONFIG, config),
            (false, true) => b.mdio_write(1, 0, 0x4140),
            (false, false) => {
                b.mdio_write(1, 0, 0x1340);
                b.clock.advance(AN_TIME);
            }
        };
        // One was on the cable before, others come later.
        b.far.send(Frame::good(frame(US, 70)));
        close(&mut b, true);
        let buf = b.fill(0, &frame(US, 80));
        b.put(TX_RING, [buf, 0, 80, OWN | FD | LD | 80]);
        b.tx_tail(1);
        b.arrive(Frame::good(frame(US, 90)));
        assert_eq!(b.mac.stats.rx_delivered, 1, "{mac}");
        assert_eq!(b.rx_data(0, 80), frame(US, 80), "{mac}");
        assert_eq!(b.mac.stats.rx_loop_closed, 2, "{mac}");
        assert!(b.sent().is_empty());
        // Nothing of it turns up afterwards.
        close(&mut b, false);
        b.arrive(Frame::good(frame(US, 100)));
        assert_eq!(b.mac.stats.rx_delivered, 2, "{mac}");
        assert_eq!(b.rx_data(1, 100), frame(US, 100), "{mac}");
    }
}

#[test]
fn mdio_reaches_the_phy() {
    let mut b = Bench::new(|c| c.phy_addr = 3);
    let read = |b: &mut Bench, pa: u32, reg: u32| {
        b.w(MAC_MDIO_ADDR, pa << 21 | reg << 16 | 4 << 8 | 3 << 2 | 1);
        assert_eq!(b.r(MAC_MDIO_ADDR) & 1, 1);
        b.clock.advance(Duration::from_micros(40));
        assert_eq!(b.r(MAC_MDIO_ADDR) & 1, 0);
        b.r(MAC_MDIO_DATA) & 0xffff
    };
    assert_eq!(read(&mut b, 3, 2), 0x001c);
    assert_eq!(read(&mut b, 3, 3), 0xc916);
    assert_eq!(read(&mut b, 2, 2), 0xffff);
}

#[test]
fn counters_reset_on_read_and_freeze() {
    let mut b = Bench::new(|_| {});
    b.start(4);
    for n in 0..4 {
        b.rx_desc(n, false);
    }
    b.rx_tail(4);
    b.arrive(Frame::good(frame(US, 60)));
    b.arrive(Frame::good(frame([0xff; 6], 60)));
    assert_eq!(b.r(MMC_RX), 2);
    assert_eq!(b.r(MMC_RX + 4), 128);
    assert_eq!(b.r(MMC_RX + 12), 1);
    b.w(MMC_CONTROL, 4 | 8);
    assert_eq!(b.r(MMC_RX), 2);
    assert_eq!(b.r(MMC_RX), 0);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.r(MMC_RX), 0);
    // Preset to 16 packets below the half.
    b.w(MMC_CONTROL, 1 << 4);
    for _ in 0..16 {
        assert_eq!(b.r(MAC_INT_STATUS), 0);
        b.arrive(Frame::good(frame(US, 60)));
    }
    assert_eq!(
        b.r(MAC_INT_STATUS) & (INT_MMCRXIS | INT_MMCIS),
        INT_MMCRXIS | INT_MMCIS
    );
    assert_ne!(b.r(MMC_RX_INT), 0);
    assert_eq!(b.r(MMC_RX_INT), 0);
}

fn arb_offset() -> impl Strategy<Value = u32> {
    prop_oneof![
        (0u32..0x580).prop_map(|w| w * 4),
        prop::sample::select(vec![
            DMA_MODE,
            DMA_SYSBUS,
            MAC_CONFIG,
            MAC_RXQ_CTRL0,
            MAC_PACKET_FILTER,
            ch(0, CH_TX_CONTROL),
            ch(0, CH_RX_CONTROL),
            ch(0, CH_CONTROL),
            ch(0, CH_TX_BASE),
            ch(0, CH_RX_BASE),
            ch(0, CH_TX_TAIL),
            ch(0, CH_RX_TAIL),
            ch(0, CH_TX_LEN),
            ch(0, CH_RX_LEN),
            mtl(0, MTL_TXQ_MODE),
            mtl(0, MTL_RXQ_MODE),
        ]),
        any::<u32>().prop_map(|v| v & !3),
    ]
}

fn arb_value() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0u32..0x20_0000).prop_map(|v| RAM as u32 + v),
        Just(0),
        Just(u32::MAX),
        Just(1),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Segments carry the payload, however buffers and descriptors cut it.
    #[test]
    fn segments_reassemble_whatever_the_buffers(
        len in 1usize..40_000,
        mss in 64u32..4000,
        cuts in prop::collection::vec(500usize..3000, 80),
        early: bool,
    ) {
        let mut b = Bench::new(|_| {});
        b.start(64);
        b.w(MAC_CONFIG, CONFIG_TE | CONFIG_JE);
        b.w(ch(0, CH_TX_CONTROL), TX_ON | TX_TSE);
        let (header, payload) = tcp_packet(len);
        let head = b.fill(0, &header);
        let at = BUFFERS + 0x10_0000;
        b.mac.mem.write(at, &payload).unwrap();
        // Buffer 2 of the first descriptor is for the payload, or for nothing.
        let mut buffers = vec![(head, header.len() as u32)];
        if !early {
            buffers.push((0, 0));
        }
        let mut done = 0;
        for cut in cuts {
            let n = cut.min(len - done);
            buffers.push((at as u32 + done as u32, n as u32));
            done += n;
            if done == len {
                break;
            }
        }
        let n = buffers.len().div_ceil(2);
        buffers.push((0, 0));
        b.put(TX_RING, [0, 0, mss, OWN | CTXT | TX_TCMSSV]);
        for (i, d) in buffers.chunks_exact(2).enumerate() {
            let mut w3 = OWN;
            if i == 0 {
                w3 |= TX_TSE_DESC | len as u32;
            }
            if i + 1 == n {
                w3 |= LD;
            }
            let w2 = d[0].1 | d[1].1 << 16;
            b.put(TX_RING + 16 * (i as u64 + 1), [d[0].0, d[1].0, w2, w3]);
        }
        b.tx_tail(n as u64 + 1);
        let mut body = Vec::new();
        let mut frames = 0;
        loop {
            b.run();
            let sent = b.sent();
            if sent.is_empty() {
                break;
            }
            for f in sent {
                frames += 1;
                let ip = usize::from(u16::from_be_bytes([f.data[16], f.data[17]]));
                let status = dwmac_model::csum::check(&f.data);
                prop_assert!(!status.header_error && !status.payload_error && !status.bypassed);
                body.extend_from_slice(&f.data[54..14 + ip]);
            }
        }
        prop_assert_eq!(frames, len.div_ceil(mss as usize));
        prop_assert_eq!(body, payload);
        prop_assert_eq!(b.get(TX_RING + 16 * n as u64)[3] & !FD & 0xf000_0000, LD);
    }

    /// Whatever is written to registers and memory, the core neither panics nor hangs.
    #[test]
    fn garbage_never_panics(
        seed in prop::collection::vec(any::<u32>(), 256),
        writes in prop::collection::vec((arb_offset(), arb_value()), 1..80),
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        queues in 1usize..9,
        wide: bool,
    ) {
        let mut b = Bench::new(|c| {
            c.tx_queues = queues;
            c.rx_queues = queues;
            c.addr_bits = if wide { 40 } else { 32 };
        });
        b.start(16);
        b.w(MAC_RXQ_CTRL0, 0xaaaa);
        b.w(MAC_PACKET_FILTER, FILTER_PR | FILTER_RA);
        let mut bytes = Vec::new();
        for w in &seed {
            // Owned descriptors with short buffers are the interesting ones.
            bytes.extend_from_slice(&(w | if w & 1 != 0 { OWN } else { 0 }).to_le_bytes());
        }
        b.mac.mem.write(TX_RING, &bytes).unwrap();
        b.mac.mem.write(RX_RING, &bytes).unwrap();
        b.tx_tail(12);
        b.rx_tail(12);
        for f in frames {
            b.far.send(Frame::good(f));
        }
        for (off, value) in writes {
            b.w(off, value);
            b.r(off);
            for _ in 0..64 {
                if !b.mac.service(16) {
                    break;
                }
            }
            b.mac.lines();
            b.clock.advance(Duration::from_micros(50));
        }
        b.mac.rings();
        b.mac.snapshot();
        // Garbage breaks any rule.
        b.mac.strict.clear();
    }

    /// What is sent arrives, however it is cut into buffers.
    #[test]
    fn loopback_keeps_the_bytes(
        sizes in prop::collection::vec((1usize..700, 0usize..700), 1..8),
        rbsz in 1u32..40,
        first in 0u64..16,
    ) {
        let mut b = Bench::new(|_| {});
        b.start(16);
        b.w(MAC_CONFIG, CONFIG_RE | CONFIG_TE | CONFIG_LM | CONFIG_CST | CONFIG_ACS | CONFIG_JE);
        b.set_rbsz(rbsz * 64);
        // Walk to the starting point.
        let dummy = b.fill(15, &frame(PEER, 60));
        for n in 0..first {
            b.put(TX_RING + n * 16, [dummy, 0, 60, OWN | FD | LD | 60]);
        }
        b.tx_tail(first);
        b.run();
        let mut data: Vec<u8> = (0..sizes.iter().map(|(a, b)| a + b).sum::<usize>().max(60))
            .map(|i| (i * 7) as u8)
            .collect();
        data[..6].copy_from_slice(&US);
        if data.len() > 14 {
            data[12..14].copy_from_slice(&[0x88, 0xb5]);
        }
        let mut at = 0;
        let n = sizes.len();
        for (i, (one, two)) in sizes.iter().enumerate() {
            let mut two = *two;
            if i == n - 1 {
                two = data.len() - at - one;
            }
            let a = b.fill(2 * i as u64, &data[at..at + one]);
            let c = b.fill(2 * i as u64 + 1, &data[at + one..at + one + two]);
            at += one + two;
            let flags = OWN | if i == 0 { FD | data.len() as u32 } else { 0 } | if i == n - 1 { LD } else { 0 };
            let slot = (first + i as u64) % 16;
            b.put(TX_RING + slot * 16, [a, c, *one as u32 | (two as u32) << 16, flags]);
        }
        // Reception: both buffers of each descriptor, in one stretch of memory.
        let size = u64::from(rbsz) * 64;
        let rx = RAM + 0x12_0000;
        for i in 0..16u64 {
            let at = rx + 2 * i * size;
            b.put(RX_RING + i * 16, [at as u32, 0, (at + size) as u32, OWN | RX_BUF1V | RX_BUF2V]);
        }
        b.rx_tail(16);
        b.tx_tail((first + n as u64) % 16);
        b.run();
        let room = (2 * size * 16) as usize;
        if data.len() <= room {
            prop_assert_eq!(b.mac.stats.rx_delivered, 1);
            let mut got = vec![0; data.len()];
            b.mac.mem.read(rx, &mut got).unwrap();
            prop_assert_eq!(got, data);
        } else {
            prop_assert!(b.status() & ST_RBU != 0);
        }
    }
}

#[test]
fn each_size_of_the_hash_table_has_registers_of_its_own() {
    // Bit of the table for an address, by size; worked out elsewhere.
    let known: [([u8; 6], [u32; 3]); 5] = [
        ([0x02, 0x00, 0x00, 0x00, 0x00, 0x99], [4, 9, 18]),
        ([0x01, 0x00, 0x5e, 0x00, 0x00, 0x05], [6, 12, 24]),
        ([0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb], [48, 96, 192]),
        ([0x33, 0x33, 0xff, 0x01, 0x02, 0x03], [4, 8, 16]),
        ([0x01, 0x00, 0x5e, 0x7f, 0xff, 0xfa], [20, 40, 81]),
    ];
    for (size, bits) in [64u16, 128, 256].into_iter().enumerate() {
        let registers = u32::from(bits) / 32;
        for (to, index) in known {
            let n = index[size];
            let mut b = Bench::new(|c| c.hash_bits = bits);
            b.start(8);
            for i in 0..4 {
                b.rx_desc(i, false);
            }
            b.rx_tail(4);
            b.w(MAC_PACKET_FILTER, FILTER_HUC | FILTER_HMC);
            // All bits but its own.
            for r in 0..registers {
                let own = if r == n / 32 { 1 << (n % 32) } else { 0 };
                b.w(MAC_HASH + 4 * r, !own);
            }
            b.arrive(Frame::good(frame(to, 60)));
            let drops = (b.mac.stats.rx_delivered, b.mac.stats.rx_filtered);
            assert_eq!(drops, (0, 1), "{bits} {to:02x?}");
            // Its own and no other.
            for r in 0..registers {
                let own = if r == n / 32 { 1 << (n % 32) } else { 0 };
                b.w(MAC_HASH + 4 * r, own);
            }
            b.arrive(Frame::good(frame(to, 60)));
            assert_eq!(b.mac.stats.rx_delivered, 1, "{bits} {to:02x?}");
            // The hash filter says so in RDES2.
            assert_ne!(b.get(RX_RING)[2] & 1 << 18, 0);
            // There is no register behind the last one.
            if registers < 8 {
                assert_eq!(b.r(MAC_HASH + 4 * registers), 0);
                b.breaks = &["no-register"];
                b.w(MAC_HASH + 4 * registers, ALL);
                assert_eq!(b.r(MAC_HASH + 4 * registers), 0);
            }
        }
    }
}

#[test]
fn only_the_first_segment_gets_the_tag_that_the_descriptor_asks_for() {
    let mut b = Bench::new(|_| {});
    b.w(ch(0, CH_CONTROL), 500);
    b.start(8);
    b.w(ch(0, CH_TX_CONTROL), TX_ON | TX_TSE);
    b.w(MAC_VLAN_INCL, INCL_VLTI);
    let (header, payload) = tcp_packet(1200);
    let (h, p) = (b.fill(0, &header), b.fill(1, &payload));
    let lengths = 1200 << 16 | 54;
    b.put(TX_RING, [0, 0, 0, OWN | CTXT | TX_VLTV | 0x6123]);
    let packet = TX_TSE_DESC | LD | 1200;
    b.put(TX_RING + 16, [h, p, 2 << 14 | lengths, packet]);
    b.tx_tail(2);
    b.run();
    let sent = b.sent();
    let tags: Vec<_> = sent.iter().map(|f| f.data[12..16] == TAG).collect();
    assert_eq!(tags, [true, false, false]);
    // The tag is beside the packet: its headers and checksums are right behind it.
    for f in &sent {
        let s = dwmac_model::csum::check(&f.data);
        assert!(!s.header_error && !s.payload_error && !s.bypassed);
    }
    // The register tags all of them.
    b.w(MAC_VLAN_INCL, INCL_VLP | 2 << 16 | 0x6123);
    b.put(TX_RING + 32, [h, p, lengths, packet]);
    b.tx_tail(3);
    b.run();
    assert!(b.sent().iter().all(|f| f.data[12..16] == TAG));
}

#[test]
fn udp_is_segmented_from_release_5_10() {
    for version in [0x42, 0x51] {
        let mut b = Bench::new(|c| c.version = version);
        b.w(ch(0, CH_CONTROL), 500);
        b.start(8);
        b.w(ch(0, CH_TX_CONTROL), TX_ON | TX_TSE);
        let mut header = Vec::new();
        etherparse::PacketBuilder::ethernet2(US, PEER)
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .udp(1, 2)
            .write(&mut header, &[])
            .unwrap();
        let (h, p) = (b.fill(0, &header), b.fill(1, &[7; 1200]));
        let w3 = OWN | FD | LD | 1 << 18 | 2 << 19 | 1200;
        b.put(TX_RING, [h, p, 1200 << 16 | 42, w3]);
        b.tx_tail(1);
        b.run();
        let able = version >= 0x51;
        assert_eq!(b.sent().len(), if able { 3 } else { 0 });
        let error = b.get(TX_RING)[3] & (TX_DE | TX_ES);
        assert_eq!(error, if able { 0 } else { TX_DE | TX_ES });
        if !able {
            b.breaks = &["tx-descriptor"];
        }
    }
}
