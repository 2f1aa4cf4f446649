#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-ctl against a stand-in for fluxcap's telemetry: what it asks, prints and complains of."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from fake_telemetry import (Close, FakeTelemetry, Growing, Raw, Silence, envelope, feed, fluxcap,
                            output, tap)

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FLUXCAP_BUILD", REPOSITORY / "build")).resolve()
BINARY = BUILD / "app" / "fluxcap-ctl"
HANG = 30  # seconds; only a hang takes so long

if not BINARY.is_file():
    pytest.fail(f"{BINARY} is missing: build it, or set FLUXCAP_BUILD", pytrace=False)


class Run:
    """A place for sockets, and fluxcap-ctl told to look there."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm",
                            "RUNTIME_DIRECTORY": str(directory)}
        # What a sanitizer's build needs to report as failures.
        self.environment |= {key: value for key, value in os.environ.items()
                             if key in ("ASAN_OPTIONS", "UBSAN_OPTIONS")}

    def serve(self, answers, **options):
        return FakeTelemetry(self.directory, answers, **options)

    def __call__(self, *arguments, binary=BINARY, **environment):
        return subprocess.run([binary, *arguments], env=self.environment | environment,
                              capture_output=True, text=True, timeout=HANG, check=False)

    def start(self, *arguments, **environment):
        return subprocess.Popen([BINARY, *arguments], env=self.environment | environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def ctl(tmp_path):
    # Not below tmp_path: a socket's path has at most 107 bytes.
    directory = Path("/tmp") / f"fc-ctl-{os.getpid()}-{time.monotonic_ns()}"
    directory.mkdir()
    yield Run(directory)
    subprocess.run(["rm", "-r", str(directory)], check=True)


def check_failure(done, *parts, status=1):
    assert done.returncode == status, done
    assert done.stderr.startswith("fluxcap-ctl: "), done.stderr
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    for part in parts:
        assert part in done.stderr
    return done


def wait_for(condition):
    deadline = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


# Usage


def test_help_and_version(ctl):
    done = ctl("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert all(word in done.stdout for word in ("io", "show", "reload", "check", "--file-prefix", "--json"))
    assert max(map(len, done.stdout.splitlines())) <= 80
    done = ctl("--version")
    assert done.returncode == 0 and re.fullmatch(r"fluxcap-ctl \d+\.\d+\.\d+\n", done.stdout)


def test_man_page(ctl):
    """It is well-formed, and names every option that there is."""
    page = REPOSITORY / "docs" / "fluxcap-ctl.1"
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(page)],
                          capture_output=True, text=True, check=True, timeout=HANG,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
    assert done.stderr == ""
    listed = re.findall(r"^  (-.*?)(?: [A-Z]+)?  ", ctl("--help").stdout, re.M)
    assert len(listed) == 13
    for options in listed:
        assert re.search(rf"^ +{re.escape(options)}( \w+)?$", done.stdout, re.M), options


@pytest.mark.parametrize("arguments, said", [
    ([], "a command is missing"),
    (["shw"], "unknown command 'shw'"),
    (["show", "cisco"], "'cisco' is one argument too many"),
    (["check"], "the FILE to check is missing"),
    (["check", "a", "b"], "'b' is one argument too many"),
    (["show", "--wide"], "show does not take --wide"),
    (["show", "--interval", "2"], "show does not take --interval"),
    (["io", "--json"], "io does not take --json"),
    (["io", "--json", "--interval", "2"], "io does not take --json"),
    (["check", "--all", "x"], "check does not take --all"),
    (["io", "--interval", "0"], "--interval: '0' is not"),
    (["io", "--interval", "0.05"], "0.1..3600"),
    (["io", "--interval", "nan"], "--interval: 'nan' is not"),
    (["io", "--interval", "1s"], "--interval: '1s' is not"),
    (["io", "--interval", ""], "--interval: '' is not"),
    (["io", "--count", "0"], "--count: '0' is not"),
    (["io", "--count", "1.5"], "--count: '1.5' is not"),
    (["io", "--count", "99999999999999999999"], "--count: '9999"),
    (["io", "--sort", "b"], "--sort: 'b' is not config, name, bits"),
    (["io", "--sort", ""], "--sort: '' is not"),
    (["show", "--sort", "bits"], "show does not take --sort"),
    (["show", "--feeds"], "show does not take --feeds"),
    (["check", "--reverse", "x"], "check does not take --reverse"),
    (["--timeout", "-1", "show"], "--timeout: '-1' is not"),
    (["-f", "a/b", "show"], "'a/b' cannot be a file prefix"),
    (["-f", "", "show"], "'' cannot be a file prefix"),
])
def test_usage_errors(ctl, arguments, said):
    done = check_failure(ctl(*arguments), said, "--help", status=2)
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["--nosuch"], ["show", "-x"], ["show", "-f"]])
def test_unknown_options(ctl, arguments):
    done = ctl(*arguments)
    assert done.returncode == 2 and done.stdout == "" and "--help" in done.stderr


# Connecting


def test_prefix(ctl):
    with ctl.serve(fluxcap(info={"version": "first"})), \
            ctl.serve(fluxcap(info={"version": "second"}), prefix="two"):
        assert json.loads(ctl("show", "--json").stdout)["info"]["version"] == "first"
        done = ctl("-f", "two", "show", "--json")
        assert json.loads(done.stdout)["info"]["version"] == "second"
        done = ctl("show", "--json", "--file-prefix=two")
        assert json.loads(done.stdout)["info"]["version"] == "second"
        done = check_failure(ctl("-f", "three", "show"), "--file-prefix three",
                             f"{ctl.directory}/dpdk/three/dpdk_telemetry.v2")
        assert "-f rte, -f two" in done.stderr


@pytest.mark.parametrize("command", ["show", "io"])
def test_nobody_there(ctl, command):
    done = check_failure(ctl(command), "no fluxcap with --file-prefix rte", "-f")
    assert done.stdout == "" and "Other DPDK processes" not in done.stderr


def test_socket_left_behind(ctl):
    ctl.serve({}).start().stop(keep_socket=True)
    done = check_failure(ctl("show"), "nobody listens at", "Start fluxcap again")
    assert "-f rte" not in done.stderr


def shown_version(done):
    assert done.returncode == 0, done
    return json.loads(done.stdout)["info"]["version"]


def test_several_processes_of_one_prefix(ctl):
    """DPDK puts a number behind the name of a socket that is in use."""
    servers = [ctl.serve(fluxcap(info={"version": f"v{number}"}), number=number)
               for number in (0, 1, 10)]
    with servers[0], servers[1], servers[2]:
        for command in (["show"], ["io", "-n", "1"], ["reload"]):
            status = 2 if command == ["reload"] else 1
            done = check_failure(ctl(*command), "several processes have --file-prefix rte",
                                 status=status)
            assert re.findall(r"-f rte:(\d+)  process (\d+)", done.stderr) == [
                (number, str(os.getpid())) for number in ("0", "1", "10")]
            assert done.stdout == ""
        for number in (0, 1, 10):
            assert shown_version(ctl("-f", f"rte:{number}", "show", "--json")) == f"v{number}"
        check_failure(ctl("-f", "rte:2", "show"), "no process 2 with --file-prefix rte",
                      "dpdk_telemetry.v2:2", "'-f rte'")
        done = check_failure(ctl("-f", "rt", "show"))
        assert done.stderr.endswith("-f rte\n")
        servers[0].stop()
        servers[2].stop(keep_socket=True)
        assert shown_version(ctl("show", "--json")) == "v1"
        servers[1].stop(keep_socket=True)
        check_failure(ctl("show"), "nobody listens at", "dpdk_telemetry.v2:1")
        servers[2].start()
        assert shown_version(ctl("show", "--json")) == "v10"


def test_several_processes_one_of_which_hangs(ctl):
    """It is one of them all the same."""
    with ctl.serve(fluxcap()), ctl.serve({}, number=1, greeting=Silence):
        check_failure(ctl("--timeout", "0.2", "show"), "-f rte:0  process", "-f rte:1  process")
        shown_version(ctl("-f", "rte:0", "show", "--json"))
        check_failure(ctl("--timeout", "0.2", "-f", "rte:1", "show"), "no greeting")


def test_prefix_that_looks_like_a_number(ctl):
    with ctl.serve(fluxcap(info={"version": "one"}), number=1), \
            ctl.serve(fluxcap(info={"version": "colon"}), prefix="rte:1"):
        assert shown_version(ctl("-f", "rte:1", "show", "--json")) == "colon"
        assert shown_version(ctl("-f", "rte:1:0", "show", "--json")) == "colon"
        assert shown_version(ctl("-f", "rte", "show", "--json")) == "one"


@pytest.mark.skipif(os.getuid() != 0, reason="takes root, to become another user")
def test_no_permission(ctl):
    with ctl.serve(fluxcap()) as server:
        server.path.parent.chmod(stat.S_IRWXU)
        # A copy: the build may be where another user cannot look.
        copy = ctl.directory / "fluxcap-ctl"
        subprocess.run(["install", "-m", "755", str(BINARY), str(copy)], check=True)
        done = subprocess.run([copy, "show"], env=ctl.environment, capture_output=True, text=True,
                              timeout=HANG, check=False, user=65534, group=65534, extra_groups=[])
    check_failure(done, "permission denied", "as root")


def test_other_socket_type(ctl):
    path = ctl.directory / "dpdk" / "rte" / "dpdk_telemetry.v2"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(str(path))
        stream.listen()
        check_failure(ctl("show"), "is not DPDK's telemetry socket")


def test_path_too_long(ctl):
    check_failure(ctl("-f", "p" * 100, "show"), "too long for a socket's path", "107")


def test_no_greeting(ctl):
    with ctl.serve({}, greeting=Silence):
        check_failure(ctl("--timeout", "0.2", "show"), "no greeting", "within 0.2 s", "--timeout")


def test_too_many_clients(ctl):
    with ctl.serve({}, greeting=Close):
        check_failure(ctl("show"), "closed the connection at once", "10")


@pytest.mark.parametrize("greeting", [
    Raw("hello"), Raw("{"), Raw("[]"), {}, {"max_output_len": "16384"}, {"max_output_len": 0},
    {"max_output_len": 1 << 40}, Raw("x" * 2000)])
def test_bad_greeting(ctl, greeting):
    with ctl.serve(fluxcap(), greeting=greeting):
        assert check_failure(ctl("show")).stdout == ""


def test_takes_no_connection(ctl):
    """A process that is stopped accepts nobody: the queue of those who wait fills."""
    path = ctl.directory / "dpdk" / "rte" / "dpdk_telemetry.v2"
    path.parent.mkdir(parents=True)
    waiting = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(1)
        try:
            while len(waiting) < 10:
                client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                waiting.append(client)
                client.setblocking(False)
                client.connect(str(path))
        except BlockingIOError:
            pass
        check_failure(ctl("--timeout", "0.2", "show"), "takes no connection within 0.2 s")
        for client in waiting:
            client.close()


# Answers


BAD_ANSWERS = [
    (Raw('{"COMMAND": {"port": "net_p'), "is not JSON"),
    (Raw("\x1b[2J\x00\xff"), "is not JSON"),
    (Raw('"text"'), "is not JSON"),
    (Raw("[1]"), "not an object"),
    (Raw('{"/other": {}}'), "answers something else"),
    (Raw('{"COMMAND": {"a": "' + "x" * 16385 + '"}}'), "more than the 16384"),
    (Raw('{"COMMAND": {"a": ' + "[" * 5000 + '"}}'), "is not JSON"),
    (Silence, "within 0.3 s"),
    (Close, "closed the connection"),
    ("text", "is not a"),
    (5, "is not a"),
]


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"], ["io", "--count", "1"]])
@pytest.mark.parametrize("command", ["/fluxcap/info", "/fluxcap/taps", "/fluxcap/tap,cisco",
                                     "/fluxcap/output,ids", "/fluxcap/lcores"])
@pytest.mark.parametrize("answer, said", BAD_ANSWERS)
def test_bad_answers(ctl, arguments, command, answer, said):
    if isinstance(answer, Raw):
        answer = Raw(answer.data.replace(b"COMMAND", command.split(",")[0].encode()))
    timeout = "0.3" if answer is Silence else str(HANG)
    with ctl.serve(fluxcap() | {command: answer}):
        done = check_failure(ctl("--timeout", timeout, *arguments), said)
    assert done.stdout == "" and "\x1b" not in done.stderr


@pytest.mark.parametrize("names", [[1], [None], [""], ["a b"], ["a\n"], ["x" * 1000], [["a"]]])
def test_bad_names(ctl, names):
    with ctl.serve(fluxcap() | {"/fluxcap/taps": names}):
        check_failure(ctl("show"), "not a list of names")


def test_bad_feed(ctl):
    with ctl.serve(fluxcap() | {"/fluxcap/feeds": ["cisco"], "/fluxcap/feed,cisco": feed()}):
        check_failure(ctl("show"), "not TAP,OUTPUT")


def test_other_program(ctl):
    """Any DPDK process has the socket, but knows nothing of /fluxcap."""
    with ctl.serve({}):
        check_failure(ctl("show"), f"process {os.getpid()}", "another DPDK program", "-f")


def test_gone_while_asking(ctl):
    with ctl.serve(fluxcap(taps={"a": tap(), "b": tap()}) | {"/fluxcap/tap,a": None}):
        done = ctl("show", "--json")
        assert done.returncode == 0 and list(json.loads(done.stdout)["taps"]) == ["b"]
        done = ctl("io", "--count", "1", "--interval", "0.1")
        assert done.returncode == 0 and re.search(r"^ b +up", done.stdout, re.M)


# show


def test_show_json_is_what_was_answered(ctl):
    taps = {"cisco": tap(rx_packets=5, rx_bytes=500), "dell": tap(unaccounted=1)}
    outputs = {"ids": output(tx_packets=(1 << 63) - 1), "remote": output()}
    answers = fluxcap(taps, outputs, {("cisco", "ids"): feed(forwarded=5), ("dell", "ids"): feed(),
                                      ("dell", "remote"): feed(overrun=7, queued=1)})
    with ctl.serve(answers) as server:
        done = ctl("show", "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout) == {
        "info": answers["/fluxcap/info"], "taps": taps, "outputs": outputs,
        "feeds": {"cisco": {"ids": feed(forwarded=5)},
                  "dell": {"ids": feed(), "remote": feed(overrun=7, queued=1)}},
        "lcores": answers["/fluxcap/lcores"]}
    assert set(server.asked) == set(answers)


@pytest.mark.parametrize("n_taps, n_outputs, n_listed, length", [
    (2, 2, 3, 1),  # a list that says all there is
    (32, 20, 512, 1),  # cut at 512 strings
    (20, 20, 247, 31),  # cut at 16 KiB
])
def test_show_feeds_beyond_the_list(ctl, n_taps, n_outputs, n_listed, length):
    """DPDK cuts long lists without a word; show finds the feeds that fell off the end."""
    taps = {f"{i:x>{length}}": tap() for i in range(n_taps)}
    outputs = {f"{i:y>{length}}": output() for i in range(n_outputs)}
    pairs = [(t, o) for t in taps for o in outputs][:-1]
    answers = fluxcap(taps, outputs, {pair: feed() for pair in pairs})
    del answers["/fluxcap/feeds"][n_listed:]
    with ctl.serve(answers) as server:
        shown = json.loads(ctl("show", "--json").stdout)["feeds"]
    assert [(t, o) for t in shown for o in shown[t]] == pairs
    last = f"/fluxcap/feed,{list(taps)[-1]},{list(outputs)[-1]}"
    assert (last in server.asked) == (n_listed < len(pairs))


def test_show_text(ctl):
    with ctl.serve(fluxcap(taps={"cisco": tap("0000:03:00.0", rx_packets=1234567, rx_bytes=8,
                                              malformed=3, malformed_bytes=30)})):
        done, every = ctl("show"), ctl("show", "--all")
        assert ctl("show", "-v").stdout == every.stdout
    assert done.returncode == 0 and done.stderr == ""
    assert "tap cisco  port 0000:03:00.0  link up" in done.stdout
    assert re.search(r"^  rx_packets +1,234,567 +8$", done.stdout, re.M)
    assert re.search(r"^  malformed +3 +30$", done.stdout, re.M)
    assert re.search(r"^feed cisco -> ids$", done.stdout, re.M)
    assert re.search(r"^1 +rx\+tx +25\.0%  net_pcap0 net_pcap1$", done.stdout, re.M)
    assert "oversize" not in done.stdout and "not_ours" not in done.stdout
    assert re.search(r"^  oversize +0 +0$", every.stdout, re.M)
    assert re.search(r"^  not_ours +0 +0$", every.stdout, re.M)


def test_show_hostile_texts(ctl):
    evil = "\x1b]0;title\x07\n"
    with ctl.serve(fluxcap(taps={"cisco": tap(evil, link=evil)}, info={"config": evil})):
        for arguments in (["show"], ["io", "--count", "1", "--interval", "0.1"]):
            done = ctl(*arguments)
            assert done.returncode == 0
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout)


def test_show_largest_answer(ctl):
    """An answer as large as the two sides have agreed on."""
    fields = tap()
    size = len(envelope("/fluxcap/tap", fields | {"note": ""}))
    fields["note"] = "n" * (16384 - size)
    with ctl.serve(fluxcap(taps={"cisco": fields})):
        done = ctl("show", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["taps"]["cisco"] == fields


def test_show_no_taps(ctl):
    with ctl.serve(fluxcap(taps={}, outputs={}, lcores={})):
        done = ctl("show")
        assert done.returncode == 0 and "tap (none)" in done.stdout
        assert json.loads(ctl("show", "--json").stdout)["taps"] == {}


def test_show_many(ctl):
    taps = {f"tap-{i}": tap(rx_packets=i) for i in range(128)}
    outputs = {f"output-{i}": output(tx_packets=i) for i in range(128)}
    with ctl.serve(fluxcap(taps, outputs, {("tap-0", name): feed() for name in outputs})):
        shown = json.loads(ctl("show", "--json").stdout)
        done = ctl("io", "--count", "1", "--interval", "0.1")
    assert shown["taps"] == taps and shown["outputs"] == outputs
    # A title, heads, totals, lcores, and the line behind a table.
    assert len(done.stdout.splitlines()) == 1 + 130 + 130 + 1 + 1


def test_output_that_is_full(ctl):
    with ctl.serve(fluxcap()), open("/dev/full", "w") as full:
        for command in (["show"], ["show", "--json"], ["io", "--count", "1", "--interval", "0.1"]):
            done = subprocess.run([BINARY, *command], env=ctl.environment, stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=HANG, check=False)
            check_failure(done, "cannot write to standard output")


# check


def test_check_runs_the_neighbour(ctl):
    copy, neighbour = ctl.directory / "fluxcap-ctl", ctl.directory / "fluxcap"
    subprocess.run(["install", "-m", "755", str(BINARY), str(copy)], check=True)
    neighbour.write_text('#!/bin/sh\necho "$#:$1:$2"\nexit 42\n')
    neighbour.chmod(0o755)
    done = ctl("check", "-f", "unused", "a b.json", binary=copy)
    assert (done.returncode, done.stdout) == (42, "2:--check:a b.json\n")
    done = ctl("check", "--", "-odd", binary=copy)
    assert (done.returncode, done.stdout) == (42, "2:--check:-odd\n")
    assert ctl("check", "-", binary=copy).stdout == "2:--check:-\n"


def test_check_runs_the_one_in_path(ctl):
    copy = ctl.directory / "alone" / "fluxcap-ctl"
    copy.parent.mkdir()
    subprocess.run(["install", "-m", "755", str(BINARY), str(copy)], check=True)
    other = ctl.directory / "fluxcap"
    other.write_text("#!/bin/sh\nexit 2\n")
    other.chmod(0o755)
    assert ctl("check", "x", binary=copy, PATH=f"{ctl.directory}:/usr/bin:/bin").returncode == 2
    done = ctl("check", "x", binary=copy, PATH=str(copy.parent))
    check_failure(done, "cannot run fluxcap", "PATH")


# io, without a terminal


MARKS = " !^*"


def rows(text):
    """The rows of one table, in their order: {name: cells}, without the marks before the names."""
    lines = [line[1:] if line[0] in MARKS else line for line in text.splitlines() if line]
    return {line.split()[0]: line.split()[1:] for line in lines}


def marked(text):
    """The marks and names of one table's rows, from the top."""
    return [(line[0], line[1:].split()[0]) for line in text.splitlines()
            if line and line[0] in MARKS]


