/* SPDX-License-Identifier: MIT */
#include "rpc/monitor.h"
#include "base/buf.h"
#include "rpc/heads.h"

static void describe(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP forkcache_%s %s\n# TYPE forkcache_%s %s\n", name, help, name,
		   type);
}

static void metric(struct buf *out, const char *name, const char *type, const char *help,
		   unsigned long long value)
{
	describe(out, name, type, help);
	buf_printf(out, "forkcache_%s %llu\n", name, value);
}

static unsigned long long load(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void put_workers(const struct monitor *m, struct buf *out)
{
	unsigned long long connections = 0, now = 0, http = 0, in = 0, sent = 0, refused = 0;
	unsigned long long limited = 0;
	unsigned long long calls = 0, batches = 0, waited = 0, errors = 0;
	unsigned n = atomic_load(&m->workers_n);

	for (unsigned i = 0; i < n; i++) {
		const struct server_stats *s = worker_server_stats(m->workers[i]);
		const struct request_stats *r = worker_request_stats(m->workers[i]);
		connections += load(&s->connections);
		now += load(&s->connections_now);
		http += load(&s->requests);
		in += load(&s->bytes_in);
		sent += load(&s->bytes_out);
		refused += load(&s->refused);
		limited += load(&s->limited);
		calls += load(&r->calls);
		batches += load(&r->batches);
		waited += load(&r->waited);
		errors += load(&r->errors);
	}
	metric(out, "connections_total", "counter", "Client connections accepted.",
	       connections);
	metric(out, "connections", "gauge", "Client connections open.", now);
	metric(out, "refused_total", "counter", "HTTP requests or connections refused.",
	       refused);
	metric(out, "rate_limited_total", "counter",
	       "HTTP requests refused for their client's rate.", limited);
	metric(out, "http_requests_total", "counter", "HTTP requests answered.", http);
	metric(out, "received_bytes_total", "counter", "Bytes received from clients.", in);
	metric(out, "sent_bytes_total", "counter", "Bytes sent to clients.", sent);
	metric(out, "calls_total", "counter", "JSON-RPC calls, items of batches included.",
	       calls);
	metric(out, "batches_total", "counter", "JSON-RPC batches.", batches);
	metric(out, "calls_waited_total", "counter", "Calls that waited for an upstream.",
	       waited);
	metric(out, "call_errors_total", "counter", "Calls answered with an error.", errors);
	describe(out, "method_calls_total", "counter", "Calls by row of the method table.");
	for (size_t row = 0; row < method_count(); row++) {
		unsigned long long sum = 0;
		for (unsigned i = 0; i < n; i++)
			sum += load(&worker_request_stats(m->workers[i])->by_method[row]);
		if (sum > 0)
			buf_printf(out, "forkcache_method_calls_total{method=\"%s\"} %llu\n",
				   method_at(row)->name, sum);
	}
}

static void put_layers(const struct monitor *m, struct buf *out)
{
	struct memcache_stats memory;
	struct stack_stats stack;

	stack_stats(m->stack, &stack, &memory);
	describe(out, "hits_total", "counter", "Lookups answered, by layer.");
	buf_printf(out, "forkcache_hits_total{layer=\"memory\"} %llu\n",
		   (unsigned long long)(memory.cell_hits + memory.blob_hits));
	buf_printf(out, "forkcache_hits_total{layer=\"disk\"} %llu\n",
		   (unsigned long long)stack.disk_hits);
	metric(out, "misses_total", "counter", "Lookups that no layer here could answer.",
	       stack.misses);
	metric(out, "memory_cells", "gauge", "Fixed-size facts in memory.", memory.cells);
	metric(out, "memory_blobs", "gauge", "Codes and replies in memory.", memory.blobs);
	metric(out, "memory_blob_bytes", "gauge", "Bytes of codes and replies in memory.",
	       memory.blob_bytes);
	metric(out, "memory_evictions_total", "counter", "Entries evicted from memory.",
	       memory.cell_evictions + memory.blob_evictions);
}

static void put_store(const struct monitor *m, struct buf *out)
{
	struct store_stats s;

	if (m->store == NULL)
		return;
	store_stats(m->store, &s);
	metric(out, "disk_used_bytes", "gauge", "Bytes in used pages of the store.",
	       s.used_bytes);
	metric(out, "disk_file_bytes", "gauge", "Size of the store's file.", s.file_bytes);
	metric(out, "disk_capacity_bytes", "gauge", "The store's bound.", s.capacity_bytes);
	metric(out, "disk_puts_total", "counter", "Entries queued for the store.", s.puts);
	metric(out, "disk_puts_dropped_total", "counter",
	       "Entries that the store could not keep.", s.puts_dropped);
	metric(out, "disk_queued", "gauge", "Entries waiting to be committed.", s.queued);
	metric(out, "disk_commits_total", "counter", "Commits.", s.commits);
	metric(out, "disk_commit_failures_total", "counter", "Commits that failed.",
	       s.commit_failures);
	metric(out, "disk_evictions_total", "counter", "Entries evicted from the store.",
	       s.evicted);
	metric(out, "disk_corrupt_total", "counter", "Entries that failed their checksum.",
	       s.corrupt);
}

static const struct column {
	const char *name, *type, *help;
	size_t at; /* in struct fork_upstream_stats, a uint64_t */
} columns[] = {
#define COLUMN(member, name, type, help)                                       \
	{                                                                      \
		name, type, help, offsetof(struct fork_upstream_stats, member) \
	}
	COLUMN(requests, "upstream_requests_total", "counter", "HTTP requests sent."),
	COLUMN(items, "upstream_items_total", "counter", "Facts and calls asked for in them."),
	COLUMN(in_flight, "upstream_in_flight", "gauge", "HTTP requests in flight."),
	COLUMN(failures, "upstream_failures_total", "counter",
	       "Requests without a usable answer."),
	COLUMN(rate_limited, "upstream_rate_limited_total", "counter",
	       "Requests refused for their rate."),
	COLUMN(bytes_in, "upstream_received_bytes_total", "counter", "Bytes received."),
	COLUMN(bytes_out, "upstream_sent_bytes_total", "counter", "Bytes sent."),
	COLUMN(rtt_us, "upstream_rtt_microseconds", "gauge", "Smoothed round trip."),
#undef COLUMN
};

static void put_of_upstream(struct buf *out, const char *name,
			    const struct fork_upstream_stats *up, size_t i,
			    unsigned long long value)
{
	buf_printf(out, "forkcache_%s{upstream=\"%s\",index=\"%zu\"} %llu\n", name, up[i].host,
		   i, value);
}

static void put_upstreams(struct buf *out, const struct fork_upstream_stats *up, size_t n)
{
	describe(out, "upstream_healthy", "gauge", "1 when the upstream is used.");
	for (size_t i = 0; i < n; i++)
		put_of_upstream(out, "upstream_healthy", up, i, up[i].healthy);
	for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
		describe(out, columns[c].name, columns[c].type, columns[c].help);
		for (size_t i = 0; i < n; i++) {
			uint64_t value;
			memcpy(&value, (const char *)&up[i] + columns[c].at, sizeof value);
			put_of_upstream(out, columns[c].name, up, i, value);
		}
	}
}

