// SPDX-License-Identifier: GPL-2.0

//! The PCI function around the core: configuration space, BARs, interrupts.

use std::fs::File;
use std::io::Write;

use crate::config::Config;
use crate::fault::Faults;
use crate::gmac::{Ack, Gmac, Lines, MAX_QUEUES};
use crate::strict::Kind;

/// Size of BAR 0, which holds the registers.
pub const BAR0_SIZE: u64 = 0x1_0000;
/// The BAR that holds the MSI-X table and PBA.
pub const MSIX_BAR: u32 = 4;
/// Its size.
pub const MSIX_BAR_SIZE: u64 = 0x1000;
/// Where the PBA is in it.
const MSIX_PBA: u32 = 0x800;
/// Vectors of MSI and MSI-X.
pub const VECTORS: usize = 32;
/// Size of the configuration space.
pub const CONFIG_SIZE: usize = 256;

const CMD_MASTER: u16 = 0x0004;
const CMD_INTX_DISABLE: u16 = 0x0400;

const PMCSR_PME_EN: u16 = 0x0100;
const PMCSR_PME_STATUS: u16 = 0x8000;

const CAP_PM: usize = 0x40;
const CAP_MSI: usize = 0x50;
const CAP_MSIX: usize = 0x70;

/// Configuration space: bytes and which of their bits software may write.
pub struct ConfigSpace {
    bytes: [u8; CONFIG_SIZE],
    writable: [u8; CONFIG_SIZE],
}

impl ConfigSpace {
    /// The space of a function.
    pub fn new(cfg: &Config) -> ConfigSpace {
        let mut s = ConfigSpace {
            bytes: [0; CONFIG_SIZE],
            writable: [0; CONFIG_SIZE],
        };
        s.set16(0x00, cfg.id.0);
        s.set16(0x02, cfg.id.1);
        s.allow16(0x04, 0x0546); // memory, master, parity, SERR, INTx disable
        s.set16(0x06, 0x0010); // capabilities
        s.bytes[0x08] = 1;
        s.set16(0x0a, 0x0200); // Ethernet controller
        s.allow16(0x0c, 0x00ff);
        s.allow32(0x10, !(BAR0_SIZE as u32 - 1));
        s.set16(0x2c, cfg.id.0);
        s.set16(0x2e, cfg.id.1);
        s.allow16(0x3c, 0x00ff);
        s.bytes[0x3d] = u8::from(cfg.irq.intx);

        let mut link = 0x34;
        let mut chain = |s: &mut ConfigSpace, at: usize, id: u8| {
            s.bytes[link] = at as u8;
            s.bytes[at] = id;
            link = at + 1;
        };
        chain(&mut s, CAP_PM, 0x01);
        s.set16(CAP_PM + 2, 0x0003); // version 3, D3hot resets
        s.allow16(CAP_PM + 4, 0x0003);
        if cfg.pmt {
            s.set16(CAP_PM + 2, 0x4803); // PME from D0 and D3hot
            s.allow16(CAP_PM + 4, PMCSR_PME_EN | 0x0003);
        }
        if cfg.irq.msi {
            chain(&mut s, CAP_MSI, 0x05);
            s.set16(CAP_MSI + 2, 0x018a); // 64 bit, per-vector mask, 32 vectors
            s.allow16(CAP_MSI + 2, 0x0071);
            s.allow32(CAP_MSI + 4, !3);
            s.allow32(CAP_MSI + 8, u32::MAX);
            s.allow16(CAP_MSI + 12, 0xffff);
            s.allow32(CAP_MSI + 16, u32::MAX);
        }
        if cfg.irq.msix {
            s.allow32(0x10 + 4 * MSIX_BAR as usize, !(MSIX_BAR_SIZE as u32 - 1));
            chain(&mut s, CAP_MSIX, 0x11);
            s.set16(CAP_MSIX + 2, VECTORS as u16 - 1);
            s.allow16(CAP_MSIX + 2, 0xc000);
            s.set32(CAP_MSIX + 4, MSIX_BAR);
            s.set32(CAP_MSIX + 8, MSIX_PBA | MSIX_BAR);
        }
        s
    }

    fn set16(&mut self, at: usize, v: u16) {
        self.bytes[at..at + 2].copy_from_slice(&v.to_le_bytes());
    }

