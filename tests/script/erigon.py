# SPDX-License-Identifier: MIT
"""The integration suite of Erigon: its requests and recorded responses, and a chain on which
those are true. The suite names blocks of real chains without their headers: what it does not
say of them is made up, the same for each way to ask."""

import glob
import json
import os
import re

import chain_rlp
from recorded import Exchange, question, write

HEAD = {"mainnet": 0x1800000, "arb-sepolia": 0xE200000}  # above all that is recorded
BELOW = {"latest": 0, "pending": 0, "safe": 32, "finalized": 64}  # the head
QUANTITY = re.compile("0x[0-9a-fA-F]{1,8}$")
HASH = re.compile("0x[0-9a-fA-F]{64}$")

# Where a block is named.
BLOCK_AT = {
    "eth_getBalance": 1, "eth_getTransactionCount": 1, "eth_getCode": 1, "eth_getStorageAt": 2,
    "eth_getStorageValues": 1, "eth_getProof": 2, "eth_call": 1, "eth_estimateGas": 1,
    "eth_createAccessList": 1, "eth_feeHistory": 1, "debug_getRawHeader": 0,
    "eth_getUncleByBlockNumberAndIndex": 0, "eth_getUncleCountByBlockNumber": 0,
    "eth_getBlockTransactionCountByNumber": 0, "eth_getTransactionByBlockNumberAndIndex": 0,
}

# Of these a recorded null is the answer; with any other the suite compares nothing.
MAY_BE_NULL = re.compile("ByHash|ByNumber|ByBlock|Receipt|debug_accountAt")

PROOF = {"accountProof": [], "balance": "0x1", "codeHash": "0x" + "11" * 32,
            "nonce": "0x1", "storageHash": chain_rlp.EMPTY_ROOT}
FEES = {"baseFeePerGas": ["0x1", "0x1"], "gasUsedRatio": [0.5]}
# What answers a request that has no recorded answer.
MADE_UP = {
    "eth_getBalance": "0x1b", "eth_getTransactionCount": "0x1c", "eth_getCode": "0x",
    "eth_getStorageAt": "0x%064x" % 0x1D, "eth_call": "0x1e", "eth_estimateGas": "0x5208",
    "eth_createAccessList": {"accessList": [], "gasUsed": "0x5208"},
    "eth_gasPrice": "0x3b9aca01", "eth_syncing": False,
    "web3_clientVersion": "erigon/3.0.0/linux-amd64/go1.23.1",
    "parity_listStorageKeys": ["0x1f"],
}


class Recorded(Exchange):
    """kind: "result" or "error", or "request", which has no recorded answer."""

    def __init__(self, name, network, sent, wanted):
        super().__init__(name, sent, {k: v for k, v in wanted.items() if v is not None})
        self.network = network
        self.params = sent.get("params", [])
        self.kind = "request"
        if "error" in self.wanted:
            self.kind = "error"
        elif "result" in self.wanted or self.is_null(wanted):
            self.kind = "result"
            self.wanted["result"] = wanted["result"]

    def is_null(self, wanted):
        tagged = self.params and self.params[0] in ("safe", "finalized")
        return "result" in wanted and MAY_BE_NULL.search(self.method) and not tagged

    def answer(self, number=None):
        """What the mock says when it is asked about the block of that number; {}: nothing."""
        if self.kind != "request":
            return {k: self.wanted[k] for k in ("error", "result") if k in self.wanted}
        result = MADE_UP.get(self.method)
        if self.method == "eth_getProof":
            slots = [{"key": slot, "value": "0x1", "proof": []} for slot in self.params[1]]
            result = dict(PROOF, address=self.params[0].lower(), storageProof=slots)
        elif self.method == "eth_getStorageValues":
            result = {address.lower(): [MADE_UP["eth_getStorageAt"]] * len(slots)
                      for address, slots in self.params[0].items()}
        elif self.method == "eth_feeHistory" and number is not None:
            result = dict(FEES, oldestBlock=hex(number))
        return {} if result is None else {"result": result}


def exchanges(root, network):
    """(single exchanges, those of batches too; [(name, sent, wanted) of a batch])"""
    singles, batches = [], []
    for path in sorted(glob.glob(os.path.join(root, network, "*", "*.json"))):
        name = os.path.relpath(path, root).removesuffix(".json")
        with open(path) as file:
            entries = json.load(file)
        for entry in entries:
            sent, wanted = entry["request"], entry["response"]
            if isinstance(sent, dict):
                singles.append(Recorded(name, network, sent, wanted))
                continue
            batches.append((name, sent, wanted))
            if len(wanted) == len(sent):
                singles += [Recorded("%s[%d]" % (name, i), network, *pair)
                            for i, pair in enumerate(zip(sent, wanted))]
    return singles, batches


