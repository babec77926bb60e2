// SPDX-License-Identifier: GPL-2.0

//! System time (IEEE 1588): the clock, and the time stamps of packets.
//!
//! The clock does not tick; it is brought up to date when somebody looks at it or changes how it
//! runs. The number of cycles of the PTP clock that have passed since power-on says how far it is.

use crate::gmac::{Ack, Gmac};
use crate::regs::gmac4::*;
use crate::regs::{bit, field};

const PTP_ETHERTYPE: u16 = 0x88f7;
/// UDP ports of event and general messages.
const PTP_PORTS: [u16; 2] = [319, 320];
/// Destinations of PTP over Ethernet: general and peer delay.
const PTP_GROUPS: [[u8; 6]; 2] = [
    [0x01, 0x1b, 0x19, 0x00, 0x00, 0x00],
    [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e],
];

/// RDES1: shift of the PTP message type.
const RX_PMT_SHIFT: u32 = 8;
/// RDES1: PTP directly over Ethernet.
const RX_PFT: u32 = bit(12);
/// RDES1: PTP version 2.
const RX_PV: u32 = bit(13);
/// RDES1: a context descriptor with the time stamp follows.
pub const RX_TSA: u32 = bit(14);

/// RDES1: the time stamp was dropped.
pub const RX_TD: u32 = bit(15);

/// A time as the registers and descriptors show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds.
    pub secs: u32,
    /// Nanoseconds, or units of 2^-31 s with binary rollover.
    pub sub: u32,
}

/// The system time generator.
#[derive(Clone, Debug, Default)]
pub struct SystemTime {
    now: Stamp,
    /// 256ths of a unit of `now.sub`.
    fraction: u8,
    /// What is added to the accumulator; the register is only taken over by TSADDREG.
    addend: u32,
    accumulator: u32,
    /// Cycles of the PTP clock that `now` accounts for.
    cycles: u128,
}

/// Units of the sub-second field in a second.
fn second(control: u32) -> u32 {
    if control & TS_CTRLSSR != 0 {
        1_000_000_000
    } else {
        1 << 31
    }
}

impl SystemTime {
    /// Runs to a cycle of the PTP clock; returns whether the seconds overflowed.
    ///
    /// `increment` is added on each cycle (coarse) or on each overflow of the accumulator (fine).
    /// It counts 256ths of a unit.
    fn run(&mut self, control: u32, increment: u32, cycles: u128) -> bool {
        let n = cycles.saturating_sub(self.cycles);
        self.cycles = cycles;
        if control & TS_ENA == 0 {
            return false;
        }
        let ticks = if control & TS_CFUPDT != 0 {
            let total = u128::from(self.accumulator) + n * u128::from(self.addend);
            self.accumulator = total as u32;
            total >> 32
        } else {
            n
        };
        let per_second = u128::from(second(control)) << 8;
        let total = (u128::from(self.now.sub) << 8 | u128::from(self.fraction))
            + ticks * u128::from(increment);
        let rest = total % per_second;
        self.now.sub = (rest >> 8) as u32;
        self.fraction = rest as u8;
        let secs = u128::from(self.now.secs) + total / per_second;
        self.now.secs = secs as u32;
        secs >> 32 != 0
    }

    /// TSINIT.
    fn init(&mut self, secs: u32, sub: u32) {
        self.now = Stamp {
            secs,
            sub: sub & !ADDSUB,
        };
        self.fraction = 0;
    }

    /// TSUPDT. To subtract, software gives both parts as complements and sets ADDSUB.
    fn update(&mut self, control: u32, secs: u32, sub: u32) {
        self.now = shift(self.now, control, sub);
        self.now.secs = self.now.secs.wrapping_add(secs);
    }
}

/// Adds the sub-second part of a correction; with bit 31 set it is negative and given as its
/// complement to a second.
fn shift(t: Stamp, control: u32, correction: u32) -> Stamp {
    let second = u64::from(second(control));
    let total = u64::from(t.sub) + u64::from(correction & !ADDSUB);
    let borrow = u32::from(correction & ADDSUB != 0);
    Stamp {
        secs: t
            .secs
            .wrapping_add((total / second) as u32)
            .wrapping_sub(borrow),
        sub: (total % second) as u32,
    }
}

