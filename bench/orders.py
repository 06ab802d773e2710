# SPDX-License-Identifier: MIT
"""Recorded orders of accesses, from the corpora: lists of numbers, one for each thing accessed.

dapp-rpc-traffic: what the test suites of two projects asked their node, in order. Things are
method and parameters, of the methods that read.

mainnet-block-access-lists: what the transactions of mainnet blocks accessed, block after block.
Things are accounts and slots. Within a block they come sorted by address, once each: that order
is not the one in which they were read.
"""

import array
import glob
import gzip
import itertools
import json
import os

from harness import CORPUS

READS = {
    "eth_call", "eth_getBalance", "eth_getBlockByNumber", "eth_getCode", "eth_getStorageAt",
    "eth_getTransactionByHash", "eth_getTransactionCount", "eth_getTransactionReceipt",
}


class Order:
    def __init__(self, name):
        self.name = name
        self.accesses = array.array("I")
        self._numbers = {}

    def add(self, thing):
        self.accesses.append(self._numbers.setdefault(thing, len(self._numbers)))

    def write(self, path):
        with open(path, "wb") as out:
            self.accesses.tofile(out)


def _length(data, at, short, long):
    """Where an item's payload begins and ends, from its first byte."""
    first = data[at]
    if first < long:
        return at + 1, at + 1 + first - short
    n = first - long + 1
    return at + 1 + n, at + 1 + n + int.from_bytes(data[at + 1 : at + 1 + n], "big")


def rlp_decode(data, at=0):
    """The item at a place, and where the next one is."""
    if data[at] < 0x80:
        return data[at : at + 1], at + 1
    if data[at] < 0xC0:
        begin, end = _length(data, at, 0x80, 0xB8)
        return data[begin:end], end
    begin, end = _length(data, at, 0xC0, 0xF8)
    items = []
    while begin < end:
        item, begin = rlp_decode(data, begin)
        items.append(item)
    return items, end


def _blocks():
    order = Order("accounts and slots of mainnet blocks")
    for path in sorted(glob.glob(os.path.join(CORPUS, "mainnet-block-access-lists", "*.rlp"))):
        with open(path, "rb") as block:
            accounts, _ = rlp_decode(block.read())
        for address, changes, reads, *_ in accounts:
            order.add(address)
            for slot in [change[0] for change in changes] + reads:
                order.add((address, slot))
    return order


def _traffic(path, most):
    """The first requests, at most so many."""
    order = Order("requests of %s" % os.path.basename(path).partition("_")[0])
    with gzip.open(path, "rt") as lines:
        next(lines)  # the recorder's configuration
        for line in itertools.islice(lines, most):
            request = json.loads(line)
            if request.get("method") in READS:
                order.add(json.dumps([request["method"], request.get("params")]))
    return order


def recorded(most=None):
    """The orders that are there; none without the corpora. most: requests of traffic."""
    paths = sorted(glob.glob(os.path.join(CORPUS, "dapp-rpc-traffic", "*.jsonl.gz")))
    orders = [_traffic(path, most) for path in paths] + [_blocks()]
    return [order for order in orders if order.accesses]
