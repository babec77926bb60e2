// SPDX-License-Identifier: GPL-2.0

//! The DMA: channels that walk rings of descriptors.

use std::time::Duration;

use crate::desc::*;
use crate::fault::Kind;
use crate::gmac::{Ack, Gmac, Lines};
use crate::mac::{TxControl, MAX_TX};
use crate::mem::{BusError, DmaResult};
use crate::mtl::{RxPacket, RxQueue};
use crate::ptp::{Stamp, RX_TD, RX_TSA};
use crate::regs::field;
use crate::regs::gmac4::*;
use crate::sched::Algorithm;
use crate::tso::{self, Segments};

/// Time in which a process that is told to stop is done with what it was at: that of a long frame
/// at 1 Gbit/s.
pub const STOP_TIME: Duration = Duration::from_micros(12);

/// What a process does, as DMA_Debug_Status reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// Not started, or stopped.
    #[default]
    Stopped,
    /// Waiting for work or working.
    Running,
    /// Out of descriptors, or by an underflow, until the tail pointer is written.
    Suspended,
    /// A bus error; only a stop and a start help.
    Halted,
    /// Told to stop, which it does after the packet that it is at.
    Stopping {
        /// When it stops if it is at none.
        at: Duration,
        /// By a fault not before.
        late: bool,
    },
}

/// A packet being fetched.
#[derive(Clone, Debug, Default)]
pub struct TxFrame {
    data: Vec<u8>,
    control: TxControl,
    ttse: bool,
    oversize: bool,
    tso: Option<tso::Request>,
}

/// A packet being sent in segments; its last descriptor is closed after the last one.
#[derive(Clone, Debug)]
pub struct Pending {
    segments: Segments,
    control: TxControl,
    /// The MTL queue was flushed: the rest is dropped.
    pub flushed: bool,
    /// What of the last descriptor is written back.
    w3: u32,
    ioc: bool,
    ttse: bool,
}

/// The transmit half of a channel.
#[derive(Clone, Debug, Default)]
pub struct TxChannel {
    /// What it does.
    pub state: Process,
    /// The descriptor it uses next.
    pub cur: u64,
    /// The packet whose descriptors are being fetched.
    pub frame: Option<TxFrame>,
    /// The packet whose segments are being sent.
    pub segments: Option<Pending>,
    /// Maximum segment size: of DMA_CH_Control or of a context descriptor, whichever came last.
    pub mss: u32,
    /// Outer VLAN tag of the last context descriptor that had one.
    pub vlan: u16,
    /// Inner VLAN tag likewise.
    pub inner_vlan: u16,
    /// What the next packet does with the inner tag.
    pub ivtir: u32,
    /// Starts from the list address instead of where it stopped.
    pub rewind: bool,
    /// TI events that wait behind an unacknowledged one (interrupt mode 2).
    pub queued: u32,
    /// A descriptor that a fault gave back before its turn.
    pub early: Option<u64>,
}

/// The receive half of a channel.
#[derive(Clone, Debug, Default)]
pub struct RxChannel {
    /// What it does.
    pub state: Process,
    /// The descriptor it uses next.
    pub cur: u64,
    /// It has used the last descriptor before the tail.
    pub at_tail: bool,
    /// The queue whose packet it is writing.
    pub queue: Option<usize>,
    /// The packet is in memory but for its time stamp; whether its descriptor wants an interrupt.
    pub context: Option<bool>,
    /// A fault holds the time stamp back until then.
    pub context_at: Option<Duration>,
    /// Starts from the list address instead of where it stopped.
    pub rewind: bool,
    /// When the receive interrupt watchdog runs out.
    pub riwt: Option<Duration>,
    /// RI events that wait behind an unacknowledged one (interrupt mode 2).
    pub queued: u32,
}

impl TxChannel {
    /// Whether a packet is in the middle of being fetched or sent.
    fn begun(&self) -> bool {
        self.frame.is_some() || self.segments.is_some()
    }

    fn works(&self, now: Duration) -> bool {
        self.state.works(now, self.begun())
    }

    fn stop_at(&self) -> Option<Duration> {
        self.state.stop_at(self.begun())
    }
}

impl RxChannel {
    /// Whether a packet is in the middle of being written.
    fn begun(&self) -> bool {
        self.queue.is_some()
    }

    fn works(&self, now: Duration) -> bool {
        self.state.works(now, self.begun())
    }

    fn stop_at(&self) -> Option<Duration> {
        self.state.stop_at(self.begun())
    }
}

#[derive(Clone, Copy)]
enum Dir {
    Tx,
    Rx,
}

impl Process {
    fn code(self, waiting: u32, suspended: u32) -> u32 {
        match self {
            Process::Stopped | Process::Halted => 0,
            Process::Running | Process::Stopping { .. } => waiting,
            Process::Suspended => suspended,
        }
    }

    /// Whether it takes up packets, or goes on with one that is `begun`.
    fn works(self, now: Duration, begun: bool) -> bool {
        match self {
            Process::Running => true,
            Process::Stopping { at, .. } => begun || now < at,
            _ => false,
        }
    }

    fn is_stopping(self) -> bool {
        matches!(self, Process::Stopping { .. })
    }

    /// What it is once it is told to stop, unless it stops at once: if a fault delays that, or if it
    /// is `busy` with a packet.
    fn told_to_stop(now: Duration, fault: Option<Duration>, busy: bool) -> Option<Process> {
        let time = fault.or(busy.then_some(STOP_TIME))?;
        Some(Process::Stopping {
            at: now + time,
            late: fault.is_some(),
        })
    }

    /// Whether it stops at the end of a packet.
    fn stops_after_packet(self, now: Duration) -> bool {
        matches!(self, Process::Stopping { at, late } if !late || now >= at)
    }

