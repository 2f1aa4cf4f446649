#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ports are plugged and unplugged by reloads, and restarted for settings that need it.

Whether a port has been let go of is said by the kernel: its sockets, its interfaces, how often an
interface has been made promiscuous.
"""

import re
from pathlib import Path

import pytest

import frames as fr
import model
import test_reload_refused as refused
from reloading import WIDE, Sender, changed, numbers, send_through, shrunken, wire_tap
from test_memory import resident_kib

N = 100
MANY = 100  # reloads, in which what leaks adds up


def packet_sockets(running):
    """How many packet sockets of the namespace belong to the fluxcap: (interface index, inode)."""
    folder = Path(f"/proc/{running.process.pid}")
    mine = set()
    for one in (folder / "fd").iterdir():
        match = re.fullmatch(r"socket:\[(\d+)\]", str(one.readlink()) if one.is_symlink() else "")
        if match:
            mine.add(match[1])
    rows = [line.split() for line in (folder / "net" / "packet").read_text().splitlines()[1:]]
    return sorted((int(row[4]), row[8]) for row in rows if row[8] in mine)


def sockets_on(running, namespace, interface):
    index = int(namespace.execute("cat", f"/sys/class/net/{interface}/ifindex"))
    return [inode for at, inode in packet_sockets(running) if at == index]


def promiscuity(namespace, interface):
    shown = namespace.execute("ip", "-d", "link", "show", interface)
    return int(re.search(r"promiscuity (\d+)", shown)[1])


def interfaces(namespace):
    return set(namespace.execute("ls", "/sys/class/net").split())


def holdings(running):
    """What a leak would add to."""
    running.wait_quiet()
    heap = running.telemetry("/eal/heap_info,0")
    return {"pools": running.pools(), "ports": len(running.port_ids()),
            "files": running.file_descriptors(),
            "heap": {key: heap[key] for key in ("Alloc_count", "Alloc_size")}}


# Late ports: name, devargs of the tap's port and of the output's.
def late_pcap(rig, _namespace):
    fr.write_pcap(rig.path("late.in.pcap"), fr.numbered(N, src=2))
    return rig.late_port("net_pcap", rx_pcap=rig.path("late.in.pcap")), rig.late_file()[0]


def late_ring(rig, _namespace):
    name = rig.late_port("net_ring")
    rig.ports[name] = {"devargs": ""}
    return name, name


def late_af_packet(rig, namespace):
    if "late0" not in interfaces(namespace):
        namespace.veth("late0", "late1")
    return (rig.late_port("net_af_packet", iface="late0"),
            rig.late_port("net_af_packet", iface="late1"))


def late_tap(rig, _namespace):
    return rig.late_port("net_tap", iface="late0"), rig.late_port("net_tap", iface="late1")


LATE = [late_pcap, late_ring, late_af_packet, late_tap]


@pytest.mark.parametrize("late", LATE, ids=lambda one: one.__name__)
def test_ports_by_devargs_come_and_go(reload_rig, namespace, late):
    """Ten times; in the end everything is as it was after the first time."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        with rig.start() as running:
            sender.send(N)
            running.wait_sent("x", N)
            begin, seen = holdings(running), None
            source, sink = late(rig, namespace)
            end = rig.late_file()[0]
            ports = dict(rig.ports)
            for number in range(1, 11):
                rig.ports = dict(ports)
                rig.taps["late"] = {"port": source, "ring": "1m"}
                rig.outputs["late"] = {"port": sink, "from": ["a"], "vlan": {"push": 5}}
                rig.outputs["end"] = {"port": end, "from": ["late"]}
                running.reload()
                for one in interfaces(namespace) & {"late0", "late1"}:
                    namespace.up(one)
                assert {source, sink} <= {running.telemetry(f"/ethdev/info,{one}")["name"]
                                          for one in running.port_ids()}
                count = sender.send(N)
                running.wait_sent("x", count)
                running.wait_feed("a", "late", N)
                del rig.taps["late"], rig.outputs["late"], rig.outputs["end"]
                rig.ports = {}
                running.reload()
                assert running.feed("a", "x")["tx_packets"] == count == (number + 1) * N
                # A pool goes some moments after its last user.
                running.wait_for(lambda: running.pools() == begin["pools"], "end of the pools")
                now = holdings(running)
                assert now["ports"] == begin["ports"]
                assert seen is None or now == seen, f"round {number}"
                seen = now
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(11 * N))


