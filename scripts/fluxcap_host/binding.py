# SPDX-License-Identifier: MIT
"""Giving PCI devices to vfio-pci, and back to the drivers that they had."""

from .devices import PCI, Device, read
from .host import Failure, Host, failure, reason
from .hugepages import boot_command
from .network import Network
from .state import State

DRIVERS = "/sys/bus/pci/drivers"
VFIO = "vfio-pci"
NOIOMMU = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
INTERFACE_TIMEOUT_S = 3
NO_IOMMU_WARNING = """\
**********************************************************************
*  NO IOMMU: nothing keeps these NICs, and so fluxcap and whoever    *
*  takes it over, from reading and writing ALL memory of this box.   *
*  The kernel is marked as tainted. Use it for trials only.          *
**********************************************************************"""


def iommu_command(host: Host) -> str:
    """How to switch an IOMMU on, when the firmware has it on."""
    is_intel = "GenuineIntel" in host.read("/proc/cpuinfo")
    return boot_command("intel_iommu=on iommu=pt" if is_intel else "iommu=pt")


def is_loaded(host: Host, name: str) -> bool:
    """Whether a kernel module is there, loaded or built in."""
    return host.exists(f"/sys/module/{name.replace('-', '_')}")


def module(host: Host, state: State, name: str) -> None:
    """Load a kernel module, if it is not there."""
    if is_loaded(host, name):
        return
    state.modules.append(name)
    state.save()
    try:
        host.run("modprobe", name)
    except Failure as error:
        raise failure(f"kernel module {name}", f"cannot be loaded: {error.findings[0].what}",
                      "apt-get install linux-image-amd64  # counts from the next boot on") from None
    host.say(f"kernel module {name}: loaded")


def load_vfio(host: Host, state: State, without_iommu: list[Device]) -> None:
    """Make vfio-pci ready, also for devices that have no IOMMU when there are some."""
    if without_iommu:
        module(host, state, "vfio")
        before = host.read(NOIOMMU)
        if not before:
            raise failure(
                without_iommu[0].address, "has no IOMMU, and this kernel has no no-IOMMU mode "
                "(CONFIG_VFIO_NOIOMMU, which Debian's kernels are without)", iommu_command(host))
        host.warn(NO_IOMMU_WARNING)
        if before not in ("Y", "1"):
            state.noiommu = before
            state.save()
            write(host, NOIOMMU, "Y", "vfio")
    if not host.exists(f"{DRIVERS}/{VFIO}"):
        module(host, state, VFIO)


def write(host: Host, file: str, text: str, subject: str) -> None:
    try:
        host.write(file, text)
    except OSError as error:
        raise failure(subject, f"'{text}' cannot be written to {file}: {reason(error)}") from None


def take(host: Host, state: State, device: Device, network: Network, speed: int) -> None:
    """Give a device to vfio-pci, and remember what it had."""
    if device.driver == VFIO:
        mine = "" if device.address in state.ports else ", by somebody else; undo will leave it"
        host.say(f"{device.address}: is with {VFIO} already{mine}")
        return
    state.ports[device.address] = {
        "driver": device.driver, "override": device.override, "speed": speed,
        "interfaces": [[name, network.is_up(name)] for name in device.interfaces]}
    state.save()
    place = f"{PCI}/{device.address}"
    write(host, f"{place}/driver_override", VFIO, device.address)
    if device.driver:
        write(host, f"{place}/driver/unbind", device.address, device.address)
    write(host, "/sys/bus/pci/drivers_probe", device.address, device.address)
    if host.link(f"{place}/driver") != VFIO:
        raise failure(device.address, f"{VFIO} does not take it", "dmesg | grep vfio says why")
    had = f", before with {device.driver}" if device.driver else ", before without driver"
    names = f" as {', '.join(device.interfaces)}" if device.interfaces else ""
    host.say(f"{device.address}: is with {VFIO} now{had}{names}")


def give_back(host: Host, address: str, former: dict) -> None:
    """Give a device to the driver that it had, and set its interface up if it was."""
    device = read(host, address)
    if device is None:
        host.say(f"{address}: is gone; nothing to give back")
        return
    place = f"{PCI}/{address}"
    if device.driver not in ("", VFIO, former["driver"]):
        host.say(f"{address}: somebody gave it to {device.driver}; left there")
        return
    if device.driver == VFIO:
        write(host, f"{DRIVERS}/{VFIO}/unbind", address, address)
    if device.override != former["override"]:
        write(host, f"{place}/driver_override", former["override"] or "\n", address)
    if not former["driver"]:
        host.say(f"{address}: is without driver again")
        return
    if device.driver != former["driver"]:
        bind(host, address, former["driver"])
    if host.link(f"{place}/driver") != former["driver"]:
        raise failure(address, f"{former['driver']} does not take it back",
                      f"modprobe {former['driver']} && echo {address} >{DRIVERS}/"
                      f"{former['driver']}/bind")
    names = set_up(host, address, former["interfaces"])
    host.say(f"{address}: is with {former['driver']} again{names}")


def bind(host: Host, address: str, driver: str) -> None:
    if not host.exists(f"{DRIVERS}/{driver}"):
        # The kernel names modules by what devices they are for.
        host.run("modprobe", host.read(f"{PCI}/{address}/modalias"))
    if host.link(f"{PCI}/{address}/driver") != driver:
        write(host, f"{DRIVERS}/{driver}/bind", address, address)


def set_up(host: Host, address: str, former: list) -> str:
    """Wait for a device's interfaces and set up those that were; ' as NAME' for what came."""
    end = host.clock() + INTERFACE_TIMEOUT_S
    wanted = [name for name, _ in former]
    while True:
        device = read(host, address)
        names = device.interfaces if device is not None else []
        if names == wanted or host.clock() >= end:
            break
        host.sleep(0.1)
    for (old, was_up), new in zip(former, names):
        if was_up:
            host.run("ip", "link", "set", old if old in names else new, "up")
    return f" as {', '.join(names)}" if names else ""
