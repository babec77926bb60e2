#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The PTP clock, timestamps of both directions, and ptp4l with all of it."""

import errno
import re
import signal
import struct
import subprocess
import tempfile
import time

from endpoint import SLOW
from lib import PATIENCE, Failure, Skip, check, check_equal, main, wait_for

SECOND = 1_000_000_000
# How far an emulated machine may be late between two readings.
LATE = 20_000_000 * SLOW

TX_OFF, TX_ON = 0, 1
NONE, ALL = 0, 1
V1_EVENT, V1_SYNC, V1_DELAY = 3, 4, 5
V2_L4_EVENT, V2_L4_SYNC, V2_L4_DELAY = 6, 7, 8
V2_L2_EVENT, V2_L2_SYNC, V2_L2_DELAY = 9, 10, 11
V2_EVENT, V2_SYNC, V2_DELAY = 12, 13, 14

ETH_P_1588 = 0x88F7
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD


def clock(end):
    """Opens the clock of an end; its number."""
    number = end.phc_find()
    if number is None:
        return None
    end.phc_open(number)
    return number


def need_clock(env, peer=False):
    number = clock(env.local)
    env.defer(env.local.phc_close)
    if number is None:
        env.lacks(f"{env.ifname} has no PTP clock")
    if peer:
        if clock(env.peer) is None:
            raise Skip("the peer has no PTP clock")
        env.defer(env.peer.phc_close)
    env.defer(env.local.phc_frequency, 0)
    return number


def stamps(env, tx, rx, end=None):
    """Switches timestamps on until the case ends; what the driver made of it."""
    end = end or env.local
    env.defer(end.hwtstamp, TX_OFF, NONE)
    return end.hwtstamp(tx, rx)


# -- the clock

def info(env):
    """ethtool -T names the clock of the device and what it stamps."""
    number = need_clock(env)
    text = env.local.run("ethtool", "-T", env.ifname)
    shown = re.search(r"(?:PTP Hardware Clock|Hardware timestamp provider index): (\S+)", text)
    check(shown, f"ethtool -T shows no clock:\n{text}")
    check_equal(shown[1], str(number), "number of the clock in ethtool -T")
    for word in ("hardware-transmit", "hardware-receive", "hardware-raw-clock", "software-transmit"):
        check(word in text, f"ethtool -T does not show {word}")
    for word in ("off", "on"):
        check(re.search(rf"^\s+{word}\b", text, re.M), f"ethtool -T does not show the transmit mode {word}")
    ours = ("ptpv2-l2-event", "ptpv2-l2-sync", "ptpv2-l2-delay-req") if env.driver == "rust_stmmac" else ()
    for word in ("none", "all", "ptpv1-l4-event", "ptpv2-l4-sync", "ptpv2-event", "ptpv2-delay-req", *ours):
        check(re.search(rf"^\s+{word}\b", text, re.M), f"ethtool -T does not show the filter {word}")


def set_get(env):
    need_clock(env)
    for nanos in (0, 1, 999_999_999, 1_500_000_000, 1_000_000_000 * SECOND + 123_456_789, 4_294_000_000 * SECOND):
        env.local.phc_set(nanos)
        passed = env.local.phc_get() - nanos
        check(0 <= passed < LATE, f"the clock was set to {nanos} ns and is {passed} ns off at once")


def bad_times(env):
    """What the registers cannot hold is refused, not cut off."""
    need_clock(env)
    env.local.phc_set(7 * SECOND)
    for secs in (1 << 32, 5_000_000_000):
        try:
            env.local.phc_set(secs * SECOND)
        except OSError:
            continue
        got = env.local.phc_get() // SECOND
        check_equal(got, secs, f"the clock was set to {secs} s and takes that")
    check(7 * SECOND <= env.local.phc_get() < 8 * SECOND + LATE, "a refused time has changed the clock")


def rate(env, seconds):
    """How fast the clock runs, as a multiple of the system's."""
    first, unsure, start = env.local.phc_offset()
    time.sleep(seconds)
    second, more, end = env.local.phc_offset()
    passed = end - start
    return 1 + (second - first) / passed, (unsure + more) / passed


