#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a new user is told: typical mistakes, the cause that is named, and the mend."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

import frames as fr
from fluxcap import BINARY, REPOSITORY, RUN_TIMEOUT, RUNTIME, fluxcap, need_binary, new_prefix

RUN = REPOSITORY / "scripts" / "fluxcap-run"
HOST = REPOSITORY / "scripts" / "fluxcap-host"
EAL = ("--no-huge", "-m", "256", "--no-pci", "-l", "0")
PLAIN = ("-t", "a=net_null0", "-o", "x=net_null1,from=a")
NULLS = ("--vdev", "net_null0,no-rx=1", "--vdev", "net_null1")


@pytest.fixture
def prefix():
    need_binary()
    name = new_prefix()
    yield name
    shutil.rmtree(RUNTIME / name, ignore_errors=True)


@pytest.fixture
def write(tmp_path):
    """A function that writes a configuration whose tap and output have these ports."""
    def make(tap, output="net_null1", **ports):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({
            "taps": {"a": {"port": tap}}, "outputs": {"x": {"port": output, "from": ["a"]}},
            "ports": ports}))
        return path
    return make


def last_words(done):
    """What fluxcap itself said, without EAL's lines; they come last."""
    return [line for line in done.stderr.splitlines()
            if line.startswith(("fluxcap: ", "command line: ", "/"))]


def run_eal(prefix, *options, eal=EAL, own=PLAIN, vdevs=NULLS, **keywords):
    return fluxcap(*eal, "--file-prefix", prefix, *vdevs, *options, "--", *own, **keywords)


# a port that is an interface of the kernel, or nothing

MEND = ('"port": "net_af_packet0" with \'--vdev net_af_packet0,iface=lo\' among EAL\'s options, or '
        'with "ports": { "net_af_packet0": { "devargs": "iface=lo" } }')


def test_an_interface_of_the_kernel_is_no_port(write, prefix, tmp_path):
    path = write("lo", "lo")
    said = "'lo' is an interface of the kernel, which is no port by itself; have a port made of it"
    for option in "--check", "--plan":
        done = fluxcap(option, path)
        assert done.returncode == 2 and done.stdout == ""
        for place in "taps.a.port", "outputs.x.port":
            assert f"{path}: {place}: {said}" in done.stderr and MEND in done.stderr
    # Before EAL starts, which would take devices and memory.
    done = run_eal(prefix, own=("-c", path))
    assert done.returncode == 2 and "EAL" not in done.stderr.replace("EAL's options", "")
    assert f"{path}: taps.a.port: {said}" in done.stderr
    args = tmp_path / "eal.args"
    args.write_text("-l 0\n")
    for command in ([RUN, args, path], [RUN, "-n", args, path], [HOST, "status", path],
                    [HOST, "prepare", "--state", tmp_path / "state", path]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=RUN_TIMEOUT, check=False,
                              env={**os.environ, "FLUXCAP": str(BINARY)})
        assert done.returncode == 2, done
        assert "interface of the kernel" in done.stderr and "iface=lo" in done.stderr, done.stderr


def test_the_mend_of_an_interface_mends_it(write, prefix):
    for path, vdevs in ((write("net_af_packet0"), ("--vdev", "net_af_packet0,iface=lo")),
                        (write("net_af_packet0", net_af_packet0={"devargs": "iface=lo"}), ())):
        done = run_eal(prefix, own=("-c", path, "--exit-when-idle", "1"), vdevs=NULLS + vdevs)
        assert done.returncode == 0, done.stderr


def test_each_interface_gets_a_name_of_its_own(write):
    path = write("lo", "net_af_packet0")
    assert "net_af_packet1,iface=lo" in fluxcap("--check", path).stderr


@pytest.mark.parametrize("name, meant", [
    ("fc-nosuch0", None), ("af_packet0", "net_af_packet0"), ("netpcap3", "net_pcap3"),
    ("pcap0", "net_pcap0"), ("user0", "virtio_user0"), ("llo", "lo"), ("0000.03.00.0", None)])
