/* SPDX-License-Identifier: MIT */
/* Recorded answers of eth_getProof, in all the spellings that tools write them in: each
 * verifies but those that are known to be wrong, and none does any more when something of it is
 * changed. */
#include "trie_corpus.h"
#include <sys/stat.h>

enum { BYTES_MAX = 16 << 20 };

static struct {
	int files, accounts, absent, slots, zero_slots, refused, mutants;
} count;

static struct arena arena;
static uint64_t seed = 7;

/* Answers that must be refused: what they are about, and why. */
static const struct known_bad {
	const char *address, *reason;
} known_bad[] = {
	/* No account proof, and a storage proof under another root than the account's. */
	{"0xb47e3cd837ddf8e4c57f05d70ab865de6e193bbb", "the proof is empty"},
	/* The proof of another account, of the beacon roots contract. */
	{"0x0000f90827f1c53a10cb7a02335b175320002935", "does not hash to what its parent"},
};

/* ---- reading ---- */

/* 0x and hex, decimal, or a bare number. */
static struct eth_u256 number_at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		return eth_u256_from_u64((uint64_t)json_integer_value(value));
	return number_of(text_at(object, key));
}

static struct eth_bytes32 word_at(const json_t *object, const char *key)
{
	const struct eth_u256 number = number_at(object, key);
	struct eth_bytes32 word;

	memcpy(word.bytes, number.bytes, sizeof word.bytes);
	return word;
}

static struct trie_account claims_of(const json_t *answer)
{
	const json_t *fields = json_object_get(answer, "account");
	struct trie_account claimed;
	const struct eth_u256 nonce = number_at(fields ? fields : answer, "nonce");

	fields = fields ? fields : answer;
	assert_true(eth_u256_to_u64(&nonce, &claimed.nonce));
	claimed.balance = number_at(fields, "balance");
	claimed.code_hash = word_at(fields, "codeHash");
	claimed.storage_root = word_at(
		fields, json_object_get(fields, "storageHash") ? "storageHash" : "storageRoot");
	return claimed;
}

static struct eth_bytes32 root_of(const struct list *list)
{
	struct eth_bytes32 root = {{0x11}}; /* of no known trie */

	if (list->n > 0)
		keccak256(list->nodes[0].ptr, list->nodes[0].len, &root);
	return root;
}

/* ---- mutants ---- */

/* What is verified, an account or a slot. */
struct question {
	struct eth_bytes32 root;
	bool is_slot;
	struct eth_address address;
	struct eth_bytes32 slot;
};

static enum err ask(const struct question *question, struct proof_list list,
		    const struct trie_account *account, const struct eth_bytes32 *value)
{
	struct trie_account proved;
	struct eth_bytes32 word;
	struct err_detail detail = {""};
	bool exists;

	const enum err err =
		question->is_slot
			? proof_slot_verify(&question->root, &question->slot, list, value,
					    &word, &detail)
			: proof_account_verify(&question->root, &question->address, list,
					       account, &proved, &exists, &detail);
	assert_true((err == OK) == (detail.text[0] == '\0'));
	count.mutants += err != OK;
	return err;
}

static void assert_refused(const struct question *question, const struct list *list)
{
	assert_int_equal(ask(question, list_of(list), NULL, NULL), ERR_BAD_ANSWER);
}

/* Node i in another form: some bytes changed, cut, longer. */
static void change_bytes(const struct question *question, const struct list *list, size_t i)
{
	const struct span node = list->nodes[i];
	unsigned char *copy = arena_alloc(&arena, node.len + 1);
	struct list changed = *list;

	assert_non_null(copy);
	memcpy(copy, node.ptr, node.len);
	copy[node.len] = 0x80;
	changed.nodes[i] = (struct span){(const char *)copy, node.len};
	for (int n = 0; n < 12; n++) {
		const size_t at = corpus_random(&seed) % node.len;
		copy[at] ^= (unsigned char)(1u << corpus_random(&seed) % 8);
		assert_refused(question, &changed);
		copy[at] = (unsigned char)node.ptr[at];
	}
	changed.nodes[i].len = node.len + 1;
	assert_refused(question, &changed);
	changed.nodes[i].len = node.len - 1;
	assert_refused(question, &changed);
	changed.nodes[i].len = 0;
	assert_refused(question, &changed);
}

