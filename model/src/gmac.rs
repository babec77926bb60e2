// SPDX-License-Identifier: GPL-2.0

//! The core: its registers and the blocks behind them.
//!
//! The blocks are in [`crate::mac`], [`crate::mtl`], [`crate::dma`] and [`crate::mmc`]; each
//! extends [`Gmac`] with its part.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::{Config, PhyKind};
use crate::dma::{RxChannel, TxChannel};
use crate::fault::{self, Faults};
use crate::lpi::Lpi;
use crate::mac::Pause;
use crate::mdio::{self, Mdio};
use crate::mem::GuestMem;
use crate::mtl::RxQueue;
use crate::pcap::Pcap;
use crate::phy::rtl8211f::Rtl8211f;
use crate::pmt::Pmt;
use crate::ptp::SystemTime;
use crate::regs::gmac4::*;
use crate::regs::RegFile;
use crate::safety::SafetyLines;
use crate::sched::Scheduler;
use crate::serial::{self, Serial};
use crate::strict::{Mode, Strict};
use crate::traffic::Traffic;
use crate::wire::{Endpoint, Frame};

/// Upper limit of queues and channels.
pub const MAX_QUEUES: usize = 8;

/// Time that a software reset takes; it has to reach every clock domain.
pub const RESET_TIME: Duration = Duration::from_micros(50);

/// The interrupt lines that leave the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The common line (sbd_intr).
    pub common: bool,
    /// Transmit line of each channel.
    pub tx: [bool; MAX_QUEUES],
    /// Receive line of each channel.
    pub rx: [bool; MAX_QUEUES],
    /// The lines of the safety package.
    pub safety: SafetyLines,
}

impl Lines {
    /// Whether one of them is asserted.
    pub fn any(&self) -> bool {
        self.common
            || self.safety != SafetyLines::default()
            || self.tx.contains(&true)
            || self.rx.contains(&true)
    }
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names = Vec::new();
        if self.common {
            names.push("common".to_string());
        }
        if self.safety.correctable {
            names.push("safety-ce".to_string());
        }
        if self.safety.uncorrectable {
            names.push("safety-ue".to_string());
        }
        for c in 0..MAX_QUEUES {
            if self.tx[c] {
                names.push(format!("tx{c}"));
            }
            if self.rx[c] {
                names.push(format!("rx{c}"));
            }
        }
        f.write_str(&names.join(" "))
    }
}

/// What a register write acknowledged; lines that stay high after it are signalled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Nothing.
    None,
    /// Interrupts of one channel.
    Channel(usize),
    /// Interrupts of MAC or MTL.
    Common,
}

/// Events that no register counts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Frames handed to the medium or looped back.
    pub tx_frames: u64,
    /// Their bytes without FCS.
    pub tx_bytes: u64,
    /// Frames lost because there was no carrier.
    pub tx_no_carrier: u64,
    /// Frames lost because the MAC's speed was not the link's.
    pub speed_mismatch: u64,
    /// Frames that arrived while the receiver was off.
    pub rx_disabled: u64,
    /// Frames that reached the MAC.
    pub rx_frames: u64,
    /// Their bytes without FCS.
    pub rx_bytes: u64,
    /// Frames that the address filter rejected.
    pub rx_filtered: u64,
    /// Frames that arrived in power-down.
    pub rx_asleep: u64,
    /// Frames that woke the core.
    pub wakeups: u64,
    /// Frames from the cable that found a loop closed on their way.
    pub rx_loop_closed: u64,
    /// Frames dropped because of an error.
    pub rx_errors: u64,
    /// Frames for a queue that was not enabled.
    pub rx_queue_disabled: u64,
    /// Frames that did not fit into the receive FIFO.
    pub rx_overflow: u64,
    /// Frames written to memory.
    pub rx_delivered: u64,
    /// Packets that could not be segmented.
    pub tso_errors: u64,
    /// Pause frames sent and received.
    pub pause_tx: u64,
    /// Pause frames that were honoured.
    pub pause_rx: u64,
    /// ARP requests that were answered.
    pub arp_replies: u64,
    /// DMA accesses that failed.
    pub bus_errors: u64,
    /// MDIO accesses started while one was under way.
    pub mdio_overrun: u64,
    /// Software resets.
    pub resets: u64,
    /// Register reads.
    pub reg_reads: u64,
    /// Register writes.
    pub reg_writes: u64,
}

