/* SPDX-License-Identifier: MIT */
#include "fake_node.h"
#include "base/json.h"
#include <limits.h>
#include <stdio.h>

struct fake_node fake_nodes[FAKE_NODES];

struct eth_bytes32 fake_node_hash(const struct fake_node *node, uint64_t number)
{
	struct eth_bytes32 hash;
	memset(hash.bytes, node->salt, sizeof hash.bytes);
	be64_put(hash.bytes + 24, number);
	return hash;
}

struct eth_bytes32 fake_node_slot(const struct eth_address *address,
				  const struct eth_bytes32 *slot)
{
	struct eth_bytes32 value = {0};
	be64_put(value.bytes + 24, be64_get(slot->bytes + 24) * 3 + address->bytes[19]);
	return value;
}

uint64_t fake_node_balance(const struct eth_address *address)
{
	return (uint64_t)address->bytes[19] * 7;
}

static bool fault_is(const struct fake_node *node, enum fake_fault fault)
{
	return node->fault_left > 0 && node->fault == fault;
}

static struct span element(struct span params, size_t n)
{
	struct json_iter iter = json_iter(params);
	struct span value = {0};
	for (size_t i = 0; i <= n; i++)
		if (!json_next_element(&iter, &value))
			return (struct span){0};
	return value;
}

static struct eth_address address_of(struct span value)
{
	struct eth_address address = {0};
	REQUIRE(eth_address_parse(json_string_raw(value), &address) == OK);
	return address;
}

static struct eth_bytes32 slot_of(struct span value)
{
	struct eth_bytes32 slot;
	REQUIRE(eth_slot_parse(json_string_raw(value), &slot) == OK);
	return slot;
}

static void hex_string(struct buf *out, const void *bytes, size_t n)
{
	buf_char(out, '"');
	buf_hex(out, bytes, n);
	buf_char(out, '"');
}

static void error(struct buf *out, int code, const char *message)
{
	buf_printf(out, "\"error\":{\"code\":%d", code);
	if (message) {
		buf_text(out, ",\"message\":");
		buf_json_string(out, span_of(message));
	}
	buf_char(out, '}');
}

static void block(struct fake_node *node, struct span which, struct buf *out)
{
	struct span text = json_string_raw(which);
	uint64_t number = node->head;
	if (span_is(text, "finalized") && node->no_finalized_tag) {
		error(out, -32602, "invalid params: unknown tag");
		return;
	}
	if (span_is(text, "finalized"))
		number = node->finalized;
	else if (text.len == 66)
		number = be64_get(slot_of(which).bytes + 24);
	else if (!span_is(text, "latest") && !span_is(text, "safe"))
		REQUIRE(eth_quantity_u64(text, &number) == OK);
	if (number > node->head) {
		buf_text(out, "\"result\":null");
		return;
	}
	struct eth_bytes32 hash = fake_node_hash(node, number);
	buf_printf(out,
		   "\"result\":{\"number\":\"0x%llx\",\"hash\":", (unsigned long long)number);
	hex_string(out, hash.bytes, sizeof hash.bytes);
	buf_char(out, '}');
}

static void values(struct fake_node *node, struct span wanted, struct buf *out)
{
	struct json_iter accounts = json_iter(wanted);
	struct span key, slots, item;
	bool first = true, skip = fault_is(node, FAULT_SHORT);
	node->values_calls++;
	buf_text(out, "\"result\":{");
	while (json_next_member(&accounts, &key, &slots)) {
		struct eth_address address;
		REQUIRE(eth_address_parse(key, &address) == OK);
		if (!first)
			buf_char(out, ',');
		first = false;
		hex_string(out, address.bytes, sizeof address.bytes);
		buf_text(out, ":[");
		struct json_iter iter = json_iter(slots);
		for (bool comma = false; json_next_element(&iter, &item);) {
			if (skip) {
				skip = false;
				continue;
			}
			if (comma)
				buf_char(out, ',');
			comma = true;
			struct eth_bytes32 slot = slot_of(item);
			struct eth_bytes32 value = fake_node_slot(&address, &slot);
			hex_string(out, value.bytes, sizeof value.bytes);
		}
		buf_char(out, ']');
	}
	buf_char(out, '}');
}

