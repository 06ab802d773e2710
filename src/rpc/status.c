/* SPDX-License-Identifier: MIT */
#include "rpc/status.h"
#include "base/buf.h"
#include "base/recent.h"
#include "base/version.h"
#include "rpc/heads.h"
#include <time.h>

static unsigned long long load(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void put_number(struct buf *out, const char *name, unsigned long long value)
{
	buf_printf(out, "\"%s\":%llu,", name, value);
}

static void put_flag(struct buf *out, const char *name, bool value)
{
	buf_printf(out, "\"%s\":%s,", name, value ? "true" : "false");
}

static void put_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\":", name);
	buf_json_string(out, span_of(text));
	buf_char(out, ',');
}

/* The comma behind the last member. */
static void close_with(struct buf *out, char c)
{
	if (out->len > 0 && out->ptr[out->len - 1] == ',')
		out->len--;
	buf_char(out, c);
}

static void put_chain(const struct monitor *m, struct buf *out)
{
	const struct chain *chain = m->chain;
	struct head head = chain->pinned;

	if (chain->heads != NULL)
		heads_latest(chain->heads, &head);
	buf_text(out, "\"chain\":{");
	put_number(out, "id", chain->chain_id);
	put_text(out, "mode",
		 m->fork == NULL	? "offline"
		 : chain->heads != NULL ? "following"
					: "pinned");
	put_number(out, "number", head.block.at.number);
	buf_text(out, "\"hash\":\"");
	buf_hex(out, head.block.at.hash.bytes, 32);
	buf_text(out, "\",");
	put_number(out, "finalized", load(&chain->finalized));
	put_text(out, "client", chain->client_version);
	put_flag(out, "stored", !chain->keep_nothing);
	close_with(out, '}');
}

static void put_clients(const struct monitor *m, struct buf *out)
{
	unsigned long long now = 0, calls = 0, waited = 0, errors = 0;
	unsigned n = atomic_load(&m->workers_n);

	for (unsigned i = 0; i < n; i++) {
		const struct request_stats *r = worker_request_stats(m->workers[i]);
		now += load(&worker_server_stats(m->workers[i])->connections_now);
		calls += load(&r->calls);
		waited += load(&r->waited);
		errors += load(&r->errors);
	}
	buf_text(out, ",\"clients\":{");
	put_number(out, "workers", n);
	put_number(out, "connections", now);
	put_number(out, "calls", calls);
	put_number(out, "waited", waited);
	put_number(out, "errors", errors);
	close_with(out, '}');
}

struct layer {
	const char *name;
	unsigned long long lookups, hits, bytes, capacity_bytes, evictions;
};

static void put_layer(struct buf *out, const struct layer *layer)
{
	buf_char(out, '{');
	put_text(out, "name", layer->name);
	put_number(out, "lookups", layer->lookups);
	put_number(out, "hits", layer->hits);
	if (layer->lookups > 0)
		buf_printf(out, "\"hit_ratio\":%.4f,",
			   (double)layer->hits / (double)layer->lookups);
	else
		buf_text(out, "\"hit_ratio\":null,");
	put_number(out, "bytes", layer->bytes);
	put_number(out, "capacity_bytes", layer->capacity_bytes);
	put_number(out, "evictions", layer->evictions);
}

/* Half of the cache is for cells (memcache.h). */
static unsigned long long cells_bytes(const struct monitor *m,
				      const struct memcache_stats *memory)
{
	if (memory->cell_capacity == 0)
		return 0;
	return m->memory_bytes / 2 / memory->cell_capacity * memory->cells;
}

