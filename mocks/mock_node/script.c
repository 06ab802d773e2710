/* SPDX-License-Identifier: MIT */
#include "mock_node/script.h"

static const struct {
	const char *name;
	enum fault_kind kind;
} kinds[] = {
	{"http", FAULT_HTTP},
	{"reset", FAULT_RESET},
	{"fin", FAULT_FIN},
	{"no-answer", FAULT_NO_ANSWER},
	{"truncated", FAULT_TRUNCATED},
	{"html", FAULT_HTML},
	{"empty", FAULT_EMPTY},
	{"gzip", FAULT_GZIP},
	{"chunked", FAULT_CHUNKED},
	{"close", FAULT_CLOSE},
	{"slow", FAULT_SLOW},
	{"rpc-error", FAULT_RPC_ERROR},
	{"null", FAULT_VALUE},
	{"0x", FAULT_VALUE},
	{"0x0", FAULT_VALUE},
	{"value", FAULT_VALUE},
	{"no-message", FAULT_NO_MESSAGE},
	{"wrong-id", FAULT_WRONG_ID},
	{"string-id", FAULT_STRING_ID},
	{"null-id", FAULT_NULL_ID},
	{"no-jsonrpc", FAULT_NO_JSONRPC},
	{"error-null", FAULT_ERROR_NULL},
	{"batch-missing", FAULT_BATCH_MISSING},
	{"batch-extra", FAULT_BATCH_EXTRA},
	{"batch-reversed", FAULT_BATCH_REVERSED},
	{"batch-one-error", FAULT_BATCH_ONE_ERROR},
	{"batch-duplicate", FAULT_BATCH_DUPLICATE},
	{"chain", FAULT_CHAIN},
};

static const char *const batch_styles[] = {
	[BATCH_ERROR_OBJECT] = "object",
	[BATCH_HTTP_413] = "413",
	[BATCH_GETH] = "geth",
	[BATCH_CLOSE] = "close",
};

static const char *const tag_styles[] = {
	[TAG_UNKNOWN] = "unknown",
	[TAG_ERROR] = "error",
	[TAG_NULL] = "null",
};

static const char *const members[] = {
	"latency_ms",	     "item_us",	       "bandwidth",  "rate",	   "max_batch",
	"missing",	     "faults",	       "add_faults", "lag",	   "prune",
	"chain_id",	     "client_version", "alternate",  "safe",	   "finalized",
	"side_blocks",	     "eip1898",	       "answers",    "fault_rate", "fault_seed",
	"execution_witness",
};

bool script_knows(const char *member)
{
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (strcmp(members[i], member) == 0)
			return true;
	}
	return false;
}

void script_init(struct script *script)
{
	*script = (struct script){.retry_after = -1,
				  .safe = {SCRIPT_SAFE_DEPTH, TAG_KNOWN},
				  .finalized = {SCRIPT_FINALIZED_DEPTH, TAG_KNOWN}};
}

static void faults_release(struct fault **list)
{
	while (*list) {
		struct fault *fault = *list;
		*list = fault->next;
		json_decref(fault->spec);
		free(fault);
	}
}

void script_release(struct script *script)
{
	faults_release(&script->faults);
	faults_release(&script->random);
	json_decref(script->missing);
	json_decref(script->answers);
	json_decref(script->client_version);
	script_init(script);
}

/* A member that is a number, if it is there; null is zero. */
static enum err number(const json_t *object, const char *name, uint64_t *out,
		       struct err_detail *detail)
{
	const json_t *value = json_object_get(object, name);

	if (!value)
		return OK;
	if (json_is_integer(value) && json_integer_value(value) >= 0)
		*out = (uint64_t)json_integer_value(value);
	else if (json_is_null(value))
		*out = 0;
	else
		return err_set(detail, ERR_INVALID,
			       "%s: a number that is not negative, or null", name);
	return OK;
}

static bool kind_by_name(const char *name, enum fault_kind *kind)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

static enum err add_fault(struct fault **end, json_t *spec, struct err_detail *detail)
{
	const char *name = json_string_value(json_object_get(spec, "kind"));
	const json_t *count = json_object_get(spec, "count");
	enum fault_kind kind;

	if (!name || !kind_by_name(name, &kind))
		return err_set(detail, ERR_INVALID, "faults: kind \"%s\" is not known",
			       name ? name : "");
	struct fault *fault = calloc(1, sizeof *fault);
	if (!fault)
		return ERR_NOMEM;
	fault->kind = kind;
	fault->spec = json_incref(spec);
	fault->method = json_string_value(json_object_get(spec, "method"));
	fault->match = json_string_value(json_object_get(spec, "match"));
	fault->after = (uint64_t)json_integer_value(json_object_get(spec, "after"));
	fault->every = (uint64_t)json_integer_value(json_object_get(spec, "every"));
	fault->count = json_is_integer(count) ? json_integer_value(count) : -1;
	while (*end)
		end = &(*end)->next;
	*end = fault;
	return OK;
}

static enum err add_faults(struct fault **end, const json_t *list, struct err_detail *detail)
{
	enum err err = OK;
	size_t i;
	json_t *spec;