    fn set32(&mut self, at: usize, v: u32) {
        self.bytes[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }

    fn allow16(&mut self, at: usize, v: u16) {
        self.writable[at..at + 2].copy_from_slice(&v.to_le_bytes());
    }

    fn allow32(&mut self, at: usize, v: u32) {
        self.writable[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }

    fn get16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// A read by software.
    pub fn read(&self, at: usize, data: &mut [u8]) {
        for (i, b) in data.iter_mut().enumerate() {
            *b = self.bytes.get(at.saturating_add(i)).copied().unwrap_or(0);
        }
    }

    /// A write by software.
    pub fn write(&mut self, at: usize, data: &[u8]) {
        for (i, v) in data.iter().enumerate() {
            let i = at.saturating_add(i);
            if i < CONFIG_SIZE {
                let w = self.writable[i];
                self.bytes[i] = self.bytes[i] & !w | v & w;
                if i == CAP_PM + 5 {
                    // PME_Status is cleared by writing one.
                    self.bytes[i] &= !(v & (PMCSR_PME_STATUS >> 8) as u8);
                }
            }
        }
    }

    /// Bus master enable.
    pub fn bus_master(&self) -> bool {
        self.get16(0x04) & CMD_MASTER != 0
    }

    /// INTx is not disabled.
    pub fn intx_enabled(&self) -> bool {
        self.get16(0x04) & CMD_INTX_DISABLE == 0
    }

    /// Notes that the function asked to be woken.
    pub fn set_pme_status(&mut self) {
        self.bytes[CAP_PM + 5] |= (PMCSR_PME_STATUS >> 8) as u8;
    }

    /// Power state D0 to D3hot.
    pub fn power_state(&self) -> u8 {
        self.bytes[CAP_PM + 4] & 3
    }

    /// Clears what a function reset clears.
    pub fn reset(&mut self, cfg: &Config) {
        *self = ConfigSpace::new(cfg);
    }
}

/// vfio's interrupt indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqIndex {
    /// The pin.
    Intx,
    /// MSI.
    Msi,
    /// MSI-X.
    Msix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Common,
    Correctable,
    Uncorrectable,
    Tx(usize),
    Rx(usize),
}

/// Where the lines of the core go.
#[derive(Default)]
pub struct Irq {
    intel: bool,
    channels: usize,
    intx: Option<File>,
    /// The pin is masked by vfio until software has looked.
    intx_masked: bool,
    msi: Vec<Option<File>>,
    msix: Vec<Option<File>>,
    pending: u32,
    last: Lines,
    /// The pin's assertion was lost: it shows no more until the level has fallen.
    lost: bool,
    /// Something was signalled that nobody listens to.
    unheard: Option<&'static str>,
    /// Messages and pin assertions.
    pub fired: u64,
}

impl Irq {
    /// The wiring of a function.
    pub fn new(cfg: &Config) -> Irq {
        Irq {
            intel: cfg.id.0 == 0x8086,
            channels: cfg.channels(),
            ..Irq::default()
        }
    }

    /// Connects or disconnects vectors from `start`; `None` disconnects.
    pub fn connect(&mut self, index: IrqIndex, start: usize, files: Vec<Option<File>>) {
        let vectors = match index {
            IrqIndex::Intx => {
                self.intx = files.into_iter().next().flatten();
                self.intx_masked = false;
                return;
            }
            IrqIndex::Msi => &mut self.msi,
            IrqIndex::Msix => &mut self.msix,
        };
        for (i, file) in files.into_iter().enumerate() {
            let v = start + i;
            if v >= VECTORS {
                break;
            }
            if vectors.len() <= v {
                vectors.resize_with(v + 1, || None);
            }
            vectors[v] = file;
        }
        for v in 0..VECTORS {
            if self.pending & 1 << v != 0 && self.message(v) {
                self.pending &= !(1 << v);
            }
        }
    }

    /// Disconnects all vectors of a kind.
    pub fn disable(&mut self, index: IrqIndex) {
        match index {
            IrqIndex::Intx => self.intx = None,
            IrqIndex::Msi => self.msi.clear(),
            IrqIndex::Msix => self.msix.clear(),
        }
        self.pending = 0;
        self.last = Lines::default();
    }

    /// Fires a vector because the client asked for it.
    pub fn trigger(&mut self, index: IrqIndex, vector: usize) {
        let file = match index {
            IrqIndex::Intx => self.intx.as_ref(),
            IrqIndex::Msi => self.msi.get(vector).and_then(Option::as_ref),
            IrqIndex::Msix => self.msix.get(vector).and_then(Option::as_ref),
        };
        if let Some(f) = file {
            signal(f);
            self.fired += 1;
        }
    }

    /// Masks the pin, or unmasks it and fires it again if it is still asserted.
    pub fn mask_intx(&mut self, masked: bool, lines: &Lines) {
        self.intx_masked = masked;
        self.update_pin(lines, true);
    }

