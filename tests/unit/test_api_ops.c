/* SPDX-License-Identifier: MIT */
/* Operations: ends, callbacks, cancelling, back pressure, priorities, and what polls. */
#include "api_fixture.h"
#include <poll.h>

static char trace[64];

static void note(char c)
{
	const size_t n = strlen(trace);
	assert_true(n + 1 < sizeof trace);
	trace[n] = c;
	trace[n + 1] = '\0';
}

static char name_a[] = "a", name_b[] = "b", name_c[] = "c", name_o[] = "o", name_t[] = "t",
	    name_x[] = "x", name_never[] = "!";

static void note_char(void *cookie, struct fc_op *op)
{
	(void)op;
	note(*(const char *)cookie);
}

static int set_up_held(void **state)
{
	trace[0] = '\0';
	(void)set_up(state);
	fake_source_hold(true);
	return 0;
}

#define HELD_TEST(name) API_TEST_ON(set_up_held, name)

static bool readable(int timeout_ms)
{
	struct pollfd asked = {.fd = fc_fd(handle), .events = POLLIN};
	assert_true(asked.fd >= 0);
	return poll(&asked, 1, timeout_ms) == 1;
}

static void let_land(unsigned n)
{
	fake_source_release(handle->fetches.view, n);
}

static struct fc_op *start_slot(unsigned n, uint64_t k, const struct fc_op_options *options)
{
	const struct fc_read read = slot_read(n, k);
	struct fc_op *op = NULL;
	assert_ok(fc_read_start(handle, &read, 1, options, &op));
	return op;
}

static uint64_t slot_of(struct fc_op *op)
{
	size_t n;
	struct fc_read *reads = fc_op_reads(op, &n);
	assert_non_null(reads);
	assert_int_equal(n, 1);
	assert_ok(reads->err);
	return number_of(&reads->value);
}

static void an_operation_ends_when_its_reads_have_landed(void **state)
{
	(void)state;
	const struct fc_read reads[] = {slot_read(1, 1), account_read(2, FC_NONCE | FC_BALANCE),
					code_read(3)};
	struct fc_op *op;
	size_t n = 9;
	assert_ok(fc_read_start(handle, reads, 3, NULL, &op));
	assert_int_equal(fake_source_in_flight(), 4);
	assert_false(fc_op_ready(op));
	assert_false(fc_op_failed(op));
	assert_int_equal(fc_op_result(op), FC_PENDING);
	assert_string_equal(fc_op_detail(op), "");
	assert_null(fc_op_reads(op, &n));
	assert_int_equal(n, 0);
	let_land(3);
	assert_false(fc_op_ready(op));
	let_land(1);
	assert_true(fc_op_ready(op));
	assert_ok(fc_op_result(op));
	struct fc_read *got = fc_op_reads(op, &n);
	assert_int_equal(n, 3);
	assert_int_equal(number_of(&got[0].value), 101);
	assert_int_equal(got[1].account.nonce, 2);
	assert_int_equal(number_of(&got[1].account.balance), 1002);
	struct fc_code *code = got[2].code; /* the caller's now */
	got[2].code = NULL;
	fc_op_free(&op);
	assert_null(op);
	assert_int_equal(fc_code_length(code), 4);
	fc_code_put(&code);
	fc_op_free(&op);
	fc_op_free(NULL);
}

static void reads_that_hit_are_done_at_once(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(5), value = word_of(77);
	assert_ok(fc_set_storage(handle, &one, &slot, &value));
	struct fc_op *op = start_slot(1, 5, NULL);
	assert_ok(fc_op_result(op));
	assert_int_equal(slot_of(op), 77);
	assert_int_equal(handle->in_flight, 0);
	fc_op_free(&op);
}

static void each_read_has_its_own_status(void **state)
{
	(void)state;
	struct fc_read reads[] = {slot_read(1, 1),
				  slot_read(0x1000 + ERR_TIMEOUT, 1),
				  slot_read(0x1000 + ERR_UPSTREAM, 1),
				  slot_read(2, 2),
				  {.kind = (enum fc_read_kind)9}};
	fake_source_hold(false);
	assert_int_equal(fc_read_many(handle, reads, 5), FC_ERR_TIMEOUT);
	assert_detail("of 0xaa00000000000000000000000000000000001007 at block 19");
	assert_ok(reads[0].err);
	assert_int_equal(number_of(&reads[0].value), 101);
	assert_int_equal(reads[1].err, FC_ERR_TIMEOUT);
	assert_int_equal(reads[2].err, FC_ERR_QUERY_FAILED);
	assert_ok(reads[3].err);
	assert_int_equal(reads[4].err, FC_ERR_INVALID_ARGUMENT);

	struct fc_op *op;
	assert_ok(fc_read_start(handle, reads, 5, NULL, &op));
	assert_ok(fc_op_wait(op, -1));
	assert_true(fc_op_failed(op));
	assert_int_equal(fc_op_result(op), FC_ERR_TIMEOUT);
	assert_non_null(strstr(fc_op_detail(op), "1007 at block 19"));
	assert_int_equal(fc_op_reads(op, NULL)[2].err, FC_ERR_QUERY_FAILED);
	assert_ok(fc_op_reads(op, NULL)[3].err);
	fc_op_free(&op);
	assert_ok(fc_read_many(handle, NULL, 0));
}

