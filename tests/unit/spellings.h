/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Executions and filters in random spellings, and in the plain one that is expected of them.
 *
 * A meaning is a list of small numbers, which the writer reads from left to right; each says
 * what stands in one place of the request. Written plainly it is the expected text, else a
 * spelling of it. The seed is fixed: a failure prints the text, and the next run finds it
 * again.
 */
#include "unit.h"
#include "base/buf.h"

#define GENES 160

static uint64_t seed = 0x7370656c6c696e67;

/* splitmix64 */
static uint32_t below(uint32_t n)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

/* ---- a meaning, and who writes it ---- */

struct meaning {
	unsigned char gene[GENES];
};

struct writer {
	const unsigned char *at;
	bool plain;
};

static struct meaning random_meaning(void)
{
	struct meaning m;

	for (size_t i = 0; i < GENES; i++)
		m.gene[i] = (unsigned char)below(12);
	return m;
}

static unsigned next(struct writer *w, unsigned n)
{
	return *w->at++ % n;
}

/* One of n ways to write it; the first one is the plain way. */
static unsigned way(const struct writer *w, unsigned n)
{
	return w->plain ? 0 : below(n);
}

static void space(const struct writer *w, struct buf *out)
{
	static const char *const spaces[] = {"", " ", "\n\t"};

	buf_text(out, spaces[way(w, 3)]);
}

/* Digits, here and there in upper case or as an escape. */
static void digits(const struct writer *w, struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (way(w, 40) == 1)
			buf_printf(out, "\\u%04x", (unsigned)*text);
		else
			buf_char(out,
				 *text >= 'a' && way(w, 2) ? (char)(*text & ~0x20) : *text);
	}
}

/* value in at least so many digits. */
static void hex(const struct writer *w, struct buf *out, unsigned long long value, int width)
{
	char text[80];

	buf_text(out, way(w, 4) == 1 ? "\"0X" : "\"0x");
	snprintf(text, sizeof text, "%0*llx", width, value);
	digits(w, out, text);
	buf_char(out, '"');
}

static void quantity(struct writer *w, struct buf *out)
{
	static const unsigned long long values[] = {0, 1, 16, 0xab, 0xabcdef0123456789};

	hex(w, out, values[next(w, 5)], 1 + (int)way(w, 4) * 5);
}

static void flag(struct writer *w, struct buf *out)
{
	buf_text(out, next(w, 2) ? "true" : "1");
}

static void put_address(const struct writer *w, struct buf *out, unsigned value)
{
	char text[48];

	buf_text(out, way(w, 3) == 1 ? "\"" : "\"0x");
	snprintf(text, sizeof text, "%040x", value * 0xabc);
	digits(w, out, text);
	buf_char(out, '"');
}

static void address(struct writer *w, struct buf *out)
{
	put_address(w, out, next(w, 3));
}

static void hash(struct writer *w, struct buf *out)
{
	hex(w, out, next(w, 3) * 0xabcull, 64);
}

static void word(struct writer *w, struct buf *out)
{
	const int widths[] = {64, 1, 4, 63};

	hex(w, out, next(w, 3) * 0xabcull, widths[way(w, 4)]);
}

static void put_data(const struct writer *w, struct buf *out, unsigned n)
{
	buf_text(out, way(w, 4) == 1 ? "\"0X" : "\"0x");
	while (n-- > 0)
		digits(w, out, "ab");
	buf_char(out, '"');
}

static void data(struct writer *w, struct buf *out)
{
	put_data(w, out, next(w, 3));
}

/* ---- objects and lists ---- */

typedef void put_fn(struct writer *w, struct buf *out);

struct member {
	char name[80];
	struct buf value;
};
struct object {
	struct member all[32];
	size_t n;
};

static struct buf *add(struct object *o, const char *name)
{
	struct member *member = &o->all[o->n++];

	assert_true(o->n <= sizeof o->all / sizeof o->all[0]);
	snprintf(member->name, sizeof member->name, "\"%s\"", name);
	buf_init(&member->value, 1 << 20);
	return &member->value;
}

static void shuffle(struct object *o)
{
	for (size_t i = o->n; i > 1; i--) {
		size_t k = below((uint32_t)i);
		struct member other = o->all[k];
		o->all[k] = o->all[i - 1];
		o->all[i - 1] = other;
	}
}

