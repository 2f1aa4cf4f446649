#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Other DPDK processes end in every way while fluxcap is busy, and it does not mind.

How often each way is tried comes from FLUXCAP_CAPTURES; see docs/testing.md.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

import frames as fr
import fluxcap
import hugepages

TIMES = int(os.environ.get("FLUXCAP_CAPTURES", "3"))
SENT = fr.numbered(100, 200)
LEFT_BY_KILLED = 157000  # its rte_service_init() takes it; EAL's own, of which nobody knows whose
ENDS = ("INT", "TERM", "HUP", "QUIT", "KILL", "STOP")
KILLING = ("QUIT", "KILL", "STOP")


def heed_signals():
    """A shell that starts these tests in the background has them, and theirs, ignore signals."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class Dumpcap:
    """One that captures a port until it is ended; leaving its block kills it."""

    def __init__(self, prefix, port, path, *words):
        program = shutil.which("dpdk-dumpcap")
        assert program, "dpdk-dumpcap is missing: apt-get install dpdk"
        self.path = path
        self.process = subprocess.Popen(
            [program, f"--file-prefix={prefix}", "-i", port, "-q", "-w", str(path), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=heed_signals)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def wait_captured(self, size=20000):
        """Wait until it has written so many bytes."""
        end = time.monotonic() + fluxcap.RUN_TIMEOUT
        while not self.path.exists() or self.path.stat().st_size < size:
            if self.process.poll() is not None:
                raise AssertionError(f"dumpcap ended: {self.process.stderr.read()}")
            assert time.monotonic() < end, "dumpcap captures nothing"
            time.sleep(fluxcap.POLL)

    def end(self, how):
        """End it; a stopped one dies without ever having gone on."""
        self.process.send_signal(getattr(signal, f"SIG{how}"))
        if how == "STOP":
            time.sleep(0.2)
            self.process.kill()
        return self.process.communicate(timeout=fluxcap.RUN_TIMEOUT)[1]


def frames_of(path, is_torn):
    """What tshark finds in a capture, as bytes."""
    plain = path.with_suffix(".plain")
    done = subprocess.run(["tshark", "-r", path, "-F", "pcap", "-w", plain], capture_output=True,
                          text=True, timeout=60, check=False)
    assert is_torn or done.returncode == 0, done.stderr
    return fr.read_pcap(plain)


@pytest.fixture
def busy(rig, tmp_path):
    """Two workers, one receives and one sends, as fast as they can."""
    with hugepages.mounted(tmp_path / "huge") as folder, hugepages.short_path() as path:
        fr.write_pcap(path, SENT)
        rig.n_lcores, rig.lcores = 3, {"rx": [1], "tx": [2]}
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=path, infinite_rx=1))
        rig.output("x", "a", port=rig.vdev("net_null"))
        rig.output("y", "a", port=rig.vdev("net_null"), truncate=100)
        hugepages.use(rig, folder)
        with rig.start() as one:
            one.wait_sent("x", 100)
            one.folder = folder
            yield one


def ports_of(one):
    """A port, and the longest of its frames."""
    return [(one.rig.taps["a"]["port"], 200), (one.rig.outputs["y"]["port"], 100)]


def in_use(one):
    """Bytes of shared memory that somebody has, in how many pieces."""
    about = one.telemetry("/eal/heap_info,0")
    return about["Alloc_size"], about["Alloc_count"]


def wait_clean(one, before, n_killed=0):
    """What others had is free again but for what EAL has of each killed one, and fluxcap goes on."""
    size, pieces, pages = before
    most = size + n_killed * LEFT_BY_KILLED, pieces + n_killed * 3

    def is_clean():
        now = in_use(one)
        return (now[0] <= most[0] and now[1] <= most[1] and
                hugepages.n_used(one.folder) <= pages + 1 + n_killed * LEFT_BY_KILLED // 2 ** 21)

    one.wait_for(is_clean, f"use of {most} only")
    one.wait_sent("x", one.output("x")["tx_packets"] + 1000)


def first_use(one, tmp_path):
    """What is in use after one was there; what others need of fluxcap stays."""
    with Dumpcap(one.rig.prefix, ports_of(one)[0][0], tmp_path / "warm.pcapng") as dumpcap:
        dumpcap.wait_captured()
        dumpcap.end("INT")
    size = one.wait_for(lambda: settled(one), "end of the first capture")
    return *size, hugepages.n_used(one.folder)


def settled(one):
    """What is in use, when that has not changed for some time."""
    before = in_use(one)
    time.sleep(0.5)
    return before if in_use(one) == before else None


@pytest.mark.parametrize("how", ENDS)
def test_a_capture_that_ends_leaves_nothing_behind(busy, tmp_path, how):
    before = first_use(busy, tmp_path)
    for number in range(TIMES):
        port, longest = ports_of(busy)[number % 2]
        kind = ["-P"] if number % 3 == 2 else []
        with Dumpcap(busy.rig.prefix, port, tmp_path / f"{number}.pcapng", *kind) as dumpcap:
            dumpcap.wait_captured()
            dumpcap.end(how)
        seen = frames_of(dumpcap.path, how in KILLING)
        assert len(seen) > 50
        for frame in seen:
            assert frame == SENT[fr.number_of(frame)][:longest]
        n_killed = number + 1 if how in KILLING else 0
        wait_clean(busy, before, n_killed)


def test_processes_killed_at_any_moment_leave_nothing_but_a_lock(busy, tmp_path):
    """One that is killed while it starts may have EAL's memory locked; then fluxcap says so."""
    before, moments = first_use(busy, tmp_path), random.Random(19)
    for number in range(4 * TIMES):
        with Dumpcap(busy.rig.prefix, ports_of(busy)[0][0], tmp_path / "x") as dumpcap:
            time.sleep(moments.uniform(0, 0.5))
            dumpcap.end("KILL")
        busy.wait_sent("x", busy.output("x")["tx_packets"] + 1000)
    time.sleep(16)
    if "shared memory locked" not in busy.texts()[1]:
        wait_clean(busy, before, 4 * TIMES)


