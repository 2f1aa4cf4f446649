#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Frames that are longer than any NIC's, from and to files: whole, edited, cut and in tunnels.

A file takes 16,128 bytes, and two tags more, when it is told no MTU, and up to 65,535 with one; what is longer than a
copy can be is lost and counted, never cut without a word.
"""

import itertools

import pytest

import frames as fr
import model
import tunnels
from fluxcap import assert_sent

DEFAULT = 16128
LENGTHS = (60, 1514, 2047, 2048, 2049, 9018, 9026, 9027, 9100, 12000, 16000, DEFAULT)
LONGER = (DEFAULT + 9, 20000, 40000, 65407, 65408, 65534, 65535)
EDITS = {"none": {}, "trim": {"trim": 5}, "truncate": {"truncate": 100}, "long": {"truncate": 15000},
         "push": {"vlan": {"push": 7}}, "pop": {"vlan": {"pop": 1}}}


def frames_of(lengths):
    drawn = fr.Maker(41)
    return [drawn.frame(length) for length in lengths for _ in range(3)]


@pytest.mark.parametrize("on_tap", [False, True])
def test_by_default(rig, on_tap):
    sent = frames_of(LENGTHS)
    for name, edits in EDITS.items():
        rig.tap(f"t-{name}", sent, **(edits if on_tap else {}))
        rig.output(f"o-{name}", f"t-{name}", **({} if on_tap else edits))
    assert_sent(rig.run())


def test_with_an_mtu(rig):
    """The longest that a segment of an mbuf can hold."""
    sent = frames_of(LENGTHS + LONGER)
    rig.memory_mb = 1500
    for name in ("none", "trim", "truncate"):
        rig.tap(f"t-{name}", sent)
        port = rig.output(f"o-{name}", f"t-{name}", **EDITS[name])
        rig.ports[port] = {"mtu": 65535}
    assert_sent(rig.run())


def test_what_is_too_long_is_counted(rig):
    sent = frames_of((60, *LONGER, 100))
    rig.tap("a", sent)
    for name, edits in EDITS.items():
        rig.output(name, "a", **edits)
    result = rig.run()
    n_long = 3 * len(LONGER)
    for name in ("none", "trim", "push"):
        assert result.feed("a", name)["oversize"] == n_long
        assert len(result.frames(name)) == 6
    # What is cut needs no copy of the rest.
    assert_sent(result, "truncate", "long")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["gretap", "erspan3", "vxlan", "gre"])
def test_tunnels_that_cut(rig, kind, family):
    """However long a frame is, the recipient gets the beginning that fits."""
    drawn = frames_of((60, 1400, 9018, 9027, 12000, DEFAULT, 20000, 65535))
    made = {}
    for number, (mtu, edits) in enumerate(itertools.product((1500, 9000), ({}, EDITS["push"]))):
        tunnel = tunnels.Tunnel(kind, family, number, key=tunnels.default_key(kind), mtu=mtu,
                                oversize="truncate")
        made[f"o{number}"] = tunnel, edits
        rig.output(f"o{number}", "a", encap=tunnel.encap(), **edits)
    sent = tunnel.carriable(drawn)
    rig.tap("a", sent)
    result = rig.run()
    for name, (tunnel, edits) in made.items():
        got = [frame for frame in result.frames(name) if not tunnels.is_said(frame)]
        assert len(got) == len(sent)
        for frame, inner in zip(got, sent):
            whole = tunnel.carried(model.apply([inner], edits)[0])
            payload = frame[tunnel.overhead:]
            assert whole.startswith(payload)
            assert len(payload) == min(len(whole), tunnel.max_inner)


@pytest.mark.parametrize("kind", ["gretap", "vxlan"])
def test_tunnels_that_fragment(rig, kind):
    tunnel = tunnels.Tunnel(kind, 4, 1, key=tunnels.default_key(kind))
    sent = frames_of(LENGTHS)
    rig.tap("a", sent)
    rig.output("x", "a", encap={**tunnel.encap(), "mtu": 1500})
    result = rig.run()
    assert result.feed("a", "x")["tx_packets"] == len(sent)
    whole = tunnels.join([f for f in result.frames("x") if not tunnels.is_said(f)])
    assert [frame[-len(inner):] for (_, frame), inner in zip(whole, sent)] == sent
