/* SPDX-License-Identifier: MIT */
/* Certificates, with a real TLS server in a child process; and that no secret is told. */
#include "base/log.h"
#include "capture.h"
#include "http_peer.h"
#include "unit.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

enum { ROOM = 4096, LONG_MS = 60000 };

static const char server_code[] =
	"import http.server, ssl, sys\n"
	"class H(http.server.BaseHTTPRequestHandler):\n"
	"    protocol_version = 'HTTP/1.1'\n"
	"    def do_POST(self):\n"
	"        body = self.rfile.read(int(self.headers['Content-Length']))\n"
	"        self.send_response(200)\n"
	"        self.send_header('Content-Length', str(len(body)))\n"
	"        self.end_headers()\n"
	"        self.wfile.write(body)\n"
	"    def log_message(self, *args):\n"
	"        pass\n"
	"class S(http.server.ThreadingHTTPServer):\n"
	"    def handle_error(self, *args):\n"
	"        pass\n"
	"s = S(('127.0.0.1', 0), H)\n"
	"c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
	"c.load_cert_chain(sys.argv[1])\n"
	"s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)\n"
	"print(s.server_port, flush=True)\n"
	"s.serve_forever()\n";

struct fixture {
	struct loop *loop;
	char folder[64], pem[96];
	pid_t server;
	unsigned port;
};

extern char **environ;

/* Runs a program with its output, if wanted, in *out; 0 when it cannot be run. */
static pid_t spawn(const char *const *argv, int *out)
{
	posix_spawn_file_actions_t actions;
	char *args[16] = {NULL};
	int pipe_fds[2];
	pid_t pid = 0;
	for (size_t i = 0; argv[i] != NULL; i++)
		args[i] = strdup(argv[i]);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1), 0);
	assert_int_equal(
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0), 0);
	if (posix_spawnp(&pid, args[0], &actions, NULL, args, environ) != 0)
		pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	*out = pipe_fds[0];
	for (size_t i = 0; args[i] != NULL; i++)
		free(args[i]);
	return pid;
}

static bool make_certificate(const char *pem)
{
	const char *const argv[] = {"openssl",	     "req",	 "-x509",
				    "-newkey",	     "rsa:2048", "-nodes",
				    "-days",	     "1",	 "-subj",
				    "/CN=localhost", "-addext",	 "subjectAltName=DNS:localhost",
				    "-keyout",	     pem,	 NULL};
	FILE *file;
	char text[8192];
	int out, status;
	pid_t pid = spawn(argv, &out);
	if (pid == 0) {
		close(out);
		return false;
	}
	FILE *in = fdopen(out, "r");
	assert_non_null(in);
	size_t n =
		fread(text, 1, sizeof text, in); /* the certificate; the key is in the file */
	(void)fclose(in);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0 || (file = fopen(pem, "a")) == NULL)
		return false;
	bool written = fwrite(text, 1, n, file) == n;
	return fclose(file) == 0 && written;
}

