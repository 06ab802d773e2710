# SPDX-License-Identifier: MIT
"""build/mock-node: that what other tests rely on is so."""

import json
import os
import signal
import subprocess
import time
import unittest

from harness import BUILD, MockNode, SharedMock, corpus, http_post, read_all, request

ZERO = "0x" + "00" * 32


class Chain(SharedMock):
    def test_identity(self):
        self.assertEqual(self.node.rpc("eth_chainId"), hex(73571))
        self.assertEqual(self.node.rpc("net_version"), "73571")
        self.assertEqual(self.node.rpc("web3_clientVersion").split("/")[0], "mock-node")
        self.assertEqual(self.node.rpc("eth_blockNumber"), "0x100")
        self.assertIs(self.node.rpc("eth_syncing"), False)

    def test_blocks_link_and_both_names_find_them(self):
        parent = None
        for n in range(257):
            block = self.node.rpc("eth_getBlockByNumber", hex(n), False)
            self.assertEqual(block["number"], hex(n))
            if parent:
                self.assertEqual(block["parentHash"], parent["hash"])
            parent = block
        self.assertEqual(self.node.rpc("eth_getBlockByHash", parent["hash"], False), parent)
        self.assertIsNone(self.node.rpc("eth_getBlockByNumber", "0x101", False))
        self.assertIsNone(self.node.rpc("eth_getBlockByHash", "0x" + "11" * 32, False))

    def test_blocks_have_what_clients_need(self):
        block = self.node.rpc("eth_getBlockByNumber", "latest", True)
        for name in (
            "hash parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom "
            "difficulty number gasLimit gasUsed timestamp extraData mixHash nonce size "
            "baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot "
            "requestsHash transactions uncles withdrawals"
        ).split():
            self.assertIn(name, block)

    def test_tags(self):
        number = lambda tag: self.node.rpc("eth_getBlockByNumber", tag, False)["number"]
        self.assertEqual(
            [number(t) for t in ("earliest", "finalized", "safe", "latest", "pending")],
            ["0x0", hex(256 - 64), hex(256 - 32), "0x100", "0x101"],
        )

    def test_a_transaction_is_the_same_from_everywhere(self):
        tx = self.node.rpc("eth_getTransactionByHash", self.s["transaction"])
        block = self.node.rpc("eth_getBlockByNumber", tx["blockNumber"], True)
        i = int(tx["transactionIndex"], 16)
        self.assertEqual(block["transactions"][i], tx)
        by = self.node.rpc
        self.assertEqual(
            by("eth_getTransactionByBlockHashAndIndex", block["hash"], hex(i)), tx
        )
        self.assertEqual(
            by("eth_getTransactionByBlockNumberAndIndex", block["number"], hex(i)), tx
        )
        receipts = by("eth_getBlockReceipts", block["number"])
        self.assertEqual(receipts[i], by("eth_getTransactionReceipt", tx["hash"]))
        self.assertEqual(len(receipts), len(block["transactions"]))
        self.assertEqual(receipts[-1]["cumulativeGasUsed"], block["gasUsed"])
        self.assertEqual(receipts, by("eth_getBlockReceipts", {"blockHash": block["hash"]}))
        count = hex(len(receipts))
        self.assertEqual(by("eth_getBlockTransactionCountByHash", block["hash"]), count)
        self.assertEqual(by("eth_getBlockTransactionCountByNumber", block["number"]), count)
        self.assertIsNone(by("eth_getTransactionReceipt", "0x" + "22" * 32))

    def test_nonces_count_the_transactions(self):
        seen = {}
        for n in range(257):
            for tx in self.node.rpc("eth_getBlockByNumber", hex(n), True)["transactions"]:
                self.assertEqual(int(tx["nonce"], 16), seen.get(tx["from"], 0))
                seen[tx["from"]] = seen.get(tx["from"], 0) + 1
        self.assertGreater(len(seen), 32)
        for sender, count in seen.items():
            self.assertEqual(self.node.rpc("eth_getTransactionCount", sender, "latest"), hex(count))

    def test_logs(self):
        everything = self.node.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
        receipts = [
            log
            for n in range(257)
            for receipt in self.node.rpc("eth_getBlockReceipts", hex(n))
            for log in receipt["logs"]
        ]
        self.assertEqual(everything, receipts)
        one = everything[7]
        sender = one["topics"][1]
        some = self.node.rpc(
            "eth_getLogs",
            {"fromBlock": "0x0", "toBlock": "latest", "address": [one["address"]],
             "topics": [None, [sender, ZERO]]},
        )
        self.assertEqual(
            some,
            [l for l in everything if l["address"] == one["address"] and l["topics"][1] == sender],
        )
        of_block = self.node.rpc("eth_getLogs", {"blockHash": one["blockHash"]})
        self.assertEqual(of_block, [l for l in everything if l["blockHash"] == one["blockHash"]])
        error = self.node.error("eth_getLogs", {"fromBlock": "0x32", "toBlock": "0x2f"})
        self.assertEqual((error.code, error.message), (-32602, "invalid block range params"))

    def test_fee_history_follows_the_headers(self):
        history = self.node.rpc("eth_feeHistory", "0x4", "0x10", [10, 50])
        self.assertEqual(history["oldestBlock"], "0xd")
        self.assertEqual(
            history["baseFeePerGas"],
            [
                self.node.rpc("eth_getBlockByNumber", hex(n), False)["baseFeePerGas"]
                for n in range(0xD, 0x12)
            ],
        )
        self.assertEqual([len(r) for r in history["reward"]], [2] * 4)


