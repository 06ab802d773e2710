/* SPDX-License-Identifier: MIT */
#include "cli/serve.h"
#include "base/version.h"
#include "cli/options.h"
#include "layers/store_pool.h"
#include "rpc/heads.h"
#include "rpc/keep.h"
#include "rpc/monitor.h"
#include "rpc/rates.h"
#include "rpc/status.h"
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX   64
#define DRAIN_US      10000000 /* requests in flight get this long after a signal */
#define QUESTIONS_MAX 65536    /* in flight, per worker: 64 full batches and some */
/* Of a reply's bytes, in 64ths, that a batch may fill: go-ethereum's 25 MiB at the default. */
#define BATCH_SHARE_OF_64 25
#define ROUTES		  3
/* Descriptors that are not for clients: upstreams, store, loops; those refused at the door. */
#define OWN_DESCRIPTORS 512

/* Everything that runs; one per process. */
struct service {
	struct options options;
	struct store *store;
	struct stack *stack;
	struct fork *fork;
	struct chain chain;
	struct heads *heads; /* following */
	struct monitor monitor;
	struct http_route routes[ROUTES];
	struct server_group clients; /* of all workers */
	struct server_config server;
	struct worker *workers[WORKERS_MAX];
	unsigned workers_n, port;
	sigset_t signals; /* that end it; blocked in all threads */
};

static int complain(const struct err_detail *detail)
{
	fprintf(stderr, "forkcache: %s\n", detail->text);
	return 1;
}

/* ---- the chain, from the disk ---- */

static void stand_on(struct service *s, const struct anchor *anchor)
{
	s->chain.chain_id = anchor->chain_id;
	s->chain.pinned = (struct head){.block = anchor->block,
					.header = anchor->header,
					.is_prague = anchor->is_prague};
	atomic_store(&s->chain.finalized, anchor->finalized);
	snprintf(s->chain.client_kind, sizeof s->chain.client_kind, "%s", anchor->client_kind);
	snprintf(s->chain.client_version, sizeof s->chain.client_version, "forkcache/%s (%s)",
		 FORKCACHE_VERSION, s->fork != NULL ? anchor->client_version : "offline");
}

static enum err chain_from_disk(struct service *s, struct err_detail *detail)
{
	struct err_detail why = {{0}};
	struct anchor anchor;
	uint64_t chain_id;
	enum err err = anchor_chain_on_disk(s->store, s->options.chain_id, &chain_id, &why);

	if (err == OK) {
		store_use_chain(s->store, chain_id);
		err = anchor_from_disk(s->store, chain_id, s->options.fork_block, &anchor,
				       &why);
	}
	if (err != OK)
		return err_set(detail, err,
			       "--offline: %.350s (see --upstream, --fork-block, --chain-id)",
			       why.text);
	stand_on(s, &anchor);
	return OK;
}

/* ---- the chain, from the upstreams ---- */

static enum err start_fork(struct service *s, struct err_detail *detail)
{
	const struct options *o = &s->options;
	struct fork_upstream_config *upstreams = calloc(o->upstreams_n, sizeof *upstreams);

	if (upstreams == NULL)
		return err_set(detail, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < o->upstreams_n; i++)
		upstreams[i] = (struct fork_upstream_config){.url = o->upstreams[i],
							     .headers = o->headers,
							     .headers_n = o->headers_n};
	const struct fork_config config = {
		.upstreams = upstreams,
		.upstreams_n = o->upstreams_n,
		.ca_file = o->ca_file,
		.deadline_ms = {[FORK_CLASS_STATE] = o->state_deadline_ms,
				[FORK_CLASS_CALL] = o->call_deadline_ms,
				[FORK_CLASS_TRACE] = o->trace_deadline_ms},
		.batch_items = o->upstream_batch_items,
		.upstream_rate = o->upstream_rate,
		.chain_id = o->chain_id,
		.trust_dev_upstream = o->trust_dev_upstream,
		.check = keep_check,
		.on_answer = stack_on_answer,
		.cookie = s->stack,
	};
	enum err err = fork_start(&config, &s->fork, detail);
	free(upstreams);
	return err;
}

