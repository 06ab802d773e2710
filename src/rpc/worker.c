/* SPDX-License-Identifier: MIT */
#include "rpc/worker.h"
#include "base/log.h"
#include <pthread.h>
#include <unistd.h>

struct worker {
	struct loop *loop;
	struct stack_view *view;
	struct request_pool *pool;
	struct server *server;
	int listen_fd;
	pthread_t thread;
	struct loop_wake stop;
	atomic_ullong stop_timeout_us;
};

static void on_drained(void *cookie)
{
	struct worker *worker = cookie;

	loop_stop(worker->loop);
}

static void on_stop(void *cookie)
{
	struct worker *worker = cookie;

	server_drain(worker->server, atomic_load(&worker->stop_timeout_us), on_drained, worker);
}

static void *worker_main(void *cookie)
{
	struct worker *worker = cookie;
	enum err err = loop_run(worker->loop);

	if (err != OK)
		log_error("a worker's loop failed", LOG_S("cause", err_name(err)));
	return NULL;
}

void worker_free(struct worker **worker)
{
	struct worker *w = *worker;

	if (w == NULL)
		return;
	if (w->server != NULL)
		server_free(&w->server);
	request_pool_free(&w->pool);
	stack_view_free(&w->view);
	if (w->stop.fn != NULL)
		loop_wake_release(w->loop, &w->stop);
	loop_free(&w->loop);
	close(w->listen_fd);
	free(w);
	*worker = NULL;
}

enum err worker_start(const struct worker_config *config, struct worker **out)
{
	struct worker *worker = calloc(1, sizeof *worker);
	enum err err;

	if (worker == NULL) {
		close(config->listen_fd);
		return ERR_NOMEM;
	}
	worker->listen_fd = config->listen_fd;
	err = loop_new(&worker->loop);
	if (err == OK)
		err = loop_wake_init(worker->loop, &worker->stop, on_stop, worker);
	if (err == OK)
		err = stack_view_new(config->stack, config->fork, worker->loop,
				     config->in_flight, &worker->view);
	if (err == OK)
		err = request_pool_new(worker->view, config->chain, &config->limits,
				       &worker->pool);
	if (err != OK)
		goto fail;
	struct server_config server = *config->server;
	server.listen_fd = config->listen_fd;
	server.on_request = request_start;
	server.cookie = worker->pool;
	err = server_new(worker->loop, &server, &worker->server);
	if (err != OK)
		goto fail;
	if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
		err = ERR_NOMEM;
		goto fail;
	}
	*out = worker;
	return OK;
fail:
	worker_free(&worker);
	return err;
}

void worker_stop(struct worker *worker, uint64_t timeout_us)
{
	atomic_store(&worker->stop_timeout_us, timeout_us);
	loop_wake_signal(&worker->stop);
}

void worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

const struct server_stats *worker_server_stats(const struct worker *worker)
{
	return server_stats(worker->server);
}

const struct request_stats *worker_request_stats(const struct worker *worker)
{
	return request_stats(worker->pool);
}
