/* SPDX-License-Identifier: MIT */
#include "mock_node/options.h"
#include "mock_node/chain.h"
#include <errno.h>
#include <getopt.h>

#define DEFAULT_BLOCKS 256

const char options_help[] =
	"Usage: mock-node [OPTION]...\n"
	"A scripted archive node for tests: an embedded deterministic chain, or recorded "
	"data.\n"
	"\n"
	"  --listen ADDRESS:PORT   where to listen (127.0.0.1:0: any free port, printed)\n"
	"  --blocks N              blocks of the embedded chain after genesis (256)\n"
	"  --data PATH             serve recorded data instead: a directory of Foundry fork\n"
	"                          caches or one of them, or request/answer recordings\n"
	"  --fork CHAIN/BLOCK      which fork of that directory, as in mainnet/14163041;\n"
	"                          of recordings: files whose name starts with this\n"
	"  --state-roots           give the embedded chain's headers true state roots, and\n"
	"                          offer eth_getProof; a block takes a moment, so have few\n"
	"  --witness FOLDER        serve the parent of a recorded block from the trie nodes\n"
	"                          that are recorded with it, with eth_getProof: a folder\n"
	"                          of block.json and witness.json\n"
	"  --prestate FILE         serve the accounts of a genesis' alloc or a go-ethereum\n"
	"                          tracer test; others are empty; with eth_getProof\n"
	"  --execution-witness     with these two also debug_executionWitness (of the head's\n"
	"                          next block); '{\"execution_witness\":true}'\n"
	"  --control JSON          script at start, as for POST /control; may be repeated\n"
	"  --latency-ms N          the same as --control '{\"latency_ms\":N}'\n"
	"  --fault-rate PERCENT    strike so many HTTP requests with a transient fault\n"
	"  --fault-seed N          by another chance than that of seed 0\n"
	"  --chain-id N            the same as --control '{\"chain_id\":N}'\n"
	"  --client-version TEXT   what web3_clientVersion answers\n"
	"  --print-samples         print addresses, slots and hashes as JSON, and exit\n"
	"  --help                  print this, and exit\n"
	"\n"
	"The control endpoint is described in mocks/mock_node/control.h and script.h.\n";

enum option_code {
	OPT_LISTEN = 256,
	OPT_BLOCKS,
	OPT_DATA,
	OPT_FORK,
	OPT_STATE_ROOTS,
	OPT_WITNESS,
	OPT_PRESTATE,
	OPT_EXECUTION_WITNESS,
	OPT_FAULT_RATE,
	OPT_FAULT_SEED,
	OPT_CONTROL,
	OPT_LATENCY,
	OPT_CHAIN_ID,
	OPT_CLIENT_VERSION,
	OPT_SAMPLES,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"blocks", required_argument, NULL, OPT_BLOCKS},
	{"data", required_argument, NULL, OPT_DATA},
	{"fork", required_argument, NULL, OPT_FORK},
	{"state-roots", no_argument, NULL, OPT_STATE_ROOTS},
	{"witness", required_argument, NULL, OPT_WITNESS},
	{"prestate", required_argument, NULL, OPT_PRESTATE},
	{"execution-witness", no_argument, NULL, OPT_EXECUTION_WITNESS},
	{"fault-rate", required_argument, NULL, OPT_FAULT_RATE},
	{"fault-seed", required_argument, NULL, OPT_FAULT_SEED},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"latency-ms", required_argument, NULL, OPT_LATENCY},
	{"chain-id", required_argument, NULL, OPT_CHAIN_ID},
	{"client-version", required_argument, NULL, OPT_CLIENT_VERSION},
	{"print-samples", no_argument, NULL, OPT_SAMPLES},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static enum err number(const char *text, uint64_t max, uint64_t *out, struct err_detail *detail)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value > max)
		return err_set(detail, ERR_CONFIG, "%s: a number up to %llu is wanted", text,
			       (unsigned long long)max);
	*out = value;
	return OK;
}

static enum err set_number(struct options *options, const char *member, const char *text,
			   struct err_detail *detail)
{
	uint64_t value;
	enum err err = number(text, INT64_MAX, &value, detail);

	if (err == OK)
		json_object_set_new(options->control, member, json_integer((json_int_t)value));
	return err;
}

static enum err add_control(struct options *options, const char *text,
			    struct err_detail *detail)
{
	json_error_t error;
	json_t *more = json_loads(text, 0, &error);

	if (!json_is_object(more)) {
		json_decref(more);
		return err_set(detail, ERR_CONFIG, "--control: a JSON object is wanted: %s",
			       more ? "" : error.text);
	}
	int failed = json_object_update(options->control, more);
	json_decref(more);
	return failed ? err_set(detail, ERR_NOMEM, "out of memory") : OK;
}

static enum err take(struct options *options, int code, struct err_detail *detail)
{
	switch (code) {
	case OPT_LISTEN:
		options->listen_on = optarg;
		return OK;
	case OPT_BLOCKS:
		return number(optarg, CHAIN_BLOCKS_MAX - 1, &options->blocks, detail);
	case OPT_DATA:
		options->data = optarg;
		return OK;
	case OPT_FORK:
		options->fork = optarg;
		return OK;
	case OPT_STATE_ROOTS:
		options->state_roots = true;
		return OK;
	case OPT_WITNESS:
		options->witness = optarg;
		return OK;
	case OPT_PRESTATE:
		options->prestate = optarg;
		return OK;
	case OPT_EXECUTION_WITNESS:
		json_object_set_new(options->control, "execution_witness", json_true());
		return OK;
	case OPT_FAULT_RATE:
		return set_number(options, "fault_rate", optarg, detail);
	case OPT_FAULT_SEED:
		return set_number(options, "fault_seed", optarg, detail);
	case OPT_CONTROL:
		return add_control(options, optarg, detail);
	case OPT_LATENCY:
		return set_number(options, "latency_ms", optarg, detail);
	case OPT_CHAIN_ID:
		return set_number(options, "chain_id", optarg, detail);
	case OPT_CLIENT_VERSION:
		json_object_set_new(options->control, "client_version", json_string(optarg));
		return OK;
	case OPT_SAMPLES:
		options->print_samples = true;
		return OK;
	case OPT_HELP:
		options->help = true;
		return OK;
	}
	return err_set(detail, ERR_CONFIG, "%s: no such option, or its value is missing",
		       "command line");
}

enum err options_parse(struct options *options, int argc, char **argv,
		       struct err_detail *detail)
{
	enum err err = OK;
	int code;

	*options = (struct options){.listen_on = "127.0.0.1:0", .blocks = DEFAULT_BLOCKS};
	options->control = json_object();
	if (!options->control)
		return err_set(detail, ERR_NOMEM, "out of memory");
	opterr = 0;
	while (err == OK && (code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		err = take(options, code, detail);
	if (err == OK && optind < argc)
		err = err_set(detail, ERR_CONFIG, "%s: not an option", argv[optind]);
	if (err == OK && !!options->data + !!options->witness + !!options->prestate > 1)
		err = err_set(detail, ERR_CONFIG,
			      "--data, --witness, --prestate: there is one to serve");
	return err;
}

void options_release(struct options *options)
{
	json_decref(options->control);
	options->control = NULL;
}
