#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Capture files that are not what they should be, and outputs that cannot be written.

What a file holds before and after is compared byte for byte, or read by libpcap's and Wireshark's
own programs.
"""

import json
import os
import resource
import struct
import subprocess
import threading

import pytest

import frames as fr
from fluxcap import RUN_TIMEOUT

HEADER = 24  # bytes of a pcap file before its first record
RECORD = 16  # bytes of a record before its frame


def run(rig, *options, prefix=(), wait=RUN_TIMEOUT):
    """Run until idle, whatever the exit status."""
    try:
        return subprocess.run([*prefix, *rig.command("--exit-when-idle", "200", *options)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=wait, cwd=rig.folder, check=False)
    finally:
        rig.clean()


def run_until_stopped(rig, play):
    """Run in the background while `play` plays, whatever the exit status."""
    with pytest.raises(AssertionError, match="exit status 1"), rig.start() as running:
        play(running)
    return subprocess.CompletedProcess([], running.process.returncode, *running.texts())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(rig, folder, *said, options=()):
    """It must end before EAL has begun, say why, and change no file."""
    rig.command()  # which writes the configuration
    before = contents(folder)
    done = run(rig, *options)
    assert done.returncode == 2, done.stderr
    assert "EAL:" not in done.stderr and "Couldn't open" not in done.stderr, done.stderr
    for word in said:
        assert word in done.stderr, done.stderr
    assert contents(folder) == before
    return done


@pytest.fixture
def capture(rig):
    """The path of a good capture."""
    path = rig.folder / "user.pcap"
    fr.write_pcap(path, fr.corpus(160))
    return path


# One file in and out

def link_to(path, name, make):
    make(path, path.parent / name)
    return name


SPELLINGS = {
    "same": lambda path: path.name,
    "absolute": str,
    "dot": lambda path: f"./{path.name}",
    "around": lambda path: f"../{path.parent.name}//{path.name}",
    "symbolic": lambda path: link_to(path, "other.pcap", os.symlink),
    "hard": lambda path: link_to(path, "other.pcap", os.link),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_output_to_a_file_that_is_read(rig, capture, spelling):
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture.name))
    port = rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=SPELLINGS[spelling](capture)))
    refused(rig, rig.folder, f"port {port}:", "net_pcap0 reads")


def test_an_input_that_is_written_by_an_earlier_port(rig, capture):
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=capture))
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture.name))
    refused(rig, rig.folder, "port net_pcap1:", "net_pcap0 writes", str(capture))


def test_a_port_that_writes_what_it_reads(rig, capture):
    port = rig.vdev("net_pcap", rx_pcap=capture.name, tx_pcap=capture.name)
    rig.tap("a", port=port)
    rig.output("x", "a", port=port)
    refused(rig, rig.folder, f"port {port}: user.pcap is the file that {port} reads")


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("spelling", [name for name in SPELLINGS if name != "hard"])
def test_two_outputs_to_one_file(rig, capture, spelling, exists):
    out = rig.folder / "out.pcap"
    if exists:
        out.write_bytes(b"precious")
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture))
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap="out.pcap"))
    rig.output("y", "a", port=rig.vdev("net_pcap", tx_pcap=SPELLINGS[spelling](out)))
    refused(rig, rig.folder, "port net_pcap2:", "net_pcap1 writes")


@pytest.mark.parametrize("by", ["equals", "short", "alias", "devargs"])
def test_every_way_to_ask_for_a_file(rig, capture, by):
    """EAL takes --vdev=, abbreviations of it and another name of the driver; `devargs`, too."""
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture))
    port = "eth_pcap5" if by == "alias" else "net_pcap5"
    options = f"{port},tx_pcap=user.pcap"
    rig.output("x", "a", port=port)
    eal = {"equals": [f"--vdev={options}"], "short": ["--vd", options],
           "alias": ["--vdev", options], "devargs": []}[by]
    if by == "devargs":
        rig.ports = {port: {"devargs": "tx_pcap=user.pcap"}}
    plain = rig.eal_arguments
    rig.eal_arguments = lambda: plain() + eal
    refused(rig, rig.folder, f"port {port}: user.pcap is the file that net_pcap0 reads")


def test_files_that_may_be_shared(rig, capture):
    """One capture for two taps, and a device for any number of outputs."""
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture))
    rig.tap("b", port=rig.vdev("net_pcap", rx_pcap=capture))
    rig.output("x", "a", "b", port=rig.vdev("net_pcap", tx_pcap="/dev/null"))
    rig.output("y", "a", port=rig.vdev("net_pcap", tx_pcap="/dev/null"))
    result = rig.run()
    assert result.output("x")["tx_packets"] == 2 * len(fr.read_pcap(capture))


def test_a_reload_cannot_destroy_a_capture(reload_rig, capture):
    rig = reload_rig
    sent = fr.read_pcap(capture)
    out = rig.path("out.pcap")
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture))
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=out))
    with rig.start() as running:
        running.wait_sent("x", len(sent))
        for args, said in ((f"tx_pcap={capture}", "net_pcap0 reads"),
                           (f"tx_pcap={out}", "net_pcap1 writes"),
                           (f"rx_pcap={out}", "net_pcap1 writes"),
                           ("rx_pcap=nosuch.pcap", "nosuch.pcap cannot be read: No such file")):
            rig.ports = {"net_pcap9": {"devargs": args}}
            rig.outputs["y"] = {"port": "net_pcap9", "from": ["a"]}
            for answer in (running.dry_run(ok=False), running.reload(ok=False)):
                assert any(said in one for one in answer["findings"]), answer
        del rig.outputs["y"]
        rig.ports = {}
        running.reload()
        running.stop()
    assert fr.read_pcap(capture) == sent == fr.read_pcap(out)


# Files that are no captures of Ethernet

@pytest.mark.parametrize("link, name", [
    ("linux-sll", "LINUX_SLL"), ("rawip", "RAW"), ("ppp", "PPP"), ("ieee-802-11", "IEEE802_11")])
@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_another_link_type(rig, capture, link, name, kind):
    """As Wireshark's editcap writes it."""
    path = rig.folder / "in.pcap"
    subprocess.run(["editcap", "-F", kind, "-T", link, capture, path], check=True)
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=path.name))
    rig.output("x", "a")
    refused(rig, rig.folder, f"port net_pcap0: in.pcap has link type {name}, not Ethernet")


