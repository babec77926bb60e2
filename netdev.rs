// SPDX-License-Identifier: GPL-2.0

//! The callbacks that the network stack makes.

use kernel::{
    net::{
        device::{
            self,
            Features,
            MiiIoctl,
            RxMode,
            Xmit, //
        },
        hwtstamp,
        queue::TxQueue,
        rtnl::Rtnl,
        skbuff::{
            Checksum,
            DropReason,
            SkBuff,
            SkBuffRef,
            VlanProtocol, //
        },
        stats::{
            RxQueueStats,
            Stats64,
            TxQueueStats, //
        }, //
    },
    netdev_err,
    netdev_warn,
    prelude::*,
    sync::atomic::Relaxed,
    time::Delta, //
};

use crate::{
    health,
    mmc::mac,
    port::Port,
    recovery::{
        Fault,
        Faults, //
    },
    stats::{
        poll,
        xmit, //
    },
    tx,
    vlan, //
};

/// Ethertypes of IP, as in `linux/if_ether.h`.
pub(crate) const ETH_P_IP: u16 = 0x0800;
pub(crate) const ETH_P_IPV6: u16 = 0x86dd;

/// Bytes of a VLAN tag.
const VLAN_HLEN: u32 = 4;

/// Tag type of the network device.
pub(crate) struct Dwmac;

/// The network device of a port.
pub(crate) type Device = device::Device<Dwmac>;

/// A way to a port for what may not borrow it.
pub(crate) type Handle = device::Handle<Dwmac>;

#[vtable]
impl device::Driver for Dwmac {
    type Data<'a> = Port<'a>;

