/* SPDX-License-Identifier: MIT */
/* Objects, lists and maps of canonical forms; the scalars are in form_scalar.c. */
#include "rpc/form_impl.h"
#include <strings.h>

/* ---- the forms ---- */

#define COUNT(array)  (sizeof(array) / sizeof(array)[0])
#define FIELDS(table) .fields = (table), .fields_n = COUNT(table)
#define LIST(name, element) \
	static const struct form name = {.shape = FORM_LIST, .of = &(element)}
#define SCALAR(name, function) static const struct form name = {.put = (function)}

SCALAR(json, form_put_json);
SCALAR(address, form_put_address);
SCALAR(data, form_put_data);
SCALAR(quantity, form_put_quantity);
SCALAR(hash, form_put_hash);
SCALAR(word, form_put_word);
SCALAR(addresses, form_put_addresses);
SCALAR(topics, form_put_topics);
SCALAR(types, form_put_types);
LIST(hashes, hash);
LIST(datas, data);
LIST(words, word);

static const struct field access_fields[] = {{"address", &address, NULL},
					     {"storageKeys", &words, NULL}};
static const struct form access_entry = {.shape = FORM_OBJECT, FIELDS(access_fields)};
LIST(access_list, access_entry);

static const struct field authorization_fields[] = {
	{"address", &address, NULL}, {"chainId", &quantity, NULL}, {"nonce", &quantity, NULL},
	{"r", &quantity, NULL},	     {"s", &quantity, NULL},	   {"v", &quantity, NULL},
	{"yParity", &quantity, NULL}};
static const struct form authorization = {.shape = FORM_OBJECT, FIELDS(authorization_fields)};
LIST(authorization_list, authorization);

static const struct field tx_fields[] = {
	{"accessList", &access_list, NULL},
	{"authorizationList", &authorization_list, NULL},
	{"blobVersionedHashes", &hashes, NULL},
	{"blobs", &datas, NULL},
	{"chainId", &quantity, NULL},
	{"commitments", &datas, NULL},
	{"data", &data, "\"0x\""},
	{"from", &address, NULL},
	{"gas", &quantity, NULL},
	{"gasPrice", &quantity, NULL},
	{"maxFeePerBlobGas", &quantity, NULL},
	{"maxFeePerGas", &quantity, NULL},
	{"maxPriorityFeePerGas", &quantity, NULL},
	{"nonce", &quantity, NULL},
	{"proofs", &datas, NULL},
	{"to", &address, NULL},
	{"type", &quantity, NULL},
	{"value", &quantity, "\"0x0\""},
};
#define TX \
	.shape = FORM_OBJECT, FIELDS(tx_fields), .is_tx = true, .must = "a transaction object"
static const struct form tx = {TX}, call = {TX, .fills_sender = true};
LIST(txs, tx);

static const struct form slots = {.shape = FORM_MAP, .put = form_put_word, .of = &word};
static const struct field account_fields[] = {{"balance", &quantity, NULL},
					      {"code", &data, NULL},
					      {"movePrecompileToAddress", &address, NULL},
					      {"nonce", &quantity, NULL},
					      {"state", &slots, NULL},
					      {"stateDiff", &slots, NULL}};
static const struct form account = {.shape = FORM_OBJECT, FIELDS(account_fields)};
static const struct form state = {.shape = FORM_MAP, .put = form_put_address, .of = &account};

static const struct field withdrawal_fields[] = {{"address", &address, NULL},
						 {"amount", &quantity, NULL},
						 {"index", &quantity, NULL},
						 {"validatorIndex", &quantity, NULL}};
static const struct form withdrawal = {.shape = FORM_OBJECT, FIELDS(withdrawal_fields)};
LIST(withdrawals, withdrawal);

static const struct field overrides_fields[] = {
	{"baseFee", &quantity, NULL},	  {"baseFeePerGas", &quantity, NULL},
	{"beaconRoot", &hash, NULL},	  {"blobBaseFee", &quantity, NULL},
	{"coinbase", &address, NULL},	  {"difficulty", &quantity, NULL},
	{"feeRecipient", &address, NULL}, {"gasLimit", &quantity, NULL},
	{"number", &quantity, NULL},	  {"prevRandao", &hash, NULL},
	{"random", &hash, NULL},	  {"time", &quantity, NULL},
	{"timestamp", &quantity, NULL},	  {"withdrawals", &withdrawals, NULL}};
