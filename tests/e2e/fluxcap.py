#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs fluxcap: builds its command line, waits, reads what it left and audits its books."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import books
import frames as fr
import model

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FLUXCAP_BUILD", REPOSITORY / "build")).resolve()
BINARY = BUILD / "app" / "fluxcap"

RUN_TIMEOUT = 60  # seconds; far more than any run takes, so that only a hang ends by it
POLL = 0.02
IDLE_MS = int(os.environ.get("FLUXCAP_IDLE_MS", "300"))
RUNTIME = Path("/var/run/dpdk")

_numbers = itertools.count()


def need_binary():
    """Fail the test with a word of advice where there is no program to test."""
    if not BINARY.is_file():
        pytest.fail(f"{BINARY} is missing: build it, or set FLUXCAP_BUILD", pytrace=False)


def cpus():
    return sorted(os.sched_getaffinity(0))


def lcores(count):
    """EAL's --lcores for `count` lcores numbered from 0, spread over the CPUs there are."""
    available = cpus()
    return ",".join(f"{n}@{available[n % len(available)]}" for n in range(count))


def new_prefix():
    return f"fc-e2e-{os.getpid()}-{next(_numbers)}"


class Telemetry:
    """A client of EAL's telemetry socket."""

    def __init__(self, prefix):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        try:
            self.socket.connect(str(RUNTIME / prefix / "dpdk_telemetry.v2"))
            self.greeting = json.loads(self.socket.recv(1024))
        except BaseException:
            self.socket.close()
            raise

    def __call__(self, command):
        """The answer to a command, without the envelope that repeats the command's name."""
        return self.whole(command)[command.split(",")[0]]

    def whole(self, command):
        self.socket.sendall(command.encode())
        return json.loads(self.socket.recv(self.greeting["max_output_len"]))

    def close(self):
        self.socket.close()


class Result:
    """What a run left: exit status, texts, counters and the outputs' files."""

    def __init__(self, rig, status, stdout, stderr, stats):
        self.rig, self.status, self.stdout, self.stderr = rig, status, stdout, stderr
        self.stats = stats

    def tap(self, name):
        return self.stats["taps"][name]

    def output(self, name):
        return self.stats["outputs"][name]

    def feed(self, tap, output):
        return self.stats["feeds"][tap][output]

    def frames(self, output):
        """The frames that left by an output's port, in their order."""
        return fr.read_pcap(self.rig.written[self.rig.outputs[output]["port"]])


class Running:
    """A fluxcap in the background; leaving its block ends it, however that goes."""

    def __init__(self, rig, command, stop_signal):
        self.rig, self.stop_signal, self.result, self._telemetry = rig, stop_signal, None, None
        self.stdout_path, self.stderr_path = rig.path("stdout"), rig.path("stderr")
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, cwd=rig.folder)

    def __enter__(self):
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and self.result is None:
                self.stop()
        finally:
            self.kill()

    def texts(self):
        return (self.stdout_path.read_text(errors="replace"),
                self.stderr_path.read_text(errors="replace"))

    def wait_for(self, condition, what, timeout=RUN_TIMEOUT):
        """Wait until a condition gives something true, and give that."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            if self.process.poll() is not None:
                raise AssertionError(f"fluxcap ended with {self.process.returncode} before {what}:"
                                     f"\n{self.texts()[1]}")
            time.sleep(POLL)
        raise AssertionError(f"no {what} within {timeout} s:\n{self.texts()[1]}")

    def wait_ready(self):
        def answers():
            try:
                self._telemetry = self._telemetry or Telemetry(self.rig.prefix)
                return self.telemetry("/fluxcap/info")
            except (OSError, KeyError, ValueError):
                self._close_telemetry()
                return None
        self.wait_for(answers, "an answer to /fluxcap/info")

    def telemetry(self, command):
        return self._telemetry(command)

    def be_patient(self, seconds):
        """Wait so long for an answer of telemetry's."""
        self._telemetry.socket.settimeout(seconds)

    def tap(self, name):
        return self.telemetry(f"/fluxcap/tap,{name}")

    def output(self, name):
        return self.telemetry(f"/fluxcap/output,{name}")

    def feed(self, tap, output):
        return self.telemetry(f"/fluxcap/feed,{tap},{output}")

    def lcores_of(self, port):
        """The lcores that serve a port, as strings."""
        return [lcore for lcore, about in self.telemetry("/fluxcap/lcores").items()
                if port in about["ports"].split()]

    def wait_received(self, tap, packets):
        return self.wait_for(lambda: self.tap(tap)["rx_packets"] >= packets,
                             f"{packets} packets received by {tap}")

    def wait_read(self, tap, packets):
        """Wait until a tap's port has given so many frames or lost them."""
        return self.wait_for(lambda: sum(self.tap(tap)[field] for field in (
            "rx_packets", "rx_missed", "rx_nombuf", "rx_errors")) >= packets,
            f"{packets} packets read by {tap}")

    def wait_sent(self, output, packets):
        return self.wait_for(lambda: self.output(output)["tx_packets"] >= packets,
                             f"{packets} packets sent by {output}")

    def wait_exit(self):
        try:
            self.process.wait(RUN_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"fluxcap does not end:\n{self.texts()[1]}") from None
        return self._finish()

    def stop(self, stop_signal=None):
        """Ask it to stop, wait for its end, audit its books."""
        self.process.send_signal(stop_signal or self.stop_signal)
        return self.wait_exit()

    def _finish(self):
        self._close_telemetry()
        self.result = self.rig.finish(self.process.returncode, *self.texts())
        return self.result

    def _close_telemetry(self):
        if self._telemetry is not None:
            self._telemetry.close()
            self._telemetry = None

    def kill(self):
        self._close_telemetry()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.rig.clean()