	json_array_foreach(list, i, spec)
	{
		if (err == OK)
			err = add_fault(end, spec, detail);
	}
	return err;
}

/* Those that a client is to survive by asking again. */
static const char random_faults[] =
	"[{\"kind\":\"http\",\"status\":429},{\"kind\":\"http\",\"status\":503},"
	"{\"kind\":\"reset\"},{\"kind\":\"truncated\"},{\"kind\":\"slow\",\"delay_ms\":100},"
	"{\"kind\":\"rpc-error\",\"code\":-32603,\"message\":\"Internal error\"},"
	"{\"kind\":\"null\"}]";

static enum err apply_chance(struct script *script, const json_t *control,
			     struct err_detail *detail)
{
	enum err err = number(control, "fault_rate", &script->fault_rate, detail);

	if (err == OK)
		err = number(control, "fault_seed", &script->fault_state, detail);
	if (err == OK && script->fault_rate > 100)
		err = err_set(detail, ERR_INVALID, "fault_rate: at most 100");
	if (err != OK || script->random)
		return err;
	json_t *list = json_loads(random_faults, 0, NULL);
	err = list ? add_faults(&script->random, list, detail) : ERR_NOMEM;
	json_decref(list);
	return err;
}

static enum err apply_rate(struct script *script, const json_t *rate, const json_t *control,
			   struct err_detail *detail)
{
	script->rate = 0;
	script->rate_style = RATE_HTTP_429;
	script->rate_by_items = false;
	script->retry_after = -1;
	script->tokens_at_us = 0;
	if (!json_is_object(rate)) {
		enum err err = number(control, "rate", &script->rate, detail);
		script->burst = script->rate;
		return err;
	}
	enum err err = number(rate, "per_second", &script->rate, detail);
	script->burst = script->rate;
	if (err == OK)
		err = number(rate, "burst", &script->burst, detail);
	const char *style = json_string_value(json_object_get(rate, "style"));
	const char *by = json_string_value(json_object_get(rate, "by"));
	if (style && strcmp(style, "rpc") == 0)
		script->rate_style = RATE_RPC_ERROR;
	else if (style && strcmp(style, "429") != 0)
		return err_set(detail, ERR_INVALID, "rate: style is \"429\" or \"rpc\"");
	script->rate_by_items = by && strcmp(by, "items") == 0;
	const json_t *retry_after = json_object_get(rate, "retry_after");
	if (json_is_integer(retry_after))
		script->retry_after = json_integer_value(retry_after);
	return err;
}

static enum err apply_max_batch(struct script *script, const json_t *limit,
				const json_t *control, struct err_detail *detail)
{
	script->batch_style = BATCH_ERROR_OBJECT;
	if (!json_is_object(limit))
		return number(control, "max_batch", &script->max_batch, detail);
	enum err err = number(limit, "items", &script->max_batch, detail);
	const char *style = json_string_value(json_object_get(limit, "style"));
	if (!style)
		return err;
	for (size_t i = 0; i < sizeof batch_styles / sizeof batch_styles[0]; i++) {
		if (strcmp(batch_styles[i], style) == 0) {
			script->batch_style = (enum batch_style)i;
			return err;
		}
	}
	return err_set(detail, ERR_INVALID, "max_batch: style \"%s\" is not known", style);
}

/* Keeps a reference to a member that is there; null drops what was kept. */
static void keep(const json_t *control, const char *name, json_t **kept)
{
	json_t *value = json_object_get(control, name);

	if (!value)
		return;
	json_decref(*kept);
	*kept = json_is_null(value) ? NULL : json_incref(value);
}

static enum err apply_numbers(struct script *script, const json_t *control,
			      struct err_detail *detail)
{
	uint64_t latency_ms = script->latency_us / 1000;
	enum err err = number(control, "latency_ms", &latency_ms, detail);

	script->latency_us = latency_ms * 1000;
	if (err == OK)
		err = number(control, "item_us", &script->item_us, detail);
	if (err == OK)
		err = number(control, "bandwidth", &script->bandwidth, detail);
	if (err == OK)
		err = number(control, "lag", &script->lag, detail);
	if (err == OK)
		err = number(control, "alternate", &script->alternate, detail);
	if (err == OK)
		err = number(control, "chain_id", &script->chain_id, detail);
	if (json_object_get(control, "prune"))
		script->pruning = !json_is_null(json_object_get(control, "prune"));
	if (err == OK)
		err = number(control, "prune", &script->prune, detail);
	return err;
}

static enum err apply_tag(const json_t *control, const char *name, struct script_tag *tag,
			  struct err_detail *detail)
{
	const char *style = json_string_value(json_object_get(control, name));

	if (!style) {
		if (json_object_get(control, name))
			tag->style = TAG_KNOWN;
		return number(control, name, &tag->depth, detail);
	}
	for (size_t i = TAG_UNKNOWN; i < sizeof tag_styles / sizeof tag_styles[0]; i++) {
		if (strcmp(tag_styles[i], style) == 0) {
			tag->style = (enum tag_style)i;
			return OK;
		}
	}
	return err_set(detail, ERR_INVALID, "%s: style \"%s\" is not known", name, style);
}