def test_a_name_that_is_nothing_here(write, prefix, name, meant):
    said = f"'{name}' is no interface of this machine, and neither a PCI address"
    done = fluxcap("--check", write(name))
    assert done.returncode == 2 and done.stdout == ""
    assert f"taps.a.port: {said}" in done.stderr
    assert (f"did you mean '{meant}'?" in done.stderr) == (meant is not None)
    done = run_eal(prefix, own=("-c", write(name)))
    assert done.returncode == 2
    assert f"EAL has no port '{name}' (it has: net_null0, net_null1); {said}" in done.stderr
    # Optional ones may be plugged in later.
    done = fluxcap("--check", write(name, **{name: {"optional": True}}))
    assert done.returncode == 0 and f"taps.a.port: warning: {said}" in done.stderr
    # On another machine it may be an interface.
    done = fluxcap("--check", write(name), "--assume-ports")
    assert done.returncode == 0 and "sum: " in done.stdout
    assert f"taps.a.port: warning: '{name}' can only be an interface of the kernel" in done.stderr


@pytest.mark.parametrize("name", ["net_null0", "eth_pcap0", "virtio_user7", "0000:7f:1f.7"])
def test_names_that_a_port_can_have_anywhere(write, name):
    done = fluxcap("--check", write(name))
    assert done.returncode == 0 and done.stderr == ""


def test_ports_are_assumed_only_to_check(prefix):
    done = run_eal(prefix, own=(*PLAIN, "--assume-ports"))
    assert done.returncode == 2
    assert "only for --check and --plan: --assume-ports" in done.stderr


# a vdev that could not be made

@pytest.mark.parametrize("arguments, reason", [
    ("iface=fc-nosuch", "there is no interface 'fc-nosuch' here"),
    ("qpairs=x,iface=lo", "EAL's messages above say why")])
@pytest.mark.parametrize("by_devargs", [False, True])
def test_a_vdev_that_fails(write, prefix, arguments, reason, by_devargs):
    settings = {"net_af_packet0": {"devargs": arguments}} if by_devargs else {}
    vdevs = () if by_devargs else ("--vdev", f"net_af_packet0,{arguments}")
    done = run_eal(prefix, own=("-c", write("net_af_packet0", **settings)), vdevs=NULLS + vdevs)
    assert done.returncode == 2
    how = "the devargs" if by_devargs else "--vdev's arguments"
    assert f"it could not be made with {how} '{arguments}': {reason}" in done.stderr
    assert "have it made" not in done.stderr


def test_a_capture_that_is_not_there(write, prefix):
    said = "port net_pcap0: /nowhere/in.pcap cannot be read: No such file or directory"
    vdev = ("--vdev", "net_pcap0,rx_pcap=/nowhere/in.pcap")
    done = run_eal(prefix, own=("-c", write("net_pcap0")), vdevs=NULLS + vdev)
    assert done.returncode == 2 and said in last_words(done)[-1]
    done = fluxcap("--check", write("net_pcap0", net_pcap0={"devargs": vdev[1].split(",")[1]}))
    assert done.returncode == 2 and said in last_words(done)[-1]
    done = fluxcap(*NULLS, *vdev, "--", "--check", write("net_pcap0"))
    assert done.returncode == 2 and said in last_words(done)[-1]


def test_a_vdev_that_nothing_makes(prefix):
    done = run_eal(prefix, own=("-t", "a=net_ring0", *PLAIN[2:]))
    assert done.returncode == 2
    assert ("have it made: '--vdev net_ring0,...' among EAL's options, or \"ports\": "
            "{ \"net_ring0\": { \"devargs\": \"...\" } }") in last_words(done)[-1]


def test_a_pci_port_that_is_not_there(prefix):
    done = run_eal(prefix, own=("-t", "a=0000:7f:1f.7", *PLAIN[2:]))
    assert done.returncode == 2
    assert "there is no such PCI device (lspci -D lists them)" in last_words(done)[-1]


