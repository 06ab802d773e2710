/* SPDX-License-Identifier: MIT */
/* Folders, formats, damage, and what other processes and full disks do to the store. */
#include "store_scene.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void damaged_records_are_missed_and_removed(void **state)
{
	struct scene *scene = *state;
	static const char *const tables[] = {"slots",	"accounts", "code",
					     "replies", "bindings", "blocks"};
	struct eth_bytes32 word;
	struct block_header header = fixture_header(5);
	struct eth_address address = fixture_address(1);
	struct account_fields fields;
	struct blob *blob;
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		put_everything(scene->store);
		close_scene(scene);
		raw(scene->folder, tables[i], flip_last_bytes);
		open_scene(scene);
		enum lookup found[] = {
			fixture_get_slot(scene->reader, 5, 1),
			store_get_account(scene->reader, &header.hash, &address, 15, &fields),
			store_get_code(scene->reader, (word = fixture_word(8), &word), &blob),
			MISS,
			MISS,
			MISS};
		if (found[2] == HIT)
			blob_put(&blob);
		found[3] = store_get_reply(scene->reader, SPAN("eth_foo"), &blob);
		if (found[3] == HIT)
			blob_put(&blob);
		found[4] = store_get_binding(scene->reader, 5, &word);
		found[5] = store_get_header(scene->reader, &header.hash, &header);
		header = fixture_header(5);
		assert_int_equal(found[i], MISS);
		assert_true(stats(scene).corrupt > 0);
		settle(scene);
		close_scene(scene);
		raw(scene->folder, tables[i], count_entries);
		assert_int_equal(entries, 0);
		open_scene(scene);
		put_everything(scene->store);
		settle(scene);
		expect_everything(scene->reader);
	}
}

static void remove_middle_part(MDB_txn *txn, MDB_dbi dbi)
{
	struct record_key key;
	struct eth_bytes32 digest = fixture_word(8);
	record_key_part(&key, &digest, 2);
	MDB_val k = {key.len, key.bytes};
	assert_ok(mdb_del(txn, dbi, &k, NULL));
}

static void an_image_that_lacks_a_part_is_missed(void **state)
{
	struct scene *scene = *state;
	struct eth_bytes32 hash = fixture_word(8);
	struct blob *blob;
	put_everything(scene->store);
	close_scene(scene);
	raw(scene->folder, "code", remove_middle_part);
	open_scene(scene);
	assert_int_equal(store_get_code(scene->reader, &hash, &blob), MISS);
	assert_int_equal(stats(scene).corrupt, 1);
	settle(scene);
	close_scene(scene);
	raw(scene->folder, "code", count_entries);
	assert_int_equal(entries, 0);
	open_scene(scene);
}

static void write_newer_format(MDB_txn *txn, MDB_dbi dbi)
{
	struct record_key key;
	unsigned char out[RECORD_U64_BYTES];
	record_key_meta(&key, "format");
	record_u64_encode(record_key_hash(0, TABLE_META, key.bytes, key.len), 2, out);
	MDB_val k = {key.len, key.bytes}, v = {sizeof out, out};
	assert_ok(mdb_put(txn, dbi, &k, &v, 0));
}

static enum err try_open(const char *folder, struct err_detail *detail)
{
	struct store *store;
	struct store_config config = {.folder = folder, .capacity_bytes = CAPACITY};
	enum err err = store_open(&config, &store, detail);
	assert_true((err == OK) == (store != NULL));
	store_close(&store);
	return err;
}

static void newer_formats_are_refused(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	close_scene(scene);
	raw(scene->folder, "meta", write_newer_format);
	assert_int_equal(try_open(scene->folder, &detail), ERR_UNSUPPORTED);
	assert_non_null(strstr(detail.text, "format 2"));
	fixture_remove(scene->folder);
	assert_ok(mkdir(scene->folder, 0700));
	open_scene(scene);
}

static void other_peoples_folders_are_refused(void **state)
{
	(void)state;
	char folder[256], path[512];
	struct err_detail detail;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char byte = 1;
	MDB_val v = {1, &byte};
	fixture_folder(folder);
	write_file(folder, "thesis.txt", "x");
	assert_int_equal(try_open(folder, &detail), ERR_CONFIG);
	snprintf(path, sizeof path, "%s/thesis.txt", folder);
	assert_ok(unlink(path));
	write_file(folder, "data.mdb", "this is no LMDB file, although it has the name of one");
	assert_int_equal(try_open(folder, &detail), ERR_CORRUPT);
	assert_non_null(strstr(detail.text, folder));
	fixture_remove(folder);
	assert_ok(mkdir(folder, 0700));
	assert_ok(mdb_env_create(&env));
	assert_ok(mdb_env_open(env, folder, 0, 0600));
	assert_ok(mdb_txn_begin(env, NULL, 0, &txn));
	assert_ok(mdb_dbi_open(txn, NULL, 0, &dbi));
	assert_ok(mdb_put(txn, dbi, &v, &v, 0));
	assert_ok(mdb_txn_commit(txn));
	mdb_env_close(env);
	assert_int_equal(try_open(folder, &detail), ERR_CORRUPT);
	fixture_remove(folder);
	snprintf(path, sizeof path, "%s/a/b", folder);
	assert_int_equal(try_open(path, &detail), ERR_IO);
}