static const struct form overrides = {.shape = FORM_OBJECT, FIELDS(overrides_fields)};

static const struct field config_fields[] = {{"blockOverrides", &overrides, "{}"},
					     {"stateOverrides", &state, "{}"},
					     {"txIndex", &quantity, NULL}};
static const struct form config = {.shape = FORM_OBJECT, FIELDS(config_fields)};

static const struct form *const pair_forms[] = {&tx, &types};
static const struct form pair = {
	.shape = FORM_TUPLE, .tuple = pair_forms, .tuple_n = COUNT(pair_forms)};
LIST(pairs, pair);

static const struct field bundle_fields[] = {{"blockOverride", &overrides, "{}"},
					     {"transactions", &txs, NULL}};
static const struct form bundle = {.shape = FORM_OBJECT, FIELDS(bundle_fields)};
LIST(bundles, bundle);

/* The block is written by who knows it. */
static const struct field context_fields[] = {{"blockHash", NULL, NULL},
					      {"blockNumber", NULL, NULL},
					      {"requireCanonical", NULL, NULL}};
static const struct form context = {.shape = FORM_OBJECT, FIELDS(context_fields)};

static const struct field block_calls_fields[] = {{"blockOverrides", &overrides, "{}"},
						  {"calls", &txs, NULL},
						  {"stateOverrides", &state, "{}"}};
static const struct form block_calls = {.shape = FORM_OBJECT, FIELDS(block_calls_fields)};
LIST(blocks_calls, block_calls);
static const struct field simulation_fields[] = {{"blockStateCalls", &blocks_calls, NULL},
						 {"returnFullTransactions", &json, "false"},
						 {"traceTransfers", &json, "false"},
						 {"validation", &json, "false"}};
static const struct form simulation = {
	.shape = FORM_OBJECT, FIELDS(simulation_fields), .must = "an object"};

static const struct field logs_fields[] = {{"address", &addresses, "[]"},
					   {"blockHash", NULL, NULL},
					   {"fromBlock", NULL, NULL},
					   {"toBlock", NULL, NULL},
					   {"topics", &topics, "[]"}};
const struct form form_logs = {
	.shape = FORM_OBJECT, FIELDS(logs_fields), .must = "a filter object"};
static const struct field traces_fields[] = {{"fromAddress", &addresses, NULL},
					     {"fromBlock", NULL, NULL},
					     {"toAddress", &addresses, NULL},
					     {"toBlock", NULL, NULL}};
const struct form form_traces = {
	.shape = FORM_OBJECT, FIELDS(traces_fields), .must = "a filter object"};

const struct form *form_of(enum param_kind kind)
{
	switch (kind) {
	case PARAM_CALL:
		return &call;
	case PARAM_TX:
		return &tx;
	case PARAM_STATE:
		return &state;
	case PARAM_OVERRIDES:
		return &overrides;
	case PARAM_CONFIG:
		return &config;
	case PARAM_TYPES:
		return &types;
	case PARAM_PAIRS:
		return &pairs;
	case PARAM_BUNDLES:
		return &bundles;
	case PARAM_CONTEXT:
		return &context;
	case PARAM_SIMULATION:
		return &simulation;
	case PARAM_ADDRESS:
	case PARAM_SLOT:
	case PARAM_SLOTS:
	case PARAM_BLOCK:
	case PARAM_NUMBER:
	case PARAM_HASH:
	case PARAM_INDEX:
	case PARAM_COUNT:
	case PARAM_PERCENTS:
	case PARAM_FLAG:
	case PARAM_DATA:
	case PARAM_ANY:
		break;
	}
	return NULL;
}

/* ---- members ---- */

/* Up to this many members of one object need no memory. */
#define MEMBERS_FEW 16

struct member {
	struct span given, value;
	char text[68]; /* a map's name in its form, if it has one */
	size_t text_n;
};

struct members {
	struct member few[MEMBERS_FEW];
	struct member *all; /* few, or the heap */
	size_t n, capacity;
};

static struct span name_of(const struct member *member)
{
	return member->text_n > 0 ? (struct span){member->text, member->text_n} : member->given;
}

