#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An output or a tap changes in full flow: each frame is sent whole by the old or by the new.

Every record of a stream is compared with what the old and the new settings make of that frame. None
is missing, none is there twice, and there are as many changes as reloads.
"""

import itertools
import signal
import struct
import time

import pytest

import fifo
import frames as fr
import model
import tunnels
from pcap_stream import Frames, Stream, Variants
from reloading import changed, numbers, wire_tap

ROUND = fr.numbered(100, 200, src=3)
N_RELOADS = 40
SLOTS = 1023  # of net_ring

SETTINGS = {
    "vlan and truncate": ({"vlan": {"push": 100, "pcp": 1}, "truncate": 90},
                          {"vlan": {"push": [200, 201], "pcp": 6}, "truncate": 150}),
    "plain and cut": ({}, {"truncate": 60}),
    "trim and tag": ({"trim": 100}, {"vlan": {"push": 7}}),
}
EDITS = ("filter", "sample", "vlan", "trim", "truncate")


def switch(running, objects, name, settings):
    """Reload to and fro between settings, with packets before and after each."""
    def flow():
        running.wait_sent("x", running.output("x")["tx_packets"] + 2000)
    flow()
    for now in itertools.islice(itertools.cycle(reversed(settings)), N_RELOADS):
        objects[name] = changed(objects[name], **{**{key: None for key in EDITS}, **now})
        assert running.reload()["changes"] > 0
        flow()


@pytest.mark.parametrize("place", ["outputs", "taps"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_frame_is_of_one_kind(placed, tmp_path, settings, place):
    rig = placed
    fr.write_pcap(tmp_path / "round.pcap", ROUND)
    judge = Variants(*(model.apply(ROUND, one) for one in settings))
    with Stream(tmp_path / "stream", judge) as stream:
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=tmp_path / "round.pcap", infinite_rx=1))
        rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=stream.path))
        rig.output("beside", "a", port=rig.vdev("net_null"), truncate=70)
        objects, name = getattr(rig, place), {"outputs": "x", "taps": "a"}[place]
        objects[name] |= settings[0]
        with rig.start() as running:
            switch(running, objects, name, settings)
            result = running.stop()
        stream.finish()
    feed = result.feed("a", "x")
    assert judge.count == feed["tx_packets"] == feed["forwarded"] == result.tap("a")["rx_packets"]
    assert judge.switches == N_RELOADS
    assert result.feed("a", "beside")["tx_packets"] == judge.count


def test_filters_that_share_the_frames_out(placed, tmp_path):
    """At any time each frame is wanted by one of two outputs: they change sides by one reload, and
    still each frame leaves once."""
    rig = placed
    fr.write_pcap(tmp_path / "round.pcap", ROUND)
    sides = ["ether[17] & 1 = 0", "ether[17] & 1 = 1"]
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=tmp_path / "round.pcap", infinite_rx=1))
    rig.output("x", "a", port=rig.vdev("net_null"), filter=sides[0])
    rig.output("y", "a", port=rig.vdev("net_null"), filter=sides[1])
    with rig.start() as running:
        for number in range(N_RELOADS):
            running.wait_sent("x", running.output("x")["tx_packets"] + 500)
            for name in ("x", "y"):
                rig.outputs[name]["filter"] = sides[(number + (name == "x")) % 2]
            running.reload()
        result = running.stop()
    feeds = [result.feed("a", name) for name in ("x", "y")]
    assert sum(feed["tx_packets"] for feed in feeds) == result.tap("a")["forwarded"]
    assert sum(feed["filtered"] for feed in feeds) == result.tap("a")["forwarded"]


VXLAN = [{"encap": {"type": "vxlan", "local": "192.0.2.1/24", "remote": f"192.0.2.{host}",
                    "mac": f"02:00:00:00:99:{host:02x}", "key": vni, "ttl": ttl}, **edits}
         for host, vni, ttl, edits in ((9, 1, 11, {}), (10, 2, 12, {"truncate": 100}))]


class Wrapped(Frames):
    """Judges VXLAN: each outer packet is wholly the one tunnel's or the other's."""

    def __init__(self):
        self.switches, self.current = 0, None

    def take(self, frame):
        outer = tunnels.parse(frame)
        which = [index for index, one in enumerate(VXLAN)
                 if outer.link[:6] == bytes.fromhex(one["encap"]["mac"].replace(":", ""))][0]
        encap = VXLAN[which]["encap"]
        assert outer.destination == bytes(map(int, encap["remote"].split(".")))
        assert outer.head[8] == encap["ttl"]
        udp, vxlan, inner = outer.payload[:8], outer.payload[8:16], outer.payload[16:]
        assert struct.unpack("!H", udp[4:6])[0] == len(outer.payload)
        assert vxlan == struct.pack("!II", 0x08 << 24, encap["key"] << 8)
        want = ROUND[self.count % len(ROUND)][:VXLAN[which].get("truncate")]
        assert inner == want, f"frame {self.count}: {inner.hex()}, wanted {want.hex()}"
        if which != self.current:
            self.switches += self.current is not None
            self.current = which


def test_a_tunnel_that_changes(placed, tmp_path):
    """Next hop, remote, VNI, TTL and the output's edits change together."""
    rig = placed
    fr.write_pcap(tmp_path / "round.pcap", ROUND)
    judge = Wrapped()
    with Stream(tmp_path / "stream", judge) as stream:
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=tmp_path / "round.pcap", infinite_rx=1))
        rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=stream.path), **VXLAN[0])
        with rig.start() as running:
            for number in range(1, N_RELOADS + 1):
                running.wait_sent("x", running.output("x")["tx_packets"] + 1000)
                rig.outputs["x"] = changed(rig.outputs["x"], truncate=None)
                rig.outputs["x"] |= VXLAN[number % 2]
                running.reload()
            running.wait_sent("x", running.output("x")["tx_packets"] + 1000)
            result = running.stop()
        stream.finish()
    assert judge.count == result.feed("a", "x")["tx_packets"] == result.tap("a")["rx_packets"]
    assert judge.switches == N_RELOADS


