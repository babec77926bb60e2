// SPDX-License-Identifier: GPL-2.0

//! The checksum offload engines.

/// Network layer of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Transport payload that the engines know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// ICMP or ICMPv6.
    Icmp,
}

/// Where things are in a packet.
struct Layout {
    ip: Ip,
    /// Offset of the IP header.
    l3: usize,
    /// Length of the IPv4 header (20 and up), or of the IPv6 header without extensions.
    l3_len: usize,
    /// Offset of what follows the IP header and the extension headers that the engine skips.
    l4: usize,
    /// The payload; `None` for a fragment or an unknown protocol.
    kind: Option<Payload>,
    /// The payload and where it starts and ends, if all of it is there.
    payload: Option<(Payload, usize, usize)>,
    /// Where it ends, by the IP header.
    end: usize,
    fragment: bool,
    /// The IP length reaches beyond the packet, or the segment is shorter than its header.
    short: bool,
}

enum Parsed {
    NotIp,
    /// Wrong version, or a header that does not fit.
    BadHeader(Ip),
    Ip(Layout),
}

const ETH_HLEN: usize = 14;
const VLAN: [u16; 2] = [0x8100, 0x88a8];

fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]))
}

/// The EtherType behind at most one VLAN tag, and the offset of what follows it.
pub fn ethertype(data: &[u8]) -> Option<(u16, usize)> {
    let outer = be16(data, 12)?;
    if VLAN.contains(&outer) {
        Some((be16(data, 16)?, ETH_HLEN + 4))
    } else {
        Some((outer, ETH_HLEN))
    }
}

fn parse(data: &[u8]) -> Parsed {
    match ethertype(data) {
        Some((0x0800, l3)) => parse_v4(data, l3),
        Some((0x86dd, l3)) => parse_v6(data, l3),
        _ => Parsed::NotIp,
    }
}

fn payload_kind(ip: Ip, protocol: u8) -> Option<Payload> {
    match (ip, protocol) {
        (_, 6) => Some(Payload::Tcp),
        (_, 17) => Some(Payload::Udp),
        (Ip::V4, 1) | (Ip::V6, 58) => Some(Payload::Icmp),
        _ => None,
    }
}

fn min_len(kind: Payload) -> usize {
    match kind {
        Payload::Tcp => 20,
        Payload::Udp => 8,
        Payload::Icmp => 4,
    }
}

fn layout(
    data: &[u8],
    (ip, l3, l3_len): (Ip, usize, usize),
    protocol: u8,
    (start, end): (usize, usize),
    fragment: bool,
) -> Layout {
    let kind = payload_kind(ip, protocol).filter(|_| !fragment);
    let short = end > data.len() || start > end || kind.is_some_and(|k| end - start < min_len(k));
    Layout {
        ip,
        l3,
        l3_len,
        l4: start.min(data.len()),
        kind,
        payload: kind.filter(|_| !short).map(|k| (k, start, end)),
        end,
        fragment,
        short,
    }
}

