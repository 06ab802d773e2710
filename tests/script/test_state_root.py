# SPDX-License-Identifier: MIT
"""State roots over a fork: recorded mainnet blocks, written through the library over a node that
proves their parent's state, reach the root in the real header; and what becomes of deletions that
need a trie node beside the written keys' own."""

import glob
import itertools
import json
import os
import shutil
import tempfile
import unittest

from chain_rlp import keccak256
import fc
from harness import MockNode, corpus

GWEI = 10**9
MAINNET, DEVELOPMENT = "mainnet-20472570", "dev-978"


def load(folder, name):
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


def hash_of(data):
    return keccak256(data).hex()


def slot_hash(slot):
    return hash_of(slot.to_bytes(32, "big"))


def shared(a, b):
    """How many digits two texts have in common at the start."""
    return len(os.path.commonprefix([a, b]))


def apply_account(state, who, change):
    """New absolute values. What a transaction only read is of no interest here."""
    if change.get("self_destructed"):
        # One that was made in the same transaction was never there.
        if state.account(who, fc.EXISTS).exists:
            state.delete(who)
        return
    fields = {k: int(change[k], 16) for k in ("balance", "nonce") if k in change}
    if fields:
        state.set_account(who, **fields)
    code = change.get("code_usage", {}).get("write")
    if code is not None:
        state.set_code(who, bytes.fromhex(code[2:]))
    for slot, value in change.get("storage_written", {}).items():
        state.set_storage(who, slot, value)


def apply_block(state, writes):
    """Every write in order."""
    for who, slots in writes["preBlock"].items():
        for slot, value in slots.items():
            state.set_storage(who, slot, value)
    for tx in writes["txs"]:
        for who, change in tx.items():
            apply_account(state, who, change)
    for who, gwei in writes["withdrawals"]:
        balance = fc.number(state.account(who, fc.BALANCE).balance)
        state.set_account(who, balance=balance + int(gwei, 16) * GWEI)


class Forks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        fc.library()  # all are skipped where it cannot be loaded

    def fork(self, *args):
        """A node, and what opens a database over it."""
        node = MockNode(*args)
        self.addCleanup(node.stop)
        return node, "overlay://,memory://,fork+" + node.url


