/* SPDX-License-Identifier: MIT */
/* Memory over disk over the remote node, with a real store in a folder of its own. */
#include "unit.h"
#include "base/buf.h"
#include "base/keccak.h"
#include "fake_fork.h"
#include "fake_loop.h"
#include "layers/stack.h"
#include "store_fixture.h"

static struct {
	char folder[256];
	struct loop *loop;
	struct store *store;
	struct stack *stack;
	struct stack_view *view;
} rig;

static unsigned told, kept;
static struct fork_answer last;
static struct fact *filled;

/* Block n has the hash n in every 8 bytes. */
static struct stack_block block_of(uint64_t number)
{
	struct stack_block block = {.at = {.number = number}, .final = true};

	for (unsigned i = 0; i < 4; i++)
		be64_put(block.at.hash.bytes + (size_t)i * 8, number);
	return block;
}

static void node(const struct fork_question *q, struct fork_answer *a)
{
	switch (q->kind) {
	case FORK_BALANCE:
		memset(a->value.bytes, 0x11, 32);
		return;
	case FORK_NONCE:
		be64_put(a->value.bytes + 24, UINT64_C(0x0102030405060708));
		return;
	case FORK_CODE:
		a->blob = blob_copy("\x60\x80\x60\x40", q->address.bytes[0] == 0 ? 4 : 0);
		return;
	case FORK_SLOT:
		a->value = q->slot;
		return;
	case FORK_CALL:
		a->blob = blob_copy("{\"x\":1}", 7);
		return;
	}
}

static void keep(void *cookie, struct stack *stack, const struct fork_question *q,
		 const struct fork_answer *answer)
{
	assert_ptr_equal(cookie, &rig);
	kept++;
	if (answer->err == OK)
		stack_keep_reply(stack, q->tag, 7, blob_span(answer->blob));
	else
		stack_keep_error(stack, q->tag, 7, blob_span(answer->blob));
}

static void open_stack(size_t memory, bool online)
{
	const struct stack_config config = {
		.memory_bytes = memory, .store = rig.store, .keep = keep, .cookie = &rig};

	assert_ok(loop_new(&rig.loop));
	assert_ok(stack_new(&config, &rig.stack));
	assert_ok(stack_view_new(rig.stack, online ? (struct fork *)&rig : NULL, rig.loop, 8,
				 &rig.view));
	fake_fork_set(node, NULL, stack_on_answer, rig.stack);
}

static void close_stack(void)
{
	stack_view_free(&rig.view);
	stack_free(&rig.stack);
	loop_free(&rig.loop);
}

/* A memory that has forgotten everything, over the same disk. */
static void forget(void)
{
	store_flush(rig.store);
	close_stack();
	open_stack(4u << 20, true);
}

