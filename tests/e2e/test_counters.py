#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each reason to drop a packet is made to happen, and its counter is read."""

import pytest

import books
import fifo
import frames as fr
import model
from fluxcap import IDLE_MS, assert_sent


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(frame in rest for frame in part)


def test_filtered_and_malformed_on_a_tap(rig):
    sent = fr.corpus(60) + fr.runts()
    kept = model.kept_by_filter(fr.corpus(60), "tcp")
    rig.tap("a", sent, filter="tcp")
    rig.output("x", "a")
    rig.output("y", "a", filter="udp")
    result = rig.run()
    assert_sent(result)
    tap = result.tap("a")
    assert tap["filtered"] == len(fr.corpus(60)) - len(kept)
    assert tap["malformed"] == 13
    assert tap["rx_bytes"] == (tap["malformed_bytes"] + tap["filtered_bytes"] +
                               tap["forwarded_bytes"])
    assert result.feed("a", "y")["filtered"] == len(kept)
    assert result.feed("a", "y")["filtered_bytes"] == tap["forwarded_bytes"]


SAMPLED = 20000


@pytest.mark.parametrize("percent, low, high", [(50, 9000, 11000), (10, 1500, 2500),
                                                (0.5, 20, 250), (99.9, 19900, 20000)])
def test_sampled_out(rig, percent, low, high):
    """The bounds are further than ten standard deviations from the mean, or at the end."""
    rig.tap("a", fr.numbered(SAMPLED), ring="64m")
    rig.output("x", "a", sample=percent)
    rig.output("y", "a", sample=percent)
    rig.output("all", "a", sample=100)
    result = rig.run()
    got = {name: list(map(fr.number_of, result.frames(name))) for name in ("x", "y", "all")}
    assert got["all"] == list(range(SAMPLED))
    for name in ("x", "y"):
        assert low <= len(got[name]) <= high
        assert got[name] == sorted(set(got[name]))
        assert result.feed("a", name)["sampled_out"] == SAMPLED - len(got[name])
    if percent == 50:
        assert got["x"] != got["y"], "two outputs must not sample alike"
        both = len(set(got["x"]) & set(got["y"]))
        assert 4000 <= both <= 6000, "two outputs must sample independently"


def test_sampled_out_on_a_tap(rig):
    rig.tap("a", fr.numbered(SAMPLED), ring="64m", filter="ether[17] & 1 = 0", sample=25)
    rig.output("x", "a")
    rig.output("y", "a", truncate=20)
    result = rig.run()
    tap = result.tap("a")
    assert tap["filtered"] == SAMPLED // 2
    assert 2000 <= tap["forwarded"] <= 3000
    assert tap["sampled_out"] == SAMPLED // 2 - tap["forwarded"]
    numbers = list(map(fr.number_of, result.frames("x")))
    assert len(numbers) == tap["forwarded"]
    assert is_subsequence(numbers, range(0, SAMPLED, 2))
    assert list(map(fr.number_of, result.frames("y"))) == numbers


def test_samples_differ_from_run_to_run(rigs):
    got = []
    for _ in range(2):
        rig = rigs()
        rig.tap("a", fr.numbered(2000))
        rig.output("x", "a", sample=50)
        got.append(list(map(fr.number_of, rig.run().frames("x"))))
    assert got[0] != got[1]


@pytest.mark.parametrize("mtu", [68, 1500, 4000, 12000])
def test_oversize(rig, mtu):
    """A frame longer than its output's port can carry stays here; others pass it by."""
    maker = fr.Maker(66)
    sent = fr.corpus(61) + [maker.frame(length) for length in (11900, 12014, 13000, 16000)]
    rig.tap("a", sent)
    small = rig.output("small", "a")
    rig.output("cut", "a", port=small, truncate=64)
    rig.output("large", "a")
    rig.ports = {small: {"mtu": mtu}, rig.outputs["large"]["port"]: {"mtu": 16000}}
    result = rig.run()
    assert result.frames("large") == sent
    got = [frame for frame in result.frames("small") if len(frame) > 64]
    feed = result.feed("a", "small")
    dropped = [frame for frame in sent if len(frame) > 64 and frame not in got]
    assert feed["oversize"] == len(dropped)
    assert feed["oversize_bytes"] == sum(map(len, dropped))
    # whether the room for two tags is part of a port's MTU is the port's matter
    assert all(len(frame) > mtu + 14 for frame in dropped)
    assert all(len(frame) <= mtu + 22 for frame in got)
    assert result.feed("a", "cut")["oversize"] == 0


def test_frames_beyond_jumbo_are_sent_or_counted(rig):
    maker = fr.Maker(67)
    jumbo = [maker.frame(length) for length in (9000, 9014, 9018)] * 4
    beyond = [maker.frame(length) for length in (9500, 12000, 16000, 16128, 16129, 40000, 65535)]
    rig.tap("a", jumbo + beyond + jumbo)
    rig.output("x", "a")
    rig.output("tagged", "a", vlan={"push": [1, 2]})
    rig.output("short", "a", truncate=100)
    result = rig.run()
    for name in ("x", "tagged"):
        got, want = result.frames(name), rig.expected(name)[0]
        assert got[:12] == want[:12] and got[-12:] == want[-12:]
        assert result.feed("a", name)["oversize"] == len(want) - len(got)
    assert result.frames("short") == rig.expected("short")[0]


