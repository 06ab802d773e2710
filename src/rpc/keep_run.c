/* SPDX-License-Identifier: MIT */
/* Answers of executions: which are what the chain says, and which are the node's own. */
#include "rpc/keep_impl.h"
#include <strings.h>

#define REVERT_CODE "3" /* JSON-RPC's code of a revert, go-ethereum's and others' */

/* How much of an error inside a result is read. */
#define ERROR_BYTES 512

/* What a node says of its limits and of what it lacks, never of the chain. */
static const char *const limits[] = {
	"timeout",	"timed out",	    "deadline exceeded", "gas cap",  "gas allowance",
	"canceled",	"cancelled",	    "rate limit",	 "too many", "limit exceeded",
	"client limit", "header not found", "missing trie",	 "-38026",   "-32016",
	"-32005",
};

/* The same, where the question names no gas: it got as much as the node grants. */
#define OUT_OF_GAS "out of gas"

/* Longer than any of them: what stands across two parts that are read is read with the latter.
 */
#define LIMIT_BYTES 20

/* Whether one stands at the beginning of a text. */
static bool starts_limit(struct span text)
{
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		size_t n = strlen(limits[i]);
		if ((*text.ptr | 0x20) == (*limits[i] | 0x20) && n <= text.len &&
		    strncasecmp(text.ptr, limits[i], n) == 0)
			return true;
	}
	return false;
}

static bool starts_out_of_gas(struct span text)
{
	const size_t n = sizeof OUT_OF_GAS - 1;

	return text.len >= n && strncasecmp(text.ptr, OUT_OF_GAS, n) == 0;
}

static bool says_limit(struct span text, bool own_gas)
{
	for (; text.len > 0; text.ptr++, text.len--)
		if (starts_limit(text) || (!own_gas && starts_out_of_gas(text)))
			return true;
	return false;
}

static bool has_text(struct span in, const char *text)
{
	return memmem(in.ptr, in.len, text, strlen(text)) != NULL;
}

/* Of several transactions each would have to: they are not looked at one by one. */
static bool names_gas(struct span key)
{
	const char *open = memchr(key.ptr, '[', key.len);
	const struct span method = {key.ptr, open != NULL ? (size_t)(open - key.ptr) : key.len};

	if (has_text(method, "Many") || has_text(method, "simulate"))
		return false;
	return has_text(key, "\"gas\":") || has_text(key, "\"gasLimit\":");
}

/* Whether any error in a result is one. It is looked for in the text, as results are large and
 * nest deeply: what stands behind an error may count as part of it, and then a good answer is
 * not kept. No byte is read for two errors. */
static bool holds_limit(struct span key, struct span json)
{
	static const char name[] = "\"error";
	const char *end = json.ptr + json.len, *at = json.ptr, *read = json.ptr;
	const bool own_gas = names_gas(key);

	while ((at = memmem(at, (size_t)(end - at), name, sizeof name - 1)) != NULL) {
		at += sizeof name - 1;
		const char *stop = end - at > ERROR_BYTES ? at + ERROR_BYTES : end;
		const char *start = read - at > LIMIT_BYTES ? read - LIMIT_BYTES : at;
		if (says_limit((struct span){start, (size_t)(stop - start)}, own_gas))
			return true;
		read = stop;
	}
	return false;
}

enum err keep_check_run(const struct keep *keep, struct span json, struct err_detail *detail)
{
	const char *wanted = "an object or a list";
	struct eth_u256 gas;
	struct span text;
	bool good = json_type(json) == JSON_OBJECT || json_type(json) == JSON_ARRAY;
	size_t n;

	if (keep->kind == KEEP_GAS) {
		wanted = "a quantity";
		good = json_string_plain(json, &text) && eth_quantity_lenient(text, &gas) == OK;
	} else if (keep->kind == KEEP_CALL) {
		wanted = "data";
		good = json_string_plain(json, &text) && eth_data_length(text, &n) == OK;
	}
	return good ? OK : err_set(detail, ERR_BAD_ANSWER, "the answer is not %s", wanted);
}

/* The kind of client in a key, "CHAIN:method@KIND[params]". */
static struct span key_kind(struct span key)
{
	const char *end = memchr(key.ptr, '[', key.len);
	const char *at = end != NULL ? memchr(key.ptr, '@', (size_t)(end - key.ptr)) : NULL;

	return at != NULL ? (struct span){at + 1, (size_t)(end - at - 1)} : (struct span){0};
}

/* Whether the question is of one block for ever, and the answer of the key's kind of client. */
static bool is_settled(const struct keep *keep, struct span key,
		       const struct fork_answer *answer)
{
	if (!(keep->flags & KEEP_FIXED))
		return false;
	if (!(keep->flags & KEEP_BY_CLIENT))
		return true;
	struct span kind = key_kind(key);
	return kind.len > 0 && span_equal(kind, answer->client);
}

void keep_store_run(struct stack *stack, const struct keep *keep, struct span key,
		    const struct fork_answer *answer)
{
	struct span json = blob_span(answer->blob);

	if (is_settled(keep, key, answer) && json_type(json) != JSON_NULL &&
	    !holds_limit(key, json))
		stack_keep_reply(stack, key, keep->number, json);
}

static bool is_run(const struct keep *keep)
{
	return keep->kind == KEEP_CALL || keep->kind == KEEP_GAS || keep->kind == KEEP_RUN ||
	       keep->kind == KEEP_TRACER;
}

/* {"code": 3, "message": ..., "data": "0x..."} */
static bool is_revert(struct span error)
{
	struct span code, message, text;
	size_t n;

	return json_member(error, "code", &code) && span_is(code, REVERT_CODE) &&
	       json_member(error, "message", &message) && json_type(message) == JSON_STRING &&
	       member_text(error, "data", &text) && eth_data_length(text, &n) == OK &&
	       !says_limit(message, true);
}

void keep_store_error(struct stack *stack, const struct keep *keep, struct span key,
		      const struct fork_answer *answer)
{
	struct span error = blob_span(answer->blob);

	if (is_run(keep) && is_settled(keep, key, answer) && is_revert(error))
		stack_keep_error(stack, key, keep->number, error);
}
