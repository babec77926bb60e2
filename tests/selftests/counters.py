#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The standard statistics of ethtool: what the MAC itself counts."""

import ctypes
import json
import mmap
import time

from lib import Skip, check, check_equal, mac_bytes, main, noise, wait_for
from stats import delta, quiet, send
from vlan import C_TAG, Vlan, tag

FRAMES = 100
FCS = 4
GROUPS = ("eth-mac", "eth-ctrl", "rmon")

# MMC_Control: clear a counter when it is read; preset all counters to almost half; those of octets to this.
MMC_CONTROL, CLEAR_BY_READING, PRESET, HALF = 0x700, 1 << 2, 1 << 4, (1 << 31) - 2048


def need_hardware(env):
    if not env.pci:
        raise Skip(f"{env.driver} has no MAC that counts")


def groups(env):
    need_hardware(env)
    status, out, err = env.local.command(["ethtool", "--json", "-S", env.ifname, "--groups", *GROUPS])
    if status:
        env.lacks(f"ethtool -S --groups: {err.strip()}")
    shown = json.loads(out)[0]
    for group in GROUPS:
        if not shown.get(group):
            env.lacks(f"ethtool -S --groups {group} shows nothing")
    return shown


def buckets(rmon):
    """{(way, low, high): frames}"""
    return {(way, item["low"], item["high"]): item["val"]
            for way in ("rx", "tx") for item in rmon.get(f"{way}-pktsNtoM", [])}


def settled(env, read):
    """What does not change any more: frames are counted when they have passed."""
    last = [None, None]
    while True:
        last = [last[-1], read()]
        if last[0] == last[1]:
            return last[0]
        time.sleep(0.05)


def frames(env):
    """Good frames and their octets, FCS included, one way after the other."""
    need_hardware(env)
    quiet(env)
    for to_peer, word in ((True, "Transmitted"), (False, "Received")):
        before = settled(env, lambda: groups(env)["eth-mac"])
        send(env, to_peer, [200] * FRAMES)
        after = settled(env, lambda: groups(env)["eth-mac"])
        check_equal(delta(before, after), {f"Frames{word}OK": FRAMES, f"Octets{word}OK": FRAMES * (200 + FCS)}, "what changed")


def kinds(env):
    """Multicast and broadcast frames."""
    need_hardware(env)
    quiet(env)
    group = "03:d0:00:00:00:03"
    source, sink = env.peer.raw_open(), env.local.raw_open()
    env.defer(env.peer.close, source)
    env.defer(env.local.close, sink)
    env.local.raw_member(sink, "multicast", group)
    env.settled()
    for end, handle, to_peer, key in ((env.peer, source, False, "ReceivedOK"), (env.local, sink, True, "XmittedOK")):
        before = settled(env, lambda: groups(env)["eth-mac"])
        end.raw_send(handle, [env.frame(to_peer, noise(100, 1), dst=group)] * 20)
        end.raw_send(handle, [env.frame(to_peer, noise(100, 1), dst="ff:ff:ff:ff:ff:ff")] * 30)

        def counted(before=before, key=key):
            change = delta(before, groups(env)["eth-mac"])
            return (change.get(f"MulticastFrames{key}"), change.get(f"BroadcastFrames{key}")) == (20, 30)
        wait_for(counted, f"counting 20 multicast and 30 broadcast frames as {key}", timeout=5)


def sizes(env):
    """One bucket after the other of the sizes of frames."""
    need_hardware(env)
    quiet(env)
    shown = buckets(groups(env)["rmon"])
    if not shown:
        env.lacks("no frame sizes are told apart")
    for (way, low, high), _ in shown.items():
        size = min(max(low, 64), 1518)
        check(low <= size <= high, f"a bucket from {low} to {high}")
        before = settled(env, lambda: buckets(groups(env)["rmon"]))
        send(env, way == "tx", [size - FCS] * FRAMES)
        after = settled(env, lambda: buckets(groups(env)["rmon"]))
        check_equal(delta(before, after), {(way, low, high): FRAMES}, f"what {FRAMES} frames of {size} bytes changed")


