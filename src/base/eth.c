/* SPDX-License-Identifier: MIT */
#include "base/eth.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

const struct eth_bytes32 eth_empty_code_hash = {
	{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d,
	 0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82,
	 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}};

const struct eth_bytes32 eth_empty_trie_root = {
	{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45,
	 0xe6, 0x92, 0xc0, 0xf8, 0x6e, 0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c,
	 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}};

/* A hex digit's value with DIGIT set; 0 for every other byte. */
enum { DIGIT = 0x10 };
static const unsigned char digit_of[256] = {
	['0'] = DIGIT | 0x0, ['1'] = DIGIT | 0x1, ['2'] = DIGIT | 0x2, ['3'] = DIGIT | 0x3,
	['4'] = DIGIT | 0x4, ['5'] = DIGIT | 0x5, ['6'] = DIGIT | 0x6, ['7'] = DIGIT | 0x7,
	['8'] = DIGIT | 0x8, ['9'] = DIGIT | 0x9, ['a'] = DIGIT | 0xa, ['b'] = DIGIT | 0xb,
	['c'] = DIGIT | 0xc, ['d'] = DIGIT | 0xd, ['e'] = DIGIT | 0xe, ['f'] = DIGIT | 0xf,
	['A'] = DIGIT | 0xa, ['B'] = DIGIT | 0xb, ['C'] = DIGIT | 0xc, ['D'] = DIGIT | 0xd,
	['E'] = DIGIT | 0xe, ['F'] = DIGIT | 0xf,
};

#define ROW(h)                                                                                \
	h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h \
	  "e" h "f"
/* The two digits of every byte. */
static const char pair_of[] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6")
	ROW("7") ROW("8") ROW("9") ROW("a") ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");
#undef ROW

static bool has_prefix(struct span text)
{
	return text.len >= 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x';
}

static struct span skip(struct span text, size_t n)
{
	return (struct span){text.ptr + n, text.len - n};
}

#ifdef __SSE2__
#define BLOCK 16 /* bytes, of 32 digits */

/* 16 digits, as 8 values of 16 bits. *most becomes the largest digit that there was, above 15
 * for what is none (W. Mula and D. Lemire's method: wrapping and saturating sums move each
 * alphabet to its values, and what is not in it far above). */
static inline __m128i digits_join(const char *digits, __m128i *most)
{
	const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)digits);
	const __m128i upper = _mm_and_si128(text, _mm_set1_epi8((char)0xdf));
	const __m128i letter =
		_mm_adds_epu8(_mm_sub_epi8(upper, _mm_set1_epi8('A')), _mm_set1_epi8(10));
	const __m128i number = _mm_subs_epu8(
		_mm_add_epi8(text, _mm_set1_epi8((char)(0xff - '9'))), _mm_set1_epi8(6));
	const __m128i value =
		_mm_min_epu8(_mm_sub_epi8(number, _mm_set1_epi8((char)0xf0)), letter);

	*most = _mm_max_epu8(*most, value);
	/* The first digit of two is the low byte of a lane, and the high half of the result. */
	return _mm_srli_epi16(_mm_or_si128(_mm_slli_epi16(value, 12), value), 8);
}

/* As decode, of at least a block. The last block ends with the text: it may decode again what
 * the one before did. */
static inline enum err decode_blocks(const char *digits, unsigned char *out, size_t n)
{
	const __m128i limit = _mm_set1_epi8(15);
	__m128i most = limit;

	for (size_t at = 0; at < n; at += BLOCK) {
		if (at > n - BLOCK)
			at = n - BLOCK;
		const __m128i first = digits_join(digits + 2 * at, &most);
		const __m128i second = digits_join(digits + 2 * at + BLOCK, &most);
		_mm_storeu_si128((__m128i *)(void *)(out + at),
				 _mm_packus_epi16(first, second));
	}
	return _mm_movemask_epi8(_mm_cmpeq_epi8(most, limit)) == 0xffff ? OK : ERR_INVALID;
}

