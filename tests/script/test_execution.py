# SPDX-License-Identifier: MIT
"""Calls and ranges: computed by the upstream once, then answered from the cache in whatever
words they are asked, after a restart and without an upstream."""

import unittest

from harness import ForkcacheTest, MockNode, RpcError

FINAL = 100
HEAD = 256  # of the mock's chain; not final
MISSING = -32001
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
RUNS = {
    "eth_call", "eth_estimateGas", "eth_createAccessList", "eth_simulateV1", "eth_callMany",
    "debug_traceCall", "debug_traceCallMany", "trace_call", "trace_callMany",
    "eth_getLogs", "trace_filter",
}


def asked(node):
    """How many executions and ranges the node was asked for."""
    return sum(n for method, n in node.counters()["methods"].items() if method in RUNS)


def other_case(address):
    return "0x" + address[2:].upper()


class ExecutionTest(ForkcacheTest):
    @classmethod
    def setUpClass(cls):
        with MockNode() as node:
            cls.s = node.samples()

    def setUp(self):
        super().setUp()
        self.node = self.mock()

    def says(self, method, value, node=None):
        (node or self.node).control(
            add_faults=[{"kind": "value", "method": method, "value": value}]
        )

    def once(self, proxy, spellings, node=None, error=False):
        """All spellings have one answer, for which the node is asked once."""
        node = node or self.node
        before = asked(node)
        ask = proxy.error if error else proxy.rpc
        answers = [ask(*spelling) for spelling in spellings]
        answers = [answer.error if error else answer for answer in answers]
        for answer in answers:
            self.assertEqual(answer, answers[0])
        self.assertEqual(asked(node), before + 1)
        return answers[0]


