/* SPDX-License-Identifier: MIT */
#include "layers/stack_impl.h"
#include "layers/keys.h"
#include "base/keccak.h"
#include "base/log.h"
#include <stdlib.h>

/* Longest canonical request that is kept in memory under its own bytes. */
#define REQUEST_MAX_BYTES 65536

enum err stack_new(const struct stack_config *config, struct stack **out)
{
	struct stack *stack = calloc(1, sizeof *stack);

	if (stack == NULL)
		return ERR_NOMEM;
	stack->store = config->store;
	stack->keep = config->keep;
	stack->cookie = config->cookie;
	enum err err = memcache_new(config->memory_bytes, &stack->memory);
	if (err != OK) {
		free(stack);
		return err;
	}
	if (stack->store != NULL)
		in_use_add(&stack->in_use, stack->store, stack->memory);
	*out = stack;
	return OK;
}

void stack_free(struct stack **stack)
{
	if (*stack == NULL)
		return;
	in_use_remove(&(*stack)->in_use);
	memcache_free(&(*stack)->memory);
	free(*stack);
	*stack = NULL;
}

void stack_set_bypass(struct stack *stack, bool bypass)
{
	stack->bypass = bypass;
}

void stack_forget(struct stack *stack)
{
	memcache_clear(stack->memory);
}

void stack_stats(struct stack *stack, struct stack_stats *out, struct memcache_stats *memory)
{
	out->disk_hits = atomic_load_explicit(&stack->disk_hits, memory_order_relaxed);
	out->misses = atomic_load_explicit(&stack->misses, memory_order_relaxed);
	memcache_stats(stack->memory, memory);
}

static void on_turn_end(void *cookie)
{
	stack_turn_end(cookie);
}

enum err stack_view_new(struct stack *stack, struct fork *fork, struct loop *loop,
			uint32_t in_flight, struct stack_view **out)
{
	struct stack_view *view = calloc(1, sizeof *view);
	enum err err = ERR_NOMEM;

	if (view == NULL)
		return ERR_NOMEM;
	view->stack = stack;
	view->loop = loop;
	buf_init(&view->key, REQUEST_MAX_BYTES + 1);
	err = memcache_reader_new(stack->memory, &view->memory);
	if (err != OK)
		goto fail;
	if (stack->store != NULL) {
		err = store_reader_new(stack->store, &view->disk);
		if (err != OK)
			goto fail;
	}
	if (fork != NULL) {
		err = fork_port_open(fork, loop, in_flight, &view->port);
		if (err != OK)
			goto fail;
	}
	loop_hook_add(loop, &view->turn_end, on_turn_end, view);
	*out = view;
	return OK;
fail:
	stack_view_free(&view);
	return err;
}

void stack_view_free(struct stack_view **view)
{
	if (*view == NULL)
		return;
	if ((*view)->port != NULL)
		fork_port_close(&(*view)->port);
	if ((*view)->disk != NULL)
		store_reader_free(&(*view)->disk);
	if ((*view)->memory != NULL)
		memcache_reader_free(&(*view)->memory);
	buf_release(&(*view)->key);
	free(*view);
	*view = NULL;
}

void stack_turn_end(struct stack_view *view)
{
	memcache_park(view->memory);
	if (view->disk != NULL)
		store_reader_rest(view->disk);
}

bool stack_is_offline(const struct stack_view *view)
{
	return view->port == NULL;
}

struct stack *stack_of(const struct stack_view *view)
{
	return view->stack;
}

uint64_t stack_now_us(const struct stack_view *view)
{
	return loop_now_us(view->loop);
}

/* ---- keys ---- */

