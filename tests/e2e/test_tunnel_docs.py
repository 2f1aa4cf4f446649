#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/tunnels.md says what is so: scapy builds the packets whose bytes and lengths it states, the
kernel and iproute2 take its commands, tshark its filters."""

import contextlib
import itertools
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

import frames as fr
import netns
from fluxcap import BINARY, need_binary

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "tunnels.md").read_text()
GOLDEN = REPOSITORY / "tests" / "unit" / "golden_tunnels.h"
TIMEOUT = 60  # seconds

TYPES = ("gre", "gretap", "erspan1", "erspan2", "erspan3", "vxlan", "geneve")
FAMILIES = ("IPv4", "IPv6")
# What `key` may be for each, as the page's table calls it.
KEYS = {"gre": ("no", "yes"), "gretap": ("no", "yes"), "erspan1": ("none",), "erspan2": ("any",),
        "erspan3": ("any",), "vxlan": ("VNI",), "geneve": ("VNI",)}
KEY = 100
SOURCE_PORT = 49153
TIMESTAMP = 0x89ABCDEF


def number(text):
    return int(text.replace(",", ""))


def tables():
    """All tables, as lists of rows, each a list of the texts of its cells."""
    for block in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.M):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in block.splitlines()]
        yield [rows[0], *rows[2:]]


def table(*heading):
    """The rows, without the heading, of the one table that begins with these columns."""
    found = [rows[1:] for rows in tables() if tuple(rows[0][:len(heading)]) == heading]
    assert len(found) == 1
    return found[0]


def code_blocks(text, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def format_section(kind):
    found = re.search(rf"^### `{kind}`\n(.*?)(?=^### |\Z)", PAGE, re.M | re.S)
    assert found, f"no section of {kind}"
    return found.group(1)


def outer(family, tagged, protocol):
    ether = Ether(dst="02:00:00:00:00:09", src="02:00:00:00:00:01")
    if tagged:
        ether /= Dot1Q(vlan=30)
    if family == "IPv4":
        return ether / IP(src="192.0.2.1", dst="192.0.2.9", id=0, ttl=64, proto=protocol)
    return ether / IPv6(src="2001:db8::1", dst="2001:db8::9", hlim=64, nh=protocol)


def carried(kind, frame):
    """What the tunnel carries of a frame, and its EtherType."""
    if kind != "gre":
        return frame, None
    at = 12
    while int.from_bytes(frame[at:at + 2], "big") in fr.TPIDS:
        at += 4
    return frame[at + 2:], int.from_bytes(frame[at:at + 2], "big")


def encapsulate(kind, family, frame, keyed=True, tagged=False):
    """The outer frame as a packet of scapy's layers."""
    payload, ethertype = carried(kind, frame)
    gre = {"key_present": 1, "key": KEY} if keyed else {}
    layers = {
        "gre": lambda: GRE(proto=ethertype, **gre),
        "gretap": lambda: GRE(proto=0x6558, **gre),
        "erspan1": lambda: GRE(proto=0x88BE),
        "erspan2": lambda: GRE(proto=0x88BE, seqnum_present=1, sequence_number=0)
        / ERSPAN_II(ver=1, session_id=KEY),
        "erspan3": lambda: GRE(proto=0x22EB, seqnum_present=1, sequence_number=0)
        / ERSPAN_III(ver=2, session_id=KEY, timestamp=TIMESTAMP, p=1, gra=1),
        "vxlan": lambda: UDP(sport=SOURCE_PORT, dport=4789, **checksum(family))
        / VXLAN(flags=0x08, vni=KEY),
        "geneve": lambda: UDP(sport=SOURCE_PORT, dport=6081, **checksum(family))
        / GENEVE(proto=0x6558, vni=KEY),
    }
    protocol = 17 if kind in ("vxlan", "geneve") else 47
    return outer(family, tagged, protocol) / layers[kind]() / Raw(payload)


def checksum(family):
    return {"chksum": 0} if family == "IPv4" else {}


