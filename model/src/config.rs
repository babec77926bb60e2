// SPDX-License-Identifier: GPL-2.0

//! What a port is: its PCI identity, its synthesis options, and the PHY beside it.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::strict::Mode;

/// The interrupt kinds that the PCI function offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IrqKinds {
    /// Legacy interrupt pin.
    pub intx: bool,
    /// MSI capability.
    pub msi: bool,
    /// MSI-X capability.
    pub msix: bool,
}

impl FromStr for IrqKinds {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let mut kinds = IrqKinds {
            intx: false,
            msi: false,
            msix: false,
        };
        for kind in s.split('+') {
            match kind {
                "intx" => kinds.intx = true,
                "msi" => kinds.msi = true,
                "msix" => kinds.msix = true,
                _ => {
                    return Err(format!(
                        "unknown interrupt kind '{kind}': use intx, msi, msix"
                    ))
                }
            }
        }
        Ok(kinds)
    }
}

/// The PHY on a port's MDIO bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhyKind {
    /// Realtek RTL8211F.
    Rtl8211f,
    /// No PHY answers.
    None,
}

/// The interface between MAC and PHY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhyInterface {
    /// GMII.
    Gmii,
    /// RGMII.
    Rgmii,
    /// SGMII, by a PCS on the core's GMII.
    Sgmii,
}

/// One port of the model.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name by which wires and commands refer to the port.
    pub name: String,
    /// Path of the vfio-user socket.
    pub socket: PathBuf,
    /// PCI vendor and device id.
    pub id: (u16, u16),
    /// Synopsys release, as in MAC_Version.
    pub version: u8,
    /// Number of transmit queues and channels.
    pub tx_queues: usize,
    /// Number of receive queues and channels.
    pub rx_queues: usize,
    /// The PHY.
    pub phy: PhyKind,
    /// Its MDIO address.
    pub phy_addr: u8,
    /// How the MAC is connected to it.
    pub phy_if: PhyInterface,
    /// Width of bus addresses.
    pub addr_bits: u8,
    /// Width of the data bus in bits; DSL and the alignment of descriptors count in it.
    pub bus_bits: u8,
    /// Transmit FIFO in bytes.
    pub tx_fifo: u32,
    /// Receive FIFO in bytes.
    pub rx_fifo: u32,
    /// Size of the hash table, 0 for none.
    pub hash_bits: u16,
    /// Number of MAC address registers beside the first.
    pub mac_addrs: u8,
    /// Frequency of the CSR clock, which also drives RIWT.
    pub csr_hz: u64,
    /// Address that firmware left in MAC_Address0.
    pub mac: Option<[u8; 6]>,
    /// Whether channels can use the 32-byte transmit descriptors of release 5.10 (EDSE).
    pub edse: bool,
    /// Segmentation of TCP and UDP packets.
    pub tso: bool,
    /// Header and payload of received packets in different buffers.
    pub sph: bool,
    /// Insertion and replacement of source addresses and VLAN tags.
    pub sa_vlan_ins: bool,
    /// VLAN hash filter.
    pub vlan_hash: bool,
    /// Number of perfect VLAN filters; 1 is the one in MAC_VLAN_Tag, more are extended ones.
    pub vlan_filters: u8,
    /// Double VLAN processing.
    pub dvlan: bool,
    /// Interrupt kinds offered.
    pub irq: IrqKinds,
    /// What is done when software breaks the hardware's rules; `None`: what all ports do.
    pub strict: Option<Mode>,
    /// System time and time stamps (IEEE 1588).
    pub ts: bool,
    /// Frequency of the clock that drives the system time.
    pub ptp_hz: u64,
    /// Low power idle (EEE).
    pub eee: bool,
    /// Magic packets and remote wake-up filters.
    pub pmt: bool,
    /// Number of filters for IP addresses and ports.
    pub l3l4: u8,
    /// ARP offload.
    pub arp: bool,
    /// Safety package: 1 is ECC, 2 adds parity and timeouts, 3 parity of the bus.
    pub asp: u8,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: String::new(),
            socket: PathBuf::new(),
            id: (0x16c3, 0x7102),
            version: 0x52,
            tx_queues: 4,
            rx_queues: 4,
            phy: PhyKind::Rtl8211f,
            phy_addr: 1,
            phy_if: PhyInterface::Gmii,
            addr_bits: 40,
            bus_bits: 64,
            tx_fifo: 65536,
            rx_fifo: 65536,
            hash_bits: 64,
            mac_addrs: 31,
            csr_hz: 200_000_000,
            mac: None,
            edse: true,
            tso: true,
            sph: true,
            sa_vlan_ins: true,
            vlan_hash: true,
            vlan_filters: 4,
            dvlan: true,
            irq: IrqKinds {
                intx: true,
                msi: true,
                msix: true,
            },
            strict: None,
            ts: true,
            ptp_hz: 250_000_000,
            eee: true,
            pmt: true,
            l3l4: 8,
            arp: true,
            asp: 2,
        }
    }
}