/* Without --fork-block. What a development node is told to do, its clients expect to see. */
static enum err follow(struct service *s, struct err_detail *detail)
{
	enum err err =
		heads_new(&s->chain, s->chain.keep_nothing ? 0 : HEADS_AGE_US, &s->heads);

	if (err != OK)
		return err_set(detail, err, "out of memory");
	heads_begin(s->heads, &s->chain.pinned);
	s->chain.heads = s->heads;
	return OK;
}

static enum err chain_from_upstreams(struct service *s, struct err_detail *detail)
{
	struct fork_pin pin = {0};
	enum err err = start_fork(s, detail);

	if (err != OK)
		return err;
	/* It may take long, and leaves nothing to be tidied. */
	pthread_sigmask(SIG_UNBLOCK, &s->signals, NULL);
	if (s->options.fork_block != NULL)
		err = fork_pin(s->fork, s->options.fork_block, &pin, detail);
	else
		err = fork_follow(s->fork, &pin, detail);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
	if (err != OK)
		return err;
	struct anchor anchor;
	err = anchor_from_pin(&pin, &anchor, detail);
	if (err == OK) {
		stand_on(s, &anchor);
		s->chain.keep_nothing = pin.is_dev && !s->options.trust_dev_upstream;
		stack_set_bypass(s->stack, s->chain.keep_nothing);
		store_use_chain(s->store, s->chain.chain_id);
		if (!s->chain.keep_nothing)
			anchor_keep(&anchor, s->stack, s->store, blob_span(pin.header_json));
		if (s->options.fork_block == NULL)
			err = follow(s, detail);
	}
	blob_put(&pin.header_json);
	return err;
}

/* ---- assembly ---- */

static enum err open_store(struct service *s, struct err_detail *detail)
{
	char *fallback = NULL;

	if (s->options.cache_dir == NULL) {
		fallback = options_default_cache_dir(detail);
		if (fallback == NULL)
			return ERR_CONFIG;
	}
	char *folder = fallback != NULL ? fallback : s->options.cache_dir;
	const struct store_config config = {
		.folder = folder,
		.capacity_bytes = s->options.disk_bytes,
	};
	enum err err = store_pool_get(&config, &s->store, detail);
	free(fallback);
	return err;
}

static enum err assemble(struct service *s, struct err_detail *detail)
{
	enum err err = open_store(s, detail);

	if (err != OK)
		return err;
	s->chain.allow_send = s->options.allow_send;
	const struct stack_config config = {
		.memory_bytes = s->options.memory_bytes,
		.store = s->store,
		.keep = keep_store,
		.cookie = &s->chain,
	};
	err = stack_new(&config, &s->stack);
	if (err != OK)
		return err_set(detail, err, "--memory: cannot reserve the memory cache: %s",
			       err_name(err));
	return s->options.offline ? chain_from_disk(s, detail)
				  : chain_from_upstreams(s, detail);
}

/* What can be said to be wrong before anything is opened or anybody asked. */
static enum err check_options(const struct options *o, struct err_detail *detail)
{
	bool loopback = false;
	enum err err;

	if (!o->offline && o->upstreams_n == 0)
		return err_set(detail, ERR_CONFIG,
			       "no upstream: give --upstream URL, or --offline to serve only "
			       "what is cached");
	if (o->allow_send && (o->offline || o->fork_block != NULL))
		return err_set(detail, ERR_CONFIG,
			       "--allow-send is for a chain that is followed: leave out %s",
			       o->offline ? "--offline" : "--fork-block");
	err = server_is_loopback(o->listen, &loopback, detail);
	if (err != OK)
		return err;
	if (!loopback && o->token == NULL && !o->insecure_public)
		return err_set(detail, ERR_CONFIG,
			       "--listen %s can be reached from other machines: give "
			       "--token-file, or --insecure-public to serve anybody",
			       o->listen);
	for (size_t i = 0; o->token != NULL && i < o->allow_origins_n; i++)
		if (strcmp(o->allow_origins[i], "*") == 0)
			return err_set(detail, ERR_CONFIG,
				       "--allow-origin * lets every web page in, which "
				       "--token-file forbids: name the origins");
	REQUIRE(o->workers >= 1 && o->workers <= WORKERS_MAX);
	return OK;
}

