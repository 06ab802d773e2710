/* SPDX-License-Identifier: MIT */
/*
 * Cross-origin requests (the Fetch standard, "CORS protocol"). Without configured origins
 * nothing here has an effect: a browser then refuses other pages' requests by itself.
 *
 * The lines of an origin are written once, so a reply only points to them. With origins
 * configured every reply says Vary: Origin, or a cache could give one page's reply to another.
 */
#include "rpc/http_field.h"
#include "rpc/http_status.h"
#include "rpc/server_impl.h"
#include <stdlib.h>

#define ALLOW_ORIGIN "Access-Control-Allow-Origin: "
#define EXPOSE	     "Access-Control-Expose-Headers: Retry-After\r\n"
#define VARY	     "Vary: Origin\r\n"
/* What clients of JSON-RPC send; ten minutes, the longest that Chromium remembers is two hours.
 */
#define PREFLIGHT                                                       \
	"Access-Control-Allow-Methods: GET, HEAD, POST\r\n"             \
	"Access-Control-Allow-Headers: Authorization, Content-Type\r\n" \
	"Access-Control-Max-Age: 600\r\n"

_Static_assert(sizeof ALLOW_ORIGIN EXPOSE VARY PREFLIGHT + ORIGIN_BYTES_MAX + 2 <=
		       HTTP_EXTRA_MAX,
	       "the lines do not fit a reply's head");

static char *lines_of(const char *origin)
{
	char *lines = NULL;

	REQUIRE(strlen(origin) <= ORIGIN_BYTES_MAX);
	if (asprintf(&lines, ALLOW_ORIGIN "%s\r\n" EXPOSE VARY, origin) < 0)
		return NULL;
	return lines;
}

enum err server_cors_init(struct server *server)
{
	const size_t n = server->config.origins_n;

	if (n == 0)
		return OK;
	server->cors = calloc(n, sizeof *server->cors);
	if (!server->cors)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		server->cors[i] = lines_of(server->config.origins[i]);
		if (!server->cors[i])
			return ERR_NOMEM;
	}
	return OK;
}

void server_cors_release(struct server *server)
{
	for (size_t i = 0; server->cors && i < server->config.origins_n; i++)
		free(server->cors[i]);
	free(server->cors);
	server->cors = NULL;
}

/* config.origins_n: it is none of them. */
static size_t find_origin(const struct server *server, const struct http_head *head,
			  const char *bytes)
{
	const size_t n = server->config.origins_n;
	size_t i = 0;

	if (head->origin.at == 0)
		return n;
	const struct span origin = http_range_span(head->origin, bytes);
	while (i < n && strcmp(server->config.origins[i], "*") != 0 &&
	       !http_text_equal(origin, span_of(server->config.origins[i])))
		i++;
	return i;
}

bool server_origin_allowed(const struct server *server, const struct http_head *head,
			   const char *bytes)
{
	return find_origin(server, head, bytes) < server->config.origins_n;
}

const char *server_cors_lines(const struct server *server, const struct http_head *head,
			      const char *bytes)
{
	if (server->config.origins_n == 0)
		return NULL;
	const size_t i = find_origin(server, head, bytes);
	return i < server->config.origins_n ? server->cors[i] : VARY;
}

static void answer_preflight(void *cookie, struct http_exchange *exchange)
{
	(void)cookie;
	exchange->extra = PREFLIGHT;
	http_reply_open(exchange);
	http_reply_close(exchange, 200, TEXT_PLAIN);
}
const struct http_route server_preflight = {.path = "*", .fn = answer_preflight};
