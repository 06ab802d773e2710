/* SPDX-License-Identifier: MIT */
#include "cli/status.h"
#include "base/secret.h"
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define DEFAULT_SERVER "127.0.0.1:8545"
#define REPLY_MAX      ((size_t)1 << 20) /* a status is a few kilobytes */
#define TIMEOUT_S      5
#define HOST_BYTES     256

static const char usage[] =
	"forkcache status [HOST:PORT] [--token-file FILE] [--json]\n"
	"\n"
	"Shows how the forkcache server at HOST:PORT (" DEFAULT_SERVER ") is.\n"
	"  --token-file FILE  the token that the server asks for, on this file's first line\n"
	"  --json             what the server says, as it is (GET /status)\n";

struct status_args {
	const char *server;
	struct secret *token;
	bool json;
};

/* Without "http://" and a path. */
static const char *bare(const char *server, char *out, size_t size)
{
	static const char scheme[] = "http://";

	if (strncmp(server, scheme, sizeof scheme - 1) == 0)
		server += sizeof scheme - 1;
	snprintf(out, size, "%.*s", (int)strcspn(server, "/"), server);
	return out;
}

/* "name:port", "[::1]:port", "name" */
static void split(const char *server, char *host, const char **port)
{
	const char *colon = strrchr(server, ':');
	size_t n = colon != NULL ? (size_t)(colon - server) : strlen(server);

	*port = colon != NULL ? colon + 1 : "8545";
	if (n > 1 && server[0] == '[' && server[n - 1] == ']') {
		server++;
		n -= 2;
	}
	snprintf(host, HOST_BYTES, "%.*s", (int)n, server);
}

static int connect_to(const char *server, struct err_detail *detail)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct addrinfo *found = NULL;
	char host[HOST_BYTES];
	const char *port;
	int fd = -1;

	split(server, host, &port);
	int failed = getaddrinfo(host, port, &hints, &found);
	if (failed != 0) {
		(void)err_set(detail, ERR_NETWORK, "%s: %s", server, gai_strerror(failed));
		return -1;
	}
	for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
		    connect(fd, at->ai_addr, at->ai_addrlen) == 0)
			break;
		(void)err_set(detail, ERR_NETWORK, "%s: %s", server, strerror(errno));
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

static bool send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		bytes += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* The whole reply, NUL-terminated; NULL: the connection failed, or there is no memory. */
static char *receive_all(int fd)
{
	char *reply = malloc(REPLY_MAX + 1);
	size_t len = 0;

	while (reply != NULL && len < REPLY_MAX) {
		ssize_t n = recv(fd, reply + len, REPLY_MAX - len, 0);
		if (n == 0) {
			reply[len] = '\0';
			return reply;
		}
		if (n < 0)
			break;
		len += (size_t)n;
	}
	free(reply);
	return NULL;
}

static bool ask(int fd, const struct status_args *args, const char *server)
{
	char request[1024];
	int n = snprintf(request, sizeof request, "GET /status HTTP/1.0\r\nHost: %s\r\n%s",
			 server, args->token != NULL ? "Authorization: Bearer " : "\r\n");

	if (n < 0 || (size_t)n >= sizeof request || !send_all(fd, request, (size_t)n))
		return false;
	return args->token == NULL ||
	       (send_all(fd, secret_reveal(args->token), secret_length(args->token)) &&
		send_all(fd, "\r\n\r\n", 4));
}

/* The body of a 200, borrowed from *reply. */
static const char *fetch(const struct status_args *args, char **reply,
			 struct err_detail *detail)
{
	char server[HOST_BYTES];
	unsigned status = 0;
	int fd = connect_to(bare(args->server, server, sizeof server), detail);

	if (fd < 0)
		return NULL;
	*reply = ask(fd, args, server) ? receive_all(fd) : NULL;
	close(fd);
	if (*reply == NULL) {
		(void)err_set(detail, ERR_NETWORK, "%s: no answer", server);
		return NULL;
	}
	const char *body = strstr(*reply, "\r\n\r\n");
	if (sscanf(*reply, "HTTP/1.%*c %u", &status) != 1 || body == NULL)
		(void)err_set(detail, ERR_BAD_ANSWER, "%s does not speak HTTP", server);
	else if (status == 401)
		(void)err_set(detail, ERR_BAD_ANSWER, "%s asks for a token: --token-file",
			      server);
	else if (status != 200)
		(void)err_set(detail, ERR_BAD_ANSWER, "%s answered HTTP %u: is it a forkcache?",
			      server, status);
	else
		return body + 4;
	return NULL;
}

/* ---- showing ---- */

/* Whoever answers is not trusted with the terminal: no control characters, those of Unicode
 * included (C2 80 to C2 9F). False: no memory. */
static bool disarm_string(json_t *string)
{
	char *copy = strdup(json_string_value(string));

	if (copy == NULL)
		return false;
	for (unsigned char *at = (unsigned char *)copy; *at != '\0'; at++) {
		const bool pair = at[0] == 0xc2 && at[1] < 0xa0;
		if (pair)
			*at++ = '?';
		if (pair || *at < ' ' || *at == 0x7f)
			*at = '?';
	}
	bool set = json_string_set(string, copy) == 0;
	free(copy);
	return set;
}

/* As deep as what the parser took. */
static bool disarm(json_t *value)
{
	const char *name;
	json_t *inner;
	size_t i;

	if (json_is_string(value))
		return disarm_string(value);
	json_object_foreach(value, name, inner)
	{
		if (!disarm(inner))
			return false;
	}
	json_array_foreach(value, i, inner)
	{
		if (!disarm(inner))
			return false;
	}
	return true;
}

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value != NULL ? value : "";
}

