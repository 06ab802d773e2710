# SPDX-License-Identifier: MIT
"""Runs every cell of fault_table.py: the real program in front of mock nodes, one process for
each fault, passing or lasting, with one or two upstreams, in which all classes are asked at
once, so that what the fault does to the upstream's health is shared by them."""

import collections
import concurrent.futures
import itertools
import os
import re
import tempfile
import threading
import time
import unittest

from fault_table import (
    BLOCK, EITHER, ERROR, EXCEPTIONS, FAULTS, PASSED, RIGHT, TOLD, TOLD_VALUES, UNSTORED, answers,
    classes, exists, expected,
)
from harness import Forkcache, MockNode, request, serve_args

WORKERS = 10  # they wait more than they work
GRACE_S = 20.0  # a loaded machine
SHORT = "900ms"  # until a lasting fault is an error
RETRY_AFTER_S = 3  # of a lasting fault that asks for some time
BELOW_RETRY_AFTER = "2500ms"
LONG = "9s"

Combo = collections.namedtuple("Combo", "fault lasting upstreams")


class Bench:
    """Two mock nodes, which one thread uses for one combination after the other."""

    local = threading.local()
    all = []

    @classmethod
    def mine(cls):
        if not hasattr(cls.local, "bench"):
            cls.local.bench = cls()
            cls.all.append(cls.local.bench)
        return cls.local.bench

    @classmethod
    def stop_all(cls):
        for bench in cls.all:
            for node in bench.nodes:
                node.stop()
        cls.all = []

    def __init__(self):
        self.nodes = [MockNode(), MockNode()]


def reading(c):
    return request(*c.call)


def is_told(result, right, told):
    """Whether it is the struck value, or the right answer with struck values in it."""
    if result in told:
        return True
    if isinstance(result, dict) and isinstance(right, dict):
        return result.keys() == right.keys() and all(
            is_told(result[k], right[k], told) for k in right)
    if isinstance(result, list) and isinstance(right, list):
        return len(result) == len(right) and all(
            is_told(*pair, told) for pair in zip(result, right))
    return result == right


def leaves_of(value):
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return [value]
    return list(itertools.chain.from_iterable(map(leaves_of, value)))


def strikes(c, fault, lasting):
    spec = dict(fault.spec)
    if not lasting:
        spec["count"] = 1
    elif "retry_after" in spec:
        spec["retry_after"] = RETRY_AFTER_S
    return [dict(spec, method=method, match=c.match) for method in c.methods]