    /// When it stops if nothing else happens.
    fn stop_at(self, begun: bool) -> Option<Duration> {
        match self {
            Process::Stopping { at, .. } if !begun => Some(at),
            _ => None,
        }
    }

    /// A stop that was asked for need not be asked for again.
    fn after_error(self) -> Process {
        if self.is_stopping() {
            Process::Stopped
        } else {
            Process::Halted
        }
    }
}

impl Gmac {
    fn channel(&self, off: u32) -> Option<(usize, u32)> {
        let c = (off.checked_sub(DMA_CH)? / DMA_CH_STRIDE) as usize;
        (c < self.cfg.channels()).then_some((c, (off - DMA_CH) % DMA_CH_STRIDE))
    }

    pub(crate) fn dma_read(&mut self, off: u32) -> u32 {
        match off {
            DMA_MODE => {
                let swr = if self.in_reset() { MODE_SWR } else { 0 };
                self.regs.read(off) | swr
            }
            DMA_INT_STATUS => {
                let mut v = 0;
                for c in 0..self.cfg.channels() {
                    v |= u32::from(self.channel_irq(c)) << c;
                }
                v |= u32::from(self.mtl_int_status() != 0) << 16;
                v | u32::from(self.mac_irq_causes() != 0) << 17
            }
            DMA_SAFETY_STATUS if self.cfg.asp > 0 => self.dma_safety_status(),
            _ if (DMA_DEBUG0..DMA_DEBUG0 + 12).contains(&off) => self.dma_debug(off),
            _ => self.regs.read(off),
        }
    }

    fn dma_debug(&self, off: u32) -> u32 {
        // Channels 0-2 from bit 8, 3-6 and 7 from bit 0.
        let (first, count, shift) = match (off - DMA_DEBUG0) / 4 {
            0 => (0, 3, 8),
            1 => (3, 4, 0),
            _ => (7, 1, 0),
        };
        let mut v = 0;
        for i in 0..count {
            let rps = self.rx.get(first + i).map_or(0, |c| c.state.code(3, 4));
            let tps = self.tx.get(first + i).map_or(0, |c| c.state.code(1, 6));
            v |= (tps << 4 | rps) << (shift + 8 * i);
        }
        v
    }

    pub(crate) fn dma_write(&mut self, off: u32, value: u32, lanes: u32) -> Ack {
        let Some(w) = self.regs.write(off, value, lanes) else {
            return Ack::None;
        };
        if off == DMA_MODE {
            if w.triggered & MODE_SWR != 0 {
                self.software_reset();
            }
            return Ack::Common;
        }
        if off == DMA_ECC_STATUS {
            return Ack::Common;
        }
        let Some((c, reg)) = self.channel(off) else {
            return Ack::None;
        };
        match reg {
            CH_CONTROL => {
                if let Some(tx) = self.tx.get_mut(c) {
                    tx.mss = field(w.new, 0, 14);
                }
            }
            CH_TX_CONTROL if w.rising(TX_ST) != 0 => self.start_tx(c),
            CH_TX_CONTROL if w.falling(TX_ST) != 0 => self.stop_tx(c),
            CH_RX_CONTROL => {
                if w.rising(RX_SR) != 0 {
                    self.start_rx(c);
                } else if w.falling(RX_SR) != 0 {
                    self.stop_rx(c);
                }
            }
            CH_TX_BASE | CH_TX_BASE_HI => self.tx[c].rewind = true,
            CH_RX_BASE | CH_RX_BASE_HI => self.rx[c].rewind = true,
            CH_TX_TAIL => {
                if self.tx[c].state == Process::Suspended {
                    self.tx[c].state = Process::Running;
                }
                self.give_back_early(c);
            }
            CH_RX_TAIL => {
                let rx = &mut self.rx[c];
                rx.at_tail = false;
                if rx.state == Process::Suspended {
                    rx.state = Process::Running;
                }
            }
            CH_RIWT if field(w.new, 0, 8) == 0 => {
                if let Some(rx) = self.rx.get_mut(c) {
                    rx.riwt = None;
                }
            }
            CH_INT_EN => {
                self.summarise(c);
                return Ack::Channel(c);
            }
            CH_STATUS => {
                self.acknowledged(c, value & lanes);
                return Ack::Channel(c);
            }
            _ => {}
        }
        Ack::None
    }

    /// Interrupt mode 2: what came while an event was pending shows once that is acknowledged.
    fn acknowledged(&mut self, c: usize, cleared: u32) {
        let mut again = 0;
        if cleared & ST_TI != 0 {
            if let Some(tx) = self.tx.get_mut(c).filter(|tx| tx.queued > 0) {
                tx.queued -= 1;
                again |= ST_TI;
            }
        }
        if cleared & ST_RI != 0 {
            if let Some(rx) = self.rx.get_mut(c).filter(|rx| rx.queued > 0) {
                rx.queued -= 1;
                again |= ST_RI;
            }
        }
        self.regs.set_bits(ch(c, CH_STATUS), again);
        self.summarise(c);
    }

    fn start_tx(&mut self, c: usize) {
        if self.faults.take_what(Kind::StartStuck, "tx", c) {
            // Software has asked for it, and is judged by that.
            self.check_start(true, c, true);
            return;
        }
        let base = self.list_address(c, CH_TX_BASE_HI, CH_TX_BASE);
        let tx = &mut self.tx[c];
        if std::mem::take(&mut tx.rewind) {
            tx.cur = base;
            tx.frame = None;
            tx.segments = None;
        }
        tx.state = Process::Running;
        tx.early = None;
        self.show(c, CH_CUR_TX, self.tx[c].cur);
        self.check_start(true, c, true);
        self.restart_heals(true, c);
    }

