/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, without libFuzzer: `replay_x FOLDER` reads each file of the
 * folder (in order of names) and hands it to LLVMFuzzerTestOneInput, in a process of its own,
 * so that one that aborts is a failure of that file and the others still run.
 */
#include "base/check.h"
#include <dirent.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_BYTES_MAX 4096

/* False: it cannot be read, or is larger than files of a corpus may be. */
static bool read_file(const char *path, uint8_t *bytes, size_t *n)
{
	FILE *file = fopen(path, "rb");

	if (!file)
		return false;
	*n = fread(bytes, 1, FILE_BYTES_MAX + 1, file);
	bool good = !ferror(file) && *n <= FILE_BYTES_MAX;
	fclose(file);
	return good;
}

static int run(const char *path)
{
	static uint8_t bytes[FILE_BYTES_MAX + 1];
	size_t n;

	if (!read_file(path, bytes, &n))
		return EXIT_FAILURE;
	/* A copy that ends where its allocation ends. */
	uint8_t *input = malloc(n + (n == 0));
	if (!input)
		return EXIT_FAILURE;
	memcpy(input, bytes, n);
	int status = LLVMFuzzerTestOneInput(input, n);
	free(input);
	return status;
}

static bool passes(const char *path)
{
	int status = 0;

	fflush(NULL); /* or the child would print it again */
	const pid_t child = fork();
	if (child < 0)
		return false;
	if (child == 0)
		exit(run(path));
	return waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	unsigned passed = 0, failed = 0;
	const int n = argc == 2 ? scandir(argv[1], &entries, not_hidden, alphasort) : -1;

	if (n <= 0) {
		fprintf(stderr, "%s: no files to run: give it a folder\n", argv[0]);
		return EXIT_FAILURE;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
		if (passes(path)) {
			passed++;
		} else {
			failed++;
			printf("FAILED: %s\n", path);
		}
		free(entries[i]);
	}
	free(entries);
	printf("%s: %u passed, %u failed\n", argv[1], passed, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
