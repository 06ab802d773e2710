/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The capability ladder: from questions to the richest request that an upstream takes.
 *
 *   slots, two or more of one block   eth_getStorageValues, up to 1,024 slots an item
 *   two or more fields of an account  eth_getAccountInfo
 *   all calls that result, together   a JSON-RPC batch, up to the limit that was learned
 *   else                              one item a request
 *
 * A composite method that an upstream has not yet been seen to know travels alone, so that
 * a refusal of the whole request says what it is about. Nothing is probed for its own sake.
 *
 * A state question about a block that is not final names it by hash (EIP-1898). Where an
 * upstream refuses that, the questions of one block go by number between two reads of the
 * block (guards) in one batch, and are believed only if both show the hash. Of an upstream that
 * takes no batch the block is read after the answer has come (post.c).
 */
#include "fork/flights.h"
#include "fork/post.h"

/* geth's and anvil's bound (execution-apis, eth_getStorageValues). */
#define LADDER_SLOTS_MAX 1024

/* Takes from the front of the queue what leaves together and returns it as a request with
 * its body written, or NULL with the queue empty of what could not be asked (such flights
 * were failed) or with *err set to ERR_NOMEM and the queue as it was. */
struct post *ladder_take(struct upstream *upstream, struct flight_queue *queue, bool alone,
			 struct buf *body, enum err *err);
