#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checksum offload: on and off, right on the wire, and wrong ones never accepted."""

import json
import socket
import struct

from lib import SLOW, Skip, case, check, check_equal, main, noise, wait_for

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
TCP_SYN = 2


def ones_sum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo(src, dst, proto, length):
    if ":" in src:
        return (socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
                + struct.pack("!II", length, proto))
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", proto, length)


def packet(src, dst, proto, segment, spoil_ip=False):
    """An IP packet around a finished TCP or UDP segment."""
    if ":" in src:
        return (struct.pack("!IHBB", 6 << 28, len(segment), proto, 64)
                + socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + segment)
    head = (struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 7, 0x4000, 64, proto, 0)
            + socket.inet_aton(src) + socket.inet_aton(dst))
    total = ~ones_sum(head) & 0xFFFF
    return head[:10] + struct.pack("!H", total ^ (0x1234 if spoil_ip else 0)) + head[12:] + segment


def udp_segment(src, dst, sport, dport, data, spoil=0):
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    total = ~ones_sum(pseudo(src, dst, UDP, len(head) + len(data)) + head + data) & 0xFFFF
    return head[:6] + struct.pack("!H", (total or 0xFFFF) ^ spoil) + data


def tcp_syn(src, dst, sport, dport, spoil=0):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, TCP_SYN, 1024, 0, 0)
    total = ~ones_sum(pseudo(src, dst, TCP, len(head)) + head) & 0xFFFF
    return head[:16] + struct.pack("!H", total ^ spoil) + head[18:]


def csum_errors(end):
    counters = end.counters()
    return sum(counters.get(key, 0) for key in
               ("Ip.InHdrErrors", "IpExt.InCsumErrors", "Tcp.InCsumErrors", "Udp.InCsumErrors", "Udp6InCsumErrors"))


def traffic(env, tx_on, rx_on):
    """Content intact, and nobody's stack saw a wrong checksum."""
    env.feature("tx-checksumming", tx_on)
    env.feature("rx-checksumming", rx_on)
    before = csum_errors(env.local), csum_errors(env.peer)
    for v6 in (False, True):
        for to_peer in (True, False):
            env.tcp(to_peer, v6, 128 << 10)
            env.udp([1, 2, 3, 9, 17, 18, 19, 100, 511, 512, 1000, 1400, 1451, 1452], to_peer, v6)
    check_equal((csum_errors(env.local), csum_errors(env.peer)), before, "checksum errors at both ends")


def on_wire(env, tx_on):
    """Each datagram's checksums as the peer receives them, computed here."""
    if tx_on and not env.pci:
        raise Skip(f"{env.driver} leaves checksums open")
    env.feature("tx-checksumming", tx_on)
    for v6 in (False, True):
        src, dst = (env.v6, env.peer_v6) if v6 else (env.v4, env.peer_v4)
        ip_size = 40 if v6 else 20
        tap = env.peer.raw_open(ETH_P_IPV6 if v6 else ETH_P_IP)
        source, sport = env.local.udp_open(src)
        sink, dport = env.peer.udp_open(dst)
        try:
            sizes = [*range(0, 24), 100, 1000, 1451, 1452]
            datagrams = [noise(size, size) for size in sizes]
            # Content whose sum is zero: it is sent as ffff, for 0 says "none".
            zero = udp_segment(src, dst, sport, dport, b"\0\0")
            datagrams.append(zero[6:8])
            env.local.udp_send(source, dst, dport, datagrams)
            check_equal(sorted(env.peer.udp_recv(sink, len(datagrams))), sorted(datagrams), "datagrams")
            seen = []
            while len(seen) < len(datagrams):
                frames = env.peer.raw_recv(tap, 1)
                check(frames, f"the peer's tap saw {len(seen)} of {len(datagrams)} datagrams")
                data = frames[0][1][14:]
                if data[6 if v6 else 9] != UDP or data[ip_size + 2:ip_size + 4] != struct.pack("!H", dport):
                    continue
                length = struct.unpack("!H", data[ip_size + 4:ip_size + 6])[0]
                segment = data[ip_size:ip_size + length]
                if not v6:
                    check_equal(ones_sum(data[:20]), 0xFFFF, "sum over an IP header")
                check_equal(ones_sum(pseudo(src, dst, UDP, length) + segment), 0xFFFF,
                            f"sum over a datagram of {length - 8} bytes")
                seen.append(segment[6:8])
            check(b"\0\0" not in seen, "a datagram left without checksum")
            check(b"\xff\xff" in seen, "the datagram whose sum is zero did not arrive as ffff")
        finally:
            env.peer.close(tap)
            env.peer.close(sink)
            env.local.close(source)


def device_errors(env):
    stats = env.local.link()["stats64"]["rx"]
    return stats["errors"] + stats["dropped"]