static void a_need_is_fetched_once_for_all(void **state)
{
	(void)state;
	struct fc_op *a = start_slot(1, 1, NULL), *b = start_slot(1, 1, NULL);
	assert_int_equal(fake_source_fetched(), 1);
	fc_op_cancel(a); /* the other still waits for it */
	assert_int_equal(fake_source_in_flight(), 1);
	let_land(1);
	assert_ok(fc_op_wait(b, -1));
	assert_int_equal(slot_of(b), 101);
	assert_int_equal(fc_op_result(a), FC_ERR_CANCELLED);
	fc_op_free(&a);
	fc_op_free(&b);
}

static void waiting_has_an_end(void **state)
{
	(void)state;
	struct fc_op *op = start_slot(1, 1, NULL);
	assert_int_equal(fc_op_wait(op, 0), FC_ERR_TIMEOUT);
	assert_int_equal(fc_op_wait(op, 1), FC_ERR_TIMEOUT);
	let_land(1);
	assert_ok(fc_op_wait(op, 1000000));
	assert_ok(fc_op_wait(op, 0));
	fc_op_free(&op);
}

/* ---- callbacks ---- */

static void callbacks_run_in_dispatch_only(void **state)
{
	(void)state;
	struct fc_op *op = start_slot(1, 1, NULL);
	assert_ok(fc_op_on_done(op, note_char, name_a));
	assert_ok(fc_op_on_done(op, note_char, name_b));
	assert_int_equal(fc_dispatch(handle), 0);
	assert_false(readable(0));
	let_land(1);
	assert_true(readable(-1));
	assert_ok(fc_op_wait(op, -1));
	assert_string_equal(trace, "");
	struct fc_op *other_op = start_slot(1, 2, NULL);
	for (int i = 0; i < 3; i++)
		assert_false(fc_op_ready(other_op)); /* turns the loop */
	fc_op_free(&other_op);
	assert_true(readable(-1)); /* there is something to dispatch */
	assert_int_equal(fc_dispatch(handle), 2);
	assert_string_equal(trace, "ab");
	assert_false(readable(0));
	assert_int_equal(fc_dispatch(handle), 0);
	assert_ok(fc_op_on_done(op, note_char, name_c)); /* after the end */
	assert_true(readable(-1));
	assert_string_equal(trace, "ab");
	assert_int_equal(fc_dispatch(handle), 1);
	assert_string_equal(trace, "abc");
	fc_op_free(&op);
}

static void sync_calls_run_no_callbacks(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2);
	struct fc_account account;
	struct fc_op *op = start_slot(1, 1, NULL);
	assert_ok(fc_op_on_done(op, note_char, name_a));
	let_land(3);
	assert_ok(fc_get_account(handle, &two, FC_NONCE | FC_BALANCE, &account));
	assert_ok(fc_op_result(op));
	assert_string_equal(trace, "");
	assert_true(readable(-1));
	assert_int_equal(fc_dispatch(handle), 1);
	fc_op_free(&op);
}

static void poll_and_dispatch_are_enough(void **state)
{
	(void)state;
	fake_source_hold(false);
	struct fc_op *ops[20];
	for (unsigned i = 0; i < 20; i++) {
		ops[i] = start_slot(i, 1, NULL);
		assert_ok(fc_op_on_done(ops[i], note_char, name_x));
	}
	while (strlen(trace) < 20) {
		assert_true(readable(-1));
		(void)fc_dispatch(handle);
	}
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(slot_of(ops[i]), chain_slot(i, 1));
		fc_op_free(&ops[i]);
	}
}

static struct fc_op *started, *other;

static void start_and_free(void *cookie, struct fc_op *op)
{
	(void)cookie;
	note('s');
	fc_op_free(&op);
	started = start_slot(2, 1, NULL);
	assert_int_equal(fc_dispatch(handle), 0); /* not from within */
	assert_ok(fc_op_on_done(started, note_char, name_t));
	fc_op_cancel(other);
}

