# SPDX-License-Identifier: MIT
"""The servers that are measured side by side, and the load generator.

Servers run on core 0, the load generator and what stands in for a remote node on core 1. A program
takes the cores of the thread that starts it: `with on_cores(SERVER_CORES): Forkcache(...)`.
"""

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "script"))

from harness import BUILD, TIMEOUT, Proc  # noqa: E402

ALL_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, LOAD_CORES = {ALL_CORES[0]}, {ALL_CORES[-1]}
NOT_INSTALLED = "not installed (apt-get install nginx)"
RUN_TIMEOUT = 900.0  # a folder is filled, on a slow disk
DESCRIPTORS = 1 << 17
# A parameter of nginx's configuration may have so many bytes.
NGINX_PARAMETER_MAX = 4000


def allow_descriptors():
    """For a thousand connections, and for the files that nginx keeps open. Who may raises the
    limit. Returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, DESCRIPTORS), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit


@contextlib.contextmanager
def on_cores(cores):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(program, cores, *args):
    """Runs build/bench/PROGRAM to its end; returns the JSON object that it prints."""
    argv = [os.path.join(BUILD, "bench", program), *map(str, args)]
    with on_cores(cores):
        done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=RUN_TIMEOUT)
    if done.returncode != 0:
        raise SystemExit("bench: %s: status %d" % (" ".join(argv), done.returncode))
    return json.loads(done.stdout)


def load(server, cores=None, check="value", **options):
    """One run of the load generator against a server; see bench/load.c."""
    args = []
    for name, value in options.items():
        args += ["--" + name, value]
    pids = ",".join(str(pid) for pid in server.pids())
    return run("load", cores or LOAD_CORES, "--port", server.port, "--pids", pids,
               "--check", check, *args)


class Floor(Proc):
    """The epoll server that parses nothing, for requests and answers of these sizes."""

    program = os.path.join("bench", "floor")

    def __init__(self, request_bytes, body_bytes):
        super().__init__("--request-bytes", request_bytes, "--body-bytes", body_bytes)

    def pids(self):
        return [self.pid]

    # It serves until it is ended, and has nothing to tidy up.
    def __exit__(self, *unused):
        self.kill()


def nginx_path():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def nginx_version():
    if not nginx_path():
        return None
    said = subprocess.run([nginx_path(), "-v"], stderr=subprocess.PIPE).stderr.decode()
    return said.strip().rpartition("/")[2]


def _temp_paths(folder):
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join("%s_temp_path %s/%s;\n" % (kind, folder, kind) for kind in kinds)


def _return_text(body_bytes):
    """Variables that hold so many bytes together, and the text that joins them."""
    parts, left = [], body_bytes
    while left:
        parts.append(min(left, NGINX_PARAMETER_MAX))
        left -= parts[-1]
    variables = "".join('set $part%d "%s";\n' % (i, "x" * n) for i, n in enumerate(parts))
    return variables, "".join("${part%d}" % i for i in range(len(parts)))


def _config(folder, return_port, cache_port, upstream_port, body_bytes):
    variables, text = _return_text(body_bytes)
    return f"""
daemon off;
worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
pid {folder}/pid;
error_log {folder}/error.log error;
events {{ worker_connections 4096; }}
http {{
access_log off;
server_tokens off;
keepalive_requests 1000000000;
keepalive_timeout 600s;
default_type application/json;
client_body_buffer_size 128k;
{_temp_paths(folder)}
proxy_cache_path {folder}/cache levels=1:2 keys_zone=answers:64m inactive=1h use_temp_path=off;
open_file_cache max={resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2} inactive=1h;
open_file_cache_valid 1h;
server {{
listen 127.0.0.1:{return_port} backlog=4096;
{variables}
location / {{ return 200 "{text}"; }}
}}
server {{
listen 127.0.0.1:{cache_port} backlog=4096;
location / {{
proxy_pass http://127.0.0.1:{upstream_port};
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_buffers 16 32k;
proxy_cache answers;
proxy_cache_methods POST;
proxy_cache_key $request_body;
proxy_cache_valid 200 1h;
}}
}}
}}
"""


class NginxPort:
    """One of nginx's two servers, as load() takes it."""

    def __init__(self, nginx, port):
        self.nginx, self.port = nginx, port

    def pids(self):
        """The workers: those children of the master that serve anybody."""
        master = self.nginx.process.pid
        with open("/proc/%d/task/%d/children" % (master, master)) as children:
            return [pid for pid in map(int, children.read().split()) if _is_worker(pid)]


def _is_worker(pid):
    with open("/proc/%d/cmdline" % pid, "rb") as cmdline:
        return b"worker process" in cmdline.read()


class Nginx:
    """nginx with one worker: .fixed answers by `return`, .cache is a proxy cache in front of
    upstream_port, keyed by the body of the request."""

    def __init__(self, folder, upstream_port, body_bytes):
        os.makedirs(folder)
        # It takes over listening sockets named in $NGINX, as when its binary is replaced: so
        # the ports are ours before it starts, and who connects meanwhile waits in the queue.
        sockets = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(2)]
        ports = [s.getsockname()[1] for s in sockets]
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as config:
            config.write(_config(folder, *ports, upstream_port, body_bytes))
        fds = [s.fileno() for s in sockets]
        environment = dict(os.environ, NGINX="".join("%d;" % fd for fd in fds))
        self.process = subprocess.Popen(
            [nginx_path(), "-p", folder, "-c", path],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # "using inherited sockets"; the rest is in error.log
            env=environment,
            pass_fds=fds,
        )
        for s in sockets:
            s.close()
        self.fixed, self.cache = (NginxPort(self, port) for port in ports)
        for port in ports:
            self._ask_once(port)

    @staticmethod
    def _ask_once(port):
        """Any answer says that the worker is there."""
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not connection.recv(1):
                raise SystemExit("bench: nginx does not answer")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait()
