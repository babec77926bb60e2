#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Segmentation of TCP and UDP by the hardware: what the peer's wire sees, and that nobody can tell it from software's."""

import random
import struct

from csum import ETH_P_IP, ETH_P_IPV6, TCP, UDP, ones_sum, pseudo
from device import Device
from lib import Skip, case, check, check_equal, main, noise

FEATURE = {(TCP, False): "tx-tcp-segmentation", (TCP, True): "tx-tcp6-segmentation",
           (UDP, False): "tx-udp-segmentation", (UDP, True): "tx-udp-segmentation"}
TCP_FIN, TCP_SYN = 1, 2
WORD = {True: "on", False: "off"}


class Tap:
    """What reaches the peer of one flow, each frame by itself."""

    def __init__(self, env, proto, v6):
        self.env, self.proto, self.v6 = env, proto, v6
        self.src, self.dst = (env.v6, env.peer_v6) if v6 else (env.v4, env.peer_v4)
        env.peer_feature("generic-receive-offload", False)
        self.handle = env.peer.raw_open(ETH_P_IPV6 if v6 else ETH_P_IP)
        env.defer(env.peer.close, self.handle)

    def segments(self, port, expected=None):
        """(transport header, payload) of each frame to a port; all headers and
        checksums are what they must be."""
        result = []
        for data in self.env.peer.flow_recv(self.handle, self.proto, self.v6, port, expected):
            ip_size = 40 if self.v6 else (data[0] & 15) * 4
            if self.v6:
                length = struct.unpack("!H", data[4:6])[0]
            else:
                length = struct.unpack("!H", data[2:4])[0] - ip_size
            segment = data[ip_size:ip_size + length]
            check_equal(len(segment), length, "bytes of a segment, by its IP header")
            if not self.v6:
                check_equal(ones_sum(data[:ip_size]), 0xFFFF, "sum over an IP header")
            check_equal(ones_sum(pseudo(self.src, self.dst, self.proto, length) + segment), 0xFFFF,
                        f"sum over a segment of {length} bytes")
            head = 8 if self.proto == UDP else (segment[12] >> 4) * 4
            if self.proto == UDP:
                check_equal(struct.unpack("!H", segment[4:6])[0], length, "length in a UDP header")
                check(segment[6:8] != b"\0\0", "a datagram left without checksum")
            result.append((segment[:head], segment[head:]))
        return result


def count(env, suffix):
    """The sum of the counters of that name, of whatever queue; None if there is none."""
    values = [value for name, value in env.statistics().items() if name == suffix or name.endswith(f"_{suffix}")]
    return sum(values) if values else None


def offload(env, proto, v6, on):
    """Switches the feature; that of UDP came with release 5.10 of the core."""
    if proto == UDP and on and env.model.have() and int(env.model.about()["version"], 16) < 0x51:
        raise Skip("this release of the core segments no UDP")
    env.feature(FEATURE[proto, v6], on)


class Offload:
    """The feature is as wanted, and did (or did not) take part."""

    def __init__(self, env, proto, v6, on):
        self.env, self.on = env, on
        offload(env, proto, v6, on)
        # The C driver counts both as one.
        name = "tx_uso_frames" if proto == UDP and count(env, "tx_uso_frames") is not None else "tx_tso_frames"
        self.name, self.before = name, count(env, name)

    def judge(self, took_part=None):
        if self.before is None:
            return
        frames = count(self.env, self.name) - self.before
        if self.on if took_part is None else took_part:
            check(frames > 0, f"the hardware segmented nothing: {self.name} did not change")
        else:
            check_equal(frames, 0, f"{self.name} with the offload off")


def tcp_content(env, v6, on):
    offload = Offload(env, TCP, v6, on)
    env.tcp(True, v6, 4 << 20, seed=11)
    offload.judge()


def tcp_segments(env, v6, on, mss):
    """Every byte once, in segments no longer than the MSS, well-formed."""
    size = 96 << 10
    offload = Offload(env, TCP, v6, on)
    tap = Tap(env, TCP, v6)
    port = env.tcp(True, v6, size, seed=mss or 1, mss=mss)
    # All of them, for a busy machine sends some of them twice.
    segments = tap.segments(port)
    largest = max(len(payload) for _, payload in segments)
    # The timestamp option takes 12 bytes of what the MSS allows.
    limit = mss or 1500 - (60 if v6 else 40)
    check(largest <= limit, f"a segment of {largest} bytes; the MSS is {limit}")
    check(largest >= limit - 12, f"the largest segment has {largest} bytes; the MSS is {limit}")
    data, first = {}, None
    for head, payload in segments:
        seq, flags = struct.unpack("!I", head[4:8])[0], head[13]
        if flags & TCP_SYN:
            first = seq + 1 & 0xFFFFFFFF
        elif payload:
            at = seq - first & 0xFFFFFFFF
            data[at] = max(data.get(at, b""), payload, key=len)
            check(not flags & TCP_FIN or (seq - first & 0xFFFFFFFF) + len(payload) == size,
                  "FIN in a segment that is not the last")
    stream = b""
    for at, payload in sorted(data.items()):
        check(at <= len(stream), f"nothing was sent from byte {len(stream)} to {at}")
        stream += payload[len(stream) - at:]
    check_equal(len(stream), size, "bytes on the wire")
    rng = random.Random(mss or 1)
    expected = b"".join(rng.randbytes(min(65536, size - done)) for done in range(0, size, 65536))
    check(stream == expected, "the bytes on the wire are not those that were sent")
    offload.judge()


