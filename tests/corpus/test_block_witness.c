/* SPDX-License-Identifier: MIT */
/* Real blocks over what a light client would have of the state before them: trie nodes. */
#include "trie_corpus.h"
#include <inttypes.h>

/* ---- mainnet's first transactions: the root after each ---- */

static int transactions;

static bool is_wholly_empty(const json_t *entry)
{
	return small_of(text_at(entry, "nonce")) == 0 &&
	       strcmp(text_at(entry, "balance"), "0x0") == 0 &&
	       strcmp(text_at(entry, "code"), "0x") == 0 &&
	       json_object_size(json_object_get(entry, "storage")) == 0;
}

static void check_storage(const char *name, json_t *storage, const struct eth_bytes32 *want)
{
	struct trie_node *root = NULL;
	struct eth_bytes32 got;
	const char *slot;
	json_t *value;

	json_object_foreach(storage, slot, value)
	{
		assert_ok(slot_put(&root, slot, json_string_value(value), NULL));
	}
	trie_root_hash(root, &got);
	if (!eth_bytes32_equal(&got, want))
		fail_msg("%s: another storage root", name);
	trie_put(&root);
}

static void put_after(struct trie_node **root, const char *name, const json_t *entry,
		      const struct trie_resolver *resolver)
{
	struct trie_account account;
	struct eth_bytes32 key;
	struct span value;

	if (is_wholly_empty(entry) &&
	    trie_lookup(*root, address_key(text_at(entry, "address"), &key), resolver, &value,
			NULL) == TRIE_ABSENT)
		return;
	account.nonce = small_of(text_at(entry, "nonce"));
	account.balance = number_of(text_at(entry, "balance"));
	account.storage_root = word_of(text_at(entry, "storageRoot"));
	account.code_hash = word_of(text_at(entry, "codeHash"));
	check_storage(name, json_object_get(entry, "storage"), &account.storage_root);
	assert_ok(account_put(root, text_at(entry, "address"), &account, resolver));
}

static void run_sparse(const char *name)
{
	json_t *file = corpus_json(name), *txs = json_object_get(file, "txs");
	struct trie_nodes *nodes = nodes_of(json_object_get(file, "nodes"));
	const struct trie_resolver resolver = trie_nodes_resolver(nodes);
	struct trie_node *root = NULL;

	for (size_t i = 0; i < json_array_size(txs); i++, transactions++) {
		const json_t *tx = json_array_get(txs, i),
			     *after = json_object_get(tx, "after");
		const struct eth_bytes32 before = word_of(text_at(tx, "beforeRoot"));
		if (i == 0)
			assert_ok(trie_from_root(&before, &root));
		assert_trie(name, root, text_at(tx, "beforeRoot"));
		for (size_t k = 0; k < json_array_size(after); k++)
			put_after(&root, name, json_array_get(after, k), &resolver);
		assert_trie(name, root, text_at(tx, "afterRoot"));
	}
	trie_put(&root);
	trie_nodes_free(&nodes);
	json_decref(file);
}

static void early_sparse(void **state)
{
	(void)state;
	const int files = corpus_each("mainnet-early-sparse", ".json", run_sparse);
	print_message("%d blocks, %d transactions\n", files, transactions);
	assert_true(transactions >= 9);
}

/* ---- a block from its witness ---- */

enum { TOUCHED_MAX = 1024, USED_MAX = 65536 };

struct touched {
	const char *address;
	struct trie_account account; /* after the block, but for the storage root */
	json_t *slots;		     /* after the block, those that were written */
	bool is_wiped;		     /* the storage before it is gone */
};

struct block {
	struct trie_nodes *nodes;
	struct eth_bytes32 before, after;
	struct touched touched[TOUCHED_MAX];
	size_t n;
	/* What was asked for, and what is hidden. */
	struct eth_bytes32 used[USED_MAX], hidden;
	size_t n_used;
	/* Of the last failure; how many of those that were tried were siblings. */
	struct trie_prefix told;
	size_t n_siblings;
	/* Writes that change something, and the one that is left out. */
	size_t n_writes, left_out;
};

static bool block_resolve(void *cookie, const struct eth_bytes32 *hash, struct span *rlp)
{
	struct block *block = cookie;

	if (eth_bytes32_equal(hash, &block->hidden))
		return false;
	if (block->n_used < USED_MAX)
		block->used[block->n_used++] = *hash;
	return trie_nodes_find(block->nodes, hash, rlp);
}

static struct trie_account account_before(struct block *block, const char *address)
{
	const struct trie_resolver resolver = trie_nodes_resolver(block->nodes);
	struct trie_account account = trie_account_empty;
	struct trie_node *root;
	struct eth_bytes32 key;
	struct span value;