def tables(text):
    return [rows(part) for part in text.split("\n\n") if part.strip()]


def test_io_tables(ctl):
    answers = fluxcap(
        taps={"cisco": tap(pool_free=750), "dell": tap(link="down")},
        outputs={"ids": output(queued=48211), "remote": output()})
    answers["/fluxcap/tap,cisco"] = Growing(tap(pool_free=750), rx_packets=1000, rx_bytes=64000,
                                            rx_missed=5)
    answers["/fluxcap/feed,cisco,ids"] = feed(queued=48211, queued_bytes=16 << 20)
    with ctl.serve(answers) as server:
        done = ctl("io", "--count", "3", "--interval", "0.1")
    assert done.returncode == 0 and done.stderr == ""
    assert "\x1b" not in done.stdout and done.stdout.count("\n\n") == 3
    shown = tables(done.stdout)
    assert len(shown) == 3
    for table in shown:
        assert table["tap"] == ["link", "bit/s", "pkt/s", "missed", "bad", "filter", "pool",
                                "queued", "ring"] + table["tap"][9:]
        assert table["output"] == ["link", "bit/s", "pkt/s", "overrun", "handoff", "filter",
                                   "other", "queued", "ring"]
        up, bits, packets, missed, bad, filtered, pool, queued, ring = table["cisco"][:9]
        assert up == "up" and bad == filtered == "0" and pool == "25%"
        assert queued == "48.2k" and ring == "25%"
        for value in (bits, packets, missed):
            assert re.fullmatch(r"[0-9.]+[kMG]?", value) and value != "0"
        assert table["dell"] == ["down", "0", "0", "0", "0", "0", "0%", "0", "0%"]
        assert table["ids"] == ["up", "0", "0", "0", "0", "0", "0", "48.2k", "25%"]
    for part in done.stdout.split("\n\n")[:3]:
        found = {name: mark for mark, name in marked(part)}
        assert found["cisco"] == "!" and found["dell"] == found["ids"] == " "
    # One more than is shown: rates need two.
    assert server.asked.count("/fluxcap/tap,cisco") == 4


