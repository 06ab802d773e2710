# SPDX-License-Identifier: MIT
"""What servers of this kind have been hurt by, one test each: the test fails when the guard is
taken away. Where a part of a guard is seen better from inside, the docstring names the unit test.
"""

import gzip
import http.client
import http.server
import json
import os
import re
import socket
import subprocess
import threading
import unittest

from harness import (
    BUILD, CHECKED, Forkcache, ForkcacheTest, MockNode, RpcError, TIMEOUT, http_post, read_all,
    read_reply, request, serve_args
)

BLOCK = 100
MIB = 1 << 20
CHAIN = request("eth_chainId")
CHAIN_ID = "0x11f63"
GET = "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"
LOG_LINE = re.compile(
    r'ts=\S+ level=(debug|info|warn|error) msg="([^"\\]|\\.)*"'
    r'( [a-z_]+=("([^"\\]|\\.)*"|0x[0-9a-f]*|-?[0-9]+))*'
)
SECRETS = ("pass-7Q3kd0", "path-9fJ2xx", "query-4Zp1aa", "header-8Kd6bb")


class LyingNode(http.server.ThreadingHTTPServer):
    """In front of a mock node; lie(body) may give (headers, body) to answer instead."""

    daemon_threads = True

    def __init__(self, node, lie):
        super().__init__(("127.0.0.1", 0), LyingHandler)
        self.node, self.lie, self.lies = node, lie, 0
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # a client that has gone


class LyingHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lie = self.server.lie(body)
        if lie is None:
            node = self.server.node
            connection = http.client.HTTPConnection(node.host, node.port, timeout=TIMEOUT)
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            lie = {}, connection.getresponse().read()
            connection.close()
        else:
            self.server.lies += 1
        self.send_response(200)
        for name, value in lie[0].items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(lie[1])))
        self.end_headers()
        self.wfile.write(lie[1])

    def log_message(self, *unused):
        pass


def peak(pid):
    """The most bytes that a process has held."""
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1]) << 10


class KnownFailure(ForkcacheTest):
    def setUp(self):
        super().setUp()
        self.node = self.mock()
        self.s = self.node.samples()

    def start(self, *more, **how):
        proxy = self.serve(how.pop("upstream", self.node), block=how.pop("block", BLOCK),
                           more=more, **how)
        self.node.control(reset_counters=True)
        return proxy

    def lying(self, lie):
        liar = LyingNode(self.node, lie)
        self.addCleanup(liar.stop)
        return liar

    def transaction(self, number=BLOCK - 5):
        return self.node.rpc("eth_getBlockByNumber", hex(number), False)["transactions"][0]

    def first_reply(self, proxy, sent):
        with proxy.socket() as connection:
            connection.sendall(sent if isinstance(sent, bytes) else sent.encode())
            return read_reply(connection)

    def check_alive(self, proxy):
        self.assertEqual(proxy.rpc("eth_chainId"), CHAIN_ID)

    def read_until_right(self, proxy, read):
        """An upstream that lied is given up for a moment."""
        for _ in range(200):
            try:
                return proxy.rpc(*read)
            except RpcError:
                continue
        return proxy.rpc(*read)

    def check_not_poisoned(self, proxy, reads, folder=None):
        """Each is right, and then again without a question to the node."""
        truth = [self.node.rpc(*read) for read in reads]
        self.assertEqual([self.read_until_right(proxy, read) for read in reads], truth)
        self.node.control(faults=[], reset_counters=True)
        self.assertEqual([proxy.rpc(*read) for read in reads], truth)
        proxy.wait_committed()
        proxy.stop()
        offline = self.serve(block=BLOCK, more=("--offline",), folder=folder)
        self.assertEqual([offline.rpc(*read) for read in reads], truth)
        self.assertEqual(self.node.counters()["http_requests"], 0)


