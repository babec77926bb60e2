#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Header splitting: headers and payload arrive in buffers of their own, and nothing else changes."""

import re

from lib import Skip, check, check_equal, main, noise

# What the drivers call their counter of split frames.
COUNTER = re.compile(r"^rx_split_(headers|hdr_pkt_n)$")


def absent(env, text):
    """Intel's functions do not split, by design."""
    if env.pci and env.local.read(f"/sys/bus/pci/devices/{env.pci}/vendor") != "0x16c3":
        raise Skip(text)
    env.absent(text)


def split_frames(env):
    """How many frames were split so far."""
    found = [value for name, value in env.statistics().items() if COUNTER.match(name)]
    if not found:
        env.absent(f"{env.driver} does not count frames that were split")
    return found[0]


def state(env):
    """What ethtool shows: on, off, or None where it says nothing."""
    found = re.search(r"Current hardware settings:.*?TCP data split:\s+(on|off)", env.local.run("ethtool", "-g", env.ifname), re.S)
    return found and found[1]


def need_split(env):
    """Splitting on, for a device that can; off again after the case if it was."""
    if state(env) is None:
        before = split_frames(env)
        env.tcp(False)
        if split_frames(env) == before:
            absent(env, f"{env.ifname} does not split headers")
    elif state(env) == "off":
        set_split(env, "on")


def set_split(env, word):
    if state(env) is None:
        absent(env, "the driver does not let headers be split or not (tcp-data-split)")
    env.defer(env.wait_link)
    env.defer(env.local.run, "ethtool", "-G", env.ifname, "tcp-data-split", state(env))
    with env.same_link():
        env.local.run("ethtool", "-G", env.ifname, "tcp-data-split", word)
        check_equal(state(env), word, "tcp-data-split")
        env.wait_link()


def content(env):
    """Streams and datagrams of all sizes, IPv4 and IPv6, and what has no such headers."""
    need_split(env)
    before = split_frames(env)
    for v6 in (False, True):
        env.tcp(False, v6=v6)
        env.udp([1, 2, 17, 18, 19, 100, 255, 256, 257, 1000, 1450, 1452], False, v6=v6)
    check(split_frames(env) > before + 500, f"only {split_frames(env) - before} frames were split")
    before = split_frames(env)
    sink, source = env.local.raw_open(), env.peer.raw_open()
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, source)
    sent = [env.frame(False, noise(size, size)) for size in (46, 47, 100, 1000, 1499, 1500)]
    env.peer.raw_send(source, sent)
    got = [data for _, data in env.local.raw_recv(sink, len(sent))]
    check_equal(sorted(got), sorted(sent), "frames without headers of layers 3 and 4")
    if state(env) is None:
        return  # a driver that does not say what it splits, such as all frames behind the Ethernet header
    check(split_frames(env) < before + 5, "frames without headers of layers 3 and 4 were split")


def jumbo(env):
    """Payload that spans descriptors."""
    need_split(env)
    env.set_mtu(9000)
    before = split_frames(env)
    env.tcp(False)
    env.udp([1472, 4000, 8000, 8971, 8972], False)
    env.ping(size=8972)
    check(split_frames(env) > before + 50, f"only {split_frames(env) - before} frames were split")


def fragments(env):
    """Of what IP has cut, each part is split behind the IP header, or not at all."""
    need_split(env)
    for size in (1500, 4000, 20000):
        env.ping(size=size, dont_fragment=False)


def off(env):
    """Off by ethtool -G, and with the checksum engine, which is what finds headers; on again with either."""
    need_split(env)
    set_split(env, "off")
    before = split_frames(env)
    env.tcp(False)
    check_equal(split_frames(env), before, "frames that were split with tcp-data-split off")
    env.local.run("ethtool", "-G", env.ifname, "tcp-data-split", "on")
    env.wait_link()
    env.tcp(False)
    check(split_frames(env) > before, "no frame was split after tcp-data-split on")
    env.feature("rx-checksumming", False)
    check_equal(state(env), "off", "tcp-data-split without the checksum engine")
    before = split_frames(env)
    env.tcp(False)
    check_equal(split_frames(env), before, "frames that were split without the checksum engine")
    env.local.run("ethtool", "-K", env.ifname, "rx", "on")
    check_equal(state(env), "on", "tcp-data-split with the checksum engine on again")
    env.tcp(False)
    check(split_frames(env) > before, "no frame was split with the checksum engine on again")


def toggled(env):
    """Switched under traffic."""
    need_split(env)
    env.flood()
    for word in ("off", "on") * 3:
        set_split(env, word)
    env.local.flood_stop()
    env.peer.flood_stop()
    content(env)


def kept(env):
    """Over new rings, down and up."""
    need_split(env)
    set_split(env, "off")
    rings = re.search(r"Current hardware settings:.*?RX:\s+(\d+)", env.local.run("ethtool", "-g", env.ifname), re.S)[1]
    env.defer(env.local.run, "ethtool", "-G", env.ifname, "rx", rings)
    env.local.run("ethtool", "-G", env.ifname, "rx", "128")
    check_equal(state(env), "off", "tcp-data-split after a change of the ring length")
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    check_equal(state(env), "off", "tcp-data-split after down and up")
    before = split_frames(env)
    env.tcp(False)
    check_equal(split_frames(env), before, "frames that were split")


def refused(env):
    """A device that does not split says so."""
    if state(env) is not None:
        raise Skip("this device can split")
    status, _, _ = env.local.command(["ethtool", "-G", env.ifname, "tcp-data-split", "on"])
    check(status, "tcp-data-split on was accepted by a device that shows no state of it")


if __name__ == "__main__":
    main(content, jumbo, fragments, off, toggled, kept, refused)
