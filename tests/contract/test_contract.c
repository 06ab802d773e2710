/* SPDX-License-Identifier: MIT */
/*
 * One suite over every back end and stack of layers: what the header promises holds whatever
 * lies below. All begin with the same two accounts, which a fork's node serves and the others
 * are given; so all have the same state roots, too.
 */
#include "world.h"

/* ---- what holds for all ---- */

static void reads(struct world *w)
{
	const struct fc_address a = address(1), nobody = address(9);
	struct fc_account account = get_account(w->state, 1);
	struct fc_code *code;
	assert_int_equal(account.nonce, 3);
	assert_int_equal(number(&account.balance), 100);
	assert_true(account.exists);
	assert_int_equal(get_slot(w->state, 1, 1), 7);
	assert_int_equal(get_slot(w->state, 1, 5), 0);
	assert_int_equal(get_slot(w->state, 9, 1), 0);
	OK_CALL(w->state, fc_get_code(w->state, &a, &code));
	assert_int_equal(fc_code_length(code), sizeof contract_code);
	assert_memory_equal(fc_code_bytes(code), contract_code, sizeof contract_code);
	fc_code_put(&code);
	OK_CALL(w->state, fc_get_code_by_hash(w->state, &account.code_hash, &code));
	assert_int_equal(fc_code_length(code), sizeof contract_code);
	fc_code_put(&code);
	assert_false(exists(w->state, 9));
	account = get_account(w->state, 9);
	assert_int_equal(account.nonce, 0);
	OK_CALL(w->state, fc_get_code(w->state, &nobody, &code));
	assert_int_equal(fc_code_length(code), 0);
	fc_code_put(&code);
}

static void ways_to_wait(struct world *w)
{
	const struct fc_bytes32 slots[] = {word(1), word(2), word(3)};
	const struct fc_access list[] = {{.address = address(1), .slots = slots, .slots_n = 3}};
	struct fc_read asked[] = {
		{.kind = FC_READ_STORAGE, .address = address(1), .slot = word(1)},
		{.kind = FC_READ_STORAGE, .address = address(1), .slot = word(3)},
		{.kind = FC_READ_ACCOUNT,
		 .address = address(2),
		 .wanted = FC_BALANCE | FC_EXISTS},
		{.kind = FC_READ_CODE, .address = address(1)}};
	for (int way = 0; way < 4; way++) {
		struct fc_read got[4], *out = got;
		struct fc_state *s = another(w);
		struct fc_op *op = NULL;
		memcpy(got, asked, sizeof got);
		OK_CALL(s, fc_clear_cache(s));
		if (way == 0) {
			OK_CALL(s, fc_read_many(s, got, 4));
		} else if (way == 1) {
			OK_CALL(s, fc_read_start(s, got, 4, NULL, &op));
			OK_CALL(s, fc_op_wait(op, -1));
			OK_CALL(s, fc_op_result(op));
			out = fc_op_reads(op, NULL);
		} else if (way == 2) {
			OK_CALL(s, fc_set_wait(s, FC_RESUMABLE));
			enum fc_err err = fc_read_many(s, got, 4);
			assert_true(err == FC_OK || err == FC_PENDING);
			for (int i = 0; i < 3 && err == FC_PENDING; i++) {
				fc_reads_release(got, 4);
				OK_CALL(s, fc_fetch_needed(s));
				err = fc_read_many(s, got, 4);
			}
			OK_CALL(s, err);
		} else {
			OK_CALL(s, fc_prefetch(s, list, 1));
			OK_CALL(s, fc_read_many(s, got, 4));
		}
		assert_int_equal(number(&out[0].value), 7);
		assert_int_equal(number(&out[1].value), 0);
		assert_int_equal(number(&out[2].account.balance), 5);
		assert_true(out[2].account.exists);
		assert_int_equal(fc_code_length(out[3].code), sizeof contract_code);
		fc_reads_release(out, 4);
		fc_op_free(&op);
		fc_state_free(&s);
	}
}