static void change_list(const struct question *question, const struct list *list, size_t i)
{
	struct list changed = *list;

	/* Without node i, from node i on, up to node i. */
	memmove(&changed.nodes[i], &changed.nodes[i + 1],
		(list->n - i - 1) * sizeof *changed.nodes);
	changed.n--;
	assert_refused(question, &changed);
	changed = (struct list){.n = i};
	memcpy(changed.nodes, list->nodes, i * sizeof *changed.nodes);
	assert_refused(question, &changed);
	/* Node i twice; in the place of another. */
	changed = *list;
	changed.nodes[changed.n++] = list->nodes[i];
	assert_refused(question, &changed);
	if (i > 0) {
		changed = *list;
		changed.nodes[i - 1] = list->nodes[i];
		changed.nodes[i] = list->nodes[i - 1];
		assert_refused(question, &changed);
	}
}

/* Of a trie in which nobody else ends at the same node. */
static void change_question(const struct question *question, const struct list *list)
{
	struct question other = *question;

	for (int n = 0; n < 8; n++) {
		other.address.bytes[corpus_random(&seed) % 20]++;
		other.slot.bytes[corpus_random(&seed) % 32]++;
		if (list->n >= 3)
			assert_refused(&other, list);
	}
	other = *question;
	other.root.bytes[corpus_random(&seed) % 32] ^= 0x01;
	assert_refused(&other, list);
	other.root = eth_empty_trie_root;
	assert_refused(&other, list);
}

static void change_everything(const struct question *question, const struct list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		change_bytes(question, list, i);
		change_list(question, list, i);
	}
	if (list->n > 0)
		change_question(question, list);
}

static void change_account(const struct question *question, const struct list *list,
			   const struct trie_account *claimed)
{
	for (int field = 0; field < 4; field++) {
		struct trie_account changed = *claimed;
		changed.nonce += field == 0;
		changed.balance.bytes[31] ^= field == 1;
		changed.storage_root.bytes[31] ^= field == 2;
		changed.code_hash.bytes[31] ^= field == 3;
		assert_int_equal(ask(question, list_of(list), &changed, NULL), ERR_BAD_ANSWER);
	}
}

/* ---- answers ---- */

/* Fails the test unless the refusal is one that is expected. */
static void refused(const char *name, const char *address, const struct err_detail *detail)
{
	for (size_t i = 0; i < sizeof known_bad / sizeof *known_bad; i++) {
		if (strcasecmp(known_bad[i].address, address) != 0 ||
		    !strstr(detail->text, known_bad[i].reason))
			continue;
		print_message("%s: %s: refused: %s\n", name, address, detail->text);
		count.refused++;
		return;
	}
	fail_msg("%s: %s: %s", name, address, detail->text);
}

static void check_slot(const char *name, const struct eth_bytes32 *root, const json_t *entry,
		       const char *address)
{
	struct question question = {.root = *root, .is_slot = true};
	const struct eth_bytes32 claimed = word_at(entry, "value");
	struct eth_bytes32 value;
	struct err_detail detail;
	struct list list;

	list_read(&arena, json_object_get(entry, "proof"), &list);
	question.slot = word_of(text_at(entry, "key"));
	if (proof_slot_verify(root, &question.slot, list_of(&list), &claimed, &value,
			      &detail) != OK) {
		refused(name, address, &detail);
		return;
	}
	const struct eth_u256 number = number_at(entry, "value");
	const bool is_zero = memcmp(number.bytes, (unsigned char[32]){0}, 32) == 0;
	count.zero_slots += is_zero;
	count.slots += !is_zero;
	change_everything(&question, &list);
	value.bytes[31] ^= 0x01;
	assert_int_equal(ask(&question, list_of(&list), NULL, &value), ERR_BAD_ANSWER);
}

static void check_slots(const char *name, const struct eth_bytes32 *root, const json_t *answer,
			const char *address)
{
	const json_t *slots = json_object_get(answer, "storageProof");

	for (size_t i = 0; i < json_array_size(slots); i++)
		check_slot(name, root, json_array_get(slots, i), address);
}

