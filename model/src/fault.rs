// SPDX-License-Identifier: GPL-2.0

//! Faults on command: what breaks in the field, one at a time and always in the same way.
//!
//! A fault is there from `fault PORT KIND` on until its count is used up, its time is over, what
//! heals it happened, or it is cleared. Nothing is left to chance: where something has to be
//! arbitrary, a seed says what it is.

use std::time::Duration;

use serde_json::{json, Value};

use crate::desc::*;
use crate::gmac::Gmac;
use crate::regs::gmac4::*;
use crate::safety;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A DMA access fails.
    BusError,
    /// SWR never clears.
    ResetStuck,
    /// A clock stands still.
    ClockDead,
    /// A frame finds no room in the receive FIFO.
    RxOverflow,
    /// The receive DMA does nothing and says nothing.
    RxWedge,
    /// The transmit DMA does nothing and says nothing.
    TxWedge,
    /// An MDIO access never ends.
    MdioTimeout,
    /// The PHY neither answers nor has a link.
    PhyGone,
    /// The link goes down and up.
    LinkFlap,
    /// An interrupt is lost.
    IrqDrop,
    /// An interrupt that nothing caused.
    IrqSpurious,
    /// A received frame has a wrong FCS.
    RxCrc,
    /// The PHY signals that it received something wrong.
    RxError,
    /// A receive descriptor is written back with nonsense.
    RxGarbage,
    /// A transmit descriptor is written back with nonsense.
    TxGarbage,
    /// The transmit FIFO runs dry.
    TxUnderflow,
    /// A packet has no time stamp although it was asked for.
    StampLost,
    /// The time stamp of a received packet comes after the packet.
    StampLate,
    /// A channel goes on after it was stopped.
    StopLate,
    /// A channel does not start.
    StartStuck,
    /// An error of the safety package.
    Safety,
}

use Kind::*;

/// What a kind takes.
struct Spec {
    name: &'static str,
    kind: Kind,
    /// Choices of its first word, the default first; none if it has no such word.
    what: &'static [&'static str],
    keys: &'static [&'static str],
    /// Count if none is given; `None`: until it is cleared.
    count: Option<u64>,
    help: &'static str,
}

