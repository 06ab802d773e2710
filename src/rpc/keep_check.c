/* SPDX-License-Identifier: MIT */
/* Is an answer about what was asked? */
#include "base/keccak.h"
#include "base/rlp.h"
#include "rpc/keep_impl.h"

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

	if (!member_hash(object, "blockHash", &hash))
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

	if (!member_u64(json, "transactionIndex", &index) || index != keep->count)
		return err_set(detail, ERR_BAD_ANSWER,
			       "the answer is not the transaction at that index");
	return check_names_block(keep, json, detail);
}

static enum err check_per_tx(const struct keep *keep, struct span json,
			     struct err_detail *detail)
{
	if (json_type(json) != JSON_ARRAY)
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not a list");
	/* A list that is too short may be a node's habit (system transactions without a
	 * receipt), and is only not kept. An empty one for a block with transactions is the
	 * answer of a node that has not got them yet. */
	if ((keep->flags & KEEP_HAS_COUNT) && keep->count > 0 && json_length(json) == 0)
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

	if (!member_u64(json, "oldestBlock", &oldest))
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not a fee history");
	uint64_t n = json_member(json, "gasUsedRatio", &list) ? json_length(list) : 0;
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
		found = json_type(json) == JSON_OBJECT &&
			(member_hash(json, "transactionHash", &hash) ||
			 member_hash(json, "hash", &hash));
	if (!found)
		return err_set(detail, ERR_BAD_ANSWER, "the answer is not a transaction");
	if (!eth_bytes32_equal(&hash, &keep->hash))
		return err_set(detail, ERR_BAD_ANSWER,
			       "the answer is about another transaction");
	return OK;
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

	if (!keep_account_parse(json, "storageHash", &fields))
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

	if (json_type(json) == JSON_NULL || !keep_tag_open(question->tag, &keep, &key))
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
		if (!keep_account_parse(json, "storageRoot", &fields))
			return err_set(detail, ERR_BAD_ANSWER, "the answer is not an account");
		return OK;
	case KEEP_CALL:
	case KEEP_GAS:
	case KEEP_RUN:
		return keep_check_run(&keep, json, detail);
	case KEEP_LOGS:
	case KEEP_TRACES:
		return keep_check_logs(&keep, key, json, detail);
	case KEEP_NOTHING:
	case KEEP_PLAIN:
	case KEEP_SLOW:
	case KEEP_TRACER:
		return OK;
	}
	return OK;
}
