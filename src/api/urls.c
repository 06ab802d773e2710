/* SPDX-License-Identifier: MIT */
#include "api/urls.h"
#include "base/eth.h"
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX_BYTES 65536
#define LAYERS_MAX     16
/* Of forkcache serve. */
#define FORKCACHE_PORT ":8545"

/* One URL of the list. */
struct parse {
	struct fc_layer *layer;
	struct span rest; /* behind the scheme, before the options */
	size_t number, of;
	bool bottom;
	struct err_detail *detail;
	char *at;	      /* free bytes of the list's text */
	const char **pointer; /* and of its pointers */
};

static enum err refuse(const struct parse *p, const char *why)
{
	return err_set(p->detail, ERR_CONFIG, "URL %zu of %zu: %s", p->number, p->of, why);
}

/* ---- values ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Percent-decoded, with its end, in the list's text. NULL: a bad escape, or one of NUL. */
static const char *decode(struct parse *p, struct span text)
{
	char *start = p->at;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '%') {
			if (i + 2 >= text.len || digit(text.ptr[i + 1]) < 0 ||
			    digit(text.ptr[i + 2]) < 0)
				return NULL;
			c = (char)(digit(text.ptr[i + 1]) * 16 + digit(text.ptr[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return NULL;
		*p->at++ = c;
	}
	*p->at++ = '\0';
	return start;
}

static bool read_bytes(struct span text, uint64_t *out)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}};
	unsigned shift = 0;

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		const size_t n = strlen(units[i].name);
		if (text.len > n && memcmp(text.ptr + text.len - n, units[i].name, n) == 0) {
			shift = units[i].shift;
			text.len -= n;
			break;
		}
	}
	if (eth_decimal_u64(text, out) != OK || *out == 0 || *out > UINT64_MAX >> shift)
		return false;
	*out <<= shift;
	return true;
}

