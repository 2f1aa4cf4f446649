#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ports that were gone or never there are taken when they are there, without a reload.

The kernel's interfaces are made and deleted below a running fluxcap; NICs are in tests/vfio.
"""

import pytest

import frames as fr
from reloading import numbers, send_through, shrunken, wire_tap
from test_faults import state_is
from test_reload_ports import sockets_on

N = 100


def feed_of(folder, name, src=2):
    path = folder / f"{name}.pcap"
    fr.write_pcap(path, fr.numbered(N, src=src))
    return path


@pytest.mark.parametrize("n_lcores", [1, 3])
@pytest.mark.parametrize("driver", ["net_af_packet", "net_af_xdp"])
def test_an_interface_that_returns(reload_rig, namespace, tmp_path, driver, n_lcores):
    """Three times; its tap receives and its outputs send again, and all counters go on."""
    rig = reload_rig
    rig.n_lcores = n_lcores
    rig.kept_buffers = 4096 if driver == "net_af_xdp" else 0
    played = feed_of(tmp_path, "b")
    namespace.veth("gone0", "gone1")
    with wire_tap(rig, namespace) as sender:
        port = rig.vdev(driver, iface="gone1")
        rig.tap("b", port=port)
        rig.output("wire", "a", port=port)
        rig.output("file", "a")
        rig.output("of-b", "b")
        overrun = 0
        with rig.start() as running:
            for number in range(4):
                with namespace.listen("gone0", tmp_path / f"seen{number}.pcap") as listener:
                    send_through(sender, N, running, "wire", listener, number * N)
                namespace.play("gone0", played)
                running.wait_sent("of-b", (number + 1) * N)
                if number == 3:
                    break
                running.wait_quiet()
                before = running.counters()
                namespace.delete_link("gone0")
                state_is(running, "tap", "b", "gone")
                sender.send(N)
                overrun += N
                running.wait_for(lambda: running.feed("a", "wire")["overrun"] == overrun, "overrun")
                namespace.veth("gone0", "gone1")
                assert state_is(running, "tap", "b", "running")["link"] == "up"
                state_is(running, "output", "wire", "running")
                assert not shrunken(before, running.counters(), rig.same())
            result = running.stop()
    assert numbers(result.frames("file")) == list(range(sender.n_sent))
    assert result.frames("of-b") == 4 * fr.numbered(N, src=2)
    assert result.feed("a", "wire")["tx_packets"] == 4 * N
    told = [line for line in result.stderr.splitlines() if port in line]
    assert sum("disappeared" in line for line in told) == 3


def test_an_optional_interface_that_appears(reload_rig, namespace, tmp_path):
    """It was not there at the start: it is taken when it is made."""
    rig = reload_rig
    played = feed_of(tmp_path, "b")
    with wire_tap(rig, namespace) as sender:
        port = rig.late_port("net_af_packet", iface="late1")
        rig.ports[port]["optional"] = True
        rig.tap("b", port=port)
        rig.output("wire", "a", port=port)
        rig.output("file", "a", "b")
        with rig.start() as running:
            sender.send(N)
            running.wait_sent("file", N)
            assert running.tap("b")["state"] == running.output("wire")["state"] == "absent"
            namespace.veth("late0", "late1")
            state_is(running, "tap", "b", "running")
            with namespace.listen("late0", tmp_path / "seen.pcap") as listener:
                sender.send(N)
                running.wait_sent("wire", N)
                assert numbers(listener.wait_frames(N)) == list(range(N, 2 * N))
            namespace.play("late0", played)
            running.wait_feed("b", "file", N)
            result = running.stop()
    assert result.feed("a", "wire")["overrun"] == N
    assert result.tap("b")["state"] == "running" and result.tap("b")["rx_packets"] == N


def test_an_optional_interface_is_added_before_it_is_there(reload_rig, namespace, tmp_path):
    """By a reload, with a warning; without `optional` that reload is refused."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("file", "a")
        with rig.start() as running:
            file = dict(rig.outputs)
            port = rig.late_port("net_af_packet", iface="late1")
            rig.outputs = file | {"wire": {"port": port, "from": ["a"]}}
            answer = running.reload(ok=False)
            assert any(port in one for one in answer["findings"])
            rig.ports[port]["optional"] = True
            answer = running.reload()
            assert any(port in one and one.startswith("warning: ")
                       for one in answer["findings"]), answer
            assert running.output("wire")["state"] == "absent"
            sender.send(N)
            running.wait_for(lambda: running.feed("a", "wire")["overrun"] == N, "overrun")
            namespace.veth("late0", "late1")
            state_is(running, "output", "wire", "running")
            with namespace.listen("late0", tmp_path / "seen.pcap") as listener:
                sender.send(N)
                running.wait_sent("wire", N)
                assert numbers(listener.wait_frames(N)) == list(range(N, 2 * N))
            result = running.stop()
    assert numbers(result.frames("file")) == list(range(2 * N))


