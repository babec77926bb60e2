// SPDX-License-Identifier: GPL-2.0

//! A port behind its socket, and a client that does what QEMU does.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dwmac_model::clock::Clock;
use dwmac_model::config::Config;
use dwmac_model::control::{self, Request};
use dwmac_model::desc::{FD, LD, OWN, RX_BUF1V, RX_IOC};
use dwmac_model::port::{self, Shared};
use dwmac_model::regs::gmac4::*;
use dwmac_model::wire::{Endpoint, Ingress, Medium, Notify};
use nix::sys::eventfd::EventFd;
use vfio_bindings::bindings::vfio::*;
use vfio_user::Client;

const BAR0: u32 = VFIO_PCI_BAR0_REGION_INDEX;
const CONFIG: u32 = VFIO_PCI_CONFIG_REGION_INDEX;

/// A port, and strict mode to judge the test itself.
struct Port {
    shared: Arc<Shared>,
    /// Kinds of rules that the test breaks on purpose.
    breaks: BTreeSet<&'static str>,
}

impl Port {
    fn breaks<const N: usize>(mut self, kinds: [&'static str; N]) -> Port {
        self.breaks = kinds.into();
        self
    }
}

impl Deref for Port {
    type Target = Arc<Shared>;

    fn deref(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Port {
    /// A test has failed unless it broke exactly the rules that it meant to.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let list = self.lock().mac.strict.list();
        let broken: BTreeSet<_> = list.iter().map(|v| v["kind"].as_str().unwrap()).collect();
        assert_eq!(broken, self.breaks, "{list:?}");
    }
}

fn start(dir: &Path, spec: &str) -> Port {
    let socket = dir.join("port");
    let at = socket.display();
    let cfg = Config::parse(&format!("name=a,socket={at},strict=on,{spec}")).unwrap();
    let notify: Arc<Notify> = Arc::default();
    let ingress = Ingress::new(notify.clone());
    let clock = Clock::default();
    let wire = Endpoint::new(Medium::looped(&ingress), 0, ingress, clock.clone());
    Port {
        shared: port::start(cfg, clock, wire, notify, None).unwrap(),
        breaks: BTreeSet::new(),
    }
}

fn read(c: &mut Client, region: u32, off: u32) -> u32 {
    let mut data = [0; 4];
    c.region_read(region, off.into(), &mut data).unwrap();
    u32::from_le_bytes(data)
}

fn write(c: &mut Client, off: u32, value: u32) {
    c.region_write(BAR0, off.into(), &value.to_le_bytes())
        .unwrap();
}

/// Reads the status of the channel and clears what it says.
fn ack(c: &mut Client) {
    let status = read(c, BAR0, ch(0, CH_STATUS));
    write(c, ch(0, CH_STATUS), status);
}

/// Waits for an event; `false` after a while without one.
fn fired(fd: &EventFd, ms: u16) -> bool {
    use nix::poll::{poll, PollFd, PollFlags};
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, ms).unwrap() == 1 && fd.read().is_ok()
}

fn trigger(c: &mut Client, index: u32, vector: u32, fd: &EventFd) {
    c.set_irqs(
        index,
        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        vector,
        1,
        &[fd.as_fd().as_raw_fd()],
    )
    .unwrap();
}

/// Maps memory, sets up one packet that comes back, and starts the channel.
fn loop_one_packet(c: &mut Client, memory: &std::fs::File) {
    use std::os::unix::fs::FileExt;
    c.dma_map(0, 0x10_0000, 0x1_0000, memory.as_raw_fd())
        .unwrap();
    let put = |at: u64, words: [u32; 4]| {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        memory.write_all_at(&bytes, at).unwrap();
    };
    memory.write_all_at(&[0xff; 6], 0x4000).unwrap();
    memory
        .write_all_at(&[0x88, 0xb5, 1, 2, 3, 4], 0x400c)
        .unwrap();
    put(0, [0x10_4000, 0, 64, OWN | FD | LD | 64]);
    put(0x1000, [0x10_8000, 0, 0, OWN | RX_BUF1V | RX_IOC]);
    c.region_write(CONFIG, 4, &6u16.to_le_bytes()).unwrap();
    for (off, value) in [
        (ch(0, CH_TX_BASE), 0x10_0000),
        (ch(0, CH_RX_BASE), 0x10_1000),
        (ch(0, CH_TX_LEN), 15),
        (ch(0, CH_RX_LEN), 15),
        (ch(0, CH_INT_EN), 1 << 15 | ST_RI),
        (mtl(0, MTL_TXQ_MODE), 255 << 16 | 2 << 2 | TXQ_TSF),
        (mtl(0, MTL_RXQ_MODE), 255 << 20 | RXQ_RSF),
        (MAC_RXQ_CTRL0, 2),
        (ch(0, CH_TX_TAIL), 0x10_0000),
        (ch(0, CH_RX_TAIL), 0x10_1000),
        (ch(0, CH_TX_CONTROL), TX_ST | 8 << 16),
        (ch(0, CH_RX_CONTROL), RX_SR | 8 << 16 | 1536 << 1),
        (MAC_CONFIG, CONFIG_RE | CONFIG_TE | CONFIG_LM),
        (ch(0, CH_RX_TAIL), 0x10_1010),
        (ch(0, CH_TX_TAIL), 0x10_0010),
    ] {
        write(c, off, value);
    }
}

#[test]
fn identity_and_capabilities() {
    let dir = tempfile::tempdir().unwrap();
    let _port = start(dir.path(), "id=8086:4b30,version=0x51").breaks(["asleep", "beyond-map"]);
    let mut c = Client::new(&dir.path().join("port")).unwrap();
    assert_eq!(read(&mut c, CONFIG, 0), 0x4b30_8086);
    assert_eq!(read(&mut c, CONFIG, 8) >> 8, 0x02_0000);
    // The capability list holds PM, MSI and MSI-X and ends.
    let mut ids = Vec::new();
    let mut at = read(&mut c, CONFIG, 0x34) & 0xff;
    while at != 0 {
        let cap = read(&mut c, CONFIG, at);
        ids.push(cap & 0xff);
        at = cap >> 8 & 0xff;
    }
    assert_eq!(ids, [0x01, 0x05, 0x11]);
    // No region may be mapped, or QEMU gives up posted writes.
    for i in 0..9 {
        let flags = c.region(i).map_or(0, |r| r.flags);
        assert_eq!(flags & VFIO_REGION_INFO_FLAG_MMAP, 0);
    }
    assert_eq!(read(&mut c, BAR0, MAC_VERSION), 0x1051);
    assert_eq!(read(&mut c, BAR0, 0xff00), 0);
    // D3hot: nobody home; back in D0 the core has been reset.
    write(&mut c, MAC_CONFIG, 1);
    c.region_write(CONFIG, 0x44, &3u16.to_le_bytes()).unwrap();
    assert_eq!(read(&mut c, BAR0, MAC_VERSION), u32::MAX);
    c.region_write(CONFIG, 0x44, &0u16.to_le_bytes()).unwrap();
    assert_eq!(read(&mut c, BAR0, MAC_CONFIG) & 1, 0);
}

#[test]
fn packet_and_message() {
    let dir = tempfile::tempdir().unwrap();
    let _port = start(dir.path(), "id=16c3:7102,queues=1").breaks(["bus-error"]);
    let mut c = Client::new(&dir.path().join("port")).unwrap();
    let memory = tempfile::tempfile().unwrap();
    memory.set_len(0x1_0000).unwrap();
    let event = EventFd::new().unwrap();
    trigger(&mut c, VFIO_PCI_MSIX_IRQ_INDEX, 0, &event);
    loop_one_packet(&mut c, &memory);
    assert!(fired(&event, 2000));
    assert_ne!(read(&mut c, BAR0, ch(0, CH_STATUS)) & ST_RI, 0);
    use std::os::unix::fs::FileExt;
    let mut got = [0; 18];
    memory.read_exact_at(&mut got, 0x8000).unwrap();
    assert_eq!(got[12..], [0x88, 0xb5, 1, 2, 3, 4]);
    // Acknowledged: silence. Not acknowledged in full: again.
    write(&mut c, ch(0, CH_STATUS), ST_TI);
    assert!(fired(&event, 500));
    ack(&mut c);
    assert!(!fired(&event, 50));
    // Unmapped memory is a bus error.
    c.dma_unmap(0x10_0000, 0x1_0000).unwrap();
    write(&mut c, ch(0, CH_TX_TAIL), 0x10_0020);
    let end = Instant::now() + Duration::from_secs(2);
    while read(&mut c, BAR0, ch(0, CH_STATUS)) & ST_FBE == 0 {
        assert!(Instant::now() < end);
    }
}

#[test]
fn a_message_waits_for_its_vector() {
    let dir = tempfile::tempdir().unwrap();
    let _port = start(dir.path(), "id=8086:4ba0,queues=1").breaks(["unheard"]);
    let mut c = Client::new(&dir.path().join("port")).unwrap();
    let memory = tempfile::tempfile().unwrap();
    memory.set_len(0x1_0000).unwrap();
    let (mac, rx) = (EventFd::new().unwrap(), EventFd::new().unwrap());
    trigger(&mut c, VFIO_PCI_MSIX_IRQ_INDEX, 29, &mac);
    write(&mut c, DMA_MODE, 1 << 16);
    loop_one_packet(&mut c, &memory);
    let end = Instant::now() + Duration::from_secs(2);
    // Bit 0 of the PBA, which is behind BAR 4.
    while read(&mut c, 4, 0x800) != 1 {
        assert!(Instant::now() < end);
    }
    trigger(&mut c, VFIO_PCI_MSIX_IRQ_INDEX, 0, &rx);
    assert!(fired(&rx, 1000));
    assert!(!fired(&mac, 0));
    assert_eq!(read(&mut c, 4, 0x800), 0);
}

#[test]
fn the_pin_fires_again_while_it_is_asserted() {
    let dir = tempfile::tempdir().unwrap();
    let _port = start(dir.path(), "queues=1");
    let mut c = Client::new(&dir.path().join("port")).unwrap();
    let memory = tempfile::tempfile().unwrap();
    memory.set_len(0x1_0000).unwrap();
    let event = EventFd::new().unwrap();
    trigger(&mut c, VFIO_PCI_INTX_IRQ_INDEX, 0, &event);
    loop_one_packet(&mut c, &memory);
    assert!(fired(&event, 2000));
    let unmask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    c.set_irqs(VFIO_PCI_INTX_IRQ_INDEX, unmask, 0, 1, &[])
        .unwrap();
    assert!(fired(&event, 1000));
    ack(&mut c);
    c.set_irqs(VFIO_PCI_INTX_IRQ_INDEX, unmask, 0, 1, &[])
        .unwrap();
    assert!(!fired(&event, 50));
}

#[test]
fn a_port_outlives_its_clients() {
    let dir = tempfile::tempdir().unwrap();
    let port = start(dir.path(), "queues=1");
    let path = dir.path().join("port");
    for _ in 0..3 {
        let mut c = Client::new(&path).unwrap();
        assert_eq!(read(&mut c, BAR0, MAC_CONFIG) & CONFIG_RE, 0);
        write(&mut c, MAC_CONFIG, CONFIG_RE);
        assert_ne!(read(&mut c, BAR0, MAC_CONFIG) & CONFIG_RE, 0);
        c.reset().unwrap();
        assert_eq!(read(&mut c, BAR0, MAC_CONFIG) & CONFIG_RE, 0);
        write(&mut c, MAC_CONFIG, CONFIG_RE);
        c.shutdown().unwrap();
    }
    // Nonsense instead of a version ends the client only.
    {
        use std::io::Write;
        let mut s = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let mut junk = [0u8; 64];
        junk[2] = 1;
        junk[4] = 24;
        s.write_all(&junk).unwrap();
    }
    let mut c = Client::new(&path).unwrap();
    assert_eq!(read(&mut c, BAR0, MAC_VERSION) & 0xff, 0x52);
    assert!(port.lock().mac.mem.is_empty());
}

#[test]
fn control_socket() {
    let dir = tempfile::tempdir().unwrap();
    let port = start(dir.path(), "queues=1");
    let path = dir.path().join("ctl");
    control::serve(&path, vec![port.clone()]).unwrap();
    let call = |r| control::call(&path, &r);
    let carrier = |want: bool| {
        let end = Instant::now() + Duration::from_secs(3);
        loop {
            let ports = call(Request::Ports).unwrap();
            assert_eq!(ports[0]["name"], "a");
            if ports[0]["carrier"] == want {
                return;
            }
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let link = |up| Request::Link {
        port: "a".into(),
        up,
    };
    carrier(true);
    call(link(false)).unwrap();
    carrier(false);
    call(link(true)).unwrap();
    carrier(true);
    let regs = call(Request::Regs { port: "a".into() }).unwrap();
    let version = regs
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == "MAC_Version")
        .unwrap();
    assert_eq!(version["value"], "0x00001052");
    assert_eq!(
        call(Request::Rings { port: "a".into() }).unwrap()["tx"][0]["state"],
        "Stopped"
    );
    assert_eq!(
        call(Request::Stats { port: "a".into() }).unwrap()["rx_frames"],
        0
    );
    let e = call(Request::Stats { port: "b".into() }).unwrap_err();
    assert!(e.contains("no port 'b'"), "{e}");

    let fault = |spec: &str| {
        call(Request::Fault {
            port: "a".into(),
            spec: spec.into(),
        })
    };
    assert_eq!(fault("phy-gone").unwrap()[0]["kind"], "phy-gone");
    carrier(false);
    assert_eq!(fault("list").unwrap().as_array().unwrap().len(), 1);
    fault("clear phy-gone").unwrap();
    carrier(true);
    assert_eq!(fault("list").unwrap(), serde_json::json!([]));
    let e = fault("phy-gone count=1").unwrap_err();
    assert!(e.contains("takes no count="), "{e}");
    // Its time ends it, without a client or a frame to wake the port.
    fault("phy-gone ms=20").unwrap();
    carrier(false);
    carrier(true);

    let strict = |set: Option<&str>| {
        call(Request::Strict {
            port: Some("a".into()),
            set: set.map(String::from),
        })
    };
    let mode = || call(Request::Ports).unwrap()[0]["strict"].clone();
    let mut c = Client::new(&dir.path().join("port")).unwrap();
    let break_rule = |c: &mut Client| {
        write(c, MAC_VERSION, 0);
        // The answer to a read comes after the write.
        read(c, BAR0, MAC_VERSION);
    };
    break_rule(&mut c);
    let list = strict(None).unwrap();
    assert_eq!(
        (&list[0]["kind"], &list[0]["port"]),
        (&"read-only".into(), &"a".into())
    );
    let stats = || call(Request::Stats { port: "a".into() }).unwrap();
    assert_eq!(stats()["violations"], serde_json::json!({"read-only": 1}));
    strict(Some("clear")).unwrap();
    assert_eq!(strict(None).unwrap(), serde_json::json!([]));
    strict(Some("off")).unwrap();
    assert_eq!(mode(), "off");
    break_rule(&mut c);
    assert_eq!(strict(None).unwrap(), serde_json::json!([]));
    strict(Some("warn")).unwrap();
    break_rule(&mut c);
    assert_eq!(strict(None).unwrap()[0]["count"], 1);
    let e = strict(Some("maybe")).unwrap_err();
    assert!(e.contains("maybe"), "{e}");
    assert_eq!(mode(), "warn");
    strict(Some("clear")).unwrap();
    strict(Some("on")).unwrap();

    let traffic = |spec: &str| {
        call(Request::Traffic {
            port: "a".into(),
            spec: spec.into(),
        })
    };
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(3);
        while !done() {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let arrived = || stats()["rx_disabled"].as_u64().unwrap();
    traffic("start rate=1000 count=5").unwrap();
    until("count", &|| arrived() == 5);
    traffic("start rate=1000").unwrap();
    until("rate", &|| arrived() > 10);
    traffic("stop").unwrap();
    let now = arrived();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(arrived(), now);
    let e = traffic("start rate=0").unwrap_err();
    assert!(e.contains("rate=0"), "{e}");
}
