/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Threads of our own. Signals belong to the program: none is delivered to these. A write to a
 * connection that the peer has closed (TLS: OpenSSL knows no MSG_NOSIGNAL, and curl lets
 * signals alone) is then an error here, whatever the program does with SIGPIPE.
 */
#include "base/err.h"
#include <pthread.h>

/* ERR_NOMEM. Join it. */
enum err thread_start(pthread_t *thread, void *(*run)(void *cookie), void *cookie) WARN_UNUSED;
