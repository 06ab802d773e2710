/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation of an overlay fails, for every N: the write that needed it changes nothing
 * and can be tried again, marks stay good, nothing leaks. The same of a dump and of its
 * loading.
 */
#include "../unit/overlay_fixture.h"
#include "alloc.h"
#include "base/buf.h"
#include "layers/dump.h"

enum { ACCOUNTS = 12, SLOTS = 80, WRITES = 1500 };

static struct overlay *overlay;
static struct blob *code;

static bool is_spared(void)
{
	return false;
}

static enum err write_one(unsigned i)
{
	const struct eth_bytes32 hash = word_of(1000 + i);
	const unsigned account = i * 7 % ACCOUNTS;
	switch (i % 8) {
	case 0:
		return set_balance(overlay, account, i);
	case 1:
		return i % 5 == 0 ? set_code(overlay, account, &hash, code)
				  : set_nonce(overlay, account, i);
	case 2:
		return i % 3   ? set_slot(overlay, account, 1, i)
		       : i % 2 ? wipe(overlay, account)
			       : destroy(overlay, account);
	default:
		return set_slot(overlay, account, i / 8 % SLOTS, i % 3);
	}
}

/* A number that any visible change changes. */
static uint64_t sum_of(void)
{
	uint64_t sum = overlay_is_empty(overlay);
	for (unsigned a = 0; a < ACCOUNTS; a++) {
		struct account_fields fields;
		bool exists = false;
		sum = sum * 31 + read_fields(overlay, a, &fields, &exists);
		sum = sum * 31 + exists;
		if (fields.mask & ACCOUNT_BALANCE)
			sum = sum * 31 + be64_get(fields.balance.bytes + 24);
		if (fields.mask & ACCOUNT_NONCE)
			sum = sum * 31 + fields.nonce;
		if (fields.mask & ACCOUNT_CODE_HASH)
			sum = sum * 31 + be64_get(fields.code_hash.bytes + 24);
		for (unsigned s = 0; s < SLOTS; s++)
			sum = sum * 31 + (uint64_t)slot_value(overlay, a, s);
	}
	return sum;
}

/* One that fails is tried again. Whether one has failed. */
static bool write_all(unsigned long n)
{
	bool failed = false;
	fail_at(n);
	for (unsigned i = 0; i < WRITES; i++) {
		const uint64_t before = failed ? 0 : sum_of();
		enum err err = write_one(i);
		if (err != OK) {
			assert_int_equal(err, ERR_NOMEM);
			assert_false(failed);
			assert_true(has_failed());
			assert_int_equal(sum_of(), before);
			failed = true;
			assert_ok(write_one(i));
		}
	}
	return failed;
}

static void test_writes(void **state)
{
	(void)state;
	code = blob_copy("code", 4);
	uint64_t truth = 0;
	bool failed = true;
	unsigned long n;
	/* Without a failure first: 0 is none. */
	for (n = 0; failed; n++) {
		const long before = live;
		overlay_mark mark;
		assert_ok(overlay_new(&overlay));
		assert_ok(set_balance(overlay, 1, 1));
		const uint64_t at_mark = sum_of();
		assert_ok(overlay_take_mark(overlay, &mark));
		failed = write_all(n) || n == 0;
		(void)has_failed();
		if (n == 0)
			truth = sum_of();
		assert_int_equal(sum_of(), truth);
		overlay_revert(overlay, mark);
		assert_int_equal(sum_of(), at_mark);
		overlay_free(&overlay);
		assert_int_equal(live, before);
		assert_int_equal(code->refs, 1);
	}
	assert_true(n > 30);
	blob_put(&code);
}

static void test_making(void **state)
{
	(void)state;
	bool failed = true;
	for (unsigned long n = 1; failed; n++) {
		const long before = live;
		overlay_mark mark;
		fail_at(n);
		enum err err = overlay_new(&overlay);
		if (err == OK)
			err = overlay_take_mark(overlay, &mark);
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		overlay_free(&overlay);
		assert_int_equal(live, before);
	}
}

static enum err original(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	(void)cookie, (void)address, (void)slot;
	*value = word_of(0);
	return OK;
}

static enum err write_piece(void *cookie, const void *bytes, size_t n)
{
	buf_append(cookie, bytes, n);
	return buf_err(cookie);
}

static enum err destroy_target(void *cookie, const struct eth_address *address)
{
	return overlay_destroy(cookie, address);
}

static enum err account_target(void *cookie, const struct eth_address *address,
			       const struct account_fields *fields, struct blob *of_account)
{
	return overlay_set_account(cookie, address, fields, of_account);
}

static enum err slot_target(void *cookie, const struct eth_address *address,
			    const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	return overlay_set_slot(cookie, address, slot, value);
}

static const struct dump_target target = {destroy_target, account_target, slot_target};

/* Of a few accounts with everything. */
static void dump_some(struct buf *text)
{
	assert_ok(overlay_new(&overlay));
	assert_ok(destroy(overlay, 9));
	for (unsigned i = 1; i < 6; i++) {
		const struct eth_bytes32 hash = word_of(i);
		assert_ok(set_balance(overlay, i, i));
		assert_ok(set_nonce(overlay, i, i));
		assert_ok(set_code(overlay, i, &hash, code));
		for (unsigned s = 0; s < 30; s++)
			assert_ok(set_slot(overlay, i, s, s));
	}
	bool failed = true;
	for (unsigned long n = 1; failed; n++) {
		const long before = live;
		struct err_detail detail;
		struct buf got;
		buf_init(&got, 1 << 20);
		fail_at(n);
		const enum err err = dump_changes(overlay_changes(overlay), original, NULL,
						  write_piece, &got, &detail);
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		if (!failed) {
			*text = got;
			break;
		}
		buf_release(&got);
		assert_int_equal(live, before);
	}
	overlay_free(&overlay);
}

static void test_dump(void **state)
{
	(void)state;
	struct buf text;
	code = blob_copy("code", 4);
	dump_some(&text);
	bool failed = true;
	unsigned long n;
	for (n = 1; failed; n++) {
		const long before = live;
		struct err_detail detail;
		assert_ok(overlay_new(&overlay));
		fail_at(n);
		enum err err = dump_load(buf_as_span(&text), &target, overlay, &detail);
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		overlay_clear(overlay);
		assert_ok(dump_load(buf_as_span(&text), &target, overlay, &detail));
		assert_int_equal(slot_value(overlay, 5, 29), 29);
		overlay_free(&overlay);
		assert_int_equal(live, before);
	}
	assert_true(n > 10);
	buf_release(&text);
	blob_put(&code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_making),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_dump),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
