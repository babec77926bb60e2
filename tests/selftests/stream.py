#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""TCP and UDP in both directions, the content compared."""

from lib import case, check_equal, main

MEGABYTE = 1 << 20


def tcp(env, to_peer, v6):
    env.tcp(to_peer, v6, 4 * MEGABYTE, seed=3)


def tcp_both_ways(env):
    there = env.local.tcp_listen(env.v4), env.peer.tcp_listen(env.peer_v4)
    try:
        results = []
        for rx, tx, (listener, port), here, addr in (
                (env.peer, env.local, there[1], env.v4, env.peer_v4),
                (env.local, env.peer, there[0], env.peer_v4, env.v4)):
            results.append((rx.spawn("tcp_receive", listener), tx.spawn("tcp_send", here, addr, port, 4, 4 * MEGABYTE)))
        for received, sent in results:
            sent, received = sent(), received()
            check_equal(sent[0], 4 * MEGABYTE, "bytes sent")
            check_equal(received, sent, "bytes and SHA-256 received")
    finally:
        env.local.close(there[0][0])
        env.peer.close(there[1][0])


def tcp_many(env):
    """Flows that spread over the queues."""
    listener, port = env.peer.tcp_listen(env.peer_v4)
    try:
        received = [env.peer.spawn("tcp_receive", listener) for _ in range(8)]
        sent = [env.local.spawn("tcp_send", env.v4, env.peer_v4, port, seed, 512 << 10) for seed in range(8)]
        sent = sorted(result() for result in sent)
        received = sorted(result() for result in received)
        check_equal(received, sent, "bytes and SHA-256 received")
    finally:
        env.peer.close(listener)


def tcp_jumbo(env, to_peer):
    env.set_mtu(9000)
    env.tcp(to_peer, size=4 * MEGABYTE, seed=5)


def udp(env, to_peer, v6):
    # One byte to the largest that fits, every size around the minimum frame,
    # and what the stack cuts into fragments.
    largest = 1500 - (48 if v6 else 28)
    env.udp([0, *range(1, 40), *range(500, 516), *range(largest - 20, largest + 1), 1473, 2000, 3000, 8000]
            + 50 * [largest], to_peer, v6)


def udp_jumbo(env, to_peer):
    env.set_mtu(9000)
    env.udp([1472, 1473, 2000, *range(4050, 4110), 8000, *range(8962, 8973)], to_peer)


if __name__ == "__main__":
    main(case("tcp_v4_tx", tcp, True, False),
         case("tcp_v4_rx", tcp, False, False),
         case("tcp_v6_tx", tcp, True, True),
         case("tcp_v6_rx", tcp, False, True),
         tcp_both_ways,
         tcp_many,
         case("tcp_jumbo_tx", tcp_jumbo, True),
         case("tcp_jumbo_rx", tcp_jumbo, False),
         case("udp_v4_tx", udp, True, False),
         case("udp_v4_rx", udp, False, False),
         case("udp_v6_tx", udp, True, True),
         case("udp_v6_rx", udp, False, True),
         case("udp_jumbo_tx", udp_jumbo, True),
         case("udp_jumbo_rx", udp_jumbo, False))