static void peeks(struct world *w)
{
	const struct fc_address a = address(1);
	const struct fc_bytes32 slot = word(1);
	struct fc_bytes32 value;
	struct fc_account account;
	assert_int_equal(get_slot(w->state, 1, 1), 7);
	const enum fc_err err = fc_peek_storage(w->state, &a, &slot, &value);
	assert_true(err == FC_OK || err == FC_MISS);
	if (!w->backend->has_fork)
		assert_int_equal(err, FC_OK);
	if (err == FC_OK)
		assert_int_equal(number(&value), 7);
	if (!w->backend->has_fork)
		OK_CALL(w->state, fc_peek_account(w->state, &a, FC_NONCE, &account));
}

static void roots(struct world *w)
{
	static struct fc_bytes32 golden;
	static bool known;
	assert_root(w->state, &golden, &known);
}

static void proofs(struct world *w)
{
	struct fc_read read = {
		.kind = FC_READ_STORAGE, .prove = true, .address = address(1), .slot = word(2)};
	const struct fc_address a = address(1);
	const struct fc_bytes32 root = root_of(w->state);
	const uint8_t *nodes[16];
	size_t lens[16];
	struct fc_account account;
	struct fc_error why;
	OK_CALL(w->state, fc_get_account(w->state, &a,
					 FC_BALANCE | FC_NONCE | FC_CODE_HASH | FC_STORAGE_ROOT,
					 &account));
	OK_CALL(w->state, fc_read_many(w->state, &read, 1));
	const size_t n = fc_proof_account_nodes(read.proof),
		     m = fc_proof_storage_nodes(read.proof);
	assert_true(n > 0 && m > 0 && n + m <= 16);
	for (size_t i = 0; i < n + m; i++)
		nodes[i] = fc_proof_node(read.proof, i, &lens[i]);
	if (fc_proof_verify(&root, &a, nodes, lens, n, &account, &read.slot, &read.value,
			    nodes + n, lens + n, m, &why) != FC_OK)
		fail_msg("%s", why.detail);
	const struct fc_bytes32 wrong = word(10);
	assert_int_equal(fc_proof_verify(&root, &a, nodes, lens, n, &account, &read.slot,
					 &wrong, nodes + n, lens + n, m, &why),
			 FC_ERR_CORRUPTED);
	fc_reads_release(&read, 1);
}

static void checks(struct world *w)
{
	assert_int_equal(get_slot(w->state, 1, 1), 7);
	OK_CALL(w->state, fc_check(w->state, NULL, NULL));
	OK_CALL(w->state, fc_flush(w->state));
}

static void blocks_and_statistics(struct world *w)
{
	struct fc_block block;
	struct fc_stats stats = {.size = sizeof stats};
	assert_int_equal(fc_block(w->db, &block),
			 w->backend->has_fork ? FC_OK : FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_stats(w->db, &stats), FC_OK);
}

/* ---- what holds for those that take writes ---- */

static void writes(struct world *w)
{
	struct fc_state *other = another(w);
	const struct fc_address a = address(1), b = address(3);
	struct fc_code *code;
	set_slot(w->state, 1, 1, 70);
	assert_int_equal(get_slot(other, 1, 1), 70); /* seen by all at once */
	assert_int_equal(get_slot(w->state, 1, 2), 9);
	set_slot(w->state, 1, 1, 0);
	assert_int_equal(get_slot(other, 1, 1), 0);
	set_account(w->state, 3, 1, 2);
	assert_true(exists(other, 3));
	OK_CALL(w->state, fc_set_code(w->state, &b, contract_code, 3));
	OK_CALL(w->state, fc_get_code(other, &b, &code));
	assert_int_equal(fc_code_length(code), 3);
	fc_code_put(&code);
	OK_CALL(w->state, fc_get_code(w->state, &a, &code)); /* a proof brings its hash only */
	fc_code_put(&code);
	const struct fc_account by_hash = {.mask = FC_CODE_HASH,
					   .code_hash = get_account(w->state, 1).code_hash};
	OK_CALL(w->state, fc_set_account(w->state, &b, &by_hash));
	OK_CALL(w->state, fc_get_code(other, &b, &code));
	assert_int_equal(fc_code_length(code), sizeof contract_code);
	fc_code_put(&code);
	const struct fc_account unknown = {.mask = FC_CODE_HASH, .code_hash = word(1)};
	assert_int_equal(fc_set_account(w->state, &b, &unknown), FC_ERR_CODE_NOT_FOUND);
	OK_CALL(w->state, fc_clear_storage(w->state, &a));
	assert_int_equal(get_slot(other, 1, 2), 0);
	assert_int_equal(get_account(other, 1).nonce, 3);
	set_account(w->state, 3, 0, 0); /* EIP-161 */
	OK_CALL(w->state, fc_set_code(w->state, &b, NULL, 0));
	assert_false(exists(other, 3));
	fc_state_free(&other);
}

