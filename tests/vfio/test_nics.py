#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap on NICs of three kinds behind vfio-pci, each a tap and an output.

What is right is said by the wires, by the guest's kernel and by QEMU.
"""

import json
import re
import signal

import pytest

from box import LCORES, OURS, PREFIX_LENGTH, corpus, text4
from qemu import CPUS, NICS, wait_for

E1000E, VMXNET3, VIRTIO, SECOND, SPARE = NICS
TAPS = {"e": E1000E, "v": VMXNET3, "n": VIRTIO}  # each goes out by the other two
ORDINARY = [60, 61, 64, 65, 127, 128, 256, 511, 600, 1024, 1499, 1500, *range(1510, 1515)]
JUMBO = [1515, 1518, 1522, 1536, 2000, 2047, 2049, 3000, 4096, 6000, 8192, 8999, 9000, 9014]
RING_KIB = 2048
MOST_DESCRIPTORS = 4096
ONE_BUFFER = 2048  # QEMU's vmxnet3 puts a frame into one buffer, and drops what is longer


def by_name(nics):
    return pytest.mark.parametrize("nic", nics, ids=[nic.model for nic in nics])


def sinks_of(nic):
    return [other for other in TAPS.values() if other != nic]


def tap_of(nic):
    return next(name for name, one in TAPS.items() if one == nic)


def everywhere(box):
    """Each of three NICs is a tap that goes out by the other two; a fourth goes out by itself."""
    port = {name: box.addresses[nic.number] for name, nic in TAPS.items()}
    port["s"] = box.addresses[SECOND.number]
    return {
        "taps": {name: {"port": port[name], "ring": "2m"} for name in port},
        "outputs": {**{f"to-{name}": {"port": port[name], "from": [t for t in TAPS if t != name]}
                       for name in TAPS}, "to-s": {"port": port["s"], "from": ["s"]}},
        "lcores": {"idle_us": 200},
    }


@pytest.fixture(scope="module")
def prepared(one_box):
    """The box, its NICs bound to vfio-pci by fluxcap-host."""
    one_box.machine.do("ip", "link", "set", one_box.interface(E1000E), "up")
    before = one_box.nics()
    one_box.prepare(everywhere(one_box))
    return before


@pytest.fixture
def broker(box, prepared):
    """A fluxcap that several cases share: none of them ends or hinders it."""
    return box.share(everywhere(box))


def test_a_port_in_use_is_refused(box):
    """What carries the box's own address stays with the kernel."""
    name = box.interface(SPARE)
    config = {"taps": {"t": {"port": box.addresses[SPARE.number]}},
              "outputs": {"o": {"port": box.addresses[SECOND.number], "from": ["t"]}}}
    before = box.nics()
    box.machine.do("ip", "address", "add", f"{text4(OURS)}/{PREFIX_LENGTH}", "dev", name)
    try:
        done = box.host("prepare", box.write_config(config))
    finally:
        box.machine.do("ip", "address", "flush", "dev", name)
    assert done["status"] == 1, done
    assert text4(OURS) in done["stdout"] + done["stderr"]
    assert box.nics() == before


def test_prepare_binds_the_configured_nics(box, prepared):
    after = box.nics()
    for nic in NICS:
        address = box.addresses[nic.number]
        assert prepared[address]["driver"] == nic.driver
        assert after[address]["driver"] == (nic.driver if nic == SPARE else "vfio-pci")
        assert bool(after[address]["interfaces"]) == (nic == SPARE)
    box.ping(SPARE)


def test_status_says_that_the_box_is_ready(box, prepared):
    path = box.write_config(everywhere(box))
    box.machine.ask("write_file", path="/share/status.args", text=LCORES)
    done = box.host("status", "--json", "--eal-args", "/share/status.args", path)
    assert done["status"] == 0, done
    status = json.loads(done["stdout"])
    assert (status["ready"], status["iommu"]) == (True, "on")
    listed = {nic["address"]: nic for nic in status["nics"]}
    for nic in NICS:
        assert listed[box.addresses[nic.number]]["node"] == nic.node
        assert listed[box.addresses[nic.number]]["prepared"] == (nic != SPARE)