static void put_fork(const struct monitor *m, struct buf *out)
{
	struct fork_upstream_stats up[UPSTREAMS_SHOWN];
	struct fork_stats f;

	if (m->fork == NULL)
		return;
	size_t n = fork_stats(m->fork, &f, up, UPSTREAMS_SHOWN);
	if (n > UPSTREAMS_SHOWN)
		n = UPSTREAMS_SHOWN;
	metric(out, "fork_questions_total", "counter", "Questions to the fork back end.",
	       f.questions);
	metric(out, "fork_joined_total", "counter", "Questions that joined one in flight.",
	       f.joined);
	metric(out, "fork_flights_total", "counter", "Keys asked for upstream.", f.flights);
	metric(out, "fork_retries_total", "counter", "Flights asked for again.", f.retries);
	metric(out, "fork_failovers_total", "counter", "Flights moved to another upstream.",
	       f.failovers);
	describe(out, "fork_errors_total", "counter", "Questions that failed, by cause.");
	for (int err = 1; err <= ERR_CANCELLED; err++)
		buf_printf(out, "forkcache_fork_errors_total{cause=\"%s\"} %llu\n",
			   err_name((enum err)err), (unsigned long long)f.errors[err]);
	put_upstreams(out, up, n);
}

void monitor_metrics(void *cookie, struct http_exchange *exchange)
{
	const struct monitor *m = cookie;
	struct buf *out = http_reply_open(exchange);

	metric(out, "chain_id", "gauge", "The chain.", m->chain->chain_id);
	struct head head = m->chain->pinned;
	if (m->chain->heads != NULL)
		heads_latest(m->chain->heads, &head);
	metric(out, "head_block", "gauge", "Number of the block that latest means here.",
	       head.block.at.number);
	put_workers(m, out);
	put_layers(m, out);
	put_store(m, out);
	put_fork(m, out);
	metric(out, "check_failures_total", "counter", "Broken expectations of the program.",
	       check_failures());
	http_reply_close(exchange, 200, "text/plain; version=0.0.4");
}

void monitor_healthz(void *cookie, struct http_exchange *exchange)
{
	const struct monitor *m = cookie;
	struct fork_upstream_stats up[UPSTREAMS_SHOWN];
	struct fork_stats f;
	bool healthy = m->fork == NULL;

	if (m->fork != NULL) {
		size_t n = fork_stats(m->fork, &f, up, UPSTREAMS_SHOWN);
		for (size_t i = 0; i < n && i < UPSTREAMS_SHOWN; i++)
			healthy = healthy || up[i].healthy;
	}
	buf_text(http_reply_open(exchange), healthy ? "ok\n" : "no upstream is healthy\n");
	http_reply_close(exchange, healthy ? 200 : 503, "text/plain");
}
