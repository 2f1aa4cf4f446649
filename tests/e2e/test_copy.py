#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Frames are copied and merged, byte for byte, and nothing is lost."""

import pytest

import frames as fr
from fluxcap import assert_sent


def test_one_tap_to_one_output(rig):
    sent = fr.corpus(1)
    rig.tap("a", sent)
    rig.output("x", "a")
    result = rig.run()
    assert result.frames("x") == sent
    assert result.tap("a")["rx_bytes"] == sum(map(len, sent))
    assert result.output("x")["tx_bytes"] == sum(map(len, sent))


def test_one_tap_to_three_outputs(rig):
    sent = fr.corpus(2)
    rig.tap("a", sent)
    for name in ("x", "y", "z"):
        rig.output(name, "a")
    result = rig.run()
    for name in ("x", "y", "z"):
        assert result.frames(name) == sent


def test_three_taps_to_one_output(rig):
    taps = {name: fr.corpus(number, src=number) for number, name in enumerate(("a", "b", "c"), 1)}
    for name, sent in taps.items():
        rig.tap(name, sent)
    rig.output("x", "a", "b", "c")
    result = rig.run()
    assert_sent(result)
    for number, sent in enumerate(taps.values(), 1):
        assert [f for f in result.frames("x") if fr.source_of(f) == number] == sent


def test_three_taps_to_three_outputs(rig):
    for number, name in enumerate(("a", "b", "c"), 1):
        rig.tap(name, fr.corpus(10 + number, src=number))
    rig.output("all", "a", "b", "c")
    rig.output("two", "c", "a")
    rig.output("one", "b")
    result = rig.run()
    assert_sent(result)
    assert len(result.stats["feeds"]["a"]) == 2 and len(result.stats["feeds"]["b"]) == 2


def test_the_same_capture_on_three_taps_leaves_three_times(rig):
    sent = fr.small_corpus(3, count=100)
    for name in ("a", "b", "c"):
        rig.tap(name, sent)
    rig.output("x", "a", "b", "c")
    assert_sent(rig.run())


def test_two_outputs_on_one_port(rig):
    sent = fr.corpus(4)
    rig.tap("a", sent)
    port = rig.output("x", "a")
    rig.output("y", "a", port=port, truncate=60)
    result = rig.run()
    short = [frame[:60] for frame in sent]
    assert sorted(result.frames("x")) == sorted(sent + short)
    assert result.output("x")["tx_bytes"] == sum(map(len, sent))
    assert result.output("y")["tx_bytes"] == sum(map(len, short))


def test_two_outputs_of_two_taps_on_one_port(rig):
    one, two = fr.corpus(5, src=1), fr.corpus(6, src=2)
    rig.tap("a", one)
    rig.tap("b", two)
    port = rig.output("x", "a")
    rig.output("y", "b", port=port)
    got = rig.run().frames("x")
    assert [frame for frame in got if fr.source_of(frame) == 1] == one
    assert [frame for frame in got if fr.source_of(frame) == 2] == two
    assert len(got) == len(one) + len(two)


def test_a_port_that_is_tap_and_output(rig):
    port = rig.pcap_port(sent=fr.corpus(7, src=1), written=True)
    rig.tap("a", port=port)
    rig.tap("b", fr.corpus(8, src=2))
    rig.output("back", "b", port=port)
    rig.output("through", "a")
    assert_sent(rig.run())


def test_a_port_that_echoes_its_own_tap(rig):
    port = rig.pcap_port(sent=fr.corpus(9), written=True)
    rig.tap("a", port=port)
    rig.output("echo", "a", port=port)
    assert_sent(rig.run())


def test_jumbo_frames(rig):
    maker = fr.Maker(10)
    sent = [maker.frame(length, tags=maker.tags(n_tags)) for length in range(8900, 9019, 7)
            for n_tags in (0, 1, 2)] + [maker.frame(9018)] * 3
    rig.tap("a", sent)
    rig.output("x", "a")
    rig.output("y", "a", truncate=9000)
    rig.output("z", "a", vlan={"pop": 1})
    assert_sent(rig.run())


def test_every_length_from_14_to_300(rig):
    maker = fr.Maker(11)
    rig.tap("a", [maker.frame(length) for length in range(14, 301)])
    rig.output("x", "a")
    rig.output("y", "a", vlan={"pop": 2})
    assert_sent(rig.run())


def test_runts_are_malformed_and_stay_out(rig):
    whole = fr.corpus(12)
    sent = fr.runts() + whole + fr.runts()
    rig.tap("a", sent)
    rig.output("x", "a")
    rig.output("y", "a", vlan={"push": 5})
    result = rig.run()
    assert result.frames("x") == whole
    assert_sent(result)
    assert result.tap("a")["malformed"] == 26
    assert result.tap("a")["malformed_bytes"] == 2 * sum(range(1, 14))


def test_only_runts(rig):
    rig.tap("a", fr.runts() * 40)
    rig.output("x", "a")
    result = rig.run()
    assert result.frames("x") == []
    assert result.tap("a")["malformed"] == 13 * 40


def test_an_empty_capture(rig):
    rig.tap("a", [])
    rig.output("x", "a")
    result = rig.run()
    assert result.frames("x") == [] and result.tap("a")["rx_packets"] == 0


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 63, 64, 65])
def test_counts_around_a_burst(rig, count):
    sent = fr.numbered(count)
    rig.tap("a", sent)
    rig.output("x", "a")
    rig.output("y", "a")
    result = rig.run()
    assert result.frames("x") == sent and result.frames("y") == sent


def test_many_frames_in_order(rig):
    sent = fr.numbered(50000)
    rig.tap("a", sent)
    rig.output("x", "a")
    rig.output("y", "a")
    result = rig.run()
    assert list(map(fr.number_of, result.frames("x"))) == list(range(50000))
    assert result.frames("y") == result.frames("x")


def test_a_tap_without_output_is_counted_or_refused(rig):
    """A tap that nobody wants: either it runs and its books balance, or it is refused."""
    rig.tap("a", fr.numbered(100))
    rig.tap("idle", fr.numbered(50, src=2))
    rig.output("x", "a")
    result = rig.run()
    assert len(result.frames("x")) == 100
    assert result.tap("idle")["rx_packets"] in (0, 50)


def test_twenty_outputs(rig):
    sent = fr.small_corpus(13, count=150)
    rig.tap("a", sent)
    for number in range(20):
        rig.output(f"out-{number}", "a", truncate=64 + number)
    assert_sent(rig.run())


def test_twelve_taps(rig):
    for number in range(12):
        rig.tap(f"tap.{number}", fr.small_corpus(20 + number, src=number, count=60), ring="2m")
    rig.output("all", *rig.taps)
    rig.output("odd", *[f"tap.{number}" for number in range(1, 12, 2)])
    result = rig.run()
    for output, numbers in (("all", range(12)), ("odd", range(1, 12, 2))):
        got = result.frames(output)
        for number in numbers:
            want = fr.small_corpus(20 + number, src=number, count=60)
            assert [frame for frame in got if fr.source_of(frame) == number] == want
        assert len(got) == 60 * len(numbers)
