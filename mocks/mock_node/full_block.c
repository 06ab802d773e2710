/* SPDX-License-Identifier: MIT */
#include "mock_node/full_block.h"

static json_t *hashes_only(json_t *block)
{
	json_t *copy = json_copy(block), *hashes = json_array(), *tx;
	size_t i;

	json_array_foreach(json_object_get(block, "transactions"), i, tx)
		json_array_append(hashes, json_object_get(tx, "hash"));
	json_object_set_new(copy, "transactions", hashes);
	return copy;
}

bool full_block_answer(json_t *block, bool full, struct answer *answer)
{
	json_t *first = json_array_get(json_object_get(block, "transactions"), 0);

	if (full && json_is_string(first))
		return false;
	json_t *shown =
		!full && json_is_object(first) ? hashes_only(block) : json_incref(block);
	char *text = json_dumps(shown, JSON_COMPACT);
	buf_text(&answer->json, text ? text : "null");
	free(text);
	json_decref(shown);
	return true;
}
