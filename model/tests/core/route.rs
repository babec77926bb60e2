// SPDX-License-Identifier: GPL-2.0

//! Which receive queue a packet gets, and which channel by the map.

use super::*;

const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 0x05];
const NEAREST_BRIDGE: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0x0e];
const STRANGER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];

const OTHER: [u8; 2] = [0x88, 0xb5];
const AV_CONTROL: [u8; 2] = [0x22, 0xf0];
const LLDP: [u8; 2] = [0x88, 0xcc];

// Each kind of packet has a queue of its own.
const AVCPQ: u32 = 1;
const DCBCPQ: u32 = 2 << 8;
const UPQ: u32 = 3 << 12;
const MCBCQ: u32 = 4 << 16;
const MCBCQEN: u32 = 1 << 20;
const TYPES: u32 = AVCPQ | DCBCPQ | UPQ | MCBCQ;
const UFFQ: u32 = 5 << 1;
const UFFQE: u32 = 1;
const MFFQ: u32 = 6 << 9;
const MFFQE: u32 = 1 << 8;
const VFFQ: u32 = 7 << 17;
const VFFQE: u32 = 1 << 16;
const FAILURES: u32 = UFFQ | MFFQ | VFFQ;

fn of_type(to: [u8; 6], ethertype: [u8; 2]) -> Vec<u8> {
    let mut f = frame(to, 60);
    f[12..14].copy_from_slice(&ethertype);
    f
}

fn with_tag(mut data: Vec<u8>, priority: u8, id: u8) -> Vec<u8> {
    data.splice(12..12, [0x81, 0, priority << 5, id]);
    data
}

/// The queue and the channel that a packet gets in a core with eight of each that is set up with
/// `registers`; `None` if it is dropped. Queue `q` belongs to channel `7 - q`.
fn routed(registers: &[(u32, u32)], data: Vec<u8>) -> Option<(usize, usize)> {
    let mut b = Bench::new(|c| (c.tx_queues, c.rx_queues) = (8, 8));
    b.start(4);
    b.w(MAC_RXQ_CTRL0, 0xaaaa);
    b.w(MTL_RXQ_DMA_MAP, 0x0405_0607);
    b.w(MTL_RXQ_DMA_MAP + 4, 0x0001_0203);
    b.stop(CH_RX_CONTROL, RX_SR);
    for c in 0..8 {
        b.w(mtl(c, MTL_RXQ_MODE), RXQ_RSF | 31 << 20);
        let base = RX_RING as u32 + c as u32 * 0x100;
        b.w(ch(c, CH_RX_BASE), base);
        b.w(ch(c, CH_RX_TAIL), base);
        b.w(ch(c, CH_RX_LEN), 3);
        b.w(ch(c, CH_RX_CONTROL), RX_ON | 1536 << 1);
    }
    for (off, value) in registers {
        b.w(*off, *value);
    }
    b.arrive(Frame::good(data));
    // Nobody has a descriptor: the packet stays in its queue, and its channel asks for one.
    let queues: Vec<_> = (0..8)
        .filter(|q| b.r(mtl(*q, MTL_RXQ_DEBUG)) >> 16 != 0)
        .collect();
    let channels: Vec<_> = (0..8)
        .filter(|c| b.r(ch(*c, CH_STATUS)) & ST_RBU != 0)
        .collect();
    assert_eq!(queues.len(), channels.len());
    assert_eq!(queues.is_empty(), b.mac.stats.rx_filtered == 1);
    assert!(queues.len() < 2, "{queues:?}");
    Some((*queues.first()?, *channels.first()?))
}

/// The same of a packet that goes where the static map sends its queue.
fn queue(registers: &[(u32, u32)], data: Vec<u8>) -> Option<usize> {
    let (queue, channel) = routed(registers, data)?;
    assert_eq!(queue + channel, 7);
    Some(queue)
}