static const struct {
	enum cell_kind cell;
	enum fork_kind question;
	unsigned field;
} fact_kinds[] = {
	[FACT_BALANCE] = {CELL_BALANCE, FORK_BALANCE, ACCOUNT_BALANCE},
	[FACT_NONCE] = {CELL_NONCE, FORK_NONCE, ACCOUNT_NONCE},
	[FACT_CODE] = {CELL_CODE_HASH, FORK_CODE, ACCOUNT_CODE_HASH},
	[FACT_SLOT] = {CELL_SLOT, FORK_SLOT, 0},
	[FACT_CODE_HASH] = {CELL_CODE_HASH, FORK_CODE, ACCOUNT_CODE_HASH},
	[FACT_STORAGE_ROOT] = {CELL_STORAGE_ROOT, FORK_CALL, ACCOUNT_STORAGE_ROOT},
};

void fact_prepare(struct stack_view *view, struct fact *fact)
{
	key_fact(&fact->key, fact_kinds[fact->kind].cell, &fact->block.at.hash, &fact->address,
		 fact->kind == FACT_SLOT ? &fact->slot : NULL);
	fact->hash = memcache_cell_hash(view->stack->memory, &fact->key);
	memcache_cell_prefetch(view->stack->memory, fact->hash);
}

void fact_prefetch(const struct stack_view *view, const struct fact *fact)
{
	memcache_cell_prefetch_entry(view->stack->memory, fact->hash);
}

static enum lookup cell_get(struct stack_view *view, const struct cell_key *key,
			    struct eth_bytes32 *value)
{
	return memcache_cell_get(view->memory, key,
				 memcache_cell_hash(view->stack->memory, key), value);
}

/* The blob key, in the view's scratch; empty span when it cannot be made. */
static struct span blob_key(struct buf *scratch, char kind, struct span bytes)
{
	buf_clear(scratch);
	buf_char(scratch, kind);
	buf_span(scratch, bytes);
	return buf_err(scratch) == OK ? buf_as_span(scratch) : (struct span){0};
}

static void blob_keep(struct stack *stack, char kind, struct span bytes, struct blob *blob)
{
	struct buf scratch;

	buf_init(&scratch, REQUEST_MAX_BYTES + 1);
	struct span key = blob_key(&scratch, kind, bytes);
	if (key.len > 0)
		memcache_blob_put(stack->memory, key, blob);
	buf_release(&scratch);
}

/* ---- facts ---- */

static struct eth_bytes32 nonce_value(uint64_t nonce)
{
	struct eth_bytes32 value = {{0}};

	be64_put(value.bytes + 24, nonce);
	return value;
}

static enum lookup disk_fact(struct stack_view *view, struct fact *fact)
{
	if (fact->kind == FACT_SLOT)
		return store_get_slot(view->disk, &fact->block.at.hash, &fact->address,
				      &fact->slot, &fact->value);

	struct account_fields fields = {0};
	unsigned wanted = fact_kinds[fact->kind].field;
	enum lookup found = store_get_account(view->disk, &fact->block.at.hash, &fact->address,
					      wanted, &fields);
	if (found != HIT || (fields.mask & wanted) == 0)
		return MISS;
	if (fact->kind == FACT_BALANCE)
		memcpy(fact->value.bytes, fields.balance.bytes, 32);
	else if (fact->kind == FACT_NONCE)
		fact->value = nonce_value(fields.nonce);
	else if (fact->kind == FACT_STORAGE_ROOT)
		fact->value = fields.storage_root;
	else
		fact->value = fields.code_hash;
	return HIT;
}

/* *code is borrowed until the turn's end, or *ref holds it, too. *from_disk is set, never
 * cleared. */
static enum lookup find_code(struct stack_view *view, const struct eth_bytes32 *code_hash,
			     struct blob **code, struct blob **ref, bool *from_disk)
{
	struct span key = blob_key(&view->key, BLOB_CODE,
				   (struct span){(const char *)code_hash->bytes, 32});

	*code = NULL;
	if (key.len == 0)
		return MISS;
	if (memcache_blob_get(view->memory, key, code) == HIT)
		return HIT;
	if (view->disk == NULL || store_get_code(view->disk, code_hash, ref) != HIT)
		return MISS;
	*from_disk = true;
	memcache_blob_put(view->stack->memory, key, *ref);
	*code = *ref;
	return HIT;
}

