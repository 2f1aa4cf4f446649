#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnelled packets that scapy made come out, are for somebody else, or are malformed.

All cases of one type and family are played into one port: its counters must be the sums of what
each case says, and what comes out the frames of the good ones, in their order.
"""

import dataclasses

import pytest
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet import ICMP, IP, UDP, in4_chksum
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, Jumbo, PadN, in6_chksum)
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

import frames as fr
import model
import tunnel_corpus
import tunnel_packets as tp
import tunnels
from tunnels import FAMILIES, TYPES, Tunnel

GRE_TYPES = ("gre", "gretap", "erspan1", "erspan2", "erspan3")
UDP_TYPES = ("vxlan", "geneve")
EXTENSION = {IPv6ExtHdrHopByHop: 0, IPv6ExtHdrRouting: 43, IPv6ExtHdrFragment: 44,
             IPv6ExtHdrDestOpt: 60}


class Cases:
    """Frames for one tunnel, each with what is to become of it."""

    def __init__(self, kind, family, number):
        self.tunnel = Tunnel(kind, family, number, key=tunnels.default_key(kind))
        self.corpus = tunnel_corpus.Corpus(41)
        self.now = self.corpus.small("syn4")  # what the next case carries, in no other case
        self.frames, self.wanted, self.lost = [], [], []
        self.count = {"forwarded": 0, "not_ours": 0, "malformed": 0, "malformed_cut": 0,
                      "malformed_no_length": 0, "bad_checksum": 0}
        self._common()
        getattr(self, f"_ipv{family}")()
        self._gre() if kind in GRE_TYPES else self._udp()
        if kind in ("erspan2", "erspan3"):
            self._erspan()
        if kind in UDP_TYPES:
            getattr(self, f"_{kind}")()

    def add(self, packet, fate="forwarded", hint=None, wanted=None):
        """wanted: what comes out, where that is not simply what the tunnel carries."""
        self.frames.append(bytes(packet))
        self.count[fate] += 1
        if hint:
            self.count[hint] += 1
        (self.wanted if fate == "forwarded" else self.lost).append(
            wanted or self.tunnel.received(self.now))
        self.now = self.corpus.small("syn4")

    def head(self, **keys):
        return tp.link(self.tunnel) / tp.network(self.tunnel, **keys)

    def describe(self, inner):
        """The case that carries a frame."""
        carried = self.tunnel.carried(inner)
        return "\n".join(Ether(frame).summary() + " " + frame.hex() for frame in self.frames
                         if carried in frame)

    def extended(self, *extensions):
        """The outer headers with extension headers that name each other and the type's protocol."""
        numbers = [EXTENSION[type(one)] for one in extensions]
        protocol = 17 if self.tunnel.type in UDP_TYPES else 47
        packet = self.head(nh=numbers[0])
        for one, following in zip(extensions, [*numbers[1:], protocol]):
            packet = packet / one.copy()
            packet.lastlayer().nh = following
        return packet

    def body(self, **keys):
        return tp.payload(self.tunnel, self.now, **keys)

    def _common(self):
        tunnel = self.tunnel
        for self.now in (self.now, self.corpus.filled("tagged6", 300),
                         self.corpus.filled("qinq4", 1200)):
            self.add(tp.build(tunnel, self.now))
        self.add(bytes(self.head() / self.body()) + bytes(7))  # padding behind the packet
        for outer in (Dot1Q(vlan=9), Dot1AD(vlan=9) / Dot1Q(vlan=10)):
            self.add(Ether(src=tp.SENDER_MAC, dst=tp.PORT_MAC) / outer / tp.network(tunnel) /
                     self.body())
        self.add(tp.link(tunnel, dst="ff:ff:ff:ff:ff:ff") / tp.network(tunnel) / self.body())
        other = dataclasses.replace(tunnel, number=tunnel.number + 100)
        self.add(self.head(dst=other.remote) / self.body(), "not_ours")
        self.add(self.head(src=other.local) / self.body(), "not_ours")
        if tunnel.key is not None:
            wrong = dataclasses.replace(tunnel, key=tunnel.key - 1)
            self.add(tp.build(wrong, self.now), "not_ours")
        for kind in TYPES:
            if kind != tunnel.type:
                stranger = dataclasses.replace(tunnel, type=kind, key=tunnels.default_key(kind))
                self.add(tp.build(stranger, self.now), "not_ours")
        for ethertype in (0x0800, 0x86DD):  # but what follows is no IP header
            self.add(tp.link(tunnel, type=ethertype) / Raw(bytes(46)), "malformed")
        whole = tp.build(tunnel, self.now)
        for size in (len(whole) - 1, len(whole) - len(self.now), 14 + 4, 14):  # a snaplen
            self.add(whole[:size], "malformed", "malformed_cut")
        self.add(Ether(type=0x88B5) / Raw(bytes(50)), "not_ours")
        self.add(Ether(dst=tp.PORT_MAC) / ARP(psrc="10.1.1.1", pdst="10.1.1.2"), "not_ours")
        self.add(self.head() / UDP(sport=1, dport=53) / Raw(bytes(30)), "not_ours")

    def _ipv4(self):
        plain = tunnels.parse(bytes(self.head() / self.body()))
        options = bytearray(plain.head + bytes.fromhex("01010100"))
        options[0] = 0x46
        options[2:4] = (len(options) + len(plain.payload)).to_bytes(2, "big")
        options[10:12] = bytes(2)
        options[10:12] = fr.checksum(bytes(options)).to_bytes(2, "big")
        self.add(plain.link + bytes(options) + plain.payload)
        self.add(self.head(flags="DF", id=9, ttl=1, tos=0xFC) / self.body())
        self.add(self.head(chksum=0x1234) / self.body(), "malformed")
        self.add(self.head(ihl=4) / self.body(), "malformed")
        self.add(self.head(ihl=15) / self.body(), "malformed")
        self.add(self.head(version=6) / self.body(), "malformed")
        self.add(self.head(len=19) / self.body(), "malformed")
        self.add(self.head(len=9000) / self.body(), "malformed", "malformed_cut")
        # as TSO leaves them: no length, and no checksum or one without it
        self.add(self.head(len=0) / self.body(), "malformed", "malformed_no_length")
        self.add(self.head(len=0, chksum=0) / self.body(), "malformed", "malformed_no_length")
        self.add(self.head() / ICMP(type=3) / Raw(bytes(40)), "not_ours")
        self.add(self.head(proto=4) / IP() / Raw(bytes(40)), "not_ours")
        self.add(self.head(flags="MF") / Raw(bytes(31)), "malformed")  # not the last, not 8 * n
        self.add(self.head(frag=8191, proto=47) / Raw(bytes(64)), "malformed")  # beyond 65,535

    def _ipv6(self):
        hop, dest = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()
        last = IPv6ExtHdrRouting(segleft=0)
        for extensions in ((hop,), (dest,), (hop, dest), (dest, dest), (last,), (hop, last, dest),
                           (IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(40))]),),
                           (IPv6ExtHdrFragment(m=0, offset=0, id=5),)):
            self.add(self.extended(*extensions) / self.body())
        not_here = IPv6ExtHdrRouting(segleft=1, addresses=["2001:db8::5"])
        self.add(self.extended(not_here) / self.body(), "not_ours")
        self.add(self.extended(dest, hop) / self.body(), "malformed")
        self.add(self.extended(*[dest] * 12) / self.body(), "malformed")
        self.add(self.extended(IPv6ExtHdrDestOpt(len=200)) / self.body(), "malformed")
        first = IPv6ExtHdrFragment(m=1, offset=0, id=5)
        self.add(self.extended(first) / Raw(bytes(31)), "malformed")
        self.add(self.extended(dest, first) / Raw(bytes(32)), "malformed")
        self.add(self.head(nh=60, plen=4) / Raw(bytes(4)), "malformed")
        self.add(self.head(version=4) / self.body(), "malformed")
        self.add(self.head(plen=9000) / self.body(), "malformed", "malformed_cut")
        self.add(self.head(plen=0) / self.body(), "malformed", "malformed_no_length")
        jumbo = self.extended(IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70000)]))
        jumbo[IPv6].plen = 0
        self.add(jumbo / self.body(), "malformed", "malformed_no_length")
        self.add(self.head(nh=59) / Raw(bytes(40)), "not_ours")

    def _gre(self):
        tunnel = self.tunnel

        def rest():
            carried = Raw(tunnel.carried(self.now))
            return tp.erspan(tunnel) / carried if tunnel.type in ("erspan2", "erspan3") else carried

        self.add(self.head() / tp.gre(tunnel, self.now, chksum_present=1) / rest())
        self.add(self.head() / tp.gre(tunnel, self.now, chksum_present=1, chksum=1) / rest(),
                 "malformed")
        if tunnel.type != "erspan1":  # with a sequence number it would be erspan2
            self.add(self.head() / tp.gre(tunnel, self.now, sequence=0xFFFFFFFF) / rest())
            self.add(self.head() / tp.gre(tunnel, self.now, sequence=4, chksum_present=1) / rest())
        if tunnel.type in ("erspan1", "erspan2", "erspan3"):
            self.add(self.head() / tp.gre(tunnel, self.now, key_present=1, key=99) / rest())
        for field in ({"recursion_control": 3}, {"flags": 31}):  # RFC 2784: to be ignored
            self.add(self.head() / tp.gre(tunnel, self.now, **field) / rest())
        for field in ({"routing_present": 1}, {"version": 1}, {"strict_route_source": 1},
                      {"recursion_control": 4}):  # to be discarded
            self.add(self.head() / tp.gre(tunnel, self.now, **field) / rest(), "not_ours")
        if tunnel.key is not None and tunnel.type in ("gre", "gretap"):
            self.add(self.head() / GRE(proto=tp.gre(tunnel, self.now).proto) / rest(), "not_ours")
        if tunnel.type == "gre":
            self._plain_gre()
        else:
            self.add(self.head() / tp.gre(tunnel, self.now), "malformed")
            short = rest()
            short[Raw].load = short[Raw].load[:13]
            self.add(self.head() / tp.gre(tunnel, self.now) / short, "malformed")

    def _plain_gre(self):
        tunnel = self.tunnel

        def add(rest, fate="forwarded", **fields):
            made = self.head() / tp.gre(tunnel, self.now, **fields) / Raw(rest)
            ip = self.now[14:]
            self.add(made, fate, wanted=bytes(12) + b"\x08\0" + ip)

        for protocol in (0, 0x0800):  # keepalives
            add(b"", "not_ours", proto=protocol)
        for protocol in (0, 0x0026, 0x00FE):  # not a keepalive, and no EtherType either
            add(self.now[14:], "not_ours", proto=protocol)
        # WCCP's second version has a redirect header, its first has not
        add(self.now[14:], proto=0x883E)
        for header in (b"\0\x01\0\x05", b"\x80\0\0\0", b"\xc0\x02\x01\x01"):
            add(header + self.now[14:], proto=0x883E)
        add(b"\0\0\0", "malformed", proto=0x883E)

    def _erspan(self):
        tunnel = self.tunnel

        def add(fate="forwarded", between=b"", **fields):
            self.add(self.head() / tp.gre(tunnel, self.now) / tp.erspan(tunnel, **fields) /
                     Raw(between + self.now), fate)

        add(vlan=4095, cos=7, t=1)
        for version in {0, 1, 2, 3, 15} - {1 if tunnel.type == "erspan2" else 2}:
            add("malformed", ver=version)
        if tunnel.type == "erspan2":
            add(en=3, index=0xFFFFF)
            for vlan, cos, en in ((0, 0, 0), (7, 5, 0), (100, 3, 1), (0xFFF, 7, 3)):
                add(vlan=vlan, cos=cos, en=en)  # no tag, or it is still there
            for self.now in (self.corpus.small("syn4"), self.corpus.filled("tagged6", 300)):
                for vlan, cos in ((1, 0), (100, 5), (4094, 7)):
                    frame = Ether(self.now)
                    tagged = Ether(src=frame.src, dst=frame.dst) / Dot1Q(
                        vlan=vlan, prio=cos, type=frame.type) / Raw(self.now[14:])
                    self.add(self.head() / tp.gre(tunnel, self.now) /
                             tp.erspan(tunnel, vlan=vlan, cos=cos, en=2) / Raw(self.now),
                             wanted=bytes(tagged))
            return
        add(bso=3, gra=3, d=1, hw=63, timestamp=0xFFFFFFFF)
        add(o=1, between=bytes(8))  # a platform's sub-header
        add("not_ours", ft=2)
        self.add(self.head() / tp.gre(tunnel, self.now) / tp.erspan(tunnel, o=1) / Raw(bytes(7)),
                 "malformed")

    def _udp(self):
        tunnel = self.tunnel

        def rest():
            return tp.shim(tunnel) / Raw(self.now)

        self.add(self.head() / tp.udp(tunnel, chksum=0) / rest())
        # never verified: offloading leaves wrong ones
        self.add(self.head() / tp.udp(tunnel, chksum=0x1234) / rest())
        self.add(self.head() / tp.udp(tunnel, chksum=self._partial_checksum(rest())) / rest(),
                 hint="bad_checksum")
        self.add(self.head() / tp.udp(tunnel, sport=1) / rest())
        self.add(self.head() / tp.udp(tunnel, dport=4790) / rest(), "not_ours")
        self.add(self.head() / tp.udp(tunnel, len=7) / rest(), "malformed")
        self.add(self.head() / tp.udp(tunnel, len=0) / rest(), "malformed", "malformed_no_length")
        self.add(self.head() / tp.udp(tunnel, len=9000) / rest(), "malformed")
        self.add(self.head() / tp.udp(tunnel, len=8, chksum=0) / rest(), "malformed")
        self.add(self.head() / tp.udp(tunnel, len=8 + 8 + 13, chksum=0) / rest(), "malformed")
        # what is behind the datagram is not part of it
        self.add(self.head() / tp.udp(tunnel, len=16 + len(self.now), chksum=0) / rest() /
                 Raw(bytes(9)))

    def _partial_checksum(self, rest):
        """What Linux leaves to a NIC (CHECKSUM_PARTIAL): the pseudo header's sum."""
        outer = self.head() / tp.udp(self.tunnel) / rest
        length = 8 + len(rest)
        # of nothing but the pseudo header, and complemented
        made = (in4_chksum(17, outer[IP], bytes(length)) if self.tunnel.family == 4 else
                in6_chksum(17, outer[IPv6], bytes(length)))
        return ~made & 0xFFFF

    def _vxlan(self):
        udp = tp.udp(self.tunnel)
        # VXLAN-GPE: Ethernet, and what is not
        for following, fate in ((3, "forwarded"), (1, "not_ours"), (2, "not_ours"),
                                (4, "not_ours"), (5, "not_ours")):
            shim = bytes(VXLAN(flags=0x0C, vni=self.tunnel.key))
            self.add(self.head() / udp / Raw(shim[:3] + bytes([following]) + shim[4:] + self.now),
                     fate)
        for flags in (0x08, 0x88, 0xFB):  # all but the I flag are to be ignored
            self.add(self.head() / udp / self.shim_with(flags) / Raw(self.now))
        for flags in (0x00, 0xF7):
            self.add(self.head() / udp / self.shim_with(flags) / Raw(self.now), "malformed")

    def shim_with(self, flags):
        """A VXLAN header whose reserved bits are all set, or none."""
        shim = bytearray(bytes(VXLAN(flags=8, vni=self.tunnel.key)))
        shim[0] = flags
        if flags & 0x80:
            shim[1:4], shim[7] = b"\xff" * 3, 0xFF
        return Raw(bytes(shim))

    def _geneve(self):
        key, udp = self.tunnel.key, tp.udp(self.tunnel)

        def options(*lengths, critical=()):
            made = [GeneveOptions(classid=0x0102, type=0x80 if number in critical else 1,
                                  data=bytes(4 * length)) for number, length in enumerate(lengths)]
            return {"options": made, "optionlen": sum(map(len, made)) // 4}

        for made in (options(0), options(1), options(3, 0, 31), options(31, 29)):
            self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, **made) / Raw(self.now))
        for made in (options(1, critical=(0,)), options(0, 2, 5, critical=(2,))):
            self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, critical=1, **made) /
                     Raw(self.now), "not_ours")
        # the bit in the option decides, whatever the header says
        self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, **options(
            1, critical=(0,))) / Raw(self.now), "not_ours")
        self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, critical=1) / Raw(self.now))
        lying = bytes.fromhex("010201") + b"\x1f"  # says 124 bytes, 4 are there
        self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, optionlen=2) /
                 Raw(lying + bytes(4)) / Raw(self.now), "malformed")
        self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, optionlen=63) / Raw(self.now),
                 "malformed")
        for field in ({"version": 1}, {"oam": 1}, {"proto": 0x0806}, {"proto": 0x894F}):
            self.add(self.head() / udp / GENEVE(**{"vni": key, "proto": 0x6558, **field}) /
                     Raw(self.now), "not_ours")
        self.add(self.head() / udp / GENEVE(vni=key, proto=0x6558, reserved=63, reserved2=255) /
                 Raw(self.now))
        # packets, as cloud load balancers send them, with options of theirs
        for kind, protocol in (("small", 0x0800), ("tcp6", 0x86DD)):
            for made in (options(), options(2, 2, 1)):
                self.now = (self.corpus.small("ack4") if kind == "small" else
                            self.corpus.filled(kind, 200))
                self.add(self.head() / udp / GENEVE(vni=key, proto=protocol, **made) /
                         Raw(self.now[14:]),
                         wanted=bytes(12) + protocol.to_bytes(2, "big") + self.now[14:])
        self.add(self.head() / udp / GENEVE(vni=key, proto=0x0800), "not_ours")


