#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The interface down and up again, 50 times, while traffic wants to run."""

from lib import main

TIMES = 50


def updown_50(env):
    env.defer(env.bring_up)
    env.flood()
    for number in range(1, TIMES + 1):
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.local.run("ip", "link", "set", env.ifname, "up")
        if number % 10 == 0:
            # Waits for an answer; amid the noise a ping may be lost.
            env.bring_up()
    env.bring_up()


def carrier_each(env):
    """With the link awaited each time."""
    env.defer(env.bring_up)
    for _ in range(3):
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.bring_up()
        env.ping(size=1400)
    env.tcp(True)
    env.tcp(False)


def peer(env):
    """The other end goes down and up: ours carries on."""
    env.defer(env.bring_up)
    for _ in range(3):
        env.peer.run("ip", "link", "set", env.peer_ifname, "down")
        env.bring_up()
        env.ping()


if __name__ == "__main__":
    main(updown_50, carrier_each, peer)
