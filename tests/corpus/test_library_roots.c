/* SPDX-License-Identifier: MIT */
/* States whose roots are known, written through the public functions: test vectors, geneses,
 * and the first thousand blocks of mainnet, with snapshots. tests/corpus/test_state_roots.c has
 * the same of tries. */
#include "trie_corpus.h"
#include "store_fixture.h"
#include "forkcache.h"

static uint64_t seed = 4711;

struct world {
	struct fc_db *db;
	struct fc_state *state;
};

static void open_world(struct world *w, const char *urls)
{
	struct fc_error why;

	if (fc_open(urls, &w->db, &why) != FC_OK)
		fail_msg("%s: %s", urls, why.detail);
	assert_ok(fc_state_new(w->db, NULL, &w->state));
}

static void close_world(struct world *w)
{
	struct fc_error why;

	fc_state_free(&w->state);
	if (fc_close(&w->db, &why) != FC_OK)
		fail_msg("%s", why.detail);
}

static void ok(const struct world *w, enum fc_err err)
{
	if (err != FC_OK)
		fail_msg("%d: %s", (int)err, fc_detail(w->state));
}

static struct fc_bytes32 root_of(const struct world *w)
{
	struct fc_bytes32 root;

	ok(w, fc_state_root(w->state, &root));
	return root;
}

static void expect(const struct world *w, const char *name, const char *want)
{
	const struct eth_bytes32 wanted = word_of(want);
	const struct fc_bytes32 got = root_of(w);

	if (memcmp(got.bytes, wanted.bytes, 32) != 0)
		fail_msg("%s: the root is not %s", name, want);
}

/* ---- writes ---- */

static struct fc_address fc_address_of(const char *text)
{
	const struct eth_address address = address_of(text);
	struct fc_address out;

	memcpy(out.bytes, address.bytes, sizeof out.bytes);
	return out;
}

static struct fc_bytes32 fc_word_of(const char *text)
{
	const struct eth_bytes32 word = word_of(text);
	struct fc_bytes32 out;

	memcpy(out.bytes, word.bytes, sizeof out.bytes);
	return out;
}

static const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

static void put_balance(const struct world *w, const struct fc_address *address,
			const struct eth_u256 *balance, uint64_t nonce)
{
	struct fc_account account = {.mask = FC_BALANCE | FC_NONCE, .nonce = nonce};

	memcpy(account.balance.bytes, balance->bytes, 32);
	ok(w, fc_set_account(w->state, address, &account));
}

static void put_slots(const struct world *w, const struct fc_address *address, json_t *storage)
{
	const char **slots = shuffled_keys(storage, &seed);

	for (size_t i = 0; slots[i]; i++) {
		const struct fc_bytes32 slot = fc_word_of(slots[i]),
					value = fc_word_of(text_at(storage, slots[i]));
		ok(w, fc_set_storage(w->state, address, &slot, &value));
	}
	free(slots);
}

/* bare_hex: numbers are hex without 0x. */
static void put_entry(const struct world *w, const char *name, const json_t *entry,
		      bool bare_hex)
{
	const struct fc_address address = fc_address_of(name);
	const char *balance = text_or(entry, "balance", "0");
	struct eth_u256 number;
	struct arena arena;

	if (bare_hex) {
		const struct eth_bytes32 word = word_of(balance);
		memcpy(number.bytes, word.bytes, sizeof number.bytes);
	} else {
		number = number_of(balance);
	}
	arena_init(&arena, 1 << 20);
	const struct span code = hex_bytes(&arena, text_or(entry, "code", "0x"));
	put_balance(w, &address, &number, small_of(text_or(entry, "nonce", "0")));
	if (code.len > 0)
		ok(w, fc_set_code(w->state, &address, (const uint8_t *)code.ptr, code.len));
	put_slots(w, &address, json_object_get(entry, "storage"));
	arena_release(&arena);
}

/* Slots and accounts that do not belong there. */
enum { JUNK = 12 };