static enum lookup fact_code(struct stack_view *view, struct fact *fact, bool *from_disk)
{
	fact->code = NULL;
	if (eth_bytes32_equal(&fact->value, &eth_empty_code_hash))
		return HIT;
	return find_code(view, &fact->value, &fact->code, &fact->code_ref, from_disk);
}

enum lookup stack_get_code(struct stack_view *view, const struct eth_bytes32 *code_hash,
			   struct blob **code)
{
	struct blob *ref = NULL, *found;
	bool from_disk = false;

	*code = NULL;
	if (view->stack->bypass || find_code(view, code_hash, &found, &ref, &from_disk) != HIT)
		return MISS;
	if (from_disk)
		stack_count(&view->stack->disk_hits);
	*code = ref != NULL ? ref : blob_get(found);
	return HIT;
}

enum lookup stack_get_fact(struct stack_view *view, struct fact *fact)
{
	struct stack *stack = view->stack;
	bool from_disk = false;

	if (stack->bypass)
		return MISS;
	if (memcache_cell_get(view->memory, &fact->key, fact->hash, &fact->value) != HIT) {
		if (view->disk == NULL || disk_fact(view, fact) != HIT) {
			stack_count(&stack->misses);
			return MISS;
		}
		from_disk = true;
		memcache_cell_put(stack->memory, &fact->key, &fact->value);
	}
	if (fact->kind == FACT_CODE && fact_code(view, fact, &from_disk) != HIT) {
		stack_count(&stack->misses);
		return MISS;
	}
	if (from_disk)
		stack_count(&stack->disk_hits);
	return HIT;
}

void fact_pin(struct fact *fact)
{
	if (fact->kind == FACT_CODE && fact->code != NULL && fact->code_ref == NULL) {
		fact->code_ref = blob_get(fact->code);
	}
}

void fact_release(struct fact *fact)
{
	fact->code = NULL;
	blob_put(&fact->code_ref);
}

enum lookup stack_fetch_fact(struct stack_view *view, const struct fact *fact,
			     fork_done_fn *done, void *cookie, struct fork_op **op,
			     enum err *err)
{
	const struct fork_question question = {
		.kind = fact_kinds[fact->kind].question,
		.class = FORK_CLASS_STATE,
		.address = fact->address,
		.slot = fact->slot,
		.block = fact->block.at,
	};
	return stack_fetch_call(view, &question, done, cookie, op, err);
}

void fact_take(struct fact *fact, const struct fork_answer *answer)
{
	fact->value = answer->value;
	if (fact->kind != FACT_CODE)
		return;
	blob_put(&fact->code_ref);
	fact->code = NULL;
	if (answer->blob != NULL && answer->blob->len > 0)
		fact->code = fact->code_ref = blob_get(answer->blob);
}

enum lookup stack_fetch_call(struct stack_view *view, const struct fork_question *question,
			     fork_done_fn *done, void *cookie, struct fork_op **op,
			     enum err *err)
{
	if (view->port == NULL) {
		*err = ERR_OFFLINE;
		return FAILED;
	}
	return fork_ask(view->port, question, done, cookie, op, err);
}

/* ---- replies, headers ---- */

static bool reply_open(struct blob *blob, struct reply *out)
{
	if (!CHECK(blob->len > REPLY_HEAD_BYTES))
		return false;
	out->blob = blob;
	const uint64_t head = be64_get(blob->bytes);
	out->block_number = head & ~(REPLY_UNSETTLED | REPLY_IS_ERROR);
	out->unsettled = (head & REPLY_UNSETTLED) != 0;
	out->is_error = (head & REPLY_IS_ERROR) != 0;
	out->json = (struct span){(const char *)blob->bytes + REPLY_HEAD_BYTES,
				  blob->len - REPLY_HEAD_BYTES};
	return true;
}

enum lookup stack_get_reply(struct stack_view *view, struct span request, struct reply *out)
{
	struct stack *stack = view->stack;
	struct blob *blob = NULL;
	struct blob *found = NULL;

