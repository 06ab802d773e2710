/* SPDX-License-Identifier: MIT */
#pragma once
#include "mock_node/answer.h"
#include <jansson.h>

/* Answers with a recorded block, whose transactions are objects or hashes, in the form that
 * was asked for. False: it was recorded with hashes only and objects are wanted (nothing has
 * been answered). */
bool full_block_answer(json_t *block, bool full, struct answer *answer);
