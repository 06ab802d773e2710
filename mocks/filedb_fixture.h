/* SPDX-License-Identifier: MIT */
#pragma once
/* Opening, writing and reading file databases in tests: what fails there ends the test. */
#include "cache/filedb.h"
#include "store_fixture.h"

static inline struct filedb *fixture_filedb(const char *folder, uint64_t map_bytes)
{
	struct filedb *db;
	struct err_detail detail;
	struct filedb_config config = {.folder = folder, .map_bytes = map_bytes};
	enum err err = filedb_open(&config, &db, &detail);
	if (err != OK)
		fprintf(stderr, "filedb_open: %s\n", detail.text);
	REQUIRE(err == OK);
	return db;
}

static inline struct filedb_batch *fixture_batch(struct filedb *db, bool keep_zeros)
{
	struct filedb_batch *batch;
	struct err_detail detail;
	enum err err = filedb_batch_begin(db, keep_zeros, &batch, &detail);
	if (err != OK)
		fprintf(stderr, "filedb_batch_begin: %s\n", detail.text);
	REQUIRE(err == OK);
	return batch;
}

static inline void fixture_commit(struct filedb_batch *batch)
{
	struct err_detail detail;
	enum err err = filedb_batch_commit(&batch, &detail);
	if (err != OK)
		fprintf(stderr, "filedb_batch_commit: %s\n", detail.text);
	REQUIRE(err == OK && !batch);
}

/* Slot n: its account, name and value follow from the number; 256 an account. */
static inline enum err fixture_batch_slot(struct filedb_batch *batch, uint64_t n)
{
	struct eth_address address = fixture_address(n / 256);
	struct eth_bytes32 slot = fixture_word(n), value = fixture_word(~n);
	return filedb_batch_slot(batch, &address, 0, &slot, &value);
}

/* FAILED: a wrong value, or an error. */
static inline enum lookup fixture_filedb_slot(struct filedb_reader *reader, uint64_t n)
{
	struct eth_address address = fixture_address(n / 256);
	struct eth_bytes32 slot = fixture_word(n), value = fixture_word(~n), got;
	enum err err;
	enum lookup found = filedb_get_slot(reader, &address, 0, &slot, &got, &err, NULL);
	return found != HIT || eth_bytes32_equal(&value, &got) ? found : FAILED;
}
