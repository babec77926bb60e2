// SPDX-License-Identifier: GPL-2.0

//! Self-tests: `ethtool -t`.
//!
//! Those that are online only look. For the others the port is taken out of service: the stack can
//! send nothing, and what the transmitter emits comes back into the receiver. Frames take the same
//! way as ever, through rings, DMA, FIFOs and filters; each is followed by one that ends the wait,
//! so that a frame that must not arrive costs no more time than one that must. Afterwards the port
//! is set up as it was.

use kernel::{
    net::{
        ethtool::SelfTest,
        packet,
        rtnl::Rtnl,
        skbuff::{
            SkBuff,
            SkBuffRef,
            VlanProtocol,
            VlanTag, //
        }, //
    },
    netdev_err,
    num::casts::IntoSafeCast,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

use crate::{
    hwif::{
        self,
        Filter,
        Lpi,
        VlanSetup, //
    },
    mmc::mac,
    port::Port,
    stats::poll,
    vlan::Vids, //
};

/// How long a frame may take that must arrive.
const PATIENCE: Delta = Delta::from_millis(1000);

/// Time between two looks for it.
const LOOK: Delta = Delta::from_millis(1);

/// For how long clocks are compared.
const CLOCK_TIME: Delta = Delta::from_millis(20);

/// How long low-power idle may take: the link has to be up for a second before.
const LPI_PATIENCE: Delta = Delta::from_millis(3000);

/// How long it may take until a frame is counted that has been delivered.
const COUNTED: Delta = Delta::from_millis(10);

/// Bytes of an Ethernet header.
const HEADER: usize = 14;

/// Bytes of a VLAN tag.
const TAG: usize = 4;

/// Shortest and longest frame without a tag, FCS not counted.
const SHORTEST: usize = 60;
const LONGEST: usize = 1514;

/// Ethertype for local experiments.
const EXPERIMENTAL: u16 = 0x88b5;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MAC_CONTROL: u16 = 0x8808;

const BROADCAST: [u8; 6] = [0xff; 6];

/// Starts the body of a frame of these tests; a number follows.
const MAGIC: [u8; 4] = *b"ssdw";

/// The number of a frame that is looked for, and of one that ends the wait.
const WANTED: u32 = 1;
const END: u32 = 2;

/// A self-test.
struct Test {
    name: &'static CStr,
    offline: bool,
    run: for<'b, 'a> fn(&Bench<'b, 'a>) -> Result,
}

const fn online(name: &'static CStr, run: for<'b, 'a> fn(&Bench<'b, 'a>) -> Result) -> Test {
    Test {
        name,
        offline: false,
        run,
    }
}

const fn offline(name: &'static CStr, run: for<'b, 'a> fn(&Bench<'b, 'a>) -> Result) -> Test {
    Test {
        name,
        offline: true,
        run,
    }
}

/// All tests. `EOPNOTSUPP` means that the hardware does not claim what is to be tested.
const TESTS: [Test; 39] = [
    online(c"link", link),
    online(c"version register", version),
    online(c"capability registers", capabilities),
    online(c"clock", clock),
    offline(c"registers", registers),
    offline(c"loopback", loopback),
    offline(c"short frames", short_frames),
    offline(c"long frames", long_frames),
    offline(c"transmit queues", tx_queues),
    offline(c"jumbo frame", jumbo),
    offline(c"jumbo frames, all queues", jumbo_queues),
    offline(c"insert checksum, TCP IPv4", |bench| {
        bench.inserts_checksum(Ip::V4, L4::Tcp)
    }),
    offline(c"insert checksum, UDP IPv4", |bench| {
        bench.inserts_checksum(Ip::V4, L4::Udp)
    }),
    offline(c"insert checksum, TCP IPv6", |bench| {
        bench.inserts_checksum(Ip::V6, L4::Tcp)
    }),
    offline(c"insert checksum, UDP IPv6", |bench| {
        bench.inserts_checksum(Ip::V6, L4::Udp)
    }),
    offline(c"check checksum, TCP IPv4", |bench| {
        bench.checks_checksum(Ip::V4, L4::Tcp, Flaw::None)
    }),
    offline(c"check checksum, UDP IPv4", |bench| {
        bench.checks_checksum(Ip::V4, L4::Udp, Flaw::None)
    }),
    offline(c"check checksum, TCP IPv6", |bench| {
        bench.checks_checksum(Ip::V6, L4::Tcp, Flaw::None)
    }),
    offline(c"check checksum, UDP IPv6", |bench| {
        bench.checks_checksum(Ip::V6, L4::Udp, Flaw::None)
    }),
    offline(c"find wrong checksum, IPv4", |bench| {
        bench.checks_checksum(Ip::V4, L4::Udp, Flaw::Header)
    }),
    offline(c"find wrong checksum, TCP", |bench| {
        bench.checks_checksum(Ip::V4, L4::Tcp, Flaw::Payload)
    }),
    offline(c"find wrong checksum, UDP", |bench| {
        bench.checks_checksum(Ip::V6, L4::Udp, Flaw::Payload)
    }),
    offline(c"split headers", split_headers),
    offline(c"filter, broadcast", filter_broadcast),
    offline(c"filter, other unicast", filter_strangers),
    offline(c"filter, unicast, perfect", filter_unicast),
    offline(c"filter, unicast, hash", filter_unicast_hash),
    offline(c"filter, multicast", filter_multicast),
    offline(c"filter, all multicast", filter_all_multicast),
    offline(c"filter, promiscuous", filter_promiscuous),
    offline(c"VLAN, insert C-tag", |bench| {
        bench.inserts_tag(VlanProtocol::CTag)
    }),
    offline(c"VLAN, insert S-tag", |bench| {
        bench.inserts_tag(VlanProtocol::STag)
    }),
    offline(c"VLAN, strip", vlan_strip),
    offline(c"VLAN, filter C-tags", vlan_filter_customer),
    offline(c"VLAN, filter S-tags", vlan_filter_service),
    offline(c"VLAN, hash filter", vlan_hash_filter),
    offline(c"counters", counters),
    offline(c"pause frame", pause),
    offline(c"low-power idle", low_power_idle),
];

/// The names of all tests, as shown to users.
pub(crate) const NAMES: [&CStr; TESTS.len()] = {
    let mut names = [c""; TESTS.len()];
    let mut i = 0;
    while i < TESTS.len() {
        names[i] = TESTS[i].name;
        i += 1;
    }
    names
};

/// Runs the tests of a port.
pub(crate) fn run(port: &Port<'_>, test: &mut SelfTest<'_>, rtnl: &Rtnl) {
    let settings = port.settings();
    let bench = Bench {
        port,
        rtnl,
        mtu: port.max_mtu(&settings),
        tx_queues: settings.tx_queues.into_safe_cast(),
        splits: port.splits(&settings),
        vlan: settings.rx_vlan,
    };

    bench.run(test, false, Ok(()));
    if !test.is_offline() {
        return;
    }

    let ready = port.offline(bench.mtu, rtnl, || {
        bench.prepare();
        bench.run(test, true, Ok(()));
    });
    if let Err(err) = ready {
        netdev_err!(
            port.dev(),
            "no offline self-tests ({:?}): is the interface up?\n",
            err
        );
        bench.run(test, true, ready);
    }
}

/// A port that is tested.
struct Bench<'b, 'a> {
    port: &'b Port<'a>,
    rtnl: &'b Rtnl,
    /// What the port is set up for in offline tests.
    mtu: u32,
    tx_queues: usize,
    /// Headers are split off.
    splits: bool,
    /// What the rings take a VLAN tag for that was removed.
    vlan: VlanProtocol,
}

/// Internet protocols.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ip {
    V4,
    V6,
}

