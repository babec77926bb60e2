#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Memory that runs out: every allocation that the driver makes fails once.

Needs a kernel with FAULT_INJECTION (fail-nth, debugfs, the stack trace filter)
and the driver as a module: only allocations on behalf of its code fail. With
FAULTS=all really each fails; without, beyond the first 60 of an operation
one in twenty, for most of these fill a ring. FAULTS_FROM=N begins with the Nth.
"""

import contextlib
import errno
import glob
import os

import leaks
from device import Device
from endpoint import PATIENCE
from lib import Failure, Progress, Skip, case, check, check_equal, main, note, wait_for

DEBUGFS = "/sys/kernel/debug"
INJECTORS = ("failslab", "fail_page_alloc")
DENSE = 60
# An interrupt vector that is not to be had is out of space.
OUT_OF_MEMORY = (errno.ENOMEM, errno.ENOSPC)
# What others make of it: __mdiobus_register() of any failure to register the bus, __request_region() of a region that it
# cannot allocate, ipv6_add_dev() of neighbour parameters.
NO_BUS = errno.EINVAL
NO_REGION = errno.EBUSY
NO_NEIGHBOURS = errno.ENOBUFS
# Datagrams that are sent at once, and how often: more than the page pool has at hand.
BURST, BURSTS = 16, 16
# linux/devlink.h
DEVLINK_CMD_HEALTH_REPORTER_DUMP_GET, DEVLINK_CMD_HEALTH_REPORTER_DUMP_CLEAR = 56, 57
DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME, DEVLINK_ATTR_HEALTH_REPORTER_NAME = 1, 2, 115


def set_injector(kind, **values):
    for name, value in values.items():
        path = f"{DEBUGFS}/{kind}/{name.replace('_', '-')}"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))


def text_of(module):
    """First and last address of a module's code."""
    for line in leaks.read("/proc/modules").splitlines():
        words = line.split()
        if words[0] == module:
            start = int(words[5], 16)
            return start, start + int(words[1])
    raise Skip(f"{module} is not a module: its allocations cannot be told from others")


def text_of_function(name):
    """First address of a function of the kernel's and that of what follows; zeros if there is none."""
    symbols = [line.split()[:3] for line in leaks.read("/proc/kallsyms").splitlines()]
    start = next((int(address, 16) for address, _, symbol in symbols if symbol == name), 0)
    return start, min((int(address, 16) for address, *_ in symbols if int(address, 16) > start), default=0) if start else 0


def prepare(env):
    """Lets fail what the driver's code allocates, once somebody asks for it."""
    env.need_pci()
    if not os.path.exists("/proc/thread-self/fail-nth") or not os.path.exists(f"{DEBUGFS}/failslab/require-start"):
        raise Skip("the kernel injects no faults: FAULT_INJECTION, FAILSLAB, FAIL_PAGE_ALLOC and the stack trace filter are needed")
    module = os.path.basename(os.path.realpath(f"/sys/bus/pci/drivers/{env.driver}/module"))
    start, end = text_of(module)
    for kind in INJECTORS:
        env.defer(lambda kind=kind: set_injector(kind, probability=0, require_start=0, require_end="0xffffffffffffffff",
                                                 ignore_gfp_wait="Y", ignore_gfp_highmem="Y", min_order=1))
        set_injector(kind, probability=0, verbose=0, task_filter="N", stacktrace_depth=32, require_start=hex(start),
                     require_end=hex(end), ignore_gfp_wait="N", ignore_gfp_highmem="N", min_order=0)
    return Device(env)


def failing(nth, operate, tasks):
    """Runs operate() with the nth allocation of each of the tasks failing:
    (whether it came to that, the error or None)."""
    with contextlib.ExitStack() as stack:
        fails = []
        for task in tasks:
            fails.append(os.open(f"/proc/{task}/fail-nth", os.O_RDWR))
            stack.callback(os.close, fails[-1])
            stack.callback(os.pwrite, fails[-1], b"0", 0)
            os.pwrite(fails[-1], b"%d" % nth, 0)
        error = None
        try:
            operate()
        except OSError as err:
            error = err
        left = [int(os.pread(fail, 16, 0)) for fail in fails]
    return 0 in left, error


def each_allocation(what, operate, verify, errors=OUT_OF_MEMORY, leaked=lambda: None, tasks=("thread-self",)):
    """Fails the allocations of operate(), one a time; verify(error) looks at
    what is left and brings back the state of before. leaked() is asked now and
    then, for it takes long. tasks: whose allocations these are."""
    nth, tried, coped = int(os.environ.get("FAULTS_FROM") or 1), 0, 0
    progress = Progress()
    while True:
        hit, error = failing(nth, operate, tasks)
        if not hit:
            check(error is None, f"{what} failed without a failing allocation: {error}")
            verify(None)
            break
        tried += 1
        coped += error is None
        progress(f"{what}: at allocation {nth}")
        check(error is None or error.errno in errors,
              f"{what} with allocation {nth} failing: {error}, not ENOMEM")
        try:
            verify(error)
        except Exception as err:
            raise type(err)(f"after allocation {nth} of {what} failed ({error or 'which it did without'}): {err}") from None
        if tried % 16 == 0:
            leaked()
        nth += 1 if nth < DENSE or os.environ.get("FAULTS") == "all" else nth // 20
    leaked()
    check(tried, f"{what} allocates nothing")
    note(f"{what}: {tried} of {nth - 1} allocations failed, {coped} of these it did without")


