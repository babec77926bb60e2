#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The link: carrier, settings, the PHY and its driver, autonegotiation."""

import fcntl
import os
import re
import socket
import struct

from lib import Skip, check, check_equal, main, wait_for

SPEED_MODES = {100: "100baseT/Full", 10: "10baseT/Full"}


def settings(env, end=None):
    """What 'ethtool IF' shows: key -> list of words."""
    end = end or env.local
    ifname = env.ifname if end is env.local else env.peer_ifname
    result, key = {}, None
    for line in end.run("ethtool", ifname).splitlines()[1:]:
        field = re.match(r"\s+([A-Z][^:]*):\s*(.*)", line)
        if field:
            key = field.group(1)
            result[key] = field.group(2).split()
        elif key:
            result[key] += line.split()
    return result


def speed(end):
    try:
        return int(end.sys("speed"))
    except OSError:
        return -1


def carrier(env):
    check(env.local.carrier(), f"{env.ifname} has no carrier")
    check_equal(env.local.sys("operstate"), "up", "operstate")
    check_equal(settings(env)["Link detected"], ["yes"], "ethtool's 'Link detected'")


def carrier_down(env):
    """No carrier while the interface is down; it returns with it."""
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    check(not env.local.carrier(), "a carrier although the interface is down")
    env.bring_up()
    env.ping()


def speed_and_duplex(env):
    shown = settings(env)
    rate = speed(env.local)
    check(rate > 0, f"speed is {rate} although the link is up")
    check_equal(shown["Speed"], [f"{rate}Mb/s"], "ethtool's speed, compared with sysfs")
    check_equal(shown["Duplex"], ["Full"], "duplex")
    check_equal(speed(env.peer), rate, "the peer's speed, compared with ours")


def modes(env):
    """What is advertised is supported, and the speed in use is among it."""
    shown = settings(env)
    supported = {mode for mode in shown.get("Supported link modes", []) if "base" in mode}
    advertised = {mode for mode in shown.get("Advertised link modes", []) if "base" in mode}
    if not supported:
        raise Skip(f"{env.ifname} lists no link modes")
    check(advertised <= supported, f"advertised but not supported: {sorted(advertised - supported)}")
    check(any(mode.startswith(f"{speed(env.local)}base") for mode in advertised),
          f"the speed {speed(env.local)} is not among the advertised modes {sorted(advertised)}")


def phy_driver(env):
    phy = f"/sys/class/net/{env.ifname}/phydev"
    if not os.path.exists(phy):
        env.lacks(f"{env.ifname} has no PHY attached")
    driver = os.path.basename(os.path.realpath(f"{phy}/driver"))
    check("driver" != driver and "generic" not in driver.lower(),
          f"the PHY {env.local.read(phy + '/phy_id')} is bound to '{driver}', not to its own driver")


def driver_info(env):
    env.need_pci()
    info = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                for line in env.local.run("ethtool", "-i", env.ifname).splitlines())
    check(info["driver"], "ethtool -i names no driver")
    check_equal(info["bus-info"], env.pci, "ethtool's bus-info")


def permanent_address(env):
    shown = env.local.run("ethtool", "-P", env.ifname).split()[-1]
    if shown == "set" or shown == "00:00:00:00:00:00":
        env.lacks("no permanent address")
    first = int(shown.split(":")[0], 16)
    check(not first & 1, f"the permanent address {shown} is a multicast address")


def advertise(env):
    """Fewer modes advertised: both ends agree on the best one left."""
    shown = settings(env)
    if shown.get("Supports auto-negotiation") != ["Yes"]:
        raise Skip(f"{env.ifname} does not negotiate")
    before = [mode for mode in shown["Advertised link modes"] if "base" in mode]
    usable = [rate for rate in SPEED_MODES if SPEED_MODES[rate] in before and rate != speed(env.local)]
    if not usable:
        raise Skip(f"nothing slower to advertise than {speed(env.local)} Mb/s")

    def back():
        env.local.run("ethtool", "-s", env.ifname, "autoneg", "on", "advertise", *sum(([m, "on"] for m in before), []))
        env.wait_link()
    original = speed(env.local)
    env.defer(wait_for, lambda: speed(env.local) == original, f"the return to {original} Mb/s")
    env.defer(back)
    for rate in usable:
        others = [mode for mode in before if mode != SPEED_MODES[rate]]
        env.local.run("ethtool", "-s", env.ifname, "advertise", SPEED_MODES[rate], "on",
                      *sum(([mode, "off"] for mode in others), []))
        wait_for(lambda rate=rate: speed(env.local) == rate, f"a link at {rate} Mb/s")
        env.wait_link()
        check_equal(speed(env.peer), rate, "the peer's speed, compared with ours")
        env.ping(size=1400)


def restart(env):
    """ethtool -r: the link comes back as it was."""
    rate = speed(env.local)
    status, _, err = env.local.command(["ethtool", "-r", env.ifname])
    if status:
        env.lacks(f"ethtool -r: {err.strip()}")
    # The loss is noticed by polling, if there is one at all.
    env.wait_moved()
    wait_for(lambda: speed(env.local) == rate, f"a link at {rate} Mb/s")
    env.wait_link()
    env.ping()


SIOCGMIIPHY, SIOCGMIIREG, SIOCSMIIREG = 0x8947, 0x8948, 0x8949
PHYSID1, PHYSID2, ADVERTISE = 2, 3, 4


def mii(env, command, phy=0, register=0, value=0):
    """A MII ioctl: (PHY, value read)."""
    request = struct.pack("16s4H16x", env.ifname.encode(), phy, register, value, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, command, request)
    _, phy, _, _, value = struct.unpack("16s4H16x", answer)
    return phy, value


def mii_ioctl(env):
    """What mii-tool and its like use: the PHY's address, reading and writing a register."""
    path = f"/sys/class/net/{env.ifname}/phydev/phy_id"
    if not os.path.exists(path):
        raise Skip(f"{env.ifname} has no PHY attached")
    try:
        phy, _ = mii(env, SIOCGMIIPHY, register=PHYSID1)
        ident = mii(env, SIOCGMIIREG, phy, PHYSID1)[1] << 16 | mii(env, SIOCGMIIREG, phy, PHYSID2)[1]
    except OSError as err:
        env.lacks(f"MII ioctl: {err}")
    check_equal(ident, int(env.local.read(path), 16), "the PHY's identifier")
    value = mii(env, SIOCGMIIREG, phy, ADVERTISE)[1]
    env.defer(mii, env, SIOCSMIIREG, phy, ADVERTISE, value)
    mii(env, SIOCSMIIREG, phy, ADVERTISE, value ^ 1 << 10)
    check_equal(mii(env, SIOCGMIIREG, phy, ADVERTISE)[1], value ^ 1 << 10, "what was written to ADVERTISE")
    # Refused or not, without harm.
    for bad in ((SIOCGMIIREG, phy, 32), (SIOCGMIIREG, 32, 0), (SIOCGMIIREG, 0x7fff, 0)):
        try:
            mii(env, *bad)
        except OSError:
            pass
    env.ping()


def mii_ioctl_down(env):
    """Refused, or answered, while the interface is down; harmless either way."""
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    try:
        mii(env, SIOCGMIIPHY)
    except OSError:
        pass


if __name__ == "__main__":
    main(carrier, carrier_down, speed_and_duplex, modes, phy_driver, driver_info, permanent_address, advertise, restart,
         mii_ioctl, mii_ioctl_down)
