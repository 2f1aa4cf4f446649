#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-exporter: every counter of a fluxcap, and what it does with one that does not behave."""

import concurrent.futures
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import frames as fr
from fake_telemetry import (MAX_OUTPUT, Close, FakeTelemetry, Raw, Silence, envelope, feed, fluxcap,
                            output, tap)
from watching import EXPORTER, HANG, REPOSITORY, Exporter, Scrape, get, promtool, wait_for


class Place:
    """Where stand-ins of fluxcap are, and exporters that look there."""

    def __init__(self, directory, logs):
        self.directory, self.logs = directory, logs
        self.environment = {key: value for key, value in os.environ.items()
                            if key != "XDG_RUNTIME_DIR"} | {"RUNTIME_DIRECTORY": str(directory)}

    def serve(self, answers, **options):
        return FakeTelemetry(self.directory, answers, **options)

    def once(self, *arguments, **options):
        """What one that prints the metrics and ends said."""
        return subprocess.run([EXPORTER, "--once", *arguments], capture_output=True, text=True,
                              timeout=HANG, check=False,
                              **{"env": self.environment, **options})

    def scrape(self, *arguments, up=1):
        """The metrics of all fluxcaps, which must all be there, or not."""
        done = self.once(*arguments)
        assert done.returncode == 1 - up, done.stderr
        assert "Traceback" not in done.stderr
        scrape = Scrape(done.stdout)
        assert set(scrape.values("fluxcap_up").values()) == {up}, done.stderr
        scrape.complaints = done.stderr
        return scrape

    def exporter(self, *arguments, **options):
        return Exporter(self.logs / "exporter.log", *arguments,
                        **{"env": self.environment, **options})


@pytest.fixture
def place(tmp_path):
    # Not below tmp_path: a socket's path has at most 107 bytes.
    directory = Path("/tmp") / f"fc-exporter-{os.getpid()}-{time.monotonic_ns()}"
    directory.mkdir()
    yield Place(directory, tmp_path)
    shutil.rmtree(directory)


# A real fluxcap


def test_the_equations_hold_in_the_metrics(rig, tmp_path):
    """All counters of a fluxcap that is at rest, found where DPDK puts its socket."""
    rig.lcores = {"idle_us": 500}
    rig.tap("a", fr.numbered(3000, 100), filter="ether[17] & 1 = 0")
    rig.output("x", "a", truncate=50)
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    with rig.start() as running, Exporter(tmp_path / "log", "-f", rig.prefix) as exporter:
        running.wait_received("a", 3000)
        running.wait_sent("x", 1500)
        scrape = exporter.scrape()
        assert scrape.value("fluxcap_up", broker=rig.prefix) == 1
        assert scrape.value("fluxcap_tap_received_packets_total", tap="a") == 3000
        assert scrape.value("fluxcap_tap_received_bytes_total", tap="a") == 300000
        assert scrape.value("fluxcap_tap_dropped_packets_total", reason="filtered") == 1500
        assert 3000 == (scrape.sum("fluxcap_tap_dropped_packets_total") +
                        scrape.value("fluxcap_tap_fragments_held_total") +
                        scrape.value("fluxcap_tap_forwarded_packets_total"))
        for name in ("x", "stuck"):
            assert 1500 == scrape.value("fluxcap_feed_forwarded_packets_total", output=name) == (
                scrape.sum("fluxcap_feed_dropped_packets_total", output=name) +
                scrape.value("fluxcap_feed_sent_packets_total", output=name) +
                scrape.value("fluxcap_feed_backlog_packets", output=name))
        assert scrape.value("fluxcap_feed_sent_bytes_total", tap="a", output="x") == 50 * 1500
        assert scrape.value("fluxcap_feed_backlog_packets", output="stuck") == 1500 - 1023
        assert scrape.value("fluxcap_feed_backlog_bytes", output="stuck") == 100 * (1500 - 1023)
        assert scrape.value("fluxcap_tap_ring_bytes") == 8 << 20
        assert scrape.value("fluxcap_tap_link_up") == 1
        assert scrape.value("fluxcap_tap_info", port=rig.taps["a"]["port"]) == 1
        assert scrape.value("fluxcap_output_info", port=rig.outputs["x"]["port"]) == 1
        version = subprocess.run([running.process.args[0], "--version"], capture_output=True,
                                 text=True, check=True, timeout=HANG).stdout
        (labels,) = scrape.values("fluxcap_info")
        assert dict(labels)["version"] in version
        running.stop()
        assert exporter.scrape().values("fluxcap_up") == {(("broker", rig.prefix),): 0}
        assert "there is no socket" in exporter.said()


