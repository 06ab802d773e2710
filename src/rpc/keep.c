/* SPDX-License-Identifier: MIT */
#include "rpc/keep.h"
#include "base/json.h"
#include "base/keccak.h"
#include "base/rlp.h"
#include "rpc/explode.h"
#include "rpc/keep_impl.h"
#include "rpc/params.h"

_Static_assert(sizeof(struct keep) == 4 + 4 + 8 + 8 + 8 + 32 + 20 + 4,
	       "struct keep has padding");

struct span keep_tag(struct arena *arena, const struct keep *keep, struct span key)
{
	char *tag = arena_alloc(arena, sizeof *keep + key.len);

	if (tag == NULL)
		return (struct span){0};
	memcpy(tag, keep, sizeof *keep);
	if (key.len > 0)
		memcpy(tag + sizeof *keep, key.ptr, key.len);
	return (struct span){tag, sizeof *keep + key.len};
}

static bool tag_open(struct span tag, struct keep *keep, struct span *key)
{
	if (tag.len < sizeof *keep)
		return false;
	memcpy(keep, tag.ptr, sizeof *keep);
	*key = (struct span){tag.ptr + sizeof *keep, tag.len - sizeof *keep};
	return true;
}

bool keep_hash_member(struct span object, const char *name, struct eth_bytes32 *out)
{
	struct span value, text;

	return json_member(object, name, &value) && json_string_plain(value, &text) &&
	       eth_data_parse(text, out->bytes, 32) == OK;
}

bool keep_u64_member(struct span object, const char *name, uint64_t *out)
{
	struct span value, text;

	return json_member(object, name, &value) && json_string_plain(value, &text) &&
	       eth_quantity_u64(text, out) == OK;
}

bool tx_block_hash(struct span json, struct eth_bytes32 *hash)
{
	return keep_hash_member(json, "blockHash", hash);
}

bool tx_block_number(struct span json, uint64_t *number)
{
	return keep_u64_member(json, "blockNumber", number);
}

/* ---- checks ---- */

static enum err check_block(const struct keep *keep, struct span json,
			    struct err_detail *detail)
{
	struct block_header header;
	bool prague;
	enum err err = block_header_parse(json, &header, &prague, detail);

	if (err != OK)
		return err;
	if ((keep->flags & KEEP_HAS_NUMBER) && header.number != keep->number)
		return err_set(
			detail, ERR_BAD_ANSWER, "answered block %llu when asked for block %llu",
			(unsigned long long)header.number, (unsigned long long)keep->number);
	if ((keep->flags & KEEP_HAS_HASH) && !eth_bytes32_equal(&header.hash, &keep->hash))
		return err_set(detail, ERR_BAD_ANSWER,
			       "answered another block %llu than the one known by that hash",
			       (unsigned long long)header.number);
	return OK;
}

static enum err check_names_block(const struct keep *keep, struct span object,
				  struct err_detail *detail)
{
	struct eth_bytes32 hash;

	if (!keep_hash_member(object, "blockHash", &hash))
		return err_set(detail, ERR_BAD_ANSWER, "the answer does not name its block");
	if ((keep->flags & KEEP_HAS_HASH) && !eth_bytes32_equal(&hash, &keep->hash))
		return err_set(detail, ERR_BAD_ANSWER, "the answer is of another block");
	return OK;
}

static enum err check_of_block(const struct keep *keep, struct span json,
			       struct err_detail *detail)
{
	struct json_iter iter;
	struct span element;
	enum err err = OK;

	if (json_type(json) != JSON_ARRAY)
		return check_names_block(keep, json, detail);
	iter = json_iter(json);
	while (err == OK && json_next_element(&iter, &element))
		err = check_names_block(keep, element, detail);
	return err;
}

static enum err check_tx_at(const struct keep *keep, struct span json,
			    struct err_detail *detail)
{
	uint64_t index;

	if (!keep_u64_member(json, "transactionIndex", &index) || index != keep->count)
		return err_set(detail, ERR_BAD_ANSWER,
			       "the answer is not the transaction at that index");
	return check_names_block(keep, json, detail);
}

