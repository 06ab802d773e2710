/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How many calls each client may make: a token bucket for every address.
 *
 * A bucket holds `burst` calls and gains `per_second` of them in a second; a call takes one.
 * A request is let in while there is a whole call in the bucket, and pays for what it turns
 * out to hold (a batch: its items) afterwards, if need be on credit: so a batch is never too
 * large for a bucket, and its client waits the longer for the next one.
 *
 * A client is an IPv4 address or the first half of an IPv6 address, of which one host usually
 * owns the second. The table has a fixed size whatever addresses come: ROWS rows of WAYS
 * buckets, a row chosen by a keyed hash. A full bucket says nothing, and may be anybody's. A
 * client that finds only others' buckets in its row takes over the fullest one as it is: who
 * comes from ever new addresses gets no more than the table's buckets hold, and costs a
 * neighbour a part of its burst at most.
 *
 * Instead of a level a bucket has the time at which it will be full again (the generic cell
 * rate algorithm), so that waiting costs nothing and a bucket is 16 bytes.
 *
 * Any thread; protected by a few locks, each over a part of the rows.
 */
#include "base/err.h"
#include <stdint.h>
#include <sys/socket.h>

struct rates;

enum {
	RATES_ROWS = 1024,
	RATES_WAYS = 8, /* a row is two cache lines; 128 KiB in all */
	RATES_PER_SECOND_MAX = 1000000,
	RATES_BURST_MAX = 1000000,
};

/* per_second and burst: from 1 to their maximum. ERR_NOMEM, ERR_IO (no random bytes). */
enum err rates_new(uint32_t per_second, uint32_t burst, struct rates **out) WARN_UNUSED;
void rates_free(struct rates **rates); /* accepts NULL */

/* The client of an address (port and interface left out); 0: none that is counted (a local
 * socket). */
uint64_t rates_client(const struct sockaddr_storage *address);

/* Takes one call. 0: it may be made; else nothing was taken, and it may be made in so many
 * seconds, if nobody of that client comes first. now_us: monotonic; those of several threads
 * may differ a little. client 0: always 0. */
uint32_t rates_take(struct rates *rates, uint64_t client, uint64_t now_us) WARN_UNUSED;
/* Takes so many more, on credit if need be. */
void rates_charge(struct rates *rates, uint64_t client, uint32_t calls, uint64_t now_us);
