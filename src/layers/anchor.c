/* SPDX-License-Identifier: MIT */
#include "layers/anchor.h"
#include "fork/block_spec.h"

static void client_key(uint64_t chain_id, struct buf *out)
{
	buf_u64(out, chain_id);
	buf_text(out, ":web3_clientVersion[]");
}

/* ---- online ---- */

enum err anchor_from_pin(const struct fork_pin *pin, struct anchor *out,
			 struct err_detail *detail)
{
	*out = (struct anchor){.chain_id = pin->chain_id,
			       .block = {.at = pin->block, .final = !pin->block.by_hash},
			       .is_dev = pin->is_dev,
			       .finalized = pin->finalized};
	snprintf(out->client_version, sizeof out->client_version, "%s", pin->client_version);
	struct span kind = fork_client_kind(pin->client_version);
	snprintf(out->client_kind, sizeof out->client_kind, "%.*s", (int)kind.len, kind.ptr);
	return block_header_parse(blob_span(pin->header_json), &out->header, &out->is_prague,
				  detail);
}

static void keep_client(const struct anchor *anchor, struct stack *stack)
{
	struct buf key, kind;

	if (*anchor->client_kind == '\0')
		return;
	buf_init(&key, 64);
	buf_init(&kind, 64);
	client_key(anchor->chain_id, &key);
	buf_printf(&kind, "\"%s\"", anchor->client_kind);
	if (buf_err(&key) == OK && buf_err(&kind) == OK)
		stack_keep_reply(stack, buf_as_span(&key), 0, buf_as_span(&kind));
	buf_release(&key);
	buf_release(&kind);
}

void anchor_keep(const struct anchor *anchor, struct stack *stack, struct store *store,
		 struct span json)
{
	struct buf key;

	buf_init(&key, 256);
	block_key_of(anchor->chain_id, &anchor->block.at.hash, false, &key);
	stack_keep_header(stack, &anchor->header, true, anchor->block.final);
	if (buf_err(&key) == OK)
		stack_keep_reply(stack, buf_as_span(&key), anchor->header.number, json);
	buf_release(&key);
	if (store != NULL)
		store_put_finalized(store, anchor->finalized);
	keep_client(anchor, stack);
}

/* ---- from the disk ---- */

enum err anchor_chain_on_disk(struct store *store, uint64_t wanted, uint64_t *chain_id,
			      struct err_detail *detail)
{
	uint64_t ids[8];
	size_t n = store_chains(store, ids, 8);

	*chain_id = wanted;
	if (wanted != 0)
		return OK;
	if (n == 0)
		return err_set(detail, ERR_OFFLINE,
			       "the cache is empty; run once with an upstream");
	if (n > 1)
		return err_set(detail, ERR_CONFIG,
			       "the cache holds %zu chains (%llu and %llu among them): say "
			       "which by its chain id",
			       n, (unsigned long long)ids[0], (unsigned long long)ids[1]);
	*chain_id = ids[0];
	return OK;
}

static enum err disk_hash(struct store_reader *reader, uint64_t chain_id, const char *text,
			  struct eth_bytes32 *hash, struct err_detail *detail)
{
	struct block_spec spec;
	enum err err = block_spec_parse(text, &spec);

	if (err != OK || spec.kind == BLOCK_SPEC_TAG)
		return err_set(
			detail, ERR_CONFIG,
			"the block is needed by number or hash: nobody can be asked what "
			"\"%.80s\" is",
			text);
	*hash = spec.hash;
	if (spec.kind == BLOCK_SPEC_HASH || store_get_binding(reader, spec.number, hash) == HIT)
		return OK;
	return err_set(
		detail, ERR_OFFLINE,
		"block %llu of chain %llu is not in the cache as a final block; give its "
		"hash, or run once with an upstream",
		(unsigned long long)spec.number, (unsigned long long)chain_id);
}

/* The JSON text of a reply; the blob is the caller's. False: it is not there. */
static bool disk_reply(struct store_reader *reader, const struct buf *key, struct blob **blob,
		       struct span *json)
{
	if (buf_err(key) != OK || store_get_reply(reader, buf_as_span(key), blob) != HIT)
		return false;
	*json = blob_span(*blob);
	if (json->len <= REPLY_HEAD_BYTES)
		return false;
	json->ptr += REPLY_HEAD_BYTES;
	json->len -= REPLY_HEAD_BYTES;
	return true;
}

/* As it was kept at an online start. */
static enum err disk_header(struct store_reader *reader, const struct eth_bytes32 *hash,
			    const char *block, struct anchor *out, struct err_detail *detail)
{
	struct blob *reply = NULL;
	struct span json;
	struct buf key;
	enum err err = OK;

	if (store_get_header(reader, hash, &out->header) != HIT)
		return err_set(detail, ERR_OFFLINE,
			       "the cache of chain %llu does not know block %.80s; run once "
			       "with an upstream",
			       (unsigned long long)out->chain_id, block);
	buf_init(&key, 256);
	block_key_of(out->chain_id, hash, false, &key);
	if (disk_reply(reader, &key, &reply, &json))
		err = block_header_parse(json, &out->header, &out->is_prague, detail);
	blob_put(&reply);
	buf_release(&key);
	return err;
}

/* Unknown is no error. */
static void disk_client(struct store_reader *reader, struct anchor *out)
{
	struct blob *reply = NULL;
	struct span json;
	struct buf key;

	buf_init(&key, 64);
	client_key(out->chain_id, &key);
	if (disk_reply(reader, &key, &reply, &json) && json.len > 2)
		snprintf(out->client_kind, sizeof out->client_kind, "%.*s", (int)json.len - 2,
			 json.ptr + 1);
	blob_put(&reply);
	buf_release(&key);
}

static enum err read_disk(struct store_reader *reader, const char *block, struct anchor *out,
			  struct err_detail *detail)
{
	const char *text = block != NULL ? block : "latest";
	struct eth_bytes32 hash;
	uint64_t finalized;
	enum err err = disk_hash(reader, out->chain_id, text, &hash, detail);

	if (err == OK)
		err = disk_header(reader, &hash, text, out, detail);
	if (err != OK)
		return err;
	if (store_get_finalized(reader, &finalized) == HIT)
		out->finalized = finalized;
	disk_client(reader, out);
	out->block.at.number = out->header.number;
	out->block.at.hash = out->header.hash;
	out->block.final = out->header.number <= out->finalized;
	out->block.at.by_hash = !out->block.final;
	return OK;
}

enum err anchor_from_disk(struct store *store, uint64_t chain_id, const char *block,
			  struct anchor *out, struct err_detail *detail)
{
	struct store_reader *reader = NULL;
	enum err err = store_reader_new(store, &reader);

	if (err != OK)
		return err_set(detail, err, "the cache cannot be read: %s", err_name(err));
	*out = (struct anchor){.chain_id = chain_id};
	err = read_disk(reader, block, out, detail);
	store_reader_free(&reader);
	return err;
}
