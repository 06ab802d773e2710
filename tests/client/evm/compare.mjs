// SPDX-License-Identifier: MIT
// A transaction's outcome against what its file records, each kind of file in its own words.
import assert from "node:assert/strict";
import { require } from "../lib/packages.mjs";
import { quantity, word } from "./recordings.mjs";

const { bytesToHex, hexToBytes } = require("@ethereumjs/util");
const { keccak_256 } = require("@noble/hashes/sha3.js");

const ZERO = word(0);
const isEmpty = ({ balance, nonce, code }) => balance === 0n && nonce === 0n && code === "0x";
const hashOf = (code) => bytesToHex(keccak_256(hexToBytes(code)));
const defined = (object) =>
	Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

// ---- calls: gas, input, output, errors, values and logs of every frame ----

// The files were recorded over years: logs have an index, and delegate calls a value, in those
// made since the tracer tells them.
function frameOf(ours, theirs, options) {
	const { calls = [], logs = [], ...rest } = ours;
	const frame = defined(rest);
	if (theirs?.value === undefined && frame.type === "DELEGATECALL") delete frame.value;
	if (calls.length > 0)
		frame.calls = calls.map((call, n) =>
			frameOf(call, theirs?.calls?.[n], options),
		);
	if (options.withLog && logs.length > 0)
		frame.logs = logs.map((log, n) => {
			const { index, ...others } = log;
			return theirs?.logs?.[n]?.index === undefined ? others : log;
		});
	return frame;
}

const frames = ({ calls = [] }) => calls.reduce((sum, call) => sum + frames(call), 1);
const logs = (frame) =>
	(frame.calls ?? []).reduce((sum, call) => sum + logs(call), frame.logs?.length ?? 0);

function compareCalls({ result, options }, outcome) {
	assert.deepStrictEqual(frameOf(outcome.calls, result, options), result, "calls");
	const recorded = options.withLog ? `, ${logs(result)} logs` : "";
	return `gas ${BigInt(result.gasUsed)}, ${frames(result)} frames${recorded}`;
}

// ---- prestate: what was touched, and what it was ----

function accountOf(account, slots, { disableCode, disableStorage }) {
	const hasCode = account.code !== "0x";
	return defined({
		balance: quantity(account.balance),
		nonce: account.nonce === 0n ? undefined : Number(account.nonce),
		code: hasCode && !disableCode ? account.code : undefined,
		codeHash: hasCode ? hashOf(account.code) : undefined,
		storage:
			disableStorage || slots.size === 0
				? undefined
				: Object.fromEntries(slots),
	});
}

function comparePrestate({ result, options }, { touched, before }) {
	const told = {};
	for (const address of touched.keys()) {
		const { account, slots } = before.get(address);
		if (options.includeEmpty || !isEmpty(account))
			told[address] = accountOf(account, slots, options);
	}
	assert.deepStrictEqual(told, result, "prestate");
	return `${Object.keys(result).length} accounts and ${slotsOf(result)} slots touched`;
}

const slotsOf = (accounts) =>
	Object.values(accounts).reduce(
		(sum, { storage = {} }) => sum + Object.keys(storage).length,
		0,
	);

// ---- diff: what of it the transaction changed, before and after ----

function changedSlots(was, is) {
	return [...was.slots.keys()].filter(
		(slot) => was.slots.get(slot) !== is.slots.get(slot),
	);
}

function postOf(was, is) {
	const changed = (field, text) =>
		was.account[field] === is.account[field] ? undefined : text(is.account[field]);
	const slots = changedSlots(was, is).map((slot) => [slot, is.slots.get(slot)]);
	const kept = slots.filter(([, value]) => value !== ZERO);
	return defined({
		balance: changed("balance", quantity),
		nonce: changed("nonce", Number),
		code: changed("code", (code) => code),
		codeHash: changed("code", hashOf),
		storage: kept.length === 0 ? undefined : Object.fromEntries(kept),
		slots: slots.length === 0 ? undefined : slots.length,
	});
}

