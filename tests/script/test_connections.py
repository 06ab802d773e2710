# SPDX-License-Identifier: MIT
"""Very many connections, very slow ones, and no descriptors left: the others are answered, memory
is bounded, and it ends well. How much slower the others become: crowd.py prints it."""

import socket
import os
import re
import resource
import threading
import time
import unittest

from crowd import BLOCK, CHAIN, IDLE, SERVER, SLOW, Slow, connect, lack_of_descriptors, open_idle
from harness import (
    BUILD, CHECKED, Forkcache, ForkcacheTest, TIMEOUT, http_post, read_reply, request, serve_args
)

# Of each idle connection: its struct, its timer and its places in the loop's tables.
IDLE_BYTES = 1024
# Of a slow one, besides: the block that its bytes are received into.
SLOW_BYTES = 40 * 1024
READERS, READS = 4, 1000
CHAIN_ID = "0x11f63"


def resident(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"RssAnon:\s*(\d+) kB", status.read())[1]) << 10


def processor_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd(ForkcacheTest):
    def read(self, proxy, reader, slots, wrong):
        for i in range(READS):
            slot = hex(i % len(slots))
            got = proxy.rpc("eth_getStorageAt", reader, slot, "latest")
            if got != slots[i % len(slots)]:
                wrong.append((slot, got))
        proxy.disconnect()

    def test_ten_thousand_idle_and_five_hundred_slow(self):
        why = lack_of_descriptors()
        if why:
            self.skipTest(why)
        node = self.mock()
        reader = node.samples()["reader"]
        proxy = self.serve(node, block=BLOCK, more=(*SERVER, "--head-timeout", "2s",
                                                    "--body-timeout", "2s"))
        slots = [proxy.rpc("eth_getStorageAt", reader, hex(i), "latest") for i in range(50)]
        before = resident(proxy.pid)
        idle = open_idle(proxy, IDLE)
        for connection in idle:
            self.addCleanup(connection.close)
        with_idle = resident(proxy.pid)
        slow = Slow(proxy, SLOW)
        self.addCleanup(slow.close)
        wrong = []
        readers = [threading.Thread(target=self.read, args=(proxy, reader, slots, wrong))
                   for _ in range(READERS)]
        for thread in readers:
            thread.start()
        most = 0
        while slow.n > 0:
            slow.dribble()
            most = max(most, resident(proxy.pid))
        for thread in readers:
            thread.join()
        self.assertEqual(wrong, [])
        # Each slow one was told so, and no idle one has suffered.
        self.assertEqual(len(slow.answers), SLOW)
        self.assertEqual({answer.split(b"\r\n")[0] for answer in slow.answers},
                         {b"HTTP/1.1 408 Request Timeout"})
        self.assertEqual(proxy.metrics()["forkcache_connections"], IDLE + 1)
        for connection in idle:
            connection.sendall(CHAIN)
        self.assertEqual({read_reply(connection).json["result"] for connection in idle},
                         {CHAIN_ID})
        print("%d bytes for each of %d idle connections, %d for each of %d slow ones"
              % ((with_idle - before) / IDLE, IDLE, (most - with_idle) / SLOW, SLOW))
        if not CHECKED:
            self.assertLess(with_idle - before, IDLE * IDLE_BYTES)
            self.assertLess(most - with_idle, SLOW * SLOW_BYTES)
        proxy.stop()
        self.assertNotIn("descriptors", proxy.stderr)


class Limited(Forkcache):
    """With a hard limit of open files, which it cannot raise."""

    program = "/bin/sh"

    def __init__(self, limit, *args):
        super().__init__("-c", 'ulimit -n %d && exec "$0" "$@"' % limit,
                         os.path.join(BUILD, Forkcache.program), *args)