class RecordedBlocks(Forks):
    def reach(self, name, *args, options=""):
        """The root behind the block is the header's; the node, with its counters."""
        folder = corpus("mainnet-block-witness", name)
        block, witness = load(folder, "block.json"), load(folder, "witness.json")
        node, urls = self.fork("--witness", folder, *args)
        with fc.Database(urls + options) as db, db.state() as state:
            self.assertEqual(state.root(), witness["preStateRoot"])
            before = state.snapshot()
            apply_block(state, load(folder, "writes.json"))
            self.assertEqual(state.root(), block.get("result", block)["stateRoot"])
            state.revert(before)
            self.assertEqual(state.root(), witness["preStateRoot"])
        return node

    def test_a_mainnet_block(self):
        """One of its deletions collapses a branch, whose other child only a ground slot shows:
        debug_executionWitness, which the node has, is not needed for it."""
        node = self.reach(MAINNET, "--execution-witness")
        self.assertNotIn("debug_executionWitness", node.counters()["methods"])
        touched, slots = written(load(corpus("mainnet-block-witness", MAINNET), "writes.json"))
        asked, others = 0, []
        for key in node.keys():
            method, params = key.split(" ", 1)
            if method != "eth_getProof":
                continue
            address, keys, _ = json.loads(params)
            self.assertIn(address, touched)
            keys = [int(slot, 16) for slot in keys]
            asked += 1
            others += [(address, slot) for slot in keys if slot not in slots[address]]
        # One of each account that was written, in one request, and that of the ground slot.
        self.assertEqual(asked, len(touched) + 1)
        self.assertEqual(node.counters()["batch_sizes"], [len(touched)])
        (address, ground), = others
        depth = max(shared(slot_hash(slot), slot_hash(ground)) for slot in slots[address])
        self.assertGreaterEqual(depth, 5)
        print("%d proofs; of 0x%s.. slot 0x%x.., ground to %d digits: " % (
            asked, address[2:8], ground >> 224, depth + 1), end="")

    def test_a_block_of_a_development_chain(self):
        self.reach(DEVELOPMENT)

    def test_where_all_is_verified(self):
        node = self.reach(DEVELOPMENT, options="#verify")
        self.assertNotIn("eth_getAccountInfo", node.counters()["methods"])

    def test_offline(self):
        """What has been read is there, and who has not been proved is named."""
        folder = corpus("mainnet-block-witness", DEVELOPMENT)
        writes = load(folder, "writes.json")
        node, _ = self.fork("--witness", folder)
        with tempfile.TemporaryDirectory() as cache:
            layers = "overlay://,memory://,lmdb://%s/cache,fork+%s#chain=1&block=977" % (
                cache, node.url)
            with fc.Database(layers) as db, db.state() as state:
                apply_block(state, writes)
            with fc.Database(layers + "&offline") as db, db.state() as state:
                apply_block(state, writes)
                with self.assertRaises(fc.FcError) as caught:
                    state.root()
        self.assertEqual(caught.exception.code, fc.OFFLINE_MISS)
        self.assertRegex(caught.exception.detail, "proof of 0x[0-9a-f]{40} at block 977: ")

    def test_a_write_left_out(self):
        """Each slot and account as before the block by itself makes another root."""
        for name in (MAINNET, DEVELOPMENT):
            folder = corpus("mainnet-block-witness", name)
            changes = load(folder, "accounts.json")
            _, urls = self.fork("--witness", folder)
            left_out = unsupported = 0
            with fc.Database(urls) as db, db.state() as state, self.subTest(name):
                apply_block(state, load(folder, "writes.json"))
                reached = state.root()
                for who, undo in undoings(changes):
                    mark = state.snapshot()
                    undo(state, who)
                    try:
                        self.assertNotEqual(state.root(), reached, (who, undo))
                    except fc.FcError as error:
                        # Without its nonce an account is empty, and deleted, too deep to grind.
                        self.assertEqual(error.code, fc.UNSUPPORTED)
                        unsupported += 1
                    state.revert(mark)
                    left_out += 1
                self.assertEqual(state.root(), reached)
            self.assertGreater(left_out, 20)
            self.assertLessEqual(unsupported, 1)
            print("%s: %d, %d unsupported; " % (name, left_out, unsupported), end="")

    def test_root_after_every_transaction(self):
        """Going back and forth, and what is published, come to the same roots."""
        folder = corpus("mainnet-block-witness", MAINNET)
        writes = load(folder, "writes.json")
        _, urls = self.fork("--witness", folder)
        with fc.Database(urls) as db, db.state() as a, db.state() as b:
            roots, marks = [], []
            for tx in writes["txs"]:
                marks.append(a.snapshot())
                roots.append(a.root())
                for who, change in tx.items():
                    apply_account(a, who, change)
            last = a.root()
            a.revert(marks[30])
            self.assertEqual(a.root(), roots[30])
            self.assertNotEqual(b.root(), roots[30])
            for tx in writes["txs"][30:]:
                for who, change in tx.items():
                    apply_account(a, who, change)
            self.assertEqual(a.root(), last)
            self.assertEqual(a.commit(), last)
            self.assertEqual(b.root(), last)

    def test_a_dump_over_the_same_block(self):
        """What a block wrote, loaded elsewhere over the same parent, has the same root."""
        folder = corpus("mainnet-block-witness", MAINNET)
        after = load(folder, "witness.json")["postStateRoot"]
        _, urls = self.fork("--witness", folder)
        with fc.Database(urls) as db, db.state() as state:
            apply_block(state, load(folder, "writes.json"))
            text = state.dump_text()
            state.commit()
            self.assertEqual(state.dump_text(), text)
        with fc.Database(urls) as db, db.state() as a, db.state() as b:
            a.load(text)
            self.assertEqual(a.root(), after)
            self.assertEqual(b.root(), after)
            self.assertEqual(b.dump_text(), text)

    def test_a_node_left_out(self):
        """A node that the writes need is not there: no root is made up."""
        source = corpus("mainnet-block-witness", MAINNET)
        witness, writes = load(source, "witness.json"), load(source, "writes.json")
        for name, who, node in self.needed_nodes(source):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                shutil.copy(os.path.join(source, "block.json"), folder)
                nodes = [n for n in witness["nodes"] if n != node]
                self.assertEqual(len(nodes), len(witness["nodes"]) - 1)
                with open(os.path.join(folder, "witness.json"), "w") as file:
                    json.dump(dict(witness, nodes=nodes), file)
                _, urls = self.fork("--witness", folder)
                with fc.Database(urls) as db, db.state() as state:
                    with self.assertRaises(fc.FcError) as caught:
                        apply_block(state, writes)
                        state.root()
                    for part in ("proof of " + who, "at block 20472569", "eth_getProof"):
                        self.assertIn(part, caught.exception.detail)

    def needed_nodes(self, folder):
        """Ends of the paths of a written account, of a written slot, and of the ground slot."""
        dai, ground = "0x6b175474e89094c44da98b954eedeac495271d0f", "0x4d21b7" + "0" * 58
        _, slots = written(load(folder, "writes.json"))
        node, _ = self.fork("--witness", folder)
        proof = node.rpc("eth_getProof", dai, [hex(min(slots[dai])), ground], "latest")
        yield "account", dai, proof["accountProof"][-1]
        yield "slot", dai, proof["storageProof"][0]["proof"][-1]
        yield "sibling", dai, proof["storageProof"][1]["proof"][-1]