def test_processes_that_die_before_they_are_answered(busy, tmp_path):
    program, before = fluxcap.BUILD / "tests" / "e2e" / "ask_and_die", first_use(busy, tmp_path)
    for number in range(TIMES):
        done = subprocess.run([program, "--proc-type=secondary",
                               f"--file-prefix={busy.rig.prefix}"], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        wait_clean(busy, before, number + 1)


def test_a_process_that_dies_with_the_memory_locked(busy):
    program = fluxcap.BUILD / "tests" / "e2e" / "lock_and_die"
    done = subprocess.run([program, "--proc-type=secondary", f"--file-prefix={busy.rig.prefix}"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    busy.wait_for(lambda: "shared memory locked" in busy.texts()[1], "word of the lock")
    busy.wait_sent("x", busy.output("x")["tx_packets"] + 1000)
    reply = subprocess.run([fluxcap.BUILD / "app" / "fluxcap-ctl", "-f", busy.rig.prefix, "reload"],
                           capture_output=True, text=True, timeout=60, check=False)
    assert reply.returncode != 0
    assert "locked by a process that was killed" in reply.stderr + reply.stdout
    busy.rig.kept_buffers = len(SENT)  # its ports stay open
    assert busy.stop().output("x")["tx_packets"] > 1000


def test_a_capture_goes_on_while_fluxcap_is_stopped_and_ends_meanwhile(busy, tmp_path):
    """Who captures waits five seconds for an answer, and then frees what lcores write into."""
    before = first_use(busy, tmp_path)
    with Dumpcap(busy.rig.prefix, ports_of(busy)[0][0], tmp_path / "x.pcapng") as dumpcap:
        dumpcap.wait_captured()
        busy.process.send_signal(signal.SIGSTOP)
        try:
            dumpcap.end("INT")
        finally:
            busy.process.send_signal(signal.SIGCONT)
    wait_clean(busy, before)


def test_two_captures_of_one_port(busy, tmp_path):
    port = ports_of(busy)[0][0]
    before = first_use(busy, tmp_path)
    with Dumpcap(busy.rig.prefix, port, tmp_path / "first.pcapng") as first:
        first.wait_captured()
        with Dumpcap(busy.rig.prefix, port, tmp_path / "second.pcapng") as second:
            second.process.wait(fluxcap.RUN_TIMEOUT)
            assert second.process.returncode != 0
        assert "another process has one" in busy.texts()[1]
        first.wait_captured(first.path.stat().st_size + 100000)
        first.end("INT")
    wait_clean(busy, before)


def test_a_filter_of_dumpcap_is_refused(busy, tmp_path):
    before = first_use(busy, tmp_path)
    with Dumpcap(busy.rig.prefix, ports_of(busy)[0][0], tmp_path / "x", "-f", "ip") as dumpcap:
        dumpcap.process.wait(fluxcap.RUN_TIMEOUT)
        assert dumpcap.process.returncode != 0
    assert "with a filter, which is refused" in busy.texts()[1]
    wait_clean(busy, before)


def test_proc_info_comes_and_goes(busy, tmp_path):
    program = shutil.which("dpdk-proc-info")
    assert program, "dpdk-proc-info is missing: apt-get install dpdk"
    before, n_killed = first_use(busy, tmp_path), 0
    for number in range(TIMES):
        words = [program, f"--file-prefix={busy.rig.prefix}", "--",
                 ["--stats", "--xstats", "--show-port"][number % 3]]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode != 0:  # DPDK 22.11's --stats and --show-port do not survive net_pcap
            assert done.returncode == -signal.SIGSEGV, done.stdout + done.stderr
            n_killed += 1
        wait_clean(busy, before, n_killed)


@pytest.fixture
def reloading_one(reload_rig, tmp_path):
    """The same, and it can be told to change."""
    rig = reload_rig
    with hugepages.mounted(tmp_path / "huge") as folder, hugepages.short_path() as path:
        fr.write_pcap(path, SENT)
        rig.n_lcores, rig.memory_mb = 3, None
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=path, infinite_rx=1))
        rig.output("x", "a", port=rig.vdev("net_null"))
        rig.output("y", "a", port=rig.late_port("net_null"), truncate=100)
        hugepages.use(rig, folder)
        with rig.start() as one:
            one.wait_sent("y", 100)
            one.folder = folder
            yield one


def captures_more(one, dumpcap):
    """Wait until it has captured something from now on."""
    size = dumpcap.path.stat().st_size
    one.wait_for(lambda: dumpcap.path.stat().st_size > size + 200000, "more of the capture")


def test_a_port_that_is_set_up_anew_is_captured_on(reloading_one, tmp_path):
    one, rig = reloading_one, reloading_one.rig
    before = first_use(one, tmp_path)
    with Dumpcap(rig.prefix, rig.taps["a"]["port"], tmp_path / "x.pcapng") as dumpcap:
        dumpcap.wait_captured()
        for descriptors in (256, 2048, 512):
            rig.ports[rig.taps["a"]["port"]] = {"rx_descriptors": descriptors}
            one.reload()
            captures_more(one, dumpcap)
        dumpcap.end("INT")
    assert all(frame == SENT[fr.number_of(frame)] for frame in frames_of(dumpcap.path, False))
    size, pieces, pages = before
    wait_clean(one, (size + 2 ** 22, pieces + 20, pages + 3))  # pools of another size


def test_a_port_that_goes_and_returns_is_captured_on(reloading_one, tmp_path):
    one, rig = reloading_one, reloading_one.rig
    port, output, late = rig.outputs["y"]["port"], rig.outputs["y"], dict(rig.ports)
    with Dumpcap(rig.prefix, port, tmp_path / "x.pcapng") as dumpcap:
        dumpcap.wait_captured()
        for _ in range(TIMES):
            del rig.outputs["y"], rig.ports[port]
            one.reload()
            one.wait_sent("x", one.output("x")["tx_packets"] + 1000)
            rig.outputs["y"], rig.ports[port] = output, late[port]
            one.reload()
            captures_more(one, dumpcap)
        dumpcap.end("INT")
    assert all(frame == SENT[fr.number_of(frame)][:100]
               for frame in frames_of(dumpcap.path, False))
