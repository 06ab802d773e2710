/* SPDX-License-Identifier: MIT */
/*
 * Questions of which the answer is checked: proofs, code by its hash, witnesses. Checked and
 * kept on the fork thread, so that a bad answer is its upstream's fault: another is asked.
 *
 * A question's tag says what is expected of the answer:
 *
 *     'p' state root:32 address:20 slot:32...
 *     'c' code hash:32
 *     'w'
 */
#include "base/json.h"
#include "base/keccak.h"
#include "layers/source_impl.h"

#define TAG_PROOF   'p'
#define TAG_CODE    'c'
#define TAG_WITNESS 'w'
#define PROOF_HEAD  (1 + 32 + 20)

#define TEXT_MAX_BYTES ((size_t)1 << 20)

/* ---- asking ---- */

static void begin(struct source_question *out, struct span method)
{
	*out = (struct source_question){.question = {.kind = FORK_CALL,
						     .class = FORK_CLASS_STATE,
						     .method = method,
						     .may_join = true}};
	buf_init(&out->params, TEXT_MAX_BYTES);
	buf_init(&out->tag, TEXT_MAX_BYTES);
}

static enum err finish(struct source_question *out)
{
	if (buf_err(&out->params) != OK)
		return buf_err(&out->params);
	out->question.params = buf_as_span(&out->params);
	out->question.tag = buf_as_span(&out->tag);
	return buf_err(&out->tag);
}

void source_question_release(struct source_question *question)
{
	buf_release(&question->params);
	buf_release(&question->tag);
}

static void put_quoted(struct buf *out, const void *bytes, size_t n)
{
	buf_char(out, '"');
	buf_hex(out, bytes, n);
	buf_char(out, '"');
}

/* The block as the last parameter, as fork.h wants it of one that is not final. */
static void put_block(const struct source *source, struct source_question *out)
{
	const struct fork_block *at = &source->anchor.block.at;
	struct buf *params = &out->params;

	out->question.block = *at;
	if (!at->by_hash) {
		buf_printf(params, ",\"0x%llx\"]", (unsigned long long)at->number);
		return;
	}
	buf_char(params, ',');
	out->question.by_hash_at = (uint32_t)params->len;
	buf_text(params, "{\"blockHash\":");
	put_quoted(params, at->hash.bytes, 32);
	buf_char(params, '}');
	out->question.by_hash_len = (uint32_t)params->len - out->question.by_hash_at;
	buf_char(params, ']');
}

enum err source_ask_proof(const struct source *source, const struct eth_address *address,
			  const struct eth_bytes32 *slots, size_t n,
			  struct source_question *out)
{
	begin(out, SPAN("eth_getProof"));
	buf_char(&out->params, '[');
	put_quoted(&out->params, address->bytes, 20);
	buf_text(&out->params, ",[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_char(&out->params, ',');
		put_quoted(&out->params, slots[i].bytes, 32);
	}
	buf_char(&out->params, ']');
	put_block(source, out);
	buf_char(&out->tag, TAG_PROOF);
	buf_append(&out->tag, source->anchor.header.state_root.bytes, 32);
	buf_append(&out->tag, address->bytes, 20);
	for (size_t i = 0; i < n; i++)
		buf_append(&out->tag, slots[i].bytes, 32);
	return finish(out);
}

enum err source_ask_code(const struct source *source, const struct eth_address *address,
			 const struct eth_bytes32 *code_hash, struct source_question *out)
{
	begin(out, SPAN("eth_getCode"));
	buf_char(&out->params, '[');
	put_quoted(&out->params, address->bytes, 20);
	put_block(source, out);
	buf_char(&out->tag, TAG_CODE);
	buf_append(&out->tag, code_hash->bytes, 32);
	return finish(out);
}