@by_name(TAPS.values())
def test_frames_come_out_of_two_nics(box, broker, nic):
    tap = tap_of(nic)
    before = broker.tap(tap)["rx_packets"]
    frames = corpus(1 + nic.number, ORDINARY)
    box.carry(nic, frames, sinks_of(nic))
    after = broker.tap(tap)
    assert after["rx_packets"] - before == len(frames)
    assert after["unaccounted"] == 0


@by_name([E1000E, VIRTIO])
def test_jumbo_frames(box, broker, nic):
    box.carry(nic, corpus(11 + nic.number, JUMBO), sinks_of(nic))


def test_jumbo_frames_that_the_nic_drops_are_counted(box, broker):
    tap = tap_of(VMXNET3)
    before = broker.tap(tap)
    frames = corpus(21, JUMBO)
    fit = [frame for frame in frames if len(frame) <= ONE_BUFFER]
    box.carry(VMXNET3, frames, sinks_of(VMXNET3), expected=fit)
    after = broker.tap(tap)
    assert after["rx_packets"] - before["rx_packets"] == len(fit)
    assert after["rx_errors"] - before["rx_errors"] == len(frames) - len(fit)


@by_name(TAPS.values())
def test_link_down_and_up(box, broker, nic):
    """A cable that is pulled hinders nobody else, and nothing of meanwhile comes out later."""
    tap = tap_of(nic)
    third, fourth = sinks_of(nic)
    wait_for(lambda: broker.tap(tap)["state"] == "running", "link of the NIC", every_s=0.1)
    before = broker.tap(tap)["flaps"]
    box.machine.set_link(nic, False)
    wait_for(lambda: broker.tap(tap)["link"] == "down", "link down of the tap", every_s=0.1)
    down = broker.output(f"to-{tap}")
    assert (down["link"], down["state"], down["flaps"]) == ("down", "down", before + 1)
    assert {broker.tap(name)["link"] for name in TAPS if name != tap} == {"up"}
    frames = corpus(31, [100, 1000])
    for frame in frames:
        box.wire(nic).send(frame)
    box.carry(third, frames, [fourth])
    box.machine.set_link(nic, True)
    wait_for(lambda: broker.tap(tap)["link"] == "up", "link up of the tap", every_s=0.1)
    up = broker.output(f"to-{tap}")
    assert (up["link"], up["state"], up["flaps"]) == ("up", "running", before + 1)
    box.carry(nic, corpus(32, [100, 1000]), sinks_of(nic))
    box.carry(third, corpus(33, [100, 1000]), sinks_of(third))


def unplug(box, nic):
    """Take a NIC out of the machine, and wait until the guest has let go of it."""
    box.machine.qmp("device_del", id=f"nic{nic.number}")
    wait_for(lambda: not box.machine.has_device(nic), "end of the NIC", 60, 0.2)
    wait_for(lambda: box.addresses[nic.number] not in box.nics(), "end of the guest's device", 60,
             0.2)


def plug(box, nic):
    """Put it in again: it is the kernel's then, and fluxcap's after another `prepare`."""
    box.machine.qmp("device_add", **nic.device())
    wait_for(lambda: box.addresses[nic.number] in box.nics(), "NIC that was plugged in", 60, 0.5)
    wait_for(lambda: box.nic(nic)["driver"] == nic.driver, "driver of the NIC", 60, 0.5)
    box.prepare(everywhere(box))
    assert box.nic(nic)["driver"] == "vfio-pci"


def wait_second(running, state):
    """Wait until the ports of SECOND are in a state; what its tap says then."""
    wait_for(lambda: {running.tap("s")["state"], running.output("to-s")["state"]} == {state},
             f"NIC that is {state}", 60, 0.2)
    return running.tap("s")


