# SPDX-License-Identifier: MIT
"""What fluxcap-host's tests run it on."""

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts"))

# pylint: disable=wrong-import-position
from fluxcap_host import command  # noqa: E402
from fluxcap_host.drivers import Driver  # noqa: E402
from machine import Machine  # noqa: E402

# Says about every configuration what the test has written beside it.
FLUXCAP = """#!/usr/bin/python3
import pathlib, sys
eal, own = [], sys.argv[1:]
if "--" in own:
    eal, own = own[:own.index("--") + 1], own[own.index("--") + 1:]
config = pathlib.Path(own[1])
config.with_suffix(".calls").open("a").write(" ".join([*eal, own[0], *own[2:]]) + "\\n")
if config.read_text() == "bad":
    sys.exit("config.json: taps.a.prot: unknown key, did you mean 'port'?")
print(config.with_suffix("." + own[0]).read_text())
"""
STATE = "/run/fluxcap-host.json"
A, B = "0000:01:00.0", "0000:02:00.0"
NIC_DRIVERS = [Driver("net_e1000_em", "* igb_uio | vfio-pci", [[0x8086, 0x10d3, 0xffff, 0xffff]]),
           Driver("mlx5_eth", "* ib_uverbs & mlx5_core & mlx5_ib",
                  [[0x15b3, 0x1017, 0xffff, 0xffff]])]


class Bench:
    """A machine, a configuration, and fluxcap-host to be run on them."""

    def __init__(self, folder: Path):
        (folder / "root").mkdir()
        self.machine = Machine(folder / "root")
        self.config = folder / "config.json"
        self.eal_args = folder / "eal.args"
        program = folder / "fluxcap"
        program.write_text(FLUXCAP, encoding="utf-8")
        program.chmod(0o755)
        self.machine.environ["FLUXCAP"] = str(program)
        self.describe([A], [B])

    def describe(self, taps, outputs, *, memory=None, named=(), wanted=2, ports=None, pools=(),
                 name=""):
        """What the configuration says; memory: bytes by NUMA node."""
        if name:
            self.config = self.config.with_name(name)
        self.config.write_text("{}", encoding="utf-8")
        self.config.with_suffix(".--dump").write_text(json.dumps({
            "taps": {f"t{n}": {"port": port} for n, port in enumerate(taps)},
            "outputs": {f"o{n}": {"port": port, "from": []} for n, port in enumerate(outputs)},
            "ports": ports or {}}), encoding="utf-8")
        nodes = [{"node": node, "bytes": size} for node, size in (memory or {-1: 2 << 20}).items()]
        self.config.with_suffix(".--plan").write_text(json.dumps({
            "ports": [], "pools": list(pools), "nodes": nodes,
            "lcores": {"named": list(named), "wanted": wanted}}), encoding="utf-8")

    def run(self, *argv: str) -> int:
        """Run it; what it says is in machine.said and machine.warned, of this run only."""
        self.machine.said.clear()
        self.machine.warned.clear()
        self.machine.commands.clear()
        return command.main([str(word) for word in argv], "/nowhere", self.machine)

    def prepare(self, *more: str) -> int:
        return self.run("prepare", self.config, *more)

    def undo(self) -> int:
        return self.run("undo")

    def status(self, *more: str) -> dict:
        self.exit_status = self.run("status", self.config, "--json", *more)
        return json.loads(self.machine.said[0])

    def findings(self, *more: str) -> list[tuple[str, str, str]]:
        return [(x["severity"], x["subject"], x["what"]) for x in self.status(*more)["findings"]]

    @property
    def calls(self) -> list[str]:
        """What fluxcap was asked."""
        return self.config.with_suffix(".calls").read_text(encoding="utf-8").splitlines()

    @property
    def complaint(self) -> str:
        return "\n".join(self.machine.warned)

    @property
    def state(self) -> dict:
        """What is remembered of the broker that has no name."""
        return self.brokers.get("rte", {})

    @property
    def brokers(self) -> dict:
        return json.loads(self.machine.read(STATE) or '{"brokers": {}}')["brokers"]