def test_lcores_in_seconds(rig, tmp_path):
    """The two times of an lcore make up the time that it runs."""
    rig.lcores = {"idle_us": 500}
    rig.tap("a", port=rig.vdev("net_ring"))
    rig.output("x", "a", port=rig.vdev("net_null"))
    with rig.start() as running, Exporter(tmp_path / "log", "-f", rig.prefix) as exporter:
        hz = running.telemetry("/fluxcap/info")["tsc_hz"]

        def cycles():
            lcore = running.telemetry("/fluxcap/lcores")["0"]
            return lcore["busy_cycles"] + lcore["idle_cycles"]
        before = cycles()
        scrape = exporter.scrape()
        after = cycles()
        assert before / hz <= (scrape.value("fluxcap_lcore_busy_seconds_total", lcore="0") +
                               scrape.value("fluxcap_lcore_idle_seconds_total", lcore="0")
                               ) <= after / hz
        assert scrape.value("fluxcap_lcore_info", lcore="0", role="rx+tx") == 1
        assert scrape.value("fluxcap_tsc_frequency_hertz") == hz
        running.stop()


def numbers_of(answer):
    return [key for key, value in answer.items() if isinstance(value, int)]


def test_no_counter_is_left_out(rig, place):
    """Whatever number a fluxcap tells of taps, feeds and ports is in a metric, with its labels."""
    rig.lcores = {"idle_us": 500}
    rig.tap("a", port=rig.vdev("net_ring"))
    rig.output("x", "a", port=rig.vdev("net_null"))
    unique = itertools.count(100001)
    with rig.start() as running:
        answers = {command: running.telemetry(command) for command in (
            "/fluxcap/info", "/fluxcap/taps", "/fluxcap/outputs", "/fluxcap/feeds",
            "/fluxcap/lcores", "/fluxcap/tap,a", "/fluxcap/feed,a,x", "/fluxcap/output,x")}
        running.stop()
    sums = set(numbers_of(answers["/fluxcap/feed,a,x"]))
    expected = {}
    for command in ("/fluxcap/tap,a", "/fluxcap/feed,a,x", "/fluxcap/output,x"):
        for field in numbers_of(answers[command]):
            answers[command][field] = next(unique)
            if command != "/fluxcap/output,x" or field not in sums:
                expected[answers[command][field]] = f"{command} {field}"
    assert len(expected) > 40
    with place.serve(answers):
        scrape = place.scrape()
    found = {sample.value: sample for sample in scrape.samples}
    assert [what for value, what in expected.items() if value not in found] == []
    for value, what in expected.items():
        labels = found[value].labels
        assert labels["broker"] == "rte"
        assert labels.get("tap") == (None if "output," in what else "a"), what
        assert labels.get("output") == (None if "tap," in what else "x"), what


def test_promtool_finds_nothing_to_complain_of(rig, tmp_path):
    rig.lcores = {"idle_us": 500}
    rig.tap("a", fr.numbered(100))
    rig.output("x", "a")
    with rig.start() as running, Exporter(tmp_path / "log", "-f", rig.prefix) as exporter:
        running.wait_sent("x", 100)
        done = promtool("check", "metrics", input=exporter.scrape().text)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        running.stop()


def test_a_stopped_fluxcap_hides_no_other(rigs, tmp_path):
    """One is stopped by a signal and answers nothing; the counters of the other are there."""
    two = []
    for _ in range(2):
        rig = rigs()
        rig.lcores = {"idle_us": 500}
        rig.tap("a", fr.numbered(50))
        rig.output("x", "a")
        two.append(rig)
    with two[0].start() as stopped, two[1].start() as running, Exporter(
            tmp_path / "log", "-t", "0.5", "-f", two[0].prefix, "-f", two[1].prefix) as exporter:
        running.wait_sent("x", 50)
        stopped.wait_sent("x", 50)
        assert set(exporter.scrape().values("fluxcap_up").values()) == {1}
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            scrape = exporter.scrape()
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        assert scrape.value("fluxcap_up", broker=two[0].prefix) == 0
        assert scrape.value("fluxcap_up", broker=two[1].prefix) == 1
        assert scrape.value("fluxcap_tap_received_packets_total") == 50
        wait_for(lambda: exporter.scrape().value("fluxcap_up", broker=two[0].prefix), "recovery")
        assert "stopped or overloaded" in exporter.said()
        assert f"{two[0].prefix} (/var/run/dpdk/{two[0].prefix}/dpdk_telemetry.v2): gives its " \
               "counters again" in exporter.said()
        stopped.stop()
        running.stop()


