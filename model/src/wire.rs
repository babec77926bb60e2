// SPDX-License-Identifier: GPL-2.0

//! Wires: what is between two PHYs, and the frames on it.
//!
//! Speed is not emulated: a frame takes as long as the receiver needs to look at it. A receiver
//! that has not caught up yet holds the sender back, so the wire itself never loses a frame. On a
//! real cable hardly a frame is under way when a pause frame takes effect, so those that are wait
//! for the end of the pause, unless the sender turns out to ignore it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::Clock;

/// Frames that may be on a wire in one direction.
const IN_FLIGHT: usize = 64;

/// Time that auto-negotiation takes unless a medium is told otherwise. Real PHYs take one to three
/// seconds, longer than the second after which a driver that polls looks again; so there a partner
/// hears of an interruption before it is over.
pub const AN_TIME: Duration = Duration::from_millis(100);

/// An Ethernet frame from destination address to the end of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bytes without FCS.
    pub data: Vec<u8>,
    /// The FCS if it may be wrong; `None` stands for the right one.
    pub fcs: Option<u32>,
}

impl Frame {
    /// A frame with a correct FCS.
    pub fn good(data: Vec<u8>) -> Frame {
        Frame { data, fcs: None }
    }

    /// Whether this is a MAC control frame.
    pub fn is_control(&self) -> bool {
        self.data.get(12..14) == Some(&[0x88, 0x08])
    }

    /// The FCS on the wire.
    pub fn fcs(&self) -> u32 {
        self.fcs.unwrap_or_else(|| crc32fast::hash(&self.data))
    }

    /// Whether the FCS is right.
    pub fn intact(&self) -> bool {
        self.fcs.is_none_or(|f| f == crc32fast::hash(&self.data))
    }
}

/// Wakes a port's worker.
#[derive(Default)]
pub struct Notify {
    flag: Mutex<bool>,
    cond: Condvar,
}

impl Notify {
    /// Lets the next or current [`Notify::wait`] return.
    pub fn wake(&self) {
        let mut flag = self.flag.lock();
        if !*flag {
            *flag = true;
            self.cond.notify_one();
        }
    }

    /// Waits for a wake-up or the timeout.
    pub fn wait(&self, timeout: Option<Duration>) {
        let mut flag = self.flag.lock();
        if !*flag {
            match timeout {
                Some(t) => {
                    self.cond.wait_for(&mut flag, t);
                }
                None => self.cond.wait(&mut flag),
            }
        }
        *flag = false;
    }
}

/// Frames that arrive at a port.
pub struct Ingress {
    queue: Mutex<VecDeque<Frame>>,
    notify: Arc<Notify>,
    blocked: Mutex<Vec<Arc<Notify>>>,
}

impl Ingress {
    /// An empty queue whose owner is woken by `notify`.
    pub fn new(notify: Arc<Notify>) -> Arc<Ingress> {
        Arc::new(Ingress {
            queue: Mutex::default(),
            notify,
            blocked: Mutex::default(),
        })
    }

    /// Whether a frame may be put on the wire; if not, `sender` is woken when it may.
    pub fn has_room(&self, sender: &Arc<Notify>) -> bool {
        let queue = self.queue.lock();
        if queue.len() < IN_FLIGHT {
            return true;
        }
        let mut blocked = self.blocked.lock();
        if !blocked.iter().any(|b| Arc::ptr_eq(b, sender)) {
            blocked.push(sender.clone());
        }
        false
    }

    /// Puts a frame on the wire.
    pub fn push(&self, frame: Frame) {
        self.queue.lock().push_back(frame);
        self.notify.wake();
    }

    /// Takes the next frame off the wire.
    pub fn take(&self) -> Option<Frame> {
        self.remove(|queue| queue.pop_front())
    }

    /// Takes the next MAC control frame off the wire, past those that are ahead of it.
    pub fn take_control(&self) -> Option<Frame> {
        self.remove(|queue| {
            let at = queue.iter().position(Frame::is_control)?;
            queue.remove(at)
        })
    }

