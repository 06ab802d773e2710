/* SPDX-License-Identifier: MIT */
#include "mock_node/params.h"
#include "mock_node/trie_fork_impl.h"
#include "base/keccak.h"

/* All numbers are read as reals, for total difficulties are more than an integer holds. */
#define EXACT_MAX 9007199254740992.0

/* Decimal digits of a number below 2^256. */
static bool decimal(struct span text, struct eth_u256 *out)
{
	*out = (struct eth_u256){{0}};
	for (size_t i = 0; i < text.len; i++) {
		unsigned carry = (unsigned)(text.ptr[i] - '0');
		if (carry > 9)
			return false;
		for (size_t at = sizeof out->bytes; at-- > 0; carry >>= 8) {
			carry += out->bytes[at] * 10u;
			out->bytes[at] = (unsigned char)carry;
		}
		if (carry)
			return false;
	}
	return text.len > 0;
}

/* A number as tracer tests and genesis files write it: JSON, 0x and digits, or decimal. */
static bool any_u256(const json_t *value, struct eth_u256 *out)
{
	double number = json_number_value(value);

	if (!json_is_number(value))
		return eth_quantity_lenient(json_text(value), out) == OK ||
		       decimal(json_text(value), out);
	if (number < 0 || number > EXACT_MAX)
		return false;
	*out = eth_u256_from_u64((uint64_t)number);
	return true;
}

static bool any_number(const json_t *value, uint64_t *out)
{
	struct eth_u256 wide;

	return any_u256(value, &wide) && eth_u256_to_u64(&wide, out);
}

/* A word of 32 bytes: a slot's index or its value, however many digits it is written with. */
static bool any_word(struct span text, struct eth_bytes32 *out)
{
	return eth_slot_parse(text, out) == OK;
}

/* Puts the slots that are not zero into pairs; returns how many, or -1. */
static int read_slots(json_t *storage, struct trie_pair *pairs)
{
	static const struct eth_bytes32 zero;
	const char *name;
	json_t *text;
	int count = 0;

	json_object_foreach(storage, name, text)
	{
		struct eth_bytes32 slot, value;
		if (!any_word(span_of(name), &slot) || !any_word(json_text(text), &value))
			return -1;
		if (!eth_bytes32_equal(&value, &zero))
			trie_put_slot(&pairs[count++], &slot, &value);
	}
	return count;
}

static enum err read_storage(struct trie_fork *fork, json_t *storage, struct eth_bytes32 *root)
{
	struct trie_pair *pairs = calloc(json_object_size(storage) + 1, sizeof *pairs);

	if (!pairs)
		return ERR_NOMEM;
	int count = read_slots(storage, pairs);
	enum err err =
		count < 0 ? ERR_INVALID : trie_build(pairs, (size_t)count, &fork->nodes, root);
	free(pairs);
	return err;
}

static enum err read_code(struct trie_fork *fork, const json_t *text, struct eth_bytes32 *hash)
{
	struct span code = text && !json_is_null(text) ? trie_fork_bytes(fork, text) : SPAN("");

	*hash = eth_empty_code_hash;
	if (!code.ptr)
		return ERR_INVALID;
	return code.len ? nodes_add(&fork->codes, code, hash) : OK;
}

/* Tracers also name who is not there; in a genesis the empty are there. */
static bool is_empty(const struct trie_account *account)
{
	static const struct eth_u256 zero;

	return account->nonce == 0 && memcmp(&account->balance, &zero, sizeof zero) == 0 &&
	       eth_bytes32_equal(&account->code_hash, &eth_empty_code_hash) &&
	       eth_bytes32_equal(&account->storage_root, &eth_empty_trie_root);
}

/* *there is set unless the account is empty. */
static enum err read_account(struct trie_fork *fork, const char *name, const json_t *json,
			     struct trie_pair *pair, bool *there)
{
	const json_t *balance = json_object_get(json, "balance");
	const json_t *nonce = json_object_get(json, "nonce");
	struct trie_account account = {0};
	struct eth_address address;

