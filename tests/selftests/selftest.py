#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ethtool -t: the device's own tests pass, tell what they tested, and leave everything as it was."""

import re

from lib import Skip, case, check, check_equal, main, wait_for
from stats import quiet
from vlan import S_TAG, choose_receive

RESULT = re.compile(r"^(.+?)\s+(-?\d+)$")
EOPNOTSUPP, ETIMEDOUT = -95, -110
LEAST = 31
# How many tests there are, of all of which the result must be told.
TESTS = {"rust_stmmac": 39, "stmmaceth": 31, "intel-eth-pci": 31}
# What is answered with -95 in the lab, by driver and vendor of the function: no more and no less. Ours: 16c3:7102 has a clock of
# a rate that nobody knows, and headers are not split on Intel's ids. The reasons of the C driver are in model/MODEL.md.
C = {"Perfect Filter UC", "MC Filter", "UC Filter", "RSS", "SVLAN Filtering (perf)", "Flexible RX Parser", "SVLAN TX Insertion",
     "TBS (ETF Scheduler)"}
UNSUPPORTED = {("rust_stmmac", "0x16c3"): {"clock"}, ("rust_stmmac", "0x8086"): {"split headers"},
               ("stmmaceth", "0x16c3"): C, ("intel-eth-pci", "0x8086"): C | {"Split Header"}}
# What is known to fail, by driver and vendor of the function, and its result: that and no other. stmmac_pci.c gives no CSR clock,
# so dwmac4_core_init() writes 0xfff into MAC_1US_Tic_Counter, and LPI is entered after 20 times what was asked for, when
# stmmac_test_eee() has given up.
DEFECTS = {("stmmaceth", "0x16c3"): {"EEE": ETIMEDOUT}}
# What fails besides from the second run on, until the interface is opened anew. With a vector per queue, the handler of the
# common one, stmmac_mac_interrupt(), acknowledges no event of a DMA channel. To stop the receive DMA leaves RPS pending
# (DMA_CH_Status 0x4104, and RSE is enabled) in channels that receive nothing afterwards; so the common line stays up, and there
# is no further message when LPI is entered, for which stmmac_test_eee() waits in vain.
DEFECTS_AGAIN = {("intel-eth-pci", "0x8086"): {"EEE": ETIMEDOUT}}


def core(env):
    return env.driver, env.local.read(f"/sys/bus/pci/devices/{env.pci}/vendor") if env.pci else None


def fresh(env):
    """What runs before have left is no matter of this case."""
    if core(env) in DEFECTS_AGAIN:
        env.reopen(env.local, env.ifname)


def run(env, mode="offline"):
    """[passed, {name: result}] of a run."""
    _, out, err = env.local.command(["ethtool", "-t", env.ifname, mode], timeout=120)
    verdict = re.search(r"The test result is (PASS|FAIL)", out)
    if not verdict:
        env.absent(f"no self-tests: {err.strip() or out.strip()}")
    # The C driver numbers its tests.
    found = [RESULT.match(re.sub(r"^\s*(\d+\. )?", "", line).strip()) for line in out.splitlines()[2:]]
    results = {match[1].strip(): int(match[2]) for match in found if match}
    # ethtool of some versions shows the lower half without its sign.
    return verdict[1] == "PASS", {name: value - (1 << 32) if value >= 1 << 31 else value for name, value in results.items()}


def failed(results):
    return {name: value for name, value in results.items() if value not in (0, EOPNOTSUPP)}


def passed(env, mode, again=False, busy=False):
    """Runs them; all but what the driver is known for must pass. `again`: not for the first time since the interface was opened.
    `busy`: amid traffic, where this may come with the first run, too."""
    good, results = run(env, mode)
    expected = dict(DEFECTS.get(core(env), {})) if env.model.have() else {}
    others = DEFECTS_AGAIN.get(core(env), {}) if len(env.vectors()) > 1 else {}
    if again or busy and failed(results) == expected | others:
        expected |= others
    check_equal(failed(results), expected, f"what failed, all told {results}")
    check_equal(good, not expected, "the verdict 'PASS'")
    return results


def offline(env):
    """All of them, but for what this hardware does not claim."""
    fresh(env)
    results = passed(env, "offline")
    check(len(results) >= LEAST, f"{len(results)} tests only")
    missing = {name for name, value in results.items() if value == EOPNOTSUPP}
    if env.model.have():
        check_equal(len(results), TESTS[env.driver], f"number of tests in {sorted(results)}")
        check_equal(sorted(missing), sorted(UNSUPPORTED[core(env)]), "tests of what is not supported")
    # Other cores claim more or less.
    check(2 * len(missing) < len(results), f"only {len(results) - len(missing)} of {len(results)} tests were run")
    env.wait_link()
    env.ping()


