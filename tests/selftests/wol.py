#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Wake-on-LAN: what is offered can be set and is kept."""

import re

from lib import Skip, case, check, check_equal, main
from suspend import read, sleep, traffic


def wol(env, end=None):
    """What ethtool shows: (supported, set), sets of letters."""
    end = end or env.local
    out = end.run("ethtool", env.ifname if end is env.local else env.peer_ifname)
    found = [re.search(rf"^\s*{key}: ([a-z]+)", out, re.M) for key in ("Supports Wake-on", "Wake-on")]
    if not all(found) or found[0][1] == "d":
        raise Skip(f"no Wake-on-LAN on {env.ifname}")
    return [set(match[1]) - {"d"} for match in found]


def arm(env, modes):
    supported, old = wol(env)
    missing = set(modes) - {"d"} - supported
    if missing:
        raise Skip(f"{env.ifname} does not wake on {''.join(sorted(missing))}")
    env.defer(env.local.run, "ethtool", "-s", env.ifname, "wol", "".join(sorted(old)) or "d")
    env.local.run("ethtool", "-s", env.ifname, "wol", modes)


def offered(env):
    """Off until somebody wants it; magic frames at least."""
    supported, now = wol(env)
    check("g" in supported, f"magic frames are not offered, only {''.join(sorted(supported))}")
    check_equal(now, set(), "Wake-on-LAN by default")


def set_each(env):
    supported, _ = wol(env)
    for modes in [*sorted(supported), "".join(sorted(supported)), "d"]:
        arm(env, modes)
        check_equal(wol(env)[1], set(modes) - {"d"}, f"modes after 'wol {modes}'")
        if env.pci:
            check_equal(read(f"/sys/bus/pci/devices/{env.pci}/power/wakeup"), "disabled" if modes == "d" else "enabled",
                        f"power/wakeup after 'wol {modes}'")


def refused(env):
    supported, before = wol(env)
    for mode in sorted(set("pumbag") - supported):
        status, _, _ = env.local.command(["ethtool", "-s", env.ifname, "wol", mode])
        check(status, f"wol {mode} was accepted, which is not supported")
    check_equal(wol(env)[1], before, "modes after what was refused")


def kept(env):
    """Over down and up and over a sleep, with traffic as ever."""
    arm(env, "g")
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    check_equal(wol(env)[1], {"g"}, "modes after down and up")
    traffic(env)
    sleep(env)
    check_equal(wol(env)[1], {"g"}, "modes after a sleep")
    traffic(env)


def slept(env, modes):
    """A sleep with the receiver on: several times, under traffic, with nothing left of it."""
    arm(env, modes)
    env.flood()
    for _ in range(3):
        sleep(env)
        env.wait_link()
    env.local.flood_stop()
    env.peer.flood_stop()
    traffic(env)


def slept_down(env):
    """An interface that is down wakes nobody and is none the worse for it."""
    arm(env, "g")
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    sleep(env)
    env.bring_up()
    traffic(env)


if __name__ == "__main__":
    main(offered, set_each, refused, kept, case("slept_magic", slept, "g"), case("slept_unicast", slept, "u"),
         slept_down)
