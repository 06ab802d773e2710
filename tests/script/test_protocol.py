# SPDX-License-Identifier: MIT
"""HTTP and JSON-RPC, byte by byte: raw sockets against the program."""

import json
import os
import re
import tempfile
import unittest

from harness import (
    Forkcache, ForkcacheTest, MockNode, read_all, read_reply, receive, request, serve_args
)

BLOCK = 100
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
CHAIN = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
CHAIN_ANSWER = {"jsonrpc": "2.0", "id": 1, "result": "0x11f63"}


def post(body, headers=HOST + JSON, line=b"POST / HTTP/1.1\r\n", length=None):
    length = len(body) if length is None else length
    return line + headers + b"Content-Length: %d\r\n\r\n" % length + body


class ProtocolTest(ForkcacheTest):
    """One program for the tests of a class."""

    more = ("--head-timeout", "300ms", "--body-timeout", "300ms", "--body-limit", "256k",
            "--allow-host", "node.example")
    headers = {}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="forkcache-")
        cls.addClassCleanup(folder.cleanup)
        cls.node = MockNode()
        cls.addClassCleanup(cls.node.stop)
        cls.s = cls.node.samples()
        more = [part.replace("FOLDER", folder.name) for part in cls.more]
        cls.prepare(folder.name)
        cache = os.path.join(folder.name, "cache")
        cls.proxy = Forkcache(*serve_args([cls.node], cache, *more, block=BLOCK),
                              headers=cls.headers)
        cls.addClassCleanup(cls.proxy.stop)

    @classmethod
    def prepare(cls, folder):
        pass

    def setUp(self):
        super().setUp()
        self.node.reset()

    def replies(self, sent, n=1):
        """The first n answers to bytes."""
        with self.proxy.socket() as connection:
            connection.sendall(sent)
            return [read_reply(connection) for _ in range(n)]

    def status(self, sent):
        return self.replies(sent)[0].status

    def check_closed_after(self, sent, status):
        """The answer has this status, and the server closes."""
        with self.proxy.socket() as connection:
            connection.sendall(sent)
            received = read_all(connection)
        self.assertTrue(received.startswith(b"HTTP/1.1 %d " % status), received[:200])
        self.assertIn(b"\r\nConnection: close\r\n", received)
        self.assertEqual(len(re.findall(rb"HTTP/1\.1 \d", received)), 1, received)

    def check_alive(self):
        self.assertEqual(self.replies(post(CHAIN))[0].json, CHAIN_ANSWER)


