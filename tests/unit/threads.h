/* SPDX-License-Identifier: MIT */
#pragma once
/* What threads of a test expect: of another thread nothing may fail a test, so it is counted,
 * and the thread that began them fails with what was wrong last (expected_all). */
#include "unit.h"
#include "forkcache.h"
#include <pthread.h>
#include <stdatomic.h>

static atomic_uint wrong;
static _Atomic(const char *) what_was_wrong;

static inline void expect_at(bool right, const char *what)
{
	if (right)
		return;
	atomic_store(&what_was_wrong, what);
	atomic_fetch_add(&wrong, 1);
}
#define TEXT_OF(x)	#x
#define PLACE(x, line)	"line " TEXT_OF(line) ": " #x
#define EXPECT_ON(x, l) expect_at((x), PLACE(x, l))
#define expect(x)	EXPECT_ON(x, __LINE__)

static inline void expected_all(void)
{
	if (atomic_load(&wrong))
		fail_msg("%u times something was wrong, last: %s", atomic_load(&wrong),
			 atomic_load(&what_was_wrong));
}

/* A number below n; rng is the thread's own. */
static inline unsigned draw(uint64_t *rng, unsigned n)
{
	*rng = *rng * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)((*rng >> 33) % n);
}

static inline struct fc_bytes32 word_of(uint64_t n)
{
	struct fc_bytes32 word = {{0}};
	for (int i = 0; i < 8; i++)
		word.bytes[31 - i] = (uint8_t)(n >> 8 * i);
	return word;
}
