/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a method handler produces: one JSON value, either the result or the error object.
 * A handler appends its result to `json`, or calls answer_error, which drops what is there.
 */
#include "base/buf.h"

#define RPC_PARSE_ERROR	    -32700
#define RPC_INVALID_REQUEST -32600
#define RPC_NO_METHOD	    -32601
#define RPC_INVALID_PARAMS  -32602
#define RPC_INTERNAL	    -32603
#define RPC_SERVER_ERROR    -32000
#define RPC_REVERT	    3

struct answer {
	struct buf json;
	bool is_error;
};

/* Returns false, so that `return answer_error(...)` reads well in a bool function. */
bool answer_error(struct answer *answer, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same with a `data` member: `data_json` is JSON text. */
void answer_error_data(struct answer *answer, int code, const char *message,
		       struct span data_json);
