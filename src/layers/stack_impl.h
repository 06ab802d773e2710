/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of stack.h share: stack.c, stack_rooted.c (facts by roots), stack_word.c. */
#include "base/buf.h"
#include "layers/in_use.h"
#include "layers/stack.h"

struct stack {
	struct memcache *memory;
	struct store *store;
	struct in_use in_use;
	stack_keep_fn *keep;
	void *cookie;
	bool bypass;
	atomic_ullong disk_hits, misses; /* relaxed; hits in memory are the cache's to count */
};

struct stack_view {
	struct stack *stack;
	struct memcache_reader *memory;
	struct store_reader *disk; /* NULL without a store */
	struct fork_port *port;	   /* NULL: offline */
	struct loop *loop;
	struct loop_hook turn_end;
	struct buf key; /* scratch for blob keys */
};

static inline void stack_count(atomic_ullong *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}
