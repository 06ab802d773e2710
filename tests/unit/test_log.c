/* SPDX-License-Identifier: MIT */
#include "capture.h"
#include "base/log.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>

static struct capture out;

/* Checks the time stamp of a line; returns what follows it. */
static const char *after_time(const char *line)
{
	static const char shape[] = "ts=9999-99-99T99:99:99.999Z ";
	for (size_t i = 0; i < sizeof shape - 1; i++) {
		if (shape[i] == '9')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], shape[i]);
	}
	return line + sizeof shape - 1;
}

static void a_field_of_every_kind(void **state)
{
	(void)state;
	capture_start(&out);
	errno = EPERM;
	log_info("ready", LOG_S("host", "a.example"), LOG_U("n", UINT64_MAX),
		 LOG_I("delta", INT64_MIN), LOG_I("up", 5),
		 LOG_SPAN("part", ((struct span){"abc", 2})));
	int after = errno;
	capture_end(&out);
	assert_int_equal(after, EPERM);
	assert_string_equal(after_time(out.text),
			    "level=info msg=\"ready\" host=\"a.example\" "
			    "n=18446744073709551615 delta=-9223372036854775808 up=5 "
			    "part=\"ab\"\n");
}

static void nothing_forges_a_line(void **state)
{
	(void)state;
	capture_start(&out);
	log_warn("a\nts=0", LOG_S("k", "\" x=\"1\\\r\t\x1b[2J\x7f"),
		 LOG_SPAN("nul", ((struct span){"a\0b", 3})),
		 LOG_S("bad", "\xff\xc3\x28 \xe2\x82"), LOG_S("c1", "\xc2\x9b"),
		 LOG_S("fine", "\xc3\xa9\xe2\x82\xac"));
	capture_end(&out);
	assert_string_equal(after_time(out.text),
			    "level=warn msg=\"a\\nts=0\" "
			    "k=\"\\\" x=\\\"1\\\\\\r\\t\\x1b[2J\\x7f\" nul=\"a\\x00b\" "
			    "bad=\"\\xff\\xc3( \\xe2\\x82\" c1=\"\\xc2\\x9b\" "
			    "fine=\"\xc3\xa9\xe2\x82\xac\"\n");
}

static void levels(void **state)
{
	(void)state;
	capture_start(&out);
	log_debug("not at info");
	log_set_level(LOG_ERROR);
	log_warn("not at error");
	log_error("one");
	log_set_level(LOG_OFF);
	log_error("not when off");
	log_set_level(LOG_DEBUG);
	log_debug("two");
	log_set_level(LOG_INFO);
	capture_end(&out);
	const char *second = strchr(out.text, '\n') + 1;
	assert_int_equal(strncmp(after_time(out.text), "level=error msg=\"one\"\n", 22), 0);
	assert_string_equal(after_time(second), "level=debug msg=\"two\"\n");
	assert_false(log_enabled(LOG_OFF));
}

static void names_of_levels(void **state)
{
	(void)state;
	static const char *const names[] = {"debug", "info", "warn", "error", "off"};
	enum log_level level;
	for (int i = 0; i < 5; i++) {
		assert_true(log_level_parse(names[i], &level));
		assert_int_equal(level, i);
	}
	assert_false(log_level_parse("INFO", &level));
	assert_false(log_level_parse("", &level));
	assert_false(log_level_parse("warning", &level));
}

static void long_values_are_cut(void **state)
{
	(void)state;
	static char big[20000];
	memset(big, 'x', sizeof big - 1);
	capture_start(&out);
	log_info("long", LOG_S("k", big), LOG_U("n", 1));
	capture_end(&out);
	const char *k = strstr(out.text, "k=\"");
	assert_non_null(k);
	assert_int_equal(strspn(k + 3, "x"), 1024);
	assert_int_equal(strncmp(k + 3 + 1024, "\" n=1", 5), 0);
	assert_string_equal(out.text + out.len - 5, " n=1\n");

	/* An escape is written whole or not at all. */
	memset(big, '\x01', sizeof big - 1);
	memcpy(big, "ab", 2);
	capture_start(&out);
	log_info("long", LOG_S("k", big));
	capture_end(&out);
	assert_string_equal(out.text + out.len - 6, "\\x01\"\n");
}

static void a_line_never_exceeds_an_atomic_write(void **state)
{
	(void)state;
	static char big[2000];
	memset(big, '\n', sizeof big - 1);
	for (size_t first = 0; first < 1100; first++) {
		capture_start(&out);
		log_info("full", LOG_SPAN("a", ((struct span){big, first})), LOG_S("b", big),
			 LOG_S("c", big), LOG_S("d", big), LOG_S("e", big), LOG_U("f", 123456),
			 LOG_S("g", big));
		capture_end(&out);
		assert_true(out.len <= PIPE_BUF);
		assert_int_equal(out.text[out.len - 1], '\n');
		assert_ptr_equal(strchr(out.text, '\n'), out.text + out.len - 1);
	}
}

enum { THREADS = 4, LINES = 100 };

static void *log_lines(void *cookie)
{
	for (int i = 0; i < LINES; i++)
		log_info("line", LOG_S("who", cookie), LOG_I("i", i));
	return NULL;
}

static void threads_do_not_mix_their_lines(void **state)
{
	(void)state;
	static char who[THREADS][101];
	pthread_t threads[THREADS];
	capture_start(&out);
	for (int t = 0; t < THREADS; t++) {
		memset(who[t], 'a' + t, 100);
		assert_ok(pthread_create(&threads[t], NULL, log_lines, who[t]));
	}
	for (int t = 0; t < THREADS; t++)
		assert_ok(pthread_join(threads[t], NULL));
	capture_end(&out);
	int lines = 0;
	for (char *line = out.text, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
		const char *name = strstr(line, "who=\"");
		assert_true(name && name < end);
		char run[2] = {name[5], '\0'};
		assert_int_equal(strspn(name + 5, run), 100);
		after_time(line);
	}
	assert_int_equal(lines, THREADS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_of_every_kind),
		cmocka_unit_test(nothing_forges_a_line),
		cmocka_unit_test(levels),
		cmocka_unit_test(names_of_levels),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(a_line_never_exceeds_an_atomic_write),
		cmocka_unit_test(threads_do_not_mix_their_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
