/* SPDX-License-Identifier: MIT */
#pragma once
/* Gas prices, from the headers: the tip is always 1 gwei, a blob always costs 1 wei. */
#include "mock_node/state.h"

method_fn fees_gas_price, fees_priority, fees_blob_base, fees_history;