class Run:
    """One process: the cells of all classes with one combination."""

    def __init__(self, matrix, combo, bench):
        self.matrix, self.combo = matrix, combo
        self.fault = FAULTS[combo.fault]
        self.nodes = bench.nodes[:combo.upstreams]
        self.cells = [c for c in matrix.classes if exists(c, combo.fault)]
        self.wrong = []

    def cell(self, c):
        return "%s x %s, %s, %d upstream%s" % (
            c.name, self.combo.fault, "lasting" if self.combo.lasting else "passing",
            self.combo.upstreams, "s" if self.combo.upstreams > 1 else "",
        )

    def expected(self, c):
        return expected(c, self.combo.fault, self.combo.lasting, self.combo.upstreams)

    def may_be_told(self, c):
        """Nobody can know that it was not the truth, which is stored."""
        return self.combo.fault in c.permits or self.expected(c) == TOLD

    def complain(self, c, what, *values):
        self.wrong.append("%s: %s" % (self.cell(c), what % values))

    def ask(self, proxy, cells, companions=()):
        """[(class, response object)], of one batch."""
        documents = [dict(reading(c), id=i) for i, c in enumerate(cells)]
        documents += [dict(request(*call), id=9000 + i) for i, call in enumerate(companions)]
        replies = proxy.post(documents).json
        return list(zip(cells, replies))

    def is_error(self, response):
        message = response["error"].get("message", "")
        return (
            response["error"].get("code") in (-32603, -32005)
            and "127.0.0.1:%d" % self.nodes[0].port in message
            and re.search(self.fault.says + "|timed out", message)
        )

    def is_passed(self, response):
        said = {k: self.fault.spec[k] for k in ("code", "message", "data")
                if k in self.fault.spec}
        return response["error"] == said

    def outcome(self, c, response):
        if ("result" in response) == ("error" in response):
            return "not one of result and error: %r" % (response,)
        if "error" in response:
            if self.is_passed(response):
                return PASSED
            return ERROR if self.is_error(response) else "another error: %r" % response["error"]
        right = self.matrix.right[c.name]
        if response["result"] == right:
            return RIGHT
        if is_told(response["result"], right, TOLD_VALUES.get(self.combo.fault, [])):
            return TOLD
        return "a wrong value: %.80r" % (response["result"],)

    def check(self, answers):
        for c, response in answers:
            outcome, wanted = self.outcome(c, response), self.expected(c)
            allowed = {UNSTORED: (TOLD,), EITHER: (RIGHT, TOLD)}.get(wanted, (wanted,))
            if outcome not in allowed:
                self.complain(c, "%s, not %s: %.300r", outcome, wanted, response)

    def check_struck(self, struck):
        struck = iter(struck)
        for c in self.cells:
            times = sum(itertools.islice(struck, len(c.methods)))
            if not times:
                self.complain(c, "the fault has not struck")
            elif self.combo.lasting and "retry_after" in self.fault.spec and times > 1:
                self.complain(c, "asked %d times before the time that was asked for", times)

    def heal(self, proxy):
        """All faults are gone: from now on only the right answer, but for a while errors."""
        self.nodes[0].control(faults=[])
        left = list(self.cells)
        deadline = time.monotonic() + GRACE_S
        while left and time.monotonic() < deadline:
            for c, response in self.ask(proxy, left):
                outcome = self.outcome(c, response)
                if outcome == RIGHT or outcome == TOLD and self.may_be_told(c):
                    left.remove(c)
                elif "error" not in response:
                    self.complain(c, "stored a falsehood: %.200r", response)
                    left.remove(c)
        for c in left:
            self.complain(c, "does not recover: %.300r", response)

    def check_stored(self, proxy):
        for node in self.nodes:
            node.control(reset_counters=True)
        for c, response in self.ask(proxy, self.cells):
            outcome = self.outcome(c, response)
            if outcome != RIGHT and not (outcome == TOLD and self.may_be_told(c)):
                self.complain(c, "read again: %.200r", response)
        keys = list(itertools.chain.from_iterable(node.keys() for node in self.nodes))
        for c in self.cells:
            asked = [key for key in keys if c.match in key and key.split()[0] in c.methods]
            if c.stored and asked and not self.may_be_told(c):
                self.complain(c, "read again, it is asked for again: %r", asked)

    def deadline(self):
        patient = any(self.expected(c) == RIGHT for c in self.cells)
        if patient:
            return LONG
        return BELOW_RETRY_AFTER if "retry_after" in self.fault.spec else SHORT

    def run(self):
        for node in self.nodes:
            node.reset()
            node.control(answers=self.matrix.answers)
        deadline = self.deadline()
        with tempfile.TemporaryDirectory(prefix="forkcache-") as folder:
            more = itertools.chain.from_iterable(
                ("--%s-deadline" % kind, deadline) for kind in ("state", "call", "trace")
            )
            args = serve_args(self.nodes, folder, *more, block=BLOCK)
            with Forkcache(*args) as proxy:
                self.strike_and_read(proxy)
        return self.wrong

    def strike_and_read(self, proxy):
        warm = [call for c in self.cells for call in c.warm]
        if warm:
            proxy.batch(warm)
        self.nodes[0].control(faults=list(itertools.chain.from_iterable(
            strikes(c, self.fault, self.combo.lasting) for c in self.cells
        )))
        answers = self.ask(proxy, self.cells, self.matrix.companions)
        self.check_struck(self.nodes[0].struck())
        self.check(answers)
        self.heal(proxy)
        self.check_stored(proxy)


class FaultMatrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with MockNode() as node:
            s = node.samples()
            block = lambda n: node.rpc("eth_getBlockByNumber", hex(n), False)
            txs = [block(n)["transactions"][0] for n in (61, 62, 63)]
            cls.classes = classes(s, block(40)["hash"], txs)
            cls.answers = answers(s, block)
            node.control(answers=cls.answers)
            cls.right = {c.name: node.rpc(*c.call) for c in cls.classes}
        # Healthy reads that travel in the same array.
        cls.companions = [("eth_getBalance", s[name], hex(BLOCK))
                          for name in ("eoa_without_nonce", "proxy", "reverter")]
        cls.addClassCleanup(Bench.stop_all)

    def test_every_cell_is_as_the_table_says(self):
        only = os.environ.get("FAULT", "")  # FAULT=reset: the rows with that in their name
        combos = [Combo(*combo) for combo in itertools.product(
            [name for name in FAULTS if only in name], (False, True), (1, 2))]
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            runs = [pool.submit(lambda combo: Run(self, combo, Bench.mine()).run(), combo)
                    for combo in combos]
        wrong = list(itertools.chain.from_iterable(run.result() for run in runs))
        cells = sum(exists(c, combo.fault) for c in self.classes for combo in combos)
        print("fault matrix: %d classes x %d faults x 2 x 2 less %d that cannot be = %d cells, "
              "%s (%.0f s)" % (
                  len(self.classes), len(combos) / 4, len(self.classes) * len(combos) - cells,
                  cells, "%d differ" % len(wrong) if wrong else "all as the table says",
                  time.monotonic() - start))
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_every_exception_is_of_the_table(self):
        for exception in EXCEPTIONS:
            self.assertTrue(exception.why)
            for name in exception.faults:
                self.assertIn(name, FAULTS)
            for name in exception.classes:
                self.assertIn(name, [c.name for c in self.classes])

    def test_right_answers_can_be_told_from_struck_ones(self):
        told = [value for values in TOLD_VALUES.values() for value in values]
        for c in self.classes:
            leaves = leaves_of(self.right[c.name])
            self.assertTrue(any(leaf not in told for leaf in leaves), c)


if __name__ == "__main__":
    unittest.main()
