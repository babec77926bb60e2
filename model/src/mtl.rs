// SPDX-License-Identifier: GPL-2.0

//! The MTL: queues between MAC and DMA.

use std::collections::VecDeque;

use crate::desc::*;
use crate::fault::Kind;
use crate::gmac::{Ack, Gmac};
use crate::ptp::Stamp;
use crate::regs::gmac4::*;
use crate::regs::{bit, field};
use crate::sched::{Algorithm, Scheduler};

/// A packet in a receive queue.
#[derive(Clone, Debug)]
pub struct RxPacket {
    /// Bytes for memory.
    pub data: Vec<u8>,
    /// Length of its header where it is split, or zero.
    pub header: usize,
    /// DMA channel it goes to.
    pub channel: usize,
    /// RDES0.
    pub rdes0: u32,
    /// RDES1.
    pub rdes1: u32,
    /// RDES2.
    pub rdes2: u32,
    /// Status bits of RDES3.
    pub rdes3: u32,
    /// The checksum engine found an error.
    pub csum_error: bool,
    /// Shorter than 64 bytes.
    pub runt: bool,
    /// When it arrived, if software asked for it.
    pub stamp: Option<Stamp>,
}

/// A receive queue.
#[derive(Clone, Debug, Default)]
pub struct RxQueue {
    /// The packets.
    pub packets: VecDeque<RxPacket>,
    /// Their bytes.
    pub bytes: usize,
    /// Bytes of the first packet that are already in memory.
    pub done: usize,
}

impl Gmac {
    pub(crate) fn mtl_read(&mut self, off: u32) -> u32 {
        if off == MTL_INT_STATUS {
            return self.mtl_int_status();
        }
        if off == MTL_SAFETY_STATUS && self.cfg.asp > 0 {
            return self.mtl_safety_status();
        }
        if off >= MTL_Q {
            let q = ((off - MTL_Q) / MTL_Q_STRIDE) as usize;
            match (off - MTL_Q) % MTL_Q_STRIDE {
                MTL_RXQ_DEBUG if q < self.rxq.len() => return self.rxq_debug(q),
                MTL_TXQ_DEBUG if q < self.tx.len() => {
                    return u32::from(self.pause.hold.is_some())
                        | u32::from(self.tx_waits(q)) * TXQ_ONE_WAITS;
                }
                _ => {}
            }
        }
        self.regs.read(off)
    }

    pub(crate) fn mtl_write(&mut self, off: u32, value: u32, lanes: u32) -> Ack {
        let Some(w) = self.regs.write(off, value, lanes) else {
            return Ack::None;
        };
        if off == MTL_ECC_STATUS {
            return Ack::Common;
        }
        if off == MTL_OPERATION_MODE && w.triggered & (1 << 9) != 0 {
            for q in 0..self.rxq.len() {
                self.regs.set(mtl(q, MTL_RXQ_MISSED), 0);
            }
        }
        if off >= MTL_Q {
            let q = ((off - MTL_Q) / MTL_Q_STRIDE) as usize;
            match (off - MTL_Q) % MTL_Q_STRIDE {
                // Nothing waits here: the DMA fetches a packet only when it can be sent. What a
                // flush drops is the packet that is being fetched.
                MTL_TXQ_MODE if w.triggered & TXQ_FTQ != 0 => {
                    if let Some(tx) = self.tx.get_mut(q) {
                        tx.frame = None;
                        if let Some(pending) = &mut tx.segments {
                            pending.flushed = true;
                        }
                    }
                    self.lpi_flush();
                }
                MTL_Q_INT => return Ack::Common,
                _ => {}
            }
        }
        Ack::None
    }

    pub(crate) fn mtl_int_status(&self) -> u32 {
        (0..self.cfg.channels())
            .filter(|&q| {
                let v = self.regs.get(mtl(q, MTL_Q_INT));
                (v & Q_RXOVFIS != 0 && v & Q_RXOIE != 0) || (v & Q_TXUNFIS != 0 && v & Q_TXUIE != 0)
            })
            .fold(0, |bits, q| bits | 1 << q)
    }

    fn rxq_size(&self, q: usize) -> usize {
        let rqs = field(self.regs.get(mtl(q, MTL_RXQ_MODE)), 20, 10) as usize;
        ((rqs + 1) * 256).min(self.cfg.rx_fifo as usize)
    }

    fn rxq_debug(&self, q: usize) -> u32 {
        let queue = &self.rxq[q];
        let fill = if queue.bytes == 0 {
            0
        } else if queue.bytes + 64 > self.rxq_size(q) {
            3
        } else if self.above_threshold(q) {
            2
        } else {
            1
        };
        (queue.packets.len() as u32) << 16 | fill << 4
    }

    /// Distance from full, in half kilobytes above one kilobyte.
    fn from_full(code: u32) -> usize {
        1024 + code as usize * 512
    }

    fn above_threshold(&self, q: usize) -> bool {
        let mode = self.regs.get(mtl(q, MTL_RXQ_MODE));
        let size = self.rxq_size(q);
        self.rxq[q].bytes
            >= size
                .saturating_sub(Self::from_full(field(mode, 8, 6)))
                .max(1)
    }

    fn update_flow_control(&mut self, q: usize) {
        let mode = self.regs.get(mtl(q, MTL_RXQ_MODE));
        // Hardware flow control needs a queue of 4 KiB.
        if mode & RXQ_EHFC == 0 || self.rxq_size(q) < 4096 {
            return;
        }
        let above = self.above_threshold(q);
        let low = self
            .rxq_size(q)
            .saturating_sub(Self::from_full(field(mode, 14, 6)));
        let below = self.rxq[q].bytes <= low;
        self.flow_control(q, above, below && !above);
    }

