/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "fake_fork.h"
#include "rpc/begin.h"
#include "rpc/forms.h"
#include "rpc/method.h"

static int setup(void **state)
{
	(void)state;
	method_table_init();
	method_table_init(); /* once is enough, twice is the same */
	return 0;
}

static bool has_star(const struct method *m)
{
	return strchr(m->name, '*') != NULL;
}

static void every_row_is_found_under_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < method_count(); i++) {
		const struct method *m = method_at(i);
		assert_int_equal(method_index(m), i);
		assert_true(strlen(m->summary) > 0);
		if (m != method_unknown() && !has_star(m))
			assert_ptr_equal(method_find(span_of(m->name)), m);
	}
	assert_ptr_equal(method_at(method_count() - 1), method_unknown());
}

static void rows_agree_with_themselves(void **state)
{
	(void)state;
	for (size_t i = 0; i < method_count(); i++) {
		const struct method *m = method_at(i);
		bool refused = m->class == METHOD_REFUSED;
		assert_true((m->begin == NULL) == refused);
		assert_true(!has_star(m) || refused);
		if (m->class == METHOD_SEND)
			assert_true(m->keep == KEEP_SENT && m->wait != FORK_CLASS_STATE &&
				    m->kinds[0] == PARAM_DATA && m->required_n > 0);
		if (m->class == METHOD_SLOW)
			assert_true(m->keep == KEEP_SLOW && m->params_n == 0);
		if (m->class == METHOD_FORWARD)
			assert_true(m->keep == KEEP_NOTHING && m->rest);
		assert_in_range(m->required_n, 0, m->params_n);
		assert_true(m->wait < FORK_CLASSES);
		if (m->block_at >= 0)
			assert_true(m->kinds[m->block_at] == PARAM_BLOCK ||
				    m->kinds[m->block_at] == PARAM_NUMBER ||
				    m->kinds[m->block_at] == PARAM_CONTEXT);
		/* Who begins the call makes the forms, which the key and the question are of.
		 */
		for (unsigned k = 0; k < m->params_n; k++)
			assert_true(form_of(m->kinds[k]) == NULL || m->begin == begin_exec);
		if (m->class == METHOD_BLOCK) {
			/* begin_block and the key rely on the block being the first. */
			assert_true(m->kinds[0] == PARAM_HASH || m->block_at == 0);
			assert_true(m->keep != KEEP_NOTHING);
		}
		/* keep_run.c looks at who answered. */
		if (m->flags & BY_CLIENT)
			assert_true(m->keep == KEEP_GAS || m->keep == KEEP_RUN ||
				    m->keep == KEEP_TRACER);
		if (m->class == METHOD_FACT)
			assert_int_equal(m->keep, KEEP_NOTHING);
		if (m->class == METHOD_TX || m->class == METHOD_TX_OF)
			assert_int_equal(m->kinds[0], PARAM_HASH);
	}
}

/* By number and by hash it is one question: but for the first, the parameters are the same,
 * and so are the answers. */
static void twins_are_alike(void **state)
{
	unsigned twins = 0;

	(void)state;
	for (size_t i = 0; i < method_count(); i++) {
		const struct method *m = method_at(i);
		if (m->by_hash == NULL)
			continue;
		const struct method *twin = method_find(span_of(m->by_hash));
		assert_non_null(twin);
		assert_int_equal(m->kinds[0], PARAM_NUMBER);
		assert_int_equal(twin->kinds[0], PARAM_HASH);
		assert_int_equal(m->params_n, twin->params_n);
		assert_int_equal(m->required_n, twin->required_n);
		for (unsigned k = 1; k < m->params_n; k++)
			assert_int_equal(m->kinds[k], twin->kinds[k]);
		assert_int_equal(m->keep, twin->keep);
		assert_int_equal(m->wait, twin->wait);
		twins++;
	}
	assert_true(twins >= 8);
}

static void parameters_are_compiled(void **state)
{
	const struct method *m = method_find(SPAN("eth_getStorageAt"));

	(void)state;
	assert_int_equal(m->params_n, 3);
	assert_int_equal(m->required_n, 2);
	assert_int_equal(m->kinds[0], PARAM_ADDRESS);
	assert_int_equal(m->kinds[1], PARAM_SLOT);
	assert_int_equal(m->kinds[2], PARAM_BLOCK);
	assert_int_equal(m->block_at, 2);
	assert_false(m->rest);
	m = method_find(SPAN("eth_call"));
	assert_int_equal(m->params_n, 4);
	assert_int_equal(m->required_n, 1);
	assert_int_equal(m->block_at, 1);
	assert_true(m->rest);
	assert_int_equal(method_find(SPAN("trace_call"))->block_at, 2);
	assert_int_equal(method_find(SPAN("eth_callMany"))->block_at, 1);
	m = method_find(SPAN("eth_chainId"));
	assert_int_equal(m->params_n, 0);
	assert_int_equal(m->block_at, -1);
	assert_false(m->rest);
	m = method_unknown();
	assert_true(m->rest);
	assert_ptr_equal(m->begin, begin_forward);
}

