// SPDX-License-Identifier: GPL-2.0

//! Energy Efficient Ethernet: low power idle (LPI) in both directions.
//!
//! The MAC neither knows nor cares whether the PHYs have agreed on EEE: it sends the LPI pattern
//! when software says so. The PHYs carry it to the far end if they have.

use std::time::Duration;

use crate::gmac::Gmac;
use crate::regs::field;
use crate::regs::gmac4::*;

/// Transmitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tx {
    /// Sends packets.
    #[default]
    Active,
    /// Sends the LPI pattern.
    Lpi,
    /// Has stopped the pattern; the PHY needs time until then.
    Waking(Duration),
}

/// State of both directions.
#[derive(Clone, Debug, Default)]
pub struct Lpi {
    tx: Tx,
    rx: bool,
    /// When the last packet was sent.
    idle: Duration,
    /// Since when PLS has said that the link is up.
    link: Option<Duration>,
    /// Until when the counters of microseconds are up to date.
    tx_counted: Duration,
    rx_counted: Duration,
}

impl Gmac {
    /// What the MAC takes for a microsecond: software tells it the frequency of its clock.
    fn lpi_tick(&self) -> Duration {
        let cycles = u64::from(field(self.regs.get(MAC_1US_TIC), 0, 12)) + 1;
        Duration::from_nanos((cycles * 1_000_000_000 / self.cfg.csr_hz).max(1))
    }

    fn lpi_control(&self, bits: u32) -> bool {
        self.regs.get(MAC_LPI_CONTROL) & bits != 0
    }

    /// Whether LPI keeps the transmitter from sending packets.
    pub(crate) fn lpi_holds(&self) -> bool {
        self.lpi.tx != Tx::Active
    }

    /// A packet has been sent.
    pub(crate) fn lpi_activity(&mut self) {
        self.lpi.idle = self.clock.now();
    }

    /// When the LS timer has run since the link came up.
    fn lpi_link_ready(&self) -> Option<Duration> {
        let ls = field(self.regs.get(MAC_LPI_TIMERS), 16, 10);
        Some(self.lpi.link? + self.lpi_tick() * 1000 * ls)
    }

    /// When the transmitter may enter LPI; `None` if it has no reason to.
    fn lpi_entry(&self) -> Option<Duration> {
        if !self.lpi_control(LPI_EN) || !self.config(CONFIG_TE) {
            return None;
        }
        let link = self.lpi_link_ready()?;
        if !self.lpi_control(LPI_TXA) {
            return Some(link);
        }
        if self.tx_pending() {
            return None;
        }
        if !self.lpi_control(LPI_ATE) {
            return Some(link);
        }
        let entry = self.regs.get(MAC_LPI_ENTRY) & LPI_ENTRY_MASK;
        Some(link.max(self.lpi.idle + self.lpi_tick() * entry))
    }

    /// Runs both state machines.
    pub(crate) fn run_lpi(&mut self, now: Duration) {
        if !self.cfg.eee {
            return;
        }
        let plsen = self.cfg.is_rgmii() && self.lpi_control(LPI_PLSEN);
        let up = self.lpi_control(LPI_PLS) && (!plsen || self.link().up);
        match (up, self.lpi.link) {
            (true, None) => self.lpi.link = Some(now),
            (false, Some(_)) => self.lpi.link = None,
            _ => {}
        }
        match self.lpi.tx {
            Tx::Active => {
                if self.lpi_entry().is_some_and(|at| now >= at) {
                    self.lpi.tx = Tx::Lpi;
                    self.lpi.tx_counted = now;
                    self.wire.set_lpi(true);
                    self.regs.set_bits(MAC_LPI_CONTROL, LPI_TLPIEN);
                    self.mmc_tx_lpi(0, 1);
                }
            }
            Tx::Lpi => {
                let packet = self.lpi_control(LPI_TXA) && self.tx_pending();
                if packet || !self.lpi_control(LPI_EN) || !up {
                    self.leave_lpi(now);
                }
            }
            Tx::Waking(_) => {}
        }
        if let Tx::Waking(until) = self.lpi.tx {
            if now >= until {
                self.lpi.tx = Tx::Active;
                self.lpi.idle = now;
                self.regs.set_bits(MAC_LPI_CONTROL, LPI_TLPIEX);
            }
        }
        self.run_rx_lpi(now);
    }