	assert_ok(trie_from_root(&block->before, &root));
	const enum trie_found found =
		trie_lookup(root, address_key(address, &key), &resolver, &value, NULL);
	assert_true(found == TRIE_FOUND || found == TRIE_ABSENT);
	if (found == TRIE_FOUND)
		assert_ok(trie_account_decode(value, &account));
	trie_put(&root);
	return account;
}

static struct touched *touch(struct block *block, const char *address)
{
	for (size_t i = 0; i < block->n; i++)
		if (strcasecmp(block->touched[i].address, address) == 0)
			return &block->touched[i];
	assert_true(block->n < TOUCHED_MAX);
	struct touched *touched = &block->touched[block->n++];
	*touched = (struct touched){
		.address = address,
		.account = account_before(block, address),
		.slots = json_object(),
	};
	return touched;
}

static void write_slots(struct touched *touched, json_t *written)
{
	const char *slot;
	json_t *value;

	json_object_foreach(written, slot, value)
	{
		json_object_set(touched->slots, slot, value);
	}
}

static void write_trace(struct touched *touched, const json_t *trace)
{
	const char *balance = json_string_value(json_object_get(trace, "balance"));
	const char *nonce = json_string_value(json_object_get(trace, "nonce"));
	const char *code = json_string_value(
		json_object_get(json_object_get(trace, "code_usage"), "write"));
	struct arena arena;

	arena_init(&arena, 1 << 20);
	if (balance)
		touched->account.balance = number_of(balance);
	if (nonce)
		touched->account.nonce = small_of(nonce);
	if (code) {
		const struct span bytes = hex_bytes(&arena, code);
		keccak256(bytes.ptr, bytes.len, &touched->account.code_hash);
	}
	write_slots(touched, json_object_get(trace, "storage_written"));
	if (json_is_true(json_object_get(trace, "self_destructed"))) {
		touched->account = trie_account_empty;
		touched->is_wiped = true;
		json_object_clear(touched->slots);
	}
	arena_release(&arena);
}

static void add_gwei(struct eth_u256 *balance, uint64_t gwei)
{
	char text[64];
	unsigned carry = 0;

	snprintf(text, sizeof text, "%" PRIu64 "000000000", gwei);
	const struct eth_u256 wei = number_of(text);
	for (size_t i = sizeof wei.bytes; i-- > 0; carry >>= 8) {
		carry += balance->bytes[i] + wei.bytes[i];
		balance->bytes[i] = (unsigned char)carry;
	}
}

/* preBlock, transactions, withdrawals. The texts stay with writes. */
static void block_fold(struct block *block, const json_t *writes)
{
	const json_t *txs = json_object_get(writes, "txs"),
		     *withdrawals = json_object_get(writes, "withdrawals");
	json_t *trace;
	const char *address;

	json_object_foreach(json_object_get(writes, "preBlock"), address, trace)
	{
		write_slots(touch(block, address), trace);
	}
	for (size_t i = 0; i < json_array_size(txs); i++) {
		json_object_foreach(json_array_get(txs, i), address, trace)
		{
			write_trace(touch(block, address), trace);
		}
	}
	for (size_t i = 0; i < json_array_size(withdrawals); i++) {
		const json_t *pair = json_array_get(withdrawals, i);
		struct touched *to = touch(block, json_string_value(json_array_get(pair, 0)));
		add_gwei(&to->account.balance,
			 small_of(json_string_value(json_array_get(pair, 1))));
	}
}

/* What is deleted goes last, as in other clients: a branch that gets another child meanwhile
 * does not collapse, and nobody has its sibling. */
static enum err put_slots(struct block *block, const struct touched *touched, bool deleting,
			  struct trie_node **root)
{
	const struct trie_resolver resolver = {block_resolve, block};
	static const struct eth_bytes32 zero;
	unsigned char word[TRIE_WORD_BYTES];
	struct eth_bytes32 key, before = zero;
	struct span leaf = {NULL, 0};
	const char *slot;
	json_t *text;

	json_object_foreach(touched->slots, slot, text)
	{
		const struct eth_bytes32 after = word_of(json_string_value(text));
		if (eth_bytes32_equal(&after, &zero) != deleting)
			continue;
		const enum trie_found found =
			trie_lookup(*root, slot_key(slot, &key), &resolver, &leaf, NULL);
		if (found == TRIE_UNRESOLVED)
			return ERR_NOT_FOUND;
		assert_ok(trie_word_decode(found == TRIE_FOUND ? leaf : SPAN(""), &before));
		if (eth_bytes32_equal(&before, &after) || block->n_writes++ == block->left_out)
			continue;
		const enum err err =
			trie_set(root, (struct span){(const char *)key.bytes, 32},
				 trie_word_encode(&after, word), &resolver, &block->told);
		if (err != OK)
			return err;
	}
	return OK;
}

