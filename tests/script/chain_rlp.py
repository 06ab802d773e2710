# SPDX-License-Identifier: MIT
"""Reads a chain from its RLP (a chain.rlp file and its genesis.json) into the JSON of its
blocks, as far as tests need that."""

import json

_ROTATIONS = (0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2,
              61, 56, 14)
_MASK = (1 << 64) - 1
EMPTY_LIST_HASH = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


def _rotate(word, n):
    return ((word << n) | (word >> (64 - n))) & _MASK if n else word


def _permute(a):
    lfsr = 1
    for _ in range(24):
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ _rotate(c[(x + 1) % 5], 1) for x in range(5)]
        a = [word ^ d[i % 5] for i, word in enumerate(a)]
        b = [0] * 25
        for i, word in enumerate(a):
            x, y = i % 5, i // 5
            b[y + 5 * ((2 * x + 3 * y) % 5)] = _rotate(word, _ROTATIONS[i])
        a = [b[i] ^ (~b[i - i % 5 + (i + 1) % 5] & b[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        for j in range(7):
            if lfsr & 1:
                a[0] ^= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
    return a


def keccak256(data):
    state = [0] * 25
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % 136)
    padded[-1] |= 0x80
    for block in range(0, len(padded), 136):
        for i in range(17):
            at = block + 8 * i
            state[i] ^= int.from_bytes(padded[at : at + 8], "little")
        state = _permute(state)
    return b"".join(word.to_bytes(8, "little") for word in state[:4])


def encode(item):
    """RLP of bytes, or of a list of such."""
    if isinstance(item, list):
        return _with_length(0xC0, b"".join(map(encode, item)))
    return item if len(item) == 1 and item[0] < 0x80 else _with_length(0x80, item)


def _with_length(offset, payload):
    if len(payload) < 56:
        return bytes([offset + len(payload)]) + payload
    length = len(payload).to_bytes((len(payload).bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(length)]) + length + payload


def decode(data, at=0):
    """(item, where it ends)."""
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    length = first - (0xC0 if is_list else 0x80)
    at += 1
    if length > 55:
        size = length - 55
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    end = at + length
    if not is_list:
        return data[at:end], end
    items = []
    while at < end:
        item, at = decode(data, at)
        items.append(item)
    return items, end


# Header fields in order; the quantities among them.
FIELDS = (
    "parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom difficulty "
    "number gasLimit gasUsed timestamp extraData mixHash nonce baseFeePerGas withdrawalsRoot "
    "blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash"
).split()
QUANTITIES = set(
    "difficulty number gasLimit gasUsed timestamp baseFeePerGas blobGasUsed excessBlobGas".split()
)


def header_json(header):
    block = {"hash": "0x" + keccak256(encode(header)).hex()}
    for name, value in zip(FIELDS, header):
        block[name] = (
            hex(int.from_bytes(value, "big")) if name in QUANTITIES else "0x" + value.hex()
        )
    return block


def blocks(path):
    """The blocks of a chain.rlp, transactions by hash."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        block, end = decode(data, at)
        header, transactions, uncles = block[:3]
        json_block = header_json(header)
        # A typed transaction is a string whose bytes are hashed, a legacy one is a list.
        raw = [encode(tx) if isinstance(tx, list) else tx for tx in transactions]
        json_block["transactions"] = ["0x" + keccak256(tx).hex() for tx in raw]
        json_block["uncles"] = ["0x" + keccak256(encode(uncle)).hex() for uncle in uncles]
        json_block["size"] = hex(end - at)
        yield json_block
        at = end


def genesis(path, state_root):
    """The genesis block of a genesis.json; its state root has to be known."""
    with open(path) as file:
        config = json.load(file)
    fields = {
        "parentHash": "00" * 32, "sha3Uncles": EMPTY_LIST_HASH, "miner": config["coinbase"],
        "stateRoot": state_root, "transactionsRoot": EMPTY_ROOT, "receiptsRoot": EMPTY_ROOT,
        "logsBloom": "00" * 256, "difficulty": config["difficulty"], "number": "",
        "gasLimit": config["gasLimit"], "gasUsed": "", "timestamp": config["timestamp"],
        "extraData": config["extraData"], "mixHash": config["mixHash"],
        "nonce": "%016x" % int(config["nonce"], 16),
    }
    header = [_field(name, value.removeprefix("0x")) for name, value in fields.items()]
    block = header_json(header)
    block.update(transactions=[], uncles=[], size=hex(len(encode([header, [], []]))))
    return block


def _field(name, text):
    if name in QUANTITIES:
        text = text.lstrip("0")
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2))
