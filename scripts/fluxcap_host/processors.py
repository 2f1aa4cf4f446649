# SPDX-License-Identifier: MIT
"""CPUs: which lcores there are, what else runs on them, and how fast they may go."""

from .devices import Device
from .eal_args import ONLINE, EalArgs, format_list, parse_list
from .host import NOTE, SLOWS, STOPS, Finding, Host
from .hugepages import NODES, boot_command

CPUS = "/sys/devices/system/cpu"
LCORES = "lcores"


def online(host: Host) -> set[int]:
    return parse_list(host.read(ONLINE))


def isolated(host: Host) -> set[int]:
    return parse_list(host.read(f"{CPUS}/isolated"))


def on_node(host: Host, node: int) -> set[int]:
    return parse_list(host.read(f"{NODES}/node{node}/cpulist"))


def enough(host: Host, args: EalArgs, named: list[int], n_wanted: int) -> list[Finding]:
    """Whether the lcores of the EAL args file are there, and are those that a plan wants."""
    found = []
    known = online(host)
    for lcore, cpus in sorted(args.cpus.items()):
        if not cpus <= known:
            found.append(Finding(
                STOPS, f"lcore {lcore}", f"CPU {format_list(cpus - known)} is not there; online "
                f"are {format_list(known)}", f"give -l CPUs out of {format_list(known)}"))
    missing = set(named) - set(args.cpus)
    if args.cpus and missing:
        found.append(Finding(
            STOPS, LCORES, f"the configuration names lcore {format_list(missing)}, and EAL's "
            f"options give {format_list(set(args.cpus))}",
            f"-l {format_list(set(args.cpus) | missing)}"))
    return found or too_few(args, known, n_wanted)


def too_few(args: EalArgs, known: set[int], n_wanted: int) -> list[Finding]:
    n_cpus = len(set().union(*args.cpus.values())) if args.cpus else len(known)
    if n_cpus >= n_wanted:
        return []
    if len(known) < n_wanted:
        mend = "no command adds CPUs; a box with more of them does"
    else:
        mend = f"-l {format_list(sorted(known)[:n_wanted])}"
    return [Finding(SLOWS, LCORES, f"{n_cpus} CPU for {n_wanted} lcores: control and packets, or "
                                   "several ports, take turns", mend)]


def busy_interrupts(host: Host) -> set[str]:
    """Interrupts that have happened."""
    busy = set()
    for line in host.read("/proc/interrupts").splitlines():
        number, _, rest = line.partition(":")
        counts = [word for word in rest.split() if word.isdigit()]
        if number.strip().isdigit() and any(int(word) for word in counts):
            busy.add(number.strip())
    return busy


def interrupts(host: Host, cpus: set[int], others: set[int]) -> list[Finding]:
    """Devices whose interrupts go to CPUs that should only poll."""
    busy = busy_interrupts(host)
    hits: dict[str, set[int]] = {}
    for number in sorted(filter(str.isdigit, host.names("/proc/irq")), key=int):
        place = f"/proc/irq/{number}"
        where = host.read(f"{place}/effective_affinity_list") or \
            host.read(f"{place}/smp_affinity_list")
        at = parse_list(where) & cpus
        if number in busy and at:
            hits[number] = at
    if not hits:
        return []
    where = format_list(set().union(*hits.values()))
    mend = "leave a CPU without lcore" if not others else (
        f"for i in {' '.join(hits)}; do echo {format_list(others)} >/proc/irq/$i/"
        "smp_affinity_list; done")
    if others and any(host.read(f"/proc/{pid}/comm") == "irqbalance"
                      for pid in filter(str.isdigit, host.names("/proc"))):
        mend = "systemctl disable --now irqbalance; " + mend
    return [Finding(SLOWS, LCORES, f"interrupts {', '.join(hits)} go to CPU {where}, which should "
                                   "only move packets", mend)]


def isolation(host: Host, cpus: set[int]) -> list[Finding]:
    open_cpus = cpus - isolated(host)
    if not open_cpus:
        return []
    text = format_list(cpus)
    mend = boot_command(f"isolcpus=managed_irq,domain,{text} nohz_full={text} rcu_nocbs={text}")
    return [Finding(SLOWS, LCORES, f"CPU {format_list(open_cpus)} is not isolated: the kernel lets "
                                   "other processes run there", mend)]


def governor(host: Host, cpus: set[int]) -> list[Finding]:
    slow: dict[str, set[int]] = {}
    for cpu in cpus:
        name = host.read(f"{CPUS}/cpu{cpu}/cpufreq/scaling_governor")
        if name not in ("", "performance"):
            slow.setdefault(name, set()).add(cpu)
    return [Finding(SLOWS, LCORES, f"CPU {format_list(which)} has the governor {name}: its clock "
                                   "changes", "for i in "
                    f"{' '.join(map(str, sorted(which)))}; do echo performance >{CPUS}/cpu$i/"
                    "cpufreq/scaling_governor; done") for name, which in sorted(slow.items())]


def siblings(host: Host, cpus: set[int]) -> list[Finding]:
    """Lcores that share a core."""
    groups = {frozenset(parse_list(host.read(
        f"{CPUS}/cpu{cpu}/topology/thread_siblings_list")) & cpus) for cpu in cpus}
    shared = sorted(sorted(group) for group in groups if len(group) > 1)
    if not shared:
        return []
    texts = " and ".join(format_list(group) for group in shared)
    one_each = cpus - {cpu for group in shared for cpu in group[1:]}
    return [Finding(SLOWS, LCORES, f"CPUs {texts} are threads of the same core: they share it",
                    f"-l with one of each core for the packets: {format_list(one_each)}")]


def nodes(host: Host, cpus: set[int], ports: list[Device]) -> list[Finding]:
    """Ports that no lcore is near to."""
    found = []
    for node in sorted({port.node for port in ports if port.node >= 0}):
        near = on_node(host, node)
        if near and not near & cpus:
            names = ", ".join(port.address for port in ports if port.node == node)
            found.append(Finding(
                SLOWS, LCORES, f"none is on NUMA node {node}, where {names} is: every packet "
                "crosses between nodes", f"-l with some of its CPUs: {format_list(near)}"))
    return found


def findings(host: Host, args: EalArgs | None, ports: list[Device], named: list[int],
             n_wanted: int) -> list[Finding]:
    """What is wrong with the lcores of a configuration."""
    if args is None or not args.cpus:
        known = online(host)
        told = EalArgs({lcore: {lcore} for lcore in named}, -1, {}) if named else None
        found = [Finding(NOTE, LCORES, "which CPUs are lcores is not known, so not all was looked "
                                       "at", "--eal-args FILE, the file that fluxcap-run gets")]
        if told is None:
            return found + too_few(EalArgs({}, -1, {}), known, n_wanted) + governor(host, known)
        args = told
        found += enough(host, args, [], 0)
        workers = set(named)
    else:
        found = enough(host, args, named, n_wanted)
        workers = set(args.workers)
    cpus = set().union(*(args.cpus[lcore] for lcore in workers)) & online(host)
    others = online(host) - cpus
    return (found + interrupts(host, cpus, others) + isolation(host, cpus) + governor(host, cpus)
            + siblings(host, cpus) + nodes(host, cpus, ports))
