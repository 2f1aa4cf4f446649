#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ports to other processes by shared memory: net_memif, and net_vhost with net_virtio_user.

    file -> fluxcap -> net_memif === net_memif -> fluxcap -> file

The other end is another fluxcap.
"""

import os
import signal
import socket
import subprocess
import time

import pytest

import fluxcap
import frames as fr
from test_faults import state_is

TIMEOUT = fluxcap.RUN_TIMEOUT


@pytest.fixture
def two(rigs):
    """A sender and a receiver."""
    made = rigs(), rigs()
    for rig in made:
        rig.lcores = {"idle_us": 100}
        rig.memory_mb = 500
        rig.whole_files = False
    return made


def sockets(rig):
    """One name for both ends, by EAL's prefix: an abstract socket, or a file."""
    return {"abstract": {"socket": f"memif-{rig.prefix}"},
            "file": {"socket": rig.path("memif.sock"), "socket-abstract": "no"}}


def memif(rig, at, role, **arguments):
    return rig.vdev("net_memif", role=role, **at, **arguments)


def sender(rig, sent, port, **keys):
    rig.tap("a", sent)
    rig.output("out", "a", port=port, **keys)


def receiver(rig, port, **keys):
    rig.tap("b", port=port)
    rig.output("file", "b", **keys)


# memif

@pytest.mark.parametrize("bsize", [None, 512, 9216])
@pytest.mark.parametrize("roles", [("server", "client"), ("client", "server")])
def test_memif(two, roles, bsize):
    """What fits into a buffer of the other end arrives, byte for byte, in one segment or several;
    the rest is counted, not sent in pieces of which the driver makes other frames."""
    first, second = two
    at = sockets(first)["abstract"]
    more = {} if bsize is None else {"bsize": bsize}
    sent = fr.corpus(180)
    good = [frame for frame in sent if len(frame) <= (bsize or 2048)]
    first.memory_mb = 700
    sender(first, sent, memif(first, at, roles[0], **more))
    receiver(second, memif(second, at, roles[1], **more))
    second.output("edited", "b", truncate=200, vlan={"push": 7})
    order = (second, first) if roles[0] == "client" else (first, second)
    with order[0].start() as one, order[1].start() as other:
        running = {order[0]: one, order[1]: other}
        running[second].wait_received("b", len(good))
        running[first].wait_for(lambda: (out := running[first].output("out"))["tx_packets"] +
                                out["oversize"] == len(sent), "all sent or lost")
        got = running[second].stop()
        result = running[first].stop()
    assert got.frames("file") == good
    assert result.output("out")["oversize"] == len(sent) - len(good)
    assert got.tap("b")["rx_packets"] == len(good)


@pytest.mark.parametrize("where", ["abstract", "file"])
@pytest.mark.parametrize("optional", [False, True])
def test_a_client_whose_server_is_late(two, tmp_path, where, optional):
    """It starts, its link is down, and what is to be sent waits; then all arrives."""
    first, second = two
    at = sockets(first)[where]
    sent = fr.numbered(500, 200)
    port = memif(first, at, "client")
    first.ports = {port: {"optional": optional}}
    sender(first, sent, port)
    receiver(second, memif(second, at, "server"))
    with first.start() as one:
        state_is(one, "output", "out", "down")
        one.wait_for(lambda: one.output("out")["queued"] == len(sent), "a backlog")
        with second.start() as other:
            state_is(one, "output", "out", "running")
            other.wait_received("b", len(sent))
            got = other.stop()
        one.stop()
    assert got.frames("file") == sent


