#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnels through reloads: what did not change goes on counting, and keeps its next hop.

tshark reads the numbers, kernels are the hosts at the other ends, scapy is who sends into tunnels.
"""

import re

import pytest

import frames as fr
import tshark
import tunnel_packets
import tunnel_peer as tp
import tunnels
from reloading import changed, numbers, wire_tap

N = 100
N_RELOADS = 20

SEQUENCED = [tunnels.Tunnel("erspan2", 4, 1, key=7), tunnels.Tunnel("erspan3", 4, 2, key=8),
             tunnels.Tunnel("erspan2", 6, 3, key=9), tunnels.Tunnel("vxlan", 4, 4, key=10),
             tunnels.Tunnel("gre", 4, 5)]


def change_beside(rig, ports, number):
    """The next of some changes, each to another output than the tunnel's."""
    null, spare = ports
    steps = [
        lambda: rig.outputs.update(beside={"port": null, "from": ["a"], "vlan": {"push": 3}}),
        lambda: rig.outputs["beside"].update(encap=tunnels.Tunnel("erspan2", 4, 9, key=1).encap()),
        lambda: rig.outputs.update(more={"port": spare, "from": ["a"], "truncate": 40}),
        lambda: rig.outputs["beside"].pop("encap"),
        lambda: rig.outputs.pop("beside"),
        lambda: rig.outputs.pop("more"),
    ]
    steps[number % len(steps)]()


@pytest.mark.parametrize("own_edits", [False, True], ids=["beside", "its-own-edits"])
@pytest.mark.parametrize("tunnel", SEQUENCED, ids=lambda one: one.name)
def test_numbers_go_on(reload_rig, namespace, tunnel, own_edits):
    """Sequence numbers and the identification of IPv4, through 20 reloads."""
    rig, lengths = reload_rig, []
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a", encap=tunnel.encap())
        ports = rig.vdev("net_null"), rig.vdev("net_null")
        with rig.start() as running:
            for number in range(N_RELOADS + 1):
                sender.send(N)
                running.wait_sent("x", (number + 1) * N)
                lengths += [rig.outputs["x"].get("truncate", 64)] * N
                if own_edits:
                    rig.outputs["x"] = changed(rig.outputs["x"],
                                               truncate=(None, 60, 30)[number % 3])
                else:
                    change_beside(rig, ports, number)
                running.reload()
            result = running.stop()
    got = result.frames("x")
    rows = tshark.dissect(got, ("gre.sequence_number", "ip.id"))
    count = (N_RELOADS + 1) * N
    assert len(rows) == count
    if tunnel.type.startswith("erspan"):
        assert [row.number("gre.sequence_number") for row in rows] == list(range(count))
    if tunnel.family == 4:
        idents = [int(row.first("ip.id"), 16) for row in rows]
        assert [(ident - idents[0]) % 65536 for ident in idents] == list(range(count))
    for number, (frame, length) in enumerate(zip(got, lengths)):
        want = fr.numbered(1, start=number)[0][:length]
        assert frame[tunnel.overhead:] == tunnel.carried(want), f"frame {number}"


def host_of(network, rig, **encap):
    """A host of 192.0.2.0/24 on the box's `wire0`, and an output `there` with a tunnel to it."""
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1", tp.WIRE_MTU)
    host.give("wire1", f"{tp.IPV4.host}/24", f"{tp.IPV4.other}/24")
    network.feed(rig)
    rig.output("there", "feed", port=rig.vdev("net_af_packet", iface="wire0"), encap={
        "type": "vxlan", "local": tp.IPV4.local(), "remote": tp.IPV4.host, "key": tp.KEY, **encap})
    return host