fn parse_v4(data: &[u8], l3: usize) -> Parsed {
    let Some(header) = data.get(l3..l3 + 20) else {
        return Parsed::BadHeader(Ip::V4);
    };
    let len = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || len < 20 || data.len() < l3 + len {
        return Parsed::BadHeader(Ip::V4);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let frag = u16::from_be_bytes([header[6], header[7]]);
    if total < len {
        return Parsed::BadHeader(Ip::V4);
    }
    Parsed::Ip(layout(
        data,
        (Ip::V4, l3, len),
        header[9],
        (l3 + len, l3 + total),
        frag & 0x3fff != 0,
    ))
}

fn parse_v6(data: &[u8], l3: usize) -> Parsed {
    let Some(header) = data.get(l3..l3 + 40) else {
        return Parsed::BadHeader(Ip::V6);
    };
    if header[0] >> 4 != 6 {
        return Parsed::BadHeader(Ip::V6);
    }
    let end = l3 + 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    let mut next = header[6];
    let mut at = l3 + 40;
    let mut fragment = false;
    // Hop-by-hop, routing without segments left, destination options: skipped. Anything else ends
    // the walk, and the payload is then one the engine knows or one it leaves alone.
    loop {
        match next {
            0 | 43 | 60 => {
                let Some(ext) = data.get(at..at + 8).filter(|_| at + 8 <= end) else {
                    fragment = true;
                    break;
                };
                if next == 43 && ext[3] != 0 {
                    fragment = true;
                    break;
                }
                next = ext[0];
                at += 8 + usize::from(ext[1]) * 8;
            }
            44 => {
                fragment = true;
                break;
            }
            _ => break,
        }
    }
    Parsed::Ip(layout(data, (Ip::V6, l3, 40), next, (at, end), fragment))
}

/// Length of the headers up to and with that of TCP or UDP, or else of IP; `None` without IP.
pub fn header_length(data: &[u8]) -> Option<usize> {
    let Parsed::Ip(l) = parse(data) else {
        return None;
    };
    match l.payload {
        Some((Payload::Tcp, start, end)) => {
            let len = usize::from(data[start + 12] >> 4) * 4;
            Some(start + len).filter(|at| len >= 20 && *at <= end)
        }
        Some((Payload::Udp, start, _)) => Some(start + 8),
        _ => Some(l.l4),
    }
}

fn sum(data: &[u8], mut acc: u32) -> u32 {
    let mut chunks = data.chunks_exact(2);
    let mut wide: u64 = 0;
    for c in &mut chunks {
        wide += u64::from(u16::from_be_bytes([c[0], c[1]]));
    }
    if let [last] = chunks.remainder() {
        wide += u64::from(*last) << 8;
    }
    acc += (wide & 0xffff) as u32 + (wide >> 16 & 0xffff) as u32 + (wide >> 32) as u32;
    acc
}

fn fold(mut acc: u32) -> u16 {
    while acc >> 16 != 0 {
        acc = (acc & 0xffff) + (acc >> 16);
    }
    acc as u16
}

fn protocol_number(ip: Ip, kind: Payload) -> u32 {
    match (ip, kind) {
        (_, Payload::Tcp) => 6,
        (_, Payload::Udp) => 17,
        (Ip::V4, Payload::Icmp) => 1,
        (Ip::V6, Payload::Icmp) => 58,
    }
}

fn pseudo(data: &[u8], l: &Layout, kind: Payload, len: usize) -> u32 {
    if l.ip == Ip::V4 && kind == Payload::Icmp {
        return 0;
    }
    let addresses = match l.ip {
        Ip::V4 => l.l3 + 12..l.l3 + 20,
        Ip::V6 => l.l3 + 8..l.l3 + 40,
    };
    sum(&data[addresses], protocol_number(l.ip, kind) + len as u32)
}

fn checksum_offset(kind: Payload) -> usize {
    match kind {
        Payload::Tcp => 16,
        Payload::Udp => 6,
        Payload::Icmp => 2,
    }
}

/// What the transmit engine reports in TDES3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxStatus {
    /// IP header error (IHE).
    pub header_error: bool,
    /// Payload checksum error (PCE).
    pub payload_error: bool,
}

/// Inserts checksums as CIC asks: 1 the IPv4 header's, 2 also the payload's upon the sum that the
/// field already holds, 3 with the pseudo header.
pub fn insert(data: &mut [u8], cic: u32) -> TxStatus {
    let mut status = TxStatus::default();
    if cic == 0 {
        return status;
    }
    let l = match parse(data) {
        Parsed::NotIp => return status,
        Parsed::BadHeader(_) => {
            status.header_error = true;
            return status;
        }
        Parsed::Ip(l) => l,
    };
    if l.ip == Ip::V4 {
        let header = &mut data[l.l3..l.l3 + l.l3_len];
        header[10] = 0;
        header[11] = 0;
        let c = !fold(sum(header, 0));
        header[10..12].copy_from_slice(&c.to_be_bytes());
    }
    if cic == 1 {
        return status;
    }
    if l.short {
        status.payload_error = true;
        return status;
    }
    let Some((kind, start, end)) = l.payload else {
        return status;
    };
    let at = start + checksum_offset(kind);
    let mut acc = 0;
    if cic == 3 {
        acc = pseudo(data, &l, kind, end - start);
        data[at] = 0;
        data[at + 1] = 0;
    }
    let mut c = !fold(sum(&data[start..end], acc));
    if kind == Payload::Udp && c == 0 {
        c = 0xffff;
    }
    data[at..at + 2].copy_from_slice(&c.to_be_bytes());
    status
}