class State(SharedMock):
    def test_accounts(self):
        info = self.node.rpc("eth_getAccountInfo", self.s["eoa"], "latest")
        self.assertEqual(info["balance"], self.node.rpc("eth_getBalance", self.s["eoa"]))
        self.assertEqual(info["nonce"], self.node.rpc("eth_getTransactionCount", self.s["eoa"]))
        self.assertEqual(info["code"], "0x")
        self.assertNotEqual(info["balance"], "0x0")
        empty = self.node.rpc("eth_getAccountInfo", self.s["eoa_empty"], "latest")
        self.assertEqual(empty["balance"], "0x0")
        unknown = self.node.rpc("eth_getAccountInfo", "0x" + "77" * 20, "latest")
        self.assertEqual(unknown, {"balance": "0x0", "nonce": "0x0", "code": "0x"})

    def test_code(self):
        code = lambda name: self.node.rpc("eth_getCode", self.s[name], "latest")
        self.assertEqual(code("reader"), "0x5f35545f5260205ff3")
        self.assertEqual(code("reader"), code("reader_2"))
        self.assertEqual(len(code("large")), 2 + 2 * 24063)
        self.assertEqual(code("delegated"), "0xef0100" + self.s["reader"][2:])
        self.assertIn(self.s["reader"][2:], code("proxy"))

    def test_storage_by_every_road(self):
        slots = [hex(i) for i in range(1024)]
        reader = self.s["reader"]
        values = self.node.rpc("eth_getStorageValues", {reader: slots}, "0x90")[reader]
        answers = self.node.batch([("eth_getStorageAt", reader, s, "0x90") for s in slots])
        self.assertEqual(values, [a["result"] for a in answers])
        zero = values.count(ZERO)
        self.assertTrue(300 < zero < 600, zero)
        padded = "0x" + "%064x" % 5
        self.assertEqual(self.node.rpc("eth_getStorageAt", reader, padded, "0x90"), values[5])
        called = self.node.rpc("eth_call", {"to": reader, "input": padded}, "0x90")
        self.assertEqual(called, values[5])
        error = self.node.error("eth_getStorageValues", {reader: slots + ["0x400"]}, "latest")
        self.assertEqual((error.code, error.message), (-38026, "too many slots (max 1024)"))

    def test_history_differs(self):
        self.assertEqual([int(self.slot(0, hex(n)), 16) for n in (0, 1, 200)], [0, 1, 200])
        changed = [i for i in range(64) if self.slot(i, "0x20") != self.slot(i, "0xb0")]
        self.assertTrue(8 < len(changed) < 40, changed)

    def test_every_form_of_a_block(self):
        block = self.node.rpc("eth_getBlockByNumber", "0x64", False)
        forms = ["0x64", block["hash"], {"blockNumber": "0x64"}, {"blockHash": block["hash"]},
                 {"blockHash": block["hash"], "requireCanonical": True}]
        self.assertEqual({int(self.slot(0, form), 16) for form in forms}, {100})
        self.assertEqual(int(self.slot(0, "earliest"), 16), 0)
        self.assertEqual(int(self.slot(0, "finalized"), 16), 192)

    def test_block_hashes_of_eip_2935(self):
        block = self.node.rpc("eth_getBlockByNumber", "0x40", False)
        self.assertEqual(self.slot(0x40, "0x41", self.s["history"]), block["hash"])
        self.assertEqual(self.slot(0x40, "0x40", self.s["history"]), ZERO)

    def test_calls(self):
        call = lambda to, data: self.node.rpc("eth_call", {"to": to, "data": data}, "latest")
        summer = self.s["summer"]
        total = sum(int(self.slot(i, "latest", summer), 16) for i in range(3, 53)) % 2**256
        self.assertEqual(int(call(summer, "0x%064x%064x" % (3, 50)), 16), total)
        token, eoa = self.s["token"], self.s["eoa"]
        balance = call(token, "0x70a08231" + "00" * 12 + eoa[2:])
        self.assertEqual(
            balance,
            self.node.rpc("eth_getStorageAt", token, self.s["token_balance_slot_of_eoa"], "latest"),
        )
        self.assertGreater(int(balance, 16), 0)
        self.assertEqual(int(call(token, "0x313ce567"), 16), 18)
        self.assertEqual(call(eoa, "0x"), "0x")
        error = self.node.error("eth_call", {"to": self.s["reverter"]}, "latest")
        self.assertEqual((error.code, error.message), (3, "execution reverted: mock"))
        self.assertEqual(bytes.fromhex(error.data[2:])[68:72], b"mock")

    def test_errors_read_like_go_ethereum(self):
        for call, code, text in (
            (("eth_nothing",), -32601, "the method eth_nothing does not exist/is not available"),
            (("eth_getBalance",), -32602, "missing value for required argument 0"),
            (("eth_chainId", 1), -32602, "too many arguments, want at most 0"),
            (("eth_getBalance", "0x12", "latest"), -32602, "invalid argument 0: json: cannot"),
            (("eth_getStorageAt", self.s["eoa"], "0xasdf"), -32602,
             'invalid hex in storage key: "0xasdf"'),
            (("eth_getBalance", self.s["eoa"], "0x101"), -32000, "header not found"),
            (("eth_getBalance", self.s["eoa"], "0x0100"), -32602,
             "invalid argument 1: hex number with leading zero digits"),
            (("eth_getBalance", self.s["eoa"], {"blockHash": ZERO}), -32000,
             "header for hash not found"),
        ):
            error = self.node.error(*call)
            self.assertEqual(error.code, code, call)
            self.assertTrue(error.message.startswith(text), error.message)

    def test_a_thousand_items_at_once(self):
        # Not a benchmark: two orders of magnitude above what it takes, sanitizers included.
        calls = [("eth_getStorageAt", self.s["token"], hex(i), "0x50") for i in range(1000)]
        start = time.monotonic()
        answers = self.node.batch(calls)
        self.assertLess(time.monotonic() - start, 2)
        self.assertEqual([a["id"] for a in answers], list(range(1000)))


