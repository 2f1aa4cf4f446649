#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every kind of port that a machine without NICs can have.

The kernel's ones live in a network namespace of their own:

    tcpreplay -> in0 === in1 -> fluxcap -> out0 === out1 -> tcpdump
"""

import pytest

import frames as fr
import model

LENGTHS = (60, 61, 64, 65, 127, 128, 129, 500, 1000, 1400, 1499, 1500, 1510, 1514)


def wire_corpus(seed, src=1, repeat=4):
    """Frames that an MTU of 1500 allows, so that only fluxcap can lose them.

    Two things are left out that net_af_packet of DPDK 22.11 does not take as they are: fragments
    of IPv4, which it lets the kernel collect and put together (PACKET_FANOUT_FLAG_DEFRAG), and
    tags of 802.1ad, which the kernel takes off and the driver puts back as ones of 802.1Q.
    """
    maker = fr.Maker(seed, src, fragments=False)
    return [maker.frame(length, tags=tags) for _ in range(repeat) for length in LENGTHS
            for tags in ((), (fr.tag(7, 3),), (fr.tag(100), fr.tag(9)))]


def full_wire_corpus(seed, repeat=4):
    """The same with fragments and with tags of 802.1ad."""
    maker = fr.Maker(seed)
    return [maker.frame(length, tags=tags) for _ in range(repeat) for length in LENGTHS
            for tags in ((), (fr.tag(7, 3),), (fr.tag(100), fr.tag(9)),
                         (fr.tag(5, tpid=0x88A8), fr.tag(6)))]


def test_net_null(rig):
    """Empty frames as fast as they come: the books must balance while they do, and after."""
    rig.lcores = {"idle_us": 100}
    rig.tap("a", port=rig.vdev("net_null"))
    rig.output("x", "a", port=rig.vdev("net_null"))
    rig.output("y", "a", port=rig.vdev("net_null", copy=1), vlan={"push": [1, 2]}, truncate=60)
    with rig.start() as running:
        running.wait_sent("y", 200000)
        result = running.stop()
    assert result.tap("a")["rx_bytes"] == 64 * result.tap("a")["rx_packets"]
    assert result.output("x")["tx_bytes"] == 64 * result.output("x")["tx_packets"]
    assert result.output("y")["tx_bytes"] == 60 * result.output("y")["tx_packets"]


def test_net_null_that_receives_nothing(rig):
    rig.tap("a", port=rig.vdev("net_null", **{"no-rx": 1}))
    rig.output("x", "a", port=rig.vdev("net_null"))
    assert rig.run().tap("a")["rx_packets"] == 0


def test_infinite_pcap(rig):
    sent = fr.numbered(100)
    rig.lcores = {"idle_us": 100}
    port = rig.vdev("net_pcap", rx_pcap=rig.path("loop.pcap"), infinite_rx=1)
    fr.write_pcap(rig.path("loop.pcap"), sent)
    rig.tap("a", port=port)
    rig.output("x", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        running.wait_sent("x", 50000)
        result = running.stop()
    assert result.tap("a")["rx_packets"] >= 50000


def test_net_ring_chain(rig):
    """a -> net_ring -> b -> file: each hop edits, and b's frames are those that a sent."""
    loop = rig.vdev("net_ring")
    rig.tap("a", fr.corpus(70), vlan={"push": 100})
    rig.tap("b", port=loop, vlan={"push": 200})
    rig.output("loop", "a", port=loop)
    rig.output("end", "b", truncate=1000)
    result = rig.run()
    tagged = model.apply(fr.corpus(70), {"vlan": {"push": 100}})
    want = model.apply(tagged, {"vlan": {"push": 200}, "truncate": 1000})
    assert not model.first_difference(result.frames("end"), want)
    assert result.tap("b")["rx_packets"] == len(want)


def test_net_ring_chain_does_not_write_into_shared_frames(rig):
    """What b does to the frames of one loop must not show in those of the other."""
    sent = fr.corpus(71)
    one, two = rig.vdev("net_ring"), rig.vdev("net_ring")
    rig.tap("a", sent)
    rig.tap("b", port=one, vlan={"pop": 1, "push": [200, 201]}, truncate=70)
    rig.tap("c", port=two)
    rig.output("one", "a", port=one)
    rig.output("two", "a", port=two)
    rig.output("edited", "b")
    rig.output("plain", "c")
    rig.output("direct", "a")
    result = rig.run()
    want = model.apply(sent, {"vlan": {"pop": 1, "push": [200, 201]}, "truncate": 70})
    assert not model.first_difference(result.frames("edited"), want)
    assert not model.first_difference(result.frames("plain"), sent)
    assert not model.first_difference(result.frames("direct"), sent)


