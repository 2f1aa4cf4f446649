#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Through a tunnel and out of it again, byte for byte, whole and in fragments.

One run sends a corpus into every type of tunnel over both families; what its files hold is looked
at, and played into a second one, where the tunnels end.
"""

import random

import pytest

import model
import tshark
import tunnel_corpus
import tunnel_packets
import tunnels
from tunnels import FAMILIES, MAX_FRAGMENTS, TYPES, Tunnel

MTUS = ("least", 1500, 9000, None)
LEAST = {4: 576, 6: 1280}


def make_tunnels(mtu):
    pairs = [(kind, family) for kind in TYPES for family in FAMILIES]
    return [Tunnel(kind, family, number, key=tunnels.default_key(kind, number), dscp=number,
                   vlan=number if number % 3 == 0 else None,
                   mtu=LEAST[family] if mtu == "least" else mtu)
            for number, (kind, family) in enumerate(pairs, 1)]


def edges(mtu):
    """Frame lengths around those that just fit into one outer packet, and into several."""
    made = set()
    for tunnel in make_tunnels(mtu):
        payload = (tunnel.mtu - tunnels.IP_SIZE[tunnel.family] - (
            8 if tunnel.family == 6 else 0)) // 8 * 8
        made |= {tunnel.max_inner + more for more in (-1, 0, 1)}
        made |= {pieces * payload - tunnel.overhead + 14 + tunnels.IP_SIZE[tunnel.family] + more
                 for pieces in (2, 3) for more in (0, 1)}
    return made


def make_corpus(mtu):
    lengths = set(tunnel_corpus.LENGTHS)
    if mtu is not None:
        lengths |= {length for length in edges(mtu) if length >= 82}
    return tunnel_corpus.Corpus(32).frames(lengths)


class Trip:
    """The corpus, what left the sending ends, and what came out of the receiving ones."""

    def __init__(self, make_rig, mtu):
        self.mtu, self.tunnels = mtu, make_tunnels(mtu)
        self.frames = make_corpus(mtu)
        there = make_rig()
        there.memory_mb = 2500
        there.lcores = {"idle_us": 100}
        there.tap("a", self.frames, ring="16m")
        for tunnel in self.tunnels:
            there.output(tunnel.name, "a", encap=tunnel.encap())
        self.there = there.run()
        self.written = {tunnel.name: self.there.frames(tunnel.name) for tunnel in self.tunnels}
        self.packets = {name: tunnels.join(written) for name, written in self.written.items()}
        self.back = self.play(make_rig, self.written, MTUS.index(mtu))

    def play(self, make_rig, written, turn):
        """Let the tunnels end; with every turn they match by other things."""
        rig = make_rig()
        rig.memory_mb = 4000
        rig.lcores = {"idle_us": 100}
        for tunnel in self.tunnels:
            match = [("key", "remote"), ("key",), ("remote",), ()][(turn + tunnel.number) % 4]
            if tunnel.key is None:
                match = [name for name in match if name != "key"]
            rig.tap(tunnel.name, written[tunnel.name], decap=tunnel.decap(*match))
            rig.output(tunnel.name, tunnel.name)
        return rig.run()


@pytest.fixture(scope="module", params=MTUS, ids=lambda mtu: f"mtu-{mtu}")
def trip(request, module_rigs):
    return Trip(module_rigs, request.param)


def test_no_outer_packet_is_longer_than_the_mtu(trip):
    for tunnel in trip.tunnels:
        mtu = tunnel.mtu or 9000
        lengths = [outer.length for packet, _ in trip.packets[tunnel.name] for outer in packet]
        assert max(lengths) <= mtu, tunnel.name
        # and none is cut that need not be
        for packet, whole in trip.packets[tunnel.name]:
            length = len(whole) - len(packet[0].link)
            assert (len(packet) > 1) == (length > mtu), tunnel.name


def test_what_leaves_is_what_went_in(trip):
    for tunnel in trip.tunnels:
        got = [whole[tunnel.overhead:] for _, whole in trip.packets[tunnel.name]]
        frames = tunnel.carriable(trip.frames)
        difference = model.first_difference(got, list(map(tunnel.carried, frames)))
        assert not difference, f"{tunnel.name}: {difference}"
        feed = trip.there.feed("a", tunnel.name)
        assert feed["tx_packets"] == len(frames)
        assert feed["tx_refused"] == len(trip.frames) - len(frames)
        assert feed["tx_frames"] == len(trip.written[tunnel.name])


def test_fragments_share_what_they_must(trip):
    for tunnel in trip.tunnels:
        packets = trip.packets[tunnel.name]
        for packet, _ in packets:
            heads = {(one.head[:2], one.head[8:10], one.head[12:]) for one in packet} \
                if tunnel.family == 4 else {(one.head[:4], one.head[7:]) for one in packet}
            assert len(heads) == 1, "TOS, TTL and addresses"
            assert len({one.link for one in packet}) == 1
        idents = [packet[0].ident for packet, _ in packets if packet[0].ident is not None]
        step = [(after - before) % 2**16 for before, after in zip(idents, idents[1:])]
        assert set(step) <= {1}, f"{tunnel.name}: the identification counts"


def test_tshark_puts_the_fragments_together(trip):
    """An independent reassembly finds no overlap, no gap and headers that fit."""
    fields = ("ip.fragment.error", "ip.fragment.overlap", "ip.checksum.status", "ip.fragment.count",
              "ip.reassembled.length", "ipv6.fragment.error", "ipv6.fragment.overlap",
              "ipv6.fragment.count", "ipv6.reassembled.length", "udp.checksum.status",
              "frame.protocols")
    for family in FAMILIES:
        here = [tunnel for tunnel in trip.tunnels if tunnel.family == family]
        rows = iter(tshark.dissect([frame for tunnel in here
                                    for frame in trip.written[tunnel.name]], fields))
        ip = "ip" if family == 4 else "ipv6"
        for tunnel in here:
            for packet, whole in trip.packets[tunnel.name]:
                row = [next(rows) for _ in packet][-1]
                assert row.first(f"{ip}.fragment.error") is None
                assert row.first(f"{ip}.fragment.overlap") in (None, "0")
                if len(packet) > 1:
                    assert row.number(f"{ip}.fragment.count") == len(packet)
                    assert row.number(f"{ip}.reassembled.length") == (
                        len(whole) - len(packet[0].link) - tunnels.IP_SIZE[family])
                if family == 4:
                    assert row.number("ip.checksum.status") == 1
                if tunnel.type in ("vxlan", "geneve"):
                    assert row.number("udp.checksum.status") == (3 if family == 4 else 1)


def test_what_comes_back_is_what_went_in(trip):
    for tunnel in trip.tunnels:
        packets = trip.packets[tunnel.name]
        able = [len(packet) <= MAX_FRAGMENTS for packet, _ in packets]
        want = [tunnel.received(frame)
                for frame, good in zip(tunnel.carriable(trip.frames), able) if good]
        difference = model.first_difference(trip.back.frames(tunnel.name), want)
        assert not difference, f"{tunnel.name}: {difference}"
        assert all(able) or trip.mtu == "least"


def test_every_frame_is_counted(trip):
    for tunnel in trip.tunnels:
        tap, packets = trip.back.tap(tunnel.name), trip.packets[tunnel.name]
        tunnels.assert_tap_adds_up(tap)
        lost = sum(len(packet) for packet, _ in packets if len(packet) > MAX_FRAGMENTS)
        whole = sum(len(packet) <= MAX_FRAGMENTS for packet, _ in packets)
        assert tap["not_ours"] == tap["malformed"] == tap["nombuf"] == 0
        assert tap["rx_packets"] == len(trip.written[tunnel.name])
        assert tap["forwarded"] == whole
        assert tap["fragments_held"] == tap["rx_packets"] - whole
        assert tap["fragments_refused"] == lost
        assert tap["fragments_waiting"] == tap["fragments_timed_out"] == 0
        assert tap["fragments_table_full"] == 0


@pytest.mark.parametrize("mtu", [1280, 1999, 4000])
def test_the_mtu_is_the_ports_by_default(rig, mtu):
    frames = tunnel_corpus.Corpus(36).frames({*range(mtu - 80, mtu + 20), 4000})
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = 1000
    rig.tap("a", frames)
    made = [Tunnel("gretap", 4, 1), Tunnel("geneve", 6, 2, key=1),
            Tunnel("erspan2", 4, 3, vlan=4)]
    for tunnel in made:
        rig.ports[rig.output(tunnel.name, "a", encap=tunnel.encap())] = {"mtu": mtu}
    result = rig.run()
    for tunnel in made:
        packets = tunnels.join(result.frames(tunnel.name))
        assert [whole[tunnel.overhead:] for _, whole in packets] == frames
        for packet, whole in packets:
            assert all(outer.length <= mtu for outer in packet)
            assert (len(packet) == 1) == (len(whole) - len(packet[0].link) <= mtu)


class Fragments:
    """The fragments that a trip over a small MTU made, out of order, twice, too few."""

    def __init__(self, make_rig):
        self.tunnels = make_tunnels("least")
        corpus = tunnel_corpus.Corpus(33)
        self.frames = [corpus.frame(length) for length in range(1300, 4000, 90)]
        self.random = random.Random(34)
        there = make_rig()
        there.memory_mb = 2500
        there.lcores = {"idle_us": 100}
        there.tap("a", self.frames, ring="16m")
        for tunnel in self.tunnels:
            there.output(tunnel.name, "a", encap=tunnel.encap())
        result = there.run()
        self.packets = {}
        for tunnel in self.tunnels:
            written = iter(result.frames(tunnel.name))
            joined = tunnels.join(result.frames(tunnel.name))
            self.packets[tunnel.name] = [[next(written) for _ in packet] for packet, _ in joined]
            assert all(len(packet) > 1 for packet in self.packets[tunnel.name])

    def received(self, tunnel, numbers):
        return sorted(tunnel.received(self.frames[number]) for number in numbers)

    def shuffled(self, tunnel):
        """All frames of a tunnel in any order."""
        frames = [frame for packet in self.packets[tunnel.name] for frame in packet]
        self.random.shuffle(frames)
        return frames


@pytest.fixture(scope="module")
def pieces(module_rigs):
    return Fragments(module_rigs)


def play(rig, things, idle_ms=300):
    """Let tunnels end on ports of their own; things: pairs of a tunnel and its frames."""
    rig.memory_mb = 4000
    rig.lcores = {"idle_us": 100}
    for tunnel, frames in things:
        rig.tap(tunnel.name, frames, decap=tunnel.decap("remote"))
        rig.output(tunnel.name, tunnel.name)
    return rig.run(idle_ms)


def test_fragments_in_any_order(rig, pieces):
    result = play(rig, [(tunnel, pieces.shuffled(tunnel)) for tunnel in pieces.tunnels])
    for tunnel in pieces.tunnels:
        assert sorted(result.frames(tunnel.name)) == pieces.received(
            tunnel, range(len(pieces.frames)))
        tap = result.tap(tunnel.name)
        tunnels.assert_tap_adds_up(tap)
        assert tap["forwarded"] == len(pieces.frames)
        assert tap["fragments_held"] == tap["rx_packets"] - len(pieces.frames)


def test_fragments_backwards(rig, pieces):
    """The last fragment first: the first one tells what the tunnel is."""
    result = play(rig, [(tunnel, [frame for packet in pieces.packets[tunnel.name]
                                  for frame in reversed(packet)]) for tunnel in pieces.tunnels])
    for tunnel in pieces.tunnels:
        assert result.frames(tunnel.name) == [tunnel.received(frame) for frame in pieces.frames]


def test_duplicates_are_refused_and_do_no_harm(rig, pieces):
    """Each fragment but a packet's last one twice in a row."""
    things = []
    for tunnel in pieces.tunnels:
        frames = []
        for packet in pieces.packets[tunnel.name]:
            frames += [frame for piece in packet[:-1] for frame in (piece, piece)] + packet[-1:]
        things.append((tunnel, frames))
    result = play(rig, things)
    for tunnel, frames in things:
        twice = len(frames) - sum(map(len, pieces.packets[tunnel.name]))
        tap = result.tap(tunnel.name)
        tunnels.assert_tap_adds_up(tap)
        assert result.frames(tunnel.name) == [tunnel.received(frame) for frame in pieces.frames]
        assert tap["fragments_refused"] == twice > 0
        assert tap["fragments_waiting"] == tap["fragments_timed_out"] == 0
        assert tap["fragments_held"] == len(frames) - len(pieces.frames)


