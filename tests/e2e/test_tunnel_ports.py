#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several tunnels on one port, tunnels that follow each other, and what a tunnel port answers."""

import dataclasses
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

import frames as fr
import model
import tshark
import tunnel_corpus
import tunnel_packets
import tunnels
from fluxcap import IDLE_MS
from tunnels import FAMILIES, TYPES, Tunnel

UDP4 = "udp and ip"
ASKER = "02:00:00:00:aa:01"


def tune(rig, memory_mb=1500):
    rig.lcores = {"idle_us": 100}
    rig.memory_mb = memory_mb


def inner_frames(seed, count):
    corpus = tunnel_corpus.Corpus(seed)
    return [corpus.frame(length) for length in corpus.random.sample(range(90, 1400), count)]


def shuffle_into(rnd, lists):
    """One list with the elements of several, each of them in its own order."""
    turns = [number for number, one in enumerate(lists) for _ in one]
    rnd.shuffle(turns)
    rest = [iter(one) for one in lists]
    return [next(rest[turn]) for turn in turns]


def test_taps_of_one_port(rig):
    """They differ in one thing each: key, remote, type, local or family. A stray is counted once,
    by the first of them."""
    first = Tunnel("gretap", 4, 1, key=1)
    taps = {
        "key-1": (first, ("key",)),
        "key-2": (dataclasses.replace(first, key=2), ("key",)),
        "type": (Tunnel("vxlan", 4, 1, key=1), ("key",)),
        "type-2": (Tunnel("erspan2", 4, 1, key=1), ("key",)),
        "any-key": (Tunnel("erspan3", 4, 1), ()),
        "remote": (Tunnel("gre", 4, 1), ("remote",)),
        "local": (Tunnel("gretap", 4, 2, key=1), ("key",)),
        "six": (Tunnel("gretap", 6, 1, key=1), ("key",)),
    }
    frames = {name: inner_frames(61, 25) for name in taps}
    played = [[tunnel_packets.build(tunnel, frame) for frame in frames[name]]
              for name, (tunnel, _) in taps.items()]
    strays = [tunnel_packets.build(stray, inner_frames(62, 1)[0]) for stray in (
        dataclasses.replace(first, key=3), dataclasses.replace(first, key=None),
        Tunnel("vxlan", 4, 1, key=2), Tunnel("geneve", 4, 1, key=1), Tunnel("gretap", 4, 3, key=1),
        Tunnel("gretap", 6, 1, key=2), Tunnel("erspan1", 4, 1))]
    strays.append(bytes(Ether() / IP(src="192.0.2.77", dst=first.remote) / UDP() / bytes(50)))
    strays.append(bytes(tunnel_packets.link(first) / IP(src="192.0.2.77", dst=first.remote) /
                        tunnel_packets.payload(Tunnel("gre", 4, 1), frames["key-1"][0])))
    everything = shuffle_into(random.Random(63), [*played, strays])
    tune(rig)
    port = rig.pcap_port(everything)
    for name, (tunnel, match) in taps.items():
        rig.tap(name, port=port, decap=tunnel.decap(*match))
        rig.output(name, name)
    rig.output("all", *taps)
    result = rig.run()
    for name, (tunnel, _) in taps.items():
        tap, want = result.tap(name), list(map(tunnel.received, frames[name]))
        difference = model.first_difference(result.frames(name), want)
        assert not difference, f"{name}: {difference}"
        tunnels.assert_tap_adds_up(tap)
        assert tap["forwarded"] == len(want)
        assert tap["not_ours"] == (len(strays) if name == "key-1" else 0)
        assert tap["rx_packets"] == len(want) + tap["not_ours"]
        assert tap["malformed"] == 0
    assert sorted(result.frames("all")) == sorted(
        tunnel.received(frame) for name, (tunnel, _) in taps.items() for frame in frames[name])


