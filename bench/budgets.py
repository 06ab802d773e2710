# SPDX-License-Identifier: MIT
"""What may be used, and whether that was kept: one row for each budget.

A row has the measured value, its limit, and for a limit that is relative to a floor the floor, the
ratio and its limit. The verdict is "within", "over" or "not measured"; for the last two "why" gives
the reason, from what the same run measured.
"""

import statistics


def dig(results, path):
    """results["a"]["b"] for "a.b"; None where it was not measured."""
    for name in path.split("."):
        if not isinstance(results, dict) or name not in results:
            return None
        results = results[name]
    return results


def paired_ratio(group, side, floor):
    """The median over rounds of the ratio within one round: both sides of a round had the same
    machine."""
    pairs = zip(group[side]["server_cpu_us_rounds"], group[floor]["server_cpu_us_rounds"])
    return statistics.median(ours / theirs for ours, theirs in pairs)


# ---- reasons ----


def why_single(results, row):
    lookup = dig(results, "memory.stack_ns")
    return ("%.2f us of a request are spent above what reading and writing costs%s: HTTP is "
            "framed, JSON is scanned, parameters are checked, the answer is written. The system "
            "calls are the floor's; only less work between them changes it."
            % (row["value"] - row["floor"],
               ", of which a lookup is up to %d ns" % lookup if lookup else ""))


def why_return(_, row):
    return ("%.2f us more than a server that reads HTTP, passes over the body and sends a fixed "
            "answer; the budget above says what they are spent on." % (row["value"] - row["floor"]))


def why_batch(results, row):
    lookup = dig(results, "memory.batched_ns")
    shape = results["batch"]["forkcache"]
    return ("a call costs %d ns above the floor, of which the limit would allow %d%s. The rest is "
            "the text of each call: %d bytes are scanned, parsed and checked, %d are written. A "
            "path that does less for the methods that read one fact would change it."
            % (10 * (row["value"] - row["floor"]), 10 * (row["limit"] - row["floor"]),
               "; the lookup is %d ns of it" % lookup if lookup else "",
               shape["request_bytes"] / 100, shape["reply_bytes"] / 100))


def why_batch_beside_one(results, row):
    floor = dig(results, "batch.floor.server_cpu_us")
    return ("receiving %d bytes and sending %d costs the server that parses nothing %.2f us, %.1f "
            "times what one read costs it: this is a budget for a batch with shorter texts. Beside "
            "that, a call costs %d ns."
            % (results["batch"]["forkcache"]["request_bytes"],
               results["batch"]["forkcache"]["reply_bytes"], floor, floor / row["floor"],
               10 * (row["value"] - floor)))


def why_hit(kind):
    def why(results, row):
        hits = results["hits"]
        direct = hits[kind + "_direct_ns"]
        lines = dig(results, "memory.chased_ns")
        return ("%d ns are spent below the interface%s, %d on it. A hit reads two places, the "
                "second known from the first: the index, then the entry%s."
                % (direct, " by what answers" if direct < row["value"] else "",
                   max(0, row["value"] - direct),
                   "; one such read among as many bytes takes %d ns here when the one before has "
                   "to be through" % lines if lines else ""))
    return why


def why_disk(_, row):
    return ("%d ns of a hit are spent above mdb_get: on the key, the checksum and the record of "
            "use." % (row["value"] - row["floor"]))


def why_database(results, row):
    return ("%d ns of a hit are spent above mdb_get: on the key, the checksum and the value; %d "
            "of them on the interface."
            % (row["value"] - row["floor"], row["value"] - results["database"]["database_ns"]))


def why_cold(results, _):
    cold = results["cold"]
    return ("the %d questions did not arrive together, and left in %d requests. The load "
            "generator and the upstream share a core here."
            % (cold["reads"], cold["upstream_requests"]))


def why_start(results, _):
    start = results["start"]
    return ("of %d MB of files, none of them in memory before, %d MB are resident when it serves."
            % ((start["file_bytes"] + start["use_bytes"]) / 1e6, start["resident_mb"]))


def why_state(results, _):
    largest = results["state"]["states"][-1]
    return ("what is undone stands at random places, which are fetched ahead; reading one slot of "
            "{:,} takes {:.0f} ns here.".format(largest["slots"], largest["read_ns"]))


def why_bytes(*_):
    return ("the layout fixes it (src/cache/cells.h, src/cache/record.h, src/cache/filedb.h, "
            "src/layers/changes.h).")


# ---- rows ----


def row(name, unit, value, limit, why=None):
    return {"name": name, "unit": unit, "value": value, "limit": limit, "floor": None,
            "ratio": None, "ratio_limit": None, "why": why}


