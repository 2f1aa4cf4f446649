#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is shipped for Prometheus, Grafana and Telegraf: a real Prometheus watches a real fluxcap.

It runs with the shipped configuration and rules, only 20 times faster: 5 minutes are 15 seconds.
"""

import json
import re
import signal
import tomllib

import pytest
import yaml

import fifo
import frames as fr
import watching
from watching import CONFIG, REPOSITORY, RULES, Exporter, Prometheus, promtool, wait_for

RULE_TESTS = REPOSITORY / "tests" / "e2e" / "alerts.test.yml"
DASHBOARD = CONFIG / "grafana" / "fluxcap.json"
PAGE = REPOSITORY / "docs" / "watching.md"


def alert_rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"]
            for rule in group["rules"]]


class Traffic:
    """tcpreplay into an interface, over and over, until the block ends."""

    def __init__(self, namespace, interface, path, packets_per_second):
        self.words = namespace.words("tcpreplay", "-q", "--loop=0", "--pps", packets_per_second,
                                     "-i", interface, path)
        self.log = path.with_suffix(".log")

    def __enter__(self):
        self.process = watching.Process(self.words, self.log)
        return self

    def __exit__(self, *_):
        self.process.stop(signal.SIGINT)
        self.process.kill()


@pytest.fixture
def watched(tmp_path):
    """A function that starts an exporter and a Prometheus for fluxcaps."""
    started = []

    def start(*prefixes):
        arguments = [word for prefix in prefixes for word in ("-f", prefix)]
        # Prometheus gives up a scrape that takes longer than from one to the next.
        started.append(Exporter(tmp_path / "exporter.log", "--timeout=0.7", *arguments))
        started.append(Prometheus(tmp_path / "prometheus", started[0].address))
        return started
    yield start
    for one in reversed(started):
        one.kill()


# A real Prometheus


def test_links_backlogs_and_drops(rig, namespace, tmp_path, watched):
    """All is well; then an output stalls, loses; a link goes down, and up; fluxcap is killed."""
    rig.namespace = namespace.name
    rig.lcores = {"idle_us": 500}
    rig.whole_files = False
    rig.tap("wan", port=rig.vdev("net_tap", iface="wan0"))
    rig.output("stuck", "wan", port=rig.vdev("net_ring"))
    rig.output("good", "wan", port=rig.vdev("net_null"))
    frames = tmp_path / "frames.pcap"
    fr.write_pcap(frames, fr.numbered(500))
    with rig.start() as running:
        namespace.up("wan0")
        exporter, prometheus = watched(rig.prefix)
        broker = {"broker": rig.prefix}
        wait_for(lambda: prometheus.query("fluxcap_up == 1"), "fluxcap in Prometheus")
        prometheus.wait_no_alert("FluxcapTapLinkDown")
        prometheus.wait_evaluations()
        assert [a for a in prometheus.alerts() if a["severity"] != "info"] == []

        with Traffic(namespace, "wan0", frames, 4000):
            prometheus.wait_alert("FluxcapBacklogHigh", **broker, tap="wan", output="stuck")
            lost = prometheus.wait_alert("FluxcapFeedDrops", **broker)
            assert {(a["output"], a["reason"]) for a in lost} == {("stuck", "overrun")}
            many = prometheus.wait_alert("FluxcapFeedDropsMany", **broker)
            assert {(a["tap"], a["output"]) for a in many} == {("wan", "stuck")}
            namespace.down("wan0")
            prometheus.wait_alert("FluxcapTapLinkDown", **broker, tap="wan")
            namespace.up("wan0")
            prometheus.wait_no_alert("FluxcapTapLinkDown")
        wait_for(lambda: prometheus.query('fluxcap_tap_link_up{tap="wan"} == 1'), "link")
        prometheus.wait_no_alert("FluxcapFeedDrops")

        running.process.kill()
        prometheus.wait_alert("FluxcapDown", **broker)
        prometheus.wait_no_alert("FluxcapBacklogHigh")
        exporter.kill()
        prometheus.wait_alert("FluxcapExporterDown", job="fluxcap", instance=exporter.address)
        running.process.wait()
        running.result = "killed, so that there is no audit"


def test_an_lcore_that_stands_still(rig, tmp_path, watched):
    """One writes into a pipe that nobody reads; another goes on, and so does telemetry."""
    pipe = fifo.Pipe(tmp_path / "blocked")
    try:
        rig.n_lcores = 4
        rig.lcores = {"rx": [1], "tx": [2, 3], "idle_us": 50}
        rig.tap("a", fr.numbered(3000))
        good = rig.output("good", "a")
        blocked = rig.output("blocked", "a", port=rig.vdev("net_pcap", tx_pcap=pipe.path))
        with rig.start() as running:
            running.wait_sent("good", 3000)
            assert running.lcores_of(good) == ["2"] and running.lcores_of(blocked) == ["3"]
            _, prometheus = watched(rig.prefix)
            stuck = prometheus.wait_alert("FluxcapLcoreStuck", broker=rig.prefix)
            assert {alert["lcore"] for alert in stuck} == {"3"}
            pipe.resume()
            prometheus.wait_no_alert("FluxcapLcoreStuck")
            running.stop()
    finally:
        pipe.close()


def test_a_fluxcap_that_hangs_and_goes_on(rig, watched):
    rig.lcores = {"idle_us": 500}
    rig.tap("a", port=rig.vdev("net_ring"))
    rig.output("x", "a", port=rig.vdev("net_null"))
    with rig.start() as running:
        _, prometheus = watched(rig.prefix)
        wait_for(lambda: prometheus.query("fluxcap_up == 1"), "fluxcap in Prometheus")
        running.process.send_signal(signal.SIGSTOP)
        try:
            prometheus.wait_alert("FluxcapDown", broker=rig.prefix)
            assert "FluxcapExporterDown" not in [a["alertname"] for a in prometheus.alerts()]
        finally:
            running.process.send_signal(signal.SIGCONT)
        prometheus.wait_no_alert("FluxcapDown")
        running.stop()


def test_a_next_hop_that_nobody_answers_for(rig, watched):
    rig.lcores = {"idle_us": 500}
    rig.tap("a", port=rig.vdev("net_ring"))
    for name, local, keys in (("asks", "192.0.2.1/24", {}),
                              ("knows", "192.0.2.2/24", {"mac": "02:00:00:00:00:09"})):
        rig.output(name, "a", port=rig.vdev("net_null", **{"no-rx": 1}), encap={
            "type": "gretap", "local": local, "remote": "192.0.2.9", **keys})
    with rig.start() as running:
        _, prometheus = watched(rig.prefix)
        unknown = prometheus.wait_alert("FluxcapNextHopUnknown", broker=rig.prefix)
        assert [alert["output"] for alert in unknown] == ["asks"]
        (one,) = prometheus.query("fluxcap_output_next_hop_info")
        assert one["metric"]["next_hop"] == "192.0.2.9" and one["metric"].get("mac", "") == ""
        running.stop()


def test_prometheus_agrees_with_the_books(rig, watched):
    """What Prometheus has stored satisfies fluxcap's equations."""
    rig.lcores = {"idle_us": 500}
    rig.tap("a", fr.numbered(4000), filter="ether[17] & 1 = 0")
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("half", "a", filter="ether[17] & 2 = 0")
    with rig.start() as running:
        running.wait_received("a", 4000)
        running.wait_sent("half", 1000)
        _, prometheus = watched(rig.prefix)
        wait_for(lambda: prometheus.query(
            'fluxcap_feed_sent_packets_total{output="half"} == 1000'), "packets in Prometheus")
        broken = prometheus.query("""
            fluxcap_tap_received_packets_total
            != sum without (reason) (fluxcap_tap_dropped_packets_total)
                + fluxcap_tap_fragments_held_total + fluxcap_tap_forwarded_packets_total""")
        assert broken == []
        balance = """sum without (reason) (fluxcap_feed_dropped_packets_total)
                     + fluxcap_feed_sent_packets_total + fluxcap_feed_backlog_packets"""
        assert prometheus.query(f"fluxcap_feed_forwarded_packets_total != {balance}") == []
        assert {(one["metric"]["output"], one["value"][1]) for one in prometheus.query(balance)
                } == {("stuck", "2000"), ("half", "2000")}
        queries = re.findall(r"^\| [^|`]+ \| `(.*)` \|$", PAGE.read_text().split("### Queries")[1],
                             re.MULTILINE)
        assert len(queries) >= 5
        for query in queries:
            prometheus.query(query.replace("\\|", "|"))
        running.stop()


