// SPDX-License-Identifier: MIT
// What happens during a day's work: sending through a fork, a restart of the cache below running
// forks, several pins on one cache folder.
import assert from "node:assert/strict";
import { forkWithAnvil, startAnvil } from "./clients/anvil.mjs";
import { ethersProvider, ethersStateQuestions } from "./clients/ethers.mjs";
import { forkWithHardhat2, forkWithHardhat3 } from "./clients/hardhat.mjs";
import { expectedErrors, stateQuestions } from "./clients/questions.mjs";
import { sendFromLibraries } from "./clients/senders.mjs";
import { viemClient, viemStateQuestions } from "./clients/viem.mjs";
import { allGood, answers, same } from "./lib/compare.mjs";
import { startForkcache } from "./lib/forkcache.mjs";
import { freshFolder } from "./lib/packages.mjs";
import { check } from "./lib/runner.mjs";

async function sending(upstream) {
	await check(
		"viem, ethers and cast send through an anvil fork and see their receipts",
		async (keep) => {
			const ask = async (url) =>
				sendFromLibraries(
					keep,
					keep(await forkWithAnvil(url, upstream.final)),
					upstream,
					5,
				);
			const direct = await ask(upstream.url);
			const forkcache = keep(
				await startForkcache({
					upstream: upstream.url,
					block: upstream.final,
				}),
			);
			same(await ask(forkcache.url), direct, "receipts");
		},
	);
}

async function otherForks(upstream) {
	await check("an anvil forked at a transaction, then reset to a block", async (keep) => {
		const { final, earlier, transfer } = upstream;
		const ask = async (url) => {
			const at = ["--fork-transaction-hash", transfer.transactionHash];
			const quick = ["--accounts", "2", "--no-storage-caching"];
			const node = keep(
				await startAnvil(["--fork-url", url, ...at, ...quick]),
			);
			const first = await answers(stateQuestions(node, upstream));
			await node.request("anvil_reset", {
				forking: { jsonRpcUrl: url, blockNumber: earlier },
			});
			const second = await answers(stateQuestions(node, upstream));
			return { first, second, number: await node.request("eth_blockNumber") };
		};
		const direct = await ask(upstream.url);
		allGood(direct.first, expectedErrors);
		const forkcache = keep(
			await startForkcache({ upstream: upstream.url, block: final }),
		);
		same(await ask(forkcache.url), direct, "anvil");
	});
}

async function restart(upstream) {
	await check(
		"running forks go on after forkcache is killed and started again",
		async (keep) => {
			const { at, final } = upstream;
			const before = await startForkcache({
				upstream: upstream.url,
				block: final,
			});
			const nodes = [];
			for (const start of [forkWithAnvil, forkWithHardhat2, forkWithHardhat3])
				nodes.push(keep(await start(before.url, final)));
			const slot = (node, index) =>
				node.request(
					"eth_getStorageAt",
					at.store,
					`0x${index.toString(16)}`,
					"latest",
				);
			const expected = (index) =>
				upstream.request(
					"eth_getStorageAt",
					at.store,
					`0x${index.toString(16)}`,
					`0x${final.toString(16)}`,
				);
			for (const node of nodes)
				assert.equal(
					await slot(node, 11),
					await expected(11),
					node.name,
				);
			await before.kill();
			const listen = new URL(before.url).host;
			keep(
				await startForkcache({
					upstream: upstream.url,
					block: final,
					folder: before.folder,
					listen,
				}),
			);
			for (const node of nodes)
				assert.equal(
					await slot(node, 12),
					await expected(12),
					node.name,
				);
		},
	);
}

async function severalPins(upstream) {
	await check(
		"three pins at once on one cache folder, each with its own answers",
		async (keep) => {
			const folder = freshFolder("pins");
			const blocks = [
				upstream.earlier,
				upstream.earlier + 15,
				upstream.final,
			];
			const ask = async (url, block) => {
				const provider = ethersProvider(url);
				keep({ stop: () => provider.destroy() });
				const client = viemClient(url, upstream, { batch: true });
				return {
					...(await answers(
						viemStateQuestions(client, upstream, {
							blockNumber: BigInt(block),
						}),
					)),
					...(await answers(
						ethersStateQuestions(provider, upstream, block),
					)),
				};
			};
			const direct = await Promise.all(
				blocks.map((block) => ask(upstream.url, block)),
			);
			assert.notDeepEqual(direct[0], direct[1]);
			assert.notDeepEqual(direct[1], direct[2]);
			const servers = [];
			for (const block of blocks)
				servers.push(
					keep(
						await startForkcache({
							upstream: upstream.url,
							block,
							folder,
						}),
					),
				);
			for (const round of ["cold", "warm"]) {
				const got = await Promise.all(
					servers.map(({ url }, i) => ask(url, blocks[i])),
				);
				got.forEach((result, i) =>
					same(result, direct[i], `block ${blocks[i]}, ${round}`),
				);
			}
		},
	);
}

export async function sessionChecks(upstream) {
	await sending(upstream);
	await otherForks(upstream);
	await restart(upstream);
	await severalPins(upstream);
}
