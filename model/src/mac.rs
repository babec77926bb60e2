// SPDX-License-Identifier: GPL-2.0

//! The MAC: framing, filters, checksum engines, flow control.

use std::time::Duration;

use crate::csum;
use crate::desc::*;
use crate::fault::Kind;
use crate::filter::{Filter, Verdict};
use crate::gmac::{Ack, Gmac};
use crate::mtl::RxPacket;
use crate::regs::gmac4::*;
use crate::regs::{bit, field};
use crate::split::Split;
use crate::vlan;
use crate::wire::{Frame, Link};

const PAUSE_DA: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01];
const MAC_CONTROL: u16 = 0x8808;
const ARP: u16 = 0x0806;
const AV_CONTROL: u16 = 0x22f0;
const LLDP: u16 = 0x88cc;
const PTP: u16 = 0x88f7;

/// Largest frame that the transmitter takes from memory.
pub const MAX_TX: usize = 0x8000;

/// What the descriptors of a packet ask of the MAC.
#[derive(Clone, Copy, Debug, Default)]
pub struct TxControl {
    /// CRC and pad control.
    pub cpc: u32,
    /// Checksum insertion control.
    pub cic: u32,
    /// Source address insertion control.
    pub saic: u32,
    /// VLAN tag insertion or replacement.
    pub vtir: u32,
    /// The tag that the channel last got.
    pub vlan: u16,
    /// The same of the inner tag.
    pub ivtir: u32,
    /// The inner tag that the channel last got.
    pub inner_vlan: u16,
}

/// Flow control.
#[derive(Clone, Debug, Default)]
pub struct Pause {
    /// A received pause holds the transmitter until then.
    pub hold: Option<Duration>,
    /// A queue is above its threshold: when the pause it sent has to be repeated.
    pub resend: Option<Duration>,
    /// Queues above their threshold.
    pub congested: u32,
    /// Frames that were under way when the pause was sent, and the few that the sender may have
    /// added before it saw it.
    pub in_flight: usize,
}

fn addr(data: &[u8], at: usize) -> [u8; 6] {
    let mut a = [0; 6];
    a.copy_from_slice(&data[at..at + 6]);
    a
}

impl Gmac {
    pub(crate) fn mac_read(&mut self, off: u32) -> u32 {
        match off {
            MAC_INT_STATUS => self.mac_int_status(),
            MAC_LPI_CONTROL if self.cfg.eee => self.lpi_read(),
            MAC_PMT | MAC_RWK_FILTER if self.cfg.pmt => self.pmt_read(off),
            MAC_PHYIF if self.cfg.is_rgmii() => {
                self.regs.clear_bits(MAC_INT_STATUS, INT_RGSMIIIS);
                let link = self.link();
                let mut v = self.regs.read(off);
                if link.up {
                    let speed = match link.speed {
                        1000 => 2,
                        100 => 1,
                        _ => 0,
                    };
                    v |= bit(19) | speed << 17 | u32::from(link.full) << 16;
                }
                v
            }
            MAC_DEBUG => {
                // Transmitter waiting for the end of a pause.
                if self.pause.hold.is_some() {
                    1 << 17
                } else {
                    0
                }
            }
            _ => self.regs.read(off),
        }
    }

    pub(crate) fn mac_write(&mut self, off: u32, value: u32, lanes: u32) -> Ack {
        let Some(w) = self.regs.write(off, value, lanes) else {
            return Ack::None;
        };
        match off {
            MAC_INT_EN | MAC_DPP_FSM_STATUS => return Ack::Common,
            MAC_VLAN_TAG if w.triggered & VLAN_OB != 0 => self.access_vlan_filter(w.new),
            MAC_PMT if w.triggered & PMT_RWKFILTRST != 0 => self.pmt_reset_pointer(),
            MAC_RWK_FILTER => self.pmt_filter_write(value, lanes),
            _ => {}
        }
        if (MAC_TX_FLOW..MAC_TX_FLOW + 4 * self.cfg.tx_queues as u32).contains(&off)
            && w.triggered & 1 != 0
            && w.new & bit(1) != 0
        {
            self.send_pause(w.new >> 16);
        }
        Ack::None
    }