def test_several_processes_of_one_prefix(place):
    servers = [place.serve(fluxcap(info={"version": f"v{number}"}), number=number)
               for number in (0, 1, 10)]
    with servers[0], servers[1], servers[2]:
        assert "choose with -f rte:0 or -f rte:1 or -f rte:10" in place.scrape(up=0).complaints
        scrape = place.scrape(*(f"-frte:{number}" for number in (0, 1, 10)))
        assert {(dict(labels)["broker"], dict(labels)["version"])
                for labels in scrape.values("fluxcap_info")} == {
                    ("rte:0", "v0"), ("rte:1", "v1"), ("rte:10", "v10")}
        assert "rte:2 (" in (said := place.scrape("-f", "rte:2", up=0).complaints)
        assert "dpdk_telemetry.v2:2): it does not run" in said
        servers[0].stop()
        servers[2].stop(keep_socket=True)
        assert dict(*place.scrape().values("fluxcap_info"))["version"] == "v1"
        servers[1].stop(keep_socket=True)
        assert "has ended and left its socket behind" in place.scrape(up=0).complaints


# What is in some answers only


def test_reloads(place):
    def of(when, result):
        with place.serve(fluxcap(info={"last_reload": when, "last_reload_result": result})):
            scrape = place.scrape()
        return (scrape.value("fluxcap_last_reload_success"),
                list(scrape.values("fluxcap_last_reload_timestamp_seconds").values()))
    assert of("never", "none") == (1, [])
    assert of("2026-11-23T12:00:00Z", "ok") == (1, [1795435200])
    assert of("2026-11-23T13:00:00+01:00", "ok") == (1, [1795435200])
    assert of("2026-11-23T12:00:00.5Z", "taps.a.prot: unknown key") == (0, [1795435200.5])
    assert of("yesterday", "ok") == (1, [])


def test_links_and_states(place):
    taps = {"up": tap(), "down": tap(link="down", flaps=3, last_change=17),
            "gone": tap(link="gone", state="absent")}
    outputs = {"up": output(flaps=4, last_change=18), "down": output(link="down", state="waiting")}
    with place.serve(fluxcap(taps=taps, outputs=outputs)):
        scrape = place.scrape()
    assert {name: scrape.value("fluxcap_tap_link_up", tap=name) for name in taps} == {
        "up": 1, "down": 0, "gone": 0}
    for state, name in (("up", "up"), ("down", "down"), ("absent", "gone")):
        assert scrape.value("fluxcap_tap_state", tap=name, state=state) == 1
        assert len(scrape.values("fluxcap_tap_state", tap=name)) == 1
    assert scrape.value("fluxcap_output_state", output="down", state="waiting") == 1
    assert scrape.value("fluxcap_tap_flaps_total") == 3
    assert scrape.value("fluxcap_tap_last_change_seconds") == 17
    assert scrape.value("fluxcap_output_flaps_total") == 4
    assert scrape.value("fluxcap_output_last_change_seconds") == 18


def test_tunnels(place):
    taps = {"wan": tap(fragments_held=1, fragments_held_bytes=1500, fragments_waiting=2,
                       fragments_timed_out=3,
                       fragments_refused=4, fragments_table_full=5)}
    outputs = {"known": output(next_hop="192.0.2.9", next_hop_mac="02:00:00:00:00:09"),
               "unknown": output(next_hop="2001:db8::9", next_hop_mac=""),
               "fixed": output(next_hop="", next_hop_mac=""), "old": output()}
    with place.serve(fluxcap(taps=taps, outputs=outputs)):
        scrape = place.scrape()
    assert scrape.value("fluxcap_tap_fragments_held_total", tap="wan") == 1
    assert scrape.value("fluxcap_tap_fragments_held_bytes_total", tap="wan") == 1500
    assert scrape.value("fluxcap_tap_fragments_waiting", tap="wan") == 2
    assert [scrape.value("fluxcap_tap_fragments_lost_total", reason=reason) for reason in (
        "timed_out", "refused", "table_full")] == [3, 4, 5]
    assert {dict(labels)["output"]: value for labels, value in scrape.values(
        "fluxcap_output_next_hop_resolved").items()} == {"known": 1, "unknown": 0}
    assert scrape.value("fluxcap_output_next_hop_info", output="known", next_hop="192.0.2.9",
                        mac="02:00:00:00:00:09") == 1
    assert scrape.value("fluxcap_output_next_hop_info", output="unknown", next_hop="2001:db8::9",
                        mac="") == 1


