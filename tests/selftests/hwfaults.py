#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What breaks in the field: the driver counts it, and traffic flows again.

Each case injects a fault into the device model, keeps traffic going meanwhile,
and lets it flow again. Which faults a driver mends by itself while they last
differs; what each case asks for is what is right:

- no warning of the kernel, ever (run_case sees to that);
- a counter moves, where the hardware tells of the fault or the driver can see it;
- when the fault is gone, traffic flows without help. Where the hardware needs a
  reset and gives no hint of it (a wedged receiver), a watchdog has to notice.
"""

import json
import os
import re
import threading
import time

from counters import HALF, groups, half_full, octets, settled
from endpoint import SLOW, TIMED_OUT
from lib import Failure, KernelLog, Skip, case, check, check_equal, mac_bytes, main, noise, wait_for
from ptp import ALL, NONE, TX_OFF, TX_ON, need_clock, stamps, udp_stamps
from rings import change, number, query, starts
from stats import driver_stats, quiet
from suspend import sleep
from tx_timeout import PAUSE, honour_pause, slow_down

# A fault is noticed by polling, a watchdog or the next frame.
NOTICE = 20 * SLOW


def fault(env, *words):
    env.model.ctl("fault", env.model.port, *map(str, words))


def need_model(env):
    """A fault-free start, and again after the case."""
    if not env.model.have():
        raise Skip("no device model (modelctl) to inject faults")
    if env.driver != "rust_stmmac" and not os.environ.get("HWFAULTS"):
        # A case that fails takes a minute, and may leave the device in a state that no later one likes.
        raise Skip(f"what {env.driver} makes of faults is judged if HWFAULTS is set")
    env.defer(repair, env)
    env.defer(fault, env, "clear")
    fault(env, "clear")


def repair(env):
    """Whatever the case left behind: later cases start clean."""
    try:
        env.wait_link()
    except Failure:
        env.reopen(env.local, env.ifname)
        raise


def hits(env, kind):
    """How often the fault acted."""
    answer = json.loads(env.model.ctl(json.dumps({"cmd": "fault", "port": env.model.port, "spec": "list"})))["ok"]
    return sum(entry["hits"] for entry in answer if entry["kind"] == kind)


def counters(env):
    """All that the driver counts: ethtool -S and the stack's statistics."""
    result = {}
    for name, value in driver_stats(env):
        name = name.strip()
        result[name] = result.get(name, 0) + int(value)
    stats = env.local.link()["stats64"]
    for way in ("rx", "tx"):
        for key, value in stats[way].items():
            result[f"{way}.{key}"] = value
    return result


def moved(before, after, pattern):
    return {name: after[name] - before.get(name, 0) for name in after
            if re.search(pattern, name) and after[name] != before.get(name, 0)}


def await_counter(env, before, pattern, timeout=NOTICE):
    wait_for(lambda: moved(before, counters(env), pattern), f"a change of a counter that matches '{pattern}'", timeout=timeout)


def flows(env):
    """Both directions, content compared."""
    env.wait_link()
    env.ping(size=1400)
    env.tcp(True, size=1 << 16)
    env.tcp(False, size=1 << 16)


def push(env, to_peer, count=64, size=600):
    """Frames that may or may not arrive."""
    tx = env.local if to_peer else env.peer
    source = tx.raw_open()
    try:
        for start in range(0, count, 16):
            tx.raw_send(source, [env.frame(to_peer, noise(size, start + i)) for i in range(min(16, count - start))])
            time.sleep(0.01)
    finally:
        tx.close(source)


def acts(env, kind, to_peer, times=1):
    """Traffic until the fault has acted."""
    def acted():
        push(env, to_peer, 16)
        return hits(env, kind) >= times
    wait_for(acted, f"{times} effects of {kind}", timeout=NOTICE)


# What counts trouble, in all.
COUNTED = r"^(?!q\d+_|.x\.|mac_).*(err|bad|overflow|underflow|fail|stall|timeout|recover)"


def counted(env, words, to_peer, pattern, exact=None, least=None):
    """A fault that is over by itself: it shows in a counter, traffic goes on. Our driver counts each, and nothing else: `exact`
    or, where what comes of one is left to chance, `least`."""
    need_model(env)
    if exact:
        # Else a frame of the stack's meets the fault that no filter lets pass, and that is not counted.
        quiet(env)
    before = counters(env)
    fault(env, *words)
    acts(env, words[0], to_peer, next((int(word[6:]) for word in words if word.startswith("count=")), 1))
    if pattern:
        await_counter(env, before, pattern)
    flows(env)
    if env.driver == "rust_stmmac":
        def changed():
            names = "|".join([COUNTED, *(rf"^{name}$" for name in exact or ())])
            return moved(before, counters(env), names)
        if exact is not None:
            try:
                # Of overflows the FIFO is asked now and then only.
                wait_for(lambda: changed() == exact, "", timeout=NOTICE)
            except Failure:
                raise Failure(f"counted was {changed()}, expected {exact}") from None
        for name, number in (least or {}).items():
            check(changed().get(name, 0) >= number, f"{name} rose by {changed().get(name, 0)}, at least {number} were injected")


def bus_error(env, at):
    """One error, mended once: by the channel's restart or, where that does not stop any more, a reset of the core. Both keep the
    link."""
    need_model(env)
    before, carrier = counters(env), env.changes()
    counted(env, ("bus-error", at), at.startswith("tx"), r"bus_err|recover|reset")
    if env.driver == "rust_stmmac":
        def changed():
            found = moved(before, counters(env), COUNTED)
            found.pop("stop_failures", None)
            return found

        def once():
            return changed() in ({"bus_errors": 1, how: 1} for how in ("recoveries", "channel_recoveries"))
        try:
            wait_for(once, "", timeout=NOTICE)
        except Failure:
            raise Failure(f"counted was {changed()}, expected one bus error and one recovery") from None
        check_equal(env.changes(), carrier, "changes of the carrier of both ends")


