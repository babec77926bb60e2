// SPDX-License-Identifier: GPL-2.0

//! The MAC side of the link.

use kernel::{
    net::{
        ethtool::WakeModes,
        phylink::{
            self,
            Interface,
            Interfaces,
            LinkState,
            MacCapabilities,
            MacOps,
            Mode,
            PcsHandle,
            Phylink, //
        }, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    hw::Hw,
    hwif,
    mdio::Registration,
    netdev::Device,
    pcs::Pcs, //
};

/// Tells the core what phylink decides.
pub(crate) struct LinkOps<'a> {
    hw: Arc<Hw<'a>>,
    pcs: Option<Pcs>,
}

impl LinkOps<'_> {
    /// How the core is connected to its PHY.
    pub(crate) fn interface(&self) -> Interface {
        self.pcs
            .as_ref()
            .map_or(self.hw.config.interface, |pcs| pcs.interface)
    }
}

#[vtable]
impl MacOps for LinkOps<'_> {
    fn config(&self, _mode: Mode, _state: &LinkState) {
        // The interface is a matter of how the core is wired; nothing in it is to be set. To a PCS
        // it is GMII.
    }

    fn select_pcs(&self, interface: Interface) -> Option<PcsHandle<'_>> {
        self.pcs
            .as_ref()
            .filter(|pcs| pcs.interfaces.contains(interface))
            .map(|pcs| pcs.xpcs.handle())
    }

    fn link_up(&self, link: &phylink::Link) {
        let link = hwif::Link {
            speed: link.speed,
            duplex: match link.duplex {
                phylink::Duplex::Half => hwif::Duplex::Half,
                phylink::Duplex::Full => hwif::Duplex::Full,
            },
            tx_pause: link.tx_pause,
            rx_pause: link.rx_pause,
        };
        // The speed is one of those in `capabilities`, else it has been said; there is nobody to
        // return an error to.
        let _ = self.hw.link_up(link);
    }

    fn link_down(&self, _mode: Mode, _interface: Interface) {
        self.hw.link_down();
    }

    fn enable_tx_lpi(&self, timer: u32, stop_clock: bool) -> Result {
        self.hw.set_lpi(Some(hwif::Lpi {
            idle_usecs: timer,
            stop_clock: stop_clock && self.hw.config.lpi_stops_clock,
        }));
        Ok(())
    }

    fn disable_tx_lpi(&self) {
        self.hw.set_lpi(None);
    }

    fn set_wol(&self, modes: WakeModes) -> Result {
        self.hw.set_wake(hwif::Wake {
            magic: modes.contains(WakeModes::MAGIC),
            unicast: modes.contains(WakeModes::UCAST),
        })
    }
}

/// What a core that is capable of `speeds` and `half_duplex` and has `tx_queues` can offer.
pub(crate) fn capabilities(speeds: &[u32], half_duplex: bool, tx_queues: u32) -> MacCapabilities {
    // CSMA/CD is there for 10 and 100 Mbit/s only, and for one queue only.
    let half = half_duplex && tx_queues <= 1;

    speeds
        .iter()
        .map(|speed| match (speed, half) {
            (10, true) => MacCapabilities::MAC_10,
            (10, false) => MacCapabilities::MAC_10FD,
            (100, true) => MacCapabilities::MAC_100,
            (100, false) => MacCapabilities::MAC_100FD,
            (1000, _) => MacCapabilities::MAC_1000FD,
            (2500, _) => MacCapabilities::MAC_2500FD,
            _ => MacCapabilities::NONE,
        })
        .fold(
            MacCapabilities::SYM_PAUSE | MacCapabilities::ASYM_PAUSE,
            MacCapabilities::union,
        )
}

/// What EEE was defined for.
const LPI_CAPABILITIES: MacCapabilities = MacCapabilities::MAC_100FD
    .union(MacCapabilities::MAC_1000FD)
    .union(MacCapabilities::MAC_2500FD);

/// Idle time before LPI until the user changes it, microseconds: so long that latency does not
/// suffer where there is any traffic.
const LPI_TIMER: u32 = 1_000_000;

/// What the core can wake the system on, where the bus can be told.
fn wake_modes(hw: &Hw<'_>) -> WakeModes {
    let mut modes = WakeModes::NONE;

    if !hw.dev.can_wakeup() {
        return modes;
    }
    if hw.features.magic_packet {
        modes = modes.union(WakeModes::MAGIC);
    }
    if hw.features.remote_wake {
        modes = modes.union(WakeModes::UCAST);
    }
    modes
}

/// What phylink has to know of the core.
fn config(hw: &Hw<'_>, pcs: Option<&Pcs>) -> phylink::Config {
    let features = &hw.features;
    let interface = hw.config.interface;
    let interfaces = match pcs {
        Some(pcs) => pcs.interfaces,
        // Who adds the delays makes no difference to the core.
        None if interface.is_rgmii() => Interfaces::RGMII,
        None => interface.into(),
    };
    // A PCS that is no part of the core is on its GMII.
    let parallel = interface.is_rgmii() || matches!(interface, Interface::Mii | Interface::Gmii);
    let lpi = features.eee && (parallel || pcs.is_some());

    phylink::Config {
        interfaces,
        mac_capabilities: capabilities(
            hw.hwif.mac.speeds(features),
            features.half_duplex,
            features
                .tx_queues
                .min(features.tx_channels)
                .min(hw.config.tx_queues),
        ),
        // The core does not come out of reset without it; so it must not stop in LPI either.
        mac_requires_rxc: true,
        // SGMII tells speed and duplex, and 1000BASE-X negotiates; 2500BASE-X does neither.
        default_an_inband: pcs.is_some_and(|pcs| pcs.interface != Interface::Base2500X),
        // For the same reason the PHY has to wake up first, while a bus comes after its parent.
        mac_managed_pm: true,
        lpi_interfaces: if lpi { interfaces } else { Interfaces::NONE },
        lpi_capabilities: LPI_CAPABILITIES,
        lpi_timer_default: LPI_TIMER,
        eee_enabled_default: true,
        wol_mac_support: wake_modes(hw),
        ..Default::default()
    }
}

/// Link management for the network device of a port; the PCS, if there is to be one, is on `bus`.
///
/// The result must be kept in the data of the network device, never forgotten.
pub(crate) fn new<'a>(
    dev: &'a Device,
    hw: &Arc<Hw<'a>>,
    bus: &Registration<'a>,
) -> Result<impl PinInit<Phylink<'a, LinkOps<'a>>, Error> + 'a> {
    let pcs = hw.config.pcs.as_ref();
    let pcs = pcs.map(|pcs| Pcs::new(hw, bus, pcs)).transpose()?;
    let config = config(hw, pcs.as_ref());
    let fwnode = hw.dev.fwnode();
    let ops = LinkOps {
        hw: hw.clone(),
        pcs,
    };
    let interface = ops.interface();

    // SAFETY: The only caller initialises a field of the data of the network device with this,
    // which is dropped before the device is unbound.
    Ok(unsafe { Phylink::new(dev, fwnode, interface, &config, Ok::<_, Error>(ops)) })
}
