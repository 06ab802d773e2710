/* SPDX-License-Identifier: MIT */
#include "fork/fork.h"
#include "base/log.h"
#include "base/thread.h"
#include "fork/fork_impl.h"
#include <stdlib.h>
#include <sys/random.h>

enum {
	BATCH_ITEMS = 1000,	   /* what geth takes in one batch */
	LANDING_US = 2000000,	   /* fork_stop waits this long for what is in flight */
	FIRST_ID_MASK = 0xfffffff, /* ids stay exact in JavaScript for ever */
};

/* One fork_pin or fork_follow at a time; lives on its caller's stack. */
struct pin_command {
	const char *spec; /* NULL: follow */
	struct fork_pin *out;
	struct err_detail *detail;
	bool taken, done;
	enum err err;
};

uint32_t fork_random(struct fork *fork)
{
	/* xorshift64: only spreads retries */
	fork->random ^= fork->random << 13;
	fork->random ^= fork->random >> 7;
	fork->random ^= fork->random << 17;
	return (uint32_t)(fork->random & 0xffff);
}

/* ---- pinning, across threads ---- */

static void command_finished(void *cookie, enum err err)
{
	struct fork *fork = cookie;
	pthread_mutex_lock(&fork->command_lock);
	struct pin_command *command = fork->command;
	if (command) {
		command->err = err;
		command->done = true;
		pthread_cond_broadcast(&fork->command_done);
	}
	pthread_mutex_unlock(&fork->command_lock);
}

static void take_command(struct fork *fork)
{
	pthread_mutex_lock(&fork->command_lock);
	struct pin_command *command = fork->command;
	const bool fresh = command && !command->taken;
	if (fresh)
		command->taken = true;
	pthread_mutex_unlock(&fork->command_lock);
	if (!fresh)
		return;
	enum err err = pin_start(fork, command->spec, command->out, command->detail,
				 command_finished, fork);
	if (err != OK)
		command_finished(fork, err);
}

static enum err run_command(struct fork *fork, const char *spec, struct fork_pin *out,
			    struct err_detail *detail)
{
	struct pin_command command = {.spec = spec, .out = out, .detail = detail};
	*out = (struct fork_pin){0};
	pthread_mutex_lock(&fork->command_lock);
	REQUIRE(!fork->command);
	fork->command = &command;
	loop_wake_signal(&fork->wake);
	while (!command.done && !fork->ended)
		pthread_cond_wait(&fork->command_done, &fork->command_lock);
	fork->command = NULL;
	pthread_mutex_unlock(&fork->command_lock);
	if (command.done)
		return command.err;
	blob_put(&out->header_json);
	return err_set(detail, ERR_IO, "the thread that asks upstreams has ended");
}

enum err fork_pin(struct fork *fork, const char *spec, struct fork_pin *out,
		  struct err_detail *detail)
{
	return run_command(fork, spec, out, detail);
}

enum err fork_follow(struct fork *fork, struct fork_pin *out, struct err_detail *detail)
{
	return run_command(fork, NULL, out, detail);
}

/* ---- stopping ---- */

static void stop_now(void *cookie)
{
	struct fork *fork = cookie;
	loop_stop(fork->loop);
}

void fork_landed(struct fork *fork)
{
	if (!fork->stopping)
		return;
	for (size_t i = 0; i < fork->upstreams_n; i++)
		if (fork->upstreams[i].plan.sent)
			return;
	loop_stop(fork->loop);
}

static void begin_stop(struct fork *fork)
{
	fork->stopping = true;
	loop_timer_init(&fork->stop_timer, stop_now, fork);
	if (loop_timer_start(fork->loop, &fork->stop_timer, LANDING_US) != OK)
		loop_stop(fork->loop);
	fork_landed(fork);
}

static void woken(void *cookie)
{
	struct fork *fork = cookie;
	/* Before the rings: what was sent before the flag was set is then seen. */
	const bool stop = atomic_load(&fork->stop);
	ports_drain(fork);
	take_command(fork);
	if (stop && !fork->stopping)
		begin_stop(fork);
	ports_signal(fork);
}

/* ---- the engine ---- */

static void configure(struct fork *fork, const struct fork_config *config)
{
	memcpy(fork->deadline_ms, config->deadline_ms, sizeof fork->deadline_ms);
	fork->batch_items = config->batch_items ? config->batch_items : BATCH_ITEMS;
	fork->upstream_rate = config->upstream_rate;
	fork->required_chain_id = fork->chain_id = config->chain_id;
	fork->trust_dev_upstream = config->trust_dev_upstream;
	fork->check = config->check;
	fork->on_answer = config->on_answer;
	fork->cookie = config->cookie;
}

static enum err add_upstreams(struct fork *fork, const struct fork_config *config,
			      struct err_detail *detail)
{
	if (config->upstreams_n == 0 || config->upstreams_n > FORK_UPSTREAMS_MAX)
		return err_set(detail, ERR_CONFIG, "between 1 and %d upstreams, please",
			       FORK_UPSTREAMS_MAX);
	fork->upstreams = calloc(config->upstreams_n, sizeof *fork->upstreams);
	if (!fork->upstreams)
		return ERR_NOMEM;
	for (size_t i = 0; i < config->upstreams_n; i++) {
		fork->upstreams_n++;
		enum err err = upstream_init(&fork->upstreams[i], fork, (unsigned)i,
					     &config->upstreams[i], detail);
		if (err != OK)
			return err;
	}
	return OK;
}

