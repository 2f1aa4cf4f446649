#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the command line accepts, what it says, and with which exit status it ends."""

import json
import re
import shutil
import signal
import subprocess

import pytest

import frames as fr
from fluxcap import BINARY, IDLE_MS, RUNTIME, RUN_TIMEOUT, assert_sent, fluxcap, new_prefix

EAL = ["--no-huge", "-m", "256", "--no-pci", "--lcores", "0@0"]
PLAIN = {"taps": {"a": {"port": "net_null0"}},
         "outputs": {"x": {"port": "net_null1", "from": ["a"]}}}


@pytest.fixture
def binary():
    assert BINARY.is_file(), f"{BINARY} is missing: build it, or set FLUXCAP_BUILD"


@pytest.fixture
def check(binary, tmp_path):
    """A function that checks a configuration and gives what --check did."""
    def run(config):
        path = tmp_path / "config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return fluxcap("--check", path)
    return run


@pytest.fixture
def start(binary, tmp_path):
    """A function that runs fluxcap with EAL, to its end."""
    def run(*options, vdevs=("net_null0,no-rx=1", "net_null1"), eal=tuple(EAL)):
        words = [word for vdev in vdevs for word in ("--vdev", vdev)]
        prefix = new_prefix()
        try:
            return fluxcap(*eal, "--file-prefix", prefix, *words, "--", *options, cwd=tmp_path)
        finally:
            shutil.rmtree(RUNTIME / prefix, ignore_errors=True)
    return run


# texts

def test_help(binary):
    done = fluxcap("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ("--config", "--tap", "--output", "--exit-when-idle", "--stats-on-exit",
                   "--check", "--plan", "--assume-lcores", "--dump", "--version", "--help", "-c", "-t", "-o"):
        assert option in done.stdout


def test_version(binary):
    done = fluxcap("--version")
    assert done.returncode == 0
    assert re.search(r"fluxcap.*\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_texts_come_behind_eal_options_too(binary, option):
    done = fluxcap("--no-huge", "--no-pci", "--file-prefix", new_prefix(), "--", option)
    assert done.returncode == 0 and "fluxcap" in done.stdout


def test_texts_need_no_root(binary, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(PLAIN))
    for word, text in (("--help", "--config"), ("--version", "fluxcap"), ("--check", "net_null0")):
        arguments = [word] + (["/dev/stdin"] if word == "--check" else [])
        with open(path, "rb") as stdin:
            done = subprocess.run(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--",
                 "/bin/sh", "-c", 'cat | exec "$0" "$@"', str(BINARY), *arguments],
                stdin=stdin, capture_output=True, text=True, timeout=RUN_TIMEOUT, check=False)
        if "Permission denied" in done.stderr and done.returncode == 126:
            pytest.skip(f"{BINARY} cannot be reached without root here")
        assert done.returncode == 0, done.stderr
        assert word == "--check" or text in done.stdout


# bad usage

def test_no_arguments(binary):
    done = fluxcap()
    assert done.returncode == 2
    assert "--help" in done.stderr


def test_eal_options_and_nothing_else(start):
    done = start()
    assert done.returncode == 2
    assert "--help" in done.stderr or "-c" in done.stderr


