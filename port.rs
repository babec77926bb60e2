// SPDX-License-Identifier: GPL-2.0

//! A port: rings, interrupts and settings, and how they change together.
//!
//! Rings exist only while the port runs. They are always built completely before anything that
//! works is touched, then handed to their owners: the producer side to the transmit queue's lock,
//! the rest to the channel's poll. Whatever changes them (MTU, ring length, queue count, recovery)
//! goes through [`Port::replace`].

use core::mem;

use kernel::{
    device::ActiveGuard,
    irq,
    net::{
        device::{
            Features,
            RxMode,
            UnregisteredDevice,
            Xmit, //
        },
        mdio,
        phylink::Phylink,
        queue::Sender,
        rtnl::Rtnl,
        skbuff::{
            SkBuff,
            VlanProtocol, //
        },
    },
    netdev_err,
    netdev_warn,
    new_mutex,
    num::casts::IntoSafeCast,
    pci,
    prelude::*,
    ptp,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::Delta, //
};

mod recovery;
mod report;

use crate::{
    config::Vectors,
    datapath::{
        Rx,
        TxEnds, //
    },
    debugfs,
    desc::SegmentationLimits,
    health::{
        self,
        Devlink, //
    },
    hw::Hw,
    hwif::{
        ChannelIrqs,
        Filter,
        MAX_CHANNELS, //
    },
    mdio::MdioBus,
    napi::{
        Channel,
        Channels,
        Irq,
        Source,
        TxSide, //
    },
    netdev::{
        Device,
        Dwmac, //
    },
    pcs,
    phylink::LinkOps,
    ptp::Clock,
    recovery::Faults,
    ring,
    rx,
    tx,
    vlan, //
};
use recovery::{
    in_use,
    Health,
    History, //
};

/// Ethernet header with a VLAN tag.
const HEADER: u32 = 14 + 4;

/// Frame check sequence.
const FCS: u32 = 4;

/// What every port can do.
const STANDARD_MTU: u32 = 1500;

/// Smallest MTU: what IPv4 requires.
pub(crate) const MIN_MTU: u32 = 68;

/// Largest MTU. The DMA could carry 16 KiB; every core of the family has been seen to do 9000.
pub(crate) const MAX_MTU: u32 = 9000;

/// The transmit watchdog fires after this.
const WATCHDOG: Delta = Delta::from_secs(5);

/// Backstop of transmission where every frame interrupts.
const UNCOALESCED_BACKSTOP: Delta = Delta::from_millis(10);

/// Interrupt coalescing of a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coalesce {
    /// Transmission.
    pub(crate) tx: tx::Coalesce,
    /// Reception.
    pub(crate) rx: rx::Coalesce,
}

impl Coalesce {
    const DEFAULT: Self = Self {
        tx: tx::Coalesce::DEFAULT,
        rx: rx::Coalesce::DEFAULT,
    };
}

/// What the user can set and the rings are built from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Transmit queues in use.
    pub(crate) tx_queues: u32,
    /// Receive queues in use.
    pub(crate) rx_queues: u32,
    /// Descriptors of each transmit ring.
    pub(crate) tx_len: u32,
    /// Descriptors of each receive ring.
    pub(crate) rx_len: u32,
    /// Whether headers are to be split off received frames; none: as the driver likes.
    pub(crate) data_split: Option<bool>,
    /// The checksum engine, which is what finds headers, is on.
    pub(crate) rx_checksum: bool,
    /// Type of the VLAN tags that are removed from received frames.
    pub(crate) rx_vlan: VlanProtocol,
    /// Interrupt coalescing of each channel, in use or not.
    pub(crate) coalesce: [Coalesce; MAX_CHANNELS],
}

impl Settings {
    /// Interrupt coalescing of channel `ch`, in use or not.
    pub(crate) fn coalesce(&self, ch: usize) -> &Coalesce {
        self.coalesce.get(ch).unwrap_or(&Coalesce::DEFAULT)
    }
}

/// Addresses the receiver is to accept; kept because a reset of the MAC forgets them.
#[derive(Default)]
struct FilterState {
    promiscuous: bool,
    all_multicast: bool,
    unicast: KVec<[u8; 6]>,
    multicast: KVec<[u8; 6]>,
}

/// The rings of one channel.
#[derive(Default)]
struct ChannelRings<'a> {
    tx: Option<TxEnds<'a>>,
    rx: Option<KBox<dyn Rx + 'a>>,
}

/// Rings that no channel has yet, or has any more; index is the channel's.
type Rings<'a> = KVec<ChannelRings<'a>>;

/// How [`Port::quiesce`] brought the DMA to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    /// It stopped.
    Stopped,
    /// The core was reset, which loses what is not rings.
    Reset,
}

impl Quiet {
    /// What it is after `history`: a recovery that has failed may have got as far as the reset.
    fn after(self, history: &History) -> Self {
        if history.failures() != 0 {
            Self::Reset
        } else {
            self
        }
    }
}

/// Interrupt handlers of a running port; dropping them frees the lines.
type Irqs<'a> = KVec<Pin<KBox<irq::Registration<'a, Irq<'a>>>>>;

/// State under the control mutex.
struct Control<'a> {
    settings: Settings,
    /// Present while the port runs.
    irqs: Option<Irqs<'a>>,
    /// Those of a port that sleeps and is to wake the system.
    wake_irqs: Option<Irqs<'a>>,
    /// Room for the rings that [`Port::quiesce`] takes from the channels; empty.
    retired: Rings<'a>,
    /// What was reset to recover from faults.
    history: History,
    /// While the port is up.
    awake: Option<ActiveGuard<'a>>,
}

/// How the vectors are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IrqPlan {
    /// One vector for everything. `shared`: the line has other users.
    Single { shared: bool },
    /// Vectors of their own for the MAC and for each direction of each channel.
    PerQueue(Vectors),
}

/// Counters of rare events.
pub(crate) struct Rare {
    /// Times the stack's transmit watchdog fired.
    pub(crate) tx_timeouts: Atomic<u64>,
    /// Times the driver's watchdog found frames that do not come back from the DMA.
    pub(crate) tx_stalls: Atomic<u64>,
    /// Times the watchdog found a receiver that stands still.
    pub(crate) rx_stalls: Atomic<u64>,
    /// Polls that the watchdog started because frames had come in and no interrupt.
    pub(crate) watchdog_polls: Atomic<u64>,
    /// Restarts of one direction of a channel to recover from a fault.
    pub(crate) queue_recoveries: Atomic<u64>,
    /// Restarts of both.
    pub(crate) channel_recoveries: Atomic<u64>,
    /// Resets of the core to recover from a fault.
    pub(crate) recoveries: Atomic<u64>,
    /// Resets of the core that failed.
    pub(crate) recovery_failures: Atomic<u64>,
    /// Changes of the rings after which neither the new nor the old ones could be started.
    pub(crate) reconfig_failures: Atomic<u64>,
    /// Times the DMA did not stop, or a receive FIFO did not empty.
    pub(crate) stop_failures: Atomic<u64>,
}

