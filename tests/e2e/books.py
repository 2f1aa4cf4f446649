#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The audit of a run: every packet must be accounted for, in every place that counts it."""

TAP_DROPS = ("not_ours", "malformed", "filtered", "sampled_out", "nombuf")
FEED_DROPS = ("handoff_full", "overrun", "filtered", "sampled_out", "unresolved", "oversize",
              "nombuf", "tx_refused")

TAP_HINTS = ("malformed_cut", "malformed_no_length", "bad_checksum")

TAP_COUNTERS = ("rx_packets", *TAP_DROPS, "fragments_held", "forwarded")
FEED_COUNTERS = ("forwarded", *FEED_DROPS, "tx_packets", "queued")
OUTPUT_SUMS = ("forwarded", *FEED_DROPS, "tx_packets", "tx_frames", "queued", "unaccounted")

FRAGMENT_LEVELS = ("fragments_waiting", "fragments_timed_out", "fragments_refused",
                   "fragments_table_full")
HEALTH = ("port", "link", "state", "flaps", "last_change")
TAP_FIELDS = (*HEALTH, "rx_missed", "rx_nombuf", "rx_errors", "ring_bytes",
              "ring_buffers", "pool_size", "pool_free", "unaccounted", *TAP_COUNTERS,
              *TAP_HINTS, *FRAGMENT_LEVELS)
FEED_FIELDS = (*FEED_COUNTERS, "tx_frames", "unaccounted")
OUTPUT_FIELDS = (*HEALTH, "tx_errors", "next_hop", "next_hop_mac", *OUTPUT_SUMS)


def bytes_name(counter):
    """The byte counter that stands beside a packet counter."""
    if counter in ("rx_packets", "tx_packets"):
        return counter[:2] + "_bytes"
    return counter + "_bytes"


def _missing(kind, counters, fields, with_bytes):
    wanted = list(fields) + [bytes_name(counter) for counter in with_bytes]
    return [f"{kind}: no field '{field}'" for field in wanted if field not in counters]


def audit_tap(name, tap, kept=0):
    """Mistakes in the books of one tap, whose port's driver may keep some buffers for ever."""
    found = _missing(f"tap {name}", tap, TAP_FIELDS, (*TAP_COUNTERS, *TAP_HINTS))
    if found:
        return found
    parts = sum(tap[drop] for drop in TAP_DROPS) + tap["fragments_held"] + tap["forwarded"]
    given_up = sum(tap[name] for name in FRAGMENT_LEVELS)
    if given_up > tap["fragments_held"]:
        found.append(f"tap {name}: {given_up} fragments wait or were given up, but only "
                     f"{tap['fragments_held']} were held")
    if tap["malformed_cut"] + tap["malformed_no_length"] > tap["malformed"]:
        found.append(f"tap {name}: more is cut or without a length than malformed")
    if tap["rx_packets"] != parts:
        found.append(f"tap {name}: rx_packets {tap['rx_packets']} but its parts make {parts}")
    if tap["unaccounted"] != 0:
        found.append(f"tap {name}: unaccounted {tap['unaccounted']}")
    if not 0 <= tap["pool_size"] - tap["pool_free"] <= kept:
        found.append(f"tap {name}: {tap['pool_size'] - tap['pool_free']} of {tap['pool_size']} "
                     "mbufs did not come back")
    found += [f"tap {name}: {bytes_name(c)} is {tap[bytes_name(c)]} with {tap[c]} packets"
              for c in (*TAP_COUNTERS, *TAP_HINTS) if (tap[c] == 0) != (tap[bytes_name(c)] == 0)]
    return found


def audit_feed(pair, feed, tap_forwarded, is_later=False):
    """Mistakes in the books of one feed; a later one has not seen all that its tap forwarded."""
    found = _missing(f"feed {pair}", feed, FEED_FIELDS, FEED_COUNTERS)
    if found:
        return found
    parts = sum(feed[drop] for drop in FEED_DROPS) + feed["tx_packets"] + feed["queued"]
    if feed["forwarded"] > tap_forwarded or feed["forwarded"] != tap_forwarded and not is_later:
        found.append(f"feed {pair}: forwarded {feed['forwarded']} but its tap {tap_forwarded}")
    if feed["forwarded"] != parts:
        found.append(f"feed {pair}: forwarded {feed['forwarded']} but its parts make {parts}")
    if feed["unaccounted"] != 0:
        found.append(f"feed {pair}: unaccounted {feed['unaccounted']}")
    if feed["tx_frames"] < feed["tx_packets"]:
        found.append(f"feed {pair}: {feed['tx_frames']} tx_frames for {feed['tx_packets']} "
                     "tx_packets")
    found += [f"feed {pair}: {bytes_name(c)} is {feed[bytes_name(c)]} with {feed[c]} packets"
              for c in FEED_COUNTERS if (feed[c] == 0) != (feed[bytes_name(c)] == 0)]
    return found


def audit_output(name, output, feeds, has_ended_feeds=False):
    """Mistakes in the sums of one output over its feeds, and those that ended by a reload."""
    found = _missing(f"output {name}", output, OUTPUT_FIELDS, ("tx_packets", "forwarded"))
    if found:
        return found
    sums = list(OUTPUT_SUMS) + [bytes_name(c) for c in FEED_COUNTERS if bytes_name(c) in output]
    for counter in sums:
        total = sum(feed[counter] for feed in feeds)
        if output[counter] < total or output[counter] != total and not has_ended_feeds:
            found.append(f"output {name}: {counter} {output[counter]} but its feeds make {total}")
    parts = sum(output[drop] for drop in FEED_DROPS) + output["tx_packets"] + output["queued"]
    if output["forwarded"] != parts:
        found.append(f"output {name}: forwarded {output['forwarded']} but its parts make {parts}")
    return found


def audit(stats, outputs, kept=0, later=frozenset(), ended=frozenset()):
    """Every mistake in the books of a run.

    stats is what --stats-on-exit wrote, outputs maps each output to the names of its taps, kept is
    how many buffers of a pool a driver does not give back, later are the (tap, output) that are
    younger than their taps, ended the outputs that had other feeds once.
    """
    found = []
    for name, tap in stats["taps"].items():
        found += audit_tap(name, tap, kept)
    pairs = {(tap, output) for tap, feeds in stats["feeds"].items() for output in feeds}
    wanted = {(tap, output) for output, taps in outputs.items() for tap in taps}
    found += [f"feed {pair} is missing" for pair in sorted(wanted - pairs)]
    found += [f"feed {pair} does not exist" for pair in sorted(pairs - wanted)]
    found += [f"output {name} is missing" for name in sorted(set(outputs) - set(stats["outputs"]))]
    if found:
        return found
    for tap, output in sorted(pairs):
        found += audit_feed(f"{tap},{output}", stats["feeds"][tap][output],
                            stats["taps"][tap]["forwarded"], (tap, output) in later)
    if found:
        return found
    for name, output in stats["outputs"].items():
        found += audit_output(name, output,
                              [stats["feeds"][tap][name] for tap in outputs.get(name, ())],
                              name in ended)
    return found
