#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A fluxcap with memory that other processes can share, which is huge pages."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

import pytest

PAGES = 512  # of 2 MiB
NR_HUGEPAGES = Path("/proc/sys/vm/nr_hugepages")


def free_pages():
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("HugePages_Free:"):
            return int(line.split()[1])
    return 0


def restore_pages(before, ours):
    """Give the pages back, unless somebody else has changed their number since."""
    if int(NR_HUGEPAGES.read_text()) == ours:
        NR_HUGEPAGES.write_text(before)


@contextlib.contextmanager
def mounted(folder):
    """A hugetlbfs of one's own with enough free pages; all of it undone afterwards."""
    folder.mkdir()
    with contextlib.ExitStack() as undo:
        before = NR_HUGEPAGES.read_text() if NR_HUGEPAGES.exists() else None
        if before is None or "hugetlbfs" not in Path("/proc/filesystems").read_text():
            pytest.skip("this kernel has no huge pages")
        if free_pages() < PAGES:
            wanted = int(before) - free_pages() + PAGES
            undo.callback(restore_pages, before, wanted)
            NR_HUGEPAGES.write_text(str(wanted))
            if free_pages() < PAGES:
                pytest.skip(f"no {PAGES} free huge pages to be had, only {free_pages()}")
        done = subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", folder],
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot mount hugetlbfs: {done.stderr.strip()}")
        undo.callback(subprocess.run, ["umount", folder], timeout=60, check=True)
        yield folder


def use(rig, folder):
    """Have a rig's fluxcap take its memory from there."""
    original = rig.eal_arguments

    def with_huge_pages():
        words = original()
        at = words.index("--no-huge")
        words[at:at + 3] = ["--huge-dir", str(folder)]
        return words

    rig.eal_arguments = with_huge_pages


def n_used(folder):
    """How many pages are in use."""
    return len(list(folder.iterdir()))


@contextlib.contextmanager
def short_path():
    """A file with a short name: net_pcap tells a second process 63 bytes of its arguments."""
    with tempfile.NamedTemporaryFile(prefix="fc-", suffix=".pcap", dir="/tmp") as file:
        yield file.name