/* root: NULL if no block is at hand: what the first node hashes to, then. */
static void check_answer(const char *name, const struct eth_bytes32 *root, const char *address,
			 const json_t *answer)
{
	struct question question = {.address = address_of(address)};
	const struct trie_account claimed = claims_of(answer);
	struct trie_account account;
	struct err_detail detail;
	struct list list;
	bool exists;

	list_read(&arena, json_object_get(answer, "accountProof"), &list);
	question.root = root ? *root : root_of(&list);
	if (proof_account_verify(&question.root, &question.address, list_of(&list), &claimed,
				 &account, &exists, &detail) != OK) {
		refused(name, address, &detail);
		return;
	}
	count.accounts += exists;
	count.absent += !exists;
	change_everything(&question, &list);
	change_account(&question, &list, &claimed);
	check_slots(name, &account.storage_root, answer, address);
	arena_clear(&arena);
}

/* ---- files ---- */

/* Where the files have the state root of their block, if they have it. */
static const char *state_root_of(const json_t *json)
{
	static const char *const paths[][3] = {
		{"stateRoot"}, {"result", "stateRoot"}, {"execution", "block", "stateRoot"}};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const json_t *at = json;
		for (size_t k = 0; k < 3 && paths[i][k]; k++)
			at = json_object_get(at, paths[i][k]);
		if (json_is_string(at))
			return json_string_value(at);
	}
	return NULL;
}

/* The file beside this one whose name is made of its name by `from` becoming `to`. */
static json_t *beside(const char *path, const char *from, const char *to)
{
	char other[4096];
	const char *at = strstr(path, from);

	if (!at)
		return NULL;
	snprintf(other, sizeof other, "%.*s%s%s", (int)(at - path), path, to,
		 at + strlen(from));
	return corpus_json(other);
}

/* Every answer in the file, wherever it stands. */
static void walk(const char *name, const struct eth_bytes32 *root, const json_t *json)
{
	const char *key, *address = json_string_value(json_object_get(json, "address"));
	const json_t *value;

	for (size_t i = 0; i < json_array_size(json); i++)
		walk(name, root, json_array_get(json, i));
	if (address && json_object_get(json, "accountProof")) {
		check_answer(name, root, address, json);
		return;
	}
	if (json_object_get(json, "proof") && json_object_get(json, "key")) {
		struct list list;
		list_read(&arena, json_object_get(json, "proof"), &list);
		const struct eth_bytes32 storage_root = root_of(&list);
		check_slot(name, &storage_root, json, "0x");
		return;
	}
	if (!json_is_object(json))
		return;
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		walk(name, root, value);
	}
}

static void run_file(const char *path)
{
	json_t *file = corpus_json(path), *other = NULL;
	struct eth_bytes32 root;

	if (!state_root_of(file)) {
		if (strstr(path, "helios"))
			other = beside(path, strrchr(path, '/'), "/block.json");
		else
			other = beside(path, "eth_getProof_", "eth_getBlockByHash_");
	}
	const char *text = state_root_of(other ? other : file);
	if (text)
		root = word_of(text);
	/* account.json of helios is proof.json in other words, and without the address. */
	json_t *proof = json_object_get(file, "account")
				? beside(path, "account.json", "proof.json")
				: NULL;
	if (proof)
		json_object_set(file, "address", json_object_get(proof, "address"));
	walk(path, text ? &root : NULL, file);
	count.files++;
	json_decref(proof);
	json_decref(other);
	json_decref(file);
}

/* A folder and those in it. */
static void run_folder(const char *folder)
{
	char path[4096];
	struct dirent **entries;
	const char *top = getenv("CORPUS_DIR");

	corpus_each(folder, ".json", run_file);
	snprintf(path, sizeof path, "%s/%s", top ? top : ".", folder);
	const int n = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		struct stat info;
		snprintf(path, sizeof path, "%s/%s/%s", top ? top : ".", folder,
			 entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && stat(path, &info) == 0 &&
		    S_ISDIR(info.st_mode) &&
		    strcmp(entries[i]->d_name, "portal-spec-tests") != 0)
			run_folder(path + strlen(top ? top : ".") + 1);
		free(entries[i]);
	}
	free(entries);
}

static void print_counts(void)
{
	print_message(
		"%d files: %d accounts, %d absent ones, %d slots, %d zero ones verify; %d "
		"refused; %d mutants refused\n",
		count.files, count.accounts, count.absent, count.slots, count.zero_slots,
		count.refused, count.mutants);
	memset(&count, 0, sizeof count);
}