static bool read_u32(struct span text, uint32_t *out)
{
	uint64_t n;

	if (eth_decimal_u64(text, &n) != OK || n == 0 || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* ---- options: one row is the whole truth about one ---- */

enum option_type { BYTES, NUMBER, NUMBER32, TEXT, LIST, FLAG };
enum {
	OF_MEMORY = 1,
	OF_CACHE = 2,
	OF_FILE = 4,
	OF_DISK = 8,
	OF_OVERLAY = 16,
	OF_FORK = 32,
	OF_NETWORK = 64
};

static const struct option {
	const char *name;
	enum option_type type;
	unsigned of;	      /* kinds of layers */
	size_t member, count; /* offsets in struct fc_layer */
} options[] = {
#define MEMBER(m) offsetof(struct fc_layer, m)
	{"bytes", BYTES, OF_CACHE | OF_FILE | OF_DISK, MEMBER(capacity_bytes), 0},
	{"accounts", BYTES, OF_CACHE, MEMBER(accounts_bytes), 0},
	{"slots", BYTES, OF_CACHE, MEMBER(slots_bytes), 0},
	{"code", BYTES, OF_CACHE, MEMBER(code_bytes), 0},
	{"keep-empty", FLAG, OF_MEMORY | OF_FILE | OF_OVERLAY, MEMBER(keep_empty_accounts), 0},
	{"block", TEXT, OF_FORK | OF_NETWORK, MEMBER(block), 0},
	{"chain", NUMBER, OF_FORK | OF_NETWORK, MEMBER(chain_id), 0},
	{"header", LIST, OF_FORK | OF_NETWORK, MEMBER(headers), MEMBER(headers_n)},
	{"url", LIST, OF_FORK, MEMBER(urls), MEMBER(urls_n)},
	{"verify", FLAG, OF_FORK | OF_NETWORK, MEMBER(verify), 0},
	{"offline", FLAG, OF_FORK | OF_NETWORK, MEMBER(offline), 0},
	{"trust-dev", FLAG, OF_FORK | OF_NETWORK, MEMBER(trust_dev_node), 0},
	{"timeout-ms", NUMBER32, OF_FORK | OF_NETWORK, MEMBER(timeout_ms), 0},
	{"batch", NUMBER32, OF_FORK | OF_NETWORK, MEMBER(batch_items), 0},
	{"ca", TEXT, OF_FORK | OF_NETWORK, MEMBER(ca_file), 0},
#undef MEMBER
};
#define OPTIONS_N (sizeof options / sizeof options[0])

static const char *const wants[] = {
	[BYTES] = "a size such as 64MiB, above 0",
	[NUMBER] = "a decimal number",
	[NUMBER32] = "a decimal number from 1 to 4294967295",
	[TEXT] = "a text, percent-encoded",
	[LIST] = "a text, percent-encoded",
	[FLAG] = "nothing: it is on when it stands there",
};

static unsigned kind_bit(enum fc_kind kind)
{
	switch (kind) {
	case FC_MEMORY:
		return OF_MEMORY;
	case FC_FILE:
		return OF_FILE;
	case FC_CACHED:
		return OF_CACHE;
	case FC_DISK_CACHE:
		return OF_DISK;
	case FC_OVERLAY:
		return OF_OVERLAY;
	case FC_FORK:
		return OF_FORK;
	case FC_NETWORK:
		return OF_NETWORK;
	}
	return 0;
}

static enum err unknown_option(const struct parse *p, size_t number)
{
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < OPTIONS_N; i++)
		if (options[i].of & kind_bit(p->layer->kind)) {
			int n = snprintf(known + used, sizeof known - used, "%s%s",
					 used > 0 ? ", " : "", options[i].name);
			used += n > 0 ? (size_t)n : 0;
		}
	return err_set(p->detail, ERR_CONFIG,
		       "URL %zu of %zu: its option %zu is not known here: want %s", p->number,
		       p->of, number, known);
}

/* Lists grow at their end: an option's texts need not stand side by side. */
static void add_to_list(struct parse *p, const char *const **list, size_t *n, const char *text)
{
	const char **moved = p->pointer;

	if (*n > 0)
		memcpy(moved, *list, *n * sizeof *moved);
	moved[*n] = text;
	p->pointer += ++*n;
	*list = moved;
}

static bool set_value(struct parse *p, const struct option *option, struct span value)
{
	char *member = (char *)p->layer + option->member;
	const char *text = NULL;

	if (option->type == TEXT || option->type == LIST) {
		text = decode(p, value);
		if (text == NULL || *text == '\0')
			return false;
	}
	switch (option->type) {
	case BYTES:
		return read_bytes(value, (uint64_t *)(void *)member);
	case NUMBER:
		return eth_decimal_u64(value, (uint64_t *)(void *)member) == OK;
	case NUMBER32:
		return read_u32(value, (uint32_t *)(void *)member);
	case TEXT:
		*(const char **)(void *)member = text;
		return true;
	case LIST:
		add_to_list(p, (const char *const **)(void *)member,
			    (size_t *)(void *)((char *)p->layer + option->count), text);
		return true;
	case FLAG:
		*(bool *)member = true;
		return value.ptr == NULL;
	}
	return false;
}

static struct span take_until(struct span *text, char end)
{
	const char *found = text->len > 0 ? memchr(text->ptr, end, text->len) : NULL;
	const size_t n = found != NULL ? (size_t)(found - text->ptr) : text->len;
	const struct span head = {text->ptr, n};

	text->ptr += found != NULL ? n + 1 : n;
	text->len -= found != NULL ? n + 1 : n;
	return head;
}

static enum err read_option(struct parse *p, struct span text, size_t number, uint32_t *seen)
{
	const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
	struct span name = text, value = {0};

	if (equals != NULL) {
		name.len = (size_t)(equals - text.ptr);
		value = (struct span){equals + 1, text.len - name.len - 1};
	}
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (!span_is(name, options[i].name) ||
		    (options[i].of & kind_bit(p->layer->kind)) == 0)
			continue;
		if (options[i].type != LIST && (*seen & UINT32_C(1) << i))
			return err_set(p->detail, ERR_CONFIG, "URL %zu of %zu: %s stands twice",
				       p->number, p->of, options[i].name);
		*seen |= UINT32_C(1) << i;
		if (set_value(p, &options[i], value))
			return OK;
		return err_set(p->detail, ERR_CONFIG, "URL %zu of %zu: %s: want %s", p->number,
			       p->of, options[i].name, wants[options[i].type]);
	}
	return unknown_option(p, number);
}

