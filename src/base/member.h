/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What JSON-RPC's objects hold under a name, in the forms of Ethereum's execution APIs. False:
 * the object has no such member, is none, or the member has another form; *out is not to be
 * read then. Objects are validated JSON (json.h).
 */
#include "base/eth.h"

/* A string without escapes; borrowed from the object. */
bool member_text(struct span object, const char *name, struct span *out);
/* 32 bytes of DATA. */
bool member_hash(struct span object, const char *name, struct eth_bytes32 *out);
/* A QUANTITY of at most 64 bits. */
bool member_u64(struct span object, const char *name, uint64_t *out);
