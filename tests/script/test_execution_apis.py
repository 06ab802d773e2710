# SPDX-License-Identifier: MIT
"""The conformance suite of the Ethereum JSON-RPC API: forkcache, pinned at the head of the
suite's chain, in front of a node that has its recorded answers and nothing else. Whatever does
not pass, or is not served from the cache the second time, stands in a table with its reason;
an entry that is not needed any more fails.
"""

import glob
import json
import os
import unittest

import chain_rlp
import recorded
from harness import ForkcacheTest, corpus

# Stated by the corpus; the hash of the genesis block confirms it.
GENESIS_STATE_ROOT = "0xdc43f460541a253c0f64b6943ef83fa3bd601699a255622f088d46f7fde359fc"
NO_HASHES = ("0x" + "00" * 32, "0x" + "%064x" % 1)

# Answered -32601 here, whatever the node would say.
REFUSED = {
    "eth_sendRawTransaction": "a pinned chain takes no transactions",
    "testing_buildBlockV1": "a development method",
}

# Put together from other answers where the node lacks them.
COMPOSED = ("eth_getBlockReceipts", "eth_getBlockTransactionCountByHash",
            "eth_getBlockTransactionCountByNumber", "eth_getTransactionByBlockHashAndIndex",
            "eth_getTransactionByBlockNumberAndIndex")

# What the node is asked for again the second time, besides.
ASKED_AGAIN = {
    "eth_simulateV1/ethSimulate-run-out-of-gas-in-block-38015.io":
        "out of gas among several calls: it may have been the node's cap",
    "eth_simulateV1/ethSimulate-use-as-many-features-as-possible.io":
        "out of gas among several calls: it may have been the node's cap",
    "txpool_content": "the node's own pool",
    "txpool_contentFrom": "the node's own pool",
    "txpool_status": "the node's own pool",
    "debug_traceBlockByHash/trace-block-not-found.io": "a block that may come to be",
    "debug_traceBlockByHash/trace-genesis.io": "an error that is not a revert",
    "debug_traceBlockByNumber/trace-genesis.io": "an error that is not a revert",
    "debug_traceTransaction/trace-unknown-tx.io": "a transaction that may come to be",
    "eth_getBlockByHash/get-block-by-empty-hash.io": "a block that may come to be",
    "eth_getBlockByHash/get-block-by-notfound-hash.io": "a block that may come to be",
    "eth_getBlockReceipts/get-block-receipts-empty.io": "a block that may come to be",
}

# What is kept, but not on disk.
FROM_DISK_AGAIN = {
    "eth_capabilities": "says what the node can do, not what the chain holds",
    "eth_config": "says what the node is configured for",
}


def exchanges(root):
    for folder in sorted(os.listdir(root)):
        for path in sorted(glob.glob(os.path.join(root, folder, "*.io"))):
            sent = None
            with open(path) as file:
                for line in file:
                    if line.startswith(">> "):
                        sent = json.loads(line[3:])
                    elif line.startswith("<< "):
                        name = "%s/%s" % (folder, os.path.basename(path))
                        yield recorded.Exchange(name, sent, json.loads(line[3:]))


