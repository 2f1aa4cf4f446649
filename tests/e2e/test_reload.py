#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The configuration is changed while fluxcap runs: what changes, changes; the rest does not notice.

Under load: test_reload_load.py. Outputs that change in full flow: test_reload_switch.py. Tunnels:
test_reload_tunnels.py. Mistakes, dry runs and many reloads at once: test_reload_refused.py. Ports
that come and go: test_reload_ports.py and test_reload_return.py.
"""

import re

import pytest

import frames as fr
import model
from reloading import WAYS, changed, numbers, shrunken, wire_tap

N = 200  # frames of a phase


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_reload(reload_rig, namespace, way):
    """A second output gets what comes after the reload, the first one gets everything."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("old", "a")
        port = rig.pcap_port(written=True)  # of --vdev, without use at first
        with rig.start() as running:
            info = running.info()
            assert (info["last_reload"], info["last_reload_result"], info["reloads"]) == (
                "never", "none", 0)
            running.wait_sent("old", sender.send(N))
            rig.output("new", "a", port=port)
            answer = running.reload(way)
            if way == "telemetry":
                assert answer["changes"] > 0
            assert running.info()["last_reload"] != "never"
            assert running.telemetry("/fluxcap/outputs") == ["old", "new"]
            sender.send(N)
            running.wait_sent("old", 2 * N)
            running.wait_sent("new", N)
            result = running.stop()
    assert numbers(result.frames("old")) == list(range(2 * N))
    assert numbers(result.frames("new")) == list(range(N, 2 * N))
    assert result.feed("a", "new")["forwarded"] == N
    assert result.feed("a", "old")["forwarded"] == 2 * N
    assert rig.later == {("a", "new")}


@pytest.mark.parametrize("way", WAYS)
def test_a_reload_without_a_change(reload_rig, namespace, way):
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a", vlan={"push": 7})
        with rig.start() as running:
            running.wait_sent("x", sender.send(N))
            before = running.counters()
            answer = running.reload(way)
            if way == "telemetry":
                assert answer["changes"] == 0
            after = running.counters()
            for one in (*before.values(), *after.values()):
                one.pop("last_change", None)
            assert after == before
            sender.send(N)
            running.wait_sent("x", 2 * N)
            result = running.stop()
    want = model.apply(fr.numbered(2 * N), {"vlan": {"push": 7}})
    assert result.frames("x") == want


def test_an_output_is_removed_and_added_again(reload_rig, namespace):
    """It begins with empty counters, and its port's file with an empty file."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("stays", "a")
        port = rig.output("goes", "a")
        with rig.start() as running:
            sender.send(N)
            running.wait_sent("goes", N)
            goes = rig.outputs.pop("goes")
            running.reload()
            assert running.telemetry("/fluxcap/outputs") == ["stays"]
            assert running.telemetry("/fluxcap/feeds") == ["a,stays"]
            assert running.telemetry("/fluxcap/output,goes") is None
            assert running.telemetry("/fluxcap/feed,a,goes") is None
            # The file is complete now, not only at the end.
            assert numbers(fr.read_pcap(rig.written[port])) == list(range(N))
            sender.send(N)
            running.wait_sent("stays", 2 * N)
            rig.outputs["goes"] = goes
            running.reload()
            assert running.output("goes")["tx_packets"] == 0
            sender.send(N)
            running.wait_sent("goes", N)
            running.wait_sent("stays", 3 * N)
            result = running.stop()
    assert numbers(result.frames("stays")) == list(range(3 * N))
    assert numbers(result.frames("goes")) == list(range(2 * N, 3 * N))


def test_a_tap_is_removed_and_added_again(reload_rig, namespace):
    """With its outputs' `from`; the other tap of the same output goes on."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        b = rig.pcap_port(sent=fr.numbered(N, src=2))
        rig.tap("b", port=b)
        rig.output("both", "a", "b")
        rig.output("of-b", "b")
        with rig.start() as running:
            sender.send(N)
            running.wait_sent("both", 2 * N)
            running.wait_sent("of-b", N)
            tap, output = rig.taps.pop("b"), rig.outputs.pop("of-b")
            rig.outputs["both"]["from"] = ["a"]
            before = running.feed("a", "both")
            running.reload()
            assert running.telemetry("/fluxcap/taps") == ["a"]
            assert running.telemetry("/fluxcap/tap,b") is None
            assert running.feed("a", "both") == before
            sender.send(N)
            running.wait_feed("a", "both", 2 * N)
            rig.taps["b"], rig.outputs["of-b"] = tap, output
            rig.outputs["both"]["from"] = ["a", "b"]
            running.reload()
            # Its port is opened again and plays its file from the beginning.
            running.wait_sent("of-b", N)
            running.wait_feed("b", "both", N)
            result = running.stop()
    assert result.tap("b")["rx_packets"] == N
    got = result.frames("both")
    assert numbers([one for one in got if fr.source_of(one) == 1]) == list(range(2 * N))
    assert [one for one in got if fr.source_of(one) == 2] == 2 * fr.numbered(N, src=2)
    assert result.frames("of-b") == fr.numbered(N, src=2)


