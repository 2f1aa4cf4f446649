#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-host prepare and undo: what they do, twice, half-way, and back."""

import os
import shutil

import pytest

from host_bench import A, B
from machine import DRIVERS, NOIOMMU, PCI

MARGIN_PAGES = 32
NODE0 = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"


def test_prepare_takes_the_ports_and_undo_gives_them_back(bench, machine):
    before = machine.snapshot()
    assert bench.prepare() == 0
    assert (machine.driver(A), machine.driver(B)) == ("vfio-pci", "vfio-pci")
    assert "eth1" not in machine.links
    assert bench.undo() == 0
    assert machine.snapshot() == before
    assert bench.state == {}
    assert "UP" in machine.links["eth1"]["flags"]
    assert "UP" not in machine.links["eth2"]["flags"]


def test_prepare_twice_is_prepare_once(bench, machine):
    before = machine.snapshot()
    assert bench.prepare() == 0
    once, state = machine.snapshot(), bench.state
    assert bench.prepare() == 0
    assert machine.snapshot() == once
    assert bench.state == state
    assert bench.undo() == 0
    assert machine.snapshot() == before


def test_only_configured_ports_are_touched(bench, machine):
    machine.add_nic("0000:03:00.0", "eth3", group="13")
    assert bench.prepare() == 0
    assert machine.driver("0000:03:00.0") == "e1000e"


def test_undo_without_prepare(bench, machine):
    before = machine.snapshot()
    assert bench.undo() == 0
    assert machine.said == ["nothing to undo"]
    assert machine.snapshot() == before


def test_a_port_without_driver_is_without_driver_again(bench, machine):
    machine.detach(A)
    before = machine.snapshot()
    assert bench.prepare() == 0
    assert machine.driver(A) == "vfio-pci"
    assert bench.undo() == 0
    assert machine.driver(A) == ""
    assert machine.snapshot() == before


def test_a_former_driver_override_is_restored(bench, machine):
    machine.put(f"{PCI}/{A}/driver_override", "e1000e")
    before = machine.snapshot()
    assert bench.prepare() == 0
    assert bench.undo() == 0
    assert machine.snapshot() == before


def test_a_port_that_is_with_vfio_already_stays_there(bench, machine):
    machine.load_module("vfio-pci")
    machine.write(f"{PCI}/{A}/driver_override", "vfio-pci")
    machine.detach(A)
    machine.probe(A)
    before = machine.snapshot()
    assert bench.prepare() == 0
    assert bench.undo() == 0
    assert machine.snapshot() == before


def test_the_driver_is_loaded_when_it_has_gone(bench, machine):
    assert bench.prepare() == 0
    machine.remove_directory(f"{DRIVERS}/e1000e")
    assert bench.undo() == 0
    assert machine.driver(A) == "e1000e"


def test_an_interface_that_comes_back_under_another_name_is_set_up(bench, machine):
    assert bench.prepare() == 0
    machine.renames = "enp1s0"
    machine.netdevs.pop(B)
    assert bench.undo() == 0
    assert "UP" in machine.links["enp1s0"]["flags"]


def test_a_virtio_nic_has_its_interface_elsewhere(bench, machine):
    port = machine.add_nic("0000:03:00.0", "eth3", driver="virtio-pci", group="13", up=True)
    bench.describe([port], [port])
    before = machine.snapshot()
    assert bench.prepare() == 0
    assert "eth3" not in machine.links
    assert bench.undo() == 0
    assert machine.snapshot() == before


def test_a_nic_that_works_beside_the_kernels_driver_keeps_it(bench, machine):
    port = machine.add_nic("0000:03:00.0", "eth3", driver="mlx5_core",
                           ids=(0x15b3, 0x1017, 1, 2))
    machine.modules_on_disk |= {"ib_uverbs", "mlx5_core", "mlx5_ib"}
    bench.describe([port], [port])
    assert bench.prepare() == 0
    assert machine.driver(port) == "mlx5_core"
    assert "modprobe mlx5_ib" in machine.commands
    assert not machine.exists(f"{DRIVERS}/vfio-pci")


# --- memory

def test_hugepages_are_reserved_where_the_plan_wants_them(bench, machine):
    machine.add_node(1, "4-7")
    bench.describe([A], [B], memory={-1: 10 << 20, 0: (20 << 20) + 1, 1: 4 << 20})
    assert bench.prepare() == 0
    # 10 MiB that may be anywhere are on the first port's node; part of a page is a page.
    assert machine.page_counts(0) == (16 + MARGIN_PAGES, 16 + MARGIN_PAGES)
    assert machine.page_counts(1) == (2 + MARGIN_PAGES, 2 + MARGIN_PAGES)
    assert bench.undo() == 0
    assert machine.page_counts(0) == machine.page_counts(1) == (0, 0)


