/* SPDX-License-Identifier: MIT */
#include "options_fixture.h"

/* ---- defaults, and each kind ---- */

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(read_options(), OPTIONS_RUN);
	assert_defaults();
	assert_null(options.config_file);
}

static void text_and_numbers(void **state)
{
	(void)state;
	assert_int_equal(read_options("--listen", "[::1]:0", "--workers=64", "--chain-id",
				      "18446744073709551615", "--ca-file=a b", "--offline"),
			 OPTIONS_RUN);
	assert_string_equal(options.listen, "[::1]:0");
	assert_string_equal(options.ca_file, "a b");
	assert_int_equal(options.workers, 64);
	assert_int_equal(options.chain_id, UINT64_MAX);
	assert_true(options.offline);
	assert_int_equal(read_options("--offline=no", "--workers", "2", "--workers", "3"),
			 OPTIONS_RUN);
	assert_false(options.offline);
	assert_int_equal(options.workers, 3);
	assert_bad(read_options("--workers=0"),
		   "--workers: 0 is out of bounds: want a whole number, from 1 to 64");
	assert_bad(read_options("--workers=65"),
		   "--workers: 65 is out of bounds: want a whole number, from 1 to 64");
	assert_bad(read_options("--workers=-1"),
		   "--workers: \"-1\" is not valid: want a whole number, from 1 to 64");
	assert_bad(read_options("--workers", "4k"),
		   "--workers: \"4k\" is not valid: want a whole number, from 1 to 64");
	assert_bad(read_options("--workers", "18446744073709551617"),
		   "--workers: 18446744073709551617 is out of bounds: want a whole number, "
		   "from 1 to 64");
	assert_bad(read_options("--chain-id", "0x1"),
		   "--chain-id: \"0x1\" is not valid: want a whole number, from 0 to "
		   "18446744073709551615");
	assert_bad(read_options("--offline=perhaps"),
		   "--offline: \"perhaps\" is not valid: want true or false");
}

static uint64_t memory_of(const char *text)
{
	return read_options("--memory", text) == OPTIONS_RUN ? options.memory_bytes : 0;
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(memory_of("1048576"), 1048576);
	assert_int_equal(memory_of("2048k"), 2 << 20);
	assert_int_equal(memory_of("2048K"), 2 << 20);
	assert_int_equal(memory_of("8M"), 8 << 20);
	assert_int_equal(memory_of("4g"), UINT64_C(4) << 30);
	assert_int_equal(memory_of("1T"), UINT64_C(1) << 40);
	static const char want[] = " want bytes, or k, M, G, T, from 1M to 1T";
	static const struct {
		const char *text, *start;
	} bad[] = {{"1048575", "--memory: 1048575 is out of bounds:"},
		   {"2T", "--memory: 2T is out of bounds:"},
		   {"17179869184T", "--memory: 17179869184T is out of bounds:"},
		   {"4 M", "--memory: \"4 M\" is not valid:"},
		   {"M", "--memory: \"M\" is not valid:"},
		   {"4MB", "--memory: \"4MB\" is not valid:"},
		   {"1.5G", "--memory: \"1.5G\" is not valid:"}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char message[256];
		snprintf(message, sizeof message, "%s%s", bad[i].start, want);
		assert_bad(read_options("--memory", bad[i].text), message);
	}
}

static void durations_and_levels(void **state)
{
	(void)state;
	assert_int_equal(read_options("--state-deadline=1500ms", "--idle-timeout", "3600s",
				      "--log-level", "warn"),
			 OPTIONS_RUN);
	assert_int_equal(options.state_deadline_ms, 1500);
	assert_int_equal(options.idle_timeout_ms, 3600000);
	assert_int_equal(options.log_level, LOG_WARN);
	assert_bad(read_options("--idle-timeout", "10"),
		   "--idle-timeout: \"10\" is not valid: want a time in s or ms, from 100ms to "
		   "3600s");
	assert_bad(read_options("--idle-timeout", "3601s"),
		   "--idle-timeout: 3601s is out of bounds: want a time in s or ms, from 100ms "
		   "to 3600s");
	assert_bad(read_options("--log-level=loud\n"),
		   "--log-level: \"loud?\" is not valid: want debug, info, warn, error or off");
}

