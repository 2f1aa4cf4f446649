#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Filters of a thousand terms: they come up, and a reload of them holds nothing up."""

import threading
import time

import frames as fr

HOSTS = [f"10.0.{n // 256}.{n % 256}" for n in range(1000)]
LIST = " or ".join(f"host {host}" for host in HOSTS)
WHOLE = f"not ({LIST})"  # cannot be cut into parts, so that it takes seconds


def test_a_thousand_hosts(rig):
    sent = fr.numbered(50, 200)
    rig.short_form = False
    rig.tap("a", sent)
    rig.output("all", "a")
    rig.output("none", "a", filter=LIST)
    result = rig.run()
    assert result.frames("all") == sent
    assert result.frames("none") == []


def test_a_long_reload_holds_nothing_up(reload_rig):
    rig = reload_rig
    rig.n_lcores = 2
    rig.tap("a", fr.numbered(50, 200))
    rig.output("x", "a")
    with rig.start() as one:
        rig.outputs["x"]["filter"] = WHOLE
        one.write()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(one.ctl("reload")))
        asking.start()
        one.wait_for(lambda: "takes longer" in one.texts()[1] or answers, "word of it")
        asking.join()
        assert answers[0].returncode == 0, answers[0]
        rig.applied()


def test_stopping_does_not_wait_for_a_long_reload(reload_rig):
    rig = reload_rig
    rig.n_lcores = 2
    rig.tap("a", fr.numbered(50, 200))
    rig.output("x", "a")
    with rig.start() as one:
        rig.outputs["x"]["filter"] = " and ".join(f"({LIST})" for _ in range(2))
        one.write()
        asking = threading.Thread(target=lambda: one.ctl("reload"))
        asking.start()
        time.sleep(1)
        result = one.stop()
        asking.join()
        assert result.status == 0
        assert "fluxcap is stopping" in result.stderr
