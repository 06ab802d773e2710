/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A database of the library and one handle of it, as a caller has them (forkcache.h). The names
 * of slots and their values follow from a number, as in mocks/store_fixture.h: 256 to an
 * account. What fails ends the program with the handle's detail.
 */
#include "measure.h"
#include "api/api_impl.h"

#define HANDLE_PER_ACCOUNT 256

struct handle {
	struct fc_db *db;
	struct fc_state *state;
};

struct slot_name {
	struct fc_address address;
	struct fc_bytes32 slot;
};

struct slot_name slot_name(uint64_t n);
/* Some or all of the names of 0 .. entries - 1, at random; free with free(). */
struct slot_name *slot_names(struct random *random, uint32_t entries, uint32_t n);

/* What fc_open takes, in three parts; folder may be "". */
void handle_open(struct handle *handle, const char *before, const char *folder,
		 const char *behind);
void handle_close(struct handle *handle);
void handle_must(const struct handle *handle, enum fc_err err);

/* The value that belongs to a name of this number. */
void handle_write(const struct handle *handle, uint64_t n);
/* All of them, in batches of so many; in random order, if there is one. */
void handle_fill(const struct handle *handle, uint32_t entries, uint32_t batch,
		 struct random *random);
/* Nanoseconds a read, in the order of the names, again and again. */
double handle_time_reads(const struct handle *handle, const struct slot_name *names,
			 uint64_t names_n, uint64_t reads);

/* What the topmost layer that takes writes holds in memory: read only, while nobody writes. */
const struct changes *handle_published(const struct handle *handle);
/* The same through the layer below the interface, without its gate and checks. */
double handle_time_changes(const struct changes *changes, const struct slot_name *names,
			   uint64_t names_n, uint64_t reads);
