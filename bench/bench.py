# SPDX-License-Identifier: MIT
"""One run of all measurements: `make bench`.

Servers that are compared run side by side and are measured in turn, round after round, so that a
slow minute of the machine meets all of them; what is reported is the median over rounds.

    BENCH_ROUNDS=9        rounds
    BENCH_ONLY=single,cold  only these of the GROUPS below
    BENCH_KEYS=10000      different slots that clients read over HTTP, at most 100,000
    BENCH_ENTRIES=10000000  what the folder holds from which forkcache starts
    --smoke               tiny sizes: whether everything runs and the result is whole

The result is build/bench.json, besides the table on standard output:

    {"version": 1, "smoke": bool, "settings": {"rounds", "entries", "keys", "batch"},
     "machine": {"cpu", "cores", "kernel", "compiler", "git", "nginx", "load", "date"},
     "results": {GROUP: {...} or {"skipped": why}},
     "budgets": [{"name", "unit", "value", "limit", "floor", "ratio", "ratio_limit",
                  "verdict": "within" | "over" | "not measured",
                  "why" (not with "within")}]}

Groups and their members:

    single, batch  {"forkcache" | "floor" | "nginx_return" | "nginx_cache": LOAD}
    latency        {"forkcache" | "floor": {"1" | "64" | "512": LOAD}}, by connections
    workers        {"1" | "2": LOAD}
    memory, disk, database, hits, roots  what the programs of these names print (build/bench)
    cold, start    see cold() and start()
    state          {"states": [what build/bench/state prints, by slots of state]}
    waits          what build/bench/waits prints, and upstream_ms
    order          {"orders": [{"name", "memory", and what build/bench/order prints}]}

LOAD is what build/bench/load prints, medians, and server_cpu_us_rounds: the value of each round.
"""

import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import servers
from servers import ALL_CORES, LOAD_CORES, NOT_INSTALLED, ROOT, SERVER_CORES, load, on_cores, run

import budgets
import orders
import report
from harness import BUILD, Forkcache, MockNode, serve_args

BLOCK = 100  # BENCH_BLOCK of bench/measure.h
CONNECTIONS = 64
BATCH = 100
UPSTREAM_MS = 50
COLD_READS = 1000
MEBIBYTE = 1 << 20


class Sizes:
    """How much is asked for in one round."""

    def __init__(self, smoke):
        self.smoke = smoke
        pick = lambda full, tiny: tiny if smoke else full
        self.rounds = int(os.environ.get("BENCH_ROUNDS") or pick(9, 1))
        self.entries = int(os.environ.get("BENCH_ENTRIES") or pick(10000000, 20000))
        self.keys = int(os.environ.get("BENCH_KEYS") or pick(10000, 2000))
        self.singles = pick(40000, 500)
        self.batches = pick(1500, 40)
        self.latencies = pick(20000, 600)
        self.alone = pick(5000, 100)  # one connection: mostly waiting
        self.disk_entries = pick(100000, 10000)
        if not BATCH <= self.keys <= self.disk_entries:
            raise SystemExit("BENCH_KEYS: from %d to %d" % (BATCH, self.disk_entries))
        self.reads = pick(1000000, 10000)
        self.states = pick((1000, 100000, 10000000), (1000, 10000))
        self.accounts = pick(1000000, 2000)
        self.waits_ms = pick(20, 2)
        self.requests_replayed = pick(None, 1000)


class Server(Forkcache):
    def pids(self):
        return [self.pid]


class Scene:
    """The folders and servers that several groups need."""

    def __init__(self, sizes, folder):
        self.sizes, self.folder = sizes, folder
        self.cache = os.path.join(folder, "cache")
        self.filled = run("fill", SERVER_CORES, "--folder", self.make(self.cache), "--entries",
                          sizes.disk_entries, "--capacity", 1 << 30)

    @staticmethod
    def make(folder):
        os.mkdir(folder, 0o700)
        return folder

    def forkcache(self, *more, folder=None, cores=SERVER_CORES):
        """Without an upstream, on a folder that build/bench/fill has filled."""
        args = serve_args([], folder or self.cache, "--offline", *more, block=BLOCK)
        with on_cores(cores):
            return Server(*args)


