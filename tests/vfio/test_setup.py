#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What fluxcap asks of NICs, as far as emulated ones show it: see docs/ports.md.

What is right is said by the NICs' registers, which QEMU shows, by what leaves them, and by their
own counters.
"""

import json
import re

import pytest
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6, UDP)
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from box import compare, corpus
from qemu import NICS, wait_for

E1000E, VMXNET3, VIRTIO, SECOND, _ = NICS
USED = (E1000E, VMXNET3, VIRTIO, SECOND)
LENGTHS = [60, 128, 600, 1500]
JUMBO = [3000, 4096, 6000, 9000]
MORE_THAN_A_RING = 300  # frames; the rx ring of a port that only sends has 64 descriptors
FLOW_CONTROL = 1 << 27 | 1 << 28  # RFCE and TFCE of e1000e's register CTRL
LOCAL, REMOTE, NETWORK = "fd00::1", "fd00::2", "fd00::1/64"
THEIR_MAC = "02:00:00:00:00:99"
KEY = 5


def by_name(nics):
    return pytest.mark.parametrize("nic", nics, ids=[nic.model for nic in nics])


def one_to(box, nic, tap=E1000E, ports=None, **keys):
    """A tap that goes out by one NIC."""
    return {"taps": {"t": {"port": box.addresses[tap.number], "ring": "2m"}},
            "outputs": {"o": {"port": box.addresses[nic.number], "from": ["t"], **keys}},
            "ports": {box.addresses[number.number]: told for number, told in (ports or {}).items()},
            "lcores": {"idle_us": 200}}


@pytest.fixture(scope="module", autouse=True)
def prepared(one_box):
    """The NICs bound to vfio-pci, and given back."""
    path = one_box.write_config({
        "taps": {f"t{nic.number}": {"port": one_box.addresses[nic.number]} for nic in USED},
        "outputs": {"o": {"port": one_box.addresses[SECOND.number], "from": ["t0"]}}})
    done = one_box.host("prepare", path)
    assert done["status"] == 0, done
    yield
    assert one_box.host("undo")["status"] == 0


def wait_running(running):
    wait_for(lambda: {running.tap("t")["state"], running.output("o")["state"]} == {"running"},
             "links of the NICs", 60, 0.2)


def port_id(running, box, nic):
    for one in running.telemetry("/ethdev/list")[0]:
        if running.telemetry(f"/ethdev/info,{one}")[0]["name"] == box.addresses[nic.number]:
            return one
    raise AssertionError(f"no port of {nic}")


def register(box, nic, offset=0):
    """A register of a NIC, read by QEMU in the guest's address space."""
    lines = box.machine.ask("read_file", path="/sys/bus/pci/devices/"
                            f"{box.addresses[nic.number]}/resource").splitlines()
    said = box.machine.qmp("human-monitor-command",
                           **{"command-line": f"xp /1wx {int(lines[0].split()[0], 16) + offset}"})
    return int(re.search(r": (0x[0-9a-f]+)", said)[1], 16)


def test_flow_control_is_off(box):
    """Of a tap and of an output, after the start and after the tap has been set up anew."""
    running = box.start(one_to(box, SECOND))
    wait_running(running)
    box.carry(E1000E, corpus(91, LENGTHS), [SECOND])
    assert register(box, SECOND) & FLOW_CONTROL == register(box, E1000E) & FLOW_CONTROL == 0
    running.reload(one_to(box, SECOND, ports={E1000E: {"rx_descriptors": 512}}))
    wait_running(running)
    box.carry(E1000E, corpus(92, LENGTHS), [SECOND])
    assert register(box, E1000E) & FLOW_CONTROL == 0
    assert running.stop() == 0, running.text()


