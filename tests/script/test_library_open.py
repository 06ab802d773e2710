# SPDX-License-Identifier: MIT
"""Databases of libforkcache over real peers: a node, and `forkcache serve` in front of one."""

import ctypes
import os
import unittest

import fc
from harness import ForkcacheTest

BLOCK = 100


class Access(ctypes.Structure):
    _fields_ = [("address", fc.Address), ("slots", ctypes.POINTER(fc.Bytes32)),
                ("slots_n", ctypes.c_size_t)]


class CacheStats(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64)
                for name in ("hits", "misses", "evicted", "bytes", "capacity")]


class Stats(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("accounts", CacheStats), ("slots", CacheStats),
                ("code", CacheStats), ("disk", CacheStats)] + [
        (name, ctypes.c_uint64)
        for name in ("requests", "items", "failures", "round_trip_us", "transactions",
                     "conflicts")]


class Block(ctypes.Structure):
    _fields_ = [("chain_id", ctypes.c_uint64), ("number", ctypes.c_uint64),
                ("timestamp", ctypes.c_uint64), ("hash", fc.Bytes32),
                ("state_root", fc.Bytes32)]


def stats(db):
    out = Stats(size=ctypes.sizeof(Stats))
    assert fc.library().fc_stats(db.handle, ctypes.byref(out)) == 0
    return out


def prefetch(state, who, slots):
    words = (fc.Bytes32 * len(slots))(*map(fc.word, slots))
    row = Access(fc.address(who), words, len(slots))
    state.call("fc_prefetch", ctypes.byref(row), ctypes.c_size_t(1))


