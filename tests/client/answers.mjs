// SPDX-License-Identifier: MIT
// Every client gives through forkcache the answers that it gives on the upstream itself.
import { forkWithAnvil } from "./clients/anvil.mjs";
import * as cast from "./clients/cast.mjs";
import * as ethers from "./clients/ethers.mjs";
import { forgeProject, forgeTest } from "./clients/forge.mjs";
import { forkWithHardhat2, forkWithHardhat3 } from "./clients/hardhat.mjs";
import * as questions from "./clients/questions.mjs";
import * as viem from "./clients/viem.mjs";
import { allGood, answers, same } from "./lib/compare.mjs";
import { startForkcache } from "./lib/forkcache.mjs";
import { check } from "./lib/runner.mjs";

export async function askForkNode(keep, start, upstream, url, block) {
	const node = keep(await start(url, block));
	return {
		...(await answers(questions.chainQuestions(node, upstream))),
		...(await answers(questions.stateQuestions(node, upstream))),
		...(await questions.transactions(node, upstream)),
	};
}

async function forkNodes(upstream) {
	const nodes = {
		anvil: forkWithAnvil,
		"hardhat 2": forkWithHardhat2,
		"hardhat 3": forkWithHardhat3,
	};
	// Pinned at a final block; and where the node forks by itself when forkcache presents the
	// upstream's head, whose state is asked for by hash.
	const pins = [
		["pinned", upstream.final, upstream.final],
		["unpinned", "latest", undefined],
	];
	for (const [name, start] of Object.entries(nodes))
		for (const [how, pin, block] of pins)
			await check(
				`${name}, ${how}, answers as on the upstream`,
				async (keep) => {
					const direct = await askForkNode(
						keep,
						start,
						upstream,
						upstream.url,
						block,
					);
					allGood(direct, questions.expectedErrors);
					const forkcache = keep(
						await startForkcache({
							upstream: upstream.url,
							block: pin,
						}),
					);
					for (const round of ["cold", "warm"]) {
						const got = await askForkNode(
							keep,
							start,
							upstream,
							forkcache.url,
							block,
						);
						same(got, direct, `${name}, ${round}`);
					}
				},
			);
}

async function forge(upstream) {
	await check("forge test reads what it reads on the upstream", async (keep) => {
		const project = forgeProject();
		const direct = await forgeTest(project, upstream, upstream.url, upstream.final);
		const forkcache = keep(
			await startForkcache({ upstream: upstream.url, block: upstream.final }),
		);
		for (const round of ["cold", "warm"])
			same(
				await forgeTest(
					project,
					upstream,
					forkcache.url,
					upstream.final,
				),
				direct,
				`forge, ${round}`,
			);
	});
}

async function castCommands(upstream) {
	await check(
		"cast, by number, hash and tag, answers as on the upstream",
		async (keep) => {
			const { final, finalHash, url } = upstream;
			const ask = async (where, block) =>
				answers(cast.castStateQuestions(where, upstream, block));
			const direct = await ask(url, final);
			const chain = await answers(cast.castChainQuestions(url, upstream));
			allGood({ ...direct, ...chain }, ["revert"]);
			const forkcache = keep(
				await startForkcache({ upstream: url, block: final }),
			);
			for (const block of [final, finalHash, "latest", "finalized"])
				same(
					await ask(forkcache.url, block),
					direct,
					`cast --block ${block}`,
				);
			same(
				await answers(cast.castChainQuestions(forkcache.url, upstream)),
				chain,
				"cast",
			);
		},
	);
}

export async function askViem(upstream, where, way, name) {
	const client = viem.viemClient(where, upstream, way);
	// viem's multicall does not take a block hash
	const called = name.blockHash ? { blockNumber: BigInt(upstream.final) } : name;
	return {
		...(await answers(viem.viemStateQuestions(client, upstream, name))),
		...(await answers(viem.viemCallQuestions(client, upstream, called))),
		...(await answers(viem.viemChainQuestions(client, upstream))),
	};
}

export async function askEthers(keep, upstream, where, way, block) {
	const provider = ethers.ethersProvider(where, way);
	keep({ stop: () => provider.destroy() });
	return {
		...(await answers(ethers.ethersStateQuestions(provider, upstream, block))),
		...(await answers(ethers.ethersCallQuestions(provider, upstream, block))),
		...(await answers(ethers.ethersChainQuestions(provider, upstream))),
	};
}

// viem's and ethers' ways to send, and each way to name the pinned block.
async function libraries(upstream) {
	const { final, finalHash, url } = upstream;
	const blockNumber = BigInt(final);
	const viemNames = [
		{ blockNumber },
		{ blockTag: "latest" },
		{ blockTag: "safe" },
		{ blockHash: finalHash },
	];
	const viemWays = {
		"viem, one by one": {},
		"viem, batched": { batch: true },
		"viem, batched by 20": { batch: { batchSize: 20 } },
		"viem with multicall": { calls: true },
	};
	for (const [title, way] of Object.entries(viemWays))
		await check(
			`${title}, by number, hash and tag, answers as on the upstream`,
			async (keep) => {
				const direct = await askViem(upstream, url, way, {
					blockNumber,
				});
				allGood(direct, ["revert"]);
				const forkcache = keep(
					await startForkcache({ upstream: url, block: final }),
				);
				for (const name of viemNames)
					same(
						await askViem(
							upstream,
							forkcache.url,
							way,
							name,
						),
						direct,
						`${title}, ${Object.keys(name)}`,
					);
			},
		);

	for (const [title, way] of Object.entries({
		"ethers, batched": {},
		"ethers, one by one": { batchMaxCount: 1 },
	}))
		await check(
			`${title}, by number, hash and tag, answers as on the upstream`,
			async (keep) => {
				const direct = await askEthers(keep, upstream, url, way, final);
				allGood(direct, ["revert"]);
				const forkcache = keep(
					await startForkcache({ upstream: url, block: final }),
				);
				for (const block of [final, "latest", "finalized", finalHash])
					same(
						await askEthers(
							keep,
							upstream,
							forkcache.url,
							way,
							block,
						),
						direct,
						`${title}, ${block}`,
					);
			},
		);
}

export async function answersChecks(upstream) {
	await forkNodes(upstream);
	await forge(upstream);
	await castCommands(upstream);
	await libraries(upstream);
}
