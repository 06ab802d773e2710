/* SPDX-License-Identifier: MIT */
#include "rpc/http_memo.h"

/* As many digits as the known length has. */
static bool read_length(struct span digits, uint64_t *length)
{
	*length = 0;
	for (size_t i = 0; i < digits.len; i++) {
		const unsigned digit = (unsigned)(digits.ptr[i] - '0');

		if (digit > 9)
			return false;
		*length = *length * 10 + digit;
	}
	return true;
}

bool http_memo_find(const struct http_memo *memo, const char *bytes, size_t len,
		    struct http_head *head)
{
	for (unsigned i = 0; i < HTTP_MEMO_HEADS; i++) {
		const struct http_head *known = &memo->known[i].head;
		const char *text = memo->known[i].bytes;
		const size_t at = known->length_text.at, end = at + known->length_text.len;
		uint64_t length;

		if (known->length == 0 || len < known->length || memcmp(bytes, text, at) != 0 ||
		    memcmp(bytes + end, text + end, known->length - end) != 0 ||
		    !read_length(http_range_span(known->length_text, bytes), &length))
			continue;
		*head = *known;
		head->content_length = length;
		return true;
	}
	return false;
}

void http_memo_keep(struct http_memo *memo, const struct http_head *head, const char *bytes)
{
	if (!head->has_length || head->authorization.at != 0 || head->length > HTTP_MEMO_BYTES)
		return;
	memo->known[memo->oldest].head = *head;
	memcpy(memo->known[memo->oldest].bytes, bytes, head->length);
	memo->oldest = (memo->oldest + 1) % HTTP_MEMO_HEADS;
}