/// Transport protocols.
#[derive(Clone, Copy, PartialEq, Eq)]
enum L4 {
    Tcp,
    Udp,
}

/// What is wrong with the checksums of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Header,
    Payload,
}

/// A frame to be sent.
struct Frame {
    bytes: KVec<u8>,
    /// Where [`MAGIC`] is in what the receiver hands to the stack.
    body: usize,
    /// A tag for the hardware to insert.
    tag: Option<VlanTag>,
    /// A checksum for the hardware to insert: where it begins and, behind that, where it goes.
    checksum: Option<(u16, u16)>,
}

impl Frame {
    /// A frame that begins with `head`, has `len` bytes and is recognized by `number`.
    fn new(head: &[u8], number: u32, len: usize) -> Result<Self> {
        let body = head.len().checked_sub(HEADER).ok_or(EINVAL)?;
        let mut bytes = KVec::with_capacity(len.max(SHORTEST), GFP_KERNEL)?;
        bytes.extend_from_slice(head, GFP_KERNEL)?;
        bytes.extend_from_slice(&MAGIC, GFP_KERNEL)?;
        bytes.extend_from_slice(&number.to_be_bytes(), GFP_KERNEL)?;
        for i in 0..len.saturating_sub(bytes.len()) {
            bytes.push(pattern(i), GFP_KERNEL)?;
        }
        Ok(Self {
            bytes,
            body,
            tag: None,
            checksum: None,
        })
    }

    /// A frame of no protocol.
    fn plain(dst: &[u8; 6], src: &[u8; 6], number: u32, len: usize) -> Result<Self> {
        let [hi, lo] = EXPERIMENTAL.to_be_bytes();
        let mut head = [0; HEADER];
        fill(&mut head, 0, dst);
        fill(&mut head, 6, src);
        fill(&mut head, 12, &[hi, lo]);
        Self::new(&head, number, len)
    }

