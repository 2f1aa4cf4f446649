# SPDX-License-Identifier: MIT
"""Where a machine stands: its NICs, memory and CPUs, and what stops fluxcap or slows it down."""

import dataclasses

from . import binding, devices, hugepages, processors
from .broker import Plan
from .devices import Device
from .drivers import Driver, driver_of
from .eal_args import EalArgs
from .host import NOTE, SLOWS, STOPS, Finding, Host
from .network import Network
from .prepare import absent, needs_vfio, no_iommu_finding, refusals
from .state import State


@dataclasses.dataclass
class Nic:
    """A NIC as a program sees it; the names are those of `status --json`."""
    address: str
    id: str
    model: str
    node: int
    speed_mbps: int  # 0: not known
    driver: str
    interfaces: list[str]
    fluxcap_driver: str  # '': fluxcap cannot drive it
    iommu_group: str
    iommu: bool
    users: list[str]  # the configuration's taps and outputs
    prepared: bool    # taken by fluxcap-host, which will give it back
    held_by: list[str]


@dataclasses.dataclass
class Memory:
    node: int
    page_bytes: int
    pages: int
    free: int
    needed: int


@dataclasses.dataclass
class Survey:
    config: str
    iommu: str  # on, off, no-iommu
    hugetlbfs: str
    nics: list[Nic]
    memory: list[Memory]
    cpus: str
    isolated_cpus: str
    lcores: list[int]
    findings: list[Finding]

    @property
    def ready(self) -> bool | None:
        """Whether nothing stops the configuration; None without one."""
        if not self.config:
            return None
        return all(finding.severity != STOPS for finding in self.findings)


def iommu_mode(host: Host) -> str:
    names = [host.read(f"{devices.GROUPS}/{group}/name") for group in host.names(devices.GROUPS)]
    if any(name != "vfio-noiommu" for name in names):
        return "on"
    return "no-iommu" if host.read(binding.NOIOMMU) in ("Y", "1") else "off"


def describe(host: Host, device: Device, drivers: list[Driver], plan: Plan | None, state: State,
             held: dict[str, list[str]]) -> Nic:
    driver = driver_of(drivers, device)
    former = state.ports.get(device.address)
    return Nic(
        address=device.address, id=device.id_text, model=devices.model(host, device),
        node=device.node,
        speed_mbps=devices.speed_mbps(host, device) or (former["speed"] if former else 0),
        driver=device.driver, interfaces=device.interfaces,
        fluxcap_driver=driver.name if driver is not None else "", iommu_group=device.group,
        iommu=device.has_iommu, users=plan.ports.get(device.address, []) if plan else [],
        prepared=former is not None, held_by=held.get(device.vfio_file, []))


def check_slot(host: Host, device: Device, speed: int) -> list[Finding]:
    """Whether the slot carries what the NIC can receive."""
    now, most = (devices.pcie_mbps(host, device, which) for which in ("current", "max"))
    if not now:
        return []
    if speed > now:
        return [Finding(SLOWS, device.address, f"its slot carries {now} Mbit/s, its link {speed}",
                        "put it into a slot with more lanes, or a newer one")]
    lanes = [host.number(f"{devices.PCI}/{device.address}/{which}_link_width")
             for which in ("current", "max")]
    if lanes[0] < lanes[1]:
        return [Finding(SLOWS, device.address, f"has {lanes[0]} of its {lanes[1]} PCIe lanes "
                        f"({now} of {most} Mbit/s)", "put it into a slot with more lanes")]
    return []


