/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "rpc/rates.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

#define SECOND_US UINT64_C(1000000)
/* Long after the machine has started, as a monotonic clock says. */
#define START_US (1000 * SECOND_US)

static struct rates *rates_of(uint32_t per_second, uint32_t burst)
{
	struct rates *rates;

	assert_ok(rates_new(per_second, burst, &rates));
	return rates;
}

/* How many calls are let in at once. */
static unsigned taken(struct rates *rates, uint64_t client, uint64_t now_us, unsigned most)
{
	unsigned n = 0;

	while (n < most && rates_take(rates, client, now_us) == 0)
		n++;
	return n;
}

static void a_burst_and_then_its_rate(void **state)
{
	(void)state;
	struct rates *rates = rates_of(10, 5);

	assert_int_equal(taken(rates, 7, START_US, 100), 5);
	assert_int_equal(rates_take(rates, 7, START_US), 1);
	assert_int_equal(taken(rates, 7, START_US + SECOND_US / 10 - 1, 100), 0);
	assert_int_equal(taken(rates, 7, START_US + SECOND_US / 10, 100), 1);
	assert_int_equal(taken(rates, 7, START_US + 4 * SECOND_US / 10, 100), 3);
	/* A long pause fills it, and no more than that. */
	assert_int_equal(taken(rates, 7, START_US + 1000 * SECOND_US, 100), 5);
	/* Another thread's clock, a little behind. */
	assert_int_equal(taken(rates, 7, START_US + 999 * SECOND_US, 100), 0);
	rates_free(&rates);
	assert_null(rates);
}

static void a_batch_is_taken_on_credit(void **state)
{
	(void)state;
	struct rates *rates = rates_of(10, 5);

	assert_int_equal(rates_take(rates, 7, START_US), 0);
	rates_charge(rates, 7, 999, START_US);
	/* 1,000 are gone of 5: 99.6 s until there is one again. */
	assert_int_equal(rates_take(rates, 7, START_US), 100);
	assert_int_equal(rates_take(rates, 7, START_US + 60 * SECOND_US), 40);
	assert_int_equal(taken(rates, 7, START_US + 99 * SECOND_US, 100), 0);
	assert_int_equal(taken(rates, 7, START_US + 99 * SECOND_US + 600000, 100), 1);
	assert_int_equal(taken(rates, 8, START_US, 100), 5); /* is somebody else */
	rates_free(&rates);
}

static void the_fastest_and_the_slowest(void **state)
{
	(void)state;
	struct rates *rates = rates_of(RATES_PER_SECOND_MAX, 1);
	assert_int_equal(taken(rates, 7, START_US, 100), 1);
	assert_int_equal(taken(rates, 7, START_US + 1, 100), 1);
	rates_free(&rates);
	rates = rates_of(1, RATES_BURST_MAX);
	assert_int_equal(taken(rates, 7, START_US, 2000000), RATES_BURST_MAX);
	rates_charge(rates, 7, UINT32_MAX, START_US);
	assert_int_equal(rates_take(rates, 7, START_US), UINT32_MAX);
	rates_charge(rates, 7, UINT32_MAX, START_US);
	assert_int_equal(rates_take(rates, 7, START_US), UINT32_MAX);
	rates_free(&rates);
}

static uint64_t client_of(const char *address, uint16_t port)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *v4 = (void *)&storage;
	struct sockaddr_in6 *v6 = (void *)&storage;

	if (strchr(address, ':') != NULL) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
	} else {
		*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
	}
	return rates_client(&storage);
}

static void who_is_one_client(void **state)
{
	(void)state;
	const struct sockaddr_storage local = {.ss_family = AF_UNIX};

	assert_true(client_of("192.0.2.1", 1) == client_of("192.0.2.1", 2));
	assert_true(client_of("192.0.2.1", 1) != client_of("192.0.2.2", 1));
	assert_true(client_of("::ffff:192.0.2.1", 1) == client_of("192.0.2.1", 1));
	assert_true(client_of("2001:db8::1", 1) == client_of("2001:db8::ffff:1:2:3", 2));
	assert_true(client_of("2001:db8::1", 1) != client_of("2001:db8:0:1::1", 1));
	assert_true(client_of("::1", 1) != 0);
	assert_true(client_of("0.0.0.0", 1) != 0);
	assert_int_equal(rates_client(&local), 0);
	struct rates *rates = rates_of(1, 1);
	assert_int_equal(taken(rates, 0, START_US, 1000), 1000);
	rates_charge(rates, 0, 1000, START_US);
	assert_int_equal(taken(rates, 0, START_US, 1000), 1000);
	rates_free(&rates);
}

/* Ever new addresses get what the table's buckets hold, and no more. */
static void addresses_without_end(void **state)
{
	(void)state;
	enum { BUCKETS = RATES_ROWS * RATES_WAYS, BURST = 4, CLIENTS = 50 * BUCKETS };
	struct rates *rates = rates_of(1, BURST);
	uint64_t n = 0;

	for (uint64_t client = 1; client <= CLIENTS; client++)
		n += taken(rates, client, START_US, BURST + 1);
	assert_in_range(n, BUCKETS * BURST * 9 / 10, BUCKETS * BURST);
	/* And those that have none left for an hour cannot be pushed out by any of them. */
	rates_free(&rates);
	rates = rates_of(1, BURST);
	for (uint64_t client = 1; client <= 1000; client++)
		rates_charge(rates, client, 3600, START_US);
	for (uint64_t client = 1001; client <= CLIENTS; client++)
		n += taken(rates, client, START_US, BURST + 1);
	for (uint64_t client = 1; client <= 1000; client++)
		assert_int_not_equal(rates_take(rates, client, START_US + SECOND_US), 0);
	rates_free(&rates);
}

struct taker {
	struct rates *rates;
	pthread_t thread;
	unsigned n;
};

static void *take_all(void *cookie)
{
	struct taker *taker = cookie;

	for (uint64_t client = 1; client <= 1000; client++)
		taker->n += taken(taker->rates, client, START_US, 100);
	return NULL;
}

static void threads_share_the_buckets(void **state)
{
	(void)state;
	struct rates *rates = rates_of(1, 10);
	struct taker takers[4];
	unsigned n = 0;

	for (int i = 0; i < 4; i++) {
		takers[i] = (struct taker){.rates = rates};
		assert_ok(pthread_create(&takers[i].thread, NULL, take_all, &takers[i]));
	}
	for (int i = 0; i < 4; i++) {
		assert_ok(pthread_join(takers[i].thread, NULL));
		n += takers[i].n;
	}
	assert_int_equal(n, 10000);
	rates_free(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_its_rate),
		cmocka_unit_test(a_batch_is_taken_on_credit),
		cmocka_unit_test(the_fastest_and_the_slowest),
		cmocka_unit_test(who_is_one_client),
		cmocka_unit_test(addresses_without_end),
		cmocka_unit_test(threads_share_the_buckets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
