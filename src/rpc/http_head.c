/* SPDX-License-Identifier: MIT */
#include "rpc/http_head.h"
#include "base/check.h"
#include "rpc/http_field.h"

struct reader {
	struct http_head *head;
	const char *bytes;
};

static struct http_range range_of(const struct reader *reader, struct span text)
{
	return (struct http_range){(uint32_t)(text.ptr - reader->bytes), (uint32_t)text.len};
}

void http_head_init(struct http_head *head)
{
	memset(head, 0, sizeof *head);
}

/* --- the request line --- */

static uint8_t method_of(struct span name)
{
	static const struct {
		const char *name;
		uint8_t method;
	} methods[] = {
		{"POST", METHOD_POST},
		{"GET", METHOD_GET},
		{"HEAD", METHOD_HEAD},
		{"OPTIONS", METHOD_OPTIONS},
	};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (span_is(name, methods[i].name))
			return methods[i].method;
	}
	return METHOD_OTHER;
}

/* Cuts the text before the next space off *rest; false if there is no space. */
static bool take_word(struct span *rest, struct span *word)
{
	const char *space = memchr(rest->ptr, ' ', rest->len);

	if (!space)
		return false;
	*word = (struct span){rest->ptr, (size_t)(space - rest->ptr)};
	rest->ptr += word->len + 1;
	rest->len -= word->len + 1;
	return true;
}

static bool is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!http_is_token_char(text.ptr[i]))
			return false;
	}
	return text.len != 0;
}

/* Printable ASCII; a fragment never belongs into a request (RFC 9112, 3.2). */
static bool is_target_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char u = (unsigned char)text.ptr[i];

		if (u <= 0x20 || u >= 0x7f || u == '#')
			return false;
	}
	return text.len != 0;
}

static size_t length_until(struct span text, const char *stops)
{
	size_t n = 0;

	while (n < text.len && !strchr(stops, text.ptr[n]))
		n++;
	return n;
}

static bool read_target(struct reader *reader, struct span target)
{
	const struct span scheme = SPAN("http://");
	struct http_head *head = reader->head;
	struct span path = target;

	if (!is_target_text(target))
		return false;
	head->target = range_of(reader, target);
	if (target.ptr[0] == '*' && target.len == 1)
		return head->method == METHOD_OPTIONS;
	if (target.len > scheme.len &&
	    http_text_equal((struct span){target.ptr, scheme.len}, scheme)) {
		path.ptr += scheme.len;
		path.len -= scheme.len;
		const size_t n = length_until(path, "/?");

		if (n == 0)
			return false;
		head->authority = range_of(reader, (struct span){path.ptr, n});
		path.ptr += n;
		path.len -= n;
	} else if (target.ptr[0] != '/') {
		return false;
	}
	path.len = length_until(path, "?");
	head->path = range_of(reader, path);
	return true;
}

static enum http_problem read_request_line(struct reader *reader, struct span line)
{
	struct http_head *head = reader->head;
	struct span rest = line, method, target;

	if (!take_word(&rest, &method) || !is_token(method))
		return HTTP_BAD_METHOD;
	head->method = method_of(method);
	head->method_text = range_of(reader, method);
	if (!take_word(&rest, &target) || !read_target(reader, target))
		return HTTP_BAD_TARGET;
	if (span_is(rest, "HTTP/1.1"))
		head->minor = 1;
	else if (!span_is(rest, "HTTP/1.0"))
		return HTTP_BAD_VERSION;
	return HTTP_FINE;
}

/* --- header lines --- */

static enum http_problem on_length(struct reader *reader, struct span value)
{
	uint64_t length = 0;

	/* 18 digits cannot overflow, and no body is that long. */
	if (value.len == 0 || value.len > 18)
		return HTTP_BAD_LENGTH;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return HTTP_BAD_LENGTH;
		length = length * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	reader->head->has_length = true;
	reader->head->length_text = range_of(reader, value);
	reader->head->content_length = length;
	return HTTP_FINE;
}