def test_texts_are_escaped(place):
    info = {"config": '/etc/"a"\\b\nfluxcap_up{broker="rte"} 7 \ud800'}
    with place.serve(fluxcap(info=info)):
        scrape = place.scrape()
    (labels,) = scrape.values("fluxcap_info")
    assert dict(labels)["config"] == '/etc/"a"\\b\nfluxcap_up{broker="rte"} 7 ?'


@pytest.mark.parametrize("tap_name, output_name", [
    ("t{}", "o{}"), ("a-tap-with-quite-a-long-name-{:02}", "an-output-with-a-long-name-{:02}")])
def test_a_list_that_dpdk_has_cut(place, tap_name, output_name):
    """DPDK ends a list after 512 feeds and after 16 KiB; those behind its end are found too."""
    taps = {tap_name.format(n): tap() for n in range(35)}
    outputs = {output_name.format(n): output() for n in range(35)}
    # an output has every second tap, and the last one
    pairs = list(itertools.product(taps, outputs))
    pairs = [*pairs[1::2], pairs[-1]]
    answers = fluxcap(taps=taps, outputs=outputs,
                      feeds={pair: feed(forwarded=n) for n, pair in enumerate(pairs)})
    shown = answers["/fluxcap/feeds"][:512]
    while len(envelope("/fluxcap/feeds", shown)) > MAX_OUTPUT:
        shown.pop()
    answers["/fluxcap/feeds"] = shown
    assert len(shown) < len(pairs)
    with place.serve(answers):
        scrape = place.scrape("-t", "30")
    got = {(dict(labels)["tap"], dict(labels)["output"]): value for labels, value in
           scrape.values("fluxcap_feed_forwarded_packets_total").items()}
    assert got == {pair: n for n, pair in enumerate(pairs)}


def test_what_is_gone_between_two_questions(place):
    """A tap, an output and a feed that a reload has taken away by then are left out."""
    answers = fluxcap(taps={"a": tap(), "b": tap()}, outputs={"x": output(), "y": output()})
    for command in ("/fluxcap/tap,b", "/fluxcap/output,y", "/fluxcap/feed,a,y"):
        del answers[command]
    with place.serve(answers):
        scrape = place.scrape()
    assert {dict(labels)["tap"] for labels in scrape.values("fluxcap_tap_link_up")} == {"a"}
    assert {dict(labels)["output"] for labels in scrape.values("fluxcap_output_link_up")} == {"x"}
    assert len(scrape.values("fluxcap_feed_backlog_packets")) == 3


# Telemetry that does not behave


