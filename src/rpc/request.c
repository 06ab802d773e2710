/* SPDX-License-Identifier: MIT */
#include "fork/ability.h"
#include "rpc/begin.h"
#include "rpc/request_impl.h"

#define DEFAULT_BATCH_ITEMS 1000
#define DEFAULT_REPLY_BYTES (25u << 20)
#define DEFAULT_ARENA_BYTES (64u << 20)
#define DEFAULT_DEPTH	    64

/* What is kept for reuse: so many requests, of so many calls and bytes of text at most. */
#define POOL_KEEP_REQUESTS 8
#define POOL_KEEP_CALLS	   1024
#define POOL_KEEP_TEXT	   65536

static void bump(atomic_ullong *counter, unsigned long long by)
{
	/* One writer: a load and a store are enough. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

/* ---- the pool ---- */

enum err request_pool_new(struct stack_view *view, const struct chain *chain,
			  const struct request_limits *limits, struct request_pool **out)
{
	struct request_pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL)
		return ERR_NOMEM;
	pool->stats.by_method = calloc(method_count(), sizeof *pool->stats.by_method);
	pool->abilities = calloc(method_count(), sizeof *pool->abilities);
	if (pool->stats.by_method == NULL || pool->abilities == NULL) {
		request_pool_free(&pool);
		return ERR_NOMEM;
	}
	buf_init(&pool->scratch, REQUEST_MAX_BYTES);
	pool->view = view;
	pool->chain = chain;
	pool->limits = *limits;
	if (pool->limits.batch_items == 0)
		pool->limits.batch_items = DEFAULT_BATCH_ITEMS;
	if (pool->limits.reply_bytes == 0)
		pool->limits.reply_bytes = DEFAULT_REPLY_BYTES;
	if (pool->limits.arena_bytes == 0)
		pool->limits.arena_bytes = DEFAULT_ARENA_BYTES;
	if (pool->limits.depth == 0)
		pool->limits.depth = DEFAULT_DEPTH;
	if (chain->heads != NULL && heads_view_new(chain->heads, view, &pool->heads) != OK) {
		request_pool_free(&pool);
		return ERR_NOMEM;
	}
	*out = pool;
	return OK;
}

static void request_destroy(struct request *request)
{
	arena_release(&request->arena);
	free(request->calls);
	free(request);
}

void request_pool_free(struct request_pool **pool)
{
	if (*pool == NULL)
		return;
	while ((*pool)->free != NULL) {
		struct request *request = (*pool)->free;
		(*pool)->free = request->next_free;
		request_destroy(request);
	}
	heads_view_free(&(*pool)->heads);
	buf_release(&(*pool)->scratch);
	free((*pool)->stats.by_method);
	free((*pool)->abilities);
	free(*pool);
	*pool = NULL;
}

const struct request_stats *request_stats(const struct request_pool *pool)
{
	return &pool->stats;
}

static struct request *request_take(struct request_pool *pool)
{
	struct request *request = pool->free;

	if (request != NULL) {
		pool->free = request->next_free;
		pool->free_n--;
		return request;
	}
	request = calloc(1, sizeof *request);
	if (request == NULL)
		return NULL;
	request->pool = pool;
	arena_init(&request->arena, pool->limits.arena_bytes);
	return request;
}

static void request_give_back(struct request *request)
{
	struct request_pool *pool = request->pool;

	for (uint32_t i = 0; i < request->n; i++)
		call_release(&request->calls[i]);
	if (pool->heads != NULL)
		request_forget_heads(request);
	request->n = 0;
	request->exchange = NULL;
	if (pool->scratch.capacity > POOL_KEEP_TEXT)
		buf_release(&pool->scratch);
	if (pool->free_n >= POOL_KEEP_REQUESTS || request->capacity > POOL_KEEP_CALLS) {
		request_destroy(request);
		return;
	}
	arena_clear(&request->arena);
	request->next_free = pool->free;
	pool->free = request;
	pool->free_n++;
}

/* ---- what calls ask of their request ---- */

const struct chain *call_chain(const struct call *call)
{
	return call->request->pool->chain;
}

const struct call *call_before(const struct call *call)
{
	return call > call->request->calls ? call - 1 : NULL;
}

struct stack_view *call_view(const struct call *call)
{
	return call->request->pool->view;
}

struct arena *call_arena(const struct call *call)
{
	return &call->request->arena;
}

struct ability *call_method_ability(const struct call *call)
{
	const struct method *m = call->method;

