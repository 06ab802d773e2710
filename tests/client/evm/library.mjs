// SPDX-License-Identifier: MIT
// libforkcache by koffi, a C FFI: the functions of include/forkcache.h that an EVM needs. What a
// function says by its return value is thrown as a Failure, but for FC_PENDING.
import fs from "node:fs";
import path from "node:path";
import { build, here, require } from "../lib/packages.mjs";

const koffi = require("koffi");

const bytes = (n) => koffi.array("uint8_t", n, "Typed");

koffi.struct("fc_address", { bytes: bytes(20) });
koffi.struct("fc_bytes32", { bytes: bytes(32) });
koffi.struct("fc_error", { err: "int", detail: koffi.array("char", 512, "String") });
koffi.struct("fc_account", {
	mask: "uint32_t",
	exists: "bool",
	nonce: "uint64_t",
	balance: "fc_bytes32",
	code_hash: "fc_bytes32",
	storage_root: "fc_bytes32",
});
koffi.struct("fc_state_options", {
	size: "size_t",
	wait: "int",
	operations_max: "uint32_t",
	reads_max: "uint32_t",
});
const LAYER = koffi.opaque("fc_layer");
koffi.struct(LAYER, {
	size: "size_t",
	kind: "int",
	below: koffi.pointer(LAYER),
	path: "const char *",
	capacity_bytes: "uint64_t",
	accounts_bytes: "uint64_t",
	slots_bytes: "uint64_t",
	code_bytes: "uint64_t",
	urls: "const char **",
	urls_n: "size_t",
	headers: "const char **",
	headers_n: "size_t",
	token: "const char *",
	block: "const char *",
	ca_file: "const char *",
	chain_id: "uint64_t",
	offline: "bool",
	verify: "bool",
	trust_dev_node: "bool",
	timeout_ms: "uint32_t",
	batch_items: "uint32_t",
	keep_empty_accounts: "bool",
});
for (const name of ["fc_db", "fc_state", "fc_code"]) koffi.pointer(name, koffi.opaque());
koffi.proto("int fc_write_fn(void *cookie, const void *bytes, size_t n)");

const library = koffi.load(path.join(build, "libforkcache.so"));
const declare = (text) => library.func(text);
const HANDLE = "fc_state state";
const AT = `${HANDLE}, const fc_address *address`;

const c = {
	strerror: declare("const char *fc_strerror(int err)"),
	detail: declare(`const char *fc_detail(${HANDLE})`),
	open: declare("int fc_open(const char *urls, _Out_ fc_db *db, _Out_ fc_error *why)"),
	openLayers: declare(
		"int fc_open_layers(const fc_layer *top, _Out_ fc_db *db, _Out_ fc_error *why)",
	),
	close: declare("int fc_close(_Inout_ fc_db *db, _Out_ fc_error *why)"),
	stateNew: declare(
		"int fc_state_new(fc_db db, const fc_state_options *options, _Out_ fc_state *state)",
	),
	stateFree: declare("void fc_state_free(_Inout_ fc_state *state)"),
	getAccount: declare(
		`int fc_get_account(${AT}, uint32_t wanted, _Out_ fc_account *account)`,
	),
	setAccount: declare(`int fc_set_account(${AT}, const fc_account *account)`),
	deleteAccount: declare(`int fc_delete_account(${AT})`),
	getStorage: declare(
		`int fc_get_storage(${AT}, const fc_bytes32 *slot, _Out_ fc_bytes32 *value)`,
	),
	setStorage: declare(
		`int fc_set_storage(${AT}, const fc_bytes32 *slot, const fc_bytes32 *value)`,
	),
	clearStorage: declare(`int fc_clear_storage(${AT})`),
	getCode: declare(`int fc_get_code(${AT}, _Out_ fc_code *code)`),
	setCode: declare(`int fc_set_code(${AT}, const uint8_t *bytes, size_t len)`),
	codeBytes: declare("void *fc_code_bytes(fc_code code)"),
	codeLength: declare("size_t fc_code_length(fc_code code)"),
	codePut: declare("void fc_code_put(_Inout_ fc_code *code)"),
	snapshot: declare(`int fc_snapshot(${HANDLE}, _Out_ uint64_t *id)`),
	revert: declare(`int fc_revert(${HANDLE}, uint64_t id)`),
	snapshotCommit: declare(`int fc_snapshot_commit(${HANDLE}, uint64_t id)`),
	stateRoot: declare(`int fc_state_root(${HANDLE}, _Out_ fc_bytes32 *root)`),
	dumpChanges: declare(
		`int fc_dump_changes(${HANDLE}, fc_write_fn *write, void *cookie)`,
	),
	needed: declare(`const void *fc_needed(${HANDLE}, _Out_ size_t *n)`),
	fetchNeeded: declare(`int fc_fetch_needed(${HANDLE})`),
};

// The enumerators of the header, without their FC_.
const header = fs.readFileSync(path.join(here, "../../include/forkcache.h"), "utf8");
export const FC = Object.fromEntries(
	[...header.matchAll(/\bFC_([A-Z_]+) = (\d+)/g)].map(([, name, value]) => [
		name,
		Number(value),
	]),
);
// What a remote that is away, slow, or talks nonsense may be reported as.
export const NETWORK_FAILURES = [
	FC.ERR_NETWORK,
	FC.ERR_CONNECTION_FAILED,
	FC.ERR_TIMEOUT,
	FC.ERR_QUERY_FAILED,
	FC.ERR_RATE_LIMITED,
];

const ZERO = { bytes: new Uint8Array(32) };

