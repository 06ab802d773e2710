/* SPDX-License-Identifier: MIT */
#include "mock_node/call.h"
#include "mock_node/node.h"
#include "mock_node/params.h"

#define SELECTOR_BALANCE_OF   0x70a08231u
#define SELECTOR_TOTAL_SUPPLY 0x18160dddu
#define SELECTOR_DECIMALS     0x313ce567u
#define TOKEN_DECIMALS	      18
#define CALLDATA_MAX	      4096
/* A sum over more slots would not fit into a block's gas: 2,100 each (EIP-2929). */
#define SUM_MAX (CHAIN_GAS_LIMIT / 2100)

struct frame {
	struct node *node;
	const struct block *block;
	const struct eth_address *self; /* whose storage */
	unsigned char data[CALLDATA_MAX];
	size_t data_bytes;
};

/* CALLDATALOAD: past the end there are zeros. */
static struct eth_bytes32 word_at(const struct frame *frame, size_t at)
{
	struct eth_bytes32 word = {{0}};

	if (at < frame->data_bytes) {
		size_t n = frame->data_bytes - at;
		memcpy(word.bytes, frame->data + at, n < 32 ? n : 32);
	}
	return word;
}

static struct eth_bytes32 word_of(uint64_t n)
{
	struct eth_bytes32 word = {{0}};
	be64_put(word.bytes + 24, n);
	return word;
}

static struct eth_bytes32 load(const struct frame *frame, struct eth_bytes32 slot)
{
	struct eth_bytes32 value;
	history_slot(&frame->node->chain, frame->block, frame->self, &slot, &value);
	return value;
}

static void add_to(struct eth_bytes32 *sum, const struct eth_bytes32 *value)
{
	unsigned carry = 0;
	for (int i = 31; i >= 0; i--) {
		carry += (unsigned)sum->bytes[i] + value->bytes[i];
		sum->bytes[i] = (unsigned char)carry;
		carry >>= 8;
	}
}

static bool returns(struct answer *answer, struct eth_bytes32 word)
{
	buf_char(&answer->json, '"');
	buf_hex(&answer->json, word.bytes, sizeof word.bytes);
	buf_char(&answer->json, '"');
	return true;
}

static bool sum(const struct frame *frame, struct answer *answer)
{
	struct eth_bytes32 slot = word_at(frame, 0), count_word = word_at(frame, 32);
	struct eth_bytes32 total = {{0}};
	struct eth_bytes32 one = word_of(1);
	struct eth_u256 count_u256;
	uint64_t count;

	memcpy(count_u256.bytes, count_word.bytes, 32);
	if (!eth_u256_to_u64(&count_u256, &count) || count > SUM_MAX)
		return answer_error(answer, RPC_SERVER_ERROR, "out of gas");
	while (count-- > 0) {
		struct eth_bytes32 value = load(frame, slot);
		add_to(&total, &value);
		add_to(&slot, &one);
	}
	return returns(answer, total);
}

static bool token(const struct frame *frame, struct answer *answer)
{
	struct eth_bytes32 word = word_at(frame, 0);
	struct eth_bytes32 argument = word_at(frame, 4);
	struct eth_address holder;

	memcpy(holder.bytes, argument.bytes + 12, sizeof holder.bytes);
	switch ((uint32_t)(be64_get(word.bytes) >> 32)) {
	case SELECTOR_BALANCE_OF:
		return returns(answer, load(frame, world_mapping_slot(&holder, 0)));
	case SELECTOR_TOTAL_SUPPLY:
		return returns(answer, load(frame, word_of(2)));
	case SELECTOR_DECIMALS:
		return returns(answer, word_of(TOKEN_DECIMALS));
	}
	answer_error_data(answer, RPC_REVERT, "execution reverted", SPAN("\"0x\""));
	return false;
}

static bool reverts(struct answer *answer)
{
	answer_error_data(
		answer, RPC_REVERT, "execution reverted: mock",
		SPAN("\"0x08c379a0"
		     "0000000000000000000000000000000000000000000000000000000000000020"
		     "0000000000000000000000000000000000000000000000000000000000000004"
		     "6d6f636b00000000000000000000000000000000000000000000000000000000"
		     "\""));
	return false;
}

static bool run(const struct frame *frame, struct answer *answer)
{
	const struct world_account *account = world_find(&frame->node->world, frame->self);

	if (!account || account->kind == WORLD_EOA) {
		buf_text(&answer->json, "\"0x\"");
		return true;
	}
	switch (account->kind) {
	case WORLD_READER:
	case WORLD_PROXY:
	case WORLD_LARGE:
	case WORLD_DELEGATED:
	case WORLD_MOVER:
		return returns(answer, load(frame, word_at(frame, 0)));
	case WORLD_SUMMER:
		return sum(frame, answer);
	case WORLD_TOKEN:
		return token(frame, answer);
	case WORLD_REVERTER:
		return reverts(answer);
	case WORLD_EOA:
	case WORLD_HISTORY:
	case WORLD_BEACON:
	case WORLD_KINDS:
		break;
	}
	return answer_error(answer, RPC_SERVER_ERROR, "mock-node: it cannot run this code");
}

static bool read_calldata(struct frame *frame, const json_t *call, struct answer *answer)
{
	const json_t *input = json_object_get(call, "input");
	struct span text = json_text(input ? input : json_object_get(call, "data"));

	if (text.len == 0)
		return true;
	if (eth_data_length(text, &frame->data_bytes) == OK &&
	    frame->data_bytes <= CALLDATA_MAX &&
	    eth_data_parse(text, frame->data, frame->data_bytes) == OK)
		return true;
	return answer_error(
		answer, RPC_INVALID_PARAMS,
		"invalid argument 0: json: cannot unmarshal invalid hex string into "
		"Go struct field TransactionArgs.input of type hexutil.Bytes");
}

void call_eth_call(struct node *node, const json_t *params, struct answer *answer)
{
	const json_t *call = json_array_get(params, 0);
	struct frame frame = {.node = node};
	struct eth_address to;

	if (node->fork || json_object_size(json_array_get(params, 2)) > 0) {
		answer_error(answer, RPC_SERVER_ERROR,
			     "mock-node: it cannot run calls on a recorded fork, or with state "
			     "overrides");
		return;
	}
	if (eth_data_parse(json_text(json_object_get(call, "to")), to.bytes, 20) != OK) {
		answer_error(answer, RPC_SERVER_ERROR, "mock-node: eth_call needs a `to`");
		return;
	}
	frame.self = &to;
	if (read_calldata(&frame, call, answer) &&
	    param_state_block(node, params, 1, &frame.block, answer))
		run(&frame, answer);
}
