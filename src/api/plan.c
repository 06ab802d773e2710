/* SPDX-License-Identifier: MIT */
#include "api/plan.h"
#include "base/secret.h"
#include "fork/block_spec.h"
#include "fork/url.h"

#define MIB		(UINT64_C(1) << 20)
#define CACHED_DEFAULT	(64 * MIB)
#define DISK_DEFAULT	(10 * 1024 * MIB)
#define DISK_MIN	(4 * MIB)
#define MEMORY_MIN	MIB
#define MEMORY_MAX	(UINT64_C(1) << 42)
#define FORK_MEMORY_MIN (4 * MIB) /* of a fork without a cache above it */
#define URLS_MAX	64	  /* of the fork back end */

static const char *name_of(enum fc_kind kind)
{
	switch (kind) {
	case FC_MEMORY:
		return "memory";
	case FC_FILE:
		return "file";
	case FC_CACHED:
		return "cached";
	case FC_DISK_CACHE:
		return "disk cache";
	case FC_OVERLAY:
		return "overlay";
	case FC_FORK:
		return "fork";
	case FC_NETWORK:
		return "network";
	}
	return NULL;
}

static enum err refuse(struct err_detail *detail, const struct open_plan *plan, size_t i,
		       const char *why)
{
	return err_set(detail, ERR_CONFIG, "layer %zu from the top (%s): %s", i + 1,
		       name_of(plan->layers[i].kind), why);
}

static bool is_source(enum fc_kind kind)
{
	return kind == FC_FORK || kind == FC_NETWORK;
}

static bool is_bottom(enum fc_kind kind)
{
	return kind == FC_MEMORY || kind == FC_FILE || is_source(kind);
}

/* ---- copying ---- */

/* A larger struct is of a caller that knows more than we do: fine, as long as it asks for
 * nothing that we do not know. */
static bool copy_layer(const struct fc_layer *from, struct fc_layer *out)
{
	const char *bytes = (const char *)from;

	if (from->size < offsetof(struct fc_layer, path))
		return false;
	for (size_t i = sizeof *out; i < from->size; i++)
		if (bytes[i] != 0)
			return false;
	*out = (struct fc_layer){0};
	memcpy(out, from, from->size < sizeof *out ? from->size : sizeof *out);
	return true;
}

static enum err copy_layers(const struct fc_layer *top, struct open_plan *out,
			    struct err_detail *detail)
{
	for (const struct fc_layer *at = top; at != NULL; at = at->below) {
		if (out->n == PLAN_LAYERS_MAX)
			return err_set(detail, ERR_CONFIG, "there are more than %d layers",
				       PLAN_LAYERS_MAX);
		if (!copy_layer(at, &out->layers[out->n]))
			return err_set(detail, ERR_CONFIG,
				       "layer %zu from the top: its size is not that of a "
				       "struct fc_layer that this library knows",
				       out->n + 1);
		if (name_of(out->layers[out->n].kind) == NULL)
			return err_set(detail, ERR_CONFIG,
				       "layer %zu from the top: its kind is not known",
				       out->n + 1);
		out->n++;
	}
	return OK;
}

/* ---- one layer ---- */

static enum err check_member(struct err_detail *detail, const struct open_plan *plan, size_t i,
			     bool set, bool allowed, const char *name)
{
	if (!set || allowed)
		return OK;
	return err_set(detail, ERR_CONFIG, "layer %zu from the top (%s) has no %s", i + 1,
		       name_of(plan->layers[i].kind), name);
}

