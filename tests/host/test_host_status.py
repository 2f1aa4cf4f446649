#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-host status: what it finds, and that it changes nothing."""

import json
import os
import shutil

import pytest

from host_bench import A, B
from machine import GROUPS, PCI


MARGIN_PAGES = 32
CPUS = "/sys/devices/system/cpu"


@pytest.fixture
def ready(bench, machine):
    """A machine on which nothing is wrong: 4 CPUs, lcore 0 for control, 1 to 3 for packets."""
    bench.eal_args.write_text("-l 0-3\n")
    machine.cpus("0-3", "1-3")
    for cpu in range(4):
        machine.put(f"{CPUS}/cpu{cpu}/cpufreq/scaling_governor", "performance")
        machine.put(f"{CPUS}/cpu{cpu}/topology/thread_siblings_list", str(cpu))
    machine.put("/proc/interrupts",
                "      CPU0 CPU1\n 24:  10  0  x eth0\n 25:  0  0  x y\nNMI: 1 1")
    for number, where in ((24, "0"), (25, "0-3")):
        machine.put(f"/proc/irq/{number}/effective_affinity_list", where)
    assert bench.prepare() == 0
    return bench


def look(bench, *more):
    before = bench.machine.snapshot()
    found = bench.status("--eal-args", bench.eal_args, *more)
    assert bench.machine.snapshot() == before
    return found


def the_finding(bench):
    """The only one."""
    findings = look(bench)["findings"]
    assert len(findings) == 1, findings
    return findings[0]


def test_nothing_to_find(ready):
    found = look(ready)
    assert found["findings"] == []
    assert found["ready"] is True
    assert ready.exit_status == 0
    assert found["lcores"] == [0, 1, 2, 3]


def test_before_prepare_everything_is_missing_and_prepare_mends_it(bench, machine):
    found = bench.status()
    stops = {(x["subject"], x["what"]): x["mend"] for x in found["findings"]
             if x["severity"] == "stops"}
    assert set(stops) == {
        (A, "is with e1000e, not with vfio-pci"), (B, "is with e1000e, not with vfio-pci"),
        ("NUMA node 0", f"has no hugepages, and {1 + MARGIN_PAGES} are needed"),
        ("hugepages", "are not mounted")}
    assert set(stops.values()) == {f"fluxcap-host prepare {bench.config}"}
    assert found["ready"] is False
    assert bench.exit_status == 1
    assert bench.prepare() == 0
    assert [x for x in bench.status()["findings"] if x["severity"] == "stops"] == []


def test_nics(ready, machine):
    machine.add_nic("0000:03:00.0", "eth3", group="13", node=1, ids=(0x10ec, 0x8168, 1, 2))
    machine.put("/sys/class/net/eth3/speed", "10000")
    machine.put("/usr/share/misc/pci.ids", "# comment\n8086  Intel\n\t10d3  82574L\n"
                                           "10ec  Realtek\n\t8168  RTL8111")
    nics = {nic["address"]: nic for nic in look(ready)["nics"]}
    assert nics[A] == {
        "address": A, "id": "8086:10d3", "model": "82574L", "node": 0, "speed_mbps": 0,
        "driver": "vfio-pci", "interfaces": [], "fluxcap_driver": "net_e1000_em",
        "iommu_group": "11", "iommu": True, "users": ["tap t0"], "prepared": True, "held_by": []}
    assert nics["0000:03:00.0"] == {
        "address": "0000:03:00.0", "id": "10ec:8168", "model": "RTL8111", "node": 1,
        "speed_mbps": 10000, "driver": "e1000e", "interfaces": ["eth3"], "fluxcap_driver": "",
        "iommu_group": "13", "iommu": True, "users": [], "prepared": False, "held_by": []}


def test_the_speed_of_a_link_is_known_after_prepare(bench, machine):
    machine.put("/sys/class/net/eth1/speed", "25000")
    machine.put("/sys/class/net/eth2/speed", "-1")
    assert bench.prepare() == 0
    shutil.rmtree(machine.path("/sys/class/net"))
    speeds = {nic["address"]: nic["speed_mbps"] for nic in bench.status()["nics"]}
    assert speeds == {A: 25000, B: 0}


def test_who_holds_a_port(ready, machine):
    machine.add_process(77, "fluxcap", files=["/dev/vfio/11"])
    assert look(ready)["nics"][0]["held_by"] == ["fluxcap (77)"]


def test_memory(ready, machine):
    total = 1 + MARGIN_PAGES
    assert look(ready)["memory"] == [
        {"node": 0, "page_bytes": 2 << 20, "pages": total, "free": total, "needed": total}]
    assert look(ready)["hugetlbfs"] == "/dev/hugepages"


def test_too_few_hugepages(ready, machine):
    ready.describe([A], [B], memory={0: 20 << 20})
    finding = the_finding(ready)
    assert finding == {
        "severity": "stops", "subject": "NUMA node 0",
        "what": f"has {1 + MARGIN_PAGES} hugepages of 2 MiB, and {10 + MARGIN_PAGES} are needed",
        "mend": f"fluxcap-host prepare {ready.config}"}