	if (eth_address_parse(span_of(name), &address) != OK || !json_is_object(json) ||
	    (balance && !any_u256(balance, &account.balance)) ||
	    (nonce && !any_number(nonce, &account.nonce)))
		return ERR_INVALID;
	enum err err = read_code(fork, json_object_get(json, "code"), &account.code_hash);
	if (err == OK)
		err = read_storage(fork, json_object_get(json, "storage"),
				   &account.storage_root);
	*there = !is_empty(&account);
	if (err == OK)
		trie_put_account(pair, &address, &account);
	return err;
}

static enum err read_alloc(struct trie_fork *fork, json_t *alloc, bool with_empty,
			   struct err_detail *detail)
{
	struct trie_pair *pairs = calloc(json_object_size(alloc) + 1, sizeof *pairs);
	const char *name;
	json_t *account;
	size_t count = 0;

	if (!pairs)
		return err_set(detail, ERR_NOMEM, "out of memory");
	enum err err = OK;
	json_object_foreach(alloc, name, account)
	{
		bool there;
		err = read_account(fork, name, account, &pairs[count], &there);
		if (err != OK)
			break;
		count += there || with_empty;
	}
	if (err != OK)
		err_set(detail, err, "account %.64s of the prestate", name);
	else if ((err = trie_build(pairs, count, &fork->nodes, &fork->state_root)) != OK)
		err_set(detail, err, "the state's trie");
	free(pairs);
	return err;
}

/* The header within a tracer test's genesis, or the genesis itself. */
static const json_t *genesis_of(const json_t *file)
{
	const json_t *genesis = json_object_get(file, "genesis");

	return genesis ? genesis : file;
}

/* A member of the context, or of the genesis' header. */
static uint64_t number_of(const json_t *file, const char *name, uint64_t otherwise)
{
	const json_t *context = json_object_get(json_object_get(file, "context"), name);
	const json_t *genesis = json_object_get(genesis_of(file), name);
	uint64_t value;

	return any_number(context ? context : genesis, &value) ? value : otherwise;
}

static enum err make_block(struct trie_fork *fork, const json_t *file,
			   struct err_detail *detail)
{
	const json_t *context = json_object_get(file, "context");
	const json_t *config = json_object_get(genesis_of(file), "config");
	struct span miner = json_text(json_object_get(context, "miner"));
	uint64_t number = context ? number_of(file, "number", 1) : 2;
	struct header header = {
		.state_root = fork->state_root,
		.transactions_root = eth_empty_trie_root,
		.receipts_root = eth_empty_trie_root,
		.number = number ? number - 1 : 0,
		.timestamp = number_of(file, "timestamp", CHAIN_GENESIS_TIME),
		.gas_limit = number_of(file, "gasLimit", CHAIN_GAS_LIMIT),
		.base_fee = number_of(file, "baseFeePerGas", 0),
	};

	if (miner.len && eth_address_parse(miner, &header.miner) != OK)
		return err_set(detail, ERR_INVALID, "context.miner");
	fork->base.number = header.number;
	if (!any_number(json_object_get(config, "chainId"), &fork->base.chain_id))
		fork->base.chain_id = 1;
	return fork_set_block(&fork->base, fork_make_block(&header), detail);
}

/* The accounts within a tracer test, within the answer of a prestate tracer, or alone. */
static json_t *alloc_of(json_t *file)
{
	json_t *genesis = json_object_get(file, "genesis");

	if (genesis)
		return json_object_get(genesis, "alloc");
	json_t *alloc = json_object_get(file, "alloc");
	json_t *result = json_object_get(file, "result");
	return alloc ? alloc : result ? result : file;
}

enum err trie_fork_load_prestate(const char *path, struct fork **out, struct err_detail *detail)
{
	struct trie_fork *fork = trie_fork_new();
	json_error_t error;

	if (!fork)
		return err_set(detail, ERR_NOMEM, "out of memory");
	*out = &fork->base;
	json_t *file = json_load_file(path, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	enum err err = OK;
	if (!file)
		err = err_set(detail, ERR_IO, "%s: %s", path, error.text);
	else if (!json_is_object(alloc_of(file)))
		err = err_set(detail, ERR_INVALID, "%s: no accounts there", path);
	if (err == OK)
		err = read_alloc(fork, alloc_of(file), json_object_get(file, "alloc"), detail);
	if (err == OK)
		err = make_block(fork, file, detail);
	json_decref(file);
	if (err != OK)
		fork_free(out);
	return err;
}