static enum http_problem on_transfer_coding(struct reader *reader, struct span value)
{
	if (!http_text_is(value, "chunked"))
		return HTTP_UNKNOWN_CODING;
	reader->head->chunked = true;
	return HTTP_FINE;
}

static enum http_problem on_host(struct reader *reader, struct span value)
{
	reader->head->host = range_of(reader, value);
	return HTTP_FINE;
}

static enum http_problem on_content_type(struct reader *reader, struct span value)
{
	reader->head->content_type = range_of(reader, value);
	return HTTP_FINE;
}

static enum http_problem on_authorization(struct reader *reader, struct span value)
{
	reader->head->authorization = range_of(reader, value);
	return HTTP_FINE;
}

static enum http_problem on_origin(struct reader *reader, struct span value)
{
	reader->head->origin = range_of(reader, value);
	return HTTP_FINE;
}

static enum http_problem on_expect(struct reader *reader, struct span value)
{
	reader->head->expect_continue |= http_text_is(value, "100-continue");
	return HTTP_FINE;
}

static enum http_problem on_connection(struct reader *reader, struct span value)
{
	struct span option;

	while (http_list_next(&value, &option)) {
		reader->head->close |= http_text_is(option, "close");
		reader->head->keep_alive |= http_text_is(option, "keep-alive");
	}
	return HTTP_FINE;
}

/* "q=0", "q=0.0", ...: the client refuses the coding. */
static bool is_refused(struct span parameter)
{
	if (parameter.len < 3 || !http_text_equal((struct span){parameter.ptr, 2}, SPAN("q=")))
		return false;
	for (size_t i = 2; i < parameter.len; i++) {
		if (parameter.ptr[i] != '0' && parameter.ptr[i] != '.')
			return false;
	}
	return true;
}

static enum http_problem on_accept_coding(struct reader *reader, struct span value)
{
	struct span item;

	while (http_list_next(&value, &item)) {
		const size_t n = length_until(item, ";");
		const size_t skip = n < item.len ? n + 1 : n;
		const struct span name = http_trim((struct span){item.ptr, n});
		const struct span weight =
			http_trim((struct span){item.ptr + skip, item.len - skip});

		if (http_text_is(name, "gzip") && !is_refused(weight))
			reader->head->accept_gzip = true;
	}
	return HTTP_FINE;
}

static enum http_problem on_content_coding(struct reader *reader, struct span value)
{
	(void)value; /* even "identity" is nothing that a client of ours sends */
	reader->head->has_coding = true;
	return HTTP_FINE;
}

typedef enum http_problem field_fn(struct reader *reader, struct span value);
struct known_field {
	const char *name;
	field_fn *fn;
	uint16_t once; /* its bit of http_head.seen; 0: it may be repeated */
};
enum {
	SEEN_HOST = 1 << 0,
	SEEN_ORIGIN = 1 << 1,
	SEEN_CONTENT_TYPE = 1 << 2,
	SEEN_AUTHORIZATION = 1 << 3,
	SEEN_LENGTH = 1 << 4,
	SEEN_TRANSFER_CODING = 1 << 5,
};

/* The length leaves two candidates at most. */
enum { LONGEST_NAME = 17, SAME_LENGTH = 2 };
static const struct known_field known_fields[LONGEST_NAME + 1][SAME_LENGTH] = {
	[4] = {{"host", on_host, SEEN_HOST}},
	[6] = {{"origin", on_origin, SEEN_ORIGIN}, {"expect", on_expect, 0}},
	[10] = {{"connection", on_connection, 0}},
	[12] = {{"content-type", on_content_type, SEEN_CONTENT_TYPE}},
	[13] = {{"authorization", on_authorization, SEEN_AUTHORIZATION}},
	[14] = {{"content-length", on_length, SEEN_LENGTH}},
	[15] = {{"accept-encoding", on_accept_coding, 0}},
	[16] = {{"content-encoding", on_content_coding, 0}},
	[17] = {{"transfer-encoding", on_transfer_coding, SEEN_TRANSFER_CODING}},
};