    /// Reads or writes the extended VLAN filter that MAC_VLAN_Tag_Ctrl names.
    fn access_vlan_filter(&mut self, control: u32) {
        let Some(filter) = self.vlan_filters.get_mut(field(control, 2, 5) as usize) else {
            return;
        };
        if control & VLAN_CT == 0 {
            *filter = self.regs.get(MAC_VLAN_TAG_DATA);
        } else {
            self.regs.set(MAC_VLAN_TAG_DATA, *filter);
        }
    }

    /// The change that an inclusion register and a packet's descriptors ask for.
    fn tag_change(&self, register: u32, code: u32, tci: u16) -> vlan::Change {
        let r = self.regs.get(register);
        let code = if r & INCL_VLP != 0 {
            field(r, 16, 2)
        } else {
            code
        };
        let tag = vlan::Tag {
            tpid: if r & INCL_CSVL != 0 {
                vlan::S_VLAN
            } else {
                vlan::C_VLAN
            },
            tci: if r & INCL_VLTI != 0 { tci } else { r as u16 },
        };
        vlan::Change::new(code, tag)
    }

    /// Source address and VLAN tags of a packet to send.
    fn edit_header(&self, data: &mut Vec<u8>, control: &TxControl) {
        if !self.cfg.sa_vlan_ins {
            return;
        }
        let sarc = field(self.regs.get(MAC_CONFIG), 28, 3);
        // The register rules unless it leaves the choice to the descriptor, whose code is one less.
        let (code, register) = if sarc & 2 != 0 {
            (sarc & 3, sarc >> 2)
        } else {
            (
                [0, 2, 3, 0][(control.saic & 3) as usize],
                control.saic >> 2 & 1,
            )
        };
        if code != 0 && data.len() >= 6 {
            let off = MAC_ADDR_HIGH + 8 * register;
            let [h, l] = [off, off + 4].map(|r| self.regs.get(r).to_le_bytes());
            let end = if code == 3 { data.len().min(12) } else { 6 };
            data.splice(6..end, [l[0], l[1], l[2], l[3], h[0], h[1]]);
        }
        let double = self.cfg.dvlan && self.regs.get(MAC_VLAN_TAG) & VLAN_EDVLP != 0;
        let outer = self.tag_change(MAC_VLAN_INCL, control.vtir, control.vlan);
        let inner = if double {
            self.tag_change(MAC_INNER_VLAN_INCL, control.ivtir, control.inner_vlan)
        } else {
            vlan::Change::Keep
        };
        vlan::change(data, outer, inner);
    }

    fn mac_int_status(&self) -> u32 {
        let mut v = self.regs.get(MAC_INT_STATUS) & INT_RGSMIIIS;
        v |= self.mmc_int_status() | self.ts_int_status();
        v |= self.lpi_int_status() | self.pmt_int_status();
        let rxtx = self.regs.get(MAC_RX_TX_STATUS);
        if rxtx & RXTX_TJT != 0 {
            v |= INT_TXSTSIS;
        }
        if rxtx & RXTX_RWT != 0 {
            v |= INT_RXSTSIS;
        }
        v
    }

    /// MMC interrupts are enabled by their masks, the others here.
    pub(crate) fn mac_irq_causes(&self) -> u32 {
        let mmc = INT_MMCIS | INT_MMCRXIS | INT_MMCTXIS | INT_MMCRXIPIS;
        self.mac_int_status() & (self.regs.get(MAC_INT_EN) | mmc)
    }

    pub(crate) fn config(&self, bits: u32) -> bool {
        self.regs.get(MAC_CONFIG) & bits != 0
    }

    /// The address in the first address register.
    pub(crate) fn address(&self) -> [u8; 6] {
        let h = self.regs.get(MAC_ADDR_HIGH).to_le_bytes();
        let l = self.regs.get(MAC_ADDR_HIGH + 4).to_le_bytes();
        [l[0], l[1], l[2], l[3], h[0], h[1]]
    }

