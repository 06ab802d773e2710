/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reads the params array of a request by a method's row.
 *
 * Everything is a span of the request's body or a value: nothing is allocated. What clients
 * send in two orders (PARAM_TYPES) stands in that of the row. Errors are
 * go-ethereum's: "missing value for required argument N", "too many arguments, want at most
 * N", "invalid argument N: ...".
 */
#include "base/eth.h"
#include "base/json.h"
#include "rpc/method.h"

enum block_param_kind { BLOCK_TAG, BLOCK_NUMBER, BLOCK_HASH };
/* An omitted parameter is TAG_LATEST. */
enum block_tag { TAG_LATEST, TAG_SAFE, TAG_FINALIZED, TAG_PENDING };

/* Pinned, all tags but "earliest" mean the pinned block. */
struct block_param {
	enum block_param_kind kind;
	enum block_tag tag;	 /* BLOCK_TAG */
	uint64_t number;	 /* BLOCK_NUMBER; "earliest" is 0 */
	struct eth_bytes32 hash; /* BLOCK_HASH */
	bool require_canonical;	 /* EIP-1898 */
};

struct params {
	/* Set by every row that names one, else undefined for METHOD_FACT, and zero. */
	struct eth_address address;
	struct eth_bytes32 slot;
	struct eth_bytes32 hash;
	/* Always set. */
	unsigned n;
	bool flag;
	uint64_t index;	  /* PARAM_INDEX, PARAM_COUNT */
	struct span data; /* hex text of PARAM_DATA, "0x" included */
	struct span tail; /* of a row with ...: the rest, "a,b,c", or empty */
	struct block_param block;
	struct span raw[PARAMS_MAX + 1]; /* the arguments as they stand; ptr NULL: absent */
};

/* params: raw JSON, ptr NULL when the member is absent. ERR_INVALID with the message. */
enum err params_parse(const struct method *method, struct span params, struct params *out,
		      struct err_detail *message) WARN_UNUSED;
/* The same of a request, whose arguments may have been told apart already. */
enum err params_of_request(const struct method *method, const struct json_request *in,
			   struct params *out, struct err_detail *message) WARN_UNUSED;

/* Most slots that one question may name (go-ethereum's limit, of eth_getProof and
 * eth_getStorageValues). */
#define PARAM_SLOTS_MAX 1024

/* One element of PARAM_SLOTS, or of eth_getStorageValues: at least one digit. */
enum err slot_param_parse(struct span value, struct eth_bytes32 *out) WARN_UNUSED;
/* One element of PARAM_PERCENTS. */
enum err percent_parse(struct span value, double *out) WARN_UNUSED;

/* A block parameter on its own (eth_getLogs has two inside an object). */
enum err block_param_parse(struct span value, struct block_param *out,
			   struct err_detail *message) WARN_UNUSED;
