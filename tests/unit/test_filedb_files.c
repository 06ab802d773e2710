/* SPDX-License-Identifier: MIT */
/* The file database's folder: formats, the lock, damage, a map that is full or was enlarged. */
#include "filedb_scene.h"
#include "cache/record.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static enum err try_open(const char *folder, struct err_detail *detail)
{
	struct filedb *db;
	struct filedb_config config = {.folder = folder};
	enum err err = filedb_open(&config, &db, detail);
	assert_true((err == OK) == (db != NULL));
	filedb_close(&db);
	return err;
}

static void put_everything(const struct scene *scene)
{
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	struct eth_bytes32 root = fixture_word(1);
	put_account(batch, 1, 1, 0);
	put_slot(batch, 1, 0, 255, 2);
	put_code(batch, 3, 5000, false);
	assert_ok(filedb_batch_root(batch, &root));
	settle(scene, batch);
}

/* ---- damage ---- */

static enum lookup get(const struct scene *scene, unsigned what, enum err *err,
		       struct err_detail *detail)
{
	struct eth_address address = fixture_address(1);
	struct eth_bytes32 slot = word(255), hash = fixture_word(3), value;
	struct filedb_account account;
	struct blob *code;
	switch (what) {
	case 0:
		return filedb_get_account(scene->reader, &address, &account, err, detail);
	case 1:
		return filedb_get_slot(scene->reader, &address, 0, &slot, &value, err, detail);
	case 2: {
		enum lookup found = filedb_get_code(scene->reader, &hash, &code, err, detail);
		assert_true((found == HIT) == (code != NULL));
		blob_put(&code);
		return found;
	}
	default:
		return filedb_get_root(scene->reader, &value, err, detail);
	}
}

static void flip_root(MDB_txn *txn, MDB_dbi dbi)
{
	char name[] = "root";
	unsigned char copy[RECORD_HASH_BYTES];
	MDB_val k = {4, name}, v;
	assert_ok(mdb_get(txn, dbi, &k, &v));
	assert_int_equal(v.mv_size, sizeof copy);
	memcpy(copy, v.mv_data, sizeof copy);
	copy[35] ^= 1;
	v.mv_data = copy;
	assert_ok(mdb_put(txn, dbi, &k, &v, 0));
}

static const struct {
	const char *table, *name;
	visit_fn *damage;
} damages[] = {
	{"accounts", "account 0x", flip_last_bytes},
	{"slots", "slot 0xff of account 0x", flip_last_bytes},
	{"code", "code 0x", flip_last_bytes},
	{"meta", "the state root", flip_root},
};

static void damaged_records_are_named(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	for (unsigned i = 0; i < 4; i++) {
		enum err err;
		put_everything(scene);
		for (unsigned what = 0; what < 4; what++)
			assert_int_equal(get(scene, what, &err, &detail), HIT);
		close_scene(scene);
		raw(scene->folder, damages[i].table, damages[i].damage);
		open_scene(scene, 0);
		for (unsigned what = 0; what < 4; what++) {
			enum lookup found = get(scene, what, &err, &detail);
			assert_int_equal(found, what == i ? FAILED : HIT);
			if (what != i)
				continue;
			assert_int_equal(err, ERR_CORRUPT);
			assert_memory_equal(detail.text, damages[i].name,
					    strlen(damages[i].name));
			assert_non_null(strstr(detail.text, scene->folder));
		}
		close_scene(scene);
		fixture_remove(scene->folder);
		assert_ok(mkdir(scene->folder, 0700));
		open_scene(scene, 0);
	}
}

/* Written anew it is whole again. */
static void damage_is_written_over(void **state)
{
	struct scene *scene = *state;
	enum err err;
	for (unsigned i = 0; i < 4; i++) {
		put_everything(scene);
		close_scene(scene);
		raw(scene->folder, damages[i].table, damages[i].damage);
		open_scene(scene, 0);
		assert_int_equal(get(scene, i, &err, NULL), FAILED);
		put_everything(scene);
		for (unsigned what = 0; what < 4; what++)
			assert_int_equal(get(scene, what, &err, NULL), HIT);
	}
	assert_false(filedb_sweep(scene->db, 10));
	filedb_reader_rest(scene->reader);
	assert_int_equal(get(scene, 1, &err, NULL), HIT);
}

