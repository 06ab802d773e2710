/* SPDX-License-Identifier: MIT */
#pragma once
/* One database that is open, with a handle, and short names for what is done with it: accounts,
 * slots and values are numbers. */
#include "backends.h"

static const char prestate[] =
	"{\"alloc\":{"
	"\"0xaa00000000000000000000000000000000000001\":{\"balance\":\"0x64\",\"nonce\":"
	"\"0x3\","
	"\"code\":\"0x600160005500\",\"storage\":{"
	"\"0x0000000000000000000000000000000000000000000000000000000000000001\":"
	"\"0x0000000000000000000000000000000000000000000000000000000000000007\","
	"\"0x0000000000000000000000000000000000000000000000000000000000000002\":"
	"\"0x0000000000000000000000000000000000000000000000000000000000000009\"}},"
	"\"0xaa00000000000000000000000000000000000002\":{\"balance\":\"0x5\"}}}";
static const uint8_t contract_code[] = {0x60, 0x01, 0x60, 0x00, 0x55, 0x00};

struct world {
	const struct backend *backend;
	char folder[160], urls[768];
	struct fc_db *db;
	struct fc_state *state;
};

static inline struct fc_address address(unsigned n)
{
	return (struct fc_address){
		.bytes = {[0] = 0xaa, [18] = (uint8_t)(n >> 8), [19] = (uint8_t)n}};
}

static inline struct fc_bytes32 word(unsigned n)
{
	return (struct fc_bytes32){.bytes = {[30] = (uint8_t)(n >> 8), [31] = (uint8_t)n}};
}

static inline unsigned number(const struct fc_bytes32 *word)
{
	return (unsigned)word->bytes[30] << 8 | word->bytes[31];
}

#define OK_CALL(s, call)                                                          \
	do {                                                                      \
		const enum fc_err err_ = (call);                                  \
		if (err_ != FC_OK)                                                \
			fail_msg("%s:%d: %s: %s (%s)", __FILE__, __LINE__, #call, \
				 fc_strerror(err_), fc_detail(s));                \
	} while (0)

static inline void set_slot(struct fc_state *s, unsigned n, unsigned k, unsigned value)
{
	const struct fc_address a = address(n);
	const struct fc_bytes32 slot = word(k), v = word(value);
	OK_CALL(s, fc_set_storage(s, &a, &slot, &v));
}

static inline unsigned get_slot(struct fc_state *s, unsigned n, unsigned k)
{
	const struct fc_address a = address(n);
	const struct fc_bytes32 slot = word(k);
	struct fc_bytes32 v;
	OK_CALL(s, fc_get_storage(s, &a, &slot, &v));
	return number(&v);
}

static inline void set_account(struct fc_state *s, unsigned n, unsigned balance, uint64_t nonce)
{
	const struct fc_address a = address(n);
	const struct fc_account account = {
		.mask = FC_BALANCE | FC_NONCE, .nonce = nonce, .balance = word(balance)};
	OK_CALL(s, fc_set_account(s, &a, &account));
}

static inline struct fc_account get_account(struct fc_state *s, unsigned n)
{
	const struct fc_address a = address(n);
	struct fc_account account;
	OK_CALL(s, fc_get_account(s, &a, FC_BALANCE | FC_NONCE | FC_CODE_HASH | FC_EXISTS,
				  &account));
	return account;
}

static inline bool exists(struct fc_state *s, unsigned n)
{
	const struct fc_address a = address(n);
	bool there;
	OK_CALL(s, fc_exists(s, &a, &there));
	return there;
}

static inline struct fc_bytes32 root_of(struct fc_state *s)
{
	struct fc_bytes32 root;
	OK_CALL(s, fc_state_root(s, &root));
	return root;
}

/* The same for all back ends; the first says what it is. */
static inline void assert_root(struct fc_state *s, struct fc_bytes32 *golden, bool *known)
{
	const struct fc_bytes32 root = root_of(s);
	if (*known)
		assert_memory_equal(&root, golden, sizeof root);
	*golden = root;
	*known = true;
}

static inline void open_world(struct world *w)
{
	struct fc_error why;
	if (fc_open(w->urls, &w->db, &why) != FC_OK)
		fail_msg("%s: %s", w->urls, why.detail);
	assert_int_equal(fc_state_new(w->db, NULL, &w->state), FC_OK);
}

static inline void close_world(struct world *w)
{
	struct fc_error why;
	fc_state_free(&w->state);
	if (fc_close(&w->db, &why) != FC_OK)
		fail_msg("close: %s", why.detail);
}

static inline void give_prestate(struct fc_state *s)
{
	const struct fc_address a = address(1);
	set_account(s, 1, 100, 3);
	OK_CALL(s, fc_set_code(s, &a, contract_code, sizeof contract_code));
	set_slot(s, 1, 1, 7);
	set_slot(s, 1, 2, 9);
	set_account(s, 2, 5, 0);
}

static inline struct fc_state *another(struct world *w)
{
	struct fc_state *s = NULL;
	assert_int_equal(fc_state_new(w->db, NULL, &s), FC_OK);
	return s;
}