static uint64_t list_length(struct span list)
{
	struct json_iter iter = json_iter(list);
	struct span element;
	uint64_t n = 0;

	while (json_next_element(&iter, &element))
		n++;
	return n;
}

static enum err check_per_tx(const struct keep *keep, struct span json,
			     struct err_detail *detail)
{
	if (json_type(json) != JSON_ARRAY)
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not a list");
	/* A list that is too short may be a node's habit (system transactions without a
	 * receipt), and is only not kept. An empty one for a block with transactions is the
	 * answer of a node that has not got them yet. */
	if ((keep->flags & KEEP_HAS_COUNT) && keep->count > 0 && list_length(json) == 0)
		return err_set(detail, ERR_BAD_ANSWER,
			       "nothing was answered for a block with %llu transactions",
			       (unsigned long long)keep->count);
	return OK;
}

static enum err check_receipts(const struct keep *keep, struct span json,
			       struct err_detail *detail)
{
	enum err err = check_per_tx(keep, json, detail);

	return err == OK ? check_of_block(keep, json, detail) : err;
}

/* The bytes of a JSON string of DATA; NULL: it is none, or there is no memory. */
static struct blob *data_of(struct span json)
{
	struct span text;
	size_t n;

	if (!json_string_plain(json, &text) || eth_data_length(text, &n) != OK)
		return NULL;
	struct blob *blob = blob_new(n);
	if (blob != NULL && eth_data_parse(text, blob->bytes, n) != OK)
		blob_put(&blob);
	return blob;
}

/* The first item of the RLP list that the bytes are, header included. */
static bool first_item(struct span bytes, struct span *item)
{
	struct rlp_item list, first;

	if (rlp_next(&bytes, &list) != OK || !list.is_list)
		return false;
	struct span rest = list.payload;
	if (rlp_next(&rest, &first) != OK)
		return false;
	*item = (struct span){list.payload.ptr, list.payload.len - rest.len};
	return true;
}

static enum err check_raw(const struct keep *keep, struct span json, struct err_detail *detail)
{
	struct blob *blob = data_of(json);
	struct eth_bytes32 digest;

	if (blob == NULL)
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not data");
	struct span bytes = blob_span(blob);
	bool good = keep->kind != KEEP_RAW_BLOCK || first_item(bytes, &bytes);
	if (good) {
		keccak256(bytes.ptr, bytes.len, &digest);
		good = eth_bytes32_equal(&digest, &keep->hash);
	}
	blob_put(&blob);
	return good ? OK
		    : err_set(detail, ERR_BAD_ANSWER, "the answer's bytes have another hash");
}

static enum err check_fees(const struct keep *keep, struct span json, struct err_detail *detail)
{
	struct span list;
	uint64_t oldest;

	if (!keep_u64_member(json, "oldestBlock", &oldest))
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not a fee history");
	uint64_t n = json_member(json, "gasUsedRatio", &list) ? list_length(list) : 0;
	if (n > 0 && oldest + n - 1 != keep->number)
		return err_set(
			detail, ERR_BAD_ANSWER,
			"the fee history does not end with the block that was asked for");
	return OK;
}

static enum err check_tx(const struct keep *keep, struct span json, struct err_detail *detail)
{
	struct eth_bytes32 hash;
	struct span text;
	bool found;

	/* Who sends one may get its hash alone. */
	if (keep->kind == KEEP_SENT && json_string_plain(json, &text))
		found = eth_data_parse(text, hash.bytes, 32) == OK;
	else
		found = keep_hash_member(json, "transactionHash", &hash) ||
			keep_hash_member(json, "hash", &hash);
	if (!found)
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not a transaction");
	if (!eth_bytes32_equal(&hash, &keep->hash))
		return err_set(detail, ERR_BAD_ANSWER,
			       "the answer is about another transaction");
	return OK;
}

