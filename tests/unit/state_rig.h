/* SPDX-License-Identifier: MIT */
#pragma once
/* Databases of each kind for the tests of handles, with short names for reads and writes:
 * accounts, slots and values are numbers. */
#include "unit.h"
#include "base/keccak.h"
#include "layers/cached.h"
#include "layers/shared.h"
#include "layers/state.h"
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

enum rig_kind {
	RIG_MEMORY,
	RIG_FILE,
	RIG_OVERLAY,	    /* over a memory database */
	RIG_CACHED,	    /* a cache over a memory database */
	RIG_CACHED_FILE,    /* and over a file */
	RIG_OVERLAY_CACHED, /* an overlay over a cache over a memory database */
	RIG_FILE_OVERLAY,   /* a file over a memory database */
	RIG_KINDS
};

struct rig {
	struct db db;
	struct layer *bottom; /* of RIG_OVERLAY...: what is written to before; else NULL */
	char folder[128];     /* "": none */
};

static inline struct eth_address address_of(uint64_t n)
{
	struct eth_address a = {{0}};
	be64_put(a.bytes + 12, n);
	return a;
}

static inline struct eth_bytes32 word_of(uint64_t n)
{
	struct eth_bytes32 w = {{0}};
	be64_put(w.bytes + 24, n);
	return w;
}

static inline void rig_remove_folder(struct rig *rig)
{
	DIR *dir = rig->folder[0] ? opendir(rig->folder) : NULL;
	struct dirent *entry;
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(rig->folder);
	rig->folder[0] = '\0';
}

static inline void rig_make_folder(struct rig *rig)
{
	const char *base = getenv("TMPDIR");
	snprintf(rig->folder, sizeof rig->folder, "%s/forkcache-state-XXXXXX",
		 base ? base : P_tmpdir);
	assert_non_null(mkdtemp(rig->folder));
}

static inline struct filedb *rig_open_file(struct rig *rig)
{
	const struct filedb_config config = {.folder = rig->folder,
					     .map_bytes = (uint64_t)1 << 30};
	struct filedb *file;
	struct err_detail detail;
	if (filedb_open(&config, &file, &detail) != OK)
		fail_msg("%s", detail.text);
	return file;
}

static inline struct layer *rig_memory(void)
{
	struct layer *layer;
	assert_ok(shared_new(NULL, NULL, false, &layer));
	return layer;
}

static inline struct layer *rig_cache(struct layer *below)
{
	const struct cached_config config = {.accounts_bytes = 1};
	struct layer *layer;
	assert_ok(cached_new(below, &config, &layer));
	return layer;
}

static inline struct layer *rig_shared(struct rig *rig, struct layer *below, bool file)
{
	struct layer *layer;
	assert_ok(shared_new(below, file ? rig_open_file(rig) : NULL, rig->db.keep_empty,
			     &layer));
	return layer;
}

/* Over whatever is in the folder. */
static inline void rig_build(struct rig *rig, enum rig_kind kind)
{
	struct layer *layer;
	rig->bottom =
		kind == RIG_OVERLAY || kind == RIG_OVERLAY_CACHED || kind == RIG_FILE_OVERLAY
			? rig_memory()
			: NULL;
	layer = kind == RIG_OVERLAY_CACHED ? rig_cache(rig->bottom) : rig->bottom;
	layer = rig_shared(rig, layer,
			   kind == RIG_FILE || kind == RIG_CACHED_FILE ||
				   kind == RIG_FILE_OVERLAY);
	rig->db.writable = layer;
	rig->db.top = kind == RIG_CACHED || kind == RIG_CACHED_FILE ? rig_cache(layer) : layer;
}

static inline void rig_open(struct rig *rig, enum rig_kind kind, bool keep_empty)
{
	*rig = (struct rig){.db.keep_empty = keep_empty};
	if (kind == RIG_FILE || kind == RIG_CACHED_FILE || kind == RIG_FILE_OVERLAY)
		rig_make_folder(rig);
	rig_build(rig, kind);
}

static inline void rig_free_layers(struct rig *rig)
{
	rig->db.top->ops->free(&rig->db.top);
	assert_null(rig->db.top);
}

static inline void rig_close(struct rig *rig)
{
	rig_free_layers(rig);
	rig_remove_folder(rig);
}

static inline struct state *rig_state(struct rig *rig)
{
	struct err_detail detail;
	struct state *state;
	if (state_new(&rig->db, NULL, &state, &detail) != OK)
		fail_msg("%s", detail.text);
	return state;
}

/* ---- reads and writes by numbers ---- */

static inline enum err set_slot(struct state *state, uint64_t account, uint64_t slot,
				uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct eth_bytes32 s = word_of(slot), v = word_of(value);
	return state_set_slot(state, &a, &s, &v, NULL);
}

static inline enum err set_balance(struct state *state, uint64_t account, uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_BALANCE,
					      .balance = eth_u256_from_u64(value)};
	return state_set_account(state, &a, &fields, NULL);
}

static inline enum err set_nonce(struct state *state, uint64_t account, uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_NONCE, .nonce = value};
	return state_set_account(state, &a, &fields, NULL);
}

/* Code n is n bytes. */
static inline enum err set_code(struct state *state, uint64_t account, size_t n)
{
	const struct eth_address a = address_of(account);
	struct blob *code = blob_new(n);
	if (!code)
		return ERR_NOMEM;
	memset(code->bytes, 0x5b, n);
	const enum err err = state_set_code(state, &a, code, NULL);
	blob_put(&code);
	return err;
}

static inline enum err destroy(struct state *state, uint64_t account)
{
	const struct eth_address a = address_of(account);
	return state_destroy(state, &a, NULL);
}

static inline enum err wipe(struct state *state, uint64_t account)
{
	const struct eth_address a = address_of(account);
	return state_wipe(state, &a, NULL);
}

static inline uint64_t slot_of(struct state *state, uint64_t account, uint64_t slot)
{
	const struct eth_address a = address_of(account);
	const struct eth_bytes32 s = word_of(slot);
	struct eth_bytes32 value;
	struct fault fault;
	if (state_slot(state, &a, &s, &value, NULL, &fault) != HIT)
		fail_msg("slot %llu of %llu", (unsigned long long)slot,
			 (unsigned long long)account);
	return be64_get(value.bytes + 24);
}

static inline struct account_state account_of(struct state *state, uint64_t account)
{
	const struct eth_address a = address_of(account);
	struct account_state out;
	struct fault fault;
	if (state_account(state, &a, ACCOUNT_ALL, &out, NULL, &fault) != HIT)
		fail_msg("account %llu", (unsigned long long)account);
	assert_int_equal(out.fields.mask & ACCOUNT_ALL, ACCOUNT_ALL);
	return out;
}

static inline uint64_t balance_of(struct state *state, uint64_t account)
{
	return be64_get(account_of(state, account).fields.balance.bytes + 24);
}

static inline size_t code_length_of(struct state *state, uint64_t account)
{
	const struct eth_address a = address_of(account);
	struct blob *code;
	struct fault fault;
	if (state_code(state, &a, &code, NULL, &fault) != HIT)
		fail_msg("code of %llu: %s", (unsigned long long)account, fault.detail.text);
	const size_t n = code ? code->len : 0;
	blob_put(&code);
	return n;
}