# EAL does not start

@pytest.mark.parametrize("option, value, said", [
    ("--vdev", "lo", "--vdev lo: a vdev's name begins with its driver's"),
    ("--vdev", "af_packet0,iface=lo", "--vdev af_packet0,iface=lo: a vdev's name begins with"),
    ("-a", "lo", "-a lo: not the address of a device"),
    ("--lcores", "0@0,1@1000", "name CPU 1000, and this machine has 0.."),
    ("--lcores", "x", "EAL does not take its options (those before --): its first message"),
    ("--no-such-option", "x", "EAL does not take its options (those before --): its first"),
    ("--proc-type", "secondary", "--proc-type=secondary: fluxcap is always a primary process"),
])
def test_options_that_eal_does_not_take(prefix, option, value, said):
    done = run_eal(prefix, option, value)
    assert done.returncode == 2, done.stderr
    assert said in last_words(done)[-1], done.stderr


def test_more_lcores_than_the_machine_has(prefix):
    """As many as a configuration of somebody else's has."""
    n_cpus = os.cpu_count()
    if n_cpus > 127:
        pytest.skip("EAL has an lcore for each CPU up to 127 only")
    done = run_eal(prefix, eal=(*EAL[:-2], "-l", f"0-{n_cpus}"))
    assert done.returncode == 2
    assert (f"fluxcap: EAL's options (before --) name CPU {n_cpus}, and this machine has "
            f"0..{n_cpus - 1}; see -l and --lcores") == last_words(done)[-1]


class Other:
    """A fluxcap that runs."""

    def __init__(self, *words):
        self.process = subprocess.Popen([BINARY, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        for line in self.process.stderr:
            if "fluxcap: running: " in line:
                return
        raise AssertionError("it did not start")

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=RUN_TIMEOUT)


def test_a_second_one_with_the_same_prefix(prefix):
    with Other(*EAL, "--file-prefix", prefix, *NULLS, "--", *PLAIN) as process:
        done = run_eal(prefix)
        assert done.returncode == 1
        assert (f"fluxcap: fluxcap (pid {process.pid}) has the --file-prefix '{prefix}' already; "
                "stop it, or give this one another --file-prefix") == last_words(done)[-1]
        done = run_eal(prefix, "--proc-type", "auto")
        assert done.returncode in (1, 2)
        assert last_words(done)[-1] == (
            "fluxcap: --proc-type=auto: fluxcap is always a primary process, and fluxcap (pid "
            f"{process.pid}) has the --file-prefix '{prefix}'; leave --proc-type out, and give "
            "this one another --file-prefix")
        assert "hugepages" not in done.stderr
        # From a PID namespace of its own it sees that there is one.
        done = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", BINARY, *EAL, "--file-prefix", prefix,
             *NULLS, "--", *PLAIN], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=RUN_TIMEOUT, check=False)
        assert done.returncode == 1 and "of another PID namespace" in last_words(done)[-1]
    # A killed one leaves nothing that stands in the way.
    assert run_eal(prefix, own=(*PLAIN, "--exit-when-idle", "1")).returncode == 0


def in_mounts(commands, *words, user=()):
    """Run something where commands have changed what is mounted."""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", f'{commands}\nexec "$@"', "sh", *user, *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_TIMEOUT, check=False)


UNMOUNT = "for d in $(awk '$3 == \"hugetlbfs\" { print $2 }' /proc/mounts); do umount -l $d; done"
HUGE = ("--no-pci", "-l", "0")


def has_hugepages():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"HugePages_Free: +(\d+)", file.read())[1]) > 0


def test_no_hugetlbfs(prefix):
    done = in_mounts(UNMOUNT, BINARY, *HUGE, "--file-prefix", prefix, *NULLS, "--", *PLAIN)
    assert done.returncode == 1
    said = last_words(done)[-1]
    assert "Permission denied" not in said
    assert ("hugepages are reserved, but no hugetlbfs is mounted: " if has_hugepages()
            else "no hugepages are reserved: ") in said
    assert "'fluxcap-host prepare' reserves and mounts them" in said and "--no-huge -m 512" in said


