#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What goes wrong around a running fluxcap: it is seen in telemetry, and the rest goes on.

Stalled outputs are in test_stall.py, killed fluxcaps in test_killed.py, NICs that are pulled out in
tests/vfio.
"""

import json
import random
import socket
import subprocess
import threading
import time

import pytest

import fluxcap
import frames as fr
import model
from fluxcap import RUN_TIMEOUT, RUNTIME
from netns import TIMEOUT
from test_ports import wire_corpus

MAX_CLIENTS = 10  # of DPDK's telemetry


def state_is(running, kind, name, state):
    asked = {"tap": running.tap, "output": running.output}[kind]
    return running.wait_for(lambda: (found := asked(name))["state"] == state and found,
                            f"{kind} {name} that is {state}")


def carrier_losses(namespace, interface):
    """How often the link went down, as the kernel counts it."""
    return int(namespace.execute("cat", f"/sys/class/net/{interface}/carrier_down_count"))


# Links

@pytest.mark.parametrize("driver", ["net_af_packet", "net_af_xdp"])
def test_a_link_that_flaps(rig, namespace, tmp_path, driver):
    """The kernel's count of carrier losses is fluxcap's count of flaps."""
    sent = wire_corpus(90)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    namespace.veth("in0", "in1")
    namespace.veth("out0", "out1")
    rig.namespace = namespace.name
    rig.kept_buffers = 4096 if driver == "net_af_xdp" else 0
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev(driver, iface="in1"))
    rig.output("wire", "a", port=rig.vdev(driver, iface="out0"))
    rig.output("file", "a")
    with rig.start() as running:
        before = carrier_losses(namespace, "in1")
        for kind, name in (("tap", "a"), ("output", "wire"), ("output", "file")):
            found = state_is(running, kind, name, "running")
            assert (found["link"], found["flaps"]) == ("up", 0)
        for _ in range(4):
            namespace.down("in0")
            assert state_is(running, "tap", "a", "down")["link"] == "down"
            namespace.up("in0")
            assert state_is(running, "tap", "a", "running")["link"] == "up"
        assert running.tap("a")["flaps"] == carrier_losses(namespace, "in1") - before == 4
        # The other end of an output's cable.
        namespace.down("out1")
        state_is(running, "output", "wire", "down")
        namespace.up("out1")
        state_is(running, "output", "wire", "running")
        assert running.output("wire")["flaps"] == 1 and running.output("file")["flaps"] == 0
        namespace.play("in0", tmp_path / "sent.pcap")
        running.wait_received("a", len(sent))
        result = running.stop()
    assert not model.first_difference(result.frames("file"), sent)
    assert result.tap("a")["flaps"] == 4 and result.tap("a")["state"] == "running"
    assert result.output("wire")["flaps"] == 1
    # The first change is told at once, and those that follow within a second together.
    told = [line for line in result.stderr.splitlines()
            if f"port {rig.taps['a']['port']}" in line and "the link is" in line]
    assert "the link is down" in told[0] and "warning" in told[0]
    # What it is for is said as well.
    assert f"port {rig.taps['a']['port']} (tap a): " in told[0]
    assert f"port {rig.outputs['wire']['port']} (output wire): warning: " in result.stderr
    assert len(told) < 8


def test_last_change(rig, namespace):
    """Seconds since the link changed, by the clock of this test: they begin anew with it."""
    namespace.veth("in0", "in1")
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 500}
    rig.tap("a", port=rig.vdev("net_af_packet", iface="in1"))
    rig.output("x", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        running.wait_for(lambda: running.tap("a")["last_change"] >= 2, "two seconds")
        namespace.down("in0")
        begin = time.monotonic()
        found = state_is(running, "tap", "a", "down")
        assert found["last_change"] <= time.monotonic() - begin
        assert running.output("x")["last_change"] >= 2
        running.wait_for(lambda: running.tap("a")["last_change"] >= 1, "a second")
        assert time.monotonic() - begin >= 1
        running.stop()


def test_a_net_tap_interface_goes_down_and_up(rig, namespace, tmp_path):
    sent = wire_corpus(91)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_tap", iface="fctap0"))
    rig.output("file", "a")
    with rig.start() as running:
        namespace.up("fctap0")
        state_is(running, "tap", "a", "running")
        before = running.tap("a")
        namespace.down("fctap0")
        state_is(running, "tap", "a", "down")
        namespace.up("fctap0")
        state_is(running, "tap", "a", "running")
        assert running.tap("a")["flaps"] == before["flaps"] + 1
        namespace.play("fctap0", tmp_path / "sent.pcap")
        running.wait_received("a", before["rx_packets"] + len(sent))
        result = running.stop()
    assert not model.first_difference(result.frames("file")[-len(sent):], sent)


# Ports that disappear, or were never there

@pytest.mark.parametrize("n_lcores", [1, 3])
@pytest.mark.parametrize("driver", ["net_af_packet", "net_af_xdp"])
def test_an_interface_is_taken_away(rig, namespace, tmp_path, driver, n_lcores):
    """Its tap and its outputs are gone, and the port is closed; all else goes on, byte for byte."""
    namespace.veth("in0", "in1")
    namespace.veth("gone0", "gone1")
    first, second = wire_corpus(92, src=1), wire_corpus(93, src=2)
    for name, frames in (("first", first), ("second", second)):
        fr.write_pcap(tmp_path / f"{name}.pcap", frames)
    rig.namespace = namespace.name
    rig.kept_buffers = 4096 if driver == "net_af_xdp" else 0
    rig.n_lcores = n_lcores
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_af_packet", iface="in1"))
    gone = rig.vdev(driver, iface="gone1")
    rig.tap("b", port=gone)
    rig.output("gone", "a", port=gone)
    rig.output("cut", "a", port=gone, truncate=60)
    rig.output("file", "a", "b")
    with rig.start() as running:
        n_ports = len(running.telemetry("/ethdev/list"))
        with namespace.listen("gone0", tmp_path / "seen.pcap") as listener:
            namespace.play("in0", tmp_path / "first.pcap")
            running.wait_sent("gone", len(first))
            running.wait_sent("cut", len(first))
            listener.wait_frames(2 * len(first))
            namespace.delete_link("gone0")
        assert state_is(running, "tap", "b", "gone")["link"] == "gone"
        for name in ("gone", "cut"):
            assert state_is(running, "output", name, "gone")["flaps"] == 0
        running.wait_for(lambda: len(running.telemetry("/ethdev/list")) == n_ports - 1,
                         "a port that is closed")
        namespace.play("in0", tmp_path / "second.pcap")
        running.wait_received("a", len(first) + len(second))
        running.wait_sent("file", len(first) + len(second))
        for name in ("gone", "cut"):
            running.wait_for(lambda: running.feed("a", name)["overrun"] == len(second), "overrun")
        assert running.tap("a")["state"] == running.output("file")["state"] == "running"
        result = running.stop()
    assert not model.first_difference(result.frames("file"), first + second)
    assert result.output("gone")["tx_packets"] == len(first)
    assert result.tap("b")["state"] == result.output("cut")["state"] == "gone"
    told = [line for line in result.stderr.splitlines() if "disappeared" in line]
    assert len(told) == 1 and gone in told[0]


def test_an_optional_port_that_is_absent(rig):
    sent = fr.corpus(94)
    rig.ports = {"net_af_packet77": {"optional": True}, "0000:ff:1f.7": {"optional": True}}
    rig.tap("a", sent)
    rig.tap("away", port="net_af_packet77")
    rig.output("file", "a", "away")
    rig.output("nic", "a", port="0000:ff:1f.7", vlan={"push": 7})
    rig.output("vdev", "a", port="net_af_packet77")
    with rig.start() as running:
        running.wait_sent("file", len(sent))
        assert running.tap("away")["state"] == "absent" and running.tap("away")["link"] == "gone"
        for name in ("nic", "vdev"):
            found = running.output(name)
            assert (found["state"], found["link"], found["flaps"]) == ("absent", "gone", 0)
            assert found["overrun"] == found["forwarded"] == len(sent) and found["queued"] == 0
        assert running.tap("a")["state"] == running.output("file")["state"] == "running"
        result = running.stop()
    assert not model.first_difference(result.frames("file"), sent)
    assert result.tap("away")["rx_packets"] == 0 and result.tap("away")["state"] == "absent"
    for name in rig.ports:
        told = [line for line in result.stderr.splitlines() if f"ports.{name}:" in line]
        assert len(told) == 1 and "warning" in told[0] and "optional" in told[0]


def test_an_optional_port_that_is_there(rig):
    rig.tap("a", fr.corpus(95))
    port = rig.output("file", "a")
    rig.ports = {port: {"optional": True}}
    result = rig.run()
    fluxcap.assert_sent(result, "file")
    assert result.output("file")["state"] == "running" and "optional" not in result.stderr


def test_a_port_that_is_not_optional_must_be_there(rig):
    rig.tap("a", fr.corpus(96))
    rig.output("x", "a", port="net_af_packet77")
    rig.ports = {"net_af_packet77": {"optional": False}}
    with pytest.raises(AssertionError, match="exit status 2"):
        rig.run()


# The statistics file

OLD = '{"old": true}\n'


def write_stats(rig, prepare, path):
    """Run fluxcap in a mount namespace of its own with a folder that `prepare` has made; what is in
    the folder then: {name: text}, and the run."""
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    folder = rig.path("mounted")
    folder.mkdir()
    script = f"""set -eu