static enum err storage_after(struct block *block, const struct touched *touched,
			      struct eth_bytes32 *hash)
{
	struct trie_node *root = NULL;
	enum err err = OK;

	if (!touched->is_wiped)
		err = trie_from_root(&touched->account.storage_root, &root);
	if (err == OK)
		err = put_slots(block, touched, false, &root);
	if (err == OK)
		err = put_slots(block, touched, true, &root);
	if (err == OK)
		trie_root_hash(root, hash);
	trie_put(&root);
	return err;
}

static bool is_empty(const struct trie_account *account) /* EIP-161 */
{
	struct trie_account empty = trie_account_empty;

	empty.storage_root = account->storage_root;
	return memcmp(&empty, account, sizeof empty) == 0;
}

static enum err put_touched(struct block *block, const struct touched *touched, bool deleting,
			    struct trie_node **root)
{
	const struct trie_resolver resolver = {block_resolve, block};
	struct trie_account account = touched->account;
	struct span leaf = {NULL, 0}, before = {NULL, 0};
	unsigned char bytes[TRIE_ACCOUNT_BYTES];
	struct eth_bytes32 key;

	if (is_empty(&account) != deleting)
		return OK;
	const enum err err = storage_after(block, touched, &account.storage_root);
	if (err != OK)
		return err;
	if (!deleting)
		leaf = trie_account_encode(&account, bytes);
	const struct span hashed = address_key(touched->address, &key);
	if (trie_lookup(*root, hashed, &resolver, &before, NULL) == TRIE_UNRESOLVED)
		return ERR_NOT_FOUND;
	if (span_equal(leaf, before) || block->n_writes++ == block->left_out)
		return OK;
	return trie_set(root, hashed, leaf, &resolver, &block->told);
}

/* The whole block over its nodes. */
static enum err block_apply(struct block *block, struct eth_bytes32 *after)
{
	struct trie_node *root;
	enum err err = trie_from_root(&block->before, &root);

	block->n_used = block->n_writes = 0;
	for (int deleting = 0; deleting < 2; deleting++)
		for (size_t i = 0; i < block->n && err == OK; i++)
			err = put_touched(block, &block->touched[i], deleting, &root);
	if (err == OK)
		trie_root_hash(root, after);
	trie_put(&root);
	return err;
}

static int hash_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct eth_bytes32));
}

/* Each of the nodes that were needed is left out once: the block cannot be done. Returns how
 * many they are. */
static size_t leave_nodes_out(struct block *block)
{
	const size_t asked = block->n_used;
	struct eth_bytes32 *used = calloc(asked, sizeof *used), after;
	size_t needed = 0;

	assert_non_null(used);
	memcpy(used, block->used, asked * sizeof *used);
	qsort(used, asked, sizeof *used, hash_order);
	for (size_t i = 0; i < asked; i++) {
		if (i > 0 && eth_bytes32_equal(&used[i], &used[i - 1]))
			continue;
		needed++;
		block->hidden = used[i];
		block->told.is_sibling = false;
		assert_int_equal(block_apply(block, &after), ERR_NOT_FOUND);
		block->n_siblings += block->told.is_sibling;
	}
	block->hidden = eth_empty_trie_root;
	free(used);
	return needed;
}

/* Each write is left out once: another root. */
static size_t leave_writes_out(struct block *block)
{
	struct eth_bytes32 after;
	const size_t n = block->n_writes;

	for (size_t i = 0; i < n; i++) {
		block->left_out = i;
		assert_ok(block_apply(block, &after));
		assert_false(eth_bytes32_equal(&after, &block->after));
	}
	block->left_out = SIZE_MAX;
	return n;
}

static void assert_applies(struct block *block)
{
	struct eth_bytes32 after;

	assert_ok(block_apply(block, &after));
	assert_memory_equal(after.bytes, block->after.bytes, sizeof after.bytes);
}

static json_t *part_of(const char *folder, const char *part)
{
	char path[256];

	snprintf(path, sizeof path, "mainnet-block-witness/%s/%s", folder, part);
	return corpus_json(path);
}

/* collapses: branches of which a deletion leaves one child, that has to be known. */
static void run_witness(const char *folder, size_t collapses)
{
	json_t *witness = part_of(folder, "witness.json");
	json_t *writes = part_of(folder, "writes.json"),
	       *header = part_of(folder, "block.json");
	struct block *block = calloc(1, sizeof *block);

	assert_non_null(block);
	block->nodes = nodes_of(json_object_get(witness, "nodes"));
	block->before = word_of(text_at(witness, "preStateRoot"));
	block->after = word_of(text_at(header, "stateRoot"));
	block->hidden = eth_empty_trie_root;
	block->left_out = SIZE_MAX;
	block_fold(block, writes);
	assert_applies(block);
	const size_t n_writes = leave_writes_out(block);
	assert_applies(block);
	const size_t n_nodes = leave_nodes_out(block);
	print_message("%s: %zu nodes, %zu needed, %zu as siblings; %zu accounts touched, "
		      "%zu writes\n",
		      folder, trie_nodes_count(block->nodes), n_nodes, block->n_siblings,
		      block->n, n_writes);
	assert_int_equal(block->n_siblings, collapses);
	for (size_t i = 0; i < block->n; i++)
		json_decref(block->touched[i].slots);
	trie_nodes_free(&block->nodes);
	json_decref(witness);
	json_decref(writes);
	json_decref(header);
	free(block);
}

