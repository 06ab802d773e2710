// SPDX-License-Identifier: MIT
// Cases run one after another; what a case started is ended with it, whether it threw or not.
const counts = { passed: 0, failed: 0, skipped: 0 };
const only = process.env.ONLY && new RegExp(process.env.ONLY);

export class Skip extends Error {}

// Far above what the slowest case takes: what hangs must fail instead.
const DEADLINE_MS = 90_000;

function withDeadline(promise, ms) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no end after ${ms / 1000} s`)), ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A comparison of whole blocks fills screens; its beginning and the stack are enough.
function shortened(text) {
	const lines = text.split("\n").map((line) => `      ${line.slice(0, 300)}`);
	if (lines.length > 50) lines.splice(30, lines.length - 45, "      …");
	return lines.join("\n");
}

// body(keep): keep(thing) returns the thing and stops it, last first, when the case is over.
export async function check(name, body) {
	if (only && !only.test(name)) {
		counts.skipped++;
		return;
	}
	const kept = [];
	const keep = (thing) => (kept.unshift(thing), thing);
	const from = performance.now();
	let outcome = "passed";
	let why;
	try {
		await withDeadline(body(keep), DEADLINE_MS);
	} catch (error) {
		outcome = error instanceof Skip ? "skipped" : "failed";
		why = error;
	}
	for (const thing of kept) {
		try {
			await thing.stop();
		} catch (error) {
			outcome = "failed";
			why ??= error;
		}
	}
	counts[outcome]++;
	const seconds = ((performance.now() - from) / 1000).toFixed(1);
	console.log(
		`${outcome === "passed" ? "ok" : outcome.toUpperCase()}  ${name} (${seconds} s)`,
	);
	if (outcome === "skipped") console.log(`      ${why.message}`);
	if (outcome === "failed") console.log(shortened(String(why?.stack ?? why)));
}

export function figure(text) {
	console.log(`      ${text}`);
}

export function summary() {
	console.log(
		`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
	);
	return counts.failed === 0;
}