static void self_destruct(struct world *w)
{
	static struct fc_bytes32 golden[2];
	static bool known[2];
	const struct fc_address a = address(1), nobody = address(9);
	OK_CALL(w->state, fc_delete_account(w->state, &a));
	assert_false(exists(w->state, 1));
	assert_int_equal(get_slot(w->state, 1, 1), 0);
	assert_root(w->state, &golden[0], &known[0]);
	assert_int_equal(fc_delete_account(w->state, &a), FC_ERR_ACCOUNT_NOT_FOUND);
	assert_int_equal(fc_delete_account(w->state, &nobody), FC_ERR_ACCOUNT_NOT_FOUND);
	set_account(w->state, 1, 1, 1); /* made again */
	assert_int_equal(get_slot(w->state, 1, 1), 0);
	set_slot(w->state, 1, 2, 4);
	assert_root(w->state, &golden[1], &known[1]);
}

static void snapshots(struct world *w)
{
	struct fc_state *other = another(w);
	uint64_t outer, inner, last;
	const struct fc_bytes32 before = root_of(w->state);
	OK_CALL(w->state, fc_snapshot(w->state, &outer));
	set_slot(w->state, 1, 1, 1);
	OK_CALL(w->state, fc_snapshot(w->state, &inner));
	set_slot(w->state, 1, 1, 2);
	set_account(w->state, 4, 4, 4);
	assert_int_equal(get_slot(other, 1, 1), 7); /* the handle's own */
	OK_CALL(w->state, fc_revert(w->state, inner));
	assert_int_equal(get_slot(w->state, 1, 1), 1);
	assert_false(exists(w->state, 4));
	assert_int_equal(fc_revert(w->state, inner), FC_ERR_SNAPSHOT_NOT_FOUND);
	OK_CALL(w->state, fc_snapshot(w->state, &inner));
	assert_true(inner != outer);
	OK_CALL(w->state, fc_revert(w->state, outer));
	assert_int_equal(get_slot(w->state, 1, 1), 7);
	assert_int_equal(fc_snapshot_commit(w->state, inner), FC_ERR_SNAPSHOT_NOT_FOUND);
	const struct fc_bytes32 after = root_of(w->state);
	assert_memory_equal(&before, &after, sizeof before);
	OK_CALL(w->state, fc_snapshot(w->state, &outer));
	set_slot(w->state, 1, 1, 3);
	OK_CALL(w->state, fc_snapshot(w->state, &last));
	set_slot(w->state, 1, 2, 3);
	OK_CALL(w->state, fc_snapshot_commit(w->state, last));
	assert_int_equal(get_slot(other, 1, 1), 7);
	OK_CALL(w->state, fc_snapshot_commit(w->state, outer));
	assert_int_equal(get_slot(other, 1, 1), 3);
	assert_int_equal(get_slot(other, 1, 2), 3);
	fc_state_free(&other);
}

static void batches(struct world *w)
{
	struct fc_state *other = another(w);
	uint64_t id;
	assert_int_equal(fc_batch_commit(w->state), FC_ERR_INVALID_TRANSACTION);
	OK_CALL(w->state, fc_batch_begin(w->state));
	assert_int_equal(fc_batch_begin(w->state), FC_ERR_INVALID_TRANSACTION);
	set_slot(w->state, 1, 1, 11);
	OK_CALL(w->state, fc_snapshot(w->state, &id));
	set_slot(w->state, 1, 2, 12);
	OK_CALL(w->state, fc_revert(w->state, id));
	assert_int_equal(get_slot(other, 1, 1), 7);
	OK_CALL(w->state, fc_batch_commit(w->state));
	assert_int_equal(get_slot(other, 1, 1), 11);
	assert_int_equal(get_slot(other, 1, 2), 9);
	OK_CALL(w->state, fc_batch_begin(w->state));
	set_slot(w->state, 1, 1, 12);
	OK_CALL(w->state, fc_batch_rollback(w->state));
	assert_int_equal(get_slot(w->state, 1, 1), 11);
	assert_int_equal(fc_batch_rollback(w->state), FC_ERR_INVALID_TRANSACTION);
	fc_state_free(&other);
}