@pytest.mark.parametrize("n_lcores, lcores", [(2, {}), (4, {"rx": [1, 2], "tx": [2, 3]})])
def test_one_tunnel_out_of_another(rigs, n_lcores, lcores):
    """Each type is taken out of its tunnel and put into the next one, in fragments on both sides;
    three boxes make a chain."""
    frames = inner_frames(64, 20) + tunnel_corpus.Corpus(64).frames(top=4000)
    kinds = [kind for kind in TYPES if kind != "gre"]
    legs = []  # for each box and type: what it sends into
    for box in range(2):
        legs.append([Tunnel(kinds[(at + box) % len(kinds)], FAMILIES[(at + box) % 2],
                            20 * (box + 1) + at, key=tunnels.default_key(
                                kinds[(at + box) % len(kinds)], at), mtu=1300)
                     for at in range(len(kinds))])
    played = [None] * len(kinds)
    for box in range(3):
        rig = rigs()
        tune(rig, 2500)
        rig.n_lcores = n_lcores
        rig.lcores = {"idle_us": 100, **lcores}
        if box == 0:
            rig.tap("in", frames)
        for at in range(len(kinds)):
            keys = {} if box == 2 else {"encap": legs[box][at].encap()}
            if box > 0:
                rig.tap(f"t{at}", played[at], decap=legs[box - 1][at].decap("remote"))
            rig.output(f"o{at}", f"t{at}" if box > 0 else "in", **keys)
        # a working lcore may have to wait for a CPU while the control thread has one
        result = rig.run(idle_ms=5 * IDLE_MS)
        played = [result.frames(f"o{at}") for at in range(len(kinds))]
        if box < 2:
            assert all(tunnels.parse(frame).length <= 1300 for part in played for frame in part)
            assert all(len(part) > len(frames) for part in played)
    for at in range(len(kinds)):
        difference = model.first_difference(played[at], frames)
        assert not difference, f"{legs[0][at].name}, {legs[1][at].name}: {difference}"


def test_one_box_changes_the_type(rig):
    """A tap's decap, its edits, an output's edits and its encap, in this order."""
    came, goes = Tunnel("gretap", 4, 1, key=4), Tunnel("geneve", 6, 2, key=5, mtu=1280)
    frames = tunnel_corpus.Corpus(65).frames(top=4000)
    tune(rig)
    rig.tap("a", [tunnel_packets.build(came, frame) for frame in frames], decap=came.decap(),
            vlan={"push": 11})
    rig.output("plain", "a", vlan={"push": 12})
    rig.output("again", "a", truncate=1400, encap=goes.encap())
    result = rig.run()
    tagged = [model.push_tag(frame, 11, 0, 0x8100) for frame in frames]
    assert result.frames("plain") == [model.push_tag(frame, 12, 0, 0x8100) for frame in tagged]
    packets = tunnels.join(result.frames("again"))
    assert [whole[goes.overhead:] for _, whole in packets] == [frame[:1400] for frame in tagged]
    assert {len(packet) for packet, _ in packets} == {1, 2}


def test_edits_see_what_came_out(rig):
    """Filters behind a tunnel see the inner frame; what came in fragments is counted once."""
    tunnel = Tunnel("erspan3", 6, 1, key=1)
    frames = tunnel_corpus.Corpus(72).frames(top=4000)
    arrives = []
    for ident, frame in enumerate(frames):
        whole = tunnel_packets.build(tunnel, frame)
        arrives += [whole] if len(frame) < 1000 else tunnels.split(whole, (512, 304), ident)
    strays = [tunnel_packets.build(dataclasses.replace(tunnel, key=2), frames[0])] * 3
    cut = [tunnel_packets.build(tunnel, frames[0])[:70]] * 2
    kept = [frames[at] for at in model.kept_by_filter(frames, UDP4)]
    tune(rig)
    rig.tap("a", strays + arrives + cut, decap=tunnel.decap("key"), filter=UDP4)
    rig.output("all", "a")
    rig.output("long", "a", filter="greater 1000")
    result = rig.run()
    assert result.frames("all") == kept
    assert result.frames("long") == [frame for frame in kept if len(frame) >= 1000]
    tap = result.tap("a")
    tunnels.assert_tap_adds_up(tap)
    assert tap["filtered"] == len(frames) - len(kept) and tap["forwarded"] == len(kept)
    assert (tap["not_ours"], tap["malformed"]) == (3, 2)
    assert tap["fragments_held"] == len(arrives) - len(frames) > 0
    assert result.feed("a", "long")["filtered"] == len(kept) - len(result.frames("long"))


def questions(four, six, port_mac):
    """What is asked of a port's addresses, and what is asked of others or is no question."""
    arp = Ether(src=ASKER, dst="ff:ff:ff:ff:ff:ff")
    eth = Ether(src=ASKER, dst=port_mac)
    from_four, from_six = "10.99.1.77", "2001:db8:99:2::77"
    group = {"dst": "ff02::1:ff00:1"}

    def solicit(target, hops=255):
        return (Ether(src=ASKER, dst="33:33:ff:00:00:01") / IPv6(src=from_six, hlim=hops, **group) /
                ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=ASKER))

    def ping(payload, destination=four):
        return eth / IP(src=from_four, dst=destination) / ICMP(id=7, seq=3) / Raw(payload)

    def ping6(payload, destination=six):
        return (eth / IPv6(src=from_six, dst=destination) /
                ICMPv6EchoRequest(id=8, seq=4, data=payload))

    answered = [arp / ARP(hwsrc=ASKER, psrc=from_four, pdst=four) / Raw(bytes(18)),
                solicit(six), ping(b"some data"), ping(bytes(range(256)) * 4),
                ping6(b"other data"), ping6(bytes(range(256)) * 4)]
    ignored = [arp / ARP(hwsrc=ASKER, psrc=from_four, pdst="10.99.1.2"),
               solicit("2001:db8:99:2::2"), solicit(six, hops=64), ping(b"x", "10.99.1.2"),
               ping6(b"x", "2001:db8:99:2::2"),
               eth / IP(src=from_four, dst=four) / ICMP(type=13) / Raw(bytes(12)),
               eth / IP(src=from_four, dst=four) / ICMP(type=0, id=7, seq=3),
               eth / IP(src=from_four, dst=four) / TCP(dport=22, flags="S"),
               eth / IP(src=from_four, dst=four) / UDP(dport=53) / Raw(b"x"),
               eth / IPv6(src=from_six, dst=six) / TCP(dport=22, flags="S"),
               arp / Dot1Q(vlan=9) / ARP(hwsrc=ASKER, psrc=from_four, pdst=four)]
    return list(map(bytes, answered)), list(map(bytes, ignored))


