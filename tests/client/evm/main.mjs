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
import { startNode } from "./node.mjs";
import { recordings } from "./recordings.mjs";
import {
	inBounds,
	inMemory,
	onReference,
	overFork,
	resumableUnderFaults,
	synchronousUnderFaults,
} from "./runs.mjs";

const tally = { agree: 0, stopping: 0, ahead: 0, same: 0, clean: 0, kinds: {} };

async function everywhere(recording, keep) {
	recording.keepEmpty = keepsEmptyAccounts(recording);
	const { expected, kinds } = await onReference(recording);
	const words = compare(recording, expected);
	await inMemory(recording, expected, keep);
	const node = keep(await startNode(recording));
	await overFork(recording, expected, node, keep);
	const stopping = await inBounds(recording, expected, node, false, keep);
	const ahead = await inBounds(recording, expected, node, true, keep);
	for (const run of [synchronousUnderFaults, resumableUnderFaults])
		tally[(await run(recording, expected, node, keep)) ? "same" : "clean"]++;
	const trips = ({ trips, chain }) => `${trips} for ${chain} dependent reads`;
	figure(
		`${hardforkOf(recording)}: ${words}; round trips, resumable: ${trips(stopping)}, ` +
			`looking ahead ${trips(ahead)}`,
	);
	tally.agree++;
	tally.stopping += stopping.trips;
	tally.ahead += ahead.trips;
	for (const kind of kinds) tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1;
}

// Why a file cannot be executed.
function exceptionOf({ input }) {
	if (input === undefined)
		return "a state by itself: neither the transaction nor its block";
	return undefined;
}

const all = recordings(path.join(process.env.CORPUS_DIR, "geth-tracetest"));
for (const [number, recording] of all.entries()) {
	recording.number = number;
	const why = exceptionOf(recording);
	if (why !== undefined) console.log(`not run  ${recording.name}: ${why}`);
	else await check(recording.name, (keep) => everywhere(recording, keep));
}
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