    /// ST was cleared. The packet that the process is at is any which it could have begun by now:
    /// only the model's thread may not have come to it yet.
    fn stop_tx(&mut self, c: usize) {
        let now = self.clock.now();
        let runs = self.tx[c].state == Process::Running;
        let fault = runs
            .then(|| self.faults.late(Kind::StopLate, "tx", c))
            .flatten();
        let busy = runs
            && !self.faults.clock_dead("app")
            && self.tx_runnable(c, now)
            && (self.tx[c].begun() || self.tx_ready(now) && self.tx_posted(c));
        match Process::told_to_stop(now, fault, busy) {
            Some(state) => self.tx[c].state = state,
            None => self.stopped_tx(c),
        }
    }

    fn stopped_tx(&mut self, c: usize) {
        self.tx[c].state = Process::Stopped;
        self.check_start(true, c, false);
        self.raise(c, ST_TPS);
    }

    fn start_rx(&mut self, c: usize) {
        if self.faults.take_what(Kind::StartStuck, "rx", c) {
            self.check_start(false, c, true);
            return;
        }
        let base = self.list_address(c, CH_RX_BASE_HI, CH_RX_BASE);
        let rx = &mut self.rx[c];
        if std::mem::take(&mut rx.rewind) {
            rx.cur = base;
            let delivered = rx.context.take().is_some();
            // A packet that was half in the old ring starts over in the new one.
            if let Some(q) = rx.queue.take() {
                self.rxq[q].done = 0;
                if delivered {
                    self.pop(q);
                }
            }
        }
        self.rx[c].at_tail = false;
        self.rx[c].state = Process::Running;
        self.show(c, CH_CUR_RX, self.rx[c].cur);
        self.check_start(false, c, true);
        self.restart_heals(false, c);
    }

    /// SR was cleared. The packet that the process is at may be one which has arrived and only the
    /// model's thread has not come to.
    fn stop_rx(&mut self, c: usize) {
        let now = self.clock.now();
        let runs = self.rx[c].state == Process::Running;
        let fault = runs
            .then(|| self.faults.late(Kind::StopLate, "rx", c))
            .flatten();
        let queued = |q: &RxQueue| q.packets.front().is_some_and(|p| p.channel == c);
        let arriving = self.config(CONFIG_RE) && !self.rx_clock_dead() && self.has_arrivals();
        let busy = runs
            && !self.faults.clock_dead("app")
            && !self.faults.on(Kind::RxWedge, c)
            && (arriving || self.rxq.iter().any(queued));
        match Process::told_to_stop(now, fault, busy) {
            Some(state) => self.rx[c].state = state,
            None => self.stopped_rx(c),
        }
    }

    fn stopped_rx(&mut self, c: usize) {
        self.rx[c].state = Process::Stopped;
        self.check_start(false, c, false);
        self.rx[c].riwt = None;
        self.raise(c, ST_RPS);
    }

    /// Lets time act on processes that were told to stop.
    pub(crate) fn run_stops(&mut self, now: Duration) {
        for c in 0..self.tx.len() {
            if self.tx[c].stop_at().is_some_and(|at| now >= at) {
                self.stopped_tx(c);
            }
        }
        for c in 0..self.rx.len() {
            if self.rx[c].stop_at().is_some_and(|at| now >= at) {
                self.stopped_rx(c);
            }
        }
    }

    /// When [`Gmac::run_stops`] has something to do.
    pub(crate) fn stops_deadline(&self) -> Option<Duration> {
        let tx = self.tx.iter().filter_map(TxChannel::stop_at);
        tx.chain(self.rx.iter().filter_map(RxChannel::stop_at))
            .min()
    }

    /// Whether wide addresses are in use, which changes the layout of descriptors.
    pub(crate) fn wide(&self) -> bool {
        self.cfg.addr_bits > 32 && self.regs.get(DMA_SYSBUS) & SYSBUS_EAME != 0
    }

    pub(crate) fn list_address(&self, c: usize, hi: u32, lo: u32) -> u64 {
        let high = if self.wide() {
            self.regs.get(ch(c, hi))
        } else {
            0
        };
        u64::from(high) << 32 | u64::from(self.regs.get(ch(c, lo)))
    }

    fn show(&mut self, c: usize, reg: u32, addr: u64) {
        self.regs.set(ch(c, reg), addr as u32);
    }

    fn show_buffer(&mut self, c: usize, hi: u32, lo: u32, addr: u64) {
        self.regs.set(ch(c, hi), (addr >> 32) as u32);
        self.regs.set(ch(c, lo), addr as u32);
    }

    /// Distance between descriptors: DSL counts bus words between them.
    pub(crate) fn stride(&self, c: usize) -> u64 {
        let skip = field(self.regs.get(ch(c, CH_CONTROL)), 18, 3) * self.cfg.bus_bytes();
        u64::from(16 + skip)
    }

    /// Where the four words that matter are in a transmit descriptor: behind the launch time, if
    /// the channel uses enhanced ones.
    pub(crate) fn tx_words(&self, c: usize) -> u64 {
        if self.regs.get(ch(c, CH_TX_CONTROL)) & TX_EDSE != 0 {
            16
        } else {
            0
        }
    }

    fn next(&self, c: usize, cur: u64, base: u64, len_reg: u32, stride: u64) -> u64 {
        let last = base + u64::from(field(self.regs.get(ch(c, len_reg)), 0, 10)) * stride;
        if cur < base || cur >= last {
            base
        } else {
            cur + stride
        }
    }

