# SPDX-License-Identifier: MIT
"""The integration suite of Erigon, its requests to mainnet and to Arbitrum Sepolia: forkcache,
pinned and following, in front of a node that has the recorded answers. Each request is
understood, or refused with the right code. Whatever is answered otherwise than recorded, or is
not served from the cache the second time, stands in a table with its reason; an entry that is
not needed any more fails.
"""

import collections
import random
import unittest

import erigon
import recorded
from harness import ForkcacheTest, corpus

CHAINS = {"mainnet": 1, "arb-sepolia": 421614}
MODES = {"pinned": "finalized", "following": None}  # to a --fork-block
BATCHES = (2, 100, 101)
IDS = (lambda i: i, lambda i: "id %d" % i, lambda i: -i, lambda i: 2**53 + i, lambda i: '"\\')

HERE = "answered here, whatever the node has"
REFUSED = "writes to the real chain are refused"
# Exchanges that are answered otherwise, with a code or a result of another value.
DIFFERENT = {
    "arb-sepolia/eth_coinbase/test_01": HERE,
    "arb-sepolia/eth_hashrate/test_01": HERE,
    "arb-sepolia/eth_mining/test_01": HERE,
    "arb-sepolia/eth_protocolVersion/test_01": HERE,
    "arb-sepolia/eth_sendRawTransaction/test_01": REFUSED,
    "arb-sepolia/net_listening/test_01": HERE,
    "arb-sepolia/net_peerCount/test_01": HERE,
    "arb-sepolia/web3_clientVersion/test_01": "names this program and the node's",
    "mainnet/debug_getRawHeader/test_06": "null, as for whatever is asked about a block that "
                                          "is not there",
    "mainnet/eth_sendRawTransaction/test_01": REFUSED,
    "mainnet/eth_sendRawTransaction/test_03": REFUSED,
}
DIFFERENT_PINNED = {
    "arb-sepolia/eth_maxPriorityFeePerGas/test_01": "1 gwei; following, it is the node's",
}
DIFFERENT_CODES = {REFUSED: -32601}  # the others are results

# Batches whose items are not answered as recorded.
DIFFERENT_BATCHES = {
    "mainnet/eth_chainId/test_06": "101 items are above Erigon's limit, and below the one here",
}

# Name a block above the head: the node is not asked.
ABOVE_HEAD = (
    "mainnet/debug_getRawHeader/test_06",
    "mainnet/eth_call/test_25",
    "mainnet/eth_feeHistory/test_21",
    "mainnet/eth_getBalance/test_28",
    "mainnet/eth_getBlockByNumber/test_03",
)

# What the node is asked for again the second time.
ASKED_AGAIN = {
    "debug_accountAt": "not known here",
    "debug_storageRangeAt": "depends on the node's trie",
    "parity_listStorageKeys": "not known here",
    "unknown_method": "not known here",
}
ASKED_AGAIN_FOLLOWING = {
    "mainnet/eth_feeHistory/test_07": "its newest block is not final",
    "mainnet/eth_feeHistory/test_22": "its newest block is not final",
}
# null is asked for again, but that of a transaction under a pinned block that is final.
KEPT_NULL = ("eth_getTransactionByHash", "eth_getTransactionReceipt")
HEAD_QUESTIONS = ['eth_getBlockByNumber ["%s",false]' % tag for tag in erigon.BELOW]


def value(answer):
    """The result, or the code of the error."""
    return answer["result"] if "result" in answer else answer["error"]["code"]