static void wait_within(void *cookie, struct fc_op *op)
{
	const struct fc_address three = address_of(3);
	struct fc_account account;
	(void)cookie;
	(void)op;
	let_land(100);
	assert_ok(fc_get_account(handle, &three, FC_NONCE, &account));
	assert_int_equal(account.nonce, 3);
	note('w');
}

static void a_callback_may_do_anything(void **state)
{
	(void)state;
	struct fc_op *first = start_slot(1, 1, NULL), *third;
	other = start_slot(1, 2, NULL);
	third = start_slot(1, 4, NULL);
	assert_ok(fc_op_on_done(first, start_and_free, NULL));
	assert_ok(fc_op_on_done(other, note_char, name_o));
	assert_ok(fc_op_on_done(third, wait_within, NULL));
	let_land(3);
	assert_ok(fc_op_wait(third, -1));
	assert_int_equal(fc_dispatch(handle), 2);
	assert_string_equal(trace, "sw");
	assert_ok(fc_op_wait(started, -1));
	assert_int_equal(fc_dispatch(handle), 1);
	assert_string_equal(trace, "swt");
	assert_ok(fc_op_result(other)); /* it had ended */
	fc_op_free(&started);
	fc_op_free(&other);
	fc_op_free(&third);
}

static void add_another(void *cookie, struct fc_op *op)
{
	note('x');
	assert_ok(fc_op_on_done(op, add_another, cookie));
}

static void a_callback_that_adds_itself_does_not_keep_dispatch(void **state)
{
	(void)state;
	fake_source_hold(false);
	struct fc_op *op = start_slot(1, 1, NULL);
	assert_ok(fc_op_on_done(op, add_another, NULL));
	assert_ok(fc_op_wait(op, -1));
	assert_int_equal(fc_dispatch(handle), 1);
	assert_int_equal(fc_dispatch(handle), 1);
	assert_true(readable(-1));
	fc_op_free(&op);
	assert_int_equal(fc_dispatch(handle), 0);
	assert_string_equal(trace, "xx");
}

/* ---- cancelling ---- */

static void cancelling_fires_nothing(void **state)
{
	(void)state;
	/* Before, between and after its needs have landed. */
	for (unsigned landed = 0; landed <= 3; landed++) {
		const struct fc_read reads[] = {
			slot_read(landed + 1, 1),
			account_read(landed + 1, FC_NONCE | FC_BALANCE)};
		struct fc_op *op;
		assert_ok(fc_read_start(handle, reads, 2, NULL, &op));
		assert_ok(fc_op_on_done(op, note_char, name_never));
		let_land(landed);
		while (fake_source_in_flight() > 3 - landed)
			(void)fc_op_ready(op);
		(void)fc_op_ready(op);
		fc_op_cancel(op);
		assert_true(fc_op_ready(op));
		assert_int_equal(fc_op_result(op), landed == 3 ? FC_OK : FC_ERR_CANCELLED);
		assert_int_equal(fc_op_on_done(op, note_char, name_never), FC_ERR_CANCELLED);
		assert_int_equal(fake_source_in_flight(), 0);
		assert_int_equal(fc_dispatch(handle), 0);
		fc_op_cancel(op);
		fc_op_free(&op);
	}
	assert_string_equal(trace, "");
	fc_op_cancel(NULL);
}

static void freeing_cancels(void **state)
{
	(void)state;
	struct fc_op *op = start_slot(1, 1, NULL);
	assert_ok(fc_op_on_done(op, note_char, name_never));
	fc_op_free(&op);
	assert_int_equal(fake_source_in_flight(), 0);
	let_land(1);
	assert_int_equal(fc_dispatch(handle), 0);
	assert_string_equal(trace, "");
}

static void operations_outlive_their_handle(void **state)
{
	(void)state;
	struct fc_op *left = start_slot(1, 1, NULL), *done = start_slot(1, 1, NULL);
	let_land(1);
	assert_ok(fc_op_wait(done, -1));
	struct fc_op *pending = start_slot(1, 2, NULL);
	assert_ok(fc_op_on_done(done, note_char, name_never));
	fc_op_free(&left);
	fc_state_free(&handle);
	assert_true(fc_op_ready(pending));
	assert_int_equal(fc_op_result(pending), FC_ERR_CANCELLED);
	assert_ok(fc_op_wait(pending, -1));
	assert_int_equal(slot_of(done), 101);
	assert_int_equal(fc_op_on_done(done, note_char, name_never), FC_ERR_CANCELLED);
	fc_op_cancel(pending);
	fc_op_free(&pending);
	fc_op_free(&done);
	assert_string_equal(trace, "");
}

