#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the edits do, written a second time, from the documentation and not from the code.

Filters are not modelled at all: tcpdump judges them.
"""

import struct
import subprocess
import tempfile
from pathlib import Path

import frames as fr

ETHER_SIZE = 14
TAG_SIZE = 4


def kept_by_filter(frames, expression):
    """The indexes of the frames that tcpdump keeps."""
    with tempfile.TemporaryDirectory(prefix="fluxcap-model-") as folder:
        source, kept = Path(folder, "in.pcap"), Path(folder, "out.pcap")
        fr.write_pcap(source, frames)
        done = subprocess.run(["tcpdump", "-n", "-r", source, "-w", kept, "--", expression],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        if done.returncode != 0:
            raise ValueError(f"tcpdump refuses '{expression}': {done.stderr}")
        return [second for second, _, _ in fr.read_pcap_records(kept)]


def pop_tag(frame):
    """The frame without its first tag; one without a whole tag stays as it is."""
    if len(frame) < ETHER_SIZE + TAG_SIZE:
        return frame
    if struct.unpack("!H", frame[12:14])[0] not in fr.TPIDS:
        return frame
    return frame[:12] + frame[16:]


def push_tag(frame, vid, pcp, tpid):
    return frame[:12] + struct.pack("!HH", tpid, pcp << 13 | vid) + frame[12:]


def apply_vlan(frame, vlan):
    for _ in range(vlan.get("pop", 0)):
        frame = pop_tag(frame)
    push = vlan.get("push", [])
    if isinstance(push, int):
        push = [push]
    pcp = vlan.get("pcp", 0)
    tpids = [int(str(vlan.get("tpid", "0x8100")), 16), 0x8100]
    for vid, tpid in reversed(list(zip(push, tpids))):
        frame = push_tag(frame, vid, pcp, tpid)
    return frame


def apply_trim(frame, count):
    return frame[:max(ETHER_SIZE, len(frame) - count)]


def apply_truncate(frame, limit):
    return frame[:limit]


def apply(frames, edits):
    """The frames that come out of one tap's or one output's edits, in their order."""
    if "filter" in edits:
        frames = [frames[index] for index in kept_by_filter(frames, edits["filter"])]
    if "sample" in edits and edits["sample"] != 100:
        raise ValueError("what a random sample keeps cannot be predicted")
    if "vlan" in edits:
        frames = [apply_vlan(frame, edits["vlan"]) for frame in frames]
    if "trim" in edits:
        frames = [apply_trim(frame, edits["trim"]) for frame in frames]
    if "truncate" in edits:
        frames = [apply_truncate(frame, edits["truncate"]) for frame in frames]
    return frames


def tap_frames(frames, tap):
    """What a tap hands to its outputs: the runts are malformed, the rest is edited."""
    return apply([frame for frame in frames if len(frame) >= ETHER_SIZE], tap)


def is_merge(merged, parts):
    """Whether a sequence holds exactly the parts, each in its own order."""
    if len(merged) != sum(map(len, parts)):
        return False
    states = {(0,) * len(parts)}
    for frame in merged:
        states = {state[:i] + (state[i] + 1,) + state[i + 1:]
                  for state in states for i, part in enumerate(parts)
                  if state[i] < len(part) and part[state[i]] == frame}
        if not states:
            return False
    return True


def first_difference(got, want):
    """A line that says where two sequences of frames part, or an empty string."""
    for number, (one, other) in enumerate(zip(got, want)):
        if one != other:
            at = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b),
                      min(len(one), len(other)))
            return (f"frame {number} of {len(got)} (wanted {len(want)}): {len(one)} bytes, wanted "
                    f"{len(other)}; from byte {at}: got {one[at:at + 16].hex()}, wanted "
                    f"{other[at:at + 16].hex()}; starts {one[:22].hex()}, wanted "
                    f"{other[:22].hex()}")
    if len(got) != len(want):
        return f"{len(got)} frames, wanted {len(want)}; the first {min(len(got), len(want))} agree"
    return ""