static int setup(void **state)
{
	const struct block_header header = {.number = 5, .hash = block_of(5).at.hash};

	(void)state;
	memset(&rig, 0, sizeof rig);
	told = kept = 0;
	fixture_folder(rig.folder);
	rig.store = fixture_open(rig.folder, 16u << 20);
	store_put_header(rig.store, &header);
	open_stack(4u << 20, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_stack();
	store_close(&rig.store);
	fixture_remove(rig.folder);
	return 0;
}

static struct stack_stats stats(void)
{
	struct stack_stats out;
	struct memcache_stats memory;

	stack_stats(rig.stack, &out, &memory);
	return out;
}

static struct fact fact_of(enum fact_kind kind, unsigned char address, uint64_t block)
{
	struct fact fact = {.kind = kind, .block = block_of(block)};

	fact.address.bytes[0] = address;
	fact.slot.bytes[31] = 9;
	fact_prepare(rig.view, &fact);
	fact_prefetch(rig.view, &fact);
	return fact;
}

static enum lookup get(enum fact_kind kind)
{
	struct fact fact = fact_of(kind, 0, 5);
	enum lookup found = stack_get_fact(rig.view, &fact);

	fact_release(&fact);
	return found;
}

static void on_done(void *cookie, const struct fork_answer *answer)
{
	struct fork_op **op = cookie;

	*op = NULL;
	told++;
	last = *answer;
	if (filled != NULL)
		fact_take(filled, answer);
}

static void fetch(struct fact *fact)
{
	struct fork_op *op = NULL;
	enum err err = OK;

	filled = fact;
	assert_int_equal(stack_fetch_fact(rig.view, fact, on_done, &op, &op, &err), PENDING);
	assert_true(fake_fork_deliver_one());
	filled = NULL;
	assert_null(op);
	assert_ok(last.err);
}

static const enum fact_kind kinds[] = {FACT_BALANCE, FACT_NONCE, FACT_CODE, FACT_SLOT};

static void check_value(struct fact *fact)
{
	struct eth_bytes32 want = {{0}};

	switch (fact->kind) {
	case FACT_BALANCE:
		memset(want.bytes, 0x11, 32);
		break;
	case FACT_NONCE:
		be64_put(want.bytes + 24, UINT64_C(0x0102030405060708));
		break;
	case FACT_CODE:
		keccak256("\x60\x80\x60\x40", 4, &want);
		assert_non_null(fact->code);
		assert_int_equal(fact->code->len, 4);
		break;
	case FACT_SLOT:
		want.bytes[31] = 9;
		break;
	case FACT_CODE_HASH:
	case FACT_STORAGE_ROOT:
		fail();
	}
	assert_memory_equal(fact->value.bytes, want.bytes, 32);
}

static void a_fact_is_fetched_once_and_found_in_each_layer(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct fact fact = fact_of(kinds[i], 0, 5);
		assert_int_equal(stack_get_fact(rig.view, &fact), MISS);
		fetch(&fact);
		fact_release(&fact);
		/* Memory. */
		uint64_t disk = stats().disk_hits;
		assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
		check_value(&fact);
		assert_int_equal(stats().disk_hits, disk);
		fact_release(&fact);
		stack_turn_end(rig.view);
	}
	forget();
	for (size_t i = 0; i < 4; i++) {
		/* Disk, once; then memory again. */
		struct fact fact = fact_of(kinds[i], 0, 5);
		assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
		check_value(&fact);
		assert_int_equal(stats().disk_hits, i + 1);
		fact_release(&fact);
		assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
		check_value(&fact);
		assert_int_equal(stats().disk_hits, i + 1);
		fact_release(&fact);
		stack_turn_end(rig.view);
	}
	assert_int_equal(stats().misses, 0);
	assert_int_equal(told, 4);
}

static void facts_differ_by_all_that_names_them(void **state)
{
	(void)state;
	struct fact fact = fact_of(FACT_SLOT, 0, 5);
	fetch(&fact);
	struct fact other = fact_of(FACT_SLOT, 1, 5);
	assert_int_equal(stack_get_fact(rig.view, &other), MISS);
	other = fact_of(FACT_SLOT, 0, 6);
	assert_int_equal(stack_get_fact(rig.view, &other), MISS);
	other = fact_of(FACT_BALANCE, 0, 5);
	assert_int_equal(stack_get_fact(rig.view, &other), MISS);
	other = fact_of(FACT_SLOT, 0, 5);
	other.slot.bytes[0] = 1;
	fact_prepare(rig.view, &other);
	assert_int_equal(stack_get_fact(rig.view, &other), MISS);
}

static void no_code_is_known_without_bytes(void **state)
{
	(void)state;
	struct fact fact = fact_of(FACT_CODE, 1, 5);
	fetch(&fact);
	assert_null(fact.code);
	for (unsigned i = 0; i < 2; i++) {
		fact = fact_of(FACT_CODE, 1, 5);
		assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
		assert_null(fact.code);
		assert_memory_equal(&fact.value, &eth_empty_code_hash, 32);
		forget();
	}
}

/* A code hash that came with a proof is no code. */
static void a_code_hash_without_its_code_is_a_miss(void **state)
{
	struct account_fields fields = {.mask = ACCOUNT_CODE_HASH};
	const struct stack_block block = block_of(5);
	const struct eth_address address = {{0}};

	(void)state;
	keccak256("\x60\x80\x60\x40", 4, &fields.code_hash);
	stack_keep_account(rig.stack, &block.at.hash, &address, &fields);
	assert_int_equal(get(FACT_CODE), MISS);
	struct fact fact = fact_of(FACT_CODE, 0, 5);
	fetch(&fact);
	fact_release(&fact);
	assert_int_equal(get(FACT_CODE), HIT);
}

