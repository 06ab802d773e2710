# SPDX-License-Identifier: MIT
"""Many clients at once, cold: each slot is asked for once, in few upstream requests."""

import unittest

from harness import CHECKED, ForkcacheTest, all_at_once, http_post, request

BLOCK = 100
CLIENTS = 50
ITEMS = 20
SLOTS = CLIENTS * ITEMS
# Questions gather for a sixteenth of the round trip.
LATENCY_MS = 500 if CHECKED else 50
# How often the bound on requests may be missed before it counts: the machine may stand
# still while a thousand connections are being served.
TRIES = 3


class Coalescing(ForkcacheTest):
    def start(self, more=(), **script):
        """A mock and a forkcache that knows the mock's abilities: it learns them by four
        reads of two slots, which the tests do not ask for again."""
        self.node = self.mock()
        self.reader = self.node.samples()["reader"]
        answers = self.node.batch([self.read(slot) for slot in range(TRIES * SLOTS)])
        self.truth = [answer["result"] for answer in answers]
        self.latency_ms = script.setdefault("latency_ms", LATENCY_MS)
        self.node.control(**script)
        self.proxy = self.serve(self.node, block=BLOCK, more=more)
        for first in range(4000, 4008, 2):
            for answer in self.proxy.batch([self.read(first), self.read(first + 1)]):
                self.assertIn("result", answer)
        self.node.control(reset_counters=True)

    def read(self, slot):
        return ("eth_getStorageAt", self.reader, hex(slot), hex(BLOCK))

    def ask_in_batches(self, first):
        """Client c asks for slots first + c * ITEMS ...; all values in order, and seconds."""
        bodies = [
            [request(*self.read(first + c * ITEMS + i), id=i) for i in range(ITEMS)]
            for c in range(CLIENTS)
        ]
        replies, seconds = all_at_once(self.proxy, bodies)
        for reply in replies:
            self.assertEqual(reply.status, 200)
            self.assertEqual([answer["id"] for answer in reply.json], list(range(ITEMS)))
        return [answer.get("result") for reply in replies for answer in reply.json], seconds

    def ask_one_by_one(self, first):
        """SLOTS connections with one request each."""
        bodies = [request(*self.read(first + i), id="s%d" % i) for i in range(SLOTS)]
        replies, seconds = all_at_once(self.proxy, bodies)
        self.assertEqual([r.json["id"] for r in replies], ["s%d" % i for i in range(SLOTS)])
        return [reply.json["result"] for reply in replies], seconds

    def once(self, ask, first):
        """Asks for SLOTS cold slots; returns how many requests the node served and refused."""
        self.node.control(reset_counters=True)
        values, seconds = ask(first)
        self.assertEqual(values, self.truth[first : first + SLOTS])
        counters, keys = self.node.counters(), self.node.keys()
        print(
            "%s: %d upstream requests, largest batch %d, %.0f ms = %.1f round trips"
            % (self.id().split(".")[-1], counters["http_requests"], counters["max_batch"],
               1e3 * seconds, 1e3 * seconds / self.latency_ms)
        )
        slots = {k: n for k, n in keys.items() if k.startswith("eth_getStorageAt ")}
        self.assertEqual(len(slots), SLOTS)
        self.assertEqual(set(slots.values()), {1}, "a slot was asked for twice")
        self.node.control(reset_counters=True)
        self.assertEqual(ask(first)[0], values)
        self.assertEqual(self.node.counters()["http_requests"], 0)
        return counters["http_requests"] - counters["refused"], counters["refused"]

    def check(self, ask, most_requests):
        served = []
        while len(served) < TRIES:
            requests, refused = self.once(ask, len(served) * SLOTS)
            self.assertEqual(refused, 0)
            if requests <= most_requests:
                return
            served.append(requests)
        self.fail("more than %d requests each time: %r" % (most_requests, served))


