#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-host prepare: the ports that it must not take, and that a refusal changes nothing."""

import fcntl
import itertools
import json
import os
import re
import shutil
import subprocess

import pytest

from host_bench import A, B
from machine import PCI, address_info, link

from fluxcap_host.host import Host
from fluxcap_host.network import Network

C, D = "0000:03:00.0", "0000:04:00.0"

DANGEROUS = re.compile(r"\bip\b[^\n]*\b(delete|del|flush|replace|nomaster|down)\b|\breboot\b|"
                       r"\bshutdown\b|\bifdown\b|\bmodprobe -r\b")


@pytest.fixture
def refused(bench, machine):
    """A function that sees that prepare is refused and changes nothing, and gives the words."""
    def attempt(*options):
        before = machine.snapshot()
        assert bench.prepare(*options) == 1
        assert machine.snapshot() == before
        assert bench.state == {}
        assert bench.status(*[o for o in options if o != "--no-iommu"])["ready"] is False
        said = json.dumps(bench.status(*[o for o in options if o != "--no-iommu"])["findings"])
        bench.prepare(*options)
        # Who does what is printed must not lose the box by it.
        for text in bench.complaint, said:
            assert not DANGEROUS.search(text), text
        return bench.complaint
    return attempt


def test_an_address(refused, machine):
    machine.links["eth1"]["addr_info"].append(address_info("192.0.2.7", 24))
    said = refused()
    assert f"{A}: its interface eth1 has the address 192.0.2.7/24" in said
    assert "the box needs this port: configure another one; it has no other that is free" in said


def test_an_ipv6_address(refused, machine):
    machine.links["eth2"]["addr_info"].append(address_info("2001:db8::7", 64))
    assert f"{B}: its interface eth2 has the address 2001:db8::7/64" in refused()


def test_a_link_local_ipv6_address_is_everywhere(bench, machine):
    machine.links["eth1"]["addr_info"].append(address_info("fe80::7", 64, "link"))
    machine.routes += [
        {"dst": "fe80::/64", "dev": "eth1", "protocol": "kernel", "six": True},
        {"type": "multicast", "dst": "ff00::/8", "dev": "eth1", "table": "local", "six": True},
        {"type": "local", "dst": "fe80::7", "dev": "eth1", "table": "local", "six": True}]
    assert bench.prepare() == 0


def test_the_default_route(refused, machine):
    machine.routes.append({"dst": "default", "gateway": "192.0.2.1", "dev": "eth1"})
    said = refused()
    assert f"{A}: its interface eth1 carries the route default via 192.0.2.1" in said


def test_other_ports_are_named_that_can_take_the_place(refused, machine):
    """Not those that are configured, that the box uses, or that fluxcap cannot drive."""
    machine.links["eth1"]["addr_info"].append(address_info("192.0.2.7", 24))
    machine.add_nic(C, "eth3", group="13")
    machine.add_nic(D, "eth4", group="14")
    machine.links["eth4"]["addr_info"].append(address_info("192.0.2.8", 24))
    machine.add_nic("0000:05:00.0", "eth5", group="15", ids=(0x10ec, 0x8168, 1, 2))
    machine.add_nic("0000:06:00.0", "eth6", group="16")
    assert refused().endswith(f"configure another one; free: {C} (eth3), 0000:06:00.0 (eth6)")


def test_what_is_refused_needs_no_iommu(bench, machine):
    """It is not said how to switch one on for a port that will not be taken."""
    machine.links["eth1"]["addr_info"].append(address_info("192.0.2.7", 24))
    for address in A, B:
        shutil.rmtree(machine.path(f"{PCI}/{address}/iommu_group"), ignore_errors=True)
        if os.path.islink(machine.path(f"{PCI}/{address}/iommu_group")):
            os.unlink(machine.path(f"{PCI}/{address}/iommu_group"))
    assert bench.prepare() == 1
    assert f"{B}: has no IOMMU" in bench.complaint and f"{A}: has no IOMMU" not in bench.complaint
    assert not any(what.startswith("has no IOMMU") for _, subject, what in bench.findings()
                   if subject == A)


def test_an_ipv6_route_in_another_table(refused, machine):
    machine.routes.append({"dst": "2001:db8::/32", "dev": "eth2", "table": "7", "six": True})
    said = refused()
    assert f"{B}: its interface eth2 carries the route 2001:db8::/32" in said


def test_a_route_over_several_interfaces(refused, machine):
    machine.routes.append({"dst": "198.51.100.0/24",
                           "nexthops": [{"dev": "eth0"}, {"dev": "eth2"}]})
    assert f"{B}: its interface eth2 carries the route 198.51.100.0/24" in refused()


def test_a_bridge(refused, machine):
    machine.links["br0"] = link("br0")
    machine.links["eth1"]["master"] = "br0"
    said = refused()
    assert f"{A}: its interface eth1 is part of br0" in said


def test_a_vlan_on_top(refused, machine):
    machine.links["eth1.5"] = {**link("eth1.5"), "link": "eth1"}
    assert f"{A}: its interface eth1 has the interface eth1.5 on top of it" in refused()