def test_no_rights(prefix):
    """Who may not write into the hugetlbfs."""
    if not has_hugepages():
        pytest.skip("no hugepages are free")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        shutil.copy(BINARY, place / "fluxcap")
        for name, owner in ("huge", 0), ("run", 65534):
            (place / name).mkdir()
            os.chown(place / name, owner, owner)
        done = in_mounts(
            f"{UNMOUNT}\nmount -t hugetlbfs -o mode=0755 nodev {place}/huge",
            place / "fluxcap", *HUGE, "--file-prefix", prefix, *NULLS, "--", *PLAIN,
            user=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                  "env", f"XDG_RUNTIME_DIR={place}/run"))
    assert done.returncode == 1, done.stderr
    said = last_words(done)[-1]
    assert f"uid 65534 may not make files in {place}/huge" in said
    assert "fluxcap-host prepare --user" in said and "Cannot allocate" not in said


# the statistics file

@pytest.mark.parametrize("path, reason", [
    ("/nowhere/stats.json", "No such file or directory"), ("/tmp", "Is a directory"),
    ("/dev/null/stats.json", "Not a directory")])
def test_statistics_that_could_not_be_written_are_refused_at_the_start(prefix, path, reason):
    done = run_eal(prefix, own=(*PLAIN, "--stats-on-exit", path))
    assert done.returncode == 2
    assert last_words(done) == [
        f"fluxcap: --stats-on-exit {path}: the file could not be written: {reason}"]
    assert "EAL" not in done.stderr


@pytest.mark.parametrize("path", ["stats.json", "/dev/null", "-"])
def test_statistics_that_can_be_written(prefix, tmp_path, path):
    done = run_eal(prefix, own=(*PLAIN, "--exit-when-idle", "1", "--stats-on-exit", path),
                   cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# the journal

def journal(prefix, own=PLAIN, eal=EAL):
    """What a run gives to standard error where that is the journal: here a pipe."""
    reader, writer = os.pipe()
    found = os.fstat(writer)
    with os.fdopen(reader, encoding="utf-8") as lines:
        process = subprocess.Popen(
            [BINARY, *eal, "--file-prefix", prefix, *NULLS, "--vdev", "net_af_packet0,iface=fc-no",
             "--", *own], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer,
            env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        os.close(writer)
        text = lines.read()
        process.wait(timeout=RUN_TIMEOUT)
    return text.splitlines()


def test_lines_for_the_journal_have_their_priority(prefix, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0"}, "b": {"port": "net_ring7"}},
        "outputs": {"x": {"port": "net_null1", "from": ["a"]}},
        "ports": {"net_ring7": {"optional": True}}}))
    lines = journal(prefix, own=("-c", path, "--exit-when-idle", "1"))
    assert all(re.match(r"<[0-7]>", line) for line in lines), lines

    def priority(part):
        (found,) = {line[:3] for line in lines if part in line}
        return found

    assert priority("no output takes from this tap") == "<4>"
    assert priority("it is optional") == "<4>"
    assert priority("fluxcap: running") == "<6>"
    assert priority("Bus (vdev) probe failed") == "<3>"
    assert priority("EAL: Detected CPU lcores") == "<6>"
    lines = journal(prefix, own=("-t", "a=net_ring9", "-o", "x=net_null1,from=a"))
    assert priority("EAL has no port 'net_ring9'") == "<3>"


def test_lines_for_people_have_none(prefix):
    done = run_eal(prefix, own=(*PLAIN, "--exit-when-idle", "1"))
    assert done.returncode == 0 and not re.search(r"^<\d>", done.stderr, re.M)
    # Nor has what another program's journal is: systemd's variable goes on to all children.
    done = run_eal(prefix, own=(*PLAIN, "--exit-when-idle", "1"),
                   env={**os.environ, "JOURNAL_STREAM": "1:1"})
    assert done.returncode == 0 and not re.search(r"^<\d>", done.stderr, re.M)


