/* SPDX-License-Identifier: MIT */
#pragma once
/* Operations that are a list of needs: OP_NEEDS. Each function adds to one that has not been
 * started; on an error, which is in the handle's detail, the operation is to be released. */
#include "api/api_impl.h"

bool access_is_valid(const struct fc_access *list, size_t n);
/* What reads of the list would miss. */
enum fc_err op_want_list(struct fc_op *op, const struct fc_access *list, size_t n);
/* What reads of this handle have missed; the list of it is empty afterwards. */
enum fc_err op_want_noted(struct fc_op *op);
/* What is in the handle's scratch, which is empty afterwards. */
enum fc_err op_want_scratch(struct fc_op *op);
