#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends the frames of frames.numbered() by an interface: numbered_sender.py INTERFACE LENGTH

Each line of standard input is a command: a number N sends so many, `begin` sends until `stop`.
N and `stop` are answered by a line that says how many were sent since the start.
"""

import errno
import select
import socket
import sys
import time

import frames as fr

BURST = 8
PAUSE_S = 0.002
ETH_P_ALL = 3


class Sender:
    """Sends some frames at a time, so that the kernel's queues never run over."""

    def __init__(self, interface: str, length: int):
        self.length, self.n_sent = length, 0
        # Protocol 0: what arrives there is not for this socket.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((interface, 0))

    def burst(self, count: int) -> None:
        for frame in fr.numbered(count, self.length, start=self.n_sent):
            while True:
                try:
                    self.socket.send(frame)
                    break
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    time.sleep(PAUSE_S)
        self.n_sent += count
        time.sleep(PAUSE_S)

    def send(self, count: int) -> None:
        while count:
            now = min(count, BURST)
            self.burst(now)
            count -= now


def main() -> None:
    sender, is_sending = Sender(sys.argv[1], int(sys.argv[2])), False
    with open(0, "rb", buffering=0) as commands:
        while True:
            if is_sending and not select.select([commands], [], [], 0)[0]:
                sender.burst(BURST)
                continue
            word = commands.readline().decode().strip()
            if not word:
                return
            is_sending = word == "begin"
            if not is_sending:
                if word != "stop":
                    sender.send(int(word))
                print(sender.n_sent, flush=True)


if __name__ == "__main__":
    main()
