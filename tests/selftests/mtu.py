#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The MTU: every kind of value, while up and while down, bad ones refused."""

import errno
import socket

from lib import Failure, case, check, check_equal, main
from rings import undisturbed

VALUES = (68, 576, 1280, 1501, 2000, 4000, 8000, 9000)
# IPv4 with ICMP or UDP.
HEADERS = 28
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2


def restore(env):
    env.restore_mtus([(end, ifname, 1500) for end, ifname in env.ends()])


def limits(env):
    link = env.local.link()
    return link["min_mtu"], link["max_mtu"]


def verify(env, mtu):
    check_equal(int(env.local.sys("mtu")), mtu, "the MTU after the change")
    env.wait_link()
    env.ping(size=mtu - HEADERS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        try:
            sock.sendto(bytes(mtu - HEADERS + 1), (env.peer_v4, 9))
        except OSError as err:
            check_equal(err.errno, errno.EMSGSIZE, "errno of a datagram beyond the MTU")
        else:
            raise Failure(f"a datagram of {mtu + 1} bytes went out with an MTU of {mtu}")


def while_up(env, values):
    env.set_mtu(9000)
    with env.same_link():
        for mtu in values:
            env.local.run("ip", "link", "set", env.ifname, "mtu", mtu)
            # Below 1280 the stack drops IPv6 and its addresses; IPv4 stays.
            verify(env, mtu)
    restore(env)
    env.ping(env.peer_v6, 1400)


def while_down(env):
    env.set_mtu(9000)
    for mtu in (9000, 68, 1500, 4000):
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.local.run("ip", "link", "set", env.ifname, "mtu", mtu)
        env.local.run("ip", "link", "set", env.ifname, "up")
        verify(env, mtu)
        # Stays over a further round.
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.local.run("ip", "link", "set", env.ifname, "up")
        verify(env, mtu)


def with_traffic(env):
    """Changes while frames of both directions are on their way."""
    env.set_mtu(9000)
    env.flood()
    with env.same_link():
        for mtu in (9000, 1500, 3000, 1500, 9000, 600):
            env.local.run("ip", "link", "set", env.ifname, "mtu", mtu)
        verify(env, 600)
    restore(env)
    env.tcp(True)
    env.tcp(False)


def sends_on(env):
    """New receive buffers do not concern what is sent."""
    env.defer(restore, env)

    def operation(mtu):
        return lambda: env.local.run("ip", "link", "set", env.ifname, "mtu", mtu)
    undisturbed(env, True, [operation(mtu) for mtu in (2000, 1500, 1000, 1500)])


def all_queues(env):
    """The largest MTU with as many queues as the driver chose."""
    if limits(env)[1] < 9000:
        env.lacks(f"the MTU of {env.ifname} ends at {limits(env)[1]}")
    env.all_queues()
    env.defer(restore, env)
    env.local.run("ip", "link", "set", env.ifname, "mtu", 9000)


def refused(env):
    """Beyond the limits: an error, the old value stays, traffic flows."""
    env.defer(restore, env)
    low, high = limits(env)
    check(low <= 68, f"the smallest MTU is {low}")
    bad = [value for value in (0, low - 1, high + 1, 65536, 1 << 20) if not low <= value <= high]
    for running in (True, False):
        for value in bad:
            status, _, _ = env.local.command(["ip", "link", "set", env.ifname, "mtu", str(value)])
            check(status, f"an MTU of {value} was accepted; the limits are {low} and {high}")
            check_equal(int(env.local.sys("mtu")), 1500, f"the MTU after {value} was refused")
        if running:
            env.ping(size=1472)
            env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    env.ping(size=1472)


if __name__ == "__main__":
    main(case("up_rising", while_up, VALUES),
         case("up_falling", while_up, (9000, 4096, 1500, 68)),
         while_down, with_traffic, sends_on, all_queues, refused)