class Descriptors(ForkcacheTest):
    WAITING = 20

    def limit(self, proxy, more):
        """So many descriptors more than it has now."""
        used = max(int(fd) for fd in os.listdir("/proc/%d/fd" % proxy.pid)) + 1
        _, hard = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (used + more, hard))

    def test_none_left(self):
        node = self.mock()
        proxy = self.serve(node, block=BLOCK, more=("--workers", 1))
        self.assertEqual(proxy.rpc("eth_chainId"), CHAIN_ID)
        self.limit(proxy, 5)
        inside = [connect(proxy, i) for i in range(5)]
        for connection in inside:
            connection.sendall(CHAIN)
            self.assertEqual(read_reply(connection).json["result"], CHAIN_ID)
        # These find no room: a few are sent away, and learn it; the others wait.
        start, used = time.monotonic(), processor_seconds(proxy.pid)
        waiting = [connect(proxy, i) for i in range(self.WAITING)]
        for connection in waiting[:4]:
            connection.settimeout(TIMEOUT)
            self.assertEqual(connection.recv(1), b"")
        # No busy loop meanwhile; and those inside are served as before.
        used, passed = processor_seconds(proxy.pid) - used, time.monotonic() - start
        self.assertLess(used, passed / 2)
        for connection in inside:
            connection.sendall(CHAIN)
            self.assertEqual(read_reply(connection).json["result"], CHAIN_ID)
        # As soon as there are descriptors, whoever still waits is served.
        self.limit(proxy, 100)
        last = waiting[-1]
        last.sendall(CHAIN)
        self.assertEqual(read_reply(last).json["result"], CHAIN_ID)
        with connect(proxy, 0) as later:
            later.sendall(CHAIN)
            self.assertEqual(read_reply(later).json["result"], CHAIN_ID)
        for connection in inside + waiting:
            connection.close()
        proxy.stop()
        said = [line for line in proxy.stderr.splitlines() if "descriptors" in line]
        self.assertEqual(len(said), 1, proxy.stderr)
        self.assertIn("level=warn", said[0])
        self.assertIn("connections=6", said[0])

    def test_a_place_that_becomes_free_is_taken(self):
        node = self.mock()
        proxy = self.serve(node, block=BLOCK, more=("--workers", 1))
        self.assertEqual(proxy.rpc("eth_chainId"), CHAIN_ID)
        self.limit(proxy, 1)
        for i in range(30):
            with connect(proxy, i) as one, connect(proxy, i) as two:
                one.sendall(CHAIN)
                self.assertEqual(read_reply(one).json["result"], CHAIN_ID)
                one.close()
                two.sendall(CHAIN)
                with self.subTest(i):
                    # Sent away at once, or served in the other's place.
                    self.assertIn(two.recv(12), (b"HTTP/1.1 200", b""))
        self.assertEqual(proxy.rpc("eth_chainId"), CHAIN_ID)

    def test_too_few_from_the_start(self):
        """Clients cannot take the descriptors that upstreams and the store need."""
        node = self.mock()
        args = serve_args([node], self.folder, "--workers", 1, block=BLOCK)
        proxy = self.started(Limited(256, *args))
        held = []
        for i in range(192):
            held.append(connect(proxy, i))
            held[-1].sendall(CHAIN)
            self.assertEqual(read_reply(held[-1]).status, 200)
        with connect(proxy, 0) as one_more:
            self.assertEqual(read_reply(one_more).status, 503)
        # A new question, over a connection to the node that is made now.
        balance = ("eth_getBalance", node.samples()["reader"], "latest")
        # Said at the start; by now it has come.
        self.assertIn("allows fewer connections", proxy.stderr)
        self.assertIn("connections=192", proxy.stderr)
        last = held.pop()
        last.shutdown(socket.SHUT_WR)
        self.assertEqual(last.recv(1), b"")  # it has been let go
        last.close()
        self.assertEqual(proxy.rpc(*balance), node.rpc(*balance[:2], hex(BLOCK)))
        for connection in held:
            connection.close()


class Options(ForkcacheTest):
    """That a limit holds is the unit tests' business; that its option sets it, this one's."""

    def test_limits_are_options(self):
        node = self.mock()
        s = node.samples()
        proxy = self.serve(node, block=BLOCK, more=("--pipeline", 2, "--json-depth", 8))
        node.control(reset_counters=True)
        node.hold()
        cold = [http_post(request("eth_getBalance", s[name], "latest"))
                for name in ("reader", "reader_2", "summer", "token")]
        with proxy.socket() as connection:
            connection.sendall(b"".join(cold))
            node.wait(items=2)
            # A request that has come later, over another connection, has been looked at.
            asked = proxy.start("eth_getBalance", s["large"], "latest")
            node.wait(items=3)
            self.assertEqual(node.counters()["items"], 3)
            node.release()
            self.assertEqual([read_reply(connection).status for _ in cold], [200] * 4)
            asked()
        deep = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","x":%s%s}'
        for n, answered in ((7, True), (8, False)):
            reply = proxy.post(deep % (b"[" * n, b"]" * n)).json
            self.assertEqual("result" in reply, answered, n)


if __name__ == "__main__":
    unittest.main()
