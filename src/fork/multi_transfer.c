/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/version.h"
#include "fork/multi_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define IDLE_HANDLES 16		/* of one peer that are kept */
#define IDLE_AGE_S   100L	/* below the 120 s after which many balancers forget a flow */
#define LIFETIME_S   300L	/* as the longest TTL: a name that has moved is followed */
#define KEPT_BUFFER  (1u << 20) /* a larger one is given back after its reply */
#define READ_BUFFER  65536L
#define HEADER_MAX   8192

/* --- errors ------------------------------------------------------------------------- */

struct cause {
	int code;
	enum err err;
	const char *text;
};

static const struct cause curl_causes[] = {
	{CURLE_OUT_OF_MEMORY, ERR_NOMEM, "out of memory"},
	{CURLE_COULDNT_RESOLVE_HOST, ERR_NETWORK, "name not found"},
	{CURLE_COULDNT_CONNECT, ERR_NETWORK, "connect failed"},
	{CURLE_OPERATION_TIMEDOUT, ERR_NETWORK, "connect timed out"},
	{CURLE_SSL_CONNECT_ERROR, ERR_NETWORK, "TLS: handshake failed"},
	{CURLE_PEER_FAILED_VERIFICATION, ERR_NETWORK, "TLS: certificate is not trusted"},
	{CURLE_SSL_CACERT_BADFILE, ERR_NETWORK, "TLS: the CA file cannot be read"},
	{CURLE_GOT_NOTHING, ERR_NETWORK, "connection closed without an answer"},
	{CURLE_RECV_ERROR, ERR_NETWORK, "connection lost while receiving"},
	{CURLE_SEND_ERROR, ERR_NETWORK, "connection lost while sending"},
	{CURLE_PARTIAL_FILE, ERR_NETWORK, "reply was cut short"},
	{CURLE_BAD_CONTENT_ENCODING, ERR_NETWORK, "reply is badly encoded"},
	{CURLE_WEIRD_SERVER_REPLY, ERR_NETWORK, "reply is not HTTP"},
	{CURLE_UNSUPPORTED_PROTOCOL, ERR_NETWORK, "reply is not HTTP"},
	{CURLE_HTTP2, ERR_NETWORK, "HTTP/2 connection failed"},
	{CURLE_HTTP2_STREAM, ERR_NETWORK, "HTTP/2 stream was reset"},
};

static const struct cause connect_causes[] = {
	{ECONNREFUSED, ERR_NETWORK, "connection refused"},
	{ENETUNREACH, ERR_NETWORK, "network is unreachable"},
	{EHOSTUNREACH, ERR_NETWORK, "host is unreachable"},
	{ETIMEDOUT, ERR_NETWORK, "connect timed out"},
	{EADDRNOTAVAIL, ERR_NETWORK, "no local address or port is free"},
	{EMFILE, ERR_NETWORK, "too many open files"},
};

/* X509_V_ERR_* of openssl/x509_vfy.h; they are part of its ABI. 1 (unspecified) is what
 * libcurl leaves there when the chain is good and the name is not. */
static const struct cause verify_causes[] = {
	{1, ERR_NETWORK, "TLS: certificate is for another host"},
	{9, ERR_NETWORK, "TLS: certificate is not valid yet"},
	{10, ERR_NETWORK, "TLS: certificate has expired"},
};

static const struct cause *cause_of(long code, const struct cause *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].code == code)
			return &table[i];
	return NULL;
}
#define CAUSE_OF(code, table) cause_of((code), (table), sizeof(table) / sizeof(table)[0])

/* Texts are ours or curl_easy_strerror's: libcurl's error buffer can repeat the URL. */
static enum err err_from_curl(CURLcode code, CURL *easy, const char **detail)
{
	const struct cause *cause = NULL;
	long number = 0;
	if (code == CURLE_OK) {
		*detail = "";
		return OK;
	}
	if (code == CURLE_COULDNT_CONNECT &&
	    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK)
		cause = CAUSE_OF(number, connect_causes);
	else if (code == CURLE_PEER_FAILED_VERIFICATION &&
		 curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &number) == CURLE_OK)
		cause = CAUSE_OF(number, verify_causes);
	if (cause == NULL)
		cause = CAUSE_OF(code, curl_causes);
	*detail = cause != NULL ? cause->text : curl_easy_strerror(code);
	return cause != NULL ? cause->err : ERR_NETWORK;
}

/* --- transfers ---------------------------------------------------------------------- */

