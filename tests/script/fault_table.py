# SPDX-License-Identifier: MIT
"""What must come of each fault of an upstream, for each class of methods.

A cell is (class, fault, passing or lasting, one or two upstreams); a passing fault strikes
once, a lasting one always; of two upstreams the first has it. Five rules say what is allowed
in a cell, and EXCEPTIONS, each with its reason, where they do not hold:

  1. a null, "0x" or "0x0" that the class permits is no fault, but its answer     TOLD
  2. an oddity of form costs nothing                                              RIGHT
  3. a fault that passes, or that another upstream does not have, is not noticed  RIGHT
  4. an error that lasts is passed on, where the question is not about state      PASSED
  5. all else that lasts is an error that names the upstream and what it did      ERROR

RIGHT is what the healthy node answers. Whatever the cell: never both a result and an error;
when the fault is gone, only the right answer or, for a while, an error; read again, it costs
no question where the class is stored. A new class is one row of classes(), a new fault is
one row of FAULTS.
"""

import collections

RIGHT, ERROR, PASSED, TOLD = "right", "error", "passed on", "as told"
UNSTORED = "as told, but right as soon as the fault is gone"
EITHER = "right, or as told"

BLOCK = 100  # pinned, and final

Class = collections.namedtuple(
    "Class", "name call methods match kind permits stored batched warm"
)
# call: what the client asks; methods: what may go upstream for it; match: a text that its
# keys alone have; kind: "fact", "data" (of the chain) or "computed"; permits: what is a value
# of it; stored: read again, it costs no question; batched: it may share a request; warm: asked
# before the fault.


def row(name, call, match, kind, *, methods=None, permits=(), stored=True, batched=False,
        warm=()):
    methods = methods or [call[0]]
    return Class(name, call, methods, match, kind, permits, stored, batched, warm)


def classes(s, block_hash, txs):
    """The rows, for a chain whose samples are s, with the hash of block 40 and three
    transactions."""
    at = hex(BLOCK)
    one = "0x%064x" % 1

    def sender(n):
        return "0x%040x" % n

    def block(n):
        return ("eth_getBlockByNumber", hex(n), False)

    account = ["eth_getAccountInfo", "eth_getBalance", "eth_getTransactionCount", "eth_getCode"]
    return [
        # Facts of a state. Composite methods are left for single ones, which are struck too.
        row("balance", ("eth_getBalance", s["eoa"], at), s["eoa"], "fact", permits=["0x0"],
            batched=True),
        row("nonce", ("eth_getTransactionCount", s["token"], at), s["token"], "fact",
            permits=["0x0"], batched=True),
        row("code", ("eth_getCode", s["large"], at), s["large"], "fact", permits=["0x"],
            batched=True),
        row("slot", ("eth_getStorageAt", s["reader"], "0x1", at), s["reader"], "fact",
            permits=["0x0"], batched=True),
        row("slots", ("eth_getStorageValues", {s["reader_2"]: ["0x2", "0x5", "0x7"]}, hex(98)),
            s["reader_2"], "fact", methods=["eth_getStorageValues", "eth_getStorageAt"],
            permits=["0x0"], warm=[block(98)]),
        row("account info", ("eth_getAccountInfo", s["delegated"], at), s["delegated"],
            "fact", methods=account, permits=["0x", "0x0"]),
        row("account", ("eth_getAccount", s["history"], at), s["history"], "data",
            permits=["null"], batched=True),
        row("proof", ("eth_getProof", s["summer"], ["0x1"], at), s["summer"], "data"),
        # Chain data.
        row("block by hash", ("eth_getBlockByHash", block_hash, False), block_hash, "data",
            permits=["null"], batched=True),
        row("block by number", block(41), '"0x29"', "data", batched=True),
        # Counted in the block, which is asked for.
        row("transaction count", ("eth_getBlockTransactionCountByNumber", "0x42"), '"0x42"',
            "data", methods=["eth_getBlockByNumber"], batched=True),
        row("header", ("eth_getHeaderByNumber", "0x2e"), '"0x2e"', "data", batched=True),
        row("transaction by place", ("eth_getTransactionByBlockNumberAndIndex", "0x43", "0x0"),
            '"0x43"', "data", batched=True, warm=[block(67)]),  # which is known to have it
        row("receipts of a block", ("eth_getBlockReceipts", "0x41"), '["', "data",
            warm=[block(65)]),
        row("transaction", ("eth_getTransactionByHash", txs[0]), txs[0], "data",
            permits=["null"], batched=True),
        row("receipt", ("eth_getTransactionReceipt", txs[1]), txs[1], "data",
            permits=["null"], batched=True),
        row("trace of a block", ("debug_traceBlockByNumber", "0x40"), '["', "data",
            warm=[block(64)]),
        row("flat traces of a block", ("trace_block", "0x2d"), '["', "data", warm=[block(45)]),
        row("trace of a transaction", ("debug_traceTransaction", txs[2]), txs[2], "data",
            warm=[("eth_getTransactionByHash", txs[2])]),
        # Computed at a block, or over some.
        row("fee history", ("eth_feeHistory", "0x2", "0x3c", [50]), '"0x3c"', "computed",
            warm=[block(60)]),
        row("call", ("eth_call", {"from": sender(1), "to": s["reader"], "data": one}, at),
            sender(1), "computed", permits=["0x"]),
        row("gas estimate", ("eth_estimateGas", {"from": sender(2), "to": s["eoa"]}, at),
            sender(2), "computed", permits=["0x0"]),
        row("trace of a call", ("debug_traceCall", {"from": sender(3), "to": s["eoa"]}, at),
            sender(3), "computed"),
        row("access list", ("eth_createAccessList", {"from": sender(4), "to": s["eoa"]}, at),
            sender(4), "computed"),
        row("traces of a range", ("trace_filter", {"fromBlock": "0x33", "toBlock": "0x35"}),
            '"0x33"', "computed"),
        row("logs", ("eth_getLogs", {"fromBlock": "0x32", "toBlock": "0x34"}), '"0x32"',
            "computed"),
        # A method that nobody knows.
        row("forwarded", ("mock_echo", "fault", 7), '"fault"', "computed",
            permits=["null", "0x", "0x0"], stored=False),
    ]


