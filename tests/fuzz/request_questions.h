/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the request target demands of a question to the node: its form, its block, its key
 * (fuzz_request.c says it in words). check_question looks at one, and has the node answer it.
 */
#include "request_node.h"

static inline struct span element_at(struct span array, unsigned n)
{
	struct json_iter iter = json_iter(array);
	struct span value = {0};

	for (unsigned i = 0; i <= n; i++)
		if (!json_next_element(&iter, &value))
			return (struct span){0};
	return value;
}

static inline void expect_json(struct span text)
{
	struct span value;
	size_t at;

	REQUIRE(json_document(text, JSON_DEPTH_MAX, &value, &at) == OK);
	REQUIRE(span_equal(text, value));
}

static inline void expect_canonical(struct span text)
{
	struct buf again;

	expect_json(text);
	buf_init(&again, 1u << 20);
	REQUIRE(json_canonical(text, &again) == OK);
	REQUIRE(span_equal(buf_as_span(&again), text));
	buf_release(&again);
}

/* The kind of client, "CHAIN:method@KIND[params]", if the method's answers depend on it. */
static inline struct span check_name(const struct method *method, const struct fork_question *q,
				     struct span key)
{
	const char *open = memchr(key.ptr, '[', key.len);

	REQUIRE(open != NULL && strncmp(key.ptr, "1:", 2) == 0);
	struct span name = {key.ptr + 2, (size_t)(open - key.ptr) - 2};
	if (method->flags & BY_CLIENT) {
		const size_t n = sizeof "@" NODE_CLIENT - 1;
		REQUIRE(name.len > n &&
			memcmp(name.ptr + name.len - n, "@" NODE_CLIENT, n) == 0);
		name.len -= n;
	}
	REQUIRE(span_equal(name, q->method) ||
		(method->by_hash != NULL && span_is(name, method->by_hash)));
	return (struct span){open, key.len - (size_t)(open - key.ptr)};
}

/* A block where a key has it: by its hash. */
static inline void check_key_block(struct span mine, struct span theirs)
{
	struct span my_block = mine, their_block = theirs;

	if (json_type(mine) == JSON_OBJECT) {
		REQUIRE(json_member(mine, "blockNumber", &my_block) &&
			json_member(theirs, "blockNumber", &their_block));
		const char *my_rest = my_block.ptr + my_block.len,
			   *their_rest = their_block.ptr + their_block.len;
		REQUIRE(span_equal(
			(struct span){my_rest, (size_t)(mine.ptr + mine.len - my_rest)},
			(struct span){their_rest,
				      (size_t)(theirs.ptr + theirs.len - their_rest)}));
	}
	REQUIRE(json_type(my_block) == JSON_STRING && my_block.len == 68);
}

/* The key, beside the question that is kept under it. */
static inline void check_key(const struct method *method, const struct fork_question *q)
{
	struct span key = {q->tag.ptr + sizeof(struct keep), q->tag.len - sizeof(struct keep)};
	struct span mine, theirs;

	if (key.len == 0)
		return;
	struct span params = check_name(method, q, key);
	if (method->class == METHOD_SLOW) {
		REQUIRE(params.len == 3 + 66 && strncmp(params.ptr, "[]@0x", 5) == 0);
		return;
	}
	expect_canonical(params);
	for (unsigned i = 0;; i++) {
		mine = element_at(params, i);
		theirs = element_at(q->params, i);
		REQUIRE((mine.ptr != NULL) == (theirs.ptr != NULL));
		if (mine.ptr == NULL)
			return;
		if ((int)i == method->block_at)
			check_key_block(mine, theirs);
		else if (i > 0 || method->kinds[0] != PARAM_HASH)
			REQUIRE(span_equal(mine, theirs));
	}
}

static inline bool begins(struct span text, const char *with)
{
	return text.len > strlen(with) && strncmp(text.ptr, with, strlen(with)) == 0;
}

static inline uint64_t highest(void)
{
	return node.heads != NULL ? PIN + 1 : PIN;
}

/* Followed, what a number means is only true as long as the head stays on the chain. */
static inline void check_guard(const struct fork_question *q, struct span number)
{
	struct span text;
	uint64_t n;

	if (node.heads != NULL && json_string_plain(number, &text) && text.len < 66 &&
	    eth_quantity_u64(text, &n) == OK && n > rig.chain.finalized)
		REQUIRE(q->guarded);
}

/* By number or by hash. */
static inline void check_block(const struct method *method, const struct fork_question *q,
			       const struct keep *keep)
{
	struct span block = element_at(q->params, (unsigned)method->block_at);

	if (begins(block, "{\"blockNumber\":"))
		REQUIRE(json_member(block, "blockNumber", &block));
	if (keep->kind == KEEP_HEAD)
		return;
	if (span_is(block, "\"pending\"")) {
		REQUIRE(node.heads != NULL && keep->kind == KEEP_NOTHING && !q->may_join);
		return;
	}
	REQUIRE(begins(block, "\"0x") || begins(block, "{\"blockHash\":\"0x"));
	check_guard(q, block);
}

/* A filter names a block, or numbers up to the head. */
static inline void check_range(const struct fork_question *q)
{
	struct span filter = element_at(q->params, 0), value, text;
	uint64_t number;

	if (json_member(filter, "blockHash", &value)) {
		REQUIRE(value.len == 68 && !json_member(filter, "toBlock", &value));
		return;
	}
	REQUIRE(json_member(filter, "toBlock", &value) && json_string_plain(value, &text) &&
		eth_quantity_u64(text, &number) == OK && number <= highest());
	check_guard(q, value);
	REQUIRE(!json_member(filter, "fromBlock", &value) ||
		(json_string_plain(value, &text) && eth_quantity_u64(text, &number) == OK));
}

/* Of all that was asked, in order. */
static uint64_t asked_digest;

static inline void digest(const void *bytes, size_t n)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < n; i++)
		asked_digest = (asked_digest ^ byte[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

static inline void digest_question(const struct fork_question *q)
{
	digest(&q->kind, sizeof q->kind);
	digest(&q->block.number, sizeof q->block.number);
	/* What a question does not use need not be set. */
	if (q->block.by_hash || q->guarded)
		digest(&q->block.hash, sizeof q->block.hash);
	if (q->kind != FORK_CALL)
		digest(&q->address, sizeof q->address);
	if (q->kind == FORK_SLOT)
		digest(&q->slot, sizeof q->slot);
	digest(q->method.ptr, q->method.len);
	digest(q->params.ptr, q->params.len);
	digest(q->tag.ptr, q->tag.len);
}

static inline void check_call(const struct fork_question *q)
{
	const struct method *method = method_find(q->method);
	struct keep keep;

	expect_canonical(q->params);
	REQUIRE(q->block.number <= highest() && q->tag.len >= sizeof keep);
	memcpy(&keep, q->tag.ptr, sizeof keep);
	if (method == NULL)
		return;
	REQUIRE(method->class != METHOD_REFUSED && method->class != METHOD_LOCAL);
	REQUIRE((method->class == METHOD_SEND) == q->once);
	REQUIRE(!q->once || (!q->may_join && keep.kind == KEEP_SENT));
	check_key(method, q);
	if (method->block_at >= 0)
		check_block(method, q, &keep);
	if (method->class == METHOD_RANGE)
		check_range(q);
}

static inline void check_question(const struct fork_question *q, struct fork_answer *a)
{
	digest_question(q);
	if (q->kind == FORK_CALL)
		check_call(q);
	node_answer(q, a);
}