def test_wrapped_and_not(placed, tmp_path):
    """A tunnel is put on an output and taken off again."""
    rig = placed
    fr.write_pcap(tmp_path / "round.pcap", ROUND)
    tunnel = tunnels.Tunnel("vxlan", 6, 3, key=5)

    class Either(Frames):
        """Judges by the length of a frame which it is."""
        wrapped = 0

        def take(self, frame):
            want = ROUND[self.count % len(ROUND)]
            if len(frame) == len(want):
                assert frame == want, frame.hex()
                return
            assert frame[tunnel.overhead:] == want and frame[14] >> 4 == 6, frame.hex()
            self.wrapped += 1

    judge = Either()
    with Stream(tmp_path / "stream", judge) as stream:
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=tmp_path / "round.pcap", infinite_rx=1))
        rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=stream.path))
        with rig.start() as running:
            for number in range(1, 11):
                running.wait_sent("x", running.output("x")["tx_packets"] + 1000)
                rig.outputs["x"] = changed(rig.outputs["x"],
                                           encap=tunnel.encap() if number % 2 else None)
                running.reload()
            result = running.stop()
        stream.finish()
    assert judge.count == result.feed("a", "x")["tx_packets"] == result.tap("a")["rx_packets"]
    assert judge.wrapped >= 5000 and judge.count - judge.wrapped >= 5000


# Backlogs