static enum err read_options(struct parse *p, struct span text)
{
	uint32_t seen = 0;
	enum err err = OK;

	for (size_t n = 1; err == OK && text.len > 0; n++)
		err = read_option(p, take_until(&text, '&'), n, &seen);
	return err;
}

/* ---- schemes ---- */

static enum err read_nothing(struct parse *p)
{
	return p->rest.len == 0 ? OK
				: refuse(p, "nothing may follow memory:// and overlay:// but "
					    "options behind a #");
}

static enum err read_memory(struct parse *p)
{
	p->layer->kind = p->bottom ? FC_MEMORY : FC_CACHED;
	return read_nothing(p);
}

static enum err read_overlay(struct parse *p)
{
	p->layer->kind = FC_OVERLAY;
	return read_nothing(p);
}

static enum err read_lmdb(struct parse *p)
{
	p->layer->kind = p->bottom ? FC_FILE : FC_DISK_CACHE;
	if (p->rest.len == 0)
		return refuse(p, "lmdb:// needs a folder: lmdb:///var/cache/mine");
	p->layer->path = decode(p, p->rest);
	return p->layer->path != NULL
		       ? OK
		       : refuse(p, "% must be followed by two hexadecimal digits, not 00");
}

static void put(struct parse *p, struct span text)
{
	memcpy(p->at, text.ptr, text.len);
	p->at += text.len;
}

static enum err read_fork(struct parse *p, struct span scheme)
{
	const char *url = p->at;

	p->layer->kind = FC_FORK;
	if (p->rest.len == 0)
		return refuse(p, "the host is missing");
	put(p, scheme);
	put(p, p->rest);
	*p->at++ = '\0';
	add_to_list(p, &p->layer->urls, &p->layer->urls_n, url);
	return OK;
}

static enum err read_fork_http(struct parse *p)
{
	return read_fork(p, SPAN("http://"));
}

static enum err read_fork_https(struct parse *p)
{
	return read_fork(p, SPAN("https://"));
}

static bool has_port(struct span authority)
{
	const char *bracket = memrchr(authority.ptr, ']', authority.len);
	const char *colon = memrchr(authority.ptr, ':', authority.len);

	return colon != NULL && (bracket == NULL || colon > bracket);
}

static enum err read_network(struct parse *p, struct span scheme, const char *port)
{
	struct span tail = p->rest, authority, token;

	p->layer->kind = FC_NETWORK;
	authority = take_until(&tail, '/');
	tail.len = p->rest.len - authority.len;
	tail.ptr = authority.ptr + authority.len;
	const char *at = authority.len > 0 ? memrchr(authority.ptr, '@', authority.len) : NULL;
	if (at != NULL) {
		token = (struct span){authority.ptr, (size_t)(at - authority.ptr)};
		authority.len -= token.len + 1;
		authority.ptr = at + 1;
		p->layer->token = decode(p, token);
		if (p->layer->token == NULL || *p->layer->token == '\0')
			return refuse(p, "the token before @ is empty, or has a % without two "
					 "hexadecimal digits");
	}
	if (authority.len == 0)
		return refuse(p, "the host is missing");
	const char *url = p->at;
	put(p, scheme);
	put(p, authority);
	if (!has_port(authority))
		put(p, span_of(port));
	put(p, tail);
	*p->at++ = '\0';
	add_to_list(p, &p->layer->urls, &p->layer->urls_n, url);
	return OK;
}