/* As decode, of 20 bytes. No byte is written twice, so that 16 of them can be loaded at once
 * right after. */
static inline enum err decode_20(const char *digits, unsigned char out[20])
{
	const __m128i limit = _mm_set1_epi8(15);
	__m128i most = limit;
	const __m128i first = digits_join(digits, &most);
	const __m128i second = digits_join(digits + BLOCK, &most);
	const __m128i third = digits_join(digits + 24, &most);
	const __m128i last = _mm_packus_epi16(third, third);
	const uint32_t rest = (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(last, 4));

	_mm_storeu_si128((__m128i *)(void *)out, _mm_packus_epi16(first, second));
	memcpy(out + BLOCK, &rest, sizeof rest);
	return _mm_movemask_epi8(_mm_cmpeq_epi8(most, limit)) == 0xffff ? OK : ERR_INVALID;
}

static inline void hex_store(char *out, __m128i nibbles)
{
	const __m128i letter = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
	const __m128i text = _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')),
					  _mm_and_si128(letter, _mm_set1_epi8('a' - '0' - 10)));

	_mm_storeu_si128((__m128i *)(void *)out, text);
}

/* As eth_hex, of at least a block. */
static inline void hex_blocks(const unsigned char *in, size_t n, char *out)
{
	for (size_t at = 0; at < n; at += BLOCK) {
		if (at > n - BLOCK)
			at = n - BLOCK;
		const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(in + at));
		const __m128i low = _mm_and_si128(bytes, _mm_set1_epi8(0x0f));
		const __m128i high =
			_mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f));
		hex_store(out + 2 * at, _mm_unpacklo_epi8(high, low));
		hex_store(out + 2 * at + BLOCK, _mm_unpackhi_epi8(high, low));
	}
}
#endif

/* 2n digits into n bytes. No branch per digit: whether all were valid is known at the end. */
static enum err decode(const char *digits, unsigned char *out, size_t n)
{
#ifdef __SSE2__
	/* The lengths that clients send: unrolled. */
	if (n == 32)
		return decode_blocks(digits, out, 32);
	if (n == 20)
		return decode_20(digits, out);
	if (n >= BLOCK)
		return decode_blocks(digits, out, n);
#endif
	const unsigned char *in = (const unsigned char *)digits;
	unsigned all = DIGIT;
	for (size_t i = 0; i < n; i++) {
		unsigned high = digit_of[in[2 * i]], low = digit_of[in[2 * i + 1]];
		all &= high & low;
		out[i] = (unsigned char)(high << 4 | (low & 0x0f));
	}
	return all == DIGIT ? OK : ERR_INVALID;
}

/* Any number of digits up to 64, none included, right-aligned into 32 bytes. */
static enum err decode_right(struct span digits, unsigned char out[32])
{
	if (digits.len > 64)
		return ERR_INVALID;
	size_t n = digits.len / 2, odd = digits.len % 2;
	memset(out, 0, 32 - n);
	if (odd) {
		unsigned first = digit_of[(unsigned char)digits.ptr[0]];
		if (!first)
			return ERR_INVALID;
		out[31 - n] = (unsigned char)(first & 0x0f);
	}
	return decode(digits.ptr + odd, out + 32 - n, n);
}

enum err eth_data_parse(struct span text, void *bytes, size_t n)
{
	if (!has_prefix(text) || text.len % 2 != 0 || text.len / 2 - 1 != n)
		return ERR_INVALID;
	return decode(text.ptr + 2, bytes, n);
}

enum err eth_data_length(struct span text, size_t *bytes)
{
	if (!has_prefix(text) || text.len % 2 != 0)
		return ERR_INVALID;
	unsigned all = DIGIT;
	for (size_t i = 2; i < text.len; i++)
		all &= digit_of[(unsigned char)text.ptr[i]];
	if (all != DIGIT)
		return ERR_INVALID;
	*bytes = text.len / 2 - 1;
	return OK;
}

