#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Kernels as the other ends of tunnels: hosts in network namespaces, joined to a broker's by wires.

    box                                                     a host
    in0 === in1 -> fluxcap -> wire0 ======================= wire1, addresses, a tunnel device

The box's kernel says nothing: its interfaces have no addresses. The hosts' kernels answer ARP,
neighbour solicitation and ping, as they always do.
"""

import re
import signal
import subprocess
from typing import NamedTuple

import pytest

import fluxcap
import frames as fr
import netns

VLAN_PORT = fluxcap.REPOSITORY / "tests" / "data" / "vlan-port"

KEY = 77

# Room for the longest outer headers around 1,514 bytes, and for a tag.
WIRE_MTU = 1600

# Arguments of net_af_packet for frames of up to 16,000 bytes.
JUMBO = {"blocksz": 16384, "framesz": 16384, "framecnt": 256}

UNKNOWN_DEVICE = ("Unknown device type", "Operation not supported")


class Family(NamedTuple):
    """The addresses of one IP version that the tests use."""
    version: int
    prefix: int
    box: str  # fluxcap's
    host: str  # on the same link
    other: str  # one more there
    gateway: str  # a router there
    far_gateway: str  # the router's other side
    far: str  # a host there
    near_net: str

    def local(self):
        """The box's address as `encap` wants it."""
        return f"{self.box}/{self.prefix}"


IPV4 = Family(4, 24, "192.0.2.1", "192.0.2.9", "192.0.2.10", "192.0.2.254", "198.51.100.254",
              "198.51.100.9", "192.0.2.0/24")
IPV6 = Family(6, 64, "2001:db8:1::1", "2001:db8:1::9", "2001:db8:1::10", "2001:db8:1::fe",
              "2001:db8:2::fe", "2001:db8:2::9", "2001:db8:1::/64")
FAMILIES = [pytest.param(IPV4, id="ipv4"), pytest.param(IPV6, id="ipv6")]


class Host(netns.Namespace):
    """A namespace in which interfaces get IPv6 when they get addresses, and not before."""

    def create(self):
        netns.command("ip", "netns", "add", self.name)
        self.execute("sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1",
                     "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0",
                     "net.ipv6.conf.default.router_solicitations=0",
                     "net.ipv6.conf.default.keep_addr_on_down=1")
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        """Run ip(8) here."""
        return netns.command("ip", "-n", self.name, *words)

    def give(self, interface, *addresses):
        """Turn an interface into one of a usual host, with these addresses."""
        self.execute("sysctl", "-q", "-w", f"net.ipv6.conf.{interface}.disable_ipv6=0")
        self.up(interface, arp=True)
        self.ip("link", "set", interface, "arp", "on")
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            self.ip("address", "add", address, "dev", interface, *nodad)

    def forward(self):
        """Become a router."""
        self.execute("sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
                     "net.ipv6.conf.all.forwarding=1")

    def mac(self, interface):
        """The MAC address of an interface."""
        return re.search(r"link/ether (\S+)", self.ip("link", "show", interface)).group(1)

    def set_mac(self, interface, mac, announced):
        """Change it in flight; the kernel tells others about it or not."""
        self.execute("sysctl", "-q", "-w", f"net.ipv4.conf.{interface}.arp_notify={announced:d}",
                     f"net.ipv6.conf.{interface}.ndisc_notify={announced:d}")
        self.ip("link", "set", interface, "address", mac)

    def neighbour(self, address):
        """What the kernel knows about a neighbour, as ip(8) says it."""
        return self.ip("neighbour", "show", "to", address)

    def ping(self, address, *options, count=3):
        """How many of so many pings were answered."""
        done = subprocess.run(self.words("ping", "-n", "-c", count, "-i", "0.2", *options, address),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=netns.TIMEOUT, check=False)
        match = re.search(r"(\d+) received", done.stdout)
        if match is None:
            raise RuntimeError(f"ping {address}: {done.stdout}{done.stderr}")
        return int(match.group(1))

    def tunnel(self, name, words, mtu=1500):
        """Add a tunnel device; the test is skipped when this kernel has none of its kind."""
        try:
            self.ip("link", "add", name, "type", *words)
        except RuntimeError as error:
            if any(text in str(error) for text in UNKNOWN_DEVICE):
                pytest.skip(f"this kernel has no tunnel device of type {words[0]} (its module is "
                            "not there)")
            raise
        self.ip("link", "set", name, "mtu", mtu)
        self.up(name)


