/* SPDX-License-Identifier: MIT */
#include "layers/gate.h"
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) == 0;
}

void gate_init(struct gate *gate)
{
	atomic_init(&gate->shut, false);
	gate->fenced = !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	pthread_mutex_init(&gate->mutex, NULL);
	gate->places = NULL;
}

void gate_release(struct gate *gate)
{
	REQUIRE(!gate->places);
	pthread_mutex_destroy(&gate->mutex);
}

void gate_join(struct gate *gate, struct gate_place *place)
{
	atomic_init(&place->inside, false);
	place->depth = 0;
	pthread_mutex_lock(&gate->mutex);
	place->next = gate->places;
	place->link = &gate->places;
	if (place->next)
		place->next->link = &place->next;
	gate->places = place;
	pthread_mutex_unlock(&gate->mutex);
}

void gate_part(struct gate *gate, struct gate_place *place)
{
	REQUIRE(place->depth == 0);
	pthread_mutex_lock(&gate->mutex);
	*place->link = place->next;
	if (place->next)
		place->next->link = place->link;
	pthread_mutex_unlock(&gate->mutex);
}

void gate_enter_slowly(struct gate *gate, struct gate_place *place)
{
	do {
		atomic_store_explicit(&place->inside, false, memory_order_release);
		pthread_mutex_lock(&gate->mutex);
		pthread_mutex_unlock(&gate->mutex);
		atomic_store(&place->inside, true);
	} while (atomic_load(&gate->shut));
}

static void await_leaving(const struct gate_place *place)
{
	const struct timespec nap = {.tv_nsec = GATE_NAP_US * 1000L};
	for (unsigned n = 0; atomic_load(&place->inside); n++) {
		if (n < GATE_YIELDS)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

/* On all processors, between the store of shut and the loads of the places. The kernel may lack
 * memory for a moment; a forked child has to register anew. */
static void fence_readers(void)
{
	for (unsigned n = 0; !membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); n++) {
		REQUIRE(n < GATE_YIELDS);
		(void)membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
		sched_yield();
	}
}

void gate_shut(struct gate *gate, const struct gate_place *own)
{
	pthread_mutex_lock(&gate->mutex);
	atomic_store(&gate->shut, true);
	if (!gate->places || (gate->places == own && !own->next))
		return; /* who joins now waits for the mutex */
	if (!gate->fenced)
		fence_readers();
	for (const struct gate_place *place = gate->places; place; place = place->next)
		await_leaving(place);
}

void gate_open(struct gate *gate)
{
	atomic_store_explicit(&gate->shut, false, memory_order_release);
	pthread_mutex_unlock(&gate->mutex);
}
