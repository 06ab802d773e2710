/* SPDX-License-Identifier: MIT */
/*
 * The head that an HTTP body sees.
 *
 * The first call that needs a tag (or a block that is not final) makes the body wait for it,
 * if nothing fresh is known; whoever needs it next finds it there. When an upstream lacks
 * what the head says is there, the body's other answers may be of a branch that is gone:
 * once all are answered, the head is asked for again, and if it is another one, the calls
 * that used the old one begin anew under it.
 */
#include "rpc/request_impl.h"

/* What is reorganised more often than this while a body runs is answered as it is. */
#define RESTARTS_MAX 4

_Static_assert(TAG_PENDING == HEADS_TAGS, "pending is not a block");

const struct head *call_tag(const struct call *call, enum block_tag tag)
{
	const struct request *request = call->request;

	if (request->pool->heads == NULL)
		return &request->pool->chain->pinned;
	REQUIRE(request->seen[tag] != NULL);
	return &request->seen[tag]->tags[tag];
}

const struct head *call_head(const struct call *call)
{
	return call_tag(call, TAG_LATEST);
}

bool call_follows(const struct call *call)
{
	return call->request->pool->heads != NULL;
}

bool call_has_company(const struct call *call)
{
	return call->request->n > 1;
}

static void told(struct heads_wait *wait, enum block_tag tag, struct heads_seen *seen,
		 const struct fork_answer *answer);

enum lookup call_need_head(struct call *call, enum block_tag tag)
{
	struct request *request = call->request;
	struct heads_view *heads = request->pool->heads;
	const unsigned bit = 1u << tag;

	if (heads == NULL)
		return HIT;
	call->uses_head = true;
	if (request->seen[tag] == NULL && (request->wait.tags & bit) == 0)
		request->seen[tag] = heads_see(heads, tag);
	if (request->seen[tag] != NULL)
		return HIT;
	if ((request->wait.tags & bit) == 0) {
		request->wait.told = told;
		enum err err = heads_wait(heads, &request->wait, bit);
		if (err != OK)
			return call_failed(call, err, "");
	}
	call->wants |= bit;
	return PENDING;
}

void call_suspect_head(struct call *call)
{
	if (call->uses_head)
		call->request->suspect = true;
}

void call_saw_block(struct call *call, uint64_t number)
{
	struct heads_view *heads = call->request->pool->heads;
	struct heads_seen *seen = heads != NULL ? heads_see(heads, TAG_LATEST) : NULL;

	if (seen != NULL && number > seen->tags[TAG_LATEST].block.at.number)
		heads_outdated(heads);
	heads_seen_put(&seen);
}

void request_forget_heads(struct request *request)
{
	heads_wait_cancel(request->pool->heads, &request->wait);
	for (unsigned tag = 0; tag < HEADS_TAGS; tag++)
		heads_seen_put(&request->seen[tag]);
	request->suspect = request->looking = false;
	request->restarts = 0;
}

/* ---- under another head ---- */

static void pin_all(struct request *request)
{
	for (uint32_t i = 0; i < request->n; i++)
		call_pin(&request->calls[i]);
}

void request_settled(struct request *request)
{
	if (request->suspect && request->restarts < RESTARTS_MAX) {
		request->suspect = false;
		request->wait.told = told;
		if (heads_wait(request->pool->heads, &request->wait, 1u << TAG_LATEST) == OK) {
			request->looking = true;
			request->restarts++;
			pin_all(request); /* the answers outlive this turn */
			return;
		}
	}
	request_reply(request);
}

/* Whether the head is the one that there was when the body first saw a tag. */
static bool is_same_head(const struct request *request, const struct heads_seen *seen)
{
	for (unsigned tag = 0; tag < HEADS_TAGS; tag++)
		if (request->seen[tag] != NULL)
			return eth_bytes32_equal(
				&request->seen[tag]->tags[TAG_LATEST].block.at.hash,
				&seen->tags[TAG_LATEST].block.at.hash);
	return false;
}

/* Back to where its parameters have just been read. */
static void call_reset(struct call *call)
{
	const struct call blank = {.request = call->request,
				   .in = call->in,
				   .method = call->method,
				   .params = call->params};

	call_release(call);
	*call = blank;
}

static void request_progress(struct request *request)
{
	if (request->left == 0) {
		request_settled(request);
		return;
	}
	pin_all(request);
}

static void look_again(struct request *request, struct heads_seen *seen)
{
	request->looking = false;
	if (seen == NULL || is_same_head(request, seen)) {
		heads_seen_put(&seen);
		request_reply(request);
		return;
	}
	for (unsigned tag = 0; tag < HEADS_TAGS; tag++)
		heads_seen_put(&request->seen[tag]);
	request->seen[TAG_LATEST] = seen;
	for (uint32_t i = 0; i < request->n; i++)
		if (request->calls[i].uses_head)
			call_reset(&request->calls[i]);
	request_run(request);
	request_progress(request);
}

/* ---- the wait is over ---- */

static const char *const not_found[HEADS_TAGS] = {[TAG_LATEST] = "latest block not found",
						  [TAG_SAFE] = "safe block not found",
						  [TAG_FINALIZED] =
							  "finalized block not found"};

static void no_head(struct call *call, enum block_tag tag, const struct fork_answer *answer)
{
	struct request *request = call->request;
	const bool suspect = request->suspect;

	if (answer->err == ERR_NOT_FOUND)
		call_error(call, RPC_SERVER_ERROR, "%s", not_found[tag]);
	else if (answer->err == OK)
		call_failed(call, ERR_NOMEM, "");
	else
		call_take_failure(call, answer);
	request->suspect = suspect; /* not of a head that was never there */
	call_give_up(call);
	request->left--;
}

static void told(struct heads_wait *wait, enum block_tag tag, struct heads_seen *seen,
		 const struct fork_answer *answer)
{
	struct request *request =
		(struct request *)((char *)wait - offsetof(struct request, wait));
	const unsigned bit = 1u << tag;

	if (request->looking) {
		look_again(request, seen);
		return;
	}
	request->seen[tag] = seen;
	request->starting = true;
	for (uint32_t i = 0; i < request->n; i++) {
		struct call *call = &request->calls[i];
		if ((call->wants & bit) == 0)
			continue;
		call->wants &= ~bit;
		if (seen != NULL)
			call_run(call);
		else
			no_head(call, tag, answer);
	}
	request->starting = false;
	request_progress(request);
}