def runs(env):
    need_clock(env)
    env.local.phc_frequency(0)
    got, unsure = rate(env, 1)
    check(abs(got - 1) < 0.001 + unsure, f"the clock runs {got} times as fast as the system's")


def adjfine(env):
    """Faster and slower by what was asked, and nominal again."""
    need_clock(env)
    for ppm in (50_000, -50_000, 1_000, 0):
        env.local.phc_frequency(ppm)
        got, unsure = rate(env, 0.7)
        check(abs(got - 1 - ppm / 1e6) < 0.001 + unsure, f"at {ppm} ppm the clock runs {got} times as fast as the system's")
    for ppm in (2_000_000, -2_000_000):
        try:
            env.local.phc_frequency(ppm)
        except OSError:
            continue
        raise Failure(f"a change by {ppm} ppm was accepted")
    got, unsure = rate(env, 0.5)
    check(abs(got - 1) < 0.001 + unsure, "a refused change has changed the clock")


def adjtime(env):
    """Shifts of either sign, with and without a fraction."""
    need_clock(env)
    env.local.phc_set(1_000_000 * SECOND + 500_000_000)
    for nanos in (SECOND, -SECOND, 1_500_000_000, -1_500_000_000, 900_000_000, -900_000_000, 37 * SECOND, -37 * SECOND,
                  50_000_000, -50_000_000, 100_000 * SECOND + 1, -100_000 * SECOND - 1):
        before = env.local.phc_offset()
        env.local.phc_shift(nanos)
        after = env.local.phc_offset()
        off = after[0] - before[0] - nanos
        check(abs(off) <= (before[1] + after[1]) / 2 + 1_000_000, f"a shift by {nanos} ns is {off} ns off")


def small_shifts(env):
    """Many small shifts add up."""
    need_clock(env)
    env.local.phc_set(5 * SECOND)
    before = env.local.phc_offset()
    for sign in (1, -1):
        for _ in range(100):
            env.local.phc_shift(sign * 3_000_007)
        now = env.local.phc_offset()
        expected = before[0] + (300_000_700 if sign == 1 else 0)
        off = now[0] - expected
        check(abs(off) <= (before[1] + now[1]) / 2 + 1_000_000, f"100 shifts by {sign * 3_000_007} ns are {off} ns off")


def bracket(env):
    """System time before and after each reading, in order."""
    need_clock(env)
    try:
        readings = env.local.phc_bracket()
    except OSError as err:
        env.lacks(f"PTP_SYS_OFFSET_EXTENDED: {err.strerror}")
    last = None
    for before, now, after in readings:
        check(before <= after, f"the system time runs backwards around a reading: {before}, {after}")
        check(after - before < LATE, f"a reading takes {after - before} ns")
        check(last is None or now > last, "the clock stands still")
        last = now


def unbroken(env):
    """The clock neither jumps nor changes its number when the port is
    reset, and stays open."""
    number = need_clock(env)
    env.local.phc_set(123_456 * SECOND)
    # Of several losses of the link the peer may notice the last one late.
    env.defer(env.wait_steady)
    env.defer(env.reopen, env.local, env.ifname)
    last = env.local.phc_offset()
    for what, argv in (("down", ["ip", "link", "set", env.ifname, "down"]), ("up", ["ip", "link", "set", env.ifname, "up"]),
                       ("down", ["ip", "link", "set", env.ifname, "down"]), ("up again", ["ip", "link", "set", env.ifname, "up"])):
        env.local.run(*argv)
        check_equal(env.local.phc_find(), number, f"number of the clock after {what}")
        try:
            now = env.local.phc_offset()
        except OSError as err:
            raise Failure(f"after {what} the clock cannot be read any more: {err.strerror}") from None
        check(abs(now[0] - last[0]) < LATE, f"the clock jumps by {now[0] - last[0]} ns when the port goes {what}")
        last = now


