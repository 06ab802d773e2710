/* SPDX-License-Identifier: MIT */
#include "fork/port.h"
#include "fork/fork_impl.h"
#include <stdlib.h>

#define OP_MAGIC 0x666f726bu /* "fork" */

struct fork_port {
	struct fork *fork;
	struct loop *loop;
	uint32_t capacity;
	struct ring questions, answers;
	/* the worker's */
	uint32_t in_use;
	struct message *pending, **pending_end; /* leaves at the end of the turn */
	struct loop_timer turn;
	struct loop_wake wake;
	bool delivering, close_wanted; /* a callback may close the port */
	struct message close;
	/* both: the wake is released under the lock, and signalled under it */
	pthread_mutex_t lock;
	bool open;
	/* the fork thread's */
	struct fork_port *next;
	struct fork_op *ops;
	struct fork_port *next_answered;
	bool is_answered;
};

size_t question_bytes(const struct fork_question *question)
{
	return question->method.len + question->params.len + question->tag.len;
}

static struct span copy_span(char **at, struct span span)
{
	struct span copy = {*at, span.len};
	if (span.len)
		memcpy(*at, span.ptr, span.len);
	*at += span.len;
	return copy;
}

void question_copy(struct fork_question *out, const struct fork_question *question, char *bytes)
{
	*out = *question;
	out->method = copy_span(&bytes, question->method);
	out->params = copy_span(&bytes, question->params);
	out->tag = copy_span(&bytes, question->tag);
}

static void op_free(struct fork_op *op)
{
	op->magic = 0;
	blob_put(&op->answer.blob);
	blob_put(&op->detail);
	free(op);
}

/* ---- the worker's side ---- */

static void flush(void *cookie)
{
	struct fork_port *port = cookie;
	struct message *message = port->pending, *next;
	bool any = false;
	port->pending = NULL;
	port->pending_end = &port->pending;
	for (; message; message = next) {
		struct fork_op *op = message->op;
		next = message->next;
		if (message->kind == MESSAGE_ASK && op->cancelled) {
			port->in_use--;
			op_free(op);
			continue;
		}
		op->flushed = true;
		bool pushed = ring_push(&port->questions, message);
		REQUIRE(pushed); /* room is reserved: port.h */
		any = true;
	}
	if (any)
		loop_wake_signal(&port->fork->wake);
}

static void append(struct fork_port *port, struct message *message)
{
	message->next = NULL;
	*port->pending_end = message;
	port->pending_end = &message->next;
}

static void close_now(struct fork_port *port)
{
	for (struct message *m = port->pending; m; m = m->next)
		if (m->kind == MESSAGE_ASK)
			m->op->cancelled = true;
	flush(port);
	loop_timer_cancel(port->loop, &port->turn);
	pthread_mutex_lock(&port->lock);
	port->open = false;
	pthread_mutex_unlock(&port->lock);
	loop_wake_release(port->loop, &port->wake);
	struct fork *fork = port->fork;
	bool pushed = ring_push(&port->questions, &port->close);
	REQUIRE(pushed);
	/* From here on the port is the fork thread's. */
	loop_wake_signal(&fork->wake);
}

static void answered(void *cookie)
{
	struct fork_port *port = cookie;
	struct message *message;
	port->delivering = true;
	while (!port->close_wanted && (message = ring_pop(&port->answers))) {
		struct fork_op *op = message->op;
		/* The ACK of the cancel is still to come: the op is not ours yet. */
		if (message->kind == MESSAGE_ANSWER && op->cancelled)
			continue;
		port->in_use--;
		if (message->kind == MESSAGE_ANSWER)
			op->done(op->cookie, &op->answer);
		op_free(op);
	}
	port->delivering = false;
	if (port->close_wanted)
		close_now(port);
}

static void port_free(struct fork_port *port)
{
	ring_release(&port->questions);
	ring_release(&port->answers);
	pthread_mutex_destroy(&port->lock);
	free(port);
}

enum err fork_port_open(struct fork *fork, struct loop *loop, uint32_t capacity,
			struct fork_port **out)
{
	struct fork_port *port = calloc(1, sizeof *port);
	*out = NULL;
	if (!port)
		return ERR_NOMEM;
	*port = (struct fork_port){
		.fork = fork, .loop = loop, .capacity = capacity, .open = true};
	port->pending_end = &port->pending;
	port->close = (struct message){.kind = MESSAGE_CLOSE};
	pthread_mutex_init(&port->lock, NULL);
	loop_timer_init(&port->turn, flush, port);
	enum err err = ring_init(&port->questions, 2 * capacity + 1); /* and CLOSE */
	if (err == OK)
		err = ring_init(&port->answers, 2 * capacity);
	if (err == OK)
		err = loop_wake_init(loop, &port->wake, answered, port);
	if (err != OK) {
		port_free(port);
		return err;
	}
	pthread_mutex_lock(&fork->ports_lock);
	port->next = fork->ports;
	fork->ports = port;
	pthread_mutex_unlock(&fork->ports_lock);
	*out = port;
	return OK;
}

void fork_port_close(struct fork_port **out)
{
	struct fork_port *port = *out;
	*out = NULL;
	if (!port)
		return;
	if (port->delivering)
		port->close_wanted = true;
	else
		close_now(port);
}

