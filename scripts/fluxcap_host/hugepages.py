# SPDX-License-Identifier: MIT
"""Hugepages by NUMA node, and where they are mounted."""

import re

from .broker import Plan
from .devices import Device
from .host import Finding, Host, STOPS, failure, reason
from .state import State

SIZE = 2 << 20
NODES = "/sys/devices/system/node"
WITHOUT_NODES = "/sys/kernel/mm/hugepages"
MOUNT = "/dev/hugepages"

# What a plan does not count: EAL's own memory on each node, and for each port and pool its
# descriptors, and the caches of as many lcores as DPDK is built for. Measured, and rounded up.
MARGIN = 64 << 20
MARGIN_OF_EACH = 1 << 20


def folder(node: int, size: int = SIZE) -> str:
    return f"{NODES}/node{node}/hugepages/hugepages-{size >> 10}kB"


def nodes(host: Host) -> list[int]:
    """The NUMA nodes that have memory for hugepages."""
    found = [int(name[4:]) for name in host.names(NODES) if re.fullmatch(r"node\d+", name)]
    return sorted(node for node in found if host.exists(folder(node)))


def count(host: Host, node: int, which: str, size: int = SIZE) -> int:
    """A node's pages; which: 'nr' all, 'free' those that nobody has."""
    return max(host.number(f"{folder(node, size)}/{which}_hugepages"), 0)


def needs(host: Host, plan: Plan, at_start: dict[int, int], ports: list[Device]) -> dict[int, int]:
    """Pages by NUMA node: what the plan needs, or what EAL's options ask for at the start if that
    is more. What may be anywhere is counted on the first port's node.
    """
    there = nodes(host)
    home = next((port.node for port in ports if port.node in there), there[0] if there else 0)

    def settle(sizes: dict[int, int]) -> dict[int, int]:
        settled: dict[int, int] = {}
        for node, size in sizes.items():
            where = home if node == -1 else node
            settled[where] = settled.get(where, 0) + size
        return settled

    margin = MARGIN + plan.n_parts * MARGIN_OF_EACH
    planned = {node: size + margin for node, size in settle(plan.memory).items() if size != 0}
    asked = settle(at_start)
    return {node: -(-max(planned.get(node, 0), asked.get(node, 0)) // SIZE)
            for node in sorted(planned.keys() | asked.keys())}


def needed_by(record: dict[str, int]) -> int:
    """The pages of a broker; a file of before there were several says only how many there were."""
    return record.get("needed", max(record["before"] + record["added"] - record["others"], 0))


def note(host: Host, state: State, node: int, n_pages: int) -> dict[str, int]:
    """What is to be remembered of a node, with what must be left there to all others."""
    others = [told["pages"][str(node)] for told in state.others.values()
              if str(node) in told["pages"]]
    by_brokers = sum(map(needed_by, others))
    total, free = count(host, node, "nr"), count(host, node, "free")
    record = state.pages.get(str(node))
    if record is None:
        foreign = min((one.get("foreign", one["others"]) for one in others), default=total - free)
        # Those that run have their pages already; those that do not have theirs coming.
        return {"before": min((one["before"] for one in others), default=total), "added": 0,
                "needed": n_pages, "foreign": foreign,
                "others": max(foreign + by_brokers, total - free)}
    # What is in use now may be this broker's own.
    foreign = record.get("foreign", record["others"])
    return {**record, "needed": n_pages, "foreign": foreign, "others": foreign + by_brokers}


def large_pages_do(host: Host, node: int, n_pages: int) -> bool:
    """Whether pages of 1 GiB that somebody has reserved and mounted suffice."""
    free = count(host, node, "free", 1 << 30)
    return free << 30 >= n_pages * SIZE and mount_of(host, 1 << 30) != ""


def reserve(host: Host, state: State, node: int, n_pages: int) -> None:
    """Have at least so many pages for fluxcap on a node; what is there is never made less."""
    if large_pages_do(host, node, n_pages):
        return
    if node not in nodes(host):
        raise failure(f"NUMA node {node}", "has no hugepages of 2 MiB: no such node, or the kernel "
                                           "is without them")
    before = count(host, node, "nr")
    record = state.pages[str(node)] = note(host, state, node, n_pages)
    wanted = record["others"] + n_pages
    if before >= wanted:
        return
    record["added"] += wanted - before
    state.save()
    got = grow(host, node, wanted)
    if got < wanted:
        raise failure(
            f"NUMA node {node}", f"has room for only {got - before} of {wanted - before} more "
            "hugepages of 2 MiB", "ask for a smaller ring, or reserve them at boot: "
            + boot_command(f"hugepages={wanted}"))
    host.say(f"NUMA node {node}: {wanted} hugepages of 2 MiB, {wanted - before} more than before")


def grow(host: Host, node: int, wanted: int) -> int:
    """Ask for so many pages on a node, and say how many it has then."""
    file = f"{folder(node)}/nr_hugepages"
    try:
        host.write(file, str(wanted))
        if count(host, node, "nr") < wanted:
            host.write("/proc/sys/vm/compact_memory", "1")
            host.write(file, str(wanted))
    except OSError as error:
        raise failure(file, f"cannot be written: {reason(error)}") from None
    return count(host, node, "nr")


def release(host: Host, node: int, record: dict[str, int], keep: int) -> None:
    """Give back what was added to a node, but `keep` of it."""
    now = count(host, node, "nr")
    wanted = max(record["before"] + keep, now - record["added"] + keep)
    if wanted < now:
        host.write(f"{folder(node)}/nr_hugepages", str(wanted))


def mount_of(host: Host, size: int = SIZE) -> str:
    """Where hugepages of a size are mounted, '' when they are not."""
    default = re.search(r"^Hugepagesize:\s+(\d+) kB", host.read("/proc/meminfo"), re.MULTILINE)
    for line in host.read("/proc/mounts").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind != "hugetlbfs":
            continue
        told = re.search(r"pagesize=(\d+)([KMG]?)", options)
        if told:
            shift = {"": 0, "K": 10, "M": 20, "G": 30}[told[2]]
            mounted = int(told[1]) << shift
        else:
            mounted = int(default[1]) << 10 if default else SIZE
        if mounted == size:
            return where
    return ""


def mount(host: Host, state: State) -> None:
    if mount_of(host):
        return
    if not host.exists(MOUNT):
        state.made.append(MOUNT)
    state.mount = MOUNT
    state.save()
    host.make_directory(MOUNT)
    host.run("mount", "-t", "hugetlbfs", "-o", "pagesize=2M,mode=0700", "hugetlbfs", MOUNT)
    host.say(f"hugepages: mounted on {MOUNT}")


def boot_command(arguments: str) -> str:
    """How arguments get onto the kernel's command line of a Debian. When to reboot is for the
    operator to say."""
    return (f"sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{arguments} /' /etc/default/grub && update-grub"
            "  # counts from the next boot on")


def shortage(host: Host, state: State, node: int, n_pages: int, in_use: bool,
             mend: str) -> list[Finding]:
    """What is wrong with a node's pages; in_use: fluxcap may already have taken its own."""
    if large_pages_do(host, node, n_pages):
        return []
    total, free = count(host, node, "nr"), count(host, node, "free")
    have = total if in_use else free
    if str(node) in state.pages or state.others:
        have = total - note(host, state, node, n_pages)["others"]
    if have >= n_pages:
        return []
    what = "has no hugepages" if total == 0 else f"has {max(have, 0)} hugepages of 2 MiB"
    return [Finding(STOPS, f"NUMA node {node}", f"{what}, and {n_pages} are needed", mend)]
