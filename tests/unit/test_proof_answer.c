/* SPDX-License-Identifier: MIT */
/* Answers of eth_getProof, made from tries, then falsified in every way that one could be. */
#include "unit.h"
#include "base/buf.h"
#include "base/keccak.h"
#include "base/trie.h"
#include "layers/proof_answer.h"

#define SLOTS	 40
#define ACCOUNTS 30

static struct {
	struct trie_node *state, *storage;
	struct eth_bytes32 state_root, storage_root;
	struct trie_account account;
	struct buf json;
} rig;

static struct err_detail detail;
static const struct eth_address address = {{5}};

static struct eth_bytes32 word(uint64_t n)
{
	struct eth_bytes32 out = {{0}};

	be64_put(out.bytes + 24, n);
	return out;
}

static struct span hashed(const void *bytes, size_t n, struct eth_bytes32 *out)
{
	keccak256(bytes, n, out);
	return (struct span){(const char *)out->bytes, 32};
}

static void put(struct trie_node **root, const void *key, size_t n, struct span value)
{
	struct eth_bytes32 hash;

	assert_ok(trie_set(root, hashed(key, n, &hash), value, NULL, NULL));
}

static int setup(void **state)
{
	unsigned char text[TRIE_ACCOUNT_BYTES];

	(void)state;
	memset(&rig, 0, sizeof rig);
	buf_init(&rig.json, 1 << 20);
	for (uint64_t i = 0; i < SLOTS; i++) {
		const struct eth_bytes32 slot = word(i), value = word(1000 + i);
		put(&rig.storage, slot.bytes, 32, trie_word_encode(&value, text));
	}
	trie_root_hash(rig.storage, &rig.storage_root);
	rig.account = (struct trie_account){.nonce = 7,
					    .balance = eth_u256_from_u64(99),
					    .storage_root = rig.storage_root,
					    .code_hash = word(3)};
	for (unsigned char i = 0; i < ACCOUNTS; i++) {
		const struct eth_address who = {{i}};
		struct trie_account account = rig.account;
		account.nonce = i == 5 ? 7 : i;
		put(&rig.state, who.bytes, 20, trie_account_encode(&account, text));
	}
	trie_root_hash(rig.state, &rig.state_root);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	trie_put(&rig.state);
	trie_put(&rig.storage);
	buf_release(&rig.json);
	return 0;
}

static enum err emit(void *cookie, struct span rlp)
{
	bool *first = cookie;

	buf_text(&rig.json, *first ? "\"" : ",\"");
	*first = false;
	buf_hex(&rig.json, rlp.ptr, rlp.len);
	buf_char(&rig.json, '"');
	return OK;
}

static void put_proof(struct trie_node *root, const void *key, size_t n)
{
	struct eth_bytes32 hash;
	bool first = true;

	buf_char(&rig.json, '[');
	assert_ok(trie_prove(root, hashed(key, n, &hash), NULL, emit, &first, NULL));
	buf_char(&rig.json, ']');
}

/* As go-ethereum writes it. */
static void make_answer(const struct eth_address *who, const struct trie_account *account,
			const struct eth_bytes32 *slots, size_t n)
{
	char text[2 + 64];

	buf_clear(&rig.json);
	buf_text(&rig.json, "{\"address\":\"");
	buf_hex(&rig.json, who->bytes, 20);
	buf_text(&rig.json, "\",\"accountProof\":");
	put_proof(rig.state, who->bytes, 20);
	buf_text(&rig.json, ",\"balance\":\"");
	buf_append(&rig.json, text, eth_quantity_format(account->balance.bytes, 32, text));
	buf_text(&rig.json, "\",\"codeHash\":\"");
	buf_hex(&rig.json, account->code_hash.bytes, 32);
	buf_printf(&rig.json, "\",\"nonce\":\"0x%llx\",\"storageHash\":\"",
		   (unsigned long long)account->nonce);
	buf_hex(&rig.json, account->storage_root.bytes, 32);
	buf_text(&rig.json, "\",\"storageProof\":[");
	for (size_t i = 0; i < n; i++) {
		const uint64_t number = be64_get(slots[i].bytes + 24);
		const struct eth_bytes32 value = word(number < SLOTS ? 1000 + number : 0);
		buf_text(&rig.json, i > 0 ? ",{\"key\":\"" : "{\"key\":\"");
		buf_hex(&rig.json, slots[i].bytes, 32);
		buf_text(&rig.json, "\",\"value\":\"");
		buf_append(&rig.json, text, eth_quantity_format(value.bytes, 32, text));
		buf_text(&rig.json, "\",\"proof\":");
		put_proof(rig.storage, slots[i].bytes, 32);
		buf_char(&rig.json, '}');
	}
	buf_text(&rig.json, "]}");
	assert_ok(buf_err(&rig.json));
}

static const struct eth_bytes32 *three(void)
{
	static struct eth_bytes32 slots[3];

	slots[0] = word(1);
	slots[1] = word(7777); /* absent */
	slots[2] = word(39);
	return slots;
}

/* Reads and verifies; OK only if both are. */
static enum err judge(const struct eth_address *who, const struct eth_bytes32 *slots, size_t n,
		      struct proof_answer *answer)
{
	enum err err =
		proof_answer_read(answer, buf_as_span(&rig.json), who, slots, n, &detail);

	if (err == OK)
		err = proof_answer_verify(answer, &rig.state_root, who, slots, &detail);
	return err;
}