const SPECS: &[Spec] = &[
    Spec {
        name: "bus-error",
        kind: BusError,
        what: &["rx-desc", "rx-buf", "rx-close", "tx-desc", "tx-buf", "tx-close"],
        keys: &["channel", "count", "ms"],
        count: Some(1),
        help: "fatal bus error at a descriptor's fetch, its buffer or its write-back",
    },
    Spec {
        name: "reset-stuck",
        kind: ResetStuck,
        what: &[],
        keys: &["ms"],
        count: None,
        help: "a software reset does not end while it is there",
    },
    Spec {
        name: "clock-dead",
        kind: ClockDead,
        what: &["rx", "tx", "app", "csr", "ptp"],
        keys: &["ms"],
        count: None,
        help: "a clock stands still: no reset ends, and what it drives does nothing (csr: registers read as ones)",
    },
    Spec {
        name: "rx-overflow",
        kind: RxOverflow,
        what: &[],
        keys: &["channel", "count", "ms"],
        count: Some(1),
        help: "frames find the receive FIFO full (channel: the queue)",
    },
    Spec {
        name: "rx-wedge",
        kind: RxWedge,
        what: &[],
        keys: &["channel", "until", "ms"],
        count: None,
        help: "the receive DMA does nothing, without a status bit; until=reset|restart|clear says what heals it",
    },
    Spec {
        name: "tx-wedge",
        kind: TxWedge,
        what: &[],
        keys: &["channel", "until", "ms"],
        count: None,
        help: "the transmit DMA does nothing, without a status bit",
    },
    Spec {
        name: "mdio-timeout",
        kind: MdioTimeout,
        what: &[],
        keys: &["ms"],
        count: None,
        help: "an MDIO access does not end while it is there",
    },
    Spec {
        name: "phy-gone",
        kind: PhyGone,
        what: &[],
        keys: &["ms"],
        count: None,
        help: "the PHY reads as ones and has no link",
    },
    Spec {
        name: "link-flap",
        kind: LinkFlap,
        what: &[],
        keys: &["count", "down", "up"],
        count: Some(1),
        help: "the cable is pulled for down=MS (200) and then plugged for up=MS (2000), count times",
    },
    Spec {
        name: "irq-drop",
        kind: IrqDrop,
        what: &["all", "tx", "rx", "common"],
        keys: &["channel", "count", "ms"],
        count: Some(1),
        help: "interrupts are lost on their way",
    },
    Spec {
        name: "irq-spurious",
        kind: IrqSpurious,
        what: &["common", "tx", "rx"],
        keys: &["channel", "count", "every", "ms"],
        count: Some(1),
        help: "interrupts without a cause, one every=US (100)",
    },
    Spec {
        name: "rx-crc",
        kind: RxCrc,
        what: &[],
        keys: &["count", "ms"],
        count: Some(1),
        help: "received frames have a wrong FCS",
    },
    Spec {
        name: "rx-error",
        kind: RxError,
        what: &["phy", "alignment"],
        keys: &["count", "ms"],
        count: Some(1),
        help: "frames from the PHY are damaged, their FCS is right: it signals a receive error, or \
               (not at 1 Gbit/s) half a byte too many",
    },
    Spec {
        name: "rx-garbage",
        kind: RxGarbage,
        what: &[
            "length", "zero", "flags", "no-first", "no-last", "context", "ones", "random", "early", "never",
        ],
        keys: &["channel", "count", "seed", "ms"],
        count: Some(1),
        help: "receive descriptors come back wrong: impossible length, length 0, error flags, FD or LD missing, \
               a context descriptor, all ones, anything; before its time (early) or not at all (never)",
    },
    Spec {
        name: "tx-garbage",
        kind: TxGarbage,
        what: &["status", "random", "context", "early", "never"],
        keys: &["channel", "count", "seed", "ms"],
        count: Some(1),
        help: "transmit descriptors come back wrong: error flags, anything, as context descriptor; at the doorbell, \
               with the packet never sent (early), or not at all (never)",
    },
    Spec {
        name: "tx-underflow",
        kind: TxUnderflow,
        what: &[],
        keys: &["channel", "count", "ms"],
        count: Some(1),
        help: "frames are cut because the transmit FIFO ran dry; their channel waits for its next doorbell",
    },
    Spec {
        name: "stamp-lost",
        kind: StampLost,
        what: &["rx", "promised", "tx"],
        keys: &["channel", "count", "ms"],
        count: Some(1),
        help: "a time stamp is missing: a received packet says TD, or promises (TSA) what does not come, a sent one has no TTSS",
    },
    Spec {
        name: "stamp-late",
        kind: StampLate,
        what: &[],
        keys: &["channel", "count", "us", "ms"],
        count: Some(1),
        help: "the time stamp of a received packet and its descriptor come us=US (100) after the packet and its RI",
    },
    Spec {
        name: "stop-late",
        kind: StopLate,
        what: &["rx", "tx"],
        keys: &["channel", "count", "us", "ms"],
        count: Some(1),
        help: "a channel that is stopped goes on for us=US (100), and says so, unless it is suspended",
    },
    Spec {
        name: "start-stuck",
        kind: StartStuck,
        what: &["rx", "tx"],
        keys: &["channel", "count", "ms"],
        count: Some(1),
        help: "a channel that is started stays stopped, and says so, until it is stopped and started again",
    },
    Spec {
        name: "safety",
        kind: Safety,
        what: &safety::ERROR_NAMES,
        keys: &["count", "every", "ms"],
        count: Some(1),
        help: "an error of the safety package, by the name of its status bit; it comes at once, and 'seen' says whether its \
               detection is on; further ones every=US (100)",
    },
];

