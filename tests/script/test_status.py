# SPDX-License-Identifier: MIT
"""/status and `forkcache status`: what the server says of itself."""

import http.server
import json
import os
import subprocess
import tempfile
import threading

from harness import BUILD, TIMEOUT, ForkcacheTest, RpcError

ADDRESS = "0x" + "00" * 19 + "aa"


def status_command(*args):
    done = subprocess.run(
        [os.path.join(BUILD, "forkcache"), "status", *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=2 * TIMEOUT,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Status(ForkcacheTest):
    def status(self, proxy):
        reply = proxy.http("GET", "/status")
        self.assertEqual(reply.status, 200)
        return json.loads(reply.body)

    def read(self, proxy, times=1):
        for _ in range(times):
            proxy.rpc("eth_getBalance", ADDRESS, "latest")

    def test_layers_and_upstreams_are_counted(self):
        mock = self.mock()
        proxy = self.serve(mock, block="finalized")
        self.read(proxy, 4)
        proxy.wait_committed()
        status = self.status(proxy)
        self.assertEqual(status["chain"]["mode"], "pinned")
        self.assertEqual(status["chain"]["number"], proxy.pinned[1])
        self.assertEqual(status["chain"]["hash"], proxy.pinned[2])
        memory, disk = status["layers"]
        self.assertEqual((memory["name"], disk["name"]), ("memory", "disk"))
        self.assertEqual((memory["lookups"], memory["hits"], memory["hit_ratio"]), (4, 3, 0.75))
        self.assertEqual((disk["lookups"], disk["hits"], disk["hit_ratio"]), (1, 0, 0.0))
        self.assertLessEqual(memory["bytes"], memory["capacity_bytes"])
        self.assertEqual(status["fork"]["in_flight"], 0)
        self.assertEqual(status["fork"]["questions"], 1)
        self.assertEqual(status["upstreams"][0]["host"], "%s:%d" % (mock.host, mock.port))
        self.assertTrue(status["upstreams"][0]["healthy"])
        self.assertEqual(status["errors"], [])
        proxy.stop()
        again = self.serve(block=str(proxy.pinned[1]), more=["--offline"])
        self.read(again)
        status = self.status(again)
        self.assertEqual(status["chain"]["mode"], "offline")
        self.assertEqual(status["layers"][1]["hits"], 1)
        self.assertNotIn("upstreams", status)

    def test_an_unused_layer_has_no_ratio(self):
        proxy = self.serve(self.mock())
        status = self.status(proxy)
        self.assertEqual(status["chain"]["mode"], "following")
        self.assertIsNone(status["layers"][0]["hit_ratio"])

    def test_what_answers_does_not_write_to_the_terminal(self):
        evil = "a\x1b[2J\r\n\x7f\u009bz\u00a0"
        status = {
            "version": evil, "chain": {"mode": evil, "stored": True},
            "layers": [{"name": evil}], "fork": {}, "upstreams": [{"host": evil}],
            "errors": [{"at": evil, "times": 1, "text": evil}],
        }

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(status).encode())

            def log_message(self, *args):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            code, out, err = status_command("127.0.0.1:%d" % server.server_port)
            thread.join()
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.count("a?[2J?????z\u00a0"), 6)
        self.assertEqual([c for c in out if not c.isprintable() and c not in "\n\u00a0"], [])

    def test_the_last_errors_stand_in_one_line_each(self):
        mock = self.mock()
        proxy = self.serve(mock, block="finalized", more=["--state-deadline", "300ms"])
        mock.fault("http", "eth_getBalance", status=500, times=-1)
        with self.assertRaisesRegex(RpcError, "HTTP 500"):
            self.read(proxy)
        texts = [error["text"] for error in self.status(proxy)["errors"]]
        self.assertTrue(any(t.startswith("eth_getBalance: upstream ") for t in texts), texts)
        self.assertTrue(any(t.startswith("upstream 127.0.0.1:") for t in texts), texts)
        code, out, err = status_command(proxy.host + ":%d" % proxy.port)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("last errors, the newest first:", out)
        self.assertIn("eth_getBalance: upstream 127.0.0.1:%d" % mock.port, out)

    def test_the_command_shows_what_the_server_says(self):
        proxy = self.serve(self.mock())
        self.read(proxy, 2)
        for server in ("%s:%d" % (proxy.host, proxy.port),
                       "http://localhost:%d/" % proxy.port):
            code, out, err = status_command(server)
            self.assertEqual((code, err), (0, ""))
            self.assertIn("following at block 256", out)
            self.assertRegex(out, r"(?m)^memory +\d")
            self.assertRegex(out, r"(?m)^127\.0\.0\.1:\d+ +healthy")
        code, out, err = status_command("%s:%d" % (proxy.host, proxy.port), "--json")
        self.assertEqual(json.loads(out)["chain"]["mode"], "following")

    def test_the_token_is_asked_for(self):
        folder = tempfile.TemporaryDirectory(prefix="forkcache-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "token")
        with open(path, "w") as file:
            file.write("s3cret\n")
        proxy = self.serve(self.mock(), more=["--token-file", path],
                           headers={"Authorization": "Bearer s3cret"})
        server = "%s:%d" % (proxy.host, proxy.port)
        code, out, err = status_command(server)
        self.assertEqual((code, out), (1, ""))
        self.assertIn("--token-file", err)
        code, out, err = status_command(server, "--token-file", path)
        self.assertEqual((code, err), (0, ""))

    def test_what_is_not_there_is_named(self):
        mock = self.mock()
        for args, code, text in (
            (["127.0.0.1:1"], 1, "127.0.0.1:1: Connection refused"),
            (["%s:%d" % (mock.host, mock.port)], 1, "is it a forkcache?"),
            (["--what"], 2, 'what is "--what"?'),
            (["--token-file", "/nonexistent"], 2, "/nonexistent"),
        ):
            got, out, err = status_command(*args)
            self.assertEqual((got, out), (code, ""), args)
            self.assertIn(text, err)
