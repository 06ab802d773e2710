/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Folders and facts for tests of the disk cache. A fact's value follows from its number, so
 * whoever reads one can tell whether it is right.
 */
#include "cache/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIXTURE_CHAIN 1

/* A new empty folder; its name is written to path. */
static inline void fixture_folder(char path[256])
{
	const char *base = getenv("TMPDIR");
	snprintf(path, 256, "%s/forkcache-test-XXXXXX", base ? base : P_tmpdir);
	REQUIRE(mkdtemp(path));
}

static inline void fixture_remove(const char *path)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "use", "owner"};
	char file[512];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(file, sizeof file, "%s/%s", path, names[i]);
		unlink(file);
	}
	REQUIRE(rmdir(path) == 0);
}

static inline struct store *fixture_open(const char *path, uint64_t capacity_bytes)
{
	struct store *store;
	struct err_detail detail;
	struct store_config config = {.folder = path, .capacity_bytes = capacity_bytes};
	enum err err = store_open(&config, &store, &detail);
	if (err != OK)
		fprintf(stderr, "store_open: %s\n", detail.text);
	REQUIRE(err == OK);
	store_use_chain(store, FIXTURE_CHAIN);
	return store;
}

/* splitmix64: a bijection, so different numbers give different facts. */
static inline uint64_t fixture_mix(uint64_t n)
{
	n += UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ^ (n >> 31);
}

static inline struct eth_bytes32 fixture_word(uint64_t n)
{
	struct eth_bytes32 word;
	for (unsigned i = 0; i < 4; i++)
		be64_put(word.bytes + (size_t)i * 8, fixture_mix(4 * n + i));
	return word;
}

static inline struct eth_address fixture_address(uint64_t n)
{
	struct eth_address address;
	struct eth_bytes32 word = fixture_word(n ^ (UINT64_C(1) << 60));
	memcpy(address.bytes, word.bytes, sizeof address.bytes);
	return address;
}

static inline struct block_header fixture_header(uint64_t n)
{
	return (struct block_header){
		.number = n,
		.timestamp = 12 * n,
		.gas_limit = 30000000,
		.gas_used = fixture_mix(n) % 30000000,
		.has = HEADER_BASE_FEE,
		.hash = fixture_word(n ^ (UINT64_C(2) << 60)),
		.parent_hash = fixture_word((n - 1) ^ (UINT64_C(2) << 60)),
		.state_root = fixture_word(n ^ (UINT64_C(3) << 60)),
		.base_fee = eth_u256_from_u64(fixture_mix(n)),
	};
}

/* Slot n of block b: 256 slots an account, full-length values. */
static inline void fixture_put_slot(struct store *store, uint64_t b, uint64_t n)
{
	struct eth_bytes32 block = fixture_header(b).hash, slot = fixture_word(n),
			   value = fixture_word(~n);
	struct eth_address address = fixture_address(n / 256);
	store_put_slot(store, &block, &address, &slot, &value);
}

/* FAILED: a wrong value. */
static inline enum lookup fixture_get_slot(struct store_reader *reader, uint64_t b, uint64_t n)
{
	struct eth_bytes32 block = fixture_header(b).hash, slot = fixture_word(n),
			   value = fixture_word(~n), got;
	struct eth_address address = fixture_address(n / 256);
	if (store_get_slot(reader, &block, &address, &slot, &got) != HIT)
		return MISS;
	return eth_bytes32_equal(&value, &got) ? HIT : FAILED;
}