/// One port.
///
/// Fields are dropped in order: phylink first, because it calls into the MAC and holds the PHY,
/// then the PHY's bus, then the channels.
#[pin_data]
pub(crate) struct Port<'a> {
    /// Link management.
    #[pin]
    pub(crate) phylink: Phylink<'a, LinkOps<'a>>,
    /// The bus that the PHY sits on.
    #[pin]
    pub(crate) mdio: mdio::Registration<'a, MdioBus<'a>>,
    /// Settings, and what exists while the port runs.
    #[pin]
    control: Mutex<Control<'a>>,
    #[pin]
    filter: Mutex<FilterState>,
    #[pin]
    vlan: Mutex<vlan::State>,
    /// What the watchdog looks after. The innermost lock: nothing else is taken under it.
    #[pin]
    health: Mutex<Health>,
    /// Rare events.
    pub(crate) rare: Rare,
    max_checksummed: Atomic<u32>,
    /// What debugfs shows.
    #[pin]
    _files: debugfs::Files,
    /// The clock that timestamps are taken from, if there is one.
    ptp: Option<ptp::Registration<'a, Clock<'a>>>,
    /// What the segmentation engine takes, if there is one.
    pub(crate) segmentation: Option<SegmentationLimits>,
    /// DMA channels.
    pub(crate) channels: Channels<'a>,
    vectors: &'a pci::IrqVectorRegistration<'a>,
    plan: IrqPlan,
    dev: &'a Device,
    /// Who is told of faults.
    pub(crate) devlink: &'a Devlink,
    /// The core.
    pub(crate) hw: Arc<Hw<'a>>,
}

