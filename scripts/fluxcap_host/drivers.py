# SPDX-License-Identifier: MIT
"""Which NICs fluxcap can drive: the tables of PCI IDs that DPDK's drivers carry in their files.

A driver has a string PMD_INFO_STRING= and a JSON object for dpdk-pmdinfo.py, with its name, the
kernel modules that it needs, and its devices as [vendor, device, subsystem vendor, subsystem
device], 65535 standing for any.
"""

import dataclasses
import glob
import json
import os
import re

from .devices import Device
from .host import Failure, Host, failure

try:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
except ImportError:  # everything else works without it
    ELFFile = None

ANY = 0xffff
INFO = re.compile(rb"PMD_INFO_STRING= *(\{[^\0]*\})\0")
PLUGIN_PATH = re.compile(rb"DPDK_PLUGIN_PATH=([^\0]*)\0")
LIBRARY = re.compile(r"^\s*librte_\S+ => (/\S+) \(0x", re.MULTILINE)
NETWORK_LIBRARY = re.compile(r"librte_net_.*\.so")


@dataclasses.dataclass
class Driver:
    name: str
    modules: str  # the kernel modules that it works with, as DPDK writes them: & all, | one of
    ids: list[list[int]]

    @property
    def needs_kernel_driver(self) -> bool:
        """Whether it works beside the kernel's driver, which the device then keeps."""
        return "&" in self.modules

    @property
    def kernel_modules(self) -> list[str]:
        return re.findall(r"\w+", self.modules) if self.needs_kernel_driver else []


def read_only_data(file: str) -> bytes:
    """The constants of a program or library; none when it is neither."""
    try:
        with open(file, "rb") as opened:
            section = ELFFile(opened).get_section_by_name(".rodata")
            return section.data() if section is not None else b""
    except (OSError, ELFError):
        return b""


def read_drivers(host: Host, program: str) -> list[Driver]:
    """The drivers of NICs in a program, in the libraries that it is linked with, and in the folder
    from which DPDK loads the others."""
    if ELFFile is None:
        raise failure("python3-pyelftools", "is not installed, so which NICs fluxcap's drivers "
                      "take is not known", "apt-get install python3-pyelftools")
    try:
        linked = {os.path.realpath(name) for name in LIBRARY.findall(host.run("ldd", program))}
    except Failure:
        linked = set()  # a static program
    plugins: set[str] = set()
    drivers = []
    for file in sorted({program} | linked):
        data = read_only_data(file)
        drivers += parse_drivers(data)
        for folder in PLUGIN_PATH.findall(data):
            plugins |= {os.path.realpath(name)
                        for name in glob.glob(os.path.join(folder.decode(), "librte_net_*"))}
    for file in sorted(plugins - linked):
        if NETWORK_LIBRARY.match(os.path.basename(file)):
            drivers += parse_drivers(read_only_data(file))
    return drivers


def parse_drivers(data: bytes) -> list[Driver]:
    """The drivers in a file's constants that have PCI IDs."""
    found = []
    for text in INFO.findall(data):
        try:
            info = json.loads(text)
        except ValueError:
            continue
        if info.get("pci_ids"):
            found.append(Driver(info["name"], info.get("kmod") or "", info["pci_ids"]))
    return found


def driver_of(drivers: list[Driver], device: Device) -> Driver | None:
    """The driver that takes a device, None when none does."""
    for driver in drivers:
        for ids in driver.ids:
            if all(want in (ANY, have) for want, have in zip(ids, device.ids)):
                return driver
    return None