def test_a_nic_removed_and_returned(box, prepared):
    """fluxcap lets go of it, and the rest goes on; when it is back it is taken again, twice."""
    address = box.addresses[SECOND.number]
    running = box.start(everywhere(box))
    wait_second(running, "running")
    received = 0
    for turn in range(2):
        frames = corpus(43 + turn, ORDINARY)
        box.carry(SECOND, frames, [SECOND])
        received += len(frames)
        unplug(box, SECOND)
        assert wait_second(running, "gone")["link"] == "gone"
        assert {running.tap(name)["state"] for name in TAPS} == {"running"}
        box.carry(E1000E, corpus(41, ORDINARY), sinks_of(E1000E))
        assert running.is_alive(), running.text()
        plug(box, SECOND)
        assert wait_second(running, "running")["rx_packets"] == received
    box.carry(SECOND, corpus(45, ORDINARY), [SECOND])
    said = rf"port {address} \(tap s, output to-s\): warning: has disappeared"
    assert len(re.findall(said, running.text())) == 2, running.text()
    for answer in (running.tap("s"), running.output("to-s")):
        assert answer["unaccounted"] == 0 and answer["link"] == "up"
    assert running.stop() == 0, running.text()


def test_a_nic_that_is_absent_at_start(box, prepared):
    """Where it is optional fluxcap starts without it, and takes it when it is there."""
    address = box.addresses[SECOND.number]
    unplug(box, SECOND)
    running = box.start(everywhere(box) | {"ports": {address: {"optional": True}}})
    assert wait_second(running, "absent")["link"] == "gone"
    box.carry(VIRTIO, corpus(42, ORDINARY), sinks_of(VIRTIO))
    plug(box, SECOND)
    wait_second(running, "running")
    box.carry(SECOND, corpus(46, ORDINARY), [SECOND])
    box.carry(VIRTIO, corpus(47, ORDINARY), sinks_of(VIRTIO))
    assert running.stop() == 0, running.text()


def give_to_kernel(box, nic):
    """Bind a NIC to its kernel's driver; that waits for ever while fluxcap has it open."""
    address = box.addresses[nic.number]
    box.machine.do("sh", "-c", f"""set -e
        cd /sys/bus/pci/devices/{address}
        echo {address} >driver/unbind
        echo >driver_override
        echo {address} >/sys/bus/pci/drivers_probe""")
    assert box.nic(nic)["driver"] == nic.driver


@by_name(TAPS.values())
def test_a_nic_taken_out_and_put_in_by_reload(box, prepared, nic):
    """Out of the configuration it can be given to the kernel; back in it carries frames again; and
    nobody else's counters begin anew."""
    whole = everywhere(box)
    name = tap_of(nic)
    less = json.loads(json.dumps(whole))
    del less["taps"][name], less["outputs"][f"to-{name}"]
    for output in less["outputs"].values():
        output["from"] = [tap for tap in output["from"] if tap != name]
    third, fourth = sinks_of(nic)
    running = box.start(whole)
    frames, received = corpus(81, ORDINARY), 0
    for _ in range(2):
        box.carry(third, frames, [nic, fourth])
        running.reload(less)
        assert running.telemetry(f"/fluxcap/tap,{name}")[0] is None
        give_to_kernel(box, nic)
        box.ping(nic)
        box.carry(third, frames, [fourth])
        box.prepare(whole)
        running.reload(whole)
        wait_for(lambda: running.tap(name)["state"] == "running", "link of the NIC", every_s=0.1)
        received += 2 * len(frames)
        assert running.tap(tap_of(third))["rx_packets"] == received
        box.carry(nic, corpus(82, ORDINARY), [third, fourth])
    for tap in TAPS:
        assert running.tap(tap)["unaccounted"] == 0
    assert running.stop() == 0, running.text()


def test_a_nic_that_the_start_did_not_know(box, prepared):
    """It is not in the allow-list that fluxcap-run gave to EAL, and is plugged all the same."""
    whole = everywhere(box)
    less = json.loads(json.dumps(whole))
    del less["taps"]["s"], less["outputs"]["to-s"]
    running = box.start(less)
    box.carry(E1000E, corpus(83, ORDINARY), sinks_of(E1000E))
    running.reload(whole)
    wait_second(running, "running")
    box.carry(SECOND, corpus(84, ORDINARY), [SECOND])
    box.carry(E1000E, corpus(85, ORDINARY), sinks_of(E1000E))
    assert running.stop() == 0, running.text()


def test_killed_and_started_again(box, prepared):
    running = box.start(everywhere(box))
    for nic in TAPS.values():
        for frame in corpus(51, [200, 1200]):
            box.wire(nic).send(frame)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    running = box.start(everywhere(box))
    for number, nic in enumerate(TAPS.values()):
        box.carry(nic, corpus(52 + number, [60, 200, 1500]), sinks_of(nic))
    assert running.stop() == 0, running.text()