def rx_crc(env):
    """A bad cable shows in the interface's statistics."""
    need_model(env)
    # What no filter lets pass is not counted.
    quiet(env)
    before = int(env.local.sys("statistics/rx_crc_errors"))
    fault(env, "rx-crc", "count=5")
    acts(env, "rx-crc", False)
    flows(env)
    check_equal(int(env.local.sys("statistics/rx_crc_errors")) - before, 5, "FCS errors in the interface's statistics")


def clock_app(env):
    """Without the clock of the application, the bus, nothing moves; when it is back all does. The link has clocks of its own."""
    need_model(env)
    changes = env.changes()
    fault(env, "clock-dead", "app")
    push(env, False)
    for _ in range(3):
        check(not env.answers(), "an echo came back without a clock")
    fault(env, "clear")
    flows(env)
    check_equal(env.changes(), changes, "changes of the carrier of both ends")


def after_underflow(env):
    """The DMA stands still after a frame that was cut: those behind it are sent although nobody sends anything more."""
    need_model(env)
    quiet(env)
    sink, source = env.peer.raw_open(), env.local.raw_open()
    env.defer(env.peer.close, sink)
    env.defer(env.local.close, source)
    pause = PAUSE[0] + mac_bytes(env.peer_mac) + PAUSE[1]
    env.defer(env.peer.repeat_stop)
    for turn in range(4):
        fault(env, "tx-underflow", "count=1")
        # All of them have been rung for before the first one leaves.
        env.peer.repeat_start(pause, 0.01)
        time.sleep(0.1)
        env.local.raw_send(source, [env.frame(True, noise(1000, n)) for n in range(16)])
        env.peer.repeat_stop()
        check_equal(len(env.peer.raw_recv(sink, 15)), 15, f"frames that arrived of 16, one of them cut, in turn {turn}")
    flows(env)


def given_back_early(env):
    """A descriptor that comes back before its frame was sent looks like that of one that was. So the driver counts three frames
    that the MAC, whose counter is all that tells, has not sent; were they not counted, the fault would not have met the ring."""
    need_model(env)
    # Else what is on its way would be counted by one of the two only.
    quiet(env)

    def sent():
        """(by the driver, by the MAC); neither counts pause frames, nor low-power idle."""
        packets = env.local.link()["stats64"]["tx"]["packets"]
        frames = env.statistics().get("mmc_tx_framecount_g")
        return packets, groups(env)["eth-mac"]["FramesTransmittedOK"] if frames is None else frames
    before = settled(env, sent)
    fault(env, "tx-garbage", "early", "count=3")

    def acted():
        push(env, True, 16)
        return hits(env, "tx-garbage") == 3
    wait_for(acted, "three descriptors that come back early", timeout=NOTICE)

    def grown():
        return tuple(after - old for after, old in zip(sent(), before))
    try:
        # Frames that were sent are counted when their descriptors are looked at.
        wait_for(lambda: grown()[0] == grown()[1] + 3, "", timeout=NOTICE)
    except Failure:
        raise Failure(f"(tx_packets, frames that the MAC has sent) rose by {grown()}; 3 more packets were expected") from None
    flows(env)


def forgotten(env):
    """A descriptor that never comes back, of a queue that nobody uses any more: no ring is full, and no limit reached."""
    need_model(env)
    env.reopen(env.local, env.ifname)
    quiet(env)
    carrier, before = env.changes(), counters(env)
    fault(env, "tx-garbage", "never", "count=1")
    push(env, True, 1)
    check_equal(hits(env, "tx-garbage"), 1, "descriptors that did not come back")
    await_counter(env, before, r"recover|reset|timeout|stall")
    await_counter(env, before, r"^queue_recoveries$")
    check_equal(moved(before, counters(env), r"recover|reset|timeout|stall"), {"tx_stalls": 1, "queue_recoveries": 1}, "what was counted")
    check_equal(env.changes(), carrier, "changes of the carrier of both ends")
    flows(env)


def held(env, paused):
    """Frames that may not leave, by the peer's pause or for want of a clock, are not taken for lost ones."""
    need_model(env)
    if paused:
        honour_pause(env)
        slow_down(env)
    env.wait_steady()
    quiet(env)
    sink, source = env.peer.raw_open(), env.local.raw_open()
    env.defer(env.peer.close, sink)
    env.defer(env.local.close, source)
    before = counters(env)
    if paused:
        def paused_by():
            shown = json.loads(env.local.run("ethtool", "-I", "--json", "-a", env.ifname))[0]
            return shown["statistics"]["rx_pause_frames"]
        seen = paused_by()
        env.defer(env.peer.repeat_stop)
        env.peer.repeat_start(PAUSE[0] + mac_bytes(env.peer_mac) + PAUSE[1], 0.01)
        wait_for(lambda: paused_by() > seen, "a pause frame")
    else:
        fault(env, "clock-dead", "tx")
    env.local.raw_send(source, [env.frame(True, noise(1000, n)) for n in range(16)])
    # The watchdog needs two looks, one a second; that of the stack comes after 5 s if the queue has stopped.
    time.sleep(4)
    if counters(env)["tx.packets"] - before["tx.packets"] >= 16:
        raise (Skip if paused else Failure)("nothing holds this transmitter back")
    check_equal(moved(before, counters(env), r"stall"), {}, "what was counted of frames that wait")
    env.peer.repeat_stop()
    fault(env, "clear")
    arrived = len(env.peer.raw_recv(sink, 16))
    if moved(before, counters(env), r"^tx_timeouts$"):
        raise Skip("too slow a machine: the stack's watchdog came first")
    check_equal(arrived, 16, "frames that arrived of 16")
    check_equal(moved(before, counters(env), r"recover|stall"), {}, "what was counted when they had left")
    flows(env)