static void transactions(struct world *w)
{
	struct fc_state *other = another(w);
	uint64_t mine, theirs;
	OK_CALL(w->state, fc_tx_begin(w->state, &mine));
	set_slot(other, 1, 1, 21); /* after the begin */
	assert_int_equal(get_slot(w->state, 1, 1), 7);
	set_slot(w->state, 1, 2, 22);
	assert_int_equal(get_slot(other, 1, 2), 9);
	OK_CALL(w->state, fc_tx_commit(w->state, mine)); /* other slots: no conflict */
	assert_int_equal(get_slot(w->state, 1, 1), 21);
	assert_int_equal(get_slot(other, 1, 2), 22);
	assert_int_equal(fc_tx_commit(w->state, mine), FC_ERR_INVALID_TRANSACTION);
	OK_CALL(w->state, fc_tx_begin(w->state, &mine));
	OK_CALL(other, fc_tx_begin(other, &theirs));
	set_account(w->state, 2, 1, 1);
	set_account(other, 2, 2, 2);
	OK_CALL(other, fc_tx_commit(other, theirs));
	assert_int_equal(fc_tx_commit(w->state, mine), FC_ERR_CONFLICT);
	assert_int_equal(get_account(w->state, 2).nonce, 2);
	OK_CALL(w->state, fc_tx_begin(w->state, &mine));
	set_account(w->state, 2, 3, 3);
	OK_CALL(w->state, fc_tx_rollback(w->state, mine));
	assert_int_equal(get_account(w->state, 2).nonce, 2);
	fc_state_free(&other);
}

struct text {
	char bytes[8192];
	size_t n;
};

static int append(void *cookie, const void *bytes, size_t n)
{
	struct text *text = cookie;
	if (n > sizeof text->bytes - text->n)
		return -1;
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
	return 0;
}

static int refuse(void *cookie, const void *bytes, size_t n)
{
	(void)cookie;
	(void)bytes;
	(void)n;
	return -1;
}

static void change_everything(struct fc_state *s)
{
	const struct fc_address a = address(1), b = address(2);
	set_account(s, 7, 1, 1);
	set_slot(s, 7, 3, 33);
	set_slot(s, 1, 1, 8);
	OK_CALL(s, fc_set_code(s, &a, contract_code, 2));
	OK_CALL(s, fc_delete_account(s, &b));
}

static void dumps(struct world *w)
{
	static struct fc_bytes32 golden;
	static bool known;
	struct text first = {.n = 0}, second = {.n = 0};
	uint64_t id;
	if (w->backend->has_file) {
		assert_int_equal(fc_dump_changes(w->state, append, &first), FC_ERR_UNSUPPORTED);
	} else {
		OK_CALL(w->state, fc_snapshot(w->state, &id));
		change_everything(w->state);
		OK_CALL(w->state, fc_dump_changes(w->state, append, &first));
		const struct fc_bytes32 root = root_of(w->state);
		OK_CALL(w->state, fc_revert(w->state, id));
		OK_CALL(w->state, fc_load_changes(w->state, first.bytes, first.n));
		const struct fc_bytes32 again = root_of(w->state);
		assert_memory_equal(&root, &again, sizeof root);
		OK_CALL(w->state, fc_dump_changes(w->state, append, &second));
		assert_int_equal(first.n, second.n);
		assert_memory_equal(first.bytes, second.bytes, first.n);
		assert_root(w->state, &golden, &known);
		assert_int_equal(fc_dump_changes(w->state, refuse, NULL), FC_ERR_SERIALIZATION);
	}
	const struct fc_bytes32 before = root_of(w->state);
	assert_int_equal(fc_load_changes(w->state, "{\"storage\":[]}", 14),
			 FC_ERR_DESERIALIZATION);
	const struct fc_bytes32 after = root_of(w->state);
	assert_memory_equal(&before, &after, sizeof before);
}

/* Of such an account the dump has what nobody wrote, too. Over nothing there is nothing that it
 * would have to say of the storage. */