def check_ports(host: Host, plan: Plan, found: list[Device], drivers: list[Driver],
                state: State) -> list[Finding]:
    network = Network(host)
    there = {device.address: device for device in found}
    findings = []
    mend = f"fluxcap-host prepare {plan.file}"
    for address in plan.ports:
        device = there.get(address) or devices.read(host, address)
        if device is None:
            findings.append(absent(plan, address))
            continue
        refused = refusals(host, device, set(plan.ports), drivers, network)
        findings += refused
        former = state.ports.get(address, {"speed": 0})
        findings += check_slot(host, device, devices.speed_mbps(host, device) or former["speed"])
        if refused:
            continue
        if not needs_vfio(drivers, device):
            findings += [Finding(STOPS, address, f"needs the kernel module {name}", mend)
                         for name in driver_of(drivers, device).kernel_modules
                         if not binding.is_loaded(host, name)]
            continue
        if not device.has_iommu and device.driver != binding.VFIO:
            findings.append(no_iommu_finding(host, device))
        elif not device.has_iommu:
            findings.append(Finding(NOTE, address, "NO IOMMU: fluxcap can read and write all "
                                    "memory through it", binding.iommu_command(host)))
        if device.driver != binding.VFIO:
            driver = f"with {device.driver}" if device.driver else "without driver"
            findings.append(Finding(STOPS, address, f"is {driver}, not with {binding.VFIO}", mend))
    findings += [Finding(NOTE, address, "was prepared, and is not configured any more", mend)
                 for address in state.ports if address not in plan.ports]
    return findings


def check_memory(host: Host, needs: dict[int, int], state: State, in_use: bool,
                 mend: str) -> list[Finding]:
    findings = []
    for node, n_pages in needs.items():
        findings += hugepages.shortage(host, state, node, n_pages, in_use, mend)
    if not hugepages.mount_of(host) and not hugepages.mount_of(host, 1 << 30):
        findings.append(Finding(STOPS, "hugepages", "are not mounted", mend))
    return findings


def check_without_plan(host: Host, found: list[Device]) -> list[Finding]:
    """What every configuration with NICs will miss."""
    findings = []
    mend = "fluxcap-host prepare CONFIG"
    if found and iommu_mode(host) == "off":
        findings.append(Finding(STOPS, "IOMMU", "there is none, or it is off",
                                binding.iommu_command(host)))
    if not any(hugepages.count(host, node, "nr", size)
               for node in hugepages.nodes(host) for size in (hugepages.SIZE, 1 << 30)):
        findings.append(Finding(STOPS, "hugepages", "there are none", mend))
    findings += processors.governor(host, processors.online(host))
    findings.append(Finding(NOTE, "", "what a configuration needs is looked at when it is given",
                            "fluxcap-host status --eal-args FILE CONFIG"))
    return findings


def survey(host: Host, state: State, plan: Plan | None, drivers: list[Driver],
           args: EalArgs | None) -> Survey:
    """Look at everything, change nothing. Without a plan only what can be said without."""
    found = devices.nics(host)
    held = devices.holders(host, {device.vfio_file for device in found if device.group})
    nics = [describe(host, device, drivers, plan, state, held) for device in found]
    findings: list[Finding] = []
    ports = [device for device in found if plan is not None and device.address in plan.ports]
    needs: dict[int, int] = {}
    if not drivers:
        findings.append(Finding(NOTE, "fluxcap", "no driver of NICs was found in it or beside it, "
                                "so which NICs it takes is not known", "apt-get install dpdk"))
    if plan is not None:
        findings += check_ports(host, plan, found, drivers, state)
        needs = hugepages.needs(host, plan, args.memory if args else {}, ports)
        findings += check_memory(
            host, needs, state, any(nic.held_by for nic in nics if nic.users),
            f"fluxcap-host prepare {plan.file}")
        findings += processors.findings(host, args, ports, plan.lcores, plan.n_lcores)
    else:
        findings += check_without_plan(host, found)
    if not host.is_root():
        findings.append(Finding(NOTE, "", "not root, so not everything can be seen",
                                "sudo fluxcap-host status"))
    memory = [Memory(node, size, hugepages.count(host, node, "nr", size),
                     hugepages.count(host, node, "free", size),
                     needs.get(node, 0) if size == hugepages.SIZE else 0)
              for node in hugepages.nodes(host) for size in (hugepages.SIZE, 1 << 30)
              if size == hugepages.SIZE or hugepages.count(host, node, "nr", size)]
    order = [STOPS, SLOWS, NOTE]
    return Survey(
        config=plan.file if plan else "", iommu=iommu_mode(host),
        hugetlbfs=hugepages.mount_of(host) or hugepages.mount_of(host, 1 << 30), nics=nics,
        memory=memory, cpus=processors.format_list(processors.online(host)),
        isolated_cpus=processors.format_list(processors.isolated(host)),
        lcores=sorted(args.cpus) if args else [],
        findings=sorted(findings, key=lambda finding: order.index(finding.severity)))
