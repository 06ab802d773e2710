/* SPDX-License-Identifier: MIT */
#include "mock_node/moves.h"
#include "mock_node/node.h"
#include "mock_node/params.h"

enum err moves_apply(struct node *node, const json_t *control)
{
	const json_t *reorg = json_object_get(control, "reorg");
	enum err err = OK;

	if (reorg) {
		uint64_t depth = json_uint(
			json_is_object(reorg) ? json_object_get(reorg, "depth") : reorg);
		const json_t *blocks = json_object_get(reorg, "blocks");
		err = chain_reorg(&node->chain, depth, blocks ? json_uint(blocks) : depth + 1);
	}
	if (err == OK)
		err = chain_advance(&node->chain,
				    json_uint(json_object_get(control, "advance")));
	return err;
}
