/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The record of use: when each record of the disk cache was last used, coarsely.
 *
 * A file "use" beside the data file, mapped by every process:
 *
 *    0        8         12      16      32         40                4096
 *   +--------+---------+-------+-------+----------+------------------+--------------------+
 *   | magic  | version | bits  | uuid  | written  | zeros            | 2^bits tick bytes  |
 *   +--------+---------+-------+-------+----------+------------------+--------------------+
 *
 * A record's byte is the one that its key hash names; two records may share one, and then
 * the colder lives as long as the warmer. A tick is not a time but an amount of writing:
 * one 64th of the bound. What is cold is what has not been read while so much else came in;
 * a cache that is only read does not age. Ticks run from 1 to 255 and wrap after four times
 * the bound has been written, long after an unused record has gone; 0 says that no record
 * is known there. One byte for 128 bytes of the bound, at most 64 MiB.
 *
 * A hit writes its byte only when it changes, relaxed. Losing the file costs hits and
 * nothing else, so it is never synced. Its blocks are allocated when it is made: a full
 * disk must not turn a touch into a SIGBUS. Where that fails memory takes its place.
 * Any thread, any process.
 */
#include "base/err.h"
#include <stdatomic.h>
#include <stdint.h>

struct use_head;
struct use {
	struct use_head *head;
	atomic_uchar *ticks;
	uint64_t mask, quantum;
	size_t bytes;
};

#define USE_UUID_BYTES 16

/* Follows an existing file of this store unless it is four times too large or too small.
 * The caller holds the folder's lock. ERR_NOMEM. */
enum err use_open(struct use *use, const char *folder, const unsigned char *uuid,
		  uint64_t capacity_bytes) WARN_UNUSED;
void use_close(struct use *use);

void use_prefetch(const struct use *use, uint64_t key_hash);
void use_touch(struct use *use, uint64_t key_hash);
void use_forget(struct use *use, uint64_t key_hash);
/* Ticks since the last use, 0 to 254; USE_UNKNOWN when there is no record of any. */
#define USE_UNKNOWN 255
unsigned use_age(const struct use *use, uint64_t key_hash);
/* So much has been written: time passes. */
void use_advance(struct use *use, uint64_t bytes);
/* The age that the oldest percent of what is in use have reached (an estimate from up to
 * 2^20 buckets: about 1 ms). */
unsigned use_threshold(const struct use *use, unsigned percent);
