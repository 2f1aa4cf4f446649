#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-ctl io on a terminal: what is to be seen there, its keys, and that it is given back.

pyte is the terminal: it keeps the screen as xterm would, and the tests read that.
"""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time

import pyte
import pytest

from fake_telemetry import Close, Growing, Silence, feed, fluxcap, output, tap
from test_ctl import BINARY, HANG, ctl  # noqa: F401 (a fixture)

ENTER = b"\x1b[?1049h"
LEAVE = b"\x1b[?1049l"
HOME = b"\x1b[H"
LONG = "a-name-of-thirty-one-characters"


class Terminal:
    """A process on a terminal of its own, what it wrote there, and what is seen of that."""

    def __init__(self, environment, *arguments, size=(24, 80), **options):
        self.master, self.slave = pty.openpty()
        self.screen = pyte.Screen(size[1] or 80, min(size[0] or 24, 200))
        self.stream = pyte.ByteStream(self.screen)
        self.set_size(*size)
        self.before = termios.tcgetattr(self.slave)
        self.written = b""
        files = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}
        self.process = subprocess.Popen(options.pop("command", [BINARY, *arguments]),
                                        env=environment, process_group=0, **files | options)

    def set_size(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        self.set_size(lines, columns)
        self.screen.resize(lines, columns)
        self.process.send_signal(signal.SIGWINCH)

    def read(self, timeout=0.05):
        """Take what there is; whether there was anything."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        part = os.read(self.master, 65536)
        self.written += part
        self.stream.feed(part)
        return True

    def read_until(self, done, patience=HANG):
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, "waited in vain:\n" + "\n".join(self.lines())
            self.read()

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def see(self, pattern):
        """Wait until a whole refresh shows something; that."""
        def find():
            return re.search(pattern, "\n".join(self.lines()), re.M)
        self.read_until(find)
        while self.read(0.02):
            pass
        return find() or self.see(pattern)

    def names(self):
        """The names of the rows, from the top."""
        return [line[1:].split()[0] for line in self.lines() if line[1:].strip()
                and re.match(r"[ !^*] ?<?[\w.~-]+ +(up|down|gone|-) ", line)]

    def press(self, keys):
        os.write(self.master, keys)

    def colours(self, text):
        """The foregrounds in which a text is drawn where it is first seen."""
        for y, line in enumerate(self.screen.display):
            if text in line:
                x = line.index(text)
                return {self.screen.buffer[y][x + i].fg for i in range(len(text))}
        raise AssertionError(f"{text!r} is not on the screen")

    def wait(self, patience=HANG):
        self.read_until(lambda: self.process.poll() is not None, patience)
        while self.read(0.2):
            pass
        return self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def answers():
    found = fluxcap(
        taps={"cisco": tap(), LONG: tap(link="down")},
        outputs={"ids": output(queued=10**13), "web": output(link="gone")})
    found["/fluxcap/tap,cisco"] = Growing(tap(), rx_packets=10**10, rx_bytes=10**13)
    found["/fluxcap/output,ids"] = Growing(output(queued=10**13), overrun=10**9)
    found["/fluxcap/feed,cisco,ids"] = Growing(feed(queued=10**13, queued_bytes=60 << 20),
                                               overrun=10**9, oversize=10**6)
    return found


@pytest.fixture
def terminal(ctl, answers):  # noqa: F811
    opened = []

    def start(*arguments, size=(24, 80), environment=None, **options):
        opened.append(Terminal(ctl.environment | (environment or {}), *arguments, size=size,
                               **options))
        return opened[-1]

    with ctl.serve(answers) as start.server:
        yield start
        for one in opened:
            one.close()


def check_given_back(terminal):
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert terminal.written.count(ENTER) == terminal.written.count(LEAVE)
    # The cursor and wrapping are on again.
    for code in (b"\x1b[?25", b"\x1b[?7"):
        assert terminal.written.rindex(code + b"h") > terminal.written.rindex(code + b"l")
    assert terminal.written[terminal.written.rindex(LEAVE):] == LEAVE