    /// Drops everything; the client has gone.
    pub fn reset(&mut self) {
        self.intx = None;
        self.intx_masked = false;
        self.msi.clear();
        self.msix.clear();
        self.clear();
    }

    /// Forgets levels and pending bits but keeps the connections.
    pub fn clear(&mut self) {
        self.pending = 0;
        self.last = Lines::default();
    }

    fn vectors(&self) -> &[Option<File>] {
        if self.msix.iter().any(Option::is_some) {
            &self.msix
        } else {
            &self.msi
        }
    }

    /// Whether messages are in use.
    fn messages(&self) -> bool {
        self.vectors().iter().any(Option::is_some)
    }

    fn message(&mut self, v: usize) -> bool {
        match self.vectors().get(v).and_then(Option::as_ref) {
            Some(f) => {
                signal(f);
                self.fired += 1;
                true
            }
            None => false,
        }
    }

    /// The vector of a line. With fewer vectors than the layout needs all lines share vector 0.
    fn vector(&self, line: Line) -> usize {
        let enabled = self
            .vectors()
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |v| v + 1);
        if self.intel {
            if enabled < 2 {
                return 0;
            }
            match line {
                Line::Common => 29,
                Line::Correctable => 27,
                Line::Uncorrectable => 26,
                Line::Rx(c) => 2 * c,
                Line::Tx(c) => 2 * c + 1,
            }
        } else {
            if enabled < 1 + 2 * self.channels {
                return 0;
            }
            match line {
                Line::Common | Line::Correctable | Line::Uncorrectable => 0,
                Line::Rx(c) => 2 * c + 1,
                Line::Tx(c) => 2 * c + 2,
            }
        }
    }

    /// Takes the core's lines and gives interrupts. An edge makes a message; a line that software
    /// has acknowledged in part and that is still high makes another.
    pub fn update(
        &mut self,
        lines: &Lines,
        pulses: &Lines,
        ack: Ack,
        pin_enabled: bool,
        faults: &mut Faults,
    ) {
        if !self.messages() {
            let rising = lines.any() && !self.last.any();
            self.last = *lines;
            if rising && faults.loses("common", None) {
                self.lost = true;
            }
            self.lost &= lines.any();
            if self.lost {
                return;
            }
            if pin_enabled && pulses.common && !self.intx_masked {
                self.fire_pin();
            }
            if pin_enabled {
                self.update_pin(lines, false);
            } else if lines.any() {
                self.unheard = Some("pin, which is disabled, and no vector is enabled");
            }
            return;
        }
        let last = self.last;
        self.last = *lines;
        let again = |c: Option<usize>| match ack {
            Ack::None => false,
            Ack::Common => c.is_none(),
            Ack::Channel(a) => c.is_none_or(|c| c == a),
        };
        let mut vectors: u32 = 0;
        let common = lines.common && (!last.common || again(None)) || pulses.common;
        if common && !faults.loses("common", None) {
            vectors |= 1 << self.vector(Line::Common);
        }
        let (now, was) = (lines.safety, last.safety);
        if now.correctable && (!was.correctable || again(None)) {
            vectors |= 1 << self.vector(Line::Correctable);
        }
        if now.uncorrectable && (!was.uncorrectable || again(None)) {
            vectors |= 1 << self.vector(Line::Uncorrectable);
        }
        for c in 0..self.channels.min(MAX_QUEUES) {
            let edge = |now: bool, was: bool| now && (!was || again(Some(c)));
            if (edge(lines.tx[c], last.tx[c]) || pulses.tx[c]) && !faults.loses("tx", Some(c)) {
                vectors |= 1 << self.vector(Line::Tx(c));
            }
            if (edge(lines.rx[c], last.rx[c]) || pulses.rx[c]) && !faults.loses("rx", Some(c)) {
                vectors |= 1 << self.vector(Line::Rx(c));
            }
        }
        // In interrupt mode 0 the pulses double the common line; one shared vector needs no two.
        for v in 0..VECTORS {
            if vectors & 1 << v != 0 && !self.message(v) {
                self.pending |= 1 << v;
                self.unheard = Some("vector without a handler");
            }
        }
    }

    fn update_pin(&mut self, lines: &Lines, unmasked: bool) {
        if !lines.any() || self.intx_masked {
            return;
        }
        if !self.fire_pin() && !unmasked {
            self.unheard = Some("pin without a handler");
        }
    }

    fn fire_pin(&mut self) -> bool {
        let Some(f) = &self.intx else {
            return false;
        };
        signal(f);
        self.fired += 1;
        // vfio masks the pin until it is told otherwise.
        self.intx_masked = true;
        true
    }

    /// The MSI-X pending bits.
    pub fn pba(&self) -> u32 {
        self.pending
    }
}