def tagged_and_long(env):
    """Frames with a tag and frames beyond the standard's maximum, which is 4 bytes more with a tag, whoever inserts it: each is
    counted as what it is, and as nothing else."""
    need_hardware(env)
    groups(env)
    env.set_mtu(2000)
    # A VLAN that comes up says nothing of itself.
    for end, _ in env.ends():
        path = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
        env.defer(end.write, path, end.run("cat", path).strip())
        end.write(path, 1)
    vlan = Vlan(env, 180, both=True)
    quiet(env)

    def shown():
        """All that the MAC counts of frames, but for what kind of address they have."""
        counted = {name: value for name, value in env.statistics().items() if name.startswith("mac_") and "_lpi_" not in name}
        return counted | {f"rmon_{name}": value for name, value in groups(env)["rmon"].items() if isinstance(value, int)}

    def exchanged(to_peer, size, tagged, inline=False):
        """`size` is that on the wire, FCS included."""
        tx, rx = (env.local, env.peer) if to_peer else (env.peer, env.local)
        source = tx.raw_open(ifname=vlan.name if tagged and not inline else None)
        sink = rx.raw_open(ifname=vlan.name if tagged else None)
        try:
            frame = env.frame(to_peer, noise(size - FCS - 14 - (4 if tagged else 0), size))
            if inline:
                frame = frame[:12] + tag(C_TAG, int(vlan.name[1:])) + frame[12:]
            for _ in range(5):
                tx.raw_send(source, [frame] * (FRAMES // 5))
                check_equal(len(rx.raw_recv(sink, FRAMES // 5)), FRAMES // 5, "frames delivered")
        finally:
            tx.close(source)
            rx.close(sink)
    before = settled(env, shown)
    for to_peer, way in ((True, "tx"), (False, "rx")):
        for size, tagged, inline in ((1518, False, False), (1519, False, False), (2018, False, False),
                                     (1522, True, False), (1523, True, False), (2022, True, True)):
            expected = {f"mac_{way}_frames": FRAMES, f"mac_{way}_octets": FRAMES * size}
            if tagged:
                expected[f"mac_{way}_vlan"] = FRAMES
            if size > (1522 if tagged else 1518):
                expected["mac_tx_oversize" if to_peer else "rmon_etherStatsOversizePkts"] = FRAMES
            exchanged(to_peer, size, tagged, inline)
            after = settled(env, shown)
            check_equal(delta(before, after), expected, f"what {FRAMES} {'tagged ' if tagged else ''}frames of {size} bytes changed")
            before = after


def pause_frames(env):
    """{rx_pause_frames, tx_pause_frames}"""
    status, out, err = env.local.command(["ethtool", "-I", "--json", "-a", env.ifname])
    if status:
        env.lacks(f"ethtool -I -a: {err.strip()}")
    shown = json.loads(out)[0].get("statistics", {})
    if "rx_pause_frames" not in shown or "tx_pause_frames" not in shown:
        env.lacks("ethtool -I -a shows no statistics")
    return shown


def pause(env):
    """Pause frames from the peer are counted as such, also as MAC control frames."""
    need_hardware(env)
    before, control = pause_frames(env), groups(env)["eth-ctrl"]
    source = env.peer.raw_open()
    env.defer(env.peer.close, source)
    frame = mac_bytes("01:80:c2:00:00:01") + mac_bytes(env.peer_mac) + bytes.fromhex("880800010000") + bytes(42)
    env.peer.raw_send(source, [frame] * 10)
    wait_for(lambda: pause_frames(env)["rx_pause_frames"] - before["rx_pause_frames"] == 10, "counting 10 pause frames", timeout=5)
    wait_for(lambda: groups(env)["eth-ctrl"]["MACControlFramesReceived"] - control["MACControlFramesReceived"] == 10,
             "counting 10 MAC control frames", timeout=5)
    check_equal(pause_frames(env)["tx_pause_frames"], before["tx_pause_frames"], "pause frames sent")


def kept(env):
    """Nothing is lost over down and up, new rings and a reset of the core."""
    need_hardware(env)
    # Undone last: addresses come back when IPv6 may speak again.
    env.defer(env.bring_up)
    quiet(env)
    send(env, True, [300] * FRAMES)
    for how in ("down", "up", "rings"):
        before = groups(env)["eth-mac"]
        if how == "down":
            env.local.run("ip", "link", "set", env.ifname, "down")
        elif how == "up":
            env.local.run("ip", "link", "set", env.ifname, "up")
            env.wait_link()
        else:
            env.local.command(["ethtool", "-G", env.ifname, "rx", "128"])
            env.defer(env.local.command, ["ethtool", "-G", env.ifname, "rx", "512"])
            env.wait_link()
        after = groups(env)["eth-mac"]
        back = {key: (before[key], after[key]) for key in before if after[key] < before[key]}
        check_equal(back, {}, f"counters that fell after {how}")


def octets(env):
    """What has been sent, as the MAC counts it."""
    return groups(env)["eth-mac"]["OctetsTransmittedOK"]


def half_full(env):
    """Returns a function that sets the hardware's counters to almost half of their range and sends what takes octets over it.
    What was there before is lost, unless the interrupt after the last time has collected it."""
    need_hardware(env)
    if env.driver != "rust_stmmac":
        raise Skip("pokes registers that only rust_stmmac leaves like this")
    path = f"/sys/bus/pci/devices/{env.pci}/resource0"
    with open(path, "r+b") as file:
        try:
            registers = mmap.mmap(file.fileno(), 0x1000)
        except OSError as err:
            raise Skip(f"{path}: {err}") from None
    control = ctypes.c_uint32.from_buffer(registers, MMC_CONTROL)

    def exceed():
        control.value = CLEAR_BY_READING | PRESET
        env.settled()
        env.udp([1000] * 8)
        time.sleep(0.2)
    return exceed


def wide(env):
    """Counts go beyond 32 bits, also when nobody looks: the interrupt at half of the hardware's range collects them."""
    exceed, before = half_full(env), octets(env)
    for _ in range(3):
        exceed()
    grown = octets(env) - before
    check(3 * HALF <= grown < 3 * HALF + (1 << 20), f"three times almost half of 32 bits are {grown}")


if __name__ == "__main__":
    main(frames, kinds, sizes, tagged_and_long, pause, kept, wide)
