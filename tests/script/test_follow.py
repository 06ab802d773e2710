# SPDX-License-Identifier: MIT
"""forkcache without --fork-block: it follows a chain that grows and is reorganised, and every
answer is that of one branch. What is so on which branch is said by the mock's oracle."""

import signal
import socket
import unittest

from follow import (
    BY_TRANSACTION, LATEST, Client, Heads, Readers, Truth, Wrong, lacks_block, poll, side_by_side
)
from harness import ForkcacheTest, http_post, read_reply, request

BLOCKS = 300  # enough for the deepest reading below the deepest reorganisation
FINAL = 100  # a block far below `finalized`
DEEPEST = 40
SAFE = 48  # blocks below the head: what is safe is not reorganised away
JOINED = "forkcache_fork_joined_total"
NOT_CANONICAL = "hash is not currently canonical"
# How nodes differ in what they say of blocks that are not final.
WAYS = (
    {},
    {"side_blocks": False},
    {"eip1898": False},
    {"eip1898": False, "side_blocks": False},
)
SIMPLE = {"missing": ["eth_getAccountInfo", "eth_getStorageValues"]}


class FollowTest(ForkcacheTest):
    def follow(self, *nodes, more=(), folder=None):
        return self.serve(*nodes, more=more, folder=folder)

    def pair(self, *args, more=(), folder=None, **script):
        """A mock and a forkcache that follows it."""
        node = self.mock("--blocks", BLOCKS, *args, **script)
        return node, self.follow(node, more=more, folder=folder)

    def head_of(self, node):
        """(number, hash), whatever the script says."""
        block = node.oracle.rpc("eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), block["hash"]

    def wait_head(self, proxy, node):
        """Until the proxy's head is the node's; returns its number and hash."""
        head = self.head_of(node)
        poll(lambda: proxy.rpc("eth_getBlockByNumber", "latest", False)["hash"],
             lambda block_hash: block_hash == head[1])
        return head

    def pass_time(self, heads=3):
        """Returns when a chain of its own was asked for its head so many times: the head is
        asked for once a second at most, so this is a clock without a sleep."""
        if not hasattr(self, "_clock"):
            folder = self.folder + "/clock"
            self._clock = self.pair(folder=folder)
        node, proxy = self._clock
        for _ in range(heads):
            node.control(advance=1)
            self.wait_head(proxy, node)

    def client(self, proxy, node, heads=None, seed=0):
        return Client(proxy, Truth(node), heads or Heads(), node.samples(), seed)

    def asked(self, node, *texts):
        """How many of the mock's items have all of these texts in their keys."""
        return sum(n for key, n in node.keys().items() if all(text in key for text in texts))


class Reorganised(FollowTest):
    def each_way(self, scene):
        """scene(node, proxy) for each way at the same time."""
        started = []
        for i, way in enumerate(WAYS):
            script = dict(way, safe=SAFE, **(SIMPLE if i % 2 else {}))
            more = ("--workers", 1 + i % 2)
            started.append(self.pair(more=more, folder="%s/%d" % (self.folder, i), **script))
        side_by_side(*[lambda pair=pair: scene(*pair) for pair in started])

    def test_under_readers(self):
        """To heads that are as high as they were or higher."""
        def scene(node, proxy):
            with Readers(proxy, Truth(node), node.samples(), 4) as readers:
                readers.wait_rounds()
                for depth in range(1, DEEPEST + 1):
                    node.control(reorg={"depth": depth, "blocks": depth + depth % 3})
                    readers.wait_rounds(1)
                    if depth % 4 == 0:
                        readers.wait_head(self.head_of(node)[1])

        self.each_way(scene)

    def test_between_two_questions(self):
        """Before the n-th question to the upstream, wherever in a body that falls."""
        def scene(node, proxy):
            client = self.client(proxy, node)
            for n in range(30):
                depth = 1 + n * 17 % DEEPEST
                before = node.counters()["faults"]
                node.chain_fault(reorg={"depth": depth, "blocks": depth + 1}, count=1, after=n)
                poll(lambda: client.batch() and node.counters()["faults"], lambda f: f > before)
                if n % 3 == 2:
                    head = self.head_of(node)
                    poll(client.batch, lambda told: told == head)

        self.each_way(scene)

    def test_before_a_question_of_each_method(self):
        def scene(node, proxy):
            client = self.client(proxy, node)
            poll(client.batch, lambda head: head == self.head_of(node))
            for i, method in enumerate(("eth_getBlockByNumber", "eth_getStorage", "eth_getCode",
                                        "eth_call", "eth_getBlockReceipts", "latest")):
                before = node.counters()["faults"]
                node.fault("chain", match=method, count=1,
                           reorg={"depth": 3 + 7 * i, "blocks": 4 + 7 * i})
                poll(lambda: client.batch() and node.counters()["faults"], lambda f: f > before)
                head = self.head_of(node)
                poll(client.batch, lambda told: told == head)

        self.each_way(scene)

    def test_a_node_itself_would_be_caught(self):
        """The checks of this file see a batch that a reorganisation has torn."""
        node = self.mock("--blocks", BLOCKS)
        client = self.client(node, node)
        client.batch()
        node.chain_fault("eth_getCode", reorg=3)
        with self.assertRaises(Wrong):
            for _ in range(20):
                client.batch()

    def test_state_is_read_at_the_hash(self):
        node, proxy = self.pair()
        client = self.client(proxy, node)
        poll(client.batch, lambda head: head == self.head_of(node))
        node.control(reset_counters=True)
        client.batch()
        self.assertEqual(self.asked(node, "eth_getStorage", '"latest"'), 0)
        self.assertGreater(self.asked(node, "eth_getStorage", '{"blockHash":'), 0)

    def read_by_number(self, reads_of_the_hash, **way):
        node, proxy = self.pair(eip1898=False, **way)
        client = self.client(proxy, node)
        client.batch()
        client.batch()
        node.control(reset_counters=True)
        s = node.samples()
        number, block_hash = client.head
        asked = ("eth_getStorageAt", s["mover"], "0x1001", {"blockHash": block_hash})
        truth = node.oracle.rpc(*asked)
        self.assertEqual(proxy.rpc(*asked), truth)
        self.assertEqual(self.asked(node, "eth_getStorageAt", '"%s"' % hex(number)), 1)
        self.assertEqual(self.asked(node, "eth_getBlockByNumber", '"%s"' % hex(number)),
                         reads_of_the_hash)
        self.assertEqual(proxy.rpc(*asked), truth)
        self.assertEqual(self.asked(node, "eth_getStorageAt"), 1)

    def test_state_is_read_by_number_between_two_reads_of_the_hash(self):
        self.read_by_number(2)

    def test_state_is_read_by_number_before_a_read_of_the_hash(self):
        """Where the node takes no batches."""
        self.read_by_number(1, max_batch=1)

    def test_afterwards_all_is_of_the_new_branch(self):
        """What was cached of the old one, by number and by transaction, is not served."""
        for way in ({}, {"side_blocks": False}):
            node, proxy = self.pair(folder="%s/%d" % (self.folder, len(way)), **way)
            number, _ = self.wait_head(proxy, node)
            numbers = [hex(n) for n in range(number - 50, number + 1)]
            calls, transactions = self.everything(node, proxy, numbers)
            node.control(reorg={"depth": 40, "blocks": 41})
            self.wait_head(proxy, node)
            for transaction in transactions:
                calls += [(method, transaction) for method in sorted(BY_TRANSACTION)]
            for call in calls:
                self.assertEqual(proxy.rpc(*call), node.rpc(*call), call)
            self.assertTrue(any(node.rpc("eth_getTransactionReceipt", t) is None
                                for t in transactions))

    def everything(self, node, proxy, numbers):
        """Reads all that has a number through the proxy; returns the calls, and the hashes of
        the transactions, of which the receipts were read too."""
        mover = node.samples()["mover"]
        calls, transactions = [], []
        for n in numbers:
            calls += [("eth_getBlockByNumber", n, False), ("eth_getBalance", mover, n),
                      ("eth_getStorageAt", mover, "0x1", n), ("eth_getBlockReceipts", n),
                      ("eth_getTransactionByBlockNumberAndIndex", n, "0x0")]
            transactions += proxy.rpc("eth_getBlockByNumber", n, False)["transactions"]
        for call in calls + [("eth_getTransactionReceipt", t) for t in transactions]:
            self.assertEqual(proxy.rpc(*call), node.rpc(*call), call)
        return calls, transactions

    def test_final_tags_that_a_node_lacks(self):
        def scene(node, proxy):
            client = self.client(proxy, node)
            client.tags = ()
            for depth in (3, 20, 40):
                node.control(reorg=depth)
                head = self.head_of(node)
                poll(client.batch, lambda told: told == head)
            for tag in ("safe", "finalized"):
                error = proxy.error("eth_getBlockByNumber", tag, False)
                self.assertIn(error.code, (-32000, -32602))

        pairs = [self.pair(folder="%s/%s" % (self.folder, style), safe=style, finalized=style)
                 for style in ("unknown", "error", "null")]
        side_by_side(*[lambda pair=pair: scene(*pair) for pair in pairs])

    def test_tags_are_of_the_bodys_head(self):
        node, proxy = self.pair()
        for _ in range(3):
            node.control(reorg=12)
            head = self.wait_head(proxy, node)
            tags = ("earliest", "finalized", "safe", "latest")
            got = proxy.batch([("eth_getBlockByNumber", tag, False) for tag in tags])
            numbers = [int(a["result"]["number"], 16) for a in got]
            self.assertEqual((numbers[0], numbers[3]), (0, head[0]))
            # Each of them was what the node said within its time.
            self.assertTrue(numbers[1] <= head[0] - 64 and numbers[2] <= head[0] - 32, numbers)
            truth = Truth(node)
            self.assertEqual([a["result"]["hash"] for a in got],
                             [truth.ancestor(head[1], n) for n in numbers])


class OneHead(FollowTest):
    """The head that is shown."""

    def test_it_never_goes_backwards_over_two_workers(self):
        """Also while the chain is lower than it was; what is asked for by number below a head
        that is gone may fail then."""
        node, proxy = self.pair(more=("--workers", 2))
        with Readers(proxy, Truth(node), node.samples(), 8, may_fail=True) as readers:
            for depth in (1, 5, 2):
                node.control(reorg={"depth": depth, "blocks": depth - 1})
                readers.wait_rounds(3)
                node.control(advance=2)
                readers.wait_head(self.head_of(node)[1])

    def test_a_lower_one_is_held_back_until_overtaken(self):
        node, proxy = self.pair()
        client = self.client(proxy, node)
        old = self.head_of(node)
        poll(client.batch, lambda told: told == old)
        node.control(reorg={"depth": 5, "blocks": 3})
        self.pass_time()
        mover = node.samples()["mover"]
        for slot in ("0x5", "0x6"):
            told = client.batch([
                LATEST, ("eth_blockNumber",), ("eth_getBalance", mover, "latest"),
                ("eth_getStorageAt", mover, slot, "latest"), ("eth_getCode", mover, "latest"),
                ("eth_getBlockReceipts", "latest"),
            ])
            self.assertEqual(told, old)
        node.control(advance=3)
        head = self.head_of(node)
        self.assertEqual(head[0], old[0] + 1)
        poll(client.batch, lambda told: told == head)

    def test_one_upstream_of_two_lags(self):
        first = self.mock("--blocks", BLOCKS)
        second = self.mock("--blocks", BLOCKS, lag=3)
        proxy = self.follow(first, second)
        client = self.client(proxy, first)
        slot = ("eth_getStorageAt", first.samples()["mover"])
        for i in range(3):
            for node in (first, second):
                node.control(reorg=4)
            head = self.head_of(first)
            poll(client.batch, lambda told: told == head)
            below = hex(head[0] - 10)  # which the second has, too
            proxy.rpc("eth_getBlockByNumber", below, False)
            first.control(faults=[{"kind": "fin"}])
            self.pass_time(2)
            self.assertEqual(int(proxy.rpc("eth_blockNumber"), 16), head[0])
            self.assertEqual(proxy.rpc(*slot, hex(i), below),
                             first.oracle.rpc(*slot, hex(i), below))
            first.control(faults=[])

    def test_two_nodes_behind_one_name(self):
        """One of which is three blocks behind; whoever meets it several times in a row is told
        that the block is not there."""
        node, proxy = self.pair(alternate=3)
        with Readers(proxy, Truth(node), node.samples(), 4, may_fail=True) as readers:
            for depth in (1, 6, 2):
                node.control(reorg=depth)
                readers.wait_head(self.head_of(node)[1])

    def test_it_is_asked_for_once_for_all(self):
        """A hundred clients after a second of silence, while the answer is held back."""
        for workers in (1, 2):
            node, proxy = self.pair(more=("--workers", workers),
                                    folder="%s/%d" % (self.folder, workers))
            proxy.rpc("eth_blockNumber")
            node.control(advance=1, reset_counters=True)
            joined = proxy.metrics()[JOINED]
            node.hold()
            connections = [socket.create_connection((proxy.host, proxy.port)) for _ in range(100)]
            with proxy.paused():
                for connection in connections:
                    connection.sendall(http_post(request("eth_blockNumber")))
                self.pass_time(3)
            # Each worker asks once; who comes second joins.
            proxy.wait_until(lambda metrics: metrics[JOINED] - joined >= workers - 1)
            node.wait(held=1)
            node.release()
            answers = [read_reply(connection).json["result"] for connection in connections]
            for connection in connections:
                connection.close()
            self.assertEqual(set(answers), {hex(BLOCKS + 1)})
            heads = self.asked(node, "eth_blockNumber") + self.asked(node, '"latest"')
            self.assertEqual(heads, 1, node.keys())

    def test_an_idle_server_asks_nothing(self):
        node, proxy = self.pair()
        client = self.client(proxy, node)
        client.batch()
        self.pass_time(1)
        quiet = node.counters()
        node.control(advance=1)
        self.pass_time(4)
        now = node.counters()
        self.assertEqual(now["items"], quiet["items"])
        self.assertEqual(now["connections"] - quiet["connections"], 2)  # ours

    def test_final_facts_need_no_head(self):
        """A read that names a final block asks the upstream nothing once it is known, however
        old the head is."""
        node, proxy = self.pair()
        calls = [("eth_getBlockByNumber", hex(FINAL), False),
                 ("eth_getBalance", node.samples()["mover"], hex(FINAL))]
        first = [proxy.rpc(*call) for call in calls]
        self.assertEqual(first, [node.oracle.rpc(*call) for call in calls])
        self.pass_time(2)
        node.control(reset_counters=True)
        for _ in range(3):
            self.assertEqual([proxy.rpc(*call) for call in calls], first)
        self.assertEqual(node.counters()["items"], 0, node.keys())


class Named(FollowTest):
    """Blocks by their hashes."""

    def setUp(self):
        super().setUp()
        self.node, self.proxy = self.pair()
        self.mover = self.node.samples()["mover"]
        self.old = self.wait_head(self.proxy, self.node)[1]

    def balance(self, block_hash, **more):
        return ("eth_getBalance", self.mover, dict(more, blockHash=block_hash))

    def test_a_canonical_one(self):
        for more in ({}, {"requireCanonical": True}, {"requireCanonical": False}):
            call = self.balance(self.old, **more)
            for _ in range(2):
                self.assertEqual(self.proxy.rpc(*call), self.node.oracle.rpc(*call))

    def test_one_that_was_reorganised_away(self):
        """With requireCanonical it is refused, whether or not its state is in the cache."""
        slot = ("eth_getStorageAt", self.mover, "0x1")
        cached = self.balance(self.old, requireCanonical=True)
        self.proxy.rpc(*cached)
        self.node.control(reorg=4)
        self.wait_head(self.proxy, self.node)
        for call in (cached, (*slot, {"blockHash": self.old, "requireCanonical": True})):
            error = self.proxy.error(*call)
            self.assertEqual((error.code, error.message), (-32000, NOT_CANONICAL))
        for call in (self.balance(self.old), (*slot, {"blockHash": self.old})):
            self.assertEqual(self.proxy.rpc(*call), self.node.oracle.rpc(*call))
        self.assertEqual(self.proxy.rpc("eth_getBlockByHash", self.old, True),
                         self.node.oracle.rpc("eth_getBlockByHash", self.old, True))

    def test_one_that_never_was(self):
        self.assertIsNone(self.proxy.rpc("eth_getBlockByHash", "0x" + "12" * 32, False))
        error = self.proxy.error(*self.balance("0x" + "12" * 32))
        self.assertTrue(lacks_block(error), error)

    def test_one_above_the_head(self):
        above = hex(self.head_of(self.node)[0] + 1)
        self.assertIsNone(self.proxy.rpc("eth_getBlockByNumber", above, False))
        self.assertTrue(lacks_block(self.proxy.error("eth_getBalance", self.mover, above)))
        self.node.control(advance=1)
        self.wait_head(self.proxy, self.node)
        self.assertEqual(self.proxy.rpc("eth_getBlockByNumber", above, False),
                         self.node.oracle.rpc("eth_getBlockByNumber", above, False))
        self.assertEqual(self.proxy.rpc("eth_getBalance", self.mover, above),
                         self.node.oracle.rpc("eth_getBalance", self.mover, above))


class NotKept(FollowTest):
    def test_pending(self):
        node, proxy = self.pair()
        s = node.samples()
        calls = [("eth_getBalance", s["mover"], "pending"),
                 ("eth_getTransactionCount", s["eoa"], "pending"),
                 ("eth_getStorageAt", s["mover"], "0x1", "pending"),
                 ("eth_getBlockByNumber", "pending", False)]
        for n in (1, 2, 3):
            for call in calls:
                self.assertEqual(proxy.rpc(*call), node.oracle.rpc(*call))
                self.assertEqual(self.asked(node, call[0] + " ", '"pending"'), n, call)
            node.control(advance=1)  # nor bound to the head
        proxy.stop()
        proxy = self.follow(node)
        for call in calls:
            self.assertEqual(proxy.rpc(*call), node.oracle.rpc(*call))
            self.assertEqual(self.asked(node, call[0] + " ", '"pending"'), 4, call)

    def test_what_a_development_node_says(self):
        node, proxy = self.pair(client_version="anvil/v1.7.1")
        mover = node.samples()["mover"]
        for n, balance in enumerate(("0x7", "0x8", "0x9"), 1):
            node.control(faults=[{"kind": "value", "method": "eth_getBalance", "value": balance}])
            for block in ("latest", hex(FINAL)):
                self.assertEqual(proxy.rpc("eth_getBalance", mover, block), balance)
            self.assertEqual(self.asked(node, "eth_getBalance"), 2 * n)
        proxy.stop()
        status, said = self.refused(block=FINAL, more=("--offline",))
        self.assertEqual(status, 1)
        self.assertIn("empty", said)

    def test_what_was_at_a_number_before_a_restart(self):
        for number_of_signal in (signal.SIGTERM, signal.SIGKILL):
            folder = "%s/%d" % (self.folder, number_of_signal)
            node, proxy = self.pair(folder=folder)
            mover, (head, _) = node.samples()["mover"], self.wait_head(proxy, node)
            calls = [call for n in range(head - 45, head + 1)
                     for call in (("eth_getBlockByNumber", hex(n), False),
                                  ("eth_getBalance", mover, hex(n)),
                                  ("eth_getBlockReceipts", hex(n)))]
            for call in calls + [("eth_getBalance", mover, hex(FINAL))]:
                self.assertEqual(proxy.rpc(*call), node.oracle.rpc(*call))
            proxy.wait_committed()
            proxy.kill(number_of_signal)
            node.control(reorg=DEEPEST, reset_counters=True)
            proxy = self.follow(node, folder=folder)
            for call in calls + [("eth_getBalance", mover, hex(FINAL))]:
                self.assertEqual(proxy.rpc(*call), node.oracle.rpc(*call), call)
            self.assertEqual(self.asked(node, "eth_getBalance", '"%s"' % hex(FINAL)), 0)
            proxy.stop()

    def test_what_is_kept_after_a_restart(self):
        """State near the head is found again by its hash."""
        node, proxy = self.pair()
        mover, (head, block_hash) = node.samples()["mover"], self.wait_head(proxy, node)
        truth = proxy.rpc("eth_getBalance", mover, "latest")
        proxy.wait_committed()
        proxy.stop()
        node.control(reset_counters=True)
        proxy = self.follow(node)
        self.assertEqual(proxy.rpc("eth_getBalance", mover, "latest"), truth)
        self.assertEqual(proxy.rpc("eth_getBalance", mover, {"blockHash": block_hash}), truth)
        self.assertEqual(self.asked(node, "eth_getBalance"), 0)


if __name__ == "__main__":
    unittest.main()