def dead_clock(env):
    """Without its PTP clock the hardware obeys no more: that is an error
    that says so, and costs nothing but the time."""
    if not env.model.have():
        raise Skip("there is no model whose clock could be stopped")
    need_clock(env)
    env.defer(env.model.ctl, "fault", env.model.port, "clear", "clock-dead")
    env.model.ctl("fault", env.model.port, "clock-dead", "ptp")
    env.kmsg.news()
    for what, call, value in (("set", env.local.phc_set, SECOND), ("shift", env.local.phc_shift, SECOND),
                              ("steer", env.local.phc_frequency, 1000)):
        try:
            call(value)
        except OSError:
            continue
        raise Failure(f"to {what} a dead clock succeeded")
    check(any("clock" in line for line in env.kmsg.news()), "the kernel log says nothing of a dead clock")
    env.ping()
    env.model.ctl("fault", env.model.port, "clear", "clock-dead")
    env.local.phc_set(5 * SECOND)
    check(5 * SECOND <= env.local.phc_get() < 5 * SECOND + LATE, "the clock does not go on")


# -- timestamps

def udp_stamps(env, count, size=100):
    """Sends datagrams: their timestamps, and the clock before and after."""
    sock, _ = env.local.udp_open(env.v4)
    sink, port = env.peer.udp_open(env.peer_v4)
    try:
        env.local.stamps_on(sock)
        before = env.local.phc_get()
        got = []
        for _ in range(count):
            env.local.udp_send(sock, env.peer_v4, port, [bytes(size)])
            got += env.local.sent_stamps(sock, 1)
        return before, got, env.local.phc_get()
    finally:
        env.local.close(sock)
        env.peer.close(sink)


def plausible(got, before, after, what):
    last = before - LATE
    for stamp in got:
        check(before - 1_000_000 <= stamp <= after + 1_000_000,
              f"{what}: timestamp {stamp} is not within {before} and {after} of the clock")
        check(stamp > last, f"{what}: timestamp {stamp} follows {last}")
        last = stamp


def transmit(env):
    need_clock(env)
    env.local.phc_set(1_000 * SECOND)
    stamps(env, TX_ON, NONE)
    for size in (20, 1400):
        before, got, after = udp_stamps(env, 10, size)
        check_equal(len(got), 10, f"timestamps of 10 datagrams of {size} bytes")
        plausible(got, before, after, "sent")


def transmit_buffers(env):
    """Frames of several buffers: the timestamp is in the last descriptor."""
    need_clock(env)
    stamps(env, TX_ON, NONE)
    sock, _ = env.local.udp_open(env.v4)
    env.defer(env.local.close, sock)
    env.local.stamps_on(sock)
    before = env.local.phc_get()
    for _ in range(5):
        env.local.udp_send_parts(sock, env.peer_v4, 9, [bytes(100), bytes(700), bytes(400)])
    got = env.local.sent_stamps(sock, 5)
    check_equal(len(got), 5, "timestamps of 5 datagrams")
    plausible(got, before, env.local.phc_get(), "sent in parts")


def transmit_off(env):
    need_clock(env)
    check_equal(stamps(env, TX_OFF, NONE), [TX_OFF, NONE], "the setting")
    sock, _ = env.local.udp_open(env.v4)
    env.defer(env.local.close, sock)
    env.local.stamps_on(sock)
    env.local.udp_send(sock, env.peer_v4, 9, [b"x"])
    check_equal(env.local.sent_stamps(sock, 1, timeout=0.5), [], "timestamps while they are off")


def transmit_load(env):
    """Every packet gets its timestamp in the midst of others that get none."""
    need_clock(env)
    stamps(env, TX_ON, ALL)
    env.flood()
    before, got, after = udp_stamps(env, 50)
    check_equal(len(got), 50, "timestamps under load")
    plausible(got, before, after, "sent under load")


def receive_all(env):
    """All frames, of one descriptor or of several."""
    need_clock(env)
    env.local.phc_set(2_000 * SECOND)
    check_equal(stamps(env, TX_OFF, ALL), [TX_OFF, ALL], "the setting")
    sink = env.local.raw_open()
    source = env.peer.raw_open()
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, source)
    env.local.stamps_on(sink)
    for burst in (1, 32):
        for size in (60, 1514):
            before = env.local.phc_get()
            env.peer.raw_send(source, [env.frame(False, bytes(size - 14))] * burst)
            got = env.local.recv_stamped(sink, burst)
            after = env.local.phc_get()
            check_equal(len(got), burst, "frames received")
            check_equal([stamp for _, stamp in got].count(None), 0, "frames without a timestamp")
            plausible([stamp for _, stamp in got], before, after, f"{burst} frames of {size} bytes received")