def test_a_peer_in_another_namespace_is_not_on_top(bench, machine):
    machine.links["veth0"] = {**link("veth0"), "link": "eth1", "link_netnsid": 0}
    assert bench.prepare() == 0


SSH = "198.51.100.9 50022 192.0.2.7 22"


def test_your_own_connection(refused, machine):
    machine.environ["SSH_CONNECTION"] = SSH
    machine.links["eth1"]["addr_info"].append(address_info("192.0.2.7", 24))
    assert f"{A}: its interface eth1 carries your own SSH connection from 198.51.100.9" in refused()


def test_your_own_connection_through_sudo_and_a_vlan(refused, machine):
    machine.add_process(50, "bash", environ=f"HOME=/root\0SSH_CONNECTION={SSH}\0TERM=dumb")
    machine.ancestors = [52, 51, 50, 1]
    machine.links["eth1.5"] = {**link("eth1.5", "192.0.2.7"), "link": "eth1"}
    assert f"{A}: its interface eth1 carries your own SSH connection" in refused()


def test_your_own_connection_over_a_bond(refused, machine):
    machine.environ["SSH_CONNECTION"] = SSH
    machine.links["bond0"] = link("bond0")
    machine.links["eth2"]["master"] = "bond0"
    machine.route_get["198.51.100.9"] = "bond0"
    assert f"{B}: its interface eth2 carries your own SSH connection" in refused()


def test_your_own_connection_to_a_link_local_address(refused, machine):
    machine.environ["SSH_CONNECTION"] = "fe80::9%eth2 50022 fe80::7%eth2 22"
    machine.links["eth2"]["addr_info"].append(address_info("fe80::7", 64, "link"))
    assert f"{B}: its interface eth2 carries your own SSH connection" in refused()


def test_a_connection_over_another_interface(bench, machine):
    machine.environ["SSH_CONNECTION"] = SSH
    machine.links["eth0"] = link("eth0", "192.0.2.7")
    machine.route_get["198.51.100.9"] = "eth0"
    assert bench.prepare() == 0


def test_a_group_with_a_device_in_use(refused, machine):
    machine.add_nic(C, "eth3", group="11")
    said = refused()
    assert f"{A}: is in IOMMU group 11 together with {C}, which e1000e works with as eth3" in said
    assert f"if nobody needs the other: echo {C} >{PCI}/{C}/driver/unbind" in said


def test_a_group_with_a_device_that_the_box_needs(refused, machine):
    machine.add_nic(C, "eth3", group="11")
    machine.links["eth3"]["addr_info"].append(address_info("192.0.2.7", 24))
    said = refused()
    assert f"{A}: is in IOMMU group 11 together with {C}, which e1000e works with as eth3" in said
    assert "unbind" not in said


@pytest.mark.parametrize("driver, pci_class", [
    ("", "0x020000"), ("pcieport", "0x060400"), ("vfio-pci", "0x020000"), ("pci-stub", "0x020000")])
def test_a_group_with_devices_that_nobody_uses(bench, machine, driver, pci_class):
    machine.add_nic(C, driver=driver, group="11", pci_class=pci_class)
    assert bench.prepare() == 0
    assert machine.driver(C) == driver


def test_a_group_of_two_configured_ports(bench, machine):
    machine.add_nic(C, "eth3", group="11")
    bench.describe([A], [C])
    assert bench.prepare() == 0
    assert machine.driver(C) == "vfio-pci"


def test_no_such_device(refused, bench):
    bench.describe([A], [C], ports={C: {"mtu": 1500}, A: {"optional": True}})
    assert f"{C}: no such PCI device" in refused()


def test_an_optional_port_may_be_absent(bench, machine):
    bench.describe([A], [C], ports={C: {"optional": True}})
    assert bench.prepare() == 0
    assert any(line.startswith(f"{C}: no such PCI device; it is optional") for line in machine.said)
    assert machine.driver(A) == "vfio-pci"
    assert bench.status()["ready"] is True


def test_what_is_no_nic(refused, bench, machine):
    machine.add_nic(C, driver="nvme", group="13", pci_class="0x010802")
    bench.describe([A], [C])
    assert f"{C}: is not a NIC (PCI class 010802)" in refused()


def test_a_nic_without_driver_in_fluxcap(refused, bench, machine):
    machine.add_nic(C, "eth3", group="13", ids=(0x10ec, 0x8168, 1, 2))
    bench.describe([A], [C])
    assert f"{C}: no driver of fluxcap's takes this NIC (10ec:8168)" in refused()


def test_virtual_functions(refused, machine):
    machine.put(f"{PCI}/{A}/sriov_numvfs", "4")
    said = refused()
    assert f"{A}: its 4 virtual functions would go with it" in said
    assert f"echo 0 >{PCI}/{A}/sriov_numvfs" in said


def test_an_interface_in_another_network_namespace(refused, machine):
    shutil.rmtree(machine.path(f"{PCI}/{A}/net"))
    assert "it may be in another network namespace" in refused()


