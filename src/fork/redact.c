/* SPDX-License-Identifier: MIT */
#include "fork/redact.h"
#include "base/utf8.h"
#include <stdlib.h>

enum { FIRST_PARTS = 8 };

static enum err add(struct redact *redact, struct span part, size_t least)
{
	if (part.len < least)
		return OK;
	if (redact->n == redact->capacity) {
		size_t capacity = redact->capacity ? 2 * redact->capacity : FIRST_PARTS;
		struct secret **grown = realloc(redact->parts, capacity * sizeof *grown);
		if (!grown)
			return ERR_NOMEM;
		redact->parts = grown;
		redact->capacity = capacity;
	}
	struct secret *copy = secret_new(part);
	if (!copy)
		return ERR_NOMEM;
	redact->parts[redact->n++] = copy;
	return OK;
}

/* The part of *text before the first of the separators, which is taken off with it. */
static struct span take(struct span *text, const char *separators)
{
	size_t n = 0;
	while (n < text->len && !strchr(separators, text->ptr[n]))
		n++;
	struct span part = {text->ptr, n};
	n += n < text->len;
	*text = (struct span){text->ptr + n, text->len - n};
	return part;
}

static enum err add_each(struct redact *redact, struct span text, const char *separators,
			 size_t least)
{
	enum err err = OK;
	while (err == OK && text.len > 0)
		err = add(redact, take(&text, separators), least);
	return err;
}

static enum err add_query(struct redact *redact, struct span query)
{
	enum err err = OK;
	while (err == OK && query.len > 0) {
		struct span pair = take(&query, "&");
		struct span name = take(&pair, "=");
		/* Without "=" all of it is the value. */
		err = add(redact, pair.len > 0 ? pair : name, REDACT_PART_BYTES);
	}
	return err;
}

static enum err add_url(struct redact *redact, const struct secret *url)
{
	const char *start = strstr(secret_reveal(url), "//");
	if (!start)
		return OK; /* client_target_new refuses it */
	struct span rest = span_of(start + 2), path, user;
	const char *query = strchr(rest.ptr, '?');
	path = query ? (struct span){rest.ptr, (size_t)(query - rest.ptr)} : rest;
	struct span authority = take(&path, "/");
	const char *at = memchr(authority.ptr, '@', authority.len);
	enum err err = OK;
	if (at) {
		user = (struct span){authority.ptr, (size_t)(at - authority.ptr)};
		err = add_each(redact, user, ":", REDACT_SHORT_BYTES);
	}
	if (err == OK)
		err = add_each(redact, path, "/", REDACT_PART_BYTES);
	return err == OK && query ? add_query(redact, span_of(query + 1)) : err;
}

static enum err add_header(struct redact *redact, const struct secret *header)
{
	const char *value = strchr(secret_reveal(header), ':');
	if (!value)
		return OK; /* client_target_new refuses it */
	value += 1 + strspn(value + 1, " \t");
	enum err err = add(redact, span_of(value), REDACT_SHORT_BYTES);
	return err == OK ? add_each(redact, span_of(value), " \t", REDACT_PART_BYTES) : err;
}

enum err redact_init(struct redact *redact, const struct secret *url,
		     struct secret *const *headers, size_t headers_n)
{
	*redact = (struct redact){0};
	enum err err = add_url(redact, url);
	for (size_t i = 0; err == OK && i < headers_n; i++)
		err = add_header(redact, headers[i]);
	return err;
}

void redact_release(struct redact *redact)
{
	for (size_t i = 0; i < redact->n; i++)
		secret_free(&redact->parts[i]);
	free(redact->parts);
	*redact = (struct redact){0};
}

/* Where in a JSON text we are: what may be written there follows from it. */
struct cursor {
	unsigned char *at;
	bool in_string;
	bool escaped;	 /* behind a backslash */
	unsigned digits; /* of \uXXXX, still to come */
};

/* Moves past a byte; returns one that may stand in its place. */
static unsigned char pass(struct cursor *cursor)
{
	const unsigned char byte = *cursor->at++;
	if (cursor->digits > 0)
		return (unsigned char)"a200"[--cursor->digits]; /* all four: an asterisk */
	if (cursor->escaped) {
		cursor->escaped = false;
		cursor->digits = byte == 'u' ? 4 : 0;
		return byte;
	}
	if (byte == '"')
		cursor->in_string = !cursor->in_string;
	if (!cursor->in_string || byte == '"')
		return byte >= '0' && byte <= '9' ? '1' : byte;
	cursor->escaped = byte == '\\';
	return cursor->escaped || byte >= 0x80 ? byte : '*';
}

static void blank(struct cursor *cursor, const unsigned char *end)
{
	while (cursor->at < end) {
		const struct span rest = {(const char *)cursor->at, (size_t)(end - cursor->at)};
		/* Half of a character cannot be overwritten, but a whole one can. */
		size_t n = *cursor->at >= 0x80 ? utf8_length(rest) : 0;
		unsigned char *at = cursor->at;
		if (n == 0)
			*at = pass(cursor);
		for (; n > 0; n--)
			*cursor->at++ = '*';
	}
}

void redact_text(const struct redact *redact, unsigned char *text, size_t length)
{
	const unsigned char *end = text + length;
	for (size_t i = 0; i < redact->n; i++) {
		const char *part = secret_reveal(redact->parts[i]);
		const size_t n = secret_length(redact->parts[i]);
		struct cursor cursor = {.at = text};
		const unsigned char *found;
		while ((found = memmem(cursor.at, (size_t)(end - cursor.at), part, n))) {
			while (cursor.at < found)
				pass(&cursor);
			blank(&cursor, found + n);
		}
	}
}
