/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/utf8.h"

/* What RFC 3629 says of a code point, worked out the slow way. */
static size_t encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(lead[n] | c);
	return n;
}

static void every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x1fffff; c++) {
		char bytes[4];
		size_t n = encode(c, bytes);
		size_t want = (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff ? 0 : n;
		if (utf8_length((struct span){bytes, n}) != want)
			fail_msg("U+%X", c);
		if (n > 1 && utf8_length((struct span){bytes, n - 1}) != 0)
			fail_msg("U+%X cut short", c);
	}
}

static void what_is_not_utf8(void **state)
{
	(void)state;
	assert_int_equal(utf8_length(SPAN("")), 0);
	assert_int_equal(utf8_length(SPAN("\x80")), 0);
	assert_int_equal(utf8_length(SPAN("\xff\xff")), 0);
	assert_int_equal(utf8_length(SPAN("\xc0\xaf")), 0);
	assert_int_equal(utf8_length(SPAN("\xc1\xbf")), 0);
	assert_int_equal(utf8_length(SPAN("\xe0\x9f\xbf")), 0);
	assert_int_equal(utf8_length(SPAN("\xf0\x8f\xbf\xbf")), 0);
	assert_int_equal(utf8_length(SPAN("\xe2\x82x")), 0);
	assert_int_equal(utf8_length(SPAN("\xe2\x82\xac...")), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(what_is_not_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
