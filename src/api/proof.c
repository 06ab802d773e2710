/* SPDX-License-Identifier: MIT */
#include "api/root.h"
#include "api/values.h"
#include "base/buf.h"
#include "base/proof.h"

struct proof_row {
	size_t at, len;
};

struct fc_proof {
	size_t account_n, n; /* the account's come first */
	struct proof_row *rows;
	size_t capacity;
	struct buf text; /* the nodes, one after another */
};

/* A node has less; a proof of a hostile remote may not: it was checked, and is bounded by the
 * depth of a trie. */
enum { ROWS_FIRST = 16, PROOF_BYTES_MAX = 1 << 20 };

void fc_proof_put(struct fc_proof **proof)
{
	struct fc_proof *p = proof ? *proof : NULL;
	if (!p)
		return;
	*proof = NULL;
	buf_release(&p->text);
	free(p->rows);
	free(p);
}

static bool make_room(struct fc_proof *proof)
{
	if (proof->n < proof->capacity)
		return true;
	const size_t wider = proof->capacity ? proof->capacity * 2 : ROWS_FIRST;
	struct proof_row *rows = realloc(proof->rows, wider * sizeof *rows);
	if (!rows)
		return false;
	proof->rows = rows;
	proof->capacity = wider;
	return true;
}

static enum err add_node(void *cookie, struct span rlp)
{
	struct fc_proof *proof = cookie;
	if (!make_room(proof))
		return ERR_NOMEM;
	proof->rows[proof->n++] = (struct proof_row){.at = proof->text.len, .len = rlp.len};
	buf_span(&proof->text, rlp);
	return buf_err(&proof->text);
}

enum err proof_new(struct root_job *job, size_t ask, struct fc_proof **out)
{
	struct fc_proof *proof = calloc(1, sizeof *proof);
	if (!proof)
		return ERR_NOMEM;
	buf_init(&proof->text, PROOF_BYTES_MAX);
	const enum err err = root_job_prove(job, ask, add_node, proof, &proof->account_n);
	if (err != OK)
		fc_proof_put(&proof);
	*out = proof;
	return err;
}

size_t fc_proof_account_nodes(const struct fc_proof *proof)
{
	return proof ? proof->account_n : 0;
}

size_t fc_proof_storage_nodes(const struct fc_proof *proof)
{
	return proof ? proof->n - proof->account_n : 0;
}

const uint8_t *fc_proof_node(const struct fc_proof *proof, size_t i, size_t *len)
{
	if (len)
		*len = 0;
	if (!proof || i >= proof->n)
		return NULL;
	if (len)
		*len = proof->rows[i].len;
	return (const uint8_t *)proof->text.ptr + proof->rows[i].at;
}

/* ---- checking one from anywhere ---- */

static bool are_there(const uint8_t *const *nodes, const size_t *lens, size_t n)
{
	bool there = n == 0 || (nodes && lens);
	for (size_t i = 0; there && i < n; i++)
		there = nodes[i] || lens[i] == 0;
	return there;
}

static struct span *spans_of(const uint8_t *const *nodes, const size_t *lens, size_t n)
{
	struct span *spans = calloc(n ? n : 1, sizeof *spans);
	for (size_t i = 0; spans && i < n; i++)
		spans[i] = (struct span){nodes[i] ? (const char *)nodes[i] : "", lens[i]};
	return spans;
}

static enum fc_err told(enum err err, const struct err_detail *detail, struct fc_error *why)
{
	/* A proof that does not fit is not the remote's fault here: nobody was asked. */
	const enum fc_err err_out = err == ERR_BAD_ANSWER || err == ERR_CORRUPT
					    ? FC_ERR_CORRUPTED
					    : fc_err_from(err);
	if (why) {
		why->err = err_out;
		(void)snprintf(why->detail, sizeof why->detail, "%s",
			       err == OK || detail->text[0] ? detail->text
							    : fc_strerror(err_out));
	}
	return err_out;
}

enum fc_err fc_proof_verify(const struct fc_bytes32 *state_root,
			    const struct fc_address *address,
			    const uint8_t *const *account_nodes, const size_t *account_lens,
			    size_t account_n, const struct fc_account *account,
			    const struct fc_bytes32 *slot, const struct fc_bytes32 *value,
			    const uint8_t *const *storage_nodes, const size_t *storage_lens,
			    size_t storage_n, struct fc_error *why)
{
	struct err_detail detail = {.text[0] = '\0'};
	if (!state_root || !address || !account || (slot && !value) ||
	    !are_there(account_nodes, account_lens, account_n) ||
	    !are_there(storage_nodes, storage_lens, storage_n))
		return told(err_set(&detail, ERR_INVALID, "a pointer is NULL"), &detail, why);
	struct span *of_account = spans_of(account_nodes, account_lens, account_n);
	struct span *of_slot = spans_of(storage_nodes, storage_lens, storage_n);
	struct trie_account claimed = {.nonce = account->nonce}, proved;
	struct eth_bytes32 slot_value;
	enum err err = of_account && of_slot ? OK : ERR_NOMEM;
	memcpy(&claimed.balance, &account->balance, sizeof claimed.balance);
	memcpy(&claimed.code_hash, &account->code_hash, sizeof claimed.code_hash);
	memcpy(&claimed.storage_root, &account->storage_root, sizeof claimed.storage_root);
	if (err == OK)
		err = proof_account_verify(in_bytes32(state_root), in_address(address),
					   (struct proof_list){of_account, account_n}, &claimed,
					   &proved, NULL, &detail);
	if (err == OK && slot)
		err = proof_slot_verify(&proved.storage_root, in_bytes32(slot),
					(struct proof_list){of_slot, storage_n},
					in_bytes32(value), &slot_value, &detail);
	free(of_account);
	free(of_slot);
	return told(err, &detail, why);
}