class Flood:
    """A server that sends without being asked, for as long as somebody takes it."""

    def __init__(self, path, message, greeting):
        path.parent.mkdir(parents=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.message, self.greeting = message, greeting
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.send(self.greeting)
                    while True:
                        connection.send(self.message)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


GREETING = b'{"version":"DPDK 22.11.0","pid":1,"max_output_len":16384}'


@pytest.mark.parametrize("message", [
    b"x" * 16384, b"{}", b'{"/fluxcap/taps":["a"]}', b"[]", b"null",
    envelope("/fluxcap/info", {"a": "b" * 10000}), b'{"/fluxcap/info":' + b"[" * 16000])
def test_a_flood(place, message):
    """Messages that nobody asked for, as fast as they are taken."""
    path = place.directory / "dpdk" / "rte" / "dpdk_telemetry.v2"
    with Flood(path, message, GREETING), place.serve(fluxcap(), prefix="good"):
        done = place.once("-t", "1", "-f", "rte", "-f", "good")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    scrape = Scrape(done.stdout)
    assert scrape.value("fluxcap_up", broker="rte") == 0
    assert scrape.value("fluxcap_up", broker="good") == 1
    assert {dict(labels)["broker"] for labels in scrape.values("fluxcap_info")} == {"good"}


def test_a_flood_of_right_answers(place):
    """Even one that guesses the first answers is found out, and comes to an end."""
    path = place.directory / "dpdk" / "rte" / "dpdk_telemetry.v2"
    with Flood(path, envelope("/fluxcap/info", fluxcap()["/fluxcap/info"]), GREETING):
        assert "answers something else" in place.scrape(up=0).complaints


@pytest.mark.parametrize("silent", [
    "greeting", "/fluxcap/info", "/fluxcap/taps", "/fluxcap/tap,cisco", "/fluxcap/output,ids",
    "/fluxcap/feeds", "/fluxcap/feed,cisco,ids", "/fluxcap/lcores"])
def test_silence_anywhere(place, silent):
    """It stops to answer, here or there: it is down, the other one is not."""
    answers = fluxcap() | {silent: Silence}
    greeting = Silence if silent == "greeting" else None
    with place.serve(answers, greeting=greeting), place.serve(fluxcap(), prefix="good"):
        done = place.once("-t", "0.3", "-f", "rte", "-f", "good")
    scrape = Scrape(done.stdout)
    assert scrape.values("fluxcap_up") == {(("broker", "rte"),): 0, (("broker", "good"),): 1}
    assert {dict(labels)["broker"] for labels in scrape.values("fluxcap_tap_link_up")} == {"good"}
    assert f"no {'greeting' if greeting else f'answer to {silent}'} within 0.3 s" in done.stderr


def test_answers_that_are_each_in_time_but_too_slow_together(place):
    """The time is that of the whole: a fluxcap cannot hold a scrape by being a bit slow always."""
    taps = {f"t{n}": tap() for n in range(300)}
    answers = fluxcap(taps=taps, outputs={}, feeds={})

    def slowly(answer):
        def give():
            time.sleep(0.1)
            return answer
        return give
    answers |= {command: slowly(answer) for command, answer in answers.items()
                if "/tap," in command}
    with place.serve(answers) as server:
        scrape = place.scrape("-t", "1", up=0)
    assert "within 1 s" in scrape.complaints
    assert len(server.asked) < len(taps)


def test_a_socket_that_takes_no_connection(place):
    """A process that is stopped with its queue of connections full."""
    path = place.directory / "dpdk" / "rte" / "dpdk_telemetry.v2"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
            first.connect(str(path))
            scrape = place.scrape("-t", "0.3", up=0)
    assert "no connection within 0.3 s" in scrape.complaints


DEEP = Raw(b'{"/fluxcap/taps":' + b"[" * 8000 + b"]" * 8000 + b"}")


@pytest.mark.parametrize("command, answer", [
    ("/fluxcap/info", None), ("/fluxcap/info", []), ("/fluxcap/info", {}),
    ("/fluxcap/info", Close), ("/fluxcap/info", Raw(b"\xff\xfe\x00")), ("/fluxcap/info", Raw("")),
    ("/fluxcap/info", Raw("[1]")), ("/fluxcap/info", Raw('{"/fluxcap/info":{}}{}')),
    ("/fluxcap/info", fluxcap(info={"tsc_hz": 0})["/fluxcap/info"]),
    ("/fluxcap/info", fluxcap(info={"tsc_hz": "2 GHz"})["/fluxcap/info"]),
    ("/fluxcap/info", fluxcap(info={"uptime_s": True})["/fluxcap/info"]),
    ("/fluxcap/info", fluxcap(info={"version": 1})["/fluxcap/info"]),
    ("/fluxcap/info", fluxcap(info={"last_reload": None})["/fluxcap/info"]),
    ("/fluxcap/taps", None), ("/fluxcap/taps", {}), ("/fluxcap/taps", [1]),
    ("/fluxcap/taps", ["a,b"]), ("/fluxcap/taps", [""]), ("/fluxcap/taps", ['a"} 1\nx{y="']),
    ("/fluxcap/taps", ["x" * 64]), ("/fluxcap/taps", Raw("x" * 17000)), ("/fluxcap/taps", DEEP),
    ("/fluxcap/tap,cisco", {}), ("/fluxcap/tap,cisco", []), ("/fluxcap/tap,cisco", 1),
    ("/fluxcap/tap,cisco", tap(link=1)), ("/fluxcap/tap,cisco", tap(rx_packets="1")),
    ("/fluxcap/tap,cisco", tap(rx_packets=None)), ("/fluxcap/tap,cisco", tap(flaps="many")),
    ("/fluxcap/tap,cisco", tap(rx_packets=2 ** 64)), ("/fluxcap/tap,cisco", tap(pool_free=1e400)),
    ("/fluxcap/tap,cisco", tap(pool_free=float("nan"))),
    ("/fluxcap/tap,cisco", Raw('{"/fluxcap/tap":{"rx_packets":' + "9" * 9000 + "}}")),
    ("/fluxcap/output,ids", tap()), ("/fluxcap/output,ids", output(next_hop=9)),
    ("/fluxcap/feeds", None), ("/fluxcap/feed,cisco,ids", {"forwarded": 1}),
    ("/fluxcap/lcores", []), ("/fluxcap/lcores", {"one": {}}), ("/fluxcap/lcores", {"1": 5}),
    ("/fluxcap/lcores", {"1": {"role": "rx", "ports": "", "busy_cycles": 1}})])
def test_nonsense(place, command, answer):
    """An answer that is not fluxcap's: it counts as down, and nothing that it said is told."""
    with place.serve(fluxcap() | {command: answer}):
        scrape = place.scrape(up=0)
    assert scrape.names() == {"fluxcap_up", "fluxcap_scrape_duration_seconds"}
    assert re.match(r"fluxcap-exporter: rte \(\S+\): \w", scrape.complaints)


@pytest.mark.parametrize("greeting", [
    Raw("hello"), Raw("{}"), Raw("[]"), Close, Raw("x" * 1025), Raw(""),
    {"version": "DPDK", "max_output_len": 0}, {"version": "DPDK", "max_output_len": 1 << 40},
    {"version": "DPDK", "max_output_len": "16384"}, {"version": 22, "max_output_len": 16384}])
def test_greetings_of_others(place, greeting):
    with place.serve(fluxcap(), greeting=greeting):
        assert place.scrape(up=0).names() == {"fluxcap_up", "fluxcap_scrape_duration_seconds"}


def test_names_that_come_twice(place):
    """Prometheus refuses a whole scrape in which a value comes twice."""
    answers = fluxcap()
    answers["/fluxcap/taps"] *= 2
    answers["/fluxcap/feeds"] *= 3
    with place.serve(answers):
        scrape = place.scrape()
    keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in scrape.samples]
    assert len(keys) == len(set(keys))