    /// A frame with a tag in its data.
    fn tagged(addr: &[u8; 6], protocol: VlanProtocol, vid: u16) -> Result<Self> {
        let mut head = [0; HEADER + TAG];
        fill(&mut head, 0, addr);
        fill(&mut head, 6, addr);
        fill(&mut head, 12, &protocol.ethertype().to_be_bytes());
        fill(&mut head, 14, &vid.to_be_bytes());
        fill(&mut head, 16, &EXPERIMENTAL.to_be_bytes());
        let mut frame = Self::new(&head, WANTED, SHORTEST + TAG)?;
        // The stack puts the tag beside the data, if the hardware has not.
        frame.body = 0;
        Ok(frame)
    }

    fn skb(&self, port: &Port<'_>) -> Result<SkBuff> {
        let mut skb = SkBuff::from_frame(port.dev(), &self.bytes)?;
        if let Some(tag) = self.tag {
            skb.put_vlan_tag(tag);
        }
        if let Some((start, offset)) = self.checksum {
            skb.request_checksum(start, offset)?;
        }
        Ok(skb)
    }
}

/// Writes `bytes` at `at`, as far as there is room.
fn fill(to: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, byte) in to.iter_mut().skip(at).zip(bytes) {
        *to = *byte;
    }
}

/// Byte `i` after the number of a frame.
pub(crate) fn pattern(i: usize) -> u8 {
    // CAST: The lower bits are wanted.
    (i as u8).wrapping_mul(7).wrapping_add((i >> 8) as u8)
}

/// What has been seen of a frame.
#[derive(Default)]
struct Seen {
    /// Times that it was received.
    frames: u32,
    /// Times that its length and content were right.
    intact: u32,
    /// What was the tag of the last one.
    tag: Option<VlanTag>,
    /// What was in its checksum.
    checksum: u16,
}

/// Looks for a frame.
struct Watch {
    head: [u8; 8],
    end: [u8; 8],
    body: u32,
    /// Bytes from the head on; short frames are padded.
    len: u32,
    /// Where the checksum is.
    checksum_at: u32,
    frames: Atomic<u32>,
    intact: Atomic<u32>,
    tag: Atomic<u32>,
    checksum: Atomic<u32>,
    ended: Atomic<u32>,
}

impl Watch {
    const HAS_TAG: u32 = 1 << 16;
    const IS_S_TAG: u32 = 1 << 17;

    fn head(number: u32) -> [u8; 8] {
        let mut head = [0; 8];
        fill(&mut head, 0, &MAGIC);
        fill(&mut head, 4, &number.to_be_bytes());
        head
    }

    fn new(frame: &Frame) -> Result<Self> {
        let in_band = frame.bytes.len().checked_sub(HEADER).ok_or(EINVAL)?;
        let zero = || Atomic::new(0);
        let checksum_at = frame.checksum.map_or(0, |(start, offset)| {
            u32::from(start)
                .saturating_add(offset.into())
                .saturating_sub(HEADER as u32)
        });
        Ok(Self {
            head: Self::head(WANTED),
            end: Self::head(END),
            body: u32::try_from(frame.body)?,
            len: u32::try_from(in_band)?,
            checksum_at,
            frames: zero(),
            intact: zero(),
            tag: zero(),
            checksum: zero(),
            ended: zero(),
        })
    }

    /// Whether everything behind the number is as it was sent.
    fn is_intact(&self, frame: &SkBuffRef) -> bool {
        // What the stack has made of a tag is not there any more.
        let tag = if self.body == 0 && frame.vlan_tag().is_some() {
            TAG as u32
        } else {
            0
        };
        let longest = self.len;
        if frame.len() != longest && frame.len().saturating_add(tag) != longest {
            return false;
        }
        let mut at = self.body.saturating_add(8);
        let mut i = 0usize;
        let mut chunk = [0; 64];
        while at < frame.len() {
            let rest = frame.len().wrapping_sub(at).min(64);
            let Some(chunk) = chunk.get_mut(..rest.into_safe_cast()) else {
                return false;
            };
            if frame.copy_bits(at, chunk).is_err() {
                return false;
            }
            for byte in chunk.iter() {
                if *byte != pattern(i) {
                    return false;
                }
                i = i.wrapping_add(1);
            }
            at = at.saturating_add(rest);
        }
        true
    }

    fn seen(&self) -> Seen {
        let tag = self.tag.load(Relaxed);
        // CAST: The lower bits are wanted.
        Seen {
            frames: self.frames.load(Relaxed),
            intact: self.intact.load(Relaxed),
            tag: (tag & Self::HAS_TAG != 0).then_some(VlanTag {
                protocol: if tag & Self::IS_S_TAG != 0 {
                    VlanProtocol::STag
                } else {
                    VlanProtocol::CTag
                },
                tci: tag as u16,
            }),
            checksum: self.checksum.load(Relaxed) as u16,
        }
    }
}