/* A copy that broke off. */
static void a_cut_file_is_no_crash(void **state)
{
	struct scene *scene = *state;
	struct store *store;
	struct err_detail detail;
	struct store_config config = {.folder = scene->folder, .capacity_bytes = CAPACITY};
	char path[512];
	struct block_header header = fixture_header(5);
	store_put_header(scene->store, &header);
	for (uint64_t n = 0; n < 5000; n++)
		fixture_put_slot(scene->store, 5, n);
	close_scene(scene);
	snprintf(path, sizeof path, "%s/data.mdb", scene->folder);
	assert_ok(truncate(path, 200000));
	enum err err = store_open(&config, &store, &detail);
	if (err == OK) {
		struct store_reader *reader;
		store_use_chain(store, FIXTURE_CHAIN);
		assert_ok(store_reader_new(store, &reader));
		for (uint64_t n = 0; n < 5000; n++)
			assert_int_not_equal(fixture_get_slot(reader, 5, n), FAILED);
		store_reader_free(&reader);
		store_close(&store);
	} else {
		assert_int_equal(err, ERR_CORRUPT);
		assert_non_null(strstr(detail.text, "remove the folder"));
	}
	fixture_remove(scene->folder);
	assert_ok(mkdir(scene->folder, 0700));
	open_scene(scene);
}

static void one_folder_is_opened_once(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	char link[512];
	assert_int_equal(try_open(scene->folder, &detail), ERR_INVALID);
	snprintf(link, sizeof link, "%s-link", scene->folder);
	assert_ok(symlink(scene->folder, link));
	assert_int_equal(try_open(link, &detail), ERR_INVALID);
	assert_ok(unlink(link));
	/* the refusal has not loosened the first one's locks */
	put_everything(scene->store);
	settle(scene);
	expect_everything(scene->reader);
	struct store_config tiny = {.folder = scene->folder, .capacity_bytes = 1 << 20};
	struct store *store;
	assert_int_equal(store_open(&tiny, &store, &detail), ERR_INVALID);
}

static void modes_are_private_under_any_umask(void **state)
{
	(void)state;
	static const mode_t masks[] = {0, 022, 0777};
	char base[256], folder[300], path[512];
	struct err_detail detail;
	struct stat st;
	static const char *const names[] = {"data.mdb", "lock.mdb", "use"};
	for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
		fixture_folder(base);
		snprintf(folder, sizeof folder, "%s/cache", base);
		mode_t before = umask(masks[i]);
		enum err err = try_open(folder, &detail);
		umask(before);
		assert_int_equal(err, OK);
		assert_ok(stat(folder, &st));
		assert_int_equal(st.st_mode & 07777, 0700);
		for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
			snprintf(path, sizeof path, "%s/%s", folder, names[n]);
			assert_ok(stat(path, &st));
			assert_int_equal(st.st_mode & 07777, 0600);
		}
		fixture_remove(folder);
		assert_ok(rmdir(base));
	}
}

static void fill_readers(const char *folder, int ready, const int go[2])
{
	MDB_env *env;
	MDB_txn *txn;
	char byte = 1;
	close(go[1]); /* its end is that of a test that fails */
	if (mdb_env_create(&env) != 0 || mdb_env_open(env, folder, MDB_NOTLS, 0600) != 0)
		_exit(1);
	while (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0)
		mdb_txn_reset(txn); /* keeps its place */
	if (write(ready, &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
		_exit(2);
	_exit(0); /* as if killed: the places stay taken */
}

static void a_full_table_of_readers_costs_hits(void **state)
{
	struct scene *scene = *state;
	int ready[2], go[2], status;
	char byte;
	put_everything(scene->store);
	store_flush(scene->store);
	assert_ok(pipe(ready));
	assert_ok(pipe(go));
	pid_t pid = fork();
	if (pid == 0)
		fill_readers(scene->folder, ready[1], go);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), MISS);
	fixture_put_slot(scene->store, 5, 2); /* writers need no place */
	store_flush(scene->store);
	assert_int_equal(stats(scene).commit_failures, 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	store_reader_rest(scene->reader);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), HIT); /* cleared on demand */
	assert_int_equal(fixture_get_slot(scene->reader, 5, 2), HIT);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
}

static void put_many(struct store *store, uint64_t from, uint64_t to)
{
	struct block_header header = fixture_header(5);
	store_put_header(store, &header);
	for (uint64_t n = from; n < to; n++) {
		fixture_put_slot(store, 5, n);
		if (n % 1000 == 999)
			store_flush(store);
	}
	store_flush(store);
}

/* It cannot count free pages then, and must not take them for used ones: the others' cache
 * would go for every put. */
