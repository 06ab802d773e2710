// SPDX-License-Identifier: MIT
// What go-ethereum's tracers say about a transaction, from ethereumjs's events: the tree of
// calls with their logs, and the accounts and slots that were touched. Reads no state itself.
import { require } from "../lib/packages.mjs";
import { quantity, word } from "./recordings.mjs";

const { bytesToHex, generateAddress, generateAddress2 } = require("@ethereumjs/util");

const low160 = (value) => `0x${word(value).slice(26)}`;
const bytesOf = (hex) => new Uint8Array(Buffer.from(hex.slice(2), "hex"));

// ethereumjs's names for what ends a frame, in go-ethereum's words.
const ERRORS = [
	[/^revert/, "execution reverted"],
	[/^out of gas/, "out of gas"],
	[/^invalid JUMP/, "invalid jump destination"],
];
const NO_FUNDS = "insufficient balance for transfer";
// Gas that a call is given by the value it carries (Yellow Paper, G_callstipend).
const STIPEND = 2300n;

// Where on the stack each opcode has its value and the place of its input; null: no value.
const CALLS = {
	CALL: { value: 2, input: 3 },
	CALLCODE: { value: 2, input: 3 },
	DELEGATECALL: { value: null, input: 2 },
	STATICCALL: { value: null, input: 2 },
};

function errorOf(error) {
	return ERRORS.find(([pattern]) => pattern.test(error))?.[1] ?? error;
}

// Error(string), as Solidity encodes it; undefined for anything else.
function reasonOf(output) {
	if (!output.startsWith("0x08c379a0")) return undefined;
	const data = Buffer.from(output.slice(10), "hex");
	const number = (at) => Number(BigInt(`0x${data.toString("hex", at, at + 32)}`));
	const at = number(0);
	return data.toString("utf8", at + 32, at + 32 + number(at));
}

// Memory grows by what is read; what was not written is zero.
function memoryOf(memory, offset, size) {
	const bytes = new Uint8Array(Number(size));
	bytes.set(memory.subarray(Number(offset), Number(offset + size)));
	return bytes;
}

function nonceBytes(nonce) {
	const hex = nonce === 0n ? "" : nonce.toString(16);
	return bytesOf(`0x${hex.length % 2 ? "0" : ""}${hex}`);
}

class Watch {
	constructor({ tx, block }, senderNonce) {
		const sender = tx.getSenderAddress();
		const created = () =>
			bytesToHex(generateAddress(sender.bytes, nonceBytes(senderNonce)));
		this.frames = [];
		this.opcodes = [];
		this.logs = 0;
		this.called = new Set();
		this.touched = new Map();
		this.touch(sender.toString());
		this.touch(tx.to?.toString() ?? created());
		this.touch(block.header.coinbase.toString());
	}

	touch(address) {
		if (!this.touched.has(address)) this.touched.set(address, new Set());
		return this.touched.get(address);
	}

	// An opcode that its frame cannot pay for, or that lacks an argument, touches nothing.
	step(event) {
		const { opcode, stack, gasLeft, address, depth } = event;
		this.opcodes[depth] = opcode.name;
		if (opcode.dynamicFee > gasLeft) return;
		const top = (n) => stack[stack.length - 1 - n];
		const has = (n) => stack.length >= n;
		if (/^S(LOAD|STORE)$/.test(opcode.name) && has(1))
			this.touch(address.toString()).add(word(top(0)));
		else if (/^(EXTCODE.*|BALANCE|SELFDESTRUCT)$/.test(opcode.name) && has(1))
			this.touch(low160(top(0)));
		if (opcode.name in CALLS && has(6)) this.#calls(event, top);
		if (/^CREATE2?$/.test(opcode.name) && has(3)) this.#creates(event, top);
		if (opcode.name === "SELFDESTRUCT" && has(1)) this.#destroys(event, top);
		if (/^LOG\d$/.test(opcode.name) && has(2)) this.#logs(event, top);
		if (opcode.name === "RETURN" && has(2))
			this.frames.at(-1).returned = memoryOf(event.memory, top(0), top(1));
	}

