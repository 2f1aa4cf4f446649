# SPDX-License-Identifier: MIT
"""Making a machine ready for a configuration: all of it, or nothing."""

import dataclasses
import pwd

from . import binding, devices, hugepages
from .broker import Plan
from .devices import Device
from .drivers import Driver, driver_of
from .eal_args import EalArgs
from .host import NOTE, STOPS, Failure, Finding, Host, failure, mistake
from .network import Network
from .state import State
from .unwind import in_use, unwind


@dataclasses.dataclass
class Wishes:
    """What is to be made ready, and how."""
    plan: Plan
    drivers: list[Driver]  # those that fluxcap has
    eal_args: EalArgs | None = None
    no_iommu: bool = False
    user: str = ""


def refusals(host: Host, device: Device, configured: set[str], drivers: list[Driver],
             network: Network) -> list[Finding]:
    """Why a configured device cannot, or must not, be taken."""
    found = []

    def refuse(what: str, mend: str = "") -> None:
        found.append(Finding(STOPS, device.address, what, mend))

    if not device.is_nic:
        refuse(f"is not a NIC (PCI class {device.pci_class})", "lspci -nn | grep 02 lists NICs")
        return found
    if drivers and driver_of(drivers, device) is None:
        refuse(f"no driver of fluxcap's takes this NIC ({device.id_text})",
               "fluxcap-host status lists those that it takes")
    if device.n_functions:
        refuse(f"its {device.n_functions} virtual functions would go with it",
               "configure another port, or, if nobody uses them: "
               f"echo 0 >{devices.PCI}/{device.address}/sriov_numvfs")
    if device.is_hidden:
        refuse(f"{device.driver} works with it, but its interface is not here: it may be in "
               "another network namespace",
               "configure another port, or, if nobody needs it there: "
               "ip netns exec NAMESPACE ip link set NIC netns 1")
    for name in device.interfaces:
        for what in network.uses(name):
            refuse(f"its interface {name} {what}", instead(host, configured, drivers, network))
    for other in devices.neighbours_in_use(host, device, configured):
        names = f" as {', '.join(other.interfaces)}" if other.interfaces else ""
        mend = "put the NIC into another slot, or configure another port"
        if not any(network.uses(name) for name in other.interfaces):
            mend += (", or, if nobody needs the other: "
                     f"echo {other.address} >{devices.PCI}/{other.address}/driver/unbind")
        refuse(f"is in IOMMU group {device.group} together with {other.address}, which "
               f"{other.driver} works with{names}; a group has one owner", mend)
    return found


def instead(host: Host, configured: set[str], drivers: list[Driver], network: Network) -> str:
    """Which port to configure in place of one that the box needs for itself."""
    free = [f"{nic.address}{''.join(f' ({name})' for name in nic.interfaces)}"
            for nic in devices.nics(host)
            if nic.address not in configured and not nic.is_hidden and not nic.n_functions
            and (not drivers or driver_of(drivers, nic) is not None)
            and not any(network.uses(name) for name in nic.interfaces)
            and not devices.neighbours_in_use(host, nic, configured | {nic.address})]
    if not free:
        return ("the box needs this port: configure another one; it has no other that is free "
                "(fluxcap-host status lists all)")
    return f"the box needs this port: configure another one; free: {', '.join(free)}"


def absent(plan: Plan, address: str) -> Finding:
    if address in plan.optional:
        return Finding(NOTE, address, "no such PCI device; it is optional, so fluxcap starts "
                                      "without it")
    return Finding(STOPS, address, "no such PCI device", "lspci -D lists them")


def needs_vfio(drivers: list[Driver], device: Device) -> bool:
    """Whether fluxcap's driver takes the device away from the kernel's."""
    driver = driver_of(drivers, device)
    return driver is None or not driver.needs_kernel_driver


def no_iommu_finding(host: Host, device: Device) -> Finding:
    return Finding(STOPS, device.address, "has no IOMMU, or it is off: in the firmware (VT-d, "
                   "AMD-Vi) or on the kernel's command line", binding.iommu_command(host))


def examine(host: Host, wishes: Wishes, state: State) -> tuple[list[Device], Network]:
    """The configured devices that are there, or a failure that says all that speaks against it."""
    plan = wishes.plan
    network = Network(host)
    found = {address: devices.read(host, address) for address in plan.ports}
    configured = set(found)
    there = [device for device in found.values() if device is not None]
    findings = [absent(plan, address) for address, device in found.items() if device is None]
    for device in there:
        findings += refusals(host, device, configured, wishes.drivers, network)
        owner = state.owner_of(device.address)
        if owner:
            findings.append(Finding(STOPS, device.address, f"is prepared for the broker {owner}",
                                    "configure another port, or undo that one"))
    # What a port that is refused would need besides is nobody's business.
    refused = {finding.subject for finding in findings if finding.severity == STOPS}
    bound = [device for device in there
             if needs_vfio(wishes.drivers, device) and device.address not in refused]
    if not wishes.no_iommu:
        findings += [no_iommu_finding(host, device) for device in bound if not device.has_iommu]
    stops = [finding for finding in findings if finding.severity == STOPS]
    if stops:
        raise Failure(*stops)
    for finding in findings:
        host.say(str(finding))
    return there, network


