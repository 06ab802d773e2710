/* SPDX-License-Identifier: MIT */
#include "mock_node/thread.h"
#include "mock_node/control.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

typedef void task_fn(struct mock_thread *mock, void *cookie);

struct mock_thread {
	struct node node;
	struct loop *loop;
	struct http_server *server;
	unsigned port;
	pthread_t thread;
	struct loop_wake wake;
	pthread_mutex_t lock;
	pthread_cond_t done;
	task_fn *task;
	void *cookie;
};

static void on_wake(void *cookie)
{
	struct mock_thread *mock = cookie;

	pthread_mutex_lock(&mock->lock);
	if (mock->task != NULL)
		mock->task(mock, mock->cookie);
	mock->task = NULL;
	pthread_cond_signal(&mock->done);
	pthread_mutex_unlock(&mock->lock);
}

static void *thread_main(void *cookie)
{
	struct mock_thread *mock = cookie;

	REQUIRE(loop_run(mock->loop) == OK);
	return NULL;
}

/* Runs it on the node's thread; returns when it has. */
static void run(struct mock_thread *mock, task_fn *task, void *cookie)
{
	pthread_mutex_lock(&mock->lock);
	mock->task = task;
	mock->cookie = cookie;
	loop_wake_signal(&mock->wake);
	while (mock->task != NULL)
		pthread_cond_wait(&mock->done, &mock->lock);
	pthread_mutex_unlock(&mock->lock);
}

enum err mock_thread_start(uint64_t blocks, struct mock_thread **out)
{
	struct mock_thread *mock = calloc(1, sizeof *mock);
	struct err_detail detail;

	if (mock == NULL)
		return ERR_NOMEM;
	signal(SIGPIPE, SIG_IGN);
	script_init(&mock->node.script);
	counters_init(&mock->node.counters);
	pthread_mutex_init(&mock->lock, NULL);
	pthread_cond_init(&mock->done, NULL);
	enum err err = world_init(&mock->node.world);
	if (err == OK)
		err = chain_init(&mock->node.chain, &mock->node.world, blocks, true);
	if (err == OK)
		err = loop_new(&mock->loop);
	if (err == OK)
		err = http_start(mock->loop, &mock->node, "127.0.0.1:0", &mock->server,
				 &mock->port, &detail);
	if (err == OK)
		err = loop_wake_init(mock->loop, &mock->wake, on_wake, mock);
	if (err == OK && pthread_create(&mock->thread, NULL, thread_main, mock) != 0)
		err = ERR_NOMEM;
	/* A test that cannot have its node ends: nothing is tidied. */
	*out = mock;
	return err;
}

void mock_thread_stop(struct mock_thread **out)
{
	struct mock_thread *mock = *out;

	loop_stop(mock->loop);
	pthread_join(mock->thread, NULL);
	http_free(&mock->server);
	loop_wake_release(mock->loop, &mock->wake);
	loop_free(&mock->loop);
	chain_release(&mock->node.chain);
	world_release(&mock->node.world);
	script_release(&mock->node.script);
	counters_release(&mock->node.counters);
	pthread_cond_destroy(&mock->done);
	pthread_mutex_destroy(&mock->lock);
	free(mock);
	*out = NULL;
}

unsigned mock_thread_port(const struct mock_thread *mock)
{
	return mock->port;
}

const struct chain *mock_thread_chain(const struct mock_thread *mock)
{
	return &mock->node.chain;
}

static void apply(struct mock_thread *mock, void *cookie)
{
	struct err_detail detail = {{0}};
	json_t *control = json_loads(cookie, 0, NULL);

	if (control == NULL ||
	    control_apply(mock->server, &mock->node, control, &detail) != OK) {
		fprintf(stderr, "control %s: %s\n", (const char *)cookie, detail.text);
		REQUIRE(false);
	}
	json_decref(control);
}

void mock_thread_control(struct mock_thread *mock, const char *json)
{
	char copy[1024];

	REQUIRE(snprintf(copy, sizeof copy, "%s", json) < (int)sizeof copy);
	run(mock, apply, copy);
}

struct count {
	const char *method;
	uint64_t n;
};

static void count_one(struct mock_thread *mock, void *cookie)
{
	const struct counter *at = mock->node.counters.methods.all;
	struct count *count = cookie;

	for (; at != NULL; at = at->next)
		if (at->name_bytes == strlen(count->method) &&
		    memcmp(at->name, count->method, at->name_bytes) == 0)
			count->n = at->count;
}

uint64_t mock_thread_asked(struct mock_thread *mock, const char *method)
{
	struct count count = {.method = method};

	run(mock, count_one, &count);
	return count.n;
}

static void count_items(struct mock_thread *mock, void *cookie)
{
	*(uint64_t *)cookie = mock->node.counters.items;
}

uint64_t mock_thread_items(struct mock_thread *mock)
{
	uint64_t n;

	run(mock, count_items, &n);
	return n;
}

struct text {
	char *out;
	size_t size;
};

static void copy_body(struct mock_thread *mock, void *cookie)
{
	const struct buf *body = &mock->node.counters.last_body;
	struct text *text = cookie;

	snprintf(text->out, text->size, "%.*s", (int)body->len,
		 body->ptr != NULL ? body->ptr : "");
}

void mock_thread_last_body(struct mock_thread *mock, char *out, size_t size)
{
	struct text text = {.out = out, .size = size};

	run(mock, copy_body, &text);
}
