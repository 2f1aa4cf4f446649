#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Filters that take long to compile: --check shows how far it is, a start says so and can be ended.

pyte is the terminal, and a socket is systemd.
"""

import json
import os
import re
import signal
import subprocess

import pytest

import fluxcap
import frames as fr
from test_ctl_terminal import HANG, Terminal
from test_reload_long import LIST, give_endless_filters
from test_service import listener  # noqa: F401 (a fixture)

LONG = f"({LIST}) and ({LIST})"  # seconds
COMPILING = 180  # seconds; two programs compile at once, beside whatever else there is


@pytest.fixture
def check(tmp_path):
    """The command that checks a file with a long filter and a mistake behind it."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0"}},
        "outputs": {"ids": {"port": "net_null1", "from": ["a"], "filter": LONG, "truncat": 60}}}))
    return [str(fluxcap.BINARY), "--check", str(path)]


def test_check_shows_progress_on_a_terminal(check):
    said = subprocess.Popen(check, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    terminal = Terminal(os.environ, command=check)
    try:
        terminal.see(r"^fluxcap: \d+ s: compiling outputs\.ids\.filter$")
        assert len([line for line in terminal.lines() if line]) == 1, terminal.lines()
        assert terminal.wait(COMPILING) == 2
        stdout, stderr = said.communicate(timeout=COMPILING)
        assert said.returncode == 2 and stdout == ""
        # Where there is no terminal nothing is said of it, and at the end nothing is left of it.
        assert "compiling" not in stderr and "\r" not in stderr
        assert "truncat" in stderr
        assert "".join(line for line in terminal.lines()).replace(" ", "") == \
            stderr.replace("\n", "").replace(" ", "")
    finally:
        terminal.close()
        said.kill()
        said.wait()
        said.stdout.close()
        said.stderr.close()


@pytest.mark.parametrize("number, name", [(signal.SIGTERM, "15 (Terminated)"),
                                          (signal.SIGINT, "2 (Interrupt)")])
def test_a_long_start_says_so_and_ends_when_told(rig, listener, number, name):  # noqa: F811
    rig.short_form = False
    rig.tap("a", fr.numbered(50, 200))
    give_endless_filters(rig)
    running = rig.start()
    try:
        running.wait_for(lambda: "the start takes longer" in running.texts()[1], "word of it")
        for _ in range(2 if number == signal.SIGTERM else 1):  # again and again
            pid, said = listener.receive()
            assert pid == running.process.pid
            assert int(said.pop("EXTEND_TIMEOUT_USEC")) >= 20e6
            assert re.fullmatch(r"starting: compiling outputs\.x\d\.filter", said.pop("STATUS"))
            assert said == {}
        running.process.send_signal(number)
        assert running.process.wait(HANG) == 0
        stdout, stderr = running.texts()
        assert stdout == ""
        lines = stderr.splitlines()
        assert len(lines) == 2 and lines[0].endswith(".filter"), stderr
        assert lines[1] == f"fluxcap: stopping on signal {name}"
        assert not rig.path("stats.json").exists()
    finally:
        running.kill()
    assert listener.rest() == []
