// SPDX-License-Identifier: MIT
// Runs recordings in a process of its own, one after another, as main.mjs asks for them: what
// crashes here is one failed test, and blocking reads of two workers wait side by side.
import path from "node:path";
import { hardforkOf, keepsEmptyAccounts } from "./chain.mjs";
import { compare } from "./compare.mjs";
import { startNode } from "./node.mjs";
import { recordings } from "./recordings.mjs";
import { chainOf } from "./resume.mjs";
import {
	inBounds,
	inMemory,
	onReference,
	overFork,
	resumableUnderFaults,
	synchronousUnderFaults,
} from "./runs.mjs";

// A run that stops at each miss begins as often as there are reads, and takes the longer the more
// there have been: beyond this many it takes minutes, and only looking ahead is tried.
const STOPPING_MAX = 64;

async function stoppingTrips(recording, ...rest) {
	const chain = await chainOf(recording, { ahead: false });
	return chain > STOPPING_MAX ? { trips: 0, chain } : inBounds(recording, ...rest);
}

// Returns what main.mjs prints and adds up.
async function everywhere(recording, keep) {
	recording.keepEmpty = keepsEmptyAccounts(recording);
	const { expected, kinds } = await onReference(recording);
	const words = `${hardforkOf(recording)}: ${compare(recording, expected)}`;
	await inMemory(recording, expected, keep);
	const node = keep(await startNode(recording));
	await overFork(recording, expected, node, keep);
	const stopping = await stoppingTrips(recording, expected, node, false, keep);
	const ahead = await inBounds(recording, expected, node, true, keep);
	const same = [];
	for (const run of [synchronousUnderFaults, resumableUnderFaults])
		same.push(await run(recording, expected, node, keep));
	return { words, kinds: [...kinds], stopping, ahead, same };
}

async function answerTo(number) {
	const kept = [];
	const keep = (thing) => (kept.unshift(thing), thing);
	try {
		return { told: await everywhere({ ...all[number], number }, keep) };
	} catch (error) {
		return { error: error.stack };
	} finally {
		for (const thing of kept) await thing.stop();
	}
}

const all = recordings(path.join(process.env.CORPUS_DIR, "geth-tracetest"));
process.on("message", async (number) => process.send(await answerTo(number)));
process.on("disconnect", () => process.exit(0));
