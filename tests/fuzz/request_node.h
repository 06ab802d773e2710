/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The remote node behind the request target: the unit tests' rig (a chain pinned to block
 * 1,000), with answers that are functions of the question, so that a second reading of the
 * same question may be compared with the first. Facts do not depend on the block: the rig's
 * hashes cannot be told apart by the memory cache. All that the target needs to know of the
 * rig is here.
 */
#include "../unit/request_fixture.h"
#include "base/keccak.h"

/* What the input chooses. */
enum node_mood {
	NODE_GOOD,
	NODE_ERROR,  /* a JSON-RPC error, to be passed on */
	NODE_DOWN,   /* nobody answers */
	NODE_NULL,   /* null for all but facts */
	NODE_ECHO,   /* the question's own parameters for an answer */
	NODE_FULL,   /* the port takes no question after the first */
	NODE_ABSENT, /* offline: no node at all */
	NODE_GONE,   /* the client goes before the answer */
	NODE_MOODS
};
static enum node_mood node_mood;

static const unsigned char node_code[] = {0x60, 0x01};

static inline size_t node_code_len(const struct eth_address *address)
{
	return address->bytes[19] == 0xaa ? sizeof node_code : 0;
}

static inline void node_account(const struct eth_address *address, const char *root,
				struct buf *out)
{
	struct eth_bytes32 hash;

	keccak256(node_code, node_code_len(address), &hash);
	buf_text(out, "\"balance\":\"0x7\",\"nonce\":\"0x3\",\"codeHash\":\"");
	buf_hex(out, hash.bytes, 32);
	buf_printf(out, "\",\"%s\":\"0x%064x\"", root, 1);
}

/* Slot s holds s. */
static inline void node_proof(struct json_iter params, const struct eth_address *address,
			      struct buf *out)
{
	struct span slots, slot;
	const char *separator = "";

	buf_text(out, "{\"address\":\"");
	buf_hex(out, address->bytes, 20);
	buf_text(out, "\",");
	node_account(address, "storageHash", out);
	buf_text(out, ",\"accountProof\":[],\"storageProof\":[");
	REQUIRE(json_next_element(&params, &slots));
	struct json_iter all = json_iter(slots);
	while (json_next_element(&all, &slot)) {
		struct eth_bytes32 word;
		char value[2 + 64];
		REQUIRE(eth_slot_parse(json_string_raw(slot), &word) == OK);
		buf_printf(out, "%s{\"key\":", separator);
		buf_span(out, slot);
		buf_text(out, ",\"value\":\"");
		buf_append(out, value, eth_quantity_format(word.bytes, 32, value));
		buf_text(out, "\",\"proof\":[]}");
		separator = ",";
	}
	buf_text(out, "]}");
}

/* eth_getProof and eth_getAccount. */
static inline struct blob *node_composed(struct span method, struct span text)
{
	struct json_iter params = json_iter(text);
	struct eth_address address;
	struct span first;
	struct buf out;

	buf_init(&out, 1u << 20);
	REQUIRE(json_next_element(&params, &first));
	REQUIRE(eth_address_parse(json_string_raw(first), &address) == OK);
	if (span_is(method, "eth_getProof")) {
		node_proof(params, &address, &out);
	} else {
		buf_char(&out, '{');
		node_account(&address, "storageRoot", &out);
		buf_char(&out, '}');
	}
	struct blob *blob = blob_copy(out.ptr, out.len);
	buf_release(&out);
	return blob;
}

static inline bool node_call(const struct fork_question *q, struct fork_answer *a)
{
	switch (node_mood) {
	case NODE_ERROR:
		a->err = ERR_UPSTREAM;
		a->blob = json_blob("{\"code\":3,\"message\":\"execution reverted\",\"data\":"
				    "\"0x%x\"}",
				    (unsigned)q->params.len);
		return true;
	case NODE_NULL:
		a->blob = json_blob("null");
		if (!q->null_allowed) {
			a->err = ERR_BAD_ANSWER;
			a->detail = "null";
		}
		return true;
	case NODE_ECHO:
		a->blob = blob_copy(q->params.ptr, q->params.len);
		return true;
	case NODE_GOOD:
	case NODE_DOWN:
	case NODE_FULL:
	case NODE_ABSENT:
	case NODE_GONE:
	case NODE_MOODS:
		break;
	}
	if (!span_is(q->method, "eth_getProof") && !span_is(q->method, "eth_getAccount"))
		return false;
	a->blob = node_composed(q->method, q->params);
	return true;
}

static inline void node_answer(const struct fork_question *q, struct fork_answer *a)
{
	if (node_mood == NODE_DOWN) {
		a->err = ERR_TIMEOUT;
		a->detail = "node.example:8545 did not \"answer\" in 1.0 s";
	} else if (q->kind == FORK_SLOT) {
		a->value = q->slot;
	} else if (q->kind != FORK_CALL || !node_call(q, a)) {
		good_node(q, a);
	}
}

/* answer is asked for each answer; it may hand the question on to node_answer. */
static inline void node_start(enum node_mood mood, fake_fork_answer_fn *answer)
{
	node_mood = mood;
	rig_start(mood == NODE_ABSENT ? NULL : answer);
	if (mood == NODE_FULL)
		fake_fork_refuse_after(1);
}

/* The pinned block counts as final, as its transactions then do. */
static inline void node_pin_final(bool final)
{
	rig.chain.pinned.block.final = final;
}

static inline void node_stop(void)
{
	teardown(NULL);
}
