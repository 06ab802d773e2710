// SPDX-License-Identifier: MIT
// A real EVM over libforkcache: ethereumjs executes recorded transactions, and what comes out is
// compared with what their files record. Run by run.sh; ONLY=pattern runs the recordings whose
// names match. Each runs over
//
//   the reference       state in JavaScript: what ethereumjs makes of the file by itself
//   memory://           the file's state, written through the library
//   overlay://, a fork  of build/mock-node, which serves the file's state, 20 ms away:
//                       synchronous, and resumable in two ways (see resume.mjs)
//   the same            while three in ten of the node's answers are faults
//
// and each has to leave what the reference leaves, in every account and slot that was touched.
import assert from "node:assert/strict";
import path from "node:path";
import { check, figure, summary } from "../lib/runner.mjs";
import { hardforkOf, keepsEmptyAccounts } from "./chain.mjs";
import { compare } from "./compare.mjs";
import { execute } from "./execute.mjs";
import {
	Database,
	Failure,
	FORK,
	MEMORY,
	NETWORK_FAILURES,
	OVERLAY,
	RESUMABLE,
} from "./library.mjs";
import { startNode } from "./node.mjs";
import { allTouched, checkDump, look } from "./outcome.mjs";
import { recordings } from "./recordings.mjs";
import { Reference } from "./reference.mjs";
import { chainOf, resume } from "./resume.mjs";
import { State } from "./state.mjs";

const tally = { compared: 0, frames: 0, stopping: 0, ahead: 0, same: 0, clean: 0 };

// ---- one run ----

async function run(recording, handle) {
	const state = new State(handle);
	const outcome = await execute(recording, state);
	if (state.failure !== undefined) throw state.failure;
	return outcome;
}

async function onReference(recording) {
	const { alloc, keepEmpty } = recording;
	const [before, after] = [1, 2].map(() => new Reference(alloc, { keepEmpty }));
	const outcome = await run(recording, after);
	const touched = allTouched(outcome, before, after);
	return {
		calls: outcome.calls,
		touched,
		before: look(before, touched),
		after: look(after, touched),
	};
}

// writer has run the transaction since the snapshot; what it did is published and read back
// through another handle, which had not seen it before.
function settle(recording, expected, outcome, { writer, reader, snapshot }) {
	const touched = allTouched(outcome, reader, writer);
	const before = look(reader, touched);
	const own = look(writer, touched);
	writer.commit(snapshot);
	const after = look(reader, touched);
	const told = { calls: outcome.calls, touched, before, after };
	assert.deepEqual(own, after, "what the writer saw, and what is published");
	assert.deepEqual(told, expected, "as over the reference");
	compare(recording, told);
	return told;
}

// ---- memory:// ----

function write(handle, alloc) {
	for (const [address, { code, storage, ...fields }] of alloc) {
		const at = bytesOf(address);
		handle.setAccount(at, fields);
		if (code !== "0x") handle.setCode(at, bytesOf(code));
		for (const [slot, value] of storage)
			handle.setStorage(at, bytesOf(slot), bytesOf(value));
	}
}

const bytesOf = (hex) => new Uint8Array(Buffer.from(hex.slice(2), "hex"));

// Once undone, then again: an undone transaction leaves nothing.
async function inMemory(recording, expected, keep) {
	const db = keep(
		new Database([{ kind: MEMORY, keep_empty_accounts: recording.keepEmpty }]),
	);
	const [writer, reader] = [keep(db.handle()), keep(db.handle())];
	write(reader, recording.alloc);
	const undone = writer.snapshot();
	await run(recording, writer);
	writer.revert(undone);
	assert.deepEqual(look(writer, expected.touched), expected.before, "reverted");
	const snapshot = writer.snapshot();
	settle(recording, expected, await run(recording, writer), { writer, reader, snapshot });
}

// ---- a fork ----

// Both ways to open: where no field is needed that URLs do not have, they do.
function openFork(recording, url) {
	if (!recording.keepEmpty) return new Database(`overlay://,fork+${url}`);
	const fork = { kind: FORK, urls: [url], urls_n: 1 };
	return new Database([{ kind: OVERLAY, keep_empty_accounts: true }, fork]);
}

// What a fork cannot say: the recording's overrides; and that there is an account although it is
// empty, as before EIP-161 (JSON-RPC answers the same for one that is not there).
function writeAbove(handle, { alloc, overridden, keepEmpty }) {
	for (const [address, { nonce, balance, code }] of alloc) {
		const empty = nonce === 0n && balance === 0n && code === "0x";
		if (overridden.includes(address) || (keepEmpty && empty))
			handle.setAccount(bytesOf(address), { nonce, balance });
	}
}

