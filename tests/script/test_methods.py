# SPDX-License-Identifier: MIT
"""Every class of methods on the real programs: what is composed where the upstream lacks a
method, what is forwarded, what is refused, what is sent once; and the page about them."""

import os
import re
import subprocess
import unittest

from harness import BUILD, HERE, ForkcacheTest

DOCS = os.path.join(HERE, "..", "..", "docs", "methods.md")
PINNED = 200
BLOCK = "0x64"  # final
RAW = "0x02f86c0180"
# What a block has beside its header.
BODY = ("transactions", "uncles", "size", "withdrawals", "totalDifficulty")


class PageTest(unittest.TestCase):
    def page(self, *args):
        return subprocess.check_output([os.path.join(BUILD, "forkcache"), "methods", *args]).decode()

    def test_the_page_is_the_table(self):
        with open(DOCS) as page:
            self.assertEqual(self.page("--markdown"), page.read(), "make docs")

    def test_every_method_is_on_the_page_once(self):
        listed = re.findall(r"^  (\S+)  ", self.page(), re.M)
        rows = re.findall(r"^\| `([^`]+)` \|", self.page("--markdown"), re.M)
        self.assertEqual(len(rows), len(set(rows)))
        self.assertEqual([name for name in listed if name != "other"], rows)
        self.assertGreater(len(rows), 100)

    def test_other_arguments(self):
        done = subprocess.run([os.path.join(BUILD, "forkcache"), "methods", "--html"],
                              capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (2, b""))


class ComposedTest(ForkcacheTest):
    """An upstream without a method, beside one with it: the same answers."""

    def answers(self, *calls, missing):
        """The results without the methods; those with them; the mock that lacks them."""
        whole, bare = self.mock(), self.mock(missing=missing)
        served = []
        for node in (bare, whole):
            proxy = self.serve(node, folder=os.path.join(self.folder, str(node.port)),
                               block=PINNED)
            node.control(reset_counters=True)
            served.append((proxy, [proxy.rpc(*call) for call in calls]))
        self.assertEqual(served[0][1], served[1][1])
        # And again, from what is kept.
        node_items = bare.counters()["items"]
        self.assertEqual([served[0][0].rpc(*call) for call in calls], served[0][1])
        self.assertEqual(bare.counters()["items"], node_items)
        return served[0][0], served[0][1], bare

    def test_receipts(self):
        proxy, (receipts,), node = self.answers(
            ("eth_getBlockReceipts", BLOCK), missing=["eth_getBlockReceipts"])
        self.assertGreater(len(receipts), 1)
        methods = node.counters()["methods"]
        self.assertEqual(methods["eth_getBlockReceipts"], 1)
        self.assertEqual(methods["eth_getTransactionReceipt"], len(receipts))
        # In batches, not one by one.
        self.assertLess(node.counters()["http_requests"], 2 + len(receipts))
        for receipt in receipts:
            self.assertEqual(proxy.rpc("eth_getTransactionReceipt", receipt["transactionHash"]),
                             receipt)
        self.assertEqual(node.counters()["methods"], methods)
        # It is remembered: the next block's are not tried.
        proxy.rpc("eth_getBlockReceipts", "0x65")
        self.assertEqual(node.counters()["methods"]["eth_getBlockReceipts"], 1)

    def test_of_a_block(self):
        missing = [
            "eth_getBlockTransactionCountByNumber", "eth_getBlockTransactionCountByHash",
            "eth_getUncleCountByBlockNumber", "eth_getTransactionByBlockHashAndIndex",
            "eth_getTransactionByBlockNumberAndIndex",
        ]
        _, (count, _, uncles, tx, _, beyond), node = self.answers(
            ("eth_getBlockTransactionCountByNumber", BLOCK),
            ("eth_getBlockTransactionCountByNumber", "latest"),
            ("eth_getUncleCountByBlockNumber", BLOCK),
            ("eth_getTransactionByBlockNumberAndIndex", BLOCK, "0x1"),
            ("eth_getTransactionByBlockNumberAndIndex", "latest", "0x0"),
            ("eth_getTransactionByBlockNumberAndIndex", BLOCK, "0x1000"),
            missing=missing,
        )
        self.assertGreater(int(count, 16), 1)
        self.assertEqual(uncles, "0x0")
        self.assertEqual(tx["transactionIndex"], "0x1")
        self.assertIsNone(beyond)

    def test_a_header(self):
        # The mock node has no such method at all.
        node = self.mock()
        proxy = self.serve(node, block=PINNED)
        block = proxy.rpc("eth_getBlockByNumber", BLOCK, True)
        want = {name: value for name, value in block.items() if name not in BODY}
        node.control(reset_counters=True)
        self.assertEqual(proxy.rpc("eth_getHeaderByNumber", BLOCK), want)
        self.assertEqual(proxy.rpc("eth_getHeaderByHash", block["hash"]), want)
        self.assertEqual(node.counters()["items"], 0)
        self.assertEqual(proxy.rpc("eth_getHeaderByNumber", "0x65")["number"], "0x65")
        self.assertEqual(proxy.rpc("eth_getHeaderByNumber", "0x66")["number"], "0x66")
        self.assertEqual(node.counters()["methods"],
                         {"eth_getHeaderByNumber": 1, "eth_getBlockByNumber": 2})
        self.assertIsNone(proxy.rpc("eth_getHeaderByNumber", hex(PINNED + 1)))

    def test_a_full_block_brings_its_transactions(self):
        node = self.mock()
        proxy = self.serve(node, block=PINNED)
        block = proxy.rpc("eth_getBlockByNumber", BLOCK, True)
        node.control(reset_counters=True)
        for i, tx in enumerate(block["transactions"]):
            self.assertEqual(proxy.rpc("eth_getTransactionByHash", tx["hash"]), tx)
            self.assertEqual(
                proxy.rpc("eth_getTransactionByBlockHashAndIndex", block["hash"], hex(i)), tx)
        self.assertEqual(node.counters()["items"], 0)

    def test_the_second_upstream_may_have_it(self):
        first, second = self.mock(missing=["eth_getBlockReceipts"]), self.mock()
        proxy = self.serve(first, second, block=PINNED)
        second.control(reset_counters=True)
        receipts = proxy.rpc("eth_getBlockReceipts", BLOCK)
        self.assertGreater(len(receipts), 1)
        self.assertEqual(second.counters()["methods"]["eth_getBlockReceipts"], 1)
        self.assertNotIn("eth_getTransactionReceipt", first.counters()["methods"])