    fn open<'a>(_dev: &Device, port: Pin<&Port<'a>>, rtnl: &Rtnl) -> Result {
        port.open(rtnl)
    }

    fn stop<'a>(_dev: &Device, port: Pin<&Port<'a>>, rtnl: &Rtnl) {
        port.stop(rtnl);
    }

    #[inline]
    fn start_xmit<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        queue: &mut TxQueue<'_>,
        skb: SkBuff,
    ) -> Xmit {
        // CAST: `u32` fits `usize` on every architecture of the kernel.
        let channel = port.channels.get(queue.index() as usize);
        if let Some(channel) = channel {
            if let Some((side, mut sender)) = channel.tx.as_ref().and_then(|tx| tx.get(queue)) {
                if let Some(ring) = side.ring.as_mut() {
                    let sent = ring.xmit(&mut sender, skb, &mut side.stats);
                    if sent.backstop {
                        channel.arm_backstop();
                    }
                    return sent.xmit;
                }
                side.stats
                    .update(|update| update.add(xmit::TX_NOT_RUNNING, 1));
            }
        }
        skb.drop_reason(DropReason::DevReady);
        Xmit::Sent
    }

    fn features_check<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        skb: &SkBuffRef,
        features: Features,
    ) -> Features {
        if !skb.is_gso() && skb.ip_summed() != Checksum::Partial {
            return features;
        }
        let checksums = Features::IP_CSUM | Features::IPV6_CSUM;
        // The checksum engine works on a frame that the FIFO holds whole.
        let frame_max = port.max_checksummed();
        let segmentation = Features::TSO | Features::TSO6 | Features::GSO_UDP_L4;
        if !shows_ip(skb) {
            return features - checksums - segmentation;
        }
        let tag = if skb.has_vlan_tag() { VLAN_HLEN } else { 0 };
        if !skb.is_gso() {
            return if skb.len().saturating_add(tag) > frame_max {
                features - checksums
            } else {
                features
            };
        }

        // Segments leave the engine without the tag that a descriptor asks for: the stack puts it
        // into the data before.
        let insertion = Features::HW_VLAN_CTAG_TX | Features::HW_VLAN_STAG_TX;
        match skb.gso().zip(port.segmentation.as_ref()) {
            Some((gso, _)) if tx::segment_len(&gso, tag) > frame_max => {
                features - segmentation - checksums
            }
            Some((gso, limits)) if tx::segmentable(&gso, tag, limits) => features - insertion,
            _ => features - segmentation,
        }
    }

    fn get_stats64<'a>(port: Pin<&Port<'a>>, stats: &mut Stats64) {
        for channel in port.channels.iter() {
            let polled = channel.poll_stats.read();
            let sent = channel.xmit_stats.read();
            let polled = |index: usize| polled.get(index).copied().unwrap_or(0);
            let sent = |index: usize| sent.get(index).copied().unwrap_or(0);
            stats.add_rx_packets(polled(poll::RX_PACKETS));
            stats.add_rx_bytes(polled(poll::RX_BYTES));
            stats.add_multicast(polled(poll::RX_MULTICAST));
            stats.add_rx_errors(polled(poll::RX_ERRORS));
            stats.add_rx_crc_errors(polled(poll::RX_CRC_ERRORS));
            stats.add_rx_length_errors(polled(poll::RX_LENGTH_ERRORS));
            stats.add_rx_frame_errors(polled(poll::RX_FRAME_ERRORS));
            stats.add_rx_over_errors(polled(poll::RX_OVERFLOW_ERRORS));
            stats.add_rx_dropped(polled(poll::RX_NO_MEMORY));
            stats.add_tx_packets(polled(poll::TX_PACKETS));
            stats.add_tx_bytes(polled(poll::TX_BYTES));
            stats.add_tx_errors(polled(poll::TX_ERRORS));
            stats.add_tx_fifo_errors(polled(poll::TX_UNDERFLOWS));
            stats.add_tx_carrier_errors(polled(poll::TX_LINK_ERRORS));
            stats.add_tx_dropped(sent(xmit::TX_MAP_ERRORS));
            stats.add_tx_dropped(sent(xmit::TX_NOT_RUNNING));
            stats.add_tx_dropped(sent(xmit::TX_GSO_ERRORS));
        }
        // The FIFO drops frames with a wrong FCS and those that the PHY reports an error of; what
        // has a dribble bit comes by descriptor. What it has no room for counts as missed.
        let count = |counter| port.hw.counter(counter).unwrap_or(0);
        let (crc, phy) = (count(mac::RX_CRC_ERROR), count(mac::RX_PHY_ERROR));
        stats.add_rx_crc_errors(crc);
        stats.add_rx_frame_errors(phy);
        stats.add_rx_errors(crc.saturating_add(phy));
        stats.add_rx_missed_errors(port.hw.overflows());
        if port.hw.features.half_duplex {
            let count = |counter| port.hw.counter(counter).unwrap_or(0);
            stats.add_collisions(count(mac::TX_SINGLE_COLLISION));
            stats.add_collisions(count(mac::TX_MULTIPLE_COLLISION));
            stats.add_tx_aborted_errors(count(mac::TX_EXCESSIVE_COLLISION));
            stats.add_tx_window_errors(count(mac::TX_LATE_COLLISION));
        }
    }

    fn rx_queue_stats<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        queue: u32,
        stats: &mut RxQueueStats,
        _rtnl: &Rtnl,
    ) {
        // CAST: As in `start_xmit()`.
        let Some(channel) = port.channels.get(queue as usize) else {
            return;
        };
        let counters = channel.poll_stats.read();
        let get = |index: usize| counters.get(index).copied().unwrap_or(0);
        let (good, bad) = (get(poll::RX_CSUM_GOOD), get(poll::RX_CSUM_BAD));
        stats.set_packets(get(poll::RX_PACKETS));
        stats.set_bytes(get(poll::RX_BYTES));
        stats.set_alloc_fail(get(poll::RX_NO_MEMORY).wrapping_add(get(poll::RX_REFILL_FAILED)));
        stats.set_hw_drops(get(poll::RX_ERRORS));
        stats.set_hw_drop_overruns(get(poll::RX_OVERFLOW_ERRORS));
        stats.set_csum_unnecessary(good);
        stats.set_csum_bad(bad);
        stats.set_csum_none(
            get(poll::RX_PACKETS)
                .saturating_sub(good)
                .saturating_sub(bad),
        );
    }

    fn tx_queue_stats<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        queue: u32,
        stats: &mut TxQueueStats,
        _rtnl: &Rtnl,
    ) {
        // CAST: As in `start_xmit()`.
        let Some(channel) = port.channels.get(queue as usize) else {
            return;
        };
        let (polled, sent) = (channel.poll_stats.read(), channel.xmit_stats.read());
        let polled = |index: usize| polled.get(index).copied().unwrap_or(0);
        let sent = |index: usize| sent.get(index).copied().unwrap_or(0);
        stats.set_packets(polled(poll::TX_PACKETS));
        stats.set_bytes(polled(poll::TX_BYTES));
        stats.set_hw_drops(polled(poll::TX_ERRORS));
        stats.set_hw_gso_packets(sent(xmit::TX_TSO_FRAMES).wrapping_add(sent(xmit::TX_USO_FRAMES)));
        stats.set_hw_gso_wire_packets(sent(xmit::TX_GSO_SEGMENTS));
    }

    fn base_stats<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        rx: &mut RxQueueStats,
        tx: &mut TxQueueStats,
        _rtnl: &Rtnl,
    ) {
        // The MAC does not know for which queue it would have been.
        let overflows = port.hw.overflows();
        rx.set_packets(0);
        rx.set_bytes(0);
        rx.set_alloc_fail(0);
        rx.set_hw_drops(overflows);
        rx.set_hw_drop_overruns(overflows);
        rx.set_csum_unnecessary(0);
        rx.set_csum_bad(0);
        rx.set_csum_none(0);
        tx.set_packets(0);
        tx.set_bytes(0);
        tx.set_hw_drops(0);
        tx.set_hw_gso_packets(0);
        tx.set_hw_gso_wire_packets(0);
    }

    fn set_rx_mode<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        mode: &RxMode<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        port.set_filter(mode)
    }

    fn set_mac_address<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        addr: &[u8; 6],
        _rtnl: &Rtnl,
    ) -> Result {
        // It may be down.
        let _awake = port.hw.dev.runtime_get()?;
        port.hw.hwif.mac.set_address(port.hw.io(), 0, addr)
    }

    fn change_mtu<'a>(dev: &Device, port: Pin<&Port<'a>>, mtu: u32, rtnl: &Rtnl) -> Result {
        let settings = port.settings();
        let max = port.max_mtu(&settings);
        if mtu > max {
            netdev_err!(
                dev,
                "MTU {} does not fit the FIFOs: at most {} with {} TX and {} RX queues\n",
                mtu,
                max,
                settings.tx_queues,
                settings.rx_queues
            );
            return Err(EINVAL);
        }
        port.replace(&settings, mtu, rtnl)
    }

    fn set_features<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        features: Features,
        rtnl: &Rtnl,
    ) -> Result {
        port.set_features(features, rtnl)
    }

    fn fix_features<'a>(_dev: &Device, _port: Pin<&Port<'a>>, features: Features) -> Features {
        vlan::fix_features(features)
    }

    fn vlan_rx_add_vid<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        protocol: VlanProtocol,
        vid: u16,
        _rtnl: &Rtnl,
    ) -> Result {
        port.set_vid(protocol, vid, true)
    }

    fn vlan_rx_kill_vid<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        protocol: VlanProtocol,
        vid: u16,
        _rtnl: &Rtnl,
    ) -> Result {
        port.set_vid(protocol, vid, false)
    }

    fn hwtstamp_get<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        _rtnl: &Rtnl,
    ) -> Result<hwtstamp::Config> {
        Ok(port.clock()?.config())
    }

    fn hwtstamp_set<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        config: &hwtstamp::Config,
        _rtnl: &Rtnl,
    ) -> Result<hwtstamp::Config> {
        port.clock()?.configure(config)
    }

    fn mii_ioctl<'a>(
        dev: &Device,
        port: Pin<&Port<'a>>,
        ioctl: &mut MiiIoctl<'_>,
        rtnl: &Rtnl,
    ) -> Result {
        // While the port is down no PHY is connected, and phylink would make registers up from a
        // PCS that is off.
        if !dev.is_running() {
            return Err(EINVAL);
        }
        port.phylink.mii_ioctl(ioctl, rtnl)
    }

    fn tx_timeout<'a>(dev: &Device, port: Pin<&Port<'a>>, queue: u32) {
        port.rare.tx_timeouts.fetch_add(1, Relaxed);
        // CAST: As in `start_xmit()`.
        let (tx, _) = port.hw.hwif.dma.position(port.hw.io(), queue as usize);
        netdev_warn!(
            dev,
            "transmit queue {} makes no progress (DMA at {:#010x})\n",
            queue,
            tx
        );
        let faults = Faults::new(Fault::TxTimeout, queue as usize);
        health::report(port.devlink, faults);
    }

    fn watch<'a>(_dev: &Device, port: Pin<&Port<'a>>) -> Option<Delta> {
        port.watch()
    }
}

/// Whether the engines find the IP header of a frame: behind the Ethertype or one VLAN tag. Neither
/// looks behind a second tag, or behind the tag of a switch ([`SkBuffRef::protocol`] does).
fn shows_ip(skb: &SkBuffRef) -> bool {
    /// Offset of the Ethertype.
    const ETHERTYPE: u32 = 12;

    let mut data = [0; 6];
    if skb.copy_bits(ETHERTYPE, &mut data).is_err() {
        return false;
    }
    let [a, b, _, _, c, d] = data;
    let (outer, inner) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if VlanProtocol::from_ethertype(outer).is_none() {
        is_ip(outer)
    } else {
        is_ip(inner) && !skb.has_vlan_tag()
    }
}

fn is_ip(ethertype: u16) -> bool {
    matches!(ethertype, ETH_P_IP | ETH_P_IPV6)
}
