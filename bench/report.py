# SPDX-License-Identifier: MIT
"""What a run of bench.py says: a table for the terminal, and docs/performance.md.

    python3 bench/report.py BENCH.JSON > docs/performance.md
"""

import json
import sys

import budgets

PEERS = (
    ("forkcache", "forkcache"),
    ("floor", "a server that parses nothing"),
    ("nginx_return", "nginx `return`"),
    ("nginx_cache", "nginx `proxy_cache`"),
)
MARKDOWN_TO_TEXT = str.maketrans("", "", "`")


def number(value):
    """Three digits that mean something, thousands with commas."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if value == 0 or abs(value) >= 100:
        return "{:,.0f}".format(value)
    return "{:.3g}".format(value)


def percent(value):
    return "%.0f %%" % (100 * value)


def with_unit(value, unit):
    return "" if value is None else ("%s %s" % (number(value), unit)).strip()


def budget_cells(row):
    limit = with_unit(row["limit"], row["unit"])
    if row["ratio_limit"] is not None:
        limit = "%s x the floor" % ("%.2f" % row["ratio_limit"])
    return [row["name"], with_unit(row["value"], row["unit"]),
            with_unit(row["floor"], row["unit"]), limit,
            "" if row["ratio"] is None else "%.2f" % row["ratio"], row["verdict"]]


BUDGET_HEAD = ["budget", "measured", "floor", "limit", "ratio", "verdict"]


def server_rows(group):
    """One row for each server: CPU, spread over rounds, ratio to the floor, how busy."""
    rows = []
    for key, name in PEERS:
        side = group[key]
        if "skipped" in side:
            rows.append([name, side["skipped"]] + [""] * 4)
            continue
        rounds = side["server_cpu_us_rounds"]
        rows.append([name, with_unit(side["server_cpu_us"], "us"),
                     "%s to %s" % (number(min(rounds)), number(max(rounds))),
                     "%.2f" % budgets.paired_ratio(group, key, "floor"),
                     percent(side["server_busy"]), number(side["per_second"])])
    return rows


SERVER_HEAD = ["server", "CPU for a request", "rounds", "x floor", "server's core in use",
               "requests a second"]
POINTS = ("p50_us", "p90_us", "p99_us", "p99_9_us")
LATENCY_HEAD = ["connections", "server", "p50", "p90", "p99", "p99.9", "requests a second"]


def latency_rows(group):
    names = dict(PEERS)
    return [[connections, names[key]] + [with_unit(load[point], "us") for point in POINTS]
            + [number(load["per_second"])]
            for connections in ("1", "64", "512")
            for key, load in ((key, group[key][connections]) for key in ("forkcache", "floor"))]


WORKER_HEAD = ["workers", "cores", "requests a second", "CPU for a request"]


def worker_rows(group):
    cores = {"1": "one of its own", "2": "two, shared with the load generator"}
    return [[n, cores[n], number(load["per_second"]), with_unit(load["server_cpu_us"], "us")]
            for n, load in sorted(group.items())]


LIBRARY_HEAD = ["what", "measured"]


def library_rows(results):
    rows = []
    if "memory" in results:
        m = results["memory"]
        rows += [["%s, %s cells" % (what, number(m["entries"])), with_unit(m[key], "ns")]
                 for key, what in (
                     ("streamed_ns", "memory hit, keys ready in an array"),
                     ("built_ns", "memory hit, key built just before"),
                     ("building_ns", "building the key alone"),
                     ("stack_ns", "memory hit through the stack, one at a time"),
                     ("batched_ns", "memory hit through the stack, in batches of 100"),
                     ("line_ns", "limit: a random cache line, next to others"),
                     ("chased_ns", "limit: a random cache line, one after the other"))]
        rows += [["memory for a cell, cache full", with_unit(m["full_cell_bytes"], "bytes")],
                 ["the same, 256M with %s cells in it" % number(m["entries"]),
                  with_unit(m["part_cell_bytes"], "bytes")]]
    if "disk" in results:
        d = results["disk"]
        rows += [["disk hit, %s records" % number(d["entries"]), with_unit(d["store_ns"], "ns")],
                 ["limit: mdb_get of the same", with_unit(d["bare_ns"], "ns")]]
    if "start" in results:
        s = results["start"]
        rows += [["start with %s entries, none in memory" % number(s["entries"]),
                  with_unit(s["ms"], "ms")],
                 ["resident before the first read", with_unit(s["resident_mb"], "MB")],
                 ["each of the first 100 reads (p50)", with_unit(s["first_read_p50_us"], "us")],
                 ["filling that folder", with_unit(s["fill_seconds"], "s")],
                 ["disk for a record", with_unit(s["record_bytes"], "bytes")],
                 ["the record of use beside it", with_unit(s["use_bytes"] / 1e6, "MB")]]
    if "cold" in results:
        c = results["cold"]
        rows += [["%s cold reads at once, upstream at %d ms" % (number(c["reads"]),
                                                                c["upstream_ms"]),
                  with_unit(c["ms"], "ms")],
                 ["upstream requests for them", with_unit(c["upstream_requests"], "")]]
    return rows


HANDLE_HEAD = ["what", "through a handle", "by itself", "the interface costs"]


def handle_row(name, through, direct):
    return [name, with_unit(through, "ns"), with_unit(direct, "ns"),
            with_unit(through - direct, "ns")]


def handle_rows(results):
    rows = []
    if "hits" in results:
        h = results["hits"]
        rows += [handle_row(name, h[kind + "_ns"], h[kind + "_direct_ns"]) for kind, name in (
            ("memory", "slot of a database in memory: changes_read_slot"),
            ("own", "slot that the handle has written: changes_read_slot"),
            ("fork", "slot of a fork, in memory: stack_get_fact"),
            ("account", "three fields of an account in memory: changes_read_account"))]
        rows += [["slot of a file database, in its cache; without the cache: filedb_get_slot",
                  with_unit(h["cached_ns"], "ns"), with_unit(h["cached_direct_ns"], "ns"), ""]]
    if "database" in results:
        d = results["database"]
        rows += [handle_row("slot of a file database: filedb_get_slot", d["handle_ns"],
                            d["database_ns"]),
                 ["limit: mdb_get of the same", "", with_unit(d["bare_ns"], "ns"), ""],
                 ["writing a slot of it, 1,000 a batch", with_unit(d["write_ns"], "ns"), "", ""]]
    for state in results.get("state", {}).get("states", [])[1:2]:
        rows += [handle_row("snapshot: overlay_take_mark", state["snapshot_ns"],
                            state["mark_ns"]),
                 handle_row("revert, each of 1,000: overlay_revert", state["revert_ns"],
                            state["undo_ns"])]
    return rows


STATE_HEAD = ["slots of state", "read", "write, published", "in a batch of 1,000",
              "after a snapshot", "snapshot", "revert, each of 1,000", "each of 100,000",
              "bytes for a slot", "resident"]


def state_rows(group):
    return [[number(o["slots"])] + [with_unit(o[key], "ns") for key in (
        "read_ns", "publish_ns", "batch_ns", "write_ns", "snapshot_ns", "revert_ns",
        "revert_many_ns")]
            + [number(o["counted_bytes"]), number(o["resident_bytes"])] for o in group["states"]]


ROOT_HEAD = ["state root", "changed", "takes", "accounts a second"]


def root_rows(r):
    part = r["accounts"] // 100
    many = [("of everything, for the first time", r["accounts"], "bulk_us"),
            ("after publishing accounts", part, "changed_us"),
            ("after writing accounts in a snapshot", part, "local_us")]
    few = [("after publishing an account", "1 account", "one_us"),
           ("after writing an account in a snapshot", "1 account", "one_local_us"),
           ("after the first slot of an account with %s" % number(r["slots"]), "1 slot",
            "first_slot_us"),
           ("after one more of its slots", "1 slot", "one_slot_us"),
           ("again", "nothing", "nothing_us")]
    return [[name, "%s accounts" % number(n), with_unit(r[key] / 1e3, "ms"),
             number(n / r[key] * 1e6)] for name, n, key in many] + \
        [[name, what, with_unit(r[key], "us"), ""] for name, what, key in few]


WAIT_HEAD = ["cold reads", "one after the other", "at once, as operations", "in one call"]


def wait_rows(group):
    return [[number(w["n"])] + [with_unit(w[key], "ms")
                                for key in ("sync_ms", "async_ms", "many_ms")]
            for w in group["in_flight"]]


ORDER_HEAD = ["recorded order", "accesses", "things", "memory", "entries", "hits", "exact LRU",
              "nothing ever evicted"]


def order_rows(group):
    if "skipped" in group:
        return [[group["skipped"]] + [""] * 7]
    share = lambda value: "%.2f %%" % (100 * value)
    return [[o["name"], number(o["accesses"]), number(o["things"]), o["memory"],
             number(o["cells"]), share(o["ours"]), share(o["lru"]), share(o["never_evicted"])]
            for o in group["orders"]]


def tables(document):
    """(key, title, head, rows) of everything that this run measured."""
    results = document["results"]
    yield "budgets", "Budgets", BUDGET_HEAD, [budget_cells(row) for row in document["budgets"]]
    if "single" in results:
        yield "single", "One cached read", SERVER_HEAD, server_rows(results["single"])
    if "batch" in results:
        yield ("batch", "A batch of 100 cached reads", SERVER_HEAD,
               server_rows(results["batch"]))
    if "latency" in results:
        yield "latency", "Latency of a cached read", LATENCY_HEAD, latency_rows(results["latency"])
    if "workers" in results:
        yield "workers", "Workers", WORKER_HEAD, worker_rows(results["workers"])
    if library_rows(results):
        yield "library", "Cache, start, cold reads", LIBRARY_HEAD, library_rows(results)
    if handle_rows(results):
        yield "handle", "The library, and what its interface costs", HANDLE_HEAD, handle_rows(results)
    if "state" in results:
        yield "state", "Writes, snapshots, reverts", STATE_HEAD, state_rows(results["state"])
    if "roots" in results:
        yield "roots", "State root", ROOT_HEAD, root_rows(results["roots"])
    if "waits" in results:
        yield "waits", "Waiting, or not", WAIT_HEAD, wait_rows(results["waits"])
    if "order" in results:
        yield "order", "Hit ratio", ORDER_HEAD, order_rows(results["order"])


def text_table(head, rows):
    rows = [[cell.translate(MARKDOWN_TO_TEXT) for cell in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0])] + lines[1:])


def markdown_table(head, rows):
    lines = ["| " + " | ".join(row) + " |" for row in [head] + rows]
    return "\n".join([lines[0], "|" + "---|" * len(head)] + lines[1:])


def machine_line(document):
    m = document["machine"]
    return ("%s, %d cores, Linux %s, %s, nginx %s; forkcache %s; %s; load average %.1f at the "
            "start" % (m["cpu"], m["cores"], m["kernel"], m["compiler"], m["nginx"], m["git"],
                       m["date"], m["load"]))


def busy_line(document):
    load = document["machine"]["load"]
    return BUSY % load if load >= BUSY_LOAD else ""


def table(document):
    parts = [machine_line(document)] + [line for line in [busy_line(document).strip("*")] if line]
    parts += ["%s\n\n%s" % (title, text_table(head, rows))
              for _, title, head, rows in tables(document)]
    return "\n\n".join(parts)


INTRODUCTION = """# Performance