static void dumps_of_wiped_storage(struct world *w)
{
	const struct fc_address a = address(1);
	struct text text = {.n = 0};
	uint64_t id;
	if (strncmp(w->backend->urls, "overlay:", 8) != 0)
		return;
	OK_CALL(w->state, fc_snapshot(w->state, &id));
	OK_CALL(w->state, fc_clear_storage(w->state, &a));
	set_slot(w->state, 1, 2, 5);
	OK_CALL(w->state, fc_dump_changes(w->state, append, &text));
	const struct fc_bytes32 root = root_of(w->state);
	OK_CALL(w->state, fc_revert(w->state, id));
	OK_CALL(w->state, fc_load_changes(w->state, text.bytes, text.n));
	const struct fc_bytes32 again = root_of(w->state);
	assert_memory_equal(&root, &again, sizeof root);
}

static void roots_of_changes(struct world *w)
{
	static struct fc_bytes32 golden[4];
	static bool known[4];
	struct fc_bytes32 root;
	uint64_t id;
	OK_CALL(w->state, fc_snapshot(w->state, &id));
	change_everything(w->state);
	assert_root(w->state, &golden[0], &known[0]);
	set_slot(w->state, 1, 1, 0); /* what stays may move up */
	assert_root(w->state, &golden[1], &known[1]);
	OK_CALL(w->state, fc_revert(w->state, id));
	assert_root(w->state, &golden[2], &known[2]);
	OK_CALL(w->state, fc_snapshot(w->state, &id)); /* its own until the commit */
	change_everything(w->state);
	OK_CALL(w->state, fc_commit(w->state, &root));
	assert_int_equal(fc_revert(w->state, id), FC_ERR_SNAPSHOT_NOT_FOUND);
	assert_memory_equal(&root, &golden[0], sizeof root);
	struct fc_state *other = another(w);
	assert_root(other, &golden[3], &known[3]);
	assert_memory_equal(&root, &golden[3], sizeof root);
	fc_state_free(&other);
}

static int stop_at_once(void *cookie, const struct fc_progress *progress)
{
	*(uint64_t *)cookie = progress->accounts + progress->slots + progress->codes;
	return 1;
}

/* Of a fork what its disk has is copied: what has been read. */
static void copy_fork(struct world *w, struct fc_state *to)
{
	assert_int_equal(get_account(w->state, 1).nonce, 3);
	assert_int_equal(get_slot(w->state, 1, 1), 7);
	set_slot(w->state, 1, 5, 55);
	const enum fc_err err = fc_copy(w->state, to, NULL, NULL);
	if (err == FC_ERR_UNSUPPORTED) {
		assert_null(strstr(w->urls, "lmdb://"));
		assert_non_null(strstr(fc_detail(to), "disk"));
		return;
	}
	OK_CALL(to, err);
	assert_non_null(strstr(w->urls, "lmdb://"));
	assert_int_equal(get_account(to, 1).nonce, 3);
	assert_int_equal(get_slot(to, 1, 1), 7);
	assert_int_equal(get_slot(to, 1, 2), 0); /* nobody has read it */
	assert_int_equal(get_slot(to, 1, 5), 55);
}

static void copy_all(struct world *w, struct fc_state *to)
{
	uint64_t id, copied = 0;
	OK_CALL(w->state, fc_snapshot(w->state, &id));
	change_everything(w->state); /* what is not published is copied, too */
	OK_CALL(to, fc_copy(w->state, to, NULL, NULL));
	const struct fc_bytes32 from_root = root_of(w->state), to_root = root_of(to);
	assert_memory_equal(&from_root, &to_root, sizeof from_root);
	OK_CALL(w->state, fc_revert(w->state, id));
	assert_int_equal(fc_copy(w->state, to, stop_at_once, &copied), FC_ERR_CANCELLED);
	assert_true(copied > 0);
	assert_int_equal(fc_copy(w->state, w->state, NULL, NULL), FC_ERR_INVALID_ARGUMENT);
	OK_CALL(to, fc_batch_begin(to));
	assert_int_equal(fc_copy(w->state, to, NULL, NULL), FC_ERR_INVALID_TRANSACTION);
}

