# SPDX-License-Identifier: MIT
"""Starts the built programs on ephemeral ports and talks JSON-RPC to them.

    with MockNode() as node, Forkcache("serve", "--upstream", node.url) as proxy:
        assert proxy.rpc("eth_chainId") == node.rpc("eth_chainId")

A program says where it listens in one line, "... listening on ADDRESS:PORT ..." on its
standard output or standard error; that line is waited for, nothing is ever slept for. The
programs are those of $BUILD, by default ../../build beside this file. Python's standard
library only.
"""

import contextlib
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from wire import TIMEOUT, Reply, all_at_once, http_post, read_all, read_reply, receive

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(HERE, "..", "..", "build")))
# A build that checks itself, and is slower for it.
CHECKED = re.search("asan|tsan|debug|valgrind", BUILD) is not None
CORPUS = os.path.abspath(
    os.environ.get("CORPUS_DIR", os.path.join(HERE, "..", "..", "..", "shared", "data"))
)
START_TIMEOUT = 20.0  # a sanitizer build on a loaded machine
LISTENING = re.compile(rb"listening on (\S+):(\d+)([^\n]*)\n")
PINNED = re.compile(r"chain (\d+) block (\d+) (0x[0-9a-f]{64})")
STATE_METHODS = {
    "eth_getBalance", "eth_getTransactionCount", "eth_getCode", "eth_getStorageAt",
    "eth_getStorageValues", "eth_getAccountInfo", "eth_getAccount", "eth_getProof",
}


class RpcError(Exception):
    """The error object of a JSON-RPC answer."""

    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.error = error
        self.code = error.get("code")
        self.message = error.get("message")
        self.data = error.get("data")


class Endpoint:
    """HTTP and JSON-RPC towards 127.0.0.1:port, over one kept connection a thread."""

    def __init__(self, port, host="127.0.0.1", path="/", headers=None):
        self.host, self.port, self.path = host, port, path
        self.headers = dict(headers or {})
        self.timeout = TIMEOUT
        self._local = threading.local()
        self._connections = []

    @property
    def url(self):
        return "http://%s:%d%s" % (self.host, self.port, self.path)

    def _connection(self):
        if getattr(self._local, "connection", None) is None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self._local.connection = connection
            self._connections.append(connection)
        return self._local.connection

    def http(self, method, path, body=None, headers=None):
        """One HTTP exchange; a kept connection that the server has closed is replaced."""
        all_headers = dict(self.headers)
        all_headers.update(headers or {})
        fresh = getattr(self._local, "connection", None) is None
        while True:
            connection = self._connection()
            try:
                connection.request(method, path, body, all_headers)
                answer = connection.getresponse()
                reply = Reply(
                    answer.status,
                    {k.lower(): v for k, v in answer.getheaders()},
                    answer.read(),
                )
                if answer.will_close:
                    self.disconnect()
                return reply
            except (http.client.HTTPException, OSError):
                self.disconnect()
                if fresh:
                    raise
                fresh = True

    def disconnect(self):
        """Closes this thread's kept connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._connections.remove(connection)
            self._local.connection = None

    def close(self):
        for connection in self._connections:
            connection.close()
        self._connections = []
        self._local = threading.local()

    def post(self, document, path=None, headers=None):
        """POSTs a JSON document (or bytes, as they are) and returns the Reply."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        all_headers = {"Content-Type": "application/json"}
        all_headers.update(headers or {})
        return self.http("POST", self.path if path is None else path, body, all_headers)

    def raw_rpc(self, method, *params, id=1):
        """The whole response object."""
        return self.post(request(method, *params, id=id)).json

    def rpc(self, method, *params):
        """The result; RpcError for an error object."""
        response = self.raw_rpc(method, *params)
        if "error" in response:
            raise RpcError(response["error"])
        return response["result"]

    def error(self, method, *params):
        """The RpcError of a call that must fail."""
        try:
            result = self.rpc(method, *params)
        except RpcError as error:
            return error
        raise AssertionError("%s answered %r, not an error" % (method, result))

    def batch(self, calls):
        """Response objects to [(method, *params), ...] sent as one array, ids from 0."""
        return self.post([request(*call, id=i) for i, call in enumerate(calls)]).json

    def parallel(self, calls):
        """rpc() of each call in a thread and connection of its own: results or exceptions,
        in order."""
        answers = [None] * len(calls)

        def ask(i, call):
            try:
                answers[i] = self.rpc(*call)
            except Exception as exception:  # the test looks at what it got
                answers[i] = exception
            self.disconnect()

        threads = [threading.Thread(target=ask, args=(i, call)) for i, call in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.timeout)
        return answers

    def start(self, *call):
        """rpc() in the background; returns a function that waits for it and gives the
        result, or raises what it raised."""
        outcome = {}

        def ask():
            try:
                outcome["result"] = self.rpc(*call)
            except Exception as exception:
                outcome["exception"] = exception
            self.disconnect()

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()

        def finish(timeout=TIMEOUT):
            thread.join(timeout)
            if thread.is_alive():
                raise AssertionError("no answer to %r" % (call,))
            if "exception" in outcome:
                raise outcome["exception"]
            return outcome["result"]

        return finish

    def socket(self):
        """A connected TCP socket, for tests of bytes."""
        return socket.create_connection((self.host, self.port), timeout=self.timeout)

    def exchange(self, request_bytes):
        """Sends bytes on a fresh connection and reads until the peer closes."""
        with self.socket() as connection:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)


