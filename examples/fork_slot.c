/* SPDX-License-Identifier: MIT */
/*
 * Reads one storage slot of a forked chain.
 *
 *     fork_slot http://127.0.0.1:8545 0xADDRESS SLOT
 *
 * The node is asked once: what it has said is in the database's caches from then on.
 */
#include <forkcache.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
	return c >= '0' && c <= '9' ? c - '0' : at ? (int)(at - digits) : -1;
}

/* Right-aligned, as numbers are. */
static int read_hex(const char *text, uint8_t *bytes, size_t n)
{
	memset(bytes, 0, n);
	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	const size_t digits = strlen(text);
	if (digits == 0 || digits > 2 * n)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		const int value = hex_digit(text[digits - 1 - i]);
		if (value < 0)
			return -1;
		bytes[n - 1 - i / 2] |= (uint8_t)(i % 2 ? value << 4 : value);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct fc_db *db = NULL;
	struct fc_state *state = NULL;
	struct fc_error why = {.err = FC_OK};
	struct fc_address address;
	struct fc_bytes32 slot, value;
	char urls[1024];

	if (argc != 4 || read_hex(argv[2], address.bytes, sizeof address.bytes) != 0 ||
	    read_hex(argv[3], slot.bytes, sizeof slot.bytes) != 0) {
		fprintf(stderr, "usage: fork_slot URL ADDRESS SLOT\n");
		return 2;
	}
	snprintf(urls, sizeof urls, "fork+%s", argv[1]);
	if (fc_open(urls, &db, &why) != FC_OK) {
		fprintf(stderr, "fork_slot: %s\n", why.detail);
		return 1;
	}
	enum fc_err err = fc_state_new(db, NULL, &state);
	if (err == FC_OK)
		err = fc_get_storage(state, &address, &slot, &value);
	if (err == FC_OK) {
		printf("0x");
		for (size_t i = 0; i < sizeof value.bytes; i++)
			printf("%02x", value.bytes[i]);
		printf("\n");
	} else {
		fprintf(stderr, "fork_slot: %s: %s\n", fc_strerror(err), fc_detail(state));
	}
	fc_state_free(&state);
	const enum fc_err closed = fc_close(&db, &why);
	return err == FC_OK && closed == FC_OK ? 0 : 1;
}
