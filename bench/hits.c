/* SPDX-License-Identifier: MIT */
/*
 * build/bench/hits --folder FOLDER --cache FOLDER [--entries 100000] [--reads 1000000]
 *                  [--rounds 9]
 *
 * A read that hits, through a handle of the library and beside it through what answers it, in
 * nanoseconds, medians over interleaved rounds. Slots in random order, 256 to an account, their
 * names ready in an array:
 *
 *   memory   memory://, published             direct: changes_read_slot of what is published
 *   own      memory://, written in a batch    direct: changes_read_slot of the handle's overlay
 *   cached   memory:// over lmdb://, cached   direct: filedb_get_slot, without the cache
 *   fork     a fork whose memory is warm      direct: fact_prepare and stack_get_fact
 *   account  three fields of an account, memory://     direct: changes_read_account
 *
 * --folder: a new one, for the file database. --cache: one of build/bench/fill with as many
 * entries or more.
 */
#include "handle.h"
#include "store_fixture.h"
#include "layers/shared_impl.h"
#include "layers/source_impl.h"

#define ROUNDS_MAX 99
#define BATCH	   1000
#define FIELDS	   ((uint32_t)(FC_BALANCE | FC_NONCE | FC_CODE_HASH))

enum { MEMORY, OWN, CACHED, FORK, ACCOUNT, KINDS };
static const char *const kinds[KINDS] = {"memory", "own", "cached", "fork", "account"};

struct scene {
	uint32_t entries;
	uint64_t reads;
	struct slot_name *names;
	struct handle handles[KINDS];
};

static double time_file(struct scene *s)
{
	struct layer_view *view = state_writable_view(s->handles[CACHED].state->state);
	struct filedb_reader *reader = shared_view_of(view)->reader;
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->entries];
		struct eth_bytes32 value;
		enum err err;
		if (filedb_get_slot(reader, in_address(&name->address), 0,
				    in_bytes32(&name->slot), &value, &err, NULL) != HIT)
			die("a slot is not in the file");
		USED(value.bytes[31]);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

static double time_stack(struct scene *s)
{
	const struct source_view *view =
		source_view_of(state_source_view(s->handles[FORK].state->state));
	struct fact fact = {.kind = FACT_SLOT, .block = view->source->anchor.block};
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->entries];
		fact.address = *in_address(&name->address);
		fact.slot = *in_bytes32(&name->slot);
		fact_prepare(view->stack, &fact);
		if (stack_get_fact(view->stack, &fact) != HIT)
			die("a slot is not in the memory cache");
		USED(fact.value.bytes[31]);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

/* Accounts have the addresses of the first 20 bytes of slots' names: as many as there are. */
static const struct fc_address *account_of(const struct slot_name *name)
{
	return (const struct fc_address *)(const void *)name->slot.bytes;
}