/// A message type, in the numbers that RDES1 uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Sync = 1,
    FollowUp = 2,
    DelayReq = 3,
    DelayResp = 4,
    PdelayReq = 5,
    PdelayResp = 6,
    PdelayRespFollowUp = 7,
    Announce = 8,
    Management = 9,
    Signaling = 10,
    Reserved = 15,
}

impl Message {
    fn v2(kind: u8) -> Message {
        match kind {
            0x0 => Message::Sync,
            0x1 => Message::DelayReq,
            0x2 => Message::PdelayReq,
            0x3 => Message::PdelayResp,
            0x8 => Message::FollowUp,
            0x9 => Message::DelayResp,
            0xa => Message::PdelayRespFollowUp,
            0xb => Message::Announce,
            0xc => Message::Signaling,
            0xd => Message::Management,
            _ => Message::Reserved,
        }
    }

    fn v1(control: u8) -> Message {
        match control {
            0 => Message::Sync,
            1 => Message::DelayReq,
            2 => Message::FollowUp,
            3 => Message::DelayResp,
            4 => Message::Management,
            _ => Message::Reserved,
        }
    }

    /// Whether MAC_Timestamp_Control selects it for a snapshot.
    fn selected(self, control: u32) -> bool {
        use Message::*;
        let event_only = control & TS_EVNTENA != 0;
        let master = control & TS_MSTRENA != 0;
        match (field(control, 16, 2), event_only, master) {
            (0, false, _) => matches!(self, Sync | FollowUp | DelayReq | DelayResp),
            (0, true, false) => self == Sync,
            (0, true, true) => self == DelayReq,
            (1, false, _) => matches!(
                self,
                Sync | FollowUp
                    | DelayReq
                    | DelayResp
                    | PdelayReq
                    | PdelayResp
                    | PdelayRespFollowUp
            ),
            (1, true, false) => matches!(self, Sync | PdelayReq | PdelayResp),
            (1, true, true) => matches!(self, DelayReq | PdelayReq | PdelayResp),
            (2, ..) => matches!(self, Sync | DelayReq),
            _ => matches!(self, PdelayReq | PdelayResp),
        }
    }
}

/// How a message is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Ethernet,
    Ipv4,
    Ipv6,
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]))
}

/// Finds a PTP message in a frame, behind up to two VLAN tags.
fn find(data: &[u8]) -> Option<(Carrier, &[u8])> {
    let mut at = 12;
    let mut tags = 0;
    while matches!(be16(data, at)?, 0x8100 | 0x88a8) && tags < 2 {
        at += 4;
        tags += 1;
    }
    let l3 = at + 2;
    let (carrier, udp) = match be16(data, at)? {
        PTP_ETHERTYPE => return Some((Carrier::Ethernet, data.get(l3..)?)),
        0x0800 => {
            let head = *data.get(l3)?;
            let fragment = be16(data, l3 + 6)? & 0x3fff != 0;
            if head >> 4 != 4 || *data.get(l3 + 9)? != 17 || fragment {
                return None;
            }
            (Carrier::Ipv4, l3 + usize::from(head & 0xf) * 4)
        }
        0x86dd => {
            // No extension headers: the message has to be where the engine looks.
            if *data.get(l3)? >> 4 != 6 || *data.get(l3 + 6)? != 17 {
                return None;
            }
            (Carrier::Ipv6, l3 + 40)
        }
        _ => return None,
    };
    PTP_PORTS
        .contains(&be16(data, udp + 2)?)
        .then(|| data.get(udp + 8..))
        .flatten()
        .map(|m| (carrier, m))
}

impl Gmac {
    fn ptp_cycles(&self) -> u128 {
        self.clock.now().as_nanos() * u128::from(self.cfg.ptp_hz) / 1_000_000_000
    }

