/* SPDX-License-Identifier: MIT */
#include "mock_node/chain_impl.h"
#include "base/keccak.h"
#include "base/rlp.h"

#define TX_RLP_LIMIT	1024
#define PRIORITY_FEE	1000000000u /* 1 gwei */
#define GAS_TRANSFER	21000
#define GAS_TOKEN	51234
#define GAS_TOKEN_LIMIT 60000
#define TX_TYPE		2 /* EIP-1559 */

/* keccak256("Transfer(address,address,uint256)") */
static const struct eth_bytes32 transfer_topic = {
	{0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b, 0x69, 0xc2, 0xb0,
	 0x68, 0xfc, 0x37, 0x8d, 0xaa, 0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4,
	 0xa1, 0x16, 0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef}};

static void tx_rlp(struct buf *out, const struct tx *tx)
{
	struct eth_u256 r, s;
	memcpy(r.bytes, tx->r.bytes, sizeof r.bytes);
	memcpy(s.bytes, tx->s.bytes, sizeof s.bytes);

	buf_char(out, TX_TYPE);
	size_t list = rlp_list_open(out);
	rlp_u64(out, CHAIN_ID);
	rlp_u64(out, tx->nonce);
	rlp_u64(out, tx->priority_fee);
	rlp_u64(out, tx->max_fee);
	rlp_u64(out, tx->gas);
	rlp_string(out, tx->to.bytes, sizeof tx->to.bytes);
	rlp_u64(out, tx->value);
	rlp_string(out, tx->input, tx->input_len);
	rlp_list_close(out, rlp_list_open(out)); /* access list */
	rlp_u64(out, tx->y_parity);
	rlp_u256(out, &r);
	rlp_u256(out, &s);
	rlp_list_close(out, list);
}

static enum err set_hash(struct tx *tx)
{
	struct buf rlp;

	buf_init(&rlp, TX_RLP_LIMIT);
	tx_rlp(&rlp, tx);
	enum err err = buf_err(&rlp);
	if (err == OK)
		keccak256(rlp.ptr, rlp.len, &tx->hash);
	tx->raw_bytes = rlp.len;
	buf_release(&rlp);
	return err;
}

/* transfer(address,uint256) */
static void make_token_call(struct tx *tx, const struct eth_address *to, uint64_t amount)
{
	static const unsigned char selector[4] = {0xa9, 0x05, 0x9c, 0xbb};
	memcpy(tx->input, selector, sizeof selector);
	memcpy(tx->input + 4 + 12, to->bytes, sizeof to->bytes);
	be64_put(tx->input + 4 + 56, amount);
	tx->input_len = sizeof tx->input;
}

enum err tx_make(struct tx *tx, const struct world *world, const struct block *block,
		 uint64_t running_number, const struct eth_bytes32 *block_seed)
{
	unsigned char text[40];
	struct eth_bytes32 seed;

	memcpy(text, block_seed->bytes, 32);
	be64_put(text + 32, running_number);
	keccak256(text, sizeof text, &seed);
	keccak256(seed.bytes, 31, &tx->r);
	keccak256(seed.bytes, 30, &tx->s);
	tx->r.bytes[0] &= 0x7f;
	tx->s.bytes[0] &= 0x3f; /* the low half of the curve's order, as EIP-2 asks for */
	tx->y_parity = seed.bytes[0] & 1;

	unsigned sender = (unsigned)(running_number % WORLD_SENDERS);
	unsigned receiver = (unsigned)seed.bytes[1] << 2 | (seed.bytes[2] & 3u);
	const struct eth_address *to = &world_nth(world, WORLD_EOA, receiver)->address;
	bool token = running_number % 3 != 0;
	tx->from = world_nth(world, WORLD_EOA, sender)->address;
	tx->nonce = running_number / WORLD_SENDERS;
	tx->priority_fee = PRIORITY_FEE;
	tx->max_fee = 2 * block->header.base_fee + PRIORITY_FEE;
	tx->gas = token ? GAS_TOKEN_LIMIT : GAS_TRANSFER;
	tx->gas_used = token ? GAS_TOKEN : GAS_TRANSFER;
	tx->failed = token && seed.bytes[3] % 16 == 0;
	tx->has_log = token && !tx->failed;
	tx->block = block;
	if (token) {
		tx->to = world_nth(world, WORLD_TOKEN, seed.bytes[4] & 1u)->address;
		make_token_call(tx, to, be64_get(seed.bytes + 8) >> 8);
	} else {
		tx->to = *to;
		tx->value = be64_get(seed.bytes + 8) >> 14;
	}
	return set_hash(tx);
}

uint64_t tx_effective_price(const struct tx *tx)
{
	uint64_t price = tx->block->header.base_fee + tx->priority_fee;
	return price < tx->max_fee ? price : tx->max_fee;
}

void tx_log_topics(const struct tx *tx, struct eth_bytes32 topics[3])
{
	memset(topics, 0, 3 * sizeof topics[0]);
	topics[0] = transfer_topic;
	memcpy(topics[1].bytes + 12, tx->from.bytes, sizeof tx->from.bytes);
	memcpy(topics[2].bytes, tx->input + 4, 32);
}

const unsigned char *tx_log_data(const struct tx *tx)
{
	return tx->input + 36;
}

/* Yellow Paper 4.3.1: three 11-bit numbers of the hash name the bits to set. */
static void bloom_add(unsigned char bloom[256], const void *bytes, size_t n)
{
	struct eth_bytes32 digest;

	keccak256(bytes, n, &digest);
	for (unsigned i = 0; i < 6; i += 2) {
		unsigned bit = ((unsigned)digest.bytes[i] << 8 | digest.bytes[i + 1]) & 2047;
		bloom[255 - bit / 8] |= (unsigned char)(1u << bit % 8);
	}
}

void tx_log_bloom(const struct tx *tx, unsigned char bloom[256])
{
	struct eth_bytes32 topics[3];

	if (!tx->has_log)
		return;
	bloom_add(bloom, tx->to.bytes, sizeof tx->to.bytes);
	tx_log_topics(tx, topics);
	for (int i = 0; i < 3; i++)
		bloom_add(bloom, topics[i].bytes, sizeof topics[i].bytes);
}
