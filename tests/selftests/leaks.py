#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What drivers have left behind: DMA mappings, page pools, unreferenced memory.

To be run when they are unloaded, on a kernel with DMA_API_DEBUG and
DEBUG_KMEMLEAK. Findings also go into the kernel log, marked 'lab-leaks:'.
The other tests use the functions.
"""

import glob
import os
import socket
import struct
import sys
import time

DEBUGFS = "/sys/kernel/debug"
KMEMLEAK = f"{DEBUGFS}/kmemleak"
DMA_API = f"{DEBUGFS}/dma-api"
# An object younger than this is none for kmemleak.
KMEMLEAK_AGE = 5
ETHERNET = "0x020000"

# linux/genetlink.h, linux/netdev.h
NETLINK_GENERIC = 16
GENL_ID_CTRL = 0x10
CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 3, 1, 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NETDEV_CMD_PAGE_POOL_GET = 5
PAGE_POOL = {1: "id", 2: "ifindex", 4: "inflight", 6: "detach-time"}


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def ethernet_functions():
    """The PCI addresses of all Ethernet controllers."""
    return [os.path.basename(path) for path in sorted(glob.glob("/sys/bus/pci/devices/*"))
            if read(f"{path}/class").strip() == ETHERNET]


# -- DMA mappings

def watches_dma():
    return os.path.exists(f"{DMA_API}/dump") and read(f"{DMA_API}/disabled").strip() == "N"


def dma_mappings(pci):
    """The mappings of a PCI function that exist now, as the kernel lists them."""
    return [line for line in read(f"{DMA_API}/dump").splitlines() if line.split()[1] == pci]


def dma_errors():
    """Misuse of the DMA API since boot; only the first is in the kernel log."""
    return int(read(f"{DMA_API}/error_count"))


# -- page pools

def attributes(data):
    """(type, value) of netlink attributes."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3:]


def generic_netlink(family, flags, command, payload=b""):
    """The attributes of each answer to a generic netlink request."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as sock:
        sock.settimeout(10)
        body = struct.pack("=BBH", command, 1, 0) + payload
        sock.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data = sock.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    error = struct.unpack_from("=i", data, 16)[0]
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return
                yield dict(attributes(data[20:length]))
                data = data[(length + 3) & ~3:]


def string_attribute(kind, text):
    value = text.encode() + b"\0"
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def netlink_family(name):
    answers = list(generic_netlink(GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY, string_attribute(CTRL_ATTR_FAMILY_NAME, name)))
    return struct.unpack("=H", answers[0][CTRL_ATTR_FAMILY_ID])[0]


def page_pools():
    """The page pools of this namespace's interfaces; those of an interface
    that is gone belong to lo. A pool that its driver did not connect with an
    interface is not seen: of these the kernel says so after a minute."""
    try:
        pools = list(generic_netlink(netlink_family("netdev"), NLM_F_DUMP, NETDEV_CMD_PAGE_POOL_GET))
    except OSError:
        return []
    return [{PAGE_POOL[key]: int.from_bytes(value, sys.byteorder) for key, value in pool.items() if key in PAGE_POOL}
            for pool in pools]


# -- memory

def watches_memory():
    return os.path.exists(KMEMLEAK)


def kmemleak_command(command):
    with open(KMEMLEAK, "w", encoding="ascii") as file:
        file.write(command)


def unreferenced():
    """Objects that nothing refers to any more, each as the kernel describes
    it. The first scan finds what the second confirms: a reference may have been
    on its way."""
    start = time.monotonic()
    kmemleak_command("scan")
    time.sleep(max(0.0, KMEMLEAK_AGE + 1 - (time.monotonic() - start)))
    kmemleak_command("scan")
    objects = []
    for line in read(KMEMLEAK).splitlines():
        if line.startswith("unreferenced object"):
            objects.append(line)
        elif objects:
            objects[-1] += "\n" + line
    return objects


def forget():
    """What is unreferenced now shall not be reported again."""
    kmemleak_command("clear")


def findings():
    """Everything that must not be there without a driver."""
    found = []
    if watches_dma():
        for pci in ethernet_functions():
            if not os.path.exists(f"/sys/bus/pci/devices/{pci}/driver"):
                found += [f"DMA mapping: {line}" for line in dma_mappings(pci)]
        if dma_errors():
            found.append(f"{dma_errors()} errors in the use of the DMA API, see the kernel log")
    pools = page_pools()
    end = time.monotonic() + 5
    while pools and time.monotonic() < end:  # skbs that sockets are about to free
        time.sleep(0.1)
        pools = page_pools()
    found += [f"page pool: {pool}" for pool in pools]
    if watches_memory():
        found += unreferenced()
    return found


def main():
    start = time.monotonic()
    found = findings()
    for text in found:
        with open("/dev/kmsg", "w", encoding="utf-8") as log:
            for line in text.splitlines():
                log.write(f"<3>lab-leaks: {line}\n")
                log.flush()
        print(f"# left behind: {text}", flush=True)
    print(f"# leak check: {len(found)} findings ({time.monotonic() - start:.0f} s)", flush=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