def test_net_af_xdp_comes_once(reload_rig, namespace):
    """DPDK 22.11 does not close its socket: a second time on the same interface is refused, and
    hinders nobody."""
    rig = reload_rig
    rig.kept_buffers = 4096
    namespace.veth("late0", "late1")
    fr.write_pcap(rig.path("b.pcap"), fr.numbered(N, src=2))
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        with rig.start() as running:
            port = rig.late_port("net_af_xdp", iface="late0")
            rig.taps["late"] = {"port": port, "ring": "1m"}
            rig.outputs["x"]["from"] = ["a", "late"]
            running.reload()
            namespace.play("late1", rig.path("b.pcap"))
            running.wait_feed("late", "x", N)
            devargs = rig.ports.pop(port)
            late = rig.taps.pop("late")
            rig.outputs["x"]["from"] = ["a"]
            running.reload()
            count = sender.send(N)
            running.wait_feed("a", "x", count)
            rig.ports[port], rig.taps["late"] = devargs, late
            rig.outputs["x"]["from"] = ["a", "late"]
            answer = running.reload(ok=False)
            assert any(port in one for one in answer["findings"])
            rig.ports, rig.outputs["x"]["from"] = {}, ["a"]
            del rig.taps["late"]
            running.wait_feed("a", "x", sender.send(N))
            running.stop()
    got = fr.read_pcap(rig.written[rig.outputs["x"]["port"]])
    assert numbers([one for one in got if fr.source_of(one) == 1]) == list(range(2 * N))
    assert [one for one in got if fr.source_of(one) == 2] == fr.numbered(N, src=2)


@pytest.mark.parametrize("change", [{"ring": "16m"}, {"mtu": 1400}], ids=["ring", "mtu"])
def test_net_af_xdp_cannot_be_restarted(reload_rig, namespace, change):
    """What would need it is refused before anything happens to the port."""
    rig = reload_rig
    rig.kept_buffers = 4096
    rig.namespace = namespace.name
    namespace.veth("in0", "in1")
    with Sender(namespace, "in0") as sender:
        port = rig.vdev("net_af_xdp", iface="in1")
        rig.tap("a", port=port, ring="1m")
        rig.output("x", "a")
        with rig.start() as running:
            running.wait_sent("x", sender.send(N))
            if "ring" in change:
                rig.taps["a"] |= change
            else:
                rig.ports[port] = change
            answer = running.reload(ok=False)
            assert any("net_af_xdp" in one or "taps.a" in one for one in answer["findings"])
            running.wait_sent("x", sender.send(N))
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(2 * N))