/// PCI identities that the model takes.
pub const IDS: [(u16, u16); 11] = [
    (0x16c3, 0x7102),
    (0x8086, 0x4b30),
    (0x8086, 0x4b31),
    (0x8086, 0x4b32),
    (0x8086, 0x4ba0),
    (0x8086, 0x4ba1),
    (0x8086, 0x4ba2),
    (0x8086, 0x4bb0),
    (0x8086, 0x4bb1),
    (0x8086, 0x4bb2),
    (0x8086, 0x54ac),
];

/// Releases that the model takes.
pub const VERSIONS: [u8; 4] = [0x40, 0x42, 0x51, 0x52];

impl Config {
    /// Whether the MAC has an RGMII.
    pub fn is_rgmii(&self) -> bool {
        self.phy_if == PhyInterface::Rgmii
    }

    /// Whether an XPCS and a SerDes are between the MAC and the PHY.
    pub fn is_sgmii(&self) -> bool {
        self.phy_if == PhyInterface::Sgmii
    }

    /// Whether this is a port of Elkhart Lake's PSE.
    pub fn is_pse(&self) -> bool {
        matches!(self.id, (0x8086, 0x4ba0..=0x4ba2 | 0x4bb0..=0x4bb2))
    }

    /// Width of the data bus in bytes.
    pub fn bus_bytes(&self) -> u32 {
        u32::from(self.bus_bits) / 8
    }

    /// Writable bits of the high half of a descriptor list address.
    pub fn addr_hi_mask(&self) -> u32 {
        match self.addr_bits {
            32 => 0,
            bits => (1 << (bits - 32)) - 1,
        }
    }

    /// Number of DMA channels.
    pub fn channels(&self) -> usize {
        self.tx_queues.max(self.rx_queues)
    }

    /// Parses `key=value,...`; see `dwmac-model serve --help` for the keys.
    pub fn parse(spec: &str) -> Result<Config, String> {
        let mut cfg = Config::default();
        let mut late = Late::default();
        for item in spec.split(',').filter(|s| !s.is_empty()) {
            let (key, value) = item
                .split_once('=')
                .ok_or_else(|| format!("port option '{item}' is not key=value"))?;
            cfg.set(key, value, &mut late)
                .map_err(|e| format!("port option '{item}': {e}"))?;
        }
        cfg.finish(&late)
    }

    /// Takes the options of one port from a configuration file.
    pub fn from_map(map: &serde_json::Map<String, serde_json::Value>) -> Result<Config, String> {
        let mut cfg = Config::default();
        let mut late = Late::default();
        for (key, value) in map {
            let text = match value {
                serde_json::Value::String(s) => s.clone(),
                other => other.to_string(),
            };
            cfg.set(key, &text, &mut late)
                .map_err(|e| format!("port option '{key}': {e}"))?;
        }
        cfg.finish(&late)
    }

