#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap as a service: what it tells systemd, and its unit."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import textwrap
import time

import pytest

import fifo
import frames as fr
from fluxcap import BINARY, BUILD, REPOSITORY, RUN_TIMEOUT, Running

WATCHDOG_MS = 400
HANG = 60  # seconds
PCAP_HEADER = 24  # bytes
CONFIG = REPOSITORY / "config"
CREDENTIALS = struct.Struct("3i")


class Listener:
    """The end of systemd: a socket, and whom its datagrams come from."""

    def __init__(self, folder):
        self.name = f"{folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(RUN_TIMEOUT)
        self.socket.bind(self.name)

    def receive(self):
        """The process that said something, and what: a dict."""
        data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
        ((_, kind, credentials),) = ancillary
        assert kind == socket.SCM_CREDENTIALS
        said = dict(line.split("=", 1) for line in data.decode().splitlines())
        return CREDENTIALS.unpack(credentials[:CREDENTIALS.size])[0], said

    def rest(self):
        """All that has been said and not been received."""
        said = []
        self.socket.settimeout(0)
        try:
            while True:
                said.append(self.receive()[1])
        except BlockingIOError:
            return said
        finally:
            self.socket.settimeout(RUN_TIMEOUT)

    def close(self):
        self.socket.close()


@pytest.fixture
def listener(monkeypatch):
    """What a fluxcap that is started from now on has for systemd."""
    with tempfile.TemporaryDirectory(prefix="fc-e2e-") as folder:  # its path is short enough
        made = Listener(folder)
        monkeypatch.setenv("NOTIFY_SOCKET", made.name)
        monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_MS * 1000))
        yield made
        made.close()


# What it tells


def launcher(rig):
    """The command by which the unit starts it."""
    arguments = rig.path("eal.args")
    arguments.write_text("\n".join(rig.eal_arguments()))
    return [str(REPOSITORY / "scripts" / "fluxcap-run"), str(arguments),
            rig.config_arguments()[1], "--", "--stats-on-exit", str(rig.path("stats.json"))]


@pytest.mark.parametrize("idle_us", [500, 100000])
@pytest.mark.parametrize("n_lcores", [1, 2, 3])
def test_ready_alive_and_stopping(rig, listener, monkeypatch, n_lcores, idle_us):
    """Also when it is started by fluxcap-run, and whether one lcore does all or each has its own.

    systemd listens to the process that it has started, and to no other.
    """
    monkeypatch.setenv("FLUXCAP", str(BINARY))
    rig.short_form, rig.n_lcores, rig.lcores = False, n_lcores, {"idle_us": idle_us}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    rig.output("y", "a")
    with Running(rig, launcher(rig), signal.SIGTERM) as running:
        pid, said = listener.receive()
        n_working = len(running.telemetry("/fluxcap/lcores"))
        assert said == {"READY": "1",
                        "STATUS": f"running: 1 taps, 2 outputs, {n_working} lcores"}
        assert pid == running.process.pid
        for _ in range(4):
            assert listener.receive() == (running.process.pid, {"WATCHDOG": "1"})
        running.stop()
    said = [one for one in listener.rest() if one != {"WATCHDOG": "1"}]
    assert [one.get("STOPPING") for one in said] == ["1"]


def test_no_watchdog_is_wanted(rig, listener, monkeypatch):
    monkeypatch.delenv("WATCHDOG_USEC")
    rig.short_form, rig.lcores = False, {"idle_us": 500}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    with rig.start() as running:
        assert listener.receive()[1]["READY"] == "1"
        time.sleep(3 * WATCHDOG_MS / 1000)
        running.stop()
    (said,) = listener.rest()
    assert said["STOPPING"] == "1"


def reload_states(listener):
    """What is said from a reload's begin to its end, but signs of life."""
    said = []
    while not said or "READY" not in said[-1]:
        one = listener.receive()[1]
        if one != {"WATCHDOG": "1"}:
            said.append(one)
    return said


@pytest.mark.parametrize("n_lcores", [1, 2])
def test_reloads(rig, listener, n_lcores):
    """It says when it begins, by the clock of systemd, and when it has ended, however that went."""
    rig.short_form, rig.n_lcores, rig.lcores = False, n_lcores, {"idle_us": 500}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    with rig.start() as running:
        status = listener.receive()[1]["STATUS"]
        for config, ending in ((rig.config(), ""), ("{", "; the last reload failed"),
                               (rig.config(), "")):
            rig.path("config.json").write_text(
                config if isinstance(config, str) else json.dumps(config))
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            running.process.send_signal(signal.SIGHUP)
            begun, ended = reload_states(listener)
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            assert (begun["RELOADING"], begun["STATUS"]) == ("1", "reloading")
            assert before <= int(begun["MONOTONIC_USEC"]) * 1000 + 999
            assert int(begun["MONOTONIC_USEC"]) * 1000 <= after
            assert ended == {"READY": "1", "STATUS": status + ending}
            assert listener.receive()[1] == {"WATCHDOG": "1"}
        running.stop()
    assert [one for one in listener.rest() if "READY" in one] == []


def test_a_dry_run_is_no_reload(rig, listener):
    rig.short_form, rig.lcores = False, {"idle_us": 500}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    with rig.start() as running:
        assert listener.receive()[1]["READY"] == "1"
        assert running.telemetry("/fluxcap/reload,dry-run")["result"] == "ok"
        running.stop()
    assert [one for one in listener.rest() if "RELOADING" in one or "READY" in one] == []


def wait_blocked(running):
    """Until lcore 3 stands still, and lcore 2 does not."""
    def is_standing():
        first = running.telemetry("/fluxcap/lcores")
        time.sleep(0.2)
        second = running.telemetry("/fluxcap/lcores")
        return first["3"] == second["3"] and first["2"] != second["2"]
    running.wait_for(is_standing, "lcore 3 that stands still")