static void eip1186_proofs(void **state)
{
	(void)state;
	run_folder("eip1186-proofs");
	assert_true(count.accounts >= 15 && count.absent >= 2 && count.slots >= 6 &&
		    count.zero_slots >= 3);
	assert_int_equal(count.refused, 1);
	print_counts();
}

/* Its storage proof is one under another root, where it shows what is claimed. */
static void a_storage_proof_of_another_root(void **state)
{
	(void)state;
	json_t *answer = corpus_json("eip1186-proofs/axiom/small_val_storage_pf.json");
	const json_t *entry = json_array_get(json_object_get(answer, "storageProof"), 0);
	const struct eth_bytes32 root = word_of(text_at(answer, "storageHash"));
	const struct eth_bytes32 slot = word_of(text_at(entry, "key"));
	struct eth_bytes32 value, own;
	struct err_detail detail;
	struct list list;

	list_read(&arena, json_object_get(entry, "proof"), &list);
	assert_int_equal(proof_slot_verify(&root, &slot, list_of(&list), NULL, &value, &detail),
			 ERR_BAD_ANSWER);
	assert_non_null(strstr(detail.text, "node 0 of the proof does not hash to the root"));
	own = root_of(&list);
	assert_ok(proof_slot_verify(&own, &slot, list_of(&list), NULL, &value, &detail));
	assert_int_equal(value.bytes[31], 1);
	json_decref(answer);
	arena_clear(&arena);
}

/* ---- tevm's recordings ---- */

/* The root of the block that was asked for: an answer of the same file. */
static struct eth_bytes32 recorded_root(json_t *file, const char *block)
{
	const char *request;
	json_t *answer;
	char wanted[128];

	snprintf(wanted, sizeof wanted, "[\"eth_getBlockByNumber\",\"%s\"", block);
	json_object_foreach(file, request, answer)
	{
		if (strncmp(request, wanted, strlen(wanted)) == 0 && state_root_of(answer))
			return word_of(state_root_of(answer));
	}
	fail_msg("no block %s", block);
	return eth_empty_trie_root;
}

static void run_recording(const char *path)
{
	json_t *file = corpus_json(path), *answer;
	const char *text;

	json_object_foreach(file, text, answer)
	{
		json_t *request = json_loads(text, 0, NULL);
		const char *method = json_string_value(json_array_get(request, 0));
		if (method && strcmp(method, "eth_getProof") == 0) {
			const struct eth_bytes32 root = recorded_root(
				file, json_string_value(json_array_get(request, 3)));
			check_answer(path, &root, json_string_value(json_array_get(request, 1)),
				     answer);
		}
		json_decref(request);
	}
	count.files++;
	json_decref(file);
}

static void tevm_recordings(void **state)
{
	(void)state;
	corpus_each("tevm-rpc-recordings", ".json", run_recording);
	assert_true(count.accounts >= 8 && count.absent >= 3);
	assert_true(count.refused >= 1);
	print_counts();
}

/* ---- a block's ---- */

static void run_lines(const char *folder)
{
	char path[256], *end;
	struct buf file;

	snprintf(path, sizeof path, "mainnet-block-witness/%s/witness.json", folder);
	json_t *witness = corpus_json(path);
	const struct eth_bytes32 root = word_of(text_at(witness, "preStateRoot"));
	snprintf(path, sizeof path, "mainnet-block-witness/%s/eth_getProof.jsonl", folder);
	corpus_read(path, &file);
	for (char *line = file.ptr; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		json_t *answer = json_loadb(line, (size_t)(end - line), 0, NULL);
		assert_non_null(answer);
		check_answer(path, &root, text_at(answer, "address"), answer);
		json_decref(answer);
	}
	count.files++;
	buf_release(&file);
	json_decref(witness);
}

static void answers_about_a_block(void **state)
{
	(void)state;
	run_lines("mainnet-20472570");
	run_lines("dev-978");
	assert_true(count.accounts >= 40 && count.refused == 0);
	print_counts();
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, BYTES_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eip1186_proofs),
		cmocka_unit_test(a_storage_proof_of_another_root),
		cmocka_unit_test(tevm_recordings),
		cmocka_unit_test(answers_about_a_block),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
