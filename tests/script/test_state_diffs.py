# SPDX-License-Identifier: MIT
"""Recorded transactions as writes through the library: what a tracer says was there before is
read, what it says was there afterwards is written and read, and taken back again; over a database
in memory, one in a file, and a fork of a node that has the state before."""

import collections
import contextlib
import glob
import json
import os
import tempfile
import unittest

import fc
from harness import MockNode, corpus

FIELDS = ("balance", "nonce", "code")
NOTHING = {"balance": 0, "nonce": 0, "code": b""}

# before, after: {"balance", "nonce", "code"}, those that are known, and slots. after None: it is
# no more. made: it was not there before.
Change = collections.namedtuple("Change", "who before slots_before after slots_after made")


def read(*path):
    with open(corpus(*path)) as file:
        return json.load(file)


def fields_of(entry):
    """Balance, nonce and code as values."""
    known = {name: fc.as_number(entry[name]) for name in ("balance", "nonce") if name in entry}
    if "code" in entry:
        known["code"] = bytes.fromhex(entry["code"][2:])
    return known


def slots_of(entry):
    return {int(slot, 16): int(value, 16) for slot, value in entry.get("storage", {}).items()}


def traced(pre, post):
    """What go-ethereum's prestate tracer says in diffMode."""
    for who in sorted(set(pre) | set(post)):
        before, after = pre.get(who, {}), post.get(who)
        slots = slots_of(before)
        written = None if after is None else dict.fromkeys(slots, 0) | slots_of(after)
        yield Change(who, fields_of(before), slots, None if after is None else fields_of(after),
                     written, who not in pre)


def state_diff(result):
    """What Parity's stateDiff says: "=", {"*": {"from", "to"}}, {"+": to}, {"-": from}."""
    for who, entry in sorted(result.items()):
        sides = ({}, {}), ({}, {})
        marks = set()
        for key, diff, place in [(f, entry[f], 0) for f in FIELDS] + [
                (slot, diff, 1) for slot, diff in entry["storage"].items()]:
            mark, = diff if diff != "=" else ("=",)
            marks.add(mark)
            if mark in "*-":
                sides[0][place][key] = diff["*"]["from"] if mark == "*" else diff["-"]
            if mark in "*+":
                sides[1][place][key] = diff["*"]["to"] if mark == "*" else diff["+"]
        (before, slots), (after, written) = sides
        gone = "-" in marks and not marks & {"*", "+"}
        slots, written = slots_of({"storage": slots}), slots_of({"storage": written})
        yield Change(who, fields_of(before), slots, None if gone else fields_of(after),
                     None if gone else dict.fromkeys(slots, 0) | written,
                     "+" in marks and not marks & {"*", "-"})


def first_seen(transactions):
    """The state before a block, as far as its transactions tell: an alloc."""
    world, touched = {}, set()
    for changes in transactions:
        for change in changes:
            entry = world.setdefault(change.who, {"storage": {}})
            for field, value in change.before.items():
                if (change.who, field) not in touched:
                    entry[field] = "0x" + value.hex() if field == "code" else hex(value)
            for slot, value in change.slots_before.items():
                if (change.who, slot) not in touched and value:
                    entry["storage"][hex(slot)] = hex(value)
            touched.update((change.who, key) for key in (
                *FIELDS, *change.slots_before, *(change.slots_after or {})))
    return {who: entry for who, entry in world.items() if len(entry) > 1 or entry["storage"]}


