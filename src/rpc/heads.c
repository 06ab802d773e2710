/* SPDX-License-Identifier: MIT */
#include "rpc/heads.h"
#include "base/json.h"
#include "base/log.h"
#include "fork/finality.h"
#include "rpc/keep.h"
#include <pthread.h>
#include <stdlib.h>

struct heads {
	struct chain *chain;
	uint64_t max_age_us;

	pthread_mutex_t lock; /* what stands below, but for the atomics */
	struct head tags[HEADS_TAGS];
	bool known[HEADS_TAGS];
	uint64_t lower_since_us; /* 0: the last head heard was not below the published one */
	bool by_depth;		 /* the chain has no "finalized" tag */
	atomic_ullong generation;
	atomic_ullong asked_us[HEADS_TAGS]; /* when the last answer was asked for; 0: never */
	atomic_ullong finality_us; /* when what is final was last asked for along with a head */
};

struct ask {
	struct heads_view *view;
	enum block_tag tag;
	struct fork_op *op;
	uint64_t asked_us;
};

struct heads_view {
	struct heads *heads;
	struct stack_view *stack;
	struct heads_seen *seen;
	bool known[HEADS_TAGS]; /* in seen */
	uint64_t generation;	/* of seen */
	struct ask asks[HEADS_TAGS];
	struct heads_wait *waits;
	uint64_t serial; /* of the wait that began last */
};

static const char *const names[HEADS_TAGS] = {
	[TAG_LATEST] = "latest", [TAG_SAFE] = "safe", [TAG_FINALIZED] = "finalized"};

enum err heads_new(struct chain *chain, uint64_t max_age_us, struct heads **out)
{
	struct heads *heads = calloc(1, sizeof *heads);

	if (heads == NULL)
		return ERR_NOMEM;
	heads->chain = chain;
	heads->max_age_us = max_age_us;
	pthread_mutex_init(&heads->lock, NULL);
	*out = heads;
	return OK;
}

void heads_free(struct heads **heads)
{
	if (*heads == NULL)
		return;
	pthread_mutex_destroy(&(*heads)->lock);
	free(*heads);
	*heads = NULL;
}

void heads_begin(struct heads *heads, const struct head *head)
{
	pthread_mutex_lock(&heads->lock);
	heads->tags[TAG_LATEST] = *head;
	heads->tags[TAG_LATEST].epoch = 1;
	heads->known[TAG_LATEST] = true;
	atomic_store(&heads->generation, 1);
	pthread_mutex_unlock(&heads->lock);
}

void heads_latest(struct heads *heads, struct head *out)
{
	pthread_mutex_lock(&heads->lock);
	*out = heads->tags[TAG_LATEST];
	pthread_mutex_unlock(&heads->lock);
}

uint64_t heads_raise_finalized(struct heads *heads, uint64_t number)
{
	struct head latest;

	heads_latest(heads, &latest);
	if (number > latest.block.at.number)
		number = latest.block.at.number;
	chain_raise_finalized(heads->chain, number);
	return number;
}

/* ---- hearing ---- */

/* Under the lock. True: a head below the published one is not to be believed yet. */
static bool is_held(struct heads *heads, const struct head *head, uint64_t now_us)
{
	const struct head *old = &heads->tags[TAG_LATEST];

	/* What a development node is told to go back to, it goes back to. */
	if (head->block.at.number >= old->block.at.number || heads->chain->keep_nothing) {
		heads->lower_since_us = 0;
		return false;
	}
	if (heads->lower_since_us == 0)
		heads->lower_since_us = now_us;
	/* Another worker may have asked a little earlier and be heard a little later. */
	if (now_us < heads->lower_since_us + HEADS_HELD_US)
		return true;
	log_warn("the chain's head has gone back", LOG_U("from", old->block.at.number),
		 LOG_U("to", head->block.at.number));
	heads->lower_since_us = 0;
	return false;
}

