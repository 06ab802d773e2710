/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What becomes of a request's questions once its reply is there: each is answered, asked
 * again in another form, or given to the retry rules; and what the reply says about the
 * upstream, its health and its abilities, is noted first, so that whoever is asked again is
 * asked with it in mind.
 *
 * settle_reply and settle_retry consume all flights of the request, and leave the request to
 * its owner.
 */
#include "fork/post.h"

/* Reads the reply. */
void settle_reply(struct post *post, const struct client_reply *reply);
/* Whether a read of the block shows the one that was asked about; else *failure, which says how
 * the read went, says what it shows. */
bool settle_guard(const struct post *post, struct span block, struct failure *failure);
/* Nothing of it is believed. */
void settle_retry(struct post *post, const struct failure *failure);
