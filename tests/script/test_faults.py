# SPDX-License-Identifier: MIT
"""What an upstream can do wrong: a passing fault is not noticed, a lasting one is one clear
error, nothing wrong is kept, a second upstream helps, and no secret comes out."""

import base64
import concurrent.futures
import re
import time
import unittest

from harness import ForkcacheTest, MockNode, RpcError

BLOCK = 100


def http_fault(status, **more):
    return dict(kind="http", status=status, **more)


def rpc_fault(code, message="mock-node: scripted error", **more):
    return dict(kind="rpc-error", code=code, message=message, **more)


# What no answer can be taken from, on a read of any kind.
FAULTS = {
    "429": http_fault(429),
    "429, Retry-After": http_fault(429, retry_after=0),
    "400": http_fault(400),
    "403": http_fault(403),
    "404": http_fault(404),
    "500": http_fault(500),
    "502": http_fault(502, body="<html>bad gateway</html>"),
    "503": http_fault(503),
    "504": http_fault(504),
    "reset": {"kind": "reset"},
    "fin": {"kind": "fin"},
    "no answer": {"kind": "no-answer"},
    "truncated": {"kind": "truncated"},
    "html": {"kind": "html"},
    "empty": {"kind": "empty"},
    "-32005": rpc_fault(-32005, "limit exceeded"),
    "429 in JSON": rpc_fault(429, "too many requests"),
    "-32016": rpc_fault(-32016, "over rate limit", data={"rate": {"backoff_seconds": 30}}),
    "-32007": rpc_fault(-32007, "50/second request limit reached"),
    "-32603": rpc_fault(-32603, "internal error"),
    "-32000": rpc_fault(-32000),
    "missing trie node": rpc_fault(-32000, "missing trie node 1f2e (path ) state is not available"),
    "header not found": rpc_fault(-32000, "header not found"),
    "null": {"kind": "null"},
    "0x": {"kind": "0x"},
    "a number": {"kind": "value", "value": 7},
    "an object": {"kind": "value", "value": {"a": "0x1"}},
    "odd hex": {"kind": "value", "value": "0x" + "7" * 63 + "g"},
    "too long": {"kind": "value", "value": "0x" + "00" * 33 + "1"},
    "no message": {"kind": "no-message"},
    "wrong id": {"kind": "wrong-id"},
    "null id": {"kind": "null-id"},
}
# Oddities from which the answer can be read.
ODDITIES = {
    "string id": {"kind": "string-id"},
    "no jsonrpc": {"kind": "no-jsonrpc"},
    "error null": {"kind": "error-null"},
    "chunked": {"kind": "chunked"},
    "close": {"kind": "close"},
    "slow": {"kind": "slow", "delay_ms": 20},
}
# The code of an account without code is an answer, whoever has code.
GOOD_AS_CODE = {"0x"}

PASSWORD, PATH_KEY, QUERY_KEY, HEADER_KEY = (
    "pass-7Q3kd0", "path-9fJ2xx", "query-4Zp1aa", "header-8Kd6bb"
)
SECRETS = (
    PASSWORD, PATH_KEY, QUERY_KEY, HEADER_KEY,
    base64.b64encode(b"someone:" + PASSWORD.encode()).decode(),
)


def secret_url(node):
    return "http://someone:%s@%s:%d/v2/%s?apikey=%s" % (
        PASSWORD, node.host, node.port, PATH_KEY, QUERY_KEY
    )


class FaultTest(ForkcacheTest):
    @classmethod
    def setUpClass(cls):
        with MockNode() as node:
            s = node.samples()
            cls.reads = {
                read: node.rpc(*read)
                for read in (
                    ("eth_getStorageAt", s["reader"], "0x1", hex(BLOCK)),
                    ("eth_getCode", s["large"], hex(BLOCK)),
                    ("eth_getBlockByNumber", hex(BLOCK - 7), False),
                )
            }

    def each(self, faults, check):
        """check(name, fault, a node of its own) of each; they wait more than they work, so
        several run at a time."""

        def run(name):
            node = self.mock()
            check(name, faults[name], node)
            node.stop()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            runs = {name: pool.submit(run, name) for name in faults}
        for name, done in runs.items():
            with self.subTest(name):
                done.result()

    def folder_of(self, name):
        return "%s/%s" % (self.folder, re.sub(r"\W", "-", name))

    def reads_struck_by(self, name):
        """{read: right answer} of those for which it is a fault."""
        good = set()
        if name in GOOD_AS_CODE:
            good.add("eth_getCode")
        return {read: value for read, value in self.reads.items() if read[0] not in good}

    def strike(self, node, fault, **more):
        node.control(faults=[dict(fault, method=read[0], **more) for read in self.reads])

    def times_asked(self, node, reads):
        """How often the node was asked for each."""
        keys = node.keys()
        return {
            read: sum(n for key, n in keys.items()
                      if key.startswith('%s ["%s"' % (read[0], read[1])))
            for read in reads
        }


