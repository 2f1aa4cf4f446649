#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The kernel's tunnel devices as the other end, both ways in one running broker.

    box                                          host
    in0 === in1 -> fluxcap (encap) -> wire0 ==== wire1 -> tunnel device -> tcpdump
    file <------- fluxcap (decap) <- wire0 ===== wire1 <- tunnel device <- tcpreplay
"""

import pytest

import tunnel_peer as tp


def assert_asked(path, family, asker, answerer, asker_mac):
    """Somebody has asked all for an address, and its owner has answered."""
    asked = tp.requests(path, family, asker)
    assert any(tp.is_to_all(mac) and target == answerer for mac, target in asked), asked
    assert asker_mac in tp.answers(path, family, answerer)


@pytest.mark.parametrize("family", tp.FAMILIES)
@pytest.mark.parametrize("kind, tags", [("vxlan", True), ("geneve", True), ("gretap", True),
                                        ("erspan2", False), ("erspan3", False)])
def test_device_of_the_kernel(rig, network, family, kind, tags):
    """What one end sends comes out of the other, and each finds the other by asking."""
    host = network.host("host")
    network.wire(network.box, "wire0", host, "wire1", tp.WIRE_MTU)
    host.give("wire1", f"{family.host}/{family.prefix}")
    host.tunnel("tunnel", tp.device(kind, family, family.host, family.box))
    box_mac, host_mac = network.box.mac("wire0"), host.mac("wire1")
    with network.capture(host, "wire1", "inout") as wire:
        tp.exchange(network, rig, family, host, host_mac, kind, tags,
                    forget=lambda: host.ip("neighbour", "del", family.box, "dev", "wire1"))
        wire.wait_for(lambda _: host_mac in tp.answers(wire.path, family, family.box))
    assert_asked(wire.path, family, family.box, family.host, box_mac)
    assert_asked(wire.path, family, family.host, family.box, host_mac)