@pytest.mark.parametrize("prepare, said", [
    (lambda path: None, "in.pcap cannot be read: No such file or directory"),
    (lambda path: path.write_bytes(b""), "in.pcap is no capture: "),
    (lambda path: path.write_bytes(bytes(23)), "in.pcap is no capture: "),
    (lambda path: path.write_text("GET / HTTP/1.1\r\n\r\n" * 9), "in.pcap is no capture: "),
    (lambda path: path.mkdir(), "in.pcap cannot be read: Is a directory"),
    (lambda path: path.symlink_to("in.pcap"), "in.pcap cannot be read: Too many levels"),
])
def test_an_input_that_is_no_capture(rig, prepare, said):
    prepare(rig.folder / "in.pcap")
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="in.pcap"))
    rig.output("x", "a")
    refused(rig, rig.folder, f"port net_pcap0: {said}")


@pytest.mark.parametrize("path, said", [
    ("nosuch/out.pcap", "No such file or directory"), (".", "Is a directory"),
    ("user.pcap/out.pcap", "Not a directory"), ("n" * 300, "File name too long")])
def test_an_output_that_cannot_be_made(rig, capture, path, said):
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=capture))
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap=path))
    refused(rig, rig.folder, f"port net_pcap1: {path} cannot be written: {said}")


def test_all_mistakes_at_once(rig, capture):
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="nosuch1"))
    rig.tap("b", port=rig.vdev("net_pcap", rx_pcap="nosuch2"))
    rig.output("x", "a", "b", port=rig.vdev("net_pcap", tx_pcap="nosuch3/x"))
    refused(rig, rig.folder, "nosuch1", "nosuch2", "nosuch3")


# Captures that break off

def offsets(sent):
    """Where each record begins, and the end."""
    at = [HEADER]
    for frame in sent:
        at.append(at[-1] + RECORD + len(frame))
    return at


def told(done, path, number):
    """Both while it ran and at the end."""
    lines = [line for line in done.stderr.splitlines()
             if f"{path}: " in line and f"record {number} cannot be read" in line]
    assert len(lines) == 2 and "warning" in lines[0] and "warning" not in lines[1], done.stderr