def test_hugepages_on_the_wrong_node(ready, machine):
    machine.add_node(1, "4-7")
    ready.describe([A], [B], memory={1: 2 << 20})
    assert the_finding(ready)["what"] == f"has no hugepages, and {1 + MARGIN_PAGES} are needed"


def test_hugepages_that_the_running_fluxcap_has_are_there(ready, machine):
    machine.pages(0, 1 + MARGIN_PAGES, 0)
    assert look(ready)["findings"] == []


def test_hugepages_that_others_have_are_not(ready, machine):
    os.unlink(machine.path("/run/fluxcap-host.json"))
    machine.pages(0, 50, 3)
    assert the_finding(ready)["what"] == \
        f"has 3 hugepages of 2 MiB, and {1 + MARGIN_PAGES} are needed"
    machine.add_process(77, "fluxcap", files=["/dev/vfio/11"])
    assert look(ready)["findings"] == []


def test_hugepages_not_mounted(ready, machine):
    machine.put("/proc/mounts", "")
    assert (the_finding(ready)["subject"], the_finding(ready)["what"]) == \
        ("hugepages", "are not mounted")


def test_no_iommu(bench, machine):
    for port, group in ((A, "11"), (B, "12")):
        os.unlink(machine.path(f"{PCI}/{port}/iommu_group"))
        shutil.rmtree(machine.path(f"{GROUPS}/{group}"))
    machine.noiommu_built = True
    found = bench.status()
    assert found["iommu"] == "off"
    assert any(what.startswith("has no IOMMU, or it is off") for _, _, what in bench.findings())
    assert bench.prepare("--no-iommu") == 0
    found = bench.status()
    assert found["iommu"] == "no-iommu"
    assert found["ready"] is True
    assert ("note", A, "NO IOMMU: fluxcap can read and write all memory through it") in \
        bench.findings()


def test_a_port_that_is_prepared_and_not_configured(ready):
    ready.describe([A], [A])
    finding = the_finding(ready)
    assert (finding["subject"], finding["what"]) == (B, "was prepared, and is not configured any "
                                                        "more")


def test_a_port_that_went_back_to_the_kernel(ready, machine):
    machine.detach(A)
    machine.put(f"{PCI}/{A}/driver_override", "(null)")
    machine.probe(A)
    assert the_finding(ready)["what"] == "is with e1000e, not with vfio-pci"


def test_a_slot_with_fewer_lanes_than_the_nic(ready, machine):
    for which, lanes in (("current", 4), ("max", 8)):
        machine.put(f"{PCI}/{A}/{which}_link_speed", "8.0 GT/s PCIe")
        machine.put(f"{PCI}/{A}/{which}_link_width", str(lanes))
    assert the_finding(ready)["what"] == "has 4 of its 8 PCIe lanes (31507 of 63015 Mbit/s)"


def test_a_slot_that_is_slower_than_the_link(bench, ready, machine):
    machine.put(f"{PCI}/{A}/current_link_speed", "2.5 GT/s PCIe")
    machine.put(f"{PCI}/{A}/current_link_width", "1")
    machine.put(f"{PCI}/{A}/max_link_width", "1")
    assert look(ready)["findings"] == []
    assert bench.undo() == 0
    machine.put("/sys/class/net/eth1/speed", "10000")
    assert bench.prepare() == 0
    assert the_finding(ready)["what"] == "its slot carries 2000 Mbit/s, its link 10000"


def test_modules_that_a_nic_needs_beside_its_driver(bench, machine):
    port = machine.add_nic("0000:03:00.0", "eth3", driver="mlx5_core", ids=(0x15b3, 0x1017, 1, 2))
    machine.modules_on_disk |= {"ib_uverbs", "mlx5_core", "mlx5_ib"}
    bench.describe([port], [port])
    machine.load_module("mlx5_core")
    stops = [what for severity, subject, what in bench.findings()
             if (severity, subject) == ("stops", port)]
    assert stops == ["needs the kernel module ib_uverbs", "needs the kernel module mlx5_ib"]
    assert bench.prepare() == 0
    assert bench.status()["ready"] is True


# --- lcores

def test_cpus_that_are_not_isolated(ready, machine):
    machine.cpus("0-3", "3")
    finding = the_finding(ready)
    assert finding["severity"] == "slows"
    assert finding["what"].startswith("CPU 1-2 is not isolated")
    assert "isolcpus=managed_irq,domain,1-3 nohz_full=1-3" in finding["mend"]


def test_the_mend_of_the_kernel_command_line_edits_it(ready, machine, tmp_path):
    machine.cpus("0-3", "")
    mend = the_finding(ready)["mend"].split(" && ")
    # Nobody's box is rebooted by a line that is copied.
    assert mend[1:] == ["update-grub  # counts from the next boot on"]
    file = tmp_path / "grub"
    file.write_text('GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="net.ifnames=0"\n')
    assert os.system(mend[0].replace("/etc/default/grub", str(file))) == 0
    assert file.read_text() == (
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="isolcpus=managed_irq,domain,1-3 '
        'nohz_full=1-3 rcu_nocbs=1-3 net.ifnames=0"\n')


