/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Canonical forms: one text for all spellings of what a call executes or a filter selects.
 *
 * The text is both the key's and what an upstream is sent, so it means what the client wrote:
 *
 *   - members in order of their names; one that is null is left out;
 *   - addresses as 20 bytes in lower case, quantities without leading zeros, bytes in lower
 *     case, storage keys and words as 32 bytes;
 *   - what nodes take for left out is left out: a value of zero, no call data, a flag of
 *     eth_simulateV1 that is false, no address, no topics;
 *   - "input" is written "data", which all nodes have always read; both is an error when they
 *     differ (as go-ethereum says) and one when they are equal.
 *
 * Gas and prices are never merged with their defaults, which differ from node to node, and
 * neither are `state` and `stateDiff`, nor an empty access list with none. Members that are
 * not known here are kept. A known member in a spelling that some node may read is kept as it
 * stands, under a key of its own; ERR_INVALID is for what no node reads (letters that are no
 * digits, too many bytes, a list for a number), and for a name that stands twice or that only
 * some nodes would take for a known one ("From").
 *
 * A form of a form is itself.
 */
#include "base/buf.h"
#include "rpc/method.h"

struct form;

/* The form of a parameter's kind; NULL: it has none. */
const struct form *form_of(enum param_kind kind);
/* An eth_getLogs filter, and a trace_filter one, both without their blocks. */
extern const struct form form_logs, form_traces;

/* Appends the form of a validated JSON value. ERR_INVALID with *why, for behind "invalid
 * argument N: "; ERR_LIMIT, ERR_NOMEM. */
enum err form_put(const struct form *form, struct span value, struct buf *out,
		  struct err_detail *why) WARN_UNUSED;
