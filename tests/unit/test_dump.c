/* SPDX-License-Identifier: MIT */
#include "overlay_fixture.h"
#include "base/buf.h"
#include "base/keccak.h"
#include "layers/dump.h"

#define A1 "0x0000000000000000000000000000000000000001"
#define A2 "0x0000000000000000000000000000000000000002"
#define A3 "0x0000000000000000000000000000000000000003"

static struct overlay *overlay;
static struct buf text;
static struct err_detail detail;
static size_t pieces;
static enum err refuse_pieces;

static int set_up(void **state)
{
	(void)state;
	assert_ok(overlay_new(&overlay));
	buf_init(&text, 1 << 24);
	refuse_pieces = OK;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	overlay_free(&overlay);
	buf_release(&text);
	return 0;
}

/* Below, slot 5 of every account holds 50, and slot 6 cannot be read. */
static enum err original(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	(void)address;
	assert_ptr_equal(cookie, &text);
	const uint64_t n = be64_get(slot->bytes + 24);
	*value = word_of(n == 5 ? 50 : 0);
	return n == 6 ? ERR_OFFLINE : OK;
}

static enum err write_piece(void *cookie, const void *bytes, size_t n)
{
	struct buf *to = cookie;
	pieces++;
	assert_true(n > 0 && n <= 4096);
	buf_append(to, bytes, n);
	return refuse_pieces;
}

static enum err dump_of(struct overlay *from)
{
	buf_clear(&text);
	pieces = 0;
	detail.text[0] = '\0';
	return dump_changes(overlay_changes(from), original, &text, write_piece, &text,
			    &detail);
}

#define assert_dump(expected)                              \
	do {                                               \
		assert_ok(dump_of(overlay));               \
		assert_span(buf_as_span(&text), expected); \
	} while (0)

static void nothing_is_five_empty_lists(void **state)
{
	(void)state;
	assert_dump("{\"storage\":[],\"balances\":[],\"nonces\":[],\"codes\":[],"
		    "\"selfDestructs\":[]}");
	const overlay_mark mark = take_mark(overlay);
	assert_ok(set_slot(overlay, 1, 1, 1));
	assert_ok(destroy(overlay, 2));
	overlay_revert(overlay, mark);
	assert_dump("{\"storage\":[],\"balances\":[],\"nonces\":[],\"codes\":[],"
		    "\"selfDestructs\":[]}");
}

static void every_kind_in_its_shape(void **state)
{
	(void)state;
	struct blob *code = blob_copy("\x60\x0a\xff", 3);
	struct eth_bytes32 hash;
	keccak256(code->bytes, code->len, &hash);
	assert_ok(set_balance(overlay, 0x200, 0x10));
	assert_ok(set_balance(overlay, 3, 0));
	assert_ok(set_nonce(overlay, 3, 0x7f));
	assert_ok(set_code(overlay, 3, &hash, code));
	assert_ok(set_code(overlay, 2, &eth_empty_code_hash, NULL));
	assert_ok(set_slot(overlay, 3, 0x100, 0xabc));
	assert_ok(set_slot(overlay, 3, 0, 1));
	assert_ok(set_slot(overlay, 3, 5, 0));
	assert_ok(set_slot(overlay, 1, 0xff, 2));
	assert_ok(destroy(overlay, 9));
	assert_dump("{\"storage\":["
		    "{\"address\":\"" A1 "\",\"slot\":\"0xff\",\"originalValue\":\"0x0\","
		    "\"newValue\":\"0x2\"},"
		    "{\"address\":\"" A3 "\",\"slot\":\"0x0\",\"originalValue\":\"0x0\","
		    "\"newValue\":\"0x1\"},"
		    "{\"address\":\"" A3 "\",\"slot\":\"0x5\",\"originalValue\":\"0x32\","
		    "\"newValue\":\"0x0\"},"
		    "{\"address\":\"" A3 "\",\"slot\":\"0x100\",\"originalValue\":\"0x0\","
		    "\"newValue\":\"0xabc\"}],"
		    "\"balances\":[{\"address\":\"" A3 "\",\"balance\":\"0x0\"},"
		    "{\"address\":\"0x0000000000000000000000000000000000000200\","
		    "\"balance\":\"0x10\"}],"
		    "\"nonces\":[{\"address\":\"" A3 "\",\"nonce\":\"0x7f\"}],"
		    "\"codes\":[{\"address\":\"" A2 "\",\"code\":\"0x\"},"
		    "{\"address\":\"" A3 "\",\"code\":\"0x600aff\"}],"
		    "\"selfDestructs\":[\"0x0000000000000000000000000000000000000009\"]}");
	blob_put(&code);
}