/* In the order in which they were added: of the names. */
static void put_object(const struct writer *w, struct object *o, struct buf *out)
{
	if (!w->plain)
		shuffle(o);
	buf_char(out, '{');
	for (size_t i = 0; i < o->n; i++) {
		space(w, out);
		buf_printf(out, "%s%s", i > 0 ? "," : "", o->all[i].name);
		space(w, out);
		buf_char(out, ':');
		space(w, out);
		buf_span(out, buf_as_span(&o->all[i].value));
		buf_release(&o->all[i].value);
	}
	space(w, out);
	buf_char(out, '}');
	o->n = 0;
}

struct entry {
	const char *name;
	put_fn *put;
};

/* Each member is there or not; what is not may be null. */
static void put_parts(struct writer *w, struct object *o, const struct entry *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (next(w, 3) == 0) {
			parts[i].put(w, add(o, parts[i].name));
			continue;
		}
		/* Skips what it would have read. */
		struct buf unused;
		buf_init(&unused, 1 << 20);
		parts[i].put(w, &unused);
		buf_release(&unused);
		if (way(w, 6) == 1)
			buf_text(add(o, parts[i].name), "null");
	}
}
#define PARTS(w, o, table) put_parts(w, o, table, sizeof(table) / sizeof(table)[0])

/* Up to two elements. */
static void put_list(struct writer *w, struct buf *out, put_fn *put)
{
	unsigned n = next(w, 3);

	buf_char(out, '[');
	for (unsigned i = 0; i < n; i++) {
		buf_text(out, i > 0 ? "," : "");
		space(w, out);
		put(w, out);
	}
	buf_char(out, ']');
}

/* ---- transactions ---- */

static void words(struct writer *w, struct buf *out)
{
	put_list(w, out, word);
}

static void hashes(struct writer *w, struct buf *out)
{
	put_list(w, out, hash);
}

static void access_entry(struct writer *w, struct buf *out)
{
	static const struct entry parts[] = {{"address", address}, {"storageKeys", words}};
	struct object o = {.n = 0};

	PARTS(w, &o, parts);
	put_object(w, &o, out);
}

static void access_list(struct writer *w, struct buf *out)
{
	put_list(w, out, access_entry);
}

static void authorization(struct writer *w, struct buf *out)
{
	static const struct entry parts[] = {{"address", address}, {"chainId", quantity},
					     {"nonce", quantity},  {"r", quantity},
					     {"s", quantity},	   {"yParity", quantity}};
	struct object o = {.n = 0};

	PARTS(w, &o, parts);
	put_object(w, &o, out);
}

static void authorizations(struct writer *w, struct buf *out)
{
	put_list(w, out, authorization);
}

/* "data" or "input" or both; none at all is left out. */
static void put_input(struct writer *w, struct object *o)
{
	unsigned n = next(w, 4), how = way(w, 4);

	if (n == 0 && (how == 0 || w->plain))
		return;
	if (how != 1)
		put_data(w, add(o, "data"), n);
	else if (way(w, 2) == 1)
		buf_text(add(o, "data"), "null");
	if (how == 1 || how == 2)
		put_data(w, add(o, "input"), n);
	else if (how == 3)
		buf_text(add(o, "input"), "null");
}

static void put_from(struct writer *w, struct object *o, bool filled)
{
	unsigned who = next(w, 4);

	if (filled && who == 3)
		who = 0;
	if (filled ? who == 0 && way(w, 2) == 1 : who == 3)
		return;
	put_address(w, add(o, "from"), who);
}

/* Zero is the same as nothing. */
static void put_value(struct writer *w, struct object *o)
{
	unsigned value = next(w, 3);

	if (value > 0 || way(w, 2) == 1)
		hex(w, add(o, "value"), value, 1 + (int)way(w, 3));
}

static void put_tx(struct writer *w, struct buf *out, bool filled)
{
	static const struct entry first[] = {{"accessList", access_list},
					     {"authorizationList", authorizations},
					     {"blobVersionedHashes", hashes},
					     {"chainId", quantity}};
	static const struct entry middle[] = {{"gas", quantity},
					      {"gasPrice", quantity},
					      {"maxFeePerBlobGas", quantity},
					      {"maxFeePerGas", quantity},
					      {"maxPriorityFeePerGas", quantity},
					      {"nonce", quantity},
					      {"other", flag},
					      {"to", address},
					      {"type", quantity}};
	struct object o = {.n = 0};

	PARTS(w, &o, first);
	put_input(w, &o);
	put_from(w, &o, filled);
	PARTS(w, &o, middle);
	put_value(w, &o);
	put_object(w, &o, out);
}

