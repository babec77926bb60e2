#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Address filters: what was asked for is delivered, and nothing else.

Frames are watched with packet sockets, which see all that the driver delivers;
so a frame that does not show up was stopped by the device.
"""

import time
import zlib

from endpoint import PATIENCE
from lib import Skip, case, check, check_equal, mac_bytes, main, noise

BROADCAST = "ff:ff:ff:ff:ff:ff"
HEADER = 14


def text(raw):
    return ":".join(f"{byte:02x}" for byte in raw)


def address(number, multicast):
    return text(bytes([0x03 if multicast else 0x02, 0xd0]) + number.to_bytes(4, "big"))


def hash_bin(mac):
    """The top six bits of the reversed CRC, as a hash filter takes them: if
    these differ, the bins differ with a filter of any size."""
    crc = zlib.crc32(mac_bytes(mac)) ^ 0xFFFFFFFF
    return int(f"{crc ^ 0xFFFFFFFF:032b}"[::-1], 2) >> 26


def joined(env):
    """Link-layer groups of NETIF, also those that the stack joined."""
    groups = []
    for line in env.local.read("/proc/net/dev_mcast").splitlines():
        fields = line.split()
        if fields[1] == env.ifname:
            groups.append(text(bytes.fromhex(fields[4])))
    return groups


def strangers(env, count, multicast, avoid=()):
    """Addresses that no filter may let pass."""
    bins = {hash_bin(mac) for mac in [*joined(env), *avoid]}
    found, number = [], 0x900000
    while len(found) < count:
        mac = address(number, multicast)
        number += 1
        if hash_bin(mac) not in bins:
            found.append(mac)
        check(number < 0x910000, "no multicast address that falls into a free bin of a hash filter")
    return found


class Watch:
    """A packet socket at our end, one at the peer, and what gets from there to here."""

    def __init__(self, env):
        self.env = env
        self.sink = env.local.raw_open()
        env.defer(env.local.close, self.sink)
        self.source = env.peer.raw_open()
        env.defer(env.peer.close, self.source)
        self.number = 0

    def join(self, kind, mac=None):
        self.env.local.raw_member(self.sink, kind, mac)

    def leave(self, kind, mac=None):
        self.env.local.raw_member(self.sink, kind, mac, leave=True)

    def delivered(self, macs):
        """Sends a frame to each address: the addresses whose frames arrived."""
        self.env.settled()
        arrived = []
        for start in range(0, len(macs), 32):
            self.number += 1
            end = b"end of burst %d" % self.number
            frames = [self.env.frame(False, b"burst %4d" % self.number + noise(80, 1), dst=mac) for mac in macs[start:start + 32]]
            frames.append(self.env.frame(False, end + bytes(64)))
            self.env.peer.raw_send(self.source, frames)
            for _, frame in self.env.local.raw_recv(self.sink, until=end):
                check(frame[HEADER:].startswith(b"burst %4d" % self.number), "a frame of an earlier burst arrived")
                arrived.append(text(frame[:6]))
        return arrived

    def become(self, macs, expected, what):
        """The stack may tell a driver of the filter a while later."""
        end = time.monotonic() + PATIENCE
        while True:
            got = sorted(self.delivered(macs))
            if got == expected or time.monotonic() > end:
                break
        check_equal(got, expected, what)

    def expect(self, macs, what):
        self.become(macs, sorted(macs), what)

    def expect_none(self, macs, what):
        self.become(macs, [], what)


def need_filter(env):
    if not env.pci:
        raise Skip(f"{env.driver} has no filter")


def broadcast(env):
    Watch(env).expect([BROADCAST, env.mac], "broadcast and our own address")


def groups(env, count):
    """Joined groups are delivered, others not, and none after leaving."""
    watch = Watch(env)
    macs = [address(number * 7919, True) for number in range(count)]
    for mac in macs:
        watch.join("multicast", mac)
    watch.expect(macs, f"frames to {count} joined groups")
    if env.pci and count < 20:
        watch.expect_none(strangers(env, 32, True), "frames to groups that nobody joined")
    for mac in macs:
        watch.leave("multicast", mac)
    if env.pci:
        bins = {hash_bin(mac) for mac in joined(env)}
        left = [mac for mac in macs if hash_bin(mac) not in bins]
        watch.expect_none(left, "frames to groups that were left")
    watch.expect([env.mac, BROADCAST], "frames to us after leaving")


def allmulti(env, by_flag):
    need_filter(env)
    watch = Watch(env)
    foreign = strangers(env, 32, True)
    watch.expect_none(foreign, "frames to foreign groups before allmulti")
    if by_flag:
        env.defer(env.local.run, "ip", "link", "set", env.ifname, "allmulticast", "off")
        env.local.run("ip", "link", "set", env.ifname, "allmulticast", "on")
    else:
        watch.join("allmulti")
    watch.expect(foreign, "frames to foreign groups with allmulti")
    watch.expect_none([address(1, False)], "frames to a foreign station with allmulti")
    if by_flag:
        env.local.run("ip", "link", "set", env.ifname, "allmulticast", "off")
    else:
        watch.leave("allmulti")
    watch.expect_none(foreign, "frames to foreign groups after allmulti")


def promisc(env, by_flag):
    need_filter(env)
    watch = Watch(env)
    foreign = [address(number, False) for number in range(1, 17)] + strangers(env, 16, True)
    watch.expect_none(foreign, "foreign frames before promiscuous mode")
    if by_flag:
        env.defer(env.local.run, "ip", "link", "set", env.ifname, "promisc", "off")
        env.local.run("ip", "link", "set", env.ifname, "promisc", "on")
    else:
        watch.join("promisc")
    watch.expect(foreign, "foreign frames in promiscuous mode")
    if by_flag:
        env.local.run("ip", "link", "set", env.ifname, "promisc", "off")
    else:
        watch.leave("promisc")
    watch.expect_none(foreign, "foreign frames after promiscuous mode")
    watch.expect([env.mac, BROADCAST], "frames to us after promiscuous mode")


def secondary(env, count):
    """Further addresses of our own; more than there are filters must work too."""
    watch = Watch(env)
    macs = [address(number, False) for number in range(0x100, 0x100 + count)]
    for mac in macs:
        watch.join("unicast", mac)
    watch.expect(macs, f"frames to {count} secondary addresses")
    if env.pci and count < 3:
        watch.expect_none([address(number, False) for number in range(1, 9)], "frames to foreign stations")
    for mac in macs:
        watch.leave("unicast", mac)
    if env.pci:
        watch.expect_none(macs, "frames to secondary addresses that were removed")
    watch.expect([env.mac], "frames to us after removing")


def kept(env, kind, mac):
    """A filter outlives down and up, and a new MTU."""
    watch = Watch(env)
    watch.join(kind, mac)
    env.defer(env.bring_up)
    for how in ("down and up", "a new MTU"):
        if how == "down and up":
            env.local.run("ip", "link", "set", env.ifname, "down")
            env.bring_up()
        else:
            env.set_mtu(2000)
        # A socket hears of the interface's end: ask for new ones.
        fresh = Watch(env)
        fresh.expect([mac, env.mac, BROADCAST], f"frames after {how}")
        if env.pci:
            fresh.expect_none([address(1, False), *strangers(env, 16, True)], f"foreign frames after {how}")


def udp_group(env, group, v6):
    """A group joined by a socket: its datagrams arrive."""
    sink, port = env.local.udp_open("::" if v6 else "0.0.0.0")
    env.defer(env.local.close, sink)
    env.local.udp_join(sink, group)
    source, _ = env.peer.udp_open(env.peer_v6 if v6 else env.peer_v4)
    env.defer(env.peer.close, source)
    data = [noise(100, number) for number in range(10)]
    env.peer.udp_send(source, group, port, data)
    check_equal(env.local.udp_recv(sink, len(data)), data, f"datagrams to {group}")


if __name__ == "__main__":
    main(broadcast,
         case("groups_1", groups, 1),
         case("groups_3", groups, 3),
         case("groups_40", groups, 40),
         case("groups_300", groups, 300),
         case("allmulti_flag", allmulti, True),
         case("allmulti_socket", allmulti, False),
         case("promisc_flag", promisc, True),
         case("promisc_socket", promisc, False),
         case("secondary_1", secondary, 1),
         case("secondary_2", secondary, 2),
         case("secondary_200", secondary, 200),
         case("kept_group", kept, "multicast", address(77, True)),
         case("kept_secondary", kept, "unicast", address(0x177, False)),
         case("udp_group_v4", udp_group, "239.1.2.3", False),
         case("udp_group_v6", udp_group, "ff02::1234:5678", True))
