/* SPDX-License-Identifier: MIT */
#include "mock_node/control.h"
#include "mock_node/fork_data.h"
#include "mock_node/options.h"
#include "mock_node/recorded.h"
#include "mock_node/samples.h"
#include "mock_node/trie_fork.h"
#include "mock_node/fork.h"
#include <signal.h>

#define SAMPLES_LIMIT 65536

static struct loop *running; /* what a signal stops */

static void on_signal(int number)
{
	(void)number;
	loop_stop(running);
}

static enum err load_data(struct node *node, const struct options *options,
			  struct err_detail *detail)
{
	if (options->witness)
		return trie_fork_load_witness(options->witness, &node->fork, detail);
	if (options->prestate)
		return trie_fork_load_prestate(options->prestate, &node->fork, detail);
	if (!options->data)
		return OK;
	/* The forms are told apart by what loads: a recording is no fork cache. */
	struct err_detail as_fork = {{0}}, as_recording = {{0}};
	enum err err = fork_data_load(options->data, options->fork, &node->fork, &as_fork);
	if (err == OK || err == ERR_NOMEM)
		return err;
	err = recorded_load(options->data, options->fork, &node->recorded, &as_recording);
	if (err == OK)
		return OK;
	return err_set(detail, err,
		       "--data %s: neither a fork cache (%.200s) nor recordings "
		       "(%.200s)",
		       options->data, as_fork.text, as_recording.text);
}

static enum err node_init(struct node *node, const struct options *options,
			  struct err_detail *detail)
{
	*node = (struct node){0};
	script_init(&node->script);
	node->start_script = options->control;
	counters_init(&node->counters);
	enum err err = world_init(&node->world);
	if (err == OK)
		err = chain_init(&node->chain, &node->world, options->blocks,
				 options->state_roots);
	if (err != OK)
		return err_set(detail, err, "out of memory");
	return load_data(node, options, detail);
}

static void node_release(struct node *node)
{
	recorded_free(&node->recorded);
	fork_free(&node->fork);
	chain_release(&node->chain);
	world_release(&node->world);
	script_release(&node->script);
	counters_release(&node->counters);
}

static void print_samples(const struct node *node)
{
	struct buf out;

	buf_init(&out, SAMPLES_LIMIT);
	samples_json(&out, node);
	buf_char(&out, '\n');
	fwrite(out.ptr, 1, out.len, stdout);
	buf_release(&out);
}

static enum err serve(struct node *node, const struct options *options,
		      struct err_detail *detail)
{
	struct http_server *server = NULL;
	unsigned port;
	enum err err = loop_new(&running);

	if (err != OK)
		return err_set(detail, err, "the event loop cannot be made");
	err = http_start(running, node, options->listen_on, &server, &port, detail);
	if (err == OK)
		err = control_apply(server, node, options->control, detail);
	if (err == OK) {
		signal(SIGTERM, on_signal);
		signal(SIGINT, on_signal);
		signal(SIGPIPE, SIG_IGN);
		printf("mock-node listening on %.*s:%u chain %llu head %llu\n",
		       (int)(strrchr(options->listen_on, ':') - options->listen_on),
		       options->listen_on, port, (unsigned long long)node_chain_id(node),
		       (unsigned long long)node_head_number(node));
		fflush(stdout);
		err = loop_run(running);
	}
	http_free(&server);
	loop_free(&running);
	return err;
}

int main(int argc, char **argv)
{
	struct err_detail detail = {{0}};
	struct options options;
	struct node node = {0};
	enum err err = options_parse(&options, argc, argv, &detail);

	if (err == OK && options.help) {
		fputs(options_help, stdout);
	} else if (err == OK) {
		err = node_init(&node, &options, &detail);
		if (err == OK && options.print_samples)
			print_samples(&node);
		else if (err == OK)
			err = serve(&node, &options, &detail);
		node_release(&node);
	}
	if (err != OK)
		fprintf(stderr, "mock-node: %s\n",
			detail.text[0] ? detail.text : err_name(err));
	options_release(&options);
	return err == OK ? 0 : 1;
}