impl<'a> Port<'a> {
    /// Makes a network device for the core `hw`, and the initializer of its data.
    ///
    /// Nothing is published yet. `vectors` are those that `plan` names.
    pub(crate) fn new(
        hw: Arc<Hw<'a>>,
        vectors: &'a pci::IrqVectorRegistration<'a>,
        plan: IrqPlan,
    ) -> Result<(
        UnregisteredDevice<'a, Dwmac>,
        impl PinInit<Self, Error> + 'a,
    )> {
        let (features, config) = (&hw.features, &hw.config);
        let most_tx = queues(
            features.tx_queues.min(features.tx_channels),
            config.tx_queues,
        );
        let most_rx = queues(
            features.rx_queues.min(features.rx_channels),
            config.rx_queues,
        );
        let (tx_fifo, rx_fifo) = (features.tx_fifo_size, features.rx_fifo_size);
        let (tx_queues, rx_queues) = roomy_queues(tx_fifo, most_tx)
            .zip(roomy_queues(rx_fifo, most_rx))
            .ok_or(ENODEV)
            .inspect_err(|_| {
                dev_err!(
                    hw.dev,
                    "FIFOs of {} (TX) and {} bytes (RX) hold no frame: is the core clocked?\n",
                    tx_fifo,
                    rx_fifo
                );
            })?;
        let settings = Settings {
            tx_queues,
            rx_queues,
            tx_len: ring::DEFAULT_LEN,
            rx_len: ring::DEFAULT_LEN,
            data_split: None,
            rx_checksum: features.rx_checksum,
            rx_vlan: VlanProtocol::CTag,
            coalesce: [Coalesce::DEFAULT; MAX_CHANNELS],
        };

        let mut unregistered = UnregisteredDevice::<Dwmac>::new(hw.dev, most_tx, most_rx)?;
        let dev = unregistered.device();
        let devlink = Devlink::new(&unregistered)?;
        let handle = unregistered.handle()?;

        let mut offloads = Features::SG | Features::HIGHDMA;
        if features.tx_checksum {
            offloads |= Features::IP_CSUM | Features::IPV6_CSUM;
        }
        if features.rx_checksum {
            offloads |= Features::RXCSUM;
        }
        let segmentation =
            tx::has_segmentation(features, config).then(|| hw.hwif.datapath.segmentation());
        if segmentation.is_some() {
            offloads |= Features::TSO | Features::TSO6;
            if hw.hwif.udp_segmentation {
                offloads |= Features::GSO_UDP_L4;
            }
            unregistered.set_tso_max_size(tx::MAX_SEGMENTED);
        }
        // Frames of VLANs get all but the offloads of tags.
        let (tags, active_tags) = vlan::features(features);
        unregistered.set_features(
            offloads | tags | Features::LOOPBACK,
            offloads | active_tags,
            offloads,
        );
        unregistered.set_mtu_range(MIN_MTU, MAX_MTU);
        unregistered.set_watchdog(WATCHDOG);
        unregistered.set_unicast_filter();
        unregistered.set_live_addr_change();
        unregistered.set_ethtool_ops();

        let addr = hw.hwif.mac.address(hw.io());
        if is_valid_station_address(&addr) {
            unregistered.set_hw_addr(&addr);
        } else {
            unregistered.set_random_hw_addr();
            dev_info!(hw.dev, "no MAC address from firmware: using a random one\n");
        }

        let count = most_tx.max(most_rx).into_safe_cast();
        let mut channels = KVec::with_capacity(count, GFP_KERNEL)?;
        let mut completions = unregistered.take_completions()?.into_iter();
        let configs = unregistered.take_napi_configs()?;
        for (index, config) in configs.into_iter().enumerate() {
            let completion = completions.next();
            let channel = Channel::new(dev, devlink, &hw, index, config, completion)?;
            channels.push(Arc::pin_init(channel, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        let channels = Arc::new(channels, GFP_KERNEL)?;
        let retired = KVec::with_capacity(count, GFP_KERNEL)?;

        let data = try_pin_init!(Self {
            mdio <- crate::mdio::register(&hw)?,
            phylink <- crate::phylink::new(dev, &hw, &mdio)?,
            control <- new_mutex!(Control {
                settings,
                irqs: None,
                wake_irqs: None,
                retired,
                history: History::default(),
                awake: None,
            }),
            filter <- new_mutex!(FilterState::default()),
            vlan <- new_mutex!(vlan::State::new()),
            health <- new_mutex!(Health::default()),
            rare: Rare {
                tx_timeouts: Atomic::new(0),
                tx_stalls: Atomic::new(0),
                rx_stalls: Atomic::new(0),
                watchdog_polls: Atomic::new(0),
                queue_recoveries: Atomic::new(0),
                channel_recoveries: Atomic::new(0),
                recoveries: Atomic::new(0),
                recovery_failures: Atomic::new(0),
                reconfig_failures: Atomic::new(0),
                stop_failures: Atomic::new(0),
            },
            max_checksummed: Atomic::new(u32::MAX),
            _files <- crate::debugfs::files(hw.dev, &hw.features, handle)?,
            ptp: crate::ptp::register(&hw),
            segmentation,
            channels,
            vectors,
            plan,
            dev,
            devlink,
            hw,
        });
        Ok((unregistered, data))
    }

    /// The network device.
    pub(crate) fn dev(&self) -> &Device {
        self.dev
    }

    /// What the user has set.
    pub(crate) fn settings(&self) -> Settings {
        self.control.lock().settings
    }

    /// Most queues of each direction, (tx, rx).
    pub(crate) fn max_queues(&self) -> (u32, u32) {
        // Those that the device was made with.
        let tx = self.dev.num_tx_queues();
        let features = &self.hw.features;
        let rx = queues(
            features.rx_queues.min(features.rx_channels),
            self.hw.config.rx_queues,
        );
        (tx, rx)
    }

    /// Builds rings of `which` directions for `settings` and `mtu`; touches nothing that exists.
    fn build(
        &self,
        which: ChannelIrqs,
        settings: &Settings,
        mtu: u32,
        rtnl: &Rtnl,
    ) -> Result<Rings<'a>> {
        let make = self.hw.hwif.datapath;
        let split = self.splits(settings);
        let mut rings = KVec::with_capacity(self.channels.len(), GFP_KERNEL)?;
        for ch in 0..self.channels.len() {
            let mut channel = ChannelRings::default();
            let coalesce = settings.coalesce(ch);
            let used = in_use(settings, ch).and(which);
            if used.tx {
                channel.tx = Some(make.tx(&self.hw, ch, settings.tx_len, &coalesce.tx)?);
            }
            if used.rx {
                let plan = rx::Plan {
                    ch,
                    len: settings.rx_len,
                    max_frame: max_frame(mtu),
                    coalesce: coalesce.rx,
                    split,
                    vlan: settings.rx_vlan,
                };
                channel.rx = Some(make.rx(&self.hw, self.dev, &plan, rtnl)?);
            }
            rings.push(channel, GFP_KERNEL)?;
        }
        Ok(rings)
    }

    /// Whether headers can be split off received frames.
    pub(crate) fn can_split(&self) -> bool {
        self.hw.features.split_header && self.hw.config.split_header
    }

    /// Whether they are with `settings`.
    pub(crate) fn splits(&self, settings: &Settings) -> bool {
        self.can_split() && settings.rx_checksum && settings.data_split.unwrap_or(true)
    }

    /// The clock that timestamps are taken from; `EOPNOTSUPP` if there is none.
    pub(crate) fn clock(&self) -> Result<&Clock<'a>> {
        let registration = self.ptp.as_ref().ok_or(EOPNOTSUPP)?;
        Ok(registration.clock().get_ref())
    }

    /// Number of the clock, if there is one.
    pub(crate) fn clock_index(&self) -> Option<u32> {
        self.ptp.as_ref().map(|clock| clock.index())
    }

    /// Resets the core; only the clock goes on.
    fn reset(&self) -> Result {
        let reset = || self.hw.reset();
        match self.clock() {
            Ok(clock) => clock.across(reset),
            Err(_) => reset(),
        }
    }

    /// Resets the core and programs all of it that is not rings or link.
    fn reset_core(&self) -> Result {
        let (hw, io) = (&self.hw, self.hw.io());
        self.reset()?;
        hw.configure_mac(|mac, io| {
            mac.init(io);
            if self.can_split() {
                mac.find_headers(io);
            }
        });
        hw.start_counters();
        hw.hwif.mac.set_address(io, 0, &self.dev.dev_addr())?;
        hw.hwif.dma.init(
            io,
            &hw.features,
            &hw.config,
            matches!(self.plan, IrqPlan::PerQueue(_)),
        );
        let features = self.dev.features();
        self.switch_offloads(features);
        self.vlan.lock().set_features(features);
        // Without the filter the port works; that it fails was said.
        let _ = self.apply_vlan();
        Ok(())
    }

    /// Makes `features` the ones in force.
    pub(crate) fn set_features(&self, features: Features, rtnl: &Rtnl) -> Result {
        self.change_features(features, rtnl).inspect_err(|_| {
            let _ = self.set_vlan_features(self.dev.features());
        })?;
        self.vlan.lock().forget_vids(features);
        if self.dev.is_running() {
            self.switch_offloads(features);
        }
        Ok(())
    }

    /// On failure, rings are as before; what is done about VLANs may not be.
    fn change_features(&self, features: Features, rtnl: &Rtnl) -> Result {
        let old = self.settings();
        let settings = Settings {
            rx_checksum: features.contains(Features::RXCSUM),
            rx_vlan: vlan::removed(features).unwrap_or(old.rx_vlan),
            ..old
        };
        let retag = settings.rx_vlan != old.rx_vlan;
        if retag {
            self.vlan.lock().set_rings(None);
        }
        let mut result = self.set_vlan_features(features);
        if result.is_ok() {
            if retag || self.splits(&settings) != self.splits(&old) {
                result = self.replace(&settings, self.dev.mtu(), rtnl);
            } else {
                self.control.lock().settings = settings;
            }
        }
        if retag {
            let rings = self.settings().rx_vlan;
            self.vlan.lock().set_rings(Some(rings));
        }
        if result.is_ok() {
            // The rings may not have fitted before, or a reset may have brought back what was. That
            // it fails was said.
            let _ = self.set_vlan_features(features);
        }
        result
    }

    /// Programs the offloads that are switches of the MAC.
    fn switch_offloads(&self, features: Features) {
        self.hw.configure_mac(|mac, io| {
            mac.set_rx_checksum(io, features.contains(Features::RXCSUM));
            mac.set_loopback(io, features.contains(Features::LOOPBACK));
        });
    }

    /// Programs what `features` say of VLANs, if that is new: the filter needs the receive clock.
    fn set_vlan_features(&self, features: Features) -> Result {
        let mut state = self.vlan.lock();
        if !state.set_features(features) {
            return Ok(());
        }
        drop(state);
        self.apply_vlan()
    }

    /// Lets frames of VLAN `vid` pass the filter, or no longer.
    pub(crate) fn set_vid(&self, protocol: VlanProtocol, vid: u16, present: bool) -> Result {
        self.vlan.lock().set_vid(protocol, vid, present)?;
        self.apply_vlan().inspect_err(|_| {
            // The stack takes it for not added.
            if present {
                let _ = self.vlan.lock().set_vid(protocol, vid, false);
            }
        })
    }

    /// Programs what is to be done about VLANs while the port is up: the filter works by the
    /// receive clock.
    fn apply_vlan(&self) -> Result {
        let mut state = self.vlan.lock();
        if !self.dev.is_running() {
            return Ok(());
        }
        let (hw, io) = (&self.hw, self.hw.io());
        let result = state
            .apply(hw.hwif.vlan, io, &hw.features)
            .inspect_err(|_| {
                dev_err!(
                    hw.dev,
                    "the VLAN filter does not react (MAC_VLAN_Tag_Ctrl.OB): no receive clock?\n"
                );
            });
        drop(state);
        self.apply_filter();
        result
    }

    /// Hands `rings`, which are of `which` directions, to the channels and starts them. Of the
    /// port, only the link and the other direction may be up.
    ///
    /// On failure some may be running: [`Port::quiesce`] stops them.
    fn start(
        &self,
        which: ChannelIrqs,
        settings: &Settings,
        mtu: u32,
        rings: &mut Rings<'a>,
        rtnl: &Rtnl,
    ) -> Result {
        let (hw, dma, io) = (&self.hw, self.hw.hwif.dma, self.hw.io());
        let Settings {
            tx_queues,
            rx_queues,
            ..
        } = *settings;
        if which == ChannelIrqs::BOTH {
            hw.safety.start(io, &hw.features);
        }
        if which.tx {
            hw.hwif.mtl.init_tx(io, &hw.features, tx_queues)?;
            self.max_checksummed
                .store(max_checksummed(hw, tx_queues), Relaxed);
        }
        if which.rx {
            hw.hwif.mtl.init_rx(io, &hw.features, rx_queues)?;
            hw.configure_mac(|mac, io| mac.set_max_frame(io, max_frame(mtu)));
        }
        self.dev.set_real_num_queues(tx_queues, rx_queues, rtnl)?;

        for (channel, rings) in self.channels.iter().zip(rings.iter_mut()) {
            let rings = mem::take(rings);
            let ch = channel.index;
            let irqs = in_use(settings, ch);
            if irqs.is_empty() {
                continue;
            }
            dma.init_channel(io, ch, &hw.config, self.splits(settings))?;
            if let Some(mut rx) = rings.rx {
                dma.init_rx(io, ch, &hw.config, &rx.setup(), rx.buf_len())?;
                dma.set_rx_watchdog(io, ch, self.riwt(&settings.coalesce(ch).rx));
                channel
                    .napi
                    .with_disabled(|poller, cx| {
                        rx.attach(cx)?;
                        poller.rx = Some(rx);
                        Ok::<_, Error>(())
                    })
                    .ok_or(EBUSY)??;
            }
            if let Some(TxEnds { tx, clean }) = rings.tx {
                let segmentation = self.segmentation.is_some();
                dma.init_tx(io, ch, &hw.config, &clean.setup(), segmentation)?;
                let delay = backstop(&settings.coalesce(ch).tx);
                channel.backstop_ns.store(delay.as_nanos(), Relaxed);
                channel
                    .napi
                    .with_disabled(|poller, _| {
                        poller.clean = Some(clean);
                        poller.backstop = delay;
                    })
                    .ok_or(EBUSY)?;
                self.with_tx_side(channel, |side| side.ring = Some(tx))
                    .ok_or(EINVAL)?;
            }
            let queue = index_u32(ch);
            channel.napi.set_irq(Some(self.napi_irq(channel, irqs)?))?;
            channel
                .napi
                .link_queues(irqs.rx.then_some(queue), irqs.tx.then_some(queue), rtnl)?;
            channel.napi.enable();
            let started = irqs.and(which);
            self.start_dma(ch, started);
            dma.wait_started(io, ch, started).inspect_err(|_| {
                netdev_err!(
                    self.dev,
                    "DMA channel {} does not start (DMA_Debug_Status): no application clock, or a bus that hangs?\n",
                    ch
                );
            })?;
            channel.napi.irq().unmask(irqs);
            if started != irqs {
                // What went on meanwhile found the poll disabled.
                channel.napi.schedule();
            }
        }
        hw.restore_link(tx_queues)?;
        self.watch_start(tx_queues, rx_queues);
        if which == ChannelIrqs::BOTH {
            health::over(
                self.devlink,
                if hw.safety.is_tripped() {
                    Faults::CHANNELS
                } else {
                    Faults::ALL
                },
            );
        }
        if which.tx {
            self.dev.tx_wake_all(rtnl);
        }
        Ok(())
    }

    /// Starts processes of channel `ch`.
    fn start_dma(&self, ch: usize, which: ChannelIrqs) {
        let (dma, io) = (self.hw.hwif.dma, self.hw.io());
        if which.rx {
            dma.start_rx(io, ch);
        }
        if which.tx {
            dma.start_tx(io, ch);
        }
    }

    /// On return `channel` is not polled and does not interrupt.
    fn silence(&self, channel: &Channel<'a>) {
        channel.napi.irq().mask();
        channel.napi.disable();
        // A poll may have unmasked after it completed.
        channel.napi.irq().mask();
    }

    /// Stops what [`Port::start`] started and takes the rings of `which` directions back from the
    /// channels, to `rings`, which has room for them. Where only one direction is stopped, the
    /// other goes on, but is not polled.
    ///
    /// On return no interrupt, poll or transmission uses them, and neither does the DMA: where it
    /// cannot be stopped channel by channel the core is reset; where that fails too, the rings
    /// are leaked rather than given back to the kernel under a running DMA, and this fails. If only
    /// one direction is to be stopped and does not, the channels keep their rings, and this fails
    /// with `ETIMEDOUT`: both have to be.
    fn quiesce(&self, which: ChannelIrqs, rings: &mut Rings<'a>, rtnl: &Rtnl) -> Result<Quiet> {
        let hw = &self.hw;
        rings.clear();
        self.watch_stop(rtnl);

        // What stays in a receive FIFO would be spoilt if that is shared out anew: while polls make
        // room for it, nothing new comes in.
        let (_, rx_channels) = self.max_queues();
        let mut full = 0;
        if which.rx {
            hw.suspend_link(true);
            for ch in 0..rx_channels {
                let drained = hw.drain_rx(ch.into_safe_cast()).is_ok();
                full |= u32::from(!drained).wrapping_shl(ch);
            }
        }
        for channel in self.channels.iter() {
            self.silence(channel);
            channel.napi.unlink_queues(rtnl);
        }
        if which.tx {
            // Only now: a poll would wake a queue that has room.
            self.dev.tx_disable(rtnl);
        }
        if which == ChannelIrqs::BOTH {
            // What stands still needs not be mended.
            health::withdraw(self.devlink, Faults::CHANNELS);
        }

        // In the databook's order: the transmitter empties its FIFOs before it stops.
        let stuck = |queues: u32, which| {
            (0..queues).fold(0, |stuck, ch| {
                let halted = self.halt(ch.into_safe_cast(), which).is_ok();
                stuck | u32::from(!halted).wrapping_shl(ch)
            })
        };
        let (mut tx_stuck, mut rx_stuck) = (0, 0);
        if which.tx {
            let senders = ChannelIrqs {
                tx: true,
                rx: false,
            };
            tx_stuck = stuck(self.dev.num_tx_queues(), senders);
        }
        if which.rx {
            hw.suspend_link(!which.tx);
            let receivers = ChannelIrqs {
                tx: false,
                rx: true,
            };
            rx_stuck = stuck(rx_channels, receivers);
        }
        let halted = tx_stuck == 0 && rx_stuck == 0;
        if !halted {
            netdev_warn!(
                self.dev,
                "DMA channels do not stop (DMA_Debug_Status, MTL_TxQ_Operation_Mode.FTQ; TX {:#x}, RX {:#x}): no clock, or a bus that hangs?\n",
                tx_stuck,
                rx_stuck
            );
        } else if full != 0 {
            netdev_warn!(
                self.dev,
                "receive FIFOs do not empty (RX {:#x}): the CPU, or the DMA, is too slow\n",
                full
            );
        }
        if !halted || full != 0 {
            self.rare.stop_failures.fetch_add(1, Relaxed);
            if which != ChannelIrqs::BOTH {
                return Err(ETIMEDOUT);
            }
        }
        // Nobody may be there to hear the interrupt.
        hw.collect_counters();

        for channel in self.channels.iter() {
            let ch = channel.index;
            let tx = self
                .with_tx_side(channel, |side| side.ring.take_if(|_| which.tx))
                .flatten();
            let (clean, rx) = channel
                .napi
                .with_disabled(|poller, cx| {
                    let rx = poller.rx.take_if(|_| which.rx).map(|mut rx| {
                        rx.detach(cx);
                        rx
                    });
                    if !which.tx {
                        return (None, rx);
                    }
                    if let Some(queue) = self.dev.tx_queue(index_u32(ch)) {
                        poller.reset_queue(&mut queue.lock());
                    }
                    (poller.clean.take(), rx)
                })
                .unwrap_or_default();
            let tx = tx.zip(clean).map(|(tx, clean)| TxEnds { tx, clean });
            // There is room for every channel: see `Port::new()` and `Port::build()`.
            if let Err(full) = rings.push_within_capacity(ChannelRings { tx, rx }) {
                mem::forget(full);
            }
        }
        if halted && full == 0 {
            return Ok(Quiet::Stopped);
        }
        self.reset().inspect_err(|_| {
            // A DMA that has stopped does not touch them.
            if halted {
                return;
            }
            let mut lost = 0;
            while let Some(rings) = rings.pop() {
                lost += usize::from(rings.tx.is_some() || rings.rx.is_some());
                mem::forget(rings);
            }
            if lost != 0 {
                dev_err!(
                    hw.dev,
                    "the DMA neither stops nor resets: leaking its rings, reboot to get them back\n"
                );
            }
        })?;
        Ok(Quiet::Reset)
    }

    /// Stops the port and drops its rings, and what is in flight.
    fn shut(&self, control: &mut Control<'a>, rtnl: &Rtnl) {
        // If it fails there is nothing to be dropped.
        let _ = self.quiesce(ChannelIrqs::BOTH, &mut control.retired, rtnl);
        control.retired.clear();
    }

    /// As [`Port::shut`], and gives the vectors back.
    fn shut_down(&self, control: &mut Control<'a>, rtnl: &Rtnl) {
        self.shut(control, rtnl);
        self.hw.safety.stop(self.hw.io(), &self.hw.features);
        self.hw.stop_counters();
        control.irqs = None;
        control.wake_irqs = None;
    }

    /// Sends a frame past the stack, from process context.
    pub(crate) fn transmit(&self, ch: usize, skb: SkBuff) -> Result {
        let channel = self.channels.get(ch).ok_or(EINVAL)?;
        let queue = self.dev.tx_queue(index_u32(ch)).ok_or(EINVAL)?;
        let mut lock = queue.lock();
        let (side, mut sender) = channel
            .tx
            .as_ref()
            .and_then(|tx| tx.get(&mut lock))
            .ok_or(EINVAL)?;
        let ring = side.ring.as_mut().ok_or(ENETDOWN)?;
        let sent = ring.xmit(&mut sender, skb, &mut side.stats);
        if sent.backstop {
            channel.arm_backstop();
        }
        match sent.xmit {
            Xmit::Sent => Ok(()),
            Xmit::Busy(_) => Err(EBUSY),
        }
    }

    /// Opens the producer side of `channel` under its queue's lock, from process context.
    fn with_tx_side<R>(
        &self,
        channel: &Channel<'a>,
        f: impl FnOnce(&mut TxSide<'a>) -> R,
    ) -> Option<R> {
        self.with_sender(channel, |side, _| f(side))
    }

    /// As [`Port::with_tx_side`], together with the queue.
    fn with_sender<R>(
        &self,
        channel: &Channel<'a>,
        f: impl FnOnce(&mut TxSide<'a>, &mut Sender<'_>) -> R,
    ) -> Option<R> {
        let queue = self.dev.tx_queue(index_u32(channel.index))?;
        let mut lock = queue.lock();
        let (side, mut sender) = channel.tx.as_ref()?.get(&mut lock)?;
        Some(f(side, &mut sender))
    }

    /// Requests the vectors.
    fn request_irqs(&self) -> Result<Irqs<'a>> {
        let mut irqs = KVec::with_capacity(2 * MAX_CHANNELS + 3, GFP_KERNEL)?;
        let mut request = |vector: u32, source: Source, flags: irq::Flags| -> Result {
            let request = self.vector(vector)?;
            let handler = Irq {
                hw: self.hw.clone(),
                channels: self.channels.clone(),
                source,
                edge: !matches!(self.plan, IrqPlan::Single { shared: true }),
            };
            let name = source.name();
            // SAFETY: The registration is stored in `Control::irqs` and dropped with it.
            let registration = unsafe { irq::Registration::new(request, flags, name, Ok(handler)) };
            irqs.push(KBox::pin_init(registration, GFP_KERNEL)?, GFP_KERNEL)?;
            Ok(())
        };
        match self.plan {
            IrqPlan::Single { shared } => {
                let flags = if shared {
                    irq::Flags::SHARED
                } else {
                    irq::Flags::TRIGGER_NONE
                };
                request(0, Source::All, flags)?;
            }
            IrqPlan::PerQueue(vectors) => {
                let flags = irq::Flags::TRIGGER_NONE;
                request(vectors.mac, Source::Mac, flags)?;
                if self.hw.safety.is_present() {
                    for vector in vectors.safety {
                        request(vector, Source::Safety, flags)?;
                    }
                }
                for channel in self.channels.iter() {
                    let ch = channel.index;
                    request(nth(vectors.rx, ch), Source::Rx(ch), flags)?;
                    request(nth(vectors.tx, ch), Source::Tx(ch), flags)?;
                }
            }
        }
        Ok(irqs)
    }

    /// Vector `index` of the function.
    fn vector(&self, index: u32) -> Result<irq::IrqRequest<'a>> {
        Ok(self.vectors.index(index.into_safe_cast())?.into())
    }

