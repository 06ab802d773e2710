/* SPDX-License-Identifier: MIT */
#include "base/rlp.h"

enum {
	STRING = 0x80, /* base of the headers of strings */
	LIST = 0xc0,
	SHORT_MAX = 55, /* longest payload whose length stands in the header byte */
	HEADER_MAX = 9,
};

/* Without its leading zeros: returns how many bytes are left at the end of be. */
static size_t trim(const unsigned char *be, size_t n)
{
	size_t zeros = 0;
	while (zeros < n && be[zeros] == 0)
		zeros++;
	return n - zeros;
}

/* Writes the header of a payload of n bytes; returns its length. */
static size_t header(unsigned char out[HEADER_MAX], unsigned base, size_t n)
{
	if (n <= SHORT_MAX) {
		out[0] = (unsigned char)(base + n);
		return 1;
	}
	unsigned char be[8];
	be64_put(be, n);
	size_t digits = trim(be, sizeof be);
	out[0] = (unsigned char)(base + SHORT_MAX + digits);
	memcpy(out + 1, be + sizeof be - digits, digits);
	return 1 + digits;
}

void rlp_string(struct buf *out, const void *bytes, size_t n)
{
	unsigned char head[HEADER_MAX];
	if (n != 1 || *(const unsigned char *)bytes >= STRING)
		buf_append(out, head, header(head, STRING, n));
	buf_append(out, bytes, n);
}

void rlp_u64(struct buf *out, uint64_t value)
{
	unsigned char be[8];
	be64_put(be, value);
	size_t n = trim(be, sizeof be);
	rlp_string(out, be + sizeof be - n, n);
}

void rlp_u256(struct buf *out, const struct eth_u256 *value)
{
	size_t n = trim(value->bytes, sizeof value->bytes);
	rlp_string(out, value->bytes + sizeof value->bytes - n, n);
}

size_t rlp_list_open(struct buf *out)
{
	return out->len;
}

void rlp_list_close(struct buf *out, size_t mark)
{
	if (buf_err(out) != OK)
		return;
	REQUIRE(mark <= out->len);
	unsigned char head[HEADER_MAX];
	size_t payload = out->len - mark;
	size_t n = header(head, LIST, payload);
	if (!buf_reserve(out, n))
		return;
	memmove(out->ptr + mark + n, out->ptr + mark, payload);
	memcpy(out->ptr + mark, head, n);
	out->len += n;
}

/* The payload length that `digits` bytes after the header byte spell. */
static enum err long_length(struct span input, size_t digits, size_t *length)
{
	const unsigned char *p = (const unsigned char *)input.ptr + 1;
	if (input.len < 1 + digits || p[0] == 0)
		return ERR_INVALID;
	uint64_t n = 0;
	for (size_t i = 0; i < digits; i++)
		n = n << 8 | p[i];
	if (n <= SHORT_MAX || n > input.len - 1 - digits)
		return ERR_INVALID;
	*length = n;
	return OK;
}

enum err rlp_next(struct span *input, struct rlp_item *item)
{
	if (input->len == 0)
		return ERR_INVALID;
	unsigned first = (unsigned char)input->ptr[0];
	size_t head = 1, n = 1;
	if (first < STRING) {
		head = 0; /* the byte is its own string */
	} else {
		unsigned base = first < LIST ? STRING : LIST;
		n = first - base;
		if (n > SHORT_MAX) {
			size_t digits = n - SHORT_MAX;
			if (long_length(*input, digits, &n) != OK)
				return ERR_INVALID;
			head += digits;
		}
		if (n > input->len - head)
			return ERR_INVALID;
		if (base == STRING && n == 1 && (unsigned char)input->ptr[1] < STRING)
			return ERR_INVALID;
	}
	item->is_list = first >= LIST;
	item->payload = (struct span){input->ptr + head, n};
	input->ptr += head + n;
	input->len -= head + n;
	return OK;
}
