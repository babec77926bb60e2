#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Raw frames of every critical size in both directions, compared byte for byte.

Sizes are what the wire carries without the frame check sequence: header and
payload.
"""

from lib import SLOW, Failure, Skip, case, check, check_equal, main, noise

HEADER = 14
SMALLEST = 60
BATCH = 32

# Around powers of two, where buffers of a ring may begin and end.
EDGES = sorted({size for middle in (64, 128, 256, 512, 1024, 1518, 1522, 1536, 2048, 4096, 8192)
                for size in range(middle - 10, middle + 11)}
               | set(range(60, 71)) | set(range(1500, 1541)) | set(range(2040, 2061)) | set(range(4090, 4101))
               | set(range(8990, 9015)) | {3000, 5000, 6000, 7000})


def ends(env, to_peer):
    return (env.local, env.peer) if to_peer else (env.peer, env.local)


def exchange(env, to_peer, sizes, deliver_all=True):
    """Sends frames of the sizes in bursts; [(sent, received or None)]."""
    tx, rx = ends(env, to_peer)
    source, sink = tx.raw_open(), rx.raw_open()
    pairs = []
    try:
        for start in range(0, len(sizes), BATCH):
            burst = []
            for index, size in enumerate(sizes[start:start + BATCH]):
                # A running number, so that two short frames never are equal.
                payload = (start + index).to_bytes(2, "big") + noise(max(size - HEADER, 2), size)
                burst.append(env.frame(to_peer, payload)[:size])
            if deliver_all:
                tx.raw_send(source, burst)
                got = [frame for _, frame in rx.raw_recv(sink, len(burst))]
            else:
                last = env.frame(to_peer, b"the end of this burst" + bytes(64))
                tx.raw_send(source, burst + [last])
                got = [frame for _, frame in rx.raw_recv(sink, until=b"the end of this burst", timeout=3 * SLOW)]
            # Queues may overtake one another: the running number finds the pair.
            numbered = {frame[HEADER:HEADER + 2]: frame for frame in got}
            pairs += [(frame, numbered.pop(frame[HEADER:HEADER + 2], None)) for frame in burst]
            if deliver_all and len(got) < len(burst):
                break  # each further loss would cost a time-out
            strange = list(numbered.values())
            check(not strange, f"frames of {[len(f) for f in strange]} bytes arrived that were not sent, or sent once: "
                  f"{[f[:24].hex() for f in strange[:3]]}")
    finally:
        tx.close(source)
        rx.close(sink)
    return pairs


def compare(sent, received):
    if received == sent:
        return
    if received is None:
        raise Failure(f"a frame of {len(sent)} bytes was lost")
    check_equal(len(received), len(sent), "length of a frame received")
    first = next(i for i, (a, b) in enumerate(zip(sent, received)) if a != b)
    raise Failure(f"a frame of {len(sent)} bytes differs from byte {first}: "
                  f"sent {sent[first:first + 8].hex()}, received {received[first:first + 8].hex()}")


def every_size(env, to_peer):
    """All that fit an MTU of 1500."""
    for sent, received in exchange(env, to_peer, list(range(SMALLEST, 1515))):
        compare(sent, received)


def edges(env, to_peer):
    env.set_mtu(9000)
    for sent, received in exchange(env, to_peer, [size for size in EDGES if size >= SMALLEST]):
        compare(sent, received)


def mixed(env, to_peer):
    """Long beside short: what one leaves behind must not show in the next."""
    env.set_mtu(9000)
    sizes = [9014, 60, 61, 9014, 1514, 60, 4097, 64, 2049, 2048, 8191, 60] * 16
    for sent, received in exchange(env, to_peer, sizes):
        compare(sent, received)


def runts(env, to_peer):
    """Shorter than the minimum: padded, and with zeros, which leak nothing."""
    if not env.pci:
        raise Skip(f"{env.driver} does not pad")
    # Old content of the buffers that must not appear in the padding.
    exchange(env, to_peer, [1514] * 64)
    for sent, received in exchange(env, to_peer, list(range(HEADER + 2, SMALLEST))):
        check(received is not None, f"a frame of {len(sent)} bytes was lost")
        check_equal(len(received), SMALLEST, f"length of a frame sent with {len(sent)} bytes")
        check(received[:len(sent)] == sent, f"a frame of {len(sent)} bytes arrived changed: {received.hex()}")
        check(not any(received[len(sent):]), f"the padding of {len(sent)} bytes is not zero: {received[len(sent):].hex()}")


def oversize(env):
    """Longer than our MTU: whole or not at all, and the next frames arrive."""
    if not env.pci:
        raise Skip(f"{env.driver} refuses them at the sender")
    env.set_mtu(9000)
    env.defer(env.restore_mtu, env.local, env.ifname, 9000)
    env.local.run("ip", "link", "set", env.ifname, "mtu", 1500)
    env.wait_link()
    sizes = sorted({*range(1515, 1545), *range(2040, 2070), 3000, *range(4090, 4100), 8000, 9014})
    whole = 0
    for sent, received in exchange(env, False, sizes, deliver_all=False):
        if received is not None:
            compare(sent, received)
            whole += 1
    print(f"# {whole} of {len(sizes)} oversize frames were delivered, all of them whole", flush=True)
    for sent, received in exchange(env, False, list(range(60, 1515, 7))):
        compare(sent, received)
    env.ping()


def loopback(env):
    """The MAC receives what it sends and is deaf to the wire, where nothing of it gets; off again, all is as ever."""
    sink, there = env.local.raw_open(), env.peer.raw_open()
    env.defer(env.local.close, sink)
    env.defer(env.peer.close, there)
    # Whatever it is addressed to.
    env.peer.raw_member(there, "promisc")
    env.defer(env.wait_link)
    end = b"the loop is open" + bytes(64)
    with env.same_link():
        env.feature("loopback", True)
        env.settled()
        sent = [env.frame(True, noise(size, size), dst=env.mac) for size in (46, 100, 1000, 1500)]
        env.local.raw_send(sink, [*sent, env.frame(True, noise(100, 1))])
        env.peer.raw_send(there, [env.frame(False, noise(100, 2))])
        got = [frame for _, frame in env.local.raw_recv(sink, len(sent))]
        check_equal(sorted(got), sorted(sent), "frames that came back")
        check_equal(env.local.raw_recv(sink, 1, timeout=0.5), [], "frames for or from the peer")
        env.local.run("ethtool", "-K", env.ifname, "loopback", "off")
        env.settled()
        env.local.raw_send(sink, [env.frame(True, end)])
        check_equal(env.peer.raw_recv(there, until=end), [], "frames that left the loop")
    env.wait_link()
    for to_peer in (True, False):
        for sent, received in exchange(env, to_peer, [60, 61, 600, 1514]):
            compare(sent, received)
        env.tcp(to_peer)


if __name__ == "__main__":
    main(case("every_size_tx", every_size, True),
         case("every_size_rx", every_size, False),
         case("edges_tx", edges, True),
         case("edges_rx", edges, False),
         case("mixed_tx", mixed, True),
         case("mixed_rx", mixed, False),
         case("runts_tx", runts, True),
         case("runts_rx", runts, False),
         oversize,
         loopback)
