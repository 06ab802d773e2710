/* SPDX-License-Identifier: MIT */
#include "mock_node/control.h"
#include "mock_node/moves.h"
#include "mock_node/params.h"
#include "mock_node/samples.h"

static void answer_json(struct reply *reply, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (text)
		buf_text(&reply->body, text);
	else
		reply->status = 500;
	free(text);
	json_decref(object);
}

static void refuse(struct reply *reply, int status, const char *why)
{
	reply->status = status;
	buf_clear(&reply->body);
	buf_text(&reply->body, "{\"error\":");
	buf_json_string(&reply->body, span_of(why));
	buf_char(&reply->body, '}');
}

static void apply_barrier(struct http_server *server, const json_t *control)
{
	const json_t *hold = json_object_get(control, "hold");

	if (json_is_object(hold))
		http_hold(server, json_uint(json_object_get(hold, "requests")),
			  json_uint(json_object_get(hold, "items")));
	else if (hold)
		http_hold(server, json_uint(hold), 0);
	if (json_is_true(json_object_get(control, "release")))
		http_release(server);
}

static bool known_members(json_t *control, struct err_detail *detail)
{
	static const char *const own[] = {"advance", "reorg", "hold", "release",
					  "reset_counters"};
	const char *name;
	json_t *value;

	json_object_foreach(control, name, value)
	{
		bool known = script_knows(name);
		for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
			known |= strcmp(own[i], name) == 0;
		if (!known) {
			snprintf(detail->text, sizeof detail->text, "no such member: %s", name);
			return false;
		}
	}
	return true;
}

enum err control_apply(struct http_server *server, struct node *node, json_t *control,
		       struct err_detail *detail)
{
	if (!json_is_object(control))
		return err_set(detail, ERR_INVALID, "a JSON object is wanted");
	if (!known_members(control, detail))
		return ERR_INVALID;
	enum err err = script_apply(&node->script, control, detail);
	if (err != OK)
		return err;
	err = moves_apply(node, control);
	if (err != OK)
		return err_set(detail, err, "no room for more blocks");
	if (json_is_true(json_object_get(control, "reset_counters")))
		counters_reset(&node->counters);
	apply_barrier(server, control);
	return OK;
}

static void post_control(struct http_server *server, struct node *node, json_t *control,
			 struct reply *reply)
{
	struct err_detail detail = {{0}};

	if (control_apply(server, node, control, &detail) != OK)
		refuse(reply, 400, detail.text);
	else
		answer_json(reply, json_pack("{s:b,s:I}", "ok", 1, "head",
					     (json_int_t)node_head_number(node)));
}

static void reset(struct http_server *server, struct node *node, struct reply *reply)
{
	http_release(server);
	script_release(&node->script);
	counters_reset(&node->counters);
	if (script_apply(&node->script, node->start_script, NULL) == OK)
		answer_json(reply, json_pack("{s:b}", "ok", 1));
	else
		refuse(reply, 500, "the script that was given at start cannot be set again");
}

static void last_request(const struct counters *counters, struct reply *reply)
{
	buf_text(&reply->body, "{\"head\":");
	buf_json_string(&reply->body, buf_as_span(&counters->last_head));
	buf_text(&reply->body, ",\"body\":");
	buf_json_string(&reply->body, buf_as_span(&counters->last_body));
	buf_char(&reply->body, '}');
}

static void all_blocks(const struct chain *chain, struct reply *reply)
{
	const char *before = "{\"blocks\":[";

	for (const struct block *block = chain->last_made; block; block = block->next_made) {
		buf_printf(&reply->body, "%s{\"number\":%llu,\"canonical\":%s,", before,
			   (unsigned long long)block->header.number,
			   block->canonical ? "true" : "false");
		json_data(&reply->body, "hash", block->hash.bytes, sizeof block->hash.bytes);
		buf_char(&reply->body, '}');
		before = ",";
	}
	buf_text(&reply->body, "]}");
}

bool control_reached(const struct counters *counters, json_t *wanted)
{
	json_t *now = counters_json(counters, false);
	bool reached = true;
	const char *name;
	json_t *value;

	json_object_foreach(wanted, name, value)
	{
		const json_t *counter = json_object_get(now, name);
		if (!counter)
			counter = json_object_get(json_object_get(now, "methods"), name);
		reached &= json_uint(counter) >= json_uint(value);
	}
	json_decref(now);
	return reached;
}

static bool handle_post(struct http_server *server, struct node *node, struct span path,
			json_t *control, struct reply *reply, json_t **wait_for)
{
	if (span_is(path, "/control")) {
		post_control(server, node, control, reply);
	} else if (span_is(path, "/control/reset")) {
		reset(server, node, reply);
	} else if (span_is(path, "/control/wait") && json_is_object(control)) {
		buf_text(&reply->body, "{\"ok\":true}");
		*wait_for = json_incref(control);
		return true;
	} else {
		refuse(reply, 404, "no such control");
	}
	return false;
}

bool control_handle(struct http_server *server, struct node *node, bool post, struct span path,
		    struct span body, struct reply *reply, json_t **wait_for)
{
	bool waits = false;

	if (post && span_is(path, "/control/truth")) {
		rpc_truth(node, body, reply);
	} else if (post) {
		json_t *control = json_loadb(body.ptr, body.len, 0, NULL);
		waits = handle_post(server, node, path, control, reply, wait_for);
		json_decref(control);
	} else if (span_is(path, "/control/counters")) {
		answer_json(reply, counters_json(&node->counters, false));
	} else if (span_is(path, "/control/keys")) {
		answer_json(reply, counters_json(&node->counters, true));
	} else if (span_is(path, "/control/faults")) {
		answer_json(reply, json_pack("{s:o}", "struck", script_struck(&node->script)));
	} else if (span_is(path, "/control/last")) {
		last_request(&node->counters, reply);
	} else if (span_is(path, "/control/blocks")) {
		all_blocks(&node->chain, reply);
	} else if (span_is(path, "/control/samples")) {
		samples_json(&reply->body, node);
	} else {
		refuse(reply, 404, "no such control");
	}
	return waits;
}
