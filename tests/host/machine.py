# SPDX-License-Identifier: MIT
"""A machine in a directory: files as the kernel shows them, and what it does when they are written.

It follows the kernel's rules that fluxcap-host relies on: a device is bound to the driver that
driver_override names, or to the one that is made for it; an unbound device has no interface; a
group's file is there while vfio-pci has one of its devices; hugepages in use are not taken away.
"""

import errno
import json
import os
import shutil
from pathlib import Path

from fluxcap_host.host import Host, failure

PCI = "/sys/bus/pci/devices"
DRIVERS = "/sys/bus/pci/drivers"
GROUPS = "/sys/kernel/iommu_groups"
NOIOMMU = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
E1000E = (0x8086, 0x10d3, 0x8086, 0xa01f)


class Machine(Host):
    def __init__(self, folder: Path):
        super().__init__(str(folder))
        self.environ = {"PATH": os.environ["PATH"]}
        self.native: dict[str, str] = {}         # the driver that is made for a device
        self.netdevs: dict[str, str] = {}        # the interface that a device gets
        self.links: dict[str, dict] = {"lo": link("lo", "127.0.0.1", 8, scope="host")}
        self.routes: list[dict] = []
        self.route_get: dict[str, str] = {}
        self.room: dict[int, int] = {}           # hugepages that fit on a node
        self.modules_on_disk = {"vfio", "vfio-pci"}
        self.noiommu_built = False
        self.refuses: set[str] = set()           # a file, or a command, that fails
        self.kills_at = ""                       # a file at whose writing the process is killed
        self.now = 0.0
        self.said: list[str] = []
        self.warned: list[str] = []
        self.commands: list[str] = []
        self.ancestors: list[int] = []
        self.owners: dict[str, tuple[int, int]] = {}
        self.root_user = True
        self.signals = ""
        self.renames = ""                        # the name of the next interface that comes
        for name in (PCI, DRIVERS, GROUPS, "/sys/module", "/proc", "/dev/vfio", "/run"):
            self.make_directory(name)
        self.put("/sys/bus/pci/drivers_probe", "")
        self.put("/proc/sys/vm/compact_memory", "")
        self.put("/proc/mounts", "proc /proc proc rw 0 0")
        self.put("/proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB")
        self.put("/proc/cpuinfo", "vendor_id : GenuineIntel")
        self.add_node(0, "0-3")
        self.cpus("0-3")

    # --- building it

    def put(self, name: str, text: str) -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    def point(self, name: str, target: str) -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def add_node(self, node: int, cpus: str, room: int = 1000) -> None:
        place = f"/sys/devices/system/node/node{node}"
        self.put(f"{place}/cpulist", cpus)
        for which in ("nr", "free"):
            self.put(f"{place}/hugepages/hugepages-2048kB/{which}_hugepages", "0")
        self.room[node] = room

    def cpus(self, online: str, isolated: str = "") -> None:
        self.put("/sys/devices/system/cpu/online", online)
        self.put("/sys/devices/system/cpu/isolated", isolated)

    def add_driver(self, name: str) -> None:
        self.make_directory(f"{DRIVERS}/{name}")

    def add_nic(self, address: str, interface: str = "", *, driver: str = "e1000e",
                group: str = "", node: int = 0, ids=E1000E, up: bool = False,
                pci_class: str = "0x020000") -> str:
        """A device with its driver; interface '': it has none. Gives its address."""
        place = f"{PCI}/{address}"
        for name, number in zip(("vendor", "device", "subsystem_vendor", "subsystem_device"), ids):
            self.put(f"{place}/{name}", f"0x{number:04x}")
        self.put(f"{place}/class", pci_class)
        self.put(f"{place}/numa_node", str(node))
        self.put(f"{place}/driver_override", "(null)")
        self.put(f"{place}/modalias", f"pci:{address}")
        if group:
            self.point(f"{place}/iommu_group", f"../../../kernel/iommu_groups/{group}")
            self.put(f"{GROUPS}/{group}/devices/{address}", "")
        self.native[address] = driver
        if interface:
            self.netdevs[address] = interface
        if driver:
            self.add_driver(driver)
            self.attach(address, driver)
        if up:
            self.links[interface]["flags"].append("UP")
        return address

    def pages(self, node: int, total: int, free: int) -> None:
        place = f"/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB"
        self.put(f"{place}/nr_hugepages", str(total))
        self.put(f"{place}/free_hugepages", str(free))

    def page_counts(self, node: int) -> tuple[int, int]:
        place = f"/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB"
        return self.number(f"{place}/nr_hugepages"), self.number(f"{place}/free_hugepages")

    def add_process(self, pid: int, name: str, *, parent: int = 1, files=(), environ: str = ""):
        self.put(f"/proc/{pid}/comm", name)
        self.put(f"/proc/{pid}/stat", f"{pid} ({name}) S {parent} 1")
        self.put(f"/proc/{pid}/environ", environ)
        for number, file in enumerate(files):
            self.point(f"/proc/{pid}/fd/{number}", file)

    # --- what the kernel does

    def driver(self, address: str) -> str:
        return self.link(f"{PCI}/{address}/driver")

    def attach(self, address: str, driver: str) -> None:
        self.point(f"{PCI}/{address}/driver", f"../../../../bus/pci/drivers/{driver}")
        if driver == "vfio-pci":
            group = self.link(f"{PCI}/{address}/iommu_group")
            if not group and self.read(NOIOMMU) == "Y":
                group = str(100 + len(self.names(GROUPS)))
                self.point(f"{PCI}/{address}/iommu_group", f"../../../kernel/iommu_groups/{group}")
                self.put(f"{GROUPS}/{group}/name", "vfio-noiommu")
                self.put(f"{GROUPS}/{group}/devices/{address}", "")
                self.put(f"/dev/vfio/noiommu-{group}", "")
            elif group:
                self.put(f"/dev/vfio/{group}", "")
            else:
                os.unlink(self.path(f"{PCI}/{address}/driver"))
        elif address in self.netdevs:
            name = self.renames or self.netdevs[address]
            place = f"{PCI}/{address}"
            if driver == "virtio-pci":
                place += "/virtio0"
            self.put(f"{place}/net/{name}/mtu", "1500")
            self.links[name] = link(name)

    def detach(self, address: str) -> None:
        place = f"{PCI}/{address}"
        for below in (f"{place}/net", f"{place}/virtio0"):
            for name in self.names(below if below.endswith("net") else f"{below}/net"):
                self.links.pop(name, None)
            shutil.rmtree(self.path(below), ignore_errors=True)
        group = self.link(f"{place}/iommu_group")
        if self.read(f"{GROUPS}/{group}/name") == "vfio-noiommu":
            shutil.rmtree(self.path(f"{GROUPS}/{group}"))
            os.unlink(self.path(f"{place}/iommu_group"))
        for file in (f"/dev/vfio/{group}", f"/dev/vfio/noiommu-{group}"):
            if group and self.exists(file):
                os.unlink(self.path(file))
                self.owners.pop(file, None)
        os.unlink(self.path(f"{place}/driver"))

    def probe(self, address: str) -> None:
        override = self.read(f"{PCI}/{address}/driver_override")
        driver = self.native[address] if override in ("", "(null)") else override
        if driver and not self.driver(address) and self.exists(f"{DRIVERS}/{driver}"):
            self.attach(address, driver)

    def write(self, name: str, text: str) -> None:
        if name == self.kills_at:
            raise SystemExit("killed")
        if name in self.refuses:
            raise OSError(errno.EIO, "refused")
        if not self.exists(name) and not name.startswith((DRIVERS, PCI)):
            raise FileNotFoundError(errno.ENOENT, "no such file")
        parts = name.split("/")
        if parts[-1] == "driver_override":
            self.put(name, text.strip() or "(null)")
        elif parts[-1] == "unbind":
            assert self.driver(text) and (parts[-2] == "driver" or parts[-2] == self.driver(text))
            assert not self.open_by(text), "the kernel would wait for the process for ever"
            self.detach(text)
        elif parts[-1] == "drivers_probe":
            self.probe(text)
        elif parts[-1] == "bind":
            if self.driver(text) or not self.exists("/".join(parts[:-1])):
                raise OSError(errno.ENODEV, "no such device")
            override = self.read(f"{PCI}/{text}/driver_override")
            if parts[-2] not in (override, self.native[text]):
                raise OSError(errno.ENODEV, "no such device")
            self.attach(text, parts[-2])
        elif parts[-1] == "nr_hugepages":
            node = int(parts[5].removeprefix("node"))
            total, free = self.page_counts(node)
            now = max(min(int(text), self.room[node]), total - free)
            self.pages(node, now, free + now - total)
        else:
            self.put(name, text)

    def open_by(self, address: str) -> bool:
        group = self.link(f"{PCI}/{address}/iommu_group")
        return any(self.target(f"/proc/{pid}/fd/{fd}") in
                   (f"/dev/vfio/{group}", f"/dev/vfio/noiommu-{group}")
                   for pid in self.names("/proc") for fd in self.names(f"/proc/{pid}/fd"))

    # --- commands

    def run(self, *argv: str) -> str:
        self.commands.append(" ".join(argv))
        if " ".join(argv) in self.refuses:
            raise failure(" ".join(argv), "refused")
        if argv[0] == "ip":
            return self.run_ip(list(argv[1:]))
        if argv[:2] == ("modprobe", "-r"):
            self.unload(argv[2])
        elif argv[0] == "modprobe":
            self.load_module(argv[1])
        elif argv[0] == "mount":
            mounts = self.read("/proc/mounts")
            self.put("/proc/mounts", f"{mounts}\nhugetlbfs {argv[-1]} hugetlbfs "
                                     "rw,relatime,mode=700,pagesize=2M 0 0")
        elif argv[0] == "umount":
            lines = self.read("/proc/mounts").splitlines()
            self.put("/proc/mounts", "\n".join(x for x in lines if x.split()[1] != argv[1]))
            self.owners.pop(argv[1], None)
        else:
            raise failure(argv[0], "no such program")
        return ""

    def load_module(self, name: str) -> None:
        if name.startswith("pci:"):
            self.add_driver(self.native[name[4:]])
            return
        if name not in self.modules_on_disk:
            raise failure(f"modprobe {name}", f"FATAL: Module {name} not found")
        self.make_directory(f"/sys/module/{name.replace('-', '_')}")
        if name == "vfio-pci":
            self.add_driver(name)
            self.load_module("vfio")
        if name == "vfio" and self.noiommu_built and not self.exists(NOIOMMU):
            self.put(NOIOMMU, "N")

    def unload(self, name: str) -> None:
        if name == "vfio-pci" and self.exists(f"{DRIVERS}/{name}"):
            if any(self.driver(address) == name for address in self.native):
                raise failure("modprobe -r vfio-pci", "Module vfio_pci is in use")
            os.rmdir(self.path(f"{DRIVERS}/{name}"))
            self.unload("vfio")  # modprobe takes with it what nobody needs any more
        shutil.rmtree(self.path(f"/sys/module/{name.replace('-', '_')}"), ignore_errors=True)

    def run_ip(self, argv: list[str]) -> str:
        if argv == ["-j", "addr", "show"]:
            return json.dumps(list(self.links.values()))
        if argv[1:] in (["-4", "route", "show", "table", "all"],
                        ["-6", "route", "show", "table", "all"]):
            is_6 = argv[1] == "-6"
            return json.dumps([{k: v for k, v in route.items() if k != "six"}
                               for route in self.routes if route.get("six", False) == is_6])
        if argv[:3] == ["-j", "route", "get"]:
            if argv[3] not in self.route_get:
                raise failure("ip route get", "RTNETLINK answers: Network is unreachable")
            return json.dumps([{"dst": argv[3], "dev": self.route_get[argv[3]]}])
        assert argv[:2] == ["link", "set"] and argv[3] == "up", argv
        if "UP" not in self.links[argv[2]]["flags"]:
            self.links[argv[2]]["flags"].append("UP")
        return ""

    # --- the rest of a Host

    def owner(self, name: str) -> tuple[int, int]:
        assert self.exists(name)
        return self.owners.get(name, (0, 0))

    def chown(self, name: str, user: int, group: int) -> None:
        if f"chown {name}" in self.refuses:
            raise OSError(errno.EPERM, "refused")
        self.owners[name] = (user, group)

    def catch_signals(self) -> None:
        self.signals = "caught"

    def ignore_signals(self) -> None:
        self.signals = "ignored"

    def is_root(self) -> bool:
        return self.root_user

    def parents(self) -> list[int]:
        return self.ancestors

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def snapshot(self) -> dict[str, str]:
        """Every file and link but fluxcap-host's own, to see that nothing has changed."""
        root = Path(self.root)
        found = {}
        for path in sorted(root.rglob("*")):
            name = "/" + str(path.relative_to(root))
            if name.startswith("/run/fluxcap-host.json"):
                continue
            if path.is_symlink():
                found[name] = "-> " + os.readlink(path)
            elif path.is_file():
                found[name] = path.read_text(encoding="utf-8")
            else:
                found[name] = "directory"
        found["links"] = json.dumps(self.links, sort_keys=True)
        found["owners"] = str(sorted(x for x in self.owners.items() if x[1] != (0, 0)))
        return found


def link(name: str, address: str = "", prefix: int = 24, scope: str = "global") -> dict:
    """An interface as `ip -j addr` shows it."""
    entry = {"ifname": name, "flags": ["BROADCAST"], "addr_info": []}
    if address:
        entry["addr_info"].append(address_info(address, prefix, scope))
    return entry


def address_info(address: str, prefix: int, scope: str = "global") -> dict:
    return {"family": "inet6" if ":" in address else "inet", "local": address,
            "prefixlen": prefix, "scope": scope}