def test_from_lists_change(reload_rig, namespace):
    """An output takes from one tap, from both, from the other; a feed that stays keeps counting."""
    rig = reload_rig
    with wire_tap(rig, namespace, "a") as one, wire_tap(rig, namespace, "b") as two:
        rig.output("x", "a")
        rig.output("all", "a", "b")
        with rig.start() as running:
            def phase(number):
                one.send(N)
                two.send(N)
                running.wait_sent("all", 2 * number * N)
                running.wait_quiet()
            phase(1)
            rig.outputs["x"]["from"] = ["a", "b"]
            running.reload()
            phase(2)
            assert running.feed("a", "x")["tx_packets"] == 2 * N
            assert running.feed("b", "x")["tx_packets"] == N
            rig.outputs["x"]["from"] = ["b"]
            running.reload()
            assert running.telemetry("/fluxcap/feed,a,x") is None
            phase(3)
            assert running.feed("b", "x")["tx_packets"] == 2 * N
            # An output also has what its former feeds sent.
            assert running.output("x")["tx_packets"] == 4 * N
            rig.outputs["x"]["from"] = ["b", "a"]
            running.reload()
            phase(4)
            result = running.stop()
    port = rig.outputs["x"]["port"]
    # a's frames and b's are alike: what x got is told by how often each number is there.
    got = sorted(numbers(fr.read_pcap(rig.written[port])))
    assert got == sorted([*range(N), *range(N, 2 * N), *range(N, 2 * N), *range(2 * N, 3 * N),
                          *range(3 * N, 4 * N), *range(3 * N, 4 * N)])
    assert sorted(numbers(result.frames("all"))) == sorted(2 * list(range(4 * N)))
    assert result.feed("b", "x")["tx_packets"] == 3 * N and result.feed("a", "x")["tx_packets"] == N


EDITS = {
    "filter": ({"filter": "ether[17] & 1 = 0"}, {"filter": "ether[17] & 3 = 1"}),
    "vlan": ({"vlan": {"push": 100}}, {"vlan": {"push": [200, 300], "pcp": 5}}),
    "trim": ({"trim": 4}, {"trim": 20}),
    "truncate": ({"truncate": 60}, {"truncate": 24}),
    "sample": ({}, {"sample": 1e-6}),
    "nothing": ({"vlan": {"push": 9}, "truncate": 30}, {}),
    "everything": ({}, {"filter": "ether[17] & 1 = 1", "vlan": {"pop": 1, "push": 5},
                        "trim": 3, "truncate": 61}),
}


def outcome(frames, edits):
    """What becomes of frames; a sample of one in 100 million is none."""
    return [] if "sample" in edits else model.apply(frames, edits)


@pytest.mark.parametrize("place", ["outputs", "taps"])
@pytest.mark.parametrize("edits", EDITS)
def test_edits_change(reload_rig, namespace, edits, place):
    """There and back; the feed keeps its counters, and the feed beside it its frames."""
    rig, (first, second) = reload_rig, EDITS[edits]
    keys = {key: None for key in ("filter", "vlan", "trim", "truncate", "sample")}
    with wire_tap(rig, namespace, length=80) as sender:
        rig.output("x", "a")
        rig.output("plain", "a")
        name = {"outputs": "x", "taps": "a"}[place]
        objects = getattr(rig, place)
        objects[name] |= first
        want, seen = [], {}
        with rig.start() as running:
            for phase, now in enumerate((first, second, first, second)):
                if phase:
                    objects[name] = changed(objects[name], **{**keys, **now})
                    assert running.reload()["changes"] > 0
                    assert not shrunken(seen, running.counters(), rig.same())
                sender.send(N)
                running.wait_received("a", (phase + 1) * N)
                running.wait_quiet()
                want += outcome(fr.numbered(N, 80, start=phase * N), now)
                seen = running.counters()
                assert seen["feed", ("a", "x")]["tx_packets"] == len(want)
            result = running.stop()
    assert not model.first_difference(result.frames("x"), want)
    if place == "outputs":
        assert result.frames("plain") == fr.numbered(4 * N, 80)
        assert result.feed("a", "x")["forwarded"] == 4 * N


