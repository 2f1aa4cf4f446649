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

# What a schema cannot say: rules across keys, what an address stands for, and that 100.0 is not a
# whole number.
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
    "encap local with a bad prefix length",
    "encap local with a bad prefix length, IPv6",
    "encap local is the network",
    "encap local is the broadcast address",
    "encap local is the network, IPv6",
    "encap local is a loopback address",
    "encap local is unspecified",
    "encap local is multicast",
    "encap remote is multicast",
    "encap remote is multicast, IPv6",
    "encap remote is broadcast",
    "encap remote is the network's broadcast address",
    "encap remote is the network",
    "encap remote is unspecified",
    "encap remote is unspecified, IPv6",
    "encap remote is a loopback address",
    "encap remote is an IPv4 address in IPv6 form",
    "encap remote with a leading zero",
    "encap remote is local",
    "encap ends of two families",
    "encap remote not on the link",
    "encap remote not on the link, IPv6",
    "encap gateway not on the link",
    "encap gateway of the other family",
    "encap gateway is local",
    "encap gateway is the broadcast address",
    "encap gateway that nothing needs",
    "encap gateway beside mac",
    "encap key of erspan1",
    "encap key of erspan2 too large",
    "encap key of erspan3 too large",
    "encap key of vxlan too large",
    "encap key is a dotted quad in vxlan",
    "encap key is a dotted quad in erspan2",
    "encap vxlan without key",
    "encap geneve without key",
    "encap mtu too small for IPv6",
    "encap mtu above the port's",
    "encap on a port with a small MTU",
    "encap over IPv6 on a port with a small MTU",
    "encap ends with two prefix lengths",
    "encap ends of one address on two ports",
    "encap and decap of one address on two ports",
    "decap local is multicast",
    "decap remote is local",
    "decap ends of two families",
    "decap key of erspan1",
    "decap key of geneve too large",
    "decap taps of one address on two ports",
    "decap taps on one port match the same",
    "decap taps on one port match the same, erspan and erspan2",
    "decap taps on one port, one of any key",
    "decap taps on one port, one of any remote",
    "decap taps on one port, one of any key and one of any remote",
    "decap taps on one port, the third like the first",
    "encap, a UDP port over GRE",
    "decap taps on one port, one with the usual UDP port in words",
    "vxlan and geneve at one UDP port",
    "decap taps on one port, a key of another's vsid",
    "decap tap and plain tap on one port",
    "plain tap and decap tap on one port",
    "plain taps and decap taps on one port",
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
