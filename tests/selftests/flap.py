#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The link lost and found, 5 times: the carrier follows, traffic resumes.

On the model the wire itself is cut; elsewhere the peer's interface goes down,
which cuts the link if the hardware says so.
"""

from lib import Failure, Skip, main, wait_for

TIMES = 5


def cut(env):
    if env.model.have():
        env.model.ctl("link", "down", env.model.port)
    else:
        env.peer.run("ip", "link", "set", env.peer_ifname, "down")


def mend(env):
    if env.model.have():
        env.model.ctl("link", "up", env.model.port)
    else:
        env.configure(env.peer, env.peer_ifname)


def gone(env):
    """Waits for the carrier to go; a peer that keeps it cannot be used."""
    try:
        wait_for(lambda: not env.local.carrier(), "loss of the carrier")
    except Failure:
        if env.model.have():
            raise
        raise Skip("the link stays while the peer's interface is down, and there is no modelctl") from None


def traffic(env):
    env.defer(env.wait_link)
    env.defer(mend, env)
    env.flood()
    before = int(env.local.sys("carrier_changes"))
    for _ in range(TIMES):
        cut(env)
        gone(env)
        mend(env)
        env.wait_link()
    changes = int(env.local.sys("carrier_changes")) - before
    if changes != 2 * TIMES:
        raise Failure(f"{changes} changes of the carrier counted, expected {2 * TIMES}")


def stream(env):
    """A stream that is on its way while the link is lost still arrives whole."""
    env.defer(env.wait_link)
    env.defer(mend, env)
    listener, port = env.peer.tcp_listen(env.peer_v4)
    env.defer(env.peer.close, listener)
    received = env.peer.spawn("tcp_receive", listener)
    sent = env.local.spawn("tcp_send", env.v4, env.peer_v4, port, 9, 32 << 20)
    cut(env)
    gone(env)
    mend(env)
    sent, received = sent(), received()
    if sent != received:
        raise Failure(f"sent {sent}, received {received}")


if __name__ == "__main__":
    main(traffic, stream)