static void copies(struct world *w)
{
	struct fc_db *db;
	struct fc_state *to;
	struct fc_error why;
	assert_int_equal(fc_open("memory://", &db, &why), FC_OK);
	assert_int_equal(fc_state_new(db, NULL, &to), FC_OK);
	(w->backend->has_fork ? copy_fork : copy_all)(w, to);
	fc_state_free(&to);
	assert_int_equal(fc_close(&db, &why), FC_OK);
}

static void files_keep_what_was_written(struct world *w)
{
	if (!w->backend->has_file)
		return;
	change_everything(w->state);
	const struct fc_bytes32 root = root_of(w->state);
	close_world(w);
	open_world(w);
	const struct fc_bytes32 again = root_of(w->state);
	assert_memory_equal(&root, &again, sizeof root);
	assert_int_equal(get_slot(w->state, 7, 3), 33);
}

/* ---- what holds for those that take none ---- */

static void refusals(struct world *w)
{
	const struct fc_address a = address(1);
	const struct fc_bytes32 slot = word(1);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 1};
	struct fc_state *s = w->state;
	assert_int_equal(fc_set_account(s, &a, &account), FC_ERR_UNSUPPORTED);
	assert_non_null(strstr(fc_detail(s), "overlay://"));
	assert_int_equal(fc_set_storage(s, &a, &slot, &slot), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_clear_storage(s, &a), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_set_code(s, &a, contract_code, 1), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_delete_account(s, &a), FC_ERR_UNSUPPORTED);
	assert_int_equal(get_slot(s, 1, 1), 7);
}

static const struct behaviour {
	const char *name;
	void (*run)(struct world *w);
	enum { ALL, WRITABLE, READ_ONLY } of;
} behaviours[] = {
	{"reads", reads, ALL},
	{"ways to wait", ways_to_wait, ALL},
	{"peeks", peeks, ALL},
	{"roots", roots, ALL},
	{"proofs", proofs, ALL},
	{"checks", checks, ALL},
	{"blocks and statistics", blocks_and_statistics, ALL},
	{"writes", writes, WRITABLE},
	{"self-destruct", self_destruct, WRITABLE},
	{"snapshots", snapshots, WRITABLE},
	{"batches", batches, WRITABLE},
	{"transactions", transactions, WRITABLE},
	{"dumps", dumps, WRITABLE},
	{"dumps of wiped storage", dumps_of_wiped_storage, WRITABLE},
	{"roots of changes", roots_of_changes, WRITABLE},
	{"copies", copies, WRITABLE},
	{"files keep what was written", files_keep_what_was_written, WRITABLE},
	{"refusals", refusals, READ_ONLY},
};
enum { BEHAVIOURS = sizeof behaviours / sizeof *behaviours };

struct pair {
	const struct behaviour *behaviour;
	const struct backend *backend;
	char name[96];
};

static void run_pair(void **state)
{
	const struct pair *pair = *state;
	struct world w = {.backend = pair->backend};
	make_folder(folder, w.folder, sizeof w.folder); /* goes with it if this fails */
	expand(pair->backend->urls, w.folder, w.urls, sizeof w.urls);
	open_world(&w);
	if (!w.backend->has_fork)
		give_prestate(w.state);
	pair->behaviour->run(&w);
	close_world(&w);
	remove_folder(w.folder);
}

static bool applies(const struct behaviour *behaviour, const struct backend *backend)
{
	return behaviour->of == ALL || (behaviour->of == WRITABLE) == backend->writable;
}

int main(void)
{
	static struct pair pairs[BEHAVIOURS * BACKENDS];
	static struct CMUnitTest tests[BEHAVIOURS * BACKENDS];
	size_t n = 0;
	for (size_t i = 0; i < BEHAVIOURS; i++)
		for (size_t k = 0; k < BACKENDS; k++) {
			if (!applies(&behaviours[i], &backends[k]))
				continue;
			pairs[n] = (struct pair){.behaviour = &behaviours[i],
						 .backend = &backends[k]};
			snprintf(pairs[n].name, sizeof pairs[n].name, "%s: %s",
				 behaviours[i].name, backends[k].name);
			tests[n] = (struct CMUnitTest){.name = pairs[n].name,
						       .test_func = run_pair,
						       .initial_state = &pairs[n]};
			n++;
		}
	start_nodes(prestate);
	const int failed = _cmocka_run_group_tests("contract", tests, n, NULL, NULL);
	end_nodes();
	return failed;
}
