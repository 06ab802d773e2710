/* SPDX-License-Identifier: MIT */
#include "options_fixture.h"

static void a_file(void **state)
{
	(void)state;
	assert_int_equal(read_file("# a comment\n"
				   "upstream:\n  - " SECRET "\n  - 'http://b.example'\n"
				   "upstream-header: [\"A: b\"]\n"
				   "fork-block: 0x10\n\"offline\": yes\n"
				   "allow-host:\n- a.example\n"
				   "memory: 8M\nca-file:\nidle-timeout: 5s\nlog-level: off\n"),
			 OPTIONS_RUN);
	assert_int_equal(options.upstreams_n, 2);
	assert_string_equal(secret_reveal(options.upstreams[0]), SECRET);
	assert_string_equal(secret_reveal(options.upstreams[1]), "http://b.example");
	assert_string_equal(secret_reveal(options.headers[0]), "A: b");
	assert_string_equal(options.fork_block, "0x10");
	assert_true(options.offline);
	assert_string_equal(options.allow_hosts[0], "a.example");
	assert_int_equal(options.memory_bytes, 8 << 20);
	assert_null(options.ca_file);
	assert_int_equal(options.idle_timeout_ms, 5000);
	assert_int_equal(options.log_level, LOG_OFF);
	assert_int_equal(read_file(""), OPTIONS_RUN);
	assert_defaults();
}

static void keys_that_are_wrong(void **state)
{
	(void)state;
	assert_bad_file("memory: 4M\n\nofline: true\n",
			":3: there is no key \"ofline\"; did you mean \"offline\"?");
	assert_bad_file("colour:\n  - red\n",
			":2: there is no key \"colour\"; --print-config lists them");
	assert_bad_file("config: other.yaml\n",
			":1: there is no key \"config\"; --print-config lists them");
	assert_bad_file("\n" KEY ": 1\n",
			":2: a key that is no option's name; --print-config lists them");
	assert_bad_file("memory: 4M\nmemory: 5M\n", ":1: memory is given here and once more "
						    "below");
}

static void values_that_are_wrong(void **state)
{
	(void)state;
	assert_bad_file("memory: 4M\n\nworkers: 99\n",
			":3: workers: 99 is out of bounds: want a whole number, from 1 to 64");
	assert_bad_file("{memory: 4M,\n memory: 4Q}", ":1: memory is given here and once more "
						      "below");
	assert_bad_file(
		"{workers: 1,\n memory: 4Q}",
		":2: memory: \"4Q\" is not valid: want bytes, or k, M, G, T, from 1M to "
		"1T");
	assert_bad_file("upstream:\n  - " SECRET "\n\n  - " KEY "\n",
			":4: upstream: entry 2: upstream URL: must begin with http:// or "
			"https://");
	assert_bad_file("upstream:\n  - http://a\n  - ''\n",
			":3: upstream: there is nothing in it: want URL");
	assert_bad_file("\nupstream: " SECRET "\n",
			":2: upstream: want a list of 1 to 16 lines \"- URL\"");
	assert_bad_file("upstream:\n  - a: " KEY "\n",
			":2: upstream: want a list of 1 to 16 lines \"- URL\"");
	assert_bad_file("\nmemory: [4M]\n", ":2: memory: want one value, SIZE");
}

static void files_that_are_wrong(void **state)
{
	(void)state;
	char want[256];

	assert_bad_file("- a\n", ": want lines of \"key: value\"");
	assert_bad_file("text\n", ": want lines of \"key: value\"");
	assert_bad_file("memory: &a 4M\ndisk: *a\n", ":2: aliases (*name) are not allowed");
	assert_bad_file("memory: 4M\n---\nmemory: 5M\n", ": want one document, not several");
	assert_bad_file("memory: 4M\n\tdisk: 4M\n",
			":1: not YAML, here or below: found a tab character that violates "
			"indentation");
	assert_bad(read_options("--config", "no/such/file"),
		   "no/such/file: No such file or directory");
	assert_bad(read_options("--config", "."), ".: Is a directory");

	char *big = malloc((1 << 20) + 2);
	assert_non_null(big);
	memset(big, '#', (1 << 20) + 1);
	big[(1 << 20) + 1] = '\0';
	snprintf(want, sizeof want, "%s/c.yaml: above 1048576 bytes", folder);
	assert_bad(read_file(big), want);
	big[1 << 20] = '\0';
	assert_int_equal(read_file(big), OPTIONS_RUN);
	free(big);
}

/* ---- what the table prints ---- */

static void committed_file_is_the_table(void **state)
{
	(void)state;
	char *want = printed(options_print_config);
	size_t len = strlen(want);
	char *got = calloc(1, len + 2);
	FILE *in = fopen("config/forkcache.yaml", "re");

	if (in == NULL)
		fail_msg("run it in the root of the source tree: config/forkcache.yaml");
	assert_non_null(got);
	assert_int_equal(fread(got, 1, len + 1, in), len);
	assert_string_equal(got, want);
	fclose(in);
	free(got);
	free(want);
}

/* Without the #, the file says what it says it does: the defaults. */
static void committed_file_at_its_defaults(void **state)
{
	(void)state;
	char *text = printed(options_print_config), *out = text, *line = text;

	while (*line != '\0') {
		char *end = strchr(line, '\n') + 1;
		/* Placeholders are in capitals. */
		char *value = memmem(line, (size_t)(end - line), ": ", 2);
		bool live = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && value &&
			    (value[2] < 'A' || value[2] > 'Z');
		size_t n = (size_t)(end - line) - live;
		memmove(out, line + live, n);
		out += n;
		line = end;
	}
	*out = '\0';
	assert_non_null(strstr(text, "\nmemory: 256M\n"));
	assert_int_equal(read_file(text), OPTIONS_RUN);
	assert_defaults();
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file),
		cmocka_unit_test(keys_that_are_wrong),
		cmocka_unit_test(values_that_are_wrong),
		cmocka_unit_test(files_that_are_wrong),
		cmocka_unit_test(committed_file_is_the_table),
		cmocka_unit_test(committed_file_at_its_defaults),
	};
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