    fn next_tx_desc(&mut self, c: usize) {
        let base = self.list_address(c, CH_TX_BASE_HI, CH_TX_BASE);
        self.tx[c].cur = self.next(
            c,
            self.tx[c].cur,
            base,
            CH_TX_LEN,
            self.stride(c) + self.tx_words(c),
        );
        self.show(c, CH_CUR_TX, self.tx[c].cur);
    }

    fn next_rx_desc(&mut self, c: usize) {
        let base = self.list_address(c, CH_RX_BASE_HI, CH_RX_BASE);
        self.rx[c].cur = self.next(c, self.rx[c].cur, base, CH_RX_LEN, self.stride(c));
        // A tail that is moved to where the DMA already is says that the whole ring is valid, so
        // only arriving at it counts.
        self.rx[c].at_tail = self.rx[c].cur as u32 == self.regs.get(ch(c, CH_RX_TAIL));
        self.show(c, CH_CUR_RX, self.rx[c].cur);
    }

    fn mastered<T>(&self, r: DmaResult<T>) -> DmaResult<T> {
        if self.bus_master {
            r
        } else {
            Err(BusError)
        }
    }

    /// Sets status bits of a channel.
    fn raise(&mut self, c: usize, bits: u32) {
        let mode = field(self.regs.get(DMA_MODE), 16, 2);
        let status = ch(c, CH_STATUS);
        let old = self.regs.get(status);
        let enabled = self.regs.get(ch(c, CH_INT_EN));
        if mode == 2 {
            // A second event of a kind waits its turn.
            if bits & old & ST_TI != 0 {
                self.tx[c].queued += 1;
            }
            if bits & old & ST_RI != 0 {
                self.rx[c].queued += 1;
            }
        }
        if mode == 0 {
            self.pulses.tx[c] |= bits & enabled & ST_TI != 0;
            self.pulses.rx[c] |= bits & enabled & ST_RI != 0;
        }
        self.regs.set_bits(status, bits);
        self.summarise(c);
    }

    /// Sets the summary bits that enabled events call for. Only software clears them.
    fn summarise(&mut self, c: usize) {
        let s = summary(self.cfg.version);
        let off = ch(c, CH_STATUS);
        let active = self.regs.get(off) & self.regs.get(ch(c, CH_INT_EN));
        let mut bits = 0;
        if active & ST_NORMAL != 0 {
            bits |= s.nis;
        }
        if active & ST_ABNORMAL != 0 {
            bits |= s.ais;
        }
        self.regs.set_bits(off, bits);
    }

    fn channel_irq(&self, c: usize) -> bool {
        let s = summary(self.cfg.version);
        self.channel_causes(c) & (s.nis | s.ais) != 0
    }

    /// What is set of the enabled bits of a channel's status.
    pub(crate) fn channel_causes(&self, c: usize) -> u32 {
        self.regs.get(ch(c, CH_STATUS)) & self.regs.get(ch(c, CH_INT_EN))
    }

    pub(crate) fn dma_lines(&self) -> Lines {
        let mut lines = Lines::default();
        let mode = field(self.regs.get(DMA_MODE), 16, 2);
        let s = summary(self.cfg.version);
        for c in 0..self.cfg.channels() {
            if mode == 0 {
                lines.common |= self.channel_irq(c);
                continue;
            }
            let enabled = self.regs.get(ch(c, CH_INT_EN));
            let active = self.channel_causes(c);
            lines.tx[c] = active & ST_TI != 0;
            lines.rx[c] = active & ST_RI != 0;
            // Completion has lines of its own; the common one tells the rest.
            let others = active & (ST_TBU | ST_ERI) != 0 && enabled & s.nis != 0;
            lines.common |= others || active & s.ais != 0;
        }
        lines
    }

    /// A bus error that software is to blame for.
    fn bus_error(&mut self, c: usize, dir: Dir, write: bool, desc: bool) {
        self.check_bus_error(matches!(dir, Dir::Tx), c, write, desc);
        self.fault_bus(c, dir, write, desc);
    }

    /// A bus error: the process halts.
    fn fault_bus(&mut self, c: usize, dir: Dir, write: bool, desc: bool) {
        self.stats.bus_errors += 1;
        let code = u32::from(!write) | u32::from(desc) << 1 | u32::from(!desc) << 2;
        let shift = match dir {
            Dir::Tx => {
                self.tx[c].state = self.tx[c].state.after_error();
                self.tx[c].frame = None;
                self.tx[c].segments = None;
                16
            }
            Dir::Rx => {
                self.rx[c].state = self.rx[c].state.after_error();
                19
            }
        };
        tracing::debug!(
            "{}: channel {c}: bus error on {} {}",
            self.cfg.name,
            if write { "write to" } else { "read from" },
            if desc { "descriptor" } else { "buffer" }
        );
        let off = ch(c, CH_STATUS);
        let v = self.regs.get(off) & !(7 << shift) | code << shift;
        self.regs.set(off, v);
        self.raise(c, ST_FBE);
    }

    /// Sends packets of all channels in turn; returns whether there may be more.
    pub(crate) fn run_tx(&mut self, budget: usize, now: Duration) -> bool {
        if self.faults.clock_dead("app") {
            return false;
        }
        let algorithm = Algorithm::new(field(self.regs.get(MTL_OPERATION_MODE), 5, 2));
        let weights: Vec<u32> = (0..self.tx.len())
            .map(|q| field(self.regs.get(mtl(q, MTL_TXQ_WEIGHT)), 0, 21))
            .collect();
        // A queue counts as ready until it turns out to have nothing.
        let mut ready = u32::MAX;
        let mut sent = 0;
        // A descriptor need not end a packet: bound them as well.
        let mut steps = budget * 64;
        while let Some(c) = self.sched.pick(algorithm, &weights, ready) {
            let mut packet = false;
            while !packet && steps > 0 && self.tx_ready(now) && self.tx_runnable(c, now) {
                steps -= 1;
                match self.tx_step(c) {
                    None => break,
                    Some(end) => packet = end,
                }
            }
            if packet {
                if self.tx[c].state.stops_after_packet(now) && !self.tx[c].begun() {
                    self.stopped_tx(c);
                }
                sent += 1;
                self.sched.sent(algorithm, c, self.last_tx);
            } else {
                ready &= !(1 << c);
            }
            // What arrives comes first: it may be a pause frame.
            if sent >= budget || steps == 0 || self.has_arrivals() {
                return true;
            }
        }
        false
    }

