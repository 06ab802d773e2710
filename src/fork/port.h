/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Ports and operations: how questions cross to the fork thread and answers come back.
 *
 * Two rings a port, each with room for twice its capacity: an operation sends one ASK and
 * at most one CANCEL, and gets one ANSWER and, if it was cancelled, one ACK. An operation
 * is counted from fork_ask until it is freed, and fork_ask refuses beyond the capacity, so
 * a push never fails and neither thread can wait for the other.
 *
 * The worker allocates the operation and frees it: when its ANSWER arrives, or, once
 * cancelled, when the ACK does (the fork thread has then seen the cancel and holds no
 * pointer to it). CLOSE hands the port and all its operations to the fork thread.
 *
 * Fields are grouped by the thread that owns them; what crosses is published by the rings.
 */
#include "base/loop.h"
#include "base/ring.h"
#include "fork/fork.h"
#include <pthread.h>

struct flight;

enum message_kind { MESSAGE_ASK, MESSAGE_CANCEL, MESSAGE_CLOSE, MESSAGE_ANSWER, MESSAGE_ACK };
struct message {
	enum message_kind kind;
	struct fork_op *op;
	struct message *next; /* in the port's list of what leaves with this turn */
};

struct fork_op {
	uint32_t magic;
	struct fork_port *port;
	/* the worker's */
	fork_done_fn *done;
	void *cookie;
	bool cancelled, flushed;
	struct message ask, cancel;
	/* the fork thread's, from ASK to ANSWER or ACK */
	bool answered;
	struct message reply, ack;
	struct flight *flight;
	struct fork_op *next, *prev;	       /* followers of the flight */
	struct fork_op *due_next, *due_prev;   /* deadlines of the class */
	struct fork_op *port_next, *port_prev; /* unanswered operations of the port */
	uint64_t submitted_us;
	/* written by the fork thread before ANSWER */
	struct fork_answer answer;
	struct blob *detail; /* holds answer.detail */
	/* read-only */
	struct fork_question question; /* spans into bytes */
	char bytes[];
};

/* Copies a question's spans to bytes (question_bytes long) and points out's there. */
size_t question_bytes(const struct fork_question *question);
void question_copy(struct fork_question *out, const struct fork_question *question,
		   char *bytes);

/* The fork thread's side. */

/* Takes in all that has been sent by any port. */
void ports_drain(struct fork *fork);
/* Publishes the answer (blob_gets what it keeps). The op is the worker's afterwards. */
void op_answer(struct fork_op *op, const struct fork_answer *answer);
/* Wakes the workers that were answered since the last call; ends every entry point. */
void ports_signal(struct fork *fork);
