/* SPDX-License-Identifier: MIT */
/* The RLP tests of github.com/ethereum/tests: RLPTests/. */
#include "corpus.h"
#include "base/rlp.h"
#include <jansson.h>

enum { LIMIT = 1 << 20, DEPTH_MAX = 1000 };

/* "#123…": a number of any size, here up to 2^256, which has 33 bytes. */
static void encode_decimal(struct buf *out, const char *digits)
{
	unsigned char be[40] = {0};
	for (; *digits; digits++) {
		unsigned carry = (unsigned)(*digits - '0');
		for (size_t i = sizeof be; i-- > 0;) {
			carry += be[i] * 10u;
			be[i] = (unsigned char)carry;
			carry >>= 8;
		}
		assert_int_equal(carry, 0);
	}
	size_t zeros = 0;
	while (zeros < sizeof be && be[zeros] == 0)
		zeros++;
	rlp_string(out, be + zeros, sizeof be - zeros);
}

static void encode(struct buf *out, const json_t *value)
{
	if (json_is_integer(value)) {
		rlp_u64(out, (uint64_t)json_integer_value(value));
	} else if (json_is_string(value)) {
		const char *text = json_string_value(value);
		if (text[0] == '#')
			encode_decimal(out, text + 1);
		else
			rlp_string(out, text, json_string_length(value));
	} else {
		assert_true(json_is_array(value));
		size_t mark = rlp_list_open(out);
		for (size_t i = 0; i < json_array_size(value); i++)
			encode(out, json_array_get(value, i));
		rlp_list_close(out, mark);
	}
}

/* Walks everything in input and writes it again. */
static enum err encode_again(struct span input, struct buf *out, int depth)
{
	if (depth > DEPTH_MAX)
		return ERR_LIMIT;
	while (input.len > 0) {
		struct rlp_item item;
		if (rlp_next(&input, &item) != OK)
			return ERR_INVALID;
		if (!item.is_list) {
			rlp_string(out, item.payload.ptr, item.payload.len);
			continue;
		}
		size_t mark = rlp_list_open(out);
		if (encode_again(item.payload, out, depth + 1) != OK)
			return ERR_INVALID;
		rlp_list_close(out, mark);
	}
	return OK;
}

/* One item and nothing after it, valid in all its depth; out gets it encoded again. */
static enum err decode_whole(struct span input, struct buf *out)
{
	struct span rest = input;
	struct rlp_item item;
	if (rlp_next(&rest, &item) != OK || rest.len > 0)
		return ERR_INVALID;
	return encode_again(input, out, 0);
}

/* The bytes of the vector's "out", which some write without 0x. */
static void vector_bytes(const json_t *vector, struct buf *out)
{
	const char *hex = json_string_value(json_object_get(vector, "out"));
	assert_non_null(hex);
	struct buf data;
	buf_init(&data, LIMIT);
	if (strncmp(hex, "0x", 2) != 0)
		buf_text(&data, "0x");
	buf_text(&data, hex);
	size_t n;
	assert_ok(eth_data_length(buf_as_span(&data), &n));
	buf_init(out, LIMIT);
	char *to = buf_reserve(out, n);
	assert_non_null(to);
	assert_ok(eth_data_parse(buf_as_span(&data), to, n));
	out->len = n;
	buf_release(&data);
}

static void assert_vector(const char *name, const json_t *vector)
{
	struct buf want, got;
	const json_t *in = json_object_get(vector, "in");
	const char *verdict = json_string_value(in);
	bool valid = !verdict || strcmp(verdict, "INVALID") != 0;
	vector_bytes(vector, &want);
	buf_init(&got, LIMIT);
	if ((decode_whole(buf_as_span(&want), &got) == OK) != valid)
		fail_msg("%s: %s", name, valid ? "refused" : "accepted");
	if (valid && !span_equal(buf_as_span(&got), buf_as_span(&want)))
		fail_msg("%s: decoded and encoded, it differs", name);
	if (valid && (!verdict || strcmp(verdict, "VALID") != 0)) {
		buf_clear(&got);
		encode(&got, in);
		if (!span_equal(buf_as_span(&got), buf_as_span(&want)))
			fail_msg("%s: encoded wrongly", name);
	}
	buf_release(&want);
	buf_release(&got);
}

static void run_file(const char *path, int at_least)
{
	struct buf file;
	corpus_read(path, &file);
	json_error_t error;
	json_t *vectors = json_loadb(file.ptr, file.len, JSON_ALLOW_NUL, &error);
	if (!vectors)
		fail_msg("%s: %s", path, error.text);
	int n = 0;
	const char *name;
	json_t *vector;
	json_object_foreach(vectors, name, vector)
	{
		assert_vector(name, vector);
		n++;
	}
	print_message("%d vectors\n", n);
	assert_true(n >= at_least);
	json_decref(vectors);
	buf_release(&file);
}

static void valid(void **state)
{
	(void)state;
	run_file("ethereum-tests/RLPTests/rlptest.json", 28);
}

static void invalid(void **state)
{
	(void)state;
	run_file("ethereum-tests/RLPTests/invalidRLPTest.json", 26);
}

static void random_example(void **state)
{
	(void)state;
	run_file("ethereum-tests/RLPTests/RandomRLPTests/example.json", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid),
		cmocka_unit_test(invalid),
		cmocka_unit_test(random_example),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