# What our driver says of it.
RESET, MDIO = "reset does not end (DMA_Mode.SWR)", "MDIO access does not end (MAC_MDIO_Address.GB): does the CSR clock run?"


def ended(env, *argv):
    """Its exit status; that it does not end is a failure."""
    status, _, err = env.local.command(argv)
    check(status != TIMED_OUT, err)
    return status


def refused(env, words, message):
    """Without it there is no port: up fails, says what is missing, and works afterwards."""
    need_model(env)
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    log = KernelLog()
    fault(env, *words)
    status = ended(env, "ip", "link", "set", env.ifname, "up")
    check(status != 0, f"the interface came up in spite of {' '.join(words)}")
    if env.driver == "rust_stmmac":
        said = log.news()
        check(any(message in line for line in said), f"the kernel log does not say '{message}', but: {said}")
    fault(env, "clear")
    env.bring_up()
    flows(env)


def steer(env, cpus):
    """The CPU that sends chooses the queue, where there are several: the first one for `cpus[0]` and so on."""
    for queue, those in enumerate(cpus):
        path = f"/sys/class/net/{env.ifname}/queues/tx-{queue}/xps_cpus"
        env.defer(env.local.write, path, "0")
        env.local.write(path, f"{sum(1 << cpu for cpu in those):x}")


def use_first_queue(env):
    """Whatever is sent goes to the first queue."""
    if number(query(env, "-l")["tx"]) > 1:
        steer(env, [os.sched_getaffinity(0)])


def wedged(env, words, to_peer, *others):
    """A direction that stands still without a word: a watchdog resets it, whatever other faults there are."""
    need_model(env)
    before = counters(env)
    env.defer(env.local.flood_stop if to_peer else env.peer.flood_stop)
    if to_peer:
        env.local.flood_start(env.peer_v4)
    else:
        env.peer.flood_start(env.v4)
    time.sleep(0.5)
    # The last one is what is noticed.
    for each in (*others, words):
        fault(env, *each)
    # Senders whose buffers are full for the moment may take seconds to fill the ring; then the watchdog waits.
    await_counter(env, before, r"recover|reset|timeout|stall", timeout=3 * NOTICE)
    # The first thing that is tried need not be what helps.
    wait_for(env.answers, "an answer to a ping", timeout=3 * NOTICE)
    flows(env)


def restarted(env, kind, to_peer):
    """What a restart of the queue mends costs nothing but that: neither the
    link, nor the core, nor the other direction."""
    env.reopen(env.local, env.ifname)
    carrier, before = env.changes(), counters(env)
    wedged(env, (kind, "until=restart"), to_peer)
    check_equal(env.changes(), carrier, "changes of the carrier of both ends")
    changed = moved(before, counters(env), r"^([a-z]+_)?recover")
    check(changed.get("queue_recoveries"), "no recovery of a queue is counted")
    check_equal(changed.keys(), {"queue_recoveries"}, "recoveries")


def unstartable(env, kind, to_peer):
    """A queue that was restarted and does not start is not taken for mended: the core is reset, and the link stays."""
    env.reopen(env.local, env.ifname)
    use_first_queue(env)
    carrier, before = env.changes(), counters(env)
    wedged(env, (kind, "channel=0", "until=restart"), to_peer, ("start-stuck", kind[:2]))
    check_equal(hits(env, "start-stuck"), 1, "starts that failed")
    check_equal(moved(before, counters(env), r"^([a-z]+_)?recover"), {"recoveries": 1}, "recoveries")
    check_equal(env.changes(), carrier, "changes of the carrier of both ends")


def others(env, kind, to_peer):
    """While a queue stands still and is restarted, what another one sends arrives, all of it and in order."""
    need_model(env)
    cpus = sorted(os.sched_getaffinity(0))
    if number(query(env, "-l")["tx"]) < 2 or len(cpus) < 2:
        raise Skip("there is one transmit queue, or one CPU")
    env.reopen(env.local, env.ifname)
    # A thread's CPU chooses its queue, that of the flood being the broken one.
    steer(env, [{cpu} for cpu in cpus[:2]])
    env.defer(os.sched_setaffinity, 0, cpus)
    sink, source = env.peer.raw_open(), env.local.raw_open()
    env.defer(env.peer.close, sink)
    env.defer(env.local.close, source)
    os.sched_setaffinity(0, cpus[:1])
    tx = env.local if to_peer else env.peer
    env.defer(tx.flood_stop)
    tx.flood_start(env.peer_v4 if to_peer else env.v4)
    os.sched_setaffinity(0, cpus[1:2])
    time.sleep(0.5)
    before, end = counters(env), time.monotonic() + NOTICE
    fault(env, kind, "channel=0", "until=restart")
    sent = after = 0
    # Until it is mended, and some more.
    while after < 10:
        env.local.raw_send(source, [env.frame(True, place.to_bytes(4, "big") + bytes(200)) for place in range(sent, sent + 16)])
        sent += 16
        time.sleep(0.02)
        after += bool(after or moved(before, counters(env), r"^([a-z]+_)?recover"))
        check(time.monotonic() < end, f"no recovery in {NOTICE} s")
    got = [int.from_bytes(data[-204:-200], "big") for _, data in env.peer.raw_recv(sink, sent)]
    check_equal(len(got), sent, "frames that arrived of those that another channel sent")
    check_equal(got, sorted(got), "their order")
    grown = moved(before, counters(env), r"^(q[01]_tx_packets|([a-z]+_)?recover\w+)$")
    check(grown.get("q1_tx_packets", 0) >= sent, f"they were not sent by channel 1: {grown}")
    check_equal({name: number for name, number in grown.items() if "recover" in name}, {"queue_recoveries": 1}, "recoveries")
    tx.flood_stop()
    os.sched_setaffinity(0, cpus)
    flows(env)