/* They come with a proof, and are found in memory, then on disk. */
static void hashes_of_an_account_are_facts(void **state)
{
	struct account_fields fields = {.mask = ACCOUNT_CODE_HASH | ACCOUNT_STORAGE_ROOT};
	const struct stack_block block = block_of(5);
	const struct eth_address address = {{0}};

	(void)state;
	assert_int_equal(get(FACT_CODE_HASH), MISS);
	assert_int_equal(get(FACT_STORAGE_ROOT), MISS);
	memset(fields.code_hash.bytes, 0xc0, 32);
	memset(fields.storage_root.bytes, 0x50, 32);
	stack_keep_account(rig.stack, &block.at.hash, &address, &fields);
	for (unsigned disk = 0; disk <= 2; disk += 2) {
		struct fact fact = fact_of(FACT_CODE_HASH, 0, 5);
		assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
		assert_memory_equal(&fact.value, &fields.code_hash, 32);
		fact = fact_of(FACT_STORAGE_ROOT, 0, 5);
		assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
		assert_memory_equal(&fact.value, &fields.storage_root, 32);
		assert_int_equal(stats().disk_hits, disk);
		forget();
	}
}

static void what_is_soon_out_of_date_is_kept_in_memory(void **state)
{
	struct reply reply = {0};

	(void)state;
	stack_keep_reply(rig.stack, SPAN("for long"), 3, SPAN("[1]"));
	stack_keep_reply_memory(rig.stack, SPAN("of the head"), 0, SPAN("2"));
	assert_int_equal(stack_get_reply(rig.view, SPAN("of the head"), &reply), HIT);
	assert_true(span_is(reply.json, "2"));
	reply_release(&reply);
	forget();
	assert_int_equal(stack_get_reply(rig.view, SPAN("of the head"), &reply), MISS);
	assert_int_equal(stack_get_reply(rig.view, SPAN("for long"), &reply), HIT);
	assert_int_equal(reply.block_number, 3);
	assert_true(span_is(reply.json, "[1]"));
	reply_release(&reply);
}

static void a_pinned_code_outlives_the_turn(void **state)
{
	(void)state;
	struct fact fact = fact_of(FACT_CODE, 0, 5);
	fetch(&fact);
	fact_release(&fact);
	assert_int_equal(stack_get_fact(rig.view, &fact), HIT);
	fact_pin(&fact);
	fact_pin(&fact);
	stack_turn_end(rig.view);
	forget();
	assert_memory_equal(fact.code->bytes, "\x60\x80\x60\x40", 4);
	fact_release(&fact);
	fact_release(&fact);
}

/* The client has gone; the answer is paid for. The real back end calls on_answer then, too. */
static void what_nobody_waits_for_is_kept(void **state)
{
	const struct fork_question question = {
		.kind = FORK_SLOT, .block = block_of(5).at, .slot = {{[31] = 9}}};
	const struct fork_answer answer = {.value = {{[31] = 9}}, .detail = ""};

	(void)state;
	assert_int_equal(get(FACT_SLOT), MISS);
	stack_on_answer(rig.stack, &question, &answer);
	assert_int_equal(get(FACT_SLOT), HIT);
	forget();
	assert_int_equal(get(FACT_SLOT), HIT);
	assert_int_equal(told, 0);
}

static void what_must_not_be_stored_is_not(void **state)
{
	const struct fork_question question = {
		.kind = FORK_SLOT, .block = block_of(5).at, .slot = {{[31] = 9}}};
	const struct fork_answer answer = {.detail = "", .do_not_store = true};

	(void)state;
	stack_on_answer(rig.stack, &question, &answer);
	assert_int_equal(get(FACT_SLOT), MISS);
	forget();
	assert_int_equal(get(FACT_SLOT), MISS);
}

