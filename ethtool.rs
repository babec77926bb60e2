// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` shows and sets.

use core::ops::RangeInclusive;

use kernel::{
    io::Io,
    net::{
        ethtool::{
            Channels,
            Coalesce,
            CoalesceParams,
            DriverInfo,
            Eee,
            EthCtrlStats,
            EthMacStats,
            ExtAck,
            LinkSettings,
            Operations,
            PauseParam,
            PauseStats,
            Regs,
            RingParams,
            RmonRanges,
            RmonStats,
            SelfTest,
            Strings,
            TsInfo,
            Values,
            WolInfo, //
        },
        hwtstamp::{
            RxFilters,
            TxModes, //
        },
        rtnl::Rtnl, //
    },
    netdev_err,
    num::casts::IntoSafeCast,
    prelude::*,
    sync::atomic::Relaxed, //
};

use crate::{
    mmc::{
        self,
        mac, //
    },
    netdev::{
        Device,
        Dwmac, //
    },
    port::{
        index_u32,
        Port,
        Settings, //
    },
    ptp,
    ring,
    rx,
    selftest,
    stats::{
        poll,
        xmit, //
    },
    tx, //
};

/// Longest receive delay that is accepted, microseconds; the watchdog may hold less.
const MAX_RX_USECS: u32 = 10_000;

/// Longest transmit backstop, microseconds.
const MAX_TX_USECS: u32 = 100_000;

/// Most frames that may share an interrupt.
const MAX_FRAMES: u32 = 256;

/// Version of the layout of a register dump, see [`hwif::Dump`](crate::hwif::Dump); the release of
/// the core is in the lower half.
const DUMP_VERSION: u32 = 1;

/// Names of the counters that a port has once, in the order of [`rare_values`].
const RARE_NAMES: [&CStr; 11] = [
    c"rx_fifo_overflows",
    c"tx_timeouts",
    c"tx_stalls",
    c"rx_stalls",
    c"watchdog_polls",
    c"queue_recoveries",
    c"channel_recoveries",
    c"recoveries",
    c"recovery_failures",
    c"reconfig_failures",
    c"stop_failures",
];

fn rare_values(port: &Port<'_>) -> [u64; RARE_NAMES.len()] {
    [
        port.hw.overflows(),
        port.rare.tx_timeouts.load(Relaxed),
        port.rare.tx_stalls.load(Relaxed),
        port.rare.rx_stalls.load(Relaxed),
        port.rare.watchdog_polls.load(Relaxed),
        port.rare.queue_recoveries.load(Relaxed),
        port.rare.channel_recoveries.load(Relaxed),
        port.rare.recoveries.load(Relaxed),
        port.rare.recovery_failures.load(Relaxed),
        port.rare.reconfig_failures.load(Relaxed),
        port.rare.stop_failures.load(Relaxed),
    ]
}

/// Shown as text; all names are ASCII.
fn text(name: &CStr) -> &str {
    name.to_str().unwrap_or("")
}

/// Whether queue `queue` transmits and whether it receives; `EINVAL` if there is none.
fn directions(settings: &Settings, queue: u32) -> Result<(bool, bool)> {
    match (queue < settings.tx_queues, queue < settings.rx_queues) {
        (false, false) => Err(EINVAL),
        directions => Ok(directions),
    }
}

/// The coalescing of queue `queue`, zeros for a direction that it does not have.
fn show_coalesce(port: &Port<'_>, queue: u32) -> Result<Coalesce> {
    let settings = port.settings();
    let (has_tx, has_rx) = directions(&settings, queue)?;
    let coalesce = settings.coalesce(queue.into_safe_cast());
    let (dma, rate) = (port.hw.hwif.dma, port.hw.config.csr_rate);
    let mut shown = Coalesce::default();
    if has_tx {
        shown.tx_usecs = coalesce.tx.usecs;
        shown.tx_max_frames = coalesce.tx.frames;
    }
    if has_rx {
        // What the watchdog makes of it.
        shown.rx_usecs = dma.riwt_to_usecs(dma.usecs_to_riwt(coalesce.rx.usecs, rate), rate);
        shown.rx_max_frames = coalesce.rx.frames;
    }
    Ok(shown)
}