def test_another_dpdk_program(place):
    with place.serve({}):
        assert "another DPDK program" in place.scrape(up=0).complaints


def test_sockets_that_nobody_serves(place):
    folder = place.directory / "dpdk" / "rte"
    assert "there is no socket" in place.scrape(up=0).complaints
    folder.mkdir(parents=True)
    path = folder / "dpdk_telemetry.v2"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(path))
    assert "left its socket behind" in place.scrape(up=0).complaints
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(str(path))
        stream.listen()
        assert "wrong type" in place.scrape(up=0).complaints
    path.unlink()
    path.write_text("a file")
    place.scrape(up=0)
    assert "path too long" in place.scrape("-f", "x" * 100, up=0).complaints


def test_a_user_who_may_not(place):
    """Who cannot enter fluxcap's directory is told what to do; who can finds it."""
    server = place.serve(fluxcap())
    readable = place.directory / "fluxcap-exporter"
    shutil.copy(EXPORTER, readable)
    options = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/",
               "capture_output": True, "text": True, "timeout": HANG, "check": False,
               "env": place.environment}
    with server:
        server.path.parent.chmod(0o700)
        done = subprocess.run([readable, "--once"], **options)
        assert done.returncode == 1
        assert "permission denied: run fluxcap-exporter as the user" in done.stderr
        server.path.parent.chmod(0o755)
        server.path.chmod(0o666)
        options["env"] = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(place.directory)}
        done = subprocess.run([readable, "--once"], **options)
        assert done.returncode == 0, done.stderr


def test_a_fluxcap_that_comes_goes_and_comes(place):
    """The exporter is there first; each change is told once."""
    with place.exporter() as exporter:
        for _ in range(3):
            assert exporter.scrape().value("fluxcap_up") == 0
        with place.serve(fluxcap()):
            for _ in range(3):
                assert exporter.scrape().value("fluxcap_up") == 1
        assert exporter.scrape().value("fluxcap_up") == 0
        with place.serve(fluxcap()):
            assert exporter.scrape().value("fluxcap_up") == 1
        said = exporter.said()
    assert said.count("there is no socket") == 2
    assert said.count("gives its counters again") == 2


# Scrapers


class Barred:
    """An answer that waits until the test lets it go."""

    def __init__(self, answer):
        self.answer, self.reached, self.open = answer, threading.Event(), threading.Event()

    def __call__(self):
        self.reached.set()
        self.open.wait(HANG)
        return self.answer