function prepare(recording, url, keep, options) {
	const db = keep(openFork(recording, url));
	const [writer, reader] = [keep(db.handle(options)), keep(db.handle())];
	writeAbove(reader, recording);
	return { writer, reader };
}

function finish(recording, expected, outcome, { writer, reader, snapshot }) {
	const told = settle(recording, expected, outcome, { writer, reader, snapshot });
	checkDump(reader.changes(), told.before, told.after);
}

async function synchronous(recording, expected, url, keep) {
	const { writer, reader } = prepare(recording, url, keep);
	const snapshot = writer.snapshot();
	finish(recording, expected, await run(recording, writer), { writer, reader, snapshot });
}

// What is fetched is counted where it arrives. The last run is watched, and misses nothing.
async function resumable(recording, expected, node, ahead, keep) {
	const { writer, reader } = prepare(recording, node.url, keep, { wait: RESUMABLE });
	await node.control({ reset_counters: true });
	await resume(recording, writer, { ahead });
	const { http_requests: trips } = await node.counters();
	const snapshot = writer.snapshot();
	const outcome = await run(recording, writer);
	assert.equal(
		(await node.counters()).http_requests,
		trips,
		"the last run needs nothing",
	);
	finish(recording, expected, outcome, { writer, reader, snapshot });
	return trips;
}

async function inBounds(recording, expected, node, keep) {
	const words = [];
	for (const [way, ahead] of [
		["stopping", false],
		["ahead", true],
	]) {
		const chain = await chainOf(recording, { ahead });
		const trips = await resumable(recording, expected, node, ahead, keep);
		assert.ok(
			trips <= chain,
			`${way}: ${trips} round trips for a chain of ${chain} reads`,
		);
		tally[way] += trips;
		words.push(`${way} ${trips} of ${chain}`);
	}
	return words.join(", ");
}

// ---- faults ----

// Each kind once in nine, of what the ones before let pass: three in ten.
const FAULTS = ["http", "reset", "rpc-error"].map((kind) => {
	const fields = {
		http: { status: 502 },
		"rpc-error": { code: -32000, message: "try again" },
	};
	return { kind, every: 9, ...fields[kind] };
});

// The same result, or one clean error; and when the node is well again, the same result.
async function underFaults(recording, expected, node, attemptOn) {
	await node.control({ faults: FAULTS });
	try {
		await attemptOn();
		tally.same++;
	} catch (error) {
		if (!(error instanceof Failure)) throw error;
		assert.ok(NETWORK_FAILURES.includes(error.err), error.message);
		assert.notEqual(error.detail, "", "an error says what was asked");
		tally.clean++;
		await node.control({ faults: [] });
		await attemptOn();
	}
	await node.control({ faults: [] });
}

// ---- all of it ----

async function everywhere(recording, keep) {
	const expected = await onReference(recording);
	const words = compare(recording, expected);
	await inMemory(recording, expected, keep);
	const node = keep(await startNode(recording));
	await synchronous(recording, expected, node.url, keep);
	const trips = await inBounds(recording, expected, node, keep);
	await underFaults(recording, expected, node, () =>
		synchronous(recording, expected, node.url, keep),
	);
	await underFaults(recording, expected, node, () =>
		resumable(recording, expected, node, true, keep),
	);
	figure(`${hardforkOf(recording)}: ${words}; round trips: ${trips}`);
	tally.compared++;
}

// Files that cannot be executed, and why.
function exceptionOf({ input, kind }) {
	if (kind === undefined && input === undefined)
		return "has a transaction's state but neither the transaction nor its block";
	return undefined;
}

const all = recordings(path.join(process.env.CORPUS_DIR, "geth-tracetest"));
for (const recording of all) {
	recording.keepEmpty =
		exceptionOf(recording) === undefined && keepsEmptyAccounts(recording);
	const why = exceptionOf(recording);
	if (why === undefined)
		await check(recording.name, (keep) => everywhere(recording, keep));
	else console.log(`not run  ${recording.name}: it ${why}`);
}
figure(
	`${tally.compared} of ${all.length} recordings agree; round trips in all: ` +
		`${tally.stopping} stopping, ${tally.ahead} ahead; under faults: ${tally.same} times the ` +
		`same result, ${tally.clean} times one clean error, the same result afterwards`,
);
process.exit(summary() ? 0 : 1);