/// Limits of interrupt coalescing for one direction.
struct Limits {
    /// As `ethtool -C` names the direction.
    way: &'static str,
    max_usecs: u32,
    /// Fewest frames and most that go without a time limit: with more, the last ones would wait for
    /// ever.
    timeless: RangeInclusive<u32>,
}

const TX_LIMITS: Limits = Limits {
    way: "tx",
    max_usecs: MAX_TX_USECS,
    timeless: 1..=1,
};

const RX_LIMITS: Limits = Limits {
    way: "rx",
    max_usecs: MAX_RX_USECS,
    // Zero frames are one.
    timeless: 0..=1,
};

impl Limits {
    /// `EINVAL`, and why, if it is out of range.
    fn check(&self, usecs: u32, frames: u32, extack: &mut ExtAck<'_>) -> Result {
        let way = self.way;
        if usecs > self.max_usecs {
            extack.set(fmt!("{}-usecs: at most {}", way, self.max_usecs));
        } else if frames > MAX_FRAMES {
            extack.set(fmt!("{}-frames: at most {}", way, MAX_FRAMES));
        } else if usecs == 0 && !self.timeless.contains(&frames) {
            extack.set(fmt!("{}-usecs 0 needs {}-frames 1", way, way));
        } else {
            return Ok(());
        }
        Err(EINVAL)
    }
}

/// The transmit side of `coalesce`; `EINVAL` if it is out of range.
fn tx_coalesce(coalesce: &Coalesce, extack: &mut ExtAck<'_>) -> Result<tx::Coalesce> {
    let (usecs, frames) = (coalesce.tx_usecs, coalesce.tx_max_frames);
    TX_LIMITS.check(usecs, frames, extack)?;
    Ok(tx::Coalesce {
        frames,
        usecs,
        ..tx::Coalesce::DEFAULT
    })
}

/// The receive side of `coalesce`; `EINVAL` if it is out of range.
fn rx_coalesce(coalesce: &Coalesce, extack: &mut ExtAck<'_>) -> Result<rx::Coalesce> {
    let (usecs, frames) = (coalesce.rx_usecs, coalesce.rx_max_frames);
    RX_LIMITS.check(usecs, frames, extack)?;
    Ok(rx::Coalesce { frames, usecs })
}

#[vtable]
impl Operations for Dwmac {
    const SUPPORTED_COALESCE: CoalesceParams =
        CoalesceParams::USECS.union(CoalesceParams::MAX_FRAMES);

    const TCP_DATA_SPLIT: bool = true;

