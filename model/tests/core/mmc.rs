// SPDX-License-Identifier: GPL-2.0

//! What a packet changes of the counters of the MMC, and that it changes no others.

use std::collections::BTreeMap;

use etherparse::PacketBuilder;

use super::*;

const TX: [&str; 26] = [
    "tx_octets_gb",
    "tx_packets_gb",
    "tx_broadcast_g",
    "tx_multicast_g",
    "tx_64",
    "tx_65",
    "tx_128",
    "tx_256",
    "tx_512",
    "tx_1024",
    "tx_unicast_gb",
    "tx_multicast_gb",
    "tx_broadcast_gb",
    "tx_underflow",
    "tx_single_collision",
    "tx_multiple_collision",
    "tx_deferred",
    "tx_late_collision",
    "tx_excessive_collision",
    "tx_carrier_error",
    "tx_octets_g",
    "tx_packets_g",
    "tx_excessive_deferral",
    "tx_pause",
    "tx_vlan_g",
    "tx_oversize_g",
];

const RX: [&str; 26] = [
    "packets_gb",
    "octets_gb",
    "octets_g",
    "broadcast_g",
    "multicast_g",
    "crc_error",
    "alignment_error",
    "runt_error",
    "jabber_error",
    "undersize_g",
    "oversize_g",
    "64",
    "65",
    "128",
    "256",
    "512",
    "1024",
    "unicast_g",
    "length_error",
    "out_of_range",
    "pause",
    "fifo_overflow",
    "vlan_gb",
    "watchdog_error",
    "receive_error",
    "control_g",
];

/// Packets; octets have the same order and `_octets` behind the name.
const IPC: [&str; 14] = [
    "ip4_good",
    "ip4_header_error",
    "ip4_no_payload",
    "ip4_fragmented",
    "ip4_udp_disabled",
    "ip6_good",
    "ip6_header_error",
    "ip6_no_payload",
    "udp_good",
    "udp_error",
    "tcp_good",
    "tcp_error",
    "icmp_good",
    "icmp_error",
];

type Counts = BTreeMap<String, u32>;

/// All counters that are not zero.
fn counters(b: &mut Bench) -> Counts {
    let mut all = Counts::new();
    for (base, names, suffix) in [
        (MMC_TX, &TX[..], ""),
        (MMC_RX, &RX[..], ""),
        (MMC_IPC, &IPC[..], ""),
        (MMC_IPC_OCTETS, &IPC[..], "_octets"),
    ] {
        for (i, name) in names.iter().enumerate() {
            all.insert(format!("{name}{suffix}"), b.r(base + 4 * i as u32));
        }
    }
    all.retain(|_, n| *n != 0);
    all
}

/// Counters from `name` (by one) and `name=n`.
fn counts(text: &str) -> Counts {
    text.split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((name, n)) => (name.into(), n.parse().unwrap()),
            None => (word.into(), 1),
        })
        .collect()
}

fn bench() -> Bench {
    let mut b = Bench::new(|_| {});
    b.start(8);
    for n in 0..7 {
        b.rx_desc(n, true);
    }
    b.rx_tail(7);
    b
}

/// What a packet received after `setup` changes is `want`.
fn receives(what: &str, setup: impl Fn(&mut Bench), frame: Frame, want: &str) {
    let mut b = bench();
    setup(&mut b);
    assert_eq!(counters(&mut b), Counts::new());
    b.arrive(frame);
    assert_eq!(counters(&mut b), counts(want), "{what}");
}

fn plainly(_: &mut Bench) {}

fn set(b: &mut Bench, bits: u32) {
    let v = b.r(MAC_CONFIG);
    b.w(MAC_CONFIG, v | bits);
}

/// A packet with a wrong FCS.
fn bad(data: Vec<u8>) -> Frame {
    let fcs = Some(!Frame::good(data.clone()).fcs());
    Frame { data, fcs }
}

/// A packet of `len` bytes and FCS with a VLAN tag.
fn tagged(len: usize) -> Vec<u8> {
    let mut data = frame(US, len);
    data[12..16].copy_from_slice(&[0x81, 0, 0, 5]);
    data[16..18].copy_from_slice(&[0x88, 0xb5]);
    data
}

/// A packet of `len` bytes with this type or length.
fn typed(len: usize, value: u16) -> Vec<u8> {
    let mut data = frame(US, len);
    data[12..14].copy_from_slice(&value.to_be_bytes());
    data
}