class Calls(ExecutionTest):
    def word(self, i):
        return "0x%064X" % i

    def spellings(self, i=1):
        reader, data = self.s["reader"], self.word(i)
        block_hash = self.node.rpc("eth_getBlockByNumber", hex(FINAL), False)["hash"]
        return [
            ("eth_call", {"to": reader, "data": data}, "latest"),
            ("eth_call", {"input": data.lower(), "to": other_case(reader)}),
            ("eth_call", {"to": reader, "data": data, "input": data.lower(), "value": "0x0",
                          "from": "0x" + "00" * 20, "gas": None}, hex(FINAL), None, {}),
            ("eth_call", {"to": reader, "data": data}, {"blockHash": block_hash}, {}),
        ]

    def test_a_call(self):
        proxy = self.serve(self.node, block=FINAL)
        spellings = self.spellings()
        truth = self.node.rpc("eth_call", *spellings[0][1:2], hex(FINAL))
        self.assertEqual(self.once(proxy, spellings), truth)
        # Another one is another one.
        other = self.node.rpc("eth_call", {"to": self.s["reader"], "data": self.word(2)}, hex(FINAL))
        self.assertEqual(self.once(proxy, self.spellings(2)), other)
        self.assertNotEqual(truth, other)
        proxy.stop()

    def test_at_a_block_that_is_not_final(self):
        proxy = self.serve(self.node, block="latest")
        call = ("eth_call", {"to": self.s["reader"], "data": self.word(1)}, "latest")
        self.assertEqual(self.once(proxy, [call, call]), self.node.rpc(*call))

    def test_after_a_restart_and_offline(self):
        calls = self.spellings()
        revert = ("eth_call", {"to": self.s["reverter"]}, "latest")
        gas = ("eth_estimateGas", {"to": self.s["reader"]})
        self.says("eth_estimateGas", "0x5208")
        proxy = self.serve(self.node, block=FINAL)
        answer, reverted = proxy.rpc(*calls[0]), proxy.error(*revert).error
        self.assertEqual(proxy.rpc(*gas), "0x5208")
        proxy.stop()
        self.node.control(reset_counters=True)
        for upstreams, more in (((self.node,), ()), ((), ("--offline",))):
            proxy = self.serve(*upstreams, block=FINAL, more=more)
            for call in calls:
                self.assertEqual(proxy.rpc(*call), answer)
            self.assertEqual(proxy.error(*revert).error, reverted)
            self.assertEqual(proxy.rpc(*gas), "0x5208")
            if more:
                error = proxy.error("eth_call", {"to": self.s["token"]}, "latest")
                self.assertEqual(error.code, MISSING)
                self.assertEqual(error.message, "not in the cache (offline): eth_call to %s "
                                                "at block %d" % (self.s["token"], FINAL))
            proxy.stop()
        self.assertEqual(asked(self.node), 0)

    def test_a_revert(self):
        proxy = self.serve(self.node, block=FINAL)
        call = {"to": self.s["reverter"]}
        truth = self.node.error("eth_call", call, hex(FINAL))
        self.assertEqual(truth.code, 3)
        spellings = [("eth_call", call), ("eth_call", dict(call, value="0x0"), hex(FINAL))]
        self.assertEqual(self.once(proxy, spellings, error=True), truth.error)
        # In a batch, beside what has a result.
        answers = proxy.batch([spellings[0], ("eth_chainId",)])
        self.assertEqual(answers[0]["error"], truth.error)
        self.assertIn("result", answers[1])

    def test_options_are_part_of_the_question(self):
        proxy = self.serve(self.node, block=FINAL)
        self.says("eth_call", "0x01")
        call, account = {"to": self.s["reader"]}, self.s["eoa"]
        apart = [
            (call,),
            (dict(call, gas="0x1"),),
            (dict(call, gasPrice="0x0"),),
            (call, "latest", {account: {"balance": "0x1"}}),
            (call, "latest", {account: {"state": {"0x1": "0x2"}}}),
            (call, "latest", {account: {"stateDiff": {"0x1": "0x2"}}}),
            (call, "latest", {}, {"time": "0x1"}),
        ]
        for _ in range(2):
            for options in apart:
                self.assertEqual(proxy.rpc("eth_call", *options), "0x01")
            self.assertEqual(asked(self.node), len(apart))
        # And of what the node is told, in the one spelling.
        proxy.rpc("eth_call", call, "0x0", {other_case(account): {"stateDiff": {"0x01": "0x2"}}})
        self.assertIn('{"%s":{"stateDiff":{"0x%064x":"0x%064x"}}}' % (account, 1, 2),
                      self.node.last()["body"].replace(" ", ""))

    def test_every_method(self):
        proxy = self.serve(self.node, block=FINAL)
        call, types = {"to": self.s["reader"]}, ["trace", "vmTrace"]
        same = {"to": other_case(self.s["reader"]), "value": "0x0"}
        questions = {
            "eth_createAccessList": [(call,), (same, "latest")],
            "eth_simulateV1": [({"blockStateCalls": [{"calls": [call]}]}, "latest"),
                               ({"blockStateCalls": [{"calls": [same]}], "validation": False},)],
            "eth_callMany": [
                ([{"transactions": [call]}], {"blockNumber": "latest"}),
                ([{"transactions": [same], "blockOverride": {}}], {"blockNumber": hex(FINAL)}),
            ],
            "debug_traceCall": [(call, "latest", {"tracer": "x"}),
                                (same, hex(FINAL), {"tracer": "x", "timeout": None})],
            "debug_traceCallMany": [([{"transactions": [call]}], {"blockNumber": "latest"}),
                                    ([{"transactions": [same]}], {"blockNumber": hex(FINAL)})],
            "trace_call": [(call, types), (same, types[::-1], "latest"), (call, "latest", types)],
            "trace_callMany": [([[call, types]], "latest"), ([[same, types[::-1]]],)],
        }
        for method, arguments in questions.items():
            self.says(method, {"method": method})
            with self.subTest(method):
                spellings = [(method, *a) for a in arguments]
                self.assertEqual(self.once(proxy, spellings), {"method": method})

    def test_what_is_not_kept(self):
        proxy = self.serve(self.node, block=FINAL)
        call = {"to": self.s["reader"]}
        results = [
            ("debug_traceCall", {"error": "execution timeout"}),
            ("eth_simulateV1", [{"calls": [{"error": {"code": -38026, "message": "x"}}]}]),
            ("eth_simulateV1", [{"calls": [{"error": {"code": -32016, "message": "x"}}]}]),
            ("eth_createAccessList", {"accessList": [], "error": "gas cap reached"}),
        ]
        for method, value in results:
            with self.subTest(method, value=value):
                self.node.reset()
                self.says(method, value)
                for n in (1, 2):
                    self.assertEqual(proxy.rpc(method, call, "latest"), value)
                    self.assertEqual(asked(self.node), n)
        errors = [
            (-32000, "out of gas", None),
            (-32000, "err: max fee per gas less than block base fee", None),
            (3, "execution reverted", None),
            (-32000, "execution reverted", "0x08c379a0"),
        ]
        for code, message, data in errors:
            with self.subTest(code, message=message):
                self.node.reset()
                fault = {"kind": "rpc-error", "method": "eth_call", "code": code,
                         "message": message}
                self.node.control(faults=[dict(fault, data=data) if data else fault])
                for n in (1, 2):
                    self.assertEqual(proxy.error("eth_call", call).message, message)
                    self.assertEqual(asked(self.node), n)
        # It passed, and nothing of it is left.
        self.node.reset()
        self.assertEqual(proxy.rpc("eth_call", call), self.node.rpc("eth_call", call, hex(FINAL)))

    def test_nonsense_is_refused_here(self):
        proxy = self.serve(self.node, block=FINAL)
        for call in (1, {"to": "0xzz"}, {"data": "0x01", "input": "0x02"}, {"gas": []}):
            error = proxy.error("eth_call", call)
            self.assertEqual(error.code, -32602)
            self.assertTrue(error.message.startswith("invalid argument 0: "), error.message)
        self.assertEqual(asked(self.node), 0)


