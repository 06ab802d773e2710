// SPDX-License-Identifier: MIT
// A real EVM over libforkcache: ethereumjs executes recorded transactions, and what comes out is
// compared with what their files record. Run by run.sh; ONLY=pattern runs the recordings whose
// names match. Each runs over
//
//   the reference       state in JavaScript: what ethereumjs makes of the file by itself
//   memory://           the file's state, written through the library
//   overlay://, a fork  of build/mock-node, which serves the file's state, 20 ms away:
//                       synchronous, and resumable in two ways (see resume.mjs), of which
//                       the one that stops at each miss not where reads are too many
//   the same            while three in ten of the node's answers are faults
//
// and each has to leave what the reference leaves, in every account and slot that was touched,
// and the state root that ethereumjs's own trie has then.
import assert from "node:assert/strict";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Process } from "../lib/process.mjs";
import { check, figure, summary } from "../lib/runner.mjs";
import { recordings } from "./recordings.mjs";

// One per core of the smallest machine these tests are for; a worker waits half of its time.
const WORKERS = 2;

const tally = { agree: 0, stopping: 0, ahead: 0, same: 0, clean: 0, kinds: {} };

function add({ kinds, stopping, ahead, same }) {
	tally.agree++;
	tally.stopping += stopping.trips;
	tally.ahead += ahead.trips;
	for (const one of same) tally[one ? "same" : "clean"]++;
	for (const kind of kinds) tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1;
}

class Worker {
	#process;

	async run(number) {
		this.#process ??= new Process(process.execPath, [program], {
			env: process.env,
			ipc: true,
		});
		const { child, ended } = this.#process;
		const answer = new Promise((resolve) => child.once("message", resolve));
		child.send(number);
		const { told, error } = await Promise.race([
			answer,
			ended.then(() => this.#died()),
		]);
		if (error !== undefined) throw Object.assign(new Error(), { stack: error });
		return told;
	}

	async #died() {
		const { code, signal } = await this.#process.ended;
		const error = `the worker ended (${signal ?? code}):\n${this.#process.output()}`;
		this.#process = undefined;
		return { error };
	}
}

const program = fileURLToPath(new URL("worker.mjs", import.meta.url));

async function compareOne(worker, number) {
	const told = await worker.run(number);
	const trips = ({ trips, chain }) =>
		trips === 0
			? `not run, ${chain} reads`
			: `${trips} for ${chain} dependent reads`;
	figure(
		`${told.words}; round trips, resumable: ${trips(told.stopping)}, ` +
			`looking ahead ${trips(told.ahead)}`,
	);
	add(told);
}

// Why a file cannot be executed.
function exceptionOf({ input }) {
	if (input === undefined)
		return "a state by itself: neither the transaction nor its block";
	return undefined;
}

const slotsOf = ({ alloc }) =>
	[...alloc.values()].reduce((sum, { storage }) => sum + storage.size, 0);
const all = recordings(path.join(process.env.CORPUS_DIR, "geth-tracetest"));
const queue = [...all.entries()].sort(([, a], [, b]) => slotsOf(b) - slotsOf(a));

async function work() {
	const worker = new Worker();
	for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
		const [number, recording] = next;
		const why = exceptionOf(recording);
		if (why !== undefined) console.log(`not run  ${recording.name}: ${why}`);
		else await check(recording.name, () => compareOne(worker, number));
	}
}

await Promise.all(Array.from({ length: WORKERS }, work));
figure(
	`${tally.agree} of ${all.length} recordings agree. Round trips, resumable: ` +
		`${tally.stopping}, looking ahead ${tally.ahead}. Under faults ${tally.same} times ` +
		`the same result, ${tally.clean} times one clean error and then the same result`,
);
await check(
	"creations, self-destructs, delegate calls and EIP-7702 are among them",
	async () => {
		figure(JSON.stringify(tally.kinds));
		for (const kind of ["CREATE", "SELFDESTRUCT", "DELEGATECALL", "EIP-7702"])
			assert.ok(tally.kinds[kind] > 0, kind);
	},
);
process.exit(summary() ? 0 : 1);