// err: a value of enum fc_err; the message names it and has the library's detail.
export class Failure extends Error {
	constructor(err, detail) {
		super(`${c.strerror(err)}: ${detail}`);
		this.err = err;
		this.detail = detail;
	}
}

export class Database {
	#db = [null];

	// layers: URLs, or an array of { kind, ... } as in struct fc_layer; top to bottom.
	constructor(layers) {
		const why = {};
		const err =
			typeof layers === "string"
				? c.open(layers, this.#db, why)
				: c.openLayers(nested(layers), this.#db, why);
		if (err !== FC.OK) throw new Failure(err, why.detail);
	}

	handle({ wait = FC.BLOCKING } = {}) {
		const options = { size: koffi.sizeof("fc_state_options"), wait };
		return new Handle(this.#db[0], options);
	}

	// Its handles have been freed.
	stop() {
		const why = {};
		const err = c.close(this.#db, why);
		if (err !== FC.OK) throw new Failure(err, why.detail);
	}
}

// Members that are left out are zero.
function nested(layers) {
	const zeros = { Bool: false, Pointer: null, String: null };
	const zero = ({ primitive }) => (primitive in zeros ? zeros[primitive] : 0);
	const members = Object.entries(koffi.type(LAYER).members);
	const all = Object.fromEntries(members.map(([name, { type }]) => [name, zero(type)]));
	const empty = { ...all, size: koffi.sizeof(LAYER) };
	return layers.reduceRight((below, layer) => ({ ...empty, ...layer, below }), null);
}

// Addresses, slots and values are Uint8Arrays of 20 and 32 bytes; balances and nonces BigInts.
// Reads return undefined where the library says FC_PENDING.
class Handle {
	#state = [null];

	constructor(db, options) {
		const err = c.stateNew(db, options, this.#state);
		if (err !== FC.OK) throw new Failure(err, "fc_state_new");
	}

	stop() {
		c.stateFree(this.#state);
	}

	#failure(err) {
		return new Failure(err, c.detail(this.#state[0]));
	}

	#do(err) {
		if (err !== FC.OK) throw this.#failure(err);
	}

	#known(err) {
		if (err !== FC.OK && err !== FC.PENDING) throw this.#failure(err);
		return err === FC.OK;
	}

	account(address) {
		const told = {};
		const wanted = FC.BALANCE | FC.NONCE | FC.CODE_HASH | FC.EXISTS;
		const err = c.getAccount(this.#state[0], { bytes: address }, wanted, told);
		if (!this.#known(err)) return undefined;
		const { exists, nonce, balance, code_hash } = told;
		return {
			exists,
			nonce: BigInt(nonce),
			balance: toBigInt(balance.bytes),
			codeHash: code_hash.bytes,
		};
	}

	setAccount(address, { nonce, balance, codeHash }) {
		const told = {
			mask:
				FC.BALANCE |
				FC.NONCE |
				(codeHash === undefined ? 0 : FC.CODE_HASH),
			nonce,
			balance: { bytes: toBytes32(balance) },
			code_hash: codeHash === undefined ? ZERO : { bytes: codeHash },
			storage_root: ZERO,
		};
		this.#do(c.setAccount(this.#state[0], { bytes: address }, told));
	}

	// What is not there need not be deleted.
	deleteAccount(address) {
		const err = c.deleteAccount(this.#state[0], { bytes: address });
		return err === FC.ERR_ACCOUNT_NOT_FOUND ? true : this.#known(err) || undefined;
	}

	storage(address, slot) {
		const value = {};
		const err = c.getStorage(
			this.#state[0],
			{ bytes: address },
			{ bytes: slot },
			value,
		);
		return this.#known(err) ? value.bytes : undefined;
	}

	setStorage(address, slot, value) {
		const [at, key] = [{ bytes: address }, { bytes: slot }];
		this.#do(c.setStorage(this.#state[0], at, key, { bytes: value }));
	}

	clearStorage(address) {
		this.#do(c.clearStorage(this.#state[0], { bytes: address }));
	}

	code(address) {
		const code = [null];
		if (!this.#known(c.getCode(this.#state[0], { bytes: address }, code)))
			return undefined;
		const length = Number(c.codeLength(code[0]));
		const told =
			length === 0 ? [] : koffi.decode(c.codeBytes(code[0]), bytes(length));
		c.codePut(code);
		return Uint8Array.from(told);
	}

	setCode(address, code) {
		this.#do(c.setCode(this.#state[0], { bytes: address }, code, code.length));
	}

	snapshot() {
		const id = [0];
		this.#do(c.snapshot(this.#state[0], id));
		return id[0];
	}

	revert(id) {
		this.#do(c.revert(this.#state[0], id));
	}

	commit(id) {
		this.#do(c.snapshotCommit(this.#state[0], id));
	}

	stateRoot() {
		const root = {};
		this.#do(c.stateRoot(this.#state[0], root));
		return root.bytes;
	}

	// The change dump, parsed.
	changes() {
		const parts = [];
		const write = (_, text, n) => {
			parts.push(Buffer.from(koffi.decode(text, "uint8_t", Number(n))));
			return 0;
		};
		this.#do(c.dumpChanges(this.#state[0], write, null));
		return JSON.parse(Buffer.concat(parts).toString());
	}

	// How many reads have been noted since they were last fetched.
	needed() {
		const n = [0];
		c.needed(this.#state[0], n);
		return Number(n[0]);
	}

	fetchNeeded() {
		this.#do(c.fetchNeeded(this.#state[0]));
	}
}

function toBigInt(bytes) {
	return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function toBytes32(value) {
	return new Uint8Array(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
}