def test_a_virtio_interface_in_another_network_namespace(refused, bench, machine):
    machine.add_nic(C, "eth3", driver="virtio-pci", group="13")
    bench.describe([C], [C])
    shutil.rmtree(machine.path(f"{PCI}/{C}/virtio0/net"))
    machine.point(f"{PCI}/{C}/virtio0/driver", "../../../../bus/virtio/drivers/virtio_net")
    assert "it may be in another network namespace" in refused()


def test_a_virtio_nic_without_the_module_of_its_interface(bench, machine):
    machine.add_nic(C, "eth3", driver="virtio-pci", group="13")
    bench.describe([C], [C])
    shutil.rmtree(machine.path(f"{PCI}/{C}/virtio0/net"))
    assert bench.prepare() == 0
    assert machine.driver(C) == "vfio-pci"


def test_every_reason_is_said_at_once(refused, machine):
    machine.links["eth1"]["addr_info"].append(address_info("192.0.2.7", 24))
    machine.routes.append({"dst": "default", "gateway": "198.51.100.1", "dev": "eth2"})
    machine.put(f"{PCI}/{B}/sriov_numvfs", "4")
    said = refused()
    assert said.count("mend: ") == 3


def test_not_root(bench, machine):
    machine.root_user = False
    before = machine.snapshot()
    for command in ("prepare", "undo"):
        assert bench.run(command, *([bench.config] if command == "prepare" else [])) == 1
        assert "needs root" in bench.complaint
    assert machine.snapshot() == before


def test_a_bad_configuration(bench, machine):
    bench.config.write_text("bad")
    before = machine.snapshot()
    assert bench.prepare() == 2
    assert "did you mean 'port'?" in bench.complaint
    assert machine.snapshot() == before


def test_no_configuration(bench):
    assert bench.run("prepare", "/nowhere/config.json") == 2
    assert "/nowhere/config.json: no such file" in bench.complaint


def test_a_state_file_that_is_somebody_elses(bench, machine):
    assert bench.prepare() == 0
    state = {**bench.state, "version": 99}
    before = machine.snapshot()
    for text in ("[]", "{}", "{", json.dumps(state)):
        machine.put("/run/fluxcap-host.json", text)
        for call in (bench.prepare, bench.undo):
            assert call() == 1
            assert "is not what this fluxcap-host writes" in bench.complaint
        assert machine.snapshot() == before


def test_only_one_at_a_time(bench, machine):
    with open(machine.path("/run/fluxcap-host.json.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert bench.prepare() == 1
    assert "another fluxcap-host is at work" in bench.complaint


# --- the same by the kernel's own word

_numbers = itertools.count()


class Namespace(Host):
    """This machine, with the interfaces of a network namespace."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.environ = {"PATH": os.environ["PATH"]}

    def parents(self):
        return []

    def run(self, *argv):
        return super().run(*(("ip", "-n", self.name, *argv[1:]) if argv[0] == "ip" else argv))


@pytest.fixture
def namespace():
    name = f"fc-host-{os.getpid()}-{next(_numbers)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        host = Namespace(name)
        # d1 and d2 stand for NICs; d0 is the box's own.
        for nic in ("d0", "d1", "d2"):
            host.run("ip", "link", "add", nic, "type", "veth", "peer", "name", f"p{nic}")
            host.run("ip", "link", "set", nic, "up")
            host.run("ip", "link", "set", f"p{nic}", "up")
        host.run("ip", "address", "add", "192.0.2.1/24", "dev", "d0")
        yield host
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def reasons(host, nic):
    return Network(host).uses(nic)


@pytest.mark.parametrize("setup, reason", [
    (["ip address add 198.51.100.1/24 dev d1"], "has the address 198.51.100.1/24"),
    (["ip address add 2001:db8::1/64 dev d1"], "has the address 2001:db8::1/64"),
    (["ip route add 203.0.113.0/24 dev d1"], "carries the route 203.0.113.0/24"),
    (["ip route add default dev d1 table 99"], "carries the route default"),
    (["ip -6 route add 2001:db8:1::/48 dev d1"], "carries the route 2001:db8:1::/48"),
    (["ip -6 route add default dev d1"], "carries the route default"),
    (["ip route add 203.0.113.0/24 nexthop dev d0 nexthop dev d1"],
     "carries the route 203.0.113.0/24"),
    (["ip link add br0 type bridge", "ip link set d1 master br0"], "is part of br0"),
    (["ip link add link d1 name m1 type macvlan"], "has the interface m1 on top of it"),
])
def test_the_kernel_says_who_uses_an_interface(namespace, setup, reason):
    assert reasons(namespace, "d1") == []
    for command in setup:
        namespace.run(*command.split())
    assert any(reason in said for said in reasons(namespace, "d1"))
    assert reasons(namespace, "d2") == []
    assert any("192.0.2.1" in said for said in reasons(namespace, "d0"))


def test_the_kernel_says_where_a_connection_comes_in(namespace):
    namespace.run("ip", "route", "add", "203.0.113.0/24", "dev", "d2")
    namespace.environ["SSH_CONNECTION"] = "203.0.113.9 50022 192.0.2.1 22"
    assert Network(namespace).by_ssh == {"d0", "d2"}