class Envelope(SharedMock):
    def test_batches_and_notifications(self):
        post = lambda body: self.node.post(body)
        self.assertEqual(post(b"[]").json["error"], {"code": -32600, "message": "empty batch"})
        self.assertEqual(post(b"{").json["error"]["code"], -32700)
        mixed = post([1, request("eth_chainId", id="a"), {"jsonrpc": "2.0", "method": "eth_syncing"}])
        self.assertEqual([a["id"] for a in mixed.json], [None, "a"])
        self.assertEqual(post({"jsonrpc": "2.0", "method": "eth_syncing"}).body, b"")

    def test_pipelined_requests_are_answered_in_order(self):
        with self.node.socket() as s:
            s.sendall(b"".join(http_post(request("mock_echo", i, id=i)) for i in range(50)))
            s.sendall(http_post(request("mock_echo", 50, id=50), "Connection: close\r\n"))
            received = read_all(s)
        answers = received.split(b"HTTP/1.1 200 OK\r\n")[1:]
        ids = [json.loads(answer.split(b"\r\n\r\n")[1])["id"] for answer in answers]
        self.assertEqual(ids, list(range(51)))

    def test_a_request_byte_by_byte(self):
        with self.node.socket() as s:
            for byte in http_post(request("eth_chainId"), "Connection: close\r\n"):
                s.sendall(bytes([byte]))
            self.assertIn(b'"result":"0x11f63"', read_all(s))

    def test_clients_that_leave(self):
        for sent in (http_post(request("eth_chainId"))[:-5], b"POST / HT", b"\x00\x01\r\n\r\n", b""):
            with self.node.socket() as s:
                s.sendall(sent)
        self.node.fault("no-answer", count=1)
        with self.node.socket() as s:
            s.sendall(http_post(request("eth_chainId")))
            self.node.wait(items=1)
        self.node.wait(client_aborts=1)
        self.assertEqual(self.node.rpc("eth_chainId"), "0x11f63")

    def test_the_last_request_is_remembered(self):
        self.node.post(request("mock_echo", 1), path="/v2/key", headers={"X-Test": "yes"})
        last = self.node.last()
        self.assertTrue(last["head"].startswith("/v2/key\n"))
        self.assertIn("X-Test: yes", last["head"])
        self.assertEqual(json.loads(last["body"])["method"], "mock_echo")


