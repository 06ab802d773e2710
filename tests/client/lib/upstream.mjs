// SPDX-License-Identifier: MIT
// The upstream: a real anvil with contracts, transfers, logs and some hundred blocks. `final`
// lies so far below its head that its `finalized` tag is above it; `late` does not.
import { startAnvil } from "../clients/anvil.mjs";
import { bigContract, contracts } from "./contracts.mjs";
import { require } from "./packages.mjs";

const viem = require("viem");
const { mnemonicToAccount } = require("viem/accounts");

export const chainId = 424242;
export const mnemonic = "test test test test test test test test test test test junk";
export const slotCount = 300; // slots of Store that hold a value; it has 400

export const chain = {
	id: chainId,
	name: "upstream",
	nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
	rpcUrls: { default: { http: [] } },
};

// Strangers to every fork node, so their balances are the upstream's and not a node's own.
export const strangers = Array.from({ length: 20 }, (_, i) =>
	viem.getAddress(
		`0x${(0xabcdef0000n + BigInt(i * 257)).toString(16).padStart(40, "5a")}`,
	),
);

export async function startUpstream() {
	const node = await startAnvil([
		"--chain-id",
		String(chainId),
		"--accounts",
		"10",
		"--hardfork",
		"prague",
	]);
	const transport = viem.http(node.url);
	const account = mnemonicToAccount(mnemonic, { addressIndex: 9 });
	const wallet = viem.createWalletClient({ account, chain, transport });
	const reader = viem.createPublicClient({ chain, transport, pollingInterval: 5 });
	const made = contracts();
	const mined = (hash) => reader.waitForTransactionReceipt({ hash });
	const deploy = async (contract, args = []) =>
		(await mined(await wallet.deployContract({ ...contract, args })))
			.contractAddress;
	const write = async (address, { abi }, functionName, args) =>
		mined(await wallet.writeContract({ address, abi, functionName, args }));

	const at = {};
	at.store = await deploy(made.Store);
	at.token = await deploy(made.Token, [10n ** 24n]);
	at.proxy = await deploy(made.Proxy, [at.store]);
	at.factory = await deploy(made.Factory);
	at.multicall = await deploy(made.Multicall3);
	at.big = await deploy({ abi: [], bytecode: bigContract(24063) });
	for (let from = 0; from < slotCount; from += 100)
		await write(at.store, made.Store, "fill", [BigInt(from), 100n]);
	await write(at.proxy, made.Store, "fill", [0n, 20n]);
	await write(at.factory, made.Factory, "make", [3n]);
	at.child = await reader.readContract({
		address: at.factory,
		abi: made.Factory.abi,
		functionName: "children",
		args: [1n],
	});
	const earlier = Number(await reader.getBlockNumber()); // no stranger has anything yet
	let transfer;
	for (const [i, stranger] of strangers.entries()) {
		await mined(
			await wallet.sendTransaction({
				to: stranger,
				value: BigInt(i + 1) * 10n ** 15n,
			}),
		);
		transfer = await write(at.token, made.Token, "transfer", [
			stranger,
			BigInt(i + 1),
		]);
	}
	const final = Number(await reader.getBlockNumber()) + 40;
	await node.request("anvil_mine", viem.toHex(40));
	// Later blocks change what was there: an answer from the wrong block is a wrong answer.
	await write(at.store, made.Store, "fill", [380n, 10n]);
	await mined(await wallet.sendTransaction({ to: strangers[0], value: 5n }));
	await write(at.token, made.Token, "transfer", [strangers[1], 77n]);
	await node.request("anvil_mine", viem.toHex(100));
	const head = Number(await reader.getBlockNumber());
	const finalized = Number((await reader.getBlock({ blockTag: "finalized" })).number);
	if (finalized <= final)
		throw new Error(`block ${final} is not final: finalized is ${finalized}`);
	const { hash } = await reader.getBlock({ blockNumber: BigInt(final) });
	const { stop, url, request } = node;
	return {
		stop,
		url,
		request,
		at,
		made,
		earlier,
		final,
		finalHash: hash,
		head,
		transfer,
		reader,
	};
}