    fn tx_runnable(&mut self, c: usize, now: Duration) -> bool {
        self.tx_enabled(c, now) && !self.faults.on(Kind::TxWedge, c)
    }

    fn tx_enabled(&self, c: usize, now: Duration) -> bool {
        self.tx[c].works(now) && field(self.regs.get(mtl(c, MTL_TXQ_MODE)), 2, 2) != 0
    }

    /// Whether a packet waits in a transmit queue for the MAC.
    ///
    /// It is still in memory here, for it is fetched when it can be sent. That does not show unless
    /// something keeps the DMA from it.
    pub(crate) fn tx_waits(&self, c: usize) -> bool {
        let now = self.clock.now();
        self.tx_enabled(c, now)
            && !self.tx_ready(now)
            && !self.faults.has(Kind::TxWedge, c)
            && (self.tx[c].segments.is_some() || self.tx_posted(c))
    }

    /// Whether a channel has something to send.
    pub(crate) fn tx_pending(&self) -> bool {
        let now = self.clock.now();
        (0..self.tx.len()).any(|c| {
            self.tx_enabled(c, now) && (self.tx[c].segments.is_some() || self.tx_posted(c))
        })
    }

    /// Whether a channel has a descriptor to fetch.
    fn tx_posted(&self, c: usize) -> bool {
        let cur = self.tx[c].cur;
        cur as u32 != self.regs.get(ch(c, CH_TX_TAIL))
            && self
                .mem
                .load(cur + self.tx_words(c) + 12)
                .map_or(true, |w3| w3 & OWN != 0)
    }

    fn suspend_tx(&mut self, c: usize) -> Option<bool> {
        self.raise(c, ST_TBU);
        self.suspend_tx_silently(c);
        None
    }

    fn suspend_tx_silently(&mut self, c: usize) {
        let was = std::mem::replace(&mut self.tx[c].state, Process::Suspended);
        if was.is_stopping() {
            self.stopped_tx(c);
        }
    }

    /// A fault gives the newest packet back as its doorbell rings; it is never sent.
    fn give_back_early(&mut self, c: usize) {
        if !self.faults.active(Kind::TxGarbage)
            || !self.tx[c].works(self.clock.now())
            || self.tx[c].early.is_some()
        {
            return;
        }
        let Some(at) = self.ring(true, c).before(self.regs.get(ch(c, CH_TX_TAIL))) else {
            return;
        };
        let Ok(desc) = Desc::load(&self.mem, at) else {
            return;
        };
        if desc.w[3] & (OWN | LD) != OWN | LD || !self.faults.take_what(Kind::TxGarbage, "early", c)
        {
            return;
        }
        // The memory has just been read.
        let _ = self.mem.store(at + 12, desc.w[3] & (FD | LD));
        self.tx[c].early = Some(at);
        self.strict.forget_descriptor(c, at);
        if TxRead::decode(&desc, self.wide()).ioc {
            self.raise(c, ST_TI);
        }
    }

