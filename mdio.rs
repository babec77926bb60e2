// SPDX-License-Identifier: GPL-2.0

//! The MDIO bus of a port.

use kernel::{
    net::mdio::{
        self,
        Bus,
        DevAddr,
        PhyAddr, //
    },
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

use crate::{
    hw::Hw,
    hwif::{
        self,
        Mmio, //
    }, //
};

/// The station management of a core, as a bus controller.
///
/// The MDIO core serialises the accesses.
pub(crate) struct MdioBus<'a> {
    hw: Arc<Hw<'a>>,
    /// CR: divider from the CSR clock to MDC.
    csr: u32,
    /// The last access did not end, which was said.
    stuck: Atomic<bool>,
}

impl<'a> MdioBus<'a> {
    /// Derives MDC from the CSR clock.
    fn new(hw: Arc<Hw<'a>>) -> Result<Self> {
        let rate = hw.config.csr_rate;
        let csr = hw.hwif.mdio.clock_range(rate).inspect_err(|_| {
            dev_err!(
                hw.dev,
                "no MDC can be derived from a CSR clock of {} Hz: is the rate right?\n",
                rate
            );
        })?;

        Ok(Self {
            hw,
            csr,
            stuck: Atomic::new(false),
        })
    }

    /// Makes an access that no reset of the core cuts short: a PHY whose access fails is halted. A
    /// PHY may be asked for something while the port is down.
    fn access<R>(&self, f: impl FnOnce(&dyn hwif::Mdio, Mmio<'_>) -> Result<R>) -> Result<R> {
        let _awake = self.hw.dev.runtime_get()?;
        let _no_reset = self.hw.mdio.lock();

        let result = f(self.hw.hwif.mdio, self.hw.io());
        let stuck = result.as_ref().is_err_and(|&err| err == ETIMEDOUT);
        let said = self.stuck.xchg(stuck, Relaxed);
        if stuck && !said {
            dev_err!(
                self.hw.dev,
                "MDIO access does not end (MAC_MDIO_Address.GB): does the CSR clock run?\n"
            );
        }
        result
    }
}

#[vtable]
impl Bus for MdioBus<'_> {
    const NAME: &'static CStr = crate::NAME;

    fn read(&self, addr: PhyAddr, reg: u8) -> Result<u16> {
        self.access(|mdio, io| mdio.read(io, self.csr, addr.get(), reg))
    }

    fn write(&self, addr: PhyAddr, reg: u8, val: u16) -> Result {
        self.access(|mdio, io| mdio.write(io, self.csr, addr.get(), reg, val))
    }

    fn read_c45(&self, addr: PhyAddr, dev: DevAddr, reg: u16) -> Result<u16> {
        self.access(|mdio, io| mdio.read_c45(io, self.csr, addr.get(), dev.get(), reg))
    }

    fn write_c45(&self, addr: PhyAddr, dev: DevAddr, reg: u16, val: u16) -> Result {
        self.access(|mdio, io| mdio.write_c45(io, self.csr, addr.get(), dev.get(), reg, val))
    }
}

/// The bus of a port.
pub(crate) type Registration<'a> = mdio::Registration<'a, MdioBus<'a>>;

/// Registers the bus and scans it for PHYs.
///
/// The result must be kept in the data of the network device, never forgotten.
pub(crate) fn register<'a>(hw: &Arc<Hw<'a>>) -> Result<Registration<'a>> {
    let bus = MdioBus::new(hw.clone())?;
    let id = CString::try_from_fmt(fmt!(
        "{}-{}",
        crate::NAME.to_str().unwrap_or(""),
        hw.dev.name().to_str().unwrap_or("")
    ))?;

    // SAFETY: The only caller stores the registration in the data of the network device, which is
    // dropped before the device is unbound.
    unsafe { mdio::Registration::new(hw.dev, &id, hw.config.phy_mask, Ok::<_, Error>(bus)) }
        .inspect_err(|err| {
            dev_err!(
                hw.dev,
                "cannot register the MDIO bus: {}; does the CSR clock run?\n",
                err.to_errno()
            );
        })
}
