/* SPDX-License-Identifier: MIT */
#include "fake_client.h"
#include <stdlib.h>

struct client {
	struct loop *loop;
	struct client_stats stats;
	size_t targets;
};

struct client_target {
	struct client *client;
	char host[256];
};

struct client_op {
	struct client_target *target;
	struct loop_timer timer;
	struct client_reply reply;
	char *body;
	client_done_fn *done;
	void *cookie;
};

bool fake_client_in_script;
static fake_client_fn *script;
static void *script_cookie;

void fake_client_script(fake_client_fn *fn, void *cookie)
{
	script = fn;
	script_cookie = cookie;
}

enum err client_new(struct loop *loop, const char *ca_file, struct client **out)
{
	(void)ca_file;
	*out = calloc(1, sizeof **out);
	if (!*out)
		return ERR_NOMEM;
	(*out)->loop = loop;
	return OK;
}

void client_free(struct client **client)
{
	if (*client)
		REQUIRE((*client)->stats.in_flight == 0 && (*client)->targets == 0);
	free(*client);
	*client = NULL;
}

void client_stats(const struct client *client, struct client_stats *out)
{
	*out = client->stats;
}

enum err client_target_new(struct client *client, const struct secret *url,
			   struct secret *const *headers, size_t headers_n,
			   struct client_target **out, struct err_detail *detail)
{
	(void)headers;
	(void)headers_n;
	const char *start = strstr(secret_reveal(url), "//");
	*out = NULL;
	if (!start)
		return err_set(detail, ERR_CONFIG, "not a URL");
	struct client_target *target = calloc(1, sizeof *target);
	if (!target)
		return ERR_NOMEM;
	size_t n = strcspn(start + 2, "/");
	REQUIRE(n < sizeof target->host);
	memcpy(target->host, start + 2, n);
	target->client = client;
	client->targets++;
	*out = target;
	return OK;
}

void client_target_free(struct client_target **target)
{
	if (*target)
		(*target)->client->targets--;
	free(*target);
	*target = NULL;
}

const char *client_target_host(const struct client_target *target)
{
	return target->host;
}

static void op_free(struct client_op *op)
{
	op->target->client->stats.in_flight--;
	free(op->body);
	free(op);
}

static void arrive(void *cookie)
{
	struct client_op *op = cookie;
	op->done(op->cookie, &op->reply);
	op_free(op);
}

enum lookup client_post(struct client_target *target, char *body_bytes, size_t body_len,
			uint32_t timeout_ms, size_t max_reply, client_done_fn *done,
			void *cookie, struct client_op **out, enum err *err)
{
	struct client *client = target->client;
	struct client_op *op = calloc(1, sizeof *op);
	struct fake_reply reply = {.status = 200, .retry_after_ms = -1, .connected = true};
	REQUIRE(script);
	*err = ERR_NOMEM;
	if (!op) {
		free(body_bytes);
		return FAILED;
	}
	fake_client_in_script = true;
	script(script_cookie, loop_now_us(client->loop), target->host,
	       (struct span){body_bytes, body_len}, &reply);
	fake_client_in_script = false;
	free(body_bytes);
	client->stats.requests++;
	client->stats.in_flight++;
	char *body = reply.body;
	const size_t length = reply.body_len;
	const uint64_t timeout_us = (uint64_t)timeout_ms * 1000;
	if (reply.never || reply.delay_us > timeout_us)
		reply = (struct fake_reply){.err = ERR_TIMEOUT,
					    .connected = true,
					    .retry_after_ms = -1,
					    .delay_us = timeout_us,
					    .detail = "no answer in time"};
	if (length > max_reply)
		reply.err = ERR_LIMIT;
	op->target = target;
	op->done = done;
	op->cookie = cookie;
	op->body = body;
	op->reply = (struct client_reply){
		.err = reply.err,
		.status = reply.err == OK ? reply.status : 0,
		.body = {op->body, reply.err == OK ? length : 0},
		.retry_after_ms = reply.retry_after_ms,
		.bytes_in = length,
		.bytes_out = body_len,
		.elapsed_us = reply.delay_us,
		.connected = reply.connected,
		.opened_us = reply.opened_us,
		.detail = reply.detail ? reply.detail : "",
	};
	loop_timer_init(&op->timer, arrive, op);
	if (loop_timer_start(client->loop, &op->timer, reply.delay_us) != OK) {
		op_free(op);
		return FAILED;
	}
	*out = op;
	return PENDING;
}

enum lookup client_post_once(struct client_target *target, char *body_bytes, size_t body_len,
			     uint32_t timeout_ms, size_t max_reply, client_done_fn *done,
			     void *cookie, struct client_op **out, enum err *err)
{
	return client_post(target, body_bytes, body_len, timeout_ms, max_reply, done, cookie,
			   out, err);
}

void client_cancel(struct client_op **out)
{
	struct client_op *op = *out;
	*out = NULL;
	if (!op)
		return;
	loop_timer_cancel(op->target->client->loop, &op->timer);
	op_free(op);
}