    fn rxq_enabled(&self, q: usize) -> bool {
        matches!(field(self.regs.get(MAC_RXQ_CTRL0), 2 * q as u32, 2), 1 | 2)
    }

    /// Puts a packet into a queue, or drops it.
    pub(crate) fn enqueue(&mut self, q: usize, packet: RxPacket) {
        if !self.rxq_enabled(q) {
            self.stats.rx_queue_disabled += 1;
            return;
        }
        let mode = self.regs.get(mtl(q, MTL_RXQ_MODE));
        let bad = packet.rdes3 & (RX_CE | RX_RE | RX_RWT) != 0;
        let good_runt = packet.runt && !bad;
        // Only a queue that stores whole packets can take one back.
        let stores = mode & RXQ_RSF != 0;
        let drop = if mode & RXQ_FEP != 0 {
            packet.runt && bad
        } else {
            bad || (packet.csum_error && stores && mode & RXQ_DIS_TCP_EF == 0)
        };
        // What is longer than the threshold has begun to leave before its end is seen.
        let threshold = [64, 32, 96, 128][field(mode, 0, 2) as usize];
        let gone = !stores && packet.data.len() > threshold;
        let drop = drop && !gone;
        if drop || (good_runt && mode & RXQ_FUP == 0) {
            self.stats.rx_errors += 1;
            return;
        }
        let size = self.rxq_size(q);
        let full = self.rxq[q].bytes + packet.data.len() > size;
        if full || self.faults.take(Kind::RxOverflow, q) {
            self.stats.rx_overflow += 1;
            self.regs.count(mtl(q, MTL_RXQ_MISSED), 0, 11, 1 << 11);
            self.regs.set_bits(mtl(q, MTL_Q_INT), Q_RXOVFIS);
            self.mmc_rx_overflow();
            return;
        }
        let queue = &mut self.rxq[q];
        queue.bytes += packet.data.len();
        queue.packets.push_back(packet);
        // Judge the level with what the DMA cannot take away at once.
        self.drain_rx(usize::MAX);
        self.update_flow_control(q);
    }

    /// Removes the first packet of a queue.
    pub(crate) fn pop(&mut self, q: usize) -> Option<RxPacket> {
        let queue = &mut self.rxq[q];
        let packet = queue.packets.pop_front()?;
        queue.bytes -= packet.data.len();
        queue.done = 0;
        self.update_flow_control(q);
        Some(packet)
    }

    /// Drops the first packet of a queue because its channel is stopped and flushes.
    pub(crate) fn flush_packet(&mut self, q: usize) {
        if let Some(packet) = self.pop(q) {
            self.regs.count(mtl(q, MTL_RXQ_MISSED), 16, 11, 1 << 27);
            let missed = ch(packet.channel, miss_frame_cnt(self.cfg.version));
            self.regs.count(missed, 0, 11, 1 << 15);
        }
    }

    /// Bursts in which the first packet of a queue reaches memory.
    fn bursts(&self, q: usize) -> usize {
        let Some(packet) = self.rxq[q].packets.front() else {
            return 0;
        };
        let c = packet.channel;
        let by_eight = self.regs.get(ch(c, CH_CONTROL)) & bit(16) != 0;
        let pbl = field(self.regs.get(ch(c, CH_RX_CONTROL)), 16, 6).max(1);
        let beats = if by_eight { 8 * pbl } else { pbl };
        let bytes = beats * self.cfg.bus_bytes();
        packet.data.len().div_ceil(bytes as usize)
    }

    /// Moves packets from all queues to memory; returns whether it stopped at `limit` descriptors.
    ///
    /// The highest queue comes first; by weight, each has its share of a round that starts there.
    /// A packet is moved whole in either case.
    pub(crate) fn drain_rx(&mut self, limit: usize) -> bool {
        if self.faults.clock_dead("app") {
            return false;
        }
        if self.rxq.iter().all(|q| q.packets.is_empty()) {
            self.rx_sched = Scheduler::default();
            return false;
        }
        let n = self.rxq.len();
        let weighted = self.regs.get(MTL_OPERATION_MODE) & MTL_RAA != 0;
        // The scheduler's rounds go upwards.
        let turned = |i: usize| if weighted { n - 1 - i } else { i };
        let algorithm = if weighted {
            Algorithm::Bytes
        } else {
            Algorithm::Strict
        };
        let control = |q: usize| self.regs.get(mtl(q, MTL_RXQ_CONTROL));
        let weights: Vec<u32> = (0..n).map(|i| field(control(turned(i)), 0, 3)).collect();
        // Every step uses up a descriptor that software gave, or a packet; bound it nevertheless.
        let mut left = limit.min(4096);
        let mut blocked = 0;
        loop {
            let ready = (0..n)
                .filter(|i| !self.rxq[turned(*i)].packets.is_empty())
                .fold(0, |bits, i| bits | 1 << i);
            if left == 0 {
                return ready != 0;
            }
            let picked = self.rx_sched.pick(algorithm, &weights, ready & !blocked);
            let Some(i) = picked else {
                return false;
            };
            let q = turned(i);
            let whole = self.regs.get(mtl(q, MTL_RXQ_CONTROL)) & RXQ_FRM_ARBIT != 0;
            let cost = if whole { 1 } else { self.bursts(q) };
            if self.drain_packet(q, &mut left) {
                self.rx_sched.sent(algorithm, i, cost);
                // Another queue's packet may have waited for the channel.
                blocked = 0;
            } else {
                blocked |= 1 << i;
            }
        }
    }
}