/// What the receive engine reports in RDES1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxStatus {
    /// The packet is IPv4 or IPv6.
    pub ip: Option<Ip>,
    /// Header error (IPHE).
    pub header_error: bool,
    /// Payload checksum or length error (IPCE).
    pub payload_error: bool,
    /// The payload's checksum was not looked at (IPCB).
    pub bypassed: bool,
    /// Payload type (PT).
    pub payload: Option<Payload>,
    /// The packet is a fragment.
    pub fragment: bool,
    /// UDP over IPv4 without a checksum.
    pub udp_disabled: bool,
    /// Bytes of the datagram, as the counters have it: what of it was received, or the IP header's
    /// length field if that is all that the engine looks at.
    pub octets: u32,
    /// Bytes of the payload, without the IP header.
    pub segment: u32,
}

impl RxStatus {
    /// The bits in RDES1.
    pub fn rdes1(&self) -> u32 {
        let mut v = match self.payload {
            None => 0,
            Some(Payload::Udp) => 1,
            Some(Payload::Tcp) => 2,
            Some(Payload::Icmp) => 3,
        };
        v |= u32::from(self.header_error) << 3;
        v |= u32::from(self.ip == Some(Ip::V4)) << 4;
        v |= u32::from(self.ip == Some(Ip::V6)) << 5;
        v |= u32::from(self.bypassed) << 6;
        v | u32::from(self.payload_error) << 7
    }
}

/// What the length field of the IP header says, if it is there.
fn length_field(data: &[u8], ip: Ip) -> usize {
    let at = match ip {
        Ip::V4 => 2,
        Ip::V6 => 4,
    };
    let length = ethertype(data).and_then(|(_, l3)| be16(data, l3 + at));
    length.unwrap_or_default().into()
}