def test_a_known_next_hop_stays_known(reload_rig, network):
    """No packet is lost for want of an address, and nobody is asked again."""
    rig = reload_rig
    host = host_of(network, rig)
    nulls = [rig.vdev("net_null") for _ in range(2)]
    sent = tp.corpus(5, lengths=(64, 500))
    with network.capture(host, "wire1", expression="udp port 4789") as data, rig.start() as running:
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        before = running.output("there")["unresolved"]
        for number in range(N_RELOADS):
            if number % 2:
                del rig.outputs["beside"]
            else:
                rig.outputs["beside"] = {"port": nulls[number // 2 % 2], "from": ["feed"]}
            rig.outputs["there"]["truncate"] = 1000 + number
            running.reload()
            assert running.output("there")["next_hop_mac"] == host.mac("wire1")
            network.play(sent)
        running.wait_sent("there", N_RELOADS * len(sent))
        seen = data.wait_frames(N_RELOADS * len(sent))
        assert running.output("there")["unresolved"] == before
        assert host.ping(tp.IPV4.box) == 3
        running.stop()
    assert sorted(frame[50:] for frame in seen) == sorted(N_RELOADS * sent)


@pytest.mark.parametrize("kind", ["vxlan", "erspan2"])
def test_a_tunnel_whose_wire_returns(reload_rig, network, kind):
    """Deleted and made anew, with another MAC address behind it: the next hop is asked for again,
    and an ERSPAN sequence goes on."""
    rig = reload_rig
    host = host_of(network, rig, type=kind)
    sent, seen = tp.corpus(9, lengths=(64, 500)), []
    is_data = "udp port 4789 or ip proto 47"
    with rig.start() as running:
        for turn in range(3):
            tp.wait_next_hop(running, "there", host.mac("wire1"))
            with network.capture(host, "wire1", expression=is_data) as data:
                network.play(sent)
                running.wait_sent("there", (turn + 1) * len(sent))
                seen += data.wait_frames(len(sent))
            if turn == 2:
                break
            network.box.delete_link("wire0")
            running.wait_for(lambda: running.output("there")["state"] == "gone", "end of the wire")
            network.wire(network.box, "wire0", host, "wire1", tp.WIRE_MTU)
            host.give("wire1", f"{tp.IPV4.host}/24")
        assert host.ping(tp.IPV4.box) == 3
        result = running.stop()
    overhead = tunnels.Tunnel(kind, 4, 1).overhead
    assert [frame[overhead:] for frame in seen] == 3 * sent
    assert result.output("there")["tx_packets"] == 3 * len(sent)
    if kind == "erspan2":
        rows = tshark.dissect(seen, ("gre.sequence_number",))
        assert [row.number("gre.sequence_number") for row in rows] == list(range(3 * len(sent)))


def test_another_next_hop(reload_rig, network):
    """Until the new one answers its packets are dropped and counted; then all go there."""
    rig = reload_rig
    host = host_of(network, rig)
    third = network.host("third")
    network.wire(network.box, "wire2", third, "wire3", tp.WIRE_MTU)
    third.give("wire3", "198.51.100.9/24")
    port = rig.vdev("net_af_packet", iface="wire2")
    sent = tp.corpus(6, lengths=(64, 500))
    there = dict(rig.outputs["there"])
    with network.capture(host, "wire1", expression="udp port 4789") as one, \
            network.capture(third, "wire3", expression="udp port 4789") as other, \
            rig.start() as running:
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        first = running.output("there")["tx_packets"]
        network.play(sent)
        running.wait_sent("there", first + len(sent))
        # The same host by its other address, another VNI.
        rig.outputs["there"] = there | {"encap": there["encap"] | {"remote": tp.IPV4.other,
                                                                   "key": 78}}
        running.reload()
        assert running.output("there")["next_hop"] == tp.IPV4.other
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        network.play(sent)
        running.wait_sent("there", first + 2 * len(sent))
        one.wait_frames(2 * len(sent))
        # Another host on another wire.
        rig.outputs["there"] = {"port": port, "from": ["feed"], "encap": {
            "type": "vxlan", "local": "198.51.100.1/24", "remote": "198.51.100.9", "key": 79}}
        running.reload()
        tp.wait_next_hop(running, "there", third.mac("wire3"))
        network.play(sent)
        running.wait_sent("there", len(sent))
        other.wait_frames(len(sent))
        assert third.ping("198.51.100.1") == 3
        assert host.ping(tp.IPV4.box, "-W", 1, count=1) == 0, "the port was let go"
        running.stop()
    rows = tshark.dissect(one.frames(), ("ip.dst", "vxlan.vni"))
    assert [(row.first("ip.dst"), row.number("vxlan.vni")) for row in rows] == (
        [(tp.IPV4.host, tp.KEY)] * len(sent) + [(tp.IPV4.other, 78)] * len(sent))
    rows = tshark.dissect(other.frames(), ("ip.dst", "vxlan.vni"))
    assert [(row.first("ip.dst"), row.number("vxlan.vni")) for row in rows] == (
        [("198.51.100.9", 79)] * len(sent))


def test_another_local_address(reload_rig, network):
    """The port answers ARP and ping for the new one, and no longer for the old one."""
    rig = reload_rig
    host = host_of(network, rig)
    with rig.start() as running:
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        assert host.ping(tp.IPV4.box) == 3
        rig.outputs["there"]["encap"]["local"] = "192.0.2.77/24"
        running.reload()
        assert host.ping("192.0.2.77") == 3
        assert host.ping(tp.IPV4.box, "-W", 1, count=1) == 0
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        running.stop()


# Where tunnels end

ENDS = [tunnels.Tunnel("vxlan", 4, 11, key=vni) for vni in (1, 2, 3)]


def wrapped(tunnel, start, count=N):
    return [tunnel_packets.build(tunnel, frame) for frame in fr.numbered(count, start=start)]


class Wire:
    """A port on a wire into which tunnelled packets are played."""

    def __init__(self, rig, namespace, folder):
        self.namespace, self.path = namespace, folder / "played.pcap"
        rig.namespace = namespace.name
        namespace.veth("in0", "in1", tp.WIRE_MTU)
        self.port = rig.vdev("net_af_packet", iface="in1")

    def play(self, frames):
        fr.write_pcap(self.path, frames, [0] * len(frames))
        self.namespace.play("in0", self.path)


def test_ends_of_tunnels_change(reload_rig, namespace, tmp_path):
    """A tap takes another VNI, then any, then that of another sender; its counters go on."""
    rig = reload_rig
    wire = Wire(rig, namespace, tmp_path)
    rig.tap("t", port=wire.port, decap=ENDS[0].decap("key"))
    rig.output("x", "t")
    decaps = [(ENDS[0].decap("key"), {0}), (ENDS[1].decap("key"), {1}),
              (ENDS[0].decap(), {0, 1, 2}),
              (ENDS[0].decap() | {"remote": "192.0.2.200"}, set()), (ENDS[2].decap("key"), {2})]
    want, received, forwarded = [], 0, 0
    with rig.start() as running:
        for phase, (decap, mine) in enumerate(decaps):
            rig.taps["t"]["decap"] = decap
            if phase:
                running.reload()
            begin = running.tap("t")
            assert begin["forwarded"] == forwarded and begin["rx_packets"] >= received
            for number, tunnel in enumerate(ENDS):
                start = (3 * phase + number) * N
                wire.play(wrapped(tunnel, start))
                want += fr.numbered(N, start=start) if number in mine else []
            received, forwarded = begin["rx_packets"] + 3 * N, forwarded + len(mine) * N
            running.wait_received("t", received)
            running.wait_sent("x", forwarded)
            running.wait_quiet()
            now = running.tap("t")
            assert now["not_ours"] - begin["not_ours"] == (3 - len(mine)) * N
        result = running.stop()
    assert result.frames("x") == want


def test_a_tap_beside_another_on_its_port(reload_rig, namespace, tmp_path):
    """A second tunnel's tap is added to a port, and taken away again: the first one goes on."""
    rig = reload_rig
    wire = Wire(rig, namespace, tmp_path)
    rig.tap("one", port=wire.port, decap=ENDS[0].decap("key"))
    rig.output("x", "one")
    sink = rig.pcap_port(written=True)
    with rig.start() as running:
        def phase(number):
            for tunnel in ENDS[:2]:
                wire.play(wrapped(tunnel, number * N))
            running.wait_sent("x", (number + 1) * N)
        phase(0)
        rig.taps["two"] = {"port": wire.port, "ring": "1m", "decap": ENDS[1].decap("key")}
        rig.outputs["y"] = {"port": sink, "from": ["two"]}
        running.reload()
        phase(1)
        running.wait_sent("y", N)
        assert running.tap("two")["not_ours"] == 0
        del rig.taps["two"], rig.outputs["y"]
        running.reload()
        phase(2)
        running.wait_quiet()
        result = running.stop()
    assert numbers(result.frames("x")) == list(range(3 * N))
    assert numbers(fr.read_pcap(rig.written[sink])) == list(range(N, 2 * N))
    assert result.feed("one", "x")["forwarded"] == 3 * N


def test_a_port_that_only_sent_receives_too(reload_rig, network):
    """A tunnel's way back is added to its port: from then on it goes both ways."""
    rig = reload_rig
    host = host_of(network, rig)
    ends = ["local", tp.IPV4.host, "remote", tp.IPV4.box]
    host.tunnel("tunnel", ["vxlan", "id", tp.KEY, *ends, "dstport", "4789", "nolearning"])
    sink = rig.pcap_port(written=True)
    sent, returned = tp.corpus(7, lengths=(64, 500)), tp.corpus(8, lengths=(64, 500))
    with rig.start() as running:
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        rig.taps["back"] = {"port": rig.outputs["there"]["port"], "ring": "1m", "decap": {
            "type": "vxlan", "local": tp.IPV4.box, "key": tp.KEY}}
        rig.outputs["file"] = {"port": sink, "from": ["back"]}
        running.reload()
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        with network.capture(host, "tunnel") as listener:
            network.play(sent)
            seen = listener.wait_frames(len(sent))
        network.play(returned, host, "tunnel")
        running.wait_sent("file", len(returned))
        result = running.stop()
    assert tp.same_frames(seen, sent)
    assert tp.same_frames(result.frames("file"), returned)


def test_a_port_hears_while_it_has_a_tunnel(reload_rig, namespace):
    """Neighbour solicitations are multicast, which net_af_packet hears only when promiscuous; the
    kernel says whether it is: the same by a reload as by a start."""
    def promiscuity():
        shown = namespace.execute("ip", "-d", "link", "show", "wire0")
        return int(re.search(r"promiscuity (\d+)", shown)[1])

    rig = reload_rig
    encap = tunnels.Tunnel("vxlan", 6, 1, key=5).encap()
    namespace.veth("wire0", "wire1")
    with wire_tap(rig, namespace):
        rig.output("x", "a", port=rig.vdev("net_af_packet", iface="wire0"))
        with rig.start() as running:
            for with_tunnel in (False, True, True, False, True):
                rig.outputs["x"] = changed(rig.outputs["x"], encap=encap if with_tunnel else None)
                running.reload()
                assert promiscuity() == with_tunnel
            running.stop()
        assert promiscuity() == 0
        with rig.start() as running:
            assert promiscuity() == 1
            running.stop()


def test_fragments_wait_through_a_reload(reload_rig, namespace, tmp_path):
    """Half of a packet comes before a reload beside it, half after: it is put together."""
    rig = reload_rig
    wire = Wire(rig, namespace, tmp_path)
    end = tunnels.Tunnel("vxlan", 6, 12, key=4)
    rig.tap("t", port=wire.port, decap=end.decap())
    rig.output("x", "t")
    null, inner, n_late = rig.vdev("net_null"), fr.numbered(1, 1000)[0], 0
    with rig.start() as running:
        for attempt in range(20):
            first, second = tunnels.split(tunnel_packets.build(end, inner), [480], ident=attempt)
            wire.play([first])
            held = running.wait_for(lambda: (tap := running.tap("t"))["fragments_held"]
                                    > n_late and tap, "a fragment")
            rig.outputs["beside"] = {"port": null, "from": ["t"], "truncate": 50 + attempt}
            running.reload()
            wire.play([second])
            running.wait_received("t", held["rx_packets"] + 1)
            running.wait_quiet()
            if running.tap("t")["forwarded"]:
                break
            # A machine that was too slow: then they tell that they were given up.
            n_late = running.wait_for(
                lambda: (tap := running.tap("t"))["fragments_waiting"] == 0 and
                tap["fragments_held"], "the end of the fragments")
            assert running.tap("t")["fragments_timed_out"] == n_late
        result = running.stop()
    assert result.frames("x") == [inner]
    assert result.tap("t")["fragments_refused"] == 0
