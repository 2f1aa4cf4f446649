#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A random walk over what can happen to a running broker, all of it under traffic.

Reloads good and bad, interfaces that vanish and return with other queues and MTUs, links that go
down, outputs that stand still and recover, tunnels with and without a next hop, clients and captures
that come and are killed; one to three workers. After each step fluxcap is alive and its counters have
only grown; at the end every packet is accounted for and every pool is full.

A seed is a walk that can be repeated but for its timing. FLUXCAP_WALK_SEEDS (such as 5 or 1-20) and
FLUXCAP_WALK_SECONDS (of each) say how far it goes; see docs/testing.md. FLUXCAP_BUILD may be a build
with sanitizers.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time

import pytest

import fluxcap
import hugepages
import reloading
from test_dumpcap_killed import Dumpcap

SECONDS = float(os.environ.get("FLUXCAP_WALK_SECONDS", "10"))
SIGNALS = ("INT", "TERM", "HUP", "QUIT", "KILL")
MTUS = (1500, 1500, 600, 9000)
PAIRS = ("v0", "v1", "v2")
EDITS = (
    {}, {}, {"truncate": 60}, {"trim": 10}, {"vlan": {"push": 100}}, {"vlan": {"pop": 1}},
    {"vlan": {"push": [7, 8]}, "truncate": 70}, {"filter": "ether[11] & 1 = 1"},
    {"sample": 50}, {"filter": "ip or vlan", "vlan": {"push": 9}},
)
RINGS = ("512k", "1m", "4m", "16m")
PACE = fluxcap.BUILD / "tests" / "bench" / "pace.so"

# Sends by an interface until it is gone or time is up: frames of some lengths, MACs and tags.
TORRENT = """
import random, socket, sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
draw = random.Random(name)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
end = time.monotonic() + seconds
try:
    s.bind((name, 0))
    while time.monotonic() < end:
        tag = draw.choice((b"", bytes.fromhex("81000007"), bytes.fromhex("81000007 88a80008")))
        frame = draw.randbytes(12) + tag + b"\\x08\\x00" + bytes(draw.randrange(46, 560))
        try:
            s.send(frame)
        except BlockingIOError:
            pass
        time.sleep(0.0005)
except OSError:
    pass
"""


def seeds():
    first, _, last = os.environ.get("FLUXCAP_WALK_SEEDS", "1-3").partition("-")
    return range(int(first), int(last or first) + 1)


