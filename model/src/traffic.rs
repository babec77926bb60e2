// SPDX-License-Identifier: GPL-2.0

//! A source of frames that seem to come over the cable, and a sink for those that are sent: floods
//! that need no second guest.

use std::time::Duration;

use serde_json::{json, Value};

use crate::csum;
use crate::gmac::Gmac;
use crate::regs::gmac4::MAC_ADDR_HIGH;
use crate::wire::Frame;

/// Time between two looks at the clock: a burst for each keeps up with any rate.
const TICK: Duration = Duration::from_micros(200);

/// Frames that are made up for at most when the model was held up; older ones are skipped.
const BEHIND: u64 = 512;

const SRC: [u8; 6] = [0x02, 0, 0, 0, 0xff, 0x01];
/// IEEE 802: local experimental use.
const EXPERIMENTAL: u16 = 0x88b5;
const WAKE_ON_LAN: u16 = 0x0842;
/// Bytes of the shortest magic packet.
const MAGIC: usize = 14 + 6 + 16 * 6;

/// What frames contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// An experimental EtherType and a counter.
    Raw,
    /// IPv4 and UDP with good checksums.
    Udp,
    /// IPv6 and UDP with good checksums.
    Udp6,
    /// A magic packet for the port's own address.
    Magic,
}

#[derive(Clone, Debug)]
struct Source {
    /// Frames a second.
    rate: u64,
    /// Bytes of a frame, FCS not counted.
    size: usize,
    left: Option<u64>,
    /// `None`: the port's own address.
    dst: Option<[u8; 6]>,
    src: [u8; 6],
    content: Content,
    addrs: Option<([u8; 4], [u8; 4])>,
    flows: u16,
    port: u16,
    started: Duration,
    /// Frames due since then that were sent or skipped.
    done: u64,
    made: u64,
    skipped: u64,
}

/// Source and sink of a port.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    source: Option<Source>,
    sink: bool,
    sunk: u64,
    sunk_bytes: u64,
    made: u64,
    made_bytes: u64,
    skipped: u64,
    started: Duration,
    stopped: Option<Duration>,
}

fn mac(s: &str) -> Result<[u8; 6], String> {
    let bytes: Result<Vec<u8>, _> = s.split(':').map(|b| u8::from_str_radix(b, 16)).collect();
    bytes
        .ok()
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| format!("{s} is no address: use xx:xx:xx:xx:xx:xx"))
}

fn ipv4(s: &str) -> Result<[u8; 4], String> {
    s.parse::<std::net::Ipv4Addr>()
        .map(|a| a.octets())
        .map_err(|_| format!("{s} is no IPv4 address"))
}

/// What `start` takes, for help texts.
pub const HELP: &str = "\
start [rate=PPS] [size=BYTES] [count=N] [kind=raw|udp|udp6|magic] [dst=MAC] [src=MAC] [from=IPV4] [to=IPV4] [flows=N] [port=N]
      frames arrive at the port's receiver as if over the cable, which needs a link (default: 1000 a second of 60 bytes
      until stop, EtherType 0x88b5, to the port's own address); size does not count the FCS; flows: different UDP
      source ports; from, to: kind=udp only (192.0.2.254 and 192.0.2.1); magic: to wake the port's own address
stop  ends that
sink on|off
      frames that the port sends are counted and go nowhere
show  counters
";

impl Source {
    fn new(args: &[&str], now: Duration) -> Result<Source, String> {
        let mut s = Source {
            rate: 1000,
            size: 60,
            left: None,
            dst: None,
            src: SRC,
            content: Content::Raw,
            addrs: None,
            flows: 1,
            port: 9,
            started: now,
            done: 0,
            made: 0,
            skipped: 0,
        };
        let (mut from, mut to) = ([192, 0, 2, 254], [192, 0, 2, 1]);
        for arg in args {
            let (key, value) = arg
                .split_once('=')
                .ok_or_else(|| format!("'{arg}' is not key=value"))?;
            let number = |min: u64, max: u64| match value.parse::<u64>() {
                Ok(n) if (min..=max).contains(&n) => Ok(n),
                _ => Err(format!("{key}={value}: use {min} to {max}")),
            };
            match key {
                "rate" => s.rate = number(1, 10_000_000)?,
                "size" => s.size = number(14, 16_000)? as usize,
                "count" => s.left = Some(number(1, u64::MAX)?),
                "flows" => s.flows = number(1, 1000)? as u16,
                "port" => s.port = number(1, 65535)? as u16,
                "dst" => s.dst = Some(mac(value)?),
                "src" => s.src = mac(value)?,
                "from" => from = ipv4(value)?,
                "to" => to = ipv4(value)?,
                "kind" => {
                    s.content = match value {
                        "raw" => Content::Raw,
                        "udp" => Content::Udp,
                        "udp6" => Content::Udp6,
                        "magic" => Content::Magic,
                        _ => return Err(format!("kind={value}: use raw, udp, udp6 or magic")),
                    }
                }
                _ => {
                    return Err(format!(
                        "traffic takes no {key}=; see dwmac-model ctl traffic --help"
                    ))
                }
            }
        }
        if s.content == Content::Magic {
            s.size = s.size.max(MAGIC);
        }
        let least = match s.content {
            Content::Raw => 14,
            Content::Udp => 14 + 20 + 8,
            Content::Udp6 => 14 + 40 + 8,
            Content::Magic => MAGIC,
        };
        if s.size < least {
            return Err(format!(
                "size={}: such frames have at least {least} bytes",
                s.size
            ));
        }
        s.addrs = Some((from, to));
        Ok(s)
    }

