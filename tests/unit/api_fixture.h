/* SPDX-License-Identifier: MIT */
#pragma once
/* A database of the library over a fake source, and a handle on it. What the chain says is a
 * function of the key, so that every answer can be checked without a table. */
#include "unit.h"
#include "api/api_impl.h"
#include "fake_source.h"
#include "layers/shared.h"

static struct fc_db db;
static struct fc_state *handle;

static inline struct fc_address address_of(unsigned n)
{
	struct fc_address address = {{0}};
	address.bytes[0] = 0xaa;
	address.bytes[18] = (uint8_t)(n >> 8);
	address.bytes[19] = (uint8_t)n;
	return address;
}

static inline struct fc_bytes32 word_of(uint64_t n)
{
	struct fc_bytes32 word = {{0}};
	be64_put(word.bytes + 24, n);
	return word;
}

static inline uint64_t number_of(const struct fc_bytes32 *word)
{
	return be64_get(word->bytes + 24);
}

/* The chain: account n has balance 1000 + n, nonce n, code "code" if n is odd; its slot k holds
 * 100 n + k, but for every third, which is empty. Accounts 0x1000 and above fail, by the low
 * byte's err; 0x2000 and above are not there. */
static inline unsigned account_number(const struct eth_address *address)
{
	return (unsigned)address->bytes[18] << 8 | address->bytes[19];
}

static inline uint64_t chain_slot(unsigned n, uint64_t k)
{
	return k % 3 == 0 ? 0 : 100 * n + k;
}

static inline void chain(const struct need *need, struct fake_answer *answer)
{
	const unsigned n = account_number(&need->address);
	if (n >= 0x1000 && n < 0x2000) {
		answer->err = (enum err)(n & 0xff);
		answer->detail = "upstream node.example: no answer in 1.0 s (3 attempts; last: "
				 "connection refused)";
		return;
	}
	if (n >= 0x2000)
		return;
	switch (need->kind) {
	case NEED_BALANCE:
		be64_put(answer->value.bytes + 24, 1000 + n);
		break;
	case NEED_NONCE:
		be64_put(answer->value.bytes + 24, n);
		break;
	case NEED_CODE:
		answer->code = n % 2 ? "code" : NULL;
		break;
	case NEED_SLOT:
		be64_put(answer->value.bytes + 24,
			 chain_slot(n, be64_get(need->slot.bytes + 24)));
		break;
	case NEED_PROOF:
		answer->value.bytes[0] = (unsigned char)n;
		break;
	}
}

/* over: an overlay above the source; else the source alone, which takes no writes. */
static inline void open_db(bool over)
{
	struct layer *source, *top;
	fake_source_reset(chain);
	assert_ok(fake_source_new(&eth_empty_trie_root, &source));
	top = source;
	if (over)
		assert_ok(shared_new(source, NULL, false, &top));
	db = (struct fc_db){.db = {.top = top,
				   .writable = over ? top : NULL,
				   .source = source,
				   .read_only_why = "a fork takes no writes"}};
	pthread_mutex_init(&db.roots_lock, NULL);
}

static inline void open_memory(void)
{
	struct layer *top;
	fake_source_reset(chain);
	assert_ok(shared_new(NULL, NULL, false, &top));
	db = (struct fc_db){.db = {.top = top, .writable = top}};
	pthread_mutex_init(&db.roots_lock, NULL);
}

static inline void close_db(void)
{
	assert_int_equal(atomic_load(&db.handles), 0);
	root_cache_free(&db.roots);
	db.db.top->ops->free(&db.db.top);
	pthread_mutex_destroy(&db.roots_lock);
}

static inline struct fc_state *new_handle(enum fc_wait wait, uint32_t operations_max,
					  uint32_t reads_max)
{
	const struct fc_state_options options = {.size = sizeof options,
						 .wait = wait,
						 .operations_max = operations_max,
						 .reads_max = reads_max};
	struct fc_state *s = NULL;
	assert_ok(fc_state_new(&db, &options, &s));
	return s;
}

static inline int set_up(void **state)
{
	(void)state;
	open_db(true);
	handle = new_handle(FC_BLOCKING, 0, 0);
	return 0;
}

static inline int set_up_resumable(void **state)
{
	(void)state;
	open_db(true);
	handle = new_handle(FC_RESUMABLE, 0, 0);
	return 0;
}

static inline int set_up_memory(void **state)
{
	(void)state;
	open_memory();
	handle = new_handle(FC_BLOCKING, 0, 0);
	return 0;
}

static inline int set_up_read_only(void **state)
{
	(void)state;
	open_db(false);
	handle = new_handle(FC_BLOCKING, 0, 0);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	fc_state_free(&handle);
	close_db();
	return check_failures() == 0 ? 0 : -1;
}

static inline void assert_detail(const char *part)
{
	if (!strstr(fc_detail(handle), part))
		fail_msg("the detail is \"%s\", without \"%s\"", fc_detail(handle), part);
}

static inline struct fc_read account_read(unsigned n, uint32_t wanted)
{
	return (struct fc_read){
		.kind = FC_READ_ACCOUNT, .wanted = wanted, .address = address_of(n)};
}

static inline struct fc_read slot_read(unsigned n, uint64_t k)
{
	return (struct fc_read){
		.kind = FC_READ_STORAGE, .address = address_of(n), .slot = word_of(k)};
}

static inline struct fc_read code_read(unsigned n)
{
	return (struct fc_read){.kind = FC_READ_CODE, .address = address_of(n)};
}

#define API_TEST(name)		  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define API_TEST_ON(set_up, name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