def escalated(env, kind, to_peer):
    """What it does not mend is mended by a reset of the core; that keeps the link, too."""
    env.reopen(env.local, env.ifname)
    carrier, before = env.changes(), counters(env)
    wedged(env, (kind, "until=reset"), to_peer)
    wait_for(lambda: moved(before, counters(env), r"^recoveries$"), "a reset of the core", timeout=3 * NOTICE)
    for smaller in ("queue", "channel"):
        check(moved(before, counters(env), f"^{smaller}_recoveries$"), f"the core was reset before the {smaller}")
    flows(env)
    check_equal(env.changes(), carrier, "changes of the carrier of both ends")
    # That the FIFO of a receiver that stands still does not get empty is none.
    check_equal(moved(before, counters(env), r"^(recovery|reconfig)_fail"), {}, "failures")


def fail_recovery(env):
    """A core that cannot be reset, and has to be: the counters before that."""
    before = counters(env)
    fault(env, "reset-stuck")
    # The first one costs the channel, the second one the core.
    fault(env, "bus-error", "rx-desc", "count=2")

    def failed():
        push(env, False, 16)
        return moved(before, counters(env), r"recovery_fail")
    wait_for(failed, "a recovery that fails", timeout=NOTICE)
    return before


def retried(env):
    """A core that cannot be reset is tried again until it can."""
    need_model(env)
    env.reopen(env.local, env.ifname)
    before = fail_recovery(env)
    fault(env, "clear")
    wait_for(lambda: moved(before, counters(env), r"^recoveries$"), "a recovery", timeout=NOTICE)
    flows(env)


def revived(env, what):
    """A port whose recovery has failed works again after what sets the core up in other ways, or goes on trying."""
    need_model(env)
    env.reopen(env.local, env.ifname)
    fail_recovery(env)
    if what == "rings":
        # Fails, too, and must not end the attempts.
        rings = re.search(r"Current hardware settings:.*?RX:\s+(\d+)", env.local.run("ethtool", "-g", env.ifname), re.S)[1]
        status = env.local.command(["ethtool", "-G", env.ifname, "rx", "128" if rings != "128" else "256"])[0]
        check(status, "the rings were changed although the core cannot be reset")
        fault(env, "clear")
        before = counters(env)
        wait_for(lambda: moved(before, counters(env), r"^recoveries$"), "a recovery", timeout=NOTICE)
    else:
        fault(env, "clear")
        before = counters(env)
        if what == "sleep":
            sleep(env)
        else:
            env.local.command(["ethtool", "-t", env.ifname, "offline"])
        if moved(before, counters(env), r"^recoveries$"):
            raise Skip("too slow a machine: the next attempt to recover came first")
    env.wait_steady()
    flows(env)


def lost_interrupt(env):
    """An interrupt that is lost, and nothing but more frames to bring it up."""
    need_model(env)
    # Of one for everything, whatever it tells.
    what = "rx" if len(env.vectors()) > 1 else "all"
    sink, source = env.local.raw_open(), env.peer.raw_open()
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, source)
    before = counters(env)
    # What the stack sends by itself has an interrupt of its own, which brings up the other's work, too.
    for _ in range(4):
        fault(env, "clear")
        fault(env, "irq-drop", what)
        for n in range(16):
            env.peer.raw_send(source, [env.frame(False, noise(100, n))])
            time.sleep(0.25)
        check_equal(hits(env, "irq-drop"), 1, "interrupts that were lost")
        got = env.local.raw_recv(sink, 16)
        check_equal(len(got), 16, "frames received")
        if moved(before, counters(env), r"watchdog"):
            return
    raise Failure("no counter tells of a lost interrupt")


def stamp_lost(env, what):
    """A received frame without its timestamp arrives, and takes no other frame's."""
    need_model(env)
    need_clock(env)
    stamps(env, TX_OFF, ALL)
    sink, source = env.local.raw_open(), env.peer.raw_open()
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, source)
    env.local.stamps_on(sink)
    before = counters(env)
    fault(env, "stamp-lost", what)
    sent = [noise(100, n) for n in range(8)]
    for data in sent:
        env.peer.raw_send(source, [env.frame(False, data)])
        time.sleep(0.05)
    got = env.local.recv_stamped(sink, len(sent))
    check_equal([data[-100:] == want for (data, _), want in zip(got, sent)], [True] * len(sent), "frames that arrived")
    check_equal([stamp for _, stamp in got].count(None), 1, "frames without a timestamp")
    await_counter(env, before, r"timestamp.*(miss|drop|lost)")
    flows(env)


def stamp_late(env):
    """A timestamp that comes after its frame: taken or not, no frame is lost."""
    need_model(env)
    need_clock(env)
    stamps(env, TX_OFF, ALL)
    for late in (50, 2000, 100_000):
        fault(env, "stamp-late", "count=3", f"us={late}")
        acts(env, "stamp-late", False)
        fault(env, "clear")
        env.udp([100] * 50, False)
    flows(env)


def stamp_lost_tx(env):
    """Whoever waits for a timestamp that does not come waits for it only."""
    need_model(env)
    need_clock(env)
    stamps(env, TX_ON, NONE)
    before = counters(env)
    fault(env, "stamp-lost", "tx")
    got = udp_stamps(env, 4)[1]
    check_equal(len(got), 3, "timestamps of 4 datagrams")
    await_counter(env, before, r"timestamp.*(miss|drop|lost)")


def inject(env, error, *words):
    """An error of the safety package; whether the hardware saw it."""
    spec = " ".join(["safety", error, *words])
    answer = json.loads(env.model.ctl(json.dumps({"cmd": "fault", "port": env.model.port, "spec": spec})))
    if "needs asp" in answer.get("error", ""):
        raise Skip(answer["error"])
    check("ok" in answer, f"the model refuses: {answer}")
    return answer["ok"][0]["seen"]


def counted_error(env, before, error):
    """Waits until the error is counted; returns how often it was."""
    pattern = rf"(?i)(^|_){error}$"
    await_counter(env, before, pattern)
    return sum(moved(before, counters(env), pattern).values())


