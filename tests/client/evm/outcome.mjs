// SPDX-License-Identifier: MIT
// What a transaction has left in a state: read back through handles, not from the EVM's memory.
import assert from "node:assert/strict";
import { require } from "../lib/packages.mjs";
import { quantity } from "./recordings.mjs";

const { bytesToHex, hexToBytes } = require("@ethereumjs/util");

// The accounts and slots that a handle has of those that were touched: a map from addresses to
// { account: { exists, nonce, balance, code }, slots }.
export function look(handle, touched) {
	const seen = new Map();
	for (const [address, keys] of touched) {
		const at = hexToBytes(address);
		const { exists, nonce, balance } = handle.account(at);
		const account = { exists, nonce, balance, code: bytesToHex(handle.code(at)) };
		const slots = [...keys].map((key) => [
			key,
			bytesToHex(handle.storage(at, hexToBytes(key))),
		]);
		seen.set(address, { account, slots: new Map(slots) });
	}
	return seen;
}

// go-ethereum's tracers also name accounts that no opcode names: those whose code the
// transaction sets (EIP-7702), and those that code which was called is delegated to.
export function allTouched({ touched, called, to, authorities }, before, after) {
	const all = new Map(touched);
	const touch = (address) => all.has(address) || all.set(address, new Set());
	const follow = (handle, address) => {
		const code = bytesToHex(handle.code(hexToBytes(address)));
		if (code.length === 48 && code.startsWith("0xef0100"))
			touch(`0x${code.slice(8)}`);
	};
	authorities.forEach(touch);
	for (const address of called)
		[before, after].forEach((handle) => follow(handle, address));
	if (to !== undefined) follow(before, to);
	return all;
}

// What is hardest to keep a state for, of what the transaction does.
export function kindsOf({ calls, authorities }) {
	const types = ({ type, calls: inner = [] }) => [type, ...inner.flatMap(types)];
	const kinds = types(calls).filter((type) =>
		/^(CREATE2?|SELFDESTRUCT|DELEGATECALL)$/.test(type),
	);
	return new Set(authorities.length > 0 ? [...kinds, "EIP-7702"] : kinds);
}

// The change dump has what changed, and nothing that did not.
export function checkDump(dump, before, after) {
	const at = (list, address) => list.find((one) => one.address === address);
	const changed = { balances: "balance", nonces: "nonce", codes: "code" };
	const told = new Set(Object.values(dump).flatMap((list) => list.map(addressOf)));
	for (const address of told) assert.ok(after.has(address), `${address} was not touched`);
	for (const [address, is] of after) {
		const was = before.get(address);
		const destroyed = was.account.exists && !is.account.exists;
		if (destroyed)
			assert.ok(dump.selfDestructs.includes(address), `${address} destroyed`);
		for (const [list, field] of Object.entries(changed)) {
			const entry = at(dump[list], address);
			const value =
				field === "code"
					? is.account.code
					: quantity(is.account[field]);
			if (entry !== undefined)
				assert.equal(entry[field], value, `${address} ${field}`);
			else if (!destroyed)
				assert.equal(was.account[field], is.account[field], address);
		}
		if (!destroyed)
			assert.deepEqual(
				slotsOf(dump, address),
				changedSlots(was, is),
				address,
			);
	}
}

const addressOf = (entry) => entry.address ?? entry;

function slotsOf(dump, address) {
	const entries = dump.storage.filter((entry) => entry.address === address);
	return entries.map(({ slot, originalValue, newValue }) => [
		slot,
		originalValue,
		newValue,
	]);
}

function changedSlots(was, is) {
	const slots = [...is.slots].filter(([slot, value]) => was.slots.get(slot) !== value);
	const numbers = slots.map(([slot, value]) =>
		[slot, was.slots.get(slot), value].map(quantity),
	);
	return numbers.sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1));
}
