// SPDX-License-Identifier: GPL-2.0

//! A port at work: a thread that serves its client and one that moves frames.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::backend::{self, Backend};
use crate::clock::Clock;
use crate::config::Config;
use crate::gmac::{Ack, Gmac};
use crate::pcap::Pcap;
use crate::pci::Function;
use crate::wire::{Endpoint, Notify};

/// Frames moved while the lock is held.
const BUDGET: usize = 16;

/// What the threads of a port share.
pub struct Shared {
    /// The port's name.
    pub name: String,
    /// Its end of the wire.
    pub wire: Arc<Endpoint>,
    function: Mutex<Function>,
    waiting: AtomicUsize,
    notify: Arc<Notify>,
}

impl Shared {
    /// Locks the function; the worker makes way.
    pub fn lock(&self) -> MutexGuard<'_, Function> {
        if let Some(guard) = self.function.try_lock() {
            return guard;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.function.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Wakes the worker.
    pub fn kick(&self) {
        self.notify.wake();
    }

    fn work(&self) {
        loop {
            let deadline = {
                let mut f = self.function.lock();
                loop {
                    let more = f.mac.service(BUDGET);
                    f.update_irq(Ack::None);
                    if !more {
                        break;
                    }
                    if self.waiting.load(Ordering::Relaxed) > 0 {
                        MutexGuard::bump(&mut f);
                    }
                }
                f.mac.deadline().map(|at| at.saturating_sub(f.mac.now()))
            };
            self.notify.wait(deadline);
        }
    }
}

/// Starts a port: its socket accepts clients when this returns.
pub fn start(
    cfg: Config,
    clock: Clock,
    wire: Endpoint,
    notify: Arc<Notify>,
    pcap: Option<Pcap>,
) -> Result<Arc<Shared>, String> {
    let wire = Arc::new(wire);
    let socket = cfg.socket.clone();
    let name = cfg.name.clone();
    let fail = |e: String| format!("port '{name}': {e}");
    remove_stale(&socket).map_err(|e| fail(format!("socket {}: {e}", socket.display())))?;
    let server = backend::listen(&cfg, &socket).map_err(|e| {
        fail(format!(
            "cannot listen on {}: {e}; does the directory exist and is it writable?",
            socket.display()
        ))
    })?;
    let mut mac = Gmac::new(cfg, clock, wire.clone());
    if let Some(pcap) = pcap {
        mac.set_pcap(pcap);
    }
    let shared = Arc::new(Shared {
        name: name.clone(),
        wire,
        function: Mutex::new(Function::new(mac)),
        waiting: AtomicUsize::new(0),
        notify,
    });

    let s = shared.clone();
    std::thread::Builder::new()
        .name(format!("work-{name}"))
        .spawn(move || s.work())
        .map_err(|e| fail(e.to_string()))?;

    let s = shared.clone();
    std::thread::Builder::new()
        .name(format!("serve-{name}"))
        .spawn(move || loop {
            let mut backend = Backend::new(s.clone());
            // The crate panics on malformed version data; that ends this client, not the port.
            let result =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.run(&mut backend)));
            match result {
                Ok(Ok(())) => tracing::info!("{}: client left", s.name),
                Ok(Err(e)) => tracing::warn!("{}: client lost: {e}", s.name),
                Err(_) => tracing::error!("{}: client sent nonsense", s.name),
            }
            s.lock().disconnect();
            s.kick();
        })
        .map_err(|e| fail(e.to_string()))?;
    Ok(shared)
}

/// Removes a socket that nobody listens on.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !meta.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "exists and is not a socket",
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens on it",
        )),
        Err(_) => std::fs::remove_file(path),
    }
}