fn signal(mut file: &File) {
    if let Err(e) = file.write_all(&1u64.to_ne_bytes()) {
        tracing::warn!("eventfd: {e}; an interrupt is lost");
    }
}

/// Whether a write to a register can start, resume or release something. Acknowledging and masking
/// interrupts cannot, and it is most of what a driver writes.
fn makes_work(off: u32) -> bool {
    use crate::regs::gmac4::*;
    match off {
        DMA_CH.. => !matches!((off - DMA_CH) % DMA_CH_STRIDE, CH_INT_EN | CH_STATUS),
        MAC_INT_EN => false,
        // The PHY may have been told to bring the link up or down.
        _ => true,
    }
}

/// A PCI function.
pub struct Function {
    /// Its core.
    pub mac: Gmac,
    /// Its configuration space.
    pub config: ConfigSpace,
    /// Its interrupts.
    pub irq: Irq,
}

impl Function {
    /// Puts a core into a function.
    pub fn new(mac: Gmac) -> Function {
        Function {
            config: ConfigSpace::new(&mac.cfg),
            irq: Irq::new(&mac.cfg),
            mac,
        }
    }

    /// Brings the interrupts up to date.
    pub fn update_irq(&mut self, ack: Ack) {
        if self.mac.take_pme() {
            self.config.set_pme_status();
        }
        let lines = self.mac.lines();
        let pulses = self.mac.take_pulses();
        let pin = self.config.intx_enabled();
        let faults = &mut self.mac.faults;
        self.irq.update(&lines, &pulses, ack, pin, faults);
        if let Some(what) = self.irq.unheard.take() {
            let causes = self.mac.causes();
            self.mac.strict.report(Kind::Unheard, what, || {
                format!("an enabled interrupt was signalled there: {lines}{causes}")
            });
        }
    }

    /// Function reset.
    pub fn reset(&mut self) {
        let cfg = self.mac.cfg.clone();
        self.config.reset(&cfg);
        self.mac.bus_master = false;
        self.mac.power_on();
        self.irq.clear();
    }

    /// The client has gone: back to power-on.
    pub fn disconnect(&mut self) {
        self.reset();
        self.irq.reset();
        self.mac.mem.clear();
    }

    fn awake(&self) -> bool {
        self.config.power_state() == 0
    }

    fn asleep(&mut self, offset: u64, what: &str) {
        self.mac
            .strict
            .report(Kind::Asleep, &format!("{offset:#06x}"), || {
                format!("{what} while the function is in a power state other than D0")
            });
    }

    /// A read from BAR 0.
    pub fn bar0_read(&mut self, offset: u64, data: &mut [u8]) {
        self.mac.check_access(offset, data.len(), false);
        if !self.awake() {
            self.asleep(offset, "read");
            data.fill(0xff);
            return;
        }
        let mut at = 0;
        while at < data.len() {
            let off = offset + at as u64;
            let skip = (off % 4) as usize;
            let n = (4 - skip).min(data.len() - at);
            let word = self.mac.read((off & 0xffff_fffc) as u32).to_le_bytes();
            data[at..at + n].copy_from_slice(&word[skip..skip + n]);
            at += n;
        }
        // Reads have side effects on the lines too (read-to-clear bits).
        self.update_irq(Ack::None);
    }

    /// A write to BAR 0; returns whether it may have made work for the worker.
    pub fn bar0_write(&mut self, offset: u64, data: &[u8]) -> bool {
        self.mac.check_access(offset, data.len(), true);
        if !self.awake() {
            self.asleep(offset, "write");
            return false;
        }
        let mut work = false;
        let mut at = 0;
        while at < data.len() {
            let off = offset + at as u64;
            let skip = (off % 4) as usize;
            let n = (4 - skip).min(data.len() - at);
            let mut word = [0; 4];
            let mut lanes = [0; 4];
            word[skip..skip + n].copy_from_slice(&data[at..at + n]);
            lanes[skip..skip + n].fill(0xff);
            let ack = self.mac.write(
                (off & 0xffff_fffc) as u32,
                u32::from_le_bytes(word),
                u32::from_le_bytes(lanes),
            );
            self.update_irq(ack);
            work |= makes_work((off & 0xffff_fffc) as u32);
            at += n;
        }
        work
    }

    /// A write to configuration space.
    pub fn config_write(&mut self, at: usize, data: &[u8]) {
        let state = self.config.power_state();
        self.config.write(at, data);
        self.mac.bus_master = self.config.bus_master();
        // The core loses its state on the way back from D3hot.
        if state == 3 && self.awake() {
            self.mac.reset();
            self.irq.clear();
        }
        self.update_irq(Ack::None);
    }
}