BREAKS = {
    "in a header": lambda data, at: data[:at + 5],
    "behind a header": lambda data, at: data[:at + RECORD],
    "in a frame": lambda data, at: data[:at + RECORD + 9],
    "a length": lambda data, at: data[:at + 8] + b"\xff\xff\xff\x7f" + data[at + 12:],
    "garbage": lambda data, at: data[:at] + b"\xee" * 64 + data[at:],
}


@pytest.mark.parametrize("infinite", [False, True])
@pytest.mark.parametrize("how", BREAKS)
def test_a_capture_that_is_broken(rig, how, infinite):
    """Nothing behind that place is forwarded, although frames follow that could be read."""
    sent = fr.small_corpus(161, count=60)
    path, bad = rig.folder / "in.pcap", 40
    fr.write_pcap(path, sent)
    path.write_bytes(BREAKS[how](path.read_bytes(), offsets(sent)[bad]))
    arguments = {"infinite_rx": 1} if infinite else {}
    rig.whole_files = False
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="in.pcap", **arguments))
    port = rig.output("x", "a")
    if infinite:
        def play(running):
            running.wait_sent("x", 3 * bad)
            running.wait_for(lambda: "warning" in running.texts()[1], "a warning")
        done = run_until_stopped(rig, play)
    else:
        done = run(rig)
    assert done.returncode == 1, done.stderr
    told(done, "in.pcap", bad + 1)
    got = fr.read_pcap(rig.written[port])
    assert got == (sent[:bad] * (len(got) // bad + 1))[:len(got)]
    assert infinite or len(got) == bad


def test_a_capture_that_is_broken_at_once(rig):
    path = rig.folder / "in.pcap"
    fr.write_pcap(path, [])
    path.write_bytes(path.read_bytes() + b"\0")
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="in.pcap"))
    port = rig.output("x", "a")
    done = run(rig)
    assert done.returncode == 1, done.stderr
    told(done, "in.pcap", 1)
    assert not fr.read_pcap(rig.written[port])


def test_a_pcapng_with_two_link_types(rig, capture):
    """What libpcap cannot go on with; mergecap makes such files."""
    sent = fr.read_pcap(capture)
    other, path = rig.folder / "sll.pcap", rig.folder / "in.pcapng"
    subprocess.run(["editcap", "-F", "pcap", "-T", "linux-sll", capture, other], check=True)
    subprocess.run(["mergecap", "-a", "-F", "pcapng", "-w", path, capture, other], check=True)
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap=path.name))
    port = rig.output("x", "a")
    done = run(rig)
    if done.returncode == 2:  # both interfaces are described before the first record
        assert "in.pcapng is no capture: " in done.stderr
        return
    assert done.returncode == 1, done.stderr
    assert fr.read_pcap(rig.written[port]) == sent[:len(fr.read_pcap(rig.written[port]))]


def feed(path, data):
    """Write into a named pipe, in the background."""
    def write():
        with open(path, "wb") as pipe:
            pipe.write(data)
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def test_a_pipe_that_breaks_off(rig):
    sent = fr.small_corpus(162, count=60)
    path = rig.folder / "whole.pcap"
    fr.write_pcap(path, sent)
    os.mkfifo(rig.folder / "in.pipe")
    writer = feed(rig.folder / "in.pipe", path.read_bytes()[:offsets(sent)[30] + RECORD + 3])
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="in.pipe"))
    port = rig.output("x", "a")
    done = run(rig)
    writer.join(RUN_TIMEOUT)
    assert done.returncode == 1, done.stderr
    told(done, "in.pipe", 31)
    assert fr.read_pcap(rig.written[port]) == sent[:30]


def test_a_pipe_of_another_link_type(rig, capture):
    other = rig.folder / "sll.pcap"
    subprocess.run(["editcap", "-F", "pcap", "-T", "linux-sll", capture, other], check=True)
    os.mkfifo(rig.folder / "in.pipe")
    writer = feed(rig.folder / "in.pipe", other.read_bytes()[:4096])
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="in.pipe"))
    rig.output("x", "a")
    done = run(rig)
    writer.join(RUN_TIMEOUT)
    assert done.returncode != 0
    assert "it has link type LINUX_SLL, not Ethernet" in done.stderr, done.stderr


