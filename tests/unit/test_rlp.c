/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/rlp.h"

enum { LIMIT = 1 << 20 };

static void strings_of_every_header_form(void **state)
{
	(void)state;
	/* length of the string, its header */
	static const struct {
		size_t n;
		const char *header;
		size_t header_len;
	} cases[] = {
		{0, "\x80", 1},
		{2, "\x82", 1},
		{55, "\xb7", 1},
		{56, "\xb8\x38", 2},
		{255, "\xb8\xff", 2},
		{256, "\xb9\x01\x00", 3},
		{65535, "\xb9\xff\xff", 3},
		{65536, "\xba\x01\x00\x00", 4},
	};
	char *bytes = calloc(1, 65536);
	struct buf out;
	buf_init(&out, LIMIT);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&out);
		rlp_string(&out, bytes, cases[i].n);
		assert_ok(buf_err(&out));
		assert_int_equal(out.len, cases[i].header_len + cases[i].n);
		assert_memory_equal(out.ptr, cases[i].header, cases[i].header_len);
		struct span input = buf_as_span(&out);
		struct rlp_item item;
		assert_ok(rlp_next(&input, &item));
		assert_false(item.is_list);
		assert_int_equal(item.payload.len, cases[i].n);
		assert_int_equal(input.len, 0);
	}
	buf_release(&out);
	free(bytes);
}

static void numbers(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, LIMIT);
	rlp_u64(&out, 0);
	rlp_u64(&out, 0x7f);
	rlp_u64(&out, 0x80);
	rlp_u64(&out, 0x100);
	rlp_u64(&out, UINT64_MAX);
	struct eth_u256 wide = eth_u256_from_u64(5);
	rlp_u256(&out, &wide);
	wide.bytes[0] = 1;
	rlp_u256(&out, &wide);
	wide = (struct eth_u256){{0}};
	rlp_u256(&out, &wide);
	assert_span(buf_as_span(&out),
		    "\x80\x7f\x81\x80\x82\x01\x00\x88\xff\xff\xff\xff\xff\xff\xff\xff\x05\xa0"
		    "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\x80");
	buf_release(&out);
}

static void nested_lists(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, LIMIT);
	buf_text(&out, "before");
	size_t outer = rlp_list_open(&out);
	rlp_u64(&out, 1);
	size_t inner = rlp_list_open(&out);
	rlp_string(&out, "0123456789012345678901234567890123456789012345678901234567890", 60);
	rlp_list_close(&out, inner);
	inner = rlp_list_open(&out);
	rlp_list_close(&out, inner);
	rlp_string(&out, "dog", 3);
	rlp_list_close(&out, outer);
	assert_ok(buf_err(&out));

	struct span input = {out.ptr + 6, out.len - 6};
	struct rlp_item list, item;
	assert_ok(rlp_next(&input, &list));
	assert_int_equal(input.len, 0);
	assert_true(list.is_list);
	assert_ok(rlp_next(&list.payload, &item));
	assert_span(item.payload, "\x01");
	assert_ok(rlp_next(&list.payload, &item));
	assert_true(item.is_list);
	struct rlp_item text;
	assert_ok(rlp_next(&item.payload, &text));
	assert_int_equal(text.payload.len, 60);
	assert_ok(rlp_next(&list.payload, &item));
	assert_true(item.is_list);
	assert_int_equal(item.payload.len, 0);
	assert_ok(rlp_next(&list.payload, &item));
	assert_span(item.payload, "dog");
	assert_int_equal(list.payload.len, 0);
	assert_int_equal(rlp_next(&list.payload, &item), ERR_INVALID);
	buf_release(&out);
}

static void encoding_over_the_limit(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4);
	size_t mark = rlp_list_open(&out);
	rlp_string(&out, "dog", 3);
	rlp_list_close(&out, mark); /* no room for the header */
	assert_int_equal(buf_err(&out), ERR_LIMIT);
	buf_clear(&out);
	mark = rlp_list_open(&out);
	rlp_string(&out, "doggy", 5);
	rlp_list_close(&out, mark);
	assert_int_equal(buf_err(&out), ERR_LIMIT);
	buf_release(&out);
}

static void assert_refused(struct span input)
{
	struct span rest = input;
	struct rlp_item item;
	assert_int_equal(rlp_next(&rest, &item), ERR_INVALID);
	assert_ptr_equal(rest.ptr, input.ptr); /* nothing is taken off */
	assert_int_equal(rest.len, input.len);
}

static void what_is_not_canonical(void **state)
{
	(void)state;
	assert_refused(SPAN(""));
	assert_refused(SPAN("\x81\x7f"));
	assert_refused(SPAN("\x81\x00"));
	assert_refused(SPAN("\x81"));
	assert_refused(SPAN("\x83"
			    "do"));
	assert_refused(SPAN("\xb8"));
	assert_refused(SPAN("\xb8\x01\xff"));
	assert_refused(
		SPAN("\xb9\x00\x38xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	assert_refused(SPAN("\xf8\x00"));
	assert_refused(SPAN("\xc1"));
	assert_refused(SPAN("\xbf\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_refused(SPAN("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"));
	struct span fine = SPAN("\x81\x80");
	struct rlp_item item;
	assert_ok(rlp_next(&fine, &item));
	/* A list of one byte below 0x80 is not a string. */
	fine = SPAN("\xc1\x05");
	assert_ok(rlp_next(&fine, &item));
	assert_true(item.is_list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_of_every_header_form),
		cmocka_unit_test(numbers),
		cmocka_unit_test(nested_lists),
		cmocka_unit_test(encoding_over_the_limit),
		cmocka_unit_test(what_is_not_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
