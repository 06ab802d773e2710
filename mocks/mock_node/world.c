/* SPDX-License-Identifier: MIT */
#include "mock_node/world.h"
#include "base/keccak.h"
#include <stdlib.h>

#define LARGE_CODE_BYTES 24063

static const unsigned kind_counts[WORLD_KINDS] = {
	[WORLD_EOA] = WORLD_EOAS, [WORLD_READER] = 16,	 [WORLD_SUMMER] = 2,
	[WORLD_TOKEN] = 2,	  [WORLD_PROXY] = 2,	 [WORLD_REVERTER] = 1,
	[WORLD_LARGE] = 1,	  [WORLD_DELEGATED] = 1, [WORLD_HISTORY] = 1,
	[WORLD_BEACON] = 1,	  [WORLD_MOVER] = 4,
};

/* PUSH0 CALLDATALOAD SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN */
const unsigned char world_reader_code[WORLD_READER_CODE_BYTES] = {0x5f, 0x35, 0x54, 0x5f, 0x52,
								  0x60, 0x20, 0x5f, 0xf3};

/* Stack from the bottom: i, end, sum. */
static const unsigned char summer_code[] = {
	0x5f, 0x35,					/* i = calldata[0] */
	0x60, 0x20, 0x35, 0x81, 0x01,			/* end = i + calldata[32] */
	0x5f,						/* sum = 0 */
	0x5b,						/* 8: */
	0x81, 0x83, 0x10, 0x15, 0x60, 0x1d, 0x57,	/* if !(i < end) goto 29 */
	0x82, 0x54, 0x01,				/* sum += storage[i] */
	0x91, 0x60, 0x01, 0x01, 0x91, 0x60, 0x08, 0x56, /* i++, goto 8 */
	0xfe, 0xfe,					/* unreachable */
	0x5b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,	/* 29: return sum */
};

static const unsigned char token_code[] = {
	0x5f, 0x35, 0x60, 0xe0, 0x1c,				    /* selector */
	0x80, 0x63, 0x70, 0xa0, 0x82, 0x31, 0x14, 0x60, 0x25, 0x57, /* balanceOf */
	0x80, 0x63, 0x18, 0x16, 0x0d, 0xdd, 0x14, 0x60, 0x33, 0x57, /* totalSupply */
	0x63, 0x31, 0x3c, 0xe5, 0x67, 0x14, 0x60, 0x3a, 0x57,	    /* decimals */
	0x5f, 0x5f, 0xfd,					    /* else revert */
	0x5b, 0x60, 0x04, 0x35, 0x5f, 0x52, 0x60, 0x40, 0x5f, 0x20, /* 37: balanceOf */
	0x54, 0x60, 0x3d, 0x56,					    /* goto 61 */
	0x5b, 0x60, 0x02, 0x54, 0x60, 0x3d, 0x56,		    /* 51: totalSupply */
	0x5b, 0x60, 0x12,					    /* 58: decimals */
	0x5b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,		    /* 61: return */
};

/* PUSH1 100 PUSH1 10 PUSH0 CODECOPY PUSH1 100 PUSH0 REVERT, then Error("mock") */
static const unsigned char reverter_code[] = {
	0x60,
	0x64,
	0x60,
	0x0a,
	0x5f,
	0x39,
	0x60,
	0x64,
	0x5f,
	0xfd,
	0x08,
	0xc3,
	0x79,
	0xa0,
	[10 + 4 + 31] = 0x20,
	[10 + 4 + 63] = 4,
	[10 + 4 + 64] = 'm',
	'o',
	'c',
	'k',
	[10 + 4 + 95] = 0,
};

static const unsigned char proxy_code[45] = {
	0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73, [30] = 0x5a, 0xf4, 0x3d,
	0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b,	 0xf3,
};
#define PROXY_TARGET_AT 10

static const unsigned char delegation_code[23] = {0xef, 0x01, 0x00};

