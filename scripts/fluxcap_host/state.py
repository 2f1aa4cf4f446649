# SPDX-License-Identifier: MIT
"""What prepare took, so that undo can give it back: a JSON file that a reboot clears.

Each thing is written down before it is done. Undo after a crash therefore may find things that were
never done, and takes them as done with.

Several brokers of one machine stand in one file, each by the --file-prefix of its EAL options.
"""

import contextlib
import copy
import fcntl
import json
import os
from collections.abc import Iterator

from .host import Host, failure, reason

DEFAULT_FILE = "/run/fluxcap-host.json"
VERSION = 2
UNNAMED = ""  # the broker of a file that knew only one, until it is asked for by its configuration


class State:
    """
    What one broker took; `others` is what the other brokers did, by their names.

    config   the configuration that the machine is prepared for
    ports    by PCI address: the former driver, driver_override, interfaces with whether they were
             up, and the link's speed
    pages    by NUMA node: hugepages before any broker, added for this one, needed by it, in use by
             what is no broker (`foreign`), and to be left to all others (`others`)
    mount    where a hugetlbfs was mounted, '' for nowhere
    made     directories that were made for it
    modules  kernel modules that were loaded
    noiommu  vfio's no-IOMMU parameter before it was switched on, '' when it was not touched
    owners   by file: the former user and group
    """

    def __init__(self, host: Host, file: str = DEFAULT_FILE, broker: str | None = None,
                 config: str = ""):
        """broker: its name; None for the only one. config: of the broker, when it is known."""
        self.host = host
        self.file = file
        self.config = ""
        self.ports: dict[str, dict] = {}
        self.pages: dict[str, dict[str, int]] = {}
        self.mount = ""
        self.made: list[str] = []
        self.modules: list[str] = []
        self.noiommu = ""
        self.owners: dict[str, list[int]] = {}
        brokers = self.load()
        self.broker = self.choose(brokers, broker, config)
        for name, value in brokers.pop(self.broker, {}).items():
            setattr(self, name, value)
        self.others = brokers

    FIELDS = ("config", "ports", "pages", "mount", "made", "modules", "noiommu", "owners")

    def load(self) -> dict[str, dict]:
        """What the file says of each broker."""
        text = self.host.read(self.file)
        if not text:
            return {}
        try:
            data = json.loads(text)
            if data["version"] == 1:  # of a fluxcap-host that knew one broker
                brokers = {UNNAMED: data}
            elif data["version"] == VERSION:
                brokers = data["brokers"]
            else:
                raise ValueError
            return {name: {field: told[field] for field in self.FIELDS}
                    for name, told in brokers.items()}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise failure(self.file, "is not what this fluxcap-host writes; it tells what to give "
                          "back, so look into it before you remove it",
                          f"mv {self.file} {self.file}.old") from None

    def choose(self, brokers: dict[str, dict], broker: str | None, config: str) -> str:
        """Which of the brokers it is: itself, or the one without a name that must be it."""
        if broker is None:
            if len(brokers) > 1:
                names = ", ".join(f"{name or 'one without a name'} ({told['config']})"
                                  for name, told in sorted(brokers.items()))
                raise failure("", f"this box is prepared for several brokers: {names}",
                              "say with --eal-args whose options are meant")
            return next(iter(brokers), UNNAMED)
        unnamed = brokers.get(UNNAMED)
        if broker not in brokers and unnamed is not None and (
                config in ("", unnamed["config"]) or is_nothing(unnamed)):
            brokers[broker] = brokers.pop(UNNAMED)
        return broker

    def copy(self) -> "State":
        other = copy.copy(self)
        for name in self.FIELDS:
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        return other

    @property
    def is_empty(self) -> bool:
        return is_nothing(vars(self))

    def owner_of(self, address: str) -> str:
        """The other broker that a port is prepared for, with its configuration; '' for none."""
        return next((f"{name} ({told['config']})" for name, told in self.others.items()
                     if address in told["ports"]), "")

    def leave_shared(self) -> None:
        """What all brokers use goes to another one, when there is one."""
        if not self.others:
            return
        heir = next(iter(self.others.values()))
        if self.mount:
            heir["mount"], self.mount = self.mount, ""
            heir["made"], self.made = [*heir["made"], *self.made], []
        heir["modules"], self.modules = [*self.modules, *heir["modules"]], []
        if self.noiommu:
            heir["noiommu"], self.noiommu = self.noiommu, ""
        for file in [file for file in self.owners if not file.startswith("/dev/vfio/")]:
            heir["owners"].setdefault(file, self.owners.pop(file))

    def save(self) -> None:
        """Write it so that a crash leaves the old or the new one; without content, remove it."""
        path = self.host.path(self.file)
        brokers = dict(self.others)
        if not self.is_empty or self.config:
            brokers[self.broker] = {name: getattr(self, name) for name in self.FIELDS}
        if not brokers:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        data = {"version": VERSION, "brokers": brokers}
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(data, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(path + ".new", path)
        except OSError as error:
            raise failure(self.file, f"cannot be written: {reason(error)}") from None


def is_nothing(told: dict) -> bool:
    """Whether a broker has taken nothing."""
    return not any(told[name] for name in State.FIELDS if name != "config")


@contextlib.contextmanager
def locked(host: Host, file: str) -> Iterator[None]:
    """Keep a second fluxcap-host out."""
    path = host.path(file + ".lock")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise failure(path, f"cannot be made: {reason(error)}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise failure("", "another fluxcap-host is at work", "wait for it") from None
    finally:
        os.close(descriptor)