impl packet::Handler for Watch {
    fn receive(&self, frame: &SkBuffRef) {
        let mut head = [0; 8];
        if frame.copy_bits(0, &mut head).is_ok() && head == self.end {
            self.ended.store(1, Release);
            return;
        }
        if frame.copy_bits(self.body, &mut head).is_err() || head != self.head {
            return;
        }

        if self.is_intact(frame) {
            self.intact.fetch_add(1, Relaxed);
        }
        if let Some(tag) = frame.vlan_tag() {
            let kind = if tag.protocol == VlanProtocol::STag {
                Self::IS_S_TAG
            } else {
                0
            };
            self.tag
                .store(Self::HAS_TAG | kind | u32::from(tag.tci), Relaxed);
        }
        let mut sum = [0; 2];
        if frame.copy_bits(self.checksum_at, &mut sum).is_ok() {
            self.checksum.store(u16::from_be_bytes(sum).into(), Relaxed);
        }
        self.frames.fetch_add(1, Relaxed);
    }
}

/// `EIO` unless `good`.
fn expect(good: bool) -> Result {
    if good {
        Ok(())
    } else {
        Err(EIO)
    }
}

/// `EOPNOTSUPP` unless `claimed`.
fn claims(claimed: bool) -> Result {
    if claimed {
        Ok(())
    } else {
        Err(EOPNOTSUPP)
    }
}

/// A unicast or multicast address that is nobody's.
fn stranger(multicast: bool, number: u8) -> [u8; 6] {
    [
        if multicast { 0x03 } else { 0x02 },
        0xd0,
        0,
        0x5e,
        0x1f,
        number,
    ]
}

impl Bench<'_, '_> {
    /// Runs the tests of one kind, or gives them all the same result.
    fn run(&self, test: &mut SelfTest<'_>, offline: bool, ready: Result) {
        for (index, one) in TESTS.iter().enumerate() {
            if one.offline != offline {
                continue;
            }
            let Err(err) = ready.and_then(|()| (one.run)(self)) else {
                continue;
            };
            // CAST: ethtool shows the lower half as a signed number.
            test.set(index, i64::from(err.to_errno()) as u64);
            if err == EOPNOTSUPP {
                continue;
            }
            test.fail();
            if ready.is_ok() {
                netdev_err!(
                    self.port.dev(),
                    "self-test '{}' failed ({:?})\n",
                    one.name,
                    err
                );
            }
        }
    }

    /// Nothing that the user has set is to stand in the way of a frame.
    fn prepare(&self) {
        // If it fails the tests of VLANs show it.
        let _ = self.set_vlan(&NO_VLAN);
        self.set_filter(&NO_FILTER);
    }

    fn addr(&self) -> [u8; 6] {
        self.port.dev().dev_addr()
    }

    /// Sends `frame` by channel `ch`: what was received of it. `ETIMEDOUT` if nothing is received
    /// at all.
    fn exchange_by(&self, ch: usize, frame: &Frame) -> Result<Seen> {
        let own = self.addr();
        let end = Frame::plain(&own, &own, END, SHORTEST)?;
        let watch = Watch::new(frame)?;
        let port = self.port;

        packet::watch(port.dev(), &watch, self.rtnl, || {
            port.transmit(ch, frame.skb(port)?)?;
            port.transmit(ch, end.skb(port)?)?;
            hwif::wait_until(
                || Ok(watch.ended.load(Acquire)),
                |&ended| ended != 0,
                LOOK,
                PATIENCE,
            )
        })??;
        Ok(watch.seen())
    }

    fn exchange(&self, frame: &Frame) -> Result<Seen> {
        self.exchange_by(0, frame)
    }

    /// A frame of `len` bytes to ourselves comes back, once and intact.
    fn returns(&self, ch: usize, len: usize) -> Result {
        let own = self.addr();
        let seen = self.exchange_by(ch, &Frame::plain(&own, &own, WANTED, len)?)?;
        expect(seen.frames == 1 && seen.intact == 1)
    }

    /// How often a frame for `dst` passes the filter.
    fn passes(&self, dst: &[u8; 6]) -> Result<bool> {
        let frame = Frame::plain(dst, &self.addr(), WANTED, SHORTEST)?;
        Ok(self.exchange(&frame)?.frames != 0)
    }

    fn set_filter(&self, filter: &Filter<'_>) {
        let hw = &self.port.hw;
        hw.configure_mac(|mac, io| mac.set_filter(io, &hw.features, filter));
    }

    /// Longest frame that the port is set up for.
    fn longest(&self) -> usize {
        let mtu: usize = self.mtu.into_safe_cast();
        mtu.saturating_add(HEADER)
    }

