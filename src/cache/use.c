/* SPDX-License-Identifier: MIT */
#include "cache/use.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define USE_MAGIC      UINT64_C(0x666b63757365310a)
#define USE_VERSION    1
#define USE_HEAD_BYTES 4096
#define USE_BITS_MIN   15
#define USE_BITS_MAX   26
#define USE_SAMPLE     (1u << 20)
#define TICKS	       255

struct use_head {
	uint64_t magic;
	uint32_t version, bits;
	unsigned char uuid[USE_UUID_BYTES];
	atomic_uint_fast64_t written;
};

static unsigned wanted_bits(uint64_t capacity_bytes)
{
	unsigned bits = USE_BITS_MIN;
	while (bits < USE_BITS_MAX && (UINT64_C(128) << bits) < capacity_bytes)
		bits++;
	return bits;
}

static void attach(struct use *use, void *map, unsigned bits)
{
	use->head = map;
	use->ticks = (atomic_uchar *)((char *)map + USE_HEAD_BYTES);
	use->mask = (UINT64_C(1) << bits) - 1;
	use->bytes = USE_HEAD_BYTES + (size_t)use->mask + 1;
}

static void *map_file(int fd, unsigned bits)
{
	size_t bytes = USE_HEAD_BYTES + ((size_t)1 << bits);
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

static bool open_existing(struct use *use, const char *path, const unsigned char *uuid,
			  unsigned wanted)
{
	struct use_head head;
	struct stat st;
	void *map = NULL;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	if (pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
	    head.magic == USE_MAGIC && head.version == USE_VERSION &&
	    memcmp(head.uuid, uuid, USE_UUID_BYTES) == 0 && head.bits >= USE_BITS_MIN &&
	    head.bits <= USE_BITS_MAX && head.bits <= wanted + 2 && head.bits + 2 >= wanted &&
	    fstat(fd, &st) == 0 && st.st_size == (off_t)(USE_HEAD_BYTES + (1L << head.bits)))
		map = map_file(fd, head.bits);
	close(fd);
	if (map)
		attach(use, map, head.bits);
	return map != NULL;
}

static void fill_head(struct use_head *head, const unsigned char *uuid, unsigned bits)
{
	head->magic = USE_MAGIC;
	head->version = USE_VERSION;
	head->bits = bits;
	memcpy(head->uuid, uuid, USE_UUID_BYTES);
}

/* Made under another name: a process that maps the old file keeps it. */
static bool create(struct use *use, const char *path, const unsigned char *uuid, unsigned bits)
{
	char fresh[4096];
	void *map = NULL;
	int n = snprintf(fresh, sizeof fresh, "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof fresh)
		return false;
	if (unlink(fresh) != 0 && errno != ENOENT)
		return false;
	int fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	if (fchmod(fd, 0600) == 0 &&
	    posix_fallocate(fd, 0, (off_t)(USE_HEAD_BYTES + (1L << bits))) == 0)
		map = map_file(fd, bits);
	close(fd);
	if (map) {
		fill_head(map, uuid, bits);
		attach(use, map, bits);
		if (rename(fresh, path) == 0)
			return true;
		use_close(use);
	}
	unlink(fresh);
	return false;
}

enum err use_open(struct use *use, const char *folder, const unsigned char *uuid,
		  uint64_t capacity_bytes)
{
	char path[4000];
	unsigned bits = wanted_bits(capacity_bytes);
	*use = (struct use){.quantum = capacity_bytes / 64};
	int n = snprintf(path, sizeof path, "%s/use", folder);
	if (n > 0 && (size_t)n < sizeof path &&
	    (open_existing(use, path, uuid, bits) || create(use, path, uuid, bits)))
		return OK;
	log_warn("the record of use is kept in memory only", LOG_S("folder", folder));
	void *map = mmap(NULL, USE_HEAD_BYTES + ((size_t)1 << bits), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return ERR_NOMEM;
	fill_head(map, uuid, bits);
	attach(use, map, bits);
	return OK;
}

void use_close(struct use *use)
{
	if (use->head)
		munmap(use->head, use->bytes);
	use->head = NULL;
}

static unsigned tick(const struct use *use)
{
	uint64_t written = atomic_load_explicit(&use->head->written, memory_order_relaxed);
	return 1 + (unsigned)(written / use->quantum % TICKS);
}

void use_prefetch(const struct use *use, uint64_t key_hash)
{
	__builtin_prefetch(&use->ticks[key_hash & use->mask], 1);
}

static void set(struct use *use, uint64_t key_hash, unsigned value)
{
	atomic_uchar *at = &use->ticks[key_hash & use->mask];
	if (atomic_load_explicit(at, memory_order_relaxed) != value)
		atomic_store_explicit(at, (unsigned char)value, memory_order_relaxed);
}

void use_touch(struct use *use, uint64_t key_hash)
{
	set(use, key_hash, tick(use));
}

void use_forget(struct use *use, uint64_t key_hash)
{
	set(use, key_hash, 0);
}

static unsigned age_of(unsigned now, unsigned value)
{
	if (value == 0)
		return USE_UNKNOWN;
	return now >= value ? now - value : now + TICKS - value;
}

unsigned use_age(const struct use *use, uint64_t key_hash)
{
	const atomic_uchar *at = &use->ticks[key_hash & use->mask];
	return age_of(tick(use), atomic_load_explicit(at, memory_order_relaxed));
}

void use_advance(struct use *use, uint64_t bytes)
{
	atomic_fetch_add_explicit(&use->head->written, bytes, memory_order_relaxed);
}

unsigned use_threshold(const struct use *use, unsigned percent)
{
	/* keys are hashed, so any run of buckets is a fair sample */
	uint64_t ages[USE_UNKNOWN + 1] = {0}, known, older = 0;
	uint64_t sample = use->mask + 1 < USE_SAMPLE ? use->mask + 1 : USE_SAMPLE;
	unsigned now = tick(use), age = TICKS;
	for (uint64_t i = 0; i < sample; i++)
		ages[age_of(now, atomic_load_explicit(&use->ticks[i], memory_order_relaxed))]++;
	known = sample - ages[USE_UNKNOWN];
	while (age > 0 && older * 100 < known * percent)
		older += ages[--age];
	return age;
}
