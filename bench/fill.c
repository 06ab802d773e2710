/* SPDX-License-Identifier: MIT */
/*
 * build/bench/fill --folder FOLDER --entries N --capacity BYTES
 *
 * Makes a cache folder with N slots of one final block, those of mocks/store_fixture.h: random
 * addresses, 256 slots each, slot numbers and values of full length, as from mappings. Says
 * what the disk holds for each.
 */
#include "measure.h"
#include "store_fixture.h"
#include <stdio.h>
#include <sys/stat.h>

#define PUTS_AT_ONCE 10000 /* the store's queue is bounded, and drops what does not fit */

static uint64_t file_bytes(const char *folder, const char *name)
{
	char path[4096];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (stat(path, &st) != 0)
		die("there is no %s", path);
	return (uint64_t)st.st_blocks * 512;
}

int main(int argc, char **argv)
{
	const char *folder = arg_text(argc, argv, "--folder", NULL);
	uint64_t entries = arg_number(argc, argv, "--entries", 100000);
	uint64_t capacity = arg_number(argc, argv, "--capacity", UINT64_C(4) << 30);
	if (!folder)
		die("--folder FOLDER is missing");

	struct store *store = fixture_open(folder, capacity);
	struct block_header header = fixture_header(BENCH_BLOCK);
	uint64_t start = now_ns();
	store_put_header(store, &header);
	store_put_binding(store, header.number, &header.hash);
	for (uint64_t n = 0; n < entries; n++) {
		fixture_put_slot(store, BENCH_BLOCK, n);
		if (n % PUTS_AT_ONCE == PUTS_AT_ONCE - 1)
			store_flush(store);
	}
	store_flush(store);
	uint64_t took = now_ns() - start;

	struct store_stats stats;
	store_stats(store, &stats);
	if (stats.puts_dropped || stats.evicted)
		die("%llu puts dropped, %llu records evicted",
		    (unsigned long long)stats.puts_dropped, (unsigned long long)stats.evicted);
	store_close(&store);
	printf("{\"entries\": %llu, \"seconds\": %.3f, \"used_bytes\": %llu, "
	       "\"file_bytes\": %llu, \"use_bytes\": %llu, \"block_hash\": \"0x",
	       (unsigned long long)entries, (double)took / 1e9,
	       (unsigned long long)stats.used_bytes,
	       (unsigned long long)file_bytes(folder, "data.mdb"),
	       (unsigned long long)file_bytes(folder, "use"));
	for (size_t i = 0; i < sizeof header.hash.bytes; i++)
		printf("%02x", header.hash.bytes[i]);
	printf("\"}\n");
	return 0;
}
