// SPDX-License-Identifier: GPL-2.0

//! The MMC: 32-bit counters of what passes the MAC.

use crate::csum::{Ip, Payload, RxStatus};
use crate::desc::{RX_CE, RX_DE, RX_GP, RX_RE, RX_RWT};
use crate::gmac::{Ack, Gmac};
use crate::regs::bit;
use crate::regs::gmac4::*;
use crate::wire::Frame;

const CNTRST: u32 = bit(0);
const CNTSTOPRO: u32 = bit(1);
const RSTONRD: u32 = bit(2);
const CNTFREEZ: u32 = bit(3);
const CNTPRST: u32 = bit(4);
const CNTPRSTLVL: u32 = bit(5);
const UCDBC: u32 = bit(8);

// Indices of transmit counters; their interrupt bits have the same numbers.
const TX_OCTETS_GB: u32 = 0;
const TX_PACKETS_GB: u32 = 1;
const TX_BROADCAST_G: u32 = 2;
const TX_MULTICAST_G: u32 = 3;
const TX_SIZES_GB: u32 = 4;
const TX_UNICAST_GB: u32 = 10;
const TX_MULTICAST_GB: u32 = 11;
const TX_BROADCAST_GB: u32 = 12;
const TX_UNDERFLOW: u32 = 13;
const TX_OCTETS_G: u32 = 20;
const TX_PACKETS_G: u32 = 21;
const TX_PAUSE: u32 = 23;
const TX_VLAN_G: u32 = 24;
const TX_OVERSIZE_G: u32 = 25;

// Indices of receive counters.
const RX_PACKETS_GB: u32 = 0;
const RX_OCTETS_GB: u32 = 1;
const RX_OCTETS_G: u32 = 2;
const RX_BROADCAST_G: u32 = 3;
const RX_MULTICAST_G: u32 = 4;
const RX_CRC_ERROR: u32 = 5;
const RX_ALIGNMENT: u32 = 6;
const RX_RUNT: u32 = 7;
const RX_JABBER: u32 = 8;
const RX_UNDERSIZE_G: u32 = 9;
const RX_OVERSIZE_G: u32 = 10;
const RX_SIZES_GB: u32 = 11;
const RX_UNICAST_G: u32 = 17;
const RX_LENGTH_ERROR: u32 = 18;
const RX_OUT_OF_RANGE: u32 = 19;
const RX_PAUSE: u32 = 20;
const RX_OVERFLOW: u32 = 21;
const RX_VLAN_GB: u32 = 22;
const RX_WATCHDOG: u32 = 23;
const RX_ERROR: u32 = 24;
const RX_CONTROL_G: u32 = 25;

// Indices of checksum offload counters, of packets as of octets.
const IPC_V4: u32 = 0;
const IPC_V4_FRAGMENTED: u32 = 3;
const IPC_V4_UDP_DISABLED: u32 = 4;
const IPC_V6: u32 = 5;
const IPC_UDP: u32 = 8;
const IPC_TCP: u32 = 10;
const IPC_ICMP: u32 = 12;
// The good one, and behind it:
const IPC_HEADER_ERROR: u32 = 1;
const IPC_NO_PAYLOAD: u32 = 2;
const IPC_PAYLOAD_ERROR: u32 = 1;

/// What a good packet has none of; too long it may be.
const BAD: u32 = RX_CE | RX_RE | RX_DE | RX_RWT;

/// Index of the size class of a packet including its FCS; what is shorter or longer than allowed
/// is in none.
fn size_class(whole: usize, largest: usize) -> Option<u32> {
    match whole {
        ..=63 => None,
        64 => Some(0),
        65..=127 => Some(1),
        128..=255 => Some(2),
        256..=511 => Some(3),
        512..=1023 => Some(4),
        _ => (whole <= largest).then_some(5),
    }
}

/// Whether the length field (or type) of a packet without FCS is wrong: neither all of the data nor
/// what was padded.
fn length_is_wrong(length: usize, data: usize) -> bool {
    const PADDED: usize = 46;
    length <= 1500 && length != data && !(length < PADDED && data == PADDED)
}

/// Whether the counter at an offset counts octets.
fn is_octets(off: u32) -> bool {
    [
        MMC_TX + 4 * TX_OCTETS_GB,
        MMC_TX + 4 * TX_OCTETS_G,
        MMC_RX + 4 * RX_OCTETS_GB,
        MMC_RX + 4 * RX_OCTETS_G,
    ]
    .contains(&off)
        || off >= MMC_IPC_OCTETS
}

fn tagged(data: &[u8]) -> bool {
    matches!(data.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]))
}

impl Gmac {
    fn mmc_add(&mut self, base: u32, index: u32, int: u32, int_bit: u32, n: u32) {
        let control = self.regs.get(MMC_CONTROL);
        if control & CNTFREEZ != 0 {
            return;
        }
        let off = base + 4 * index;
        let old = self.regs.get(off);
        let mut new = old.wrapping_add(n);
        if control & CNTSTOPRO != 0 && new < old {
            new = u32::MAX;
        }
        self.regs.set(off, new);
        // Half of the range, or all of it.
        if (old ^ new) & bit(31) != 0 || (new == u32::MAX && old != new) {
            self.regs.set_bits(int, bit(int_bit));
        }
    }

