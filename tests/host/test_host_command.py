#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-host as it is called: by its name, with the real fluxcap, where nothing is changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from host_bench import REPOSITORY

SCRIPTS = REPOSITORY / "scripts"
BUILD = Path(os.environ.get("FLUXCAP_BUILD", REPOSITORY / "build")).resolve()
TIMEOUT = 90


def call(*argv, program=SCRIPTS / "fluxcap-host", environment=None):
    return subprocess.run(
        [program, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=TIMEOUT,
        env={**os.environ, "FLUXCAP": str(BUILD / "app" / "fluxcap"), **(environment or {})})


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.json"

    def write(taps, outputs, **more):
        file.write_text(json.dumps({
            "taps": {f"t{n}": {"port": port, "ring": "8m"} for n, port in enumerate(taps)},
            "outputs": {f"o{n}": {"port": port, "from": ["t0"]} for n, port in enumerate(outputs)},
            **more}))
        return file
    return write


@pytest.mark.parametrize("argv", [["--help"], ["prepare", "--help"], ["undo", "-h"],
                                  ["status", "-h"]])
def test_help(argv):
    done = call(*argv)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("usage: fluxcap-host")


@pytest.mark.parametrize("argv", [
    [], ["prepar"], ["prepare"], ["prepare", "--no-iomm", "x"], ["undo", "x"], ["status", "a", "b"],
    ["--json"]])
def test_bad_usage(argv):
    done = call(*argv)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "usage: fluxcap-host" in done.stderr


def test_where_meson_installs_it(tmp_path):
    done = subprocess.run(["meson", "introspect", "--installed", BUILD], capture_output=True,
                          check=True)
    for source, place in json.loads(done.stdout).items():
        if Path(source).name in ("fluxcap-host", "fluxcap_host"):
            target = tmp_path / place.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if os.path.isdir(source) else shutil.copy2)(source, target)
    [program] = tmp_path.rglob("fluxcap-host")
    done = call("--help", program=program)
    assert done.returncode == 0 and done.stdout.startswith("usage: fluxcap-host")


def test_status_lists_the_nics_that_the_kernel_lists():
    done = call("status", "--json")
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(["lspci", "-D", "-n"], capture_output=True, text=True, check=True)
    nics = {words[0]: words[2] for words in map(str.split, listed.stdout.splitlines())
            if words[1].startswith("02")}
    assert {nic["address"]: nic["id"] for nic in json.loads(done.stdout)["nics"]} == nics


def test_status_takes_the_plan_from_fluxcap(config):
    file = config(["0000:7f:1f.6", "net_null0"], ["0000:7f:1f.7"],
                  lcores={"rx": [0], "tx": [0]}, ports={})
    done = call("status", "--json", file)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    missing = {x["subject"] for x in found["findings"] if x["what"] == "no such PCI device"}
    assert missing == {"0000:7f:1f.6", "0000:7f:1f.7"}
    plan = json.loads(subprocess.run([BUILD / "app" / "fluxcap", "--plan", file], check=True,
                                     capture_output=True).stdout)
    size = sum(node["bytes"] for node in plan["nodes"])
    margin = 64 + len(plan["ports"]) + len(plan["pools"])
    assert sum(x["needed"] for x in found["memory"]) == -(-(size + (margin << 20)) // (2 << 20))


def test_the_plan_counts_what_eals_options_make_of_a_port(config, tmp_path):
    """Buffers as large as the frames of a virtual device take hugepages, too."""
    file = config(["net_null0"], ["net_null1"])
    eal = tmp_path / "eal.args"
    words = ["--lcores=0", "--vdev=net_null0,size=16384", "--vdev", "net_null1,size=64"]
    eal.write_text(" ".join(words))

    def needed(*argv):
        done = call("status", "--json", *argv, file)
        assert done.returncode in (0, 1), done.stderr
        return sum(x["needed"] for x in json.loads(done.stdout)["memory"])
    plan = json.loads(subprocess.run(
        [BUILD / "app" / "fluxcap", *words, "--", "--plan", file], check=True,
        capture_output=True).stdout)
    size = sum(node["bytes"] for node in plan["nodes"])
    margin = 64 + len(plan["ports"]) + len(plan["pools"])
    assert needed("--eal-args", eal) == -(-(size + (margin << 20)) // (2 << 20))
    assert needed("--eal-args", eal) > needed()


def test_eals_options_without_a_port_of_the_configuration(config, tmp_path):
    eal = tmp_path / "eal.args"
    eal.write_text("--lcores=0 --vdev=net_null0")
    done = call("status", "--eal-args", eal, config(["net_null0"], ["net_null1"]))
    assert done.returncode == 2 and done.stdout == ""
    assert "nothing makes net_null1" in done.stderr


def test_a_configuration_that_fluxcap_refuses(config):
    file = config(["net_null0"], ["net_null1"], colour="red")
    done = call("status", file)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("fluxcap-host: ") and "colour" in done.stderr


def test_no_fluxcap(config):
    done = call("status", config(["net_null0"], ["net_null1"]),
                environment={"FLUXCAP": "/nowhere/fluxcap"})
    assert done.returncode == 2
    assert "FLUXCAP=/nowhere/fluxcap: no such program" in done.stderr


def test_a_fluxcap_that_is_something_else(config):
    done = call("status", config(["net_null0"], ["net_null1"]), environment={"FLUXCAP": "echo"})
    assert done.returncode == 2
    assert "is it fluxcap" in done.stderr
