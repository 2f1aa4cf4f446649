#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnels as others use them, besides what the standards say first: other UDP ports, NVGRE's flows,
packets in Geneve. scapy makes what is received, tshark judges what is sent."""

from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

import frames as fr
import tshark
import tunnel_corpus
import tunnels

LINK = Ether(src="02:00:00:00:99:01", dst="02:70:63:61:70:00")
REMOTE, LOCAL = "10.99.1.1", "10.99.1.9"


def test_udp_ports_of_encap(rig):
    sent = fr.small_corpus(81)
    rig.tap("a", sent)
    ports = {("vxlan", 8472): None, ("geneve", 65535): None, ("vxlan", None): 4789,
             ("geneve", None): 6081}
    for number, (kind, port) in enumerate(ports, 1):
        encap = tunnels.Tunnel(kind, 4 if number % 2 else 6, number, key=7).encap()
        if port:
            encap["udp_port"] = port
        rig.output(f"{kind}-{port}", "a", encap=encap)
    result = rig.run()
    for (kind, port), usual in ports.items():
        written = result.frames(f"{kind}-{port}")
        assert len(written) == len(sent)
        rows = list(tshark.dissect(written, ("udp.dstport",)))
        assert {row.number("udp.dstport") for row in rows} == {port or usual}


def test_udp_ports_of_decap(rig):
    """Ends that differ in the port only share one address."""
    corpus = tunnel_corpus.Corpus(82)
    kinds = {"linux": ("vxlan", 8472), "usual": ("vxlan", None), "gpe": ("vxlan", 4790),
             "geneve": ("geneve", None), "other": ("geneve", 1)}
    want, played = {name: [] for name in kinds}, []
    for _ in range(40):
        for name, (kind, port) in kinds.items():
            inner = corpus.small("syn4")
            shim = VXLAN(flags=8, vni=5) if kind == "vxlan" else GENEVE(vni=5, proto=0x6558)
            played.append(bytes(LINK / IP(src=REMOTE, dst=LOCAL) / UDP(
                sport=50000, dport=port or {"vxlan": 4789, "geneve": 6081}[kind]) / shim /
                Raw(inner)))
            want[name].append(inner)
    stray = bytes(LINK / IP(src=REMOTE, dst=LOCAL) / UDP(sport=50000, dport=4791) /
                  VXLAN(flags=8, vni=5) / Raw(corpus.small("syn4")))
    port = rig.pcap_port([*played, stray])
    for name, (kind, udp_port) in kinds.items():
        decap = {"type": kind, "local": LOCAL} | ({"udp_port": udp_port} if udp_port else {})
        rig.tap(name, port=port, decap=decap)
        rig.output(name + "-out", name)
    result = rig.run()
    for name, frames in want.items():
        assert result.frames(name + "-out") == frames
    assert result.tap("linux")["not_ours"] == 1


def test_virtual_subnets_of_nvgre(rig):
    """The key's last 8 bits are the flow; a tap takes all flows of its subnet."""
    corpus = tunnel_corpus.Corpus(83)
    taps = {"zero": {"vsid": 0}, "last": {"vsid": 0xFFFFFF}, "some": {"vsid": 5001},
            "key": {"key": 5002 << 8 | 7}}
    want, played, n_strays = {name: [] for name in taps}, [], 0
    for flow in range(0, 256, 3):
        for subnet, name in ((0, "zero"), (0xFFFFFF, "last"), (5001, "some"), (5002, "key")):
            inner = corpus.small("ack4")
            played.append(bytes(LINK / IP(src=REMOTE, dst=LOCAL) / GRE(
                proto=0x6558, key_present=1, key=subnet << 8 | flow) / Raw(inner)))
            if name != "key" or flow == 7:
                want[name].append(inner)
            else:
                n_strays += 1
    without = bytes(LINK / IP(src=REMOTE, dst=LOCAL) / GRE(proto=0x6558) /
                    Raw(corpus.small("ack4")))
    port = rig.pcap_port([*played, without])
    for name, keys in taps.items():
        rig.tap(name, port=port, decap={"type": "gretap", "local": LOCAL, **keys})
        rig.output(name + "-out", name)
    result = rig.run()
    for name, frames in want.items():
        assert result.frames(name + "-out") == frames, name
    assert result.tap("zero")["not_ours"] == n_strays + 1


def test_a_cloud_gateway_load_balancer(rig):
    """Geneve with a packet in it and with the options that AWS documents, beside frames."""
    corpus = tunnel_corpus.Corpus(84)
    options = [GeneveOptions(classid=0x0108, type=kind, data=data) for kind, data in (
        (1, b"\x01\x23\x45\x67\x89\xab\xcd\xef"), (2, bytes(8)), (3, b"\xde\xad\xbe\xef"))]
    played, want = [], []
    for number in range(60):
        frame = corpus.filled("tcp6" if number % 3 == 0 else "tcp4", 100 + number)
        protocol = 0x6558 if number % 5 == 0 else int.from_bytes(frame[12:14], "big")
        played.append(bytes(LINK / IP(src=REMOTE, dst=LOCAL) / UDP(
            sport=60000 + number, dport=6081, chksum=0) / GENEVE(
                vni=0, proto=protocol, optionlen=8, options=options) /
            Raw(frame if protocol == 0x6558 else frame[14:])))
        want.append(frame if protocol == 0x6558 else bytes(12) + frame[12:])
    rig.tap("a", played, decap={"type": "geneve", "local": LOCAL})
    rig.output("x", "a")
    rig.output("filtered", "a", filter="ip6")
    result = rig.run()
    assert result.frames("x") == want
    assert result.frames("filtered") == [frame for frame in want if frame[12:14] == b"\x86\xdd"]
    # and they are packets for others, too
    rows = tshark.dissect(result.frames("x"), ("tcp.dstport", "ip.checksum.status"))
    assert all(row.first("tcp.dstport") is not None for row in rows)