	if (stack->bypass)
		return MISS;
	struct span key = blob_key(&view->key, BLOB_REPLY, request);
	if (key.len > 0 && memcache_blob_get(view->memory, key, &blob) == HIT &&
	    reply_open(blob, out))
		return HIT;
	if (view->disk == NULL || store_get_reply(view->disk, request, &found) != HIT ||
	    !reply_open(found, out)) {
		blob_put(&found);
		stack_count(&stack->misses);
		return MISS;
	}
	stack_count(&stack->disk_hits);
	if (key.len > 0)
		memcache_blob_put(stack->memory, key, found);
	out->blob_ref = found;
	return HIT;
}

void reply_pin(struct reply *reply)
{
	if (reply->blob != NULL && reply->blob_ref == NULL)
		reply->blob_ref = blob_get(reply->blob);
}

void reply_release(struct reply *reply)
{
	blob_put(&reply->blob_ref);
	reply->blob = NULL;
	reply->json = (struct span){0};
}

enum lookup stack_get_binding(struct stack_view *view, uint64_t number,
			      struct eth_bytes32 *hash)
{
	struct cell_key key;

	if (view->stack->bypass)
		return MISS;
	key_number(&key, number);
	if (cell_get(view, &key, hash) == HIT)
		return HIT;
	if (view->disk == NULL || store_get_binding(view->disk, number, hash) != HIT)
		return MISS;
	memcache_cell_put(view->stack->memory, &key, hash);
	return HIT;
}

enum lookup stack_get_near(struct stack_view *view, uint64_t epoch, uint64_t number,
			   struct eth_bytes32 *hash)
{
	struct cell_key key;

	if (view->stack->bypass)
		return MISS;
	key_near(&key, epoch, number);
	return cell_get(view, &key, hash);
}

enum lookup stack_get_number(struct stack_view *view, const struct eth_bytes32 *hash,
			     uint64_t *number)
{
	struct eth_bytes32 value;
	struct block_header header;
	struct cell_key key;

	if (view->stack->bypass)
		return MISS;
	key_hash(&key, hash);
	if (cell_get(view, &key, &value) == HIT) {
		*number = be64_get(value.bytes + 24);
		return HIT;
	}
	if (view->disk == NULL || store_get_header(view->disk, hash, &header) != HIT)
		return MISS;
	*number = header.number;
	value = nonce_value(header.number);
	memcache_cell_put(view->stack->memory, &key, &value);
	return HIT;
}

/* ---- write-back ---- */

/* head: the block's number and the bits with it; store NULL: in memory only. */
static void keep_reply(struct stack *stack, struct store *store, struct span request,
		       uint64_t head, struct span json)
{
	struct blob *blob = blob_new(REPLY_HEAD_BYTES + json.len);

	if (blob == NULL) {
		log_warn("reply not kept", LOG_S("cause", err_name(ERR_NOMEM)));
		return;
	}
	be64_put(blob->bytes, head);
	memcpy(blob->bytes + REPLY_HEAD_BYTES, json.ptr, json.len);
	blob_keep(stack, BLOB_REPLY, request, blob);
	if (store != NULL)
		store_put_reply(store, request, blob);
	blob_put(&blob);
}

void stack_keep_reply(struct stack *stack, struct span request, uint64_t block_number,
		      struct span json)
{
	keep_reply(stack, stack->store, request, block_number, json);
}

void stack_keep_reply_memory(struct stack *stack, struct span request, uint64_t block_number,
			     struct span json)
{
	keep_reply(stack, NULL, request, block_number, json);
}

void stack_keep_error(struct stack *stack, struct span request, uint64_t block_number,
		      struct span json)
{
	keep_reply(stack, stack->store, request, block_number | REPLY_IS_ERROR, json);
}

void stack_keep_header(struct stack *stack, const struct block_header *header, bool canonical,
		       bool final)
{
	struct eth_bytes32 number = nonce_value(header->number);
	struct cell_key key;

	key_hash(&key, &header->hash);
	memcache_cell_put(stack->memory, &key, &number);
	if (stack->store != NULL)
		store_put_header(stack->store, header);
	if (!canonical || !final)
		return;
	key_number(&key, header->number);
	memcache_cell_put(stack->memory, &key, &header->hash);
	if (stack->store != NULL)
		store_put_binding(stack->store, header->number, &header->hash);
}