def test_each_pool_needs_a_little_more_than_its_buffers(bench, machine):
    bench.describe([A], [B], pools=[{}] * 10)
    assert bench.prepare() == 0
    assert machine.page_counts(0)[0] == 1 + MARGIN_PAGES + 5


def test_hugepages_that_are_there_are_used_and_kept(bench, machine):
    machine.pages(0, 500, 500)
    assert bench.prepare() == 0
    assert machine.page_counts(0) == (500, 500)
    assert bench.undo() == 0
    assert machine.page_counts(0) == (500, 500)


def test_hugepages_of_others_do_not_count(bench, machine):
    machine.pages(0, 100, 10)
    assert bench.prepare() == 0
    assert machine.page_counts(0) == (90 + 1 + MARGIN_PAGES, 1 + MARGIN_PAGES)
    assert bench.undo() == 0
    assert machine.page_counts(0) == (100, 10)


def test_hugepages_that_fluxcap_has_taken_are_not_reserved_again(bench, machine):
    assert bench.prepare() == 0
    total, _ = machine.page_counts(0)
    machine.pages(0, total, 0)
    assert bench.prepare() == 0
    assert machine.page_counts(0) == (total, 0)


def test_a_larger_configuration_gets_more_and_undo_takes_all_of_it_back(bench, machine):
    assert bench.prepare() == 0
    bench.describe([A], [B], memory={0: 200 << 20})
    assert bench.prepare() == 0
    assert machine.page_counts(0) == (100 + MARGIN_PAGES, 100 + MARGIN_PAGES)
    bench.describe([A], [B], memory={0: 2 << 20})
    assert bench.prepare() == 0
    assert machine.page_counts(0) == (100 + MARGIN_PAGES, 100 + MARGIN_PAGES)
    assert bench.undo() == 0
    assert machine.page_counts(0) == (0, 0)


def test_hugepages_that_somebody_added_meanwhile_stay(bench, machine):
    assert bench.prepare() == 0
    total, free = machine.page_counts(0)
    machine.pages(0, total + 7, free + 7)
    assert bench.undo() == 0
    assert machine.page_counts(0) == (7, 7)


def test_memory_that_eal_takes_at_its_start_is_reserved(bench, machine):
    machine.add_node(1, "4-7")
    bench.eal_args.write_text("-l 0-1 # lcores\n--socket-mem=300,100\n")
    assert bench.prepare("--eal-args", bench.eal_args) == 0
    assert machine.page_counts(0)[0] == 150
    assert machine.page_counts(1)[0] == 50


def test_the_plan_is_made_for_the_lcores_that_will_work(bench, machine):
    assert bench.prepare() == 0
    assert "--plan --assume-lcores 1-3" in bench.calls
    bench.eal_args.write_text("-l 0,2-3")
    assert bench.prepare("--eal-args", bench.eal_args) == 0
    assert "-l 0,2-3 -- --plan --assume-lcores 2-3" in bench.calls
    machine.cpus("0")
    assert bench.prepare() == 0
    assert "--plan --assume-lcores 0" in bench.calls


def test_hugepages_of_1_gib_will_do(bench, machine):
    place = "/sys/devices/system/node/node0/hugepages/hugepages-1048576kB"
    machine.put(f"{place}/nr_hugepages", "2")
    machine.put(f"{place}/free_hugepages", "2")
    machine.put("/proc/mounts", "none /mnt/huge hugetlbfs rw,pagesize=1024M 0 0")
    assert bench.prepare() == 0
    assert machine.page_counts(0) == (0, 0)
    assert "/dev/hugepages" not in machine.read("/proc/mounts")
    assert bench.status()["ready"] is True


def test_a_mount_that_is_there_is_used(bench, machine):
    machine.put("/proc/mounts", "hugetlbfs /dev/hugepages hugetlbfs rw,relatime 0 0")
    assert bench.prepare() == 0
    assert not any(command.startswith("mount") for command in machine.commands)
    assert bench.undo() == 0
    assert "/dev/hugepages" in machine.read("/proc/mounts")


def test_without_room_for_hugepages_nothing_is_done(bench, machine):
    machine.room[0] = 20
    machine.pages(0, 5, 5)
    before = machine.snapshot()
    assert bench.prepare() == 1
    assert f"has room for only 15 of {MARGIN_PAGES + 1 - 5} more hugepages" in bench.complaint
    assert f"hugepages={MARGIN_PAGES + 1}" in bench.complaint
    machine.put("/proc/sys/vm/compact_memory", "")
    assert machine.snapshot() == before
    assert bench.state == {}


# --- failures half-way