/// What counts a packet, good or bad, of so many bytes with FCS.
fn seen(whole: usize) -> String {
    let class = match whole {
        64 => "64",
        65..=127 => "65",
        128..=255 => "128",
        256..=511 => "256",
        512..=1023 => "512",
        1024..=1518 => "1024",
        _ => "",
    };
    format!("packets_gb octets_gb={whole} {class}")
}

/// The same for a good one to our address.
fn good(whole: usize) -> String {
    format!("{} octets_g={whole} unicast_g", seen(whole))
}

#[test]
fn good_packets_by_size() {
    for whole in [64, 65, 127, 128, 255, 256, 511, 512, 1023, 1024, 1517, 1518] {
        let data = frame(US, whole - 4);
        receives("size", plainly, Frame::good(data), &good(whole));
    }
    for whole in [18, 54, 63] {
        let want = format!("{} undersize_g", good(whole));
        receives("short", plainly, Frame::good(frame(US, whole - 4)), &want);
    }
    for whole in [1519, 2000, 2048] {
        let want = format!("{} oversize_g", good(whole));
        receives("long", plainly, Frame::good(frame(US, whole - 4)), &want);
    }
    // With a tag, 4 bytes more; with S2KP, 2000 in any case.
    for (whole, bits, class) in [
        (1519, 0, "1024"),
        (1522, 0, "1024"),
        (1523, 0, "oversize_g"),
        (1999, CONFIG_S2KP, "1024"),
        (2000, CONFIG_S2KP, "1024"),
        (2001, CONFIG_S2KP, "oversize_g"),
        (4000, CONFIG_JE, "oversize_g"),
    ] {
        let want = format!("{} vlan_gb {class}", good(whole));
        let data = Frame::good(tagged(whole - 4));
        receives("tagged", |b| set(b, bits), data, &want);
    }
    for (whole, class) in [(2000, "1024"), (2001, "oversize_g")] {
        let want = format!("{} {class}", good(whole));
        let data = Frame::good(frame(US, whole - 4));
        receives("S2KP", |b| set(b, CONFIG_S2KP), data, &want);
    }
}

#[test]
fn packets_by_address() {
    let group = [0x01, 0, 0x5e, 0, 0, 5];
    let all = |b: &mut Bench| b.w(MAC_PACKET_FILTER, FILTER_PR);
    for (to, want) in [
        (US, "octets_g=104 unicast_g"),
        (group, "octets_g=104 multicast_g"),
        ([0xff; 6], "octets_g=104 broadcast_g"),
    ] {
        let want = format!("{} {want}", seen(104));
        receives("address", all, Frame::good(frame(to, 100)), &want);
    }
    // What the filter drops is not counted.
    receives("filter", plainly, Frame::good(frame(group, 100)), "");
    let mut pause = frame([0x01, 0x80, 0xc2, 0, 0, 1], 60);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 10]);
    let control = format!("{} octets_g=64 multicast_g control_g", seen(64));
    receives("control", plainly, Frame::good(pause.clone()), &control);
    let heeds = |b: &mut Bench| b.w(MAC_RX_FLOW, 1);
    let want = format!("{control} pause");
    receives("pause", heeds, Frame::good(pause.clone()), &want);
    let want = format!("{} crc_error", seen(64));
    receives("damaged pause", heeds, bad(pause), &want);
}

#[test]
fn bad_packets() {
    for (whole, bits, error) in [
        (18, 0, "runt_error"),
        (63, 0, "runt_error"),
        (64, 0, "crc_error"),
        (1518, 0, "crc_error"),
        (1519, 0, "jabber_error"),
        (2048, 0, "jabber_error"),
        (1519, CONFIG_JE, "crc_error"),
        (9018, CONFIG_JE, "crc_error"),
        (9019, CONFIG_JE, "jabber_error"),
    ] {
        let want = format!("{} {error}", seen(whole));
        receives("FCS", |b| set(b, bits), bad(frame(US, whole - 4)), &want);
    }
    for (whole, error) in [
        (104, "crc_error"),
        (1522, "1024 crc_error"),
        (1523, "jabber_error"),
    ] {
        let want = format!("{} vlan_gb {error}", seen(whole));
        receives("tagged", plainly, bad(tagged(whole - 4)), &want);
    }
    let fault = |b: &mut Bench| {
        b.mac.fault("rx-error").unwrap();
    };
    let want = format!("{} receive_error", seen(104));
    receives("PHY", fault, Frame::good(frame(US, 100)), &want);
    let full = |b: &mut Bench| {
        b.mac.fault("rx-overflow").unwrap();
    };
    let want = format!("{} fifo_overflow", good(104));
    receives("overflow", full, Frame::good(frame(US, 100)), &want);
}

