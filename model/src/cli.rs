// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Request};
use crate::fault;
use crate::pcap::Pcap;
use crate::port;
use crate::strict::Mode;
use crate::traffic;
use crate::wire::{open_tap, Endpoint, Ingress, Medium, Notify};

/// A model of Synopsys DesignWare Ethernet MACs for QEMU.
#[derive(Parser, Debug)]
#[command(name = "dwmac-model", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve ports on vfio-user sockets; prints "ready" once all of them listen.
    #[command(after_help = PORT_HELP)]
    Serve(ServeArgs),
    /// Ask or tell a running model something.
    Ctl(CtlArgs),
}

const PORT_HELP: &str = "\
Port options (comma-separated key=value):
  name=NAME         required; wires and commands use it
  socket=PATH       required; the vfio-user socket for QEMU
  id=VVVV:DDDD      16c3:7102 (default); RGMII: 8086:4b30, 4ba0, 4bb0;
                    SGMII: 8086:4b31, 4b32, 4ba1, 4ba2, 4bb1, 4bb2, 54ac
  version=N         0x40, 0x42, 0x51, 0x52 (default)
  queues=N          transmit and receive queues, 1-8 (default 4)
  tx-queues=N, rx-queues=N
  phy=KIND          rtl8211f (default), none
  phy-addr=N        MDIO address, 0-31 (default 1)
  phy-if=KIND       gmii, rgmii, for ids without SGMII (default: gmii for 16c3, rgmii for 8086)
  mac=ADDRESS       what firmware left in MAC_Address0 (default: nothing)
  irq=A+B+C         of intx, msi, msix (default all)
  addr=BITS         bus address width 32, 40 (default), 48
  bus=BITS          data bus width 32, 64 (default), 128
  tx-fifo=BYTES, rx-fifo=BYTES   powers of two, 2048-131072 (default 65536)
  hash=BITS         hash table 0, 64 (default), 128, 256
  mac-addrs=N       address registers beside the first: 0, 1, 3, 7, 15, 31 (default), 63, 127
  edse=0|1          32-byte transmit descriptors can be selected (default: from version 0x51)
  strict=MODE       off, warn, on (default: what --strict says)
  tso=0|1           segmentation of TCP and UDP packets (default 1)
  sph=0|1           header and payload split (default 1)
  sa-vlan-ins=0|1   insertion of source addresses and VLAN tags (default 1)
  vlan-hash=0|1     VLAN hash filter (default 1)
  vlan-filters=N    perfect VLAN filters: 1, 4, 8, 16, 24, 32 (default 4, before version 0x50 only 1)
  dvlan=0|1         double VLAN processing (default 1)
  csr-hz=HZ         CSR clock, which also drives RIWT and MDC (default 200000000)
  ts=0|1            system time and time stamps, IEEE 1588 (default 1)
  ptp-hz=HZ         clock of the system time (default by id: 200000000 for 8086:4ba* and 4bb*,
                    204800000 for other 8086, 250000000 for 16c3:7102)
  eee=0|1           low power idle (default 1)
  pmt=0|1           wake-up by magic packets and filters (default 1)
  l3l4=N            filters for IP addresses and ports, 0-8 (default 8)
  arp=0|1           ARP offload (default 1)
  asp=N             safety package: 0 none, 1 ECC, 2 also parity and timeouts, 3 also
                    parity of the bus (default 2 from version 0x51, else 0)

