// SPDX-License-Identifier: GPL-2.0

//! The segmentation engine: TCP over IPv4 and IPv6 (TSO), UDP payloads (USO).

use crate::csum;

/// Longest header that the engine holds.
pub const MAX_HEADER: usize = 1023;

const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What the first descriptor of a packet says about its segmentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Length of all headers: what buffer 1 holds (HL).
    pub header: usize,
    /// Length of the TCP or UDP header in bytes (THL).
    pub transport: usize,
    /// Length of the payload (TPL).
    pub payload: usize,
}

/// Why a packet cannot be segmented. The hardware leaves the outcome open; the model sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The header is empty, longer than [`MAX_HEADER`], or not where HL and THL say.
    Header,
    /// Neither TCP nor UDP over IP, or a fragment.
    Protocol,
    /// The buffers hold more or less than TPL.
    Length,
    /// No MSS was ever given.
    Mss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ip {
    V4,
    V6,
}

/// The segments of a packet, in order. Their checksums are left to the checksum engine.
#[derive(Clone, Debug)]
pub struct Segments {
    header: Vec<u8>,
    payload: Vec<u8>,
    mss: usize,
    ip: Ip,
    l3: usize,
    l4: usize,
    tcp: bool,
    /// Payload bytes already sent.
    at: usize,
    /// Segments already sent.
    count: u16,
    done: bool,
}