    /// Frames that should have been sent by `now`.
    fn due(&self, now: Duration) -> u64 {
        let ns = now.saturating_sub(self.started).as_nanos();
        // The first one at once.
        1 + (ns * u128::from(self.rate) / 1_000_000_000) as u64
    }

    fn frame(&self, own: [u8; 6]) -> Frame {
        let mut data = Vec::with_capacity(self.size);
        data.extend_from_slice(&self.dst.unwrap_or(own));
        data.extend_from_slice(&self.src);
        let source_port = 1024 + (self.made % u64::from(self.flows)) as u16;
        let (from, to) = self.addrs.unwrap_or_default();
        match self.content {
            Content::Raw => {
                data.extend_from_slice(&EXPERIMENTAL.to_be_bytes());
                data.extend_from_slice(&self.made.to_be_bytes());
            }
            Content::Magic => {
                data.extend_from_slice(&WAKE_ON_LAN.to_be_bytes());
                data.extend_from_slice(&[0xff; 6]);
                data.extend_from_slice(&own.repeat(16));
            }
            Content::Udp => {
                let total = (self.size - 14) as u16;
                data.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
                data.extend_from_slice(&total.to_be_bytes());
                // Identification, no fragments, TTL, UDP, checksum to come.
                data.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
                data.extend_from_slice(&from);
                data.extend_from_slice(&to);
                self.udp(&mut data, source_port, total - 20);
            }
            Content::Udp6 => {
                let payload = (self.size - 54) as u16;
                data.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
                data.extend_from_slice(&payload.to_be_bytes());
                data.extend_from_slice(&[17, 64]);
                // From and to the documentation's prefix: 2001:db8::IPV4.
                for addr in [from, to] {
                    data.extend_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]);
                    data.extend_from_slice(&addr);
                }
                self.udp(&mut data, source_port, payload);
            }
        }
        data.resize(self.size, 0);
        if matches!(self.content, Content::Udp | Content::Udp6) {
            csum::insert(&mut data, 3);
        }
        // A sender pads.
        if data.len() < 60 {
            data.resize(60, 0);
        }
        Frame::good(data)
    }

    fn udp(&self, data: &mut Vec<u8>, source_port: u16, len: u16) {
        data.extend_from_slice(&source_port.to_be_bytes());
        data.extend_from_slice(&self.port.to_be_bytes());
        data.extend_from_slice(&len.to_be_bytes());
        data.extend_from_slice(&[0, 0]);
        if len >= 16 {
            data.extend_from_slice(&self.made.to_be_bytes());
        }
    }
}

impl Gmac {
    /// `start [ARGS]`, `stop`, `sink on|off` or `show`.
    pub fn traffic(&mut self, spec: &str) -> Result<Value, String> {
        let words: Vec<&str> = spec.split_whitespace().collect();
        let now = self.clock.now();
        match &words[..] {
            ["start", args @ ..] => {
                let source = Source::new(args, now)?;
                self.traffic = Traffic {
                    source: Some(source),
                    sink: self.traffic.sink,
                    started: now,
                    ..Traffic::default()
                };
                Ok(json!({}))
            }
            ["stop"] => {
                self.stop_traffic(now);
                Ok(self.show_traffic(now))
            }
            ["sink", state @ ("on" | "off")] => {
                self.traffic.sink = *state == "on";
                Ok(json!({}))
            }
            ["show"] => Ok(self.show_traffic(now)),
            _ => Err(format!(
                "'{spec}' is no traffic command; use start [KEY=VALUE...], stop, sink on|off or show"
            )),
        }
    }

