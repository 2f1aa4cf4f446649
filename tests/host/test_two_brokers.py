#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Two brokers on one machine: each gets its own NICs and memory, and gives back just those."""

import json

import pytest

from host_bench import A, B, STATE
from machine import PCI

C, D = "0000:03:00.0", "0000:04:00.0"
BROKERS = {"one": [A, B], "two": [C, D]}
MIB = 1 << 20
MARGIN_PAGES = 32


class Broker:
    """A configuration of one broker, with its EAL options."""

    def __init__(self, bench, name, mib=200):
        self.bench, self.name, self.mib = bench, name, mib
        self.eal_args = bench.config.with_name(f"{name}.args")
        self.eal_args.write_text(f"-l 0-1\n--file-prefix={name}\n", encoding="utf-8")
        tap, output = BROKERS[name]
        bench.describe([tap], [output], memory={0: mib * MIB}, name=f"{name}.json")
        self.config = bench.config

    @property
    def pages(self):
        return self.mib // 2 + MARGIN_PAGES

    def prepare(self, *more):
        return self.bench.run("prepare", self.config, "--eal-args", self.eal_args, *more)

    def undo(self):
        return self.bench.run("undo", "--eal-args", self.eal_args)

    def findings(self):
        self.bench.run("status", self.config, "--json", "--eal-args", self.eal_args)
        found = json.loads(self.bench.machine.said[0])["findings"]
        return [one["what"] for one in found if one["severity"] == "stops"]


@pytest.fixture
def brokers(bench, machine):
    machine.add_nic(C, "eth3", group="13")
    machine.add_nic(D, "eth4", group="14")
    return Broker(bench, "one"), Broker(bench, "two", 300)


def drivers(machine):
    return [machine.driver(address) for address in (A, B, C, D)]


@pytest.mark.parametrize("there", [0, 10, 1000])
@pytest.mark.parametrize("first_back", [0, 1])
def test_each_gets_its_own_and_gives_back_its_own(brokers, machine, there, first_back):
    machine.pages(0, there, there)
    before = machine.snapshot()
    for number, broker in enumerate(brokers):
        assert broker.prepare() == 0, broker.bench.complaint
        assert drivers(machine)[2 * number:] == ["vfio-pci"] * 2 + ["e1000e"] * (2 - 2 * number)
    total = sum(broker.pages for broker in brokers)
    assert machine.page_counts(0)[0] == max(there, total)
    both = machine.snapshot()
    for broker in brokers:  # twice is once
        assert broker.prepare() == 0
        assert not any("have" in what or "has" in what for what in broker.findings())
    assert machine.snapshot() == both
    one, other = brokers[first_back], brokers[1 - first_back]
    assert one.undo() == 0, one.bench.complaint
    assert machine.page_counts(0)[0] >= max(there, other.pages)
    if there == 0:
        assert machine.page_counts(0)[0] == other.pages
    expected = ["e1000e"] * 4
    expected[2 - 2 * first_back:4 - 2 * first_back] = ["vfio-pci"] * 2
    assert drivers(machine) == expected
    assert "hugetlbfs" in machine.read("/proc/mounts")
    assert machine.exists("/sys/bus/pci/drivers/vfio-pci")
    assert other.findings() == []
    assert other.undo() == 0, other.bench.complaint
    assert machine.snapshot() == before
    assert machine.read(STATE) == ""


def test_the_second_while_the_first_runs(brokers, machine):
    one, two = brokers
    assert one.prepare() == 0
    total, free = machine.page_counts(0)
    machine.pages(0, total, free - one.pages)
    assert two.prepare() == 0
    assert machine.page_counts(0) == (one.pages + two.pages, two.pages)


def test_a_larger_first_one_takes_nothing_from_the_second(brokers, machine):
    one, two = brokers
    assert one.prepare() == 0 and two.prepare() == 0
    one.bench.describe([A], [B], memory={0: 400 * MIB}, name="one.json")
    assert one.prepare() == 0
    assert machine.page_counts(0)[0] == 200 + MARGIN_PAGES + two.pages
    assert one.undo() == 0 and two.undo() == 0
    assert machine.page_counts(0)[0] == 0


def test_a_nic_of_another_broker_is_refused(brokers, bench, machine):
    one, two = brokers
    assert one.prepare() == 0
    bench.describe([A], [D], name="two.json")
    before = machine.snapshot()
    assert two.prepare() == 1
    assert f"{A}: is prepared for the broker one ({one.config})" in bench.complaint
    assert machine.snapshot() == before


def test_the_modules_and_the_mount_stay_for_the_user_of_the_other(brokers, machine):
    one, two = brokers
    before = machine.snapshot()
    assert one.prepare("--user", "nobody") == 0 and two.prepare("--user", "nobody") == 0
    assert one.undo() == 0
    assert machine.owner("/dev/hugepages") == (65534, 65534)
    assert machine.owner("/dev/vfio/13") == (65534, 65534)
    assert two.undo() == 0
    assert machine.snapshot() == before


def test_undo_has_to_be_told_which(brokers, bench, machine):
    one, two = brokers
    assert one.prepare() == 0 and two.prepare() == 0
    before = machine.snapshot()
    assert bench.undo() == 1
    assert f"one ({one.config}), two ({two.config})" in bench.complaint
    assert machine.snapshot() == before
    assert one.undo() == 0
    assert one.undo() == 0 and machine.said == ["nothing to undo"]
    assert bench.undo() == 0  # there is only one left
    assert drivers(machine) == ["e1000e"] * 4


def old_state(machine, broker):
    """As a fluxcap-host that knew one broker wrote it."""
    told = json.loads(machine.read(STATE))["brokers"][broker.name]
    for record in told["pages"].values():
        del record["needed"], record["foreign"]
    machine.put(STATE, json.dumps({"version": 1, **told}))


@pytest.mark.parametrize("how", ["prepare", "undo", "undo without a name"])
def test_a_state_of_before_there_were_several(brokers, bench, machine, how):
    one, _ = brokers
    before = machine.snapshot()
    assert one.prepare() == 0
    prepared = machine.snapshot()
    old_state(machine, one)
    if how == "prepare":
        assert one.prepare() == 0
        assert list(bench.brokers) == ["one"]
        assert machine.snapshot() == prepared
    assert (bench.undo() if how == "undo without a name" else one.undo()) == 0
    assert machine.snapshot() == before


def test_a_second_broker_beside_an_old_state(brokers, bench, machine):
    one, two = brokers
    before = machine.snapshot()
    assert one.prepare() == 0
    old_state(machine, one)
    assert two.prepare() == 0
    assert drivers(machine) == ["vfio-pci"] * 4
    assert machine.page_counts(0)[0] == one.pages + two.pages
    assert two.undo() == 0
    assert drivers(machine) == ["vfio-pci"] * 2 + ["e1000e"] * 2
    assert one.undo() == 0
    assert machine.snapshot() == before
    assert machine.link(f"{PCI}/{A}/driver") == "e1000e"