    /// The link as the PHY sees it; without a PHY there is none.
    pub fn link(&self) -> Link {
        self.mdio
            .phy(self.cfg.phy_addr)
            .map_or_else(Link::default, |p| p.link())
    }

    /// The link as it reaches the MAC, through the PCS if there is one.
    fn gmii_link(&self) -> Link {
        let line = self.link();
        match &self.serial {
            Some(serial) => serial.link(line),
            None => line,
        }
    }

    fn phy_loopback(&self) -> bool {
        self.mdio
            .phy(self.cfg.phy_addr)
            .is_some_and(|p| p.loopback())
    }

    /// Whether MAC or PHY returns what is sent, and is deaf to the cable.
    fn loop_closed(&self) -> bool {
        self.config(CONFIG_LM) || self.phy_loopback()
    }

    fn speed(&self) -> u32 {
        match (self.config(CONFIG_PS), self.config(CONFIG_FES)) {
            (false, _) => 1000,
            (true, true) => 100,
            (true, false) => 10,
        }
    }

    fn largest(&self, tagged: bool) -> usize {
        let c = self.regs.get(MAC_CONFIG);
        let tag = if tagged { 4 } else { 0 };
        if c & CONFIG_GPSLCE != 0 {
            field(self.regs.get(MAC_EXT_CONFIG), 0, 14).max(1518) as usize + tag
        } else if c & CONFIG_JE != 0 {
            9018 + tag
        } else if c & CONFIG_S2KP != 0 {
            2000
        } else {
            1518 + tag
        }
    }

    /// Where the receive watchdog cuts a frame.
    fn watchdog(&self) -> usize {
        let w = self.regs.get(MAC_WATCHDOG);
        if self.config(CONFIG_WD) {
            16384
        } else if w & bit(8) != 0 {
            ((w & 0xf) as usize + 2).min(16) * 1024
        } else if self.config(CONFIG_JE) {
            10240
        } else {
            2048
        }
    }

