#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A port that is down sleeps if the user lets it (power/control), and wakes up for whoever needs it: nothing is lost."""

import os
import time

from lib import Skip, case, check, check_equal, main, wait_for
from macaddr import NEW, restore, verify
from suspend import apart, offset, open_clock, sleep, traffic
from vlan import Vlan


def power(env, name):
    return env.local.read(f"/sys/bus/pci/devices/{env.pci}/power/{name}")


def states(env):
    """Of the device, to the kernel and on the bus."""
    return power(env, "runtime_status"), env.local.read(f"/sys/bus/pci/devices/{env.pci}/power_state")


def allow(env, yes=True):
    env.local.write(f"/sys/bus/pci/devices/{env.pci}/power/control", "auto" if yes else "on")


def asleep(env):
    return wait_for(lambda: states(env) in (("suspended", "D3hot"), ("suspended", "D3cold")), "sleep of a device that nobody needs")


def down(env):
    env.local.run("ip", "link", "set", env.ifname, "down")
    asleep(env)


def prepare(env):
    """The interface goes down and the device to sleep; undone after the case."""
    env.need_pci()
    if not os.path.exists(f"/sys/bus/pci/devices/{env.pci}/power/control"):
        raise Skip("this kernel has no runtime power management")
    if power(env, "runtime_status") == "unsupported":
        raise Skip("the device's runtime power management is off: the C driver disables it when it leaves")
    check_equal(power(env, "control"), "on", "the default, which is left to the user to change")
    env.defer(env.bring_up)
    env.defer(allow, env, False)
    delay = power(env, "autosuspend_delay_ms")
    env.defer(env.local.write, f"/sys/bus/pci/devices/{env.pci}/power/autosuspend_delay_ms", delay)
    # So that it sleeps whenever it may.
    env.local.write(f"/sys/bus/pci/devices/{env.pci}/power/autosuspend_delay_ms", 0)
    allow(env)
    down(env)


def falls_asleep(env):
    """When it is down and may, some time after; not when it is up or may not."""
    prepare(env)
    env.local.write(f"/sys/bus/pci/devices/{env.pci}/power/autosuspend_delay_ms", 3000)
    env.local.run("ethtool", "-d", env.ifname)
    check_equal(states(env), ("active", "D0"), "a device that was needed just now")
    asleep(env)
    env.local.write(f"/sys/bus/pci/devices/{env.pci}/power/autosuspend_delay_ms", 0)
    allow(env, False)
    check_equal(states(env), ("active", "D0"), "a device that must not sleep")
    allow(env)
    asleep(env)
    env.bring_up()
    for _ in range(10):
        check_equal(states(env), ("active", "D0"), "a device that is up")
        time.sleep(0.1)
    traffic(env)


def again_and_again(env):
    prepare(env)
    for _ in range(5):
        env.bring_up()
        env.ping()
        down(env)
    env.bring_up()
    traffic(env)


def at_once(env):
    """Up again before the device is asleep, or is not quite."""
    prepare(env)
    for delay in range(30):
        env.local.run("ip", "link", "set", env.ifname, "up")
        env.local.run("ip", "link", "set", env.ifname, "down")
        time.sleep(delay / 1000)
    env.bring_up()
    traffic(env)


def settings(env):
    """Made while it sleeps, they are in force afterwards."""
    env.defer(restore, env, env.mac)
    prepare(env)
    env.defer(env.local.run, "ip", "link", "set", env.ifname, "mtu", 1500)
    env.local.run("ip", "link", "set", env.ifname, "address", NEW)
    env.local.run("ip", "link", "set", env.ifname, "mtu", 1400)
    env.feature("rx-checksumming", False)
    env.feature("rx-checksumming", True)
    for words in (("-G", "rx", "256"), ("-A", "rx", "off"), ("-C", "rx-usecs", "100")):
        # One or the other may not be supported.
        env.local.command(["ethtool", words[0], env.ifname, *words[1:]])
    asleep(env)
    env.bring_up()
    verify(env, NEW, env.mac)
    check_equal(env.local.sys("mtu"), "1400", "the MTU")
    env.ping(size=1400 - 28)


def vlans(env):
    """One is kept while the device sleeps, one is new, one goes."""
    kept = Vlan(env, 77, both=True)
    Vlan(env, 99)
    prepare(env)
    env.local.run("ip", "link", "del", "t99")
    new = Vlan(env, 88, both=True)
    asleep(env)
    env.bring_up()
    for vlan in (kept, new):
        vlan.ping()
        vlan.tcp(True)
        vlan.tcp(False)