static void what_is_as_before_is_left_out(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 1, 5, 50));
	assert_ok(set_slot(overlay, 1, 1, 0));
	assert_dump("{\"storage\":[],\"balances\":[],\"nonces\":[],\"codes\":[],"
		    "\"selfDestructs\":[]}");
}

static void of_destroyed_accounts_what_they_hold_since(void **state)
{
	(void)state;
	/* Slot 5 is written again as it was: the self-destruct has removed it. */
	assert_ok(set_slot(overlay, 1, 9, 1));
	assert_ok(destroy(overlay, 1));
	assert_ok(set_balance(overlay, 1, 7));
	assert_ok(set_slot(overlay, 1, 5, 50));
	assert_ok(set_slot(overlay, 1, 7, 0));
	assert_ok(destroy(overlay, 2));
	assert_ok(destroy(overlay, 3));
	assert_ok(set_there(overlay, 3));
	assert_dump("{\"storage\":[{\"address\":\"" A1 "\",\"slot\":\"0x5\","
		    "\"originalValue\":\"0x32\",\"newValue\":\"0x32\"}],"
		    "\"balances\":[{\"address\":\"" A1 "\",\"balance\":\"0x7\"},"
		    "{\"address\":\"" A3 "\",\"balance\":\"0x0\"}],"
		    "\"nonces\":[],\"codes\":[],"
		    "\"selfDestructs\":[\"" A1 "\",\"" A2 "\",\"" A3 "\"]}");
}

static void wiped_accounts_need_all_their_fields(void **state)
{
	(void)state;
	const struct eth_bytes32 hash = word_of(1);
	assert_ok(wipe(overlay, 2));
	assert_ok(set_balance(overlay, 2, 7));
	assert_int_equal(dump_of(overlay), ERR_UNSUPPORTED);
	assert_string_equal(detail.text, "the storage of account " A2
					 " was wiped, and not all of its fields are among the "
					 "changes");
	assert_int_equal(pieces, 0);
	assert_ok(set_nonce(overlay, 2, 1));
	assert_ok(set_code(overlay, 2, &hash, NULL));
	assert_int_equal(dump_of(overlay), ERR_NOT_FOUND);
	assert_string_equal(detail.text, "the code of account " A2 " is not among the changes");
	assert_int_equal(pieces, 0);
	assert_ok(set_code(overlay, 2, &eth_empty_code_hash, NULL));
	assert_dump("{\"storage\":[],\"balances\":[{\"address\":\"" A2
		    "\",\"balance\":\"0x7\"}],\"nonces\":[{\"address\":\"" A2
		    "\",\"nonce\":\"0x1\"}],\"codes\":[],\"selfDestructs\":[\"" A2 "\"]}");
}

static void with_nothing_below_there_is_nothing_to_wipe(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 2, 5, 9));
	assert_ok(wipe(overlay, 2));
	assert_ok(set_balance(overlay, 2, 7));
	assert_ok(set_slot(overlay, 2, 6, 1));
	assert_ok(wipe(overlay, 1));
	assert_ok(dump_changes(overlay_changes(overlay), NULL, NULL, write_piece, &text,
			       &detail));
	assert_span(buf_as_span(&text),
		    "{\"storage\":[{\"address\":\"" A2
		    "\",\"slot\":\"0x6\",\"originalValue\":\"0x0\",\"newValue\":\"0x1\"}],"
		    "\"balances\":[{\"address\":\"" A2 "\",\"balance\":\"0x7\"}],"
		    "\"nonces\":[],\"codes\":[],\"selfDestructs\":[]}");
}

static void code_that_has_not_changed_is_left_out(void **state)
{
	(void)state;
	const struct eth_bytes32 hash = word_of(1);
	assert_ok(set_code(overlay, 2, &hash, NULL));
	assert_dump("{\"storage\":[],\"balances\":[],\"nonces\":[],\"codes\":[],"
		    "\"selfDestructs\":[]}");
}

static void failures_end_the_dump(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 1, 6, 1));
	assert_int_equal(dump_of(overlay), ERR_OFFLINE);
	assert_string_equal(detail.text,
			    "the original value of slot 0x6 of account " A1 ": offline");
	overlay_clear(overlay);
	for (unsigned i = 0; i < 1000; i++)
		assert_ok(set_balance(overlay, i, i));
	refuse_pieces = ERR_IO;
	assert_int_equal(dump_of(overlay), ERR_IO);
	assert_int_equal(pieces, 1);
}

/* ---- and back ---- */

static enum err destroy_target(void *cookie, const struct eth_address *address)
{
	return overlay_destroy(cookie, address);
}