cd "$1"
shift
mount -t tmpfs -o size=8k tmpfs .
cd "$PWD"
{prepare}
status=0
"$@" >&2 || status=$?
for name in *; do
    printf '%s\\0' "$name"
    [ ! -f "$name" ] || cat "$name"
    printf '\\0'
done
exit $status
"""
    command = rig.command("--exit-when-idle", "200")
    command[command.index("--stats-on-exit") + 1] = str(folder / path)
    try:
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(folder), *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=RUN_TIMEOUT, check=False)
    finally:
        rig.clean()
    words = done.stdout.split("\0")
    return dict(zip(words[::2], words[1::2])), done


def test_a_full_disk_leaves_the_old_statistics(rig):
    found, done = write_stats(rig, f"echo '{OLD.strip()}' >stats.json\n"
                                   "yes >fill 2>/dev/null || true", "stats.json")
    assert done.returncode == 1
    assert set(found) == {"stats.json", "fill"} and found["stats.json"] == OLD
    assert "stats.json: cannot write the statistics: No space left on device" in done.stderr


def test_a_full_disk_leaves_no_half_statistics(rig):
    found, done = write_stats(rig, "yes >fill 2>/dev/null || true", "stats.json")
    assert done.returncode == 1 and set(found) == {"fill"}
    assert "No space left on device" in done.stderr


def test_a_device_that_takes_nothing(rig):
    found, done = write_stats(rig, "ln -s /dev/full full", "full")
    assert done.returncode == 1 and "No space left on device" in done.stderr
    assert found == {"full": ""}, "a link to a device stays one"


def test_statistics_to_a_device(rig):
    found, done = write_stats(rig, "ln -s /dev/stderr err", "err")
    assert done.returncode == 0 and '"taps"' in done.stderr
    assert set(found) == {"err"}


def test_statistics_replace_the_old_ones(rig):
    """Of a link the file behind it, with its mode; a leftover of one that was killed goes."""
    found, done = write_stats(rig, "echo old >real\nchmod 600 real\nln -s real stats.json\n"
                              "echo half >real.new", "stats.json")
    assert done.returncode == 0, done.stderr
    assert set(found) == {"real", "stats.json"} and found["real"] == found["stats.json"]
    assert json.loads(found["real"])["taps"]["a"]["rx_packets"] == 10


@pytest.mark.parametrize("prepare", [
    # a folder in which nothing can be made, and a file that is a mount point
    "mkdir /dev/shm/$$ && echo old >/dev/shm/$$/s && : >stats.json\n"
    "mount --bind /dev/shm/$$/s stats.json\nrm -r /dev/shm/$$\nmount -o remount,ro .",
    "mkdir /dev/shm/$$ && echo old >/dev/shm/$$/s && : >stats.json\n"
    "mount --bind /dev/shm/$$/s stats.json\nrm -r /dev/shm/$$"])
def test_a_file_that_cannot_be_replaced_is_written(rig, prepare):
    found, done = write_stats(rig, prepare, "stats.json")
    assert done.returncode == 0, done.stderr
    assert set(found) == {"stats.json"}
    assert json.loads(found["stats.json"])["taps"]["a"]["rx_packets"] == 10


# Telemetry's clients

@pytest.fixture
def flowing(rig):
    """A fluxcap that sends without end."""
    rig.n_lcores = 2
    rig.lcores = {"idle_us": 50}
    fr.write_pcap(rig.path("loop.pcap"), fr.numbered(100))
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=rig.path("loop.pcap"), infinite_rx=1))
    rig.output("x", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        yield running


def goes_on(running):
    """Packets are sent, and a client that asks gets answers."""
    sent = running.output("x")["tx_packets"]
    running.wait_sent("x", sent + 10000)


def connect(running):
    """A client that has not read the greeting yet; it waits for its turn to be accepted."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(RUNTIME / running.rig.prefix / "dpdk_telemetry.v2"))
    client.settimeout(TIMEOUT)
    return client