A configuration file is a JSON object:
  {\"ports\": [{\"name\": \"a\", \"socket\": \"/run/a.sock\", \"queues\": 4}],
   \"wires\": [\"a:b\"], \"pcap\": {\"a\": \"/tmp/a.pcap\"}, \"taps\": {\"c\": \"tap0\"},
   \"control\": \"/run/ctl.sock\"}

QEMU: -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"/run/a.sock\"}}'
with guest memory on a memory-backend-memfd,share=on.

RUST_LOG=dwmac_model=debug shows more.";

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Read ports, wires, captures and TAPs from a JSON file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Add a port; see below for its options.
    #[arg(long, value_name = "OPTIONS")]
    pub port: Vec<String>,
    /// Connect two ports (a:b) or put a loop plug on one (a:loop).
    #[arg(long, value_name = "A:B")]
    pub wire: Vec<String>,
    /// Connect a port to a TAP device of the host, which is created if need be.
    #[arg(long, value_name = "PORT=TAP")]
    pub tap: Vec<String>,
    /// Capture a port's traffic.
    #[arg(long, value_name = "PORT=FILE")]
    pub pcap: Vec<String>,
    /// Time that auto-negotiation takes. Real PHYs take one to three seconds.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub an_time: u64,
    /// Watch for what silicon would suffer in silence: `warn` counts and logs it, `on` fails in the
    /// end, too. A port's own strict= goes first.
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_value = "off", default_missing_value = "on")]
    pub strict: Mode,
    /// Listen for `dwmac-model ctl`.
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
}

/// Options of `ctl`.
#[derive(Args, Debug)]
pub struct CtlArgs {
    /// The control socket of the running model.
    #[arg(long, value_name = "SOCKET")]
    pub control: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// What to ask or tell.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// Requests.
#[derive(Subcommand, Debug)]
pub enum CtlCommand {
    /// List the ports.
    Ports,
    /// Plug a port's cable in or pull it.
    Link {
        /// Plugged or pulled.
        state: UpDown,
        /// The port.
        port: String,
    },
    /// Show all registers of a port, without the side effects of a read.
    Regs {
        /// The port.
        port: String,
    },
    /// Show ring positions and descriptors of a port.
    Rings {
        /// The port.
        port: String,
    },
    /// Show what software did wrong (see --strict), forget it, or change the mode.
    Strict {
        /// The port; all without it.
        port: Option<String>,
        /// clear, off, warn or on.
        set: Option<String>,
    },
    /// Break something on a port, show what is broken, or mend it.
    #[command(after_help = fault::help())]
    Fault {
        /// The port.
        port: String,
        /// list, clear, clear KIND, or one of the kinds below with its arguments.
        #[arg(required = true)]
        spec: Vec<String>,
    },
    /// Let a port receive frames at a set rate, or swallow what it sends.
    #[command(after_help = traffic::HELP)]
    Traffic {
        /// The port.
        port: String,
        /// start [KEY=VALUE...], stop, sink on|off, show.
        #[arg(required = true)]
        spec: Vec<String>,
    },
    /// Show counters of a port.
    Stats {
        /// The port.
        port: String,
    },
}

/// State of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UpDown {
    /// Plugged in.
    Up,
    /// Pulled.
    Down,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    ports: Vec<serde_json::Map<String, Value>>,
    wires: Vec<String>,
    pcap: HashMap<String, PathBuf>,
    taps: HashMap<String, String>,
    control: Option<PathBuf>,
}

/// Ports and what connects them.
#[derive(Default)]
struct Plan {
    ports: Vec<Config>,
    wires: Vec<(String, String)>,
    pcap: HashMap<String, PathBuf>,
    taps: HashMap<String, String>,
    control: Option<PathBuf>,
}