def mappings(env):
    return len(leaks.dma_mappings(env.pci)) if leaks.watches_dma() else 0


def same_mappings(env):
    """Checks that there are as many as now."""
    before = mappings(env)
    return lambda: check_equal(mappings(env), before, "DMA mappings")


def probe(env):
    device = prepare(env)
    del device
    driver = env.driver
    bind = f"/sys/bus/pci/drivers/{driver}/bind"

    def rescue():
        if not env.driver_of_pci(env.pci):
            env.local.write(bind, env.pci)
        env.adopt()
    env.defer(rescue)
    env.unbind()
    check_equal(mappings(env), 0, "DMA mappings of an unbound device")

    def operate():
        fd = os.open(bind, os.O_WRONLY)
        try:
            os.write(fd, env.pci.encode())
        finally:
            os.close(fd)

    def verify(error):
        if error is None:
            env.local.write(f"/sys/bus/pci/drivers/{driver}/unbind", env.pci)
        check(env.driver_of_pci(env.pci) is None, "the device is bound although its probe failed")
        check(env.netdev_of(env.pci) is None, "the interface is there although its probe failed")
    each_allocation("probe", operate, verify, (*OUT_OF_MEMORY, NO_BUS, NO_REGION, NO_NEIGHBOURS), same_mappings(env))
    rescue()
    env.tcp(True)
    env.tcp(False)


def small_rings(env, device):
    """Short rings, and at most two of each kind: with more it would be the same again."""
    old, (channels, _) = device.rings(), device.channels()
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(device.set_channels, *channels)
    env.defer(device.set_rings, *old)
    device.set_rings(64, 64)
    device.set_channels(*(min(count, 2) for count in channels))


def open_close(env):
    device = prepare(env)
    small_rings(env, device)
    device.up(False)
    env.defer(env.bring_up)

    def verify(error):
        if error is None:
            device.up(False)
        check(not device.is_up(), "the interface is up although its open failed")
    each_allocation("open", lambda: device.up(True), verify, leaked=same_mappings(env))
    env.bring_up()
    env.tcp(True)
    env.tcp(False)


def change(env, what, get, put, values):
    """Changes a setting of the running interface between two values: one that
    failed leaves the old value, and the interface works."""
    old = get()
    env.defer(env.reopen, env.local, env.ifname)
    env.defer(put, old)
    put(values[0])
    env.wait_link()

    def verify(error):
        expected = values[1] if error is None else values[0]
        check_equal(get(), expected, f"{what} now")
        check(device_works(env), "the interface does not work any more")
        if error is None:
            put(values[0])
    each_allocation(f"a change of {what}", lambda: put(values[1]), verify)
    env.wait_link()
    env.tcp(True)
    env.tcp(False)


def device_works(env):
    # The first may be lost while addresses are resolved.
    return any(env.answers() for _ in range(5))


def ring_change(env):
    device = prepare(env)
    small_rings(env, device)
    change(env, "ring sizes", device.rings, lambda sizes: device.set_rings(*sizes), ((64, 64), (128, 128)))


def mtu_change(env):
    device = prepare(env)
    small_rings(env, device)
    change(env, "MTU", lambda: int(env.local.sys("mtu")), device.mtu, (1500, 2000))


def channels_change(env):
    device = prepare(env)
    current, most = device.channels()
    fewer = tuple(min(count, 1) for count in current)
    if fewer == current:
        raise Skip("the device has one channel")
    small_rings(env, device)
    more = tuple(min(count, 2 * one) for count, one in zip(most, fewer))
    change(env, "channels", lambda: device.channels()[0], lambda values: device.set_channels(*values), (fewer, more))


def dump(env):
    """Of the channels, by devlink health: what there is no memory for is an
    error, and no dump with gaps that stays."""
    small_rings(env, prepare(env))
    try:
        family = leaks.netlink_family("devlink")
    except OSError:
        raise Skip("the kernel has no devlink") from None
    reporter = b"".join(leaks.string_attribute(*words) for words in (
        (DEVLINK_ATTR_BUS_NAME, "pci"), (DEVLINK_ATTR_DEV_NAME, env.pci), (DEVLINK_ATTR_HEALTH_REPORTER_NAME, "hw")))
    taken = []

    def clear():
        list(leaks.generic_netlink(family, leaks.NLM_F_ACK, DEVLINK_CMD_HEALTH_REPORTER_DUMP_CLEAR, reporter))

    def operate():
        taken[:] = leaks.generic_netlink(family, leaks.NLM_F_DUMP, DEVLINK_CMD_HEALTH_REPORTER_DUMP_GET, reporter)

    def verify(error):
        if error is None:
            check(b"DMA_Debug_Status" in b"".join(value for part in taken for value in part.values()), "no registers in the dump")
        clear()
    try:
        clear()
    except OSError as err:
        raise Skip(f"{env.driver} has no health reporter: {err}") from None
    each_allocation("a dump", operate, verify)
    check(device_works(env), "the interface does not work any more")