class EarlyBlocks(Forks):
    """Mainnet's first transactions, when empty accounts stayed in the state. The header of the
    fork is made up; its state root and what is below it are not."""

    def test_root_after_every_transaction(self):
        done = 0
        for path in sorted(glob.glob(os.path.join(corpus("mainnet-early-sparse"), "*.json"))):
            with open(path) as file:
                block = json.load(file)
            with self.subTest(os.path.basename(path)), tempfile.TemporaryDirectory() as folder:
                self.serve(folder, block)
                _, urls = self.fork("--witness", folder)
                done += self.run_block(urls.replace("overlay://", "overlay://#keep-empty"), block)
        self.assertGreaterEqual(done, 9)
        print("%d transactions: " % done, end="")

    @staticmethod
    def serve(folder, block):
        header = {"number": hex(block["blockNumber"]), "timestamp": "0x55c42659",
                  "parentHash": "0x" + hash_of(b"%d" % block["blockNumber"]),
                  "gasLimit": "0x2fefd8"}
        witness = {"preStateRoot": block["txs"][0]["beforeRoot"], "nodes": block["nodes"],
                   "codes": []}
        for name, content in (("block", header), ("witness", witness)):
            with open(os.path.join(folder, name + ".json"), "w") as file:
                json.dump(content, file)

    def run_block(self, urls, block):
        with fc.Database(urls) as db, db.state() as state, db.state() as other:
            for tx in block["txs"]:
                self.assertEqual(state.root(), tx["beforeRoot"])
                self.sees(state, tx["before"])
                mark = state.snapshot()
                self.write(state, tx)
                self.assertEqual(state.root(), tx["afterRoot"])
                state.revert(mark)
                self.assertEqual(state.root(), tx["beforeRoot"])
                transaction = state.begin()
                self.write(state, tx)
                self.assertEqual(state.root(), tx["afterRoot"])
                self.assertEqual(other.root(), tx["beforeRoot"])
                state.commit_transaction(transaction)
                self.assertEqual(other.root(), tx["afterRoot"])
                self.sees(other, tx["after"])
        return len(block["txs"])

    def sees(self, state, entries):
        for entry in entries:
            account = state.account(entry["address"])
            self.assertEqual(fc.number(account.balance), int(entry["balance"], 16))
            self.assertEqual(account.nonce, int(entry["nonce"], 16))
            self.assertEqual(fc.text(account.code_hash), entry["codeHash"])

    @staticmethod
    def write(state, tx):
        """An account that was empty and still is was not made: its creation failed."""
        for entry in tx["after"]:
            if entry not in tx["before"]:
                state.fill({entry["address"]: entry})


def written(writes):
    """The addresses that a block writes, and of each the slots."""
    slots = {who: {int(slot, 16) for slot in values} for who, values in writes["preBlock"].items()}
    for tx in writes["txs"]:
        for who, change in tx.items():
            stored = change.get("storage_written", {})
            if stored or {"balance", "nonce"} & set(change) or "write" in change.get(
                    "code_usage", {}):
                slots.setdefault(who, set()).update(int(slot, 16) for slot in stored)
    for who, _ in writes["withdrawals"]:
        slots.setdefault(who, set())
    return set(slots), slots


