#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A transmitter that stalls: the watchdog notices, the driver recovers.

The stall is made with pause frames without end from the peer, which hold back
a transmitter that honours them; so it also works on a board. At 100 Mb/s a
frame holds for a third of a second, long enough for a slow sender.
"""

import glob
import json
import time

from lib import Failure, Skip, case, check, main, mac_bytes, wait_for
from link import SPEED_MODES, settings, speed

PAUSE = mac_bytes("01:80:c2:00:00:01"), bytes.fromhex("88080001ffff") + bytes(42)
RATE = 100


def timeouts(env):
    return sum(int(env.local.read(path)) for path in glob.glob(f"/sys/class/net/{env.ifname}/queues/tx-*/tx_timeout"))


def sent(env):
    return env.local.link()["stats64"]["tx"]["packets"]


def honour_pause(env):
    status, out, err = env.local.command(["ethtool", "--json", "-a", env.ifname])
    if status:
        env.lacks(f"ethtool -a: {err.strip()}")
    old = json.loads(out)[0]
    word = {True: "on", False: "off"}
    env.defer(env.wait_link)
    env.defer(env.local.command, ["ethtool", "-A", env.ifname, "autoneg", word[old["autonegotiate"]],
                                  "rx", word[old["rx"]], "tx", word[old["tx"]]])
    env.local.command(["ethtool", "-A", env.ifname, "autoneg", "off", "rx", "on", "tx", "off"])


def slow_down(env):
    modes = [mode for mode in settings(env).get("Advertised link modes", []) if "base" in mode]
    if speed(env.local) == RATE or SPEED_MODES[RATE] not in modes:
        return
    others = [mode for mode in modes if mode != SPEED_MODES[RATE]]
    rate = speed(env.local)
    env.defer(wait_for, lambda: speed(env.local) == rate, f"the return to {rate} Mb/s")
    env.defer(env.local.run, "ethtool", "-s", env.ifname, "advertise", *sum(([mode, "on"] for mode in modes), []))
    env.local.run("ethtool", "-s", env.ifname, "advertise", SPEED_MODES[RATE], "on", *sum(([mode, "off"] for mode in others), []))
    wait_for(lambda: speed(env.local) == RATE, f"a link at {RATE} Mb/s")


def recovers(env, rounds):
    if not env.pci:
        raise Skip(f"{env.driver} has no transmitter that could stall")
    honour_pause(env)
    slow_down(env)
    env.wait_link()
    frame = PAUSE[0] + mac_bytes(env.peer_mac) + PAUSE[1]
    for _ in range(rounds):
        before = timeouts(env)
        env.defer(env.peer.repeat_stop)
        env.peer.repeat_start(frame, 0.02)
        env.defer(env.local.flood_stop)
        env.local.flood_start(env.peer_v4)
        try:
            # The watchdog waits for 5 s, and looks every 5 s.
            wait_for(lambda before=before: timeouts(env) > before, "a transmit timeout")
        except Failure:
            count = sent(env)
            time.sleep(1)
            if sent(env) != count:
                raise Skip("pause frames do not hold this transmitter back") from None
            raise
        env.peer.repeat_stop()
        env.local.flood_stop()
        # The driver may reset all of the device: the link may have been lost.
        env.wait_link()
        env.ping(size=1400)
        env.tcp(True)
        env.tcp(False)
    check(env.local.carrier(), "no carrier after recovery")


if __name__ == "__main__":
    main(case("recovers_twice", recovers, 2))