def test_a_plain_tap_on_a_port_with_tunnels(rig):
    """It gets everything that arrives, also what is for the tunnels' addresses, which answer."""
    one, two = Tunnel("gretap", 4, 1, key=1), Tunnel("vxlan", 6, 2, key=1)
    answered, ignored = questions(one.local, two.local, "02:70:63:61:70:01")
    arrives = shuffle_into(random.Random(66), [answered, ignored, fr.small_corpus(67)])
    frames = inner_frames(68, 50)
    tune(rig)
    rig.speaks = tunnels.is_said
    rig.tap("in", frames)
    port = rig.pcap_port(arrives, written=True)
    rig.tap("plain", port=port)
    rig.output("one", "in", port=port, encap=one.encap())
    rig.output("two", "in", port=port, encap=two.encap())
    rig.output("copy", "plain")
    rig.output("bare", "in", port=port, filter="len <= 200")
    result = rig.run()
    assert result.frames("copy") == arrives
    tap = result.tap("plain")
    tunnels.assert_tap_adds_up(tap)
    assert tap["forwarded"] == tap["rx_packets"] == len(arrives)
    written = result.frames("one")
    said = [frame for frame in written if tunnels.is_said(frame)]
    bare = [frame for frame in frames if len(frame) <= 200]
    sent = [frame for frame in written if not tunnels.is_said(frame) and frame not in bare]
    for tunnel in (one, two):
        here = [frame for frame in sent if tunnels.parse(frame).protocol == (
            47 if tunnel is one else 17)]
        assert [frame[tunnel.overhead:] for frame in here] == frames
    assert result.feed("in", "bare")["tx_packets"] == len(bare) > 0
    check_answers(answered, said)


def check_answers(asked, said):
    """tshark says that each answer is that to one question."""
    rows = tshark.dissect(asked + said, (
        "eth.dst", "eth.src", "vlan.id", "arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4",
        "arp.dst.hw_mac", "arp.dst.proto_ipv4", "ip.src", "ip.dst", "ip.checksum.status",
        "icmp.type", "icmp.ident", "icmp.seq", "icmp.checksum.status", "data.data", "ipv6.src",
        "ipv6.dst", "ipv6.hlim", "icmpv6.type", "icmpv6.checksum.status", "icmpv6.echo.identifier",
        "icmpv6.echo.sequence_number", "icmpv6.nd.ns.target_address",
        "icmpv6.nd.na.target_address", "icmpv6.nd.na.flag.s", "icmpv6.opt.linkaddr"))
    asked, said = rows[:len(asked)], rows[len(asked):]
    assert len(said) == len(asked)
    macs = {row["eth.src"] for row in said}
    assert len(macs) == 1 and {row["eth.dst"] for row in said} == {ASKER}
    mac = macs.pop()
    arp, = [row for row in said if "arp.opcode" in row]
    assert arp.number("arp.opcode") == 2 and arp["arp.src.hw_mac"] == mac
    assert arp["arp.src.proto_ipv4"] == asked[0]["arp.dst.proto_ipv4"]
    assert (arp["arp.dst.hw_mac"], arp["arp.dst.proto_ipv4"]) == (ASKER, "10.99.1.77")
    advertisement, = [row for row in said if row.number("icmpv6.type") == 136]
    assert advertisement["icmpv6.nd.na.target_address"] == asked[1]["icmpv6.nd.ns.target_address"]
    assert advertisement["icmpv6.opt.linkaddr"] == mac
    assert advertisement.number("ipv6.hlim") == 255
    assert advertisement["icmpv6.nd.na.flag.s"] == "1"
    assert advertisement["ipv6.dst"] == asked[1]["ipv6.src"]
    for family, kind, same in (
            ("ip", "icmp", ("icmp.ident", "icmp.seq")),
            ("ipv6", "icmpv6", ("icmpv6.echo.identifier", "icmpv6.echo.sequence_number"))):
        request, reply = (8, 0) if family == "ip" else (128, 129)
        pings = [row for row in asked if row.number(f"{kind}.type") == request]
        pongs = [row for row in said if row.number(f"{kind}.type") == reply]
        assert len(pings) == len(pongs) == 2
        for ping, pong in zip(*(sorted(rows, key=lambda row: len(row["data.data"]))
                                for rows in (pings, pongs))):
            assert pong.number(f"{kind}.checksum.status") == 1
            assert (pong[f"{family}.src"], pong[f"{family}.dst"]) == (
                ping[f"{family}.dst"], ping[f"{family}.src"])
            assert pong["data.data"] == ping["data.data"]
            assert all(pong[field] == ping[field] for field in same)
            assert family == "ipv6" or pong.number("ip.checksum.status") == 1


