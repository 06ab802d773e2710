// SPDX-License-Identifier: MIT
// contracts/Clients.sol, compiled once per version of its text: { Store: {abi, bytecode}, … }.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { here, installed, require } from "./packages.mjs";

function compile(source) {
	const input = {
		language: "Solidity",
		sources: { "Clients.sol": { content: source } },
		settings: {
			evmVersion: "prague",
			optimizer: { enabled: true },
			outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
		},
	};
	const output = JSON.parse(require("solc").compile(JSON.stringify(input)));
	const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
	if (errors.length > 0)
		throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
	const made = {};
	for (const [name, { abi, evm }] of Object.entries(output.contracts["Clients.sol"]))
		made[name] = { abi, bytecode: `0x${evm.bytecode.object}` };
	return made;
}

export function contracts() {
	const source = fs.readFileSync(path.join(here, "contracts/Clients.sol"), "utf8");
	const digest = crypto.createHash("sha256").update(source).digest("hex").slice(0, 16);
	const file = path.join(installed, `contracts-${digest}.json`);
	if (!fs.existsSync(file)) fs.writeFileSync(file, JSON.stringify(compile(source)));
	return JSON.parse(fs.readFileSync(file, "utf8"));
}

// Init code that returns `size` bytes of code: a STOP, then bytes that never repeat in 32.
export function bigContract(size) {
	const code = Buffer.alloc(size);
	for (let at = 32; at < size; at += 32) code.writeUInt32BE(at, at);
	const length = size.toString(16).padStart(4, "0");
	// PUSH2 size DUP1 PUSH1 12 PUSH0 CODECOPY PUSH0 RETURN, 10 bytes and 2 of padding
	return `0x61${length}80600c5f395ff30000${code.toString("hex")}`;
}
