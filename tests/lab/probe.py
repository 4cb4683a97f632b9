#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""probe.py mtu|refused|bulk|stream|large ADDRESS [RATE]: what the meter, whose packets are small, does not ask of a path.

mtu      sends full-size packets with DF until the path says that they are too big; prints the size that it takes
refused  sends to a closed UDP port until the guest's ICMP error comes back
bulk     sends 2 MB to a TCP port that echoes, and takes them back
Each of these fails after 30 seconds.
stream   sends to that port until SIGTERM, and takes it all back; then prints how many bytes came back, the longest gap, and how many
segments this end sent again
large    sends full-size packets with DF, RATE a second, until SIGTERM, whatever the path says; then prints how many, and the size that the path takes"""
import json
import select
import signal
import socket
import struct
import sys
import threading
import time

what, address, *more = sys.argv[1:]
v6 = ":" in address
family = socket.AF_INET6 if v6 else socket.AF_INET
end = time.monotonic() + 30
level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
DISCOVER, MTU, DO, PROBE = (23, 24, 2, 3) if v6 else (10, 14, 2, 3)  # IPV6_ and IP_MTU_DISCOVER, _MTU, _PMTUDISC_DO, _PROBE


def mtu():
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.setsockopt(level, DISCOVER, DO)
    udp.connect((address, 9009))
    while time.monotonic() < end:
        try:
            udp.send(bytes(1500 - (48 if v6 else 28)))
        except OSError:  # EMSGSIZE, once it was told
            pass
        size = udp.getsockopt(level, MTU)
        if size < 1500:
            print(size)
            return
        time.sleep(0.2)
    sys.exit("nobody said that 1500 bytes are too big")


def refused():
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.connect((address, 9))
    udp.settimeout(0.5)
    while time.monotonic() < end:
        try:
            udp.send(b"?")
            udp.recv(1)
        except ConnectionRefusedError:
            return
        except OSError:
            pass
    sys.exit("no port unreachable came back")


def bulk():
    data = bytes(range(250)) * 8000
    tcp = socket.create_connection((address, 7007), timeout=30)
    threading.Thread(target=tcp.sendall, args=(data,), daemon=True).start()
    got = bytearray()
    while len(got) < len(data):
        part = tcp.recv(65536)
        if not part:
            break
        got += part
    if got != data:
        sys.exit(f"{len(got)} of {len(data)} bytes came back, or others")


def stream():
    tcp = socket.create_connection((address, 7007), timeout=60)
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))

    def send():
        while not ends:
            tcp.sendall(bytes(65536))

    threading.Thread(target=send, daemon=True).start()
    got, gap, last = 0, 0.0, time.monotonic()
    while not ends:
        if not select.select([tcp], [], [], 0.5)[0]:
            continue
        part = tcp.recv(65536)
        now = time.monotonic()
        if not part:
            break
        got, gap, last = got + len(part), max(gap, now - last), now
    again = struct.unpack_from("I", tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]  # tcpi_total_retrans
    print(json.dumps({"bytes": got, "gap_ms": round(gap * 1000), "retransmitted": again}))


def large():
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.setsockopt(level, DISCOVER, PROBE)
    udp.connect((address, 9009))
    ends, sent = [], 0
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    while not ends:
        try:
            udp.send(bytes(1500 - (48 if v6 else 28)))
            sent += 1
        except OSError:  # what came back for an earlier one: nobody listens there, or it was too big
            pass
        time.sleep(1 / int(more[0]))
    print(json.dumps({"sent": sent, "mtu": udp.getsockopt(level, MTU)}))


{"mtu": mtu, "refused": refused, "bulk": bulk, "stream": stream, "large": large}[what]()
