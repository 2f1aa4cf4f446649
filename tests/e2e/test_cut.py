#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Records that are longer than the driver's segments can say: of those, net_pcap hands over a part,
and a length that says all of it. Nobody may look behind the end of that part."""

import pytest

import frames as fr
import tunnel_corpus
import tunnel_packets
import tunnels
from fluxcap import assert_sent

# Around the multiples of 65,536, and those that a buffer of 2,048 bytes has a part in.
BEYOND = (65536, 65537, 65549, 65550, 65600, 67583, 67584, 67585, 70000, 131071, 131072, 131086,
          150000, 262143, 262144)


def padded(frame, lengths=BEYOND):
    return [frame + bytes(length - len(frame)) for length in lengths]


def mixed(whole, beyond):
    """The long ones among the others."""
    sent = list(whole)
    for number, frame in enumerate(beyond):
        sent.insert(3 * number % (len(sent) + 1), frame)
    return sent


def assert_cut(tap, frames):
    for counter in ("malformed", "malformed_cut"):
        assert tap[counter] == len(frames)
        assert tap[counter + "_bytes"] == sum(map(len, frames))
    assert tap["malformed_no_length"] == tap["bad_checksum"] == 0


EDITS = {"none": {}, "push": {"vlan": {"push": 7}}, "pop": {"vlan": {"pop": 2}},
         "trim": {"trim": 5}, "truncate": {"truncate": 100}, "sample": {"sample": 100},
         "filter": {"filter": "tcp or ether[65000] = 1"}, "length": {"filter": "greater 65000"},
         "both": {"vlan": {"pop": 1, "push": [3, 4]}, "trim": 65535}}


@pytest.mark.parametrize("mtu", [None, 65000])
@pytest.mark.parametrize("name", EDITS)
def test_edits(rig, name, mtu):
    """Each edit, on the tap and on outputs, with a driver's usual buffers and with very long ones."""
    whole = fr.small_corpus(70)
    beyond = padded(whole[0])
    port = rig.tap("a", mixed(whole, beyond), **EDITS[name])
    rig.tap("b", mixed(whole, beyond))
    rig.output("x", "a", "b")
    rig.output("y", "b", **EDITS[name])
    rig.output("z", "b")
    rig.output("tunnel", "b", **EDITS[name],
               encap=tunnels.Tunnel("gretap", 4, 1, mtu=1500).encap())
    if mtu:
        rig.ports[port] = {"mtu": mtu}
        rig.memory_mb = 2000
    result = rig.run()
    for tap in ("a", "b"):
        assert_cut(result.tap(tap), beyond)
        rig.sent[rig.taps[tap]["port"]] = whole  # all that the model is to know of
    assert_sent(result, "x", "y", "z")


def test_where_a_tunnel_ends(rig):
    corpus = tunnel_corpus.Corpus(71)
    inner = corpus.small("syn4")
    for number, (kind, family) in enumerate(
            ((kind, family) for kind in tunnels.TYPES for family in tunnels.FAMILIES), 1):
        tunnel = tunnels.Tunnel(kind, family, number, key=tunnels.default_key(kind))
        packet = tunnel_packets.build(tunnel, inner)
        beyond = padded(packet)
        rig.tap(tunnel.name, [packet, *beyond, packet], decap=tunnel.decap())
        rig.output(tunnel.name, tunnel.name)
    result = rig.run()
    for name in rig.taps:
        assert_cut(result.tap(name), beyond)
        assert result.tap(name)["forwarded"] == 2
        assert len(result.frames(name)) == 2


def test_where_a_tunnel_begins(rig):
    """A port that only sends a tunnel hears what is addressed to it, and loses the rest."""
    request = fr.ether(bytes.fromhex("00010800060400010200000000640a6301090000000000000a630101") +
                       bytes(18), fr.ETHERTYPE_ARP, dst=b"\xff" * 6)
    port = rig.pcap_port(padded(request) + [request], written=True)
    inner = fr.small_corpus(72)
    rig.tap("a", inner)
    rig.output("x", "a", port=port, encap=tunnels.Tunnel("vxlan", 4, 1, key=1).encap())
    rig.speaks = lambda frame: frame[12:14] == b"\x08\x06"
    result = rig.run()
    assert result.output("x")["tx_packets"] == len(inner)
    answers = [frame for frame in fr.read_pcap(rig.written[port]) if rig.speaks(frame)]
    assert len(answers) == 1