    /// A segment to ourselves, and its checksum; the field holds the sum of the pseudo-header if
    /// the hardware is to fill it in.
    fn segment(&self, ip: Ip, l4: L4, flaw: Flaw, insert: bool) -> Result<(Frame, u16)> {
        const PAYLOAD: usize = 8 + 93;

        let own = self.addr();
        let (ip_len, l4_len, offset, protocol) = match (ip, l4) {
            (Ip::V4, L4::Tcp) => (20, 20, 16, 6),
            (Ip::V4, L4::Udp) => (20, 8, 6, 17),
            (Ip::V6, L4::Tcp) => (40, 20, 16, 6),
            (Ip::V6, L4::Udp) => (40, 8, 6, 17),
        };
        let start = HEADER + ip_len;
        let segment_len = l4_len + PAYLOAD;
        // CAST: Small constants.
        let (segment_len16, total16) = (segment_len as u16, (ip_len + segment_len) as u16);

        // Addresses are zero, so that no stack makes anything of it; they add nothing to sums.
        let mut head = [0; HEADER + 40 + 20];
        fill(&mut head, 0, &own);
        fill(&mut head, 6, &own);
        match ip {
            Ip::V4 => {
                fill(&mut head, 12, &IPV4.to_be_bytes());
                fill(&mut head, HEADER, &[0x45]);
                fill(&mut head, HEADER + 2, &total16.to_be_bytes());
                fill(&mut head, HEADER + 8, &[64, protocol]);
                let sum = !fold(sum(head.get(HEADER..start).ok_or(EINVAL)?));
                let sum = if flaw == Flaw::Header { !sum } else { sum };
                fill(&mut head, HEADER + 10, &sum.to_be_bytes());
            }
            Ip::V6 => {
                fill(&mut head, 12, &IPV6.to_be_bytes());
                fill(&mut head, HEADER, &[0x60]);
                fill(&mut head, HEADER + 4, &segment_len16.to_be_bytes());
                fill(&mut head, HEADER + 6, &[protocol, 64]);
            }
        }
        // Port 9 discards.
        fill(&mut head, start + 2, &9u16.to_be_bytes());
        match l4 {
            L4::Tcp => fill(&mut head, start + 12, &[0x50]),
            L4::Udp => fill(&mut head, start + 4, &segment_len16.to_be_bytes()),
        }

        let head = head.get(..start + l4_len).ok_or(EINVAL)?;
        let mut frame = Frame::new(head, WANTED, start + segment_len)?;
        let pseudo = fold(u32::from(protocol).wrapping_add(segment_len16.into()));
        let whole = sum(frame.bytes.get(start..).ok_or(EINVAL)?);
        let right = match !fold(whole.wrapping_add(pseudo.into())) {
            // Zero means that there is none.
            0 => 0xffff,
            right => right,
        };
        let field = match (insert, flaw) {
            (true, _) => pseudo,
            (false, Flaw::Payload) => right ^ 0x5555,
            (false, _) => right,
        };
        fill(&mut frame.bytes, start + offset, &field.to_be_bytes());
        // CAST: Small constants.
        frame.checksum = Some((start as u16, offset as u16));
        Ok((frame, right))
    }

    fn inserts_checksum(&self, ip: Ip, l4: L4) -> Result {
        claims(self.port.hw.features.tx_checksum)?;
        let (frame, right) = self.segment(ip, l4, Flaw::None, true)?;
        let seen = self.exchange(&frame)?;
        expect(seen.intact == 1 && seen.checksum == right)
    }

    fn checks_checksum(&self, ip: Ip, l4: L4, flaw: Flaw) -> Result {
        claims(self.port.hw.features.rx_checksum)?;
        let (mut frame, _) = self.segment(ip, l4, flaw, false)?;
        frame.checksum = None;
        let before = self.polled(poll::RX_CSUM_GOOD);
        let seen = self.exchange(&frame)?;
        if flaw == Flaw::None {
            let verified = || Ok(self.polled(poll::RX_CSUM_GOOD).wrapping_sub(before));
            hwif::wait_until(verified, |&count| count == 1, LOOK, COUNTED)?;
            expect(seen.intact == 1)
        } else {
            // It may be delivered, as long as nobody vouches for it.
            fsleep(COUNTED);
            expect(self.polled(poll::RX_CSUM_GOOD) == before)
        }
    }

    /// A counter of all polls, of [`poll`]. A poll counts when it ends, after it has delivered
    /// frames.
    fn polled(&self, counter: usize) -> u64 {
        self.port.channels.iter().fold(0, |sum: u64, channel| {
            let counters = channel.poll_stats.read();
            sum.wrapping_add(counters.get(counter).copied().unwrap_or(0))
        })
    }

    fn set_vlan(&self, setup: &VlanSetup<'_>) -> Result<bool> {
        let hw = &self.port.hw;
        hw.hwif.vlan.configure(hw.io(), &hw.features, setup)
    }