@pytest.mark.parametrize("options, said", [
    (["--no-such-option"], "no-such-option"),
    (["-x"], "x"),
    (["-c"], "c"),
    (["-t"], "t"),
    (["--exit-when-idle"], "exit-when-idle"),
    (["--exit-when-idle", "soon", "-t", "a=net_null0", "-o", "x=net_null1,from=a"], "soon"),
    (["--exit-when-idle", "-5", "-t", "a=net_null0", "-o", "x=net_null1,from=a"], "-5"),
    (["--exit-when-idle", "99999999999999999999", "-t", "a=net_null0", "-o",
      "x=net_null1,from=a"], "99999999999999999999"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from=a", "stray"], "stray"),
    (["-c", "/nonexistent.json"], "/nonexistent.json"),
    (["-c", "/nonexistent.json", "-t", "a=net_null0"], "-c"),
    (["-c", "/"], "/"),
    (["-t", "a=net_null0"], "output"),
    (["-o", "x=net_null1,from=a"], "a"),
    (["-t", "a"], "a"),
    (["-t", "=net_null0"], "net_null0"),
    (["-t", "a="], "a"),
    (["-t", "a=net_null0", "-o", "x=net_null1"], "from"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from=b"], "b"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from=a+a"], "a"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from="], "from"),
    (["-t", "a=net_null0", "-t", "a=net_null2", "-o", "x=net_null1,from=a"], "a"),
    (["-t", "a=net_null0", "-t", "b=net_null0", "-o", "x=net_null1,from=a+b"], "net_null0"),
    (["-t", "a=net_null0,colour=red", "-o", "x=net_null1,from=a"], "colour"),
    (["-t", "a=net_null0,trim", "-o", "x=net_null1,from=a"], "trim"),
    (["-t", "a=net_null0,trim=4,trim=5", "-o", "x=net_null1,from=a"], "trim"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from=a,vlan.push=5000"], "5000 is not in 1..4094"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from=a,vlan=5000"], "5000 is not in 1..4094"),
    (["-t", "a=net_null0", "-o", "x=net_null1,from=a,truncate=13"], "13"),
    (["-t", "a=net_null0,ring=0", "-o", "x=net_null1,from=a"], "ring"),
    (["-t", "a=net_null0,ring=12parsecs", "-o", "x=net_null1,from=a"], "12parsecs"),
    (["-t", "a=net_null0,ring=99999999999999999999g", "-o", "x=net_null1,from=a"], "ring"),
])
def test_bad_usage(start, options, said):
    done = start(*options)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "PANIC" not in done.stderr and "Segmentation" not in done.stderr


# configurations

def changed(path, value):
    """PLAIN with one value changed or added; a path like outputs.x.vlan."""
    config = json.loads(json.dumps(PLAIN))
    part, (*parents, last) = config, path.split(".")
    for key in parents:
        part = part.setdefault(key, {})
    part[last] = value
    return config


BAD = [
    ("taps.a.prot", "net_null0", "taps.a: ", "'prot'; did you mean 'port'"),
    ("taps.a.vlan", {"pusch": 5}, "taps.a.vlan: ", "'pusch'; did you mean 'push'"),
    ("outputs.x.form", ["a"], "outputs.x: ", "'form'; did you mean 'from'"),
    ("tapz", {}, "tapz", "'taps'"),
    ("taps.a.truncat", 64, "taps.a: ", "'truncat'; did you mean 'truncate'"),
    ("taps.a.port", 5, "taps.a.port", "the number 5"),
    ("taps.a.port", "", "taps.a.port", ""),
    ("taps.a.port", "p" * 70, "taps.a.port", ""),
    ("taps.a", [], "taps.a", "object"),
    ("taps", 5, "taps", "object"),
    ("outputs.x.from", "a", "outputs.x.from", ""),
    ("outputs.x.from", [], "outputs.x.from", ""),
    ("outputs.x.from", [5], "outputs.x.from", ""),
    ("outputs.x.from", ["nosuch"], "outputs.x.from", "nosuch"),
    ("outputs.x.from", ["a", "a"], "outputs.x.from", "a"),
    ("outputs.x.vlan", {"push": 0}, "outputs.x.vlan.push", "1..4094"),
    ("outputs.x.vlan", {"push": 4095}, "outputs.x.vlan.push", "4095 is not in 1..4094"),
    ("outputs.x.vlan", {"push": 5000}, "outputs.x.vlan.push", "5000 is not in 1..4094"),
    ("outputs.x.vlan", {"push": [1, 2, 3]}, "outputs.x.vlan.push", ""),
    ("outputs.x.vlan", {"push": "five"}, "outputs.x.vlan.push", ""),
    ("outputs.x.vlan", {"push": 1.5}, "outputs.x.vlan.push", ""),
    ("outputs.x.vlan", {"pop": 3}, "outputs.x.vlan.pop", "0..2"),
    ("outputs.x.vlan", {"pop": -1}, "outputs.x.vlan.pop", "0..2"),
    ("outputs.x.vlan", {"push": 1, "pcp": 8}, "outputs.x.vlan.pcp", "0..7"),
    ("outputs.x.vlan", {"push": 1, "tpid": "0x1234567"}, "outputs.x.vlan.tpid", ""),
    ("outputs.x.vlan", {"push": 1, "tpid": "frame"}, "outputs.x.vlan.tpid", ""),
    ("taps.a.sample", 0, "taps.a.sample", "100"),
    ("taps.a.sample", 100.1, "taps.a.sample", "100"),
    ("taps.a.sample", -5, "taps.a.sample", "100"),
    ("taps.a.sample", "half", "taps.a.sample", ""),
    ("taps.a.trim", -1, "taps.a.trim", ""),
    ("taps.a.truncate", 13, "taps.a.truncate", "13"),
    ("taps.a.truncate", 1e30, "taps.a.truncate", ""),
    ("taps.a.filter", 5, "taps.a.filter", "string"),
    ("taps.a.filter", "no such word", "taps.a.filter", ""),
    ("taps.a.ring", "0", "taps.a.ring", ""),
    ("taps.a.ring", "64x", "taps.a.ring", "64x"),
    ("taps.a.ring", -1, "taps.a.ring", ""),
    ("outputs.x.ring", "1m", "outputs.x: ", "'ring'"),
    ("outputs.x.decap", {}, "outputs.x: ", "'decap'"),
    ("taps.a b", {"port": "net_null5"}, "a b", ""),
    ("taps." + "n" * 32, {"port": "net_null5"}, "n" * 31, "31"),
    ("taps.b", {"port": "net_null0"}, "taps.b.port", "net_null0"),
    ("taps.b", {}, "taps.b", "port"),
    ("ports", {"net_null0": {"mtu": 5}}, "ports.net_null0.mtu", ""),
    ("ports", {"net_null0": {"mtu": 70000}}, "ports.net_null0.mtu", ""),
    ("ports", {"net_null0": {"rx_queues": 0}}, "ports.net_null0.rx_queues", ""),
    ("ports", {"net_null0": {"speed": 5}}, "ports.net_null0: ", "'speed'"),
    ("lcores", {"rx": [1, 1]}, "lcores.rx", "1"),
    ("lcores", {"rx": [-1]}, "lcores.rx", ""),
    ("lcores", {"rx": 1}, "lcores.rx", ""),
    ("lcores", {"idle_us": -1}, "lcores.idle_us", ""),
    ("lcores", {"idle_ms": 1}, "lcores: ", "'idle_ms'; did you mean 'idle_us'"),
]


