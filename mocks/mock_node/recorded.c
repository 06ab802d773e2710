/* SPDX-License-Identifier: MIT */
#include "mock_node/recorded.h"
#include "mock_node/canon.h"
#include "mock_node/dict.h"
#include "mock_node/fork_data.h"
#include "mock_node/full_block.h"
#include "mock_node/meaning.h"
#include "mock_node/params.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define KEY_LIMIT  (64u << 20)
#define PATH_BYTES 1024
#define DEPTH_MAX  8

struct pair {
	struct pair *next;
	json_t *method, *params, *answer; /* answer: result, or error object */
	bool is_error;
	struct buf key;
};

struct block_name {
	struct block_name *next;
	struct span hash; /* borrowed from a pair */
	uint64_t number;
};

struct recorded {
	struct pair *pairs;
	struct block_name *blocks;
	struct dict by_key, number_by_hash;
	uint64_t chain_id, head;
};

static enum err add_pair(struct recorded *recorded, json_t *method, json_t *params,
			 json_t *answer, bool is_error)
{
	struct pair *pair = calloc(1, sizeof *pair);

	if (!pair)
		return ERR_NOMEM;
	*pair = (struct pair){recorded->pairs,
			      json_incref(method),
			      json_incref(params),
			      json_incref(answer),
			      is_error,
			      {0}};
	buf_init(&pair->key, KEY_LIMIT);
	recorded->pairs = pair;
	return OK;
}

/* {"[\"method\",param,...]": result, ...} */
static enum err read_snapshot(struct recorded *recorded, json_t *snapshot)
{
	const char *text;
	json_t *result;
	enum err err = OK;

	json_object_foreach(snapshot, text, result)
	{
		json_t *call = text[0] == '[' ? json_loads(text, 0, NULL) : NULL;
		json_t *method = json_incref(json_array_get(call, 0));
		if (err == OK && json_is_string(method)) {
			json_array_remove(call, 0);
			err = add_pair(recorded, method, call, result, false);
		}
		json_decref(method);
		json_decref(call);
	}
	return err;
}

static enum err read_exchange(struct recorded *recorded, const json_t *request,
			      const json_t *response)
{
	json_t *error = json_object_get(response, "error");
	json_t *result = json_object_get(response, "result");
	json_t *params = json_object_get(request, "params");
	json_t *method = json_object_get(request, "method");
	enum err err = OK;

	if (!json_is_string(method) || !(error || result))
		return OK;
	params = json_is_array(params) ? json_incref(params) : json_array();
	err = add_pair(recorded, method, params, error ? error : result, error != NULL);
	json_decref(params);
	return err;
}

/* Lines ">> request" and "<< response"; others are comments. */
static enum err read_io(struct recorded *recorded, FILE *file)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	json_t *request = NULL;
	enum err err = OK;

	while (err == OK && (n = getline(&line, &room, file)) > 3) {
		bool is_request = strncmp(line, ">> ", 3) == 0;
		if (!is_request && strncmp(line, "<< ", 3) != 0)
			continue;
		json_t *json = json_loadb(line + 3, (size_t)n - 3, 0, NULL);
		if (is_request) {
			json_decref(request);
			request = json;
			continue;
		}
		err = read_exchange(recorded, request, json);
		json_decref(json);
	}
	json_decref(request);
	free(line);
	return err;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* NETWORK-NUMBER.json says where it was recorded. */
static void read_name(struct recorded *recorded, const char *name)
{
	const char *dash = strchr(name, '-');
	char *end;

	if (!dash)
		return;
	uint64_t id = fork_data_chain_id_of((struct span){name, (size_t)(dash - name)});
	uint64_t number = strtoull(dash + 1, &end, 10);
	if (!id || end == dash + 1)
		return;
	recorded->chain_id = id;
	recorded->head = number;
}

static enum err read_file(struct recorded *recorded, const char *path, const char *name)
{
	enum err err = OK;