static void put_layers(const struct monitor *m, struct buf *out)
{
	struct memcache_stats memory;
	struct stack_stats stack;
	struct store_stats store;

	stack_stats(m->stack, &stack, &memory);
	/* What memory did not have was looked up on the disk. */
	const unsigned long long below = stack.disk_hits + stack.misses;
	const unsigned long long hits = memory.cell_hits + memory.blob_hits;
	const struct layer top = {
		.name = "memory",
		.lookups = hits + below,
		.hits = hits,
		.bytes = cells_bytes(m, &memory) + memory.blob_bytes,
		.capacity_bytes = m->memory_bytes,
		.evictions = memory.cell_evictions + memory.blob_evictions,
	};
	buf_text(out, ",\"layers\":[");
	put_layer(out, &top);
	put_number(out, "entries", memory.cells + memory.blobs);
	close_with(out, '}');
	if (m->store != NULL) {
		store_stats(m->store, &store);
		const struct layer disk = {
			.name = "disk",
			.lookups = below,
			.hits = stack.disk_hits,
			.bytes = store.used_bytes,
			.capacity_bytes = store.capacity_bytes,
			.evictions = store.evicted,
		};
		buf_char(out, ',');
		put_layer(out, &disk);
		close_with(out, '}');
	}
	buf_char(out, ']');
}

static void put_upstream(struct buf *out, const struct fork_upstream_stats *u)
{
	buf_char(out, '{');
	put_text(out, "host", u->host);
	put_flag(out, "healthy", u->healthy);
	put_flag(out, "probed", u->probed);
	put_flag(out, "development", u->is_dev);
	put_number(out, "requests", u->requests);
	put_number(out, "items", u->items);
	put_number(out, "in_flight", u->in_flight);
	put_number(out, "failures", u->failures);
	put_number(out, "rate_limited", u->rate_limited);
	buf_printf(out, "\"rtt_ms\":%.3f,", (double)u->rtt_us / 1000);
	put_number(out, "batch_limit", u->batch_limit);
	put_flag(out, "storage_values", u->has_storage_values);
	put_flag(out, "account_info", u->has_account_info);
	close_with(out, '}');
}

static void put_fork(const struct monitor *m, struct buf *out)
{
	struct fork_upstream_stats up[UPSTREAMS_SHOWN];
	struct fork_stats f;
	size_t n = fork_stats(m->fork, &f, up, UPSTREAMS_SHOWN);

	buf_text(out, ",\"fork\":{");
	put_number(out, "questions", f.questions);
	put_number(out, "joined", f.joined);
	put_number(out, "flights", f.flights);
	put_number(out, "in_flight", f.in_flight);
	put_number(out, "retries", f.retries);
	put_number(out, "failovers", f.failovers);
	close_with(out, '}');
	buf_text(out, ",\"upstreams\":[");
	for (size_t i = 0; i < n && i < UPSTREAMS_SHOWN; i++) {
		if (i > 0)
			buf_char(out, ',');
		put_upstream(out, &up[i]);
	}
	buf_char(out, ']');
}

static void put_errors(struct buf *out)
{
	struct recent_line lines[RECENT_LINES];
	size_t n = recent_copy(lines, RECENT_LINES);

	buf_text(out, ",\"errors\":[");
	for (size_t i = 0; i < n; i++) {
		const time_t at = (time_t)lines[i].at_s;
		struct tm tm;
		char text[32];
		gmtime_r(&at, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
		buf_text(out, i > 0 ? ",{" : "{");
		put_text(out, "at", text);
		put_number(out, "times", lines[i].times);
		put_text(out, "text", lines[i].text);
		close_with(out, '}');
	}
	buf_char(out, ']');
}

void status_json(void *cookie, struct http_exchange *exchange)
{
	const struct monitor *m = cookie;
	struct buf *out = http_reply_open(exchange);

	buf_char(out, '{');
	put_text(out, "version", FORKCACHE_VERSION);
	put_number(out, "uptime_seconds", (unsigned long long)(time(NULL) - m->started_s));
	put_chain(m, out);
	put_clients(m, out);
	put_layers(m, out);
	if (m->fork != NULL)
		put_fork(m, out);
	put_errors(out);
	buf_text(out, "}\n");
	http_reply_close(exchange, 200, "application/json");
}
