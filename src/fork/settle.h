/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What becomes of a request's questions once its reply is there: each is answered, asked
 * again in another form, or given to the retry rules; and what the reply says about the
 * upstream, its health and its abilities, is noted first, so that whoever is asked again is
 * asked with it in mind.
 *
 * Both functions consume all flights of the request, and leave the request to its owner.
 */
#include "fork/request.h"

/* Reads the reply. */
void settle_reply(struct request *request, const struct client_reply *reply);
/* Nothing of it is believed. */
void settle_retry(struct request *request, const struct failure *failure);
