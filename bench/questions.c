/* SPDX-License-Identifier: MIT */
#include "questions.h"
#include "store_fixture.h"
#include <ctype.h>
#include <string.h>

#define ITEM_ROOM  256
#define ID_BASE	   10000000 /* all ids have eight digits */
#define KEY_STRIDE 7919	    /* a prime: a batch's keys lie far apart */

static char *put(char *out, const char *text)
{
	size_t n = strlen(text);
	memcpy(out, text, n);
	return out + n;
}

static char *put_hex(char *out, const void *bytes, size_t n)
{
	out = put(out, "0x");
	eth_hex(bytes, n, out);
	return out + 2 * n;
}

static char *put_id(char *out, uint64_t key)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)(ID_BASE + key));
	return put(out, text);
}

static uint64_t key_of(const struct questions *q, uint32_t unit, uint32_t item)
{
	uint64_t place = (uint64_t)unit * (q->batch ? q->batch : 1) + item;
	return place * KEY_STRIDE % q->keys;
}

static char *put_question(const struct questions *q, uint64_t key, char *out)
{
	uint64_t n = q->first + key;
	out = put(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	out = put_id(out, key);
	out = put(out, ",\"method\":\"eth_getStorageAt\",\"params\":[\"");
	if (q->contract) {
		struct eth_u256 slot = eth_u256_from_u64(n);
		out = put(out, q->contract);
		out = put(out, "\",\"");
		out = put_hex(out, slot.bytes, sizeof slot.bytes);
	} else {
		struct eth_address address = fixture_address(n / 256);
		struct eth_bytes32 slot = fixture_word(n);
		out = put_hex(out, address.bytes, sizeof address.bytes);
		out = put(out, "\",\"");
		out = put_hex(out, slot.bytes, sizeof slot.bytes);
	}
	return put(out, "\",\"latest\"]}");
}

static char *put_answer(const struct questions *q, uint64_t key, char *out)
{
	out = put(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	out = put_id(out, key);
	out = put(out, ",\"result\":\"");
	if (q->contract) {
		out = put(out, "0x");
		memset(out, '?', 64);
		out += 64;
	} else {
		struct eth_bytes32 value = fixture_word(~(q->first + key));
		out = put_hex(out, value.bytes, sizeof value.bytes);
	}
	return put(out, "\"}");
}

typedef char *put_fn(const struct questions *q, uint64_t key, char *out);

static size_t put_unit(const struct questions *q, uint32_t unit, char *out, put_fn *put_item)
{
	char *end = out;
	if (!q->batch)
		return (size_t)(put_item(q, key_of(q, unit, 0), out) - out);
	for (uint32_t i = 0; i < q->batch; i++) {
		*end++ = i ? ',' : '[';
		end = put_item(q, key_of(q, unit, i), end);
	}
	*end++ = ']';
	return (size_t)(end - out);
}

uint32_t questions_units(const struct questions *q)
{
	return q->keys / (q->batch ? q->batch : 1);
}

size_t questions_room(const struct questions *q)
{
	return (size_t)(q->batch ? q->batch : 1) * ITEM_ROOM + 2;
}

size_t questions_body(const struct questions *q, uint32_t unit, char *out)
{
	return put_unit(q, unit, out, put_question);
}

size_t questions_answer(const struct questions *q, uint32_t unit, char *out)
{
	return put_unit(q, unit, out, put_answer);
}

bool questions_right(const char *expected, const char *got, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (expected[i] != got[i] &&
		    (expected[i] != '?' || !isxdigit((unsigned char)got[i])))
			return false;
	return true;
}