SYSLOG = """
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static void note(void)
{
	int fd = open(getenv("SAID"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd < 0 || write(fd, ".", 1) != 1 || close(fd) != 0)
		abort();
}
void syslog(int priority, const char *format, ...) { note(); }
void __syslog_chk(int priority, int flag, const char *format, ...) { note(); }
"""


def test_eal_says_nothing_to_syslog(prefix, tmp_path):
    """Its lines would stand in the journal twice."""
    library, said = tmp_path / "syslog.so", tmp_path / "said"
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-x", "c", "-o", library, "-"], input=SYSLOG,
                   text=True, check=True, timeout=RUN_TIMEOUT)
    environment = {**os.environ, "LD_PRELOAD": str(library), "SAID": str(said)}
    done = run_eal(prefix, own=(*PLAIN, "--exit-when-idle", "1"), env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("EAL: Detected CPU lcores") == 1
    assert not said.exists()
    # But where it is asked for.
    done = run_eal(prefix, "--syslog", "local0", own=(*PLAIN, "--exit-when-idle", "1"),
                   env=environment)
    assert done.returncode == 0, done.stderr
    assert said.read_text()


# warnings: what can be run, but is hardly meant

def tagged(frames, vid):
    return [frame[:12] + struct.pack("!HH", 0x8100, vid) + frame[12:] for frame in frames]


# Filters, each with whether it is for frames that have tag 100 in front.
BEHIND_A_TAG = [
    ("tcp", False), ("tcp port 443", False), ("ip", False), ("ip6", False), ("arp", False),
    ("host 10.0.0.1", False), ("not vlan", False), ("vlan 7", False), ("vlan 7 and tcp", False),
    ("ether proto 0x0800", False), ("ip or ip6 or arp", False), ("tcp[13] & 2 != 0", False),
    ("udp and len > 100", False), ("vlan", True), ("vlan 100", True), ("vlan and tcp", True),
    ("vlan 100 and vlan 7", True), ("not tcp", True), ("tcp or vlan", True), ("len > 100", True),
    ("ether[12:2] = 0x8100", True), ("ether[14:2] & 0xfff = 100", True), ("greater 60", True),
    ("ether[14:2] & 0xfff = 101", False), ("ether multicast", True), ("tcp or udp or len < 100", True),
]


@pytest.mark.parametrize("expression, can_match", BEHIND_A_TAG)
def test_a_filter_that_never_matches_behind_a_pushed_tag(tmp_path, expression, can_match):
    path, capture = tmp_path / "config.json", tmp_path / "tagged.pcap"
    # tcpdump says whether it matches any of many frames that have the tag.
    frames = tagged(fr.corpus(rounds=2), 100)
    frames += tagged(tagged(fr.small_corpus(), 7), 100)
    fr.write_pcap(capture, frames)
    found = subprocess.run(["tcpdump", "-r", capture, "-n", "-w", "-", expression],
                           capture_output=True, timeout=RUN_TIMEOUT, check=True).stdout
    assert (len(found) > 24) == can_match
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0", "vlan": {"push": 100}}, "b": {"port": "net_null2"}},
        "outputs": {"x": {"port": "net_null1", "from": ["a", "b"], "filter": expression}}}))
    done = fluxcap("--check", path)
    assert done.returncode == 0, done.stderr
    said = "outputs.x.filter: warning: matches nothing of tap 'a', which puts a VLAN tag on every"
    assert (said in done.stderr) != can_match, done.stderr
    assert (done.stderr == "") == can_match and "tap 'b'" not in done.stderr