def test_a_backlog_is_sent_by_the_new_settings(reload_rig, tmp_path):
    """What waits has not been edited yet: the edits of the end are those that it gets."""
    rig, count = reload_rig, 5000
    pipe = fifo.Pipe(tmp_path / "blocked")
    try:
        rig.n_lcores = 4
        rig.lcores = {"rx": [1], "tx": [2, 3], "idle_us": 50}
        loop = rig.vdev("net_ring")
        rig.tap("a", fr.numbered(count), ring="64m")
        rig.tap("b", port=loop, ring="16m")
        rig.output("loop", "a", port=loop, vlan={"push": 100})
        blocked = rig.output("blocked", "b", port=rig.vdev("net_pcap", tx_pcap=pipe.path))
        good = rig.output("good", "a")
        spare = rig.vdev("net_null")
        with rig.start() as running:
            assert running.lcores_of(good) != running.lcores_of(blocked)
            running.wait_sent("good", count)
            running.wait_for(lambda: running.feed("a", "loop")["queued"] > 1000, "a backlog")
            rig.outputs["beside"] = {"port": spare, "from": ["a"]}
            rig.outputs["loop"] |= {"vlan": {"push": 200}, "truncate": 40}
            # The lcore that stands still in write() takes nothing over before it gets on.
            running.write()
            running.process.send_signal(signal.SIGHUP)
            time.sleep(1)  # by far enough for the reload to wait for it
            pipe.resume()
            running.wait_for(lambda: running.info()["reloads"] == 1, "the reload")
            rig.applied()
            running.wait_feed("a", "loop", count)
            running.wait_feed("b", "blocked", count)
            result = running.stop()
        pipe.finish(tmp_path / "blocked.pcap")
        got = fr.read_pcap(tmp_path / "blocked.pcap")
    finally:
        pipe.close()
    old = model.apply(fr.numbered(count), {"vlan": {"push": 100}})
    new = model.apply(fr.numbered(count), {"vlan": {"push": 200}, "truncate": 40})
    at = next((at for at, frame in enumerate(got) if frame != old[at]), count)
    assert got == old[:at] + new[at:] and at < count
    assert result.feed("a", "loop")["overrun"] == 0
    assert numbers(result.frames("good")) == list(range(count))


def test_a_backlog_outlives_reloads(reload_rig, namespace):
    """Of a stuck output: reloads beside it leave it waiting, and a tap that is put behind it gets
    all of it, in order."""
    rig, count = reload_rig, 4000
    with wire_tap(rig, namespace, ring="16m") as sender:
        loop = rig.vdev("net_ring")
        rig.output("stuck", "a", port=loop)
        rig.output("good", "a")
        null = rig.vdev("net_null")
        drained = rig.pcap_port(written=True)
        with rig.start() as running:
            sender.send(count)
            running.wait_sent("good", count)
            running.wait_quiet()
            before = running.feed("a", "stuck")
            assert before["queued"] == count - SLOTS and before["overrun"] == 0
            for number in range(10):
                if number % 2:
                    del rig.outputs["beside"]
                else:
                    rig.outputs["beside"] = {"port": null, "from": ["a"], "truncate": 50 + number}
                rig.outputs["stuck"]["vlan"] = {"push": 100 + number}
                running.reload()
                assert running.feed("a", "stuck")["queued"] == before["queued"]
                assert running.feed("a", "stuck")["tx_packets"] == before["tx_packets"]
            sender.send(100)
            running.wait_sent("good", count + 100)
            rig.tap("b", port=loop, ring="16m")
            rig.outputs["drained"] = {"port": drained, "from": ["b"]}
            running.reload()
            running.wait_feed("a", "stuck", count + 100)
            running.wait_sent("drained", count + 100)
            result = running.stop()
    got = fr.read_pcap(rig.written[drained])
    assert numbers([model.pop_tag(frame) for frame in got]) == list(range(count + 100))
    # What was in the port, and the packet it was tried with, went by the first settings.
    vids = [int.from_bytes(frame[14:16], "big") if frame[12:14] == b"\x81\x00" else None
            for frame in got]
    assert vids[:SLOTS] == [None] * SLOTS and set(vids[SLOTS + 64:]) == {109}
    assert numbers(result.frames("good")) == list(range(count + 100))
