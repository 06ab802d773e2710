/* SPDX-License-Identifier: MIT */
#include "base/thread.h"
#include <signal.h>

enum err thread_start(pthread_t *thread, void *(*run)(void *cookie), void *cookie)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int rc = pthread_create(thread, NULL, run, cookie);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0 ? OK : ERR_NOMEM;
}
