// SPDX-License-Identifier: GPL-2.0

//! MAC block.

use kernel::{
    io::{
        register::{
            Array,
            Register,
            RegisterArray, //
        },
        Io, //
    },
    prelude::*, //
};

use super::regs::*;
use crate::hwif::{
    self,
    Duplex,
    Features,
    Filter,
    Link,
    Lpi,
    MacEvents,
    Mmio,
    Wake, //
};

/// Bytes of the frame check sequence.
const FCS: u32 = 4;

/// A tag that the limits do not allow for by themselves: the second one, or an S-tag.
const TAG: u32 = 4;

/// Largest frame that is no giant by default.
const STANDARD_MAX: u32 = 1518;

/// Largest frame that the receiver's watchdog lets pass by default.
const WATCHDOG_MAX: u32 = 2048;

/// Largest frame that is no giant with JE: 9018 bytes, 9022 with a VLAN tag.
const JUMBO_MAX: u32 = 9022;

/// Largest frame that GPSL can express and that fits in the descriptors' length fields.
const FRAME_MAX: u32 = 16383;

/// Pause time of the pause frames that are sent, in slots. The hardware repeats a pause frame in
/// time and ends the pause early when there is room again, so the maximum is right.
const PAUSE_TIME: u16 = 0xffff;

/// What has to be programmed for frames up to a given size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameLimit {
    /// JE: giants start above 9018 bytes, watchdog and jabber timer expire at 10240.
    pub(crate) jumbo: bool,
    /// WD and JD: watchdog and jabber timer are off.
    pub(crate) no_timers: bool,
    /// GPSL, which counts the FCS: giants start above this, and not at the default.
    pub(crate) giant: Option<u32>,
}

impl FrameLimit {
    /// The limit for frames of `bytes`, FCS not counted.
    pub(crate) fn new(bytes: u32) -> Self {
        let total = bytes.saturating_add(FCS);

        let tagged = total.saturating_add(TAG);

        if tagged <= STANDARD_MAX {
            Self::default()
        } else if tagged <= WATCHDOG_MAX {
            Self {
                giant: Some(tagged),
                ..Self::default()
            }
        } else if total <= JUMBO_MAX {
            Self {
                jumbo: true,
                ..Self::default()
            }
        } else {
            // JE has a limit of its own, so it has to be off for GPSL to count.
            Self {
                no_timers: true,
                giant: Some(tagged.min(FRAME_MAX)),
                ..Self::default()
            }
        }
    }
}

/// How the receive filter is expressed in hardware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilterPlan {
    /// PR: accept everything, for it is asked for or cannot be expressed.
    pub(crate) promiscuous: bool,
    /// PM: accept all multicast, for it is asked for or cannot be expressed.
    pub(crate) all_multicast: bool,
    /// HUC: the hash table holds unicast addresses.
    pub(crate) hash_unicast: bool,
    /// HMC: the hash table holds multicast addresses.
    pub(crate) hash_multicast: bool,
    /// The hash table.
    pub(crate) hash: [u32; 8],
    /// This many of the first unicast addresses have a slot each.
    pub(crate) unicast_slots: usize,
    /// This many of the first multicast addresses have a slot each, after the unicast ones.
    pub(crate) multicast_slots: usize,
}

