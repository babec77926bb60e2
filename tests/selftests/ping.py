#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Echo requests of many sizes, IPv4 and IPv6, whole and in fragments."""

from lib import case, main

# Headers of IP and ICMP, which ping's size does not count.
OVERHEAD = {False: 28, True: 48}


def ping(env, mtu, v6):
    env.set_mtu(mtu)
    largest = mtu - OVERHEAD[v6]
    addr = env.peer_v6 if v6 else env.peer_v4
    for size in (0, 17, 18, 56, 1024, largest - 1, largest):
        env.ping(addr, size)


def fragments(env, mtu, v6):
    env.set_mtu(mtu)
    addr = env.peer_v6 if v6 else env.peer_v4
    for size in (mtu, 3 * mtu, 65000):
        env.ping(addr, size, dont_fragment=False)


if __name__ == "__main__":
    main(case("v4_mtu1500", ping, 1500, False),
         case("v6_mtu1500", ping, 1500, True),
         case("v4_mtu9000", ping, 9000, False),
         case("v6_mtu9000", ping, 9000, True),
         case("v4_fragments", fragments, 1500, False),
         case("v6_fragments", fragments, 1500, True),
         case("v4_fragments_mtu9000", fragments, 9000, False))
