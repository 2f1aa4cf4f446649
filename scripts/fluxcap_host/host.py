# SPDX-License-Identifier: MIT
"""The one way to this machine: its files below /sys, /proc, /dev and /run, and its commands."""

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time

STOPS = "stops"  # fluxcap would not start, or must not
SLOWS = "slows"
NOTE = "note"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong, with whom, and a command (or a sentence) that mends it."""
    severity: str
    subject: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}" if self.subject else self.what


class Failure(Exception):
    """Why it was not done: one or more findings."""
    status = 1

    def __init__(self, *findings: Finding):
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings


class Mistake(Failure):
    """The same in what the user gave: an argument, a file."""
    status = 2


def failure(subject: str, what: str, mend: str = "") -> Failure:
    return Failure(Finding(STOPS, subject, what, mend))


def mistake(subject: str, what: str, mend: str = "") -> Mistake:
    return Mistake(Finding(STOPS, subject, what, mend))


class Host:
    """A machine, seen through its file system and a few commands. Tests have others."""

    def __init__(self, root: str = "/"):
        self.root = root
        self.environ = os.environ

    def path(self, name: str) -> str:
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name: str, default: str = "") -> str:
        """The text of a file without the white space around it; default when it cannot be read."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return default

    def number(self, name: str, default: int = -1) -> int:
        try:
            return int(self.read(name), 0)
        except ValueError:
            return default

    def write(self, name: str, text: str) -> None:
        """Give text to a file of the kernel in one write."""
        file = os.open(self.path(name), os.O_WRONLY)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)

    def names(self, name: str) -> list[str]:
        """What is in a directory, sorted; nothing when there is none."""
        try:
            return sorted(os.listdir(self.path(name)))
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def link(self, name: str) -> str:
        """The last part of what a symbolic link points to, '' when it is none."""
        return os.path.basename(self.target(name))

    def target(self, name: str) -> str:
        try:
            return os.readlink(self.path(name))
        except OSError:
            return ""

    def owner(self, name: str) -> tuple[int, int]:
        found = os.stat(self.path(name))
        return found.st_uid, found.st_gid

    def chown(self, name: str, user: int, group: int) -> None:
        os.chown(self.path(name), user, group)

    def make_directory(self, name: str) -> None:
        os.makedirs(self.path(name), exist_ok=True)

    def remove_directory(self, name: str) -> None:
        os.rmdir(self.path(name))

    def run(self, *argv: str) -> str:
        """The output of a command."""
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False, env={**self.environ, "LC_ALL": "C"})
        except FileNotFoundError:
            raise failure(argv[0], "no such program", f"apt-get install {package(argv[0])}") \
                from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
            raise failure(" ".join(argv), said)
        return done.stdout

    def ip(self, *argv: str) -> list[dict]:
        """What `ip -j` prints."""
        return json.loads(self.run("ip", "-j", *argv) or "[]")

    def catch_signals(self) -> None:
        """Let the signals that end a process be a KeyboardInterrupt, which undoes."""
        for number in SIGNALS:
            signal.signal(number, interrupt)

    def ignore_signals(self) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def parents(self) -> list[int]:
        """This process and those that started it."""
        pids, pid = [], os.getpid()
        while pid > 0 and pid not in pids:
            pids.append(pid)
            fields = self.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            pid = int(fields[1]) if len(fields) > 1 else 0
        return pids

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def clock(self) -> float:
        return time.monotonic()

    def say(self, text: str) -> None:
        print(text, flush=True)

    def warn(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def package(program: str) -> str:
    """The Debian package that a program is in."""
    return {"ip": "iproute2", "modprobe": "kmod", "ldd": "libc-bin"}.get(program, program)


def reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno in errno.errorcode else str(error)
