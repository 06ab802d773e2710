/* SPDX-License-Identifier: MIT */
#include "fork/resolver.h"
#include "base/log.h"
#include <ares.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_US   ((uint64_t)1000000)
#define ADDRESS_MAX (INET6_ADDRSTRLEN + 3) /* brackets and comma */

/* One server is given 1.5, 3 and 6 s (c-ares doubles); its own default, 5 to 20 s, is
 * longer than anybody here waits. */
#define TRY_MS 1500
#define TRIES  3

/* The timer always runs, if need be this far ahead: moving a running timer cannot fail,
 * starting one can. */
#define IDLE_US (3600 * SECOND_US)

#define SOCKET_MAGIC   0x72736b74u
#define RESOLVER_MAGIC 0x7265736fu
#define NAME_MAGIC     0x726e616du

TAILQ_HEAD(waits, resolver_wait);

struct resolver_socket {
	unsigned magic;
	struct resolver *resolver;
	struct loop_fd lfd;
	LIST_ENTRY(resolver_socket) link;
};

struct resolver_name {
	unsigned magic;
	struct resolver *resolver;
	unsigned pins;
	bool permanent; /* a literal or localhost */
	bool asking;
	bool stale_said; /* one log line for each time that it goes stale */
	bool loopback;
	unsigned addresses_n;
	uint64_t asked_us, answered_us;
	uint64_t fresh_until_us, stale_until_us;
	uint64_t retry_at_us; /* not asked before, after a failure */
	enum err err;	      /* of the last resolution */
	const char *detail;
	struct waits waits;
	struct loop_timer patience;
	LIST_ENTRY(resolver_name) link;
	char addresses[RESOLVER_ADDRESSES * ADDRESS_MAX]; /* "" : no set */
	char host[];
};

struct resolver {
	unsigned magic;
	struct loop *loop;
	const char *servers;
	ares_channel channel;
	bool renew; /* a resolution failed: read the configuration again */
	bool delivering;
	unsigned asking;
	uint64_t started;
	struct loop_timer timer;
	struct waits ready; /* answered, to be called outside c-ares */
	LIST_HEAD(, resolver_socket) sockets;
	LIST_HEAD(, resolver_name) names;
};

static enum err err_from_ares(int status, const char **detail)
{
	switch (status) {
	case ARES_SUCCESS:
		*detail = "";
		return OK;
	case ARES_ENOMEM:
		*detail = "out of memory";
		return ERR_NOMEM;
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		*detail = "name not found";
		return ERR_NETWORK;
	case ARES_ENODATA:
		*detail = "name has no address";
		return ERR_NETWORK;
	case ARES_ETIMEOUT:
		*detail = "name server does not answer";
		return ERR_NETWORK;
	case ARES_ECONNREFUSED: /* also what c-ares makes of SERVFAIL and REFUSED */
	case ARES_ESERVFAIL:
	case ARES_EREFUSED:
		*detail = "name server failed or cannot be reached";
		return ERR_NETWORK;
	default:
		*detail = ares_strerror(status);
		return ERR_NETWORK;
	}
}

/* --- c-ares in the loop ------------------------------------------------------------- */

static void deliver(struct resolver *resolver);

static void set_timer(struct resolver *resolver)
{
	struct timeval tv;
	uint64_t delay_us = IDLE_US;
	/* one millisecond on top: c-ares reads a clock that is ahead of the turn's */
	if (ares_timeout(resolver->channel, NULL, &tv) != NULL)
		delay_us = (uint64_t)tv.tv_sec * SECOND_US + (uint64_t)tv.tv_usec + 1000;
	enum err err = loop_timer_start(resolver->loop, &resolver->timer, delay_us);
	(void)CHECK(err == OK);
}

static void process(struct resolver *resolver, int read_fd, int write_fd)
{
	ares_process_fd(resolver->channel, read_fd, write_fd);
	set_timer(resolver);
	deliver(resolver);
}

