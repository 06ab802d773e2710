# SPDX-License-Identifier: MIT
"""State roots over a fork: recorded mainnet blocks, written through the library over a node that
proves their parent's state, reach the root in the real header."""

import json
import os
import shutil
import tempfile
import unittest

import fc
from harness import CORPUS, MockNode

WITNESSES = os.path.join(CORPUS, "mainnet-block-witness")
GWEI = 10**9


def load(folder, name):
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


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


def apply_block(state, writes, leave_out=None):
    """Every write in order; leave_out: the number of the transaction to skip."""
    for who, slots in writes["preBlock"].items():
        for slot, value in slots.items():
            state.set_storage(who, slot, value)
    for i, tx in enumerate(writes["txs"]):
        if i == leave_out:
            continue
        for who, change in tx.items():
            apply_account(state, who, change)
    for who, gwei in writes["withdrawals"]:
        balance = fc.number(state.account(who, fc.BALANCE).balance)
        state.set_account(who, balance=balance + int(gwei, 16) * GWEI)


@unittest.skipUnless(os.path.isdir(WITNESSES), "no mainnet-block-witness below CORPUS_DIR")
class RecordedBlocks(unittest.TestCase):
    def fork(self, folder, *args):
        node = MockNode("--witness", folder, *args)
        self.addCleanup(node.stop)
        return "overlay://,memory://,fork+" + node.url

    def folder(self, name):
        return os.path.join(WITNESSES, name)

    def reach(self, name, **how):
        folder = self.folder(name)
        block, witness = load(folder, "block.json"), load(folder, "witness.json")
        with fc.Database(self.fork(folder)) as db, db.state() as state:
            self.assertEqual(state.root(), witness["preStateRoot"])
            before = state.snapshot()
            apply_block(state, load(folder, "writes.json"), **how)
            root = state.root()
            state.revert(before)
            self.assertEqual(state.root(), witness["preStateRoot"])
        return root, block.get("result", block)["stateRoot"]

    def test_a_mainnet_block(self):
        self.assertEqual(*self.reach("mainnet-20472570"))

    def test_a_block_of_a_development_chain(self):
        self.assertEqual(*self.reach("dev-978"))

    def test_a_write_left_out(self):
        for name in ("mainnet-20472570", "dev-978"):
            self.assertNotEqual(*self.reach(name, leave_out=5))

    def test_root_after_every_transaction(self):
        """Going back and forth, and what is published, come to the same roots."""
        folder = self.folder("mainnet-20472570")
        writes = load(folder, "writes.json")
        with fc.Database(self.fork(folder)) as db, db.state() as a, db.state() as b:
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

    def test_a_node_left_out(self):
        """A node that the writes need is not there: no root is made up."""
        source = self.folder("mainnet-20472570")
        with tempfile.TemporaryDirectory() as folder:
            for name in os.listdir(source):
                shutil.copy(os.path.join(source, name), folder)
            witness = load(folder, "witness.json")
            witness["nodes"] = self.without_one(witness)
            with open(os.path.join(folder, "witness.json"), "w") as file:
                json.dump(witness, file)
            with fc.Database(self.fork(folder)) as db, db.state() as state:
                with self.assertRaises(fc.FcError) as caught:
                    apply_block(state, load(folder, "writes.json"))
                    state.root()
                self.assertIn("missing trie node", caught.exception.detail)

    @staticmethod
    def without_one(witness):
        """The largest node that is not the root goes: a branch that keys lie below."""
        nodes = sorted(witness["nodes"], key=len)
        # Full branches have one length; the root is one of them, and stays.
        return [n for n in witness["nodes"] if n is not nodes[len(nodes) // 2]]


if __name__ == "__main__":
    unittest.main()