	if (ends_with(name, ".io")) {
		FILE *file = fopen(path, "re");
		if (!file)
			return ERR_IO;
		err = read_io(recorded, file);
		fclose(file);
	} else if (ends_with(name, ".json")) {
		const struct pair *before = recorded->pairs;
		json_t *snapshot = json_load_file(path, JSON_ALLOW_NUL, NULL);
		if (json_is_object(snapshot))
			err = read_snapshot(recorded, snapshot);
		json_decref(snapshot);
		if (recorded->pairs != before)
			read_name(recorded, name);
	}
	return err;
}

static enum err read_path(struct recorded *recorded, const char *path, const char *which,
			  unsigned depth)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct dirent **entries;
	struct stat st;
	enum err err = OK;

	if (stat(path, &st) != 0)
		return ERR_IO;
	if (!S_ISDIR(st.st_mode)) {
		bool wanted = !which || depth == 0 || strncmp(name, which, strlen(which)) == 0;
		return wanted ? read_file(recorded, path, name) : OK;
	}
	int count = depth < DEPTH_MAX ? scandir(path, &entries, NULL, alphasort) : 0;
	if (count < 0)
		return ERR_IO;
	for (int i = 0; i < count; i++) {
		char child[PATH_BYTES];
		int n = snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
		if (err == OK && entries[i]->d_name[0] != '.' && (size_t)n < sizeof child)
			err = read_path(recorded, child, which, depth + 1);
		free(entries[i]);
	}
	if (count > 0)
		free(entries);
	return err;
}

static enum err note_block(struct recorded *recorded, const json_t *hash, const json_t *number)
{
	struct block_name *block;
	uint64_t n;

	if (json_string_length(hash) != 66 || eth_quantity_u64(json_text(number), &n) != OK ||
	    dict_get(&recorded->number_by_hash, json_text(hash)))
		return OK;
	block = calloc(1, sizeof *block);
	if (!block)
		return ERR_NOMEM;
	*block = (struct block_name){recorded->blocks, json_text(hash), n};
	recorded->blocks = block;
	return dict_put(&recorded->number_by_hash, block->hash, block);
}

/* What the answers say about blocks, the chain and its head. */
static enum err survey(struct recorded *recorded)
{
	for (struct pair *pair = recorded->pairs; pair; pair = pair->next) {
		struct span method = json_text(pair->method);
		const json_t *a = pair->answer;
		enum err err;
		if (span_is(method, "eth_chainId"))
			(void)!eth_quantity_u64(json_text(a), &recorded->chain_id);
		if (span_is(method, "eth_blockNumber"))
			(void)!eth_quantity_u64(json_text(a), &recorded->head);
		if (json_object_get(a, "blockHash"))
			err = note_block(recorded, json_object_get(a, "blockHash"),
					 json_object_get(a, "blockNumber"));
		else
			err = note_block(recorded, json_object_get(a, "hash"),
					 json_object_get(a, "number"));
		if (err != OK)
			return err;
	}
	return OK;
}

static json_t *number_json(uint64_t number)
{
	char text[19] = {0};
	eth_quantity_format_u64(number, text);
	return json_string(text);
}

/* The block parameter as a number, if it is known by one. Returns a new reference. */
static json_t *plain_block(const struct recorded *recorded, json_t *param)
{
	json_t *hash = json_object_get(param, "blockHash");
	json_t *number = json_object_get(param, "blockNumber");
	struct span text = json_text(hash ? hash : param);

	if (!param || json_is_null(param) || span_is(text, "latest") ||
	    span_is(text, "pending"))
		return number_json(recorded->head);
	const struct block_name *block = dict_get(&recorded->number_by_hash, text);
	if (block)
		return number_json(block->number);
	return json_incref(number ? number : param);
}

static int block_position(struct span method)
{
	if (span_is(method, "eth_getBlockByNumber") || span_is(method, "eth_getBlockReceipts"))
		return 0;
	return canon_block_position(method);
}

static void plain_key(const struct recorded *recorded, struct span method, const json_t *params,
		      struct buf *out)
{
	int at = block_position(method);
	json_t *plain = json_array(), *param;
	size_t i;

	json_array_foreach(params, i, param)
	{
		bool is_block = (int)i == at;
		json_array_append_new(plain, is_block ? plain_block(recorded, param)
						      : meaning_of(param));
	}
	if (at >= 0 && json_array_size(params) == (size_t)at)
		json_array_append_new(plain, plain_block(recorded, NULL));
	canon_key(out, method, plain);
	json_decref(plain);
}