class Moving(unittest.TestCase):
    def setUp(self):
        self.node = MockNode("--blocks", "40")
        self.addCleanup(self.node.stop)
        self.reader = self.node.samples()["reader"]

    def block(self, n):
        return self.node.rpc("eth_getBlockByNumber", hex(n), False)

    def test_advance_and_reorg(self):
        self.assertEqual(self.node.control(advance=5)["head"], 45)
        before = [self.block(n)["hash"] for n in range(46)]
        self.assertEqual(self.node.control(reorg=3)["head"], 46)
        after = [self.block(n)["hash"] for n in range(47)]
        self.assertEqual(before[:43], after[:43])
        self.assertFalse(set(before[43:]) & set(after[43:]))
        self.assertEqual(self.block(43)["parentHash"], after[42])
        orphan = {"blockHash": before[44]}
        number = self.node.rpc("eth_getStorageAt", self.reader, "0x0", orphan)
        self.assertEqual(int(number, 16), 44)
        error = self.node.error(
            "eth_getStorageAt", self.reader, "0x0", dict(orphan, requireCanonical=True)
        )
        self.assertEqual(error.message, "hash is not currently canonical")

    def test_reorganised_state_differs(self):
        head = {"blockHash": self.block(40)["hash"]}
        slots = {self.reader: [hex(i) for i in range(256)]}
        before = self.node.rpc("eth_getStorageValues", slots, "0x28")
        self.node.control(reorg={"depth": 12, "blocks": 12})
        after = self.node.rpc("eth_getStorageValues", slots, "0x28")
        self.assertNotEqual(before, after)
        self.assertEqual(self.node.rpc("eth_getStorageValues", slots, head), before)

    def test_lag_and_pruning(self):
        newest = self.block(40)
        self.node.control(lag=4)
        self.assertEqual(self.node.rpc("eth_blockNumber"), "0x24")
        self.assertIsNone(self.block(40))
        self.assertIsNone(self.node.rpc("eth_getBlockByHash", newest["hash"], False))
        error = self.node.error("eth_getBalance", self.reader, "0x28")
        self.assertEqual((error.code, error.message), (-32000, "header not found"))
        self.node.control(lag=0, prune=10)
        self.assertEqual(int(self.node.rpc("eth_getStorageAt", self.reader, "0x0", "0x1e"), 16), 30)
        error = self.node.error("eth_getBalance", self.reader, "0x1d")
        self.assertTrue(error.message.startswith("missing trie node "), error.message)

    def test_heads_lower_as_high_and_higher(self):
        head = 40
        for depth in range(1, 13):
            old = self.block(head)["hash"]
            blocks = depth + depth % 3 - 1
            head += blocks - depth
            moved = self.node.control(reorg={"depth": depth, "blocks": blocks})
            self.assertEqual(moved["head"], head)
            self.assertEqual(self.node.rpc("eth_blockNumber"), hex(head))
            self.assertIsNone(self.block(head + 1))
            self.assertIsNotNone(self.node.rpc("eth_getBlockByHash", old, False))

    def test_what_is_in_a_block_agrees_on_every_branch(self):
        hashes = [self.block(n)["hash"] for n in range(30, 41)]
        self.node.control(reorg=10)
        hashes += [self.block(n)["hash"] for n in range(30, 42)]
        seen = 0
        for block_hash in hashes:
            block = self.node.rpc("eth_getBlockByHash", block_hash, True)
            receipts = self.node.rpc("eth_getBlockReceipts", {"blockHash": block_hash})
            logs = self.node.rpc("eth_getLogs", {"blockHash": block_hash})
            self.assertEqual([r["transactionHash"] for r in receipts],
                             [tx["hash"] for tx in block["transactions"]])
            self.assertEqual([log for r in receipts for log in r["logs"]], logs)
            for at in block["transactions"] + receipts + logs:
                self.assertEqual(at["blockHash"], block_hash)
                self.assertEqual(at["blockNumber"], block["number"])
                seen += 1
        self.assertGreater(seen, 40)

    def test_movers(self):
        mover = self.node.samples()["mover"]
        read = lambda at: self.node.batch(
            [("eth_getAccountInfo", mover, at)]
            + [("eth_getStorageAt", mover, hex(slot), at) for slot in (1, 2, 3)]
        )
        old = {"blockHash": self.block(40)["hash"]}
        before, below = read("0x28"), read("0x27")
        self.node.control(reorg={"depth": 1, "blocks": 1})
        after = read("0x28")
        self.assertEqual(read("0x27"), below)
        self.assertEqual(read(old), before)
        for name in ("balance", "nonce", "code"):
            self.assertEqual(len({str(a[0]["result"][name]) for a in (before, below, after)}), 3)
        self.assertEqual(len({str(a[1:]) for a in (before, below, after)}), 3)

    def test_side_blocks_are_forgotten(self):
        old = self.block(40)["hash"]
        self.node.control(reorg=2, side_blocks=False)
        self.assertIsNone(self.node.rpc("eth_getBlockByHash", old, False))
        self.assertIsNone(self.node.rpc("eth_getBlockReceipts", {"blockHash": old}))
        error = self.node.error("eth_getBalance", self.reader, {"blockHash": old})
        self.assertEqual(error.message, "header for hash not found")
        self.node.control(side_blocks=True)
        self.assertEqual(self.node.rpc("eth_getBlockByHash", old, False)["hash"], old)

    def test_states_by_number_only(self):
        by_hash = self.block(40)["hash"]
        self.node.control(eip1898=False)
        for block in (by_hash, {"blockHash": by_hash}, {"blockNumber": "0x28"}):
            self.assertEqual(self.node.error("eth_getBalance", self.reader, block).code, -32602)
        self.node.rpc("eth_getBalance", self.reader, "0x28")

    def test_tags(self):
        number = lambda tag: self.node.rpc("eth_getBlockByNumber", tag, False)
        self.node.control(safe=3, finalized=5)
        self.assertEqual(number("safe")["number"], "0x25")
        self.assertEqual(number("finalized")["number"], "0x23")
        self.node.control(safe="unknown", finalized="error")
        self.assertEqual(self.node.error("eth_getBlockByNumber", "safe", False).code, -32602)
        error = self.node.error("eth_getBlockByNumber", "finalized", False)
        self.assertEqual((error.code, error.message), (-32000, "finalized block not found"))
        self.node.control(finalized="null")
        self.assertIsNone(number("finalized"))
        self.node.reset()
        self.assertEqual(number("safe")["number"], hex(40 - 32))

    def test_two_nodes_behind_one_name(self):
        self.node.control(alternate=3)
        heads = [self.node.rpc("eth_blockNumber") for _ in range(6)]
        self.assertEqual(sorted(heads), ["0x25"] * 3 + ["0x28"] * 3)
        self.assertEqual([a != b for a, b in zip(heads, heads[1:])], [True] * 5)

    def test_the_chain_moves_between_two_questions(self):
        self.node.chain_fault("eth_getBalance", reorg={"depth": 3, "blocks": 3}, count=1, after=1)
        self.node.chain_fault("eth_chainId", advance=2, every=3)
        head = lambda: self.node.rpc("eth_getBlockByNumber", "latest", False)
        first = head()
        self.node.rpc("eth_getBalance", self.reader, "latest")
        self.assertEqual(head(), first)
        count = ("eth_getTransactionCount", self.node.samples()["mover"], "latest")
        nonce = lambda: self.node.rpc(*count)
        before = nonce()
        answers = self.node.batch([count, ("eth_getBalance", self.reader, "latest"), count])
        self.assertEqual([a["result"] for a in answers][::2], [before, nonce()])
        self.assertNotEqual(nonce(), before)
        self.assertEqual((head()["number"], head()["hash"] == first["hash"]), ("0x28", False))
        heads = []
        for _ in range(7):
            self.node.rpc("eth_chainId")
            heads.append(int(self.node.rpc("eth_blockNumber"), 16))
        self.assertEqual(heads, [42, 42, 42, 44, 44, 44, 46])

    def test_the_oracle(self):
        old = self.block(40)["hash"]
        call = ("eth_getBalance", self.node.samples()["mover"], {"blockHash": old})
        balance = self.node.rpc(*call)
        self.node.control(reorg=2, side_blocks=False, eip1898=False, lag=5, reset_counters=True,
                          missing=["eth_getBalance"], faults=[{"kind": "fin"}])
        ask = self.node.oracle.rpc
        self.assertEqual(ask(*call), balance)
        self.assertEqual(ask("eth_getBlockByHash", old, False)["hash"], old)
        self.assertEqual(ask("eth_blockNumber"), "0x29")
        blocks = self.node.blocks()
        aside = [b["hash"] for b in blocks if not b["canonical"]]
        self.assertEqual((len(aside), old in aside), (2, True))
        self.assertEqual(len([b for b in blocks if b["canonical"]]), 42)
        counters = self.node.counters()
        for name in ("items", "http_requests", "faults"):
            self.assertEqual(counters[name], 0)

    def test_two_that_are_moved_alike_share_the_chain(self):
        with MockNode("--blocks", "40") as other:
            for node in (self.node, other):
                node.control(advance=2)
                node.control(reorg=5)
                node.control(reorg={"depth": 3, "blocks": 2})
            head = self.node.rpc("eth_getBlockByNumber", "latest", True)
            self.assertEqual(other.rpc("eth_getBlockByNumber", "latest", True), head)

    def test_other_names(self):
        with MockNode("--chain-id", "5", client_version="anvil/v1.0.0") as node:
            self.assertEqual(node.rpc("eth_chainId"), "0x5")
            self.assertEqual(node.rpc("net_version"), "5")
            self.assertEqual(node.rpc("web3_clientVersion"), "anvil/v1.0.0")
            self.assertIn("chain 5 head 256", node.stdout)
            node.control(chain_id=6, faults=[{"kind": "null", "method": "eth_syncing"}])
            self.assertEqual((node.rpc("eth_chainId"), node.rpc("eth_syncing")), ("0x6", None))
            node.reset()
            self.assertEqual((node.rpc("eth_chainId"), node.rpc("eth_syncing")), ("0x5", False))

    def test_the_same_in_every_run(self):
        with MockNode("--blocks", "40") as other:
            self.assertEqual(self.block(40), other.rpc("eth_getBlockByNumber", "0x28", False))


