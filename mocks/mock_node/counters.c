/* SPDX-License-Identifier: MIT */
#include "mock_node/counters.h"

#define LAST_LIMIT (64u << 20)

void counters_init(struct counters *counters)
{
	*counters = (struct counters){0};
	buf_init(&counters->last_head, LAST_LIMIT);
	buf_init(&counters->last_body, LAST_LIMIT);
}

static void set_release(struct counter_set *set)
{
	while (set->all) {
		struct counter *counter = set->all;
		set->all = counter->next;
		free(counter);
	}
	dict_release(&set->by_name);
	set->max = 0;
}

void counters_release(struct counters *counters)
{
	set_release(&counters->methods);
	set_release(&counters->keys);
	buf_release(&counters->last_head);
	buf_release(&counters->last_body);
}

void counters_reset(struct counters *counters)
{
	struct counters old = *counters;

	counters_release(counters);
	counters_init(counters);
	counters->open_connections = old.open_connections;
	counters->held = old.held;
	counters->in_flight = old.in_flight;
}

static struct counter *new_counter(struct counter_set *set, struct span name)
{
	struct counter *counter = malloc(sizeof *counter + name.len);

	if (!counter)
		return NULL;
	*counter = (struct counter){.next = set->all, .name_bytes = name.len};
	memcpy(counter->name, name.ptr, name.len);
	if (dict_put(&set->by_name, (struct span){counter->name, name.len}, counter) != OK) {
		free(counter);
		return NULL;
	}
	set->all = counter;
	return counter;
}

void counter_add(struct counter_set *set, struct span name)
{
	struct counter *counter = dict_get(&set->by_name, name);

	if (!counter)
		counter = new_counter(set, name);
	if (counter && ++counter->count > set->max)
		set->max = counter->count;
}

void counters_batch(struct counters *counters, uint64_t items)
{
	counters->batches++;
	if (items > counters->max_batch)
		counters->max_batch = items;
	counters->batch_sizes[counters->batch_size_count++ % COUNTERS_BATCH_SIZES] = items;
}

static json_t *set_json(const struct counter_set *set)
{
	json_t *object = json_object();
	for (const struct counter *c = set->all; c; c = c->next)
		json_object_setn_new(object, c->name, c->name_bytes,
				     json_integer((json_int_t)c->count));
	return object;
}

static json_t *batch_sizes_json(const struct counters *counters)
{
	json_t *sizes = json_array();
	uint64_t end = counters->batch_size_count;
	uint64_t start = end > COUNTERS_BATCH_SIZES ? end - COUNTERS_BATCH_SIZES : 0;

	for (uint64_t i = start; i < end; i++)
		json_array_append_new(
			sizes,
			json_integer(
				(json_int_t)counters->batch_sizes[i % COUNTERS_BATCH_SIZES]));
	return sizes;
}

json_t *counters_json(const struct counters *c, bool keys)
{
	const struct {
		const char *name;
		uint64_t value;
	} totals[] = {
		{"http_requests", c->http_requests},
		{"items", c->items},
		{"batches", c->batches},
		{"max_batch", c->max_batch},
		{"connections", c->connections},
		{"open_connections", c->open_connections},
		{"client_aborts", c->client_aborts},
		{"refused", c->refused},
		{"faults", c->faults},
		{"bytes_in", c->bytes_in},
		{"bytes_out", c->bytes_out},
		{"held", c->held},
		{"in_flight", c->in_flight},
		{"max_in_flight", c->max_in_flight},
		{"distinct_keys", c->keys.by_name.count},
		{"max_key_count", c->keys.max},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
		json_object_set_new(object, totals[i].name,
				    json_integer((json_int_t)totals[i].value));
	json_object_set_new(object, "methods", set_json(&c->methods));
	json_object_set_new(object, "batch_sizes", batch_sizes_json(c));
	if (keys)
		json_object_set_new(object, "keys", set_json(&c->keys));
	return object;
}
