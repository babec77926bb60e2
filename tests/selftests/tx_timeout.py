#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A transmitter that stalls: the watchdog notices, the driver recovers.

Needs a fault that only the model can make.
"""

import glob

from lib import Failure, Skip, case, check, main, wait_for


def timeouts(env):
    return sum(int(env.local.read(path)) for path in glob.glob(f"/sys/class/net/{env.ifname}/queues/tx-*/tx_timeout"))


def stall(env, on):
    env.model.ctl("fault", env.model.port, "tx-stall", "on" if on else "off")


def recovers(env, rounds):
    if not env.model.have():
        raise Skip("no modelctl: nothing here can stall the transmitter")
    try:
        stall(env, False)
    except Failure as err:
        raise Skip(f"the model cannot stall the transmitter ({err})") from None
    env.defer(env.wait_link)
    env.defer(stall, env, False)
    for _ in range(rounds):
        before = timeouts(env)
        stall(env, True)
        env.local.flood_start(env.peer_v4)
        env.defer(env.local.flood_stop)
        wait_for(lambda before=before: timeouts(env) > before, "a transmit timeout")
        stall(env, False)
        env.local.flood_stop()
        # The watchdog acts until the driver is through: the link may have been lost.
        env.wait_link()
        env.ping(size=1400)
        env.tcp(True)
        env.tcp(False)
    check(env.local.carrier(), "no carrier after recovery")


if __name__ == "__main__":
    main(case("recovers", recovers, 1), case("recovers_again", recovers, 2))
