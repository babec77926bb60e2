#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the netdev netlink family tells: statistics of each queue, and which
NAPI and interrupt serve it."""

import json
import os
import re
import socket
import struct
import sys
import time

from endpoint import PATIENCE
from lib import Failure, Skip, check, check_equal, main, noise, wait_for

NETLINK_GENERIC = 16
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x001, 0x004, 0x300
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
# include/uapi/linux/netdev.h
PAGE_POOL_GET, QUEUE_GET, NAPI_GET, QSTATS_GET, NAPI_SET = 5, 10, 11, 12, 14
POOL = {"id": 1, "ifindex": 2, "napi": 3, "inflight": 4}
QUEUE = {"id": 1, "ifindex": 2, "type": 3, "napi": 4}
NAPI = {"ifindex": 1, "id": 2, "irq": 3, "defer_hard_irqs": 5, "gro_flush_timeout": 6}
QSTATS = {"ifindex": 1, "type": 2, "queue": 3, "scope": 4, "rx_packets": 8, "rx_bytes": 9, "tx_packets": 10, "tx_bytes": 11}
SCOPE_QUEUE = 1
TYPES = ("rx", "tx")
FRAMES = 100


def attribute(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(data):
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        # Integers have 2, 4 or 8 bytes.
        yield kind & 0x3fff, int.from_bytes(data[4:size], sys.byteorder)
        data = data[(size + 3) & ~3:]


class Netdev:
    """The netdev family of generic netlink."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.settimeout(10)
        name = attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0")
        found = self.request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST, name)
        self.family = found[0][CTRL_ATTR_FAMILY_ID]

    def request(self, family, command, flags, payload):
        body = struct.pack("=BBH", command, 1, 0) + payload
        self.sock.send(struct.pack("=IHHII", 16 + len(body), family, flags, 1, 0) + body)
        replies = []
        while True:
            data = self.sock.recv(1 << 16)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    # Of a reply that is not a dump this is the first message only in case of failure.
                    status, = struct.unpack_from("=i", data, 16)
                    if status:
                        raise OSError(-status, f"netlink command {command}")
                    return replies
                replies.append(dict(attributes(data[20:size])))
                data = data[(size + 3) & ~3:]
            if not flags & NLM_F_DUMP:
                return replies

    def dump(self, command, names, payload):
        found = self.request(self.family, command, NLM_F_REQUEST | NLM_F_DUMP, payload)
        return [{name: reply[kind] for name, kind in names.items() if kind in reply} for reply in found]


    def set_napi(self, **values):
        payload = b"".join(attribute(NAPI[name], struct.pack("=I", value)) for name, value in values.items())
        self.request(self.family, NAPI_SET, NLM_F_REQUEST | NLM_F_ACK, payload)


def netdev(env):
    """Dumps of one command for the interface under test."""
    link = Netdev()
    env.defer(link.sock.close)
    index = struct.pack("=I", socket.if_nametoindex(env.ifname))
    return lambda command, names, extra=b"": link.dump(command, names, attribute(names["ifindex"], index) + extra)


def statistics(env):
    """(of the device, {(type, queue): of the queue})"""
    dump = netdev(env)
    try:
        whole = dump(QSTATS_GET, QSTATS)
        queues = dump(QSTATS_GET, QSTATS, attribute(QSTATS["scope"], struct.pack("=I", SCOPE_QUEUE)))
    except OSError as err:
        env.lacks(f"no queue statistics: {err}")
    check_equal(len(whole), 1, "statistics of the whole device")
    return whole[0], {(TYPES[queue["type"]], queue["queue"]): queue for queue in queues}


def channels(env):
    """Queues in use, {type: number}, and the most there may be."""
    status, out, err = env.local.command(["ethtool", "-l", env.ifname])
    if status:
        env.lacks(f"ethtool -l: {err.strip()}")
    most, now = ({kind.lower(): int(count) for kind, count in re.findall(r"^(RX|TX):\s+(\d+)$", part, re.M)}
                 for part in out.split("Current hardware settings:"))
    return now, most


def set_channels(env, rx, tx):
    env.local.run("ethtool", "-L", env.ifname, "rx", rx, "tx", tx)


def quiet(env):
    """Nothing but our own frames on the wire."""
    for end, ifname in env.ends():
        path = f"/proc/sys/net/ipv6/conf/{ifname}/disable_ipv6"
        env.defer(env.configure, end, ifname)
        env.defer(end.write, path, 0)
        end.write(path, 1)
        end.run("ip", "neigh", "flush", "dev", ifname)
    time.sleep(0.5)