enum err source_ask_witness(const struct source *source, struct source_question *out)
{
	begin(out, SPAN("debug_executionWitness"));
	out->question.class = FORK_CLASS_CALL;
	out->question.computed = true;
	buf_printf(&out->params, "[\"0x%llx\"]",
		   (unsigned long long)source->anchor.header.number + 1);
	buf_char(&out->tag, TAG_WITNESS);
	return finish(out);
}

/* ---- the answer, on the fork thread ---- */

/* What a proof's tag says. */
struct expected {
	struct eth_bytes32 state_root;
	struct eth_address address;
	const struct eth_bytes32 *slots;
	size_t slots_n;
};

static struct expected expected_of(struct span tag)
{
	struct expected out;

	memcpy(out.state_root.bytes, tag.ptr + 1, 32);
	memcpy(out.address.bytes, tag.ptr + 33, 20);
	out.slots = (const struct eth_bytes32 *)(tag.ptr + PROOF_HEAD);
	out.slots_n = (tag.len - PROOF_HEAD) / 32;
	return out;
}

static enum err check_proof(struct span tag, struct span json, struct err_detail *detail)
{
	const struct expected want = expected_of(tag);
	struct proof_answer answer;
	enum err err = proof_answer_read(&answer, json, &want.address, want.slots, want.slots_n,
					 detail);

	if (err == OK) {
		err = proof_answer_verify(&answer, &want.state_root, &want.address, want.slots,
					  detail);
		err = err == ERR_BAD_ANSWER ? ERR_CORRUPT : err;
	}
	proof_answer_release(&answer);
	return err;
}

enum err source_data(struct span json, struct blob **out)
{
	struct span text;
	size_t n;

	*out = NULL;
	if (!json_string_plain(json, &text) || eth_data_length(text, &n) != OK)
		return ERR_BAD_ANSWER;
	*out = blob_new(n);
	if (*out == NULL)
		return ERR_NOMEM;
	if (eth_data_parse(text, (*out)->bytes, n) == OK)
		return OK;
	blob_put(out);
	return ERR_BAD_ANSWER;
}

static enum err check_code(struct span tag, struct span json, struct err_detail *detail)
{
	struct eth_bytes32 hash;
	struct blob *code;
	enum err err = source_data(json, &code);

	if (err != OK)
		return err_set(detail, err, "the answer is not code");
	keccak256(code->bytes, code->len, &hash);
	const bool good = memcmp(hash.bytes, tag.ptr + 1, 32) == 0;
	blob_put(&code);
	return good ? OK : err_set(detail, ERR_CORRUPT, "the code has another hash");
}

enum err source_check(const struct fork_question *question, struct span json,
		      struct err_detail *detail)
{
	const struct span tag = question->tag;
	struct span list;

	if (tag.len == 0)
		return OK;
	switch (tag.ptr[0]) {
	case TAG_PROOF:
		return check_proof(tag, json, detail);
	case TAG_CODE:
		return check_code(tag, json, detail);
	case TAG_WITNESS:
		return json_member(json, "state", &list)
			       ? OK
			       : err_set(detail, ERR_BAD_ANSWER,
					 "the answer is not an execution's witness");
	}
	return OK;
}

static void keep_proof(struct stack *stack, const struct source *source, struct span tag,
		       struct span json)
{
	const struct eth_bytes32 *block = &source->anchor.block.at.hash;
	const struct expected want = expected_of(tag);
	struct proof_answer answer;

	if (proof_answer_read(&answer, json, &want.address, want.slots, want.slots_n, NULL) ==
	    OK) {
		const struct account_fields fields = proof_answer_fields(&answer);
		stack_keep_account(stack, block, &want.address, &fields);
		stack_keep_rooted_account(stack, &want.state_root, &want.address, &fields);
		for (size_t i = 0; i < answer.slots_n; i++) {
			stack_keep_slot(stack, block, &want.address, &want.slots[i],
					&answer.values[i]);
			stack_keep_rooted_slot(stack, &fields.storage_root, &want.slots[i],
					       &answer.values[i]);
		}
	}
	proof_answer_release(&answer);
}

