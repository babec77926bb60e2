# SPDX-License-Identifier: GPL-2.0
"""What every test shares: KTAP, the two ends of the wire, clean-up, the kernel log.

A test program is a list of cases, functions that take an Env:

    def carrier(env):
        check(env.local.carrier(), "no carrier")

    if __name__ == "__main__":
        main(carrier, ...)
"""

import contextlib
import fnmatch
import importlib.machinery
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback

from endpoint import ETH_P_TEST, PATIENCE, SLOW, Endpoint, EndpointError, decode, encode, mac_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
PEER_NETNS = "peer"
LOCAL = {"LOCAL_V4": "192.0.2.1", "LOCAL_V6": "2001:db8:1::1"}
REMOTE = {"REMOTE_V4": "192.0.2.2", "REMOTE_V6": "2001:db8:1::2"}

# What the kernel must never print while a test runs.
SPLAT = re.compile(
    r"WARNING:|BUG:|Oops|KASAN|KCSAN|KFENCE|UBSAN|DMA-API:|Call Trace:|general protection fault|refcount_t:"
    r"|possible .*(deadlock|recursive locking)|inconsistent lock state|suspicious RCU|sleeping function called"
    r"|scheduling while atomic|blocked for more than|stalls on CPU|soft lockup|unreferenced object|ODEBUG"
    r"|stalled pool shutdown|unregister_netdevice: waiting|Unable to handle kernel")

# What the driver must not say of hardware that works.
STALL = re.compile(r"receiver stands still")

# A driver of this folder has no excuse for what another may not be able to do.
OUR_DRIVERS = ("rust_stmmac", "intel-eth-pci", "stmmaceth", "st_gmac")


def kind_of(driver):
    """As known-defects and known-violations call it."""
    if driver in OUR_DRIVERS:
        return "rust" if driver == "rust_stmmac" else "c"
    return driver


class Skip(Exception):
    """This case cannot run here; its text says why."""


class Failure(Exception):
    """What was observed is not what must be."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(got, expected, what):
    check(got == expected, f"{what}: got {got}, expected {expected}")


def wait_for(condition, what, timeout=PATIENCE):
    """Waits until the condition holds; the time-out only ends what would hang."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"{what} did not happen within {timeout} s")
        time.sleep(0.05)