def poll_threads(ifname):
    """The threads that poll for the interface."""
    threads = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        # Others may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if leaks.read(path).startswith(f"napi/{ifname}-"):
                threads.append(path.split("/")[2])
    return threads


def receive_each(env):
    """What threads receive of one burst after another, each time with one
    allocation less: at most one datagram is lost, and nothing of the next."""
    device = prepare(env)
    env.need_threads()
    allocations_of_reception(env)
    small_rings(env, device)
    device.set_channels(*(min(count, 1) for count in device.channels()[0]))
    env.wait_link()
    threaded = f"/sys/class/net/{env.ifname}/threaded"
    env.defer(env.local.write, threaded, "0")
    env.local.write(threaded, "1")
    threads = wait_for(lambda: poll_threads(env.ifname), "a thread that polls")
    source, _ = env.peer.udp_open(env.peer_v4)
    env.defer(env.peer.close, source)
    marks, marks_port = env.local.udp_open(env.v4)
    env.defer(env.local.close, marks)
    before, all_lost, marked, got = env.statistics()["rx_no_memory"], 0, 0, 0

    def passed():
        """What comes after a burst tells that it has been received; it can be what is lost."""
        mark = b"%d" % marked
        env.peer.udp_send(source, env.v4, marks_port, [mark])
        return mark in env.local.udp_recv(marks, 1, timeout=1)

    def operate():
        nonlocal marked, got
        # What nobody reads keeps its pages, so that others are needed.
        sink, port = env.local.udp_open(env.v4)
        try:
            for _ in range(BURSTS):
                env.peer.udp_send(source, env.v4, port, [bytes(1000)] * BURST)
                marked += 1
                wait_for(passed, "the reception of a burst")
            got = len(env.local.udp_recv(sink, BURSTS * BURST, timeout=0))
        finally:
            env.local.close(sink)

    def verify(error):
        nonlocal all_lost
        check(error is None, f"{error}")
        lost = BURSTS * BURST - got
        all_lost += lost
        check(lost <= 1, f"{lost} datagrams lost")
        env.udp([1000] * BURST, False)
    operate()
    each_allocation("reception", operate, verify, tasks=threads)
    no_memory = env.statistics()["rx_no_memory"] - before
    note(f"{all_lost} datagrams lost, rx_no_memory {no_memory}")
    check(no_memory, "rx_no_memory does not count")


def allocations_of_reception(env):
    """Only what cannot wait fails: that is reception."""
    # The kernel's own watch over mappings allocates, and ends if that fails.
    start, end = text_of_function("debug_dma_map_phys")
    for kind in INJECTORS:
        env.defer(lambda kind=kind: set_injector(kind, reject_start=0, reject_end=0))
        set_injector(kind, ignore_gfp_wait="Y", reject_start=hex(start), reject_end=hex(end))


def receive(env):
    """One in five of the buffers and packets that are allocated for reception
    is not to be had: streams arrive intact, and when that is over nothing is lost."""
    prepare(env)
    plenty, before = 1 << 20, env.statistics()
    names = ("rx_no_memory", "rx_refill_failed") if env.driver == "rust_stmmac" else ()
    sink, port = env.local.udp_open(env.v4)
    source, _ = env.peer.udp_open(env.peer_v4)
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, source)

    def counted():
        return {name: value - before[name] for name, value in env.statistics().items() if name in names}

    def no_packets():
        env.tcp(False, size=1 << 20)
        return counted().get("rx_no_memory") != 0

    def no_pages():
        # What nobody reads keeps its pages: others are needed.
        env.peer.udp_send(source, env.v4, port, [bytes(1000)] * 64)
        return counted().get("rx_refill_failed") != 0
    allocations_of_reception(env)
    for kind in INJECTORS:
        set_injector(kind, interval=1, times=plenty, probability=20)
    env.tcp(True, size=256 << 10)
    try:
        wait_for(no_packets, "", timeout=PATIENCE)
        wait_for(no_pages, "", timeout=PATIENCE)
    except Failure as err:
        if "did not happen" not in str(err):
            raise
    failed = {kind: plenty - int(leaks.read(f"{DEBUGFS}/{kind}/times")) for kind in INJECTORS}
    for kind in INJECTORS:
        set_injector(kind, probability=0)
    # What the stack allocates in the driver's polls fails, too: that alone is not enough.
    note(f"allocations that failed: {failed}; counted: {counted()}")
    for kind, times in failed.items():
        check(times, f"nothing that {kind} could make fail was allocated")
    check(len(counted()) == len(names) and all(counted().values()), f"not counted: {counted()} of {failed}")
    env.udp([1000] * 200, False)
    env.udp([1000] * 200, True)


if __name__ == "__main__":
    main(probe, case("open", open_close), ring_change, mtu_change, channels_change, dump, receive, receive_each)