static double time_accounts(struct scene *s)
{
	struct fc_state *state = s->handles[ACCOUNT].state;
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct fc_address *address = account_of(&s->names[i % s->entries]);
		struct fc_account account;
		handle_must(&s->handles[ACCOUNT],
			    fc_get_account(state, address, FIELDS, &account));
		USED(account.nonce);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

static double time_accounts_direct(struct scene *s)
{
	const struct changes *changes = handle_published(&s->handles[ACCOUNT]);
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct fc_address *address = account_of(&s->names[i % s->entries]);
		struct account_fields fields;
		if (changes_read_account(changes, in_address(address), FIELDS, &fields, NULL) !=
		    HIT)
			die("an account is gone");
		USED(fields.nonce);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

static void write_accounts(struct scene *s)
{
	const struct handle *handle = &s->handles[ACCOUNT];
	struct fc_account account = {.mask = FC_BALANCE | FC_NONCE};
	for (uint32_t i = 0; i < s->entries;) {
		handle_must(handle, fc_batch_begin(handle->state));
		for (const uint64_t end = (uint64_t)i + BATCH; i < end && i < s->entries; i++) {
			account.nonce = i + 1;
			account.balance.bytes[31] = (uint8_t)i;
			handle_must(handle, fc_set_account(handle->state,
							   account_of(&s->names[i]), &account));
		}
		handle_must(handle, fc_batch_commit(handle->state));
	}
}

/* Code hashes are read, too: of an account in memory that has none, changes_read_account has
 * to find it written. */
static void write_code_hashes(struct scene *s)
{
	const struct handle *handle = &s->handles[ACCOUNT];
	handle_must(handle, fc_batch_begin(handle->state));
	for (uint32_t i = 0; i < s->entries; i++)
		handle_must(handle,
			    fc_set_code(handle->state, account_of(&s->names[i]), NULL, 0));
	handle_must(handle, fc_batch_commit(handle->state));
}

static void scene_init(struct scene *s, const char *folder, const char *cache)
{
	struct random random = {12345};
	s->names = slot_names(&random, s->entries, s->entries);
	handle_open(&s->handles[MEMORY], "memory://", "", "");
	handle_open(&s->handles[OWN], "memory://", "", "");
	handle_open(&s->handles[ACCOUNT], "memory://", "", "");
	handle_open(&s->handles[CACHED], "memory://#bytes=256MiB,lmdb://", folder, "");
	handle_open(&s->handles[FORK], "memory://#bytes=256MiB,lmdb://", cache,
		    ",fork+http://127.0.0.1:1/#offline&chain=1&block=100");
	handle_fill(&s->handles[MEMORY], s->entries, BATCH, NULL);
	handle_must(&s->handles[OWN], fc_batch_begin(s->handles[OWN].state));
	for (uint32_t n = 0; n < s->entries; n++)
		handle_write(&s->handles[OWN], n);
	write_accounts(s);
	write_code_hashes(s);
	handle_fill(&s->handles[CACHED], s->entries, BATCH, NULL);
	/* Nothing of them is in memory but what reads have brought there. */
	handle_must(&s->handles[CACHED], fc_clear_cache(s->handles[CACHED].state));
	handle_must(&s->handles[CACHED], fc_flush(s->handles[CACHED].state));
	for (int kind = 0; kind < ACCOUNT; kind++)
		handle_time_reads(&s->handles[kind], s->names, s->entries, s->entries);
}

static void scene_release(struct scene *s)
{
	handle_must(&s->handles[OWN], fc_batch_rollback(s->handles[OWN].state));
	for (int kind = 0; kind < KINDS; kind++)
		handle_close(&s->handles[kind]);
	free(s->names);
}

static double time_through(struct scene *s, int kind)
{
	return kind == ACCOUNT
		       ? time_accounts(s)
		       : handle_time_reads(&s->handles[kind], s->names, s->entries, s->reads);
}

static double time_direct(struct scene *s, int kind)
{
	if (kind == CACHED)
		return time_file(s);
	if (kind == FORK)
		return time_stack(s);
	if (kind == ACCOUNT)
		return time_accounts_direct(s);
	const struct changes *changes =
		kind == OWN ? overlay_changes(state_overlay(s->handles[OWN].state->state))
			    : handle_published(&s->handles[MEMORY]);
	return handle_time_changes(changes, s->names, s->entries, s->reads);
}

int main(int argc, char **argv)
{
	const char *folder = arg_text(argc, argv, "--folder", NULL);
	const char *cache = arg_text(argc, argv, "--cache", NULL);
	const uint64_t entries = arg_number(argc, argv, "--entries", 100000);
	const uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	static double through[KINDS][ROUNDS_MAX], direct[KINDS][ROUNDS_MAX];
	struct scene s = {.entries = (uint32_t)entries,
			  .reads = arg_number(argc, argv, "--reads", 1000000)};
	if (!folder || !cache || !rounds || rounds > ROUNDS_MAX || !entries ||
	    entries > UINT32_MAX / 2 || !s.reads)
		die("--folder or --cache is missing, or a number is out of range");
	scene_init(&s, folder, cache);
	for (uint64_t round = 0; round < rounds; round++)
		for (int kind = 0; kind < KINDS; kind++) {
			through[kind][round] = time_through(&s, kind);
			direct[kind][round] = time_direct(&s, kind);
		}
	printf("{\"entries\": %u", s.entries);
	for (int kind = 0; kind < KINDS; kind++)
		printf(", \"%s_ns\": %.1f, \"%s_direct_ns\": %.1f", kinds[kind],
		       median(through[kind], rounds), kinds[kind],
		       median(direct[kind], rounds));
	printf("}\n");
	scene_release(&s);
	return 0;
}