static void tx(struct writer *w, struct buf *out)
{
	put_tx(w, out, false);
}

static void call(struct writer *w, struct buf *out)
{
	put_tx(w, out, true);
}

/* ---- overrides ---- */

/* Two names at most, of which the second is behind the first. */
static void put_map(struct writer *w, struct buf *out, put_fn *name, put_fn *value)
{
	unsigned n = next(w, 3);
	struct object o = {.n = 0};
	unsigned char one[] = {1}, two[] = {2};

	for (unsigned i = 0; i < n; i++) {
		struct writer number = {i == 0 ? one : two, w->plain};
		struct buf text;
		buf_init(&text, sizeof o.all[0].name);
		do {
			buf_clear(&text);
			number.at = i == 0 ? one : two;
			name(&number, &text);
		} while (memchr(text.ptr, '\\', text.len) != NULL);
		struct buf *to = add(&o, "");
		snprintf(o.all[i].name, sizeof o.all[i].name, "%.*s", (int)text.len, text.ptr);
		buf_release(&text);
		value(w, to);
	}
	put_object(w, &o, out);
}

static void slots(struct writer *w, struct buf *out)
{
	put_map(w, out, word, word);
}

static void account(struct writer *w, struct buf *out)
{
	static const struct entry parts[] = {{"balance", quantity},
					     {"code", data},
					     {"nonce", quantity},
					     {"state", slots},
					     {"stateDiff", slots}};
	struct object o = {.n = 0};

	PARTS(w, &o, parts);
	put_object(w, &o, out);
}

static void state(struct writer *w, struct buf *out)
{
	put_map(w, out, address, account);
}

static void overrides(struct writer *w, struct buf *out)
{
	static const struct entry parts[] = {
		{"baseFeePerGas", quantity}, {"blobBaseFee", quantity}, {"coinbase", address},
		{"gasLimit", quantity},	     {"number", quantity},	{"random", hash},
		{"time", quantity}};
	struct object o = {.n = 0};

	PARTS(w, &o, parts);
	put_object(w, &o, out);
}

/* ---- filters ---- */

/* Some of three, in any order and as often as one likes. */
static void put_some(struct writer *w, struct buf *out, unsigned some, put_fn *put)
{
	unsigned char one[1];
	unsigned order = way(w, 3);
	bool any = false;

	buf_char(out, '[');
	for (unsigned i = 0; i < (w->plain ? 3 : 6); i++) {
		unsigned k = (i + order) % 3;
		if ((some & 1u << k) == 0 || (i >= 3 && below(2)))
			continue;
		one[0] = (unsigned char)k;
		struct writer number = {one, w->plain};
		buf_text(out, any ? "," : "");
		any = true;
		put(&number, out);
	}
	buf_char(out, ']');
}

static void put_position(struct writer *w, struct buf *out)
{
	unsigned some = next(w, 8);
	unsigned char first[] = {0};
	struct writer number = {first, w->plain};

	if (some == 0)
		buf_text(out, way(w, 2) ? "[]" : "null");
	else if (some == 1 && way(w, 2))
		hash(&number, out);
	else
		put_some(w, out, some, hash);
}

static void put_topics(struct writer *w, struct object *o)
{
	unsigned n = next(w, 4);

	if (n == 0 && way(w, 2) == 0)
		return;
	struct buf *out = add(o, "topics");
	buf_char(out, '[');
	for (unsigned i = 0; i < n; i++) {
		buf_text(out, i > 0 ? "," : "");
		put_position(w, out);
	}
	buf_char(out, ']');
}

static void filter(struct writer *w, struct buf *out)
{
	struct object o = {.n = 0};
	unsigned some = next(w, 8);

	if (some > 0 || way(w, 2) == 1)
		put_some(w, add(&o, "address"), some, address);
	put_topics(w, &o);
	put_object(w, &o, out);
}
