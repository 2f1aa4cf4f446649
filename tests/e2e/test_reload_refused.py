#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reloads that are refused, tried without effect, or asked for many times at once."""

import copy
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import fluxcap
import frames as fr
import model
from netns import TIMEOUT
from reloading import WAYS, numbers, wire_tap

N = 100


def set_in(config, path, value):
    *parents, last = path.split("/")
    for name in parents:
        config = config.setdefault(name, {})
    config[last] = value


def put(path, value):
    """A configuration with a value at a place."""
    def change(config):
        set_in(config, path, value)
    return change


def drop(path):
    def change(config):
        *parents, last = path.split("/")
        for name in parents:
            config = config[name]
        del config[last]
    return change


def port(path, name, **settings):
    """A configuration in which some tap or output is on another port."""
    def change(config):
        set_in(config, path, name)
        if settings:
            set_in(config, f"ports/{name}", settings)
    return change


def both(*changes):
    def change(config):
        for one in changes:
            one(config)
    return change


ENCAP = {"type": "vxlan", "local": "192.0.2.1/24", "remote": "192.0.2.9", "key": 1,
         "mac": "02:00:00:00:99:09"}

# What is wrong, and what the answer must speak of.
MISTAKES = {
    "a key that is unknown": (put("outputs/x/truncat", 60), "outputs.x.*truncat"),
    "a value out of range": (put("outputs/x/vlan", {"push": 5000}), "outputs.x.vlan.push.*5000"),
    "a value of another type": (put("outputs/x/truncate", "long"), "outputs.x.truncate"),
    "a tap that is not there": (put("outputs/x/from", ["a", "nosuch"]), "nosuch"),
    "no taps": (put("taps", {}), "taps"),
    "no port": (drop("taps/a/port"), "taps.a.*port"),
    "two taps on one port": (put("taps/b", {"port": "PORT_A"}), "taps.b"),
    "a name that is too long": (put("taps/" + "n" * 32, {"port": "net_null77"}), "n" * 32),
    "a filter that is none": (put("outputs/x/filter", "tcp prot 80"), "outputs.x.filter"),
    "a sample of nothing": (put("outputs/x/sample", 0), "outputs.x.sample"),
    "a vdev that is not there": (port("outputs/x/port", "net_af_packet77"), "net_af_packet77"),
    "a driver that is none": (port("outputs/x/port", "net_nosuch7", devargs="x=y"), "net_nosuch7"),
    "an interface that is not there": (
        port("outputs/x/port", "net_af_packet78", devargs="iface=nosuch0"), "net_af_packet78"),
    "a capture that is not there": (
        port("outputs/x/port", "net_pcap79", devargs="rx_pcap=/nonexistent/file"), "net_pcap79"),
    "a NIC that is not there": (port("outputs/x/port", "0000:ff:1f.7"), "0000:ff:1f.7"),
    "more memory than there is": (put("taps/a/ring", "64g"), "memory|taps.a.ring"),
    "more memory for a new tap than there is": (
        both(put("taps/new", {"port": "net_null78", "ring": "64g"}),
             put("ports/net_null78", {"devargs": "size=64"}), put("outputs/x/from", ["a", "new"])),
        "memory|taps.new.ring"),
    "other lcores that receive": (put("lcores/rx", [2]), "lcores"),
    "other lcores that send": (put("lcores/tx", [1]), "lcores"),
    "an lcore that EAL does not have": (put("lcores/tx", [77]), "lcores"),
    "an MTU that the port cannot have": (put("ports/PORT_A/mtu", 65000), "mtu"),
    "queues that the port does not have": (put("ports/PORT_A/rx_queues", 64), "queues"),
    "a tunnel without a VNI": (put("outputs/x/encap", {k: v for k, v in ENCAP.items()
                                                       if k != "key"}), "outputs.x.encap"),
    "one address on two ports": (both(put("outputs/x/encap", ENCAP), put("outputs/y/encap", ENCAP)),
                                 "192.0.2.1"),
}

TEXTS = {
    "nothing": "", "half": '{"taps": {', "no object": "[1, 2]", "a key twice":
    '{"taps": {"a": {"port": "net_null0"}, "a": {"port": "net_null1"}}, "outputs": {}}',
    "bytes": "\0\1\2", "a long line": '{"' + "x" * 100000 + '": 1}',
}


