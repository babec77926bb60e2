#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Bound and unbound, up and down, changed and put to sleep under traffic, again
and again: it still works then, and nothing is left behind.

LOOPS_BIND, LOOPS_UPDOWN, LOOPS_CHANGE and LOOPS_SUSPEND set the numbers of rounds. What is
left is seen by a kernel with DMA_API_DEBUG and DEBUG_KMEMLEAK.
"""

import os
import time

import leaks
from device import Device
from lib import Progress, check, check_equal, main, note, wait_for
from suspend import sleep

# Frames a hundredth of a second and direction: some are always on their way, and the CPU is left to the rounds.
BURST = 2

ROUNDS = {"BIND": 10, "UPDOWN": 20, "CHANGE": 30, "SUSPEND": 5}


def number(what):
    return int(os.environ.get(f"LOOPS_{what}") or ROUNDS[what])


def rounds(what):
    progress = Progress()
    for count in range(1, number(what) + 1):
        yield count
        progress(f"{count} of {number(what)} rounds")


def nothing_left(env):
    """Takes the device from its driver: no mapping, no pool, no object stays.
    And gives it back."""
    driver = env.driver
    env.unbind()
    try:
        if leaks.watches_dma():
            check_equal(leaks.dma_mappings(env.pci), [], "DMA mappings of an unbound device")
            check_equal(leaks.dma_errors(), 0, "errors in the use of the DMA API")
        wait_for(lambda: not [pool for pool in leaks.page_pools() if pool.get("ifindex", 1) == 1], "the end of all page pools")
        if leaks.watches_memory():
            found = leaks.unreferenced()
            check(not found, f"{len(found)} unreferenced objects, the first: {found[:1]}")
    finally:
        env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
        env.adopt()


def works(env):
    env.ping(size=1400)
    env.tcp(True, size=256 << 10)
    env.tcp(False, size=256 << 10)


def ended(env, what, rounds_of, start):
    note(f"{number(rounds_of)} times {what} in {time.monotonic() - start:.0f} s")
    env.undo()
    works(env)
    if env.pci:
        nothing_left(env)


def bind(env):
    env.need_pci()
    driver = env.driver
    path = f"/sys/bus/pci/drivers/{driver}"

    def rescue():
        if not env.driver_of_pci(env.pci):
            env.local.write(f"{path}/bind", env.pci)
        env.adopt()
    env.defer(rescue)
    start = time.monotonic()
    for count in rounds("BIND"):
        env.local.write(f"{path}/unbind", env.pci)
        env.local.write(f"{path}/bind", env.pci)
        if count % 2:
            # Gone again while the link comes up.
            env.local.run("ip", "link", "set", env.netdev_of(env.pci), "up")
        if count % 50 == 0:
            env.adopt()
    env.adopt()
    ended(env, "bound", "BIND", start)


def updown(env):
    env.defer(env.bring_up)
    env.flood(BURST)
    device = Device(env)
    start = time.monotonic()
    for count in rounds("UPDOWN"):
        device.up(False)
        device.up(True)
        if count % 50 == 0:
            env.bring_up()
    env.bring_up()
    ended(env, "down and up", "UPDOWN", start)


def change(env):
    """MTU, ring sizes and channels in turn, while frames of both directions
    are on their way."""
    env.need_pci()
    device = Device(env)
    rings, (channels, _) = device.rings(), device.channels()
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(device.set_channels, *channels)
    env.defer(device.set_rings, *rings)
    env.defer(device.mtu, 1500)
    env.flood(BURST)
    changes = [lambda: device.mtu(2000), lambda: device.set_rings(128, 256),
               lambda: device.set_channels(*(min(count, 1) for count in channels)),
               lambda: device.mtu(1000), lambda: device.set_rings(512, 64), lambda: device.set_channels(*channels),
               lambda: device.mtu(1500), lambda: device.set_rings(*rings)]
    start = time.monotonic()
    for count in rounds("CHANGE"):
        changes[count % len(changes)]()
        if count % 100 == 0:
            env.wait_ping()
    ended(env, "changed", "CHANGE", start)


def suspend(env):
    """The system sleeps while frames of both directions are on their way."""
    env.need_pci()
    env.flood(BURST)
    start = time.monotonic()
    for count in rounds("SUSPEND"):
        sleep(env)
        if count % 10 == 0:
            env.wait_link()
    env.wait_link()
    ended(env, "asleep", "SUSPEND", start)


if __name__ == "__main__":
    main(bind, updown, change, suspend)