    fn remove(&self, pick: impl FnOnce(&mut VecDeque<Frame>) -> Option<Frame>) -> Option<Frame> {
        let mut queue = self.queue.lock();
        let frame = pick(&mut queue)?;
        // Not for every frame: a sender that is woken should find room for a few.
        if queue.len() == IN_FLIGHT / 2 || queue.is_empty() {
            let blocked = std::mem::take(&mut *self.blocked.lock());
            drop(queue);
            for b in blocked {
                b.wake();
            }
        }
        Some(frame)
    }

    /// Frames on the wire.
    pub fn pending(&self) -> usize {
        self.queue.lock().len()
    }
}

/// What a PHY shows to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhyState {
    /// Powered and not isolated.
    pub on: bool,
    /// Auto-negotiates.
    pub an: bool,
    /// Register 4: 10/100 Mbit/s and pause abilities.
    pub adv: u16,
    /// Register 9: 1000BASE-T abilities.
    pub adv_1000: u16,
    /// Speed when it does not negotiate.
    pub speed: u32,
    /// Duplex when it does not negotiate.
    pub full: bool,
    /// MMD 7 register 60: EEE abilities.
    pub eee: u16,
}

impl PhyState {
    /// A partner that can do everything: the far end of a TAP or a loop.
    pub const CAPABLE: PhyState = PhyState {
        on: true,
        an: true,
        adv: 0x0de1,
        adv_1000: 0x0300,
        speed: 1000,
        full: true,
        eee: 0x0006,
    };
}

/// The link as one end sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Carrier.
    pub up: bool,
    /// Mbit/s.
    pub speed: u32,
    /// Full duplex.
    pub full: bool,
    /// Auto-negotiation is complete.
    pub an_done: bool,
    /// The partner's register 4 while the link is up.
    pub lp_adv: u16,
    /// The partner's register 9 while the link is up.
    pub lp_1000: u16,
    /// The partner's EEE abilities while the link is up.
    pub lp_eee: u16,
    /// Both ends can do EEE at this speed.
    pub eee: bool,
    /// This end is the 1000BASE-T master.
    pub master: bool,
    /// Changes with everything that interrupts the link.
    pub generation: u64,
}

enum Far {
    Nothing,
    Port(Arc<Ingress>),
    Tap(File),
}

struct State {
    phys: [Option<PhyState>; 2],
    admin: [bool; 2],
    an_time: Duration,
    changed: Duration,
    generation: u64,
    /// The MAC of each end sends the LPI pattern.
    lpi: [bool; 2],
    notify: Vec<Arc<Notify>>,
}

/// The medium between two ends.
pub struct Medium {
    state: Mutex<State>,
    /// Where frames go that leave end 0 and end 1.
    far: [Far; 2],
    label: String,
}

impl Medium {
    fn new(
        far: [Far; 2],
        phys: [Option<PhyState>; 2],
        notify: Vec<Arc<Notify>>,
        label: &str,
    ) -> Arc<Medium> {
        Arc::new(Medium {
            state: Mutex::new(State {
                phys,
                admin: [true; 2],
                an_time: AN_TIME,
                changed: Duration::ZERO,
                generation: 0,
                lpi: [false; 2],
                notify,
            }),
            far,
            label: label.to_string(),
        })
    }

    /// Nothing is plugged in.
    pub fn open() -> Arc<Medium> {
        Medium::new(
            [Far::Nothing, Far::Nothing],
            [None, None],
            vec![],
            "unconnected",
        )
    }

    /// A loop plug.
    pub fn looped(port: &Arc<Ingress>) -> Arc<Medium> {
        Medium::new(
            [Far::Port(port.clone()), Far::Nothing],
            [None, Some(PhyState::CAPABLE)],
            vec![port.notify.clone()],
            "loop",
        )
    }

    /// A cable between two ports.
    pub fn cable(a: &Arc<Ingress>, b: &Arc<Ingress>, label: &str) -> Arc<Medium> {
        Medium::new(
            [Far::Port(b.clone()), Far::Port(a.clone())],
            [None, None],
            vec![a.notify.clone(), b.notify.clone()],
            label,
        )
    }

