#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs fluxcap-exporter and Prometheus beside what they watch, and reads what they say."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

REPOSITORY = Path(__file__).resolve().parents[2]
EXPORTER = REPOSITORY / "scripts" / "fluxcap-exporter"
CONFIG = REPOSITORY / "config"
RULES = CONFIG / "prometheus" / "fluxcap.rules.yml"
HANG = 60  # seconds; only a hang takes so long
POLL = 0.05


def wait_for(condition, what):
    """Wait until a condition gives something true, and give that."""
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(POLL)
    raise AssertionError(f"no {what} within {HANG} s")


class Scrape:
    """The metrics of one scrape, read by the parser of Prometheus' client library."""

    def __init__(self, text):
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def values(self, name, **labels):
        """The values of a metric's samples that have these labels, by all their labels."""
        return {tuple(sorted(sample.labels.items())): sample.value for sample in self.samples
                if sample.name == name and labels.items() <= sample.labels.items()}

    def value(self, name, **labels):
        """The one value that there is."""
        found = self.values(name, **labels)
        assert len(found) == 1, f"{name}{labels}: {found}"
        return list(found.values())[0]

    def sum(self, name, **labels):
        return sum(self.values(name, **labels).values())

    def names(self, prefix="fluxcap_"):
        return {sample.name for sample in self.samples if sample.name.startswith(prefix)}


class Process:
    """A program in the background that is ended with its block."""

    def __init__(self, command, log, **options):
        self.log = Path(log)
        with open(self.log, "wb") as file:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                            stdout=file, stderr=subprocess.STDOUT, **options)

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_ready(self, condition, what):
        def ready():
            assert self.process.poll() is None, self.said()
            return condition()
        try:
            return wait_for(ready, what)
        except BaseException:
            self.kill()
            raise

    def stop(self, stop_signal=signal.SIGTERM):
        self.process.send_signal(stop_signal)
        return self.process.wait(HANG)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def get(url, timeout=HANG):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


class Exporter(Process):
    """A fluxcap-exporter on a free port."""

    def __init__(self, log, *arguments, listen="127.0.0.1:0", **options):
        super().__init__([EXPORTER, "--listen", listen, *arguments], log, **options)
        self.address = self.wait_ready(
            lambda: re.search(r"listening on (\S+)\n", self.said()), "address")[1]
        self.url = f"http://{self.address}/metrics"

    def scrape(self):
        return Scrape(get(self.url))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def faster(text, factor):
    """Alert rules with all their durations divided, for those who cannot wait for minutes."""
    seconds = {"s": 1, "m": 60}

    def shorten(match):
        milliseconds = int(match[2]) * seconds[match[3]] * 1000 // factor
        return f"{match[1]}{milliseconds}ms{match[4]}"

    text = re.sub(r"(\[)(\d+)([sm])(\])", shorten, text)
    return re.sub(r"(\bfor: )(\d+)([sm])()$", shorten, text, flags=re.MULTILINE)


class Prometheus(Process):
    """A Prometheus with the shipped configuration, but for where the exporters are and how fast."""

    def __init__(self, folder, *targets, factor=20, interval="1s"):
        config = (CONFIG / "prometheus" / "prometheus.yml").read_text()
        entry = "          - {}\n"
        for old, new in ((entry.format("127.0.0.1:9472"), "".join(map(entry.format, targets))),
                         ("interval: 10s", f"interval: {interval}")):
            assert old in config
            config = config.replace(old, new)
        folder.mkdir()
        (folder / "prometheus.yml").write_text(config)
        (folder / RULES.name).write_text(faster(RULES.read_text(), factor))
        self.port = free_port()
        super().__init__(["prometheus", f"--config.file={folder}/prometheus.yml",
                          f"--storage.tsdb.path={folder}/data",
                          f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                         folder / "log", cwd=folder, env=os.environ | {"GOMAXPROCS": "1"})
        self.wait_ready(self._is_ready, "answer of Prometheus")

    def _is_ready(self):
        try:
            return "Ready" in get(f"http://127.0.0.1:{self.port}/-/ready")
        except OSError:
            return False

    def ask(self, page, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{page}?{urllib.parse.urlencode(parameters)}"
        try:
            answer = json.loads(get(url))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """The values of an instant query, with their labels."""
        return self.ask("query", query=expression)["result"]

    def alerts(self, state="firing"):
        """The labels of alerts that fire now."""
        return [alert["labels"] for alert in self.ask("alerts")["alerts"]
                if alert["state"] == state]

    def wait_alert(self, name, **labels):
        """Wait until an alert fires with these labels, and give them all."""
        wanted = {"alertname": name, **labels}
        try:
            return wait_for(lambda: [alert for alert in self.alerts()
                                     if wanted.items() <= alert.items()], f"alert {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}; firing: {self.alerts()}") from None

    def wait_no_alert(self, name, **labels):
        wanted = {"alertname": name, **labels}
        wait_for(lambda: not any(wanted.items() <= alert.items() for alert in self.alerts()),
                 f"end of alert {wanted}")

    def wait_evaluations(self):
        """Wait until every rule has been evaluated once more from now on."""
        now = time.time()

        def is_newer():
            groups = self.ask("rules")["groups"]
            return all(_seconds(rule["lastEvaluation"]) > now
                       for group in groups for rule in group["rules"])
        wait_for(is_newer, "evaluation of the rules")


def _seconds(rfc3339):
    return datetime.datetime.fromisoformat(
        re.sub(r"\.(\d{6})\d*", r".\1", rfc3339)).timestamp()


def promtool(*arguments, **options):
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                          timeout=HANG, check=False, **options)
