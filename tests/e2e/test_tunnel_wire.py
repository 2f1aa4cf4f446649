#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What leaves through a tunnel, dissected by tshark.

Each type has a port for each outer family, with two outputs: a plain tunnel, and one with a key, an
outer tag, DSCP, TTL and without fragmentation.
"""

import struct
import time

import pytest

import frames as fr
import tshark
import tunnel_corpus
import tunnels
from tunnels import FAMILIES, TYPES, Tunnel

N_FLOWS = 64
PORT_MAC = "02:70:63:61:70:"  # of net_pcap, which counts in the last byte
GRE_PROTOCOL = {"gretap": 0x6558, "erspan1": 0x88BE, "erspan2": 0x88BE, "erspan3": 0x22EB}
UDP_PORT = {"vxlan": 4789, "geneve": 6081}
TICK_NS = 100  # of an ERSPAN III timestamp with granularity 1

FIELDS = (
    "frame.len", "frame.protocols", "eth.dst", "eth.src", "eth.type", "vlan.id", "vlan.priority",
    "vlan.dei", "ip.src", "ip.dst", "ip.hdr_len", "ip.dsfield.dscp", "ip.dsfield.ecn", "ip.ttl",
    "ip.flags.df", "ip.flags.mf", "ip.frag_offset", "ip.id", "ip.proto", "ip.checksum.status",
    "ipv6.src", "ipv6.dst", "ipv6.tclass.dscp", "ipv6.tclass.ecn", "ipv6.flow", "ipv6.hlim",
    "ipv6.nxt", "gre.proto", "gre.flags_and_version", "gre.key", "gre.sequence_number",
    "erspan.version", "erspan.vlan", "erspan.cos", "erspan.encap", "erspan.bso",
    "erspan.truncated", "erspan.spanid", "erspan.index", "erspan.timestamp", "erspan.sgt",
    "erspan.p", "erspan.ft", "erspan.hw", "erspan.direction", "erspan.gra", "erspan.o",
    "udp.srcport", "udp.dstport", "udp.length", "udp.checksum", "udp.checksum.status",
    "vxlan.flags", "vxlan.gbp", "vxlan.vni", "vxlan.reserved8", "geneve.version", "geneve.flags",
    "geneve.proto_type", "geneve.vni", "geneve.reserved", "geneve.options")


def make_tunnels():
    made = []
    for at, kind in enumerate(TYPES):
        for family in FAMILIES:
            number = 20 * at + 2 * family
            key = number if tunnels.needs_key(kind) else None
            made.append((Tunnel(kind, family, number, key=key),
                         Tunnel(kind, family, number + 1, key=tunnels.default_key(kind, number),
                                vlan=30 + number, dscp=10 + at, ttl=200 + at, oversize="drop")))
    return made


PAIRS = make_tunnels()
ALL = [tunnel for pair in PAIRS for tunnel in pair]


class Sent:
    """What was sent into all tunnels and what came out of each: frames, and rows of tshark."""

    def __init__(self, make_rig):
        corpus = tunnel_corpus.Corpus(31)
        self.flows = tunnel_corpus.flows(N_FLOWS)
        # every flow three times, the directions in turn
        self.frames = corpus.frames(top=1522) + [
            frame for _ in range(3) for pair in self.flows for frame in pair]
        rig = make_rig()
        rig.memory_mb = 2500
        rig.lcores = {"idle_us": 100}
        rig.tap("a", self.frames)
        for plain, dressed in PAIRS:
            port = rig.output(plain.name, "a", encap=plain.encap())
            rig.output(dressed.name, "a", port=port, encap=dressed.encap())
        self.start_ns = time.time_ns()
        self.result = rig.run()
        self.end_ns = time.time_ns()
        everything = [(plain, dressed, frame) for plain, dressed in PAIRS
                      for frame in self.result.frames(plain.name)]
        rows = tshark.dissect([frame for _, _, frame in everything], FIELDS)
        self.written = {tunnel.name: [] for tunnel in ALL}
        self.rows = {tunnel.name: [] for tunnel in ALL}
        for (plain, dressed, frame), row in zip(everything, rows):
            source = row.first("ip.src" if plain.family == 4 else "ipv6.src")
            name = {tunnel.local: tunnel.name for tunnel in (plain, dressed)}[source]
            self.written[name].append(frame)
            self.rows[name].append(row)


@pytest.fixture(scope="module")
def sent(module_rigs):
    return Sent(module_rigs)


def of_types(*types):
    """The tunnels of some types, for parametrize."""
    return pytest.mark.parametrize("tunnel", [tunnel for tunnel in ALL if tunnel.type in types],
                                   ids=lambda tunnel: tunnel.name)


def every(rows, field):
    """The different values of a field's outermost occurrence, as numbers."""
    return {row.number(field) for row in rows}