    fn finish(mut self, late: &Late) -> Result<Config, String> {
        if self.name.is_empty() {
            return Err("a port needs name=".into());
        }
        if self.socket.as_os_str().is_empty() {
            return Err(format!("port '{}' needs socket=", self.name));
        }
        self.edse = late.edse.unwrap_or(self.version >= 0x51);
        // Extended filters came with release 5.00.
        self.vlan_filters = match (late.vlan_filters, self.version) {
            (Some(n @ 2..), ..0x50) => {
                return Err(format!(
                    "port '{}': vlan-filters={n} needs version 0x51 or 0x52",
                    self.name
                ))
            }
            (Some(n), _) => n,
            (None, ..0x50) => 1,
            (None, _) => 4,
        };
        let wired = match self.id {
            (0x8086, 0x4b30 | 0x4ba0 | 0x4bb0) => PhyInterface::Rgmii,
            (0x8086, _) => PhyInterface::Sgmii,
            _ => PhyInterface::Gmii,
        };
        if wired == PhyInterface::Sgmii && late.phy_if.is_some() {
            return Err(format!(
                "port '{}': phy-if is not for {:04x}:{:04x}, which has SGMII only",
                self.name, self.id.0, self.id.1
            ));
        }
        self.phy_if = late.phy_if.unwrap_or(wired);
        // The safety package came with release 5.
        self.asp = match (late.asp, self.version >= 0x50) {
            (Some(asp), true) => asp,
            (Some(0) | None, false) => 0,
            (Some(_), false) => return Err("asp needs version 0x51 or later".into()),
            (None, true) => 2,
        };
        self.ptp_hz = late.ptp_hz.unwrap_or(match self.id {
            // Elkhart Lake: the PCH and the two PSE ports have clocks of their own.
            (0x8086, _) if self.is_pse() => 200_000_000,
            (0x8086, _) => 204_800_000,
            _ => 250_000_000,
        });
        Ok(self)
    }

    fn set(&mut self, key: &str, value: &str, late: &mut Late) -> Result<(), String> {
        match key {
            "name" => self.name = value.to_string(),
            "socket" => self.socket = value.into(),
            "id" => {
                let (v, d) = value.split_once(':').ok_or("use vendor:device in hex")?;
                let hex = |s| u16::from_str_radix(s, 16).map_err(|e| e.to_string());
                let id = (hex(v)?, hex(d)?);
                if !IDS.contains(&id) {
                    let known: Vec<_> = IDS
                        .iter()
                        .map(|(v, d)| format!("{v:04x}:{d:04x}"))
                        .collect();
                    return Err(format!("unknown; use one of {}", known.join(", ")));
                }
                self.id = id;
            }
            "version" => {
                let v = number(value)?;
                self.version = *VERSIONS
                    .iter()
                    .find(|x| u64::from(**x) == v)
                    .ok_or("unknown; use 0x40, 0x42, 0x51 or 0x52")?;
            }
            "queues" => {
                self.tx_queues = range(value, 1, 8)? as usize;
                self.rx_queues = self.tx_queues;
            }
            "tx-queues" => self.tx_queues = range(value, 1, 8)? as usize,
            "rx-queues" => self.rx_queues = range(value, 1, 8)? as usize,
            "phy" => {
                self.phy = match value {
                    "rtl8211f" => PhyKind::Rtl8211f,
                    "none" => PhyKind::None,
                    _ => return Err("unknown; use rtl8211f or none".into()),
                }
            }
            "phy-addr" => self.phy_addr = range(value, 0, 31)? as u8,
            "phy-if" => {
                late.phy_if = Some(match value {
                    "gmii" => PhyInterface::Gmii,
                    "rgmii" => PhyInterface::Rgmii,
                    _ => return Err("unknown; use gmii or rgmii".into()),
                })
            }
            "addr" => self.addr_bits = one_of(value, &[32, 40, 48])? as u8,
            "bus" => self.bus_bits = one_of(value, &[32, 64, 128])? as u8,
            "tx-fifo" => self.tx_fifo = fifo(value)?,
            "rx-fifo" => self.rx_fifo = fifo(value)?,
            "hash" => self.hash_bits = one_of(value, &[0, 64, 128, 256])? as u16,
            "mac-addrs" => self.mac_addrs = one_of(value, &[0, 1, 3, 7, 15, 31, 63, 127])? as u8,
            "csr-hz" => self.csr_hz = range(value, 1_000_000, 1_000_000_000)?,
            "mac" => self.mac = Some(parse_mac(value)?),
            "edse" => late.edse = Some(switch(value)?),
            "tso" => self.tso = switch(value)?,
            "sph" => self.sph = switch(value)?,
            "sa-vlan-ins" => self.sa_vlan_ins = switch(value)?,
            "vlan-hash" => self.vlan_hash = switch(value)?,
            "vlan-filters" => {
                late.vlan_filters = Some(one_of(value, &[1, 4, 8, 16, 24, 32])? as u8)
            }
            "dvlan" => self.dvlan = switch(value)?,
            "irq" => self.irq = value.parse()?,
            "strict" => self.strict = Some(value.parse()?),
            "ts" => self.ts = switch(value)?,
            "eee" => self.eee = switch(value)?,
            "pmt" => self.pmt = switch(value)?,
            "l3l4" => self.l3l4 = range(value, 0, 8)? as u8,
            "arp" => self.arp = switch(value)?,
            "asp" => late.asp = Some(range(value, 0, 3)? as u8),
            "ptp-hz" => late.ptp_hz = Some(range(value, 1_000_000, 1_000_000_000)?),
            _ => return Err("no such option; see dwmac-model serve --help".into()),
        }
        Ok(())
    }
}