def mentioned(log, text):
    """Waits for a line of the kernel's log with the text."""
    wait_for(lambda: any(text.lower() in line.lower() for line in log.news()), f"a message about {text}", timeout=NOTICE)


def safety(env):
    """An error that the hardware corrects by itself is counted, no more, and traffic goes on."""
    need_model(env)
    env.flood()
    changes = env.changes()
    for error in ("RXCES", "TXCES", "TCES"):
        before = counters(env)
        check(inject(env, error), "the driver has not switched the detection of errors on")
        check_equal(counted_error(env, before, error), 1, f"times that {error} was counted")
        check_equal(moved(before, counters(env), r"recover|reset"), {}, "resets")
    check_equal(env.changes(), changes, "changes of the carrier")
    env.local.flood_stop()
    env.peer.flood_stop()
    flows(env)


def safety_fatal(env):
    """An error that the hardware cannot correct is counted, named, and the port recovers from it; again and again."""
    need_model(env)
    # Each further error may have to wait longer.
    env.defer(env.reopen, env.local, env.ifname)
    log = KernelLog()
    # Parity and timeouts are not to be watched on Intel's boards.
    parity = env.local.read(f"/sys/bus/pci/devices/{env.pci}/vendor") != "0x8086"
    for error in ("RXUES", *(("MPES", "FSMPES") if parity else ("TXUES",))):
        before, changes = counters(env), env.changes()
        wait_for(lambda: inject(env, error), "the detection of errors")
        mentioned(log, error)
        check_equal(counted_error(env, before, error), 1, f"times that {error} was counted")
        await_counter(env, before, r"recover|reset")
        wait_for(env.answers, "an answer to a ping", timeout=NOTICE)
        check_equal(env.changes(), changes, f"changes of the carrier after {error}")
    flows(env)


def safety_deferred(env):
    """An error that comes too soon after another one is not forgotten when rings are exchanged meanwhile."""
    need_model(env)
    env.defer(env.reopen, env.local, env.ifname)
    before = counters(env)
    wait_for(lambda: inject(env, "RXUES"), "the detection of errors")
    await_counter(env, before, r"^recoveries$")
    before = counters(env)
    wait_for(lambda: inject(env, "TXUES"), "the detection of errors")
    check_equal(counted_error(env, before, "TXUES"), 1, "times that TXUES was counted")
    env.defer(env.wait_link)
    env.defer(env.local.run, "ip", "link", "set", env.ifname, "mtu", env.local.sys("mtu"))
    env.local.run("ip", "link", "set", env.ifname, "mtu", "1450")
    if moved(before, counters(env), r"^recoveries$"):
        raise Skip("too slow a machine: the port had recovered before its MTU was changed")
    await_counter(env, before, r"^recoveries$")
    env.wait_link()
    wait_for(lambda: inject(env, "RXCES"), "the detection of errors", timeout=NOTICE)
    flows(env)


def safety_storm(env):
    """Errors that do not end neither drown the system in interrupts nor stop traffic for good."""
    need_model(env)
    env.need_pci()
    env.defer(env.reopen, env.local, env.ifname)
    before, start = counters(env), env.interrupts()
    check(inject(env, "RXCES", "every=50", "ms=3000"), "the driver has not switched the detection of errors on")
    time.sleep(3)
    count = env.interrupts() - start
    check(count < 300, f"{count} interrupts in 3 s of corrected errors")
    check(counted_error(env, before, "RXCES") > 1, "RXCES was not counted more than once")
    check_equal(moved(before, counters(env), r"recover|reset"), {}, "resets")
    flows(env)
    start = env.interrupts()
    check(inject(env, "TXUES", "every=50", "ms=6000"), "the detection of errors is off")
    time.sleep(6)
    count = env.interrupts() - start
    check(count < 600, f"{count} interrupts in 6 s of other errors")
    # And when it is over it is.
    fault(env, "clear")
    wait_for(lambda: inject(env, "RXCES"), "the detection of errors", timeout=60)
    flows(env)


def safety_kept(env):
    """The detection of errors is on whatever is changed, and off with the port."""
    need_model(env)

    def seen(after):
        before = counters(env)
        check(inject(env, "TXCES"), f"errors are not looked for after {after}")
        check_equal(counted_error(env, before, "TXCES"), 1, f"times that TXCES was counted after {after}")
    env.set_mtu(2000)
    seen("a change of the MTU")
    env.feature("rx-vlan-offload", False)
    seen("a change of the features")
    rings = re.search(r"Current hardware settings:.*?RX:\s+(\d+)", env.local.run("ethtool", "-g", env.ifname), re.S)[1]
    env.defer(env.wait_link)
    env.defer(env.local.run, "ethtool", "-G", env.ifname, "rx", rings)
    env.local.run("ethtool", "-G", env.ifname, "rx", "128")
    env.wait_link()
    seen("a change of the rings")
    sleep(env)
    env.wait_link()
    seen("a sleep of the system")
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    check(not inject(env, "TXCES"), "errors are looked for while the port is down")
    env.bring_up()
    seen("down and up")
    flows(env)


def garbage(env, what, count, pattern, **expected):
    counted(env, ("rx-garbage", what, f"count={count}", "seed=3"), False, pattern, **expected)


def alignment(env):
    """Half a byte too many, which only slower links can have."""
    need_model(env)
    env.defer(env.wait_link)
    env.defer(env.local.run, "ethtool", "-s", env.ifname, "advertise", "0xfff")
    env.local.run("ethtool", "-s", env.ifname, "speed", "100", "duplex", "full")
    env.wait_link()
    check_equal(env.local.sys("speed"), "100", "speed of the link")

    def shown():
        return [int(env.local.sys(f"statistics/{name}")) for name in ("rx_errors", "rx_frame_errors")]
    before = shown()
    counted(env, ("rx-error", "alignment", "count=5"), False, r"(?i)align|rx.*err",
            exact={"rx_errors": 5, "rx_frame_errors": 5})
    check_equal([new - old for new, old in zip(shown(), before)], [5, 5], "errors and frame errors in the interface's statistics")