class Settled:
    """A fluxcap with traffic, and what must still hold after a reload that was refused."""

    def __init__(self, rig, sender, running):
        self.rig, self.sender, self.running = rig, sender, running
        self.count = 0

    def check(self):
        """Frames pass as the rig says."""
        running = self.running
        self.count = self.sender.send(N)
        running.wait_sent("x", self.count)
        running.wait_sent("y", self.count)

    def picture(self):
        """All that telemetry says and a reload could change."""
        running = self.running
        running.wait_quiet()
        found = running.counters()
        for one in found.values():
            one.pop("last_change", None)
        lcores = {lcore: (about["role"], about["ports"])
                  for lcore, about in running.telemetry("/fluxcap/lcores").items()}
        info = {key: value for key, value in running.info().items() if key != "uptime_s"}
        return {"objects": found, "lcores": lcores, "info": info, "pools": running.pools(),
                "ports": running.port_ids(), "files": running.file_descriptors(),
                "heap": {key: value for key, value in
                         running.telemetry("/eal/heap_info,0").items()
                         if key in ("Alloc_count", "Alloc_size")}}

    def put(self, text):
        self.rig.path("config.json").write_text(text)


@pytest.fixture
def settled(reload_rig, namespace):
    rig = reload_rig
    rig.n_lcores = 3
    rig.lcores = {"rx": [1], "tx": [2], "idle_us": 50}
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a", vlan={"push": 100})
        rig.output("y", "a")
        with rig.start() as running:
            made = Settled(rig, sender, running)
            made.check()
            yield made
            if running.result is None:
                result = running.stop()
                assert result.frames("x") == model.apply(fr.numbered(made.count),
                                                         {"vlan": {"push": 100}})
                assert numbers(result.frames("y")) == list(range(made.count))


