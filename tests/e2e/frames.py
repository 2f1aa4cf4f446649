#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Frames as bytes, made by hand, and pcap files read and written by hand.

Nothing here shares code with fluxcap, libpcap or scapy, so that a mistake of theirs shows.
"""

import random
import struct
from pathlib import Path

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_LOCAL = 0x88B5  # IEEE 802 local experimental
TPIDS = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)

# The lengths around which Ethernet, mbufs and caches change their ways.
LENGTHS = (14, 15, 17, 18, 19, 21, 22, 23, 59, 60, 61, 63, 64, 65, 127, 128, 129, 255, 256, 511,
           512, 1023, 1024, 1499, 1500, 1501, *range(1510, 1524), 1919, 1920, 1921, 2000, 2047,
           2048, 2049, 2175, 2176, 2177, 4095, 4096, 4097, 6000, 8191, 8192, 8999, 9000, 9001,
           9014, 9018)

_PCAP_MAGIC_US = 0xA1B2C3D4
_PCAP_MAGIC_NS = 0xA1B23C4D
_LINKTYPE_ETHERNET = 1


def write_pcap(path, frames, seconds=None):
    """Write frames; frame number i gets the time of i seconds, which identifies it later."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", _PCAP_MAGIC_US, 2, 4, 0, 0, 262144, _LINKTYPE_ETHERNET))
        for number, frame in enumerate(frames):
            second = number if seconds is None else seconds[number]
            out.write(struct.pack("<IIII", second, 0, len(frame), len(frame)))
            out.write(frame)


def read_pcap_records(path):
    """All records of a pcap file as (seconds, original length, bytes); a torn file is an error."""
    data = Path(path).read_bytes()
    if len(data) < 24:
        raise ValueError(f"{path}: {len(data)} bytes are no pcap file")
    for order in "<>":
        if struct.unpack(order + "I", data[:4])[0] in (_PCAP_MAGIC_US, _PCAP_MAGIC_NS):
            break
    else:
        raise ValueError(f"{path}: no pcap magic")
    records, at = [], 24
    while at < len(data):
        if at + 16 > len(data):
            raise ValueError(f"{path}: torn record header at {at}")
        second, _, captured, original = struct.unpack(order + "IIII", data[at:at + 16])
        at += 16
        if at + captured > len(data):
            raise ValueError(f"{path}: torn record at {at}")
        records.append((second, original, data[at:at + captured]))
        at += captured
    return records


def read_pcap(path):
    """The frames of a pcap file; one that was cut by its writer is an error."""
    records = read_pcap_records(path)
    for number, (_, original, frame) in enumerate(records):
        if original != len(frame):
            raise ValueError(f"{path}: frame {number} holds {len(frame)} of {original} bytes")
    return [frame for _, _, frame in records]


def mac(number):
    """A locally administered unicast MAC address."""
    return struct.pack("!BBI", 0x02, 0x00, number)


def checksum(data):
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tag(vid, pcp=0, dei=0, tpid=0x8100):
    """One VLAN tag as (tpid, tci), IEEE 802.1Q."""
    return tpid, pcp << 13 | dei << 12 | vid


def ether(payload, ethertype, tags=(), src=mac(1), dst=mac(2)):
    """An Ethernet frame without FCS and without padding."""
    head = dst + src
    for tpid, tci in tags:
        head += struct.pack("!HH", tpid, tci)
    return head + struct.pack("!H", ethertype) + payload


def _pseudo_header(src, dst, proto, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, proto)


def udp(payload, sport, dport, src, dst):
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(_pseudo_header(src, dst, 17, 8 + len(payload)) + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", total) + payload


def tcp(payload, sport, dport, src, dst, flags=0x18, seq=1):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, 1, 5 << 4, flags, 8192, 0, 0)
    total = checksum(_pseudo_header(src, dst, 6, 20 + len(payload)) + head + payload)
    return head[:16] + struct.pack("!HH", total, 0) + payload


def icmp(payload, identifier, sequence):
    head = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence)
    return head[:2] + struct.pack("!HHH", checksum(head + payload), identifier, sequence) + payload


def ipv4(payload, proto, src, dst, ttl=64, ident=0, fragment=0, options=b""):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, 4 * words + len(payload), ident, fragment,
                       ttl, proto, 0, src, dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(payload, proto, src, dst, hops=64, label=0):
    head = struct.pack("!IHBB16s16s", 6 << 28 | label, len(payload), proto, hops, src, dst)
    return head + payload


def arp(sender, target, src=mac(1)):
    return struct.pack("!HHBBH6s4s6s4s", 1, ETHERTYPE_IPV4, 6, 4, 1, src, sender, bytes(6), target)


def address4(number):
    return struct.pack("!BBH", 10, 7, number & 0xFFFF)


def address6(number):
    return bytes.fromhex("20010db8") + bytes(8) + struct.pack("!I", number)