	/* Who has one of a pair has the other. */
	if (m->by_hash != NULL)
		m = method_find(span_of(m->by_hash));
	return &call->request->pool->abilities[method_index(m)];
}

struct buf *call_scratch(const struct call *call)
{
	struct buf *scratch = &call->request->pool->scratch;

	buf_clear(scratch);
	return scratch;
}

/* ---- the reply ---- */

#define ENVELOPE "{\"jsonrpc\":\"2.0\",\"id\":"

/* Up to and with the name of the member that comes after the id. */
static inline void put_envelope(struct span id, struct span member, struct buf *out)
{
	if (id.ptr == NULL)
		id = SPAN("null");
	char *at = buf_reserve(out, sizeof ENVELOPE - 1 + id.len + member.len);
	if (at == NULL)
		return;
	memcpy(at, ENVELOPE, sizeof ENVELOPE - 1);
	at += sizeof ENVELOPE - 1;
	memcpy(at, id.ptr, id.len);
	memcpy(at + id.len, member.ptr, member.len);
	out->len += sizeof ENVELOPE - 1 + id.len + member.len;
}

static void put_error(struct span id, int code, struct span message, struct buf *out)
{
	put_envelope(id, SPAN(",\"error\":"), out);
	buf_printf(out, "{\"code\":%d,\"message\":", code);
	buf_json_string(out, message);
	buf_text(out, "}}");
}

static void put_call(const struct call *call, struct buf *out)
{
	if (call->is_error && call->error_json == NULL) {
		put_error(call->in.id, call->code, call->text, out);
		return;
	}
	if (call->is_error)
		put_envelope(call->in.id, SPAN(",\"error\":"), out);
	else
		put_envelope(call->in.id, SPAN(",\"result\":"), out);
	call->render(call, out);
	buf_char(out, '}');
}

static void put_too_large(const struct call *call, struct buf *out)
{
	put_error(call->in.id, RPC_TOO_LARGE, SPAN("response too large"), out);
}

/* An answer that the reply has no room for is an error of its own. */
static void put_call_if_it_fits(const struct call *call, struct buf *out)
{
	size_t start = out->len;

	put_call(call, out);
	if (buf_err(out) != ERR_LIMIT)
		return;
	out->err = OK;
	out->len = start;
	put_too_large(call, out);
}

/* As go-ethereum has it, a request without a name is none. */
static bool is_request(const struct json_request *in)
{
	return in->is_object && !in->duplicate && in->version_ok && in->method_is_string &&
	       in->method.len > 0 && in->id_ok;
}

static bool is_notification(const struct call *call)
{
	return is_request(&call->in) && call->in.id.ptr == NULL;
}

/* The id that an error may bear; else null. */
static struct span usable_id(const struct json_request *in)
{
	return in->is_object && in->id_ok && !in->duplicate ? in->id : (struct span){0};
}

/* A call's answer has been written: nothing looks at the call any more. */
static void call_done(struct call *call)
{
	if (call->is_error)
		bump(&call->request->pool->stats.errors, 1);
	call_release(call);
}

/* Each call is let go at once, while it is in the processor's cache. */
static void put_batch(struct request *request, struct buf *out)
{
	size_t start = out->len;
	bool any = false;

	for (uint32_t i = 0; i < request->n; i++) {
		struct call *call = &request->calls[i];
		if (!is_notification(call)) {
			buf_char(out, any ? ',' : '[');
			any = true;
			if (out->len - start > request->pool->limits.reply_bytes)
				put_too_large(call, out);
			else
				put_call_if_it_fits(call, out);
		}
		call_done(call);
	}
	if (any)
		buf_char(out, ']');
}

void request_reply(struct request *request)
{
	struct buf *out = http_reply_open(request->exchange);

	if (request->is_batch) {
		put_batch(request, out);
	} else {
		if (!is_notification(&request->calls[0]))
			put_call_if_it_fits(&request->calls[0], out);
		call_done(&request->calls[0]);
	}
	request->n = 0;
	http_reply_close(request->exchange, 200, NULL);
	request_give_back(request);
}

static void reply_error(struct http_exchange *exchange, struct span id, int code,
			const char *message)
{
	put_error(id, code, span_of(message), http_reply_open(exchange));
	http_reply_close(exchange, 200, NULL);
}

/* ---- running ---- */

