// SPDX-License-Identifier: GPL-2.0

//! The control socket.
//!
//! A request is a line. One that is a JSON object is answered by a JSON object in a line; one in
//! plain words (`link down a`) by lines of text, the last of which is `ok` or `error: ...`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::port::{remove_stale, Shared};
use crate::strict::Mode;

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
    /// What software did wrong, of one port or all.
    Strict {
        /// The port.
        #[serde(default)]
        port: Option<String>,
        /// `clear`, or a mode to change to.
        #[serde(default)]
        set: Option<String>,
    },
    /// Breaks something, or mends it.
    Fault {
        /// The port.
        port: String,
        /// `list`, `clear [KIND]`, or a kind with its arguments.
        spec: String,
    },
    /// Makes and takes frames.
    Traffic {
        /// The port.
        port: String,
        /// `start [ARGS]`, `stop`, `sink on|off` or `show`.
        spec: String,
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
                    "strict": f.mac.strict.mode,
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
        Request::Strict { port, set } => {
            let one = port.as_deref().map(find).transpose()?;
            let mut all = Vec::new();
            for p in one.map_or(ports, std::slice::from_ref) {
                let mut f = p.lock();
                let strict = &mut f.mac.strict;
                match set.as_deref() {
                    None => all.extend(strict.list()),
                    Some("clear") => strict.clear(),
                    Some(mode) => strict.mode = mode.parse::<Mode>()?,
                }
            }
            Ok(all.into())
        }
        Request::Fault { port, spec } => {
            let p = find(port)?;
            let answer = p.lock().mac.fault(spec);
            // Timers may have to be set.
            p.kick();
            answer
        }
        Request::Traffic { port, spec } => {
            let p = find(port)?;
            let answer = p.lock().mac.traffic(spec);
            p.kick();
            answer
        }
        Request::Stats { port } => {
            let f = find(port)?.lock();
            let mut v = serde_json::to_value(&f.mac.stats).map_err(|e| e.to_string())?;
            v["violations"] = f.mac.strict.counts();
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
        if line.trim().is_empty() {
            continue;
        }
        if out.write_all(answer(ports, &line).as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(ports: &[Arc<Shared>], line: &str) -> String {
    if line.trim_start().starts_with('{') {
        let result = serde_json::from_str::<Request>(line)
            .map_err(|e| format!("not a request: {e}"))
            .and_then(|r| handle(ports, &r));
        return match result {
            Ok(v) => format!("{}\n", json!({"ok": v})),
            Err(e) => format!("{}\n", json!({"error": e})),
        };
    }
    match parse(line).and_then(|r| handle(ports, &r)) {
        Ok(v) => text(&v) + "ok\n",
        Err(e) => format!("error: {e}\n"),
    }
}

const USAGE: &str =
    "ports | link up|down PORT | regs PORT | rings PORT | stats PORT | strict [PORT [clear|off|warn|on]] | \
     fault PORT list|help|clear|KIND [ARGS] | traffic PORT start [ARGS]|stop|sink on|off|show";

/// A request in words.
pub fn parse(line: &str) -> Result<Request, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words[..] {
        ["ports"] => Request::Ports,
        ["link", state @ ("up" | "down"), port] => Request::Link {
            port: port.into(),
            up: state == "up",
        },
        ["regs", port] => Request::Regs { port: port.into() },
        ["rings", port] => Request::Rings { port: port.into() },
        ["strict"] => Request::Strict {
            port: None,
            set: None,
        },
        ["strict", port] => Request::Strict {
            port: Some(port.into()),
            set: None,
        },
        ["strict", port, set] => Request::Strict {
            port: Some(port.into()),
            set: Some(set.into()),
        },
        ["fault", port, ref spec @ ..] if !spec.is_empty() => Request::Fault {
            port: port.into(),
            spec: spec.join(" "),
        },
        ["traffic", port, ref spec @ ..] if !spec.is_empty() => Request::Traffic {
            port: port.into(),
            spec: spec.join(" "),
        },
        ["stats", port] => Request::Stats { port: port.into() },
        _ => return Err(format!("'{}' is no command; use {USAGE}", line.trim())),
    })
}

fn plain(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// An answer for people.
pub fn text(v: &Value) -> String {
    let mut out = String::new();
    write_text(&mut out, v, 0);
    out
}

fn write_text(out: &mut String, v: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    let nested = |v: &Value| v.is_object() || v.is_array();
    match v {
        Value::Object(map) => {
            for (k, v) in map {
                if nested(v) {
                    *out += &format!("{pad}{k}:\n");
                    write_text(out, v, indent + 2);
                } else {
                    *out += &format!("{pad}{k}: {}\n", plain(v));
                }
            }
        }
        Value::Array(list) => {
            for (i, v) in list.iter().enumerate() {
                match v {
                    // A record that says itself how to show it.
                    Value::Object(map) if map.contains_key("line") => {
                        *out += &format!("{pad}{}\n", plain(&map["line"]));
                    }
                    // A flat record: one line.
                    Value::Object(map) if !map.values().any(nested) => {
                        let cells: Vec<_> = map
                            .iter()
                            .map(|(k, v)| format!("{k}={}", plain(v)))
                            .collect();
                        *out += &format!("{pad}{}\n", cells.join(" "));
                    }
                    v if nested(v) => {
                        *out += &format!("{pad}[{i}]\n");
                        write_text(out, v, indent + 2);
                    }
                    v => *out += &format!("{pad}{}\n", plain(v)),
                }
            }
        }
        v => *out += &format!("{pad}{}\n", plain(v)),
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
    BufReader::new(stream)
        .read_line(&mut answer)
        .map_err(fail)?;
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
    fn words_and_text() {
        assert_eq!(
            parse("link up b").unwrap(),
            serde_json::from_str(r#"{"cmd":"link","port":"b","up":true}"#).unwrap()
        );
        assert_eq!(
            parse("fault a bus-error rx-desc channel=1").unwrap(),
            Request::Fault {
                port: "a".into(),
                spec: "bus-error rx-desc channel=1".into()
            }
        );
        assert!(parse("fault a").is_err());
        assert_eq!(
            parse("strict a clear").unwrap(),
            serde_json::from_str(r#"{"cmd":"strict","port":"a","set":"clear"}"#).unwrap()
        );
        assert_eq!(
            parse("strict").unwrap(),
            serde_json::from_str(r#"{"cmd":"strict"}"#).unwrap()
        );
        assert_eq!(text(&json!([{"line": "what", "n": 1}])), "what\n");
        assert!(answer(&[], "link sideways a").starts_with("error: "));
        assert_eq!(answer(&[], "ports"), "ok\n");
        assert_eq!(answer(&[], r#"{"cmd":"ports"}"#), "{\"ok\":[]}\n");
        let v = json!({"a": 1, "l": [{"x": "y"}, 3]});
        assert_eq!(text(&v), "a: 1\nl:\n  x=y\n  3\n");
    }

    #[test]
    fn unknown_port_is_named() {
        let e = handle(&[], &Request::Regs { port: "x".into() }).unwrap_err();
        assert!(e.contains("'x'"));
    }
}