def test_80_columns(terminal):
    shown = terminal("io", "--interval", "0.1")
    shown.see(r"^!ids +up +0 +0 +\d")
    lines = shown.lines()
    assert re.fullmatch(r"fluxcap 0\.1\.0  process .*~  (every|over) [0-9.]+ s  [0-9:]{8}", lines[0])
    assert re.fullmatch(r" tap +link bit/s pkt/s +missed +bad filter +pool queued ring 1k +100G",
                        lines[1])
    assert re.match(r".total +- ", lines[2])
    # Its ring is nearly full, and a name is cut so that it shows.
    assert re.match(r"\^cisco +up .* 94%", lines[3])
    assert re.match(r" a-name-of-t~ down ", lines[4])
    assert re.fullmatch(r" output +link bit/s pkt/s overrun handoff filter other queued ring",
                        lines[5])
    assert re.match(r" web +gone ", lines[8])
    assert lines[9].startswith("lcores  1 rx+tx ") and lines[-1].startswith("q quit  ? help")
    # Numbers stand below the right end of their title.
    assert lines[7][:lines[5].index("ring") + len("ring")].endswith("94%")
    assert shown.colours("!ids") == {"red", "default"} and shown.colours("gone") == {"red"}
    assert shown.colours("94%") == {"brown"} and shown.colours("up") == {"default"}
    shown.press(b"q")
    assert shown.wait() == 0
    assert shown.written.startswith(ENTER)
    check_given_back(shown)


class Tmux:
    """A process in a window of a tmux of its own."""

    def __init__(self, folder, environment, *command, size):
        self.command = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self.environment = environment | {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.run("new-session", "-d", "-x", str(size[1]), "-y", str(size[0]), "-s", "ctl",
                 "sleep 1000")
        self.run("set-option", "-g", "status", "off")
        self.run("resize-window", "-t", "ctl", "-x", str(size[1]), "-y", str(size[0]))
        self.run("respawn-pane", "-k", "-t", "ctl", shlex.join(map(str, command)))

    def run(self, *arguments):
        return subprocess.run([*self.command, *arguments], env=self.environment, check=True,
                              timeout=HANG, capture_output=True, text=True).stdout

    def lines(self):
        return self.run("capture-pane", "-p", "-t", "ctl").split("\n")

    def close(self):
        self.run("kill-server")


@pytest.mark.parametrize("size", [(24, 80), (24, 50), (40, 131), (12, 80), (9, 81)])
def test_tmux_shows_the_last_column(terminal, ctl, answers, tmp_path, size):  # noqa: F811
    """Also where a line fills the window, and the last line, too."""
    answers.update(fluxcap(taps={"cisco": tap(), LONG: tap(link="down")},
                           outputs={f"o{i:02}": output() for i in range(8)}))
    still = {"LC_ALL": "C.UTF-8"}
    shown = terminal("io", "--interval", "0.1", size=size, environment=still)
    seen = Tmux(tmp_path, ctl.environment | still, BINARY, "io", "--interval", "0.1", size=size)

    def same():
        shown.read()
        # The first line has the time of day; tmux leaves empty lines at the end out.
        want, got = ([line.rstrip() for line in lines[1:]] + [""] * size[0]
                     for lines in (shown.lines(), seen.lines()))
        return want[:size[0] - 1] == got[:size[0] - 1] and len(max(want, key=len)) == size[1]

    try:
        shown.see(r"^ (output|o00)")
        shown.read_until(same)
    finally:
        seen.close()


def test_ends_by_itself(terminal):
    shown = terminal("io", "--count", "3", "--interval", "0.1")
    assert shown.wait() == 0
    # The first sample, then three refreshes.
    assert shown.written.count(HOME) == 4
    check_given_back(shown)


def test_no_colour(terminal):
    shown = terminal("io", "--interval", "0.1", environment={"NO_COLOR": "1"})
    shown.see(r"^!ids +up ")
    shown.press(b"q")
    assert shown.wait() == 0
    assert set(re.findall(rb"\x1b\[[0-9;]*m", shown.written)) <= {b"\x1b[0m"}


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}])
def test_dumb_terminal(terminal, environment):
    shown = terminal("io", "--count", "1", "--interval", "0.1", environment=environment)
    assert shown.wait() == 0
    assert b"\x1b" not in shown.written and b"!ids" in shown.written