    /// The interrupt that the poll of `channel` is served by: of two, there is room for one.
    fn napi_irq(&self, channel: &Channel<'a>, irqs: ChannelIrqs) -> Result<u32> {
        let vector = match self.plan {
            IrqPlan::Single { .. } => 0,
            IrqPlan::PerQueue(vectors) if irqs.rx => nth(vectors.rx, channel.index),
            IrqPlan::PerQueue(vectors) => nth(vectors.tx, channel.index),
        };
        Ok(self.vector(vector)?.irq())
    }

    /// RIWT for `coalesce`. Never off: descriptors of before a change may ask for no interrupt.
    fn riwt(&self, coalesce: &rx::Coalesce) -> u32 {
        self.hw
            .hwif
            .dma
            .usecs_to_riwt(coalesce.usecs.max(1), self.hw.config.csr_rate)
    }

    /// Brings the port up.
    pub(crate) fn open(&self, rtnl: &Rtnl) -> Result {
        let awake = self.hw.dev.runtime_get().inspect_err(|err| {
            netdev_err!(
                self.dev,
                "the device does not wake up ({:?}): bind it again, or reboot\n",
                err
            );
        })?;
        let mut control = self.control.lock();
        let settings = control.settings;
        let mtu = self.dev.mtu();
        let mut rings = self.build(ChannelIrqs::BOTH, &settings, mtu, rtnl)?;

        // The receive clock that the reset needs comes from the PHY, or the PCS.
        self.connect_phy(rtnl)?;
        let result = self
            .power_up()
            .and_then(|()| self.reset_core())
            .and_then(|()| self.request_irqs())
            .and_then(|irqs| {
                control.irqs = Some(irqs);
                control.history = History::default();
                self.start(ChannelIrqs::BOTH, &settings, mtu, &mut rings, rtnl)
                    .inspect_err(|_| self.shut_down(&mut control, rtnl))
            });
        if let Err(err) = result {
            self.power_down();
            self.phylink.disconnect(rtnl);
            return Err(err);
        }
        control.awake = Some(awake);
        drop(control);
        self.phylink.start(rtnl);
        Ok(())
    }