def test_io_sort_and_feeds(ctl):
    answers = fluxcap(taps={"a": tap(), "b": tap()}, outputs={"x": output(), "y": output()})
    answers["/fluxcap/output,y"] = Growing(output(), overrun=100)
    answers["/fluxcap/feed,b,x"] = Growing(feed(), tx_packets=100, overrun=1)
    with ctl.serve(answers):
        done = ctl("io", "-n", "1", "-i", "0.1", "--feeds", "--sort", "drops")
        names = [name for _, name in marked(done.stdout)]
        assert names == ["tap", "total", "a", "b",
                         "output", "total", "y", "<a", "<b", "x", "<b", "<a"]
        assert [name for mark, name in marked(done.stdout) if mark == "!"] == ["total", "y", "<b"]
        done = ctl("io", "-n", "1", "-i", "0.1", "-s", "name", "-r")
    names = [name for _, name in marked(done.stdout)]
    assert names == ["tap", "total", "b", "a", "output", "total", "y", "x"]


def test_io_feeds_beyond_the_list(ctl):
    """As of show: a list that DPDK has cut is completed."""
    taps = {f"t{i}": tap() for i in range(27)}
    outputs = {f"o{i}": output() for i in range(20)}
    answers = fluxcap(taps, outputs)
    last = "/fluxcap/feed,t26,o19"
    answers[last] = feed(queued=777, queued_bytes=32 << 20)
    del answers["/fluxcap/feeds"][512:]
    with ctl.serve(answers):
        table = tables(ctl("io", "-n", "1", "-i", "0.1").stdout)[0]
    assert table["t26"][7:9] == ["777", "50%"] and table["o19"][-1] == "50%"


