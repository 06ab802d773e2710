/* SPDX-License-Identifier: MIT */
#include "base/grind.h"
#include "base/keccak_wide.h"
#include "base/thread.h"

enum { CHUNK = 64 * KECCAK_WIDE }; /* keys between two looks at what others have found */

/* Keys are a counter in their first eight bytes, little-endian, and zeros. Chunks of them are
 * handed out in order; whoever finds a key stops, and so does everybody whose next chunk is
 * behind it: the smallest counter is found, whoever is faster. */
struct grind {
	uint64_t mask, wanted; /* of the first lane of the hash */
	size_t key_bytes;
	const atomic_bool *cancel;
	atomic_uint_fast64_t next;  /* counter at which the next chunk begins */
	atomic_uint_fast64_t found; /* smallest counter so far */
};

static void state_fill(const struct grind *grind, uint64_t counter, struct keccak_wide *state)
{
	const size_t pad = grind->key_bytes / 8;
	const uint64_t one = UINT64_C(1) << 8 * (grind->key_bytes % 8);

	memset(state, 0, sizeof *state);
	for (unsigned m = 0; m < KECCAK_WIDE; m++) {
		state->lane[0][m] = counter + m;
		state->lane[pad][m] = one; /* Keccak's padding: see keccak.c */
		state->lane[KECCAK_RATE - 1][m] = UINT64_C(1) << 63;
	}
}

static bool chunk_search(const struct grind *grind, uint64_t counter, uint64_t *found)
{
	struct keccak_wide state;

	for (const uint64_t end = counter + CHUNK; counter != end; counter += KECCAK_WIDE) {
		state_fill(grind, counter, &state);
		keccak_wide_permute(&state);
		for (unsigned m = 0; m < KECCAK_WIDE; m++) {
			*found = counter + m;
			if ((state.lane[0][m] & grind->mask) == grind->wanted)
				return true;
		}
	}
	return false;
}

static void *search(void *cookie)
{
	struct grind *grind = cookie;
	uint64_t mine;

	for (;;) {
		const uint64_t counter = atomic_fetch_add(&grind->next, CHUNK);
		uint64_t best = atomic_load(&grind->found);
		if (counter > best || (grind->cancel && atomic_load(grind->cancel)))
			return NULL;
		if (!chunk_search(grind, counter, &mine))
			continue;
		while (mine < best && !atomic_compare_exchange_weak(&grind->found, &best, mine))
			;
		return NULL;
	}
}

static void search_all(struct grind *grind, unsigned threads)
{
	pthread_t thread[GRIND_THREADS];
	unsigned started = 0;

	while (started + 1 < threads && started < GRIND_THREADS &&
	       thread_start(&thread[started], search, grind) == OK)
		started++;
	search(grind);
	while (started > 0)
		pthread_join(thread[--started], NULL);
}

enum err grind_key(const unsigned char *nibbles, unsigned n, size_t key_bytes, unsigned threads,
		   const atomic_bool *cancel, unsigned char *key)
{
	struct grind grind = {.key_bytes = key_bytes, .cancel = cancel};
	unsigned char mask[8] = {0}, wanted[8] = {0};

	if (n > GRIND_NIBBLES)
		return ERR_LIMIT;
	REQUIRE(key_bytes >= 8 && key_bytes <= 32);
	for (unsigned i = 0; i < n; i++) {
		const unsigned shift = i % 2 == 0 ? 4 : 0;
		mask[i / 2] = (unsigned char)(mask[i / 2] | 0x0f << shift);
		wanted[i / 2] = (unsigned char)(wanted[i / 2] | nibbles[i] << shift);
	}
	memcpy(&grind.mask, mask, sizeof grind.mask);
	memcpy(&grind.wanted, wanted, sizeof grind.wanted);
	atomic_init(&grind.next, 0);
	atomic_init(&grind.found, UINT64_MAX);
	search_all(&grind, threads);
	const uint64_t found = atomic_load(&grind.found);
	if (found == UINT64_MAX)
		return ERR_CANCELLED;
	memset(key, 0, key_bytes);
	memcpy(key, &found, sizeof found); /* as state_fill has it, little-endian */
	return OK;
}