def test_reloads_around_a_port_that_is_gone(reload_rig, namespace, tmp_path):
    """Others can be changed meanwhile, and it can be taken out of the configuration."""
    rig = reload_rig
    namespace.veth("gone0", "gone1")
    with wire_tap(rig, namespace) as sender:
        port = rig.vdev("net_af_packet", iface="gone1")
        rig.output("wire", "a", port=port)
        rig.output("file", "a")
        null = rig.vdev("net_null")
        with rig.start() as running:
            sender.send(N)
            running.wait_sent("wire", N)
            namespace.delete_link("gone0")
            state_is(running, "output", "wire", "gone")
            rig.outputs["beside"] = {"port": null, "from": ["a"]}
            running.reload()
            assert running.output("wire")["state"] == "gone"
            sender.send(N)
            running.wait_sent("beside", N)
            running.wait_for(lambda: running.feed("a", "wire")["overrun"] == N, "overrun")
            rig.outputs["wire"]["vlan"] = {"push": 9}
            running.reload()
            # It returns with what it was told while it was away.
            namespace.veth("gone0", "gone1")
            state_is(running, "output", "wire", "running")
            with namespace.listen("gone0", tmp_path / "seen.pcap") as listener:
                sender.send(N)
                running.wait_sent("wire", 2 * N)
                seen = listener.wait_frames(N)
            assert [len(frame) for frame in seen] == [68] * N
            assert {frame[12:16].hex() for frame in seen} == {"81000009"}
            # Gone and taken out: it does not come back by itself.
            namespace.delete_link("gone0")
            state_is(running, "output", "wire", "gone")
            wire = rig.outputs.pop("wire")
            running.reload()
            namespace.veth("gone0", "gone1")
            sender.send(N)
            running.wait_sent("beside", 3 * N)
            assert running.telemetry("/fluxcap/output,wire") is None
            assert not sockets_on(running, namespace, "gone1")
            # And put in again it is there at once.
            rig.outputs["wire"] = wire
            running.reload()
            assert running.output("wire")["state"] == "running"
            running.wait_sent("file", sender.send(N))
            running.wait_sent("wire", N)
            result = running.stop()
    assert numbers(result.frames("file")) == list(range(5 * N))


