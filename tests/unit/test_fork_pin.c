/* SPDX-License-Identifier: MIT */
/* Pinning: resolution of tags, finality, disagreement, development nodes. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

struct pinned {
	bool done;
	enum err err;
	struct fork_pin pin;
	struct err_detail detail;
};

static void on_pinned(void *cookie, enum err err)
{
	struct pinned *pinned = cookie;
	assert_false(pinned->done);
	pinned->done = true;
	pinned->err = err;
}

static void pin_begin(struct rig *rig, struct pinned *pinned, const char *spec)
{
	*pinned = (struct pinned){0};
	assert_int_equal(
		pin_start(rig->fork, spec, &pinned->pin, &pinned->detail, on_pinned, pinned),
		OK);
	assert_false(pinned->done);
}

static void pin(struct rig *rig, struct pinned *pinned, const char *spec)
{
	pin_begin(rig, pinned, spec);
	rig_advance_ms(rig, PIN_DEADLINE_MS + 5000);
	assert_true(pinned->done);
	if (pinned->err != OK)
		assert_null(pinned->pin.header_json);
}

static void test_specs(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		uint64_t number;
		bool by_hash;
	} specs[] = {
		{"latest", 1000, true}, {"safe", 1000, true}, {"finalized", 900, false},
		{"900", 900, false},	{"901", 901, true},   {"0x384", 900, false},
		{"0X0384", 900, false}, {"0", 0, false},
	};
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct rig rig;
		struct pinned p;
		rig_init(&rig, 2);
		rig_start(&rig);
		pin(&rig, &p, specs[i].spec);
		assert_int_equal(p.err, OK);
		assert_int_equal(p.pin.block.number, specs[i].number);
		assert_int_equal(p.pin.block.by_hash, specs[i].by_hash);
		struct eth_bytes32 wanted = fake_node_hash(&fake_nodes[0], specs[i].number);
		assert_memory_equal(&p.pin.block.hash, &wanted, sizeof wanted);
		assert_int_equal(p.pin.chain_id, 1);
		assert_int_equal(p.pin.finalized, 900);
		assert_false(p.pin.is_dev);
		assert_string_equal(p.pin.client_version, "Geth/v1.16.2/linux-amd64");
		assert_true(p.pin.header_json->len > 60);
		blob_put(&p.pin.header_json);
		rig_end(&rig);
	}
}

static void test_by_hash(void **state)
{
	(void)state;
	struct rig rig;
	struct pinned p;
	char spec[67] = "0x";
	rig_init(&rig, 1);
	rig_start(&rig);
	struct eth_bytes32 hash = fake_node_hash(&fake_nodes[0], 850);
	eth_hex(hash.bytes, 32, spec + 2);
	pin(&rig, &p, spec);
	assert_int_equal(p.err, OK);
	assert_int_equal(p.pin.block.number, 850);
	blob_put(&p.pin.header_json);
	spec[2] = '0'; /* the node answers with its own block of that number */
	pin(&rig, &p, spec);
	assert_int_equal(p.err, ERR_BAD_ANSWER);
	rig_end(&rig);
}

static void test_bad_specs(void **state)
{
	(void)state;
	static const char *const specs[] = {"",	   "pending", "0x",  "-1",
					    "12a", "0xzz",    "1 2", "99999999999999999999"};
	struct rig rig;
	struct fork_pin out;
	struct err_detail detail;
	rig_init(&rig, 1);
	rig_start(&rig);
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
		assert_int_equal(pin_start(rig.fork, specs[i], &out, &detail, on_pinned, NULL),
				 ERR_INVALID);
	assert_non_null(strstr(detail.text, "is not a block"));
	rig_end(&rig);
}

static void test_above_the_head(void **state)
{
	(void)state;
	struct rig rig;
	struct pinned p;
	rig_init(&rig, 1);
	rig_start(&rig);
	pin(&rig, &p, "1001");
	assert_int_equal(p.err, ERR_NOT_FOUND);
	assert_string_equal(p.detail.text, "upstream n0:1 has no block 1001");
	rig_end(&rig);
}