static size_t on_curl_body(char *bytes, size_t size, size_t n, void *cookie)
{
	struct multi_transfer *t = cookie;
	REQUIRE(t->magic == TRANSFER_MAGIC);
	buf_append(&t->body, bytes, size * n);
	return buf_err(&t->body) == OK ? size * n : 0;
}

static size_t on_curl_head(char *bytes, size_t size, size_t n, void *cookie)
{
	struct multi_transfer *t = cookie;
	REQUIRE(t->magic == TRANSFER_MAGIC);
	(void)bytes; /* read later, through curl_easy_header */
	t->head_bytes += size * n;
	return t->head_bytes <= MULTI_HEAD_LIMIT ? size * n : 0;
}

static void transfer_free(struct multi_transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->resolve);
	buf_release(&t->body);
	t->magic = 0;
	free(t);
}

#define SET(option, value) \
	(code = code != CURLE_OK ? code : curl_easy_setopt(t->easy, option, value))

static CURLcode set_callbacks(struct multi_transfer *t)
{
	CURLcode code = CURLE_OK;
	struct multi *multi = t->peer->multi;
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_WRITEFUNCTION, on_curl_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_curl_head);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_OPENSOCKETFUNCTION, multi_on_open);
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_CLOSESOCKETFUNCTION, multi_on_close);
	SET(CURLOPT_CLOSESOCKETDATA, multi);
	return code;
}

static CURLcode set_security(struct multi_transfer *t, bool tls)
{
	CURLcode code = CURLE_OK;
	SET(CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* Else a ca_file would add to the system's; and libcurl keeps the parsed bundle
	 * (tens of milliseconds) only where there is no folder to look into. */
	SET(CURLOPT_CAPATH, NULL);
	if (t->peer->multi->ca_file != NULL)
		SET(CURLOPT_CAINFO, t->peer->multi->ca_file);
	return code;
}

static CURLcode set_protocol(struct multi_transfer *t, const struct url *url)
{
	CURLcode code = CURLE_OK;
	SET(CURLOPT_URL, secret_reveal(url->full));
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_USERAGENT, "forkcache/" FORKCACHE_VERSION);
	/* libcurl 7.88 fails at the second request of an h2c connection */
	SET(CURLOPT_HTTP_VERSION,
	    (long)(url->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	SET(CURLOPT_PIPEWAIT, url->tls ? 1L : 0L);
	SET(CURLOPT_MAXAGE_CONN, IDLE_AGE_S);
	SET(CURLOPT_MAXLIFETIME_CONN, LIFETIME_S);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, READ_BUFFER);
	SET(CURLOPT_NOSIGNAL, 1L);
	return code;
}

static struct multi_transfer *transfer_new(struct multi_peer *peer)
{
	struct multi_transfer *t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	t->magic = TRANSFER_MAGIC;
	t->peer = peer;
	buf_init(&t->body, 0);
	t->easy = curl_easy_init();
	if (t->easy == NULL || set_callbacks(t) != CURLE_OK ||
	    set_security(t, peer->url->tls) != CURLE_OK ||
	    set_protocol(t, peer->url) != CURLE_OK) {
		transfer_free(t);
		return NULL;
	}
	return t;
}

static struct multi_transfer *transfer_take(struct multi_peer *peer)
{
	struct multi_transfer *t = TAILQ_FIRST(&peer->idle);
	if (t == NULL) {
		t = transfer_new(peer);
	} else {
		TAILQ_REMOVE(&peer->idle, t, link);
		peer->idle_n--;
	}
	if (t != NULL)
		peer->refs++;
	return t;
}

static void free_headers(struct curl_slist *list)
{
	for (struct curl_slist *node = list; node != NULL; node = node->next)
		explicit_bzero(node->data, strlen(node->data));
	curl_slist_free_all(list);
}

static void peer_unref(struct multi_peer *peer)
{
	if (--peer->refs > 0)
		return;
	peer->multi->peers--;
	free_headers(peer->headers);
	free(peer);
}

/* Into the pool, or away. The handle is not in the multi any more. */
void multi_transfer_give_back(struct multi_transfer *t)
{
	struct multi_peer *peer = t->peer;
	CURLcode code = CURLE_OK;
	SET(CURLOPT_RESOLVE, NULL);
	SET(CURLOPT_POSTFIELDS, NULL);
	curl_slist_free_all(t->resolve);
	t->resolve = NULL;
	if (t->body.capacity > KEPT_BUFFER)
		buf_release(&t->body);
	if (code != CURLE_OK || peer->url == NULL || peer->idle_n >= IDLE_HANDLES) {
		transfer_free(t);
	} else {
		TAILQ_INSERT_HEAD(&peer->idle, t, link);
		peer->idle_n++;
	}
	peer_unref(peer);
}

static bool set_addresses(struct multi_transfer *t, const char *addresses)
{
	const struct url *url = t->peer->url;
	CURLcode code = CURLE_OK;
	char *entry = NULL;
	if (url->literal) /* libcurl reads it itself */
		return true;
	if (asprintf(&entry, "%s:%u:%s", url->host, (unsigned)url->port, addresses) < 0)
		return false;
	t->resolve = curl_slist_append(NULL, entry);
	free(entry);
	if (t->resolve == NULL)
		return false;
	SET(CURLOPT_RESOLVE, t->resolve);
	return code == CURLE_OK;
}

enum lookup multi_start(struct multi_peer *peer, const struct multi_request *request,
			multi_done_fn *done, void *cookie, struct multi_transfer **out)
{
	CURLcode code = CURLE_OK;
	struct multi_transfer *t = transfer_take(peer);
	if (t == NULL)
		return FAILED;
	buf_clear(&t->body);
	t->body.limit = request->max_reply;
	t->done = done;
	t->cookie = cookie;
	t->head_bytes = 0;
	/* Who sends it unasked is understood, too. */
	SET(CURLOPT_ACCEPT_ENCODING, "gzip");
	SET(CURLOPT_HTTPHEADER, request->gzip ? peer->headers : &peer->without_gzip);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	SET(CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.ptr : "");
	SET(CURLOPT_FRESH_CONNECT, request->fresh ? 1L : 0L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
	if (code != CURLE_OK || !set_addresses(t, request->addresses) ||
	    curl_multi_add_handle(peer->multi->curl, t->easy) != CURLM_OK) {
		multi_transfer_give_back(t);
		return FAILED;
	}
	t->active = true;
	*out = t;
	return PENDING;
}

static void fill_counts(struct multi_transfer *t, struct client_reply *reply)
{
	curl_off_t in = 0, out = 0;
	long head = 0, sent = 0;
	(void)CHECK(curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &in) == CURLE_OK);
	(void)CHECK(curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &out) == CURLE_OK);
	(void)CHECK(curl_easy_getinfo(t->easy, CURLINFO_HEADER_SIZE, &head) == CURLE_OK);
	(void)CHECK(curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK);
	reply->bytes_in = (uint64_t)in + (uint64_t)head;
	reply->bytes_out = (uint64_t)out;
	reply->connected = sent > 0;
	reply->opened_us = t->peer->opened_us;
}