def test_interrupts_on_a_working_cpu(ready, machine):
    machine.put("/proc/irq/24/effective_affinity_list", "2")
    finding = the_finding(ready)
    assert finding["what"] == "interrupts 24 go to CPU 2, which should only move packets"
    assert finding["mend"] == \
        "for i in 24; do echo 0 >/proc/irq/$i/smp_affinity_list; done"
    machine.add_process(9, "irqbalance")
    assert the_finding(ready)["mend"].startswith("systemctl disable --now irqbalance; for i in 24")


def test_interrupts_where_the_kernel_says_only_what_was_asked_for(ready, machine):
    os.unlink(machine.path("/proc/irq/24/effective_affinity_list"))
    machine.put("/proc/irq/24/smp_affinity_list", "0-3")
    assert the_finding(ready)["what"].startswith("interrupts 24 go to CPU 1-3")


def test_a_governor_that_changes_the_clock(ready, machine):
    machine.put(f"{CPUS}/cpu0/cpufreq/scaling_governor", "powersave")  # controls only
    assert look(ready)["findings"] == []
    machine.put(f"{CPUS}/cpu3/cpufreq/scaling_governor", "powersave")
    finding = the_finding(ready)
    assert finding["what"] == "CPU 3 has the governor powersave: its clock changes"
    command = finding["mend"].replace("/sys/", machine.path("/sys/"))
    assert os.system(command) == 0
    assert look(ready)["findings"] == []


def test_threads_of_one_core(ready, machine):
    for cpu in (2, 3):
        machine.put(f"{CPUS}/cpu{cpu}/topology/thread_siblings_list", "2-3")
    finding = the_finding(ready)
    assert finding["what"] == "CPUs 2-3 are threads of the same core: they share it"
    assert finding["mend"].endswith(": 1-2")


def test_no_lcore_near_a_port(ready, machine):
    machine.add_node(1, "4-7")
    machine.cpus("0-7", "1-3")
    machine.put(f"{PCI}/{B}/numa_node", "1")
    finding = the_finding(ready)
    assert finding["what"].startswith(f"none is on NUMA node 1, where {B} is")
    assert finding["mend"].endswith("4-7")


def test_a_cpu_that_is_not_there(ready):
    ready.eal_args.write_text("-l 0-3,9\n")
    finding = the_finding(ready)
    assert (finding["severity"], finding["subject"]) == ("stops", "lcore 9")
    assert finding["what"] == "CPU 9 is not there; online are 0-3"


def test_an_lcore_that_the_configuration_names_and_eal_has_not(ready):
    ready.describe([A], [B], named=[1, 7], wanted=3)
    finding = the_finding(ready)
    assert finding["severity"] == "stops"
    assert finding["what"] == "the configuration names lcore 7, and EAL's options give 0-3"


def test_too_few_lcores(ready, machine):
    ready.eal_args.write_text("--lcores 1\n")
    finding = the_finding(ready)
    assert finding["what"].startswith("1 CPU for 2 lcores")
    assert finding["mend"] == "-l 0-1"
    ready.eal_args.write_text("--lcores 0@1,1@1\n")
    assert the_finding(ready)["what"].startswith("1 CPU for 2 lcores")


def test_without_eal_args_not_all_is_looked_at(ready, machine):
    machine.cpus("0-3", "")
    assert ready.findings() == [
        ("note", "lcores", "which CPUs are lcores is not known, so not all was looked at")]
    ready.describe([A], [B], named=[2], wanted=2)
    assert [what for _, _, what in ready.findings()][0].startswith("CPU 2 is not isolated")


# --- without a configuration, and for people

def test_without_a_configuration(bench, machine):
    before = machine.snapshot()
    assert bench.run("status", "--json") == 0
    found = json.loads(machine.said[0])
    assert machine.snapshot() == before
    assert (found["ready"], found["config"]) == (None, "")
    assert [nic["address"] for nic in found["nics"]] == [A, B]
    assert [x["subject"] for x in found["findings"]] == ["hugepages", ""]


def test_the_text_has_every_finding_with_its_mend(bench, machine):
    machine.put("/proc/interrupts", " 24: 1 2 eth0")
    machine.put("/proc/irq/24/smp_affinity_list", "0-3")
    bench.eal_args.write_text("-l 0-1")
    found = bench.status("--eal-args", bench.eal_args)
    assert bench.run("status", bench.config, "--eal-args", bench.eal_args) == 1
    text = machine.said[0]
    for finding in found["findings"]:
        assert f"  {finding['subject']}: {finding['what']}\n      {finding['mend']}" in text
    for address in (A, B):
        assert address in text
    assert text.endswith(f"not ready for {bench.config}")
    assert bench.prepare() == 0
    bench.run("status", bench.config)
    assert machine.said[0].endswith(f"\nready for {bench.config}")


def test_a_user_who_is_not_root_sees_less(bench, machine):
    machine.root_user = False
    assert ("note", "", "not root, so not everything can be seen") in bench.findings()
