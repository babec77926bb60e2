#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The register dump of ethtool -d."""

import re
import struct

from counters import groups, settled
from lib import Skip, check, check_equal, main
from rings import CHANNELS, STRIDE, number, query
from stats import quiet, send

# GMAC4: version, address slot 0, and a channel's registers.
VERSION, ADDRESS_HIGH, ADDRESS_LOW = 0x110, 0x300, 0x304
RX_CONTROL, TX_LENGTH, RX_LENGTH = 0x08, 0x2c, 0x30


def present(env):
    data = env.register_dump()
    check(len(data) >= 1024, f"ethtool -d shows {len(data)} bytes")
    check(any(data), "ethtool -d shows nothing but zeros")


def identity(env):
    """Version and address are where they belong."""
    register = env.registers()
    shown = re.search(r"firmware-version: .* (\d)\.(\d)0", env.local.run("ethtool", "-i", env.ifname))
    check(shown, "ethtool -i shows no version of the core")
    check_equal(register(VERSION) & 0xff, int(shown[1]) << 4 | int(shown[2]), "the version register")
    address = struct.pack("<IH", register(ADDRESS_LOW), register(ADDRESS_HIGH) & 0xffff)
    check_equal(address.hex(":"), env.mac, "address slot 0")


def channels(env):
    """Every channel in use shows the length of its rings and that it is on."""
    ring, shown = query(env, "-g"), query(env, "-l")
    register = env.registers()
    for way, count, length in (("tx", number(shown["tx"]), TX_LENGTH), ("rx", number(shown["rx"]), RX_LENGTH)):
        for channel in range(count):
            base = CHANNELS + STRIDE * channel
            check_equal(register(base + length) & 0x3ff, ring[way] - 1, f"{way} ring length of channel {channel}")
            check(register(base + (RX_CONTROL if way == "rx" else 0x04)) & 1, f"the {way} side of channel {channel} is off")


def harmless(env):
    """Reading has no effect: traffic goes on, and nothing that was counted is lost, by the MAC either, which forgets what is read."""
    def mark():
        stats = env.local.link()["stats64"]
        own = [stats[way][key] for way in ("rx", "tx") for key in ("packets", "bytes", "errors", "dropped")]
        found = env.statistics()
        if "mmc_tx_framecount_g" in found:
            return own + [found["mmc_tx_framecount_g"], found["mmc_rx_framecount_gb"]]
        mac = groups(env)["eth-mac"]
        return own + [mac[key] for key in ("FramesTransmittedOK", "FramesReceivedOK", "FrameCheckSequenceErrors")]
    quiet(env)
    before = settled(env, mark)
    for _ in range(10):
        for to_peer in (True, False):
            send(env, to_peer, [200] * 10)
            env.register_dump()
    after = settled(env, mark)
    expected = [100, 20000, 0, 0] * 2 + [100, 100, 0][:len(before) - 8]
    check_equal([new - old for new, old in zip(after, before)], expected,
                "packets, bytes, errors, dropped of both directions, and frames of the MAC")
    env.flood()
    for _ in range(20):
        env.register_dump()
    check_equal([mark()[place] for place in (2, 6)], [before[place] for place in (2, 6)], "errors")
    env.ping()


def down(env):
    """Also while the interface is down."""
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.register_dump()


def capabilities(env):
    """debugfs tells what the core can do, in accordance with what the driver offers."""
    if env.driver != "rust_stmmac":
        raise Skip("debugfs of another driver")
    path = f"/sys/kernel/debug/rust_stmmac-{env.pci}/capabilities"
    shown = dict(re.findall(r"^ +(\w+): (.+),$", env.local.read(path), re.M))
    most = query(env, "-l")
    for way in ("rx", "tx"):
        check(number(most[f"{way}-max"]) <= int(shown[f"{way}_queues"]), f"{way} queues: {shown[f'{way}_queues']}, ethtool -l: {most}")
    features = env.local.run("ethtool", "-k", env.ifname)
    offered = not re.search(r"^\s*tx-tcp-segmentation: off \[fixed\]", features, re.M)
    check_equal(shown["tso"], str(offered).lower(), "capability 'tso', as ethtool -k offers it")


def rings(env):
    """debugfs shows the rings in use, where driver and DMA are in them; a look at them costs nothing."""
    if env.driver != "rust_stmmac":
        raise Skip("debugfs of another driver")
    path = f"/sys/kernel/debug/rust_stmmac-{env.pci}/rings"

    def look():
        lines = re.findall(r"^(tx|rx) (\d+): length (\d+) head (\d+) tail (\d+)(?: dma (\d+))?$", env.local.read(path), re.M)
        return {(way, int(channel)): [int(number or 0) for number in numbers] for way, channel, *numbers in lines}
    ring, shown = query(env, "-g"), query(env, "-l")
    counts = {way: number(shown[way]) for way in ("rx", "tx")}
    before = look()
    check_equal(sorted(before), sorted((way, channel) for way in counts for channel in range(counts[way])), "rings")
    for (way, channel), (length, *places) in before.items():
        check_equal(length, ring[way], f"descriptors of {way} {channel}")
        check(max(places) < length, f"{way} {channel}: {places} of {length}")
    for _ in range(20):
        env.ping(size=1000)
        look()
    after = look()
    for way, count in counts.items():
        check(any(after[way, channel][3] != before[way, channel][3] for channel in range(count)),
              f"no {way} DMA has moved, although echoes went and came")
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.defer(env.bring_up)
    check_equal(look(), {}, "rings of an interface that is down")


if __name__ == "__main__":
    main(present, identity, channels, harmless, down, capabilities, rings)