def request(method, *params, id=1):
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}


class Proc(Endpoint):
    """A program that listens; a context manager that ends it by its process id."""

    program = None

    def __init__(self, *args, env=None, headers=None):
        self.argv = [os.path.join(BUILD, self.program), *map(str, args)]
        environment = dict(os.environ)
        environment.update(env or {})
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.ended = False
        self._output = {"stdout": b"", "stderr": b""}
        try:
            host, port, rest = self._wait_until_listening()
        except BaseException:
            self.process.kill()
            self.process.wait()
            self._close_pipes()
            raise
        super().__init__(port, host.strip("[]"), headers=headers)
        self.listening_line = rest.strip()
        # From here on the pipes are drained, or a talkative program would stop.
        self._readers = [
            threading.Thread(target=self._drain, args=(name,), daemon=True)
            for name in self._output
        ]
        for reader in self._readers:
            reader.start()

    def _wait_until_listening(self):
        pipes = {self.process.stdout: "stdout", self.process.stderr: "stderr"}
        deadline = time.monotonic() + START_TIMEOUT
        while pipes:
            ready, _, _ = select.select(list(pipes), [], [], deadline - time.monotonic())
            if not ready:
                break
            for pipe in ready:
                part = os.read(pipe.fileno(), 65536)
                if not part:
                    del pipes[pipe]
                    continue
                self._output[pipes[pipe]] += part
                match = LISTENING.search(self._output[pipes[pipe]])
                if match:
                    return match[1].decode(), int(match[2]), match[3].decode()
        raise AssertionError(
            "%s does not listen: %s%s"
            % (" ".join(self.argv), self.stdout, self.stderr)
        )

    def _drain(self, name):
        pipe = getattr(self.process, name)
        while True:
            part = os.read(pipe.fileno(), 65536)
            if not part:
                return
            self._output[name] += part

    @property
    def stdout(self):
        return self._output["stdout"].decode(errors="replace")

    @property
    def stderr(self):
        return self._output["stderr"].decode(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def kill(self, number=signal.SIGKILL):
        """Sends a signal and waits for the end; returns the exit status."""
        self.process.send_signal(number)
        return self._wait()

    def stop(self):
        """SIGTERM. A program that does not end by itself, or not with status 0, fails the
        test, unless kill() has ended it before."""
        if self.ended:
            return
        self.process.send_signal(signal.SIGTERM)
        self.join()

    def join(self):
        """Waits for the end, which has to come by itself, with status 0."""
        status = self._wait()
        if status != 0:
            raise AssertionError("%s: status %s: %s" % (self.argv[0], status, self.stderr))

    def _wait(self):
        self.ended = True
        self.close()
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("%s does not end: %s" % (self.argv[0], self.stderr))
        for reader in self._readers:
            reader.join(TIMEOUT)
        self._close_pipes()
        return status

    def _close_pipes(self):
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


class MockNode(Proc):
    """build/mock-node with its control endpoint. Keyword arguments are a script at start:
    MockNode(latency_ms=50, missing=["eth_getStorageValues"])."""

    program = "mock-node"

    def __init__(self, *args, **script):
        self.missing = script.get("missing", [])  # at start
        if script:
            args += ("--control", json.dumps(script))
        super().__init__("--listen", "127.0.0.1:0", *args)
        # The chain as it is and was, whatever the script says: knows every block by its hash.
        self.oracle = Endpoint(self.port, self.host, "/control/truth")

    def close(self):
        self.oracle.close()
        super().close()

    # Control travels on its own connection, so that it passes replies that are held back.
    def _control_http(self, method, path, document=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, None if document is None else json.dumps(document))
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(body)
        return body

    def control(self, **script):
        return self._control_http("POST", "/control", script)

    def fault(self, kind, method=None, **more):
        """Adds a fault to the script."""
        fault = dict(more, kind=kind)
        if method:
            fault["method"] = method
        return self.control(add_faults=[fault])

    def chain_fault(self, method=None, **more):
        """Something happens to the chain before such an item is answered:
        chain_fault("eth_getBalance", reorg=3, count=1)."""
        return self.fault("chain", method, **more)

    def hold(self):
        """Keeps all replies back until release()."""
        self.control(hold=1 << 30)

    def release(self):
        self.control(release=True)

    def reset(self):
        return self._control_http("POST", "/control/reset", {})

    def wait(self, **counters):
        """Returns when the counters are at least so high: wait(items=3, held=2)."""
        return self._control_http("POST", "/control/wait", counters)

    def counters(self):
        return self._control_http("GET", "/control/counters")

    def keys(self):
        """How often each question was asked: {'eth_getBalance ["0x..","latest"]': 1}."""
        return self._control_http("GET", "/control/keys")["keys"]

    def struck(self):
        """How often each fault of the script has struck."""
        return self._control_http("GET", "/control/faults")["struck"]

    def last(self):
        """Head and body of the newest RPC request, as texts."""
        return self._control_http("GET", "/control/last")

    def blocks(self):
        """All blocks that there ever were, newest first: [{number, hash, canonical}, ...]."""
        return self._control_http("GET", "/control/blocks")["blocks"]

    def samples(self):
        return self._control_http("GET", "/control/samples")


class SharedMock(unittest.TestCase):
    """One mock node for the tests of a class; each starts with no script and no counts.
    self.s is samples()."""

    args = ()

    @classmethod
    def setUpClass(cls):
        cls.node = MockNode(*cls.args)
        cls.s = cls.node.samples()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()

    def setUp(self):
        self.node.reset()

    def slot(self, i, block="latest", address=None):
        return self.node.rpc("eth_getStorageAt", address or self.s["reader"], hex(i), block)


class Forkcache(Proc):
    """build/forkcache with the arguments given."""

    program = "forkcache"

    @property
    def pinned(self):
        """(chain id, number, hash) of its line."""
        chain, number, block_hash = PINNED.match(self.listening_line).groups()
        return int(chain), int(number), block_hash

    def metrics(self):
        """{'forkcache_hits_total{layer="memory"}': 12, ...}"""
        text = self.http("GET", "/metrics").body.decode()
        pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    def wait_until(self, reached):
        """Asks /metrics until reached(metrics); returns those."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            metrics = self.metrics()
            if reached(metrics):
                return metrics
            if time.monotonic() > deadline:
                raise AssertionError("not reached: %r" % (metrics,))

    def wait_committed(self):
        """Returns when nothing waits to be written to the disk."""
        return self.wait_until(lambda metrics: metrics["forkcache_disk_queued"] == 0)

    @contextlib.contextmanager
    def paused(self):
        """Stops the process. What is sent to it meanwhile stays in the kernel, so that it
        meets all of it at once when it goes on."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def serve_args(upstreams, folder, *more, block=None):
    """The arguments of `forkcache serve` on an ephemeral port."""
    args = ["serve", "--listen", "127.0.0.1:0", "--cache-dir", folder]
    for upstream in upstreams:
        args += ["--upstream", getattr(upstream, "url", upstream)]
    if block is not None:
        args += ["--fork-block", block]
    return [*args, *more]


class ForkcacheTest(unittest.TestCase):
    """Each test has a folder of its own, self.folder. What it starts is ended with it, and
    must end in good order unless the test has killed it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="forkcache-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def started(self, proc):
        self.addCleanup(proc.stop)
        return proc

    def mock(self, *args, **script):
        return self.started(MockNode(*args, **script))

    def serve(self, *upstreams, more=(), folder=None, block=None, env=None, headers=None):
        """A running forkcache in front of the upstreams (mocks or URLs)."""
        args = serve_args(upstreams, folder or self.folder, *more, block=block)
        return self.started(Forkcache(*args, env=env, headers=headers))

    def refused(self, *upstreams, more=(), folder=None, block=None):
        """(exit status, standard error) of a forkcache that must not start."""
        args = serve_args(upstreams, folder or self.folder, *more, block=block)
        done = subprocess.run(
            [os.path.join(BUILD, Forkcache.program), *map(str, args)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * TIMEOUT,
        )
        self.assertEqual(done.stdout, b"", "it started")
        return done.returncode, done.stderr.decode()


def state_requests(counters):
    """How many of a mock's items read state."""
    return sum(n for method, n in counters["methods"].items() if method in STATE_METHODS)


def corpus(*parts):
    """A path in the corpora; skips the test where it is not there."""
    path = os.path.join(CORPUS, *parts)
    if not os.path.exists(path):
        raise unittest.SkipTest("no corpus at %s" % path)
    return path