class Kinds(ExecutionTest):
    """What depends on the kind of client is kept by it."""

    def setUp(self):
        super().setUp()
        self.node.control(client_version="Geth/v1.16.2/linux")
        self.other = self.mock(client_version="erigon/3.0.4/linux")
        self.says("eth_estimateGas", "0x1")
        self.says("eth_estimateGas", "0x2", node=self.other)
        self.gas = ("eth_estimateGas", {"to": self.s["reader"]})

    def test_another_kind_answers_for_the_first(self):
        proxy = self.serve(self.node, self.other, block=FINAL)
        self.node.control(faults=[{"kind": "fin", "method": "eth_estimateGas"}])
        self.assertEqual(proxy.rpc(*self.gas), "0x2")
        # It was passed on, and is not the first's answer.
        self.node.control(faults=[])
        self.says("eth_estimateGas", "0x1")
        proxy.stop()
        proxy = self.serve(self.node, self.other, block=FINAL)
        self.assertEqual([proxy.rpc(*self.gas) for _ in range(2)], ["0x1", "0x1"])
        proxy.stop()
        self.node.control(reset_counters=True)
        self.other.control(reset_counters=True)
        # The other one as the first has its own answer; each keeps its own.
        proxy = self.serve(self.other, block=FINAL)
        self.assertEqual([proxy.rpc(*self.gas) for _ in range(2)], ["0x2", "0x2"])
        self.assertEqual(asked(self.other), 1)
        proxy.stop()
        proxy = self.serve(self.node, block=FINAL)
        self.assertEqual(proxy.rpc(*self.gas), "0x1")
        self.assertEqual(asked(self.node), 0)

    def test_offline_it_is_that_of_the_last_start(self):
        for node, answer in ((self.node, "0x1"), (self.other, "0x2")):
            proxy = self.serve(node, block=FINAL)
            self.assertEqual(proxy.rpc(*self.gas), answer)
            proxy.wait_committed()
            proxy.stop()
            proxy = self.serve(block=FINAL, more=("--offline",))
            self.assertEqual(proxy.rpc(*self.gas), answer)
            proxy.stop()

    def test_a_call_is_the_same_with_all(self):
        call = ("eth_call", {"to": self.s["reader"]})
        proxy = self.serve(self.node, block=FINAL)
        truth = proxy.rpc(*call)
        proxy.stop()
        proxy = self.serve(self.other, block=FINAL)
        self.assertEqual(proxy.rpc(*call), truth)
        self.assertEqual(asked(self.other), 0)

    def test_a_development_node_is_not_kept(self):
        self.node.control(client_version="anvil/v1.0.0")
        proxy = self.serve(self.node, block=FINAL)
        for n in (1, 2):
            proxy.rpc("eth_call", {"to": self.s["reader"]})
            proxy.error("eth_call", {"to": self.s["reverter"]})
            self.assertEqual(asked(self.node), 2 * n)