def tcp_mss_changes(env):
    """Flows of different MSS at the same time: each keeps its own."""
    offload = Offload(env, TCP, False, True)
    listener, port = env.peer.tcp_listen(env.peer_v4)
    env.defer(env.peer.close, listener)
    sizes = [1448, 536, 1000, 256, 1448, 700]
    received = [env.peer.spawn("tcp_receive", listener) for _ in sizes]
    sent = [env.local.spawn("tcp_send", env.v4, env.peer_v4, port, seed, 1 << 20, mss=mss)
            for seed, mss in enumerate(sizes)]
    sent = sorted(result() for result in sent)
    check_equal(sorted(result() for result in received), sent, "bytes and SHA-256 received")
    offload.judge()


def tcp_jumbo(env, v6):
    env.set_mtu(9000)
    offload = Offload(env, TCP, v6, True)
    env.tcp(True, v6, 4 << 20, seed=12)
    offload.judge()


def every_queue(env, proto, counter, flows):
    """Every transmit queue segments: flows() makes eight flows, which choose their queues by a hash."""
    env.all_queues()
    queues = len([name for name in env.local.run("ls", f"/sys/class/net/{env.ifname}/queues").split() if name.startswith("tx-")])
    counters = [f"q{queue}_{counter}" for queue in range(queues)]
    if not set(counters) <= set(env.statistics()):
        env.absent(f"{env.driver} does not count {counter} of each queue")
    if queues == 1:
        raise Skip("one transmit queue only")
    offload(env, proto, False, True)
    before = env.statistics()
    # So many that none is left out but by a defect.
    for _ in range(32):
        flows()
        after = env.statistics()
        idle = [name for name in counters if after[name] == before[name]]
        if not idle:
            return
    check(not idle, f"after 256 flows these are still the same: {', '.join(idle)}")


def tcp_queues(env):
    listener, port = env.peer.tcp_listen(env.peer_v4)
    env.defer(env.peer.close, listener)

    def flows():
        received = [env.peer.spawn("tcp_receive", listener) for _ in range(8)]
        sent = [env.local.spawn("tcp_send", env.v4, env.peer_v4, port, seed, 128 << 10) for seed in range(8)]
        sent = sorted(result() for result in sent)
        check_equal(sorted(result() for result in received), sent, "bytes and SHA-256 received")
    every_queue(env, TCP, "tx_tso_frames", flows)


def udp_queues(env):
    sink, port = env.peer.udp_open(env.peer_v4)
    env.defer(env.peer.close, sink)

    def flows():
        sources = [env.local.udp_open(env.v4)[0] for _ in range(8)]
        try:
            expected = []
            for flow, source in enumerate(sources):
                data = noise(4001, flow)
                env.local.udp_send_segmented(source, env.peer_v4, port, data, 1000)
                expected += [data[at:at + 1000] for at in range(0, len(data), 1000)]
            got = env.peer.udp_recv(sink, len(expected))
            check(sorted(got) == sorted(expected), f"datagrams of {[len(each) for each in got]} bytes, or with other content")
        finally:
            for source in sources:
                env.local.close(source)
    every_queue(env, UDP, "tx_uso_frames", flows)


def statistics(env):
    """Interface counters count what is on the wire, not what the stack handed over."""
    env.feature(FEATURE[TCP, False], True)
    tap = Tap(env, TCP, False)
    size = 256 << 10

    def sent():
        stats = env.local.link()["stats64"]["tx"]
        return stats["packets"], stats["bytes"]
    before = sent()
    port = env.tcp(True, False, size, seed=5)
    segments = tap.segments(port)
    after = sent()
    packets, octets = after[0] - before[0], after[1] - before[1]
    wire = sum(14 + 20 + len(head) + len(payload) for head, payload in segments)
    # What else the machine sent meanwhile is little.
    check(len(segments) <= packets <= len(segments) + 20, f"{packets} packets counted, {len(segments)} on the wire")
    check(wire <= octets <= wire + 20 * 100, f"{octets} bytes counted, {wire} on the wire")


