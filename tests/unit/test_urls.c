/* SPDX-License-Identifier: MIT */
/* Lists of URLs: what they mean, and what is said of wrong ones. */
#include "unit.h"
#include "api/urls.h"
#include "base/span.h"
#include <stdlib.h>

static struct url_list list;
static struct err_detail detail;

static void parse(const char *urls)
{
	detail.text[0] = '\0';
	if (url_list_parse(urls, &list, &detail) != OK)
		fail_msg("%s: %s", urls, detail.text);
	for (size_t i = 0; i < list.n; i++) {
		assert_int_equal(list.layers[i].size, sizeof list.layers[i]);
		assert_ptr_equal(list.layers[i].below,
				 i + 1 < list.n ? &list.layers[i + 1] : NULL);
	}
}

static void refused(const char *urls, const char *word)
{
	assert_int_equal(url_list_parse(urls, &list, &detail), ERR_CONFIG);
	if (strstr(detail.text, word) == NULL)
		fail_msg("%s: %s", urls, detail.text);
	if (strstr(detail.text, "SECRET") != NULL)
		fail_msg("a secret is told: %s", detail.text);
	url_list_release(&list);
}

static void the_place_decides_what_memory_and_lmdb_are(void **state)
{
	(void)state;
	parse("memory://");
	assert_int_equal(list.n, 1);
	assert_int_equal(list.layers[0].kind, FC_MEMORY);
	url_list_release(&list);
	parse("lmdb:///a/b%2Cc%20d#bytes=2TiB&keep-empty");
	assert_int_equal(list.layers[0].kind, FC_FILE);
	assert_string_equal(list.layers[0].path, "/a/b,c d");
	assert_int_equal(list.layers[0].capacity_bytes, UINT64_C(2) << 40);
	assert_true(list.layers[0].keep_empty_accounts);
	url_list_release(&list);
	parse("overlay://#keep-empty, memory://#bytes=64MiB&accounts=1KiB&slots=7&code=3B ,\n"
	      "lmdb://x#bytes=10GiB,fork+https://node.example/v2/KEY?x=1&y=2#block=19000000");
	assert_int_equal(list.n, 4);
	assert_int_equal(list.layers[0].kind, FC_OVERLAY);
	assert_true(list.layers[0].keep_empty_accounts);
	assert_int_equal(list.layers[1].kind, FC_CACHED);
	assert_int_equal(list.layers[1].capacity_bytes, 64 << 20);
	assert_int_equal(list.layers[1].accounts_bytes, 1024);
	assert_int_equal(list.layers[1].slots_bytes, 7);
	assert_int_equal(list.layers[1].code_bytes, 3);
	assert_int_equal(list.layers[2].kind, FC_DISK_CACHE);
	assert_string_equal(list.layers[2].path, "x");
	assert_int_equal(list.layers[2].capacity_bytes, UINT64_C(10) << 30);
	assert_int_equal(list.layers[3].kind, FC_FORK);
	assert_int_equal(list.layers[3].urls_n, 1);
	assert_string_equal(list.layers[3].urls[0], "https://node.example/v2/KEY?x=1&y=2");
	assert_string_equal(list.layers[3].block, "19000000");
	url_list_release(&list);
}

static void a_fork_has_all_its_options(void **state)
{
	const struct fc_layer *l = NULL;

	(void)state;
	parse("fork+http://user:pa%2Css@a:1/#header=X-A:%20b%26c&url=https%3A%2F%2Fb%2Fk%2Cey&"
	      "header=Y:%20z&url=http://c&block=finalized&chain=5&verify&offline&trust-dev&"
	      "timeout-ms=1500&batch=7&ca=/a/b.pem");
	l = &list.layers[0];
	assert_int_equal(l->urls_n, 3);
	assert_string_equal(l->urls[0], "http://user:pa%2Css@a:1/");
	assert_string_equal(l->urls[1], "https://b/k,ey");
	assert_string_equal(l->urls[2], "http://c");
	assert_int_equal(l->headers_n, 2);
	assert_string_equal(l->headers[0], "X-A: b&c");
	assert_string_equal(l->headers[1], "Y: z");
	assert_string_equal(l->block, "finalized");
	assert_int_equal(l->chain_id, 5);
	assert_true(l->verify && l->offline && l->trust_dev_node);
	assert_int_equal(l->timeout_ms, 1500);
	assert_int_equal(l->batch_items, 7);
	assert_string_equal(l->ca_file, "/a/b.pem");
	url_list_release(&list);
}

