// SPDX-License-Identifier: GPL-2.0

//! Strict mode: what silicon would suffer in silence.
//!
//! The rules are the databook's, about any driver. A rule is broken only by what software did: what
//! the hardware reports by itself (an overflow, a starving ring) is no violation.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::config::Config;
use crate::desc::*;
use crate::dma::Process;
use crate::fault;
use crate::gmac::Gmac;
use crate::mdio;
use crate::regs::gmac4::*;
use crate::regs::{bit, field, mask};

/// Different violations of one kind that are kept; all are counted.
const KEPT: usize = 256;

/// What is done about violations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is checked.
    #[default]
    Off,
    /// They are counted and logged.
    Warn,
    /// As `Warn`, and `serve` fails in the end.
    On,
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(s: &str) -> Result<Mode, String> {
        match s {
            "off" => Ok(Mode::Off),
            "warn" => Ok(Mode::Warn),
            "on" => Ok(Mode::On),
            _ => Err(format!("'{s}' is no strict mode; use off, warn or on")),
        }
    }
}

/// Kinds of violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An access that is not one aligned word.
    AccessWidth,
    /// An access behind the last register.
    BeyondMap,
    /// A write where this core has no register.
    NoRegister,
    /// A write to a register that software cannot change.
    ReadOnly,
    /// A one was written to a bit that does not exist and did not read as one.
    ReservedBits,
    /// A field was set to a value that is reserved.
    ReservedValue,
    /// An access while a software reset is under way, other than a look whether it has ended.
    InReset,
    /// An access while the function sleeps in D3hot.
    Asleep,
    /// MDIO was used while an access was under way.
    MdioBusy,
    /// What a channel works with was changed while it ran.
    RunningChannel,
    /// A channel was started that cannot work.
    Setup,
    /// A tail pointer outside the ring, or one past a descriptor that is not the DMA's.
    Doorbell,
    /// A descriptor was changed after the DMA had been told of it.
    OwnedDescriptor,
    /// A transmit descriptor that contradicts itself, its neighbours or the core's abilities.
    TxDescriptor,
    /// A receive descriptor that contradicts itself or has reserved bits.
    RxDescriptor,
    /// The DMA was pointed at memory that it cannot reach.
    BusError,
    /// An interrupt is enabled that nobody listens to.
    Unheard,
}

impl Kind {
    /// Its name in lists.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(s)) => s,
            _ => format!("{self:?}"),
        }
    }
}

/// A violation, and how often it was seen.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Its kind.
    pub kind: Kind,
    /// The register or the channel.
    pub subject: String,
    /// What was wrong the first time.
    pub detail: String,
    /// How often.
    pub count: u64,
}

/// A packet whose descriptors are being fetched.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// FL, unless the packet is to be segmented.
    expected: Option<u32>,
    bytes: u32,
}

/// Descriptors that the DMA was told of, by address.
type Shadow = HashMap<u64, [u32; 4]>;

/// What was seen.
#[derive(Debug, Default)]
pub struct Strict {
    /// What is done about violations.
    pub mode: Mode,
    name: String,
    counts: BTreeMap<Kind, u64>,
    list: Vec<Violation>,
    tx: Vec<Shadow>,
    rx: Vec<Shadow>,
    /// Descriptors without OWN that a doorbell told of, by direction, channel and address.
    holes: HashSet<(bool, usize, u64)>,
    open: Vec<Option<Open>>,
}

impl Strict {
    /// Nothing seen yet.
    pub fn new(cfg: &Config) -> Strict {
        Strict {
            mode: cfg.strict.unwrap_or_default(),
            name: cfg.name.clone(),
            tx: vec![Shadow::default(); cfg.tx_queues],
            rx: vec![Shadow::default(); cfg.rx_queues],
            open: vec![None; cfg.tx_queues],
            ..Strict::default()
        }
    }