/* What eth_getProof and eth_getAccount have in common. */
static bool account_parse(struct span json, const char *root_name, struct account_fields *out)
{
	struct span value, text;

	if (json_type(json) != JSON_OBJECT || !json_member(json, "balance", &value) ||
	    !json_string_plain(value, &text) ||
	    eth_quantity_lenient(text, &out->balance) != OK ||
	    !json_member(json, "nonce", &value) || !json_string_plain(value, &text) ||
	    eth_quantity_u64(text, &out->nonce) != OK ||
	    !keep_hash_member(json, "codeHash", &out->code_hash) ||
	    !keep_hash_member(json, root_name, &out->storage_root))
		return false;
	/* Of an absent account some nodes answer hashes of zero, others those of nothing: the
	 * former are not known from here. */
	static const struct eth_bytes32 zero;
	out->mask = ACCOUNT_BALANCE | ACCOUNT_NONCE;
	if (!eth_bytes32_equal(&out->storage_root, &zero))
		out->mask |= ACCOUNT_STORAGE_ROOT;
	if (!eth_bytes32_equal(&out->code_hash, &zero))
		out->mask |= ACCOUNT_CODE_HASH;
	return true;
}

/* Whether the proof's slots are those of the canonical request, in its order. */
static bool slots_fit(struct span key, struct span json)
{
	const char *open = memchr(key.ptr, '[', key.len);
	struct span slots, list, asked, entry, value, text;
	struct eth_bytes32 want, got;

	if (open == NULL || !json_member(json, "storageProof", &list) ||
	    json_type(list) != JSON_ARRAY)
		return false;
	struct json_iter params =
		json_iter((struct span){open, key.len - (size_t)(open - key.ptr)});
	if (!json_next_element(&params, &slots) || !json_next_element(&params, &slots))
		return false;
	struct json_iter all = json_iter(slots), iter = json_iter(list);
	while (json_next_element(&all, &asked)) {
		if (!json_next_element(&iter, &entry) || !json_member(entry, "key", &value) ||
		    !json_string_plain(value, &text) || eth_slot_parse(text, &got) != OK ||
		    eth_slot_parse(json_string_raw(asked), &want) != OK ||
		    !eth_bytes32_equal(&got, &want))
			return false;
	}
	return !json_next_element(&iter, &entry);
}

static enum err check_proof(const struct keep *keep, struct span key, struct span json,
			    struct err_detail *detail)
{
	struct account_fields fields;
	struct eth_address address;
	struct span value, text;

	if (!account_parse(json, "storageHash", &fields))
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not an account's proof");
	if (!json_member(json, "address", &value) || !json_string_plain(value, &text) ||
	    eth_address_parse(text, &address) != OK ||
	    memcmp(&address, &keep->address, sizeof address) != 0)
		return err_set(detail, ERR_BAD_ANSWER, "the proof is of another account");
	if (!slots_fit(key, json))
		return err_set(detail, ERR_BAD_ANSWER, "the proof is of other slots");
	return OK;
}

enum err keep_check(const struct fork_question *question, struct span json,
		    struct err_detail *detail)
{
	struct account_fields fields;
	struct keep keep;
	struct span key;

	if (json_type(json) == JSON_NULL || !tag_open(question->tag, &keep, &key))
		return OK; /* null: the question says whether that is an answer */
	switch ((enum keep_kind)keep.kind) {
	case KEEP_BLOCK:
	case KEEP_HEAD:
		return check_block(&keep, json, detail);
	case KEEP_OF_BLOCK:
		return check_of_block(&keep, json, detail);
	case KEEP_TX_AT:
		return check_tx_at(&keep, json, detail);
	case KEEP_PER_TX:
		return check_per_tx(&keep, json, detail);
	case KEEP_RECEIPTS:
		return check_receipts(&keep, json, detail);
	case KEEP_TX:
	case KEEP_SENT:
		return check_tx(&keep, json, detail);
	case KEEP_RAW_TX:
	case KEEP_RAW_HEADER:
	case KEEP_RAW_BLOCK:
		return check_raw(&keep, json, detail);
	case KEEP_FEES:
		return check_fees(&keep, json, detail);
	case KEEP_PROOF:
		return check_proof(&keep, key, json, detail);
	case KEEP_ACCOUNT:
		if (!account_parse(json, "storageRoot", &fields))
			return err_set(detail, ERR_BAD_ANSWER, "the answer is not an account");
		return OK;
	case KEEP_NOTHING:
	case KEEP_PLAIN:
	case KEEP_SLOW:
		return OK;
	}
	return OK;
}

/* ---- keeping ---- */

