/* SPDX-License-Identifier: MIT */
#include "rpc/http_field.h"
#include "rpc/http_host.h"
#include "rpc/server_impl.h"

#define ALLOW_ROUTE "Allow: GET, HEAD\r\n"
#define ALLOW_ROOT  "Allow: GET, HEAD, POST\r\n"

/* The health probe that load balancers send. */
static void answer_root(void *cookie, struct http_exchange *exchange)
{
	(void)cookie;
	http_reply_open(exchange);
	http_reply_close(exchange, 200, TEXT_PLAIN);
}
static const struct http_route root_route = {.path = "/", .fn = answer_root};

static const struct http_route *find_route(const struct server *server, struct span path)
{
	for (size_t i = 0; i < server->config.routes_n; i++) {
		if (span_is(path, server->config.routes[i].path))
			return &server->config.routes[i];
	}
	return span_is(path, "/") ? &root_route : NULL;
}

static bool host_allowed(const struct server *server, const struct http_head *head,
			 const char *bytes)
{
	const struct http_range host = head->host.at ? head->host : head->authority;

	/* Browsers, which the check is about, do not speak HTTP/1.0. */
	if (host.at == 0)
		return true;
	return http_host_allowed(http_range_span(host, bytes), server->config.hosts,
				 server->config.hosts_n);
}

static bool token_fits(const struct server *server, const struct http_head *head,
		       const char *bytes)
{
	const struct span scheme = SPAN("bearer ");
	struct span value = http_range_span(head->authorization, bytes);

	if (head->authorization.at == 0 || value.len <= scheme.len ||
	    !http_text_equal((struct span){value.ptr, scheme.len}, scheme))
		return false;
	value.ptr += scheme.len;
	value.len -= scheme.len;
	return secret_equal(server->config.token, http_trim(value));
}

static bool type_is_json(const struct http_head *head, const char *bytes)
{
	struct span type = http_range_span(head->content_type, bytes);

	/* A page may make a browser send a body of no type, and no preflight before it; what
	 * comes from a page therefore has to name one. */
	if (head->content_type.at == 0)
		return head->origin.at == 0;
	const char *parameters = memchr(type.ptr, ';', type.len);
	if (parameters)
		type.len = (size_t)(parameters - type.ptr);
	type = http_trim(type);
	return http_text_is(type, "application/json") ||
	       http_text_is(type, "application/json-rpc") ||
	       http_text_is(type, "application/jsonrequest");
}

static struct verdict no(unsigned status, const char *text, const char *extra)
{
	return (struct verdict){.status = status, .text = text, .extra = extra};
}

/* It carries no token: a browser sends that only when it has been told that it may. */
static struct verdict preflight(const struct server *server, const struct http_head *head,
				const char *bytes)
{
	if (!server_origin_allowed(server, head, bytes))
		return no(403, "the Origin is none that --allow-origin gives", NULL);
	return (struct verdict){.route = &server_preflight};
}

/* Where the request goes: a route, or NULL for JSON-RPC. */
static struct verdict find_target(const struct server *server, const struct http_head *head,
				  const char *bytes)
{
	struct span path = http_range_span(head->path, bytes);

	if (path.len == 0) /* "http://host", or the "*" of OPTIONS */
		path = SPAN("/");
	const struct http_route *route = find_route(server, path);
	const bool root = span_is(path, "/");

	if (!route)
		return no(404, "there is nothing at this path; JSON-RPC is POST /", NULL);
	if (root && head->method == METHOD_POST)
		return (struct verdict){0};
	if (head->method == METHOD_OPTIONS && head->origin.at != 0 &&
	    server->config.origins_n != 0)
		return preflight(server, head, bytes);
	if (head->method != METHOD_GET && head->method != METHOD_HEAD)
		return no(405,
			  root ? "JSON-RPC requests are POST" : "this path knows GET and HEAD",
			  root ? ALLOW_ROOT : ALLOW_ROUTE);
	return (struct verdict){.route = route};
}

struct verdict server_admit(struct server *server, const struct http_head *head,
			    const char *bytes)
{
	if (!host_allowed(server, head, bytes))
		return no(403,
			  "the Host header names neither an IP address, nor localhost, nor a "
			  "name that --allow-host gives",
			  NULL);

	const struct verdict verdict = find_target(server, head, bytes);
	if (verdict.status != 0)
		return verdict;
	if (server->config.token && (!verdict.route || verdict.route->needs_token) &&
	    !token_fits(server, head, bytes))
		return no(401, "a valid token is needed: Authorization: Bearer ...", NULL);
	if (head->has_coding)
		return no(415, "a Content-Encoding is not accepted in requests", NULL);
	if (!verdict.route && !type_is_json(head, bytes))
		return no(415, "the Content-Type must be application/json", NULL);
	if (head->content_length > server->config.limits.body_bytes)
		return no(413, "the body is longer than this server accepts", NULL);
	if (!verdict.route)
		http_memo_keep(&server->heads, head, bytes);
	return verdict;
}

bool server_knows(const struct server *server, const char *bytes, size_t len,
		  struct http_head *head)
{
	struct http_head found;

	if (!http_memo_find(&server->heads, bytes, len, &found) ||
	    found.content_length > server->config.limits.body_bytes)
		return false;
	*head = found;
	return true;
}
