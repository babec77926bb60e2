#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""VLAN tags: inserted, removed, filtered, by hardware or not; nobody above or on the wire can tell."""

import json
import struct

from lib import Skip, case, check, check_equal, main, noise, wait_for
from rings import undisturbed
from split import set_split, state as split_state

C_TAG, S_TAG = 0x8100, 0x88A8
PROTOCOL = {C_TAG: "802.1Q", S_TAG: "802.1ad"}
INSERT = {C_TAG: "tx-vlan-offload", S_TAG: "tx-vlan-stag-hw-insert"}
STRIP = {C_TAG: "rx-vlan-offload", S_TAG: "rx-vlan-stag-hw-parse"}
FILTER = {C_TAG: "rx-vlan-filter", S_TAG: "rx-vlan-stag-filter"}
WORD = {True: "on", False: "off"}
# The other one for local experiments: what tests send is not taken for it.
ETH_P_PROBE = 0x88B6
END = b"the last frame of this test, long enough to need no padding"


class Vlan:
    """A VLAN device at one end or both, named t<vid>, gone after the case. Over an interface that is down it
    comes up with that."""

    def __init__(self, env, vid, tpid=C_TAG, both=False, over=None):
        self.env, self.name = env, f"t{vid}"
        self.v4, self.peer_v4 = f"198.51.100.{vid % 250}", f"198.51.101.{vid % 250}"
        ends = [(env.local, env.ifname, self.v4, self.peer_v4)]
        if both:
            ends.append((env.peer, env.peer_ifname, self.peer_v4, self.v4))
        for end, ifname, here, there in ends:
            end.run("ip", "link", "add", "link", over or ifname, "name", self.name, "type", "vlan",
                    "protocol", PROTOCOL[tpid], "id", vid)
            env.defer(end.command, ["ip", "link", "del", self.name])
            end.run("ip", "addr", "add", f"{here}/32", "peer", f"{there}/32", "dev", self.name)
            if "UP" in end.link()["flags"]:
                end.run("ip", "link", "set", self.name, "up")
                # What is sent before the stack has noticed that is lost. Without carrier nothing starts.
                wait_for(lambda end=end: not end.carrier() or '"operstate":"UP"' in end.run("ip", "-j", "link", "show", "dev", self.name),
                         f"the start of {self.name}")

    def ping(self, size=56):
        argv = ["ping", "-n", "-c", "1", "-W", "10", "-s", str(size), "-I", self.name, "-M", "do", self.peer_v4]
        status, out, err = self.env.local.command(argv)
        check(status == 0 and "wrong data" not in out and " 1 received" in out,
              f"'{' '.join(argv)}' failed: {(err.strip() or out.strip())[-300:]}")

    def tcp(self, to_peer, size=1 << 20, seed=1):
        env = self.env
        tx, rx = (env.local, env.peer) if to_peer else (env.peer, env.local)
        here, there = (self.v4, self.peer_v4) if to_peer else (self.peer_v4, self.v4)
        listener, port = rx.tcp_listen(there)
        try:
            received = rx.spawn("tcp_receive", listener)
            sent = tx.spawn("tcp_send", here, there, port, seed, size)
            sent, received = sent(), received()
        finally:
            rx.close(listener)
        check_equal(received, sent, "bytes and SHA-256 received")


def tag(tpid, tci):
    return struct.pack("!HH", tpid, tci)


def counter(env, name):
    return env.statistics().get(name)


def choose_insert(env, tpid, on):
    """Hardware inserts tags of that type, or software does; a device may be
    able to insert one type at a time only."""
    if tpid == S_TAG:
        try:
            env.feature(INSERT[C_TAG], False)
        except Skip:
            pass
    env.feature(INSERT[tpid], on)


def choose_receive(env, tpid, strip=None, filtering=None):
    """Hardware removes such tags and filters by them, or does not; a device may
    be able to do so for one type at a time only."""
    if tpid == S_TAG and (strip or filtering):
        env.need_pci()
        for name in (STRIP[C_TAG], FILTER[C_TAG]):
            env.feature(name, False)
    if filtering is not None:
        env.feature(FILTER[tpid], filtering)
    if strip is not None:
        env.feature(STRIP[tpid], strip)