def udp_segments(env, v6, on):
    """Datagrams as they were asked for: whole, in order, a shorter one last."""
    offload = Offload(env, UDP, v6, on)
    before, made = count(env, "tx_gso_segments"), 0
    src, dst = (env.v6, env.peer_v6) if v6 else (env.v4, env.peer_v4)
    tap = Tap(env, UDP, v6)
    sink, port = env.peer.udp_open(dst)
    env.defer(env.peer.close, sink)
    source, _ = env.local.udp_open(src)
    env.defer(env.local.close, source)
    largest = 1500 - (48 if v6 else 28)
    for size in (64, 65, 100, 511, 1000, 1201, largest):
        for total in (size, size + 1, 2 * size - 1, 2 * size, 7 * size, 7 * size + 1, min(40 * size, 60000) + 13):
            data = noise(total, size + total)
            env.local.udp_send_segmented(source, dst, port, data, size)
            expected = [data[at:at + size] for at in range(0, total, size)]
            if on and len(expected) > 1:
                made += len(expected)
            got = env.peer.udp_recv(sink, len(expected), timeout=5)
            check(got == expected or sorted(got) == sorted(expected),
                  f"{total} bytes by {size}: got {[len(each) for each in got]}")
            wire = [payload for _, payload in tap.segments(port, total)]
            check_equal([len(each) for each in wire], [len(each) for each in expected], f"{total} bytes by {size} on the wire")
            check(wire == expected, f"{total} bytes by {size}: other content on the wire")
    offload.judge()
    if before is not None:
        check_equal(count(env, "tx_gso_segments") - before, made, "tx_gso_segments")


def udp_short(env):
    """Segments that are too short for the hardware are the software's."""
    offload = Offload(env, UDP, False, True)
    sink, port = env.peer.udp_open(env.peer_v4)
    env.defer(env.peer.close, sink)
    source, _ = env.local.udp_open(env.v4)
    env.defer(env.local.close, source)
    for size in (1, 2, 8, 18, 40, 63):
        data = noise(20 * size + 1, size)
        env.local.udp_send_segmented(source, env.peer_v4, port, data, size)
        expected = [data[at:at + size] for at in range(0, len(data), size)]
        got = env.peer.udp_recv(sink, len(expected), timeout=5)
        check(got == expected or sorted(got) == sorted(expected), f"by {size}: got {[len(each) for each in got]}")
    offload.judge(took_part=False)


def told_mss(env):
    """What a channel was told of the MSS holds when only its receive ring is new."""
    device = Device(env)
    old = device.rings()
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(device.set_rings, *old)
    offload = Offload(env, UDP, False, True)
    sink, port = env.peer.udp_open(env.peer_v4)
    env.defer(env.peer.close, sink)
    # One flow, and so one queue.
    source, _ = env.local.udp_open(env.v4)
    env.defer(env.local.close, source)
    for receive in (old[0], old[0] // 2, old[0], old[0] // 4):
        device.set_rings(receive, old[1])
        env.wait_ping()
        data = noise(8001, receive)
        env.local.udp_send_segmented(source, env.peer_v4, port, data, 1000)
        expected = [data[at:at + 1000] for at in range(0, len(data), 1000)]
        got = env.peer.udp_recv(sink, len(expected), timeout=5)
        check(got == expected, f"with a receive ring of {receive}: got {[len(each) for each in got]}")
    offload.judge()


def toggle(env):
    """On and off under traffic: nothing lost, the link stays."""
    changes = int(env.local.sys("carrier_changes"))
    env.feature(FEATURE[TCP, False], True)
    listener, port = env.peer.tcp_listen(env.peer_v4)
    env.defer(env.peer.close, listener)
    received = env.peer.spawn("tcp_receive", listener)
    sent = env.local.spawn("tcp_send", env.v4, env.peer_v4, port, 9, 16 << 20)
    for turn in range(10):
        env.local.run("ethtool", "-K", env.ifname, FEATURE[TCP, False], WORD[bool(turn % 2)])
    sent, received = sent(), received()
    check_equal(received, sent, "bytes and SHA-256 received")
    check_equal(int(env.local.sys("carrier_changes")), changes, "carrier changes")


FAMILY = {False: "v4", True: "v6"}

if __name__ == "__main__":
    main(*(case(f"tcp_{FAMILY[v6]}_{WORD[on]}", tcp_content, v6, on) for v6 in (False, True) for on in (True, False)),
         *(case(f"tcp_segments_{FAMILY[v6]}_{WORD[on]}", tcp_segments, v6, on, None) for v6 in (False, True) for on in (True, False)),
         *(case(f"tcp_segments_mss_{mss}", tcp_segments, False, True, mss) for mss in (256, 1000, 1401)),
         tcp_mss_changes,
         case("tcp_jumbo_v4", tcp_jumbo, False),
         case("tcp_jumbo_v6", tcp_jumbo, True),
         tcp_queues,
         statistics,
         *(case(f"udp_segments_{FAMILY[v6]}_{WORD[on]}", udp_segments, v6, on) for v6 in (False, True) for on in (True, False)),
         udp_queues,
         udp_short,
         told_mss,
         toggle)
