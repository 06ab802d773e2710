# SPDX-License-Identifier: MIT
"""An HTTPS upstream over HTTP/2: tls_front.mjs ends TLS in front of the mock node. Certificates
are made by openssl for each run. Skipped where there is no node to run it."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import TIMEOUT, ForkcacheTest

NODE = shutil.which("node")
FRONT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tls_front.mjs")
CALLS = 20


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=TIMEOUT)


def make_authority(folder, name):
    """Writes NAME.key and NAME.pem, a certificate authority; returns the certificate's path."""
    key, pem = (os.path.join(folder, name + end) for end in (".key", ".pem"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=" + name, "-keyout", key, "-out", pem)
    return pem


def make_certificate(folder, authority, host):
    """(key, certificate) of a host, signed by the authority NAME.pem."""
    base = os.path.join(folder, host)
    with open(base + ".ext", "w", encoding="ascii") as extensions:
        extensions.write("subjectAltName=DNS:%s\n" % host)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=" + host, "-keyout", base + ".key", "-out", base + ".csr")
    openssl("x509", "-req", "-in", base + ".csr", "-days", "2", "-CAcreateserial",
            "-CA", authority, "-CAkey", authority[:-4] + ".key",
            "-extfile", base + ".ext", "-out", base + ".crt")
    return base + ".key", base + ".crt"


class Front:
    """TLS on an ephemeral port in front of a backend."""

    def __init__(self, certificate, backend):
        key, crt = certificate
        self.process = subprocess.Popen(
            [NODE, FRONT, key, crt, str(backend.port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.seen = ""

    def url(self, path="/"):
        return "https://localhost:%d%s" % (self.port, path)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.seen, _ = self.process.communicate(timeout=TIMEOUT)

    def requests(self):
        """[(client port, HTTP version), ...] of what it has served. Ends it first."""
        self.stop()
        return [tuple(line.split(" ")) for line in self.seen.splitlines()]


@unittest.skipIf(NODE is None, "there is no node")
class Tls(ForkcacheTest):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.TemporaryDirectory(prefix="forkcache-tls-")
        folder = cls.keys.name
        cls.authority = make_authority(folder, "authority")
        cls.stranger = make_authority(folder, "stranger")
        cls.certificate = make_certificate(folder, cls.authority, "localhost")

    @classmethod
    def tearDownClass(cls):
        cls.keys.cleanup()

    def tls(self, node, certificate=None):
        proxy = Front(certificate or self.certificate, node)
        self.addCleanup(proxy.stop)
        return proxy

    def test_untrusted_authority_is_refused(self):
        node = self.mock()
        tls = self.tls(node)
        for more in ((), ("--ca-file", self.stranger)):
            status, text = self.refused(tls.url("/v2/KEYKEYKEY"), more=more, block="latest")
            self.assertNotEqual(status, 0)
            self.assertIn("localhost:%d" % tls.port, text)
            self.assertIn("certificate is not trusted", text)
            self.assertNotIn("KEYKEYKEY", text)
        self.assertEqual(node.counters()["http_requests"], 0)

    def test_certificate_of_another_host_is_refused(self):
        node = self.mock()
        other = make_certificate(self.keys.name, self.authority, "other.example")
        tls = self.tls(node, other)
        status, text = self.refused(tls.url(), more=("--ca-file", self.authority), block="latest")
        self.assertNotEqual(status, 0)
        self.assertIn("localhost:%d" % tls.port, text)
        self.assertIn("certificate is for another host", text)
        self.assertEqual(node.counters()["http_requests"], 0)

    def test_missing_ca_file_is_refused(self):
        missing = os.path.join(self.folder, "missing.pem")
        status, text = self.refused("https://localhost:1", more=("--ca-file", missing),
                                    block="latest")
        self.assertNotEqual(status, 0)
        self.assertIn("missing.pem", text)

    def test_http2(self):
        node = self.mock()
        tls = self.tls(node)
        proxy = self.serve(tls.url("/v2/KEYKEYKEY?k=1"), block="latest", more=(
            "--ca-file", self.authority, "--upstream-header", "X-Forkcache-Test: some value"))
        reader = node.samples()["reader"]
        self.assertEqual(proxy.rpc("eth_getStorageAt", reader, "0x1", "latest"),
                         node.rpc("eth_getStorageAt", reader, "0x1", "latest"))
        before = node.counters()
        # Calls travel alone; each is held back until all have arrived.
        node.hold()
        calls = [("eth_call", {"to": reader, "data": "0x%064x" % i}, "latest")
                 for i in range(CALLS)]
        answers = []
        asking = threading.Thread(target=lambda: answers.extend(proxy.parallel(calls)))
        asking.start()
        node.wait(held=CALLS)
        head = node.last()["head"]
        node.release()
        asking.join(TIMEOUT)
        for call, answer in zip(calls, answers, strict=True):
            self.assertEqual(answer, node.rpc(*call))
        self.assertGreaterEqual(node.counters()["http_requests"], before["http_requests"] + CALLS)
        self.assertIn("x-forkcache-test: some value", head.lower())
        self.assertIn("/v2/KEYKEYKEY?k=1\n", head)
        self.assertNotIn("expect", head.lower())
        proxy.stop()
        requests = tls.requests()
        self.assertGreater(len(requests), CALLS)
        self.assertEqual({version for _, version in requests}, {"2.0"})
        self.assertEqual(len({port for port, _ in requests}), 1, "connections")
        self.assertNotIn("KEYKEYKEY", proxy.stderr + proxy.stdout)


if __name__ == "__main__":
    unittest.main()
