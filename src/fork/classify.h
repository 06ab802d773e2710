/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a JSON-RPC error object means. Codes are not reliable (Infura's -32005 is both "slow
 * down" and "too many results"; -32000 is everything), so phrases of the message are looked
 * at first. For state every error is a fault of the upstream's; for a call it may be the
 * answer, and the doubtful ones are repeated a little before they are believed.
 */
#include "base/span.h"
#include "fork/failure.h"

enum verdict classify_error(int64_t code, struct span message, bool is_state);
/* The error is about the size of a batch. */
bool classify_batch_too_big(int64_t code, struct span message);
/* Words for a person, of ours. */
const char *classify_name(enum verdict verdict);