/// The core, its PHY, and its view of memory.
pub struct Gmac {
    /// What it is.
    pub cfg: Config,
    /// Its registers.
    pub regs: RegFile,
    /// Guest memory.
    pub mem: GuestMem,
    /// Whether the PCI function may master the bus.
    pub bus_master: bool,
    /// Counters for people.
    pub stats: Stats,
    /// What software did wrong; kept over resets.
    pub strict: Strict,
    /// What is broken on command; kept over resets.
    pub(crate) faults: Faults,
    /// Frames made and taken by the model itself.
    pub(crate) traffic: Traffic,
    /// A fault pulled the cable.
    pub(crate) pulled: bool,
    pub(crate) clock: Clock,
    pub(crate) wire: Arc<Endpoint>,
    pub(crate) pcap: Option<Pcap>,
    pub(crate) mdio: Mdio,
    /// What is between the MAC and a PHY with SGMII.
    pub(crate) serial: Option<Serial>,
    pub(crate) tx: Vec<TxChannel>,
    pub(crate) rx: Vec<RxChannel>,
    pub(crate) rxq: Vec<RxQueue>,
    /// Looped-back frames that wait for the receiver.
    pub(crate) arrived: VecDeque<Frame>,
    pub(crate) sched: Scheduler,
    pub(crate) rx_sched: Scheduler,
    /// Length of the packet that was sent last.
    pub(crate) last_tx: usize,
    /// The extended VLAN filters; empty on a core with the single one.
    pub(crate) vlan_filters: Vec<u32>,
    /// Sent pause and the time until which a received one holds the transmitter.
    pub(crate) pause: Pause,
    pub(crate) link_up: bool,
    /// When the software reset that is under way ends.
    pub(crate) reset_ends: Option<Duration>,
    /// Pulses of the channel lines in interrupt mode 0.
    pub(crate) pulses: Lines,
    pub(crate) time: SystemTime,
    pub(crate) lpi: Lpi,
    pub(crate) pmt: Pmt,
}

fn extended_vlan_filters(cfg: &Config) -> usize {
    match cfg.vlan_filters {
        1 => 0,
        n => n.into(),
    }
}

impl Gmac {
    /// A core after power-on.
    pub fn new(cfg: Config, clock: Clock, wire: Arc<Endpoint>) -> Gmac {
        let regs = RegFile::new(SIZE, &defs(&cfg));
        let mut mdio = Mdio::default();
        match cfg.phy {
            PhyKind::Rtl8211f => {
                mdio.attach(cfg.phy_addr, Box::new(Rtl8211f::new(wire.clone())));
            }
            PhyKind::None => {}
        }
        let serial = cfg.is_sgmii().then(|| {
            let serial = Serial::new(wire.clone(), cfg.is_pse());
            mdio.attach_inside(serial::XPCS_ADDR, serial.xpcs());
            mdio.attach_inside(serial::SERDES_ADDR, serial.serdes());
            serial
        });
        Gmac {
            tx: vec![TxChannel::default(); cfg.tx_queues],
            rx: vec![RxChannel::default(); cfg.rx_queues],
            rxq: vec![RxQueue::default(); cfg.rx_queues],
            regs,
            mem: GuestMem::default(),
            bus_master: false,
            stats: Stats::default(),
            strict: Strict::new(&cfg),
            faults: Faults::default(),
            traffic: Traffic::default(),
            pulled: false,
            clock,
            wire,
            pcap: None,
            mdio,
            serial,
            arrived: VecDeque::new(),
            sched: Scheduler::default(),
            rx_sched: Scheduler::default(),
            last_tx: 0,
            vlan_filters: vec![0; extended_vlan_filters(&cfg)],
            pause: Pause::default(),
            link_up: false,
            reset_ends: None,
            pulses: Lines::default(),
            time: SystemTime::default(),
            lpi: Lpi::default(),
            pmt: Pmt::default(),
            cfg,
        }
    }

    /// Records the port's traffic.
    pub fn set_pcap(&mut self, pcap: Pcap) {
        self.pcap = Some(pcap);
    }

    /// Reset of the core, as by SWR: the PHY is another chip and stays as it is.
    pub fn reset(&mut self) {
        self.reset_heals();
        self.regs.reset();
        self.tx.fill(TxChannel::default());
        self.rx.fill(RxChannel::default());
        self.rxq.fill(RxQueue::default());
        self.vlan_filters.fill(0);
        self.sched = Scheduler::default();
        self.rx_sched = Scheduler::default();
        self.pause = Pause::default();
        self.pulses = Lines::default();
        self.reset_ends = None;
        self.strict.forget_rings();
        self.reset_time();
        self.reset_lpi();
        self.pmt = Pmt::default();
        self.mdio.abort();
        self.stats.resets += 1;
    }

