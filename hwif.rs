// SPDX-License-Identifier: GPL-2.0

//! Which hardware is this?
//!
//! The version register selects a row of [`TABLE`]; the row names the objects that know the
//! registers of that generation. The rest of the driver talks to those objects only.

use kernel::{
    device,
    fmt,
    io::{
        poll::read_poll_timeout,
        Region, //
    },
    net::skbuff::VlanProtocol,
    prelude::*,
    time::Delta, //
};

use crate::{
    config::{
        Config,
        PtpClock, //
    },
    datapath,
    safety,
    vlan::Vids, //
};

pub(crate) mod features;

/// One module each, in folders beside this file. Nobody else knows them.
#[path = "."]
pub(crate) mod generations {
    pub(crate) mod dwmac4;
}

use generations::dwmac4;

pub(crate) use features::Features;

/// Bytes of register space that every supported core has: the last DMA channel ends below.
pub(crate) const REGS_SIZE: usize = 0x2000;

/// The register file of one port.
pub(crate) type Mmio<'a> = kernel::io::Mmio<'a, Region<REGS_SIZE>>;

/// Most DMA channels and MTL queues per direction that any supported core has.
pub(crate) const MAX_CHANNELS: usize = 8;

/// Core family. Families place the version register differently, so the bus glue has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// DWC Ethernet QoS 4.x and 5.x.
    Gmac4,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::Gmac4 => f.write_str("GMAC4"),
        }
    }
}

/// What the version register says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Core family.
    pub(crate) family: Family,
    /// SNPSVER: release of the core, 0x51 is 5.10.
    pub(crate) snpsver: u8,
    /// USERVER: the integrator's own number.
    pub(crate) userver: u8,
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(fmt!(
            "{} {}.{}0 (user {:#04x})",
            self.family,
            self.snpsver >> 4,
            self.snpsver & 0xf,
            self.userver
        ))
    }
}

/// Duplex mode of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplex {
    /// One direction at a time.
    Half,
    /// Both directions at once.
    Full,
}

/// What the MAC has to know of a link that came up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Mbit/s.
    pub(crate) speed: u32,
    /// Duplex mode.
    pub(crate) duplex: Duplex,
    /// Send pause frames when the receive FIFO fills.
    pub(crate) tx_pause: bool,
    /// Obey received pause frames.
    pub(crate) rx_pause: bool,
}

/// Low-power idle (LPI) of the transmitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lpi {
    /// To be entered after so many microseconds without anything to send; a core may clamp it.
    pub(crate) idle_usecs: u32,
    /// The transmit clock may stop meanwhile.
    pub(crate) stop_clock: bool,
}

/// Frames that wake the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wake {
    /// Magic frames for the port's own address.
    pub(crate) magic: bool,
    /// All that passes the filter and is not for a group.
    pub(crate) unicast: bool,
}

impl Wake {
    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Receive address filter, in the hardware's terms.
pub(crate) struct Filter<'a> {
    /// Accept everything.
    pub(crate) promiscuous: bool,
    /// Accept all multicast.
    pub(crate) all_multicast: bool,
    /// Further unicast addresses, beside the port's own.
    pub(crate) unicast: &'a [[u8; 6]],
    /// Multicast addresses.
    pub(crate) multicast: &'a [[u8; 6]],
    /// Drop tagged frames that the VLAN filter does not let pass.
    pub(crate) vlan: bool,
}

/// What is to be done about VLAN tags.
pub(crate) struct VlanSetup<'a> {
    /// Type of the received tags that are moved, or filtered by.
    pub(crate) protocol: VlanProtocol,
    /// Move the tags of received frames into descriptors.
    pub(crate) strip: bool,
    /// Type of the tags that are inserted.
    pub(crate) insert: VlanProtocol,
    /// VLANs whose frames pass the filter, if there is to be one.
    pub(crate) filter: Option<&'a Vids>,
}

