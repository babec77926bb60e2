// SPDX-License-Identifier: GPL-2.0

//! The MAC side of the link.

use kernel::{
    net::phylink::{
        self,
        Interface,
        Interfaces,
        LinkState,
        MacCapabilities,
        MacOps,
        Mode,
        Phylink, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    hw::Hw,
    hwif,
    netdev::Device, //
};

/// Tells the core what phylink decides.
pub(crate) struct LinkOps<'a> {
    hw: Arc<Hw<'a>>,
}

#[vtable]
impl MacOps for LinkOps<'_> {
    fn config(&self, _mode: Mode, _state: &LinkState) {
        // The interface is a matter of how the core is wired; nothing in it is to be set.
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
            stop_clock,
        }));
        Ok(())
    }

    fn disable_tx_lpi(&self) {
        self.hw.set_lpi(None);
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

/// What phylink has to know of the core.
fn config(hw: &Hw<'_>) -> phylink::Config {
    let features = &hw.features;
    let interface = hw.config.interface;
    let interfaces = if interface.is_rgmii() {
        // Who adds the delays makes no difference to the core.
        Interfaces::RGMII
    } else {
        interface.into()
    };
    let lpi = features.eee
        && (interface.is_rgmii() || matches!(interface, Interface::Mii | Interface::Gmii));

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
        lpi_interfaces: if lpi { interfaces } else { Interfaces::NONE },
        lpi_capabilities: LPI_CAPABILITIES,
        lpi_timer_default: LPI_TIMER,
        eee_enabled_default: true,
        ..Default::default()
    }
}

/// Link management for the network device of a port.
///
/// The result must be kept in the data of the network device, never forgotten.
pub(crate) fn new<'a>(
    dev: &'a Device,
    hw: &Arc<Hw<'a>>,
) -> impl PinInit<Phylink<'a, LinkOps<'a>>, Error> + 'a {
    let ops = LinkOps { hw: hw.clone() };

    // SAFETY: The only caller initialises a field of the data of the network device with this,
    // which is dropped before the device is unbound.
    unsafe {
        Phylink::new(
            dev,
            hw.dev.fwnode(),
            hw.config.interface,
            &config(hw),
            Ok::<_, Error>(ops),
        )
    }
}