    /// Power-on reset of core and PHY.
    pub fn power_on(&mut self) {
        self.reset();
        self.mdio.reset_phys();
        self.arrived.clear();
        self.stats = Stats::default();
    }

    /// A read of the register at `off` (a multiple of four).
    pub fn read(&mut self, off: u32) -> u32 {
        self.stats.reg_reads += 1;
        self.catch_up(off);
        if self.strict.active() {
            self.check_read(off);
        }
        if self.faults.clock_dead("csr") {
            return u32::MAX;
        }
        match off {
            MAC_MDIO_ADDR | MAC_MDIO_DATA => {
                self.poll_mdio();
                let v = self.regs.read(off);
                if off == MAC_MDIO_ADDR && self.mdio.busy() {
                    v | mdio::GB
                } else {
                    v
                }
            }
            0..0x700 => self.mac_read(off),
            MAC_TS_CONTROL..0xc00 => self.ptp_read(off),
            0x700..0xc00 => self.mmc_read(off),
            0xc00..0x1000 => self.mtl_read(off),
            _ => self.dma_read(off),
        }
    }

    /// A write to the register at `off`; `lanes` marks the bits that the access carries.
    pub fn write(&mut self, off: u32, value: u32, lanes: u32) -> Ack {
        self.stats.reg_writes += 1;
        self.catch_up(off);
        if self.strict.active() {
            self.check_write(off, value, lanes);
        }
        // Without its clock a register takes nothing; in a reset, only what asks for the reset, and
        // what reaches the PHY that it may wait for.
        if self.faults.clock_dead("csr")
            || (off != DMA_MODE && self.reset_stuck() && self.in_reset())
                && !(matches!(off, MAC_MDIO_ADDR | MAC_MDIO_DATA) && self.rx_clock_off())
        {
            return Ack::None;
        }
        match off {
            MAC_MDIO_ADDR => {
                self.poll_mdio();
                if self.mdio.busy() {
                    self.stats.mdio_overrun += 1;
                    tracing::debug!("{}: MDIO access while busy", self.cfg.name);
                    return Ack::None;
                }
                if let Some(w) = self.regs.write(off, value, lanes) {
                    if w.triggered & mdio::GB != 0 {
                        let data = self.regs.get(MAC_MDIO_DATA);
                        let now = self.clock.now();
                        self.mdio.start(w.new, data, self.cfg.csr_hz, now);
                    }
                }
                Ack::None
            }
            MAC_MDIO_DATA => {
                self.poll_mdio();
                if !self.mdio.busy() {
                    self.regs.write(off, value, lanes);
                }
                Ack::None
            }
            0..0x700 => self.mac_write(off, value, lanes),
            MAC_TS_CONTROL..0xc00 => self.ptp_write(off, value, lanes),
            0x700..0xc00 => self.mmc_write(off, value, lanes),
            0xc00..0x1000 => self.mtl_write(off, value, lanes),
            _ => self.dma_write(off, value, lanes),
        }
    }

    /// Lets the time be seen that has passed since the DMA was last looked after.
    fn catch_up(&mut self, off: u32) {
        if off >= DMA_MODE {
            self.run_stops(self.clock.now());
        }
    }

    /// Software starts a reset; it takes effect at once and shows as busy for a while.
    pub(crate) fn software_reset(&mut self) {
        self.reset();
        self.reset_ends = Some(self.clock.now() + RESET_TIME);
    }

    /// Whether a software reset is under way.
    pub(crate) fn in_reset(&mut self) -> bool {
        let Some(ends) = self.reset_ends else {
            return false;
        };
        if self.clock.now() >= ends && !self.reset_stuck() {
            self.reset_ends = None;
        }
        self.reset_ends.is_some()
    }

    fn poll_mdio(&mut self) {
        if self.faults.active(fault::Kind::MdioTimeout) {
            return;
        }
        if let Some(Some(value)) = self.mdio.poll(self.clock.now()) {
            let high = self.regs.get(MAC_MDIO_DATA) & 0xffff_0000;
            self.regs.set(MAC_MDIO_DATA, high | u32::from(value));
        }
    }

    /// Moves frames: at most `budget` in each direction. Returns whether there may be more to do.
    pub fn service(&mut self, budget: usize) -> bool {
        let now = self.clock.now();
        self.run_faults(now);
        self.run_stops(now);
        self.poll_link();
        let mut more = self.drain_rx(budget * 4);
        while let Some(frame) = self.wire_control() {
            self.take_from_wire(frame, now);
        }
        let mut left = budget;
        while left > 0 && self.next_arrival(now) {
            left -= 1;
        }
        more |= left == 0;
        more |= self.run_traffic(now, budget);
        self.run_lpi(now);
        more |= self.run_tx(budget, now);
        more |= self.has_arrivals();
        self.run_timers(now);
        if !more {
            if let Some(pcap) = &mut self.pcap {
                pcap.flush();
            }
        }
        more
    }