def test_a_late_capture_is_played_and_written(reload_rig, namespace):
    """Each time it is plugged, from its begin; each time it is unplugged its file is complete."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        played = fr.corpus(21)
        fr.write_pcap(rig.path("played.pcap"), played)
        with rig.start() as running:
            source = rig.late_port("net_pcap", rx_pcap=rig.path("played.pcap"))
            sink, path = rig.late_file()
            ports = dict(rig.ports)
            for number in range(3):
                rig.ports = dict(ports) if number == 0 else {}  # EAL knows the arguments now
                rig.taps["late"] = {"port": source, "ring": "8m"}
                rig.outputs["late"] = {"port": sink, "from": ["late"], "truncate": 500 + number}
                running.reload()
                running.wait_sent("late", len(played))
                del rig.taps["late"], rig.outputs["late"]
                rig.ports = {}
                running.reload()
                assert fr.read_pcap(path) == [frame[:500 + number] for frame in played]
            running.wait_sent("x", sender.send(N))
            running.stop()


def test_a_late_interface_is_let_go(reload_rig, namespace, tmp_path):
    """The kernel has no socket of it on the interface any more, and can delete it."""
    rig = reload_rig
    namespace.veth("late0", "late1")
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        with rig.start() as running:
            port = rig.late_port("net_af_packet", iface="late0")
            ports = dict(rig.ports)
            for number in range(3):
                rig.ports = dict(ports)
                rig.taps["late"] = {"port": port, "ring": "1m"}
                rig.outputs["late"] = {"port": port, "from": ["a"]}
                rig.outputs["x"]["from"] = ["a", "late"]
                with namespace.listen("late1", tmp_path / f"seen{number}.pcap") as listener:
                    running.reload()
                    assert sockets_on(running, namespace, "late0")
                    assert promiscuity(namespace, "late0") > 0
                    send_through(sender, N, running, "late", listener)
                del rig.taps["late"], rig.outputs["late"]
                rig.ports, rig.outputs["x"]["from"] = {}, ["a"]
                running.reload()
                assert not sockets_on(running, namespace, "late0")
                assert promiscuity(namespace, "late0") == 0
            namespace.delete_link("late0")
            running.wait_feed("a", "x", sender.send(N))
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(4 * N))


def test_a_tap_interface_comes_and_goes(reload_rig, namespace, tmp_path):
    """net_tap makes a kernel interface when it is plugged, and it goes with the port."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        with rig.start() as running:
            sink = rig.late_port("net_tap", iface="fctap7")
            ports = dict(rig.ports)
            for number in range(2):
                rig.ports = dict(ports)
                rig.outputs["late"] = {"port": sink, "from": ["a"]}
                running.reload()
                assert "fctap7" in interfaces(namespace)
                namespace.up("fctap7")
                with namespace.listen("fctap7", tmp_path / f"seen{number}.pcap") as listener:
                    send_through(sender, N, running, "late", listener)
                del rig.outputs["late"], rig.ports[sink]
                running.reload()
                assert "fctap7" not in interfaces(namespace)
            running.wait_sent("x", sender.send(N))
            running.stop()


def test_a_vdev_of_the_command_line_waits_for_its_use(reload_rig, namespace, tmp_path):
    """It is there from the start; once used and given up it is unplugged, and comes back."""
    rig = reload_rig
    namespace.veth("late0", "late1")
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        sink = rig.vdev("net_af_packet", iface="late0")
        with rig.start() as running:
            n_ports = len(running.port_ids())
            for number in range(3):
                rig.outputs["late"] = {"port": sink, "from": ["a"]}
                with namespace.listen("late1", tmp_path / f"seen{number}.pcap") as listener:
                    running.reload()
                    assert len(running.port_ids()) == n_ports
                    send_through(sender, N, running, "late", listener)
                del rig.outputs["late"]
                running.reload()
                assert len(running.port_ids()) == n_ports - 1
            running.stop()


def test_a_shared_port_stays_until_its_last_user_goes(reload_rig, namespace, tmp_path):
    """A tap and two outputs on one port go one after the other."""
    rig = reload_rig
    namespace.veth("wire0", "wire1")
    with wire_tap(rig, namespace) as sender:
        port = rig.vdev("net_af_packet", iface="wire0")
        rig.tap("b", port=port)
        rig.output("one", "a", port=port)
        rig.output("two", "a", port=port, vlan={"push": 2})
        rig.output("x", "a", "b")
        fr.write_pcap(tmp_path / "b.pcap", fr.numbered(N, src=2))
        with namespace.listen("wire1", tmp_path / "seen.pcap") as listener, rig.start() as running:
            sender.send(N)
            running.wait_sent("two", N)
            del rig.outputs["one"]
            running.reload()
            sender.send(N)
            running.wait_sent("two", 2 * N)
            del rig.outputs["two"]
            running.reload()
            namespace.play("wire1", tmp_path / "b.pcap")
            running.wait_received("b", N)
            assert sockets_on(running, namespace, "wire0")
            rig.outputs["x"]["from"] = ["a"]
            del rig.taps["b"]
            running.reload()
            assert not sockets_on(running, namespace, "wire0")
            running.wait_sent("x", sender.send(N))
            listener.wait_frames(3 * N)
            seen = listener.frames()
            running.stop()
    plain = [frame for frame in seen if len(frame) == 64]
    tagged = [model.pop_tag(frame) for frame in seen if len(frame) == 68]
    assert numbers(plain) == list(range(N)) and numbers(tagged) == list(range(2 * N))


