// SPDX-License-Identifier: MIT
// The recorded transactions: files of go-ethereum's, core-geth's and reth's tracer tests, each a
// transaction, its block, the state that it touches ("alloc") and what the node's tracer said.
// The folder says which tracer that was.
import fs from "node:fs";
import path from "node:path";

const KINDS = {
	call_tracer: "calls",
	call_tracer_withLog: "calls",
	prestate_tracer: "prestate",
	prestate_tracer_with_diff_mode: "diff",
	"coregeth-state_diff": "changes",
};

function read(folder, file) {
	const recorded = JSON.parse(fs.readFileSync(path.join(folder, file)));
	return {
		name: file.replace(/\.json$/, ""),
		path: path.join(folder, file),
		kind: KINDS[path.dirname(file)],
		genesis: recorded.genesis,
		alloc: allocOf(recorded),
		overridden: Object.keys(recorded.stateOverrides ?? {}).map((address) =>
			address.toLowerCase(),
		),
		context: recorded.context,
		input: recorded.input,
		result: recorded.result,
		options: recorded.tracerConfig ?? {},
	};
}

// Addresses and slots in one spelling, values as numbers and hex; overrides belong to the state.
function allocOf({ genesis, stateOverrides = {} }) {
	const alloc = new Map();
	for (const [address, account] of Object.entries(genesis?.alloc ?? {}))
		alloc.set(withPrefix(address.toLowerCase()), accountOf(account));
	for (const [address, { balance }] of Object.entries(stateOverrides))
		alloc.get(address.toLowerCase()).balance = BigInt(balance);
	return alloc;
}

function accountOf({ balance = "0x0", nonce = 0, code = "0x", storage }) {
	const slots = Object.entries(storage ?? {}).map(([slot, value]) => [
		word(slot),
		word(value),
	]);
	return {
		balance: BigInt(balance),
		nonce: BigInt(nonce),
		code,
		storage: new Map(slots),
	};
}

export const withPrefix = (hex) => (hex.startsWith("0x") ? hex : `0x${hex}`);
export const word = (value) => `0x${BigInt(value).toString(16).padStart(64, "0")}`;
export const quantity = (value) => `0x${BigInt(value).toString(16)}`;

export function recordings(folder) {
	const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
	return files
		.filter((file) => file.isFile() && file.name.endsWith(".json"))
		.map((file) =>
			path.relative(
				folder,
				path.join(file.parentPath ?? file.path, file.name),
			),
		)
		.sort()
		.map((file) => read(folder, file));
}
