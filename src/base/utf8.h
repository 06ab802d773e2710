/* SPDX-License-Identifier: MIT */
#pragma once
/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "base/span.h"

/* The length in bytes (1 to 4) of the character that text starts with; 0 when text is empty
 * or does not start with a valid one. */
static inline size_t utf8_length(struct span text)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	if (text.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] < 0xc2 || p[0] > 0xf4 || text.len < n)
		return 0;
	/* The second byte's range is what excludes overlong forms, surrogates, the end. */
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}
