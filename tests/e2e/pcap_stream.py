#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A net_pcap output whose file is a named pipe, read while it is written and kept nowhere.

So an output can be watched that sends for as long as a test likes, as fast as the reader reads.
"""

import fcntl
import os
import struct
import threading
import time

HEADER_SIZE = 24
RECORD_SIZE = 16
TIME_SIZE = 8  # at the begin of a record
PIPE_SIZE = 1 << 20


class Stream:
    """Reads an output's file from its begin to its end, and has a judge look at every record.

    judge.look(data) takes a number of whole records and gives how many bytes it has looked at; what
    it raises is raised by finish().
    """

    def __init__(self, path, judge):
        self.path, self.judge, self.error, self._is_wanted = path, judge, None, True
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _chunks(self):
        """What is written, until the last writer has gone."""
        while self._is_wanted:  # without a writer a read gives nothing, as at the end
            try:
                first = os.read(self._fd, PIPE_SIZE)
            except BlockingIOError:
                first = b""
            if first:
                yield first
                break
            time.sleep(0.01)
        os.set_blocking(self._fd, True)
        while self._is_wanted and (data := os.read(self._fd, PIPE_SIZE)):
            yield data

    def _read(self):
        rest, is_begin = b"", True
        for data in self._chunks():
            rest += data
            if is_begin and len(rest) >= HEADER_SIZE:
                rest, is_begin = rest[HEADER_SIZE:], False
            if is_begin or self.error:
                rest = rest if is_begin else b""
                continue
            try:
                rest = rest[self.judge.look(rest):]
            except Exception as error:  # for the test's own thread; the writer must not be stopped
                self.error = error
        if rest and not self.error:
            self.error = AssertionError(f"{len(rest)} bytes of a torn record")

    def finish(self):
        """Wait for the writer's end, and say what the judge said."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "the pipe's writer did not close it"
        if self.error:
            raise self.error

    def close(self):
        """Let go of everything, however the test went."""
        self._is_wanted = False
        self._thread.join(1)
        if not self._thread.is_alive():
            os.close(self._fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Loop:
    """Judges an output that sends the same frames of one length round and round.

    Every byte of every frame is compared; none may be missing, changed, out of order or twice.
    """

    def __init__(self, frames):
        self.size = RECORD_SIZE + len(frames[0])
        assert all(len(frame) == len(frames[0]) for frame in frames)
        length = struct.pack("<I", len(frames[0]))
        self.n_frames, self.count = len(frames), 0
        self.round = b"".join(bytes(TIME_SIZE) + 2 * length + frame for frame in frames)
        self._wanted = b""

    def look(self, data):
        n_records = len(data) // self.size
        if n_records == 0:
            return 0
        got = bytearray(data[:n_records * self.size])
        for column in range(TIME_SIZE):
            got[column::self.size] = bytes(n_records)
        while len(self._wanted) < len(got) + len(self.round):
            self._wanted += self.round
        first = self.count % self.n_frames * self.size
        if got != memoryview(self._wanted)[first:first + len(got)]:
            self._tell(got, first)
        self.count += n_records
        return len(got)

    def _tell(self, got, first):
        wanted = self._wanted[first:first + len(got)]
        at = next(at for at in range(0, len(got), self.size)
                  if got[at:at + self.size] != wanted[at:at + self.size])
        raise AssertionError(f"frame {self.count + at // self.size}: "
                             f"{got[at:at + self.size].hex()}, wanted "
                             f"{wanted[at:at + self.size].hex()}")


class Frames:
    """Judges an output frame by frame, in take(); slower than Loop."""

    count = 0  # of frames that were there

    def look(self, data):
        at = 0
        while at + RECORD_SIZE <= len(data):
            captured, original = struct.unpack_from("<II", data, at + TIME_SIZE)
            assert captured == original <= 65535, f"a record of {captured} of {original} bytes"
            if at + RECORD_SIZE + captured > len(data):
                break
            at += RECORD_SIZE
            self.take(data[at:at + captured])
            self.count += 1
            at += captured
        return at

    def take(self, frame):
        raise NotImplementedError


class Variants(Frames):
    """Judges an output that sends the same frames round and round, each in one of some variants.

    variants is one list of frames for each; switches counts how often the variant changed.
    """

    def __init__(self, *variants):
        self.variants, self.switches, self.current = variants, 0, None

    def take(self, frame):
        number = self.count % len(self.variants[0])
        for variant, frames in enumerate(self.variants):
            if frame == frames[number]:
                break
        else:
            raise AssertionError(f"frame {self.count} is none of the variants of {number}: "
                                 f"{frame.hex()}")
        if variant != self.current:
            self.switches += self.current is not None
            self.current = variant
