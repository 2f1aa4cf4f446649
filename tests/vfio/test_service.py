#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap.service under a systemd of its own, in the guest.

That systemd is the first process of a PID namespace, since the guest's own first process is the
tests' own. It is Debian's, but nothing is enabled there beside fluxcap.service.
"""

import json
import re
import signal
from pathlib import Path

import pytest

from box import corpus
from qemu import NICS, wait_for

E1000E, VMXNET3, VIRTIO, OTHER = NICS[:4]
LENGTHS = [60, 128, 600, 1500]
SYSTEMD = "^/lib/systemd/systemd --system"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"

# The guest's root is the host's, in which systemd would find more to do.
EMPTY = """
rm -rf /lib/systemd/system/*.wants /lib/systemd/system-generators/* /etc/systemd/system/*
mkdir -p /etc/systemd/system/fluxcap.service.d
printf '%s\\n' [Service] StandardOutput=append:/share/unit.log StandardError=inherit RestartSec=0 \\
    >/etc/systemd/system/fluxcap.service.d/tests.conf
SYSTEMD_OFFLINE=1 systemctl enable fluxcap
"""
# A process in a chroot may not have a user namespace, so the root file system becomes the root of
# the mount namespace.
FIRST = """
cd /root && mount --move . / && exec chroot . /bin/sh -c '
    mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
        /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --show-status=no'
"""


class Systemd:
    """A systemd in the guest."""

    def __init__(self, machine):
        self.machine = machine
        machine.do("sh", "-ec", EMPTY)
        machine.ask("start", log="/share/systemd.log", command=[
            "nsenter", "-t", "1", "-r", "-w", "-m", "/bin/busybox", "unshare", "-p", "-m", "-f",
            "/bin/busybox", "sh", "-c", FIRST])
        self.pid = wait_for(lambda: machine.run("pgrep", "-f", SYSTEMD)["stdout"].strip(),
                            "systemd", every_s=0.2)
        wait_for(lambda: machine.run("test", "-S", "/run/systemd/private")["status"] == 0,
                 "systemd that answers", every_s=0.2)

    def do(self, *command):
        """Run a program, which must succeed, where systemd is the first process."""
        done = self.machine.run("nsenter", "-t", self.pid, "-p", "-m", "-r", "--wd=/", *command,
                                timeout_s=120)
        assert done["status"] == 0, f"{command}: {done}\n{self.logs()}"
        return done["stdout"]

    def reload(self):
        """Have systemd reload fluxcap.service; its exit status, and what it says."""
        done = self.machine.run("nsenter", "-t", self.pid, "-p", "-m", "-r", "--wd=/",
                                "systemctl", "reload", "fluxcap", timeout_s=120)
        return done["status"], done

    def logs(self):
        return self.machine.run("cat", "/share/unit.log", "/share/systemd.log")["stdout"]

    def about(self, *properties):
        """Some properties of fluxcap.service."""
        text = self.do("systemctl", "show", "fluxcap", "-p", ",".join(properties))
        return dict(line.split("=", 1) for line in text.splitlines())

    def process(self):
        """What the kernel says about the service's process."""
        pid = self.about("MainPID")["MainPID"]
        text = self.do("cat", f"/proc/{pid}/status")
        return pid, {key: value.split() for key, value in
                     (line.split(":", 1) for line in text.splitlines())}

    def wait_active(self, n_restarts):
        expected = {"ActiveState": "active", "NRestarts": str(n_restarts)}
        try:
            wait_for(lambda: self.about(*expected) == expected, "fluxcap.service", 120, 1)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.logs()}") from None

    def end(self):
        """It takes all its processes with it."""
        self.machine.do("kill", "-KILL", self.pid)


def configure(box, outputs):
    """Write the service's configuration; outputs are NICs by their names."""
    port = box.addresses
    box.machine.ask("write_file", path="/etc/fluxcap/config.json", text=json.dumps({
        "taps": {"t": {"port": port[E1000E.number], "ring": "2m", "filter": "ip or not ip"}},
        "outputs": {name: {"port": port[nic.number], "from": ["t"]}
                    for name, nic in outputs.items()},
        "lcores": {"idle_us": 1000}}))


OUTPUTS = {"v": VMXNET3, "n": VIRTIO}


@pytest.fixture(scope="module")
def service(one_box):
    """fluxcap.service, configured as docs/operations.md says, started because systemd started."""
    machine = one_box.machine
    machine.do("systemd-sysusers", "fluxcap.conf")
    machine.do("systemd-tmpfiles", "--create", "fluxcap.conf")
    machine.ask("write_file", path="/etc/fluxcap/eal.args", text="-l 0-1\n--file-prefix fluxcap\n")
    configure(one_box, OUTPUTS)
    systemd = Systemd(machine)
    systemd.wait_active(0)
    yield systemd
    systemd.end()
    one_box.host("undo")


def carries(box):
    box.carry(E1000E, corpus(81, LENGTHS), [VMXNET3, VIRTIO])


def test_it_carries_frames_without_privileges(box, service):
    """A user of its own, no capability, system calls filtered; NICs behind vfio-pci all the same."""
    assert service.about("StatusText")["StatusText"] == "running: 1 taps, 2 outputs, 1 lcores"
    pid, process = service.process()
    user = box.machine.do("id", "-u", "fluxcap").strip()
    assert process["Name"] == ["fluxcap"] and process["Uid"] == [user] * 4 and user != "0"
    assert {int(process[f"Cap{which}"][0], 16) for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")
            } == {0}
    assert (process["NoNewPrivs"], process["Seccomp"]) == (["1"], ["2"])
    carries(box)
    # The filter is machine code: a mapping without a file that can be executed.
    maps = [line.split() for line in service.do("cat", f"/proc/{pid}/maps").splitlines()]
    assert [words for words in maps if len(words) == 5 and words[1] == "r-xp"] != []
    shown = json.loads(box.machine.do("fluxcap-ctl", "-f", "fluxcap", "show", "--json"))
    assert shown["taps"]["t"]["rx_packets"] == len(corpus(81, LENGTHS))


def test_reloaded_it_goes_on(box, service):
    """An output moves to a NIC that the kernel has until then, and back; in between a file with
    mistakes changes nothing, and systemctl says so."""
    before = service.about("MainPID", "NRestarts")
    configure(box, {"v": VMXNET3, "o": OTHER})
    assert service.reload()[0] == 0, service.logs()
    assert service.about("StatusText")["StatusText"] == "running: 1 taps, 2 outputs, 1 lcores"
    assert service.about("ActiveState", *before) == {"ActiveState": "active"} | before
    box.carry(E1000E, corpus(82, LENGTHS), [VMXNET3, OTHER])

    box.machine.ask("write_file", path="/etc/fluxcap/config.json", text="{")
    status, said = service.reload()
    assert status != 0 and "failed" in said["stderr"], said
    assert "fluxcap-ctl: not reloaded" in service.logs()
    assert service.about("ActiveState", *before) == {"ActiveState": "active"} | before
    box.carry(E1000E, corpus(83, LENGTHS), [VMXNET3, OTHER])

    configure(box, OUTPUTS)
    assert service.reload()[0] == 0, service.logs()
    assert service.about("ActiveState", *before) == {"ActiveState": "active"} | before
    carries(box)


def test_killed_it_comes_back(box, service):
    pid, _ = service.process()
    service.do("kill", "-KILL", pid)
    service.wait_active(1)
    assert service.process()[0] != pid
    carries(box)


def test_dumpcap_as_the_page_says(box, service):
    """As the user that fluxcap is, since an answer to root's sockets is not permitted to it."""
    (command,) = re.findall(r"^    \$ sudo -u fluxcap (.*dpdk-dumpcap .*)$", PAGE.read_text(),
                            re.MULTILINE)
    assert command.endswith(" -D")
    done = service.do("setpriv", "--reuid=fluxcap", "--regid=fluxcap", "--clear-groups", "env",
                      *command.split())
    listed = [line.split(". ")[1].strip() for line in done.splitlines()]
    assert sorted(listed) == sorted(box.addresses[nic.number] for nic in (E1000E, VMXNET3, VIRTIO))


def test_stopped_it_ends_well(box, service):
    service.do("systemctl", "stop", "fluxcap")
    assert service.about("ActiveState", "Result", "ExecMainCode", "ExecMainStatus") == {
        "ActiveState": "inactive", "Result": "success", "ExecMainCode": "1", "ExecMainStatus": "0"}
    assert f"signal {signal.SIGTERM:d}" in box.machine.ask("read_file", path="/share/unit.log")
    assert box.machine.run("ls", "/run/fluxcap")["status"] != 0