/* host of "host:port", with the port that the first socket got. */
static void with_port(const char *listen, unsigned port, char *out, size_t size)
{
	const char *colon = strrchr(listen, ':');
	int host = colon != NULL ? (int)(colon - listen) : (int)strlen(listen);

	snprintf(out, size, "%.*s:%u", host, listen, port);
}

static enum err listen_socket(struct service *s, unsigned i, int *fd, struct err_detail *detail)
{
	char address[512];
	unsigned port;

	if (i == 0)
		return server_listen(s->options.listen, s->options.workers > 1, fd, &s->port,
				     detail);
	with_port(s->options.listen, s->port, address, sizeof address);
	return server_listen(address, true, fd, &port, detail);
}

static enum err start_worker(struct service *s, struct err_detail *detail)
{
	const struct options *o = &s->options;
	int fd = -1;
	enum err err = listen_socket(s, s->workers_n, &fd, detail);

	if (err != OK)
		return err;
	/* The errors of a batch's calls that find no room must find some. */
	const size_t share = o->reply_bytes / 64 * BATCH_SHARE_OF_64;
	const struct worker_config config = {
		.listen_fd = fd,
		.stack = s->stack,
		.fork = s->fork,
		.chain = &s->chain,
		.server = &s->server,
		.limits = {.batch_items = o->batch_items,
			   .reply_bytes =
				   o->batch_reply_bytes < share ? o->batch_reply_bytes : share,
			   .depth = o->json_depth},
		.in_flight = QUESTIONS_MAX,
	};
	err = worker_start(&config, &s->workers[s->workers_n]);
	if (err != OK)
		return err_set(detail, err, "a worker cannot start: %s", err_name(err));
	s->workers_n++;
	atomic_store(&s->monitor.workers_n, s->workers_n);
	return OK;
}

/* One descriptor a client connection: take what the hard limit allows. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warn("the limit of open files stays as it is");
}

/* Fewer connections than asked for, where they could take the descriptors that upstreams and
 * the store need. */
static uint32_t connections_within_descriptors(uint32_t asked)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return asked;
	const rlim_t own =
		limit.rlim_cur / 4 < OWN_DESCRIPTORS ? limit.rlim_cur / 4 : OWN_DESCRIPTORS;
	const rlim_t room = limit.rlim_cur - own;
	if (room >= asked)
		return asked;
	log_warn("the limit of open files (ulimit -n) allows fewer connections than "
		 "--connections",
		 LOG_U("limit", limit.rlim_cur), LOG_U("connections", room));
	return room != 0 ? (uint32_t)room : 1;
}

static enum err start_workers(struct service *s, struct err_detail *detail)
{
	const struct options *o = &s->options;

	s->monitor.stack = s->stack;
	s->monitor.store = s->store;
	s->monitor.fork = s->fork;
	s->monitor.chain = &s->chain;
	s->monitor.memory_bytes = o->memory_bytes;
	s->monitor.started_s = time(NULL);
	s->monitor.workers = s->workers;
	s->routes[0] = (struct http_route){
		.path = "/healthz", .fn = monitor_healthz, .cookie = &s->monitor};
	s->routes[1] = (struct http_route){.path = "/metrics",
					   .fn = monitor_metrics,
					   .cookie = &s->monitor,
					   .needs_token = true};
	s->routes[2] = (struct http_route){.path = "/status",
					   .fn = status_json,
					   .cookie = &s->monitor,
					   .needs_token = true};
	s->server = (struct server_config){
		.limits = {.head_bytes = o->head_bytes,
			   .body_bytes = o->body_bytes,
			   .reply_bytes = o->reply_bytes,
			   .input_bytes = o->input_bytes,
			   .output_bytes = o->output_bytes,
			   .connections = connections_within_descriptors(o->connections),
			   .pipeline = o->pipeline,
			   .head_ms = o->head_timeout_ms,
			   .body_ms = o->body_timeout_ms,
			   .idle_ms = o->idle_timeout_ms,
			   .send_ms = o->send_timeout_ms},
		.group = &s->clients,
		.origins = (const char *const *)o->allow_origins,
		.origins_n = o->allow_origins_n,
		.hosts = (const char *const *)o->allow_hosts,
		.hosts_n = o->allow_hosts_n,
		.token = o->token,
		.routes = s->routes,
		.routes_n = ROUTES,
	};
	enum err err = OK;
	if (o->client_rate != 0)
		err = rates_new(o->client_rate, o->client_burst, &s->clients.rates);
	if (err != OK)
		return err_set(detail, err, "--client-rate: %s", err_name(err));
	while (err == OK && s->workers_n < o->workers)
		err = start_worker(s, detail);
	return err;
}

