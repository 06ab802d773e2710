/* SPDX-License-Identifier: MIT */
#include "mock_node/fees.h"
#include "mock_node/fork.h"
#include "mock_node/node.h"
#include "mock_node/params.h"

#define TIP_WEI		1000000000ull
#define FEE_HISTORY_MAX 1024 /* go-ethereum's maxBlockCount */

static void quantity(struct buf *out, uint64_t value)
{
	buf_printf(out, "\"0x%llx\"", (unsigned long long)value);
}

void fees_gas_price(struct node *node, const json_t *params, struct answer *answer)
{
	(void)params;
	if (node->fork)
		fork_gas_price(node->fork, answer);
	else
		quantity(&answer->json, node_head(node)->header.base_fee + TIP_WEI);
}

void fees_priority(struct node *node, const json_t *params, struct answer *answer)
{
	(void)node, (void)params;
	quantity(&answer->json, TIP_WEI);
}

void fees_blob_base(struct node *node, const json_t *params, struct answer *answer)
{
	(void)node, (void)params;
	quantity(&answer->json, 1);
}

/* Appends ,"name":[one value per block]. */
static void series(struct buf *out, const char *name, size_t count, const char *value)
{
	buf_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		buf_text(out, value);
	}
	buf_char(out, ']');
}

static void rewards(struct buf *out, size_t blocks, size_t percentiles)
{
	buf_text(out, ",\"reward\":[");
	for (size_t i = 0; i < blocks; i++) {
		buf_text(out, i ? ",[" : "[");
		for (size_t j = 0; j < percentiles; j++) {
			if (j)
				buf_char(out, ',');
			quantity(out, TIP_WEI);
		}
		buf_char(out, ']');
	}
	buf_char(out, ']');
}

void fees_history(struct node *node, const json_t *params, struct answer *answer)
{
	const json_t *percentiles = json_array_get(params, 2);
	const struct block *newest;
	struct buf *out = &answer->json;
	uint64_t count;

	if (json_is_integer(json_array_get(params, 0)))
		count = (uint64_t)json_integer_value(json_array_get(params, 0));
	else if (!param_index(params, 0, &count, answer))
		return;
	if (!param_block_number(node, params, 1, &newest, answer))
		return;
	if (!newest) {
		answer_error(answer, RPC_SERVER_ERROR,
			     "request beyond head block: requested block is not there yet");
		return;
	}
	if (count > FEE_HISTORY_MAX)
		count = FEE_HISTORY_MAX;
	if (count > newest->header.number + 1)
		count = newest->header.number + 1;
	uint64_t oldest = newest->header.number + 1 - count;
	buf_printf(out, "{\"oldestBlock\":\"0x%llx\",\"baseFeePerGas\":[",
		   (unsigned long long)oldest);
	for (uint64_t n = oldest; n < oldest + count; n++) {
		quantity(out, chain_by_number(&node->chain, n)->header.base_fee);
		buf_char(out, ',');
	}
	quantity(out, header_next_base_fee(&newest->header));
	buf_text(out, "],\"gasUsedRatio\":[");
	for (uint64_t n = oldest; n < oldest + count; n++) {
		const struct header *h = &chain_by_number(&node->chain, n)->header;
		buf_printf(out, n > oldest ? ",%.6f" : "%.6f",
			   (double)h->gas_used / (double)h->gas_limit);
	}
	buf_char(out, ']');
	if (json_array_size(percentiles))
		rewards(out, count, json_array_size(percentiles));
	series(out, "baseFeePerBlobGas", count + 1, "\"0x1\"");
	series(out, "blobGasUsedRatio", count, "0");
	buf_char(out, '}');
}
