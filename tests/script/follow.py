# SPDX-License-Identifier: MIT
"""Clients that read a moving chain, and the truth that their answers are compared with.

A body (a batch) asks for the head, for what is there at `latest`, and for what is there at a
number some blocks below. All its answers have to be of one branch: the block that it was told
to be the head, as the mock's oracle knows it by its hash, and that block's ancestors. A single
request names no head; what a mover holds says which block it was read at.
"""

import random
import threading
import time

from harness import CHECKED, TIMEOUT, RpcError

DEADLINE = TIMEOUT * (4 if CHECKED else 1)
DEPTHS = 44  # how far below the head is read: deeper than the deepest reorganisation
BY_HASH = {
    "eth_getBlockByNumber": "eth_getBlockByHash",
    "eth_getBlockTransactionCountByNumber": "eth_getBlockTransactionCountByHash",
    "eth_getTransactionByBlockNumberAndIndex": "eth_getTransactionByBlockHashAndIndex",
}
BLOCK_AT = {"eth_getStorageAt": 2, "eth_getBlockReceipts": 0}
LATEST = ("eth_getBlockByNumber", "latest", False)
BY_TRANSACTION = {"eth_getTransactionByHash", "eth_getTransactionReceipt"}


class Wrong(AssertionError):
    """An answer that no node on any one branch would give."""


def block_at(call):
    """Where the block of (method, *params) is among the params."""
    return BLOCK_AT.get(call[0], 0 if call[0] in BY_HASH else 1)


def at_hash(call, block_hash):
    """The same question about the block with this hash."""
    method, params, at = call[0], list(call[1:]), block_at(call)
    params[at] = block_hash if method in BY_HASH else {"blockHash": block_hash}
    return (BY_HASH.get(method, method), *params)


class Truth:
    """What is so at every block of every branch that the mock ever had."""

    def __init__(self, node):
        self.node = node
        self._blocks, self._by_balance = {}, {}

    def block(self, block_hash):
        """The block with its transactions, or Wrong."""
        if block_hash not in self._blocks:
            block = self.node.oracle.rpc("eth_getBlockByHash", block_hash, True)
            if block is None:
                raise Wrong("there never was a block %s" % block_hash)
            self._blocks[block_hash] = block
        return self._blocks[block_hash]

    def ancestor(self, block_hash, number):
        """The hash of the block of that number on the branch of block_hash, or None."""
        block = self.block(block_hash)
        while int(block["number"], 16) > number:
            block = self.block(block["parentHash"])
        return block["hash"] if int(block["number"], 16) == number else None

    def answers(self, calls):
        """What [(call, block hash), ...] have for results."""
        got = self.node.oracle.batch([at_hash(call, block_hash) for call, block_hash in calls])
        return [answer["result"] for answer in got]

    def block_of_balance(self, balance):
        """(number, hash) of the block at which the first mover has this balance."""
        value = int(balance, 16)
        if value not in self._by_balance:
            self._by_balance = {
                int(b["hash"][2:][16:32], 16): (b["number"], b["hash"]) for b in self.node.blocks()
            }
        if value not in self._by_balance:
            raise Wrong("the mover never had %s" % balance)
        return self._by_balance[value]


class Heads:
    """The highest head that any client was told; none is told a lower one afterwards."""

    def __init__(self):
        self._lock = threading.Lock()
        self.highest = 0

    def told(self, number, floor):
        """`floor` is what `highest` was before the question was sent."""
        if number < floor:
            raise Wrong("head %d after head %d" % (number, floor))
        with self._lock:
            self.highest = max(self.highest, number)


