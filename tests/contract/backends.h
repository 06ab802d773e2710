/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The databases that one suite runs over, and the nodes behind those that have one: children
 * that serve a prestate, which holds the same accounts as the local databases are given.
 *
 * BUILD names the folder of mock-node and forkcache.
 */
#include "../unit/unit.h"
#include "forkcache.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct backend {
	const char *name;
	const char *urls; /* {dir}: the test's folder; {node}, {proxy}: host and port of the
			     node and of the forkcache in front of it */
	bool writable, has_file, has_fork;
};

static const struct backend backends[] = {
	{"memory", "memory://", true, false, false},
	{"file", "lmdb://{dir}/db", true, true, false},
	{"cached over memory", "memory://,memory://", true, false, false},
	{"cached over file", "memory://#bytes=1MiB,lmdb://{dir}/db", true, true, false},
	{"overlay over memory", "overlay://,memory://", true, false, false},
	{"overlay over file", "overlay://,lmdb://{dir}/db", true, false, false},
	{"overlay over fork", "overlay://,fork+http://{node}/", true, false, true},
	{"overlay over cached over fork", "overlay://,memory://,fork+http://{node}/", true,
	 false, true},
	{"overlay over disk cache over fork",
	 "overlay://,memory://,lmdb://{dir}/cache,fork+http://{node}/", true, false, true},
	{"overlay over verified fork", "overlay://,fork+http://{node}/#verify", true, false,
	 true},
	{"overlay over network", "overlay://,forkcache://{proxy}/", true, false, true},
	{"fork", "fork+http://{node}/", false, false, true},
	{"cached over fork", "memory://,fork+http://{node}/", false, false, true},
	{"network", "forkcache://{proxy}/", false, false, true},
};
enum { BACKENDS = sizeof backends / sizeof *backends };

static char folder[128], node_at[64], proxy_at[64];
static pid_t node_pid, proxy_pid;

static inline void expand(const char *urls, const char *dir, char *out, size_t size)
{
	const struct {
		const char *name, *value;
	} names[] = {{"{dir}", dir}, {"{node}", node_at}, {"{proxy}", proxy_at}};
	size_t n = 0;
	while (*urls) {
		const char *value = NULL;
		for (size_t i = 0; i < 3 && !value; i++)
			if (strncmp(urls, names[i].name, strlen(names[i].name)) == 0) {
				value = names[i].value;
				urls += strlen(names[i].name);
			}
		n += (size_t)snprintf(out + n, size - n, "%.*s", value ? 500 : 1,
				      value ? value : urls++);
		assert_true(n < size);
	}
}

static inline int remove_one(const char *path, const struct stat *stat, int kind,
			     struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* Inside of base, NULL: where temporary files go. */
static inline void make_folder(const char *base, char *out, size_t size)
{
	if (!base && !(base = getenv("TMPDIR")))
		base = P_tmpdir;
	snprintf(out, size, "%s/forkcache-contract-XXXXXX", base);
	assert_non_null(mkdtemp(out));
}

static inline void remove_folder(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Reads its output until it says where it listens. */
static inline void read_address(int fd, char *at, size_t size)
{
	char text[8192];
	size_t n = 0;
	for (;;) {
		const ssize_t got = read(fd, text + n, sizeof text - 1 - n);
		if (got <= 0)
			fail_msg("a child does not listen: %.*s", (int)n, text);
		n += (size_t)got;
		text[n] = '\0';
		const char *found = strstr(text, "listening on ");
		if (found && strchr(found, '\n')) {
			found += strlen("listening on ");
			snprintf(at, size, "%.*s", (int)strcspn(found, " \n"), found);
			return;
		}
	}
}

static inline pid_t start_child(char *const argv[], char *at, size_t size)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* however the test ends */
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	read_address(ends[0], at, size);
	/* What else it says stays in the pipe: it is little. */
	return pid;
}

static inline void end_child(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
}

static inline int start_nodes(const char *prestate)
{
	static char program[512], path[256], serve[512], cache[256], url[128];
	const char *build = getenv("BUILD");
	build = build ? build : "build";
	make_folder(NULL, folder, sizeof folder);
	snprintf(program, sizeof program, "%s/mock-node", build);
	snprintf(serve, sizeof serve, "%s/forkcache", build);
	snprintf(path, sizeof path, "%s/prestate.json", folder);
	snprintf(cache, sizeof cache, "%s/proxy", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(prestate, file);
	fclose(file);
	static char listen[] = "--listen", any[] = "127.0.0.1:0", option[] = "--prestate",
		    command[] = "serve", upstream[] = "--upstream", dir[] = "--cache-dir",
		    fork_block[] = "--fork-block", latest[] = "latest", blocks[] = "--blocks",
		    none[] = "0";
	char *node_argv[] = {program, listen, any, option, path, blocks, none, NULL};
	node_pid = start_child(node_argv, node_at, sizeof node_at);
	snprintf(url, sizeof url, "http://%s/", node_at);
	char *proxy_argv[] = {serve, command, listen,	  any,	  upstream, url,
			      dir,   cache,   fork_block, latest, NULL};
	proxy_pid = start_child(proxy_argv, proxy_at, sizeof proxy_at);
	return 0;
}

static inline void end_nodes(void)
{
	end_child(proxy_pid);
	end_child(node_pid);
	remove_folder(folder);
}