@pytest.mark.parametrize("path, value, place, said", BAD,
                         ids=[f"{row[0][:24]}-{json.dumps(row[1])[:24]}" for row in BAD])
def test_check_finds_what_is_wrong(check, path, value, place, said):
    done = check(changed(path, value))
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if place in line]
    assert lines, done.stderr
    assert any(said in line for line in lines), done.stderr
    assert "config.json: " in lines[0]


@pytest.mark.parametrize("text, said", [
    ("", ""), ("{", "line"), ("[]", "object"), ("nonsense", "line"), ("{}", "taps"), ("null", ""),
    ('{"taps": {}, "taps": {}}', "taps"), ('{"taps": {"a": {"port": "p"}}, "outputs": {}}', ""),
    ('{"taps": {"a": {"port": "net_null0"}, "a": {"port": "net_null2"}}, "outputs": '
     '{"x": {"port": "net_null1", "from": ["a"]}}}', "a"),
    (json.dumps(PLAIN) + "}", "line"), ("\0" * 100, ""), ("[" * 100000, ""),
    ('"' + "m" * 1000000 + '"', ""), ('{"taps": {"' + "n" * 1000000 + '": {}}}', ""),
    ('{"taps": {"a": {"port": "\\u0000"}}}', ""), ("\xff\xfe", ""),
], ids=range(16))
def test_check_of_what_is_no_configuration(check, text, said):
    done = check(text)
    assert done.returncode == 2
    assert "config.json" in done.stderr and said in done.stderr
    assert len(done.stderr) < 5000


def test_check_reports_every_mistake_at_once(check):
    config = changed("taps.a.trim", -1)
    config["outputs"]["x"]["vlan"] = {"push": 5000, "pop": 9}
    config["outputs"]["y"] = {"port": "net_null2", "from": ["nosuch"], "color": 1}
    done = check(config)
    assert done.returncode == 2
    for place in ("taps.a.trim", "outputs.x.vlan.push", "outputs.x.vlan.pop", "outputs.y.from",
                  "unknown key 'color'"):
        assert place in done.stderr


def test_check_of_a_good_configuration_prints_the_memory(check):
    config = changed("taps.a.ring", "100m")
    done = check(config)
    assert done.returncode == 0 and done.stderr == ""
    assert re.search(r"\ba\b.*\d", done.stdout)


# the plan for programs

TWO_TAPS = {"taps": {"a": {"port": "net_null0"}, "b": {"port": "net_null1", "decap": {
                "type": "vxlan", "local": "192.0.2.1"}}},
            "outputs": {"x": {"port": "net_null2", "from": ["a", "b"], "vlan": {"push": 7}}}}