static void store_block(const struct chain *chain, struct stack *stack, const struct keep *keep,
			struct span key, struct span json)
{
	struct block_header header;
	struct err_detail detail;
	bool prague;

	if (!CHECK(block_header_parse(json, &header, &prague, &detail) == OK))
		return;
	bool final = chain_is_final(chain, header.number);
	stack_keep_header(stack, &header, (keep->flags & KEEP_CANONICAL) != 0, final);
	if (keep->epoch != 0)
		stack_keep_near(stack, keep->epoch, header.number, &header.hash);
	if (final && (keep->flags & KEEP_CANONICAL))
		explode_transactions(chain, stack, &header, json);
	if (keep->flags & KEEP_HAS_HASH) {
		stack_keep_reply(stack, key, header.number, json);
		return;
	}
	struct arena arena;
	arena_init(&arena, 65536);
	char *copy = arena_alloc(&arena, key.len);
	if (copy != NULL && keep->hash_at + 64 <= key.len) {
		memcpy(copy, key.ptr, key.len);
		eth_hex(header.hash.bytes, 32, copy + keep->hash_at);
		stack_keep_reply(stack, (struct span){copy, key.len}, header.number, json);
	}
	arena_release(&arena);
}

/* Kept as what eth_getBlockByHash would answer. */
static void store_head(struct chain *chain, struct stack *stack, const struct keep *keep,
		       struct span json)
{
	struct block_header header;
	struct err_detail detail;
	struct buf key;
	bool prague;

	if (!CHECK(block_header_parse(json, &header, &prague, &detail) == OK))
		return;
	if (keep->count == TAG_FINALIZED) {
		chain_raise_finalized(chain, header.number);
		stack_keep_finalized(stack, header.number);
	}
	stack_keep_header(stack, &header, true, chain_is_final(chain, header.number));
	buf_init(&key, 256);
	block_key(chain, &header.hash, false, &key);
	if (buf_err(&key) == OK)
		stack_keep_reply(stack, buf_as_span(&key), header.number, json);
	buf_release(&key);
}

static void store_tx(const struct chain *chain, struct stack *stack, struct span key,
		     struct span json)
{
	uint64_t number;

	if (json_type(json) != JSON_NULL) {
		/* Above the finalized block a transaction may still move to another: who
		 * follows the chain sees whether it did. */
		if (!tx_block_number(json, &number))
			return;
		if (chain_is_final(chain, number))
			stack_keep_reply(stack, key, number, json);
		else if (chain->heads != NULL)
			stack_keep_reply(stack, key, number | REPLY_UNSETTLED, json);
		return;
	}
	if (!chain->pinned.block.final)
		return;
	struct arena arena;
	arena_init(&arena, 65536);
	struct span absent = absent_key(&arena, key, chain);
	if (absent.ptr != NULL)
		stack_keep_reply(stack, absent, 0, json);
	arena_release(&arena);
}

static void store_account(struct stack *stack, const struct keep *keep, struct span json)
{
	struct account_fields fields;
	const char *root = keep->kind == KEEP_PROOF ? "storageHash" : "storageRoot";

	if (account_parse(json, root, &fields))
		stack_keep_account(stack, &keep->hash, &keep->address, &fields);
}

static void store_proof_slots(struct stack *stack, const struct keep *keep, struct span json)
{
	struct span list, entry, value, text;
	struct eth_bytes32 slot;
	struct eth_u256 number;
	struct json_iter iter;

	if (!json_member(json, "storageProof", &list) || json_type(list) != JSON_ARRAY)
		return;
	iter = json_iter(list);
	while (json_next_element(&iter, &entry)) {
		if (json_type(entry) != JSON_OBJECT || !json_member(entry, "key", &value) ||
		    !json_string_plain(value, &text) || eth_slot_parse(text, &slot) != OK ||
		    !json_member(entry, "value", &value) || !json_string_plain(value, &text) ||
		    eth_quantity_lenient(text, &number) != OK)
			continue;
		struct eth_bytes32 word;
		memcpy(word.bytes, number.bytes, 32);
		stack_keep_slot(stack, &keep->hash, &keep->address, &slot, &word);
	}
}