/// What heals a wedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// A software reset.
    Reset,
    /// That, or a stop and a start of the channel.
    Restart,
    /// Only the command.
    Clear,
}

/// A fault that is there.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: Kind,
    what: &'static str,
    channel: Option<usize>,
    left: Option<u64>,
    hits: u64,
    ends: Option<Duration>,
    until: Until,
    /// Distance of spurious interrupts; time with and without a link.
    every: Duration,
    down: Duration,
    up: Duration,
    /// When a timed fault acts next, and whether it holds the link down.
    next: Duration,
    pulled: bool,
    rng: u64,
}

impl Fault {
    fn alive(&self) -> bool {
        self.left != Some(0)
    }

    fn concerns(&self, kind: Kind, channel: usize) -> bool {
        self.kind == kind && self.alive() && self.channel.is_none_or(|c| c == channel)
    }

    fn hit(&mut self) {
        self.hits += 1;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
    }

    /// A number that the seed and the number of earlier ones decide (xorshift64*).
    fn random(&mut self) -> u32 {
        self.rng ^= self.rng >> 12;
        self.rng ^= self.rng << 25;
        self.rng ^= self.rng >> 27;
        (self.rng.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn spec(&self) -> Option<&'static Spec> {
        SPECS.iter().find(|s| s.kind == self.kind)
    }

    fn show(&self) -> Value {
        let name = self.spec().map_or("", |s| s.name);
        let mut v = json!({"kind": name, "hits": self.hits});
        if !self.what.is_empty() {
            v["what"] = self.what.into();
        }
        if let Some(c) = self.channel {
            v["channel"] = c.into();
        }
        v["left"] = match self.left {
            Some(n) => n.into(),
            None => "until cleared".into(),
        };
        v
    }
}

/// The faults of a port.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

/// The kinds with their arguments, for help texts.
pub fn help() -> String {
    let mut out = String::new();
    for s in SPECS {
        let mut head = s.name.to_string();
        if !s.what.is_empty() {
            head += &format!(" {}", s.what.join("|"));
        }
        let keys: Vec<String> = s.keys.iter().map(|k| format!("[{k}=]")).collect();
        out += &format!("  {head} {}\n      {}\n", keys.join(" "), s.help);
    }
    out += "count defaults to 1 where there is one; channel: all; ms: ends after so many milliseconds.\n";
    out
}

fn names() -> String {
    let names: Vec<_> = SPECS.iter().map(|s| s.name).collect();
    names.join(", ")
}

impl Faults {
    /// Adds a fault from its words: the kind, perhaps what, and `key=value`.
    fn add(
        &mut self,
        words: &[&str],
        channels: usize,
        now: Duration,
    ) -> Result<&mut Fault, String> {
        let (name, args) = words.split_first().ok_or("no fault named")?;
        let spec = SPECS.iter().find(|s| s.name == *name).ok_or_else(|| {
            format!(
                "no fault is called '{name}'; there are: {} (help tells more)",
                names()
            )
        })?;
        let mut fault = Fault {
            kind: spec.kind,
            what: spec.what.first().copied().unwrap_or(""),
            channel: None,
            left: spec.count,
            hits: 0,
            ends: None,
            until: Until::Reset,
            every: Duration::from_micros(100),
            down: Duration::from_millis(200),
            up: Duration::from_secs(2),
            next: now,
            pulled: false,
            rng: 1,
        };
        for arg in args {
            let Some((key, value)) = arg.split_once('=') else {
                fault.what = spec.what.iter().find(|w| *w == arg).ok_or_else(|| {
                    if spec.what.is_empty() {
                        format!(
                            "'{arg}' is no argument of {name}; use {}",
                            spec.keys.join("=, ") + "="
                        )
                    } else {
                        format!("'{arg}' is not one of {}", spec.what.join(", "))
                    }
                })?;
                continue;
            };
            if !spec.keys.contains(&key) {
                return Err(format!(
                    "{name} takes no {key}=; use {}",
                    spec.keys.join("=, ") + "="
                ));
            }
            if key == "until" {
                fault.until = match value {
                    "reset" => Until::Reset,
                    "restart" => Until::Restart,
                    "clear" => Until::Clear,
                    _ => return Err(format!("until={value}: use reset, restart or clear")),
                };
                continue;
            }
            let n: u64 = value
                .parse()
                .map_err(|_| format!("{key}={value} is no number"))?;
            let limit = |max: u64| {
                if n <= max {
                    Ok(n)
                } else {
                    Err(format!("{key}={value}: at most {max}"))
                }
            };
            match key {
                "channel" => {
                    if n as usize >= channels {
                        return Err(format!("channel={n}: this core has {channels}"));
                    }
                    fault.channel = Some(n as usize);
                }
                "count" => {
                    if n == 0 {
                        return Err("count=0: nothing would happen".into());
                    }
                    fault.left = Some(n);
                }
                "ms" => {
                    fault.ends = Some(now + Duration::from_millis(limit(86_400_000)?));
                    // The time bounds it, unless a count was given, too.
                    if !args.iter().any(|a| a.starts_with("count=")) {
                        fault.left = None;
                    }
                }
                "every" | "us" => fault.every = Duration::from_micros(limit(60_000_000)?.max(1)),
                "down" => fault.down = Duration::from_millis(limit(600_000)?),
                "up" => fault.up = Duration::from_millis(limit(600_000)?),
                _ => fault.rng = n.wrapping_mul(2) | 1,
            }
        }
        self.list.push(fault);
        self.list.last_mut().ok_or_else(|| "lost".into())
    }