class Recorded(unittest.TestCase):
    def test_a_fork_cache(self):
        root = corpus("foundry-fork-cache")
        path = os.path.join(root, "foundry", "rpc", "mainnet", "22580951")
        with open(path) as file:
            cache = json.load(file)
        with MockNode("--data", root, "--fork", "mainnet/22580951") as node:
            self.assertEqual(node.rpc("eth_chainId"), "0x1")
            self.assertEqual(node.rpc("eth_blockNumber"), hex(22580951))
            block = node.rpc("eth_getBlockByNumber", "finalized", False)
            self.assertEqual(block["number"], hex(22580951))
            self.assertTrue(all(isinstance(t, str) for t in block["transactions"]))
            by_hash = {"blockHash": block["hash"]}
            for address, account in cache["accounts"].items():
                self.assertEqual(
                    int(node.rpc("eth_getBalance", address, by_hash), 16),
                    int(account["balance"], 16),
                )
                self.assertEqual(
                    node.rpc("eth_getTransactionCount", address, "latest"), hex(account["nonce"])
                )
                code = account["code"]["LegacyAnalyzed"]
                self.assertEqual(
                    node.rpc("eth_getCode", address, hex(22580951)),
                    code["bytecode"][: 2 + 2 * code["original_len"]],
                )
            calls = [
                ("eth_getStorageAt", address, slot, "latest")
                for address, slots in cache["storage"].items()
                for slot in slots
            ]
            wanted = [int(v, 16) for slots in cache["storage"].values() for v in slots.values()]
            self.assertEqual([int(a["result"], 16) for a in node.batch(calls)], wanted)
            self.assertGreater(wanted.count(0), 0)
            self.assertIn("not recorded", node.error("eth_getBalance", "0x" + "77" * 20).message)
            self.assertIn(
                "not recorded", node.error("eth_getStorageAt", calls[0][1], "0x" + "ab" * 32).message
            )
            self.assertEqual(
                node.error("eth_getBalance", calls[0][1], "0x1").message, "header not found"
            )
            self.assertIn(
                "not recorded", node.error("eth_getTransactionByHash", "0x" + "77" * 32).message
            )
            self.assertEqual(node.error("eth_nothing").code, -32601)

    def test_every_fork_loads(self):
        root = corpus("foundry-fork-cache")
        for chain in sorted(os.listdir(os.path.join(root, "foundry", "rpc"))):
            for fork in sorted(os.listdir(os.path.join(root, "foundry", "rpc", chain))):
                with self.subTest(fork="%s/%s" % (chain, fork)):
                    path = os.path.join(root, "foundry", "rpc", chain, fork)
                    with MockNode("--data", path) as node:
                        block = node.rpc("eth_getBlockByNumber", hex(int(fork)), False)
                        self.assertEqual(
                            node.rpc("eth_getBlockByHash", block["hash"], False), block
                        )

    def test_a_delegation(self):
        root = corpus("foundry-fork-cache")
        path = os.path.join(root, "foundry", "rpc", "mainnet", "23377072")
        with open(path) as file:
            accounts = json.load(file)["accounts"]
        delegated = [a for a, v in accounts.items() if "Eip7702" in (v["code"] or {})]
        self.assertTrue(delegated)
        with MockNode("--data", path) as node:
            for address in delegated:
                code = node.rpc("eth_getCode", address, "latest")
                self.assertEqual((code[:8], len(code)), ("0xef0100", 2 + 46))

    def test_tevm_recordings(self):
        path = corpus("tevm-rpc-recordings", "mainnet-23483670.json")
        with open(path) as file:
            recorded = json.load(file)
        with MockNode("--data", path) as node:
            self.assertEqual(node.rpc("eth_blockNumber"), hex(23483670))
            self.assertEqual(node.rpc("eth_chainId"), "0x1")
            block = node.rpc("eth_getBlockByNumber", "latest", False)
            for key, result in recorded.items():
                method, *params = json.loads(key)
                self.assertEqual(node.rpc(method, *params), result)
                if params[-1] == hex(23483670):
                    params[-1] = {"blockHash": block["hash"]}
                    self.assertEqual(node.rpc(method, *params), result)
            self.assertIn("not recorded", node.error("eth_getCode", "0x" + "77" * 20).message)

    def test_execution_apis(self):
        root = corpus("execution-apis")
        pairs = []
        for folder, _, names in os.walk(root):
            for name in names:
                if not name.endswith(".io"):
                    continue
                with open(os.path.join(folder, name)) as file:
                    lines = [l for l in file if l[:3] in (">> ", "<< ")]
                asked, answered = json.loads(lines[0][3:]), json.loads(lines[1][3:])
                pairs.append((name, asked, answered))
        self.assertGreater(len(pairs), 100)
        with MockNode("--data", root) as node:
            for name, asked, answered in pairs:
                with self.subTest(name):
                    got = node.post(asked).json
                    self.assertEqual(got.get("error"), answered.get("error"))
                    self.assertEqual(got.get("result"), answered.get("result"))