enum lookup fork_ask(struct fork_port *port, const struct fork_question *question,
		     fork_done_fn *done, void *cookie, struct fork_op **out, enum err *err)
{
	*out = NULL;
	*err = ERR_LIMIT;
	if (port->in_use >= port->capacity)
		return FAILED;
	*err = ERR_NOMEM;
	if (!loop_timer_running(&port->turn) &&
	    loop_timer_start(port->loop, &port->turn, 0) != OK)
		return FAILED;
	struct fork_op *op = malloc(sizeof *op + question_bytes(question));
	if (!op)
		return FAILED;
	*op = (struct fork_op){.magic = OP_MAGIC, .port = port, .done = done, .cookie = cookie};
	op->ask = (struct message){.kind = MESSAGE_ASK, .op = op};
	op->cancel = (struct message){.kind = MESSAGE_CANCEL, .op = op};
	op->reply = (struct message){.kind = MESSAGE_ANSWER, .op = op};
	op->ack = (struct message){.kind = MESSAGE_ACK, .op = op};
	question_copy(&op->question, question, op->bytes);
	port->in_use++;
	append(port, &op->ask);
	*out = op;
	*err = OK;
	return PENDING;
}

void fork_cancel(struct fork_op **out)
{
	struct fork_op *op = *out;
	*out = NULL;
	if (!op)
		return;
	REQUIRE(op->magic == OP_MAGIC && !op->cancelled);
	struct fork_port *port = op->port;
	op->cancelled = true;
	if (!op->flushed)
		return; /* flush frees it */
	append(port, &op->cancel);
	if (!loop_timer_running(&port->turn) &&
	    loop_timer_start(port->loop, &port->turn, 0) != OK)
		flush(port);
}

/* ---- the fork thread's side ---- */

static void send_back(struct fork_op *op, struct message *message)
{
	struct fork_port *port = op->port;
	bool pushed = ring_push(&port->answers, message);
	REQUIRE(pushed);
	if (port->is_answered)
		return;
	port->is_answered = true;
	port->next_answered = port->fork->answered;
	port->fork->answered = port;
}

static void op_unlist(struct fork_op *op)
{
	if (op->port_prev)
		op->port_prev->port_next = op->port_next;
	else
		op->port->ops = op->port_next;
	if (op->port_next)
		op->port_next->port_prev = op->port_prev;
}

static void op_list(struct fork_op *op)
{
	op->port_prev = NULL;
	op->port_next = op->port->ops;
	if (op->port_next)
		op->port_next->port_prev = op;
	op->port->ops = op;
}

void op_answer(struct fork_op *op, const struct fork_answer *answer)
{
	struct fork *fork = op->port->fork;
	const size_t length = answer->detail ? strlen(answer->detail) : 0;
	op->answered = true;
	op_unlist(op);
	op->answer = *answer;
	op->answer.detail = "";
	op->answer.client = (struct span){0};
	if (answer->blob)
		blob_get(answer->blob);
	/* Without memory the cause alone must do. */
	if (length && (op->detail = blob_copy(answer->detail, length + 1)))
		op->answer.detail = (const char *)op->detail->bytes;
	if (answer->err == OK || answer->blob != NULL)
		fork_count(&fork->answered_n, 1);
	else
		fork_count(&fork->failed_n, 1);
	fork_count(&fork->errors[answer->err], answer->err != OK);
	send_back(op, &op->reply);
}

static void close_port(struct fork *fork, struct fork_port *port)
{
	struct message *message;
	while (port->ops) {
		struct fork_op *op = port->ops;
		op_unlist(op);
		flights_leave(fork, op);
		op_free(op);
	}
	while ((message = ring_pop(&port->answers)))
		if (message->kind == MESSAGE_ACK || !message->op->cancelled)
			op_free(message->op);
	pthread_mutex_lock(&fork->ports_lock);
	struct fork_port **at = &fork->ports;
	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	pthread_mutex_unlock(&fork->ports_lock);
	for (at = &fork->answered; *at; at = &(*at)->next_answered)
		if (*at == port) {
			*at = port->next_answered;
			break;
		}
	port_free(port);
}

static void drain(struct fork *fork, struct fork_port *port)
{
	struct message *message;
	while ((message = ring_pop(&port->questions))) {
		struct fork_op *op = message->op;
		switch (message->kind) {
		case MESSAGE_ASK:
			op_list(op);
			flights_submit(fork, op);
			break;
		case MESSAGE_CANCEL:
			if (!op->answered) {
				op_unlist(op);
				flights_leave(fork, op);
			}
			send_back(op, &op->ack);
			break;
		case MESSAGE_CLOSE:
			close_port(fork, port);
			return;
		case MESSAGE_ANSWER:
		case MESSAGE_ACK:
			REQUIRE(message->kind == MESSAGE_ASK); /* of the other direction */
		}
	}
}

void ports_drain(struct fork *fork)
{
	pthread_mutex_lock(&fork->ports_lock);
	struct fork_port *port = fork->ports;
	pthread_mutex_unlock(&fork->ports_lock);
	/* Others only add in front, and only this thread removes. */
	for (struct fork_port *next; port; port = next) {
		next = port->next;
		drain(fork, port);
	}
}

void ports_signal(struct fork *fork)
{
	struct fork_port *port;
	while ((port = fork->answered)) {
		fork->answered = port->next_answered;
		port->is_answered = false;
		pthread_mutex_lock(&port->lock);
		if (port->open)
			loop_wake_signal(&port->wake);
		pthread_mutex_unlock(&port->lock);
	}
}
