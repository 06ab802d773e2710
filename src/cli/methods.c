/* SPDX-License-Identifier: MIT */
#include "cli/methods.h"
#include "base/check.h"
#include "rpc/method.h"

/* ---- the sections ---- */

enum columns { COLUMNS_ASKED, COLUMNS_LOCAL, COLUMNS_REFUSED };

#define CLASS(name) (1u << METHOD_##name)

/* In the order of the page; every class is in one. */
static const struct section {
	unsigned classes;
	enum columns columns;
	const char *title, *rule;
} sections[] = {
	{CLASS(FACT) | CLASS(COMPOSED), COLUMNS_ASKED, "Facts of a state",
	 "A balance, a nonce, an account's code, a storage slot, at a block: each is kept by "
	 "itself, under the block's hash, and answers whichever method asks for it. What is "
	 "missing is asked for together, in the richest form that the upstream takes: "
	 "`eth_getStorageValues`, `eth_getAccountInfo`, a JSON-RPC batch, single calls."},
	{CLASS(BLOCK), COLUMNS_ASKED, "Chain data of a block",
	 "Kept under the block's hash: by number and by hash is one question. Pinned, a block "
	 "above the pinned one is `null`. That no upstream has a method that can be composed "
	 "of "
	 "others is remembered for a minute, and longer each time that it is found again."},
	{CLASS(TX) | CLASS(TX_OF), COLUMNS_ASKED, "Of a transaction",
	 "Kept with the block that it is in. Following, an answer of a block that is not final "
	 "is served while that block is on the chain. Pinned, what is in a later block is "
	 "`null`; at a final block, so is what nobody knew when it was asked for, which is "
	 "kept. "
	 "Of a final block, `eth_getBlockReceipts` brings each receipt, and "
	 "`eth_getBlockBy…` with transaction objects each transaction."},
	{CLASS(AT), COLUMNS_ASKED, "Computed at a block",
	 "The upstream computes them once; which block is meant is decided here. Two spellings "
	 "of "
	 "a transaction, of overrides or of a tracer's options are one question."},
	{CLASS(RANGE), COLUMNS_ASKED, "Over a range of blocks",
	 "The upstream searches; the ends of the range are decided here. What it finds is "
	 "checked "
	 "against the filter, and kept when it is of one block by its hash, or when the last "
	 "block "
	 "is final."},
	{CLASS(SLOW), COLUMNS_ASKED, "What changes with the head",
	 "Following: asked for once for each head. Pinned: computed from the pinned block, "
	 "but for the last two, which are asked for once."},
	{CLASS(LOCAL), COLUMNS_LOCAL, "Answered here",
	 "From what forkcache knows; none of these questions is passed on."},
	{CLASS(SEND), COLUMNS_ASKED, "Transactions to the real chain",
	 "Refused, unless forkcache follows the chain with `--allow-send`. Then one upstream "
	 "gets it, once: what may have arrived is not sent again, here or there, and an error "
	 "says whether it may have. An upstream's own error passes unchanged."},
	{CLASS(FORWARD), COLUMNS_ASKED, "What depends on the node",
	 "Forwarded to one upstream as it is. So is every method that is not on this page."},
	{CLASS(REFUSED), COLUMNS_REFUSED, "Refused",
	 "Error -32601, `the method … does not exist/is not available`, and the reason. No "
	 "upstream sees it. A star stands for any letters; a name of its own goes before."},
};
#define SECTIONS (sizeof sections / sizeof sections[0])

static bool is_in(const struct section *section, const struct method *method)
{
	return section->classes >> method->class & 1;
}

/* ---- as a list ---- */

static void list_methods(void)
{
	for (size_t s = 0; s < SECTIONS; s++) {
		printf("%s%s:\n", s > 0 ? "\n" : "", sections[s].title);
		for (size_t i = 0; i < method_count(); i++) {
			const struct method *method = method_at(i);
			if (is_in(&sections[s], method))
				printf("  %-42s  %s\n", method->name, method->summary);
		}
	}
}

/* ---- as a page ---- */