class Client:
    """Asks one proxy, and checks each answer."""

    tags = ("safe", "finalized")

    def __init__(self, proxy, truth, heads, samples, seed, may_fail=False):
        self.proxy, self.truth, self.heads, self.s = proxy, truth, heads, samples
        self.may_fail = may_fail  # an error is no wrong answer
        self.random = random.Random(seed)
        self.head = None  # (number, hash) of the newest body
        self.transactions = []  # some that it was told of

    def questions(self):
        pick = self.random
        mover = pick.choice([self.s["mover"], self.s["mover_at_times"]])
        slot = hex(pick.randrange(4096))
        below = hex(max(0, self.heads.highest - pick.randrange(DEPTHS)))
        calls = [
            ("eth_blockNumber",),
            LATEST,
            ("eth_getBalance", mover, "latest"),
            ("eth_getTransactionCount", mover, "latest"),
            ("eth_getStorageAt", mover, slot, "latest"),
            ("eth_getCode", mover, "latest"),
            ("eth_call", {"to": self.s["mover"], "data": "0x%064x" % int(slot, 16)}, "latest"),
            ("eth_getBlockReceipts", "latest"),
            ("eth_getBlockByNumber", below, pick.random() < 0.5),
            ("eth_getBalance", self.s["mover"], below),
            ("eth_getStorageAt", mover, slot, below),
            ("eth_getCode", mover, below),
            ("eth_getBlockReceipts", below),
            ("eth_getBlockTransactionCountByNumber", below),
            ("eth_getTransactionByBlockNumberAndIndex", below, "0x0"),
            ("eth_getTransactionByBlockNumberAndIndex", "latest", "0x0"),
        ]
        calls += [("eth_getBlockByNumber", tag, False) for tag in self.tags]
        for transaction in self.transactions[-2:]:
            calls.append((pick.choice(sorted(BY_TRANSACTION)), transaction))
        pick.shuffle(calls)
        return calls

    def batch(self, calls=None):
        """One body, checked; returns (number, hash) of its head."""
        calls = calls or self.questions()
        floor = self.heads.highest
        pairs = list(zip(calls, self.proxy.batch(calls)))
        errors = [pair for pair in pairs if "error" in pair[1]]
        if errors and not self.may_fail:
            raise Wrong("%r" % errors)
        pairs = [pair for pair in pairs if pair not in errors]
        if LATEST not in [call for call, _ in pairs]:
            return self.head
        self.check([call for call, _ in pairs], [answer["result"] for _, answer in pairs])
        self.heads.told(self.head[0], floor)
        return self.head

    def check(self, calls, results):
        told = results[calls.index(LATEST)]
        head = (int(told["number"], 16), told["hash"])
        known = []
        for call, result in zip(calls, results):
            if call[0] == "eth_blockNumber":
                if int(result, 16) != head[0]:
                    raise Wrong("head %s and %s in one body" % (result, told["number"]))
            elif call[0] in BY_TRANSACTION:
                self.check_transaction(call, result, head)
            elif call[1] in ("safe", "finalized"):
                self.check_tag(call, result, head)
            else:
                known.append((call, result, self.hash_of(call, head)))
        truth = self.truth.answers([(call, block_hash) for call, _, block_hash in known])
        for (call, result, block_hash), right in zip(known, truth):
            if result != right:
                raise Wrong("%r under head %r, at %s: %r, not %r"
                            % (call, head, block_hash, result, right))
        self.head = head
        self.remember(results)

    def hash_of(self, call, head):
        block = call[1 + block_at(call)]
        if block == "latest":
            return head[1]
        if int(block, 16) > head[0]:
            raise Wrong("a body under head %d after one under %s" % (head[0], block))
        return self.truth.ancestor(head[1], int(block, 16))

    def check_transaction(self, call, result, head):
        """None: it is in no block any more, or the node has not put it into one yet."""
        if result is None:
            return
        block_hash = self.truth.ancestor(head[1], int(result["blockNumber"], 16))
        if result["blockHash"] != block_hash:
            raise Wrong("%r under head %r names %s, not %s"
                        % (call, head, result["blockHash"], block_hash))
        if call[1] not in [tx["hash"] for tx in self.truth.block(block_hash)["transactions"]]:
            raise Wrong("%r is not in block %s" % (call, block_hash))

    def check_tag(self, call, result, head):
        """Some block below the head."""
        if result["hash"] != self.truth.ancestor(head[1], int(result["number"], 16)):
            raise Wrong("%r under head %r: %s %s"
                        % (call, head, result["number"], result["hash"]))

    def remember(self, results):
        for result in results:
            if isinstance(result, dict) and result.get("transactions"):
                tx = self.random.choice(result["transactions"])
                self.transactions.append(tx if isinstance(tx, str) else tx["hash"])

    def single(self):
        """One question without a batch around it."""
        try:
            self.ask_one()
        except RpcError:
            if not self.may_fail:
                raise

    def ask_one(self):
        floor = self.heads.highest
        below = max(0, floor - self.random.randrange(DEPTHS))
        kind = self.random.randrange(5)
        if kind == 0:
            self.heads.told(int(self.proxy.rpc("eth_blockNumber"), 16), floor)
        elif kind == 1:
            block = self.proxy.rpc("eth_getBlockByNumber", "latest", True)
            if block != self.truth.block(block["hash"]):
                raise Wrong("%r" % block)
            self.heads.told(int(block["number"], 16), floor)
        elif kind == 2:
            balance = self.proxy.rpc("eth_getBalance", self.s["mover"], "latest")
            self.heads.told(self.truth.block_of_balance(balance)[0], floor)
        elif kind == 3:
            balance = self.proxy.rpc("eth_getBalance", self.s["mover"], hex(below))
            if self.truth.block_of_balance(balance)[0] != below:
                raise Wrong("the balance of block %r at block %d"
                            % (self.truth.block_of_balance(balance), below))
        else:
            self.check_receipts(below)

    def check_receipts(self, number):
        receipts = self.proxy.rpc("eth_getBlockReceipts", hex(number))
        if not receipts:
            return
        block_hash = receipts[0]["blockHash"]
        right = self.truth.answers([(("eth_getBlockReceipts", None), block_hash)])[0]
        if receipts != right or int(self.truth.block(block_hash)["number"], 16) != number:
            raise Wrong("receipts at %d: %r" % (number, receipts))


