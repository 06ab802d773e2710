# SPDX-License-Identifier: MIT
"""Which block it stands on, which upstreams it accepts, and how it asks about that block."""

import time
import unittest

from harness import TIMEOUT, ForkcacheTest, MockNode, RpcError

HEAD, SAFE, FINALIZED = 256, 224, 192  # of the mock's chain
DEV = "anvil/v1.7.1"


class PinTest(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.node = self.mock()
        self.s = self.node.samples()

    def hash_of(self, number):
        return self.node.rpc("eth_getBlockByNumber", hex(number), False)["hash"]

    def slot(self, i=1, block="latest"):
        return ("eth_getStorageAt", self.s["reader"], hex(i), block)

    def blocks_named(self, node, method="eth_getStorageAt"):
        """How the node was told the block: the last parameter of each key."""
        return {key.split(",", 2)[2][:-1] for key in node.keys() if key.startswith(method + " ")}


class Block(PinTest):
    def check(self, spec, number):
        proxy = self.serve(self.node, block=spec)
        self.assertEqual(proxy.pinned, (73571, number, self.hash_of(number)))
        self.assertEqual(proxy.rpc("eth_blockNumber"), hex(number))
        for tag in ("latest", "safe", "finalized", "pending"):
            self.assertEqual(proxy.rpc("eth_getBlockByNumber", tag, False)["number"], hex(number))
        expected = self.node.rpc(*self.slot(0, hex(number)))
        for block in ("latest", "pending", hex(number), {"blockHash": self.hash_of(number)},
                      {"blockNumber": hex(number)}, self.hash_of(number)):
            self.assertEqual(proxy.rpc(*self.slot(0, block)), expected)
        proxy.stop()

    def test_a_number(self):
        self.check(100, 100)

    def test_a_hex_number(self):
        self.check("0x64", 100)

    def test_genesis(self):
        self.check(0, 0)

    def test_a_hash(self):
        self.check(self.hash_of(100), 100)

    def test_the_hash_of_a_block_that_is_not_final(self):
        self.check(self.s["head_hash"], HEAD)

    def test_latest(self):
        self.check("latest", HEAD)

    def test_safe(self):
        self.check("safe", SAFE)

    def test_finalized(self):
        self.check("finalized", FINALIZED)

    def test_a_tag_is_resolved_once(self):
        proxy = self.serve(self.node, block="latest")
        self.node.control(advance=3)
        self.assertEqual(proxy.rpc("eth_blockNumber"), hex(HEAD))
        self.assertEqual(proxy.rpc("eth_getBlockByNumber", "latest", False)["hash"],
                         self.s["head_hash"])

    def test_a_block_that_is_not_there(self):
        for spec in (HEAD + 1, "0x" + "12" * 32):
            status, said = self.refused(self.node, block=spec)
            self.assertEqual(status, 1)
            self.assertIn("127.0.0.1:%d" % self.node.port, said)

    def test_what_is_above_the_pin_is_not_there(self):
        proxy = self.serve(self.node, block=100)
        above = hex(101)
        self.assertIsNone(proxy.rpc("eth_getBlockByNumber", above, False))
        self.assertIsNone(proxy.rpc("eth_getBlockByHash", self.hash_of(101), False))
        self.assertIsNone(proxy.rpc("eth_getTransactionByHash", self.s["transaction"]))
        self.assertIsNone(proxy.rpc("eth_getTransactionReceipt", self.s["transaction"]))
        self.assertIsNone(proxy.rpc("eth_getBlockReceipts", above))
        self.assertIsNone(
            proxy.rpc("eth_getTransactionByBlockNumberAndIndex", above, "0x0")
        )
        for block in (above, {"blockHash": self.hash_of(101)}, self.hash_of(101)):
            for call in (self.slot(1, block), ("eth_getBalance", self.s["eoa"], block),
                         ("eth_getCode", self.s["reader"], block),
                         ("eth_call", {"to": self.s["reader"]}, block)):
                self.assertIn("not found", proxy.error(*call).message, call)

    def test_what_is_below_the_pin_is_read_at_its_own_block(self):
        proxy = self.serve(self.node, block=100)
        for number in (0, 1, 50, 99, 100):
            for block in (hex(number), {"blockHash": self.hash_of(number)}):
                self.assertEqual(proxy.rpc(*self.slot(0, block)),
                                 self.node.rpc(*self.slot(0, hex(number))))
        self.assertEqual(proxy.rpc(*self.slot(0, "earliest")),
                         self.node.rpc(*self.slot(0, "0x0")))


class Final(PinTest):
    """A final block may be asked for by number, another one only by hash."""

    def read(self, block):
        proxy = self.serve(self.node, block=block)
        self.node.control(reset_counters=True)
        proxy.rpc(*self.slot(1))
        named = self.blocks_named(self.node)
        proxy.stop()
        return named

    def test_final(self):
        self.assertEqual(self.read(FINALIZED), {'"%s"' % hex(FINALIZED)})

    def test_not_final(self):
        for spec in (FINALIZED + 1, "latest", "safe"):
            number = {"latest": HEAD, "safe": SAFE}.get(spec, spec)
            self.assertEqual(self.read(spec), {'{"blockHash":"%s"}' % self.hash_of(number)})

    def test_not_final_is_kept_by_its_hash(self):
        truth = self.node.rpc(*self.slot(0, hex(HEAD)))
        proxy = self.serve(self.node, block="latest")
        self.assertEqual(proxy.rpc(*self.slot(0)), truth)
        proxy.stop()
        self.node.control(reset_counters=True)
        proxy = self.serve(self.node, block="latest")
        self.assertEqual(proxy.rpc(*self.slot(0)), truth)
        self.assertEqual(self.blocks_named(self.node), set())
        proxy.stop()
        # Another block of that number is another block.
        self.node.control(reorg=2, reset_counters=True)
        proxy = self.serve(self.node, block=HEAD)
        self.assertNotEqual(proxy.pinned[2], self.s["head_hash"])
        self.assertEqual(proxy.rpc(*self.slot(0)), self.node.rpc(*self.slot(0, hex(HEAD))))
        self.assertEqual(len(self.blocks_named(self.node)), 2)  # the proxy's and ours

    def test_a_reorganisation_above_the_pin(self):
        proxy = self.serve(self.node, block=FINALIZED + 10)
        truth = [self.node.rpc(*self.slot(i, hex(FINALIZED + 10))) for i in range(40)]
        self.assertEqual([proxy.rpc(*self.slot(i)) for i in range(20)], truth[:20])
        self.node.control(reorg=40)
        self.assertEqual([proxy.rpc(*self.slot(i)) for i in range(40)], truth)

    def test_a_reorganisation_of_the_pin(self):
        """It stands where it stood: the node knows the old block by its hash."""
        proxy = self.serve(self.node, block=HEAD)
        truth = [self.node.rpc(*self.slot(i, hex(HEAD))) for i in range(40)]
        self.assertEqual([proxy.rpc(*self.slot(i)) for i in range(20)], truth[:20])
        self.node.control(reorg=8)
        self.assertNotEqual([self.node.rpc(*self.slot(i, hex(HEAD))) for i in range(40)], truth)
        self.assertEqual([proxy.rpc(*self.slot(i)) for i in range(40)], truth)


class Upstreams(PinTest):
    def hosts(self, *nodes):
        return ["127.0.0.1:%d" % node.port for node in nodes]

    def check_refused(self, said, *nodes):
        status, text = said
        self.assertEqual(status, 1)
        for host in self.hosts(*nodes):
            self.assertIn(host, text)

    def test_two_chains(self):
        other = self.mock("--chain-id", 5)
        said = self.refused(self.node, other, block=100)
        self.check_refused(said, self.node, other)
        self.assertIn("73571", said[1])
        self.assertIn("5", said[1])

    def test_another_chain_than_was_asked_for(self):
        said = self.refused(self.node, block=100, more=("--chain-id", 1))
        self.check_refused(said, self.node)

    def test_two_histories(self):
        other = self.mock()
        other.control(reorg=20)
        said = self.refused(self.node, other, block=HEAD - 2)
        self.check_refused(said, self.node, other)

    def test_two_histories_that_agree_up_to_the_pin(self):
        other = self.mock()
        other.control(reorg=20)
        self.serve(self.node, other, block=HEAD - 30)

    def test_nobody_there(self):
        gone = MockNode()
        gone.stop()
        said = self.refused(gone, block=100)
        self.check_refused(said, gone)

    def test_the_first_is_down_at_start(self):
        gone = MockNode()
        gone.stop()
        proxy = self.serve(gone, self.node, block=100)
        self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))

    def test_the_second_is_down_at_start(self):
        gone = MockNode()
        gone.stop()
        proxy = self.serve(self.node, gone, block=100)
        self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))

    def test_who_comes_up_later_is_checked_before_it_is_used(self):
        """A wrong chain at the address of an upstream that was down at start."""
        gone = MockNode()
        gone.stop()
        proxy = self.serve(gone, self.node, block=100)
        wrong = self.started(MockNode("--listen", "127.0.0.1:%d" % gone.port, "--chain-id", 5))
        i, deadline = 0, time.monotonic() + TIMEOUT
        while "eth_chainId" not in wrong.counters()["methods"]:  # until it has been looked at
            self.assertLess(time.monotonic(), deadline)
            self.assertEqual(proxy.rpc(*self.slot(i)), self.node.rpc(*self.slot(i, "0x64")))
            i += 1
        for i in range(i, i + 30):
            self.assertEqual(proxy.rpc(*self.slot(i)), self.node.rpc(*self.slot(i, "0x64")))
        self.assertEqual(self.blocks_named(wrong), set())
        healthy = 'forkcache_upstream_healthy{upstream="127.0.0.1:%d",index="%d"}'
        metrics = proxy.metrics()
        self.assertEqual(metrics[healthy % (wrong.port, 0)], 0)
        self.assertEqual(metrics[healthy % (self.node.port, 1)], 1)

    def test_one_that_lags_is_passed_over(self):
        lagging, good = self.mock(), self.mock()
        proxy = self.serve(lagging, good, block=HEAD)
        lagging.control(lag=10)  # "header not found"
        self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1)))
        self.assertEqual(len(self.blocks_named(good)), 1)

    def test_one_without_the_state_is_passed_over(self):
        pruned, archive = self.mock(prune=16), self.mock()
        proxy = self.serve(pruned, archive, block=100)
        self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))
        self.assertEqual(len(self.blocks_named(archive)), 1)

    def test_nobody_has_the_state(self):
        pruned = self.mock(prune=16)
        proxy = self.serve(pruned, block=100, more=("--state-deadline", "1s"))
        error = proxy.error(*self.slot(1))
        self.assertIn(self.hosts(pruned)[0], error.message)
        self.assertIn("does not have the block or its state", error.message)
        pruned.control(prune=None)
        self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))


