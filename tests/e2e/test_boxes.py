#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Two brokers over a fabric: the example of docs/more-boxes.md, with its own configurations.

    leaf                                  router1           router2                  spine
                                               path-a === path-a
    in0 === port0 -> fluxcap -> fab0 === leaf  path-b === path-b  spine === fab0 -> fluxcap
    (and two more taps)                                                              |   |
                                                         ids1 === ids0 <-------------+   |
                                                         rec1 === rec0 <-----------------+

Only the names of the ports are others than in the files, and what this machine needs: lcores that
sleep, and less memory. On capture files nobody answers ARP; there the leaf is told the router's MAC
address. The MTU of a kernel's interface is the kernel's; there it is not set by the file.
"""

import collections
import json
import re
import shutil
import subprocess
import time

import pytest

import fluxcap
import frames as fr
import netns
import watching

LEAF = watching.CONFIG / "leaf.json"
SPINE = watching.CONFIG / "spine.json"
PAGE = watching.REPOSITORY / "docs" / "more-boxes.md"
TRAFFIC = watching.REPOSITORY / "tests" / "data" / "traffic.pcap"

CLIENT = bytes.fromhex("020000000001")  # one direction of the traffic comes from here
TAPS = ("uplink-in", "uplink-out", "dmz")
TUNNELS = {"leaf1-uplink": 101, "leaf1-dmz": 102}
IN_FRONT = 50  # bytes of outer Ethernet, IPv4, UDP, VXLAN
FABRIC_MTU = 9216
ROUTER_MAC = "02:00:00:00:fe:01"
PATHS = ("path-a", "path-b")
# Slots for jumbo frames.
KERNEL_PORT = {"blocksz": 16384, "framesz": 16384, "framecnt": 1024}


def taps_of_traffic(frames):
    """What the three taps of the leaf see: each direction of a link by itself, and both."""
    return {"uplink-in": [frame for frame in frames if frame[6:12] == CLIENT],
            "uplink-out": [frame for frame in frames if frame[6:12] != CLIENT], "dmz": frames}


def tagged(frame, vid):
    return frame[:12] + bytes([0x81, 0x00]) + vid.to_bytes(2, "big") + frame[12:]


def tagged_by_leaf(sent):
    """What the leaf makes of its taps' frames, each tap's in their order."""
    tags = {"uplink-in": 1001, "uplink-out": 1002, "dmz": 1003}
    return {tap: [tagged(frame, tags[tap]) for frame in frames] for tap, frames in sent.items()}


def by_tap(frames):
    """Frames behind the leaf, apart again by the leaf's tags."""
    taps = {1001: "uplink-in", 1002: "uplink-out", 1003: "dmz"}
    apart = {tap: [] for tap in TAPS}
    for frame in frames:
        apart[taps[int.from_bytes(frame[14:16], "big")]].append(frame)
    return apart


def what_tcpdump_keeps(frames, expression, folder):
    """The frames that match a pcap-filter expression, as tcpdump says."""
    whole, kept = folder / "whole.pcap", folder / "kept.pcap"
    fr.write_pcap(whole, frames)
    netns.command("tcpdump", "-r", whole, "-w", kept, expression)
    return fr.read_pcap(kept)


def ids_filter():
    return json.loads(SPINE.read_text())["outputs"]["ids"]["filter"]


def use(rig, path, ports):
    """Make a rig run a configuration file with its ports exchanged."""
    config = json.loads(path.read_text())
    users = [*config["taps"].values(), *config["outputs"].values()]
    assert {user["port"] for user in users} == set(ports)
    for user in users:
        user["port"] = ports[user["port"]]
    assert set(config) <= {"taps", "outputs", "ports"}
    rig.taps, rig.outputs = config["taps"], config["outputs"]
    rig.ports = {ports[name]: settings for name, settings in config["ports"].items()}
    for tap in rig.taps.values():
        tap["ring"] = "16m"
    rig.lcores = {"idle_us": 50}
    rig.short_form = False


