# SPDX-License-Identifier: MIT
"""Giving back what prepare took: all of it for undo, what is new for a prepare that failed."""

from collections.abc import Callable

from . import binding, devices, hugepages
from .host import STOPS, Failure, Finding, Host, reason
from .state import State


def unwind(host: Host, state: State, until: State | None = None) -> list[Finding]:
    """Give back what is in a state and not in an earlier one. What cannot be given back stays in
    the state, and the findings say why."""
    earlier = until if until is not None else empty(state)
    findings: list[Finding] = []

    def attempt(subject: str, action: Callable[[], None]) -> bool:
        try:
            action()
            return True
        except Failure as error:
            findings.extend(error.findings)
        except OSError as error:
            findings.append(Finding(STOPS, subject, reason(error)))
        return False

    for address in [name for name in state.ports if name not in earlier.ports]:
        if attempt(address, lambda a=address: binding.give_back(host, a, state.ports[a])):
            del state.ports[address]
            state.save()
    for file in [name for name in state.owners if name not in earlier.owners]:
        if attempt(file, lambda f=file: restore_owner(host, f, state.owners[f])):
            del state.owners[file]
    if state.mount and not earlier.mount:
        if attempt(state.mount, lambda: unmount(host, state)):
            state.mount = ""
    for node, record in list(state.pages.items()):
        keep = earlier.pages.get(node, {"added": 0})["added"]
        if attempt(f"NUMA node {node}",
                   lambda n=node, r=record, k=keep: hugepages.release(host, int(n), r, k)):
            if node in earlier.pages:
                state.pages[node] = dict(earlier.pages[node])
            else:
                del state.pages[node]
    if state.noiommu and not earlier.noiommu:
        if attempt("vfio", lambda: switch_off_noiommu(host, state.noiommu)):
            state.noiommu = ""
    for name in [name for name in reversed(state.modules) if name not in earlier.modules]:
        unload(host, name)
        state.modules.remove(name)
    if not findings:
        state.config = earlier.config
    state.save()
    return findings


def empty(state: State) -> State:
    fresh = state.copy()
    fresh.config, fresh.mount, fresh.noiommu = "", "", ""
    fresh.ports, fresh.pages, fresh.owners = {}, {}, {}
    fresh.made, fresh.modules = [], []
    return fresh


def restore_owner(host: Host, file: str, owner: list[int]) -> None:
    if host.exists(file):
        host.chown(file, *owner)


def unmount(host: Host, state: State) -> None:
    if hugepages.mount_of(host) == state.mount:
        host.run("umount", state.mount)
        host.say(f"hugepages: {state.mount} is unmounted")
    for name in state.made:
        if host.exists(name):
            host.remove_directory(name)
    state.made = []


def switch_off_noiommu(host: Host, before: str) -> None:
    if host.exists(binding.NOIOMMU):
        host.write(binding.NOIOMMU, before)


def unload(host: Host, name: str) -> None:
    """Unload a module; one that somebody else has begun to use stays, which does no harm."""
    try:
        host.run("modprobe", "-r", name)
        host.say(f"kernel module {name}: unloaded")
    except Failure:
        host.say(f"kernel module {name}: is in use by others now; it stays")


def in_use(host: Host, addresses: list[str]) -> list[Finding]:
    """The devices that a process has open, which must not be taken from under it."""
    found = [device for device in (devices.read(host, address) for address in addresses)
             if device is not None and device.group and device.driver == binding.VFIO]
    held = devices.holders(host, {device.vfio_file for device in found})
    return [Finding(STOPS, device.address, f"is in use by {', '.join(held[device.vfio_file])}",
                    "stop it first: systemctl stop fluxcap, or kill -TERM")
            for device in found if device.vfio_file in held]


def undo(host: Host, state: State) -> None:
    """Everything as it was before prepare, but for what other brokers need."""
    if state.is_empty:
        state.config = ""
        state.save()
        host.say("nothing to undo")
        return
    busy = in_use(host, list(state.ports))
    if busy:
        raise Failure(*busy)
    state.leave_shared()
    findings = unwind(host, state)
    if findings:
        raise Failure(*findings)
