#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnelled packets as scapy makes them: a source that is not fluxcap."""

from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

SENDER_MAC = "02:00:00:00:99:01"
PORT_MAC = "02:70:63:61:70:00"

GRE_PROTOCOL = {"gretap": 0x6558, "erspan1": 0x88BE, "erspan2": 0x88BE, "erspan3": 0x22EB}
UDP_PORT = {"vxlan": 4789, "geneve": 6081}


def link(tunnel, **keys):
    """The outer Ethernet header, and a tag where the tunnel has one."""
    made = Ether(**{"src": SENDER_MAC, "dst": PORT_MAC, **keys})
    return made / Dot1Q(vlan=tunnel.vlan) if tunnel.vlan else made


def network(tunnel, **keys):
    """The outer IP header."""
    if tunnel.family == 4:
        return IP(**{"src": tunnel.local, "dst": tunnel.remote, **keys})
    return IPv6(**{"src": tunnel.local, "dst": tunnel.remote, **keys})


def gre(tunnel, frame, sequence=None, **keys):
    """The GRE header and what is between it and what it carries."""
    fields = {"proto": GRE_PROTOCOL.get(tunnel.type)}
    if tunnel.type == "gre":
        fields["proto"] = int.from_bytes(tunnel.received(frame)[12:14], "big")
    if tunnel.type in ("erspan2", "erspan3") and sequence is None:
        sequence = 0
    if sequence is not None:
        fields |= {"seqnum_present": 1, "sequence_number": sequence}
    if tunnel.key is not None and tunnel.type in ("gre", "gretap"):
        fields |= {"key_present": 1, "key": tunnel.key}
    return GRE(**{**fields, **keys})


def erspan(tunnel, **keys):
    """The ERSPAN header of type II or III."""
    kind = ERSPAN_II if tunnel.type == "erspan2" else ERSPAN_III
    version = 1 if tunnel.type == "erspan2" else 2
    return kind(**{"ver": version, "session_id": tunnel.key or 0, **keys})


def shim(tunnel, **keys):
    """The header of VXLAN or Geneve."""
    if tunnel.type == "vxlan":
        return VXLAN(**{"flags": 8, "vni": tunnel.key or 0, **keys})
    return GENEVE(**{"proto": 0x6558, "vni": tunnel.key or 0, **keys})


def udp(tunnel, **keys):
    return UDP(**{"sport": 50001, "dport": UDP_PORT[tunnel.type], **keys})


def payload(tunnel, frame, sequence=None, **keys):
    """What is behind the outer IP header; keys go to the header that makes the type."""
    carried = Raw(tunnel.carried(frame))
    if tunnel.type in ("erspan2", "erspan3"):
        return gre(tunnel, frame, sequence) / erspan(tunnel, **keys) / carried
    if tunnel.type in UDP_PORT:
        return udp(tunnel) / shim(tunnel, **keys) / carried
    return gre(tunnel, frame, sequence, **keys) / carried


def build(tunnel, frame, **keys):
    """A frame in its tunnel; keys as of payload()."""
    return bytes(link(tunnel) / network(tunnel) / payload(tunnel, frame, **keys))
