// SPDX-License-Identifier: MIT
// The ways in which a recording is run over the library. Each ends with the same comparison: what
// can be read back is what the reference has, and what the file records.
import assert from "node:assert/strict";
import { compare } from "./compare.mjs";
import { execute } from "./execute.mjs";
import { Database, Failure, FC, NETWORK_FAILURES } from "./library.mjs";
import { rootAfter } from "./merkle.mjs";
import { allTouched, checkDump, kindsOf, look } from "./outcome.mjs";
import { Reference } from "./reference.mjs";
import { chainOf, resume } from "./resume.mjs";
import { State } from "./state.mjs";

// ---- one run ----

async function run(recording, handle) {
	const state = new State(handle);
	const outcome = await execute(recording, state);
	if (state.failure !== undefined) throw state.failure;
	return outcome;
}

// What ethereumjs makes of the file by itself: { expected, kinds }.
export async function onReference(recording) {
	const { alloc, keepEmpty } = recording;
	const [before, after] = [1, 2].map(() => new Reference(alloc, { keepEmpty }));
	const outcome = await run(recording, after);
	const touched = allTouched(outcome, before, after);
	const [was, is] = [before, after].map((handle) => look(handle, touched));
	const expected = { calls: outcome.calls, touched, before: was, after: is };
	return { expected, kinds: kindsOf(outcome) };
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
export async function inMemory(recording, expected, keep) {
	const layers = [{ kind: FC.MEMORY, keep_empty_accounts: recording.keepEmpty }];
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
	const fork = { kind: FC.FORK, urls: [url], urls_n: 1 };
	return new Database([{ kind: FC.OVERLAY, keep_empty_accounts: true }, fork]);
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

export async function overFork(recording, expected, node, keep) {
	const fork = forkOf(recording, node, keep);
	await synchronous(recording, expected, fork);
	assert.equal(rootOf(fork.reader), await rootAfter(recording), "state root");
}

async function resumable(recording, expected, session, ahead) {
	await resume(recording, session.writer, { ahead });
	finish(recording, expected, await runOn(recording, session), session);
}

// Counted where they arrive. Requests that are under way side by side (balances in one, slots in
// another) are one round trip: of a fetch, all but those that were in flight together.
async function roundTrips(recording, expected, node, ahead, keep) {
	const session = forkOf(recording, node, keep, { wait: FC.RESUMABLE });
	let trips = 0;
	const fetched = async () => {
		const { http_requests, max_in_flight } = await node.counters();
		trips += http_requests - Math.max(max_in_flight, 1) + 1;
		await node.control({ reset_counters: true });
	};
	await node.control({ reset_counters: true });
	await resume(recording, session.writer, { ahead, fetched });
	const outcome = await runOn(recording, session);
	assert.equal((await node.counters()).http_requests, 0, "the last run asks for nothing");
	finish(recording, expected, outcome, session);
	return trips;
}

// Both measures of resume.mjs: { trips, chain }.
export async function inBounds(recording, expected, node, ahead, keep) {
	const chain = await chainOf(recording, { ahead });
	const trips = await roundTrips(recording, expected, node, ahead, keep);
	const way = ahead ? "ahead" : "stopping";
	assert.ok(trips <= chain, `${way}: ${trips} round trips for a chain of ${chain} reads`);
	return { trips, chain };
}

// ---- faults ----

// What passes: 429, 503, resets, truncated and slow replies, internal errors, null. Three in ten;
// the node is near, for it is asked many times.
const FAULTS = { fault_rate: 30, latency_ms: 1 };

// The same result (true), or one clean error (false), after which the handle is as good as
// before: when the node is well again, the same result. Each seed is another run of chance.
async function underFaults(recording, node, keep, options, attempt) {
	let session;
	let same = true;
	await node.control({ ...FAULTS, fault_seed: recording.number });
	try {
		session = forkOf(recording, node, keep, options);
		await attempt(session);
	} catch (error) {
		if (!(error instanceof Failure)) throw error;
		assert.ok(NETWORK_FAILURES.includes(error.err), error.message);
		assert.notEqual(error.detail, "", "an error says what was asked");
		await node.control({ fault_rate: 0 });
		session ??= forkOf(recording, node, keep, options);
		undo(session);
		await attempt(session);
		same = false;
	}
	await node.control({ fault_rate: 0 });
	return same;
}

export async function synchronousUnderFaults(recording, expected, node, keep) {
	return underFaults(recording, node, keep, {}, (session) =>
		synchronous(recording, expected, session),
	);
}

export async function resumableUnderFaults(recording, expected, node, keep) {
	return underFaults(recording, node, keep, { wait: FC.RESUMABLE }, (session) =>
		resumable(recording, expected, session, true),
	);
}