    /// Handles one descriptor. `None`: nothing to do; `Some(true)`: a packet was sent.
    fn tx_step(&mut self, c: usize) -> Option<bool> {
        if let Some(pending) = self.tx[c].segments.take() {
            return self.tx_segment(c, pending);
        }
        let cur = self.tx[c].cur;
        if cur as u32 == self.regs.get(ch(c, CH_TX_TAIL)) {
            return self.suspend_tx(c);
        }
        let words = cur + self.tx_words(c);
        if self.tx[c].early == Some(words) {
            self.tx[c].early = None;
            self.tx[c].frame = None;
            self.strict.forget_packet(c);
            self.next_tx_desc(c);
            return Some(false);
        }
        if self.fails("tx-desc", c) {
            self.fault_bus(c, Dir::Tx, false, true);
            return None;
        }
        let desc = match self.mastered(Desc::load(&self.mem, words)) {
            Ok(d) => d,
            Err(BusError) => {
                self.bus_error(c, Dir::Tx, false, true);
                return None;
            }
        };
        self.check_fetch(true, c, words, &desc);
        if !desc.own() {
            return self.suspend_tx(c);
        }
        let mut d = TxRead::decode(&desc, self.wide());
        if d.context {
            let w3 = self.tx_context(c, &desc);
            return self.close_tx(c, words, w3).then_some(false);
        }
        if d.first {
            let tso = d.tse && self.regs.get(ch(c, CH_TX_CONTROL)) & TX_TSE != 0;
            if tso {
                // The header has buffer 1 for itself, and its length a shorter field.
                d.buf1.1 = d.hl;
            }
            let tx = &mut self.tx[c];
            let mut control = TxControl {
                cpc: d.cpc,
                cic: d.cic,
                saic: d.saic,
                vtir: d.vtir,
                vlan: tx.vlan,
                ivtir: std::mem::take(&mut tx.ivtir),
                inner_vlan: tx.inner_vlan,
            };
            if tso {
                // The engine always has checksums and FCS inserted, and short segments padded.
                (control.cpc, control.cic) = (0, 3);
            }
            tx.frame = Some(TxFrame {
                control,
                tso: tso.then_some(tso::Request {
                    header: d.hl as usize,
                    transport: d.thl as usize * 4,
                    payload: d.tpl as usize,
                }),
                ttse: d.ttse,
                ..TxFrame::default()
            });
        }
        let Some(mut frame) = self.tx[c].frame.take() else {
            // The middle of a packet that has no start.
            self.raise(c, ST_CDE);
            let w3 = desc.w[3] & !OWN | TX_DE | TX_ES;
            return self.close_tx(c, words, w3).then_some(false);
        };
        for (addr, len) in [d.buf1, d.buf2] {
            if len == 0 {
                continue;
            }
            self.show_buffer(c, CH_CUR_TX_BUF_HI, CH_CUR_TX_BUF, addr);
            let have = frame.data.len();
            let room = frame.tso.map_or(MAX_TX, |t| t.header + t.payload);
            if have + len as usize > room {
                frame.oversize = true;
                continue;
            }
            frame.data.resize(have + len as usize, 0);
            let r = self.mem.read(addr, &mut frame.data[have..]);
            if self.mastered(r).is_err() {
                self.bus_error(c, Dir::Tx, false, false);
                return None;
            }
        }
        if self.fails("tx-buf", c) {
            self.fault_bus(c, Dir::Tx, false, false);
            return None;
        }
        if !d.last {
            self.tx[c].frame = Some(frame);
            return self.close_tx(c, words, desc.w[3] & !OWN).then_some(false);
        }
        let kept = desc.w[3] & (FD | LD);
        let underflow = self.underflows(c);
        let status = match (frame.oversize, frame.tso) {
            _ if underflow.is_some() => {
                let segment = |t: tso::Request| t.header + self.tx[c].mss as usize;
                let whole = frame.tso.map_or(usize::MAX, segment);
                frame.data.truncate(whole);
                self.transmit_cut(frame.data);
                underflow.unwrap_or_default()
            }
            (true, None) => TX_FF | TX_ES,
            (false, None) => self.transmit(c, frame.data, &frame.control),
            (oversize, Some(request)) => {
                let mss = self.tx[c].mss as usize;
                let segments = if oversize {
                    Err(tso::Error::Length)
                } else if request.transport == 8 && !self.has_uso() {
                    Err(tso::Error::Protocol)
                } else {
                    Segments::new(frame.data, request, mss)
                };
                match segments {
                    Ok(segments) => {
                        let pending = Pending {
                            segments,
                            control: frame.control,
                            flushed: false,
                            w3: kept,
                            ioc: d.ioc,
                            ttse: frame.ttse,
                        };
                        return self.tx_segment(c, pending);
                    }
                    Err(e) => {
                        self.stats.tso_errors += 1;
                        let name = &self.cfg.name;
                        tracing::debug!("{name}: channel {c}: no segmentation: {e:?}, {request:?}");
                        TX_DE | TX_ES
                    }
                }
            }
        };
        let ttse = frame.ttse && !frame.oversize && underflow.is_none() && status & TX_DE == 0;
        let end = self.finish_tx(c, words, kept | status, d.ioc, ttse);
        if underflow.is_some() && end.is_some() {
            // Whatever is posted waits for a doorbell.
            self.suspend_tx_silently(c);
        }
        end
    }

    /// Whether UDP can be segmented, too.
    pub(crate) fn has_uso(&self) -> bool {
        self.cfg.tso && self.cfg.version >= 0x51
    }

    fn finish_tx(
        &mut self,
        c: usize,
        words: u64,
        mut w3: u32,
        ioc: bool,
        ttse: bool,
    ) -> Option<bool> {
        let ttse = ttse && !self.faults.take_what(Kind::StampLost, "tx", c);
        if let Some(stamp) = ttse.then(|| self.tx_stamp()).flatten() {
            w3 |= TX_TTSS;
            if !self.store_stamp(c, words, stamp) {
                return None;
            }
        }
        if !self.close_tx(c, words, w3) {
            return None;
        }
        if ioc {
            self.raise(c, ST_TI);
        }
        Some(true)
    }

    /// Sends the next segment of a packet.
    fn tx_segment(&mut self, c: usize, mut pending: Pending) -> Option<bool> {
        if pending.flushed {
            pending.w3 |= TX_FF | TX_ES;
        } else if let Some(data) = pending.segments.next() {
            pending.w3 |= self.transmit(c, data, &pending.control);
            // The descriptors' requests for tags go with the first segment only.
            (pending.control.vtir, pending.control.ivtir) = (0, 0);
            if !pending.segments.is_done() {
                self.tx[c].segments = Some(pending);
                return Some(true);
            }
        }
        let words = self.tx[c].cur + self.tx_words(c);
        let ttse = pending.ttse && !pending.flushed;
        self.finish_tx(c, words, pending.w3, pending.ioc, ttse)
    }

    /// Takes what a context descriptor says; returns how to close it.
    fn tx_context(&mut self, c: usize, desc: &Desc) -> u32 {
        let w3 = desc.w[3] & !OWN;
        if self.tx[c].frame.is_some() {
            // In the middle of a packet it is ignored.
            self.raise(c, ST_CDE);
            return w3 | TX_DE;
        }
        if self.cfg.tso && w3 & (TX_TCMSSV | TX_OSTC) == TX_TCMSSV {
            self.tx[c].mss = field(desc.w[2], 0, 14);
        }
        if w3 & TX_VLTV != 0 {
            self.tx[c].vlan = w3 as u16;
        }
        if w3 & TX_IVLTV != 0 {
            self.tx[c].inner_vlan = (desc.w[2] >> 16) as u16;
            self.tx[c].ivtir = field(w3, 18, 2);
        }
        w3
    }

