#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Filters of a thousand terms: they come up, and a reload of them holds nothing up."""

import copy
import threading

import frames as fr
import tunnel_peer as tp
from test_reload_tunnels import host_of
from test_service import listener  # noqa: F401 (a fixture)

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


def give_endless_filters(rig):
    """Outputs whose filters take longer to compile than a test waits."""
    for number in range(4):
        rig.output(f"x{number}", *rig.taps, port=rig.vdev("net_null"), filter=" and ".join(
            [f"({LIST})"] * 3 + [f"not host 192.0.2.{number}"]))


def test_a_long_reload(reload_rig):
    rig = reload_rig
    rig.n_lcores = 2
    rig.tap("a", fr.numbered(50, 200))
    rig.output("x", "a")
    with rig.start() as one:
        rig.outputs["x"]["filter"] = WHOLE
        one.write()
        answer = one.ctl("reload")
        assert answer.returncode == 0, answer
        rig.applied()


def test_a_long_reload_holds_nothing_up(reload_rig, network, listener):  # noqa: F811
    """While it compiles, everybody gets what they are used to; SIGTERM ends it."""
    rig = reload_rig
    rig.n_lcores = 2
    host = host_of(network, rig)

    def wait_for(condition, what):
        """Listening as systemd does: who speaks to somebody that does not has to wait."""
        one.wait_for(lambda: (listener.rest(), condition())[1], what)

    with rig.start() as one:
        wait_for(lambda: one.output("there")["next_hop_mac"] == host.mac("wire1"), "next hop")
        before = copy.deepcopy(rig.outputs)
        give_endless_filters(rig)
        one.write()
        rig.outputs = before  # nothing will come of it
        asking = threading.Thread(target=lambda: one.ctl("reload"))
        asking.start()
        try:
            wait_for(lambda: "takes longer" in one.texts()[1], "word of it")
            # telemetry, packets
            sent = one.output("there")["tx_packets"]
            network.play(tp.corpus(5, lengths=(64, 500)))
            wait_for(lambda: one.output("there")["tx_packets"] > sent, "packet")
            # neighbours: it is asked for its address, and pinged
            host.ip("neighbour", "flush", "dev", "wire1")
            assert host.neighbour(tp.IPV4.box) == ""
            assert host.ping(tp.IPV4.box) == 3
            assert "lladdr" in host.neighbour(tp.IPV4.box)
            # the watchdog
            listener.rest()
            for _ in range(4):
                assert listener.receive() == (one.process.pid, {"WATCHDOG": "1"})
            # a link that goes
            host.ip("link", "set", "wire1", "down")
            wait_for(lambda: one.output("there")["link"] == "down", "word of the link's end")
            # and all the time it went on
            assert asking.is_alive() and one.info()["last_reload_result"] != "failed"
            result = one.stop()
        finally:
            one.kill()
            asking.join()
        assert result.status == 0
        assert "fluxcap is stopping" in result.stderr
