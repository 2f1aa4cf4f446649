#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fluxcap-run: which command it makes of an EAL args file and a configuration, and what it refuses."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FLUXCAP_RUN = REPOSITORY / "scripts" / "fluxcap-run"
BUILD = Path(os.environ.get("FLUXCAP_BUILD", REPOSITORY / "build")).resolve()
TRAFFIC = REPOSITORY / "tests" / "data" / "traffic.pcap"
TIMEOUT = 90

# Takes the configuration for its own dump, which it may be, and tells how it was called.
FAKE = """#!/usr/bin/python3
import json, sys
if sys.argv[1] == "--dump":
    sys.stdout.write(open(sys.argv[2]).read())
    sys.exit(0)
print(json.dumps(sys.argv[1:]))
sys.exit(7)
"""
REFUSING = """#!/bin/sh
echo "config.json: taps.a.prot: unknown key, did you mean 'port'?" >&2
exit 2
"""
FAKE_STATUS = 7


class Launcher:
    def __init__(self, folder):
        self.folder = folder
        self.args_file = folder / "eal.args"
        self.config = folder / "config.json"
        self.fluxcap = self.program("fluxcap", FAKE)
        self.args("")
        self.ports(["net_null0"], ["net_null1"])
        self.args_file.write_text("--vdev net_null0 --vdev net_null1\n")

    def program(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def args(self, text):
        self.args_file.write_text(text)

    def ports(self, taps, outputs, **settings):
        names = [f"t{n}" for n in range(len(taps))]
        self.config.write_text(json.dumps({
            "taps": {name: {"port": port} for name, port in zip(names, taps)},
            "outputs": {f"o{n}": {"port": port, "from": names}
                        for n, port in enumerate(outputs)},
            "ports": settings}))

    def run(self, *arguments, environment=None):
        return subprocess.run(
            [FLUXCAP_RUN, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=TIMEOUT, check=False,
            env={**os.environ, "FLUXCAP": str(self.fluxcap), **(environment or {})})

    def argv(self, *more):
        """What fluxcap got."""
        run = self.run(self.args_file, self.config, *more)
        assert run.stderr == ""
        assert run.returncode == FAKE_STATUS  # it is fluxcap's own, so fluxcap was executed
        return json.loads(run.stdout)

    def eal(self, *more):
        """EAL's part of what fluxcap got."""
        argv = self.argv(*more)
        return argv[:argv.index("--")]

    def refusal(self):
        run = self.run(self.args_file, self.config)
        assert run.returncode == 2
        assert run.stdout == ""
        assert run.stderr.startswith("fluxcap-run: ")
        return run.stderr


@pytest.fixture
def launcher(tmp_path):
    return Launcher(tmp_path)


def test_pci_ports_are_allowed_once_each_in_their_order(launcher):
    launcher.ports(["0000:03:00.1", "0000:03:00.0"], ["0000:04:00.0", "0000:03:00.1"])
    launcher.args("-l 0-3\n")
    assert launcher.argv() == [
        "-l", "0-3", "-a", "0000:03:00.1", "-a", "0000:03:00.0", "-a", "0000:04:00.0",
        "--", "-c", str(launcher.config)]


def test_no_pci_when_no_port_is_one(launcher):
    assert launcher.eal() == ["--vdev", "net_null0", "--vdev", "net_null1", "--no-pci"]


def test_vdev_and_pci_ports_together(launcher):
    launcher.ports(["0000:03:00.0"], ["net_null1"])
    launcher.args("--vdev=net_null1,size=1500")
    assert launcher.eal() == ["--vdev=net_null1,size=1500", "-a", "0000:03:00.0"]


def test_further_options_follow_the_configuration(launcher):
    argv = launcher.argv("--", "--exit-when-idle", "300", "--stats-on-exit", "a b.json")
    assert argv[argv.index("--"):] == [
        "--", "-c", str(launcher.config), "--exit-when-idle", "300", "--stats-on-exit", "a b.json"]


@pytest.mark.parametrize("text, words", [
    ("", []),
    ("# only a comment\n\n   \n", []),
    ("-l 0-3   # a comment\n--log-level=*:info\n", ["-l", "0-3", "--log-level=*:info"]),
    ("--file-prefix 'two words'", ["--file-prefix", "two words"]),
    ('--huge-dir="/mnt/a b"', ["--huge-dir=/mnt/a b"]),
    (r"--huge-dir=/mnt/a\ b", ["--huge-dir=/mnt/a b"]),
    (r'"a \" b" "c \d" ' + r"'e \f'", ['a " b', r"c \d", r"e \f"]),
    ("a#b 'c # d' e#", ["a#b", "c # d", "e#"]),
    ("'' \"\"", ["", ""]),
    ("$HOME `id` $(id) * ~ a;b a|b a&b >x", ["$HOME", "`id`", "$(id)", "*", "~", "a;b", "a|b",
                                             "a&b", ">x"]),
])
def test_words_of_the_args_file(launcher, text, words):
    launcher.ports(["0000:03:00.0"], ["0000:03:00.0"])
    launcher.args(text)
    assert launcher.eal() == [*words, "-a", "0000:03:00.0"]


@pytest.mark.parametrize("text, message", [
    ("-l 0\n--file-prefix 'a\n", "eal.args:2: the quote ' is not closed"),
    ('"', 'eal.args:1: the quote " is not closed'),
    ("-l 0 \\\n", "eal.args:1: ends in a backslash"),
    ("-l 0\n-- -c other.json\n", "eal.args:2: '--' does not belong here"),
    ("-l 0\n--vdev\n", "eal.args:2: --vdev has no value"),
    ("-l \0", "eal.args:1: holds a NUL character"),
])
def test_mistakes_in_the_args_file_are_named_with_their_line(launcher, text, message):
    launcher.args(text)
    assert message in launcher.refusal()


@pytest.mark.parametrize("allow", [
    "-a 0000:03:00.0,rxq_cqe_comp_en=0", "--allow=0000:03:00.0,rxq_cqe_comp_en=0",
    "--allow 03:00.0", "-a03:00.0", "-a pci:0000:03:00.0"])
def test_an_allowed_port_keeps_its_device_arguments(launcher, allow):
    launcher.ports(["0000:03:00.0"], ["0000:04:00.0"])
    launcher.args(allow)
    assert launcher.eal() == [*allow.split(), "-a", "0000:04:00.0"]


@pytest.mark.parametrize("text, message", [
    ("-a 0000:05:00.0", "-a 0000:05:00.0: no tap and no output"),
    ("--allow=05:00.0", "-a 05:00.0: no tap and no output"),
    ("-a 0000:03:00.0 -a 03:00.0", "0000:03:00.0 is allowed twice"),
    ("-b 0000:03:00.0", "-b 0000:03:00.0: leave it out"),
    ("--block=0000:05:00.0", "-b 0000:05:00.0: leave it out"),
    ("--no-pci", "uses the PCI port 0000:03:00.0"),
])
def test_device_options_that_contradict_the_configuration(launcher, text, message):
    launcher.ports(["0000:03:00.0"], ["0000:04:00.0"])
    launcher.args("-l 0-3\n" + text)
    refusal = launcher.refusal()
    assert message in refusal
    assert "eal.args:2: " in refusal


def test_no_pci_in_the_file_is_not_repeated(launcher):
    launcher.args("--no-pci --vdev net_null0 --vdev net_null1")
    assert launcher.eal().count("--no-pci") == 1


def test_allowing_a_pci_port_when_none_is_configured(launcher):
    launcher.args("--vdev net_null0 --vdev net_null1 -a 0000:03:00.0")
    assert "-a 0000:03:00.0: no tap and no output" in launcher.refusal()


def test_a_vdev_that_nothing_creates(launcher):
    launcher.ports(["net_pcap0"], ["net_pcap1"])
    launcher.args("--vdev net_pcap0,rx_pcap=in.pcap --vdev net_pcap10,tx_pcap=out.pcap")
    refusal = launcher.refusal()
    assert "nothing creates the port net_pcap1 " in refusal
    assert "it creates: net_pcap0, net_pcap10" in refusal


def test_a_vdev_that_fluxcap_makes_by_itself(launcher):
    launcher.ports(["net_pcap0"], ["virtio_user0", "0000:03:00.0"], **{
        "net_pcap0": {"devargs": "rx_pcap=in.pcap"}, "virtio_user0": {"devargs": ""},
        "0000:03:00.0": {"devargs": "rxq_cqe_comp_en=0"}})
    launcher.args("-l 0-3\n")
    assert launcher.eal() == ["-l", "0-3", "-a", "0000:03:00.0,rxq_cqe_comp_en=0"]


def test_an_interface_of_the_kernel(launcher):
    launcher.ports(["lo"], ["net_null1"])
    refusal = launcher.refusal()
    assert "the port lo is an interface of the kernel" in refusal
    assert "'--vdev net_af_packet0,iface=lo'" in refusal
    assert '"ports": { "net_af_packet0": { "devargs": "iface=lo" } }' in refusal


def test_dry_run_prints_a_command_that_a_shell_takes(launcher):
    launcher.args("--file-prefix 'two words' --vdev net_null0 --vdev net_null1")
    for option in "-n", "--dry-run":
        run = launcher.run(option, launcher.args_file, launcher.config, "--", "--stats-on-exit", "-")
        assert run.returncode == 0
        assert shlex.split(run.stdout) == [
            str(launcher.fluxcap), "--file-prefix", "two words", "--vdev", "net_null0", "--vdev",
            "net_null1", "--no-pci", "--", "-c", str(launcher.config), "--stats-on-exit", "-"]


def test_a_refused_configuration_is_not_started(launcher):
    launcher.fluxcap = launcher.program("refusing", REFUSING)
    run = launcher.run(launcher.args_file, launcher.config)
    assert run.returncode == 2
    assert "taps.a.prot: unknown key" in run.stderr
    assert "refused the configuration (exit status 2)" in run.stderr


def test_a_program_that_is_not_fluxcap(launcher):
    launcher.fluxcap = launcher.program("other", "#!/bin/sh\necho hello\n")
    assert "is it fluxcap?" in launcher.refusal()


def test_files_that_are_not_there(launcher):
    missing = launcher.folder / "missing"
    run = launcher.run(missing, launcher.config)
    assert (run.returncode, run.stderr) == (
        2, f"fluxcap-run: {missing}: No such file or directory\n")
    run = launcher.run(launcher.args_file, missing)
    assert run.returncode == 2
    assert f"fluxcap-run: {missing}: No such file" in run.stderr
    run = launcher.run(launcher.args_file, launcher.config,
                       environment={"FLUXCAP": str(missing)})
    assert (run.returncode, run.stderr) == (
        2, f"fluxcap-run: FLUXCAP={missing}: no such program\n")


@pytest.mark.parametrize("arguments", [[], ["only-one"], ["a", "b", "c"], ["--unknown", "a", "b"],
                                       ["--dry", "a", "b"]])
def test_usage(launcher, arguments):
    run = launcher.run(*arguments)
    assert run.returncode == 2
    assert "usage: fluxcap-run " in run.stderr


def test_fluxcap_is_found_beside_it_in_the_build_and_in_path(launcher, tmp_path):
    """The installed layout, the source tree's, and PATH, in this order."""
    tree = tmp_path / "tree"
    for folder in "bin", "build/app", "path":
        (tree / folder).mkdir(parents=True)
    script = tree / "bin" / "fluxcap-run"
    script.write_text(FLUXCAP_RUN.read_text())
    script.chmod(0o755)
    places = [tree / "bin/fluxcap", tree / "build/app/fluxcap", tree / "path/fluxcap"]
    for place in places:
        place.write_text(FAKE)
        place.chmod(0o755)
    environment = {"PATH": f"{tree}/path:{os.environ['PATH']}"}
    for place in places:
        run = subprocess.run(
            [script, "-n", launcher.args_file, launcher.config], stdout=subprocess.PIPE, text=True,
            timeout=TIMEOUT, check=True, env=environment)
        assert shlex.split(run.stdout)[0] == str(place)
        place.unlink()
    run = subprocess.run([script, "-n", launcher.args_file, launcher.config], text=True,
                         stderr=subprocess.PIPE, timeout=TIMEOUT, check=False, env=environment)
    assert run.returncode == 2
    assert "fluxcap is neither beside fluxcap-run" in run.stderr


def test_the_real_fluxcap_copies_a_capture(launcher):
    """The launcher and the binary together: what one dumps is what the other reads."""
    launcher.fluxcap = BUILD / "app" / "fluxcap"
    if not launcher.fluxcap.is_file():
        pytest.fail(f"{launcher.fluxcap} is missing: build it, or set FLUXCAP_BUILD")
    copy = launcher.folder / "copy.pcap"
    prefix = f"fc-run-{os.getpid()}"
    launcher.ports(["net_pcap0"], ["net_pcap1"])
    launcher.args(f"""
        --no-huge -m 512 -l 0
        --file-prefix {prefix}
        --vdev 'net_pcap0,rx_pcap={TRAFFIC}'
        --vdev 'net_pcap1,tx_pcap={copy}'
        """)
    stats = launcher.folder / "stats.json"
    run = launcher.run(launcher.args_file, launcher.config, "--", "--exit-when-idle", "300",
                       "--stats-on-exit", stats)
    shutil.rmtree(Path("/var/run/dpdk") / prefix, ignore_errors=True)
    assert run.returncode == 0, run.stderr
    hexdump = ["tcpdump", "-t", "-n", "-xx", "-r"]
    sent, received = (
        subprocess.run([*hexdump, file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                       timeout=TIMEOUT, check=True).stdout for file in (TRAFFIC, copy))
    assert sent
    assert sent == received
    counters = json.loads(stats.read_text())
    assert counters["outputs"]["o0"]["tx_packets"] == counters["taps"]["t0"]["rx_packets"] > 0


@pytest.mark.parametrize("script", ["quickstart", "test"])
def test_scripts_that_take_no_option_say_so(script):
    run = subprocess.run([REPOSITORY / "scripts" / script, "--fast"], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert run.returncode != 0
    assert run.stdout == ""
    assert run.stderr.startswith(f"{script}: takes no option")


def tally(kind, path):
    return subprocess.run([REPOSITORY / "scripts" / "lib" / "tally", kind, path], text=True,
                          capture_output=True, timeout=TIMEOUT, check=True).stdout.split()


@pytest.mark.parametrize("test, counts", [
    ({"result": "OK"}, ["1", "0", "0"]),
    ({"result": "SKIP"}, ["0", "0", "1"]),
    ({"result": "FAIL"}, ["0", "1", "0"]),
    ({"result": "TIMEOUT", "stderr": "[  PASSED  ] 3 test(s).\n"}, ["3", "1", "0"]),
    ({"result": "OK", "stderr": "[  PASSED  ] 3 test(s).\n[  PASSED  ] 2 test(s).\n"},
     ["5", "0", "0"]),
    ({"result": "FAIL", "stderr": "[  PASSED  ] 1 test(s).\n"
      "[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] c\n\n 1 SKIPPED TEST(S)\n"
      "[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] b\n[  FAILED  ] d\n"}, ["1", "2", "1"]),
    ({"result": "OK", "stdout": "....\n4 passed, 1 skipped in 0.10s\n"}, ["4", "0", "1"]),
    ({"result": "FAIL", "stdout": "1 failed, 3 passed in 0.10s\n"}, ["3", "1", "0"]),
])
def test_tally_counts_what_ran_inside_a_meson_test(tmp_path, test, counts):
    log = tmp_path / "testlog.json"
    log.write_text(json.dumps(test) + "\n" + json.dumps({"result": "OK"}) + "\n")
    passed, failed, skipped = tally("meson", log)
    assert [str(int(passed) - 1), failed, skipped] == counts


def test_tally_counts_a_junit_report(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text("""<testsuites><testsuite>
        <testcase name="a"/><testcase name="b"/>
        <testcase name="c"><failure/></testcase><testcase name="d"><error/></testcase>
        <testcase name="e"><skipped/></testcase></testsuite></testsuites>""")
    assert tally("junit", report) == ["2", "2", "1"]


@pytest.mark.parametrize("kind, text", [
    ("meson", None), ("junit", None), ("meson", "{"), ("junit", "<a>"), ("meson", "{}")])
def test_tally_takes_a_report_that_it_cannot_read_for_a_failure(tmp_path, kind, text):
    report = tmp_path / "report"
    if text is not None:
        report.write_text(text)
    assert tally(kind, report) == ["0", "1", "0"]
