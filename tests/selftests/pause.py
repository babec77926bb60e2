#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Flow control: what ethtool -A sets is read back, advertised, and negotiated."""

import itertools
import json

from counters import pause_frames
from hwfaults import await_counter, counters, fault, flows, moved, need_model
from lib import Skip, case, check, check_equal, main, noise, note, wait_for
from link import settings

# Many times what a receive FIFO holds, but no more than a ring.
FRAMES = 400


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


def congested(env, on):
    """A receiver that is not emptied pauses the peer; without pause frames most of what it sends is lost."""
    need_model(env)
    keep(env)
    set_pause(env, True, on, on)
    env.wait_steady()
    sink, source = env.local.raw_open(), env.peer.raw_open()
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, source)
    before, paused = counters(env), pause_frames(env)["tx_pause_frames"]

    def pauses():
        return pause_frames(env)["tx_pause_frames"] - paused
    fault(env, "rx-wedge", "until=clear")
    sending = env.peer.spawn("raw_send", source, [env.frame(False, noise(1500, n)) for n in range(FRAMES)])
    if on:
        wait_for(pauses, "a pause frame of a MAC whose FIFO fills")
    else:
        await_counter(env, before, r"^rx_fifo_overflows$")
    fault(env, "clear")
    sending()
    received = len(env.local.raw_recv(sink, FRAMES if on else None, timeout=1))
    lost = moved(before, counters(env), r"^rx_fifo_overflows$")
    if moved(before, counters(env), r"^rx_stalls$"):
        raise Skip("too slow a machine: the receive watchdog came first")
    note(f"{received} frames of {FRAMES} were received, {pauses()} pause frames sent, {lost}")
    if on:
        # A peer that is slow to obey, as an emulated one may be, sends some more.
        check(received > FRAMES // 2, f"{received} frames of {FRAMES} were received in spite of pause frames")
    else:
        check(received < FRAMES // 2, f"{received} frames of {FRAMES} were received by a FIFO that is not emptied")
        check_equal(pauses(), 0, "pause frames sent although they are off")
    flows(env)


if __name__ == "__main__":
    main(get, negotiated, forced, kept, case("congested_on", congested, True), case("congested_off", congested, False))