static bool state_fault(struct fake_node *node, struct buf *out)
{
	if (fault_is(node, FAULT_RPC) || fault_is(node, FAULT_STATUS_RPC))
		error(out, node->fault_code, node->fault_message);
	else if (fault_is(node, FAULT_NO_MESSAGE))
		error(out, -32000, NULL);
	else if (fault_is(node, FAULT_NULL))
		buf_text(out, "\"result\":null");
	else if (fault_is(node, FAULT_EMPTY_HEX))
		buf_text(out, "\"result\":\"0x\"");
	else
		return false;
	return true;
}

static void account(struct fake_node *node, struct span method, struct span params,
		    struct buf *out)
{
	struct eth_address address = address_of(element(params, 0));
	node->account_calls++;
	if (span_is(method, "eth_getBalance"))
		buf_printf(out, "\"result\":\"0x%llx\"",
			   (unsigned long long)fake_node_balance(&address));
	else if (span_is(method, "eth_getTransactionCount"))
		buf_text(out, "\"result\":\"0x5\"");
	else {
		buf_text(out, "\"result\":");
		hex_string(out, address.bytes, sizeof address.bytes);
	}
}

static void info(struct fake_node *node, struct span params, struct buf *out)
{
	struct eth_address address = address_of(element(params, 0));
	node->info_calls++;
	buf_printf(out, "\"result\":{\"balance\":\"0x%llx\",\"nonce\":\"0x5\"",
		   (unsigned long long)fake_node_balance(&address));
	if (!fault_is(node, FAULT_SHORT)) {
		buf_text(out, ",\"code\":");
		hex_string(out, address.bytes, sizeof address.bytes);
	}
	buf_char(out, '}');
}

static bool identity(struct fake_node *node, struct span method, struct span params,
		     struct buf *out)
{
	if (span_is(method, "eth_chainId"))
		buf_printf(out, "\"result\":\"0x%llx\"", (unsigned long long)node->chain_id);
	else if (span_is(method, "web3_clientVersion") && node->version_fails > 0) {
		node->version_fails--;
		error(out, -32603, "internal error");
	} else if (span_is(method, "web3_clientVersion") && node->version)
		buf_printf(out, "\"result\":\"%s\"", node->version);
	else if (span_is(method, "eth_blockNumber"))
		buf_printf(out, "\"result\":\"0x%llx\"", (unsigned long long)node->head);
	else if (span_is(method, "eth_getBlockByNumber") ||
		 span_is(method, "eth_getBlockByHash")) {
		node->block_calls++;
		block(node, element(params, 0), out);
	} else
		return false;
	return true;
}

static void method_call(struct fake_node *node, struct span method, struct span params,
			struct buf *out)
{
	if (node->limits_blocks && node->in_batch && span_is(method, "eth_getBlockByNumber")) {
		error(out, -32005, "rate limit");
		return;
	}
	if (identity(node, method, params, out))
		return;
	const bool is_slot = span_is(method, "eth_getStorageAt");
	const bool is_account = span_is(method, "eth_getBalance") ||
				span_is(method, "eth_getTransactionCount") ||
				span_is(method, "eth_getCode");
	if (state_fault(node, out))
		return;
	if (node->refuses_block_hash && params.len > 2 &&
	    memmem(params.ptr, params.len, "blockHash", 9)) {
		error(out, -32602, "invalid params: expected a string");
	} else if (is_slot) {
		struct eth_address address = address_of(element(params, 0));
		struct eth_bytes32 slot = slot_of(element(params, 1));
		struct eth_bytes32 value = fake_node_slot(&address, &slot);
		node->slot_calls++;
		buf_text(out, "\"result\":");
		hex_string(out, value.bytes, sizeof value.bytes);
	} else if (is_account) {
		account(node, method, params, out);
	} else if (node->has_values && span_is(method, "eth_getStorageValues")) {
		values(node, element(params, 0), out);
	} else if (node->has_info && span_is(method, "eth_getAccountInfo")) {
		info(node, params, out);
	} else if (span_is(method, "test_echo")) {
		node->other_calls++;
		buf_text(out, "\"result\":");
		buf_span(out, params);
	} else {
		error(out, -32601, "the method does not exist/is not available");
	}
}

static void write_id(struct fake_node *node, struct span id, struct buf *out)
{
	if (fault_is(node, FAULT_WRONG_ID))
		buf_text(out, ",\"id\":77");
	else if (fault_is(node, FAULT_NULL_ID))
		buf_text(out, ",\"id\":null");
	else if (fault_is(node, FAULT_STRING_ID))
		buf_printf(out, ",\"id\":\"%.*s\"", (int)id.len, id.ptr);
	else
		buf_printf(out, ",\"id\":%.*s", (int)id.len, id.ptr);
}

