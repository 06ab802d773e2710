/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * eth_call of the contracts that world.h defines: their few lines of code are known, so what
 * they would return is computed without an EVM. A call of anything else, or one with state
 * overrides, is answered with an error that says so; an account without code returns 0x.
 */
#include "mock_node/state.h"

method_fn call_eth_call;