/* EIP-2935 and EIP-4788, sections "Block processing" / "Specification". */
static const unsigned char history_code[] = {
	0x33, 0x73, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x14, 0x60, 0x46, 0x57, 0x60, 0x20,
	0x36, 0x03, 0x60, 0x42, 0x57, 0x5f, 0x35, 0x60, 0x01, 0x43, 0x03, 0x81, 0x11, 0x60,
	0x42, 0x57, 0x61, 0x1f, 0xff, 0x81, 0x43, 0x03, 0x11, 0x60, 0x42, 0x57, 0x61, 0x1f,
	0xff, 0x90, 0x06, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x5b, 0x5f, 0x5f, 0xfd,
	0x5b, 0x5f, 0x35, 0x61, 0x1f, 0xff, 0x60, 0x01, 0x43, 0x03, 0x06, 0x55, 0x00,
};
static const unsigned char beacon_code[] = {
	0x33, 0x73, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x14, 0x60, 0x4d, 0x57, 0x60, 0x20,
	0x36, 0x14, 0x60, 0x24, 0x57, 0x5f, 0x5f, 0xfd, 0x5b, 0x5f, 0x35, 0x80, 0x15, 0x60,
	0x49, 0x57, 0x62, 0x00, 0x1f, 0xff, 0x81, 0x06, 0x90, 0x81, 0x54, 0x14, 0x60, 0x3c,
	0x57, 0x5f, 0x5f, 0xfd, 0x5b, 0x62, 0x00, 0x1f, 0xff, 0x01, 0x54, 0x5f, 0x52, 0x60,
	0x20, 0x5f, 0xf3, 0x5b, 0x5f, 0x5f, 0xfd, 0x5b, 0x62, 0x00, 0x1f, 0xff, 0x42, 0x06,
	0x42, 0x81, 0x55, 0x5f, 0x35, 0x90, 0x62, 0x00, 0x1f, 0xff, 0x01, 0x55, 0x00,
};
static const struct eth_address history_address = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5,
						    0x3a, 0x10, 0xcb, 0x7a, 0x02, 0x33, 0x5b,
						    0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};
static const struct eth_address beacon_address = {{0x00, 0x0f, 0x3d, 0xf6, 0xd7, 0x32, 0x80,
						   0x7e, 0xf1, 0x31, 0x9f, 0xb7, 0xb8, 0xbb,
						   0x85, 0x22, 0xd0, 0xbe, 0xac, 0x02}};

#define SPAN_OF_ARRAY(a) ((struct span){(const char *)(a), sizeof(a)})

static struct eth_address address_of(enum world_kind kind, unsigned index)
{
	unsigned char text[] = "mock-node \0\0\0\0\0\0\0\0\0";
	struct eth_bytes32 digest;
	struct eth_address address;

	if (kind == WORLD_HISTORY)
		return history_address;
	if (kind == WORLD_BEACON)
		return beacon_address;
	text[10] = (unsigned char)kind;
	be64_put(text + 11, index);
	keccak256(text, sizeof text - 1, &digest);
	memcpy(address.bytes, digest.bytes + 12, sizeof address.bytes);
	return address;
}

/* Copies a template into the code area and writes an address into the copy. */
static struct span code_naming(unsigned char **area, struct span pattern, size_t at,
			       const struct eth_address *named)
{
	unsigned char *code = *area;
	memcpy(code, pattern.ptr, pattern.len);
	memcpy(code + at, named->bytes, sizeof named->bytes);
	*area += pattern.len;
	return (struct span){(const char *)code, pattern.len};
}

static struct span large_code(unsigned char **area)
{
	unsigned char *code = *area;
	memcpy(code, world_reader_code, sizeof world_reader_code);
	for (size_t i = sizeof world_reader_code; i < LARGE_CODE_BYTES; i++)
		code[i] = (unsigned char)(i * 31 + i / 251);
	*area += LARGE_CODE_BYTES;
	return (struct span){(const char *)code, LARGE_CODE_BYTES};
}