static bool flag(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static void show_layers(const json_t *layers)
{
	const json_t *layer;
	size_t i;

	printf("\n%-10s %12s %12s %7s %10s %10s %10s\n", "layer", "lookups", "hits", "ratio",
	       "MiB", "of MiB", "evictions");
	json_array_foreach(layers, i, layer)
	{
		char ratio[16] = "-";
		if (json_is_real(json_object_get(layer, "hit_ratio")))
			snprintf(ratio, sizeof ratio, "%.1f %%",
				 100 * number(layer, "hit_ratio"));
		printf("%-10s %12.0f %12.0f %7s %10.1f %10.1f %10.0f\n", text(layer, "name"),
		       number(layer, "lookups"), number(layer, "hits"), ratio,
		       number(layer, "bytes") / (1 << 20),
		       number(layer, "capacity_bytes") / (1 << 20), number(layer, "evictions"));
	}
}

static void show_upstreams(const json_t *status)
{
	const json_t *fork = json_object_get(status, "fork"), *upstream;
	size_t i;

	if (fork == NULL)
		return;
	printf("\nasked upstream: %.0f questions, %.0f of them joined others; %.0f in flight, "
	       "%.0f retries, %.0f failovers\n",
	       number(fork, "questions"), number(fork, "joined"), number(fork, "in_flight"),
	       number(fork, "retries"), number(fork, "failovers"));
	printf("%-32s %-9s %9s %10s %8s %8s %9s\n", "upstream", "health", "requests", "items",
	       "failed", "limited", "rtt ms");
	json_array_foreach(json_object_get(status, "upstreams"), i, upstream)
	{
		const char *health = !flag(upstream, "probed")	 ? "unknown"
				     : flag(upstream, "healthy") ? "healthy"
								 : "failing";
		printf("%-32s %-9s %9.0f %10.0f %8.0f %8.0f %9.1f\n", text(upstream, "host"),
		       health, number(upstream, "requests"), number(upstream, "items"),
		       number(upstream, "failures"), number(upstream, "rate_limited"),
		       number(upstream, "rtt_ms"));
	}
}

static void show_errors(const json_t *errors)
{
	const json_t *error;
	size_t i;

	if (json_array_size(errors) > 0)
		printf("\nlast errors, the newest first:\n");
	json_array_foreach(errors, i, error)
	{
		printf("  %s", text(error, "at"));
		if (number(error, "times") > 1)
			printf(" (%.0f times)", number(error, "times"));
		printf("  %s\n", text(error, "text"));
	}
}

static void show(const json_t *status)
{
	const json_t *chain = json_object_get(status, "chain");
	const json_t *clients = json_object_get(status, "clients");

	printf("forkcache %s, up %.0f s\n", text(status, "version"),
	       number(status, "uptime_seconds"));
	printf("chain %.0f, %s at block %.0f (final up to %.0f)%s\n", number(chain, "id"),
	       text(chain, "mode"), number(chain, "number"), number(chain, "finalized"),
	       flag(chain, "stored") ? "" : "; a development node: nothing is stored");
	printf("clients: %.0f connections, %.0f calls, %.0f of them waited for an upstream, "
	       "%.0f errors\n",
	       number(clients, "connections"), number(clients, "calls"),
	       number(clients, "waited"), number(clients, "errors"));
	show_layers(json_object_get(status, "layers"));
	show_upstreams(status);
	show_errors(json_object_get(status, "errors"));
}

static int run(const struct status_args *args)
{
	struct err_detail detail = {{0}};
	char *reply = NULL;
	int code = 1;
	const char *body = fetch(args, &reply, &detail);
	json_t *status = body != NULL ? json_loads(body, 0, NULL) : NULL;

	if (body != NULL &&
	    (!json_is_object(json_object_get(status, "chain")) || !disarm(status)))
		(void)err_set(&detail, ERR_BAD_ANSWER, "%s does not answer as a forkcache does",
			      args->server);
	else if (body != NULL)
		code = 0;
	if (code != 0)
		fprintf(stderr, "forkcache status: %s\n", detail.text);
	else if (args->json)
		fputs(body, stdout);
	else
		show(status);
	json_decref(status);
	free(reply);
	return code;
}

/* 0: go on; else the exit code, plus one. */
static int read_args(int argc, char **argv, struct status_args *args)
{
	struct err_detail detail;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return 1;
		} else if (strcmp(argv[i], "--json") == 0) {
			args->json = true;
		} else if (strcmp(argv[i], "--token-file") == 0 && i + 1 < argc) {
			secret_free(&args->token);
			if (secret_read_file(argv[++i], &args->token, &detail) != OK) {
				fprintf(stderr, "forkcache status: %s\n", detail.text);
				return 3;
			}
		} else if (argv[i][0] == '-' || args->server != NULL) {
			fprintf(stderr, "forkcache status: what is \"%s\"?\n\n%s", argv[i],
				usage);
			return 3;
		} else {
			args->server = argv[i];
		}
	}
	if (args->server == NULL)
		args->server = DEFAULT_SERVER;
	return 0;
}

int cmd_status(int argc, char **argv)
{
	struct status_args args = {0};
	int code = read_args(argc, argv, &args);

	code = code == 0 ? run(&args) : code - 1;
	secret_free(&args.token);
	return code;
}
