# SPDX-License-Identifier: MIT
"""A survey as text, and as JSON."""

import dataclasses
import json

from .host import NOTE, SLOWS, STOPS
from .status import Nic, Survey

HEADINGS = {STOPS: "What stops fluxcap", SLOWS: "What slows it down", NOTE: "To know"}


def as_json(found: Survey) -> str:
    data = dataclasses.asdict(found)
    return json.dumps({"ready": found.ready, **data}, indent=2)


def speed(mbps: int) -> str:
    if mbps == 0:
        return "?"
    return f"{mbps / 1000:g}G" if mbps >= 1000 else f"{mbps}M"


def use(nic: Nic) -> str:
    parts = list(nic.users)
    if nic.held_by:
        parts.append("held by " + ", ".join(nic.held_by))
    return ", ".join(parts)


def table(rows: list[list[str]]) -> list[str]:
    """Rows in columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def as_text(found: Survey) -> str:
    lines = ["NICs"]
    rows = [["address", "node", "speed", "driver now", "interface", "fluxcap's driver", "id",
             "use"]]
    for nic in found.nics:
        rows.append([nic.address, "?" if nic.node < 0 else str(nic.node), speed(nic.speed_mbps),
                     nic.driver or "-", ",".join(nic.interfaces) or "-",
                     nic.fluxcap_driver or "none", nic.id, use(nic)])
    lines += table(rows) if found.nics else ["  none"]
    lines += ["", "Memory"]
    for memory in found.memory:
        needed = f", {memory.needed} needed" if memory.needed else ""
        lines.append(f"  NUMA node {memory.node}: {memory.pages} hugepages of "
                     f"{memory.page_bytes >> 20} MiB, {memory.free} free{needed}")
    lines.append(f"  mounted on {found.hugetlbfs}" if found.hugetlbfs else "  not mounted")
    lines += ["", f"IOMMU: {found.iommu}",
              f"CPUs: {found.cpus}, isolated {found.isolated_cpus or 'none'}"
              + (f", lcores {', '.join(map(str, found.lcores))}" if found.lcores else "")]
    for severity, heading in HEADINGS.items():
        chosen = [finding for finding in found.findings if finding.severity == severity]
        if chosen:
            lines += ["", heading]
        for finding in chosen:
            lines.append(f"  {finding}")
            if finding.mend:
                lines.append(f"      {finding.mend}")
    if found.config:
        verdict = "ready" if found.ready else "not ready"
        lines += ["", f"{verdict} for {found.config}"]
    return "\n".join(lines)
