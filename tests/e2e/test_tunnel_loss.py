#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every way to lose a packet on the way through a tunnel is made to happen and counted."""

import ipaddress
import struct

import pytest

import fifo
import frames as fr
import model
import tshark
import tunnel_corpus
import tunnel_packets
import tunnels
from tunnels import FAMILIES, TYPES, Tunnel

MTU = 1500
PAIRS = [(kind, family) for kind in TYPES for family in FAMILIES]


def tune(rig, memory_mb=1000):
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = memory_mb


# sending


class Oversize:
    """A corpus of all lengths sent into tunnels that cut, and into some that drop."""

    def __init__(self, rig):
        self.frames = tunnel_corpus.Corpus(51).frames({*tunnel_corpus.LENGTHS, *range(1420, 1500)})
        self.cut, self.drop = [], []
        for number, (kind, family) in enumerate(PAIRS, 1):
            keys = {"key": tunnels.default_key(kind, number), "mtu": MTU,
                    "vlan": 5 if number % 3 == 0 else None}
            self.cut.append(Tunnel(kind, family, number, oversize="truncate", **keys))
            self.drop.append(Tunnel(kind, family, number + 100, oversize="drop", **keys))
        tune(rig, 2500)
        rig.tap("a", self.frames, ring="16m")
        for cut, drop in zip(self.cut, self.drop):
            port = rig.output(cut.name, "a", encap=cut.encap())
            rig.output(drop.name, "a", port=port, encap=drop.encap())
        self.result = rig.run()

    def written(self, tunnel):
        """The frames of one of the two tunnels on a port."""
        source = ipaddress.ip_address(tunnel.local).packed
        return [frame for frame in self.result.frames(tunnel.name)
                if tunnels.parse(frame).source == source]


@pytest.fixture(scope="module")
def oversize(module_rigs):
    return Oversize(module_rigs())


def assert_refused(tunnel, feed, frames):
    """Spanning tree and other LLC has no EtherType, which is what GRE calls it by."""
    refused = [frame for frame in frames if not tunnel.can_carry(frame)]
    assert (refused != []) == (tunnel.type == "gre")
    assert feed["tx_refused"] == len(refused)
    assert feed["tx_refused_bytes"] == sum(map(len, refused))


def test_oversize_truncate(oversize):
    sent = {tunnel.name: oversize.written(tunnel) for tunnel in oversize.cut}
    dissected = iter(tshark.dissect([frame for frames in sent.values() for frame in frames],
                                    ("erspan.truncated", "ip.flags.df")))
    for tunnel in oversize.cut:
        written, n_cut = sent[tunnel.name], 0
        frames = tunnel.carriable(oversize.frames)
        assert len(written) == len(frames)
        rows = [next(dissected) for _ in written]
        for frame, got, row in zip(frames, written, rows):
            carried = tunnel.carried(frame)
            is_cut = len(carried) > tunnel.max_inner
            n_cut += is_cut
            assert got[tunnel.overhead:] == carried[:tunnel.max_inner], tunnel.name
            assert (tunnels.parse(got).length == MTU) or not is_cut
            if tunnel.type in ("erspan2", "erspan3"):
                assert row.number("erspan.truncated") == is_cut
            if tunnel.family == 4:
                assert row.number("ip.flags.df") == 1
        assert 0 < n_cut < len(written)
        feed = oversize.result.feed("a", tunnel.name)
        assert feed["oversize"] == 0 and feed["tx_frames"] == feed["tx_packets"] == len(written)
        assert_refused(tunnel, feed, oversize.frames)


def test_oversize_drop(oversize):
    for tunnel in oversize.drop:
        frames = tunnel.carriable(oversize.frames)
        kept = [frame for frame in frames if len(tunnel.carried(frame)) <= tunnel.max_inner]
        written = oversize.written(tunnel)
        difference = model.first_difference([frame[tunnel.overhead:] for frame in written],
                                            list(map(tunnel.carried, kept)))
        assert not difference, f"{tunnel.name}: {difference}"
        feed = oversize.result.feed("a", tunnel.name)
        assert feed["oversize"] == len(frames) - len(kept) > 0
        assert feed["oversize_bytes"] == sum(map(len, frames)) - sum(map(len, kept))
        assert_refused(tunnel, feed, oversize.frames)
        assert feed["tx_packets"] == feed["tx_frames"] == len(kept)


