#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A virtual machine with NICs, seen from outside.

The guest has two NUMA nodes, an IOMMU and a NIC below each of its PCIe root ports. Everything
between it and the tests is a socket pair, and QEMU ends with them, so nothing is left behind:

    wires     what leaves a NIC comes out here, and what is put in here arrives at the NIC
    monitor   QMP: pull and plug a cable, remove and add a device
    agent     agent.py in the guest
"""

import dataclasses
import json
import selectors
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BOOT_TIMEOUT_S = 180
MEMORY_MIB = 2048
CPUS = ((0, 1), (2,))  # of each NUMA node
FIRST_BUS = (64, 128)  # of each NUMA node
AGENT_TIMEOUT_S = 60
WIRE_TIMEOUT_S = 30
WINDOW = 32  # frames on their way at a time: fewer than any NIC's queue holds


class GuestNeverCameUp(Exception):
    """The guest did not reach its agent; TCG is known to hang or crash at boot now and then."""


@dataclasses.dataclass(frozen=True)
class Nic:
    """A NIC as QEMU makes it: its place in the list is its number everywhere."""

    number: int
    model: str  # of QEMU
    driver: str  # of the guest's kernel
    node: int
    options: str = ""

    @property
    def mac(self) -> str:
        return f"02:fc:00:00:00:{self.number:02x}"

    def device(self) -> dict:
        """What QMP's device_add takes."""
        made = {"driver": self.model, "id": f"nic{self.number}", "netdev": f"net{self.number}",
                "bus": f"port{self.number}", "mac": self.mac, "romfile": ""}
        made.update(option.split("=") for option in filter(None, self.options.split(",")))
        return made


# Without iommu_platform virtio would go past the IOMMU.
VIRTIO = "disable-legacy=on,iommu_platform=on,ats=on"
NICS = (
    Nic(0, "e1000e", "e1000e", 0),
    Nic(1, "vmxnet3", "vmxnet3", 0),
    Nic(2, "virtio-net-pci", "virtio-pci", 1, VIRTIO),
    Nic(3, "e1000e", "e1000e", 1),
    Nic(4, "virtio-net-pci", "virtio-pci", 0, VIRTIO),
)


class Wire:
    """The outer end of a NIC's cable. Frames are bytes without FCS."""

    def __init__(self, sock):
        self.sock = sock
        self.received = []  # written by the reader thread only; a list grows atomically

    def send(self, frame: bytes) -> None:
        end = time.monotonic() + WIRE_TIMEOUT_S
        while True:
            try:
                self.sock.send(frame, socket.MSG_DONTWAIT)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise AssertionError("the NIC takes no frame") from None
                time.sleep(0.002)


