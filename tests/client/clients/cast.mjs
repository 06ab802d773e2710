// SPDX-License-Identifier: MIT
// cast, one process per question: block is a number, a tag or a hash, as on its command line.
import * as packages from "../lib/packages.mjs";
import { run } from "../lib/process.mjs";
import { strangers } from "../lib/upstream.mjs";

export async function cast(url, ...args) {
	const { code, text } = await run(packages.cast, [...args, "--rpc-url", url]);
	if (code !== 0) throw new Error(text);
	return text;
}

export function castStateQuestions(url, { at }, block) {
	const ask =
		(...args) =>
		() =>
			cast(url, ...args, "--block", String(block));
	return {
		balance: ask("balance", strangers[2]),
		nonce: ask("nonce", at.factory),
		code: ask("code", at.big),
		storage: ask("storage", at.store, "7"),
		"zero storage": ask("storage", at.store, "399"),
		call: ask("call", at.store, "sum(uint256,uint256)(uint256)", "0", "100"),
		revert: ask("call", at.store, "fail(uint256)", "0"),
		proof: ask("proof", at.token, "0x1"),
	};
}

export function castChainQuestions(url, { at, earlier, final, finalHash, transfer }) {
	const ask =
		(...args) =>
		() =>
			cast(url, ...args);
	const range = ["--from-block", String(earlier), "--to-block", String(earlier + 12)];
	return {
		chain: ask("chain-id"),
		"block by number": ask("block", String(final)),
		"block by hash": ask("block", finalHash),
		"block with transactions": ask(
			"block",
			String(transfer.blockNumber),
			"--full",
			"--json",
		),
		transaction: ask("tx", transfer.transactionHash, "--json"),
		receipt: ask("receipt", transfer.transactionHash, "--json"),
		logs: ask("logs", "--json", ...range, "--address", at.token),
		"fee history": ask(
			"rpc",
			"eth_feeHistory",
			"0x4",
			`0x${final.toString(16)}`,
			"[25,75]",
		),
		"earlier balance": ask("balance", strangers[2], "--block", String(earlier)),
		estimate: ask(
			"estimate",
			at.store,
			"fill(uint256,uint256)",
			"310",
			"2",
			"--block",
			String(final),
		),
		"access list": ask(
			"access-list",
			at.store,
			"sum(uint256,uint256)",
			"0",
			"3",
			"--block",
			String(final),
		),
	};
}
