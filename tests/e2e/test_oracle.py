#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tests' own tools, judged by other people's: scapy, tshark, tcpdump, tcprewrite, editcap."""

import copy
import random
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import RawPcapReader

import books
import frames as fr
import model


def run(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tshark_fields(path, *fields):
    options = [word for field in fields for word in ("-e", field)]
    lines = run("tshark", "-r", path, "-T", "fields", "-E", "separator=;", *options).splitlines()
    return [line.split(";") for line in lines]


def test_corpus_has_every_length_and_is_the_same_each_time():
    one, again, other = fr.corpus(seed=1), fr.corpus(seed=1), fr.corpus(seed=2)
    assert one == again and one != other
    assert {len(frame) for frame in one} >= set(fr.LENGTHS)
    assert min(map(len, one)) == 14 and max(map(len, one)) == 9018
    tagged = [frame for frame in one if frame[12:14] in [t.to_bytes(2, "big") for t in fr.TPIDS]]
    assert 0.5 * len(one) < len(tagged) < len(one)


def test_pcap_files_are_read_alike_by_tcpdump_and_scapy(tmp_path):
    path, copied = tmp_path / "one.pcap", tmp_path / "two.pcap"
    frames = fr.corpus() + fr.runts()
    fr.write_pcap(path, frames)
    assert fr.read_pcap(path) == frames
    assert [data for data, _ in RawPcapReader(str(path))] == frames
    run("tcpdump", "-n", "-r", path, "-w", copied)
    assert fr.read_pcap(copied) == frames
    assert [record[0] for record in fr.read_pcap_records(copied)] == list(range(len(frames)))


@pytest.mark.parametrize("cut", [3, 23, 30, 24 + 16 + 5])
def test_torn_pcap_files_are_errors(tmp_path, cut):
    path = tmp_path / "torn.pcap"
    fr.write_pcap(path, [bytes(60)] * 2)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError):
        fr.read_pcap(path)


def test_addresses_lengths_and_checksums_satisfy_scapy():
    maker = fr.Maker(3)
    for kind in (maker._udp4, maker._tcp4, maker._icmp4, maker._udp6, maker._tcp6, maker._arp):
        for length in (80, 81, 1500, 9000):
            made = maker.frame(length, kind)
            assert len(made) == length
            parsed = Ether(made)
            assert IP in parsed or IPv6 in parsed or ARP in parsed
            fresh = Ether(made)
            for layer, field in ((IP, "chksum"), (IP, "len"), (IP, "ihl"), (UDP, "chksum"),
                                 (UDP, "len"), (TCP, "chksum"), (ICMP, "chksum"), (IPv6, "plen")):
                if layer in fresh:
                    delattr(fresh[layer], field)
            assert bytes(fresh) == made


def test_tags_are_what_tshark_reads(tmp_path):
    maker = fr.Maker(4)
    frames, want = [], []
    for outer_tpid in (0x8100, 0x88A8):
        for vid, pcp in ((0, 0), (7, 5), (4094, 7)):
            frames.append(maker.frame(100, maker._udp4, (fr.tag(vid, pcp, tpid=outer_tpid),
                                                         fr.tag(9, 3))))
            want.append([f"{vid},9", f"{pcp},3"])
    path = tmp_path / "tags.pcap"
    fr.write_pcap(path, frames)
    # tshark has an 802.1ad tag in its own field or in vlan.id, depending on its version
    got = tshark_fields(path, "vlan.id", "vlan.priority", "ieee8021ad.id", "ieee8021ad.priority")
    for row, (vids, pcps) in zip(got, want, strict=True):
        assert ",".join(filter(None, (row[2], row[0]))) == vids
        assert ",".join(filter(None, (row[3], row[1]))) == pcps


def test_push_is_what_scapy_builds():
    frame = fr.Maker(5).frame(200, tags=(fr.tag(33),))
    got = model.apply_vlan(frame, {"push": [100, 200], "pcp": 5, "tpid": "0x88a8"})
    plain = Ether(frame)
    want = bytes(Ether(src=plain.src, dst=plain.dst, type=0x88A8) /
                 Dot1Q(vlan=100, prio=5, type=0x8100) / Dot1Q(vlan=200, prio=5, type=0x8100) /
                 frame[14:])
    assert got == want


def test_push_and_pop_are_what_tcprewrite_does(tmp_path):
    frames = [fr.Maker(6).frame(length) for length in (60, 64, 1000, 1500)]
    before, after, back = (tmp_path / name for name in ("before", "after", "back"))
    fr.write_pcap(before, frames)
    run("tcprewrite", "--enet-vlan=add", "--enet-vlan-tag=77", "--enet-vlan-cfi=0",
        "--enet-vlan-pri=4", "-i", before, "-o", after)
    tagged = model.apply(frames, {"vlan": {"push": 77, "pcp": 4}})
    assert tagged == fr.read_pcap(after)
    run("tcprewrite", "--enet-vlan=del", "-i", after, "-o", back)
    assert model.apply(tagged, {"vlan": {"pop": 1}}) == fr.read_pcap(back) == frames


def test_truncate_and_trim_are_what_editcap_does(tmp_path):
    frames = [frame for frame in fr.corpus(7) if len(frame) >= 34]
    before, cut, chopped = (tmp_path / name for name in ("before", "cut", "chopped"))
    fr.write_pcap(before, frames)
    run("editcap", "-F", "pcap", "-s", 100, before, cut)
    assert [r[2] for r in fr.read_pcap_records(cut)] == model.apply(frames, {"truncate": 100})
    run("editcap", "-F", "pcap", "-C", -20, before, chopped)
    assert [r[2] for r in fr.read_pcap_records(chopped)] == model.apply(frames, {"trim": 20})


