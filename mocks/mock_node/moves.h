/* SPDX-License-Identifier: MIT */
#pragma once
/* What happens to the chain: the members "advance" and "reorg" of a control object (control.h)
 * or of a fault (script.h). The reorganisation comes first. */
#include "base/err.h"
#include <jansson.h>

struct node;

/* ERR_LIMIT, ERR_NOMEM: the chain is shorter than it was to be. */
enum err moves_apply(struct node *node, const json_t *control) WARN_UNUSED;