class Development(PinTest):
    def setUp(self):
        super().setUp()
        self.dev = self.mock("--client-version", DEV)

    def asked(self):
        return sum(n for key, n in self.dev.keys().items() if key.startswith("eth_getStorageAt"))

    def test_its_answers_are_not_kept(self):
        proxy = self.serve(self.dev, block=100)
        for n in (1, 2, 3):
            self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))
            self.assertEqual(self.asked(), n)
        proxy.stop()
        status, said = self.refused(block=100, more=("--offline",))
        self.assertEqual(status, 1)
        self.assertIn("empty", said)

    def test_what_changes_there_is_seen(self):
        proxy = self.serve(self.dev, block=100)
        for value in (7, 8):
            self.dev.control(faults=[{"kind": "value", "method": "eth_getStorageAt",
                                      "value": "0x%064x" % value}])
            self.assertEqual(int(proxy.rpc(*self.slot(1)), 16), value)

    def test_what_is_in_the_folder_is_not_served_for_it(self):
        proxy = self.serve(self.node, block=100)
        proxy.rpc(*self.slot(1))
        proxy.stop()
        proxy = self.serve(self.dev, block=100)
        proxy.rpc(*self.slot(1))
        self.assertEqual(self.asked(), 1)

    def test_its_answers_are_kept_if_it_is_trusted(self):
        proxy = self.serve(self.dev, block=100, more=("--trust-dev-upstream",))
        for _ in range(3):
            self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))
        self.assertEqual(self.asked(), 1)
        proxy.stop()
        proxy = self.serve(block=100, more=("--offline",))
        self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))

    def test_one_beside_a_real_node(self):
        """The first answers, but is down when the read comes; the second is a development
        node, and what it says is passed on and not kept."""
        first = self.mock()
        proxy = self.serve(first, self.dev, block=100)
        first.control(faults=[{"kind": "fin"}])
        for n in (1, 2):
            self.assertEqual(proxy.rpc(*self.slot(1)), self.node.rpc(*self.slot(1, "0x64")))
            self.assertEqual(self.asked(), n)
        proxy.stop()
        proxy = self.serve(block=100, more=("--offline",))
        with self.assertRaises(RpcError):
            proxy.rpc(*self.slot(1))


if __name__ == "__main__":
    unittest.main()
