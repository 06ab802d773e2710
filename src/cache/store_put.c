/* SPDX-License-Identifier: MIT */
/* The puts: any thread, into the queue. */
#include "cache/store_impl.h"
#include "base/keccak.h"
#include "base/log.h"

static void enqueue(struct store *store, struct put *put)
{
	bool taken = put && pending_add(&store->pending, put);
	count(taken ? &store->puts : &store->dropped, 1);
}

void store_put_header(struct store *store, const struct block_header *header)
{
	struct put_id id = put_id_digest(PUT_HEADER, &header->hash);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.header = *header;
	enqueue(store, put);
}

void store_put_binding(struct store *store, uint64_t number, const struct eth_bytes32 *hash)
{
	struct put_id id = put_id_number(PUT_BINDING, number);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.word = *hash;
	enqueue(store, put);
}

void store_put_finalized(struct store *store, uint64_t number)
{
	struct put_id id = put_id_number(PUT_FINALIZED, 0);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.number = number;
	enqueue(store, put);
}

void store_put_account(struct store *store, const struct eth_bytes32 *block,
		       const struct eth_address *address, const struct account_fields *fields)
{
	struct put_id id = put_id_account(block, address);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.account = *fields;
	enqueue(store, put);
}

void store_put_slot(struct store *store, const struct eth_bytes32 *block,
		    const struct eth_address *address, const struct eth_bytes32 *slot,
		    const struct eth_bytes32 *value)
{
	struct put_id id = put_id_slot(block, address, slot);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.word = *value;
	enqueue(store, put);
}

void store_put_rooted_account(struct store *store, const struct eth_bytes32 *state_root,
			      const struct eth_address *address,
			      const struct account_fields *fields)
{
	struct put_id id = put_id_rooted_account(state_root, address);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.account = *fields;
	enqueue(store, put);
}

void store_put_rooted_slot(struct store *store, const struct eth_bytes32 *storage_root,
			   const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct put_id id = put_id_rooted_slot(storage_root, slot);
	struct put *put = put_new(&id, (struct span){0});
	if (put)
		put->what.word = *value;
	enqueue(store, put);
}

static void put_blob(struct store *store, const struct put_id *id, struct span tail,
		     struct blob *blob)
{
	struct put *put = put_new(id, tail);
	if (put) {
		put->what.blob = blob_get(blob);
		put->bytes += blob->len;
	}
	enqueue(store, put);
}

void store_put_code(struct store *store, const struct eth_bytes32 *code_hash, struct blob *code)
{
	struct put_id id = put_id_digest(PUT_CODE, code_hash);
	put_blob(store, &id, (struct span){0}, code);
}

void store_put_reply(struct store *store, struct span request, struct blob *reply)
{
	struct eth_bytes32 digest;
	keccak256(request.ptr, request.len, &digest);
	struct put_id id = put_id_digest(PUT_REPLY, &digest);
	put_blob(store, &id, request, reply);
}

void store_put_remove(struct store *store, enum table table, struct span key)
{
	struct put_id id = put_id_number(PUT_REMOVE, table);
	struct put *put = put_new(&id, key);
	if (put)
		put->what.table = table;
	/* not a put of anybody's: neither counted nor missed */
	if (put && !pending_add(&store->pending, put))
		log_debug("a damaged record stays for now");
}
