# SPDX-License-Identifier: MIT
"""Recorded state of real chains, served by the mock node and read back through forkcache:
cold, from memory, after a restart, offline. The expected values are read here from the
recordings, not from the mock.
"""

import glob
import json
import os
import unittest

from harness import ForkcacheTest, corpus, state_requests

ITEMS = 500  # in a batch
STATE = ("eth_getBalance", "eth_getCode", "eth_getStorageAt", "eth_getTransactionCount")

# Networks as Foundry names them in its cache's folders.
CHAINS = {"mainnet": 1, "bsc": 56, "xdai": 100, "fantom": 250, "arbitrum": 42161}


def word(value):
    return "0x%064x" % int(value, 16)


def code_of(account):
    code = account["code"]
    if "Eip7702" in code:
        return code["Eip7702"]["raw"]
    legacy = code["LegacyAnalyzed"]
    return legacy["bytecode"][: 2 + 2 * legacy["original_len"]]  # padded with zeros


def state_of(path, block):
    """{(method, *params): result} of everything in a storage.json of Foundry's."""
    with open(path) as file:
        cache = json.load(file)
    state = {}
    for address, account in cache["accounts"].items():
        state["eth_getBalance", address, block] = hex(int(account["balance"], 16))
        state["eth_getTransactionCount", address, block] = hex(account["nonce"])
        state["eth_getCode", address, block] = code_of(account)
    for address, slots in cache["storage"].items():
        for slot, value in slots.items():
            state["eth_getStorageAt", address, slot, block] = word(value)
    return state


class Recorded(ForkcacheTest):
    def read_back(self, proxy, state):
        """Every answer of the proxy is the recorded one."""
        calls = list(state)
        for i in range(0, len(calls), ITEMS):
            part = calls[i : i + ITEMS]
            answers = proxy.batch(part)
            self.assertEqual([answer["id"] for answer in answers], list(range(len(part))))
            for call, answer in zip(part, answers):
                self.assertEqual(answer.get("result", answer), state[call], call)

    def in_every_stage(self, node, folder, state, block, more=()):
        """Cold, from memory, after a restart, offline."""
        proxy = self.serve(node, block=block, folder=folder, more=more)
        node.control(reset_counters=True)
        self.read_back(proxy, state)
        counters, keys = node.counters(), node.keys()
        self.assertGreater(state_requests(counters), 0)
        facts = {n for key, n in keys.items() if not key.startswith("eth_getStorageValues ")}
        if "eth_getStorageValues" not in node.missing:  # else it was tried, and counts
            self.assertEqual(facts, {1}, "something was asked for twice")
        classic = sum(n for method, n in counters["methods"].items() if method in STATE)
        self.assertLessEqual(classic, len(state))
        node.control(reset_counters=True)
        self.read_back(proxy, state)
        self.assertEqual(node.counters()["http_requests"], 0, "memory")
        pinned = proxy.pinned
        proxy.stop()

        proxy = self.serve(node, block=block, folder=folder, more=more)
        self.assertEqual(proxy.pinned, pinned)
        self.read_back(proxy, state)
        self.assertEqual(state_requests(node.counters()), 0, "disk")
        proxy.stop()
        node.stop()

        chain, _, block_hash = pinned
        more = [*more, "--offline", "--chain-id", chain]
        proxy = self.serve(block=block_hash, folder=folder, more=more)
        self.assertEqual(proxy.pinned, pinned)
        self.read_back(proxy, state)
        proxy.stop()


class ForkCaches(Recorded):
    def test_every_fork(self):
        root = corpus("foundry-fork-cache")
        forks = sorted(glob.glob(os.path.join(root, "foundry", "rpc", "*", "*")))
        self.assertGreaterEqual(len(forks), 28)
        facts = zeros = absent = 0
        for path in forks:
            chain, number = path.split(os.sep)[-2:]
            if os.path.isdir(path):
                path = os.path.join(path, "storage.json")
            with self.subTest(fork="%s/%s" % (chain, number)):
                state = state_of(path, hex(int(number)))
                node = self.mock("--data", root, "--fork", "%s/%s" % (chain, number))
                folder = os.path.join(self.folder, chain + number)
                self.in_every_stage(node, folder, state, number,
                                    more=("--chain-id", CHAINS[chain]))
                facts += len(state)
                slots = [v for call, v in state.items() if call[0] == "eth_getStorageAt"]
                zeros += slots.count(word("0x0"))
                absent += sum(
                    value == "0x" and state["eth_getBalance", address, block] == "0x0"
                    and state["eth_getTransactionCount", address, block] == "0x0"
                    for (method, address, *_, block), value in state.items()
                    if method == "eth_getCode"
                )
        print("%d forks, %d facts, %d zero slots, %d absent accounts"
              % (len(forks), facts, zeros, absent))
        self.assertGreater(zeros, 2000)
        self.assertGreater(absent, 10)

    def test_all_in_one_folder(self):
        """Two forks of one chain and one of another share a cache and do not mix."""
        root = corpus("foundry-fork-cache")
        for fork in ("mainnet/13818843", "mainnet/15450000", "bsc/6947153", "mainnet/13818843"):
            chain, number = fork.split("/")
            path = os.path.join(root, "foundry", "rpc", chain, number)
            if os.path.isdir(path):
                path = os.path.join(path, "storage.json")
            state = state_of(path, "latest")
            node = self.mock("--data", root, "--fork", fork)
            proxy = self.serve(node, block=number)
            self.read_back(proxy, state)
            proxy.stop()
        self.assertEqual(state_requests(node.counters()), 0, "the second time")


class TevmRecordings(Recorded):
    """What reads state; answers of other methods are in part the recorder's placeholders."""

    def stages(self, name, number):
        root = corpus("tevm-rpc-recordings")
        with open(os.path.join(root, name + ".json")) as file:
            recorded = json.load(file)
        calls = [(json.loads(key), result) for key, result in recorded.items()]
        calls = {tuple(call): result for call, result in calls if call[0] in STATE}
        self.assertTrue(calls)
        node = self.mock("--data", root, "--fork", name,
                         missing=["eth_getStorageValues", "eth_getAccountInfo"])
        self.in_every_stage(node, self.folder, calls, number)

    def test_mainnet_7702(self):
        self.stages("mainnet-22780450", 22780450)

    def test_mainnet_ens(self):
        self.stages("mainnet-23483670", 23483670)

    def test_optimism(self):
        self.stages("optimism-142153711", 142153711)


if __name__ == "__main__":
    unittest.main()
