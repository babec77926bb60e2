#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Flow control: what ethtool -A sets is read back, advertised, and negotiated."""

import itertools
import json

from lib import Skip, check_equal, main, wait_for
from link import settings


def pause(env, end=None):
    end = end or env.local
    ifname = env.ifname if end is env.local else env.peer_ifname
    status, out, err = end.command(["ethtool", "--json", "-a", ifname])
    if status:
        env.lacks(f"ethtool -a: {err.strip()}")
    return json.loads(out)[0]


def word(on):
    return "on" if on else "off"


def set_pause(env, autoneg, rx, tx):
    env.local.run("ethtool", "-A", env.ifname, "autoneg", word(autoneg), "rx", word(rx), "tx", word(tx))


def keep(env):
    """Remembers the settings for the end of the case."""
    old = pause(env)

    def back():
        if {k: pause(env)[k] for k in ("autonegotiate", "rx", "tx")} != {k: old[k] for k in ("autonegotiate", "rx", "tx")}:
            set_pause(env, old["autonegotiate"], old["rx"], old["tx"])
        env.wait_steady()
    env.defer(back)


def get(env):
    state = pause(env)
    for key in ("autonegotiate", "rx", "tx"):
        check_equal(state.get(key) in (True, False), True, f"ethtool -a shows {key}")


EXPECTED = {(True, True): "Symmetric", (False, False): "No", (True, False): "Symmetric Receive-only",
            (False, True): "Transmit-only"}


def negotiated(env):
    """With autonegotiation the setting is advertised; the peer sees it."""
    keep(env)
    # While there is no link, nobody has a partner.
    env.wait_steady()
    if "Link partner advertised pause frame use" not in settings(env, env.peer):
        raise Skip("the peer does not show what its partner advertised")
    for (rx, tx), expected in EXPECTED.items():
        set_pause(env, True, rx, tx)
        check_equal(" ".join(settings(env).get("Advertised pause frame use", [])), expected, "'Advertised pause frame use'")
        state = pause(env)
        check_equal((state["autonegotiate"], state["rx"], state["tx"]), (True, rx, tx), "ethtool -a")
        # Seen only after a new negotiation.
        def seen(expected=expected):
            return " ".join(settings(env, env.peer).get("Link partner advertised pause frame use", [])) == expected
        wait_for(seen, f"the peer's 'Link partner advertised pause frame use: {expected}'")
        env.wait_link()
    env.wait_steady()


def forced(env):
    """Without autonegotiation the settings hold as they are."""
    keep(env)
    for rx, tx in itertools.product((True, False), repeat=2):
        set_pause(env, False, rx, tx)
        state = pause(env)
        check_equal((state["autonegotiate"], state["rx"], state["tx"]), (False, rx, tx), "ethtool -a")
    env.wait_steady()


def kept(env):
    """A setting outlives down and up, and traffic runs with it."""
    keep(env)
    set_pause(env, False, True, False)
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    state = pause(env)
    check_equal((state["autonegotiate"], state["rx"], state["tx"]), (False, True, False), "ethtool -a after down and up")
    env.tcp(True)
    env.tcp(False)


if __name__ == "__main__":
    main(get, negotiated, forced, kept)