impl FilterPlan {
    /// Plans for a core with `slots` address slots beside slot 0 and a hash table of `hash_bits`.
    ///
    /// Unicast addresses go to slots as long as there are any, then to the hash table. Multicast
    /// addresses go to the hash table, or to what slots are left if there is none.
    pub(crate) fn new(slots: usize, hash_bits: u32, filter: &Filter<'_>) -> Self {
        let mut plan = Self {
            promiscuous: filter.promiscuous,
            all_multicast: filter.all_multicast,
            ..Self::default()
        };

        if plan.promiscuous {
            return plan;
        }

        plan.unicast_slots = filter.unicast.len().min(slots);
        for addr in filter.unicast.iter().skip(plan.unicast_slots) {
            match hash_index(addr, hash_bits) {
                Some(index) => {
                    plan.hash_unicast = true;
                    plan.set(index);
                }
                None => plan.promiscuous = true,
            }
        }

        if plan.all_multicast {
            return plan;
        }

        if hash_bits == 0 && filter.multicast.len() <= slots.saturating_sub(plan.unicast_slots) {
            plan.multicast_slots = filter.multicast.len();
        }
        for addr in filter.multicast.iter().skip(plan.multicast_slots) {
            match hash_index(addr, hash_bits) {
                Some(index) => {
                    plan.hash_multicast = true;
                    plan.set(index);
                }
                None => plan.all_multicast = true,
            }
        }

        plan
    }

    /// Sets bit `index` of the hash table.
    fn set(&mut self, index: u8) {
        if let Some(word) = self.hash.get_mut(usize::from(index / 32)) {
            // The upper bits of the index, which chose the word, do not count here.
            *word |= 1u32.wrapping_shl(index.into());
        }
    }
}

/// CRC-32 of `addr` as the filter computes it: most significant bit first, complemented.
pub(crate) fn address_crc(addr: &[u8; 6]) -> u32 {
    const POLYNOMIAL: u32 = 0x04c1_1db7;

    let crc = addr.iter().fold(u32::MAX, |crc, &octet| {
        // Octets come least significant bit first, as on the wire.
        let crc = crc ^ (u32::from(octet.reverse_bits()) << 24);

        (0..8).fold(crc, |crc, _| {
            if crc >> 31 != 0 {
                (crc << 1) ^ POLYNOMIAL
            } else {
                crc << 1
            }
        })
    });

    !crc
}

/// Bit of a hash table of `bits` that stands for `addr`; none if there is no such table.
pub(crate) fn hash_index(addr: &[u8; 6], bits: u32) -> Option<u8> {
    let [top, ..] = address_crc(addr).to_be_bytes();

    match bits {
        64 => Some(top >> 2),
        128 => Some(top >> 1),
        256 => Some(top),
        _ => None,
    }
}

/// The MAC block of all releases.
pub(super) struct Mac;

impl hwif::Mac for Mac {
    fn init(&self, io: Mmio<'_>) {
        // Events are looked at when something else interrupts. The link is the PHY's to report.
        self.mask_irqs(io);

        // CST and ACS together strip the FCS of every frame. DCRS: PHYs do not agree on when
        // carrier sense is due in half duplex.
        io.write_reg(
            MAC_CONFIGURATION::zeroed()
                .with_cst(true)
                .with_acs(true)
                .with_dcrs(true),
        );
        io.write_reg(MAC_EXT_CONFIGURATION::zeroed());
        io.write_reg(MAC_RX_FLOW_CTRL::zeroed());
    }

    fn mask_irqs(&self, io: Mmio<'_>) {
        io.write_reg(MAC_INTERRUPT_ENABLE::zeroed());
    }

    fn enable(&self, io: Mmio<'_>, tx: bool, rx: bool) {
        io.update(MAC_CONFIGURATION, |r| r.with_te(tx).with_re(rx));
    }

    fn set_link(&self, io: Mmio<'_>, link: &Link, tx_queues: u32) -> Result {
        let config = io
            .read(MAC_CONFIGURATION)
            .with_speed(link.speed)?
            .with_dm(link.duplex == Duplex::Full);

        io.write_reg(config);
        io.write_reg(MAC_RX_FLOW_CTRL::zeroed().with_rfe(link.rx_pause));

        let pause = if link.tx_pause {
            MAC_Q_TX_FLOW_CTRL::zeroed()
                .with_pt(PAUSE_TIME)
                .with_tfe(true)
        } else {
            MAC_Q_TX_FLOW_CTRL::zeroed()
        };

        (0..tx_queues).try_for_each(|queue| poke(io, usize::try_from(queue)?, pause))
    }

