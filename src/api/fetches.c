/* SPDX-License-Identifier: MIT */
#include "api/fetches.h"

enum fetch_state { FETCH_QUEUED, FETCH_IN_FLIGHT };

struct fetch {
	struct need_node node; /* in the map, if shared */
	struct fetches *fetches;
	enum fetch_state state;
	unsigned priority;
	bool witness, shared;
	struct source_op *source;
	struct want *wants;
	struct fetch *next, *prev; /* in its queue */
	struct eth_bytes32 slots[];
};

void fetches_release(struct fetches *fetches)
{
	REQUIRE(fetches_are_idle(fetches));
	need_map_release(&fetches->map);
}

static void enqueue(struct fetches *fetches, struct fetch *fetch)
{
	struct fetch_queue *queue = &fetches->queues[fetch->priority];
	fetch->next = NULL;
	fetch->prev = queue->last;
	*(queue->last ? &queue->last->next : &queue->first) = fetch;
	queue->last = fetch;
	fetches->queued++;
}

static void enqueue_first(struct fetches *fetches, struct fetch *fetch)
{
	struct fetch_queue *queue = &fetches->queues[fetch->priority];
	fetch->prev = NULL;
	fetch->next = queue->first;
	*(queue->first ? &queue->first->prev : &queue->last) = fetch;
	queue->first = fetch;
	fetches->queued++;
}

static void dequeue(struct fetches *fetches, struct fetch *fetch)
{
	struct fetch_queue *queue = &fetches->queues[fetch->priority];
	*(fetch->next ? &fetch->next->prev : &queue->last) = fetch->prev;
	*(fetch->prev ? &fetch->prev->next : &queue->first) = fetch->next;
	fetches->queued--;
}

static struct fetch *first_queued(const struct fetches *fetches)
{
	for (int i = FETCH_PRIORITIES - 1; i >= 0; i--)
		if (fetches->queues[i].first)
			return fetches->queues[i].first;
	return NULL;
}

static void join(struct fetch *fetch, struct want *want)
{
	want->fetch = fetch;
	want->prev = NULL;
	want->next = fetch->wants;
	if (fetch->wants)
		fetch->wants->prev = want;
	fetch->wants = want;
}

static enum err fetch_new(struct fetches *fetches, const struct need *need, bool witness,
			  struct fetch **out)
{
	const size_t slots_bytes = need->slots_n * sizeof *need->slots;
	struct fetch *fetch = calloc(1, sizeof *fetch + slots_bytes);
	if (!fetch)
		return ERR_NOMEM;
	fetch->fetches = fetches;
	fetch->node.need = *need;
	fetch->witness = witness;
	if (slots_bytes > 0) {
		memcpy(fetch->slots, need->slots, slots_bytes);
		fetch->node.need.slots = fetch->slots;
	}
	fetch->shared = !witness && slots_bytes == 0;
	if (fetch->shared && need_map_add(&fetches->map, &fetch->node) != OK) {
		free(fetch);
		return ERR_NOMEM;
	}
	*out = fetch;
	return OK;
}

enum err fetches_want(struct fetches *fetches, struct want *want, unsigned priority)
{
	const struct need *need = &want->node.need;
	const bool witness = want->purpose == WANT_WITNESS;
	struct fetch *fetch = NULL;
	if (!fetches->view)
		return ERR_UNSUPPORTED;
	if (!witness && need->slots_n == 0)
		fetch = (struct fetch *)need_map_find(&fetches->map, need);
	if (!fetch) {
		enum err err = fetch_new(fetches, need, witness, &fetch);
		if (err != OK)
			return err;
		fetch->priority = priority;
		enqueue(fetches, fetch);
	} else if (fetch->state == FETCH_QUEUED && fetch->priority < priority) {
		dequeue(fetches, fetch);
		fetch->priority = priority;
		enqueue(fetches, fetch);
	}
	join(fetch, want);
	return OK;
}

static void fetch_free(struct fetch *fetch)
{
	struct fetches *fetches = fetch->fetches;
	if (fetch->shared)
		need_map_remove(&fetches->map, &fetch->node);
	if (fetch->state == FETCH_QUEUED)
		dequeue(fetches, fetch);
	else
		fetches->in_flight--;
	free(fetch);
}

void fetches_leave(struct fetches *fetches, struct want *want)
{
	struct fetch *fetch = want->fetch;
	REQUIRE(fetch && fetch->fetches == fetches);
	want->fetch = NULL;
	if (want->next)
		want->next->prev = want->prev;
	*(want->prev ? &want->prev->next : &fetch->wants) = want->next;
	if (fetch->wants)
		return;
	source_cancel(&fetch->source);
	fetch_free(fetch);
}

/* NULL also when memory is refused: then the cause alone is told. */
static char *copy_text(const char *text)
{
	const size_t bytes = strlen(text) + 1;
	char *copy = malloc(bytes);
	if (copy)
		memcpy(copy, text, bytes);
	return copy;
}

/* Tells all that want it, and is no more. */
static void fetch_end(struct fetch *fetch, enum err err, const char *detail)
{
	struct want *wants = fetch->wants;
	fetch->fetches->landed = true;
	fetch_free(fetch);
	for (struct want *want = wants, *next; want; want = next) {
		next = want->next;
		want->fetch = NULL;
		want->landed = true;
		want->err = err;
		want->detail = err != OK && detail ? copy_text(detail) : NULL;
		want->done(want);
	}
}

static void on_landed(void *cookie, enum err err, const char *detail)
{
	struct fetch *fetch = cookie;
	fetch->source = NULL;
	fetch_end(fetch, err, detail);
}

static enum lookup start(struct fetch *fetch, struct fault *fault)
{
	struct layer_view *view = fetch->fetches->view;
	if (fetch->witness)
		return source_fetch_witness(view, on_landed, fetch, &fetch->source, fault);
	return source_fetch(view, &fetch->node.need, on_landed, fetch, &fetch->source, fault);
}

bool fetches_pump(struct fetches *fetches)
{
	bool ended = false;
	struct fetch *fetch;
	while (fetches->in_flight < fetches->in_flight_max &&
	       (fetch = first_queued(fetches)) != NULL) {
		struct fault fault = {.detail.text[0] = '\0'};
		dequeue(fetches, fetch);
		fetch->state = FETCH_IN_FLIGHT;
		fetches->in_flight++;
		if (start(fetch, &fault) == PENDING)
			continue;
		if (fault.err == ERR_LIMIT && fetches->in_flight > 1) {
			fetches->in_flight--; /* when another has landed */
			fetch->state = FETCH_QUEUED;
			enqueue_first(fetches, fetch);
			break;
		}
		fetch_end(fetch, fault.err, fault.detail.text);
		ended = true;
	}
	return ended;
}