fn put16(data: &mut [u8], at: usize, value: usize) {
    data[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
}

/// The version of the IP header that ends where the transport header begins, its offset, and the
/// protocol.
fn locate(header: &[u8], l4: usize) -> Option<(Ip, usize, u8)> {
    let (ethertype, l3) = csum::ethertype(header)?;
    match ethertype {
        0x0800 => {
            let ip = header
                .get(l3..l4)
                .filter(|ip| (20..=60).contains(&ip.len()))?;
            let whole = ip[0] == 0x40 | (ip.len() / 4) as u8 && ip.len() % 4 == 0;
            let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
            (whole && !fragment).then_some((Ip::V4, l3, ip[9]))
        }
        0x86dd => {
            let ip = header.get(l3..l4).filter(|ip| ip.len() >= 40)?;
            let mut next = ip[6];
            let mut at = 40;
            while at < ip.len() {
                let ext = ip.get(at..at + 8)?;
                if !matches!(next, 0 | 43 | 60) {
                    return None;
                }
                next = ext[0];
                at += 8 + usize::from(ext[1]) * 8;
            }
            (ip[0] >> 4 == 6 && at == ip.len()).then_some((Ip::V6, l3, next))
        }
        _ => None,
    }
}

impl Segments {
    /// Takes what the buffers of a packet held: the header and behind it the payload.
    pub fn new(mut data: Vec<u8>, request: Request, mss: usize) -> Result<Segments, Error> {
        let Request {
            header,
            transport,
            payload,
        } = request;
        if header == 0 || header > MAX_HEADER || data.len() < header {
            return Err(Error::Header);
        }
        if data.len() - header != payload {
            return Err(Error::Length);
        }
        if mss == 0 {
            return Err(Error::Mss);
        }
        let payload = data.split_off(header);
        let l4 = header.checked_sub(transport).ok_or(Error::Header)?;
        let (ip, l3, protocol) = locate(&data, l4).ok_or(Error::Protocol)?;
        let fits = match protocol {
            TCP => transport >= 20 && usize::from(data[l4 + 12] >> 4) * 4 == transport,
            UDP => transport == 8,
            _ => return Err(Error::Protocol),
        };
        if !fits {
            return Err(Error::Header);
        }
        Ok(Segments {
            header: data,
            payload,
            mss,
            ip,
            l3,
            l4,
            tcp: protocol == TCP,
            at: 0,
            count: 0,
            done: false,
        })
    }

    /// Whether all have been taken.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

impl Iterator for Segments {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.done {
            return None;
        }
        let (l3, l4) = (self.l3, self.l4);
        let first = self.at == 0;
        let end = (self.at + self.mss).min(self.payload.len());
        self.done = end == self.payload.len();
        let mut f = self.header.clone();
        f.extend_from_slice(&self.payload[self.at..end]);
        let len = f.len();
        match self.ip {
            Ip::V4 => {
                let id = u16::from_be_bytes([f[l3 + 4], f[l3 + 5]]).wrapping_add(self.count);
                put16(&mut f, l3 + 2, len - l3);
                put16(&mut f, l3 + 4, usize::from(id));
            }
            Ip::V6 => put16(&mut f, l3 + 4, len - l3 - 40),
        }
        if self.tcp {
            let seq = &mut f[l4 + 4..l4 + 8];
            let start = u32::from_be_bytes([seq[0], seq[1], seq[2], seq[3]]);
            seq.copy_from_slice(&start.wrapping_add(self.at as u32).to_be_bytes());
            if !self.done {
                f[l4 + 13] &= !FIN_PSH;
            }
            if !first {
                f[l4 + 13] &= !CWR;
            }
        } else {
            put16(&mut f, l4 + 4, len - l4);
        }
        self.at = end;
        self.count = self.count.wrapping_add(1);
        Some(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    const SEQ: u32 = 0xffff_f000;

    #[derive(Clone, Copy, Debug)]
    struct Shape {
        v6: bool,
        tcp: bool,
        vlan: bool,
        timestamps: bool,
    }

    /// The headers of a packet as a network stack hands them over, without lengths.
    fn header(s: Shape) -> (Vec<u8>, usize) {
        let eth = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let mut out = Vec::new();
        let options: &[u8] = if s.timestamps {
            &[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]
        } else {
            &[]
        };
        macro_rules! transport {
            ($ip:expr) => {
                if s.tcp {
                    let b = $ip
                        .tcp(1000, 2000, SEQ, 100)
                        .ack(7)
                        .psh()
                        .fin()
                        .cwr()
                        .options_raw(options)
                        .unwrap();
                    b.write(&mut out, &[]).unwrap();
                } else {
                    $ip.udp(1000, 2000).write(&mut out, &[]).unwrap();
                }
            };
        }
        macro_rules! ip {
            ($l2:expr) => {
                if s.v6 {
                    transport!($l2.ipv6([1; 16], [2; 16], 64))
                } else {
                    transport!($l2.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64))
                }
            };
        }
        if s.vlan {
            ip!(eth.single_vlan(0x123.try_into().unwrap()))
        } else {
            ip!(eth)
        }
        let transport = match (s.tcp, s.timestamps) {
            (true, true) => 32,
            (true, false) => 20,
            (false, _) => 8,
        };
        (out, transport)
    }

    fn request(header: &[u8], transport: usize, payload: &[u8]) -> Request {
        Request {
            header: header.len(),
            transport,
            payload: payload.len(),
        }
    }

    fn shape() -> impl Strategy<Value = Shape> {
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(v6, tcp, vlan, timestamps)| Shape {
                v6,
                tcp,
                vlan,
                timestamps,
            },
        )
    }

    proptest! {
        #[test]
        fn segments_reassemble(
            s in shape(),
            id: u16,
            payload in proptest::collection::vec(any::<u8>(), 0..20_000),
            mss in 64usize..9000,
        ) {
            let (mut h, transport) = header(s);
            let l3 = if s.vlan { 18 } else { 14 };
            if !s.v6 {
                h[l3 + 4..l3 + 6].copy_from_slice(&id.to_be_bytes());
            }
            let mut data = h.clone();
            data.extend_from_slice(&payload);
            let all: Vec<Vec<u8>> =
                Segments::new(data, request(&h, transport, &payload), mss).unwrap().collect();
            prop_assert_eq!(all.len(), payload.len().div_ceil(mss).max(1));
            let mut got = Vec::new();
            for (i, f) in all.iter().enumerate() {
                let mut f = f.clone();
                prop_assert_eq!(csum::insert(&mut f, 3), csum::TxStatus::default());
                let p = SlicedPacket::from_ethernet(&f).unwrap();
                match &p.net {
                    Some(NetSlice::Ipv4(ip)) => {
                        let head = ip.header().to_header();
                        prop_assert_eq!(head.identification, id.wrapping_add(i as u16));
                        prop_assert_eq!(head.header_checksum, head.calc_header_checksum());
                        prop_assert_eq!(usize::from(head.total_len), f.len() - l3);
                    }
                    Some(NetSlice::Ipv6(ip)) => {
                        prop_assert_eq!(
                            usize::from(ip.header().payload_length()), f.len() - l3 - 40);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                match &p.transport {
                    Some(TransportSlice::Tcp(t)) => {
                        let head = t.to_header();
                        prop_assert_eq!(head.sequence_number, SEQ.wrapping_add(got.len() as u32));
                        let last = i + 1 == all.len();
                        prop_assert_eq!((head.fin, head.psh, head.cwr), (last, last, i == 0));
                        prop_assert!(head.ack);
                        let want = match &p.net {
                            Some(NetSlice::Ipv4(ip)) => head
                                .calc_checksum_ipv4(&ip.header().to_header(), t.payload()).unwrap(),
                            Some(NetSlice::Ipv6(ip)) => head
                                .calc_checksum_ipv6(&ip.header().to_header(), t.payload()).unwrap(),
                            _ => unreachable!(),
                        };
                        prop_assert_eq!(head.checksum, want);
                        got.extend_from_slice(t.payload());
                    }
                    Some(TransportSlice::Udp(u)) => {
                        prop_assert_eq!(usize::from(u.length()), 8 + u.payload().len());
                        prop_assert!(u.checksum() != 0);
                        got.extend_from_slice(u.payload());
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(got, payload);
        }

        #[test]
        fn garbage_is_refused_without_a_panic(
            data in proptest::collection::vec(any::<u8>(), 0..400),
            header in 0usize..1100,
            transport in 0usize..64,
            payload in 0usize..400,
            mss in 0usize..2000,
        ) {
            let r = Request { header, transport, payload };
            if let Ok(s) = Segments::new(data, r, mss) {
                s.for_each(drop);
            }
        }
    }

    #[test]
    fn what_cannot_be_segmented_says_why() {
        let s = Shape {
            v6: false,
            tcp: true,
            vlan: false,
            timestamps: false,
        };
        let (h, t) = header(s);
        let mut data = h.clone();
        data.extend_from_slice(&[0; 100]);
        let good = Request {
            header: h.len(),
            transport: t,
            payload: 100,
        };
        let try_ = |data: &[u8], r, mss| Segments::new(data.to_vec(), r, mss).err();
        assert_eq!(try_(&data, good, 64), None);
        assert_eq!(try_(&data, good, 0), Some(Error::Mss));
        let short = Request {
            payload: 99,
            ..good
        };
        assert_eq!(try_(&data, short, 64), Some(Error::Length));
        let thl = Request {
            transport: 24,
            ..good
        };
        assert_eq!(try_(&data, thl, 64), Some(Error::Protocol));
        let none = Request { header: 0, ..good };
        assert_eq!(try_(&data, none, 64), Some(Error::Header));
        let mut icmp = data.clone();
        icmp[23] = 1;
        assert_eq!(try_(&icmp, good, 64), Some(Error::Protocol));
        let mut fragment = data.clone();
        fragment[20] = 0x20;
        assert_eq!(try_(&fragment, good, 64), Some(Error::Protocol));
    }
}