@pytest.mark.parametrize("what", [
    NODE0,
    "mount -t hugetlbfs -o pagesize=2M,mode=0700 hugetlbfs /dev/hugepages",
    "modprobe vfio-pci",
    f"{PCI}/{A}/driver_override",
    f"{PCI}/{B}/driver_override",
    f"{PCI}/{B}/driver/unbind",
    "/sys/bus/pci/drivers_probe",
    "chown /dev/vfio/12",
])
def test_a_failure_half_way_is_undone(bench, machine, what):
    before = machine.snapshot()
    machine.refuses.add(what)
    assert bench.prepare("--user", "nobody") == 1
    assert "giving back what was taken" in bench.complaint
    assert machine.snapshot() == before
    assert bench.state == {}
    machine.refuses.clear()
    assert bench.prepare("--user", "nobody") == 0


def test_a_port_that_vfio_does_not_take_is_a_failure(bench, machine):
    machine.load_module("vfio-pci")
    probe = machine.probe
    machine.probe = lambda address: None if address == B else probe(address)
    before = machine.snapshot()
    assert bench.prepare() == 1
    assert f"{B}: vfio-pci does not take it" in bench.complaint
    assert machine.snapshot() == before


def test_a_failing_second_prepare_keeps_what_the_first_did(bench, machine):
    bench.describe([A], [A])
    assert bench.prepare() == 0
    prepared, state = machine.snapshot(), bench.state
    bench.describe([A], [B], memory={0: 100 << 20})
    machine.refuses.add(f"{PCI}/{B}/driver_override")
    assert bench.prepare() == 1
    assert machine.snapshot() == prepared
    assert bench.state == state


@pytest.mark.parametrize("where", [
    NODE0, f"{PCI}/{A}/driver_override", f"{PCI}/{A}/driver/unbind", "/sys/bus/pci/drivers_probe",
    f"{PCI}/{B}/driver/unbind"])
def test_undo_after_a_crash(bench, machine, where, monkeypatch):
    before = machine.snapshot()
    machine.kills_at = where
    monkeypatch.setattr("fluxcap_host.prepare.unwind", lambda host, state, until: [])
    with pytest.raises(SystemExit):
        bench.prepare()
    machine.kills_at = ""
    assert bench.undo() == 0
    assert machine.snapshot() == before
    assert bench.state == {}


def test_an_interrupted_prepare_is_undone(bench, machine):
    before = machine.snapshot()
    write, reached = machine.write, []

    def interrupted(name, text):
        assert machine.signals == ("ignored" if reached else "caught")
        if name == f"{PCI}/{B}/driver/unbind":
            reached.append(name)
            raise KeyboardInterrupt
        write(name, text)

    machine.write = interrupted
    assert bench.prepare() == 1
    machine.write = write
    assert machine.snapshot() == before


# --- undo that cannot

def test_undo_leaves_a_port_that_is_in_use(bench, machine):
    assert bench.prepare() == 0
    machine.add_process(77, "fluxcap", files=["/dev/null", "/dev/vfio/12"])
    before = machine.snapshot()
    assert bench.undo() == 1
    assert f"{B}: is in use by fluxcap (77)" in bench.complaint
    assert machine.snapshot() == before


def test_what_cannot_be_given_back_stays_known(bench, machine):
    before = machine.snapshot()
    assert bench.prepare() == 0
    machine.refuses.add(f"{DRIVERS}/e1000e/bind")
    assert bench.undo() == 1
    assert machine.page_counts(0) == (0, 0)
    assert set(bench.state["ports"]) == {A, B}
    machine.refuses.clear()
    assert bench.undo() == 0
    assert machine.snapshot() == before


def test_a_port_that_has_gone_needs_nothing(bench, machine):
    assert bench.prepare() == 0
    shutil.rmtree(machine.path(f"{PCI}/{A}"))
    machine.native.pop(A)
    assert bench.undo() == 0
    assert bench.state == {}
    assert machine.driver(B) == "e1000e"


def test_a_port_that_somebody_else_took_is_left_to_him(bench, machine):
    assert bench.prepare() == 0
    machine.detach(A)
    machine.add_driver("uio_pci_generic")
    machine.attach(A, "uio_pci_generic")
    assert bench.undo() == 0
    assert machine.driver(A) == "uio_pci_generic"


def test_a_port_that_was_unplugged_and_returned_is_taken_again(bench, machine):
    before = machine.snapshot()
    assert bench.prepare() == 0
    machine.detach(A)
    machine.put(f"{PCI}/{A}/driver_override", "(null)")
    machine.probe(A)
    assert machine.driver(A) == "e1000e"
    assert bench.prepare() == 0
    assert machine.driver(A) == "vfio-pci"
    assert bench.undo() == 0
    before["links"] = before["links"].replace('"flags": ["BROADCAST", "UP"]',
                                              '"flags": ["BROADCAST"]')
    assert machine.snapshot() == before


