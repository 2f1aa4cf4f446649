#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Filters keep exactly what tcpdump keeps, on taps, on outputs, and across an mbuf's segments."""

import json
import random

import pytest

import frames as fr
import model
from fluxcap import assert_sent, fluxcap

FILTERS = (
    "ip", "ip6", "arp", "tcp", "udp", "icmp", "not ip", "tcp or udp",
    "port 53", "tcp port 443", "udp dst port 53", "portrange 50-100", "tcp src port 80",
    "host 10.7.0.1", "net 10.7.0.0/30", "src host 10.7.0.2 and tcp", "ip6 host 2001:db8::1",
    "vlan", "vlan 7", "vlan 9", "not vlan", "vlan 7 and vlan 9", "vlan and ip",
    "vlan and udp port 53",
    "greater 1000", "less 64", "len > 2048", "len = 14", "len & 1 = 1", "len - 10 > 4080",
    "len / 2 < 100", "len % 3 = 0", "len * 2 > 4096", "len << 1 > 4096", "len >> 4 = 4",
    "len | 1 = 65", "len ^ 64 = 0",
    "ether broadcast", "ether multicast", "ether[0] & 1 = 0", "ether src 02:00:00:00:00:01",
    "ether dst 02:00:00:00:00:02", "ether proto 0x88b5",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[13] = 18", "ip[6:2] & 0x1fff != 0",
    "ip[2:2] > 1000", "ip[0] & 0xf != 5", "ip[8] < 65", "ip proto 17", "ip6[6] = 17",
    "udp[4:2] > 500", "icmp[icmptype] = icmp-echo",
    "ether[14:4] > 0x80000000", "ether[13] = 0", "ether[len - 1] & 1 = 0",
    "ether[len - 4:4] > 0x80000000",
    "ether[2047] > 127", "ether[2048:2] > 32767", "ether[2040:4] & 1 = 0", "ether[9000] & 3 = 1",
    "ether[9014:4] != 0", "ether[100000] = 0", "ether[0x7ffffff0:4] = 0",
    "ip[0] / (ip[6] & 0x20) < 3", "ip[0] % (ip[6] & 0x20) = 5",
    "1 = 1", "ether[0x7ffffff0] = 0 or arp",
    "len * 65537 * 65537 > 0x4000000", "(len - 100) / 3 > 20",
    "len << 31 != 0", "len << 24 >> 24 < 64", "ether[14:4] * 3 > 0xf0000000",
    "-len > 0xffffff00",
    "(tcp and port 80) or (udp and port 53) or (vlan and (arp or ip6))",
)


def in_groups(things, size):
    return [things[at:at + size] for at in range(0, len(things), size)]


def name_of(group):
    return json.dumps(group[0])[:30]


@pytest.mark.parametrize("group", in_groups(FILTERS, 12), ids=name_of)
def test_filters_on_outputs(rig, group):
    rig.tap("a", fr.corpus(31))
    for number, expression in enumerate(group):
        rig.output(f"o{number}", "a", filter=expression)
    rig.short_form = False
    result = rig.run()
    assert_sent(result)
    for number in range(len(group)):
        feed = result.feed("a", f"o{number}")
        assert feed["filtered"] == len(fr.corpus(31)) - len(rig.expected(f"o{number}")[0])


@pytest.mark.parametrize("group", in_groups(FILTERS, 12), ids=name_of)
def test_filters_on_taps(rig, group):
    sent = fr.corpus(32)
    for number, expression in enumerate(group):
        rig.tap(f"t{number}", sent, ring="4m", filter=expression)
        rig.output(f"o{number}", f"t{number}")
    rig.short_form = False
    result = rig.run()
    assert_sent(result)
    for number, expression in enumerate(group):
        kept = len(model.kept_by_filter(sent, expression))
        assert result.tap(f"t{number}")["filtered"] == len(sent) - kept
        assert result.tap(f"t{number}")["forwarded"] == kept