def flap(env):
    need_model(env)
    changes = int(env.local.sys("carrier_changes"))
    fault(env, "link-flap", "count=2", "down=1500", "up=2500")
    env.flood()
    wait_for(lambda: hits(env, "link-flap") == 2, "the end of the flapping")
    env.wait_link()
    changes = int(env.local.sys("carrier_changes")) - changes
    check(changes >= 4, f"the carrier changed {changes} times in two losses of the link")
    flows(env)


def phy_gone(env):
    """A PHY that reads as ones: phylib takes that for a link. It comes back."""
    need_model(env)
    env.defer(env.bring_up)
    fault(env, "phy-gone")
    wait_for(lambda: not env.peer.carrier(), "the loss of the peer's carrier")
    check(not env.answers(), "an echo came back without a PHY")
    ended(env, "ethtool", env.ifname)
    ended(env, "ethtool", "-r", env.ifname)
    check(not env.peer.carrier(), "the peer has a link to a PHY that is gone")
    fault(env, "clear")
    # What was written to it meanwhile is lost; down and up does it again.
    env.local.run("ip", "link", "set", env.ifname, "down")
    env.bring_up()
    flows(env)


def irq_drop(env, way):
    """Messages that are lost: the next one makes up for them, and nothing is taken for broken."""
    need_model(env)
    # A pin whose edge is lost has no other until somebody looks.
    count = 3 if len(env.vectors()) > 1 else 1
    counted(env, ("irq-drop", way, f"count={count}"), way == "tx", None, exact={})


def irq_drop_all(env):
    """All lines for a while: what they would have said is found out afterwards."""
    need_model(env)
    fault(env, "irq-drop", "all", "ms=60000")
    for to_peer in (True, False):
        lost = hits(env, "irq-drop")
        push(env, to_peer)
        check(hits(env, "irq-drop") > lost, f"no interrupt was lost of frames {'sent' if to_peer else 'received'}")
    fault(env, "clear")
    wait_for(env.answers, "an answer to a ping", timeout=NOTICE)
    flows(env)


def wedge(env, kind, to_peer):
    """A direction stands still, frames in it, and does not stop when it is told to. Nobody mends that until the end of the case:
    on a slow machine the watchdog would come before what is to be tested."""
    if env.driver == "rust_stmmac":
        mend = "devlink", "health", "set", f"pci/{env.pci}", "reporter", kind[:2], "auto_recover"
        env.defer(env.local.run, *mend, "true")
        env.local.run(*mend, "false")
    fault(env, kind)
    # The model's sender does obey, but for a fault of its own. The C driver does not wait for it, and frees what is in use.
    if to_peer and env.driver == "rust_stmmac":
        fault(env, "stop-late", "tx", "us=10000000")
    acts(env, kind, to_peer)


def stop_failed(env, before):
    """Our driver counts that the DMA, or the FIFO, did not come to rest."""
    if env.driver == "rust_stmmac":
        check(moved(before, counters(env), r"^stop_failures$"), "stop_failures did not rise")


def changed_wedged(env, kind, to_peer):
    """Rings of a direction that does not stop any more: they are changed nevertheless."""
    need_model(env)
    way = "tx" if to_peer else "rx"
    env.defer(env.wait_link)
    length = re.search(rf"Current hardware settings:.*?{way.upper()}:\s+(\d+)", env.local.run("ethtool", "-g", env.ifname), re.S)[1]
    env.defer(env.local.run, "ethtool", "-G", env.ifname, way, length)
    before = counters(env)
    wedge(env, kind, to_peer)
    env.local.run("ethtool", "-G", env.ifname, way, "128")
    stop_failed(env, before)
    flows(env)


# What our driver says when rings that did not start go back to the old ones, and when these do not start either.
FELL_BACK, NEITHER = "going on with the old ones", "neither new"


def once_said(env, texts, react):
    """Has react() run as soon as the kernel log says one of the texts."""
    log, over = KernelLog(), threading.Event()

    def watch():
        while not over.wait(0.01):
            if any(text in line for line in log.news() for text in texts):
                react()
                return
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    env.defer(thread.join)
    env.defer(over.set)


def changed_in_vain(env, way, inject_faults, said, counted_failures):
    """A change of the rings whose new ones do not start: it fails, the old length stays, and it is counted if the old rings do not
    start either. Gives back the counters of before."""
    env.reopen(env.local, env.ifname)
    old = query(env, "-g")
    env.defer(lambda: change(env, "-G", **{way: old[way]}))
    before, log = counters(env), KernelLog()
    inject_faults()
    status = ended(env, "ethtool", "-G", env.ifname, way, "128" if old[way] != 128 else "256")
    after = counters(env)
    if moved(before, after, r"^([a-z]+_)?recover"):
        raise Skip("too slow a machine: the watchdog came first")
    check(status, "the rings were changed although the new ones cannot start")
    check_equal({key: query(env, "-g")[key] for key in ("rx", "tx")}, {key: old[key] for key in ("rx", "tx")}, "the rings' lengths")
    if env.driver == "rust_stmmac":
        lines = log.news()
        check(any(said in line for line in lines), f"the kernel log does not say '{said}', but: {lines}")
        check_equal(moved(before, after, r"^reconfig_failures$"), counted_failures, "changes that cost the rings")
    return before


def at_once(env, spec):
    """As fault(), without waiting for a program of its own."""
    env.model.ask(cmd="fault", port=env.model.port, spec=spec)


