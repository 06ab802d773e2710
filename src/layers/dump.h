/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The change dump: what a layer of writes has changed, as JSON, and the way back.
 *
 *   {"storage":[{"address","slot","originalValue","newValue"}],
 *    "balances":[{"address","balance"}],"nonces":[{"address","nonce"}],
 *    "codes":[{"address","code"}],"selfDestructs":["0x..."]}
 *
 * Exactly this shape, no white space; quantities (slots too) are 0x without leading zeros,
 * addresses and code 0x data in lower case; every list is sorted by address, then by slot (as
 * numbers). A slot that was written back to its original value is left out.
 *
 * selfDestructs names the accounts that were destroyed (there below or not: it says that
 * nothing of what is below counts). What they hold since stands in the other lists: always a
 * balance if the account is there again; a nonce and code if there are any; every slot that is
 * not zero. An account whose storage alone was wiped looks the same, for which all of its
 * fields have to be among the changes; but with nothing below it is as if nothing was wiped.
 */
#include "layers/changes.h"

/* Gives away a piece of the text; anything but OK ends the dump. */
typedef enum err dump_write_fn(void *cookie, const void *bytes, size_t n);
/* The value below the changes. Cannot miss: the caller has fetched what is needed. NULL in its
 * place: there is nothing below, all was zero. */
typedef enum err dump_original_fn(void *cookie, const struct eth_address *address,
				  const struct eth_bytes32 *slot, struct eth_bytes32 *value);

/* ERR_UNSUPPORTED: the storage of an account was wiped and not all of its fields are known;
 * ERR_NOT_FOUND: a destroyed account has a code hash again whose code is not among the changes.
 * Both before anything is written. */
enum err dump_changes(const struct changes *changes, dump_original_fn *original,
		      void *original_cookie, dump_write_fn *write, void *cookie,
		      struct err_detail *detail) WARN_UNUSED;

/* What a dump says to do; nothing is written unless the whole text is right. Self-destructs
 * come first, then balances, nonces, codes (each with ACCOUNT_EXISTENCE), storage; lists may be
 * in any order. ERR_INVALID: where (list, index, member, offset in bytes), and what is wrong
 * (unknown members, a missing list, a value of the wrong form, a key that stands twice). An
 * error of the target's ends the load where it is. */
struct dump_target {
	enum err (*destroy)(void *cookie, const struct eth_address *address);
	enum err (*set_account)(void *cookie, const struct eth_address *address,
				const struct account_fields *fields, struct blob *code);
	enum err (*set_slot)(void *cookie, const struct eth_address *address,
			     const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
};
enum err dump_load(struct span text, const struct dump_target *target, void *cookie,
		   struct err_detail *detail) WARN_UNUSED;