/* Out of libcurl's hands: its body may be freed from now on. */
static void detach(struct multi_transfer *t)
{
	struct multi *multi = t->peer->multi;
	long made = 0;
	(void)CHECK(curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &made) == CURLE_OK);
	multi->connections += (uint64_t)made;
	(void)CHECK(curl_multi_remove_handle(multi->curl, t->easy) == CURLM_OK);
	t->active = false;
}

void multi_cancel(struct multi_transfer **transfer, struct client_reply *so_far)
{
	struct multi_transfer *t = *transfer;
	*transfer = NULL;
	if (t == NULL)
		return;
	if (so_far != NULL)
		fill_counts(t, so_far);
	if (t->active)
		detach(t);
	if (t->ended) {
		TAILQ_REMOVE(&t->peer->multi->ended, t, link);
		t->ended = false;
	}
	multi_transfer_give_back(t);
}

/* RFC 9110 section 10.2.3: seconds, or a date. */
static int64_t retry_after_ms(CURL *easy)
{
	struct curl_header *header;
	if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return -1;
	int64_t seconds = -1;
	size_t digits = strspn(header->value, "0123456789");
	if (digits > 0 && header->value[digits] == '\0') {
		seconds = digits > 9 ? MULTI_RETRY_AFTER_MAX_MS / 1000
				     : (int64_t)strtol(header->value, NULL, 10);
	} else {
		time_t date = curl_getdate(header->value, NULL), now = time(NULL);
		if (date >= 0)
			seconds = date > now ? date - now : 0;
	}
	if (seconds > MULTI_RETRY_AFTER_MAX_MS / 1000)
		seconds = MULTI_RETRY_AFTER_MAX_MS / 1000;
	return seconds < 0 ? -1 : seconds * 1000;
}