/* A member that is true or false; *missing is its opposite. */
static void apply_ability(const json_t *control, const char *name, bool *missing)
{
	const json_t *value = json_object_get(control, name);
	if (value)
		*missing = json_is_false(value);
}

static enum err apply_view(struct script *script, const json_t *control,
			   struct err_detail *detail)
{
	apply_ability(control, "side_blocks", &script->without_side_blocks);
	apply_ability(control, "eip1898", &script->without_eip1898);
	if (json_object_get(control, "execution_witness"))
		script->execution_witness =
			json_is_true(json_object_get(control, "execution_witness"));
	enum err err = apply_tag(control, "safe", &script->safe, detail);
	if (err == OK)
		err = apply_tag(control, "finalized", &script->finalized, detail);
	return err;
}

enum err script_apply(struct script *script, const json_t *control, struct err_detail *detail)
{
	const json_t *rate = json_object_get(control, "rate");
	const json_t *limit = json_object_get(control, "max_batch");
	const json_t *faults = json_object_get(control, "faults");
	enum err err = apply_numbers(script, control, detail);

	if (err == OK)
		err = apply_view(script, control, detail);
	if (err == OK && rate)
		err = apply_rate(script, rate, control, detail);
	if (err == OK && limit)
		err = apply_max_batch(script, limit, control, detail);
	if (faults)
		faults_release(&script->faults);
	if (err == OK)
		err = add_faults(&script->faults, faults, detail);
	if (err == OK)
		err = add_faults(&script->faults, json_object_get(control, "add_faults"),
				 detail);
	if (err == OK)
		err = apply_chance(script, control, detail);
	keep(control, "missing", &script->missing);
	keep(control, "answers", &script->answers);
	keep(control, "client_version", &script->client_version);
	return err;
}

bool script_admit(struct script *script, uint64_t now_us, uint64_t items)
{
	double cost = script->rate_by_items ? (double)items : 1;

	if (!script->rate)
		return true;
	if (script->tokens_at_us == 0)
		script->tokens = (double)script->burst;
	else
		script->tokens +=
			(double)(now_us - script->tokens_at_us) * (double)script->rate / 1e6;
	if (script->tokens > (double)script->burst)
		script->tokens = (double)script->burst;
	script->tokens_at_us = now_us;
	if (script->tokens < cost)
		return false;
	script->tokens -= cost;
	return true;
}

void script_turn(struct script *script)
{
	script->turn++;
}

/* splitmix64. */
static uint64_t chance(struct script *script)
{
	uint64_t x = script->fault_state += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void script_draw(struct script *script, uint64_t items)
{
	uint64_t count = 0;

	script->drawn = NULL;
	if (script->fault_rate == 0 || items == 0 || chance(script) % 100 >= script->fault_rate)
		return;
	for (const struct fault *fault = script->random; fault; fault = fault->next)
		count++;
	script->drawn = script->random;
	for (uint64_t nth = chance(script) % count; nth > 0; nth--)
		script->drawn = script->drawn->next;
	script->drawn_after = chance(script) % items;
}

uint64_t script_lag(const struct script *script)
{
	return script->lag + (script->turn % 2 == 0 ? script->alternate : 0);
}

bool script_is_missing(const struct script *script, struct span method)
{
	size_t i;
	const json_t *name;

	json_array_foreach(script->missing, i, name)
	{
		if (json_is_string(name) && span_is(method, json_string_value(name)))
			return true;
	}
	return false;
}

const json_t *script_answer(const struct script *script, struct span method)
{
	return json_object_getn(script->answers, method.ptr, method.len);
}

static bool concerns(const struct fault *fault, struct span method, struct span key, bool batch)
{
	if (fault->count == 0 || (fault->method && !span_is(method, fault->method)))
		return false;
	if (!batch && fault->kind > FAULT_LAST_OF_ITEM && fault->kind <= FAULT_LAST_OF_BATCH)
		return false;
	return !fault->match || memmem(key.ptr, key.len, fault->match, strlen(fault->match));
}

const struct fault *script_strike(struct script *script, struct span method, struct span key,
				  bool batch)
{
	for (struct fault *fault = script->faults; fault; fault = fault->next) {
		if (!concerns(fault, method, key, batch))
			continue;
		if (fault->after > 0) {
			fault->after--;
			continue;
		}
		if (fault->count > 0)
			fault->count--;
		fault->struck++;
		fault->after = fault->every ? fault->every - 1 : 0;
		return fault;
	}
	if (!script->drawn || script->drawn_after-- > 0)
		return NULL;
	struct fault *drawn = script->drawn;
	script->drawn = NULL;
	return drawn;
}

json_t *script_struck(const struct script *script)
{
	json_t *list = json_array();

	for (const struct fault *fault = script->faults; list && fault; fault = fault->next) {
		if (json_array_append_new(list, json_integer((json_int_t)fault->struck)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
