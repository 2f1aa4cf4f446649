#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""100 reloads under load: the feeds that they leave alone lose nothing and notice nothing.

Three loads: frames that come paced over a wire, where only fluxcap can lose them; a source that
gives as many as an lcore takes; and both at once. What the reloads change lies beside it: outputs,
taps and edits come, change and go, one of the outputs with a backlog.
"""

import frames as fr
from pcap_stream import Loop, Stream
from reloading import numbers, shrunken, wire_tap

N_RELOADS = 100
ROUND = fr.numbered(100, 60, src=3)


class Beside:
    """What the reloads change: a step after the other, each of which touches something else."""

    def __init__(self, rig, tap):
        self.rig, self.tap = rig, tap
        self.null, self.stuck, self.source, self.sink = (
            rig.vdev("net_null"), rig.vdev("net_ring"), rig.vdev("net_null"), rig.vdev("net_null"))
        self.steps = (self.add, self.tag, self.add_stuck, self.filter, self.add_tap, self.widen,
                      self.sample, self.move, self.narrow, self.remove_stuck, self.remove_tap,
                      self.remove)

    def step(self, number):
        self.steps[number % len(self.steps)]()

    def add(self):
        self.rig.outputs["beside"] = {"port": self.null, "from": [self.tap]}

    def tag(self):
        self.rig.outputs["beside"]["vlan"] = {"push": [7, 8]}

    def add_stuck(self):
        self.rig.outputs["stuck"] = {"port": self.stuck, "from": [self.tap], "truncate": 30}

    def filter(self):
        self.rig.outputs["beside"]["filter"] = "ether[17] & 1 = 1"

    def add_tap(self):
        self.rig.taps["other"] = {"port": self.source, "ring": "1m"}
        self.rig.outputs["other"] = {"port": self.sink, "from": ["other"], "vlan": {"push": 5}}

    def widen(self):
        self.rig.outputs["beside"]["from"] = [self.tap, "other"]

    def sample(self):
        self.rig.outputs["stuck"]["sample"] = 50
        self.rig.outputs["other"]["truncate"] = 40

    def move(self):
        self.rig.outputs["beside"]["port"] = self.sink

    def narrow(self):
        self.rig.outputs["beside"]["from"] = ["other"]

    def remove_stuck(self):
        del self.rig.outputs["stuck"]

    def remove_tap(self):
        self.rig.outputs["beside"]["from"] = [self.tap]
        del self.rig.outputs["other"], self.rig.taps["other"]

    def remove(self):
        del self.rig.outputs["beside"]


def reload_often(running, beside, wait_flow, same):
    """100 reloads with packets between them; the counters of what stays only grow."""
    seen = running.counters()
    for number in range(N_RELOADS):
        beside.step(number)
        assert running.reload()["changes"] > 0
        wait_flow()
        now = running.counters()
        assert not shrunken({key: seen[key] for key in same}, now, same), f"reload {number}"
        seen = now


def test_paced_frames(placed, namespace, tmp_path):
    """Numbered frames over a wire, to a file and to another wire: each arrives once, in order."""
    rig = placed
    namespace.veth("out0", "out1")
    with wire_tap(rig, namespace, ring="16m") as sender:
        rig.output("file", "a")
        rig.output("wire", "a", port=rig.vdev("net_af_packet", iface="out0"))
        same = {("tap", "a"), ("output", "file"), ("output", "wire"), ("feed", ("a", "file")),
                ("feed", ("a", "wire"))}
        beside = Beside(rig, "a")
        with namespace.listen("out1", tmp_path / "seen.pcap") as listener, rig.start() as running:
            def flow():
                got = running.tap("a")["rx_packets"]
                running.wait_received("a", got + 50)
            sender.begin()
            running.wait_received("a", 1)
            reload_often(running, beside, flow, same)
            count = sender.stop()
            running.wait_received("a", count)
            running.wait_sent("file", count)
            running.wait_sent("wire", count)
            listener.wait_frames(count)
            result = running.stop()
    assert result.tap("a")["rx_missed"] == 0 and count > 50 * N_RELOADS
    for got in (result.frames("file"), listener.frames()):
        assert numbers(got) == list(range(count))
    for name in ("file", "wire"):
        assert result.feed("a", name)["tx_packets"] == count


def test_as_many_frames_as_an_lcore_takes(placed, tmp_path):
    """Every byte of every frame is compared as it is written, whatever happens beside."""
    rig = placed
    fr.write_pcap(tmp_path / "round.pcap", ROUND)
    judge = Loop(ROUND)
    with Stream(tmp_path / "stream", judge) as stream:
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=tmp_path / "round.pcap", infinite_rx=1),
                ring="32m")
        rig.output("same", "a", port=rig.vdev("net_pcap", tx_pcap=stream.path))
        rig.output("count", "a", port=rig.vdev("net_null"), truncate=50)
        same = {("tap", "a"), ("output", "same"), ("output", "count"), ("feed", ("a", "same")),
                ("feed", ("a", "count"))}
        beside = Beside(rig, "a")
        with rig.start() as running:
            def flow():
                running.wait_sent("same", running.output("same")["tx_packets"] + 5000)
            flow()
            reload_often(running, beside, flow, same)
            result = running.stop()
        stream.finish()
    count = result.feed("a", "same")["tx_packets"]
    assert judge.count == count == result.tap("a")["rx_packets"] == result.tap("a")["forwarded"]
    assert result.feed("a", "count")["tx_packets"] == count
    assert result.tap("a")["rx_missed"] == result.tap("a")["rx_nombuf"] == 0


def test_both_at_once(placed, namespace, tmp_path):
    """A tap at full load beside one whose frames must not be missed; the reloads touch both."""
    rig = placed
    fr.write_pcap(tmp_path / "round.pcap", ROUND)
    judge = Loop(ROUND)
    with Stream(tmp_path / "stream", judge) as stream, \
            wire_tap(rig, namespace, ring="16m") as sender:
        rig.tap("full", port=rig.vdev("net_pcap", rx_pcap=tmp_path / "round.pcap", infinite_rx=1),
                ring="32m")
        rig.output("same", "full", port=rig.vdev("net_pcap", tx_pcap=stream.path))
        rig.output("file", "a")
        same = {("tap", "a"), ("tap", "full"), ("output", "same"), ("output", "file"),
                ("feed", ("full", "same")), ("feed", ("a", "file"))}
        steps = Beside(rig, "full"), Beside(rig, "a")
        for one in steps:  # one set of names, in turn
            one.null, one.stuck, one.source, one.sink = (
                steps[0].null, steps[0].stuck, steps[0].source, steps[0].sink)

        class InTurn:
            """A whole round of steps beside one tap, then one beside the other."""
            @staticmethod
            def step(number):
                steps[number // len(steps[0].steps) % 2].step(number)

        with rig.start() as running:
            def flow():
                running.wait_sent("same", running.output("same")["tx_packets"] + 5000)
                running.wait_received("a", running.tap("a")["rx_packets"] + 20)
            sender.begin()
            flow()
            reload_often(running, InTurn, flow, same)
            count = sender.stop()
            running.wait_received("a", count)
            running.wait_sent("file", count)
            result = running.stop()
        stream.finish()
    assert result.tap("a")["rx_missed"] == 0
    assert numbers(result.frames("file")) == list(range(count))
    assert judge.count == result.feed("full", "same")["tx_packets"] == (
        result.tap("full")["rx_packets"])