struct names {
	size_t n, good;
	char text[8][200];
};

static enum err note_name(void *cookie, const char *what)
{
	struct names *names = cookie;
	snprintf(names->text[names->n++], sizeof names->text[0], "%s", what);
	return OK;
}

static enum err good_account(void *cookie, const struct eth_address *address,
			     const struct filedb_account *account)
{
	(void)address;
	(void)account;
	((struct names *)cookie)->good++;
	return OK;
}

static enum err good_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	(void)address;
	(void)slot;
	(void)value;
	((struct names *)cookie)->good++;
	return OK;
}

static enum err good_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	(void)code_hash;
	(void)code;
	((struct names *)cookie)->good++;
	return OK;
}

static void walks_name_what_is_damaged(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	static const size_t good[] = {1, 2, 2}; /* slots of a damaged account are left out */
	for (unsigned i = 0; i < 3; i++) {
		struct filedb_walk walk = {good_account, good_slot, good_code, note_name};
		struct names names = {0};
		put_everything(scene);
		close_scene(scene);
		raw(scene->folder, damages[i].table, damages[i].damage);
		open_scene(scene, 0);
		assert_ok(filedb_walk(scene->reader, &walk, &names, &detail));
		assert_int_equal(names.n, 1);
		assert_int_equal(names.good, good[i]);
		assert_memory_equal(names.text[0], damages[i].name, strlen(damages[i].name));
		walk.corrupt = NULL;
		assert_int_equal(filedb_walk(scene->reader, &walk, &names, &detail),
				 ERR_CORRUPT);
		assert_memory_equal(detail.text, damages[i].name, strlen(damages[i].name));
	}
}

static void put_foreign(MDB_txn *txn, MDB_dbi dbi)
{
	static char text[][24] = {"short", "a key that is too long!"};
	for (size_t i = 0; i < 2; i++) {
		MDB_val k = {strlen(text[i]), text[i]}, v = k;
		assert_ok(mdb_put(txn, dbi, &k, &v, 0));
	}
}

static void foreign_keys_are_damage(void **state)
{
	struct scene *scene = *state;
	static const size_t found[] = {2, 0,
				       2}; /* a slot belongs to an account, or is not met */
	for (unsigned i = 0; i < 3; i++) {
		const struct filedb_walk walk = {good_account, good_slot, good_code, note_name};
		struct names names = {0};
		put_everything(scene);
		close_scene(scene);
		raw(scene->folder, damages[i].table, put_foreign);
		open_scene(scene, 0);
		assert_ok(filedb_walk(scene->reader, &walk, &names, NULL));
		assert_int_equal(names.n, found[i]);
		assert_int_equal(names.good, 3);
		if (found[i])
			assert_string_equal(names.text[1],
					    "a record whose key is none of ours");
		close_scene(scene);
		fixture_remove(scene->folder);
		assert_ok(mkdir(scene->folder, 0700));
		open_scene(scene, 0);
	}
}

/* ---- whose folder ---- */

static void write_newer_format(MDB_txn *txn, MDB_dbi dbi)
{
	struct record_key key;
	unsigned char out[RECORD_U64_BYTES];
	record_key_meta(&key, "format");
	record_u64_encode(record_key_hash(1, TABLE_META, key.bytes, key.len), 2, out);
	MDB_val k = {key.len, key.bytes}, v = {sizeof out, out};
	assert_ok(mdb_put(txn, dbi, &k, &v, 0));
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
	open_scene(scene, 0);
}