static void a_remote_forkcache_is_an_http_url_and_a_token(void **state)
{
	static const struct {
		const char *text, *url, *token;
	} rows[] = {
		{"forkcache://host:99/a/b", "http://host:99/a/b", NULL},
		{"forkcache://host", "http://host:8545", NULL},
		{"forkcache://host/", "http://host:8545/", NULL},
		{"forkcache://to%40ken@host:1", "http://host:1", "to@ken"},
		{"forkcache://[::1]/x", "http://[::1]:8545/x", NULL},
		{"forkcache://[::1]:7/x", "http://[::1]:7/x", NULL},
		{"forkcaches://t@host/x", "https://host/x", "t"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		parse(rows[i].text);
		assert_int_equal(list.layers[0].kind, FC_NETWORK);
		assert_int_equal(list.layers[0].urls_n, 1);
		assert_string_equal(list.layers[0].urls[0], rows[i].url);
		if (rows[i].token != NULL)
			assert_string_equal(list.layers[0].token, rows[i].token);
		else
			assert_null(list.layers[0].token);
		url_list_release(&list);
	}
}

static void what_is_wrong_is_said_by_place(void **state)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{"", "URL 1 of 1: it is empty"},
		{"memory://,", "URL 2 of 2: it is empty"},
		{"overlay://, ,memory://", "URL 2 of 3: it is empty"},
		{"redis://SECRET", "scheme is not known: want memory://, lmdb://"},
		{"overlay://,https://SECRET@x", "URL 2 of 2: its scheme"},
		{"memory", "scheme"},
		{"memory://x", "nothing may follow"},
		{"overlay://x,memory://", "nothing may follow"},
		{"lmdb://", "needs a folder"},
		{"lmdb://a%2", "two hexadecimal digits"},
		{"lmdb://a%00", "two hexadecimal digits"},
		{"fork+http://#block=1", "the host is missing"},
		{"forkcache://", "the host is missing"},
		{"forkcache://SECRET@", "the host is missing"},
		{"forkcache://@h", "token"},
		{"memory://#bytes=1MiB", "its option 1 is not known here: want keep-empty"},
		{"fork+http://h/#block=1&SECRET=2",
		 "its option 2 is not known here: want block"},
		{"fork+http://h/#", ""},
		{"fork+http://h/#=SECRET", "option 1"},
		{"fork+http://h/#&", "option 1"},
		{"forkcache://h#url=http://x", "option 1 is not known"},
		{"fork+http://h#bytes=1MiB", "option 1 is not known"},
		{"fork+http://h#block=1&block=2", "block stands twice"},
		{"fork+http://h#block", "block: want a text"},
		{"fork+http://h#block=", "block: want a text"},
		{"fork+http://h#header=SECRET%0", "header: want a text, percent-encoded"},
		{"fork+http://h#verify=yes", "verify: want nothing"},
		{"fork+http://h#chain=0x1", "chain: want a decimal number"},
		{"fork+http://h#timeout-ms=0", "timeout-ms: want a decimal number from 1"},
		{"fork+http://h#batch=4294967296", "batch: want"},
		{"memory://#bytes=1,fork+http://h", ""},
		{"memory://#bytes=0,fork+http://h", "bytes: want a size such as 64MiB"},
		{"memory://#bytes=64MB,fork+http://h", "bytes: want"},
		{"memory://#bytes=MiB,fork+http://h", "bytes: want"},
		{"memory://#bytes=-1,fork+http://h", "bytes: want"},
		{"memory://#bytes=1.5GiB,fork+http://h", "bytes: want"},
		{"memory://#bytes=99999999999TiB,fork+http://h", "bytes: want"},
		{"memory://,memory://,memory://,memory://,memory://,memory://,memory://"
		 ",memory://,"
		 "memory://,memory://,memory://,memory://,memory://,memory://,memory://"
		 ",memory://,"
		 "memory://",
		 "more than 16"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (*rows[i].word != '\0') {
			refused(rows[i].text, rows[i].word);
			continue;
		}
		parse(rows[i].text);
		url_list_release(&list);
	}
}

static void long_lists_are_refused(void **state)
{
	char *text = malloc(70000);

	(void)state;
	memset(text, 'a', 69999);
	text[69999] = '\0';
	memcpy(text, "lmdb://", 7);
	refused(text, "longer than 64 KiB");
	text[60000] = '\0';
	parse(text);
	assert_int_equal(strlen(list.layers[0].path), 60000 - 7);
	url_list_release(&list);
	/* As many options as there may be, all of them lists. */
	memcpy(text, "fork+http://h#", 14);
	for (unsigned i = 0; i < 250; i++)
		memcpy(text + 14 + i * 6, "url=a&", 6);
	text[14 + 250 * 6] = '\0';
	parse(text);
	assert_int_equal(list.layers[0].urls_n, 251);
	assert_string_equal(list.layers[0].urls[250], "a");
	url_list_release(&list);
	for (unsigned i = 0; i < 300; i++)
		memcpy(text + 14 + i * 6, "url=a&", 6);
	text[14 + 300 * 6] = '\0';
	refused(text, "256 options");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_place_decides_what_memory_and_lmdb_are),
		cmocka_unit_test(a_fork_has_all_its_options),
		cmocka_unit_test(a_remote_forkcache_is_an_http_url_and_a_token),
		cmocka_unit_test(what_is_wrong_is_said_by_place),
		cmocka_unit_test(long_lists_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