def test_frames_beyond_all_fragments(rig):
    """More than an IP packet can hold, or than fluxcap has fragments for, is sent or counted."""
    maker = fr.Maker(52)
    corpus = tunnel_corpus.Corpus(52)
    usual = [corpus.frame(length) for length in (100, 1400, 9018)]
    beyond = [maker.frame(length) for length in (12000, 20000, 40000, 65000, 65500, 65535)]
    tune(rig)
    rig.tap("a", usual + beyond + usual, ring="16m")
    outputs = [Tunnel("gretap", 4, 1, mtu=576), Tunnel("vxlan", 6, 2, key=1, mtu=1280),
               Tunnel("erspan3", 4, 3), Tunnel("gre", 6, 4, mtu=9000)]
    for tunnel in outputs:
        rig.output(tunnel.name, "a", encap=tunnel.encap())
    result = rig.run()
    for tunnel in outputs:
        got = [whole[tunnel.overhead:] for _, whole in tunnels.join(result.frames(tunnel.name))]
        want = [tunnel.carried(frame) for frame in usual + beyond + usual]
        assert got[:3] == want[:3] and got[-3:] == want[-3:]
        assert all(frame in want for frame in got)
        assert want[3 + 5] not in got, "65,535 bytes and a header are no IP packet"
        feed = result.feed("a", tunnel.name)
        assert feed["oversize"] == len(want) - len(got) == len(want) - feed["tx_packets"]


def test_unresolved(rig):
    """Nobody answers: every packet is counted, and the questions leave once a second."""
    frames = fr.small_corpus(53)
    asking = [Tunnel("gretap", 4, 1, mac=None), Tunnel("vxlan", 6, 2, key=9, mac=None),
              Tunnel("erspan2", 4, 3, vlan=77, mac=None), Tunnel("gre", 6, 4, vlan=78, mac=None)]
    tune(rig)
    rig.speaks = tunnels.is_said
    rig.tap("a", frames)
    for tunnel in asking:
        rig.output(tunnel.name, "a", encap=tunnel.encap())
    beyond = Tunnel("gretap", 4, 5, mac=None)
    rig.output("beyond", "a", encap={**beyond.encap(), "remote": "192.0.2.200",
                                     "gateway": "10.99.5.254"})
    with rig.start("--exit-when-idle", "3500") as running:
        running.wait_received("a", len(frames))
        assert running.output("beyond")["next_hop"] == "10.99.5.254"
        for name in rig.outputs:
            assert running.output(name)["next_hop_mac"] == ""
        result = running.wait_exit()
    for name in rig.outputs:
        feed = result.feed("a", name)
        assert feed["unresolved"] == feed["forwarded"] == len(frames)
        assert feed["unresolved_bytes"] == sum(map(len, frames))
        assert feed["tx_packets"] == feed["tx_frames"] == 0
    for tunnel in asking:
        check_questions(rig, tunnel.name, tunnel, tunnel.remote)
    check_questions(rig, "beyond", beyond, "10.99.5.254")