void source_keep(void *cookie, struct stack *stack, const struct fork_question *question,
		 const struct fork_answer *answer)
{
	const struct source *source = cookie;
	const struct span tag = question->tag;
	struct eth_bytes32 hash;
	struct blob *code;

	if (answer->err != OK || tag.len == 0)
		return;
	const struct span json = blob_span(answer->blob);
	if (tag.ptr[0] == TAG_PROOF)
		keep_proof(stack, source, tag, json);
	if (tag.ptr[0] != TAG_CODE || source_data(json, &code) != OK)
		return;
	memcpy(hash.bytes, tag.ptr + 1, 32);
	stack_keep_code(stack, &hash, code);
	blob_put(&code);
}

/* ---- the answer, for the view that asked ---- */

static enum err feed_account(struct fed *fed, const struct eth_address *address,
			     const struct account_fields *fields)
{
	struct fed_key key = {.address = *address};
	struct eth_bytes32 value;

	key.kind = FED_BALANCE;
	memcpy(value.bytes, fields->balance.bytes, 32);
	enum err err = fed_put(fed, &key, &value, NULL);
	key.kind = FED_NONCE;
	value = (struct eth_bytes32){{0}};
	be64_put(value.bytes + 24, fields->nonce);
	if (err == OK)
		err = fed_put(fed, &key, &value, NULL);
	key.kind = FED_CODE_HASH;
	if (err == OK)
		err = fed_put(fed, &key, &fields->code_hash, NULL);
	key.kind = FED_STORAGE_ROOT;
	if (err == OK)
		err = fed_put(fed, &key, &fields->storage_root, NULL);
	return err;
}

static enum err add_nodes(struct source *source, const struct span *nodes, size_t n)
{
	pthread_mutex_lock(&source->nodes_lock);
	const enum err err = trie_nodes_add_all(source->nodes, nodes, n);
	pthread_mutex_unlock(&source->nodes_lock);
	return err;
}

enum err source_take_proof(struct source_view *view, const struct eth_address *address,
			   const struct eth_bytes32 *slots, size_t n, struct span json,
			   bool nodes)
{
	struct proof_answer answer;
	struct fed_key key = {.kind = FED_SLOT, .address = *address};
	enum err err = proof_answer_read(&answer, json, address, slots, n, NULL);

	if (err == OK) {
		const struct account_fields fields = proof_answer_fields(&answer);
		err = feed_account(&view->fed, address, &fields);
	}
	for (size_t i = 0; err == OK && i < n; i++) {
		key.slot = slots[i];
		err = fed_put(&view->fed, &key, &answer.values[i], NULL);
	}
	/* Nodes are kept in any case, as far as there is room: a state root may want them. */
	const enum err added =
		answer.nodes_n > 0 ? add_nodes(view->source, answer.nodes, answer.nodes_n) : OK;
	proof_answer_release(&answer);
	return err == OK && nodes ? added : err;
}

/* One node of a witness, which is a list of DATA, or an object of them by their hashes. */
static enum err add_node(struct source *source, struct span value)
{
	struct blob *node;
	enum err err = source_data(value, &node);

	if (err != OK)
		return err;
	const struct span rlp = blob_span(node);
	err = add_nodes(source, &rlp, 1);
	blob_put(&node);
	return err;
}

enum err source_take_witness(struct source *source, struct span json)
{
	struct span state, name, value;
	enum err err = OK;

	if (!json_member(json, "state", &state))
		return ERR_BAD_ANSWER;
	struct json_iter iter = json_iter(state);
	if (json_type(state) == JSON_OBJECT)
		while (err == OK && json_next_member(&iter, &name, &value))
			err = add_node(source, value);
	else if (json_type(state) == JSON_ARRAY)
		while (err == OK && json_next_element(&iter, &value))
			err = add_node(source, value);
	else
		err = ERR_BAD_ANSWER;
	return err;
}