static void a_true_answer_is_believed(void **state)
{
	struct proof_answer answer;

	(void)state;
	make_answer(&address, &rig.account, three(), 3);
	if (judge(&address, three(), 3, &answer) != OK)
		fail_msg("%s", detail.text);
	assert_true(answer.exists);
	const struct account_fields fields = proof_answer_fields(&answer);
	assert_int_equal(fields.mask, 15);
	assert_int_equal(fields.nonce, 7);
	assert_memory_equal(&fields.storage_root, &rig.storage_root, 32);
	const struct eth_bytes32 values[] = {word(1001), word(0), word(1039)};
	assert_memory_equal(answer.values, values, sizeof values);
	assert_true(answer.nodes_n >= 6);
	proof_answer_release(&answer);
}

/* Some nodes say of an absent account that its hashes are zero. */
static void an_absent_account_is_empty(void **state)
{
	const struct eth_address nobody = {{200}};
	struct trie_account claimed = trie_account_empty;
	struct proof_answer answer;

	(void)state;
	for (int zero = 0; zero < 2; zero++) {
		if (zero)
			claimed.code_hash = claimed.storage_root = word(0);
		make_answer(&nobody, &claimed, NULL, 0);
		if (judge(&nobody, NULL, 0, &answer) != OK)
			fail_msg("%s", detail.text);
		assert_false(answer.exists);
		const struct account_fields fields = proof_answer_fields(&answer);
		assert_memory_equal(&fields.code_hash, &eth_empty_code_hash, 32);
		assert_memory_equal(&fields.storage_root, &eth_empty_trie_root, 32);
		proof_answer_release(&answer);
	}
}

static void refused(enum err want)
{
	struct proof_answer answer;

	assert_int_equal(judge(&address, three(), 3, &answer), want);
	proof_answer_release(&answer);
	assert_true(strlen(detail.text) > 5);
}

static void false_claims_are_refused(void **state)
{
	struct trie_account lie;

	(void)state;
	lie = rig.account;
	lie.nonce++;
	make_answer(&address, &lie, three(), 3);
	refused(ERR_BAD_ANSWER);
	lie = rig.account;
	lie.balance.bytes[31] ^= 1;
	make_answer(&address, &lie, three(), 3);
	refused(ERR_BAD_ANSWER);
	lie = rig.account;
	lie.code_hash.bytes[0] ^= 1;
	make_answer(&address, &lie, three(), 3);
	refused(ERR_BAD_ANSWER);
	lie = rig.account;
	lie.storage_root.bytes[0] ^= 1;
	make_answer(&address, &lie, three(), 3);
	refused(ERR_BAD_ANSWER);
	/* True, but of another state. */
	make_answer(&address, &rig.account, three(), 3);
	rig.state_root.bytes[9] ^= 1;
	refused(ERR_BAD_ANSWER);
}

/* Every hexadecimal digit of the answer, changed: no wrong value is ever believed. */
static void no_digit_may_be_another(void **state)
{
	const struct eth_bytes32 values[] = {word(1001), word(0), word(1039)};
	size_t believed = 0, changed = 0;

	(void)state;
	make_answer(&address, &rig.account, three(), 3);
	for (size_t i = 0; i < rig.json.len; i++) {
		char *c = &rig.json.ptr[i];
		const char old = *c;
		struct proof_answer answer;
		if (strchr("0123456789abcdef", old) == NULL)
			continue;
		*c = old == '0' ? '1' : old == '9' ? '8' : old == 'f' ? 'e' : (char)(old + 1);
		if (*c == ':')
			*c = 'a';
		changed++;
		if (judge(&address, three(), 3, &answer) == OK) {
			believed++;
			const struct account_fields fields = proof_answer_fields(&answer);
			assert_int_equal(fields.nonce, 7);
			assert_memory_equal(&fields.code_hash, &rig.account.code_hash, 32);
			assert_memory_equal(answer.values, values, sizeof values);
		}
		proof_answer_release(&answer);
		*c = old;
	}
	assert_true(changed > 3000);
	/* The letters of "address": an answer that does not say whose it is is as good. */
	assert_int_equal(believed, 4);
}

static void cut(const char *from, const char *to)
{
	char *at = memmem(rig.json.ptr, rig.json.len, from, strlen(from));

	assert_non_null(at);
	assert_int_equal(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
}

static void what_is_no_proof_is_refused(void **state)
{
	static const struct {
		const char *from, *to, *word;
	} rows[] = {
		{"\"balance\"", "\"balancf\"", "balance"},
		{"\"nonce\"", "\"noncf\"", "nonce"},
		{"\"codeHash\"", "\"codeHasg\"", "codeHash"},
		{"\"storageHash\"", "\"storageHasg\"", "storageHash"},
		{"\"accountProof\"", "\"accountProog\"", "accountProof"},
		{"\"storageProof\"", "\"storageProog\"", "storageProof"},
		{"\"proof\"", "\"proog\"", "without a proof"},
		{"\"value\"", "\"valuf\"", "without a valid value"},
		{"\"key\"", "\"kez\"", "other slots"},
		{"[\"0xf", "[\"0yf", "not DATA"},
		{"0x05", "0x06", "another account"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		make_answer(&address, &rig.account, three(), 3);
		cut(rows[i].from, rows[i].to);
		refused(ERR_BAD_ANSWER);
		if (strstr(detail.text, rows[i].word) == NULL)
			fail_msg("%s: %s", rows[i].from, detail.text);
	}
	struct proof_answer answer;
	make_answer(&address, &rig.account, three(), 3);
	assert_int_equal(judge(&address, three(), 2, &answer), ERR_BAD_ANSWER);
	proof_answer_release(&answer);
	make_answer(&address, &rig.account, three(), 2);
	refused(ERR_BAD_ANSWER);
	buf_clear(&rig.json);
	buf_text(&rig.json, "[]");
	refused(ERR_BAD_ANSWER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_true_answer_is_believed),   TEST(an_absent_account_is_empty),
		TEST(false_claims_are_refused),	   TEST(no_digit_may_be_another),
		TEST(what_is_no_proof_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
