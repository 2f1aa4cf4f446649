# SPDX-License-Identifier: MIT
"""PCI devices, as /sys has them."""

import dataclasses

from .host import Host

PCI = "/sys/bus/pci/devices"
GROUPS = "/sys/kernel/iommu_groups"
NETWORK_CLASS = "02"

# Drivers that give a device to a process, or leave it alone: nobody else uses it.
IDLE_DRIVERS = ("", "pci-stub", "pcieport", "shpchp")

# Drivers of the kernel for processes: like vfio-pci they have no interface.
USER_DRIVERS = ("uio_pci_generic", "igb_uio")


@dataclasses.dataclass
class Device:
    address: str
    ids: tuple[int, int, int, int]  # vendor, device, and those of the subsystem
    pci_class: str                  # six hexadecimal digits
    driver: str                     # '' when it has none
    override: str                   # the only driver that it may get, '' for any
    node: int                       # NUMA node, -1 when the machine does not say
    group: str                      # IOMMU group, '' when there is none
    has_iommu: bool
    interfaces: list[str]
    is_hidden: bool                 # a driver works with it, and its interface is not to be seen
    n_functions: int                # virtual functions that are switched on

    @property
    def is_nic(self) -> bool:
        return self.pci_class.startswith(NETWORK_CLASS)

    @property
    def id_text(self) -> str:
        return f"{self.ids[0]:04x}:{self.ids[1]:04x}"

    @property
    def vfio_file(self) -> str:
        """The file that a process opens to use the device's IOMMU group."""
        return f"/dev/vfio/{self.group}" if self.has_iommu else f"/dev/vfio/noiommu-{self.group}"


def read(host: Host, address: str) -> Device | None:
    """The device at a PCI address; None when there is none."""
    place = f"{PCI}/{address}"
    if not host.exists(place):
        return None
    group = host.link(f"{place}/iommu_group")
    driver = host.link(f"{place}/driver")
    interfaces = read_interfaces(host, place)
    override = host.read(f"{place}/driver_override")
    return Device(
        address=address,
        ids=tuple(host.number(f"{place}/{name}", 0xffff) for name in
                  ("vendor", "device", "subsystem_vendor", "subsystem_device")),
        pci_class=host.read(f"{place}/class").removeprefix("0x"),
        driver=driver,
        override="" if override == "(null)" else override,
        node=host.number(f"{place}/numa_node"),
        group=group,
        has_iommu=group != "" and host.read(f"{GROUPS}/{group}/name") != "vfio-noiommu",
        interfaces=interfaces,
        is_hidden=not interfaces and not is_idle(driver) and driver not in USER_DRIVERS
        and (driver != "virtio-pci" or any(host.link(f"{name}/driver")
                                           for name in virtio_devices(host, place))),
        n_functions=max(host.number(f"{place}/sriov_numvfs"), 0))


def read_interfaces(host: Host, place: str) -> list[str]:
    """A device's network interfaces. Those of virtio are below a device of their own."""
    return [name for below in (place, *virtio_devices(host, place))
            for name in host.names(f"{below}/net")]


def virtio_devices(host: Host, place: str) -> list[str]:
    """The device that virtio-pci makes of a PCI device, and that has a driver of its own."""
    return [f"{place}/{name}" for name in host.names(place) if name.startswith("virtio")]


def nics(host: Host) -> list[Device]:
    return [device for device in (read(host, address) for address in host.names(PCI))
            if device is not None and device.is_nic]


def is_idle(driver: str) -> bool:
    return driver in IDLE_DRIVERS or driver.endswith("vfio-pci")


def neighbours_in_use(host: Host, device: Device, configured: set[str]) -> list[Device]:
    """Others in a device's IOMMU group that a driver of the kernel works with."""
    others = [read(host, address) for address in host.names(f"{GROUPS}/{device.group}/devices")
              if address not in configured] if device.has_iommu else []
    return [other for other in others if other is not None and not is_idle(other.driver)]


def holders(host: Host, files: set[str]) -> dict[str, list[str]]:
    """The processes that have one of the files open, by file, as 'name (pid)'."""
    found: dict[str, list[str]] = {}
    for pid in filter(str.isdigit, host.names("/proc")):
        held = {host.target(f"/proc/{pid}/fd/{fd}") for fd in host.names(f"/proc/{pid}/fd")}
        for name in held & files:
            found.setdefault(name, []).append(f"{host.read(f'/proc/{pid}/comm')} ({pid})")
    return found


def speed_mbps(host: Host, device: Device) -> int:
    """Of its interface's link; 0 when it has none or does not say."""
    speeds = [host.number(f"/sys/class/net/{name}/speed") for name in device.interfaces]
    return max([0, *speeds])


def pcie_mbps(host: Host, device: Device, which: str) -> int:
    """What its slot carries, of which 'current' or 'max'; 0 when it does not say."""
    place = f"{PCI}/{device.address}"
    words = host.read(f"{place}/{which}_link_speed").split()
    lanes = host.number(f"{place}/{which}_link_width", 0)
    try:
        gigatransfers = float(words[0])
    except (IndexError, ValueError):
        return 0
    # 8b/10b coding up to PCIe 2, 128b/130b from 3 on.
    return int(gigatransfers * 1000 * (0.8 if gigatransfers < 8 else 128 / 130) * lanes)


def model(host: Host, device: Device) -> str:
    """The name that pci.ids has for it, '' when that is not installed or does not know it."""
    vendor, product = (f"{number:04x}  " for number in device.ids[:2])
    vendor_name = ""
    for line in host.read("/usr/share/misc/pci.ids").splitlines():
        if line.startswith(vendor):
            vendor_name = line[6:]
        elif vendor_name and line.startswith("\t" + product):
            return line[7:]
        elif vendor_name and line[:1] not in ("\t", "#", ""):
            break
    return vendor_name