class Clients(KnownFailure):
    def test_dns_rebinding(self):
        """A page's own name that resolves to this machine."""
        proxy = self.start("--allow-host", "cache.example")
        call = json.dumps(request("eth_getBalance", self.s["reader"], "latest")).encode()
        post = "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
        for host in ("evil.example", "evil.example:8545", "localhost.evil.example",
                     "127.0.0.1.evil.example", "cache.example.evil.example", "127.1"):
            sent = (post % ("/", host, len(call))).encode() + call
            self.assertEqual(self.first_reply(proxy, sent).status, 403, host)
            for path in ("/", "/metrics", "/healthz"):
                self.assertEqual(self.first_reply(proxy, GET % (path, host)).status, 403)
        sent = (post % ("http://evil.example/", "evil.example", len(call))).encode() + call
        self.assertEqual(self.first_reply(proxy, sent).status, 403)
        self.assertEqual(self.node.counters()["http_requests"], 0)
        self.assertEqual(self.first_reply(proxy, GET % ("/", "cache.example:1")).status, 200)

    def cors(self, reply):
        return {k: v for k, v in reply.headers.items() if k.startswith("access-control")}

    def preflight(self, proxy, origin):
        return proxy.http("OPTIONS", "/", headers={
            "Origin": origin, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type"})

    def test_cors_star(self):
        """No page reads an answer, or has a call made, unless its origin was configured."""
        proxy = self.start()
        evil = {"Origin": "https://evil.example"}
        for reply in (proxy.post(CHAIN, headers=evil), proxy.http("GET", "/metrics", None, evil),
                      proxy.http("GET", "/no", None, evil), self.preflight(proxy, evil["Origin"])):
            self.assertEqual(self.cors(reply), {})
            self.assertNotIn("vary", reply.headers)
        self.assertEqual(self.preflight(proxy, evil["Origin"]).status, 405)
        # The one body that a browser would send without asking: it has no type.
        untyped = proxy.http("POST", "/", json.dumps(CHAIN).encode(), evil)
        self.assertEqual(untyped.status, 415)

    def test_cors_of_those_configured(self):
        token = os.path.join(self.folder, "token")
        with open(token, "w") as file:
            file.write("t0ken\n")
        proxy = self.start("--allow-origin", "https://app.example", "--allow-origin",
                           "http://localhost:3000", "--token-file", token,
                           folder=self.folder + "/1", headers={"Authorization": "Bearer t0ken"})
        for origin in ("https://app.example", "http://localhost:3000"):
            # A preflight bears no token.
            asked = self.first_reply(proxy, "OPTIONS / HTTP/1.1\r\nHost: localhost\r\n"
                                            "Origin: %s\r\n\r\n" % origin)
            self.assertEqual((asked.status, asked.body), (200, b""))
            self.assertIn("POST", asked.headers["access-control-allow-methods"])
            self.assertIn("Authorization", asked.headers["access-control-allow-headers"])
            denied = self.first_reply(proxy, http_post(CHAIN, "Origin: %s\r\n" % origin))
            self.assertEqual(denied.status, 401)
            for reply in (asked, denied, proxy.post(CHAIN, headers={"Origin": origin})):
                self.assertEqual(reply.headers["access-control-allow-origin"], origin)
                self.assertEqual(reply.headers["vary"], "Origin")
        for origin in ("https://evil.example", "https://app.example.evil.example", "null",
                       "http://app.example", "https://app.example:444"):
            self.assertEqual(self.preflight(proxy, origin).status, 403, origin)
            reply = proxy.post(CHAIN, headers={"Origin": origin})
            self.assertEqual((self.cors(reply), reply.headers["vary"]), ({}, "Origin"))
        self.assertEqual(proxy.post(CHAIN).headers["vary"], "Origin")
        status, said = self.refused(self.node, block=BLOCK, folder=self.folder + "/2",
                                    more=("--allow-origin", "*", "--token-file", token))
        self.assertEqual(status, 2)
        self.assertIn("--allow-origin", said)
        star = self.serve(self.node, block=BLOCK, folder=self.folder + "/2",
                          more=("--allow-origin", "*"))
        reply = star.post(CHAIN, headers={"Origin": "https://any.example"})
        self.assertEqual(reply.headers["access-control-allow-origin"], "*")

    def test_exposed_port(self):
        printed = subprocess.run([os.path.join(BUILD, "forkcache"), "serve", "--print-config"],
                                 capture_output=True, check=True)
        self.assertIn(b"\n#listen: 127.0.0.1:8545\n", printed.stdout)
        proxy = self.start()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", proxy.port), TIMEOUT)
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            status, said = self.refused(self.node, block=BLOCK, folder=self.folder + "/2",
                                        more=("--listen", address))
            self.assertEqual(status, 2, address)
            self.assertIn("--insecure-public", said)

    def test_deep_json(self):
        """64 levels of a client, 1,024 of an upstream; nobody's stack is at stake. See also
        test_json.c."""
        deep = {"n": 0}

        def lie(body):
            if b"debug_traceTransaction" not in body:
                return None
            asked = json.loads(body)
            value = '{"jsonrpc":"2.0","id":%s,"result":%s%s}' % (
                json.dumps(asked["id"]), "[" * deep["n"], "]" * deep["n"])
            return {"Content-Type": "application/json"}, value.encode()

        proxy = self.start("--trace-deadline", "500ms", upstream=self.lying(lie))
        traced = ("debug_traceTransaction", self.transaction(), {})
        for deep["n"] in (1100, 20000, 1000000):
            self.assertIsInstance(proxy.error(*traced), RpcError)
        deep["n"] = 1000
        body = self.read_raw_until_result(proxy, traced)
        self.assertIn(b"[" * 1000 + b"]" * 1000, body)
        for n in (62, 100, 1000000):
            body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[%s%s]}'
            reply = proxy.post(body % (b"[" * n, b"]" * n))
            self.assertEqual(reply.json["error"]["code"], -32602 if n == 62 else -32700, n)
        self.check_alive(proxy)

    def read_raw_until_result(self, proxy, call):
        for _ in range(200):
            body = proxy.post(request(*call)).body
            if b'"result"' in body:
                return body
        return body

    def test_batch_amplification(self):
        """A small body that asks for a large reply, and for much work upstream."""
        proxy = self.start("--batch-reply-limit", "4M")
        calls = [request("eth_getCode", self.s["large"], "latest", id=i) for i in range(1000)]
        reply = proxy.post(calls)
        answers = reply.json
        size = 2 + 2 * 24063
        self.assertEqual([answer["id"] for answer in answers], list(range(1000)))
        fit = sum("result" in answer for answer in answers)
        self.assertEqual(fit, 4 * MIB // (size + len('{"jsonrpc":"2.0","id":10,"result":""},')) + 1)
        self.assertLess(len(reply.body), 4 * MIB + size + 1000 * 100)
        self.assertEqual({answer["error"]["code"] for answer in answers[fit:]}, {-32003})
        self.assertLessEqual(self.node.counters()["items"], 2, "one code is asked for once")
        # And the number of calls is bounded before any of them begins.
        self.node.control(reset_counters=True)
        calls = [request("eth_getBalance", self.s["eoa"], hex(i % 90), id=i) for i in range(1001)]
        self.assertEqual(proxy.post(calls).json[0]["error"]["message"], "batch too large")
        self.assertEqual(self.node.counters()["http_requests"], 0)

    def dribble(self, proxy, start, piece):
        """Sends a byte now and then, for ever; returns the answer that ends it."""
        with proxy.socket() as slow:
            slow.sendall(start)
            slow.setblocking(False)
            for _ in range(200000):
                self.check_alive(proxy)  # others are served meanwhile: this is the pace
                try:
                    return slow.recv(4096)
                except BlockingIOError:
                    slow.send(piece)
        self.fail("it may go on for ever")

    def test_slowloris(self):
        """A head, a body, and a reader that never come to an end. See also test_connections.py
        and test_server_limits.c."""
        proxy = self.start("--head-timeout", "300ms", "--body-timeout", "300ms",
                           "--send-timeout", "300ms")
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX: "
        self.assertIn(b" 408 ", self.dribble(proxy, head, b"x"))
        length = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n["
        self.assertIn(b" 408 ", self.dribble(proxy, length, b" "))
        chunked = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertIn(b" 408 ", self.dribble(proxy, chunked, b"1\r\n \r\n"))
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((proxy.host, proxy.port))
            calls = [request("eth_getCode", self.s["large"], "latest")] * 400
            reader.sendall(http_post(calls))
            proxy.wait_until(lambda metrics: metrics["forkcache_connections"] == 2)
            proxy.wait_until(lambda metrics: metrics["forkcache_connections"] == 1)
            reader.settimeout(TIMEOUT)
            self.assertLess(len(read_all(reader)), 400 * 48000)

    def test_a_client_over_its_rate(self):
        """Every call of a batch counts; see also test_rates.c."""
        proxy = self.start("--client-rate", "1", "--client-burst", "50")
        answers = proxy.batch([("eth_chainId",)] * 1000)
        self.assertEqual([answer["result"] for answer in answers], [CHAIN_ID] * 1000)
        sent = http_post(CHAIN)
        for reply in (self.first_reply(proxy, sent), self.first_reply(proxy, GET % ("/", "[::1]"))):
            self.assertEqual(reply.status, 429)
            self.assertTrue(800 < int(reply.headers["retry-after"]) <= 951, reply.headers)
        with proxy.socket() as connection:  # which is kept
            connection.sendall(sent + sent)
            self.assertEqual([read_reply(connection).status for _ in range(2)], [429, 429])
        with socket.socket() as other:  # another client
            other.bind(("127.0.0.2", 0))
            other.connect((proxy.host, proxy.port))
            other.sendall(http_post(CHAIN) + (GET % ("/metrics", "localhost")).encode())
            self.assertEqual(read_reply(other).json["result"], CHAIN_ID)
            self.assertIn(b"\nforkcache_rate_limited_total 4\n", read_reply(other).body)


class Words(KnownFailure):
    """What comes from outside, and is written somewhere."""

    def test_credentials_of_upstream_urls(self):
        """See also test_faults.py, of each fault, and test_redact.c."""
        password, path, query, header = SECRETS
        url = "http://someone:%s@%s:%d/v2/%s?apikey=%s" % (
            password, self.node.host, self.node.port, path, query)
        env = {"FORKCACHE_UPSTREAM": url, "FORKCACHE_UPSTREAM_HEADER": "X-Api-Key: " + header}
        argv = serve_args([], self.folder, "--log-level", "debug", "--state-deadline", "300ms",
                          "--call-deadline", "300ms", block=str(BLOCK))
        proxy = self.started(Forkcache(*argv, env=env))
        said = []
        self.assertIn(path, self.node.last()["head"])
        echo = " ".join(SECRETS)
        for fault in ({"kind": "rpc-error", "code": -32000, "message": "execution " + echo},
                      {"kind": "reset"}, {"kind": "http", "status": 401, "body": echo}):
            self.node.control(faults=[fault])
            said.append(proxy.post(request("eth_call", {"to": self.s["reader"]}, "latest"))
                        .body.decode())
            said.append(str(proxy.error("eth_getStorageAt", self.s["reader"], "0x1", "latest")))
        self.assertIn("execution *****", said[0], "the node's words are passed on")
        for route in ("/metrics", "/healthz", "/status"):
            said.append(proxy.http("GET", route).body.decode())
        environment = dict(os.environ, **env)
        for more in (["--print-config"], ["--help"], ["--chain-id", "7"], ["--memory", "1X"]):
            done = subprocess.run([*proxy.argv[:1], *argv, *more], env=environment,
                                  capture_output=True, timeout=TIMEOUT)
            said.append((done.stdout + done.stderr).decode())
        done = subprocess.run([*proxy.argv[:1], *argv], capture_output=True, timeout=TIMEOUT,
                              env=dict(env, FORKCACHE_UPSTREAM=url.replace("http:", "ftp:")))
        said += [(done.stdout + done.stderr).decode(), proxy.stdout, proxy.stderr]
        self.assertEqual(done.returncode, 2)
        for secret in SECRETS:
            self.assertNotIn(secret, "\n".join(said))

    def test_unbounded_metric_labels(self):
        proxy = self.start()
        proxy.error("made_up")
        names = set(proxy.metrics())
        for i in range(500):
            proxy.error("made_up_%d" % i)
            proxy.http("GET", "/path-%d" % i)
        metrics = proxy.metrics()
        self.assertEqual(set(metrics), names)
        self.assertEqual(sum("made_up" in name for name in metrics), 0)
        self.assertEqual(metrics["forkcache_call_errors_total"], 501)

    def test_log_injection(self):
        """See also test_log.c: nothing_forges_a_line."""
        forged = '\r\nts=1 level=error msg="forged"\x1b[31m\u009b31m\u2028'
        self.node.control(client_version="geth\u009b31m")  # what JSON lets stand as it is
        proxy = self.start("--log-level", "debug", "--state-deadline", "300ms",
                           "--call-deadline", "300ms")
        for name in ("m" + forged, forged, "a\x00b", '"\\'):
            error = proxy.error(name)
            self.assertEqual(error.code, -32601)
        for header in ("Host: evil\x1b[31m", "Host: a\rb", "Host: localhost\r\nX: \x1b[31m",
                       "Host: localhost\r\nAuthorization: Bearer \x1b[0m"):
            sent = ("GET / HTTP/1.1\r\n%s\r\n\r\n" % header).encode()
            self.assertIn(self.first_reply(proxy, sent).status, (400, 403), header)
        read = ("eth_getStorageAt", self.s["reader"], "0x2", "latest")
        for fault in ({"kind": "rpc-error", "code": -32005, "message": forged},
                      {"kind": "rpc-error", "code": -32000, "message": forged},
                      {"kind": "http", "status": 500, "body": forged},
                      {"kind": "value", "value": forged}):
            self.node.control(faults=[fault])
            self.assertNotIn("\n", proxy.error(*read).message)
            body = proxy.post(request("eth_call", {"to": self.s["reader"]}, "latest")).body
            self.assertNotRegex(body, rb"[\x00-\x1f]")
        self.node.control(faults=[])
        proxy.stop()
        self.assertIn('client="geth\\xc2\\x9b31m"', proxy.stderr)
        self.assertNotRegex(proxy.stderr + proxy.stdout, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        self.assertEqual(proxy.stdout.count("\n"), 1)
        for line in proxy.stderr.splitlines():
            self.assertRegex(line, re.compile("^(%s)$" % LOG_LINE.pattern))


class Upstreams(KnownFailure):
    def test_cache_poisoning_by_key_collision(self):
        """Questions that differ only where a careless key would not. Those whose hashes are the
        same are test_collide.c's."""
        s, at = self.s, hex(BLOCK)
        tx, block = self.transaction(), self.node.rpc("eth_getBlockByNumber", hex(BLOCK - 1), False)["hash"]
        proxy = self.start()
        self.check_not_poisoned(proxy, [
            ("eth_getTransactionByHash", tx), ("eth_getTransactionReceipt", tx),
            ("eth_getBlockByHash", block, False), ("eth_getBlockByHash", block, True),
            ("eth_getBlockByNumber", hex(BLOCK - 1), True),
            ("eth_getBlockByNumber", hex(BLOCK - 1), False),
            ("eth_getBlockTransactionCountByHash", block),
            ("eth_getTransactionByBlockHashAndIndex", block, "0x0"),
            *[("eth_getStorageAt", s[name], slot, number)
              for name in ("reader", "reader_2") for slot in ("0x1", "0x10", "0x100")
              for number in (at, "0x1", "0x10")],
            *[(method, s["reader"], at) for method in
              ("eth_getBalance", "eth_getTransactionCount", "eth_getCode")],
        ])

    def test_cache_poisoning_by_null_above_the_head(self):
        later = ("eth_getBlockByNumber", hex(BLOCK + 1), False)
        block = self.node.rpc(*later)
        by_hash = ("eth_getBlockByHash", block["hash"], False)
        tx = ("eth_getTransactionByHash", block["transactions"][0])
        proxy = self.start("--state-deadline", "300ms")
        for read in (later, by_hash, tx):
            self.assertIsNone(proxy.rpc(*read), read)
        # A node that has fallen behind, and denies what it will have again.
        old = self.node.rpc("eth_getBlockByNumber", hex(BLOCK - 5), False)
        denied = [("eth_getBlockByNumber", hex(BLOCK - 5), False),
                  ("eth_getBlockByHash", old["hash"], False),
                  ("eth_getBlockTransactionCountByHash", old["hash"]),
                  ("eth_getTransactionByBlockHashAndIndex", old["hash"], "0x0")]
        self.node.control(lag=256 - (BLOCK - 10))
        for read in denied:
            proxy.post(request(*read))
        self.node.control(lag=0)
        self.assertEqual([self.read_until_right(proxy, read) for read in denied],
                         [self.node.rpc(*read) for read in denied])
        proxy.wait_committed()
        proxy.stop()
        proxy = self.start(block=BLOCK + 10)
        for read in (later, by_hash, tx):
            self.assertEqual(proxy.rpc(*read), self.node.rpc(*read))

    def test_cache_poisoning_by_null_near_the_head(self):
        """Pinned at a block that is not final, nobody's null is kept."""
        proxy = self.start(block=250)
        tx = self.transaction(240)
        for read in (("eth_getTransactionByHash", tx), ("eth_getTransactionReceipt", tx)):
            self.node.control(faults=[{"kind": "null", "method": read[0], "count": 1}])
            self.assertIsNone(proxy.rpc(*read))
            self.assertEqual(proxy.rpc(*read), self.node.rpc(*read))

    def test_cache_poisoning_by_null_of_a_node_that_lags(self):
        """Pinned at a final block: who is behind that has not got its transactions yet."""
        tx, unknown = self.transaction(BLOCK - 1), "0x" + "ab" * 32
        reads = [("eth_getTransactionByHash", tx), ("eth_getTransactionReceipt", tx)]
        truth = [self.node.rpc(*read) for read in reads]
        proxy = self.start("--state-deadline", "500ms")
        self.node.control(lag=256 - (BLOCK - 10))
        for read in reads:
            with self.assertRaises(RpcError):
                proxy.rpc(*read)
        # Two nodes behind one name, of which one is behind.
        self.node.control(lag=0, alternate=256 - (BLOCK - 10))
        self.assertEqual([self.read_until_right(proxy, read) for read in reads], truth)
        self.node.control(alternate=0, reset_counters=True)
        for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt"):
            for _ in range(5):
                self.assertIsNone(proxy.rpc(method, unknown))
            self.assertEqual(self.node.counters()["methods"][method], 2)
        self.check_not_poisoned(proxy, reads)

    def test_cache_poisoning_by_another_requests_answer(self):
        """Answers are matched by id, not by place; see also test_fork_faults.c."""
        for kind in ("batch-reversed", "batch-duplicate", "batch-extra", "batch-missing",
                     "wrong-id"):
            with self.subTest(kind):
                self.node.reset()
                self.node.control(missing=["eth_getStorageValues", "eth_getAccountInfo"])
                proxy = self.start(folder=os.path.join(self.folder, kind))
                self.node.control(add_faults=[{"kind": kind, "method": "eth_getStorageAt",
                                               "count": 1}])
                reads = [("eth_getStorageAt", self.s["reader"], hex(slot), hex(BLOCK))
                         for slot in (1, 2, 3, 5, 6, 8, 10, 12, 14, 15, 16, 17, 22, 23, 24)]
                answers = proxy.batch(reads)
                self.assertEqual(self.node.counters()["faults"], 1)
                self.node.control(faults=[])
                truth = [self.node.rpc(*read) for read in reads]
                self.assertEqual(len(set(truth)), len(truth), "they can be told apart")
                self.assertEqual([answer.get("result") for answer in answers], truth)
                self.check_not_poisoned(proxy, reads, os.path.join(self.folder, kind))

    def test_cache_poisoning_by_a_wrong_block_index(self):
        """An answer about another block, or another place in it; see also test_keep.c."""
        block = self.node.rpc("eth_getBlockByNumber", hex(BLOCK - 5), False)
        other = self.node.rpc("eth_getBlockByNumber", hex(BLOCK - 6), True)
        tx, elsewhere = block["transactions"][0], other["transactions"][0]
        receipt = self.node.rpc("eth_getTransactionReceipt", elsewhere["hash"])
        other_block = dict(other, transactions=[t["hash"] for t in other["transactions"]])
        lies = {
            ("eth_getBlockByNumber", hex(BLOCK - 5), False): other_block,
            ("eth_getBlockByHash", block["hash"], False): other_block,
            ("eth_getTransactionByHash", tx): elsewhere,
            ("eth_getTransactionReceipt", tx): receipt,
            ("eth_getTransactionByBlockHashAndIndex", block["hash"], "0x0"): elsewhere,
            ("eth_getTransactionByBlockNumberAndIndex", hex(BLOCK - 5), "0x0"): elsewhere,
        }
        for read, value in lies.items():
            with self.subTest(read[0]):
                self.node.reset()
                folder = os.path.join(self.folder, read[0])
                proxy = self.start(folder=folder)
                self.node.control(add_faults=[{"kind": "value", "value": value,
                                               "method": read[0], "count": 1}])
                self.assertEqual(self.read_until_right(proxy, read), self.truth_of(read))
                self.assertEqual(self.node.counters()["faults"], 1)
                self.check_not_poisoned(proxy, [read], folder)

    def truth_of(self, read):
        with MockNode() as node:
            return node.rpc(*read)

    def test_decompression_bombs(self):
        """Of a client: none is unpacked. Of an upstream: it is read as far as an answer may be
        long. That this is its length unpacked is test_client.c's (decodes_gzip_within_the_bound):
        towards this machine gzip is not asked for, and what comes is not unpacked."""
        bomb = gzip.compress(bytes(MIB))
        gzipped = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        lies = [(gzipped, bomb), ({}, bytes(256 * MIB))]
        liar = self.lying(
            lambda body: lies[self.length] if b"eth_getCode" in body else None)
        proxy = self.start("--state-deadline", "3s", upstream=liar)
        for coding in ("gzip", "deflate", "br", "gzip, gzip"):
            reply = proxy.http("POST", "/", bomb, {
                "Content-Type": "application/json", "Content-Encoding": coding})
            self.assertEqual(reply.status, 415, coding)
        self.length = 0
        self.assertEqual(proxy.error("eth_getCode", self.s["large"], "latest").code, -32603)
        self.length = 1
        before = peak(proxy.pid)
        error = proxy.error("eth_getCode", self.s["large"], "latest")
        self.assertIn("127.0.0.1:%d" % liar.server_port, error.message)
        self.assertGreater(liar.lies, 0)
        if not CHECKED:
            self.assertLess(peak(proxy.pid) - before, 160 * MIB)
        self.check_alive(proxy)


if __name__ == "__main__":
    unittest.main()