def frame_of(length, tags=0):
    """A frame of IPv4 as far as its headers go."""
    head = bytes.fromhex("0200000000bb0200000000aa") + bytes.fromhex("8100000a") * tags
    return (head + bytes.fromhex("0800")).ljust(length, b"\x5a")


def length_of_outer_packet(kind, family, keyed, tagged, frame):
    return len(bytes(encapsulate(kind, family, frame, keyed, tagged))) - (18 if tagged else 14)


def longest_frame(kind, family, keyed, mtu):
    """Found by trying, from below."""
    for length in range(mtu - 80, mtu):
        if length_of_outer_packet(kind, family, keyed, False, frame_of(length + 1)) > mtu:
            return length
    raise AssertionError("all of them fit")


OVERHEADS = table("`type`", "`key`", "outer")


def test_the_table_of_overheads_has_a_row_for_everything():
    assert [row[:3] for row in OVERHEADS] == [
        [f"`{kind}`", key, family]
        for kind in TYPES for key in KEYS[kind] for family in FAMILIES]


@pytest.mark.parametrize("row", OVERHEADS, ids=lambda row: "-".join(row[:3]).replace("`", ""))
def test_overheads_and_the_largest_frames(row):
    kind, keyed, family = row[0].strip("`"), row[1] != "no", row[2]
    in_front, with_tag, in_packet, frame1500, ip1500, frame9000, ip9000, mtu1518 = map(
        number, row[3:])
    frame = frame_of(100)
    payload, _ = carried(kind, frame)
    assert in_front == len(bytes(encapsulate(kind, family, frame, keyed))) - len(payload)
    assert with_tag == len(bytes(encapsulate(kind, family, frame, keyed, True))) - len(payload)
    for tagged in False, True:
        assert in_packet == length_of_outer_packet(
            kind, family, keyed, tagged, frame) - len(payload)
    assert frame1500 == longest_frame(kind, family, keyed, 1500)
    assert frame9000 == longest_frame(kind, family, keyed, 9000)
    assert (ip1500, ip9000) == (frame1500 - 14, frame9000 - 14)
    assert mtu1518 == length_of_outer_packet(kind, family, keyed, False, frame_of(1518, tags=1))


def test_overheads_are_those_of_the_packets_that_the_library_is_tested_with():
    """The unit tests compare what lib/packet writes with these packets, byte for byte."""
    text = GOLDEN.read_text()
    inner = {"true": int(re.search(r"GOLDEN_TAGGED_LENGTH (\d+)", text).group(1)),
             "false": int(re.search(r"GOLDEN_PLAIN_LENGTH (\d+)", text).group(1))}
    left_behind = {"true": 18, "false": 14}
    seen = set()
    for kind, family, has_key, vlan, tagged, length in re.findall(
            r"^\t\{ FC_TUNNEL_(\w+), ([46]), (\w+), \w+, (\d+), \d+, \d+, \w+, \w+, (\w+), (\d+),$",
            text, re.M):
        kind = kind.lower()
        keys = KEYS[kind]
        key = keys[has_key == "true"] if len(keys) == 2 else keys[0]
        row = next(row for row in OVERHEADS if row[:3] == [f"`{kind}`", key, f"IPv{family}"])
        payload = inner[tagged] - (left_behind[tagged] if kind == "gre" else 0)
        assert number(row[4 if vlan != "0" else 3]) == int(length) - payload
        seen.add((kind, key, family))
    assert seen >= {(kind, KEYS[kind][-1], family) for kind in TYPES for family in "46"}


