#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnels as the documentation describes them: keys of encap and decap, sizes, outer headers.

What a tunnelled packet is made of is written here a second time, from RFC 791, 2784, 2890, 7348,
8200, 8926 and the ERSPAN draft. tshark judges the headers; this module cuts and joins bytes.
"""

import dataclasses
import struct

import frames as fr

TYPES = ("gre", "gretap", "erspan1", "erspan2", "erspan3", "vxlan", "geneve")
FAMILIES = (4, 6)
WITH_KEY = ("gre", "gretap", "erspan2", "erspan3", "vxlan", "geneve")

NEXT_HOP = "02:00:00:00:99:09"
NET_PCAP_MAC = bytes.fromhex("0270636170")  # and the port's number
IP_SIZE = {4: 20, 6: 40}
FRAGMENT_HEADER_SIZE = 8
# Of a packet that fluxcap can put together; docs/architecture.md
MAX_FRAGMENTS = 8

# Bytes between the outer IP header and what the tunnel carries, without a GRE key.
INNER_SIZE = {"gre": 4, "gretap": 4, "erspan1": 4, "erspan2": 4 + 4 + 8, "erspan3": 4 + 4 + 12,
              "vxlan": 8 + 8, "geneve": 8 + 8}


@dataclasses.dataclass(frozen=True)
class Tunnel:
    """One tunnel, told from others by its number, which is in its addresses."""

    type: str
    family: int
    number: int
    key: int | None = None
    vlan: int | None = None
    dscp: int | None = None
    ttl: int | None = None
    mtu: int | None = None
    oversize: str | None = None
    mac: str | None = NEXT_HOP

    @property
    def name(self):
        return f"{self.type}-{self.family}-{self.number}"

    @property
    def local(self):
        return f"10.99.{self.number}.1" if self.family == 4 else f"2001:db8:99:{self.number:x}::1"

    @property
    def remote(self):
        return f"10.99.{self.number}.9" if self.family == 4 else f"2001:db8:99:{self.number:x}::9"

    @property
    def overhead(self):
        """Bytes in front of what the tunnel carries."""
        return (14 + (4 if self.vlan else 0) + IP_SIZE[self.family] + INNER_SIZE[self.type] +
                (4 if self.key is not None and self.type in ("gre", "gretap") else 0))

    @property
    def max_inner(self):
        """Bytes that fit into one outer packet."""
        return self.mtu - (self.overhead - 14 - (4 if self.vlan else 0))

    def encap(self):
        """The value of `encap` for an output at the sending end."""
        keys = {key: value for key in ("mac", "key", "vlan", "dscp", "ttl", "mtu", "oversize")
                if (value := getattr(self, key)) is not None}
        prefix = 24 if self.family == 4 else 64
        return {"type": self.type, "local": f"{self.local}/{prefix}", "remote": self.remote, **keys}

    def decap(self, *match):
        """The value of `decap` for a tap at the receiving end; match: `key`, `remote`."""
        made = {"type": self.type, "local": self.remote}
        if "remote" in match:
            made["remote"] = self.local
        if "key" in match:
            made["key"] = self.key
        return made

    def can_carry(self, frame):
        """gre has no place for what has a length instead of an EtherType."""
        at = ether_size(frame)
        return self.type != "gre" or int.from_bytes(frame[at - 2:at], "big") >= 0x600

    def carriable(self, frames):
        return [frame for frame in frames if self.can_carry(frame)]

    def carried(self, frame):
        """What the tunnel carries of a frame."""
        return frame[ether_size(frame):] if self.type == "gre" else frame

    def received(self, frame):
        """What comes out at the other end of a frame that went in."""
        if self.type != "gre":
            return frame
        size = ether_size(frame)
        return bytes(12) + frame[size - 2:]


def default_key(kind, number=0):
    """A key of the type's own range, different for different numbers."""
    if kind in ("gre", "gretap"):
        return 0xC0A80000 + number
    if kind in ("erspan2", "erspan3"):
        return 1023 - number
    return 0xFEDC00 + number if kind in WITH_KEY else None


def needs_key(kind):
    return kind in ("vxlan", "geneve")


def ether_size(frame):
    """Bytes of the Ethernet header with all its tags."""
    at = 14
    while struct.unpack("!H", frame[at - 2:at])[0] in fr.TPIDS and len(frame) >= at + 4:
        at += 4
    return at


@dataclasses.dataclass
class Outer:
    """An outer IP packet or a fragment of one."""

    link: bytes  # Ethernet header and tags
    head: bytes  # IP header
    payload: bytes
    source: bytes
    destination: bytes
    protocol: int
    ident: int | None = None  # of IPv6: only in fragments
    offset: int = 0
    more: bool = False
    is_fragment: bool = False

    @property
    def length(self):
        """Of the IP packet as it was sent."""
        return len(self.head) + len(self.payload) + (
            FRAGMENT_HEADER_SIZE if len(self.head) == 40 and self.is_fragment else 0)

    @property
    def key(self):
        return self.source, self.destination, self.protocol, self.ident


