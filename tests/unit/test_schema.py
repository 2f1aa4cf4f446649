#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The JSON Schema, judged by another implementation: it takes what the checker takes."""

import json
import pathlib
import re

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "config/fluxcap.schema.json").read_text())

# What a schema cannot say: references between keys, and that 100.0 is not a whole number.
BEYOND = {
    "two taps on one port",
    "three taps on one port",
    "from an unknown tap, near",
    "from an unknown tap, far",
    "settings of an unused port, near",
    "settings of an unused port, far",
    "settings of a port twice",
    "trim as a real number",
    "ring as a real number",
    "ring too small",
    "ring too large",
    "ring far too large",
    "a key twice",
    "a key twice, inside",
    "a tap twice",
    "an escaped NUL",
    "a lone surrogate",
    "NaN",
}
# The checker knows these values in upper case, too; the schema proposes the usual form.
STRICTER = {"vlan push of two"}


def read_cases():
    text = (ROOT / "tests/unit/data/config.cases").read_text()
    for case in re.split(r"^--- ", text, flags=re.MULTILINE)[1:]:
        head, expected = case.split("\n>>>\n") if "\n>>>\n" in case else (case, "")
        name, source = head.split("\n", 1)
        try:
            value = json.loads(source)
        except ValueError:
            continue
        lines = expected.splitlines()
        yield pytest.param(name, value, "{" in lines, id=name)


def is_valid(value):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/*[!a].json")), ids=lambda p: p.name)
def test_examples(path):
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(path.read_text()))


def test_examples_of_the_page():
    page = (ROOT / "docs/configuration.md").read_text()
    blocks = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(block))


def test_enough_cases():
    cases = list(read_cases())
    names = {case.values[0] for case in cases}
    assert BEYOND <= names and STRICTER <= names
    assert sum(case.values[2] for case in cases) >= 20
    assert sum(not case.values[2] for case in cases) >= 70


@pytest.mark.parametrize("name, value, accepted", read_cases())
def test_cases(name, value, accepted):
    if name in BEYOND:
        assert is_valid(value) and not accepted
    elif name in STRICTER:
        assert accepted and not is_valid(value)
    else:
        assert is_valid(value) == accepted