/* What the upstreams must have in common is what cannot be reorganised. */
static void test_following(void **state)
{
	(void)state;
	for (int tag = 0; tag <= 1; tag++) {
		const uint64_t final = tag ? 900 : 1000 - 96;
		struct rig rig;
		struct pinned p;
		rig_init(&rig, 2);
		fake_nodes[0].no_finalized_tag = !tag;
		rig_start(&rig);
		pin(&rig, &p, NULL);
		assert_int_equal(p.err, OK);
		assert_int_equal(p.pin.block.number, 1000);
		assert_true(p.pin.block.by_hash);
		assert_int_equal(p.pin.finalized, final);
		assert_true(rig.fork->pinned);
		assert_int_equal(rig.fork->pinned_block.number, final);
		struct eth_bytes32 wanted = fake_node_hash(&fake_nodes[0], final);
		assert_memory_equal(&rig.fork->pinned_block.hash, &wanted, sizeof wanted);
		blob_put(&p.pin.header_json);
		rig_end(&rig);
	}
}

static void test_following_below_what_is_final(void **state)
{
	(void)state;
	struct rig rig;
	struct pinned p;
	rig_init(&rig, 1);
	rig_start(&rig);
	pin_begin(&rig, &p, NULL);
	rig_advance_ms(&rig, 75); /* 50 ms a question: who it is, the head, what is final */
	fake_nodes[0].head = fake_nodes[0].finalized = 1005;
	rig_advance_ms(&rig, 1000);
	assert_true(p.done);
	assert_int_equal(p.err, OK);
	assert_int_equal(p.pin.block.number, 1000);
	assert_int_equal(p.pin.finalized, 1000);
	blob_put(&p.pin.header_json);
	rig_end(&rig);
}

static void test_no_finalized_tag(void **state)
{
	(void)state;
	struct rig rig;
	struct pinned p;
	rig_init(&rig, 1);
	fake_nodes[0].no_finalized_tag = true;
	rig_start(&rig);
	pin(&rig, &p, "904");
	assert_int_equal(p.pin.finalized, 1000 - 96);
	assert_false(p.pin.block.by_hash);
	blob_put(&p.pin.header_json);
	pin(&rig, &p, "905");
	assert_true(p.pin.block.by_hash);
	blob_put(&p.pin.header_json);
	rig_end(&rig);
}

static void test_disagreement(void **state)
{
	(void)state;
	struct rig rig;
	struct pinned p;
	rig_init(&rig, 2);
	fake_nodes[1].salt = 1;
	rig_start(&rig);
	pin(&rig, &p, "latest");
	assert_int_equal(p.err, ERR_CONFIG);
	assert_string_equal(p.detail.text,
			    "upstreams n0:1 and n1:1 do not agree on block 1000: "
			    "different hashes");
	rig_end(&rig);

	rig_init(&rig, 2);
	fake_nodes[1].chain_id = 10;
	rig_start(&rig);
	pin(&rig, &p, "latest");
	assert_int_equal(p.err, ERR_CONFIG);
	assert_string_equal(p.detail.text,
			    "upstreams n0:1 (chain 1) and n1:1 (chain 10) do not agree");
	rig_end(&rig);

	rig_init(&rig, 1);
	rig.config.chain_id = 8453;
	rig_start(&rig);
	pin(&rig, &p, "latest");
	assert_int_equal(p.err, ERR_CONFIG);
	assert_string_equal(p.detail.text, "upstream n0:1 is on chain 1, and 8453 is required");
	rig_end(&rig);
}

static void test_unreachable(void **state)
{
	(void)state;
	struct rig rig;
	struct pinned p;
	rig_init(&rig, 1);
	fake_nodes[0].down = true;
	rig_start(&rig);
	pin(&rig, &p, "latest");
	assert_int_equal(p.err, ERR_NETWORK);
	assert_string_equal(p.detail.text, "upstream n0:1: connection refused");
	rig_end(&rig);
}