static void mainnet_block(void **state)
{
	(void)state;
	run_witness("mainnet-20472570", 1);
}

static void dev_block(void **state)
{
	(void)state;
	run_witness("dev-978", 0);
}

/* ---- debug_executionWitness ---- */

static struct {
	int blocks, included, excluded, slots, slots_known;
} hive;

/* The state root in a block header's RLP: its fourth item. */
static struct eth_bytes32 header_root(const char *hex)
{
	struct arena arena;
	struct rlp_item item;
	struct eth_bytes32 root;

	arena_init(&arena, 1 << 20);
	struct span input = hex_bytes(&arena, hex);
	assert_ok(rlp_next(&input, &item));
	input = item.payload;
	for (int i = 0; i < 4; i++)
		assert_ok(rlp_next(&input, &item));
	assert_int_equal(item.payload.len, sizeof root.bytes);
	memcpy(root.bytes, item.payload.ptr, sizeof root.bytes);
	arena_release(&arena);
	return root;
}

/* Some account of the witness has the slot, or is known not to. */
static bool slot_is_known(const json_t *keys, struct trie_node *root, const char *slot,
			  const struct trie_resolver *resolver)
{
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const char *address = json_string_value(json_array_get(keys, i));
		struct trie_account account;
		struct trie_node *storage;
		struct eth_bytes32 key;
		struct span value;
		if (strlen(address) != 42 || trie_lookup(root, address_key(address, &key),
							 resolver, &value, NULL) != TRIE_FOUND)
			continue;
		assert_ok(trie_account_decode(value, &account));
		assert_ok(trie_from_root(&account.storage_root, &storage));
		const enum trie_found found =
			storage ? trie_lookup(storage, slot_key(slot, &key), resolver, &value,
					      NULL)
				: TRIE_UNRESOLVED;
		trie_put(&storage);
		if (found == TRIE_FOUND || found == TRIE_ABSENT)
			return true;
	}
	return false;
}

static void count_key(const json_t *keys, struct trie_node *root, const char *key,
		      const struct trie_resolver *resolver)
{
	struct eth_bytes32 digest;
	struct span value;

	if (strlen(key) != 42) {
		hive.slots++;
		hive.slots_known += slot_is_known(keys, root, key, resolver);
		return;
	}
	const enum trie_found found =
		trie_lookup(root, address_key(key, &digest), resolver, &value, NULL);
	assert_true(found == TRIE_FOUND || found == TRIE_ABSENT);
	hive.included += found == TRIE_FOUND;
	hive.excluded += found == TRIE_ABSENT;
}

static void run_hive(const char *name)
{
	json_t *file = corpus_json(name);
	const json_t *result =
		json_object_get(json_object_get(json_array_get(file, 0), "response"), "result");
	const json_t *keys = json_object_get(result, "keys");
	struct trie_nodes *nodes = nodes_of(json_object_get(result, "state"));
	const struct trie_resolver resolver = trie_nodes_resolver(nodes);
	const json_t *parent = json_array_get(json_object_get(result, "headers"), 0);
	const struct eth_bytes32 hash = json_is_object(parent)
						? word_of(text_at(parent, "stateRoot"))
						: header_root(json_string_value(parent));
	struct trie_node *root;

	assert_ok(trie_from_root(&hash, &root));
	for (size_t i = 0; i < json_array_size(keys); i++)
		count_key(keys, root, json_string_value(json_array_get(keys, i)), &resolver);
	hive.blocks++;
	trie_put(&root);
	trie_nodes_free(&nodes);
	json_decref(file);
}

static void execution_witnesses(void **state)
{
	(void)state;
	corpus_each("hive-execution-witness", ".json", run_hive);
	print_message("%d blocks: %d addresses included, %d excluded; %d of %d slots known\n",
		      hive.blocks, hive.included, hive.excluded, hive.slots_known, hive.slots);
	assert_true(hive.included >= 100 && hive.excluded >= 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(early_sparse),
		cmocka_unit_test(mainnet_block),
		cmocka_unit_test(dev_block),
		cmocka_unit_test(execution_witnesses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