@by_name([SECOND, VMXNET3, VIRTIO])
def test_what_arrives_at_an_output_does_not_fill_its_ring(box, nic):
    running = box.start(one_to(box, nic))
    wait_running(running)
    one = port_id(running, box, nic)
    for number in range(MORE_THAN_A_RING):
        frame = bytes.fromhex("ffffffffffff" + THEIR_MAC.replace(":", "") + "88b5")
        box.wire(nic).send(frame + number.to_bytes(46, "big"))
        if number % 16 == 15:
            wait_for(lambda n=number: running.telemetry(f"/ethdev/stats,{one}")[0]["ipackets"] > n,
                     "frames that the NIC has got rid of", every_s=0.05)
    assert running.telemetry(f"/ethdev/stats,{one}")[0]["imissed"] == 0
    box.carry(E1000E, corpus(93, LENGTHS), [nic])
    assert running.tap("t")["rx_packets"] == len(corpus(93, LENGTHS))
    assert running.output("o")["unaccounted"] == 0
    assert running.stop() == 0, running.text()


def solicited(address):
    """Where a neighbour solicitation for an address goes."""
    last = address.rsplit(":", 1)[1].rjust(6, "0")
    return (f"ff02::1:ff00:{int(last, 16):x}",
            "33:33:ff:" + ":".join(last[at:at + 2] for at in (0, 2, 4)))


def ask_neighbour(wire, what):
    """Ask for an address by multicast until a NIC says that it has it; the MAC address."""
    group, mac = solicited(what)
    ask = bytes(Ether(src=THEIR_MAC, dst=mac) / IPv6(src=REMOTE, dst=group, hlim=255) /
                ICMPv6ND_NS(tgt=what) / ICMPv6NDOptSrcLLAddr(lladdr=THEIR_MAC))
    start = len(wire.received)

    def answer():
        wire.send(ask)
        for frame in wire.received[start:]:
            told = Ether(frame)
            if ICMPv6ND_NA in told and told[ICMPv6ND_NA].tgt == what:
                return told[ICMPv6NDOptDstLLAddr].lladdr
        return None
    return wait_for(answer, f"neighbour advertisement of {what}", every_s=0.3)


def answer_neighbour(wire, running, start):
    """Say that REMOTE is here, once fluxcap has asked for it."""
    def asked():
        return any(ICMPv6ND_NS in told and told[ICMPv6ND_NS].tgt == REMOTE
                   for told in map(Ether, wire.received[start:]))
    wait_for(asked, f"neighbour solicitation for {REMOTE}", every_s=0.1)
    our_mac = next(told.src for told in map(Ether, wire.received[start:]) if ICMPv6ND_NS in told)
    wire.send(bytes(Ether(src=THEIR_MAC, dst=our_mac) / IPv6(src=REMOTE, dst=LOCAL, hlim=255) /
                    ICMPv6ND_NA(tgt=REMOTE, R=0, S=1, O=1) /
                    ICMPv6NDOptDstLLAddr(lladdr=THEIR_MAC)))
    wait_for(lambda: running.output("o")["next_hop_mac"] == THEIR_MAC, "next hop", every_s=0.1)


@by_name([SECOND, VMXNET3, VIRTIO])
def test_a_tunnel_that_came_by_a_reload_is_found_and_finds(box, nic):
    """The port, which only sent, hears multicast from then on."""
    running = box.start(one_to(box, nic))
    wait_running(running)
    box.carry(E1000E, corpus(94, LENGTHS), [nic])
    wire = box.wire(nic)
    start = len(wire.received)
    running.reload(one_to(box, nic, encap={"type": "vxlan", "key": KEY, "local": NETWORK,
                                           "remote": REMOTE}))
    answer_neighbour(wire, running, start)
    assert ask_neighbour(wire, LOCAL) == nic.mac
    frames, start = corpus(95, [60, 128, 600, 1200]), len(wire.received)
    for frame in frames:
        box.wire(E1000E).send(frame)
    count = len(frames)

    def tunnelled():
        return [bytes(told[VXLAN].payload) for told in map(Ether, wire.received[start:])
                if UDP in told and told[UDP].dport == 4789 and VXLAN in told]
    wait_for(lambda: len(tunnelled()) >= count, "tunnelled frames")
    compare(f"through the tunnel of {nic.model}", frames, tunnelled())
    assert running.stop() == 0, running.text()


