#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a fluxcap whose configuration is changed while it runs, and says whether a reload was right.

A test changes the rig's taps, outputs, ports and lcores, and then has the fluxcap reload: the rig
writes its file anew, and from then on it is what the rig says.
"""

import copy
import json
import signal
import subprocess
import time
from pathlib import Path

import fluxcap
import frames as fr
from netns import TIMEOUT

CTL = fluxcap.BUILD / "app" / "fluxcap-ctl"
SENDER = Path(__file__).resolve().parent / "numbered_sender.py"

WAYS = ("telemetry", "ctl", "signal")

# Of net_af_packet: room for two seconds of what a Sender sends.
WIDE = {"framecnt": 8192}

# They say how it is now, or are of the port and not of the object; all others only grow.
LEVELS = {"queued", "queued_bytes", "pool_free", "pool_size", "ring_bytes", "ring_buffers",
          "fragments_waiting", "unaccounted", "last_change", "busy_cycles", "idle_cycles"}


class ReloadRig(fluxcap.Rig):
    """A fluxcap to be run from a file, and what it has been told to be so far."""

    def __init__(self, folder):
        super().__init__(folder)
        self.short_form = False
        self.whole_files = False
        self.lcores = {"idle_us": 50}
        self.memory_mb = 1000
        self._applied = None

    def command(self, *options):
        self._applied = self._objects()
        return super().command(*options)

    def late_port(self, driver, **arguments):
        """The name of a port that EAL does not have yet; its arguments are in the file."""
        name = f"{driver}{next(self._n_ports)}"
        devargs = ",".join(f"{key}={value}" for key, value in arguments.items())
        self.ports[name] = {"devargs": devargs}
        return name

    def late_file(self):
        """A port that EAL does not have yet and that writes a file; its name and the file."""
        path = self.path(f"late{next(self._n_ports)}.pcap")
        return self.late_port("net_pcap", tx_pcap=path), path

    def _objects(self):
        """What makes a tap, an output and a feed that one which it was."""
        taps = {name: tap["port"] for name, tap in self.taps.items()}
        outputs = {name: output["port"] for name, output in self.outputs.items()}
        feeds = {(tap, name): (taps.get(tap), output["port"])
                 for name, output in self.outputs.items() for tap in output["from"]}
        return {"taps": taps, "outputs": outputs, "feeds": feeds}

    def applied(self):
        """Remember that what the rig says now has become true."""
        old, new = self._applied, self._objects()
        self.later &= set(new["feeds"])
        for (tap, output), key in new["feeds"].items():
            if old["taps"].get(tap) != new["taps"][tap]:
                self.later.discard((tap, output))
            elif old["feeds"].get((tap, output)) != key:
                self.later.add((tap, output))
        stays = {name for name in new["outputs"]
                 if old["outputs"].get(name) == new["outputs"][name]}
        self.ended = {output for output in self.ended if output in stays} | {
            output for (tap, output), key in old["feeds"].items()
            if output in stays and new["feeds"].get((tap, output)) != key}
        for port in {*old["outputs"].values(), *new["outputs"].values()}:
            before, after = ({key: value for key, value in one["feeds"].items()
                              if value[1] == port} for one in (old, new))
            if before != after:
                self.restless.add(port)
        self._applied = new

    def same(self):
        """The objects that are still those which they were at the last reload, as keys of
        counters()."""
        old, new = self._applied, self._objects()
        return {(kind[:-1], name) for kind in new for name, key in new[kind].items()
                if old[kind].get(name) == key}

    def start(self, *options, stop_signal=signal.SIGTERM):
        return Reloading(self, self.command(*options), stop_signal)


class Reloading(fluxcap.Running):
    """A fluxcap in the background that can be told to reload."""

    def write(self):
        """Write the configuration that the rig has now."""
        path = self.rig.path("config.json")
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self.rig.config(), indent=2))
        new.replace(path)

    def info(self):
        return self.telemetry("/fluxcap/info")

    def reload(self, way="telemetry", ok=True):
        """Reload what the rig says; the answer, where this way gives one."""
        self.write()
        return self.reload_file(way, ok)

    def reload_file(self, way="telemetry", ok=True):
        """Reload what the file says."""
        before = self.info()
        answer = getattr(self, f"_by_{way}")(before, ok)
        info = self.info()
        wanted = "ok" if ok else "failed"
        assert info["last_reload_result"] == wanted, (info, answer)
        if ok:
            assert info["reloads"] == before["reloads"] + 1, (before, info)
            self.rig.applied()
        return answer

    def _ask(self, command):
        """An answer with whole findings: long ones come in pieces that begin with a blank."""
        answer = self.telemetry(command)
        findings = []
        for piece in answer["findings"]:
            if piece.startswith(" "):
                findings[-1] += piece
            else:
                findings.append(piece)
        return answer | {"findings": findings}

    def _by_telemetry(self, _before, ok):
        answer = self._ask("/fluxcap/reload")
        assert answer["result"] == ("ok" if ok else "failed"), answer
        assert not answer["dry_run"]
        return answer

    def _by_ctl(self, _before, ok):
        done = self.ctl("reload")
        assert done.returncode == (0 if ok else 1), done
        return done

    def _by_signal(self, before, ok):
        def is_done():
            info = self.info()
            return (info["last_reload_result"] == ("ok" if ok else "failed") and
                    (info["reloads"] > before["reloads"] or not ok))
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(is_done, "an end of the reload")

    def ctl(self, *arguments):
        """Run fluxcap-ctl for this fluxcap."""
        return subprocess.run([CTL, "-f", self.rig.prefix, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT, check=False)

    def dry_run(self, ok=True):
        """What a reload would say."""
        self.write()
        answer = self._ask("/fluxcap/reload,dry-run")
        assert answer["dry_run"], answer
        assert answer["result"] == ("ok" if ok else "failed"), answer
        return answer

    def counters(self):
        """Every tap, output and feed, by ("tap", NAME), ("output", NAME) and ("feed", (T, O))."""
        found = {("tap", name): self.tap(name) for name in self.telemetry("/fluxcap/taps")}
        found |= {("output", name): self.output(name)
                  for name in self.telemetry("/fluxcap/outputs")}
        for pair in self.telemetry("/fluxcap/feeds"):
            tap, output = pair.split(",")
            found["feed", (tap, output)] = self.feed(tap, output)
        return found

    def wait_quiet(self):
        """Wait until nothing is on its way but what waits in backlogs."""
        def is_quiet():
            first = self.counters()
            time.sleep(2 * fluxcap.POLL)
            return first == self.counters() and all(
                one.get("unaccounted", 0) == 0 for one in first.values())
        self.wait_for(is_quiet, "standstill")

    def wait_feed(self, tap, output, packets):
        self.wait_for(lambda: self.feed(tap, output)["tx_packets"] >= packets,
                      f"{packets} packets of {tap} sent by {output}")

    def pools(self):
        return sorted(self.telemetry("/mempool/list"))

    def port_ids(self):
        return self.telemetry("/ethdev/list")

    def file_descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def shrunken(before, after, same):
    """Counters that have become less, of objects that are in both and in `same`."""
    return [f"{kind} {name}: {field} was {value}, is {after[kind, name][field]}"
            for (kind, name), fields in before.items() if (kind, name) in same
            for field, value in fields.items()
            if isinstance(value, int) and field not in LEVELS
            and after[kind, name][field] < value]


class Sender:
    """Sends numbered frames by an interface of a namespace, when told and from when told on."""

    def __init__(self, namespace, interface, length=64):
        self.process = subprocess.Popen(
            namespace.words("/usr/bin/python3", "-B", SENDER, interface, length),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.n_sent = 0

    def _tell(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def _ask(self, word):
        self._tell(word)
        line = self.process.stdout.readline()
        assert line, "the sender has ended"
        self.n_sent = int(line)
        return self.n_sent

    def send(self, count):
        """Send so many frames more; how many were sent in all."""
        return self._ask(count)

    def begin(self):
        """Send until stop()."""
        self._tell("begin")

    def stop(self):
        """How many were sent in all."""
        return self._ask("stop")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def wire_tap(rig, namespace, name="a", length=64, **keys):
    """A tap on one end of a veth pair, and who sends from the other."""
    rig.namespace = namespace.name
    namespace.veth(f"{name}-in0", f"{name}-in1")
    rig.tap(name, port=rig.vdev("net_af_packet", iface=f"{name}-in1", **WIDE), **keys)
    return Sender(namespace, f"{name}-in0", length)


def numbers(frames, length=64):
    """The numbers of frames that a Sender sent, each of which must be as it was sent."""
    found = list(map(fr.number_of, frames))
    for number, frame in zip(found, frames):
        assert frame == fr.numbered(1, length, start=number)[0], frame.hex()
    return found


def send_through(sender, count, running, output, listener, n_before=0):
    """Send frames, and expect them at the listener: each one, in order, and no others.

    n_before says how many the output had sent already.
    """
    n_sent = sender.send(count)
    running.wait_sent(output, n_before + count)
    assert numbers(listener.wait_frames(count)) == list(range(n_sent - count, n_sent))


def changed(thing, **keys):
    """A copy of a tap or an output with other keys; None takes one away."""
    made = copy.deepcopy(thing) | keys
    return {key: value for key, value in made.items() if value is not None}
