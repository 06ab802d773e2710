/* SPDX-License-Identifier: MIT */
#include "api/err.h"
#include "base/version.h"
#include <errno.h>

static const struct {
	enum fc_err err;
	const char *text;
} texts[] = {
	{FC_OK, "no error"},
	{FC_MISS, "nothing is known here yet"},
	{FC_PENDING, "it has to be fetched first"},
	{FC_ERR_ACCOUNT_NOT_FOUND, "there is no such account"},
	{FC_ERR_STORAGE_NOT_FOUND, "this slot is not known"},
	{FC_ERR_CODE_NOT_FOUND, "this code is not known"},
	{FC_ERR_SNAPSHOT_NOT_FOUND, "there is no such snapshot"},
	{FC_ERR_INVALID_ADDRESS, "not an address"},
	{FC_ERR_INVALID_ARGUMENT, "an argument is wrong"},
	{FC_ERR_INVALID_CONFIG, "the configuration is wrong"},
	{FC_ERR_PERMISSION, "permission denied"},
	{FC_ERR_UNSUPPORTED, "this database cannot do it"},
	{FC_ERR_CORRUPTED, "a checksum, a hash or a proof does not fit"},
	{FC_ERR_SERIALIZATION, "it could not be written"},
	{FC_ERR_DESERIALIZATION, "the text could not be read"},
	{FC_ERR_IO, "a file or socket of this machine failed"},
	{FC_ERR_NETWORK, "the connection to the remote broke"},
	{FC_ERR_CONNECTION_FAILED, "the remote could not be connected to"},
	{FC_ERR_TIMEOUT, "no answer in time"},
	{FC_ERR_QUERY_FAILED, "the remote answered with an error"},
	{FC_ERR_RATE_LIMITED, "the remote asks for fewer requests"},
	{FC_ERR_OFFLINE_MISS, "not cached, and no remote may be asked"},
	{FC_ERR_NO_MEMORY, "out of memory"},
	{FC_ERR_EXHAUSTED, "a bound is reached"},
	{FC_ERR_CANCELLED, "cancelled"},
	{FC_ERR_TRANSACTION_FAILED, "the transaction could not be committed"},
	{FC_ERR_INVALID_TRANSACTION, "no such transaction, or not allowed inside of it"},
	{FC_ERR_CONFLICT, "another was committed first"},
	{FC_ERR_DEADLOCK, "two transactions wait for each other"},
};

const char *fc_strerror(enum fc_err err)
{
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].err == err)
			return texts[i].text;
	return "unknown error";
}

const char *fc_version(void)
{
	return FORKCACHE_VERSION;
}

enum fc_err fc_err_from(enum err err)
{
	static const enum fc_err table[] = {
		[OK] = FC_OK,
		[ERR_NOMEM] = FC_ERR_NO_MEMORY,
		[ERR_INVALID] = FC_ERR_INVALID_ARGUMENT,
		[ERR_CONFIG] = FC_ERR_INVALID_CONFIG,
		[ERR_IO] = FC_ERR_IO,
		[ERR_CORRUPT] = FC_ERR_CORRUPTED,
		[ERR_NETWORK] = FC_ERR_NETWORK,
		[ERR_TIMEOUT] = FC_ERR_TIMEOUT,
		[ERR_RATE_LIMITED] = FC_ERR_RATE_LIMITED,
		[ERR_BAD_ANSWER] = FC_ERR_QUERY_FAILED,
		[ERR_UPSTREAM] = FC_ERR_QUERY_FAILED,
		[ERR_NOT_FOUND] = FC_ERR_ACCOUNT_NOT_FOUND,
		[ERR_OFFLINE] = FC_ERR_OFFLINE_MISS,
		[ERR_LIMIT] = FC_ERR_EXHAUSTED,
		[ERR_UNSUPPORTED] = FC_ERR_UNSUPPORTED,
		[ERR_CANCELLED] = FC_ERR_CANCELLED,
		[ERR_CONFLICT] = FC_ERR_CONFLICT,
	};
	return table[err];
}

/* What the fork says (multi_transfer.c) when a request cannot have been sent at all. */
static const char *const unconnected[] = {
	"name not found",      "connect failed",
	"connect timed out",   "TLS:",
	"connection refused",  "network is unreachable",
	"host is unreachable", "no local address or port is free",
	"too many open files",
};

static bool says(const char *detail, const char *words)
{
	return strstr(detail, words) != NULL;
}

enum fc_err fc_err_explain(enum err err, const char *detail)
{
	/* The fork names hosts first, which may be called anything. */
	const char *last = detail ? strstr(detail, "last: ") : NULL;
	const char *why = last ? last : detail ? detail : "";
	if (err == ERR_BAD_ANSWER && (says(why, "HTTP 401") || says(why, "HTTP 403")))
		return FC_ERR_PERMISSION;
	if ((err == ERR_IO || err == ERR_CONFIG) && says(why, strerror(EACCES)))
		return FC_ERR_PERMISSION;
	if (err == ERR_NETWORK)
		for (size_t i = 0; i < sizeof unconnected / sizeof *unconnected; i++)
			if (says(why, unconnected[i]))
				return FC_ERR_CONNECTION_FAILED;
	return fc_err_from(err);
}
