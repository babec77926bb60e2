#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Kernel messages over the network: they are sent, and their completions
polled, with interrupts off and from wherever a message is printed.

Needs a kernel with NETCONSOLE as a module.
"""

from lib import Skip, check_equal, main

MESSAGES = 200


def start(env):
    """Prints to the peer from now on: the handle of where it arrives."""
    # All that we print, not ten lines in five seconds.
    limit = "/proc/sys/kernel/printk_devkmsg"
    env.defer(env.local.write, limit, f"{env.local.read(limit)}\n")
    env.local.write(limit, "on\n")
    status, _, _ = env.local.command(["modprobe", "-n", "netconsole"])
    if status:
        raise Skip("the kernel has no module netconsole")
    sink, port = env.peer.udp_open(env.peer_v4)
    env.defer(env.peer.close, sink)
    env.defer(env.local.command, ["modprobe", "-r", "netconsole"])
    env.local.run("modprobe", "netconsole", f"netconsole=@{env.v4}/{env.ifname},{port}@{env.peer_v4}/{env.peer_mac}")
    return sink


def arrived(env, sink):
    """The numbers of our messages; those that are printed twice count once."""
    numbers = set()
    while True:
        news = env.peer.udp_recv(sink, 1, 3)
        if not news:
            return sorted(numbers)
        text = news[0].decode(errors="replace")
        if "netpoll test " in text:
            numbers.add(int(text.split("netpoll test ")[1].split()[0]))


def say(count):
    with open("/dev/kmsg", "w", encoding="ascii") as log:
        for number in range(count):
            # Shown by any console level, and no alarm.
            log.write(f"<2>netpoll test {number} \n")
            log.flush()


def messages(env):
    sink = start(env)
    say(MESSAGES)
    check_equal(arrived(env, sink), list(range(MESSAGES)), "messages that arrived")
    env.ping(size=1400)


def amid_traffic(env):
    """Some may be lost in the crowd; nothing else may."""
    sink = start(env)
    env.flood()
    say(MESSAGES)
    check_equal(len(arrived(env, sink)) > 0, True, "some messages arrived")
    env.undo()
    env.tcp(True)
    env.tcp(False)


def while_down(env):
    """The interface goes and comes back below the console."""
    start(env)
    env.defer(env.bring_up)
    for _ in range(3):
        env.local.run("ip", "link", "set", env.ifname, "down")
        say(MESSAGES // 10)
        env.local.run("ip", "link", "set", env.ifname, "up")
        say(MESSAGES // 10)
    env.bring_up()
    env.ping(size=1400)


if __name__ == "__main__":
    main(messages, amid_traffic, while_down)