class ForwardedTest(ForkcacheTest):
    def test_what_depends_on_the_node_is_asked_each_time(self):
        node = self.mock()
        proxy = self.serve(node, block=PINNED)
        for method in ("txpool_status", "debug_storageRangeAt", "trace_rawTransaction",
                       "ots_searchTransactionsAfter", "no_such_method"):
            node.control(reset_counters=True)
            for _ in range(2):
                error = proxy.error(method, "0x1", {"a": 1})
                self.assertEqual(error.code, -32601)
            self.assertEqual(node.counters()["methods"], {method: 2})

    def test_slow_facts_of_a_pinned_block(self):
        node = self.mock()
        proxy = self.serve(node, block=PINNED)
        block, following = [node.rpc("eth_getBlockByNumber", hex(number), False)
                            for number in (PINNED, PINNED + 1)]
        node.control(reset_counters=True)
        self.assertEqual(proxy.rpc("eth_baseFee"), following["baseFeePerGas"])
        self.assertEqual(int(proxy.rpc("eth_gasPrice"), 16),
                         int(block["baseFeePerGas"], 16) + 10**9)
        self.assertIs(proxy.rpc("eth_syncing"), False)
        self.assertEqual(node.counters()["items"], 0)

    def test_slow_facts_of_the_head(self):
        node = self.mock()
        proxy = self.serve(node)
        node.control(reset_counters=True)
        first = [proxy.rpc(method) for method in ("eth_gasPrice", "eth_syncing")]
        self.assertEqual(first, [node.rpc("eth_gasPrice"), False])
        for _ in range(3):
            self.assertEqual(proxy.rpc("eth_gasPrice"), first[0])
        # One of ours, and one of this test's.
        self.assertEqual(node.counters()["methods"]["eth_gasPrice"], 2)
        self.assertEqual(node.counters()["methods"]["eth_syncing"], 1)


class SendTest(ForkcacheTest):
    def following(self, *nodes):
        return self.serve(*nodes, more=("--allow-send",))

    def sent(self, node):
        return node.counters()["methods"].get("eth_sendRawTransaction", 0)

    def test_it_is_sent_once(self):
        node = self.mock()
        proxy = self.following(node)
        want = node.rpc("eth_sendRawTransaction", RAW)
        for n in (2, 3):
            self.assertEqual(proxy.rpc("eth_sendRawTransaction", RAW), want)
            self.assertEqual(self.sent(node), n)
        self.assertEqual(proxy.error("eth_sendRawTransaction", "0x1").code, -32602)
        self.assertEqual(proxy.error("eth_sendTransaction", {}).code, -32601)
        self.assertEqual(self.sent(node), 3)

    def failing(self, kind, **more):
        """What a fault of the first of two upstreams makes of a transaction; it must have been
        sent to that one, once."""
        first, second = self.mock(), self.mock()
        proxy = self.serve(first, second, more=("--allow-send",),
                           folder=os.path.join(self.folder, kind + str(len(more))))
        first.fault(kind, method="eth_sendRawTransaction", **more)
        error = proxy.error("eth_sendRawTransaction", RAW)
        self.assertEqual((self.sent(first), self.sent(second)), (1, 0), kind)
        proxy.stop()
        return error

    def test_no_second_attempt(self):
        for kind in ("reset", "fin", "html", "null", "truncated"):
            error = self.failing(kind)
            self.assertEqual(error.code, -32603, kind)
            self.assertIn("it is unknown whether the transaction was accepted", error.message)
        error = self.failing("value", value="0x" + "12" * 32)
        self.assertIn("about another transaction", error.message)
        error = self.failing("rpc-error", code=-32000, message="already known")
        self.assertEqual((error.code, error.message), (-32000, "already known"))

    def test_a_refused_connection_fails_over(self):
        first, second = self.mock(), self.mock()
        proxy = self.following(first, second)
        first.stop()
        proxy.rpc("eth_sendRawTransaction", RAW)
        self.assertEqual(self.sent(second), 1)

    def test_only_where_it_is_allowed(self):
        node = self.mock()
        for more, block in (((), None), ((), PINNED)):
            proxy = self.serve(node, more=more, block=block,
                               folder=os.path.join(self.folder, str(block)))
            error = proxy.error("eth_sendRawTransaction", RAW)
            self.assertEqual(error.code, -32601)
            self.assertIn("does not exist/is not available: ", error.message)
        self.assertEqual(self.sent(node), 0)
        for args, says in ((("--fork-block", PINNED), "leave out --fork-block"),
                           (("--offline", "--fork-block", PINNED), "leave out --offline")):
            status, message = self.refused(node, more=(*args, "--allow-send"))
            self.assertEqual(status, 2)
            self.assertIn("--allow-send", message)
            self.assertIn(says, message)


if __name__ == "__main__":
    unittest.main()