@pytest.mark.parametrize("where", ["abstract", "file"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_client_whose_server_comes_back(two, rigs, where, how):
    """Also one that was killed and has left its socket behind."""
    first, second = two
    third = rigs()
    third.lcores, third.memory_mb, third.whole_files = {"idle_us": 100}, 500, False
    at = sockets(first)[where]
    sent = fr.numbered(1000, 200)
    fr.write_pcap(first.path("loop.pcap"), sent)
    first.tap("a", port=first.vdev("net_pcap", rx_pcap=first.path("loop.pcap"), infinite_rx=1),
              ring="64k", sample=0.1)
    first.output("out", "a", port=memif(first, at, "client"))
    for rig in (second, third):
        receiver(rig, memif(rig, at, "server"))
    with first.start() as one:
        with second.start() as other:
            state_is(one, "output", "out", "running")
            other.wait_received("b", 1000)
            other.process.send_signal(how)
            other.process.wait(TIMEOUT)
            state_is(one, "output", "out", "down")
            other.result = "not audited"
        with third.start() as again:
            state_is(one, "output", "out", "running")
            again.wait_received("b", 1000)
            got = again.stop()
        one.stop()
    assert set(got.frames("file")) <= set(sent) and len(got.frames("file")) >= 1000
    assert ("nobody listened at this socket any more" in got.stderr) == (
        where == "file" and how == signal.SIGKILL)


def test_a_reload_while_the_server_is_away(two, tmp_path):
    """The port waits on, and is used when its other end has come."""
    first, second = two
    at = sockets(first)["abstract"]
    sent = fr.numbered(300, 200)
    first.short_form = False
    sender(first, sent, memif(first, at, "client"))
    receiver(second, memif(second, at, "server"))
    with first.start() as one:
        state_is(one, "output", "out", "down")
        for _ in range(3):
            one.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
        one.wait_for(lambda: one.telemetry("/fluxcap/info")["last_reload_result"] == "ok", "it")
        assert one.output("out")["tx_packets"] == 0
        with second.start() as other:
            other.wait_received("b", len(sent))
            got = other.stop()
        result = one.stop()
    assert got.frames("file") == sent and "not ready port" not in result.stderr


def test_a_socket_in_use_is_left_alone(two):
    """A server does not take another's socket away, and no file that is none."""
    first, second = two
    at = sockets(first)["file"]
    sender(first, fr.numbered(5), memif(first, at, "server"))
    receiver(second, memif(second, at, "server"))
    with first.start():
        done = subprocess.run(second.command("--exit-when-idle", "100"), capture_output=True,
                              text=True, timeout=TIMEOUT, check=False, cwd=second.folder)
        second.clean()
        assert done.returncode != 0 and "Address already in use" in done.stderr
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(str(at["socket"]))
            # It greets who connects; one that goes before is too much for DPDK 22.11's server.
            assert peer.recv(1000)
    at["socket"].write_text("precious")
    done = subprocess.run(first.command("--exit-when-idle", "100"), capture_output=True,
                          text=True, timeout=TIMEOUT, check=False, cwd=first.folder)
    first.clean()
    assert done.returncode != 0 and at["socket"].read_text() == "precious"


# vhost

def vhost(rig, **arguments):
    return rig.vdev("net_vhost", iface=rig.path("vhost.sock"), **arguments)


def virtio(rig, other, **arguments):
    return rig.vdev("net_virtio_user", path=other.path("vhost.sock"), **arguments)


@pytest.mark.parametrize("edits", [{}, {"vlan": {"push": 9}}])
def test_a_frame_that_a_guest_cannot_take(two, edits):
    """A guest without mergeable buffers: the long frame is given up after a second, counted, and
    the others arrive."""
    first, second = two
    short = fr.numbered(200, 300)
    long = fr.Maker(182).frame(4000)
    sent = [*short[:50], long, *short[50:120], long, long, *short[120:]]
    sender(first, sent, vhost(first), **edits)
    guest = virtio(second, first, mrg_rxbuf=0)
    second.ports = {guest: {"mtu": 1500}}
    receiver(second, guest)
    with first.start() as one, second.start() as other:
        one.wait_for(lambda: (out := one.output("out"))["tx_packets"] + out["tx_refused"] ==
                     len(sent), "all sent or given up")
        other.wait_received("b", len(short))
        got = other.stop()
        result = one.stop()
    frames = got.frames("file")
    assert [frame[-286:] for frame in frames] == [frame[-286:] for frame in short]
    assert result.output("out")["tx_refused"] == 3
    assert result.output("out")["tx_packets"] == len(short)


def test_a_guest_that_goes_and_returns(two, rigs):
    """net_vhost listens: its link is down without a guest, and up with the next one."""
    first, second = two
    sent = fr.numbered(400, 300)
    sender(first, sent, vhost(first))
    third = rigs()
    third.memory_mb, third.whole_files = 500, False
    for rig in (second, third):
        receiver(rig, virtio(rig, first))
    with first.start() as one:
        state_is(one, "output", "out", "down")
        with second.start() as other:
            state_is(one, "output", "out", "running")
            other.wait_received("b", len(sent))
            got = other.stop()
        state_is(one, "output", "out", "down")
        with third.start() as other:
            state_is(one, "output", "out", "running")
            other.stop()
        one.stop()
    assert got.frames("file") == sent


def test_a_vhost_socket_that_was_left_behind(two, rigs):
    first, second = two
    sent = fr.numbered(100, 300)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(first.path("vhost.sock")))
        left.listen()
    sender(first, sent, vhost(first))
    receiver(second, virtio(second, first))
    with first.start() as one, second.start() as other:
        other.wait_received("b", len(sent))
        got = other.stop()
        assert "nobody listened at this socket any more" in one.stop().stderr
    assert got.frames("file") == sent