def undoings(accounts):
    """(address, function) for what a block changed: as it was before."""
    for who, account in accounts.items():
        pre, post = account["pre"] or {}, account.get("post")
        for slot, values in account.get("storage", {}).items():
            if int(values.get("post", values["pre"]), 16) != int(values["pre"], 16):
                yield who, lambda state, who, s=slot, v=values["pre"]: state.set_storage(who, s, v)
        for field in ("balance", "nonce"):
            before = int(pre.get(field, "0x0"), 16)
            if post and int(post[field], 16) != before:
                yield who, lambda state, who, f=field, v=before: state.set_account(who, **{f: v})


class Collapses(Forks):
    """A branch of two loses one: the other one's node is needed, and the remote shows it only
    on the path of a key. These hashes have eight digits, less the last, in common, which is one
    more than is ground; accounts and slots have a neighbour that goes another way early."""

    SLOTS = (21471, 23527)  # hashes 0x3bb4c922.. and 0x3bb4c928..
    ACCOUNTS = (26226, 40496)  # hashes 0x10d143ce.. and 0x10d143c4..
    HOLDER = "0x" + "c0" * 20
    FAR, WEI = 7, 10**18

    def alloc(self, slots=SLOTS, accounts=ACCOUNTS):
        someone = {"balance": hex(self.WEI), "nonce": "0x1"}
        alloc = {"0x%040x" % n: someone for n in accounts + (self.FAR,)}
        alloc[self.HOLDER] = dict(
            someone, storage={hex(n): hex(self.WEI + n) for n in slots + (self.FAR,)})
        return alloc

    def over(self, alloc, *args):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(alloc, file)
            file.flush()
            return self.fork("--prestate", file.name, *args)

    @staticmethod
    def root_of(alloc):
        with fc.Database("memory://") as db, db.state() as state:
            state.fill(alloc)
            return state.root()

    def refused(self, state, *parts):
        with self.assertRaises(fc.FcError) as caught:
            state.root()
        self.assertEqual(caught.exception.code, fc.UNSUPPORTED)
        for part in parts:
            self.assertIn(part, caught.exception.detail)

    def test_the_hashes_are_what_they_are_said_to_be(self):
        a, b = map(slot_hash, self.SLOTS)
        self.assertEqual((a[:8], b[:8]), ("3bb4c922", "3bb4c928"))
        a, b = (hash_of(n.to_bytes(20, "big")) for n in self.ACCOUNTS)
        self.assertEqual((a[:8], b[:8]), ("10d143ce", "10d143c4"))

    def test_too_deep_for_a_ground_slot(self):
        """It is said which node is missing; the handle goes on."""
        _, urls = self.over(self.alloc())
        one, other = self.SLOTS
        with fc.Database(urls) as db, db.state() as state:
            before = state.root()
            mark = state.snapshot()
            state.set_storage(self.HOLDER, one, 0)
            self.refused(state, "0x3bb4c928 ", self.HOLDER[2:], "debug_executionWitness")
            self.refused(state, "0x3bb4c928 ")
            state.revert(mark)
            self.assertEqual(state.root(), before)
            # The proof of the one that was to go has shown it: it may stay.
            state.set_storage(self.HOLDER, other, 0)
            self.assertEqual(state.root(), self.root_of(self.alloc((one,))))

    def test_too_deep_for_a_ground_address(self):
        _, urls = self.over(self.alloc())
        one = "0x%040x" % self.ACCOUNTS[0]
        with fc.Database(urls) as db, db.state() as state:
            state.delete(one)
            self.refused(state, "0x10d143c4 ", "accounts")

    def test_a_key_that_is_known(self):
        """Whoever was written in this scope is asked for, be it undone."""
        _, urls = self.over(self.alloc())
        one, other = self.SLOTS
        gone, stays = ("0x%040x" % n for n in self.ACCOUNTS)
        with fc.Database(urls) as db, db.state() as state:
            state.snapshot()
            state.set_storage(self.HOLDER, one, 0)
            state.delete(gone)
            mark = state.snapshot()
            state.set_storage(self.HOLDER, other, 1)
            state.set_account(stays, nonce=7)
            state.revert(mark)
            self.assertEqual(
                state.root(), self.root_of(self.alloc((other,), self.ACCOUNTS[1:])))

    def test_execution_witness(self):
        """The remote's nodes of the next block are taken, once, where nothing else leads."""
        node, urls = self.over(self.alloc(), "--execution-witness")
        one, other = self.SLOTS
        gone = "0x%040x" % self.ACCOUNTS[0]
        with fc.Database(urls) as db, db.state() as state:
            state.set_storage(self.HOLDER, one, 0)
            self.assertEqual(state.root(), self.root_of(self.alloc((other,))))
            state.delete(gone)
            last = self.root_of(self.alloc((other,), self.ACCOUNTS[1:]))
            self.assertEqual(state.root(), last)
            self.assertEqual(state.commit(), last)
        self.assertEqual(node.counters()["methods"]["debug_executionWitness"], 1)

    def test_a_ground_slot_and_a_ground_address(self):
        """Both at once, a few digits deep."""
        slots, accounts = self.pairs(3)
        node, urls = self.over(self.alloc(slots, accounts))
        with fc.Database(urls) as db, db.state() as state:
            state.set_storage(self.HOLDER, slots[0], 0)
            state.delete("0x%040x" % accounts[0])
            root = state.root()
        self.assertEqual(root, self.root_of(self.alloc(slots[1:], accounts[1:])))
        strangers = set()
        for key in node.keys():
            if key.startswith("eth_getProof"):
                address, keys, _ = json.loads(key.split(" ", 1)[1])
                strangers.add(hash_of(bytes.fromhex(address[2:]))[:4])
                strangers.update(slot_hash(int(s, 16))[:4] for s in keys)
        self.assertIn(slot_hash(slots[1])[:4], strangers)
        self.assertIn(hash_of(accounts[1].to_bytes(20, "big"))[:4], strangers)

    @staticmethod
    def pairs(depth):
        """Two slots, and two addresses, whose hashes have so many digits in common."""
        found = []
        for size in (32, 20):
            seen, n = {}, 100
            while True:
                hashed = hash_of(n.to_bytes(size, "big"))
                before = seen.setdefault(hashed[:depth], (n, hashed))
                if before[1][depth] != hashed[depth]:
                    found.append((before[0], n))
                    break
                n += 1
        return found

    def test_what_is_written_comes_before_what_is_removed(self):
        """A slot that goes, and one that comes beside the only other: nothing collapses."""
        slots, accounts = self.pairs(3)
        going, staying = slots
        digits = [slot_hash(n)[:4] for n in slots]
        coming = next(n for n in itertools.count(max(slots) + 1)
                      if slot_hash(n)[:3] == digits[0][:3] and slot_hash(n)[:4] not in digits)
        node, urls = self.over(self.alloc(slots, accounts))
        with fc.Database(urls) as db, db.state() as state:
            state.snapshot()
            state.set_storage(self.HOLDER, coming, 1)
            state.set_storage(self.HOLDER, going, 0)  # the newest is looked at first
            root = state.root()
        expected = self.alloc(slots, accounts)
        del expected[self.HOLDER]["storage"][hex(going)]
        expected[self.HOLDER]["storage"][hex(coming)] = "0x1"
        self.assertEqual(root, self.root_of(expected))
        asked = [json.loads(key.split(" ", 1)[1]) for key in node.keys()
                 if key.startswith("eth_getProof")]
        self.assertEqual([sorted(int(slot, 16) for slot in keys) for _, keys, _ in asked],
                         [sorted((going, coming))])

    def test_a_branch_that_keeps_two(self):
        """The same deletion beside a third needs nobody's node."""
        node, urls = self.over(self.alloc())
        one, other = self.SLOTS
        third = self.FAR
        with fc.Database(urls) as db, db.state() as state:
            state.set_storage(self.HOLDER, third, 0)
            with_far = self.alloc()
            del with_far[self.HOLDER]["storage"][hex(third)]
            self.assertEqual(state.root(), self.root_of(with_far))


if __name__ == "__main__":
    unittest.main()