def everything(env, end):
    """That end receives the frames of every VLAN until the case is over: what was written to a device has reached it when a frame
    to somebody else gets through."""
    to_peer = end is env.peer
    tx = env.local if to_peer else env.peer
    handle, source = end.raw_open(ETH_P_PROBE), tx.raw_open(ETH_P_PROBE)
    env.defer(end.close, handle)
    end.raw_member(handle, "promisc")
    probe = env.frame(to_peer, bytes(46), dst="02:d0:00:00:00:fe", ethertype=ETH_P_PROBE)

    def heard():
        tx.raw_send(source, [probe])
        return probe in [data for _, data in end.raw_recv(handle, 1, timeout=0.2)]
    try:
        wait_for(heard, "the arrival of a frame to somebody else")
    finally:
        tx.close(source)


def frames_of(sizes, seed):
    return [noise(size, seed + size) for size in sizes]


def insert(env, tpid, on):
    """What goes out of a VLAN device has its tag on the wire, once."""
    choose_insert(env, tpid, on)
    before = counter(env, "tx_vlan_frames")
    vlan = Vlan(env, 100, tpid)
    everything(env, env.peer)
    env.local.run("ip", "link", "set", vlan.name, "type", "vlan", "egress-qos-map", "0:5")
    tap = env.peer.tap_open()
    env.defer(env.peer.close, tap)
    out = env.local.raw_open(ifname=vlan.name)
    env.defer(env.local.close, out)
    payloads = frames_of((46, 47, 50, 100, 500, 1000, 1499, 1500), 1)
    env.local.raw_send(out, [env.frame(True, payload) for payload in [*payloads, END]])
    got = env.peer.tap_recv(tap, END)
    check_equal([(hex(first), hex(tci)) for first, tci, _ in got], len(payloads) * [(hex(tpid), hex(5 << 13 | 100))], "tags")
    check([data for _, _, data in got] == [env.frame(True, payload) for payload in payloads], "the frames arrived changed")
    if before is not None:
        inserted = counter(env, "tx_vlan_frames") - before
        check(inserted >= len(payloads) if on else inserted == 0, f"tx_vlan_frames rose by {inserted}")


def mixed(env):
    """Tagged frames of several VLANs and untagged ones: each gets its own tag."""
    choose_insert(env, C_TAG, True)
    vlans = [Vlan(env, vid) for vid in (101, 102, 103)]
    everything(env, env.peer)
    tap = env.peer.tap_open()
    env.defer(env.peer.close, tap)
    outs = [(0, env.local.raw_open())] + [(int(vlan.name[1:]), env.local.raw_open(ifname=vlan.name)) for vlan in vlans]
    for _, out in outs:
        env.defer(env.local.close, out)
    sent = []
    for turn in range(40):
        vid, out = outs[turn * 7 % 4]
        payload = struct.pack("!HH", vid, turn) + noise(60, turn)
        env.local.raw_send(out, [env.frame(True, payload)])
        sent.append((vid, turn))
    env.local.raw_send(outs[0][1], [env.frame(True, END)])
    got = env.peer.tap_recv(tap, END)
    for first, tci, data in got:
        vid = struct.unpack("!H", data[14:16])[0]
        check_equal((first, tci), (C_TAG, vid) if vid else (0, 0), f"the tag of a frame of VLAN {vid}")
    check_equal(sorted(struct.unpack("!HH", data[14:18]) for _, _, data in got), sorted(sent), "frames")


