#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A tunnel's port as a host on its link: what it answers, asks and says to a real kernel.

    box                                host
    in0 === in1 -> fluxcap -> wire0 == wire1
"""

import time

import pytest

import tunnel_peer as tp

NEW_MAC = "02:00:00:00:be:ef"
SENT = tp.corpus(3, lengths=(64, 500, 1400))


def sender(network, rig, family, mtu=1500, remote=None, **keys):
    """A host, and an output `there` with a tunnel to it or to another remote address."""
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1", mtu)
    host.give("wire1", f"{family.host}/{family.prefix}")
    arguments = tp.JUMBO if mtu > 2000 else {}
    network.feed(rig)
    rig.output("there", "feed", port=rig.vdev("net_af_packet", iface="wire0", **arguments), encap={
        "type": "vxlan", "local": family.local(), "remote": remote or family.host, "key": tp.KEY,
        **keys})
    return host


@pytest.mark.parametrize("family", tp.FAMILIES)
@pytest.mark.parametrize("mtu, size", [(1500, 56), (1500, 1400), (9000, 8000)])
def test_ping_where_a_tunnel_begins(rig, network, family, mtu, size):
    host = sender(network, rig, family, mtu)
    with rig.start():
        assert host.ping(family.box, "-s", size, "-M", "do") == 3


@pytest.mark.parametrize("family", tp.FAMILIES)
@pytest.mark.parametrize("mtu, size", [(1500, 56), (1500, 1400), (9000, 8000)])
def test_ping_where_a_tunnel_ends(rig, network, family, mtu, size):
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1", mtu)
    host.give("wire1", f"{family.host}/{family.prefix}")
    rig.namespace = network.box.name
    rig.lcores = {"idle_us": 50}
    rig.tap("end", port=rig.vdev("net_af_packet", iface="wire0",
                                 **(tp.JUMBO if mtu > 2000 else {})),
            decap={"type": "vxlan", "local": family.box})
    rig.output("file", "end")
    with rig.start() as running:
        assert host.ping(family.box, "-s", size, "-M", "do") == 3
        result = running.stop()
    # The request for the address, and the pings: all for the port itself.
    assert result.tap("end")["not_ours"] >= 4
    assert result.tap("end")["forwarded"] == 0


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_other_addresses_are_not_answered(rig, network, family):
    host = sender(network, rig, family)
    # The host knows the box from being asked, and shall not make sure of it meanwhile.
    ip = "ipv4" if family.version == 4 else "ipv6"
    host.execute("sysctl", "-q", "-w", f"net.{ip}.neigh.wire1.delay_first_probe_time=120")
    replies = "icmp.type == 0" if family.version == 4 else "icmpv6.type == 129"
    with network.capture(host, "wire1") as listener, rig.start() as running:
        tp.wait_next_hop(running, "there", host.mac("wire1"))
        # Nobody says who has it; and what reaches the port all the same is not answered.
        assert host.ping(family.other, "-W", 2, count=1) == 0
        host.ip("neighbour", "replace", family.other, "lladdr", network.box.mac("wire0"), "dev",
                "wire1")
        assert host.ping(family.other, "-W", 2) == 0
        assert host.ping(family.box) == 3
        listener.wait_for(lambda _: len(tp.dissect(listener.path, replies, "eth.src")) == 3)
    sources = tp.dissect(listener.path, replies, "ip.src" if family.version == 4 else "ipv6.src")
    assert sources == [[family.box]] * 3
    assert not tp.dissect(listener.path, "arp.opcode == 2 || icmpv6.type == 136", "eth.src")


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_an_unresolved_port_only_asks(rig, network, family):
    """Requests for the next hop, at most one a second, whatever it should send meanwhile."""
    host = sender(network, rig, family, remote=family.other)
    started = time.monotonic()
    with network.capture(host, "wire1") as listener, rig.start() as running:
        network.play(SENT)
        running.wait_for(lambda: running.output("there")["unresolved"] >= len(SENT), "drops")
        listener.wait_frames(5)
        elapsed = time.monotonic() - started
        seen = listener.frames()
        asked = tp.requests(listener.path, family, family.box)
        running.stop()
    assert 5 <= len(seen) <= elapsed + 2
    assert len(asked) >= len(seen)
    assert all(tp.is_to_all(mac) and target == family.other for mac, target in asked)


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_a_port_with_a_fixed_next_hop_is_silent(rig, network, family):
    """It does not ask, and what it sends goes to the address it was given."""
    host = sender(network, rig, family, mac=NEW_MAC)
    with network.capture(host, "wire1", "in", "not udp port 4789") as other, \
            rig.start() as running:
        with network.capture(host, "wire1", "in", "udp port 4789") as listener:
            time.sleep(4)
            network.play(SENT)
            seen = listener.wait_frames(len(SENT))
        running.stop()
    assert not other.frames()
    assert len(seen) == len(SENT)
    assert {frame[:6].hex(":") for frame in seen} == {NEW_MAC}


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_an_announced_change_is_followed(rig, network, family):
    """The kernel tells by gratuitous ARP or an unsolicited advertisement that it has moved."""
    host = sender(network, rig, family)
    host.tunnel("tunnel", tp.device("vxlan", family, family.host, family.box))
    with network.capture(host, "wire1") as wire, rig.start() as running:
        with network.capture(host, "tunnel") as listener:
            tp.wait_next_hop(running, "there", host.mac("wire1"))
            network.play(SENT)
            listener.wait_frames(len(SENT))
            host.set_mac("wire1", NEW_MAC, announced=True)
            tp.wait_next_hop(running, "there", NEW_MAC)
            network.play(SENT)
            seen = listener.wait_frames(2 * len(SENT))
        wire.wait_for(lambda frames: len(frames) >= 2 * len(SENT))
        running.stop()
    assert tp.same_frames(seen, 2 * SENT)
    asked = tp.requests(wire.path, family, family.box)
    assert len([mac for mac, _ in asked if tp.is_to_all(mac)]) == 1


class Neighbour:
    """A host on a wire of its own, with an output to each of its addresses."""

    def __init__(self, network, rig, label, number):
        self.label, self.host = label, network.host(label)
        self.outputs = {}
        box_interface = f"wire{number}"
        network.wire(network.box, box_interface, self.host, "wire")
        self.host.give("wire", *(f"{family.host}/{family.prefix}" for family in (tp.IPV4, tp.IPV6)))
        port = rig.vdev("net_af_packet", iface=box_interface)
        for family in (tp.IPV4, tp.IPV6):
            name = f"{label}{family.version}"
            self.outputs[name] = family
            local = f"{family.box[:-1]}{number}/{family.prefix}"
            rig.output(name, "feed", port=port, encap={
                "type": "vxlan", "local": local, "remote": family.host, "key": tp.KEY})

    def wait(self, running, mac):
        for name in self.outputs:
            tp.wait_next_hop(running, name, mac)


def test_time_passes(rig, network):
    """What takes half a minute, all at once: three neighbours of which one stays, one moves
    without a word, and one is unplugged and comes back."""
    network.feed(rig)
    rig.short_form = False
    stays, moves, leaves = (Neighbour(network, rig, label, number)
                            for number, label in enumerate(("stays", "moves", "leaves"), 1))
    with network.capture(stays.host, "wire", "inout") as wire, \
            network.capture(moves.host, "wire", "in", "udp port 4789") as moved, \
            rig.start() as running:
        for neighbour in (stays, moves, leaves):
            neighbour.wait(running, neighbour.host.mac("wire"))
        before = {name: running.output(name)["unresolved"] for name in rig.outputs}
        stays_mac, leaves_mac = stays.host.mac("wire"), leaves.host.mac("wire")
        moves.host.set_mac("wire", NEW_MAC, announced=False)
        leaves.host.down("wire")

        moves.wait(running, NEW_MAC)
        leaves.wait(running, "")
        # Its owner alone is asked again, and its answer is enough.
        for family in (tp.IPV4, tp.IPV6):
            running.wait_for(lambda f=family: [stays_mac, f.host] in tp.requests(
                wire.path, f, f.box), "a second request")
            asked = [mac for mac, _ in tp.requests(wire.path, family, family.box)]
            assert len(list(filter(tp.is_to_all, asked))) == 1, asked
        stays.wait(running, stays_mac)

        network.play(SENT)
        for name in leaves.outputs:
            running.wait_for(lambda n=name: running.output(n)["unresolved"] ==
                             before[n] + len(SENT), f"drops of {name}")
        frames = moved.wait_frames(2 * len(SENT))
        assert len(frames) == 2 * len(SENT)
        assert {frame[:6].hex(":") for frame in frames} == {NEW_MAC}

        leaves.host.up("wire", arp=True)
        leaves.wait(running, leaves_mac)
        network.play(SENT)
        for neighbour in (stays, moves, leaves):
            for name in neighbour.outputs:
                running.wait_sent(name, len(SENT) if neighbour is leaves else 2 * len(SENT))
        result = running.stop()
    for name in rig.outputs:
        lost = result.output(name)["unresolved"] - before[name]
        assert lost == (len(SENT) if name in leaves.outputs else 0), name


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_link_down_and_up(rig, network, family):
    """A driver that reports its link: what was known is forgotten at once, and asked again."""
    box, output = network.box, "there"
    network.feed(rig)
    rig.output(output, "feed", port=rig.vdev("net_tap", iface="wire0"), encap={
        "type": "vxlan", "local": family.local(), "remote": family.host, "key": tp.KEY})
    with rig.start() as running:
        # The other end of the wire is the kernel's; the driver has kept the address it had.
        box.ip("link", "set", "wire0", "address", NEW_MAC)
        box.give("wire0", f"{family.host}/{family.prefix}")
        tp.wait_next_hop(running, output, NEW_MAC)
        box.down("wire0")
        # Silence alone would not end it for half a minute.
        running.wait_for(lambda: running.output(output)["next_hop_mac"] == "", "forgetting",
                         timeout=15)
        assert running.output(output)["link"] == "down"
        network.play(SENT)
        running.wait_for(lambda: running.output(output)["unresolved"] == len(SENT), "drops")
        box.up("wire0", arp=True)
        tp.wait_next_hop(running, output, NEW_MAC)
        with network.capture(box, "wire0", "in", "udp port 4789") as listener:
            network.play(SENT)
            seen = listener.wait_frames(len(SENT))
        result = running.stop()
    assert len(seen) == len(SENT)
    assert result.output(output)["tx_packets"] == len(SENT)