def test_not_a_terminal_for_keys(terminal):
    """Keys come from standard input; the screen is standard output."""
    shown = terminal("io", "--count", "2", "--interval", "0.1", stdin=subprocess.DEVNULL)
    assert shown.wait() == 0
    assert shown.written.count(HOME) == 3
    check_given_back(shown)


def test_without_utf8(terminal):
    shown = terminal("io", "--interval", "0.1", environment={"LC_ALL": "C"})
    shown.see(r"^\^cisco .* #+")
    assert shown.written.isascii()
    shown = terminal("io", "--interval", "0.1")
    shown.see(r"^\^cisco .* █+")


def test_follows_the_window(terminal):
    shown = terminal("io", "--interval", "3600")
    shown.see(r"^lcores")
    assert LONG not in "\n".join(shown.lines())
    # At once: the next refresh is an hour away.
    shown.resize(24, 200)
    shown.see(LONG)
    shown.resize(24, 50)
    shown.see(r"^ tap +link bit/s pkt/s drops queued ring$")
    shown.resize(24, 30)
    shown.see(r"^ tap +link bit/s drops$")
    shown.process.send_signal(signal.SIGINT)
    assert shown.wait() == 0
    check_given_back(shown)


def test_scrolls(terminal, answers):
    outputs = {f"o{i:02}": output() for i in range(30)}
    answers.update(fluxcap(taps={"cisco": tap()}, outputs=outputs, feeds={}))
    for name in ("o25", "o26"):
        answers[f"/fluxcap/output,{name}"] = Growing(output(), overrun=1000)
    shown = terminal("io", "--interval", "0.1", size=(12, 80))
    # 36 lines, of which 11 are seen beside the last.
    shown.see(r"^\+25 below  !2 of them  q quit")
    assert shown.names() == ["cisco", "total", "o00", "o01", "o02", "o03", "o04", "o05"]
    shown.press(b"\x1b[6~")  # Page Down
    shown.see(r"^\+\d+ above  \+\d+ below  !2 of them")
    # The heads of the rows stay.
    assert re.match(r" output +link", shown.lines()[1]) and shown.names()[0] == "total"
    shown.press(b"\x1bOF")  # End
    shown.see(r"^\+25 above")
    assert shown.names()[-1] == "o29" and shown.lines()[-2].startswith("lcores")
    shown.press(b"k")
    shown.see(r"^\+24 above  \+1 below")
    shown.press(b"\x1b[B")  # Down
    shown.see(r"^\+25 above  q")
    shown.press(b"\x1b[1~")  # Home
    shown.see(r"^\+25 below  !2 of them")
    # What loses most comes first when asked for.
    shown.press(b"d")
    shown.see(r"^!o25(.*\n)*!o26(.*\n)*\+25 below  q")


@pytest.mark.parametrize("size", [(1, 1), (2, 10), (0, 0), (65535, 65535)])
def test_odd_windows(terminal, size):
    shown = terminal("io", "--count", "2", "--interval", "0.1", size=size)
    shown.stream.feed = lambda part: None
    assert shown.wait() == 0
    check_given_back(shown)


def test_feeds_and_reasons(terminal):
    shown = terminal("io", "--interval", "0.1")
    shown.see(r"^!ids")
    assert "<cisco" not in "\n".join(shown.lines())
    shown.press(b"f")
    shown.see(r"^!ids.*\n! <cisco .*\n  <a-name-of~ ")
    shown.press(b"w")
    shown.see(r"^! <cisco .*\n    overrun [0-9.]+G  oversize [0-9.]+M\n  <a-name-of~ ")
    shown.press(b"f")
    shown.see(r"^!ids.*\n    overrun [0-9.]+G\n web")
    # In columns where there is room for them.
    shown.resize(24, 200)
    shown.see(r"^ output .* handoff_full +overrun +unresolved ")
    shown.press(b"w")
    shown.see(r"^ output .* overrun +handoff +filter ")


