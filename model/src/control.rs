// SPDX-License-Identifier: GPL-2.0

//! The control socket: a JSON object a line for the request, one for the answer.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::port::{remove_stale, Shared};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
pub enum Request {
    /// Names and states of all ports.
    Ports,
    /// Connect or disconnect a port's cable.
    Link {
        /// The port.
        port: String,
        /// Connected.
        up: bool,
    },
    /// All registers, without side effects.
    Regs {
        /// The port.
        port: String,
    },
    /// Positions and descriptors of all rings.
    Rings {
        /// The port.
        port: String,
    },
    /// Counters.
    Stats {
        /// The port.
        port: String,
    },
}

/// Answers a request.
pub fn handle(ports: &[Arc<Shared>], request: &Request) -> Result<Value, String> {
    let find = |name: &str| {
        ports.iter().find(|p| p.name == name).ok_or_else(|| {
            let names: Vec<_> = ports.iter().map(|p| p.name.as_str()).collect();
            format!("no port '{name}'; there are: {}", names.join(", "))
        })
    };
    match request {
        Request::Ports => Ok(ports
            .iter()
            .map(|p| {
                let f = p.lock();
                let link = f.mac.link();
                json!({
                    "name": p.name,
                    "id": format!("{:04x}:{:04x}", f.mac.cfg.id.0, f.mac.cfg.id.1),
                    "version": format!("{:#x}", f.mac.cfg.version),
                    "wire": p.wire.medium().label(),
                    "carrier": link.up,
                    "speed": link.speed,
                })
            })
            .collect()),
        Request::Link { port, up } => {
            let p = find(port)?;
            let now = p.lock().mac.now();
            p.wire.medium().set_admin(p.wire.side(), *up, now);
            Ok(json!({}))
        }
        Request::Regs { port } => {
            let mut f = find(port)?.lock();
            Ok(f.mac.snapshot())
        }
        Request::Rings { port } => Ok(find(port)?.lock().mac.rings()),
        Request::Stats { port } => {
            let f = find(port)?.lock();
            let mut v = serde_json::to_value(&f.mac.stats).map_err(|e| e.to_string())?;
            v["interrupts"] = f.irq.fired.into();
            v["dma_maps"] = f.mac.mem.len().into();
            Ok(v)
        }
    }
}

/// Listens on the control socket.
pub fn serve(path: &Path, ports: Vec<Arc<Shared>>) -> Result<(), String> {
    let fail = |e: std::io::Error| {
        format!(
            "control socket {}: {e}; does the directory exist and is it writable?",
            path.display()
        )
    };
    remove_stale(path).map_err(fail)?;
    let listener = UnixListener::bind(path).map_err(fail)?;
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let ports = ports.clone();
                let _ = std::thread::Builder::new()
                    .name("control-client".into())
                    .spawn(move || client(stream, &ports));
            }
        })
        .map_err(fail)?;
    Ok(())
}

fn client(stream: UnixStream, ports: &[Arc<Shared>]) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else {
            return;
        };
        let result = serde_json::from_str::<Request>(&line)
            .map_err(|e| format!("not a request: {e}"))
            .and_then(|r| handle(ports, &r));
        let answer = match result {
            Ok(v) => json!({"ok": v}),
            Err(e) => json!({"error": e}),
        };
        if writeln!(out, "{answer}").is_err() {
            return;
        }
    }
}

/// Sends a request and waits for the answer.
pub fn call(path: &Path, request: &Request) -> Result<Value, String> {
    let fail = |e: std::io::Error| {
        format!(
            "control socket {}: {e}; is dwmac-model serve running with this --control?",
            path.display()
        )
    };
    let mut stream = UnixStream::connect(path).map_err(fail)?;
    let line = serde_json::to_string(request).map_err(|e| e.to_string())?;
    writeln!(stream, "{line}").map_err(fail)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(fail)?;
    let mut v: Value = serde_json::from_str(&answer).map_err(|e| format!("bad answer: {e}"))?;
    match v.get("error").and_then(Value::as_str) {
        Some(e) => Err(e.to_string()),
        None => Ok(v["ok"].take()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_a_plain_form() {
        let r: Request = serde_json::from_str(r#"{"cmd":"link","port":"a","up":false}"#).unwrap();
        assert_eq!(
            r,
            Request::Link {
                port: "a".into(),
                up: false
            }
        );
        assert!(serde_json::from_str::<Request>(r#"{"cmd":"reboot"}"#).is_err());
    }

    #[test]
    fn unknown_port_is_named() {
        let e = handle(&[], &Request::Regs { port: "x".into() }).unwrap_err();
        assert!(e.contains("'x'"));
    }
}