static struct span code_of(enum world_kind kind, unsigned index, unsigned char **area)
{
	struct eth_address reader = address_of(WORLD_READER, index);
	switch (kind) {
	case WORLD_READER:
		return SPAN_OF_ARRAY(world_reader_code);
	case WORLD_SUMMER:
		return SPAN_OF_ARRAY(summer_code);
	case WORLD_TOKEN:
		return SPAN_OF_ARRAY(token_code);
	case WORLD_PROXY:
		return code_naming(area, SPAN_OF_ARRAY(proxy_code), PROXY_TARGET_AT, &reader);
	case WORLD_REVERTER:
		return SPAN_OF_ARRAY(reverter_code);
	case WORLD_LARGE:
		return large_code(area);
	case WORLD_DELEGATED:
		return code_naming(area, SPAN_OF_ARRAY(delegation_code), 3, &reader);
	case WORLD_HISTORY:
		return SPAN_OF_ARRAY(history_code);
	case WORLD_BEACON:
		return SPAN_OF_ARRAY(beacon_code);
	case WORLD_EOA:
	case WORLD_MOVER:
	case WORLD_KINDS:
		break;
	}
	return SPAN("");
}

static struct span address_key(const struct eth_address *address)
{
	return (struct span){(const char *)address->bytes, sizeof address->bytes};
}

struct eth_bytes32 world_mapping_slot(const struct eth_address *address, uint64_t position)
{
	unsigned char words[64] = {0};
	struct eth_bytes32 slot;

	memcpy(words + 12, address->bytes, sizeof address->bytes);
	be64_put(words + 56, position);
	keccak256(words, sizeof words, &slot);
	return slot;
}

static enum err index_balance_slots(struct world *world)
{
	world->balance_slots = calloc(WORLD_EOAS, sizeof(struct eth_bytes32));
	if (!world->balance_slots)
		return ERR_NOMEM;
	for (size_t i = 0; i < WORLD_EOAS; i++) {
		struct world_account *eoa = &world->accounts[world->first[WORLD_EOA] + i];
		struct eth_bytes32 *slot = &world->balance_slots[i];
		*slot = world_mapping_slot(&eoa->address, 0);
		struct span key = {(const char *)slot->bytes, sizeof slot->bytes};
		if (dict_put(&world->by_balance_slot, key, eoa) != OK)
			return ERR_NOMEM;
	}
	return OK;
}

static enum err add_account(struct world *world, enum world_kind kind, unsigned index,
			    unsigned char **area)
{
	struct world_account *account = &world->accounts[world->count++];
	*account = (struct world_account){address_of(kind, index), kind, index,
					  code_of(kind, index, area)};
	return dict_put(&world->by_address, address_key(&account->address), account);
}

enum err world_init(struct world *world)
{
	size_t total = 0;

	*world = (struct world){0};
	for (int kind = 0; kind < WORLD_KINDS; kind++)
		total += kind_counts[kind];
	world->accounts = calloc(total, sizeof(struct world_account));
	world->code_bytes = malloc(LARGE_CODE_BYTES + 16 * sizeof proxy_code);
	if (!world->accounts || !world->code_bytes)
		goto fail;
	unsigned char *area = world->code_bytes;
	for (int kind = 0; kind < WORLD_KINDS; kind++) {
		world->first[kind] = world->count;
		for (unsigned i = 0; i < kind_counts[kind]; i++) {
			if (add_account(world, (enum world_kind)kind, i, &area) != OK)
				goto fail;
		}
	}
	if (index_balance_slots(world) != OK)
		goto fail;
	return OK;
fail:
	world_release(world);
	return ERR_NOMEM;
}

void world_release(struct world *world)
{
	dict_release(&world->by_address);
	dict_release(&world->by_balance_slot);
	free(world->accounts);
	free(world->code_bytes);
	free(world->balance_slots);
	*world = (struct world){0};
}

const struct world_account *world_find(const struct world *world,
				       const struct eth_address *address)
{
	return dict_get(&world->by_address, address_key(address));
}

const struct world_account *world_nth(const struct world *world, enum world_kind kind,
				      unsigned index)
{
	REQUIRE(kind < WORLD_KINDS && index < kind_counts[kind]);
	return &world->accounts[world->first[kind] + index];
}
