/* SPDX-License-Identifier: MIT */
/*
 * build/bench/waits --url URL --contract ADDRESS [--rounds 9]
 *
 * Cold reads of a fork (a URL of fc_open) that nobody has asked for before, 1, 10 and 100 of
 * them, in milliseconds until the last is there, medians over rounds:
 *
 *   sync    fc_get_storage, one after the other
 *   async   fc_read_start of each, then fc_op_wait of each: so many in flight
 *   many    one fc_read_many
 */
#include "handle.h"

#define ROUNDS_MAX 99
#define MOST	   100

enum { SYNC, ASYNC, MANY, WAYS };
static const char *const ways[WAYS] = {"sync", "async", "many"};
static const uint32_t counts[] = {1, 10, MOST};
#define COUNTS (sizeof counts / sizeof *counts)

struct scene {
	struct handle handle;
	struct fc_address contract;
	uint64_t slot; /* the next one */
};

static void parse_contract(struct scene *s, const char *text)
{
	for (size_t i = 0; i < sizeof s->contract.bytes; i++) {
		unsigned byte;
		if (sscanf(text + 2 + 2 * i, "%2x", &byte) != 1)
			die("%s is no address", text);
		s->contract.bytes[i] = (uint8_t)byte;
	}
}

static struct fc_read next_read(struct scene *s)
{
	struct fc_read read = {.kind = FC_READ_STORAGE, .address = s->contract};
	be64_put(read.slot.bytes + 24, ++s->slot);
	return read;
}

static void read_sync(struct scene *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct fc_read read = next_read(s);
		handle_must(&s->handle, fc_get_storage(s->handle.state, &read.address,
						       &read.slot, &read.value));
		USED(read.value.bytes[31]);
	}
}

static void read_async(struct scene *s, uint32_t n)
{
	struct fc_op *ops[MOST];
	for (uint32_t i = 0; i < n; i++) {
		const struct fc_read read = next_read(s);
		handle_must(&s->handle,
			    fc_read_start(s->handle.state, &read, 1, NULL, &ops[i]));
	}
	for (uint32_t i = 0; i < n; i++) {
		handle_must(&s->handle, fc_op_wait(ops[i], -1));
		if (fc_op_result(ops[i]) != FC_OK)
			die("a read failed: %s", fc_op_detail(ops[i]));
		fc_op_free(&ops[i]);
	}
}

static void read_many(struct scene *s, uint32_t n)
{
	struct fc_read reads[MOST];
	for (uint32_t i = 0; i < n; i++)
		reads[i] = next_read(s);
	handle_must(&s->handle, fc_read_many(s->handle.state, reads, n));
}

static double time_ms(struct scene *s, void (*read)(struct scene *s, uint32_t n), uint32_t n)
{
	const uint64_t start = now_ns();
	read(s, n);
	return (double)(now_ns() - start) / 1e6;
}

int main(int argc, char **argv)
{
	static void (*const reads[WAYS])(struct scene * s, uint32_t n) = {read_sync, read_async,
									  read_many};
	static double took[COUNTS][WAYS][ROUNDS_MAX];
	const char *url = arg_text(argc, argv, "--url", NULL);
	const char *contract = arg_text(argc, argv, "--contract", NULL);
	const uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	struct scene s = {.slot = UINT64_C(1) << 40};
	if (!url || !contract || strlen(contract) != 42 || !rounds || rounds > ROUNDS_MAX)
		die("--url or --contract is missing, or --rounds is out of range");
	parse_contract(&s, contract);
	handle_open(&s.handle, url, "", "");
	/* It learns what the node can do by its first questions. */
	read_many(&s, 2);
	for (uint64_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < COUNTS; i++)
			for (int way = 0; way < WAYS; way++)
				took[i][way][round] = time_ms(&s, reads[way], counts[i]);
	printf("{\"in_flight\": [");
	for (size_t i = 0; i < COUNTS; i++) {
		printf("%s{\"n\": %u", i ? ", " : "", counts[i]);
		for (int way = 0; way < WAYS; way++)
			printf(", \"%s_ms\": %.2f", ways[way], median(took[i][way], rounds));
		printf("}");
	}
	printf("]}\n");
	handle_close(&s.handle);
	return 0;
}
