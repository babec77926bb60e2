#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The MAC address: changed while up and while down, bad ones refused."""

from lib import check, check_equal, main, noise

NEW = "02:d0:12:34:56:78"
REFUSED = ("01:00:5e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")


def restore(env, mac):
    env.local.command(["ip", "link", "set", env.ifname, "address", mac])
    if env.local.sys("address") != mac:
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.local.run("ip", "link", "set", env.ifname, "address", mac)
    env.peer.run("ip", "neigh", "flush", "dev", env.peer_ifname)
    env.bring_up()


def arrives(env, macs):
    """Which of the addresses get a frame through from the peer."""
    env.settled()
    sink, source = env.local.raw_open(), env.peer.raw_open()
    try:
        end = b"end of the frames"
        env.peer.raw_send(source, [env.frame(False, noise(60, 2), dst=mac) for mac in macs]
                          + [env.frame(False, end + bytes(50), dst="ff:ff:ff:ff:ff:ff")])
        return [":".join(f"{b:02x}" for b in frame[:6]) for _, frame in env.local.raw_recv(sink, until=end)]
    finally:
        env.local.close(sink)
        env.peer.close(source)


def verify(env, mac, old):
    check_equal(env.local.sys("address"), mac, "the address after the change")
    if env.pci:
        check_equal(arrives(env, [mac, old]), [mac], "addresses that frames arrive for")
    env.peer.run("ip", "neigh", "flush", "dev", env.peer_ifname)
    env.wait_ping()
    env.ping()
    neighbours = env.peer.run("ip", "neigh", "show", env.v4, "dev", env.peer_ifname)
    check(mac in neighbours, f"the peer knows {env.v4} as: {neighbours.strip()}")


def while_up(env):
    env.defer(restore, env, env.mac)
    status, _, err = env.local.command(["ip", "link", "set", env.ifname, "address", NEW])
    if status:
        env.lacks(f"no change of the address while up: {err.strip()}")
    verify(env, NEW, env.mac)


def while_down(env):
    env.defer(restore, env, env.mac)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.local.run("ip", "link", "set", env.ifname, "address", NEW)
    env.bring_up()
    verify(env, NEW, env.mac)


def survives(env):
    """A changed address outlives down and up."""
    env.defer(restore, env, env.mac)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.local.run("ip", "link", "set", env.ifname, "address", NEW)
    env.bring_up()
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    verify(env, NEW, env.mac)


def refused(env):
    env.defer(restore, env, env.mac)
    for mac in REFUSED:
        status, _, _ = env.local.command(["ip", "link", "set", env.ifname, "address", mac])
        check(status, f"the address {mac} was accepted")
        check_equal(env.local.sys("address"), env.mac, f"the address after {mac} was refused")
    env.ping()


if __name__ == "__main__":
    main(while_up, while_down, survives, refused)
