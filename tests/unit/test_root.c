/* SPDX-License-Identifier: MIT */
/* State roots of databases in memory and in a file: whatever the way to a state, its root is
 * that of a trie filled with it from nothing. Forks: tests/script/test_state_root.py. */
#include "base/keccak.h"
#include "base/loop.h"
#include "base/trie_account.h"
#include "layers/root.h"
#include "layers/shared.h"
#include "store_fixture.h"
#include "unit.h"

#define ACCOUNTS 12
#define SLOTS	 10
#define HANDLES	 3
#define DEPTH	 6

/* A whole state, copied whenever one is kept. */
struct model {
	struct {
		uint64_t nonce, balance;
		unsigned char slots[SLOTS];
	} accounts[ACCOUNTS];
};

struct handle {
	struct state *state;
	struct root_view *view;
	struct model model; /* while it has writes of its own */
	bool scoped, in_tx;
	uint64_t tx, ids[DEPTH];
	struct model marks[DEPTH];
	unsigned depth;
};

struct scene {
	struct db db;
	struct filedb *file;
	struct root_cache *cache;
	struct loop *loop;
	struct handle handles[HANDLES];
	struct model published;
	char folder[256];
};

static struct eth_address address_of(unsigned i)
{
	struct eth_address address = {{0}};

	address.bytes[0] = 0xac;
	address.bytes[19] = (unsigned char)(i * 7 + 1);
	return address;
}

static struct eth_bytes32 word_of(uint64_t value)
{
	struct eth_bytes32 word = {{0}};

	be64_put(word.bytes + 24, value);
	return word;
}

static void model_root(const struct model *model, struct eth_bytes32 *root)
{
	struct trie_node *accounts = NULL;
	struct eth_bytes32 key;

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		struct trie_node *storage = NULL;
		struct trie_account leaf = trie_account_empty;
		unsigned char bytes[TRIE_ACCOUNT_BYTES], word[TRIE_WORD_BYTES];
		for (unsigned k = 0; k < SLOTS; k++) {
			struct eth_bytes32 slot = word_of(k),
					   value = word_of(model->accounts[i].slots[k]);
			keccak256(slot.bytes, 32, &key);
			assert_ok(trie_set(&storage, (struct span){(char *)key.bytes, 32},
					   trie_word_encode(&value, word), NULL, NULL));
		}
		leaf.nonce = model->accounts[i].nonce;
		leaf.balance = eth_u256_from_u64(model->accounts[i].balance);
		trie_root_hash(storage, &leaf.storage_root);
		struct eth_address address = address_of(i);
		keccak256(address.bytes, 20, &key);
		if (leaf.nonce != 0 || model->accounts[i].balance != 0)
			assert_ok(trie_set(&accounts, (struct span){(char *)key.bytes, 32},
					   trie_account_encode(&leaf, bytes), NULL, NULL));
		trie_put(&storage);
	}
	trie_root_hash(accounts, root);
	trie_put(&accounts);
}

static void expect_root(struct handle *h, const struct model *model)
{
	struct eth_bytes32 expected, root;
	struct root_job *job = NULL;
	struct fault fault;

	assert_ok(root_job_new(h->view, &job));
	enum lookup got = root_step(job, &root, &fault);
	if (got != HIT)
		fail_msg("%d %s", got, fault.detail.text);
	model_root(model, &expected);
	assert_memory_equal(root.bytes, expected.bytes, 32);
	root_job_free(&job);
}

static void set_up(struct scene *s, bool file)
{
	struct err_detail detail;

	memset(s, 0, sizeof *s);
	if (file) {
		fixture_folder(s->folder);
		const struct filedb_config config = {.folder = s->folder};
		assert_ok(filedb_open(&config, &s->file, &detail));
	}
	assert_ok(shared_new(NULL, s->file, false, &s->db.top));
	s->db.writable = s->db.top;
	assert_ok(loop_new(&s->loop));
	assert_ok(root_cache_new(&s->db, &s->cache));
	for (unsigned i = 0; i < HANDLES; i++) {
		struct handle *h = &s->handles[i];
		assert_ok(state_new(&s->db, s->loop, &h->state, &detail));
		assert_ok(root_view_new(s->cache, h->state, &h->view));
	}
}

static void tear_down(struct scene *s, bool file)
{
	for (unsigned i = 0; i < HANDLES; i++) {
		root_view_free(&s->handles[i].view);
		state_free(&s->handles[i].state);
	}
	root_cache_free(&s->cache);
	s->db.top->ops->free(&s->db.top);
	loop_free(&s->loop);
	if (file)
		fixture_remove(s->folder);
}

static struct model *seen(struct scene *s, struct handle *h)
{
	return h->scoped ? &h->model : &s->published;
}

static void write_something(struct scene *s, struct handle *h)
{
	struct model *m = seen(s, h);
	const unsigned i = (unsigned)rand() % ACCOUNTS, k = (unsigned)rand() % SLOTS;
	const struct eth_address address = address_of(i);
	struct account_fields fields = {0};
	struct err_detail detail;
	unsigned char value;

	switch (rand() % 8) {
	case 0:
		assert_ok(state_destroy(h->state, &address, &detail));
		memset(&m->accounts[i], 0, sizeof m->accounts[i]);
		return;
	case 1:
		assert_ok(state_wipe(h->state, &address, &detail));
		memset(m->accounts[i].slots, 0, SLOTS);
		return;
	case 2:
	case 3:
		fields.mask = ACCOUNT_BALANCE | ACCOUNT_NONCE;
		m->accounts[i].balance = (uint64_t)rand() % 3;
		m->accounts[i].nonce = fields.nonce = (uint64_t)rand() % 3;
		fields.balance = eth_u256_from_u64(m->accounts[i].balance);
		assert_ok(state_set_account(h->state, &address, &fields, &detail));
		return;
	default:
		value = (unsigned char)(rand() % 4);
		m->accounts[i].slots[k] = value;
		const struct eth_bytes32 slot = word_of(k), word = word_of(value);
		assert_ok(state_set_slot(h->state, &address, &slot, &word, &detail));
	}
}