@by_name([E1000E, VMXNET3])
def test_as_many_descriptors_as_the_nic_takes(box, prepared, nic):
    """The tap's pool has buffers for all of them, and for the packets that come.

    With a single lcore that works, since what the pool holds for others would hide a mistake.
    """
    running = box.start({
        "taps": {"t": {"port": box.addresses[nic.number], "ring": "1m"}},
        "outputs": {"o": {"port": box.addresses[VIRTIO.number], "from": ["t"]}},
        "ports": {box.addresses[nic.number]: {"rx_descriptors": MOST_DESCRIPTORS}},
        "lcores": {"idle_us": 200}}, lcores="-l 0-1")
    box.carry(nic, corpus(71, ORDINARY), [VIRTIO])
    assert running.tap("t")["rx_nombuf"] == 0
    assert running.stop() == 0, running.text()


def numa_memory(box, pid):
    """KiB of hugepages of a process on each node, as the kernel says."""
    found = [0] * len(CPUS)
    for line in box.machine.ask("read_file", path=f"/proc/{pid}/numa_maps").splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if " huge" in line:
            for node in range(len(CPUS)):
                found[node] += int(words.get(f"N{node}", 0)) * int(words["kernelpagesize_kB"])
    return found


def test_two_numa_nodes(box, prepared):
    """Each tap's lcore and memory are on its NIC's node, whatever the configuration's order."""
    port = [box.addresses[nic.number] for nic in NICS]
    running = box.start({
        "taps": {"far": {"port": port[VIRTIO.number], "ring": f"{RING_KIB}k"},
                 "near": {"port": port[E1000E.number], "ring": f"{RING_KIB}k"}},
        "outputs": {"o-far": {"port": port[SECOND.number], "from": ["far"]},
                    "o-near": {"port": port[VMXNET3.number], "from": ["near"], "truncate": 128}},
        "lcores": {"idle_us": 200}})
    node_of = {name: box.nics()[name]["node"] for name in port}
    assert [node_of[port[nic.number]] for nic in NICS] == [nic.node for nic in NICS]
    cpus_of = {re.search("[0-9]*$", thread)[0]: cpus for thread, cpus
               in box.machine.ask("threads", pid=running.pid).items() if "worker" in thread}
    lcores = running.telemetry("/fluxcap/lcores")[0]
    served = set()
    for lcore, about in lcores.items():
        cpu = int(cpus_of[lcore])
        for name in about["ports"].split():
            assert cpu in CPUS[node_of[name]], (name, cpus_of, lcores)
            served.add(name)
    assert served == {port[nic.number] for nic in (E1000E, VMXNET3, VIRTIO, SECOND)}
    pools = running.telemetry(*(f"/mempool/info,{pool}"
                                for pool in running.telemetry("/mempool/list")[0]))
    in_pools = [sum(pool["size"] * (pool["header_size"] + pool["elt_size"]) // 1024
                    for pool in pools if pool["socket_id"] == node) for node in range(len(CPUS))]
    assert {pool["socket_id"] for pool in pools} == set(range(len(CPUS)))
    for node, there in enumerate(numa_memory(box, running.pid)):
        assert there >= in_pools[node] > RING_KIB
    box.carry(VIRTIO, corpus(61, ORDINARY), [SECOND])
    box.carry(E1000E, [frame[:128] for frame in corpus(62, [64, 100])], [VMXNET3])
    assert running.stop() == 0, running.text()


def test_undo_gives_the_nics_back(box, prepared):
    done = box.host("undo")
    assert done["status"] == 0, done
    after = box.nics()
    for nic in NICS:
        assert after[box.addresses[nic.number]]["driver"] == nic.driver
    flags = box.machine.do("cat", f"/sys/class/net/{box.interface(E1000E)}/flags")
    assert int(flags, 16) & 1, "the interface was up before"
    for node in range(len(CPUS)):
        assert int(box.machine.do("cat", f"/sys/devices/system/node/node{node}/hugepages/"
                                  "hugepages-2048kB/nr_hugepages")) == 0
    for nic in NICS:
        box.ping(nic)
