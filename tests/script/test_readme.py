# SPDX-License-Identifier: MIT
"""README's curl lines do what README says, and config/forkcache.yaml is what is printed."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import BUILD, HERE, Forkcache, MockNode

ROOT = os.path.join(HERE, "..", "..")


def readme_commands():
    """The commands of README's ```sh blocks, lines that end in a backslash joined."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
        blocks = re.findall(r"```sh\n(.*?)```", readme.read(), re.S)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines()]


class Readme(unittest.TestCase):
    def test_curl_lines(self):
        with tempfile.TemporaryDirectory() as folder, MockNode() as node, Forkcache(
            "serve", "--upstream", node.url, "--fork-block", "finalized",
            "--listen", "127.0.0.1:0", "--cache-dir", folder,
        ) as proxy:
            block = proxy.rpc("eth_blockNumber")
            commands = readme_commands()
            self.assertEqual(len(commands), 3)
            for _ in ("from the node", "from the cache"):
                for command in commands:
                    here = command.replace("http://127.0.0.1:8545", proxy.url)
                    self.assertNotEqual(here, command)
                    answer = json.loads(subprocess.check_output(["sh", "-c", here]))
                    call = json.loads(re.search(r"-d '(.*)'", command)[1])
                    call["params"][-1] = block
                    self.assertEqual(answer["result"], node.rpc(call["method"], *call["params"]))
                    self.assertGreater(int(answer["result"], 16), 0)
            self.assertEqual(proxy.http("GET", "/healthz").body, b"ok\n")
            metrics = proxy.http("GET", "/metrics").body.decode().splitlines()
            self.assertIn("forkcache_fork_questions_total 3", metrics)

    def test_print_config(self):
        printed = subprocess.check_output([os.path.join(BUILD, "forkcache"), "serve", "--print-config"])
        with open(os.path.join(ROOT, "config", "forkcache.yaml"), "rb") as committed:
            self.assertEqual(printed, committed.read())

    def test_methods(self):
        listed = subprocess.check_output([os.path.join(BUILD, "forkcache"), "methods"], text=True)
        titles = {}
        for line in listed.splitlines():
            if not line.startswith(" "):
                title = line
            elif line:
                titles[line.split()[0]] = title
        self.assertEqual(titles["eth_getStorageAt"], "Facts of a state:")
        self.assertEqual(titles["eth_call"], "Computed at a block:")
        self.assertEqual(titles["eth_chainId"], "Answered here:")
        self.assertEqual(titles["anvil_*"], "Refused:")
        self.assertEqual(titles["other"], "What depends on the node:")


if __name__ == "__main__":
    unittest.main()
