// SPDX-License-Identifier: MIT
// What is asked of a fork node, whichever it is, by its own JSON-RPC interface.
import { answers } from "../lib/compare.mjs";
import { require } from "../lib/packages.mjs";
import { strangers } from "../lib/upstream.mjs";

const { encodeFunctionData, toHex } = require("viem");

export const absent = "0x00000000000000000000000000000000deadbeef";
export const unknownHash = `0x${"ab".repeat(32)}`;
// Hardhat's coinbase and dev accounts: every fork asks for its own, so all are read when warming.
const ownAccounts = [
	"0xc014ba5ec014ba5ec014ba5ec014ba5ec014ba5e",
	"0x0000000000000000000000000000000000000000",
];

export function calldata(upstream) {
	const of = (contract, functionName, ...args) =>
		encodeFunctionData({ abi: upstream.made[contract].abi, functionName, args });
	return {
		sum: (from, count) => of("Store", "sum", BigInt(from), BigInt(count)),
		fill: (from, count) => of("Store", "fill", BigInt(from), BigInt(count)),
		note: (value) => of("Store", "note", BigInt(value)),
		fail: () => of("Store", "fail", 0n),
		wealth: () => of("Store", "wealth", strangers),
		total: () => of("Factory", "total"),
		tokens: (who) => of("Token", "balanceOf", who),
		transfer: (to, value) => of("Token", "transfer", to, BigInt(value)),
	};
}

export function stateQuestions(node, upstream) {
	const { at } = upstream;
	const data = calldata(upstream);
	const ask =
		(...args) =>
		() =>
			node.request(...args);
	// Hardhat 2 finds no rules for the forked block of a chain that it does not know, whatever
	// its configuration says; for the block on top it takes the configured ones.
	const tip = node.name === "hardhat 2" ? "pending" : "latest";
	const call = (to, input) => ask("eth_call", { to, data: input }, tip);
	return {
		balances: () =>
			Promise.all(
				[...strangers, absent, ...ownAccounts].map((who) =>
					node.request("eth_getBalance", who, "latest"),
				),
			),
		nonces: () =>
			Promise.all(
				[at.factory, strangers[0], absent].map((who) =>
					node.request("eth_getTransactionCount", who, "latest"),
				),
			),
		"big code": ask("eth_getCode", at.big, "latest"),
		"child's code": ask("eth_getCode", at.child, "latest"),
		"no code": ask("eth_getCode", absent, "latest"),
		slot: ask("eth_getStorageAt", at.store, "0x7", "latest"),
		"zero slot": ask("eth_getStorageAt", at.store, "0x18f", "latest"),
		"100 slots": call(at.store, data.sum(0, 100)),
		delegatecall: call(at.proxy, data.sum(0, 25)),
		wealth: call(at.store, data.wealth()),
		"created contracts": call(at.factory, data.total()),
		tokens: call(at.token, data.tokens(strangers[4])),
		revert: call(at.store, data.fail()),
	};
}

export function chainQuestions(node, upstream) {
	const { at, earlier, final, finalHash, transfer } = upstream;
	const data = calldata(upstream);
	const ask =
		(...args) =>
		() =>
			node.request(...args);
	const range = {
		fromBlock: toHex(final - 50),
		toBlock: toHex(final - 40),
		address: at.token,
	};
	return {
		"chain id": ask("eth_chainId"),
		"block number": ask("eth_blockNumber"),
		"latest block": ask("eth_getBlockByNumber", "latest", false),
		"block with transactions": ask(
			"eth_getBlockByNumber",
			toHex(transfer.blockNumber),
			true,
		),
		"first block": ask("eth_getBlockByNumber", "earliest", false),
		"block by hash": ask("eth_getBlockByHash", finalHash, false),
		transaction: ask("eth_getTransactionByHash", transfer.transactionHash),
		receipt: ask("eth_getTransactionReceipt", transfer.transactionHash),
		"no receipt": ask("eth_getTransactionReceipt", unknownHash),
		logs: ask("eth_getLogs", range),
		"logs of a block": ask("eth_getLogs", { blockHash: transfer.blockHash }),
		"fee history": ask(
			"eth_feeHistory",
			"0x4",
			toHex(transfer.blockNumber),
			[25, 75],
		),
		proof: ask("eth_getProof", at.token, ["0x1"], toHex(final)),
		"a block's receipts": ask("eth_getBlockReceipts", toHex(transfer.blockNumber)),
		trace: ask("debug_traceTransaction", transfer.transactionHash),
		"earlier balance": ask("eth_getBalance", strangers[0], toHex(earlier)),
		"earlier call": ask(
			"eth_call",
			{ to: at.store, data: data.wealth() },
			toHex(earlier),
		),
		estimate: ask("eth_estimateGas", { to: at.store, data: data.fill(310, 2) }),
	};
}

// Answers that are errors on the upstream itself too.
export const expectedErrors = [
	"revert",
	"earlier call",
	"proof",
	"a block's receipts",
	"trace",
];

async function receiptOf(node, hash) {
	for (;;) {
		const receipt = await node.request("eth_getTransactionReceipt", hash);
		if (receipt) return receipt;
	}
}

export async function sendOwn(node, to, data) {
	const [from] = await node.request("eth_accounts");
	return receiptOf(
		node,
		await node.request("eth_sendTransaction", { from, to, data, gas: "0x200000" }),
	);
}

// Sends on the fork, one transaction after another; what a receipt says apart from the time.
export async function transactions(node, upstream) {
	const { at } = upstream;
	const data = calldata(upstream);
	const kind = node.name === "anvil" ? "anvil" : "hardhat";
	const sender = strangers[5];
	const [own] = await node.request("eth_accounts");
	await node.request(`${kind}_impersonateAccount`, sender);
	await node.request(`${kind}_setBalance`, sender, "0xde0b6b3a7640000");
	const send = async (from, to, input) => {
		const sent = { from, to, data: input, gas: "0x200000" };
		const receipt = await receiptOf(
			node,
			await node.request("eth_sendTransaction", sent),
		);
		const { status, gasUsed, blockNumber, logs } = receipt;
		return {
			status,
			gasUsed,
			blockNumber,
			logs: logs.map(({ topics, data }) => ({ topics, data })),
		};
	};
	const sent = {
		transfer: await send(sender, at.token, data.transfer(absent, 3)),
		fill: await send(own, at.store, data.fill(350, 5)),
		note: await send(own, at.store, data.note(9)),
		value: await send(own, absent, "0x"),
	};
	const after = await answers({
		tokens: () =>
			node.request(
				"eth_call",
				{ to: at.token, data: data.tokens(absent) },
				"latest",
			),
		sum: () =>
			node.request(
				"eth_call",
				{ to: at.store, data: data.sum(340, 20) },
				"latest",
			),
		nonce: () => node.request("eth_getTransactionCount", own, "latest"),
	});
	return { ...sent, ...after };
}
