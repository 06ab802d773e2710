// SPDX-License-Identifier: MIT
// Libraries and cast that send through a fork node (an anvil), each waiting in its own way.
import { cast } from "./cast.mjs";
import { ethersProvider } from "./ethers.mjs";
import { calldata } from "./questions.mjs";
import { require } from "../lib/packages.mjs";
import { chain, mnemonic } from "../lib/upstream.mjs";

const viem = require("viem");
const ethers = require("ethers");
const { mnemonicToAccount } = require("viem/accounts");

async function sendWithViem(url, to, data) {
	const account = mnemonicToAccount(mnemonic, { addressIndex: 0 });
	const transport = viem.http(url, { retryCount: 0 });
	const wallet = viem.createWalletClient({ account, chain, transport });
	const hash = await wallet.sendTransaction({ to, data });
	const reader = viem.createPublicClient({ chain, transport, pollingInterval: 5 });
	const { status, gasUsed } = await reader.waitForTransactionReceipt({ hash });
	return { status, gasUsed };
}

async function sendWithEthers(keep, url, to, data) {
	const provider = ethersProvider(url);
	keep({ stop: () => provider.destroy() });
	provider.pollingInterval = 5;
	const path = "m/44'/60'/0'/0/1";
	const wallet = ethers.HDNodeWallet.fromPhrase(mnemonic, "", path).connect(provider);
	const sent = await wallet.sendTransaction({ to, data });
	const { status, gasUsed } = await sent.wait();
	return { status, gasUsed };
}

async function sendWithCast(url, to, data) {
	const key = ["--mnemonic", mnemonic, "--mnemonic-index", "0"];
	const { status, gasUsed } = JSON.parse(
		await cast(url, "send", to, data, "--json", ...key),
	);
	return { status, gasUsed };
}

// value: told apart, transactions are new ones
export async function sendFromLibraries(keep, node, { at, made }, value) {
	const data = calldata({ made }).note(value);
	return {
		viem: await sendWithViem(node.url, at.store, data),
		ethers: await sendWithEthers(keep, node.url, at.store, data),
		cast: await sendWithCast(node.url, at.store, data),
	};
}
