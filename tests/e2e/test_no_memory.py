#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What happens when memory runs out: every allocation of the program fails once, in turn."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from fluxcap import BINARY, RUN_TIMEOUT, need_binary

SOURCE = Path(__file__).parent / "fail_allocation.c"
GOOD = {"taps": {"a": {"port": "net_null0", "filter": "tcp", "vlan": {"push": 5}},
                 "b": {"port": "net_null2", "decap": {"type": "vxlan", "local": "192.0.2.7"}}},
        "outputs": {"x": {"port": "net_null1", "from": ["a", "b"], "encap": {
            "type": "gretap", "local": "192.0.2.1/24", "remote": "192.0.2.2"}}}}
BAD = {"taps": {"a": {"port": "net_null0", "filtre": "tcp", "trim": -1, "filter": "no such"}},
       "outputs": {"x": {"port": "net_null1", "from": ["c"]}}}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    need_binary()
    path = tmp_path_factory.mktemp("preload") / "fail_allocation.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", path, SOURCE, "-ldl"],
                   check=True, timeout=RUN_TIMEOUT)
    return path


@pytest.mark.parametrize("option", ["--check", "--plan", "--dump"])
@pytest.mark.parametrize("config, status", [(GOOD, 0), (BAD, 2), ("{", 2)],
                         ids=["good", "bad", "no JSON"])
def test_a_failed_allocation_is_said_and_never_a_crash(library, tmp_path, option, config, status):
    path, count = tmp_path / "config.json", tmp_path / "count"
    path.write_text(config if isinstance(config, str) else json.dumps(config))

    def run(number):
        return subprocess.run(
            [str(BINARY), option, str(path)], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=RUN_TIMEOUT, check=False,
            env={**os.environ, "LD_PRELOAD": str(library), "FAIL_ALLOCATION": str(number),
                 "FAIL_ALLOCATION_COUNT": str(count)})

    assert run(0).returncode == status
    n_allocations = int(count.read_text())
    assert n_allocations >= 3
    for number in range(1, n_allocations + 1):
        done = run(number)
        assert done.returncode in (status, 2), f"allocation {number}: {done}"
        if done.returncode != 0:
            assert done.stderr != "", f"allocation {number}: {done}"


def test_what_cannot_be_printed_is_an_error(tmp_path):
    need_binary()
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD))
    for option in "--check", "--plan", "--dump":
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([str(BINARY), option, str(path)], stdout=full, text=True,
                                  stderr=subprocess.PIPE, timeout=RUN_TIMEOUT, check=False)
        assert done.returncode == 2
        assert "cannot write to standard output: No space left on device" in done.stderr
