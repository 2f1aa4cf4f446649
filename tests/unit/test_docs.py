# SPDX-License-Identifier: MIT
"""How the pages are written: prose is wrapped, so that a change of it shows as the lines it is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COLUMNS = 100


def long_lines(text: str) -> list[str]:
    """The lines of prose that are too long; tables and what is shown as it is may be wider."""
    found, is_fenced = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif len(line) > COLUMNS and not is_fenced and not re.match(r"    | *\|", line):
            found.append(f"line {number} has {len(line)} columns: {line}")
    return found


def test_what_is_too_long():
    long = "word " * 20 + "w"
    assert long_lines(long) == [f"line 1 has 101 columns: {long}"]
    assert len(long_lines(f"- {long}\n```\n{long}\n```\n{long}\n\n    {long}\n| {long} |\n")) == 2
    assert not long_lines("é" * 100)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_is_wrapped(page):
    assert not long_lines(page.read_text()), "wrap prose at 100 columns"