def send(env, to_peer, size):
    tx, rx = (env.local, env.peer) if to_peer else (env.peer, env.local)
    source, sink = tx.raw_open(), rx.raw_open()
    try:
        tx.raw_send(source, [env.frame(to_peer, noise(size - 14, size))] * FRAMES)
        check_equal(len(rx.raw_recv(sink, FRAMES)), FRAMES, "frames delivered")
    finally:
        tx.close(source)
        rx.close(sink)


def queues(env):
    """Every queue in use is there, once."""
    now, _ = channels(env)
    found = sorted(statistics(env)[1])
    check_equal(found, [(way, index) for way in TYPES for index in range(now[way])], "queues with statistics")


def exact(env):
    """What was sent is found in the queues, and in their total."""
    quiet(env)
    for to_peer, way in ((True, "tx"), (False, "rx")):
        before = statistics(env)
        send(env, to_peer, 200)

        def grown():
            after = statistics(env)
            total = tuple(after[0][f"{way}_{unit}"] - before[0][f"{way}_{unit}"] for unit in ("packets", "bytes"))
            parts = tuple(sum(after[1][key][f"{way}_{unit}"] - before[1][key][f"{way}_{unit}"]
                              for key in before[1] if key[0] == way) for unit in ("packets", "bytes"))
            return total, parts
        expected = (FRAMES, 200 * FRAMES)
        try:
            wait_for(lambda: grown() == (expected, expected), "", timeout=5)
        except Failure:
            raise Failure(f"{way}: (total, sum of the queues) grew by {grown()}, expected {expected}") from None


def kept(env):
    """The total does not fall when queues are taken out of use, nor when the
    device is down, which has no queues then."""
    now, most = channels(env)
    env.defer(env.bring_up)
    env.defer(env.local.command, ["ethtool", "-L", env.ifname, "rx", str(now["rx"]), "tx", str(now["tx"])])
    env.local.command(["ethtool", "-L", env.ifname, "rx", str(most["rx"]), "tx", str(most["tx"])])
    env.wait_link()
    env.udp([500] * 100, True)
    env.udp([500] * 100, False)
    for argv in (["ethtool", "-L", env.ifname, "rx", "1", "tx", "1"], ["ip", "link", "set", env.ifname, "down"]):
        before = statistics(env)[0]
        env.local.run(*argv)
        after, left = statistics(env)
        back = {key: (before[key], after.get(key)) for key in before if after.get(key, 0) < before[key]}
        check_equal(back, {}, f"counters that fell after '{' '.join(argv)}'")
        check_equal(len(left), 0 if "down" in argv else 2, f"queues after '{' '.join(argv)}'")


def vectors(env):
    """{(type, queue): interrupt}, by way of NAPIs."""
    dump = netdev(env)
    now, _ = channels(env)
    found = {(TYPES[queue["type"]], queue["id"]): queue.get("napi") for queue in dump(QUEUE_GET, QUEUE)}
    check_equal(sorted(found), [(way, index) for way in TYPES for index in range(now[way])], "queues")
    if None in found.values():
        env.lacks(f"queues without a NAPI: {[key for key, napi in found.items() if napi is None]}")
    napis = {napi["id"]: napi.get("irq") for napi in dump(NAPI_GET, NAPI)}
    check(set(found.values()) <= set(napis), f"NAPIs of the queues: {found}, of the device: {napis}")
    return {queue: napis[napi] for queue, napi in found.items()}


def named(env, irq):
    """The line of an interrupt in /proc/interrupts."""
    line = re.search(rf"^ *{irq}:.*", env.local.read("/proc/interrupts"), re.M)
    check(line, f"there is no interrupt {irq} in /proc/interrupts")
    return line[0]


def interrupts(env):
    """Every queue is served by a NAPI, and that by an interrupt of the device: that of its channel, where there are several. One
    channel has one, which is called after its receive queue if it has one in use."""
    receivers = channels(env)[0]["rx"]
    several = len(env.vectors()) > 1
    for (way, index), irq in vectors(env).items():
        check(irq is not None, f"the NAPI of {way} queue {index} has no interrupt")
        check(str(irq) in env.vectors(), f"interrupt {irq} of {way} queue {index} is not one of the device, which has {env.vectors()}")
        line = named(env, irq)
        if env.driver == "rust_stmmac" and several:
            name = f"rust_stmmac-{'rx' if index < receivers else 'tx'}-{index}"
            check(re.search(rf"\b{name}\b", line), f"the interrupt of {way} queue {index} is not {name}: {line}")