static void other_folders_are_refused(void **state)
{
	(void)state;
	char folder[256], path[300];
	struct err_detail detail;
	fixture_folder(folder);
	write_file(folder, "thesis.txt", "x");
	assert_int_equal(try_open(folder, &detail), ERR_CONFIG);
	assert_non_null(strstr(detail.text, "thesis.txt"));
	snprintf(path, sizeof path, "%s/thesis.txt", folder);
	assert_ok(unlink(path));
	write_file(folder, "data.mdb", "this is no LMDB file, although it has the name of one");
	assert_int_equal(try_open(folder, &detail), ERR_CORRUPT);
	assert_non_null(strstr(detail.text, folder));
	assert_null(strstr(detail.text, "remove"));
	fixture_remove(folder);
	snprintf(path, sizeof path, "%s/a/b", folder);
	assert_int_equal(try_open(path, &detail), ERR_IO);
	assert_non_null(strstr(detail.text, path));
}

/* Its tables have the same names. */
static void a_cache_is_no_database(void **state)
{
	(void)state;
	char folder[256];
	struct err_detail detail;
	fixture_folder(folder);
	struct store *store = fixture_open(folder, 64 << 20);
	assert_int_equal(try_open(folder, &detail), ERR_INVALID);
	assert_non_null(strstr(detail.text, "already open"));
	store_close(&store);
	assert_int_equal(try_open(folder, &detail), ERR_CORRUPT);
	assert_non_null(strstr(detail.text, "not a database"));
	store = fixture_open(folder, 64 << 20);
	store_close(&store);
	fixture_remove(folder);
	assert_ok(mkdir(folder, 0700));
	assert_int_equal(try_open(folder, &detail), OK);
	struct store_config config = {.folder = folder, .capacity_bytes = 64 << 20};
	assert_int_equal(store_open(&config, &store, &detail), ERR_CORRUPT);
	fixture_remove(folder);
}