/* ---- bounds ---- */

static void operations_in_flight_are_bounded(void **state)
{
	(void)state;
	const struct fc_op_options try = {
		.size = sizeof try, .priority = FC_PRIORITY_NORMAL, .try_only = true};
	const struct fc_read read = slot_read(3, 1);
	struct fc_op *a, *b, *c = NULL;
	fc_state_free(&handle);
	handle = new_handle(FC_BLOCKING, 2, 0);
	a = start_slot(1, 1, NULL);
	b = start_slot(2, 1, NULL);
	assert_int_equal(fc_read_start(handle, &read, 1, &try, &c), FC_ERR_EXHAUSTED);
	assert_null(c);
	assert_detail("starting an operation: 2 are in flight");
	let_land(1);
	assert_ok(fc_read_start(handle, &read, 1, NULL, &c)); /* waits for one to end */
	assert_ok(fc_op_result(a));
	assert_int_equal(fc_op_result(b), FC_PENDING);
	fc_op_free(&b); /* that makes room, too */
	struct fc_op *d = NULL;
	assert_ok(fc_read_start(handle, &read, 1, &try, &d));
	fc_op_free(&a);
	fc_op_free(&c);
	fc_op_free(&d);
}

static void reads_in_flight_are_bounded(void **state)
{
	(void)state;
	struct fc_read reads[20];
	struct fc_op *op;
	fc_state_free(&handle);
	handle = new_handle(FC_BLOCKING, 0, 3);
	for (unsigned i = 0; i < 20; i++)
		reads[i] = slot_read(i, 1);
	assert_ok(fc_read_start(handle, reads, 20, NULL, &op));
	assert_int_equal(fake_source_in_flight(), 3);
	let_land(20);
	assert_ok(fc_op_wait(op, -1));
	assert_int_equal(fake_source_in_flight_most(), 3);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(number_of(&fc_op_reads(op, NULL)[i].value), chain_slot(i, 1));
	fc_op_free(&op);
}

static void a_source_that_is_full_is_asked_later(void **state)
{
	(void)state;
	struct fc_op *a = start_slot(1, 1, NULL), *b;
	fake_source_refuse(3, ERR_LIMIT, "too many in flight");
	b = start_slot(2, 1, NULL);
	assert_int_equal(fc_op_result(b), FC_PENDING);
	let_land(2);
	assert_ok(fc_op_wait(b, -1));
	assert_ok(fc_op_result(b));
	fc_op_free(&a);
	fc_op_free(&b);
}

