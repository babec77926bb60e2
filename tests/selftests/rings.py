#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Ring sizes, channels and interrupt coalescing through ethtool."""

import json
import time

from lib import Skip, case, check, check_equal, main, note


def query(env, option):
    status, out, err = env.local.command(["ethtool", "--json", option, env.ifname])
    if "JSON output not available" in err:
        return parse(env.local.run("ethtool", option, env.ifname))
    if status:
        env.lacks(f"ethtool {option}: {err.strip()}")
    return json.loads(out)[0]


def parse(text):
    """What an ethtool shows that has no JSON for it: maxima, then values."""
    result, suffix = {}, "-max"
    for line in text.splitlines():
        if line.startswith("Current"):
            suffix = ""
        key, _, value = line.partition(":")
        if value.strip().isdigit():
            result[key.strip().lower() + suffix] = int(value)
    return result


def need_hardware(env):
    if not env.pci:
        raise Skip(f"{env.driver} has neither rings nor interrupts")


def change(env, option, **values):
    """Sets values: the exit status, 0 also if nothing was to change."""
    words = [str(word) for pair in values.items() for word in pair]
    words = [word.replace("_", "-") for word in words]
    status, _, err = env.local.command(["ethtool", option, env.ifname, *words])
    if status and ("no ring parameters changed" in err or "unmodified" in err):
        return 0
    if status:
        note(f"ethtool {option} {' '.join(words)}: {err.strip()}")
    return status


def ring_sizes(env):
    need_hardware(env)
    ring = query(env, "-g")
    for way in ("rx", "tx"):
        check(0 < ring[way] <= ring[f"{way}-max"], f"{way} ring of {ring[way]} with a maximum of {ring[f'{way}-max']}")


def ring_change(env):
    """Smaller and larger rings under traffic; the link's traffic goes on."""
    need_hardware(env)
    old = query(env, "-g")
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(lambda: change(env, "-G", rx=old["rx"], tx=old["tx"]))
    for rx, tx in ((256, 128), (64, 1024), (1024, 64), (old["rx-max"], old["tx-max"])):
        if rx > old["rx-max"] or tx > old["tx-max"]:
            continue
        with env.same_link():
            check_equal(change(env, "-G", rx=rx, tx=tx), 0, f"status of ethtool -G rx {rx} tx {tx}")
            ring = query(env, "-g")
            check_equal((ring["rx"], ring["tx"]), (rx, tx), "ring sizes after ethtool -G")
            env.wait_link()
        env.tcp(True, size=256 << 10)
        env.tcp(False, size=256 << 10)


def ring_change_traffic(env):
    need_hardware(env)
    old = query(env, "-g")
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(lambda: change(env, "-G", rx=old["rx"], tx=old["tx"]))
    env.flood()
    with env.same_link():
        for rx, tx in ((128, 128), (512, 256), (64, 64), (old["rx"], old["tx"])):
            check_equal(change(env, "-G", rx=rx, tx=tx), 0, f"status of ethtool -G rx {rx} tx {tx}")
        env.wait_link()
    env.ping()


# GMAC4: registers of the first channel and from one to the next, where a ring starts.
CHANNELS, STRIDE = 0x1100, 0x80
RING_START = {"tx": 0x14, "rx": 0x1c}


def starts(env, way):
    """Where the rings in use are in memory, if that is to be seen."""
    if env.driver != "rust_stmmac":
        return None
    register = env.registers()
    return [register(CHANNELS + STRIDE * channel + RING_START[way]) for channel in range(number(query(env, "-l")[way]))]


def undisturbed(env, to_peer, operations):
    """Nothing is lost of what is sent in one direction all the time, and its rings
    stay, while operations change those of the other one."""
    tx, rx = (env.local, env.peer) if to_peer else (env.peer, env.local)
    here = env.peer_v4 if to_peer else env.v4
    env.settled()
    # Where floods go to.
    sink, _ = rx.udp_open(here, 9)
    env.defer(rx.close, sink)
    # So slowly that the ring holds what comes while its poll pauses.
    tx.flood_start(here, 100, 2)
    for operate in operations:
        # New rings are made before the old ones go: they cannot be where those are.
        before = starts(env, "tx" if to_peer else "rx")
        operate()
        check_equal(starts(env, "tx" if to_peer else "rx"), before, "where the other direction's rings are")
    sent = tx.flood_stop()
    check(sent, "nothing was sent meanwhile")
    check_equal(len(rx.udp_recv(sink, sent)), sent, f"datagrams {'to' if to_peer else 'from'} the peer")