#[test]
fn the_watchdog_cuts() {
    for (whole, bits, cut) in [
        (2048, 0, false),
        (2049, 0, true),
        (2049, CONFIG_JE, false),
        (10241, CONFIG_JE, true),
        (10241, CONFIG_WD, false),
    ] {
        let want = if cut {
            format!("{} watchdog_error", seen(whole))
        } else {
            format!("{} oversize_g", good(whole))
        };
        let data = Frame::good(frame(US, whole - 4));
        receives("watchdog", |b| set(b, bits), data, &want);
    }
    let long = |b: &mut Bench| {
        set(b, CONFIG_JE);
        b.w(MAC_WATCHDOG, 1 << 8 | 1);
    };
    let want = format!("{} watchdog_error", seen(3073));
    receives("by time", long, Frame::good(frame(US, 3069)), &want);
    // With a wrong FCS, too: the cut comes before it.
    receives("both", long, bad(frame(US, 3069)), &want);
}

#[test]
fn length_fields() {
    for (len, value, error) in [
        (100, 86, ""),
        (100, 85, "length_error"),
        (100, 87, "length_error"),
        (100, 0, "length_error"),
        (60, 46, ""),
        (60, 10, ""),
        (60, 0, ""),
        (60, 47, "length_error"),
        (61, 46, "length_error"),
        (1514, 1500, ""),
        (1514, 1499, "length_error"),
        (1514, 1501, "out_of_range"),
        (100, 1535, "out_of_range"),
        (100, 1536, ""),
    ] {
        let want = format!("{} {error}", good(len + 4));
        let what = format!("{len} {value}");
        receives(&what, plainly, Frame::good(typed(len, value)), &want);
    }
    // Of damaged packets the field is not looked at.
    let want = format!("{} crc_error", seen(104));
    receives("damaged", plainly, bad(typed(100, 85)), &want);
    let want = format!("{} crc_error", seen(104));
    receives("damaged", plainly, bad(typed(100, 1501)), &want);
}

#[test]
fn sent_packets() {
    let sent = |whole: usize| {
        seen(whole)
            .split_whitespace()
            .fold(String::new(), |s, w| s + " tx_" + w)
    };
    let well = |whole: usize| format!("{} tx_packets_g tx_octets_g={whole}", sent(whole));
    let vlan = |len: usize| {
        let mut data = tagged(len);
        data[..6].copy_from_slice(&PEER);
        data
    };
    let group = [0x01, 0, 0x5e, 0, 0, 5];
    let cases: [(Vec<u8>, u32, String); 11] = [
        (frame(PEER, 20), 0, well(64) + " tx_unicast_gb"),
        (frame(PEER, 100), 0, well(104) + " tx_unicast_gb"),
        (
            frame(group, 100),
            0,
            well(104) + " tx_multicast_gb tx_multicast_g",
        ),
        (
            frame([0xff; 6], 100),
            0,
            well(104) + " tx_broadcast_gb tx_broadcast_g",
        ),
        (frame(PEER, 1514), 0, well(1518) + " tx_unicast_gb"),
        (
            frame(PEER, 1515),
            0,
            well(1519) + " tx_unicast_gb tx_oversize_g",
        ),
        (vlan(100), 0, well(104) + " tx_unicast_gb tx_vlan_g"),
        (
            vlan(1518),
            0,
            well(1522) + " tx_unicast_gb tx_vlan_g tx_1024",
        ),
        (
            vlan(1519),
            0,
            well(1523) + " tx_unicast_gb tx_vlan_g tx_oversize_g",
        ),
        (
            frame(PEER, 1996),
            CONFIG_S2KP,
            well(2000) + " tx_unicast_gb tx_1024",
        ),
        (
            frame(PEER, 1997),
            CONFIG_S2KP,
            well(2001) + " tx_unicast_gb tx_oversize_g",
        ),
    ];
    for (data, bits, want) in cases {
        let mut b = bench();
        set(&mut b, bits);
        let buf = b.fill(0, &data);
        let len = data.len() as u32;
        b.put(TX_RING, [buf, 0, len, OWN | FD | LD | len]);
        b.tx_tail(1);
        b.run();
        assert_eq!(b.sent().len(), 1);
        assert_eq!(counters(&mut b), counts(&want), "{len}");
    }
    // A packet that was cut at half of it is below 64 bytes and in no size class.
    let mut b = bench();
    b.mac.fault("tx-underflow").unwrap();
    let buf = b.fill(0, &frame(PEER, 100));
    b.put(TX_RING, [buf, 0, 100, OWN | FD | LD | 100]);
    b.tx_tail(1);
    b.run();
    let want = "tx_packets_gb tx_octets_gb=54 tx_unicast_gb tx_underflow";
    assert_eq!(counters(&mut b), counts(want));
    // Sent by the MAC.
    let mut b = bench();
    b.w(MAC_TX_FLOW, 10 << 16 | 2 | 1);
    b.run();
    let want = well(64) + " tx_multicast_gb tx_multicast_g tx_pause";
    assert_eq!(counters(&mut b), counts(&want));
}

