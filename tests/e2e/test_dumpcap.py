#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""dpdk-dumpcap looks at the ports of a running fluxcap.

It is a second DPDK process, so it needs shared memory, and that is huge pages.
"""

import shutil
import subprocess
import time

import pytest

import frames as fr
import hugepages


@pytest.fixture
def huge_folder(tmp_path):
    with hugepages.mounted(tmp_path / "huge") as folder:
        yield folder


@pytest.fixture
def short_path():
    with hugepages.short_path() as path:
        yield path


@pytest.fixture(params=[1, 2], ids=["1-lcore", "2-lcores"])
def running(request, rig, huge_folder, short_path):
    """A fluxcap that receives the same hundred frames again and again."""
    fr.write_pcap(short_path, fr.numbered(100, 200))
    rig.n_lcores = request.param
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=short_path, infinite_rx=1))
    rig.output("x", "a", port=rig.vdev("net_null"))
    rig.output("y", "a", port=rig.vdev("net_null"), vlan={"push": 77}, truncate=64)
    rig.lcores = {"idle_us": 100}
    hugepages.use(rig, huge_folder)
    with rig.start() as one:
        one.wait_sent("x", 100)
        yield one


def dumpcap(prefix, *words):
    program = shutil.which("dpdk-dumpcap")
    assert program, "dpdk-dumpcap is missing: apt-get install dpdk"
    return subprocess.run([program, f"--file-prefix={prefix}", *map(str, words)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90,
                          check=False)


def test_dumpcap_captures_what_a_tap_receives(running, tmp_path):
    port = running.rig.taps["a"]["port"]
    done = dumpcap(running.rig.prefix, "-i", port, "-P", "-c", 200, "-w", tmp_path / "seen.pcap")
    assert done.returncode == 0, done.stderr
    seen = [frame for _, _, frame in fr.read_pcap_records(tmp_path / "seen.pcap")]
    assert len(seen) >= 200
    sent = fr.numbered(100, 200)
    assert all(frame == sent[fr.number_of(frame)] for frame in seen)
    running.wait_sent("x", running.output("x")["tx_packets"] + 1000)


def test_dumpcap_captures_what_an_output_sends(running, tmp_path):
    port = running.rig.outputs["y"]["port"]
    done = dumpcap(running.rig.prefix, "-i", port, "-P", "-c", 200, "-w", tmp_path / "seen.pcap")
    assert done.returncode == 0, done.stderr
    seen = [frame for _, _, frame in fr.read_pcap_records(tmp_path / "seen.pcap")]
    # net_null is a port that receives as well, but nobody polls it here
    tagged = [frame for frame in seen if frame[12:16] == bytes.fromhex("8100004d")]
    assert len(tagged) == len(seen) >= 200
    assert {len(frame) for frame in tagged} == {64}
    sent = fr.numbered(100, 200)
    for frame in tagged:
        plain = frame[:12] + frame[16:]
        assert plain == sent[fr.number_of(plain)][:60]


def test_dumpcap_lists_the_ports(running):
    """And takes no link down: a process that attaches sets what net_pcap calls its link so."""
    done = dumpcap(running.rig.prefix, "-D")
    assert done.returncode == 0, done.stderr
    time.sleep(0.3)  # until the ports have been looked at
    found = [running.tap("a"), running.output("x"), running.output("y")]
    assert [(one["link"], one["flaps"]) for one in found] == [("up", 0)] * 3
    for name in ([running.rig.taps["a"]["port"]] +
                 [output["port"] for output in running.rig.outputs.values()]):
        assert name in done.stdout
