#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Energy Efficient Ethernet: negotiated, used when idle, and in nobody's way."""

import re
import time

from lib import Skip, check, main, wait_for
from suspend import sleep

ENTRIES = re.compile(r"^ +(?:mac_tx_lpi_entries|mmc_tx_lpi_tran\w*): (\d+)$", re.M)


def eee(env, end=None):
    """What 'ethtool --show-eee' shows: key -> value."""
    end = end or env.local
    status, out, err = end.command(["ethtool", "--show-eee", env.ifname if end is env.local else env.peer_ifname])
    if status:
        env.absent(f"no EEE: {err.strip()}")
    shown = dict(line.strip().partition(":")[::2] for line in out.splitlines()[1:])
    return {key: value.strip() for key, value in shown.items()}


def set_eee(env, *words):
    """Undone after the case; both ends negotiate anew."""
    old = eee(env)
    timer = re.match(r"(\d+)", old["Tx LPI"].partition("disabled")[0].strip() or "0")

    def back():
        env.local.run("ethtool", "--set-eee", env.ifname, "eee", "off" if "disabled" in old["EEE status"] else "on",
                      "tx-lpi", "off" if "disabled" in old["Tx LPI"] else "on",
                      *(["tx-timer", timer[1]] if timer and int(timer[1]) else []))
        env.wait_steady()
    if not env.deferred:
        env.defer(back)
    env.local.run("ethtool", "--set-eee", env.ifname, *words)
    env.wait_steady()


def show(env):
    shown = eee(env)
    check(shown.get("Supported EEE link modes"), f"no supported EEE link modes: {shown}")


def negotiated(env):
    """Active with both ends on; not with ours off."""
    if "disabled" in eee(env, env.peer)["EEE status"]:
        raise Skip("the peer has EEE off")
    set_eee(env, "eee", "on", "tx-lpi", "on")
    wait_for(lambda: "enabled - active" in eee(env)["EEE status"], f"EEE to be active: {eee(env)}")
    set_eee(env, "eee", "off")
    check("disabled" in eee(env)["EEE status"], f"EEE is off, but: {eee(env)}")
    check("active" not in eee(env, env.peer)["EEE status"].replace("inactive", ""), "the peer's EEE is active without us")
    env.ping()


def timer(env):
    """The idle time is kept over down and up."""
    set_eee(env, "eee", "on", "tx-lpi", "on", "tx-timer", "5000")
    check(eee(env)["Tx LPI"].startswith("5000"), f"Tx LPI: {eee(env)['Tx LPI']}")
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    check(eee(env)["Tx LPI"].startswith("5000"), f"Tx LPI after down and up: {eee(env)['Tx LPI']}")


def entries(env):
    found = ENTRIES.search(env.local.run("ethtool", "-S", env.ifname))
    if not found:
        env.absent("no counter of low-power idle")
    return int(found[1])


def rest(env, after=""):
    """A transmitter that is used now and then sleeps in between."""
    if "enabled - active" not in eee(env)["EEE status"]:
        # What was active once must be again.
        check(not after, f"EEE is not active{after}: {eee(env)}")
        env.absent("EEE is not active on this link")
    before = entries(env)
    for _ in range(20):
        time.sleep(0.1)
        env.ping()
    wait_for(lambda: entries(env) > before, f"low-power idle{after}")


def entered(env):
    """An idle transmitter enters low-power idle; one that is used does not lose a frame."""
    set_eee(env, "eee", "on", "tx-lpi", "on", "tx-timer", "1000")
    rest(env)
    env.tcp(True)
    env.tcp(False)
    env.udp([1000] * 100)


def ring_change(env):
    """It goes on after new rings."""
    set_eee(env, "eee", "on", "tx-lpi", "on", "tx-timer", "1000")
    rest(env)
    old = re.search(r"Current hardware settings:.*?RX:\s+(\d+)", env.local.run("ethtool", "-g", env.ifname), re.S)[1]
    env.defer(env.local.command, ["ethtool", "-G", env.ifname, "rx", old])
    for size in ("128", "256"):
        env.local.run("ethtool", "-G", env.ifname, "rx", size)
        env.wait_steady()
        rest(env, f" after rings of {size}")


def core_reset(env):
    """It goes on after a reset of the core: down and up, and a sleep of the system."""
    set_eee(env, "eee", "on", "tx-lpi", "on", "tx-timer", "1000")
    rest(env)
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    env.wait_steady()
    rest(env, " after down and up")
    sleep(env)
    env.wait_steady()
    rest(env, " after a sleep")


if __name__ == "__main__":
    main(show, negotiated, timer, entered, ring_change, core_reset)
