/* SPDX-License-Identifier: MIT */
#pragma once
/* How answers are read, for keep.c and for who takes them apart or puts them together. */
#include "base/json.h"
#include "rpc/keep.h"

/* The member of that name, as 32 bytes of DATA or as a QUANTITY; false: it is none. */
bool keep_hash_member(struct span object, const char *name, struct eth_bytes32 *out);
bool keep_u64_member(struct span object, const char *name, uint64_t *out);