    fn inserts_tag(&self, protocol: VlanProtocol) -> Result {
        claims(self.port.hw.features.sa_vlan_insertion)?;
        self.set_vlan(&VlanSetup {
            insert: protocol,
            ..NO_VLAN
        })?;
        let own = self.addr();
        let tag = VlanTag {
            protocol,
            tci: 0x2123,
        };
        let frame = Frame {
            tag: Some(tag),
            ..Frame::plain(&own, &own, WANTED, 100)?
        };
        let seen = self.exchange(&frame)?;
        expect(seen.frames == 1 && seen.tag == Some(tag))
    }

    /// Frames with tags of one type and VLAN `member` pass the filter, those of VLAN `other` do
    /// not. The filter leaves tags of the other type alone.
    fn filters_vlans(&self, protocol: VlanProtocol, member: u16, other: u16) -> Result {
        let ignored = match protocol {
            VlanProtocol::CTag => VlanProtocol::STag,
            VlanProtocol::STag => VlanProtocol::CTag,
        };
        let mut vids = Vids::new();
        vids.set(member, true)?;
        let active = self.set_vlan(&VlanSetup {
            protocol,
            filter: Some(&vids),
            ..NO_VLAN
        })?;
        claims(active)?;
        self.set_filter(&Filter {
            vlan: true,
            ..NO_FILTER
        });
        let own = self.addr();
        let passes = |protocol, vid| {
            let frame = Frame::tagged(&own, protocol, vid)?;
            Ok::<_, Error>(self.exchange(&frame)?.frames != 0)
        };
        let result = passes(protocol, member)
            .and_then(|member| Ok((member, passes(protocol, other)?, passes(ignored, other)?)));
        self.set_filter(&NO_FILTER);
        self.set_vlan(&NO_VLAN)?;
        expect(result? == (true, false, true))
    }

    fn count(&self, counter: usize) -> Result<u64> {
        self.port.hw.counter(counter).ok_or(EOPNOTSUPP)
    }
}

/// Nothing but frames for the port's own address and for everybody.
const NO_FILTER: Filter<'static> = Filter {
    promiscuous: false,
    all_multicast: false,
    unicast: &[],
    multicast: &[],
    vlan: false,
};

/// Tags are left alone.
const NO_VLAN: VlanSetup<'static> = VlanSetup {
    protocol: VlanProtocol::CTag,
    strip: false,
    insert: VlanProtocol::CTag,
    filter: None,
};

/// Sum of the 16-bit words of `bytes`, of which there are few enough.
pub(crate) fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(0, |sum: u32, word| {
        let hi = word.first().copied().unwrap_or(0);
        let lo = word.get(1).copied().unwrap_or(0);
        sum.wrapping_add(u16::from_be_bytes([hi, lo]).into())
    })
}

/// Folds a sum to 16 bits as the Internet's checksums want it.
pub(crate) fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    // CAST: What carries is added above or here, so that the upper half is empty.
    (sum & 0xffff).wrapping_add(sum >> 16) as u16
}

fn link(bench: &Bench<'_, '_>) -> Result {
    if bench.port.dev().carrier_ok() {
        Ok(())
    } else {
        Err(ENOLINK)
    }
}

fn version(bench: &Bench<'_, '_>) -> Result {
    let hw = &bench.port.hw;
    let (spec, _) = hwif::probe(hw.dev, hw.io(), hw.spec.family)?;
    expect(spec == hw.spec)
}

fn capabilities(bench: &Bench<'_, '_>) -> Result {
    let hw = &bench.port.hw;
    expect(hw.read_features() == hw.features)
}

/// It goes as fast as the system's, as far as it may be adjusted.
fn clock(bench: &Bench<'_, '_>) -> Result {
    let clock = bench.port.clock()?;
    let read = || {
        let before = Instant::<Monotonic>::now();
        let time = clock.now()?;
        Ok::<_, Error>((before, time.as_nanos(), Instant::<Monotonic>::now()))
    };
    let (t0, a, t1) = read()?;
    fsleep(CLOCK_TIME);
    let (t2, b, t3) = read()?;
    let elapsed = b.wrapping_sub(a);
    let (least, most) = ((t2 - t1).as_nanos(), (t3 - t0).as_nanos());
    // A tenth.
    let slack = most.wrapping_shr(4).wrapping_add(most.wrapping_shr(5));
    expect((least.wrapping_sub(slack)..=most.wrapping_add(slack)).contains(&elapsed))
}

fn registers(bench: &Bench<'_, '_>) -> Result {
    let hw = &bench.port.hw;
    let mut result = Ok(());
    hw.configure_mac(|mac, io| result = mac.test_registers(io, &hw.features));
    bench.set_filter(&NO_FILTER);
    result
}

fn loopback(bench: &Bench<'_, '_>) -> Result {
    bench.returns(0, 100)
}

