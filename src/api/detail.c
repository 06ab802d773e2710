/* SPDX-License-Identifier: MIT */
#include "api/api_impl.h"

enum { NAME_BYTES = 192 };

/* " at block 19000000", where there is one. */
static void block_text(const struct fc_state *s, char *out, size_t size)
{
	out[0] = '\0';
	if (!s->db->db.source)
		return;
	struct source_block block;
	source_block(s->db->db.source, &block);
	(void)snprintf(out, size, " at block %llu", (unsigned long long)block.number);
}

static void name_key(const struct fc_state *s, const char *what,
		     const struct eth_address *address, const struct eth_bytes32 *slot,
		     char out[NAME_BYTES])
{
	char block[40], hex[41] = {0}, slot_hex[65] = {0};
	block_text(s, block, sizeof block);
	eth_hex(address->bytes, sizeof address->bytes, hex);
	if (slot)
		eth_hex(slot->bytes, sizeof slot->bytes, slot_hex);
	(void)snprintf(out, NAME_BYTES, "%s%s%s of 0x%s%s", what, slot ? " 0x" : "", slot_hex,
		       hex, block);
}

static enum fc_err compose(const char *name, enum err err, const char *why,
			   char out[FC_DETAIL_BYTES])
{
	const enum fc_err told = fc_err_explain(err, why);
	/* What does not fit is cut: it is for a person. */
	(void)snprintf(out, FC_DETAIL_BYTES, "%s: %s", name,
		       why && why[0] ? why : fc_strerror(told));
	return told;
}

enum fc_err detail_of_need(const struct fc_state *s, const struct need *need, enum err err,
			   const char *why, char out[FC_DETAIL_BYTES])
{
	static const char *const names[] = {
		[NEED_BALANCE] = "balance", [NEED_NONCE] = "nonce", [NEED_CODE] = "code",
		[NEED_SLOT] = "slot",	    [NEED_PROOF] = "proof",
	};
	char name[NAME_BYTES];
	name_key(s, names[need->kind], &need->address,
		 need->kind == NEED_SLOT ? &need->slot : NULL, name);
	return compose(name, err, why, out);
}

enum fc_err detail_of_read(const struct fc_state *s, const struct fc_read *read, enum err err,
			   const char *why, char out[FC_DETAIL_BYTES])
{
	const bool slot = read->kind == FC_READ_STORAGE;
	const char *what = slot ? "slot" : read->kind == FC_READ_CODE ? "code" : "account";
	char name[NAME_BYTES];
	name_key(s, what, in_address(&read->address), slot ? in_bytes32(&read->slot) : NULL,
		 name);
	return compose(name, err, why, out);
}

enum fc_err state_fail(struct fc_state *s, enum fc_err err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(s->detail, sizeof s->detail, format, args);
	va_end(args);
	return err;
}

enum fc_err state_fail_err(struct fc_state *s, enum err err, const char *asked, const char *why)
{
	return compose(asked, err, why, s->detail);
}

enum fc_err state_fail_key(struct fc_state *s, const char *asked,
			   const struct fc_address *address, const struct fc_bytes32 *slot,
			   enum err err, const char *why)
{
	char name[NAME_BYTES];
	name_key(s, asked, in_address(address), slot ? in_bytes32(slot) : NULL, name);
	return compose(name, err, why, s->detail);
}

enum fc_err state_refuse(struct fc_state *s, const char *why)
{
	if (s)
		(void)state_fail(s, FC_ERR_INVALID_ARGUMENT, "invalid argument: %s", why);
	return FC_ERR_INVALID_ARGUMENT;
}
