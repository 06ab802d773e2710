# SPDX-License-Identifier: MIT
"""Proofs of accounts and slots (EIP-1186), verified: what an answer of eth_getProof says is what
its nodes lead to from the state root, each node is used, and each is the one that is named."""

import functools

import chain_rlp

EMPTY_CODE_HASH = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@functools.lru_cache(maxsize=None)
def _keccak(data):
    return chain_rlp.keccak256(data)


def _nibbles(data):
    return [digit for byte in data for digit in (byte >> 4, byte & 15)]


def leads_to(root, key, proof):
    """The bytes at a key's hash in the trie of that root; None: nothing. ValueError: neither
    of both is proved."""
    rest = [bytes.fromhex(node[2:]) for node in proof]
    if root == bytes.fromhex(chain_rlp.EMPTY_ROOT[2:]) and not rest:
        return None
    path, reference = _nibbles(_keccak(key)), root
    while reference:
        if isinstance(reference, bytes):
            if not rest or _keccak(rest[0]) != reference:
                raise ValueError("the node %s is not next" % reference.hex())
            node, end = chain_rlp.decode(rest[0])
            if end != len(rest.pop(0)):
                raise ValueError("bytes after a node")
        else:
            node = reference
        if len(node) == 17:
            reference, path = node[path[0]], path[1:]
            continue
        head = _nibbles(node[0])
        part = head[1:] if head[0] & 1 else head[2:]
        if path[: len(part)] != part:
            break
        path, reference = path[len(part) :], node[1]
        if head[0] & 2:
            if path or rest:
                raise ValueError("a leaf before the end")
            return reference
    if rest:
        raise ValueError("nodes that nothing leads to")
    return None


def verify(answer, address, slots, state_root):
    """ValueError unless the answer proves what it says of this address and these slots."""
    data = lambda text: bytes.fromhex(text[2:])
    leaf = leads_to(data(state_root), data(address), answer["accountProof"])
    fields = chain_rlp.decode(leaf)[0] if leaf else [
        b"", b"", data(chain_rlp.EMPTY_ROOT), data(EMPTY_CODE_HASH)]
    said = [int(answer["nonce"], 16), int(answer["balance"], 16), answer["storageHash"],
            answer["codeHash"]]
    proved = [int.from_bytes(f, "big") for f in fields[:2]] + ["0x" + f.hex() for f in fields[2:]]
    if said != proved or answer["address"] != address:
        raise ValueError("%s is not %s" % (said, proved))
    if [int(slot, 16) for slot in slots] != [int(s["key"], 16) for s in answer["storageProof"]]:
        raise ValueError("other slots")
    for slot in answer["storageProof"]:
        key = int(slot["key"], 16).to_bytes(32, "big")
        leaf = leads_to(data(answer["storageHash"]), key, slot["proof"])
        value = int.from_bytes(chain_rlp.decode(leaf)[0], "big") if leaf else 0
        if value != int(slot["value"], 16):
            raise ValueError("slot %s is not %d" % (slot["key"], value))