def note(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


class Progress:
    """Notes about long work, one a minute."""

    def __init__(self):
        self.told = time.monotonic()

    def __call__(self, text):
        if time.monotonic() - self.told > 60:
            self.told = time.monotonic()
            note(text)


def noise(size, seed):
    return random.Random(seed).randbytes(size)


class KernelLog:
    """The kernel's messages since the last look."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def news(self):
        lines = []
        while True:
            try:
                record = os.read(self.fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return lines
            except BrokenPipeError:
                lines.append("(the kernel log was overwritten: messages are lost)")
                continue
            lines.append(record.partition(";")[2].split("\n")[0])


class Peer:
    """The far Endpoint: its operations as methods; spawn() starts one and
    returns a function that waits for its result."""

    BOOT = ("import sys; n = int(sys.stdin.buffer.readline()); "
            "exec(compile(sys.stdin.buffer.read(n), 'endpoint.py', 'exec'))")

    def __init__(self, prefix, shell=False):
        argv = ["python3", "-u", "-c", self.BOOT]
        if shell:  # ssh hands one string to a shell
            argv = [f'python3 -u -c "{self.BOOT}"']
        # Its own session: Ctrl-C ends the test, whose clean-up needs the peer.
        self.process = subprocess.Popen(prefix + argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        with open(os.path.join(HERE, "endpoint.py"), "rb") as file:
            source = file.read()
        self.process.stdin.write(b"%d\n%s" % (len(source), source))
        self.process.stdin.flush()
        self.replies = {}
        self.ident = 0
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            reply = decode(line)
            with self.news:
                self.replies[reply["id"]] = reply
                self.news.notify_all()
        with self.news:
            self.replies = None
            self.news.notify_all()

    def spawn(self, name, *args, **kwargs):
        self.ident += 1
        ident = self.ident
        request = encode({"id": ident, "name": name, "args": args, "kwargs": kwargs})
        try:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as err:
            raise EndpointError(f"the peer is gone ({err}); is REMOTE_ARGS right and python3 installed there?") from None

        def result():
            with self.news:
                done = self.news.wait_for(lambda: self.replies is None or ident in self.replies, 3 * PATIENCE)
                if self.replies is None:
                    raise EndpointError(f"the peer went away during {name}; is REMOTE_ARGS right and python3 there?")
                if not done:
                    raise EndpointError(f"the peer gave no answer to {name} in {3 * PATIENCE} s")
                reply = self.replies.pop(ident)
            if "error" in reply:
                raise EndpointError(f"at the peer: {reply['error']}")
            return reply["result"]
        return result

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.spawn(name, *args, **kwargs)()


class Local(Endpoint):
    """The near Endpoint, with the same spawn()."""

    def spawn(self, name, *args, **kwargs):
        result = {}

        def run():
            try:
                result["value"] = getattr(self, name)(*args, **kwargs)
            except Exception as err:  # raised again by whoever waits
                result["error"] = err
        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def wait():
            thread.join(3 * PATIENCE)
            if "error" in result:
                raise result["error"]
            check("value" in result, f"{name} did not end in {3 * PATIENCE} s")
            return result["value"]
        return wait


class Model:
    """The device model's control, in a lab guest only."""

    def __init__(self):
        self.port = os.environ.get("MODEL_PORT", "a")
        # Whether this case had anything fail.
        self.faults = False
        # How often each violation had been seen at the last look.
        self.violated = {}

    def have(self):
        return shutil.which("modelctl") is not None

    def ask(self, **request):
        """A request without a program of its own, for what is asked after each case."""
        if not hasattr(self, "program"):
            loader = importlib.machinery.SourceFileLoader("modelctl", shutil.which("modelctl"))
            self.program = importlib.util.module_from_spec(importlib.util.spec_from_loader("modelctl", loader))
            loader.exec_module(self.program)
        try:
            answer = json.loads(self.program.call(json.dumps(request)))
        except (OSError, SystemExit, ValueError) as err:
            raise Failure(f"the model does not answer: {err}") from None
        check("ok" in answer, f"the model refuses {request}: {answer}")
        return answer["ok"]

    def violations(self):
        """What strict mode has seen since the last look, of any port, as the model prints it."""
        seen = {(v["port"], v["kind"], v["subject"]): v for v in self.ask(cmd="strict")}
        fresh = [v["line"] for key, v in seen.items() if v["count"] > self.violated.get(key, 0)]
        self.violated = {key: v["count"] for key, v in seen.items()}
        return fresh

    def ctl(self, *args):
        self.faults |= "fault" in args[0]
        done = subprocess.run(["modelctl", *args], capture_output=True, text=True, timeout=PATIENCE, check=False)
        check(done.returncode == 0, f"'modelctl {' '.join(args)}' failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def about(self):
        """What the model tells of the port: id, version, strict and so on."""
        ports = json.loads(self.ctl('{"cmd":"ports"}'))["ok"]
        return next(port for port in ports if port["name"] == self.port)


def configuration():
    """The environment, completed by net.config beside the tests."""
    config = dict(LOCAL | REMOTE)
    path = os.path.join(HERE, "net.config")
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            for line in file:
                key, sep, value = line.strip().partition("=")
                if sep and not key.startswith("#"):
                    config[key.strip()] = value.strip().strip('"')
    for key in ("NETIF", "PEERIF", "REMOTE_TYPE", "REMOTE_ARGS", *LOCAL, *REMOTE):
        if os.environ.get(key):
            config[key] = os.environ[key]
    return config


def pci_of(ifname):
    """The PCI address behind an interface of this namespace, or None."""
    path = os.path.realpath(f"/sys/class/net/{ifname}/device")
    return os.path.basename(path) if os.path.exists(path) and "/pci" in path else None


class Env:
    """Both ends, wired and configured, and what undoes a case's changes."""

    def __init__(self):
        config = configuration()
        if not config.get("NETIF"):
            raise Skip("no device to test: set NETIF (and PEERIF, or REMOTE_TYPE and REMOTE_ARGS)")
        self.deferred = []
        # What is undone at the program's end only.
        self.at_end = []
        self.noted = set()
        # Whether a change of the MTU was seen to.
        self.mtu_loses_link = False
        self.kmsg = KernelLog()
        self.model = Model()
        if self.model.have():
            self.model.violations()
        self.ifname = config["NETIF"]
        self.v4, self.peer_v4 = config["LOCAL_V4"], config["REMOTE_V4"]
        self.v6, self.peer_v6 = config["LOCAL_V6"], config["REMOTE_V6"]
        self.pci = self.peer_pci = None
        self.own_peer = bool(config.get("PEERIF"))
        self.netns = PEER_NETNS if self.own_peer else config.get("REMOTE_ARGS") if config.get("REMOTE_TYPE") == "netns" else None
        self.made_netns = False
        check(os.path.exists(f"/sys/class/net/{self.ifname}"), f"NETIF={self.ifname}: no such interface")
        self.local = Local(self.ifname)
        self.pci = pci_of(self.ifname)
        self.driver = self.driver_of_pci(self.pci) if self.pci else self.soft_driver()
        if self.own_peer:
            self.peer_ifname = config["PEERIF"]
            self.take_peer()
        if self.netns:
            prefix, shell = ["ip", "netns", "exec", self.netns], False
        elif config.get("REMOTE_TYPE") == "ssh":
            prefix, shell = ["ssh", "-o", "BatchMode=yes", *config["REMOTE_ARGS"].split()], True
        else:
            raise Failure("no peer: set PEERIF, or REMOTE_TYPE=netns|ssh and REMOTE_ARGS")
        self.peer = Peer(prefix, shell)
        if not self.own_peer:
            self.peer_ifname = self.peer.ifname_of(self.peer_v4)
            check(self.peer_ifname, f"the peer has no interface with REMOTE_V4={self.peer_v4}")
        self.peer.set_ifname(self.peer_ifname)
        if self.netns:
            path = self.peer.command(["readlink", "-e", f"/sys/class/net/{self.peer_ifname}/device"])[1].strip()
            self.peer_pci = os.path.basename(path) if "/pci" in path else None
        if not self.own_peer:
            self.addresses = {self.local: self.addresses_of(self.local), self.peer: self.addresses_of(self.peer)}
        else:
            self.addresses = {self.local: [f"{self.v4}/24", f"{self.v6}/64"],
                              self.peer: [f"{self.peer_v4}/24", f"{self.peer_v6}/64"]}
        # The last seen numbers of carrier changes; none of a device that is new.
        self.seen = self.changes()
        self.bring_up()
        self.mac, self.peer_mac = self.local.sys("address"), self.peer.sys("address")

    # -- devices

    @staticmethod
    def driver_of_pci(pci):
        path = f"/sys/bus/pci/devices/{pci}/driver"
        return os.path.basename(os.path.realpath(path)) if os.path.exists(path) else None

    def soft_driver(self):
        link = self.local.link()
        return link.get("linkinfo", {}).get("info_kind", "unknown")

    @property
    def ours(self):
        """Whether the device is a DesignWare MAC, from which all is expected."""
        return self.driver in OUR_DRIVERS

    def lacks(self, text):
        """A property is missing: a failure of our drivers, a skip elsewhere."""
        raise (Failure if self.ours else Skip)(text)

    def absent(self, text):
        """Something is not offered, which depends on the core: a failure of our driver at the model, whose cores have all
        that is asked for, or a skip would hide that it got lost; a skip elsewhere."""
        raise (Failure if self.driver == "rust_stmmac" and self.model.have() else Skip)(text)

    def need_pci(self):
        if not self.pci:
            raise Skip(f"{self.ifname} is not a PCI device")

    def need_threads(self):
        """That threads can poll, and need not any more while some polls are disabled."""
        if self.driver != "rust_stmmac":
            raise Skip("whoever switches threads off would wait for a NAPI that is disabled, for ever and unkillable: in napi_stop_kthread()")

    def take_peer(self):
        """Puts PEERIF into its namespace, unless a test before did."""
        names = [ns["name"] for ns in json.loads(self.local.run("ip", "-j", "netns", "list") or "[]")]
        if PEER_NETNS not in names:
            self.local.run("ip", "netns", "add", PEER_NETNS)
            self.local.run("ip", "-n", PEER_NETNS, "link", "set", "lo", "up")
            self.made_netns = True
        if os.path.exists(f"/sys/class/net/{self.peer_ifname}"):
            self.local.run("ip", "link", "set", self.peer_ifname, "netns", PEER_NETNS)
        elif self.local.command(["ip", "-n", PEER_NETNS, "link", "show", self.peer_ifname])[0]:
            raise Failure(f"PEERIF={self.peer_ifname}: no such interface, here or in namespace {PEER_NETNS}")

    def addresses_of(self, end):
        info = json.loads(end.run("ip", "-j", "addr", "show", "dev", end.ifname if end is self.local else self.peer_ifname))
        return [f"{a['local']}/{a['prefixlen']}" for a in info[0]["addr_info"] if a["scope"] == "global"]

    def configure(self, end, ifname):
        """Addresses and up; idempotent, for a device that may be new."""
        base = f"/proc/sys/net/ipv6/conf/{ifname}"
        end.write(f"{base}/keep_addr_on_down", 1)
        end.run("ip", "link", "set", ifname, "up")
        for addr in self.addresses[end]:
            if ":" in addr:
                end.run("ip", "addr", "replace", addr, "dev", ifname, "nodad")
            else:
                end.run("ip", "addr", "replace", addr, "dev", ifname)

    def bring_up(self):
        self.configure(self.local, self.ifname)
        self.configure(self.peer, self.peer_ifname)
        self.wait_link()

    def changes(self):
        return [int(end.sys("carrier_changes")) for end in (self.local, self.peer)]

    @contextlib.contextmanager
    def same_link(self):
        """For changes that need not touch the link, as the C driver does: a loss would show at once here, or later at the peer,
        which wait_link() waits for."""
        before = self.changes()
        yield
        if self.driver == "rust_stmmac":
            check_equal(self.changes(), before, "changes of the carrier of both ends")

    def ends(self):
        """Both, each with its interface."""
        return (self.local, self.ifname), (self.peer, self.peer_ifname)

    def wait_moved(self):
        """After what may cost the link: until that shows, or for a while."""
        try:
            wait_for(lambda: self.changes() != self.seen, "", timeout=3)
        except Failure:
            pass

    def wait_link(self):
        """Until both ends have a link that stays. A PHY that is polled hears
        late of a short loss; so if one end had one since the last time, the
        other must have had it, too, or is given the time to notice."""
        def carriers():
            return self.local.carrier() and self.peer.carrier()

        def same():
            moved = [new != old for new, old in zip(self.changes(), self.seen)]
            return moved[0] == moved[1]
        wait_for(carriers, f"a carrier at both {self.ifname} and the peer's {self.peer_ifname}")
        try:
            wait_for(same, "", timeout=3)
        except Failure:
            pass  # its hardware kept the link
        wait_for(carriers, f"a carrier at both {self.ifname} and the peer's {self.peer_ifname}")
        self.wait_ping()
        self.seen = self.changes()

    def wait_steady(self):
        """As wait_link, but for a link that may yet go down: a new
        negotiation is noticed by polling. Until several pings get through."""
        def steady():
            for _ in range(5):
                if not self.answers() or not self.peer.carrier():
                    return False
                time.sleep(0.3)
            return True
        wait_for(steady, "a steady link")
        self.seen = self.changes()

    def answers(self):
        return self.local.command(["ping", "-n", "-c1", "-W1", "-s", "16", "-I", self.ifname, self.peer_v4])[0] == 0

    def wait_ping(self):
        """Until the peer answers; how long that takes is not judged."""
        wait_for(self.answers, f"an answer of {self.peer_v4} through {self.ifname}")

    def ping(self, addr=None, size=56, dont_fragment=True):
        """One echo with intact content, or a failure. Of more than one, ping
        would wait for the last only as long as the others took."""
        argv = ["ping", "-n", "-c", "1", "-W", "10", "-s", str(size), "-I", self.ifname,
                "-M", "do" if dont_fragment else "dont", addr or self.peer_v4]
        status, out, err = self.local.command(argv)
        check(status == 0 and "wrong data" not in out and " 1 received" in out,
              f"'{' '.join(argv)}' failed: {(err.strip() or out.strip())[-300:]}")

    # -- devices that went away and came back

    def netdev_of(self, pci):
        """The interface of a PCI function in this namespace, or None."""
        path = f"/sys/bus/pci/devices/{pci}/net"
        names = os.listdir(path) if os.path.isdir(path) else []
        return names[0] if names else None

    def adopt(self, peer_too=False):
        """Finds NETIF (and PEERIF) again by its PCI address, under whatever
        name, and configures it as before."""
        if peer_too and self.peer_pci:
            name = wait_for(lambda: self.netdev_of(self.peer_pci), f"an interface of {self.peer_pci}")
            self.local.run("ip", "link", "set", name, "netns", self.netns, "name", self.peer_ifname)
            self.configure(self.peer, self.peer_ifname)
            self.peer_mac = self.peer.sys("address")
        name = wait_for(lambda: self.netdev_of(self.pci), f"an interface of {self.pci}")
        if name != self.ifname:
            self.local.run("ip", "link", "set", name, "name", self.ifname)
        self.driver = self.driver_of_pci(self.pci)
        self.seen = [-1, -1] if peer_too else [-1, self.seen[1]]
        self.bring_up()
        self.mac = self.local.sys("address")

    def unbind(self):
        """Takes NETIF from its driver; gone when this returns."""
        self.local.write(f"/sys/bus/pci/devices/{self.pci}/driver/unbind", self.pci)
        wait_for(lambda: not os.path.exists(f"/sys/class/net/{self.ifname}"), f"the end of {self.ifname}")

    # -- undoing

    def defer(self, function, *args):
        self.deferred.append((function, args))

    def settled(self):
        """Whatever was written to our device has reached it when this
        returns: a read of its configuration space passes no posted write."""
        if self.pci:
            with open(f"/sys/bus/pci/devices/{self.pci}/config", "rb") as file:
                file.read(64)

    def undo(self):
        """Runs what was deferred, the last first; the first error is raised
        after everything has been tried."""
        self.run_calls(self.deferred)

    @staticmethod
    def run_calls(calls):
        first = None
        while calls:
            function, args = calls.pop()
            try:
                function(*args)
            except Exception as err:
                first = first or err
        if first:
            raise first

    def all_queues(self):
        """Again as many as before make_room()."""
        self.run_calls(self.at_end)

    def finish(self):
        try:
            self.all_queues()
        finally:
            if hasattr(self, "peer"):
                self.peer.stop()
            if self.made_netns and not os.environ.get("KEEP_PEER"):
                self.release_peer()

    def release_peer(self):
        # A device that has hardware goes back by itself, but under any name.
        self.local.command(["ip", "-n", PEER_NETNS, "link", "set", self.peer_ifname, "netns", str(os.getpid())])
        self.local.command(["ip", "netns", "del", PEER_NETNS])

    # -- often used changes

    def set_mtu(self, mtu):
        """Both ends, undone after the case; a skip if the device cannot."""
        ends = [(end, ifname, int(end.sys("mtu"))) for end, ifname in self.ends()]
        ends = [end for end in ends if end[2] != mtu]
        self.defer(self.restore_mtus, ends)
        self.stop_lossy()
        for end, ifname, _ in ends:
            self.make_room(end, ifname, mtu)
        if self.mtu_loses_link:
            self.bring_up()

    def restore_mtus(self, ends):
        self.stop_lossy()
        for end, ifname, mtu in ends:
            end.run("ip", "link", "set", ifname, "mtu", mtu)
        self.bring_up()

    def stop_lossy(self):
        """A change of the MTU may cost the link, each end's: then better both at once."""
        if self.mtu_loses_link:
            for end, ifname in self.ends():
                end.run("ip", "link", "set", ifname, "down")

    def make_room(self, end, ifname, mtu):
        """Sets an MTU, if need be with fewer transmit queues from here on:
        they share a FIFO, and a share may be too small for a frame."""
        if mtu > end.link().get("max_mtu", 65535):
            self.lacks(f"{ifname} does not support an MTU of {mtu}")
        argv = ["ip", "link", "set", ifname, "mtu", str(mtu)]
        before = self.changes()
        status, _, err = end.command(argv)
        if not status:
            self.mtu_changed(end, before)
            return
        queues = end.run("ls", f"/sys/class/net/{ifname}/queues").split()
        old = [sum(name.startswith(way) for name in queues) for way in ("rx-", "tx-")]
        for fewer in [count for count in (2, 1) if count < max(old)]:
            if end.command(["ethtool", "-L", ifname, "rx", str(min(fewer, old[0])), "tx", str(min(fewer, old[1]))])[0]:
                break
            self.at_end.append((self.restore_queues, (end, ifname, *old)))
            if not end.command(argv)[0]:
                text = f"{ifname} takes an MTU of {mtu} with {fewer} queues a direction, not with {max(old)}"
                if text not in self.noted:
                    self.noted.add(text)
                    note(text)
                self.mtu_changed(end, before)
                return
        self.lacks(f"{ifname} refuses an MTU of {mtu}: {err.strip()}")

    def mtu_changed(self, end, before):
        if "UP" in end.link()["flags"]:
            # Not later: a change at the other end would hide this one's loss of the link.
            self.wait_link()
            self.mtu_loses_link |= self.changes() != before

    def restore_queues(self, end, ifname, rx, tx):
        end.run("ethtool", "-L", ifname, "rx", rx, "tx", tx)
        self.reopen(end, ifname)

    def reopen(self, end, ifname):
        """Down and up, so that no defect of a change lives on in later cases."""
        end.run("ip", "link", "set", ifname, "down")
        self.configure(end, ifname)
        self.wait_link()

    def restore_mtu(self, end, ifname, mtu):
        end.run("ip", "link", "set", ifname, "mtu", mtu)
        self.configure(end, ifname)
        self.wait_link()

    def register_dump(self):
        """What ethtool -d shows, as bytes."""
        if not self.pci:
            raise Skip(f"{self.driver} has no registers")
        done = subprocess.run(["ethtool", "-d", self.ifname, "raw", "on"], capture_output=True, check=False, timeout=60)
        if done.returncode:
            self.lacks(f"ethtool -d: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def registers(self):
        """The dump as a function of the offset, where that is its layout."""
        data = self.register_dump()
        if self.driver != "rust_stmmac":
            raise Skip("the layout is that of another driver")
        return lambda offset: struct.unpack_from("<I", data, offset)[0]

    def feature(self, name, on):
        """Sets an ethtool feature of NETIF, undone after the case."""
        features = json.loads(self.local.run("ethtool", "--json", "-k", self.ifname))[0]
        check(name in features, f"ethtool -k shows no {name}")
        state = features[name]
        if state["active"] == on:
            return
        word = {True: "on", False: "off"}
        if state["fixed"]:
            self.absent(f"{name} of {self.ifname} is fixed {word[not on]}")
        self.defer(self.local.run, "ethtool", "-K", self.ifname, name, word[not on])
        self.local.run("ethtool", "-K", self.ifname, name, word[on])
        after = json.loads(self.local.run("ethtool", "--json", "-k", self.ifname))[0][name]["active"]
        check_equal(after, on, f"{name} after ethtool -K")

    def peer_feature(self, name, on):
        """Sets an ethtool feature of the peer's interface, undone after the case."""
        state = json.loads(self.peer.run("ethtool", "--json", "-k", self.peer_ifname))[0][name]
        if state["active"] == on:
            return
        word = {True: "on", False: "off"}
        if state["fixed"]:
            self.absent(f"{name} of the peer's {self.peer_ifname} is fixed {word[not on]}")
        self.defer(self.peer.run, "ethtool", "-K", self.peer_ifname, name, word[not on])
        self.peer.run("ethtool", "-K", self.peer_ifname, name, word[on])

    def statistics(self):
        """What ethtool -S shows of NETIF."""
        result = {}
        for line in self.local.run("ethtool", "-S", self.ifname).splitlines()[1:]:
            name, _, value = line.strip().rpartition(": ")
            if value.isdecimal():
                result[name] = int(value)
        return result

    def vectors(self):
        """The numbers of the device's messages, or of its pin."""
        base = f"/sys/bus/pci/devices/{self.pci}"
        return os.listdir(f"{base}/msi_irqs") if os.path.isdir(f"{base}/msi_irqs") else [self.local.read(f"{base}/irq")]

    def interrupts(self):
        """How often the device has interrupted."""
        vectors = self.vectors()
        total = 0
        for line in self.local.read("/proc/interrupts").splitlines():
            words = line.split()
            if words[0].rstrip(":") in vectors:
                total += sum(int(word) for word in words[1:1 + os.cpu_count()])
        return total

    def flood(self, burst=16):
        """Noise in both directions until the case ends."""
        self.local.flood_start(self.peer_v4, burst=burst)
        self.defer(self.local.flood_stop)
        self.peer.flood_start(self.v4, burst=burst)
        self.defer(self.peer.flood_stop)

    # -- traffic

    def frame(self, to_peer, payload, dst=None, src=None, ethertype=ETH_P_TEST):
        dst = dst or (self.peer_mac if to_peer else self.mac)
        src = src or (self.mac if to_peer else self.peer_mac)
        return mac_bytes(dst) + mac_bytes(src) + ethertype.to_bytes(2, "big") + payload

    def tcp(self, to_peer=True, v6=False, size=1 << 20, seed=1, mss=None):
        """A stream in one direction, compared by length and SHA-256."""
        tx, rx = (self.local, self.peer) if to_peer else (self.peer, self.local)
        here, there = (self.v6, self.peer_v6) if v6 else (self.v4, self.peer_v4)
        if not to_peer:
            here, there = there, here
        listener, port = rx.tcp_listen(there)
        try:
            received = rx.spawn("tcp_receive", listener)
            sent = tx.spawn("tcp_send", here, there, port, seed, size, mss=mss)
            sent, received = sent(), received()
        finally:
            rx.close(listener)
        check_equal(sent[0], size, "bytes sent")
        check_equal(received, sent, "bytes and SHA-256 received")
        return port

    def udp(self, sizes, to_peer=True, v6=False, seed=1, batch=16):
        """Datagrams of the sizes in one direction, none lost, all intact."""
        tx, rx = (self.local, self.peer) if to_peer else (self.peer, self.local)
        here, there = (self.v6, self.peer_v6) if v6 else (self.v4, self.peer_v4)
        if not to_peer:
            here, there = there, here
        sink, port = rx.udp_open(there)
        source, _ = tx.udp_open(here)
        try:
            # In bursts that fit any ring and buffer: nothing may be lost.
            for start in range(0, len(sizes), batch):
                burst = [noise(size, seed + start + i) for i, size in enumerate(sizes[start:start + batch])]
                tx.udp_send(source, there, port, burst)
                got = rx.udp_recv(sink, len(burst))
                if got != burst and sorted(got) != sorted(burst):
                    want = [len(data) for data in burst]
                    have = [len(data) for data in got]
                    raise Failure(f"datagrams of {want} bytes arrived as {have}"
                                  + (", with other content" if want == have else ""))
        finally:
            rx.close(sink)
            tx.close(source)


def case(name, function, *args, **kwargs):
    """A case with parameters, under a name of its own."""
    def bound(env):
        function(env, *args, **kwargs)
    bound.__name__ = name
    return bound


def unknown_violations(lines, kind):
    """Those that known-violations does not list for the driver; as guest_violations in lab/guest.sh."""
    with open(os.path.join(HERE, "known-violations"), encoding="utf-8") as file:
        fields = [[word.strip() for word in line.split("|")] for line in file if "|" in line and not line.startswith("#")]
    known = [f"{pattern}:*" for driver, pattern, *_ in fields if driver == kind]
    return [line for line in lines if not any(fnmatch.fnmatchcase(line.partition(": ")[2], pattern) for pattern in known)]


def broken_rules(env):
    """What the driver did to the hardware since the last look that it must not."""
    fresh = unknown_violations(env.model.violations(), kind_of(env.driver))
    # Whoever only wants to be warned is told by the guest's end.
    return fresh if fresh and env.model.about()["strict"] == "on" else []


def run_case(env, function):
    """[result, text]: 'ok', 'skip' with the reason, or 'fail'."""
    env.kmsg.news()
    env.model.faults = False
    result, text = "ok", ""
    try:
        try:
            function(env)
        finally:
            env.undo()
    except Skip as skip:
        result, text = "skip", str(skip)
    except (Failure, EndpointError) as err:
        result, text = "fail", str(err)
    except Exception:
        result, text = "fail", traceback.format_exc()
    log = env.kmsg.news()
    splats = [line for line in log if SPLAT.search(line)]
    if splats:
        result, text = "fail", "\n".join(filter(None, [text, f"the kernel complained: {splats[0]}"]))
    stalls = [line for line in log if STALL.search(line)]
    if stalls and not env.model.faults:
        result, text = "fail", "\n".join(filter(None, [text, f"a recovery without a fault: {stalls[0]}"]))
    if env.model.have():
        try:
            broken = [f"the driver broke a rule of the hardware: {line}" for line in broken_rules(env)]
        except Failure as err:
            broken = [str(err)]
        if broken:
            result, text = "fail", "\n".join(filter(None, [text if result == "fail" else "", *broken]))
    if result == "fail":
        text = "\n".join([text] + [f"kmsg: {line}" for line in log[-8:]])
    return result, text


def main(*cases):
    """Runs the cases (those named as arguments, or all) and exits as
    kselftest wants: 0 passed, 1 failed, 4 all skipped."""
    if "-l" in sys.argv[1:]:
        print("\n".join(function.__name__ for function in cases))
        sys.exit(0)
    if sys.argv[1:]:
        unknown = set(sys.argv[1:]) - {function.__name__ for function in cases}
        if unknown:
            sys.exit(f"{sys.argv[0]}: no case named {', '.join(sorted(unknown))}; -l lists them")
        cases = [function for function in cases if function.__name__ in sys.argv[1:]]
    print("TAP version 13")
    print(f"1..{len(cases)}", flush=True)
    counts = {"ok": 0, "fail": 0, "skip": 0}
    env = trouble = None
    # Whoever ends a test gets the clean-up, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        env = Env()
    except Skip as skip:
        trouble = "skip", str(skip)
    except Exception as err:
        trouble = "fail", f"set-up failed: {err if isinstance(err, (Failure, EndpointError)) else traceback.format_exc()}"
    try:
        for number, function in enumerate(cases, 1):
            result, text = trouble or run_case(env, function)
            counts[result] += 1
            if result == "fail":
                note(text)
            print({"ok": f"ok {number} {function.__name__}", "fail": f"not ok {number} {function.__name__}",
                   "skip": f"ok {number} {function.__name__} # SKIP {text}"}[result], flush=True)
    except KeyboardInterrupt:
        print("Bail out! interrupted", flush=True)
        sys.exit(1)
    finally:
        if env:
            env.finish()
    print(f"# Totals: pass:{counts['ok']} fail:{counts['fail']} xfail:0 xpass:0 skip:{counts['skip']} error:0", flush=True)
    sys.exit(1 if counts["fail"] else 0 if counts["ok"] else 4)