/// Where headers are without a tag: IP, and UDP, TCP or ICMP of each version.
const L3: usize = 14;
const L4: [usize; 2] = [34, 54];

/// A packet of UDP, TCP or ICMP with 30 bytes of payload over IPv4 or IPv6.
fn ip(six: bool, transport: &str, payload: &[u8]) -> Vec<u8> {
    let eth = PacketBuilder::ethernet2(PEER, US);
    let ip = if six {
        eth.ipv6([0x20; 16], [0x21; 16], 64)
    } else {
        eth.ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
    };
    let mut out = Vec::new();
    match (transport, six) {
        ("udp", _) => ip.udp(1, 2).write(&mut out, payload),
        ("tcp", _) => ip.tcp(1, 2, 3, 4).write(&mut out, payload),
        (_, false) => ip.icmpv4_echo_request(1, 2).write(&mut out, payload),
        (_, true) => ip.icmpv6_echo_request(1, 2).write(&mut out, payload),
    }
    .unwrap();
    out
}

/// An IPv4 packet that was changed, with the checksum of its header made good.
fn ip4(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut data = ip(false, "udp", &[7; 30]);
    change(&mut data);
    data[24..26].fill(0);
    let words = data[L3..L3 + 20].chunks_exact(2);
    let sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    data[24..26].copy_from_slice(&sum.to_be_bytes());
    data
}

#[test]
fn ip_packets() {
    let ipc = |what: &str, data: Vec<u8>, want: &str| {
        let want = format!("{} {want}", good(data.len() + 4));
        receives(what, plainly, Frame::good(data), &want);
    };
    for (six, transport, segment) in [
        (false, "udp", 38),
        (false, "tcp", 50),
        (false, "icmp", 38),
        (true, "udp", 38),
        (true, "tcp", 50),
        (true, "icmp", 38),
    ] {
        let (version, header) = if six { ("ip6", 40) } else { ("ip4", 20) };
        let whole = header + segment;
        let network = format!("{version}_good {version}_good_octets={whole}");
        let data = ip(six, transport, &[7; 30]);
        let want = format!("{network} {transport}_good {transport}_good_octets={segment}");
        ipc(&want, data.clone(), &want);
        // A tag is looked through and counted.
        let mut tag = data.clone();
        tag.splice(12..12, [0x81, 0, 0, 5]);
        ipc("tagged", tag, &format!("{want} vlan_gb"));
        // The last byte, and so the checksum.
        let mut data = data;
        *data.last_mut().unwrap() ^= 1;
        let want = format!("{network} {transport}_error {transport}_error_octets={segment}");
        ipc(&want, data.clone(), &want);
        // Of what is damaged the datagram is not looked at, nor if the engine is off.
        let want = format!("{} crc_error", seen(data.len() + 4));
        receives("damaged", plainly, bad(data.clone()), &want);
        let off = |b: &mut Bench| {
            let v = b.r(MAC_CONFIG);
            b.w(MAC_CONFIG, v & !CONFIG_IPC);
        };
        let want = good(data.len() + 4);
        receives("off", off, Frame::good(data), &want);
    }
    ipc("no IP", frame(US, 100), "");
}

