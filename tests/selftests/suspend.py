#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The system sleeps and wakes up: traffic goes on, and what was set is still set.

Where the kernel offers it (CONFIG_PM_DEBUG), only the devices are put to sleep, all of them and as far as their power
state; else the whole system is, until its clock wakes it.
"""

import os
import time

from lib import Skip, case, check, check_equal, main, noise
from vlan import Vlan

POWER = "/sys/power"
PM_TEST = f"{POWER}/pm_test"
DELAY = "/sys/module/suspend/parameters/pm_test_delay"
ALARM = "/sys/class/rtc/rtc0/wakealarm"
STATISTICS_MAX = 1 << 31


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def write(path, text):
    # Without a buffer: what is refused would be written once more from there.
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())


def sleep(env, level="platform", seconds=0):
    """Returns when the system is awake again. With PM_DEBUG it sleeps as far as the level says, for some seconds at most."""
    state = f"{POWER}/state"
    if not os.path.exists(state) or "freeze" not in read(state).split():
        raise Skip("this kernel does not sleep")
    if os.path.exists(PM_TEST):
        delay = read(DELAY)
        write(DELAY, str(seconds))
        write(PM_TEST, level)
        try:
            write(state, "freeze")
        finally:
            write(PM_TEST, "none")
            write(DELAY, delay)
    elif os.path.exists(ALARM):
        write(ALARM, "0")
        write(ALARM, "+3")
        write(state, "freeze")
    else:
        raise Skip("nothing would wake this system: neither pm_test nor an RTC alarm")


def traffic(env):
    # The peer polls its serial lane and may hear of the loss only now.
    env.wait_steady()
    env.tcp(True)
    env.tcp(False)
    env.udp([60, 700, 1472] * 5)


def while_up(env, times):
    for _ in range(times):
        sleep(env)
        traffic(env)


def while_down(env):
    """Neither comes up by itself, and both do when told."""
    env.defer(env.bring_up)
    for end, ifname in env.ends():
        end.run("ip", "link", "set", ifname, "down")
    sleep(env)
    check("UP" not in env.local.link()["flags"], "the interface came up while the system slept")
    env.bring_up()
    traffic(env)


def down_after(env):
    """Down right after waking up, before there is a link, and up again."""
    env.defer(env.bring_up)
    for _ in range(2):
        sleep(env)
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.bring_up()
    traffic(env)


def under_traffic(env):
    """Frames of both directions are on their way."""
    env.flood()
    for _ in range(3):
        sleep(env)
        env.wait_link()
        time.sleep(0.5)
    env.tcp(True)
    env.tcp(False)


def shown(env, *words):
    """What ethtool shows; None if it cannot."""
    status, out, _ = env.local.command(["ethtool", *words[:1], env.ifname, *words[1:]])
    return None if status else out


def settings(env):
    """All that ethtool shows and that does not count."""
    queries = ("-k", "-c", "-g", "-l", "-a", "--show-eee")
    before = {query: shown(env, query) for query in queries}
    link = {key: value for key, value in env.local.link().items()
            if key in ("flags", "mtu", "address", "promiscuity", "allmulti", "num_tx_queues")}
    sleep(env)
    env.wait_steady()
    for query in queries:
        check_equal(shown(env, query), before[query], f"ethtool {query} after the sleep")
    now = env.local.link()
    check_equal({key: now.get(key) for key in link}, link, "the link's settings after the sleep")


def changed(env):
    """As settings, with other than the default ones, which have effect."""
    old = env.local.run("ethtool", "-c", env.ifname)
    usecs = next(line.split()[1] for line in old.splitlines() if line.startswith("rx-usecs:"))
    env.defer(env.local.command, ["ethtool", "-C", env.ifname, "rx-usecs", usecs])
    env.local.command(["ethtool", "-C", env.ifname, "rx-usecs", "100"])
    env.feature("rx-checksumming", False)
    settings(env)
    traffic(env)


def mtu(env, value):
    if env.local.link()["max_mtu"] < value:
        raise Skip(f"the MTU of {env.ifname} ends before {value}")
    env.set_mtu(value)
    sleep(env)
    env.wait_link()
    check_equal(int(env.local.sys("mtu")), value, "the MTU after the sleep")
    env.ping(size=value - 28)
    env.tcp(True, size=1 << 22)
    env.tcp(False, size=1 << 22)


def filters(env):
    """Groups that were joined are received, others are not."""
    ours, strange = "03:d0:00:00:00:01", "03:d0:00:90:00:17"
    sink = env.local.raw_open()
    env.defer(env.local.close, sink)
    source = env.peer.raw_open()
    env.defer(env.peer.close, source)
    env.local.raw_member(sink, "multicast", ours)

    def arrived():
        env.settled()
        end = b"end of the burst" + bytes(64)
        frames = [env.frame(False, noise(80, i), dst=mac) for i, mac in enumerate((ours, strange))]
        env.peer.raw_send(source, [*frames, env.frame(False, end)])
        got = [data for _, data in env.local.raw_recv(sink, until=end[:16])]
        return [frame in got for frame in frames]
    before = arrived()
    check(before[0], "a group that was joined is not received")
    sleep(env)
    env.wait_link()
    check_equal(arrived(), before, "received of [a group that was joined, another one]")


def vlan(env):
    vlan = Vlan(env, 77, both=True)
    vlan.ping()
    sleep(env)
    env.wait_link()
    vlan.ping()
    vlan.tcp(True)
    vlan.tcp(False)


def open_clock(env):
    number = env.local.phc_find()
    if number is None:
        raise Skip("no PTP clock")
    env.local.phc_open(number)
    env.defer(env.local.phc_close)


def apart(env):
    """Sets the PTP clock to what the system cannot have set it to by itself."""
    base = 1_000_000_000 * 10**9
    env.local.phc_set(base + time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    env.defer(lambda: env.local.phc_set(time.time_ns()))


def offset(env):
    """Of the PTP clock from the system's that goes on while it sleeps, in nanoseconds."""
    best = None
    for _ in range(10):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        now = env.local.phc_get()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if best is None or after - before < best[1]:
            best = [now - (before + after) // 2, after - before]
    return best[0]


def clock(env):
    """The PTP clock has gone on, at its rate, and takes the timestamps that it took."""
    open_clock(env)
    old = env.local.hwtstamp()
    env.defer(env.local.hwtstamp, old[0], old[1])
    try:
        # On, all.
        stamps = env.local.hwtstamp(1, 1)
    except OSError:
        stamps = old
    apart(env)
    for running in (True, False):
        if not running:
            env.defer(env.bring_up)
            env.local.run("ip", "link", "set", env.ifname, "down")
        before = offset(env)
        sleep(env)
        after = offset(env)
        check(abs(after - before) < 50_000_000,
              f"the PTP clock is {(after - before) / 1e6:.1f} ms off after a sleep with the interface {'up' if running else 'down'}")
        check_equal(env.local.hwtstamp(), stamps, "the timestamping after the sleep")
        first, begin = offset(env), time.monotonic()
        time.sleep(1)
        drift = abs(offset(env) - first) / (time.monotonic() - begin)
        check(drift < 5_000_000, f"the PTP clock drifts by {drift / 1e6:.1f} ms a second")


def statistics(env):
    """Go on from where they were."""
    env.tcp(True)
    names = ("rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_missed_errors")

    def stack():
        return {name: int(env.local.sys(f"statistics/{name}")) for name in names}
    before, counters = env.statistics(), stack()
    sleep(env)
    traffic(env)
    after = env.statistics()
    back = [name for name, value in before.items() if after.get(name, 0) < value]
    check(not back, f"went backwards: {', '.join(back)}")
    jumps = [name for name, value in before.items() if after.get(name, 0) - value > STATISTICS_MAX]
    check(not jumps, f"jumped: {', '.join(f'{name} to {after[name]}' for name in jumps)}")
    now = stack()
    for name in names:
        if name.endswith("packets"):
            check(now[name] > counters[name], f"{name} has not grown from {counters[name]}")
        else:
            check_equal(now[name], counters[name], name)


if __name__ == "__main__":
    main(case("up", while_up, 1), case("up_again_and_again", while_up, 5), while_down, down_after, under_traffic,
         settings, changed, case("mtu_9000", mtu, 9000), case("mtu_1400", mtu, 1400), filters, vlan, clock, statistics)