static bool is_child(const struct head *head, const struct head *parent)
{
	return head->block.at.number == parent->block.at.number + 1 &&
	       eth_bytes32_equal(&head->header.parent_hash, &parent->block.at.hash);
}

/* Under the lock. Of two heads in a row the lower one counts: what is final can never be taken
 * back, and one head may be wrong. */
static void raise_by_depth(struct heads *heads, const struct head *one,
			   const struct head *other)
{
	const uint64_t depth = finality_depth(heads->chain->chain_id);
	const uint64_t number = one->block.at.number < other->block.at.number
					? one->block.at.number
					: other->block.at.number;

	if (number > depth)
		chain_raise_finalized(heads->chain, number - depth);
}

/* Under the lock. What stands behind the new head in its epoch goes to memory. */
static void take_latest(struct heads *heads, struct head *head, struct stack *memory,
			uint64_t now_us)
{
	const struct head *old = &heads->tags[TAG_LATEST];
	const struct fork_block *at = &head->block.at;

	const bool is_same = eth_bytes32_equal(&at->hash, &old->block.at.hash);

	if (is_same && at->number != old->block.at.number) {
		log_warn("the head has two numbers", LOG_U("one", old->block.at.number),
			 LOG_U("other", at->number));
		return;
	}
	if (is_held(heads, head, now_us))
		return;
	head->epoch = old->epoch + !(is_same || is_child(head, old));
	if (memory != NULL && at->number > 0)
		stack_keep_near(memory, head->epoch, at->number - 1, &head->header.parent_hash);
	if (is_same)
		return;
	if (heads->by_depth)
		raise_by_depth(heads, old, head);
	heads->tags[TAG_LATEST] = *head;
	atomic_fetch_add(&heads->generation, 1);
}

/* Under the lock. */
static void take_tag(struct heads *heads, enum block_tag tag, const struct head *head)
{
	const struct head *old = &heads->tags[tag];

	if (tag == TAG_FINALIZED)
		heads->by_depth = false;
	const bool is_same = eth_bytes32_equal(&head->block.at.hash, &old->block.at.hash) &&
			     head->block.final == old->block.final;
	/* What was really final does not go back. */
	if (heads->known[tag] && head->block.at.number <= old->block.at.number &&
	    (is_same || (tag == TAG_FINALIZED && old->block.final)))
		return;
	heads->tags[tag] = *head;
	heads->known[tag] = true;
	atomic_fetch_add(&heads->generation, 1);
}

/* An upstream has said which block the tag means. */
static void take(struct heads *heads, enum block_tag tag, struct head *head,
		 struct stack *memory, uint64_t asked_us)
{
	pthread_mutex_lock(&heads->lock);
	if (tag == TAG_LATEST)
		take_latest(heads, head, memory, asked_us);
	else
		take_tag(heads, tag, head);
	if (asked_us > atomic_load(&heads->asked_us[tag]))
		atomic_store(&heads->asked_us[tag], asked_us);
	pthread_mutex_unlock(&heads->lock);
}

/* A chain that has once said what is final has the tag: it fails, or another node lacks it. */
static void lacks_finalized(struct heads *heads)
{
	pthread_mutex_lock(&heads->lock);
	heads->by_depth = !heads->known[TAG_FINALIZED];
	pthread_mutex_unlock(&heads->lock);
}

/* ---- a worker's view ---- */

enum err heads_view_new(struct heads *heads, struct stack_view *stack, struct heads_view **out)
{
	struct heads_view *view = calloc(1, sizeof *view);

	if (view == NULL)
		return ERR_NOMEM;
	view->heads = heads;
	view->stack = stack;
	for (unsigned tag = 0; tag < HEADS_TAGS; tag++)
		view->asks[tag] = (struct ask){.view = view, .tag = (enum block_tag)tag};
	*out = view;
	return OK;
}