    /// Takes the port down.
    pub(crate) fn stop(&self, rtnl: &Rtnl) {
        let mut control = self.control.lock();
        // While PHY and link give it the clocks that it stops, or resets, by.
        self.shut_down(&mut control, rtnl);
        let _awake = control.awake.take();
        drop(control);
        self.phylink.stop(rtnl);
        self.power_down();
        self.phylink.disconnect(rtnl);
    }

    /// Starts what the receive clock comes from, below the PHY.
    fn power_up(&self) -> Result {
        pcs::power_up(&self.hw, &self.mdio, self.phylink.ops().interface())
    }

    fn power_down(&self) {
        pcs::power_down(&self.hw, &self.mdio);
    }

    /// Brings the port to rest, down or up, for the system to sleep. What it was is kept for
    /// [`Port::resume`], the rings included.
    pub(crate) fn suspend(&self, rtnl: &Rtnl) {
        if self.dev.is_running() {
            self.dev.detach(rtnl);
            let mut control = self.control.lock();
            // If it fails there are no rings to be kept.
            let Control {
                retired, history, ..
            } = &mut *control;
            // As in `Port::stop()`, before the PHY sleeps.
            let quiet = self
                .quiesce(ChannelIrqs::BOTH, retired, rtnl)
                .map(|quiet| quiet.after(history));
            drop(control);
            self.phylink.suspend(rtnl);
            let mut control = self.control.lock();
            self.hw.safety.stop(self.hw.io(), &self.hw.features);
            // Their handlers would find registers that are not there; a line may be shared.
            let irqs = control.irqs.take();
            if self.hw.wakes() && self.wait_for_wake(quiet).is_ok() {
                control.wake_irqs = irqs;
            } else {
                self.power_down();
            }
        }
        self.rest();
    }