def check_questions(rig, output, tunnel, target):
    """What an output's port sent are requests for one address, one after the other."""
    written = rig.written[rig.outputs[output]["port"]]
    frames = fr.read_pcap(written)
    rows = tshark.dissect(frames, (
        "eth.dst", "eth.src", "eth.type", "vlan.id", "arp.opcode", "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4", "arp.src.hw_mac", "arp.dst.hw_mac", "icmpv6.type", "icmpv6.code",
        "icmpv6.checksum.status", "icmpv6.nd.ns.target_address", "icmpv6.opt.linkaddr",
        "icmpv6.opt.type", "ipv6.src", "ipv6.dst", "ipv6.hlim", "vlan.etype"))
    assert len(rows) >= 3
    for frame, row in zip(frames, rows):
        assert len(frame) >= 60
        source = row["eth.src"]
        if tunnel.vlan:
            assert row.number("vlan.id") == tunnel.vlan
        else:
            assert "vlan.id" not in row
        if tunnel.family == 4:
            assert row["eth.dst"] == "ff:ff:ff:ff:ff:ff" and row.number("arp.opcode") == 1
            assert row["arp.src.hw_mac"] == source and row["arp.src.proto_ipv4"] == tunnel.local
            assert row["arp.dst.proto_ipv4"] == target
            assert row["arp.dst.hw_mac"] == "00:00:00:00:00:00"
            continue
        assert row["eth.dst"] == "33:33:ff:00:00:09" and row["ipv6.dst"] == "ff02::1:ff00:9"
        assert row["ipv6.src"] == tunnel.local and row.number("ipv6.hlim") == 255
        assert row.number("icmpv6.type") == 135 and row.number("icmpv6.code") == 0
        assert row.number("icmpv6.checksum.status") == 1
        assert row["icmpv6.nd.ns.target_address"] == target
        assert row.number("icmpv6.opt.type") == 1 and row["icmpv6.opt.linkaddr"] == source
    # they leave at most once a second; what an lcore was late with comes closer to the next
    times = timestamps(written)
    assert all(after - before > 0.5 for before, after in zip(times, times[1:]))
    assert len(times) <= times[-1] - times[0] + 2


def timestamps(path):
    """The seconds of a pcap file's records, with their decimals."""
    data, at, made = path.read_bytes(), 24, []
    nanoseconds = data[:4] == struct.pack("<I", 0xA1B23C4D)
    while at < len(data):
        second, part, size = struct.unpack("<III", data[at:at + 12])
        made.append(second + part / (1e9 if nanoseconds else 1e6))
        at += 16 + size
    return made


# receiving


def cuts(tunnel, inner):
    """A tunnelled packet that ends after every byte of its headers: with lengths that do not say
    so, and with an IP header that does."""
    whole = tunnel_packets.build(tunnel, inner)
    least = tunnel.overhead + (0 if tunnel.type == "gre" else 13)
    made = [whole[:size] for size in range(1, least + 1)]
    if tunnel.type == "gre":
        made.pop()  # a GRE header with nothing behind it is a packet
    outer = tunnels.parse(whole)
    short = range(least - len(outer.link) - len(outer.head) + (tunnel.type != "gre"))
    made += [tunnels.whole_frame(outer, outer.payload[:size]) for size in short]
    if tunnel.type in ("vxlan", "geneve"):
        for size in range(8, least - len(outer.link) - len(outer.head) + 1):
            payload = outer.payload[:4] + size.to_bytes(2, "big") + bytes(2) + outer.payload[8:size]
            made.append(tunnels.whole_frame(outer, payload))
    return made


def test_truncated_at_every_byte(rig):
    tune(rig, 4000)
    corpus = tunnel_corpus.Corpus(54)
    good = corpus.small("syn4")
    played = {}
    for number, (kind, family) in enumerate(PAIRS, 1):
        tunnel = Tunnel(kind, family, number, key=tunnels.default_key(kind))
        bad = cuts(tunnel, corpus.small("ack4"))
        played[tunnel] = [*bad, tunnel_packets.build(tunnel, good)]
        rig.tap(tunnel.name, played[tunnel], decap=tunnel.decap())
        rig.output(tunnel.name, tunnel.name)
    result = rig.run()
    for tunnel, frames in played.items():
        tap = result.tap(tunnel.name)
        tunnels.assert_tap_adds_up(tap)
        assert result.frames(tunnel.name) == [tunnel.received(good)], tunnel.name
        assert tap["malformed"] == len(frames) - 1, tunnel.name
        assert tap["malformed_bytes"] == sum(map(len, frames[:-1]))
        assert tap["forwarded"] == 1