/* What belongs to another kind of layer is a slip. */
static enum err check_members(struct err_detail *detail, const struct open_plan *plan, size_t i)
{
	const struct fc_layer *l = &plan->layers[i];
	const bool source = is_source(l->kind), cached = l->kind == FC_CACHED;
	const bool folder = l->kind == FC_FILE || l->kind == FC_DISK_CACHE;
	const struct {
		bool set, allowed;
		const char *name;
	} members[] = {
		{l->path != NULL, folder, "path"},
		{l->capacity_bytes != 0, folder || cached, "capacity"},
		{l->accounts_bytes != 0 || l->slots_bytes != 0 || l->code_bytes != 0, cached,
		 "bounds of kinds"},
		{l->urls_n != 0, source, "URLs"},
		{l->headers_n != 0, source, "headers"},
		{l->token != NULL, l->kind == FC_NETWORK, "token"},
		{l->block != NULL, source, "block"},
		{l->ca_file != NULL, source, "CA file"},
		{l->chain_id != 0, source, "chain id"},
		{l->offline, source, "offline"},
		{l->verify, source, "verify"},
		{l->trust_dev_node, source, "trust in a development node"},
		{l->timeout_ms != 0, source, "timeout"},
		{l->batch_items != 0, source, "size of batches"},
		{l->keep_empty_accounts,
		 l->kind == FC_MEMORY || l->kind == FC_FILE || l->kind == FC_OVERLAY,
		 "empty accounts to keep"},
	};
	enum err err = OK;

	for (size_t k = 0; err == OK && k < sizeof members / sizeof members[0]; k++)
		err = check_member(detail, plan, i, members[k].set, members[k].allowed,
				   members[k].name);
	return err;
}

/* "Name: value", without anything that could end the line. */
static bool is_header(const char *text)
{
	const char *colon = strchr(text, ':');

	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return colon != NULL && colon != text;
}

static bool is_token(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	return *text != '\0';
}

static enum err check_urls(struct err_detail *detail, const struct open_plan *plan, size_t i)
{
	const struct fc_layer *l = &plan->layers[i];

	for (size_t k = 0; k < l->urls_n; k++) {
		struct err_detail why = {{0}};
		struct url parsed = {0};
		struct secret *text =
			l->urls[k] != NULL ? secret_new(span_of(l->urls[k])) : NULL;
		enum err err = text != NULL ? url_parse(text, &parsed, &why) : ERR_NOMEM;
		url_release(&parsed);
		secret_free(&text);
		if (l->urls[k] == NULL)
			return refuse(detail, plan, i, "one of its URLs is NULL");
		if (err != OK)
			return err_set(detail, err,
				       "layer %zu from the top (%s), its URL %zu: %.300s",
				       i + 1, name_of(l->kind), k + 1,
				       err == ERR_NOMEM ? "out of memory" : why.text);
	}
	return OK;
}

static enum err check_source(struct err_detail *detail, const struct open_plan *plan, size_t i)
{
	const struct fc_layer *l = &plan->layers[i];
	struct block_spec spec = {.kind = BLOCK_SPEC_TAG};

	if (l->urls_n > 0 && l->urls == NULL)
		return refuse(detail, plan, i, "its URLs are NULL");
	if (!l->offline && l->urls_n == 0)
		return refuse(detail, plan, i, "it needs a URL, or offline");
	if (l->urls_n > URLS_MAX)
		return refuse(detail, plan, i, "it has more than 64 URLs");
	if (l->kind == FC_NETWORK && l->urls_n > 1)
		return refuse(detail, plan, i, "a remote forkcache has one URL");
	if (l->headers_n > 0 && l->headers == NULL)
		return refuse(detail, plan, i, "its headers are NULL");
	for (size_t k = 0; k < l->headers_n; k++)
		if (l->headers[k] == NULL || !is_header(l->headers[k]))
			return refuse(detail, plan, i, "a header is not \"Name: value\"");
	if (l->token != NULL && !is_token(l->token))
		return refuse(detail, plan, i,
			      "the token is empty, or has a character that no header may have");
	if (l->block != NULL && block_spec_parse(l->block, &spec) != OK)
		return refuse(detail, plan, i,
			      "its block is not a number, a hash of 32 bytes, latest, safe or "
			      "finalized");
	if (l->offline && (l->block == NULL || spec.kind == BLOCK_SPEC_TAG))
		return refuse(detail, plan, i,
			      "offline needs a block by number or hash: nobody can be asked "
			      "which one a tag is");
	if (l->offline && plan->disk_folder == NULL)
		return refuse(detail, plan, i,
			      "offline needs a disk cache (lmdb:// above it) to read from");
	return check_urls(detail, plan, i);
}

static enum err check_folder(struct err_detail *detail, const struct open_plan *plan, size_t i)
{
	const struct fc_layer *l = &plan->layers[i];

