#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-ctl and a real fluxcap: what the client shows is what the process counted."""

import json
import os
import shutil
import re
import signal
import struct
import subprocess
import time

import pytest

from test_ctl import BINARY, BUILD, HANG, REPOSITORY

COUNT = 100


def write_pcap(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def ctl(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=HANG,
                          check=False)


@pytest.fixture
def running(tmp_path):
    """A fluxcap that has passed all of a capture on, its prefix and its statistics file."""
    prefix = f"fc-ctl-{os.getpid()}-{time.monotonic_ns()}"
    config, capture, statistics = (tmp_path / name for name in ("c.json", "in.pcap", "stats.json"))
    ether = bytes(12) + b"\x08\x00"
    write_pcap(capture, [ether + bytes(46)] * COUNT + [ether + bytes(200)] * COUNT)
    config.write_text(json.dumps({
        "taps": {"cisco": {"port": "net_pcap0", "ring": "1m"}},
        "outputs": {"ids": {"port": "net_pcap1", "from": ["cisco"], "truncate": 60},
                    "small": {"port": "net_pcap2", "from": ["cisco"], "filter": "less 100"}},
        "lcores": {"idle_us": 500}}))
    command = [BUILD / "app" / "fluxcap", "--no-huge", "-m", "256", "--no-pci", "-l", "0",
               "--file-prefix", prefix, "--vdev", f"net_pcap0,rx_pcap={capture}"]
    for number in (1, 2):
        command += ["--vdev", f"net_pcap{number},tx_pcap={tmp_path}/out{number}.pcap"]
    command += ["--", "-c", config, "--stats-on-exit", statistics]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + HANG
        while True:
            shown = ctl("-f", prefix, "show", "--json")
            if shown.returncode == 0:
                outputs = json.loads(shown.stdout)["outputs"].values()
                if sum(output["tx_packets"] for output in outputs) == 3 * COUNT:
                    break
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield process, prefix, statistics, config
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(f"/var/run/dpdk/{prefix}", ignore_errors=True)


def test_shows_what_was_counted(running):
    process, prefix, statistics, config = running
    shown = json.loads(ctl("-f", prefix, "show", "--json").stdout)
    assert shown["info"]["config"] == str(config)
    assert list(shown["lcores"]) == ["0"]
    assert shown["taps"]["cisco"]["rx_packets"] == 2 * COUNT
    assert shown["outputs"]["small"]["filtered"] == COUNT
    assert shown["outputs"]["small"]["tx_bytes"] == 60 * COUNT
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG) == 0
    at_exit = json.loads(statistics.read_text())
    for part in ("taps", "outputs", "feeds"):
        assert shown[part] == at_exit[part]


def test_two_without_shared_files(tmp_path):
    """Two without shared files may have one prefix: each is found, and so is the one left."""
    prefix = f"fc-ctl-{os.getpid()}-{time.monotonic_ns()}"
    config = tmp_path / "c.json"
    config.write_text(json.dumps({
        "taps": {"cisco": {"port": "net_null0", "ring": "1m"}},
        "outputs": {"ids": {"port": "net_null1", "from": ["cisco"]}}, "lcores": {"idle_us": 500}}))
    processes = []

    def start(number):
        with open(tmp_path / f"log{number}", "wb") as log:
            process = subprocess.Popen(
                [BUILD / "app" / "fluxcap", "--no-shconf", "--no-huge", "-m", "128", "--no-pci",
                 "-l", "0", "--file-prefix", prefix, "--vdev", "net_null0,no-rx=1",
                 "--vdev", "net_null1,no-rx=1", "--", "-c", config], stdout=log, stderr=log)
        processes.append(process)
        deadline = time.monotonic() + HANG
        while ctl("-f", f"{prefix}:{number}", "show").returncode != 0:
            assert process.poll() is None, (tmp_path / f"log{number}").read_text()
            assert time.monotonic() < deadline, (tmp_path / f"log{number}").read_text()
            time.sleep(0.05)
    try:
        start(0)
        start(1)
        done = ctl("-f", prefix, "show")
        assert done.returncode == 1 and done.stdout == ""
        for number, process in enumerate(processes):
            assert f"-f {prefix}:{number}  process {process.pid}\n" in done.stderr
        processes[0].kill()  # leaves its socket behind
        processes[0].wait()
        live = ctl("-f", prefix, "io", "-n", "1", "-i", "0.1")
        assert live.returncode == 0 and f"process {processes[1].pid} " in live.stdout
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(f"/var/run/dpdk/{prefix}", ignore_errors=True)


