/* SPDX-License-Identifier: MIT */
#pragma once
/* The functions that rows of methods.def name; each begins a call of its methods. */
#include "rpc/method.h"

/* facts.c */
method_begin_fn begin_balance, begin_nonce, begin_code, begin_slot, begin_slots,
	begin_account_info;
/* reply.c */
method_begin_fn begin_block, begin_at, begin_forward;
/* Of any method that names the pending block of a chain that is followed. */
method_begin_fn begin_pending;
/* compose.c, receipts.c */
method_begin_fn begin_header, begin_tx_count, begin_uncle_count, begin_tx_at, begin_account,
	begin_receipts;
/* slow.c, send.c */
method_begin_fn begin_slow, begin_send;
/* exec.c */
method_begin_fn begin_exec;
/* tx.c, range.c */
method_begin_fn begin_tx, begin_tx_of, begin_logs, begin_traces;
/* local.c */
method_begin_fn begin_chain_id, begin_net_version, begin_block_number, begin_gas_price,
	begin_priority_fee, begin_base_fee, begin_blob_base_fee, begin_client_version,
	begin_syncing, begin_sha3, begin_true, begin_false, begin_zero, begin_empty_list,
	begin_coinbase, begin_protocol_version, begin_modules;