def beside(name, unit, value, floor, ratio, ratio_limit, why):
    limit = None if floor is None else floor * ratio_limit
    return dict(row(name, unit, value, limit, why), floor=floor, ratio=ratio,
                ratio_limit=ratio_limit)


def beside_server(results, name, group, peer, ratio_limit, why):
    """CPU for a request beside another server's."""
    value = dig(results, group + ".forkcache.server_cpu_us")
    floor = dig(results, "%s.%s.server_cpu_us" % (group, peer))
    ratio = None if floor is None else paired_ratio(results[group], "forkcache", peer)
    absent = dig(results, "%s.%s.skipped" % (group, peer))
    return beside(name, "us CPU", value, floor, ratio, ratio_limit, absent or why)


def beside_one_read(results):
    value = dig(results, "batch.forkcache.server_cpu_us")
    floor = dig(results, "single.floor.server_cpu_us")
    ratio = value / floor if value and floor else None
    return beside("batch of 100, beside one read of that server", "us CPU", value, floor, ratio,
                  3.00, why_batch_beside_one)


HITS = (
    ("memory", "memory hit through a handle, database in memory"),
    ("own", "memory hit through a handle, written by itself"),
    ("cached", "memory hit through a handle, cache over a file database"),
    ("fork", "memory hit through a handle, warm fork"),
)


def hit_rows(results):
    return [row(name, "ns", dig(results, "hits.%s_ns" % kind), 60, why_hit(kind))
            for kind, name in HITS]


def state_rows(results):
    """Snapshot and revert may not depend on the size of the state: a row for each size."""
    rows = []
    for state in dig(results, "state.states") or [{}]:
        over = ", {:,} slots of state".format(state["slots"]) if state else ""
        rows += [row("snapshot" + over, "ns", state.get("snapshot_ns"), 100, why_state),
                 row("revert, for each of 1,000 changes" + over, "ns", state.get("revert_ns"), 50,
                     why_state),
                 row("revert, for each of 100,000 changes" + over, "ns",
                     state.get("revert_many_ns"), 50, why_state),
                 row("memory for a written slot" + over, "bytes", state.get("counted_bytes"), 128,
                     why_bytes)]
    return rows


def measured(results):
    disk, bare = dig(results, "disk.store_ns"), dig(results, "disk.bare_ns")
    database, record = dig(results, "database.handle_ns"), dig(results, "database.bare_ns")
    cold_ms = dig(results, "cold.ms")
    return [
        beside_server(results, "one cached read, beside a server that parses nothing", "single",
                      "floor", 1.10, why_single),
        beside_server(results, "one cached read, beside nginx return", "single", "nginx_return",
                      1.00, why_return),
        beside_server(results, "batch of 100, beside a server that parses nothing", "batch",
                      "floor", 3.00, why_batch),
        beside_one_read(results),
        beside("disk hit, beside a bare mdb_get", "ns", disk, bare, disk / bare if disk else None,
               1.30, why_disk),
        beside("file database hit through a handle, beside a bare mdb_get", "ns", database, record,
               database / record if database else None, 1.30, why_database),
        row("1,000 cold reads at once, in round trips", "", cold_ms / results["cold"]["upstream_ms"]
            if cold_ms else None, 3, why_cold),
        row("the same, in upstream requests", "", dig(results, "cold.upstream_requests"), 8,
            why_cold),
        row("start", "ms", dig(results, "start.ms"), 100, why_start),
        row("resident before the first read", "MB", dig(results, "start.resident_mb"), 100,
            why_start),
        row("memory for a cached slot", "bytes", dig(results, "memory.full_cell_bytes"), 128,
            why_bytes),
        row("disk for a record", "bytes", dig(results, "start.record_bytes"), 170, why_bytes),
        row("disk for a slot of the file database", "bytes", dig(results, "database.slot_bytes"),
            170, why_bytes),
    ] + hit_rows(results) + state_rows(results)


def verdict(one):
    relative = one["ratio_limit"] is not None
    value, limit = (one["ratio"], one["ratio_limit"]) if relative else (one["value"], one["limit"])
    if value is None:
        return "not measured"
    return "within" if value <= limit else "over"


# Budgets of another kind: who keeps them, or why nobody does yet.
ELSEWHERE = (
    ("kill -9", "nothing to time: tests/script/test_restart.py and tests/crash/test_store_crash.c "
                "look at what is served afterwards, and at what is fetched again."),
)


def rows(results):
    table = measured(results)
    for one in table:
        one["verdict"] = verdict(one)
        why = one.pop("why")
        if one["verdict"] == "over":
            one["why"] = why(results, one)
        elif one["verdict"] == "not measured":
            one["why"] = why if isinstance(why, str) else "not part of this run."
    for name, why in ELSEWHERE:
        table.append(dict(row(name, "", None, None, why), verdict="not measured"))
    return table