def questions(env):
    """Whatever is asked, and however often, the device may be asleep."""
    prepare(env)
    node = f"pci/{env.pci}"
    for argv in (["ethtool", "-i"], ["ethtool", "-S"], ["ethtool", "-S", "--groups", "eth-mac", "rmon"], ["ethtool", "-d"], ["ethtool", "-k"],
                 ["ethtool", "-c"], ["ethtool", "-g"], ["ethtool", "-a"], ["ethtool", "-T"], ["ethtool", "--show-eee"], ["ethtool", "-m"],
                 ["ethtool", "-t"], ["ethtool"], ["ip", "-s", "-d", "link", "show"], ["mii-tool"]):
        words = argv[:2] + [env.ifname] + argv[2:] if argv[0] == "ethtool" else [*argv, env.ifname]
        env.local.command(words)
    for words in (["dev", "info", node], ["health", "show"], ["health", "diagnose", node, "reporter", "hw"],
                  ["health", "dump", "show", node, "reporter", "hw"]):
        env.local.command(["devlink", *words])
    for folder, _, files in os.walk(f"/sys/kernel/debug/{env.driver}-{env.pci}"):
        for name in files:
            env.local.read(os.path.join(folder, name))
    for name in sorted(os.listdir(f"/sys/class/net/{env.ifname}/statistics")):
        env.local.sys(f"statistics/{name}")
    asleep(env)
    env.bring_up()
    traffic(env)


def clock(env):
    """The PTP clock is there, and has gone on."""
    open_clock(env)
    prepare(env)
    apart(env)
    asleep(env)
    first = offset(env)
    for seconds in (0, 1, 2):
        asleep(env)
        time.sleep(seconds)
        error = offset(env) - first
        check(abs(error) < 50_000_000, f"the PTP clock is {error / 1e6:.1f} ms off after {seconds} s of sleep")
    env.local.phc_shift(5 * 10**9)
    asleep(env)
    error = offset(env) - first - 5 * 10**9
    check(abs(error) < 50_000_000, f"the PTP clock is {error / 1e6:.1f} ms off after a shift and sleep")
    env.defer(env.local.phc_frequency, 0)
    env.local.phc_frequency(50_000)
    before, begin = offset(env), time.monotonic()
    for _ in range(4):
        asleep(env)
        time.sleep(1)
        offset(env)
    gained, expected = offset(env) - before, (time.monotonic() - begin) * 50_000_000
    check(abs(gained - expected) < 0.25 * expected,
          f"asleep the PTP clock, faster by 5 %, gained {gained / 1e6:.1f} ms, expected {expected / 1e6:.1f}")
    env.local.phc_frequency(0)
    old = env.local.hwtstamp()
    env.defer(env.local.hwtstamp, *old)
    # On, all.
    wanted = env.local.hwtstamp(1, 1)
    asleep(env)
    env.bring_up()
    check_equal(env.local.hwtstamp(), wanted, "the timestamping that was set asleep")
    traffic(env)


def phy(env):
    """The PHY loses its driver and gets one again, which asks it for its features."""
    env.need_pci()
    base = f"/sys/class/net/{env.ifname}/phydev"
    if not os.path.exists(base):
        raise Skip("no PHY")
    device = os.path.realpath(base)
    driver = os.path.realpath(f"{device}/driver")
    name = os.path.basename(device)

    def rescue():
        if not os.path.exists(f"{device}/driver"):
            env.local.write(f"{driver}/bind", name)
    prepare(env)
    env.defer(rescue)
    for _ in range(3):
        env.local.write(f"{driver}/unbind", name)
        asleep(env)
        env.local.write(f"{driver}/bind", name)
        check(os.path.exists(f"{device}/driver"), "the PHY's driver did not bind while the MAC slept")
        asleep(env)
    env.bring_up()
    traffic(env)


def rebind(env):
    """The driver goes while the device sleeps; the next finds the address."""
    prepare(env)
    driver = env.driver

    def rescue():
        if not env.driver_of_pci(env.pci):
            env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
        env.adopt()
    mac = env.mac
    env.defer(rescue)
    for _ in range(3):
        env.unbind()
        env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
        # It has not been told otherwise.
        wait_for(lambda: env.netdev_of(env.pci), f"an interface of {env.pci}")
        asleep(env)
        env.adopt()
        check_equal(env.mac, mac, "the address of a device that was bound again")
        down(env)
    env.adopt()
    traffic(env)


def system(env):
    """The system sleeps while the device does, and wakes up."""
    prepare(env)
    for _ in range(2):
        sleep(env)
        asleep(env)
    env.bring_up()
    traffic(env)
    sleep(env)
    traffic(env)


if __name__ == "__main__":
    main(falls_asleep, again_and_again, at_once, settings, vlans, questions, clock, phy, rebind, case("system_sleep", system))
