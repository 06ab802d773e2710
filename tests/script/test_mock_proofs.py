# SPDX-License-Identifier: MIT
"""build/mock-node: states that are tries, and what it proves of them."""

import collections
import json
import os
import random
import subprocess
import tempfile
import unittest

from chain_rlp import keccak256
import eip1186
from harness import BUILD, ForkcacheTest, MockNode, RpcError, SharedMock, corpus

NOBODY = "0x" + "77" * 20
ZERO = "0x" + "00" * 32


def read(folder, name):
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


def proves(node, address, slots, block="latest"):
    """The verified answer of eth_getProof."""
    root = node.rpc("eth_getBlockByNumber", block, False)["stateRoot"]
    answer = node.rpc("eth_getProof", address, slots, block)
    eip1186.verify(answer, address, slots, root)
    return answer


class Verifier(unittest.TestCase):
    """What a test believes of a proof: that no byte of it could be another."""

    def test_what_is_not_proved_is_refused(self):
        alloc = {"0x%040x" % i: {"balance": hex(i), "storage": {hex(i): "0x1", "0x99": "0x5"}}
                 for i in range(1, 40)}
        someone = "0x%040x" % 7
        with prestate(alloc) as node:
            root = node.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
            for address, slots in ((someone, ["0x7", "0x8"]), (NOBODY, [])):
                good = node.rpc("eth_getProof", address, slots, "latest")
                eip1186.verify(good, address, slots, root)
                self.assertGreater(len(good["accountProof"]), 1)
                bad = json.loads(json.dumps(good))
                bad["accountProof"].pop()
                self.assertRaises(ValueError, eip1186.verify, bad, address, slots, root)
                bad = dict(good, balance="0x1234")
                self.assertRaises(ValueError, eip1186.verify, bad, address, slots, root)
                self.assertRaises(ValueError, eip1186.verify, good, address, slots, ZERO)
                self.assertRaises(ValueError, eip1186.verify, good, "0x" + "76" * 20, slots, root)
            good = node.rpc("eth_getProof", someone, ["0x7"], "latest")
            good["storageProof"][0]["value"] = "0x2"
            self.assertRaises(ValueError, eip1186.verify, good, someone, ["0x7"], root)