def answers(s, block):
    """Of the methods that the mock node does not know; block: a function that gives one."""
    word = "0x" + "11" * 32
    trace = {"gas": 21000, "failed": False, "returnValue": "", "structLogs": []}
    account = {"balance": "0x5", "nonce": "0x1", "codeHash": word}
    return {
        "eth_getAccount": {**account, "storageRoot": word},
        "eth_getProof": {
            **account, "address": s["summer"], "storageHash": word, "accountProof": ["0xc0"],
            "storageProof": [{"key": "0x1", "value": "0x7", "proof": ["0xc0"]}],
        },
        "eth_estimateGas": "0x5208",
        "debug_traceCall": trace,
        "debug_traceTransaction": trace,
        "debug_traceBlockByNumber": [{"result": trace}] * len(block(64)["transactions"]),
        "trace_block": [{"type": "reward", "blockHash": block(45)["hash"], "blockNumber": 45}],
        "trace_filter": [{"type": "reward", "blockHash": block(52)["hash"], "blockNumber": 52}],
        "eth_createAccessList": {"accessList": [], "gasUsed": "0x5208"},
        "eth_getHeaderByNumber": block(46),
    }


Fault = collections.namedtuple("Fault", "spec says group")
# says: a pattern that the message of an ERROR has besides the upstream's host ("timed out" is
# always allowed: the machine may be slow).
# group: "rate" (it asks us to slow down), "error" (a JSON-RPC error that may be an answer),
# "broken" (no answer can be read), "value" (a wrong one can), "form" (a right one can),
# "batch" (of an array of answers).


def http(status, group="broken", says=None, **more):
    spec = dict(kind="http", status=status, **more)
    return Fault(spec, says or "HTTP %d" % status, group)


def rpc(code, message, group="error", says=r"JSON-RPC error %d", **more):
    spec = dict(kind="rpc-error", code=code, message=message, **more)
    return Fault(spec, says % code if "%" in says else says, group)


def plain(kind, says, group="broken", **more):
    return Fault(dict(kind=kind, **more), says, group)