static int by_name(const void *one, const void *other)
{
	return span_order(name_of(one), name_of(other));
}

static struct member *members_add(struct members *members)
{
	if (members->n == members->capacity) {
		size_t capacity = members->capacity * 4;
		bool was_few = members->all == members->few;
		struct member *all =
			realloc(was_few ? NULL : members->all, capacity * sizeof *all);
		if (all == NULL)
			return NULL;
		if (was_few)
			memcpy(all, members->few, sizeof members->few);
		members->all = all;
		members->capacity = capacity;
	}
	struct member *member = &members->all[members->n++];
	member->text_n = 0;
	return member;
}

static enum err twice(struct err_detail *why)
{
	return err_set(why, ERR_INVALID,
		       "an object has one name twice, or a name with an escape");
}

/* Whether some node may read a name as that of a known member, which it is not: Go's and C#'s
 * decoders take either case, and the former also what Unicode folds to ASCII. In another order,
 * or beside the member itself, it would mean something else. */
static bool is_lookalike(const struct form *form, struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] >= 0x80)
			return true;
	for (size_t i = 0; i <= form->fields_n; i++) {
		const char *known = i < form->fields_n ? form->fields[i].name
				    : form->is_tx      ? "input"
						       : "";
		if (strlen(known) == name.len && strncasecmp(known, name.ptr, name.len) == 0 &&
		    !span_is(name, known))
			return true;
	}
	return false;
}

/* A name of a map in its form: an address, a slot. What has none stays as it is. */
static enum err put_name(const struct form *form, struct member *member, struct err_detail *why)
{
	/* As the JSON string that it is: the quotes stand around it. */
	struct span quoted = {member->given.ptr - 1, member->given.len + 2};
	struct buf text;

	buf_init(&text, sizeof member->text);
	enum err err = form->put(quoted, &text, why);
	if (err == OK && text.len > 2) {
		member->text_n = text.len - 2;
		memcpy(member->text, text.ptr + 1, member->text_n);
	}
	if (err == OK)
		err = buf_err(&text);
	buf_release(&text);
	/* Too long for a form: it is none. */
	return err == ERR_LIMIT ? OK : err;
}

static enum err members_read(const struct form *form, struct span object,
			     struct members *members, struct err_detail *why)
{
	struct json_iter iter = json_iter(object);
	struct span name, value;

	while (json_next_member(&iter, &name, &value)) {
		if (memchr(name.ptr, '\\', name.len) != NULL)
			return twice(why);
		if (form->shape == FORM_OBJECT && is_lookalike(form, name))
			return err_set(why, ERR_INVALID,
				       "a member's name is in other letters than its own");
		struct member *member = members_add(members);
		if (member == NULL)
			return ERR_NOMEM;
		member->given = name;
		member->value = value;
		if (form->shape == FORM_MAP) {
			enum err err = put_name(form, member, why);
			if (err != OK)
				return err;
		}
	}
	qsort(members->all, members->n, sizeof *members->all, by_name);
	for (size_t i = 1; i < members->n; i++)
		if (span_equal(name_of(&members->all[i - 1]), name_of(&members->all[i])))
			return twice(why);
	return OK;
}

static struct member *members_find(struct members *members, const char *name)
{
	for (size_t i = 0; i < members->n; i++)
		if (span_is(members->all[i].given, name) &&
		    json_type(members->all[i].value) != JSON_NULL)
			return &members->all[i];
	return NULL;
}

/* "input" becomes "data". */
static enum err merge_input(struct members *members, struct err_detail *why)
{
	struct member *input = members_find(members, "input"),
		      *given = members_find(members, "data");

	if (input == NULL)
		return OK;
	if (given == NULL) {
		/* A "data" of null may be there, too: the order of names stays that of "data"
		 * only if this one takes its place. */
		input->given = SPAN("data");
		qsort(members->all, members->n, sizeof *members->all, by_name);
		return OK;
	}
	struct buf a, b;
	buf_init(&a, SIZE_MAX);
	buf_init(&b, SIZE_MAX);
	enum err err = form_put_data(given->value, &a, why);
	if (err == OK)
		err = form_put_data(input->value, &b, why);
	if (err == OK && !span_equal(buf_as_span(&a), buf_as_span(&b)))
		err = err_set(why, ERR_INVALID,
			      "both \"data\" and \"input\" are set and not equal. Please use "
			      "\"input\" to pass transaction call data");
	buf_release(&a);
	buf_release(&b);
	input->value = SPAN("null");
	return err;
}

