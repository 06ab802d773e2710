/* SPDX-License-Identifier: MIT */
#include "mock_node/fork_data.h"
#include "mock_node/params.h"
#include "base/arena.h"
#include <errno.h>
#include <sys/stat.h>

#define MEMORY_LIMIT (512u << 20)
#define PATH_BYTES   1024

static const struct {
	const char *name;
	uint64_t id;
} chains[] = {
	{"mainnet", 1},	 {"optimism", 10},    {"bsc", 56},
	{"xdai", 100},	 {"gnosis", 100},     {"polygon", 137},
	{"fantom", 250}, {"arbitrum", 42161}, {"base", 8453},
};

struct fork_account {
	struct eth_address address;
	struct history_account state;
};

struct fork_slot {
	unsigned char key[52]; /* address, slot */
	struct eth_bytes32 value;
};

struct fork_data {
	struct fork base; /* its block is the recorded one, or made from the cache's meta */
	struct arena arena;
	struct dict accounts, slots;
};

uint64_t fork_data_chain_id_of(struct span name)
{
	for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
		if (span_is(name, chains[i].name))
			return chains[i].id;
	}
	return 0;
}

static struct span as_span(const void *bytes, size_t n)
{
	return (struct span){bytes, n};
}

/* LegacyAnalyzed code is padded with zeros; original_len says how much of it is real. */
static enum err read_code(struct fork_data *data, const json_t *code, struct span *out)
{
	const json_t *legacy = json_object_get(code, "LegacyAnalyzed");
	const json_t *delegation = json_object_get(code, "Eip7702");
	const json_t *raw = json_object_get(code, "LegacyRaw");
	const json_t *text = legacy ? json_object_get(legacy, "bytecode") : raw;
	size_t n;

	if (delegation) {
		text = json_object_get(delegation, "raw");
		if (!text)
			text = delegation;
	}
	*out = SPAN("");
	if (!text || json_is_null(text))
		return OK;
	if (eth_data_length(json_text(text), &n) != OK)
		return ERR_INVALID;
	unsigned char *bytes = arena_alloc(&data->arena, n + 1);
	if (!bytes)
		return ERR_NOMEM;
	if (eth_data_parse(json_text(text), bytes, n) != OK)
		return ERR_INVALID;
	if (legacy) {
		json_int_t real = json_integer_value(json_object_get(legacy, "original_len"));
		if (real < 0 || (size_t)real > n)
			return ERR_INVALID;
		n = (size_t)real;
	}
	*out = as_span(bytes, n);
	return OK;
}

static enum err read_account(struct fork_data *data, const char *name, const json_t *json)
{
	struct fork_account *account = arena_calloc(&data->arena, 1, sizeof *account);
	struct eth_u256 balance;

	if (!account)
		return ERR_NOMEM;
	if (eth_address_parse(span_of(name), &account->address) != OK ||
	    eth_quantity_lenient(json_text(json_object_get(json, "balance")), &balance) != OK)
		return ERR_INVALID;
	account->state.balance = balance;
	account->state.nonce = (uint64_t)json_integer_value(json_object_get(json, "nonce"));
	enum err err = read_code(data, json_object_get(json, "code"), &account->state.code);
	if (err != OK)
		return err;
	return dict_put(&data->accounts, as_span(account->address.bytes, 20), account);
}

static enum err read_slots(struct fork_data *data, const char *name, json_t *slots)
{
	struct eth_address address;
	const char *slot_text;
	json_t *value_text;

	if (eth_address_parse(span_of(name), &address) != OK)
		return ERR_INVALID;
	json_object_foreach(slots, slot_text, value_text)
	{
		struct fork_slot *slot = arena_alloc(&data->arena, sizeof *slot);
		struct eth_bytes32 index;
		struct eth_u256 value;
		if (!slot)
			return ERR_NOMEM;
		if (eth_slot_parse(span_of(slot_text), &index) != OK ||
		    eth_quantity_lenient(json_text(value_text), &value) != OK)
			return ERR_INVALID;
		memcpy(slot->key, address.bytes, 20);
		memcpy(slot->key + 20, index.bytes, 32);
		memcpy(slot->value.bytes, value.bytes, 32);
		if (dict_put(&data->slots, as_span(slot->key, sizeof slot->key), slot) != OK)
			return ERR_NOMEM;
	}
	return OK;
}

static enum err read_state(struct fork_data *data, const json_t *cache,
			   struct err_detail *detail)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(cache, "accounts"), name, value)
	{
		enum err err = read_account(data, name, value);
		if (err != OK)
			return err_set(detail, err, "account %s of the cache", name);
	}
	json_object_foreach(json_object_get(cache, "storage"), name, value)
	{
		enum err err = read_slots(data, name, value);
		if (err != OK)
			return err_set(detail, err, "storage of %s in the cache", name);
	}
	return OK;
}

/* Where a meta value is hex in some versions and a number in others. */
static uint64_t meta_number(const json_t *env, const char *name)
{
	const json_t *value = json_object_get(env, name);
	struct eth_u256 wide;
	uint64_t number = 0;

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	if (eth_quantity_lenient(json_text(value), &wide) == OK)
		(void)!eth_u256_to_u64(&wide, &number);
	return number;
}

static json_t *block_of_meta(const struct fork_data *data, const json_t *env)
{
	struct header header = {
		.number = data->base.number,
		.timestamp = meta_number(env, "timestamp"),
		.gas_limit = meta_number(env, "gas_limit"),
		.base_fee = meta_number(env, "basefee"),
		.transactions_root = eth_empty_trie_root,
		.receipts_root = eth_empty_trie_root,
	};

	return fork_make_block(&header);
}

