#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The driver taken from its device and given back, unloaded and loaded, while
traffic wants to run. On a board, unloading takes every interface of the module."""

import os

from lib import Skip, case, check, check_equal, main, wait_for

# Of 20: these with a link and traffic each time, the others in quick succession.
TIMES = 8


def rebind(env, times, traffic=True, up=True):
    env.need_pci()
    driver = env.driver
    if traffic:
        env.flood()

    def rescue():
        if not env.driver_of_pci(env.pci):
            env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
        env.adopt()
    env.defer(rescue)
    for _ in range(times):
        if not up:
            env.local.run("ip", "link", "set", env.ifname, "down")
        env.unbind()
        check(env.driver_of_pci(env.pci) is None, "still bound after unbind")
        env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
        check_equal(env.driver_of_pci(env.pci), driver, "driver after bind")
        env.adopt()
    if not traffic:
        env.ping(size=1400)
        env.ping(env.peer_v6, size=1400)


def quickly(env):
    """Without waiting for a link in between."""
    env.need_pci()
    driver = env.driver
    env.defer(env.adopt)
    for _ in range(20 - TIMES):
        name = wait_for(lambda: env.netdev_of(env.pci), f"an interface of {env.pci}")
        env.local.run("ip", "link", "set", name, "up")
        env.local.write(f"/sys/bus/pci/drivers/{driver}/unbind", env.pci)
        env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
    env.adopt()
    env.tcp(True)
    env.tcp(False)


def reload(env):
    """Unloads and loads the module under traffic."""
    env.need_pci()
    path = f"/sys/bus/pci/drivers/{env.driver}/module"
    if not os.path.exists(path):
        raise Skip(f"{env.driver} is built in")
    module, driver = os.path.basename(os.path.realpath(path)), env.driver
    peer_too = bool(env.peer_pci) and env.driver_of_pci(env.peer_pci) == driver
    env.flood()

    def rescue():
        env.local.run("modprobe", module)
        if not (peer_too and env.netdev_of(env.peer_pci) is None):
            env.adopt(peer_too)
        else:
            env.adopt()
    env.defer(rescue)
    for _ in range(3):
        env.local.run("modprobe", "-r", module)
        check(not os.path.exists(f"/sys/module/{module}"), f"{module} is still there after modprobe -r")
        check(not os.path.exists(f"/sys/class/net/{env.ifname}"), f"{env.ifname} outlived its driver")
        env.local.run("modprobe", module)
        env.adopt(peer_too)
        check_equal(env.driver, driver, "driver after loading the module again")


if __name__ == "__main__":
    main(case("rebind_traffic", rebind, TIMES),
         case("rebind_idle", rebind, 1, traffic=False),
         case("rebind_down", rebind, 1, up=False),
         quickly, reload)