void stack_keep_near(struct stack *stack, uint64_t epoch, uint64_t number,
		     const struct eth_bytes32 *hash)
{
	struct cell_key key;

	key_near(&key, epoch, number);
	memcache_cell_put(stack->memory, &key, hash);
}

void stack_keep_finalized(struct stack *stack, uint64_t number)
{
	if (stack->store != NULL)
		store_put_finalized(stack->store, number);
}

static void keep_cell(struct stack *stack, enum cell_kind kind, const struct eth_bytes32 *block,
		      const struct eth_address *address, const struct eth_bytes32 *slot,
		      const struct eth_bytes32 *value)
{
	struct cell_key key;

	key_fact(&key, kind, block, address, slot);
	memcache_cell_put(stack->memory, &key, value);
}

void stack_keep_account(struct stack *stack, const struct eth_bytes32 *block,
			const struct eth_address *address, const struct account_fields *fields)
{
	struct eth_bytes32 value;

	if (fields->mask & ACCOUNT_BALANCE) {
		memcpy(value.bytes, fields->balance.bytes, 32);
		keep_cell(stack, CELL_BALANCE, block, address, NULL, &value);
	}
	if (fields->mask & ACCOUNT_NONCE) {
		value = nonce_value(fields->nonce);
		keep_cell(stack, CELL_NONCE, block, address, NULL, &value);
	}
	if (fields->mask & ACCOUNT_CODE_HASH)
		keep_cell(stack, CELL_CODE_HASH, block, address, NULL, &fields->code_hash);
	if (fields->mask & ACCOUNT_STORAGE_ROOT)
		keep_cell(stack, CELL_STORAGE_ROOT, block, address, NULL,
			  &fields->storage_root);
	if (stack->store != NULL)
		store_put_account(stack->store, block, address, fields);
}

void stack_keep_slot(struct stack *stack, const struct eth_bytes32 *block,
		     const struct eth_address *address, const struct eth_bytes32 *slot,
		     const struct eth_bytes32 *value)
{
	keep_cell(stack, CELL_SLOT, block, address, slot, value);
	if (stack->store != NULL)
		store_put_slot(stack->store, block, address, slot, value);
}

void stack_keep_code(struct stack *stack, const struct eth_bytes32 *hash, struct blob *code)
{
	if (code->len == 0)
		return;
	blob_keep(stack, BLOB_CODE, (struct span){(const char *)hash->bytes, 32}, code);
	if (stack->store != NULL)
		store_put_code(stack->store, hash, code);
}

void stack_on_answer(void *cookie, const struct fork_question *question,
		     const struct fork_answer *answer)
{
	struct stack *stack = cookie;
	const struct eth_bytes32 *block = &question->block.hash;
	struct account_fields fields = {0};

	if (stack->bypass || answer->do_not_store)
		return;
	if (question->kind == FORK_CALL) {
		stack->keep(stack->cookie, stack, question, answer);
		return;
	}
	switch (question->kind) {
	case FORK_BALANCE:
		fields.mask = ACCOUNT_BALANCE;
		memcpy(fields.balance.bytes, answer->value.bytes, 32);
		break;
	case FORK_NONCE:
		fields.mask = ACCOUNT_NONCE;
		fields.nonce = be64_get(answer->value.bytes + 24);
		break;
	case FORK_CODE:
		fields.mask = ACCOUNT_CODE_HASH;
		keccak256(answer->blob->bytes, answer->blob->len, &fields.code_hash);
		stack_keep_code(stack, &fields.code_hash, answer->blob);
		break;
	case FORK_SLOT:
		stack_keep_slot(stack, block, &question->address, &question->slot,
				&answer->value);
		return;
	case FORK_CALL:
		return;
	}
	stack_keep_account(stack, block, &question->address, &fields);
}
