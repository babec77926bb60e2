#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Two drivers claim the device: driver_override chooses, and either carries traffic."""

import os

from lib import Skip, case, check, check_equal, main

RUST = "rust_stmmac"
C = ("dwmac_intel", "stmmac_pci")


def candidates(env):
    """kind -> (module, PCI driver) for the modules that claim the device."""
    env.need_pci()
    alias = env.local.read(f"/sys/bus/pci/devices/{env.pci}/modalias")
    status, out, _ = env.local.command(["modprobe", "-R", alias])
    modules = out.split() if status == 0 else []
    found = {}
    for kind, names in (("rust", (RUST,)), ("c", C)):
        module = next((name for name in names if name in modules), None)
        if not module:
            raise Skip(f"no {kind} driver among the modules for {env.pci}: {' '.join(modules) or 'none'}")
        env.local.run("modprobe", module)
        drivers = [name for name in os.listdir(f"/sys/module/{module}/drivers") if name.startswith("pci:")]
        check_equal(len(drivers), 1, f"PCI drivers of {module}")
        found[kind] = module, drivers[0].removeprefix("pci:")
    return found


def override(env, name):
    env.local.write(f"/sys/bus/pci/devices/{env.pci}/driver_override", f"{name}\n")


def probe(env):
    env.local.write("/sys/bus/pci/drivers_probe", env.pci)


def watch(env, driver):
    """Strict mode looks away while the C driver has the device, or may get it: what that breaks is no failure of ours."""
    if env.model.have():
        env.model.ctl("strict", env.model.port, env.strict if driver == RUST else "off")


def switch(env, driver):
    if env.driver_of_pci(env.pci):
        env.unbind()
    watch(env, driver)
    override(env, driver)
    probe(env)
    check_equal(env.driver_of_pci(env.pci), driver, "driver after driver_override")
    env.adopt()


def keep(env):
    """The driver, the override and the strict mode of before, after the case."""
    if env.model.have():
        env.strict = env.model.about()["strict"]
        env.defer(env.model.ctl, "strict", env.model.port, env.strict)
    driver = env.driver
    old = env.local.read(f"/sys/bus/pci/devices/{env.pci}/driver_override")

    def back():
        if env.driver_of_pci(env.pci) != driver:
            switch(env, driver)
        override(env, "" if old == "(null)" else old)
    env.defer(back)


def traffic(env):
    env.ping(size=1400)
    env.ping(env.peer_v6, size=1400)
    for to_peer in (True, False):
        env.tcp(to_peer)
        env.udp([1, 1000, 1472], to_peer)


def choose(env, kinds):
    found = candidates(env)
    keep(env)
    for kind in kinds:
        switch(env, found[kind][1])
        traffic(env)


def respected(env):
    """An override keeps the other driver away, also from an explicit bind."""
    found = candidates(env)
    keep(env)
    for kind, other in (("rust", "c"), ("c", "rust")):
        if env.driver_of_pci(env.pci):
            env.unbind()
        # Even if the C driver takes what is not meant for it.
        watch(env, found["c"][1])
        override(env, found[kind][1])
        try:
            env.local.write(f"/sys/bus/pci/drivers/{found[other][1]}/bind", env.pci)
        except OSError:
            pass
        check(env.driver_of_pci(env.pci) is None, f"{found[other][1]} took a device that is meant for {found[kind][1]}")
        watch(env, found[kind][1])
        probe(env)
        check_equal(env.driver_of_pci(env.pci), found[kind][1], "driver after drivers_probe")


def load_order(env, kind):
    """Loaded first, the other driver leaves a device alone that has an override."""
    found = candidates(env)
    keep(env)
    shared = env.peer_pci and env.driver_of_pci(env.peer_pci) == found[kind][1]
    if shared:
        # Unloading would take the peer along.
        raise Skip(f"the peer's port uses {found[kind][1]} too")
    env.unbind()
    watch(env, found[kind][1])
    env.local.run("modprobe", "-r", found[kind][0])
    override(env, found[kind][1])
    probe(env)
    check(env.driver_of_pci(env.pci) is None, f"{env.driver_of_pci(env.pci)} took a device that is meant for another")
    env.local.run("modprobe", found[kind][0])
    check_equal(env.driver_of_pci(env.pci), found[kind][1], f"driver after modprobe {found[kind][0]}")
    env.adopt()
    traffic(env)


if __name__ == "__main__":
    main(case("rust", choose, ("rust",)),
         case("c", choose, ("c",)),
         case("back_and_forth", choose, ("rust", "c", "rust", "c")),
         respected,
         case("load_order_rust", load_order, "rust"),
         case("load_order_c", load_order, "c"))