def test_many_scrapers_are_one_client(place):
    """Those who come while fluxcap is asked wait for that; DPDK has place for 10 clients only."""
    answers = fluxcap()
    barred = answers["/fluxcap/info"] = Barred(answers["/fluxcap/info"])
    with place.serve(answers) as server, place.exporter("-t", "30") as exporter:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            scrapes = [pool.submit(exporter.scrape) for _ in range(12)]
            assert barred.reached.wait(HANG)
            # until each has its connection, so that none is late enough to be asked for again
            wait_for(lambda: _connections(exporter) == 12, "12 scrapers")
            assert len(server.connections) == 1
            barred.open.set()
            assert {scrape.result().value("fluxcap_up") for scrape in scrapes} == {1}


def _connections(exporter):
    """Established connections to an exporter's port, seen by the kernel."""
    port = exporter.address.rpartition(":")[2]
    done = subprocess.run(["ss", "-Htn", "state", "established", f"( sport = :{port} )"],
                          capture_output=True, text=True, check=True, timeout=HANG)
    return len(done.stdout.splitlines())


def test_scrapers_that_say_nothing(place):
    """They have their time; then there is place again for one that asks."""
    with place.serve(fluxcap()), place.exporter() as exporter:
        host, port = exporter.address.split(":")
        idle = [socket.create_connection((host, int(port)), HANG) for _ in range(40)]
        try:
            def scraped():
                try:
                    return exporter.scrape().value("fluxcap_up") == 1
                except (OSError, urllib.error.URLError):
                    return False
            wait_for(scraped, "place for a scraper")
        finally:
            for one in idle:
                one.close()
        assert "Traceback" not in exporter.said()


def test_scrapers_that_go_away(place):
    with place.serve(fluxcap()), place.exporter() as exporter:
        host, port = exporter.address.split(":")
        for request in (b"", b"GET", b"GET /metrics HTTP/1.1\r\n\r\n", b"\0" * 70000,
                        b"GET /" + b"x" * 70000):
            with socket.create_connection((host, int(port)), HANG) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               (1).to_bytes(4, "little") + bytes(4))
                try:
                    one.sendall(request)
                except OSError:
                    pass
        assert exporter.scrape().value("fluxcap_up") == 1
        assert "Traceback" not in exporter.said()


def test_pages(place):
    with place.serve(fluxcap()), place.exporter() as exporter:
        base = f"http://{exporter.address}"
        assert "/metrics" in get(f"{base}/")
        for request, status in ((f"{base}/nosuch", 404), (f"{base}/metrics/../etc/passwd", 404),
                                (urllib.request.Request(f"{base}/metrics", data=b"x"), 405)):
            with pytest.raises(urllib.error.HTTPError) as raised:
                get(request)
            assert raised.value.code == status
        one = Scrape(get(f"{base}/metrics?name[]=fluxcap_up"))
        assert {sample.name for sample in one.samples} == {"fluxcap_up"}
        openmetrics = get(urllib.request.Request(
            f"{base}/metrics", headers={"Accept": "application/openmetrics-text"}))
        assert openmetrics.endswith("# EOF\n")
        assert exporter.scrape().value("process_start_time_seconds") > 0


# Options


def test_by_default_only_this_machine_can_reach_it(place, namespace):
    """The kernel says where it listens, in a network namespace of its own."""
    namespace.up("lo")
    words = namespace.words(EXPORTER)
    process = subprocess.Popen(words, env=place.environment, stderr=subprocess.PIPE)
    try:
        assert b"listening on 127.0.0.1:9472" in process.stderr.readline()
        listening = namespace.execute("ss", "-Htln")
        assert re.findall(r"\S+:\d+", listening) == ["127.0.0.1:9472"]
    finally:
        process.terminate()
        process.wait(HANG)
        process.stderr.close()
    assert process.returncode == 0


def test_ipv6(place):
    with place.serve(fluxcap()), place.exporter(listen="[::1]:0") as exporter:
        assert exporter.address.startswith("[::1]:")
        assert exporter.scrape().value("fluxcap_up") == 1


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_stop(place, stop_signal):
    with place.exporter() as exporter:
        exporter.scrape()
        assert exporter.stop(stop_signal) == 0
        assert "Traceback" not in exporter.said()