#[test]
fn untagged_packets_go_by_their_type() {
    let setup = [(MAC_RXQ_CTRL1, TYPES), (MAC_PACKET_FILTER, FILTER_PM)];
    for (to, ethertype, want) in [
        (US, OTHER, 3),
        (US, AV_CONTROL, 1),
        (US, LLDP, 2),
        (NEAREST_BRIDGE, LLDP, 2),
        // MCBCQ is off.
        (GROUP, OTHER, 3),
        ([0xff; 6], OTHER, 3),
    ] {
        let got = queue(&setup, of_type(to, ethertype));
        assert_eq!(got, Some(want), "{to:02x?} {ethertype:02x?}");
    }
    // Nothing chosen: all go to the first.
    assert_eq!(queue(&[], of_type(US, AV_CONTROL)), Some(0));
    assert_eq!(queue(&[], of_type([0xff; 6], OTHER)), Some(0));
}

#[test]
fn groups_and_broadcasts_have_a_queue_that_comes_before_types_and_priorities() {
    let setup = [
        (MAC_RXQ_CTRL1, TYPES | MCBCQEN),
        (MAC_RXQ_CTRL2, 1 << (8 + 6)),
        (MAC_PACKET_FILTER, FILTER_PM),
    ];
    for (data, want) in [
        (of_type([0xff; 6], OTHER), 4),
        (of_type(GROUP, OTHER), 4),
        (of_type(NEAREST_BRIDGE, LLDP), 4),
        (of_type(GROUP, AV_CONTROL), 4),
        (with_tag(frame(GROUP, 60), 6, 1), 4),
        // To one station.
        (of_type(US, LLDP), 2),
        (with_tag(frame(US, 60), 6, 1), 1),
        (frame(US, 60), 3),
    ] {
        let what = format!("{:02x?}", &data[..18]);
        assert_eq!(queue(&setup, data), Some(want), "{what}");
    }
}

#[test]
fn tagged_packets_go_by_priority() {
    // Priority p to queue 7 - p, but for 2, which has none.
    let setup = [
        (MAC_RXQ_CTRL1, TYPES),
        (MAC_RXQ_CTRL2, 0x1020_4080),
        (MAC_RXQ_CTRL2 + 4, 0x0102_0008),
    ];
    for priority in 0..8 {
        let want = match priority {
            2 => 0,
            p => 7 - usize::from(p),
        };
        for ethertype in [OTHER, AV_CONTROL, LLDP] {
            let data = with_tag(of_type(US, ethertype), priority, 1);
            let got = queue(&setup, data);
            assert_eq!(got, Some(want), "{priority} {ethertype:02x?}");
        }
    }
    // A queue takes several.
    let several = [(MAC_RXQ_CTRL2, 0xf0 << 16)];
    assert_eq!(queue(&several, with_tag(frame(US, 60), 4, 1)), Some(2));
    assert_eq!(queue(&several, with_tag(frame(US, 60), 7, 1)), Some(2));
    assert_eq!(queue(&several, with_tag(frame(US, 60), 3, 1)), Some(0));
}

#[test]
fn packets_that_fail_the_address_filter_have_queues() {
    let setup = |filter: u32, fail: u32| {
        [
            (MAC_RXQ_CTRL1, TYPES | MCBCQEN),
            (MAC_RXQ_CTRL2, 1 << (8 + 6)),
            (MAC_RXQ_CTRL4, FAILURES | fail),
            (MAC_PACKET_FILTER, filter),
        ]
    };
    let all = UFFQE | MFFQE;
    for (filter, fail, data, want) in [
        (FILTER_RA, all, frame(STRANGER, 60), Some(5)),
        (FILTER_RA, all, of_type(STRANGER, LLDP), Some(5)),
        (FILTER_RA, all, frame(GROUP, 60), Some(6)),
        (FILTER_RA | FILTER_DBF, all, frame([0xff; 6], 60), Some(6)),
        // The source address.
        (FILTER_RA | FILTER_SAF, all, frame(US, 60), Some(5)),
        // What passes is no concern of theirs.
        (FILTER_RA, all, frame(US, 60), Some(3)),
        (FILTER_RA | FILTER_PM, all, frame(GROUP, 60), Some(4)),
        (FILTER_RA, all, frame([0xff; 6], 60), Some(4)),
        (FILTER_RA | FILTER_PR, all, frame(STRANGER, 60), Some(3)),
        // Each has its own enable; without, packets go where others of their kind go.
        (FILTER_RA, UFFQE, frame(GROUP, 60), Some(4)),
        (FILTER_RA, MFFQE, frame(STRANGER, 60), Some(3)),
        (FILTER_RA, MFFQE, of_type(STRANGER, AV_CONTROL), Some(1)),
        (FILTER_RA, 0, with_tag(frame(STRANGER, 60), 6, 1), Some(1)),
        // They are for what RA lets in, and let nothing in themselves.
        (0, all, frame(STRANGER, 60), None),
        (0, all, frame(GROUP, 60), None),
    ] {
        let what = format!("{filter:#x} {fail:#x} {:02x?}", &data[..18]);
        assert_eq!(queue(&setup(filter, fail), data), want, "{what}");
    }
    // A control packet passes by PCF, whatever its address.
    let control = of_type(STRANGER, [0x88, 0x08]);
    assert_eq!(queue(&setup(2 << 6, all), control), Some(3));
}