class Ranges(ExecutionTest):
    def test_a_final_range(self):
        proxy = self.serve(self.node, block=FINAL)
        token, other = self.s["token"], self.s["reader"]
        settled = {"fromBlock": "0x1", "toBlock": hex(FINAL)}
        spellings = [
            dict(settled, address=[token, other], topics=[TRANSFER]),
            dict(address=[other_case(other), token, token], topics=[[TRANSFER.upper().replace("X", "x")]],
                 toBlock="latest", fromBlock="0x01"),
            dict(settled, toBlock="0xffff", address=[other, token], topics=[[TRANSFER, TRANSFER]]),
        ]
        truth = self.node.rpc("eth_getLogs", spellings[0])
        self.assertGreater(len(truth), 1)
        logs = self.once(proxy, [("eth_getLogs", f) for f in spellings])
        self.assertEqual(logs, truth)
        # No logs are an answer as well.
        none = dict(settled, address=other)
        self.assertEqual(self.once(proxy, [("eth_getLogs", none)] * 2), [])
        proxy.stop()
        self.node.control(reset_counters=True)
        proxy = self.serve(block=FINAL, more=("--offline",))
        for spelling in spellings:
            self.assertEqual(proxy.rpc("eth_getLogs", spelling), truth)
        self.assertEqual(proxy.rpc("eth_getLogs", none), [])
        error = proxy.error("eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x6"})
        self.assertEqual(error.code, MISSING)
        self.assertTrue(error.message.endswith("eth_getLogs of blocks 5 to 6"), error.message)

    def test_filters_that_differ(self):
        proxy = self.serve(self.node, block=FINAL)
        settled = {"fromBlock": "0x1", "toBlock": hex(FINAL)}
        topics = self.node.rpc("eth_getLogs", settled)[0]["topics"]
        apart = [
            {}, {"topics": [topics[:2]]}, {"topics": topics[:2]}, {"topics": topics[:1]},
            {"topics": [topics[0], None]}, {"topics": [None, topics[1]]},
            {"address": self.s["token"]}, {"fromBlock": "0x2"},
        ]
        for _ in range(2):
            for filter in apart:
                filter = dict(settled, **filter)
                self.assertEqual(proxy.rpc("eth_getLogs", filter),
                                 self.node.rpc("eth_getLogs", filter))
        # Each was asked twice by us and once by the proxy.
        self.assertEqual(asked(self.node), 1 + 3 * len(apart))

    def test_one_block_by_its_hash(self):
        proxy = self.serve(self.node, block="latest")
        for block in (HEAD, HEAD - 1, FINAL):
            block_hash = self.node.rpc("eth_getBlockByNumber", hex(block), False)["hash"]
            call = ("eth_getLogs", {"blockHash": block_hash})
            self.assertEqual(self.once(proxy, [call, call]), self.node.rpc(*call))
        # The head by its number is that block.
        before = asked(self.node)
        proxy.rpc("eth_getLogs", {})
        proxy.rpc("eth_getLogs", {"fromBlock": hex(HEAD)})
        self.assertEqual(asked(self.node), before)

    def test_a_range_that_may_change(self):
        proxy = self.serve(self.node, block="latest")
        for n in (1, 2):
            proxy.rpc("eth_getLogs", {"fromBlock": "0xf0"})
            self.assertEqual(asked(self.node), n)

    def test_a_wrong_answer_is_asked_for_elsewhere(self):
        settled = {"fromBlock": "0x1", "toBlock": "0x32"}
        truth = self.node.rpc("eth_getLogs", settled)
        beyond = self.node.rpc("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x40"})
        self.assertGreater(len(beyond), len(truth))
        wrong = {
            "of other blocks": beyond,
            "out of order": truth[::-1],
            "twice": truth[:1] * 2,
            "with a note": {"logs": truth[:1], "truncated": True},
            "with a note at the end": truth[:1] + [{"truncated": True}],
            "removed": [dict(truth[0], removed=True)],
            "null": None,
        }
        liar = self.mock()
        for i, (name, answer) in enumerate(wrong.items()):
            with self.subTest(name):
                folder = "%s/%d" % (self.folder, i)
                liar.reset()
                self.says("eth_getLogs", answer, node=liar)
                proxy = self.serve(liar, self.node, block=FINAL, folder=folder)
                call = ("eth_getLogs", settled)
                self.assertEqual(self.once(proxy, [call, call]), truth)
                self.assertEqual(asked(liar), 1)
                proxy.stop()

    def test_an_error_is_no_range(self):
        proxy = self.serve(self.node, block=FINAL)
        settled = {"fromBlock": "0x1", "toBlock": "0x32"}
        self.node.control(faults=[{"kind": "rpc-error", "method": "eth_getLogs", "code": -32005,
                                   "message": "query returned more than 10000 results"}])
        for n in (1, 2):
            self.assertIn("10000", proxy.error("eth_getLogs", settled).message)
            self.assertEqual(asked(self.node), n)
        self.node.reset()
        self.assertEqual(proxy.rpc("eth_getLogs", settled),
                         self.node.rpc("eth_getLogs", settled))

    def test_traces(self):
        proxy = self.serve(self.node, block=FINAL)
        trace = {"blockNumber": 50, "blockHash": "0x" + "12" * 32, "type": "call"}
        self.says("trace_filter", [trace, trace])
        settled = {"fromBlock": "0x1", "toBlock": hex(FINAL), "toAddress": [self.s["token"]]}
        same = {"toBlock": "latest", "fromBlock": "0x01", "toAddress": [other_case(self.s["token"])]}
        answer = self.once(proxy, [("trace_filter", settled), ("trace_filter", same)])
        self.assertEqual(answer, [trace, trace])
        with self.assertRaises(RpcError):
            proxy.rpc("trace_filter", {"fromBlock": "0x33", "toBlock": "0x40"})


if __name__ == "__main__":
    unittest.main()