SLOW = dict(code=-32005, message="project rate limit exceeded")
FAULTS = {
    "429": http(429, "rate"),
    "429, Retry-After": http(429, "rate", says="Retry-After", retry_after=1),
    "429 with an error": http(429, "rate", **SLOW),
    "429 with an error, Retry-After": http(
        429, "rate", says="Retry-After", retry_after=1, **SLOW),
    "-32005": rpc(-32005, "limit exceeded", "rate"),
    "429 as a code": rpc(429, "too many requests", "rate"),
    "-32016": rpc(-32016, "over rate limit", "rate"),
    "-32007": rpc(-32007, "50/second request limit reached", "rate"),
    "error.data": rpc(-32005, "slow down", "rate", data={"rate": {"backoff_seconds": 30}}),
    "missing trie node": rpc(-32000, "missing trie node 1f2e (path ) state is not available"),
    "header not found": rpc(-32000, "header not found"),
    "-32603": rpc(-32603, "internal error"),
    "-32601": rpc(-32601, "the method does not exist/is not available"),
    "-32000": rpc(-32000, "something is wrong"),
    "500": http(500),
    "500 with an error": Fault(
        dict(kind="http", status=500, code=-32603, message="internal error"),
        "JSON-RPC error -32603", "error"),
    "502": http(502, body="<html>bad gateway</html>"),
    "503": http(503),
    "503, Retry-After": http(503, says="Retry-After", retry_after=1),
    "504": http(504),
    "400": http(400),
    "403": http(403),
    "404": http(404),
    "reset": plain("reset", "connection (reset|lost|closed)"),
    "FIN": plain("fin", "connection (reset|lost|closed)"),
    "no answer": plain("no-answer", "timed out"),
    "truncated": plain("truncated", "cut short"),
    "HTML": plain("html", "not JSON"),
    "empty": plain("empty", "empty"),
    "no message": plain("no-message", "an error without a message"),
    "wrong id": plain("wrong-id", "another id|no answer in the batch"),
    "null id": plain("null-id", "another id|no answer in the batch"),
    "null": plain("null", "not |is null", "value"),
    "0x": plain("0x", "not |is null", "value"),
    "0x0": plain("0x0", "not |is null", "value"),
    "gzip": plain("gzip", ".", "form"),
    "string id": plain("string-id", ".", "form"),
    "no jsonrpc": plain("no-jsonrpc", ".", "form"),
    "error null": plain("error-null", ".", "form"),
    "reversed": plain("batch-reversed", ".", "batch"),
    "extra": plain("batch-extra", ".", "batch"),
    "duplicate": plain("batch-duplicate", ".", "batch"),
    "missing": plain("batch-missing", ".", "batch"),
    "one error": plain("batch-one-error", ".", "batch"),
}

# What a struck value may look like in an answer: a slot has 32 bytes.
TOLD_VALUES = {"null": [None], "0x": ["0x"], "0x0": ["0x0", "0x" + "00" * 32]}


def lasting_two(lasting, upstreams):
    return lasting and upstreams == 2


def passing_one(lasting, upstreams):
    return not lasting and upstreams == 1


def lasting_one(lasting, upstreams):
    return lasting and upstreams == 1


def passing(lasting, upstreams):
    return not lasting


def always(lasting, upstreams):
    return True


Except = collections.namedtuple("Except", "classes faults when outcome why")
DATA = ["account", "proof", "block by hash", "block by number", "header", "transaction count",
        "transaction by place", "receipts of a block", "transaction", "receipt",
        "trace of a block", "flat traces of a block", "trace of a transaction"]
COMPUTED = ["fee history", "call", "gas estimate", "access list", "trace of a call",
            "traces of a range", "logs", "forwarded"]
EXCEPTIONS = [
    Except(COMPUTED, ["-32000"], passing_one, PASSED,
           "what is computed may fail, and an error that says nothing else is how it says so"),
    Except(DATA + COMPUTED, ["-32601"], passing_one, PASSED,
           "a method that a node does not have it will not have a moment later"),
    Except(["account info"], ["0x", "0x0"], lasting_one, ERROR,
           "one of balance, nonce and code cannot have it, so there is no whole answer"),
    Except(["transaction", "receipt"], ["null"], passing, RIGHT,
           "the null of a pinned chain is asked for again, beside the pinned block"),
    Except(["transaction", "receipt"], ["null"], lasting_two, EITHER,
           "which upstream is asked the second time depends on how the first fares elsewhere"),
    Except(["trace of a transaction", "trace of a call"], ["0x", "0x0"], always, TOLD,
           "a tracer that the caller brings answers what it likes"),
]


def applies(exception, c, name, lasting, upstreams):
    return (c.name in exception.classes and name in exception.faults
            and exception.when(lasting, upstreams))


# Where the method is lacking they are composed of others, which this node answers by script,
# the same whatever it is asked: test_methods.py is about that.
COMPOSED = ["account", "header", "transaction by place", "receipts of a block"]


def exists(c, name):
    """A fault of arrays meets only what travels in arrays."""
    if name == "-32601" and c.name in COMPOSED:
        return False
    return FAULTS[name].group != "batch" or c.batched


def expected(c, name, lasting, upstreams):
    fault = FAULTS[name]
    for exception in EXCEPTIONS:
        if applies(exception, c, name, lasting, upstreams):
            return exception.outcome
    if name in c.permits:
        return TOLD
    if fault.group in ("form", "batch") or not lasting or upstreams == 2:
        return RIGHT
    return PASSED if fault.group == "error" and c.kind != "fact" else ERROR
