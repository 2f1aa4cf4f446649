# SPDX-License-Identifier: MIT
"""What prepare took, so that undo can give it back: a JSON file that a reboot clears.

Each thing is written down before it is done. Undo after a crash therefore may find things that were
never done, and takes them as done with.
"""

import contextlib
import copy
import fcntl
import json
import os
from collections.abc import Iterator

from .host import Host, failure, reason

DEFAULT_FILE = "/run/fluxcap-host.json"
VERSION = 1


class State:
    """
    config   the configuration that the machine is prepared for
    ports    by PCI address: the former driver, driver_override, interfaces with whether they were
             up, and the link's speed
    pages    by NUMA node: hugepages there before, added, and in use by others
    mount    where a hugetlbfs was mounted, '' for nowhere
    made     directories that were made for it
    modules  kernel modules that were loaded
    noiommu  vfio's no-IOMMU parameter before it was switched on, '' when it was not touched
    owners   by file: the former user and group
    """

    def __init__(self, host: Host, file: str = DEFAULT_FILE):
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
        self.load()

    FIELDS = ("config", "ports", "pages", "mount", "made", "modules", "noiommu", "owners")

    def load(self) -> None:
        text = self.host.read(self.file)
        if not text:
            return
        try:
            data = json.loads(text)
            if data["version"] != VERSION:
                raise ValueError
            for name in self.FIELDS:
                setattr(self, name, data[name])
        except (ValueError, LookupError, TypeError):
            raise failure(self.file, "is not what this fluxcap-host writes; it tells what to give "
                          "back, so look into it before you remove it",
                          f"mv {self.file} {self.file}.old") from None

    def copy(self) -> "State":
        other = copy.copy(self)
        for name in self.FIELDS:
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        return other

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in self.FIELDS if name != "config")

    def save(self) -> None:
        """Write it so that a crash leaves the old or the new one; without content, remove it."""
        path = self.host.path(self.file)
        if self.is_empty and not self.config:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        data = {"version": VERSION, **{name: getattr(self, name) for name in self.FIELDS}}
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