def prepare(host: Host, state: State, wishes: Wishes) -> None:
    """Do what is missing. A failure gives back what this call took, and raises."""
    plan = wishes.plan
    if state.config not in ("", plan.file) and not state.is_empty:
        raise failure("", f"this box is prepared for {state.config}",
                      "fluxcap-host undo; or, for a second broker, another --file-prefix in its "
                      "EAL options (--eal-args FILE)")
    there, network = examine(host, wishes, state)
    user = find_user(wishes.user)
    before = state.copy()
    try:
        state.config = plan.file
        state.save()
        take_memory(host, state, wishes, there)
        take_ports(host, state, wishes, there, network)
        if user is not None:
            hand_over(host, state, user, there)
    except BaseException as error:
        host.ignore_signals()
        host.warn("fluxcap-host: that failed; giving back what was taken")
        left = unwind(host, state, before)
        if isinstance(error, Failure):
            raise Failure(*error.findings, *left) from None
        raise
    release_others(host, state, plan)
    host.say(f"ready for {plan.file}")


def find_user(name: str) -> pwd.struct_passwd | None:
    if not name:
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise mistake(f"--user {name}", "no such user",
                      f"useradd --system --no-create-home {name}") from None


def take_memory(host: Host, state: State, wishes: Wishes, there: list[Device]) -> None:
    at_start = wishes.eal_args.memory if wishes.eal_args is not None else {}
    needs = hugepages.needs(host, wishes.plan, at_start, there)
    for node, n_pages in needs.items():
        hugepages.reserve(host, state, node, n_pages)
    if not all(hugepages.large_pages_do(host, *need) for need in needs.items()):
        hugepages.mount(host, state)


def take_ports(host: Host, state: State, wishes: Wishes, there: list[Device],
               network: Network) -> None:
    bound = [device for device in there if needs_vfio(wishes.drivers, device)]
    for device in there:
        if device in bound:
            continue
        driver = driver_of(wishes.drivers, device)
        for name in driver.kernel_modules:
            binding.module(host, state, name)
        host.say(f"{device.address}: stays with {device.driver}, beside which {driver.name} works")
    if not bound:
        return
    without_iommu = [device for device in bound if not device.has_iommu]
    if wishes.no_iommu and not without_iommu:
        host.say("--no-iommu is not needed: every port has an IOMMU, and it is used")
    elif not without_iommu:
        host.say("IOMMU: on for every port")
    binding.load_vfio(host, state, without_iommu)
    for device in bound:
        binding.take(host, state, device, network, devices.speed_mbps(host, device))


def hand_over(host: Host, state: State, user: pwd.struct_passwd, there: list[Device]) -> None:
    """Let a user open the devices and make files of hugepages."""
    try:
        host.run("udevadm", "settle", "--timeout=5")
    except Failure:
        pass  # no udev, so nothing that would set owners after us
    files = [hugepages.mount_of(host), hugepages.mount_of(host, 1 << 30)]
    for device in there:
        now = devices.read(host, device.address)
        if now is None or now.driver != binding.VFIO:
            continue
        files.append(now.vfio_file)
        if not now.has_iommu:
            host.warn(f"{now.address}: without an IOMMU only a process with CAP_SYS_RAWIO may "
                      f"open it, {user.pw_name} or not")
    for file in dict.fromkeys(filter(None, files)):
        owner = host.owner(file)
        if owner[0] == user.pw_uid:
            continue
        state.owners.setdefault(file, list(owner))
        state.save()
        try:
            host.chown(file, user.pw_uid, user.pw_gid)
        except OSError as error:
            raise failure(file, f"cannot be given to {user.pw_name}: {error.strerror}") from None
        host.say(f"{file}: belongs to {user.pw_name}")


def release_others(host: Host, state: State, plan: Plan) -> None:
    """Give back what an earlier form of the configuration used."""
    old = [address for address in state.ports if address not in plan.ports]
    busy = {finding.subject: finding for finding in in_use(host, old)}
    for address in old:
        if address in busy:
            host.say(f"{busy[address]}; it is not configured any more, and stays for now")
            continue
        try:
            binding.give_back(host, address, state.ports[address])
            del state.ports[address]
            state.save()
        except Failure as error:
            host.warn(f"fluxcap-host: {error}")