void call_run(struct call *call)
{
	enum lookup state = MISS;

	while (state == MISS)
		state = call->step(call);
	if (state == PENDING)
		return;
	REQUIRE(call->render != NULL);
	call_give_up(call);
	call->request->left--;
}

void call_resume(struct call *call)
{
	struct request *request = call->request;

	call_run(call);
	if (request->left == 0 && !request->starting)
		request_settled(request);
	else
		call_pin(call);
}

static void on_abort(void *cookie)
{
	request_give_back(cookie);
}

static bool name_is_sane(struct span name)
{
	if (name.len == 0 || name.len > METHOD_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
		if (!ok)
			return false;
	}
	return true;
}

/* A name is the same in whatever way it is written. False: no memory. */
static bool decode_name(struct call *call)
{
	struct span *name = &call->in.method;
	char *decoded = arena_alloc(call_arena(call), name->len);

	if (decoded == NULL)
		return false;
	/* json_string_decode wants the quotes, which stand around it. */
	name->len = json_string_decode((struct span){name->ptr - 1, name->len + 2}, decoded);
	name->ptr = decoded;
	return true;
}

static bool sends(const struct call *call)
{
	return call_follows(call) && call_chain(call)->allow_send;
}

/* The parameters are read; runs again when the head is known that it asked for. */
static enum lookup step_begin(struct call *call)
{
	if (call_is_pending(call))
		return begin_pending(call);
	return call->method->begin(call);
}

/* The first time, and under another head. */
static enum lookup start(struct call *call)
{
	call->step = step_begin;
	return step_begin(call);
}

/* In a batch, most often the row of the item before. */
static const struct method *find_row(const struct call *call)
{
	const struct call *before = call_before(call);

	if (before != NULL && before->method != NULL &&
	    span_equal(before->in.method, call->in.method))
		return before->method;
	return method_find_row(call->in.method);
}

static enum lookup begin(struct call *call)
{
	struct request_stats *stats = &call->request->pool->stats;
	struct err_detail message;

	if (!is_request(&call->in)) {
		call->in.id = usable_id(&call->in);
		return call_error(call, RPC_INVALID_REQUEST,
				  call->in.duplicate ? "invalid request: a member stands twice"
						     : "invalid request");
	}
	if (call->in.method_escaped && !decode_name(call))
		return call_failed(call, ERR_NOMEM, "");
	call->method = find_row(call);
	if (call->method == NULL && !name_is_sane(call->in.method))
		return call_no_method(call, NULL);
	if (call->method == NULL)
		call->method = method_find(call->in.method);
	if (call->method == NULL)
		call->method = method_unknown();
	bump(&stats->by_method[method_index(call->method)], 1);
	if (call->method->class == METHOD_REFUSED)
		return call_no_method(call, call->method->summary);
	if (call->method->class == METHOD_SEND && !sends(call))
		return call_no_method(call, "it writes to the real chain, for which this "
					    "server needs --allow-send and no --fork-block");
	if (params_of_request(call->method, &call->in, &call->params, &message) != OK)
		return call_error(call, RPC_INVALID_PARAMS, "%s", message.text);
	return start(call);
}

static bool is_fresh(const struct call *call)
{
	return call->render == NULL && call->step == NULL;
}

/* All begin (keys are hashed, lines prefetched), then all run. */
void request_run(struct request *request)
{
	request->starting = true;
	request->left = 0;
	for (uint32_t i = 0; i < request->n; i++) {
		struct call *call = &request->calls[i];
		if (!is_fresh(call))
			continue;
		enum lookup state = call->method != NULL ? start(call) : begin(call);
		call->waits = state == PENDING;
		request->left += state == MISS || state == PENDING;
	}
	if (request->n > 1)
		for (uint32_t i = 0; i < request->n; i++)
			facts_prefetch(&request->calls[i]);
	for (uint32_t i = 0; i < request->n; i++)
		if (request->calls[i].render == NULL && !request->calls[i].waits)
			call_run(&request->calls[i]);
	request->starting = false;
}

/* gcc clears 64 bytes by stores, more by `rep stos`, which takes longer than all the stores. */
#define CLEAR(call, from, to) \
	memset(&(call)->from, 0, offsetof(struct call, to) - offsetof(struct call, from))