@pytest.mark.parametrize("tap, expression, part", [
    ({"truncate": 23}, "tcp port 443", "cuts frames to 23 bytes"),
    ({"truncate": 60}, "tcp port 443", None), ({"truncate": 34}, "host 10.0.0.1", None),
    ({"vlan": {"push": [5, 6]}}, "vlan 5 and vlan 6", None),
    ({"vlan": {"push": [5, 6]}}, "vlan 5 and vlan 7", "puts a VLAN tag"),
    ({"vlan": {"push": 5, "tpid": "0x88a8"}}, "vlan 5", None),
    ({"vlan": {"push": 5}, "truncate": 24}, "vlan and tcp", "cuts frames to 24 bytes"),
    ({"vlan": {"pop": 1}}, "vlan 5", None), ({"filter": "tcp", "vlan": {"push": 5}}, "vlan", None)])
def test_filters_behind_other_edits(tmp_path, tap, expression, part):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0", **tap}},
        "outputs": {"x": {"port": "net_null1", "from": ["a"], "filter": expression}}}))
    done = fluxcap("--check", path)
    assert done.returncode == 0
    assert done.stderr == "" if part is None else part in done.stderr


def test_an_output_into_its_own_tap(tmp_path):
    path = tmp_path / "config.json"
    tunnel = {"type": "gretap", "local": "192.0.2.1/24", "remote": "192.0.2.9"}
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0"}, "b": {"port": "net_null1"},
                 "t": {"port": "net_null2", "decap": {"type": "gretap", "local": "192.0.2.1"}}},
        "outputs": {"x": {"port": "net_null0", "from": ["b", "a"]},
                    "y": {"port": "net_null1", "from": ["a"]},
                    "z": {"port": "net_null2", "from": ["a", "t"], "encap": tunnel}}}))
    done = fluxcap("--check", path)
    assert done.returncode == 0
    assert done.stderr == (f"{path}: outputs.x.port: warning: sends what tap 'a' receives out of "
                           "the port that it came in by, net_null0; is another port meant?\n")


