#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One end of the wire: what a test does at an interface.

The same class serves the machine under test, where it is called directly, and
the peer (a network namespace or a machine reached by ssh), where this file
runs as a server that reads requests from standard input. It must therefore
stay one file that needs nothing but Python's own library.
"""

import base64
import ctypes
import fcntl
import hashlib
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

ETH_P_TEST = 0x88B5  # IEEE 802: local experimental use
ETH_P_ALL = 3
PACKET_OTHERHOST = 3
PACKET_OUTGOING = 4
TEST_TYPE = ETH_P_TEST.to_bytes(2, "big")

SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_DROP_MEMBERSHIP = 2
PACKET_AUXDATA = 8
TP_STATUS_VLAN_VALID = 0x10
SO_RCVBUFFORCE = 33
UDP_SEGMENT = 103
MEMBERSHIP = {"multicast": 0, "promisc": 1, "allmulti": 2, "unicast": 3}

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCSHWTSTAMP, SIOCGHWTSTAMP = 0x89B0, 0x89B1
SO_TIMESTAMPING = 37
# TX_HARDWARE, RX_HARDWARE, RAW_HARDWARE, OPT_TSONLY.
SOF_HARDWARE = 1 << 0 | 1 << 2 | 1 << 6 | 1 << 11
ADJ_FREQUENCY, ADJ_SETOFFSET, ADJ_NANO = 0x0002, 0x0100, 0x2000
# _IOWR('=', 9, struct ptp_sys_offset_extended)
PTP_SYS_OFFSET_EXTENDED = 0xC4C03D09

# A kernel full of checks, as kselftest marks it: waits may take longer.
SLOW = 4 if os.environ.get("KSFT_MACHINE_SLOW") else 1
# Far above what a slow emulated guest needs: only ends what would hang.
PATIENCE = 30 * SLOW
# Exit status of a command that was ended, as timeout(1) has it.
TIMED_OUT = 124


class EndpointError(Exception):
    """An operation of an end failed; its text says which and why."""


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


class Endpoint:
    """Operations at one end. All arguments and results survive JSON."""

    def __init__(self, ifname=None):
        self.ifname = ifname
        self.sockets = {}
        self.next_handle = 1
        self.flood = None
        self.flood_sent = 0
        self.flood_stop_event = threading.Event()
        self.phc = None
        self.repeat = None
        self.repeat_stop_event = threading.Event()

    # -- commands and files

    def command(self, argv, stdin=None, timeout=PATIENCE):
        """Runs a command: [exit status, standard output, standard error]."""
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, text=True,
                                  timeout=timeout, check=False)
        except FileNotFoundError:
            return [127, "", f"{argv[0]}: not installed"]
        except subprocess.TimeoutExpired:
            return [TIMED_OUT, "", f"{argv[0]}: no end after {timeout} s"]
        return [done.returncode, done.stdout, done.stderr]

    def run(self, *argv):
        status, out, err = self.command([str(arg) for arg in argv])
        if status:
            raise EndpointError(f"'{' '.join(map(str, argv))}' failed ({status}): {err.strip() or out.strip()}")
        return out

    def read(self, path):
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()

    def write(self, path, text):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(text))

    def sys(self, name):
        return self.read(f"/sys/class/net/{self.ifname}/{name}")

    def set_ifname(self, ifname):
        self.ifname = ifname

    def ifname_of(self, addr):
        """The interface that holds an address, or None."""
        for link in json.loads(self.run("ip", "-j", "addr")):
            for info in link.get("addr_info", []):
                if info.get("local") == addr:
                    return link["ifname"]
        return None

    def link(self):
        return json.loads(self.run("ip", "-j", "-d", "-s", "-s", "link", "show", "dev", self.ifname))[0]

    def carrier(self):
        try:
            return self.sys("carrier") == "1"
        except OSError:  # the interface is down or gone
            return False

    def counters(self):
        """The stack's counters in this namespace, as 'Udp.InCsumErrors'."""
        result = {}
        for name in ("snmp", "netstat"):
            lines = self.read(f"/proc/net/{name}").splitlines()
            for keys, values in zip(lines[::2], lines[1::2]):
                proto, keys = keys.split(":")
                for key, value in zip(keys.split(), values.split(":")[1].split()):
                    result[f"{proto}.{key}"] = int(value)
        if os.path.exists("/proc/net/snmp6"):
            for line in self.read("/proc/net/snmp6").splitlines():
                key, value = line.split()
                result[key] = int(value)
        return result

    # -- sockets are kept here and named by handles

    def keep(self, sock):
        handle = self.next_handle
        self.next_handle += 1
        self.sockets[handle] = sock
        return handle

    def close(self, handle):
        self.sockets.pop(handle).close()

    @staticmethod
    def big_buffer(sock):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)

    # -- raw frames

    def raw_open(self, ethertype=ETH_P_TEST, ifname=None):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.big_buffer(sock)
        sock.bind((ifname or self.ifname, ethertype))
        return self.keep(sock)

    def tap_open(self):
        """A socket for tap_recv(): sees every frame, before VLANs are looked at."""
        handle = self.raw_open(ETH_P_ALL)
        self.sockets[handle].setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        return handle

    def tap_recv(self, handle, until, timeout=10):
        """Test frames that came in before one that ends with `until`, as
        [type of the first tag, its TCI, bytes without it]; zeros if untagged."""
        sock = self.sockets[handle]
        frames = []
        while True:
            if not select.select([sock], [], [], timeout)[0]:
                return frames
            data, ancillary, _, (_, _, kind, _, _) = sock.recvmsg(65536, 256)
            if kind == PACKET_OUTGOING or TEST_TYPE not in (data[12:14], data[16:18]):
                continue
            if data.endswith(until):
                timeout = 0.2
                continue
            tpid = tci = 0
            for level, name, value in ancillary:
                if (level, name) == (SOL_PACKET, PACKET_AUXDATA):
                    status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
                    if not status & TP_STATUS_VLAN_VALID:
                        tpid = tci = 0
            frames.append([tpid, tci, data])

    def raw_member(self, handle, kind, addr=None, leave=False):
        """Joins (or leaves) a filter: multicast, unicast, allmulti, promisc."""
        addr = mac_bytes(addr) if addr else b""
        request = struct.pack("iHH8s", socket.if_nametoindex(self.ifname), MEMBERSHIP[kind], len(addr), addr)
        option = PACKET_DROP_MEMBERSHIP if leave else PACKET_ADD_MEMBERSHIP
        self.sockets[handle].setsockopt(SOL_PACKET, option, request)
        self.filters_set()

    def filters_set(self):
        """A driver may be told of its addresses a while later, but is when flags are set, be they as they were."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16s24x", self.ifname.encode()))
            fcntl.ioctl(sock, SIOCSIFFLAGS, request)

    def raw_send(self, handle, frames):
        sock = self.sockets[handle]
        sock.settimeout(PATIENCE)
        for frame in frames:
            if sock.send(frame) != len(frame):
                raise EndpointError(f"a frame of {len(frame)} bytes was sent in part")

    def raw_recv(self, handle, count=None, until=None, timeout=10 * SLOW):
        """Frames as [packet type, bytes]: `count` of them, or all before the
        frame that ends with `until`; fewer when none came for `timeout` s."""
        sock = self.sockets[handle]
        frames = []
        while count is None or len(frames) < count:
            if not select.select([sock], [], [], timeout)[0]:
                break
            data, (_, _, kind, _, _) = sock.recvfrom(65536)
            if until and until in data:
                # What took another queue may still be on its way.
                until, timeout = None, 0.2
                continue
            frames.append([kind, data])
        return frames

    def flow_recv(self, handle, proto, v6, port, size, timeout=5 * SLOW):
        """IP packets of a flow to a port, without Ethernet header, until their
        transport payload comes to `size` bytes; fewer when none came for
        `timeout` s. Without a size: all that came within half a second."""
        sock = self.sockets[handle]
        packets = []
        if size is None:
            timeout = 0.5
        while size is None or size > 0:
            if not select.select([sock], [], [], timeout)[0]:
                break
            data = sock.recv(65536)[14:]
            head = 40 if v6 else (data[0] & 15) * 4
            if data[6 if v6 else 9] != proto or int.from_bytes(data[head + 2:head + 4], "big") != port:
                continue
            packets.append(data)
            if size is not None:
                length = int.from_bytes(data[4:6], "big") if v6 else int.from_bytes(data[2:4], "big") - head
                size -= length - (8 if proto == socket.IPPROTO_UDP else (data[head + 12] >> 4) * 4)
        return packets

    # -- datagrams

    @staticmethod
    def family(addr):
        return socket.AF_INET6 if ":" in addr else socket.AF_INET

    def udp_open(self, addr, port=0):
        """[handle, port] of a socket bound to an address."""
        sock = socket.socket(self.family(addr), socket.SOCK_DGRAM)
        self.big_buffer(sock)
        sock.bind((addr, port))
        return [self.keep(sock), sock.getsockname()[1]]

    def udp_join(self, handle, group):
        sock = self.sockets[handle]
        index = socket.if_nametoindex(self.ifname)
        if ":" in group:
            packed = socket.inet_pton(socket.AF_INET6, group)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("I", index))
        else:
            packed = socket.inet_aton(group)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", packed, b"\0" * 4, index))
        self.filters_set()

    def udp_send(self, handle, addr, port, datagrams):
        sock = self.sockets[handle]
        sock.settimeout(PATIENCE)
        if addr.startswith("ff"):
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(self.ifname))
        elif addr.startswith("224.") or addr.startswith("239."):
            index = socket.if_nametoindex(self.ifname)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", b"\0" * 4, b"\0" * 4, index))
        for data in datagrams:
            sock.sendto(data, (addr, port))

    def udp_send_parts(self, handle, addr, port, parts):
        """One datagram, whose parts lie in different buffers."""
        sock = self.sockets[handle]
        for part in parts[:-1]:
            sock.sendto(part, socket.MSG_MORE, (addr, port))
        sock.sendto(parts[-1], (addr, port))

    def udp_send_segmented(self, handle, addr, port, data, size):
        """Has the kernel make datagrams of `size` bytes of the data."""
        sock = self.sockets[handle]
        sock.settimeout(PATIENCE)
        sock.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", size))], 0, (addr, port))

    def udp_recv(self, handle, count, timeout=10 * SLOW):
        sock = self.sockets[handle]
        datagrams = []
        while len(datagrams) < count:
            if not select.select([sock], [], [], timeout)[0]:
                break
            datagrams.append(sock.recv(65536))
        return datagrams

    # -- timestamps

    def hwtstamp(self, tx=None, rx=None):
        """Sets of which packets timestamps are taken, or only reads it: [tx, rx]."""
        config = ctypes.create_string_buffer(struct.pack("iii", 0, tx or 0, rx or 0))
        request = struct.pack("16sP16x", self.ifname.encode(), ctypes.addressof(config))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, SIOCGHWTSTAMP if tx is None else SIOCSHWTSTAMP, request)
        return list(struct.unpack("iii", config.raw[:12])[1:])

    def stamps_on(self, handle):
        """Hardware timestamps for what a socket sends and receives."""
        self.sockets[handle].setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, SOF_HARDWARE)

    @staticmethod
    def hardware_stamp(ancillary):
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING) and len(data) >= 48:
                secs, nanos = struct.unpack("qq", data[32:48])
                if (secs, nanos) != (0, 0):
                    return secs * 1_000_000_000 + nanos
        return None

    def sent_stamps(self, handle, count, timeout=5 * SLOW):
        """The timestamps of packets that were sent, as nanoseconds."""
        sock = self.sockets[handle]
        poll = select.poll()
        poll.register(sock, 0)
        stamps = []
        end = time.monotonic() + timeout
        while len(stamps) < count and time.monotonic() < end:
            if not poll.poll(100):
                continue
            try:
                _, ancillary, _, _ = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            stamp = self.hardware_stamp(ancillary)
            if stamp is not None:
                stamps.append(stamp)
        return stamps

    def recv_stamped(self, handle, count, marker=b"", timeout=5 * SLOW):
        """[data, timestamp or None] of packets that contain the marker."""
        sock = self.sockets[handle]
        packets = []
        end = time.monotonic() + timeout
        while len(packets) < count:
            left = end - time.monotonic()
            if left <= 0 or not select.select([sock], [], [], left)[0]:
                break
            data, ancillary, _, addr = sock.recvmsg(65536, 512)
            if marker in data and not (sock.family == socket.AF_PACKET and addr[2] == socket.PACKET_OUTGOING):
                packets.append([data, self.hardware_stamp(ancillary)])
        return packets

    # -- the clock that timestamps are taken from

    def phc_find(self):
        """The number of the interface's clock, or None."""
        device = os.path.realpath(f"/sys/class/net/{self.ifname}/device")
        base = "/sys/class/ptp"
        for name in sorted(os.listdir(base) if os.path.isdir(base) else []):
            if os.path.realpath(f"{base}/{name}/device") == device:
                return int(name.removeprefix("ptp"))
        return None

    def phc_open(self, number):
        self.phc_close()
        self.phc = os.open(f"/dev/ptp{number}", os.O_RDWR)

    def phc_close(self):
        if self.phc is not None:
            os.close(self.phc)
            self.phc = None

    def phc_id(self):
        return (~self.phc << 3) | 3

    def phc_get(self):
        return time.clock_gettime_ns(self.phc_id())

    def phc_set(self, nanos):
        time.clock_settime_ns(self.phc_id(), nanos)

    def phc_offset(self):
        """[clock minus monotonic time, uncertainty, monotonic time] in nanoseconds: the best of some readings."""
        best = None
        for _ in range(10):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            clock = self.phc_get()
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            if best is None or after - before < best[1]:
                best = [clock - (before + after) // 2, after - before, (before + after) // 2]
        return best

    def phc_adjust(self, modes, frequency=0, shift=0):
        secs, nanos = divmod(shift, 1_000_000_000)
        # struct timex: modes, offset, freq, ..., time.
        timex = ctypes.create_string_buffer(struct.pack("I4xqq48xqq120x", modes, 0, frequency, secs, nanos), 208)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.clock_adjtime(self.phc_id(), timex) < 0:
            err = ctypes.get_errno()
            raise OSError(err, os.strerror(err))

    def phc_shift(self, nanos):
        self.phc_adjust(ADJ_SETOFFSET | ADJ_NANO, shift=nanos)

    def phc_frequency(self, ppm):
        self.phc_adjust(ADJ_FREQUENCY, frequency=int(ppm * 65536))

    def phc_bracket(self, count=5):
        """Readings of the clock between readings of the system's: [before, clock, after]."""
        request = bytearray(struct.pack("I12x", count) + bytes(25 * 3 * 16))
        fcntl.ioctl(self.phc, PTP_SYS_OFFSET_EXTENDED, request)
        times = [secs * 1_000_000_000 + nanos for secs, nanos in struct.iter_unpack("qI4x", bytes(request[16:]))]
        return [times[3 * i:3 * i + 3] for i in range(count)]

    # -- streams

    def tcp_listen(self, addr):
        """[handle, port] of a listening socket."""
        sock = socket.socket(self.family(addr), socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((addr, 0))
        sock.listen(64)
        return [self.keep(sock), sock.getsockname()[1]]

    def tcp_receive(self, handle, timeout=PATIENCE):
        """Takes one connection to its end: [bytes, SHA-256]."""
        listener = self.sockets[handle]
        listener.settimeout(timeout)
        digest, total = hashlib.sha256(), 0
        conn, _ = listener.accept()
        with conn:
            conn.settimeout(timeout)
            while data := conn.recv(262144):
                digest.update(data)
                total += len(data)
            conn.sendall(b"done")
        return [total, digest.hexdigest()]

    def tcp_send(self, source, addr, port, seed, size, timeout=PATIENCE, mss=None):
        """Sends pseudo-random data of a seed: [bytes, SHA-256]."""
        noise = random.Random(seed)
        digest, total = hashlib.sha256(), 0
        with socket.socket(self.family(addr), socket.SOCK_STREAM) as conn:
            conn.settimeout(timeout)
            conn.bind((source, 0))
            if mss:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
            conn.connect((addr, port))
            while total < size:
                data = noise.randbytes(min(65536, size - total))
                conn.sendall(data)
                digest.update(data)
                total += len(data)
            conn.shutdown(socket.SHUT_WR)
            # Without it, an interface that goes away right now would cut the tail.
            if conn.recv(4) != b"done":
                raise EndpointError("the receiver of a stream did not confirm its end")
        return [total, digest.hexdigest()]

    # -- background noise that survives everything done to the interface

    def flood_start(self, addr, size=1000, burst=16):
        self.flood_stop_event.clear()
        self.flood = threading.Thread(target=self.flood_run, args=(addr, size, burst), daemon=True)
        self.flood_sent = 0
        self.flood.start()

    def flood_run(self, addr, size, burst):
        sock = None
        data = bytes(size)
        while not self.flood_stop_event.is_set():
            try:
                if sock is None:
                    sock = socket.socket(self.family(addr), socket.SOCK_DGRAM)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.ifname.encode() + b"\0")
                    sock.settimeout(1)
                for _ in range(burst):
                    sock.sendto(data, (addr, 9))
                    self.flood_sent += 1
                # Leave most of a small machine to the test itself.
                time.sleep(0.01)
            except OSError:
                if sock is not None:
                    sock.close()
                sock = None
                time.sleep(0.01)
        if sock is not None:
            sock.close()

    def flood_stop(self):
        """Ends the noise: the number of datagrams that were sent."""
        self.flood_stop_event.set()
        self.flood.join(PATIENCE)
        return self.flood_sent

    def repeat_start(self, frame, interval):
        """Sends one raw frame again and again."""
        self.repeat_stop_event.clear()
        self.repeat = threading.Thread(target=self.repeat_run, args=(frame, interval), daemon=True)
        self.repeat.start()

    def repeat_run(self, frame, interval):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.bind((self.ifname, ETH_P_TEST))
            sock.settimeout(1)
            while not self.repeat_stop_event.wait(interval):
                try:
                    sock.send(frame)
                except OSError:  # no link right now
                    pass

    def repeat_stop(self):
        self.repeat_stop_event.set()
        if self.repeat:
            self.repeat.join(PATIENCE)


# -- the wire format between a test and its peer: a JSON text a line

def encode(value):
    def default(obj):
        if isinstance(obj, (bytes, bytearray)):
            return {"b64": base64.b64encode(obj).decode()}
        raise TypeError(f"cannot send a {type(obj).__name__}")
    return json.dumps(value, default=default)


def decode(text):
    return json.loads(text, object_hook=lambda obj: base64.b64decode(obj["b64"]) if set(obj) == {"b64"} else obj)


def serve():
    """Answers requests until the test closes the pipe. Each has a thread: a
    test starts the receiver of a stream and then asks for other things."""
    endpoint = Endpoint()
    lock = threading.Lock()

    def handle(ident, name, args, kwargs):
        try:
            reply = {"id": ident, "result": getattr(endpoint, name)(*args, **kwargs)}
        except Exception as err:  # whatever it is, the test must hear of it
            reply = {"id": ident, "error": f"{type(err).__name__}: {err}" if not isinstance(err, EndpointError) else str(err)}
        with lock:
            print(encode(reply), flush=True)

    for line in sys.stdin:
        request = decode(line)
        threading.Thread(target=handle, daemon=True,
                         args=(request["id"], request["name"], request["args"], request["kwargs"])).start()


if __name__ == "__main__":
    serve()