    /// Brings the system time up to date.
    fn run_time(&mut self) {
        let mut control = self.regs.get(MAC_TS_CONTROL);
        if self.faults.clock_dead("ptp") {
            control &= !TS_ENA;
        } else {
            self.regs.clear_bits(MAC_TS_CONTROL, TS_COMMANDS);
        }
        let increment = field(self.regs.get(MAC_SUB_SECOND), 8, 16);
        let cycles = self.ptp_cycles();
        if self.time.run(control, increment, cycles) {
            self.regs.set_bits(MAC_TS_STATUS, TS_SSOVF);
        }
    }

    /// Lets the time begin anew; the PTP clock has run all along.
    pub(crate) fn reset_time(&mut self) {
        self.time = SystemTime {
            cycles: self.ptp_cycles(),
            ..SystemTime::default()
        };
    }

    /// The system time now.
    pub fn system_time(&mut self) -> Stamp {
        self.run_time();
        self.time.now
    }

    pub(crate) fn ptp_read(&mut self, off: u32) -> u32 {
        if !self.cfg.ts {
            return 0;
        }
        match off {
            MAC_TS_CONTROL => {
                self.run_time();
                self.regs.read(off)
            }
            MAC_SYSTEM_SECS => self.system_time().secs,
            MAC_SYSTEM_NSECS => self.system_time().sub,
            MAC_TX_TS_SECS => {
                // Software has taken the time stamp: the next may come.
                self.regs.clear_bits(MAC_TS_STATUS, TS_TXTSSIS);
                self.regs.clear_bits(MAC_TX_TS_NSECS, TX_TS_MISSED);
                self.regs.read(off)
            }
            _ => self.regs.read(off),
        }
    }

    pub(crate) fn ptp_write(&mut self, off: u32, value: u32, lanes: u32) -> Ack {
        if !self.cfg.ts {
            return Ack::None;
        }
        // What has passed has passed at the old pace.
        self.run_time();
        let Some(w) = self.regs.write(off, value, lanes) else {
            return Ack::None;
        };
        if off == MAC_TS_CONTROL {
            if self.faults.clock_dead("ptp") {
                // Nobody carries the commands out.
                self.regs.set_bits(off, w.triggered);
                return Ack::None;
            }
            let secs = self.regs.get(MAC_SECS_UPDATE);
            let sub = self.regs.get(MAC_NSECS_UPDATE);
            if w.triggered & TS_ADDREG != 0 {
                self.time.addend = self.regs.get(MAC_ADDEND);
            }
            if w.triggered & TS_INIT != 0 {
                self.time.init(secs, sub);
            }
            if w.triggered & TS_UPDT != 0 {
                self.time.update(w.new, secs, sub);
            }
        }
        Ack::None
    }

    /// The time stamp of a packet that leaves now, for its descriptor. When the status of
    /// transmission is dropped, registers take it instead.
    pub(crate) fn tx_stamp(&mut self) -> Option<Stamp> {
        let control = self.regs.get(MAC_TS_CONTROL);
        if !self.cfg.ts || control & TS_ENA == 0 {
            return None;
        }
        let correction = self.regs.get(MAC_TS_EGRESS_NSECS);
        let stamp = shift(self.system_time(), control, correction);
        if self.regs.get(MTL_OPERATION_MODE) & DTXSTS == 0 {
            return Some(stamp);
        }
        let unread = self.regs.get(MAC_TS_STATUS) & TS_TXTSSIS != 0;
        if unread && control & TS_TXTSSTSM == 0 {
            self.regs.set_bits(MAC_TX_TS_NSECS, TX_TS_MISSED);
            return None;
        }
        let missed = if unread { TX_TS_MISSED } else { 0 };
        self.regs.set(MAC_TX_TS_NSECS, stamp.sub | missed);
        self.regs.set(MAC_TX_TS_SECS, stamp.secs);
        self.regs.set_bits(MAC_TS_STATUS, TS_TXTSSIS);
        None
    }