class Opening(ForkcacheTest):
    @classmethod
    def setUpClass(cls):
        fc.library()  # all are skipped where it cannot be loaded
        super().setUpClass()

    def check_reads(self, node, state, samples):
        block = hex(BLOCK)
        for who in (samples["eoa"], samples["reader"], samples["delegated"], "0x" + "12" * 20):
            account = state.account(who)
            self.assertEqual(fc.number(account.balance),
                             int(node.rpc("eth_getBalance", who, block), 16))
            self.assertEqual(account.nonce,
                             int(node.rpc("eth_getTransactionCount", who, block), 16))
            self.assertEqual("0x" + state.code(who).hex(),
                             node.rpc("eth_getCode", who, block))
        for slot in (0, 1, 4, 5000):
            self.assertEqual(state.storage(samples["reader"], slot),
                             int(node.rpc("eth_getStorageAt", samples["reader"], hex(slot),
                                          block), 16))

    def test_a_node(self):
        node = self.mock()
        samples = node.samples()
        with fc.Database("overlay://,fork+%s#block=%d" % (node.url, BLOCK)) as db:
            block = Block()
            self.assertEqual(fc.library().fc_block(db.handle, ctypes.byref(block)), 0)
            self.assertEqual((block.chain_id, block.number), (samples["chain_id"], BLOCK))
            with db.state() as state:
                self.check_reads(node, state, samples)
                state.set_storage(samples["reader"], 1, 77)
                self.assertEqual(state.storage(samples["reader"], 1), 77)

    def test_a_fork_alone_takes_no_writes(self):
        node = self.mock()
        with fc.Database("fork+" + node.url) as db, db.state() as state:
            with self.assertRaises(fc.FcError) as caught:
                state.set_storage(node.samples()["reader"], 1, 77)
            self.assertEqual(caught.exception.code, fc.UNSUPPORTED)
            self.assertIn("overlay://", caught.exception.detail)

    def test_a_remote_forkcache(self):
        """A token; one request for many slots, as the ladder finds out."""
        node = self.mock()
        samples = node.samples()
        token = os.path.join(self.folder, "token")
        with open(token, "w") as file:
            file.write("s3cret")
        server = self.serve(node, block=BLOCK, folder=self.folder + "/cache",
                            more=("--token-file", token),
                            headers={"Authorization": "Bearer s3cret"})
        place = server.url.removeprefix("http://")
        with self.assertRaises(fc.FcError) as caught:
            fc.Database("forkcache://" + place)
        self.assertNotIn("s3cret", caught.exception.detail)
        with self.assertRaises(fc.FcError) as caught:
            fc.Database("forkcache://wr0ng@" + place)
        self.assertNotIn("wr0ng", caught.exception.detail)
        with fc.Database("overlay://,forkcache://s3cret@" + place) as db, db.state() as state:
            self.check_reads(node, state, samples)
            before = stats(db)
            prefetch(state, samples["summer"], range(500))
            after = stats(db)
            self.assertLessEqual(after.requests - before.requests, 3)
            for slot in (3, 499):
                self.assertEqual(state.storage(samples["summer"], slot),
                                 int(node.rpc("eth_getStorageAt", samples["summer"],
                                              hex(slot), hex(BLOCK)), 16))
            self.assertEqual(stats(db).requests, after.requests)
        methods = server.metrics()
        for method in ("eth_getStorageValues", "eth_getAccountInfo"):
            self.assertGreater(
                methods['forkcache_method_calls_total{method="%s"}' % method], 0)

    def test_proofs_through_a_remote_forkcache(self):
        node = self.mock("--state-roots", "--blocks", 3)
        samples = node.samples()
        server = self.serve(node, block=2)
        urls = "forkcache://%s/#verify" % server.url.removeprefix("http://").rstrip("/")
        with fc.Database(urls) as db, db.state() as state:
            self.assertEqual(state.storage(samples["reader"], 0), 2)
            self.assertEqual(fc.number(state.account(samples["eoa"]).balance),
                             int(node.rpc("eth_getBalance", samples["eoa"], "0x2"), 16))
            self.assertEqual("0x" + state.code(samples["token"]).hex(),
                             node.rpc("eth_getCode", samples["token"], "0x2"))
        self.assertEqual(node.counters()["methods"].get("eth_getStorageAt"), None)

    def test_the_servers_cache_folder(self):
        """What a server has cached a database finds, offline, and the other way round."""
        node = self.mock()
        samples = node.samples()
        server = self.serve(node, block=BLOCK)
        for method, *more in (("eth_getBalance",), ("eth_getTransactionCount",),
                              ("eth_getCode",)):
            server.rpc(method, samples["eoa"], hex(BLOCK))
        first = server.rpc("eth_getStorageAt", samples["reader"], "0x1", hex(BLOCK))
        server.stop()
        offline = "lmdb://%s,fork+%s#block=%d" % (self.folder, node.url, BLOCK)
        with fc.Database(offline + "&offline") as db, db.state() as state:
            self.assertEqual(state.storage(samples["reader"], 1), int(first, 16))
            state.account(samples["eoa"])
            with self.assertRaises(fc.FcError) as caught:
                state.storage(samples["reader"], 2)
            self.assertEqual(caught.exception.code, fc.OFFLINE_MISS)
            for word in ("reader", "block %d" % BLOCK):
                self.assertIn(samples.get(word, word)[-40:], caught.exception.detail)
        with fc.Database(offline) as db, db.state() as state:
            second = state.storage(samples["reader"], 2)
        server = self.serve(block=BLOCK, more=("--offline",))
        self.assertEqual(
            int(server.rpc("eth_getStorageAt", samples["reader"], "0x2", hex(BLOCK)), 16), second)

    def test_two_databases_over_one_folder(self):
        node = self.mock()
        samples = node.samples()
        url = "lmdb://%s,fork+%s#block=%%d" % (self.folder, node.url)
        with fc.Database(url % BLOCK) as a, fc.Database(url % (BLOCK + 1)) as b, \
                a.state() as one, b.state() as other:
            self.assertEqual(one.storage(samples["reader"], 0), BLOCK)
            self.assertEqual(other.storage(samples["reader"], 0), BLOCK + 1)
            with self.assertRaises(fc.FcError) as caught:
                fc.Database("lmdb://%s,fork+%s" % (self.folder, self.mock("--chain-id", 5).url))
            self.assertIn("another folder", caught.exception.detail)

    def test_databases_of_their_own(self):
        folder = os.path.join(self.folder, "db")
        for url in ("memory://", "lmdb://" + folder, "memory://,lmdb://" + folder,
                    "overlay://,memory://", "memory://,overlay://,memory://"):
            with self.subTest(url), fc.Database(url) as db, db.state() as state:
                state.set_storage("0x01", 2, 3)
                state.set_account("0x01", balance=5)
                self.assertEqual(state.storage("0x01", 2), 3)
                self.assertEqual(stats(db).requests, 0)
                self.assertEqual(fc.library().fc_block(db.handle, ctypes.byref(Block())),
                                 fc.UNSUPPORTED)
        with fc.Database("lmdb://" + folder) as db, db.state() as state:
            self.assertEqual(state.storage("0x01", 2), 3)
            with self.assertRaises(fc.FcError):
                fc.Database("lmdb://" + folder)

    def test_what_is_wrong_is_said(self):
        for url, words in (
            ("", "URL 1 of 1"), ("redis://x", "scheme"), ("overlay://", "below it"),
            ("fork+http://127.0.0.1:1/KEY", "127.0.0.1:1"),
            ("lmdb:///proc/nothing/here", "/proc/nothing/here"),
        ):
            with self.subTest(url), self.assertRaises(fc.FcError) as caught:
                fc.Database(url)
            self.assertIn(words, caught.exception.detail)
            self.assertNotIn("KEY", caught.exception.detail)

    def test_verifying_needs_proofs(self):
        node = self.mock()
        with fc.Database("fork+%s#block=%d&verify" % (node.url, BLOCK)) as db, \
                db.state() as state, self.assertRaises(fc.FcError) as caught:
            state.storage(node.samples()["reader"], 1)
        self.assertEqual(caught.exception.code, fc.UNSUPPORTED)
        self.assertIn("eth_getProof", caught.exception.detail)

    def test_handles_that_are_left(self):
        db = fc.Database("memory://")
        state = db.state()
        why = fc.Why()
        self.assertNotEqual(
            fc.library().fc_close(ctypes.byref(db.handle), ctypes.byref(why)), 0)
        self.assertIn(b"handles", why.detail)
        with state:
            self.assertEqual(state.storage("0x01", 2), 0)
        with db:
            pass


if __name__ == "__main__":
    unittest.main()