NUMBERS = (0, 1, 2, 3, 7, 14, 31, 64, 100, 255, 256, 1000, 2047, 2048, 4096, 65535, 65536,
           0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
OFFSETS = (0, 6, 12, 14, 16, 23, 30, 60, 1500, 1900, 1919, 1920, 2040, 2046, 2047, 2048, 4095, 8000)


class Expressions:
    """Random pcap-filter expressions: arithmetic on lengths and bytes, and ordinary words."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def term(self, depth):
        rnd = self.random
        kind = rnd.randrange(7 if depth else 4)
        if kind == 0:
            return "len"
        if kind == 1:
            return str(rnd.choice(NUMBERS))
        if kind in (2, 3):
            proto, offsets = rnd.choice((("ether", OFFSETS), ("ip", range(20)), ("udp", range(8)),
                                         ("tcp", range(20)), ("ip6", range(40))))
            return f"{proto}[{rnd.choice(offsets)}:{rnd.choice((1, 2, 4))}]"
        if kind == 4:
            return f"ether[{rnd.choice(('len', 'ether[14]', 'ether[20:2] & 0xfff'))} - " \
                   f"{rnd.choice((0, 1, 2, 4, 10))}]"
        operator = rnd.choice("+-*/%&|^") if kind == 5 else rnd.choice(("<<", ">>"))
        right = self.term(depth - 1) if kind == 5 else str(rnd.randrange(32))
        return f"({self.term(depth - 1)} {operator} {right})"

    def relation(self):
        rnd = self.random
        return f"{self.term(2)} {rnd.choice(('<', '>', '<=', '>=', '=', '!='))} {self.term(2)}"

    def make(self, depth=2):
        rnd = self.random
        if depth == 0:
            return self.relation() if rnd.random() < 0.6 else rnd.choice(FILTERS)
        return (f"{rnd.choice(('', 'not '))}({self.make(depth - 1)}) {rnd.choice(('and', 'or'))} "
                f"({self.make(depth - 1)})")

    def accepted(self, count, frames):
        """So many of them that tcpdump takes and that neither keep nor drop everything."""
        found = []
        while len(found) < count:
            expression = self.make(self.random.choice((0, 0, 1, 2)))
            try:
                kept = len(model.kept_by_filter(frames, expression))
            except ValueError:
                continue
            if 0 < kept < len(frames):
                found.append(expression)
        return found


@pytest.mark.parametrize("seed", range(5))
def test_random_filters(rig, seed):
    sent = fr.corpus(seed + 200)
    rig.short_form = False
    rig.tap("a", sent)
    for number, expression in enumerate(Expressions(seed).accepted(16, sent)):
        rig.output(f"o{number}", "a", filter=expression)
    result = rig.run()
    for name in rig.outputs:
        difference = model.first_difference(result.frames(name), rig.expected(name)[0])
        assert not difference, f"{rig.outputs[name]['filter']}: {difference}"


def test_a_filter_sees_what_the_tap_made_of_the_frame(rig):
    """The tag and the cut of the tap come before the filter of an output."""
    rig.tap("a", fr.corpus(205), vlan={"pop": 1, "push": [11, 12]}, truncate=1000)
    for number, expression in enumerate(("vlan 11", "vlan 11 and vlan 12 and ip", "greater 1000",
                                         "len = 1000", "ether[999] & 1 = 1", "not vlan")):
        rig.output(f"o{number}", "a", filter=expression)
    rig.short_form = False
    result = rig.run()
    assert_sent(result)
    assert result.frames("o5") == []


@pytest.mark.parametrize("expression", ["no such word", "tcp port", "vlan 99999", "host 1.2.3.4.5",
                                        "((ip", "ether[", "len >", "1 = 0"])
def test_a_wrong_filter_is_a_configuration_error(tmp_path, expression):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0", "filter": expression}},
        "outputs": {"x": {"port": "net_null1", "from": ["a"]}}}))
    done = fluxcap("--check", path)
    assert done.returncode == 2
    assert "taps.a.filter" in done.stderr


def test_a_filter_that_cannot_be_translated_says_so_or_works(rig, tmp_path):
    """protochain needs a loop, which the packet filter of DPDK does not allow."""
    path = tmp_path / "chain.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0"}},
        "outputs": {"x": {"port": "net_null1", "from": ["a"], "filter": "ip6 protochain 17"}}}))
    done = fluxcap("--check", path)
    if done.returncode == 0:
        rig.tap("a", fr.corpus(40))
        rig.output("x", "a", filter="ip6 protochain 17")
        assert_sent(rig.run())
    else:
        assert done.returncode == 2 and "outputs.x.filter" in done.stderr