static void junk(const struct world *w, const char *const *addresses, bool is_there)
{
	static const struct eth_u256 one = {{[31] = 1}};
	struct fc_address stranger = {{0xee}};
	struct fc_bytes32 slot = {{0x77}}, value = {{0}};

	value.bytes[31] = is_there;
	for (size_t i = 0; addresses[i]; i++) {
		const struct fc_address address = fc_address_of(addresses[i]);
		slot.bytes[31] = (uint8_t)(i % JUNK);
		ok(w, fc_set_storage(w->state, &address, &slot, &value));
	}
	for (uint8_t i = 0; i < JUNK; i++) {
		stranger.bytes[19] = i;
		if (!is_there) {
			ok(w, fc_delete_account(w->state, &stranger));
			continue;
		}
		put_balance(w, &stranger, &one, 0);
		ok(w, fc_set_storage(w->state, &stranger, &slot, &value));
	}
}

static void put_alloc(const struct world *w, json_t *alloc, bool bare_hex)
{
	const char **addresses = shuffled_keys(alloc, &seed);

	for (size_t i = 0; addresses[i]; i++)
		put_entry(w, addresses[i], json_object_get(alloc, addresses[i]), bare_hex);
	free(addresses);
}

static void remove_alloc(const struct world *w, json_t *alloc)
{
	const char **addresses = shuffled_keys(alloc, &seed);

	for (size_t i = 0; addresses[i]; i++) {
		const struct fc_address address = fc_address_of(addresses[i]);
		const enum fc_err err = fc_delete_account(w->state, &address);
		if (err != FC_ERR_ACCOUNT_NOT_FOUND)
			ok(w, err);
	}
	free(addresses);
	const struct fc_bytes32 root = root_of(w);
	assert_memory_equal(root.bytes, eth_empty_trie_root.bytes, 32);
}

/* ---- dumps ---- */

static int collect(void *cookie, const void *bytes, size_t n)
{
	buf_append(cookie, bytes, n);
	return 0;
}

/* What the database in memory holds, loaded into an empty one, has the root; and the same dump.
 */
static void check_dump(const struct world *w, const char *name, const char *urls,
		       const char *want)
{
	struct world copy;
	struct buf text, again;

	buf_init(&text, CORPUS_FILE_MAX);
	buf_init(&again, CORPUS_FILE_MAX);
	ok(w, fc_dump_changes(w->state, collect, &text));
	open_world(&copy, urls);
	ok(&copy, fc_load_changes(copy.state, text.ptr, text.len));
	expect(&copy, name, want);
	ok(&copy, fc_dump_changes(copy.state, collect, &again));
	assert_int_equal(text.len, again.len);
	assert_memory_equal(text.ptr, again.ptr, text.len);
	close_world(&copy);
	buf_release(&text);
	buf_release(&again);
}

/* ---- vectors ---- */

static bool is_empty(const json_t *entry)
{
	static const struct eth_u256 zero;
	const struct eth_u256 balance = number_of(text_at(entry, "balance"));

	return small_of(text_at(entry, "nonce")) == 0 &&
	       memcmp(&balance, &zero, sizeof zero) == 0 &&
	       strcmp(text_at(entry, "code"), "0x") == 0;
}

static bool has_empty(json_t *alloc)
{
	const char *address;
	json_t *entry;

	json_object_foreach(alloc, address, entry)
	{
		if (is_empty(entry))
			return true;
	}
	return false;
}

/* Filled, spoiled and mended in a snapshot of a batch, published, emptied for the next. */
static void run_vector(const struct world *w, json_t *line)
{
	const char *name = text_at(line, "src"), *want = text_at(line, "stateRoot");
	json_t *alloc = json_object_get(line, "alloc");
	const char **addresses = shuffled_keys(alloc, &seed);
	uint64_t mark;

	ok(w, fc_batch_begin(w->state));
	put_alloc(w, alloc, false);
	expect(w, name, want);
	ok(w, fc_snapshot(w->state, &mark));
	junk(w, addresses, true);
	const struct fc_bytes32 spoilt = root_of(w), wanted = fc_word_of(want);
	assert_memory_not_equal(spoilt.bytes, wanted.bytes, 32);
	if (corpus_random(&seed) % 2) {
		junk(w, addresses, false);
		expect(w, name, want);
	}
	ok(w, fc_revert(w->state, mark));
	expect(w, name, want);
	ok(w, fc_batch_commit(w->state));
	expect(w, name, want);
	free(addresses);
}