/// Events that the MAC (not a DMA channel) signalled; reading them clears them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MacEvents {
    /// The RGMII/SGMII in-band link status changed.
    pub(crate) link: bool,
    /// A magic or wake-up frame arrived.
    pub(crate) wake: bool,
    /// LPI state changed.
    pub(crate) lpi: bool,
    /// A statistics counter is half full; to be acknowledged by [`Mmc::acknowledge`].
    pub(crate) mmc: bool,
    /// The system time reached a target or took a snapshot.
    pub(crate) timestamp: bool,
}

/// MAC block: frames, addresses, link.
///
/// Methods read, change and write back registers that they share, so the caller must not let them
/// run at the same time.
pub(crate) trait Mac: Sync {
    /// Programs everything that does not depend on the link, receiver and transmitter off.
    fn init(&self, io: Mmio<'_>);

    /// Has nothing of the MAC interrupt, its counters excepted.
    fn mask_irqs(&self, io: Mmio<'_>);

    /// Turns transmitter and receiver on or off.
    fn enable(&self, io: Mmio<'_>, tx: bool, rx: bool);

    /// Programs speed, duplex and flow control of a link that came up.
    ///
    /// `EINVAL` when the core cannot run at that speed.
    fn set_link(&self, io: Mmio<'_>, link: &Link, tx_queues: u32) -> Result;

    /// Lets the transmitter of a link that is up enter low-power idle, or keeps it from it. Only
    /// for cores with EEE; `csr_rate` is the CSR clock, Hz.
    fn set_lpi(&self, io: Mmio<'_>, lpi: Option<&Lpi>, csr_rate: u64);

    /// Most microseconds of idleness before low-power idle that the MAC counts.
    fn max_lpi_timer(&self) -> u32;

    /// Turns receive checksum offload on or off; true if it is now on.
    fn set_rx_checksum(&self, io: Mmio<'_>, on: bool) -> bool;

    /// Writes address slot `index`; slot 0 is the port's own address.
    fn set_address(&self, io: Mmio<'_>, index: usize, addr: &[u8; 6]) -> Result;

    /// Reads address slot 0, as firmware may have left it.
    fn address(&self, io: Mmio<'_>) -> [u8; 6];

    /// Programs the receive filter.
    fn set_filter(&self, io: Mmio<'_>, features: &Features, filter: &Filter<'_>);

    /// Largest frame, FCS not counted, that is to be sent and received.
    fn set_max_frame(&self, io: Mmio<'_>, bytes: u32);

    /// Has the receiver tell channels that split frames where the headers end. Only for cores that
    /// can.
    fn find_headers(&self, io: Mmio<'_>);

    /// Sends what the transmitter emits back into the receiver.
    fn set_loopback(&self, io: Mmio<'_>, on: bool);

    /// Has the MAC drop all frames but those of `wake`, and interrupt and wake the bus on these,
    /// until it is reset. The DMA has stopped.
    fn set_wake(&self, io: Mmio<'_>, wake: &Wake);

    /// Writes registers that nobody uses while nothing is received, and reads them back; `EIO` if
    /// one does not hold what was written. Filter and addresses are to be programmed anew then.
    fn test_registers(&self, io: Mmio<'_>, features: &Features) -> Result;

    /// Reads and thereby clears the MAC's events.
    fn events(&self, io: Mmio<'_>) -> MacEvents;

    /// Speeds the core can run at, as a set.
    fn speeds(&self, features: &Features) -> &'static [u32];
}

/// VLAN part of the MAC.
///
/// The caller must not let calls run at the same time.
pub(crate) trait Vlan: Sync {
    /// Programs everything about tags.
    ///
    /// True if there is a filter now, which counts with [`Filter::vlan`] set; there is none if it
    /// cannot be expressed. `ETIMEDOUT` if the filter does not react: its clock is the receive
    /// clock.
    fn configure(&self, io: Mmio<'_>, features: &Features, setup: &VlanSetup<'_>) -> Result<bool>;
}

/// MTL block: the FIFOs between MAC and DMA.
pub(crate) trait Mtl: Sync {
    /// Shares the transmit FIFO among `queues` queues. None of them may be sending.
    fn init_tx(&self, io: Mmio<'_>, features: &Features, queues: u32) -> Result;

    /// Shares the receive FIFO among `queues` queues and maps receive queue i to DMA channel i. The
    /// MAC must not receive.
    fn init_rx(&self, io: Mmio<'_>, features: &Features, queues: u32) -> Result;

    /// Frames that receive queue `queue` has dropped since the last call because its FIFO was full;
    /// less if they were more than the hardware counts.
    fn take_overflows(&self, io: Mmio<'_>, queue: usize) -> u32;

    /// Empties transmit queue `queue`'s FIFO; bounded wait.
    fn flush_tx(&self, io: Mmio<'_>, queue: usize) -> Result;

    /// Whether frames wait in transmit queue `queue`'s FIFO, or may not leave it at present.
    fn tx_waiting(&self, io: Mmio<'_>, queue: usize) -> bool;

    /// Whether frames wait in receive queue `queue`'s FIFO.
    fn rx_waiting(&self, io: Mmio<'_>, queue: usize) -> bool;
}

/// What interrupts, as one read of the summary register tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Bit i: DMA channel i.
    pub(crate) channels: u32,
    /// The MAC.
    pub(crate) mac: bool,
}

impl Summary {
    /// True if this port did not interrupt.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Events of one DMA channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelEvents {
    /// TPS: the transmit process stopped.
    pub(crate) tx_stopped: bool,
    /// RPS: the receive process stopped.
    pub(crate) rx_stopped: bool,
    /// RBU: no receive descriptor was free.
    pub(crate) rx_starved: bool,
    /// FBE or CDE: a bus access failed, or a descriptor made no sense. The channel is dead until it
    /// is reset.
    pub(crate) bus_error: bool,
}

/// Interrupt sources of a DMA channel that can be enabled apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelIrqs {
    /// TI.
    pub(crate) tx: bool,
    /// RI.
    pub(crate) rx: bool,
}

impl ChannelIrqs {
    /// All of them.
    pub(crate) const BOTH: Self = Self { tx: true, rx: true };

    /// Those that are also in `other`.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            tx: self.tx && other.tx,
            rx: self.rx && other.rx,
        }
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(self) -> bool {
        !self.tx && !self.rx
    }
}

/// One descriptor ring, as the DMA is told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingSetup {
    /// Bus address of descriptor 0.
    pub(crate) base: u64,
    /// Descriptors in the ring.
    pub(crate) len: u32,
    /// Bus address of the tail: the first descriptor that the DMA must not touch.
    pub(crate) tail: u64,
}

/// DMA block and its channels.
pub(crate) trait Dma: Sync {
    /// Resets the whole core; bounded wait.
    ///
    /// On `ETIMEDOUT` a clock of the core does not run; the error line names the candidates.
    fn reset(&self, dev: &device::Device, io: Mmio<'_>) -> Result;

    /// Programs the bus interface. `per_channel_irqs`: each channel has interrupt lines of its own.
    fn init(&self, io: Mmio<'_>, features: &Features, config: &Config, per_channel_irqs: bool);

    /// Programs what both directions of channel `ch` share. `split`: headers go to buffers of their
    /// own.
    ///
    /// While the transmitter runs nothing may be new, or it forgets what context descriptors have
    /// told it.
    fn init_channel(&self, io: Mmio<'_>, ch: usize, config: &Config, split: bool) -> Result;

    /// Programs channel `ch` for transmission, stopped. `segmentation`: frames may ask for it.
    fn init_tx(
        &self,
        io: Mmio<'_>,
        ch: usize,
        config: &Config,
        ring: &RingSetup,
        segmentation: bool,
    ) -> Result;

    /// Programs channel `ch` for reception into buffers of `buf_len` bytes, stopped.
    fn init_rx(
        &self,
        io: Mmio<'_>,
        ch: usize,
        config: &Config,
        ring: &RingSetup,
        buf_len: u32,
    ) -> Result;

    /// Starts the transmit process.
    fn start_tx(&self, io: Mmio<'_>, ch: usize);

    /// Starts the receive process.
    fn start_rx(&self, io: Mmio<'_>, ch: usize);

    /// Waits, bounded, until those processes of channel `ch` run that `irqs` has an interrupt of.
    ///
    /// `ETIMEDOUT` if one has not left its stopped state, or has fallen back into it.
    fn wait_started(&self, io: Mmio<'_>, ch: usize, irqs: ChannelIrqs) -> Result;

    /// Stops the transmit process and waits, bounded, until it no longer touches memory.
    fn stop_tx(&self, io: Mmio<'_>, ch: usize) -> Result;

    /// Stops the receive process and waits, bounded, until it no longer touches memory.
    fn stop_rx(&self, io: Mmio<'_>, ch: usize) -> Result;

    /// Reads what interrupts.
    fn summary(&self, io: Mmio<'_>) -> Summary;

    /// Enables exactly `irqs`, and the abnormal ones if `irqs` is not empty. One write.
    fn enable_irqs(&self, io: Mmio<'_>, ch: usize, irqs: ChannelIrqs);

    /// Acknowledges channel `ch`'s events and returns those that are no completions.
    ///
    /// On return the device knows of it: a completion that the rings do not show yet will
    /// interrupt.
    fn take_events(&self, io: Mmio<'_>, ch: usize) -> ChannelEvents;

    /// RIWT: an RX interrupt at the latest this many watchdog units after a frame without one.
    /// Zero turns the watchdog off.
    fn set_rx_watchdog(&self, io: Mmio<'_>, ch: usize, riwt: u32);

    /// Watchdog units for `usecs`, clamped to what the register holds, at CSR clock `rate` (Hz).
    fn usecs_to_riwt(&self, usecs: u32, rate: u64) -> u32;

    /// Inverse of [`Dma::usecs_to_riwt`].
    fn riwt_to_usecs(&self, riwt: u32, rate: u64) -> u32;

    /// Descriptor addresses of channel `ch` that the DMA works on now, for a report: (tx, rx).
    fn position(&self, io: Mmio<'_>, ch: usize) -> (u32, u32);

    /// What the processes of channel `ch` do, in the databook's words: (tx, rx).
    fn activity(&self, io: Mmio<'_>, ch: usize) -> (&'static CStr, &'static CStr);
}

/// Station management.
pub(crate) trait Mdio: Sync {
    /// Clause 22 read.
    fn read(&self, io: Mmio<'_>, csr: u32, addr: u8, reg: u8) -> Result<u16>;
    /// Clause 22 write.
    fn write(&self, io: Mmio<'_>, csr: u32, addr: u8, reg: u8, val: u16) -> Result;
    /// Clause 45 read.
    fn read_c45(&self, io: Mmio<'_>, csr: u32, addr: u8, devad: u8, reg: u16) -> Result<u16>;
    /// Clause 45 write.
    fn write_c45(&self, io: Mmio<'_>, csr: u32, addr: u8, devad: u8, reg: u16, val: u16) -> Result;
    /// CR field for a CSR clock of `rate` Hz, such that MDC stays within 2.5 MHz.
    ///
    /// `EINVAL` when no divider does.
    fn clock_range(&self, rate: u64) -> Result<u32>;
}

/// A reading of the system time, in a descriptor or in the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    secs: u32,
    nanos: u32,
}

impl Time {
    /// Nanoseconds in a second.
    pub(crate) const SECOND: u32 = 1_000_000_000;

    /// The time of `secs` and `nanos` since the epoch; none if those are not less than a second,
    /// which no hardware in order shows.
    #[inline]
    pub(crate) const fn new(secs: u32, nanos: u32) -> Option<Self> {
        if nanos < Self::SECOND {
            Some(Self { secs, nanos })
        } else {
            None
        }
    }

    /// Seconds since the epoch.
    pub(crate) const fn secs(self) -> u32 {
        self.secs
    }

    /// Nanoseconds since the last whole second.
    pub(crate) const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub(crate) const fn as_nanos(self) -> i64 {
        // CAST: Widened. The result has 62 bits, so nothing wraps.
        (self.secs as i64)
            .wrapping_mul(Self::SECOND as i64)
            .wrapping_add(self.nanos as i64)
    }
}

/// How the system time is made from the PTP clock: at each cycle an accumulator of 32 bits grows
/// by `addend`, and whenever it overflows the time grows by `increment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Nanoseconds.
    pub(crate) increment: u8,
    /// Fraction of 2^32.
    pub(crate) addend: u32,
}

/// PTP messages of which timestamps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PtpMessages {
    /// All event messages, and possibly others.
    Event,
    /// Sync.
    Sync,
    /// Delay_Req.
    DelayReq,
}

/// Received frames of which timestamps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RxStamps {
    /// None.
    None,
    /// All.
    All,
    /// PTP messages.
    Ptp {
        /// Version 2 instead of 1.
        v2: bool,
        /// Those directly over Ethernet.
        ethernet: bool,
        /// Those over UDP, IPv4 and IPv6.
        udp: bool,
        /// Which.
        messages: PtpMessages,
    },
}

/// System time.
///
/// The caller must not let the methods run at the same time.
pub(crate) trait Ptp: Sync {
    /// Routes the PTP clock `clock` to the core and starts the system time, which is anything.
    ///
    /// `ETIMEDOUT` if the clock does not run.
    fn start(&self, io: Mmio<'_>, clock: &PtpClock, pace: &Pace, stamps: RxStamps) -> Result;

    /// Changes the addend; `ETIMEDOUT` as for [`Ptp::start`].
    fn set_addend(&self, io: Mmio<'_>, addend: u32) -> Result;

    /// Sets the system time; `ETIMEDOUT` as for [`Ptp::start`].
    fn set_time(&self, io: Mmio<'_>, time: Time) -> Result;

    /// Adds `secs` and `nanos`, which are less than a second, to the system time; `ETIMEDOUT` as
    /// for [`Ptp::start`].
    fn shift(&self, io: Mmio<'_>, secs: i64, nanos: u32) -> Result;

    /// Reads the seconds.
    fn secs(&self, io: Mmio<'_>) -> u32;

    /// Reads the nanoseconds.
    fn nanos(&self, io: Mmio<'_>) -> u32;

    /// Chooses the received frames of which timestamps are taken.
    fn set_stamps(&self, io: Mmio<'_>, stamps: RxStamps);

    /// Nanoseconds by which timestamps are late at a PTP clock of `rate` Hz, because they have to
    /// pass from its domain to another.
    fn capture_delay(&self, rate: u32) -> u32;
}

/// MAC management counters, of those cores that have them.
pub(crate) trait Mmc: Sync {
    /// Clears all counters and has them cleared by reading. They interrupt in time to be read
    /// before one of them wraps around.
    fn init(&self, io: Mmio<'_>);

    /// Reads and thereby clears a counter, one of [`mmc::mac`](crate::mmc::mac)'s; zero if the core
    /// does not have it.
    fn take(&self, io: Mmio<'_>, counter: usize) -> u32;

    /// Acknowledges the interrupt. The counters are to be read afterwards.
    fn acknowledge(&self, io: Mmio<'_>);
}

/// Safety package, of those cores that have it.
///
/// The caller must not let the methods run at the same time.
pub(crate) trait Safety: Sync {
    /// The kinds of errors; those that this core cannot have do not come.
    fn known(&self) -> &'static [safety::Known];

    /// Has the core look for all errors that it can find, and interrupt on them. Its memories have
    /// been empty since it was reset.
    fn enable(&self, io: Mmio<'_>, features: &Features);

    /// Nothing is looked for.
    fn disable(&self, io: Mmio<'_>, features: &Features);

    /// Lets errors that were corrected interrupt, or not. Others always do.
    fn let_corrected(&self, io: Mmio<'_>, features: &Features, interrupt: bool);

    /// Acknowledges and returns errors; none if none interrupts.
    fn take(&self, io: Mmio<'_>) -> Option<safety::Errors>;
}

/// What a register dump shows.
///
/// The dump is an image of the register space: a register is found at its offset. What is not
/// there, or what reading would change, is zero.
pub(crate) struct Dump {
    /// Bytes of the image.
    pub(crate) end: usize,
    /// Calls the function with the offset of each register to read.
    pub(crate) registers: fn(&Features, &mut dyn FnMut(usize)),
    /// Calls the function with names and offsets of those that tell of a DMA channel.
    pub(crate) channel: fn(usize, &mut dyn FnMut(&'static CStr, usize)),
}

/// One generation of the hardware.
pub(crate) struct Hwif {
    /// Core family.
    pub(crate) family: Family,
    /// Lowest SNPSVER that this row serves.
    pub(crate) min_snpsver: u8,
    /// Highest SNPSVER that this row serves; what lies above the newest row is not known.
    pub(crate) max_snpsver: u8,
    /// As shown to users.
    pub(crate) name: &'static CStr,
    /// Reads and decodes the capability registers.
    pub(crate) features: fn(Mmio<'_>) -> Features,
    /// MAC block.
    pub(crate) mac: &'static dyn Mac,
    /// MTL block.
    pub(crate) mtl: &'static dyn Mtl,
    /// DMA block.
    pub(crate) dma: &'static dyn Dma,
    /// Station management.
    pub(crate) mdio: &'static dyn Mdio,
    /// System time.
    pub(crate) ptp: &'static dyn Ptp,
    /// MAC management counters.
    pub(crate) mmc: &'static dyn Mmc,
    /// What a register dump shows.
    pub(crate) dump: Dump,
    /// VLAN part of the MAC.
    pub(crate) vlan: &'static dyn Vlan,
    /// Safety package, where a core claims it.
    pub(crate) safety: Option<&'static dyn Safety>,
    /// A segmentation engine takes UDP as well; no capability bit tells.
    pub(crate) udp_segmentation: bool,
    /// Maker of data paths for this generation's descriptors.
    pub(crate) datapath: &'static dyn datapath::Factory,
}

/// All generations, newest first within a family.
pub(crate) static TABLE: &[Hwif] = &[
    dwmac4::GMAC_5_10,
    dwmac4::GMAC_4_10,
    dwmac4::GMAC_4_00,
    dwmac4::GMAC_4,
];

/// Time between two looks at a register that is waited for.
pub(crate) const POLL_INTERVAL: Delta = Delta::from_micros(10);

/// Waits, bounded, until what `op` reads satisfies `done`. Sleeps.
///
/// `ETIMEDOUT` if it does not, also at a last look when the time is up: the CPU may have been away
/// for all of it, which says nothing of the hardware.
pub(crate) fn wait_until<T>(
    mut op: impl FnMut() -> Result<T>,
    done: impl Fn(&T) -> bool,
    interval: Delta,
    timeout: Delta,
) -> Result<T> {
    match read_poll_timeout(&mut op, &done, interval, timeout) {
        Err(ETIMEDOUT) => {
            let last = op()?;
            if done(&last) {
                Ok(last)
            } else {
                Err(ETIMEDOUT)
            }
        }
        result => result,
    }
}

/// Finds the row of `spec`'s family that serves its SNPSVER.
pub(crate) fn find(spec: &Spec) -> Option<&'static Hwif> {
    TABLE.iter().find(|row| {
        row.family == spec.family && (row.min_snpsver..=row.max_snpsver).contains(&spec.snpsver)
    })
}

/// Reads the version register and finds the row.
///
/// `ENODEV` with one line when no row serves the version.
pub(crate) fn probe(
    dev: &device::Device,
    io: Mmio<'_>,
    family: Family,
) -> Result<(Spec, &'static Hwif)> {
    let spec = match family {
        Family::Gmac4 => dwmac4::spec(io),
    };
    // A core that is powered down or unclocked reads as all zeros or all ones.
    if spec.snpsver == 0 || spec.snpsver == 0xff {
        dev_err!(
            dev,
            "no core answers: version register reads {:#04x}; is it clocked and out of reset?\n",
            spec.snpsver
        );
        return Err(ENODEV);
    }
    let row = find(&spec).ok_or(ENODEV).inspect_err(|_| {
        dev_err!(dev, "{} is not a core this driver knows\n", spec);
    })?;
    Ok((spec, row))
}
