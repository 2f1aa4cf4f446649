#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Inside the guest: does what the tests ask for, one line of JSON after the other.

A request is {"do": NAME, ...}; NAME is one of the functions in DOES, the rest are its arguments.
The answer is {"is": what it returned} or {"error": text}.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

PCI = Path("/sys/bus/pci/devices")
NETWORK_CLASS = "0x02"
started = {}  # process number: Popen


def prepare() -> None:
    """Install fluxcap and load the NICs' own drivers; only the tests shall send by them."""
    subprocess.run(["cp", "-r", "/share/installed/.", "/"], check=True)
    os.environ["PATH"] = ":".join([*{str(Path("/", *path.parent.relative_to(
        "/share/installed").parts)) for path in Path("/share/installed").rglob("fluxcap-run")},
        os.environ["PATH"]])
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["modprobe", "-a", "e1000e", "vmxnet3", "virtio_net"], check=True)


def run(command: list[str], timeout_s: float) -> dict:
    """Run a program to its end."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout_s, check=False)
    return {"status": done.returncode, "stdout": done.stdout.decode(errors="replace"),
            "stderr": done.stderr.decode(errors="replace")}


def start(command: list[str], log: str) -> int:
    """Start a program whose output goes to a file; its process number."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT)
    started[process.pid] = process
    return process.pid


def send_signal(pid: int, number: int) -> None:
    started[pid].send_signal(number)


def wait(pid: int, timeout_s: float) -> int | None:
    """The exit status of a started program, or None when it still runs after the time."""
    try:
        return started[pid].wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None


def threads(pid: int) -> dict:
    """The CPUs that each thread of a process may run on, by the thread's name."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        found[status["Name"]] = status["Cpus_allowed_list"].strip()
    return found


def telemetry(prefix: str, commands: list[str]) -> list | None:
    """The answers of a DPDK process; None when it does not listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(20)
        try:
            client.connect(f"/var/run/dpdk/{prefix}/dpdk_telemetry.v2")
        except OSError:
            return None
        size = json.loads(client.recv(1024))["max_output_len"]
        answers = []
        for command in commands:
            client.sendall(command.encode())
            answers.append(json.loads(client.recv(size))[command.split(",")[0]])
        return answers


def name_of_link(path: Path) -> str | None:
    return os.path.basename(os.readlink(path)) if path.is_symlink() else None


def nics() -> dict:
    """What the kernel says of every network device on the PCI bus, by PCI address."""
    found = {}
    for device in sorted(PCI.iterdir()):
        if not (device / "class").read_text().startswith(NETWORK_CLASS):
            continue
        # virtio has its interface one level further down.
        interfaces = {path.name: (path / "address").read_text().strip()
                      for place in ("net/*", "virtio*/net/*") for path in device.glob(place)}
        found[device.name] = {
            "driver": name_of_link(device / "driver"),
            "iommu_group": name_of_link(device / "iommu_group"),
            "node": int((device / "numa_node").read_text()),
            "interfaces": interfaces,
        }
    return found


def read_file(path: str) -> str:
    return Path(path).read_text(errors="replace")


def write_file(path: str, text: str) -> None:
    Path(path).write_text(text)


DOES = {function.__name__: function for function in (
    prepare, run, start, send_signal, wait, threads, telemetry, nics, read_file, write_file)}


def answer(line: str) -> dict:
    try:
        request = json.loads(line)
        return {"is": DOES[request.pop("do")](**request)}
    except Exception:  # whatever it is, the test shall show it
        return {"error": traceback.format_exc()}


def main() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    port = next(Path("/sys/class/virtio-ports").iterdir()).name
    with open(f"/dev/{port}", "r+b", buffering=0) as host:
        host.write(b'{"is": "up"}\n')
        pending = b""
        while True:
            data = host.read(65536)
            if not data:
                sys.exit("the host has gone")
            pending += data
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                reply = json.dumps(answer(line.decode())).encode() + b"\n"
                while reply:
                    reply = reply[host.write(reply):]


if __name__ == "__main__":
    main()