    fn max_lpi_timer(&self) -> u32 {
        MAC_LPI_ENTRY_TIMER::MAX_USECS
    }

    fn set_lpi(&self, io: Mmio<'_>, lpi: Option<&Lpi>, csr_rate: u64) {
        let Some(lpi) = lpi else {
            io.write_reg(MAC_LPI_CONTROL_STATUS::zeroed());
            return;
        };

        io.write_reg(MAC_1US_TIC_COUNTER::new(csr_rate));
        io.write_reg(MAC_LPI_TIMERS_CONTROL::standard());
        io.write_reg(MAC_LPI_ENTRY_TIMER::new(lpi.idle_usecs));
        io.write_reg(
            MAC_LPI_CONTROL_STATUS::zeroed()
                .with_pls(true)
                .with_lpien(true)
                .with_lpitxa(true)
                .with_lpiate(lpi.idle_usecs != 0)
                .with_lpitcse(lpi.stop_clock),
        );
    }

    fn set_rx_checksum(&self, io: Mmio<'_>, on: bool) -> bool {
        io.update(MAC_CONFIGURATION, |r| r.with_ipc(on));
        // The bit stays clear in a core without the engine.
        io.read(MAC_CONFIGURATION).ipc()
    }

    fn set_address(&self, io: Mmio<'_>, index: usize, addr: &[u8; 6]) -> Result {
        poke(io, index, MAC_ADDRESS_HIGH::enabled(addr))?;
        poke(io, index, MAC_ADDRESS_LOW::new(addr))
    }

    fn address(&self, io: Mmio<'_>) -> [u8; 6] {
        let high = io.read(MAC_ADDRESS_HIGH::at(0));
        let low = io.read(MAC_ADDRESS_LOW::at(0));
        let [e, f] = high.addrhi().to_le_bytes();
        let [a, b, c, d] = low.into_raw().to_le_bytes();

        [a, b, c, d, e, f]
    }

    fn set_filter(&self, io: Mmio<'_>, features: &Features, filter: &Filter<'_>) {
        let slots = usize::try_from(features.added_addresses).unwrap_or(0);
        let plan = FilterPlan::new(slots, features.hash_bits, filter);

        let unicast = filter.unicast.iter().take(plan.unicast_slots);
        let multicast = filter.multicast.iter().take(plan.multicast_slots);
        let mut addrs = Iterator::chain(unicast, multicast);
        for index in 1..=slots {
            let written = match addrs.next() {
                Some(addr) => self.set_address(io, index, addr),
                None => poke(io, index, MAC_ADDRESS_HIGH::zeroed())
                    .and_then(|()| poke(io, index, MAC_ADDRESS_LOW::zeroed())),
            };
            if written.is_err() {
                // No field of the capability registers can claim more slots than there are
                // registers.
                break;
            }
        }

        let words = usize::try_from(features.hash_bits / 32).unwrap_or(0);
        for (index, word) in plan.hash.iter().enumerate().take(words) {
            if poke(io, index, MAC_HASH_TABLE_REG::from_raw(*word)).is_err() {
                break;
            }
        }

        io.write_reg(
            MAC_PACKET_FILTER::zeroed()
                .with_pr(plan.promiscuous)
                .with_pm(plan.all_multicast)
                .with_huc(plan.hash_unicast)
                .with_hmc(plan.hash_multicast)
                .with_hpf(plan.hash_unicast || plan.hash_multicast)
                .with_vtfe(filter.vlan && !filter.promiscuous)
                // Who asks for everything wants to see pause frames as well.
                .with_pcf(if filter.promiscuous {
                    ControlFrames::All
                } else {
                    ControlFrames::Drop
                }),
        );
    }