    fn store_stamp(&mut self, c: usize, words: u64, stamp: Stamp) -> bool {
        let r = self
            .mem
            .store(words, stamp.sub)
            .and_then(|()| self.mem.store(words + 4, stamp.secs));
        if self.mastered(r).is_err() {
            self.bus_error(c, Dir::Tx, true, true);
            return false;
        }
        true
    }

    fn close_tx(&mut self, c: usize, words: u64, w3: u32) -> bool {
        if self.fails("tx-close", c) {
            self.fault_bus(c, Dir::Tx, true, true);
            return false;
        }
        let Some(w3) = self.garble_tx(c, w3) else {
            self.next_tx_desc(c);
            return true;
        };
        let r = self.mem.store(words + 12, w3);
        if self.mastered(r).is_err() {
            self.bus_error(c, Dir::Tx, true, true);
            return false;
        }
        self.next_tx_desc(c);
        true
    }

    /// Moves the first packet of a queue to memory, or drops it if its channel is to; returns
    /// whether it has left the queue. Uses `left` descriptors at most.
    pub(crate) fn drain_packet(&mut self, q: usize, left: &mut usize) -> bool {
        let waiting = self.rxq[q].packets.len();
        let Some(c) = self.rxq[q].packets.front().map(|p| p.channel) else {
            return false;
        };
        while self.rxq[q].packets.len() == waiting {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let works = self.rx[c].works(self.clock.now());
            match self.rx[c].state {
                _ if works && self.faults.on(Kind::RxWedge, c) => return false,
                _ if works => {}
                Process::Stopped if self.regs.get(ch(c, CH_RX_CONTROL)) & RX_RPF != 0 => {
                    if self.rx[c].queue == Some(q) {
                        self.rx[c].queue = None;
                        if self.rx[c].context.take().is_some() {
                            self.pop(q);
                            continue;
                        }
                    }
                    self.flush_packet(q);
                    continue;
                }
                _ => return false,
            }
            if self.rx[c].queue.is_some_and(|other| other != q) || !self.rx_step(q, c) {
                return false;
            }
        }
        true
    }

    fn suspend_rx(&mut self, c: usize) -> bool {
        let was = std::mem::replace(&mut self.rx[c].state, Process::Suspended);
        self.raise(c, ST_RBU);
        if was.is_stopping() {
            self.stopped_rx(c);
        }
        false
    }

    /// Fills one descriptor from the first packet of a queue; `false` if it could not.
    fn rx_step(&mut self, q: usize, c: usize) -> bool {
        let cur = self.rx[c].cur;
        if self.rx[c].at_tail {
            return self.suspend_rx(c);
        }
        if self.fails("rx-desc", c) {
            self.fault_bus(c, Dir::Rx, false, true);
            return false;
        }
        let desc = match self.mastered(Desc::load(&self.mem, cur)) {
            Ok(d) => d,
            Err(BusError) => {
                self.bus_error(c, Dir::Rx, false, true);
                return false;
            }
        };
        self.check_fetch(false, c, cur, &desc);
        if !desc.own() {
            return self.suspend_rx(c);
        }
        if self.gives_back_early(c) {
            // Neither first nor last, and nothing in it.
            if Desc::default().store(&self.mem, cur).is_ok() {
                self.next_rx_desc(c);
            }
            return true;
        }
        let d = RxRead::decode(&desc, self.wide());
        if let Some(ioc) = self.rx[c].context {
            if self.rx[c].context_at.is_some_and(|t| self.clock.now() < t) {
                return false;
            }
            return self.rx_context(q, c, ioc | d.ioc);
        }
        let first = self.rx[c].queue.is_none();
        self.rx[c].queue = Some(q);
        let size = field(self.regs.get(ch(c, CH_RX_CONTROL)), 1, 14) as usize;
        let mut done = self.rxq[q].done;
        let total = self.rxq[q].packets[0].data.len();
        let split = self.regs.get(ch(c, CH_CONTROL)) & CH_SPH != 0;
        // A header that buffer 1 cannot hold stays with its payload.
        let header = match self.rxq[q].packets[0].header {
            n if split && first && n <= size => n,
            _ => 0,
        };
        // Only the first descriptor's buffer 1 is filled: with the header, or with the start of a
        // packet that is not split.
        let rooms = match (split, first, header) {
            (true, true, 1..) => [header, size],
            (true, false, _) => [0, size],
            _ => [size, size],
        };
        for (addr, room) in [d.buf1, d.buf2].into_iter().zip(rooms) {
            let Some(addr) = addr else { continue };
            let n = room.min(total - done);
            if n == 0 {
                continue;
            }
            self.show_buffer(c, CH_CUR_RX_BUF_HI, CH_CUR_RX_BUF, addr);
            let r = self
                .mem
                .write(addr, &self.rxq[q].packets[0].data[done..done + n]);
            if self.mastered(r).is_err() {
                self.bus_error(c, Dir::Rx, true, false);
                return false;
            }
            done += n;
        }
        if self.fails("rx-buf", c) {
            self.fault_bus(c, Dir::Rx, true, false);
            return false;
        }
        self.rxq[q].done = done;
        let last = done == total;
        let stamped = last && self.rxq[q].packets[0].stamp.is_some();
        if stamped && self.faults.take_what(Kind::StampLost, "rx", c) {
            let p = &mut self.rxq[q].packets[0];
            p.stamp = None;
            p.rdes1 = p.rdes1 & !RX_TSA | RX_TD;
        }
        let promised = stamped && self.faults.take_what(Kind::StampLost, "promised", c);
        let fd = if first { FD } else { 0 };
        // Before the last descriptor, what has been written so far.
        let length = (done as u32).min(0x7fff);
        let hl = header as u32;
        let back = if last {
            let p: &RxPacket = &self.rxq[q].packets[0];
            Desc {
                w: [
                    p.rdes0,
                    p.rdes1,
                    p.rdes2 | hl,
                    fd | LD | RX_RS1V | RX_RS2V | p.rdes3 | length,
                ],
            }
        } else {
            Desc {
                w: [0, 0, hl, fd | length],
            }
        };
        if self.fails("rx-close", c) {
            self.fault_bus(c, Dir::Rx, true, true);
            return false;
        }
        let r = match self.garble_rx(c, back) {
            Some(back) => back.store(&self.mem, cur),
            None => Ok(()),
        };
        if self.mastered(r).is_err() {
            self.bus_error(c, Dir::Rx, true, true);
            return false;
        }
        self.next_rx_desc(c);
        if last && self.rxq[q].packets[0].stamp.is_some() && !promised {
            self.rx[c].context = Some(d.ioc);
            self.rx[c].context_at = None;
            if let Some(late) = self.faults.late(Kind::StampLate, "", c) {
                self.rx[c].context = Some(false);
                self.rx[c].context_at = Some(self.clock.now() + late);
                if d.ioc {
                    self.raise(c, ST_RI);
                }
            }
        } else if last {
            self.rx_complete(q, c, d.ioc);
        }
        true
    }