impl Plan {
    fn new(args: &ServeArgs) -> Result<Plan, String> {
        let mut plan = Plan::default();
        let mut wires = Vec::new();
        if let Some(path) = &args.config {
            let text =
                std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let file: File =
                serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
            for map in &file.ports {
                plan.ports
                    .push(Config::from_map(map).map_err(|e| format!("{}: {e}", path.display()))?);
            }
            wires.extend(file.wires);
            plan.pcap = file.pcap;
            plan.taps = file.taps;
            plan.control = file.control;
        }
        for spec in &args.port {
            plan.ports.push(Config::parse(spec)?);
        }
        wires.extend(args.wire.iter().cloned());
        for wire in wires {
            let (a, b) = wire
                .split_once(':')
                .ok_or_else(|| format!("wire '{wire}' is not A:B"))?;
            plan.wires.push((a.to_string(), b.to_string()));
        }
        for (list, what) in [(&args.tap, "tap"), (&args.pcap, "pcap")] {
            for item in list {
                let (port, value) = item
                    .split_once('=')
                    .ok_or_else(|| format!("--{what} '{item}' is not PORT=VALUE"))?;
                if what == "tap" {
                    plan.taps.insert(port.into(), value.into());
                } else {
                    plan.pcap.insert(port.into(), value.into());
                }
            }
        }
        if let Some(path) = &args.control {
            plan.control = Some(path.clone());
        }
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), String> {
        if self.ports.is_empty() {
            return Err("no port: give --port or --config; see dwmac-model serve --help".into());
        }
        let mut names: Vec<&str> = self.ports.iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        if let Some(w) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(format!("two ports are named '{}'", w[0]));
        }
        let mut used: Vec<&str> = Vec::new();
        for (a, b) in &self.wires {
            used.push(a);
            if b != "loop" {
                used.push(b);
            }
        }
        used.extend(self.taps.keys().map(String::as_str));
        for name in used.iter().chain(
            self.pcap
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .iter(),
        ) {
            if !names.contains(name) {
                return Err(format!("no port is named '{name}'"));
            }
        }
        used.sort_unstable();
        if let Some(w) = used.windows(2).find(|w| w[0] == w[1]) {
            return Err(format!("port '{}' has two cables", w[0]));
        }
        Ok(())
    }
}

