# SPDX-License-Identifier: MIT
"""Fixtures of fluxcap-host's tests."""

import pytest

from host_bench import A, B, NIC_DRIVERS, Bench, command


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A machine with two NICs behind an IOMMU, and a configuration that uses both."""
    made = Bench(tmp_path)
    monkeypatch.setattr(command, "read_drivers", lambda host, program: NIC_DRIVERS)
    made.machine.add_nic(A, "eth1", group="11", up=True)
    made.machine.add_nic(B, "eth2", group="12")
    return made


@pytest.fixture
def machine(bench):
    return bench.machine