    fn mmc_tx_add(&mut self, index: u32, n: u32) {
        self.mmc_add(MMC_TX, index, MMC_TX_INT, index, n);
    }

    fn mmc_rx_add(&mut self, index: u32, n: u32) {
        self.mmc_add(MMC_RX, index, MMC_RX_INT, index, n);
    }

    /// Microseconds in LPI and transitions into it.
    pub(crate) fn mmc_tx_lpi(&mut self, us: u32, transitions: u32) {
        self.mmc_add(MMC_LPI, 0, MMC_TX_INT, 26, us);
        self.mmc_add(MMC_LPI, 1, MMC_TX_INT, 27, transitions);
    }

    /// The same for reception.
    pub(crate) fn mmc_rx_lpi(&mut self, us: u32, transitions: u32) {
        self.mmc_add(MMC_LPI, 2, MMC_RX_INT, 26, us);
        self.mmc_add(MMC_LPI, 3, MMC_RX_INT, 27, transitions);
    }

    /// Beyond this a packet is oversize.
    fn mmc_largest(&self, vlan: bool) -> usize {
        match (self.config(CONFIG_S2KP), vlan) {
            (true, _) => 2000,
            (false, true) => 1522,
            (false, false) => 1518,
        }
    }

    fn mmc_ipc_add(&mut self, index: u32, octets: u32) {
        self.mmc_add(MMC_IPC, index, MMC_IPC_INT, index, 1);
        self.mmc_add(MMC_IPC_OCTETS, index, MMC_IPC_INT, 16 + index, octets);
    }

    pub(crate) fn mmc_read(&mut self, off: u32) -> u32 {
        if (MMC_LPI..MMC_LPI + 16).contains(&off) {
            self.update_lpi_counters();
        }
        let v = self.regs.read(off);
        let counter = (MMC_TX..MMC_LPI + 16).contains(&off) || off >= MMC_IPC;
        if counter && self.regs.get(MMC_CONTROL) & RSTONRD != 0 {
            self.regs.set(off, 0);
        }
        v
    }

    pub(crate) fn mmc_write(&mut self, off: u32, value: u32, lanes: u32) -> Ack {
        let Some(w) = self.regs.write(off, value, lanes) else {
            return Ack::None;
        };
        if off == MMC_CONTROL {
            if w.triggered & CNTRST != 0 {
                self.mmc_set_all(0, 0);
            } else if w.triggered & CNTPRST != 0 {
                // 2048 octets or 16 packets before half or all of the range.
                let top = if w.new & CNTPRSTLVL != 0 { bit(31) } else { 0 };
                self.mmc_set_all(top | 0x7fff_fff0, top | 0x7fff_f800);
            }
        }
        Ack::Common
    }

    fn mmc_set_all(&mut self, packets: u32, octets: u32) {
        for (base, n) in [
            (MMC_TX, 26),
            (MMC_RX, 26),
            (MMC_LPI, if self.cfg.eee { 4 } else { 0 }),
            (MMC_IPC, 14),
            (MMC_IPC_OCTETS, 14),
        ] {
            for i in 0..n {
                let off = base + 4 * i;
                self.regs
                    .set(off, if is_octets(off) { octets } else { packets });
            }
        }
    }

    /// Whether a packet that the filters dropped (or not) is counted: only what passes is, and
    /// broadcasts that DBF drops if software wants it.
    pub(crate) fn mmc_counts(&self, passes: bool, broadcast: bool) -> bool {
        let dropped_broadcast = broadcast && self.regs.get(MMC_CONTROL) & UCDBC != 0;
        passes || dropped_broadcast
    }

    /// The MMC's bits in MAC_Interrupt_Status.
    pub(crate) fn mmc_int_status(&self) -> u32 {
        let active = |status, enable| self.regs.get(status) & !self.regs.get(enable) != 0;
        let mut v = 0;
        if active(MMC_RX_INT, MMC_RX_INT_MASK) {
            v |= INT_MMCRXIS | INT_MMCIS;
        }
        if active(MMC_TX_INT, MMC_TX_INT_MASK) {
            v |= INT_MMCTXIS | INT_MMCIS;
        }
        if active(MMC_IPC_INT, MMC_IPC_INT_MASK) {
            v |= INT_MMCRXIPIS | INT_MMCIS;
        }
        v
    }

