#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Counters: exact, at both ends, kept, and free of errors after clean traffic."""

import re
import time

from lib import SLOW, Failure, Skip, check, check_equal, main, noise, wait_for

FRAMES = 200
TROUBLE = re.compile(r"err(?!upt)|crc|fail|drop|overflow|underflow|undeflow|miss|jabber|timeout|bus_|late|abort|runt|align")
# What counts frames of one queue, and what sums it up, by the names in use.
PER_QUEUE = (
    (re.compile(r"^q(\d+)_tx_pkt_n$"), "tx_pkt_n", "tx"),
    (re.compile(r"^q(\d+)_rx_pkt_n$"), "rx_pkt_n", "rx"),
    (re.compile(r"^(?:q|tx|tx_queue_|txq)(\d+)_(?:tx_)?packets$"), "tx_packets", "tx"),
    (re.compile(r"^(?:q|rx|rx_queue_|rxq)(\d+)_(?:rx_)?packets$"), "rx_packets", "rx"),
)


def quiet(env):
    """Nothing but our own frames on the wire, at both ends."""
    for end, ifname in env.ends():
        path = f"/proc/sys/net/ipv6/conf/{ifname}/disable_ipv6"
        env.defer(env.configure, end, ifname)
        env.defer(end.write, path, 0)
        end.write(path, 1)
        # No neighbour is asked whether it is still there.
        end.run("ip", "neigh", "flush", "dev", ifname)
        # Frames on their way out are counted late: wait until nothing moves.
        last = [None, None]
        while True:
            last = [*last[-2:], end.link()["stats64"]]
            if last[0] == last[1] == last[2]:
                break
            time.sleep(0.05)


def totals(end):
    stats = end.link()["stats64"]
    return {f"{way}_{key}": stats[way][key] for way in ("rx", "tx") for key in ("packets", "bytes", "errors", "dropped")}


def delta(before, after):
    return {key: after[key] - before[key] for key in before if key in after and after[key] != before[key]}


def send(env, to_peer, sizes):
    tx, rx = (env.local, env.peer) if to_peer else (env.peer, env.local)
    source, sink = tx.raw_open(), rx.raw_open()
    try:
        for start in range(0, len(sizes), 32):
            burst = [env.frame(to_peer, noise(size - 14, size)) for size in sizes[start:start + 32]]
            tx.raw_send(source, burst)
            check_equal(len(rx.raw_recv(sink, len(burst))), len(burst), "frames delivered")
    finally:
        tx.close(source)
        rx.close(sink)


def exact(env):
    """Packets and bytes of known frames, seen the same at both ends."""
    quiet(env)
    sizes = [60 + (index * 37) % 1455 for index in range(FRAMES)]
    for to_peer in (True, False):
        before = totals(env.local), totals(env.peer)
        send(env, to_peer, sizes)
        counts = {"packets": len(sizes), "bytes": sum(sizes)}
        ways = ("tx", "rx") if to_peer else ("rx", "tx")
        for end, old, way, name in ((env.local, before[0], ways[0], env.ifname), (env.peer, before[1], ways[1], "the peer")):
            expected = {f"{way}_{key}": value for key, value in counts.items()}
            try:
                wait_for(lambda end=end, old=old, expected=expected: delta(old, totals(end)) == expected, "", timeout=5 * SLOW)
            except Failure:
                raise Failure(f"{name} counted {delta(old, totals(end))}, expected {expected}") from None


def multicast(env):
    quiet(env)
    before = env.local.link()["stats64"]["rx"]["multicast"]
    source, sink = env.peer.raw_open(), env.local.raw_open()
    env.defer(env.peer.close, source)
    env.defer(env.local.close, sink)
    group = "03:d0:00:00:00:01"
    env.local.raw_member(sink, "multicast", group)
    env.settled()
    env.peer.raw_send(source, [env.frame(False, noise(100, 1), dst=group)] * 20)
    check_equal(len(env.local.raw_recv(sink, 20)), 20, "frames delivered")
    count = env.local.link()["stats64"]["rx"]["multicast"] - before
    if not count:
        env.lacks(f"{env.driver} does not count multicast frames")
    check_equal(count, 20, "multicast frames counted")