    /// A cable to a TAP device of the host; frames from there are read by a thread of their own.
    pub fn tap(port: &Arc<Ingress>, tap: File, label: &str) -> std::io::Result<Arc<Medium>> {
        let reader = tap.try_clone()?;
        let medium = Medium::new(
            [Far::Tap(tap), Far::Nothing],
            [None, Some(PhyState::CAPABLE)],
            vec![port.notify.clone()],
            label,
        );
        let port = port.clone();
        let wire = medium.clone();
        std::thread::Builder::new()
            .name(format!("tap-{label}"))
            .spawn(move || read_tap(reader, &port, &wire))?;
        Ok(medium)
    }

    /// Connects or disconnects one end.
    pub fn set_admin(&self, side: usize, up: bool, now: Duration) {
        let mut s = self.state.lock();
        if s.admin[side] != up {
            s.admin[side] = up;
            s.interrupt(now);
        }
    }

    /// Sets the time that auto-negotiation takes.
    pub fn set_an_time(&self, time: Duration) {
        self.state.lock().an_time = time;
    }

    /// What is on the other end, for people.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl State {
    fn interrupt(&mut self, now: Duration) {
        self.changed = now;
        self.generation += 1;
        for n in &self.notify {
            n.wake();
        }
    }

    fn link(&self, side: usize, now: Duration) -> Link {
        let mut link = Link {
            generation: self.generation,
            ..Link::default()
        };
        let (Some(us), Some(peer)) = (self.phys[side], self.phys[1 - side]) else {
            return link;
        };
        if !us.on || !peer.on || !self.admin[0] || !self.admin[1] {
            return link;
        }
        if (us.an || peer.an) && now < self.changed + self.an_time {
            return link;
        }
        let Some((speed, full)) = resolve(&us, &peer) else {
            return link;
        };
        link.up = true;
        link.speed = speed;
        link.full = full;
        link.an_done = us.an;
        if us.an && peer.an {
            link.lp_adv = peer.adv | 0x4000;
            link.lp_1000 = peer.adv_1000;
            link.lp_eee = peer.eee;
            let needed = match (speed, full) {
                (1000, true) => 0x0004,
                (100, true) => 0x0002,
                _ => 0,
            };
            link.eee = us.eee & peer.eee & needed != 0;
        } else if us.an {
            // Parallel detection sees one speed and nothing else.
            link.lp_adv = if speed == 100 { 0x0080 } else { 0x0020 };
        }
        link.master = speed == 1000 && side == 0;
        link
    }
}

fn resolve(a: &PhyState, b: &PhyState) -> Option<(u32, bool)> {
    match (a.an, b.an) {
        (true, true) => {
            let gigabit = a.adv_1000 & b.adv_1000;
            let common = a.adv & b.adv;
            [
                (gigabit & 0x0200, 1000, true),
                (gigabit & 0x0100, 1000, false),
                (common & 0x0100, 100, true),
                (common & 0x0080, 100, false),
                (common & 0x0040, 10, true),
                (common & 0x0020, 10, false),
            ]
            .into_iter()
            .find(|(bits, _, _)| *bits != 0)
            .map(|(_, speed, full)| (speed, full))
        }
        (false, false) => (a.speed == b.speed).then_some((a.speed, a.full)),
        (an_a, _) => {
            let (auto, forced) = if an_a { (a, b) } else { (b, a) };
            let needed = match forced.speed {
                100 => 0x0180,
                10 => 0x0060,
                _ => 0,
            };
            // The end that negotiates cannot know the duplex and takes half.
            let full = !an_a && a.full;
            (auto.adv & needed != 0).then_some((forced.speed, full))
        }
    }
}

/// One port's end of a medium.
pub struct Endpoint {
    medium: Arc<Medium>,
    side: usize,
    ingress: Arc<Ingress>,
    clock: Clock,
}

impl Endpoint {
    /// Plugs a port into a medium.
    pub fn new(medium: Arc<Medium>, side: usize, ingress: Arc<Ingress>, clock: Clock) -> Endpoint {
        Endpoint {
            medium,
            side,
            ingress,
            clock,
        }
    }

    /// A port with nothing plugged in; for tests.
    pub fn unplugged(clock: Clock) -> Endpoint {
        Endpoint::new(Medium::open(), 0, Ingress::new(Arc::default()), clock)
    }