def tag_of(frame):
    """VID and PCP of a frame's outermost tag, and whether there is one."""
    tpid, tci = struct.unpack("!HH", frame[12:16])
    return (tci & 0xFFF, tci >> 13, True) if tpid in fr.TPIDS else (0, 0, False)


@of_types(*TYPES)
def test_the_inner_frame_is_what_went_in(sent, tunnel):
    written, rows = sent.written[tunnel.name], sent.rows[tunnel.name]
    frames = tunnel.carriable(sent.frames)
    assert len(written) == len(frames)
    for frame, got, row in zip(frames, written, rows):
        assert got[tunnel.overhead:] == tunnel.carried(frame)
        if tunnel.type == "gre":
            assert len(row.all("eth.src")) == 1
        else:  # tshark finds the inner frame where it was put
            assert row.all("eth.dst")[1] == frame[:6].hex(":")
            assert row.all("eth.src")[1] == frame[6:12].hex(":")
    feed = sent.result.feed("a", tunnel.name)
    assert feed["tx_packets"] == feed["tx_frames"] == len(written)
    assert feed["tx_bytes"] == sum(map(len, written))


@of_types(*TYPES)
def test_outer_ethernet(sent, tunnel):
    rows = sent.rows[tunnel.name]
    assert {row.first("eth.dst") for row in rows} == {tunnels.NEXT_HOP}
    sources = {row.first("eth.src") for row in rows}
    assert len(sources) == 1 and sources.pop().startswith(PORT_MAC)
    ip = 0x0800 if tunnel.family == 4 else 0x86DD
    assert every(rows, "eth.type") == {0x8100 if tunnel.vlan else ip}
    if tunnel.vlan:
        assert every(rows, "vlan.id") == {tunnel.vlan}
        assert every(rows, "vlan.priority") == {0}
        assert {row.first("vlan.dei") for row in rows} == {"0"}


@of_types(*TYPES)
def test_outer_ip(sent, tunnel):
    rows = sent.rows[tunnel.name]
    protocol = 17 if tunnel.type in UDP_PORT else 47
    dscp, ttl = tunnel.dscp or 0, tunnel.ttl or 64
    if tunnel.family == 6:
        assert {row.first("ipv6.src") for row in rows} == {tunnel.local}
        assert {row.first("ipv6.dst") for row in rows} == {tunnel.remote}
        want = {"ipv6.tclass.dscp": dscp, "ipv6.tclass.ecn": 0, "ipv6.hlim": ttl, "ipv6.flow": 0,
                "ipv6.nxt": protocol}
    else:
        assert {row.first("ip.src") for row in rows} == {tunnel.local}
        assert {row.first("ip.dst") for row in rows} == {tunnel.remote}
        want = {"ip.hdr_len": 20, "ip.dsfield.dscp": dscp, "ip.dsfield.ecn": 0, "ip.ttl": ttl,
                "ip.proto": protocol, "ip.flags.df": int(tunnel.oversize == "drop"),
                "ip.flags.mf": 0, "ip.frag_offset": 0, "ip.checksum.status": 1}
        first = rows[0].number("ip.id")
        assert [row.number("ip.id") for row in rows] == [
            (first + number) % 65536 for number in range(len(rows))]
    for field, value in want.items():
        assert every(rows, field) == {value}, field


@of_types("gre", "gretap", "erspan1", "erspan2", "erspan3")
def test_gre(sent, tunnel):
    rows = sent.rows[tunnel.name]
    keyed = tunnel.key is not None and tunnel.type in ("gre", "gretap")
    sequenced = tunnel.type in ("erspan2", "erspan3")
    assert every(rows, "gre.flags_and_version") == {0x2000 * keyed | 0x1000 * sequenced}
    assert every(rows, "gre.key") == {tunnel.key if keyed else None}
    for number, (frame, row) in enumerate(zip(tunnel.carriable(sent.frames), rows)):
        assert row.number("gre.sequence_number") == (number if sequenced else None)
        at = tunnels.ether_size(frame)
        assert row.number("gre.proto") == GRE_PROTOCOL.get(
            tunnel.type, int.from_bytes(frame[at - 2:at], "big"))