def test_an_output_that_moves_is_a_new_one(reload_rig, namespace):
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        old = rig.output("x", "a")
        new = rig.pcap_port(written=True)
        with rig.start() as running:
            running.wait_sent("x", sender.send(N))
            rig.outputs["x"]["port"] = new
            running.reload()
            found = running.output("x")
            assert (found["port"], found["tx_packets"], found["forwarded"]) == (new, 0, 0)
            sender.send(N)
            running.wait_sent("x", N)
            result = running.stop()
    assert numbers(fr.read_pcap(rig.written[old])) == list(range(N))
    assert numbers(fr.read_pcap(rig.written[new])) == list(range(N, 2 * N))
    assert result.output("x")["tx_packets"] == N


def test_a_tap_that_moves_is_a_new_one(reload_rig, namespace):
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        played = rig.pcap_port(sent=fr.numbered(N, start=N))
        with rig.start() as running:
            running.wait_sent("x", sender.send(N))
            rig.taps["a"]["port"] = played
            running.reload()
            running.wait_for(lambda: running.tap("a")["rx_packets"] == N, "the other's frames")
            assert running.tap("a")["port"] == played
            running.wait_feed("a", "x", N)
            result = running.stop()
    got = fr.read_pcap(rig.written[rig.outputs["x"]["port"]])
    assert numbers(got) == list(range(2 * N))
    assert result.feed("a", "x")["forwarded"] == N