static enum err account_target(void *cookie, const struct eth_address *address,
			       const struct account_fields *fields, struct blob *code)
{
	return overlay_set_account(cookie, address, fields, code);
}

static enum err slot_target(void *cookie, const struct eth_address *address,
			    const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	return overlay_set_slot(cookie, address, slot, value);
}

static const struct dump_target into_overlay = {destroy_target, account_target, slot_target};

static enum err load(const char *from)
{
	detail.text[0] = '\0';
	return dump_load(span_of(from), &into_overlay, overlay, &detail);
}

static struct blob *long_code(size_t n)
{
	struct blob *code = blob_new(n);
	for (size_t i = 0; i < n; i++)
		code->bytes[i] = (unsigned char)(i * 31 + n);
	return code;
}

static void make_many(struct overlay *into)
{
	for (unsigned i = 0; i < 3000; i++) {
		const unsigned account = i * 7919 % 500 + 1;
		if (i % 50 == 49)
			assert_ok(destroy(into, account));
		if (i % 3 == 0)
			assert_ok(set_balance(into, account, i));
		if (i % 5 == 0)
			assert_ok(set_nonce(into, account, i % 10));
		assert_ok(set_slot(into, account, 10 + i % 97, i % 4));
		if (i % 20 == 0)
			assert_ok(set_slot(into, account, 5, 50 - i % 40));
		if (i % 100 == 1) {
			struct blob *code = long_code(i * 9);
			struct eth_bytes32 hash;
			keccak256(code->bytes, code->len, &hash);
			assert_ok(set_code(into, account, &hash, code));
			blob_put(&code);
		}
	}
}

static void there_and_back_is_the_same(void **state)
{
	(void)state;
	make_many(overlay);
	assert_ok(dump_of(overlay));
	assert_true(pieces > 10);
	struct blob *first = blob_copy(text.ptr, text.len);
	overlay_clear(overlay);
	assert_ok(dump_load(blob_span(first), &into_overlay, overlay, &detail));
	assert_ok(dump_of(overlay));
	assert_int_equal(text.len, first->len);
	assert_memory_equal(text.ptr, first->bytes, first->len);
	blob_put(&first);
}

static void lists_and_items_may_be_in_any_order(void **state)
{
	(void)state;
	assert_ok(load(" { \"selfDestructs\" : [\"" A2 "\"], \"codes\":[], \"nonces\":["
		       "{\"nonce\":\"0x2\",\"address\":\"" A2 "\"},"
		       "{\"nonce\":\"0x1\",\"address\":\"" A1 "\"}],\"balances\":[],"
		       "\"storage\":[{\"newValue\":\"0x1\",\"originalValue\":\"0x2\","
		       "\"slot\":\"0x3\",\"address\":\"" A2 "\"}] } "));
	assert_dump("{\"storage\":[{\"address\":\"" A2 "\",\"slot\":\"0x3\","
		    "\"originalValue\":\"0x0\",\"newValue\":\"0x1\"}],"
		    "\"balances\":[{\"address\":\"" A2 "\",\"balance\":\"0x0\"}],"
		    "\"nonces\":[{\"address\":\"" A1 "\",\"nonce\":\"0x1\"},"
		    "{\"address\":\"" A2 "\",\"nonce\":\"0x2\"}],"
		    "\"codes\":[],\"selfDestructs\":[\"" A2 "\"]}");
}

#define REST(of) ",\"nonces\":[],\"codes\":[],\"selfDestructs\":[" of "]}"
#define STORAGE_ITEM(slot, value)                                                            \
	"{\"address\":\"" A1 "\",\"slot\":\"" slot "\",\"originalValue\":\"0x0\",\"newValue" \
	"\":\"" value "\"}"
#define GOOD_ITEM STORAGE_ITEM("0x1", "0x2")