class Witness(unittest.TestCase):
    FOLDERS = ("dev-978", "mainnet-20472570")

    def folders(self, check):
        for name in self.FOLDERS:
            folder = corpus("mainnet-block-witness", name)
            with MockNode("--witness", folder) as node, self.subTest(name):
                check(node, folder)

    def test_the_parent_of_the_block_is_the_head(self):
        def check(node, folder):
            block, witness = read(folder, "block.json"), read(folder, "witness.json")
            number = int(block["number"], 16) - 1
            self.assertEqual(node.rpc("eth_blockNumber"), hex(number))
            head = node.rpc("eth_getBlockByNumber", "latest", True)
            self.assertEqual(head["number"], hex(number))
            self.assertEqual(head["hash"], block["parentHash"])
            self.assertEqual(head["stateRoot"], witness["preStateRoot"])
            self.assertLess(int(head["timestamp"], 16), int(block["timestamp"], 16))
            self.assertEqual(node.rpc("eth_getBlockByHash", head["hash"], True), head)
            self.assertIsNone(node.rpc("eth_getBlockByNumber", block["number"], False))
            self.assertIsNone(node.rpc("eth_getBlockByHash", block["hash"], False))
            error = node.error("eth_getBalance", NOBODY, block["number"])
            self.assertEqual(error.message, "header not found")

        self.folders(check)

    def test_the_recorded_proofs_are_served(self):
        seen = collections.Counter()

        def check(node, folder):
            with open(os.path.join(folder, "eth_getProof.jsonl")) as file:
                proofs = [json.loads(line) for line in file]
            for proof in proofs:
                keys = [s["key"] for s in proof["storageProof"]]
                self.assertEqual(
                    node.rpc("eth_getProof", proof["address"], keys, "latest"), proof)
                seen["account"] += 1
                seen["slot"] += len(keys)

        self.folders(check)
        self.assertGreater(seen["account"], 60)
        self.assertGreater(seen["slot"], 20)

    def test_values_come_out_of_the_leaves(self):
        def check(node, folder):
            codes = {"0x" + keccak256(bytes.fromhex(c[2:])).hex(): c
                     for c in read(folder, "witness.json")["codes"][:3]}
            seen = collections.Counter()
            for address, account in read(folder, "accounts.json").items():
                pre = account["pre"] or {"nonce": "0x0", "balance": "0x0", "codeHash": None}
                self.assertEqual(node.rpc("eth_getBalance", address, "latest"), pre["balance"])
                self.assertEqual(node.rpc("eth_getTransactionCount", address), pre["nonce"])
                seen["absent"] += account["pre"] is None
                if pre["codeHash"] in codes:
                    seen["code"] += 1
                    self.assertEqual(node.rpc("eth_getCode", address), codes[pre["codeHash"]])
                    self.assertEqual(
                        node.rpc("eth_getAccountInfo", address, "latest"),
                        {"balance": pre["balance"], "nonce": pre["nonce"],
                         "code": codes[pre["codeHash"]]})
                slots = account.get("storage", {})
                if not slots:
                    continue
                values = node.rpc("eth_getStorageValues", {address: list(slots)}, "latest")
                for (slot, value), many in zip(slots.items(), values[address]):
                    one = node.rpc("eth_getStorageAt", address, slot, "latest")
                    self.assertEqual(int(one, 16), int(value["pre"], 16))
                    self.assertEqual(one, many)
                    seen["slot" if int(one, 16) else "zero"] += 1
            for kind in ("absent", "code", "zero"):
                self.assertGreater(seen[kind], 0, (kind, seen))

        self.folders(check)

    def test_what_the_witness_does_not_have(self):
        """Where a branch beside the block's own paths is asked for."""
        folder = corpus("mainnet-block-witness", "mainnet-20472570")
        outcomes = collections.Counter()
        chance = random.Random(1)
        with MockNode("--witness", folder) as node:
            for _ in range(64):
                address = "0x%040x" % chance.getrandbits(160)
                try:
                    proves(node, address, [])
                    outcomes["proved"] += 1
                except RpcError as error:
                    self.assertRegex(error.message, "^missing trie node [0-9a-f]{64}$")
                    self.assertEqual(error.code, -32000)
                    for method in ("eth_getBalance", "eth_getCode"):
                        self.assertEqual(
                            node.error(method, address, "latest").message, error.message)
                    missing = node.error("eth_getStorageAt", address, "0x0", "latest")
                    self.assertEqual(missing.message, error.message)
                    outcomes["missing"] += 1
        self.assertGreater(outcomes["missing"], 0)

    def test_codes_that_were_not_run(self):
        folder = corpus("mainnet-block-witness", "mainnet-20472570")
        accounts = read(folder, "accounts.json")
        unknown = [a for a, v in accounts.items() if v["pre"] and not v["pre"].get("codeInWitness")
                   and v["pre"]["codeHash"] != eip1186.EMPTY_CODE_HASH]
        with MockNode("--witness", folder) as node:
            for address in unknown:
                self.assertEqual(node.error("eth_getCode", address).message,
                                 "mock-node: not recorded: the code")
                self.assertEqual(node.rpc("eth_getBalance", address),
                                 accounts[address]["pre"]["balance"])

    def test_the_execution_witness_where_it_is_allowed(self):
        folder = corpus("mainnet-block-witness", "dev-978")
        recorded = read(folder, "witness.json")
        call = ("debug_executionWitness", hex(recorded["blockNumber"]))
        with MockNode("--witness", folder) as node:
            self.assertEqual(node.error(*call).code, -32601)
            node.control(execution_witness=True)
            witness = node.rpc(*call)
            self.assertEqual(witness["state"], recorded["nodes"])
            self.assertEqual(witness["codes"], recorded["codes"])
            self.assertEqual((witness["keys"], witness["headers"]), (None, []))
            error = node.error(call[0], hex(recorded["blockNumber"] - 1))
            self.assertEqual((error.code, error.message), (-32000, "block number 977 not found"))
            node.reset()
            self.assertEqual(node.error(*call).code, -32601)
        with MockNode("--witness", folder, "--execution-witness") as node:
            self.assertEqual(node.rpc(*call)["state"], recorded["nodes"])

    def test_a_node_that_is_left_out_is_missed(self):
        folder = corpus("mainnet-block-witness", "dev-978")
        files = {name: read(folder, name) for name in ("block.json", "witness.json")}
        with open(os.path.join(folder, "eth_getProof.jsonl")) as file:
            proof = json.loads(file.readline())
        leaf = proof["accountProof"][-1]
        files["witness.json"]["nodes"].remove(leaf)
        with tempfile.TemporaryDirectory() as copy:
            for name, content in files.items():
                with open(os.path.join(copy, name), "w") as file:
                    json.dump(content, file)
            with MockNode("--witness", copy) as node:
                error = node.error("eth_getProof", proof["address"], [], "latest")
                digest = keccak256(bytes.fromhex(leaf[2:])).hex()
                self.assertEqual(error.message, "missing trie node " + digest)

    def test_what_is_no_witness(self):
        with tempfile.TemporaryDirectory() as folder:
            for content, text in ((None, "witness.json: "), ([], "block.json"), ({}, "block.json")):
                if content is not None:
                    with open(os.path.join(folder, "witness.json"), "w") as file:
                        json.dump(content, file)
                self.assertIn(text, refusal("--witness", folder))
            with open(os.path.join(folder, "block.json"), "w") as file:
                json.dump({"number": "0x1", "timestamp": "0x1"}, file)
            self.assertIn("preStateRoot", refusal("--witness", folder))
        self.assertIn("there is one to serve", refusal("--witness", "a", "--prestate", "b"))