/* In the order that lets everything that was fetched reach the disk. */
static void shut_down(struct service *s)
{
	for (unsigned i = 0; i < s->workers_n; i++)
		worker_stop(s->workers[i], DRAIN_US);
	for (unsigned i = 0; i < s->workers_n; i++)
		worker_join(s->workers[i]);
	for (unsigned i = 0; i < s->workers_n; i++)
		worker_free(&s->workers[i]);
	rates_free(&s->clients.rates);
	if (s->fork != NULL)
		fork_stop(&s->fork);
	heads_free(&s->heads);
	stack_free(&s->stack);
	store_pool_put(&s->store);
	options_release(&s->options);
}

static void announce(const struct service *s)
{
	char address[512], hash[64];

	with_port(s->options.listen, s->port, address, sizeof address);
	eth_hex(s->chain.pinned.block.at.hash.bytes, 32, hash);
	printf("forkcache listening on %s chain %llu %s %llu 0x%.64s%s\n", address,
	       (unsigned long long)s->chain.chain_id,
	       s->heads != NULL ? "following, head" : "block",
	       (unsigned long long)s->chain.pinned.block.at.number, hash,
	       s->options.offline ? " offline" : "");
	fflush(stdout);
	if (s->chain.keep_nothing)
		log_warn("the upstream is a development node: nothing of it is cached (see "
			 "--trust-dev-upstream)",
			 LOG_S("client", s->chain.client_version));
}

/* While the upstreams are asked for the block, and at a second signal: the default action, or
 * an exit where there is none, in the first process of a container. */
static void end_at_once(int number)
{
	signal(number, SIG_DFL);
	raise(number);
	_exit(128 + number);
}

/* All threads inherit the mask: only the main thread takes signals, where it says so. */
static void take_signals(struct service *s)
{
	const struct sigaction action = {.sa_handler = end_at_once, .sa_flags = SA_NODEFER};

	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int cmd_serve(int argc, char **argv)
{
	static struct service service;
	struct service *s = &service;
	struct err_detail detail = {{0}};
	int signal_number;

	switch (options_read(argc, argv, &s->options, &detail)) {
	case OPTIONS_HELP:
		options_help(stdout);
		return 0;
	case OPTIONS_VERSION:
		printf("forkcache %s\n", FORKCACHE_VERSION);
		return 0;
	case OPTIONS_PRINT_CONFIG:
		options_print_config(stdout);
		return 0;
	case OPTIONS_BAD:
		complain(&detail);
		options_release(&s->options);
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (check_options(&s->options, &detail) != OK) {
		complain(&detail);
		options_release(&s->options);
		return 2;
	}
	log_set_level(s->options.log_level);
	method_table_init();
	raise_descriptors();
	/* Blobs are made on one thread and freed on another: with an arena for each, what is
	 * free in one is of no use to the other, and the memory bound would be missed. */
	mallopt(M_ARENA_MAX, 2);

	take_signals(s);
	if (assemble(s, &detail) != OK || start_workers(s, &detail) != OK) {
		complain(&detail);
		shut_down(s);
		return 1;
	}
	announce(s);
	sigwait(&s->signals, &signal_number);
	log_info("stopping", LOG_I("signal", signal_number));
	/* A second signal ends it at once. */
	pthread_sigmask(SIG_UNBLOCK, &s->signals, NULL);
	shut_down(s);
	return 0;
}