static void is_refused(const char *name)
{
	const struct method *m = method_find(span_of(name));

	if (m == NULL || m->class != METHOD_REFUSED)
		print_error("%s is not refused\n", name);
	assert_true(m != NULL && m->class == METHOD_REFUSED);
}

/* Writes, stateful, development, administration. */
static void what_is_dangerous_is_refused(void **state)
{
	static const char *const names[] = {
		"eth_sendTransaction",
		"eth_sendRawTransactionX",
		"eth_sendPrivateTransaction",
		"eth_sendBundle",
		"mev_sendBundle",
		"zks_sendRawTransactionWithDetailedOutput",
		"wallet_sendCalls",
		"eth_sign",
		"eth_signTransaction",
		"eth_signTypedData_v4",
		"account_signTransaction",
		"personal_unlockAccount",
		"eth_newFilter",
		"eth_newBlockFilter",
		"eth_newPendingTransactionFilter",
		"eth_getFilterChanges",
		"eth_getFilterLogs",
		"eth_uninstallFilter",
		"eth_subscribe",
		"eth_unsubscribe",
		"txpool_subscribe",
		"evm_mine",
		"anvil_nodeInfo",
		"anvil_setRpcUrl",
		"hardhat_reset",
		"tenderly_setBalance",
		"admin_peers",
		"miner_start",
		"engine_newPayloadV4",
		"parity_setMode",
		"debug_setHead",
		"debug_setGCPercent",
		"debug_chaindbProperty",
		"debug_chaindbCompact",
		"debug_standardTraceBlockToFile",
		"debug_standardTraceBadBlockToFile",
		"debug_traceBlockFromFile",
		"debug_freeOSMemory",
		"debug_writeMemProfile",
		"debug_startCPUProfile",
		"debug_stopGoTrace",
		"debug_dbGet",
		"debug_dbAncients",
		"testing_buildBlockV1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		is_refused(names[i]);
}

static void what_only_looks_so_is_not(void **state)
{
	static const char *const names[] = {"eth_resendX",
					    "evmmine",
					    "debug_traceBlock",
					    "debug_preimage",
					    "sendRawTransaction",
					    "debug_Filexx",
					    "txpool_foo",
					    "anvil",
					    "eth_getFilterChangesX",
					    "",
					    "*",
					    "foo_bar"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_null(method_find(span_of(names[i])));
	/* A row of its own goes before a pattern; the longest pattern goes before others. */
	assert_int_equal(method_find(SPAN("debug_traceBlockByHash"))->class, METHOD_BLOCK);
	assert_string_equal(method_find(SPAN("debug_standardTraceBlockToFile"))->name,
			    "debug_standardTrace*");
	assert_string_equal(method_find(SPAN("personal_sendTransaction"))->name, "personal_*");
}

static void kinds_of_answers(void **state)
{
	static const struct {
		const char *name;
		enum keep_kind keep;
		bool null_ok;
	} rows[] = {
		{"eth_getBlockByNumber", KEEP_BLOCK, false},
		{"eth_getBlockByHash", KEEP_BLOCK, true},
		{"eth_getHeaderByNumber", KEEP_BLOCK, false},
		{"eth_getTransactionByBlockHashAndIndex", KEEP_TX_AT, true},
		{"eth_getBlockReceipts", KEEP_RECEIPTS, false},
		{"debug_getRawReceipts", KEEP_PER_TX, false},
		{"debug_getRawHeader", KEEP_RAW_HEADER, false},
		{"debug_getRawBlock", KEEP_RAW_BLOCK, false},
		{"debug_traceBlockByNumber", KEEP_PER_TX, false},
		{"trace_block", KEEP_OF_BLOCK, false},
		{"eth_getTransactionReceipt", KEEP_TX, true},
		{"eth_getRawTransactionByHash", KEEP_RAW_TX, true},
		{"debug_traceTransaction", KEEP_PLAIN, false},
		{"eth_getProof", KEEP_PROOF, false},
		{"eth_getAccount", KEEP_ACCOUNT, true},
		{"eth_feeHistory", KEEP_FEES, false},
		{"eth_call", KEEP_CALL, false},
		{"eth_estimateGas", KEEP_GAS, false},
		{"debug_traceCall", KEEP_TRACER, false},
		{"eth_getLogs", KEEP_LOGS, false},
		{"trace_filter", KEEP_TRACES, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct method *m = method_find(span_of(rows[i].name));
		assert_non_null(m);
		assert_int_equal(m->keep, rows[i].keep);
		assert_int_equal((m->flags & NULL_OK) != 0, rows[i].null_ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_under_its_name),
		cmocka_unit_test(rows_agree_with_themselves),
		cmocka_unit_test(twins_are_alike),
		cmocka_unit_test(parameters_are_compiled),
		cmocka_unit_test(what_is_dangerous_is_refused),
		cmocka_unit_test(what_only_looks_so_is_not),
		cmocka_unit_test(kinds_of_answers),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