# Flows, as tshark sees them

Packet = collections.namedtuple("Packet", "port vni path frame")


def outer(frame, path=None):
    """The two ends of a VXLAN packet over IPv4 without options and tags; None for others."""
    if frame[12:15] != b"\x08\x00\x45" or frame[23] != 17 or frame[36:38] != b"\x12\xb5":
        return None
    assert frame[20:22] in (b"\x40\x00", b"\x00\x00"), "a fragment"
    return Packet(int.from_bytes(frame[34:36], "big"), int.from_bytes(frame[46:49], "big"), path,
                  frame[IN_FRONT:])


def flows_of(packets, folder):
    """The flow of each packet's inner frame: by tshark's count of conversations.

    All between two hosts that is neither TCP nor UDP, or a fragment, is one flow; None is no IP.
    """
    fields = ("ip.proto", "ipv6.nxt", "tcp.stream", "udp.stream", "ip.src", "ip.dst", "ipv6.src",
              "ipv6.dst")
    path = folder / "inner.pcap"
    fr.write_pcap(path, [packet.frame for packet in packets])
    words = ["tshark", "-n", "-r", path, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
             "-T", "fields", "-E", "occurrence=f"]
    for field in fields:
        words += ["-e", field]
    flows = []
    for line in netns.command(*words).splitlines():
        four, six, tcp, udp, *addresses = line.split("\t")
        if "6" in (four, six):
            flows.append(("tcp", tcp))
        elif "17" in (four, six):
            flows.append(("udp", udp))
        else:
            flows.append(("other", frozenset(addresses) - {""}) if four or six else None)
    assert len(flows) == len(packets)
    return flows


def assert_flows_keep(packets, attribute, folder):
    """All packets of a flow, of both directions, have the same of something; give it by flow."""
    found = collections.defaultdict(set)
    directions = collections.defaultdict(set)
    for packet, flow in zip(packets, flows_of(packets, folder)):
        if flow is not None:
            found[flow].add(getattr(packet, attribute))
            directions[flow].add(packet.frame[6:12])
    assert {flow: values for flow, values in found.items() if len(values) != 1} == {}
    assert sum(len(both) == 2 for both in directions.values()) > len(found) / 2
    return {flow: values.pop() for flow, values in found.items()}


# The configurations