def split(family, packet, mtu, fragment_id=0):
    """The outer frames that scapy makes of one."""
    if len(bytes(packet)) - 14 <= mtu:
        return [bytes(packet)]
    if family == "IPv4":
        return [bytes(part) for part in fragment(packet, fragsize=(mtu - 20) // 8 * 8)]
    behind = packet[IPv6].payload
    head = packet.copy()
    head[IPv6].remove_payload()
    head[IPv6].nh = 44
    with_header = head / IPv6ExtHdrFragment(nh=packet[IPv6].nh, id=fragment_id) / Raw(bytes(behind))
    # The last of scapy's arguments is the longest IP packet.
    return [bytes(Ether(bytes(packet)[:12] + b"\x86\xdd") / part)
            for part in fragment6(with_header[IPv6], mtu)]


@pytest.mark.parametrize("row", table("frame", "outer", "carried by each fragment"),
                         ids=lambda row: f"{row[0]}-{row[1]}")
def test_the_example_of_fragments(row):
    length, family = number(row[0]), row[1]
    packet = encapsulate("gretap", family, frame_of(length))
    parts = split(family, packet, 1500)
    assert [len(part) for part in parts] == [number(size) for size in row[3].split(" + ")]
    headers = 14 + (20 if family == "IPv4" else 48)
    if row[2] == "not fragmented":
        assert len(parts) == 1
    else:
        assert [len(part) - headers for part in parts] == [
            number(size) for size in row[2].split(" + ")]


def boxes(kind):
    """The stacked boxes of a format: (offset over IPv4, over IPv6, text, size or sizes)."""
    drawings = [block for block in code_blocks(format_section(kind)) if " IPv4   IPv6" in block]
    assert len(drawings) == 1
    rows = re.findall(r"^ +(\d+) +(\d+) +\| (.*?) +\| +([\d /]*?) +\|$", drawings[0], re.M)
    assert len(rows) == drawings[0].count("+---") // 2 - 1  # none is drawn another way
    return [(int(ipv4), int(ipv6), text, size) for ipv4, ipv6, text, size in rows]


def scapy_offsets(packet):
    """Where the headers of a packet begin, GRE's key and sequence number apart from its first 4."""
    offsets, at, layer = [], 0, packet.__class__(bytes(packet))
    while layer and not isinstance(layer, Raw):
        size = len(layer) - len(layer.payload)
        offsets.append(at)
        if isinstance(layer, GRE) and size > 4:
            offsets.append(at + 4)
        at += size
        layer = layer.payload
        if at >= len(packet) - len(packet[Raw]):
            break
    return [*offsets, at]


@pytest.mark.parametrize("kind", TYPES)
def test_the_drawings_have_each_header_at_its_offset(kind):
    drawn = boxes(kind)
    frame = frame_of(100)
    for family, column in (("IPv4", 0), ("IPv6", 1)):
        packet = encapsulate(kind, family, frame)
        expected = scapy_offsets(packet)
        assert [row[column] for row in drawn] == expected
        sizes = [number(row[3].split(" / ")[-1 if family == "IPv6" else 0]) for row in drawn[:-1]]
        assert sizes == [after - before for before, after in itertools.pairwise(expected)]
        stated = int(re.search(r"protocol (\d+)", drawn[1][2]).group(1))
        assert stated == (packet[IP].proto if family == "IPv4" else packet[IPv6].nh)
    gre = re.search(r"flags (0x\w+), protocol:? (\S+)", drawn[2][2])
    udp = re.search(r"to (\d+)", drawn[2][2])
    first = bytes(encapsulate(kind, "IPv4", frame))[34:38]
    if udp:
        assert int(udp.group(1)) == int.from_bytes(first[2:], "big")
    else:
        assert int(gre.group(1), 16) == int.from_bytes(first[:2], "big")
        if kind != "gre":
            assert int(gre.group(2), 16) == int.from_bytes(first[2:], "big")


def drawn_fields(kind):
    """The fields of a drawing of bits: (name, first bit, bits)."""
    drawings = [block for block in code_blocks(format_section(kind)) if "+-+-" in block]
    assert len(drawings) == 1
    fields = []
    rows = [line for line in drawings[0].splitlines() if line.startswith("|")]
    for row, line in enumerate(rows):
        assert len(line) == 65
        bars = [at for at, char in enumerate(line) if char == "|"]
        for begin, end in itertools.pairwise(bars):
            assert begin % 2 == end % 2 == 0
            fields.append((line[begin + 1:end].strip(), 32 * row + begin // 2, (end - begin) // 2))
    return fields


def bits_of(one, other):
    """The bits in which two headers differ, as (first, how many); they are in a row."""
    size = 8 * len(bytes(one))
    differing = int.from_bytes(bytes(one), "big") ^ int.from_bytes(bytes(other), "big")
    differing = f"{differing:0{size}b}"
    first, last = differing.index("1"), differing.rindex("1")
    assert "0" not in differing[first:last]
    return first, last - first + 1


def width(packet, name):
    """Bits of a field of scapy's."""
    field = packet.get_field(name)
    field = getattr(field, "fld", field)  # of one that is not always there
    return getattr(field, "size", 0) or int(8 * field.sz)


ERSPAN_COMMON = {"Ver": "ver", "VLAN": "vlan", "COS": "cos", "T": "t", "Session id": "session_id"}


@pytest.mark.parametrize("kind, layer, names", [
    ("gre", lambda **fields: GRE(**{"key_present": 1, "key": 0, "seqnum_present": 1,
                                    "sequence_number": 0, **fields}),
     {"Ver": "version", "Protocol": "proto", "Key (K is 1)": "key",
      "Sequence number (S is 1)": "sequence_number"}),
    ("erspan2", ERSPAN_II, {**ERSPAN_COMMON, "En": "en", "Reserved": "reserved", "Index": "index"}),
    ("erspan3", ERSPAN_III, {
        **ERSPAN_COMMON, "BSO": "bso", "Timestamp": "timestamp", "SGT": "sgt_other", "P": "p",
        "FT": "ft", "Hw ID": "hw", "D": "d", "Gra": "gra", "O": "o"}),
    ("vxlan", VXLAN, {"Flags 0x08": "flags", "VNI": "vni"}),
    ("geneve", GENEVE, {"Ver": "version", "Opt length": "optionlen", "O": "oam", "C": "critical",
                        "Protocol 0x6558": "proto", "VNI": "vni"}),
])
def test_the_drawings_have_each_field_at_its_bits(kind, layer, names):
    drawn = drawn_fields(kind)
    assert set(names) <= {name for name, _, _ in drawn}
    for name, first, size in drawn:
        if name not in names:
            continue
        ones = (1 << width(layer(), names[name])) - 1
        assert bits_of(layer(**{names[name]: 0}), layer(**{names[name]: ones})) == (first, size)
    assert sum(size for _, _, size in drawn) == 8 * len(bytes(layer()))


def test_the_flags_of_gre():
    flags = {"C": "chksum_present", "K": "key_present", "S": "seqnum_present"}
    drawn = [(name, first) for name, first, size in drawn_fields("gre")
             if name in flags and size == 1]
    assert [name for name, _ in drawn] == list(flags)
    for name, first in drawn:
        assert bytes(GRE(**{flags[name]: 1}))[0] == 0x80 >> first


EXAMPLES = {"gre": ("IPv4",), "gretap": ("IPv4", "IPv6"), "erspan1": ("IPv4",),
            "erspan2": ("IPv4",), "erspan3": ("IPv4",), "vxlan": ("IPv4",), "geneve": ("IPv4",)}


@pytest.mark.parametrize("kind", TYPES)
def test_the_examples_byte_for_byte(kind):
    dumps = [block for block in code_blocks(format_section(kind)) if block.startswith("0000  ")]
    assert len(dumps) == len(EXAMPLES[kind])
    frame = frame_of(100)
    for dump, family in zip(dumps, EXAMPLES[kind]):
        shown = b""
        for line in dump.splitlines():
            offset, octets = line.split("  ")
            assert int(offset, 16) == len(shown)
            shown += bytes.fromhex(octets)
        packet = bytes(encapsulate(kind, family, frame))
        assert shown == packet[:len(packet) - len(carried(kind, frame)[0])]


# --- what fluxcap does

def encap(number_of_tunnel, kind, family, keyed, **more):
    """A tunnel of its own network, so that each may be on another port."""
    if family == "IPv4":
        ends = {"local": f"192.0.{number_of_tunnel}.1/24", "remote": f"192.0.{number_of_tunnel}.9"}
    else:
        ends = {"local": f"2001:db8:{number_of_tunnel}::1/64",
                "remote": f"2001:db8:{number_of_tunnel}::9"}
    key = {"key": KEY} if keyed and kind != "erspan1" else {}
    return {"type": kind, "mac": "02:00:00:00:00:09", "mtu": 1500, **ends, **key, **more}


@pytest.mark.parametrize("tagged", [False, True], ids=["untagged", "tagged"])
def test_fluxcap_puts_so_much_in_front_and_carries_so_much(rig, tagged):
    longest = {number(row[6]) for row in OVERHEADS}
    lengths = sorted({60, *longest, *(length + 1 for length in longest)})
    rig.tap("a", [frame_of(length) for length in lengths])
    for at, row in enumerate(OVERHEADS):
        kind, keyed, family = row[0].strip("`"), row[1] != "no", row[2]
        tag = {"vlan": 30} if tagged else {}
        rig.output(f"o{at}", "a", encap=encap(at, kind, family, keyed, oversize="drop", **tag))
    result = rig.run()
    for at, row in enumerate(OVERHEADS):
        in_front, limit = number(row[4 if tagged else 3]), number(row[6])
        left_behind = 14 if row[0] == "`gre`" else 0
        assert [len(frame) for frame in result.frames(f"o{at}")] == [
            in_front + length - left_behind for length in lengths if length <= limit], row[:3]
        assert result.stats["outputs"][f"o{at}"]["oversize"] == sum(
            length > limit for length in lengths)


@pytest.mark.parametrize("family", FAMILIES)
def test_fluxcap_makes_the_fragments_of_the_example(rig, family):
    rows = [row for row in table("frame", "outer", "carried by each fragment") if row[1] == family]
    rig.tap("a", [frame_of(number(row[0])) for row in rows])
    rig.output("o", "a", encap=encap(0, "gretap", family, True))
    assert [len(frame) for frame in rig.run().frames("o")] == [
        number(size) for row in rows for size in row[3].split(" + ")]


# --- what is typed at the other end

LINUX = table("`type`", "command")
KERNEL_HAS_IT_NOT = ("Unknown device type", "Operation not supported")


class Refused(Exception):
    """The command is wrong, or not one for this kernel's tunnels."""


def add_link(namespace, command):
    """Make the device; False where this kernel has no such devices, though iproute2 understood."""
    words = shlex.split(command)
    assert words[:3] == ["ip", "link", "add"]
    kind = words[words.index("type") + 1]
    # Of a type that it does not know, iproute2 passes the name on; those that it knows have help.
    usage = subprocess.run(["ip", "link", "help", kind], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if f"... {kind}" not in usage.stdout + usage.stderr:
        raise Refused(f"iproute2 knows no type {kind}")
    done = subprocess.run(["ip", "-n", namespace.name, *words[1:]], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode == 0:
        return True
    # 2 is the kernel's answer; what iproute2 cannot parse ends with another status.
    if done.returncode == 2 and any(text in done.stderr for text in KERNEL_HAS_IT_NOT):
        return False
    raise Refused(f"{command}: status {done.returncode}, {done.stderr}")


def link_commands():
    return sorted(set(re.findall(r"ip link add [^`\n]+", PAGE)))


def test_linux_has_a_command_for_everything():
    assert [row[0] for row in LINUX] == [
        f"`{kind}`, {family}" for kind in ("gretap", "erspan1", "erspan2", "erspan3", "vxlan",
                                           "geneve", "gre") for family in FAMILIES]
    for name, command in LINUX:
        if name == "`erspan1`, IPv6":
            assert command.startswith("none")
        else:
            assert command.strip("`") in link_commands()
            assert ("2001:db8::" in command) == name.endswith("IPv6") or "erspan1" in name


@pytest.mark.parametrize("command", link_commands())
def test_iproute2_takes_the_command(namespace, command):
    namespace.execute("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=0",
                      "net.ipv6.conf.default.disable_ipv6=0")
    if not add_link(namespace, command):
        return
    link = json.loads(netns.command(
        "ip", "-n", namespace.name, "-d", "-j", "link", "show", "mirror0"))[0]["linkinfo"]
    words = shlex.split(command)
    assert link["info_kind"] == words[words.index("type") + 1]
    for word, field in ("id", "id"), ("dstport", "port"):
        if word in words:
            assert link["info_data"][field] == int(words[words.index(word) + 1])


def test_a_kernel_rule_that_iproute2_does_not_know():
    """Types II and III need a key of 10 bits and sequence numbers of at least one direction."""
    for command in link_commands():
        words = shlex.split(command)
        if "erspan_ver" in words and words[words.index("erspan_ver") + 1] != "0":
            assert {"seq", "oseq"} & set(words)
            assert int(words[words.index("key") + 1]) < 1024


@pytest.mark.parametrize("command", [
    "ip link add mirror0 type vxlan id 100 dstprt 4789",
    "ip link add mirror0 type vxlan id 16777216 dstport 4789",
    "ip link add mirror0 type gretap locl 192.0.2.9",
    "ip link add mirror0 type gretap local 192.0.2.9 remote 192.0.2.1 key",
    "ip link add mirror0 type ip6gretap local 2001:db8::9 remote 192.0.2",
    "ip link add mirror0 type erspan local 192.0.2.9 remote 192.0.2.1 oseq key 100 erspan_ver 3",
    "ip link add mirror0 type gretab local 192.0.2.9 remote 192.0.2.1",
])
def test_a_wrong_command_is_not_taken(namespace, command):
    with pytest.raises(Refused):
        add_link(namespace, command)


@contextlib.contextmanager
def host(number_of_host):
    """A host at 192.0.2.9 and 2001:db8::9, and the name of a namespace that it may make."""
    namespace = netns.Namespace(f"fc-e2e-host-{os.getpid()}-{number_of_host}")
    sink = netns.Namespace(f"fc-e2e-sink-{os.getpid()}-{number_of_host}")
    try:
        namespace.create()
        namespace.execute("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=0",
                          "net.ipv6.conf.default.disable_ipv6=0")
        namespace.veth("far", "eth1", mtu=9000)
        link = ["ip", "-n", namespace.name]
        netns.command(*link, "link", "set", "eth1", "address", "02:00:00:00:00:09")
        netns.command(*link, "addr", "add", "192.0.2.9/24", "dev", "eth1")
        netns.command(*link, "addr", "add", "2001:db8::9/64", "dev", "eth1", "nodad")
        yield namespace, sink
    finally:
        sink.delete()
        namespace.delete()


def move_to_sink(namespace, sink):
    """What the page says to do with the device, but for the tcpdump at the end; it keeps silent."""
    steps = next(block for block in code_blocks(PAGE, "sh") if "ip netns add mirror\n" in block)
    commands = [shlex.split(line) for line in steps.splitlines()]
    assert "tcpdump" in commands.pop()
    for words in commands:
        words = [sink.name if word == "mirror" else word for word in words]
        if words[:3] == ["ip", "link", "set"]:
            words[1:1] = ["-n", namespace.name]
        netns.command(*words)


def is_of(kind, received, frame):
    """Whether what a device gave is this frame; those of `gre` have no Ethernet header of ours."""
    return received.endswith(carried(kind, frame)[0]) if kind == "gre" else received == frame


def test_the_recipient_gets_the_frames(tmp_path):
    """Of each kind that this kernel has; every kernel that the tests run on has VXLAN."""
    sent = [frame_of(length) for length in (60, 64, 1000, 1514, 1518)]
    received_by = set()
    for row, (name, command) in enumerate(LINUX):
        kind, family = name.replace("`", "").split(", ")
        with host(row) as (namespace, sink):
            if command.startswith("none") or not add_link(namespace, command.strip("`")):
                continue
            move_to_sink(namespace, sink)
            played = tmp_path / f"{row}-outer.pcap"
            fr.write_pcap(played, [bytes(encapsulate(kind, family, frame)) for frame in sent])
            with sink.listen("mirror0", tmp_path / f"{row}-inner.pcap") as listener:
                namespace.play("far", played)
                got = listener.wait_frames(len(sent))
            statistics = json.loads(netns.command(
                "ip", "-n", sink.name, "-j", "-s", "link", "show", "mirror0"))[0]["stats64"]
            assert statistics["tx"]["packets"] == 0, name
            assert len(got) == len(sent), name
            assert all(is_of(kind, *pair) for pair in zip(got, sent)), name
            received_by.add((kind, family))
    assert received_by >= {("vxlan", family) for family in FAMILIES}


def tshark(path, *arguments):
    done = subprocess.run(["tshark", "-n", "-r", path, *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=TIMEOUT, check=True)
    return done.stdout.split()


def test_the_display_filters(tmp_path):
    """Each finds its packets among those of all tunnels, and no others."""
    frame = frame_of(1514)
    kinds = [(kind, family) for kind in TYPES for family in FAMILIES]
    packets = [bytes(encapsulate(kind, family, frame)) for kind, family in kinds]
    pieces = [piece for family in FAMILIES
              for piece in split(family, encapsulate("gretap", family, frame), 1500)]
    path = tmp_path / "all.pcap"
    fr.write_pcap(path, [*packets, *pieces])
    expected = {
        "the tunnel of one GRE key": {"gre", "gretap"},
        "an ERSPAN session": {"erspan2", "erspan3"},
        "a VNI of VXLAN": {"vxlan"},
        "a VNI of Geneve": {"geneve"},
        "fragments of outer packets": set(),
    }
    rows = table("to see", "display filter")
    assert {row[0] for row in rows} == set(expected)
    for what, cell in rows:
        text = cell.strip("`").replace("\\|", "|")
        found = tshark(path, "-Y", text, "-T", "fields", "-e", "frame.number")
        numbers = [at + 1 for at, (kind, _) in enumerate(kinds) if kind in expected[what]]
        if what == "fragments of outer packets":
            numbers = [len(packets) + at for at in (1, 2, 3, 4)]
        elif "gretap" in expected[what]:  # put together at the last fragment of each
            numbers += [len(packets) + 2, len(packets) + 4]
        assert list(map(int, found)) == numbers, what
        wrong = text.replace("100", "101")
        if wrong != text:
            assert tshark(path, "-Y", wrong, "-T", "fields", "-e", "frame.number") == []


def test_tshark_takes_every_format_apart(tmp_path):
    """Down to the inner MAC address, also when the outer packet comes in fragments."""
    frame = frame_of(1514)
    frames, expected = [], {"gre": [], "others": []}
    for number_of_packet, (kind, family) in enumerate(itertools.product(TYPES, FAMILIES)):
        packet = encapsulate(kind, family, frame)
        if family == "IPv4":
            packet[IP].id = number_of_packet  # so that its fragments are told from others
        for outer_frames in [bytes(packet)], split(family, packet, 1500, number_of_packet):
            frames += outer_frames
            expected["gre" if kind == "gre" else "others"].append(str(len(frames)))
    path = tmp_path / "all.pcap"
    fr.write_pcap(path, frames)
    for kinds, text in ("gre", "gre.proto == 0x0800"), ("others", "eth.src == 02:00:00:00:00:aa"):
        assert tshark(path, "-Y", text, "-T", "fields", "-e", "frame.number") == expected[kinds]


def test_editcap_takes_the_tunnel_away(tmp_path):
    command = re.search(r"^editcap .*$", PAGE, re.M).group()
    sent = [frame_of(length) for length in (60, 1000, 1472)]
    fr.write_pcap(tmp_path / "mirror.pcap",
                  [bytes(encapsulate("gretap", "IPv4", frame)) for frame in sent])
    subprocess.run([*shlex.split(command)[:1], "-F", "pcap", *shlex.split(command)[1:]],
                   cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                   check=True)
    records = fr.read_pcap_records(tmp_path / "frames.pcap")
    assert [frame for _, _, frame in records] == sent
    assert [original for _, original, _ in records] == [len(frame) for frame in sent]


@pytest.mark.parametrize("text", code_blocks(PAGE, "json"), ids=["encap", "decap"])
def test_fluxcap_takes_the_configurations(tmp_path, text):
    need_binary()
    path = tmp_path / "config.json"
    path.write_text(text)
    done = subprocess.run([BINARY, "--dump", path], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    dump = json.loads(done.stdout)
    assert any("decap" in tap for tap in dump["taps"].values()) or any(
        "encap" in output for output in dump["outputs"].values())
