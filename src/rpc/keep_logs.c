/* SPDX-License-Identifier: MIT */
/* Answers to filters: each element must be one that was asked for, and they be in order. */
#include "rpc/keep_impl.h"

/* What was asked. Spans are JSON of the key; ptr NULL: anything. */
struct filter {
	const struct keep *keep;
	struct span addresses, topics;
};

/* Where an element stands in the chain. */
struct place {
	bool known;
	uint64_t block, tx, index;
	bool has_indices;
	struct eth_bytes32 hash;
};

static enum err bad(struct err_detail *detail, const char *why)
{
	return err_set(detail, ERR_BAD_ANSWER, "%s", why);
}

/* The filter in a canonical request: the first of its parameters. */
static void filter_read(const struct keep *keep, struct span key, struct filter *out)
{
	const char *open = memchr(key.ptr, '[', key.len);
	struct span object;

	*out = (struct filter){.keep = keep};
	if (keep->kind != KEEP_LOGS || open == NULL)
		return;
	struct json_iter params =
		json_iter((struct span){open, key.len - (size_t)(open - key.ptr)});
	if (!json_next_element(&params, &object))
		return;
	if (!json_member(object, "address", &out->addresses))
		out->addresses.ptr = NULL;
	if (!json_member(object, "topics", &out->topics))
		out->topics.ptr = NULL;
}

/* Whether a list of canonical texts has this one, which has n bytes. What is not canonical (a
 * spelling that was passed on) may mean anything. */
static bool list_has(struct span list, struct span value, size_t n)
{
	unsigned char want[32], got[32];
	struct json_iter iter = json_iter(list);
	struct span element, text;

	if (!json_string_plain(value, &text) || eth_data_parse(text, got, n) != OK)
		return false;
	while (json_next_element(&iter, &element))
		if (!json_string_plain(element, &text) || eth_data_parse(text, want, n) != OK ||
		    memcmp(want, got, n) == 0)
			return true;
	return false;
}

static bool topics_fit(struct span wanted, struct span log)
{
	struct span topics, position, topic;

	if (!json_member(log, "topics", &topics) || json_type(topics) != JSON_ARRAY)
		return false;
	if (wanted.ptr == NULL)
		return true;
	struct json_iter all = json_iter(wanted), iter = json_iter(topics);
	while (json_next_element(&all, &position)) {
		if (!json_next_element(&iter, &topic))
			return false;
		if (json_type(position) == JSON_ARRAY && !list_has(position, topic, 32))
			return false;
	}
	return true;
}

static enum err check_log(const struct filter *filter, struct span log,
			  struct err_detail *detail)
{
	struct span address, removed;

	if (json_member(log, "removed", &removed) && json_type(removed) == JSON_TRUE)
		return bad(detail, "a log is one that was removed");
	if (!json_member(log, "address", &address) ||
	    (filter->addresses.ptr != NULL && !list_has(filter->addresses, address, 20)))
		return bad(detail, "a log is of another address");
	if (!topics_fit(filter->topics, log))
		return bad(detail, "a log has other topics");
	return OK;
}

/* Traces have numbers where logs have quantities. */
static bool number_member(struct span object, const char *name, uint64_t *out)
{
	struct span value;

	if (!json_member(object, name, &value))
		return false;
	if (json_type(value) != JSON_NUMBER)
		return member_u64(object, name, out);
	return eth_decimal_u64(value, out) == OK;
}

static bool place_read(struct span element, struct place *out)
{
	*out = (struct place){.known = true};
	if (!number_member(element, "blockNumber", &out->block) ||
	    !member_hash(element, "blockHash", &out->hash))
		return false;
	out->has_indices = number_member(element, "transactionIndex", &out->tx) &&
			   number_member(element, "logIndex", &out->index);
	return true;
}

static enum err check_place(const struct keep *keep, const struct place *place,
			    struct err_detail *detail)
{
	if ((keep->flags & KEEP_HAS_HASH) && !eth_bytes32_equal(&place->hash, &keep->hash))
		return bad(detail, "the answer is of another block");
	if ((keep->flags & KEEP_HAS_NUMBER) &&
	    (place->block < keep->count || place->block > keep->number))
		return err_set(detail, ERR_BAD_ANSWER,
			       "block %llu is not in the range that was asked for",
			       (unsigned long long)place->block);
	return OK;
}

static enum err check_order(const struct place *last, const struct place *next,
			    struct err_detail *detail)
{
	if (!last->known)
		return OK;
	if (next->block < last->block)
		return bad(detail, "the answer is not in order");
	if (next->block > last->block)
		return OK;
	if (!eth_bytes32_equal(&last->hash, &next->hash))
		return bad(detail, "the answer is of two blocks of one number");
	if (!last->has_indices || !next->has_indices)
		return OK;
	if (next->tx < last->tx || (next->tx == last->tx && next->index <= last->index))
		return bad(detail, "the answer is not in order");
	return OK;
}

enum err keep_check_logs(const struct keep *keep, struct span key, struct span json,
			 struct err_detail *detail)
{
	struct place last = {0}, next;
	struct filter filter;
	struct span element;

	/* Some answer with the part that they have, and a note. */
	if (json_type(json) != JSON_ARRAY)
		return bad(detail, "the answer is not a list");
	filter_read(keep, key, &filter);
	struct json_iter iter = json_iter(json);
	while (json_next_element(&iter, &element)) {
		if (json_type(element) != JSON_OBJECT || !place_read(element, &next))
			return bad(detail, "an element does not name its block");
		enum err err = check_place(keep, &next, detail);
		if (err == OK && keep->kind == KEEP_LOGS)
			err = check_log(&filter, element, detail);
		if (err == OK)
			err = check_order(&last, &next, detail);
		if (err != OK)
			return err;
		last = next;
	}
	return OK;
}
