# SPDX-License-Identifier: MIT
"""libforkcache.so by ctypes, as far as tests need it.

    with Database("memory://") as db, db.state() as state:
        state.set_account(address, balance=1)
        state.root()

Addresses and 32-byte words are 0x strings on this side, numbers are ints.
"""

import ctypes
import json
import os
import re
import unittest

from harness import BUILD

BALANCE, NONCE, CODE_HASH, STORAGE_ROOT, EXISTS = 1, 2, 4, 8, 16
MISS, PENDING = 1, 2
CODE_NOT_FOUND, SNAPSHOT_NOT_FOUND, UNSUPPORTED, CORRUPTED = 12, 13, 24, 30
OFFLINE_MISS, INVALID_TRANSACTION, CONFLICT = 45, 61, 62


class Address(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * 20)]


class Bytes32(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * 32)]


class Why(ctypes.Structure):
    _fields_ = [("err", ctypes.c_int), ("detail", ctypes.c_char * 512)]


class Account(ctypes.Structure):
    _fields_ = [("mask", ctypes.c_uint32), ("exists", ctypes.c_bool),
                ("nonce", ctypes.c_uint64), ("balance", Bytes32), ("code_hash", Bytes32),
                ("storage_root", Bytes32)]


def address(text):
    return Address.from_buffer_copy(bytes.fromhex(text.removeprefix("0x").rjust(40, "0")))


def word(value):
    if isinstance(value, str):
        value = int(value, 16)
    return Bytes32.from_buffer_copy(value.to_bytes(32, "big"))


def as_number(value):
    """What JSON has of numbers: 1, "1", "0x1"."""
    return int(value, 0) if isinstance(value, str) else value


def text(word_or_address):
    return "0x" + bytes(word_or_address.bytes).hex()


def number(value):
    return int.from_bytes(bytes(value.bytes), "big")


class FcError(Exception):
    def __init__(self, code, detail):
        super().__init__("%d: %s" % (code, detail))
        self.code, self.detail = code, detail


_library = None


def library():
    """Loaded once. A sanitizer's has to be there before the interpreter: those skip."""
    global _library
    if re.search("asan|tsan", BUILD) and "LD_PRELOAD" not in os.environ:
        raise unittest.SkipTest("a library with a sanitizer needs its runtime in LD_PRELOAD")
    if _library is None:
        _library = ctypes.CDLL(os.path.join(BUILD, "libforkcache.so"))
        for name in ("fc_detail", "fc_strerror", "fc_version", "fc_op_detail"):
            getattr(_library, name).restype = ctypes.c_char_p
        _library.fc_code_bytes.restype = ctypes.c_void_p
        _library.fc_code_length.restype = ctypes.c_size_t
    return _library


class Database:
    def __init__(self, urls):
        self.handle, why = ctypes.c_void_p(), Why()
        err = library().fc_open(urls.encode(), ctypes.byref(self.handle), ctypes.byref(why))
        if err != 0:
            raise FcError(err, why.detail.decode())

    def state(self):
        return State(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        why = Why()
        err = library().fc_close(ctypes.byref(self.handle), ctypes.byref(why))
        if err != 0 and exc[0] is None:
            raise FcError(err, why.detail.decode())


class State:
    def __init__(self, db):
        self.db, self.handle = db, ctypes.c_void_p()
        err = library().fc_state_new(db.handle, None, ctypes.byref(self.handle))
        if err != 0:
            raise FcError(err, "fc_state_new")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        library().fc_state_free(ctypes.byref(self.handle))

    def call(self, name, *args):
        err = getattr(library(), name)(self.handle, *args)
        if err != 0:
            raise FcError(err, library().fc_detail(self.handle).decode())

    def account(self, who, wanted=BALANCE | NONCE | CODE_HASH):
        out = Account()
        self.call("fc_get_account", ctypes.byref(address(who)), ctypes.c_uint32(wanted),
                  ctypes.byref(out))
        return out

    def set_account(self, who, balance=None, nonce=None):
        fields = Account()
        if balance is not None:
            fields.mask |= BALANCE
            fields.balance = word(balance)
        if nonce is not None:
            fields.mask |= NONCE
            fields.nonce = nonce
        self.call("fc_set_account", ctypes.byref(address(who)), ctypes.byref(fields))

    def delete(self, who):
        self.call("fc_delete_account", ctypes.byref(address(who)))

    def clear_storage(self, who):
        self.call("fc_clear_storage", ctypes.byref(address(who)))

    def storage(self, who, slot):
        out = Bytes32()
        self.call("fc_get_storage", ctypes.byref(address(who)), ctypes.byref(word(slot)),
                  ctypes.byref(out))
        return number(out)

    def set_storage(self, who, slot, value):
        self.call("fc_set_storage", ctypes.byref(address(who)), ctypes.byref(word(slot)),
                  ctypes.byref(word(value)))

    def code(self, who):
        code = ctypes.c_void_p()
        self.call("fc_get_code", ctypes.byref(address(who)), ctypes.byref(code))
        found = ctypes.string_at(library().fc_code_bytes(code), library().fc_code_length(code))
        library().fc_code_put(ctypes.byref(code))
        return found

    def set_code(self, who, code):
        self.call("fc_set_code", ctypes.byref(address(who)), code, ctypes.c_size_t(len(code)))

    def root(self):
        out = Bytes32()
        self.call("fc_state_root", ctypes.byref(out))
        return text(out)

    def commit(self):
        out = Bytes32()
        self.call("fc_commit", ctypes.byref(out))
        return text(out)

    def snapshot(self):
        out = ctypes.c_uint64()
        self.call("fc_snapshot", ctypes.byref(out))
        return out.value

    def revert(self, snapshot):
        self.call("fc_revert", ctypes.c_uint64(snapshot))

    def commit_snapshot(self, snapshot):
        self.call("fc_snapshot_commit", ctypes.c_uint64(snapshot))

    def begin(self):
        """A transaction."""
        out = ctypes.c_uint64()
        self.call("fc_tx_begin", ctypes.byref(out))
        return out.value

    def commit_transaction(self, transaction):
        self.call("fc_tx_commit", ctypes.c_uint64(transaction))

    def roll_back(self, transaction):
        self.call("fc_tx_rollback", ctypes.c_uint64(transaction))

    def fill(self, alloc):
        """{address: {"balance", "nonce", "code", "storage"}}, as in a genesis."""
        for who, fields in alloc.items():
            self.set_account(who, *(as_number(fields[k]) if fields.get(k) else None
                                    for k in ("balance", "nonce")))
            if fields.get("code", "0x") != "0x":
                self.set_code(who, bytes.fromhex(fields["code"][2:]))
            for slot, value in fields.get("storage", {}).items():
                self.set_storage(who, slot, value)

    def dump_text(self):
        """The changes as JSON."""
        parts = []
        function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                    ctypes.c_size_t)

        def write(_, data, n):
            parts.append(ctypes.string_at(data, n))
            return 0

        self.call("fc_dump_changes", function(write), None)
        return b"".join(parts)

    def dump(self):
        return json.loads(self.dump_text())

    def load(self, text):
        self.call("fc_load_changes", text, ctypes.c_size_t(len(text)))