    pub(crate) fn mmc_tx(&mut self, frame: &Frame, good: bool) {
        let data = &frame.data;
        let octets = data.len() as u32 + 4;
        let broadcast = data[..6] == [0xff; 6];
        let multicast = data[0] & 1 != 0 && !broadcast;
        let vlan = tagged(data);
        let largest = self.mmc_largest(vlan);
        self.mmc_tx_add(TX_OCTETS_GB, octets);
        self.mmc_tx_add(TX_PACKETS_GB, 1);
        if let Some(class) = size_class(octets as usize, largest) {
            self.mmc_tx_add(TX_SIZES_GB + class, 1);
        }
        self.mmc_tx_add(
            if broadcast {
                TX_BROADCAST_GB
            } else if multicast {
                TX_MULTICAST_GB
            } else {
                TX_UNICAST_GB
            },
            1,
        );
        if !good {
            return;
        }
        self.mmc_tx_add(TX_OCTETS_G, octets);
        self.mmc_tx_add(TX_PACKETS_G, 1);
        if broadcast {
            self.mmc_tx_add(TX_BROADCAST_G, 1);
        } else if multicast {
            self.mmc_tx_add(TX_MULTICAST_G, 1);
        }
        if vlan {
            self.mmc_tx_add(TX_VLAN_G, 1);
        }
        if octets as usize > largest {
            self.mmc_tx_add(TX_OVERSIZE_G, 1);
        }
    }

    pub(crate) fn mmc_tx_underflow(&mut self) {
        self.mmc_tx_add(TX_UNDERFLOW, 1);
    }

    pub(crate) fn mmc_tx_pause(&mut self) {
        self.mmc_tx_add(TX_PAUSE, 1);
    }

    pub(crate) fn mmc_rx_pause(&mut self) {
        self.mmc_rx_add(RX_PAUSE, 1);
    }

    pub(crate) fn mmc_rx_overflow(&mut self) {
        self.mmc_rx_add(RX_OVERFLOW, 1);
    }

    pub(crate) fn mmc_rx(&mut self, data: &[u8], whole: usize, status: u32) {
        let octets = whole as u32;
        let vlan = tagged(data);
        let largest = self.mmc_largest(vlan);
        self.mmc_rx_add(RX_PACKETS_GB, 1);
        self.mmc_rx_add(RX_OCTETS_GB, octets);
        if let Some(class) = size_class(whole, largest) {
            self.mmc_rx_add(RX_SIZES_GB + class, 1);
        }
        if vlan {
            self.mmc_rx_add(RX_VLAN_GB, 1);
        }
        if status & RX_RE != 0 {
            self.mmc_rx_add(RX_ERROR, 1);
        }
        if status & RX_DE != 0 {
            self.mmc_rx_add(RX_ALIGNMENT, 1);
        }
        if status & RX_RWT != 0 {
            self.mmc_rx_add(RX_WATCHDOG, 1);
        }
        if status & RX_CE != 0 {
            self.mmc_rx_add(
                if whole < 64 {
                    RX_RUNT
                } else if status & RX_GP != 0 {
                    RX_JABBER
                } else {
                    RX_CRC_ERROR
                },
                1,
            );
        }
        if status & BAD != 0 {
            return;
        }
        self.mmc_rx_add(RX_OCTETS_G, octets);
        if data[..6] == [0xff; 6] {
            self.mmc_rx_add(RX_BROADCAST_G, 1);
        } else if data[0] & 1 != 0 {
            self.mmc_rx_add(RX_MULTICAST_G, 1);
        } else {
            self.mmc_rx_add(RX_UNICAST_G, 1);
        }
        if data.get(12..14) == Some(&[0x88, 0x08]) {
            self.mmc_rx_add(RX_CONTROL_G, 1);
        }
        if whole < 64 {
            self.mmc_rx_add(RX_UNDERSIZE_G, 1);
        }
        if whole > largest {
            self.mmc_rx_add(RX_OVERSIZE_G, 1);
        }
        let length = usize::from(u16::from_be_bytes([data[12], data[13]]));
        if length_is_wrong(length, data.len() - 14) {
            self.mmc_rx_add(RX_LENGTH_ERROR, 1);
        } else if (1501..1536).contains(&length) {
            self.mmc_rx_add(RX_OUT_OF_RANGE, 1);
        }
    }

    /// Counts what the checksum engine saw, unless the packet is damaged.
    pub(crate) fn mmc_ipc(&mut self, s: &RxStatus, status: u32) {
        let Some(ip) = s.ip.filter(|_| status & BAD == 0) else {
            return;
        };
        let base = if ip == Ip::V4 { IPC_V4 } else { IPC_V6 };
        let network = if s.header_error {
            base + IPC_HEADER_ERROR
        } else if s.fragment && ip == Ip::V4 {
            IPC_V4_FRAGMENTED
        } else if s.payload.is_none() {
            base + IPC_NO_PAYLOAD
        } else {
            base
        };
        self.mmc_ipc_add(network, s.octets);
        let Some(payload) = s.payload else {
            return;
        };
        if s.udp_disabled {
            self.mmc_ipc_add(IPC_V4_UDP_DISABLED, s.segment);
            return;
        }
        let transport = match payload {
            Payload::Udp => IPC_UDP,
            Payload::Tcp => IPC_TCP,
            Payload::Icmp => IPC_ICMP,
        };
        let error = if s.payload_error {
            IPC_PAYLOAD_ERROR
        } else {
            0
        };
        self.mmc_ipc_add(transport + error, s.segment);
    }
}