def test_overrun_of_a_port_that_takes_nothing(rig):
    """Nobody reads net_ring: after 1023 frames it is full. Its backlog loses the oldest."""
    rig.tap("a", fr.numbered(20000), ring="1m")
    stuck = rig.vdev("net_ring")
    rig.output("stuck", "a", port=stuck)
    rig.output("good", "a")
    with rig.start() as running:
        running.wait_received("a", 20000)
        running.wait_sent("good", 20000)
        feed = running.feed("a", "stuck")
        assert feed["tx_packets"] == 1023
        assert feed["overrun"] > 0 and feed["queued"] > 0
        assert feed["overrun"] + feed["queued"] == 20000 - 1023
        assert feed["overrun_bytes"] == 64 * feed["overrun"]
        assert feed["queued_bytes"] == 64 * feed["queued"]
        result = running.stop()
    assert list(map(fr.number_of, result.frames("good"))) == list(range(20000))
    assert result.feed("a", "good")["overrun"] == 0


def test_handoff_full(rig, tmp_path):
    """An lcore that stands still: what it cannot take is passed by, the other lcore goes on."""
    pipe = fifo.Pipe(tmp_path / "blocked")
    try:
        rig.n_lcores = 3
        rig.lcores = {"rx": [1], "tx": [1, 2], "idle_us": 50}
        rig.tap("a", fr.numbered(40000), ring="64m")
        blocked = rig.output("blocked", "a", port=rig.vdev("net_pcap", tx_pcap=pipe.path))
        good = rig.output("good", "a")
        with rig.start() as running:
            assert running.lcores_of(good) == ["1"] and running.lcores_of(blocked) == ["2"]
            running.wait_received("a", 40000)
            running.wait_sent("good", 40000)
            assert running.feed("a", "blocked")["handoff_full"] > 0
            pipe.resume()
            running.wait_for(lambda: running.feed("a", "blocked")["queued"] == 0, "empty backlog")
            result = running.stop()
        assert list(map(fr.number_of, result.frames("good"))) == list(range(40000))
        pipe.finish(tmp_path / "blocked.pcap")
        numbers = list(map(fr.number_of, fr.read_pcap(tmp_path / "blocked.pcap")))
        feed = result.feed("a", "blocked")
        assert len(numbers) == feed["tx_packets"] < 40000
        assert numbers == sorted(set(numbers))
        assert feed["handoff_full"] + feed["overrun"] == 40000 - len(numbers)
        assert feed["handoff_full"] > 0
        assert result.feed("a", "good")["tx_packets"] == 40000
    finally:
        pipe.close()


def test_stats_on_standard_output(rig):
    rig.tap("a", fr.small_corpus(62))
    rig.output("x", "a", filter="udp")
    stats_path = str(rig.path("stats.json"))
    command = rig.command
    rig.command = lambda *options: ["-" if word == stats_path else word
                                    for word in command(*options)]
    finish = rig.finish

    def from_stdout(status, stdout, stderr):
        text = stdout[stdout.index("{"):stdout.rindex("}") + 1]
        rig.path("stats.json").write_text(text)
        return finish(status, stdout, stderr)

    rig.finish = from_stdout
    result = rig.run()
    assert_sent(result)
    assert set(result.stats) >= {"taps", "outputs", "feeds"}


def test_stats_have_the_promised_names(rig):
    rig.tap("a", fr.small_corpus(63))
    rig.output("x", "a")
    rig.output("y", "a")
    result = rig.run()
    assert set(result.stats) == {"taps", "outputs", "feeds"}
    assert list(result.stats["feeds"]) == ["a"] and set(result.stats["feeds"]["a"]) == {"x", "y"}
    tap, output, feed = result.tap("a"), result.output("x"), result.feed("a", "x")
    assert set(books.TAP_FIELDS) | {"rx_bytes", "filtered_bytes"} <= set(tap)
    assert set(books.OUTPUT_FIELDS) | {"tx_bytes", "overrun_bytes"} <= set(output)
    assert set(books.FEED_FIELDS) | {"tx_bytes", "queued_bytes"} <= set(feed)
    assert tap["port"] == rig.taps["a"]["port"] and output["port"] == rig.outputs["x"]["port"]
    assert tap["ring_bytes"] == 8 << 20
    for part in (tap, output, feed):
        for name, value in part.items():
            if name not in ("port", "link", "state", "next_hop", "next_hop_mac"):
                assert isinstance(value, int), (name, value)


def test_stats_that_cannot_be_written_are_an_error(rig):
    rig.tap("a", fr.small_corpus(64))
    rig.output("x", "a")
    wrong = "/nonexistent-folder/stats.json"
    stats_path = str(rig.path("stats.json"))
    command = rig.command
    rig.command = lambda *options: [wrong if word == stats_path else word
                                    for word in command(*options)]
    with pytest.raises(AssertionError) as failure:
        rig.run(IDLE_MS)
    text = str(failure.value)
    assert "exit status 1" in text or "exit status 2" in text
    assert wrong in text


def test_bytes_balance_like_packets(rig):
    rig.tap("a", fr.corpus(65), filter="not arp", sample=60)
    rig.output("x", "a", filter="tcp or vlan", sample=50)
    rig.output("y", "a")
    result = rig.run()
    tap = result.tap("a")
    assert tap["rx_bytes"] == sum(tap[books.bytes_name(drop)] for drop in books.TAP_DROPS) + \
        tap["forwarded_bytes"]
    for name in ("x", "y"):
        feed = result.feed("a", name)
        assert feed["forwarded_bytes"] == tap["forwarded_bytes"]
        assert feed["forwarded_bytes"] == feed["tx_bytes"] + feed["queued_bytes"] + sum(
            feed[books.bytes_name(drop)] for drop in books.FEED_DROPS)