class Readers:
    """Clients in threads, the first half of them with bodies, the others with single requests,
    until the context is left. What one of them found wrong is raised there."""

    def __init__(self, proxy, truth, samples, count, may_fail=False):
        self.heads = Heads()
        self.clients = [Client(proxy, truth, self.heads, samples, i, may_fail)
                        for i in range(count)]
        self.done = [0] * count  # rounds
        self.wrong = None
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [threading.Thread(target=self._read, args=(i,), daemon=True)
                         for i in range(count)]

    def _read(self, i):
        client = self.clients[i]
        ask = client.batch if i < (len(self.clients) + 1) // 2 else client.single
        try:
            while not self._stopping:
                ask()
                with self._changed:
                    self.done[i] += 1
                    self._changed.notify_all()
        except Exception as exception:
            with self._changed:
                self.wrong = self.wrong or exception
                self._changed.notify_all()
        finally:
            client.proxy.disconnect()

    def wait(self, reached):
        """Returns when reached() holds, which is asked after each answer; raises what is wrong."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.wrong or reached(), DEADLINE):
                raise AssertionError("not reached, at head %d" % self.heads.highest)
            if self.wrong:
                raise self.wrong

    def wait_rounds(self, n=2):
        """Until each client has been answered n times more."""
        wanted = [done + n for done in self.done]
        self.wait(lambda: all(done >= want for done, want in zip(self.done, wanted)))

    def wait_head(self, block_hash):
        """Until each client that asks for heads was told this one."""
        bodies = self.clients[: (len(self.clients) + 1) // 2]
        self.wait(lambda: all(c.head and c.head[1] == block_hash for c in bodies))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *unused):
        self._stopping = True
        for thread in self._threads:
            thread.join(DEADLINE)
        if self.wrong and kind is None:
            raise self.wrong


def poll(ask, wanted):
    """Asks until the answer is as wanted; returns that."""
    deadline = time.monotonic() + DEADLINE
    while True:
        answer = ask()
        if wanted(answer):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError("still %r" % (answer,))


def side_by_side(*scenes):
    """Runs functions in threads of their own; raises what the first of them raised."""
    raised = []

    def run(scene):
        try:
            scene()
        except BaseException as exception:  # it is raised below
            raised.append(exception)

    threads = [threading.Thread(target=run, args=(scene,)) for scene in scenes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def lacks_block(error):
    """Whether an RpcError says that the node does not know the block."""
    return isinstance(error, RpcError) and "not found" in error.message