static void fill_reply(struct multi_transfer *t, CURLcode code)
{
	struct client_reply *reply = &t->reply;
	long status = 0;
	*reply = (struct client_reply){.retry_after_ms = -1};
	reply->err = err_from_curl(code, t->easy, &reply->detail);
	fill_counts(t, reply);
	if (code == CURLE_WRITE_ERROR && buf_err(&t->body) != OK) {
		reply->err = buf_err(&t->body);
		reply->detail = reply->err == ERR_LIMIT ? "reply is larger than allowed"
							: "out of memory";
	} else if (code == CURLE_WRITE_ERROR && t->head_bytes > MULTI_HEAD_LIMIT) {
		reply->err = ERR_LIMIT;
		reply->detail = "head of the reply is larger than allowed";
	}
	if (reply->err != OK) {
		log_debug("upstream request failed", LOG_S("host", t->peer->url->shown),
			  LOG_S("reason", reply->detail));
		return;
	}
	(void)CHECK(curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	reply->status = (unsigned)status;
	reply->body = buf_as_span(&t->body);
	reply->retry_after_ms = retry_after_ms(t->easy);
}

void multi_transfer_end(struct multi_transfer *t, CURLcode code)
{
	fill_reply(t, code);
	detach(t);
}

/* --- peers -------------------------------------------------------------------------- */

static bool is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool digit = c >= '0' && c <= '9';
		if (!letter && !digit && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return text.len > 0;
}

/* What libcurl or we set, or what says where a message ends. */
static bool is_ours(struct span name)
{
	static const char *const names[] = {"Accept-Encoding",
					    "Connection",
					    "Content-Length",
					    "Content-Type",
					    "Expect",
					    "Keep-Alive",
					    "TE",
					    "Transfer-Encoding",
					    "Trailer",
					    "Upgrade"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == name.len &&
		    strncasecmp(names[i], name.ptr, name.len) == 0)
			return true;
	return false;
}

/* NULL: it may be sent. RFC 9110 section 5; a line end would smuggle in another header. */
static const char *header_fault(struct span text)
{
	const char *colon = memchr(text.ptr, ':', text.len);
	bool blank = true;
	if (text.len > HEADER_MAX)
		return "is longer than 8192 bytes";
	if (colon == NULL)
		return "is not of the form \"Name: value\"";
	struct span name = {text.ptr, (size_t)(colon - text.ptr)};
	if (!is_token(name))
		return "has a name that is not valid";
	if (is_ours(name))
		return "may not be set: it is decided here";
	for (size_t i = name.len + 1; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "holds a control character or a line end";
		blank = blank && (c == ' ' || c == '\t');
	}
	return blank ? "has no value" : NULL;
}

static bool add_header(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);
	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

enum err multi_peer_new(struct multi *multi, const struct url *url,
			struct secret *const *headers, size_t headers_n,
			struct multi_peer **out, struct err_detail *detail)
{
	static char no_gzip[] = "Accept-Encoding:";
	struct curl_slist *list = NULL;
	struct multi_peer *peer = NULL;

	for (size_t i = 0; i < headers_n; i++) {
		const char *fault = header_fault(
			(struct span){secret_reveal(headers[i]), secret_length(headers[i])});
		if (fault != NULL) {
			free_headers(list);
			return err_set(detail, ERR_CONFIG, "%s: header %zu %s", url->shown,
				       i + 1, fault);
		}
		if (!add_header(&list, secret_reveal(headers[i])))
			goto fail;
	}
	/* libcurl would wait a second for "100 Continue" before a body above 1 MiB */
	if (!add_header(&list, "Content-Type: application/json") ||
	    !add_header(&list, "Expect:"))
		goto fail;
	peer = calloc(1, sizeof *peer);
	if (peer == NULL)
		goto fail;
	peer->multi = multi;
	peer->url = url;
	peer->headers = list;
	peer->without_gzip = (struct curl_slist){no_gzip, list};
	peer->refs = 1;
	TAILQ_INIT(&peer->idle);
	multi->peers++;
	*out = peer;
	return OK;
fail:
	free_headers(list);
	return err_set(detail, ERR_NOMEM, "%s: out of memory", url->shown);
}

void multi_peer_free(struct multi_peer **peer)
{
	struct multi_peer *gone = *peer;
	struct multi_transfer *t;
	*peer = NULL;
	if (gone == NULL)
		return;
	while ((t = TAILQ_FIRST(&gone->idle)) != NULL) {
		TAILQ_REMOVE(&gone->idle, t, link);
		transfer_free(t);
	}
	gone->url = NULL;
	peer_unref(gone);
}
