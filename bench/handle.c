/* SPDX-License-Identifier: MIT */
#include "handle.h"
#include "store_fixture.h"
#include "layers/shared.h"

struct slot_name slot_name(uint64_t n)
{
	const struct eth_address address = fixture_address(n / HANDLE_PER_ACCOUNT);
	const struct eth_bytes32 slot = fixture_word(n);
	struct slot_name name;
	memcpy(&name.address, &address, sizeof address);
	memcpy(&name.slot, &slot, sizeof slot);
	return name;
}

struct slot_name *slot_names(struct random *random, uint32_t entries, uint32_t n)
{
	struct slot_name *names = must_alloc(n, sizeof *names);
	uint32_t *order = random_order(random, entries);
	for (uint32_t i = 0; i < n; i++)
		names[i] = slot_name(order[i]);
	free(order);
	return names;
}

void handle_must(const struct handle *handle, enum fc_err err)
{
	if (err != FC_OK)
		die("the library says: %s: %s", fc_strerror(err), fc_detail(handle->state));
}

void handle_open(struct handle *handle, const char *before, const char *folder,
		 const char *behind)
{
	struct fc_error why;
	char urls[4096];
	if (snprintf(urls, sizeof urls, "%s%s%s", before, folder, behind) >= (int)sizeof urls)
		die("%s: too long", folder);
	*handle = (struct handle){NULL, NULL};
	if (fc_open(urls, &handle->db, &why) != FC_OK)
		die("%s cannot be opened: %s", urls, why.detail);
	if (fc_state_new(handle->db, NULL, &handle->state) != FC_OK)
		die("no handle of %s", urls);
}

void handle_close(struct handle *handle)
{
	struct fc_error why;
	fc_state_free(&handle->state);
	if (fc_close(&handle->db, &why) != FC_OK)
		die("closing: %s", why.detail);
}

void handle_write(const struct handle *handle, uint64_t n)
{
	const struct slot_name name = slot_name(n);
	const struct eth_bytes32 word = fixture_word(~n);
	struct fc_bytes32 value;
	memcpy(&value, &word, sizeof word);
	handle_must(handle, fc_set_storage(handle->state, &name.address, &name.slot, &value));
}

void handle_fill(const struct handle *handle, uint32_t entries, uint32_t batch,
		 struct random *random)
{
	uint32_t *order = random ? random_order(random, entries) : NULL;
	for (uint32_t i = 0; i < entries;) {
		handle_must(handle, fc_batch_begin(handle->state));
		for (const uint64_t end = (uint64_t)i + batch; i < end && i < entries; i++)
			handle_write(handle, order ? order[i] : i);
		handle_must(handle, fc_batch_commit(handle->state));
	}
	free(order);
}

double handle_time_reads(const struct handle *handle, const struct slot_name *names,
			 uint64_t names_n, uint64_t reads)
{
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < reads; i++) {
		const struct slot_name *name = &names[i % names_n];
		struct fc_bytes32 value;
		const enum fc_err err =
			fc_get_storage(handle->state, &name->address, &name->slot, &value);
		if (err != FC_OK)
			handle_must(handle, err);
		USED(value.bytes[31]);
	}
	return (double)(own_ns() - start) / (double)reads;
}

const struct changes *handle_published(const struct handle *handle)
{
	struct layer_view *view = state_writable_view(handle->state->state);
	const struct changes *changes = shared_enter(view);
	shared_leave(view);
	return changes;
}

double handle_time_changes(const struct changes *changes, const struct slot_name *names,
			   uint64_t names_n, uint64_t reads)
{
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < reads; i++) {
		const struct slot_name *name = &names[i % names_n];
		struct eth_bytes32 value;
		if (changes_read_slot(changes, in_address(&name->address),
				      in_bytes32(&name->slot), &value) != HIT)
			die("a slot is gone");
		USED(value.bytes[31]);
	}
	return (double)(own_ns() - start) / (double)reads;
}
