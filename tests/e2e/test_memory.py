#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""While packets flow nothing is allocated but mbufs out of their pools."""

import re
import time

WARM_UP = 300000  # packets: enough to have used every buffer of the pool, and to lose some
FLOW = 300000


def heap(running):
    """What EAL's heap has handed out."""
    info = running.telemetry("/eal/heap_info,0")
    return {key: info[key] for key in ("Alloc_count", "Alloc_size")}


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


def test_nothing_grows_while_packets_flow(rig):
    rig.tap("a", port=rig.vdev("net_null"), ring="1m", filter="not ip6", sample=90)
    rig.output("good", "a", port=rig.vdev("net_null"))
    rig.output("tagged", "a", port=rig.vdev("net_null"), vlan={"push": 9})
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("stuck.tagged", "a", port=rig.vdev("net_ring"), vlan={"push": 9}, truncate=40)
    with rig.start() as running:
        running.wait_for(lambda: running.tap("a")["rx_packets"] > WARM_UP, "the warm-up")
        for feed in ("stuck", "stuck.tagged"):
            assert running.feed("a", feed)["overrun"] > 0
        heap_before, resident_before = heap(running), resident_kib(running.process.pid)
        seen = running.tap("a")["rx_packets"]
        running.wait_for(lambda: running.tap("a")["rx_packets"] > seen + FLOW, "the flow")
        time.sleep(0.5)
        assert heap(running) == heap_before
        # Threads of telemetry come and go; a packet's worth of growth would be far more.
        assert resident_kib(running.process.pid) - resident_before < 1024
        running.stop()