class Rig:
    """One fluxcap to be run: its ports, taps, outputs and files."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.prefix = new_prefix()
        self.vdevs, self.taps, self.outputs, self.ports, self.lcores = [], {}, {}, {}, {}
        self.sent, self.written = {}, {}
        self.memory_mb = None
        self.n_lcores = 1
        self.short_form = True
        self.namespace = None
        self.kept_buffers = 0  # that a driver does not give back to a pool
        self.whole_files = True  # every frame of every file must have been received at the end
        self.speaks = None  # tells what fluxcap says itself, such as ARP: no output counts it
        self.later = set()  # feeds that are younger than their taps, by a reload
        self.ended = set()  # outputs that had other feeds before a reload
        self.restless = set()  # ports that had other outputs before a reload
        self._n_ports = itertools.count()

    def path(self, name):
        return self.folder / f"{self.prefix}.{name}"

    # ports

    def vdev(self, driver, **arguments):
        """Add a port of a driver and give its name."""
        name = f"{driver}{next(self._n_ports)}"
        self.vdevs.append(",".join([name, *(f"{k}={v}" for k, v in arguments.items())]))
        return name

    def pcap_port(self, sent=None, written=False):
        """Add a net_pcap port that plays frames, writes a file, or both."""
        arguments, number = {}, len(self.vdevs)
        if sent is not None:
            arguments["rx_pcap"] = self.path(f"{number}.in.pcap")
            fr.write_pcap(arguments["rx_pcap"], sent)
        if written:
            arguments["tx_pcap"] = self.path(f"{number}.out.pcap")
        name = self.vdev("net_pcap", **arguments)
        if sent is not None:
            self.sent[name] = list(sent)
        if written:
            self.written[name] = arguments["tx_pcap"]
        return name

    # taps and outputs

    def tap(self, name, sent=None, port=None, ring="8m", **keys):
        """Add a tap on a port, or on a new net_pcap port that plays the frames in `sent`."""
        port = port or self.pcap_port(sent)
        self.taps[name] = {"port": port, "ring": ring, **keys}
        return port

    def output(self, name, *taps, port=None, **keys):
        """Add an output to a port, or to a new net_pcap port that writes a file."""
        port = port or self.pcap_port(written=True)
        self.outputs[name] = {"port": port, "from": list(taps), **keys}
        return port

    def config(self):
        parts = {"taps": self.taps, "outputs": self.outputs, "ports": self.ports,
                 "lcores": self.lcores}
        return {key: value for key, value in parts.items() if value}

    def expected(self, output):
        """What the model says that an output sends, one list of frames per tap."""
        edits = self.outputs[output]
        return [model.apply(model.tap_frames(self.sent[self.taps[tap]["port"]], self.taps[tap]),
                            edits) for tap in edits["from"]]

    # command lines

    def eal_arguments(self):
        memory_mb = self.memory_mb or 300 + 40 * (len(self.taps) + len(self.outputs))
        arguments = ["--no-huge", "-m", str(memory_mb), "--no-pci",
                     "--file-prefix", self.prefix, "--lcores", lcores(self.n_lcores)]
        for vdev in self.vdevs:
            arguments += ["--vdev", vdev]
        return arguments

    def config_arguments(self):
        if self.short_form and not self.ports and not self.lcores:
            return short_form(self.taps, self.outputs)
        path = self.path("config.json")
        path.write_text(json.dumps(self.config(), indent=2))
        return ["-c", str(path)]

    def command(self, *options):
        prefix = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return [*prefix, str(BINARY), *self.eal_arguments(), "--", *self.config_arguments(),
                "--stats-on-exit", str(self.path("stats.json")), *options]

    # runs

    def run(self, idle_ms=IDLE_MS):
        """Run until idle, audit the books."""
        command = self.command("--exit-when-idle", str(idle_ms))
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=RUN_TIMEOUT, cwd=self.folder, check=False)
            return self.finish(done.returncode, done.stdout.decode(errors="replace"),
                               done.stderr.decode(errors="replace"))
        finally:
            self.clean()

    def start(self, *options, stop_signal=signal.SIGTERM):
        """Start it in the background, for use in a with block."""
        return Running(self, self.command(*options), stop_signal)

    def finish(self, status, stdout, stderr):
        assert status == 0, f"exit status {status}\n{stdout}\n{stderr}"
        stats = json.loads(self.path("stats.json").read_text())
        mistakes = self.audit(stats)
        assert not mistakes, "\n".join(mistakes) + "\n" + json.dumps(stats, indent=1)
        return Result(self, status, stdout, stderr, stats)

    def audit(self, stats):
        """Mistakes in the books, seen from the inside and against the files outside."""
        outputs = {name: output["from"] for name, output in self.outputs.items()}
        found = books.audit(stats, outputs, self.kept_buffers, self.later, self.ended)
        if found:
            return found
        for port, sent in self.sent.items() if self.whole_files else ():
            here = [name for name, tap in self.taps.items() if tap["port"] == port]
            if not here:
                continue
            taps, names = [stats["taps"][name] for name in here], "+".join(here)
            lost = sum(tap[f] for tap in taps for f in ("rx_missed", "rx_nombuf", "rx_errors"))
            found += _compare(f"taps {names}: rx_packets + lost",
                              sum(tap["rx_packets"] for tap in taps) + lost, len(sent))
            if lost == 0:
                found += _compare(f"taps {names}: rx_bytes", sum(tap["rx_bytes"] for tap in taps),
                                  sum(map(len, sent)))
        for port, path in self.written.items():
            if not path.is_file() or port in self.restless:
                continue
            written = [frame for frame in fr.read_pcap(path)
                       if self.speaks is None or not self.speaks(frame)]
            here = [name for name, output in self.outputs.items() if output["port"] == port]
            for field, value in (("tx_frames", len(written)), ("tx_bytes", sum(map(len, written)))):
                found += _compare(f"{port}: {field} of {'+'.join(here)}",
                                  sum(stats["outputs"][name][field] for name in here), value)
        return found

    def clean(self):
        shutil.rmtree(RUNTIME / self.prefix, ignore_errors=True)


def _compare(what, counted, real):
    return [] if counted == real else [f"{what} counts {counted}, the files hold {real}"]


def _flatten(keys, path=""):
    for key, value in keys.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{path}{key}.")
        elif isinstance(value, list):
            yield f"{path}{key}={'+'.join(map(str, value))}"
        else:
            yield f"{path}{key}={value}"


def short_form(taps, outputs):
    """The -t and -o options that say the same as the JSON objects."""
    options = []
    for letter, things in (("-t", taps), ("-o", outputs)):
        for name, keys in things.items():
            rest = {key: value for key, value in keys.items() if key not in ("port", "from")}
            text = [f"{name}={keys['port']}"]
            if "from" in keys:
                text.append("from=" + "+".join(keys["from"]))
            options += [letter, ",".join([*text, *_flatten(rest)])]
    return options


def fluxcap(*arguments, timeout=RUN_TIMEOUT, **keywords):
    """Run the bare binary: for what it says before it starts."""
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, check=False,
                          **{"stdin": subprocess.DEVNULL, **keywords})


def assert_sent(result, *outputs):
    """Outputs of net_pcap ports hold what the model says, each tap's frames in their order."""
    for name in outputs or result.rig.outputs:
        got, want = result.frames(name), result.rig.expected(name)
        if len(want) == 1:
            difference = model.first_difference(got, want[0])
            assert not difference, f"output {name}: {difference}"
        else:
            assert model.is_merge(got, want), (
                f"output {name}: {len(got)} frames are no merge of {[len(w) for w in want]}")
