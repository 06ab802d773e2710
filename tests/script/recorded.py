# SPDX-License-Identifier: MIT
"""Recorded requests with their responses, for a mock that gives those and nothing else."""

import json
import os

# Computed by the node; answered from the cache the second time.
EXECUTION = ("eth_call", "eth_createAccessList", "eth_estimateGas", "eth_getLogs",
             "eth_simulateV1")

# Kept for as long as a block lasts, so that it depends on when it is asked for.
SLOW = ("eth_baseFee", "eth_blobBaseFee", "eth_capabilities", "eth_config", "eth_gasPrice",
        "eth_maxPriorityFeePerGas", "eth_syncing")


class Exchange:
    """A request and the recorded response."""

    def __init__(self, name, sent, wanted):
        self.name, self.sent, self.wanted = name, sent, wanted
        self.method = sent.get("method", "")

    def passes(self, answer):
        """The same result; of an error the same code and data, since its text is the node's."""
        if "error" not in self.wanted:
            return answer == self.wanted
        error = answer.get("error", {})
        return all(error.get(k) == self.wanted["error"].get(k) for k in ("code", "data"))

    def asks_again(self, asked_again):
        """Whether the node has to be asked again the second time; None: either is right.
        `asked_again` names methods and exchanges."""
        if self.name in asked_again or self.method in asked_again:
            return True
        if self.method in SLOW:
            return None
        if self.method in EXECUTION and "error" in self.wanted:
            return None  # some are found here, and only a revert is kept
        return False


def write(folder, answers, exchanges=()):
    """Writes what a mock reads by --data: answers, {(method, *params as JSON): result}, and
    exchanges, which come first where both say something."""
    for exchange in exchanges:
        sent = exchange.sent
        answers.pop(question(sent["method"], *sent.get("params", [])), None)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "answers.json"), "w") as file:
        json.dump(answers, file)
    with open(os.path.join(folder, "exchanges.io"), "w") as file:
        for exchange in exchanges:
            pair = json.dumps(exchange.sent), json.dumps(exchange.wanted)
            file.write(">> %s\n<< %s\n" % pair)


def question(method, *params):
    """The name of an answer."""
    return json.dumps([method, *params])