	// A call of more than there is ends before it becomes a message.
	#calls({ opcode, account, address, memory }, top) {
		const target = low160(top(1));
		this.touch(target);
		this.called.add(target);
		const places = CALLS[opcode.name];
		const value = places.value === null ? 0n : top(places.value);
		if (value <= account.balance) return;
		this.frames.at(-1).calls.push({
			type: opcode.name,
			from: address.toString(),
			to: target,
			gas: quantity(top(0) + STIPEND),
			gasUsed: "0x0",
			input: bytesToHex(
				memoryOf(memory, top(places.input), top(places.input + 1)),
			),
			value: quantity(value),
			error: NO_FUNDS,
		});
	}

	#creates({ opcode, address, account, memory }, top) {
		const created =
			opcode.name === "CREATE"
				? generateAddress(address.bytes, nonceBytes(account.nonce))
				: generateAddress2(
						address.bytes,
						bytesOf(word(top(3))),
						memoryOf(memory, top(1), top(2)),
					);
		this.touch(bytesToHex(created));
	}

	#destroys({ address, account }, top) {
		this.frames.at(-1).calls.push({
			type: "SELFDESTRUCT",
			from: address.toString(),
			to: low160(top(0)),
			gas: "0x0",
			gasUsed: "0x0",
			input: "0x",
			value: quantity(account.balance),
		});
	}

	#logs({ opcode, address, memory }, top) {
		const frame = this.frames.at(-1);
		const topics = Array.from({ length: Number(opcode.name.slice(3)) }, (_, n) =>
			top(2 + n),
		);
		frame.logs.push({
			address: address.toString(),
			topics: topics.map(word),
			data: bytesToHex(memoryOf(memory, top(0), top(1))),
			index: quantity(this.logs++),
			position: quantity(frame.calls.length),
		});
	}

	enter(message) {
		const called = this.opcodes[message.depth - 1];
		const elsewhere = called === "DELEGATECALL" || called === "CALLCODE";
		this.frames.push({
			type: called ?? (message.to === undefined ? "CREATE" : "CALL"),
			from: (message.delegatecall ? message.to : message.caller).toString(),
			to: (elsewhere ? message.codeAddress : message.to)?.toString(),
			gas: quantity(message.gasLimit),
			input: bytesToHex(message.data),
			value: called === "STATICCALL" ? undefined : quantity(message.value),
			calls: [],
			logs: [],
		});
	}

	leave({ execResult, createdAddress }) {
		const { returned, ...frame } = this.frames.pop();
		// Before Homestead a contract whose code could not be paid for was created without code:
		// no error, and ethereumjs has dropped what was returned.
		const unpaid = execResult.exceptionError?.error === "code store out of gas";
		const output = bytesToHex(unpaid ? returned : execResult.returnValue);
		const error = unpaid ? undefined : execResult.exceptionError?.error;
		frame.gasUsed = quantity(execResult.executionGasUsed);
		frame.to ??= createdAddress?.toString();
		if (error !== undefined) this.#fails(frame, errorOf(error), output);
		else if (output !== "0x") frame.output = output;
		if (this.frames.length > 0) this.frames.at(-1).calls.push(frame);
		else this.root = frame;
	}

	#fails(frame, error, output) {
		frame.error = error;
		withoutLogs(frame);
		if (frame.type.startsWith("CREATE")) frame.to = undefined;
		if (error !== "execution reverted" || output === "0x") return;
		frame.output = output;
		frame.revertReason = reasonOf(output);
	}
}

function withoutLogs(frame) {
	if (frame.logs !== undefined) frame.logs = [];
	frame.calls?.forEach(withoutLogs);
}

// Attaches to a VM that is about to run the transaction. Afterwards: root is the tree of calls,
// touched a map from addresses to sets of slots, called the set of addresses that were called.
export function watch(vm, transaction, senderNonce) {
	const seen = new Watch(transaction, senderNonce);
	vm.evm.events.on("beforeMessage", (message) => seen.enter(message));
	vm.evm.events.on("afterMessage", (result) => seen.leave(result));
	vm.evm.events.on("step", (event) => seen.step(event));
	return seen;
}
