#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnels over more than a wire: routers, VLANs, switches, and fluxcap at both ends."""

import pytest

import frames as fr
import tunnel_peer as tp

VID = 77


@pytest.mark.parametrize("family, gateway", [
    pytest.param(tp.IPV4, tp.IPV4.gateway, id="ipv4"),
    pytest.param(tp.IPV6, tp.IPV6.gateway, id="ipv6"),
    pytest.param(tp.IPV6, "fe80::fe", id="ipv6-link-local")])
def test_gateway(rig, network, family, gateway):
    """box wire0 == near router far == wire1 host: frames go to the router, which passes them on."""
    router, host = network.host("router"), network.host("host")
    network.wire(network.box, "wire0", router, "near", tp.WIRE_MTU)
    network.wire(router, "far", host, "wire1", tp.WIRE_MTU)
    router.give("near", f"{family.gateway}/{family.prefix}")
    if gateway != family.gateway:
        router.give("near", f"{gateway}/64")
    router.give("far", f"{family.far_gateway}/{family.prefix}")
    router.forward()
    host.give("wire1", f"{family.far}/{family.prefix}")
    host.ip(f"-{family.version}", "route", "add", family.near_net, "via", family.far_gateway)
    host.tunnel("tunnel", tp.device("vxlan", family, family.far, family.box))
    router_mac = router.mac("near")
    with network.capture(router, "near", "in") as near, \
            network.capture(host, "wire1", "in", "udp port 4789") as arrived:
        result = tp.exchange(network, rig, family, host, router_mac, remote=family.far,
                             gateway=gateway)
        count = result.output("there")["tx_packets"]
        arrived.wait_frames(count)
        near.wait_for(lambda _: len(tp.dissect(near.path, "vxlan", "eth.dst")) == count)
    tunnelled = tp.dissect(near.path, "vxlan", "eth.dst")
    assert tunnelled == [[router_mac]] * count
    # One less than they had when they left, so a router has seen them.
    hops = tp.dissect(arrived.path, "vxlan",
                      "ip.ttl" if family.version == 4 else "ipv6.hlim", "eth.src")
    assert len(hops) == count
    assert {tuple(row) for row in hops} == {("63", router.mac("far"))}
    asked = tp.requests(near.path, family, family.box)
    assert asked and all(target == gateway for _, target in asked)


def test_link_local_ends(rig, network):
    """A tunnel between two link-local addresses."""
    family = tp.IPV6._replace(box="fe80::1", host="fe80::9")
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1", tp.WIRE_MTU)
    host.give("wire1", f"{family.host}/{family.prefix}")
    host.tunnel("tunnel", [*tp.device("vxlan", family, family.host, family.box), "dev", "wire1"])
    tp.exchange(network, rig, family, host, host.mac("wire1"))


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_outer_tag(rig, network, family):
    """The link to the other end is a VLAN: asking, answering and tunnelling happen in it."""
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1", tp.WIRE_MTU)
    network.vlan(host, "wire1", "vlan", VID, tp.WIRE_MTU)
    host.give("vlan", f"{family.host}/{family.prefix}")
    host.tunnel("tunnel", tp.device("vxlan", family, family.host, family.box))
    with network.capture(host, "wire1") as listener:
        tp.exchange(network, rig, family, host, host.mac("vlan"), vlan=VID,
                    forget=lambda: host.ip("neighbour", "del", family.box, "dev", "vlan"))
    # All that the box has sent: asked, answered, tunnelled.
    assert {frame[12:16] for frame in listener.frames()} == {bytes([0x81, 0, 0, VID])}


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_address_in_a_vlan(rig, network, family):
    """The address where a tagged tunnel begins is there in its VLAN, and not beside it."""
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1")
    network.vlan(host, "wire1", "vlan", VID)
    host.give("vlan", f"{family.host}/{family.prefix}")
    host.give("wire1", f"{family.other}/{family.prefix}")
    network.feed(rig)
    rig.output("there", "feed", port=rig.vdev("net_af_packet", iface="wire0"), encap={
        "type": "vxlan", "local": family.local(), "remote": family.host, "key": tp.KEY,
        "vlan": VID})
    with rig.start() as running:
        tp.wait_next_hop(running, "there", host.mac("vlan"))
        assert host.ping(family.box, "-I", "wire1", "-W", 2, count=1) == 0
        assert host.ping(family.box, "-I", "vlan") == 3