class Blocks:
    """The blocks of a chain, {number: block}: as recorded, or made up around what is known of
    them."""

    def __init__(self, network, singles):
        self.head = HEAD[network]
        self.by_number, self.hashes = {}, {}
        for exchange in singles:
            self.learn(exchange)
        numbers = {self.head - below for below in BELOW.values()} | {0} | set(self.hashes)
        for exchange in singles:
            numbers |= set(self.named(exchange.params))
        for number in sorted(numbers):
            if number <= self.head and number not in self.by_number:
                self.by_number[number] = self.made_up(number)

    def learn(self, exchange):
        result = exchange.wanted.get("result")
        if exchange.method == "debug_getRawHeader" and exchange.params and result != "0x":
            fields, _ = chain_rlp.decode(bytes.fromhex(result[2:]))
            block = chain_rlp.header_json(fields)
            block.update(transactions=[], uncles=[], size="0x220")
            self.by_number[int(block["number"], 16)] = block
        for item in result if isinstance(result, list) else [result]:
            if not isinstance(item, dict):
                continue
            if exchange.method in ("eth_getBlockByNumber", "eth_getBlockByHash"):
                self.by_number[int(item["number"], 16)] = item
            elif "blockHash" in item:
                self.hashes[int(item["blockNumber"], 16)] = item["blockHash"]

    def named(self, params):
        for param in params:
            if isinstance(param, dict):
                yield from self.named([param.get("fromBlock"), param.get("toBlock")])
            elif isinstance(param, str) and QUANTITY.match(param):
                yield int(param, 16)

    def made_up(self, number):
        header = [b""] * 16
        header[chain_rlp.FIELDS.index("number")] = number.to_bytes(8, "big").lstrip(b"\0")
        block = chain_rlp.header_json(header)
        for name in ("parentHash", "stateRoot", "receiptsRoot", "mixHash"):
            block[name] = "0x" + chain_rlp.keccak256(b"%s %d" % (name.encode(), number)).hex()
        block.update(
            hash=self.hashes.get(number, block["hash"]), gasLimit="0x1c9c380",
            timestamp=hex(0x60000000 + number), logsBloom="0x" + "00" * 256,
            sha3Uncles=chain_rlp.EMPTY_LIST_HASH, transactionsRoot=chain_rlp.EMPTY_ROOT,
            miner="0x" + "00" * 20, nonce="0x" + "00" * 8, transactions=[], uncles=[],
            size="0x220", extraData="0x")
        return block

    def numbers_of(self, tag):
        """Of the chain that is followed, and of one that is pinned at its finalized block."""
        if tag == "earliest":
            return [0]
        if tag in BELOW or tag is None:
            return [self.head - BELOW[tag or "latest"], self.head - BELOW["finalized"]]
        return [int(tag, 16)] if QUANTITY.match(tag) else []

    def answers(self):
        """What says which blocks there are."""
        answers = {question("eth_blockNumber"): hex(self.head)}
        for number, block in self.by_number.items():
            answers[question("eth_getBlockByNumber", hex(number), False)] = block
            answers[question("eth_getBlockByHash", block["hash"], False)] = block
        for tag, below in BELOW.items():
            block = self.by_number[self.head - below]
            answers[question("eth_getBlockByNumber", tag, False)] = block
        return answers


def spellings(exchange, blocks):
    """(method, params, number of its block or None) of each way to ask the same: with its block
    as it is, by number and by hash."""
    yield exchange.method, exchange.params, None
    at = BLOCK_AT.get(exchange.method)
    if at is None or len(exchange.params) < at:
        return
    params = exchange.params + [None] * (at + 1 - len(exchange.params))
    by_hash = exchange.method.replace("ByBlockNumber", "ByBlockHash")
    by_hash = by_hash.replace("CountByNumber", "CountByHash")
    for number in blocks.numbers_of(params[at]):
        if number in blocks.by_number:
            yield exchange.method, params[:at] + [hex(number)] + params[at + 1 :], number
            named = blocks.by_number[number]["hash"]
            yield by_hash, params[:at] + [named] + params[at + 1 :], number


def one_by_one(exchange, number):
    """{question: result} of each slot of eth_getStorageValues."""
    values = {a.lower(): v for a, v in exchange.answer()["result"].items()}
    return {question("eth_getStorageAt", address, slot, hex(number)): value
            for address, slots in exchange.params[0].items()
            for slot, value in zip(slots, values[address.lower()])}


def asked_besides(exchange, blocks):
    """{question: result} of what has to be known before the exchange's question is asked."""
    if exchange.method == "debug_traceTransaction":
        block = blocks.by_number[blocks.head - BELOW["finalized"]]
        return {question("eth_getTransactionByHash", exchange.params[0]): {
            "hash": exchange.params[0], "blockHash": block["hash"],
            "blockNumber": block["number"], "transactionIndex": "0x0"}}
    if exchange.kind == "result" and exchange.wanted["result"] is None:
        if "ByHash" in exchange.method or "ByBlockHash" in exchange.method:
            return {question("eth_getBlockByHash", exchange.params[0], False): None}
    return {}


def recordings(folder, singles, network, chain_id):
    """Writes what a mock of the chain reads by --data."""
    blocks = Blocks(network, singles)
    answers = blocks.answers()
    answers[question("eth_chainId")] = hex(chain_id)
    answers[question("net_version")] = str(chain_id)
    said = {}
    for exchange in singles:
        answers.update(asked_besides(exchange, blocks))
        for method, params, number in spellings(exchange, blocks):
            answer = exchange.answer(number)
            if "result" in answer and method == "eth_getStorageValues" and number is not None:
                answers.update(one_by_one(exchange, number))
            if answer and method:
                said[question(method, *params)] = answer
    write(folder, answers, [
        Exchange(key, {"method": json.loads(key)[0], "params": json.loads(key)[1:]}, answer)
        for key, answer in said.items()])