static void blocks(void **state)
{
	(void)state;
	static const char hash[] =
		"0x00000000000000000000000000000000000000000000000000000000000000Ff";
	static const char *const good[] = {"latest", "safe",	 "finalized", "0",
					   "123",    "0x1e8480", "0X0",	      hash};
	static const char *const bad[] = {
		"earliest",	      "-1", "12a", "0x", "0xg", "", "18446744073709551615",
		"0x10000000000000000"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(read_options("--fork-block", good[i]), OPTIONS_RUN);
		assert_string_equal(options.fork_block, good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_options("--fork-block", bad[i]), OPTIONS_BAD);
	assert_bad(read_options("--fork-block=earliest"),
		   "--fork-block: \"earliest\" is not valid: want a block number, a 32-byte "
		   "block hash, latest, safe or finalized");
}

/* ---- lists and secrets ---- */

static void urls(void **state)
{
	(void)state;
	assert_int_equal(read_options("--upstream", SECRET, "--upstream=http://127.0.0.1:1"),
			 OPTIONS_RUN);
	assert_int_equal(options.upstreams_n, 2);
	assert_string_equal(secret_reveal(options.upstreams[0]), SECRET);
	assert_string_equal(secret_reveal(options.upstreams[1]), "http://127.0.0.1:1");

	static const char wrong[] = ": entry 2: upstream URL: must begin with http:// or "
				    "https://";
	char message[256];
	snprintf(message, sizeof message, "--upstream%s", wrong);
	assert_bad(read_options("--upstream", SECRET, "--upstream", "ftp://" KEY), message);
	assert_bad(read_options("--upstream", " "),
		   "--upstream: there is nothing in it: want URL");

	assert_ok(setenv("FORKCACHE_UPSTREAM", " " SECRET "\n http://b.example\t", 1));
	assert_int_equal(read_options(), OPTIONS_RUN);
	assert_int_equal(options.upstreams_n, 2);
	assert_string_equal(secret_reveal(options.upstreams[1]), "http://b.example");
	/* The stronger source replaces the list. */
	assert_int_equal(read_options("--upstream", "http://c.example"), OPTIONS_RUN);
	assert_int_equal(options.upstreams_n, 1);
	assert_ok(setenv("FORKCACHE_UPSTREAM", SECRET " " KEY, 1));
	snprintf(message, sizeof message, "FORKCACHE_UPSTREAM%s", wrong);
	assert_bad(read_options(), message);
	assert_ok(unsetenv("FORKCACHE_UPSTREAM"));
}

static void too_many_urls(void **state)
{
	(void)state;
	char text[17 * 16 + 1] = "";
	size_t n = 0;

	for (int i = 0; i < 17; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "http://a%d ", i);
	assert_bad(read_options("--upstream", text), "--upstream: more than 16 entries");
}

static void headers(void **state)
{
	(void)state;
	assert_int_equal(
		read_options("--upstream-header", "X-Key: " KEY, "--upstream-header", "A: b c"),
		OPTIONS_RUN);
	assert_int_equal(options.headers_n, 2);
	assert_string_equal(secret_reveal(options.headers[0]), "X-Key: " KEY);
	assert_string_equal(secret_reveal(options.headers[1]), "A: b c");
	assert_bad(read_options("--upstream-header", KEY),
		   "--upstream-header: entry 1: want \"Name: value\"");
	assert_bad(read_options("--upstream-header", ":" KEY),
		   "--upstream-header: entry 1: want \"Name: value\"");
	assert_ok(setenv("FORKCACHE_UPSTREAM_HEADER", "A: b c\nX-Key: " KEY "\n", 1));
	assert_int_equal(read_options(), OPTIONS_RUN);
	assert_int_equal(options.headers_n, 2);
	assert_string_equal(secret_reveal(options.headers[0]), "A: b c");
	assert_ok(unsetenv("FORKCACHE_UPSTREAM_HEADER"));
}

static void secrets_from_files(void **state)
{
	(void)state;
	char argument[300];

	assert_int_equal(read_options("--token-file", file_with("token", KEY "\n")),
			 OPTIONS_RUN);
	assert_string_equal(secret_reveal(options.token), KEY);
	snprintf(argument, sizeof argument, "@%s",
		 file_with("url", SECRET " http://b.example\n"));
	assert_int_equal(read_options("--upstream", argument), OPTIONS_RUN);
	assert_int_equal(options.upstreams_n, 2);
	assert_string_equal(secret_reveal(options.upstreams[0]), SECRET);
	snprintf(argument, sizeof argument, "@%s", file_with("header", "X: " KEY "\n"));
	assert_int_equal(read_options("--upstream-header", argument), OPTIONS_RUN);
	assert_string_equal(secret_reveal(options.headers[0]), "X: " KEY);

	/* The secret itself where its file's name should be. */
	assert_bad(read_options("--token-file", KEY),
		   "--token-file: the file named there cannot be used: No such file or "
		   "directory");
	assert_bad(read_options("--upstream", "@" KEY),
		   "--upstream: the file named there cannot be used: No such file or "
		   "directory");
	assert_bad(
		read_options("--token-file", file_with("token", "\n" KEY)),
		"--token-file: the file named there cannot be used: the first line is empty");
}

static void hosts(void **state)
{
	(void)state;
	assert_int_equal(read_options("--allow-host", "a.example, b", "--allow-host=c-d_e"),
			 OPTIONS_RUN);
	assert_int_equal(options.allow_hosts_n, 3);
	assert_string_equal(options.allow_hosts[0], "a.example");
	assert_string_equal(options.allow_hosts[1], "b");
	assert_string_equal(options.allow_hosts[2], "c-d_e");
	assert_bad(read_options("--allow-host", "a.example:80"),
		   "--allow-host: \"a.example:80\" is not valid: want host names, without a "
		   "port");
}

static void origins(void **state)
{
	(void)state;
	static const char *const good[] = {"https://a.example", "http://[::1]:3000", "*",
					   "chrome-extension://abcdefghijklmnop"};
	static const char *const bad[] = {
		"a.example", "https://a.example/",	 "https://",
		"://a",	     "https://a.example\r\nX:1", "https://a?b"};
	char message[256];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(read_options("--allow-origin", good[i]), OPTIONS_RUN);
		assert_int_equal(options.allow_origins_n, 1);
		assert_string_equal(options.allow_origins[0], good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_options("--allow-origin", bad[i]), OPTIONS_BAD);
	snprintf(message, sizeof message,
		 "--allow-origin: \"%s\" is not valid: want origins: https://app.example, "
		 "without a path, or *",
		 "https://a.example/");
	assert_bad(read_options("--allow-origin", "https://a.example/"), message);
	char long_one[300] = "https://";
	memset(long_one + 8, 'a', 248);
	assert_int_equal(read_options("--allow-origin", long_one), OPTIONS_BAD);
	long_one[255] = '\0';
	assert_int_equal(read_options("--allow-origin", long_one), OPTIONS_RUN);
}

/* ---- the command line ---- */

static void wrong_arguments(void **state)
{
	(void)state;
	assert_bad(read_options("--memroy", "1M"),
		   "there is no option --memroy; did you mean --memory?");
	assert_bad(read_options("--upstrem=" SECRET),
		   "there is no option --upstrem; did you mean --upstream?");
	assert_bad(read_options("--colour=" SECRET),
		   "there is no option --colour; see forkcache serve --help");
	assert_bad(read_options("--" KEY),
		   "argument 1 is not an option; see forkcache serve --help");
	assert_bad(
		read_options("--offline", SECRET),
		"argument 2 is not an option: options begin with -- and take one value each");
	assert_bad(
		read_options("-x"),
		"argument 1 is not an option: options begin with -- and take one value each");
	assert_bad(read_options("--listen"), "--listen needs a value: --listen ADDRESS:PORT");
	assert_bad(read_options("--listen="), "--listen needs a value: --listen ADDRESS:PORT");
	assert_bad(read_options("--listen", "--offline"),
		   "--listen needs a value: --listen ADDRESS:PORT");
}

static void asked_for_text(void **state)
{
	(void)state;
	assert_int_equal(read_options("--upstream", SECRET, "--help"), OPTIONS_HELP);
	assert_int_equal(options.upstreams_n, 0);
	assert_int_equal(read_options("-h"), OPTIONS_HELP);
	assert_int_equal(read_options("--version"), OPTIONS_VERSION);
	assert_int_equal(read_options("--print-config"), OPTIONS_PRINT_CONFIG);
}

/* ---- sources ---- */

static void flag_beats_environment_beats_file(void **state)
{
	(void)state;
	const char *path = file_with("c.yaml", "workers: 2\nmemory: 2M\ndisk: 32M\n");

	assert_ok(setenv("FORKCACHE_WORKERS", "3", 1));
	assert_ok(setenv("FORKCACHE_MEMORY", "3M", 1));
	assert_ok(setenv("FORKCACHE_DISK", "", 1)); /* as if it were not set */
	assert_ok(setenv("FORKCACHE_CONFIG", path, 1));
	assert_int_equal(read_options("--workers", "4"), OPTIONS_RUN);
	assert_int_equal(options.workers, 4);
	assert_int_equal(options.memory_bytes, 3 << 20);
	assert_int_equal(options.disk_bytes, 32 << 20);
	assert_string_equal(options.config_file, path);
	assert_ok(setenv("FORKCACHE_MEMORY", "3X", 1));
	assert_bad(read_options(), "FORKCACHE_MEMORY: \"3X\" is not valid: want bytes, or k, "
				   "M, G, T, from 1M to 1T");
	assert_ok(unsetenv("FORKCACHE_WORKERS"));
	assert_ok(unsetenv("FORKCACHE_MEMORY"));
	assert_ok(unsetenv("FORKCACHE_DISK"));
	assert_ok(unsetenv("FORKCACHE_CONFIG"));
}

static void bad_variable(const char *name, const char *value, const char *message)
{
	assert_ok(setenv(name, value, 1));
	assert_bad(read_options("--workers", "2"), message);
	assert_ok(unsetenv(name));
}

static void misspelt_variables(void **state)
{
	(void)state;
	/* What Kubernetes and Docker set for services of such names. */
	static const char *const others[][2] = {
		{"FORKCACHE_SERVICE_HOST", "10.0.0.1"},
		{"FORKCACHE_SERVICE_PORT_HTTP", "8545"},
		{"FORKCACHE_PORT", "tcp://10.0.0.1:8545"},
		{"FORKCACHE_MAINNET_PORT_8545_TCP_ADDR", "10.0.0.1"},
		{"FORKCACHE_UPSTREM", ""}, /* as if it were not set */
		{"FORKCACHES", "1"},
	};

	bad_variable("FORKCACHE_UPSTREM", SECRET,
		     "FORKCACHE_UPSTREM: there is no option of that name; did you mean "
		     "FORKCACHE_UPSTREAM?");
	bad_variable("FORKCACHE_CACHEDIR", KEY,
		     "FORKCACHE_CACHEDIR: there is no option of that name; did you mean "
		     "FORKCACHE_CACHE_DIR?");
	bad_variable("FORKCACHE_COLOUR", KEY,
		     "FORKCACHE_COLOUR: there is no option of that name; see forkcache serve "
		     "--help");
	bad_variable("FORKCACHE_PORT", "8545",
		     "FORKCACHE_PORT: there is no option of that name; see forkcache serve "
		     "--help");
	bad_variable("FORKCACHE_" KEY, "1",
		     "a variable FORKCACHE_... is set that is no option's; see forkcache serve "
		     "--help");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_ok(setenv(others[i][0], others[i][1], 1));
	assert_int_equal(read_options(), OPTIONS_RUN);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_ok(unsetenv(others[i][0]));
}

static void help_names_every_option(void **state)
{
	(void)state;
	static const char *const names[] = {
#define SECTION(title)
#define OPTION(kind, member, name, ...) "  --" name,
#define LIST(kind, member, name, ...)	"  --" name,
#include "cli/options.def"
	};
	char *text = printed(options_help);

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_non_null(strstr(text, names[i]));
	assert_non_null(strstr(text, "Default: 256M."));
	assert_non_null(strstr(text, "can see a command line"));
	free(text);
}

static void default_cache_dir(void **state)
{
	(void)state;
	assert_ok(setenv("XDG_CACHE_HOME", "/x", 1));
	char *path = options_default_cache_dir(&detail);
	assert_string_equal(path, "/x/forkcache");
	free(path);
	assert_ok(setenv("XDG_CACHE_HOME", "relative", 1));
	assert_ok(setenv("HOME", "/home/u", 1));
	path = options_default_cache_dir(&detail);
	assert_string_equal(path, "/home/u/.cache/forkcache");
	free(path);
	assert_ok(unsetenv("HOME"));
	assert_null(options_default_cache_dir(&detail));
	assert_string_equal(detail.text, "neither XDG_CACHE_HOME nor HOME says where the cache "
					 "goes: give --cache-dir");
	assert_ok(unsetenv("XDG_CACHE_HOME"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(text_and_numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations_and_levels),
		cmocka_unit_test(blocks),
		cmocka_unit_test(urls),
		cmocka_unit_test(too_many_urls),
		cmocka_unit_test(headers),
		cmocka_unit_test(secrets_from_files),
		cmocka_unit_test(hosts),
		cmocka_unit_test(origins),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(asked_for_text),
		cmocka_unit_test(flag_beats_environment_beats_file),
		cmocka_unit_test(misspelt_variables),
		cmocka_unit_test(help_names_every_option),
		cmocka_unit_test(default_cache_dir),
	};
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