fn short_frames(bench: &Bench<'_, '_>) -> Result {
    let mut lengths = Iterator::chain(SHORTEST..=SHORTEST + 9, [127, 128, 129, 255, 256, 257]);

    lengths.try_for_each(|len| bench.returns(0, len))
}

fn long_frames(bench: &Bench<'_, '_>) -> Result {
    [511, 512, 513, 1023, 1024, 1025, LONGEST - 1, LONGEST]
        .into_iter()
        .try_for_each(|len| bench.returns(0, len))
}

fn tx_queues(bench: &Bench<'_, '_>) -> Result {
    (0..bench.tx_queues).try_for_each(|ch| bench.returns(ch, 200))
}

fn jumbo(bench: &Bench<'_, '_>) -> Result {
    claims(bench.longest() > LONGEST)?;
    bench.returns(0, bench.longest())
}

fn jumbo_queues(bench: &Bench<'_, '_>) -> Result {
    claims(bench.longest() > LONGEST && bench.tx_queues > 1)?;
    (0..bench.tx_queues).try_for_each(|ch| bench.returns(ch, bench.longest()))
}

/// The headers of a segment, and nothing else, arrive in a buffer of their own.
fn split_headers(bench: &Bench<'_, '_>) -> Result {
    claims(bench.splits)?;
    for (ip, l4) in [(Ip::V4, L4::Tcp), (Ip::V6, L4::Udp)] {
        let (mut frame, _) = bench.segment(ip, l4, Flaw::None, false)?;
        frame.checksum = None;
        let before = bench.polled(poll::RX_SPLIT_HEADERS);
        let seen = bench.exchange(&frame)?;
        let split = || Ok(bench.polled(poll::RX_SPLIT_HEADERS).wrapping_sub(before));
        hwif::wait_until(split, |&count| count == 1, LOOK, COUNTED)?;
        expect(seen.intact == 1)?;
    }
    Ok(())
}

fn filter_broadcast(bench: &Bench<'_, '_>) -> Result {
    bench.set_filter(&NO_FILTER);
    expect(bench.passes(&BROADCAST)?)
}

fn filter_strangers(bench: &Bench<'_, '_>) -> Result {
    bench.set_filter(&NO_FILTER);
    expect(bench.passes(&bench.addr())? && !bench.passes(&stranger(false, 1))?)
}

fn filter_unicast(bench: &Bench<'_, '_>) -> Result {
    claims(bench.port.hw.features.added_addresses != 0)?;
    bench.set_filter(&Filter {
        unicast: &[stranger(false, 1)],
        ..NO_FILTER
    });
    let passed = (
        bench.passes(&stranger(false, 1))?,
        bench.passes(&stranger(false, 2))?,
    );
    bench.set_filter(&NO_FILTER);
    expect(passed == (true, false))
}

/// More addresses than there are registers for.
fn filter_unicast_hash(bench: &Bench<'_, '_>) -> Result {
    let features = &bench.port.hw.features;
    claims(features.hash_bits != 0)?;
    let mut addrs = KVec::new();
    for number in 0..=u8::try_from(features.added_addresses).unwrap_or(u8::MAX) {
        addrs.push(stranger(false, number), GFP_KERNEL)?;
    }
    bench.set_filter(&Filter {
        unicast: &addrs,
        ..NO_FILTER
    });
    let last = addrs.last().copied().unwrap_or(BROADCAST);
    let passed = bench.passes(&last)?;
    bench.set_filter(&NO_FILTER);
    expect(passed && !bench.passes(&last)?)
}

fn filter_multicast(bench: &Bench<'_, '_>) -> Result {
    let features = &bench.port.hw.features;
    claims(features.hash_bits != 0 || features.added_addresses != 0)?;
    bench.set_filter(&Filter {
        multicast: &[stranger(true, 1)],
        ..NO_FILTER
    });
    let passed = bench.passes(&stranger(true, 1))?;
    let mut strangers = 0u32;
    for number in 2..6 {
        strangers = u32::from(bench.passes(&stranger(true, number))?).wrapping_add(strangers);
    }
    bench.set_filter(&NO_FILTER);
    // Of others some may fall into the same bin of a hash table.
    expect(passed && strangers < 4)
}

fn filter_all_multicast(bench: &Bench<'_, '_>) -> Result {
    bench.set_filter(&Filter {
        all_multicast: true,
        ..NO_FILTER
    });
    let passed = (
        bench.passes(&stranger(true, 1))?,
        bench.passes(&stranger(false, 1))?,
    );
    bench.set_filter(&NO_FILTER);
    expect(passed == (true, false))
}

fn filter_promiscuous(bench: &Bench<'_, '_>) -> Result {
    bench.set_filter(&Filter {
        promiscuous: true,
        ..NO_FILTER
    });
    let passed = bench.passes(&stranger(false, 1))?;
    bench.set_filter(&NO_FILTER);
    expect(passed)
}

