/* SPDX-License-Identifier: MIT */
/*
 * The loading of a change dump (layers/dump.h):
 *  - what is refused has written nothing, and says why;
 *  - what is accepted can be dumped, and that loaded and dumped again is the same text.
 */
#include "base/buf.h"
#include "layers/dump.h"
#include "layers/overlay.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Slot 5 holds something, so that a value can be the original one. */
static enum err original(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	(void)cookie, (void)address;
	*value = (struct eth_bytes32){{0}};
	if (slot->bytes[31] == 5)
		value->bytes[31] = 1;
	return OK;
}

static enum err write_piece(void *cookie, const void *bytes, size_t n)
{
	buf_append(cookie, bytes, n);
	return buf_err(cookie);
}

static enum err destroy(void *cookie, const struct eth_address *address)
{
	return overlay_destroy(cookie, address);
}

static enum err set_account(void *cookie, const struct eth_address *address,
			    const struct account_fields *fields, struct blob *code)
{
	return overlay_set_account(cookie, address, fields, code);
}

static enum err set_slot(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	return overlay_set_slot(cookie, address, slot, value);
}

/* Loads and dumps. False: refused. */
static bool pass(struct span in, struct buf *out)
{
	const struct dump_target target = {destroy, set_account, set_slot};
	struct overlay *overlay;
	struct err_detail detail = {{0}};
	REQUIRE(overlay_new(&overlay) == OK);
	const enum err err = dump_load(in, &target, overlay, &detail);
	if (err != OK) {
		REQUIRE(err == ERR_INVALID && detail.text[0] != '\0');
		REQUIRE(overlay_is_empty(overlay));
	} else {
		REQUIRE(dump_changes(overlay_changes(overlay), original, NULL, write_piece, out,
				     &detail) == OK);
	}
	overlay_free(&overlay);
	return err == OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;
	/* Of its own length, so that a read behind it is seen. */
	char *in = malloc(size > 0 ? size : 1);
	REQUIRE(in);
	if (size > 0)
		memcpy(in, data, size);
	buf_init(&first, 1 << 24);
	buf_init(&second, 1 << 24);
	if (pass((struct span){in, size}, &first)) {
		REQUIRE(pass(buf_as_span(&first), &second));
		REQUIRE(span_equal(buf_as_span(&first), buf_as_span(&second)));
	}
	buf_release(&first);
	buf_release(&second);
	free(in);
	return 0;
}
