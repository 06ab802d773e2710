/* SPDX-License-Identifier: MIT */
#include "fork/client.h"
#include "fork/multi.h"
#include "fork/resolver.h"
#include "fork/url.h"
#include <stdlib.h>

/* For all addresses of a name together, TLS included, if the deadline is not nearer: one
 * that does not answer at all gets half of it (libcurl), and the next one its chance. */
#define CONNECT_MAX_MS 6000

#define OP_MAGIC 0x636c6f70u

struct client {
	struct loop *loop;
	struct resolver *resolver;
	struct multi *multi;
	char *dns_servers;
	unsigned targets;
	uint64_t requests, in_flight;
};

struct client_target {
	struct client *client;
	struct url url;
	struct resolver_name *name;
	struct multi_peer *peer;
	unsigned ops;
};

struct client_op {
	unsigned magic;
	struct client_target *target;
	client_done_fn *done;
	void *cookie;
	char *body;
	size_t body_len, max_reply;
	uint64_t started_us;
	struct loop_timer timer; /* the deadline, or the next turn when failed is set */
	struct resolver_wait wait;
	struct multi_transfer *transfer; /* NULL: not yet */
	bool once;			 /* on a connection of its own */
	enum err failed;		 /* found inside client_post */
	const char *failed_detail;
};

static void op_free(struct client_op *op)
{
	op->target->ops--;
	op->target->client->in_flight--;
	loop_timer_cancel(op->target->client->loop, &op->timer);
	resolver_cancel(&op->wait);
	free(op->body);
	op->magic = 0;
	free(op);
}

/* The last thing that anybody does with op, target or client: done may free them. */
static void op_finish(struct client_op *op, const struct client_reply *reply)
{
	client_done_fn *done = op->done;
	void *cookie = op->cookie;
	struct client_reply whole = *reply;

	whole.elapsed_us = loop_now_us(op->target->client->loop) - op->started_us;
	/* Wrong or old addresses look like this, and so does a certificate of whoever has
	 * our peer's old address. */
	if (whole.err != OK && !whole.connected)
		resolver_suspect(op->target->name);
	op_free(op);
	done(cookie, &whole);
}

static void op_fail(struct client_op *op, enum err err, const char *detail)
{
	const struct client_reply reply = {.err = err, .detail = detail, .retry_after_ms = -1};
	op_finish(op, &reply);
}

static void on_transfer(void *cookie, const struct client_reply *reply)
{
	struct client_op *op = cookie;
	REQUIRE(op->magic == OP_MAGIC);
	op->transfer = NULL;
	op_finish(op, reply);
}

static uint32_t connect_ms(const struct client_op *op)
{
	uint64_t now = loop_now_us(op->target->client->loop);
	uint64_t left_ms = op->timer.due_us > now ? (op->timer.due_us - now) / 1000 : 0;
	if (left_ms > CONNECT_MAX_MS)
		return CONNECT_MAX_MS;
	return left_ms > 0 ? (uint32_t)left_ms : 1; /* 0 would mean libcurl's 300 s */
}

static bool op_send(struct client_op *op, const struct resolver_answer *answer)
{
	const struct multi_request request = {
		.addresses = answer->addresses,
		.fresh = op->once,
		.gzip = !answer->loopback, /* there it costs more than it saves */
		.body = {op->body, op->body_len},
		.max_reply = op->max_reply,
		.connect_ms = connect_ms(op),
	};
	return multi_start(op->target->peer, &request, on_transfer, op, &op->transfer) ==
	       PENDING;
}

static void on_addresses(void *cookie, const struct resolver_answer *answer)
{
	struct client_op *op = cookie;
	REQUIRE(op->magic == OP_MAGIC);
	if (answer->err != OK)
		op_fail(op, answer->err, answer->detail);
	else if (!op_send(op, answer))
		op_fail(op, ERR_NOMEM, "out of memory");
}

static void on_timer(void *cookie)
{
	struct client_op *op = cookie;
	REQUIRE(op->magic == OP_MAGIC);
	struct client_reply reply = {.err = ERR_TIMEOUT, .retry_after_ms = -1};
	if (op->failed != OK) {
		op_fail(op, op->failed, op->failed_detail);
		return;
	}
	if (op->transfer == NULL) {
		reply.detail = "timed out: name server does not answer";
	} else {
		multi_cancel(&op->transfer, &reply);
		reply.detail = reply.connected ? "timed out: no answer"
					       : "timed out: could not connect";
	}
	op_finish(op, &reply);
}

/* Starts what can be started at once. False: out of memory. */
static bool op_start(struct client_op *op, uint32_t timeout_ms)
{
	struct loop *loop = op->target->client->loop;
	struct resolver_answer answer;

	if (loop_timer_start(loop, &op->timer, (uint64_t)timeout_ms * 1000) != OK)
		return false;
	enum lookup lookup =
		resolver_lookup(op->target->name, &answer, &op->wait, on_addresses, op);
	if (lookup == HIT)
		return op_send(op, &answer);
	if (lookup == FAILED) { /* told in the next turn: never from within client_post */
		op->failed = answer.err;
		op->failed_detail = answer.detail;
		return loop_timer_start(loop, &op->timer, 0) == OK;
	}
	return true;
}

