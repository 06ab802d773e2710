/* SPDX-License-Identifier: MIT */
/* Values from the caller below a cache that all handles share. */
#include "api_fixture.h"
#include "layers/cached.h"

static int set_up_cached(void **state)
{
	static const struct cached_config config = {0};
	struct layer *source, *overlay, *top;
	(void)state;
	fake_source_reset(chain);
	assert_ok(fake_source_new(&eth_empty_trie_root, &source));
	assert_ok(shared_new(source, NULL, false, &overlay));
	assert_ok(cached_new(overlay, &config, &top));
	db = (struct fc_db){.db = {.top = top, .writable = overlay, .source = source}};
	pthread_mutex_init(&db.roots_lock, NULL);
	handle = new_handle(FC_BLOCKING, 0, 0);
	return 0;
}

static void expect_slot(struct fc_state *s, unsigned n, uint64_t k, uint64_t expected)
{
	const struct fc_address address = address_of(n);
	const struct fc_bytes32 slot = word_of(k);
	struct fc_bytes32 value;
	assert_ok(fc_get_storage(s, &address, &slot, &value));
	assert_int_equal(number_of(&value), expected);
}

static void expect_balance(struct fc_state *s, unsigned n, uint64_t expected)
{
	const struct fc_address address = address_of(n);
	struct fc_account account;
	assert_ok(fc_get_account(s, &address, FC_BALANCE, &account));
	assert_int_equal(number_of(&account.balance), expected);
}

static void expect_code(struct fc_state *s, unsigned n, const char *expected)
{
	const struct fc_address address = address_of(n);
	struct fc_code *code;
	assert_ok(fc_get_code(s, &address, &code));
	assert_int_equal(fc_code_length(code), strlen(expected));
	assert_memory_equal(fc_code_bytes(code), expected, strlen(expected));
	fc_code_put(&code);
}

static void what_is_fed_is_cached_for_nobody_else(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1), value = word_of(77);
	struct fc_state *second = new_handle(FC_BLOCKING, 0, 0);
	assert_ok(fc_feed_storage(handle, &one, &slot, &value));
	assert_ok(fc_feed_balance(handle, &one, &value));
	assert_ok(fc_feed_code(handle, &one, (const uint8_t *)"fed", 3));
	expect_slot(handle, 1, 1, 77);
	expect_balance(handle, 1, 77);
	expect_code(handle, 1, "fed");
	expect_slot(second, 1, 1, 101);
	expect_balance(second, 1, 1001);
	expect_code(second, 1, "code");
	fc_state_free(&second);
}

static void what_is_fed_comes_before_what_is_cached(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1), value = word_of(77);
	expect_slot(handle, 1, 1, 101);
	assert_ok(fc_feed_storage(handle, &one, &slot, &value));
	expect_slot(handle, 1, 1, 77);
	assert_ok(fc_clear_cache(handle));
	expect_slot(handle, 1, 1, 101);
}

static char text[1024];

static int keep_text(void *cookie, const void *bytes, size_t n)
{
	(void)cookie;
	if (strlen(text) + n >= sizeof text)
		return -1;
	strncat(text, bytes, n);
	return 0;
}

/* As of a development node, whose state may change: what has landed is the handle's only. */
static void a_dump_has_what_no_cache_keeps(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1), three = address_of(3);
	const struct fc_bytes32 slot = word_of(1), value = word_of(77);
	fake_source_caching(false);
	text[0] = '\0';
	assert_ok(fc_set_storage(handle, &one, &slot, &value));
	assert_ok(fc_clear_storage(handle, &three));
	if (fc_dump_changes(handle, keep_text, NULL) != FC_OK)
		fail_msg("%s", fc_detail(handle));
	assert_non_null(strstr(text, "\"originalValue\":\"0x65\",\"newValue\":\"0x4d\""));
	assert_non_null(strstr(text, "\"code\":\"0x636f6465\""));
	assert_int_equal(fake_source_fed(handle->fetches.view), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST_ON(set_up_cached, what_is_fed_is_cached_for_nobody_else),
		API_TEST_ON(set_up_cached, what_is_fed_comes_before_what_is_cached),
		API_TEST(a_dump_has_what_no_cache_keeps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
