/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/buf.h"
#include "base/eth.h"
#include <ctype.h>

static const char *const zeros =
	"0000000000000000000000000000000000000000000000000000000000000000";

/* A 32-byte value as 64 digits, to compare with. */
static void assert_bytes32(const unsigned char bytes[32], const char *low_digits)
{
	char got[65] = "", want[65];
	eth_hex(bytes, 32, got);
	memcpy(want, zeros, 65);
	memcpy(want + 64 - strlen(low_digits), low_digits, strlen(low_digits));
	assert_string_equal(got, want);
}

static void hex_of_every_byte(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		unsigned char byte = (unsigned char)i, back;
		char got[5] = "0x", want[8];
		eth_hex(&byte, 1, got + 2);
		snprintf(want, sizeof want, "0x%02x", i);
		assert_string_equal(got, want);
		assert_ok(eth_data_parse(span_of(got), &back, 1));
		assert_int_equal(back, byte);
	}
}

static void every_character_as_a_digit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		bool digit = i != 0 && strchr("0123456789abcdefABCDEF", (int)i) != NULL;
		unsigned char out;
		size_t n;
		char high[4] = {'0', 'x', (char)i, '0'}, low[4] = {'0', 'x', '0', (char)i};
		enum err want = digit ? OK : ERR_INVALID;
		assert_int_equal(eth_data_parse((struct span){high, 4}, &out, 1), want);
		assert_int_equal(eth_data_parse((struct span){low, 4}, &out, 1), want);
		assert_int_equal(eth_data_length((struct span){low, 4}, &n), want);
	}
}

/* Long enough for whole blocks, at every place of one: 20 and 32 bytes are what clients send.
 */
static void every_character_at_every_place(void **state)
{
	(void)state;
	static const size_t sizes[] = {15, 16, 17, 20, 31, 32};

	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
		const size_t n = sizes[k];
		char text[2 + 64 + 1];
		unsigned char out[32], want[32];

		memset(want, 0x5a, sizeof want);
		for (size_t at = 2; at < 2 + 2 * n; at++) {
			memcpy(text, "0x", 2);
			eth_hex(want, n, text + 2);
			for (unsigned c = 0; c < 256; c++) {
				bool digit = c != 0 &&
					     strchr("0123456789abcdefABCDEF", (int)c) != NULL;
				text[at] = (char)c;
				assert_int_equal(
					eth_data_parse((struct span){text, 2 + 2 * n}, out, n),
					digit ? OK : ERR_INVALID);
			}
		}
	}
}

static void blocks_of_every_byte(void **state)
{
	(void)state;
	for (size_t n = 16; n <= 32; n++) {
		for (unsigned first = 0; first < 256; first++) {
			unsigned char in[32], back[32];
			char text[2 + 64 + 1] = "0x", pair[3];

			for (size_t i = 0; i < n; i++)
				in[i] = (unsigned char)(first + 37 * i);
			eth_hex(in, n, text + 2);
			for (size_t i = 0; i < n; i++) {
				snprintf(pair, sizeof pair, "%02x", in[i]);
				assert_memory_equal(text + 2 + 2 * i, pair, 2);
			}
			for (size_t i = 2; i < 2 + 2 * n; i += 2)
				text[i] = (char)toupper(text[i]);
			assert_ok(eth_data_parse((struct span){text, 2 + 2 * n}, back, n));
			assert_memory_equal(back, in, n);
		}
	}
}

static void data(void **state)
{
	(void)state;
	unsigned char out[4];
	assert_ok(eth_data_parse(SPAN("0xDEadBEef"), out, 4));
	assert_memory_equal(out, "\xde\xad\xbe\xef", 4);
	assert_ok(eth_data_parse(SPAN("0Xdeadbeef"), out, 4));
	assert_ok(eth_data_parse(SPAN("0x"), out, 0));
	assert_int_equal(eth_data_parse(SPAN("0xdeadbee"), out, 4), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN("0xdeadbeef0"), out, 4), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN("0xdeadbeef00"), out, 4), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN("deadbeef"), out, 4), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN("1xdeadbeef"), out, 4), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN(" 0xdeadbee"), out, 4), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN(""), out, 0), ERR_INVALID);
	assert_int_equal(eth_data_parse(SPAN("0"), out, 0), ERR_INVALID);
}