    /// Stops what goes on in a port whose traffic has stopped. Called without the rtnl mutex, too.
    pub(crate) fn rest(&self) {
        if let Ok(clock) = self.clock() {
            clock.suspend();
        }
        // The link watch, for one, may ask for statistics any time.
        self.hw.stop_counters();
    }

    /// Undoes [`Port::rest`] for a port that is down; the core may have lost its power. Called
    /// without the rtnl mutex, too.
    pub(crate) fn rouse(&self) {
        // The next driver finds it where this one did. Each core has room for the first address.
        let addr = self.dev.dev_addr();
        let _ = self.hw.hwif.mac.set_address(self.hw.io(), 0, &addr);
        if let Ok(clock) = self.clock() {
            clock.resume();
        }
    }

    /// Has the MAC wait for a frame that wakes the system, after [`Port::quiesce`].
    fn wait_for_wake(&self, quiet: Result<Quiet>) -> Result {
        let ready = match quiet {
            Ok(Quiet::Stopped) => Ok(()),
            Ok(Quiet::Reset) => self.reset_core(),
            Err(err) => Err(err),
        };

        ready
            .and_then(|()| self.hw.wait_for_wake())
            .inspect_err(|err| {
                netdev_err!(
                    self.dev,
                    "the MAC does not get ready to wake the system ({:?}): no frame will\n",
                    err
                );
            })
    }

    /// Undoes [`Port::suspend`]: sets the core up as when it is opened, for it may have lost its
    /// power.
    pub(crate) fn resume(&self, rtnl: &Rtnl) -> Result {
        if self.dev.is_present() {
            // It was down.
            self.rouse();
            return Ok(());
        }

        let result = self.phylink.prepare_resume(rtnl).and_then(|()| {
            let mut control = self.control.lock();
            self.try_resume(&mut control, rtnl)
                .inspect_err(|_| self.shut_down(&mut control, rtnl))
        });
        match &result {
            // May bring the link up at once.
            Ok(()) => self.phylink.resume(rtnl),
            Err(err) => {
                netdev_err!(
                    self.dev,
                    "does not wake up ({:?}): take the interface down and up\n",
                    err
                );
                self.phylink.stop(rtnl);
            }
        }
        self.dev.attach(rtnl);
        result
    }

    fn try_resume(&self, control: &mut Control<'a>, rtnl: &Rtnl) -> Result {
        control.wake_irqs = None;
        self.power_up()?;
        // Nothing interrupts before there are rings.
        control.irqs = Some(self.request_irqs()?);
        let settings = control.settings;
        self.revive(&settings, &mut control.retired, rtnl)?;
        control.history.core_works();
        Ok(())
    }

