#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The guest as a box that runs fluxcap, and what the tests do with it."""

import json
import signal
import time

import frames as fr
from qemu import NICS, WINDOW, Machine, Nic, Wire, wait_for

STALL_S = 20  # a guest under TCG may stand still for a while
IPV6_HEADER = 40
QUIET_S = 0.3  # in which a frame too many would arrive
PREFIX = "vfio"
LCORES = "-l 0-2"  # 0 controls, 1 is on node 0, 2 on node 1

OURS = fr.address4(1000)  # of the tests, and of the guest's interface that they ping
THEIRS = fr.address4(1001)
PREFIX_LENGTH = 24


def corpus(seed: int, lengths: list[int]) -> list[bytes]:
    """Frames of these lengths, untagged, tagged once and twice, as NICs of QEMU send them.

    QEMU's e1000e and vmxnet3 parse what they send, and drop a frame whose IP header lies or is not
    all there.
    """
    maker = fr.Maker(seed)
    maker.kinds = [kind for kind in maker.kinds if kind != maker._garbage]
    made = [maker.frame(length, tags=maker.tags(n)) for length in lengths for n in (0, 1, 2)
            if 14 + 4 * n + IPV6_HEADER <= length]
    maker.random.shuffle(made)
    return made


class Broker:
    """A fluxcap in the guest, started by fluxcap-run."""

    def __init__(self, machine: Machine, config: dict, lcores: str):
        self.machine = machine
        self.log = "/share/fluxcap.log"
        machine.ask("write_file", path="/share/eal.args",
                    text=f"{lcores}\n--file-prefix {PREFIX}\n")
        self._write(config)
        self.pid = machine.ask("start", log=self.log,
                               command=["fluxcap-run", "/share/eal.args", "/share/run.json"])
        self._wait_running()

    def _write(self, config: dict) -> None:
        self.machine.ask("write_file", path="/share/run.json", text=json.dumps(config))

    def reload(self, config: dict) -> dict:
        """Go on with another configuration; what it says to that."""
        self._write(config)
        answer = self.telemetry("/fluxcap/reload")[0]
        assert answer["result"] == "ok", (answer, self.text())
        return answer

    def _wait_running(self):
        def runs():
            answers = self.machine.ask("telemetry", prefix=PREFIX, commands=["/fluxcap/info"])
            if answers is not None and answers[0] is not None:
                return True
            assert self.is_alive(), f"fluxcap has ended: {self.text()}"
            return False
        wait_for(runs, "fluxcap", 90, 0.2)

    def text(self) -> str:
        return self.machine.ask("read_file", path=self.log)

    def is_alive(self) -> bool:
        return self.machine.ask("wait", pid=self.pid, timeout_s=0) is None

    def telemetry(self, *commands: str) -> list:
        answers = self.machine.ask("telemetry", prefix=PREFIX, commands=commands)
        assert answers is not None, f"fluxcap does not listen: {self.text()}"
        return answers

    def tap(self, name: str) -> dict:
        return self.telemetry(f"/fluxcap/tap,{name}")[0]

    def output(self, name: str) -> dict:
        return self.telemetry(f"/fluxcap/output,{name}")[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        self.machine.ask("send_signal", pid=self.pid, number=number)
        status = self.machine.ask("wait", pid=self.pid, timeout_s=60)
        assert status is not None, f"fluxcap does not end: {self.text()}"
        return status


class Box:
    """The guest with its NICs; those of QEMU's list by their number."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self._running = None
        self._is_shared = False
        by_mac = {mac: (address, name) for address, nic in self.nics().items()
                  for name, mac in nic["interfaces"].items()}
        self.addresses = [by_mac[nic.mac][0] for nic in NICS]

    def nics(self) -> dict:
        return self.machine.ask("nics")

    def nic(self, nic: Nic) -> dict:
        """What the guest's kernel says of a NIC."""
        return self.nics()[self.addresses[nic.number]]

    def interface(self, nic: Nic) -> str:
        """The name of the kernel's interface of a NIC."""
        return wait_for(lambda: next(iter(self.nic(nic)["interfaces"]), None),
                        f"interface of {nic}")

    def wire(self, nic: Nic) -> Wire:
        return self.machine.wires[nic.number]

    def write_config(self, config: dict) -> str:
        path = "/share/box.json"
        self.machine.ask("write_file", path=path, text=json.dumps(config))
        return path

    def host(self, *arguments: str) -> dict:
        """Run fluxcap-host."""
        return self.machine.run("fluxcap-host", *arguments, timeout_s=120)

    def prepare(self, config: dict) -> None:
        done = self.host("prepare", self.write_config(config))
        assert done["status"] == 0, done

    def start(self, config: dict, lcores: str = LCORES) -> Broker:
        """A fluxcap of one's own; ends the one that runs."""
        self._end()
        self._running, self._is_shared = Broker(self.machine, config, lcores), False
        return self._running

    def share(self, config: dict) -> Broker:
        """A fluxcap that runs on for other cases, which must all give the same configuration."""
        if not self._is_shared or not self._running.is_alive():
            self.start(config)
            self._is_shared = True
        return self._running

    def _end(self) -> None:
        running, self._running, self._is_shared = self._running, None, False
        if running is not None and running.is_alive():
            running.stop(signal.SIGKILL)

    def clean(self) -> None:
        """End what a case has left running for itself, and mend its cables."""
        if not self._is_shared:
            self._end()
        for nic in NICS:
            if self.machine.has_device(nic):
                self.machine.set_link(nic, True)

    def carry(self, source: Nic, frames: list[bytes], sinks: list[Nic],
              expected: list[bytes] | None = None) -> None:
        """Put frames in at one NIC: just these, or those expected, must come out of each sink, in
        order, and nothing anywhere else. Few are on their way at a time, so that no queue can run
        over."""
        expected = frames if expected is None else expected
        n_lost = len(frames) - len(expected)
        wires = [self.wire(sink) for sink in sinks]
        others = [self.wire(nic) for nic in NICS if nic not in sinks]
        start = {id(wire): len(wire.received) for wire in wires + others}

        def n_out():
            return min(len(wire.received) - start[id(wire)] for wire in wires)

        progress, since, n_sent = 0, time.monotonic(), 0
        while progress < len(expected) and time.monotonic() - since < STALL_S:
            if n_sent < len(frames) and n_sent - progress < WINDOW + n_lost:
                self.wire(source).send(frames[n_sent])
                n_sent += 1
            else:
                time.sleep(0.002)
            if n_out() > progress:
                progress, since = n_out(), time.monotonic()
        for frame in frames[n_sent:]:
            self.wire(source).send(frame)
        time.sleep(QUIET_S)
        for sink, wire in zip(sinks, wires):
            compare(f"from {source.model} {source.number} to {sink.model} {sink.number}",
                    expected, wire.received[start[id(wire)]:])
        for wire in others:
            compare("where nothing belongs", [], wire.received[start[id(wire)]:])

    def ping(self, nic: Nic) -> None:
        """The kernel's interface of a NIC answers ARP and ping from outside."""
        name = self.interface(nic)
        self.machine.do("ip", "address", "replace",
                        f"{text4(THEIRS)}/{PREFIX_LENGTH}", "dev", name)
        self.machine.do("ip", "link", "set", name, "up")
        wire, mac = self.wire(nic), bytes.fromhex(nic.mac.replace(":", ""))
        asked = fr.ether(fr.arp(OURS, THEIRS), fr.ETHERTYPE_ARP, dst=b"\xff" * 6)
        echo = fr.icmp(b"still there?", 7, 1)
        pinged = fr.ether(fr.ipv4(echo, 1, OURS, THEIRS), fr.ETHERTYPE_IPV4, dst=mac)
        try:
            for request, is_answer in (
                    (asked, lambda frame: frame[6:14] + frame[20:22] == mac + b"\x08\x06\x00\x02"),
                    (pinged, lambda frame: frame[6:14] == mac + b"\x08\x00"
                     and frame[34:36] == b"\0\0" and frame[38:].startswith(echo[4:]))):
                start = len(wire.received)

                def answered():
                    wire.send(request)
                    return any(map(is_answer, wire.received[start:]))
                wait_for(answered, f"answer by {name} of {nic}", every_s=0.2)
        finally:
            self.machine.do("ip", "address", "flush", "dev", name)


def text4(address: bytes) -> str:
    return ".".join(map(str, address))


def compare(what: str, expected: list[bytes], received: list[bytes]) -> None:
    """Fail unless both are the same frames in the same order; say where they part."""
    if received == expected:
        return
    first = next((i for i, (one, other) in enumerate(zip(expected, received)) if one != other),
                 min(len(expected), len(received)))
    there = [list_[first].hex() if first < len(list_) else "nothing"
             for list_ in (expected, received)]
    raise AssertionError(f"{what}: {len(received)} of {len(expected)} frames, and number {first} is"
                         f"\n{there[1]}\ninstead of\n{there[0]}")
