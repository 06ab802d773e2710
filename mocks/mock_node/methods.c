/* SPDX-License-Identifier: MIT */
#include "mock_node/methods.h"
#include "mock_node/blocks.h"
#include "mock_node/call.h"
#include "mock_node/fees.h"
#include "mock_node/fork.h"
#include "mock_node/logs.h"
#include "mock_node/node.h"
#include "mock_node/params.h"
#include "mock_node/proof.h"
#include "mock_node/recorded.h"
#include "base/keccak.h"

#define CLIENT_VERSION	 "mock-node/v1.0.0/c"
#define FROM_ANY	 (FROM_CHAIN | FROM_FORK | FROM_RECORDING)
#define RAW_TX_BYTES_MAX 131072 /* go-ethereum's txMaxSize */

uint64_t node_chain_id(const struct node *node)
{
	if (node->script.chain_id)
		return node->script.chain_id;
	if (node->fork)
		return node->fork->chain_id;
	return node->recorded ? recorded_chain_id(node->recorded) : CHAIN_ID;
}

uint64_t node_head_number(struct node *node)
{
	if (node->fork)
		return node->fork->number;
	if (node->recorded)
		return recorded_head(node->recorded);
	return node_head(node)->header.number;
}

static void chain_id(struct node *node, const json_t *params, struct answer *answer)
{
	(void)params;
	buf_printf(&answer->json, "\"0x%llx\"", (unsigned long long)node_chain_id(node));
}

static void net_version(struct node *node, const json_t *params, struct answer *answer)
{
	(void)params;
	buf_printf(&answer->json, "\"%llu\"", (unsigned long long)node_chain_id(node));
}

static void client_version(struct node *node, const json_t *params, struct answer *answer)
{
	const char *text = json_string_value(node->script.client_version);
	(void)params;
	buf_json_string(&answer->json, span_of(text ? text : CLIENT_VERSION));
}

static void block_number(struct node *node, const json_t *params, struct answer *answer)
{
	(void)params;
	buf_printf(&answer->json, "\"0x%llx\"", (unsigned long long)node_head_number(node));
}

static void syncing(struct node *node, const json_t *params, struct answer *answer)
{
	(void)node, (void)params;
	buf_text(&answer->json, "false");
}

static void listening(struct node *node, const json_t *params, struct answer *answer)
{
	(void)node, (void)params;
	buf_text(&answer->json, "true");
}

/* The parameters as the node understood them: shows what a proxy makes of a call. */
static void echo(struct node *node, const json_t *params, struct answer *answer)
{
	char *text = json_dumps(params, JSON_COMPACT);
	(void)node;
	buf_text(&answer->json, text ? text : "null");
	free(text);
}

/* Accepts anything of the right form and forgets it; the hash is the right one. */
static void send_raw_transaction(struct node *node, const json_t *params, struct answer *answer)
{
	struct span text = json_text(json_array_get(params, 0));
	struct eth_bytes32 hash;
	size_t n;
	(void)node;

	if (eth_data_length(text, &n) != OK || n == 0 || n > RAW_TX_BYTES_MAX) {
		answer_error(answer, RPC_INVALID_PARAMS, "invalid argument 0: raw transaction");
		return;
	}
	char *raw = buf_reserve(&answer->json, n + 2 + 2 + 64);
	if (!raw)
		return;
	if (eth_data_parse(text, raw, n) != OK) {
		answer_error(answer, RPC_INVALID_PARAMS, "invalid argument 0: raw transaction");
		return;
	}
	keccak256(raw, n, &hash);
	buf_char(&answer->json, '"');
	buf_hex(&answer->json, hash.bytes, sizeof hash.bytes);
	buf_char(&answer->json, '"');
}

static const struct method methods[] = {
	{"eth_getStorageAt", 2, 3, state_get_storage_at, FROM_CHAIN | FROM_FORK},
	{"eth_getStorageValues", 1, 2, state_get_storage_values, FROM_CHAIN | FROM_FORK},
	{"eth_getBalance", 1, 2, state_get_balance, FROM_CHAIN | FROM_FORK},
	{"eth_getTransactionCount", 1, 2, state_get_transaction_count, FROM_CHAIN | FROM_FORK},
	{"eth_getCode", 1, 2, state_get_code, FROM_CHAIN | FROM_FORK},
	{"eth_getAccountInfo", 1, 2, state_get_account_info, FROM_CHAIN | FROM_FORK},
	{"eth_getProof", 2, 3, proof_get, FROM_CHAIN | FROM_FORK},
	{"debug_executionWitness", 1, 2, proof_execution_witness, FROM_CHAIN | FROM_FORK},
	{"eth_call", 1, 4, call_eth_call, FROM_CHAIN | FROM_FORK},
	{"eth_chainId", 0, 0, chain_id, FROM_ANY},
	{"net_version", 0, 0, net_version, FROM_ANY},
	{"net_listening", 0, 0, listening, FROM_ANY},
	{"web3_clientVersion", 0, 0, client_version, FROM_ANY},
	{"eth_blockNumber", 0, 0, block_number, FROM_ANY},
	{"eth_syncing", 0, 0, syncing, FROM_ANY},
	{"eth_gasPrice", 0, 0, fees_gas_price, FROM_CHAIN | FROM_FORK},
	{"eth_maxPriorityFeePerGas", 0, 0, fees_priority, FROM_CHAIN | FROM_FORK},
	{"eth_blobBaseFee", 0, 0, fees_blob_base, FROM_CHAIN},
	{"eth_feeHistory", 2, 3, fees_history, FROM_CHAIN},
	{"eth_getBlockByNumber", 2, 2, blocks_by_number, FROM_CHAIN | FROM_FORK},
	{"eth_getBlockByHash", 2, 2, blocks_by_hash, FROM_CHAIN | FROM_FORK},
	{"eth_getBlockTransactionCountByNumber", 1, 1, blocks_tx_count_by_number, FROM_CHAIN},
	{"eth_getBlockTransactionCountByHash", 1, 1, blocks_tx_count_by_hash, FROM_CHAIN},
	{"eth_getUncleCountByBlockNumber", 1, 1, blocks_uncle_count_by_number, FROM_CHAIN},
	{"eth_getUncleCountByBlockHash", 1, 1, blocks_uncle_count_by_hash, FROM_CHAIN},
	{"eth_getTransactionByHash", 1, 1, blocks_tx_by_hash, FROM_CHAIN},
	{"eth_getTransactionByBlockHashAndIndex", 2, 2, blocks_tx_by_block_hash, FROM_CHAIN},
	{"eth_getTransactionByBlockNumberAndIndex", 2, 2, blocks_tx_by_block_number,
	 FROM_CHAIN},
	{"eth_getTransactionReceipt", 1, 1, blocks_receipt, FROM_CHAIN},
	{"eth_getBlockReceipts", 1, 1, blocks_receipts, FROM_CHAIN},
	{"eth_getLogs", 1, 1, logs_get, FROM_CHAIN},
	{"eth_sendRawTransaction", 1, 1, send_raw_transaction, FROM_CHAIN | FROM_FORK},
	{"mock_echo", 0, 16, echo, FROM_ANY},
};

const struct method *method_find(struct span name)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (span_is(name, methods[i].name))
			return &methods[i];
	}
	return NULL;
}