def no_reset(env):
    """A receiver that a reset has to stop, which does not end. A PHY reads as nothing meanwhile, which may cost the link."""
    at_once(env, "reset-stuck")
    at_once(env, "rx-wedge")
    # The watchdog takes some seconds to miss them.
    push(env, False, 16)


def fell_back(env, way, stuck):
    """New rings do not start, old ones do: they go on at the place where they were. The link stays, unless the core has been in a
    reset for long, when the PHY reads as nothing."""
    need_model(env)
    place, carrier = {}, []

    def inject_faults():
        place.update({way: starts(env, way) for way in ("tx", "rx")})
        carrier.extend(env.changes())
        if stuck == "start":
            return fault(env, "start-stuck", way)
        # What our driver and the C driver say of a reset.
        once_said(env, (RESET, "Failed to reset the dma"), lambda: at_once(env, "clear reset-stuck"))
        return no_reset(env)
    before = changed_in_vain(env, way, inject_faults, FELL_BACK, {})
    check_equal({way: starts(env, way) for way in ("tx", "rx")}, place, "where the rings are")
    flows(env)
    check_equal(moved(before, counters(env), r"recover|^reconfig"), {}, "recoveries and failures")
    if stuck == "start":
        check_equal(env.changes(), carrier, "changes of the carrier of both ends")


def neither_starts(env, way, stuck):
    """The old rings do not start either, as long as the fault is there: that is counted, and mended when it is gone."""
    need_model(env)
    length = query(env, "-g")[way]

    def inject_faults():
        if stuck == "start":
            fault(env, "start-stuck", way, "count=1000")
        else:
            no_reset(env)
    before = changed_in_vain(env, way, inject_faults, NEITHER, {"reconfig_failures": 1})
    fault(env, "clear")
    await_counter(env, before, r"^recoveries$", timeout=3 * NOTICE)
    flows(env)
    check_equal(query(env, "-g")[way], length, "the rings' length")
    if env.driver == "rust_stmmac":
        check_equal(moved(before, counters(env), r"^([a-z]+_)?recoveries$|^reconfig"), {"reconfig_failures": 1, "recoveries": 1},
                    "recoveries and failures")


def down_wedged(env, kind, to_peer):
    """The DMA does not stop when the port goes down, or sleeps: it is reset while the PHY still gives it a clock."""
    need_model(env)
    env.defer(env.bring_up)
    log = KernelLog()
    for rest in (lambda: env.local.run("ip", "link", "set", env.ifname, "down"), lambda: sleep(env)):
        before = counters(env)
        wedge(env, kind, to_peer)
        rest()
        stop_failed(env, before)
        bad = [line for line in log.news() if "reset does not end" in line or "leaking" in line]
        check(not bad, f"{bad[:2]}")
        fault(env, "clear")
        env.bring_up()
        flows(env)


def stops_late(env, way):
    """The DMA goes on for a while after it was told to stop, and says so: what it uses is left to it."""
    need_model(env)
    env.defer(env.bring_up)
    before = counters(env)
    env.flood()
    for rest in (lambda: env.local.run("ip", "link", "set", env.ifname, "down"),
                 lambda: env.local.run("ethtool", "-G", env.ifname, way, "128"),
                 lambda: env.local.run("ethtool", "-G", env.ifname, way, "512")):
        # One that has nothing to do stops at once, and a slow machine may mend it meanwhile.
        if way == "tx" and env.driver == "rust_stmmac":
            fault(env, "tx-wedge", "until=clear")
            acts(env, "tx-wedge", True)
        fault(env, "stop-late", way, "us=3000", "count=100")
        rest()
        check(hits(env, "stop-late"), f"no {way} DMA stopped late")
        fault(env, "clear")
        env.bring_up()
    env.local.flood_stop()
    env.peer.flood_stop()
    fault(env, "clear")
    flows(env)
    # It is in time for who waits.
    if env.driver == "rust_stmmac":
        check_equal(moved(before, counters(env), r"^stop_failures$"), {}, "stop_failures")


def irq_drop_common(env):
    """An interrupt of the MAC's counters that is lost: who looks at them collects them, and the next one comes."""
    need_model(env)
    if len(env.vectors()) == 1:
        raise Skip("there is one vector for everything, which a pin that is lost silences")
    exceed, before = half_full(env), octets(env)
    fault(env, "irq-drop", "common")
    exceed()
    check_equal(hits(env, "irq-drop"), 1, "interrupts that were lost")
    check(octets(env) - before >= HALF, "what was counted before the interrupt is lost with it")
    exceed()
    exceed()
    check(octets(env) - before >= 3 * HALF, "no interrupt collects the counters after one was lost")
    flows(env)


def coalesce_wedged(env):
    """A frame that does not get out is not looked for all the time, with an interrupt for each frame and no time limit."""
    need_model(env)
    old, used = query(env, "-c"), query(env, "-l")
    env.defer(lambda: change(env, "-C", tx_usecs=old["tx-usecs"], tx_frames=old["tx-frames"]))
    check_equal(change(env, "-C", tx_usecs=0, tx_frames=1), 0, "status of ethtool -C tx-usecs 0 tx-frames 1")
    # What is received has the same channel polled.
    env.defer(lambda: change(env, "-L", rx=used["rx"], tx=used["tx"]))
    check_equal(change(env, "-L", rx=1, tx=1), 0, "status of ethtool -L rx 1 tx 1")
    fault(env, "tx-wedge", "until=clear")
    before = counters(env)
    push(env, True, 1)
    push(env, False, 10)
    time.sleep(1)
    polls = counters(env)["polls"] - before["polls"]
    check(polls < 1000, f"{polls} polls in a second of one frame in flight")
    fault(env, "clear")
    flows(env)


def spurious(env):
    """Interrupts without a cause are handled, not complained about."""
    need_model(env)
    for line in ("common", "rx", "tx"):
        fault(env, "irq-spurious", line, "count=200", "every=500")
    wait_for(lambda: hits(env, "irq-spurious") == 600, "600 spurious interrupts")
    flows(env)