class Cold(Coalescing):
    def test_batches_to_a_node_with_storage_values(self):
        self.start()
        self.check(self.ask_in_batches, 8)

    def test_single_requests_to_a_node_with_storage_values(self):
        self.start()
        self.check(self.ask_one_by_one, 8)

    def test_batches_to_a_node_without(self):
        self.start(missing=["eth_getStorageValues"])
        self.check(self.ask_in_batches, 8)

    def test_single_requests_to_a_node_without(self):
        self.start(missing=["eth_getStorageValues"])
        self.check(self.ask_one_by_one, 8)

    # A node that takes a hundred items refuses 1,000, twice 500, four times 250, eight times
    # 125 before 62 pass: the halves leave side by side.
    LEARNING = 1 + 2 + 4 + 8

    def limited(self, style, more=(), most_refused=LEARNING, most_requests=30):
        self.start(missing=["eth_getStorageValues"], latency_ms=5,
                   max_batch={"items": 100, "style": style}, more=more)
        served, refused = self.once(self.ask_in_batches, 0)
        self.assertLessEqual(served, most_requests)
        self.assertLessEqual(refused, most_refused)

    def test_a_batch_limit_told_by_an_error_object(self):
        self.limited("object")

    def test_a_batch_limit_told_by_status_413(self):
        self.limited("413")

    def test_a_batch_limit_told_as_go_ethereum_does(self):
        self.limited("geth")

    # What breaks once may have broken by chance, and who reconnects is looked at again.
    def test_a_batch_limit_that_is_not_told(self):
        self.limited("close", more=("--state-deadline", "1s"), most_refused=40,
                     most_requests=60)

    def test_a_node_that_takes_a_hundred_items_and_has_storage_values(self):
        self.start(max_batch=100)
        self.check(self.ask_in_batches, 8)

    def test_a_node_that_takes_no_batches(self):
        self.start(missing=["eth_getStorageValues"], latency_ms=5, max_batch=1)
        served, refused = self.once(self.ask_in_batches, 0)
        self.assertEqual(served, SLOTS)
        self.assertLessEqual(refused, self.LEARNING)

    def test_a_node_that_takes_no_batches_but_has_storage_values(self):
        self.start(max_batch=1)
        self.check(self.ask_in_batches, 8)


class Joining(Coalescing):
    LATENCY_MS = 50  # enough: what is in flight is held back

    def check_asked_once(self):
        counters = self.node.counters()
        self.assertEqual((counters["items"], counters["max_key_count"]), (1, 1))

    def test_the_same_slot_for_everybody(self):
        self.start(latency_ms=self.LATENCY_MS)
        replies, _ = all_at_once(self.proxy, [request(*self.read(7), id=i) for i in range(200)])
        self.assertEqual(
            [reply.json for reply in replies],
            [{"jsonrpc": "2.0", "id": i, "result": self.truth[7]} for i in range(200)],
        )
        self.check_asked_once()

    def test_who_comes_while_it_is_in_flight_joins(self):
        self.start(latency_ms=self.LATENCY_MS)
        self.node.hold()
        first = self.proxy.start(*self.read(7))
        self.node.wait(held=1)
        others = [self.proxy.start(*self.read(7)) for _ in range(20)]
        self.proxy.wait_until(lambda metrics: metrics["forkcache_fork_joined_total"] >= 20)
        self.node.release()
        self.assertEqual({finish() for finish in [first, *others]}, {self.truth[7]})
        self.check_asked_once()

    def test_one_who_leaves_does_not_take_it_from_the_others(self):
        self.start(latency_ms=self.LATENCY_MS)
        self.node.hold()
        with self.proxy.socket() as leaver:
            leaver.sendall(http_post(request(*self.read(7))))
            self.node.wait(held=1)
            stayer = self.proxy.start(*self.read(7))
            self.proxy.wait_until(lambda metrics: metrics["forkcache_fork_joined_total"] >= 1)
        self.node.release()
        self.assertEqual(stayer(), self.truth[7])
        self.check_asked_once()


if __name__ == "__main__":
    unittest.main()
