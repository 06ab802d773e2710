/* SPDX-License-Identifier: MIT */
#include "fork/finality.h"
#include <stddef.h>

enum { DEPTH_UNKNOWN = 128, EPOCHS = 3 };

static const struct {
	uint64_t chain_id, depth;
} depths[] = {
	{1, UINT64_C(32) * EPOCHS},	   /* mainnet */
	{11155111, UINT64_C(32) * EPOCHS}, /* Sepolia */
	{17000, UINT64_C(32) * EPOCHS},	   /* Holesky */
	{560048, UINT64_C(32) * EPOCHS},   /* Hoodi */
	{100, UINT64_C(16) * EPOCHS},	   /* Gnosis Chain */
};

uint64_t finality_depth(uint64_t chain_id)
{
	for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
		if (depths[i].chain_id == chain_id)
			return depths[i].depth;
	return DEPTH_UNKNOWN;
}
