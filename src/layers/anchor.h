/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The block that a fork stands on: found online (fork.h) or, without an upstream, from what an
 * earlier online start has kept on the disk. Used by the server and by the library, which may
 * share a cache folder.
 */
#include "layers/block_header.h"
#include "layers/stack.h"

#define ANCHOR_KIND_BYTES 32 /* fork_client_kind, and its end */

struct anchor {
	uint64_t chain_id;
	struct stack_block block;
	struct block_header header;
	bool is_prague; /* its header has a requestsHash (EIP-7685) */
	bool is_dev;	/* online: the first upstream is a development node */
	uint64_t finalized;
	char client_version[128];	     /* online; else "" */
	char client_kind[ANCHOR_KIND_BYTES]; /* "": unknown */
};

/* From fork_pin or fork_follow; ERR_BAD_ANSWER as block_header_parse. pin stays the caller's.
 */
enum err anchor_from_pin(const struct fork_pin *pin, struct anchor *out,
			 struct err_detail *detail) WARN_UNUSED;
/* Keeps what a later start without an upstream needs. json: the pin's header_json; store may be
 * NULL. Not for what an untrusted development node says. */
void anchor_keep(const struct anchor *anchor, struct stack *stack, struct store *store,
		 struct span json);

/* Which chain a folder is about: wanted, or, when that is 0, the only one in it. ERR_OFFLINE:
 * there is none; ERR_CONFIG: several. */
enum err anchor_chain_on_disk(struct store *store, uint64_t wanted, uint64_t *chain_id,
			      struct err_detail *detail) WARN_UNUSED;
/* From the disk; store_use_chain has been called with chain_id. block: a number or a hash as
 * text, NULL: none was named. ERR_CONFIG: it must be named, by number or hash; ERR_OFFLINE: it
 * is not on the disk; ERR_NOMEM. */
enum err anchor_from_disk(struct store *store, uint64_t chain_id, const char *block,
			  struct anchor *out, struct err_detail *detail) WARN_UNUSED;
