#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/troubleshooting.md says what is so: each symptom that can be made here is made, and looks as
the page says. What fluxcap-host says on boxes without IOMMU and the like, tests/host and tests/vfio
make; here it is looked up in the program's texts, and so are those of EAL and systemd."""

import json
import signal
import socket
import subprocess

import pytest

import frames as fr
import pages
from fluxcap import BINARY, BUILD, REPOSITORY, RUNTIME, fluxcap, new_prefix

PAGE = pages.Page(pages.DOCS / "troubleshooting.md")
CLIENT = BUILD / "app" / "fluxcap-ctl"
RUN = REPOSITORY / "scripts" / "fluxcap-run"
TRAFFIC = REPOSITORY / "tests" / "data" / "traffic.pcap"
TIMEOUT = 60  # seconds


def quoted(text):
    """A message as the page has it."""
    found = [message for message in PAGE.messages() if text in message]
    assert len(found) == 1, f"{text}: {found}"
    return found[0]


def said(message, text):
    assert pages.is_in(message, text), f"{message}\nis not in\n{text}"


@pytest.mark.parametrize("message", PAGE.messages())
def test_somebody_says_each_message(message):
    assert message in MADE or pages.who_says(message), message


@pytest.mark.parametrize("name", sorted(PAGE.names()))
def test_each_counter_and_key_is_one(name):
    assert name in pages.known_names() | {"net_af_packet", "rp_filter"}


# What it says instead of starting

NOWHERE = "0000:7f:1f.7"  # no such NIC
PORTS = ["--vdev", "net_null0", "--vdev", "net_null1"]
LINE = ["-t", "a=net_null0", "-o", "b=net_null1,from=a"]

# (a part of the page's message, EAL's options, fluxcap's options, exit status)
STARTS = [
    ("is not in 1..4094", PORTS, [*LINE[:3], LINE[3] + ",vlan=5000"], 2),
    ("did you mean 'truncate'", PORTS, [*LINE[:3], LINE[3] + ",truncat=128"], 2),
    ("is not a pcap-filter(7)", PORTS, ["-t", "a=net_null0,filter=tcp prot 443", *LINE[2:]], 2),
    ("cannot send: it has no tx queue", ["--vdev", f"net_pcap0,rx_pcap={TRAFFIC}"],
     ["-t", "a=net_pcap0", "-o", "b=net_pcap0,from=a"], 2),
    ("there is no such PCI device", PORTS, ["-t", f"a={NOWHERE}", *LINE[2:]], 2),
    ("have it made", PORTS, ["-t", "a=net_af_packet0", *LINE[2:]], 2),
    ("is no interface of this machine", PORTS, ["-t", "a=eht1", *LINE[2:]], 2),
    ("it could not be made with", [*PORTS, "--vdev", "net_af_packet0,iface=eth9"],
     ["-t", "a=net_af_packet0", *LINE[2:]], 2),
    ("ioctl failed (SIOCGIFINDEX)", [*PORTS, "--vdev", "net_af_packet0,iface=fc-nosuch"],
     ["-t", "a=net_af_packet0", *LINE[2:]], 2),
    ("cannot be read: No such file", [*PORTS, "--vdev", "net_pcap0,rx_pcap=/nosuch.pcap"],
     ["-t", "a=net_pcap0", *LINE[2:]], 2),
    ("too little memory: its pool needs", PORTS, ["-t", "a=net_null0,ring=4g", *LINE[2:]], 1),
]


@pytest.fixture
def prefix():
    name = new_prefix()
    yield name
    subprocess.run(["rm", "-rf", str(RUNTIME / name)], check=True)


def start(prefix, eal, options):
    """What a short run says."""
    done = fluxcap("--no-huge", "-m", 200, "--no-pci", "--file-prefix", prefix, "-l", 0, *eal, "--",
                   *options)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("part, eal, options, status", STARTS, ids=[row[0] for row in STARTS])