static enum err fill_sender(struct members *members)
{
	if (members_find(members, "from") != NULL)
		return OK;
	struct member *member = members_add(members);
	if (member == NULL)
		return ERR_NOMEM;
	member->given = SPAN("from");
	member->value = SPAN("\"0x0000000000000000000000000000000000000000\"");
	qsort(members->all, members->n, sizeof *members->all, by_name);
	return OK;
}

static const struct field *field_of(const struct form *form, struct span name)
{
	static const struct field unknown = {"", &json, NULL};

	for (size_t i = 0; i < form->fields_n; i++)
		if (span_is(name, form->fields[i].name))
			return &form->fields[i];
	return &unknown;
}

/* Nothing is appended for what is left out. */
static enum err put_member(const struct form *form, const struct member *member,
			   const char *separator, struct buf *out, struct err_detail *why)
{
	const struct field whole = {"", form->of, NULL};
	const struct field *field =
		form->shape == FORM_MAP ? &whole : field_of(form, member->given);
	size_t start = out->len;

	if (field->form == NULL ||
	    (json_type(member->value) == JSON_NULL && form->shape == FORM_OBJECT))
		return OK;
	buf_text(out, separator);
	buf_char(out, '"');
	buf_span(out, name_of(member));
	buf_text(out, "\":");
	size_t at = out->len;
	enum err err = form_put(field->form, member->value, out, why);
	if (err == OK && field->omitted_as != NULL && out->ptr != NULL &&
	    span_is((struct span){out->ptr + at, out->len - at}, field->omitted_as))
		out->len = start;
	return err;
}

static enum err put_members(const struct form *form, struct span object,
			    struct members *members, struct buf *out, struct err_detail *why)
{
	enum err err = members_read(form, object, members, why);
	size_t start = out->len;

	if (err == OK && form->is_tx)
		err = merge_input(members, why);
	if (err == OK && form->fills_sender)
		err = fill_sender(members);
	buf_char(out, '{');
	for (size_t i = 0; err == OK && i < members->n; i++)
		err = put_member(form, &members->all[i], out->len > start + 1 ? "," : "", out,
				 why);
	buf_char(out, '}');
	return err;
}

/* ---- values ---- */

static enum err put_object(const struct form *form, struct span value, struct buf *out,
			   struct err_detail *why)
{
	struct members members = {.all = members.few, .capacity = MEMBERS_FEW};
	enum err err = put_members(form, value, &members, out, why);

	if (members.all != members.few)
		free(members.all);
	return err;
}

static enum err put_list(const struct form *form, struct span value, struct buf *out,
			 struct err_detail *why)
{
	struct json_iter iter = json_iter(value);
	struct span element;
	enum err err = OK;
	size_t n = 0;

	buf_char(out, '[');
	for (; err == OK && json_next_element(&iter, &element); n++) {
		const struct form *of = form->shape == FORM_LIST ? form->of
					: n < form->tuple_n	 ? form->tuple[n]
								 : &json;
		if (n > 0)
			buf_char(out, ',');
		err = form_put(of, element, out, why);
	}
	buf_char(out, ']');
	return err;
}

enum err form_put(const struct form *form, struct span value, struct buf *out,
		  struct err_detail *why)
{
	enum json_type wanted = form->shape == FORM_LIST || form->shape == FORM_TUPLE
					? JSON_ARRAY
					: JSON_OBJECT;
	enum err err;

	if (form->shape == FORM_SCALAR)
		err = form->put(value, out, why);
	else if (json_type(value) != wanted && form->must != NULL)
		err = err_set(why, ERR_INVALID, "not %s", form->must);
	else if (json_type(value) != wanted)
		err = form_put_json(value, out, why);
	else if (wanted == JSON_ARRAY)
		err = put_list(form, value, out, why);
	else
		err = put_object(form, value, out, why);
	return err == OK ? buf_err(out) : err;
}
