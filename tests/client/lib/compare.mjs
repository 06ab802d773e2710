// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";

// Asks a map of questions at once; an error is an answer too, by its short message. The whole
// text, in which viem names the URL, is there to be read but is not compared.
function answerOf(error) {
	const answer = { error: error.shortMessage ?? error.message, data: error.data };
	const text = `${error.message} ${error.info?.error?.message ?? ""}`; // ethers hides it in info
	return Object.defineProperty(answer, "text", { value: text, enumerable: false });
}

export async function answers(questions) {
	const entries = Object.entries(questions).map(async ([label, ask]) => {
		try {
			return [label, await ask()];
		} catch (error) {
			return [label, answerOf(error)];
		}
	});
	return Object.fromEntries(await Promise.all(entries));
}

export function same(got, expected, what) {
	assert.deepEqual(
		Object.keys(got),
		Object.keys(expected),
		`${what}: the same questions`,
	);
	const differing = Object.keys(expected).filter((label) => {
		try {
			assert.deepStrictEqual(got[label], expected[label]);
			return false;
		} catch {
			return true;
		}
	});
	if (differing.length === 0) return;
	const [first] = differing;
	assert.deepStrictEqual(
		got[first],
		expected[first],
		`${what}: ${differing.join(", ")} differ; ${first}:`,
	);
}

// An answer that is an error by itself would compare equal: most questions must succeed.
export function allGood(result, except = []) {
	for (const [label, value] of Object.entries(result))
		if (!except.includes(label))
			assert.equal(value?.error, undefined, `${label}: ${value?.error}`);
}
