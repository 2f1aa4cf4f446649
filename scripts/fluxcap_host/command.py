# SPDX-License-Identifier: MIT
"""The command line of fluxcap-host."""

import argparse

from . import eal_args, report, status
from .broker import find_fluxcap, read_plan
from .drivers import read_drivers
from .host import Failure, Host, failure
from .prepare import Wishes, prepare
from .state import DEFAULT_FILE, State, locked
from .unwind import undo

EPILOG = """\
prepare reserves hugepages on the NUMA nodes where CONFIG's plan needs them, mounts them, loads
vfio-pci, and gives it exactly the PCI ports that CONFIG names. It refuses a port that the box
itself uses: one with an address, a route, a bridge or bond, or your SSH connection. What fails
half-way is undone. Doing it twice is doing it once.

undo gives everything back: ports to their former drivers, hugepages, mounts, modules.

Several brokers on one machine are told apart by the --file-prefix in their EAL options, so each
needs --eal-args. Each gets hugepages of its own, and undo gives back what its broker took.

status changes nothing. It lists NICs, memory and lcores, and what stops fluxcap or slows it down,
each with the command that mends it.

FLUXCAP in the environment names another fluxcap.

exit status: 0 done (status: nothing stops CONFIG), 1 refused or failed (status: something does),
2 for a mistake in the arguments or in one of the files.
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="fluxcap-host", allow_abbrev=False, epilog=EPILOG,
        description="Prepare this machine for fluxcap, undo that, and say where it stands.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True, metavar="prepare|undo|status")
    ready = commands.add_parser("prepare", allow_abbrev=False,
                                help="make the machine ready for a configuration")
    ready.add_argument("config", metavar="CONFIG")
    ready.add_argument("--no-iommu", action="store_true",
                       help="if a port has no IOMMU, go without: unsafe")
    ready.add_argument("--user", default="", metavar="NAME",
                       help="let this user open the ports and hugepages")
    back = commands.add_parser("undo", allow_abbrev=False, help="give everything back")
    look = commands.add_parser("status", allow_abbrev=False, help="say where everything stands")
    look.add_argument("config", metavar="CONFIG", nargs="?")
    look.add_argument("--json", action="store_true", help="for programs")
    for command in (ready, back, look):
        command.add_argument("--eal-args", metavar="FILE",
                             help="EAL's options, as for fluxcap-run: lcores, memory, and which "
                                  "broker it is")
    for command in (ready, back, look):
        command.add_argument("--state", default=DEFAULT_FILE, metavar="FILE",
                             help=f"where prepare remembers what it took ({DEFAULT_FILE})")
    return top


def run(arguments: argparse.Namespace, host: Host, here: str) -> int:
    told = eal_args.read(arguments.eal_args) if arguments.eal_args else None
    words = told.words if told is not None else []
    broker = told.prefix if told is not None else eal_args.DEFAULT_PREFIX
    if arguments.command == "status":
        program, plan = "", None
        try:
            program = find_fluxcap(host, here)
        except Failure:
            if arguments.config:
                raise
        if arguments.config:
            plan = read_plan(program, arguments.config, eal_args.workers(host, told), words)
        drivers = read_drivers(host, program) if program else []
        state = State(host, arguments.state, broker, plan.file if plan else "")
        found = status.survey(host, state, plan, drivers, told)
        host.say(report.as_json(found) if arguments.json else report.as_text(found))
        return 1 if found.ready is False else 0
    if not host.is_root():
        raise failure("", f"{arguments.command} needs root", "sudo fluxcap-host ...")
    host.catch_signals()
    if arguments.command == "undo":
        with locked(host, arguments.state):
            undo(host, State(host, arguments.state, broker if told is not None else None))
        return 0
    program = find_fluxcap(host, here)
    plan = read_plan(program, arguments.config, eal_args.workers(host, told), words)
    wishes = Wishes(plan, read_drivers(host, program), told, arguments.no_iommu, arguments.user)
    with locked(host, arguments.state):
        prepare(host, State(host, arguments.state, broker, plan.file), wishes)
    return 0


def tell(host: Host, error: Failure) -> None:
    for finding in error.findings:
        host.warn(f"fluxcap-host: {finding}")
        if finding.mend:
            host.warn(f"    mend: {finding.mend}")


def main(argv: list[str], here: str, host: Host | None = None) -> int:
    """Run fluxcap-host; here: the directory of the script. Gives the exit status."""
    host = host or Host()
    arguments = parser().parse_args(argv)
    try:
        return run(arguments, host, here)
    except Failure as error:
        tell(host, error)
        return error.status
    except KeyboardInterrupt:
        host.warn("fluxcap-host: interrupted")
        return 1
