// SPDX-License-Identifier: GPL-2.0

//! System time.

use kernel::{
    io::Io,
    prelude::*,
    time::Delta, //
};

use super::regs::*;
use crate::{
    config::PtpClock,
    hwif::{
        self,
        Mmio,
        Pace,
        PtpMessages,
        RxStamps,
        Time, //
    },
};

/// A command is carried out within a few cycles of the PTP clock; without that clock it never is.
const COMMAND_TIMEOUT: Delta = Delta::from_millis(10);

/// What the update registers have to hold for `secs` and `nanos` to be added: seconds, and
/// nanoseconds with ADDSUB as the top bit.
///
/// A negative shift is given as its complements. A whole number of seconds has none that fits the
/// sub-second field, but for the seconds adding the complement is the same as subtracting.
pub(crate) fn update_words(secs: i64, nanos: u32) -> (u32, u32) {
    const ADDSUB: u32 = 1 << 31;

    // CAST: Truncated, as the seconds count modulo 2^32.
    let low = secs as u32;

    if secs >= 0 || nanos == 0 {
        (low, nanos)
    } else {
        // `secs` was rounded down, the magnitude's seconds are one less, and `nanos` are the
        // complement of its nanoseconds.
        (low.wrapping_add(1), ADDSUB | nanos)
    }
}

/// System time of all releases.
pub(super) struct Ptp;

impl MAC_TIMESTAMP_CONTROL {
    /// The bits for `stamps`.
    ///
    /// With TSEVNTENA, TSMSTRENA chooses Delay_Req instead of Sync. Without it, all types are
    /// chosen; SNAPTYPSEL 1 adds those of the peer delay mechanism.
    pub(super) fn with_stamps(self, stamps: RxStamps) -> Self {
        let none = self
            .with_const_snaptypsel::<0>()
            .with_tsmstrena(false)
            .with_tsevntena(false)
            .with_tsipv4ena(false)
            .with_tsipv6ena(false)
            .with_tsipena(false)
            .with_tsver2ena(false)
            .with_tsenall(false);

        match stamps {
            RxStamps::None => none,
            RxStamps::All => none.with_tsenall(true),
            RxStamps::Ptp {
                v2,
                ethernet,
                udp,
                messages,
            } => {
                let ptp = none
                    .with_tsver2ena(v2)
                    .with_tsipena(ethernet)
                    .with_tsipv4ena(udp)
                    .with_tsipv6ena(udp);

                match messages {
                    PtpMessages::Event => ptp.with_const_snaptypsel::<1>(),
                    PtpMessages::Sync => ptp.with_tsevntena(true),
                    PtpMessages::DelayReq => ptp.with_tsevntena(true).with_tsmstrena(true),
                }
            }
        }
    }

    /// The control register of a system time that runs, with `stamps`.
    pub(super) fn running(stamps: RxStamps) -> Self {
        Self::zeroed()
            .with_tsena(true)
            .with_tscfupdt(true)
            .with_tsctrlssr(true)
            .with_stamps(stamps)
    }
}

/// Gives the commands in `set` and waits until they are carried out.
fn command(
    io: Mmio<'_>,
    set: impl FnOnce(MAC_TIMESTAMP_CONTROL) -> MAC_TIMESTAMP_CONTROL,
) -> Result {
    io.update(MAC_TIMESTAMP_CONTROL, set);
    hwif::wait_until(
        || Ok(io.read(MAC_TIMESTAMP_CONTROL)),
        |r| !r.tsaddreg() && !r.tsupdt() && !r.tsinit(),
        hwif::POLL_INTERVAL,
        COMMAND_TIMEOUT,
    )?;

    Ok(())
}

/// Fills the update registers.
fn write_update(io: Mmio<'_>, (secs, nanos): (u32, u32)) {
    io.write_reg(MAC_SYSTEM_TIME_SECONDS_UPDATE::from_raw(secs));
    io.write_reg(MAC_SYSTEM_TIME_NANOSECONDS_UPDATE::from_raw(nanos));
}

impl hwif::Ptp for Ptp {
    fn start(&self, io: Mmio<'_>, clock: &PtpClock, pace: &Pace, stamps: RxStamps) -> Result {
        if clock.select_mask != 0 {
            io.update(MAC_GPIO_STATUS, |r| {
                let gpo = (r.gpo().get() & !clock.select_mask) | (clock.select & clock.select_mask);

                r.try_with_gpo(gpo).unwrap_or(r)
            });
        }
        io.write_reg(MAC_TIMESTAMP_CONTROL::running(stamps));
        io.write_reg(MAC_SUB_SECOND_INCREMENT::zeroed().with_ssinc(pace.increment));
        self.set_addend(io, pace.addend)
    }

    fn set_addend(&self, io: Mmio<'_>, addend: u32) -> Result {
        io.write_reg(MAC_TIMESTAMP_ADDEND::from_raw(addend));
        command(io, |r| r.with_tsaddreg(true))
    }

    fn set_time(&self, io: Mmio<'_>, time: Time) -> Result {
        write_update(io, (time.secs(), time.nanos()));
        command(io, |r| r.with_tsinit(true))
    }

    fn shift(&self, io: Mmio<'_>, secs: i64, nanos: u32) -> Result {
        write_update(io, update_words(secs, nanos));
        command(io, |r| r.with_tsupdt(true))
    }

    #[inline]
    fn secs(&self, io: Mmio<'_>) -> u32 {
        io.read(MAC_SYSTEM_TIME_SECONDS).into()
    }

    #[inline]
    fn nanos(&self, io: Mmio<'_>) -> u32 {
        io.read(MAC_SYSTEM_TIME_NANOSECONDS).tsss().get()
    }

    fn set_stamps(&self, io: Mmio<'_>, stamps: RxStamps) {
        io.update(MAC_TIMESTAMP_CONTROL, |r| r.with_stamps(stamps));
    }

    fn capture_delay(&self, rate: u32) -> u32 {
        // Two cycles.
        (2 * Time::SECOND).checked_div(rate).unwrap_or(0)
    }
}

/// The control register of a system time that runs, with `stamps`; for tests.
#[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
pub(crate) fn control_word(stamps: RxStamps) -> u32 {
    MAC_TIMESTAMP_CONTROL::running(stamps).into()
}