enum err eth_address_parse(struct span text, struct eth_address *out)
{
	if (has_prefix(text))
		text = skip(text, 2);
	if (text.len != 2 * sizeof out->bytes)
		return ERR_INVALID;
	return decode(text.ptr, out->bytes, sizeof out->bytes);
}

/* QUANTITY's own rule: at least one digit, and no leading zero unless it is the only one. */
static bool is_trimmed(struct span digits)
{
	return digits.len == 1 || (digits.len > 1 && digits.ptr[0] != '0');
}

enum err eth_quantity_u64(struct span text, uint64_t *out)
{
	struct eth_u256 wide;
	uint64_t value;
	if (eth_quantity_u256(text, &wide) != OK || !eth_u256_to_u64(&wide, &value))
		return ERR_INVALID;
	*out = value;
	return OK;
}

enum err eth_quantity_u256(struct span text, struct eth_u256 *out)
{
	if (!has_prefix(text) || !is_trimmed(skip(text, 2)))
		return ERR_INVALID;
	return decode_right(skip(text, 2), out->bytes);
}

enum err eth_quantity_lenient(struct span text, struct eth_u256 *out)
{
	if (!has_prefix(text) || text.len == 2)
		return ERR_INVALID;
	return decode_right(skip(text, 2), out->bytes);
}

enum err eth_decimal_u64(struct span text, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)(text.ptr[i] - '0');
		if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return ERR_INVALID;
	}
	*out = value;
	return text.len > 0 ? OK : ERR_INVALID;
}

enum err eth_slot_parse(struct span text, struct eth_bytes32 *out)
{
	return decode_right(has_prefix(text) ? skip(text, 2) : text, out->bytes);
}

enum err eth_slot_value_parse(struct span text, struct eth_bytes32 *out)
{
	if (!has_prefix(text))
		return ERR_INVALID;
	struct span digits = skip(text, 2);
	if (digits.len == 0 || (digits.len % 2 != 0 && !is_trimmed(digits)))
		return ERR_INVALID;
	return decode_right(digits, out->bytes);
}

void eth_hex(const void *bytes, size_t n, char *out)
{
	const unsigned char *in = bytes;
#ifdef __SSE2__
	if (n == 32) {
		hex_blocks(in, 32, out);
		return;
	}
	if (n >= BLOCK) {
		hex_blocks(in, n, out);
		return;
	}
#endif
	for (size_t i = 0; i < n; i++)
		memcpy(out + 2 * i, pair_of + 2 * (size_t)in[i], 2);
}

size_t eth_quantity_format(const void *bytes, size_t n, char *out)
{
	const unsigned char *in = bytes;
	while (n > 0 && *in == 0) {
		in++;
		n--;
	}
	out[0] = '0';
	out[1] = 'x';
	if (n == 0) {
		out[2] = '0';
		return 3;
	}
	size_t at = 2;
	if (*in < 0x10) {
		out[at++] = pair_of[2 * *in + 1];
		in++;
		n--;
	}
	eth_hex(in, n, out + at);
	return at + 2 * n;
}

size_t eth_quantity_format_u64(uint64_t value, char out[18])
{
	unsigned char be[8];
	be64_put(be, value);
	return eth_quantity_format(be, sizeof be, out);
}

bool eth_u256_to_u64(const struct eth_u256 *value, uint64_t *out)
{
	*out = be64_get(value->bytes + 24);
	return (be64_get(value->bytes) | be64_get(value->bytes + 8) |
		be64_get(value->bytes + 16)) == 0;
}

struct eth_u256 eth_u256_from_u64(uint64_t value)
{
	struct eth_u256 wide = {{0}};
	be64_put(wide.bytes + 24, value);
	return wide;
}