`make bench` wrote these numbers, and `make bench-page` this page; its text is in
`bench/report.py`. They are of one machine:

> {machine}

{rounds} rounds. What is compared runs side by side and is measured in turn within each round;
the median over rounds is shown. A ratio is the median of the rounds' ratios, since both sides
of a round met the same machine. Servers have one core, the load generator another.

Compare ratios, not microseconds: another machine has other microseconds.{busy}
"""

BUSY_LOAD = 1.0
BUSY = ("**Others used this machine when the run began (load average %.1f): all of it is "
        "provisional, times more than ratios.**")

NOTES = {
    "budgets": """A **floor** is what the same machine needs for the part that nobody can leave
out; where there is one, the limit is a multiple of it.""",
    "single": """64 kept-alive connections, each with one `eth_getStorageAt` on the way, for
{keys} different slots at random, all in memory. What is counted is the processor time of the
server's process for each request, kernel included: not how long anybody waited. All four answer
with as many bytes (nginx's own headers come on top).

- The server that parses nothing (`bench/floor.c`) counts bytes and sends a fixed answer: the
  least that reading from and writing to so many sockets can cost.
- nginx `return` sends a fixed answer too, but understands HTTP.
- nginx `proxy_cache` has the request's body as its key, and forkcache behind it for what it has
  not seen.

forkcache's answers and the proxy cache's are compared with the right ones, byte by byte.

A server that is faster than the load generator waits for it: then its core is not fully in use,
and it wakes up more often, for fewer requests each time. That can make the floor look dearer
than it is, and forkcache's ratio better; the column says how far it was so.""",
    "batch": """The same with arrays of {batch} calls, each of another account. The floor reads and
writes as many bytes.""",
    "latency": """From before a request is sent until its answer has been read, in a closed loop.
With many connections that is mostly the time for which the others are served; so the floor is
beside it.""",
    "workers": """With two workers the load generator shares the cores. On a machine of two cores
this shows that workers do not stand in each other's way, not what two workers can do.""",
    "library": """The memory cache and the disk cache by themselves, without HTTP
(`bench/memory.c`, `bench/disk.c`): processor time, random places, medians. When keys are ready in
an array, the processor begins the next hit before this one is through; when each is built just
before, it does so less. Calls of a batch are looked up in passes that fetch ahead. The memory for
a cell is that of the whole table divided by the cells in it: tables are reserved once and
touched as they fill. The folder from which forkcache starts is not in the system's memory, as
after a start of the machine.""",
    "handle": """What a caller of `forkcache.h` pays for an answer that is there, and what it
costs to ask the part that has it without the interface: no checks of arguments, no layers above,
no gate that keeps publications apart from reads (`bench/hits.c`, `bench/database.c`,
`bench/state.c`). {entries} slots, 256 to an account, at random; processor time, medians of rounds
that take turns. What comes in between keeps the processor from beginning one read while another
waits for memory, and counts for more than its instructions.""",
    "state": """A handle of a database in memory (`bench/state.c`) with so many slots, 256 to an
account, at random. A write outside of everything is published by itself. Snapshots are taken
within another, as the calls of a transaction are; writing after one journals what was there
before. Reading and writing in a state that is larger than the processor's caches is mostly waiting
for memory; a revert goes back over what was written last, and fetches it ahead. Resident memory is
counted in pages, which says little of 1,000 slots.""",
    "roots": """`fc_state_root` of a database in memory (`bench/roots.c`), on one thread, without
the writes before it. The first root makes the trie of all accounts; storage tries are made again
when a slot of the account is written for the first time. Then only what was written since is
hashed again, from the leaf up.""",
    "waits": """Slots of a fork that nobody has asked for before, from a node that answers after
{waits_ms} ms (`bench/waits.c`): until the last is there. A caller that waits for each has one in
flight; operations and many reads in one call share requests.""",
    "order": """What the memory cache hits when it replays orders that were recorded, beside an
exact LRU of as many entries and beside a cache that never evicts, which none can beat. `requests
of` are what the test suites of two projects asked their node, in order. In the mainnet blocks
(EIP-7928 access lists) the order within a block is that of the addresses, not that of the
reads.""",
}


