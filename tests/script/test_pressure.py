# SPDX-License-Identifier: MIT
"""A million slots, more than memory and disk may hold, read by two processes on one folder
while a third is killed: every answer is right, and the bounds hold.

A build that checks itself reads a part of them under a part of the bounds, so that as much
has to be evicted.
"""

import os
import random
import signal
import threading
import time
import unittest

from harness import CHECKED, ForkcacheTest

MIB = 1 << 20
MEMORY, DISK = (2 * MIB, 16 * MIB) if CHECKED else (8 * MIB, 64 * MIB)
BLOCKS = 6 if CHECKED else 32  # 32 Ki slots each
PINNED = 180  # of the blocks read, the newest
ITEMS = 1000  # in a batch
SLOTS = 4096  # that an account of the mock's chain has values in
# Besides the cache a process has its code, its stacks, its buffers and its queues.
OTHER_BYTES = (512 if CHECKED else 48) * MIB


class Chunk:
    """A batch of slot reads: the bytes of the request and of the only right answer."""

    def __init__(self, block, address, slots, values):
        ask = '{"jsonrpc":"2.0","id":%d,"method":"eth_getStorageAt","params":["%s","0x%x","%s"]}'
        tell = '{"jsonrpc":"2.0","id":%d,"result":"%s"}'
        self.request = "[%s]" % ",".join(
            ask % (i, address, slot, block) for i, slot in enumerate(slots)
        )
        self.answer = "[%s]" % ",".join(tell % (i, value) for i, value in enumerate(values))
        self.request, self.answer = self.request.encode(), self.answer.encode()
        self.slots = len(slots)


def resident(pid):
    """{'VmRSS': bytes, ...} of a process."""
    with open("/proc/%d/status" % pid) as status:
        fields = dict(line.split(":", 1) for line in status)
    return {
        name: int(fields[name].split()[0]) << 10
        for name in ("VmRSS", "VmHWM", "RssAnon", "RssFile")
    }


def folder_bytes(folder):
    """Bytes that the files of a folder occupy."""
    return sum(entry.stat().st_blocks * 512 for entry in os.scandir(folder))


class Pressure(ForkcacheTest):
    def chunks(self, node):
        """What is read, with the values that the node itself tells."""
        samples = node.samples()
        names = "reader reader_2 summer token proxy reverter large delegated".split()
        for number in range(PINNED - BLOCKS + 1, PINNED + 1):
            for name in names:
                address = samples[name]
                for first in range(0, SLOTS, ITEMS):
                    slots = range(first, min(first + ITEMS, SLOTS))
                    asked = {address: [hex(slot) for slot in slots]}
                    values = node.rpc("eth_getStorageValues", asked, hex(number))[address]
                    yield Chunk(hex(number), address, slots, values)

    def start(self, node):
        return self.serve(node, block=PINNED,
                          more=("--memory", MEMORY, "--disk", DISK))

    def read(self, proxy, chunks, failures):
        for chunk in chunks:
            body = proxy.post(chunk.request).body
            if body != chunk.answer:
                failures.append((chunk.request[:200], body[:400]))
                return
            self.largest = max(self.largest, folder_bytes(self.folder))

    def read_until_killed(self, proxy, chunks, failures, killed):
        for chunk in chunks:
            try:
                body = proxy.post(chunk.request).body
            except Exception:
                if not killed.is_set():
                    raise
                return
            if body != chunk.answer:
                failures.append((chunk.request[:200], body[:400]))

    def test_pressure(self):
        self.largest = 0
        node = self.mock()
        chunks = list(self.chunks(node))
        node.control(reset_counters=True)
        slots = sum(chunk.slots for chunk in chunks)
        first, second, third = (self.start(node) for _ in range(3))
        failures, killed = [], threading.Event()
        shuffled = chunks[:]
        random.Random(1).shuffle(shuffled)

        def run(target, *args):
            thread = threading.Thread(target=target, args=args)
            thread.start()
            return thread

        start = time.monotonic()
        readers = [
            run(self.read, first, chunks, failures),
            run(self.read, second, chunks[::-1], failures),
        ]
        victim = run(self.read_until_killed, third, shuffled, failures, killed)
        third.wait_until(
            lambda metrics: metrics["forkcache_http_requests_total"] > len(chunks) / 8
        )
        killed.set()
        third.kill(signal.SIGKILL)
        for reader in [victim, *readers]:
            reader.join()
        self.assertEqual(failures, [])
        # Again: from memory, from disk, or fetched once more.
        readers = [
            run(self.read, first, chunks[::-3], failures),
            run(self.read, second, shuffled[::3], failures),
        ]
        for reader in readers:
            reader.join()
        self.assertEqual(failures, [])
        seconds = time.monotonic() - start

        for name, proxy in (("first", first), ("second", second)):
            metrics, memory = proxy.wait_committed(), resident(proxy.pid)
            print(
                "%s: resident %.1f MiB (anonymous %.1f), evicted %d from memory and %d from "
                "disk, %d dropped, hits %d in memory and %d on disk, %d misses"
                % (name, memory["VmHWM"] / MIB, memory["RssAnon"] / MIB,
                   metrics["forkcache_memory_evictions_total"],
                   metrics["forkcache_disk_evictions_total"],
                   metrics["forkcache_disk_puts_dropped_total"],
                   metrics['forkcache_hits_total{layer="memory"}'],
                   metrics['forkcache_hits_total{layer="disk"}'],
                   metrics["forkcache_misses_total"])
            )
            self.assertLess(memory["RssAnon"], MEMORY + OTHER_BYTES)
            self.assertLess(memory["VmHWM"], MEMORY + DISK * 3 // 2 + OTHER_BYTES)
            self.assertEqual(metrics["forkcache_disk_corrupt_total"], 0)
            self.assertEqual(metrics["forkcache_check_failures_total"], 0)
            self.assertGreater(metrics["forkcache_memory_evictions_total"], 0)
        print("%d slots in %.1f s; folder at most %.1f MiB of %d"
              % (slots, seconds, self.largest / MIB, DISK // MIB))
        self.assertLessEqual(self.largest, DISK * 3 // 2)
        self.assertGreater(
            sum(p.metrics()["forkcache_disk_evictions_total"] for p in (first, second)), 0
        )
        first.stop()
        second.stop()

        # Whoever comes later finds the folder in order.
        later = self.start(node)
        self.read(later, shuffled[:20], failures)
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