def spoilt(tunnel, corpus):
    """Fragments of packets that overlap, contradict each other's end, or are too many; each list
    with what is to be refused of it."""
    outer = tunnels.parse(tunnel_packets.build(tunnel, corpus.filled("udp4", 1200)))
    size = len(outer.payload)

    def piece(ident, start, end):
        return tunnels.fragment(outer, outer.payload[start:end], start, end < size, ident)

    return [
        [piece(1, 0, 400), piece(1, 392, 800), piece(1, 800, size)],
        [piece(2, 0, 400), piece(2, 0, 408), piece(2, 400, size)],
        [piece(3, 800, size), piece(3, 0, 400), piece(3, 400, 808)],
        [tunnels.fragment(outer, outer.payload[400:808], 400, False, 4), piece(4, 808, size),
         piece(4, 0, 400)],
        [piece(5, start, min(start + 128, size)) for start in range(0, size, 128)],
    ]


def test_fragments_that_overlap_are_refused(rig):
    """Nothing comes of them, RFC 5722; a good packet with the same addresses passes."""
    tune(rig, 4000)
    corpus = tunnel_corpus.Corpus(55)
    good = corpus.filled("udp4", 1000)
    played = {}
    for number, (kind, family) in enumerate(PAIRS, 1):
        tunnel = Tunnel(kind, family, number, key=tunnels.default_key(kind))
        bad = [frame for pieces in spoilt(tunnel, corpus) for frame in pieces]
        played[tunnel] = bad, tunnels.split(tunnel_packets.build(tunnel, good), (512,), ident=99)
        rig.tap(tunnel.name, bad + played[tunnel][1], decap=tunnel.decap())
        rig.output(tunnel.name, tunnel.name)
    result = rig.run()
    for tunnel, (bad, whole) in played.items():
        tap = result.tap(tunnel.name)
        tunnels.assert_tap_adds_up(tap)
        assert result.frames(tunnel.name) == [tunnel.received(good)], tunnel.name
        assert tap["fragments_refused"] == len(bad), tunnel.name
        assert tap["fragments_held"] == len(bad) + len(whole) - 1
        assert tap["fragments_timed_out"] == tap["fragments_waiting"] == 0


def test_packets_put_together_are_looked_at(rig):
    """A packet out of fragments is counted as what it is; its other fragments were held."""
    tune(rig)
    tunnel = Tunnel("gretap", 4, 1, key=5)
    corpus = tunnel_corpus.Corpus(56)
    inner = [corpus.filled("udp4", 1100) for _ in range(5)]
    wrong_key = Tunnel("gretap", 4, 1, key=6)
    elsewhere = Tunnel("gretap", 4, 2, key=5)
    packets = [tunnel_packets.build(tunnel, inner[0]),
               tunnel_packets.build(wrong_key, inner[1]),
               tunnel_packets.build(tunnel, inner[2], chksum_present=1, chksum=7),
               tunnel_packets.build(tunnel, inner[3], chksum_present=1)]
    frames = [frame for ident, packet in enumerate(packets)
              for frame in tunnels.split(packet, (400, 400), ident)]
    frames += tunnels.split(tunnel_packets.build(elsewhere, inner[4]), (400, 400), 50)
    rig.tap("a", frames, decap=tunnel.decap("key"))
    rig.output("x", "a")
    result = rig.run()
    assert result.frames("x") == [inner[0], inner[3]]
    tap = result.tap("a")
    tunnels.assert_tap_adds_up(tap)
    assert tap["malformed"] == 1 and tap["not_ours"] == 1 + 3 and tap["forwarded"] == 2
    assert tap["fragments_held"] == 2 * 4
    assert tap["fragments_refused"] == tap["fragments_timed_out"] == 0