def test_io_late(ctl):
    """Rates are by the time that has passed, not by the interval that was asked for."""
    growing = Growing(tap(), rx_packets=10**6)

    def slowly():
        time.sleep(1)
        return growing()
    with ctl.serve(fluxcap() | {"/fluxcap/tap,cisco": slowly}):
        done = ctl("io", "-n", "1", "-i", "0.1")
    over = float(re.search(r"  over ([0-9.]+) s  ", done.stdout)[1])
    packets = tables(done.stdout)[0]["cisco"][2]
    assert over > 1 and re.fullmatch(r"[0-9.]+k", packets)
    assert abs(float(packets[:-1]) * 1000 * over / 10**6 - 1) < 0.05


def test_io_missing_fields(ctl):
    with ctl.serve(fluxcap(taps={"cisco": {}}, outputs={"ids": {"tx_packets": "many"}},
                           feeds={("cisco", "ids"): {"queued": None}}, lcores={"1": 5})):
        done = ctl("io", "--count", "1", "--interval", "0.1")
    assert done.returncode == 0
    table = tables(done.stdout)[0]
    assert table["cisco"] == ["-"] * 9 and table["ids"] == ["-"] * 9


def test_io_wide(ctl):
    with ctl.serve(fluxcap()):
        done = ctl("io", "-w", "-n", "1", "-i", "0.1")
    table = tables(done.stdout)[0]
    for reason in ("rx_missed", "rx_nombuf", "rx_errors", "not_ours", "malformed", "filtered",
                   "sampled_out", "nombuf"):
        assert reason in table["tap"]
    for reason in ("handoff_full", "overrun", "filtered", "sampled_out", "unresolved", "oversize",
                   "nombuf", "tx_refused", "tx_errors", "queued"):
        assert reason in table["output"]
    assert "fragments" in table["tap"] and "ring" in table["output"]
    assert len(table["ids"]) == len(table["output"])