static const struct known_field *find_field(struct span name)
{
	if (name.len > LONGEST_NAME)
		return NULL;
	for (size_t i = 0; i < SAME_LENGTH; i++) {
		const struct known_field *known = &known_fields[name.len][i];

		if (known->name && http_text_is(name, known->name))
			return known;
	}
	return NULL;
}

static enum http_problem read_field(struct reader *reader, struct span line)
{
	struct span name, value;
	const enum http_problem problem = http_field_parse(line, &name, &value);

	if (problem != HTTP_FINE)
		return problem;

	const struct known_field *known = find_field(name);
	if (!known)
		return HTTP_FINE;
	if (reader->head->seen & known->once)
		return HTTP_REPEATED_HEADER;
	reader->head->seen |= known->once;
	return known->fn(reader, value);
}

/* What can only be judged when all headers are known. */
static enum http_problem read_end(const struct reader *reader)
{
	const struct http_head *head = reader->head;

	if (head->chunked && head->has_length)
		return HTTP_LENGTH_AND_CODING;
	if (head->chunked && head->minor == 0)
		return HTTP_CODING_IN_1_0;
	if (head->minor == 1 && !(head->seen & SEEN_HOST))
		return HTTP_NO_HOST;
	if (head->authority.len != 0 && (head->seen & SEEN_HOST) &&
	    !http_text_equal(http_range_span(head->authority, reader->bytes),
			     http_range_span(head->host, reader->bytes)))
		return HTTP_HOST_DIFFERS;
	return HTTP_FINE;
}

static enum http_progress refuse(struct http_head *head, enum http_problem problem)
{
	head->problem = (uint8_t)problem;
	return HTTP_BAD;
}

/* One line, without its CR LF, that ends before `next`. */
static enum http_progress read_line(struct reader *reader, struct span line, uint32_t next)
{
	struct http_head *head = reader->head;
	enum http_problem problem;

	if (line.len == 0 && !head->request_line) {
		if (head->skipped_line)
			return refuse(head, HTTP_EMPTY_LINES);
		head->skipped_line = true;
		return HTTP_MORE;
	}
	if (line.len == 0) {
		problem = read_end(reader);
		head->length = next;
		return problem == HTTP_FINE ? HTTP_DONE : refuse(head, problem);
	}
	if (head->request_line) {
		problem = read_field(reader, line);
	} else {
		problem = read_request_line(reader, line);
		head->request_line = true;
	}
	return problem == HTTP_FINE ? HTTP_MORE : refuse(head, problem);
}

enum http_progress http_head_parse(struct http_head *head, const char *bytes, size_t len)
{
	struct reader reader = {head, bytes};

	REQUIRE(len <= UINT32_MAX && len >= head->scanned);
	/* A peer that speaks something else (TLS, say) may never send a line's end. */
	if (head->scanned == 0 && len != 0 && bytes[0] != '\r' && bytes[0] != '\n' &&
	    !http_is_token_char(bytes[0]))
		return refuse(head, HTTP_BAD_METHOD);
	for (;;) {
		const char *end = len == head->scanned ? NULL
						       : memchr(bytes + head->scanned, '\n',
								len - head->scanned);

		if (!end) {
			head->scanned = (uint32_t)len;
			return HTTP_MORE;
		}
		const uint32_t at = (uint32_t)(end - bytes);
		if (at == head->line || bytes[at - 1] != '\r')
			return refuse(head, HTTP_BARE_LF);

		const struct span line = {bytes + head->line, at - 1 - head->line};
		head->scanned = head->line = at + 1;
		const enum http_progress progress = read_line(&reader, line, at + 1);
		if (progress != HTTP_MORE)
			return progress;
	}
}

bool http_head_keep_alive(const struct http_head *head)
{
	if (head->close)
		return false;
	return head->minor == 1 || head->keep_alive;
}
