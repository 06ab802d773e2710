/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/keccak.h"
#include "layers/dump.h"

enum { DEPTH = 3 }; /* the document, a list, an item */

enum list { SELF_DESTRUCTS, BALANCES, NONCES, CODES, STORAGE, LISTS };

enum { MEMBERS_MAX = 4 };

/* One item of a list; which members count is the list's business. */
struct item {
	struct eth_address address;
	struct eth_bytes32 slot; /* STORAGE; else zero */
	struct eth_u256 value;	 /* STORAGE, BALANCES */
	uint64_t nonce;		 /* NONCES */
	struct span code;	 /* CODES */
	size_t at, index;	 /* where it stands: bytes from the start, and in its list */
};

struct load {
	struct span text;
	struct item *items[LISTS];
	size_t items_n[LISTS];
	struct err_detail *detail;
};

typedef enum err parse_fn(struct span text, struct item *item);

/* A member of an item: how it is read, and what it has to be. */
struct member {
	const char *name, *form;
	parse_fn *parse;
};

static enum err parse_address(struct span text, struct item *item)
{
	return eth_data_parse(text, item->address.bytes, 20);
}

static enum err parse_slot(struct span text, struct item *item)
{
	struct eth_u256 slot;
	const enum err err = eth_quantity_u256(text, &slot);
	memcpy(item->slot.bytes, slot.bytes, 32);
	return err;
}

static enum err parse_original(struct span text, struct item *item)
{
	(void)item; /* what is below is not ours to write */
	struct eth_u256 original;
	return eth_quantity_u256(text, &original);
}

static enum err parse_value(struct span text, struct item *item)
{
	return eth_quantity_u256(text, &item->value);
}

static enum err parse_nonce(struct span text, struct item *item)
{
	return eth_quantity_u64(text, &item->nonce);
}

static enum err parse_code(struct span text, struct item *item)
{
	size_t bytes;
	item->code = text;
	return eth_data_length(text, &bytes);
}

#define ADDRESS_FORM  "an address (0x and 40 digits)"
#define QUANTITY_FORM "a quantity of at most 256 bits (0x without leading zeros)"

static const struct list_form {
	const char *name;
	struct member members[MEMBERS_MAX]; /* none: the items are addresses */
} forms[LISTS] = {
	[STORAGE] = {"storage",
		     {{"address", ADDRESS_FORM, parse_address},
		      {"slot", QUANTITY_FORM, parse_slot},
		      {"originalValue", QUANTITY_FORM, parse_original},
		      {"newValue", QUANTITY_FORM, parse_value}}},
	[BALANCES] = {"balances",
		      {{"address", ADDRESS_FORM, parse_address},
		       {"balance", QUANTITY_FORM, parse_value}}},
	[NONCES] = {"nonces",
		    {{"address", ADDRESS_FORM, parse_address},
		     {"nonce", "a quantity of at most 64 bits (0x without leading zeros)",
		      parse_nonce}}},
	[CODES] = {"codes",
		   {{"address", ADDRESS_FORM, parse_address},
		    {"code", "data (0x and two digits a byte)", parse_code}}},
	[SELF_DESTRUCTS] = {"selfDestructs", {{NULL, NULL, NULL}}},
};

/* ---- reading ---- */

static size_t offset_of(const struct load *load, struct span part)
{
	return (size_t)(part.ptr - load->text.ptr);
}

/* What is wrong with an item: with one of its members, or (NULL) with all of it. */
static enum err bad_item(const struct load *load, enum list list, const struct item *item,
			 const char *member, size_t at, const char *what)
{
	return err_set(load->detail, ERR_INVALID, "%s[%zu]%s%s: %s, at byte %zu",
		       forms[list].name, item->index, member ? "." : "", member ? member : "",
		       what, at);
}

static enum err bad_name(const struct load *load, enum list list, const struct item *item,
			 struct span name, const char *what)
{
	enum { SHOWN = 64 };
	return err_set(load->detail, ERR_INVALID, "%s[%zu]: %s \"%.*s\", at byte %zu",
		       forms[list].name, item->index, what,
		       (int)(name.len < SHOWN ? name.len : SHOWN), name.ptr,
		       offset_of(load, name));
}