def test_what_it_says_instead_of_starting(prefix, part, eal, options, status):
    message = quoted(part)
    found, text = start(prefix, eal, options)
    assert found == status, text
    # The page's example is of a file, with its place.
    said(message.split(": ", 2)[-1] if message.startswith("config.json") else message, text)


def test_lcores_that_eal_does_not_give(prefix, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0"}},
        "outputs": {"b": {"port": "net_null1", "from": ["a"]}},
        "lcores": {"rx": [3]}}))
    status, text = start(prefix, PORTS, ["-c", path])
    assert status == 2
    said(quoted("is not one that can work"), text)


def test_options_without_dashes_between():
    done = fluxcap("-l", "0")
    assert done.returncode == 2
    said(quoted("nothing to do"), done.stderr)


def test_a_configuration_that_cannot_be_opened(tmp_path):
    done = fluxcap("--check", tmp_path / "config.json")
    assert done.returncode == 2
    said(quoted("cannot be opened"), done.stderr)


def test_a_vdev_that_eal_args_does_not_make(tmp_path):
    (tmp_path / "eal.args").write_text("-l 0\n")
    (tmp_path / "config.json").write_text(json.dumps({
        "taps": {"a": {"port": "net_pcap0"}},
        "outputs": {"b": {"port": "net_pcap0", "from": ["a"]}}}))
    done = subprocess.run([RUN, "-n", tmp_path / "eal.args", tmp_path / "config.json"], check=False,
                          capture_output=True, text=True, timeout=TIMEOUT,
                          env={"FLUXCAP": str(BINARY), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 2
    said(quoted("nothing creates the port"), done.stderr)


def test_no_hugepages(prefix, tmp_path):
    """In a mount namespace without hugetlbfs."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c",
         "for d in $(awk '$3 == \"hugetlbfs\" { print $2 }' /proc/mounts); do umount -l $d; done; "
         'exec "$@"', "sh", BINARY, "--no-pci", "--file-prefix", prefix, "-l", "0", *PORTS, "--",
         *LINE], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    assert any(pages.is_in(quoted(part), done.stderr)
               for part in ("no hugepages are reserved", "no hugetlbfs is mounted"))


def test_statistics_on_a_full_disk(prefix):
    status, text = start(prefix, ["--vdev", f"net_pcap0,rx_pcap={TRAFFIC}", *PORTS],
                         ["-t", "a=net_pcap0", *LINE[2:], "--exit-when-idle", 100,
                          "--stats-on-exit", "/dev/full"])
    assert status == 1
    said(quoted("cannot write the statistics"), text)


# What clients say


@pytest.fixture
def quiet(rig):
    """A fluxcap that has nothing to do."""
    rig.lcores = {"idle_us": 1000}
    rig.tap("a", port=rig.vdev("net_ring"))
    rig.output("b", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        yield running


def client(prefix, *options):
    done = subprocess.run([CLIENT, "-f", prefix, *options, "show"], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_prefix_that_is_not_there(quiet):
    text = client("nosuch")
    said(quoted("there is no socket"), text)
    assert f"-f {quiet.rig.prefix}" in text  # those that are there


def test_a_process_that_is_stopped(quiet):
    quiet.process.send_signal(signal.SIGSTOP)
    try:
        said(quoted("is stopped or overloaded"), client(quiet.rig.prefix, "--timeout=0.5"))
    finally:
        quiet.process.send_signal(signal.SIGCONT)


def test_a_process_that_was_killed_and_is_started_again(rig):
    """Its files are in nobody's way."""
    rig.tap("a", port=rig.vdev("net_null"))
    rig.output("b", "a", port=rig.vdev("net_null"))
    command = rig.command()
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while b"running:" not in (line := first.stderr.readline()):
            assert line
    finally:
        first.kill()
        first.wait()
        first.stderr.close()
    said(quoted("left its socket behind"), client(rig.prefix))
    with rig.start() as running:
        running.wait_received("a", 1)


def test_ten_clients_that_stay(quiet):
    path = str(RUNTIME / quiet.rig.prefix / "dpdk_telemetry.v2")
    clients = []
    try:
        for _ in range(9):  # the tenth is the test's own
            one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            clients.append(one)
            one.settimeout(TIMEOUT)
            one.connect(path)
            assert one.recv(1024)
        said(quoted("as many telemetry clients"), client(quiet.rig.prefix))
    finally:
        for one in clients:
            one.close()


def test_the_same_prefix_twice(quiet):
    status, text = start(quiet.rig.prefix, PORTS, LINE)
    assert status == 1
    said(quoted("has the --file-prefix"), text)


def test_dumpcap_with_another_prefix(prefix):
    done = subprocess.run(["dpdk-dumpcap", f"--file-prefix={prefix}", "-D"], capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)
    assert done.returncode != 0
    said(quoted("is primary process running?"), done.stdout + done.stderr)


# What a reload says


@pytest.fixture
def reloaded(rig):
    """A fluxcap with a file, and a function that changes the file, asks for a reload and gives
    what was said."""
    rig.short_form = False
    rig.lcores = {"idle_us": 1000}
    rig.tap("a", port=rig.vdev("net_null"))
    rig.output("b", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        def reload(**changes):
            path = rig.path("config.json")
            config = json.loads(path.read_text())
            path.write_text(json.dumps({**config, **changes}))
            done = subprocess.run([CLIENT, "-f", rig.prefix, "reload"], capture_output=True,
                                  text=True, timeout=TIMEOUT, check=False)
            path.write_text(json.dumps(config))
            assert done.returncode == 1
            before = running.tap("a")["rx_packets"]
            running.wait_received("a", before + 1)  # it goes on
            return done.stdout + done.stderr + running.texts()[1]
        yield reload


def test_a_reload_with_a_mistake(reloaded):
    said(quoted("not reloaded: the configuration has errors"), reloaded(taps={"a": {"port": ""}}))


def test_a_reload_with_other_lcores(reloaded):
    said(quoted("cannot be changed while fluxcap runs"), reloaded(lcores={"rx": [1]}))


def test_a_reload_without_memory(reloaded):
    said(quoted("not reloaded: memory does not suffice"),
         reloaded(taps={"a": {"port": "net_null0", "ring": "64g"}}))


def test_a_reload_of_the_command_line(rig):
    rig.tap("a", port=rig.vdev("net_null"))
    rig.output("b", "a", port=rig.vdev("net_null"))
    with rig.start():
        done = subprocess.run([CLIENT, "-f", rig.prefix, "reload"], capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    said(quoted("this configuration cannot be read again"), done.stderr)


# What it counts


def count(path, expression=""):
    done = subprocess.run(["tcpdump", "--count", "-r", path, expression], capture_output=True,
                          text=True, timeout=TIMEOUT, check=True)
    return int(done.stdout.split()[0])


def test_tags_defeat_filters(rig):
    """Judged by tcpdump on the same capture."""
    one, both = [span for span in PAGE.spans() if "tcp port 443" in span]
    total, n_one, n_both = (count(TRAFFIC, expression) for expression in ("", one, both))
    assert 0 < n_one < n_both == n_one + count(TRAFFIC, "vlan and tcp port 443")
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=TRAFFIC))
    rig.output("one", "a", filter=one)
    rig.output("both", "a", filter=both)
    rig.output("pushed", "a", filter=one, vlan={"push": 100})
    result = rig.run()
    assert result.output("one")["tx_packets"] == result.output("pushed")["tx_packets"] == n_one
    assert result.output("both")["tx_packets"] == n_both
    assert result.output("one")["filtered"] == total - n_one


def test_a_filter_behind_a_tap_that_tags(rig):
    rig.tap("a", fr.numbered(20), vlan={"push": 100})
    rig.output("none", "a", filter="not vlan")
    rig.output("all", "a", filter="vlan 100")
    result = rig.run()
    assert result.output("none")["filtered"] == result.output("all")["tx_packets"] == 20


def test_a_port_that_takes_nothing(rig):
    """`queued` and then `overrun` grow; `tx_packets` stands once the net_ring is full."""
    sent = fr.numbered(4000)
    rig.lcores = {"idle_us": 200}
    rig.tap("a", sent, ring="1m")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("good", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        running.wait_sent("good", len(sent))
        stuck, tap = running.output("stuck"), running.tap("a")
        assert stuck["queued"] > 0 and stuck["overrun"] > 0
        assert stuck["tx_packets"] + stuck["queued"] + stuck["overrun"] == len(sent)
        assert stuck["queued"] <= tap["ring_buffers"]
        assert running.output("good")["overrun"] == 0


def by_af_packet(rig, namespace, arguments, path, n_sent, n_received):
    """Send a capture to a net_af_packet port whose fluxcap is held up meanwhile; (tap, frames)."""
    namespace.veth("in0", "in1", 9000)
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 50}
    rig.tap("a", port=rig.vdev("net_af_packet", iface="in1", **arguments))
    rig.output("b", "a")
    with rig.start() as running:
        before = received(namespace)
        running.process.send_signal(signal.SIGSTOP)
        try:
            namespace.execute("tcpreplay", "-q", "--pps=20000", "-i", "in0", path)
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert received(namespace) - before == n_sent  # by the kernel: ip -s link
        running.wait_received("a", n_received)
        result = running.stop()
    return result.tap("a"), result.frames("b")


def received(namespace):
    link = json.loads(namespace.execute("ip", "-s", "-j", "link", "show", "in1"))[0]
    return link["stats64"]["rx"]["packets"]


def test_what_net_af_packet_loses(rig, namespace, tmp_path):
    """By default 512 frames of 2 KiB: what comes beyond is missed, and what is cut is dropped."""
    sent = [frame.ljust(9014, b"\x5a") for frame in fr.numbered(600)]
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    tap, frames = by_af_packet(rig, namespace, {}, tmp_path / "sent.pcap", len(sent), 512)
    assert tap["rx_packets"] == 512 and tap["rx_missed"] == len(sent) - 512
    assert tap["rx_nombuf"] == tap["rx_errors"] == 0
    assert tap["malformed"] == tap["malformed_cut"] == 512 and not frames


def test_the_mend_of_net_af_packet(rig, namespace, tmp_path):
    sent = [frame.ljust(9014, b"\x5a") for frame in fr.numbered(600)]
    fr.write_pcap(tmp_path / "sent.pcap", sent)
    (mend,) = [line.split(",")[2:] for line in PAGE.text.splitlines()
               if line.startswith("    --vdev net_af_packet0,")]
    arguments = dict(argument.split("=") for argument in mend)
    assert int(arguments["framesz"]) * int(arguments["framecnt"]) == 64 << 20
    tap, frames = by_af_packet(rig, namespace, arguments, tmp_path / "sent.pcap", len(sent),
                               len(sent))
    assert tap["rx_packets"] == len(sent) and frames == sent


# Made above, so that nobody need look for them
MADE = {quoted(part) for part in (
    *(row[0] for row in STARTS), "is not one that can work", "nothing to do", "cannot be opened",
    "nothing creates the port", "no hugepages are reserved", "no hugetlbfs is mounted",
    "cannot write the statistics", "there is no socket", "is stopped or overloaded",
    "left its socket behind", "not reloaded: the configuration has errors",
    "cannot be changed while fluxcap runs", "not reloaded: memory does not suffice",
    "this configuration cannot be read again", "has the --file-prefix", "as many telemetry clients",
    "is primary process running?")}
