# SPDX-License-Identifier: MIT
"""Without an upstream: how it starts, what it knows, and how it says what it does not know."""

import unittest

from harness import ForkcacheTest

FINAL = 100
HEAD = 256  # of the mock's chain; not final
MISSING = -32001


class Offline(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.node = self.mock()
        self.s = self.node.samples()

    def fill(self, block, calls, folder=None, node=None):
        """Fetches into the cache; returns the results, and what was pinned."""
        proxy = self.serve(node or self.node, block=block, folder=folder)
        answers = [proxy.rpc(*call) for call in calls]
        pinned = proxy.pinned
        proxy.stop()
        return answers, pinned

    def offline(self, block, more=(), **options):
        return self.serve(block=block, more=("--offline", *more), **options)

    def some_calls(self):
        return [
            ("eth_getBalance", self.s["eoa"], "latest"),
            ("eth_getTransactionCount", self.s["eoa"], "latest"),
            ("eth_getCode", self.s["reader"], "latest"),
            ("eth_getCode", self.s["eoa"], "latest"),
            ("eth_getStorageAt", self.s["reader"], self.s["slot"], "latest"),
            ("eth_getStorageAt", self.s["reader"], self.s["slot_zero"], "latest"),
            ("eth_getBalance", "0x" + "77" * 20, "latest"),
            ("eth_getBlockByNumber", "0x32", True),
            ("eth_getBlockReceipts", "0x33"),
            ("eth_getTransactionByBlockNumberAndIndex", "0x32", "0x0"),
            ("eth_feeHistory", "0x4", "0x32", [50]),
            ("eth_chainId",),
            ("eth_blockNumber",),
            ("net_version",),
        ]

    def check_start(self, filled, started):
        answers, pinned = self.fill(filled, self.some_calls())
        self.node.stop()
        for block in started:
            proxy = self.offline(block)
            self.assertEqual(proxy.pinned, pinned)
            self.assertTrue(proxy.listening_line.endswith("offline"))
            self.assertEqual([proxy.rpc(*call) for call in self.some_calls()], answers)
            self.assertEqual(proxy.http("GET", "/healthz").status, 200)
            proxy.stop()

    def test_a_final_block_by_number_and_by_hash(self):
        block_hash = self.node.rpc("eth_getBlockByNumber", hex(FINAL), False)["hash"]
        self.check_start(FINAL, (FINAL, hex(FINAL), block_hash))

    def test_a_block_that_is_not_final_by_hash(self):
        self.check_start(HEAD, (self.s["head_hash"],))

    def test_a_block_that_was_final_when_it_was_resolved(self):
        self.check_start("finalized", (HEAD - 64,))

    def test_a_block_that_is_not_final_cannot_be_named_by_its_number(self):
        self.fill(HEAD, self.some_calls())
        status, said = self.refused(block=HEAD, more=("--offline",))
        self.assertEqual(status, 1)
        self.assertIn("block 256 of chain 73571", said)
        self.assertIn("hash", said)

    def test_a_wrong_number(self):
        self.fill(FINAL, self.some_calls())
        status, said = self.refused(block=FINAL + 1, more=("--offline",))
        self.assertEqual(status, 1)
        self.assertIn("block 101 of chain 73571 is not in the cache", said)

    def test_a_wrong_hash(self):
        self.fill(FINAL, self.some_calls())
        status, said = self.refused(block="0x" + "12" * 32, more=("--offline",))
        self.assertEqual(status, 1)
        self.assertIn("does not know block 0x1212", said)

    def test_a_tag(self):
        self.fill(FINAL, self.some_calls())
        for tag in ("latest", "finalized", "safe"):
            status, said = self.refused(block=tag, more=("--offline",))
            self.assertEqual(status, 1)
            self.assertIn('"%s"' % tag, said)

    def test_an_empty_cache(self):
        status, said = self.refused(block=FINAL, more=("--offline",))
        self.assertEqual(status, 1)
        self.assertIn("the cache is empty", said)

    def test_two_chains_in_one_cache(self):
        other = self.mock("--chain-id", 31415)
        calls = [("eth_getBalance", self.s["eoa"], "latest"), ("eth_chainId",)]
        first, _ = self.fill(FINAL, calls)
        second, _ = self.fill(FINAL, calls, node=other)
        self.assertNotEqual(first, second)
        status, said = self.refused(block=FINAL, more=("--offline",))
        self.assertEqual(status, 1)
        for word in ("73571", "31415", "--chain-id"):
            self.assertIn(word, said)
        for answers, chain_id in ((first, 73571), (second, 31415)):
            proxy = self.offline(FINAL, more=("--chain-id", chain_id))
            self.assertEqual(proxy.pinned[0], chain_id)
            self.assertEqual([proxy.rpc(*call) for call in calls], answers)
            proxy.stop()
        status, said = self.refused(block=FINAL, more=("--offline", "--chain-id", 5))
        self.assertEqual(status, 1)
        self.assertIn("chain 5", said)

    def missing(self, proxy, *call):
        error = proxy.error(*call)
        self.assertEqual(error.code, MISSING)
        self.assertIn("not in the cache (offline): " + call[0], error.message)
        return error.message

    def test_a_miss_says_what_is_missing(self):
        self.fill(FINAL, [("eth_getBalance", self.s["eoa"], "latest")])
        proxy = self.offline(FINAL)
        reader = self.s["reader"]
        slot = "0x%064x" % 0x2A
        says = self.missing(proxy, "eth_getStorageAt", reader, "0x2a", "latest")
        self.assertTrue(says.endswith("%s slot %s at block %d" % (reader, slot, FINAL)), says)
        for method in ("eth_getBalance", "eth_getTransactionCount", "eth_getCode"):
            says = self.missing(proxy, method, reader, hex(FINAL))
            self.assertTrue(says.endswith("%s %s at block %d" % (method, reader, FINAL)), says)
        says = self.missing(proxy, "eth_getBalance", self.s["eoa"], "0x32")
        self.assertTrue(says.endswith("at block 50"), says)
        self.assertIn("block 50", self.missing(proxy, "eth_getBlockByNumber", "0x32", False))
        self.assertIn(self.s["head_hash"],
                      self.missing(proxy, "eth_getBlockByHash", self.s["head_hash"], False))
        self.missing(proxy, "eth_call", {"to": reader}, "latest")
        self.missing(proxy, "debug_traceTransaction", self.s["transaction"])
        # In a batch it spoils no neighbour.
        answers = proxy.batch([
            ("eth_getBalance", self.s["eoa"], "latest"),
            ("eth_getBalance", reader, "latest"),
            ("eth_chainId",),
        ])
        self.assertEqual(["result" in answer for answer in answers], [True, False, True])

    def test_a_transaction_that_nobody_has_asked_for_is_none(self):
        """A client that polls for one of its own has to be told so."""
        self.fill(FINAL, [("eth_getBalance", self.s["eoa"], "latest")])
        proxy = self.offline(FINAL)
        for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt"):
            self.assertIsNone(proxy.rpc(method, "0x" + "12" * 32))

    def test_a_miss_of_an_unknown_method(self):
        self.fill(FINAL, [("eth_getBalance", self.s["eoa"], "latest")])
        says = self.missing(self.offline(FINAL), "foo_bar")
        self.assertTrue(says.endswith("foo_bar"), says)

    def test_what_the_pinned_header_tells_is_known(self):
        self.fill(FINAL, [])
        proxy = self.offline(FINAL)
        header = self.node.rpc("eth_getBlockByNumber", hex(FINAL), False)
        self.assertEqual(proxy.rpc("eth_getBlockByNumber", "latest", False), header)
        self.assertEqual(proxy.rpc("eth_getBlockByHash", header["hash"], False), header)
        self.assertEqual(
            int(proxy.rpc("eth_gasPrice"), 16), int(header["baseFeePerGas"], 16) + 10**9
        )
        self.assertIsNone(proxy.rpc("eth_getBlockByNumber", hex(FINAL + 1), False))
        self.assertIs(proxy.rpc("eth_syncing"), False)

    def test_receipts_of_a_block_that_was_read_with_its_transactions(self):
        calls = [("eth_getBlockByNumber", "0x32", True), ("eth_getBlockReceipts", "0x32")]
        answers, _ = self.fill(FINAL, calls)
        proxy = self.offline(FINAL)
        self.assertEqual([proxy.rpc(*call) for call in calls], answers)

    def test_an_upstream_is_not_asked(self):
        self.fill(FINAL, [])
        self.node.control(reset_counters=True)
        proxy = self.serve(self.node, block=FINAL, more=("--offline",))
        self.missing(proxy, "eth_getBalance", self.s["eoa"], "latest")
        self.assertEqual(self.node.counters()["http_requests"], 0)


if __name__ == "__main__":
    unittest.main()