static size_t run_vectors(const char *urls, bool keep_empty, size_t every, bool dumps)
{
	struct world w;
	struct buf file;
	size_t n = 0, done = 0;

	corpus_read("alloc-state-roots/alloc-roots.jsonl", &file);
	open_world(&w, urls);
	for (char *line = file.ptr, *end; *line; line = end + 1, n++) {
		end = strchr(line, '\n');
		assert_non_null(end);
		if (n % every != 0)
			continue;
		json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
		json_t *alloc = json_object_get(json, "alloc");
		if (keep_empty || !has_empty(alloc)) {
			run_vector(&w, json);
			if (dumps && (n % 8 == 0 || has_empty(alloc)))
				check_dump(&w, text_at(json, "src"), urls,
					   text_at(json, "stateRoot"));
			remove_alloc(&w, alloc);
			done++;
		}
		json_decref(json);
	}
	close_world(&w);
	buf_release(&file);
	return done;
}

static void vectors(void **state)
{
	(void)state;
	const size_t n = run_vectors("memory://", false, 1, true),
		     kept = run_vectors("memory://#keep-empty", true, 1, true),
		     over = run_vectors("overlay://#keep-empty,memory://", true, 7, false);
	char folder[256], urls[300];

	fixture_folder(folder);
	snprintf(urls, sizeof urls, "lmdb://%s#keep-empty", folder);
	const size_t filed = run_vectors(urls, true, 9, false);
	fixture_remove(folder);
	print_message("%zu states in memory, %zu with empty accounts, %zu over a memory, "
		      "%zu in a file\n",
		      n, kept, over, filed);
	assert_true(kept >= 400 && n < kept && over > 0 && filed > 0);
}

/* ---- geneses ---- */

/* One balance in hex without 0x: they all are. */
static bool is_bare_hex(json_t *alloc)
{
	const char *address;
	json_t *entry;

	json_object_foreach(alloc, address, entry)
	{
		const char *text = text_or(entry, "balance", "0");
		if (strncmp(text, "0x", 2) != 0 && strpbrk(text, "abcdefABCDEF"))
			return true;
	}
	return false;
}

static void put_genesis(const struct world *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "genesis-state-roots/%s", name);
	json_t *genesis = corpus_json(path), *alloc = json_object_get(genesis, "alloc");
	put_alloc(w, alloc, is_bare_hex(alloc));
	json_decref(genesis);
}

/* In one transaction; in a file also after it was closed. */
static void run_genesis(const char *urls, const char *name, const char *want, bool reopens)
{
	struct world w;
	uint64_t tx;

	open_world(&w, urls);
	ok(&w, fc_tx_begin(w.state, &tx));
	put_genesis(&w, name);
	expect(&w, name, want);
	ok(&w, fc_tx_commit(w.state, tx));
	expect(&w, name, want);
	if (!reopens)
		check_dump(&w, name, urls, want);
	close_world(&w);
	if (!reopens)
		return;
	open_world(&w, urls);
	expect(&w, name, want);
	close_world(&w);
}

/* Mainnet's has two empty accounts. */
static void geneses(void **state)
{
	(void)state;
	json_t *expected = corpus_json("genesis-state-roots/expected.json"), *row;
	const char *name;

	json_object_foreach(expected, name, row)
	{
		char folder[256], urls[300];
		const char *want = text_at(row, "stateRoot");
		run_genesis("memory://#keep-empty", name, want, false);
		fixture_folder(folder);
		snprintf(urls, sizeof urls, "lmdb://%s#keep-empty", folder);
		run_genesis(urls, name, want, true);
		fixture_remove(folder);
		print_message("%s\n", name);
	}
	json_decref(expected);
}