# Grafana


def panels(part):
    for panel in part["panels"]:
        yield panel
        yield from panels(panel) if "panels" in panel else ()


def expressions():
    """Each query of the dashboard, with Grafana's variables as it puts them in."""
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "4s")
            yield panel["title"], re.sub(r"\$(instance|broker|tap|output)\b", ".*", text)


# What a fluxcap without tunnels and flapping links does not have.
ABSENT = re.compile(r"next_hop|flaps")


def test_every_panel_of_the_dashboard_shows_something(rig, watched):
    rig.lcores = {"idle_us": 500}
    rig.tap("a", fr.numbered(3000))
    rig.output("stuck", "a", port=rig.vdev("net_ring"))
    rig.output("x", "a", truncate=40)
    with rig.start() as running:
        running.wait_sent("x", 3000)
        _, prometheus = watched(rig.prefix)
        wait_for(lambda: prometheus.query("rate(fluxcap_lcore_idle_seconds_total[4s]) > 0"),
                 "rates in Prometheus")
        found = list(expressions())
        assert len(found) >= 15
        empty = [(title, text) for title, text in found
                 if not prometheus.query(text) and not ABSENT.search(text)]
        assert empty == []
        running.stop()


def test_the_dashboard_is_well_formed():
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in panels(dashboard)]
    assert len(ids) == len(set(ids))
    assert dashboard["uid"] and dashboard["schemaVersion"] >= 36
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    used = {name for _, text in ((p["title"], t["expr"]) for p in panels(dashboard)
                                 for t in p.get("targets", ()))
            for name in re.findall(r"\$([a-z]+)\b", text)}
    assert used <= variables and variables - used <= {"datasource"}
    for panel in panels(dashboard):
        assert panel["type"] == "row" or panel["description"], panel["title"]
        position = panel["gridPos"]
        assert 0 <= position["x"] and position["x"] + position["w"] <= 24