@pytest.mark.parametrize("turn", ["tap to output", "output to tap"])
def test_a_port_changes_sides(reload_rig, namespace, tmp_path, turn):
    rig = reload_rig
    namespace.veth("wire0", "wire1")
    fr.write_pcap(tmp_path / "b.pcap", fr.numbered(N, src=2))
    with wire_tap(rig, namespace) as sender:
        port = rig.vdev("net_af_packet", iface="wire0")
        rig.output("x", "a")
        sink = rig.pcap_port(written=True)
        as_tap = {"taps": rig.taps | {"b": {"port": port, "ring": "1m"}},
                  "outputs": rig.outputs | {"y": {"port": sink, "from": ["b"]}}}
        as_output = {"taps": rig.taps, "outputs": rig.outputs | {
            "y": {"port": port, "from": ["a"]}}}
        first, second = (as_tap, as_output)[::1 if turn == "tap to output" else -1]

        def check(running, now):
            count = sender.send(N)
            if now is as_tap:
                namespace.play("wire1", tmp_path / "b.pcap")
                running.wait_received("b", N)
            running.wait_sent("x", count)
            running.wait_sent("y", N)
        rig.taps, rig.outputs = first["taps"], first["outputs"]
        with namespace.listen("wire1", tmp_path / "seen.pcap") as listener, rig.start() as running:
            check(running, first)
            rig.taps, rig.outputs = second["taps"], second["outputs"]
            running.reload()
            check(running, second)
            seen = listener.wait_frames(N)
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(2 * N))
    assert fr.read_pcap(rig.written[sink]) == fr.numbered(N, src=2)
    start = N if turn == "tap to output" else 0
    assert numbers(seen) == list(range(start, start + N))


SETTINGS = {"mtu": {"mtu": 1400}, "rx_descriptors": {"rx_descriptors": 512},
            "tx_descriptors": {"tx_descriptors": 2048},
            "both": {"mtu": 1450, "rx_descriptors": 256}}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings_that_restart_a_port(reload_rig, namespace, tmp_path, settings):
    """There and back. What is for it waits meanwhile, and the other tap's frames all arrive."""
    rig = reload_rig
    namespace.veth("wire0", "wire1")
    fr.write_pcap(tmp_path / "b.pcap", fr.numbered(N, src=2))
    with wire_tap(rig, namespace, ring="16m") as sender:
        port = rig.vdev("net_af_packet", iface="wire0", **WIDE)
        # While it is plugged net_af_packet hears other interfaces too (docs/architecture.md).
        rig.tap("b", port=port, filter="ether src 02:00:00:00:00:02")
        rig.output("wire", "a", port=port)
        rig.output("file", "a")
        rig.output("of-b", "b")
        with namespace.listen("wire1", tmp_path / "seen.pcap") as listener, rig.start() as running:
            sender.begin()
            running.wait_received("a", N)
            for number, now in enumerate((settings, {}, settings), 1):
                before = running.counters()
                rig.ports = {port: now} if now else {}
                assert running.reload()["changes"] > 0
                after = running.counters()
                assert not shrunken(before, after, rig.same())
                running.wait_for(lambda: running.tap("b")["state"] == "running", "the port")
                running.wait_received("a", running.tap("a")["rx_packets"] + N)
                namespace.play("wire1", tmp_path / "b.pcap")
                running.wait_sent("of-b", number * N)
            if "mtu" in settings:
                shown = namespace.execute("cat", "/sys/class/net/wire0/mtu").strip()
                assert shown == str(settings["mtu"])
            count = sender.stop()
            running.wait_sent("file", count)
            running.wait_sent("wire", count)
            listener.wait_frames(count)
            result = running.stop()
    assert numbers(result.frames("file")) == list(range(count))
    assert numbers([one for one in listener.frames()]) == list(range(count))
    assert result.frames("of-b") == 3 * fr.numbered(N, src=2)
    assert result.tap("a")["rx_missed"] == 0 and result.feed("a", "wire")["overrun"] == 0