static bool start_server(struct fixture *f)
{
	const char *const argv[] = {"python3", "-c", server_code, f->pem, NULL};
	char line[32] = "";
	int out;
	f->server = spawn(argv, &out);
	if (f->server == 0) {
		close(out);
		return false;
	}
	FILE *in = fdopen(out, "r");
	assert_non_null(in);
	if (fgets(line, sizeof line, in) != NULL)
		f->port = (unsigned)strtoul(line, NULL, 10);
	(void)fclose(in);
	return f->port != 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *base = getenv("TMPDIR");
	assert_non_null(f);
	(void)snprintf(f->folder, sizeof f->folder, "%.40s/forkcache-XXXXXX",
		       base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->pem, sizeof f->pem, "%s/server.pem", f->folder);
	assert_int_equal(loop_new(&f->loop), OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	if (f->server > 0) {
		kill(f->server, SIGTERM);
		waitpid(f->server, NULL, 0);
	}
	(void)unlink(f->pem);
	(void)rmdir(f->folder);
	loop_free(&f->loop);
	free(f);
	assert_int_equal(check_failures(), 0);
	return 0;
}

static void stop(struct call *call)
{
	loop_stop(call->owner);
}

/* One post by a client of its own. */
static void post(struct loop *loop, const char *ca_file, const char *url,
		 struct secret *const *headers, size_t headers_n, struct call *call)
{
	struct client *client = NULL;
	struct client_target *target = NULL;
	struct secret *secret = secret_new(span_of(url));
	assert_int_equal(client_new(loop, ca_file, &client), OK);
	assert_int_equal(client_target_new(client, secret, headers, headers_n, &target, NULL),
			 OK);
	secret_free(&secret);
	*call = (struct call){.then = stop, .owner = loop};
	call_post(call, target, "{\"over\":\"TLS\"}", LONG_MS, ROOM);
	assert_int_equal(loop_run(loop), OK);
	assert_int_equal(call->calls, 1);
	client_target_free(&target);
	client_free(&client);
}

static void certificates_are_verified(void **state)
{
	struct fixture *f = *state;
	struct call call;
	char url[64], other[64];
	if (!make_certificate(f->pem) || !start_server(f))
		skip(); /* no openssl or no python3 */
	(void)snprintf(url, sizeof url, "https://localhost:%u/", f->port);
	(void)snprintf(other, sizeof other, "https://127.0.0.1:%u/", f->port);

	post(f->loop, NULL, url, NULL, 0, &call);
	assert_int_equal(call.reply.err, ERR_NETWORK);
	assert_string_equal(call.detail, "TLS: certificate is not trusted");
	assert_false(call.reply.connected);

	post(f->loop, f->pem, url, NULL, 0, &call);
	assert_string_equal(call.detail, "");
	assert_int_equal(call.reply.err, OK);
	assert_string_equal(call.body, "{\"over\":\"TLS\"}");

	post(f->loop, f->pem, other, NULL, 0, &call);
	assert_int_equal(call.reply.err, ERR_NETWORK);
	assert_string_equal(call.detail, "TLS: certificate is for another host");
}

static void a_ca_file_must_be_readable(void **state)
{
	struct fixture *f = *state;
	struct client *client = NULL;
	assert_int_equal(client_new(f->loop, f->pem, &client), ERR_CONFIG);
	assert_null(client);
}

/* --- secrets ------------------------------------------------------------------------- */

static void fail_in_all_ways(struct fixture *f, struct secret *header)
{
	static const char *const replies[] = {
		"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "nonsense\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://h/\r\nContent-Length: 0\r\n\r\n"};
	static const char *const hosts[] = {"127.0.0.1", "localhost", "-.invalid"};
	struct peer peer;
	assert_true(peer_start(&peer, f->loop, false));
	for (size_t i = 0; i < 7; i++) {
		struct call call;
		char url[128];
		if (i == 4)
			peer_stop_listening(&peer);
		peer_script(&peer, replies[i % 4], PEER_CLOSE);
		(void)snprintf(url, sizeof url, "%s://HUSH1:HUSH2@%s:%u/HUSH3?k=HUSH4",
			       i == 5 ? "https" : "http", hosts[i < 4 ? i % 2 : i - 4],
			       (unsigned)peer.port);
		post(f->loop, NULL, url, &header, 1, &call);
		assert_int_equal(call.reply.err, i == 3 ? OK : ERR_NETWORK);
		assert_null(strstr(call.detail, "HUSH"));
		assert_true(i == 3 || call.detail[0] != '\0');
		assert_true(i != 0 || strstr(peer.last, "HUSH3") != NULL); /* it did go out */
	}
	peer_stop(&peer);
}

static void nothing_tells_a_secret(void **state)
{
	struct fixture *f = *state;
	static struct capture log;
	struct secret *header = secret_new(SPAN("X-Key: HUSH5"));
	log_set_level(LOG_DEBUG);
	capture_start(&log);
	fail_in_all_ways(f, header);
	capture_end(&log);
	log_set_level(LOG_ERROR);
	assert_non_null(
		strstr(log.text, "upstream request failed")); /* there is a log at all */
	assert_null(strstr(log.text, "HUSH"));
	secret_free(&header);
}

/* --- several threads, each with a loop and a client of its own --------------------------- */

static void *one_thread(void *cookie)
{
	struct loop *loop = NULL;
	struct peer *peer = calloc(1, sizeof *peer);
	struct call *call = cookie;
	char url[64];
	REQUIRE(peer != NULL && loop_new(&loop) == OK && peer_start(peer, loop, false));
	(void)snprintf(url, sizeof url, "http://localhost:%u/", (unsigned)peer->port);
	struct client *client = NULL;
	REQUIRE(client_new(loop, NULL, &client) == OK);
	struct client_target *target = target_make(client, url, NULL);
	*call = (struct call){.then = stop, .owner = loop};
	call_post(call, target, "{}", LONG_MS, ROOM);
	REQUIRE(loop_run(loop) == OK);
	client_target_free(&target);
	client_free(&client);
	peer_stop(peer);
	loop_free(&loop);
	free(peer);
	return NULL;
}

static void threads_do_not_share(void **state)
{
	static struct call calls[4];
	pthread_t threads[4];
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_thread, &calls[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(calls[i].reply.err, OK);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(threads_do_not_share), /* first: it initialises the libraries */
		T(certificates_are_verified),
		T(a_ca_file_must_be_readable),
		T(nothing_tells_a_secret),
	};
	alarm(120); /* a test that hangs must fail */
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