/// Options whose default depends on others.
#[derive(Default)]
struct Late {
    phy_if: Option<PhyInterface>,
    edse: Option<bool>,
    vlan_filters: Option<u8>,
    ptp_hz: Option<u64>,
    asp: Option<u8>,
}

fn number(s: &str) -> Result<u64, String> {
    match s.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => s.parse(),
    }
    .map_err(|e| e.to_string())
}

fn range(s: &str, min: u64, max: u64) -> Result<u64, String> {
    let n = number(s)?;
    if (min..=max).contains(&n) {
        Ok(n)
    } else {
        Err(format!("use {min} to {max}"))
    }
}

fn one_of(s: &str, choices: &[u64]) -> Result<u64, String> {
    let n = number(s)?;
    if choices.contains(&n) {
        Ok(n)
    } else {
        Err(format!("use one of {choices:?}"))
    }
}

fn switch(s: &str) -> Result<bool, String> {
    Ok(one_of(s, &[0, 1])? == 1)
}

fn fifo(s: &str) -> Result<u32, String> {
    let n = range(s, 2048, 131_072)?;
    if n.is_power_of_two() {
        Ok(n as u32)
    } else {
        Err("use a power of two".into())
    }
}

fn parse_mac(s: &str) -> Result<[u8; 6], String> {
    let bytes: Result<Vec<u8>, _> = s.split(':').map(|b| u8::from_str_radix(b, 16)).collect();
    bytes
        .ok()
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| "use xx:xx:xx:xx:xx:xx".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_full_line() {
        let c = Config::parse(
            "name=a,socket=/run/a,id=8086:4b30,version=0x51,queues=8,rx-queues=2,mac=02:00:00:00:00:01,irq=msi+intx",
        )
        .unwrap();
        assert_eq!(c.id, (0x8086, 0x4b30));
        assert_eq!((c.tx_queues, c.rx_queues, c.version), (8, 2, 0x51));
        assert!(c.is_rgmii() && c.irq.msi && !c.irq.msix);
        assert_eq!(c.mac, Some([2, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn wiring_and_clock_go_with_the_id() {
        for (id, phy_if, ptp_hz) in [
            ("16c3:7102", PhyInterface::Gmii, 250_000_000),
            ("8086:4b30", PhyInterface::Rgmii, 204_800_000),
            ("8086:4b32", PhyInterface::Sgmii, 204_800_000),
            ("8086:4ba0", PhyInterface::Rgmii, 200_000_000),
            ("8086:4bb1", PhyInterface::Sgmii, 200_000_000),
            ("8086:54ac", PhyInterface::Sgmii, 204_800_000),
        ] {
            let c = Config::parse(&format!("name=a,socket=/x,id={id}")).unwrap();
            assert_eq!((c.phy_if, c.ptp_hz), (phy_if, ptp_hz), "{id}");
        }
        assert!(Config::parse("name=a,socket=/x,id=8086:4b32,phy-if=rgmii").is_err());
    }

    #[test]
    fn errors_name_the_option() {
        for bad in [
            "name=a,socket=/x,id=1234:5678",
            "name=a,socket=/x,version=0x53",
            "name=a,socket=/x,queues=9",
            "name=a,socket=/x,rx-fifo=3000",
            "name=a,socket=/x,version=0x42,vlan-filters=4",
            "name=a,socket=/x,what=1",
            "name=a,socket=/x,strict=maybe",
        ] {
            let e = Config::parse(bad).unwrap_err();
            let option = bad.rsplit(',').next().unwrap();
            assert!(e.contains(option), "{e}");
        }
        assert!(Config::parse("socket=/x").is_err());
        assert!(Config::parse("name=a").is_err());
    }
}