# Outputs that cannot be written

def not_whole(rig, done, name, out, sent, written, reason):
    """What must be told and counted when a file has not become whole."""
    n_lost = len(sent) - written
    assert done.returncode == 1, done.stderr
    assert f"{out}: warning: cannot be written behind its record {written}" in done.stderr
    assert (f"{out}: is not complete: {written} frames were written, {n_lost} were not ({reason})"
            in done.stderr), done.stderr
    stats = json.loads(rig.path("stats.json").read_text())["outputs"][name]
    assert (stats["tx_packets"], stats["tx_errors"]) == (len(sent), n_lost)


@pytest.mark.parametrize("n_lcores", [1, 3])
def test_a_full_disk(rig, n_lcores):
    """The file ends with the last frame that is whole in it; the other output gets all."""
    sent = fr.small_corpus(163, count=2000)
    rig.n_lcores = n_lcores
    rig.tap("a", sent)
    disk = rig.folder / "disk"
    disk.mkdir()
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap="disk/out.pcap"))
    other = rig.output("y", "a")
    script = 'mount -t tmpfs -o size=64k tmpfs disk && "$@"; s=$?; cp disk/out.pcap kept.pcap; ' \
             'exit $s'
    done = run(rig, prefix=["unshare", "-m", "sh", "-c", script, "sh"])
    got = fr.read_pcap(rig.folder / "kept.pcap")
    assert 0 < len(got) < len(sent) and got == sent[:len(got)]
    not_whole(rig, done, "x", "disk/out.pcap", sent, len(got), "No space left on device")
    assert fr.read_pcap(rig.written[other]) == sent


def test_a_file_that_may_not_grow(rig):
    """As a full disk: no signal ends the process."""
    sent = fr.small_corpus(164, count=500)
    path, pipe = rig.folder / "whole.pcap", rig.folder / "in.pipe"
    fr.write_pcap(path, sent)
    data = path.read_bytes()
    os.mkfifo(pipe)
    rig.tap("a", port=rig.vdev("net_pcap", rx_pcap="in.pipe"))
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap="out.pcap"))

    with open(pipe, "r+b", buffering=0) as stream:
        stream.write(data[:HEADER])  # the port waits for it

        def play(running):
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (100000, -1))
            stream.write(data[HEADER:])
            stream.close()
            running.wait_sent("x", len(sent))
            running.wait_for(lambda: "warning" in running.texts()[1], "a warning")
            # the statistics are a file, too
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        done = run_until_stopped(rig, play)
    got = fr.read_pcap(rig.folder / "out.pcap")
    assert 0 < len(got) < len(sent) and got == sent[:len(got)]
    not_whole(rig, done, "x", "out.pcap", sent, len(got), "File too large")


def test_a_device_that_is_full(rig):
    sent = fr.small_corpus(165, count=100)
    rig.tap("a", sent)
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap="/dev/full"))
    not_whole(rig, run(rig), "x", "/dev/full", sent, 0, "No space left on device")


def test_a_reader_that_goes(rig):
    """An output into a pipe whose reader ends: what it does not get is counted."""
    sent = fr.small_corpus(166, count=500)
    pipe = rig.folder / "out.pipe"
    os.mkfifo(pipe)
    rig.tap("a", sent)
    rig.output("x", "a", port=rig.vdev("net_pcap", tx_pcap="out.pipe"))

    def read_some():
        with open(pipe, "rb", buffering=0) as stream:
            stream.read(HEADER)
    reader = threading.Thread(target=read_some, daemon=True)
    reader.start()
    done = run(rig)
    reader.join(RUN_TIMEOUT)
    assert done.returncode == 1 and "out.pipe: is not complete: " in done.stderr
    assert "Broken pipe" in done.stderr
    assert json.loads(rig.path("stats.json").read_text())["outputs"]["x"]["tx_errors"] > 0


def test_the_header_is_there_at_once(rig):
    """An output that gets nothing is a capture without records, not an empty file."""
    rig.tap("a", [], filter="tcp")
    port = rig.output("x", "a")
    assert run(rig).returncode == 0
    data = rig.written[port].read_bytes()
    assert len(data) == HEADER and struct.unpack("<I", data[:4])[0] == 0xA1B23C4D
