#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tshark as the judge: what it makes of frames, as one dictionary of texts for each."""

import subprocess
import tempfile
from pathlib import Path

import frames as fr

TIMEOUT = 120  # seconds

OPTIONS = ("ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.defragment:TRUE",
           "ipv6.defragment:TRUE")


class Row(dict):
    """The fields of one frame; a field that the frame does not have is missing."""

    def all(self, field):
        """Every occurrence of a field, outermost first."""
        return self[field].split("|") if field in self else []

    def first(self, field):
        """The outermost occurrence, or None."""
        return self.all(field)[0] if field in self else None

    def number(self, field):
        """The outermost occurrence as a number, or None."""
        text = self.first(field)
        return None if text is None else int(text, 0)


def dissect(frames, fields):
    """What tshark says about each of these frames; fields are its names for them."""
    with tempfile.TemporaryDirectory(prefix="fluxcap-tshark-") as folder:
        path = Path(folder, "frames.pcap")
        fr.write_pcap(path, frames, [0] * len(frames))
        command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E",
                   "occurrence=a", "-E", "aggregator=|"]
        for option in OPTIONS:
            command += ["-o", option]
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        if done.returncode != 0:
            raise ValueError(f"tshark: {done.stderr}")
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == len(frames), f"tshark tells of {len(lines)} of {len(frames)} frames"
    return [Row({field: text for field, text in zip(fields, line.split("\t")) if text})
            for line in lines]