class Http(ProtocolTest):
    def test_200(self):
        reply, = self.replies(post(CHAIN))
        self.assertEqual((reply.status, reply.json), (200, CHAIN_ANSWER))
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertEqual(int(reply.headers["content-length"].strip()), len(reply.body))
        self.assertNotIn("access-control-allow-origin", reply.headers)

    def test_errors_of_json_rpc_are_200(self):
        for body in (b"", b"{", b"[]", b"7", b'{"jsonrpc":"2.0","id":1,"method":"no_such"}'):
            self.assertEqual(self.status(post(body)), 200, body)

    def test_content_types(self):
        for value, status in (
            (b"application/json", 200), (b"application/json; charset=utf-8", 200),
            (b"Application/JSON", 200), (b"application/json-rpc", 200),
            (b"application/jsonrequest", 200), (b"text/plain", 415), (b"text/html", 415),
            (b"application/x-www-form-urlencoded", 415), (b"application/jsonx", 415),
        ):
            sent = post(CHAIN, HOST + b"Content-Type: " + value + b"\r\n")
            self.assertEqual(self.status(sent), status, value)
        self.assertEqual(self.status(post(CHAIN, HOST)), 200, "none")

    def test_content_codings_of_requests(self):
        for coding, status in ((b"gzip", 415), (b"br", 415), (b"identity", 415)):
            sent = post(CHAIN, HOST + JSON + b"Content-Encoding: " + coding + b"\r\n")
            self.assertEqual(self.status(sent), status, coding)

    def test_gzip_is_never_sent_unasked(self):
        body = json.dumps(request("eth_getCode", self.s["large"], "latest")).encode()
        reply, = self.replies(post(body))
        self.assertNotIn("content-encoding", reply.headers)
        self.assertEqual(len(reply.json["result"]), 2 + 2 * 24063)
        # Nor towards this machine.
        reply, = self.replies(post(body, HOST + JSON + b"Accept-Encoding: gzip\r\n"))
        self.assertNotIn("content-encoding", reply.headers)

    def test_methods_and_paths(self):
        for line, status in (
            (b"GET / HTTP/1.1\r\n", 200), (b"GET /healthz HTTP/1.1\r\n", 200),
            (b"GET /metrics HTTP/1.1\r\n", 200), (b"GET /nothing HTTP/1.1\r\n", 404),
            (b"PUT / HTTP/1.1\r\n", 405), (b"DELETE / HTTP/1.1\r\n", 405),
            (b"OPTIONS / HTTP/1.1\r\n", 405), (b"PATCH / HTTP/1.1\r\n", 405),
        ):
            self.assertEqual(self.status(line + HOST + b"\r\n"), status, line)
        self.assertEqual(self.status(post(CHAIN, line=b"POST /nothing HTTP/1.1\r\n")), 404)

    def test_framing_that_is_refused(self):
        line = b"POST / HTTP/1.1\r\n"
        chunked = b"Transfer-Encoding: chunked\r\n"
        for name, head in (
            ("both lengths", line + HOST + chunked + b"Content-Length: 5\r\n"),
            ("two lengths", line + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n"),
            ("a list of lengths", line + HOST + b"Content-Length: 5, 6\r\n"),
            ("a signed length", line + HOST + b"Content-Length: +5\r\n"),
            ("a hex length", line + HOST + b"Content-Length: 0x5\r\n"),
            ("a NUL", line + HOST + b"X: a\0b\r\nContent-Length: 0\r\n"),
            ("a bare LF", line + b"Host: localhost\nContent-Length: 0\r\n"),
            ("a folded line", line + HOST + b"X: a\r\n b\r\nContent-Length: 0\r\n"),
            ("a space before the colon", line + HOST + b"Content-Length : 0\r\n"),
            ("an unknown coding", line + HOST + b"Transfer-Encoding: gzip\r\n"),
            ("chunked not last", line + HOST + b"Transfer-Encoding: chunked, gzip\r\n"),
            ("no host", line + b"Content-Length: 0\r\n"),
            ("two hosts", line + HOST + HOST + b"Content-Length: 0\r\n"),
            ("no version", b"POST /\r\n" + HOST),
            ("another protocol", b"POST / HTTPS/1.1\r\n" + HOST),
        ):
            with self.subTest(name):
                self.check_closed_after(head + b"\r\n", 400)

    def test_a_head_that_is_too_large(self):
        self.check_closed_after(
            b"POST / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20000 + b"\r\n\r\n", 431
        )

    def test_a_body_that_is_too_large(self):
        # Said at once, not after the body.
        self.check_closed_after(post(b"", length=256 * 1024 + 1), 413)
        head = b"POST / HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
        self.check_closed_after(head + b"40001\r\n", 413)
        body = CHAIN + b" " * (256 * 1024 - len(CHAIN))
        self.assertEqual(self.replies(post(body))[0].json, CHAIN_ANSWER)

    def test_slow_clients(self):
        self.check_closed_after(b"POST / HTTP/1.1\r\n" + HOST, 408)
        self.check_closed_after(post(CHAIN[:10], length=len(CHAIN)), 408)

    def test_hosts(self):
        for host, status in (
            (b"localhost", 200), (b"localhost:8545", 200), (b"LOCALHOST", 200),
            (b"127.0.0.1:1", 200), (b"[::1]:8545", 200), (b"192.168.1.7", 200),
            (b"node.example", 200), (b"node.example:8545", 200),
            (b"evil.example", 403), (b"localhost.evil.example", 403),
            (b"127.0.0.1.evil.example", 403), (b"node.example.evil.example", 403),
        ):
            sent = post(CHAIN, b"Host: " + host + b"\r\n" + JSON)
            self.assertEqual(self.status(sent), status, host)
        sent = b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        self.assertEqual(self.status(sent), 403)

    def test_keep_alive_and_pipelining(self):
        bodies = [json.dumps(request("eth_getStorageAt", self.s["reader"], hex(i), "latest",
                                     id=i)).encode() for i in range(50)]
        replies = self.replies(b"".join(post(body) for body in bodies), 50)
        self.assertEqual([reply.json["id"] for reply in replies], list(range(50)))
        truth = self.node.batch([("eth_getStorageAt", self.s["reader"], hex(i), hex(BLOCK))
                                 for i in range(50)])
        self.assertEqual([reply.json["result"] for reply in replies],
                         [answer["result"] for answer in truth])

    def test_a_pipelined_miss_does_not_let_the_next_overtake(self):
        miss = json.dumps(request("eth_getBalance", self.s["reader_2"], "latest", id=7)).encode()
        self.node.hold()
        with self.proxy.socket() as connection:
            connection.sendall(post(miss) + post(CHAIN))
            self.node.wait(held=1)
            self.node.release()
            self.assertEqual([read_reply(connection).json["id"] for _ in range(2)], [7, 1])

    def test_connection_close_and_http_1_0(self):
        for sent in (post(CHAIN, HOST + JSON + b"Connection: close\r\n"),
                     post(CHAIN, JSON, line=b"POST / HTTP/1.0\r\n")):
            with self.proxy.socket() as connection:
                connection.sendall(sent)
                received = read_all(connection)
            self.assertEqual(json.loads(received.split(b"\r\n\r\n", 1)[1]), CHAIN_ANSWER)
        sent = post(CHAIN, JSON + b"Connection: keep-alive\r\n", line=b"POST / HTTP/1.0\r\n")
        self.assertEqual([r.json for r in self.replies(sent + sent, 2)], [CHAIN_ANSWER] * 2)

    def test_chunked(self):
        head = b"POST / HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
        byte_by_byte = b"".join(b"1\r\n%c\r\n" % byte for byte in CHAIN) + b"0\r\n\r\n"
        extended = b"%x;a=b\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(CHAIN), CHAIN)
        for body in (byte_by_byte, extended):
            self.assertEqual(
                [r.json for r in self.replies(head + body + post(CHAIN), 2)], [CHAIN_ANSWER] * 2
            )
        for body in (b"x\r\n", b"-1\r\n", b"1\r\nab\r\n", b"ffffffffffffffffff\r\n"):
            with self.proxy.socket() as connection:
                connection.sendall(head + body)
                received = read_all(connection)
            self.assertRegex(received, b"^HTTP/1.1 4(00|13) ", body)

    def test_expect(self):
        with self.proxy.socket() as connection:
            expect = HOST + JSON + b"Expect: 100-continue\r\n"
            connection.sendall(post(b"", expect, length=len(CHAIN)))
            line = b"HTTP/1.1 100 Continue\r\n\r\n"
            self.assertEqual(receive(connection, len(line)), line)
            connection.sendall(CHAIN)
            self.assertEqual(read_reply(connection).json, CHAIN_ANSWER)

    def test_byte_by_byte(self):
        with self.proxy.socket() as connection:
            for byte in post(CHAIN, HOST + JSON):
                connection.sendall(bytes([byte]))
            self.assertEqual(read_reply(connection).json, CHAIN_ANSWER)

    def test_half_closed(self):
        self.assertEqual(
            json.loads(self.proxy.exchange(post(CHAIN)).split(b"\r\n\r\n", 1)[1]), CHAIN_ANSWER
        )


class JsonRpc(ProtocolTest):
    def answer(self, text):
        body = text if isinstance(text, bytes) else text.encode()
        reply, = self.replies(post(body))
        self.assertEqual(reply.status, 200)
        return reply.json if reply.body else None

    def code(self, text):
        answer = self.answer(text)
        self.assertNotIn("result", answer, text)
        self.assertEqual(answer["jsonrpc"], "2.0")
        self.assertIsInstance(answer["error"]["message"], str)
        return answer["error"]["code"], answer["id"]

    def test_parse_errors(self):
        for text in (
            "", " ", "{", "}", "nonsense", '{"jsonrpc":"2.0",}', "[1,]", "[1 2]", "'a'",
            '{"jsonrpc":"2.0","id":01,"method":"eth_chainId"}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"} x',
            '/* c */{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}',
            '{"jsonrpc":"2.0","id":"\t","method":"eth_chainId"}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[NaN]}',
            b'{"jsonrpc":"2.0","id":"\xff","method":"eth_chainId"}',
            b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}',
        ):
            self.assertEqual(self.code(text), (-32700, None), text)
        self.check_alive()

    def test_depth(self):
        deep = lambda n: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","x":%s%s}' % (
            "[" * n, "]" * n)
        self.assertEqual(self.answer(deep(60)), CHAIN_ANSWER)
        self.assertEqual(self.code(deep(64)), (-32700, None))
        self.assertEqual(self.code("[" * 100000), (-32700, None))
        self.assertEqual(self.code('{"a":' * 20000), (-32700, None))
        self.check_alive()

    def test_invalid_requests(self):
        for text in ("7", '"a"', "null", "true", "{}", '{"jsonrpc":"2.0"}'):
            self.assertEqual(self.code(text)[0], -32600, text)
        for text in (
            '{"id":1,"method":"eth_chainId"}',
            '{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}',
            '{"jsonrpc":2.0,"id":1,"method":"eth_chainId"}',
            '{"jsonrpc":"2.0","id":1}',
            '{"jsonrpc":"2.0","id":1,"method":7}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","method":"eth_blockNumber"}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[],"params":[]}',
        ):
            self.assertEqual(self.code(text)[0], -32600, text)
        for bad_id in ("{}", "[]", "true", "[1]"):
            text = '{"jsonrpc":"2.0","id":%s,"method":"eth_chainId"}' % bad_id
            self.assertEqual(self.code(text), (-32600, None), text)

    def test_ids_are_echoed_byte_for_byte(self):
        for id_text in ("0", "1", "-7", "1.5", "1.50", "1e3", "12345678901234567890", '"a"', '""',
                        '"\\u00e9"', '"\\"\\\\/"', '"é"', "null", '"%s"' % ("x" * 1000)):
            body = '{"jsonrpc":"2.0","id":%s,"method":"eth_chainId"}' % id_text
            reply, = self.replies(post(body.encode()))
            self.assertEqual(
                reply.body.decode(),
                '{"jsonrpc":"2.0","id":%s,"result":"0x11f63"}' % id_text,
            )

    def test_order_of_members_and_unknown_ones(self):
        for text in (
            '{"params":[],"method":"eth_chainId","id":1,"jsonrpc":"2.0"}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":null}',
            '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[],"extra":{"a":[1]}}',
            ' \r\n\t{ "jsonrpc" : "2.0" , "id" : 1 , "method" : "eth_chainId" } \n',
        ):
            self.assertEqual(self.answer(text), CHAIN_ANSWER, text)

    def test_notifications(self):
        note = '{"jsonrpc":"2.0","method":"eth_chainId"}'
        for text in (note, "[%s]" % note, "[%s,%s]" % (note, note)):
            reply, = self.replies(post(text.encode()))
            self.assertEqual((reply.status, reply.body), (200, b""), text)
        self.assertEqual(self.answer("[%s,%s,%s]" % (note, CHAIN.decode(), note)), [CHAIN_ANSWER])

    def test_batches(self):
        self.assertEqual(self.code("[]"), (-32600, None))
        self.assertIn("empty batch", self.answer("[]")["error"]["message"])
        one, junk = self.answer('[%s,7]' % CHAIN.decode())
        self.assertEqual(one, CHAIN_ANSWER)
        self.assertEqual((junk["error"]["code"], junk["id"]), (-32600, None))
        many = self.answer("[%s]" % ",".join(["7"] * 3))
        self.assertEqual([a["error"]["code"] for a in many], [-32600] * 3)
        duplicate = self.answer("[%s,%s]" % (CHAIN.decode(), CHAIN.decode()))
        self.assertEqual(duplicate, [CHAIN_ANSWER] * 2)

    def test_a_batch_in_order(self):
        calls = []
        for i in range(100):
            calls.append(("eth_getStorageAt", self.s["reader"], hex(i), hex(BLOCK - i % 3)))
            calls.append(("eth_chainId",) if i % 2 else ("no_such_method",))
        answers = self.proxy.batch(calls)
        self.assertEqual([answer["id"] for answer in answers], list(range(200)))
        truth = self.node.batch(calls)
        self.assertEqual([a.get("result") for a in answers], [a.get("result") for a in truth])

    def test_a_batch_that_is_too_large(self):
        item = lambda i: json.dumps(request("eth_chainId", id="n%d" % i))
        full = self.answer("[%s]" % ",".join(item(i) for i in range(1000)))
        self.assertEqual(len(full), 1000)
        answer = self.answer("[%s]" % ",".join(item(i) for i in range(1001)))
        if isinstance(answer, list):
            self.assertEqual(len(answer), 1)
            answer = answer[0]
        self.assertEqual(answer["error"]["code"], -32600)
        self.assertIn("batch too large", answer["error"]["message"])
        self.assertEqual(answer["id"], "n0")

    def test_a_batch_whose_reply_is_too_large(self):
        with tempfile.TemporaryDirectory(prefix="forkcache-") as folder, Forkcache(
            *serve_args([self.node], folder, "--reply-limit", "1M", block=BLOCK)
        ) as proxy:
            answers = proxy.batch([("eth_getCode", self.s["large"], "latest")] * 1000)
        self.assertEqual([answer["id"] for answer in answers], list(range(1000)))
        fit = sum("result" in answer for answer in answers)
        self.assertTrue(0 < fit < 1000, fit)
        for answer in answers[fit:]:
            self.assertEqual(answer["error"], {"code": -32003, "message": "response too large"})

    def test_an_error_in_a_batch_stays_its_own(self):
        self.node.control(faults=[{"kind": "rpc-error", "code": 3, "message": "execution reverted",
                                   "data": "0x08c379a0", "method": "eth_call"}])
        answers = self.proxy.batch([
            ("eth_chainId",), ("eth_call", {"to": self.s["reader"]}, "latest"), ("eth_chainId",),
        ])
        self.assertEqual(["result" in answer for answer in answers], [True, False, True])
        self.assertEqual(answers[1]["error"], {"code": 3, "message": "execution reverted",
                                               "data": "0x08c379a0"})

    def test_params(self):
        address = '"%s"' % self.s["eoa"]
        for params, says in (
            ("[]", "missing value for required argument 0"),
            ("[%s,\"latest\",7]" % address, "too many arguments, want at most 2"),
            ('["0x12","latest"]', "invalid argument 0"),
            ('[7,"latest"]', "invalid argument 0"),
            ('[null,"latest"]', "argument 0"),
            ('[%s,"no such block"]' % address, "invalid argument 1"),
            ('[%s,"0x"]' % address, "invalid argument 1"),
            ('[%s,{"blockHash":"0x12"}]' % address, "invalid argument 1"),
            ('[%s,true]' % address, "invalid argument 1"),
        ):
            text = '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":%s}' % params
            self.assertEqual(self.code(text), (-32602, 1), text)
            self.assertIn(says, self.answer(text)["error"]["message"], text)
        for params in ("{}", "7", '"a"', "false"):
            text = '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":%s}' % params
            self.assertIn(self.code(text)[0], (-32602, -32600), text)
        self.assertEqual(self.node.counters()["http_requests"], 0)

    def test_unknown_and_refused_methods(self):
        unavailable = "the method %s does not exist/is not available"
        error = self.proxy.error("no_such_method")
        self.assertEqual((error.code, error.message), (-32601, unavailable % "no_such_method"))
        self.node.control(reset_counters=True)
        for method in (
            "eth_sendTransaction", "eth_sendRawTransaction", "eth_sign", "eth_signTransaction",
            "evm_mine", "evm_snapshot", "anvil_nodeInfo", "anvil_setBalance", "hardhat_reset",
            "tenderly_setBalance", "admin_peers", "admin_addPeer", "miner_start",
            "engine_newPayloadV3", "personal_unlockAccount", "debug_setHead",
            "debug_chaindbCompact", "debug_freeOSMemory", "eth_newFilter", "eth_subscribe",
        ):
            error = self.proxy.error(method)
            self.assertEqual(error.code, -32601)
            self.assertTrue(error.message.startswith(unavailable % method + ": "), error)
        self.assertEqual(self.node.counters()["http_requests"], 0, "one was forwarded")

    def test_a_name_in_escapes_is_no_way_around(self):
        named = lambda name: '{"jsonrpc":"2.0","id":1,"method":"%s"}' % name
        self.assertEqual(self.answer(named("eth_\\u0063hainId")), CHAIN_ANSWER)
        for name in ("eth_send\\u0052awTransaction", "\\u0061dmin_peers"):
            self.assertEqual(self.code(named(name)), (-32601, 1))
        self.assertEqual(self.node.counters()["http_requests"], 0)

    def test_a_request_is_written_anew(self):
        """Nothing of the client's own bytes reaches the upstream but what was meant."""
        odd = ('{"params":[{"to":"%s","data":"0x"},"latest"],"secret-member":"s3cret",'
               '"method":"eth_call","id":"client-id","jsonrpc":"2.0"}' % self.s["eoa"])
        headers = HOST + JSON + b"Authorization: Bearer client-token\r\nCookie: c=1\r\n"
        self.replies(post(odd.encode(), headers))
        last = self.node.last()
        for word in ("s3cret", "client-id", "client-token", "Cookie"):
            self.assertNotIn(word, last["head"] + last["body"])


