/* SPDX-License-Identifier: MIT */
/*
 * An interpreter that cannot wait in the middle of an instruction, over a forked chain.
 *
 *     resumable http://127.0.0.1:8545 0xADDRESS
 *
 * Its toy programs move numbers between storage slots. Reads that miss say FC_PENDING and note
 * what they need; the run goes on with zero, to find what else it will need, is undone, and is
 * made again when all of that has been fetched in one batch. A program takes as many round
 * trips as it has reads that depend on each other.
 */
#include <forkcache.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum opcode { LOAD, LOAD_AT, ADD, STORE, END };

/* LOAD slot: acc = storage[slot]; LOAD_AT: acc = storage[acc % 16]; ADD n; STORE slot. */
struct instruction {
	enum opcode opcode;
	uint8_t operand;
};

static const struct instruction program[] = {
	{LOAD, 1}, {ADD, 5},	 {STORE, 2},		 /* one read */
	{LOAD, 3}, {LOAD_AT, 0}, {ADD, 1},   {STORE, 4}, /* one read, and one that depends */
	{END, 0},
};

struct vm {
	struct fc_state *state;
	struct fc_address contract;
	uint64_t acc;
	int pending; /* a read has missed: this run only finds out what it needs */
	enum fc_err err;
};

static struct fc_bytes32 word(uint64_t n)
{
	struct fc_bytes32 out = {{0}};
	for (int i = 0; i < 8; i++)
		out.bytes[31 - i] = (uint8_t)(n >> 8 * i);
	return out;
}

static uint64_t number(const struct fc_bytes32 *word)
{
	uint64_t n = 0;
	for (int i = 24; i < 32; i++)
		n = n << 8 | word->bytes[i];
	return n;
}

static void load(struct vm *vm, uint64_t slot)
{
	struct fc_bytes32 value = {{0}};
	const struct fc_bytes32 key = word(slot);
	const enum fc_err err = fc_get_storage(vm->state, &vm->contract, &key, &value);
	if (err == FC_PENDING)
		vm->pending = 1;
	else
		vm->err = err;
	vm->acc = number(&value);
}

static void store(struct vm *vm, uint64_t slot)
{
	const struct fc_bytes32 key = word(slot), value = word(vm->acc);
	vm->err = fc_set_storage(vm->state, &vm->contract, &key, &value);
}

static void run(struct vm *vm)
{
	vm->acc = 0;
	vm->pending = 0;
	for (const struct instruction *i = program; i->opcode != END && vm->err == FC_OK; i++)
		switch (i->opcode) {
		case LOAD:
			load(vm, i->operand);
			break;
		case LOAD_AT:
			/* Where it would read is not known yet. */
			if (!vm->pending)
				load(vm, vm->acc % 16);
			break;
		case ADD:
			vm->acc += i->operand;
			break;
		case STORE:
			store(vm, i->operand);
			break;
		case END:
			break;
		}
}

/* Runs until nothing is missing; returns the number of round trips, -1 after an error. */
static int run_to_the_end(struct vm *vm)
{
	for (int trips = 0; vm->err == FC_OK; trips++) {
		uint64_t before;
		vm->err = fc_snapshot(vm->state, &before);
		if (vm->err == FC_OK)
			run(vm);
		if (vm->err == FC_OK && !vm->pending) {
			vm->err = fc_snapshot_commit(vm->state, before);
			return vm->err == FC_OK ? trips : -1;
		}
		if (vm->err == FC_OK)
			vm->err = fc_revert(vm->state, before);
		if (vm->err == FC_OK)
			vm->err = fc_fetch_needed(vm->state);
	}
	return -1;
}

static int parse_address(const char *text, struct fc_address *address)
{
	if (strlen(text) != 42 || strncmp(text, "0x", 2) != 0)
		return -1;
	for (int i = 0; i < 20; i++) {
		unsigned byte;
		if (sscanf(text + 2 + 2 * i, "%2x", &byte) != 1)
			return -1;
		address->bytes[i] = (uint8_t)byte;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct fc_state_options options = {.size = sizeof options, .wait = FC_RESUMABLE};
	struct fc_db *db = NULL;
	struct fc_error why = {.err = FC_OK};
	struct vm vm = {.err = FC_OK};
	char urls[1024];
	int trips = -1;

	if (argc != 3 || parse_address(argv[2], &vm.contract) != 0) {
		fprintf(stderr, "usage: resumable URL ADDRESS\n");
		return 2;
	}
	snprintf(urls, sizeof urls, "overlay://,fork+%s", argv[1]);
	if (fc_open(urls, &db, &why) != FC_OK) {
		fprintf(stderr, "resumable: %s\n", why.detail);
		return 1;
	}
	vm.err = fc_state_new(db, &options, &vm.state);
	if (vm.err == FC_OK)
		trips = run_to_the_end(&vm);
	if (trips >= 0)
		printf("%" PRIu64 " after %d round trips\n", vm.acc, trips);
	else
		fprintf(stderr, "resumable: %s: %s\n", fc_strerror(vm.err),
			fc_detail(vm.state));
	fc_state_free(&vm.state);
	return fc_close(&db, &why) == FC_OK && trips >= 0 ? 0 : 1;
}
