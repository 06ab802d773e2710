/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A stack on which answers are checked and kept as the fork thread does it. The test includes
 * fake_fork.h and fake_loop.h through this, by which it is linked with them.
 */
#include "unit.h"
#include "fake_fork.h"
#include "fake_loop.h"
#include "rpc/keep.h"

#define FINAL 900
#define PIN   1000

static struct {
	struct loop *loop;
	struct stack *stack;
	struct stack_view *view;
	struct chain chain;
	struct arena arena;
	struct span client; /* who answers */
} rig;

static inline struct eth_bytes32 hash_of(uint64_t number)
{
	struct eth_bytes32 hash = {{0}};

	be64_put(hash.bytes + 24, number);
	return hash;
}

static inline int setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof rig);
	rig.chain = (struct chain){.chain_id = 1, .finalized = FINAL};
	rig.chain.pinned.block.at.number = PIN;
	rig.chain.pinned.block.at.hash = hash_of(PIN);
	const struct stack_config config = {
		.memory_bytes = 4u << 20, .keep = keep_store, .cookie = &rig.chain};
	arena_init(&rig.arena, 1 << 20);
	assert_ok(loop_new(&rig.loop));
	assert_ok(stack_new(&config, &rig.stack));
	assert_ok(stack_view_new(rig.stack, NULL, rig.loop, 1, &rig.view));
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	stack_view_free(&rig.view);
	stack_free(&rig.stack);
	loop_free(&rig.loop);
	arena_release(&rig.arena);
	return 0;
}

static inline struct fork_question question(const struct keep *keep, const char *key)
{
	struct span tag = keep_tag(&rig.arena, keep, span_of(key));

	assert_non_null(tag.ptr);
	return (struct fork_question){.kind = FORK_CALL, .tag = tag};
}

static inline bool is_kept(const char *key, const char *json)
{
	struct reply reply = {0};
	bool found = stack_get_reply(rig.view, span_of(key), &reply) == HIT;

	if (found && json != NULL)
		assert_true(span_is(reply.json, json));
	reply_release(&reply);
	return found;
}

static inline void refused(const struct keep *keep, const char *key, const char *json,
			   const char *why)
{
	struct err_detail detail = {{0}};
	struct fork_question q = question(keep, key);

	assert_int_equal(keep_check(&q, span_of(json), &detail), ERR_BAD_ANSWER);
	assert_string_equal(detail.text, why);
}

/* Believed, and then kept under its key or not. */
static inline void accepted(const struct keep *keep, const char *key, const char *json,
			    bool kept)
{
	struct err_detail detail = {{0}};
	struct fork_question q = question(keep, key);

	if (keep_check(&q, span_of(json), &detail) != OK)
		fail_msg("%s: %s", json, detail.text);
	struct fork_answer answer = {
		.blob = blob_copy(json, strlen(json)), .detail = "", .client = rig.client};
	keep_store(&rig.chain, rig.stack, &q, &answer);
	blob_put(&answer.blob);
	assert_int_equal(is_kept(key, kept ? json : NULL), kept);
}

/* Kept under its key or not. */
static inline void failed(const struct keep *keep, const char *key, const char *error,
			  bool kept)
{
	struct fork_question q = question(keep, key);
	struct fork_answer answer = {.err = ERR_UPSTREAM,
				     .blob = blob_copy(error, strlen(error)),
				     .detail = "",
				     .client = rig.client};

	keep_store(&rig.chain, rig.stack, &q, &answer);
	blob_put(&answer.blob);
	assert_int_equal(is_kept(key, kept ? error : NULL), kept);
}

static inline void answered_by(const char *client)
{
	rig.client = span_of(client);
}

#define KEEP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
