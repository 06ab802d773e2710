/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/secret.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void keeps_its_bytes(void **state)
{
	(void)state;
	char text[] = "token";
	struct secret *secret = secret_new((struct span){text, 5});
	assert_non_null(secret);
	text[0] = 'x';
	assert_string_equal(secret_reveal(secret), "token");
	assert_int_equal(secret_length(secret), 5);
	secret_free(&secret);
	assert_null(secret);
	secret_free(&secret);
}

static void equal_only_to_itself(void **state)
{
	(void)state;
	struct secret *secret = secret_new(SPAN("token"));
	assert_non_null(secret);
	assert_true(secret_equal(secret, SPAN("token")));
	assert_false(secret_equal(secret, SPAN("")));
	assert_false(secret_equal(secret, SPAN("toke")));
	assert_false(secret_equal(secret, SPAN("tokens")));
	assert_false(secret_equal(secret, SPAN("token\0")));
	assert_false(secret_equal(secret, SPAN("Token")));
	assert_false(secret_equal(secret, SPAN("tokem")));
	secret_free(&secret);
	/* Around the powers of two up to which its memory reaches, zeros and repetitions. */
	for (size_t n = 62; n <= 130; n++) {
		char bytes[512] = {0};
		memset(bytes, 'k', n);
		assert_non_null(secret = secret_new((struct span){bytes, n}));
		for (size_t length = 0; length <= sizeof bytes; length++)
			assert_true(secret_equal(secret, (struct span){bytes, length}) ==
				    (length == n));
		memset(bytes, 'k', sizeof bytes);
		for (size_t length = 0; length <= sizeof bytes; length++)
			assert_true(secret_equal(secret, (struct span){bytes, length}) ==
				    (length == n));
		secret_free(&secret);
	}
	struct secret *empty = secret_new((struct span){NULL, 0});
	assert_non_null(empty);
	assert_true(secret_equal(empty, SPAN("")));
	assert_false(secret_equal(empty, SPAN("\0")));
	secret_free(&empty);
}

static char path[] = "test_secret.XXXXXX";

/* Writes a file and reads it as a secret; on failure *out is NULL. */
static enum err read_back(const void *bytes, size_t n, struct secret **out,
			  struct err_detail *detail)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	return secret_read_file(path, out, detail);
}

static void assert_reads(struct span file, const char *want)
{
	struct secret *secret;
	assert_ok(read_back(file.ptr, file.len, &secret, NULL));
	assert_string_equal(secret_reveal(secret), want);
	secret_free(&secret);
}

static void first_line_of_a_file(void **state)
{
	(void)state;
	assert_reads(SPAN("key"), "key");
	assert_reads(SPAN("key\n"), "key");
	assert_reads(SPAN("key\r\n"), "key");
	assert_reads(SPAN("key\nsecond\n"), "key");
	assert_reads(SPAN(" k e y \n"), " k e y ");
	assert_reads(SPAN("key\r"), "key\r");
}

static void assert_refused(struct span file, const char *why)
{
	struct secret *secret;
	struct err_detail detail;
	assert_int_equal(read_back(file.ptr, file.len, &secret, &detail), ERR_INVALID);
	assert_null(secret);
	assert_non_null(strstr(detail.text, path));
	assert_non_null(strstr(detail.text, why));
}

static void files_that_hold_no_secret(void **state)
{
	(void)state;
	assert_refused(SPAN(""), "empty");
	assert_refused(SPAN("\n"), "empty");
	assert_refused(SPAN("\r\nx"), "empty");
	assert_refused(SPAN("a\0b\n"), "NUL");
}

static void lines_around_64_kib(void **state)
{
	(void)state;
	const size_t limit = 65536;
	char *bytes = malloc(limit + 3);
	assert_non_null(bytes);
	memset(bytes, 'k', limit + 1);
	struct secret *secret;
	memcpy(bytes + limit, "\r\n", 2);
	assert_ok(read_back(bytes, limit + 2, &secret, NULL));
	assert_int_equal(secret_length(secret), limit);
	secret_free(&secret);
	memcpy(bytes + limit, "k\r\n", 3);
	assert_refused((struct span){bytes, limit + 1}, "above");
	assert_refused((struct span){bytes, limit + 3}, "above");
	free(bytes);
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	struct secret *secret;
	struct err_detail detail;
	assert_int_equal(secret_read_file("no/such/file", &secret, &detail), ERR_IO);
	assert_non_null(strstr(detail.text, "no/such/file: No such file"));
	assert_int_equal(secret_read_file(".", &secret, &detail), ERR_IO);
	assert_null(secret);
}

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_bytes),
		cmocka_unit_test(equal_only_to_itself),
		cmocka_unit_test(first_line_of_a_file),
		cmocka_unit_test(files_that_hold_no_secret),
		cmocka_unit_test(lines_around_64_kib),
		cmocka_unit_test(files_that_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, make_file, drop_file);
}
