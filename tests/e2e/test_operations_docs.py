#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/operations.md says what is so: its commands take these options, its files are installed
there, its sums are those of the program; and the links of all pages lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

import frames as fr
import pages
from fluxcap import BUILD, REPOSITORY, fluxcap

sys.path[:0] = [str(REPOSITORY / "scripts"), str(REPOSITORY / "tests" / "host")]

from fluxcap_host import broker, hugepages, state  # noqa: E402
from machine import Machine  # noqa: E402

PAGE = pages.Page(pages.DOCS / "operations.md")
PAGES = [pages.Page(path) for path in (REPOSITORY / "README.md", *sorted(pages.DOCS.glob("*.md")))]
EXAMPLE = REPOSITORY / "config" / "replicate.json"
TIMEOUT = 120  # seconds
MIB = 1 << 20


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What meson installs, below a root of its own."""
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root],
                   capture_output=True, check=True, timeout=TIMEOUT)
    (bin_folder,) = {path.parent for path in root.rglob("fluxcap-run")}
    return bin_folder.parent


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return done.stdout + done.stderr


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_links_lead_somewhere(page):
    links = [link for link in page.links() if not re.match(r"https?:", link)]
    for link in links:
        file, _, anchor = link.partition("#")
        target = page.path.parent / file if file else page.path
        assert target.exists(), link
        if anchor:
            assert anchor in pages.Page(target).anchors(), link


def test_each_page_is_in_the_readme():
    named = {link for link in PAGES[0].links() if link.startswith("docs/")}
    assert {f"docs/{path.name}" for path in pages.DOCS.glob("*.md")} <= named


# Commands and files


def test_what_is_installed(installed):
    """All that the table names is there, and it names all programs, units and manual pages."""
    named = [span for row in PAGE.table("below `/usr/local`")
             for span in re.findall(r"`([^`]+)`", row[0])]
    assert len(named) > 8
    for name in named:
        path = installed / name
        assert path.is_dir() if name.endswith("/") else path.is_file(), name
    for folder in ("bin", "lib/systemd/system"):
        assert {f"{folder}/{path.name}" for path in (installed / folder).iterdir()} <= set(named)
    manuals = {path.stem for path in (installed / "share/man").rglob("*.[0-9]")}
    assert manuals == set(re.findall(r"`man ([\w-]+)`", PAGE.text))


OURS = {"fluxcap", "fluxcap-ctl", "fluxcap-host", "fluxcap-run", "fluxcap-exporter"}


def words_of_commands():
    """Of each of our commands on the operator's pages: its program and its words."""
    texts = [(page.path.name, text) for page in PAGES if page.path.name in (
        "operations.md", "troubleshooting.md", "watching.md", "README.md")
        for text in [*page.commands(), *page.spans()]]
    for name, text in texts:
        if not re.match(r"(?:sudo )?(?:scripts/)?fluxcap(?:-\w+)? ", text) or "'" in text:
            continue
        for part in re.split(r"&&|\|", text):
            words = shlex.split(part)
            words = words[1:] if words[:1] == ["sudo"] else words
            if words and words[0].removeprefix("scripts/") in OURS:
                program = words[0].removeprefix("scripts/")
                yield pytest.param(program, words[1:], id=f"{name}: {part}")


@pytest.mark.parametrize("program, words", words_of_commands())
def test_our_programs_take_such_words(installed, program, words):
    """Their options are in their --help, and so are their commands."""
    helps = run(installed / "bin" / program, "--help")
    if program == "fluxcap-host" and words:
        helps += run(installed / "bin" / program, words[0], "--help")
    # What stands before "--" is EAL's.
    for word in words[words.index("--") + 1 if "--" in words else 0:]:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", helps), word
    if program in ("fluxcap-ctl", "fluxcap-host"):
        options_with_value = ("-f", "--eal-args", "--timeout")
        commands = [word for before, word in zip(["", *words], words)
                    if not word.startswith("-") and before not in options_with_value]
        if commands and commands[0] not in ("...",):
            assert re.search(rf"\b{commands[0]}\b", helps), commands


def test_programs_of_packages_are_in_the_packages_that_it_names():
    for program in ("dpdk-telemetry.py", "dpdk-dumpcap"):
        assert any(program in line for line in PAGE.text.splitlines() if "install dpdk-dev" in line)
        assert run("dpkg", "-S", shutil.which(program)).split(":")[0] == "dpdk-dev"
    listed = (REPOSITORY / "scripts" / "packages").read_text()
    assert re.search(r"^test +dpdk-dev ", listed, re.M)


def test_the_eal_args_are_taken(installed, tmp_path):
    lines = re.findall(r"^    (--\S+ +#.*)$", PAGE.text, re.M)
    assert [line.split("=")[0] for line in lines] == ["--lcores", "--file-prefix"]
    (tmp_path / "eal.args").write_text("\n".join(lines))
    text = run(installed / "bin" / "fluxcap-run", "-n", tmp_path / "eal.args",
               installed / "share/fluxcap/examples/replicate.json")
    assert "--lcores=0-1 --file-prefix=fluxcap -a 0000:" in text
    # What is shipped says the same, fits a box of two CPUs, and takes memory as it is needed.
    shipped = run(installed / "bin" / "fluxcap-run", "-n",
                  installed / "share/fluxcap/examples/eal.args",
                  installed / "share/fluxcap/examples/replicate.json")
    assert shipped == text


