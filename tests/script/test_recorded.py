# SPDX-License-Identifier: MIT
"""The mock with recordings: a question is found in any spelling of its parameters."""

import tempfile
import unittest

from harness import MockNode
from recorded import Exchange, question, write

TO = "0x00000000000000000000000000000000000000Aa"
HASH = "0x" + "5A" * 32
CALL = {"to": TO, "data": "0x00AB", "value": "0x0", "gas": "0x05"}
SPELLINGS = (
    ({"input": "0x00ab", "to": TO.lower(), "gas": "0x5"}, "0x10"),
    ({"data": "0x00ab", "from": "0x" + "00" * 20, "to": TO, "gas": "0x5"}, "latest", {}),
    (CALL, {"blockHash": HASH.lower()}, None),
    ({**CALL, "gasPrice": None}, {"blockNumber": "0x10"}, {}, {}),
    (CALL,),
)
OTHERS = (
    ({**CALL, "data": "0x00ac"}, "0x10"),
    ({**CALL, "value": "0x1"}, "0x10"),
    ({**CALL, "gas": "0x50"}, "0x10"),
    (CALL, "0x11"),
    (CALL, "0x10", {TO: {"nonce": "0x1"}}),
    (CALL, "0x10", {}, {"time": "0x1"}),
)
FILTER = {"fromBlock": "0x1", "toBlock": "0x2", "address": [TO], "topics": [[HASH], None]}


class Recorded(unittest.TestCase):
    def test_spellings(self):
        with tempfile.TemporaryDirectory(prefix="forkcache-") as folder:
            block = {"number": "0x10", "hash": HASH.lower(), "transactions": []}
            answers = {question("eth_blockNumber"): "0x10",
                       question("eth_getBlockByNumber", "0x10", False): block}
            write(folder, answers, [
                Exchange("", {"method": "eth_call", "params": [CALL, "0x10"]}, {"result": "0x7"}),
                Exchange("", {"method": "eth_getLogs", "params": [FILTER]}, {"result": []})])
            with MockNode("--data", folder) as node:
                for params in SPELLINGS:
                    self.assertEqual(node.rpc("eth_call", *params), "0x7", params)
                for params in OTHERS:
                    self.assertIn("not recorded", node.error("eth_call", *params).message)
                one = {**FILTER, "address": TO.lower(), "topics": [HASH, None]}
                self.assertEqual(node.rpc("eth_getLogs", one), [])
                other = {**FILTER, "topics": [None, HASH]}
                self.assertIn("not recorded", node.error("eth_getLogs", other).message)


if __name__ == "__main__":
    unittest.main()
