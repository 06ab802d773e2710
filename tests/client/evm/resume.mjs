// SPDX-License-Identifier: MIT
// A transaction on a handle that does not wait: it runs until it needs what is not here, is
// undone, what it needs is fetched in one go, and it runs again.
//
// DEPENDENT READS. Two reads depend on one another when the second is known of only after the
// first has been answered. How many a transaction has, one after another, says how often it
// must at least wait for a remote node. Two measures, by what an interpreter does on a miss:
//
//   stopping   it ends there. Each read is known of only after the one before: the chain has
//              every account (with its code) and slot that the transaction reads and has not
//              written.
//   ahead      it goes on as if nothing were there, and ends with a list. The chain is what is
//              left when everything else has been found on the way: a slot whose place was
//              read, a call to an address that was read, what a condition on a slot leads to.
//
// Neither is taken from the library: chainOf() runs the transaction on the reference, which
// fetches for nothing, and counts. The library, which has caches, makes batches and asks a node
// over HTTP, may not need more round trips than that. Whatever an answer leads astray, each round
// finds at least the first read that is missing: looking ahead never takes more than stopping.
import { execute } from "./execute.mjs";
import { Reference } from "./reference.mjs";
import { State } from "./state.mjs";

// Far above what any recording reads.
const ROUNDS_MAX = 1000;

async function attempt(recording, state) {
	try {
		await execute(recording, state, { watched: false });
		return undefined;
	} catch (error) {
		return error;
	}
}

// Runs until nothing is missed any more and undoes that run, too: the next misses nothing.
// Returns how often there was something to fetch; fetched(), if given, is called each time.
export async function resume(recording, handle, { ahead, fetched }) {
	for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		const snapshot = handle.snapshot();
		const state = new State(handle, { ahead });
		const error = await attempt(recording, state);
		handle.revert(snapshot);
		if (state.failure !== undefined) throw state.failure;
		if (!state.missed && error !== undefined) throw error;
		if (!state.missed) return rounds;
		if (handle.needed() === 0)
			throw new Error("a read is pending, and nothing is needed");
		handle.fetchNeeded();
		await fetched?.();
	}
	throw new Error(`still not done after ${ROUNDS_MAX} rounds`);
}

export async function chainOf(recording, { ahead }) {
	const { alloc, keepEmpty } = recording;
	if (ahead)
		return resume(recording, new Reference(alloc, { keepEmpty, remote: true }), {
			ahead,
		});
	const reference = new Reference(alloc, { keepEmpty });
	await execute(recording, new State(reference), { watched: false });
	return reference.reads.size;
}