    fn find(&mut self, kind: Kind, channel: usize) -> Option<&mut Fault> {
        if self.list.is_empty() {
            return None;
        }
        self.list.iter_mut().find(|f| f.concerns(kind, channel))
    }

    /// Whether a fault is there that no channel has to itself.
    pub(crate) fn active(&self, kind: Kind) -> bool {
        self.list.iter().any(|f| f.kind == kind && f.alive())
    }

    /// Whether a clock stands still.
    pub(crate) fn clock_dead(&self, name: &str) -> bool {
        self.list
            .iter()
            .any(|f| f.kind == ClockDead && f.alive() && f.what == name)
    }

    /// Whether a channel has a fault; this does not count as a hit.
    pub(crate) fn has(&self, kind: Kind, channel: usize) -> bool {
        self.list.iter().any(|f| f.concerns(kind, channel))
    }

    /// Whether a channel has a fault; this does not use it up.
    pub(crate) fn on(&mut self, kind: Kind, channel: usize) -> bool {
        match self.find(kind, channel) {
            Some(f) => {
                f.hits += 1;
                true
            }
            None => false,
        }
    }

    /// Uses up one of a fault's count.
    pub(crate) fn take(&mut self, kind: Kind, channel: usize) -> bool {
        match self.find(kind, channel) {
            Some(f) => {
                f.hit();
                true
            }
            None => false,
        }
    }

    /// As [`Faults::take`], for a fault whose first word is `what`.
    pub(crate) fn take_what(&mut self, kind: Kind, what: &str, channel: usize) -> bool {
        self.late(kind, what, channel).is_some()
    }

    /// As [`Faults::take_what`]; how long what the fault is about is late.
    pub(crate) fn late(&mut self, kind: Kind, what: &str, channel: usize) -> Option<Duration> {
        let f = self.list.iter_mut().find(|f| {
            f.kind == kind && f.alive() && f.what == what && f.channel.is_none_or(|c| c == channel)
        })?;
        f.hit();
        Some(f.every)
    }

    /// Whether an interrupt of a line is lost: of a channel's direction, or the common one.
    pub(crate) fn loses(&mut self, line: &str, channel: Option<usize>) -> bool {
        let found = self.list.iter_mut().find(|f| {
            f.kind == IrqDrop
                && f.alive()
                && (f.what == "all" || f.what == line)
                && f.channel.is_none_or(|c| channel == Some(c))
        });
        match found {
            Some(f) => {
                f.hit();
                true
            }
            None => false,
        }
    }