def online(env):
    """Without a gap in what others send."""
    before = env.changes()
    env.flood()
    good, results = run(env, "online")
    if not good and env.driver != "rust_stmmac":
        raise Skip("offline tests only")
    check(good, f"failed: {results}")
    check_equal(env.changes(), before, "carrier changes during online tests")
    env.ping()


def restored(env):
    """Settings, filters and link are the same; nothing of the tests is left."""
    queries = ("-k", "-c", "-g", "-l", "-a", "--show-eee", "")

    def shown():
        state = {}
        for query in queries:
            status, out, _ = env.local.command(["ethtool", *([query] if query else []), env.ifname])
            state[query] = None if status else out
        link = env.local.link()
        state["link"] = {key: link.get(key) for key in ("flags", "mtu", "address", "promiscuity", "allmulti", "operstate")}
        return state
    fresh(env)
    before, changes = shown(), env.changes()
    passed(env, "offline")
    check_equal(shown(), before, "what ethtool and ip show after the tests")
    if env.driver == "rust_stmmac":
        check_equal(env.changes(), changes, "carrier changes during the tests")
    env.wait_link()
    env.tcp(True)
    env.tcp(False)
    env.udp([60, 700, 1472] * 5)


def repeated(env):
    fresh(env)
    for number in range(3):
        passed(env, "offline", again=number > 0)
    env.wait_link()
    env.tcp(True)


def under_traffic(env):
    """What the stack wants to send meanwhile does not fail a test, nor a test what it sends afterwards."""
    fresh(env)
    env.local.flood_start(env.peer_v4)
    env.defer(env.local.flood_stop)
    passed(env, "offline", busy=True)
    env.local.flood_stop()
    env.wait_link()
    env.tcp(True)
    env.tcp(False)


def nothing_leaks(env):
    """The peer sees none of the frames that are not for everybody."""
    fresh(env)
    sink = env.peer.raw_open()
    env.defer(env.peer.close, sink)
    passed(env, "offline")
    env.wait_link()
    got = env.peer.raw_recv(sink, timeout=1)
    mine = [data for _, data in got if b"ssdw" in data[:64] and data[:6] == bytes.fromhex(env.peer_mac.replace(":", ""))]
    check(not mine, f"{len(mine)} frames of the tests went to the peer")


def settings_kept(env):
    """Other than the default ones are in force again."""
    env.feature("rx-checksumming", False)
    env.set_mtu(2000)
    passed(env, "offline")
    env.wait_link()
    env.ping(size=1972)
    check("rx-checksumming: off" in env.local.run("ethtool", "-k", env.ifname), "receive checksums are on after the tests")


def service_tags(env):
    """With what is for service tags on, instead of what is for customer tags."""
    fresh(env)
    choose_receive(env, S_TAG, strip=True, filtering=True)
    passed(env, "offline")


def while_down(env):
    """What cannot be tested is said; the interface comes up as ever."""
    env.defer(env.bring_up)
    env.local.run("ip", "link", "set", env.ifname, "down")
    good, results = run(env)
    check(not good, f"passed without a link: {results}")
    env.bring_up()
    env.tcp(True)


def no_carrier(env):
    """Without a link the link test fails; the others do as they did."""
    if env.driver != "rust_stmmac":
        raise Skip("needs a link for all tests")
    env.defer(env.bring_up)
    env.peer.run("ip", "link", "set", env.peer_ifname, "down")
    if not env.model.have():
        raise Skip("the peer's interface may keep the link")
    wait_for(lambda: not env.local.carrier(), "the loss of the carrier")
    good, results = run(env)
    check(not good and list(failed(results)) == ["link"], f"failed: {failed(results)}")


def broken(env, words, test):
    """Of hardware that fails once, the test that meets it tells, and no other; the port works afterwards."""
    if env.driver != "rust_stmmac":
        raise Skip("which test meets the fault depends on the order of the driver's")
    if not env.model.have():
        raise Skip("no device model (modelctl) to inject faults")
    # What the stack sends by itself must not meet it.
    quiet(env)
    env.defer(env.wait_link)
    env.defer(env.model.ctl, "fault", env.model.port, "clear")
    env.model.ctl("fault", env.model.port, *words)
    good, results = run(env)
    check(not good and list(failed(results)) == [test], f"failed: {failed(results)}, but {' '.join(words)} breaks '{test}'")
    env.model.ctl("fault", env.model.port, "clear")
    passed(env, "offline")
    env.wait_link()
    env.tcp(True)
    env.tcp(False)


if __name__ == "__main__":
    main(offline, online, restored, repeated, under_traffic, nothing_leaks, settings_kept, service_tags, while_down, no_carrier,
         case("broken_crc", broken, ("rx-crc",), "loopback"),
         case("broken_descriptor", broken, ("rx-garbage", "no-last"), "loopback"),
         case("broken_sender", broken, ("tx-underflow",), "loopback"))