    /// What a received frame is to PTP: bits for RDES1, and its time stamp if it gets one.
    pub(crate) fn rx_stamp(&mut self, data: &[u8]) -> (u32, Option<Stamp>) {
        let control = self.regs.get(MAC_TS_CONTROL);
        if !self.cfg.ts || control & TS_ENA == 0 {
            return (0, None);
        }
        let mut bits = 0;
        let mut wanted = control & TS_ENALL != 0;
        if let Some((carrier, message)) = self.ptp_message(control, data) {
            bits |= (message as u32) << RX_PMT_SHIFT;
            if carrier == Carrier::Ethernet {
                bits |= RX_PFT;
            }
            if control & TS_VER2ENA != 0 {
                bits |= RX_PV;
            }
            wanted |= message.selected(control);
        }
        if !wanted {
            return (bits, None);
        }
        let correction = self.regs.get(MAC_TS_INGRESS_NSECS);
        let stamp = shift(self.system_time(), control, correction);
        (bits | RX_TSA, Some(stamp))
    }

    /// The message in a frame, if its carrier and version are the ones that software asked for.
    fn ptp_message(&self, control: u32, data: &[u8]) -> Option<(Carrier, Message)> {
        let (carrier, body) = find(data)?;
        let enabled = match carrier {
            Carrier::Ethernet => TS_IPENA,
            Carrier::Ipv4 => TS_IPV4ENA,
            Carrier::Ipv6 => TS_IPV6ENA,
        };
        if control & enabled == 0 {
            return None;
        }
        if carrier == Carrier::Ethernet && control & TS_ENMACADDR != 0 {
            let da = data.get(..6)?;
            if !PTP_GROUPS.iter().any(|g| g == da) && !self.is_own(da) {
                return None;
            }
        }
        let message = if control & TS_VER2ENA != 0 {
            if body.get(1)? & 0xf != 2 {
                return None;
            }
            Message::v2(body.first()? & 0xf)
        } else {
            if body.get(..2)? != [0, 1] {
                return None;
            }
            Message::v1(*body.get(32)?)
        };
        Some((carrier, message))
    }

    /// Whether an address is in one of the first 32 address registers.
    fn is_own(&self, da: &[u8]) -> bool {
        (0..=u32::from(self.cfg.mac_addrs).min(31)).any(|i| {
            let high = self.regs.get(MAC_ADDR_HIGH + 8 * i);
            let h = high.to_le_bytes();
            let l = self.regs.get(MAC_ADDR_HIGH + 8 * i + 4).to_le_bytes();
            high >> 30 == 0b10 && da == [l[0], l[1], l[2], l[3], h[0], h[1]]
        })
    }

