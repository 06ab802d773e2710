/* SPDX-License-Identifier: MIT */
#include "fork/classify.h"
#include <strings.h>

struct phrase {
	const char *text;
	enum verdict state, call;
};

/* The first that occurs decides. */
static const struct phrase phrases[] = {
	/* limits of one question: of a call they are the answer (geth, Infura, Alchemy) */
	{"query returned more than", VERDICT_BAD, VERDICT_ERROR},
	{"block range", VERDICT_BAD, VERDICT_ERROR},
	{"response size", VERDICT_BAD, VERDICT_ERROR},
	{"too many results", VERDICT_BAD, VERDICT_ERROR},
	{"revert", VERDICT_BAD, VERDICT_ERROR},
	{"out of gas", VERDICT_BAD, VERDICT_ERROR},
	{"gas required exceeds", VERDICT_BAD, VERDICT_ERROR},
	{"exceeds block gas limit", VERDICT_BAD, VERDICT_ERROR},
	{"insufficient funds", VERDICT_BAD, VERDICT_ERROR},
	{"vm exception", VERDICT_BAD, VERDICT_ERROR},
	{"invalid opcode", VERDICT_BAD, VERDICT_ERROR},
	{"invalid jump", VERDICT_BAD, VERDICT_ERROR},
	{"stack underflow", VERDICT_BAD, VERDICT_ERROR},
	{"stack limit reached", VERDICT_BAD, VERDICT_ERROR},
	/* the block, or its state, is not there */
	{"missing trie node", VERDICT_LACKS, VERDICT_LACKS},
	{"header not found", VERDICT_LACKS, VERDICT_LACKS},
	{"header for hash not found", VERDICT_LACKS, VERDICT_LACKS},
	{"block not found", VERDICT_LACKS, VERDICT_LACKS},
	{"could not find block", VERDICT_LACKS, VERDICT_LACKS},
	{"cannot find block", VERDICT_LACKS, VERDICT_LACKS},
	{"unknown block", VERDICT_LACKS, VERDICT_LACKS},
	{"pruned", VERDICT_LACKS, VERDICT_LACKS},
	{"state not available", VERDICT_LACKS, VERDICT_LACKS},
	{"state is not available", VERDICT_LACKS, VERDICT_LACKS},
	{"state unavailable", VERDICT_LACKS, VERDICT_LACKS},
	{"no state available", VERDICT_LACKS, VERDICT_LACKS},
	{"historical state", VERDICT_LACKS, VERDICT_LACKS},
	{"state histories", VERDICT_LACKS, VERDICT_LACKS},
	{"state at block", VERDICT_LACKS, VERDICT_LACKS},
	{"archive", VERDICT_LACKS, VERDICT_LACKS},
	/* of a whole batch (geth): alone it may fit */
	{"response too large", VERDICT_TRANSIENT, VERDICT_INTERNAL},
	/* Go's contexts, before "exceeded" */
	{"deadline exceeded", VERDICT_TRANSIENT, VERDICT_INTERNAL},
	/* slow down */
	{"rate limit", VERDICT_RATE, VERDICT_RATE},
	{"rate-limit", VERDICT_RATE, VERDICT_RATE},
	{"ratelimit", VERDICT_RATE, VERDICT_RATE},
	{"too many requests", VERDICT_RATE, VERDICT_RATE},
	{"request limit", VERDICT_RATE, VERDICT_RATE},
	{"request count", VERDICT_RATE, VERDICT_RATE},
	{"limit exceeded", VERDICT_RATE, VERDICT_RATE},
	{"compute units", VERDICT_RATE, VERDICT_RATE},
	{"throughput", VERDICT_RATE, VERDICT_RATE},
	{"capacity", VERDICT_RATE, VERDICT_RATE},
	{"credits", VERDICT_RATE, VERDICT_RATE},
	{"quota", VERDICT_RATE, VERDICT_RATE},
	{"exceeded", VERDICT_RATE, VERDICT_ERROR},
	/* the key, which the message may quote */
	{"unauthorized", VERDICT_REFUSED, VERDICT_REFUSED},
	{"api key", VERDICT_REFUSED, VERDICT_REFUSED},
	{"authenticat", VERDICT_REFUSED, VERDICT_REFUSED},
	{"project id", VERDICT_REFUSED, VERDICT_REFUSED},
	/* a form or a method that it does not know */
	{"method not found", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"does not exist/is not available", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"unsupported method", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"unknown method", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"not supported", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"not implemented", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"not whitelisted", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"invalid argument", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"cannot unmarshal", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{"invalid params", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	/* its own trouble */
	{"timeout", VERDICT_TRANSIENT, VERDICT_INTERNAL},
	{"timed out", VERDICT_TRANSIENT, VERDICT_INTERNAL},
	{"temporarily", VERDICT_TRANSIENT, VERDICT_TRANSIENT},
	{"try again", VERDICT_TRANSIENT, VERDICT_TRANSIENT},
	{"unavailable", VERDICT_TRANSIENT, VERDICT_TRANSIENT},
	{"bad gateway", VERDICT_TRANSIENT, VERDICT_TRANSIENT},
	{"internal error", VERDICT_TRANSIENT, VERDICT_INTERNAL},
};

static const struct {
	int64_t code;
	enum verdict state, call;
} codes[] = {
	{3, VERDICT_BAD, VERDICT_ERROR},
	{429, VERDICT_RATE, VERDICT_RATE},
	{4444, VERDICT_LACKS, VERDICT_LACKS}, /* execution-apis: pruned history */
	{-32005, VERDICT_RATE, VERDICT_RATE},
	{-32007, VERDICT_RATE, VERDICT_RATE},
	{-32012, VERDICT_RATE, VERDICT_RATE},
	{-32016, VERDICT_RATE, VERDICT_RATE},
	{-32602, VERDICT_UNSUPPORTED, VERDICT_LIKELY},
	{-32603, VERDICT_TRANSIENT, VERDICT_INTERNAL},
};

/* Messages are read as far as a person would: a page quoted in one must not hold us up. */
enum { MESSAGE_BYTES = 256 };

static bool contains(struct span text, const char *phrase)
{
	if (text.len > MESSAGE_BYTES)
		text.len = MESSAGE_BYTES;
	size_t n = strlen(phrase);
	for (size_t i = 0; i + n <= text.len; i++)
		if ((text.ptr[i] | 32) == (phrase[0] | 32) &&
		    strncasecmp(text.ptr + i, phrase, n) == 0)
			return true;
	return false;
}

enum verdict classify_error(int64_t code, struct span message, enum subject subject)
{
	static const enum verdict unknown[] = {
		[SUBJECT_STATE] = VERDICT_TRANSIENT,
		[SUBJECT_CHAIN] = VERDICT_INTERNAL,
		[SUBJECT_COMPUTED] = VERDICT_LIKELY,
	};
	const bool is_state = subject == SUBJECT_STATE;
	/* JSON-RPC reserves it; the message may quote anything. */
	if (code == CLASSIFY_METHOD_NOT_FOUND)
		return is_state ? VERDICT_UNSUPPORTED : VERDICT_LIKELY;
	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (contains(message, phrases[i].text))
			return is_state ? phrases[i].state : phrases[i].call;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return is_state ? codes[i].state : codes[i].call;
	return unknown[subject];
}

bool classify_no_method(int64_t code, struct span message)
{
	static const char *const says[] = {
		"method not found", "does not exist/is not available", "unsupported method",
		"unknown method", "not whitelisted"};

	if (code == CLASSIFY_METHOD_NOT_FOUND)
		return true;
	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
		if (contains(message, says[i]))
			return true;
	return false;
}

bool classify_batch_too_big(int64_t code, struct span message)
{
	/* geth: -32600 "batch too large"; others -32005, -32000 with "batch" and a number. */
	return contains(message, "batch")
		       ? contains(message, "large") || contains(message, "limit") ||
				 contains(message, "size") || contains(message, "exceed") ||
				 contains(message, "maximum") ||
				 contains(message, "too many") ||
				 contains(message, "at most") || contains(message, "up to")
	       : code == -32600
		       ? contains(message, "too many") || contains(message, "too large")
		       : false;
}

const char *classify_name(enum verdict verdict)
{
	static const char *const names[VERDICTS] = {
		[VERDICT_OK] = "answered",
		[VERDICT_TRANSIENT] = "internal error",
		[VERDICT_RATE] = "rate limited",
		[VERDICT_BAD] = "unusable answer",
		[VERDICT_LACKS] = "it does not have the block or its state",
		[VERDICT_REFUSED] = "refused",
		[VERDICT_INTERNAL] = "internal error",
		[VERDICT_UNSUPPORTED] = "method or parameters not supported",
		[VERDICT_LIKELY] = "error",
		[VERDICT_ERROR] = "error",
	};
	return names[verdict];
}