def test_an_interface_that_comes_and_goes_often(reload_rig, namespace):
    """Also while nobody waits for it to be taken: nobody else notices."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("wire", "a", port=rig.vdev("net_af_packet", iface="gone1"))
        rig.output("file", "a")
        namespace.veth("gone0", "gone1")
        with rig.start() as running:
            sender.begin()
            for _ in range(15):
                namespace.delete_link("gone0")
                running.wait_received("a", running.tap("a")["rx_packets"] + 200)
                namespace.veth("gone0", "gone1")
                running.wait_received("a", running.tap("a")["rx_packets"] + 200)
            state_is(running, "output", "wire", "running")
            sent = running.output("wire")["tx_packets"]
            running.wait_sent("wire", sent + 100)
            count = sender.stop()
            running.wait_sent("file", count)
            result = running.stop()
    assert numbers(result.frames("file")) == list(range(count))
    assert result.tap("a")["rx_missed"] == 0


@pytest.fixture
def torrent(reload_rig, namespace):
    """A tap whose queue is never empty, to an output that can vanish and to one that stays.

    With two workers the one that may vanish is not on the lcore that has least to do without it.
    """
    rig = reload_rig
    rig.n_lcores, rig.namespace, rig.lcores = 3, namespace.name, {}
    namespace.veth("gone0", "gone1")
    rig.tap("a", port=rig.vdev("net_null"))
    rig.output("wire", "a", port=rig.vdev("net_af_packet", iface="gone1"))
    rig.output("null", "a", port=rig.vdev("net_null"))
    return rig


def vanish_and_return(running, namespace, *objects):
    """Its interface is deleted and made again, while packets flow the whole time."""
    namespace.delete_link("gone0")
    for kind, name in objects:
        state_is(running, kind, name, "gone")
    namespace.veth("gone0", "gone1")
    for kind, name in objects:
        state_is(running, kind, name, "running")
    sent = running.output("null")["tx_packets"]
    running.wait_sent("null", sent + 10000)


def test_an_output_returns_under_load(torrent, namespace):
    with torrent.start() as running:
        lcores = running.lcores_of(torrent.outputs["wire"]["port"])
        for _ in range(3):
            sent = running.output("wire")["tx_packets"]
            running.wait_sent("wire", sent + 100)
            vanish_and_return(running, namespace, ("output", "wire"))
            assert running.lcores_of(torrent.outputs["wire"]["port"]) == lcores
        result = running.stop()
    assert result.feed("a", "wire")["overrun"] > 0


def test_an_output_returns_after_a_reload_under_load(torrent, namespace):
    """Somebody reloads while it is gone, to something else and back."""
    spare = torrent.vdev("net_null")
    with torrent.start() as running:
        for _ in range(3):
            namespace.delete_link("gone0")
            state_is(running, "output", "wire", "gone")
            torrent.outputs["more"] = {"port": spare, "from": ["a"], "vlan": {"push": 5}}
            running.reload()
            namespace.veth("gone0", "gone1")
            state_is(running, "output", "wire", "running")
            del torrent.outputs["more"]
            running.reload()
            sent = running.output("wire")["tx_packets"]
            running.wait_sent("wire", sent + 100)
        running.stop()


def test_a_tap_returns_under_load(torrent, namespace):
    torrent.outputs["null"]["from"] = ["a", "b"]
    torrent.tap("b", port=torrent.outputs["wire"]["port"])
    with torrent.start() as running:
        for _ in range(3):
            vanish_and_return(running, namespace, ("output", "wire"), ("tap", "b"))
            received = running.tap("b")["rx_packets"]
            namespace.execute("/usr/bin/python3", "-c", SEND_ONE)
            running.wait_received("b", received + 1)
        running.stop()


SEND_ONE = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("gone0", 0))
s.send(bytes(60))
"""


@pytest.mark.parametrize("queues", [(2, 1), (1, 2)])
def test_a_tap_returns_with_other_queues(reload_rig, namespace, queues):
    """It is polled by its old plan until the new one is in force: it must wait for that."""
    rig = reload_rig
    rig.namespace, rig.n_lcores = namespace.name, 2
    namespace.veth("gone0", "gone1")
    port = rig.vdev("net_af_packet", iface="gone1", qpairs=max(queues))
    rig.tap("a", port=rig.vdev("net_null"))
    rig.tap("b", port=port)
    rig.output("null", "a", "b", port=rig.vdev("net_null"))
    rig.ports[port] = {"rx_queues": queues[0]}
    with rig.start() as running:
        for n_queues in (queues[1], queues[0], queues[1]):
            namespace.delete_link("gone0")
            state_is(running, "tap", "b", "gone")
            rig.ports[port] = {"rx_queues": n_queues}
            namespace.veth("gone0", "gone1")
            running.reload()
            state_is(running, "tap", "b", "running")
            received = running.tap("b")["rx_packets"]
            namespace.execute("/usr/bin/python3", "-c", SEND_ONE)
            running.wait_received("b", received + 1)
        running.stop()