#[test]
fn packets_that_fail_the_vlan_filter_have_a_queue() {
    // Of one filter, for identifier 9.
    let mut b = Bench::new(|c| (c.rx_queues, c.vlan_filters) = (8, 1));
    b.start(4);
    for q in 0..8 {
        b.w(mtl(q, MTL_RXQ_MODE), RXQ_RSF | 31 << 20);
    }
    b.w(MAC_RXQ_CTRL0, 0xaaaa);
    b.w(MAC_RXQ_CTRL1, TYPES);
    b.w(MAC_RXQ_CTRL2, 1 << (8 + 6));
    b.w(MAC_VLAN_TAG, VLAN_ETV | 9);
    let mut next = |filter: u32, fail: u32, data: Vec<u8>| {
        b.w(MAC_PACKET_FILTER, filter);
        b.w(MAC_RXQ_CTRL4, FAILURES | fail);
        let fill = |b: &mut Bench| [0, 1, 2, 3, 4, 5, 6, 7].map(|q| b.r(mtl(q, MTL_RXQ_DEBUG)));
        let before = fill(&mut b);
        b.arrive(Frame::good(data));
        let after = fill(&mut b);
        (0..8).find(|q| before[*q] != after[*q])
    };
    let other = || with_tag(frame(US, 60), 6, 8);
    let both = FILTER_VTFE | FILTER_RA;
    assert_eq!(next(both, VFFQE, other()), Some(7));
    // Where it would go otherwise.
    assert_eq!(next(both, 0, other()), Some(1));
    assert_eq!(next(FILTER_RA, VFFQE, other()), Some(1));
    assert_eq!(next(both, VFFQE, with_tag(frame(US, 60), 6, 9)), Some(1));
    assert_eq!(next(both, VFFQE, frame(US, 60)), Some(3));
    assert_eq!(next(FILTER_VTFE, VFFQE, other()), None);
    // It is for all tagged packets that fail, by their addresses, too.
    let stranger = || with_tag(frame(STRANGER, 60), 6, 9);
    assert_eq!(next(both, VFFQE, stranger()), Some(7));
    assert_eq!(next(both, VFFQE | UFFQE, stranger()), Some(5));
    assert_eq!(next(both, VFFQE, frame(STRANGER, 60)), Some(3));
}

#[test]
fn a_dynamic_map_asks_the_address_that_matched() {
    let setup = [
        (MAC_RXQ_CTRL1, TYPES),
        // Queue 3: by address.
        (MTL_RXQ_DMA_MAP, 0x1405_0607),
        (MAC_ADDR_HIGH, 2 << 16 | 0x0100),
        (MAC_ADDR_HIGH + 8, 1 << 31 | 6 << 16 | 0x9900),
        (MAC_ADDR_HIGH + 12, 0x0000_0002),
    ];
    assert_eq!(routed(&setup, frame(US, 60)), Some((3, 2)));
    assert_eq!(routed(&setup, frame(STRANGER, 60)), Some((3, 6)));
    // No register matched.
    assert_eq!(routed(&setup, frame([0xff; 6], 60)), Some((3, 0)));
    // The others' map is static.
    assert_eq!(routed(&setup, of_type(STRANGER, LLDP)), Some((2, 5)));
}

