# SPDX-License-Identifier: MIT
"""What the file of EAL's options says about lcores, memory and the instance's name."""

import dataclasses
import re
import shlex

from .host import Host, mistake

ONLINE = "/sys/devices/system/cpu/online"
DEFAULT_PREFIX = "rte"  # --file-prefix when nothing is given
MAX_LCORES = 128  # that DPDK is built for
MIB = 1 << 20
LCORE_SET = r"\([0-9,-]+\)|[0-9]+(?:-[0-9]+)?"
LCORE_MAP = re.compile(f"({LCORE_SET})(?:@({LCORE_SET}))?(?:,|$)")


@dataclasses.dataclass
class EalArgs:
    cpus: dict[int, set[int]]  # where each lcore runs; empty when the file does not say
    main: int                  # the lcore that controls, -1 when the file does not say
    memory: dict[int, int]     # bytes that EAL takes at its start by NUMA node, -1: on any
    prefix: str = DEFAULT_PREFIX  # that tells EAL's instances apart
    words: list[str] = dataclasses.field(default_factory=list)  # all of them, as they stand

    @property
    def workers(self) -> list[int]:
        """The lcores that move packets. A single one does everything."""
        return sorted(set(self.cpus) - {self.main}) or sorted(self.cpus)


def parse_list(text: str) -> set[int]:
    """The numbers of a list such as 0-3,8; as in /sys and in EAL's options."""
    numbers: set[int] = set()
    for part in filter(None, text.strip("() \n").split(",")):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def format_list(numbers: set[int] | list[int]) -> str:
    """Such a list of numbers."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def parse_lcores(text: str) -> dict[int, set[int]]:
    """The CPUs of each lcore out of --lcores."""
    cpus: dict[int, set[int]] = {}
    text = text.replace(" ", "")
    position = 0
    while position < len(text):
        match = LCORE_MAP.match(text, position)
        if match is None:
            raise ValueError
        position = match.end()
        for lcore in parse_list(match[1]):
            if match[2]:
                cpus[lcore] = parse_list(match[2])
            else:
                cpus[lcore] = parse_list(match[1]) if match[1][0] == "(" else {lcore}
    return cpus


def read(file: str) -> EalArgs:
    """The options in a file as fluxcap-run takes it."""
    try:
        with open(file, encoding="utf-8") as opened:
            words = shlex.split(opened.read(), comments=True)
    except OSError as error:
        raise mistake(file, str(error.strerror)) from None
    except ValueError as error:
        raise mistake(file, str(error).lower(),
                      f"fluxcap-run -n {file} CONFIG says in which line") from None
    if "--" in words:
        raise mistake(file, "'--' and what is behind it do not belong here",
                      "leave only EAL's options in the file")
    args = EalArgs({}, -1, {}, words=words)
    for name, value in options(words):
        try:
            take(args, name, value)
        except ValueError:
            raise mistake(file, f"{name} {value}: cannot be read") from None
    if args.main == -1 and args.cpus:
        args.main = min(args.cpus)
    return args


def options(words: list[str]) -> list[tuple[str, str]]:
    """The options that matter here, each with its value."""
    short = {"-l": "--lcores", "-c": "-c", "-m": "-m"}
    found = []
    for word, following in zip(words, [*words[1:], ""]):
        name, equals, value = word.partition("=")
        if name in ("--lcores", "--main-lcore", "--socket-mem", "--file-prefix"):
            found.append((name, value if equals else following))
        elif word[:2] in short and not word.startswith("--"):
            found.append((short[word[:2]], word[2:] or following))
    return found


def take(args: EalArgs, name: str, value: str) -> None:
    if name == "--lcores":
        args.cpus = parse_lcores(value)
    elif name == "-c":
        mask = int(value, 16)
        args.cpus = {bit: {bit} for bit in range(mask.bit_length()) if mask >> bit & 1}
    elif name == "--file-prefix":
        args.prefix = value
    elif name == "--main-lcore":
        args.main = int(value)
    elif name == "-m":
        args.memory = {-1: int(value) * MIB}
    elif name == "--socket-mem":
        args.memory = {node: int(mib) * MIB for node, mib in enumerate(value.split(",")) if mib}


def workers(host: Host, args: EalArgs | None) -> list[int]:
    """The lcores that will move packets. When nothing says so these are EAL's defaults: all CPUs,
    the first of which controls."""
    if args is not None and args.cpus:
        return args.workers
    every = sorted(parse_list(host.read(ONLINE)))
    return (every[1:] or every)[:MAX_LCORES - 1] or [0]