fn vlan_strip(bench: &Bench<'_, '_>) -> Result {
    const TCI: u16 = 0x123;

    let protocol = bench.vlan;
    bench.set_vlan(&VlanSetup {
        protocol,
        strip: true,
        ..NO_VLAN
    })?;
    let before = bench.polled(poll::RX_VLAN_FRAMES);
    let seen = bench.exchange(&Frame::tagged(&bench.addr(), protocol, TCI)?)?;
    bench.set_vlan(&NO_VLAN)?;
    // The stack would do it as well.
    let removed = || Ok(bench.polled(poll::RX_VLAN_FRAMES).wrapping_sub(before));
    hwif::wait_until(removed, |&count| count == 1, LOOK, COUNTED)?;
    let tag = VlanTag { protocol, tci: TCI };
    expect(seen.intact == 1 && seen.tag == Some(tag))
}

fn vlan_filter_customer(bench: &Bench<'_, '_>) -> Result {
    let features = &bench.port.hw.features;
    claims(features.vlan_filters != 0 || features.vlan_hash)?;
    bench.filters_vlans(VlanProtocol::CTag, 100, 201)
}

fn vlan_filter_service(bench: &Bench<'_, '_>) -> Result {
    let features = &bench.port.hw.features;
    claims(features.double_vlan && (features.vlan_filters != 0 || features.vlan_hash))?;
    bench.filters_vlans(VlanProtocol::STag, 100, 201)
}

/// More VLANs than there are registers for.
fn vlan_hash_filter(bench: &Bench<'_, '_>) -> Result {
    claims(bench.port.hw.features.vlan_hash)?;
    // Few bins have to be taken, so that one is left for what must not pass.
    let mut vids = Vids::new();
    for vid in 100..140 {
        vids.set(vid, true)?;
    }
    let active = bench.set_vlan(&VlanSetup {
        filter: Some(&vids),
        ..NO_VLAN
    })?;
    claims(active)?;
    bench.set_filter(&Filter {
        vlan: true,
        ..NO_FILTER
    });
    let own = bench.addr();
    let result = [100, 113, 126, 139].into_iter().try_for_each(|vid| {
        let seen = bench.exchange(&Frame::tagged(&own, VlanProtocol::CTag, vid)?)?;
        expect(seen.frames == 1)
    });
    bench.set_filter(&NO_FILTER);
    bench.set_vlan(&NO_VLAN)?;
    result
}

fn counters(bench: &Bench<'_, '_>) -> Result {
    const FRAMES: u64 = 5;

    let read = || {
        Ok::<_, Error>((
            bench.count(mac::TX_GOOD)?,
            bench.count(mac::RX_GOOD_UNICAST)?,
        ))
    };
    let (sent, received) = read()?;
    for _ in 0..FRAMES {
        bench.returns(0, 100)?;
    }
    let (sent_after, received_after) = read()?;
    // Each is followed by another one.
    expect(
        sent_after.wrapping_sub(sent) == 2 * FRAMES
            && received_after.wrapping_sub(received) == 2 * FRAMES,
    )
}

/// A pause frame, of no duration, is obeyed and goes nowhere.
fn pause(bench: &Bench<'_, '_>) -> Result {
    let hw = &bench.port.hw;
    let before = bench.count(mac::RX_PAUSE)?;
    hw.loop_back(true)?;

    let mut head = [0; HEADER + 4];
    fill(&mut head, 0, &[0x01, 0x80, 0xc2, 0x00, 0x00, 0x01]);
    fill(&mut head, 6, &bench.addr());
    fill(&mut head, 12, &MAC_CONTROL.to_be_bytes());
    // The opcode; no time.
    fill(&mut head, HEADER, &[0, 1, 0, 0]);
    let seen = bench.exchange(&Frame::new(&head, WANTED, SHORTEST)?);
    hw.loop_back(false)?;
    expect(seen?.frames == 0 && bench.count(mac::RX_PAUSE)? > before)
}

/// An idle transmitter enters it, and a frame gets it out.
fn low_power_idle(bench: &Bench<'_, '_>) -> Result {
    let hw = &bench.port.hw;
    claims(hw.features.eee)?;
    let before = bench.count(mac::TX_LPI_ENTRIES)?;
    let set = |lpi: Option<&Lpi>| {
        hw.configure_mac(|mac, io| mac.set_lpi(io, lpi, hw.config.csr_rate));
    };
    set(Some(&Lpi {
        idle_usecs: 1000,
        stop_clock: false,
    }));
    let entered = hwif::wait_until(
        || bench.count(mac::TX_LPI_ENTRIES),
        |&entries| entries != before,
        LOOK,
        LPI_PATIENCE,
    );
    let result = bench.returns(0, 100);
    set(None);
    entered?;
    result
}
