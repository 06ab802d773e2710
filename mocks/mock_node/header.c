/* SPDX-License-Identifier: MIT */
#include "mock_node/header.h"
#include "base/keccak.h"
#include "base/rlp.h"

#define HEADER_RLP_LIMIT 2048

const struct eth_bytes32 header_empty_uncles = {
	{0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a, 0xab, 0x85, 0xb5,
	 0x67, 0xb6, 0xcc, 0xd4, 0x1a, 0xd3, 0x12, 0x45, 0x1b, 0x94, 0x8a,
	 0x74, 0x13, 0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47}};
const struct eth_bytes32 header_empty_requests = {
	{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
	 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
	 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};

static void rlp_hash(struct buf *out, const struct eth_bytes32 *hash)
{
	rlp_string(out, hash->bytes, sizeof hash->bytes);
}

void header_rlp(struct buf *out, const struct header *h)
{
	static const unsigned char nonce[8];
	size_t list = rlp_list_open(out);

	rlp_hash(out, &h->parent_hash);
	rlp_hash(out, &header_empty_uncles);
	rlp_string(out, h->miner.bytes, sizeof h->miner.bytes);
	rlp_hash(out, &h->state_root);
	rlp_hash(out, &h->transactions_root);
	rlp_hash(out, &h->receipts_root);
	rlp_string(out, h->bloom, sizeof h->bloom);
	rlp_u64(out, 0); /* difficulty */
	rlp_u64(out, h->number);
	rlp_u64(out, h->gas_limit);
	rlp_u64(out, h->gas_used);
	rlp_u64(out, h->timestamp);
	rlp_string(out, HEADER_EXTRA, sizeof HEADER_EXTRA - 1);
	rlp_hash(out, &h->mix_hash);
	rlp_string(out, nonce, sizeof nonce);
	rlp_u64(out, h->base_fee);
	rlp_hash(out, &eth_empty_trie_root); /* withdrawals root */
	rlp_u64(out, 0);		     /* blob gas used */
	rlp_u64(out, 0);		     /* excess blob gas */
	rlp_hash(out, &h->parent_beacon_root);
	rlp_hash(out, &header_empty_requests);
	rlp_list_close(out, list);
}

enum err header_hash(const struct header *header, struct eth_bytes32 *hash, size_t *rlp_bytes)
{
	struct buf rlp;

	buf_init(&rlp, HEADER_RLP_LIMIT);
	header_rlp(&rlp, header);
	enum err err = buf_err(&rlp);
	if (err == OK)
		keccak256(rlp.ptr, rlp.len, hash);
	if (rlp_bytes)
		*rlp_bytes = rlp.len;
	buf_release(&rlp);
	return err;
}

void json_quantity(struct buf *out, const char *name, uint64_t value)
{
	buf_printf(out, "\"%s\":\"0x%llx\"", name, (unsigned long long)value);
}

void json_data(struct buf *out, const char *name, const void *bytes, size_t n)
{
	buf_char(out, '"');
	buf_text(out, name);
	buf_text(out, "\":\"");
	buf_hex(out, bytes, n);
	buf_char(out, '"');
}

static void quantity(struct buf *out, const char *name, uint64_t value)
{
	json_quantity(out, name, value);
	buf_char(out, ',');
}

static void hash_member(struct buf *out, const char *name, const struct eth_bytes32 *hash)
{
	json_data(out, name, hash->bytes, sizeof hash->bytes);
	buf_char(out, ',');
}

void header_json(struct buf *out, const struct header *h)
{
	hash_member(out, "parentHash", &h->parent_hash);
	hash_member(out, "sha3Uncles", &header_empty_uncles);
	json_data(out, "miner", h->miner.bytes, sizeof h->miner.bytes);
	buf_char(out, ',');
	hash_member(out, "stateRoot", &h->state_root);
	hash_member(out, "transactionsRoot", &h->transactions_root);
	hash_member(out, "receiptsRoot", &h->receipts_root);
	json_data(out, "logsBloom", h->bloom, sizeof h->bloom);
	buf_text(out, ",\"difficulty\":\"0x0\",");
	quantity(out, "number", h->number);
	quantity(out, "gasLimit", h->gas_limit);
	quantity(out, "gasUsed", h->gas_used);
	quantity(out, "timestamp", h->timestamp);
	json_data(out, "extraData", HEADER_EXTRA, sizeof HEADER_EXTRA - 1);
	buf_char(out, ',');
	hash_member(out, "mixHash", &h->mix_hash);
	quantity(out, "baseFeePerGas", h->base_fee);
	hash_member(out, "withdrawalsRoot", &eth_empty_trie_root);
	buf_text(out, "\"blobGasUsed\":\"0x0\",\"excessBlobGas\":\"0x0\",");
	hash_member(out, "parentBeaconBlockRoot", &h->parent_beacon_root);
	hash_member(out, "requestsHash", &header_empty_requests);
}

/* EIP-1559, "Specification": elasticity 2, denominator 8. */
uint64_t header_next_base_fee(const struct header *h)
{
	uint64_t target = h->gas_limit / 2;

	if (h->gas_used == target)
		return h->base_fee;
	if (h->gas_used > target) {
		uint64_t delta = h->base_fee * (h->gas_used - target) / target / 8;
		return h->base_fee + (delta ? delta : 1);
	}
	return h->base_fee - h->base_fee * (target - h->gas_used) / target / 8;
}
