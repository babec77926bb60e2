#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Energy Efficient Ethernet: negotiated, used when idle, and in nobody's way."""

import re
import time

from lib import Skip, check, check_equal, main, wait_for

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


def entered(env):
    """An idle transmitter enters low-power idle; one that is used does not lose a frame."""
    def entries():
        found = ENTRIES.search(env.local.run("ethtool", "-S", env.ifname))
        if not found:
            env.absent("no counter of low-power idle")
        return int(found[1])
    set_eee(env, "eee", "on", "tx-lpi", "on", "tx-timer", "1000")
    if "enabled - active" not in eee(env)["EEE status"]:
        env.absent("EEE is not active on this link")
    before = entries()
    for _ in range(20):
        time.sleep(0.1)
        env.ping()
    wait_for(lambda: entries() > before, "low-power idle")
    env.tcp(True)
    env.tcp(False)
    env.udp([1000] * 100)


def ring_change(env):
    """It goes on after new rings, and after a reset of the core."""
    set_eee(env, "eee", "on", "tx-lpi", "on", "tx-timer", "1000")
    state = eee(env)["EEE status"]
    for size in (128, 512):
        env.local.command(["ethtool", "-G", env.ifname, "rx", str(size)])
        env.wait_steady()
    check_equal(eee(env)["EEE status"], state, "EEE status after new rings")


if __name__ == "__main__":
    main(show, negotiated, timer, entered, ring_change)
