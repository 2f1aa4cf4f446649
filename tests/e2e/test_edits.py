#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each edit on a tap, on an output, and many at once; byte for byte against the model."""

import json
import random

import pytest

import frames as fr
import model
from fluxcap import assert_sent
from test_filters import FILTERS

VLANS = (
    {"pop": 1}, {"pop": 2}, {"push": 1}, {"push": 4094}, {"push": 100, "pcp": 7},
    {"push": [100, 200]}, {"push": [4094, 1], "pcp": 3}, {"push": 100, "tpid": "0x88a8"},
    {"push": [100, 200], "tpid": "0x88a8", "pcp": 5}, {"push": 100, "tpid": "0x9100"},
    {"pop": 1, "push": 300}, {"pop": 2, "push": 300}, {"pop": 1, "push": [300, 301]},
    {"pop": 2, "push": [300, 301], "pcp": 1, "tpid": "0x9100"}, {"pop": 0, "push": 17},
)
SIZES = (
    {"trim": 1}, {"trim": 4}, {"trim": 60}, {"trim": 1000}, {"trim": 2048}, {"trim": 9000},
    {"trim": 65000}, {"truncate": 14}, {"truncate": 15}, {"truncate": 64}, {"truncate": 128},
    {"truncate": 1476}, {"truncate": 2047}, {"truncate": 2048}, {"truncate": 2049},
    {"truncate": 2176}, {"truncate": 4096}, {"truncate": 9017}, {"truncate": 9018},
    {"truncate": 65535}, {"trim": 4, "truncate": 128}, {"trim": 3000, "truncate": 5000},
)


@pytest.mark.parametrize("edits", [VLANS, SIZES], ids=["vlan", "size"])
def test_changes_on_outputs(rig, edits):
    """All of them at once share each frame: one that wrote into it would show in the others."""
    rig.tap("a", fr.corpus(33))
    for number, edit in enumerate(edits):
        rig.output(f"o{number}", "a", **({"vlan": edit} if edits is VLANS else edit))
    rig.output("plain", "a")
    assert_sent(rig.run())


@pytest.mark.parametrize("edits", [VLANS[:8], VLANS[8:], SIZES[:8], SIZES[8:15], SIZES[15:]])
def test_changes_on_taps(rig, edits):
    for number, edit in enumerate(edits):
        keys = edit if edits[0] in SIZES else {"vlan": edit}
        rig.tap(f"t{number}", fr.corpus(34, src=number), ring="4m", **keys)
        rig.output(f"o{number}", f"t{number}")
    assert_sent(rig.run())


@pytest.mark.parametrize("edits", [VLANS[:8], VLANS[8:], SIZES[:8], SIZES[8:15], SIZES[15:]])
def test_changes_on_ports_that_take_segments(rig, edits):
    """A ring hands over the frames as they were sent, in whatever segments; it is read again."""
    rig.tap("a", fr.corpus(39))
    for number, edit in enumerate(edits):
        ring = rig.vdev("net_ring")
        keys = edit if edits[0] in SIZES else {"vlan": edit}
        rig.output(f"o{number}", "a", port=ring, **keys)
        rig.tap(f"t{number}", port=ring)
        rig.output(f"f{number}", f"t{number}")
    rig.output("plain", "a")
    result = rig.run()
    assert_sent(result, "plain")
    for number, _ in enumerate(edits):
        difference = model.first_difference(result.frames(f"f{number}"),
                                            rig.expected(f"o{number}")[0])
        assert not difference, f"output o{number}: {difference}"


def test_a_tap_is_edited_once_for_all_its_outputs(rig):
    rig.tap("a", fr.corpus(35), vlan={"push": 100}, trim=4)
    rig.output("plain", "a")
    rig.output("again", "a", vlan={"push": 200})
    rig.output("off", "a", vlan={"pop": 1})
    rig.output("cut", "a", truncate=64)
    rig.output("mine", "a", filter="vlan 100")
    rig.output("none", "a", filter="vlan 200")
    result = rig.run()
    assert_sent(result)
    assert result.frames("none") == []


def test_aggregation_with_a_tag_per_tap(rig):
    """The example of the documentation: two taps tagged apart, merged, one copy cut."""
    rig.tap("cisco", fr.corpus(36, src=1), vlan={"push": 100})
    rig.tap("dell", fr.corpus(37, src=2), vlan={"push": 200})
    rig.output("ids", "cisco", "dell")
    rig.output("short", "cisco", truncate=128)
    result = rig.run()
    assert_sent(result)
    vids = {int.from_bytes(frame[14:16], "big") & 0xFFF for frame in result.frames("ids")}
    assert vids == {100, 200}


def test_the_order_of_edits(rig):
    """filter sees the frame before the tag, trim cuts after it, truncate comes last."""
    sent = fr.corpus(38)
    rig.tap("a", sent)
    edits = {"filter": "not vlan and greater 100", "vlan": {"push": [10, 20]}, "trim": 10,
             "truncate": 200}
    rig.output("x", "a", **edits)
    rig.tap("b", fr.corpus(38, src=2), **edits)
    rig.output("y", "b", filter="vlan 10 and vlan 20", vlan={"pop": 2}, truncate=190)
    rig.short_form = False
    result = rig.run()
    assert_sent(result)
    assert {len(frame) for frame in result.frames("x")} <= set(range(98, 201))


def random_edits(rnd):
    edits = {}
    if rnd.random() < 0.4:
        edits["filter"] = rnd.choice(FILTERS)
    if rnd.random() < 0.2:
        edits["sample"] = 100
    if rnd.random() < 0.6:
        edits["vlan"] = dict(rnd.choice(VLANS))
    if rnd.random() < 0.4:
        edits["trim"] = rnd.choice((1, 4, 30, 100, 1500, rnd.randrange(1, 9000)))
    if rnd.random() < 0.4:
        edits["truncate"] = rnd.choice((14, 60, 128, 1500, 2048, rnd.randrange(14, 9018)))
    return edits


@pytest.mark.parametrize("seed", range(8))
def test_random_combinations(rig, seed):
    rnd = random.Random(1000 + seed)
    taps = [f"t{number}" for number in range(3)]
    for number, name in enumerate(taps):
        rig.tap(name, fr.runts(src=number) + fr.corpus(rnd.randrange(1 << 30), src=number),
                **random_edits(rnd))
    for number in range(8):
        rig.output(f"o{number}", *rnd.sample(taps, rnd.choice((1, 1, 2, 3))), **random_edits(rnd))
    rig.short_form = seed % 2 == 0
    result = rig.run()
    for name, output in rig.outputs.items():
        got = result.frames(name)
        for tap, want in zip(output["from"], rig.expected(name)):
            number = taps.index(tap)
            mine = [frame for frame in got if fr.source_of(frame) == number]
            difference = model.first_difference(mine, want)
            assert not difference, (f"{name} from {tap}: {difference}\n"
                                    f"{json.dumps(rig.config(), indent=1)}")
        assert len(got) == sum(map(len, rig.expected(name)))
