/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of keep.h share: keep.c (the tag, and reading of answers), keep_check.c (is
 * it about what was asked?), keep_store.c (what of it is kept); keep_run.c and keep_logs.c do
 * the same for executions and for ranges.
 */
#include "base/member.h"
#include "base/json.h"
#include "rpc/keep.h"

/* Reads what keep_tag wrote; false when there is no tag. */
bool keep_tag_open(struct span tag, struct keep *keep, struct span *key);

/* What eth_getProof and eth_getAccount have in common; root_name: of the storage root. */
bool keep_account_parse(struct span json, const char *root_name, struct account_fields *out);

/* KEEP_CALL, KEEP_GAS, KEEP_RUN: DATA, a QUANTITY, an object or a list. */
enum err keep_check_run(const struct keep *keep, struct span json,
			struct err_detail *detail) WARN_UNUSED;
/* Executions: kept unless a limit of the node's shows in the result. */
void keep_store_run(struct stack *stack, const struct keep *keep, struct span key,
		    const struct fork_answer *answer);
/* An error object: kept of executions that revert. */
void keep_store_error(struct stack *stack, const struct keep *keep, struct span key,
		      const struct fork_answer *answer);

/* KEEP_LOGS, KEEP_TRACES: a list in order of the chain, of the range or block that was asked
 * for; logs also by the addresses and topics of the filter, which is read from the key. */
enum err keep_check_logs(const struct keep *keep, struct span key, struct span json,
			 struct err_detail *detail) WARN_UNUSED;