def test_io_columns(ctl):
    with ctl.serve(fluxcap(taps={"x" * 31: tap()})):
        done = ctl("io", "-n", "1", "-i", "0.1")
        assert "x" * 31 in done.stdout
        done = ctl("io", "-n", "1", "-i", "0.1", COLUMNS="80")
        assert max(map(len, done.stdout.splitlines())) <= 80 and "x" * 31 not in done.stdout


def test_io_without_utf8(ctl):
    answers = fluxcap() | {"/fluxcap/tap,cisco": Growing(tap(), rx_bytes=10**12)}
    with ctl.serve(answers):
        assert "█" in ctl("io", "-n", "1", "-i", "0.1").stdout
        done = ctl("io", "-n", "1", "-i", "0.1", LC_ALL="C")
        assert "####" in done.stdout and done.stdout.isascii()


def test_io_counters_that_go_back(ctl):
    answers = fluxcap() | {
        "/fluxcap/tap,cisco": Growing(tap(rx_packets=10**13, rx_bytes=0), rx_packets=-1000,
                                      rx_bytes=1)}
    with ctl.serve(answers):
        done = ctl("io", "-n", "1", "-i", "0.1")
    # It was made anew: what grew beyond its old value has not grown by the difference.
    assert tables(done.stdout)[0]["cisco"][1:6] == ["-"] * 5