def receive_load(env):
    """Streams are whole while every frame gets a timestamp."""
    need_clock(env)
    stamps(env, TX_ON, ALL)
    for to_peer in (True, False):
        env.tcp(to_peer)
    env.udp([1000] * 100, False)


V1, V2 = 1, 2
SYNC, DELAY, PDELAY, ANNOUNCE = "Sync", "Delay_Req", "Pdelay_Req", "Announce"
V2_TYPES = {SYNC: 0x0, DELAY: 0x1, PDELAY: 0x2, ANNOUNCE: 0xB}
V1_CONTROL = {SYNC: 0, DELAY: 1}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def message(version, kind, ident):
    """A PTP message, with a number to recognise it by."""
    if version == V2:
        body = bytes([V2_TYPES[kind], 2]) + struct.pack("!H", 60) + bytes(26) + struct.pack("!H", ident)
    else:
        body = struct.pack("!HH", 1, 1) + bytes(26) + struct.pack("!H", ident) + bytes([V1_CONTROL[kind]])
    return body + bytes(28) + struct.pack("!4sI", b"ptp!", ident)


def ptp_frame(env, carrier, version, kind, ident):
    """From the peer to us, for an address that is nobody's."""
    body = message(version, kind, ident)
    if carrier == "l2":
        return env.frame(False, body, ethertype=ETH_P_1588)
    port = 320 if kind == ANNOUNCE else 319
    if carrier == "udp4":
        udp = struct.pack("!HHHH", port, port, 8 + len(body), 0) + body
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 1, 17, 0, bytes([198, 18, 0, 1]), bytes([198, 18, 0, 9]))
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return env.frame(False, head + udp, ethertype=ETH_P_IP)
    here, there = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"
    udp = struct.pack("!HHHH", port, port, 8 + len(body), 0) + body
    padded = udp + bytes(len(udp) % 2)
    total = checksum(here + there + struct.pack("!II", len(udp), 17) + padded) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total) + udp[8:]
    head = struct.pack("!IHBB", 6 << 28, len(udp), 17, 1) + here + there
    return env.frame(False, head + udp, ethertype=ETH_P_IPV6)


CARRIERS = {"l2": ETH_P_1588, "udp4": ETH_P_IP, "udp6": ETH_P_IPV6}
UDP = ("udp4", "udp6")
# Filter: the messages that must get a timestamp, and those that must not.
FILTERS = {
    "none": (NONE, [], [("l2", V2, SYNC), ("udp4", V2, SYNC), ("udp4", V1, SYNC)]),
    "v1_event": (V1_EVENT, [(c, V1, k) for c in UDP for k in (SYNC, DELAY)], [("l2", V2, SYNC), ("udp4", V2, SYNC)]),
    "v1_sync": (V1_SYNC, [(c, V1, SYNC) for c in UDP], [("udp4", V1, DELAY), ("udp4", V2, SYNC)]),
    "v1_delay_req": (V1_DELAY, [(c, V1, DELAY) for c in UDP], [("udp4", V1, SYNC), ("udp4", V2, DELAY)]),
    "v2_l4_event": (V2_L4_EVENT, [(c, V2, k) for c in UDP for k in (SYNC, DELAY, PDELAY)],
                    [("l2", V2, SYNC), ("udp4", V1, SYNC), ("udp4", V2, ANNOUNCE)]),
    "v2_l4_sync": (V2_L4_SYNC, [(c, V2, SYNC) for c in UDP], [("udp4", V2, DELAY), ("l2", V2, SYNC)]),
    "v2_l4_delay_req": (V2_L4_DELAY, [(c, V2, DELAY) for c in UDP], [("udp4", V2, SYNC), ("l2", V2, DELAY)]),
    "v2_l2_event": (V2_L2_EVENT, [("l2", V2, k) for k in (SYNC, DELAY, PDELAY)],
                    [("l2", V2, ANNOUNCE), *((c, v, SYNC) for c in UDP for v in (V1, V2))]),
    "v2_l2_sync": (V2_L2_SYNC, [("l2", V2, SYNC)], [("l2", V2, DELAY), ("udp4", V2, SYNC), ("udp6", V2, SYNC)]),
    "v2_l2_delay_req": (V2_L2_DELAY, [("l2", V2, DELAY)], [("l2", V2, SYNC), ("udp4", V2, DELAY), ("udp6", V2, DELAY)]),
    "v2_event": (V2_EVENT, [(c, V2, k) for c in CARRIERS for k in (SYNC, DELAY, PDELAY)],
                 [("l2", V2, ANNOUNCE), ("udp4", V1, SYNC)]),
    "v2_sync": (V2_SYNC, [(c, V2, SYNC) for c in CARRIERS], [("l2", V2, DELAY), ("udp6", V2, DELAY), ("udp4", V1, SYNC)]),
    "v2_delay_req": (V2_DELAY, [(c, V2, DELAY) for c in CARRIERS], [("l2", V2, SYNC), ("udp6", V2, SYNC)]),
}