class Maker:
    """Makes frames from a seed: the same seed gives the same frames on every machine."""

    def __init__(self, seed, src=1, fragments=True):
        self.random = random.Random(seed)
        self.src = mac(src)
        self.kinds = (self._udp4, self._tcp4, self._icmp4, self._arp, self._udp6, self._tcp6,
                      self._local, self._garbage)
        if fragments:
            self.kinds += (self._fragment4,)

    def frame(self, length, kind=None, tags=()):
        """A frame of exactly this length (>= 14 + 4 * tags); its payload is cut or filled."""
        rnd = self.random
        payload_size = max(0, length - 14 - 4 * len(tags))
        ethertype, payload = (kind or rnd.choice(self.kinds))(payload_size)
        made = ether(payload, ethertype, tags, src=self.src,
                     dst=rnd.choice((mac(2), mac(3), b"\xff" * 6, bytes.fromhex("01005e000001"))))
        made += rnd.randbytes(max(0, length - len(made)))
        return made[:length]

    def tags(self, count):
        rnd = self.random
        return tuple(tag(rnd.choice((0, 1, 7, 9, 42, 100, 1000, 4094, 4095)), rnd.randrange(8),
                         rnd.randrange(2), rnd.choice(TPIDS)) for _ in range(count))

    def _ports(self):
        return (self.random.choice((53, 80, 443, 1024, 33000)),
                self.random.choice((53, 80, 443, 4789, 50000)))

    def _pair4(self):
        return address4(self.random.randrange(4)), address4(self.random.randrange(4, 8))

    def _pair6(self):
        return address6(self.random.randrange(4)), address6(self.random.randrange(4, 8))

    def _udp4(self, size):
        pair = self._pair4()
        body = udp(self.random.randbytes(max(0, size - 28)), *self._ports(), *pair)
        return ETHERTYPE_IPV4, ipv4(body, 17, *pair)

    def _tcp4(self, size):
        pair = self._pair4()
        flags = self.random.choice((0x02, 0x12, 0x10, 0x18, 0x11, 0x04))
        options = self.random.choice((b"", b"\x01\x01\x01\x00")) if size >= 44 else b""
        body = tcp(self.random.randbytes(max(0, size - 40 - len(options))), *self._ports(), *pair,
                   flags)
        return ETHERTYPE_IPV4, ipv4(body, 6, *pair, options=options)

    def _icmp4(self, size):
        body = icmp(self.random.randbytes(max(0, size - 28)), 7, self.random.randrange(65536))
        return ETHERTYPE_IPV4, ipv4(body, 1, *self._pair4())

    def _fragment4(self, size):
        body = self.random.randbytes(max(0, size - 20))
        return ETHERTYPE_IPV4, ipv4(body, 17, *self._pair4(), ident=self.random.randrange(65536),
                                    fragment=self.random.choice((0x2000, 0x2064, 0x0064)))

    def _arp(self, _size):
        return ETHERTYPE_ARP, arp(*self._pair4(), self.src)

    def _udp6(self, size):
        pair = self._pair6()
        body = udp(self.random.randbytes(max(0, size - 48)), *self._ports(), *pair)
        return ETHERTYPE_IPV6, ipv6(body, 17, *pair, label=self.random.randrange(1 << 20))

    def _tcp6(self, size):
        pair = self._pair6()
        body = tcp(self.random.randbytes(max(0, size - 60)), *self._ports(), *pair)
        return ETHERTYPE_IPV6, ipv6(body, 6, *pair)

    def _local(self, size):
        return ETHERTYPE_LOCAL, self.random.randbytes(size)

    def _garbage(self, size):
        """Starts like IP, so that parsers go on, and lies from there."""
        ethertype = self.random.choice((ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0x0000, 0x05DC, 0xFFFF))
        first = self.random.choice((0x45, 0x4F, 0x40, 0x60, 0x6F, 0x00, 0xFF))
        return ethertype, bytes([first]) + self.random.randbytes(max(0, size - 1))


def corpus(seed=1, src=1, lengths=LENGTHS, rounds=1):
    """Every length untagged, tagged once and twice, shuffled; all at least 14 bytes.

    With 14 to 21 bytes and a tag's ethertype some of them carry a tag that is not all there.
    """
    maker = Maker(seed, src)
    frames = [maker.frame(length, tags=maker.tags(n_tags))
              for _ in range(rounds) for length in lengths for n_tags in (0, 1, 2)]
    frames += [maker.frame(100, tags=(tag(7, 5, 1, outer), tag(9, 2, 0, inner)))
               for outer in TPIDS for inner in TPIDS]
    frames += [maker.frame(80, tags=(tag(7, tpid=tpid),)) for tpid in TPIDS]
    frames += [maker.frame(90, tags=maker.tags(3)) for _ in range(4)]
    maker.random.shuffle(frames)
    return frames


def small_corpus(seed=1, src=1, count=200, top=1518):
    """Random lengths up to `top`, random tags; quick to send."""
    maker = Maker(seed, src)
    return [maker.frame(maker.random.randrange(64, top + 1), tags=maker.tags(maker.random.choice(
        (0, 0, 1, 2)))) for _ in range(count)]


def runts(src=1):
    """Frames too short for an Ethernet header: 1 to 13 bytes of one."""
    whole = ether(b"", ETHERTYPE_LOCAL, src=mac(src))
    return [whole[:length] for length in range(1, 14)]


def numbered(count, length=64, src=1, start=0):
    """Frames that carry their number, for tests of what is lost and in which order."""
    head = ether(b"", ETHERTYPE_LOCAL, src=mac(src))
    filler = bytes(length - len(head) - 4)
    return [head + struct.pack("!I", start + number) + filler for number in range(count)]


def number_of(frame):
    """The number in a frame of numbered()."""
    if frame[12:14] != struct.pack("!H", ETHERTYPE_LOCAL):
        raise ValueError(f"not a numbered frame: {frame[:18].hex()}")
    return struct.unpack("!I", frame[14:18])[0]


def source_of(frame):
    """The number of the source MAC, which tells the taps apart."""
    return struct.unpack("!I", frame[8:12])[0]
