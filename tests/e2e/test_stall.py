#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Outputs that stall: the newest packets stay, the losses are counted, the others lose nothing.

net_ring is a loop: what is sent to it waits in a ring of 1023 until somebody receives from it.
"""

import pytest

import fifo
import frames as fr

SLOTS = 1023
COUNT = 20000


def check_stuck(running, tap="a", output="stuck", count=COUNT):
    """A stuck output's books while it is stuck: nothing is lost but by overrun."""
    feed = running.feed(tap, output)
    assert feed["tx_packets"] == SLOTS
    assert feed["overrun"] + feed["queued"] == count - SLOTS
    return feed


@pytest.mark.parametrize("n_lcores", [1, 3])
@pytest.mark.parametrize("length", [60, 1500, 9000])
def test_a_stuck_output_harms_no_other(rig, n_lcores, length):
    count = 6000
    rig.n_lcores = n_lcores
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(count, length), ring="2m")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("good", "a")
    rig.output("tagged", "a", vlan={"push": 9})
    with rig.start() as running:
        running.wait_read("a", count)
        assert running.tap("a")["rx_packets"] == count
        for name in ("good", "tagged"):
            running.wait_sent(name, count)
        running.wait_for(lambda: running.feed("a", "stuck")["overrun"], "overrun")
        feed = check_stuck(running, count=count)
        assert feed["queued"] * length <= 2 << 20
        result = running.stop()
    tap = result.tap("a")
    assert tap["rx_missed"] == tap["rx_nombuf"] == 0
    assert list(map(fr.number_of, result.frames("good"))) == list(range(count))
    assert len(result.frames("tagged")) == count


@pytest.mark.parametrize("ring", ["1m", "2m", "16m"])
def test_a_port_that_keeps_jumbo_frames_is_in_the_plan(rig, ring):
    """What waits in the port itself, several buffers for each frame, is not taken from others."""
    count = 6000
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(count, 9000), ring=ring)
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("good", "a")
    with rig.start() as running:
        running.wait_read("a", count)
        result = running.stop()
    assert result.tap("a")["rx_nombuf"] == result.tap("a")["rx_errors"] == 0
    assert list(map(fr.number_of, result.frames("good"))) == list(range(count))


def test_a_backlog_that_fits_loses_nothing(rig):
    count = 5000
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(count), ring="64m")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("good", "a")
    with rig.start() as running:
        running.wait_received("a", count)
        running.wait_sent("good", count)
        feed = check_stuck(running, count=count)
        assert feed["overrun"] == 0 and feed["queued"] == count - SLOTS
        assert running.output("stuck")["queued"] == count - SLOTS
        running.stop()


def test_two_stuck_outputs_share_the_memory(rig):
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(COUNT), ring="1m")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("copied", "a", port=rig.vdev("net_ring"), vlan={"push": 5})
    rig.output("good", "a")
    with rig.start() as running:
        running.wait_received("a", COUNT)
        running.wait_sent("good", COUNT)
        for name in ("stuck", "copied"):
            assert check_stuck(running, output=name)["overrun"] > 0
        result = running.stop()
    assert result.tap("a")["rx_nombuf"] == 0
    assert list(map(fr.number_of, result.frames("good"))) == list(range(COUNT))


def test_one_tap_stuck_another_not(rig):
    """The backlog of one tap takes nothing from the memory of another on the same output."""
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(COUNT, src=1), ring="1m")
    rig.tap("b", fr.numbered(500, src=2), ring="8m")
    rig.output("stuck", "a", "b", port=rig.vdev("net_ring"))
    rig.output("good", "a", "b")
    with rig.start() as running:
        running.wait_received("a", COUNT)
        running.wait_received("b", 500)
        running.wait_sent("good", COUNT + 500)
        one, two = running.feed("a", "stuck"), running.feed("b", "stuck")
        assert one["tx_packets"] + two["tx_packets"] == SLOTS
        assert one["overrun"] > 0
        assert two["overrun"] == 0 and two["queued"] == 500 - two["tx_packets"]
        running.stop()


def gap_of(numbers, count):
    """Where a sequence jumps: (first missing, first after), or None when nothing is missing."""
    assert numbers == sorted(set(numbers)), "out of order or twice"
    jumps = [(before + 1, after) for before, after in zip([-1, *numbers], [*numbers, count])
             if after != before + 1]
    assert len(jumps) <= 1, f"more than one gap: {jumps}"
    return jumps[0] if jumps else None


def test_stall_and_resume(rig, tmp_path):
    """a -> net_ring -> b -> a pipe that is not read: the whole chain stands, then goes on.

    What arrives is the oldest, which had left already, and the newest; between them is one gap,
    and it is as long as the counter says.
    """
    pipe = fifo.Pipe(tmp_path / "blocked")
    try:
        rig.n_lcores = 4
        rig.lcores = {"rx": [1], "tx": [2, 3], "idle_us": 50}
        loop = rig.vdev("net_ring")
        rig.tap("a", fr.numbered(COUNT), ring="2m")
        rig.tap("b", port=loop, ring="2m")
        rig.output("loop", "a", port=loop)
        blocked = rig.output("blocked", "b", port=rig.vdev("net_pcap", tx_pcap=pipe.path))
        good = rig.output("good", "a")
        with rig.start() as running:
            assert running.lcores_of(good) == ["2"] and running.lcores_of(blocked) == ["3"]
            running.wait_received("a", COUNT)
            running.wait_sent("good", COUNT)
            stuck = running.feed("a", "loop")
            assert stuck["overrun"] > 0 and stuck["queued"] > 0
            pipe.resume()
            running.wait_for(lambda: running.feed("a", "loop")["queued"] == 0, "empty backlog")
            running.wait_for(lambda: running.feed("b", "blocked")["tx_packets"] ==
                             running.feed("a", "loop")["tx_packets"], "everything through")
            result = running.stop()
        pipe.finish(tmp_path / "blocked.pcap")
        numbers = list(map(fr.number_of, fr.read_pcap(tmp_path / "blocked.pcap")))
        first, after = gap_of(numbers, COUNT)
        assert after - first == result.feed("a", "loop")["overrun"] > 0
        assert numbers[-1] == COUNT - 1, "the newest must be there"
        assert COUNT - after == stuck["queued"], "the newest stay in the backlog"
        assert first == stuck["tx_packets"]
        assert list(map(fr.number_of, result.frames("good"))) == list(range(COUNT))
    finally:
        pipe.close()


def test_stop_while_an_output_is_stuck(rig):
    """SIGTERM sends what can be sent, gives up the rest, and the files are complete."""
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(3000), ring="64m")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("good", "a")
    with rig.start() as running:
        running.wait_received("a", 3000)
        result = running.stop()
    assert result.feed("a", "stuck")["tx_packets"] == SLOTS
    assert len(result.frames("good")) == 3000