class Erigon(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.root = corpus("erigon-rpc-tests")

    def every_chain(self):
        """Each chain in each mode, with its mock."""
        for network, chain_id in CHAINS.items():
            self.all, self.batches = erigon.exchanges(self.root, network)
            self.assertGreater(len(self.all), 50)
            folder = "%s/recordings-%s" % (self.folder, network)
            erigon.recordings(folder, self.all, network, chain_id)
            self.node = self.mock("--data", folder)
            for self.mode in MODES:
                self.name = "%s, %s" % (network, self.mode)
                yield

    def proxy(self, folder):
        return self.serve(self.node, block=MODES[self.mode],
                          folder="%s/%s %s" % (self.folder, self.name, folder))

    # ---- what is answered ----

    def check(self, exchange, sent, answer):
        """Returns how it was answered."""
        self.assertEqual((answer["jsonrpc"], answer["id"]), ("2.0", sent["id"]))
        self.assertEqual(len(answer), 3, answer)
        self.assertNotIn("not recorded", str(answer.get("error")), "it asks for something else")
        reason = DIFFERENT.get(exchange.name)
        if self.mode == "pinned":
            reason = reason or DIFFERENT_PINNED.get(exchange.name)
        if reason:
            self.check_different(exchange, answer, DIFFERENT_CODES.get(reason))
            return "exceptions"
        if exchange.kind == "result":
            self.assertIn("result", answer, answer)
            self.assertEqual(answer["result"], exchange.wanted["result"])
            return "equal"
        if exchange.kind == "error":
            self.check_error(exchange, answer)
            return "refused with the right code"
        self.check_understood(exchange, answer)
        return "understood"

    def check_different(self, exchange, answer, code):
        wanted = exchange.answer()
        self.assertEqual(answer.get("error", {}).get("code"), code, answer)
        self.assertNotEqual(answer.get("result", answer.get("error")),
                            wanted.get("result", wanted.get("error")), "it is as recorded now")

    def check_error(self, exchange, answer):
        """The node's own error is passed on as it is."""
        self.assertIn("error", answer, answer)
        self.assertEqual(answer["error"]["code"], exchange.wanted["error"]["code"])
        if exchange.method in recorded.EXECUTION or exchange.method in ASKED_AGAIN:
            self.assertEqual(answer["error"], exchange.wanted["error"])

    def check_understood(self, exchange, answer):
        if exchange.name in ABOVE_HEAD:
            self.assertEqual(answer["error"], {"code": -32000, "message": "header not found"})
        else:
            self.assertIn("result", answer, answer)

    # ---- what is asked ----

    def questions(self):
        """How often the node was asked what, but for which block is the head."""
        keys = self.node.keys()
        return {key: n for key, n in keys.items() if key not in HEAD_QUESTIONS}

    def asks_again(self, exchange):
        if exchange.name in ABOVE_HEAD:
            return False
        if exchange.kind == "result" and exchange.wanted["result"] is None:
            return exchange.method not in KEPT_NULL or self.mode == "following"
        more = ASKED_AGAIN_FOLLOWING if self.mode == "following" else {}
        return exchange.asks_again({**ASKED_AGAIN, **more})

    def check_asked(self, exchange, asked):
        again = self.asks_again(exchange)
        if again:
            self.assertNotEqual(asked, [], "it is served from the cache now")
        elif again is False:
            self.assertEqual(asked, [], "it was asked for again")

    def one_by_one(self, proxy, stage):
        """{how it was answered: how many}"""
        counts = collections.Counter()
        asked = self.questions()
        for exchange in self.all:
            with self.subTest(exchange.name, mode=self.mode, stage=stage):
                answer = proxy.post(exchange.sent).json
                before, asked = asked, self.questions()
                counts[self.check(exchange, exchange.sent, answer)] += 1
                if stage == "warm":
                    self.check_asked(exchange, [k for k in asked if asked[k] != before.get(k)])
        return counts

    def test_each_request_cold_and_warm(self):
        for _ in self.every_chain():
            proxy = self.proxy("singles")
            counts = self.one_by_one(proxy, "cold")
            self.assertEqual(self.one_by_one(proxy, "warm"), counts)
            print("%s: %d requests: %s" % (self.name, len(self.all), ", ".join(
                "%d %s" % (n, what) for what, n in sorted(counts.items()))))

    # ---- batches ----

    def check_batch(self, proxy, exchanges, stage):
        sent = [{**exchange.sent, "id": IDS[i % len(IDS)](i)}
                for i, exchange in enumerate(exchanges)]
        answers = proxy.post(sent).json
        self.assertEqual(len(answers), len(sent))
        for exchange, item, answer in zip(exchanges, sent, answers):
            with self.subTest(exchange.name, mode=self.mode, stage=stage, items=len(sent)):
                self.check(exchange, item, answer)

    def test_batches_keep_order(self):
        for _ in self.every_chain():
            for size in (*BATCHES, len(self.all)):
                exchanges = random.Random(size).choices(self.all, k=size)
                proxy = self.proxy("all of %d" % size)
                self.check_batch(proxy, exchanges, "cold")
                self.check_batch(proxy, exchanges, "warm")
                mixed = self.proxy("half of %d" % size)
                self.check_batch(mixed, exchanges[::2], "cold")
                self.check_batch(mixed, exchanges, "mixed")

    def test_recorded_batches(self):
        sizes = set()
        for _ in self.every_chain():
            proxy = self.proxy("recorded batches")
            for name, sent, wanted in self.batches:
                with self.subTest(name, mode=self.mode):
                    sizes.add(len(sent))
                    answers = proxy.post(sent).json
                    self.assertEqual(answers, [proxy.post(item).json for item in sent])
                    self.assertEqual([a["id"] for a in answers], [item["id"] for item in sent])
                    same = [value(a) for a in answers] == [value(w) for w in wanted]
                    self.assertEqual(same, name not in DIFFERENT_BATCHES)
        self.assertEqual(sizes, {2, 101})

    def test_the_tables_name_what_there_is(self):
        names = set()
        for network in CHAINS:
            singles, batches = erigon.exchanges(self.root, network)
            names |= {e.name for e in singles} | {e.method for e in singles}
            names |= {name for name, _, _ in batches}
        for table in (DIFFERENT, DIFFERENT_PINNED, DIFFERENT_BATCHES, ABOVE_HEAD, ASKED_AGAIN,
                      ASKED_AGAIN_FOLLOWING, KEPT_NULL):
            self.assertEqual([entry for entry in table if entry not in names], [])


if __name__ == "__main__":
    unittest.main()