/* ---- mainnet, block by block ---- */

enum { BLOCKS_MAX = 8192, LINE_MAX_BYTES = 4096 };

struct chain {
	struct buf file;
	char *lines[BLOCKS_MAX]; /* "number root address:balance …" */
	size_t n;
};

static void chain_read(struct chain *chain)
{
	corpus_read("mainnet-first-blocks/blocks-0-999.txt", &chain->file);
	char *rest = chain->file.ptr;
	while (rest && *rest && chain->n < BLOCKS_MAX)
		chain->lines[chain->n++] = strsep(&rest, "\n");
}

static void apply_line(const struct world *w, const char *line)
{
	char text[LINE_MAX_BYTES], *rest = text;

	assert_true(strlen(line) < sizeof text);
	memcpy(text, line, strlen(line) + 1);
	for (int field = 0; rest; field++) {
		char *word = strsep(&rest, " ");
		if (field < 2 || !*word)
			continue;
		const struct fc_address address = fc_address_of(strsep(&word, ":"));
		const struct eth_u256 balance = number_of(word);
		put_balance(w, &address, &balance, 0);
	}
}

static void expect_line(const struct world *w, const char *line)
{
	char want[67];

	memcpy(want, strchr(line, ' ') + 1, 66);
	want[66] = '\0';
	expect(w, line, want);
}

static void run_block(const struct world *w, const struct chain *chain, size_t i,
		      uint64_t *mark)
{
	ok(w, fc_snapshot(w->state, mark));
	apply_line(w, chain->lines[i]);
	expect_line(w, chain->lines[i]);
}

/* Each block in a snapshot; now and then it goes back some and does them again; what there is
 * is published every so many blocks. Returns how many were done again. */
static size_t run_blocks(const struct world *w, const struct chain *chain, size_t n,
			 size_t publish)
{
	static uint64_t marks[BLOCKS_MAX];
	size_t again = 0, first = 1; /* those before it are published */

	put_genesis(w, "mainnet-genesis.json");
	expect_line(w, chain->lines[0]);
	for (size_t i = 1; i < n; i++) {
		run_block(w, chain, i, &marks[i]);
		if (i % 25 == 0) {
			const size_t back = first + corpus_random(&seed) % (i + 1 - first);
			ok(w, fc_revert(w->state, marks[back]));
			expect_line(w, chain->lines[back - 1]);
			for (size_t k = back; k <= i; k++)
				assert_int_equal(fc_revert(w->state, marks[k]),
						 FC_ERR_SNAPSHOT_NOT_FOUND);
			for (size_t k = back; k <= i; k++, again++)
				run_block(w, chain, k, &marks[k]);
		}
		if (i % publish == 0) {
			ok(w, fc_commit(w->state, NULL));
			expect_line(w, chain->lines[i]);
			first = i + 1;
		}
	}
	return again;
}

static void first_blocks(void **state)
{
	(void)state;
	static struct chain chain;
	char folder[256], urls[300];
	struct world w;

	chain_read(&chain);
	open_world(&w, "memory://#keep-empty");
	const size_t again = run_blocks(&w, &chain, chain.n, 60);
	close_world(&w);
	fixture_folder(folder);
	snprintf(urls, sizeof urls, "lmdb://%s#keep-empty", folder);
	open_world(&w, urls);
	(void)run_blocks(&w, &chain, 201, 10);
	close_world(&w);
	open_world(&w, urls);
	expect_line(&w, chain.lines[200]);
	close_world(&w);
	fixture_remove(folder);
	print_message("%zu roots, %zu of them again; 201 in a file\n", chain.n, again);
	assert_true(chain.n >= 1000 && again >= 100);
	buf_release(&chain.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(geneses),
		cmocka_unit_test(first_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