def test_sorts(terminal):
    shown = terminal("io", "--interval", "0.1")
    shown.see(r"^!ids")
    shown.press(b"n")
    shown.see("by name")
    assert shown.names() == ["total", "a-name-of-t~", "cisco", "total", "ids", "web"]
    shown.press(b"r")
    shown.see("by name reversed")
    assert shown.names() == ["total", "cisco", "a-name-of-t~", "total", "web", "ids"]
    shown.press(b"r>")
    shown.see("by bits  ")
    shown.press(b"\x1b[C\x1bOC")  # Right, as terminals send it in either mode
    shown.see("by drops")
    shown.press(b"\x1b[D<<")
    shown.see("by name")
    shown.press(b"c")
    shown.read_until(lambda: "by name" not in shown.lines()[0])
    shown.see(r"^ web")
    assert shown.names() == ["total", "cisco", "a-name-of-t~", "total", "ids", "web"]


def test_key_in_pieces(terminal):
    """A slow line may bring an arrow key byte by byte."""
    shown = terminal("io", "--interval", "3600", "--sort", "bits")
    shown.see("by bits")
    for part in (b"\x1b", b"[", b"C"):
        shown.press(part)
        shown.read(0.05)
    shown.see("by packets")
    assert "Keys" not in shown.lines()[0]


def test_holds(terminal, answers):
    shown = terminal("io", "--interval", "0.1")
    shown.see(r"^!ids")
    shown.press(b" ")
    shown.see(r"^held")
    held = shown.lines()
    asked = len(terminal.server.asked)
    shown.read_until(lambda: len(terminal.server.asked) > asked + 30)
    assert shown.lines() == held
    # Held is what is known, not how it is drawn.
    shown.press(b"n")
    shown.see("by name")
    rows = {line[1:13]: line for line in held[2:]}
    assert {line[1:13]: line for line in shown.lines()[2:]} == rows
    answers["/fluxcap/tap,cisco"] = tap()
    shown.press(b" ")
    shown.see(r"^.cisco +up +0 +0 ")
    assert "held" not in "\n".join(shown.lines())


def test_interval(terminal):
    shown = terminal("io", "--interval", "3600")
    shown.see("every 3600 s")
    shown.press(b"+")
    shown.see("every 3600 s")
    shown.press(b"-" * 12)
    # It need not wait for the hour to end.
    shown.see(r"^!ids")
    shown.see("every 0.5 s")
    shown.press(b"=")
    shown.see("every 1 s")


def test_help(terminal):
    shown = terminal("io", "--interval", "0.1", size=(40, 80))
    shown.see(r"^!ids")
    for key in (b"?", b"h", b"\x1bOP"):
        shown.press(key)
        shown.see(r"^Keys$")
        text = "\n".join(shown.lines())
        assert all(part in text for part in ("quit", "loses packets now", "overrun", "ring"))
        shown.press(b"\x1b")
        shown.see(r"^!ids")
    shown.resize(10, 40)
    shown.press(b"?")
    shown.see(r"^\+\d+ below  any key")
    shown.press(b"\x1b[6~")
    shown.see(r"^\+\d+ above  \+\d+ below")
    shown.press(b"q")
    assert shown.wait() == 0
    check_given_back(shown)


def test_draws_again(terminal):
    """After something else wrote on the screen."""
    shown = terminal("io", "--interval", "3600")
    shown.see("^lcores")
    shown.stream.feed(b"\x1b[20Hgarbage")
    assert "garbage" in "\n".join(shown.lines())
    shown.press(b"\x0c")
    shown.read_until(lambda: "garbage" not in "\n".join(shown.lines()))
    shown.see("^lcores")


def test_process_that_ends_and_comes_back(terminal):
    shown = terminal("io", "--interval", "0.1")
    shown.see(r"^!ids")
    server = terminal.server
    server.stop()
    shown.see(r"^no counters, trying again: ")
    shown.see(r"^.cisco +- +- +- +- ")
    server.pid = 4242
    server.start()
    shown.see(r"^connected to a new process, 4242: ")
    shown.see(r"^!ids +up ")
    # The same one again: only the connection was lost.
    server.answers["/fluxcap/info"] = iter([Close]).__next__
    shown.see(r"^no counters, trying again: ")
    server.answers["/fluxcap/info"] = fluxcap()["/fluxcap/info"]
    shown.see(r"^connected again")
    shown.press(b"q")
    assert shown.wait() == 0
    check_given_back(shown)


