/* SPDX-License-Identifier: MIT */
#include "base/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

enum { FILE_LINE_MAX = 64 * 1024, CACHE_LINE = 64 };

struct secret {
	size_t len;
	size_t mask;  /* a power of two above len, less one */
	char bytes[]; /* len bytes, and NULs up to that power */
};

struct secret *secret_new(struct span bytes)
{
	size_t room = CACHE_LINE;

	if (bytes.len > SIZE_MAX / 4)
		return NULL;
	while (room <= bytes.len)
		room *= 2;
	struct secret *secret = calloc(1, sizeof *secret + room);
	if (!secret)
		return NULL;
	secret->len = bytes.len;
	secret->mask = room - 1;
	if (bytes.len > 0)
		memcpy(secret->bytes, bytes.ptr, bytes.len);
	return secret;
}

void secret_free(struct secret **secret)
{
	struct secret *s = *secret;
	*secret = NULL;
	if (!s)
		return;
	explicit_bzero(s, sizeof *s + s->mask + 1);
	free(s);
}

const char *secret_reveal(const struct secret *secret)
{
	return secret->bytes;
}

size_t secret_length(const struct secret *secret)
{
	return secret->len;
}

bool secret_equal(const struct secret *secret, struct span candidate)
{
	/* The time depends on the candidate's length, which its sender knows anyway; nothing in
	 * the loop depends on the secret's. volatile keeps the compiler from leaving early. */
	volatile unsigned char differ = secret->len != candidate.len;
	for (size_t i = 0; i < candidate.len; i++) {
		const unsigned char known = (unsigned char)secret->bytes[i & secret->mask];
		differ |= (unsigned char)(known ^ (unsigned char)candidate.ptr[i]);
	}
	return differ == 0;
}

/* Reads until a line end, the end of the file, or a full buffer. */
static enum err read_line(int fd, char *bytes, size_t capacity, size_t *len)
{
	*len = 0;
	while (*len < capacity && !memchr(bytes, '\n', *len)) {
		ssize_t n = read(fd, bytes + *len, capacity - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	char *end = memchr(bytes, '\n', *len);
	if (end)
		*len = (size_t)(end - bytes);
	if (end && *len > 0 && bytes[*len - 1] == '\r')
		--*len;
	return OK;
}

static enum err read_secret(int fd, const char *path, char *bytes, size_t capacity,
			    struct secret **out, struct err_detail *detail)
{
	size_t len;
	if (read_line(fd, bytes, capacity, &len) != OK)
		return err_set(detail, ERR_IO, "%s: %s", path, strerror(errno));
	if (len == 0)
		return err_set(detail, ERR_INVALID, "%s: the first line is empty", path);
	if (len > FILE_LINE_MAX)
		return err_set(detail, ERR_INVALID, "%s: the first line is above %d bytes",
			       path, FILE_LINE_MAX);
	if (memchr(bytes, '\0', len))
		return err_set(detail, ERR_INVALID, "%s: the first line holds a NUL", path);
	*out = secret_new((struct span){bytes, len});
	return *out ? OK : err_set(detail, ERR_NOMEM, "%s: out of memory", path);
}

enum err secret_read_file(const char *path, struct secret **out, struct err_detail *detail)
{
	const size_t capacity = FILE_LINE_MAX + 2; /* a line of the largest size, and \r\n */
	*out = NULL;
	char *bytes = malloc(capacity);
	if (!bytes)
		return err_set(detail, ERR_NOMEM, "%s: out of memory", path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err err = ERR_IO;
	if (fd < 0) {
		err_set(detail, err, "%s: %s", path, strerror(errno));
	} else {
		err = read_secret(fd, path, bytes, capacity, out, detail);
		close(fd);
	}
	explicit_bzero(bytes, capacity);
	free(bytes);
	return err;
}