class Passing(FaultTest):
    def absorbed(self, name, fault, node):
        proxy = self.serve(node, block=BLOCK, folder=self.folder_of(name),
                           more=("--state-deadline", "5s"))
        self.strike(node, fault, count=1)
        reads = self.reads_struck_by(name)
        answers = proxy.parallel(list(reads))
        self.assertEqual(answers, list(reads.values()))
        self.assertEqual(node.counters()["faults"], len(reads))
        proxy.stop()

    def test_it_is_absorbed(self):
        self.each({**FAULTS, **ODDITIES}, self.absorbed)

    def free(self, name, fault, node):
        proxy = self.serve(node, block=BLOCK, folder=self.folder_of(name))
        self.strike(node, fault)
        node.control(reset_counters=True)
        for read, value in self.reads.items():
            self.assertEqual(proxy.rpc(*read), value)
        self.assertEqual(set(self.times_asked(node, self.reads).values()), {1})
        proxy.stop()

    def test_an_oddity_costs_nothing(self):
        self.each(ODDITIES, self.free)

    def test_retry_after_is_waited_for(self):
        node = self.mock()
        proxy = self.serve(node, block=BLOCK)
        self.strike(node, http_fault(429, retry_after=1), count=1)
        read, value = next(iter(self.reads.items()))
        start = time.monotonic()
        self.assertEqual(proxy.rpc(*read), value)
        self.assertGreater(time.monotonic() - start, 0.9)


