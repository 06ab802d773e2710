/* SPDX-License-Identifier: MIT */
#include "base/grind.h"
#include "base/keccak.h"
#include "layers/root_impl.h"
#include "layers/shared.h"

#define GRIND_WITH_THREADS 2

static bool begins_with(const struct eth_bytes32 *hash, const struct trie_prefix *prefix)
{
	for (unsigned i = 0; i < prefix->n; i++) {
		const unsigned char byte = hash->bytes[i / 2];
		if ((i % 2 == 0 ? byte >> 4 : byte & 15) != prefix->nibbles[i])
			return false;
	}
	return true;
}

/* A key below the prefix whose proof has not been fetched, among these accounts or slots. */
static bool find_in(struct work *work, const struct changes *changes,
		    const struct eth_address *owner, const struct trie_prefix *prefix,
		    struct eth_address *address, struct eth_bytes32 *slot)
{
	const struct touched *fetched = &work->job->fetched;
	struct eth_bytes32 hash;

	if (owner != NULL) {
		const struct change_account *a = changes_find_account(changes, owner);
		const struct change_slot *s = a != NULL ? a->slots : NULL;
		for (; s != NULL; s = s->next) {
			keccak256(s->slot.bytes, 32, &hash);
			*slot = s->slot;
			if (begins_with(&hash, prefix) && !touched_has(fetched, owner, slot))
				return true;
		}
		return false;
	}
	for (const struct change_account *a = changes_next(changes, NULL); a != NULL;
	     a = changes_next(changes, a)) {
		keccak256(a->address.bytes, 20, &hash);
		*address = a->address;
		if (begins_with(&hash, prefix) && !touched_has(fetched, address, NULL))
			return true;
	}
	return false;
}

/* Among what has been written, by the handle or published. */
static bool find_known(struct work *work, const struct eth_address *owner,
		       const struct trie_prefix *prefix, struct eth_address *address,
		       struct eth_bytes32 *slot)
{
	struct state *state = work->job->view->state;
	struct layer_view *writable = state_writable_view(state);
	bool found = find_in(work, overlay_changes(state_overlay(state)), owner, prefix,
			     address, slot);

	if (found || writable == NULL)
		return found;
	found = find_in(work, shared_enter(writable), owner, prefix, address, slot);
	shared_leave(writable);
	return found;
}

static enum err unsupported(struct work *work, const struct eth_address *owner,
			    const struct trie_prefix *prefix)
{
	static const char digits[] = "0123456789abcdef";
	char nibbles[TRIE_NIBBLES + 1], hex[40];

	for (unsigned i = 0; i < prefix->n; i++)
		nibbles[i] = digits[prefix->nibbles[i] & 15];
	nibbles[prefix->n] = '\0';
	if (owner != NULL)
		eth_hex(owner->bytes, 20, hex);
	work->fault->err = ERR_UNSUPPORTED;
	return err_set(
		&work->fault->detail, ERR_UNSUPPORTED,
		"state root: a deletion needs the trie node at prefix 0x%s of %s%.*s, "
		"which the remote cannot show: no key of at most %d nibbles leads there, "
		"and it has no debug_executionWitness",
		nibbles, owner != NULL ? "the storage of 0x" : "the accounts",
		owner != NULL ? 40 : 0, hex, GRIND_NIBBLES);
}

enum err root_sibling(struct work *work, const struct eth_address *owner,
		      const struct trie_prefix *prefix)
{
	struct root_job *job = work->job;
	struct eth_address address;
	struct eth_bytes32 slot;
	unsigned char *key = owner == NULL ? address.bytes : slot.bytes;
	bool found = find_known(work, owner, prefix, &address, &slot);

	if (!found && prefix->n <= GRIND_NIBBLES) {
		enum err err = grind_key(prefix->nibbles, prefix->n, owner == NULL ? 20 : 32,
					 GRIND_WITH_THREADS, NULL, key);
		found = err == OK && !touched_has(&job->fetched, owner ? owner : &address,
						  owner ? &slot : NULL);
	}
	if (found)
		return root_lack(work, owner ? owner : &address, owner ? &slot : NULL);
	if (job->no_witness || job->witness_asked)
		return unsupported(work, owner, prefix);
	job->wants_witness = true;
	return OK;
}