    const SELF_TESTS: &'static [&'static CStr] = &selftest::NAMES;

    const RMON_RANGES: RmonRanges = RmonRanges::new([
        (0, 64),
        (65, 127),
        (128, 255),
        (256, 511),
        (512, 1023),
        // Longer ones, but for a tag's bytes, are oversize.
        (1024, 1518),
    ]);

    fn drvinfo<'a>(_dev: &Device, port: Pin<&Port<'a>>, info: &mut DriverInfo, _rtnl: &Rtnl) {
        info.set_driver(fmt!("{}", text(crate::NAME)));
        info.set_fw_version(fmt!("{}", port.hw.spec));
    }

    fn get_link_ksettings<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        settings: &mut LinkSettings,
        rtnl: &Rtnl,
    ) -> Result {
        port.phylink.ksettings_get(settings, rtnl)
    }

    fn set_link_ksettings<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        settings: &LinkSettings,
        rtnl: &Rtnl,
    ) -> Result {
        port.phylink.ksettings_set(settings, rtnl)
    }

    fn nway_reset<'a>(_dev: &Device, port: Pin<&Port<'a>>, rtnl: &Rtnl) -> Result {
        port.phylink.nway_reset(rtnl)
    }

    fn get_pauseparam<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        pause: &mut PauseParam,
        rtnl: &Rtnl,
    ) {
        port.phylink.get_pauseparam(pause, rtnl);
    }

    fn set_pauseparam<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        pause: &PauseParam,
        rtnl: &Rtnl,
    ) -> Result {
        port.phylink.set_pauseparam(pause, rtnl)
    }

    fn get_eee<'a>(_dev: &Device, port: Pin<&Port<'a>>, eee: &mut Eee, rtnl: &Rtnl) -> Result {
        port.phylink.get_eee(eee, rtnl)
    }

    fn set_eee<'a>(_dev: &Device, port: Pin<&Port<'a>>, eee: &Eee, rtnl: &Rtnl) -> Result {
        // As much as will be in force.
        let mut eee = *eee;
        eee.limit_tx_lpi_timer(port.hw.hwif.mac.max_lpi_timer());
        port.phylink.set_eee(&eee, rtnl)
    }

    fn get_wol<'a>(_dev: &Device, port: Pin<&Port<'a>>, wol: &mut WolInfo, rtnl: &Rtnl) {
        port.phylink.get_wol(wol, rtnl);
    }

    fn set_wol<'a>(_dev: &Device, port: Pin<&Port<'a>>, wol: &WolInfo, rtnl: &Rtnl) -> Result {
        port.phylink.set_wol(wol, rtnl)
    }

    fn self_test<'a>(_dev: &Device, port: Pin<&Port<'a>>, test: &mut SelfTest<'_>, rtnl: &Rtnl) {
        selftest::run(&port, test, rtnl);
    }

    fn get_pause_stats<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> PauseStats {
        port.hw
            .counters()
            .map_or_else(Default::default, |count| PauseStats {
                tx_pause_frames: Some(count.get(mac::TX_PAUSE)),
                rx_pause_frames: Some(count.get(mac::RX_PAUSE)),
            })
    }

    fn get_eth_mac_stats<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> EthMacStats {
        let Some(count) = port.hw.counters() else {
            return EthMacStats::default();
        };
        let get = |counter| Some(count.get(counter));
        let received = [
            mac::RX_GOOD_UNICAST,
            mac::RX_GOOD_MULTICAST,
            mac::RX_GOOD_BROADCAST,
        ]
        .iter()
        .fold(0u64, |sum, &counter| sum.wrapping_add(count.get(counter)));
        let stats = EthMacStats {
            frames_transmitted_ok: get(mac::TX_GOOD),
            frames_received_ok: Some(received),
            frame_check_sequence_errors: get(mac::RX_CRC_ERROR),
            alignment_errors: get(mac::RX_ALIGNMENT_ERROR),
            octets_transmitted_ok: get(mac::TX_GOOD_OCTETS),
            frames_lost_due_to_int_mac_xmit_error: get(mac::TX_UNDERFLOW),
            carrier_sense_errors: get(mac::TX_CARRIER_ERROR),
            octets_received_ok: get(mac::RX_GOOD_OCTETS),
            frames_lost_due_to_int_mac_rcv_error: get(mac::RX_FIFO_OVERFLOW),
            multicast_frames_xmitted_ok: get(mac::TX_GOOD_MULTICAST),
            broadcast_frames_xmitted_ok: get(mac::TX_GOOD_BROADCAST),
            multicast_frames_received_ok: get(mac::RX_GOOD_MULTICAST),
            broadcast_frames_received_ok: get(mac::RX_GOOD_BROADCAST),
            in_range_length_errors: get(mac::RX_LENGTH_ERROR),
            out_of_range_length_field: get(mac::RX_OUT_OF_RANGE),
            ..EthMacStats::default()
        };
        // `frame_too_long_errors` are not known: jumbo frames are counted as well.
        if !port.hw.features.half_duplex {
            return stats;
        }
        EthMacStats {
            single_collision_frames: get(mac::TX_SINGLE_COLLISION),
            multiple_collision_frames: get(mac::TX_MULTIPLE_COLLISION),
            frames_with_deferred_xmissions: get(mac::TX_DEFERRED),
            late_collisions: get(mac::TX_LATE_COLLISION),
            frames_aborted_due_to_xs_colls: get(mac::TX_EXCESSIVE_COLLISION),
            frames_with_excessive_deferral: get(mac::TX_EXCESSIVE_DEFERRAL),
            ..stats
        }
    }

    fn get_eth_ctrl_stats<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> EthCtrlStats {
        // Of those sent, pause frames only are counted.
        EthCtrlStats {
            mac_control_frames_received: port.hw.counter(mac::RX_CONTROL),
            ..EthCtrlStats::default()
        }
    }

    fn get_rmon_stats<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> RmonStats {
        const RX: [usize; 6] = [
            mac::RX_64,
            mac::RX_127,
            mac::RX_255,
            mac::RX_511,
            mac::RX_1023,
            mac::RX_MORE,
        ];
        const TX: [usize; 6] = [
            mac::TX_64,
            mac::TX_127,
            mac::TX_255,
            mac::TX_511,
            mac::TX_1023,
            mac::TX_MORE,
        ];

        let Some(count) = port.hw.counters() else {
            return RmonStats::default();
        };
        let get = |counter| Some(count.get(counter));
        let mut stats = RmonStats {
            undersize_pkts: get(mac::RX_UNDERSIZE),
            oversize_pkts: get(mac::RX_OVERSIZE),
            fragments: get(mac::RX_RUNT),
            jabbers: get(mac::RX_JABBER),
            ..RmonStats::default()
        };
        for (hist, &counter) in stats.hist.iter_mut().zip(&RX) {
            *hist = get(counter);
        }
        for (hist, &counter) in stats.hist_tx.iter_mut().zip(&TX) {
            *hist = get(counter);
        }
        stats
    }

    fn get_ringparam<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> RingParams {
        let settings = port.settings();
        RingParams {
            rx_max: ring::MAX_LEN,
            tx_max: ring::MAX_LEN,
            rx: settings.rx_len,
            tx: settings.tx_len,
            tcp_data_split: port.can_split().then(|| port.splits(&settings)),
        }
    }

    fn set_ringparam<'a>(
        dev: &Device,
        port: Pin<&Port<'a>>,
        params: &RingParams,
        extack: &mut ExtAck<'_>,
        rtnl: &Rtnl,
    ) -> Result {
        let lengths = ring::MIN_LEN..=ring::MAX_LEN;
        if !lengths.contains(&params.tx) || !lengths.contains(&params.rx) {
            let (min, max) = (ring::MIN_LEN, ring::MAX_LEN);
            extack.set(fmt!("rings have {} to {} descriptors", min, max));
            return Err(EINVAL);
        }
        let data_split = params.tcp_data_split;
        if data_split == Some(true) && !port.can_split() {
            extack.set(fmt!("headers cannot be split by this device"));
            return Err(EOPNOTSUPP);
        }
        let settings = Settings {
            data_split,
            tx_len: ring::round_len(params.tx),
            rx_len: ring::round_len(params.rx),
            ..port.settings()
        };
        port.replace(&settings, dev.mtu(), rtnl)
    }

    fn get_channels<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> Channels {
        let (max_tx, max_rx) = port.max_queues();
        let settings = port.settings();
        Channels {
            max_rx,
            max_tx,
            max_combined: 0,
            rx: settings.rx_queues,
            tx: settings.tx_queues,
            combined: 0,
        }
    }

    fn set_channels<'a>(
        dev: &Device,
        port: Pin<&Port<'a>>,
        channels: &Channels,
        rtnl: &Rtnl,
    ) -> Result {
        if channels.rx == 0 || channels.tx == 0 {
            return Err(EINVAL);
        }
        let settings = Settings {
            tx_queues: channels.tx,
            rx_queues: channels.rx,
            ..port.settings()
        };
        // More queues share the same FIFOs.
        let max = port.max_mtu(&settings);
        if dev.mtu() > max {
            netdev_err!(
                dev,
                "{} TX and {} RX queues leave room for an MTU of {} at most\n",
                settings.tx_queues,
                settings.rx_queues,
                max
            );
            return Err(EINVAL);
        }
        port.replace(&settings, dev.mtu(), rtnl)
    }

    fn get_coalesce<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> Result<Coalesce> {
        // Where queues differ, the first stands for all.
        show_coalesce(&port, 0)
    }

    fn set_coalesce<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        coalesce: &Coalesce,
        extack: &mut ExtAck<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        let tx = tx_coalesce(coalesce, extack)?;
        let rx = rx_coalesce(coalesce, extack)?;
        port.set_coalesce(None, Some(tx), Some(rx));
        Ok(())
    }

    fn get_per_queue_coalesce<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        queue: u32,
        _rtnl: &Rtnl,
    ) -> Result<Coalesce> {
        show_coalesce(&port, queue)
    }

    fn set_per_queue_coalesce<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        queue: u32,
        coalesce: &Coalesce,
        _rtnl: &Rtnl,
    ) -> Result {
        // What is said of a direction that the queue does not have does not count.
        let (has_tx, has_rx) = directions(&port.settings(), queue)?;
        // An ioctl, which takes no reasons.
        let mut extack = ExtAck::none();
        let tx = has_tx.then(|| tx_coalesce(coalesce, &mut extack));
        let rx = has_rx.then(|| rx_coalesce(coalesce, &mut extack));
        let (tx, rx) = (tx.transpose()?, rx.transpose()?);
        port.set_coalesce(Some(queue.into_safe_cast()), tx, rx);
        Ok(())
    }

    fn get_ts_info<'a>(_dev: &Device, port: Pin<&Port<'a>>) -> TsInfo {
        let clock = port.clock_index();
        TsInfo {
            tx_software: true,
            tx_modes: clock.map_or(TxModes::EMPTY, |_| ptp::TX_MODES),
            rx_filters: clock.map_or(RxFilters::EMPTY, |_| ptp::RX_FILTERS),
            clock,
        }
    }

    fn regs_len<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> usize {
        port.hw.hwif.dump.end / size_of::<u32>()
    }

    fn get_regs<'a>(_dev: &Device, port: Pin<&Port<'a>>, regs: &mut Regs<'_>, _rtnl: &Rtnl) {
        let (hw, io) = (&port.hw, port.hw.io());
        regs.set_version(DUMP_VERSION << 16 | u32::from(hw.spec.snpsver));
        let words = regs.words();
        let Ok(_awake) = hw.dev.runtime_get() else {
            return;
        };
        // While an access is under way it is undefined what MAC_MDIO_Data shows.
        let _no_access = hw.mdio.lock();
        (hw.hwif.dump.registers)(&hw.features, &mut |offset| {
            if let Some(word) = words.get_mut(offset / size_of::<u32>()) {
                *word = io.try_read32(offset).unwrap_or(0);
            }
        });
    }

    fn stats_count<'a>(_dev: &Device, port: Pin<&Port<'a>>, _rtnl: &Rtnl) -> u32 {
        const ONCE: usize = RARE_NAMES.len() + poll::COUNT;
        const PER_CHANNEL: usize = poll::COUNT + xmit::COUNT;
        let channels = port.channels.len().saturating_mul(PER_CHANNEL);
        let counters = if port.hw.features.mmc {
            mmc::OTHERS_COUNT
        } else {
            0
        };
        let counters = counters.saturating_add(port.hw.safety.known().len());
        index_u32(channels.saturating_add(ONCE).saturating_add(counters))
    }

    fn stat_names<'a>(_dev: &Device, port: Pin<&Port<'a>>, names: &mut Strings<'_>, _rtnl: &Rtnl) {
        for list in [&RARE_NAMES[..], &poll::NAMES] {
            for name in list {
                names.push(fmt!("{}", text(name)));
            }
        }
        for channel in port.channels.iter() {
            for list in [&poll::NAMES[..], &xmit::NAMES] {
                for name in list {
                    names.push(fmt!("q{}_{}", channel.index, text(name)));
                }
            }
        }
        if port.hw.features.mmc {
            for name in mmc::other_names() {
                names.push(fmt!("{}", text(name)));
            }
        }
        for known in port.hw.safety.known() {
            names.push(fmt!("{}", text(known.name)));
        }
    }

    fn stats<'a>(_dev: &Device, port: Pin<&Port<'a>>, values: &mut Values<'_>, _rtnl: &Rtnl) {
        for value in rare_values(&port) {
            values.push(value);
        }
        let mut sums = [0u64; poll::COUNT];
        for channel in port.channels.iter() {
            for (sum, value) in sums.iter_mut().zip(channel.poll_stats.read()) {
                *sum = sum.wrapping_add(value);
            }
        }
        for sum in sums {
            values.push(sum);
        }
        for channel in port.channels.iter() {
            for value in channel.poll_stats.read() {
                values.push(value);
            }
            for value in channel.xmit_stats.read() {
                values.push(value);
            }
        }
        if let Some(counters) = port.hw.counters() {
            values.extend(counters.others());
        }
        let safety = &port.hw.safety;
        values.extend((0..safety.known().len()).map(|index| safety.count(index)));
    }
}