def messages(env):
    """A lab guest says what its ports offer (--irq): of that the device has got the best, and of messages more than one."""
    offered = os.environ.get("IRQ_KINDS")
    if offered is None:
        raise Skip("nobody says what the device offers (IRQ_KINDS)")
    if env.local.read(f"/sys/bus/pci/devices/{env.pci}/vendor") != "0x8086":
        raise Skip("functions of this vendor have one vector")
    kinds = offered.split("+") if offered else ["msix"]
    check(env.vectors(), "the device has no interrupt")
    # What was granted and is not used is not there.
    lines = re.findall(rf"^ *(?:{'|'.join(env.vectors())}):.*", env.local.read("/proc/interrupts"), re.M)
    best = next((kind for kind in ("msix", "msi") if kind in kinds), None)
    if best is None:
        check_equal(len(lines), 1, "interrupts of a device that has a pin only")
        check("MSI" not in lines[0], f"the device offers no messages: {lines[0]}")
        return
    used = [line for line in lines if re.search(rf"PCI-{best.upper()}-{env.pci}\b", line)]
    check(len(used) > 1, f"the device offers {best}, several of them; in use: {lines}")
    env.ping()


def interrupts_tx(env):
    """The interrupt of a channel that only sends is that of its transmit queue."""
    now, most = channels(env)
    if most["tx"] < 2:
        raise Skip("there is one transmit queue")
    env.defer(env.wait_link)
    env.defer(env.local.command, ["ethtool", "-L", env.ifname, "rx", str(now["rx"]), "tx", str(now["tx"])])
    env.local.run("ethtool", "-L", env.ifname, "rx", "1", "tx", "2")
    irqs = vectors(env)
    if "rust_stmmac-" not in named(env, irqs["rx", 0]):
        raise Skip("one vector for everything, or another driver's names")
    check("rust_stmmac-tx-1" in named(env, irqs["tx", 1]), f"the vector of transmit queue 1 is {named(env, irqs['tx', 1])}")


def affinity_kept(env):
    """Where a user has the interrupt of a queue handled outlives fewer queues and more, new rings, and down and up."""
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        raise Skip("there is one CPU")
    now, most = channels(env)
    env.defer(env.bring_up)
    env.defer(set_channels, env, now["rx"], now["tx"])
    if now != most:
        set_channels(env, most["rx"], most["tx"])
    irq = vectors(env)["rx", most["rx"] - 1]
    check(irq is not None, "the NAPI of the last receive queue has no interrupt")
    path = f"/proc/irq/{irq}/smp_affinity_list"
    old = env.local.read(path).strip()
    new = str(max(cpu for cpu in cpus if str(cpu) != old))
    env.defer(env.local.write, path, old)
    env.local.write(path, new)
    for argv in (["ethtool", "-L", env.ifname, "rx", "1"], ["ethtool", "-L", env.ifname, "rx", str(most["rx"])],
                 ["ethtool", "-G", env.ifname, "rx", "256"], ["ethtool", "-G", env.ifname, "rx", "512"],
                 ["ip", "link", "set", env.ifname, "down"], ["ip", "link", "set", env.ifname, "up"]):
        env.local.run(*argv)
        if "down" not in argv and "1" not in argv:
            check_equal(env.local.read(path).strip(), new, f"CPU of interrupt {irq} after '{' '.join(argv)}'")


def napi_kept(env):
    """What a user sets of a NAPI, and its number, outlive new rings, fewer queues, and down and up."""
    dump = netdev(env)

    def napis():
        return {napi.pop("id"): napi for napi in dump(NAPI_GET, NAPI)}
    now, most = channels(env)
    link = Netdev()
    env.defer(link.sock.close)
    env.defer(env.bring_up)
    env.defer(env.local.command, ["ethtool", "-L", env.ifname, "rx", str(now["rx"]), "tx", str(now["tx"])])
    env.local.command(["ethtool", "-L", env.ifname, "rx", str(most["rx"]), "tx", str(most["tx"])])
    last = max(napis())
    env.defer(lambda: link.set_napi(id=last, defer_hard_irqs=0, gro_flush_timeout=0))
    link.set_napi(id=last, defer_hard_irqs=3, gro_flush_timeout=50000)
    before = napis()
    check_equal((before[last]["defer_hard_irqs"], before[last]["gro_flush_timeout"]), (3, 50000), f"settings of NAPI {last}")
    for argv in (["ethtool", "-G", env.ifname, "rx", "256"], ["ethtool", "-G", env.ifname, "rx", "512"],
                 ["ethtool", "-L", env.ifname, "rx", "1", "tx", "1"],
                 ["ethtool", "-L", env.ifname, "rx", str(most["rx"]), "tx", str(most["tx"])],
                 ["ip", "link", "set", env.ifname, "down"], ["ip", "link", "set", env.ifname, "up"]):
        env.local.run(*argv)
        if "down" not in argv and "1" not in argv:
            check_equal(napis(), before, f"NAPIs after '{' '.join(argv)}'")
    env.bring_up()
    env.ping()


