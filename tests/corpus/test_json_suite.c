/* SPDX-License-Identifier: MIT */
/*
 * The parser test suite that everybody uses (json-test-suite: y_ has to be accepted, n_
 * refused, i_ is left to the parser), and what real nodes and their clients say to each other
 * (erigon-rpc-tests, execution-apis), judged by the oracle and by jansson.
 */
#include "../json_oracle.h"
#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
/* jansson has the same names for its types, which are not needed here. */
#define json_type   jansson_json_type
#define JSON_OBJECT jansson_JSON_OBJECT
#define JSON_ARRAY  jansson_JSON_ARRAY
#define JSON_STRING jansson_JSON_STRING
#define JSON_TRUE   jansson_JSON_TRUE
#define JSON_FALSE  jansson_JSON_FALSE
#define JSON_NULL   jansson_JSON_NULL
#include <jansson.h>
#undef json_type
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

#define DEPTH 512

static char corpus[512];

static const char *corpus_folder(const char *name)
{
	const char *root = getenv("CORPUS_DIR");
	snprintf(corpus, sizeof(corpus), "%s/%s", root ? root : "../shared/data", name);
	DIR *dir = opendir(corpus);
	if (!dir) {
		print_message("no corpus at %s\n", corpus);
		skip();
	}
	closedir(dir);
	return corpus;
}

/* The caller frees text.ptr. */
static struct span file_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	long size = ftell(file);
	assert_true(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
	char *text = malloc((size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
	fclose(file);
	return (struct span){text, (size_t)size};
}

static void file_free(struct span text)
{
	free((char *)(uintptr_t)text.ptr);
}

/* Judged by the oracle on a copy of exactly its size. */
static enum err judge(struct span text, unsigned depth, const char *path)
{
	struct span copy = exact_copy(text), value;
	size_t at;
	const char *wrong = json_disagreement(copy, depth);
	if (wrong)
		fail_msg("%s: %s", path, wrong);
	enum err err = json_document(copy, depth, &value, &at);
	exact_free(copy);
	return err;
}

static bool jansson_accepts(struct span text)
{
	json_t *json = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_decref(json);
	return json != NULL;
}

/* What jansson alone refuses although the grammar allows it: halves of surrogate pairs, NUL in
 * names, numbers that fit neither 64 bits nor a double. Here the difference has to show. */
static bool jansson_is_stricter(const char *name)
{
	static const char *const files[] = {
		"i_number_neg_int_huge_exp.json",
		"i_number_pos_double_huge_exp.json",
		"i_number_real_neg_overflow.json",
		"i_number_real_pos_overflow.json",
		"i_number_too_big_neg_int.json",
		"i_number_too_big_pos_int.json",
		"i_number_very_big_negative_int.json",
		"i_object_key_lone_2nd_surrogate.json",
		"i_string_1st_surrogate_but_2nd_missing.json",
		"i_string_1st_valid_surrogate_2nd_invalid.json",
		"i_string_incomplete_surrogate_and_escape_valid.json",
		"i_string_incomplete_surrogate_pair.json",
		"i_string_incomplete_surrogates_escape_valid.json",
		"i_string_invalid_lonely_surrogate.json",
		"i_string_invalid_surrogate.json",
		"i_string_inverted_surrogates_U+1D11E.json",
		"i_string_lone_second_surrogate.json",
		"y_object_escaped_null_in_key.json",
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(name, files[i]) == 0)
			return true;
	}
	return false;
}

static void suite_file(const char *folder, const char *name)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	struct span text = file_read(path);
	enum err err = judge(text, DEPTH, path);
	(void)judge(text, 1, path);
	(void)judge(text, JSON_DEPTH_MAX, path);
	if (name[0] == 'y' && err != OK)
		fail_msg("refused: %s", name);
	if (name[0] == 'n' && err == OK)
		fail_msg("accepted: %s", name);
	bool expected = jansson_is_stricter(name) ? err != OK : err == OK;
	if (err != ERR_LIMIT && jansson_accepts(text) != expected)
		fail_msg("jansson and we differ: %s", name);
	file_free(text);
}