def medians(rounds):
    """Of objects of numbers: one object of medians."""
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def medians_of_loads(rounds):
    out = medians(rounds)
    out["server_cpu_us_rounds"] = [r["server_cpu_us"] for r in rounds]
    return out


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- over HTTP ----


def side_by_side(scene, requests, batch, warm):
    """CPU per request of four servers that answer the same number of bytes."""
    sizes = scene.sizes
    options = {"connections": CONNECTIONS, "keys": sizes.keys, "batch": batch}
    with scene.forkcache() as ours:
        every_unit = sizes.keys // (batch or 1)
        shape = load(ours, warm=every_unit, requests=every_unit, **options)
        with on_cores(SERVER_CORES):
            floor = servers.Floor(shape["request_bytes"], shape["body_bytes"])
        with floor:
            sides = {"forkcache": (ours, "value"), "floor": (floor, "length")}
            if not servers.nginx_path():
                loads = take_turns(sides, scene, requests, warm, options)
                absent = {"skipped": NOT_INSTALLED}
                return dict(loads, nginx_return=absent, nginx_cache=absent)
            with on_cores(SERVER_CORES):
                nginx = servers.Nginx(os.path.join(scene.folder, "nginx-%d" % batch), ours.port,
                                      shape["body_bytes"])
            with nginx:
                load(nginx.cache, warm=every_unit, requests=1, **options)
                sides["nginx_return"] = (nginx.fixed, "length")
                sides["nginx_cache"] = (nginx.cache, "value")
                return take_turns(sides, scene, requests, warm, options)


def take_turns(sides, scene, requests, warm, options):
    rounds = {name: [] for name in sides}
    for _ in range(scene.sizes.rounds):
        for name, (server, check) in sides.items():
            rounds[name].append(load(server, check=check, warm=warm, requests=requests, **options))
    return {name: medians_of_loads(loads) for name, loads in rounds.items()}