    /// Has rings that were taken back from the channels start over, see [`TxEnds::rewind`]. New
    /// ones take their place if any is missing, as after a recovery that failed.
    fn rewind(&self, settings: &Settings, mtu: u32, rings: &mut Rings<'a>, rtnl: &Rtnl) -> Result {
        let complete = rings.len() == self.channels.len()
            && rings.iter().enumerate().all(|(ch, rings)| {
                let used = in_use(settings, ch);
                rings.tx.is_some() == used.tx && rings.rx.is_some() == used.rx
            });
        if !complete {
            *rings = self.build(ChannelIrqs::BOTH, settings, mtu, rtnl)?;
            return Ok(());
        }
        for rings in rings.iter_mut() {
            if let Some(tx) = rings.tx.as_mut() {
                tx.rewind()?;
            }
            if let Some(rx) = rings.rx.as_mut() {
                rx.rewind();
            }
        }
        Ok(())
    }

    /// Resets the core and starts the rings that were taken back from the channels, see
    /// [`Port::rewind`].
    fn revive(&self, settings: &Settings, rings: &mut Rings<'a>, rtnl: &Rtnl) -> Result {
        let mtu = self.dev.mtu();
        self.rewind(settings, mtu, rings, rtnl)?;
        self.reset_core()?;
        self.start(ChannelIrqs::BOTH, settings, mtu, rings, rtnl)
    }

    /// Takes the port out of service and calls `f` while it has rings for `mtu` and receives what
    /// it transmits, which the stack cannot. Afterwards it is as it was; the link is not touched.
    ///
    /// `ENETDOWN` if the port is down.
    pub(crate) fn offline(&self, mtu: u32, rtnl: &Rtnl, f: impl FnOnce()) -> Result {
        let mut control = self.control.lock();
        if control.irqs.is_none() {
            return Err(ENETDOWN);
        }
        let settings = control.settings;
        let all = ChannelIrqs::BOTH;
        let mut rings = self.build(all, &settings, mtu, rtnl)?;

        self.dev.detach(rtnl);
        let result = self
            .quiesce(all, &mut control.retired, rtnl)
            .and_then(|_| self.reset_core())
            .and_then(|()| self.start(all, &settings, mtu, &mut rings, rtnl))
            .and_then(|()| {
                // They have just been woken.
                self.dev.tx_disable(rtnl);
                self.hw.loop_back(false)
            });
        if result.is_ok() {
            f();
        }
        let again = self.quiesce(all, &mut rings, rtnl).and_then(|_| {
            rings.clear();
            self.revive(&settings, &mut control.retired, rtnl)
        });
        match again {
            Ok(()) => control.history.core_works(),
            Err(err) => {
                netdev_err!(
                    self.dev,
                    "does not go on after a self-test ({:?}): take the interface down and up\n",
                    err
                );
                self.give_up(&mut control, rtnl);
            }
        }
        self.dev.attach(rtnl);
        result
    }

    /// Makes `settings` and `mtu` the ones in force, with new rings if the port runs.
    ///
    /// Where that concerns one direction only, the other one goes on. On failure the old rings do:
    /// undisturbed if the new ones could not be built, else started again. Link and PHY are not
    /// touched.
    pub(crate) fn replace(&self, settings: &Settings, mtu: u32, rtnl: &Rtnl) -> Result {
        let mut control = self.control.lock();
        if control.irqs.is_some() {
            self.replace_rings(&mut control, settings, mtu, rtnl)?;
        }
        control.settings = *settings;
        Ok(())
    }

    /// Directions whose rings have to be others with `settings` and `mtu`; both, if nothing is to
    /// change, or if the port needs to be reset.
    fn concerned(&self, control: &Control<'a>, settings: &Settings, mtu: u32) -> ChannelIrqs {
        let old = &control.settings;
        let which = ChannelIrqs {
            tx: (settings.tx_queues, settings.tx_len) != (old.tx_queues, old.tx_len),
            rx: (settings.rx_queues, settings.rx_len, settings.rx_vlan)
                != (old.rx_queues, old.rx_len, old.rx_vlan)
                || mtu != self.dev.mtu(),
        };
        // What splits headers is switched in a register of both.
        let split = self.splits(settings) != self.splits(old);
        let ailing = control.history.failures() != 0 || self.has_deferred();
        if which.is_empty() || split || ailing {
            ChannelIrqs::BOTH
        } else {
            which
        }
    }

    /// Puts new rings in place of those that run.
    fn replace_rings(
        &self,
        control: &mut Control<'a>,
        settings: &Settings,
        mtu: u32,
        rtnl: &Rtnl,
    ) -> Result {
        let all = ChannelIrqs::BOTH;
        let mut which = self.concerned(control, settings, mtu);
        let mut rings = self.build(which, settings, mtu, rtnl)?;
        let mut quiet = self.quiesce(which, &mut control.retired, rtnl);
        if which != all && quiet.is_err() {
            // One direction does not stop without the other.
            drop(rings);
            rings = match self.build(all, settings, mtu, rtnl) {
                Ok(rings) => rings,
                Err(err) => {
                    let again = self.restart_core(control, rtnl);
                    self.fallen_back(control, err, again, rtnl);
                    return Err(err);
                }
            };
            which = all;
            quiet = self.quiesce(all, &mut control.retired, rtnl);
        }
        let Control {
            retired, history, ..
        } = control;
        let result = quiet.and_then(|quiet| {
            if quiet.after(history) == Quiet::Reset {
                self.reset_core()?;
            }
            self.start(which, settings, mtu, &mut rings, rtnl)
        });
        match result {
            Ok(()) => {
                retired.clear();
                history.core_works();
            }
            Err(err) => self.fall_back(control, which, &mut rings, err, rtnl),
        }
        result
    }

    /// Starts the old rings again, of `which` directions `retired`, instead of `rings`, which did
    /// not start because of `err`.
    fn fall_back(
        &self,
        control: &mut Control<'a>,
        which: ChannelIrqs,
        rings: &mut Rings<'a>,
        err: Error,
        rtnl: &Rtnl,
    ) {
        let old = &mut control.retired;
        // The device has its old MTU until the change has succeeded.
        let settings = &control.settings;
        let again = self.quiesce(ChannelIrqs::BOTH, rings, rtnl).and_then(|_| {
            // Instead of the new ones.
            for (rings, old) in rings.iter_mut().zip(old.iter_mut()) {
                if which.tx {
                    rings.tx = old.tx.take();
                }
                if which.rx {
                    rings.rx = old.rx.take();
                }
            }
            // What failed may have been a reset, that has not ended.
            self.revive(settings, rings, rtnl)
        });
        old.clear();
        self.fallen_back(control, err, again, rtnl);
    }

    /// Tells how it went on, after `err`, with the old rings.
    fn fallen_back(&self, control: &mut Control<'a>, err: Error, again: Result, rtnl: &Rtnl) {
        match again {
            Ok(()) => {
                control.history.core_works();
                netdev_warn!(
                    self.dev,
                    "new rings did not start ({:?}): going on with the old ones\n",
                    err
                );
            }
            Err(again) => {
                netdev_err!(
                    self.dev,
                    "neither new ({:?}) nor old rings ({:?}) start: take the port down and up\n",
                    err,
                    again
                );
                self.give_up(control, rtnl);
            }
        }
    }

