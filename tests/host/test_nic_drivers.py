#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which NICs fluxcap's drivers take: as dpdk-pmdinfo.py says."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from host_bench import REPOSITORY
from machine import E1000E

from fluxcap_host.devices import Device
from fluxcap_host.drivers import driver_of, parse_drivers, read_drivers
from fluxcap_host.host import Failure, Host

BINARY = Path(os.environ.get("FLUXCAP_BUILD", REPOSITORY / "build")).resolve() / "app" / "fluxcap"


@pytest.fixture(scope="module")
def drivers():
    assert BINARY.is_file(), f"{BINARY} is missing: build it, or set FLUXCAP_BUILD"
    return read_drivers(Host(), str(BINARY))


def device(*ids):
    return Device("0000:01:00.0", ids, "020000", "", "", 0, "", False, [], False, 0)


def test_drivers_and_their_devices_are_those_that_dpdk_pmdinfo_says(drivers):
    done = subprocess.run(["dpdk-pmdinfo.py", "-p", BINARY], capture_output=True, check=True)
    said = {}
    for info in json.loads(done.stdout):
        for entry in info.get("pci_ids", []):
            ids = tuple(int(entry.get(name, "ffff"), 16) for name in
                        ("vendor", "device", "subsystem_vendor", "subsystem_device"))
            said.setdefault(info["name"], set()).add((ids, info.get("kmod") or ""))
    mine = {driver.name: {(tuple(ids), driver.modules) for ids in driver.ids} for driver in drivers}
    assert len(mine) > 20
    for name, entries in mine.items():
        # It takes an ID of 0xffff for 'any', which it is in every table but by the letter.
        assert {e for e in entries if e[0] != (0xffff,) * 4} == said[name]
    kinds = {name for name in said if name.startswith("net_")}
    assert {name for name in kinds - set(mine) if "vdpa" not in name} <= {"net_ifcvf"}


@pytest.mark.parametrize("ids, name", [
    (E1000E, "net_e1000_em"), ((0x1af4, 0x1041, 0x1af4, 0x1100), "net_virtio"),
    ((0x15ad, 0x07b0, 0x15ad, 0x07b0), "net_vmxnet3"), ((0x8086, 0x10fb, 0x8086, 3), "net_ixgbe"),
    ((0x15b3, 0x1017, 0x15b3, 1), "mlx5_eth"), ((0x10ec, 0x8168, 0x10ec, 1), None)])
def test_driver_of_well_known_nics(drivers, ids, name):
    found = driver_of(drivers, device(*ids))
    assert (found.name if found else None) == name


def test_only_mellanox_nics_keep_the_kernels_driver(drivers):
    assert {driver.name for driver in drivers if driver.needs_kernel_driver} == \
        {"mlx5_eth", "net_mlx4"}


def test_an_id_of_the_subsystem_counts():
    info = b'PMD_INFO_STRING= {"name":"net_x","kmod":"vfio-pci","pci_ids":[[1,2,3,65535]]}\0'
    found = parse_drivers(b"\0text\0" + info + b"rest\0")
    assert driver_of(found, device(1, 2, 3, 4)).name == "net_x"
    assert driver_of(found, device(1, 2, 4, 4)) is None


@pytest.mark.parametrize("data", [
    b"", b"PMD_INFO_STRING= {", b"PMD_INFO_STRING= {broken}\0",
    b'PMD_INFO_STRING= {"name":"net_pcap","pci_ids":[]}\0'])
def test_what_is_no_table_is_none(data):
    assert parse_drivers(data) == []


def test_without_pyelftools(monkeypatch):
    monkeypatch.setattr("fluxcap_host.drivers.ELFFile", None)
    with pytest.raises(Failure, match="is not installed"):
        read_drivers(Host(), str(BINARY))


def test_what_is_no_program_has_no_drivers(tmp_path):
    file = tmp_path / "script"
    file.write_text("#!/bin/sh\n")
    assert read_drivers(Host(), str(file)) == []
