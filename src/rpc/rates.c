/* SPDX-License-Identifier: MIT */
#include "rpc/rates.h"
#include "base/check.h"
#include "cache/keyhash.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum { LOCKS = 16 };

#define NS_PER_US     UINT64_C(1000)
#define NS_PER_SECOND UINT64_C(1000000000)
/* Before the halves of IPv6 addresses: a multicast prefix, which no client has. */
#define IPV4_MARK (UINT64_C(0xffffffff) << 32)

struct bucket {
	uint64_t client;  /* 0: nobody's */
	uint64_t full_ns; /* when it is full again */
};

struct rates {
	uint64_t call_ns;  /* in which a bucket gains one call */
	uint64_t burst_ns; /* in which an empty one is filled */
	uint64_t seed;
	pthread_mutex_t locks[LOCKS];
	struct bucket rows[RATES_ROWS][RATES_WAYS];
};

enum err rates_new(uint32_t per_second, uint32_t burst, struct rates **out)
{
	struct rates *rates = calloc(1, sizeof *rates);

	REQUIRE(per_second >= 1 && per_second <= RATES_PER_SECOND_MAX);
	REQUIRE(burst >= 1 && burst <= RATES_BURST_MAX);
	*out = rates;
	if (!rates)
		return ERR_NOMEM;
	if (getrandom(&rates->seed, sizeof rates->seed, 0) != sizeof rates->seed) {
		free(rates);
		*out = NULL;
		return ERR_IO;
	}
	rates->call_ns = NS_PER_SECOND / per_second;
	rates->burst_ns = rates->call_ns * burst;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&rates->locks[i], NULL);
	return OK;
}

void rates_free(struct rates **rates)
{
	struct rates *r = *rates;

	*rates = NULL;
	if (!r)
		return;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&r->locks[i]);
	free(r);
}

static uint64_t big_endian(const unsigned char *bytes, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint64_t rates_client(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		return IPV4_MARK | ntohl(v4->sin_addr.s_addr);
	}
	if (address->ss_family == AF_INET6) {
		const struct in6_addr *v6 =
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(v6))
			return IPV4_MARK | big_endian(v6->s6_addr + 12, 4);
		/* ::1 and its like are of prefix 0, which means nobody here. */
		const uint64_t prefix = big_endian(v6->s6_addr, 8);
		return prefix != 0 ? prefix : 1;
	}
	return 0;
}

/* The client's bucket; else one that is full or nobody's; else the fullest. */
static struct bucket *find(struct bucket row[RATES_WAYS], uint64_t client)
{
	struct bucket *best = &row[0];

	for (size_t i = 0; i < RATES_WAYS; i++) {
		if (row[i].client == client)
			return &row[i];
		if (row[i].full_ns < best->full_ns)
			best = &row[i];
	}
	best->client = client;
	return best;
}

static size_t row_of(const struct rates *rates, uint64_t client)
{
	const struct span key = {(const char *)&client, sizeof client};

	return keyhash_bytes(key, rates->seed) % RATES_ROWS;
}

uint32_t rates_take(struct rates *rates, uint64_t client, uint64_t now_us)
{
	const uint64_t now_ns = now_us * NS_PER_US;
	uint64_t wait_ns = 0;

	if (client == 0)
		return 0;
	const size_t row = row_of(rates, client);
	pthread_mutex_lock(&rates->locks[row % LOCKS]);
	struct bucket *bucket = find(rates->rows[row], client);
	const uint64_t from_ns = bucket->full_ns > now_ns ? bucket->full_ns : now_ns;
	const uint64_t full_ns = from_ns + rates->call_ns;
	if (full_ns - now_ns <= rates->burst_ns)
		bucket->full_ns = full_ns;
	else
		wait_ns = full_ns - now_ns - rates->burst_ns;
	pthread_mutex_unlock(&rates->locks[row % LOCKS]);
	const uint64_t seconds = (wait_ns + NS_PER_SECOND - 1) / NS_PER_SECOND;
	return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
}

void rates_charge(struct rates *rates, uint64_t client, uint32_t calls, uint64_t now_us)
{
	const uint64_t now_ns = now_us * NS_PER_US;

	if (client == 0)
		return;
	const size_t row = row_of(rates, client);
	pthread_mutex_lock(&rates->locks[row % LOCKS]);
	struct bucket *bucket = find(rates->rows[row], client);
	if (bucket->full_ns < now_ns)
		bucket->full_ns = now_ns;
	bucket->full_ns += rates->call_ns * calls;
	pthread_mutex_unlock(&rates->locks[row % LOCKS]);
}
