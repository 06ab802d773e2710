/* SPDX-License-Identifier: MIT */
/* Fuzzes the request parsers: no memory error, and the same outcome for a request that
 * comes at once and one that comes in two pieces. The first byte says where the cut is. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "rpc/http_chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_progress parse(struct http_head *head, const char *text, size_t len,
				size_t cut)
{
	enum http_progress progress;

	http_head_init(head);
	progress = http_head_parse(head, text, cut);
	return progress == HTTP_MORE ? http_head_parse(head, text, len) : progress;
}

static void decode(const char *text, size_t len)
{
	struct http_chunked chunked;
	char *bytes = malloc(len + 1);
	size_t consumed, produced;

	if (!bytes)
		return;
	memcpy(bytes, text, len);
	http_chunked_init(&chunked);
	http_chunked_decode(&chunked, bytes, bytes, len, &consumed, &produced);
	REQUIRE(consumed <= len && produced <= consumed && produced <= chunked.total);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head whole, pieces;

	if (size < 1)
		return 0;
	const char *text = (const char *)data + 1;
	const size_t len = size - 1;
	const size_t cut = len == 0 ? 0 : data[0] % len;
	const enum http_progress progress = parse(&whole, text, len, len);

	REQUIRE(parse(&pieces, text, len, cut) == progress);
	REQUIRE(whole.problem == pieces.problem);
	if (progress != HTTP_DONE)
		return 0;
	REQUIRE(memcmp(&whole, &pieces, sizeof whole) == 0);
	REQUIRE(whole.length <= len);
	if (whole.chunked)
		decode(text + whole.length, len - whole.length);
	return 0;
}