    /// Sends a packet of queue `q` and returns the status bits for TDES3.
    pub(crate) fn transmit(&mut self, q: usize, mut data: Vec<u8>, control: &TxControl) -> u32 {
        let mut status = 0;
        let &TxControl { cpc, cic, .. } = control;
        self.last_tx = data.len();
        if cic != 0 {
            let mode = self.regs.get(mtl(q, MTL_TXQ_MODE));
            let room = (field(mode, 16, 9) as usize + 1) * 256;
            let threshold = [32, 64, 96, 128, 192, 256, 384, 512][field(mode, 4, 3) as usize];
            let stored = data.len() <= room && (mode & TXQ_TSF != 0 || data.len() <= threshold);
            if stored {
                let s = csum::insert(&mut data, cic);
                if s.header_error {
                    status |= TX_IHE | TX_ES;
                }
                if s.payload_error {
                    status |= TX_PCE | TX_ES;
                }
            } else {
                // The start is on the wire before the end has been summed up.
                status |= TX_PCE | TX_ES;
            }
        }
        self.edit_header(&mut data, control);
        let mut fcs = None;
        match cpc {
            0 if data.len() < 60 => data.resize(60, 0),
            // The packet brings its own FCS: sent as it is, or replaced by a right one.
            2 | 3 => {
                if data.len() >= 4 {
                    let tail = data.split_off(data.len() - 4);
                    if cpc == 2 {
                        fcs = Some(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
                    }
                }
            }
            _ => {}
        }
        if !self.config(CONFIG_JD) {
            let limit = if self.config(CONFIG_JE) { 10240 } else { 2048 };
            if data.len() + 4 > limit {
                data.truncate(limit);
                fcs = Some(!crc32fast::hash(&data));
                status |= TX_JT | TX_ES;
                self.regs.set_bits(MAC_RX_TX_STATUS, RXTX_TJT);
            }
        }
        if data.len() < 14 {
            // Not a frame: collides with nothing and reaches nobody.
            return status;
        }
        let frame = Frame { data, fcs };
        self.mmc_tx(&frame, status & TX_ES == 0);
        self.send(frame);
        status
    }

    /// Sends the start of a packet whose rest came too late, with a wrong FCS.
    pub(crate) fn transmit_cut(&mut self, mut data: Vec<u8>) {
        self.last_tx = data.len();
        data.truncate(data.len() / 2);
        if data.len() < 14 {
            return;
        }
        let fcs = Some(!crc32fast::hash(&data));
        let frame = Frame { data, fcs };
        self.mmc_tx(&frame, false);
        self.send(frame);
    }

    /// Sends a frame that the MAC has made itself.
    pub(crate) fn send_own(&mut self, data: Vec<u8>) {
        let frame = Frame::good(data);
        self.mmc_tx(&frame, true);
        self.send(frame);
    }

    fn send(&mut self, frame: Frame) {
        self.lpi_activity();
        if let Some(pcap) = &mut self.pcap {
            pcap.record(&frame.data);
        }
        if self.loop_closed() {
            self.stats.tx_frames += 1;
            self.stats.tx_bytes += frame.data.len() as u64;
            self.arrived.push_back(frame);
            return;
        }
        let link = self.gmii_link();
        if !link.up {
            self.stats.tx_no_carrier += 1;
        } else if link.speed != self.speed() {
            self.stats.speed_mismatch += 1;
        } else {
            self.stats.tx_frames += 1;
            self.stats.tx_bytes += frame.data.len() as u64;
            if !self.sink(&frame) {
                self.wire.send(frame);
            }
        }
    }

    /// Whether the transmitter may start a frame.
    pub(crate) fn tx_ready(&self, now: Duration) -> bool {
        if !self.config(CONFIG_TE) || self.faults.clock_dead("tx") {
            return false;
        }
        if self.pause.hold.is_some_and(|t| now < t) || self.lpi_holds() {
            return false;
        }
        // A loop returns frames to our own receiver, which takes them first.
        self.arrived.len() < 64 && (self.loop_closed() || self.wire.has_room())
    }

    fn send_pause(&mut self, quanta: u32) {
        if !self.config(CONFIG_TE) {
            return;
        }
        let mut data = vec![0; 60];
        data[..6].copy_from_slice(&PAUSE_DA);
        data[6..12].copy_from_slice(&self.address());
        data[12..14].copy_from_slice(&MAC_CONTROL.to_be_bytes());
        data[14..16].copy_from_slice(&1u16.to_be_bytes());
        data[16..18].copy_from_slice(&(quanta as u16).to_be_bytes());
        self.stats.pause_tx += 1;
        self.mmc_tx_pause();
        self.send_own(data);
    }

    /// A pause quantum is the time of 512 bits.
    fn quanta(&self, n: u32) -> Duration {
        Duration::from_nanos(u64::from(n) * 512 * 1000 / u64::from(self.speed()))
    }

    /// Reacts to the fill level of a receive queue that `above` says is over its activation
    /// threshold, and `below` under its deactivation threshold.
    pub(crate) fn flow_control(&mut self, q: usize, above: bool, below: bool) {
        let flow = self.regs.get(MAC_TX_FLOW);
        if flow & bit(1) == 0 {
            self.pause.congested = 0;
            self.pause.resend = None;
            return;
        }
        let was = self.pause.congested;
        if above {
            self.pause.congested |= 1 << q;
        } else if below {
            self.pause.congested &= !(1 << q);
        }
        if was == 0 && self.pause.congested != 0 {
            self.pause.in_flight = self.wire.ingress().pending() + 4;
            self.send_timed_pause(flow);
        } else if was != 0 && self.pause.congested == 0 {
            self.pause.resend = None;
            // DZPQ: no zero-quanta pause.
            if flow & bit(7) == 0 {
                self.send_pause(0);
            }
        }
    }

    fn send_timed_pause(&mut self, flow: u32) {
        let pt = flow >> 16;
        let plt = [4, 28, 36, 144, 256, 512, 512, 512][field(flow, 4, 3) as usize];
        self.send_pause(pt);
        self.pause.resend = Some(self.clock.now() + self.quanta(pt.saturating_sub(plt).max(1)));
    }

    pub(crate) fn run_pause_timer(&mut self, now: Duration) {
        if self.pause.hold.is_some_and(|t| now >= t) {
            self.pause.hold = None;
        }
        if self.pause.resend.is_some_and(|t| now >= t) {
            self.pause.resend = None;
            let flow = self.regs.get(MAC_TX_FLOW);
            if flow & bit(1) == 0 {
                // A queue that is still full asks anew once TFE is back.
                self.pause.congested = 0;
            } else if self.pause.congested != 0 {
                self.send_timed_pause(flow);
            }
        }
    }

    fn filter(&self, da: &[u8; 6], sa: &[u8; 6]) -> Verdict {
        let hash: Vec<u32> = (0..u32::from(self.cfg.hash_bits) / 32)
            .map(|i| self.regs.get(MAC_HASH + 4 * i))
            .collect();
        let addrs: Vec<(u32, u32)> = (0..=u32::from(self.cfg.mac_addrs))
            .map(|i| {
                let off = MAC_ADDR_HIGH + 8 * i;
                (self.regs.get(off), self.regs.get(off + 4))
            })
            .collect();
        Filter {
            control: self.regs.get(MAC_PACKET_FILTER),
            hash: &hash,
            addrs: &addrs,
        }
        .apply(da, sa)
    }

    fn splitter(&self) -> Split {
        Split {
            ext: self.regs.get(MAC_EXT_CONFIG),
            cfg1: self.regs.get(MAC_EXT_CFG1),
            checksums: self.config(CONFIG_IPC),
        }
    }

    fn vlan_receiver(&self) -> vlan::Receiver<'_> {
        vlan::Receiver {
            control: self.regs.get(MAC_VLAN_TAG),
            filters: &self.vlan_filters,
            hash: self
                .cfg
                .vlan_hash
                .then(|| self.regs.get(MAC_VLAN_HASH) as u16),
        }
    }