static enum err read_forkcache(struct parse *p)
{
	return read_network(p, SPAN("http://"), FORKCACHE_PORT);
}

static enum err read_forkcaches(struct parse *p)
{
	return read_network(p, SPAN("https://"), "");
}

static const struct {
	const char *name;
	enum err (*read)(struct parse *p);
} schemes[] = {
	{"memory://", read_memory},	    {"lmdb://", read_lmdb},
	{"overlay://", read_overlay},	    {"fork+https://", read_fork_https},
	{"fork+http://", read_fork_http},   {"forkcache://", read_forkcache},
	{"forkcaches://", read_forkcaches},
};

static enum err read_url(struct parse *p, struct span url)
{
	struct span option_text = url;

	if (url.len == 0)
		return refuse(p, "it is empty");
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		const size_t n = strlen(schemes[i].name);
		if (url.len < n || memcmp(url.ptr, schemes[i].name, n) != 0)
			continue;
		p->rest = take_until(&option_text, '#');
		p->rest.ptr += n;
		p->rest.len -= n;
		enum err err = schemes[i].read(p);
		return err == OK ? read_options(p, option_text) : err;
	}
	return refuse(p, "its scheme is not known: want memory://, lmdb://, overlay://, "
			 "fork+https://, fork+http://, forkcache:// or forkcaches://");
}

/* ---- the list ---- */

static struct span trimmed(struct span text)
{
	while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t' || *text.ptr == '\n')) {
		text.ptr++;
		text.len--;
	}
	while (text.len > 0 && strchr(" \t\n", text.ptr[text.len - 1]) != NULL)
		text.len--;
	return text;
}

static size_t count_of(struct span text, const char *any)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += strchr(any, text.ptr[i]) != NULL;
	return n;
}

static enum err make_room(struct url_list *out, struct span text)
{
	/* Nothing becomes longer but by its end, a scheme and a port; a list is moved when it
	 * grows, of which the last has as many texts as there are signs between them. */
	const size_t texts = out->n + count_of(text, "&#,") + 1;

	out->text_bytes = text.len + texts * 32;
	out->layers = calloc(out->n, sizeof *out->layers);
	out->text = calloc(1, out->text_bytes);
	out->pointers = calloc(texts * (texts + 1) / 2 + 1, sizeof *out->pointers);
	return out->layers != NULL && out->text != NULL && out->pointers != NULL ? OK
										 : ERR_NOMEM;
}

enum err url_list_parse(const char *urls, struct url_list *out, struct err_detail *detail)
{
	struct span text = {urls, strnlen(urls, LIST_MAX_BYTES + 1)};
	struct parse p = {.detail = detail};

	*out = (struct url_list){0};
	if (text.len > LIST_MAX_BYTES)
		return err_set(detail, ERR_CONFIG, "the list of URLs is longer than 64 KiB");
	p.of = count_of(text, ",") + 1;
	if (p.of > LAYERS_MAX || count_of(text, "&#") > 256)
		return err_set(detail, ERR_CONFIG,
			       "the list has more than %d URLs, or more than 256 options",
			       LAYERS_MAX);
	out->n = p.of;
	enum err err = make_room(out, text);
	if (err != OK)
		return err_set(detail, err, "out of memory");
	p.at = out->text;
	p.pointer = out->pointers;
	while (err == OK && p.number < p.of) {
		p.layer = &out->layers[p.number++];
		p.bottom = p.number == p.of;
		p.layer->size = sizeof *p.layer;
		p.layer->below = p.bottom ? NULL : p.layer + 1;
		err = read_url(&p, trimmed(take_until(&text, ',')));
	}
	return err;
}

void url_list_release(struct url_list *list)
{
	if (list->text != NULL)
		explicit_bzero(list->text, list->text_bytes);
	free(list->text);
	free(list->layers);
	free(list->pointers);
	*list = (struct url_list){0};
}