def test_pop_leaves_torn_tags_and_untagged_frames_alone():
    head = fr.mac(1) + fr.mac(2)
    for rest in ("8100", "810000", "81000064", "8100006488", "080000000000"):
        frame = head + bytes.fromhex(rest)
        assert model.pop_tag(frame) == frame
    assert model.pop_tag(head + bytes.fromhex("810000640800")) == head + bytes.fromhex("0800")
    twice = head + bytes.fromhex("88a80064810000c80800aa")
    assert model.apply_vlan(twice, {"pop": 2}) == head + bytes.fromhex("0800aa")
    assert model.apply_vlan(twice, {"pop": 1}) == head + bytes.fromhex("810000c80800aa")


def test_edits_come_in_their_order():
    frames = [fr.Maker(8).frame(100), fr.Maker(9).frame(300)]
    got = model.apply(frames, {"truncate": 90, "trim": 50, "vlan": {"push": 5},
                               "filter": "len > 200"})
    tagged = model.push_tag(frames[1], 5, 0, 0x8100)
    assert got == [tagged[:254][:90]]
    assert model.apply([bytes(20)], {"trim": 10}) == [bytes(14)]
    assert model.apply([bytes(20)], {"trim": 1000}) == [bytes(14)]


def test_filter_keeps_the_right_frames():
    frames = fr.numbered(20)
    assert model.kept_by_filter(frames, "ether[17] & 1 = 1") == list(range(1, 20, 2))
    with pytest.raises(ValueError):
        model.kept_by_filter(frames, "no such word")


def test_merge_is_recognised():
    rnd = random.Random(1)
    parts = [fr.numbered(50, src=1), fr.numbered(30, src=2), fr.numbered(40, src=2)]
    merged, at = [], [0, 0, 0]
    while len(merged) < 120:
        part = rnd.choice([i for i in range(3) if at[i] < len(parts[i])])
        merged.append(parts[part][at[part]])
        at[part] += 1
    assert model.is_merge(merged, parts)
    assert not model.is_merge(merged[:-1], parts)
    assert not model.is_merge(merged[::-1], parts)
    swapped = merged[:]
    first, second = [i for i, frame in enumerate(merged) if fr.source_of(frame) == 1][:2]
    swapped[first], swapped[second] = swapped[second], swapped[first]
    assert not model.is_merge(swapped, parts)


def balanced_books():
    def with_bytes(counters, names):
        return counters | {books.bytes_name(name): 64 * counters[name] for name in names}

    health = {"link": "up", "state": "running", "flaps": 0, "last_change": 1}
    tap = with_bytes({"port": "p", **health, "rx_packets": 10, "rx_missed": 0, "rx_nombuf": 0,
                      "rx_errors": 0, "not_ours": 0, "malformed": 1, "malformed_cut": 0,
                      "malformed_no_length": 1, "bad_checksum": 3, "filtered": 2, "sampled_out": 0, "nombuf": 0, "fragments_held": 0, "forwarded": 7,
                      "fragments_waiting": 0, "fragments_timed_out": 0, "fragments_refused": 0,
                      "fragments_table_full": 0, "ring_bytes": 1, "ring_buffers": 1,
                      "pool_size": 5, "pool_free": 5, "unaccounted": 0},
                     (*books.TAP_COUNTERS, *books.TAP_HINTS))
    feed = dict.fromkeys(books.FEED_FIELDS, 0) | {"forwarded": 7, "overrun": 3, "tx_packets": 4,
                                                  "tx_frames": 4}
    feed = with_bytes(feed, books.FEED_COUNTERS)
    output = {"port": "q", **health, "next_hop": "", "next_hop_mac": "", "tx_errors": 0} | feed
    return {"taps": {"a": tap}, "outputs": {"o": output}, "feeds": {"a": {"o": feed}}}


def test_audit_passes_balanced_books():
    assert books.audit(balanced_books(), {"o": ["a"]}) == []


@pytest.mark.parametrize("place, field, value", [
    (("taps", "a"), "rx_packets", 11), (("taps", "a"), "filtered", 3),
    (("taps", "a"), "unaccounted", 1), (("taps", "a"), "pool_free", 4),
    (("taps", "a"), "malformed_cut", 1), (("taps", "a"), "bad_checksum_bytes", 0),
    (("taps", "a"), "rx_bytes", 0), (("taps", "a"), "forwarded", 6),
    (("feeds", "a", "o"), "overrun", 2), (("feeds", "a", "o"), "queued", 1),
    (("feeds", "a", "o"), "unaccounted", -1), (("feeds", "a", "o"), "overrun_bytes", 0),
    (("feeds", "a", "o"), "tx_frames", 3), (("outputs", "o"), "tx_packets", 5),
    (("outputs", "o"), "overrun", 0), (("outputs", "o"), "tx_bytes", 1),
])
def test_audit_finds_each_wrong_figure(place, field, value):
    stats = copy.deepcopy(balanced_books())
    part = stats
    for key in place:
        part = part[key]
    part[field] = value
    assert books.audit(stats, {"o": ["a"]})
    del part[field]
    assert books.audit(stats, {"o": ["a"]})


def test_audit_finds_missing_and_extra_feeds():
    assert books.audit(balanced_books(), {"o": ["a", "b"]})
    assert books.audit(balanced_books(), {"o": []})
    assert books.audit(balanced_books(), {"o": ["a"], "p": ["a"]})