enum err engine_new(struct loop *loop, const struct fork_config *config, struct fork **out,
		    struct err_detail *detail)
{
	*out = NULL;
	struct fork *fork = calloc(1, sizeof *fork);
	if (!fork)
		return ERR_NOMEM;
	fork->loop = loop;
	fork->wake.lfd.fd = -1;
	configure(fork, config);
	pthread_mutex_init(&fork->ports_lock, NULL);
	pthread_mutex_init(&fork->command_lock, NULL);
	pthread_cond_init(&fork->command_done, NULL);
	/* A seed of hash and jitter: without entropy (early boot) a fixed one must do. */
	if (getrandom(&fork->random, sizeof fork->random, GRND_NONBLOCK) !=
		    sizeof fork->random ||
	    fork->random == 0)
		fork->random = UINT64_C(0x853c49e6748fea9b);
	fork->next_id = (fork->random >> 20 & FIRST_ID_MASK) + 1;
	enum err err = flights_init(fork);
	if (err == OK) {
		err = client_new(loop, config->ca_file, &fork->client);
		if (err == ERR_CONFIG)
			err = err_set(detail, err, "the CA file %s cannot be read",
				      config->ca_file);
	}
	if (err == OK)
		err = add_upstreams(fork, config, detail);
	if (err == OK)
		err = loop_wake_init(loop, &fork->wake, woken, fork);
	fork->has_wake = err == OK;
	if (err != OK) {
		engine_free(&fork);
		return err == ERR_NOMEM ? err_set(detail, err, "out of memory") : err;
	}
	*out = fork;
	return OK;
}

void engine_free(struct fork **out)
{
	struct fork *fork = *out;
	*out = NULL;
	if (!fork)
		return;
	fork->stopping = true;
	pin_cancel(fork);
	for (size_t i = 0; i < fork->upstreams_n; i++)
		upstream_release(&fork->upstreams[i]);
	flights_release(fork);
	REQUIRE(!fork->ports);
	loop_timer_cancel(fork->loop, &fork->stop_timer);
	if (fork->has_wake)
		loop_wake_release(fork->loop, &fork->wake);
	client_free(&fork->client);
	free(fork->upstreams);
	pthread_mutex_destroy(&fork->ports_lock);
	pthread_mutex_destroy(&fork->command_lock);
	pthread_cond_destroy(&fork->command_done);
	free(fork);
}

/* ---- the thread ---- */

static void *run(void *cookie)
{
	struct fork *fork = cookie;
	fork->loop_err = loop_run(fork->loop);
	if (fork->loop_err != OK)
		log_error("the fork loop failed", LOG_S("why", err_name(fork->loop_err)));
	pthread_mutex_lock(&fork->command_lock);
	fork->ended = true;
	pthread_cond_broadcast(&fork->command_done);
	pthread_mutex_unlock(&fork->command_lock);
	return NULL;
}

struct span fork_client_kind(const char *version)
{
	enum { KIND_MAX = 31 };
	size_t n = 0;

	while (n < KIND_MAX && ((version[n] >= 'a' && version[n] <= 'z') ||
				(version[n] >= 'A' && version[n] <= 'Z') ||
				(version[n] >= '0' && version[n] <= '9') || version[n] == '-' ||
				version[n] == '_' || version[n] == '.'))
		n++;
	return (struct span){version, n};
}

enum err fork_start(const struct fork_config *config, struct fork **out,
		    struct err_detail *detail)
{
	struct loop *loop = NULL;
	struct fork *fork = NULL;
	*out = NULL;
	enum err err = loop_new(&loop);
	if (err == OK)
		err = engine_new(loop, config, &fork, detail);
	if (err == OK && thread_start(&fork->thread, run, fork) != OK)
		err = err_set(detail, ERR_NOMEM, "the fork thread could not be started");
	if (err != OK) {
		engine_free(&fork);
		loop_free(&loop);
		return err;
	}
	*out = fork;
	return OK;
}

void fork_stop(struct fork **out)
{
	struct fork *fork = *out;
	*out = NULL;
	if (!fork)
		return;
	struct loop *loop = fork->loop;
	atomic_store(&fork->stop, true);
	loop_wake_signal(&fork->wake);
	int joined = pthread_join(fork->thread, NULL);
	REQUIRE(joined == 0);
	engine_free(&fork);
	loop_free(&loop);
}

size_t fork_stats(struct fork *fork, struct fork_stats *out,
		  struct fork_upstream_stats *upstreams, size_t max)
{
	*out = (struct fork_stats){
		.questions = atomic_load_explicit(&fork->questions, memory_order_relaxed),
		.joined = atomic_load_explicit(&fork->joined, memory_order_relaxed),
		.flights = atomic_load_explicit(&fork->flights_started, memory_order_relaxed),
		.answered = atomic_load_explicit(&fork->answered_n, memory_order_relaxed),
		.failed = atomic_load_explicit(&fork->failed_n, memory_order_relaxed),
		.retries = atomic_load_explicit(&fork->retries, memory_order_relaxed),
		.failovers = atomic_load_explicit(&fork->failovers, memory_order_relaxed),
		.in_flight = atomic_load_explicit(&fork->flights.n, memory_order_relaxed),
	};
	for (size_t i = 0; i <= ERR_CANCELLED; i++)
		out->errors[i] = atomic_load_explicit(&fork->errors[i], memory_order_relaxed);
	for (size_t i = 0; i < fork->upstreams_n && i < max; i++)
		upstream_stats(&fork->upstreams[i], &upstreams[i]);
	return fork->upstreams_n;
}
