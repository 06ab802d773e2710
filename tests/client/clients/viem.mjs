// SPDX-License-Identifier: MIT
// viem's public client. at is how it names the block: {blockNumber}, {blockTag} or {blockHash}.
import { require } from "../lib/packages.mjs";
import { chain, strangers } from "../lib/upstream.mjs";
import { absent } from "./questions.mjs";

const viem = require("viem");
const pad = (slot) => viem.toHex(slot, { size: 32 });

export function viemClient(url, { at: { multicall } }, { batch = false, calls = false } = {}) {
	const contracts = { multicall3: { address: multicall } };
	const transport = viem.http(url, { batch, retryCount: 0 });
	const merged = calls ? { multicall: { wait: 0, batchSize: 100_000 } } : undefined;
	return viem.createPublicClient({
		chain: { ...chain, contracts },
		transport,
		batch: merged,
	});
}

// slot: how a slot is spelled
export function viemStateQuestions(client, { at }, where, slot = pad) {
	const each = (things, ask) => () => Promise.all(things.map(ask));
	const store = viem.getAddress(at.store);
	const slots = Array.from({ length: 100 }, (_, i) => slot(i));
	return {
		balances: each([...strangers, absent], (address) =>
			client.getBalance({ address, ...where }),
		),
		nonces: each([at.factory, absent], (address) =>
			client.getTransactionCount({ address, ...where }),
		),
		codes: each([at.big, at.child, absent], (address) =>
			client.getCode({ address, ...where }),
		),
		slots: each(slots, (s) =>
			client.getStorageAt({ address: store, slot: s, ...where }),
		),
		"zero slot": () =>
			client.getStorageAt({ address: store, slot: slot(399), ...where }),
	};
}

export function viemCallQuestions(client, { at, made }, where) {
	const read = (contract, address, functionName, args) => () =>
		client.readContract({
			address,
			abi: made[contract].abi,
			functionName,
			args,
			...where,
		});
	const tokens = strangers.map((who) => ({
		address: at.token,
		abi: made.Token.abi,
		functionName: "balanceOf",
		args: [who],
	}));
	return {
		sum: read("Store", at.store, "sum", [0n, 100n]),
		delegatecall: read("Store", at.proxy, "sum", [0n, 25n]),
		wealth: read("Store", at.store, "wealth", [strangers]),
		revert: read("Store", at.store, "fail", [0n]),
		multicall: () =>
			client.multicall({ contracts: tokens, allowFailure: false, ...where }),
		"several calls": () =>
			Promise.all(
				tokens.map((call) =>
					client.readContract({ ...call, ...where }),
				),
			),
	};
}

export function viemChainQuestions(client, { at, made, earlier, final, finalHash, transfer }) {
	const blockNumber = BigInt(final);
	const range = { fromBlock: BigInt(earlier), toBlock: BigInt(earlier + 12) };
	const { transactionHash: hash } = transfer;
	return {
		"chain id": () => client.getChainId(),
		"block by number": () => client.getBlock({ blockNumber }),
		"block by hash": () => client.getBlock({ blockHash: finalHash }),
		"block with transactions": () =>
			client.getBlock({
				blockNumber: transfer.blockNumber,
				includeTransactions: true,
			}),
		"first block": () => client.getBlock({ blockTag: "earliest" }),
		transaction: () => client.getTransaction({ hash }),
		receipt: () => client.getTransactionReceipt({ hash }),
		logs: () => client.getLogs({ address: at.token, ...range }),
		events: () =>
			client.getContractEvents({
				address: at.token,
				abi: made.Token.abi,
				eventName: "Transfer",
				args: { to: strangers[1] },
				...range,
			}),
		"fee history": () =>
			client.getFeeHistory({
				blockCount: 4,
				blockNumber,
				rewardPercentiles: [25, 75],
			}),
		proof: () =>
			client.getProof({
				address: at.token,
				storageKeys: [pad(1), pad(200)],
				blockNumber,
			}),
		estimate: () =>
			client.estimateContractGas({
				address: at.store,
				abi: made.Store.abi,
				functionName: "note",
				args: [4n],
				account: strangers[3],
				blockNumber,
			}),
		"earlier balance": () =>
			client.getBalance({
				address: strangers[1],
				blockNumber: BigInt(earlier),
			}),
	};
}
