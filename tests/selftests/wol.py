#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Wake-on-LAN: what is offered can be set and is kept, and frames do wake the system.

A frame that wakes is told by an interrupt as long as the function is in D0, and by PME alone in D3, which the lab's guests
are not told of. So the one is tried with devices that sleep in a system that does not (pm_test at 'devices'), where the
kernel counts the event and ends the sleep; of the other the model says what it has seen.
"""

import errno
import json
import os
import re
import time

from lib import Skip, case, check, check_equal, main, wait_for
from suspend import PM_TEST, POWER, read, sleep, traffic, write


def wol(env, end=None):
    """What ethtool shows: (supported, set), sets of letters."""
    end = end or env.local
    out = end.run("ethtool", env.ifname if end is env.local else env.peer_ifname)
    found = [re.search(rf"^\s*{key}: ([a-z]+)", out, re.M) for key in ("Supports Wake-on", "Wake-on")]
    if not all(found) or found[0][1] == "d":
        env.absent(f"no Wake-on-LAN on {env.ifname if end is env.local else env.peer_ifname}")
    return [set(match[1]) - {"d"} for match in found]


def arm(env, modes):
    supported, old = wol(env)
    missing = set(modes) - {"d"} - supported
    if missing:
        env.absent(f"{env.ifname} does not wake on {''.join(sorted(missing))}")
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


def sender(env, modes, *words):
    """Arms the port, and has the model send it frames until the case ends. The other port keeps its link as well."""
    if not env.model.have():
        raise Skip("nothing here sends frames to a system that sleeps")
    if not os.path.exists(PM_TEST):
        raise Skip("nothing here sleeps in part (CONFIG_PM_DEBUG)")
    env.need_pci()
    arm(env, modes)
    _, old = wol(env, env.peer)
    env.defer(env.peer.run, "ethtool", "-s", env.peer_ifname, "wol", "".join(sorted(old)) or "d")
    env.peer.run("ethtool", "-s", env.peer_ifname, "wol", "g")
    env.wait_link()
    env.defer(env.model.ctl, "traffic", env.model.port, "stop")
    env.model.ctl("traffic", env.model.port, "start", *words)


def woken(env):
    """How often the model's core has seen a frame to wake on."""
    answer = json.loads(env.model.ctl(json.dumps({"cmd": "stats", "port": env.model.port})))
    return answer["ok"]["wakeups"]


def events(env):
    """How many wake-up events of the function the kernel has counted."""
    return int(read(f"/sys/bus/pci/devices/{env.pci}/power/wakeup_count"))


def seconds_asleep(env, seconds):
    """Has only the devices sleep, until an event or for some seconds; returns how long that was."""
    # From here on events count.
    write(f"{POWER}/wakeup_count", read(f"{POWER}/wakeup_count"))
    begin = time.monotonic()
    try:
        sleep(env, "devices", seconds)
    except OSError as err:
        # One that came while devices were put to sleep.
        check_equal(err.errno, errno.EBUSY, "errno of a sleep that was turned round")
    return time.monotonic() - begin


def recognized(env, modes, *words):
    """The core knows the frames while its function sleeps, in whatever power state. Afterwards the port works."""
    before = woken(env) if env.model.have() else 0
    sender(env, modes, *words)
    sleep(env, seconds=2)
    check(woken(env) > before, "no frame was recognized in a sleep of 2 s with 10 a second")
    env.wait_link()
    traffic(env)


def wakes(env, modes, *words):
    """A frame ends the sleep, and the kernel knows which device woke it."""
    if env.driver == "intel-eth-pci":
        raise Skip("the driver itself puts the function into D3, where it cannot interrupt")
    sender(env, modes, *words)
    before = events(env)
    took = seconds_asleep(env, 20)
    check(events(env) > before, f"no wake-up event was counted in {took:.0f} s")
    check(took < 15, f"the frame did not end the sleep, which took {took:.0f} s")
    env.wait_link()
    traffic(env)


def sleeps_on(env, modes, *words):
    """Other frames do not wake: they are dropped."""
    sender(env, modes, *words)
    before = woken(env), events(env)
    took = seconds_asleep(env, 3)
    check(took >= 3, f"a sleep of 3 s was over after {took:.1f} s")
    check_equal((woken(env), events(env)), before, "frames recognized and events counted")
    env.wait_link()
    traffic(env)


def magic_while_awake(env):
    """A port that is armed and awake takes magic frames for frames."""
    sender(env, "g", "kind=magic", "rate=100")
    before = woken(env), events(env), env.local.link()["stats64"]["rx"]["packets"]
    traffic(env)
    check_equal((woken(env), events(env)), before[:2], "frames recognized and events counted")
    wait_for(lambda: env.local.link()["stats64"]["rx"]["packets"] > before[2] + 100, "the reception of magic frames")


if __name__ == "__main__":
    MAGIC, UDP, OTHERS = ("kind=magic", "rate=10"), ("kind=udp", "rate=10"), ("kind=raw", "rate=10", "dst=02:00:00:00:00:77")
    main(offered, set_each, refused, kept, case("slept_magic", slept, "g"), case("slept_unicast", slept, "u"),
         slept_down,
         case("recognized_magic", recognized, "g", *MAGIC), case("recognized_unicast", recognized, "u", *UDP),
         case("wakes_magic", wakes, "g", *MAGIC), case("wakes_unicast", wakes, "u", *UDP),
         case("sleeps_on_unicast", sleeps_on, "g", *UDP), case("sleeps_on_others", sleeps_on, "ug", *OTHERS),
         magic_while_awake)