def threaded(env):
    """Threads for the polls, switched on and off while some or all of these are disabled."""
    env.need_threads()
    path = f"/sys/class/net/{env.ifname}/threaded"

    def switch(on, down=False):
        status, _, err = env.local.command(["sh", "-c", f"echo {on} > {path}"], timeout=PATIENCE)
        # The core refuses it where there is no poll at all.
        check(status == 0 or down, f"status {status} of echo {on} > {path}: {err.strip()}")
    env.defer(switch, 0)
    env.defer(env.bring_up)
    for on in (1, 0, 1):
        switch(on)
    env.local.run("ip", "link", "set", env.ifname, "down")
    for on in (0, 1, 0, 1):
        switch(on, down=True)
    env.bring_up()
    env.tcp(True)
    env.tcp(False)
    used, most = channels(env)
    if most["rx"] > 1:
        env.defer(set_channels, env, used["rx"], used["tx"])
        for on in (0, 1, 0):
            set_channels(env, 1, 1)
            switch(on)
            set_channels(env, used["rx"], used["tx"])
            switch(on)
            env.ping()


def remapped(env):
    """A filter of one queue that maps every other packet to another queue: with the lock of the first, the core sends both, and
    none is lost but what a full queue drops. That no ring is used without its lock, only PROVE_LOCKING tells."""
    now, _ = channels(env)
    if now["tx"] < 2:
        raise Skip("there is one transmit queue")
    env.defer(env.local.command, ["tc", "qdisc", "del", "dev", env.ifname, "root"])
    env.local.run("tc", "qdisc", "replace", "dev", env.ifname, "root", "handle", "1:", "mq")
    for queue in range(1, now["tx"] + 1):
        handle = f"{queue + 1}0:"
        env.local.run("tc", "qdisc", "replace", "dev", env.ifname, "parent", f"1:{queue}", "handle", handle, "fq_codel")
        # What neither matches would be dropped.
        for bit, action in (("1", ("action", "skbedit", "queue_mapping", str(queue % now["tx"]))), ("0", ())):
            words = f"filter add dev {env.ifname} parent {handle} protocol all prio 1 u32 match u16 {bit} {bit} at 2 flowid {handle}1"
            status, _, err = env.local.command(["tc", *words.split(), *action])
            if status:
                raise Skip(f"no filter: {err.strip()}")

    def passed():
        """Packets that were sent, or dropped by the leaves, of which mq shows the sum."""
        leaves = json.loads(env.local.run("tc", "-s", "-j", "qdisc", "show", "dev", env.ifname))
        return env.local.link()["stats64"]["tx"]["packets"] + sum(leaf["drops"] for leaf in leaves if leaf["kind"] != "mq")
    env.wait_ping()
    before = passed()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Not for ever on a queue that stands still.
        sock.settimeout(PATIENCE)
        for number in range(4000):
            # The filter looks at whether the length is odd.
            sock.sendto(bytes(100 + number % 2), (env.peer_v4, 9))
    try:
        wait_for(lambda: passed() - before >= 4000, "", timeout=5)
    except Failure:
        raise Failure(f"of 4000 packets {passed() - before} were sent or dropped by a queue") from None
    env.local.run("tc", "qdisc", "del", "dev", env.ifname, "root")
    env.wait_ping()
    env.tcp(True)
    env.tcp(False)


def pools(env):
    """Each receive queue has a page pool, whose pages are in its ring; it goes with the ring."""
    link = Netdev()
    env.defer(link.sock.close)
    index = socket.if_nametoindex(env.ifname)
    dump = netdev(env)

    def found():
        return [pool for pool in link.dump(PAGE_POOL_GET, POOL, b"") if pool.get("ifindex") == index]

    def served():
        """The NAPIs of the pools, and of the receive queues."""
        napis = [queue.get("napi") for queue in dump(QUEUE_GET, QUEUE) if TYPES[queue["type"]] == "rx"]
        if None in napis:
            env.lacks("receive queues without a NAPI")
        return sorted(pool.get("napi", 0) for pool in found()), sorted(napis)
    env.defer(env.bring_up)
    for _ in range(2):
        # A pool whose pages are still with the stack is there without a NAPI until they come back.
        wait_for(lambda: served()[0] == served()[1], f"a page pool for each queue's NAPI: {served()}")
        empty = [pool for pool in found() if not pool["inflight"]]
        check_equal(empty, [], "page pools without a page in a ring")
        env.tcp(False)
        env.local.run("ip", "link", "set", env.ifname, "down")
        wait_for(lambda: not found(), f"the end of all page pools: {found()}")
        env.bring_up()


if __name__ == "__main__":
    main(queues, exact, kept, interrupts, messages, interrupts_tx, affinity_kept, napi_kept, threaded, remapped, pools)
