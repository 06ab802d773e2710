/* SPDX-License-Identifier: MIT */
/* The Keccak team's known answers (KeccakKAT-3, ShortMsgKAT_256). */
#include "corpus.h"
#include "base/keccak.h"

/* The value of the next line "key = value" at or after *at, which moves behind it. */
static bool next_value(const char **at, const char *key, struct span *value)
{
	const char *line = strstr(*at, key);
	if (!line)
		return false;
	value->ptr = line + strlen(key);
	value->len = strcspn(value->ptr, "\r\n");
	*at = value->ptr + value->len;
	return true;
}

static void decode(struct span digits, void *bytes, size_t n)
{
	struct buf data;
	buf_init(&data, 1 << 20);
	buf_text(&data, "0x");
	buf_append(&data, digits.ptr, 2 * n);
	assert_ok(eth_data_parse(buf_as_span(&data), bytes, n));
	buf_release(&data);
}

static void short_messages(void **state)
{
	(void)state;
	struct buf file;
	corpus_read("keccak256/ShortMsgKAT_256.txt", &file);
	const char *at = file.ptr;
	struct span bits = {0}, message = {0}, digest = {0};
	int compared = 0;
	while (next_value(&at, "Len = ", &bits)) {
		assert_true(next_value(&at, "Msg = ", &message));
		assert_true(next_value(&at, "MD = ", &digest));
		unsigned long n = strtoul(bits.ptr, NULL, 10);
		if (n % 8 != 0)
			continue; /* a string of bits, not of bytes */
		unsigned char bytes[256];
		struct eth_bytes32 got, want;
		n /= 8;
		assert_true(n <= sizeof bytes && (message.len == 2 * n || n == 0));
		assert_int_equal(digest.len, 64);
		decode(message, bytes, n);
		decode(digest, want.bytes, 32);
		keccak256(bytes, n, &got);
		if (!eth_bytes32_equal(&got, &want))
			fail_msg("message of %lu bytes", n);
		compared++;
	}
	print_message("%d known answers\n", compared);
	assert_true(compared >= 256);
	buf_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(short_messages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