# --- configurations that change

def test_a_port_that_is_not_configured_any_more_is_given_back(bench, machine):
    assert bench.prepare() == 0
    bench.describe([A], [A])
    assert bench.prepare() == 0
    assert (machine.driver(A), machine.driver(B)) == ("vfio-pci", "e1000e")
    assert set(bench.state["ports"]) == {A}


def test_unless_it_is_still_in_use(bench, machine):
    assert bench.prepare() == 0
    machine.add_process(77, "fluxcap", files=["/dev/vfio/12"])
    bench.describe([A], [A])
    assert bench.prepare() == 0
    assert machine.driver(B) == "vfio-pci"
    assert set(bench.state["ports"]) == {A, B}


def test_another_configuration_needs_an_undo_or_a_state_of_its_own(bench, machine):
    assert bench.prepare() == 0
    first = bench.config
    bench.describe(["0000:03:00.0"], ["0000:03:00.0"], name="other.json")
    machine.add_nic("0000:03:00.0", "eth3", group="13")
    assert bench.prepare() == 1
    assert f"this box is prepared for {first}" in bench.complaint
    assert bench.prepare("--state", "/run/other.json") == 0
    assert bench.undo() == 0
    assert machine.driver("0000:03:00.0") == "vfio-pci"
    assert bench.run("undo", "--state", "/run/other.json") == 0
    assert machine.driver("0000:03:00.0") == "e1000e"


# --- the user

def test_a_user_gets_the_files_and_loses_them(bench, machine):
    before = machine.snapshot()
    assert bench.prepare("--user", "nobody") == 0
    for file in ("/dev/vfio/11", "/dev/vfio/12", "/dev/hugepages"):
        assert machine.owner(file) == (65534, 65534)
    assert bench.prepare("--user", "nobody") == 0
    assert not any("belongs to" in line for line in machine.said)
    assert bench.undo() == 0
    assert machine.snapshot() == before


def test_the_owner_of_a_mount_that_was_there_is_restored(bench, machine):
    machine.put("/proc/mounts", "hugetlbfs /dev/hugepages hugetlbfs rw,relatime 0 0")
    machine.make_directory("/dev/hugepages")
    machine.owners["/dev/hugepages"] = (0, 7)
    assert bench.prepare("--user", "nobody") == 0
    assert machine.owner("/dev/hugepages") == (65534, 65534)
    assert bench.undo() == 0
    assert machine.owner("/dev/hugepages") == (0, 7)


def test_an_unknown_user(bench, machine):
    before = machine.snapshot()
    assert bench.prepare("--user", "no-such-user") == 2
    assert "no such user" in bench.complaint
    assert machine.snapshot() == before


# --- without an IOMMU

@pytest.fixture
def open_bench(bench, machine):
    """A machine without IOMMU, whose kernel has the no-IOMMU mode."""
    for port, group in ((A, "11"), (B, "12")):
        os.unlink(machine.path(f"{PCI}/{port}/iommu_group"))
        shutil.rmtree(machine.path(f"/sys/kernel/iommu_groups/{group}"))
    machine.noiommu_built = True
    return bench


def test_no_iommu_mode_is_never_entered_silently(open_bench, machine):
    before = machine.snapshot()
    assert open_bench.prepare() == 1
    assert f"{A}: has no IOMMU" in open_bench.complaint
    assert "intel_iommu=on" in open_bench.complaint
    assert machine.snapshot() == before


def test_no_iommu_mode_is_said_loudly_and_undone(open_bench, machine):
    before = machine.snapshot()
    assert open_bench.prepare("--no-iommu") == 0
    assert "NO IOMMU" in open_bench.complaint
    assert machine.read(NOIOMMU) == "Y"
    assert machine.driver(A) == "vfio-pci"
    assert open_bench.prepare() == 1  # not the second time either
    assert open_bench.prepare("--no-iommu") == 0
    assert open_bench.undo() == 0
    assert machine.snapshot() == before


def test_a_kernel_without_no_iommu_mode(open_bench, machine):
    machine.noiommu_built = False
    before = machine.snapshot()
    assert open_bench.prepare("--no-iommu") == 1
    assert "CONFIG_VFIO_NOIOMMU" in open_bench.complaint
    assert machine.snapshot() == before


def test_no_iommu_is_not_used_where_there_is_one(bench, machine):
    machine.noiommu_built = True
    assert bench.prepare("--no-iommu") == 0
    assert machine.read(NOIOMMU) == "N"
    assert "NO IOMMU" not in bench.complaint