def test_fragments_table_full(rig):
    """1,500 packets begin before one of them ends: those that had a place are completed."""
    tune(rig)
    count, places = 1500, 1024
    tunnel = Tunnel("gretap", 4, 1)
    inner = fr.numbered(count)
    outer = tunnels.parse(tunnel_packets.build(tunnel, inner[0]))
    whole = [outer.payload[:4] + frame for frame in inner]  # GRE has four bytes
    firsts = [tunnels.fragment(outer, packet[:32], 0, True, ident)
              for ident, packet in enumerate(whole)]
    lasts = [tunnels.fragment(outer, packet[32:], 32, False, ident)
             for ident, packet in enumerate(whole)]
    rig.tap("a", firsts + lasts, decap=tunnel.decap())
    rig.output("x", "a")
    result = rig.run()
    tap = result.tap("a")
    tunnels.assert_tap_adds_up(tap)
    assert set(result.frames("x")) <= set(inner[:places])
    assert 0 < tap["forwarded"] <= places
    assert tap["fragments_table_full"] >= count - places
    assert tap["fragments_held"] == 2 * count - tap["forwarded"]
    assert tap["fragments_held"] == (tap["forwarded"] + tap["fragments_table_full"] +
                                     tap["fragments_timed_out"])
    assert tap["fragments_refused"] == tap["fragments_waiting"] == 0


# a stall


def test_stalled_fragments_are_counted_as_packets(rig, tmp_path):
    """a -> tunnel into net_ring -> out of the tunnel -> a pipe that is not read.

    Each packet is six frames. What waits, is lost and is sent are packets.
    """
    count, length = 5000, 3000
    frames = fr.numbered(count, length)
    pipe = fifo.Pipe(tmp_path / "blocked")
    tunnel = Tunnel("gretap", 4, 1, mtu=576)
    try:
        rig.n_lcores = 4
        rig.lcores = {"rx": [1], "tx": [2, 3], "idle_us": 50}
        rig.memory_mb = 1500
        loop = rig.vdev("net_ring")
        # more than the way from one pipe's end to the other holds, less than all
        rig.tap("a", frames, ring="8m")
        rig.tap("b", port=loop, decap=tunnel.decap(), ring="256k")
        rig.output("loop", "a", port=loop, encap=tunnel.encap())
        blocked = rig.output("blocked", "b", port=rig.vdev("net_pcap", tx_pcap=pipe.path))
        good = rig.output("good", "a")
        with rig.start() as running:
            assert running.lcores_of(blocked) != running.lcores_of(good)
            running.wait_received("a", count)
            running.wait_sent("good", count)
            stuck = running.wait_for(lambda: (
                lambda feed: feed["overrun"] and feed["queued"] and feed)(
                    running.feed("a", "loop")), "backlog that overruns")
            assert stuck["tx_packets"] + stuck["overrun"] + stuck["queued"] == count
            assert stuck["unaccounted"] == 0
            assert stuck["tx_frames"] >= 6 * stuck["tx_packets"] > 0
            pipe.resume()
            running.wait_for(lambda: running.feed("a", "loop")["queued"] == 0, "empty backlog")
            running.wait_for(lambda: running.tap("b")["rx_packets"] ==
                             running.feed("a", "loop")["tx_frames"], "everything received")
            running.wait_for(lambda: running.feed("b", "blocked")["tx_packets"] ==
                             running.tap("b")["forwarded"], "everything through")
            result = running.stop()
        pipe.finish(tmp_path / "blocked.pcap")
    finally:
        pipe.close()
    feed, tap = result.feed("a", "loop"), result.tap("b")
    assert feed["tx_packets"] + feed["overrun"] == count
    assert tap["rx_packets"] == feed["tx_frames"]
    tunnels.assert_tap_adds_up(tap)
    got = fr.read_pcap(tmp_path / "blocked.pcap")
    numbers = list(map(fr.number_of, got))
    assert numbers == sorted(set(numbers))
    assert got == [frames[number] for number in numbers]
    assert numbers[-1] == count - 1, "the newest stay"
    assert len(got) == tap["forwarded"]
    # a packet of which some fragments had come before the stall may have waited too long
    assert feed["tx_packets"] - 2 <= tap["forwarded"] <= feed["tx_packets"]
    assert tap["fragments_refused"] == tap["fragments_table_full"] == 0