static void a_process_without_readers_evicts_no_more_than_others(void **state)
{
	enum { N = 100000, SMALL = 8 << 20 };
	struct scene *scene = *state;
	int ready[2], go[2], status;
	size_t left = 0;
	char byte;
	close_scene(scene);
	scene->store = fixture_open(scene->folder, SMALL);
	put_many(scene->store, 0, N);
	store_close(&scene->store);
	assert_ok(pipe(ready));
	assert_ok(pipe(go));
	pid_t pid = fork();
	if (pid == 0)
		fill_readers(scene->folder, ready[1], go);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	scene->store = fixture_open(scene->folder, SMALL);
	put_many(scene->store, N, N + 5000);
	assert_int_equal(stats(scene).commit_failures, 0);
	assert_true(stats(scene).used_bytes <= SMALL);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_ok(store_reader_new(scene->store, &scene->reader));
	for (uint64_t n = N / 2; n < N + 5000; n++)
		left += fixture_get_slot(scene->reader, 5, n) == HIT;
	assert_true(left > N / 4);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
}

/* Another process has a larger map, and fills it beyond ours. */
static void grow(const char *folder, uint64_t from, int go)
{
	char byte;
	if (read(go, &byte, 1) != 1)
		_exit(1);
	struct store *store = fixture_open(folder, 16 * CAPACITY);
	struct block_header header = fixture_header(5);
	struct blob *blob = noise(1 << 20, from);
	store_put_header(store, &header);
	fixture_put_slot(store, 5, from);
	for (unsigned i = 0; i < 10 * CAPACITY >> 20; i++) {
		char request[32];
		snprintf(request, sizeof request, "%u", i);
		store_put_reply(store, span_of(request), blob);
		if (i % 8 == 0)
			store_flush(store);
	}
	blob_put(&blob);
	store_close(&store);
	_exit(0);
}

static void a_larger_map_is_adopted(void **state)
{
	struct scene *scene = *state;
	int status, go[2];
	close_scene(scene);
	assert_ok(pipe(go));
	pid_t pid = fork();
	if (pid == 0)
		grow(scene->folder, 1000, go[0]);
	open_scene(scene);
	put_everything(scene->store);
	store_flush(scene->store);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), HIT);
	store_reader_rest(scene->reader);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(go[0]);
	close(go[1]);
	/* refused until the store's thread has the new map, and makes room under our bound */
	enum lookup found = MISS;
	for (int i = 0; i < 1000 && found == MISS; i++) {
		struct block_header header = fixture_header(5);
		store_put_header(scene->store, &header);
		fixture_put_slot(scene->store, 5, 3);
		settle(scene);
		found = fixture_get_slot(scene->reader, 5, 3);
	}
	assert_int_equal(found, HIT);
}

/* A limit on the length of files stands for a full disk. Exits with 0 if all is well. */
static void live_on_a_full_disk(struct scene *scene)
{
	struct rlimit limit;
	struct store_stats s;
	uint64_t kept = 0, wrong = 0;
	open_scene(scene);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_FSIZE, &limit);
	for (uint64_t n = 5000; n < 25000; n++)
		fixture_put_slot(scene->store, 5, n);
	store_flush(scene->store);
	store_stats(scene->store, &s);
	store_reader_rest(scene->reader);
	for (uint64_t n = 0; n < 25000; n++) {
		enum lookup found = fixture_get_slot(scene->reader, 5, n);
		kept += found == HIT;
		wrong += found == FAILED;
	}
	/* Most of the 5,000 that were there: a full disk makes the store shed about a fifth. */
	bool right = s.commit_failures > 0 && s.puts_dropped > 0 && kept >= 3000 && wrong == 0;
	if (!right)
		fprintf(stderr, "failures %llu dropped %llu kept %llu wrong %llu\n",
			(unsigned long long)s.commit_failures,
			(unsigned long long)s.puts_dropped, (unsigned long long)kept,
			(unsigned long long)wrong);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	fixture_put_slot(scene->store, 5, 30000);
	settle(scene);
	right = right && fixture_get_slot(scene->reader, 5, 30000) == HIT;
	close_scene(scene);
	_exit(right ? 0 : 1);
}

static void a_full_disk_costs_hits(void **state)
{
	struct scene *scene = *state;
	int status;
	put_everything(scene->store);
	for (uint64_t n = 0; n < 5000; n++)
		fixture_put_slot(scene->store, 5, n);
	close_scene(scene);
	pid_t pid = fork();
	if (pid == 0)
		live_on_a_full_disk(scene);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	open_scene(scene);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 30000), HIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(damaged_records_are_missed_and_removed),
		SCENE(an_image_that_lacks_a_part_is_missed),
		SCENE(newer_formats_are_refused),
		cmocka_unit_test(other_peoples_folders_are_refused),
		SCENE(a_cut_file_is_no_crash),
		SCENE(one_folder_is_opened_once),
		cmocka_unit_test(modes_are_private_under_any_umask),
		SCENE(a_full_table_of_readers_costs_hits),
		SCENE(a_process_without_readers_evicts_no_more_than_others),
		SCENE(a_larger_map_is_adopted),
		SCENE(a_full_disk_costs_hits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