    /// Leaves a port that does not start again to the watchdog, or to the user.
    fn give_up(&self, control: &mut Control<'a>, rtnl: &Rtnl) {
        control.history.core_failed();
        self.rare.reconfig_failures.fetch_add(1, Relaxed);
        self.shut(control, rtnl);
        self.watch_deferred();
    }

    /// Changes the coalescing limits of channel `only`, or of all; what is in flight keeps the old
    /// ones. Channels that are not in use remember them.
    pub(crate) fn set_coalesce(
        &self,
        only: Option<usize>,
        tx: Option<tx::Coalesce>,
        rx: Option<rx::Coalesce>,
    ) {
        let mut control = self.control.lock();
        for (ch, coalesce) in control.settings.coalesce.iter_mut().enumerate() {
            if only.is_none_or(|only| only == ch) {
                coalesce.tx = tx.unwrap_or(coalesce.tx);
                coalesce.rx = rx.unwrap_or(coalesce.rx);
            }
        }
        if control.irqs.is_none() {
            return;
        }
        for channel in self.channels.iter() {
            if only.is_none_or(|only| only == channel.index) {
                self.apply_coalesce(channel, control.settings.coalesce(channel.index));
            }
        }
    }

    /// Applies coalescing limits to a channel of a port that runs.
    fn apply_coalesce(&self, channel: &Channel<'a>, coalesce: &Coalesce) {
        let Coalesce { tx, rx } = coalesce;
        let riwt = self.riwt(rx);
        self.hw
            .hwif
            .dma
            .set_rx_watchdog(self.hw.io(), channel.index, riwt);
        let delay = backstop(tx);
        channel.backstop_ns.store(delay.as_nanos(), Relaxed);
        self.with_tx_side(channel, |side| {
            if let Some(ring) = side.ring.as_mut() {
                ring.set_coalesce(tx);
            }
        });
        // The poll owns its ring: it has to pause for a moment.
        channel.napi.with_paused(|poller, _| {
            poller.backstop = delay;
            if let Some(ring) = poller.rx.as_mut() {
                ring.set_coalesce(rx);
            }
        });
    }

    /// Stores and programs the receive filter.
    pub(crate) fn set_filter(&self, mode: &RxMode<'_>) -> Result {
        let mut unicast = KVec::new();
        for addr in mode.unicast() {
            unicast.push(addr, GFP_KERNEL)?;
        }
        let mut multicast = KVec::new();
        for addr in mode.multicast() {
            multicast.push(addr, GFP_KERNEL)?;
        }
        *self.filter.lock() = FilterState {
            promiscuous: mode.promisc(),
            all_multicast: mode.allmulti(),
            unicast,
            multicast,
        };
        self.apply_filter();
        Ok(())
    }

    fn apply_filter(&self) {
        let state = self.filter.lock();
        let vlan = self.vlan.lock().is_filtering();
        self.hw.hwif.mac.set_filter(
            self.hw.io(),
            &self.hw.features,
            &Filter {
                promiscuous: state.promiscuous,
                all_multicast: state.all_multicast,
                unicast: &state.unicast,
                multicast: &state.multicast,
                vlan,
            },
        );
    }

    /// Attaches the PHY, if there is to be one: the first that answers.
    fn connect_phy(&self, rtnl: &Rtnl) -> Result {
        if !self.phylink.expects_phy(rtnl) {
            return Ok(());
        }
        let addr = self.mdio.find_first().ok_or(ENODEV).inspect_err(|_| {
            dev_err!(
                self.hw.dev,
                "no PHY answers on the MDIO bus: is it powered and out of reset?\n"
            );
        })?;
        self.phylink.connect_mdio(&self.mdio, addr, rtnl)
    }

    /// Longest frame whose checksum the hardware can insert: it has to be in the FIFO whole, and
    /// the DMA must have room for another burst.
    pub(crate) fn max_checksummed(&self) -> u32 {
        self.max_checksummed.load(Relaxed)
    }

    /// Largest MTU that the FIFOs take with `settings`: frames are stored whole before they go on.
    pub(crate) fn max_mtu(&self, settings: &Settings) -> u32 {
        let features = &self.hw.features;
        fifo_mtu(features.tx_fifo_size, settings.tx_queues)
            .min(fifo_mtu(features.rx_fifo_size, settings.rx_queues))
            .min(MAX_MTU)
    }
}

/// Largest MTU that a FIFO of `fifo` bytes takes, shared out among `queues`.
fn fifo_mtu(fifo: u32, queues: u32) -> u32 {
    let share = fifo.checked_div(queues).unwrap_or(fifo);
    share.saturating_sub(HEADER + FCS)
}

/// Most queues, up to `most`, that find room for a standard frame each in a FIFO of `fifo` bytes.
pub(crate) fn roomy_queues(fifo: u32, most: u32) -> Option<u32> {
    (1..=most)
        .rev()
        .find(|&queues| fifo_mtu(fifo, queues) >= STANDARD_MTU)
}

/// Queues to use of `have`, at most `limit`, at least one.
fn queues(have: u32, limit: u32) -> u32 {
    // CAST: A small constant.
    have.min(limit).clamp(1, MAX_CHANNELS as u32)
}

/// Longest frame that fits a transmit FIFO with room for the burst that follows it.
fn max_checksummed(hw: &Hw<'_>, tx_queues: u32) -> u32 {
    let fifo = &hw.features.tx_fifo_size;
    let share = fifo.checked_div(tx_queues).unwrap_or(*fifo);
    share.saturating_sub(hw.config.burst.tx_bytes())
}

/// Longest frame at `mtu`, FCS not counted.
fn max_frame(mtu: u32) -> u32 {
    mtu.saturating_add(HEADER)
}

/// Delay of the transmit backstop. Never zero: without coalescing it is for frames of before, and
/// must not keep a CPU busy as long as the peer lets nothing be sent.
fn backstop(coalesce: &tx::Coalesce) -> Delta {
    match coalesce.usecs {
        0 => UNCOALESCED_BACKSTOP,
        usecs => Delta::from_micros(usecs.into()),
    }
}

/// Vector of channel `ch`, of those that begin with `first`, every `step`.
fn nth((first, step): (u32, u32), ch: usize) -> u32 {
    first.saturating_add(step.saturating_mul(index_u32(ch)))
}

/// Number of a channel as the stack counts queues.
pub(crate) fn index_u32(index: usize) -> u32 {
    // CAST: Channels are few.
    index as u32
}

/// True if `addr` can be a station's: not multicast, not zero.
fn is_valid_station_address(addr: &[u8; 6]) -> bool {
    let [first, ..] = *addr;
    first & 1 == 0 && *addr != [0; 6]
}