void heads_view_free(struct heads_view **view)
{
	if (*view == NULL)
		return;
	REQUIRE((*view)->waits == NULL);
	for (unsigned tag = 0; tag < HEADS_TAGS; tag++)
		fork_cancel(&(*view)->asks[tag].op);
	heads_seen_put(&(*view)->seen);
	free(*view);
	*view = NULL;
}

void heads_seen_put(struct heads_seen **seen)
{
	if (*seen != NULL && --(*seen)->refs == 0)
		free(*seen);
	*seen = NULL;
}

/* Makes the view's copy the newest; false: no memory. */
static bool refresh(struct heads_view *view)
{
	struct heads *heads = view->heads;

	if (view->seen != NULL && view->generation == atomic_load(&heads->generation))
		return true;
	struct heads_seen *seen = malloc(sizeof *seen);
	if (seen == NULL)
		return false;
	seen->refs = 1;
	pthread_mutex_lock(&heads->lock);
	memcpy(seen->tags, heads->tags, sizeof seen->tags);
	memcpy(view->known, heads->known, sizeof view->known);
	view->generation = atomic_load(&heads->generation);
	pthread_mutex_unlock(&heads->lock);
	heads_seen_put(&view->seen);
	view->seen = seen;
	return true;
}

/* A reference to the newest; NULL: no memory, or the tag was never heard of. */
static struct heads_seen *newest(struct heads_view *view, enum block_tag tag)
{
	if (!refresh(view) || !view->known[tag])
		return NULL;
	view->seen->refs++;
	return view->seen;
}

static bool is_fresh(struct heads_view *view, enum block_tag tag)
{
	uint64_t max_age_us = view->heads->max_age_us;
	uint64_t asked_us =
		atomic_load_explicit(&view->heads->asked_us[tag], memory_order_acquire);
	uint64_t now_us = stack_now_us(view->stack);

	return asked_us != 0 && max_age_us > 0 && now_us <= asked_us + max_age_us;
}

struct heads_seen *heads_see(struct heads_view *view, enum block_tag tag)
{
	return is_fresh(view, tag) ? newest(view, tag) : NULL;
}

void heads_outdated(struct heads_view *view)
{
	atomic_store(&view->heads->asked_us[TAG_LATEST], 0);
}

/* ---- asking ---- */

static void unlink_wait(struct heads_view *view, struct heads_wait *wait)
{
	if (wait->prev != NULL)
		wait->prev->next = wait->next;
	else
		view->waits = wait->next;
	if (wait->next != NULL)
		wait->next->prev = wait->prev;
	wait->next = wait->prev = NULL;
}

void heads_wait_cancel(struct heads_view *view, struct heads_wait *wait)
{
	if (wait->tags == 0)
		return;
	wait->tags = 0;
	unlink_wait(view, wait);
}

/* Each may free itself, end others' waiting, or begin to wait anew, for another answer than
 * this: the list is looked at from its beginning. */
static void tell(struct heads_view *view, enum block_tag tag, const struct fork_answer *answer)
{
	const unsigned bit = 1u << tag;
	const uint64_t last = view->serial;
	struct heads_wait *wait = view->waits;

	while (wait != NULL) {
		if ((wait->tags & bit) == 0 || wait->serial > last) {
			wait = wait->next;
			continue;
		}
		wait->tags &= ~bit;
		if (wait->tags == 0)
			unlink_wait(view, wait);
		wait->told(wait, tag, answer->err == OK ? newest(view, tag) : NULL, answer);
		wait = view->waits;
	}
}

/* null: the node has no such block. */
static enum err read_head(const struct fork_answer *answer, struct head *out,
			  struct err_detail *detail)
{
	struct span json = blob_span(answer->blob);

	*out = (struct head){0};
	if (json_type(json) == JSON_NULL)
		return err_set(detail, ERR_NOT_FOUND, "the upstream has no such block");
	enum err err = block_header_parse(json, &out->header, &out->is_prague, detail);
	out->block.at.number = out->header.number;
	out->block.at.hash = out->header.hash;
	return err;
}

