/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * RLP, the serialisation of Yellow Paper appendix B: strings and lists.
 *
 * Encoding appends to a struct buf. A list is opened, its items appended, then closed:
 * closing moves the payload to make room for its header. Decoding walks a span without
 * allocating and refuses what is not canonical (a leading zero in a length, a long form
 * where the short one fits, a single byte below 0x80 in string form).
 */
#include "base/buf.h"
#include "base/eth.h"

void rlp_string(struct buf *out, const void *bytes, size_t n);
void rlp_u64(struct buf *out, uint64_t value);		      /* trimmed, zero is "" */
void rlp_u256(struct buf *out, const struct eth_u256 *value); /* the same */
/* Returns a mark to close the list with. Lists nest. */
size_t rlp_list_open(struct buf *out);
void rlp_list_close(struct buf *out, size_t mark);

struct rlp_item {
	bool is_list;
	struct span payload; /* borrowed from the input */
};
/* Takes the first item off *input. ERR_INVALID when it is not canonical RLP. */
enum err rlp_next(struct span *input, struct rlp_item *item) WARN_UNUSED;
