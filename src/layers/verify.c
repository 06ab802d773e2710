/* SPDX-License-Identifier: MIT */
#include "layers/verify.h"
#include "base/keccak.h"

struct verify {
	struct state *state;
	verify_finding_fn *finding;
	void *cookie;
	bool found, has_source;
	/* The account whose slots are walked has been looked at. */
	bool known;
	struct eth_address address;
};

static void find(struct verify *verify, const char *format, const void *bytes, size_t n)
{
	struct err_detail what;
	char hex[2 * sizeof(struct eth_bytes32) + 1] = {0};
	eth_hex(bytes, n, hex);
	verify->found = true;
	(void)snprintf(what.text, sizeof what.text, "0x%s: %s", hex, format);
	verify->finding(verify->cookie, ERR_CORRUPT, what.text);
}

static enum err on_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	struct verify *verify = cookie;
	struct eth_bytes32 hash;
	keccak256(code->bytes, code->len, &hash);
	if (!eth_bytes32_equal(&hash, code_hash))
		find(verify, "code does not have this hash", code_hash->bytes, 32);
	return OK;
}

static enum err check_code(struct verify *verify, const struct eth_address *address,
			   const struct eth_bytes32 *code_hash)
{
	struct blob *code = NULL;
	struct fault fault;
	if (eth_bytes32_equal(code_hash, &eth_empty_code_hash))
		return OK;
	const enum lookup found = state_code_by_hash(verify->state, code_hash, &code, &fault);
	if (found == HIT)
		(void)on_code(verify, code_hash, code);
	else if (found == FAILED)
		find(verify, fault.detail.text, address->bytes, sizeof address->bytes);
	else if (!verify->has_source)
		find(verify, "the code of this account is not here", address->bytes,
		     sizeof address->bytes);
	blob_put(&code);
	return OK;
}

static enum err on_account(void *cookie, const struct eth_address *address,
			   const struct account_state *account)
{
	struct verify *verify = cookie;
	if (!(account->fields.mask & ACCOUNT_CODE_HASH))
		return OK;
	return check_code(verify, address, &account->fields.code_hash);
}

static enum err on_slot(void *cookie, const struct eth_address *address,
			const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	static const struct eth_bytes32 zero;
	struct verify *verify = cookie;
	struct account_state account;
	struct fault fault;
	(void)slot;
	if (eth_bytes32_equal(value, &zero) ||
	    (verify->known && memcmp(&verify->address, address, sizeof *address) == 0))
		return OK;
	const enum lookup found = state_account(verify->state, address, ACCOUNT_EXISTENCE,
						&account, NULL, &fault);
	verify->known = true;
	verify->address = *address;
	if (found == HIT && !account.exists)
		find(verify, "it has storage, and there is no such account", address->bytes,
		     sizeof address->bytes);
	return OK;
}

enum err verify_state(struct state *state, verify_finding_fn *finding, void *cookie,
		      struct err_detail *detail)
{
	struct layer_walk walk = {.account = on_account, .slot = on_slot, .code = on_code};
	struct verify verify = {.state = state,
				.finding = finding,
				.cookie = cookie,
				.has_source = state_source_view(state) != NULL};
	struct layer_view *top = state_top_view(state);
	enum err err = top->layer->ops->walk(top, &walk, &verify, detail);
	walk.written_only = true;
	if (err == ERR_UNSUPPORTED && verify.has_source)
		err = top->layer->ops->walk(top, &walk, &verify, detail);
	state_rest(state);
	if (err == ERR_CORRUPT) {
		verify.found = true;
		finding(cookie, err, detail->text);
	} else if (err != OK) {
		return err;
	}
	return verify.found ? err_set(detail, ERR_CORRUPT, "findings were reported") : OK;
}