static void what_is_urgent_leaves_first(void **state)
{
	(void)state;
	static const enum fc_priority order[] = {FC_PRIORITY_LOW, FC_PRIORITY_NORMAL,
						 FC_PRIORITY_CRITICAL, FC_PRIORITY_HIGH};
	struct fc_op *ops[6];
	fc_state_free(&handle);
	handle = new_handle(FC_BLOCKING, 0, 1);
	ops[0] = start_slot(9, 1, NULL); /* has the only place */
	for (unsigned i = 0; i < 4; i++) {
		const struct fc_op_options options = {.size = sizeof options,
						      .priority = order[i]};
		ops[i + 1] = start_slot(i, 1, &options);
	}
	/* One that joins raises what it joins. */
	const struct fc_op_options critical = {.size = sizeof critical,
					       .priority = FC_PRIORITY_CRITICAL};
	ops[5] = start_slot(0, 1, &critical);
	let_land(6);
	for (unsigned i = 0; i < 6; i++)
		assert_ok(fc_op_wait(ops[i], -1));
	static const unsigned expected[] = {9, 2, 0, 3, 1};
	assert_int_equal(fake_source_fetched(), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(account_number(&fake_source_fetch_at(i)->address),
				 expected[i]);
	for (unsigned i = 0; i < 6; i++)
		fc_op_free(&ops[i]);
}

static void operations_check_their_arguments(void **state)
{
	(void)state;
	const struct fc_read read = slot_read(1, 1);
	struct fc_op_options options = {.size = 4};
	struct fc_op *op = NULL;
	struct fc_bytes32 root;
	const struct fc_access bad = {.slots_n = 1};
#define REFUSED(call) assert_int_equal((call), FC_ERR_INVALID_ARGUMENT)
	REFUSED(fc_read_start(handle, &read, 1, &options, &op));
	options.size = sizeof options;
	options.priority = (enum fc_priority)4;
	REFUSED(fc_read_start(handle, &read, 1, &options, &op));
	REFUSED(fc_read_start(handle, &read, 0, NULL, &op));
	REFUSED(fc_read_start(handle, NULL, 1, NULL, &op));
	REFUSED(fc_read_start(NULL, &read, 1, NULL, &op));
	REFUSED(fc_read_start(handle, &read, 1, NULL, NULL));
	REFUSED(fc_prefetch_start(handle, NULL, 1, NULL, &op));
	REFUSED(fc_prefetch(handle, &bad, 1));
	REFUSED(fc_state_root_start(handle, NULL, NULL));
	REFUSED(fc_fetch_needed_start(handle, NULL, NULL));
	REFUSED(fc_op_wait(NULL, 0));
	REFUSED(fc_op_on_done(NULL, note_char, NULL));
	assert_null(op);
	op = start_slot(1, 1, NULL);
	REFUSED(fc_op_on_done(op, NULL, NULL));
	REFUSED(fc_op_root(op, &root)); /* it is not one of a root */
	assert_false(fc_op_ready(NULL));
	fc_op_free(&op);
}

static void a_prefetch_makes_reads_hit(void **state)
{
	(void)state;
	const struct fc_bytes32 slots[] = {word_of(1), word_of(2), word_of(3)};
	const struct fc_access list[] = {
		{.address = address_of(1), .slots = slots, .slots_n = 3},
		{.address = address_of(2)}};
	struct fc_read reads[] = {slot_read(1, 1), slot_read(1, 2), slot_read(1, 3),
				  account_read(2, FC_BALANCE | FC_NONCE | FC_CODE_HASH),
				  code_read(1)};
	struct fc_op *op;
	assert_ok(fc_prefetch_start(handle, list, 2, NULL, &op));
	assert_int_equal(fake_source_fetched(), 9);
	let_land(100);
	assert_ok(fc_op_wait(op, -1));
	assert_ok(fc_op_result(op));
	assert_null(fc_op_reads(op, NULL));
	fc_op_free(&op);
	assert_ok(fc_read_many(handle, reads, 5));
	assert_int_equal(fake_source_fetched(), 9);
	fc_reads_release(reads, 5);
	assert_ok(fc_prefetch(handle, list, 2)); /* nothing is left to fetch */
	assert_int_equal(fake_source_fetched(), 9);
	const struct fc_access failing = {.address = address_of(0x1000 + ERR_TIMEOUT)};
	assert_int_equal(fc_prefetch(handle, &failing, 1), FC_ERR_TIMEOUT);
	assert_detail("at block 19: upstream node.example");
}

/* As of a transaction that has none. */
static void an_access_list_may_be_empty(void **state)
{
	(void)state;
	struct fc_op *op;
	fc_state_free(&handle);
	handle = new_handle(FC_RESUMABLE, 0, 0);
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1);
	struct fc_bytes32 value;
	size_t needed;
	assert_int_equal(fc_get_storage(handle, &one, &slot, &value), FC_PENDING);
	assert_ok(fc_prefetch(handle, NULL, 0));
	assert_ok(fc_prefetch_start(handle, NULL, 0, NULL, &op));
	assert_true(fc_op_ready(op));
	assert_ok(fc_op_result(op));
	fc_op_free(&op);
	assert_int_equal(fake_source_fetched(), 0); /* what was noted is another list */
	fc_needed(handle, &needed);
	assert_int_equal(needed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HELD_TEST(an_operation_ends_when_its_reads_have_landed),
		HELD_TEST(reads_that_hit_are_done_at_once),
		HELD_TEST(each_read_has_its_own_status),
		HELD_TEST(a_need_is_fetched_once_for_all),
		HELD_TEST(waiting_has_an_end),
		HELD_TEST(callbacks_run_in_dispatch_only),
		HELD_TEST(sync_calls_run_no_callbacks),
		HELD_TEST(poll_and_dispatch_are_enough),
		HELD_TEST(a_callback_may_do_anything),
		HELD_TEST(a_callback_that_adds_itself_does_not_keep_dispatch),
		HELD_TEST(cancelling_fires_nothing),
		HELD_TEST(freeing_cancels),
		HELD_TEST(operations_outlive_their_handle),
		HELD_TEST(operations_in_flight_are_bounded),
		HELD_TEST(reads_in_flight_are_bounded),
		HELD_TEST(a_source_that_is_full_is_asked_later),
		HELD_TEST(what_is_urgent_leaves_first),
		HELD_TEST(operations_check_their_arguments),
		HELD_TEST(a_prefetch_makes_reads_hit),
		HELD_TEST(an_access_list_may_be_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