static enum lookup post(struct client_target *target, char *body_bytes, size_t body_len,
			uint32_t timeout_ms, size_t max_reply, client_done_fn *done,
			void *cookie, bool once, struct client_op **op, enum err *err)
{
	struct client_op *o = calloc(1, sizeof *o);
	if (o == NULL) {
		free(body_bytes);
		*err = ERR_NOMEM;
		return FAILED;
	}
	*o = (struct client_op){
		.magic = OP_MAGIC,
		.target = target,
		.done = done,
		.cookie = cookie,
		.body = body_bytes,
		.body_len = body_len,
		.max_reply = max_reply,
		.once = once,
		.started_us = loop_now_us(target->client->loop),
	};
	loop_timer_init(&o->timer, on_timer, o);
	target->ops++;
	target->client->in_flight++;
	target->client->requests++;
	if (!op_start(o, timeout_ms)) {
		op_free(o);
		*err = ERR_NOMEM;
		return FAILED;
	}
	*op = o;
	return PENDING;
}

enum lookup client_post(struct client_target *target, char *body_bytes, size_t body_len,
			uint32_t timeout_ms, size_t max_reply, client_done_fn *done,
			void *cookie, struct client_op **op, enum err *err)
{
	return post(target, body_bytes, body_len, timeout_ms, max_reply, done, cookie, false,
		    op, err);
}

enum lookup client_post_once(struct client_target *target, char *body_bytes, size_t body_len,
			     uint32_t timeout_ms, size_t max_reply, client_done_fn *done,
			     void *cookie, struct client_op **op, enum err *err)
{
	return post(target, body_bytes, body_len, timeout_ms, max_reply, done, cookie, true, op,
		    err);
}

void client_cancel(struct client_op **op)
{
	struct client_op *gone = *op;
	*op = NULL;
	if (gone == NULL)
		return;
	REQUIRE(gone->magic == OP_MAGIC);
	multi_cancel(&gone->transfer, NULL);
	op_free(gone);
}

enum err client_target_new(struct client *client, const struct secret *url,
			   struct secret *const *headers, size_t headers_n,
			   struct client_target **out, struct err_detail *detail)
{
	struct client_target *target = calloc(1, sizeof *target);
	enum err err;
	if (target == NULL)
		return err_set(detail, ERR_NOMEM, "upstream URL: out of memory");
	target->client = client;
	client->targets++;
	err = url_parse(url, &target->url, detail);
	if (err != OK)
		goto fail;
	target->name = resolver_name_get(client->resolver, target->url.host);
	if (target->name == NULL) {
		err = err_set(detail, ERR_NOMEM, "%s: out of memory", target->url.shown);
		goto fail;
	}
	err = multi_peer_new(client->multi, &target->url, headers, headers_n, &target->peer,
			     detail);
	if (err != OK)
		goto fail;
	*out = target;
	return OK;
fail:
	client_target_free(&target);
	return err;
}

void client_target_free(struct client_target **target)
{
	struct client_target *gone = *target;
	*target = NULL;
	if (gone == NULL)
		return;
	REQUIRE(gone->ops == 0);
	gone->client->targets--;
	multi_peer_free(&gone->peer);
	resolver_name_put(&gone->name);
	url_release(&gone->url);
	free(gone);
}

const char *client_target_host(const struct client_target *target)
{
	return target->url.shown;
}

enum err client_new(struct loop *loop, const char *ca_file, struct client **out)
{
	return client_new_dns(loop, ca_file, NULL, out);
}

enum err client_new_dns(struct loop *loop, const char *ca_file, const char *dns_servers,
			struct client **out)
{
	struct client *client = calloc(1, sizeof *client);
	enum err err = ERR_NOMEM;
	if (client == NULL)
		return ERR_NOMEM;
	client->loop = loop;
	if (dns_servers != NULL && (client->dns_servers = strdup(dns_servers)) == NULL)
		goto fail;
	err = resolver_new(loop, client->dns_servers, &client->resolver);
	if (err != OK)
		goto fail;
	err = multi_new(loop, ca_file, &client->multi);
	if (err != OK)
		goto fail;
	*out = client;
	return OK;
fail:
	client_free(&client);
	return err;
}

void client_free(struct client **client)
{
	struct client *gone = *client;
	*client = NULL;
	if (gone == NULL)
		return;
	REQUIRE(gone->targets == 0 && gone->in_flight == 0);
	multi_free(&gone->multi);
	resolver_free(&gone->resolver);
	free(gone->dns_servers);
	free(gone);
}

void client_stats(const struct client *client, struct client_stats *out)
{
	*out = (struct client_stats){
		.requests = client->requests,
		.connections = multi_connections(client->multi),
		.resolutions = resolver_started(client->resolver),
		.in_flight = client->in_flight,
	};
}