    /// The medium.
    pub fn medium(&self) -> &Arc<Medium> {
        &self.medium
    }

    /// Which end this is.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Shows a PHY's state to the other end. `restart` interrupts the link even without a change.
    pub fn set_phy(&self, phy: Option<PhyState>, restart: bool) {
        let mut s = self.medium.state.lock();
        if s.phys[self.side] != phy || restart {
            s.phys[self.side] = phy;
            s.interrupt(self.clock.now());
        }
    }

    /// The state of the link now.
    pub fn link(&self) -> Link {
        self.medium.state.lock().link(self.side, self.clock.now())
    }

    /// Starts or stops the LPI pattern of this end's MAC.
    pub fn set_lpi(&self, on: bool) {
        let mut s = self.medium.state.lock();
        if std::mem::replace(&mut s.lpi[self.side], on) != on {
            for n in &s.notify {
                n.wake();
            }
        }
    }

    /// Whether this end's MAC sends the LPI pattern.
    pub fn tx_lpi(&self) -> bool {
        self.medium.state.lock().lpi[self.side]
    }

    /// Whether the PHY receives LPI from the far end.
    pub fn rx_lpi(&self) -> bool {
        let s = self.medium.state.lock();
        s.lpi[1 - self.side] && s.link(self.side, self.clock.now()).eee
    }

    /// When the link may come up by itself.
    pub fn link_deadline(&self) -> Option<Duration> {
        let s = self.medium.state.lock();
        let at = s.changed + s.an_time;
        (self.clock.now() < at).then_some(at)
    }

    /// Whether the far end can take a frame; if not, this port is woken when it can.
    pub fn has_room(&self) -> bool {
        match &self.medium.far[self.side] {
            Far::Port(ingress) => ingress.has_room(&self.ingress.notify),
            _ => true,
        }
    }

    /// Sends a frame.
    pub fn send(&self, frame: Frame) {
        match &self.medium.far[self.side] {
            Far::Nothing => {}
            Far::Port(ingress) => ingress.push(frame),
            Far::Tap(file) => {
                if frame.intact() {
                    let mut file = file;
                    // A TAP that is down or full loses frames like a wire that ends nowhere.
                    let _ = file.write(&frame.data);
                }
            }
        }
    }

    /// The frames that arrive here.
    pub fn ingress(&self) -> &Ingress {
        &self.ingress
    }
}

fn read_tap(mut tap: File, port: &Arc<Ingress>, wire: &Arc<Medium>) {
    let room = Arc::new(Notify::default());
    let mut buf = vec![0; 65536];
    loop {
        let n = match tap.read(&mut buf) {
            Ok(0) => return,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => {
                tracing::error!("TAP {}: {e}; frames from it are lost", wire.label);
                return;
            }
        };
        while !port.has_room(&room) {
            room.wait(None);
        }
        let mut data = buf[..n].to_vec();
        // The host does not pad.
        if data.len() < 60 {
            data.resize(60, 0);
        }
        port.push(Frame::good(data));
    }
}

#[allow(missing_docs)]
mod tun {
    nix::ioctl_write_int!(set_iff, b'T', 202);
}