    /// Takes a frame from the cable.
    pub(crate) fn take_from_wire(&mut self, frame: Frame, now: Duration) {
        if self.loop_closed() {
            self.stats.rx_loop_closed += 1;
            return;
        }
        if frame.data.len() < 14 {
            return;
        }
        let link = self.gmii_link();
        if !link.up {
            return;
        }
        if link.speed != self.speed() {
            self.stats.speed_mismatch += 1;
            return;
        }
        if let Some(pcap) = &mut self.pcap {
            pcap.record(&frame.data);
        }
        self.receive(frame, now);
    }

    /// Takes a frame that is at the MAC's receiver: of 14 bytes at least.
    pub(crate) fn receive(&mut self, mut frame: Frame, now: Duration) {
        if self.rx_clock_dead() {
            return;
        }
        if self.faults.take(Kind::RxCrc, 0) {
            frame.fcs = Some(!frame.fcs());
        }
        if !self.config(CONFIG_RE) {
            self.stats.rx_disabled += 1;
            return;
        }
        self.stats.rx_frames += 1;
        self.stats.rx_bytes += frame.data.len() as u64;

        let da = addr(&frame.data, 0);
        let sa = addr(&frame.data, 6);
        let fcs = frame.fcs();
        let mut status = 0;
        if frame.fcs.is_some() && !frame.intact() {
            status |= RX_CE | RX_ES;
        }
        status |= self.phy_error();
        let type_len = u16::from_be_bytes([frame.data[12], frame.data[13]]);
        let (inner, l3) = csum::ethertype(&frame.data).unwrap_or((0, 14));
        let tagged = l3 > 14;
        let vlan = self.vlan_receiver().look(&frame.data);
        let whole = frame.data.len() + 4;
        if whole > self.largest(tagged) {
            status |= RX_GP | RX_ES;
        }
        let mut data = frame.data;
        let limit = self.watchdog();
        if whole > limit {
            status |= RX_RWT | RX_ES;
            status &= !RX_CE;
            self.regs.set_bits(MAC_RX_TX_STATUS, RXTX_RWT);
        }
        let lt = match inner {
            MAC_CONTROL => 6,
            ARP if self.is_arp_request(&data) => 3,
            _ if vlan.inner.is_some() => 5,
            _ if tagged => 4,
            n if n < 1536 => 0,
            _ => 1,
        };
        status |= lt << 16;

        let verdict = self.filter(&da, &sa);
        let control = self.regs.get(MAC_PACKET_FILTER);
        let mut pass = verdict.da && verdict.sa;
        let passes = pass || control & FILTER_RA != 0 || type_len == MAC_CONTROL;
        if self.mmc_counts(passes, da == [0xff; 6]) {
            self.mmc_rx(&data, whole, status);
        }
        if type_len == MAC_CONTROL && status & RX_ES == 0 {
            let is_pause = self.handle_control(&data, &da, now);
            match field(control, 6, 2) {
                0 => pass = false,
                1 => pass = !is_pause,
                2 => pass = true,
                _ => {}
            }
        }
        if verdict.da && verdict.sa && status & RX_ES == 0 {
            self.answer_arp(&data);
        }
        let (l3l4, l3l4_drops) = self.l3l4(&data);
        pass &= !l3l4_drops;
        if self.cfg.pmt {
            let passes = if status & RX_ES == 0 {
                self.pmt_receive(&data, &verdict)
            } else {
                !self.pmt_asleep()
            };
            if !passes {
                self.stats.rx_asleep += 1;
                return;
            }
        }
        let vlan_fails = control & FILTER_VTFE != 0 && vlan.fails();
        if (!pass || vlan_fails) && control & FILTER_RA == 0 {
            self.stats.rx_filtered += 1;
            return;
        }

        let (mut rdes1, stamp) = self.rx_stamp(&data);
        let mut csum_error = false;
        if self.config(CONFIG_IPC) {
            let s = csum::check(&data);
            rdes1 |= s.rdes1();
            csum_error = s.header_error || s.payload_error;
            self.mmc_ipc(&s, status);
        }
        let mut rdes2 = vlan.rdes2();
        if let Some(i) = verdict.index {
            rdes2 |= (i as u32) << 19;
        }
        rdes2 |= u32::from(verdict.hash) << 18;
        rdes2 |= u32::from(!verdict.da) << 17;
        rdes2 |= u32::from(!verdict.sa) << 16;
        rdes2 |= l3l4.rdes2();

        let failed = (!(verdict.da && verdict.sa), vlan_fails);
        let queue = self.route(&data, &da, inner, tagged, failed);
        let channel = self.channel_of(queue, verdict.index, l3l4.channel);
        if vlan.rdes0.is_some() {
            status |= RX_RS0V;
        }
        vlan.strip(&mut data);
        let header = if self.cfg.sph {
            self.splitter().header(&data)
        } else {
            0
        };
        let strip = if type_len < 1536 {
            let acs = self.config(CONFIG_ACS);
            if acs {
                // What is behind the bytes that the length counts is padding.
                data.truncate(14 + usize::from(type_len));
            }
            acs
        } else {
            self.config(CONFIG_CST)
        };
        if !strip {
            data.extend_from_slice(&fcs.to_le_bytes());
        }
        data.truncate(limit);

        self.enqueue(
            queue,
            RxPacket {
                header: header.min(data.len()),
                data,
                channel,
                rdes0: vlan.rdes0.unwrap_or_default(),
                rdes1,
                rdes2,
                rdes3: status,
                csum_error,
                runt: whole < 64,
                stamp,
            },
        );
    }

