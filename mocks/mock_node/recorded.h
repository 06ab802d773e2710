/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Recorded request/answer pairs, found by method and the meaning of the parameters
 * (meaning.h).
 *
 * Two forms are read: a JSON object whose keys are the JSON texts of [method, ...params] and
 * whose values are results; and `.io` files of ethereum/execution-apis, in which a line
 * ">> request" is followed by "<< response".
 *
 * Several spellings of the newest recorded block find the same answer: tags, an absent
 * block parameter, its number, its hash, the EIP-1898 forms. A block that was recorded with
 * full transactions also answers for the same block without. What was not recorded is
 * answered with an error that says so.
 */
#include "mock_node/answer.h"
#include <jansson.h>

struct recorded;

/* A file or a directory (searched with its sub-directories); `which` (NULL: all) keeps to
 * files whose name starts with it. ERR_IO, ERR_INVALID (nothing found), ERR_NOMEM. */
enum err recorded_load(const char *path, const char *which, struct recorded **out,
		       struct err_detail *detail) WARN_UNUSED;
void recorded_free(struct recorded **recorded);

uint64_t recorded_chain_id(const struct recorded *recorded);
uint64_t recorded_head(const struct recorded *recorded);

/* True: answered, with the recorded result or error. False: there is none. */
bool recorded_answer(const struct recorded *recorded, struct span method, const json_t *params,
		     struct answer *answer);