static const struct {
	const char *text, *detail;
} wrong[] = {
	{"", "not JSON, at byte 0"},
	{"{\"storage\":[", "not JSON, at byte 12"},
	{"[]", "not an object, at byte 0"},
	{"{\"storage\":[{\"address\":[1]}]}", "nested too deep, at byte 23"},
	{"{}", "selfDestructs: missing"},
	{"{\"storage\":[" GOOD_ITEM "],\"balances\":[],\"nonces\":[],"
	 "\"selfDestructs\":[\"" A1 "\"]}",
	 "codes: missing"},
	{"{\"storage\":{},\"balances\":[]" REST(""), "storage: not a list, at byte 11"},
	{"{\"other\":[],\"balances\":[]" REST(""), "unknown list \"other\", at byte 2"},
	{"{\"storage\":[],\"storage\":[]" REST(""), "a second list \"storage\", at byte 15"},
	{"{\"storage\":[" GOOD_ITEM ",5],\"balances\":[]" REST(""),
	 "storage[1]: not an object, at byte 121"},
	{"{\"storage\":[{\"address\":\"" A1 "\"}],\"balances\":[]" REST(""),
	 "storage[0].slot: missing, at byte 12"},
	{"{\"storage\":[],\"balances\":[{\"address\":\"" A1 "\",\"balance\":\"0x1\","
	 "\"more\":1}]" REST(""),
	 "balances[0]: unknown member \"more\", at byte 99"},
	{"{\"storage\":[],\"balances\":[{\"address\":\"" A1 "\",\"address\":\"" A1
	 "\"}]" REST(""),
	 "balances[0]: a second member \"address\", at byte 83"},
	{"{\"storage\":[],\"balances\":[{\"address\":\"0x01\",\"balance\":\"0x1\"}]" REST(""),
	 "balances[0].address: not an address (0x and 40 digits), at byte 37"},
	{"{\"storage\":[" STORAGE_ITEM("0x01", "0x2") "],\"balances\":[]" REST(""),
	 "storage[0].slot: not a quantity of at most 256 bits (0x without leading zeros), at "
	 "byte 75"},
	{"{\"storage\":[" STORAGE_ITEM("0x1", "2") "],\"balances\":[]" REST(""),
	 "storage[0].newValue: not a quantity of at most 256 bits (0x without leading zeros), "
	 "at byte 114"},
	{"{\"storage\":[],\"balances\":[{\"address\":\"" A1 "\",\"balance\":1}]" REST(""),
	 "balances[0].balance: not a quantity of at most 256 bits (0x without leading zeros), "
	 "at byte 92"},
	{"{\"storage\":[],\"balances\":[],\"codes\":[],\"selfDestructs\":[],\"nonces\":["
	 "{\"address\":\"" A1 "\",\"nonce\":\"0x10000000000000000\"}]}",
	 "nonces[0].nonce: not a quantity of at most 64 bits (0x without leading zeros), at "
	 "byte 132"},
	{"{\"storage\":[],\"balances\":[],\"nonces\":[],\"selfDestructs\":[],\"codes\":["
	 "{\"address\":\"" A1 "\",\"code\":\"0x123\"}]}",
	 "codes[0].code: not data (0x and two digits a byte), at byte 131"},
	{"{\"storage\":[],\"balances\":[]" REST("\"" A1 "\",5"),
	 "selfDestructs[1]: not an address (0x and 40 digits), at byte 113"},
	{"{\"storage\":[],\"balances\":[]" REST("\"" A2 "\",\"" A1 "\",\"" A2 "\""),
	 "selfDestructs[2]: an address that stands twice, at byte 158"},
	{"{\"storage\":[" GOOD_ITEM "," GOOD_ITEM "],\"balances\":[]" REST(""),
	 "storage[1]: a slot that stands twice, at byte 121"},
};

static void what_is_wrong_is_named_and_nothing_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(load(wrong[i].text), ERR_INVALID);
		assert_string_equal(detail.text, wrong[i].detail);
		assert_true(overlay_is_empty(overlay));
	}
	assert_int_equal(dump_load(span_of("{}"), &into_overlay, overlay, NULL), ERR_INVALID);
}

static enum err refuse_slot(void *cookie, const struct eth_address *address,
			    const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	(void)cookie, (void)address, (void)slot, (void)value;
	return ERR_LIMIT;
}

static void the_targets_error_ends_the_load(void **state)
{
	(void)state;
	const struct dump_target target = {destroy_target, account_target, refuse_slot};
	const char *one = "{\"storage\":[" GOOD_ITEM "],\"balances\":[]" REST("");
	assert_int_equal(dump_load(span_of(one), &target, overlay, &detail), ERR_LIMIT);
	assert_string_equal(detail.text, "storage[0]: writing it: limit");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_five_empty_lists),
		TEST(every_kind_in_its_shape),
		TEST(what_is_as_before_is_left_out),
		TEST(of_destroyed_accounts_what_they_hold_since),
		TEST(wiped_accounts_need_all_their_fields),
		TEST(with_nothing_below_there_is_nothing_to_wipe),
		TEST(code_that_has_not_changed_is_left_out),
		TEST(failures_end_the_dump),
		TEST(there_and_back_is_the_same),
		TEST(lists_and_items_may_be_in_any_order),
		TEST(what_is_wrong_is_named_and_nothing_written),
		TEST(the_targets_error_ends_the_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
