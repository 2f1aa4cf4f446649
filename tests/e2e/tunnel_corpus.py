#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Frames made by scapy for tunnels to carry: the same ones on every machine."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, STP, Dot1AD, Dot1Q, Dot3, Ether

ONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
FCS_SIZE = 4

LENGTHS = (60, 61, 63, 64, 65, 127, 128, 129, 255, 512, 1023, 1024, 1500, 1514, 1518, 1522, 2048,
           2049, 4000, 4096, 6000, 8191, 9000, 9014, 9018)


def _ether(**keys):
    return Ether(src=ONE, dst=OTHER, **keys)


def _four(rnd):
    return IP(src=f"10.7.0.{rnd.randrange(1, 5)}", dst=f"10.7.1.{rnd.randrange(1, 5)}",
              id=rnd.randrange(65536), ttl=rnd.randrange(1, 256))


def _six(rnd):
    return IPv6(src=f"2001:db8::{rnd.randrange(1, 5)}", dst=f"2001:db8::1:{rnd.randrange(1, 5)}",
                fl=rnd.randrange(1 << 20))


def _tcp(rnd):
    return TCP(sport=rnd.randrange(1024, 65536), dport=443, seq=rnd.randrange(1 << 32),
               flags=rnd.choice(("S", "SA", "A", "PA", "F", "R")))


def _udp(rnd):
    return UDP(sport=rnd.randrange(1024, 65536), dport=rnd.choice((53, 123, 5001, 6343)))


# Each takes a random source and gives layers that a payload may be put behind.
FILLED = {
    "udp4": lambda rnd: _ether() / _four(rnd) / _udp(rnd),
    "tcp4": lambda rnd: _ether() / _four(rnd) / _tcp(rnd),
    "icmp4": lambda rnd: _ether() / _four(rnd) / ICMP(id=7, seq=rnd.randrange(65536)),
    "udp6": lambda rnd: _ether() / _six(rnd) / _udp(rnd),
    "tcp6": lambda rnd: _ether() / _six(rnd) / _tcp(rnd),
    "tagged4": lambda rnd: _ether() / Dot1Q(vlan=100, prio=5) / _four(rnd) / _udp(rnd),
    "tagged6": lambda rnd: _ether() / Dot1Q(vlan=4094, id=1) / _six(rnd) / _tcp(rnd),
    "qinq4": lambda rnd: _ether() / Dot1AD(vlan=200, prio=3) / Dot1Q(vlan=7) / _four(rnd) /
    _tcp(rnd),
    "qinq6": lambda rnd: _ether() / Dot1Q(vlan=300, prio=7) / Dot1Q(vlan=8) / _six(rnd) /
    ICMPv6EchoRequest(id=1),
    "fragment4": lambda rnd: _ether() / IP(src="10.7.0.1", dst="10.7.1.1", id=rnd.randrange(65536),
                                           flags="MF", proto=17),
}

# These have a length of their own; what is missing to 60 bytes is padding.
SMALL = {
    "arp": lambda rnd: _ether() / ARP(psrc="10.7.0.1", pdst="10.7.1.1", hwsrc=ONE,
                                      op=rnd.choice((1, 2))),
    "stp": lambda rnd: Dot3(src=ONE, dst="01:80:c2:00:00:00", len=38) / LLC() / STP(),
    "snap": lambda rnd: Dot3(src=ONE, dst=OTHER, len=40) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) /
    SNAP(OUI=0xC, code=0x2000) / bytes(32),
    "syn4": lambda rnd: _ether() / _four(rnd) / TCP(sport=rnd.randrange(1024, 65536), dport=80,
                                                    flags="S", options=[("MSS", 1460)]),
    "ack4": lambda rnd: _ether() / _four(rnd) / TCP(sport=80, dport=rnd.randrange(1024, 65536),
                                                    flags="A"),
    "byte4": lambda rnd: _ether() / _four(rnd) / TCP(sport=80, dport=9000, flags="PA") / b"x",
    "tagged-ack": lambda rnd: _ether() / Dot1Q(vlan=1, prio=1) / _four(rnd) /
    TCP(sport=80, dport=9000, flags="A"),
    "tagged-arp": lambda rnd: _ether() / Dot1Q(vlan=42) / ARP(psrc="10.7.0.1", pdst="10.7.1.1",
                                                              hwsrc=ONE),
    "qinq-ack": lambda rnd: _ether() / Dot1AD(vlan=9) / Dot1Q(vlan=10) / _four(rnd) /
    TCP(sport=80, dport=9000, flags="A"),
}


class Corpus:
    """Makes frames from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def filled(self, kind, length):
        """A frame of one of the FILLED kinds, of exactly this length."""
        layers = FILLED[kind](self.random)
        return bytes(layers / self.random.randbytes(length - len(layers)))

    def small(self, kind):
        """A frame of one of the SMALL kinds, padded as Ethernet wants it."""
        return bytes(SMALL[kind](self.random)).ljust(64 - FCS_SIZE, b"\0")

    def frame(self, length):
        """A frame of this length, at least 82 bytes, of any kind."""
        return self.filled(self.random.choice(sorted(FILLED)), length)

    def frames(self, lengths=LENGTHS, top=9018):
        """Every kind, with every length that it can have, up to `top`; shuffled."""
        made = [self.small(kind) for kind in SMALL]
        for length in sorted({length for length in lengths if length <= top}):
            kinds = [kind for kind in FILLED if len(FILLED[kind](random.Random(1))) <= length]
            made += [self.filled(kind, length) for kind in self.random.sample(
                kinds, min(4, len(kinds)))]
        self.random.shuffle(made)
        return made


def flows(count, seed=1):
    """Pairs of frames, one for each direction of a flow; each flow has several addresses' worth."""
    rnd = random.Random(seed)
    made = []
    for number in range(count):
        one, other = f"10.8.{rnd.randrange(256)}.1", f"10.9.{rnd.randrange(256)}.2"
        sport, dport = rnd.randrange(1024, 65536), rnd.choice((80, 443, 8080))
        there = [_ether(), IP(src=one, dst=other), TCP(sport=sport, dport=dport, flags="PA")]
        back = [Ether(src=OTHER, dst=ONE), IP(src=other, dst=one),
                TCP(sport=dport, dport=sport, flags="A")]
        if number % 2:
            one, other = f"2001:db8:8::{number + 1:x}", "2001:db8:9::2"
            there = [_ether(), IPv6(src=one, dst=other), UDP(sport=sport, dport=dport)]
            back = [Ether(src=OTHER, dst=ONE), IPv6(src=other, dst=one),
                    UDP(sport=dport, dport=sport)]
        if number % 4 >= 2:
            there.insert(1, Dot1Q(vlan=5))
            back.insert(1, Dot1Q(vlan=5))
        made.append(tuple(_pile(layers) for layers in (there, back)))
    return made


def _pile(layers):
    frame = layers[0]
    for layer in layers[1:]:
        frame = frame / layer
    return bytes(frame / bytes(40))