@pytest.mark.parametrize("path", [LEAF, SPINE], ids=["leaf", "spine"])
def test_check(path):
    """Nothing is wrong with the files, and nothing to be warned about."""
    done = fluxcap.fluxcap("--check", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_files_are_two_ends_of_the_same_tunnels():
    leaf, spine = (json.loads(path.read_text()) for path in (LEAF, SPINE))
    sent = {name: output["encap"] for name, output in leaf["outputs"].items()}
    taken = {name: tap["decap"] for name, tap in spine["taps"].items()}
    assert {name: encap["key"] for name, encap in sent.items()} == TUNNELS
    assert list(sent) == list(taken)
    for name, decap in taken.items():
        assert decap["remote"] == sent[name]["local"].split("/")[0]
        assert [decap[key] for key in ("type", "key")] == [sent[name][k] for k in ("type", "key")]
        assert decap["local"] == sent[name]["remote"]


def blocks_of_page(language):
    """What docs/more-boxes.md has in blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_page_shows_the_files():
    assert blocks_of_page("json") == [LEAF.read_text(), SPINE.read_text()]


# The same binary on capture files


def assert_tools_have(sent, ids, recorder, folder):
    """The spine's tools have each tap's frames, in their order, as the two files say."""
    wanted = tagged_by_leaf(sent)
    assert by_tap(recorder) == {tap: [frame[:128] for frame in frames]
                                for tap, frames in wanted.items()}
    kept = {tap: what_tcpdump_keeps(frames, ids_filter(), folder) for tap, frames in wanted.items()}
    assert by_tap(ids) == kept
    assert 0 < len(kept["dmz"]) < len(wanted["dmz"])


def test_replay(rigs, tmp_path):
    """All of the recorded traffic through both, the leaf's output being the spine's input."""
    sent = taps_of_traffic(fr.read_pcap(TRAFFIC))
    leaf, spine = rigs(), rigs()
    use(leaf, LEAF, {"0000:03:00.0": leaf.pcap_port(sent["uplink-in"]),
                     "0000:03:00.1": leaf.pcap_port(sent["uplink-out"]),
                     "0000:03:00.2": leaf.pcap_port(sent["dmz"]),
                     "0000:04:00.0": leaf.pcap_port(written=True)})
    for output in leaf.outputs.values():
        del output["encap"]["gateway"]
        output["encap"]["mac"] = ROUTER_MAC
    left = leaf.run()
    fabric = left.frames("leaf1-dmz")

    carried = spine.pcap_port(fabric)
    spine.whole_files = False  # of two taps on one port, each receives a part of its file
    use(spine, SPINE, {"0000:03:00.0": carried, "0000:04:00.0": spine.pcap_port(written=True),
                       "0000:04:00.1": spine.pcap_port(written=True)})
    arrived = spine.run()

    packets = [outer(frame) for frame in fabric]
    assert None not in packets
    by_vni = collections.Counter(packet.vni for packet in packets)
    for name, vni in TUNNELS.items():
        assert by_vni[vni] == left.output(name)["tx_packets"] == left.output(name)["tx_frames"]
        assert by_vni[vni] == arrived.tap(name)["rx_packets"] == arrived.tap(name)["forwarded"]
    assert max(map(len, fabric)) == max(map(len, sent["dmz"])) + 4 + IN_FRONT <= FABRIC_MTU + 14
    ports = assert_flows_keep(packets, "port", tmp_path)
    assert len(set(ports.values())) > len(ports) * 0.9 > 50

    assert by_tap(packet.frame for packet in packets) == tagged_by_leaf(sent)
    assert_tools_have(sent, arrived.frames("ids"), arrived.frames("recorder"), tmp_path)


def test_the_page_as_it_is_typed(tmp_path):
    """The page's commands for a try with capture files."""
    sent = taps_of_traffic(fr.read_pcap(TRAFFIC))
    for tap, name in zip(TAPS, ("in", "out", "dmz")):
        fr.write_pcap(tmp_path / f"{name}.pcap", sent[tap])
    script = blocks_of_page("sh")[-1]
    prefixes = {name: fluxcap.new_prefix() for name in ("try-leaf", "try-spine")}
    for old, new in ({"build/app/fluxcap": fluxcap.BINARY, " config/": f" {watching.CONFIG}/"} |
                     {f"prefix {name}": f"prefix {new}" for name, new in prefixes.items()}).items():
        assert old in script
        script = script.replace(old, str(new))
    try:
        done = subprocess.run(["sh", "-eu", "-c", script], stdin=subprocess.DEVNULL, cwd=tmp_path,
                              capture_output=True, text=True, timeout=fluxcap.RUN_TIMEOUT,
                              check=False)
    finally:
        for prefix in prefixes.values():
            shutil.rmtree(fluxcap.RUNTIME / prefix, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        [str(len(sent["dmz"])), "101"], [str(len(sent["dmz"])), "102"]]
    assert_tools_have(sent, *(fr.read_pcap(tmp_path / f"{tool}.pcap")
                              for tool in ("ids", "recorder")), tmp_path)


# Over a fabric


class Fabric:
    """Four namespaces: a broker at each end, two routers with two equal paths between them."""

    def __init__(self, name):
        self.namespaces = [netns.Namespace(f"{name}-{label}")
                           for label in ("leaf", "router1", "router2", "spine")]
        self.leaf, self.router1, self.router2, self.spine = self.namespaces

    def __enter__(self):
        try:
            self._create()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for namespace in self.namespaces:
            namespace.delete()

    def _create(self):
        for namespace in self.namespaces:
            namespace.create()
        for number in range(len(TAPS)):
            self.leaf.veth(f"in{number}", f"port{number}", FABRIC_MTU)
        for tool in ("ids", "rec"):
            self.spine.veth(f"{tool}0", f"{tool}1", FABRIC_MTU)
        self._wire(self.leaf, "fab0", self.router1, "leaf")
        self._wire(self.spine, "fab0", self.router2, "spine")
        for path in PATHS:
            self._wire(self.router1, path, self.router2, path)
        self._route(self.router1, 1, "leaf", "192.0.2.254/24", "198.51.100.0/24")
        self._route(self.router2, 2, "spine", "198.51.100.254/24", "192.0.2.0/24")
        netns.command("ip", "-n", self.router1.name, "link", "set", "leaf", "address", ROUTER_MAC)

    @staticmethod
    def _wire(one, name, other, other_name):
        netns.command("ip", "-n", one.name, "link", "add", "name", name, "mtu", FABRIC_MTU, "type",
                      "veth", "peer", "name", other_name, "mtu", FABRIC_MTU, "netns", other.name)
        for end, interface in ((one, name), (other, other_name)):
            end.up(interface, arp=True)
            end.execute("ethtool", "-K", interface, "rx", "off", "tx", "off", "gro", "off", "gso",
                        "off", "tso", "off", "txvlan", "off", "rxvlan", "off")

    @staticmethod
    def _route(router, number, edge, address, far):
        """Make a namespace a router that spreads flows over the paths, and leaves dead ones."""
        router.execute("sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
                       "net.ipv4.fib_multipath_hash_policy=1",
                       "net.ipv4.conf.all.ignore_routes_with_linkdown=1",
                       "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        ip = ("ip", "-n", router.name)
        netns.command(*ip, "address", "add", address, "dev", edge)
        hops = []
        for net, path in enumerate(PATHS):
            netns.command(*ip, "address", "add", f"10.0.{net}.{number}/24", "dev", path)
            hops += ["nexthop", "via", f"10.0.{net}.{3 - number}", "dev", path]
        netns.command(*ip, "route", "add", far, *hops)

    def cut(self, path):
        """Take a path's cable out, and wait until the routers have noticed."""
        self.router2.down(path)
        self._wait_routes()

    def mend(self, path):
        self.router2.up(path, arp=True)
        self._wait_routes()

    def is_up(self, path):
        return "LOWER_UP" in netns.command("ip", "-n", self.router2.name, "link", "show", path)

    def _wait_routes(self):
        """Wait until router1 takes just those paths that are up at router2."""
        def agree():
            route = json.loads(netns.command("ip", "-n", self.router1.name, "-j", "route", "show",
                                             "198.51.100.0/24"))[0]
            return all(("linkdown" not in hop["flags"]) == self.is_up(hop["dev"])
                       for hop in route["nexthops"])
        watching.wait_for(agree, "change of the routes")

    def listen(self, folder, *ends):
        """A tcpdump each for what comes in on interfaces, to be used in a with block."""
        return Listeners([namespace.listen(interface, folder / f"{interface}-{time.time_ns()}.pcap")
                          for namespace, interface in ends])

    def play(self, folder, sent):
        """Send the taps' frames into the leaf."""
        for number, tap in enumerate(TAPS):
            path = folder / f"{tap}.pcap"
            fr.write_pcap(path, sent[tap], [0] * len(sent[tap]))
            if sent[tap]:
                self.leaf.play(f"in{number}", path, packets_per_second=2000)


class Listeners:
    """Several tcpdumps in one with block."""

    def __init__(self, listeners):
        self.listeners, self.started = listeners, []

    def __enter__(self):
        try:
            for listener in self.listeners:
                self.started.append(listener.__enter__())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self.started

    def __exit__(self, *arguments):
        for listener in self.started:
            listener.__exit__(*arguments)


def start_brokers(fabric, rigs):
    """The two configurations on kernel interfaces."""
    leaf, spine = rigs(), rigs()

    def port(rig, interface):
        return rig.vdev("net_af_packet", iface=interface, **KERNEL_PORT)

    leaf.namespace, spine.namespace = fabric.leaf.name, fabric.spine.name
    use(leaf, LEAF, {f"0000:03:00.{n}": port(leaf, f"port{n}") for n in range(len(TAPS))} |
        {"0000:04:00.0": port(leaf, "fab0")})
    use(spine, SPINE, {"0000:03:00.0": port(spine, "fab0"), "0000:04:00.0": port(spine, "ids0"),
                       "0000:04:00.1": port(spine, "rec0")})
    leaf.ports = spine.ports = {}
    return leaf, spine


def traffic_for_kernel_ports(folder):
    """The recorded traffic without what net_af_packet of DPDK 22.11 does not take as it is.

    Which is fragments of IPv4, that the kernel puts together for it, and tags of 802.1ad.
    """
    path = folder / "traffic.pcap"
    netns.command("tshark", "-r", TRAFFIC, "-F", "pcap", "-w", path, "-Y",
                  "!(ip.flags.mf == 1) && !(ip.frag_offset > 0) && !ieee8021ad")
    frames = fr.read_pcap(path)
    assert 1500 < len(frames) < 2792
    return frames


def over_fabric(fabric, folder, sent):
    """Play into the leaf; give what came over the paths and to the tools, all that there is."""
    count = sum(map(len, sent.values()))
    paths = [path for path in PATHS if fabric.is_up(path)]
    with fabric.listen(folder, (fabric.spine, "ids1"), (fabric.spine, "rec1"), *[
            (fabric.router2, path) for path in paths]) as (ids, recorder, *routers):
        fabric.play(folder, sent)
        wanted = tagged_by_leaf(sent)
        kept = [frame for frames in wanted.values()
                for frame in what_tcpdump_keeps(frames, ids_filter(), folder)]
        cut = [frame[:128] for frames in wanted.values() for frame in frames]
        assert sorted(recorder.wait_frames(count)) == sorted(cut)
        assert sorted(ids.wait_frames(len(kept))) == sorted(kept)

        def carried():
            try:
                found = [packet for name, listener in zip(paths, routers)
                         for frame in listener.frames()
                         if (packet := outer(frame, name)) is not None]
            except ValueError:
                return None  # a record is being written
            return found if len(found) >= count else None
        packets = watching.wait_for(carried, f"{count} packets on the paths")
    inner = sorted(packet.frame for packet in packets)
    assert inner == sorted(frame for frames in wanted.values() for frame in frames)
    return packets


def lost_in_fabric(prometheus, query):
    """What the page's query says, by tunnel."""
    return {one["metric"]["tunnel"]: float(one["value"][1]) for one in prometheus.query(query)}


def test_fabric(rigs, tmp_path):
    """Flows over two paths, over the one that is left, over both again, and over none."""
    (query,) = blocks_of_page("promql")
    sent = taps_of_traffic(traffic_for_kernel_ports(tmp_path))
    uplink = sent | {"dmz": []}
    with Fabric(fluxcap.new_prefix()) as fabric:
        leaf_rig, spine_rig = start_brokers(fabric, rigs)
        with spine_rig.start() as spine, leaf_rig.start() as leaf, \
                watching.Exporter(tmp_path / "leaf.log", "-f", leaf_rig.prefix) as one, \
                watching.Exporter(tmp_path / "spine.log", "-f", spine_rig.prefix) as two, \
                watching.Prometheus(tmp_path / "prometheus", one.address, two.address
                                    ) as prometheus:
            for tunnel in TUNNELS:
                leaf.wait_for(lambda name=tunnel: leaf.output(name)["next_hop_mac"] == ROUTER_MAC,
                              f"next hop of {tunnel}")
            # The page's way to see how much comes through; ping's status says if it was answered.
            size = FABRIC_MTU - 28
            assert f"ping -M do -s {size} 198.51.100.9" in PAGE.read_text()
            fabric.router1.execute("ping", "-c", 1, "-W", 10, "-M", "do", "-s", size,
                                   "198.51.100.9")

            packets = over_fabric(fabric, tmp_path, sent)
            both = assert_flows_keep(packets, "path", tmp_path)
            assert set(both.values()) == set(PATHS)
            ports = assert_flows_keep(packets, "port", tmp_path)
            assert len(set(ports.values())) > 50
            assert len({(packet.port, packet.path) for packet in packets}) == len(
                {packet.port for packet in packets})

            fabric.cut("path-a")
            on_one = over_fabric(fabric, tmp_path, uplink)
            assert {packet.path for packet in on_one} == {"path-b"}
            # Only the way is another: what is sent is the same.
            assert {(packet.port, packet.frame) for packet in on_one} == {
                (packet.port, packet.frame) for packet in packets if packet.vni == 101}

            fabric.mend("path-a")
            again = over_fabric(fabric, tmp_path, uplink)
            assert set(assert_flows_keep(again, "path", tmp_path).values()) == set(PATHS)

            n_uplink = sum(map(len, uplink.values()))
            totals = {"leaf1-uplink": 3 * n_uplink, "leaf1-dmz": len(sent["dmz"])}
            wait_books(prometheus, leaf_rig, spine_rig, totals)
            assert lost_in_fabric(prometheus, query) == dict.fromkeys(TUNNELS, 0)
            assert [alert for alert in prometheus.alerts() if alert["severity"] != "info"] == []

            for path in PATHS:
                fabric.router2.down(path)
            few = {tap: frames[:50] for tap, frames in sent.items()}
            fabric.play(tmp_path, few)
            leaf.wait_sent("leaf1-uplink", totals["leaf1-uplink"] + 100)
            leaf.wait_sent("leaf1-dmz", totals["leaf1-dmz"] + 50)
            watching.wait_for(lambda: lost_in_fabric(prometheus, query) == {
                "leaf1-uplink": 100, "leaf1-dmz": 50}, "loss in Prometheus")
            (rules,) = blocks_of_page("yaml")
            check_alert(prometheus, rules)

            left, arrived = leaf.stop(), spine.stop()
    for name, total in totals.items():
        assert arrived.tap(name)["forwarded"] == total
        assert arrived.tap(name)["malformed"] == arrived.tap(name)["fragments_held"] == 0
        assert left.output(name)["unresolved"] == left.output(name)["oversize"] == 0
    assert arrived.tap("leaf1-dmz")["not_ours"] == 0
    # Router2's question who has the spine's address, and the ping.
    assert arrived.tap("leaf1-uplink")["not_ours"] > 0


def wait_books(prometheus, leaf, spine, totals):
    """Wait until Prometheus has it that all has been sent, and taken, by both boxes."""
    def have_all():
        found = {(one["metric"]["broker"], one["metric"]["name"]): float(one["value"][1])
                 for one in prometheus.query("""
                    sum by (broker, name) (label_replace(
                        fluxcap_feed_sent_packets_total, "name", "$1", "output", "(.*)"))
                    or label_replace(
                        fluxcap_tap_forwarded_packets_total, "name", "$1", "tap", "(.*)")
                    """)}
        return all(found.get((rig.prefix, name)) == total
                   for rig in (leaf, spine) for name, total in totals.items())
    watching.wait_for(have_all, "packets of both boxes in Prometheus")


def check_alert(prometheus, rules):
    """The page's alert is one that Prometheus takes, and sees the loss that there is now."""
    path = prometheus.log.parent / "page.yml"
    path.write_text(rules)
    done = watching.promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    (expression,) = re.findall(r"expr: >-\n(.*?)^ +for:", watching.faster(rules, 20),
                               re.MULTILINE | re.DOTALL)
    found = watching.wait_for(lambda: prometheus.query(expression), "loss seen by the alert")
    assert {one["metric"]["tunnel"] for one in found} <= set(TUNNELS)
