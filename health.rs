// SPDX-License-Identifier: GPL-2.0

//! Faults as devlink tells of them: `devlink health`.
//!
//! Whoever notices a fault reports it here, in any context. Devlink counts it, keeps a dump of the
//! channel, and has the port recover, unless the user wants to do that by hand.

use kernel::{
    fmt,
    net::{
        devlink::{
            self,
            Info,
            Object,
            Operations,
            Recovery, //
        },
        rtnl::Rtnl, //
    },
    netdev_warn,
    prelude::*, //
};

use crate::{
    hwif::ChannelIrqs,
    netdev::{
        Device,
        Dwmac, //
    },
    port::Port,
    recovery::{
        Fault,
        Faults, //
    }, //
};

/// The devlink instance of a port.
pub(crate) type Devlink = devlink::Devlink<Dwmac>;

/// A health reporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// Transmission.
    Tx,
    /// Reception.
    Rx,
    /// The core itself, and its way to memory.
    Hw,
}

impl Reporter {
    /// In the order of their indices.
    const ALL: [Self; 3] = [Self::Tx, Self::Rx, Self::Hw];

    /// Who reports `fault`.
    const fn of(fault: Fault) -> Self {
        match fault {
            Fault::TxTimeout => Self::Tx,
            Fault::RxStall => Self::Rx,
            Fault::BusError => Self::Hw,
        }
    }

    /// As users know it.
    const fn name(self) -> &'static CStr {
        match self {
            Self::Tx => c"tx",
            Self::Rx => c"rx",
            Self::Hw => c"hw",
        }
    }

    /// As devlink knows it.
    const fn index(self) -> usize {
        // CAST: The discriminant.
        self as usize
    }

    fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Directions that it is about.
    pub(crate) fn directions(self) -> ChannelIrqs {
        ChannelIrqs {
            tx: self != Self::Rx,
            rx: self != Self::Tx,
        }
    }
}

/// Calls `f` with the reporters of `faults` and what of these each reports.
fn each(faults: Faults, f: impl Fn(usize, usize)) {
    for reporter in Reporter::ALL {
        let mut own = faults.filter(|fault, _| Reporter::of(fault) == reporter);
        if reporter == Reporter::Hw {
            own |= faults.of_core();
        }
        if !own.is_empty() {
            f(reporter.index(), own.bits());
        }
    }
}

/// Reports `faults`; callable in any context.
pub(crate) fn report(devlink: &Devlink, faults: Faults) {
    each(faults, |reporter, events| devlink.report(reporter, events));
}

/// Of `faults`, what was reported need not be seen to any more, for what they are about was
/// stopped.
pub(crate) fn withdraw(devlink: &Devlink, faults: Faults) {
    each(faults, |reporter, events| {
        devlink.withdraw(reporter, events)
    });
}

/// There are none of `faults` any more, for what they were about was started anew.
pub(crate) fn over(devlink: &Devlink, faults: Faults) {
    each(faults, |reporter, events| devlink.over(reporter, events));
}

/// Has the recovery from `faults` tried again that has failed.
pub(crate) fn retry(devlink: &Devlink, faults: Faults) {
    each(faults, |reporter, _| devlink.retry(reporter));
}

impl Operations for Dwmac {
    const REPORTERS: &'static [&'static CStr] = &[
        Reporter::Tx.name(),
        Reporter::Rx.name(),
        Reporter::Hw.name(),
    ];

    fn describe(_reporter: usize, events: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Faults::from_bits(events), f)
    }

    fn recover<'a>(_dev: &Device, port: Pin<&Port<'a>>, recovery: Recovery, rtnl: &Rtnl) -> Result {
        let faults = Faults::from_bits(recovery.events);
        port.recover(faults, recovery.on_demand, rtnl)
    }

    fn unattended(dev: &Device, reporter: usize, events: usize) {
        let name = Reporter::from_index(reporter).map_or(c"", Reporter::name);
        netdev_warn!(
            dev,
            "{}: not mended, see devlink health (reporter {})\n",
            Faults::from_bits(events),
            name
        );
    }

    fn dump<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        reporter: usize,
        events: Option<usize>,
        object: &mut Object<'_>,
        _rtnl: &Rtnl,
    ) {
        if let Some(reporter) = Reporter::from_index(reporter) {
            port.dump(reporter, events.map(Faults::from_bits), object);
        }
    }

    fn diagnose<'a>(
        _dev: &Device,
        port: Pin<&Port<'a>>,
        reporter: usize,
        object: &mut Object<'_>,
        _rtnl: &Rtnl,
    ) {
        if let Some(reporter) = Reporter::from_index(reporter) {
            port.diagnose(reporter, object);
        }
    }

    fn info<'a>(_dev: &Device, port: Pin<&Port<'a>>, info: &mut Info<'_>, _rtnl: &Rtnl) -> Result {
        let spec = &port.hw.spec;
        info.fixed(c"asic.id", fmt!("{}", spec.family))?;
        info.fixed(
            c"asic.rev",
            fmt!("{}.{}0", spec.snpsver >> 4, spec.snpsver & 0xf),
        )
    }
}