static void item(struct fake_node *node, const struct json_request *request, struct buf *out)
{
	buf_char(out, '{');
	method_call(node, request->method, request->params, out);
	write_id(node, request->id, out);
	if (fault_is(node, FAULT_ERROR_NULL))
		buf_text(out, ",\"error\":null");
	if (!fault_is(node, FAULT_NO_VERSION))
		buf_text(out, ",\"jsonrpc\":\"2.0\"");
	buf_char(out, '}');
}

static size_t scan(struct fake_node *node, struct span body, struct json_request *requests,
		   size_t max)
{
	struct span rest = body, value;
	size_t at, n = 0;
	if (body.ptr[0] == '[') {
		REQUIRE(json_document(body, JSON_DEPTH_MAX, &value, &at) == OK);
		struct json_iter iter = json_iter(value);
		while (json_next_element(&iter, &rest)) {
			REQUIRE(n < max);
			REQUIRE(json_request_next(&rest, JSON_DEPTH_MAX, &requests[n++], &at) ==
				OK);
		}
	} else {
		REQUIRE(json_request_next(&rest, JSON_DEPTH_MAX, &requests[n++], &at) == OK);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t id = 0;
		REQUIRE(requests[i].is_object && requests[i].version_ok && requests[i].id.len);
		for (size_t k = 0; k < requests[i].id.len; k++)
			id = id * 10 + (uint64_t)(requests[i].id.ptr[k] - '0');
		node->id_repeated |= node->last_id != 0 && id <= node->last_id;
		node->last_id = id;
	}
	return n;
}

static size_t count(struct span text, const char *word)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	size_t n = 0;
	while ((at = memmem(at, (size_t)(end - at), word, strlen(word)))) {
		at++;
		n++;
	}
	return n;
}

static bool composite_fault(struct fake_node *node, struct span body, struct fake_reply *reply)
{
	if (!node->composite_fault ||
	    (!count(body, "eth_getStorageValues") && !count(body, "eth_getAccountInfo")))
		return false;
	if (count(body, "\"0x") <= node->composite_slots)
		return false;
	reply->status = node->composite_fault == FAULT_STATUS ? 500 : 200;
	reply->never = node->composite_fault == FAULT_HANG;
	if (node->composite_fault == FAULT_RESET) {
		reply->err = ERR_NETWORK;
		reply->detail = "connection reset";
	}
	return true;
}

static bool transport_fault(struct fake_node *node, struct span body, struct fake_reply *reply,
			    struct buf *out)
{
	static const char html[] = "<html><body>502 Bad Gateway</body></html>";
	reply->delay_us = node->latency_us;
	reply->opened_us = node->opened_us;
	if (composite_fault(node, body, reply))
		return true;
	if (fault_is(node, FAULT_TOO_LARGE)) {
		reply->err = ERR_LIMIT;
		return true;
	}
	if (fault_is(node, FAULT_STATUS) || fault_is(node, FAULT_STATUS_RPC)) {
		reply->status = node->fault_status;
		reply->retry_after_ms = node->fault_retry_after_ms;
		return fault_is(node, FAULT_STATUS);
	}
	if (fault_is(node, FAULT_RESET) || fault_is(node, FAULT_REFUSED) || node->down) {
		reply->err = ERR_NETWORK;
		reply->connected = fault_is(node, FAULT_RESET);
		reply->detail = reply->connected ? "connection reset" : "connection refused";
		return true;
	}
	reply->never = fault_is(node, FAULT_HANG);
	if (fault_is(node, FAULT_HTML))
		buf_text(out, html);
	return reply->never || fault_is(node, FAULT_HTML) || fault_is(node, FAULT_EMPTY_BODY);
}