    /// The bit of the time stamp unit in MAC_Interrupt_Status.
    pub(crate) fn ts_int_status(&self) -> u32 {
        if self.regs.get(MAC_TS_STATUS) & (TS_SSOVF | TS_TXTSSIS) != 0 {
            INT_TSIS
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COARSE: u32 = TS_ENA | TS_CTRLSSR;
    const FINE: u32 = COARSE | TS_CFUPDT;

    #[test]
    fn coarse_adds_the_increment_on_each_cycle() {
        let mut t = SystemTime::default();
        assert!(!t.run(COARSE, 5 << 8, 200_000_000));
        assert_eq!(t.now, Stamp { secs: 1, sub: 0 });
        t.run(COARSE, 5 << 8, 200_000_003);
        assert_eq!(t.now, Stamp { secs: 1, sub: 15 });
    }

    #[test]
    fn fine_adds_the_increment_on_each_overflow() {
        let mut t = SystemTime {
            addend: 1 << 31,
            ..SystemTime::default()
        };
        t.run(FINE, 10 << 8, 200_000_001);
        assert_eq!(t.now, Stamp { secs: 1, sub: 0 });
        t.run(FINE, 10 << 8, 200_000_002);
        assert_eq!(t.now, Stamp { secs: 1, sub: 10 });
    }

    #[test]
    fn fraction_of_the_increment_adds_up() {
        let mut t = SystemTime::default();
        // 204.8 MHz: 4.8828125 ns are 1250 256ths.
        t.run(COARSE, 1250, 204_800_000);
        assert_eq!(t.now, Stamp { secs: 1, sub: 0 });
    }

    #[test]
    fn binary_rollover() {
        let mut t = SystemTime::default();
        t.init(7, (1 << 31) - 3);
        t.run(TS_ENA, 2 << 8, 2);
        assert_eq!(t.now, Stamp { secs: 8, sub: 1 });
    }

    #[test]
    fn stands_still_while_disabled_and_does_not_catch_up() {
        let mut t = SystemTime::default();
        t.run(0, 5 << 8, 1000);
        t.run(COARSE, 5 << 8, 1001);
        assert_eq!(t.now.sub, 5);
    }

    #[test]
    fn seconds_overflow() {
        let mut t = SystemTime::default();
        t.init(u32::MAX, 999_999_999);
        assert!(t.run(COARSE, 1 << 8, 1));
        assert_eq!(t.now, Stamp::default());
    }

    proptest! {
        #[test]
        fn updates_add_and_subtract(start in 0u64..4_000_000_000_000_000_000, delta in 0u64..1_000_000_000_000_000,
                                    digital: bool, minus: bool) {
            let control = if digital { TS_CTRLSSR } else { 0 };
            let unit = u64::from(second(control));
            let start = if minus { start + delta } else { start };
            let mut t = SystemTime::default();
            t.init((start / unit) as u32, (start % unit) as u32);
            let (secs, sub) = ((delta / unit) as u32, (delta % unit) as u32);
            let want = if minus {
                // Without a fraction there is no complement that fits into the field of binary mode.
                let complement = if sub == 0 { 0 } else { ADDSUB | (unit as u32 - sub) };
                t.update(control, secs.wrapping_neg(), complement);
                start - delta
            } else {
                t.update(control, secs, sub);
                start + delta
            };
            prop_assert_eq!(t.now, Stamp { secs: (want / unit) as u32, sub: (want % unit) as u32 });
        }

        /// How often somebody looks makes no difference.
        #[test]
        fn looking_does_not_change_it(addend: u32, increment in 0u32..0x1_0000, fine: bool,
                                      steps in proptest::collection::vec(0u128..1_000_000_000, 1..20)) {
            let control = if fine { FINE } else { COARSE };
            let mut a = SystemTime { addend, ..SystemTime::default() };
            let mut b = a.clone();
            let mut at = 0;
            for s in steps {
                at += s;
                a.run(control, increment, at);
            }
            b.run(control, increment, at);
            prop_assert_eq!((a.now, a.fraction, a.accumulator), (b.now, b.fraction, b.accumulator));
        }

        #[test]
        fn garbage_is_no_message(mut data in proptest::collection::vec(any::<u8>(), 0..90), kind in 0usize..4) {
            if data.len() > 14 {
                let t: [u8; 2] = [[0x88, 0xf7], [8, 0], [0x86, 0xdd], [0x81, 0]][kind];
                data[12..14].copy_from_slice(&t);
            }
            find(&data);
        }
    }

    #[test]
    fn selection_follows_the_table() {
        use Message::*;
        let all = [
            Sync,
            FollowUp,
            DelayReq,
            DelayResp,
            PdelayReq,
            PdelayResp,
            PdelayRespFollowUp,
            Announce,
            Management,
            Signaling,
            Reserved,
        ];
        let e = TS_EVNTENA;
        let m = TS_MSTRENA;
        for (control, want) in [
            (0, vec![Sync, FollowUp, DelayReq, DelayResp]),
            (m, vec![Sync, FollowUp, DelayReq, DelayResp]),
            (e, vec![Sync]),
            (e | m, vec![DelayReq]),
            (1 << 16, all[..7].to_vec()),
            (1 << 16 | e, vec![Sync, PdelayReq, PdelayResp]),
            (1 << 16 | e | m, vec![DelayReq, PdelayReq, PdelayResp]),
            (2 << 16 | e, vec![Sync, DelayReq]),
            (3 << 16 | m, vec![PdelayReq, PdelayResp]),
        ] {
            let got: Vec<_> = all.into_iter().filter(|x| x.selected(control)).collect();
            assert_eq!(got, want, "{control:#x}");
        }
    }
}