def test_text_and_live_view(running):
    _, prefix, _, _ = running
    text = ctl("-f", prefix, "show").stdout
    assert re.search(rf"^feed cisco -> small\n(  .*\n)*  filtered +{COUNT} +{214 * COUNT:,}$", text,
                     re.M)
    live = ctl("-f", prefix, "io", "--count", "1", "--interval", "0.1")
    assert live.returncode == 0
    for name in ("cisco", "ids", "small"):
        assert re.search(rf"^ {name} +up +0 +0 ", live.stdout, re.M)
    assert re.search(r"^lcores  0 rx\+tx \d+%$", live.stdout, re.M)


def documented_fields():
    """The tables of docs/telemetry.md: {heading: field names}."""
    tables, heading = {}, None
    for line in (REPOSITORY / "docs" / "telemetry.md").read_text().splitlines():
        if line.startswith("#"):
            heading = line.strip("# `")
        elif line.startswith("| `"):
            tables.setdefault(heading, []).extend(re.findall(r"`(\w+)`", line.split("|")[1]))
    return tables


def test_documented_fields(running):
    """docs/telemetry.md names every field that there is, once, and no other."""
    shown = json.loads(ctl("-f", running[1], "show", "--json").stdout)
    tables = documented_fields()
    feed = tables["/fluxcap/feed,TAP,OUTPUT"]
    for fields, answer in (
            (tables["/fluxcap/info"], shown["info"]),
            (tables["/fluxcap/tap,NAME"], shown["taps"]["cisco"]),
            (feed, shown["feeds"]["cisco"]["small"]),
            (feed + tables["/fluxcap/output,NAME"], shown["outputs"]["small"]),
            (tables["/fluxcap/lcores"], shown["lcores"]["0"])):
        assert sorted(fields) == sorted(answer)


def test_check(running):
    config = running[3]
    done = ctl("check", str(config))
    direct = subprocess.run([BUILD / "app" / "fluxcap", "--check", config], capture_output=True,
                            text=True, timeout=HANG, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, direct.stdout, direct.stderr)
    config.write_text("{}")
    assert ctl("check", str(config)).returncode == 2


def test_the_picture_in_the_readme_is_of_this_client(running):
    """Its titles and the shape of its lines; the figures are those of a day."""
    _, prefix, _, _ = running
    shown = ctl("-f", prefix, "io", "--count", "1").stdout.splitlines()
    picture = [line.strip() for line in (REPOSITORY / "README.md").read_text().splitlines()
               if line.startswith("        ")]
    for first in "tap", "output", "total", "lcores":
        here = [line.split() for line in shown if line.split()[:1] == [first]]
        there = [line.split() for line in picture if line.split()[:1] == [first]]
        assert here and there, first
        if first in ("tap", "output"):
            # A wider name moves the scale, which has other figures on it then.
            scale = re.compile(r"^\d+[kMG]?$")
            assert ([word for word in here[0] if not scale.match(word)]
                    == [word for word in there[0] if not scale.match(word)])
    heads = [re.sub(r"[\d:T+-]+", "9", line).split() for line in (shown[0], picture[[
        line.startswith("fluxcap 0") for line in picture].index(True)])]
    assert heads[0][:5] == heads[1][:5] and len(heads[0]) - len(heads[1]) in (-1, 0)