CONFIGURATION = (REPOSITORY / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("expression", [
    "ip protochain 6", "ip broadcast", "inbound", "outbound", "ifname eth0"])
def test_filters_that_are_refused_are_in_the_page(tmp_path, expression):
    """They are pcap-filter(7) expressions all the same, and are not called something else."""
    assert f"`{expression}`" in CONFIGURATION
    path = tmp_path / "config.json"
    path.write_text(json.dumps({
        "taps": {"a": {"port": "net_null0", "filter": expression}},
        "outputs": {"x": {"port": "net_null1", "from": ["a"]}}}))
    done = fluxcap("--check", path)
    assert done.returncode == 2
    assert f"taps.a.filter: '{expression}' cannot be used here: " in done.stderr


def test_more_ports_than_dpdk_has(tmp_path):
    """Debian's has 32; the page says so."""
    assert "32 in Debian's (`RTE_MAX_ETHPORTS`)" in CONFIGURATION
    path = tmp_path / "config.json"
    for n_outputs in 31, 32, 128:
        path.write_text(json.dumps({
            "taps": {"a": {"port": "net_null0"}},
            "outputs": {f"x{n}": {"port": f"net_null{n + 1}", "from": ["a"]}
                        for n in range(n_outputs)}}))
        done = fluxcap("--check", path)
        assert (done.returncode == 0) == (n_outputs == 31)
        assert n_outputs == 31 or (
            f"ports: {n_outputs + 1} ports are used, and this DPDK is built for 32 "
            "(RTE_MAX_ETHPORTS)") in done.stderr


@pytest.mark.parametrize("kind", ["taps", "outputs"])
def test_more_taps_or_outputs_than_fluxcap_has(tmp_path, kind):
    path = tmp_path / "config.json"
    names = {"taps": ["a"], "outputs": ["x"], kind: [f"n{n}" for n in range(129)]}
    path.write_text(json.dumps({
        "taps": {name: {"port": f"net_null{at}"} for at, name in enumerate(names["taps"])},
        "outputs": {name: {"port": f"net_ring{at}", "from": names["taps"]}
                    for at, name in enumerate(names["outputs"])}}))
    done = fluxcap("--check", path)
    assert done.returncode == 2
    assert done.stderr == f"{path}: {kind}: 129 {kind} are too many; fluxcap takes at most 128\n"
    assert "128 taps and 128 outputs" in CONFIGURATION


# what --check promises with EAL's options

@pytest.mark.parametrize("vdev, settings", [
    ("net_null0,no-rx=1", {}), ("net_null0,no-rx=1,size=9000", {}),
    ("net_af_packet0,iface=lo", {}), ("net_af_packet0,iface=lo,framesz=16384,blocksz=65536", {}),
    ("net_ring0", {}), (None, {"net_null0": {"devargs": "no-rx=1,size=4000"}}),
    (None, {"net_af_packet0": {"devargs": "iface=lo,framesz=8192,blocksz=65536,framecnt=64"}}),
], ids=str)
@pytest.mark.parametrize("lcores", ["0", "0@0,1@0", "(0,3)@0,2@0"])
def test_check_promises_what_there_will_be(prefix, write, tmp_path, vdev, settings, lcores):
    name = vdev.split(",")[0] if vdev else next(iter(settings))
    path = write(name, **settings)
    vdevs = ("--vdev", "net_null1") + (("--vdev", vdev) if vdev else ())
    eal = ("--no-huge", "-m", "900", "--no-pci", "--lcores", lcores)
    stats = tmp_path / "stats.json"
    checked = run_eal(prefix, eal=eal, vdevs=vdevs, own=("--check", path))
    assert checked.returncode == 0 and checked.stderr == "", checked
    promised = re.search(r"\((\d+) ring", checked.stdout)[1]
    done = run_eal(prefix, eal=eal, vdevs=vdevs,
                   own=("-c", path, "--exit-when-idle", "1", "--stats-on-exit", stats))
    assert done.returncode == 0, done.stderr
    assert json.loads(stats.read_text())["taps"]["a"]["ring_buffers"] == int(promised)
    # Nor is anything said to be assumed, and the lcores are those that there will be.
    assert "assumed" not in checked.stdout
    n_workers = int(re.search(r"running: 1 taps, 1 outputs, (\d+) lcores", done.stderr)[1])
    used = re.findall(r"^lcore (\d+):", checked.stdout, re.M)
    assert used and set(used) <= set({"0": "0", "0@0,1@0": "1"}.get(lcores, "23"))
    assert len(used) <= n_workers


def test_check_says_what_it_assumes(write):
    path = write("net_af_packet0", "0000:7f:1f.7")
    said = fluxcap("--check", path).stdout.splitlines()
    assert said[-4:] == [
        "assumed: one lcore moves packets", "assumed: usual arguments of net_af_packet0",
        "assumed: NICs with 1024 descriptors that take long frames in several buffers",
        "EAL's options say it exactly: fluxcap EAL-OPTION... -- --check FILE"]
    assert "assumed" not in fluxcap("--plan", path).stdout
    # A port that the file itself makes is known.
    path = write("net_af_packet0", net_af_packet0={"devargs": "iface=lo"},
                 net_null1={"devargs": ""})
    said = fluxcap("--check", path, "--assume-lcores", "1").stdout
    assert "assumed" not in said


def test_check_with_eal_options_that_do_not_do(write, prefix):
    done = run_eal(prefix, own=("--check", write("net_ring0")))
    assert done.returncode == 2
    assert "taps.a.port: nothing makes net_ring0: '--vdev net_ring0,...'" in done.stderr
    done = run_eal(prefix, own=("--check", write("net_null0")), eal=("--no-huge", "-m", "32"))
    assert done.returncode == 2
    assert re.search(r"needs [\d.]+ MiB, and EAL gets 32 MiB \(--no-huge, -m\)", done.stderr)
    done = run_eal(prefix, own=("--check", write("net_null0")), eal=("--no-huge",))
    assert done.returncode == 2 and "EAL gets 64 MiB" in done.stderr
    done = run_eal(prefix, own=("--check", write("net_null0")), eal=("-l", "x"))
    assert done.returncode == 2 and "-l or --lcores cannot be read" in done.stderr
