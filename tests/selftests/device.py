# SPDX-License-Identifier: GPL-2.0
"""Changes of an interface by single system calls of the calling thread: quick,
and what a call allocates can be told from what others do."""

import ctypes
import fcntl
import socket
import struct

# linux/sockios.h, linux/if.h, linux/ethtool.h
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, SIOCETHTOOL = 0x8913, 0x8914, 0x8922, 0x8946
IFF_UP = 1
ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM = 0x10, 0x11
ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS = 0x3C, 0x3D


class Device:
    """Operations on the interface as single system calls of this thread."""

    def __init__(self, env):
        self.env = env
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def ioctl(self, request, payload):
        name = self.env.ifname.encode()
        return fcntl.ioctl(self.sock, request, struct.pack("16s24s", name, payload))

    def is_up(self):
        flags = struct.unpack_from("h", self.ioctl(SIOCGIFFLAGS, b""), 16)[0]
        return bool(flags & IFF_UP)

    def up(self, up):
        flags = struct.unpack_from("h", self.ioctl(SIOCGIFFLAGS, b""), 16)[0]
        self.ioctl(SIOCSIFFLAGS, struct.pack("h", flags | IFF_UP if up else flags & ~IFF_UP))

    def mtu(self, value):
        self.ioctl(SIOCSIFMTU, struct.pack("i", value))

    def ethtool(self, *words):
        buffer = ctypes.create_string_buffer(struct.pack(f"{len(words)}I", *words))
        self.ioctl(SIOCETHTOOL, struct.pack("P", ctypes.addressof(buffer)))
        return struct.unpack_from(f"{len(words)}I", buffer)

    def get(self, command):
        return list(self.ethtool(command, *[0] * 8))

    def rings(self):
        """(receive, transmit)"""
        words = self.get(ETHTOOL_GRINGPARAM)
        return words[5], words[8]

    def set_rings(self, rx, tx):
        words = self.get(ETHTOOL_GRINGPARAM)
        words[0], words[5], words[8] = ETHTOOL_SRINGPARAM, rx, tx
        self.ethtool(*words)

    def channels(self):
        """(receive, transmit, combined) in use, and the most of each"""
        words = self.get(ETHTOOL_GCHANNELS)
        return (words[5], words[6], words[8]), (words[1], words[2], words[4])

    def set_channels(self, rx, tx, combined):
        words = self.get(ETHTOOL_GCHANNELS)
        words[0], words[5], words[6], words[8] = ETHTOOL_SCHANNELS, rx, tx, combined
        self.ethtool(*words)