static const char intro[] =
	"<!-- `make docs` writes this page from src/rpc/methods.def. -->\n"
	"# JSON-RPC methods\n"
	"\n"
	"What forkcache does with which method; `forkcache methods` prints the same in short.\n"
	"\n"
	"Pinned (`--fork-block`), one block is the head for ever. Following (without it), the "
	"head is the upstream's; a tag means one block within an HTTP request, and what "
	"`pending` means is never stored. Nothing is stored under a tag: always under "
	"the block's hash, or, of a range, under the numbers of final blocks. Two spellings of "
	"one question are one question, and an "
	"upstream's answer is checked against it before it is stored. A zero, an empty code, "
	"an "
	"account that does not exist are values. Of errors only reverts are stored; of a "
	"development node "
	"(anvil, Hardhat, Ganache), without `--trust-dev-upstream`, nothing is.\n"
	"\n"
	"**Parameters.** `block`: a number, a tag, a hash or an EIP-1898 object. `number`: a "
	"number or a tag. `hash`: 32 bytes, of a block or a transaction. `index`: a QUANTITY. "
	"`slots`: a list of at most 1,024. `flag`: a boolean. `data`: bytes. `any`: any JSON. "
	"`tx`, `call`: a transaction object, `data` and `input` being one, and what is left "
	"out being "
	"what nodes take it for; `state`, `overrides`: state and block overrides; `config`: a "
	"tracer "
	"and its options; other names are the method's own. With `?` it may be left out; `...` "
	"are more of them, passed on as they are.\n"
	"\n"
	"**Stored**, in memory and on disk, until something warmer needs the room:\n"
	"\n"
	"| | |\n"
	"|---|---|\n"
	"| always | unless it is `null` or nothing (`[]`, `0x`) |\n"
	"| fixed | the same, if the question means one block for ever: by hash, or a final one "
	"|\n"
	"| by kind of client | for nodes of the same kind (Geth, Erigon, Reth ...): what gas "
	"an "
	"execution takes, and what a tracer says, differ between them; nothing that a limit of "
	"the "
	"node's has touched |\n"
	"| whole | the same as fixed, if it has one entry for each of the block's "
	"transactions; "
	"none of none, too |\n"
	"| with its block | the section says how long |\n"
	"| final | the same as always, if the block is final |\n"
	"| head | in memory only, under the head's hash |\n"
	"| facts | balance, nonce, code hash, code, storage root, slots: each by itself |\n"
	"| no | asked for each time |\n"
	"\n"
	"**Deadline.** How long a client waits at most, retries included: `--state-deadline` "
	"(9 s), `--call-deadline` (30 s) or `--trace-deadline` (120 s).\n";

static const char *stored(const struct method *method)
{
	switch (method->keep) {
	case KEEP_NOTHING:
		return method->class == METHOD_FACT ? "facts" : "no";
	case KEEP_PLAIN:
	case KEEP_FEES:
		return method->class == METHOD_BLOCK ? "fixed" : "final";
	case KEEP_BLOCK:
	case KEEP_OF_BLOCK:
	case KEEP_TX_AT:
	case KEEP_RAW_TX:
	case KEEP_RAW_HEADER:
	case KEEP_RAW_BLOCK:
		return "always";
	case KEEP_PER_TX:
	case KEEP_RECEIPTS:
		return "whole";
	case KEEP_TX:
		return "with its block";
	case KEEP_ACCOUNT:
	case KEEP_PROOF:
		return "always, and its facts";
	case KEEP_CALL:
		return "fixed; a revert, too";
	case KEEP_GAS:
	case KEEP_RUN:
	case KEEP_TRACER:
		return "fixed, by kind of client; a revert, too";
	case KEEP_LOGS:
	case KEEP_TRACES:
		return "fixed, empty or not";
	case KEEP_SLOW:
		return "head";
	case KEEP_HEAD:
	case KEEP_SENT:
		return "no";
	}
	return "no";
}

static const char *deadline(enum fork_class class)
{
	switch (class) {
	case FORK_CLASS_STATE:
		return "state";
	case FORK_CLASS_CALL:
		return "call";
	case FORK_CLASS_TRACE:
		return "trace";
	case FORK_CLASSES:
		break;
	}
	return "";
}

static void print_row(enum columns columns, const struct method *method)
{
	const bool has_params = *method->params != '\0';
	const char *quote = has_params ? "`" : "";

	printf("| `%s` | ", method->name);
	if (columns == COLUMNS_ASKED)
		printf("%s%s%s | %s | %s | ", quote, method->params, quote, stored(method),
		       deadline(method->wait));
	printf("%s |\n", method->summary);
}

static void print_section(const struct section *section)
{
	static const char *const heads[] = {
		[COLUMNS_ASKED] = ("| method | parameters | stored | deadline | |\n"
				   "|---|---|---|---|---|\n"),
		[COLUMNS_LOCAL] = "| method | answer |\n|---|---|\n",
		[COLUMNS_REFUSED] = "| method | reason |\n|---|---|\n",
	};

	printf("\n## %s\n\n%s\n\n%s", section->title, section->rule, heads[section->columns]);
	for (size_t i = 0; i < method_count(); i++) {
		const struct method *method = method_at(i);
		if (method != method_unknown() && is_in(section, method))
			print_row(section->columns, method);
	}
}

static void print_page(void)
{
	fputs(intro, stdout);
	for (size_t s = 0; s < SECTIONS; s++)
		print_section(&sections[s]);
}

int cmd_methods(int argc, char **argv)
{
	bool page = argc == 1 && strcmp(argv[0], "--markdown") == 0;

	if (argc > 0 && !page) {
		fputs("forkcache: methods takes --markdown, or nothing\n", stderr);
		return 2;
	}
	method_table_init();
	if (page)
		print_page();
	else
		list_methods();
	return 0;
}
