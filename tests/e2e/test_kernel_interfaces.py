#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What net_af_packet does not say of its interface: cut frames, frames that the kernel does not
send, frames of the host itself, tags that change.

    tcpreplay -> in0 === in1 -> fluxcap -> out0 === out1 -> tcpdump

What arrives at the far end is judged by tcpdump, what the interfaces are by ip and ethtool.
"""

import re
import time

import pytest

import frames as fr
from reloading import Sender

LARGEST = 1981  # bytes of a frame that a buffer of 2048 bytes holds


def plain(length):
    return fr.numbered(1, length)[0]


def tagged(length, tpid):
    return fr.ether(bytes(length - 18), fr.ETHERTYPE_LOCAL, [fr.tag(5, tpid=tpid)])


def wire(rig, namespace, mtu=1500, arguments=None, **keys):
    """A tap and an output on kernel interfaces, and a file with what the tap has forwarded."""
    namespace.veth("in0", "in1", mtu)
    namespace.veth("out0", "out1", mtu)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.whole_files = False
    rig.tap("a", port=rig.vdev("net_af_packet", iface="in1", **(arguments or {})))
    rig.output("wire", "a", port=rig.vdev("net_af_packet", iface="out0", **(arguments or {})),
               **keys)
    rig.output("file", "a")


def play(namespace, tmp_path, frames):
    path = tmp_path / "play.pcap"
    fr.write_pcap(path, frames)
    namespace.play("in0", path)


def warnings(running_or_result, word):
    text = running_or_result.texts()[1] if hasattr(running_or_result, "texts") else \
        running_or_result.stderr
    return [line for line in text.splitlines() if "warning" in line and word in line]


# Frames that are longer than a buffer

def test_cut_frames_are_not_forwarded(rig, namespace, tmp_path):
    """They are malformed; a frame that fills its buffer may have been cut."""
    lengths = [60, 1514, LARGEST - 1, LARGEST, LARGEST + 1, LARGEST + 2, 2034, 2048, 9000, 9014]
    sent = [plain(length) for length in lengths]
    good = [frame for frame in sent if len(frame) <= LARGEST]
    wire(rig, namespace, 9000)
    with rig.start() as running:
        play(namespace, tmp_path, sent)
        running.wait_received("a", len(sent))
        result = running.stop()
    assert result.frames("file") == good
    tap = result.tap("a")
    assert tap["malformed"] == tap["malformed_cut"] == len(sent) - len(good)
    told = warnings(result, "in1 may bring frames of up to 9022 bytes (its MTU is 9000)")
    assert len(told) == 1 and f"buffers hold {LARGEST}:" in told[0]


@pytest.mark.parametrize("mtu, given", [
    (9000, {}), (9000, {"framecnt": 256, "qdisc_bypass": 0}),
    (2000, {"framesz": 2048, "blocksz": 4096}), (4000, {"qpairs": 2})])
def test_the_warning_helps(rigs, namespace, tmp_path, mtu, given):
    """With the --vdev that it names frames of the whole MTU pass, with two tags as well."""
    first = rigs()
    wire(first, namespace, mtu, given)
    with first.start() as running:
        running.wait_for(lambda: warnings(running, "What helps: --vdev"), "a warning")
        told = warnings(running.stop(), "What helps: --vdev")
    assert len(told) == 1
    name, arguments = re.search(r"--vdev (\w+),(\S+)$", told[0]).groups()
    assert name == first.taps["a"]["port"]
    kept = dict(one.split("=") for one in arguments.split(","))
    assert kept.items() >= {key: str(value) for key, value in given.items()
                            if key not in ("framesz", "blocksz")}.items()

    rig = rigs()
    rig.namespace, rig.lcores = namespace.name, {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_af_packet", **kept))
    rig.output("file", "a")
    sent = [plain(mtu + 14), tagged(mtu + 18, 0x8100), plain(60)] * 3
    with rig.start() as running:
        play(namespace, tmp_path, sent)
        running.wait_received("a", len(sent))
        result = running.stop()
    assert sorted(result.frames("file")) == sorted(sent)
    assert result.tap("a")["malformed"] == 0 and not warnings(result, "may bring")


def test_an_mtu_that_grows(rig, namespace, tmp_path):
    """It is told when it happens, once, and again after it was small."""
    wire(rig, namespace)
    with rig.start() as running:
        play(namespace, tmp_path, [plain(1514)])
        running.wait_received("a", 1)
        assert not warnings(running, "may bring")
        for n in (1, 2):
            for interface in ("in0", "in1"):
                namespace.execute("ip", "link", "set", interface, "mtu", 9000)
            running.wait_for(lambda: len(warnings(running, "may bring")) == n, "a warning")
            play(namespace, tmp_path, [plain(9014), plain(100)])
            running.wait_received("a", 1 + 2 * n)
            for interface in ("in0", "in1"):
                namespace.execute("ip", "link", "set", interface, "mtu", 1500)
            time.sleep(0.5)  # until it has been seen
        result = running.stop()
    assert result.frames("file") == [plain(1514), plain(100), plain(100)]
    assert result.tap("a")["malformed_cut"] == 2


def test_an_interface_that_joins_packets(rig, namespace):
    """GRO, as the kernel has it unless it is told otherwise."""
    wire(rig, namespace)
    namespace.execute("ethtool", "-K", "in1", "gro", "on")
    with rig.start() as running:
        running.wait_for(lambda: warnings(running, "ethtool -K in1 gro off"), "a warning")
        namespace.execute("ethtool", "-K", "in1", "gro", "off", "lro", "off")
        time.sleep(0.5)
        namespace.execute("ethtool", "-K", "in1", "gro", "on")
        running.wait_for(lambda: len(warnings(running, "ethtool -K in1 gro off")) == 2, "another")
        result = running.stop()
    assert len(warnings(result, "joins packets")) == 2
    assert not warnings(result, "port net_af_packet1: in1"), "an output has nothing to be told"


def test_every_socket_is_read(rig, namespace, tmp_path):
    """With qpairs the kernel spreads flows over so many sockets."""
    wire(rig, namespace, arguments={"qpairs": 4})
    maker = fr.Maker(170, fragments=False)
    sent = [maker.frame(200, kind=maker._udp4) for _ in range(300)]
    with rig.start() as running:
        play(namespace, tmp_path, sent)
        running.wait_received("a", len(sent))
        result = running.stop()
    assert sorted(result.frames("file")) == sorted(sent)


# Frames that the kernel does not send

TOO_LONG = [(1515, None), (1516, None), (1518, None), (1518, 0x88A8), (1516, 0x88A8),
            (1518, 0x9100), (1519, 0x8100), (1522, 0x88A8), (1600, 0x8100), (1900, None)]
JUST_FITS = [(1514, None), (1518, 0x8100), (1515, 0x8100), (1514, 0x88A8), (1514, 0x9100)]


def test_frames_that_the_kernel_refuses(rig, namespace, tmp_path):
    """What is counted as sent arrives, and nothing else does."""
    frames = {which: [plain(length) if tpid is None else tagged(length, tpid)
                      for length, tpid in which] for which in map(tuple, (TOO_LONG, JUST_FITS))}
    bad, good = frames.values()
    sent = [frame for pair in zip(bad, good * 2) for frame in pair]
    namespace.veth("out0", "out1")
    rig.namespace = namespace.name
    rig.tap("a", sent)
    rig.output("wire", "a", port=rig.vdev("net_af_packet", iface="out0"))
    with namespace.listen("out1", tmp_path / "seen.pcap") as listener:
        with rig.start() as running:
            running.wait_for(lambda: running.output("wire")["forwarded"] == len(sent) and
                             running.output("wire")["queued"] == 0, "all sent or lost")
            result = running.stop()
        seen = listener.wait_frames(len(good) * 2)
        time.sleep(0.3)
        seen = listener.frames()
    assert seen == good * 2
    assert result.output("wire")["tx_packets"] == len(good) * 2
    assert result.output("wire")["oversize"] == len(bad)


def test_an_mtu_that_shrinks(rig, namespace, tmp_path):
    """The limit follows the interface, both ways, and a reload is not needed."""
    wire(rig, namespace)

    def set_mtu(mtu):
        namespace.execute("ip", "link", "set", "out0", "mtu", mtu)

    def until(counter):
        """One frame at a time, until it is seen."""
        before = running.output("wire")[counter]
        while running.output("wire")[counter] == before:
            n = sender.send(1)
            running.wait_for(lambda: running.output("wire")["forwarded"] == n, "a decision")

    with namespace.listen("out1", tmp_path / "seen.pcap") as listener, \
            Sender(namespace, "in0", 1200) as sender, rig.start() as running:
        n = sender.send(20)
        running.wait_sent("wire", n)
        listener.wait_frames(n)
        for _ in range(2):
            set_mtu(1000)
            until("oversize")
            sent, lost = (running.output("wire")[key] for key in ("tx_packets", "oversize"))
            arrived = len(listener.frames())
            sender.send(100)
            running.wait_for(lambda: running.output("wire")["oversize"] == lost + 100, "losses")
            assert running.output("wire")["tx_packets"] == sent
            assert len(listener.frames()) == arrived
            set_mtu(1500)
            until("tx_packets")
            n, arrived = running.output("wire")["tx_packets"], len(listener.frames())
            sender.send(100)
            running.wait_sent("wire", n + 100)
            listener.wait_frames(arrived + 100)
        running.stop()


def test_a_reload_after_the_mtu_has_changed(reload_rig, namespace, tmp_path):
    """The port is not set up anew, and its tunnel goes by what the interface can carry now."""
    rig = reload_rig
    wire(rig, namespace, encap={"type": "gretap", "local": "192.0.2.1/24", "remote": "192.0.2.2",
                                "mac": "02:00:00:00:00:09", "oversize": "fragment"})
    with namespace.listen("out1", tmp_path / "seen.pcap", expression="ip proto 47") as listener, \
            Sender(namespace, "in0", 1300) as sender, rig.start() as running:
        sender.send(10)
        running.wait_sent("wire", 10)
        assert {len(frame) for frame in listener.wait_frames(10)} == {1300 + 38}
        namespace.execute("ip", "link", "set", "out0", "mtu", 1000)
        rig.outputs["file"]["truncate"] = 100
        time.sleep(0.5)
        answer = running.reload()
        assert not any("stopped and started" in one for one in answer["findings"]), answer
        sender.send(10)
        running.wait_sent("wire", 20)
        seen = listener.wait_frames(30)
        assert len(seen) == 30 and max(map(len, seen[10:])) <= 1014
        rig.restless.add(rig.outputs["wire"]["port"])
        result = running.stop()
    assert result.output("wire")["oversize"] == 0


# What the host sends itself

@pytest.mark.parametrize("bypass", [0, 1])
def test_what_the_host_sends_is_not_taken(rig, namespace, tmp_path, bypass):
    """Neither while the tap is being opened nor later; what comes in is."""
    wire(rig, namespace, arguments={"qdisc_bypass": bypass})
    own = Sender(namespace, "in1", 100)
    with own:
        own.begin()
        with rig.start() as running:
            play(namespace, tmp_path, fr.numbered(50, 300))
            running.wait_received("a", 50)
            assert own.stop() > 100
            result = running.stop()
    assert result.frames("file") == fr.numbered(50, 300)
    assert result.tap("a")["rx_packets"] == 50


def test_an_output_on_its_taps_port(rig, namespace, tmp_path):
    """What fluxcap sends by the interface comes from the host, too."""
    wire(rig, namespace, arguments={"qdisc_bypass": 0})
    rig.output("back", "a", port=rig.taps["a"]["port"])
    with rig.start() as running:
        play(namespace, tmp_path, fr.numbered(50, 300))
        running.wait_sent("back", 50)
        time.sleep(0.3)
        result = running.stop()
    assert result.tap("a")["rx_packets"] == 50


def test_loopback(rig, namespace):
    """Every frame passes it twice, out and in."""
    namespace.up("lo")
    rig.namespace, rig.lcores = namespace.name, {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_af_packet", iface="lo"))
    rig.output("file", "a")
    with Sender(namespace, "lo", 120) as sender, rig.start() as running:
        n = sender.send(60)
        running.wait_received("a", n)
        time.sleep(0.3)
        result = running.stop()
    assert result.frames("file") == fr.numbered(60, 120)
    assert warnings(result, "ip link set lo mtu 9000"), "65,536 bytes are more than any buffer has"


def test_another_interfaces_frames(rig, namespace, tmp_path):
    """The driver's socket takes from all interfaces until it is bound: none of that is a tap's."""
    wire(rig, namespace)
    namespace.veth("else0", "else1")
    with Sender(namespace, "else0", 100) as other:
        other.begin()
        for _ in range(3):
            with rig.start() as running:
                assert running.tap("a")["rx_packets"] == 0
                result = running.stop()
            assert result.tap("a")["rx_packets"] == 0
        other.stop()


# Tags

def test_a_tag_that_changes_is_told_once(rig, namespace, tmp_path):
    wire(rig, namespace)
    namespace.veth("more0", "more1")
    rig.tap("b", port=rig.vdev("net_af_packet", iface="more1"))
    rig.outputs["file"]["from"].append("b")
    sent = [tagged(100, 0x88A8), tagged(100, 0x8100), tagged(100, 0x9100)]
    with rig.start() as running:
        play(namespace, tmp_path, sent)
        running.wait_received("a", len(sent))
        result = running.stop()
    assert len(warnings(result, "0x88a8 arrives as one of 0x8100")) == 1
    assert result.frames("file") == [sent[1], sent[1], sent[2]], "it is as the warning says"


def test_no_tap_no_word_of_tags(rig, namespace):
    namespace.veth("out0", "out1")
    rig.namespace = namespace.name
    rig.tap("a", fr.numbered(5))
    rig.output("x", "a", port=rig.vdev("net_af_packet", iface="out0"))
    assert "warning" not in rig.run().stderr