class Replay:
    """Transactions on one database: a handle that writes, and one that looks on."""

    def __init__(self, test, state, other):
        self.test, self.state, self.other, self.reads = test, state, other, 0

    def sees(self, state, who, fields, slots):
        known = state.account(who, fc.BALANCE | fc.NONCE | fc.CODE_HASH)
        for field, value in fields.items():
            if field == "code":
                found = state.code(who)
            else:
                found = known.nonce if field == "nonce" else fc.number(known.balance)
            self.test.assertEqual(found, value, (who, field))
        for slot, value in slots.items():
            self.test.assertEqual(state.storage(who, slot), value, (who, hex(slot)))
        self.reads += len(fields) + len(slots)

    def sees_before(self, state, changes):
        for change in changes:
            self.sees(state, change.who, change.before, change.slots_before)
            if change.made:
                self.test.assertFalse(state.account(change.who, fc.EXISTS).exists, change.who)

    def sees_after(self, state, changes):
        for change in changes:
            if change.after is None:
                self.sees(state, change.who, NOTHING, dict.fromkeys(change.slots_before, 0))
                self.test.assertFalse(state.account(change.who, fc.EXISTS).exists, change.who)
            else:
                self.sees(state, change.who, change.before | change.after, change.slots_after)

    def write(self, changes):
        for who, _, _, after, slots, _ in changes:
            if after is None:
                self.state.delete(who)
                continue
            numbers = {k: v for k, v in after.items() if k != "code"}
            if numbers:
                self.state.set_account(who, **numbers)
            if "code" in after:
                self.state.set_code(who, after["code"])
            for slot, value in slots.items():
                self.state.set_storage(who, slot, value)

    def snapshot(self, changes, keep):
        """Within a snapshot, twice: taken back, then kept or taken back again."""
        for kept in (False, keep):
            mark = self.state.snapshot()
            self.sees_before(self.state, changes)
            self.write(changes)
            self.sees_after(self.state, changes)
            if kept:
                self.state.commit_snapshot(mark)
                return
            self.state.revert(mark)
            self.sees_before(self.state, changes)

    def transaction(self, changes):
        """Rolled back once; then nobody else sees it before it is committed."""
        mark = self.state.begin()
        self.write(changes)
        self.state.roll_back(mark)
        mark = self.state.begin()
        self.sees_before(self.state, changes)
        self.write(changes)
        self.sees_after(self.state, changes)
        self.sees_before(self.other, changes)
        self.state.commit_transaction(mark)
        self.sees_after(self.other, changes)