static struct call *call_add(struct request *request)
{
	if (request->n == request->capacity) {
		uint32_t capacity = request->capacity == 0 ? 1 : request->capacity * 4;
		struct call *calls = realloc(request->calls, capacity * sizeof *calls);
		if (calls == NULL)
			return NULL;
		request->calls = calls;
		request->capacity = capacity;
	}
	struct call *call = &request->calls[request->n++];
	CLEAR(call, step, key);
	CLEAR(call, key, op);
	CLEAR(call, op, block);
	call->block.at.number = 0;
	call->block.at.by_hash = call->block.final = false;
	call->request = request;
	call->method = NULL;
	return call;
}

enum scan { SCANNED, SCAN_SYNTAX, SCAN_NOMEM, SCAN_TOO_MANY, SCAN_EMPTY };

static void skip_space(struct span *text)
{
	while (text->len > 0 && (*text->ptr == ' ' || *text->ptr == '\t' ||
				 *text->ptr == '\n' || *text->ptr == '\r')) {
		text->ptr++;
		text->len--;
	}
}

static bool take_char(struct span *text, char c)
{
	skip_space(text);
	if (text->len == 0 || *text->ptr != c)
		return false;
	text->ptr++;
	text->len--;
	return true;
}

static enum scan scan_items(struct request *request, struct span *text)
{
	const struct request_limits *limits = &request->pool->limits;
	struct json_request extra;
	bool too_many = false;
	size_t at;

	if (take_char(text, ']'))
		return SCAN_EMPTY;
	do {
		too_many = request->n >= limits->batch_items;
		struct call *call = too_many ? NULL : call_add(request);
		if (call == NULL && !too_many)
			return SCAN_NOMEM;
		/* An array is one level of the depth already. */
		if (json_request_next(text, limits->depth - 1, too_many ? &extra : &call->in,
				      &at) != OK)
			return SCAN_SYNTAX;
	} while (take_char(text, ','));
	if (!take_char(text, ']'))
		return SCAN_SYNTAX;
	return too_many ? SCAN_TOO_MANY : SCANNED;
}

static enum scan scan_body(struct request *request, struct span text)
{
	enum scan scan = SCANNED;
	size_t at;

	request->is_batch = take_char(&text, '[');
	if (request->is_batch) {
		scan = scan_items(request, &text);
	} else {
		struct call *call = call_add(request);
		if (call == NULL)
			return SCAN_NOMEM;
		if (json_request_next(&text, request->pool->limits.depth, &call->in, &at) != OK)
			return SCAN_SYNTAX;
	}
	skip_space(&text);
	return text.len > 0 && scan != SCAN_NOMEM ? SCAN_SYNTAX : scan;
}

static void refuse(struct request *request, enum scan scan)
{
	struct http_exchange *exchange = request->exchange;
	struct span id = {0};

	for (uint32_t i = 0; i < request->n && id.ptr == NULL; i++)
		id = usable_id(&request->calls[i].in);

	switch (scan) {
	case SCANNED:
		break;
	case SCAN_SYNTAX:
		reply_error(exchange, (struct span){0}, RPC_PARSE_ERROR, "parse error");
		break;
	case SCAN_NOMEM:
		reply_error(exchange, (struct span){0}, RPC_INTERNAL, "out of memory");
		break;
	case SCAN_EMPTY:
		reply_error(exchange, (struct span){0}, RPC_INVALID_REQUEST, "empty batch");
		break;
	case SCAN_TOO_MANY: {
		struct buf *out = http_reply_open(exchange);
		buf_char(out, '[');
		put_error(id, RPC_INVALID_REQUEST, SPAN("batch too large"), out);
		buf_char(out, ']');
		http_reply_close(exchange, 200, NULL);
		break;
	}
	}
	request_give_back(request);
}

void request_start(void *cookie, struct http_exchange *exchange)
{
	struct request_pool *pool = cookie;
	struct request *request = request_take(pool);

	if (request == NULL) {
		reply_error(exchange, (struct span){0}, RPC_INTERNAL, "out of memory");
		return;
	}
	request->exchange = exchange;
	enum scan scan = scan_body(request, http_body(exchange));
	http_charge(exchange, request->n);
	if (scan != SCANNED) {
		refuse(request, scan);
		return;
	}
	bump(&pool->stats.requests, 1);
	bump(&pool->stats.batches, request->is_batch);
	bump(&pool->stats.calls, request->n);
	request_run(request);
	if (request->left == 0) {
		request_reply(request);
		return;
	}
	bump(&pool->stats.waited, request->left);
	for (uint32_t i = 0; i < request->n; i++)
		call_pin(&request->calls[i]);
	http_on_abort(exchange, on_abort, request);
}