@pytest.fixture
def plan(binary, tmp_path):
    """A function that gives a configuration's plan and what --check says about it."""
    def ask(config, *options):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        done = fluxcap("--plan", path, *options)
        assert done.returncode == 0 and done.stderr == ""
        return json.loads(done.stdout), fluxcap("--check", path, *options).stdout
    return ask


@pytest.mark.parametrize("config", [PLAIN, TWO_TAPS], ids=["plain", "two taps"])
def test_plan_is_what_check_says(plan, config):
    found, text = plan(config)
    said = re.findall(r"(\d+) buffers.* of (\d+) bytes = ([\d.]+) MiB", text)
    assert sorted(said) == sorted((str(pool["buffers"]), str(pool["buffer_bytes"]),
                                   f"{pool['bytes'] / 2**20:.1f}") for pool in found["pools"])
    total = sum(pool["bytes"] for pool in found["pools"]) + found["backlog_bytes"]
    assert sum(node["bytes"] for node in found["nodes"]) == total
    assert f"sum: {total / 2**20:.1f} MiB" in text
    assert {port["name"] for port in found["ports"]} == {
        thing["port"] for kind in ("taps", "outputs") for thing in config[kind].values()}


def test_plan_goes_by_the_lcores_that_there_will_be(plan):
    one, text = plan(TWO_TAPS)
    assert re.findall(r"^lcore (\d+):", text, re.MULTILINE) == ["1"]
    more, text = plan(TWO_TAPS, "--assume-lcores", "4-5,0")
    assert set(re.findall(r"^lcore (\d+):", text, re.MULTILINE)) <= {"0", "4", "5"}
    assert sum(n["bytes"] for n in more["nodes"]) > sum(n["bytes"] for n in one["nodes"])
    named, text = plan({**TWO_TAPS, "lcores": {"rx": [7], "tx": [9, 7]}}, "--assume-lcores", "4")
    assert named["lcores"] == {"named": [7, 9], "wanted": 3}
    assert set(re.findall(r"^lcore (\d+):", text, re.MULTILINE)) == {"7", "9"}


@pytest.mark.parametrize("words", ["x", "", "3-1", "1,", ",1", "1-", "-1", "128", "1 2", "0-128"])
def test_plan_of_lcores_that_are_none(binary, tmp_path, words):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(PLAIN))
    done = fluxcap("--plan", path, f"--assume-lcores={words}")
    assert done.returncode == 2 and done.stdout == ""
    assert "--assume-lcores takes a list such as" in done.stderr


def test_assumed_lcores_are_for_plans_only(start):
    done = start("-t", "a=net_null0", "-o", "x=net_null1,from=a", "--assume-lcores", "1")
    assert done.returncode == 2
    assert "only for --check and --plan: --assume-lcores" in done.stderr


def test_check_of_a_file_that_is_not_there(binary):
    done = fluxcap("--check", "/nonexistent/config.json")
    assert done.returncode == 2
    assert "/nonexistent/config.json" in done.stderr and "No such file" in done.stderr


def test_check_without_file(binary):
    assert fluxcap("--check").returncode == 2


def test_check_from_standard_input(binary):
    done = fluxcap("--check", "-", stdin=None, input=json.dumps(PLAIN))
    assert done.returncode == 0
    done = fluxcap("--check", "-", stdin=None, input=json.dumps(changed("tapz", 1)))
    assert done.returncode == 2 and "tapz" in done.stderr


FULL = {
    "taps": {
        "cisco.1": {"port": "0000:03:00.0", "ring": "100m", "filter": "tcp port 443",
                    "sample": 12.5, "vlan": {"pop": 1, "push": [100, 200], "pcp": 3,
                                             "tpid": "0x88a8"}, "trim": 4, "truncate": 128},
        "dell_2": {"port": "net_pcap0", "ring": 1048576}},
    "outputs": {
        "ids-a": {"port": "0000:04:00.0", "from": ["dell_2", "cisco.1"], "vlan": {"push": 7}},
        "ids-b": {"port": "0000:04:00.0", "from": ["cisco.1"], "sample": 0.1, "truncate": 14}},
    "ports": {"0000:04:00.0": {"mtu": 1500, "rx_queues": 1, "rx_descriptors": 512,
                               "tx_descriptors": 1024}},
    "lcores": {"rx": [1, 2], "tx": [3], "idle_us": 50},
}


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=["plain", "full"])
def test_dump_is_a_fixed_point(binary, tmp_path, config):
    path, again = tmp_path / "config.json", tmp_path / "again.json"
    path.write_text(json.dumps(config))
    first = fluxcap("--dump", path)
    assert first.returncode == 0, first.stderr
    again.write_text(first.stdout)
    second = fluxcap("--dump", again)
    assert second.returncode == 0 and second.stdout == first.stdout
    dumped = json.loads(first.stdout)
    assert list(dumped["taps"]) == list(config["taps"])
    assert list(dumped["outputs"]) == list(config["outputs"])
    for name, output in config["outputs"].items():
        assert dumped["outputs"][name]["from"] == output["from"]
        assert dumped["outputs"][name]["port"] == output["port"]


