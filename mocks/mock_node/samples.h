/* SPDX-License-Identifier: MIT */
#pragma once
/* A few things of the chain that exist, to ask for in tests and in examples. */
#include "mock_node/node.h"
#include "base/buf.h"

/* Appends a JSON object. */
void samples_json(struct buf *out, const struct node *node);