def page(document):
    settings = document["settings"]
    sizes = {"keys": number(settings["keys"]), "batch": settings["batch"],
             "entries": number(document["results"].get("hits", {}).get("entries")),
             "waits_ms": document["results"].get("waits", {}).get("upstream_ms")}
    busy = busy_line(document)
    parts = [INTRODUCTION.format(machine=machine_line(document), rounds=settings["rounds"],
                                 busy="\n\n" + busy if busy else "")]
    for key, title, head, rows in tables(document):
        parts.append("## %s\n\n%s\n" % (title, NOTES[key].format(**sizes)))
        parts.append(markdown_table(head, rows) + "\n")
        if key == "budgets":
            parts.append(reasons(document))
    return "\n".join(part for part in parts if part)


def reasons(document):
    """Why what is over its budget is, and what is not measured; equal reasons once."""
    names = {}
    for row in document["budgets"]:
        if "why" in row:
            names.setdefault((row["why"], row["verdict"]), []).append(row["name"])
    lines = ["- **%s** (%s): %s" % ("; ".join(rows), verdict, why)
             for (why, verdict), rows in names.items()]
    return "\n".join(lines) + "\n" if lines else ""


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: report.py BENCH.JSON")
    with open(sys.argv[1]) as document:
        print(page(json.load(document)), end="")


if __name__ == "__main__":
    main()