/* What proves nothing: null, an empty list, no bytes. */
static bool is_nothing(struct span json)
{
	switch (json_type(json)) {
	case JSON_NULL:
		return true;
	case JSON_ARRAY:
		return list_length(json) == 0;
	case JSON_STRING:
		return span_is(json_string_raw(json), "0x");
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
	case JSON_OBJECT:
		break;
	}
	return false;
}

/* One for each transaction, and none that says that it could not be computed. */
static bool is_per_tx(const struct keep *keep, struct span json)
{
	struct json_iter iter = json_iter(json);
	struct span element, error;
	uint64_t n = 0;

	for (; json_next_element(&iter, &element); n++)
		if (json_member(element, "error", &error))
			return false;
	return json_type(json) == JSON_ARRAY && (keep->flags & KEEP_HAS_COUNT) &&
	       n == keep->count;
}

static void store_per_tx(const struct chain *chain, struct stack *stack,
			 const struct keep *keep, struct span key, struct span json)
{
	if (!(keep->flags & KEEP_FIXED) || !is_per_tx(keep, json))
		return;
	stack_keep_reply(stack, key, keep->number, json);
	/* A receipt alone is asked for without its block: final ones only. */
	if (keep->kind == KEEP_RECEIPTS && (keep->flags & KEEP_CANONICAL) &&
	    chain_is_final(chain, keep->number))
		explode_receipts(chain, stack, keep->number, json);
}

static void store_proof(struct stack *stack, const struct keep *keep, struct span key,
			struct span json)
{
	store_account(stack, keep, json);
	if (keep->kind == KEEP_PROOF)
		store_proof_slots(stack, keep, json);
	stack_keep_reply(stack, key, keep->number, json);
}

void keep_store(void *cookie, struct stack *stack, const struct fork_question *question,
		struct span json)
{
	struct chain *chain = cookie;
	struct keep keep;
	struct span key;

	if (!tag_open(question->tag, &keep, &key))
		return;
	bool nothing = is_nothing(json);
	switch ((enum keep_kind)keep.kind) {
	case KEEP_NOTHING:
	case KEEP_SENT:
		return;
	case KEEP_SLOW:
		if (!nothing)
			stack_keep_reply_memory(stack, key, 0, json);
		return;
	case KEEP_BLOCK:
		if (!nothing)
			store_block(chain, stack, &keep, key, json);
		return;
	case KEEP_HEAD:
		if (!nothing)
			store_head(chain, stack, &keep, json);
		return;
	case KEEP_PLAIN:
	case KEEP_FEES:
		if (!nothing && (keep.flags & KEEP_FIXED))
			stack_keep_reply(stack, key, keep.number, json);
		return;
	case KEEP_OF_BLOCK:
	case KEEP_TX_AT:
	case KEEP_RAW_HEADER:
	case KEEP_RAW_BLOCK:
		if (!nothing)
			stack_keep_reply(stack, key, keep.number, json);
		return;
	case KEEP_RAW_TX:
		/* True of whatever block it is in: of none. */
		if (!nothing)
			stack_keep_reply(stack, key, 0, json);
		return;
	case KEEP_PER_TX:
	case KEEP_RECEIPTS:
		store_per_tx(chain, stack, &keep, key, json);
		return;
	case KEEP_TX:
		store_tx(chain, stack, key, json);
		return;
	case KEEP_PROOF:
	case KEEP_ACCOUNT:
		if (!nothing)
			store_proof(stack, &keep, key, json);
		return;
	}
}

bool block_tx_count(struct span json, uint64_t *count)
{
	struct span list;

	if (!json_member(json, "transactions", &list) || json_type(list) != JSON_ARRAY)
		return false;
	*count = list_length(list);
	return true;
}

void keep_pinned_header(const struct chain *chain, struct stack *stack, struct store *store,
			struct span json)
{
	struct buf key;

	buf_init(&key, 256);
	block_key(chain, &chain->pinned.block.at.hash, false, &key);
	stack_keep_header(stack, &chain->pinned.header, true, chain->pinned.block.final);
	if (buf_err(&key) == OK)
		stack_keep_reply(stack, buf_as_span(&key), chain->pinned.header.number, json);
	buf_release(&key);
	if (store != NULL)
		store_put_finalized(store, chain->finalized);
}