static void on_socket(void *cookie, unsigned events)
{
	struct resolver_socket *sock = cookie;
	REQUIRE(sock->magic == SOCKET_MAGIC);
	int fd = sock->lfd.fd; /* the socket may be freed meanwhile */
	process(sock->resolver, (events & LOOP_READ) != 0 ? fd : ARES_SOCKET_BAD,
		(events & LOOP_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void on_timer(void *cookie)
{
	struct resolver *resolver = cookie;
	REQUIRE(resolver->magic == RESOLVER_MAGIC);
	enum err err = loop_timer_start(resolver->loop, &resolver->timer, IDLE_US);
	(void)CHECK(err == OK);
	process(resolver, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void socket_free(struct resolver_socket *sock)
{
	loop_fd_remove(sock->resolver->loop, &sock->lfd);
	LIST_REMOVE(sock, link);
	sock->magic = 0;
	free(sock);
}

static void socket_new(struct resolver *resolver, int fd, unsigned wanted)
{
	struct resolver_socket *sock = calloc(1, sizeof *sock);
	if (sock == NULL)
		return; /* that server then seems silent, and the timer goes on */
	sock->magic = SOCKET_MAGIC;
	sock->resolver = resolver;
	sock->lfd.fd = -1;
	if (loop_fd_add(resolver->loop, &sock->lfd, fd, wanted, on_socket, sock) != OK) {
		free(sock);
		return;
	}
	LIST_INSERT_HEAD(&resolver->sockets, sock, link);
}

/* c-ares says what it waits for; neither: it is about to close the socket. */
static void on_socket_state(void *cookie, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = cookie;
	REQUIRE(resolver->magic == RESOLVER_MAGIC);
	unsigned wanted = (readable ? LOOP_READ : 0u) | (writable ? LOOP_WRITE : 0u);
	struct resolver_socket *sock;
	LIST_FOREACH(sock, &resolver->sockets, link)
	if (sock->lfd.fd == fd)
		break;
	if (sock == NULL && wanted != 0)
		socket_new(resolver, fd, wanted);
	else if (sock != NULL && wanted == 0)
		socket_free(sock);
	else if (sock != NULL)
		loop_fd_want(resolver->loop, &sock->lfd, wanted);
}

static enum err channel_new(struct resolver *resolver, ares_channel *out)
{
	ares_channel channel = NULL;
	struct ares_options options = {
		.timeout = TRY_MS,
		.tries = TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = resolver,
	};
	if (ares_init_options(&channel, &options,
			      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
	    ARES_SUCCESS)
		return ERR_NOMEM;
	if (resolver->servers != NULL) {
		int status = ares_set_servers_ports_csv(channel, resolver->servers);
		if (status != ARES_SUCCESS) {
			ares_destroy(channel);
			return status == ARES_ENOMEM ? ERR_NOMEM : ERR_CONFIG;
		}
	}
	*out = channel;
	return OK;
}

/* --- answers ------------------------------------------------------------------------ */

static bool stale_usable(const struct resolver_name *name, uint64_t now)
{
	return name->addresses_n > 0 && now < name->stale_until_us;
}

/* What the name is now; PENDING: one has to wait. */
static enum lookup state_of(const struct resolver_name *name, struct resolver_answer *out)
{
	uint64_t now = loop_now_us(name->resolver->loop);
	bool fresh = name->permanent || now < name->fresh_until_us;
	bool stale = !fresh && stale_usable(name, now);
	bool patient = now < name->asked_us + RESOLVER_PATIENCE_MS * 1000;
	if (!fresh && name->asking && (!stale || patient))
		return PENDING;
	if (fresh || stale) {
		*out = (struct resolver_answer){
			.addresses = name->addresses, .loopback = name->loopback, .detail = ""};
		return HIT;
	}
	*out = (struct resolver_answer){
		.err = name->err, .addresses = "", .detail = name->detail};
	return FAILED;
}

static void make_ready(struct resolver_name *name)
{
	struct resolver_wait *wait;
	while ((wait = TAILQ_FIRST(&name->waits)) != NULL) {
		TAILQ_REMOVE(&name->waits, wait, link);
		TAILQ_INSERT_TAIL(&name->resolver->ready, wait, link);
		wait->ready = true;
	}
}

/* A callback may cancel other waiters, start lookups, put names: only the head of the list
 * is held, and nothing across the call. */
static void deliver(struct resolver *resolver)
{
	struct resolver_wait *wait;
	resolver->delivering = true;
	while ((wait = TAILQ_FIRST(&resolver->ready)) != NULL) {
		struct resolver_answer answer;
		TAILQ_REMOVE(&resolver->ready, wait, link);
		wait->ready = false;
		if (state_of(wait->name, &answer) == PENDING) { /* asked again meanwhile */
			TAILQ_INSERT_TAIL(&wait->name->waits, wait, link);
			continue;
		}
		wait->waiting = false;
		wait->done(wait->cookie, &answer);
	}
	resolver->delivering = false;
}

static void name_free(struct resolver_name *name)
{
	LIST_REMOVE(name, link);
	loop_timer_cancel(name->resolver->loop, &name->patience);
	name->magic = 0;
	free(name);
}

static bool loopback_v6(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* Appends one address; false: not one that we know, or no more room. */
static bool address_add(struct resolver_name *name, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN];
	bool v6 = address->sa_family == AF_INET6, loopback;
	const void *bytes;
	if (v6) {
		const struct sockaddr_in6 *in6 = (const void *)address;
		bytes = &in6->sin6_addr;
		loopback = loopback_v6(&in6->sin6_addr);
	} else if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;
		bytes = &in->sin_addr;
		loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
	} else {
		return false;
	}
	size_t used = strlen(name->addresses);
	if (name->addresses_n == RESOLVER_ADDRESSES ||
	    inet_ntop(address->sa_family, bytes, text, sizeof text) == NULL)
		return false;
	(void)snprintf(name->addresses + used, sizeof name->addresses - used,
		       v6 ? "%s[%s]" : "%s%s", used > 0 ? "," : "", text);
	name->loopback = (used == 0 || name->loopback) && loopback;
	name->addresses_n++;
	return true;
}

static void forget_addresses(struct resolver_name *name)
{
	name->addresses[0] = '\0';
	name->addresses_n = 0;
}

static void name_resolved(struct resolver_name *name, const struct ares_addrinfo *ai)
{
	uint64_t now = name->answered_us;
	int ttl = RESOLVER_TTL_MAX_S; /* c-ares has lowered each to those of its aliases */
	forget_addresses(name);
	for (const struct ares_addrinfo_node *node = ai->nodes; node != NULL;
	     node = node->ai_next)
		if (address_add(name, node->ai_addr) && node->ai_ttl < ttl)
			ttl = node->ai_ttl;
	if (ttl < RESOLVER_TTL_MIN_S)
		ttl = RESOLVER_TTL_MIN_S;
	name->fresh_until_us = now + (uint64_t)ttl * SECOND_US;
	name->stale_until_us = name->fresh_until_us + RESOLVER_STALE_S * SECOND_US;
	name->stale_said = false;
	name->err = OK;
	name->detail = "";
	log_debug("name resolved", LOG_S("host", name->host),
		  LOG_S("addresses", name->addresses), LOG_I("ttl_s", ttl));
}

static void say_stale(struct resolver_name *name, const char *why)
{
	if (!name->stale_said)
		log_warn("name resolution failed, its old addresses are used",
			 LOG_S("host", name->host), LOG_S("reason", why));
	name->stale_said = true;
}

static void name_failed(struct resolver_name *name, int status)
{
	uint64_t now = name->answered_us;
	name->err = err_from_ares(status, &name->detail);
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
		forget_addresses(name);
	else
		name->resolver->renew = true;
	if (stale_usable(name, now)) {
		name->retry_at_us = now + RESOLVER_HOLD_S * SECOND_US;
		say_stale(name, name->detail);
	} else {
		name->retry_at_us = now + RESOLVER_RETRY_MS * 1000;
		log_warn("name resolution failed", LOG_S("host", name->host),
			 LOG_S("reason", name->detail));
	}
}

static void on_addrinfo(void *cookie, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct resolver_name *name = cookie;
	REQUIRE(name->magic == NAME_MAGIC);
	(void)timeouts; /* part of c-ares's signature */
	name->asking = false;
	name->resolver->asking--;
	loop_timer_cancel(name->resolver->loop, &name->patience);
	if (name->pins == 0) { /* given up meanwhile */
		name_free(name);
	} else {
		name->answered_us = loop_now_us(name->resolver->loop);
		if (status == ARES_SUCCESS && ai->nodes == NULL)
			status = ARES_ENODATA;
		if (status == ARES_SUCCESS)
			name_resolved(name, ai);
		else
			name_failed(name, status);
		make_ready(name);
	}
	if (ai != NULL)
		ares_freeaddrinfo(ai);
}

/* The refresh is slow: who waits gets the old set, and the refresh goes on. */
static void on_patience(void *cookie)
{
	struct resolver_name *name = cookie;
	REQUIRE(name->magic == NAME_MAGIC);
	say_stale(name, "name server is slow");
	make_ready(name);
	deliver(name->resolver);
}

/* --- questions ---------------------------------------------------------------------- */

static void channel_renew(struct resolver *resolver)
{
	ares_channel channel;
	if (!resolver->renew || resolver->asking > 0)
		return;
	if (channel_new(resolver, &channel) != OK)
		return; /* the old one still asks */
	ares_destroy(resolver->channel);
	resolver->channel = channel;
	resolver->renew = false;
}

/* Answers at once, through on_addrinfo, where /etc/hosts knows the name. */
static void ask(struct resolver_name *name)
{
	struct resolver *resolver = name->resolver;
	const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
						  .ai_socktype = SOCK_STREAM};
	uint64_t now = loop_now_us(resolver->loop);

	channel_renew(resolver);
	name->asking = true;
	name->asked_us = now;
	resolver->asking++;
	resolver->started++;
	if (stale_usable(name, now) &&
	    loop_timer_start(resolver->loop, &name->patience,
			     (uint64_t)RESOLVER_PATIENCE_MS * 1000) != OK)
		log_debug("no memory for a timer: the refresh is waited for",
			  LOG_S("host", name->host));
	ares_getaddrinfo(resolver->channel, name->host, NULL, &hints, on_addrinfo, name);
	set_timer(resolver);
}

enum lookup resolver_lookup(struct resolver_name *name, struct resolver_answer *out,
			    struct resolver_wait *wait, resolver_done_fn *done, void *cookie)
{
	REQUIRE(!wait->waiting);
	uint64_t now = loop_now_us(name->resolver->loop);
	if (!name->permanent && !name->asking && now >= name->fresh_until_us &&
	    now >= name->retry_at_us)
		ask(name);
	enum lookup lookup = state_of(name, out);
	if (lookup == PENDING) {
		*wait = (struct resolver_wait){
			.name = name, .done = done, .cookie = cookie, .waiting = true};
		TAILQ_INSERT_TAIL(&name->waits, wait, link);
	}
	return lookup;
}

void resolver_cancel(struct resolver_wait *wait)
{
	if (!wait->waiting)
		return;
	if (wait->ready)
		TAILQ_REMOVE(&wait->name->resolver->ready, wait, link);
	else
		TAILQ_REMOVE(&wait->name->waits, wait, link);
	wait->waiting = wait->ready = false;
}

void resolver_suspect(struct resolver_name *name)
{
	uint64_t soonest = name->answered_us + RESOLVER_RETRY_MS * 1000;
	if (name->fresh_until_us > soonest)
		name->fresh_until_us = soonest;
}

/* --- life --------------------------------------------------------------------------- */

static bool is_localhost(const char *host)
{
	static const char suffix[] = ".localhost";
	size_t len = strlen(host), n = sizeof suffix - 1;
	return strcmp(host, suffix + 1) == 0 ||
	       (len > n && strcmp(host + len - n, suffix) == 0);
}

static void name_set_permanent(struct resolver_name *name)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	if (is_localhost(name->host)) { /* nodes listen on 127.0.0.1 unless told otherwise */
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in6.sin6_addr = in6addr_loopback;
		name->permanent = address_add(name, (const struct sockaddr *)&in) &&
				  address_add(name, (const struct sockaddr *)&in6);
	} else if (inet_pton(AF_INET, name->host, &in.sin_addr) == 1) {
		name->permanent = address_add(name, (const struct sockaddr *)&in);
	} else if (inet_pton(AF_INET6, name->host, &in6.sin6_addr) == 1) {
		name->permanent = address_add(name, (const struct sockaddr *)&in6);
	}
}

struct resolver_name *resolver_name_get(struct resolver *resolver, const char *host)
{
	struct resolver_name *name;
	LIST_FOREACH(name, &resolver->names, link)
	{
		if (strcmp(name->host, host) == 0) {
			name->pins++;
			return name;
		}
	}
	size_t len = strlen(host);
	name = calloc(1, sizeof *name + len + 1);
	if (name == NULL)
		return NULL;
	name->magic = NAME_MAGIC;
	name->resolver = resolver;
	name->pins = 1;
	name->detail = "";
	memcpy(name->host, host, len + 1);
	TAILQ_INIT(&name->waits);
	loop_timer_init(&name->patience, on_patience, name);
	name_set_permanent(name);
	LIST_INSERT_HEAD(&resolver->names, name, link);
	return name;
}

void resolver_name_put(struct resolver_name **name)
{
	struct resolver_name *gone = *name;
	*name = NULL;
	if (gone == NULL || --gone->pins > 0)
		return;
	REQUIRE(TAILQ_EMPTY(&gone->waits));
	if (!gone->asking) /* else c-ares still holds it: on_addrinfo */
		name_free(gone);
}

uint64_t resolver_started(const struct resolver *resolver)
{
	return resolver->started;
}

static int library_status;

static void library_init(void)
{
	library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

enum err resolver_new(struct loop *loop, const char *servers, struct resolver **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (pthread_once(&once, library_init) != 0 || library_status != ARES_SUCCESS)
		return ERR_NOMEM;
	struct resolver *resolver = calloc(1, sizeof *resolver);
	if (resolver == NULL)
		return ERR_NOMEM;
	resolver->magic = RESOLVER_MAGIC;
	resolver->loop = loop;
	resolver->servers = servers;
	TAILQ_INIT(&resolver->ready);
	LIST_INIT(&resolver->sockets);
	LIST_INIT(&resolver->names);
	loop_timer_init(&resolver->timer, on_timer, resolver);
	enum err err = channel_new(resolver, &resolver->channel);
	if (err == OK)
		err = loop_timer_start(loop, &resolver->timer, IDLE_US);
	if (err != OK) {
		resolver_free(&resolver);
		return err;
	}
	*out = resolver;
	return OK;
}

void resolver_free(struct resolver **resolver)
{
	struct resolver *gone = *resolver;
	*resolver = NULL;
	if (gone == NULL)
		return;
	REQUIRE(!gone->delivering && TAILQ_EMPTY(&gone->ready));
	loop_timer_cancel(gone->loop, &gone->timer);
	if (gone->channel != NULL)
		ares_destroy(gone->channel); /* ends what is asked, and its sockets */
	REQUIRE(LIST_EMPTY(&gone->names) && LIST_EMPTY(&gone->sockets));
	gone->magic = 0;
	free(gone);
}