def test_keys_while_no_answer_comes(terminal, answers):
    """A process that hangs does not hang the view."""
    shown = terminal("--timeout", "3600", "io", "--interval", "0.1")
    shown.see(r"^!ids")
    answers["/fluxcap/taps"] = Silence
    asked = terminal.server.asked
    shown.read_until(lambda: asked[-1] == "/fluxcap/taps")
    shown.press(b"n")
    shown.see("by name")
    shown.resize(24, 30)
    shown.see(r"^ tap +link bit/s drops$")
    shown.press(b"q")
    assert shown.wait() == 0
    check_given_back(shown)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals(terminal, number):
    shown = terminal("io", "--interval", "3600")
    shown.see("^lcores")
    shown.process.send_signal(number)
    assert shown.wait() == 0
    check_given_back(shown)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_crash(terminal, number):
    """Even then the terminal is of use afterwards, and the shell is told."""
    shown = terminal("io", "--interval", "3600")
    shown.see("^lcores")
    shown.process.send_signal(number)
    assert shown.wait() != 0
    assert termios.tcgetattr(shown.slave) == shown.before
    assert LEAVE in shown.written and b"\x1b[?25h" in shown.written


def wait_stopped(shown):
    _, status = os.waitpid(shown.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def test_stop_and_continue(terminal):
    shown = terminal("io", "--interval", "3600")
    shown.see("^lcores")
    shown.process.send_signal(signal.SIGTSTP)
    shown.read_until(lambda: LEAVE in shown.written)
    wait_stopped(shown)
    assert termios.tcgetattr(shown.slave) == shown.before
    shown.screen.reset()
    shown.process.send_signal(signal.SIGCONT)
    shown.read_until(lambda: shown.written.count(ENTER) == 2)
    shown.see("^lcores")
    shown.press(b"n")
    shown.see("by name")
    shown.process.send_signal(signal.SIGINT)
    assert shown.wait() == 0
    check_given_back(shown)


def test_stopped_without_warning(terminal):
    """SIGSTOP leaves no time to give the terminal back; the shell does what it can, and after
    that the view takes it again."""
    shown = terminal("io", "--interval", "3600")
    shown.see("^lcores")
    shown.process.send_signal(signal.SIGSTOP)
    wait_stopped(shown)
    termios.tcsetattr(shown.slave, termios.TCSANOW, shown.before)
    shown.screen.reset()
    shown.process.send_signal(signal.SIGCONT)
    shown.see("^lcores")
    assert not termios.tcgetattr(shown.slave)[3] & (termios.ECHO | termios.ICANON)
    shown.press(b"q")
    assert shown.wait() == 0
    assert termios.tcgetattr(shown.slave) == shown.before


def test_job_control(terminal):
    """Ctrl-Z, a command, and fg, as a user of a shell does it."""
    shell = terminal(command=["setsid", "--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"],
                     environment={"PS1": "$ ", "HISTFILE": ""})
    modes = b"clear; stty -a | grep -oE -- '-?(icanon|echo)\\b' | xargs echo modes$((1 + 1))\r"
    shell.see(r"^\$")
    shell.press(f"{BINARY} io --interval 3600\r".encode())
    shell.see(r"^lcores")
    shell.press(b"\x1a")
    shell.see(r"Stopped")
    shell.press(modes)
    shell.see(r"^modes2 icanon echo$")
    shell.press(b"fg\r")
    shell.see(r"^lcores")
    shell.press(b"n")
    shell.see("by name")
    shell.press(b"q")
    shell.read_until(lambda: shell.written.count(LEAVE) == 2)
    shell.press(b"clear; echo status$((1 + 1)) $?\r")
    shell.see(r"^status2 0$")
    shell.press(modes)
    shell.see(r"^modes2 icanon echo$")
    shell.press(b"exit\r")
    assert shell.wait() == 0


def test_nobody_there(ctl):  # noqa: F811
    shown = Terminal(ctl.environment, "io")
    try:
        assert shown.wait() == 1
        assert b"no fluxcap with --file-prefix rte" in shown.written
        assert b"\x1b" not in shown.written
    finally:
        shown.close()