def receive_filter(name):
    """A case: what a filter takes timestamps of, and what it does not."""
    wanted, yes, no = FILTERS[name]

    def run(env):
        need_clock(env)
        try:
            effective = stamps(env, TX_OFF, wanted)
        except OSError as err:
            # The C driver knows no filter for Ethernet alone.
            if err.errno != errno.ERANGE or not name.startswith("v2_l2"):
                raise
            env.absent(f"{env.driver} does not offer the filter {name}")
        source = env.peer.raw_open()
        env.defer(env.peer.close, source)
        sinks = {}
        for carrier, ethertype in CARRIERS.items():
            sinks[carrier] = env.local.raw_open(ethertype)
            env.defer(env.local.close, sinks[carrier])
            env.local.stamps_on(sinks[carrier])
        exact = effective == [TX_OFF, wanted]
        for ident, (carrier, version, kind) in enumerate(yes + no, 1):
            frame = ptp_frame(env, carrier, version, kind, ident)
            env.peer.raw_send(source, [frame])
            got = env.local.recv_stamped(sinks[carrier], 1, marker=struct.pack("!4sI", b"ptp!", ident))
            what = f"version {version} {kind} over {carrier}"
            check_equal(len(got), 1, f"frames received of {what}")
            if ident <= len(yes):
                check(got[0][1] is not None, f"{what} has no timestamp")
            elif exact:
                check(got[0][1] is None, f"{what} has a timestamp")
    run.__name__ = f"receive_{name}"
    return run


def settings(env):
    """What was set is read back, kept while down, and what is impossible refused."""
    need_clock(env)
    for tx, rx in ((TX_ON, V2_EVENT), (TX_OFF, ALL), (TX_ON, NONE)):
        check_equal(stamps(env, tx, rx), [tx, rx], "the setting")
        check_equal(env.local.hwtstamp(), [tx, rx], "the setting that is read back")
    # One-step Sync; a filter that does not exist.
    for tx, rx in ((2, NONE), (TX_ON, 99)):
        try:
            env.local.hwtstamp(tx, rx)
        except OSError:
            continue
        raise Failure(f"the setting {tx}, {rx} was accepted")
    check_equal(env.local.hwtstamp(), [TX_ON, NONE], "the setting after refusals")


def settings_kept(env):
    """Timestamps go on after a reset of the port."""
    need_clock(env)
    stamps(env, TX_ON, ALL)
    env.reopen(env.local, env.ifname)
    check_equal(env.local.hwtstamp(), [TX_ON, ALL], "the setting after down and up")
    before, got, after = udp_stamps(env, 3)
    check_equal(len(got), 3, "timestamps after down and up")
    plausible(got, before, after, "sent after down and up")