def test_two_outputs_change_places(reload_rig, namespace):
    """Each gets the other's port; and a tap's port becomes an output's."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        left = rig.output("left", "a", vlan={"push": 1})
        right = rig.output("right", "a", vlan={"push": 2})
        with rig.start() as running:
            running.wait_sent("right", sender.send(N))
            running.wait_sent("left", N)
            rig.outputs["left"]["port"], rig.outputs["right"]["port"] = right, left
            running.reload()
            sender.send(N)
            running.wait_sent("left", N)
            running.wait_sent("right", N)
            running.stop()
    frames = {vid: model.apply(fr.numbered(2 * N), {"vlan": {"push": vid}}) for vid in (1, 2)}
    assert fr.read_pcap(rig.written[left]) == frames[1][:N] + frames[2][N:]
    assert fr.read_pcap(rig.written[right]) == frames[2][:N] + frames[1][N:]


def test_names_change_places(reload_rig, namespace):
    """What was a tap's name is an output's, and the other way round."""
    rig = reload_rig
    with wire_tap(rig, namespace, "one") as sender:
        rig.output("two", "one")
        with rig.start() as running:
            running.wait_sent("two", sender.send(N))
            rig.taps = {"two": rig.taps["one"]}
            rig.outputs = {"one": rig.outputs["two"] | {"from": ["two"]}}
            running.reload()
            assert running.telemetry("/fluxcap/feeds") == ["two,one"]
            assert running.telemetry("/fluxcap/tap,one") is None
            sender.send(N)
            running.wait_sent("one", N)
            running.stop()
    got = fr.read_pcap(rig.written[rig.outputs["one"]["port"]])
    assert numbers(got) == list(range(2 * N))


def test_idle_us_changes(reload_rig, namespace):
    rig = reload_rig
    rig.n_lcores = 3
    rig.lcores = {"rx": [1], "tx": [2], "idle_us": 50}
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        with rig.start() as running:
            for phase, idle_us in enumerate((50, 5000, 0, 100), 1):
                rig.lcores["idle_us"] = idle_us
                running.reload()
                sender.send(N)
                running.wait_sent("x", phase * N)
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(4 * N))


def test_the_statistics_and_the_notes_of_what_is_gone(reload_rig, namespace):
    """A removed output is no longer in the statistics; the reload says what became of it."""
    rig = reload_rig
    with wire_tap(rig, namespace, ring="8m") as sender:
        rig.output("stays", "a")
        rig.output("stuck", "a", port=rig.vdev("net_ring"))
        with rig.start() as running:
            sender.send(3000)
            running.wait_sent("stays", 3000)
            running.wait_quiet()
            feed = running.feed("a", "stuck")
            assert feed["tx_packets"] == 1023 and feed["queued"] == 3000 - 1023
            del rig.outputs["stuck"]
            answer = running.reload()
            told = [one for one in answer["findings"] if "feeds.a.stuck" in one and
                    {"1023", "1977"} <= set(re.findall(r"\d+", one.replace(",", "")))]
            assert len(told) == 1, answer
            sender.send(N)
            running.wait_sent("stays", 3000 + N)
            result = running.stop()
    assert list(result.stats["outputs"]) == list(result.stats["feeds"]["a"]) == ["stays"]
    assert numbers(result.frames("stays")) == list(range(3000 + N))
    assert told[0].split(": ", 1)[1] in result.stderr


def test_more_outputs_share_the_window(reload_rig, namespace):
    """A tap's pool is made once: with new outputs its window may shrink, and the reload says so.
    That loses nothing: the port is not stopped for another pool, and without them the window is
    what it was."""
    rig = reload_rig
    with wire_tap(rig, namespace, ring="1m") as sender:
        rig.output("x", "a")
        ports = [rig.vdev("net_null") for _ in range(12)]
        with rig.start() as running:
            before = running.tap("a")
            sender.begin()
            for number, port in enumerate(ports):
                rig.outputs[f"n{number}"] = {"port": port, "from": ["a"],
                                             "vlan": {"push": 1 + number}}
                answer = running.reload()
                tap = running.tap("a")
                assert tap["pool_size"] == before["pool_size"]
                assert tap["ring_bytes"] == before["ring_bytes"]
                told = [one for one in answer["findings"] if one.startswith("warning: taps.a.ring")]
                assert bool(told) == (tap["ring_buffers"] < before["ring_buffers"]), answer
            assert told, "there are enough of them for a warning"
            for name in rig.outputs:
                running.wait_sent(name, running.output(name)["tx_packets"] + N)
            rig.outputs = {"x": rig.outputs["x"]}
            running.reload()
            assert running.tap("a")["ring_buffers"] == before["ring_buffers"]
            running.wait_sent("x", running.output("x")["tx_packets"] + N)
            count = sender.stop()
            running.wait_sent("x", count)
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(count))
    assert result.tap("a")["rx_missed"] == result.tap("a")["rx_nombuf"] == 0


def test_a_smaller_ring(reload_rig, namespace):
    """At once: what waits beyond it is lost, the oldest first, and no other output notices."""
    rig, count = reload_rig, 9000
    with wire_tap(rig, namespace, ring="32m") as sender:
        rig.output("good", "a")
        rig.output("stuck", "a", port=rig.vdev("net_ring"))
        with rig.start() as running:
            sender.send(count)
            running.wait_sent("good", count)
            running.wait_quiet()
            before, wide = running.feed("a", "stuck"), running.tap("a")
            assert before["overrun"] == 0 and before["queued"] == count - 1023
            rig.taps["a"]["ring"] = "512k"
            running.reload()
            tap = running.tap("a")
            assert tap["ring_bytes"] == 512 << 10 and tap["ring_buffers"] < wide["ring_buffers"]
            assert tap["rx_packets"] == count
            sender.send(N)
            running.wait_sent("good", count + N)
            running.wait_quiet()
            feed = running.feed("a", "stuck")
            assert 0 < feed["queued"] <= tap["ring_buffers"] and feed["overrun"] > 0
            assert feed["queued"] + feed["overrun"] + 1023 == count + N
            result = running.stop()
    assert numbers(result.frames("good")) == list(range(count + N))


def test_a_larger_ring(reload_rig, namespace):
    """Needs another pool: the tap's port is restarted; its counters and its feeds' go on."""
    rig = reload_rig
    with wire_tap(rig, namespace, ring="256k") as sender:
        rig.output("good", "a")
        rig.output("stuck", "a", port=rig.vdev("net_ring"))
        with rig.start() as running:
            running.wait_sent("good", sender.send(N))
            running.wait_quiet()
            before = running.counters()
            rig.taps["a"]["ring"] = "32m"
            running.reload()
            running.wait_for(lambda: running.tap("a")["state"] == "running", "the port")
            after = running.counters()
            assert not shrunken(before, after, rig.same())
            tap = after["tap", "a"]
            assert tap["ring_bytes"] == 32 << 20
            assert tap["ring_buffers"] > before["tap", "a"]["ring_buffers"]
            sender.send(8000)
            running.wait_sent("good", N + 8000)
            running.wait_quiet()
            feed = running.feed("a", "stuck")
            assert feed["overrun"] == 0 and feed["queued"] == N + 8000 - 1023
            result = running.stop()
    assert numbers(result.frames("good")) == list(range(N + 8000))