def device(kind, family, local, remote, key=KEY):
    """What `ip link add NAME type` wants for the other end of an encap of this type."""
    ends = ["local", local, "remote", remote]
    six = "ip6" if family.version == 6 else ""
    if kind == "vxlan":
        return ["vxlan", "id", key, *ends, "dstport", "4789", "nolearning"]
    if kind == "geneve":
        return ["geneve", "id", key, "remote", remote, "dstport", "6081"]
    if kind == "gretap":
        return [f"{six}gretap", *ends, "key", key]
    version = {"erspan2": ["erspan_ver", "1", "erspan", "1"],
               "erspan3": ["erspan_ver", "2", "erspan_dir", "ingress", "erspan_hwid", "0"]}[kind]
    return [f"{six}erspan", *ends, "seq", "key", key, *version]


class Network:
    """A box, hosts, and the wires and processes between them; close() ends all of it."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.hosts, self.processes = [], []
        self.box = self.host("box")

    def host(self, label):
        """One more namespace."""
        host = Host(f"{self.name}-{label}")
        self.hosts.append(host)
        host.create()
        return host

    def close(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(netns.TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        for host in self.hosts:
            host.delete()

    def wire(self, one, name, other, other_name, mtu=1500):
        """Join two namespaces by a veth pair, up, without addresses, with the offloads it comes
        with: checksums that are left to a NIC arrive as they were left."""
        one.ip("link", "add", name, "mtu", mtu, "type", "veth", "peer", "name", other_name, "mtu",
               mtu, "netns", other.name)
        for end, interface in ((one, name), (other, other_name)):
            end.up(interface)

    def bridge(self, host, ports):
        """Make a namespace a switch between its ends of wires."""
        host.ip("link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        host.up("bridge")
        for port in ports:
            host.ip("link", "set", port, "master", "bridge")

    def vlan(self, host, parent, name, vid, mtu=1500):
        """A VLAN sub-interface, of the kernel if it has them, else of a process."""
        try:
            host.ip("link", "add", "link", parent, "name", name, "type", "vlan", "id", vid)
        except RuntimeError as error:
            if not any(text in str(error) for text in UNKNOWN_DEVICE):
                raise
            process = subprocess.Popen(
                host.words("/usr/bin/python3", VLAN_PORT, parent, name, f"8100:{vid}"),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            self.processes.append(process)
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"vlan-port {parent} {name} did not start") from error
        host.ip("link", "set", name, "mtu", mtu)
        host.up(name)

    def feed(self, rig, mtu=1500, **arguments):
        """Give a rig the namespace and a tap `feed` for what play() sends.

        net_af_packet hears every interface of the namespace until it is bound to its own, so the
        tap may start with a frame or two of another wire; by the time a next hop is known they are
        gone.
        """
        self.box.veth("in0", "in1", mtu)
        rig.namespace = self.box.name
        rig.lcores = {"idle_us": 50}
        return rig.tap("feed", port=rig.vdev("net_af_packet", iface="in1", **arguments))

    def play(self, frames, host=None, interface="in0", packets_per_second=1000):
        """Send frames into the tap `feed`, or out of an interface of a host."""
        host = host or self.box
        path = self.folder / f"{host.name}.{interface}.pcap"
        fr.write_pcap(path, frames, [0] * len(frames))
        host.play(interface, path, packets_per_second)

    def capture(self, host, interface, direction="in", expression=""):
        """A tcpdump on an interface, for a with block."""
        number = len(list(self.folder.glob("capture-*")))
        path = self.folder / f"capture-{number}-{interface}.pcap"
        path.touch()
        return host.listen(interface, path, direction, expression)


def corpus(seed, tags=True, lengths=(60, 61, 64, 65, 127, 500, 1000, 1400, 1499, 1510, 1514),
           repeat=2):
    """Frames that pass the kernel's devices as they are, untagged and tagged.

    The tunnel devices drop those with an IPv6 header that is cut off.
    """
    maker = fr.Maker(seed, fragments=False)
    kinds = ((), (fr.tag(7, 3),), (fr.tag(100), fr.tag(9))) if tags else ((),)
    return [maker.frame(length, tags=each) for _ in range(repeat) for length in lengths
            for each in kinds if length >= 14 + 4 * len(each) + 40]


def requests(path, family, asker):
    """Who was asked for which address by somebody: pairs of a frame's destination and a target."""
    if family.version == 4:
        return dissect(path, f"arp.opcode == 1 && arp.src.proto_ipv4 == {asker}", "eth.dst",
                       "arp.dst.proto_ipv4")
    return dissect(path, f"icmpv6.type == 135 && ipv6.src == {asker}", "eth.dst",
                   "icmpv6.nd.ns.target_address")