static enum err ask_tag(struct heads_view *view, enum block_tag tag);

/* Who asks for nothing but "finalized" gets past a head that was heard long ago: the one of now
 * is heard for the next time. */
static void hear_finalized(struct heads_view *view, uint64_t number)
{
	if (heads_raise_finalized(view->heads, number) == number)
		return;
	enum err err = ask_tag(view, TAG_LATEST);
	if (err != OK)
		log_debug("the head is not asked for", LOG_S("cause", err_name(err)));
}

static void on_head(void *cookie, const struct fork_answer *answer)
{
	struct ask *ask = cookie;
	struct heads_view *view = ask->view;
	struct fork_answer failure = *answer;
	struct err_detail detail;
	struct head head;

	ask->op = NULL;
	if (answer->err == OK) {
		failure.err = read_head(answer, &head, &detail);
		failure.detail = detail.text;
	}
	if (failure.err == OK) {
		if (ask->tag == TAG_FINALIZED)
			hear_finalized(view, head.block.at.number);
		head.block.final = chain_is_final(view->heads->chain, head.block.at.number);
		head.block.at.by_hash = !head.block.final;
		take(view->heads, ask->tag, &head,
		     answer->do_not_store ? NULL : stack_of(view->stack), ask->asked_us);
	} else if (ask->tag == TAG_FINALIZED &&
		   (failure.err == ERR_UPSTREAM || failure.err == ERR_NOT_FOUND)) {
		lacks_finalized(view->heads);
	}
	tell(view, ask->tag, &failure);
}

static enum err ask_tag(struct heads_view *view, enum block_tag tag)
{
	struct ask *ask = &view->asks[tag];
	const struct keep keep = {
		.kind = KEEP_HEAD, .flags = KEEP_CANONICAL, .count = (uint64_t)tag};
	char params[32];
	enum err err = OK;

	if (ask->op != NULL)
		return OK;
	int n = snprintf(params, sizeof params, "[\"%s\",false]", names[tag]);
	const struct fork_question question = {
		.kind = FORK_CALL,
		.class = FORK_CLASS_STATE,
		.method = SPAN("eth_getBlockByNumber"),
		.params = {params, (size_t)n},
		.may_join = true,
		.null_allowed = tag != TAG_LATEST,
		.tag = {(const char *)&keep, sizeof keep},
	};
	ask->asked_us = stack_now_us(view->stack);
	if (stack_fetch_call(view->stack, &question, on_head, ask, &ask->op, &err) != PENDING)
		return err;
	return OK;
}

/* What is final comes along with a head from time to time; who fails to hear it asks again
 * with the next head but the time. */
static void ask_finality(struct heads_view *view)
{
	uint64_t now_us = stack_now_us(view->stack);
	uint64_t last_us = atomic_load(&view->heads->finality_us);

	if (last_us != 0 && now_us < last_us + HEADS_FINALITY_US)
		return;
	if (ask_tag(view, TAG_FINALIZED) == OK)
		atomic_store(&view->heads->finality_us, now_us);
}

enum err heads_wait(struct heads_view *view, struct heads_wait *wait, unsigned tags)
{
	enum err err = OK;

	const bool waits = wait->tags != 0;

	for (unsigned tag = 0; tag < HEADS_TAGS; tag++) {
		if ((tags >> tag & 1) == 0)
			continue;
		enum err asked = ask_tag(view, (enum block_tag)tag);
		if (asked == OK)
			wait->tags |= 1u << tag;
		else
			err = asked;
	}
	if (wait->tags & 1u << TAG_LATEST)
		ask_finality(view);
	wait->serial = ++view->serial;
	if (waits || wait->tags == 0)
		return err;
	wait->prev = NULL;
	wait->next = view->waits;
	if (wait->next != NULL)
		wait->next->prev = wait;
	view->waits = wait;
	return err;
}
