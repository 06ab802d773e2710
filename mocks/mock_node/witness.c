/* SPDX-License-Identifier: MIT */
#include "mock_node/params.h"
#include "mock_node/trie_fork_impl.h"
#include "base/keccak.h"

#define PATH_BYTES	 1024
#define PARENT_TIME_BACK 12 /* a slot of the beacon chain */

static json_t *load_json(const char *folder, const char *name, struct err_detail *detail)
{
	char path[PATH_BYTES];
	json_error_t error;
	int n = snprintf(path, sizeof path, "%s/%s", folder, name);
	json_t *json = (size_t)n < sizeof path ? json_load_file(path, 0, &error) : NULL;

	if (!json)
		err_set(detail, ERR_IO, "%s/%s: %s", folder, name,
			(size_t)n < sizeof path ? error.text : "the path is too long");
	return json;
}

static enum err add_all(struct trie_fork *fork, struct nodes *nodes, const json_t *list,
			const char *name, struct err_detail *detail)
{
	size_t i;
	const json_t *text;

	json_array_foreach(list, i, text)
	{
		struct eth_bytes32 hash;
		struct span bytes = trie_fork_bytes(fork, text);
		if (!bytes.ptr)
			return err_set(detail, ERR_INVALID, "the witness's %s: number %zu",
				       name, i);
		if (nodes_add(nodes, bytes, &hash) != OK)
			return err_set(detail, ERR_NOMEM, "out of memory");
	}
	return OK;
}

static enum err read_witness(struct trie_fork *fork, const json_t *witness,
			     struct err_detail *detail)
{
	struct span root = json_text(json_object_get(witness, "preStateRoot"));
	const json_t *nodes = json_object_get(witness, "nodes");
	const json_t *codes = json_object_get(witness, "codes");

	if (eth_data_parse(root, fork->state_root.bytes, 32) != OK || !json_is_array(nodes))
		return err_set(detail, ERR_INVALID, "no witness: preStateRoot and nodes");
	enum err err = add_all(fork, &fork->nodes, nodes, "nodes", detail);
	if (err == OK)
		err = add_all(fork, &fork->codes, codes, "codes", detail);
	return err;
}

static void set_data(json_t *block, const char *name, const void *bytes, size_t n)
{
	struct buf text;

	buf_init(&text, 2 + 2 * 256 + 1);
	buf_hex(&text, bytes, n);
	json_object_set_new(block, name, json_stringn(text.ptr, text.len));
	buf_release(&text);
}

static void set_number(json_t *block, const char *name, uint64_t value)
{
	char text[18];
	size_t n = eth_quantity_format_u64(value, text);

	json_object_set_new(block, name, json_stringn(text, n));
}

/* What is not known of the parent is as in the block, or as in an empty one. */
static json_t *parent_of(const struct trie_fork *fork, json_t *block, uint64_t timestamp)
{
	static const unsigned char no_bloom[256];
	json_t *parent = json_copy(block);
	struct span hash = json_text(json_object_get(block, "parentHash"));
	struct eth_bytes32 before;

	keccak256(hash.ptr, hash.len, &before);
	set_number(parent, "number", fork->base.number);
	set_number(parent, "timestamp", timestamp - PARENT_TIME_BACK);
	set_number(parent, "gasUsed", 0);
	json_object_set(parent, "hash", json_object_get(block, "parentHash"));
	set_data(parent, "parentHash", before.bytes, 32);
	set_data(parent, "stateRoot", fork->state_root.bytes, 32);
	set_data(parent, "transactionsRoot", eth_empty_trie_root.bytes, 32);
	set_data(parent, "receiptsRoot", eth_empty_trie_root.bytes, 32);
	set_data(parent, "logsBloom", no_bloom, sizeof no_bloom);
	json_object_set_new(parent, "transactions", json_array());
	if (json_object_get(block, "withdrawals")) {
		json_object_set_new(parent, "withdrawals", json_array());
		set_data(parent, "withdrawalsRoot", eth_empty_trie_root.bytes, 32);
	}
	return parent;
}

static enum err read_block(struct trie_fork *fork, json_t *block, struct err_detail *detail)
{
	uint64_t number, timestamp;

	if (eth_quantity_u64(json_text(json_object_get(block, "number")), &number) != OK ||
	    eth_quantity_u64(json_text(json_object_get(block, "timestamp")), &timestamp) !=
		    OK ||
	    number == 0)
		return err_set(detail, ERR_INVALID, "block.json: no block above genesis");
	fork->base.chain_id = 1; /* a block does not say which chain it is of */
	fork->base.number = number - 1;
	return fork_set_block(&fork->base, parent_of(fork, block, timestamp), detail);
}

enum err trie_fork_load_witness(const char *folder, struct fork **out,
				struct err_detail *detail)
{
	struct trie_fork *fork = trie_fork_new();

	if (!fork)
		return err_set(detail, ERR_NOMEM, "out of memory");
	*out = &fork->base;
	json_t *witness = load_json(folder, "witness.json", detail);
	json_t *block = witness ? load_json(folder, "block.json", detail) : NULL;
	enum err err = block ? read_witness(fork, witness, detail) : ERR_IO;
	if (err == OK)
		err = read_block(fork, block, detail);
	json_decref(witness);
	json_decref(block);
	if (err != OK)
		fork_free(out);
	return err;
}