def other_rings(env, to_peer):
    """Ring sizes and channels of the other direction."""
    need_hardware(env)
    ring, used = query(env, "-g"), query(env, "-l")
    way = "rx" if to_peer else "tx"
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(lambda: change(env, "-L", **{way: used[way]}))
    env.defer(lambda: change(env, "-G", **{way: ring[way]}))

    def operation(option, value):
        def operate():
            check_equal(change(env, option, **{way: value}), 0, f"status of ethtool {option} {way} {value}")
        return operate
    lengths = [operation("-G", length) for length in (64, 256, 128, ring[way])]
    counts = [operation("-L", count) for count in (1, used[way])] if used[way] > 1 else []
    undisturbed(env, to_peer, lengths + counts)
    env.tcp(True)
    env.tcp(False)


def hears_group(env, group):
    """Whether a frame to a group of ours arrives."""
    env.settled()
    source, sink = env.peer.raw_open(), env.local.raw_open()
    try:
        end = b"the last frame"
        env.peer.raw_send(source, [env.frame(False, bytes(60), dst=group), env.frame(False, end + bytes(50))])
        return len(env.local.raw_recv(sink, until=end)) == 1
    finally:
        env.peer.close(source)
        env.local.close(sink)


def filter_kept(env, option):
    """Joined groups are still heard after a new ring size or channel count."""
    need_hardware(env)
    group = "03:d0:00:00:00:02"
    sink = env.local.raw_open()
    env.defer(env.local.close, sink)
    env.local.raw_member(sink, "multicast", group)
    check(hears_group(env, group), "a frame to a joined group did not arrive")
    old = query(env, option)
    if option == "-g":
        old, new, option = {key: old[key] for key in ("rx", "tx")}, {"rx": 256, "tx": 256}, "-G"
    else:
        keys = [key for key in ("rx", "tx", "combined") if number(old.get(f"{key}-max")) > 1]
        if not keys:
            raise Skip("the device has one channel")
        old, new, option = {key: old[key] for key in keys}, {key: 1 for key in keys}, "-L"
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(lambda: change(env, option, **old))
    check_equal(change(env, option, **new), 0, f"status of ethtool {option} {new}")
    env.wait_link()
    check(hears_group(env, group), f"a frame to a joined group did not arrive after ethtool {option}")


def ring_refused(env):
    need_hardware(env)
    old = query(env, "-g")
    for values in ({"rx": 0}, {"tx": 0}, {"rx": old["rx-max"] + 1}, {"tx": 2 * old["tx-max"]}):
        check(change(env, "-G", **values), f"ethtool -G accepted {values}")
        check_equal({key: query(env, "-g")[key] for key in ("rx", "tx")}, {key: old[key] for key in ("rx", "tx")},
                    "ring sizes after a refusal")
    env.ping()


def reasons(env):
    """What is refused is refused with a reason that helps."""
    need_hardware(env)
    if env.driver != "rust_stmmac":
        raise Skip(f"{env.driver} gives no reasons")
    for option, words, reason in (("-G", ("tx", "1"), "rings have 64 to 1024 descriptors"),
                                  ("-C", ("tx-usecs", "0", "tx-frames", "0"), "tx-usecs 0 needs tx-frames 1"),
                                  ("-C", ("tx-usecs", "0", "tx-frames", "2"), "tx-usecs 0 needs tx-frames 1"),
                                  ("-C", ("rx-usecs", "0", "rx-frames", "2"), "rx-usecs 0 needs rx-frames 1"),
                                  ("-C", ("rx-usecs", "100000000"), "rx-usecs: at most 10000"),
                                  ("-C", ("rx-frames", "100000000"), "rx-frames: at most 256")):
        status, _, err = env.local.command(["ethtool", option, env.ifname, *words])
        check(status and reason in err, f"ethtool {option} {' '.join(words)} says {err.strip()!r}, not {reason!r}")


def number(value):
    return value if isinstance(value, int) else 0