    fn set_max_frame(&self, io: Mmio<'_>, bytes: u32) {
        let limit = FrameLimit::new(bytes);

        if let Some(giant) = limit.giant {
            io.update(MAC_EXT_CONFIGURATION, |r| r.with_giant_limit(giant));
        }
        io.update(MAC_CONFIGURATION, |r| {
            r.with_je(limit.jumbo)
                .with_wd(limit.no_timers)
                .with_jd(limit.no_timers)
                .with_gpslce(limit.giant.is_some())
        });
    }

    fn find_headers(&self, io: Mmio<'_>) {
        // 256 bytes, which is more than all headers up to the transport's make. Which headers count
        // is left as it is after a reset: all up to the transport's.
        io.update(MAC_EXT_CONFIGURATION, |r| r.with_const_hdsms::<2>());
    }

    fn set_loopback(&self, io: Mmio<'_>, on: bool) {
        io.update(MAC_CONFIGURATION, |r| r.with_lm(on));
    }

    fn events(&self, io: Mmio<'_>) -> MacEvents {
        let status = io.read(MAC_INTERRUPT_STATUS);
        let mut events = MacEvents {
            mmc: status.mmcis(),
            ..MacEvents::default()
        };

        // Each source is cleared by reading it.
        if status.rgsmiiis() {
            events.link = true;
            io.read(MAC_PHYIF_CONTROL_STATUS);
        }
        if status.pcslchgis() || status.pcsancis() {
            events.link = true;
            io.read(MAC_AN_STATUS);
        }
        if status.pmtis() {
            let pmt = io.read(MAC_PMT_CONTROL_STATUS);
            events.wake = pmt.mgkprcvd() || pmt.rwkprcvd();
        }
        if status.lpiis() {
            events.lpi = true;
            io.read(MAC_LPI_CONTROL_STATUS);
        }
        if status.tsis() {
            events.timestamp = true;
            io.read(MAC_TIMESTAMP_STATUS);
        }

        events
    }

    fn test_registers(&self, io: Mmio<'_>, features: &Features) -> Result {
        /// Each bit both ways, and neighbours different.
        const PATTERNS: [u32; 4] = [0x5555_5555, 0xaaaa_aaaa, 0xffff_ffff, 0];

        fn holds<R>(io: Mmio<'_>, index: usize) -> Result
        where
            R: RegisterArray + Register<Storage = u32> + From<u32> + Into<u32>,
        {
            PATTERNS.iter().try_for_each(|&pattern| {
                poke::<R>(io, index, pattern.into())?;
                let read: u32 = peek::<R>(io, index)?.into();
                if read == pattern {
                    Ok(())
                } else {
                    Err(EIO)
                }
            })
        }

        let slots = usize::try_from(features.added_addresses).unwrap_or(0);
        let words = usize::try_from(features.hash_bits / 32).unwrap_or(0);
        (1..=slots).try_for_each(|slot| holds::<MAC_ADDRESS_LOW>(io, slot))?;
        (0..words).try_for_each(|word| holds::<MAC_HASH_TABLE_REG>(io, word))
    }

    fn set_wake(&self, io: Mmio<'_>, wake: &Wake) {
        io.update(MAC_INTERRUPT_ENABLE, |r| r.with_pmtie(true));
        // Only a receiver that is on can be powered down.
        self.enable(io, false, true);
        io.write_reg(
            MAC_PMT_CONTROL_STATUS::zeroed()
                .with_mgkpkten(wake.magic)
                .with_rwkpkten(wake.unicast)
                .with_glblucast(wake.unicast)
                .with_pwrdwn(true),
        );
    }

    fn speeds(&self, features: &Features) -> &'static [u32] {
        // 2500 Mbit/s is GMII with a faster clock; whether there is one is the wiring's business.
        match (features.mii, features.gmii) {
            (true, true) => &[10, 100, 1000, 2500],
            (false, true) => &[1000, 2500],
            (true, false) => &[10, 100],
            (false, false) => &[],
        }
    }
}