@pytest.mark.parametrize("change, told", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_changes_nothing(settled, change, told):
    """Its findings are the answer and in the log, info says that it failed, and nothing else is
    different; what is right is taken afterwards."""
    rig, running = settled.rig, settled.running
    before = settled.picture()
    config = copy.deepcopy(rig.config())
    change(config)
    text = json.dumps(config).replace("PORT_A", rig.taps["a"]["port"])
    settled.put(text)
    answer = running.reload_file(ok=False)
    errors = [one.removeprefix("error: ") for one in answer["findings"]
              if one.startswith("error: ")]
    assert any(re.search(told, one) for one in errors), answer
    log = running.texts()[1]
    for one in errors:
        assert one in log
    after = settled.picture()
    assert after["info"].pop("last_reload") != "never"
    assert after["info"].pop("last_reload_result") == "failed"
    assert after["info"].pop("last_reload_error") in errors[0]
    for key in ("last_reload", "last_reload_result", "last_reload_error", "reloads"):
        before["info"].pop(key)
        after["info"].pop(key, None)
    before.pop("heap"), after.pop("heap")  # test_reload_ports.py looks at that
    assert after == before
    settled.check()
    running.reload()  # what the rig says: no change
    settled.check()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_file_that_cannot_be_read(settled, text):
    settled.put(text)
    answer = settled.running.reload_file(ok=False)
    assert answer["findings"]
    settled.check()
    settled.running.reload()


@pytest.mark.parametrize("make", ["missing", "folder", "loop"])
def test_a_file_that_is_none(settled, make):
    path = settled.rig.path("config.json")
    path.unlink()
    if make == "folder":
        path.mkdir()
    elif make == "loop":
        path.symlink_to(path.name)
    answer = settled.running.reload_file(ok=False)
    assert any(str(path) in one for one in answer["findings"]), answer
    settled.check()
    if make == "folder":
        path.rmdir()
    settled.running.reload()
    settled.check()


@pytest.mark.parametrize("way", WAYS)
def test_each_way_says_that_it_was_refused(settled, way):
    settled.put('{"taps": {}, "outputs": {"x": {"prot": "net_null0"}}}')
    answer = settled.running.reload_file(way, ok=False)
    if way == "ctl":
        assert answer.returncode == 1 and "prot" in answer.stdout + answer.stderr
    assert "prot" in settled.running.texts()[1]
    settled.check()
    settled.running.reload(way)
    assert settled.running.info()["last_reload_result"] == "ok"
    settled.check()


def test_a_mistake_does_not_hide_the_others(settled):
    """All of them are told at once."""
    settled.put(json.dumps({"taps": {"a": {"port": settled.rig.taps["a"]["port"], "rign": "1m"}},
                            "outputs": {"x": {"port": "net_null0", "from": ["b"], "trim": -1}}}))
    answer = settled.running.reload_file(ok=False)
    for word in ("rign", "outputs.x.from", "trim"):
        assert any(one.startswith("error: ") and word in one for one in answer["findings"]), answer


def test_very_many_findings(settled):
    """More than an answer of telemetry can hold: it is an answer all the same."""
    config = settled.rig.config()
    config = config | {"outputs": {f"o{n}": {"port": f"net_null{n}", "from": ["nosuch" * 5]}
                                   for n in range(1000)}}
    settled.put(json.dumps(config))
    answer = settled.running.reload_file(ok=False)
    assert len(answer["findings"]) > 50
    settled.check()
    assert settled.running.ctl("reload").returncode == 1
    settled.running.reload()


def test_ctl_without_a_fluxcap(tmp_path):
    done = subprocess.run(
        [fluxcap.BUILD / "app" / "fluxcap-ctl", "-f", fluxcap.new_prefix(), "reload"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
        check=False, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr


@pytest.mark.parametrize("arguments", [["--wet"], ["now"], ["--dry-run", "more"]])
def test_ctl_with_wrong_usage(settled, arguments):
    before = settled.running.info()["reloads"]
    assert settled.running.ctl("reload", *arguments).returncode == 2
    assert settled.running.info()["reloads"] == before


def test_a_command_line_cannot_be_reloaded(reload_rig):
    """There is no file to be read again; it says so and goes on."""
    rig = reload_rig
    rig.short_form, rig.lcores = True, {}
    rig.tap("a", fr.numbered(N))
    rig.output("x", "a")
    with rig.start() as running:
        running.wait_sent("x", N)
        answer = running.reload_file(ok=False)
        assert any("command line" in one for one in answer["findings"]), answer
        running.process.send_signal(signal.SIGHUP)
        assert running.ctl("reload").returncode == 1
        result = running.stop()
    assert numbers(result.frames("x")) == list(range(N))


# Dry runs

def changes_of(rig, spare):
    """Configurations, each of which changes something else."""
    yield "nothing", {}
    yield "an edit", {"outputs": rig.outputs | {"x": rig.outputs["x"] | {"truncate": 60}}}
    yield "an output more", {"outputs": rig.outputs | {
        "new": {"port": spare, "from": ["a"], "encap": ENCAP}}}
    yield "an output less", {"outputs": {"x": rig.outputs["x"]}}
    yield "a port by devargs", {
        "outputs": rig.outputs | {"new": {"port": "net_null90", "from": ["a"]}},
        "ports": {"net_null90": {"devargs": "copy=1"}}}
    yield "a larger ring", {"taps": {"a": rig.taps["a"] | {"ring": "32m"}}}
    yield "a smaller ring", {"taps": {"a": rig.taps["a"] | {"ring": "1m"}}}
    yield "outputs that share the window", {"outputs": rig.outputs | {
        f"n{number}": {"port": spare, "from": ["a"], "trim": 1 + number} for number in range(10)}}


@pytest.mark.parametrize("case", range(8))
def test_a_dry_run_changes_nothing(reload_rig, namespace, case):
    """It says what the reload says that is done afterwards."""
    rig = reload_rig
    with wire_tap(rig, namespace) as sender:
        rig.output("x", "a")
        rig.output("y", "a")
        spare = rig.vdev("net_null")
        with rig.start() as running:
            settled = Settled(rig, sender, running)
            settled.check()
            _, keys = list(changes_of(rig, spare))[case]
            for key, value in keys.items():
                setattr(rig, key, value)
            running.dry_run()  # what it needs once is there afterwards
            before = settled.picture()
            answer = running.dry_run()
            by_ctl = running.ctl("reload", "--dry-run")
            assert by_ctl.returncode == 0, by_ctl
            assert settled.picture() == before
            assert answer["changes"] > 0 or case == 0
            settled.sender.send(N)
            running.wait_sent("x", 2 * N)
            running.wait_quiet()
            done = running.reload()
            assert done["changes"] == answer["changes"]
            assert not done["dry_run"]
            said, will_say = ([one for one in each["findings"] if "packets" not in one]
                              for each in (done, answer))
            assert said == will_say
            for one in answer["findings"]:
                assert one in by_ctl.stdout + by_ctl.stderr
            settled.sender.send(N)
            running.wait_sent("x", 3 * N)
            running.stop()


def test_a_dry_run_of_mistakes(settled):
    """It tells them, and the last reload stays the one that it was."""
    before = settled.running.info()
    settled.put(json.dumps(settled.rig.config() | {"taps": {}}))
    answer = settled.running.telemetry("/fluxcap/reload,dry-run")
    assert (answer["result"], answer["dry_run"]) == ("failed", 1) and answer["findings"]
    assert settled.running.ctl("reload", "--dry-run").returncode == 1
    after = settled.running.info()
    for info in (before, after):
        info.pop("uptime_s")
    assert after == before
    settled.check()


# Many at once

def test_a_storm_of_signals(settled):
    """The file as it is at the last of them is what holds in the end."""
    rig, running = settled.rig, settled.running
    x = rig.outputs["x"]
    for number in range(50):
        rig.outputs = {"x": x} | {f"more{n}": {"port": "net_null91", "from": ["a"], "trim": 1 + n}
                                  for n in range(number % 7)}
        rig.ports = {"net_null91": {"devargs": "size=64"}} if number % 7 else {}
        running.write()
        running.process.send_signal(signal.SIGHUP)
        if number % 10 == 9:
            settled.sender.send(N)
    rig.outputs, rig.ports = {"x": x, "last": {"port": "net_null92", "from": ["a"]}}, {
        "net_null92": {"devargs": "size=64"}}
    running.write()
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(lambda: running.telemetry("/fluxcap/outputs") == ["x", "last"],
                     "the last configuration")
    assert running.info()["last_reload_result"] == "ok"
    assert 1 <= running.info()["reloads"] <= 51
    rig.applied()
    settled.count = settled.sender.send(N)
    running.wait_sent("x", settled.count)
    running.wait_sent("last", N)
    result = running.stop()
    assert result.frames("x") == model.apply(fr.numbered(settled.count), {"vlan": {"push": 100}})


def test_clients_that_reload_at_once(settled):
    """Each gets an answer about a whole reload, and signals come on top."""
    rig, running = settled.rig, settled.running
    variants = itertools.cycle([{}, {"truncate": 60}, {"trim": 2}])
    answers, stop = [], threading.Event()

    def ask(command):
        client = fluxcap.Telemetry(rig.prefix)
        try:
            while not stop.is_set():
                answers.append(client(command))
        finally:
            client.close()

    threads = [threading.Thread(target=ask, args=(command,)) for command in (
        "/fluxcap/reload", "/fluxcap/reload", "/fluxcap/reload,dry-run")]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            rig.outputs["y"] = {key: rig.outputs["y"][key] for key in ("port", "from")}
            rig.outputs["y"] |= next(variants)
            running.write()
            running.process.send_signal(signal.SIGHUP)
            settled.count = settled.sender.send(20)
            time.sleep(0.02)
    finally:
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT)
    assert len(answers) > 6 and all(not thread.is_alive() for thread in threads)
    assert {one["result"] for one in answers} == {"ok"}, answers[-1]
    rig.outputs["y"] = {key: rig.outputs["y"][key] for key in ("port", "from")}
    running.reload()
    settled.check()
    result = running.stop()
    assert result.frames("x") == model.apply(fr.numbered(settled.count), {"vlan": {"push": 100}})
    assert len(result.frames("y")) == settled.count


def test_a_client_that_goes_away(settled):
    """Before its answer is there; the reload is done all the same."""
    for number in range(10):
        settled.rig.outputs["y"]["trim"] = 1 + number
        settled.running.write()
        before = settled.running.info()["reloads"]
        client = fluxcap.Telemetry(settled.rig.prefix)
        client.socket.sendall(b"/fluxcap/reload")
        client.close()
        settled.running.wait_for(lambda: settled.running.info()["reloads"] > before, "reload")
    settled.rig.outputs["y"].pop("trim")
    settled.running.reload()
    settled.count = settled.sender.send(N)
    settled.running.wait_sent("y", settled.count)
    result = settled.running.stop()
    assert len(result.frames("y")) == settled.count


def test_stop_in_the_middle(settled):
    """SIGTERM among reloads: it ends as asked, with its books in order and its files complete."""
    rig, running = settled.rig, settled.running
    for number in range(5):
        rig.outputs["y"]["trim"] = 1 + number
        running.write()
        running.process.send_signal(signal.SIGHUP)
    os.kill(running.process.pid, signal.SIGTERM)
    running.process.send_signal(signal.SIGHUP)
    result = running.wait_exit()
    assert len(result.frames("x")) == len(result.frames("y")) == settled.count