static enum err index_pairs(struct recorded *recorded)
{
	for (struct pair *pair = recorded->pairs; pair; pair = pair->next) {
		plain_key(recorded, json_text(pair->method), pair->params, &pair->key);
		if (buf_err(&pair->key) != OK)
			return buf_err(&pair->key);
		enum err err = dict_put(&recorded->by_key, buf_as_span(&pair->key), pair);
		if (err != OK)
			return err;
	}
	return OK;
}

enum err recorded_load(const char *path, const char *which, struct recorded **out,
		       struct err_detail *detail)
{
	struct recorded *recorded = calloc(1, sizeof *recorded);

	if (!recorded)
		return err_set(detail, ERR_NOMEM, "out of memory");
	enum err err = read_path(recorded, path, which, 0);
	if (err != OK)
		err_set(detail, err, "%s: %s", path, strerror(errno));
	else if (!recorded->pairs)
		err = err_set(detail, ERR_INVALID, "%s: no recordings there", path);
	if (err == OK)
		err = survey(recorded);
	if (err == OK)
		err = index_pairs(recorded);
	if (err != OK)
		recorded_free(&recorded);
	*out = recorded;
	return err;
}

void recorded_free(struct recorded **recorded)
{
	if (!*recorded)
		return;
	while ((*recorded)->pairs) {
		struct pair *pair = (*recorded)->pairs;
		(*recorded)->pairs = pair->next;
		json_decref(pair->method);
		json_decref(pair->params);
		json_decref(pair->answer);
		buf_release(&pair->key);
		free(pair);
	}
	while ((*recorded)->blocks) {
		struct block_name *block = (*recorded)->blocks;
		(*recorded)->blocks = block->next;
		free(block);
	}
	dict_release(&(*recorded)->by_key);
	dict_release(&(*recorded)->number_by_hash);
	free(*recorded);
	*recorded = NULL;
}

uint64_t recorded_chain_id(const struct recorded *recorded)
{
	return recorded->chain_id;
}

uint64_t recorded_head(const struct recorded *recorded)
{
	return recorded->head;
}

static const struct pair *find(const struct recorded *recorded, struct span method,
			       const json_t *params)
{
	struct buf key;

	buf_init(&key, KEY_LIMIT);
	plain_key(recorded, method, params, &key);
	const struct pair *pair = dict_get(&recorded->by_key, buf_as_span(&key));
	buf_release(&key);
	return pair;
}

/* A block under its other name (number, hash), with either form of transactions. */
static bool answer_block(const struct recorded *recorded, const json_t *params,
			 struct answer *answer)
{
	bool full = json_is_true(json_array_get(params, 1));

	for (int recorded_full = 1; recorded_full >= 0; recorded_full--) {
		for (int by_hash = 0; by_hash < 2; by_hash++) {
			json_t *block = json_array_get(params, 0);
			json_t *call = json_pack("[o,b]",
						 by_hash ? json_incref(block)
							 : plain_block(recorded, block),
						 recorded_full);
			const struct pair *pair = find(recorded,
						       by_hash ? SPAN("eth_getBlockByHash")
							       : SPAN("eth_getBlockByNumber"),
						       call);
			json_decref(call);
			if (pair && json_is_object(pair->answer) && !pair->is_error &&
			    full_block_answer(pair->answer, full, answer))
				return true;
		}
	}
	return false;
}

bool recorded_answer(const struct recorded *recorded, struct span method, const json_t *params,
		     struct answer *answer)
{
	const struct pair *pair = find(recorded, method, params);

	if (!pair)
		return (span_is(method, "eth_getBlockByNumber") ||
			span_is(method, "eth_getBlockByHash")) &&
		       answer_block(recorded, params, answer);
	char *text = json_dumps(pair->answer, JSON_COMPACT | JSON_ENCODE_ANY);
	buf_text(&answer->json, text ? text : "null");
	free(text);
	answer->is_error = pair->is_error;
	return true;
}