/* One that was down is looked at before its first use, and is not believed. */
static void test_late_upstream_is_checked(void **state)
{
	(void)state;
	for (int mode = 0; mode < 3; mode++) { /* the same, another chain, another block */
		struct rig rig;
		struct pinned p;
		struct asked asked;
		rig_init(&rig, 2);
		fake_nodes[1].down = true;
		rig_start(&rig);
		pin(&rig, &p, "950");
		assert_int_equal(p.err, OK);
		blob_put(&p.pin.header_json);
		fake_nodes[0].down = true;
		fake_nodes[1].down = false;
		fake_nodes[1].chain_id = mode == 1 ? 5 : 1;
		fake_nodes[1].salt = mode == 2 ? 1 : fake_nodes[0].salt;
		rig_ask_slot(&rig, &asked, 1, 1);
		rig_advance_ms(&rig, 9000);
		if (mode == 0) {
			rig_expect_slot(&asked, 1, 1);
			assert_true(fake_nodes[1].block_calls >= 1);
		} else {
			assert_true(asked.done && asked.err != OK);
			assert_int_equal(fake_nodes[1].requests, 0);
		}
		rig_end(&rig);
	}
}

static void test_transient_failures_are_absorbed(void **state)
{
	(void)state;
	static const enum fake_fault faults[] = {FAULT_STATUS,	   FAULT_RESET,
						 FAULT_HANG,	   FAULT_HTML,
						 FAULT_EMPTY_BODY, FAULT_WRONG_ID};
	for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++)
		for (unsigned times = 1; times < 5; times++) {
			struct rig rig;
			struct pinned p;
			rig_init(&rig, 1);
			fake_nodes[0].fault = faults[f];
			fake_nodes[0].fault_status = 503;
			fake_nodes[0].fault_left = times;
			fake_nodes[0].fault_probes = true;
			rig_start(&rig);
			pin(&rig, &p, "latest");
			if (p.err != OK)
				fail_msg("fault %zu x%u: %s", f, times, p.detail.text);
			assert_int_equal(p.pin.block.number, 1000);
			blob_put(&p.pin.header_json);
			rig_end(&rig);
		}
}

static void test_development_nodes(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		bool is_dev;
	} versions[] = {
		{"anvil/v1.7.1", true},
		{"Anvil/1.0", true},
		{"HardhatNetwork/2.22.1/@ethereumjs/vm/5.9.3", true},
		{"EthereumJS TestRPC/v2.13.2/ethereum-js", true},
		{"Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js", true},
		{"erigon/2.60.0/linux-amd64/go1.21", false},
		{NULL, false},
	};
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
		for (int trust = 0; trust < 2; trust++) {
			struct rig rig;
			struct pinned p;
			struct asked asked;
			rig_init(&rig, 1);
			fake_nodes[0].version = versions[i].version;
			rig.config.trust_dev_upstream = trust;
			rig_start(&rig);
			pin(&rig, &p, "latest");
			assert_int_equal(p.err, OK);
			assert_int_equal(p.pin.is_dev, versions[i].is_dev);
			blob_put(&p.pin.header_json);
			rig_ask_slot(&rig, &asked, 1, 1);
			rig_advance_ms(&rig, 200);
			rig_expect_slot(&asked, 1, 1);
			assert_int_equal(asked.do_not_store, versions[i].is_dev && !trust);
			rig_end(&rig);
		}
}

/* A development node whose first answers fail is still known for what it is; a gateway at
 * which the method always fails is used in the end. */
static void test_version_that_fails(void **state)
{
	(void)state;
	for (unsigned fails = 1; fails <= 2; fails++) {
		struct rig rig;
		struct pinned p;
		rig_init(&rig, 1);
		fake_nodes[0].version = "anvil/v1.7.1";
		fake_nodes[0].version_fails = fails;
		rig_start(&rig);
		pin(&rig, &p, "latest");
		assert_int_equal(p.err, OK);
		assert_true(p.pin.is_dev);
		blob_put(&p.pin.header_json);
		rig_end(&rig);
	}
	struct rig rig;
	struct pinned p;
	rig_init(&rig, 1);
	fake_nodes[0].version_fails = UINT_MAX;
	rig_start(&rig);
	pin(&rig, &p, "latest");
	assert_int_equal(p.err, OK);
	blob_put(&p.pin.header_json);
	rig_end(&rig);
}

