/* SPDX-License-Identifier: MIT */
/* Known heads: what is found is what the parser would have made of the same bytes. */
#include "unit.h"
#include "rpc/http_memo.h"

#define HEAD(length)                                                    \
	"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length \
	"\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n\r\n"

static struct http_memo memo;

static int setup(void **state)
{
	(void)state;
	memset(&memo, 0, sizeof memo);
	return 0;
}

static struct http_head parsed(const char *text)
{
	struct http_head head;

	http_head_init(&head);
	assert_int_equal(http_head_parse(&head, text, strlen(text)), HTTP_DONE);
	return head;
}

static void keep(const char *text)
{
	const struct http_head head = parsed(text);

	http_memo_keep(&memo, &head, text);
}

/* Bytes at the end of an allocation: reading behind them is seen. */
static bool finds(const char *text, size_t len, struct http_head *head)
{
	char *exact = malloc(len + (len == 0));

	assert_non_null(exact);
	memcpy(exact, text, len);
	const bool found = http_memo_find(&memo, exact, len, head);
	free(exact);
	return found;
}

static void finds_as_parsed(const char *text)
{
	const struct http_head want = parsed(text);
	struct http_head got;

	assert_true(finds(text, strlen(text), &got));
	assert_memory_equal(&got, &want, sizeof got);
}

static void same_bytes(void **state)
{
	struct http_head head;

	(void)state;
	assert_false(finds(HEAD("120"), strlen(HEAD("120")), &head));
	assert_false(finds("", 0, &head));
	keep(HEAD("120"));
	finds_as_parsed(HEAD("120"));
	finds_as_parsed(HEAD("120") "{\"body\":1}");
}

static void another_length(void **state)
{
	struct http_head head;

	(void)state;
	keep(HEAD("120"));
	finds_as_parsed(HEAD("999"));
	finds_as_parsed(HEAD("000"));
	assert_false(finds(HEAD("1200"), strlen(HEAD("1200")), &head));
	assert_false(finds(HEAD("12"), strlen(HEAD("12")), &head));
	assert_false(finds(HEAD("1x0"), strlen(HEAD("1x0")), &head));
	assert_false(finds(HEAD("-20"), strlen(HEAD("-20")), &head));
	assert_false(finds(HEAD(" 20"), strlen(HEAD(" 20")), &head));
}

static void a_byte_differs_or_lacks(void **state)
{
	static const char head[] = HEAD("120");
	struct http_head found;
	char text[sizeof head];

	(void)state;
	keep(head);
	for (size_t i = 0; i < strlen(head); i++) {
		memcpy(text, head, sizeof head);
		text[i] ^= 0x20;
		assert_false(finds(text, strlen(head), &found));
		assert_false(finds(head, i, &found));
	}
}

static void secrets_are_not_kept(void **state)
{
	static const char text[] =
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
		"Authorization: Bearer open sesame\r\n\r\n";
	struct http_head head;

	(void)state;
	keep(text);
	assert_false(finds(text, strlen(text), &head));
}

static void chunked_and_long_ones_are_not_kept(void **state)
{
	static const char chunked[] = "POST / HTTP/1.1\r\nHost: localhost\r\n"
				      "Transfer-Encoding: chunked\r\n\r\n";
	char text[2 * HTTP_MEMO_BYTES];
	struct http_head head;

	(void)state;
	keep(chunked);
	assert_false(finds(chunked, strlen(chunked), &head));
	snprintf(text, sizeof text,
		 "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nX: %0*d\r\n\r\n",
		 HTTP_MEMO_BYTES, 0);
	keep(text);
	assert_false(finds(text, strlen(text), &head));
}

static void the_oldest_goes(void **state)
{
	static const char *const more[] = {HEAD("1"), HEAD("22"), HEAD("333"), HEAD("4444")};
	struct http_head head;

	(void)state;
	keep(HEAD("55555"));
	for (size_t i = 0; i < HTTP_MEMO_HEADS - 1; i++)
		keep(more[i]);
	finds_as_parsed(HEAD("55555"));
	keep(more[HTTP_MEMO_HEADS - 1]);
	for (size_t i = 0; i < HTTP_MEMO_HEADS; i++)
		finds_as_parsed(more[i]);
	assert_false(finds(HEAD("55555"), strlen(HEAD("55555")), &head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(same_bytes, setup),
		cmocka_unit_test_setup(another_length, setup),
		cmocka_unit_test_setup(a_byte_differs_or_lacks, setup),
		cmocka_unit_test_setup(secrets_are_not_kept, setup),
		cmocka_unit_test_setup(chunked_and_long_ones_are_not_kept, setup),
		cmocka_unit_test_setup(the_oldest_goes, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