def is_served(running):
    with connect(running) as client:
        try:
            return client.recv(1024) != b""
        except ConnectionResetError:
            return False


def test_clients_that_hang(flowing):
    """They keep their places, and no more; when they go others are served."""
    hanging = []
    try:
        for _ in range(MAX_CLIENTS - 1):  # one is the test's own
            hanging.append(connect(flowing))
            assert hanging[-1].recv(1024)
        for client in hanging[::2]:
            client.send(b"/fluxcap/tap,a")  # and does not read the answer
        flowing.wait_for(lambda: not is_served(flowing), "refusal of one client more")
        goes_on(flowing)
    finally:
        for client in hanging:
            client.close()
    flowing.wait_for(lambda: is_served(flowing), "a free place")
    goes_on(flowing)
    assert flowing.stop().status == 0


def test_clients_that_flood(flowing):
    """Some ask without reading until their sockets are full, some ask and read without pause."""
    stop = threading.Event()
    answers = []

    def deaf():
        with connect(flowing) as client:
            client.recv(1024)
            client.setblocking(False)
            while not stop.is_set():
                try:
                    client.send(b"/fluxcap/output,x")
                except BlockingIOError:
                    stop.wait(0.01)

    def greedy():
        with connect(flowing) as client:
            size, n = json.loads(client.recv(1024))["max_output_len"], 0
            while not stop.is_set():
                client.send(b"/fluxcap/tap,a")
                assert json.loads(client.recv(size))["/fluxcap/tap"]["port"]
                n += 1
            answers.append(n)

    threads = [threading.Thread(target=one) for one in (deaf, deaf, deaf, greedy, greedy)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            goes_on(flowing)
        assert is_served(flowing)
    finally:
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT)
    assert len(answers) == 2 and min(answers) > 0
    assert flowing.stop().status == 0