def test_an_address_that_is_taken_or_not_there(place):
    with place.exporter() as exporter:
        for address, problem in ((exporter.address, "in use"), ("192.0.2.1:9", "assign"),
                                 ("no.such.host.invalid:9", "")):
            done = subprocess.run([EXPORTER, "-l", address], capture_output=True, text=True,
                                  timeout=HANG, check=False)
            assert done.returncode == 1
            assert re.match(rf"fluxcap-exporter: cannot listen on .*{problem}.*\n$", done.stderr)


@pytest.mark.parametrize("arguments, said", [
    (["--listen", "9472"], "'9472' is not ADDRESS:PORT"),
    (["--listen", ":9472"], "':9472' is not ADDRESS:PORT"),
    (["--listen", "::1:9472"], "'::1:9472' is not ADDRESS:PORT"),
    (["--listen", "127.0.0.1:70000"], "is not ADDRESS:PORT"),
    (["--listen", "127.0.0.1:"], "is not ADDRESS:PORT"),
    (["--timeout", "0"], "'0' is not a number of seconds in 0.1..60"),
    (["--timeout", "nan"], "'nan' is not"), (["--timeout", "61"], "'61' is not"),
    (["-f", "a/b"], "'a/b' cannot be a file prefix"), (["-f", ""], "'' cannot be a file prefix"),
    (["-f", ".."], "'..' cannot be"), (["-f"], "expected one argument"),
    (["--nosuch"], "unrecognized arguments: --nosuch"), (["file"], "unrecognized arguments")])
def test_bad_usage(arguments, said):
    done = subprocess.run([EXPORTER, *arguments], capture_output=True, text=True, timeout=HANG,
                          check=False)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""


def test_prefixes(place):
    """Without -f it is DPDK's own prefix; one that is named twice is asked once."""
    with place.serve(fluxcap()), place.serve(fluxcap(), prefix="b") as server:
        assert set(place.scrape().values("fluxcap_up")) == {(("broker", "rte"),)}
        scrape = place.scrape("-f", "b", "-f", "rte", "-f", "b")
        assert {dict(labels)["broker"] for labels in scrape.values("fluxcap_up")} == {"b", "rte"}
        assert server.asked.count("/fluxcap/info") == 1


# Around it


def test_man_page(place):
    """It is well-formed, and names every option that there is."""
    page = REPOSITORY / "docs" / "fluxcap-exporter.1"
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=78", page], capture_output=True,
                          text=True, check=True, timeout=HANG)
    text = re.sub(r".\x08", "", done.stdout)
    usage = subprocess.run([EXPORTER, "--help"], capture_output=True, text=True, check=True,
                           timeout=HANG).stdout
    options = re.findall(r"^  (-\w)(?: [A-Z:]+)?, (--[a-z-]+)", usage, re.MULTILINE)
    assert len(options) == 5
    for short, long in options:
        assert re.search(rf"^ +{short}, {long}\b", text, re.MULTILINE), long
    assert max(map(len, usage.splitlines())) <= 100


@pytest.fixture
def installed(tmp_path):
    """What meson installs, below a root of its own."""
    build = os.environ.get("FLUXCAP_BUILD", str(REPOSITORY / "build"))
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir",
                    tmp_path / "root"], capture_output=True, check=True, timeout=HANG)
    return tmp_path / "root"


def test_what_is_installed(installed):
    files = {path.name: path for path in installed.rglob("*") if path.is_file()}
    for name in ("fluxcap-exporter", "fluxcap-exporter.service", "fluxcap.rules.yml",
                 "prometheus.yml", "fluxcap.json", "fluxcap.conf"):
        assert name in files, name
    assert any(name.startswith("fluxcap-exporter.1") for name in files)
    done = subprocess.run([files["fluxcap-exporter"], "--help"], capture_output=True, timeout=HANG,
                          check=False)
    assert done.returncode == 0


def test_the_unit(installed, tmp_path):
    """systemd takes it, and finds little that it could do harm with."""
    (unit,) = installed.rglob("fluxcap-exporter.service")
    (program,) = installed.rglob("fluxcap-exporter")
    # Where it is installed for this test; the prefix in the file is that of the real place.
    text = unit.read_text()
    named = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
    assert program == installed / named[1:]
    moved = tmp_path / unit.name
    moved.write_text(text.replace(named, str(program)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", moved], capture_output=True,
                          text=True, timeout=HANG, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           "--threshold=15", moved], capture_output=True, text=True, timeout=HANG,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