def test_missing_fragments_time_out(rig, pieces):
    """Of every third packet one fragment is missing: the first, a middle one or the last."""
    things, kept, waiting = [], {}, {}
    for tunnel in pieces.tunnels:
        frames, kept[tunnel.name], waiting[tunnel.name] = [], [], 0
        for number, packet in enumerate(pieces.packets[tunnel.name]):
            if number % 3 != 0:
                kept[tunnel.name].append(number)
                frames += packet
                continue
            gone = (0, len(packet) // 2, len(packet) - 1)[number // 3 % 3]
            frames += packet[:gone] + packet[gone + 1:]
            waiting[tunnel.name] += len(packet) - 1
        things.append((tunnel, frames))
    rig.memory_mb = 4000
    rig.lcores = {"idle_us": 100}
    for tunnel, frames in things:
        rig.tap(tunnel.name, frames, decap=tunnel.decap())
        rig.output(tunnel.name, tunnel.name)
    with rig.start() as running:
        for tunnel, frames in things:
            running.wait_received(tunnel.name, len(frames))
        for tunnel, frames in things:
            tap = running.wait_for(lambda name=tunnel.name: (
                lambda tap: tap["fragments_waiting"] == 0 and tap)(running.tap(name)),
                f"end of the waiting in {tunnel.name}")
            assert tap["fragments_timed_out"] == waiting[tunnel.name] > 0
            assert tap["unaccounted"] == 0
        result = running.stop()
    for tunnel, frames in things:
        tap = result.tap(tunnel.name)
        tunnels.assert_tap_adds_up(tap)
        assert result.frames(tunnel.name) == [tunnel.received(pieces.frames[number])
                                              for number in kept[tunnel.name]]
        assert tap["fragments_timed_out"] == waiting[tunnel.name]
        assert tap["fragments_held"] == len(frames) - len(kept[tunnel.name])
        assert tap["fragments_refused"] == tap["fragments_table_full"] == 0


def test_fragments_wait_before_they_time_out(rig, pieces):
    """The level says how many wait; at the end of a run they are given up."""
    tunnel = pieces.tunnels[0]
    frames = [frame for packet in pieces.packets[tunnel.name] for frame in packet[:-1]]
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = 1000
    rig.tap("a", frames, decap=tunnel.decap())
    rig.output("x", "a")
    with rig.start() as running:
        running.wait_received("a", len(frames))
        tap = running.tap("a")
        assert tap["fragments_waiting"] + tap["fragments_timed_out"] == len(frames)
        assert tap["fragments_held"] == tap["rx_packets"] == len(frames)
        assert tap["unaccounted"] == 0
        result = running.stop()
    assert result.tap("a")["fragments_timed_out"] == len(frames)
    assert result.tap("a")["fragments_waiting"] == 0
    assert result.frames("x") == []


def test_tunnels_of_one_port_interleave(rig, pieces):
    """All tunnels end on one port, their fragments shuffled among each other."""
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = 1500
    frames = [frame for tunnel in pieces.tunnels for frame in pieces.shuffled(tunnel)]
    pieces.random.shuffle(frames)
    port = rig.pcap_port(frames)
    for tunnel in pieces.tunnels:
        rig.tap(tunnel.name, port=port, decap=tunnel.decap("remote"))
        rig.output(tunnel.name, tunnel.name)
    result = rig.run()
    taps = [result.tap(tunnel.name) for tunnel in pieces.tunnels]
    for tunnel, tap in zip(pieces.tunnels, taps):
        tunnels.assert_tap_adds_up(tap)
        assert sorted(result.frames(tunnel.name)) == pieces.received(
            tunnel, range(len(pieces.frames)))
        assert tap["forwarded"] == len(pieces.frames)
    # what is held is counted by the port's first tap
    assert all(tap["fragments_held"] == 0 for tap in taps[1:])
    assert taps[0]["fragments_held"] == len(frames) - len(pieces.frames) * len(taps)
    assert sum(tap["rx_packets"] for tap in taps) == len(frames)
    assert sum(tap["rx_bytes"] for tap in taps) == sum(map(len, frames))


def test_one_identification_in_two_tunnels(rig, pieces):
    """Fragments are told apart by addresses too: both ends use the same identification."""
    corpus = tunnel_corpus.Corpus(35)
    frames, port_frames = {}, []
    here = [tunnel for tunnel in pieces.tunnels if tunnel.type == "gretap"]
    here += [Tunnel("gretap", tunnel.family, tunnel.number + 100) for tunnel in here]
    for tunnel in here:
        inner = corpus.filled("udp4", 1200)
        frames[tunnel.name] = inner
        port_frames.append(tunnels.split(tunnel_packets.build(tunnel, inner), (400, 400), ident=77))
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = 1000
    port = rig.pcap_port([frame for piece in zip(*port_frames) for frame in piece])
    for tunnel in here:
        rig.tap(tunnel.name, port=port, decap=tunnel.decap())
        rig.output(tunnel.name, tunnel.name)
    result = rig.run()
    for tunnel in here:
        assert result.frames(tunnel.name) == [frames[tunnel.name]]