def test_dump_keeps_every_value(binary, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(FULL))
    dumped = json.loads(fluxcap("--dump", path).stdout)
    tap = dumped["taps"]["cisco.1"]
    assert tap["filter"] == "tcp port 443" and tap["sample"] == 12.5
    assert tap["trim"] == 4 and tap["truncate"] == 128
    assert tap["vlan"] == {"pop": 1, "push": [100, 200], "pcp": 3, "tpid": "0x88a8"}
    assert dumped["ports"]["0000:04:00.0"]["mtu"] == 1500
    assert dumped["lcores"] == FULL["lcores"]


def test_dump_of_a_wrong_file(binary, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(changed("tapz", 1)))
    done = fluxcap("--dump", path)
    assert done.returncode == 2 and "tapz" in done.stderr and done.stdout == ""


# runs

def test_run_of_a_file_and_of_the_dump_of_it(rigs):
    got = []
    for dump in (False, True):
        rig = rigs()
        rig.short_form = False
        rig.tap("a", fr.corpus(80), vlan={"push": 5}, filter="not arp")
        rig.output("x", "a", truncate=100)
        rig.ports = {rig.outputs["x"]["port"]: {"mtu": 9000}}
        if dump:
            arguments = rig.config_arguments()
            done = fluxcap("--dump", arguments[1])
            assert done.returncode == 0, done.stderr
            rig.config = lambda done=done: json.loads(done.stdout)
        result = rig.run()
        assert_sent(result)
        got.append(result.frames("x"))
    assert got[0] == got[1]


def test_short_form_and_file_do_the_same(rigs):
    got = []
    for short in (False, True):
        rig = rigs()
        rig.short_form = short
        rig.tap("a", fr.corpus(81, src=1), trim=3,
                vlan={"push": [5, 6], "pcp": 2, "tpid": "0x88a8"})
        rig.tap("b", fr.corpus(82, src=2), filter="tcp or udp", truncate=500)
        rig.output("x", "a", "b", vlan={"pop": 1}, filter="greater 60")
        result = rig.run()
        assert_sent(result)
        got.append(sorted(result.frames("x")))
    assert got[0] == got[1]


def test_short_form_with_vlan_alone(rig):
    """vlan=100 stands for vlan.push=100."""
    rig.tap("a", fr.corpus(83))
    rig.output("x", "a")
    taps = rig.taps["a"]["port"]
    rig.config_arguments = lambda: ["-t", f"a={taps},ring=8m,vlan=100", "--output",
                                    f"x={rig.outputs['x']['port']},from=a,vlan=7"]
    rig.taps["a"]["vlan"] = {"push": 100}
    rig.outputs["x"]["vlan"] = {"push": 7}
    assert_sent(rig.run())


def test_configuration_from_standard_input(rig):
    rig.tap("a", fr.small_corpus(84))
    rig.output("x", "a")
    command = rig.command("--exit-when-idle", str(IDLE_MS))
    at = command.index("-t")
    command[at:at + 4] = ["-c", "-"]
    done = subprocess.run(command, input=json.dumps(rig.config()).encode(), capture_output=True,
                          timeout=RUN_TIMEOUT, check=False)
    result = rig.finish(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert_sent(result)


@pytest.mark.parametrize("options, said", [
    (["-t", "a=net_null7", "-o", "x=net_null1,from=a"], ("taps.a.port", "net_null7")),
    (["-t", "a=net_null0", "-o", "x=0000:99:00.0,from=a"], ("outputs.x.port", "0000:99:00.0")),
])
def test_a_port_that_is_not_there(start, options, said):
    done = start(*options, "--exit-when-idle", "100")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if all(word in line for word in said)]
    assert lines, done.stderr