def run_on_wire(rig, namespace, tmp_path, driver, arguments=None, mtu=1500, sent=None):
    """Play frames through two kernel interfaces; give them, what tcpdump saw, and the result."""
    sent = sent or wire_corpus(72)
    namespace.veth("in0", "in1", mtu)
    namespace.veth("out0", "out1", mtu)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev(driver, iface="in1", **(arguments or {})))
    rig.output("wire", "a", port=rig.vdev(driver, iface="out0", **(arguments or {})))
    rig.output("cut", "a", truncate=64, vlan={"push": 77})
    with rig.start() as running:
        with namespace.listen("out1", tmp_path / "seen.pcap") as listener:
            namespace.play("in0", tmp_path / "sent.pcap")
            running.wait_received("a", len(sent))
            running.wait_sent("wire", len(sent))
            seen = listener.wait_frames(len(sent))
            result = running.stop()
    cut = model.apply(sent, {"truncate": 64, "vlan": {"push": 77}})
    assert not model.first_difference(result.frames("cut"), cut)
    return sent, seen, result


def test_net_af_packet(rig, namespace, tmp_path):
    sent, seen, result = run_on_wire(rig, namespace, tmp_path, "net_af_packet")
    assert not model.first_difference(seen, sent)
    assert result.output("wire")["tx_packets"] == len(sent)
    assert result.output("wire")["tx_errors"] == 0


def test_net_af_packet_jumbo(rig, namespace, tmp_path):
    maker = fr.Maker(73, fragments=False)
    sent = [maker.frame(length) for length in (60, 1514, 2000, 2048, 4096, 8000, 9000, 9014)] * 5
    _, seen, _ = run_on_wire(rig, namespace, tmp_path, "net_af_packet",
                             {"blocksz": 16384, "framesz": 16384, "framecnt": 256}, mtu=9000,
                             sent=sent)
    assert not model.first_difference(seen, sent)


def test_net_af_packet_both_ways(rig, namespace, tmp_path):
    """One pair of interfaces, each a tap and an output: a wire through fluxcap."""
    namespace.veth("in0", "in1")
    namespace.veth("out0", "out1")
    there, back = wire_corpus(74, src=1), wire_corpus(75, src=2)
    fr.write_pcap(tmp_path / "there.pcap", there)
    fr.write_pcap(tmp_path / "back.pcap", back)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    left, right = rig.vdev("net_af_packet", iface="in1"), rig.vdev("net_af_packet", iface="out0")
    rig.tap("left", port=left)
    rig.tap("right", port=right)
    rig.output("to-right", "left", port=right)
    rig.output("to-left", "right", port=left)
    with rig.start() as running:
        with namespace.listen("out1", tmp_path / "right.pcap") as at_right, \
                namespace.listen("in0", tmp_path / "left.pcap") as at_left:
            namespace.play("in0", tmp_path / "there.pcap")
            namespace.play("out1", tmp_path / "back.pcap")
            running.wait_sent("to-right", len(there))
            running.wait_sent("to-left", len(back))
            seen_right = at_right.wait_frames(len(there))
            seen_left = at_left.wait_frames(len(back))
            running.stop()
    assert not model.first_difference(seen_right, there)
    assert not model.first_difference(seen_left, back)


def test_net_tap(rig, namespace, tmp_path):
    sent = full_wire_corpus(76)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_tap", iface="fctap0"))
    rig.output("wire", "a", port=rig.vdev("net_tap", iface="fctap1"))
    rig.output("file", "a")
    with rig.start() as running:
        for interface in ("fctap0", "fctap1"):
            namespace.up(interface)
        before = running.tap("a")["rx_packets"]
        with namespace.listen("fctap1", tmp_path / "seen.pcap") as listener:
            namespace.play("fctap0", tmp_path / "sent.pcap")
            running.wait_received("a", before + len(sent))
            seen = listener.wait_frames(len(sent))
            result = running.stop()
    assert before == 0
    assert not model.first_difference(seen, sent)
    assert not model.first_difference(result.frames("file"), sent)