class Walk:
    """What has been done to a fluxcap, and what may be done next."""

    def __init__(self, rig, namespace, folder, seed):
        self.rig, self.namespace, self.folder = rig, namespace, folder
        self.random = random.Random(seed)
        self.there, self.others, self.trail, self.young = {}, [], [], {}
        self.running, self.alike, self.can_capture = None, set(), False
        rig.namespace, rig.n_lcores = namespace.name, self.random.randrange(1, 4) + 1
        rig.lcores = {"idle_us": 50}
        for pair in PAIRS:
            self.make(pair)
        self.wires = {pair: rig.vdev("net_af_packet", iface=f"{pair}b", qpairs=2, framesz=4096,
                                     blocksz=65536, framecnt=1024) for pair in PAIRS}
        self.nulls = [rig.vdev("net_null", size=100) for _ in range(4)]
        self.source = rig.vdev("net_null", size=120)
        self.draw()

    # the world

    def make(self, pair):
        mtu = self.random.choice(MTUS)
        self.namespace.plain_veth(f"{pair}a", f"{pair}b", mtu)
        self.there[pair] = mtu
        self.others.append(subprocess.Popen(
            self.namespace.words("/usr/bin/python3", "-c", TORRENT, f"{pair}a", SECONDS + 60),
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def vanish(self):
        pair = self.random.choice(sorted(self.there))
        self.namespace.delete_link(f"{pair}a")
        del self.there[pair]
        return pair

    def come_back(self):
        pair = self.random.choice([one for one in PAIRS if one not in self.there])
        self.make(pair)
        return f"{pair} with MTU {self.there[pair]}"

    def flap(self):
        pair, end = self.random.choice(sorted(self.there)), self.random.choice("ab")
        self.namespace.down(pair + end)
        time.sleep(self.random.random() / 2)
        self.namespace.up(pair + end)
        return pair + end

    def change_mtu(self):
        pair, mtu = self.random.choice(sorted(self.there)), self.random.choice(MTUS)
        for end in "ab":
            self.namespace.execute("ip", "link", "set", pair + end, "mtu", mtu)
        return f"{pair} to {mtu}"

    # the configuration

    def draw(self):
        """Another configuration; some of its objects have been there before, with other keys."""
        draw, rig = self.random, self.rig
        rig.taps = {"null": {"port": self.source, "ring": draw.choice(RINGS),
                             **draw.choice(EDITS)}}
        for pair in draw.sample(PAIRS, draw.randrange(0, 3)):
            rig.taps[pair] = {"port": self.wires[pair], "ring": draw.choice(RINGS),
                              **draw.choice(EDITS)}
        rig.outputs = {}
        for name in draw.sample([f"o{i}" for i in range(8)], draw.randrange(2, 8)):
            port = draw.choice([*self.nulls, *self.wires.values()])
            rig.outputs[name] = {"port": port, **draw.choice(EDITS), "from": draw.sample(
                sorted(rig.taps), draw.randrange(1, len(rig.taps) + 1))}
            if draw.random() < 0.3:
                rig.outputs[name]["encap"] = self.tunnel(name)
        used = {one["port"] for one in [*rig.taps.values(), *rig.outputs.values()]}
        rig.ports = {port: {"optional": True} for port in self.wires.values() if port in used}
        for pair in PAIRS:
            if pair in rig.taps:
                rig.ports[self.wires[pair]]["rx_queues"] = draw.choice((1, 2))

    def tunnel(self, name):
        """Over IPv4 or IPv6; half of them know their next hop, the others never find one."""
        draw, host = self.random, int(name[1]) + 1
        family = draw.choice((4, 6))
        encap = {"type": draw.choice(("gre", "gretap", "erspan2", "erspan3", "vxlan", "geneve")),
                 "local": f"192.0.2.{host}/24" if family == 4 else f"2001:db8::{host}/64",
                 "remote": "192.0.2.99" if family == 4 else "2001:db8::99",
                 "oversize": draw.choice(("fragment", "truncate", "drop"))}
        if encap["type"] not in ("gre", "gretap"):
            encap["key"] = host
        return encap | ({"mac": "02:00:00:00:00:99"} if draw.random() < 0.5 else {})

    def reload(self):
        """To another configuration, or back when fluxcap says that this one cannot be."""
        rig = self.rig
        before = (rig.taps, rig.outputs, rig.ports)
        self.draw()
        self.running.write()
        answer = self.running.telemetry("/fluxcap/reload")
        self.alike = rig.same()
        if answer["result"] == "ok":
            rig.applied()
        else:
            rig.taps, rig.outputs, rig.ports = before
        return answer["result"], answer.get("findings")

    def reload_nonsense(self):
        text = json.dumps(self.rig.config())
        at = self.random.randrange(len(text))
        wrong = self.random.choice((text[:at], text[:at] + "\0" + text[at:], "[]",
                                    text.replace("port", "prot", 1)))
        self.rig.path("config.json").write_text(wrong)
        assert self.running.telemetry("/fluxcap/reload")["result"] == "failed", wrong

    # others

    def look(self):
        """Clients, some of which are killed while they ask."""
        words = self.random.choice((["show"], ["show", "--json"], ["io"], ["reload", "--dry-run"]))
        self.start([reloading.CTL, "-f", self.rig.prefix, *words], stdout=subprocess.DEVNULL)
        return words

    def capture(self):
        objects = [*self.rig.taps.values(), *self.rig.outputs.values()]
        port = self.random.choice(objects)["port"]
        one = Dumpcap(self.rig.prefix, port, self.folder / f"{len(self.trail)}.pcapng")
        self.others.append(one.process)
        self.young[one.process.pid] = time.monotonic()
        return port

    def start(self, words, **keys):
        self.others.append(subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL, **keys))

    def kill(self):
        """End one of the others, by any signal.

        A DPDK process that is killed while it starts can leave a lock of EAL's held for ever, which
        nobody can mend; test_dumpcap_killed.py has that.
        """
        old = time.monotonic() - 2
        living = [one for one in self.others
                  if one.poll() is None and self.young.get(one.pid, 0) < old]
        how = self.random.choice(SIGNALS)
        if living:
            self.random.choice(living).send_signal(getattr(signal, f"SIG{how}"))
        return how

    def end_others(self):
        while self.others:
            one = self.others.pop()
            one.kill()
            one.communicate()

    # the walk

    def steps(self):
        steps = [self.reload] * 6 + [self.reload_nonsense, self.look, self.kill]
        if self.can_capture:
            steps += [self.capture, self.kill]
        if self.there:
            steps += [self.vanish, self.vanish, self.flap, self.change_mtu]
        if len(self.there) < len(PAIRS):
            steps += [self.come_back] * 3
        return steps

    def go(self, running):
        self.running = running
        running.be_patient(120)  # EAL asks each other DPDK process when a port comes or goes
        before = running.counters()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            step = self.random.choice(self.steps())
            self.alike = self.rig.same()
            self.trail.append((step.__name__, step()))
            time.sleep(self.random.choice((0, 0.02, 0.1, 0.4)))
            after = running.counters()
            wrong = reloading.shrunken(before, after, self.alike & set(after))
            assert not wrong, wrong
            before = after


def use_shared_memory(walk, stack):
    """Captures need huge pages; without them the walk goes without captures."""
    try:
        folder = stack.enter_context(hugepages.mounted(walk.folder / "huge"))
    except pytest.skip.Exception:
        return
    hugepages.use(walk.rig, folder)
    walk.can_capture = True


def use_unruly_ports(walk):
    """One output's port takes little all the time, and one nothing for a while."""
    if not PACE.exists():
        return
    original = walk.rig.command
    variables = {"LD_PRELOAD": PACE, "FC_SLOW": f"{walk.nulls[0]}=20000",
                 "FC_GATE": f"{walk.nulls[1]}=2000", "FC_GATE_MS": 1500,
                 "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def command(*options):
        words = original(*options)
        at = words.index(str(fluxcap.BINARY))
        return [*words[:at], "env", *(f"{name}={value}" for name, value in variables.items()),
                *words[at:]]

    walk.rig.command = command


@pytest.mark.parametrize("seed", seeds())
def test_whatever_happens(reload_rig, namespace, tmp_path, seed):
    with contextlib.ExitStack() as stack:
        walk = Walk(reload_rig, namespace, tmp_path, seed)
        use_shared_memory(walk, stack)
        use_unruly_ports(walk)
        stack.callback(walk.end_others)
        try:
            with reload_rig.start() as running:
                walk.go(running)
                walk.end_others()
                running.stop()
        except BaseException:
            print(*walk.trail, sep="\n")
            raise