def answers(path, family, answerer):
    """To whom somebody has answered for its address: the destinations of the frames."""
    if family.version == 4:
        rows = dissect(path, f"arp.opcode == 2 && arp.src.proto_ipv4 == {answerer}", "eth.dst")
    else:
        rows = dissect(path, f"icmpv6.type == 136 && icmpv6.nd.na.target_address == {answerer}",
                       "eth.dst")
    return [row[0] for row in rows]


def is_to_all(mac):
    """Whether a request went to everybody who may have the address."""
    return mac == "ff:ff:ff:ff:ff:ff" or mac.startswith("33:33:ff:")


def wait_next_hop(running, output, mac):
    """Wait until an output's next hop has this MAC address; an empty one: until it has none."""
    return running.wait_for(lambda: running.output(output)["next_hop_mac"] == mac,
                            f"next hop of {output} at '{mac}'")


def dissect(path, display_filter, *fields):
    """What tshark says about the frames of a capture: a list of lists of the fields' texts.

    Of a field that a frame has more than once it is the outermost. The capture may still go on.
    """
    words = ["tshark", "-n", "-r", path, "-Y", display_filter, "-T", "fields", "-E", "occurrence=f"]
    for field in fields:
        words += ["-e", field]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=netns.TIMEOUT, check=False)
    if done.returncode != 0 and "cut short" not in done.stderr:
        raise RuntimeError(f"tshark {display_filter}: {done.stderr}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def same_frames(got, sent):
    """Whether these are the frames, in any order: kernels may hand packets from CPU to CPU."""
    return sorted(got) == sorted(sent)


def exchange(network, rig, family, host, next_mac, kind="vxlan", tags=True, forget=None, **encap):
    """Send frames both ways between the port on `wire0` and a host's device `tunnel`.

    next_mac is the next hop that must be found; forget() is called before the kernel sends.
    """
    sent, returned = corpus(1, tags), corpus(2, tags)
    network.feed(rig, mtu=WIRE_MTU)
    port = rig.vdev("net_af_packet", iface="wire0")
    rig.output("there", "feed", port=port, encap={
        "type": kind, "local": family.local(), "remote": family.host, "key": KEY, **encap})
    rig.tap("back", port=port, decap={"type": kind, "local": family.box, "key": KEY})
    rig.output("file", "back")
    with rig.start() as running:
        wait_next_hop(running, "there", next_mac)
        before = running.output("there")["unresolved"]
        with network.capture(host, "tunnel") as listener:
            network.play(sent)
            seen = listener.wait_frames(len(sent))
        assert same_frames(seen, sent)
        if forget is not None:
            forget()
        network.play(returned, host, "tunnel")
        running.wait_sent("file", len(returned))
        result = running.stop()
    assert same_frames(result.frames("file"), returned)
    assert result.output("there")["tx_packets"] == len(sent)
    assert result.output("there")["unresolved"] == before
    assert result.tap("back")["forwarded"] == len(returned)
    assert result.tap("back")["malformed"] == 0
    return result