def parse(frame):
    """The outer packet of a frame; nothing may be left behind it."""
    at = ether_size(frame)
    link, packet = frame[:at], frame[at:]
    if packet[0] >> 4 == 4:
        size = 4 * (packet[0] & 15)
        total, ident, fragment = struct.unpack("!HHH", packet[2:8])
        assert total == len(packet), f"total length {total} of {len(packet)} bytes"
        assert fr.checksum(packet[:size]) == 0, "IPv4 header checksum"
        return Outer(link, packet[:size], packet[size:], packet[12:16], packet[16:20], packet[9],
                     ident, 8 * (fragment & 0x1FFF), bool(fragment & 0x2000),
                     bool(fragment & 0x3FFF))
    length, protocol = struct.unpack("!HB", packet[4:7])
    assert length == len(packet) - 40, f"payload length {length} of {len(packet)} bytes"
    made = Outer(link, packet[:40], packet[40:], packet[8:24], packet[24:40], protocol)
    if protocol == 44:
        made.protocol, _, fragment, made.ident = struct.unpack("!BBHI", packet[40:48])
        made.payload = packet[48:]
        made.offset, made.more, made.is_fragment = fragment & 0xFFF8, bool(fragment & 1), True
    return made


def whole_frame(outer, payload):
    """The frame that a packet would have been without fragmentation."""
    if len(outer.head) != 40:
        head = outer.head[:2] + struct.pack("!H", len(outer.head) + len(payload))
        head += outer.head[4:6] + bytes(2) + outer.head[8:10] + bytes(2) + outer.head[12:]
        head = head[:10] + struct.pack("!H", fr.checksum(head)) + head[12:]
    else:
        head = outer.head[:4] + struct.pack("!HB", len(payload), outer.protocol) + outer.head[7:]
    return outer.link + head + payload


def join(frames):
    """Put outer fragments together, which must come one packet after the other and in order.

    Gives one list of fragments and one frame for each packet.
    """
    packets, waiting = [], []
    for frame in frames:
        outer = parse(frame)
        if not outer.is_fragment:
            assert not waiting, "a packet between the fragments of another"
            packets.append(([outer], frame))
            continue
        assert outer.offset == sum(len(one.payload) for one in waiting), "a gap or an overlap"
        assert not waiting or waiting[0].key == outer.key, "fragments of two packets"
        waiting.append(outer)
        if not outer.more:
            payload = b"".join(one.payload for one in waiting)
            packets.append((waiting, whole_frame(waiting[0], payload)))
            waiting = []
    assert not waiting, "the last fragment is missing"
    return packets


def split(frame, sizes, ident=7):
    """Cut a whole outer packet into fragments with payloads of these sizes, all but the last
    multiples of 8, and what is left."""
    outer, made, at = parse(frame), [], 0
    assert not outer.is_fragment
    sizes = [*sizes, len(outer.payload) - sum(sizes)]
    for size in sizes:
        part, more = outer.payload[at:at + size], at + size < len(outer.payload)
        made.append(fragment(outer, part, at, more, ident))
        at += size
    return made


def fragment(outer, part, offset, more, ident=7):
    """One fragment of an outer packet: `part` of its payload at `offset`."""
    if len(outer.head) == 40:
        extension = struct.pack("!BBHI", outer.protocol, 0, offset | more, ident)
        head = outer.head[:4] + struct.pack("!HB", 8 + len(part), 44) + outer.head[7:]
        return outer.link + head + extension + part
    head = outer.head[:2] + struct.pack("!HHH", len(outer.head) + len(part), ident,
                                        offset // 8 | more << 13) + outer.head[8:]
    head = head[:10] + bytes(2) + head[12:]
    head = head[:10] + struct.pack("!H", fr.checksum(head)) + head[12:]
    return outer.link + head + part


def is_said(frame):
    """Whether it is ARP, ICMP or ICMPv6 from a net_pcap port's own address: no tap's packet."""
    at = ether_size(frame)
    if frame[6:11] != NET_PCAP_MAC:
        return False
    protocol = {b"\x08\x00": frame[at + 9], b"\x86\xdd": frame[at + 6]}.get(frame[at - 2:at])
    return frame[at - 2:at] == b"\x08\x06" or protocol in (1, 58)


def assert_tap_adds_up(tap):
    """The equation of a tap that never was without buffers, with exactly the documented names."""
    assert tap["rx_packets"] == (tap["not_ours"] + tap["malformed"] + tap["filtered"] +
                                 tap["sampled_out"] + tap["fragments_held"] + tap["forwarded"])
    assert tap["unaccounted"] == tap["nombuf"] == 0
