# SPDX-License-Identifier: MIT
"""What fluxcap says about a configuration: its ports, and the plan of what it takes."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from .eal_args import format_list
from .host import STOPS, Finding, Host, Mistake, mistake

PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


@dataclasses.dataclass
class Plan:
    file: str                   # the configuration's full path
    ports: dict[str, list[str]]  # PCI ports by address, each with the taps and outputs that use it
    optional: set[str]          # those that may be absent
    memory: dict[int, int]      # bytes by NUMA node, -1: on any
    n_parts: int                # ports and pools
    lcores: list[int]           # that the configuration names
    n_lcores: int               # that keep control and packets apart


def find_fluxcap(host: Host, here: str) -> str:
    """The program: named in FLUXCAP, beside this script, in the build directory, or in PATH."""
    named = host.environ.get("FLUXCAP")
    if named:
        found = shutil.which(named)
        if found is None:
            raise mistake(f"FLUXCAP={named}", "no such program")
        return found
    for path in (os.path.join(here, "fluxcap"), os.path.join(here, "../build/app/fluxcap")):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.normpath(path)
    found = shutil.which("fluxcap")
    if found is None:
        raise mistake("fluxcap", "is neither beside fluxcap-host, nor in ../build/app, nor in PATH",
                      "build it with scripts/quickstart, or name it in FLUXCAP")
    return found


def ask(program: str, option: str, config: str, *more: str,
        eal: Sequence[str] = ()) -> dict:
    """The JSON object that fluxcap prints about a configuration; eal: EAL's options for it."""
    if not os.path.isfile(config):
        raise mistake(config, "is not a file" if os.path.exists(config) else "no such file")
    try:
        done = subprocess.run([program, *eal, *(["--"] if eal else []), option, config, *more],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
    except OSError as error:
        raise mistake(program, str(error.strerror)) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"'{program} {option} {config}' failed"]
        raise Mistake(*(Finding(STOPS, "", line) for line in lines))
    try:
        answer = json.loads(done.stdout)
        if isinstance(answer, dict):
            return answer
    except ValueError:
        pass
    raise mistake(program, f"answers {option} with something other than a JSON object: "
                           "is it fluxcap, and as new as this fluxcap-host?")


def read_plan(program: str, config: str, lcores: list[int], eal: Sequence[str] = ()) -> Plan:
    """The plan, if these lcores move packets or those that the configuration names; eal: the
    options that say what the virtual devices of its ports are like."""
    dump = ask(program, "--dump", config)
    plan = ask(program, "--plan", config, "--assume-lcores", format_list(lcores), eal=eal)
    users: dict[str, list[str]] = {}
    optional = set()
    try:
        for kind, things in (("tap", dump["taps"]), ("output", dump["outputs"])):
            for name, thing in things.items():
                port = thing["port"].lower()
                if PCI_ADDRESS.fullmatch(port):
                    users.setdefault(port, []).append(f"{kind} {name}")
        for name, settings in dump.get("ports", {}).items():
            if settings.get("optional", False):
                optional.add(name.lower())
        memory = {node["node"]: node["bytes"] for node in plan["nodes"]}
        lcores = plan["lcores"]
        return Plan(os.path.realpath(config), users, optional, memory,
                    len(plan["ports"]) + len(plan["pools"]), lcores["named"], lcores["wanted"])
    except (LookupError, TypeError, AttributeError):
        raise mistake(program, "answers --dump or --plan in a form that this fluxcap-host does not "
                               "know; take both from the same build") from None
