// SPDX-License-Identifier: MIT
// Two anvils on disjoint slots at once: neither waits for the other, no slot is fetched twice.
import assert from "node:assert/strict";
import { forkWithAnvil } from "./clients/anvil.mjs";
import { calldata } from "./clients/questions.mjs";
import { Counter } from "./lib/counter.mjs";
import { startForkcache } from "./lib/forkcache.mjs";
import { check, figure } from "./lib/runner.mjs";

const LATENCY_MS = 30;
const SLOTS = 100;

async function timed(node, upstream, from) {
	const data = calldata(upstream).sum(from, SLOTS);
	const start = performance.now();
	const result = await node.request(
		"eth_call",
		{ to: upstream.at.store, data },
		"latest",
	);
	return { result, ms: performance.now() - start };
}

// Each of `froms` in a fork of its own, all at once, behind one fresh forkcache.
async function together(upstream, froms) {
	const kept = [];
	const keep = (thing) => (kept.unshift(thing), thing);
	try {
		const counter = keep(await Counter.start(upstream.url));
		const forkcache = keep(
			await startForkcache({ upstream: counter.url, block: upstream.final }),
		);
		const nodes = [];
		for (let i = 0; i < froms.length; i++)
			nodes.push(keep(await forkWithAnvil(forkcache.url, upstream.final)));
		// What each fork asks once, whichever call comes first, is not what is measured.
		await Promise.all(nodes.map((node) => timed(node, upstream, 300)));
		counter.reset();
		counter.latency_ms = LATENCY_MS;
		const runs = await Promise.all(
			nodes.map((node, i) => timed(node, upstream, froms[i])),
		);
		return { runs, slots: slotsAsked(counter), requests: counter.requests };
	} finally {
		for (const thing of kept) await thing.stop();
	}
}

// Single slots, and many in one eth_getStorageValues or eth_getProof.
function slotsAsked(counter) {
	const slots = [];
	for (const { method, params } of counter.items) {
		if (method === "eth_getStorageAt") slots.push(params[1]);
		if (method === "eth_getStorageValues")
			slots.push(...Object.values(params[0]).flat());
		if (method === "eth_getProof") slots.push(...params[1]);
	}
	return slots.map((slot) => BigInt(slot)).sort((a, b) => Number(a - b));
}

const numbers = (from) => Array.from({ length: SLOTS }, (_, i) => BigInt(from + i));

export async function sharingChecks(upstream) {
	await check("two anvils on disjoint slots do not wait for each other", async () => {
		const first = await together(upstream, [0]);
		const second = await together(upstream, [SLOTS]);
		const both = await together(upstream, [0, SLOTS]);
		const alone = [first.runs[0], second.runs[0]];
		assert.deepEqual(first.slots, numbers(0), "alone, each slot is fetched once");
		assert.deepEqual(
			both.slots,
			[...numbers(0), ...numbers(SLOTS)],
			"together, each slot is fetched once",
		);
		both.runs.forEach(({ result, ms }, i) => {
			assert.equal(result, alone[i].result);
			const ratio = (ms / alone[i].ms).toFixed(3);
			figure(
				`fork ${i + 1}: ${SLOTS} cold slots at ${LATENCY_MS} ms: alone ${alone[i].ms.toFixed(0)} ms, beside the other ${ms.toFixed(0)} ms, ratio ${ratio}`,
			);
		});
		figure(
			`upstream requests: alone ${first.requests} and ${second.requests}, together ${both.requests}`,
		);
	});
	await check("two anvils on equal slots fetch each of them once", async () => {
		const both = await together(upstream, [200, 200]);
		assert.deepEqual(both.slots, numbers(200));
		assert.equal(both.runs[0].result, both.runs[1].result);
		figure(
			`${both.requests} upstream requests for two forks that read ${SLOTS} slots each`,
		);
	});
}