def channels(env):
    need_hardware(env)
    shown = query(env, "-l")
    current = {key: number(shown.get(key)) for key in ("rx", "tx", "combined")}
    check(current["combined"] or (current["rx"] and current["tx"]), f"no channels: {shown}")
    for key in current:
        check(current[key] <= number(shown.get(f"{key}-max")), f"{current[key]} {key} channels, more than the maximum")
    queues = env.local.command(["ls", f"/sys/class/net/{env.ifname}/queues"])[1].split()
    for way in ("rx", "tx"):
        count = sum(1 for queue in queues if queue.startswith(f"{way}-"))
        check(count >= max(current[way], current["combined"]), f"{count} {way} queues in sysfs, {current} by ethtool")


def channels_change(env):
    """Fewer channels and back, with traffic each time."""
    need_hardware(env)
    old = query(env, "-l")
    keys = [key for key in ("rx", "tx", "combined") if number(old.get(f"{key}-max")) > 1]
    if not keys:
        raise Skip("the device has one channel")
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(lambda: change(env, "-L", **{key: old[key] for key in keys}))
    for values in ({key: 1 for key in keys}, {key: old[f"{key}-max"] for key in keys}):
        with env.same_link():
            check_equal(change(env, "-L", **values), 0, f"status of ethtool -L {values}")
            after = query(env, "-l")
            check_equal({key: after[key] for key in keys}, values, "channels after ethtool -L")
            env.wait_link()
        env.tcp(True, size=256 << 10)
        env.tcp(False, size=256 << 10)


def channels_refused(env):
    need_hardware(env)
    old = query(env, "-l")
    for key in ("rx", "tx", "combined"):
        if number(old.get(f"{key}-max")):
            check(change(env, "-L", **{key: old[f"{key}-max"] + 1}), f"ethtool -L accepted {old[f'{key}-max'] + 1} {key} channels")
    check_equal(query(env, "-l"), old, "channels after a refusal")
    env.ping()


COALESCE = ("rx-usecs", "rx-frames", "tx-usecs", "tx-frames")


def restore_coalesce(env):
    """All of it, after the case."""
    old = query(env, "-c")
    values = {key.replace("-", "_"): old[key] for key in COALESCE if isinstance(old.get(key), int)}
    env.defer(lambda: change(env, "-C", **values))
    return old


def check_coalesce(shown, what, **values):
    for key, value in values.items():
        got = shown[key.replace("_", "-")]
        # The receive timer counts in ticks of its clock: what it rounds to.
        unsure = value // 10 + 2 if key == "rx_usecs" and value else 0
        check(abs(got - value) <= unsure, f"{key} of {what} is {got} after setting {value}")


def coalesce(env):
    need_hardware(env)
    shown = query(env, "-c")
    check(any(number(shown.get(key)) for key in COALESCE), f"no coalescing at all: {shown}")


def coalesce_change(env):
    need_hardware(env)
    old = restore_coalesce(env)
    values = {key.replace("-", "_"): value for key, value in zip(COALESCE, (100, 8, 500, 10)) if isinstance(old.get(key), int)}
    if not values:
        raise Skip("nothing to set")
    check_equal(change(env, "-C", **values), 0, f"status of ethtool -C {values}")
    check_coalesce(query(env, "-c"), env.ifname, **values)
    env.tcp(True)
    env.tcp(False)


def coalesce_receive(env):
    """An interrupt for each frame received, for some of them, and after a time only: nothing is lost, nor left waiting."""
    need_hardware(env)
    old = restore_coalesce(env)
    if not isinstance(old.get("rx-frames"), int):
        raise Skip("no rx-frames")
    limits = [(100, 1), (200, 16), (200, 0)]
    # The C driver's timer cannot be off.
    if env.driver == "rust_stmmac":
        limits += [(0, 1), (0, 0)]
    for usecs, frames in limits:
        values = {"rx_usecs": usecs, "rx_frames": frames}
        check_equal(change(env, "-C", **values), 0, f"status of ethtool -C {values}")
        check_coalesce(query(env, "-c"), env.ifname, **values)
        env.tcp(False)
        # As many as an interrupt waits for, and fewer.
        for count in (64, 15, 1):
            env.udp([100] * count, False)
        env.ping()


def coalesce_kept(env):
    """A setting outlives down and up."""
    need_hardware(env)
    old = query(env, "-c")
    if not isinstance(old.get("tx-frames"), int):
        raise Skip("no tx-frames")
    env.defer(env.bring_up)
    env.defer(lambda: change(env, "-C", tx_usecs=old["tx-usecs"], tx_frames=old["tx-frames"]))
    check_equal(change(env, "-C", tx_usecs=500, tx_frames=10), 0, "status of ethtool -C tx-usecs 500 tx-frames 10")
    after = query(env, "-c")
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    check_equal(query(env, "-c"), after, "coalescing after down and up")


