/* SPDX-License-Identifier: MIT */
#pragma once
/* The block that a user names with --fork-block: one grammar for whoever reads it. */
#include "base/err.h"
#include "base/eth.h"
#include <stdint.h>

enum block_spec_kind {
	BLOCK_SPEC_TAG,	   /* latest, safe, finalized: only an upstream knows which that is */
	BLOCK_SPEC_NUMBER, /* decimal, or 0x and hex digits */
	BLOCK_SPEC_HASH,   /* 0x and 64 hex digits */
};

struct block_spec {
	enum block_spec_kind kind;
	uint64_t number;	 /* BLOCK_SPEC_NUMBER; below UINT64_MAX */
	struct eth_bytes32 hash; /* BLOCK_SPEC_HASH */
};

/* ERR_INVALID: it is none of them. */
enum err block_spec_parse(const char *text, struct block_spec *out) WARN_UNUSED;