    /// Writes the time stamp of the packet before into a descriptor of its own.
    fn rx_context(&mut self, q: usize, c: usize, ioc: bool) -> bool {
        let stamp = self.rxq[q].packets[0].stamp.unwrap_or_default();
        let back = Desc {
            w: [stamp.sub, stamp.secs, 0, CTXT],
        };
        let r = back.store(&self.mem, self.rx[c].cur);
        if self.mastered(r).is_err() {
            self.bus_error(c, Dir::Rx, true, true);
            return false;
        }
        self.next_rx_desc(c);
        self.rx[c].context = None;
        self.rx_complete(q, c, ioc);
        true
    }

    /// The first packet of a queue is in memory, with all that belongs to it.
    fn rx_complete(&mut self, q: usize, c: usize, ioc: bool) {
        self.rx[c].queue = None;
        self.pop(q);
        self.stats.rx_delivered += 1;
        self.announce(c, ioc);
        if self.rx[c].state.stops_after_packet(self.clock.now()) {
            self.stopped_rx(c);
        }
    }

    /// Interrupts for a packet, at once or when the watchdog runs out.
    fn announce(&mut self, c: usize, ioc: bool) {
        if ioc {
            self.rx[c].riwt = None;
            self.raise(c, ST_RI);
            return;
        }
        let riwt = self.regs.get(ch(c, CH_RIWT));
        let count = field(riwt, 0, 8);
        if count != 0 && self.rx[c].riwt.is_none() {
            let cycles = u64::from(count) * (256 << field(riwt, 16, 2));
            let ns = cycles * 1_000_000_000 / self.cfg.csr_hz;
            self.rx[c].riwt = Some(self.clock.now() + Duration::from_nanos(ns));
        }
    }

    pub(crate) fn run_riwt(&mut self, now: Duration) {
        for c in 0..self.rx.len() {
            if self.rx[c].riwt.is_some_and(|t| now >= t) {
                self.rx[c].riwt = None;
                self.raise(c, ST_RI);
            }
        }
    }

    /// The rings, for people: positions and all descriptors of each channel.
    pub fn rings(&self) -> serde_json::Value {
        let ring = |c: usize, hi, lo, len, tail, cur: u64, state: Process, skip: u64| {
            let base = self.list_address(c, hi, lo);
            let n = field(self.regs.get(ch(c, len)), 0, 10) + 1;
            let mut descs = Vec::new();
            if base != 0 {
                for i in 0..n {
                    let addr = base + u64::from(i) * (self.stride(c) + skip) + skip;
                    let mut w = [0u32; 4];
                    for (k, w) in w.iter_mut().enumerate() {
                        *w = self.mem.load(addr + 4 * k as u64).unwrap_or(0xdead_dead);
                    }
                    descs.push(format!(
                        "{addr:#012x}: {:08x} {:08x} {:08x} {:08x}",
                        w[0], w[1], w[2], w[3]
                    ));
                }
            }
            serde_json::json!({
                "state": format!("{state:?}"),
                "base": format!("{base:#x}"),
                "length": n,
                "current": format!("{cur:#x}"),
                "tail": format!("{:#x}", self.regs.get(ch(c, tail))),
                "descriptors": descs,
            })
        };
        let tx: Vec<_> = (0..self.tx.len())
            .map(|c| {
                let t = &self.tx[c];
                ring(
                    c,
                    CH_TX_BASE_HI,
                    CH_TX_BASE,
                    CH_TX_LEN,
                    CH_TX_TAIL,
                    t.cur,
                    t.state,
                    self.tx_words(c),
                )
            })
            .collect();
        let rx: Vec<_> = (0..self.rx.len())
            .map(|c| {
                let r = &self.rx[c];
                ring(
                    c,
                    CH_RX_BASE_HI,
                    CH_RX_BASE,
                    CH_RX_LEN,
                    CH_RX_TAIL,
                    r.cur,
                    r.state,
                    0,
                )
            })
            .collect();
        let queues: Vec<_> = self
            .rxq
            .iter()
            .map(|q| serde_json::json!({"packets": q.packets.len(), "bytes": q.bytes}))
            .collect();
        serde_json::json!({"tx": tx, "rx": rx, "rx_queues": queues})
    }
}
