# SPDX-License-Identifier: MIT
"""Random writes over a fork come to the state roots that the same writes come to in a database in
memory that was filled with the state of the fork's block: two handles each, in scopes and out."""

import json
import random
import tempfile
import unittest

import fc
from harness import MockNode

ACCOUNTS, SLOTS, STEPS = 40, 12, 400


def address(n):
    return "0x%040x" % (0xabc000 + n)


def some_alloc(chance):
    """Half of all that there can be."""
    alloc = {}
    for n in range(0, ACCOUNTS, 2):
        alloc[address(n)] = {
            "balance": hex(1 + chance.getrandbits(60)), "nonce": hex(chance.getrandbits(3)),
            "code": "0x60%02x" % n if n % 4 else "0x",
            "storage": {hex(slot): hex(1 + chance.getrandbits(chance.choice((4, 200))))
                        for slot in range(SLOTS) if chance.random() < n / ACCOUNTS}}
    return alloc


class Pair:
    """A handle over the fork and one on memory, which do the same."""

    def __init__(self, *states):
        self.states, self.scopes, self.transaction = states, [], None
        self.conflicts = 0

    def each(self, name, *args):
        return [getattr(state, name)(*args) for state in self.states]

    def end(self, name, marks):
        """One of two transactions that wrote the same may be refused: by both."""
        codes = []
        for state, mark in zip(self.states, marks):
            try:
                codes.append(getattr(state, name)(mark))
            except fc.FcError as error:
                assert error.code == fc.CONFLICT, error
                codes.append(error.code)
        assert codes[0] == codes[1], codes
        self.conflicts += codes[0] is not None

    def write(self, chance):
        who, kind = address(chance.randrange(ACCOUNTS)), chance.randrange(12)
        if kind == 0:
            there = [state.account(who, fc.EXISTS).exists for state in self.states]
            assert there[0] == there[1], who
            if there[0]:
                self.each("delete", who)
        elif kind == 1:
            self.each("clear_storage", who)
        elif kind == 2:
            self.each("set_code", who, bytes(chance.randrange(3)))
        elif kind < 6:
            self.each("set_account", who, chance.choice((0, 1, chance.getrandbits(70))),
                      chance.randrange(3))
        else:
            value = chance.choice((0, 0, 1, chance.getrandbits(250)))
            self.each("set_storage", who, chance.randrange(SLOTS), value)

    def scope(self, chance):
        """Opens or ends a snapshot or a transaction."""
        kind = chance.randrange(5)
        if not self.scopes and self.transaction is None:
            if kind < 2:
                self.transaction = self.each("begin")
            else:
                self.scopes.append(self.each("snapshot"))
        elif kind < 2 and len(self.scopes) < 5:
            self.scopes.append(self.each("snapshot"))
        elif self.scopes:
            at = chance.randrange(len(self.scopes))
            self.end("revert" if kind < 4 else "commit_snapshot", self.scopes[at])
            del self.scopes[at:]
        else:
            self.end("commit_transaction" if kind < 4 else "roll_back", self.transaction)
            self.transaction = None


class RandomWrites(unittest.TestCase):
    def run_over(self, layers, seed):
        """How many roots were compared, and transactions refused."""
        chance = random.Random(seed)
        alloc, roots = some_alloc(chance), 0
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(alloc, file)
            file.flush()
            node = MockNode("--prestate", file.name)
        with node, fc.Database(layers + "fork+" + node.url) as fork, \
                fc.Database("memory://") as memory, fork.state() as a, fork.state() as b, \
                memory.state() as c, memory.state() as d:
            c.fill(alloc)
            pairs = Pair(a, c), Pair(b, d)
            for step in range(STEPS):
                pair = chance.choice(pairs)
                if chance.random() < 0.2:
                    pair.scope(chance)
                else:
                    pair.write(chance)
                if chance.random() < 0.3:
                    got, wanted = pair.each("root")
                    self.assertEqual(got, wanted, (seed, step))
                    roots += 1
            for pair in pairs:
                got, wanted = pair.each("root")
                self.assertEqual(got, wanted, seed)
                # A transaction's dump is of what is published now.
                if pair.transaction is None:
                    self.loads(layers + "fork+" + node.url, pair.states[0], wanted)
                    self.loads("memory://", pair.states[1], wanted)
        return roots, sum(pair.conflicts for pair in pairs)

    def loads(self, urls, state, root):
        text = state.dump_text()
        with fc.Database(urls) as db, db.state() as copy:
            copy.load(text)
            self.assertEqual(copy.root(), root)
            self.dumps += 1

    def run_all(self, layers, seeds):
        self.dumps = 0
        runs = [self.run_over(layers, seed) for seed in seeds]
        roots, conflicts = map(sum, zip(*runs))
        self.assertGreater(conflicts, 0)
        self.assertGreater(self.dumps, 0)
        print("%d roots, %d conflicts, %d dumps: " % (roots, conflicts, self.dumps), end="")

    def test_an_overlay_over_a_fork(self):
        self.run_all("overlay://,memory://,", range(6))

    def test_two_overlays_over_a_fork(self):
        self.run_all("overlay://,overlay://,", range(6, 9))


if __name__ == "__main__":
    unittest.main()
