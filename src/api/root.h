/* SPDX-License-Identifier: MIT */
#pragma once
/* State roots, computed storage roots and proofs, as steps of an operation (layers/root.h). */
#include "api/api_impl.h"

/* HIT: op->root; PENDING: what it lacks has been wanted; FAILED: fault. */
enum lookup op_step_root(struct fc_op *op, struct fault *fault);
/* Keeps publications away from what a step reads, if one of its reads wants a root: a value and
 * its proof are of one moment. NULL: nothing to unpin. */
struct layer_view *op_pin(struct fc_op *op);
/* The reads that want a root have it, and their proofs, or have failed; what an earlier step
 * found and has not been used is found again. false: it is waited for. */
bool op_step_proofs(struct fc_op *op);
/* What has been found of a root so far is not used: the next step begins anew. */
void op_forget_root(struct fc_op *op);
/* All fields of the account of a read that was asked for, as its leaf has them. */
void op_rooted_account(const struct fc_op *op, size_t i, struct fc_account *out);
/* After HIT; give up with fc_proof_put. */
enum err proof_new(struct root_job *job, size_t ask, struct fc_proof **out) WARN_UNUSED;