def test_several_tunnels_on_a_port(rig, network):
    """Three tunnels, of both IP versions, to two hosts behind a switch; each keeps to itself."""
    switch, one, two = (network.host(label) for label in ("switch", "one", "two"))
    for host, near, far in ((network.box, "wire0", "sw0"), (one, "wire1", "sw1"),
                            (two, "wire1", "sw2")):
        network.wire(host, near, switch, far, tp.WIRE_MTU)
    network.bridge(switch, ("sw0", "sw1", "sw2"))
    one.give("wire1", f"{tp.IPV4.host}/24")
    two.give("wire1", f"{tp.IPV4.other}/24", f"{tp.IPV6.other}/64")
    tunnels = {"one4": (one, tp.IPV4, tp.IPV4.host, 1), "two4": (two, tp.IPV4, tp.IPV4.other, 2),
               "two6": (two, tp.IPV6, tp.IPV6.other, 3)}
    network.feed(rig, mtu=tp.WIRE_MTU)
    port = rig.vdev("net_af_packet", iface="wire0")
    for name, (host, family, remote, key) in tunnels.items():
        host.tunnel(name, tp.device("vxlan", family, remote, family.box, key))
        rig.output(name, "feed", port=port, encap={
            "type": "vxlan", "local": family.local(), "remote": remote, "key": key})
        rig.tap(f"from-{name}", port=port,
                decap={"type": "vxlan", "local": family.box, "remote": remote, "key": key})
        rig.output(f"file-{name}", f"from-{name}")
    sent = tp.corpus(1)
    returned = {name: tp.corpus(seed, repeat=1) for seed, name in enumerate(tunnels, 10)}
    with rig.start() as running:
        for name, (host, _, _, _) in tunnels.items():
            tp.wait_next_hop(running, name, host.mac("wire1"))
        listeners = {name: network.capture(host, name) for name, (host, *_) in tunnels.items()}
        with listeners["one4"], listeners["two4"], listeners["two6"]:
            network.play(sent)
            for listener in listeners.values():
                assert tp.same_frames(listener.wait_frames(len(sent)), sent)
        for name, (host, *_) in tunnels.items():
            network.play(returned[name], host, name)
        for name in tunnels:
            running.wait_sent(f"file-{name}", len(returned[name]))
        result = running.stop()
    for name in tunnels:
        assert tp.same_frames(result.frames(f"file-{name}"), returned[name]), name


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_fluxcap_at_both_ends(rigs, network, family):
    """Frames of up to 9,018 bytes through GRETAP over a link of 1,500, put together again.

        box: in0 === in1 -> fluxcap -> wire0 ===== wire1 -> fluxcap -> file: far
    """
    far = network.host("far")
    network.wire(network.box, "wire0", far, "wire1")
    maker = fr.Maker(9, fragments=False)
    sent = [maker.frame(length, tags=tags) for length in fr.LENGTHS if length >= 60
            for tags in ((), (fr.tag(7, 3),))]
    sender, receiver = rigs(), rigs()
    network.feed(sender, mtu=9100, **tp.JUMBO)
    sender.output("there", "feed", port=sender.vdev("net_af_packet", iface="wire0"), encap={
        "type": "gretap", "local": family.local(), "remote": family.host, "key": tp.KEY})
    receiver.namespace, receiver.lcores = far.name, {"idle_us": 50}
    # The kernel puts fragments of IPv4 together for this driver, so its slots take whole packets.
    receiver.tap("here", port=receiver.vdev("net_af_packet", iface="wire1",
                                            **{**tp.JUMBO, "framecnt": 1024}),
                 decap={"type": "gretap", "local": family.host, "remote": family.box,
                        "key": tp.KEY})
    receiver.output("file", "here")
    with network.capture(far, "wire1") as wire, receiver.start() as ending, \
            sender.start() as beginning:
        tp.wait_next_hop(beginning, "there", far.mac("wire1"))
        network.play(sent, packets_per_second=200)
        beginning.wait_sent("there", len(sent))
        ending.wait_sent("file", len(sent))
        sent_by = beginning.stop()
        got = ending.stop()
        n_frames = sent_by.output("there")["tx_frames"]
        wire.wait_frames(n_frames + 1)
    assert tp.same_frames(got.frames("file"), sent)
    pieces = tp.dissect(wire.path, "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr",
                        "frame.len")
    assert max(len(frame) for frame in wire.frames()) <= 1514
    assert len(pieces) > n_frames - len(sent) > 100
    if family.version == 6:
        assert got.tap("here")["fragments_held"] > 100