def test_io_taps_that_come_and_go(ctl):
    """A reload while it is watched: only what was there before has rates."""
    answers = fluxcap(taps={"old": tap(), "stays": Growing(tap(), rx_packets=10)})
    with ctl.serve(answers):
        process = ctl.start("io", "--interval", "0.1")
        try:
            read_until(process, r"^ old +up +0 ")
            new = {"/fluxcap/tap,new": Growing(tap(), rx_packets=10),
                   "/fluxcap/taps": ["new", "stays"]}
            answers.update(new)
            text = read_until(process, r"^tap old removed, tap new added\n(.*\n)*? stays .*\n")
            text = text[text.index("tap old removed"):]
            assert re.search(r"^ new +up +- +- +-", text, re.M)
            assert re.search(r"^ stays +up +0 +[1-9]", text, re.M)
            read_until(process, r"^ new +up +0 +[1-9]")
        finally:
            process.kill()
            process.communicate()


def read_until(process, pattern):
    text = ""
    while not re.search(pattern, text, re.M):
        line = process.stdout.readline()
        assert line, f"ended before {pattern!r}: {text}"
        text += line
    return text


def test_io_process_that_starts_anew(ctl):
    server = ctl.serve(fluxcap(outputs={"ids": output(queued=5)})).start()
    process = ctl.start("io", "--interval", "0.1")
    try:
        read_until(process, r"^ ids +up +0 .* 5 +0%$")
        server.stop()
        text = read_until(process, r"^ ids .*\n")
        text = read_until(process, r"^no counters, trying again: .*\n(.*\n)*? ids +- +- .* -$")
        assert re.search(r"^ cisco +- +-", text, re.M)
        server.pid = 4242
        server.start()
        text = read_until(process, r"^connected to a new process, 4242: .*\n(.*\n)*? ids .*\n")
        # Its first sample has nothing to compare with.
        assert re.search(r"^ ids +up +- +- .* 5 +0%$", text.split("connected to")[1], re.M)
        text = read_until(process, r"^fluxcap .*\n tap(.*\n)*? ids +up +0 .* 5 +0%$")
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()
        server.stop()


def test_io_lost_at_the_end(ctl):
    server = ctl.serve(fluxcap()).start()
    server.answers["/fluxcap/output,ids"] = iter([output(), Close]).__next__
    try:
        done = ctl("io", "--count", "1", "--interval", "0.1")
    finally:
        server.stop()
    check_failure(done, "closed the connection")
    assert "no counters, trying again" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_io_ends_while_it_waits_for_an_answer(ctl, number):
    with ctl.serve(fluxcap() | {"/fluxcap/taps": Silence}) as server:
        process = ctl.start("--timeout", "3600", "io")
        wait_for(lambda: "/fluxcap/taps" in server.asked)
        process.send_signal(number)
        assert process.wait(HANG) == 0
        assert process.communicate() == ("", "")
