# SPDX-License-Identifier: MIT
"""Thousands of idle connections and hundreds of slow ones, for tests and for measuring.

`python3 tests/script/crowd.py` prints what they cost the others: the latency of single cached
reads on a server with the crowd, beside one without, in interleaved rounds.
"""

import contextlib
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from harness import (
    Forkcache, MockNode, TIMEOUT, http_post, read_reply, request, serve_args
)

IDLE, SLOW = 10000, 500
SPARE = 600  # what a process needs besides, and forkcache keeps free for its upstreams
BLOCK = 100
CHAIN = http_post(request("eth_chainId"))
SERVER = ("--connections", IDLE + SLOW + 100, "--idle-timeout", "3600s", "--workers", 1)


def lack_of_descriptors(wanted=IDLE + SLOW + SPARE):
    """Raises the limit of open files; why that is not enough, or None."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return "at most %d open files, and %d are needed (ulimit -Hn)" % (hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None


def connect(proxy, i):
    """From one of several addresses: the ports of one may not be enough."""
    connection = socket.socket()
    connection.settimeout(TIMEOUT)
    connection.bind(("127.0.0.%d" % (2 + i % 8), 0))
    connection.connect((proxy.host, proxy.port))
    return connection


def open_idle(proxy, n):
    """Connections that have been answered once, and say nothing more."""
    idle = [connect(proxy, i) for i in range(n)]
    for connection in idle:
        connection.sendall(CHAIN)
    for connection in idle:
        read_reply(connection)
    return idle


class Slow:
    """Clients that send a head or a body byte by byte, and never all of it."""

    STARTS = (b"POST / HTTP/1.1\r\nHost: localhost\r\nX: ",
              b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")

    def __init__(self, proxy, n):
        self.proxy, self.answers = proxy, []
        self.selector = selectors.DefaultSelector()
        for i in range(n):
            self.open(i)

    def open(self, i):
        connection = connect(self.proxy, i)
        connection.sendall(self.STARTS[i % 2])
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, i)

    @property
    def n(self):
        return len(self.selector.get_map())

    def dribble(self, again=False):
        """A byte from each; those that have been answered go, or begin again."""
        for key, _ in self.selector.select(0):
            self.answers.append(key.fileobj.recv(65536))
            self.selector.unregister(key.fileobj)
            key.fileobj.close()
            if again:
                self.open(key.data)
        for key in list(self.selector.get_map().values()):
            with contextlib.suppress(OSError):  # answered meanwhile: seen in the next round
                key.fileobj.send(b" ")

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def latencies(proxy, n):
    """Seconds of each of n reads, one after another on one connection."""
    read = http_post(request("eth_getStorageAt", proxy.slot_of, "0x1", "latest"))
    seconds = []
    with connect(proxy, 0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(n):
            start = time.perf_counter()
            connection.sendall(read)
            got = connection.recv(65536)
            seconds.append(time.perf_counter() - start)
            if not got.startswith(b"HTTP/1.1 200"):
                raise AssertionError(got)
    return sorted(seconds)


def crowd_process(port):
    """The crowd in a process of its own, until it is killed."""
    proxy = type("Server", (), {"host": "127.0.0.1", "port": port})
    lack_of_descriptors()
    idle, slow = open_idle(proxy, IDLE), Slow(proxy, SLOW)
    print("here", flush=True)
    while idle:
        slow.dribble(again=True)
        time.sleep(0.1)


def measure(rounds=9, reads=4000):
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(MockNode())
        proxies = []
        for _ in range(2):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="forkcache-"))
            args = serve_args([node], folder, *SERVER, block=BLOCK)
            proxies.append(stack.enter_context(Forkcache(*args)))
            proxies[-1].slot_of = node.samples()["reader"]
        alone, crowded = proxies
        crowd = subprocess.Popen([sys.executable, __file__, "--crowd", str(crowded.port)],
                                 stdout=subprocess.PIPE)
        stack.callback(crowd.wait)
        stack.callback(crowd.kill)
        assert crowd.stdout.readline() == b"here\n"
        rows = []
        for _ in range(rounds):
            a, b = latencies(alone, reads), latencies(crowded, reads)
            rows.append([a[reads // 2], b[reads // 2], a[reads * 99 // 100], b[reads * 99 // 100]])
        crowd.stdout.close()
    p50, p50_crowd, p99, p99_crowd = (statistics.median(column) * 1e6 for column in zip(*rows))
    print("%d idle and %d slow connections; single cached reads, medians of %d rounds of %d:"
          % (IDLE, SLOW, rounds, reads))
    print("p50 %.1f us alone, %.1f us with them: %.2f" % (p50, p50_crowd, p50_crowd / p50))
    print("p99 %.1f us alone, %.1f us with them: %.2f" % (p99, p99_crowd, p99_crowd / p99))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--crowd"]:
        crowd_process(int(sys.argv[2]))
    else:
        why = lack_of_descriptors()
        if why:
            sys.exit(why)
        measure()
