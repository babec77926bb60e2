#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Strict mode of the device model: a rule of the hardware that is broken fails the case that breaks it."""

import contextlib
import mmap

from lib import Failure, Skip, check, check_equal, kind_of, main, run_case, unknown_violations

# GMAC4: read-only, so that a write does nothing but break a rule.
VERSION = 0x110


@contextlib.contextmanager
def breaking(env):
    """For what breaks rules; afterwards nobody knows. Not deferred: run_case() inside would run that."""
    if not env.model.have():
        raise Skip("no device model (modelctl) to watch the driver")
    if env.model.about()["strict"] != "on":
        raise Skip("strict mode is not on")
    # They would be forgotten, too.
    before = unknown_violations([violation["line"] for violation in env.model.ask(cmd="strict")], kind_of(env.driver))
    if before:
        raise Skip(f"there are violations already: {before[0]}")
    env.need_pci()
    try:
        yield
    finally:
        env.model.ctl("strict", env.model.port, "clear")
        env.model.violations()


def poke(env):
    """What a driver would do that takes the register for another one."""
    with open(f"/sys/bus/pci/devices/{env.pci}/resource0", "r+b", buffering=0) as file, mmap.mmap(file.fileno(), 4096) as bar:
        # One access of 32 bits.
        with memoryview(bar) as view, view.cast("I") as words:
            words[VERSION // 4] = 0
    env.settled()


def fails(env):
    """That case, whatever else becomes of it, each time, and no other."""
    with breaking(env):
        for error, word in ((None, ""), (Skip("not here"), ""), (Failure("something else"), "something else")):
            def inner(env, error=error):
                poke(env)
                if error:
                    raise error
            result, text = run_case(env, inner)
            check_equal(result, "fail", f"result of a case that breaks a rule and ends with {error!r}")
            check("broke a rule" in text and "read-only" in text and word in text, f"it failed, but said: {text}")
            check_equal(run_case(env, lambda _: None), ("ok", ""), "the next case, which does nothing")


if __name__ == "__main__":
    main(fails)
