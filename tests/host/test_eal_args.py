#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The file of EAL's options: lcores and memory."""

import pytest

import host_bench  # noqa: F401  makes the package importable

from fluxcap_host import eal_args
from fluxcap_host.host import Mistake

MIB = 1 << 20


@pytest.fixture
def read(tmp_path):
    def parse(text):
        file = tmp_path / "eal.args"
        file.write_text(text)
        return eal_args.read(str(file))
    return parse


def single(*lcores):
    return {lcore: {lcore} for lcore in lcores}


@pytest.mark.parametrize("text, cpus, main", [
    ("", {}, -1),
    ("-l 0-3", single(0, 1, 2, 3), 0),
    ("-l0,2,5-6", single(0, 2, 5, 6), 0),
    ("--lcores=1-2", single(1, 2), 1),
    ("--lcores 0@4,1@5", {0: {4}, 1: {5}}, 0),
    ("--lcores '(0-1)@(8,10)'", {0: {8, 10}, 1: {8, 10}}, 0),
    ("--lcores (2-3),4", {2: {2, 3}, 3: {2, 3}, 4: {4}}, 2),
    ("-c 0x16", single(1, 2, 4), 1),
    ("-l 0-2 --main-lcore 2", single(0, 1, 2), 2),
    ("-l 0-2 # -l 0-9\n# -l 0-8\n--main-lcore=1", single(0, 1, 2), 1),
])
def test_lcores(read, text, cpus, main):
    args = read(text)
    assert (args.cpus, args.main) == (cpus, main)


@pytest.mark.parametrize("text, workers", [
    ("-l 0-3", [1, 2, 3]), ("-l 3", [3]), ("-l 0-3 --main-lcore 3", [0, 1, 2])])
def test_the_main_lcore_moves_no_packets_unless_it_is_alone(read, text, workers):
    assert read(text).workers == workers


@pytest.mark.parametrize("text, memory", [
    ("", {}), ("-m 512", {-1: 512 * MIB}), ("--socket-mem=1024", {0: 1024 * MIB}),
    ("--socket-mem 0,2048", {0: 0, 1: 2048 * MIB}), ("--socket-mem=,64", {1: 64 * MIB})])
def test_memory(read, text, memory):
    assert read(text).memory == memory


@pytest.mark.parametrize("text, said", [
    ("-l x", "--lcores x: cannot be read"), ("-l 1--2", "cannot be read"),
    ("--lcores 1@", "cannot be read"), ("-c z", "-c z: cannot be read"), ("-m", "-m : cannot"),
    ("-l 0 -- -c x.json", "do not belong here"),
    ("-l '0", "no closing quotation")])
def test_what_cannot_be_read(read, text, said):
    with pytest.raises(Mistake, match=said):
        read(text)


def test_no_file():
    with pytest.raises(Mistake, match="No such file"):
        eal_args.read("/nowhere/eal.args")


@pytest.mark.parametrize("numbers, text", [
    ([], ""), ([3], "3"), ([0, 1, 2, 5, 7, 8], "0-2,5,7-8")])
def test_lists_of_numbers(numbers, text):
    assert eal_args.format_list(numbers) == text
    assert eal_args.parse_list(text) == set(numbers)