def test_rx_queues_without_rss(box):
    """e1000e has two queues and no RSS: that is said, and nobody's counters begin anew."""
    frames = corpus(96, LENGTHS)
    running = box.start(one_to(box, SECOND))
    wait_running(running)
    for turn, queues in enumerate((1, 2, 1), 1):
        if turn > 1:
            answer = running.reload(one_to(box, SECOND, ports={E1000E: {"rx_queues": queues}}))
            said = "has no RSS: all packets will come in the first of the 2 queues"
            assert (said in json.dumps(answer)) == (queues == 2), answer
        wait_running(running)
        box.carry(E1000E, frames, [SECOND])
        tap = running.tap("t")
        assert (tap["rx_packets"], tap["unaccounted"]) == (turn * len(frames), 0)
        assert running.output("o")["tx_packets"] == turn * len(frames)
    assert running.stop() == 0, running.text()


def test_counters_of_the_nic_only_grow(box):
    """vmxnet3 begins anew when it is started; what it has counted stays."""
    running = box.start(one_to(box, SECOND, tap=VMXNET3))
    wait_running(running)
    errors = 0
    for descriptors in (256, 512):
        for frame in corpus(97, JUMBO):  # QEMU's vmxnet3 drops them
            box.wire(VMXNET3).send(frame)
            errors += 1
        wait_for(lambda n=errors: running.tap("t")["rx_errors"] == n, f"{errors} rx_errors",
                 every_s=0.1)
        running.reload(one_to(box, SECOND, tap=VMXNET3,
                              ports={VMXNET3: {"rx_descriptors": descriptors}}))
        wait_running(running)
        assert running.tap("t")["rx_errors"] == errors
    box.carry(VMXNET3, corpus(98, LENGTHS), [SECOND])
    assert running.stop() == 0, running.text()


def test_a_nic_that_another_fluxcap_has(box):
    """It is named, with what tells the instances apart; neither comes to harm."""
    running = box.start(one_to(box, SECOND))
    wait_running(running)
    machine = box.machine
    machine.ask("write_file", path="/share/second.args", text="-l 0-1\n--file-prefix second\n")
    machine.ask("write_file", path="/share/second.json", text=json.dumps(
        one_to(box, SECOND, tap=VMXNET3)))
    done = machine.run("fluxcap-run", "/share/second.args", "/share/second.json")
    assert done["status"] == 2, done
    assert f"process {running.pid} (fluxcap, --file-prefix vfio) has it open" in done["stderr"]
    box.carry(E1000E, corpus(99, LENGTHS), [SECOND])
    assert running.stop() == 0, running.text()


def test_flow_control_of_a_kernel_interface(box):
    """net_af_packet cannot switch it off, and says how to; the last case, since a NIC goes back."""
    assert box.host("undo")["status"] == 0
    box.prepare(one_to(box, VMXNET3, tap=VIRTIO))
    name = box.interface(SECOND)
    box.machine.do("ip", "link", "set", name, "up")
    wait_for(lambda: "Link detected: yes" in box.machine.do("ethtool", name), "link", 30, 0.5)
    config = one_to(box, VMXNET3, tap=VIRTIO)
    config["outputs"]["k"] = {"port": "net_af_packet0", "from": ["t"]}
    running = box.start(config, f"-l 0-1\n--vdev net_af_packet0,iface={name}")
    shown = box.machine.do("ethtool", "-a", name)
    is_on = re.search(r"^[RT]X:\s+on$", shown, re.MULTILINE) is not None
    said = f"ethtool -A {name} autoneg off rx off tx off"
    assert (said in running.text()) == is_on, shown
    assert is_on, f"the case shows nothing: {shown}"
    assert running.stop() == 0, running.text()
    box.machine.do(*said.split())
    running = box.start(config, f"-l 0-1\n--vdev net_af_packet0,iface={name}")
    assert "ethtool -A" not in running.text()
    assert running.stop() == 0, running.text()
