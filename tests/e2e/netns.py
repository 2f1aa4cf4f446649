#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Network namespaces with veth pairs, players and listeners for the port tests."""

import signal
import subprocess
import time

import frames as fr

TIMEOUT = 60  # seconds


def command(*words):
    """Run a command that must succeed and give what it prints."""
    done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout


class Namespace:
    """One network namespace, deleted with everything in it."""

    def __init__(self, name):
        self.name = name

    def create(self):
        command("ip", "netns", "add", self.name)
        self.execute("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1",
                     "net.ipv6.conf.default.disable_ipv6=1")

    def delete(self):
        subprocess.run(["ip", "netns", "del", self.name], stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=TIMEOUT, check=False)

    def words(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def execute(self, *words):
        return command(*self.words(*words))

    def veth(self, one, other, mtu=1500):
        """A pair of interfaces, up, without addresses, without offloads, silent."""
        command("ip", "-n", self.name, "link", "add", one, "mtu", mtu, "type", "veth",
                "peer", "name", other, "mtu", mtu)
        for end in (one, other):
            self.up(end)
            self.execute("ethtool", "-K", end, "rx", "off", "tx", "off", "gro", "off", "gso",
                         "off", "tso", "off", "txvlan", "off", "rxvlan", "off")

    def plain_veth(self, one, other, mtu=1500):
        """A pair of interfaces as they come: up, with their offloads."""
        command("ip", "-n", self.name, "link", "add", one, "mtu", mtu, "type", "veth",
                "peer", "name", other, "mtu", mtu)
        for end in (one, other):
            self.up(end)

    def up(self, interface, arp=False):
        words = ["ip", "-n", self.name, "link", "set", interface]
        command(*words, "up", *([] if arp else ["arp", "off"]))

    def down(self, interface):
        command("ip", "-n", self.name, "link", "set", interface, "down")

    def delete_link(self, interface):
        command("ip", "-n", self.name, "link", "del", interface)

    def play(self, interface, path, packets_per_second=4000):
        """Send a capture, evenly spaced, so that small kernel rings keep up."""
        self.execute("tcpreplay", "-q", "--pps", packets_per_second, "-i", interface, path)

    def listen(self, interface, path, direction="in", expression=""):
        return Listener(self, interface, path, direction, expression)


class Listener:
    """A tcpdump that writes what passes an interface, from before the block to its end.

    Its direction is in, out or inout; an expression keeps the frames that match.
    """

    def __init__(self, namespace, interface, path, direction="in", expression=""):
        self.namespace, self.interface, self.path = namespace, interface, path
        self.direction, self.expression = direction, expression
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.namespace.words("tcpdump", "-i", self.interface, "-Q", self.direction, "-n", "-U",
                                 "-s", "0", "-B", "16384", "-Z", "root", "-w", self.path,
                                 *([self.expression] if self.expression else [])),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = self.process.stderr.readline()
        if b"listening on" not in line:
            self.__exit__(None, None, None)
            raise RuntimeError(f"tcpdump on {self.interface}: {line.decode(errors='replace')}")
        return self

    def frames(self):
        return fr.read_pcap(self.path)

    def wait_for(self, enough):
        """Wait until the frames in the file are enough, or in vain, and give them all."""
        end = time.monotonic() + TIMEOUT
        got = []
        while time.monotonic() < end:
            try:
                got = self.frames()
            except ValueError:
                pass  # a record is being written
            if enough(got):
                break
            time.sleep(0.05)
        return got

    def wait_frames(self, count):
        """Wait until so many frames are in the file, or in vain, and give them all."""
        return self.wait_for(lambda frames: len(frames) >= count)

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