static void test_parsing_suite(void **unused)
{
	(void)unused;
	const char *folder = corpus_folder("json-test-suite/test_parsing");
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	int counts[3] = {0};
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *kind = strchr("yni", entry->d_name[0]);
		if (entry->d_name[0] == '.' || !kind)
			continue;
		suite_file(folder, entry->d_name);
		counts[kind - "yni"]++;
	}
	closedir(dir);
	print_message("accepted %d, refused %d, either %d\n", counts[0], counts[1], counts[2]);
	assert_true(counts[0] > 50 && counts[1] > 100 && counts[2] > 10);
}

static int judged;

static void judge_real(struct span text, const char *path)
{
	enum err err = judge(text, 64, path);
	if (err != OK)
		fail_msg("%s: %s", path, err_name(err));
	if (!jansson_accepts(text))
		fail_msg("jansson refuses %s", path);
	judged++;
}

static bool ends_with(const char *path, const char *suffix)
{
	size_t len = strlen(path), end = strlen(suffix);
	return len >= end && memcmp(path + len - end, suffix, end) == 0;
}

/* Each request and each response of a test by itself. */
static int erigon_file(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat, (void)ftw;
	if (kind != FTW_F || !ends_with(path, ".json"))
		return 0;
	struct span text = file_read(path), value, test, part;
	size_t at;
	judge_real(text, path);
	assert_int_equal(json_document(text, 64, &value, &at), OK);
	struct json_iter iter = json_iter(value);
	while (json_next_element(&iter, &test)) {
		assert_true(json_member(test, "request", &part));
		judge_real(part, path);
		if (json_member(test, "response", &part))
			judge_real(part, path);
	}
	file_free(text);
	return 0;
}

static void test_erigon(void **unused)
{
	(void)unused;
	judged = 0;
	assert_int_equal(nftw(corpus_folder("erigon-rpc-tests"), erigon_file, 16, FTW_PHYS), 0);
	print_message("%d documents\n", judged);
	assert_true(judged > 600);
}

/* A line of an .io file: ">> request" or "<< response"; a request is one that a server takes.
 */
static void execution_line(struct span line, const char *path)
{
	if (line.len < 3 ||
	    (memcmp(line.ptr, ">> ", 3) != 0 && memcmp(line.ptr, "<< ", 3) != 0))
		return;
	struct span text = {line.ptr + 3, line.len - 3}, rest = text;
	struct json_request request;
	size_t at;
	judge_real(text, path);
	if (line.ptr[0] == '<')
		return;
	assert_int_equal(json_request_next(&rest, 64, &request, &at), OK);
	assert_true(request.is_object && request.version_ok && request.id_ok);
	assert_true(request.method_is_string && request.method.len > 3);
	assert_non_null(request.id.ptr);
	assert_false(request.duplicate || request.method_escaped);
}

static int execution_file(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat, (void)ftw;
	if (kind != FTW_F || (!ends_with(path, ".io") && !ends_with(path, ".json")))
		return 0;
	struct span text = file_read(path), rest = text;
	if (ends_with(path, ".json"))
		judge_real(text, path);
	while (ends_with(path, ".io") && rest.len > 0) {
		const char *newline = memchr(rest.ptr, '\n', rest.len);
		size_t len = newline ? (size_t)(newline - rest.ptr) : rest.len;
		execution_line((struct span){rest.ptr, len}, path);
		rest.ptr += len + (newline != NULL);
		rest.len -= len + (newline != NULL);
	}
	file_free(text);
	return 0;
}

static void test_execution_apis(void **unused)
{
	(void)unused;
	judged = 0;
	assert_int_equal(nftw(corpus_folder("execution-apis"), execution_file, 16, FTW_PHYS),
			 0);
	print_message("%d documents\n", judged);
	assert_true(judged > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parsing_suite),
		cmocka_unit_test(test_erigon),
		cmocka_unit_test(test_execution_apis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