class Token(ProtocolTest):
    TOKEN = "t0ken-of-the-test"
    more = ("--token-file", "FOLDER/token", "--log-level", "debug")
    headers = {"Authorization": "Bearer " + TOKEN}

    @classmethod
    def prepare(cls, folder):
        path = os.path.join(folder, "token")
        with open(path, "w") as file:
            file.write(cls.TOKEN + "\n")
        os.chmod(path, 0o600)

    def with_token(self, value):
        return post(CHAIN, HOST + JSON + b"Authorization: " + value.encode() + b"\r\n")

    def test_it_is_asked_for(self):
        self.assertEqual(self.status(self.with_token("Bearer " + self.TOKEN)), 200)
        self.assertEqual(self.status(self.with_token("bearer " + self.TOKEN)), 200)
        for value in ("Bearer ", "Bearer x", "Bearer " + self.TOKEN + "x", self.TOKEN,
                      "Bearer " + self.TOKEN[:-1], "Basic " + self.TOKEN):
            self.assertEqual(self.status(self.with_token(value)), 401, value)
        reply, = self.replies(post(CHAIN))
        self.assertEqual(reply.status, 401)
        self.assertIn("Bearer", reply.headers["www-authenticate"])

    def test_metrics_need_it_and_health_does_not(self):
        get = lambda path: self.status(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertEqual(get(b"/healthz"), 200)
        self.assertEqual(get(b"/metrics"), 401)
        self.assertEqual(self.proxy.http("GET", "/metrics").status, 200)

    def test_it_is_not_told(self):
        self.replies(self.with_token("Bearer wrong"))
        metrics = self.proxy.http("GET", "/metrics").body.decode()
        self.assertNotIn(self.TOKEN, metrics + self.proxy.stdout + self.proxy.stderr)


class Exposure(ForkcacheTest):
    def test_an_open_address_needs_a_token(self):
        node = self.mock()
        args = ["--listen", "0.0.0.0:0"]
        status, said = self.refused(node, block=BLOCK, more=args)
        self.assertEqual(status, 2)
        self.assertIn("--token-file", said)
        self.assertEqual(node.counters()["http_requests"], 0)
        proxy = self.serve(node, block=BLOCK, more=[*args, "--insecure-public"])
        self.assertEqual(proxy.rpc("eth_chainId"), "0x11f63")

    def test_more_connections_than_allowed(self):
        node = self.mock()
        # The limit is that of all workers together.
        proxy = self.serve(node, block=BLOCK, more=("--connections", 2, "--workers", 3))
        held = [proxy.socket() for _ in range(2)]
        for connection in held:
            connection.sendall(post(CHAIN))
            self.assertEqual(read_reply(connection).status, 200)
        with proxy.socket() as third:
            reply = read_reply(third)
            self.assertEqual(reply.status, 503)
            self.assertTrue(int(reply.headers["retry-after"]) >= 1)
        for connection in held:
            connection.sendall(post(CHAIN))
            self.assertEqual(read_reply(connection).status, 200)
            connection.close()


if __name__ == "__main__":
    unittest.main()