    fn heal(&mut self, keep: impl Fn(&Fault) -> bool) {
        self.list.retain(|f| keep(f) || !f.alive());
    }
}

impl Gmac {
    /// `KIND ARGS`, `list`, `help` or `clear [KIND]`.
    pub fn fault(&mut self, spec: &str) -> Result<Value, String> {
        let words: Vec<&str> = spec.split_whitespace().collect();
        match words[..] {
            // A line for each kind, and one for what it does.
            ["help"] => Ok(help().lines().collect()),
            ["list"] | [] => Ok(self.faults.list.iter().map(Fault::show).collect()),
            ["clear"] => {
                self.clear_faults(|_| true);
                Ok(json!({}))
            }
            ["clear", name] => {
                let spec = SPECS.iter().find(|s| s.name == name);
                let kind = spec.map(|s| s.kind).ok_or_else(|| {
                    format!(
                        "no fault is called '{name}'; there are: {} (help tells more)",
                        names()
                    )
                })?;
                self.clear_faults(|f| f.kind == kind);
                Ok(json!({}))
            }
            ["safety", error, ..] => {
                let name = error.to_ascii_uppercase();
                let words: Vec<&str> = ["safety", name.as_str()]
                    .into_iter()
                    .chain(words[2..].iter().copied())
                    .collect();
                let seen = self.safety_error(&name)?;
                let now = self.clock.now();
                let fault = self.faults.add(&words, 0, now)?;
                // That was the first one.
                fault.hit();
                fault.next = now + fault.every;
                let mut shown = fault.show();
                shown["seen"] = seen.into();
                tracing::info!("{}: fault {spec}", self.cfg.name);
                Ok(json!([shown]))
            }
            _ => {
                let now = self.clock.now();
                let channels = self.cfg.channels();
                let shown = self.faults.add(&words, channels, now)?.show();
                tracing::info!("{}: fault {spec}", self.cfg.name);
                self.apply_faults();
                Ok(json!([shown]))
            }
        }
    }

    fn clear_faults(&mut self, which: impl Fn(&Fault) -> bool) {
        self.faults.list.retain(|f| !which(f));
        self.apply_faults();
    }

    /// Brings about what a fault does by being there.
    fn apply_faults(&mut self) {
        let gone = self.faults.active(PhyGone);
        let pulled = gone || self.faults.list.iter().any(|f| f.pulled);
        self.mdio.silence(gone);
        if pulled != self.pulled {
            self.pulled = pulled;
            let now = self.clock.now();
            self.wire.medium().set_admin(self.wire.side(), !pulled, now);
        }
    }

    /// Lets time act on faults.
    pub(crate) fn run_faults(&mut self, now: Duration) {
        if self.faults.list.is_empty() {
            return;
        }
        self.faults.list.retain(|f| f.ends.is_none_or(|t| now < t));
        let mut pulses = Vec::new();
        let mut errors = Vec::new();
        for f in &mut self.faults.list {
            while f.alive() && now >= f.next {
                match f.kind {
                    IrqSpurious => {
                        pulses.push((f.what, f.channel.unwrap_or(0)));
                        f.next += f.every;
                        f.hit();
                        // What a late worker missed is not made up for.
                        f.next = f.next.max(now);
                        break;
                    }
                    Safety => {
                        errors.push(f.what);
                        f.next += f.every;
                        f.hit();
                        f.next = f.next.max(now);
                        break;
                    }
                    LinkFlap if f.pulled => {
                        f.pulled = false;
                        f.next = now + f.up;
                        f.hit();
                    }
                    LinkFlap => {
                        f.pulled = true;
                        f.next = now + f.down;
                    }
                    _ => break,
                }
            }
        }
        for (what, c) in pulses {
            match what {
                "tx" => self.pulses.tx[c] = true,
                "rx" => self.pulses.rx[c] = true,
                _ => self.pulses.common = true,
            }
        }
        for name in errors {
            // The name was good when the fault came.
            let _ = self.safety_error(name);
        }
        self.apply_faults();
    }