@pytest.mark.parametrize("message", PAGE.messages())
def test_somebody_says_each_message(message):
    assert pages.who_says(message) == "fluxcap"


@pytest.mark.parametrize("name", sorted(PAGE.names() - {"net_af_packet"}))
def test_each_counter_and_key_is_one(name):
    assert name in pages.known_names()


# Sizes


def check(path):
    """As it is on a machine that has no such NICs."""
    done = fluxcap("--check", path)
    assert done.returncode == 0, done.stderr
    return re.sub(r"NUMA node \d+", "NUMA node any", done.stdout)


def test_the_example_of_the_sum():
    """When the plan changes: it is what `fluxcap --check config/replicate.json` prints."""
    assert PAGE.after("fluxcap --check replicate.json") == check(EXAMPLE)


def test_the_example_of_the_readme(tmp_path):
    (text,) = re.findall(r"^echo '(\{.*?)' >broker.json$", PAGES[0].text, re.M | re.S)
    (tmp_path / "broker.json").write_text(text)
    shown = re.search(r"says beforehand[^`]*?\n\n((?:    .*\n)+)", PAGES[0].text).group(1)
    assert re.sub("^    ", "", shown, flags=re.M) == check(tmp_path / "broker.json")


def test_what_the_sum_is_made_of():
    pool = re.search(
        r"tap uplink: pool of (\d+) buffers \((\d+) ring \+ (\d+) ports \+ (\d+) lcores\) "
        r"of (\d+) bytes = ([\d.]+) MiB", check(EXAMPLE))
    total, ring, ports, lcores, size = map(int, pool.groups()[:5])
    assert total == ring + ports + lcores and ring == 256 * MIB // size
    (row,) = [row[1] for row in PAGE.table("line") if row[0] == "`tap uplink`"]
    assert re.findall(r"\d+", row) == [str(number) for number in (
        size, ring, ports, 1024, 1024, lcores)]
    assert ports == 1024 + 3 * 1024
    assert float(pool.group(6)) == pytest.approx(total * size / MIB, rel=0.02)


def test_more_lcores_take_more():
    sums = [float(re.search(r"^sum: ([\d.]+) MiB", fluxcap("--check", EXAMPLE, *options).stdout,
                            re.M).group(1))
            for options in ([], ["--assume-lcores", "1-3"])]
    assert sums[0] < sums[1]
    assert "--assume-lcores 1-3" in PAGE.text


def test_hugepages_of_the_example(tmp_path):
    """As fluxcap-host reserves them, on a machine of files."""
    machine = Machine(tmp_path)
    plan = broker.read_plan(str(BUILD / "app" / "fluxcap"), str(EXAMPLE), [1])
    needs = hugepages.needs(machine, plan, {}, [])
    hugepages.reserve(machine, state.State(machine, "/run/state.json"), 0, needs[0])
    stated = re.search(r"Here that are (\d+) pages", PAGE.sentences()).group(1)
    assert machine.page_counts(0)[0] == int(stated)
    assert (hugepages.MARGIN, hugepages.MARGIN_OF_EACH) == (64 * MIB, MIB)


GAP = 20  # bytes of preamble and gap between two frames on the wire


def packets_per_second(link, frame):
    return int(link.split()[0]) * 1e9 / 8 / (frame + GAP)


@pytest.mark.parametrize("row", PAGE.table("link", "frames of 64 bytes"), ids=lambda row: row[0])
def test_rings_at_line_rate(row):
    buffer = int(re.search(r"buffers = ring / (\d+)", PAGE.text).group(1))
    assert f"of {buffer} bytes" in check(EXAMPLE)
    for frame, cell in zip((64, 512, 1518), row[1:], strict=True):
        number, unit = cell.split()
        size = packets_per_second(row[0], frame) * 0.1 * buffer
        exact = size / {"MiB": MIB, "GiB": 1024 * MIB}[unit]
        assert abs(float(number) - exact) <= (0.5 if unit == "MiB" else 0.05)


@pytest.mark.parametrize("row", PAGE.table("link", "1024 frames of 64 bytes"),
                         ids=lambda row: row[0])
def test_descriptors_at_line_rate(row):
    for frame, cell in zip((64, 1518), row[1:], strict=True):
        exact = 1024 / packets_per_second(row[0], frame) * 1e6
        assert abs(float(cell.removesuffix(" µs").replace(",", "")) - exact) <= 0.5


def test_what_256_mib_hold():
    buffers = 256 * MIB // 2368
    found = re.search(r"256 MiB hold (\d+) MiB of frames of 1,518 bytes, "
                      r"but (\d+) MiB of frames of 64", PAGE.sentences())
    assert [int(number) for number in found.groups()] == [
        round(buffers * frame / MIB) for frame in (1518, 64)]


@pytest.mark.parametrize("length", [64, 1500])
def test_a_packet_takes_a_buffer_however_short_it_is(rig, length):
    """A ring of 1 MiB holds as many short frames as long ones."""
    sent = [frame.ljust(length, b"\0") for frame in fr.numbered(4000)]
    rig.lcores = {"idle_us": 200}
    rig.tap("a", sent, ring="1m")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    with rig.start() as running:
        running.wait_for(lambda: running.tap("a")["forwarded"] == len(sent), "all frames")
        waiting = running.wait_for(lambda: running.feed("a", "stuck"), "feed")
        held = MIB // 2368
        # What is lost is lost by whole bursts of 32.
        assert held - 2 * 32 <= waiting["queued"] <= held
        assert running.tap("a")["ring_buffers"] == held