static bool batch_refused(struct fake_node *node, size_t n, struct json_request *requests,
			  struct fake_reply *reply, struct buf *out)
{
	if (node->items_per_request_limit && n > node->items_per_request_limit) {
		reply->status = 429;
		return true;
	}
	if ((fault_is(node, FAULT_ONE_OBJECT) || fault_is(node, FAULT_ONE_ITEM)) && n > 1) {
		const bool item = fault_is(node, FAULT_ONE_ITEM);
		buf_printf(out, "%s{\"jsonrpc\":\"2.0\",\"id\":null,", item ? "[" : "");
		error(out, node->fault_code, node->fault_message);
		buf_text(out, item ? "}]" : "}");
		return true;
	}
	if (!node->batch_limit || n <= node->batch_limit)
		return false;
	if (node->refuses_with_reset) {
		reply->err = ERR_NETWORK;
		reply->detail = "connection reset";
	} else if (node->refuses_with_413) {
		reply->status = 413;
	} else if (node->refuses_with_array) {
		buf_printf(out, "[{\"jsonrpc\":\"2.0\",\"id\":%.*s,", (int)requests[0].id.len,
			   requests[0].id.ptr);
		error(out, -32600, "batch too large");
		buf_text(out, "}]");
	} else {
		buf_text(out, "{\"jsonrpc\":\"2.0\",\"id\":null,");
		error(out, -32005, "too many requests in batch, limit");
		buf_char(out, '}');
	}
	return true;
}

static void answer(struct fake_node *node, struct span body, struct json_request *requests,
		   size_t n, struct buf *out)
{
	const bool batch = node->in_batch = body.ptr[0] == '[';
	const bool reversed = fault_is(node, FAULT_REVERSED);
	const size_t missing = fault_is(node, FAULT_MISSING_ITEM) ? n / 2 : SIZE_MAX;
	bool comma = false;
	if (batch)
		buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		size_t at = reversed ? n - 1 - i : i;
		if (batch && at == missing)
			continue;
		if (comma)
			buf_char(out, ',');
		comma = true;
		item(node, &requests[at], out);
		if (batch && at == 0 && fault_is(node, FAULT_TWICE)) {
			buf_char(out, ',');
			item(node, &requests[at], out);
		}
		if (batch && at == 0 && fault_is(node, FAULT_TWO_ANSWERS))
			buf_printf(out, ",{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":\"0x1\"}",
				   (int)requests[at].id.len, requests[at].id.ptr);
	}
	if (batch && fault_is(node, FAULT_EXTRA_ITEM))
		buf_text(out,
			 ",{\"jsonrpc\":\"2.0\",\"id\":999999999999,\"result\":\"0x1\"},7");
	if (batch)
		buf_char(out, ']');
	if (fault_is(node, FAULT_TRUNCATED))
		out->len /= 2;
}

static bool is_probe(struct span body)
{
	return memmem(body.ptr, body.len, "eth_chainId", 11) ||
	       memmem(body.ptr, body.len, "web3_clientVersion", 18) ||
	       (body.ptr[0] == '{' && memmem(body.ptr, body.len, "eth_getBlockBy", 14)) ||
	       memmem(body.ptr, body.len, "eth_blockNumber", 15);
}

static void script(void *cookie, uint64_t now_us, const char *host, struct span body,
		   struct fake_reply *reply)
{
	static _Thread_local struct json_request requests[4096];
	struct buf out;
	struct fake_node *node = &((struct fake_node *)cookie)[host[1] - '0'];
	const bool probe = is_probe(body);
	const unsigned left = node->fault_left;
	buf_init(&out, (size_t)64 << 20);
	if (probe && !node->fault_probes)
		node->fault_left = 0;
	size_t n = scan(node, body, requests, sizeof requests / sizeof requests[0]);
	if (probe) {
		node->probes++;
	} else {
		if (node->requests < sizeof node->at_us / sizeof node->at_us[0])
			node->at_us[node->requests] = now_us;
		node->requests++;
		node->items += n;
		node->batches += body.ptr[0] == '[';
		node->largest_batch = n > node->largest_batch ? n : node->largest_batch;
	}
	node->last_us = now_us;
	if (!transport_fault(node, body, reply, &out) &&
	    !batch_refused(node, n, requests, reply, &out))
		answer(node, body, requests, n, &out);
	node->fault_left = left;
	if ((!probe || node->fault_probes) && left > 0 && left < UINT_MAX)
		node->fault_left--;
	REQUIRE(buf_err(&out) == OK);
	reply->body = out.ptr;
	reply->body_len = out.len;
}

void fake_node_reset(void)
{
	memset(fake_nodes, 0, sizeof fake_nodes);
	for (size_t i = 0; i < FAKE_NODES; i++)
		fake_nodes[i] = (struct fake_node){
			.chain_id = 1,
			.head = 1000,
			.finalized = 900,
			.salt = 0xab,
			.version = "Geth/v1.16.2/linux-amd64",
			.latency_us = 50000,
			.fault_retry_after_ms = -1,
		};
	fake_client_script(script, fake_nodes);
}
