# SPDX-License-Identifier: MIT
"""The end, gentle or not, and a start on the same folder."""

import contextlib
import http.client
import os
import signal
import subprocess
import threading
import time
import unittest

from harness import BUILD, TIMEOUT, ForkcacheTest, http_post, read_reply, request, serve_args

BLOCK = 100
SLOTS = 2000
ITEMS = 20


def died_of(number):
    """By the signal, or by an exit where it has no default action, as in a sanitizer's handler."""
    return (-number, 128 + number)


class Restart(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.node = self.mock()
        self.reader = self.node.samples()["reader"]
        asked = {self.reader: [hex(slot) for slot in range(SLOTS)]}
        part = lambda first: {self.reader: asked[self.reader][first : first + 1000]}
        self.truth = [
            value
            for first in range(0, SLOTS, 1000)
            for value in self.node.rpc("eth_getStorageValues", part(first), hex(BLOCK))[self.reader]
        ]
        self.node.control(reset_counters=True)

    def calls(self, first, n):
        slots = range(first, first + n)
        return [("eth_getStorageAt", self.reader, hex(slot), "latest") for slot in slots]

    def read(self, proxy, first, n=ITEMS):
        """Reads slots; fails if one is wrong."""
        answers = proxy.batch(self.calls(first, n))
        self.assertEqual([a.get("result", a) for a in answers], self.truth[first : first + n])

    def read_all(self, proxy):
        for first in range(0, SLOTS, 1000):
            self.read(proxy, first, 1000)

    def slots_asked(self):
        """How often the node was asked for each slot since its counters were reset."""
        slots = {}
        for key, n in self.node.keys().items():
            if key.startswith("eth_getStorageAt "):
                slot = int(key.split('"')[3], 16)
                slots[slot] = slots.get(slot, 0) + n
        return slots

    def killed_while_reading(self, reads_before, latency_ms):
        """Four clients read until kill -9 strikes, which it does when so many reads are
        through; returns the slots that a client had got and those known to be committed."""
        self.node.control(latency_ms=latency_ms)
        proxy = self.serve(self.node, block=BLOCK)
        got, struck = set(), threading.Event()
        enough = threading.Semaphore(0)

        def client(firsts):
            for first in firsts:
                try:
                    self.read(proxy, first)
                except (OSError, http.client.HTTPException):
                    if struck.is_set():
                        return
                    raise
                got.update(range(first, first + ITEMS))
                enough.release()

        failures = []

        def run(firsts):
            try:
                client(firsts)
            except Exception as exception:
                failures.append(exception)
                enough.release(SLOTS)

        threads = [
            threading.Thread(target=run, args=(range(c * ITEMS, SLOTS, 4 * ITEMS),))
            for c in range(4)
        ]
        for thread in threads:
            thread.start()
        for _ in range(reads_before):
            enough.acquire()
        committed = set(got)
        proxy.wait_committed()
        struck.set()
        proxy.kill(signal.SIGKILL)
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.node.control(latency_ms=0, reset_counters=True)
        return committed

    def test_kill_9_while_clients_read(self):
        for reads_before in (1, 7, 30, 60, 90):
            with self.subTest(reads_before=reads_before):
                folder, self.folder = self.folder, os.path.join(self.folder, str(reads_before))
                committed = self.killed_while_reading(reads_before, 2)
                proxy = self.serve(self.node, block=BLOCK)
                self.read_all(proxy)
                asked = self.slots_asked()
                self.assertEqual(committed & set(asked), set(), "committed, but fetched again")
                self.assertLessEqual(set(asked.values()), {1})
                proxy.stop()
                proxy = self.serve(block=BLOCK, more=("--offline",))
                self.read_all(proxy)
                proxy.stop()
                self.folder = folder

    def test_kill_9_again_and_again(self):
        for i in range(1, 10):
            proxy = self.serve(self.node, block=BLOCK)
            self.read(proxy, i * ITEMS)
            self.read(proxy, 0, i * ITEMS)
            proxy.kill(signal.SIGKILL)
        proxy = self.serve(self.node, block=BLOCK)
        self.read_all(proxy)

    def test_kill_9_of_one_of_two(self):
        first, second = (self.serve(self.node, block=BLOCK) for _ in range(2))
        self.read(first, 0, 500)
        first.wait_committed()
        first.kill(signal.SIGKILL)
        self.node.control(reset_counters=True)
        self.read(second, 0, 500)
        self.assertEqual(self.slots_asked(), {}, "what one process has committed another reads")
        self.read(second, 500, 500)

    def test_two_processes_share_what_is_committed(self):
        first, second = (self.serve(self.node, block=BLOCK) for _ in range(2))
        self.read_all(first)
        first.wait_committed()
        self.node.control(reset_counters=True)
        self.read_all(second)
        self.assertEqual(self.node.counters()["http_requests"], 0)

    def test_sigterm_keeps_everything(self):
        proxy = self.serve(self.node, block=BLOCK)
        self.read_all(proxy)
        self.assertEqual(proxy.kill(signal.SIGTERM), 0)
        self.node.stop()
        self.read_all(self.serve(block=BLOCK, more=("--offline",)))

    def test_sigterm_during_requests_in_flight(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                folder, self.folder = self.folder, os.path.join(self.folder, number.name)
                self.in_flight_when(number)
                self.folder = folder

    def stop_and_wait(self, proxy, number):
        """Signals; returns when the server has begun to end: it closes what is idle."""
        with proxy.socket() as idle:
            idle.sendall(http_post(request("eth_chainId")))
            read_reply(idle)
            proxy.process.send_signal(number)
            self.assertEqual(idle.recv(1), b"")

    def in_flight_when(self, number):
        proxy = self.serve(self.node, block=BLOCK)
        self.node.hold()
        finishes = [proxy.start(*self.calls(slot, 1)[0]) for slot in range(8)]
        self.node.wait(held=1)
        proxy.wait_until(lambda m: m["forkcache_fork_questions_total"] >= 8)
        self.stop_and_wait(proxy, number)
        self.node.release()
        self.assertEqual([finish() for finish in finishes], self.truth[:8])
        proxy.join()
        offline = self.serve(block=BLOCK, more=("--offline",))
        self.read(offline, 0, 8)
        offline.stop()

    def test_a_signal_while_nobody_answers_at_start(self):
        args = serve_args([self.node], self.folder, block=str(BLOCK))
        for number in (signal.SIGTERM, signal.SIGINT):
            self.node.release()
            self.node.control(reset_counters=True)
            self.node.hold()
            with self.subTest(number), subprocess.Popen(
                [os.path.join(BUILD, "forkcache"), *args], stderr=subprocess.DEVNULL
            ) as starting:
                self.node.wait(held=1)
                starting.send_signal(number)
                self.assertIn(starting.wait(TIMEOUT), died_of(number))

    def test_a_second_signal_does_not_wait(self):
        proxy = self.serve(self.node, block=BLOCK)
        self.node.hold()
        proxy.start(*self.calls(0, 1)[0])
        self.node.wait(held=1)
        self.stop_and_wait(proxy, signal.SIGTERM)
        self.assertIn(proxy.kill(signal.SIGINT), died_of(signal.SIGINT))

    def test_a_server_that_ends_takes_no_connection(self):
        proxy = self.serve(self.node, block=BLOCK)
        self.node.hold()
        finish = proxy.start(*self.calls(0, 1)[0])
        self.node.wait(held=1)
        self.stop_and_wait(proxy, signal.SIGTERM)
        try:
            deadline = time.monotonic() + 5
            with self.assertRaises(ConnectionRefusedError):
                while time.monotonic() < deadline:
                    with contextlib.suppress(ConnectionResetError):  # as it closes
                        proxy.socket().close()
            self.assertIsNone(proxy.process.poll(), "it had ended")
        finally:
            self.node.release()
            finish()
            proxy.join()

    def test_sigterm_when_the_client_has_left(self):
        """A request that was sent is paid for: its answer is kept."""
        proxy = self.serve(self.node, block=BLOCK)
        self.node.hold()
        finishes = [proxy.start(*self.calls(0, 1)[0])]
        self.node.wait(held=1)
        with proxy.socket() as leaver:
            leaver.sendall(http_post(request(*self.calls(1, 1)[0])))
            proxy.wait_until(lambda m: m["forkcache_fork_questions_total"] >= 2)
        self.node.release()
        self.assertEqual(finishes[0](), self.truth[0])
        proxy.wait_until(lambda m: m["forkcache_disk_queued"] == 0
                         and all(n == 0 for name, n in m.items() if "in_flight" in name))
        self.assertEqual(proxy.kill(signal.SIGTERM), 0)
        offline = self.serve(block=BLOCK, more=("--offline",))
        self.read(offline, 0, 2)


if __name__ == "__main__":
    unittest.main()