def wait_for(condition, what: str, timeout_s: float = WIRE_TIMEOUT_S, every_s: float = 0.01):
    """Wait until a condition gives something true, and give that."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {timeout_s} s")
        time.sleep(every_s)


class Machine:
    """A running guest; close() ends it."""

    def __init__(self, image: Path, folder: Path, installed: Path):
        """image holds vmlinuz and initrd; in folder the machine keeps its files; installed is
        what the guest copies over its root file system."""
        self.folder, self.share = folder, folder / "share"
        shutil.rmtree(folder, ignore_errors=True)
        self.share.mkdir(parents=True)
        shutil.copy(HERE / "agent.py", self.share)
        shutil.copytree(installed, self.share / "installed")
        self._inner = []  # our copies of QEMU's ends, until it has them
        monitor, agent = self._pair(socket.SOCK_STREAM), self._pair(socket.SOCK_STREAM)
        self.wires = [Wire(self._pair(socket.SOCK_DGRAM)) for _ in NICS]
        fds = [inner.fileno() for inner in self._inner]
        with open(folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(
                self._command(image, *fds[:2], fds[2:]), cwd=folder, pass_fds=fds,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        for inner in self._inner:
            inner.close()
        self._monitor, self._agent = monitor.makefile("rwb"), agent.makefile("rwb")
        self._sockets = [monitor, agent, *(wire.sock for wire in self.wires)]
        monitor.settimeout(60)
        self._agent_socket = agent
        self.events = []
        self._is_closing = False
        self._reader = threading.Thread(target=self._read_wires, daemon=True)
        self._reader.start()

    def _pair(self, kind):
        outer, inner = socket.socketpair(socket.AF_UNIX, kind)
        self._inner.append(inner)
        return outer

    def _command(self, image, monitor, agent, wires):
        command = [
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-machine", "q35", "-cpu", "max",
            # One thread for all CPUs: with several, guests with NUMA hang or crash at boot.
            "-accel", "tcg,thread=single",
            "-m", str(MEMORY_MIB), "-smp", "cpus=3,sockets=3,cores=1,threads=1",
            "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"),
            "-append", "console=ttyS0 quiet loglevel=4 panic=-1 intel_iommu=on iommu=nopt "
                       "no5lvl mitigations=off random.trust_cpu=on",
            "-serial", "file:console.log",
            "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
            "-device", "intel-iommu,intremap=on,aw-bits=48,device-iotlb=on",
            "-chardev", f"socket,id=agent,fd={agent}", "-device", "virtio-serial-pci,max_ports=2",
            "-device", "virtserialport,chardev=agent,name=agent",
            "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
            "-fsdev", "local,id=share,path=share,security_model=none",
            "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
        ]
        for node, cpus in enumerate(CPUS):
            command += [
                "-object", f"memory-backend-ram,id=memory{node},size={MEMORY_MIB // 2}M",
                "-numa", f"node,nodeid={node},memdev=memory{node},cpus={cpus[0]}-{cpus[-1]}",
                "-device", f"pxb-pcie,id=node{node},bus_nr={FIRST_BUS[node]},numa_node={node},"
                           "bus=pcie.0"]
        for nic, wire in zip(NICS, wires):
            device = ",".join(f"{key}={value}" for key, value in nic.device().items())
            command += [
                "-device", f"pcie-root-port,id=port{nic.number},bus=node{nic.node},"
                           f"chassis={nic.number + 1},slot={nic.number + 1}",
                "-netdev", f"dgram,id=net{nic.number},local.type=fd,local.str={wire}",
                "-device", device]
        return command

    def _read_wires(self):
        with selectors.DefaultSelector() as selector:
            for wire in self.wires:
                selector.register(wire.sock, selectors.EVENT_READ, wire)
            while not self._is_closing:
                for key, _ in selector.select():
                    try:
                        frame = key.fileobj.recv(65536, socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        continue
                    key.data.received.append(frame)

    def wait_up(self) -> None:
        """Wait for the agent, and for the NICs' drivers."""
        self._agent_socket.settimeout(BOOT_TIMEOUT_S)
        try:
            if json.loads(self._agent.readline()) != {"is": "up"}:
                raise GuestNeverCameUp("the agent says something else than that it is up")
        except (OSError, ValueError) as error:
            raise GuestNeverCameUp(f"{error}; {self.last_words()}") from None
        json.loads(self._monitor.readline())
        self.qmp("qmp_capabilities")
        self.ask("prepare")

    def last_words(self) -> str:
        texts = [(self.folder / name).read_text(errors="replace").strip()[-1500:]
                 for name in ("qemu.log", "console.log") if (self.folder / name).is_file()]
        return "\n".join(filter(None, texts))

    def ask(self, what: str, **arguments):
        """Have the agent do something; with timeout_s it is the guest that ends it."""
        self._agent_socket.settimeout(arguments.get("timeout_s", 0) + AGENT_TIMEOUT_S)
        self._agent.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        self._agent.flush()
        line = self._agent.readline()
        if not line:
            raise AssertionError(f"the guest has gone: {self.last_words()}")
        reply = json.loads(line)
        if "error" in reply:
            raise AssertionError(f"{what} {arguments}: {reply['error']}")
        return reply["is"]

    def run(self, *command: str, timeout_s: float = 60) -> dict:
        """Run a program in the guest to its end: status, stdout, stderr."""
        return self.ask("run", command=command, timeout_s=timeout_s)

    def do(self, *command: str, timeout_s: float = 60) -> str:
        """Run a program in the guest that must succeed; its standard output."""
        done = self.run(*command, timeout_s=timeout_s)
        assert done["status"] == 0, f"{' '.join(command)}: {done['stdout']}{done['stderr']}"
        return done["stdout"]

    def qmp(self, command: str, **arguments) -> dict:
        """Give QEMU a command; what it says meanwhile is in `events`."""
        self._monitor.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        self._monitor.flush()
        while True:
            reply = json.loads(self._monitor.readline())
            if "event" not in reply:
                assert "return" in reply, f"{command} {arguments}: {reply}"
                return reply["return"]
            self.events.append(reply)

    def has_device(self, nic: Nic) -> bool:
        """Whether QEMU has the NIC; it goes only once the guest has let go of it."""
        found = self.qmp("qom-list", path="/machine/peripheral")
        return any(one["name"] == f"nic{nic.number}" for one in found)

    def set_link(self, nic: Nic, up: bool) -> None:
        self.qmp("set_link", name=f"nic{nic.number}", up=up)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._is_closing = True
        for wire in self.wires:
            wire.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        self._reader.join()
        for one in (self._monitor, self._agent, *self._sockets):
            try:
                one.close()
            except OSError:
                pass
