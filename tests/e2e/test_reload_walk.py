#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""From one configuration to another that has been drawn, over and over.

After each reload two taps get some frames. What each output's file has gained then must be what
the model of the edits says, from that configuration alone, whatever there was before.
"""

import random

import pytest

import frames as fr
import model
import tunnels
from reloading import Sender, wire_tap

N = 40
N_STEPS = 30
LENGTHS = {"a": 100, "b": 120}
EDITS = (
    {}, {"truncate": 60}, {"truncate": 17}, {"trim": 30}, {"vlan": {"push": 100}},
    {"vlan": {"push": [7, 8], "pcp": 3}, "truncate": 80}, {"vlan": {"pop": 1}},
    {"vlan": {"pop": 1, "push": 9}, "trim": 5}, {"filter": "ether[17] & 1 = 1"},
    {"filter": "not greater 110", "vlan": {"push": 1}}, {"filter": "greater 110", "truncate": 50},
)
TAP_EDITS = EDITS[:1] * 4 + EDITS[3:9]
TUNNELS = [tunnels.Tunnel("vxlan", 4, 1, key=1), tunnels.Tunnel("gretap", 6, 2, key=2),
           tunnels.Tunnel("erspan2", 4, 3, key=3), tunnels.Tunnel("geneve", 4, 4, key=4)]
RINGS = ("512k", "1m", "4m", "4m", "4m")


class Walk:
    """Draws configurations, and knows what each of them makes of frames."""

    def __init__(self, rig, seed):
        self.rig, self.random = rig, random.Random(seed)
        self.ports = [rig.pcap_port(written=True) for _ in range(5)]
        self.inputs = {name: rig.taps[name]["port"] for name in LENGTHS}
        self.seen = dict.fromkeys(self.ports, 0)  # frames in a port's file

    def draw(self):
        """Another configuration; taps and outputs have few names, so that some of them stay."""
        draw, used = self.random, set(self.used())
        taps = draw.choice((["a"], ["b"], ["a", "b"], ["a", "b"]))
        self.rig.taps = {name: {"port": self.inputs[name], "ring": draw.choice(RINGS),
                                **draw.choice(TAP_EDITS)} for name in taps}
        self.rig.outputs, tunnelled = {}, set()
        for name in draw.sample(["p", "q", "r", "s", "t", "u"], draw.randrange(1, 7)):
            port = draw.choice(self.ports)
            output = {"port": port, "from": draw.sample(taps, draw.randrange(1, len(taps) + 1)),
                      **draw.choice(EDITS)}
            # A tunnel is alone on its port, so that it is known what to take off.
            alone = all(one["port"] != port for one in self.rig.outputs.values())
            if alone and draw.random() < 0.3:
                output["encap"] = draw.choice(TUNNELS).encap()
                tunnelled.add(port)
            elif port in tunnelled:
                continue
            self.rig.outputs[name] = output
        locals_used = [one["encap"]["local"] for one in self.rig.outputs.values() if "encap" in one]
        if len(set(locals_used)) != len(locals_used) or not any(
                set(taps) & set(one["from"]) for one in self.rig.outputs.values()):
            self.draw()  # an address belongs to one port
        for port in used - set(self.used()):
            self.seen[port] = 0  # it is unplugged, and its file begins anew when it is back

    def used(self):
        return [output["port"] for output in self.rig.outputs.values()]

    def expected(self, frames):
        """What leaves by each port: a list of lists, one for each feed."""
        made = {port: [] for port in self.used()}
        for output in self.rig.outputs.values():
            for tap in output["from"]:
                given = model.apply(frames[tap], self.rig.taps[tap])
                made[output["port"]].append(model.apply(given, output))
        return made

    def gained(self, port):
        """What a port's file has gained, without outer headers."""
        path = self.rig.written[port]
        # libpcap keeps the file's header to itself until there is a frame.
        everything = fr.read_pcap(path) if path.stat().st_size else []
        new, self.seen[port] = everything[self.seen[port]:], len(everything)
        for output in self.rig.outputs.values():
            if output["port"] == port and "encap" in output:
                tunnel = next(one for one in TUNNELS if one.encap() == output["encap"])
                return [frame[tunnel.overhead:] for frame in new]
        return new

    def check(self, frames):
        for port, parts in self.expected(frames).items():
            got = self.gained(port)
            assert model.is_merge(got, parts), (
                f"{port}: {len(got)} frames are no merge of {[len(part) for part in parts]}")


@pytest.mark.parametrize("seed", range(4))
def test_walk(placed, namespace, seed):
    rig = placed
    with wire_tap(rig, namespace, "a", LENGTHS["a"]) as one, \
            wire_tap(rig, namespace, "b", LENGTHS["b"]) as other:
        senders: dict[str, Sender] = {"a": one, "b": other}
        walk = Walk(rig, seed)
        walk.draw()
        with rig.start() as running:
            for step in range(N_STEPS):
                if step:
                    walk.draw()
                    running.reload()
                frames = {}
                before = {name: running.tap(name)["rx_packets"] for name in rig.taps}
                for name in rig.taps:
                    start = senders[name].n_sent
                    senders[name].send(N)
                    frames[name] = fr.numbered(N, LENGTHS[name], start=start)
                for name in rig.taps:
                    running.wait_received(name, before[name] + N)
                running.wait_quiet()
                walk.check(frames)
            running.stop()
