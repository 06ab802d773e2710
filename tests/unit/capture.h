/* SPDX-License-Identifier: MIT */
#pragma once
/* Catches what is written to stderr between capture_start and capture_end. */
#include "unit.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture {
	int file, saved;
	char text[128 * 1024];
	size_t len;
};

static inline void capture_start(struct capture *capture)
{
	capture->file = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(capture->file >= 0);
	/* Without it, writes of several threads to a memfd may land on one another. */
	assert_int_equal(fcntl(capture->file, F_SETFL, O_APPEND), 0);
	capture->saved = dup(STDERR_FILENO);
	assert_true(dup2(capture->file, STDERR_FILENO) >= 0);
}

/* The text is NUL-terminated. */
static inline void capture_end(struct capture *capture)
{
	assert_true(dup2(capture->saved, STDERR_FILENO) >= 0);
	close(capture->saved);
	ssize_t n = pread(capture->file, capture->text, sizeof capture->text - 1, 0);
	close(capture->file);
	assert_true(n >= 0);
	capture->len = (size_t)n;
	capture->text[n] = '\0';
}