/// Runs the model until it is killed.
fn serve(args: &ServeArgs) -> Result<(), String> {
    let plan = Plan::new(args)?;
    let clock = Clock::default();
    let notifies: Vec<Arc<Notify>> = plan.ports.iter().map(|_| Arc::default()).collect();
    let ingresses: Vec<Arc<Ingress>> = notifies.iter().map(|n| Ingress::new(n.clone())).collect();
    let index = |name: &str| plan.ports.iter().position(|p| p.name == name);

    let mut media: Vec<Option<(Arc<Medium>, usize)>> = plan.ports.iter().map(|_| None).collect();
    for (a, b) in &plan.wires {
        let Some(i) = index(a) else { continue };
        if b == "loop" {
            media[i] = Some((Medium::looped(&ingresses[i]), 0));
        } else if let Some(k) = index(b) {
            let m = Medium::cable(&ingresses[i], &ingresses[k], &format!("{a}:{b}"));
            media[i] = Some((m.clone(), 0));
            media[k] = Some((m, 1));
        }
    }
    for (name, tap) in &plan.taps {
        let Some(i) = index(name) else { continue };
        let file = open_tap(tap).map_err(|e| {
            format!("TAP {tap}: {e}; creating one needs CAP_NET_ADMIN and /dev/net/tun")
        })?;
        let m = Medium::tap(&ingresses[i], file, tap).map_err(|e| format!("TAP {tap}: {e}"))?;
        media[i] = Some((m, 0));
    }

    let mut ports = Vec::new();
    for (i, cfg) in plan.ports.iter().enumerate() {
        let mut cfg = cfg.clone();
        cfg.strict.get_or_insert(args.strict);
        let (medium, side) = media[i].take().unwrap_or_else(|| (Medium::open(), 0));
        medium.set_an_time(Duration::from_millis(args.an_time));
        let wire = Endpoint::new(medium, side, ingresses[i].clone(), clock.clone());
        let pcap = match plan.pcap.get(&cfg.name) {
            Some(path) => Some(Pcap::create(path).map_err(|e| format!("{}: {e}", path.display()))?),
            None => None,
        };
        ports.push(port::start(
            cfg,
            clock.clone(),
            wire,
            notifies[i].clone(),
            pcap,
        )?);
    }
    let mut sockets: Vec<PathBuf> = plan.ports.iter().map(|p| p.socket.clone()).collect();
    if let Some(path) = &plan.control {
        control::serve(path, ports.clone())?;
        sockets.push(path.clone());
    }
    println!("ready");
    wait_for_end();
    for s in sockets {
        let _ = std::fs::remove_file(s);
    }
    let broken: u64 = ports
        .iter()
        .map(|p| {
            let f = p.lock();
            match f.mac.strict.mode {
                Mode::On => f.mac.strict.total(),
                _ => 0,
            }
        })
        .sum();
    if broken > 0 {
        return Err(format!(
            "{broken} violations of the hardware's rules; see the log"
        ));
    }
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
fn wait_for_end() {
    use nix::sys::signal::{SigSet, Signal};
    let mut set = SigSet::empty();
    set.add(Signal::SIGINT);
    set.add(Signal::SIGTERM);
    // The threads have been started with the signals blocked; see `main`.
    let _ = set.wait();
}

fn ctl(args: &CtlArgs) -> Result<(), String> {
    let port = |p: &String| p.clone();
    let request = match &args.command {
        CtlCommand::Ports => Request::Ports,
        CtlCommand::Link { state, port: p } => Request::Link {
            port: port(p),
            up: *state == UpDown::Up,
        },
        CtlCommand::Regs { port: p } => Request::Regs { port: port(p) },
        CtlCommand::Rings { port: p } => Request::Rings { port: port(p) },
        CtlCommand::Strict { port: p, set } => Request::Strict {
            port: p.clone(),
            set: set.clone(),
        },
        CtlCommand::Fault { port: p, spec } => Request::Fault {
            port: port(p),
            spec: spec.join(" "),
        },
        CtlCommand::Traffic { port: p, spec } => Request::Traffic {
            port: port(p),
            spec: spec.join(" "),
        },
        CtlCommand::Stats { port: p } => Request::Stats { port: port(p) },
    };
    let answer = control::call(Path::new(&args.control), &request)?;
    if args.json {
        println!("{answer}");
    } else {
        print!("{}", control::text(&answer));
    }
    Ok(())
}

/// Runs a command.
pub fn run(cli: &Cli) -> Result<(), String> {
    match &cli.command {
        Command::Serve(args) => serve(args),
        Command::Ctl(args) => ctl(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    fn plan(args: &[&str]) -> Result<Plan, String> {
        let cli = Cli::parse_from(["dwmac-model", "serve"].iter().chain(args));
        match cli.command {
            Command::Serve(a) => Plan::new(&a),
            Command::Ctl(_) => unreachable!(),
        }
    }

    #[test]
    fn plans_are_checked() {
        let a = "name=a,socket=/x/a";
        let b = "name=b,socket=/x/b";
        assert!(plan(&["--port", a, "--port", b, "--wire", "a:b"]).is_ok());
        assert!(plan(&["--port", a, "--wire", "a:loop"]).is_ok());
        for (args, word) in [
            (vec!["--port", a, "--port", a], "two ports"),
            (vec!["--port", a, "--wire", "a:b"], "'b'"),
            (
                vec!["--port", a, "--wire", "a:loop", "--tap", "a=t"],
                "two cables",
            ),
            (vec!["--port", a, "--pcap", "z=t"], "'z'"),
            (vec![], "no port"),
        ] {
            let e = plan(&args).err().unwrap();
            assert!(e.contains(word), "{e}");
        }
    }

    #[test]
    fn configuration_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.json");
        std::fs::write(
            &path,
            r#"{"ports":[{"name":"a","socket":"/x","queues":2}],"wires":["a:loop"]}"#,
        )
        .unwrap();
        let p = plan(&["--config", path.to_str().unwrap()]).unwrap();
        assert_eq!(p.ports[0].rx_queues, 2);
        assert_eq!(p.wires.len(), 1);
        std::fs::write(&path, r#"{"port":[]}"#).unwrap();
        assert!(plan(&["--config", path.to_str().unwrap()]).is_err());
    }
}