/// Opens (and creates, if need be) a TAP device.
pub fn open_tap(name: &str) -> std::io::Result<File> {
    const IFF_TAP: u16 = 0x0002;
    const IFF_NO_PI: u16 = 0x1000;
    if name.is_empty() || name.len() > 15 {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "a TAP name has 1 to 15 characters",
        ));
    }
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // struct ifreq: name, flags, padding.
    let mut req = [0u8; 40];
    req[..name.len()].copy_from_slice(name.as_bytes());
    req[16..18].copy_from_slice(&(IFF_TAP | IFF_NO_PI).to_ne_bytes());
    // SAFETY: TUNSETIFF reads and writes a struct ifreq, for which `req` is large enough.
    unsafe {
        tun::set_iff(
            file.as_raw_fd(),
            req.as_mut_ptr() as nix::sys::ioctl::ioctl_param_type,
        )
    }?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Endpoint, Endpoint, Clock) {
        let clock = Clock::manual();
        let a = Ingress::new(Arc::default());
        let b = Ingress::new(Arc::default());
        let m = Medium::cable(&a, &b, "a:b");
        (
            Endpoint::new(m.clone(), 0, a, clock.clone()),
            Endpoint::new(m, 1, b, clock.clone()),
            clock,
        )
    }

    #[test]
    fn negotiates_the_best_common_mode() {
        let (a, b, clock) = pair();
        a.set_phy(Some(PhyState::CAPABLE), false);
        assert!(!a.link().up);
        let slow = PhyState {
            adv_1000: 0,
            ..PhyState::CAPABLE
        };
        b.set_phy(Some(slow), false);
        assert!(!a.link().up);
        clock.advance(AN_TIME);
        let l = a.link();
        assert!(l.up && l.an_done && l.full);
        assert_eq!((l.speed, l.lp_1000), (100, 0));
        b.set_phy(Some(PhyState::CAPABLE), false);
        assert!(!a.link().up);
        clock.advance(AN_TIME);
        assert_eq!(b.link().speed, 1000);
    }

    #[test]
    fn forced_speeds() {
        let (a, b, clock) = pair();
        let forced = |speed| PhyState {
            an: false,
            speed,
            ..PhyState::CAPABLE
        };
        a.set_phy(Some(forced(100)), false);
        b.set_phy(Some(forced(10)), false);
        clock.advance(AN_TIME);
        assert!(!a.link().up);
        b.set_phy(Some(forced(100)), false);
        assert!(a.link().up);
        b.set_phy(Some(PhyState::CAPABLE), false);
        clock.advance(AN_TIME);
        // Parallel detection: the negotiating end falls back to half duplex.
        assert_eq!((b.link().speed, b.link().full), (100, false));
        assert_eq!((a.link().speed, a.link().full), (100, true));
    }

    #[test]
    fn negotiation_time_can_be_set() {
        let (a, b, clock) = pair();
        a.medium().set_an_time(AN_TIME * 2);
        a.set_phy(Some(PhyState::CAPABLE), false);
        b.set_phy(Some(PhyState::CAPABLE), false);
        clock.advance(AN_TIME);
        assert!(!b.link().up);
        assert_eq!(b.link_deadline(), Some(AN_TIME * 2));
        clock.advance(AN_TIME);
        assert!(b.link().up);
    }

    #[test]
    fn admin_down_drops_both_ends() {
        let (a, b, clock) = pair();
        a.set_phy(Some(PhyState::CAPABLE), false);
        b.set_phy(Some(PhyState::CAPABLE), false);
        clock.advance(AN_TIME);
        assert!(a.link().up && b.link().up);
        let generation = b.link().generation;
        a.medium().set_admin(0, false, clock.now());
        assert!(!a.link().up && !b.link().up);
        assert_ne!(b.link().generation, generation);
        a.medium().set_admin(0, true, clock.now());
        clock.advance(AN_TIME);
        assert!(b.link().up);
    }

    #[test]
    fn a_full_wire_holds_the_sender_back() {
        let (a, b, _) = pair();
        for i in 0..IN_FLIGHT {
            assert!(a.has_room());
            a.send(Frame::good(vec![i as u8; 60]));
        }
        assert!(!a.has_room());
        let mut pause = Frame::good(vec![0; 60]);
        pause.data[12..14].copy_from_slice(&[0x88, 0x08]);
        a.send(pause);
        assert!(b.ingress().take_control().is_some_and(|f| f.is_control()));
        assert!(b.ingress().take_control().is_none());
        let mut first = 0;
        while let Some(f) = b.ingress().take() {
            assert_eq!(f.data[0], first);
            first += 1;
        }
        assert_eq!(usize::from(first), IN_FLIGHT);
        assert!(a.has_room());
        // The sender was woken: this returns at once.
        a.ingress.notify.wait(None);
    }

    #[test]
    fn fcs() {
        let f = Frame::good(b"123456789".to_vec());
        assert_eq!(f.fcs(), 0xcbf4_3926);
        assert!(f.intact());
        let bad = Frame { fcs: Some(1), ..f };
        assert!(!bad.intact());
    }
}