def test_decap_and_encap_on_one_port(rig):
    """Both directions of a tunnel at one address; the port answers for it once."""
    tunnel = Tunnel("gretap", 4, 1, key=1)
    answered, ignored = questions(tunnel.local, Tunnel("gretap", 6, 2).local, "02:70:63:61:70:01")
    answered = [frame for frame in answered if frame[12:14] != b"\x86\xdd"]
    inner, frames = inner_frames(69, 30), inner_frames(70, 30)
    reverse = [bytes(tunnel_packets.link(tunnel) / IP(src=tunnel.remote, dst=tunnel.local) /
                     tunnel_packets.payload(tunnel, frame)) for frame in inner]
    arrives = shuffle_into(random.Random(71), [answered, ignored, reverse])
    tune(rig)
    rig.speaks = tunnels.is_said
    rig.tap("in", frames)
    port = rig.pcap_port(arrives, written=True)
    rig.tap("end", port=port, decap={"type": "gretap", "local": tunnel.local,
                                     "remote": tunnel.remote, "key": 1})
    rig.output("out", "in", port=port, encap=tunnel.encap())
    rig.output("copy", "end")
    result = rig.run()
    assert result.frames("copy") == inner
    tap = result.tap("end")
    tunnels.assert_tap_adds_up(tap)
    assert tap["not_ours"] == len(answered) + len(ignored) and tap["malformed"] == 0
    written = result.frames("out")
    said = [frame for frame in written if tunnels.is_said(frame)]
    assert [frame[tunnel.overhead:] for frame in written if not tunnels.is_said(frame)] == frames
    # the end of a tunnel answers in whatever VLAN it is asked, so to one of the ignored ones, too
    rows = tshark.dissect(said, ("arp.opcode", "icmp.type", "vlan.id"))
    assert sorted(row.first("vlan.id") or "" for row in rows if "arp.opcode" in row) == ["", "9"]
    assert len([row for row in rows if row.number("icmp.type") == 0]) == 2
    assert len(rows) == 4


@pytest.mark.parametrize("family", FAMILIES)
def test_a_next_hop_that_announces_itself(rig, family):
    """Until its gratuitous ARP or advertisement is heard nothing leaves; then all goes there."""
    tunnel = Tunnel("gretap", family, 1, mac=None)
    mac = "02:00:00:00:bb:05"
    if family == 4:
        hello = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=2, hwsrc=mac, psrc=tunnel.remote, hwdst="ff:ff:ff:ff:ff:ff", pdst=tunnel.remote)
    else:
        hello = (Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(
            src=tunnel.remote, dst="ff02::1", hlim=255) / ICMPv6ND_NA(
                tgt=tunnel.remote, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac))
    tune(rig)
    rig.speaks = tunnels.is_said
    rig.whole_files = False  # the player starts again and again
    source = rig.path("endless.pcap")
    fr.write_pcap(source, fr.numbered(512, 100))
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=source, infinite_rx=1), sample=0.01)
    port = rig.pcap_port([bytes(hello)], written=True)
    rig.output("x", "a", port=port, encap=tunnel.encap())
    with rig.start() as running:
        running.wait_for(lambda: running.output("x")["next_hop_mac"], "a next hop")
        before = running.output("x")["tx_packets"]
        running.wait_sent("x", before + 20)
        assert running.output("x")["next_hop"] == tunnel.remote
        assert running.output("x")["next_hop_mac"] == mac
        result = running.stop()
    sent = [frame for frame in result.frames("x") if not tunnels.is_said(frame)]
    assert len(sent) == result.feed("a", "x")["tx_packets"] >= 20
    assert {frame[:6].hex(":") for frame in sent} == {mac}
    feed = result.feed("a", "x")
    assert feed["forwarded"] == feed["unresolved"] + feed["tx_packets"]
