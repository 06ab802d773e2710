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

/* What a member of a call or of a filter means without being there. */
static bool is_default(const char *name, const json_t *json)
{
	static const struct {
		const char *name, *value;
	} defaults[] = {
		{"value", "0x0"},
		{"data", "0x"},
		{"input", "0x"},
		{"from", "0x0000000000000000000000000000000000000000"},
	};
	const char *text = json_string_value(json);

	for (size_t i = 0; text && i < sizeof defaults / sizeof defaults[0]; i++)
		if (strcmp(name, defaults[i].name) == 0 && strcmp(text, defaults[i].value) == 0)
			return true;
	return json_is_null(json) || json_is_false(json) ||
	       (json_is_object(json) && json_object_size(json) == 0);
}

/* An address, and each position of the topics: one is a list of one, no topic is any. */
static void list_value(struct buf *out, json_t *json)
{
	if (json_is_string(json)) {
		buf_char(out, '[');
		value(out, json);
		buf_char(out, ']');
	} else if (json_is_array(json) && json_array_size(json) == 0) {
		buf_text(out, "null");
	} else {
		value(out, json);
	}
}

static void topics_value(struct buf *out, json_t *json)
{
	size_t i;
	json_t *item;

	buf_char(out, '[');
	json_array_foreach(json, i, item)
	{
		if (i)
			buf_char(out, ',');
		list_value(out, item);
	}
	buf_char(out, ']');
}

static void member_value(struct buf *out, const char *name, json_t *json)
{
	text_value(out, strcmp(name, "input") == 0 ? SPAN("data") : span_of(name));
	buf_char(out, ':');
	if (strcmp(name, "topics") == 0)
		topics_value(out, json);
	else
		value(out, json);
}

static int by_name_as_written(const void *a, const void *b)
{
	const char *one = *(const char *const *)a, *other = *(const char *const *)b;

	return strcmp(strcmp(one, "input") == 0 ? "data" : one,
		      strcmp(other, "input") == 0 ? "data" : other);
}

static void object_value(struct buf *out, json_t *json)
{
	size_t n = 0;
	const char **names = calloc(json_object_size(json) + 1, sizeof *names);

	if (!names)
		return;
	void *it = json_object_iter(json);
	for (; it; it = json_object_iter_next(json, it))
		if (!is_default(json_object_iter_key(it), json_object_iter_value(it)))
			names[n++] = json_object_iter_key(it);
	qsort(names, n, sizeof *names, by_name_as_written);
	buf_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(out, ',');
		member_value(out, names[i], json_object_get(json, names[i]));
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