def refusal(*args):
    """What the program says that does not start."""
    run = subprocess.run([os.path.join(BUILD, "mock-node"), *args], capture_output=True,
                         text=True, timeout=60)
    assert run.returncode == 1, run
    return run.stderr


class prestate:
    """A mock node that serves these accounts, or this file's."""

    def __init__(self, content, *args):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(content, file)
            file.flush()
            self.node = MockNode("--prestate", file.name, "--blocks", "0", *args)

    def __enter__(self):
        return self.node.__enter__()

    def __exit__(self, *what):
        return self.node.__exit__(*what)


class Prestate(unittest.TestCase):
    def tracer_tests(self):
        root = corpus("geth-tracetest")
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                if name.endswith(".json"):
                    path = os.path.join(folder, name)
                    with open(path) as file:
                        yield os.path.relpath(path, root), path, json.load(file)

    def assert_serves(self, node, alloc, block="latest"):
        for address, account in alloc.items():
            number = lambda name: int(str(account.get(name, 0)), 0)
            self.assertEqual(int(node.rpc("eth_getBalance", address, block), 16), number("balance"))
            self.assertEqual(
                int(node.rpc("eth_getTransactionCount", address, block), 16), number("nonce"))
            self.assertEqual(node.rpc("eth_getCode", address, block), account.get("code", "0x"))
            storage = account.get("storage", {})
            answers = node.batch([("eth_chainId",)] + [
                ("eth_getStorageAt", address, slot, block) for slot in storage])
            self.assertEqual([int(a["result"], 16) for a in answers[1:]],
                             [int(v, 16) for v in storage.values()])

    def test_every_tracer_test(self):
        count = 0
        for name, path, document in self.tracer_tests():
            if "genesis" not in document:
                continue
            with self.subTest(name), MockNode("--prestate", path, "--blocks", "0") as node:
                context, config = document["context"], document["genesis"]["config"]
                head = node.rpc("eth_getBlockByNumber", "latest", True)
                number = int(context["number"], 0) - 1
                self.assertEqual(int(head["number"], 16), number)
                self.assertEqual(int(node.rpc("eth_blockNumber"), 16), number)
                self.assertEqual(int(node.rpc("eth_chainId"), 16), config["chainId"])
                for member in ("timestamp", "gasLimit"):
                    self.assertEqual(int(head[member], 16), int(context[member], 0))
                self.assertEqual(head["miner"], context["miner"].lower())
                self.assert_serves(node, document["genesis"]["alloc"])
                self.assertEqual(node.rpc("eth_getBalance", NOBODY, head["hash"]), "0x0")
                self.assertEqual(node.rpc("eth_getCode", NOBODY, {"blockHash": head["hash"]}), "0x")
                someone = next(iter(document["genesis"]["alloc"]))
                self.assertEqual(node.rpc("eth_getStorageAt", someone, "0x77", "latest"), ZERO)
                count += 1
        self.assertGreater(count, 30)

    def test_the_answer_of_a_tracer(self):
        path = corpus("geth-tracetest", "reth", "tx-selfdestruct-prestate.json")
        with open(path) as file:
            alloc = json.load(file)["result"]
        with MockNode("--prestate", path) as node:
            self.assertEqual(node.rpc("eth_blockNumber"), "0x1")
            self.assert_serves(node, alloc)

    def test_state_roots_of_networks(self):
        with open(corpus("genesis-state-roots", "expected.json")) as file:
            expected = json.load(file)
        for name, wanted in expected.items():
            path = corpus("genesis-state-roots", name)
            with self.subTest(name), MockNode("--prestate", path, "--blocks", "0") as node:
                head = node.rpc("eth_getBlockByNumber", "latest", False)
                self.assertEqual(head["stateRoot"], wanted["stateRoot"])

    def test_state_roots_of_small_states(self):
        with open(corpus("alloc-state-roots", "alloc-roots.jsonl")) as file:
            lines = list(file)[::11]
        for line in lines:
            case = json.loads(line)
            with self.subTest(case["src"]), prestate(case["alloc"]) as node:
                head = node.rpc("eth_getBlockByNumber", "latest", False)
                self.assertEqual(head["stateRoot"], case["stateRoot"])

    def test_proofs(self):
        alloc = {"0x%040x" % i: {"balance": hex(i), "nonce": i % 3} for i in range(1, 60)}
        full, sparse = "0x" + "ab" * 20, "0x" + "cd" * 20
        alloc[full] = {"code": "0x6001", "storage": {hex(i): hex(i + 1) for i in range(300)}}
        alloc[sparse] = {"nonce": "5", "storage": {"0x5": "0x" + "ff" * 32, "0x6": "0x0"}}
        with prestate(alloc) as node:
            for i in range(0, 80, 9):
                self.assertEqual(proves(node, "0x%040x" % i, ["0x1"])["balance"],
                                 hex(i if i < 60 else 0))
            self.assertEqual(proves(node, NOBODY, [])["codeHash"], eip1186.EMPTY_CODE_HASH)
            slots = [hex(i) for i in range(280, 320, 4)]
            answer = proves(node, full, slots)
            self.assertEqual([s["key"] for s in answer["storageProof"]], slots)
            self.assertEqual([int(s["value"], 16) for s in answer["storageProof"]],
                             [i + 1 if i < 300 else 0 for i in range(280, 320, 4)])
            self.assertEqual(answer["codeHash"], "0x" + keccak256(b"\x60\x01").hex())
            answer = proves(node, sparse, ["0x5", "0x%064x" % 6, "0x7"])
            self.assertEqual([(s["key"], s["value"]) for s in answer["storageProof"]],
                             [("0x5", "0x" + "ff" * 32), ("0x%064x" % 6, "0x0"), ("0x7", "0x0")])
            header = node.rpc("eth_getBlockByNumber", "latest", False)
            self.assertEqual(header["number"], "0x1")

    def test_parameters_of_proofs(self):
        with prestate({}) as node:
            self.assertEqual(proves(node, NOBODY, ["0x1"])["accountProof"], [])
            for params, code in (((NOBODY,), -32602), ((NOBODY, "0x1"), -32602),
                                 (("0x12", []), -32602), ((NOBODY, ["0xzz"]), -32602),
                                 ((NOBODY, ["0x1"] * 1025), -32602), ((NOBODY, [], "0x9"), -32000)):
                self.assertEqual(node.error("eth_getProof", *params).code, code, params)
            self.assertEqual(len(proves(node, NOBODY, ["0x1"] * 1024)["storageProof"]), 1024)

    def test_who_is_empty_is_not_there(self):
        alloc = {NOBODY: {"balance": "0x0"}, "0x" + "01" * 20: {"balance": "0x1"}}
        with prestate(alloc) as node:
            root = node.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
            self.assertEqual(len(proves(node, NOBODY, [])["accountProof"]), 1)
        del alloc[NOBODY]
        with prestate(alloc) as node:
            self.assertEqual(
                node.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"], root)

    def test_what_is_no_prestate(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "prestate.json")
            self.assertIn(path, refusal("--prestate", path))
            for content, text in ((["x"], "no accounts"), ({"x": {}}, "account x"),
                                  ({NOBODY: {"balance": "many"}}, NOBODY),
                                  ({NOBODY: {"storage": {"0x1": "y"}}}, NOBODY),
                                  ({NOBODY: {"storage": {"0x1": "1", "0x01": "1"}}}, NOBODY),
                                  ({NOBODY: {"code": "0x6"}}, NOBODY)):
                with open(path, "w") as file:
                    json.dump(content, file)
                self.assertIn(text, refusal("--prestate", path))


class Chance(unittest.TestCase):
    """Faults by chance."""

    def outcomes(self, node, count, items=1):
        seen = []
        for _ in range(count):
            try:
                if items == 1:
                    seen.append(node.rpc("eth_getBalance", NOBODY, "latest"))
                else:
                    answers = node.batch([("eth_getBalance", NOBODY, "latest")] * items)
                    seen.append([a.get("result", "error") for a in answers])
            except Exception as error:  # what it is is counted
                seen.append("%s %s" % (type(error).__name__, getattr(error, "code", "")))
        return seen

    def test_so_many_requests_are_struck(self):
        alloc = {NOBODY: {"balance": "0x7"}}
        with prestate(alloc, "--fault-rate", "30", "--fault-seed", "5") as node:
            seen = self.outcomes(node, 400)
            counters = node.counters()
            share = counters["faults"] / counters["http_requests"]
            self.assertTrue(0.2 < share < 0.4, counters)
            counts = collections.Counter(seen)
            self.assertGreater(len(counts), 4, counts)
            self.assertIn(None, counts)
            node.reset()
            self.assertEqual(self.outcomes(node, 40), seen[:40])
            node.control(fault_seed=6)
            self.assertNotEqual(self.outcomes(node, 40), seen[:40])
            node.control(fault_rate=0, reset_counters=True)
            self.assertEqual(set(self.outcomes(node, 40)), {"0x7"})
            self.assertEqual(node.counters()["faults"], 0)

    def test_one_item_of_a_batch(self):
        with prestate({NOBODY: {"balance": "0x7"}}, "--fault-rate", "100") as node:
            seen = self.outcomes(node, 60, items=5)
            counters = node.counters()
            self.assertEqual(counters["faults"], counters["http_requests"])
            places = {answer.index(None) for answer in seen
                      if isinstance(answer, list) and None in answer}
            self.assertGreater(len(places), 1, seen)
            for answer in seen:
                if isinstance(answer, list):
                    self.assertGreaterEqual(answer.count("0x7"), 4)

    def test_the_list_comes_first(self):
        with prestate({NOBODY: {"balance": "0x7"}}, "--fault-rate", "100") as node:
            node.fault("value", "eth_getBalance", value="0x8", count=5)
            self.assertEqual(self.outcomes(node, 5), ["0x8"] * 5)
            self.assertRaises(ValueError, node.control, fault_rate=101)


class ChainProofs(SharedMock):
    args = ("--blocks", "6", "--state-roots")

    def block(self, number):
        return self.node.rpc("eth_getBlockByNumber", hex(number), False)

    def test_every_kind_of_account(self):
        names = ("eoa eoa_empty reader summer token proxy reverter large delegated history mover "
                 "mover_at_times").split()
        for number in (0, 1, 5, 6):
            at = hex(number)
            for name in names:
                address = self.s[name]
                slots = [self.s["token_balance_slot_of_eoa"]] if name == "token" else ["0x0", "0x5"]
                with self.subTest(name=name, block=number):
                    answer = proves(self.node, address, slots, at)
                    values = self.node.rpc("eth_getStorageValues", {address: slots}, at)[address]
                    self.assertEqual([int(s["value"], 16) for s in answer["storageProof"]],
                                     [int(v, 16) for v in values])
                    info = self.node.rpc("eth_getAccountInfo", address, at)
                    self.assertEqual({n: answer[n] for n in ("balance", "nonce")},
                                     {n: info[n] for n in ("balance", "nonce")})
                    code = keccak256(bytes.fromhex(info["code"][2:])) if name != "large" else None
                    if code:
                        self.assertEqual(answer["codeHash"], "0x" + code.hex())
            proves(self.node, NOBODY, ["0x1"], at)

    def test_what_history_slots_hold(self):
        for number in range(1, 5):
            slot = "0x%064x" % number
            answer = proves(self.node, self.s["history"], [slot], hex(number + 1))
            self.assertEqual(int(answer["storageProof"][0]["value"], 16),
                             int(self.block(number)["hash"], 16))

    def test_a_proof_at_a_block_that_is_no_more(self):
        with MockNode(*self.args) as node:
            old = node.rpc("eth_getBlockByNumber", "0x6", False)
            node.control(reorg=2)
            new = node.rpc("eth_getBlockByNumber", "0x6", False)
            self.assertNotEqual(old["stateRoot"], new["stateRoot"])
            for block in (old, new):
                answer = node.rpc("eth_getProof", self.s["mover"], ["0x1"],
                                  {"blockHash": block["hash"]})
                eip1186.verify(answer, self.s["mover"], ["0x1"], block["stateRoot"])

    def test_other_chains_have_none(self):
        with MockNode() as node:
            self.assertEqual(node.error("eth_getProof", NOBODY, []).code, -32601)


class Forked(ForkcacheTest):
    """What a proxy makes of these nodes."""

    def test_a_witness(self):
        folder = corpus("mainnet-block-witness", "mainnet-20472570")
        block = read(folder, "block.json")
        parent = int(block["number"], 16) - 1
        proxy = self.serve(self.mock("--witness", folder), block=parent)
        self.assertEqual(proxy.pinned, (1, parent, block["parentHash"]))
        with open(os.path.join(folder, "eth_getProof.jsonl")) as file:
            for proof in map(json.loads, file):
                keys = [s["key"] for s in proof["storageProof"]]
                address = proof["address"]
                self.assertEqual(proxy.rpc("eth_getProof", address, keys, "latest"), proof)
                self.assertEqual(proxy.rpc("eth_getBalance", address), proof["balance"])
                for slot in proof["storageProof"]:
                    value = proxy.rpc("eth_getStorageAt", address, slot["key"], "latest")
                    self.assertEqual(int(value, 16), int(slot["value"], 16))

    def test_a_prestate_with_faults(self):
        path = corpus("geth-tracetest", "call_tracer_withLog", "multi_contracts.json")
        alloc = read(os.path.dirname(path), os.path.basename(path))["genesis"]["alloc"]
        node = self.mock("--prestate", path, "--latency-ms", "20")
        proxy = self.serve(node, block="latest")
        node.control(fault_rate=30, fault_seed=3)
        right, errors = {}, 0
        for address, account in alloc.items():
            right["eth_getBalance", address] = int(account["balance"], 16)
            for slot, value in account.get("storage", {}).items():
                right["eth_getStorageAt", address, slot] = int(value, 16)
        left = list(right)
        while left:
            part, left = left[:8], left[8:]
            for call, answer in zip(part, proxy.batch(part)):
                if "error" in answer:  # asked for again
                    errors += 1
                    left.append(call)
                else:
                    self.assertEqual(int(answer["result"], 16), right[call], call)
        self.assertLess(errors, len(right))
        self.assertGreater(node.counters()["faults"], 3)