	if (l->path == NULL || *l->path == '\0')
		return refuse(detail, plan, i, "it needs a folder");
	if (l->kind == FC_DISK_CACHE && l->capacity_bytes != 0 && l->capacity_bytes < DISK_MIN)
		return refuse(detail, plan, i, "its bound is below 4 MiB");
	return OK;
}

/* ---- the stack ---- */

static enum err check_place(struct err_detail *detail, const struct open_plan *plan, size_t i)
{
	const enum fc_kind kind = plan->layers[i].kind;
	const bool last = i + 1 == plan->n;
	const enum fc_kind below = last ? kind : plan->layers[i + 1].kind;

	if (last && !is_bottom(kind))
		return refuse(detail, plan, i, "there must be a layer below it");
	if (!last && is_bottom(kind))
		return refuse(detail, plan, i, "nothing may lie below it");
	if (kind == FC_DISK_CACHE && !is_source(below))
		return refuse(detail, plan, i,
			      "a disk cache lies directly above a fork, or a remote forkcache");
	if (kind == FC_CACHED && below == FC_CACHED)
		return refuse(detail, plan, i, "a memory cache above another is of no use");
	return OK;
}

static uint64_t or_default(uint64_t bytes, uint64_t otherwise)
{
	return bytes != 0 ? bytes : otherwise;
}

static enum err fill_cached(struct err_detail *detail, struct open_plan *plan, size_t i)
{
	struct fc_layer *l = &plan->layers[i];

	l->capacity_bytes = or_default(l->capacity_bytes, CACHED_DEFAULT);
	l->accounts_bytes = or_default(l->accounts_bytes, l->capacity_bytes / 4);
	l->slots_bytes = or_default(l->slots_bytes, l->capacity_bytes / 2);
	l->code_bytes = or_default(l->code_bytes, l->capacity_bytes / 4);
	if (l->accounts_bytes > MEMORY_MAX || l->slots_bytes > MEMORY_MAX ||
	    l->code_bytes > MEMORY_MAX)
		return refuse(detail, plan, i, "its bound is above 4 TiB");
	if (l->accounts_bytes + l->slots_bytes + l->code_bytes < MEMORY_MIN)
		return refuse(detail, plan, i, "its bound is below 1 MiB");
	return OK;
}

bool open_plan_is_of_source(const struct open_plan *plan, size_t i)
{
	const enum fc_kind kind = plan->layers[i].kind;

	if (!plan->has_source || i + 1 == plan->n)
		return false;
	if (kind == FC_DISK_CACHE)
		return true;
	return kind == FC_CACHED &&
	       (i + 2 == plan->n ||
		(i + 3 == plan->n && plan->layers[i + 1].kind == FC_DISK_CACHE));
}

static void fill_source(struct open_plan *plan)
{
	plan->memory_bytes = FORK_MEMORY_MIN;
	for (size_t i = 0; i < plan->n; i++) {
		const struct fc_layer *l = &plan->layers[i];
		if (!open_plan_is_of_source(plan, i))
			continue;
		if (l->kind == FC_CACHED) {
			plan->memory_bytes =
				(size_t)(l->accounts_bytes + l->slots_bytes + l->code_bytes);
		} else {
			plan->disk_folder = l->path;
			plan->disk_bytes = or_default(l->capacity_bytes, DISK_DEFAULT);
		}
	}
}

enum err open_plan_make(const struct fc_layer *top, struct open_plan *out,
			struct err_detail *detail)
{
	*out = (struct open_plan){0};
	enum err err = copy_layers(top, out, detail);
	for (size_t i = 0; err == OK && i < out->n; i++) {
		const enum fc_kind kind = out->layers[i].kind;
		err = check_place(detail, out, i);
		if (err == OK)
			err = check_members(detail, out, i);
		if (err == OK && (kind == FC_FILE || kind == FC_DISK_CACHE))
			err = check_folder(detail, out, i);
		if (err == OK && kind == FC_CACHED)
			err = fill_cached(detail, out, i);
	}
	if (err != OK)
		return err;
	out->has_source = is_source(out->layers[out->n - 1].kind);
	if (out->has_source) {
		fill_source(out);
		err = check_source(detail, out, out->n - 1);
	}
	return err;
}
