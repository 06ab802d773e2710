/* SPDX-License-Identifier: MIT */
#pragma once
/* From the causes of the layers to those of the public header: one table. */
#include "base/err.h"
#include "forkcache.h"

/*
 * What a cause means to a caller of the library. Some causes of the layers are several of the
 * header's: the detail tells them apart (never connected; HTTP 401 or 403; refused by this
 * machine's file system). Details of the fork hold no text of the remote's, so that nobody
 * there can choose. detail NULL or "": unknown.
 */
enum fc_err fc_err_explain(enum err err, const char *detail);
/* Without a detail. */
enum fc_err fc_err_from(enum err err);