def both_ends(env):
    """A frame is received when it is sent, by clocks that show the same."""
    need_clock(env, peer=True)
    stamps(env, TX_ON, NONE)
    stamps(env, TX_OFF, ALL, env.peer)
    source, sink = env.local.raw_open(), env.peer.raw_open()
    env.defer(env.local.close, source)
    env.defer(env.peer.close, sink)
    env.local.stamps_on(source)
    env.peer.stamps_on(sink)
    for ident in range(5):
        env.local.raw_send(source, [env.frame(True, bytes([ident]) * 200)])
        sent = env.local.sent_stamps(source, 1)
        got = env.peer.recv_stamped(sink, 1)
        check_equal((len(sent), len(got)), (1, 1), "timestamps sent and frames received")
        check(got[0][1] is not None, "a frame was received without a timestamp")
        # Both in terms of the system's clock, if the peer is on the same machine.
        if not env.own_peer:
            continue
        here, there = env.local.phc_offset(), env.peer.phc_offset()
        flight = (got[0][1] - there[0]) - (sent[0] - here[0])
        unsure = (here[1] + there[1]) / 2
        check(abs(flight) < LATE + unsure, f"a frame is {flight} ns under way")


# -- ptp4l

class Ptp4l:
    """One instance; its output goes to a file."""

    def __init__(self, env, ifname, prefix, *options):
        self.folder = tempfile.TemporaryDirectory()
        path = self.folder.name
        self.log = open(f"{path}/log", "w+", encoding="utf-8")
        argv = [*prefix, "ptp4l", "-2", "-H", "-m", "-q", "-i", ifname, "--uds_address", f"{path}/uds", "--uds_ro_address", f"{path}/udsro",
                "--tx_timestamp_timeout", "200", "--logSyncInterval", "-3", "--logMinDelayReqInterval", "-3", "--logAnnounceInterval", "-1",
                "--summary_interval", "-2", "--first_step_threshold", "0.00002", *options]
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        env.defer(self.stop)

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()


def ptp4l(env):
    """A slave steers its clock to its master's, from an hour away."""
    if env.local.command(["ptp4l", "-v"])[0] == 127:
        raise Skip("ptp4l is not installed")
    if not env.netns:
        raise Skip("the peer is not a namespace of this machine")
    need_clock(env, peer=True)
    env.peer.phc_frequency(0)
    env.local.phc_set(10_000 * SECOND)
    env.peer.phc_set(13_600 * SECOND)
    env.defer(env.peer.phc_frequency, 0)
    env.defer(env.local.hwtstamp, TX_OFF, NONE)
    env.defer(env.peer.hwtstamp, TX_OFF, NONE)
    server = Ptp4l(env, env.ifname, [], "--priority1", "10")
    client = Ptp4l(env, env.peer_ifname, ["ip", "netns", "exec", env.netns], "-s")

    def fault():
        for text in (server.text(), client.text()):
            found = re.search(r".*(?:FAULTY|timed out while polling|failed|without timestamp).*", text)
            if found:
                raise Failure(f"ptp4l: {found[0]}")
        for one in (server, client):
            if one.process.poll() is not None:
                raise Failure(f"ptp4l has ended: {one.text()[-400:]}")

    def locked():
        fault()
        # rms 1234 max 2345 freq +123 +/- 45 delay 678 +/- 9
        values = [int(value) for value in re.findall(r"rms +(\d+) max", client.text())]
        return len(values) >= 8 and sorted(values[-4:])[1] < 2_000_000
    try:
        wait_for(locked, "a lock", timeout=2 * PATIENCE)
    except Failure as failure:
        raise Failure(f"{failure}\nserver:\n{server.text()[-600:]}\nclient:\n{client.text()[-900:]}") from None
    here, there = env.local.phc_offset(), env.peer.phc_offset()
    off = there[0] - here[0]
    check(abs(off) < 5_000_000 + (here[1] + there[1]) / 2, f"the clocks are {off} ns apart although ptp4l says that they agree")


if __name__ == "__main__":
    main(info, set_get, bad_times, runs, adjfine, adjtime, small_shifts, bracket, unbroken, dead_clock,
         settings, transmit, transmit_buffers, transmit_off, transmit_load, receive_all, receive_load,
         *(receive_filter(name) for name in FILTERS), settings_kept, both_ends, ptp4l)