class Diffs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        fc.library()  # all are skipped where it cannot be loaded

    @contextlib.contextmanager
    def opened(self, urls, fill=None):
        """(state, other) of a database, which gets the alloc first."""
        with fc.Database(urls) as db, db.state() as state, db.state() as other:
            if fill is not None:
                state.fill(fill)
            yield state, other

    def run_over(self, name, urls, alloc, transactions):
        """The root afterwards, and how many reads were compared."""
        fork = "fork+" in urls
        with self.opened(urls, None if fork else alloc) as (state, other), self.subTest(name):
            replay = Replay(self, state, other)
            before = state.root()
            # The whole of it on snapshots of snapshots, undone at once.
            outer = state.snapshot()
            for changes in transactions:
                replay.snapshot(changes, keep=True)
            after = state.root()
            state.revert(outer)
            self.assertEqual(state.root(), before)
            for i, changes in enumerate(transactions):
                if i % 2:
                    replay.transaction(changes)
                else:
                    replay.snapshot(changes, keep=True)
            self.assertEqual((state.root(), other.root()), (after, after))
            if not urls.startswith("lmdb"):
                self.loads_elsewhere(urls, state, after)
            return before, after, replay.reads

    def loads_elsewhere(self, urls, state, root):
        """Over the same fork; of a database in memory, which has all of it, over nothing."""
        text = state.dump_text()
        with self.opened(urls) as (copy, _):
            copy.load(text)
            self.assertEqual(copy.root(), root)
            self.assertEqual(copy.dump(), json.loads(text))

    def run_everywhere(self, name, alloc, transactions, node):
        """The same roots and as many reads from all; the reads."""
        fork = "overlay://,memory://,fork+" + node.url
        in_memory = self.run_over(name, "memory://", alloc, transactions)
        self.assertEqual(self.run_over(name, fork, alloc, transactions), in_memory, name)
        with tempfile.TemporaryDirectory() as folder:
            file = "lmdb://%s/db" % folder
            self.assertEqual(self.run_over(name, file, alloc, transactions), in_memory, name)
            with self.opened(file) as (state, other):
                self.assertEqual(state.root(), in_memory[1], name)
                for changes in transactions[-1:]:
                    Replay(self, state, other).sees_after(other, changes)
        return in_memory[2]

    def node_of(self, alloc):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(alloc, file)
            file.flush()
            node = MockNode("--prestate", file.name)
        self.addCleanup(node.stop)
        return node

    def test_a_mainnet_block(self):
        name = "erigon-debug_traceBlockByNumber-0x1048427-diffMode.json"
        traces = read("mainnet-block-prestate", name)[0]["response"]["result"]
        transactions = [list(traced(**trace["result"])) for trace in traces]
        alloc = first_seen(transactions)
        zeroed = sum(value == 0 != change.slots_before.get(slot, 0)
                     for changes in transactions for change in changes
                     for slot, value in (change.slots_after or {}).items())
        self.assertGreater(zeroed, 30)
        reads = self.run_everywhere(name, alloc, transactions, self.node_of(alloc))
        print("%d transactions on %d accounts, %d slots became zero; %d reads, three times: " % (
            len(transactions), len(alloc), zeroed, reads), end="")

    def test_tracer_tests(self):
        """Each a transaction of its own; those that only tell what was there are read."""
        counts = collections.Counter()
        for path in sorted(glob.glob(os.path.join(corpus("geth-tracetest"), "*", "*.json"))):
            with open(path) as file:
                case = json.load(file)
            name = os.path.relpath(path, corpus("geth-tracetest"))
            alloc, changes = self.parts_of(name, case)
            with self.subTest(name):
                counts["reads"] += self.run_everywhere(
                    name, alloc, [changes], self.node_of(alloc))
            counts["diffs" if "diff" in name else "states"] += 1
            counts["accounts deleted"] += sum(change.after is None for change in changes)
            counts["accounts made"] += sum(change.made for change in changes)
        self.assertEqual(counts["diffs"], 18)
        self.assertGreaterEqual(counts["states"], 20)
        print(", ".join("%d %s" % (n, what) for what, n in sorted(counts.items())), end=": ")

    @staticmethod
    def parts_of(name, case):
        """The alloc, and changes: of what the test records, or none."""
        alloc = case["genesis"]["alloc"] if "genesis" in case else case["result"]
        for who, fields in case.get("stateOverrides", {}).items():
            alloc[who.lower()] = alloc.get(who.lower(), {}) | fields
        if "state_diff" in name:
            return alloc, list(state_diff(case["result"]))
        if "diff_mode" in name:
            return alloc, list(traced(case["result"]["pre"], case["result"]["post"]))
        return alloc, [Change(who, fields_of(entry), slots_of(entry), {}, slots_of(entry), False)
                       for who, entry in alloc.items()]

    def test_the_state_before_a_mainnet_block(self):
        """All that block 24476005 touched is read as it was written, and as the node says."""
        whole = read("mainnet-block-prestate", "block24476005State.json")
        accounts, code, storage = whole["accounts"], whole["code"], whole["storage"]
        alloc, changes = {}, []
        for who in sorted(set(accounts) | set(code) | set(storage)):
            # Code of one that is absent is what the block creates there.
            absent = who in accounts and accounts[who] is None
            entry = {} if absent else dict(accounts.get(who, {}), code=code.get(who, "0x"))
            entry["storage"] = storage.get(who, {})
            slots = slots_of(entry)
            changes.append(
                Change(who, NOTHING | fields_of(entry), slots, {}, slots, absent))
            if not absent:
                alloc[who] = entry
        reads = self.run_everywhere("24476005", alloc, [changes], self.node_of(alloc))
        print("%d accounts, %d reads, three times: " % (len(changes), reads), end="")


if __name__ == "__main__":
    unittest.main()
