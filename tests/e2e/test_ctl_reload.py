#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-ctl reload against a stand-in for fluxcap's telemetry: what it asks, prints, returns."""

import json
import subprocess
import time

import pytest

from fake_telemetry import Close, Raw, Silence, fluxcap
from test_ctl import BINARY, HANG, check_failure, ctl  # noqa: F401 (a fixture)

RELOAD = "/fluxcap/reload"
DRY_RUN = "/fluxcap/reload,dry-run"


def outcome(result="ok", changes=0, dry_run=0, findings=()):
    return {"result": result, "changes": changes, "dry_run": dry_run, "findings": list(findings)}


def serve(ctl, answer, command=RELOAD, **options):
    return ctl.serve(fluxcap() | {command: answer}, **options)


@pytest.mark.parametrize("changes, said", [(0, "0 changes"), (1, "1 change"), (128, "128 changes")])
def test_it_reloads(ctl, changes, said):
    with serve(ctl, outcome(changes=changes)) as server:
        done = ctl("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"reloaded: {said}\n", "")
    assert server.asked == [RELOAD]


def test_findings(ctl):
    """Notes where results are, what needs attention where errors are."""
    findings = ["warning: taps.a.ring: small", "note: outputs.x: new", "note: outputs.y: removed"]
    with serve(ctl, outcome(changes=2, findings=findings)):
        done = ctl("reload")
    assert done.returncode == 0
    assert done.stderr == "warning: taps.a.ring: small\n"
    assert done.stdout == "note: outputs.x: new\nnote: outputs.y: removed\nreloaded: 2 changes\n"


def test_it_is_refused(ctl):
    with serve(ctl, outcome("failed", findings=["error: taps.a.port: none", "warning: b: c"])):
        done = ctl("reload")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == ("error: taps.a.port: none\nwarning: b: c\n"
                           "fluxcap-ctl: not reloaded: fluxcap goes on as before\n")


@pytest.mark.parametrize("option", ["--dry-run", "-d"])
@pytest.mark.parametrize("result, status, out, err", [
    ("ok", 0, "note: outputs.x: new\nwould be reloaded: 1 change\n", ""),
    ("failed", 1, "note: outputs.x: new\n", "fluxcap-ctl: it would not be reloaded\n"),
])
def test_dry_run(ctl, option, result, status, out, err):
    answer = outcome(result, 1, 1, ["note: outputs.x: new"])
    with serve(ctl, answer, DRY_RUN) as server:
        done = ctl("reload", option)
    assert (done.returncode, done.stdout, done.stderr) == (status, out, err)
    assert server.asked == [DRY_RUN]


PIECES = ["error: a: " + "x" * 117, " " + "y" * 126, " z", "error: b: c", "note: d:", " " + "e" * 126]
WHOLE = ["error: a: " + "x" * 117 + " " + "y" * 126 + " z", "error: b: c", "note: d: " + "e" * 126]


def test_findings_that_came_in_pieces(ctl):
    with serve(ctl, outcome("failed", findings=PIECES)):
        done = ctl("reload")
        shown = ctl("reload", "--json")
    assert done.stderr.splitlines()[:-1] == WHOLE[:2]
    assert done.stdout.splitlines() == WHOLE[2:]
    assert json.loads(shown.stdout) == outcome("failed", findings=WHOLE)


@pytest.mark.parametrize("result, status", [("ok", 0), ("failed", 1)])
def test_json(ctl, result, status):
    answer = outcome(result, 2, 0, ["warning: a: b", "note: \"c\" \\: d"]) | {"new_field": "kept"}
    with serve(ctl, answer):
        done = ctl("reload", "--json")
    assert (done.returncode, done.stderr) == (status, "")
    assert json.loads(done.stdout) == answer


def test_texts_cannot_control_the_terminal(ctl):
    with serve(ctl, outcome("failed", findings=["error: \x1b[2J: \u202e\n"])):
        done = ctl("reload")
    assert done.stderr.startswith("error: ?[2J: ") and done.stderr.isascii()
    assert "\x1b" not in done.stderr and done.stderr.count("\n") == 2


# No answer


def test_prefix(ctl):
    with serve(ctl, outcome(changes=1)), serve(ctl, outcome(changes=2), prefix="two"):
        assert ctl("-f", "two", "reload").stdout == "reloaded: 2 changes\n"
        check_failure(ctl("-f", "three", "reload"), "--file-prefix three", "-f rte, -f two",
                      status=2)


def test_a_fluxcap_that_cannot(ctl):
    with ctl.serve(fluxcap()):
        check_failure(ctl("reload"), "does not know /fluxcap/reload", "-f", status=2)


@pytest.mark.parametrize("answer, said", [
    (Close, "closed the connection"),
    (Raw("{"), "is not JSON"),
    (Raw('{"/other": {}}'), "answers something else"),
    ("text", "is not what became of a reload"),
    ([], "is not what became of a reload"),
    ({}, "is not what became of a reload"),
    (outcome() | {"result": 1}, "is not what became of a reload"),
    (outcome() | {"changes": "1"}, "is not what became of a reload"),
    (outcome() | {"findings": "none"}, "is not what became of a reload"),
    (outcome() | {"findings": ["note: a", 5]}, "is not what became of a reload"),
])
def test_bad_answers(ctl, answer, said):
    with serve(ctl, answer):
        assert check_failure(ctl("reload"), said, status=2).stdout == ""


def test_a_reload_takes_longer_than_a_look(ctl):
    """Longer than all other answers may take, unless a time is given."""
    def answer_late():
        time.sleep(3.5)
        return outcome(changes=4)
    with serve(ctl, answer_late):
        assert ctl("reload").stdout == "reloaded: 4 changes\n"
    with serve(ctl, Silence):
        check_failure(ctl("-t", "0.3", "reload"), "no answer to /fluxcap/reload", "within 0.3 s",
                      status=2)


def test_nowhere_to_print(ctl):
    with serve(ctl, outcome(changes=1)), open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, "reload"], env=ctl.environment, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=HANG, check=False)
    assert done.returncode == 2 and "cannot write to standard output" in done.stderr


@pytest.mark.parametrize("arguments, said", [
    (["reload", "now"], "started with, not 'now'"),
    (["reload", "--all"], "reload does not take --all"),
    (["reload", "--count", "2"], "reload does not take --count"),
    (["show", "--dry-run"], "show does not take --dry-run"),
    (["io", "-d"], "io does not take --dry-run"),
    (["check", "--json", "x"], "check does not take --json"),
])
def test_usage_errors(ctl, arguments, said):
    with serve(ctl, outcome()) as server:
        check_failure(ctl(*arguments), said, "--help", status=2)
    assert server.asked == []