@of_types("erspan2", "erspan3")
def test_erspan(sent, tunnel):
    rows = sent.rows[tunnel.name]
    assert every(rows, "erspan.spanid") == {tunnel.key or 0}
    assert every(rows, "erspan.truncated") == {0}
    for frame, row in zip(tunnel.carriable(sent.frames), rows):
        vid, priority, tagged = tag_of(frame)
        assert row.number("erspan.vlan") == vid
        assert row.number("erspan.cos") == priority
        if tunnel.type == "erspan2":
            assert row.number("erspan.encap") == (3 if tagged else 0)
    if tunnel.type == "erspan2":
        assert every(rows, "erspan.version") == {1}
        assert every(rows, "erspan.index") == {0}
        return
    for field, value in {"version": 2, "bso": 0, "sgt": 0, "p": 1, "ft": 0, "hw": 0, "gra": 1,
                         "direction": 0, "o": 0}.items():
        assert every(rows, f"erspan.{field}") == {value}, field
    # that the wall clock was there while the run went on
    took = (sent.end_ns - sent.start_ns) // TICK_NS + 1
    since = [(row.number("erspan.timestamp") - sent.start_ns // TICK_NS) % 2**32 for row in rows]
    assert since == sorted(since) and 0 <= since[0] and since[-1] <= took


@of_types("erspan1")
def test_erspan_1_has_no_header_of_its_own(sent, tunnel):
    assert every(sent.rows[tunnel.name], "erspan.version") == {None}


@of_types("vxlan", "geneve")
def test_udp(sent, tunnel):
    rows = sent.rows[tunnel.name]
    assert every(rows, "udp.dstport") == {UDP_PORT[tunnel.type]}
    # 3: there is none, 1: it is right
    assert every(rows, "udp.checksum.status") == {3 if tunnel.family == 4 else 1}
    if tunnel.family == 4:
        assert every(rows, "udp.checksum") == {0}
    else:
        assert 0 not in every(rows, "udp.checksum")
    for frame, row in zip(tunnel.carriable(sent.frames), rows):
        assert row.number("udp.length") == 16 + len(frame)


@of_types("vxlan", "geneve")
def test_udp_source_port_follows_the_flow(sent, tunnel):
    ports = {}
    for frame, row in zip(tunnel.carriable(sent.frames), sent.rows[tunnel.name]):
        ports.setdefault(frame, set()).add(row.number("udp.srcport"))
    assert all(49152 <= port <= 65535 for here in ports.values() for port in here)
    per_flow = [ports[there] | ports[back] for there, back in sent.flows]
    assert all(len(here) == 1 for here in per_flow), "a flow has one port, both ways"
    # two of 64 flows in 16,384 ports have one port with a probability of 12 %, five pairs never
    assert len(set.union(*per_flow)) > N_FLOWS - 5


@of_types("vxlan")
def test_vxlan(sent, tunnel):
    rows = sent.rows[tunnel.name]
    for field, value in {"flags": 0x0800, "gbp": 0, "vni": tunnel.key, "reserved8": 0}.items():
        assert every(rows, f"vxlan.{field}") == {value}, field


@of_types("geneve")
def test_geneve(sent, tunnel):
    rows = sent.rows[tunnel.name]
    for field, value in {"version": 0, "flags": 0, "proto_type": 0x6558, "vni": tunnel.key,
                         "reserved": 0, "options": None}.items():
        assert every(rows, f"geneve.{field}") == {value}, field


def test_counting_goes_on_past_16_bits(rig):
    """The identification of IPv4 starts again, sequence numbers do not."""
    count = 65536 + 500
    tunnel = Tunnel("erspan2", 4, 1)
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = 1000
    rig.tap("a", fr.numbered(count, 60), ring="64m")
    rig.output("x", "a", encap=tunnel.encap())
    written = rig.run().frames("x")
    outer = [tunnels.parse(frame) for frame in written]
    assert [fr.number_of(frame[tunnel.overhead:]) for frame in written] == list(range(count))
    assert [one.ident for one in outer] == [
        (outer[0].ident + number) % 65536 for number in range(count)]
    assert [int.from_bytes(one.payload[4:8], "big") for one in outer] == list(range(count))


def test_other_names_for_keys(rig):
    """`erspan` is `erspan2`, and a GRE key may be written like an address."""
    frames = fr.small_corpus(37, count=20, top=1400)
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = 1000
    rig.tap("a", frames)
    made = [Tunnel("erspan", 4, 1, key=77), Tunnel("gre", 4, 2, key="10.0.0.1"),
            Tunnel("gretap", 6, 3, key="255.255.255.255")]
    written = []
    for tunnel in made:
        rig.output(tunnel.name, "a", encap=tunnel.encap())
    result = rig.run()
    for tunnel in made:
        written += result.frames(tunnel.name)
    rows = tshark.dissect(written, FIELDS)
    parts = [rows[at:at + len(frames)] for at in range(0, len(rows), len(frames))]
    assert every(parts[0], "erspan.version") == {1} and every(parts[0], "erspan.spanid") == {77}
    assert every(parts[1], "gre.key") == {0x0A000001}
    assert every(parts[2], "gre.key") == {0xFFFFFFFF}
    assert [frame[50:] for frame in written[:len(frames)]] == frames