#[test]
fn ip4_datagrams() {
    let ipc = |what: &str, data: Vec<u8>, want: &str| {
        let want = format!("{} {want}", good(data.len() + 4));
        receives(what, plainly, Frame::good(data), &want);
    };
    let mut data = ip(false, "udp", &[7; 30]);
    data[L4[0] + 6..L4[0] + 8].fill(0);
    ipc(
        "no checksum",
        data,
        "ip4_good ip4_good_octets=58 ip4_udp_disabled ip4_udp_disabled_octets=38",
    );
    let mut data = ip(false, "udp", &[7; 30]);
    data[24] ^= 1;
    let header = "ip4_header_error ip4_header_error_octets=58";
    ipc("header checksum", data, header);
    ipc("version", ip4(|d| d[L3] = 0x65), header);
    let mut data = ip4(|_| {});
    data[12..14].copy_from_slice(&[0x86, 0xdd]);
    // The length field is where IPv4 has its identification.
    data[18..20].copy_from_slice(&[0, 9]);
    ipc(
        "IPv4 as IPv6",
        data,
        "ip6_header_error ip6_header_error_octets=9",
    );
    ipc(
        "length",
        ip4(|d| d[16..18].copy_from_slice(&[0, 19])),
        "ip4_header_error ip4_header_error_octets=19",
    );
    let fragment = "ip4_fragmented ip4_fragmented_octets=58";
    ipc("first fragment", ip4(|d| d[20] = 0x20), fragment);
    ipc(
        "last fragment",
        ip4(|d| d[20..22].copy_from_slice(&[0, 5])),
        fragment,
    );
    ipc(
        "GRE",
        ip4(|d| d[23] = 47),
        "ip4_no_payload ip4_no_payload_octets=58",
    );
    // ICMPv6 is none for IPv4.
    ipc(
        "ICMPv6",
        ip4(|d| d[23] = 58),
        "ip4_no_payload ip4_no_payload_octets=58",
    );
    // The end of the datagram is missing: what is there is counted.
    ipc(
        "cut",
        ip4(|d| d[16..18].copy_from_slice(&[0, 68])),
        "ip4_good ip4_good_octets=58 udp_error udp_error_octets=38",
    );
    // Padding is not.
    let mut data = ip(false, "udp", &[7; 4]);
    data.resize(60, 0);
    ipc(
        "padded",
        data,
        "ip4_good ip4_good_octets=32 udp_good udp_good_octets=12",
    );
}

#[test]
fn ip6_datagrams() {
    let ipc = |what: &str, data: Vec<u8>, want: &str| {
        let want = format!("{} {want}", good(data.len() + 4));
        receives(what, plainly, Frame::good(data), &want);
    };
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut data = ip(true, "udp", &[7; 30]);
        change(&mut data);
        data
    };
    // Without IPv4's exception, no checksum is a wrong one.
    ipc(
        "no checksum",
        with(&|d| d[L4[1] + 6..L4[1] + 8].fill(0)),
        "ip6_good ip6_good_octets=78 udp_error udp_error_octets=38",
    );
    ipc(
        "version",
        with(&|d| d[L3] = 0x40),
        "ip6_header_error ip6_header_error_octets=38",
    );
    let nothing = "ip6_no_payload ip6_no_payload_octets=38";
    ipc("no next header", with(&|d| d[20] = 59), nothing);
    ipc("ESP", with(&|d| d[20] = 50), nothing);
    ipc("ICMPv4", with(&|d| d[20] = 1), nothing);
    let fragment = |d: &mut Vec<u8>| {
        d.splice(54..54, [17, 0, 0, 1, 0, 0, 0, 1]);
        d[19] += 8;
        d[20] = 44;
    };
    ipc(
        "fragment",
        with(&fragment),
        "ip6_no_payload ip6_no_payload_octets=46",
    );
    // A header that is skipped is the datagram's and not the segment's.
    let options = |d: &mut Vec<u8>| {
        d.splice(54..54, [17, 0, 1, 4, 0, 0, 0, 0]);
        d[19] += 8;
        d[20] = 0;
    };
    ipc(
        "options",
        with(&options),
        "ip6_good ip6_good_octets=86 udp_good udp_good_octets=38",
    );
}