    /// Status bits for what a fault lets the PHY signal of a frame beside its bytes.
    fn phy_error(&mut self) -> u32 {
        // The MAC's loop does without the PHY.
        if self.config(CONFIG_LM) {
            return 0;
        }
        let mut status = 0;
        if self.faults.take_what(Kind::RxError, "phy", 0) {
            status |= RX_RE | RX_ES;
        }
        // Of the interfaces, only MII carries half bytes.
        if self.speed() < 1000 && self.faults.take_what(Kind::RxError, "alignment", 0) {
            status |= RX_DE | RX_ES;
        }
        status
    }

    /// Acts on a control frame; returns whether it is a pause frame. Without RFE, or to another
    /// address, it is a control frame as any other.
    fn handle_control(&mut self, data: &[u8], da: &[u8; 6], now: Duration) -> bool {
        let flow = self.regs.get(MAC_RX_FLOW);
        let to_us = *da == PAUSE_DA || (flow & 2 != 0 && *da == self.address());
        if flow & 1 == 0 || !to_us || data.len() < 18 || data[14..16] != [0, 1] {
            return false;
        }
        let quanta = u32::from(u16::from_be_bytes([data[16], data[17]]));
        self.stats.pause_rx += 1;
        self.mmc_rx_pause();
        self.pause.hold = (quanta > 0).then(|| now + self.quanta(quanta));
        true
    }

