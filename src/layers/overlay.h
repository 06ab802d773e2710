/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Local writes with a journal: snapshots are marks in it, reverting undoes the entries since.
 *
 * A handle's own, private overlay; one thread. The journal is a run of typed undo entries
 * (what an account holds, balance, nonce, code, slot) of 8 to 48 bytes: only what was there
 * before is kept. A mark is a place in it: taking one costs nothing, reverting costs one step a
 * change, whatever the size of the state. While nobody holds a mark nothing is journaled.
 *
 * As in the chain: destroying an account removes its fields and wipes its storage, whatever
 * is known of it; an account made again afterwards starts with empty storage. An EIP-7702
 * delegation is a change of an account's code like any other. An account that writes leave
 * empty (EIP-161) is removed by whoever computes the root, not here.
 */
#include "layers/changes.h"

struct overlay;

enum err overlay_new(struct overlay **out) WARN_UNUSED;
void overlay_free(struct overlay **overlay);
/* Forgets all changes and the journal; marks are void. */
void overlay_clear(struct overlay *overlay);
bool overlay_is_empty(const struct overlay *overlay); /* nothing written, net of undoing */

/* Borrowed; read only. */
struct changes *overlay_changes(struct overlay *overlay);
size_t overlay_journal_bytes(const struct overlay *overlay);

/* All that write: ERR_NOMEM: nothing has changed. What is written and what is undone is marked
 * dirty; a value that was there already is neither journaled nor marked. */

/* fields->mask says what is written (no storage root; ACCOUNT_EXISTENCE: there from now on, as
 * is what gets a field that is not empty). code: of fields->code_hash, borrowed (a reference is
 * taken); NULL when it has not changed, or is empty. */
enum err overlay_set_account(struct overlay *overlay, const struct eth_address *address,
			     const struct account_fields *fields,
			     struct blob *code) WARN_UNUSED;
enum err overlay_set_slot(struct overlay *overlay, const struct eth_address *address,
			  const struct eth_bytes32 *slot,
			  const struct eth_bytes32 *value) WARN_UNUSED;
/* Self-destruct: no fields, no storage. This and overlay_wipe: ERR_LIMIT after 2^32 - 1 times
 * for one account. */
enum err overlay_destroy(struct overlay *overlay,
			 const struct eth_address *address) WARN_UNUSED;
/* All slots are zero from now on; the fields stay. */
enum err overlay_wipe(struct overlay *overlay, const struct eth_address *address) WARN_UNUSED;

/* From now on changes are journaled, until overlay_stop. ERR_NOMEM: for the first mark only. */
typedef size_t overlay_mark;
enum err overlay_take_mark(struct overlay *overlay, overlay_mark *mark) WARN_UNUSED;
/* Undoes everything since; the mark, and those taken before, stay good. Cannot fail. */
void overlay_revert(struct overlay *overlay, overlay_mark mark);
/* Nobody holds a mark any more: the journal is forgotten, changes stay. */
void overlay_stop(struct overlay *overlay);
/* How many undo entries there are since the mark. */
size_t overlay_since(const struct overlay *overlay, overlay_mark mark);
