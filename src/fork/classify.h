/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a JSON-RPC error object means. Codes are not reliable (Infura's -32005 is both "slow
 * down" and "too many results"; -32000 is everything), so phrases of the message are looked
 * at first. For state every error is a fault of the upstream's. Chain data does not fail
 * either, but there are limits and methods that a node lacks: what is not clear is repeated
 * a little before it is believed. What is computed may fail like that: the error is the
 * answer, unless another upstream has a better one.
 */
#include "base/span.h"
#include "fork/failure.h"

/* JSON-RPC 2.0, section 5.1 */
#define CLASSIFY_METHOD_NOT_FOUND INT64_C(-32601)

enum subject { SUBJECT_STATE, SUBJECT_CHAIN, SUBJECT_COMPUTED };

enum verdict classify_error(int64_t code, struct span message, enum subject subject);
/* The error says that the method is not there. */
bool classify_no_method(int64_t code, struct span message);
/* The error is about the size of a batch. */
bool classify_batch_too_big(int64_t code, struct span message);
/* Words for a person, of ours. */
const char *classify_name(enum verdict verdict);