# Rules, examples and their page


def test_the_rules_against_their_cases():
    """Every alert fires in a case where it should, and in another does not."""
    done = promtool("test", "rules", RULE_TESTS.name, cwd=RULE_TESTS.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    fires, silent = set(), set()
    for case in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        for one in case["alert_rule_test"]:
            (fires if one["exp_alerts"] else silent).add(one["alertname"])
    names = {rule["alert"] for rule in alert_rules()}
    assert fires == names
    # what little is lost from the beginning on is the silent case of FluxcapFeedDropsMany
    assert silent == names - {"FluxcapFeedDrops"}


def test_the_shipped_configuration_is_checked_by_promtool():
    done = promtool("check", "config", CONFIG / "prometheus" / "prometheus.yml")
    assert done.returncode == 0 and "1 rule files found" in done.stdout, done


def test_the_rules_speak_of_metrics_that_there_are():
    known = set(re.findall(r'^    "(fluxcap_\w+)": ', watching.EXPORTER.read_text(), re.MULTILINE))
    assert len(known) > 40
    for path in (RULES, DASHBOARD, PAGE):
        used = set(re.findall(r"\bfluxcap_[a-z0-9_]+\b", path.read_text()))
        assert used and used <= known, (path.name, used - known)


def test_the_page_explains_every_alert():
    explained = re.findall(r"^### (Fluxcap\w+)", PAGE.read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(rule["alert"] for rule in alert_rules())


def test_the_page_explains_every_metric():
    known = set(re.findall(r'^    "(fluxcap_\w+)": ', watching.EXPORTER.read_text(), re.MULTILINE))
    rows = re.findall(r"^\| `(fluxcap_\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(known)


def test_the_telegraf_example():
    example = tomllib.loads((CONFIG / "telegraf" / "fluxcap.conf").read_text())
    (prometheus,) = example["inputs"]["prometheus"]
    # The keys of Telegraf's inputs.prometheus that the example may use, from its documentation.
    assert set(prometheus) <= {"urls", "metric_version", "response_timeout", "timeout", "interval",
                               "tags", "namepass", "namedrop", "fieldpass", "fielddrop"}
    assert prometheus["urls"] == ["http://127.0.0.1:9472/metrics"]
