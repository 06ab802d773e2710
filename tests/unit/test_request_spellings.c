/* SPDX-License-Identifier: MIT */
/*
 * Random executions and filters in random spellings (spellings.h): whatever the spelling, the
 * upstream is asked in one plain text, and once; and what differs in one place is another
 * question.
 */
#include "request_fixture.h"
#include "rpc/forms.h"
#include "spellings.h"

#define FORM_CASES    4000
#define REQUEST_CASES 2000

/* ---- what must come of them ---- */

static struct buf written(put_fn *put, const struct meaning *m, bool plain)
{
	struct writer w = {m->gene, plain};
	struct buf out;

	buf_init(&out, 1 << 20);
	put(&w, &out);
	buf_char(&out, '\0');
	assert_ok(buf_err(&out));
	assert_true(w.at <= m->gene + GENES);
	return out;
}

static struct buf form_of_text(const struct form *form, const char *text)
{
	struct err_detail why = {{0}};
	struct buf out;

	buf_init(&out, 1 << 20);
	if (form_put(form, span_of(text), &out, &why) != OK)
		fail_msg("%s: %s", text, why.text);
	buf_char(&out, '\0');
	return out;
}

static void one_meaning(const struct form *form, put_fn *put, const struct meaning *m)
{
	struct buf want = written(put, m, true);

	for (int i = 0; i < 2; i++) {
		struct buf given = written(put, m, false);
		struct buf got = form_of_text(form, given.ptr);
		if (strcmp(got.ptr, want.ptr) != 0)
			fail_msg("%s\n became %s\n and not %s", given.ptr, got.ptr, want.ptr);
		buf_release(&got);
		buf_release(&given);
	}
	buf_release(&want);
}

/* How often another number in one place is another text. */
static unsigned one_change(put_fn *put, struct meaning m)
{
	struct buf before = written(put, &m, true);
	size_t i = below(20);

	m.gene[i] = (unsigned char)(m.gene[i] + 1 + below(11));
	struct buf after = written(put, &m, true);
	unsigned differ = strcmp(before.ptr, after.ptr) != 0;
	buf_release(&before);
	buf_release(&after);
	return differ;
}

static void all_spellings(const struct form *form, put_fn *put)
{
	unsigned differ = 0;

	for (int i = 0; i < FORM_CASES; i++) {
		struct meaning m = random_meaning();
		one_meaning(form, put, &m);
		differ += one_change(put, m);
	}
	/* The writer does tell meanings apart. */
	assert_true(differ > FORM_CASES / 10);
}

static void spellings_have_one_form(void **unused)
{
	(void)unused;
	all_spellings(form_of(PARAM_TX), tx);
	all_spellings(form_of(PARAM_CALL), call);
	all_spellings(form_of(PARAM_STATE), state);
	all_spellings(form_of(PARAM_OVERRIDES), overrides);
	all_spellings(&form_logs, filter);
}

/* ---- through the whole server ---- */

/* Answers with what it was asked, as data. */
static void echo(const struct fork_question *q, struct fork_answer *a)
{
	struct buf text;

	remember(q);
	buf_init(&text, 1 << 20);
	buf_char(&text, '"');
	buf_hex(&text, q->params.ptr, q->params.len);
	buf_char(&text, '"');
	a->blob = blob_copy(text.ptr, text.len);
	buf_release(&text);
}

static int setup_echo(void **unused)
{
	(void)unused;
	rig_start(echo);
	return 0;
}

/* An override that is there, or nothing: one without members is none. */
static bool put_override(struct writer *w, bool there, put_fn *put, struct buf *out)
{
	struct writer plain = {w->at, true};
	struct buf text;

	buf_init(&text, 1 << 20);
	put(&plain, &text);
	there = there && !span_is(buf_as_span(&text), "{}");
	buf_release(&text);
	if (there) {
		put(w, out);
		return true;
	}
	buf_text(out, way(w, 2) ? "{}" : "null");
	w->at = plain.at;
	return false;
}

/* [call, block, state?, overrides?, further?]: the first numbers say which of them are there.
 */
static void arguments(struct writer *w, struct buf *out)
{
	const unsigned char *there = w->at;
	size_t end;

	w->at += 3;
	buf_char(out, '[');
	call(w, out);
	buf_text(out, w->plain	 ? ",{\"blockHash\":\"" HASH_1000 "\"}"
		      : below(2) ? ", \"0x3e8\""
				 : ",null");
	end = out->len;
	buf_char(out, ',');
	if (put_override(w, there[0] % 2 != 0, state, out) || way(w, 2))
		end = out->len;
	buf_char(out, ',');
	if (put_override(w, there[1] % 2 != 0, overrides, out) || way(w, 2))
		end = out->len;
	if (there[2] % 2 != 0)
		buf_text(out, w->plain ? ",{\"further\":1}" : " , { \"further\" : 1 }");
	else
		out->len = end;
	buf_char(out, ']');
}

static unsigned asked_for(const struct meaning *m, bool plain, struct buf *reply)
{
	unsigned before = fake_fork_asked();
	struct buf params = written(arguments, m, plain), body;

	buf_init(&body, 1 << 20);
	buf_printf(&body,
		   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":%s}",
		   params.ptr);
	buf_char(&body, '\0');
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body.ptr);
	stack_turn_end(rig.view);
	fake_fork_deliver();
	buf_clear(reply);
	buf_text(reply, fake_http_reply(x));
	buf_char(reply, '\0');
	fake_http_free(&x);
	stack_turn_end(rig.view);
	buf_release(&body);
	buf_release(&params);
	return fake_fork_asked() - before;
}

/* Of few meanings, so that many come again. */
static void the_answer_is_of_the_question(void **unused)
{
	struct buf reply, want;

	(void)unused;
	buf_init(&reply, 1 << 20);
	buf_init(&want, 1 << 20);
	for (int i = 0; i < REQUEST_CASES; i++) {
		struct meaning m = {{0}};
		for (int k = 0; k < 3; k++)
			m.gene[k] = (unsigned char)below(2);
		for (int k = 0; k < 6; k++)
			m.gene[below(GENES)] = (unsigned char)below(12);
		struct buf plain = written(arguments, &m, true);
		buf_clear(&want);
		buf_text(&want, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"");
		buf_hex(&want, plain.ptr, plain.len - 1);
		buf_text(&want, "\"}");
		buf_char(&want, '\0');
		assert_true(asked_for(&m, false, &reply) <= 1);
		assert_string_equal(reply.ptr, want.ptr);
		assert_int_equal(asked_for(&m, false, &reply), 0);
		assert_string_equal(reply.ptr, want.ptr);
		buf_release(&plain);
	}
	buf_release(&reply);
	buf_release(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_have_one_form),
		cmocka_unit_test_setup_teardown(the_answer_is_of_the_question, setup_echo,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
