# SPDX-License-Identifier: MIT
"""HTTP as bytes on sockets, for tests that say what is sent when."""

import json
import socket
import time

TIMEOUT = 30.0


class Reply:
    """An HTTP answer: status, headers (names in lower case), body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def http_post(document, extra=""):
    """The bytes of a POST, for raw sockets."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s" % extra
    return (head + "Content-Length: %d\r\n\r\n" % len(body)).encode() + body


def read_all(connection):
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


def all_at_once(proxy, bodies):
    """POSTs each body over a connection of its own; the program sees all of them together.
    Returns the Replies in order, and the seconds that passed."""
    connections = [socket.create_connection((proxy.host, proxy.port), TIMEOUT) for _ in bodies]
    try:
        with proxy.paused():
            for connection, body in zip(connections, bodies):
                connection.sendall(http_post(body))
            start = time.monotonic()
        replies = [read_reply(connection) for connection in connections]
        return replies, time.monotonic() - start
    finally:
        for connection in connections:
            connection.close()


def read_reply(connection):
    """Reads one HTTP answer, which says its Content-Length, from a socket and not a byte
    more."""
    head = b""
    while b"\r\n\r\n" not in head:
        seen = connection.recv(65536, socket.MSG_PEEK)
        if not seen:
            raise AssertionError("closed within the head: %r" % head)
        end = (head[-3:] + seen).find(b"\r\n\r\n")
        head += receive(connection, len(seen) if end < 0 else end + 4 - len(head[-3:]))
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:-2]:
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    body = receive(connection, int(headers["content-length"]))
    return Reply(int(lines[0].split()[1]), headers, body)


def receive(connection, n):
    """Exactly n bytes."""
    parts = []
    while n > 0:
        parts.append(connection.recv(n))
        if not parts[-1]:
            raise AssertionError("closed %d bytes too early" % n)
        n -= len(parts[-1])
    return b"".join(parts)
