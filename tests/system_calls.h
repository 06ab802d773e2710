/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The system calls by which LMDB writes, as functions of the test: a program's own go first
 * where a shared library calls one, if the program shows them. The including file says what
 * becomes of a call.
 */
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* True: the call is not made, and returns *result with errno set. */
static bool intercepted(ssize_t *result);

#define SHOWN __attribute__((visibility("default")))
SHOWN ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at);
SHOWN ssize_t writev(int fd, const struct iovec *parts, int n);
SHOWN int fdatasync(int fd);

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	ssize_t result;
	return intercepted(&result) ? result : syscall(SYS_pwrite64, fd, bytes, n, at);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	ssize_t result;
	return intercepted(&result) ? result : syscall(SYS_writev, fd, parts, n);
}

int fdatasync(int fd)
{
	ssize_t result;
	return intercepted(&result) ? -1 : (int)syscall(SYS_fdatasync, fd);
}
