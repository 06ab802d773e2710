// SPDX-License-Identifier: MIT
// forkcache without --fork-block: the clients' own tags and pins, near the head and far below,
// mean what they mean on the upstream itself.
import assert from "node:assert/strict";
import { askEthers, askForkNode, askViem } from "./answers.mjs";
import { forkWithAnvil } from "./clients/anvil.mjs";
import { ethersProvider } from "./clients/ethers.mjs";
import { forkWithHardhat2, forkWithHardhat3 } from "./clients/hardhat.mjs";
import { expectedErrors } from "./clients/questions.mjs";
import { viemClient } from "./clients/viem.mjs";
import { allGood, answers, same } from "./lib/compare.mjs";
import { startForkcache } from "./lib/forkcache.mjs";
import { strangers } from "./lib/upstream.mjs";
import { check } from "./lib/runner.mjs";

// What only a server that follows is asked: the head itself, and what hangs on it.
function headQuestions(client, provider) {
	const [who] = strangers;
	return {
		number: () => client.getBlockNumber({ cacheTime: 0 }),
		latest: () =>
			client.getBlock({ blockTag: "latest", includeTransactions: true }),
		safe: () => client.getBlock({ blockTag: "safe" }),
		finalized: () => client.getBlock({ blockTag: "finalized" }),
		"latest receipts": async () => {
			const { transactions } = await client.getBlock();
			return Promise.all(
				transactions.map((hash) =>
					client.getTransactionReceipt({ hash }),
				),
			);
		},
		"fee history": () =>
			client.getFeeHistory({ blockCount: 5, rewardPercentiles: [50] }),
		"gas price": () => client.getGasPrice(),
		fees: () => client.estimateFeesPerGas(),
		balance: () => client.getBalance({ address: who }),
		"pending nonce": () =>
			client.getTransactionCount({ address: who, blockTag: "pending" }),
		"ethers' number": () => provider.getBlockNumber(),
		"ethers' balance": () => provider.getBalance(who),
		"ethers' fees": async () => JSON.stringify(await provider.getFeeData()),
	};
}

function askHead(keep, upstream, url) {
	const provider = ethersProvider(url);
	keep({ stop: () => provider.destroy() });
	return answers(headQuestions(viemClient(url, upstream, { batch: true }), provider));
}

const follow = (upstream, trust = true) => startForkcache({ upstream: upstream.url, trust });

async function forkNodes(upstream) {
	const nodes = {
		anvil: forkWithAnvil, // forks at the head
		"hardhat 2": forkWithHardhat2, // some blocks below it
		"hardhat 3": forkWithHardhat3,
	};
	for (const [name, start] of Object.entries(nodes))
		await check(`${name}, unpinned, on a server that follows`, async (keep) => {
			const ask = (url) => askForkNode(keep, start, upstream, url, undefined);
			const direct = await ask(upstream.url);
			allGood(direct, expectedErrors);
			const { url } = keep(await follow(upstream));
			for (const round of ["cold", "warm"])
				same(await ask(url), direct, `${name}, ${round}`);
		});
}

async function libraries(upstream) {
	const { final, finalHash, head } = upstream;
	const { hash: headHash } = await upstream.reader.getBlock({
		blockNumber: BigInt(head),
	});
	const viemNames = [
		{ blockTag: "latest" },
		{ blockTag: "safe" },
		{ blockTag: "finalized" },
		{ blockTag: "pending" },
		{ blockNumber: BigInt(head) },
		{ blockHash: headHash },
		{ blockNumber: BigInt(final) },
		{ blockHash: finalHash },
	];
	const ethersNames = ["latest", "safe", "finalized", "pending", head, headHash, final];

	await check("viem names blocks of a server that follows", async (keep) => {
		const { url } = keep(await follow(upstream));
		for (const name of viemNames) {
			const direct = await askViem(upstream, upstream.url, {}, name);
			allGood(direct, ["revert"]);
			for (const way of [{}, { batch: true }, { calls: true }])
				same(
					await askViem(upstream, url, way, name),
					direct,
					`${Object.entries(name)} ${Object.keys(way)}`,
				);
		}
	});

	await check("ethers names blocks of a server that follows", async (keep) => {
		const { url } = keep(await follow(upstream));
		for (const name of ethersNames) {
			const direct = await askEthers(keep, upstream, upstream.url, {}, name);
			allGood(direct, ["revert"]);
			for (const way of [{}, { batchMaxCount: 1 }])
				same(
					await askEthers(keep, upstream, url, way, name),
					direct,
					`block ${name}`,
				);
		}
	});
}

// The upstream goes on: this changes it, and comes last.
async function movingHead(upstream) {
	const mine = async () => {
		const [from] = await upstream.request("eth_accounts");
		const value = "0x7";
		await upstream.request("eth_sendTransaction", {
			from,
			to: strangers[0],
			value,
		});
		await upstream.request("anvil_mine", "0x3");
	};

	await check(
		"an untrusted upstream's head is seen with the next request",
		async (keep) => {
			const { url } = keep(await follow(upstream, false));
			for (let round = 0; round < 5; round++) {
				const direct = await askHead(keep, upstream, upstream.url);
				allGood(direct);
				same(
					await askHead(keep, upstream, url),
					direct,
					`round ${round}`,
				);
				await mine();
			}
		},
	);

	await check("a trusted upstream's head is seen soon, and whole", async (keep) => {
		const { url } = keep(await follow(upstream));
		const client = viemClient(url, upstream);
		// What is safe and final may be a minute old.
		const ask = async (where) => {
			const { safe, finalized, ...soon } = await askHead(
				keep,
				upstream,
				where,
			);
			assert.ok(
				finalized.number <= safe.number && safe.number <= soon.number,
			);
			return soon;
		};
		for (let round = 0; round < 3; round++) {
			await mine();
			const direct = await ask(upstream.url);
			const seen = async () => {
				const number = await client.getBlockNumber({ cacheTime: 0 });
				assert.ok(
					number <= direct.number,
					"no block that is not there",
				);
				return number === direct.number;
			};
			while (!(await seen()));
			for (const again of ["cold", "warm"])
				same(await ask(url), direct, `${round}, ${again}`);
		}
	});
}

export async function followingChecks(upstream) {
	await forkNodes(upstream);
	await libraries(upstream);
	await movingHead(upstream);
}