def wrong(env, rx_on, kind, v6):
    """Frames with a wrong checksum: dropped and counted; right ones pass."""
    env.feature("rx-checksumming", rx_on)
    src, dst = (env.peer_v6, env.v6) if v6 else (env.peer_v4, env.v4)
    count = 20
    out = env.peer.raw_open()
    env.defer(env.peer.close, out)
    ethertype = ETH_P_IPV6 if v6 else ETH_P_IP
    if kind == "tcp":
        sink, port = env.local.tcp_listen(dst)
        tap = env.peer.raw_open(ethertype)
        env.defer(env.peer.close, tap)
    else:
        sink, port = env.local.udp_open(dst)
    env.defer(env.local.close, sink)

    def send(spoil, marks):
        frames = []
        for mark in marks:
            if kind == "tcp":
                segment = tcp_syn(src, dst, 1024 + mark, port, 0x5555 if spoil else 0)
                data = packet(src, dst, TCP, segment)
            else:
                segment = udp_segment(src, dst, 1024, port, bytes([mark]) * 40, 0x5555 if spoil and kind == "udp" else 0)
                data = packet(src, dst, UDP, segment, spoil_ip=spoil and kind == "ip")
            frames.append(env.frame(False, data, ethertype=ethertype))
        env.peer.raw_send(out, frames)

    def answers():
        """Who got through: first bytes of datagrams, or SYNs answered."""
        marks = set()
        while True:
            # The right ones come last; after them nothing is to be expected.
            timeout = 0.2 if {100, 101, 102} <= marks else 10
            if kind != "tcp":
                got = env.local.udp_recv(sink, 1, timeout)
                marks.update(data[0] for data in got)
            else:
                ip_size = 40 if v6 else 20
                got = env.peer.raw_recv(tap, 1, timeout=timeout)
                for _, frame in got:
                    data = frame[14:]
                    if data[6 if v6 else 9] == TCP and struct.unpack("!H", data[ip_size:ip_size + 2])[0] == port:
                        marks.add(struct.unpack("!H", data[ip_size + 2:ip_size + 4])[0] - 1024)
            if not got:
                return marks

    before = csum_errors(env.local), device_errors(env)
    send(True, range(count))
    send(False, range(100, 103))
    got = answers()
    check({100, 101, 102} <= got, f"frames with the right checksum were lost: only {sorted(got)} of 100, 101, 102 arrived")
    check(not got & set(range(count)), f"{len(got & set(range(count)))} of {count} frames with a wrong checksum were accepted")

    def counted():
        return csum_errors(env.local) - before[0] + device_errors(env) - before[1] >= count
    wait_for(counted, f"counting {count} wrong checksums by stack or device", timeout=5 * SLOW)


def no_checksum(env, rx_on):
    """IPv4 allows UDP without a checksum: delivered."""
    env.feature("rx-checksumming", rx_on)
    sink, port = env.local.udp_open(env.v4)
    env.defer(env.local.close, sink)
    out = env.peer.raw_open()
    env.defer(env.peer.close, out)
    segment = struct.pack("!HHHH", 1024, port, 8 + 40, 0) + b"n" * 40
    env.peer.raw_send(out, [env.frame(False, packet(env.peer_v4, env.v4, UDP, segment), ethertype=ETH_P_IP)])
    check_equal(env.local.udp_recv(sink, 1), [b"n" * 40], "a datagram without checksum")


def offloads(env):
    """The other offloads that touch checksums, off and on, under TCP."""
    features = json.loads(env.local.run("ethtool", "--json", "-k", env.ifname))[0]
    for feature in ("scatter-gather", "generic-segmentation-offload", "tcp-segmentation-offload",
                    "generic-receive-offload"):
        # Not every device has every one.
        if features[feature]["fixed"] or not features[feature]["active"]:
            continue
        for on in (False, True):
            env.feature(feature, on)
            env.tcp(True, size=128 << 10)
            env.tcp(False, size=128 << 10)


WORD = {True: "on", False: "off"}

if __name__ == "__main__":
    main(*(case(f"traffic_tx_{WORD[tx]}_rx_{WORD[rx]}", traffic, tx, rx) for tx in (True, False) for rx in (True, False)),
         *(case(f"on_wire_tx_{WORD[tx]}", on_wire, tx) for tx in (True, False)),
         *(case(f"wrong_{name}_rx_{WORD[rx]}", wrong, rx, kind, v6) for rx in (True, False) for name, kind, v6 in
           (("udp_v4", "udp", False), ("udp_v6", "udp", True), ("tcp_v4", "tcp", False), ("tcp_v6", "tcp", True),
            ("ip_header", "ip", False))),
         *(case(f"udp_no_checksum_rx_{WORD[rx]}", no_checksum, rx) for rx in (True, False)),
         offloads)
