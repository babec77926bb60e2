#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The register dump of ethtool -d."""

import re
import struct
import subprocess

from lib import Skip, check, check_equal, main
from rings import number, query

# GMAC4: version, address slot 0, and a channel's registers.
VERSION, ADDRESS_HIGH, ADDRESS_LOW = 0x110, 0x300, 0x304
CHANNELS, STRIDE, RX_CONTROL, TX_LENGTH, RX_LENGTH = 0x1100, 0x80, 0x08, 0x2c, 0x30


def dump(env):
    if not env.pci:
        raise Skip(f"{env.driver} has no registers")
    done = subprocess.run(["ethtool", "-d", env.ifname, "raw", "on"], capture_output=True, check=False, timeout=60)
    if done.returncode:
        env.lacks(f"ethtool -d: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def image(env):
    """The dump as a function of the offset, where that is its layout."""
    data = dump(env)
    if env.driver != "rust_stmmac":
        raise Skip("the layout is that of another driver")
    return lambda offset: struct.unpack_from("<I", data, offset)[0]


def present(env):
    data = dump(env)
    check(len(data) >= 1024, f"ethtool -d shows {len(data)} bytes")
    check(any(data), "ethtool -d shows nothing but zeros")


def identity(env):
    """Version and address are where they belong."""
    register = image(env)
    shown = re.search(r"firmware-version: .* (\d)\.(\d)0", env.local.run("ethtool", "-i", env.ifname))
    check(shown, "ethtool -i shows no version of the core")
    check_equal(register(VERSION) & 0xff, int(shown[1]) << 4 | int(shown[2]), "the version register")
    address = struct.pack("<IH", register(ADDRESS_LOW), register(ADDRESS_HIGH) & 0xffff)
    check_equal(address.hex(":"), env.mac, "address slot 0")


def channels(env):
    """Every channel in use shows the length of its rings and that it is on."""
    ring, shown = query(env, "-g"), query(env, "-l")
    register = image(env)
    for way, count, length in (("tx", number(shown["tx"]), TX_LENGTH), ("rx", number(shown["rx"]), RX_LENGTH)):
        for channel in range(count):
            base = CHANNELS + STRIDE * channel
            check_equal(register(base + length) & 0x3ff, ring[way] - 1, f"{way} ring length of channel {channel}")
            check(register(base + (RX_CONTROL if way == "rx" else 0x04)) & 1, f"the {way} side of channel {channel} is off")


def harmless(env):
    """Reading has no effect: traffic goes on, and no counter is lost."""
    def mark():
        stats = env.local.link()["stats64"]
        return stats["rx"]["errors"], stats["tx"]["errors"]
    dump(env)
    before = mark()
    env.flood()
    for _ in range(20):
        dump(env)
    check_equal(mark(), before, "errors")
    env.ping()


def down(env):
    """Also while the interface is down."""
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    dump(env)


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


if __name__ == "__main__":
    main(present, identity, channels, harmless, down, capabilities)
