/* SPDX-License-Identifier: MIT */
#include "base/trie_account.h"
#include "base/rlp.h"

enum { WORD = 32, NONCE_BYTES = 8, STRING = 0x80, LIST_LONG = 0xf8, HEAD_BYTES = 2 };

const struct trie_account trie_account_empty = {
	.storage_root = {{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45,
			  0xe6, 0x92, 0xc0, 0xf8, 0x6e, 0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c,
			  0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}},
	.code_hash = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d,
		       0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82,
		       0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}},
};

/* A big-endian number without its leading zeros, at most 32 bytes of it. */
static unsigned char *put_number(unsigned char *out, const unsigned char *be, size_t n)
{
	while (n > 0 && *be == 0) {
		be++;
		n--;
	}
	if (n != 1 || *be >= STRING)
		*out++ = (unsigned char)(STRING + n);
	memcpy(out, be, n);
	return out + n;
}

static unsigned char *put_hash(unsigned char *out, const struct eth_bytes32 *hash)
{
	*out++ = STRING + WORD;
	memcpy(out, hash->bytes, WORD);
	return out + WORD;
}

struct span trie_account_encode(const struct trie_account *account,
				unsigned char out[TRIE_ACCOUNT_BYTES])
{
	unsigned char nonce[NONCE_BYTES];

	be64_put(nonce, account->nonce);
	unsigned char *end = put_number(out + HEAD_BYTES, nonce, NONCE_BYTES);
	end = put_number(end, account->balance.bytes, WORD);
	end = put_hash(put_hash(end, &account->storage_root), &account->code_hash);
	/* The two hashes alone have 66 bytes: the length has one byte of its own. */
	out[0] = LIST_LONG;
	out[1] = (unsigned char)(end - out - HEAD_BYTES);
	return (struct span){(const char *)out, (size_t)(end - out)};
}

/* The next string of n bytes at most, right-aligned into out; only_whole: of exactly n. */
static enum err take(struct span *items, unsigned char *out, size_t n, bool only_whole)
{
	struct rlp_item item;

	if (rlp_next(items, &item) != OK || item.is_list || item.payload.len > n)
		return ERR_CORRUPT;
	if (only_whole ? item.payload.len < n
		       : item.payload.len > 0 && item.payload.ptr[0] == 0)
		return ERR_CORRUPT;
	memset(out, 0, n - item.payload.len);
	if (item.payload.len > 0)
		memcpy(out + n - item.payload.len, item.payload.ptr, item.payload.len);
	return OK;
}

enum err trie_account_decode(struct span value, struct trie_account *account)
{
	unsigned char nonce[NONCE_BYTES];
	struct rlp_item list;

	if (rlp_next(&value, &list) != OK || !list.is_list || value.len > 0)
		return ERR_CORRUPT;
	struct span items = list.payload;
	if (take(&items, nonce, sizeof nonce, false) != OK ||
	    take(&items, account->balance.bytes, WORD, false) != OK ||
	    take(&items, account->storage_root.bytes, WORD, true) != OK ||
	    take(&items, account->code_hash.bytes, WORD, true) != OK || items.len > 0)
		return ERR_CORRUPT;
	account->nonce = be64_get(nonce);
	return OK;
}

struct span trie_word_encode(const struct eth_bytes32 *word, unsigned char out[TRIE_WORD_BYTES])
{
	const unsigned char *end = put_number(out, word->bytes, WORD);
	const bool is_zero = end == out + 1 && out[0] == STRING;

	return (struct span){(const char *)out, is_zero ? 0 : (size_t)(end - out)};
}

enum err trie_word_decode(struct span value, struct eth_bytes32 *word)
{
	if (value.len == 0) {
		memset(word, 0, sizeof *word);
		return OK;
	}
	const bool is_zero = value.len == 1 && (unsigned char)value.ptr[0] == STRING;
	if (is_zero || take(&value, word->bytes, WORD, false) != OK || value.len > 0)
		return ERR_CORRUPT;
	return OK;
}
