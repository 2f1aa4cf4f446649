#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The guest that all cases share."""

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))  # frames.py

import qemu  # noqa: E402
from box import Box  # noqa: E402

WORK = Path(os.environ.get("FLUXCAP_VFIO", REPOSITORY / "build" / "vfio"))


def boot() -> qemu.Machine:
    made = qemu.Machine(WORK, WORK / "run", WORK / "installed")
    try:
        made.wait_up()
    except BaseException:
        made.close()
        raise
    return made


@pytest.fixture(scope="session")
def guest():
    """The machine; booted once more when it never came up, and never for any other reason."""
    try:
        made = boot()
    except qemu.GuestNeverCameUp as reason:
        print(f"booting once more: {reason}", file=sys.stderr)
        made = boot()
    yield made
    made.close()


@pytest.fixture(scope="session")
def one_box(guest):
    return Box(guest)


@pytest.fixture
def box(one_box):
    """The box; what a case leaves running ends with it."""
    yield one_box
    one_box.clean()