/* The `result` of a recorded answer; NULL when the file is not there. */
static json_t *load_result(const char *root, const struct fork_data *data, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/blocks/%llu/%llu/%s", root,
		 (unsigned long long)data->base.chain_id, (unsigned long long)data->base.number,
		 name);
	json_t *answer = json_load_file(path, 0, NULL);
	json_t *result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	return result;
}

static enum err load_block(struct fork_data *data, const char *root, const json_t *cache,
			   struct err_detail *detail)
{
	data->base.gas_price = load_result(root, data, "eth_gasPrice.json");
	json_t *block = load_result(root, data, "block.json");
	if (!block)
		block = load_result(root, data, "block-txhashes.json");
	if (!block)
		block = block_of_meta(
			data, json_object_get(json_object_get(cache, "meta"), "block_env"));
	return fork_set_block(&data->base, block, detail);
}

/* Opens the cache at the path, which is the file or the folder around its storage.json. */
static json_t *load_cache(const char *path, struct err_detail *detail)
{
	char file[PATH_BYTES];
	struct stat st;
	json_error_t error;

	if (stat(path, &st) != 0) {
		err_set(detail, ERR_IO, "%s: %s", path, strerror(errno));
		return NULL;
	}
	snprintf(file, sizeof file, S_ISDIR(st.st_mode) ? "%s/storage.json" : "%s", path);
	json_t *cache = json_load_file(file, 0, &error);
	if (!cache || !json_object_get(cache, "accounts")) {
		err_set(detail, ERR_INVALID, "%s: not a fork cache: %s", file,
			cache ? "no accounts" : error.text);
		json_decref(cache);
		return NULL;
	}
	return cache;
}

/* Cuts the last part off a path; returns that part, or NULL. */
static const char *cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return NULL;
	*slash = 0;
	return slash + 1;
}

/* Takes ROOT/foundry/rpc/CHAIN/BLOCK apart and leaves ROOT in `path`. */
static enum err read_names(struct fork_data *data, char *path, struct err_detail *detail)
{
	const char *block = cut_last(path);
	const char *chain = block ? cut_last(path) : NULL;
	const char *rpc = chain ? cut_last(path) : NULL;
	char *end = NULL;

	data->base.number = block ? strtoull(block, &end, 10) : 0;
	data->base.chain_id = chain ? fork_data_chain_id_of(span_of(chain)) : 0;
	if (!rpc || !cut_last(path) || *end || !data->base.chain_id)
		return err_set(detail, ERR_INVALID,
			       "a path that ends in foundry/rpc/CHAIN/BLOCK is wanted");
	return OK;
}

static enum err load(struct fork_data *data, char *path, struct err_detail *detail)
{
	json_t *cache = load_cache(path, detail);

	if (!cache)
		return ERR_INVALID;
	enum err err = read_names(data, path, detail);
	if (err == OK)
		err = read_state(data, cache, detail);
	if (err == OK)
		err = load_block(data, path, cache, detail);
	json_decref(cache);
	return err;
}

static bool data_account(const struct fork *fork, const struct eth_address *address,
			 struct history_account *out, struct answer *answer)
{
	const struct fork_data *data = (const struct fork_data *)fork;
	const struct fork_account *account =
		dict_get(&data->accounts, as_span(address->bytes, 20));
	char hex[41] = {0};

	if (account) {
		*out = account->state;
		return true;
	}
	eth_hex(address->bytes, 20, hex);
	return answer_error(answer, RPC_SERVER_ERROR, "mock-node: not recorded: account 0x%s",
			    hex);
}

static bool data_slot(const struct fork *fork, const struct eth_address *address,
		      const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		      struct answer *answer)
{
	const struct fork_data *data = (const struct fork_data *)fork;
	unsigned char key[52];
	char hex[41] = {0}, slot_hex[65] = {0};

	memcpy(key, address->bytes, 20);
	memcpy(key + 20, slot->bytes, 32);
	const struct fork_slot *found = dict_get(&data->slots, as_span(key, sizeof key));
	if (found) {
		*value = found->value;
		return true;
	}
	eth_hex(address->bytes, 20, hex);
	eth_hex(slot->bytes, 32, slot_hex);
	return answer_error(answer, RPC_SERVER_ERROR,
			    "mock-node: not recorded: account 0x%s slot 0x%s", hex, slot_hex);
}

static void data_free(struct fork *fork)
{
	struct fork_data *data = (struct fork_data *)fork;

	dict_release(&data->accounts);
	dict_release(&data->slots);
	arena_release(&data->arena);
	free(data);
}

static const struct fork_type data_type = {
	.account = data_account,
	.slot = data_slot,
	.free = data_free,
};

enum err fork_data_load(const char *path, const char *which, struct fork **out,
			struct err_detail *detail)
{
	char full[PATH_BYTES];
	int n = which ? snprintf(full, sizeof full, "%s/foundry/rpc/%s", path, which)
		      : snprintf(full, sizeof full, "%s", path);

	if (n < 0 || (size_t)n >= sizeof full)
		return err_set(detail, ERR_INVALID, "the path is too long");
	while (n > 1 && full[n - 1] == '/')
		full[--n] = 0;
	struct fork_data *data = calloc(1, sizeof *data);
	if (!data)
		return err_set(detail, ERR_NOMEM, "out of memory");
	data->base.type = &data_type;
	arena_init(&data->arena, MEMORY_LIMIT);
	*out = &data->base;
	enum err err = load(data, full, detail);
	if (err != OK)
		fork_free(out);
	return err;
}