def test_an_lcore_that_stands_still(rig, listener, namespace, tmp_path):
    """It writes into a pipe that nobody reads. Then nothing is said, although control, telemetry
    and the other lcores go on."""
    pipe = fifo.Pipe(tmp_path / "blocked")
    frames = tmp_path / "frames.pcap"
    fr.write_pcap(frames, fr.numbered(500))
    try:
        rig.namespace = namespace.name
        rig.n_lcores, rig.whole_files = 4, False
        rig.lcores = {"rx": [1], "tx": [2, 3], "idle_us": 50}
        rig.tap("a", port=rig.vdev("net_tap", iface="wan0"))
        rig.output("good", "a")
        rig.output("blocked", "a", port=rig.vdev("net_pcap", tx_pcap=pipe.path))
        with rig.start() as running:
            namespace.up("wan0")
            assert listener.receive()[1]["READY"] == "1"
            assert listener.receive()[1] == {"WATCHDOG": "1"}
            namespace.play("wan0", frames)
            wait_blocked(running)
            time.sleep(WATCHDOG_MS / 1000)  # a last sign, of before
            listener.rest()
            time.sleep(5 * WATCHDOG_MS / 1000)
            assert listener.rest() == []
            pipe.resume()
            assert listener.receive()[1] == {"WATCHDOG": "1"}
            running.stop()
    finally:
        pipe.close()


def test_an_lcore_that_stands_still_from_the_beginning(rig, listener, tmp_path):
    """fluxcap is ready when each lcore has done a round; this one's port has nothing to read."""
    capture, pipe = tmp_path / "whole.pcap", tmp_path / "pipe"
    fr.write_pcap(capture, fr.numbered(100))
    data = capture.read_bytes()
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    try:
        os.write(writer, data[:PCAP_HEADER])
        rig.lcores = {"idle_us": 500}
        rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=pipe))
        rig.output("x", "a")
        with rig.start() as running:
            time.sleep(1)
            assert listener.rest() == []
            os.write(writer, data[PCAP_HEADER:])
            os.close(writer)
            writer = -1
            assert listener.receive()[1]["READY"] == "1"
            running.wait_sent("x", 100)
            running.stop()
    finally:
        if writer >= 0:
            os.close(writer)


def test_it_fails_before_it_is_ready(rig, listener):
    """What cannot start is never ready."""
    rig.tap("a", port="net_null7")
    rig.output("x", "a", port="net_null8")
    done = subprocess.run(rig.command(), capture_output=True, timeout=HANG, check=False)
    assert done.returncode == 2, done
    assert listener.rest() == []


# Its unit


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What meson installs, below a root of its own."""
    root = tmp_path_factory.mktemp("installed") / "root"
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root],
                   capture_output=True, check=True, timeout=HANG)
    return root


def the_file(root, place):
    (found,) = root.rglob(place)
    return found


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)


@pytest.fixture
def unit(installed, tmp_path):
    """The unit, with its programs where they are installed for this test."""
    text = the_file(installed, "lib/systemd/system/fluxcap.service").read_text()
    programs = re.findall(r"^Exec\w+=[-+]*(/\S+)", text, re.MULTILINE)
    assert [os.path.basename(program) for program in programs] == [
        "fluxcap-host", "fluxcap-run", "fluxcap-host", "fluxcap-ctl"]
    for program in set(programs):
        assert os.access(installed / program[1:], os.X_OK), program
        text = text.replace(program, str(installed / program[1:]))
    path = tmp_path / "fluxcap.service"
    path.write_text(text)
    return path


def test_systemd_takes_the_unit(unit):
    done = run("systemd-analyze", "verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_takes_what_the_page_adds_to_the_unit(unit):
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    (added,) = re.findall(r"^    \[Service\]\n(?:    .+\n)+", page, re.MULTILINE)
    with unit.open("a") as file:
        file.write(textwrap.dedent(added))
    done = run("systemd-analyze", "verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_little_harm_could_be_done_with_it(unit):
    """systemd's own measure: less than 3.0 of 10."""
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=29", unit)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_user_and_the_directory(installed, tmp_path):
    """systemd-sysusers makes the unit's user, systemd-tmpfiles the place of its configuration."""
    for folder in ("sysusers", "tmpfiles"):
        text = the_file(installed, f"lib/{folder}.d/fluxcap.conf").read_text()
        there = tmp_path / "box" / "usr" / "lib" / f"{folder}.d"
        there.mkdir(parents=True)
        (there / "fluxcap.conf").write_text(text)
    (tmp_path / "box" / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}/box")
    assert done.returncode == 0, done
    users = [line.split(":") for line in
             (tmp_path / "box" / "etc" / "passwd").read_text().splitlines()]
    (user,) = [user for user in users if user[0] == "fluxcap"]
    assert 0 < int(user[2]) < 1000 and user[6].endswith("nologin")
    done = run("systemd-tmpfiles", "--create", f"--root={tmp_path}/box")
    assert done.returncode == 0, done
    assert (tmp_path / "box" / "etc" / "fluxcap").is_dir()


def test_the_examples_are_installed(installed):
    """All of them, and those that the documentation copies into /etc/fluxcap fit together."""
    examples = the_file(installed, "share/fluxcap/examples")
    assert {path.name for path in examples.iterdir()} == {
        path.name for path in [*CONFIG.glob("*.json"), *CONFIG.glob("*.args")]
        if not path.name.endswith(".schema.json")}
    done = run(the_file(installed, "bin/fluxcap-run"), "-n", examples / "eal.args",
               examples / "replicate.json")
    assert done.returncode == 0, done
    assert "--file-prefix=fluxcap" in done.stdout
