/* SPDX-License-Identifier: MIT */
#include "rpc/chain.h"

__extension__ typedef unsigned __int128 u128;

#define GWEI		       1000000000ULL
#define ELASTICITY	       2       /* EIP-1559: ELASTICITY_MULTIPLIER */
#define BASE_FEE_CHANGE	       8       /* BASE_FEE_MAX_CHANGE_DENOMINATOR */
#define UPDATE_FRACTION_CANCUN 3338477 /* EIP-4844 */
#define UPDATE_FRACTION_PRAGUE 5007716 /* EIP-7691 */

/* What forks of blob parameters (EIP-7892) have made of it since: their headers do not show
 * it. In order of time within a chain; a chain that is not here goes by its headers. */
static const struct {
	uint64_t chain_id, from_time, fraction;
} blob_forks[] = {
	{1, 1765290071, 8346193},					 /* mainnet, BPO1 */
	{1, 1767747671, 11684671},					 /* BPO2 */
	{11155111, 1761017184, 8346193},				 /* Sepolia */
	{11155111, 1761607008, 11684671}, {560048, 1762365720, 8346193}, /* Hoodi */
	{560048, 1762955544, 11684671},
};

void chain_raise_finalized(struct chain *chain, uint64_t number)
{
	unsigned long long before = atomic_load(&chain->finalized);

	while (before < number &&
	       !atomic_compare_exchange_weak(&chain->finalized, &before, number))
		;
}

struct eth_u256 head_gas_price(const struct head *head)
{
	struct eth_u256 price = {{0}};
	uint64_t carry = GWEI;

	if (head->header.has & HEADER_BASE_FEE)
		price = head->header.base_fee;
	for (size_t i = 32; i > 0 && carry > 0; i--) {
		carry += price.bytes[i - 1];
		price.bytes[i - 1] = (unsigned char)carry;
		carry >>= 8;
	}
	return price;
}

struct eth_u256 head_next_base_fee(const struct head *head)
{
	const uint64_t target = head->header.gas_limit / ELASTICITY;
	const uint64_t used = head->header.gas_used;
	struct eth_u256 next = head->header.base_fee;
	uint64_t fee;

	if (target == 0 || used == target || !eth_u256_to_u64(&next, &fee))
		return next;
	const uint64_t off = used > target ? used - target : target - used;
	u128 change = (u128)fee * off / target / BASE_FEE_CHANGE;
	if (used > target && change == 0)
		change = 1;
	u128 sum = used > target ? fee + change : fee - change;
	be64_put(next.bytes + 16, (uint64_t)(sum >> 64));
	be64_put(next.bytes + 24, (uint64_t)sum);
	return next;
}

/* EIP-4844's fake_exponential with a factor of 1: e to the (numerator / denominator), cut off.
 * Below 45 / 1 the sum is below 2^65 * denominator, and a term times the numerator below
 * 2^65 * 2^24 * 2^30 (denominators are below 2^24): no product leaves 128 bits. */
static uint64_t fake_exponential(uint64_t numerator, uint64_t denominator)
{
	u128 term = denominator, sum = 0;

	if (numerator / denominator >= 45)
		return UINT64_MAX;
	for (uint64_t i = 1; term > 0; i++) {
		sum += term;
		term = term * numerator / (denominator * (u128)i);
	}
	u128 result = sum / denominator;
	return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

static uint64_t update_fraction(const struct head *head, uint64_t chain_id)
{
	uint64_t fraction = head->is_prague ? UPDATE_FRACTION_PRAGUE : UPDATE_FRACTION_CANCUN;

	for (size_t i = 0; i < sizeof blob_forks / sizeof blob_forks[0]; i++)
		if (blob_forks[i].chain_id == chain_id &&
		    blob_forks[i].from_time <= head->header.timestamp)
			fraction = blob_forks[i].fraction;
	return fraction;
}

uint64_t head_blob_base_fee(const struct head *head, uint64_t chain_id)
{
	if ((head->header.has & HEADER_EXCESS_BLOB_GAS) == 0)
		return 1;
	return fake_exponential(head->header.excess_blob_gas, update_fraction(head, chain_id));
}