def test_too_little_memory_says_how_much_is_needed(start):
    done = start("-t", "a=net_null0,ring=1g", "-o", "x=net_null1,from=a",
                 eal=("--no-huge", "-m", "64", "--no-pci", "--lcores", "0@0"))
    assert done.returncode in (1, 2)
    needed = [int(size) for size in re.findall(r"(\d+)(?:\.\d+)? ?M", done.stderr)]
    needed += [1024 * float(size) for size in re.findall(r"(\d+(?:\.\d+)?) ?G", done.stderr)]
    assert needed and max(needed) >= 1024, done.stderr


def test_wrong_eal_options(binary, start):
    done = start("-t", "a=net_null0", "-o", "x=net_null1,from=a", eal=("--no-such-eal-option",))
    assert done.returncode in (1, 2)
    assert "no-such-eal-option" in done.stderr + done.stdout


@pytest.mark.parametrize("n_lcores", [1, 3])
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_complete_files(rig, stop_signal, n_lcores):
    """It is stopped while it works: what was received is sent, and no record is torn."""
    rig.n_lcores = n_lcores
    rig.whole_files = False
    rig.tap("a", fr.numbered(300000), ring="32m")
    rig.output("x", "a")
    rig.output("y", "a", vlan={"push": 9})
    with rig.start(stop_signal=stop_signal) as running:
        running.wait_received("a", 1)
        result = running.stop()
    received = result.tap("a")["rx_packets"]
    feed = result.feed("a", "x")
    lost = feed["overrun"] + feed["handoff_full"] + feed["queued"]
    assert len(result.frames("x")) == received - lost
    assert list(map(fr.number_of, result.frames("x")))[:1000] == list(range(min(
        1000, len(result.frames("x")))))


def test_two_signals_are_no_worse_than_one(rig):
    rig.lcores = {"idle_us": 100}
    rig.tap("a", fr.numbered(1000))
    rig.output("x", "a")
    with rig.start() as running:
        running.wait_sent("x", 1000)
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGINT)
        result = running.wait_exit()
    assert len(result.frames("x")) == 1000


def test_signal_while_nothing_comes(rig):
    rig.lcores = {"idle_us": 1000}
    rig.tap("a", port=rig.vdev("net_null", **{"no-rx": 1}))
    rig.output("x", "a")
    with rig.start() as running:
        result = running.stop()
    assert result.frames("x") == []


def test_it_stays_without_exit_when_idle(rig):
    rig.lcores = {"idle_us": 1000}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    with rig.start() as running:
        running.wait_sent("x", 10)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(1)
        running.stop()


def test_exit_when_idle_waits_for_a_late_port(rig):
    """Idle means that every tap is: one that keeps receiving keeps it running."""
    rig.lcores = {"idle_us": 1000}
    rig.tap("a", fr.numbered(10))
    port = rig.vdev("net_pcap", rx_pcap=rig.path("loop.pcap"), infinite_rx=1)
    fr.write_pcap(rig.path("loop.pcap"), fr.numbered(50))
    rig.tap("b", port=port)
    rig.output("x", "a", "b", port=rig.vdev("net_null"))
    with rig.start("--exit-when-idle", "100") as running:
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(1)
        running.stop()


def test_the_longest_names(rig):
    tap, output = "a" * 31, "Z-_." + "9" * 27
    rig.tap(tap, fr.small_corpus(85))
    rig.output(output, tap)
    assert_sent(rig.run())


def test_two_at_once_with_their_own_prefixes(rigs):
    one, two = rigs(), rigs()
    for number, rig in enumerate((one, two)):
        rig.lcores = {"idle_us": 500}
        rig.tap("a", fr.small_corpus(86 + number))
        rig.output("x", "a")
    with one.start() as first, two.start() as second:
        first.wait_sent("x", 200)
        second.wait_sent("x", 200)
        assert_sent(first.stop())
        assert_sent(second.stop())


def test_the_same_prefix_twice_is_refused(rigs):
    one, two = rigs(), rigs()
    for rig in (one, two):
        rig.lcores = {"idle_us": 500}
        rig.tap("a", fr.small_corpus(88))
        rig.output("x", "a")
    original, two.prefix = two.prefix, one.prefix
    command = two.command("--exit-when-idle", "100")
    two.prefix = original
    with one.start() as first:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=RUN_TIMEOUT, check=False)
        assert done.returncode not in (0, -6, -11)
        first.wait_sent("x", 200)
        assert_sent(first.stop())
