/* SPDX-License-Identifier: MIT */
#include "fake_fork.h"

struct fork_port {
	int unused;
};

struct fork_op {
	struct fork_op *next;
	struct fork_question question;
	fork_done_fn *done;
	void *cookie;
};

static struct {
	fake_fork_answer_fn *answer;
	fork_check_fn *check;
	fork_answer_fn *on_answer;
	void *cookie;
	struct fork_op *head, **tail;
	unsigned asked, queued, refuse, refuse_after;
} fake = {.tail = &fake.head};

bool fake_fork_at_work;

void fake_fork_set(fake_fork_answer_fn *answer, fork_check_fn *check, fork_answer_fn *on_answer,
		   void *cookie)
{
	REQUIRE(fake.head == NULL);
	fake.answer = answer;
	fake.check = check;
	fake.on_answer = on_answer;
	fake.cookie = cookie;
	fake.asked = 0;
	fake.refuse = 0;
}

unsigned fake_fork_asked(void)
{
	return fake.asked;
}

unsigned fake_fork_queued(void)
{
	return fake.queued;
}

void fake_fork_refuse(unsigned n)
{
	fake.refuse = n;
	fake.refuse_after = 0;
}

void fake_fork_refuse_after(unsigned n)
{
	fake.refuse = 1;
	fake.refuse_after = n;
}

enum err fork_port_open(struct fork *fork, struct loop *loop, uint32_t capacity,
			struct fork_port **out)
{
	(void)fork, (void)loop, (void)capacity;
	*out = calloc(1, sizeof **out);
	return *out != NULL ? OK : ERR_NOMEM;
}

static void op_free(struct fork_op *op)
{
	free((char *)(uintptr_t)op->question.method.ptr);
	free((char *)(uintptr_t)op->question.params.ptr);
	free((char *)(uintptr_t)op->question.tag.ptr);
	free(op);
	fake.queued--;
}

void fork_port_close(struct fork_port **port)
{
	while (fake.head != NULL) {
		struct fork_op *op = fake.head;
		fake.head = op->next;
		op_free(op);
	}
	fake.tail = &fake.head;
	free(*port);
	*port = NULL;
}

static struct span copy(struct span span)
{
	char *bytes = malloc(span.len + 1);

	REQUIRE(bytes != NULL);
	if (span.len > 0)
		memcpy(bytes, span.ptr, span.len);
	return (struct span){bytes, span.len};
}

enum lookup fork_ask(struct fork_port *port, const struct fork_question *question,
		     fork_done_fn *done, void *cookie, struct fork_op **out, enum err *err)
{
	(void)port;
	fake.asked++;
	if (fake.refuse > 0 && fake.refuse_after > 0) {
		fake.refuse_after--;
	} else if (fake.refuse > 0) {
		fake.refuse--;
		*err = ERR_LIMIT;
		return FAILED;
	}
	fake_fork_at_work = true;
	struct fork_op *op = calloc(1, sizeof *op);
	REQUIRE(op != NULL);
	op->question = *question;
	op->question.method = copy(question->method);
	op->question.params = copy(question->params);
	op->question.tag = copy(question->tag);
	fake_fork_at_work = false;
	op->done = done;
	op->cookie = cookie;
	*fake.tail = op;
	fake.tail = &op->next;
	fake.queued++;
	*out = op;
	return PENDING;
}

void fork_cancel(struct fork_op **op)
{
	if (*op == NULL)
		return;
	for (struct fork_op **at = &fake.head; *at != NULL; at = &(*at)->next) {
		if (*at != *op)
			continue;
		*at = (*op)->next;
		if (fake.tail == &(*op)->next)
			fake.tail = at;
		op_free(*op);
		break;
	}
	*op = NULL;
}

bool fake_fork_deliver_one(void)
{
	struct fork_op *op = fake.head;
	struct fork_answer answer = {.detail = ""};
	struct err_detail detail = {{0}};

	if (op == NULL)
		return false;
	fake.head = op->next;
	if (fake.head == NULL)
		fake.tail = &fake.head;
	fake_fork_at_work = true;
	fake.answer(&op->question, &answer);
	fake_fork_at_work = false;
	struct blob *mine = answer.blob;
	if (answer.err == OK && op->question.kind == FORK_CALL && fake.check != NULL) {
		answer.err = fake.check(&op->question, blob_span(answer.blob), &detail);
		answer.detail = detail.text;
	}
	bool is_error = answer.err == ERR_UPSTREAM && op->question.kind == FORK_CALL;
	if ((answer.err == OK || is_error) && fake.on_answer != NULL)
		fake.on_answer(fake.cookie, &op->question, &answer);
	op->done(op->cookie, &answer);
	blob_put(&mine);
	op_free(op);
	return true;
}

unsigned fake_fork_deliver(void)
{
	unsigned n = 0;

	while (fake_fork_deliver_one())
		n++;
	return n;
}
