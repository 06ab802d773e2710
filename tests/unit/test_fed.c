/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "layers/fed.h"

enum { ADDRESSES = 300 };

static const enum fed_kind kinds[] = {FED_BALANCE, FED_NONCE, FED_SLOT};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct fed_key key_of(unsigned n, enum fed_kind kind)
{
	struct fed_key key = {.kind = kind};

	key.address.bytes[18] = (unsigned char)(n >> 8);
	key.address.bytes[19] = (unsigned char)n;
	return key;
}

static struct eth_bytes32 value_of(unsigned n, unsigned kind, unsigned round)
{
	struct eth_bytes32 value = {{0}};

	be64_put(value.bytes + 24, (uint64_t)round << 32 | n << 4 | kind);
	return value;
}

static void put_all(struct fed *fed, unsigned round)
{
	for (unsigned n = 0; n < ADDRESSES; n++)
		for (unsigned k = 0; k < KINDS; k++) {
			const struct fed_key key = key_of(n, kinds[k]);
			const struct eth_bytes32 value = value_of(n, k, round);
			assert_ok(fed_put(fed, &key, &value, NULL));
		}
}

/* Of every kind the same names: nothing but the kind tells such keys apart. */
static void kinds_of_one_address_are_apart(void **state)
{
	struct fed fed = {0};
	struct eth_bytes32 value;
	struct fed_key key;
	(void)state;

	put_all(&fed, 1);
	put_all(&fed, 2);
	for (unsigned n = 0; n < ADDRESSES; n++)
		for (unsigned k = 0; k < KINDS; k++) {
			const struct eth_bytes32 expected = value_of(n, k, 2);
			key = key_of(n, kinds[k]);
			assert_true(fed_get(&fed, &key, &value, NULL));
			assert_memory_equal(&value, &expected, sizeof value);
		}
	key = key_of(1, FED_CODE);
	assert_false(fed_get(&fed, &key, NULL, NULL));
	assert_true(fed_row(&fed, KINDS * ADDRESSES - 1, &key, &value));
	assert_false(fed_row(&fed, KINDS * ADDRESSES, &key, &value));
	fed_clear(&fed);
	assert_false(fed_row(&fed, 0, &key, &value));
	key = key_of(1, FED_BALANCE);
	assert_false(fed_get(&fed, &key, &value, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_one_address_are_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
