// SPDX-License-Identifier: MIT
// ethers: batches up to 100 by default; block is a number, a tag or a 32-byte hash string.
import { require } from "../lib/packages.mjs";
import { chainId, strangers } from "../lib/upstream.mjs";
import { absent } from "./questions.mjs";

const ethers = require("ethers");

export function ethersProvider(url, { batchMaxCount = 100 } = {}) {
	const network = ethers.Network.from(chainId);
	return new ethers.JsonRpcProvider(url, network, {
		batchMaxCount,
		staticNetwork: network,
		cacheTimeout: -1,
	});
}

export function ethersStateQuestions(provider, { at }, block) {
	const each = (things, ask) => () => Promise.all(things.map(ask));
	const slots = Array.from({ length: 150 }, (_, i) => i);
	return {
		balances: each([...strangers, absent], (who) =>
			provider.getBalance(who, block),
		),
		nonces: each([at.factory, absent], (who) =>
			provider.getTransactionCount(who, block),
		),
		codes: each([at.big, at.child, absent], (who) => provider.getCode(who, block)),
		slots: each(slots, (slot) =>
			provider.getStorage(ethers.getAddress(at.store), slot, block),
		),
	};
}

export function ethersCallQuestions(provider, { at, made }, block) {
	const store = new ethers.Contract(at.store, made.Store.abi, provider);
	const token = new ethers.Contract(at.token, made.Token.abi, provider);
	const where = { blockTag: block };
	return {
		sum: () => store.sum(0, 100, where),
		wealth: () => store.wealth(strangers, where),
		revert: () => store.fail.staticCall(0, where),
		tokens: () => Promise.all(strangers.map((who) => token.balanceOf(who, where))),
	};
}

// What a block or a receipt says, without the object's tie to its provider.
const plain = (thing) => thing && JSON.parse(JSON.stringify(thing));

export function ethersChainQuestions(
	provider,
	{ at, made, earlier, final, finalHash, transfer },
) {
	const token = new ethers.Contract(at.token, made.Token.abi, provider);
	const range = { fromBlock: earlier, toBlock: earlier + 12 };
	const { transactionHash: hash } = transfer;
	return {
		network: () => provider.send("eth_chainId", []),
		"block by number": async () => plain(await provider.getBlock(final)),
		"block by hash": async () => plain(await provider.getBlock(finalHash)),
		"block with transactions": async () =>
			plain(await provider.getBlock(Number(transfer.blockNumber), true)),
		transaction: async () => plain(await provider.getTransaction(hash)),
		receipt: async () => plain(await provider.getTransactionReceipt(hash)),
		logs: async () =>
			plain(await provider.getLogs({ address: at.token, ...range })),
		events: async () =>
			plain(
				await token.queryFilter(
					token.filters.Transfer(null, strangers[1]),
					earlier,
					earlier + 12,
				),
			),
		"fee history": () =>
			provider.send("eth_feeHistory", [
				"0x4",
				ethers.toQuantity(final),
				[25, 75],
			]),
		"earlier balance": () => provider.getBalance(strangers[1], earlier),
	};
}
