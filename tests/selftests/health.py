#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Health reporters of devlink: a fault is counted by the right one, dumped as it
was found, and mended, or left for the user to mend."""

import json
import re
import time

from hwfaults import NOTICE, acts, counters, fail_recovery, fault, flows, inject, moved, need_model, use_first_queue
from lib import Skip, check, check_equal, main, wait_for
from rings import query

REPORTERS = ["tx", "rx", "hw"]
DESCRIPTOR = re.compile(r"(\d+): ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})")
# DMA_Debug_Status: receive process of channel 0, stopped.
RPS0, STOPPED = 8, 0


def device(env):
    return f"pci/{env.pci}"


def devlink(env, *words):
    return env.local.run("devlink", *words)


def health(env, verb, name, *words):
    """devlink health for one reporter."""
    return devlink(env, "-j", "health", *verb.split(), device(env), "reporter", name, *words)


def reporters(env):
    shown = json.loads(devlink(env, "-j", "health", "show"))["health"].get(device(env), [])
    return {entry["reporter"]: entry for entry in shown}


def dump_of(env, name):
    return json.loads(health(env, "dump show", name))


def need_reporters(env):
    if not env.pci:
        raise Skip(f"{env.driver} has no PCI function")
    if env.local.command(["devlink", "-V"])[0]:
        raise Skip("no devlink (iproute2)")
    if env.driver != "rust_stmmac":
        raise Skip(f"{env.driver} has no health reporters")


def start(env):
    """No fault, no history, no dump, everything automatic: now and after the case."""
    need_reporters(env)
    need_model(env)

    def clean():
        for name in REPORTERS:
            health(env, "set", name, "auto_recover", "true")
            health(env, "dump clear", name)
    env.reopen(env.local, env.ifname)
    clean()
    env.defer(clean)


def await_state(env, name, state):
    wait_for(lambda: reporters(env)[name]["state"] == state, f"state {state} of reporter {name}", timeout=NOTICE)


def counted(env, before, name):
    """One reporter has counted faults and mended them; the others have not."""
    wait_for(lambda: reporters(env)[name]["recover"] > before[name]["recover"], f"a recovery of reporter {name}", timeout=NOTICE)
    await_state(env, name, "healthy")
    after = reporters(env)
    check(after[name]["error"] > before[name]["error"], f"reporter {name} counts no error")
    for other in REPORTERS:
        if other != name:
            check_equal(after[other], before[other], f"reporter {other}")


def check_ring(env, ring, way):
    length = query(env, "-g")[way]
    check_equal(ring["length"], length, f"length of the {way} ring")
    check(ring["head"] < length and ring["tail"] < length, f"{ring['head']} and {ring['tail']} in a ring of {length}")
    shown = [DESCRIPTOR.fullmatch(text) for text in ring["descriptors"]]
    check(all(shown) and len(shown) == 16, f"descriptors: {ring['descriptors']}")
    first = int(shown[0].group(1))
    check_equal([int(match.group(1)) for match in shown], [(first + i) % length for i in range(16)], "indices")
    check_equal(ring.get("dma", ring["tail"]), (first + 8) % length, "the middle of what is shown")
    # A transmit queue may not have been used.
    check(way == "tx" or any(int(match.group(n), 16) for match in shown for n in range(2, 6)), "all descriptors are empty")


def check_dump(env, name, text, rings):
    """A dump of the one channel that had the fault. Its number."""
    dump = dump_of(env, name)
    match = re.fullmatch(rf"channel (\d+): {text}", dump["fault"])
    check(match, f"fault: {dump['fault']}")
    check_equal([entry["channel"] for entry in dump["channels"]], [int(match.group(1))], "channels in the dump")
    entry = dump["channels"][0]
    for way in rings:
        check_ring(env, entry[f"{way}_ring"], way)
    check(int(entry["registers"]["DMA_CH_RxDesc_List_Address"], 16), "no address of a receive ring among the registers")
    return entry


def info(env):
    need_reporters(env)
    shown = json.loads(devlink(env, "-j", "dev", "info", device(env)))["info"][device(env)]
    check_equal(shown["driver"], env.driver, "driver")
    check(re.fullmatch(r"\d\.\d\d", shown["versions"]["fixed"]["asic.rev"]), f"versions: {shown['versions']}")


def shown(env):
    """What is there when nothing is wrong; looking changes nothing."""
    need_reporters(env)
    before, stats = reporters(env), counters(env)
    check_equal(list(before), REPORTERS, "reporters")
    for name, entry in before.items():
        check_equal([entry["state"], entry["auto_recover"], entry["auto_dump"]], ["healthy", True, True], f"reporter {name}")
        state = json.loads(health(env, "diagnose", name))
        check(state["running"] and state["channels"], f"diagnosis of {name}: {state}")
        for channel in state["channels"]:
            check_equal([f"{way}_dma" in channel for way in ("tx", "rx")], [name != "rx", name != "tx"], "directions")
            for way in ("tx", "rx"):
                check(channel.get(f"{way}_dma") not in ("stopped", "unknown"), f"diagnosis of {name}: {channel}")
        check_equal(reporters(env)[name], entry, f"reporter {name} after a diagnosis")
        # Healthy: there is nothing to do.
        health(env, "recover", name)
    check_equal(moved(stats, counters(env), r"recover|error|stall"), {}, "counters")
    check_equal(reporters(env), before, "reporters")


def dump_on_demand(env):
    """Of all channels, while traffic flows."""
    need_reporters(env)
    env.defer(health, env, "dump clear", "hw")
    env.flood()
    used = query(env, "-l")
    for _ in range(5):
        health(env, "dump clear", "hw")
        dump = dump_of(env, "hw")
        check("fault" not in dump, f"a fault: {dump.get('fault')}")
        check_equal(len(dump["channels"]), max(used["rx"], used["tx"]) if "rx" in used else used["combined"], "channels")
        for way in ("tx", "rx"):
            check_ring(env, dump["channels"][0][f"{way}_ring"], way)
        check("dma" in dump["channels"][0]["rx_ring"], "the DMA is nowhere in the ring")
    env.ping(size=1400)


def bus_error(env):
    start(env)
    before = reporters(env)
    fault(env, "bus-error", "rx-buf")
    acts(env, "bus-error", False)
    counted(env, before, "hw")
    entry = check_dump(env, "hw", "bus error", ("tx", "rx"))
    if entry["channel"] == 0:
        status = int(entry["registers"]["DMA_Debug_Status"], 16)
        check_equal(status >> RPS0 & 0xf, STOPPED, "receive process: the dump was taken too late")
    flows(env)


def safety_error(env):
    """Of the core, that is of all channels."""
    start(env)
    before = reporters(env)
    check(inject(env, "TXUES"), "the driver has not switched the detection of errors on")
    counted(env, before, "hw")
    dump = dump_of(env, "hw")
    check_equal(dump["fault"], "safety error", "fault")
    check(len(dump["channels"]) > 1, f"{len(dump['channels'])} channels in the dump")
    flows(env)


def rx_stall(env):
    start(env)
    before = reporters(env)
    env.peer.flood_start(env.v4)
    env.defer(env.peer.flood_stop)
    time.sleep(0.5)
    fault(env, "rx-wedge", "until=restart")
    counted(env, before, "rx")
    entry = check_dump(env, "rx", "receiver stands still", ("rx",))
    check("tx_ring" not in entry, "reporter rx shows a ring for transmission")
    wait_for(env.answers, "an answer to a ping", timeout=NOTICE)
    flows(env)


def tx_timeout(env):
    start(env)
    use_first_queue(env)
    before = reporters(env)
    env.local.flood_start(env.peer_v4)
    env.defer(env.local.flood_stop)
    time.sleep(0.5)
    # Of the channel that the dump is of, and that the flood uses.
    fault(env, "tx-wedge", "channel=0", "until=restart")
    counted(env, before, "tx")
    ring = check_dump(env, "tx", "transmit timeout", ("tx",))["tx_ring"]
    check(ring["head"] != ring["tail"], "nothing was to be sent when the dump was taken")
    wait_for(env.answers, "an answer to a ping", timeout=NOTICE)
    flows(env)


def left_alone(env):
    """A fault that the user wants to mend by hand."""
    start(env)
    for name in REPORTERS:
        health(env, "set", name, "auto_recover", "false")
    stats, before = counters(env), reporters(env)
    fault(env, "bus-error", "rx-buf")
    acts(env, "bus-error", False)
    await_state(env, "hw", "error")
    # Long enough for the watchdogs to find it, too.
    time.sleep(6)
    check_equal(reporters(env)["hw"]["state"], "error", "state of reporter hw")
    check_equal([reporters(env)[name]["recover"] for name in REPORTERS], [before[name]["recover"] for name in REPORTERS], "recoveries")
    check_equal(moved(stats, counters(env), r"recover"), {}, "counters of recoveries")
    return stats, before


def by_hand(env):
    stats, before = left_alone(env)
    check_dump(env, "hw", "bus error", ("rx",))
    health(env, "recover", "hw")
    after = reporters(env)["hw"]
    check_equal([after["state"], after["recover"]], ["healthy", before["hw"]["recover"] + 1], "reporter hw")
    check(moved(stats, counters(env), r"^channel_recoveries$"), "no recovery of a channel is counted")
    # What the watchdog has found was the same.
    await_state(env, "rx", "healthy")
    wait_for(env.answers, "an answer to a ping", timeout=NOTICE)
    flows(env)


def down_and_up(env):
    """Mends everything, too."""
    before = left_alone(env)[1]
    env.reopen(env.local, env.ifname)
    for name in REPORTERS:
        await_state(env, name, "healthy")
    check_equal(reporters(env)["hw"]["recover"], before["hw"]["recover"], "recoveries")
    flows(env)


def tried_again(env):
    """As long as a recovery fails, the state says so."""
    start(env)
    before = fail_recovery(env)
    await_state(env, "hw", "error")
    check(json.loads(health(env, "diagnose", "hw"))["failed_resets"], "no failed reset is shown")
    fault(env, "clear")
    wait_for(lambda: moved(before, counters(env), r"^recoveries$"), "a recovery", timeout=NOTICE)
    await_state(env, "hw", "healthy")
    check_equal(json.loads(health(env, "diagnose", "hw"))["failed_resets"], 0, "failed resets in a row")
    flows(env)


def rebound(env):
    """The instance goes and comes with the driver, amid requests."""
    need_reporters(env)
    driver = env.driver
    env.defer(env.adopt)
    for _ in range(5):
        for name in REPORTERS:
            health(env, "diagnose", name)
        env.unbind()
        check(env.local.command(["devlink", "dev", "show", device(env)])[0], "the devlink instance is there without its driver")
        env.local.write(f"/sys/bus/pci/drivers/{driver}/bind", env.pci)
        check_equal(list(reporters(env)), REPORTERS, "reporters")
        dump_of(env, "tx")
    env.adopt()
    env.ping(size=1400)


if __name__ == "__main__":
    main(info, shown, dump_on_demand, bus_error, safety_error, rx_stall, tx_timeout, by_hand, down_and_up, tried_again, rebound)