    /// When [`Gmac::run_faults`] has something to do.
    pub(crate) fn fault_deadline(&self) -> Option<Duration> {
        let timed = |f: &&Fault| f.alive() && matches!(f.kind, IrqSpurious | LinkFlap | Safety);
        let next = self.faults.list.iter().filter(timed).map(|f| f.next);
        next.chain(self.faults.list.iter().filter_map(|f| f.ends))
            .min()
    }

    /// A software reset began: it heals what it can.
    pub(crate) fn reset_heals(&mut self) {
        let wedge = |f: &Fault| matches!(f.kind, RxWedge | TxWedge);
        self.faults.heal(|f| !wedge(f) || f.until == Until::Clear);
    }

    /// A channel was started.
    pub(crate) fn restart_heals(&mut self, tx: bool, c: usize) {
        let kind = if tx { TxWedge } else { RxWedge };
        self.faults.heal(|f| {
            f.kind != kind || f.channel.is_some_and(|x| x != c) || f.until != Until::Restart
        });
    }

    /// Whether software has switched off what the receive clock comes from: lane or PHY.
    pub(crate) fn rx_clock_off(&self) -> bool {
        match &self.serial {
            Some(serial) => !serial.clock(),
            None => self.mdio.phy(self.cfg.phy_addr).is_some_and(|p| !p.clock()),
        }
    }

    /// Whether the receive clock stands still.
    pub(crate) fn rx_clock_dead(&self) -> bool {
        self.rx_clock_off() || self.faults.clock_dead("rx")
    }

    /// Whether a software reset cannot end.
    pub(crate) fn reset_stuck(&self) -> bool {
        self.rx_clock_dead()
            || !self.faults.list.is_empty()
                && (self.faults.active(ResetStuck)
                    || ["tx", "app", "ptp"]
                        .iter()
                        .any(|c| self.faults.clock_dead(c)))
    }

    /// A fault fails this access: `at` is as in the fault's words. The channel halts.
    pub(crate) fn fails(&mut self, at: &str, c: usize) -> bool {
        self.faults.take_what(BusError, at, c)
    }

    /// What is written back instead of a receive descriptor; `None`: nothing at all.
    pub(crate) fn garble_rx(&mut self, c: usize, mut back: Desc) -> Option<Desc> {
        let Some(f) = self.faults.find(RxGarbage, c) else {
            return Some(back);
        };
        let last = back.w[3] & LD != 0;
        match f.what {
            // What only a packet's end has.
            "length" | "zero" | "flags" | "no-last" if !last => return Some(back),
            "no-first" if back.w[3] & FD == 0 => return Some(back),
            // Has a hook of its own, before the packet is touched.
            "early" => return Some(back),
            _ => {}
        }
        f.hit();
        let w3 = &mut back.w[3];
        match f.what {
            "length" => {
                let length = [0x7fff, 0x4000, 0x2001, 0x1fff];
                *w3 = *w3 & !0x7fff | length[f.hits as usize % length.len()];
            }
            "zero" => *w3 &= !0x7fff,
            "flags" => {
                *w3 |= RX_ES | (f.random() & (RX_CE | RX_GP | RX_RWT | RX_RE | 1 << 21 | RX_DE))
            }
            "no-first" => *w3 &= !FD,
            "no-last" => *w3 &= !LD,
            "context" => *w3 = CTXT | *w3 & !(FD | LD),
            "ones" => back.w = [u32::MAX, u32::MAX, u32::MAX, !OWN],
            "random" => {
                for w in &mut back.w {
                    *w = f.random();
                }
                back.w[3] &= !OWN;
            }
            _ => return None,
        }
        Some(back)
    }

