#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap is killed at any time, and the next one with the same file prefix starts and works."""

import os
import random
import signal
import subprocess

import pytest

import fluxcap
import frames as fr
import model
from fluxcap import RUN_TIMEOUT
from netns import TIMEOUT
from test_faults import state_is
from test_ports import wire_corpus

HUGE_PAGES = 80  # that a fluxcap takes here


def free_huge_pages():
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        words = dict(line.split(":", 1) for line in meminfo)
    return int(words["HugePages_Free"]) if words["Hugepagesize"].split() == ["2048", "kB"] else 0


def mount_of_huge_pages():
    with open("/proc/mounts", encoding="ascii") as mounts:
        return next((line.split()[1] for line in mounts if line.split()[2] == "hugetlbfs"), None)


def huge_files(mounted, prefix):
    return [os.path.join(mounted, name) for name in os.listdir(mounted)
            if name.startswith(prefix + "map_")]


def with_huge_pages(command):
    """The same with hugepages instead of anonymous memory."""
    command = [word for word in command if word != "--no-huge"]
    command[command.index("-m") + 1] = str(2 * HUGE_PAGES)
    return command


def kill_at(command, moment_s, folder):
    """Start it and kill it so long afterwards, whatever it is doing then."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=folder)
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    assert process.wait(TIMEOUT) == -signal.SIGKILL


@pytest.mark.parametrize("huge", [False, True])
def test_killed_at_any_time_and_started_again(rig, huge):
    """With the same file prefix; nothing that a killed one left is in the way of the next."""
    mounted = mount_of_huge_pages()
    if huge and (mounted is None or free_huge_pages() < 2 * HUGE_PAGES):
        pytest.skip(f"{2 * HUGE_PAGES} hugepages of 2 MiB and a mounted hugetlbfs are needed")
    choose = random.Random(98)
    sent = fr.corpus(98)
    rig.tap("a", sent, ring="4m")
    rig.output("x", "a")
    rig.output("y", "a", truncate=100)
    rig.lcores = {"idle_us": 500}
    command = with_huge_pages(rig.command()) if huge else rig.command()
    try:
        for _ in range(8):
            kill_at(command, choose.uniform(0, 1.5), rig.folder)
        running = fluxcap.Running(rig, command, signal.SIGTERM)
        with running:
            running.wait_sent("x", len(sent))
            running.wait_sent("y", len(sent))
            result = running.stop()
        fluxcap.assert_sent(result, "x", "y")
        if huge:
            # EAL keeps the files of the last run for the next one, and those of no other.
            assert len(huge_files(mounted, rig.prefix)) <= HUGE_PAGES
    finally:
        for path in huge_files(mounted, rig.prefix) if huge else ():
            os.unlink(path)


@pytest.mark.parametrize("driver", ["net_af_packet", "net_af_xdp", "net_tap"])
def test_killed_on_a_kernel_interface(rig, namespace, tmp_path, driver):
    """Its interface is usable again at once."""
    sent = wire_corpus(99)
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    rig.namespace = namespace.name
    rig.kept_buffers = 4096 if driver == "net_af_xdp" else 0
    rig.lcores = {"idle_us": 50}
    source, interface = ("in0", "in1") if driver != "net_tap" else ("fctap0", "fctap0")
    if driver != "net_tap":
        namespace.veth(source, interface)
    rig.tap("a", port=rig.vdev(driver, iface=interface))
    rig.output("file", "a")
    for _ in range(2):
        running = fluxcap.Running(rig, rig.command(), signal.SIGTERM)
        try:
            running.wait_ready()
        finally:
            running.process.kill()
            running.process.wait()
            running._close_telemetry()
    with rig.start() as running:
        namespace.up(source)
        state_is(running, "tap", "a", "running")
        before = running.tap("a")["rx_packets"]
        namespace.play(source, tmp_path / "sent.pcap")
        running.wait_received("a", before + len(sent))
        result = running.stop()
    assert not model.first_difference(result.frames("file")[-len(sent):], sent)


def test_two_at_once_do_not_share_a_prefix(rig):
    """The second one is refused, and does the first no harm."""
    rig.lcores = {"idle_us": 500}
    rig.tap("a", fr.numbered(100))
    rig.output("x", "a")
    command = rig.command()
    with rig.start() as running:
        running.wait_sent("x", 100)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=RUN_TIMEOUT, cwd=rig.folder, check=False)
        assert done.returncode in (1, 2)
        assert running.tap("a")["rx_packets"] == 100
        assert running.stop().status == 0