    /// A control frame that arrived while data frames are held.
    fn wire_control(&self) -> Option<Frame> {
        self.holding()
            .then(|| self.wire.ingress().take_control())
            .flatten()
    }

    /// Receives the next frame, if there is one.
    fn next_arrival(&mut self, now: Duration) -> bool {
        if let Some(frame) = self.arrived.pop_front() {
            self.receive(frame, now);
            return true;
        }
        if self.holding() {
            return false;
        }
        let Some(frame) = self.wire.ingress().take() else {
            return false;
        };
        self.take_from_wire(frame, now);
        true
    }

    pub(crate) fn has_arrivals(&self) -> bool {
        !self.arrived.is_empty() || (!self.holding() && self.wire.ingress().pending() > 0)
    }

    /// Whether frames on the wire wait for the end of the pause that this port asked for.
    fn holding(&self) -> bool {
        self.pause.congested != 0 && self.wire.ingress().pending() <= self.pause.in_flight
    }

    fn poll_link(&mut self) {
        let up = self.link().up;
        if up != self.link_up {
            self.link_up = up;
            tracing::info!(
                "{}: carrier {}",
                self.cfg.name,
                if up { "up" } else { "down" }
            );
            if self.cfg.is_rgmii() {
                self.regs.set_bits(MAC_INT_STATUS, INT_RGSMIIIS);
            }
        }
    }

    fn run_timers(&mut self, now: Duration) {
        self.run_riwt(now);
        self.run_pause_timer(now);
        self.run_lpi(now);
    }

    /// When [`Gmac::service`] has to run again without anything else happening.
    pub fn deadline(&self) -> Option<Duration> {
        let riwt = self.rx.iter().filter_map(|c| c.riwt);
        let pause = self.pause.hold.into_iter().chain(self.pause.resend);
        let pause = pause.chain(self.fault_deadline());
        let pause = pause.chain(self.traffic_deadline());
        let pause = pause
            .chain(self.lpi_deadline())
            .chain(self.stops_deadline());
        let pause = pause.chain(self.rx.iter().filter_map(|c| c.context.and(c.context_at)));
        riwt.chain(pause).chain(self.wire.link_deadline()).min()
    }

    /// The time now.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The state of the interrupt lines.
    pub fn lines(&self) -> Lines {
        let mut lines = self.dma_lines();
        lines.common |= self.mac_irq_causes() | self.mtl_int_status() != 0;
        lines.safety = self.safety_lines();
        lines
    }

    /// What of the status registers asserts them; the safety package has lines of its own.
    pub fn causes(&self) -> String {
        use std::fmt::Write;
        let mut all = vec![
            ("MAC_Interrupt_Status".into(), self.mac_irq_causes()),
            ("MTL_Interrupt_Status".into(), self.mtl_int_status()),
        ];
        for c in 0..self.cfg.channels() {
            all.push((format!("DMA_CH{c}_Status"), self.channel_causes(c)));
        }
        let mut causes = String::new();
        for (name, v) in all.iter().filter(|(_, v)| *v != 0) {
            // Writing to a string cannot fail.
            let _ = write!(causes, ", {name} {v:#x}");
        }
        causes
    }

    /// Takes the pulses that were given since the last call.
    pub fn take_pulses(&mut self) -> Lines {
        std::mem::take(&mut self.pulses)
    }

    /// All registers by name, read without the side effects that a read by software has.
    pub fn snapshot(&mut self) -> serde_json::Value {
        let offsets: Vec<u32> = self.regs.offsets().collect();
        let mode = std::mem::replace(&mut self.strict.mode, Mode::Off);
        let mut all = Vec::new();
        for off in offsets {
            let stored = self.regs.values().to_vec();
            let reads = self.stats.reg_reads;
            let value = self.read(off);
            self.stats.reg_reads = reads;
            // Put back what the read took away, here and elsewhere.
            if !matches!(off, MAC_MDIO_ADDR | MAC_MDIO_DATA) {
                self.regs.restore(&stored);
            }
            all.push(serde_json::json!({
                "offset": format!("{off:#06x}"),
                "name": self.regs.name(off),
                "value": format!("{value:#010x}"),
            }));
        }
        self.strict.mode = mode;
        all.into()
    }
}