#[test]
fn a_queue_that_is_off_takes_nothing() {
    let mut b = Bench::new(|c| c.rx_queues = 8);
    b.start(4);
    b.w(MAC_RXQ_CTRL0, 0xaaaa & !(3 << 4));
    b.w(MAC_RXQ_CTRL1, TYPES);
    for q in 0..8 {
        b.w(mtl(q, MTL_RXQ_MODE), RXQ_RSF | 31 << 20);
    }
    b.arrive(Frame::good(of_type(US, LLDP)));
    assert_eq!(b.mac.stats.rx_queue_disabled, 1);
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.mac.stats.rx_queue_disabled, 1);
    assert_eq!(b.r(mtl(3, MTL_RXQ_DEBUG)) >> 16, 1);
}

/// The queues of eight packets, four in each of two queues with one channel, in the order in which
/// they reach memory. Those of queue 0 take two bursts of 64 bytes, those of queue 1 one.
fn served(mode: u32, control: [u32; 2]) -> Vec<usize> {
    let mut b = Bench::new(|c| c.rx_queues = 2);
    b.start(8);
    b.w(MAC_RXQ_CTRL0, 0xa);
    b.w(MAC_RXQ_CTRL1, MCBCQEN | 1 << 16);
    b.w(MTL_RXQ_DMA_MAP, 0);
    b.w(MTL_OPERATION_MODE, mode);
    for (q, control) in control.into_iter().enumerate() {
        b.w(mtl(q, MTL_RXQ_MODE), RXQ_RSF | 15 << 20);
        b.w(mtl(q, MTL_RXQ_CONTROL), control);
    }
    for _ in 0..4 {
        b.arrive(Frame::good(frame(US, 120)));
        b.arrive(Frame::good(frame([0xff; 6], 60)));
    }
    assert_eq!(b.mac.stats.rx_delivered, 0);
    for n in 0..8 {
        b.rx_desc(n, false);
    }
    b.rx_tail(8);
    b.run();
    let length = |n: u64| b.get(RX_RING + n * 16)[3] & 0x7fff;
    (0..8).map(|n| usize::from(length(n) == 60)).collect()
}

#[test]
fn the_highest_receive_queue_comes_first() {
    // Weights mean nothing.
    assert_eq!(served(0, [7, 1]), [1, 1, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn receive_queues_have_shares_by_weight() {
    let packets = RXQ_FRM_ARBIT;
    let by_packets = |low, high| served(MTL_RAA, [packets | low, packets | high]);
    assert_eq!(by_packets(2, 2), [1, 1, 0, 0, 1, 1, 0, 0]);
    assert_eq!(by_packets(1, 3), [1, 1, 1, 0, 1, 0, 0, 0]);
    // None is as good as one.
    assert_eq!(by_packets(0, 0), [1, 0, 1, 0, 1, 0, 1, 0]);
    // By bursts of RxPBL.
    assert_eq!(served(MTL_RAA, [2, 2]), [1, 1, 0, 1, 1, 0, 0, 0]);
}

#[test]
fn a_receive_queue_whose_channel_waits_holds_no_other_up() {
    let mut b = Bench::new(|c| (c.tx_queues, c.rx_queues) = (2, 2));
    b.start(8);
    b.w(MAC_RXQ_CTRL0, 0xa);
    b.w(MAC_RXQ_CTRL1, MCBCQEN | 1 << 16);
    b.w(MTL_RXQ_DMA_MAP, 1 << 8);
    for q in 0..2 {
        b.w(mtl(q, MTL_RXQ_MODE), RXQ_RSF | 15 << 20);
    }
    // Channel 1 is not even started.
    b.rx_desc(0, false);
    b.rx_tail(1);
    b.arrive(Frame::good(frame([0xff; 6], 60)));
    b.arrive(Frame::good(frame(US, 60)));
    assert_eq!(b.mac.stats.rx_delivered, 1);
}
