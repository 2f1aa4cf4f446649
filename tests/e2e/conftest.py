#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests."""

import itertools
import os

import pytest

import fluxcap
import netns
import reloading
import tunnel_peer

_numbers = itertools.count()


def make_rigs(folder, kind=fluxcap.Rig):
    """Give a function that makes fluxcaps, and clean up behind all of them."""
    fluxcap.need_binary()
    made = []

    def make():
        made.append(kind(folder))
        return made[-1]

    yield make
    for one in made:
        one.clean()


@pytest.fixture
def rigs(tmp_path):
    """A function that makes as many of them as a test needs."""
    yield from make_rigs(tmp_path)


@pytest.fixture(scope="module")
def module_rigs(tmp_path_factory):
    """The same for runs that several tests of a module look at."""
    yield from make_rigs(tmp_path_factory.mktemp("rigs"))


@pytest.fixture
def rig(rigs):
    """A fluxcap to be configured and run."""
    return rigs()


@pytest.fixture
def reload_rig(tmp_path):
    """A fluxcap that reads its configuration again while it runs."""
    for make in make_rigs(tmp_path, reloading.ReloadRig):
        yield make()


# lcores, and which do what: one for all; one for control and one for packets; receiving and sending
# apart, with a handoff ring between them.
PLACES = {"one": (1, {}), "two": (2, {}), "apart": (3, {"rx": [1], "tx": [2]})}


@pytest.fixture(params=PLACES)
def placed(request, reload_rig):
    """The same on one lcore, and on several."""
    reload_rig.n_lcores, lcores = PLACES[request.param]
    reload_rig.lcores |= lcores
    return reload_rig


@pytest.fixture
def namespace():
    """A network namespace of its own, silent: no IPv6, nothing but what the test makes."""
    made = netns.Namespace(f"fc-e2e-{os.getpid()}-{next(_numbers)}")
    try:
        made.create()
        yield made
    finally:
        made.delete()


@pytest.fixture
def network(tmp_path):
    """Namespaces for a broker and for kernels that it shares tunnels with."""
    made = tunnel_peer.Network(f"fc-e2e-{os.getpid()}-{next(_numbers)}", tmp_path)
    try:
        yield made
    finally:
        made.close()