def queue_coalesce(env, queues):
    """{queue: settings}, of the queues given."""
    mask = hex(sum(1 << queue for queue in queues))
    status, out, err = env.local.command(["ethtool", "-Q", env.ifname, "queue_mask", mask, "--show-coalesce"])
    if status:
        env.lacks(f"ethtool -Q --show-coalesce: {err.strip()}")
    shown, queue = {}, None
    for line in out.splitlines():
        key, _, value = line.partition(":")
        if key == "Queue":
            queue = int(value)
            shown[queue] = {}
        elif queue is not None and value.strip().isdigit():
            shown[queue][key.strip()] = int(value)
    check_equal(sorted(shown), sorted(queues), "queues shown by ethtool -Q")
    return shown


def set_queue_coalesce(env, queue, **values):
    words = [str(word).replace("_", "-") for pair in values.items() for word in pair]
    return env.local.command(["ethtool", "-Q", env.ifname, "queue_mask", hex(1 << queue), "--coalesce", *words])[0]


def need_queues(env):
    need_hardware(env)
    shown = query(env, "-l")
    count = min(number(shown.get("rx")), number(shown.get("tx")))
    if count < 2:
        raise Skip("the device has one queue")
    return count


def coalesce_queues(env):
    """A queue's own setting, which leaves the others alone; one for all replaces it."""
    count = need_queues(env)
    restore_coalesce(env)
    before = queue_coalesce(env, range(count))
    settings = [{"rx_usecs": 200, "rx_frames": 5, "tx_usecs": 700, "tx_frames": 7}]
    # The C driver's timer cannot be off.
    if env.driver == "rust_stmmac":
        settings.append({"rx_usecs": 0, "rx_frames": 1, "tx_usecs": 0, "tx_frames": 1})
    for values in settings:
        check_equal(set_queue_coalesce(env, 1, **values), 0, "status of ethtool -Q --coalesce")
        after = queue_coalesce(env, range(count))
        check_coalesce(after[1], "queue 1", **values)
        check_equal({q: s for q, s in after.items() if q != 1}, {q: s for q, s in before.items() if q != 1}, "other queues")
        # ethtool -Q succeeds whatever the kernel says: what counts is what is set.
        set_queue_coalesce(env, 1, tx_frames=100000000)
        set_queue_coalesce(env, 1, rx_usecs=100000000)
        # Without a time limit the last frames would wait for ever.
        set_queue_coalesce(env, 1, rx_usecs=0, rx_frames=5)
        set_queue_coalesce(env, 1000, tx_frames=9)
        check_equal(queue_coalesce(env, range(count)), after, "queues after settings out of range")
        env.udp([100] * 64)
        env.tcp(True)
        env.tcp(False)
    values = {"rx_usecs": 150, "rx_frames": 4, "tx_usecs": 300, "tx_frames": 3}
    check_equal(change(env, "-C", **values), 0, "status of ethtool -C")
    for queue, shown in queue_coalesce(env, range(count)).items():
        check_coalesce(shown, f"queue {queue}", **values)


def coalesce_queues_kept(env):
    """A queue's own setting outlives down and up, and new rings."""
    count = need_queues(env)
    ring = query(env, "-g")
    env.defer(env.bring_up)
    env.defer(lambda: change(env, "-G", rx=ring["rx"]))
    restore_coalesce(env)
    values = {"rx_usecs": 200, "rx_frames": 5, "tx_usecs": 700, "tx_frames": 7}
    check_equal(set_queue_coalesce(env, 1, **values), 0, "status of ethtool -Q --coalesce")
    before = queue_coalesce(env, range(count))
    check_coalesce(before[1], "queue 1", **values)
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    check_equal(queue_coalesce(env, range(count)), before, "coalescing after down and up")
    check_equal(change(env, "-G", rx=256 if ring["rx"] != 256 else 128), 0, "status of ethtool -G")
    env.wait_link()
    check_equal(queue_coalesce(env, range(count)), before, "coalescing after ethtool -G")


