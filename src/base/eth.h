/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Ethereum's value types, big-endian as on the wire and in EVMC, and their hex forms.
 *
 * The JSON-RPC specification (ethereum/execution-apis, "base types") knows two forms:
 *   QUANTITY  0x + digits without leading zeros, zero is "0x0"
 *   DATA      0x + two digits a byte
 * Upstream answers are read strictly, except where every node is known to differ (a
 * storage value is DATA of 32 bytes; some nodes trim it). Clients are read leniently
 * where go-ethereum does: an upper-case "0X", odd digits in a slot, padded slots.
 */
#include "base/err.h"
#include "base/span.h"
#include <stdint.h>

struct eth_address {
	unsigned char bytes[20];
};
struct eth_bytes32 {
	unsigned char bytes[32];
};
/* An unsigned 256-bit integer, big-endian. */
struct eth_u256 {
	unsigned char bytes[32];
};

/* keccak256 of nothing: the code hash of an account without code (Yellow Paper 4.1). */
extern const struct eth_bytes32 eth_empty_code_hash;
/* keccak256 of the empty string's RLP: the storage root of an account without storage. */
extern const struct eth_bytes32 eth_empty_trie_root;

/* All take the text without its JSON quotes and return ERR_INVALID for anything else. */

/* 0x and exactly 2n hex digits, either case; "0x" or "0X". */
enum err eth_data_parse(struct span text, void *bytes, size_t n) WARN_UNUSED;
/* The length in bytes that text holds as DATA; ERR_INVALID if it is not DATA. */
enum err eth_data_length(struct span text, size_t *bytes) WARN_UNUSED;
/* A 20-byte address; also without 0x, as go-ethereum's common.Address accepts. */
enum err eth_address_parse(struct span text, struct eth_address *out) WARN_UNUSED;
/* Strict QUANTITY, at most 64 / 256 bits. */
enum err eth_quantity_u64(struct span text, uint64_t *out) WARN_UNUSED;
enum err eth_quantity_u256(struct span text, struct eth_u256 *out) WARN_UNUSED;
/* A QUANTITY that may carry leading zeros (clients, some nodes); at most 32 bytes. */
enum err eth_quantity_lenient(struct span text, struct eth_u256 *out) WARN_UNUSED;
/* Decimal digits, at most 64 bits. */
enum err eth_decimal_u64(struct span text, uint64_t *out) WARN_UNUSED;
/* A storage key as go-ethereum's decodeStorageKey reads it: optional 0x, odd digits
 * allowed, at most 64 digits, right-aligned into 32 bytes. */
enum err eth_slot_parse(struct span text, struct eth_bytes32 *out) WARN_UNUSED;
/* A storage value from an upstream: DATA of 1 to 32 bytes, or a QUANTITY; "0x" is refused
 * (real nodes never send it, and it is what failing ones do). */
enum err eth_slot_value_parse(struct span text, struct eth_bytes32 *out) WARN_UNUSED;

/* Hex of n bytes into out, lower case, no 0x, no terminator: writes 2n characters. */
void eth_hex(const void *bytes, size_t n, char *out);
/* QUANTITY of a big-endian number of n bytes (n <= 32); writes at most 2 + 2n characters,
 * returns how many. */
size_t eth_quantity_format(const void *bytes, size_t n, char *out);
size_t eth_quantity_format_u64(uint64_t value, char out[18]);

/* The low 64 bits; false when the value does not fit in them. */
bool eth_u256_to_u64(const struct eth_u256 *value, uint64_t *out);
struct eth_u256 eth_u256_from_u64(uint64_t value);

/* Comparisons by words: tables do little else, and a call of memcmp is more than the rest of
 * it. */
static inline uint64_t eth_differs(const unsigned char *a, const unsigned char *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x ^ y;
}

static inline bool eth_bytes32_equal(const struct eth_bytes32 *a, const struct eth_bytes32 *b)
{
	return (eth_differs(a->bytes, b->bytes) | eth_differs(a->bytes + 8, b->bytes + 8) |
		eth_differs(a->bytes + 16, b->bytes + 16) |
		eth_differs(a->bytes + 24, b->bytes + 24)) == 0;
}

static inline bool eth_address_equal(const struct eth_address *a, const struct eth_address *b)
{
	return (eth_differs(a->bytes, b->bytes) | eth_differs(a->bytes + 8, b->bytes + 8) |
		eth_differs(a->bytes + 12, b->bytes + 12)) == 0;
}

static inline void be64_put(unsigned char *out, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(out, &v, 8);
}

static inline uint64_t be64_get(const unsigned char *in)
{
	uint64_t v;
	memcpy(&v, in, 8);
	return __builtin_bswap64(v);
}