    /// The queue of a packet; `failed`: the address filter, the VLAN filter.
    fn route(
        &self,
        data: &[u8],
        da: &[u8; 6],
        inner: u16,
        tagged: bool,
        failed: (bool, bool),
    ) -> usize {
        if self.cfg.rx_queues == 1 {
            return 0;
        }
        let limit = |q: u32| (q as usize).min(self.cfg.rx_queues - 1);
        let multicast = da[0] & 1 != 0;
        // What failed has queues of its own with RA only.
        let receive_all = self.regs.get(MAC_PACKET_FILTER) & FILTER_RA != 0;
        let c4 = self.regs.get(MAC_RXQ_CTRL4);
        let fail_queue = |enable: u32| {
            (receive_all && c4 & bit(enable) != 0).then(|| limit(field(c4, enable + 1, 3)))
        };
        let (address, vlan) = failed;
        let by_address = fail_queue(if multicast { 8 } else { 0 }).filter(|_| address);
        let by_tag = fail_queue(16).filter(|_| tagged && (address || vlan));
        if let Some(q) = by_address.or(by_tag) {
            return q;
        }
        let c1 = self.regs.get(MAC_RXQ_CTRL1);
        // Before the type: this core has no OMCBCQ, which would put it behind.
        if multicast && c1 & bit(20) != 0 {
            return limit(field(c1, 16, 3));
        }
        match (inner, tagged) {
            (AV_CONTROL, false) => return limit(field(c1, 0, 3)),
            (PTP, false) if self.cfg.ts => return limit(field(c1, 4, 3)),
            (LLDP, false) => return limit(field(c1, 8, 3)),
            _ => {}
        }
        if tagged {
            let priority = u32::from(data[14] >> 5);
            return (0..self.cfg.rx_queues)
                .find(|q| {
                    let reg = self.regs.get(MAC_RXQ_CTRL2 + (*q as u32 / 4) * 4);
                    reg >> (q % 4 * 8) & bit(priority) != 0
                })
                .unwrap_or(0);
        }
        limit(field(c1, 12, 3))
    }

    /// The DMA channel of a packet in `queue` that address register `index` matched, or that an IP
    /// filter wants in channel `filtered`.
    fn channel_of(&self, queue: usize, index: Option<usize>, filtered: Option<usize>) -> usize {
        if self.cfg.rx_queues == 1 {
            return 0;
        }
        let map = self.regs.get(MTL_RXQ_DMA_MAP + (queue as u32 / 4) * 4) >> (queue % 4 * 8);
        let channel = if map & bit(4) != 0 {
            // Dynamic: what matched says it.
            match (filtered, index) {
                (Some(channel), _) => channel as u32,
                (None, Some(i)) => field(self.regs.get(MAC_ADDR_HIGH + 8 * i as u32), 16, 3),
                (None, None) => 0,
            }
        } else {
            field(map, 0, 3)
        };
        (channel as usize).min(self.cfg.rx_queues - 1)
    }
}