def test_clients_that_talk_nonsense(flowing):
    choose = random.Random(97)
    with connect(flowing) as client:
        size = json.loads(client.recv(1024))["max_output_len"]
        for length in (1, 2, 55, 56, 57, 1000, 1023, 1024, 5000):
            for first in (b"/", b"/fluxcap/tap,", b"/fluxcap/feed,a,", b"\0", b",,,"):
                client.send((first + choose.randbytes(length))[:max(length, 1)])
                assert client.recv(size)
    goes_on(flowing)
    assert flowing.stop().status == 0


def test_clients_that_go_at_once(flowing):
    """Those that are gone before they were greeted keep no place."""
    for _ in range(500):
        connect(flowing).close()
    goes_on(flowing)
    flowing.wait_for(lambda: is_served(flowing), "a free place")
    assert flowing.stop().status == 0


# Buffers

def test_a_pool_that_is_exhausted(rig):
    """A ring between an output and a tap lets packets wait outside of their own tap's bound. Their
    tap then gets no buffers, which is counted; another tap notices nothing."""
    count, sent = 20000, fr.corpus(89)
    rig.lcores = {"idle_us": 100}
    loop = rig.vdev("net_ring")
    rig.tap("a", fr.numbered(count), ring="64k")
    rig.tap("b", port=loop, ring="64m")
    rig.tap("c", sent)
    rig.output("loop", "a", port=loop)
    rig.output("stuck", "b", port=rig.vdev("net_ring"))
    rig.output("fine", "c")
    with rig.start() as running:
        running.wait_read("a", count)
        running.wait_sent("fine", len(sent))
        tap = running.wait_for(lambda: (tap := running.tap("a"))["rx_nombuf"] and tap,
                               "a lack of buffers")
        assert tap["rx_packets"] + tap["rx_nombuf"] == count
        assert running.tap("c")["rx_nombuf"] == 0
        result = running.stop()
    assert not model.first_difference(result.frames("fine"), sent)
    assert result.tap("a")["rx_nombuf"] > 0
    assert result.tap("a")["pool_free"] == result.tap("a")["pool_size"]