static void a_bypass_keeps_and_reads_nothing(void **state)
{
	struct reply reply = {0};
	struct eth_bytes32 hash = {{0}};
	uint64_t number;

	(void)state;
	const struct block_header header = {.number = 5, .hash = block_of(5).at.hash};
	stack_keep_header(rig.stack, &header, true, true);
	stack_keep_reply(rig.stack, SPAN("q"), 1, SPAN("1"));
	struct fact fact = fact_of(FACT_SLOT, 0, 5);
	struct eth_bytes32 word;
	fetch(&fact);
	assert_int_equal(stack_get_word(rig.view, FACT_SLOT, &fact.block.at.hash, &fact.address,
					&fact.slot, &word),
			 HIT);
	assert_memory_equal(&word, &fact.value, sizeof word);
	assert_int_equal(stack_get_word(rig.view, FACT_BALANCE, &fact.block.at.hash,
					&fact.address, NULL, &word),
			 MISS);
	stack_set_bypass(rig.stack, true);
	assert_int_equal(stack_get_word(rig.view, FACT_SLOT, &fact.block.at.hash, &fact.address,
					&fact.slot, &word),
			 MISS);
	assert_int_equal(get(FACT_SLOT), MISS);
	assert_int_equal(stack_get_reply(rig.view, SPAN("q"), &reply), MISS);
	assert_int_equal(stack_get_binding(rig.view, 5, &hash), MISS);
	assert_int_equal(stack_get_number(rig.view, &header.hash, &number), MISS);
	fact = fact_of(FACT_BALANCE, 0, 5);
	fetch(&fact);
	stack_set_bypass(rig.stack, false);
	assert_int_equal(get(FACT_BALANCE), MISS);
	assert_int_equal(get(FACT_SLOT), HIT);
}

static void reply_is(const char *request, const char *json, uint64_t number)
{
	struct reply reply = {0};

	assert_int_equal(stack_get_reply(rig.view, span_of(request), &reply), HIT);
	assert_true(span_is(reply.json, json));
	assert_int_equal(reply.block_number, number);
	reply_pin(&reply);
	stack_turn_end(rig.view);
	assert_true(span_is(reply.json, json));
	reply_release(&reply);
	assert_null(reply.blob);
}

static void replies_are_found_in_each_layer(void **state)
{
	struct reply reply = {0};
	struct fork_op *op = NULL;
	enum err err = OK;
	const struct fork_question question = {
		.kind = FORK_CALL, .method = SPAN("m"), .params = SPAN("[]"), .tag = SPAN("q")};

	(void)state;
	assert_int_equal(stack_get_reply(rig.view, SPAN("q"), &reply), MISS);
	assert_int_equal(stack_fetch_call(rig.view, &question, on_done, &op, &op, &err),
			 PENDING);
	assert_true(fake_fork_deliver_one());
	assert_int_equal(kept, 1);
	reply_is("q", "{\"x\":1}", 7);
	assert_int_equal(stats().disk_hits, 0);
	forget();
	reply_is("q", "{\"x\":1}", 7);
	assert_int_equal(stats().disk_hits, 1);
	reply_is("q", "{\"x\":1}", 7);
	assert_int_equal(stats().disk_hits, 1);
	/* A code hash is no request: their keys differ in memory. */
	assert_int_equal(stack_get_reply(rig.view, SPAN("r"), &reply), MISS);
}

/* The answer to a call that reverts; an error of state says nothing. */
static void errors_of_calls_are_kept_as_such(void **state)
{
	static const char error[] = "{\"code\":3}";
	struct fork_question question = {.kind = FORK_CALL, .tag = SPAN("e")};
	struct fork_answer answer = {
		.err = ERR_UPSTREAM, .blob = blob_copy(error, strlen(error)), .detail = ""};
	struct reply reply = {0};

	(void)state;
	answer.do_not_store = true;
	stack_on_answer(rig.stack, &question, &answer);
	assert_int_equal(kept, 0);
	answer.do_not_store = false;
	stack_on_answer(rig.stack, &question, &answer);
	assert_int_equal(kept, 1);
	for (unsigned layer = 0; layer < 2; layer++) {
		reply_is("e", error, 7);
		assert_int_equal(stack_get_reply(rig.view, SPAN("e"), &reply), HIT);
		assert_true(reply.is_error);
		reply_release(&reply);
		forget();
	}
	stack_keep_reply(rig.stack, SPAN("e"), 7, SPAN("1"));
	assert_int_equal(stack_get_reply(rig.view, SPAN("e"), &reply), HIT);
	assert_false(reply.is_error);
	reply_release(&reply);
	blob_put(&answer.blob);
}

