/* SPDX-License-Identifier: MIT */
#include "mock_node/canon.h"
#include "base/eth.h"

static const struct {
	const char *method;
	int block_at;
} block_positions[] = {
	{"eth_getBalance", 1},
	{"eth_getTransactionCount", 1},
	{"eth_getCode", 1},
	{"eth_getStorageAt", 2},
	{"eth_getStorageValues", 1},
	{"eth_getAccountInfo", 1},
	{"eth_getAccount", 1},
	{"eth_getProof", 2},
	{"eth_call", 1},
	{"eth_estimateGas", 1},
	{"eth_createAccessList", 1},
	{"eth_simulateV1", 1},
};

int canon_block_position(struct span method)
{
	for (size_t i = 0; i < sizeof block_positions / sizeof block_positions[0]; i++) {
		if (span_is(method, block_positions[i].method))
			return block_positions[i].block_at;
	}
	return -1;
}

static bool is_hex(struct span text)
{
	return text.len >= 2 && text.ptr[0] == '0' &&
	       (text.ptr[1] == 'x' || text.ptr[1] == 'X');
}

static void text_value(struct buf *out, struct span text)
{
	if (!is_hex(text)) {
		buf_json_string(out, text);
		return;
	}
	buf_char(out, '"');
	char *at = buf_reserve(out, text.len);
	if (!at)
		return;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		/* Anything else that JSON would have to escape is not hex, and is shown as
		 * such. */
		at[i] = c >= 'A' && c <= 'Z'		   ? (char)(c + 32)
			: c < ' ' || c == '"' || c == '\\' ? '?'
							   : c;
	}
	out->len += text.len;
	buf_char(out, '"');
}

static void value(struct buf *out, json_t *json);

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void object_value(struct buf *out, json_t *json)
{
	size_t count = json_object_size(json), n = 0;
	const char **names = calloc(count ? count : 1, sizeof *names);

	if (!names)
		return;
	void *it = json_object_iter(json);
	for (; it; it = json_object_iter_next(json, it))
		names[n++] = json_object_iter_key(it);
	qsort(names, count, sizeof *names, by_name);
	buf_char(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		text_value(out, span_of(names[i]));
		buf_char(out, ':');
		value(out, json_object_get(json, names[i]));
	}
	buf_char(out, '}');
	free(names);
}

static void value(struct buf *out, json_t *json)
{
	size_t i;
	json_t *item;
	char *text;

	switch (json_typeof(json)) {
	case JSON_STRING:
		text_value(out,
			   (struct span){json_string_value(json), json_string_length(json)});
		break;
	case JSON_ARRAY:
		buf_char(out, '[');
		json_array_foreach(json, i, item)
		{
			if (i)
				buf_char(out, ',');
			value(out, item);
		}
		buf_char(out, ']');
		break;
	case JSON_OBJECT:
		object_value(out, json);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
		buf_text(out, text ? text : "null");
		free(text);
		break;
	}
}

static void slot_value(struct buf *out, json_t *json)
{
	struct eth_bytes32 slot;
	struct span text = {json_string_value(json), json_string_length(json)};

	if (!json_is_string(json) || eth_slot_parse(text, &slot) != OK) {
		value(out, json);
		return;
	}
	buf_char(out, '"');
	buf_hex(out, slot.bytes, sizeof slot.bytes);
	buf_char(out, '"');
}

static void slot_list(struct buf *out, json_t *json)
{
	size_t i;
	json_t *item;

	if (!json_is_array(json)) {
		value(out, json);
		return;
	}
	buf_char(out, '[');
	json_array_foreach(json, i, item)
	{
		if (i)
			buf_char(out, ',');
		slot_value(out, item);
	}
	buf_char(out, ']');
}

void canon_key(struct buf *out, struct span method, const json_t *params)
{
	int block_at = canon_block_position(method);
	bool storage = span_is(method, "eth_getStorageAt");
	bool proof = span_is(method, "eth_getProof");
	size_t count = json_array_size(params);

	while (count && json_is_null(json_array_get(params, count - 1)))
		count--;
	buf_span(out, method);
	buf_text(out, " [");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		if (storage && i == 1)
			slot_value(out, json_array_get(params, i));
		else if (proof && i == 1)
			slot_list(out, json_array_get(params, i));
		else
			value(out, json_array_get(params, i));
	}
	if (block_at >= 0 && count == (size_t)block_at)
		buf_text(out, ",\"latest\"");
	buf_char(out, ']');
}