class Program(unittest.TestCase):
    binary = os.path.join(BUILD, "mock-node")

    def test_samples_are_those_of_the_chain(self):
        printed = json.loads(subprocess.check_output([self.binary, "--print-samples"]))
        with MockNode() as node:
            self.assertEqual(node.samples(), printed)
            value = node.rpc("eth_getStorageAt", printed["reader"], printed["slot"], printed["head"])
            self.assertEqual(value, printed["slot_value_at_head"])

    def test_signals_and_wrong_options(self):
        node = MockNode(latency_ms=60000)
        waiting = node.start("eth_chainId")
        node.wait(items=1)
        self.assertEqual(node.kill(signal.SIGTERM), 0)
        with self.assertRaises(Exception):
            waiting()
        for args in (["--blocks", "x"], ["--listen", "nowhere"], ["--what"], ["more"],
                     ["--data", "/nonexistent"], ["--control", "[]"], ["--control", '{"a":1}']):
            run = subprocess.run([self.binary, *args], capture_output=True, timeout=20)
            self.assertEqual((run.returncode, run.stdout), (1, b""), args)
            self.assertTrue(run.stderr.startswith(b"mock-node: "), run.stderr)
        self.assertIn(b"--control", subprocess.check_output([self.binary, "--help"]))


if __name__ == "__main__":
    unittest.main()