def single(scene):
    return side_by_side(scene, scene.sizes.singles, 0, scene.sizes.singles // 10)


def batch(scene):
    return side_by_side(scene, scene.sizes.batches, BATCH, scene.sizes.batches // 10)


def latency(scene):
    """What a client waits for, with few others and with many."""
    sizes = scene.sizes
    with scene.forkcache() as ours:
        shape = load(ours, warm=sizes.keys, requests=1, keys=sizes.keys)
        with on_cores(SERVER_CORES):
            floor = servers.Floor(shape["request_bytes"], shape["body_bytes"])
        with floor:
            sides = {"forkcache": (ours, "value"), "floor": (floor, "length")}
            out = {name: {} for name in sides}
            for connections in (1, 64, 512):
                n = sizes.alone if connections == 1 else sizes.latencies
                options = {"connections": connections, "keys": sizes.keys}
                loads = take_turns(sides, scene, n, max(n // 10, connections), options)
                for name in sides:
                    out[name][str(connections)] = loads[name]
            return out


def workers(scene):
    """Two workers have both cores, on which the load generator runs too."""
    sizes = scene.sizes
    both = set(ALL_CORES)
    with scene.forkcache() as one, scene.forkcache("--workers", 2, cores=both) as two:
        rounds = {"1": [], "2": []}
        for _ in range(sizes.rounds):
            for name, server, cores in (("1", one, LOAD_CORES), ("2", two, both)):
                rounds[name].append(load(server, cores, connections=CONNECTIONS, keys=sizes.keys,
                                         warm=sizes.keys, requests=sizes.singles))
        return {name: medians_of_loads(loads) for name, loads in rounds.items()}


# ---- cold ----


def cold_round(scene, node, contract, number):
    """1,000 connections ask for one slot each, which nobody has asked for before."""
    folder = scene.make(os.path.join(scene.folder, "cold-%d" % number))
    with on_cores(SERVER_CORES):
        server = Server(*serve_args([node], folder, block=BLOCK))
    with server:
        # It learns what the node can do by its first questions.
        for first in range(4000, 4008, 2):
            server.batch([("eth_getStorageAt", contract, hex(first + i), hex(BLOCK))
                          for i in range(2)])
        node.control(reset_counters=True)
        done = load(server, connections=COLD_READS, requests=COLD_READS, keys=COLD_READS,
                    contract=contract, first=0)
        counters = node.counters()
    if counters["max_key_count"] != 1:
        raise SystemExit("bench: the node was asked twice for a slot")
    return {"ms": done["seconds"] * 1e3, "upstream_requests": counters["http_requests"]}


def cold(scene):
    with on_cores(LOAD_CORES):
        node = MockNode()
    with node:
        contract = node.samples()["reader"]
        node.control(latency_ms=UPSTREAM_MS)
        rounds = [cold_round(scene, node, contract, i) for i in range(scene.sizes.rounds)]
    return dict(medians(rounds), reads=COLD_READS, upstream_ms=UPSTREAM_MS)


def forget_pages(folder):
    """Nothing of the files is in memory any more, as after a start of the machine."""
    for name in os.listdir(folder):
        fd = os.open(os.path.join(folder, name), os.O_RDWR)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def resident_mb(pid):
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("bench: process %d has no VmRSS" % pid)


def start(scene):
    """`forkcache serve --offline` on a large folder that is not in memory: milliseconds from
    the start of the process to the line that says where it listens, resident memory then, and
    what the first reads cost."""
    entries = scene.sizes.entries
    folder = os.path.join(scene.folder, "large")
    # Twice as much as the records are likely to take.
    filled = run("fill", SERVER_CORES, "--folder", scene.make(folder), "--entries", entries,
                 "--capacity", max(300 * entries, 64 * MEBIBYTE))
    rounds = []
    for _ in range(scene.sizes.rounds):
        forget_pages(folder)
        begin = time.monotonic()
        server = scene.forkcache("--disk", max(300 * entries, 64 * MEBIBYTE), folder=folder)
        with server:
            ms = (time.monotonic() - begin) * 1e3
            resident = resident_mb(server.pid)
            # Right answers from a random part of what is there.
            first = load(server, connections=1, requests=100, keys=entries)
            rounds.append({"ms": ms, "resident_mb": resident, "first_read_p50_us": first["p50_us"]})
    shutil.rmtree(folder)
    return dict(medians(rounds), entries=entries, fill_seconds=filled["seconds"],
                record_bytes=filled["used_bytes"] / entries,
                file_bytes=filled["file_bytes"], use_bytes=filled["use_bytes"])


# ---- the library ----


def memory(scene):
    out = run("memory", SERVER_CORES, "--entries", scene.sizes.disk_entries, "--reads",
              scene.sizes.reads, "--rounds", scene.sizes.rounds)
    out["built_net_ns"] = round(out["built_ns"] - out["building_ns"], 2)
    return out


def disk(scene):
    copy = os.path.join(scene.folder, "copy")
    return run("disk", SERVER_CORES, "--folder", scene.cache, "--copy", copy, "--reads",
               scene.sizes.reads // 2, "--rounds", scene.sizes.rounds)


def database(scene):
    folder = os.path.join(scene.folder, "database")
    return run("database", SERVER_CORES, "--folder", folder, "--copy", folder + "-copy",
               "--entries", scene.sizes.disk_entries, "--reads", scene.sizes.reads // 2,
               "--rounds", scene.sizes.rounds)


def hits(scene):
    return run("hits", SERVER_CORES, "--folder", os.path.join(scene.folder, "hits"), "--cache",
               scene.cache, "--entries", scene.sizes.disk_entries, "--reads", scene.sizes.reads,
               "--rounds", scene.sizes.rounds)


def state(scene):
    """The largest takes a gigabyte."""
    return {"states": [run("state", SERVER_CORES, "--slots", slots, "--reads", scene.sizes.reads,
                           "--rounds", scene.sizes.rounds) for slots in scene.sizes.states]}


def roots(scene):
    return run("roots", SERVER_CORES, "--accounts", scene.sizes.accounts, "--rounds",
               scene.sizes.rounds)


def waits(scene):
    with on_cores(LOAD_CORES):
        node = MockNode()
    with node:
        node.control(latency_ms=scene.sizes.waits_ms)
        done = run("waits", SERVER_CORES, "--url", "fork+%s#block=%d" % (node.url, BLOCK),
                   "--contract", node.samples()["reader"], "--rounds", scene.sizes.rounds)
    return dict(done, upstream_ms=scene.sizes.waits_ms)


def order(scene):
    recorded = orders.recorded(scene.sizes.requests_replayed)
    if not recorded:
        return {"skipped": "no recorded orders (CORPUS_DIR)"}
    path = os.path.join(scene.folder, "order")
    rows = []
    for one in recorded:
        one.write(path)
        # A megabyte is the least that the cache takes.
        for mebibytes in (1, 2, 4):
            got = run("order", SERVER_CORES, "--file", path, "--memory", mebibytes * MEBIBYTE)
            rows.append(dict(got, name=one.name, memory="%dM" % mebibytes))
            if got["cells"] >= got["things"]:
                break
    return {"orders": rows}


GROUPS = {
    "single": single, "batch": batch, "latency": latency, "workers": workers, "cold": cold,
    "memory": memory, "disk": disk, "hits": hits, "database": database, "state": state,
    "roots": roots, "waits": waits, "order": order, "start": start,
}


# ---- the run ----


def output_of(*argv):
    try:
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def cpu_model():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def machine():
    compiler = output_of(*os.environ.get("CC", "gcc").split(), "--version")
    return {
        "cpu": cpu_model(),
        "cores": len(ALL_CORES),
        "kernel": platform.release(),
        "compiler": (compiler or "unknown").splitlines()[0],
        "git": output_of("git", "describe", "--always", "--dirty") or "unknown",
        "nginx": servers.nginx_version() or NOT_INSTALLED,
        "load": os.getloadavg()[0],
        "date": datetime.date.today().isoformat(),
    }


def chosen():
    names = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
    for name in names:
        if name not in GROUPS:
            raise SystemExit("BENCH_ONLY: %s is none of %s" % (name, ", ".join(GROUPS)))
    return names or list(GROUPS)


def measure(sizes):
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BUILD) as folder:
        scene = Scene(sizes, folder)
        for name in chosen():
            begin = time.monotonic()
            results[name] = GROUPS[name](scene)
            say("bench: %s: %.1f s" % (name, time.monotonic() - begin))
    return results


def numbers_missing(node, path=""):
    """Names of what a whole result may not lack: None, or an object or list without members."""
    if isinstance(node, dict) and "skipped" not in node:
        node = node.items()
    elif isinstance(node, list):
        node = enumerate(node)
    else:
        return [path] if node is None else []
    found = [name for key, value in node for name in numbers_missing(value, "%s.%s" % (path, key))]
    return found if node else [path]


def main():
    sizes = Sizes("--smoke" in sys.argv[1:])
    servers.allow_descriptors()
    if len(ALL_CORES) < 2:
        say("bench: one core only: servers share it with the load generator")
    document = {"version": 1, "smoke": sizes.smoke, "machine": machine(),
                "settings": {"rounds": sizes.rounds, "entries": sizes.entries, "keys": sizes.keys,
                             "batch": BATCH}}
    document["results"] = measure(sizes)
    document["budgets"] = budgets.rows(document["results"])
    path = os.path.join(BUILD, "bench-smoke.json" if sizes.smoke else "bench.json")
    with open(path, "w") as out:
        json.dump(document, out, indent=1)
        out.write("\n")
    if sizes.smoke and not os.environ.get("BENCH_ONLY"):
        check_whole(document)
    table = report.table(document)
    if sizes.smoke:
        print("bench: every measurement runs; what it measured is in %s" % os.path.relpath(path))
        return
    print("%s\n\nIn full: %s" % (table, os.path.relpath(path)))
    print("To put this run into docs/performance.md: make bench-page")


def check_whole(document):
    """Of a run of everything: each number is there, each budget that can be measured was, and a
    page can be made."""
    missing = numbers_missing(document["results"])
    missing += ["budget: " + one["name"] for one in budgets.measured(document["results"])
                if one["value"] is None]
    missing += [name for name in GROUPS if name not in document["results"]]
    if missing:
        raise SystemExit("bench: not measured: %s" % ", ".join(missing))
    report.page(document)


if __name__ == "__main__":
    main()