static void files_are_private_under_any_umask(void **state)
{
	(void)state;
	char base[256], folder[300], path[512];
	static const char *const names[] = {"data.mdb", "lock.mdb", "owner"};
	struct err_detail detail;
	struct stat st;
	fixture_folder(base);
	snprintf(folder, sizeof folder, "%s/database", base);
	mode_t before = umask(0);
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

/* ---- one at a time ---- */

static void one_process_has_it_once(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	char link[512];
	put_everything(scene);
	assert_int_equal(try_open(scene->folder, &detail), ERR_CONFIG);
	assert_non_null(strstr(detail.text, scene->folder));
	assert_non_null(strstr(detail.text, "already open in this process"));
	snprintf(link, sizeof link, "%s-link", scene->folder);
	assert_ok(symlink(scene->folder, link));
	assert_int_equal(try_open(link, &detail), ERR_CONFIG);
	assert_ok(unlink(link));
	/* the refusal has not loosened the first one's locks */
	put_everything(scene);
	expect_slot(scene, 1, 0, 255, HIT, 2);
}

/* Until it is killed, or its parent is gone. */
static void hold(const char *folder, int ready, const int parent[2])
{
	char byte;
	close(parent[1]);
	fixture_filedb(folder, 0);
	if (write(ready, "x", 1) != 1 || read(parent[0], &byte, 1) != 0)
		_exit(1);
	_exit(0);
}

static void another_process_is_named(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	char byte, number[32];
	int ready[2], parent[2];
	close_scene(scene);
	assert_ok(pipe(ready));
	assert_ok(pipe(parent));
	pid_t pid = fork();
	if (pid == 0)
		hold(scene->folder, ready[1], parent);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(try_open(scene->folder, &detail), ERR_CONFIG);
	snprintf(number, sizeof number, "process %ld", (long)pid);
	assert_non_null(strstr(detail.text, number));
	assert_non_null(strstr(detail.text, scene->folder));
	assert_ok(kill(pid, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(parent[i]);
	}
	open_scene(scene, 0); /* nobody has to remove a file */
}

/* ---- the map ---- */

#define SMALL_MAP (256 << 10)

/* Slots from..to-1; whether all of them are there. */
static enum err batch_of(const struct scene *scene, uint64_t from, uint64_t to,
			 struct err_detail *detail)
{
	enum err err = OK;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	for (uint64_t n = from; n < to && err == OK; n++)
		err = fixture_batch_slot(batch, n);
	enum err last = filedb_batch_commit(&batch, detail);
	assert_true(err == OK || err == last);
	return last;
}

static void expect_slots(const struct scene *scene, uint64_t from, uint64_t to,
			 enum lookup wanted)
{
	filedb_reader_rest(scene->reader);
	for (uint64_t n = from; n < to; n++)
		assert_int_equal(fixture_filedb_slot(scene->reader, n), wanted);
}

static void a_full_map_fails_a_batch_whole(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	close_scene(scene);
	open_scene(scene, SMALL_MAP);
	assert_int_equal(batch_of(scene, 0, 100, &detail), OK);
	assert_int_equal(batch_of(scene, 100, 10000, &detail), ERR_LIMIT);
	assert_non_null(strstr(detail.text, scene->folder));
	assert_non_null(strstr(detail.text, "larger capacity"));
	expect_slots(scene, 0, 100, HIT);
	expect_slots(scene, 100, 10000, MISS);
	assert_int_equal(batch_of(scene, 100, 200, &detail), OK);
	expect_slots(scene, 0, 200, HIT);
	close_scene(scene);
	open_scene(scene, 16 << 20);
	expect_slots(scene, 0, 200, HIT);
	assert_int_equal(batch_of(scene, 200, 10000, &detail), OK);
	expect_slots(scene, 0, 10000, HIT);
	close_scene(scene);
	open_scene(scene, SMALL_MAP); /* less than what is there */
	expect_slots(scene, 0, 10000, HIT);
}

static void add_megabyte(MDB_txn *txn, MDB_dbi dbi)
{
	char name[] = "x";
	MDB_val k = {1, name}, v = {1 << 20, NULL};
	assert_ok(mdb_put(txn, dbi, &k, &v, MDB_RESERVE));
	memset(v.mv_data, 0, v.mv_size);
}

/* Only a program that does not know the lock can do this. */
static void a_file_that_others_enlarged_is_named(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	struct filedb_batch *batch;
	struct eth_bytes32 got;
	struct eth_address address = fixture_address(1);
	enum err err;
	int status, go[2];
	char byte;
	close_scene(scene);
	assert_ok(pipe(go));
	pid_t pid = fork();
	if (pid == 0) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		raw(scene->folder, "meta", add_megabyte);
		_exit(0);
	}
	open_scene(scene, SMALL_MAP);
	assert_int_equal(batch_of(scene, 0, 100, &detail), OK);
	expect_slots(scene, 0, 100, HIT);
	filedb_reader_rest(scene->reader);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(go[0]);
	close(go[1]);
	got = word(1);
	assert_int_equal(filedb_get_slot(scene->reader, &address, 0, &got, &got, &err, &detail),
			 FAILED);
	assert_int_equal(err, ERR_LIMIT);
	assert_non_null(strstr(detail.text, "open it again"));
	assert_int_equal(filedb_batch_begin(scene->db, false, &batch, &detail), ERR_LIMIT);
	assert_null(batch);
	assert_false(filedb_sweep(scene->db, 1));
	reopen(scene);
	expect_slots(scene, 0, 100, HIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(damaged_records_are_named),
		SCENE(damage_is_written_over),
		SCENE(walks_name_what_is_damaged),
		SCENE(foreign_keys_are_damage),
		SCENE(newer_formats_are_refused),
		cmocka_unit_test(other_folders_are_refused),
		cmocka_unit_test(a_cache_is_no_database),
		cmocka_unit_test(files_are_private_under_any_umask),
		SCENE(one_process_has_it_once),
		SCENE(another_process_is_named),
		SCENE(a_full_map_fails_a_batch_whole),
		SCENE(a_file_that_others_enlarged_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
