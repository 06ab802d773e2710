/* SPDX-License-Identifier: MIT */
#pragma once
/* The engine with fake nodes on virtual time: what the tests of the fork share. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fake_node.h"
#include "base/log.h"
#include "fork/fork_impl.h"
#include "unit.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define RIG_MS UINT64_C(1000)

struct rig {
	struct loop *loop;
	struct fork *fork;
	struct fork_port *port;
	struct secret *urls[FAKE_NODES];
	struct fork_config config;
	struct fork_upstream_config upstreams[FAKE_NODES];
	size_t learned;	       /* on_answer has run for a result */
	size_t learned_errors; /* and for the error object of a call */
	bool learned_to_store; /* the last one may be stored */
	char learned_client[32];
	size_t callbacks;
};

struct asked {
	struct rig *rig;
	struct fork_op *op;
	bool done;
	enum err err;
	struct eth_bytes32 value;
	struct blob *blob;
	char detail[ERR_DETAIL_BYTES];
	bool do_not_store, lacks;
	uint64_t at_us;
};

static inline void rig_learned(void *cookie, const struct fork_question *question,
			       const struct fork_answer *answer)
{
	struct rig *rig = cookie;
	if (answer->err == OK)
		rig->learned++;
	else
		rig->learned_errors++;
	assert_true(answer->err == OK ||
		    (answer->err == ERR_UPSTREAM && question->kind == FORK_CALL));
	rig->learned_to_store = !answer->do_not_store;
	snprintf(rig->learned_client, sizeof rig->learned_client, "%.*s",
		 (int)answer->client.len, answer->client.ptr != NULL ? answer->client.ptr : "");
}

/* Fresh nodes; the test may change rig->config before rig_start. */
static inline void rig_init(struct rig *rig, size_t upstreams)
{
	*rig = (struct rig){0};
	fake_node_reset();
	log_set_level(LOG_OFF);
	for (size_t i = 0; i < upstreams; i++) {
		char url[64];
		int n = snprintf(url, sizeof url, "http://n%zu:1/v2/SECRETKEY", i);
		rig->urls[i] = secret_new((struct span){url, (size_t)n});
		rig->upstreams[i].url = rig->urls[i];
	}
	rig->config = (struct fork_config){.upstreams = rig->upstreams,
					   .upstreams_n = upstreams,
					   .on_answer = rig_learned,
					   .cookie = rig};
}

static inline void rig_start(struct rig *rig)
{
	struct err_detail detail;
	assert_int_equal(loop_new(&rig->loop), OK);
	assert_int_equal(engine_new(rig->loop, &rig->config, &rig->fork, &detail), OK);
	assert_int_equal(fork_port_open(rig->fork, rig->loop, 5000, &rig->port), OK);
}

static inline void rig_end(struct rig *rig)
{
	fork_port_close(&rig->port);
	fake_loop_run_until_idle(rig->loop);
	engine_free(&rig->fork);
	assert_int_equal(fake_loop_timer_count(rig->loop), 0);
	loop_free(&rig->loop);
	for (size_t i = 0; i < FAKE_NODES; i++)
		secret_free(&rig->urls[i]);
	assert_int_equal(check_failures(), 0);
}

static inline void rig_done(void *cookie, const struct fork_answer *answer)
{
	struct asked *asked = cookie;
	asked->op = NULL;
	assert_false(asked->done);
	asked->done = true;
	asked->err = answer->err;
	asked->value = answer->value;
	asked->blob = answer->blob ? blob_get(answer->blob) : NULL;
	asked->do_not_store = answer->do_not_store;
	asked->lacks = answer->lacks;
	asked->at_us = loop_now_us(asked->rig->loop);
	snprintf(asked->detail, sizeof asked->detail, "%s", answer->detail);
}

static inline struct fork_question rig_question(enum fork_kind kind, unsigned char account,
						uint64_t slot)
{
	struct fork_question q = {.kind = kind, .class = FORK_CLASS_STATE};
	q.address.bytes[19] = account;
	be64_put(q.slot.bytes + 24, slot);
	q.block.number = 800;
	q.block.hash = fake_node_hash(&fake_nodes[0], 800);
	return q;
}

static inline void rig_ask_on(struct rig *rig, struct fork_port *port, struct asked *asked,
			      const struct fork_question *question)
{
	enum err err;
	*asked = (struct asked){.rig = rig};
	assert_int_equal(fork_ask(port, question, rig_done, asked, &asked->op, &err), PENDING);
}

static inline void rig_ask(struct rig *rig, struct asked *asked,
			   const struct fork_question *question)
{
	rig_ask_on(rig, rig->port, asked, question);
}

static inline void rig_ask_slot(struct rig *rig, struct asked *asked, unsigned char account,
				uint64_t slot)
{
	struct fork_question q = rig_question(FORK_SLOT, account, slot);
	rig_ask(rig, asked, &q);
}

static inline void rig_advance_ms(struct rig *rig, uint64_t ms)
{
	fake_loop_advance(rig->loop, ms * RIG_MS);
}

/* The first upstream's identity and abilities are known afterwards. */
static inline void rig_warm(struct rig *rig)
{
	struct asked asked[2];
	rig_ask_slot(rig, &asked[0], 250, 1);
	rig_ask_slot(rig, &asked[1], 250, 2);
	rig_advance_ms(rig, 1000);
	assert_true(asked[0].done && asked[0].err == OK);
	assert_true(asked[1].done && asked[1].err == OK);
	for (size_t i = 0; i < FAKE_NODES; i++) {
		struct fake_node *n = &fake_nodes[i];
		n->requests = n->items = n->batches = n->largest_batch = 0;
		n->values_calls = n->slot_calls = n->probes = n->account_calls = 0;
	}
	rig->learned = 0;
}

static inline void rig_expect_slot(const struct asked *asked, unsigned char account,
				   uint64_t slot)
{
	struct fork_question q = rig_question(FORK_SLOT, account, slot);
	struct eth_bytes32 value = fake_node_slot(&q.address, &q.slot);
	assert_true(asked->done);
	if (asked->err != OK)
		fail_msg("%s: %s", err_name(asked->err), asked->detail);
	assert_memory_equal(&asked->value, &value, sizeof value);
}