class Lasting(FaultTest):
    DEADLINE_MS = 500
    GRACE_S = 10.0  # a loaded machine

    def start(self, name, node):
        return self.serve(
            secret_url(node), block=BLOCK, folder=self.folder_of(name),
            more=("--state-deadline", "%dms" % self.DEADLINE_MS, "--log-level", "debug",
                  "--upstream-header", "X-Api-Key: " + HEADER_KEY)
        )

    def check_error(self, name, read, error, node):
        self.assertIsInstance(error, RpcError, read)
        self.assertIsInstance(error.code, int)
        self.assertTrue(error.message)
        # What a node says to a call is its answer, and is passed on.
        if FAULTS[name]["kind"] == "rpc-error" and read[0] == "eth_getBlockByNumber":
            if error.message == FAULTS[name]["message"]:
                self.assertEqual(error.code, FAULTS[name]["code"])
                return
        self.assertIn("127.0.0.1:%d" % node.port, error.message)
        self.assertNotEqual(error.code, -32601)

    def check_no_secret(self, proxy, errors):
        said = {
            "answers": "\n".join(str(error) for error in errors),
            "metrics": proxy.http("GET", "/metrics").body.decode(),
            "health": proxy.http("GET", "/healthz").body.decode(),
            "stdout": proxy.stdout,
            "stderr": proxy.stderr,
        }
        for where, text in said.items():
            for secret in SECRETS:
                self.assertNotIn(secret, text, where)

    def recovered(self, proxy, read):
        """The first answer after the fault: a back-off may have to pass first."""
        deadline = time.monotonic() + self.GRACE_S
        while True:
            try:
                return proxy.rpc(*read)
            except RpcError:
                if time.monotonic() > deadline:
                    raise

    def one_error(self, name, fault, node):
        proxy = self.start(name, node)
        self.strike(node, fault)
        reads = self.reads_struck_by(name)
        start = time.monotonic()
        errors = proxy.parallel(list(reads))
        self.assertLess(time.monotonic() - start, self.DEADLINE_MS / 1e3 + self.GRACE_S)
        for read, error in zip(reads, errors):
            self.check_error(name, read, error, node)
        self.assertIn(PATH_KEY, node.last()["head"], "the URL's path was not used")
        self.assertIn(HEADER_KEY, node.last()["head"], "the header was not sent")
        node.control(faults=[], reset_counters=True)
        for read, value in self.reads.items():
            self.assertEqual(self.recovered(proxy, read), value)
        # Of the others, what the node said was good as an answer, and may have been kept.
        self.assertEqual(set(self.times_asked(node, reads).values()), {1})
        node.control(reset_counters=True)
        for read, value in self.reads.items():
            self.assertEqual(proxy.rpc(*read), value)
        self.assertEqual(node.counters()["http_requests"], 0)
        self.check_no_secret(proxy, errors)
        proxy.stop()
        proxy = self.serve(block=BLOCK, folder=self.folder_of(name), more=("--offline",))
        for read, value in self.reads.items():
            self.assertEqual(proxy.rpc(*read), value)
        proxy.stop()

    def test_it_is_one_clear_error_and_nothing_is_kept(self):
        self.each(FAULTS, self.one_error)

    def echoed(self, name, fault, node):
        proxy = self.start("echo " + name, node)
        self.strike(node, fault)
        errors = proxy.parallel(list(self.reads))
        self.assertEqual({type(error) for error in errors}, {RpcError})
        self.check_no_secret(proxy, errors)
        proxy.stop()

    ECHO = " ".join(("invalid key", PATH_KEY, QUERY_KEY, HEADER_KEY, PASSWORD))
    ECHO_JSON = '{"error":{"code":-32000,"message":"%s"}}' % ECHO

    def test_a_gateway_that_echoes_the_keys(self):
        faults = {
            "page": http_fault(403, body=self.ECHO),
            "page 500": http_fault(500, body=self.ECHO),
            "JSON": http_fault(401, body=self.ECHO_JSON),
            "key error": rpc_fault(-32000, "project id: " + self.ECHO),
            "rate": rpc_fault(-32005, "daily request count exceeded: " + self.ECHO),
            "value": {"kind": "value", "value": self.ECHO},
        }
        self.each(faults, self.echoed)

    # An error object that answers a call goes to the client, but for the keys.
    def test_a_node_that_echoes_the_keys_in_the_answer_to_a_call(self):
        self.echoed("error", rpc_fault(-32000, self.ECHO), self.mock())

    def test_a_node_that_echoes_the_keys_with_status_500(self):
        self.echoed("error", http_fault(500, body=self.ECHO_JSON), self.mock())

    def test_an_upstream_that_has_gone(self):
        node = self.mock()
        proxy = self.serve(node, block=BLOCK, more=("--state-deadline", "500ms"))
        node.stop()
        for error in proxy.parallel(list(self.reads)):
            self.assertIsInstance(error, RpcError)
            self.assertIn("127.0.0.1:%d" % node.port, error.message)
            self.assertEqual(error.code, -32603)


class Failover(FaultTest):
    def passed_over(self, name, fault, node):
        other = self.mock()
        proxy = self.serve(node, other, block=BLOCK, folder=self.folder_of(name),
                           more=("--state-deadline", "5s"))
        self.strike(node, fault)
        other.control(reset_counters=True)
        reads = self.reads_struck_by(name)
        self.assertEqual(proxy.parallel(list(reads)), list(reads.values()))
        self.assertEqual(set(self.times_asked(other, reads).values()), {1})
        proxy.stop()
        other.stop()

    def test_the_second_upstream_answers(self):
        self.each(FAULTS, self.passed_over)


class Rate(FaultTest):
    def refused(self, *more):
        """How often a provider that counts each item refuses during 60 questions."""
        node = self.mock(rate={"per_second": 60, "burst": 30, "by": "items"})
        proxy = self.serve(node, block=BLOCK, more=more, folder=self.folder_of(str(more)))
        calls = [("mock_echo", i) for i in range(40)]
        calls += [("eth_getBalance", "0x%040x" % i, hex(BLOCK)) for i in range(20)]
        answers = [answer["result"] for answer in proxy.batch(calls)]
        self.assertEqual(answers[:40], [[i] for i in range(40)])
        self.assertEqual(answers[40:], ["0x0"] * 20)
        return node.counters()["refused"]

    def test_a_known_limit_is_kept(self):
        self.assertGreater(self.refused(), 0)
        self.assertEqual(self.refused("--upstream-rate", 50), 0)


if __name__ == "__main__":
    unittest.main()
