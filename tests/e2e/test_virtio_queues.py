#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several rx queues of a virtio port whose host offers no RSS: dpdk-testpmd behind a vhost socket.

The host decides which queue a packet comes in, and says by its own counters what it has sent.
"""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

import fluxcap
from reloading import ReloadRig

QUEUES = 2
N = 2000


class Host:
    """dpdk-testpmd, which sends flows of its own by each queue of a vhost socket."""

    def __init__(self, folder):
        self.socket = folder / "vhost.sock"
        self.log = open(folder / "testpmd.log", "w", encoding="utf-8")
        self.prefix = fluxcap.new_prefix()
        self.process = subprocess.Popen(
            ["dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--lcores", "(0,1)@(0,1)",
             "--file-prefix", self.prefix, "--no-telemetry",
             "--vdev", f"net_vhost0,iface={self.socket},queues={QUEUES}", "--", "-i",
             "--total-num-mbufs=4096", f"--rxq={QUEUES}", f"--txq={QUEUES}"],
            stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT, text=True)

    def tell(self, *commands):
        self.process.stdin.write("".join(f"{command}\n" for command in commands))
        self.process.stdin.flush()

    def wait_up(self):
        end = time.monotonic() + fluxcap.RUN_TIMEOUT
        while "testpmd> " not in Path(self.log.name).read_text(encoding="utf-8"):
            assert self.process.poll() is None and time.monotonic() < end, "testpmd does not start"
            time.sleep(fluxcap.POLL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.log.close()
        shutil.rmtree(fluxcap.RUNTIME / self.prefix, ignore_errors=True)


class SharedRig(ReloadRig):
    """A fluxcap of which the memory is one file, as vhost-user wants it."""

    def eal_arguments(self):
        return [*super().eal_arguments(), "--single-file-segments"]


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path) as started:
        yield started


def test_the_host_chooses_the_queue(tmp_path, host):
    rig = SharedRig(tmp_path)
    rig.memory_mb = 500
    port = rig.vdev("net_virtio_user", path=host.socket, queues=QUEUES)
    rig.tap("a", port=port)
    rig.output("null", "a", port=rig.vdev("net_null"))
    rig.ports = {port: {"rx_queues": QUEUES}}
    host.wait_up()
    with rig.start() as running:
        host.tell("set fwd flowgen", "start")
        running.wait_received("a", N)
        (number,) = (one for one in running.port_ids()
                     if running.telemetry(f"/ethdev/info,{one}")["name"] == port)
        running.wait_for(lambda: all(
            running.telemetry(f"/ethdev/xstats,{number}")[f"rx_q{queue}_good_packets"] > 0
            for queue in range(QUEUES)), "packets in each queue")
        host.tell("stop")
        running.wait_quiet()
        result = running.stop()
    host.tell("quit")
    said = (f"ports.{port}.rx_queues: driver net_virtio_user has no RSS: the other end of the "
            f"vhost socket chooses which of the {QUEUES} queues a packet comes in")
    assert said in result.stderr
    assert result.tap("a")["rx_packets"] >= N