static void data_length(void **state)
{
	(void)state;
	size_t n = 99;
	assert_ok(eth_data_length(SPAN("0x"), &n));
	assert_int_equal(n, 0);
	assert_ok(eth_data_length(SPAN("0x00ff0a"), &n));
	assert_int_equal(n, 3);
	assert_int_equal(eth_data_length(SPAN("0x0"), &n), ERR_INVALID);
	assert_int_equal(eth_data_length(SPAN("0xgg"), &n), ERR_INVALID);
	assert_int_equal(eth_data_length(SPAN(""), &n), ERR_INVALID);
	assert_int_equal(eth_data_length(SPAN("00"), &n), ERR_INVALID);
	assert_int_equal(n, 3);
}

static void addresses(void **state)
{
	(void)state;
	struct eth_address a, b;
	assert_ok(eth_address_parse(SPAN("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), &a));
	assert_memory_equal(a.bytes, "\x5a\xae\xb6\x05", 4);
	assert_memory_equal(a.bytes + 16, "\xef\x1b\xea\xed", 4);
	assert_ok(eth_address_parse(SPAN("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), &b));
	assert_memory_equal(a.bytes, b.bytes, 20);
	assert_int_equal(
		eth_address_parse(SPAN("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae"), &b),
		ERR_INVALID);
	assert_int_equal(
		eth_address_parse(SPAN("0x005aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), &b),
		ERR_INVALID);
	assert_int_equal(
		eth_address_parse(SPAN("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg"), &b),
		ERR_INVALID);
	/* 40 characters that look like a prefix and 38 digits */
	assert_int_equal(
		eth_address_parse(SPAN("0xaeb6053f3e94c9b9a09f33669435e7ef1beaed"), &b),
		ERR_INVALID);
	assert_int_equal(eth_address_parse(SPAN(""), &b), ERR_INVALID);
}

static void quantities_of_64_bits(void **state)
{
	(void)state;
	uint64_t v = 7;
	assert_ok(eth_quantity_u64(SPAN("0x0"), &v));
	assert_int_equal(v, 0);
	assert_ok(eth_quantity_u64(SPAN("0x1a4"), &v));
	assert_int_equal(v, 420);
	assert_ok(eth_quantity_u64(SPAN("0xffffffffffffffff"), &v));
	assert_true(v == UINT64_MAX);
	static const char *const wrong[] = {
		"",	 "0x",	  "0x00",   "0x01", "0x10000000000000000",
		"1",	 "x1",	  "0x-1",   "0x 1", "0x1 ",
		"0x+1",	 "0x1.0", "latest", "0x1g", "0",
		"0x000", "-0x1",  "0x0x1",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (eth_quantity_u64(span_of(wrong[i]), &v) != ERR_INVALID)
			fail_msg("accepted: %s", wrong[i]);
	assert_true(v == UINT64_MAX);
}

static void quantities_of_256_bits(void **state)
{
	(void)state;
	struct eth_u256 v;
	char text[68] = "0x";
	assert_ok(eth_quantity_u256(SPAN("0xabc"), &v));
	assert_bytes32(v.bytes, "abc");
	assert_ok(eth_quantity_u256(SPAN("0x0"), &v));
	assert_bytes32(v.bytes, "0");
	memset(text + 2, 'f', 65);
	assert_ok(eth_quantity_u256((struct span){text, 66}, &v));
	assert_bytes32(v.bytes, text + 3);
	assert_int_equal(eth_quantity_u256((struct span){text, 67}, &v), ERR_INVALID);
	assert_int_equal(eth_quantity_u256(SPAN("0x0abc"), &v), ERR_INVALID);
	assert_int_equal(eth_quantity_u256(SPAN("0x"), &v), ERR_INVALID);

	assert_ok(eth_quantity_lenient(SPAN("0x000abc"), &v));
	assert_bytes32(v.bytes, "abc");
	assert_ok(eth_quantity_lenient(SPAN("0X00abc"), &v));
	assert_bytes32(v.bytes, "abc");
	assert_int_equal(eth_quantity_lenient((struct span){text, 67}, &v), ERR_INVALID);
	assert_int_equal(eth_quantity_lenient(SPAN("0x"), &v), ERR_INVALID);
	assert_int_equal(eth_quantity_lenient(SPAN("abc"), &v), ERR_INVALID);
	assert_int_equal(eth_quantity_lenient(SPAN("0xabz"), &v), ERR_INVALID);
}

/* As go-ethereum's decodeStorageKey: internal/ethapi/api.go. */
static void slots(void **state)
{
	(void)state;
	struct eth_bytes32 slot;
	char text[68];
	assert_ok(eth_slot_parse(SPAN("0x2"), &slot));
	assert_bytes32(slot.bytes, "2");
	assert_ok(eth_slot_parse(SPAN("2"), &slot));
	assert_bytes32(slot.bytes, "2");
	assert_ok(eth_slot_parse(SPAN("0Xabc"), &slot));
	assert_bytes32(slot.bytes, "abc");
	assert_ok(eth_slot_parse(SPAN("0x000123"), &slot));
	assert_bytes32(slot.bytes, "123");
	assert_ok(eth_slot_parse(SPAN("0x"), &slot));
	assert_bytes32(slot.bytes, "");
	assert_ok(eth_slot_parse(SPAN(""), &slot));
	assert_bytes32(slot.bytes, "");
	snprintf(text, sizeof text, "0x%sa", zeros);
	assert_ok(eth_slot_parse((struct span){text, 66}, &slot));
	assert_int_equal(eth_slot_parse((struct span){text, 67}, &slot), ERR_INVALID);
	assert_int_equal(eth_slot_parse(SPAN("0xg"), &slot), ERR_INVALID);
	assert_int_equal(eth_slot_parse(SPAN("0x0g"), &slot), ERR_INVALID);
	assert_int_equal(eth_slot_parse(SPAN("0xg0"), &slot), ERR_INVALID);
	assert_int_equal(eth_slot_parse(SPAN("-1"), &slot), ERR_INVALID);
}

static void slot_values(void **state)
{
	(void)state;
	struct eth_bytes32 value;
	char text[68];
	assert_ok(eth_slot_value_parse(SPAN("0x0"), &value));
	assert_bytes32(value.bytes, "");
	assert_ok(eth_slot_value_parse(SPAN("0x00"), &value));
	assert_ok(eth_slot_value_parse(SPAN("0x0102"), &value));
	assert_bytes32(value.bytes, "102");
	assert_ok(eth_slot_value_parse(SPAN("0x102"), &value));
	assert_bytes32(value.bytes, "102");
	snprintf(text, sizeof text, "0x%s", zeros);
	memcpy(text + 2, "f00d", 4);
	assert_ok(eth_slot_value_parse((struct span){text, 66}, &value));
	assert_bytes32(value.bytes, text + 2);
	assert_int_equal(eth_slot_value_parse(SPAN("0x"), &value), ERR_INVALID);
	assert_int_equal(eth_slot_value_parse(SPAN(""), &value), ERR_INVALID);
	assert_int_equal(eth_slot_value_parse(SPAN("0x012"), &value), ERR_INVALID);
	assert_int_equal(eth_slot_value_parse(SPAN("12"), &value), ERR_INVALID);
	assert_int_equal(eth_slot_value_parse(SPAN("0x1h"), &value), ERR_INVALID);
	snprintf(text, sizeof text, "0x1%s", zeros);
	assert_int_equal(eth_slot_value_parse((struct span){text, 67}, &value), ERR_INVALID);
}

static void assert_quantity(const void *bytes, size_t n, const char *want)
{
	char out[66];
	size_t len = eth_quantity_format(bytes, n, out);
	assert_true(len <= 2 + 2 * n || n == 0);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(out, want, len);
}

static void quantities_written(void **state)
{
	(void)state;
	assert_quantity("\x00\x00", 2, "0x0");
	assert_quantity("\x00\x0a", 2, "0xa");
	assert_quantity("\x00\xa0", 2, "0xa0");
	assert_quantity("\x0a\x00", 2, "0xa00");
	assert_quantity("\xff\xff", 2, "0xffff");
	char out[18];
	assert_int_equal(eth_quantity_format_u64(0, out), 3);
	assert_memory_equal(out, "0x0", 3);
	assert_int_equal(eth_quantity_format_u64(UINT64_MAX, out), 18);
	assert_memory_equal(out, "0xffffffffffffffff", 18);
	assert_int_equal(eth_quantity_format_u64(420, out), 5);
	assert_memory_equal(out, "0x1a4", 5);
}

static void between_64_and_256_bits(void **state)
{
	(void)state;
	struct eth_u256 wide = eth_u256_from_u64(0x0123456789abcdef);
	uint64_t v;
	assert_bytes32(wide.bytes, "0123456789abcdef");
	assert_true(eth_u256_to_u64(&wide, &v));
	assert_true(v == 0x0123456789abcdef);
	for (size_t i = 0; i < 24; i++) {
		struct eth_u256 more = wide;
		more.bytes[i] = 1;
		assert_false(eth_u256_to_u64(&more, &v));
		assert_true(v == 0x0123456789abcdef);
	}
}

static void decimals(void **state)
{
	static const char *const bad[] = {"",	"-1",  "+1", " 1",
					  "1 ", "0x1", "1.", "18446744073709551616"};
	uint64_t v;

	(void)state;
	assert_ok(eth_decimal_u64(SPAN("0"), &v));
	assert_true(v == 0);
	assert_ok(eth_decimal_u64(SPAN("007"), &v));
	assert_true(v == 7);
	assert_ok(eth_decimal_u64(SPAN("18446744073709551615"), &v));
	assert_true(v == UINT64_MAX);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(eth_decimal_u64(span_of(bad[i]), &v), ERR_INVALID);
}

/* One bit of any byte makes a difference. */
static void equal(void **state)
{
	struct eth_bytes32 word = {{0}}, other = {{0}};
	struct eth_address address = {{0}}, another = {{0}};

	(void)state;
	assert_true(eth_bytes32_equal(&word, &other));
	assert_true(eth_address_equal(&address, &another));
	for (size_t i = 0; i < 8 * sizeof word.bytes; i++) {
		other.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
		assert_false(eth_bytes32_equal(&word, &other));
		other = word;
	}
	for (size_t i = 0; i < 8 * sizeof address.bytes; i++) {
		another.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
		assert_false(eth_address_equal(&address, &another));
		another = address;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_of_every_byte),
		cmocka_unit_test(every_character_as_a_digit),
		cmocka_unit_test(every_character_at_every_place),
		cmocka_unit_test(blocks_of_every_byte),
		cmocka_unit_test(data),
		cmocka_unit_test(data_length),
		cmocka_unit_test(addresses),
		cmocka_unit_test(quantities_of_64_bits),
		cmocka_unit_test(quantities_of_256_bits),
		cmocka_unit_test(slots),
		cmocka_unit_test(slot_values),
		cmocka_unit_test(quantities_written),
		cmocka_unit_test(between_64_and_256_bits),
		cmocka_unit_test(decimals),
		cmocka_unit_test(equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