def coalesce_extremes(env):
    """One interrupt a frame, and hardly any: all must still complete."""
    need_hardware(env)
    old = query(env, "-c")
    if not isinstance(old.get("tx-frames"), int):
        raise Skip("no tx-frames")
    env.defer(lambda: change(env, "-C", tx_usecs=old["tx-usecs"], tx_frames=old["tx-frames"]))
    for usecs, frames in ((0, 1), (10000, 200)):
        check_equal(change(env, "-C", tx_usecs=usecs, tx_frames=frames), 0,
                    f"status of ethtool -C tx-usecs {usecs} tx-frames {frames}")
        env.tcp(True)
        env.udp([100] * 64)
        env.ping()


def coalesce_off(env):
    """Without a receive delay a frame interrupts, although what the DMA was given before the change says nothing of that."""
    need_hardware(env)
    if env.driver != "rust_stmmac":
        raise Skip(f"{env.driver} does not count what its watchdog does")
    old = query(env, "-c")
    env.defer(lambda: change(env, "-C", rx_usecs=old["rx-usecs"], rx_frames=old["rx-frames"]))
    change(env, "-C", rx_usecs=64, rx_frames=0)
    env.udp([100] * 64, False)
    check_equal(change(env, "-C", rx_usecs=0), 0, "status of ethtool -C rx-usecs 0")
    before = env.statistics()["watchdog_polls"]
    for _ in range(10):
        env.peer.run("ping", "-n", "-c", "1", "-W", "10", env.v4)
        time.sleep(0.2)
    helped = env.statistics()["watchdog_polls"] - before
    check(helped < 3, f"the watchdog had to look after {helped} of 10 echoes")


def coalesce_descriptors(env):
    """Descriptors of after a change ask for an interrupt as it says. How many interrupts that saves does not show in a guest."""
    need_hardware(env)
    if env.driver != "rust_stmmac" or not env.model.have():
        raise Skip("looks at rust_stmmac's descriptors through the device model")
    old = query(env, "-c")
    env.defer(lambda: change(env, "-C", rx_usecs=old["rx-usecs"], rx_frames=old["rx-frames"]))
    sink = env.local.raw_open()
    env.defer(env.local.close, sink)
    count = query(env, "-g")["rx"] + 200
    for usecs, frames in ((0, 1), (10000, 0), (10000, 16)):
        check_equal(change(env, "-C", rx_usecs=usecs, rx_frames=frames), 0,
                    f"status of ethtool -C rx-usecs {usecs} rx-frames {frames}")
        # More than a ring of them, in the first queue.
        env.model.ctl("traffic", env.model.port, "start", "rate=2000", f"count={count}")
        check_equal(len(env.local.raw_recv(sink, count)), count, "frames received")
        rings = json.loads(env.model.ctl(json.dumps({"cmd": "rings", "port": env.model.port})))["ok"]
        # OWN and IOC of RDES3.
        words = [int(line.split()[4], 16) for line in rings["rx"][0]["descriptors"]]
        asking = {slot: bool(word & 1 << 30) for slot, word in enumerate(words) if word & 1 << 31}
        check(len(asking) > len(words) // 2, f"the DMA has {len(asking)} of {len(words)} descriptors")
        check_equal(asking, {slot: bool(frames) and slot % frames == 0 for slot in asking},
                    f"descriptors that ask for an interrupt with rx-frames {frames}")


def coalesce_refused(env):
    need_hardware(env)
    old = query(env, "-c")
    for values in ({"tx_usecs": 0, "tx_frames": 0}, {"rx_usecs": 0, "rx_frames": 2}, {"rx_usecs": 100000000},
                   {"tx_frames": 100000000}):
        if isinstance(old.get(next(iter(values)).replace("_", "-")), int):
            check(change(env, "-C", **values), f"ethtool -C accepted {values}")
    check_equal(query(env, "-c"), old, "coalescing after a refusal")


if __name__ == "__main__":
    main(ring_sizes, ring_change, ring_change_traffic, case("other_rings_tx", other_rings, True), case("other_rings_rx", other_rings, False),
         case("ring_filter", filter_kept, "-g"), ring_refused, reasons,
         channels, channels_change, case("channels_filter", filter_kept, "-l"), channels_refused,
         coalesce, coalesce_change, coalesce_receive, coalesce_kept, coalesce_queues, coalesce_queues_kept, coalesce_extremes,
         coalesce_off, coalesce_descriptors, coalesce_refused)