/* A node is restarted while nothing is asked: libcurl connects again without a word. */
static void test_another_connection_after_a_silence(void **state)
{
	(void)state;
	for (int mode = 0; mode < 3; mode++) { /* the same, another chain, another block */
		struct rig rig;
		struct pinned p;
		struct asked asked;
		rig_init(&rig, 1);
		rig_start(&rig);
		pin(&rig, &p, "850");
		assert_int_equal(p.err, OK);
		blob_put(&p.pin.header_json);
		rig_ask_slot(&rig, &asked, 1, 1);
		rig_advance_ms(&rig, 5000);
		rig_expect_slot(&asked, 1, 1);
		rig.learned = 0;
		size_t probes = fake_nodes[0].probes, requests = fake_nodes[0].requests;
		fake_nodes[0].opened_us = loop_now_us(rig.loop);
		fake_nodes[0].chain_id = mode == 1 ? 5 : 1;
		fake_nodes[0].salt = mode == 2 ? 1 : 0xab;
		rig_ask_slot(&rig, &asked, 1, 2);
		rig_advance_ms(&rig, 100);
		assert_int_equal(fake_nodes[0].probes - probes, 3);
		if (mode == 0) {
			rig_expect_slot(&asked, 1, 2); /* what was paid for is used */
			assert_int_equal(fake_nodes[0].requests - requests, 1);
			rig_ask_slot(&rig, &asked, 1, 3);
			rig_advance_ms(&rig, 50);
			rig_expect_slot(&asked, 1, 3);
			assert_int_equal(fake_nodes[0].probes - probes, 3);
		} else {
			rig_advance_ms(&rig, 9000);
			assert_true(asked.done);
			assert_int_equal(asked.err, ERR_BAD_ANSWER);
			assert_non_null(strstr(asked.detail, mode == 1 ? "it is on chain 5"
								       : "block 850 has"));
			assert_int_equal(rig.learned, 0);
		}
		rig_end(&rig);
	}
}

/* What comes back to the plan of an upstream that was disabled meanwhile does not wait. */
static void test_disabled_with_a_request_in_flight(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[3];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_ask_slot(&rig, &asked[0], 2, 1);
	rig_advance_ms(&rig, 500);
	fake_nodes[0].latency_us = 2000000;
	rig_ask_slot(&rig, &asked[0], 1, 1); /* two: a method that is not there */
	rig_ask_slot(&rig, &asked[1], 1, 2);
	rig_advance_ms(&rig, 100);
	fake_nodes[0].latency_us = 10000;
	fake_nodes[0].chain_id = 5;
	fake_nodes[0].fault = FAULT_RESET;
	fake_nodes[0].fault_left = 1;
	rig_ask_slot(&rig, &asked[2], 1, 3);
	rig_advance_ms(&rig, 4000);
	for (size_t i = 0; i < 3; i++) {
		assert_true(asked[i].done);
		assert_int_equal(asked[i].err, ERR_BAD_ANSWER);
		assert_non_null(strstr(asked[i].detail, "it is on chain 5"));
	}
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_by_hash),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_above_the_head),
		cmocka_unit_test(test_following),
		cmocka_unit_test(test_following_below_what_is_final),
		cmocka_unit_test(test_no_finalized_tag),
		cmocka_unit_test(test_disagreement),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_late_upstream_is_checked),
		cmocka_unit_test(test_transient_failures_are_absorbed),
		cmocka_unit_test(test_development_nodes),
		cmocka_unit_test(test_version_that_fails),
		cmocka_unit_test(test_another_connection_after_a_silence),
		cmocka_unit_test(test_disabled_with_a_request_in_flight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
