// SPDX-License-Identifier: MIT
// ethereumjs's StateManagerInterface over a handle of libforkcache. It keeps nothing that the
// library has: each read and write of the EVM is one of the library's, checkpoints are its
// snapshots. What it does keep: the ids of these, and what slots held before the transaction,
// which is the EVM's business (EIP-2200) and is forgotten with it.
import { require } from "../lib/packages.mjs";

const { Account, bytesToHex, setLengthLeft, unpadBytes } = require("@ethereumjs/util");

// A read that may not wait: the run is over, what it needs is noted.
class Missed extends Error {}

const NO_BYTES = new Uint8Array();

export class State {
	#handle;
	#ahead;
	#checkpoints = [];
	missed = false;
	failure; // the first: ethereumjs takes what is thrown while it moves value for its own

	// ahead: a read that misses is answered as if nothing were there, so that one run finds
	// more of what it needs; its outcome is void.
	constructor(handle, { ahead = false } = {}) {
		this.#handle = handle;
		this.#ahead = ahead;
		const original = new Map();
		this.originalStorageCache = {
			get: async (address, key) => {
				const place = `${address} ${bytesToHex(key)}`;
				if (!original.has(place))
					original.set(
						place,
						await this.getStorage(address, key),
					);
				return original.get(place);
			},
			clear: () => original.clear(),
		};
	}

	#call(name, ...args) {
		try {
			return this.#handle[name](...args);
		} catch (error) {
			this.failure ??= error;
			throw error;
		}
	}

	#read(name, ...args) {
		const answer = this.#call(name, ...args);
		if (answer !== undefined) return answer;
		this.missed = true;
		if (this.#ahead) return undefined;
		throw new Missed(`${name} ${args.map(bytesToHex).join(" ")}`);
	}

	// The storage root is not asked for: over a fork it costs a proof, and ethereumjs wants it
	// only to refuse a creation over storage without code (EIP-7610): no recording has one.
	async getAccount({ bytes }) {
		const told = this.#read("account", bytes);
		if (!told?.exists) return undefined;
		return new Account(told.nonce, told.balance, undefined, told.codeHash);
	}

	async putAccount(address, account) {
		if (account === undefined) return this.deleteAccount(address);
		return this.#call("setAccount", address.bytes, account);
	}

	async deleteAccount({ bytes }) {
		this.#read("deleteAccount", bytes);
	}

	async modifyAccountFields(address, fields) {
		const account = (await this.getAccount(address)) ?? new Account();
		await this.putAccount(address, Object.assign(account, fields));
	}

	// An account is asked for whole: whose code runs is looked at sooner or later, and a remote
	// tells both in one answer.
	async getCode({ bytes }) {
		if (this.#read("account", bytes) === undefined) return NO_BYTES;
		return this.#read("code", bytes) ?? NO_BYTES;
	}

	async getCodeSize(address) {
		return (await this.getCode(address)).length;
	}

	async putCode({ bytes }, code) {
		this.#call("setCode", bytes, code);
	}

	// Without leading zeros, as the EVM has put it.
	async getStorage({ bytes }, key) {
		const value = unpadBytes(this.#read("storage", bytes, key) ?? NO_BYTES);
		return value.length === 1 && value[0] === 0 ? NO_BYTES : value;
	}

	async putStorage({ bytes }, key, value) {
		this.#call("setStorage", bytes, key, setLengthLeft(value, 32));
	}

	async clearStorage({ bytes }) {
		this.#call("clearStorage", bytes);
	}

	async checkpoint() {
		this.#checkpoints.push(this.#call("snapshot"));
	}

	async commit() {
		this.#call("commit", this.#checkpoints.pop());
	}

	async revert() {
		this.#call("revert", this.#checkpoints.pop());
	}

	// Before Byzantium a receipt has the state root. Of the few accounts of a recording there is
	// none to compare it with.
	async getStateRoot() {
		return new Uint8Array(32);
	}

	clearCaches() {}
}
