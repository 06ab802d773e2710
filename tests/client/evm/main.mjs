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
// and each has to leave what the reference leaves, in every account and slot that was touched,
// and the state root that ethereumjs's own trie has then.
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
import { rootAfter } from "./merkle.mjs";
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

// Two handles of one database: a transaction is run on the writer, since its snapshot, and is
// nobody else's until that is committed.
function session(db, keep, options) {
	return {
		writer: keep(db.handle(options)),
		reader: keep(db.handle()),
		snapshot: undefined,
	};
}

async function runOn(recording, session) {
	session.snapshot = session.writer.snapshot();
	return run(recording, session.writer);
}

function undo(session) {
	if (session.snapshot !== undefined) session.writer.revert(session.snapshot);
	session.snapshot = undefined;
}

// What the writer did is published, and read back through the reader, which had not seen it.
function settle(recording, expected, outcome, session) {
	const { writer, reader } = session;
	const touched = allTouched(outcome, reader, writer);
	const before = look(reader, touched);
	const own = look(writer, touched);
	writer.commit(session.snapshot);
	session.snapshot = undefined;
	const after = look(reader, touched);
	const told = { calls: outcome.calls, touched, before, after };
	assert.deepEqual(own, after, "what the writer saw, and what is published");
	assert.deepEqual(told, expected, "as over the reference");
	compare(recording, told);
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
	const layers = [{ kind: MEMORY, keep_empty_accounts: recording.keepEmpty }];
	const own = session(keep(new Database(layers)), keep);
	write(own.reader, recording.alloc);
	await runOn(recording, own);
	undo(own);
	assert.deepEqual(look(own.writer, expected.touched), expected.before, "undone");
	settle(recording, expected, await runOn(recording, own), own);
	assert.equal(rootOf(own.reader), await rootAfter(recording), "state root");
}

const rootOf = (handle) => `0x${Buffer.from(handle.stateRoot()).toString("hex")}`;

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

function forkOf(recording, { url }, keep, options) {
	const own = session(keep(openFork(recording, url)), keep, options);
	writeAbove(own.reader, recording);
	return own;
}

function finish(recording, expected, outcome, session) {
	settle(recording, expected, outcome, session);
	checkDump(session.reader.changes(), expected.before, expected.after);
}

async function synchronous(recording, expected, session) {
	finish(recording, expected, await runOn(recording, session), session);
}

async function resumable(recording, expected, session, ahead) {
	await resume(recording, session.writer, { ahead });
	finish(recording, expected, await runOn(recording, session), session);
}

// What is fetched is counted where it arrives.
async function roundTrips(recording, expected, node, ahead, keep) {
	const session = forkOf(recording, node, keep, { wait: RESUMABLE });
	await node.control({ reset_counters: true });
	await resume(recording, session.writer, { ahead });
	const { http_requests: trips } = await node.counters();
	const outcome = await runOn(recording, session);
	const { http_requests: then } = await node.counters();
	assert.equal(then, trips, "the last run needs nothing");
	finish(recording, expected, outcome, session);
	return trips;
}

async function inBounds(recording, expected, node, keep) {
	const words = [];
	for (const [way, ahead] of [
		["stopping", false],
		["ahead", true],
	]) {
		const chain = await chainOf(recording, { ahead });
		const trips = await roundTrips(recording, expected, node, ahead, keep);
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

// What passes: 429, 503, resets, truncated and slow replies, internal errors, null. Three in ten.
const FAULTS = { fault_rate: 30, fault_seed: 1 };
const NO_FAULTS = { fault_rate: 0 };

// The same result, or one clean error, after which the handle is as good as before: when the
// node is well again, the same result.
async function underFaults(recording, node, keep, options, attempt) {
	let session;
	await node.control(FAULTS);
	try {
		session = forkOf(recording, node, keep, options);
		await attempt(session);
		tally.same++;
	} catch (error) {
		if (!(error instanceof Failure)) throw error;
		assert.ok(NETWORK_FAILURES.includes(error.err), error.message);
		assert.notEqual(error.detail, "", "an error says what was asked");
		tally.clean++;
		await node.control(NO_FAULTS);
		session ??= forkOf(recording, node, keep, options);
		undo(session);
		await attempt(session);
	}
	await node.control(NO_FAULTS);
}

// ---- all of it ----

async function everywhere(recording, keep) {
	const expected = await onReference(recording);
	const words = compare(recording, expected);
	await inMemory(recording, expected, keep);
	const node = keep(await startNode(recording));
	const fork = forkOf(recording, node, keep);
	await synchronous(recording, expected, fork);
	assert.equal(
		rootOf(fork.reader),
		await rootAfter(recording),
		"state root, over the fork",
	);
	const trips = await inBounds(recording, expected, node, keep);
	await underFaults(recording, node, keep, {}, (session) =>
		synchronous(recording, expected, session),
	);
	await underFaults(recording, node, keep, { wait: RESUMABLE }, (session) =>
		resumable(recording, expected, session, true),
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
