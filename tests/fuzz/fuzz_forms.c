/* SPDX-License-Identifier: MIT */
/*
 * Any parameter at all: its form is valid JSON, and is its own form; and a list of logs that
 * nobody has made so is believed or not, without a fault. The first byte chooses the form.
 */
#include "base/json.h"
#include "rpc/forms.h"
#include "rpc/keep.h"
#include <stdio.h>

/* Forms are at most so much deeper than what they are made of: [topic] of topic. */
#define DEEPER 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wrong(const char *why)
{
	fprintf(stderr, "%s\n", why);
	abort();
}

static const struct form *choose(unsigned char byte)
{
	static const enum param_kind kinds[] = {
		PARAM_CALL,  PARAM_TX,	  PARAM_STATE,	 PARAM_OVERRIDES, PARAM_CONFIG,
		PARAM_TYPES, PARAM_PAIRS, PARAM_BUNDLES, PARAM_CONTEXT,	  PARAM_SIMULATION};
	const size_t n = sizeof kinds / sizeof kinds[0];

	if (byte % (n + 2) == n)
		return &form_logs;
	return byte % (n + 2) > n ? &form_traces : form_of(kinds[byte % (n + 2)]);
}

static void check_form(const struct form *form, struct span value)
{
	struct buf once, twice;
	struct err_detail why;
	struct span parsed;
	size_t at;

	buf_init(&once, 1 << 22);
	buf_init(&twice, 1 << 22);
	if (form_put(form, value, &once, &why) == OK) {
		if (json_document(buf_as_span(&once), 64 + DEEPER, &parsed, &at) != OK)
			wrong("a form is no JSON");
		if (form_put(form, buf_as_span(&once), &twice, &why) != OK ||
		    !span_equal(buf_as_span(&once), buf_as_span(&twice)))
			wrong("a form is not its own form");
	}
	buf_release(&once);
	buf_release(&twice);
}

/* The same value as a filter, and as an answer to it. */
static void check_logs(struct span value)
{
	const struct keep keep = {
		.kind = KEEP_LOGS, .flags = KEEP_HAS_NUMBER, .number = UINT64_MAX};
	struct err_detail why;
	struct arena arena;
	struct buf key;

	arena_init(&arena, 1 << 24);
	buf_init(&key, 1 << 22);
	buf_text(&key, "1:eth_getLogs[");
	buf_span(&key, value);
	buf_char(&key, ']');
	const struct fork_question question = {
		.kind = FORK_CALL, .tag = keep_tag(&arena, &keep, buf_as_span(&key))};
	enum err err = keep_check(&question, value, &why);
	if (err != OK && err != ERR_BAD_ANSWER)
		wrong("an answer is neither good nor bad");
	buf_release(&key);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span value;
	size_t at;

	if (size == 0 || json_document((struct span){(const char *)data + 1, size - 1}, 62,
				       &value, &at) != OK)
		return 0;
	check_form(choose(data[0]), value);
	check_logs(value);
	return 0;
}