def spurious_reset(env):
    """No handler touches the registers of a core that is being reset."""
    need_model(env)
    fault(env, "irq-spurious", "common", "every=20", "count=1000000")
    # Resets it twice.
    for _ in range(10):
        env.local.command(["ethtool", "-t", env.ifname, "offline"])
    check(hits(env, "irq-spurious") > 1000, "there were hardly any spurious interrupts")
    fault(env, "clear")
    env.wait_steady()
    flows(env)


if __name__ == "__main__":
    main(rx_crc,
         case("rx_overflow", counted, ("rx-overflow", "count=5"), False, r"overflow|missed",
              exact={"rx_fifo_overflows": 5, "rx.missed_errors": 5}),
         case("tx_underflow", counted, ("tx-underflow", "count=3"), True, r"underflow|undeflow|fifo",
              exact={"tx_errors": 3, "tx_underflows": 3}),
         after_underflow,
         case("rx_error", counted, ("rx-error", "phy", "count=5"), False, r"rx.*err", exact={"mac_rx_phy_error": 5, "rx.errors": 5}),
         case("rx_alignment", alignment),
         case("rx_length", garbage, "length", 4, r"rx.*(length|err|bad)", exact={"rx_errors": 4, "rx_bad_descriptors": 4}),
         case("rx_zero", garbage, "zero", 3, r"rx.*(length|err|bad)", exact={"rx_errors": 3, "rx_bad_descriptors": 3}),
         case("rx_flags", garbage, "flags", 5, r"rx.*err", least={"rx_errors": 5}),
         case("rx_no_first", garbage, "no-first", 3, r"rx.*(err|bad)", exact={"rx_errors": 3, "rx_bad_descriptors": 3}),
         case("rx_no_last", garbage, "no-last", 3, r"rx.*(err|bad)", exact={"rx_errors": 3, "rx_bad_descriptors": 3}),
         case("rx_context", garbage, "context", 3, r"rx.*(err|bad|timestamp)", exact={"rx_bad_descriptors": 3}),
         case("rx_ones", garbage, "ones", 3, r"rx.*(err|bad|timestamp)", exact={"rx_bad_descriptors": 3}),
         case("rx_random", garbage, "random", 16, r"rx.*(err|bad|timestamp)", least={"rx_bad_descriptors": 1}),
         case("rx_early", garbage, "early", 1, r"rx.*(err|bad)", exact={"rx_errors": 1, "rx_bad_descriptors": 1}),
         case("rx_never", wedged, ("rx-garbage", "never"), False),
         case("tx_status", counted, ("tx-garbage", "status", "count=4", "seed=5"), True, r"tx.*err", least={"tx_errors": 4}),
         case("tx_random", counted, ("tx-garbage", "random", "count=8", "seed=5"), True, r"tx.*err", least={"tx_errors": 1}),
         case("tx_context", counted, ("tx-garbage", "context", "count=3"), True, r"tx.*(err|bad)",
              exact={"tx_errors": 3, "tx_bad_descriptors": 3}),
         case("tx_early", given_back_early),
         case("tx_never", wedged, ("tx-garbage", "never", "count=8"), True),
         case("tx_forgotten", forgotten),
         case("held_paused", held, True),
         case("held_clock", held, False),
         *(case(f"bus_error_{at.replace('-', '_')}", bus_error, at)
           for at in ("rx-desc", "rx-buf", "rx-close", "tx-desc", "tx-buf", "tx-close")),
         *(case(f"restart_{kind.replace('-', '_')}", restarted, kind, kind[0] == "t") for kind in ("rx-wedge", "tx-wedge")),
         *(case(f"unstartable_{kind.replace('-', '_')}", unstartable, kind, kind[0] == "t") for kind in ("rx-wedge", "tx-wedge")),
         *(case(f"others_{kind.replace('-', '_')}", others, kind, kind[0] == "t") for kind in ("rx-wedge", "tx-wedge")),
         *(case(f"escalate_{kind.replace('-', '_')}", escalated, kind, kind[0] == "t") for kind in ("rx-wedge", "tx-wedge")),
         *(case(f"down_{kind.replace('-', '_')}", down_wedged, kind, kind[0] == "t") for kind in ("rx-wedge", "tx-wedge")),
         *(case(f"stops_late_{way}", stops_late, way) for way in ("rx", "tx")),
         *(case(f"changed_{kind.replace('-', '_')}", changed_wedged, kind, kind[0] == "t") for kind in ("rx-wedge", "tx-wedge")),
         *(case(f"{function.__name__}_{name}", function, way, stuck) for function in (fell_back, neither_starts)
           for name, way, stuck in (("reset", "rx", "reset"), ("rx", "rx", "start"), ("tx", "tx", "start"))),
         retried,
         case("revived_sleep", revived, "sleep"),
         case("revived_selftest", revived, "selftest"),
         case("revived_rings", revived, "rings"),
         case("irq_drop_rx", irq_drop, "rx"),
         case("irq_drop_tx", irq_drop, "tx"),
         lost_interrupt,
         irq_drop_common,
         irq_drop_all,
         coalesce_wedged,
         spurious,
         spurious_reset,
         case("stamp_lost_rx", stamp_lost, "rx"),
         case("stamp_promised", stamp_lost, "promised"),
         stamp_late,
         stamp_lost_tx,
         safety,
         safety_fatal,
         safety_deferred,
         safety_storm,
         safety_kept,
         flap,
         phy_gone,
         case("mdio_timeout", refused, ("mdio-timeout",), MDIO),
         case("reset_stuck", refused, ("reset-stuck",), RESET),
         *(case(f"clock_{name}", refused, ("clock-dead", name), RESET) for name in ("rx", "tx", "ptp")),
         # The first that needs it is the PHY.
         case("clock_csr", refused, ("clock-dead", "csr"), MDIO),
         clock_app)