def clean(env):
    """No error is counted by streams of both directions."""
    def trouble(end, ifname):
        stats = end.link()["stats64"]
        counts = {f"{way}_{key}": value for way in ("rx", "tx") for key, value in stats[way].items()
                  if key not in ("packets", "bytes", "multicast", "carrier_changes")}
        # What the driver knows more about it.
        return counts, {key: int(value) for key, value in pairs(end, ifname)[1]}
    before = [trouble(*end) for end in env.ends()]
    for to_peer in (True, False):
        env.tcp(to_peer)
        env.udp([1000] * 100, to_peer)
    after = [trouble(*end) for end in env.ends()]
    if any(old[0] != new[0] for old, new in zip(before, after)):
        counted = [tuple(map(delta, old, new)) for old, new in zip(before, after)]
        raise Failure(f"errors counted, and all that the drivers counted: {counted}")


def pairs(end, ifname):
    status, out, err = end.command(["ethtool", "-S", ifname])
    return "" if status == 0 else err.strip(), re.findall(r"^ +(.*): (\d+)$", out, re.M)


def driver_stats(env):
    err, found = pairs(env.local, env.ifname)
    if err:
        env.lacks(f"ethtool -S: {err}")
    if not found:
        env.lacks("ethtool -S shows nothing")
    return found


def driver_names(env):
    """Every name once and none empty."""
    names = [name.strip() for name, _ in driver_stats(env)]
    check(all(names), "ethtool -S has a counter without a name")
    check_equal(sorted({name for name in names if names.count(name) > 1}), [], "names that ethtool -S shows twice")


def driver_sums(env):
    """Queues add up to the total, and both to what was sent."""
    if not env.pci:
        raise Skip(f"{env.driver} has no queue counters")
    quiet(env)

    def read():
        return {name.strip(): int(value) for name, value in driver_stats(env)}
    for to_peer, way in ((True, "tx"), (False, "rx")):
        before = read()
        send(env, to_peer, [100] * FRAMES)

        def grown():
            change = delta(before, read())
            for pattern, total, kind in PER_QUEUE:
                queues = [name for name in before if pattern.match(name)]
                if kind == way and queues:
                    return sum(change.get(name, 0) for name in queues), change.get(total) if total in before else FRAMES
            return None
        if grown() is None:
            env.lacks(f"ethtool -S counts no {way} frames by queue")
        try:
            wait_for(lambda: grown() == (FRAMES, FRAMES), "", timeout=5 * SLOW)
        except Failure:
            raise Failure(f"{FRAMES} frames: (sum of the {way} queues, total) is {grown()}") from None


def driver_clean(env):
    """No counter of the driver that names trouble moves under clean traffic."""
    if not env.pci:
        raise Skip(f"{env.driver} has no hardware counters")

    def read():
        return {name.strip(): int(value) for name, value in driver_stats(env) if TROUBLE.search(name)}
    before = read()
    for to_peer in (True, False):
        env.tcp(to_peer)
        env.udp([1000] * 100, to_peer)
    check_equal(delta(before, read()), {}, "trouble counted by ethtool -S")


def kept(env):
    """Counters never run backwards: not over down and up, nor a new MTU."""
    env.tcp(True)
    env.defer(env.bring_up)
    for how in ("down", "up", "MTU"):
        before = totals(env.local)
        if how == "down":
            env.local.run("ip", "link", "set", env.ifname, "down")
        elif how == "up":
            env.bring_up()
        else:
            env.set_mtu(2000)
        after = totals(env.local)
        back = {key: (before[key], after[key]) for key in before if after[key] < before[key]}
        check_equal(back, {}, f"counters that fell after {how}")
    check(totals(env.local)["tx_bytes"] >= 1 << 20, "the stream before is not counted any more")