def strip(env, tpid, on, removes=None):
    """The stack sees the tag of what comes in, of whatever kind, and the frame without it."""
    removes = removes or tpid
    choose_receive(env, removes, strip=on)
    if not on:
        env.feature(STRIP[C_TAG], False)
    everything(env, env.local)
    before = counter(env, "rx_vlan_frames")
    tap = env.local.tap_open()
    env.defer(env.local.close, tap)
    out = env.peer.raw_open()
    env.defer(env.peer.close, out)
    tcis = [0, 1, 100, 4094, 0xE064, 0x1001, 0xFFFE]
    # A packet socket allows room for a C-tag beyond the MTU, but not for an S-tag.
    most = 1500 if tpid == C_TAG else 1496
    payloads = frames_of((46, 60, 100, 500, 1000, most - 1, most), 2)

    def framed(tagged, payload):
        plain = env.frame(False, payload)
        return plain[:12] + tagged + plain[12:]
    env.peer.raw_send(out, [framed(tag(tpid, tci), payload) for tci, payload in zip(tcis, payloads)]
                      + [env.frame(False, END)])
    got = env.local.tap_recv(tap, END)
    # Priorities may lead to different queues, so the order is not what was sent.
    check_equal(sorted((hex(first), hex(tci)) for first, tci, _ in got), sorted((hex(tpid), hex(tci)) for tci in tcis), "tags")
    sent = dict(zip(tcis, payloads))
    check(all(data.startswith(env.frame(False, sent[tci])) for _, tci, data in got), "the frames arrived changed")
    if before is not None:
        removed = counter(env, "rx_vlan_frames") - before
        check(removed >= len(payloads) if on and tpid == removes else removed == 0, f"rx_vlan_frames rose by {removed}")


def two_tags(env, outer, inner, removes=C_TAG):
    """Two tags in a row keep their order and their kind, in both directions."""
    choose_receive(env, removes, strip=True)
    everything(env, env.local)
    everything(env, env.peer)
    tagged = tag(outer, 0x2064), tag(inner, 0x30C8)
    for to_peer in (True, False):
        tx, rx = (env.local, env.peer) if to_peer else (env.peer, env.local)
        tap = rx.tap_open()
        env.defer(rx.close, tap)
        out = tx.raw_open()
        env.defer(tx.close, out)
        plain = env.frame(to_peer, noise(200, 3))
        tx.raw_send(out, [plain[:12] + tagged[0] + tagged[1] + plain[12:], env.frame(to_peer, END)])
        got = rx.tap_recv(tap, END)
        check_equal(len(got), 1, "frames")
        check_equal(tuple(got[0][:2]), (outer, 0x2064), "the outer tag")
        check(got[0][2] == plain[:12] + tagged[1] + plain[12:], "what is behind the outer tag arrived changed")


def traffic(env, tpid, on):
    """Streams within a VLAN, with all other offloads, and the largest frames."""
    choose_insert(env, tpid, on)
    choose_receive(env, tpid, strip=on)
    vlan = Vlan(env, 110, tpid, both=True)
    wait_for(lambda: not env.local.command(["ping", "-c1", "-W1", "-I", vlan.name, vlan.peer_v4])[0], "an answer in the VLAN")
    for size in (0, 1, 18, 1000, 1472):
        vlan.ping(size)
    vlan.tcp(True)
    vlan.tcp(False)


def stacked(env):
    """A VLAN in a service VLAN: no engine takes part, all is right, also what is as large as it may be."""
    outer = Vlan(env, 120, S_TAG, both=True)
    inner = Vlan(env, 121, C_TAG, both=True, over=outer.name)
    wait_for(lambda: not env.local.command(["ping", "-c1", "-W1", "-I", inner.name, inner.peer_v4])[0], "an answer in the inner VLAN")
    inner.ping(1472)
    inner.tcp(True)
    inner.tcp(False)


def arrivals(env, vids, tpid=C_TAG):
    """Which VLANs' frames get through; None stands for untagged ones."""
    tap = env.local.tap_open()
    out = env.peer.raw_open()
    try:
        frames = []
        for vid in vids:
            plain = env.frame(False, struct.pack("!H", vid or 0) + noise(60, 4))
            frames.append(plain if vid is None else plain[:12] + tag(tpid, vid) + plain[12:])
        env.peer.raw_send(out, [*frames, env.frame(False, END)])
        got = env.local.tap_recv(tap, END)
        return {tci & 0xFFF if first else None for first, tci, _ in got}
    finally:
        env.peer.close(out)
        env.local.close(tap)


OTHERS = list(range(2000, 2032))