static enum err read_member(const struct load *load, enum list list, struct item *item,
			    const struct member *member, struct span value)
{
	char what[128];
	struct span text;
	if (json_string_plain(value, &text) && member->parse(text, item) == OK)
		return OK;
	snprintf(what, sizeof what, "not %s", member->form);
	return bad_item(load, list, item, member->name, offset_of(load, value), what);
}

static const struct member *find_member(const struct list_form *form, struct span name)
{
	for (size_t i = 0; i < MEMBERS_MAX && form->members[i].name; i++)
		if (span_is(name, form->members[i].name))
			return &form->members[i];
	return NULL;
}

static enum err read_object(const struct load *load, enum list list, struct item *item,
			    struct span value)
{
	const struct list_form *form = &forms[list];
	struct json_iter iter = json_iter(value);
	struct span name, part;
	unsigned seen = 0;
	if (json_type(value) != JSON_OBJECT)
		return bad_item(load, list, item, NULL, item->at, "not an object");
	while (json_next_member(&iter, &name, &part)) {
		const struct member *member = find_member(form, name);
		if (!member)
			return bad_name(load, list, item, name, "unknown member");
		const unsigned bit = 1u << (member - form->members);
		if (seen & bit)
			return bad_name(load, list, item, name, "a second member");
		seen |= bit;
		const enum err err = read_member(load, list, item, member, part);
		if (err != OK)
			return err;
	}
	for (size_t i = 0; i < MEMBERS_MAX && form->members[i].name; i++)
		if (!(seen & 1u << i))
			return bad_item(load, list, item, form->members[i].name, item->at,
					"missing");
	return OK;
}

static enum err read_item(const struct load *load, enum list list, struct item *item,
			  struct span value)
{
	struct span text;
	item->at = offset_of(load, value);
	if (list != SELF_DESTRUCTS)
		return read_object(load, list, item, value);
	if (json_string_plain(value, &text) && parse_address(text, item) == OK)
		return OK;
	return bad_item(load, list, item, NULL, item->at, "not " ADDRESS_FORM);
}

static int order_of_keys(const struct item *a, const struct item *b)
{
	const int order = memcmp(&a->address, &b->address, sizeof a->address);
	return order ? order : memcmp(&a->slot, &b->slot, sizeof a->slot);
}

static int order_of_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const int order = order_of_keys(x, y);
	return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* A dump of ours is in order. */
static enum err refuse_twins(const struct load *load, enum list list)
{
	struct item *items = load->items[list];
	const size_t n = load->items_n[list];
	size_t i = 1;
	while (i < n && order_of_keys(&items[i - 1], &items[i]) < 0)
		i++;
	if (i >= n)
		return OK;
	qsort(items, n, sizeof *items, order_of_items);
	for (i = 1; i < n; i++)
		if (order_of_keys(&items[i - 1], &items[i]) == 0)
			return bad_item(load, list, &items[i], NULL, items[i].at,
					list == STORAGE ? "a slot that stands twice"
							: "an address that stands twice");
	return OK;
}

static enum err read_list(struct load *load, enum list list, struct span value)
{
	struct span element;
	if (json_type(value) != JSON_ARRAY)
		return err_set(load->detail, ERR_INVALID, "%s: not a list, at byte %zu",
			       forms[list].name, offset_of(load, value));
	const size_t n = json_length(value);
	load->items[list] = calloc(n + 1, sizeof *load->items[list]);
	if (!load->items[list])
		return err_set(load->detail, ERR_NOMEM, "%s: no memory for %zu items",
			       forms[list].name, n);
	struct json_iter iter = json_iter(value);
	for (size_t i = 0; i < n && json_next_element(&iter, &element); i++) {
		struct item *item = &load->items[list][i];
		item->index = i;
		const enum err err = read_item(load, list, item, element);
		if (err != OK)
			return err;
	}
	load->items_n[list] = n;
	return refuse_twins(load, list);
}

