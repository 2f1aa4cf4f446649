#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""However the work is spread over lcores, the same frames leave in the same order."""

import pytest

import frames as fr
import model
from fluxcap import assert_sent


def build(rig):
    for number, name in enumerate(("a", "b", "c")):
        rig.tap(name, fr.corpus(50 + number, src=number))
    rig.output("all", "a", "b", "c")
    rig.output("tagged", "a", "b", vlan={"push": [10, 20]}, filter="not arp")
    rig.output("cut", "c", truncate=100, trim=8)
    port = rig.output("one", "a")
    rig.output("other", "b", port=port, vlan={"pop": 1})


def check(rig, result):
    """Each output has each tap's frames in their order; the shared port has both outputs'."""
    for name in ("all", "tagged", "cut"):
        got = result.frames(name)
        for tap, want in zip(rig.outputs[name]["from"], rig.expected(name)):
            mine = [f for f in got if fr.source_of(f) == "abc".index(tap)]
            assert not model.first_difference(mine, want), name
        assert len(got) == sum(map(len, rig.expected(name)))
    shared = result.frames("one")
    for number, name in enumerate(("one", "other")):
        mine = [f for f in shared if fr.source_of(f) == number]
        assert not model.first_difference(mine, rig.expected(name)[0]), name
    assert len(shared) == sum(len(rig.expected(name)[0]) for name in ("one", "other"))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_default_placement(rig, count):
    rig.n_lcores = count
    build(rig)
    check(rig, rig.run())


@pytest.mark.parametrize("count, placed", [
    (1, {"idle_us": 200}),
    (2, {"idle_us": 200}),
    (2, {"rx": [1], "tx": [1]}),
    (3, {"rx": [1], "tx": [2], "idle_us": 50}),
    (3, {"rx": [1], "tx": [2]}),
    (4, {"rx": [1, 2], "tx": [3], "idle_us": 100}),
    (4, {"rx": [1], "tx": [2, 3], "idle_us": 100}),
    (5, {"rx": [1, 2], "tx": [3, 4], "idle_us": 100}),
    (3, {"rx": [1, 2], "tx": [2, 1], "idle_us": 100}),
    (4, {"rx": [1, 2, 3], "tx": [2], "idle_us": 100}),
    (3, {"rx": [2], "idle_us": 100}),
    (3, {"tx": [1], "idle_us": 100}),
], ids=lambda value: str(value) if isinstance(value, int) else "-".join(
    f"{k}{'.'.join(map(str, v)) if isinstance(v, list) else v}" for k, v in value.items()))
def test_placement_as_configured(rig, count, placed):
    rig.n_lcores = count
    rig.lcores = placed
    build(rig)
    check(rig, rig.run())


def test_rx_and_tx_apart_lose_nothing_of_many(rig):
    """More frames than a handoff ring holds; rx must not outrun tx when it has room to wait."""
    sent = fr.numbered(40000, length=60)
    rig.n_lcores = 3
    rig.lcores = {"rx": [1], "tx": [2], "idle_us": 50}
    rig.tap("a", sent, ring="64m")
    rig.output("x", "a")
    rig.output("y", "a")
    result = rig.run()
    for name in ("x", "y"):
        feed = result.feed("a", name)
        assert feed["tx_packets"] + feed["handoff_full"] + feed["overrun"] == 40000
        numbers = list(map(fr.number_of, result.frames(name)))
        assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
    assert_sent(result)


def test_an_lcore_that_eal_does_not_have_is_an_error(rig):
    rig.n_lcores = 2
    rig.lcores = {"rx": [1], "tx": [77]}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    with pytest.raises(AssertionError) as failure:
        rig.run()
    assert "exit status 2" in str(failure.value)
    assert "77" in str(failure.value) and "lcores" in str(failure.value)