    fn leave_lpi(&mut self, now: Duration) {
        self.count_lpi(now);
        self.wire.set_lpi(false);
        let tw = field(self.regs.get(MAC_LPI_TIMERS), 0, 16);
        self.lpi.tx = Tx::Waking(now + self.lpi_tick() * tw);
        if self.lpi_control(LPI_TXA) && !self.lpi_control(LPI_ATE) {
            self.regs.clear_bits(MAC_LPI_CONTROL, LPI_EN);
        }
    }

    /// The transmit queue was flushed: reason enough to leave LPI.
    pub(crate) fn lpi_flush(&mut self) {
        if self.lpi.tx == Tx::Lpi && self.lpi_control(LPI_TXA) {
            self.leave_lpi(self.clock.now());
        }
    }

    fn run_rx_lpi(&mut self, now: Duration) {
        let rx = self.config(CONFIG_RE) && self.wire.rx_lpi();
        if rx == self.lpi.rx {
            return;
        }
        if rx {
            self.lpi.rx_counted = now;
            self.regs.set_bits(MAC_LPI_CONTROL, LPI_RLPIEN);
            self.mmc_rx_lpi(0, 1);
        } else {
            self.count_lpi(now);
            self.regs.set_bits(MAC_LPI_CONTROL, LPI_RLPIEX);
        }
        self.lpi.rx = rx;
    }

    /// Adds the time in LPI to the counters.
    fn count_lpi(&mut self, now: Duration) {
        let tick = self.lpi_tick().as_nanos();
        let ticks = |since: &mut Duration| {
            let n = now.saturating_sub(*since).as_nanos() / tick;
            *since += Duration::from_nanos((n * tick) as u64);
            n as u32
        };
        if self.lpi.tx == Tx::Lpi {
            let n = ticks(&mut self.lpi.tx_counted);
            self.mmc_tx_lpi(n, 0);
        }
        if self.lpi.rx {
            let n = ticks(&mut self.lpi.rx_counted);
            self.mmc_rx_lpi(n, 0);
        }
    }

    /// A read of one of the MMC's LPI counters.
    pub(crate) fn update_lpi_counters(&mut self) {
        self.count_lpi(self.clock.now());
    }

    /// A read of MAC_LPI_Control_Status.
    pub(crate) fn lpi_read(&mut self) -> u32 {
        let mut v = self.regs.read(MAC_LPI_CONTROL);
        if self.lpi.tx == Tx::Lpi {
            v |= LPI_TLPIST;
        }
        if self.lpi.rx {
            v |= LPI_RLPIST;
        }
        v
    }

    /// The bit of LPI in MAC_Interrupt_Status.
    pub(crate) fn lpi_int_status(&self) -> u32 {
        if self.regs.get(MAC_LPI_CONTROL) & LPI_EVENTS != 0 {
            INT_LPIIS
        } else {
            0
        }
    }

    /// When [`Gmac::run_lpi`] has something to do.
    pub(crate) fn lpi_deadline(&self) -> Option<Duration> {
        match self.lpi.tx {
            Tx::Waking(until) => Some(until),
            Tx::Active if self.cfg.eee => self.lpi_entry(),
            _ => None,
        }
    }

    /// Reset: whatever was on the wire ends at once.
    pub(crate) fn reset_lpi(&mut self) {
        self.wire.set_lpi(false);
        self.lpi = Lpi {
            idle: self.clock.now(),
            ..Lpi::default()
        };
    }
}
