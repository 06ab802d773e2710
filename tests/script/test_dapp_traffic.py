# SPDX-License-Identifier: MIT
"""The requests that test suites of dApps have sent to their development node, to forkcache in
front of a node: cheats, keys and transactions are refused and never passed on, and everything
else is answered as the node answers it."""

import collections
import glob
import gzip
import json
import os
import re
import unittest

from harness import ForkcacheTest, corpus, request

REFUSED = re.compile("evm_|hardhat_|personal_|eth_sign|eth_send")
BATCH = 500
MODES = {"pinned": "latest", "following": None}  # to a --fork-block
HERE = {
    "eth_accounts": "no keys are kept here",
    "eth_gasPrice": "pinned, it is computed here",
}


def calls(path):
    """The distinct requests, each at its first place. Line 1 is the node's configuration."""
    with gzip.open(path, "rt") as file:
        next(file)
        return [json.loads(line) for line in dict.fromkeys(file)]


class DappTraffic(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.paths = sorted(glob.glob(os.path.join(corpus("dapp-rpc-traffic"), "*.jsonl.gz")))
        self.assertGreater(len(self.paths), 0)
        self.node = self.mock()

    def check(self, sent, answer, wanted):
        """Returns how it was answered."""
        self.assertEqual(answer["id"], sent["id"])
        if REFUSED.match(sent["method"]):
            self.assertEqual(answer["error"]["code"], -32601)
            return "refused"
        if sent["method"] in HERE:
            self.assertIn("result", answer)
            return "answered here"
        self.assertEqual(answer, wanted)
        return "as the node answers"

    def replay(self, proxy, path):
        counts = collections.Counter()
        sent = [request(call["method"], *call["params"], id=i)
                for i, call in enumerate(calls(path))]
        for i in range(0, len(sent), BATCH):
            batch = sent[i : i + BATCH]
            answers = proxy.post(batch).json
            self.assertEqual(len(answers), len(batch))
            wanted = self.node.oracle.post(batch).json
            for item, answer, right in zip(batch, answers, wanted):
                with self.subTest(os.path.basename(path), item=json.dumps(item)[:300]):
                    counts[self.check(item, answer, right)] += 1
        return counts

    def test_replayed(self):
        for mode, block in MODES.items():
            for path in self.paths:
                name = os.path.basename(path)
                proxy = self.serve(self.node, block=block,
                                   folder=os.path.join(self.folder, mode + name))
                counts = self.replay(proxy, path)
                self.assertEqual(self.replay(proxy, path), counts)
                print("%s, %s: %s" % (name, mode, dict(counts)))
        passed_on = self.node.counters()["methods"]
        self.assertIn("eth_call", passed_on)
        self.assertEqual([method for method in passed_on if REFUSED.match(method)], [])


if __name__ == "__main__":
    unittest.main()