    /// Whether the DMA gives a receive descriptor back that it has not used.
    pub(crate) fn gives_back_early(&mut self, c: usize) -> bool {
        self.faults.take_what(RxGarbage, "early", c)
    }

    /// TDES3 that is written back instead; `None`: nothing at all.
    pub(crate) fn garble_tx(&mut self, c: usize, w3: u32) -> Option<u32> {
        let Some(f) = self.faults.find(TxGarbage, c) else {
            return Some(w3);
        };
        // Has a hook of its own, at the doorbell.
        if f.what == "early" {
            return Some(w3);
        }
        f.hit();
        match f.what {
            // All of JT, FF, PCE, LoC, NC, LC, EC, CC, ED, UF, DB, IHE are possible.
            "status" => Some(w3 | TX_ES | f.random() & 0x7fff),
            "random" => Some(f.random() & !OWN),
            "context" => Some(w3 & !(FD | LD) | CTXT),
            _ => None,
        }
    }

    /// Whether a packet of a channel is cut for want of data; gives its status.
    pub(crate) fn underflows(&mut self, c: usize) -> Option<u32> {
        if !self.faults.take(TxUnderflow, c) {
            return None;
        }
        self.regs.count(mtl(c, MTL_TXQ_UNDERFLOW), 0, 11, 1 << 11);
        self.regs.set_bits(mtl(c, MTL_Q_INT), Q_TXUNFIS);
        self.mmc_tx_underflow();
        Some(TX_UF | TX_ES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Duration = Duration::ZERO;

    fn faults(spec: &str) -> Result<Faults, String> {
        let mut f = Faults::default();
        let words: Vec<&str> = spec.split_whitespace().collect();
        f.add(&words, 4, T0).map(|_| ())?;
        Ok(f)
    }

    #[test]
    fn counts_are_used_up() {
        let mut f = faults("rx-overflow count=2 channel=1").unwrap();
        assert!(!f.take(RxOverflow, 0));
        assert!(!f.take(TxUnderflow, 1));
        assert!(f.take(RxOverflow, 1));
        assert!(f.take(RxOverflow, 1));
        assert!(!f.take(RxOverflow, 1));
        assert_eq!(f.list[0].show()["hits"], 2);
    }

    #[test]
    fn words_choose_and_are_checked() {
        let mut f = faults("bus-error tx-buf").unwrap();
        assert!(!f.take_what(BusError, "rx-desc", 0));
        assert!(f.take_what(BusError, "tx-buf", 3));
        for (spec, word) in [
            ("bus-errors", "no fault is called"),
            ("bus-error tx", "not one of"),
            ("reset-stuck now", "no argument"),
            ("reset-stuck count=1", "takes no count="),
            ("rx-wedge until=dawn", "until=dawn"),
            ("rx-overflow channel=4", "has 4"),
            ("rx-overflow count=x", "no number"),
            ("rx-overflow count=0", "nothing"),
        ] {
            let e = faults(spec).unwrap_err();
            assert!(e.contains(word), "{e}");
        }
    }

    #[test]
    fn lines_are_told_apart() {
        let mut f = faults("irq-drop rx channel=2 count=9").unwrap();
        assert!(!f.loses("tx", Some(2)));
        assert!(!f.loses("rx", Some(1)));
        assert!(!f.loses("common", None));
        assert!(f.loses("rx", Some(2)));
        let mut f = faults("irq-drop").unwrap();
        assert!(f.loses("common", None));
        assert!(!f.loses("common", None));
    }

    #[test]
    fn the_seed_decides() {
        let draw = |spec| {
            let mut f = faults(spec).unwrap();
            [f.list[0].random(), f.list[0].random()]
        };
        assert_eq!(
            draw("rx-garbage random seed=7"),
            draw("rx-garbage random seed=7")
        );
        assert_ne!(
            draw("rx-garbage random seed=7"),
            draw("rx-garbage random seed=8")
        );
    }

    #[test]
    fn help_names_all() {
        let text = help();
        for s in SPECS {
            assert!(text.contains(s.name));
        }
    }
}