/// Checks a received packet (without FCS).
pub fn check(data: &[u8]) -> RxStatus {
    let mut status = RxStatus::default();
    let l = match parse(data) {
        Parsed::NotIp => {
            status.bypassed = true;
            return status;
        }
        Parsed::BadHeader(ip) => {
            status.ip = Some(ip);
            status.header_error = true;
            status.octets = length_field(data, ip) as u32;
            return status;
        }
        Parsed::Ip(l) => l,
    };
    status.ip = Some(l.ip);
    status.octets = length_field(data, l.ip) as u32;
    status.fragment = l.fragment;
    if l.ip == Ip::V4 {
        let header = &data[l.l3..l.l3 + l.l3_len];
        if fold(sum(header, 0)) != 0xffff {
            status.header_error = true;
            return status;
        }
    }
    status.payload = l.kind;
    if l.kind.is_some() {
        let end = l.end.min(data.len());
        status.octets = end.saturating_sub(l.l3) as u32;
        status.segment = end.saturating_sub(l.l4) as u32;
    }
    if l.short {
        status.payload_error = true;
        return status;
    }
    let Some((kind, start, end)) = l.payload else {
        status.bypassed = true;
        return status;
    };
    let at = start + checksum_offset(kind);
    if kind == Payload::Udp && l.ip == Ip::V4 && data[at..at + 2] == [0, 0] {
        status.bypassed = true;
        status.udp_disabled = true;
        return status;
    }
    let acc = pseudo(data, &l, kind, end - start);
    status.payload_error = fold(sum(&data[start..end], acc)) != 0xffff;
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    fn v4() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4(
            [192, 0, 2, 1],
            [192, 0, 2, 2],
            64,
        )
    }

    fn v6() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        let mut a = [0x20; 16];
        a[15] = 1;
        let mut b = a;
        b[15] = 2;
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv6(a, b, 64)
    }

    /// A packet that etherparse built, checksums and all.
    fn packet(which: u8, tagged: bool, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match which {
            0 => v4().tcp(1, 2, 3, 4).write(&mut out, payload),
            1 => v4().udp(1, 2).write(&mut out, payload),
            2 => v4().icmpv4_echo_request(1, 2).write(&mut out, payload),
            3 => v6().tcp(1, 2, 3, 4).write(&mut out, payload),
            4 => v6().udp(1, 2).write(&mut out, payload),
            _ => v6().icmpv6_echo_request(1, 2).write(&mut out, payload),
        }
        .unwrap();
        if tagged {
            out.splice(12..12, [0x81, 0, 0, 5]);
        }
        out
    }

    fn clear(p: &mut [u8], which: u8, tagged: bool) {
        let l3 = if tagged { 18 } else { 14 };
        let (len, v4) = if which < 3 { (20, true) } else { (40, false) };
        if v4 {
            p[l3 + 10..l3 + 12].fill(0);
        }
        let at = l3 + len + [16, 6, 2][usize::from(which % 3)];
        p[at..at + 2].fill(0);
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(which in 0u8..6, tagged: bool, pad in 0usize..40,
                                  payload in proptest::collection::vec(any::<u8>(), 0..1400)) {
            let mut want = packet(which, tagged, &payload);
            want.resize(want.len() + pad, 0);
            let mut got = want.clone();
            clear(&mut got, which, tagged);
            prop_assert_eq!(insert(&mut got, 3), TxStatus::default());
            prop_assert_eq!(&got, &want);
            let status = check(&got);
            prop_assert!(!status.header_error && !status.payload_error && !status.bypassed);
            prop_assert!(status.payload.is_some());
        }

        #[test]
        fn every_flipped_bit_of_the_payload_is_seen(which in 0u8..6, at in 0usize..100, bit in 0u8..8) {
            let mut p = packet(which, false, &[0x5a; 100]);
            let n = p.len();
            p[n - 100 + at] ^= 1 << bit;
            prop_assert!(check(&p).payload_error);
        }

        #[test]
        fn never_panics(mut data in proptest::collection::vec(any::<u8>(), 0..120), six: bool, cic in 0u32..4) {
            if data.len() > 14 {
                let t: [u8; 2] = if six { [0x86, 0xdd] } else { [8, 0] };
                data[12..14].copy_from_slice(&t);
            }
            check(&data);
            insert(&mut data, cic);
        }
    }

    #[test]
    fn header_only() {
        let want = packet(0, false, b"x");
        let mut got = want.clone();
        clear(&mut got, 0, false);
        insert(&mut got, 1);
        assert_eq!(got[24..26], want[24..26]);
        assert_eq!(got[50..52], [0, 0]);
    }

    #[test]
    fn cic_2_sums_upon_the_field() {
        let want = packet(0, false, b"abc");
        let mut got = want.clone();
        clear(&mut got, 0, false);
        let partial = fold(sum(&got[26..34], 6 + 23));
        got[50..52].copy_from_slice(&partial.to_be_bytes());
        insert(&mut got, 2);
        assert_eq!(got, want);
    }

    #[test]
    fn errors_and_bypasses() {
        let mut p = packet(0, false, b"abc");
        p[24] ^= 1;
        assert!(check(&p).header_error);
        let mut p = packet(0, false, b"abc");
        p[14] = 0x65;
        assert!(check(&p).header_error);
        assert!(insert(&mut p, 3).header_error);
        // Total length beyond the packet.
        let mut p = packet(1, false, b"abc");
        p[17] += 40;
        assert!(insert(&mut p, 3).payload_error);
        // More fragments.
        let mut p = packet(1, false, b"abc");
        p[20] |= 0x20;
        insert(&mut p, 1);
        let s = check(&p);
        assert!(s.bypassed && s.fragment && s.payload.is_none() && !s.payload_error);
        // UDP without checksum.
        let mut p = packet(1, false, b"abc");
        p[40..42].fill(0);
        assert!(check(&p).bypassed);
        assert!(check(&[0; 60]).bypassed);
    }

    #[test]
    fn udp_zero_becomes_all_ones() {
        // Find a payload whose checksum is zero: 16 bits of payload are enough.
        for n in 0..=u16::MAX {
            let mut p = packet(1, false, &n.to_be_bytes());
            clear(&mut p, 1, false);
            insert(&mut p, 3);
            assert_ne!(p[40..42], [0, 0]);
            if p[40..42] == [0xff, 0xff] {
                assert!(!check(&p).payload_error);
                return;
            }
        }
        panic!("no payload gives zero");
    }

    #[test]
    fn extension_headers() {
        let mut p = packet(4, false, b"hello");
        // Hop-by-hop before UDP.
        p.splice(54..54, [17, 0, 1, 4, 0, 0, 0, 0]);
        p[20] = 0;
        p[19] += 8;
        let s = check(&p);
        assert_eq!((s.payload, s.payload_error), (Some(Payload::Udp), false));
        // A fragment header.
        p[20] = 44;
        assert!(check(&p).bypassed);
    }
}
