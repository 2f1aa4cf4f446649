#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A net_pcap output that blocks: its file is a named pipe that is read only when the test says so.

While nobody reads, the lcore that writes stands still in write(2). That is what an lcore which
cannot keep up looks like from outside, without any need to be faster than it.
"""

import fcntl
import os
import threading


class Pipe:
    """The reading end of an output's file."""

    def __init__(self, path, size=4096):
        self.path, self.data, self.reader = path, b"", None
        os.mkfifo(path)
        # held open, so that the writer's open() does not wait
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, size)

    def resume(self):
        """Read from now on, until the writer closes."""
        os.set_blocking(self.fd, True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        parts = []
        while part := os.read(self.fd, 1 << 16):
            parts.append(part)
        self.data = b"".join(parts)

    def finish(self, path):
        """Wait for the writer's end and put what it wrote into a regular file."""
        self.reader.join(60)
        assert not self.reader.is_alive(), "the pipe's writer did not close it"
        path.write_bytes(self.data)

    def close(self):
        if self.reader is None:
            os.close(self.fd)
        else:
            self.reader.join(1)
            if not self.reader.is_alive():
                os.close(self.fd)