def test_other_rx_queues_and_the_counters_go_on(reload_rig):
    """The tap, its feeds and their counters go on, with more queues and with fewer, under load."""
    rig = reload_rig
    rig.n_lcores = 2
    port = rig.vdev("net_null")
    rig.tap("a", port=port)
    rig.output("plain", "a", port=rig.vdev("net_null"))
    rig.output("edited", "a", port=rig.vdev("net_null"), vlan={"push": 7})
    rig.ports = {port: {"rx_queues": 2}}
    with rig.start() as running:
        for queues in (1, 4, 3, 1, 2):
            running.wait_received("a", running.tap("a")["rx_packets"] + N)
            before = running.counters()
            rig.ports = {port: {"rx_queues": queues}}
            running.reload()
            after = running.counters()
            assert not shrunken(before, after, rig.same())
            for name in ("plain", "edited"):
                running.wait_feed("a", name, after["feed", ("a", name)]["tx_packets"] + N)
        running.stop()


def test_as_many_reloads_as_one_likes(reload_rig, namespace):
    """Files, memory of EAL and of the process, ports and pools do not grow with their number."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        with rig.start() as running:
            fr.write_pcap(rig.path("late.pcap"), fr.numbered(N, src=2))
            source = rig.late_port("net_pcap", rx_pcap=rig.path("late.pcap"))
            # net_null would not do: of DPDK 22.11 it never frees what its queues have.
            sink, third = rig.late_file()[0], rig.late_port("net_ring")
            ports, x, begin = dict(rig.ports), dict(rig.outputs["x"]), running.pools()

            def some(number):
                """One round: a tap, an output in a tunnel and filters come and go."""
                rig.ports = dict(ports)
                rig.taps["late"] = {"port": source, "ring": "1m", "filter": "not ip6"}
                rig.outputs["late"] = {"port": sink, "from": ["a", "late"], "sample": 50}
                rig.outputs["more"] = {"port": third, "from": ["late"], "encap": refused.ENCAP}
                rig.outputs["x"] = x | {"truncate": 64 + number % 3, "filter": "len > 60"}
                running.reload()
                running.wait_sent("x", sender.send(10))
                del rig.taps["late"], rig.outputs["late"], rig.outputs["more"]
                rig.ports, rig.outputs["x"] = {}, dict(x)
                running.reload()

            def wrong():
                """One that is refused, after it has begun."""
                rig.path("config.json").write_text('{"taps": {"a": {"port": "net_null99", '
                                                   '"ring": "64g"}}, "outputs": {}}')
                running.reload_file(ok=False)

            for number in range(10):
                some(number)
                wrong()
            running.wait_for(lambda: running.pools() == begin, "end of the pools")
            before, resident = holdings(running), resident_kib(running.process.pid)
            for number in range(MANY // 2):
                some(number)
                wrong()
            running.wait_for(lambda: running.pools() == before["pools"], "end of the pools")
            assert holdings(running) == before
            assert resident_kib(running.process.pid) - resident < 2048
            result = running.stop()
    assert numbers(result.frames("x")) == list(range(sender.n_sent))


def test_an_output_moves_round_all_ports(reload_rig, namespace):
    """Each port is unplugged when it is left; every frame is in one of the files."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        ports = [rig.pcap_port(written=True) for _ in range(6)]
        first = rig.outputs["x"]["port"]
        with rig.start() as running:
            sender.send(N)
            running.wait_sent("x", N)
            for port in ports:
                rig.outputs["x"] = changed(rig.outputs["x"], port=port)
                running.reload()
                sender.send(N)
                running.wait_sent("x", N)
            running.stop()
    got = [numbers(fr.read_pcap(rig.written[port])) for port in [first, *ports]]
    assert got == [list(range(at * N, (at + 1) * N)) for at in range(7)]
