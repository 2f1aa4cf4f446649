#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""/fluxcap/reload and what /fluxcap/info says of it: how reloads are asked for and answered.

What a reload does to packets is not looked at here: the configuration does not change, or is wrong.
"""

import copy
import datetime
import json
import os
import signal
import subprocess
import threading

import pytest

import frames as fr
from fluxcap import BINARY, RUN_TIMEOUT, Telemetry

RELOAD = "/fluxcap/reload"
MAX_TEXT = 127  # bytes of a text in telemetry


@pytest.fixture
def broker(rig):
    """A rig for one tap and one output, with a file."""
    rig.short_form, rig.lcores = False, {"idle_us": 500}
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    return rig


def write(rig, config):
    rig.path("config.json").write_text(config if isinstance(config, str) else json.dumps(config))


def joined(findings):
    """Findings out of their pieces, as docs/telemetry.md says."""
    whole = []
    for text in findings:
        assert 0 < len(text) <= MAX_TEXT
        if text.startswith(" "):
            whole[-1] += text
        else:
            whole.append(text)
    return whole


def said_by_check(rig):
    """The mistakes in the file, as fluxcap --check names them."""
    path = rig.path("config.json")
    done = subprocess.run([BINARY, "--check", path], capture_output=True, text=True,
                          timeout=RUN_TIMEOUT, check=False)
    assert done.returncode == 2, done
    return [line.removeprefix(f"{path}: ") for line in done.stderr.splitlines()]


def outcome_lines(running):
    return [line for line in running.texts()[1].splitlines()
            if line.startswith(("fluxcap: reloaded: ", "fluxcap: not reloaded: "))]


def of_reloads(info):
    return {key: value for key, value in info.items() if "reload" in key}


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def test_what_info_says(broker):
    with broker.start() as running:
        never = {"last_reload": "never", "last_reload_result": "none", "last_reload_error": "",
                 "reloads": 0}
        assert of_reloads(running.telemetry("/fluxcap/info")) == never
        answer = running.telemetry(f"{RELOAD},dry-run")
        assert answer == {"result": "ok", "changes": 0, "dry_run": 1, "findings": []}
        assert of_reloads(running.telemetry("/fluxcap/info")) == never

        before = utc_now()
        answer = running.telemetry(RELOAD)
        assert answer == {"result": "ok", "changes": 0, "dry_run": 0, "findings": []}
        info = running.telemetry("/fluxcap/info")
        when = datetime.datetime.fromisoformat(info.pop("last_reload"))
        assert when.utcoffset() == datetime.timedelta(0) and before <= when <= utc_now()
        assert of_reloads(info) == {"last_reload_result": "ok", "last_reload_error": "",
                                    "reloads": 1}

        write(broker, broker.config() | {"lcores": {"idle": 1}})
        assert running.telemetry(f"{RELOAD},dry-run")["result"] == "failed"
        assert running.telemetry("/fluxcap/info")["last_reload_result"] == "ok"
        answer = running.telemetry(RELOAD)
        assert (answer["result"], answer["changes"], answer["dry_run"]) == ("failed", 0, 0)
        (mistake,) = said_by_check(broker)
        assert answer["findings"] == [f"error: {mistake}"]
        info = running.telemetry("/fluxcap/info")
        assert datetime.datetime.fromisoformat(info.pop("last_reload")) >= when
        assert of_reloads(info) == {"last_reload_result": "failed", "last_reload_error": mistake,
                                    "reloads": 1}

        write(broker, broker.config())
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(lambda: running.telemetry("/fluxcap/info")["reloads"] == 2, "a reload")
        assert running.telemetry("/fluxcap/info")["last_reload_error"] == ""
        assert outcome_lines(running) == [
            "fluxcap: reloaded: 0 changes",
            "fluxcap: not reloaded: the configuration has errors; it goes on as before",
            "fluxcap: reloaded: 0 changes"]
        running.wait_received("a", 10)
        running.wait_sent("x", 10)
        running.stop()


@pytest.mark.parametrize("parameters", ["now", "dry-run,now", "dry", "%n"])
def test_unknown_parameters(broker, parameters):
    with broker.start() as running:
        assert running.telemetry(f"{RELOAD},{parameters}") is None
        assert running.telemetry("/fluxcap/info")["last_reload"] == "never"


def test_all_mistakes_in_full(broker):
    """However long they are, and those of other signs."""
    config = copy.deepcopy(broker.config())
    config["taps"]["a"]["filter"] = "tcp port 80 and (" + " or ".join(
        f"host 10.0.0.{i}" for i in range(60)) + " nonsense"
    config["taps"]["a"]["rimg"] = config["outputs"]["x"]['tr"un\\cate'] = 5
    config["outputs"]["x"]["k" * 300] = 5
    with broker.start() as running:
        write(broker, config)
        answer = running.telemetry(RELOAD)
        mistakes = said_by_check(broker)
        assert len(mistakes) == 4 and max(map(len, mistakes)) > MAX_TEXT
        # Where a word is longer than a text, a blank is added.
        assert [text.replace(" ", "") for text in joined(answer["findings"])] == [
            f"error:{text}".replace(" ", "") for text in mistakes]
        assert running.telemetry("/fluxcap/info")["last_reload_error"] == mistakes[0][:MAX_TEXT]


def test_more_mistakes_than_an_answer_holds(broker):
    config = copy.deepcopy(broker.config())
    config["outputs"]["x"] |= {f'"unknown"{i}': 0 for i in range(700)}
    with broker.start() as running:
        write(broker, config)
        answer = running.telemetry(RELOAD)
        mistakes = said_by_check(broker)
        *findings, last = joined(answer["findings"])
        assert 80 < len(findings) < len(mistakes) == 700
        assert findings == [f"error: {text}" for text in mistakes[:len(findings)]]
        assert last == f"note: {len(mistakes) - len(findings)} more findings do not fit in here"
        assert all(text in running.texts()[1] for text in mistakes)


def test_no_file_any_more(broker):
    with broker.start() as running:
        path = broker.path("config.json")
        path.rename(broker.path("elsewhere"))
        (finding,) = joined(running.telemetry(RELOAD)["findings"])
        assert finding.startswith(f"error: {path}: ") and os.strerror(2) in finding
        os.mkfifo(path)  # whose reader would wait for a writer
        (finding,) = joined(running.telemetry(RELOAD)["findings"])
        assert "only a regular file" in finding
        path.unlink()
        broker.path("elsewhere").rename(path)
        assert running.telemetry(RELOAD)["result"] == "ok"


def test_the_short_form(rig):
    """There is nothing to read again; it says so, and goes on."""
    rig.tap("a", fr.numbered(10))
    rig.output("x", "a")
    with rig.start() as running:
        answer = running.telemetry(RELOAD)
        assert answer["result"] == "failed"
        (finding,) = joined(answer["findings"])
        assert finding.startswith("error: command line: ") and "-c FILE" in finding
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(lambda: len(outcome_lines(running)) == 2, "an answer to SIGHUP")
        running.stop()


def test_standard_input(broker):
    command = broker.command()
    path = broker.path("config.json")
    command[command.index(str(path))] = "-"
    with open(path, "rb") as config:
        process = subprocess.Popen(command, stdin=config, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "running: " in line:
                break
        process.send_signal(signal.SIGHUP)
        said = [process.stderr.readline(), process.stderr.readline()]
        assert "-c FILE" in said[0] and said[1].startswith("fluxcap: not reloaded: ")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=RUN_TIMEOUT)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
        broker.clean()


def test_a_relative_path(broker):
    """It is known by its whole name from the start on."""
    command = broker.command()
    path = broker.path("config.json")
    command[command.index(str(path))] = path.name  # its folder is the working directory
    broker.command = lambda *_: command
    with broker.start() as running:
        assert running.telemetry("/fluxcap/info")["config"] == str(path)
        assert running.telemetry(RELOAD)["result"] == "ok"


def run_clients(running, n_clients, ask, then=None):
    """Have clients ask in threads of their own; do something meanwhile; wait until all have ended."""
    # One after the other: DPDK lets only one wait for its connection.
    clients = [Telemetry(running.rig.prefix) for _ in range(n_clients)]
    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    try:
        for thread in threads:
            thread.start()
        if then is not None:
            then()
    finally:
        for thread in threads:
            thread.join(RUN_TIMEOUT)
        for client in clients:
            client.close()
    assert not any(thread.is_alive() for thread in threads)


def test_many_ask_at_once(broker):
    """Each gets its own answer, and counters can be read meanwhile."""
    n_clients, n_each = 6, 20
    answers = []

    def ask(client):
        own = []
        for i in range(n_each):
            own.append(client(f"{RELOAD},dry-run" if i % 2 else RELOAD))
            client("/fluxcap/tap,a")
        answers.append(own)

    with broker.start() as running:
        run_clients(running, n_clients, ask)
        assert len(answers) == n_clients
        for own in answers:
            assert [(one["result"], one["dry_run"]) for one in own] == [
                ("ok", i % 2) for i in range(n_each)]
        assert running.telemetry("/fluxcap/info")["reloads"] == n_clients * n_each // 2
        running.wait_sent("x", 10)
        running.stop()


def test_it_stops_while_many_ask(broker):
    """Nobody waits for an answer that does not come: it is refused, or the connection closed."""
    n_clients = 6
    ends = []
    begun = threading.Barrier(n_clients + 1)

    def ask(client):
        client(RELOAD)
        begun.wait(RUN_TIMEOUT)
        try:
            while (answer := client(RELOAD))["result"] == "ok":
                pass
            ends.append(answer["findings"])
        except (OSError, ValueError):  # there is nobody any more
            ends.append([])

    with broker.start() as running:
        def stop():
            begun.wait(RUN_TIMEOUT)
            running.stop()
        run_clients(running, n_clients, ask, stop)
    assert len(ends) == n_clients
    assert all(end in ([], ["error: fluxcap: is stopping"]) for end in ends), ends


def test_flooded_with_questions_it_reloads(broker):
    """Clients that ask for counters without pause do not keep control from applying a change."""
    is_done = threading.Event()
    counts = []

    def flood(client):
        n = 0
        while not is_done.is_set():
            n += client("/fluxcap/output,x")["port"] == broker.outputs["x"]["port"]
        counts.append(n)

    with broker.start() as running:
        def reload_often():
            try:
                assert all(running.telemetry(RELOAD)["result"] == "ok" for _ in range(20))
            finally:
                is_done.set()
        run_clients(running, 8, flood, reload_often)
        assert len(counts) == 8 and min(counts) > 0
        running.stop()