def test_net_af_xdp(rig, namespace, tmp_path):
    """The driver keeps what is in the socket's fill ring: nobody can ask the kernel for it."""
    rig.kept_buffers = 4096
    sent, seen, result = run_on_wire(rig, namespace, tmp_path, "net_af_xdp",
                                     sent=full_wire_corpus(78))
    assert not model.first_difference(seen, sent)
    assert result.output("wire")["tx_errors"] == 0


def test_an_interface_goes_down_and_comes_back(rig, namespace, tmp_path):
    """A cable is pulled and plugged in again: fluxcap stays, and sends again."""
    namespace.veth("in0", "in1")
    namespace.veth("out0", "out1")
    first, lost, second = (wire_corpus(78 + src, src=src) for src in (1, 2, 3))
    for name, frames in (("first", first), ("lost", lost), ("second", second)):
        fr.write_pcap(tmp_path / f"{name}.pcap", frames)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_af_packet", iface="in1"))
    rig.output("wire", "a", port=rig.vdev("net_af_packet", iface="out0"))
    rig.output("file", "a")
    with rig.start() as running:
        with namespace.listen("out1", tmp_path / "seen.pcap") as listener:
            namespace.play("in0", tmp_path / "first.pcap")
            listener.wait_frames(len(first))
            namespace.down("out0")
            namespace.play("in0", tmp_path / "lost.pcap")
            running.wait_received("a", len(first) + len(lost))
            namespace.up("out0")
            namespace.play("in0", tmp_path / "second.pcap")
            running.wait_received("a", len(first) + len(lost) + len(second))
            seen = listener.wait_for(
                lambda frames: sum(fr.source_of(f) == 3 for f in frames) >= len(second))
        result = running.stop()
    assert not model.first_difference([f for f in seen if fr.source_of(f) == 1], first)
    assert not model.first_difference([f for f in seen if fr.source_of(f) == 3], second)
    assert not model.first_difference(result.frames("file"), first + lost + second)


def test_an_interface_vanishes(rig, namespace, tmp_path):
    """Its output and its tap fall silent; the others go on, and the end is an orderly one."""
    namespace.veth("in0", "in1")
    namespace.veth("out0", "out1")
    namespace.veth("gone0", "gone1")
    sent = wire_corpus(82)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_af_packet", iface="in1"))
    gone = rig.vdev("net_af_packet", iface="gone1")
    rig.tap("b", port=gone)
    rig.output("wire", "a", "b", port=rig.vdev("net_af_packet", iface="out0"))
    rig.output("gone", "a", port=gone)
    with rig.start() as running:
        with namespace.listen("out1", tmp_path / "seen.pcap") as listener:
            namespace.delete_link("gone0")
            namespace.play("in0", tmp_path / "sent.pcap")
            running.wait_received("a", len(sent))
            seen = listener.wait_frames(len(sent))
        running.stop()
    assert not model.first_difference(seen, sent)


def test_kernel_interface_of_the_tests_is_silent(namespace, tmp_path):
    """The other tests count exactly, so nothing but their own frames may be on their wires."""
    namespace.veth("in0", "in1")
    sent = wire_corpus(77, repeat=1)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    with namespace.listen("in1", tmp_path / "seen.pcap") as listener:
        namespace.play("in0", tmp_path / "sent.pcap")
        seen = listener.wait_frames(len(sent))
    assert not model.first_difference(seen, sent)


@pytest.mark.parametrize("driver", ["net_af_packet", "net_tap", "net_pcap"])
def test_an_interface_that_does_not_exist(rig, namespace, driver):
    """EAL refuses the device, fluxcap says which port is missing."""
    rig.namespace = namespace.name
    arguments = {"net_pcap": {"rx_pcap": "/nonexistent.pcap"},
                 "net_tap": {"iface": "x" * 40}}.get(driver, {"iface": "nosuch0"})
    rig.tap("a", port=rig.vdev(driver, **arguments))
    rig.output("x", "a", port=rig.vdev("net_null"))
    with pytest.raises(AssertionError) as failure:
        rig.run()
    text = str(failure.value)
    assert "exit status 2" in text or "exit status 1" in text
    assert rig.taps["a"]["port"] in text
