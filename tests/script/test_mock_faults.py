# SPDX-License-Identifier: MIT
"""build/mock-node: faults, limits, the barrier, the counters."""

import gzip
import json
import time
import unittest

from harness import SharedMock, http_post, request


class Faults(SharedMock):
    def struck(self, kind, calls=1, **more):
        """The Reply to a struck slot read (or a batch of slots 0, 1, 2, 3 of which 1 is)."""
        self.node.reset()
        self.node.fault(kind, "eth_getStorageAt", count=1, match="%064x" % 1, **more)
        asked = [request("eth_getStorageAt", self.s["reader"], hex(i), "latest", id=i)
                 for i in ([1] if calls == 1 else range(calls))]
        reply = self.node.post(asked[0] if calls == 1 else asked)
        self.assertEqual(self.node.counters()["faults"], 1)
        return reply

    def test_of_the_item(self):
        good = self.slot(1)
        self.assertEqual(self.struck("null").json["result"], None)
        self.assertEqual(self.struck("0x").json["result"], "0x")
        self.assertEqual(self.struck("0x0").json["result"], "0x0")
        self.assertEqual(self.struck("value", value={"a": 1}).json["result"], {"a": 1})
        self.assertEqual(self.struck("no-message").json["error"], {"code": -32000})
        self.assertEqual(self.struck("wrong-id").json["id"], 1000001)
        self.assertEqual(self.struck("string-id").json["id"], "1")
        self.assertIsNone(self.struck("null-id").json["id"])
        self.assertNotIn("jsonrpc", self.struck("no-jsonrpc").json)
        both = self.struck("error-null").json
        self.assertEqual((both["result"], both["error"]), (good, None))
        error = self.struck("rpc-error", code=-32005, message="slow down", data={"x": 1}).json
        self.assertEqual(
            error["error"], {"code": -32005, "message": "slow down", "data": {"x": 1}}
        )
        self.assertEqual(self.slot(1), good)

    def test_of_the_reply(self):
        reply = self.struck("http", status=503, body="busy", retry_after=3)
        self.assertEqual((reply.status, reply.body), (503, b"busy"))
        self.assertEqual(reply.headers["retry-after"], "3")
        self.assertEqual(self.struck("empty").body, b"")
        reply = self.struck("html")
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "text/html"))
        reply = self.struck("gzip")
        self.assertEqual(reply.headers["content-encoding"], "gzip")
        self.assertEqual(json.loads(gzip.decompress(reply.body))["result"], self.slot(1))
        reply = self.struck("chunked", calls=40)
        self.assertEqual(reply.headers["transfer-encoding"], "chunked")
        self.assertEqual(len(reply.json), 40)
        self.assertEqual(self.struck("close").headers["connection"], "close")

    def bytes_of(self, kind):
        self.node.reset()
        self.node.fault(kind, count=1)
        with self.node.socket() as s:
            s.sendall(http_post(request("eth_chainId")))
            received = b""
            while True:
                part = s.recv(65536)
                if not part:
                    return received
                received += part

    def test_of_the_connection(self):
        with self.assertRaises(ConnectionResetError):
            self.bytes_of("reset")
        self.assertEqual(self.bytes_of("fin"), b"")
        head, body = self.bytes_of("truncated").split(b"\r\n\r\n")
        promised = int(head.split(b"Content-Length: ")[1])
        self.assertEqual(len(body), promised // 2)
        self.assertEqual(self.node.counters()["client_aborts"], 0)

    def test_of_the_batch(self):
        ids = lambda kind: [a["id"] for a in self.struck(kind, calls=4).json]
        self.assertEqual(ids("batch-missing"), [0, 2, 3])
        self.assertEqual(ids("batch-duplicate"), [0, 1, 1, 2, 3])
        self.assertEqual(ids("batch-reversed"), [3, 2, 1, 0])
        self.assertEqual(ids("batch-extra"), [0, 1, 2, 3, 987654321])
        self.assertIn("error", self.struck("batch-one-error", calls=4).json)

    def test_after_and_count(self):
        self.node.fault("null", "eth_getBalance", after=2, count=2)
        got = [self.node.rpc("eth_getBalance", self.s["eoa"]) is None for _ in range(6)]
        self.assertEqual(got, [False, False, True, True, False, False])
        self.node.control(faults=[{"kind": "null"}])
        self.assertEqual([self.node.rpc("eth_chainId") for _ in range(3)], [None] * 3)
        self.node.control(faults=[])
        self.assertEqual(self.node.rpc("eth_chainId"), "0x11f63")

    def test_missing_methods(self):
        self.node.control(missing=["eth_getAccountInfo"])
        self.assertEqual(self.node.error("eth_getAccountInfo", self.s["eoa"], "latest").code, -32601)

    def test_scripted_answers(self):
        self.node.control(answers={"eth_estimateGas": "0x5208", "eth_chainId": None})
        self.assertEqual(self.node.rpc("eth_estimateGas", {}), "0x5208")
        self.assertIsNone(self.node.rpc("eth_chainId"))
        self.node.fault("0x", "eth_estimateGas", count=1)
        self.assertEqual(self.node.rpc("eth_estimateGas", {}), "0x")
        self.node.control(missing=["eth_estimateGas"])
        self.assertEqual(self.node.error("eth_estimateGas", {}).code, -32601)
        self.node.control(answers=None)
        self.assertEqual(self.node.rpc("eth_chainId"), "0x11f63")

    def test_an_error_under_a_status(self):
        self.node.fault("http", "eth_chainId", status=429, retry_after=1, code=-32005,
                        message="slow down", data={"x": 1})
        reply = self.node.post(request("eth_chainId", id=5))
        self.assertEqual((reply.status, reply.headers["retry-after"]), (429, "1"))
        error = {"code": -32005, "message": "slow down", "data": {"x": 1}}
        self.assertEqual(reply.json, {"jsonrpc": "2.0", "id": 5, "error": error})

    def test_strikes_are_counted(self):
        self.node.fault("0x", "eth_blockNumber", count=2)
        self.node.fault("batch-missing", "eth_chainId")
        for _ in range(3):
            self.node.rpc("eth_blockNumber")
        self.node.rpc("eth_chainId")
        self.assertEqual(self.node.struck(), [2, 0])
        self.assertEqual(len(self.node.batch([("eth_chainId",), ("eth_blockNumber",)])), 1)
        self.assertEqual(self.node.struck(), [2, 1])

    def test_wrong_scripts_are_refused(self):
        for script in ({"faults": [{"kind": "?"}]}, {"latency": 5}, {"rate": -1},
                       {"max_batch": {"style": "?"}}):
            with self.assertRaises(ValueError):
                self.node.control(**script)


class Limits(SharedMock):
    def test_rate(self):
        # No refill to speak of during the test: one in a thousand seconds.
        self.node.control(rate={"per_second": 1, "burst": 3, "retry_after": 7})
        statuses = [self.node.post(request("eth_chainId")).status for _ in range(3)]
        reply = self.node.post(request("eth_chainId"))
        self.assertEqual(statuses, [200] * 3)
        if reply.status == 200:  # a second went by
            self.skipTest("the machine stood still for a second")
        self.assertEqual((reply.status, reply.headers["retry-after"]), (429, "7"))
        self.assertEqual(self.node.counters()["refused"], 1)

    def test_rate_as_rpc_errors_by_items(self):
        self.node.control(rate={"per_second": 1, "burst": 10, "by": "items", "style": "rpc"})
        calls = [("eth_chainId",)] * 8
        self.assertTrue(all("result" in a for a in self.node.batch(calls)))
        refused = self.node.batch(calls)
        self.assertEqual({a["error"]["code"] for a in refused}, {-32005})
        self.assertEqual([a["id"] for a in refused], list(range(8)))

    def test_batch_limits(self):
        calls = [("eth_chainId",)] * 3
        asked = [request("eth_chainId", id=40 + i) for i in range(3)]
        self.node.control(max_batch=2)
        self.assertEqual(self.node.post(asked).json["error"]["code"], -32600)
        self.node.control(max_batch={"items": 2, "style": "geth"})
        (only,) = self.node.post(asked).json
        self.assertEqual((only["id"], only["error"]["message"]), (40, "batch too large"))
        self.node.control(max_batch={"items": 2, "style": "413"})
        self.assertEqual(self.node.post(asked).status, 413)
        self.node.control(max_batch={"items": 2, "style": "close"})
        self.assertEqual(self.node.exchange(http_post(asked)), b"")
        self.node.control(max_batch=None)
        self.assertEqual(len(self.node.batch(calls)), 3)

    def test_latency_is_side_by_side(self):
        self.node.control(latency_ms=150)
        start = time.monotonic()
        answers = self.node.parallel([("eth_chainId",)] * 16)
        took = time.monotonic() - start
        self.assertEqual(answers, ["0x11f63"] * 16)
        self.assertGreaterEqual(took, 0.15)
        self.assertLess(took, 16 * 0.15)

    def test_bandwidth_and_item_cost(self):
        self.node.control(bandwidth=1000000)
        start = time.monotonic()
        code = self.node.rpc("eth_getCode", self.s["large"], "latest")
        self.assertGreaterEqual(time.monotonic() - start, 0.03)  # 48 kB
        self.assertEqual(len(code), 2 + 2 * 24063)
        self.node.control(bandwidth=0, item_us=10000)
        start = time.monotonic()
        self.node.batch([("eth_chainId",)] * 5)
        self.assertGreaterEqual(time.monotonic() - start, 0.05)


class Barrier(SharedMock):
    def test_replies_gather_until_there_are_enough(self):
        self.node.control(hold=3)
        first = self.node.start("eth_chainId")
        second = self.node.start("eth_blockNumber")
        self.node.wait(held=2)
        self.assertEqual(self.node.counters()["held"], 2)
        self.assertEqual(self.node.rpc("net_version"), "73571")
        self.assertEqual((first(), second()), ("0x11f63", "0x100"))
        self.assertEqual(self.node.counters()["max_in_flight"], 3)

    def test_release_and_a_client_that_left(self):
        self.node.control(hold={"items": 1000})
        with self.node.socket() as s:
            s.sendall(http_post(request("eth_chainId")))
            self.node.wait(held=1)
        self.node.wait(client_aborts=1)
        waiting = self.node.start("eth_chainId")
        self.node.wait(held=1)
        self.node.control(release=True)
        self.assertEqual(waiting(), "0x11f63")
        self.assertEqual(self.node.rpc("eth_chainId"), "0x11f63")

    def test_counters(self):
        reader = self.s["reader"]
        self.node.rpc("eth_getStorageAt", reader.upper().replace("X", "x"), "0x5")
        self.node.rpc("eth_getStorageAt", reader, "0x%064x" % 5, "latest")
        self.node.rpc("eth_getStorageValues", {reader: ["0x5", "0x6"]}, "latest")
        keys = self.node.keys()
        key = lambda i: 'eth_getStorageAt ["%s","0x%064x","latest"]' % (reader, i)
        self.assertEqual((keys[key(5)], keys[key(6)]), (3, 1))
        counters = self.node.counters()
        self.assertEqual(counters["max_key_count"], 3)
        self.assertEqual(counters["http_requests"], 3)
        self.assertEqual(counters["methods"], {"eth_getStorageAt": 2, "eth_getStorageValues": 1})
        self.node.batch([("eth_chainId",)] * 7)
        self.assertEqual(self.node.counters()["batch_sizes"], [7])


if __name__ == "__main__":
    unittest.main()
