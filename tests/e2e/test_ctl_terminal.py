#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-ctl io on a terminal: it draws in place, within the window, and gives it back."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from fake_telemetry import Growing, fluxcap, output, tap
from test_ctl import BINARY, HANG, ctl  # noqa: F401 (a fixture)

ENTER = b"\x1b[?1049h"
LEAVE = b"\x1b[?1049l"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process on a terminal of its own, and what it wrote there."""

    def __init__(self, environment, *arguments, size=(24, 80)):
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.written = b""
        self.process = subprocess.Popen([BINARY, *arguments], env=environment, stdin=self.slave,
                                        stdout=self.slave, stderr=self.slave, process_group=0)

    def resize(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, done):
        deadline = time.monotonic() + HANG
        while not done():
            assert time.monotonic() < deadline, f"waited in vain: {self.written[-3000:]!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                self.written += os.read(self.master, 65536)

    def read_frame(self):
        """Wait for a whole refresh that begins after now; its lines."""
        start = len(self.written)
        self.read_until(lambda: self.written.count(b"\x1b[H", start) >= 2)
        return lines_of(self.written[start:].split(b"\x1b[H")[-2])

    def wait(self):
        self.read_until(lambda: self.process.poll() is not None)
        while select.select([self.master], [], [], 0.2)[0]:
            self.written += os.read(self.master, 65536)
        return self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def lines_of(part):
    """What is to be seen of a part, line by line. The terminal adds a return to each newline."""
    return re.split("\r+\n", ESCAPES.sub("", part.decode()))


@pytest.fixture
def terminal(ctl):  # noqa: F811
    answers = fluxcap(
        taps={"cisco": tap(), "a-name-of-thirty-one-characters": tap(link="down")},
        outputs={"ids": output(queued=10**13)})
    answers["/fluxcap/tap,cisco"] = Growing(tap(), rx_packets=10**10, rx_bytes=10**13)
    answers["/fluxcap/output,ids"] = Growing(output(queued=10**13), overrun=10**9)
    opened = []

    def start(*arguments, size=(24, 80), **environment):
        opened.append(Terminal(ctl.environment | environment, *arguments, size=size))
        return opened[-1]

    with ctl.serve(answers):
        yield start
        for one in opened:
            one.close()


def check_given_back(terminal):
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert terminal.written.count(ENTER) == terminal.written.count(LEAVE)
    end = terminal.written[terminal.written.rindex(LEAVE):]
    assert ESCAPES.sub("", end.decode()) == ""
    # The cursor and wrapping are on again.
    for code in (b"\x1b[?25", b"\x1b[?7"):
        assert terminal.written.rindex(code + b"h") > terminal.written.rindex(code + b"l")


def test_draws_within_80_columns(terminal):
    shown = terminal("io", "--count", "3", "--interval", "0.1")
    assert shown.wait() == 0
    assert shown.written.startswith(ENTER)
    check_given_back(shown)
    # The first sample, then three refreshes.
    assert shown.written.count(b"\x1b[H") == 4
    drawn = shown.written[:shown.written.rindex(LEAVE)]
    for part in drawn.split(b"\x1b[H")[1:]:
        lines = lines_of(part)
        assert len(lines) <= 24 and max(map(len, lines)) <= 80
        assert any(re.match(r"cisco +up ", line) for line in lines)
        assert any(re.match(r"a-name-of-t~ down ", line) for line in lines)
    assert b"\x1b[1;31m" in drawn  # overrun


def test_no_colour(terminal):
    shown = terminal("io", "--count", "1", "--interval", "0.1", NO_COLOR="1")
    assert shown.wait() == 0
    assert not re.search(rb"\x1b\[[0-9;]*m", shown.written)


def test_dumb_terminal(terminal):
    shown = terminal("io", "--count", "1", "--interval", "0.1", TERM="dumb")
    assert shown.wait() == 0
    assert b"\x1b" not in shown.written and b"cisco" in shown.written


def test_follows_the_window(terminal):
    shown = terminal("io", "--interval", "0.1")
    assert max(map(len, shown.read_frame())) <= 80
    shown.resize(24, 200)
    shown.process.send_signal(signal.SIGWINCH)
    shown.read_until(lambda: b"a-name-of-thirty-one-characters" in shown.written)
    shown.resize(4, 40)
    shown.process.send_signal(signal.SIGWINCH)
    lines = shown.read_frame()
    while len(lines) > 4:
        lines = shown.read_frame()
    assert max(map(len, lines)) <= 40 and lines[-1] == "+4 more"
    shown.process.send_signal(signal.SIGINT)
    assert shown.wait() == 0
    check_given_back(shown)


def test_window_change_draws_at_once(terminal):
    """Not only with the next refresh, which is an hour away."""
    shown = terminal("io", "--interval", "3600")
    shown.read_until(lambda: b"lcores" in shown.written)
    shown.resize(24, 200)
    shown.process.send_signal(signal.SIGWINCH)
    shown.read_until(lambda: b"a-name-of-thirty-one-characters" in shown.written)
    shown.process.send_signal(signal.SIGTERM)
    assert shown.wait() == 0
    check_given_back(shown)


@pytest.mark.parametrize("size", [(1, 1), (2, 10), (0, 0), (65535, 65535)])
def test_odd_windows(terminal, size):
    shown = terminal("io", "--count", "2", "--interval", "0.1", size=size)
    assert shown.wait() == 0
    check_given_back(shown)


def test_keys(terminal):
    shown = terminal("io", "--interval", "3600", size=(24, 200))
    shown.read_until(lambda: b"lcores" in shown.written)
    assert b"handoff_full" not in shown.written
    os.write(shown.master, b"w")
    shown.read_until(lambda: b"handoff_full" in shown.written)
    os.write(shown.master, b"q")
    assert shown.wait() == 0
    check_given_back(shown)


def test_stop_and_continue(terminal):
    shown = terminal("io", "--interval", "3600")
    shown.read_until(lambda: b"lcores" in shown.written)
    shown.process.send_signal(signal.SIGTSTP)
    shown.read_until(lambda: LEAVE in shown.written)
    _, status = os.waitpid(shown.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert termios.tcgetattr(shown.slave) == shown.before
    shown.process.send_signal(signal.SIGCONT)
    shown.read_until(lambda: shown.written.count(ENTER) == 2
                     and b"lcores" in shown.written[shown.written.rindex(ENTER):])
    shown.process.send_signal(signal.SIGINT)
    assert shown.wait() == 0
    check_given_back(shown)


def test_nobody_there(ctl):  # noqa: F811
    shown = Terminal(ctl.environment, "io")
    try:
        assert shown.wait() == 1
        assert b"no fluxcap with --file-prefix rte" in shown.written
        assert b"\x1b" not in shown.written
    finally:
        shown.close()