    fn show_traffic(&self, now: Duration) -> Value {
        let t = &self.traffic;
        let ran = t.stopped.unwrap_or(now).saturating_sub(t.started);
        json!({
            "running": t.source.is_some(),
            "made": t.made,
            "made_bytes": t.made_bytes,
            // Due, but not made, because the model was held up.
            "skipped": t.skipped,
            "milliseconds": ran.as_millis() as u64,
            "sink": t.sink,
            "sunk": t.sunk,
            "sunk_bytes": t.sunk_bytes,
        })
    }

    fn stop_traffic(&mut self, now: Duration) {
        if self.traffic.source.take().is_some() {
            self.traffic.stopped = Some(now);
        }
    }

    /// Makes the frames that are due, at most `budget`; returns whether there are more.
    pub(crate) fn run_traffic(&mut self, now: Duration, budget: usize) -> bool {
        let Some(mut s) = self.traffic.source.take() else {
            return false;
        };
        let due = s.due(now);
        if due > s.done + BEHIND {
            let skip = due - s.done - BEHIND;
            s.skipped += skip;
            s.done += skip;
        }
        let h = self.regs.get(MAC_ADDR_HIGH).to_le_bytes();
        let l = self.regs.get(MAC_ADDR_HIGH + 4).to_le_bytes();
        let own = [l[0], l[1], l[2], l[3], h[0], h[1]];
        let n = (due.saturating_sub(s.done))
            .min(budget as u64)
            .min(s.left.unwrap_or(u64::MAX));
        for _ in 0..n {
            let frame = s.frame(own);
            self.traffic.made += 1;
            self.traffic.made_bytes += frame.data.len() as u64;
            s.made += 1;
            s.done += 1;
            self.take_from_wire(frame, now);
        }
        self.traffic.skipped = s.skipped;
        let mut ended = false;
        if let Some(left) = &mut s.left {
            *left -= n;
            ended = *left == 0;
        }
        let more = !ended && due > s.done;
        self.traffic.source = Some(s);
        if ended {
            self.stop_traffic(now);
        }
        more
    }

    /// When [`Gmac::run_traffic`] has something to do.
    pub(crate) fn traffic_deadline(&self) -> Option<Duration> {
        let s = self.traffic.source.as_ref()?;
        let next = Duration::from_nanos(
            (u128::from(s.done) * 1_000_000_000).div_ceil(u128::from(s.rate)) as u64,
        );
        Some((s.started + next).max(self.clock.now() + TICK))
    }

    /// Takes a frame that would go over the cable, if there is a sink.
    pub(crate) fn sink(&mut self, frame: &Frame) -> bool {
        if self.traffic.sink {
            self.traffic.sunk += 1;
            self.traffic.sunk_bytes += frame.data.len() as u64;
        }
        self.traffic.sink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(args: &str) -> Result<Source, String> {
        let args: Vec<&str> = args.split_whitespace().collect();
        Source::new(&args, Duration::ZERO)
    }

    #[test]
    fn rates() {
        let s = source("rate=1000").unwrap();
        assert_eq!(s.due(Duration::ZERO), 1);
        assert_eq!(s.due(Duration::from_millis(10)), 11);
        let s = source("rate=3").unwrap();
        assert_eq!(s.due(Duration::from_secs(86400)), 259_201);
    }

    #[test]
    fn frames_are_what_they_claim_to_be() {
        let own = [2, 0, 0, 0, 0, 1];
        let f = source("size=14").unwrap().frame(own);
        assert_eq!((f.data.len(), &f.data[..6]), (60, &own[..]));
        let f = source("kind=magic").unwrap().frame(own);
        assert_eq!(f.data.len(), 116);
        assert!(crate::pmt::is_magic(&f.data, &own));
        assert!(source("kind=magic size=60").is_ok() && source("size=115 kind=magic").is_ok());
        for (kind, size) in [("udp", 42), ("udp", 1514), ("udp6", 62), ("udp6", 1000)] {
            let s = source(&format!("kind={kind} size={size} flows=3")).unwrap();
            let f = s.frame(own);
            assert_eq!(f.data.len(), size.max(60));
            let sliced = etherparse::SlicedPacket::from_ethernet(&f.data).unwrap();
            let Some(etherparse::TransportSlice::Udp(udp)) = sliced.transport else {
                panic!("no UDP in {kind}");
            };
            assert_eq!(udp.destination_port(), 9);
            let verdict = csum::check(&f.data);
            assert!(!verdict.header_error && !verdict.payload_error);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (args, word) in [
            ("rate=0", "rate=0"),
            ("size=9", "size=9"),
            ("kind=udp size=20", "at least 42"),
            ("dst=1:2", "no address"),
            ("colour=red", "colour"),
            ("fast", "key=value"),
        ] {
            let e = source(args).unwrap_err();
            assert!(e.contains(word), "{e}");
        }
    }
}