def under_load(env):
    """Readers see every counter grow only, while both directions are busy."""
    env.flood()
    last = totals(env.local)
    start = last
    for _ in range(100):
        fields = env.local.read("/proc/net/dev").split(f"{env.ifname}:")[1].split()
        now = {"rx_bytes": int(fields[0]), "rx_packets": int(fields[1]), "tx_bytes": int(fields[8]), "tx_packets": int(fields[9])}
        for key, value in now.items():
            check(value >= last[key], f"{key} fell from {last[key]} to {value}")
        last = now
    wait_for(lambda: totals(env.local)["rx_packets"] > start["rx_packets"], "counting received frames under load")


def model_flood(env):
    """More than the receiver can take: each frame is received, or counted by the name of why it was not."""
    if not env.model.have():
        raise Skip("no device model (modelctl) to send that fast")
    quiet(env)
    env.defer(env.model.ctl, "traffic", env.model.port, "stop")

    def traffic():
        return env.model.ask(cmd="traffic", port=env.model.port, spec="show")

    def read():
        # rx_dropped counts, too, what nobody listens to.
        missed = env.local.link()["stats64"]["rx"]["missed_errors"]
        own = {name: value for name, value in env.statistics().items() if not re.match(r"q\d", name)}
        return own | totals(env.local) | {"rx_missed_errors": missed}
    before = read()
    env.model.ctl("traffic", env.model.port, "start", f"rate={FLOOD_RATE}", f"count={FLOOD}")
    wait_for(lambda: not traffic()["running"], "the end of the flood")
    check_equal(traffic()["made"], FLOOD, "frames that the model has sent")

    def ends():
        after = read()
        # The C driver shows what found no room here only.
        missed = "rx_missed_errors" if env.driver == "rust_stmmac" else "mmc_rx_fifo_overflow"
        return {name: after[name] - before[name] for name in ("rx_packets", "rx_no_memory", missed) if name in after}
    try:
        wait_for(lambda: sum(ends().values()) == FLOOD, "", timeout=5 * SLOW)
    except Failure:
        raise Failure(f"of {FLOOD} frames became {ends()}; all that changed: {delta(before, read())}") from None
    check(all(ends()[name] for name in ends() if name != "rx_no_memory"), f"too slow a flood to be one: {ends()}")
    check_equal(delta(before, read()).get("rx_errors", 0), 0, "errors of a flood of good frames")
    env.wait_ping()
    env.tcp(False)


FLOOD, FLOOD_RATE = 200_000, 1_000_000


def model_sink(env):
    """What the port sends, as the wire itself counts it."""
    if not env.model.have():
        raise Skip("no device model (modelctl) to count frames")
    quiet(env)
    source = env.local.raw_open()
    env.defer(env.local.close, source)
    env.defer(env.model.ctl, "traffic", env.model.port, "sink", "off")
    env.model.ctl("traffic", env.model.port, "sink", "on")
    sizes = [60 + (index * 37) % 1455 for index in range(2000)]
    show = {"cmd": "traffic", "port": env.model.port, "spec": "show"}
    old, before = env.model.ask(**show), totals(env.local)
    env.local.raw_send(source, [env.frame(True, noise(size - 14, size)) for size in sizes])

    def sunk():
        new, after = env.model.ask(**show), totals(env.local)
        return (new["sunk"] - old["sunk"], new["sunk_bytes"] - old["sunk_bytes"],
                after["tx_packets"] - before["tx_packets"], after["tx_bytes"] - before["tx_bytes"])
    try:
        wait_for(lambda: sunk() == (len(sizes), sum(sizes)) * 2, "", timeout=5 * SLOW)
    except Failure:
        raise Failure(f"frames and bytes on the wire, and as the port counts them: {sunk()}, expected {(len(sizes), sum(sizes))}") from None


if __name__ == "__main__":
    main(exact, multicast, clean, driver_names, driver_sums, driver_clean, kept, under_load, model_flood, model_sink)
