#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stand-in for the telemetry of a running fluxcap: it answers what a test tells it to.

Run as a program it serves counters that grow, to look at fluxcap-ctl without a fluxcap:

    RUNTIME_DIRECTORY=/tmp/demo tests/e2e/fake_telemetry.py &
    RUNTIME_DIRECTORY=/tmp/demo fluxcap-ctl io
"""

import copy
import json
import os
import socket
import threading
import time
from pathlib import Path

MAX_OUTPUT = 16384


class Raw:
    """An answer that is sent byte for byte, without JSON around it."""

    def __init__(self, data):
        self.data = data if isinstance(data, bytes) else data.encode()


class Close:
    """Instead of an answer: the connection is closed."""


class Silence:
    """Instead of an answer: nothing, for as long as the client waits."""


def envelope(command, value):
    """An answer as DPDK writes it: without blanks."""
    return json.dumps({command.split(",")[0]: value}, separators=(",", ":")).encode()


class FakeTelemetry:
    """A SOCK_SEQPACKET server in a thread.

    answers maps a whole command ("/fluxcap/tap,cisco") to a value, to Raw, Close or Silence, or to
    a function that gives one of them; an unknown command is answered with null, as DPDK does. It
    may be changed while the server runs. Every command that came is kept in `asked`.
    """

    def __init__(self, directory, answers, prefix="rte", greeting=None, number=0):
        self.answers = answers
        self.greeting = greeting
        self.pid = os.getpid()
        self.asked = []
        self.path = Path(directory) / "dpdk" / prefix / ("dpdk_telemetry.v2" +
                                                           (f":{number}" if number else ""))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.connections = []
        self.listener = None

    def start(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.path))
        self.listener.listen(8)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self, keep_socket=False):
        """End as a process does: all connections close; the socket's name may stay behind."""
        listener, self.listener = self.listener, None
        if listener is not None:
            # Closing alone does not wake a thread that waits in accept().
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections.clear()
        if not keep_socket:
            self.path.unlink(missing_ok=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                if self._send_greeting(connection):
                    while request := connection.recv(1023):
                        if not self._answer(connection, request.decode()):
                            return
            except OSError:
                return

    def _send_greeting(self, connection):
        greeting = self.greeting
        if greeting is None:
            greeting = {"version": "DPDK 22.11.0", "pid": self.pid, "max_output_len": MAX_OUTPUT}
        return self._send(connection, greeting, lambda value: json.dumps(value).encode())

    def _answer(self, connection, command):
        self.asked.append(command)
        value = self.answers.get(command)
        if callable(value) and not isinstance(value, type):
            value = value()
        return self._send(connection, value, lambda value: envelope(command, value))

    @staticmethod
    def _send(connection, value, encode):
        if isinstance(value, Close) or value is Close:
            return False
        if isinstance(value, Silence) or value is Silence:
            connection.recv(1)  # returns when the client gives up
            return False
        connection.send(value.data if isinstance(value, Raw) else encode(value))
        return True


TAP_REASONS = ["not_ours", "malformed", "filtered", "sampled_out", "nombuf"]
FEED_REASONS = ["handoff_full", "overrun", "filtered", "sampled_out", "unresolved", "oversize",
                "nombuf", "tx_refused"]


def with_bytes(names):
    return {key: 0 for name in names for key in (name, name + "_bytes")}


def tap(port="net_pcap0", **values):
    fields = {"port": port, "link": "up", "rx_packets": 0, "rx_bytes": 0, "rx_missed": 0,
              "rx_nombuf": 0, "rx_errors": 0}
    fields |= with_bytes(TAP_REASONS + ["forwarded"])
    fields |= {"ring_bytes": 64 << 20, "pool_size": 1000, "pool_free": 1000,
               "unaccounted": 0}
    return fields | values


def feed(**values):
    fields = with_bytes(["forwarded"] + FEED_REASONS)
    fields |= {"tx_packets": 0, "tx_bytes": 0, "tx_frames": 0}
    return fields | with_bytes(["queued"]) | {"unaccounted": 0} | values


def output(port="net_pcap1", **values):
    return {"port": port, "link": "up", "tx_errors": 0} | feed(**values)


def fluxcap(taps=None, outputs=None, feeds=None, lcores=None, info=None):
    """The answers of a whole fluxcap; feeds maps (TAP, OUTPUT) to fields."""
    taps = {"cisco": tap()} if taps is None else taps
    outputs = {"ids": output()} if outputs is None else outputs
    feeds = {(t, o): feed() for t in taps for o in outputs} if feeds is None else feeds
    answers = {
        "/fluxcap/info": {"version": "0.1.0", "uptime_s": 93784, "config": "/etc/fluxcap.json",
                          "last_reload": "never", "last_reload_result": "none",
                          "tsc_hz": 2000000000}
                         | (info or {}),
        "/fluxcap/taps": list(taps),
        "/fluxcap/outputs": list(outputs),
        "/fluxcap/feeds": [f"{t},{o}" for t, o in feeds],
        "/fluxcap/lcores": {"1": {"role": "rx+tx", "ports": "net_pcap0 net_pcap1",
                                  "busy_cycles": 250, "idle_cycles": 750}}
                           if lcores is None else lcores,
    }
    for name, fields in taps.items():
        answers[f"/fluxcap/tap,{name}"] = fields
    for name, fields in outputs.items():
        answers[f"/fluxcap/output,{name}"] = fields
    for (tap_name, output_name), fields in feeds.items():
        answers[f"/fluxcap/feed,{tap_name},{output_name}"] = fields
    return answers


class Growing:
    """An answer whose counters grow by a fixed step each time it is asked for."""

    def __init__(self, fields, **steps):
        self.fields = copy.deepcopy(fields)
        self.steps = steps

    def __call__(self):
        for key, step in self.steps.items():
            self.fields[key] += step
        return dict(self.fields)


class Flowing:
    """An answer whose counters grow with time, at rates per second."""

    def __init__(self, fields, **rates):
        self.fields = fields
        self.rates = rates
        self.start = time.monotonic()

    def __call__(self):
        seconds = time.monotonic() - self.start
        return self.fields | {key: int(self.fields[key] + rate * seconds)
                              for key, rate in self.rates.items()}


def demo():
    """A busy broker: two taps, three outputs, one of them too slow, one without link."""
    ids = {"tx_packets": 1.09e6, "tx_bytes": 1.05e9}
    remote = {"tx_packets": 1.1e5, "tx_bytes": 1.2e8, "overrun": 9.8e5}
    waiting = {"queued": 48211, "queued_bytes": 61 << 20}
    return fluxcap(
        taps={
            "cisco": Flowing(tap("0000:03:00.0", pool_free=870), rx_packets=1.21e6,
                             rx_bytes=1.17e9, filtered=1.2e5),
            "dell": Flowing(tap("0000:03:00.1"), rx_packets=310, rx_bytes=41000, malformed=2),
        },
        outputs={
            "ids": Flowing(output("0000:04:00.0"), **ids),
            "remote": Flowing(output("0000:04:00.1", **waiting), **remote),
            "archive-of-everything-since-1999": output("0000:05:00.0", link="down"),
        },
        feeds={
            ("cisco", "ids"): Flowing(feed(), tx_packets=1.09e6 - 310, tx_bytes=1.05e9 - 41000),
            ("dell", "ids"): Flowing(feed(), tx_packets=310, tx_bytes=41000),
            ("cisco", "remote"): Flowing(feed(**waiting), **remote),
            ("dell", "archive-of-everything-since-1999"): feed(),
        },
        lcores={"1": Flowing({"role": "rx+tx", "ports": "0000:03:00.0", "busy_cycles": 0,
                              "idle_cycles": 0}, busy_cycles=1.7e9, idle_cycles=3e8),
                "2": Flowing({"role": "tx", "ports": "0000:04:00.1", "busy_cycles": 0,
                              "idle_cycles": 0}, busy_cycles=2e8, idle_cycles=1.8e9)})


def main():
    directory = os.environ.get("RUNTIME_DIRECTORY", "/tmp/fake-telemetry")
    answers = demo()
    lcores = answers["/fluxcap/lcores"]
    answers["/fluxcap/lcores"] = lambda: {key: value() for key, value in lcores.items()}
    with FakeTelemetry(directory, answers) as server:
        print(server.path, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
