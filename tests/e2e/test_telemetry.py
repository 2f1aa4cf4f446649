#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every telemetry command, directly and through dpdk-telemetry.py."""

import json
import shutil
import subprocess

import pytest

import books
import frames as fr
from fluxcap import RUNTIME, Telemetry

COUNT = 500


@pytest.fixture
def running(rig):
    """Two taps, three outputs, all frames through, still alive."""
    rig.n_lcores = 3
    rig.lcores = {"rx": [1], "tx": [2], "idle_us": 500}
    rig.tap("cisco", fr.numbered(COUNT, src=1))
    rig.tap("dell.2", fr.numbered(COUNT, 100, src=2), filter="ether[17] & 1 = 0")
    rig.output("ids", "cisco", "dell.2")
    rig.output("short", "cisco", truncate=20)
    rig.output("none-", "dell.2", filter="tcp")
    with rig.start() as one:
        one.wait_received("cisco", COUNT)
        one.wait_received("dell.2", COUNT)
        one.wait_sent("ids", COUNT + COUNT // 2)
        one.wait_sent("short", COUNT)
        yield one


def test_names(running):
    assert running.telemetry("/fluxcap/taps") == ["cisco", "dell.2"]
    assert running.telemetry("/fluxcap/outputs") == ["ids", "short", "none-"]
    assert sorted(running.telemetry("/fluxcap/feeds")) == sorted([
        "cisco,ids", "dell.2,ids", "cisco,short", "dell.2,none-"])


def test_tap(running):
    tap = running.tap("dell.2")
    assert set(books.TAP_FIELDS) <= set(tap)
    assert {books.bytes_name(counter) for counter in books.TAP_COUNTERS} <= set(tap)
    assert tap["port"] == running.rig.taps["dell.2"]["port"]
    assert tap["rx_packets"] == COUNT and tap["rx_bytes"] == 100 * COUNT
    assert tap["filtered"] == COUNT // 2 and tap["forwarded"] == COUNT // 2
    assert tap["ring_bytes"] == 8 << 20
    # A buffer holds 2 KiB beside what DPDK keeps with it.
    assert 0 < tap["ring_buffers"] <= min(4096, tap["pool_size"])
    assert 0 < tap["pool_free"] <= tap["pool_size"]
    assert str(tap["link"]).lower() in ("up", "1", "true")


def test_output(running):
    output = running.output("ids")
    assert set(books.OUTPUT_FIELDS) <= set(output)
    assert output["port"] == running.rig.outputs["ids"]["port"]
    assert output["tx_packets"] == output["tx_frames"] == COUNT + COUNT // 2
    assert output["tx_bytes"] == 64 * COUNT + 100 * (COUNT // 2)
    feeds = [running.feed("cisco", "ids"), running.feed("dell.2", "ids")]
    assert not books.audit_output("ids", output, feeds)
    assert running.output("short")["tx_bytes"] == 20 * COUNT
    assert running.output("none-")["filtered"] == COUNT // 2


def test_feed(running):
    feed = running.feed("dell.2", "ids")
    assert set(books.FEED_FIELDS) <= set(feed)
    assert not books.audit_feed("dell.2,ids", feed, COUNT // 2)
    assert feed["tx_packets"] == COUNT // 2
    feed = running.feed("dell.2", "none-")
    assert feed["filtered"] == COUNT // 2 and feed["tx_packets"] == 0


def test_lcores(running):
    lcores = running.telemetry("/fluxcap/lcores")
    assert set(lcores) == {"1", "2"}
    assert lcores["1"]["role"] == "rx" and lcores["2"]["role"] == "tx"
    taps = {tap["port"] for tap in running.rig.taps.values()}
    outputs = {output["port"] for output in running.rig.outputs.values()}
    assert set(lcores["1"]["ports"].split()) == taps
    assert set(lcores["2"]["ports"].split()) == outputs
    for lcore in lcores.values():
        assert lcore["busy_cycles"] > 0 and lcore["idle_cycles"] > 0
    later = running.wait_for(
        lambda: (now := running.telemetry("/fluxcap/lcores"))["1"]["idle_cycles"] >
        lcores["1"]["idle_cycles"] and now, "idle cycles that grow")
    assert later["1"]["busy_cycles"] >= lcores["1"]["busy_cycles"]


def test_info(running):
    info = running.telemetry("/fluxcap/info")
    assert {"version", "uptime_s", "config", "last_reload", "last_reload_result",
            "tsc_hz"} <= set(info)
    assert info["version"] in subprocess.run(
        [running.process.args[0], "--version"], capture_output=True, text=True, timeout=60,
        check=True).stdout
    assert info["config"] == str(running.rig.path("config.json"))
    assert info["tsc_hz"] > 1000000 and info["uptime_s"] >= 0
    running.wait_for(lambda: running.telemetry("/fluxcap/info")["uptime_s"] > info["uptime_s"],
                     "uptime that grows")


@pytest.mark.parametrize("command", [
    "/fluxcap/tap,nosuch", "/fluxcap/tap,", "/fluxcap/tap", "/fluxcap/output,cisco",
    "/fluxcap/output", "/fluxcap/feed,cisco", "/fluxcap/feed,cisco,none-", "/fluxcap/feed",
    "/fluxcap/feed,,", "/fluxcap/feed,nosuch,ids", "/fluxcap/feed,cisco,ids,more",
    "/fluxcap/tap," + "x" * 900, "/fluxcap/nosuch", "/fluxcap/tap,cisco,more", "/fluxcap/tap,%s%n"])
def test_unknown_names_answer_nothing_and_harm_nothing(running, command):
    # EAL takes what follows a name for part of it, and answers null where a command fails
    answer = running._telemetry.whole(command)
    assert list(answer.values()) in ([None], [{}], [[]]) or set(
        list(answer.values())[0]) <= {"error"}, answer
    assert running.tap("cisco")["rx_packets"] == COUNT


@pytest.mark.parametrize("command", ["/fluxcap/taps,x", "/fluxcap/info,x", "/fluxcap/lcores,"])
def test_needless_parameters_do_no_harm(running, command):
    running._telemetry.whole(command)
    assert running.telemetry("/fluxcap/taps") == ["cisco", "dell.2"]


def test_ethdev_commands_keep_working(running):
    ports = running.telemetry("/ethdev/list")
    assert len(ports) == 5
    stats = [running.telemetry(f"/ethdev/stats,{port}") for port in ports]
    assert sum(s["ipackets"] for s in stats) == 2 * COUNT
    names = {running.telemetry(f"/ethdev/info,{port}")["name"] for port in ports}
    assert names == {tap["port"] for tap in running.rig.taps.values()} | {
        output["port"] for output in running.rig.outputs.values()}


def test_many_clients_at_once(running):
    clients = [Telemetry(running.rig.prefix) for _ in range(8)]
    try:
        for _ in range(20):
            for client in clients:
                assert client("/fluxcap/tap,cisco")["rx_packets"] == COUNT
    finally:
        for client in clients:
            client.close()


def test_help_texts(running):
    for name in ("taps", "outputs", "tap", "output", "feeds", "feed", "lcores", "info"):
        text = running.telemetry(f"/help,/fluxcap/{name}")
        assert len(json.dumps(text)) > 20


def test_every_command_is_listed(running):
    listed = running.telemetry("/")
    for name in ("taps", "outputs", "tap", "output", "feeds", "feed", "lcores", "info"):
        assert f"/fluxcap/{name}" in listed


def test_the_socket_goes_with_the_process(running):
    path = RUNTIME / running.rig.prefix / "dpdk_telemetry.v2"
    assert path.exists()
    running.stop()
    assert not path.exists()


def test_dpdk_telemetry_py_reads_every_command(running):
    commands = ["/fluxcap/taps", "/fluxcap/outputs", "/fluxcap/tap,cisco", "/fluxcap/tap,dell.2",
                "/fluxcap/output,ids", "/fluxcap/output,short", "/fluxcap/output,none-",
                "/fluxcap/feeds", "/fluxcap/feed,cisco,ids", "/fluxcap/feed,dell.2,none-",
                "/fluxcap/lcores", "/fluxcap/info", "/fluxcap/tap,nosuch"]
    script = shutil.which("dpdk-telemetry.py")
    assert script, "dpdk-telemetry.py is missing: apt-get install dpdk"
    done = subprocess.run(["/usr/bin/python3", script, "-f", running.rig.prefix],
                          input="\n".join(commands) + "\n", capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(commands)
    for command, answer in zip(commands, answers):
        name = command.split(",")[0]
        if name not in ("/fluxcap/info", "/fluxcap/lcores"):
            assert answer == running._telemetry.whole(command)
        else:
            assert set(answer[name]) == set(running.telemetry(command))


def test_stats_on_exit_say_the_same(running):
    live = {name: running.tap(name) for name in ("cisco", "dell.2")}
    feeds = {pair: running.feed(*pair.split(",")) for pair in running.telemetry("/fluxcap/feeds")}
    outputs = {name: running.output(name) for name in ("ids", "short", "none-")}
    result = running.stop()
    moving = {"link", "state", "last_change", "pool_free"}
    for name, tap in live.items():
        assert set(tap) == set(result.tap(name))
        assert {k: v for k, v in tap.items() if k not in moving} == {
            k: v for k, v in result.tap(name).items() if k not in moving}
    for name, output in outputs.items():
        assert {k: v for k, v in output.items() if k not in moving} == {
            k: v for k, v in result.output(name).items() if k not in moving}
    for pair, feed in feeds.items():
        assert feed == result.feed(*pair.split(","))


def test_a_hundred_feeds_fit_the_answers(rig):
    """Telemetry answers end at 16 KiB; the lists and the sums still hold everything."""
    rig.lcores = {"idle_us": 500}
    for number in range(8):
        rig.tap(f"a-tap-with-a-long-name-{number}", fr.numbered(20, src=number), ring="1m")
    port = rig.pcap_port(written=True)
    for number in range(16):
        rig.output(f"an-output-with-a-long-name-{number}", *rig.taps, port=port)
    with rig.start() as running:
        for name in rig.taps:
            running.wait_received(name, 20)
        assert len(running.telemetry("/fluxcap/feeds")) == 128
        assert running.telemetry("/fluxcap/outputs") == list(rig.outputs)
        for name in rig.outputs:
            running.wait_sent(name, 160)
        running.stop()
