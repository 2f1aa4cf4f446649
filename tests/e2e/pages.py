#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads the pages of docs/: their tables, commands, links, and the texts that they quote."""

import errno
import functools
import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
LIBRARIES = Path("/usr/lib") / sysconfig.get_config_var("MULTIARCH")
TIMEOUT = 60  # seconds

# A quoted text has examples where a program puts in what it speaks of.
EXAMPLES = re.compile("|".join([
    r"\.\.\.", r"'[^']*'", r"\d[\w.:]*", r"/\S+", r"net_\w+", r"--file-prefix \w+",
    r"\w+\.(?:json|service)", *(re.escape(os.strerror(error)) for error in errno.errorcode)]))
LEAST = 8  # characters of a text without them, so that it cannot be there by chance

# How a command begins that the pages quote, and what else they quote that nobody says.
NO_MESSAGE = re.compile(
    r"^(?:sudo|fluxcap\S*|prepare|ip|ethtool|dmesg|ss|cat|tcpdump|systemctl|systemd-analyze|"
    r"journalctl|ulimit|man|git) |^-|^fluxcap_\w+ ==|^[^ ]*\"")


class Page:
    def __init__(self, path: Path):
        self.path = path
        self.text = path.read_text()
        self.prose = re.sub(r"^(?:```.*?^```|    .*?)$", "", self.text, flags=re.M | re.S)

    def sentences(self) -> str:
        """The prose, without the ends of its lines."""
        return " ".join(self.prose.split())

    def tables(self) -> list[list[list[str]]]:
        """All tables, as lists of rows, each a list of the texts of its cells."""
        return [[[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                 for line in block.splitlines() if not re.match(r"\|[-|]+$", line)]
                for block in re.findall(r"(?:^\|.*\|\n)+", self.text, re.M)]

    def table(self, *heading: str) -> list[list[str]]:
        """The rows, without the heading, of the one table that begins with these columns."""
        found = [rows[1:] for rows in self.tables() if tuple(rows[0][:len(heading)]) == heading]
        assert len(found) == 1, heading
        return found[0]

    def commands(self) -> list[str]:
        """The lines that begin with a $, without it and without comments."""
        return [re.sub(r"\s+# .*", "", line)
                for line in re.findall(r"^    \$ (.*)$", self.text, re.M)]

    def after(self, command: str) -> str:
        """What the page shows as the output of a command."""
        found = re.search(rf"^    \$ {re.escape(command)}\n((?:    (?!\$).*\n)+)", self.text, re.M)
        assert found, command
        return re.sub(r"^    ", "", found.group(1), flags=re.M)

    def spans(self) -> list[str]:
        """What stands between backticks."""
        return [span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", self.prose)]

    def messages(self) -> list[str]:
        """The spans that are texts of programs: all first columns below 'it says', and what else
        has several words and is neither a command, a piece of JSON nor a filter."""
        first = [span for rows in self.tables() if rows[0][0] == "it says" for row in rows[1:]
                 for span in re.findall(r"`([^`]+)`", row[0])]
        others = [span for span in self.spans()
                  if len(span.split()) >= 3 and not NO_MESSAGE.search(span) and not is_filter(span)]
        return list(dict.fromkeys(first + others))

    def links(self) -> list[str]:
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    def anchors(self) -> set[str]:
        """Those of its headings, as GitHub makes them."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                for heading in re.findall(r"^#+ (.*)$", self.text, re.M)}

    def names(self) -> set[str]:
        """Spans that look like names of counters, keys or metrics."""
        return {span for span in self.spans() if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", span)}


def is_filter(text: str) -> bool:
    return subprocess.run(["tcpdump", "-y", "EN10MB", "-d", text], capture_output=True,
                          timeout=TIMEOUT, check=False).returncode == 0


def literals(quote: str) -> list[str]:
    """The parts of a quoted text that a program prints as they are."""
    parts = [part.strip() for part in EXAMPLES.split(quote)]
    parts = [part for part in parts if len(part) >= 4]
    assert max(map(len, parts), default=0) >= LEAST, f"{quote}: nothing to look for"
    return parts


def is_in(quote: str, text: str) -> bool:
    """Whether a text has what a page quotes, with whatever in place of the examples."""
    return all(part in text for part in literals(quote))


@functools.cache
def sources() -> str:
    """All string constants of fluxcap and its scripts, those that are in pieces put together."""
    files = [path for folder in ("lib", "app", "scripts")
             for path in (REPOSITORY / folder).rglob("*") if path.suffix in (".c", ".py")
             or path.name.startswith("fluxcap-") and path.is_file()]
    text = "\n".join(path.read_text() for path in files)
    return re.sub(r'"\s*\n\s*f?"', "", text).replace('\\"', '"')


@functools.cache
def foreign() -> bytes:
    """What the programs beside fluxcap may say: EAL, its drivers and tools, systemctl, libpcap."""
    names = [*LIBRARIES.glob("librte_*.so.*"), *LIBRARIES.glob("dpdk/pmds-*/*.so"),
             *LIBRARIES.glob("systemd/libsystemd-shared-*.so"),
             *filter(None, map(shutil.which, ("systemctl", "dpdk-dumpcap")))]
    return b"\0".join(Path(name).read_bytes() for name in {Path(name).resolve() for name in names})


def who_says(quote: str) -> str | None:
    """'fluxcap', 'another' or nobody, going by the texts in their files."""
    if is_in(quote, sources()):
        return "fluxcap"
    data = foreign()
    return "another" if all(part.encode() in data for part in literals(quote)) else None


@functools.cache
def known_names() -> frozenset[str]:
    """Fields of telemetry, metrics, and keys of the configuration, from the pages that explain
    them. Other tests compare those with the programs."""
    explained = "".join((DOCS / name).read_text() for name in ("telemetry.md", "watching.md"))
    schema = json.loads((REPOSITORY / "config" / "fluxcap.schema.json").read_text())
    return frozenset(re.findall(r"`(\w+)`", explained)) | frozenset(_keys(schema))


def _keys(schema):
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from _keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keys(value)