def judge_filter(env, wanted, tpid=C_TAG):
    """What is wanted arrives, little else does: a filter may be a hash."""
    got = arrivals(env, [None, *wanted, *OTHERS], tpid)
    check_equal(sorted(set(wanted) - got), [], "VLANs that are set up and whose frames were lost")
    check(None in got, "an untagged frame was lost")
    leaked = set(OTHERS) & got
    check(len(leaked) <= len(OTHERS) * 3 // 4, f"frames of {len(leaked)} of {len(OTHERS)} VLANs that nobody set up arrived")


def need_filter(env, tpid=C_TAG):
    choose_receive(env, tpid, filtering=True)


def filter_few(env, tpid=C_TAG):
    need_filter(env, tpid)
    Vlan(env, 130, tpid)
    judge_filter(env, [130], tpid)
    Vlan(env, 131, tpid)
    judge_filter(env, [130, 131], tpid)


def hash_bit(vid):
    """That of a VLAN in the hash filter: the upper bits of the CRC-32 over the 12 bits, inverted and turned round."""
    crc = 0xFFFFFFFF
    for bit in range(12):
        crc = crc >> 1 ^ (0xEDB88320 if (crc ^ vid >> bit) & 1 else 0)
    return int(f"{~crc & 0xFFFFFFFF:032b}"[::-1], 2) >> 28


def filter_many(env, tpid=C_TAG):
    """More VLANs than any device has exact filters for: the others that pass are those that the hash cannot tell from them."""
    need_filter(env, tpid)
    # 0 may be a member without being asked for.
    bits = {hash_bit(0), *[bit for bit in range(16) if bit != hash_bit(0)][:5]}
    vids = [vid for vid in range(200, 1200) if hash_bit(vid) in bits][:40]
    strangers = [vid for vid in range(2000, 2400) if hash_bit(vid) not in bits][:64]
    for vid in vids:
        Vlan(env, vid, tpid)
    got = arrivals(env, [None, *vids, *strangers], tpid)
    check_equal(sorted(set(vids) - got), [], "VLANs that are set up and whose frames were lost")
    check(None in got, "an untagged frame was lost")
    check_equal(sorted(set(strangers) & got), [], "VLANs that nobody set up and no hash confounds, and whose frames arrived")


def filter_removed(env):
    """A VLAN that is gone no longer passes; one that stays does."""
    need_filter(env)
    Vlan(env, 140)
    for vid in (141, *OTHERS):
        env.local.run("ip", "link", "add", "link", env.ifname, "name", f"t{vid}", "type", "vlan", "id", vid)
        env.local.run("ip", "link", "del", f"t{vid}")
    judge_filter(env, [140])


def filter_off(env):
    env.feature(FILTER[C_TAG], False)
    Vlan(env, 150)
    got = arrivals(env, [None, 150, *OTHERS])
    check_equal(got, {None, 150, *OTHERS}, "VLANs whose frames arrived without a filter")


def filter_promiscuous(env):
    """Who asks for everything gets every VLAN's frames."""
    need_filter(env)
    Vlan(env, 155)
    handle = env.local.raw_open()
    env.defer(env.local.close, handle)
    env.local.raw_member(handle, "promisc")
    wait_for(lambda: arrivals(env, [None, 155, *OTHERS]) == {None, 155, *OTHERS}, "the arrival of all VLANs' frames", timeout=5)
    env.local.raw_member(handle, "promisc", leave=True)
    wait_for(lambda: len(arrivals(env, OTHERS)) <= len(OTHERS) * 3 // 4, "the end of the promiscuous mode", timeout=5)


def filter_service(env):
    """The filter for customer tags leaves service tags alone."""
    need_filter(env)
    Vlan(env, 156)
    got = arrivals(env, OTHERS, S_TAG)
    check_equal(got, set(OTHERS), "service VLANs whose frames arrived")


def service_strip(env):
    """What the filter for service tags lets pass is removed; customer tags pass, and stay."""
    choose_receive(env, S_TAG, strip=True, filtering=True)
    Vlan(env, 158, S_TAG)
    judge_filter(env, [158], S_TAG)
    got = arrivals(env, OTHERS)
    check_equal(got, set(OTHERS), "customer VLANs whose frames arrived")
    before = counter(env, "rx_vlan_frames")
    arrivals(env, [158] * 10, S_TAG)
    arrivals(env, [158] * 10, C_TAG)
    check_equal(counter(env, "rx_vlan_frames") - before, 10, "tags removed")


def switched(env):
    """From one type of tags to the other and back, in one step each: every
    tagged frame keeps its type."""
    choose_receive(env, S_TAG, strip=True)
    everything(env, env.local)
    tap, out = env.local.tap_open(), env.peer.raw_open()
    env.defer(env.local.close, tap)
    env.defer(env.peer.close, out)
    plain = env.frame(False, noise(60, 5))
    burst = [plain[:12] + tag(tpid, tpid & 0xFFF) + plain[12:] for tpid in (C_TAG, S_TAG)] * 8
    right = {(tpid, tpid & 0xFFF) for tpid in (C_TAG, S_TAG)}
    for turn in range(6):
        to, other = (C_TAG, S_TAG) if turn % 2 == 0 else (S_TAG, C_TAG)
        # What is on its way meanwhile may be lost.
        sent = env.peer.spawn("raw_send", out, burst * 20)
        env.local.run("ethtool", "-K", env.ifname, STRIP[other], "off", STRIP[to], "on")
        sent()
        env.peer.raw_send(out, [*burst, env.frame(False, END)])
        got = env.local.tap_recv(tap, END)
        check_equal([(hex(first), hex(tci)) for first, tci, _ in got if (first, tci) not in right], [], "tags of a wrong type, or lost")
        check(len(got) >= len(burst), f"{len(got)} frames arrived, at least {len(burst)} should have")


def filter_switched(env):
    """The filter for customer tags comes on, and with it goes the other one and
    what it let pass; without the stack saying so."""
    need_filter(env, S_TAG)
    Vlan(env, 159, S_TAG)
    judge_filter(env, [159], S_TAG)
    env.local.run("ethtool", "-K", env.ifname, FILTER[C_TAG], "on")
    env.local.run("ip", "link", "del", "t159")
    env.local.run("ethtool", "-K", env.ifname, FILTER[C_TAG], "off", FILTER[S_TAG], "on")
    Vlan(env, 161, S_TAG)
    # Few enough for exact filters.
    judge_filter(env, [161], S_TAG)
    check(159 not in arrivals(env, [159], S_TAG), "a frame of a VLAN that is gone arrived")


def filter_priority(env):
    """Frames with a priority and no VLAN are those of the interface itself."""
    for tpid in (C_TAG, S_TAG):
        need_filter(env, tpid)
        Vlan(env, 162, tpid)
        check_equal(arrivals(env, [0, 162], tpid), {0, 162}, f"VLANs whose frames arrived with {PROTOCOL[tpid]} tags")
        env.local.run("ip", "link", "del", "t162")


def kept(env, what, tpid=C_TAG):
    """The filter and the handling of tags outlive a reset of the device."""
    choose_receive(env, tpid, strip=True, filtering=True)
    vlan = Vlan(env, 160, tpid, both=True)
    if what == "down":
        env.local.run("ip", "link", "set", env.ifname, "down")
        env.configure(env.local, env.ifname)
        env.local.run("ip", "link", "set", vlan.name, "up")
    elif what == "mtu":
        env.local.run("ip", "link", "set", env.ifname, "mtu", 1400)
        env.defer(env.restore_mtu, env.local, env.ifname, 1500)
    else:
        old = env.local.run("ethtool", "-g", env.ifname).split("Current hardware settings:")[1]
        size = int(old.split("RX:")[1].split()[0])
        env.defer(env.local.run, "ethtool", "-G", env.ifname, "rx", size)
        env.local.run("ethtool", "-G", env.ifname, "rx", 256 if size != 256 else 512)
    env.wait_link()
    wait_for(lambda: not env.local.command(["ping", "-c1", "-W1", "-I", vlan.name, vlan.peer_v4])[0], "an answer in the VLAN")
    judge_filter(env, [160], tpid)


def toggle(env):
    """Offloads change under traffic: nothing is lost, the link stays."""
    vlan = Vlan(env, 170, both=True)
    wait_for(lambda: not env.local.command(["ping", "-c1", "-W1", "-I", vlan.name, vlan.peer_v4])[0], "an answer in the VLAN")
    for name in (INSERT[C_TAG], STRIP[C_TAG], FILTER[C_TAG]):
        try:
            env.feature(name, True)
        except Skip:
            continue
    changes = int(env.local.sys("carrier_changes"))
    streams = []
    for rx, tx, here, there in ((env.peer, env.local, vlan.v4, vlan.peer_v4), (env.local, env.peer, vlan.peer_v4, vlan.v4)):
        listener, port = rx.tcp_listen(there)
        env.defer(rx.close, listener)
        streams.append((rx.spawn("tcp_receive", listener), tx.spawn("tcp_send", here, there, port, 6, 4 << 20)))
    for turn in range(8):
        for name in (INSERT[C_TAG], STRIP[C_TAG], FILTER[C_TAG]):
            env.local.command(["ethtool", "-K", env.ifname, name, WORD[bool(turn % 2)]])
    for received, sent in streams:
        sent, received = sent(), received()
        check_equal(received, sent, "bytes and SHA-256 received")
    check_equal(int(env.local.sys("carrier_changes")), changes, "carrier changes")


def undisturbed_by(env, to_peer):
    """What is done about tags, and sums, is switched without a loss or new rings in a direction that it does not concern, or in
    either where it is a matter of the MAC alone."""
    env.need_pci()
    features = json.loads(env.local.run("ethtool", "--json", "-k", env.ifname))[0]
    # Received tags of another type make new receive rings.
    names = [INSERT[C_TAG], INSERT[S_TAG], STRIP[C_TAG], FILTER[C_TAG], FILTER[S_TAG], *([STRIP[S_TAG]] if to_peer else [])]
    names = [name for name in names if not features[name]["fixed"]]
    check(names, "no feature to switch")
    names.append("rx-checksumming")
    env.defer(env.local.run, "ethtool", "-K", env.ifname, *(word for name in names for word in (name, WORD[features[name]["active"]])))

    def operation(name, on):
        return lambda: env.local.run("ethtool", "-K", env.ifname, name, WORD[on])
    # Of those that exclude each other, the one for customer tags would not let the other one be switched on.
    operations = [operation(name, on) for name in sorted(names, key=lambda name: "stag" in name) for on in (True, False)]
    # Both at a time where sums are needed for headers to be split, which is switched for both directions.
    if split_state(env) == "on":
        set_split(env, "off")
    # Known in the beginning and the end, whatever comes between.
    vlan = Vlan(env, 171, both=True)
    with env.same_link():
        undisturbed(env, to_peer, operations)
        env.wait_link()
    wait_for(lambda: not env.local.command(["ping", "-c1", "-W1", "-I", vlan.name, vlan.peer_v4])[0], "an answer in the VLAN")


KIND = {C_TAG: "c", S_TAG: "s"}

if __name__ == "__main__":
    main(*(case(f"insert_{KIND[tpid]}_{WORD[on]}", insert, tpid, on) for tpid in (C_TAG, S_TAG) for on in (True, False)),
         mixed,
         *(case(f"strip_{KIND[tpid]}_{WORD[on]}", strip, tpid, on) for tpid in (C_TAG, S_TAG) for on in (True, False)),
         case("strip_c_off_s", strip, C_TAG, True, S_TAG),
         case("strip_s_off_c", strip, S_TAG, True, C_TAG),
         *(case(f"two_tags_{KIND[outer]}{KIND[inner]}", two_tags, outer, inner)
           for outer, inner in ((S_TAG, C_TAG), (C_TAG, C_TAG), (C_TAG, S_TAG))),
         case("two_tags_strip_s", two_tags, S_TAG, C_TAG, S_TAG),
         *(case(f"traffic_{KIND[tpid]}_{WORD[on]}", traffic, tpid, on) for tpid in (C_TAG, S_TAG) for on in (True, False)),
         stacked, filter_few, filter_many, filter_removed, filter_off, filter_promiscuous, filter_service,
         case("filter_few_s", filter_few, S_TAG), case("filter_many_s", filter_many, S_TAG), service_strip, switched,
         filter_switched, filter_priority,
         *(case(f"kept_{what}", kept, what) for what in ("down", "mtu", "rings")),
         case("kept_down_s", kept, "down", S_TAG), case("kept_rings_s", kept, "rings", S_TAG),
         toggle, case("undisturbed_tx", undisturbed_by, True), case("undisturbed_rx", undisturbed_by, False))