static enum err read_next_list(struct load *load, struct span name, struct span value)
{
	enum { SHOWN = 64 };
	enum list list = 0;
	while (list < LISTS && !span_is(name, forms[list].name))
		list++;
	if (list < LISTS && !load->items[list])
		return read_list(load, list, value);
	return err_set(load->detail, ERR_INVALID, "%s \"%.*s\", at byte %zu",
		       list < LISTS ? "a second list" : "unknown list",
		       (int)(name.len < SHOWN ? name.len : SHOWN), name.ptr,
		       offset_of(load, name));
}

static enum err read_all(struct load *load)
{
	struct span document, name, value;
	size_t at;
	enum err err = json_document(load->text, DEPTH, &document, &at);
	if (err != OK)
		return err_set(load->detail, ERR_INVALID, "%s, at byte %zu",
			       err == ERR_LIMIT ? "nested too deep" : "not JSON", at);
	if (json_type(document) != JSON_OBJECT)
		return err_set(load->detail, ERR_INVALID, "not an object, at byte %zu",
			       offset_of(load, document));
	struct json_iter iter = json_iter(document);
	while (err == OK && json_next_member(&iter, &name, &value))
		err = read_next_list(load, name, value);
	for (enum list list = 0; list < LISTS && err == OK; list++)
		if (!load->items[list])
			err = err_set(load->detail, ERR_INVALID, "%s: missing",
				      forms[list].name);
	return err;
}

/* ---- writing ---- */

static enum err write_code(const struct item *item, const struct dump_target *target,
			   void *cookie)
{
	struct account_fields fields = {.mask = ACCOUNT_CODE_HASH | ACCOUNT_EXISTENCE};
	struct blob *code = blob_new(item->code.len / 2 - 1);
	if (!code)
		return ERR_NOMEM;
	enum err err = eth_data_parse(item->code, code->bytes, code->len);
	if (err == OK) {
		keccak256(code->bytes, code->len, &fields.code_hash);
		err = target->set_account(cookie, &item->address, &fields,
					  code->len > 0 ? code : NULL);
	}
	blob_put(&code);
	return err;
}

static enum err write_item(enum list list, const struct item *item,
			   const struct dump_target *target, void *cookie)
{
	struct account_fields fields = {.mask = ACCOUNT_EXISTENCE};
	struct eth_bytes32 value;
	switch (list) {
	case SELF_DESTRUCTS:
		return target->destroy(cookie, &item->address);
	case BALANCES:
		fields.mask |= ACCOUNT_BALANCE;
		fields.balance = item->value;
		return target->set_account(cookie, &item->address, &fields, NULL);
	case NONCES:
		fields.mask |= ACCOUNT_NONCE;
		fields.nonce = item->nonce;
		return target->set_account(cookie, &item->address, &fields, NULL);
	case CODES:
		return write_code(item, target, cookie);
	case STORAGE:
		memcpy(value.bytes, item->value.bytes, 32);
		return target->set_slot(cookie, &item->address, &item->slot, &value);
	case LISTS:
		break;
	}
	return ERR_INVALID;
}

static enum err write_all(const struct load *load, const struct dump_target *target,
			  void *cookie)
{
	for (enum list list = 0; list < LISTS; list++)
		for (size_t i = 0; i < load->items_n[list]; i++) {
			const struct item *item = &load->items[list][i];
			const enum err err = write_item(list, item, target, cookie);
			if (err != OK)
				return err_set(load->detail, err, "%s[%zu]: writing it: %s",
					       forms[list].name, item->index, err_name(err));
		}
	return OK;
}

enum err dump_load(struct span text, const struct dump_target *target, void *cookie,
		   struct err_detail *detail)
{
	struct load load = {.text = text, .detail = detail};
	enum err err = read_all(&load);
	if (err == OK)
		err = write_all(&load, target, cookie);
	for (enum list list = 0; list < LISTS; list++)
		free(load.items[list]);
	return err;
}