class ExecutionApis(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.root = corpus("execution-apis")
        self.all = list(exchanges(self.root))
        self.assertGreater(len(self.all), 150)
        self.node = self.mock("--data", self.recordings())

    def recordings(self):
        """A folder with the suite and with those blocks of its chain that it lacks: forkcache
        looks at the header of each block that is asked about."""
        blocks = list(chain_rlp.blocks(os.path.join(self.root, "chain.rlp")))
        genesis = chain_rlp.genesis(os.path.join(self.root, "genesis.json"), GENESIS_STATE_ROOT)
        self.assertEqual(blocks[0]["parentHash"], genesis["hash"])
        answers = {
            recorded.question("eth_getBlockByNumber", block["number"], False): block
            for block in [genesis, *blocks]
        }
        answers.update(self.parts({block["hash"]: block for block in blocks}))
        for no_hash in NO_HASHES:
            answers[recorded.question("eth_getBlockByHash", no_hash, False)] = None
            answers[recorded.question("eth_getTransactionByHash", no_hash)] = None
        folder = os.path.join(self.folder, "recordings")
        recorded.write(folder, answers, self.all)
        return folder

    def parts(self, blocks):
        """Receipts one by one, and blocks with their transactions, as far as the suite has
        them in another form."""
        answers = {}
        for exchange in self.all:
            result = exchange.wanted.get("result")
            if exchange.method == "eth_getBlockReceipts":
                for receipt in result or []:
                    answers[recorded.question("eth_getTransactionReceipt",
                                              receipt["transactionHash"])] = receipt
            if exchange.method == "eth_getTransactionByBlockHashAndIndex":
                block = blocks[result["blockHash"]]
                index = int(result["transactionIndex"], 16)
                self.assertEqual(block["transactions"][index], result["hash"])
                answers[recorded.question("eth_getBlockByHash", block["hash"], False)] = block
                # The suite lacks the others.
                block = dict(block, transactions=list(block["transactions"]))
                block["transactions"][index] = result
                for method, name in (("eth_getBlockByHash", "hash"),
                                     ("eth_getBlockByNumber", "number")):
                    answers[recorded.question(method, block[name], True)] = block
        return answers

    def pinned_there(self):
        proxy = self.serve(self.node, block="latest", folder=os.path.join(self.folder, "cache"))
        self.assertEqual(proxy.pinned[1], 0x36)
        return proxy

    def check_answer(self, exchange, answer):
        if exchange.method in REFUSED:
            self.assertEqual(answer["error"]["code"], -32601)
        else:
            self.assertTrue(exchange.passes(answer), "%r, not %r" % (answer, exchange.wanted))

    def check_asked(self, exchange, stage, asked):
        again = exchange.asks_again(ASKED_AGAIN)
        if exchange.method in FROM_DISK_AGAIN:
            again = stage == "from disk"
        if again:
            self.assertGreater(asked, 0, "it is served from the cache now")
        elif again is False:
            self.assertEqual(asked, 0, "it was asked for again: %s" % self.node.last()["body"])

    def one_by_one(self, proxy, stage):
        asked_again = 0
        for exchange in self.all:
            with self.subTest(exchange.name, stage=stage):
                before = self.node.counters()["items"]
                self.check_answer(exchange, proxy.post(exchange.sent).json)
                asked = self.node.counters()["items"] - before
                asked_again += asked > 0
                if stage != "cold":
                    self.check_asked(exchange, stage, asked)
        return asked_again

    def test_cold_and_warm_and_from_disk(self):
        proxy = self.pinned_there()
        self.one_by_one(proxy, "cold")
        asked = self.one_by_one(proxy, "warm")
        proxy.stop()
        self.one_by_one(self.pinned_there(), "from disk")
        refused = sum(exchange.method in REFUSED for exchange in self.all)
        print("%d exchanges: %d refused here, %d asked for again"
              % (len(self.all), refused, asked))

    def test_all_in_one_batch(self):
        proxy = self.pinned_there()
        for _ in range(2):
            answers = proxy.post([exchange.sent for exchange in self.all]).json
            self.assertEqual(len(answers), len(self.all))
            for exchange, answer in zip(self.all, answers):
                with self.subTest(exchange.name):
                    self.assertEqual(answer["id"], exchange.sent["id"])
                    self.check_answer(exchange, answer)

    def test_what_is_composed_is_what_was_recorded(self):
        self.node.control(missing=list(COMPOSED))
        proxy = self.pinned_there()
        receipts = 0
        for exchange in self.all:
            if exchange.method not in COMPOSED:
                continue
            with self.subTest(exchange.name):
                self.check_answer(exchange, proxy.post(exchange.sent).json)
            if exchange.method == "eth_getBlockReceipts":
                receipts += len(exchange.wanted["result"] or [])
        self.assertGreater(receipts, 1)
        methods = self.node.counters()["methods"]
        self.assertGreater(methods["eth_getTransactionReceipt"], 1)
        self.assertEqual(methods["eth_getBlockReceipts"], 1)

    def test_the_tables_name_what_there_is(self):
        names = {exchange.name for exchange in self.all} | {e.method for e in self.all}
        for table in (REFUSED, ASKED_AGAIN, FROM_DISK_AGAIN, COMPOSED, recorded.EXECUTION):
            self.assertEqual([entry for entry in table if entry not in names], [])


if __name__ == "__main__":
    unittest.main()
