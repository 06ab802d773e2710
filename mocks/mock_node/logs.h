/* SPDX-License-Identifier: MIT */
#pragma once
/* eth_getLogs: a block hash or a range, addresses, topics with alternatives. */
#include "mock_node/state.h"

method_fn logs_get;