function preOf({ account, slots }, changed) {
	const kept = [...slots].filter(
		([slot, value]) => changed.includes(slot) && value !== ZERO,
	);
	return accountOf(account, new Map(kept), {});
}

function compareDiff({ result }, { touched, before, after }) {
	const told = { pre: {}, post: {} };
	for (const address of touched.keys()) {
		const [was, is] = [before.get(address), after.get(address)];
		const destroyed = !isEmpty(was.account) && !is.account.exists;
		const { slots, ...post } = postOf(was, is);
		if (destroyed) told.pre[address] = accountOf(was.account, was.slots, {});
		else if (slots !== undefined || Object.keys(post).length > 0) {
			told.post[address] = post;
			if (!isEmpty(was.account))
				told.pre[address] = preOf(was, changedSlots(was, is));
		}
	}
	assert.deepStrictEqual(told, result, "state before and after");
	return `${Object.keys(result.pre).length} accounts before, ${Object.keys(result.post).length} after`;
}

// ---- changes: core-geth's and Parity's way to say the same ----

// Accounts that core-geth's tracer left out although they changed, and why that is known.
const LEFT_OUT = {
	// Created, then called without enough gas. That it was created follows from the file itself:
	// its creator reverts when EXTCODESIZE says no, and has not (its nonce and balance changed).
	"coregeth-state_diff/internal_oog": ["0xf68029b503e17c173ee37963d1bb6b2d699cfa90"],
};

function changesOf(was, is) {
	const born = isEmpty(was.account) && !isEmpty(is.account);
	const died = !isEmpty(was.account) && !is.account.exists;
	const change = (from, to) => {
		if (born) return { "+": to };
		if (died) return { "-": from };
		return from === to ? "=" : { "*": { from, to } };
	};
	const field = (name, text) => change(text(was.account[name]), text(is.account[name]));
	const slots = died ? [] : changedSlots(was, is);
	const storage = slots.map((slot) => [
		slot,
		change(was.slots.get(slot), is.slots.get(slot)),
	]);
	return {
		balance: field("balance", quantity),
		nonce: field("nonce", quantity),
		code: field("code", (code) => code),
		storage: Object.fromEntries(storage),
	};
}

// A slot that is new and zero is no change; core-geth tells a few of them, and not the others.
function withoutZeros(accounts) {
	const kept = ([, change]) => change["+"] !== ZERO;
	const changed = ({ storage, ...fields }) => {
		return {
			...fields,
			storage: Object.fromEntries(Object.entries(storage).filter(kept)),
		};
	};
	return Object.fromEntries(
		Object.entries(accounts).map(([key, told]) => [key, changed(told)]),
	);
}

function compareChanges({ name, result }, { touched, before, after }) {
	const told = {};
	const left = LEFT_OUT[name] ?? [];
	for (const address of touched.keys()) {
		const { storage, ...fields } = changesOf(
			before.get(address),
			after.get(address),
		);
		const changed = Object.values(fields).some((change) => change !== "=");
		if (changed || Object.keys(storage).length > 0)
			told[address] = { ...fields, storage };
	}
	for (const address of left) {
		assert.ok(told[address], `${address} changed`);
		delete told[address];
	}
	assert.deepStrictEqual(told, withoutZeros(result), "changes");
	const slots = `${Object.keys(result).length} accounts and ${slotsOf(result)} slots changed`;
	return left.length > 0 ? `${slots}, without ${left} (see compare.mjs)` : slots;
}

const COMPARISONS = {
	calls: compareCalls,
	prestate: comparePrestate,
	diff: compareDiff,
	changes: compareChanges,
};

// outcome: { calls, touched, before, after }, the last two maps from each touched address to
// { account: { exists, balance, nonce, code }, slots }. Returns what was compared, in words.
export function compare(recording, outcome) {
	return COMPARISONS[recording.kind](recording, outcome);
}
