/* SPDX-License-Identifier: MIT */
#include "rpc/http_status.h"
#include "base/check.h"
#include <stdio.h>

#define USUAL_DATE   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: "
#define USUAL_LENGTH "\r\nContent-Length: "
#define USUAL_END    "\r\n\r\n"
enum {
	DATE_AT = sizeof USUAL_DATE - 1,
	LENGTH_AT = DATE_AT + HTTP_DATE_LEN + sizeof USUAL_LENGTH - 1,
	END_LEN = sizeof USUAL_END - 1,
	LENGTH_DIGITS = HTTP_REPLY_HEAD_ROOM - LENGTH_AT - END_LEN,
};
/* Eight digits hold every length below 100 MB; a longer reply gets an ordinary head. */
_Static_assert(LENGTH_DIGITS == 8, "HTTP_REPLY_HEAD_ROOM does not fit its head");

/* Clients that obey Retry-After take it as seconds; ethers takes it as milliseconds, and so
 * only loses the pause. */
static const struct status {
	unsigned code;
	const char *reason;
	const char *header; /* that always comes with it */
	bool retry_after;
} statuses[] = {
	{200, "OK", "", false},
	{400, "Bad Request", "", false},
	{401, "Unauthorized", "WWW-Authenticate: Bearer\r\n", false},
	{403, "Forbidden", "", false},
	{404, "Not Found", "", false},
	{405, "Method Not Allowed", "", false},
	{408, "Request Timeout", "", false},
	{413, "Content Too Large", "", false},
	{415, "Unsupported Media Type", "", false},
	{429, "Too Many Requests", "", true},
	{431, "Request Header Fields Too Large", "", false},
	{500, "Internal Server Error", "", false},
	{503, "Service Unavailable", "", true},
};

static const struct status *find(unsigned code)
{
	static const struct status unknown = {0, "Status", "", false};

	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		if (statuses[i].code == code)
			return &statuses[i];
	}
	return &unknown;
}

bool http_reply_head_usual(const struct http_reply_head *head, char out[HTTP_REPLY_HEAD_ROOM])
{
	uint64_t length = head->length;
	char *digit = out + LENGTH_AT + LENGTH_DIGITS;

	if (head->status != 200 || head->extra || head->cors || head->close ||
	    head->keep_alive || head->gzip || length > 99999999 ||
	    strcmp(head->content_type, "application/json") != 0)
		return false;
	memcpy(out, USUAL_DATE, DATE_AT);
	memcpy(out + DATE_AT, head->date, HTTP_DATE_LEN);
	memcpy(out + DATE_AT + HTTP_DATE_LEN, USUAL_LENGTH, sizeof USUAL_LENGTH - 1);
	memset(out + LENGTH_AT, ' ', LENGTH_DIGITS);
	memcpy(out + LENGTH_AT + LENGTH_DIGITS, USUAL_END, END_LEN);
	do {
		*--digit = (char)('0' + length % 10);
		length /= 10;
	} while (length != 0);
	return true;
}

size_t http_reply_head_write(const struct http_reply_head *head, char out[HTTP_REPLY_HEAD_MAX])
{
	const struct status *status = find(head->status);
	const char *connection = "";
	const char *extra = head->extra ? head->extra : "",
		   *cors = head->cors ? head->cors : "";
	char retry_after[sizeof "Retry-After: 4294967295\r\n"] = "";

	REQUIRE(strlen(head->content_type) <= HTTP_CONTENT_TYPE_MAX);
	REQUIRE(strlen(extra) + strlen(cors) <= HTTP_EXTRA_MAX);
	if (status->retry_after)
		snprintf(retry_after, sizeof retry_after, "Retry-After: %u\r\n",
			 head->retry_after ? head->retry_after : 1);
	if (head->close)
		connection = "Connection: close\r\n";
	else if (head->keep_alive)
		connection = "Connection: keep-alive\r\n";
	const int n =
		snprintf(out, HTTP_REPLY_HEAD_MAX,
			 "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nDate: %s\r\n"
			 "Content-Length: %llu\r\n%s%s%s%s%s%s\r\n",
			 head->status, status->reason, head->content_type, head->date,
			 (unsigned long long)head->length, status->header, retry_after, extra,
			 cors, head->gzip ? "Content-Encoding: gzip\r\n" : "", connection);
	REQUIRE(n > 0 && n < HTTP_REPLY_HEAD_MAX);
	return (size_t)n;
}