PAIRS = [(kind, family) for kind in TYPES for family in FAMILIES]


@pytest.fixture(scope="module")
def foreign(module_rigs):
    """The cases of all tunnels, and the result of the run that they all were played into."""
    rig = module_rigs()
    rig.memory_mb = 4000
    rig.lcores = {"idle_us": 100}
    cases = {}
    for number, pair in enumerate(PAIRS, 1):
        here = cases[pair] = Cases(*pair, number)
        name = f"{pair[0]}-{pair[1]}"
        match = ["remote"] if here.tunnel.key is None else ["remote", "key"]
        rig.tap(name, here.frames, decap=here.tunnel.decap(*match))
        rig.output(name, name)
    return cases, rig.run()


@pytest.mark.parametrize("kind, family", PAIRS)
def test_packets_that_scapy_made(foreign, kind, family):
    cases, result = foreign
    here, name = cases[kind, family], f"{kind}-{family}"
    got = result.frames(name)
    assert [here.describe(frame) for frame in got if frame in here.lost] == []
    difference = model.first_difference(got, here.wanted)
    assert not difference, difference
    tap = result.tap(name)
    tunnels.assert_tap_adds_up(tap)
    assert {fate: tap[fate] for fate in here.count} == here.count
    assert tap["fragments_held"] == 0
