// SPDX-License-Identifier: MIT
// What a handle of libforkcache promises, in JavaScript and by copying everything: the answers
// to compare with, and the count of reads that depend on one another.
import { require } from "../lib/packages.mjs";
import { word } from "./recordings.mjs";

const { bytesToHex, hexToBytes } = require("@ethereumjs/util");
const { keccak_256 } = require("@noble/hashes/sha3.js");

const ABSENT = { nonce: 0n, balance: 0n, code: "0x", storage: new Map() };
const isEmpty = ({ nonce, balance, code }) => nonce === 0n && balance === 0n && code === "0x";

export class Reference {
	#alloc;
	#known; // keys of what is below that have been fetched; undefined: all of them
	#needed = new Set();
	reads = new Set(); // keys of what is below that have been read
	#keepEmpty;
	#written = new Map(); // address to { fields, wiped, slots, exists }
	#snapshots = [];

	// remote: what is below is unknown until it is fetched. An account comes with its code.
	constructor(alloc, { keepEmpty = false, remote = false } = {}) {
		this.#alloc = alloc;
		this.#keepEmpty = keepEmpty;
		this.#known = remote ? new Set() : undefined;
	}

	#below(address, key) {
		this.reads.add(key);
		if (this.#known === undefined || this.#known.has(key))
			return this.#alloc.get(address) ?? ABSENT;
		this.#needed.add(key);
		return undefined;
	}

	// The account with all that was written, undefined when something of it has to be fetched.
	#account(address) {
		const written = this.#written.get(address);
		if (written?.whole)
			return { ...ABSENT, ...written.fields, exists: written.exists };
		const below = this.#below(address, address);
		if (below === undefined) return undefined;
		return {
			...below,
			...written?.fields,
			exists: written?.exists ?? this.#alloc.has(address),
		};
	}

	#write(address) {
		if (!this.#written.has(address))
			this.#written.set(address, {
				fields: {},
				slots: new Map(),
				exists: true,
			});
		return this.#written.get(address);
	}

	account(bytes) {
		const account = this.#account(bytesToHex(bytes));
		if (account === undefined) return undefined;
		const { nonce, balance, code } = account;
		const exists = !isEmpty(account) || (this.#keepEmpty && account.exists);
		return { exists, nonce, balance, codeHash: keccak_256(hexToBytes(code)) };
	}

	setAccount(bytes, { nonce, balance }) {
		const written = this.#write(bytesToHex(bytes));
		Object.assign(written.fields, { nonce, balance });
		written.exists = true;
	}

	deleteAccount(bytes) {
		const gone = {
			fields: {},
			slots: new Map(),
			exists: false,
			whole: true,
			wiped: true,
		};
		this.#written.set(bytesToHex(bytes), gone);
		return true;
	}

	code(bytes) {
		const account = this.#account(bytesToHex(bytes));
		return account && hexToBytes(account.code);
	}

	setCode(bytes, code) {
		const written = this.#write(bytesToHex(bytes));
		written.fields.code = bytesToHex(code);
		written.exists = true;
	}

	storage(bytes, slot) {
		const [address, key] = [bytesToHex(bytes), bytesToHex(slot)];
		const written = this.#written.get(address);
		const value = written?.slots.get(key) ?? (written?.wiped ? word(0) : undefined);
		if (value !== undefined) return hexToBytes(value);
		const below = this.#below(address, `${address} ${key}`);
		return below && hexToBytes(below.storage.get(key) ?? word(0));
	}

	setStorage(bytes, slot, value) {
		this.#write(bytesToHex(bytes)).slots.set(bytesToHex(slot), bytesToHex(value));
	}

	clearStorage(bytes) {
		Object.assign(this.#write(bytesToHex(bytes)), {
			wiped: true,
			slots: new Map(),
		});
	}

	snapshot() {
		const copy = ([address, { fields, slots, ...flags }]) => {
			return [
				address,
				{ ...flags, fields: { ...fields }, slots: new Map(slots) },
			];
		};
		this.#snapshots.push(new Map([...this.#written].map(copy)));
		return this.#snapshots.length;
	}

	revert(id) {
		this.#written = this.#snapshots[id - 1];
		this.#snapshots.length = id - 1;
	}

	commit(id) {
		this.#snapshots.length = id - 1;
	}

	needed() {
		return this.#needed.size;
	}

	fetchNeeded() {
		this.#needed.forEach((key) => this.#known.add(key));
		this.#needed.clear();
	}
}