    /// Whether anything is checked.
    pub fn active(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Takes note of a violation.
    pub fn report(&mut self, kind: Kind, subject: &str, detail: impl FnOnce() -> String) {
        if !self.active() {
            return;
        }
        *self.counts.entry(kind).or_default() += 1;
        let known = self
            .list
            .iter_mut()
            .find(|v| v.kind == kind && v.subject == subject);
        if let Some(v) = known {
            v.count += 1;
            return;
        }
        if self.list.iter().filter(|v| v.kind == kind).count() >= KEPT {
            return;
        }
        let v = Violation {
            kind,
            subject: subject.into(),
            detail: detail(),
            count: 1,
        };
        tracing::warn!("{}: {}", self.name, line(&v));
        self.list.push(v);
    }

    /// Number of violations of each kind.
    pub fn counts(&self) -> Value {
        self.counts
            .iter()
            .map(|(k, n)| (k.name(), Value::from(*n)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Number of all violations.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The different violations.
    pub fn list(&self) -> Vec<Value> {
        self.list
            .iter()
            .map(|v| {
                json!({
                    "line": format!("{}: {}", self.name, line(v)),
                    "port": self.name,
                    "kind": v.kind.name(),
                    "subject": v.subject,
                    "detail": v.detail,
                    "count": v.count,
                })
            })
            .collect()
    }

    /// Forgets what was seen.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.list.clear();
    }

    /// The channels have lost their state.
    pub fn forget_rings(&mut self) {
        self.tx.iter_mut().for_each(Shadow::clear);
        self.rx.iter_mut().for_each(Shadow::clear);
        self.holes.clear();
        self.open.fill(None);
    }

    /// The DMA has given a transmit descriptor back that it did not fetch.
    pub(crate) fn forget_descriptor(&mut self, c: usize, at: u64) {
        self.tx[c].remove(&at);
    }

    /// The rest of the packet that is being fetched does not come.
    pub(crate) fn forget_packet(&mut self, c: usize) {
        self.open[c] = None;
    }

    fn shadow(&mut self, tx: bool, c: usize) -> Option<&mut Shadow> {
        if tx {
            self.tx.get_mut(c)
        } else {
            self.rx.get_mut(c)
        }
    }
}

fn line(v: &Violation) -> String {
    let often = if v.count > 1 {
        format!(" ({} times)", v.count)
    } else {
        String::new()
    };
    format!("{} {}: {}{often}", v.kind.name(), v.subject, v.detail)
}

/// Bits that a read shows although the register does not store them; writing them back is what a
/// read-modify-write does.
fn shown(off: u32) -> u32 {
    match off {
        MAC_PHYIF => mask(19, 16),
        // What it showed may have changed since.
        MAC_LPI_CONTROL => LPI_TLPIST | LPI_RLPIST,
        _ => 0,
    }
}

/// A field of `bits` bits at `shift` that must not be `bad`.
fn reserved_values(off: u32) -> Option<(u32, u32, u32, u32)> {
    if off == DMA_MODE {
        // INTM.
        return Some((16, 2, 1, 3));
    }
    if off == MAC_RXQ_CTRL0 {
        // RXQ0EN to RXQ7EN.
        return Some((0, 2, 8, 3));
    }
    if (MTL_Q..DMA_MODE).contains(&off) && (off - MTL_Q) % MTL_Q_STRIDE == MTL_TXQ_MODE {
        // TXQEN.
        return Some((2, 2, 1, 3));
    }
    None
}

/// One direction of a channel, as the rules about rings see it.
pub(crate) struct Ring {
    base: u64,
    stride: u64,
    len: u64,
    /// Where the four words are in a descriptor.
    words: u64,
}

impl Ring {
    fn size(&self) -> u64 {
        self.stride * self.len
    }

    /// Index of the descriptor that a tail pointer names; the length itself is one past the end.
    fn index(&self, tail: u32) -> Option<u64> {
        let at = u64::from(tail.wrapping_sub(self.base as u32));
        (at % self.stride == 0 && at <= self.size()).then_some(at / self.stride)
    }

    fn address(&self, index: u64) -> u64 {
        self.base + index % self.len * self.stride + self.words
    }

    /// The last descriptor before a tail pointer.
    pub(crate) fn before(&self, tail: u32) -> Option<u64> {
        Some(self.address(self.index(tail)? + self.len - 1))
    }
}

impl Gmac {
    /// An access of `len` bytes at `off` of the BAR.
    pub(crate) fn check_access(&mut self, off: u64, len: usize, write: bool) {
        if !self.strict.active() {
            return;
        }
        let what = if write { "write" } else { "read" };
        let subject = format!("{off:#06x}");
        if len != 4 || off % 4 != 0 {
            self.strict.report(Kind::AccessWidth, &subject, || {
                format!("{what} of {len} bytes; registers are aligned words")
            });
        }
        if off >= u64::from(SIZE) {
            self.strict.report(Kind::BeyondMap, &subject, || {
                format!("{what} behind the last register, {:#06x}", SIZE - 4)
            });
        }
    }

    fn register(&self, off: u32) -> String {
        match self.regs.name(off) {
            Some(name) => format!("{name}@{off:#06x}"),
            None => format!("{off:#06x}"),
        }
    }

    /// Whether GB is set, seen or not; a fault keeps it so.
    fn mdio_busy(&self) -> bool {
        self.mdio.busy()
            && (self.mdio.lasts(self.clock.now()) || self.faults.active(fault::Kind::MdioTimeout))
    }

    /// A read of a register, before it happens.
    pub(crate) fn check_read(&mut self, off: u32) {
        // A reset that a fault keeps from ending is not waited for in vain for ever.
        if off != DMA_MODE && self.in_reset() && !self.reset_stuck() {
            let subject = self.register(off);
            self.strict.report(Kind::InReset, &subject, || {
                "read while DMA_Mode.SWR is set".into()
            });
        }
        if off == MAC_MDIO_DATA && self.mdio_busy() {
            let subject = self.register(off);
            self.strict.report(Kind::MdioBusy, &subject, || {
                "read while GB is set: what it shows is undefined".into()
            });
        }
    }

    /// A write to a register, before it happens.
    pub(crate) fn check_write(&mut self, off: u32, value: u32, lanes: u32) {
        let value = value & lanes;
        let subject = self.register(off);
        if self.in_reset() && !self.reset_stuck() {
            self.strict.report(Kind::InReset, &subject, || {
                format!("write of {value:#010x} while DMA_Mode.SWR is set")
            });
        }
        if off >= SIZE {
            return;
        }
        let Some(def) = self.regs.def(off).copied() else {
            self.strict.report(Kind::NoRegister, &subject, || {
                format!("write of {value:#010x} where this core has no register")
            });
            return;
        };
        // A window: what is written goes where the wake-up filters are.
        let window = off == MAC_RWK_FILTER;
        if def.rw | def.w1c | def.sc == 0 && !window {
            self.strict.report(Kind::ReadOnly, &subject, || {
                format!("write of {value:#010x} to a read-only register")
            });
            return;
        }
        let known = def.rw | def.w1c | def.sc | def.rc | shown(off);
        let stray = value & !known & !self.regs.get(off);
        if stray != 0 && !window {
            self.strict.report(Kind::ReservedBits, &subject, || {
                format!(
                    "write of {value:#010x} sets bits {stray:#010x}, which this core does not have"
                )
            });
        }
        if let Some((first, bits, count, bad)) = reserved_values(off) {
            if (0..count).any(|i| field(value, first + i * bits, bits) == bad) {
                self.strict.report(Kind::ReservedValue, &subject, || {
                    format!("write of {value:#010x}: a field of it is {bad}, which is reserved")
                });
            }
        }
        if matches!(off, MAC_MDIO_ADDR | MAC_MDIO_DATA) && self.mdio_busy() {
            self.strict.report(Kind::MdioBusy, &subject, || {
                format!("write of {value:#010x} while GB is set: it is lost")
            });
        }
        if off == MAC_MDIO_ADDR && value & mdio::GB != 0 && field(value, 2, 2) == 0 {
            self.strict.report(Kind::ReservedValue, &subject, || {
                format!("write of {value:#010x} starts an access without a command (GOC is 0)")
            });
        }
        if off >= DMA_CH {
            self.check_channel_write(&subject, off, value, lanes);
        }
    }

    fn check_channel_write(&mut self, subject: &str, off: u32, value: u32, lanes: u32) {
        let c = ((off - DMA_CH) / DMA_CH_STRIDE) as usize;
        if c >= self.cfg.channels() {
            return;
        }
        let old = self.regs.get(off);
        let changed = (old ^ value) & lanes;
        // A process may go on for a while without ST or SR.
        let tx_on = (self.tx.get(c)).is_some_and(|tx| tx.state != Process::Stopped);
        let rx_on = (self.rx.get(c)).is_some_and(|rx| rx.state != Process::Stopped);
        // Bits that must keep still while the channel is on.
        let (on, still) = match (off - DMA_CH) % DMA_CH_STRIDE {
            CH_TX_BASE | CH_TX_BASE_HI | CH_TX_LEN => (tx_on, lanes),
            CH_RX_BASE | CH_RX_BASE_HI | CH_RX_LEN => (rx_on, lanes),
            // PBLx8, DSL, SPH.
            CH_CONTROL => (tx_on || rx_on, changed & (bit(16) | mask(20, 18) | bit(24))),
            // TxPBL, EDSE.
            CH_TX_CONTROL => (tx_on, changed & (mask(21, 16) | TX_EDSE)),
            // RBSZ, RxPBL.
            CH_RX_CONTROL => (rx_on, changed & (mask(14, 1) | mask(21, 16))),
            _ => (false, 0),
        };
        if on && still != 0 {
            self.strict.report(Kind::RunningChannel, subject, || {
                format!("write of {value:#010x} over {old:#010x} while channel {c} runs")
            });
        }
        match (off - DMA_CH) % DMA_CH_STRIDE {
            CH_TX_TAIL if tx_on => self.check_doorbell(true, c, value),
            CH_RX_TAIL if rx_on => self.check_doorbell(false, c, value),
            _ => {}
        }
    }

    pub(crate) fn ring(&self, tx: bool, c: usize) -> Ring {
        let (hi, lo, len) = if tx {
            (CH_TX_BASE_HI, CH_TX_BASE, CH_TX_LEN)
        } else {
            (CH_RX_BASE_HI, CH_RX_BASE, CH_RX_LEN)
        };
        let words = if tx { self.tx_words(c) } else { 0 };
        Ring {
            base: self.list_address(c, hi, lo),
            stride: self.stride(c) + words,
            len: u64::from(field(self.regs.get(ch(c, len)), 0, 10)) + 1,
            words,
        }
    }

    /// A tail pointer was written to a running channel.
    fn check_doorbell(&mut self, tx: bool, c: usize, tail: u32) {
        let ring = self.ring(tx, c);
        let name = if tx { "transmit" } else { "receive" };
        let subject = format!("{name} channel {c}");
        let Some(index) = self.check_tail(tx, &subject, &ring, tail) else {
            return;
        };
        let (reg, cur) = if tx {
            (CH_TX_TAIL, self.tx[c].cur)
        } else {
            (CH_RX_TAIL, self.rx[c].cur)
        };
        let old = self.regs.get(ch(c, reg));
        if tail != old {
            // What is before the current descriptor the DMA has given back, rightly without OWN;
            // what is before the old tail was looked at when that was written.
            let cur = ring.index(cur as u32).unwrap_or(0) % ring.len;
            let ahead = |index: u64| (index + ring.len - cur) % ring.len;
            let end = match ahead(index) {
                // A receiver whose tail comes to where it is has all of the ring.
                0 if !tx => ring.len,
                n => n,
            };
            let start = ring.index(old).map_or(0, ahead);
            let start = if start < end { start } else { 0 };
            self.check_owned(tx, c, &ring, cur + start, end - start);
        }
        let from = ring.index(old).unwrap_or(0) % ring.len;
        self.watch(tx, c, &ring, from, (index + ring.len - from) % ring.len);
    }

    /// The DMA was told of `count` descriptors from `from`: it has to own them.
    fn check_owned(&mut self, tx: bool, c: usize, ring: &Ring, from: u64, count: u64) {
        let name = if tx { "transmit" } else { "receive" };
        let early = self.tx.get(c).filter(|_| tx).and_then(|tx| tx.early);
        for n in from..from + count {
            let at = ring.address(n);
            // Memory that is not there is a bus error, told when the DMA meets it.
            let own = self.mem.load(at + 12).map_or(true, |w3| w3 & OWN != 0);
            // A fault, not software, took that one.
            if own || early == Some(at) {
                self.strict.holes.remove(&(tx, c, at));
                continue;
            }
            // Once for each, however many doorbells ring before the DMA gets there.
            if self.strict.holes.insert((tx, c, at)) {
                let subject = format!("{name} channel {c}: descriptor {}", n % ring.len);
                self.strict.report(Kind::Doorbell, &subject, || {
                    format!("at {at:#x}, before the tail and not the DMA's at the doorbell")
                });
            }
        }
    }

    fn check_tail(&mut self, tx: bool, subject: &str, ring: &Ring, tail: u32) -> Option<u64> {
        let index = ring.index(tail);
        // One past the end is where no receiver arrives: all of the ring is valid. A transmitter
        // would run on through descriptors that were never given to it.
        let good = index.filter(|i| *i < ring.len || !tx);
        if good.is_none() {
            self.strict.report(Kind::Doorbell, subject, || {
                format!(
                    "tail {tail:#010x} is no descriptor of the ring of {} at {:#x}",
                    ring.len, ring.base
                )
            });
        }
        index
    }

    /// Remembers `count` descriptors from `from` that the DMA owns, to see whether they change
    /// before it gets there.
    fn watch(&mut self, tx: bool, c: usize, ring: &Ring, from: u64, count: u64) {
        for i in 0..count {
            let at = ring.address(from + i);
            if let Ok(desc) = Desc::load(&self.mem, at) {
                if desc.own() {
                    if let Some(shadow) = self.strict.shadow(tx, c) {
                        shadow.insert(at, desc.w);
                    }
                }
            }
        }
    }

    /// A channel was started or stopped; called after the fact.
    pub(crate) fn check_start(&mut self, tx: bool, c: usize, started: bool) {
        if !self.strict.active() {
            return;
        }
        if let Some(shadow) = self.strict.shadow(tx, c) {
            shadow.clear();
        }
        self.strict.holes.retain(|hole| (hole.0, hole.1) != (tx, c));
        if tx {
            self.strict.forget_packet(c);
        }
        if !started {
            return;
        }
        let ring = self.ring(tx, c);
        let (name, control, tail, cur) = if tx {
            ("transmit", CH_TX_CONTROL, CH_TX_TAIL, self.tx[c].cur)
        } else {
            ("receive", CH_RX_CONTROL, CH_RX_TAIL, self.rx[c].cur)
        };
        let subject = format!("{name} channel {c}");
        let control = self.regs.get(ch(c, control));
        let mut wrong = Vec::new();
        if ring.base == 0 {
            wrong.push("no ring address".to_string());
        }
        if !matches!(field(control, 16, 6), 1 | 2 | 4 | 8 | 16 | 32) {
            wrong.push(format!("a burst length of {}", field(control, 16, 6)));
        }
        if tx && field(self.regs.get(mtl(c, MTL_TXQ_MODE)), 2, 2) == 0 {
            wrong.push("a queue that is off".into());
        }
        if !tx && field(control, 1, 14) == 0 {
            wrong.push("buffers of no size".into());
        }
        if !wrong.is_empty() {
            self.strict.report(Kind::Setup, &subject, || {
                format!("started with {}", wrong.join(", "))
            });
        }
        let tail = self.regs.get(ch(c, tail));
        let Some(index) = self.check_tail(tx, &subject, &ring, tail) else {
            return;
        };
        let from = ring.index(cur as u32).unwrap_or(0) % ring.len;
        let count = match (index + ring.len - from) % ring.len {
            // A receiver whose tail is where it is has all of the ring.
            0 if !tx => ring.len,
            n => n,
        };
        self.watch(tx, c, &ring, from, count);
    }

    /// The DMA has fetched the descriptor whose words are at `at`.
    pub(crate) fn check_fetch(&mut self, tx: bool, c: usize, at: u64, desc: &Desc) {
        if !self.strict.active() {
            return;
        }
        let name = if tx { "transmit" } else { "receive" };
        let subject = format!("{name} channel {c}");
        let was = self.strict.shadow(tx, c).and_then(|s| s.remove(&at));
        let told = self.strict.holes.remove(&(tx, c, at));
        match was {
            Some(was) if desc.own() && was != desc.w => {
                self.strict.report(Kind::OwnedDescriptor, &subject, || {
                    format!(
                        "descriptor at {at:#x} was {was:08x?} at the doorbell and is {:08x?}",
                        desc.w
                    )
                });
            }
            Some(_) if !desc.own() => {
                self.strict.report(Kind::OwnedDescriptor, &subject, || {
                    format!("descriptor at {at:#x} was taken back after the doorbell")
                });
                return;
            }
            // A receiver that finds no descriptor says so (RBU): the ring is empty, that is all.
            None if !desc.own() && tx && !told => {
                let tail = self.regs.get(ch(c, CH_TX_TAIL));
                self.strict.report(Kind::Doorbell, &subject, || {
                    format!(
                        "descriptor at {at:#x} is before the tail {tail:#010x} and not the DMA's"
                    )
                });
            }
            _ => {}
        }
        if !desc.own() {
            return;
        }
        let wrong = if tx {
            self.judge_tx(c, desc)
        } else {
            self.judge_rx(desc)
        };
        if !wrong.is_empty() {
            let kind = if tx {
                Kind::TxDescriptor
            } else {
                Kind::RxDescriptor
            };
            // What is wrong is the subject, too: one entry for each sort.
            let subject = format!("{subject}: {}", wrong.join(", "));
            self.strict.report(kind, &subject, || {
                format!("descriptor at {at:#x}: {:08x?}", desc.w)
            });
        }
    }

    fn judge_rx(&self, desc: &Desc) -> Vec<String> {
        let [_, _, _, w3] = desc.w;
        let mut wrong = Vec::new();
        if w3 & (RX_BUF1V | RX_BUF2V) == 0 {
            wrong.push("no valid buffer".to_string());
        }
        // With wide addresses the low half is the upper half of buffer 2's.
        let low = if self.wide() { 16 } else { 0 };
        let reserved = w3 & (mask(29, 26) | mask(23, low));
        if reserved != 0 {
            wrong.push(format!("reserved bits {reserved:#010x} of RDES3"));
        }
        wrong
    }

    fn judge_tx(&mut self, c: usize, desc: &Desc) -> Vec<String> {
        let [_, _, w2, w3] = desc.w;
        let mut wrong: Vec<String> = Vec::new();
        let mut open = self.strict.open[c].take();
        if w3 & CTXT != 0 {
            if open.is_some() {
                wrong.push("context descriptor inside a packet".into());
            }
            self.strict.open[c] = open;
            return wrong;
        }
        let feature0 = self.regs.get(MAC_HW_FEATURE0);
        let feature1 = self.regs.get(MAC_HW_FEATURE1);
        let (has_time, has_insert) = (feature0 & bit(12) != 0, feature0 & bit(27) != 0);
        let has_tso = feature1 & bit(18) != 0;
        let first = w3 & FD != 0;
        let tse = first && w3 & bit(18) != 0;
        if first {
            if open.is_some() {
                wrong.push("FD inside a packet".into());
            }
            open = Some(Open {
                expected: (!tse).then_some(field(w3, 0, 15)),
                bytes: 0,
            });
            if tse {
                if !has_tso {
                    wrong.push("TSE in a core without segmentation".into());
                } else if self.regs.get(ch(c, CH_TX_CONTROL)) & bit(12) == 0 {
                    wrong.push("TSE in a channel where it is off".into());
                } else if field(w3, 19, 4) == 2 && !self.has_uso() {
                    // The length of a UDP header.
                    wrong.push("TSE for UDP in a core that segments TCP only".into());
                }
            } else if field(w3, 19, 4) != 0 {
                // THL counts with TSE, the slot number in cores with AV, which this is none of.
                wrong.push("THL or slot number without TSE".into());
            }
            if field(w3, 23, 3) != 0 && !has_insert {
                wrong.push("SAIC in a core without address insertion".into());
            }
            if w2 & bit(30) != 0 && !has_time {
                wrong.push("TTSE in a core without timestamps".into());
            }
        } else if open.is_none() {
            wrong.push("no FD at the start of a packet".into());
        }
        if field(w2, 14, 2) != 0 && !has_insert {
            wrong.push("VTIR in a core without VLAN insertion".into());
        }
        let (len1, len2) = (field(w2, 0, 14), field(w2, 16, 14));
        if len1 + len2 == 0 {
            wrong.push("no bytes".into());
        }
        if self.wide() && len2 != 0 {
            wrong.push("a buffer 2, whose address wide addresses have no room for".into());
        }
        if let Some(open) = &mut open {
            open.bytes += len1 + len2;
        }
        if w3 & LD == 0 {
            self.strict.open[c] = open;
        } else if let Some(Open {
            expected: Some(expected),
            bytes,
        }) = open
        {
            if expected != bytes && wrong.is_empty() {
                wrong.push("FL is not the sum of the buffers".into());
            }
        }
        wrong
    }

    /// The DMA could not reach memory, and no fault was injected.
    pub(crate) fn check_bus_error(&mut self, tx: bool, c: usize, write: bool, desc: bool) {
        if !self.strict.active() {
            return;
        }
        let name = if tx { "transmit" } else { "receive" };
        let at = if tx { self.tx[c].cur } else { self.rx[c].cur };
        let (hi, lo) = if tx {
            (CH_CUR_TX_BUF_HI, CH_CUR_TX_BUF)
        } else {
            (CH_CUR_RX_BUF_HI, CH_CUR_RX_BUF)
        };
        let buffer =
            u64::from(self.regs.get(ch(c, hi))) << 32 | u64::from(self.regs.get(ch(c, lo)));
        let master = self.bus_master;
        let what = if desc { "descriptor" } else { "buffer" };
        self.strict.report(
            Kind::BusError,
            &format!("{name} channel {c}: {what}"),
            || {
                let access = if write { "write to" } else { "read from" };
                let mut text = if desc {
                    format!("{access} the descriptor at {at:#x}")
                } else {
                    format!("{access} the buffer at {buffer:#x} of the descriptor at {at:#x}")
                };
                text += if master {
                    ", which is not mapped"
                } else {
                    " while the function may not master the bus"
                };
                text
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(mode: Mode) -> Strict {
        Strict::new(&Config {
            name: "a".into(),
            strict: Some(mode),
            ..Config::default()
        })
    }

    #[test]
    fn equal_violations_are_one_entry() {
        let mut s = strict(Mode::Warn);
        for i in 0..3 {
            s.report(Kind::ReservedBits, "X@0x0000", || format!("{i}"));
        }
        s.report(Kind::Doorbell, "channel 0", || "y".into());
        assert_eq!(s.counts(), json!({"reserved-bits": 3, "doorbell": 1}));
        assert_eq!(s.total(), 4);
        let list = s.list();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0]["line"], "a: reserved-bits X@0x0000: 0 (3 times)");
        s.clear();
        assert_eq!((s.total(), s.list().len()), (0, 0));
    }

    #[test]
    fn off_sees_nothing_and_the_list_is_bounded() {
        let mut s = strict(Mode::Off);
        s.report(Kind::ReservedBits, "x", || unreachable!());
        assert_eq!(s.total(), 0);
        let mut s = strict(Mode::On);
        for i in 0..1000 {
            s.report(Kind::ReadOnly, &i.to_string(), String::new);
        }
        assert_eq!(s.list().len(), KEPT);
        assert_eq!(s.total(), 1000);
    }

    #[test]
    fn modes_have_names() {
        assert_eq!("warn".parse(), Ok(Mode::Warn));
        assert!("maybe".parse::<Mode>().unwrap_err().contains("maybe"));
        assert_eq!(Kind::MdioBusy.name(), "mdio-busy");
    }
}