/* Ends the scopes of a handle, published or not. */
static void end_scope(struct scene *s, struct handle *h)
{
	struct err_detail detail;
	const bool keep = rand() % 2 == 0;

	if (h->in_tx && keep)
		assert_ok(state_tx_commit(h->state, h->tx, &detail));
	else if (h->in_tx)
		assert_ok(state_tx_rollback(h->state, h->tx, &detail));
	else if (keep)
		assert_ok(state_publish(h->state, rand() % 2 == 0, &detail));
	else
		assert_ok(state_revert(h->state, h->ids[0], &detail));
	if (keep)
		s->published = h->model;
	h->in_tx = h->scoped = false;
	h->depth = 0;
}

/* A scope's model is a copy of what was published when it began: while one is open, only its
 * handle writes. */
static bool alone(const struct scene *s, const struct handle *h)
{
	for (unsigned i = 0; i < HANDLES; i++)
		if (&s->handles[i] != h && s->handles[i].scoped)
			return false;
	return true;
}

static void step(struct scene *s, struct handle *h)
{
	struct err_detail detail;

	switch (rand() % 10) {
	case 0:
		if (h->scoped && h->depth < DEPTH) {
			assert_ok(state_snapshot(h->state, &h->ids[h->depth], &detail));
			h->marks[h->depth++] = h->model;
		}
		break;
	case 1:
		if (!h->scoped && alone(s, h)) {
			h->scoped = true;
			h->model = s->published;
			h->in_tx = rand() % 2 == 0;
			h->depth = 0;
			if (h->in_tx) {
				assert_ok(state_tx_begin(h->state, &h->tx, &detail));
				break;
			}
			assert_ok(state_snapshot(h->state, &h->ids[0], &detail));
			h->marks[h->depth++] = h->model;
		}
		break;
	case 2:
		if (h->depth > 1) {
			h->depth -= 1 + (unsigned)rand() % (h->depth - 1);
			assert_ok(state_revert(h->state, h->ids[h->depth], &detail));
			h->model = h->marks[h->depth];
		}
		break;
	case 3:
		if (h->scoped && rand() % 4 == 0)
			end_scope(s, h);
		break;
	case 4:
		expect_root(h, seen(s, h));
		break;
	default:
		if (h->scoped || alone(s, h))
			write_something(s, h);
	}
}

static void run(bool file)
{
	static struct scene s;

	srand(7);
	set_up(&s, file);
	for (unsigned i = 0; i < (file ? 3000 : 20000); i++)
		step(&s, &s.handles[(unsigned)rand() % HANDLES]);
	for (unsigned i = 0; i < HANDLES; i++)
		expect_root(&s.handles[i], seen(&s, &s.handles[i]));
	tear_down(&s, file);
}

static void in_memory(void **state)
{
	(void)state;
	run(false);
}

static void in_a_file(void **state)
{
	(void)state;
	run(true);
}

/* A transaction goes on seeing its own state, and its root, whatever is published meanwhile. */
static void of_a_pinned_state(void **state)
{
	static struct scene s;
	struct err_detail detail;
	struct handle *old, *other;
	uint64_t tx;

	(void)state;
	srand(3);
	set_up(&s, false);
	old = &s.handles[0];
	other = &s.handles[1];
	for (unsigned i = 0; i < 100; i++)
		write_something(&s, other);
	expect_root(other, &s.published);
	const struct model before = s.published;
	assert_ok(state_tx_begin(old->state, &tx, &detail));
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 10; i++)
			write_something(&s, other);
		if (round % 3 != 0)
			expect_root(other, &s.published);
		expect_root(old, &before);
	}
	assert_ok(state_tx_rollback(old->state, tx, &detail));
	expect_root(old, &s.published);
	tear_down(&s, false);
}

/* Its root is the first that anybody asks for; what was published since it began was not heard
 * of, and counts all the same for the others. */
static void of_one_that_began_before_roots(void **state)
{
	static struct scene s;
	struct err_detail detail;
	uint64_t tx;

	(void)state;
	srand(4);
	set_up(&s, false);
	struct handle *old = &s.handles[0], *other = &s.handles[1];
	write_something(&s, other);
	const struct model before = s.published;
	assert_ok(state_tx_begin(old->state, &tx, &detail));
	for (unsigned i = 0; i < 50; i++)
		write_something(&s, other);
	expect_root(old, &before);
	expect_root(other, &s.published);
	expect_root(old, &before);
	write_something(&s, other);
	expect_root(other, &s.published);
	assert_ok(state_tx_rollback(old->state, tx, &detail));
	expect_root(old, &s.published);
	tear_down(&s, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory),
		cmocka_unit_test(in_a_file),
		cmocka_unit_test(of_a_pinned_state),
		cmocka_unit_test(of_one_that_began_before_roots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