static void a_request_too_long_for_memory_is_on_disk(void **state)
{
	struct buf request;

	(void)state;
	buf_init(&request, 1 << 20);
	for (unsigned i = 0; i < 70000; i++)
		buf_char(&request, (char)('a' + i % 26));
	stack_keep_reply(rig.stack, buf_as_span(&request), 3, SPAN("true"));
	buf_char(&request, '\0');
	reply_is(request.ptr, "true", 3);
	assert_int_equal(stats().disk_hits, 1);
	buf_release(&request);
}

static void numbers_are_bound_when_final_and_canonical(void **state)
{
	struct eth_bytes32 hash;
	uint64_t number = 0;

	(void)state;
	for (uint64_t n = 10; n < 14; n++) {
		const struct block_header header = {.number = n, .hash = block_of(n).at.hash};
		stack_keep_header(rig.stack, &header, n & 1, n & 2);
	}
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t n = 10; n < 14; n++) {
			const struct stack_block block = block_of(n);
			bool bound = (n & 1) && (n & 2);
			assert_int_equal(stack_get_number(rig.view, &block.at.hash, &number),
					 HIT);
			assert_int_equal(number, n);
			assert_int_equal(stack_get_binding(rig.view, n, &hash),
					 bound ? HIT : MISS);
			if (bound)
				assert_memory_equal(&hash, &block.at.hash, 32);
		}
		forget();
	}
	const struct stack_block unknown = block_of(99);
	assert_int_equal(stack_get_number(rig.view, &unknown.at.hash, &number), MISS);
}

static void offline_nothing_is_asked(void **state)
{
	struct fork_op *op = NULL;
	enum err err = OK;

	(void)state;
	close_stack();
	open_stack(4u << 20, false);
	assert_true(stack_is_offline(rig.view));
	struct fact fact = fact_of(FACT_SLOT, 0, 5);
	assert_int_equal(stack_get_fact(rig.view, &fact), MISS);
	assert_int_equal(stack_fetch_fact(rig.view, &fact, on_done, &op, &op, &err), FAILED);
	assert_int_equal(err, ERR_OFFLINE);
	assert_null(op);
	assert_int_equal(fake_fork_asked(), 0);
}

static void without_a_disk_memory_serves(void **state)
{
	(void)state;
	close_stack();
	struct store *store = rig.store;
	rig.store = NULL;
	open_stack(4u << 20, true);
	assert_int_equal(get(FACT_SLOT), MISS);
	struct fact fact = fact_of(FACT_SLOT, 0, 5);
	fetch(&fact);
	assert_int_equal(get(FACT_SLOT), HIT);
	stack_keep_reply(rig.stack, SPAN("q"), 1, SPAN("1"));
	reply_is("q", "1", 1);
	rig.store = store;
}

static void a_memory_that_is_too_small_is_refused(void **state)
{
	const struct stack_config config = {.memory_bytes = 1};
	struct stack *stack = NULL;

	(void)state;
	assert_int_equal(stack_new(&config, &stack), ERR_INVALID);
	stack_free(&stack);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_fact_is_fetched_once_and_found_in_each_layer),
		TEST(facts_differ_by_all_that_names_them),
		TEST(no_code_is_known_without_bytes),
		TEST(a_code_hash_without_its_code_is_a_miss),
		TEST(hashes_of_an_account_are_facts),
		TEST(what_is_soon_out_of_date_is_kept_in_memory),
		TEST(a_pinned_code_outlives_the_turn),
		TEST(what_nobody_waits_for_is_kept),
		TEST(what_must_not_be_stored_is_not),
		TEST(a_bypass_keeps_and_reads_nothing),
		TEST(replies_are_found_in_each_layer),
		TEST(errors_of_calls_are_kept_as_such),
		TEST(a_request_too_long_for_memory_is_on_disk),
		TEST(numbers_are_bound_when_final_and_canonical),
		TEST(offline_nothing_is_asked),
		TEST(without_a_disk_memory_serves),
		TEST(a_memory_that_is_too_small_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
