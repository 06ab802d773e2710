/* SPDX-License-Identifier: MIT */
/*
 * Any bytes at all: the scanner, the iterators and the request form must agree with the
 * oracle and with each other, and keep inside the text. The first byte chooses the depth.
 */
#include "../json_oracle.h"
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned depths[] = {64, 0, 1, 2, 3, 8, 63, JSON_DEPTH_MAX};
	if (size == 0)
		return 0;
	struct span text = exact_copy((struct span){(const char *)data + 1, size - 1});
	const char *wrong = json_disagreement(text, depths[data[0] % 8]);
	exact_free(text);
	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}
