// SPDX-License-Identifier: MIT
// The upstream is an anvil, which may change the state of a block that was read already.
// Without --trust-dev-upstream nothing of it is kept.
import assert from "node:assert/strict";
import { Counter } from "./lib/counter.mjs";
import { startForkcache } from "./lib/forkcache.mjs";
import { freshFolder } from "./lib/packages.mjs";
import { Rpc } from "./lib/rpc.mjs";
import { check } from "./lib/runner.mjs";

async function connect(keep, options) {
	const forkcache = keep(await startForkcache(options));
	const rpc = new Rpc(forkcache.url);
	keep({ stop: () => rpc.close() });
	return { forkcache, rpc };
}

export async function developmentChecks(upstream) {
	const { at, final } = upstream;
	const nobody = "0x000000000000000000000000000000000000dcba";
	const reads = [
		["eth_getStorageAt", at.store, "0x5", "latest"],
		["eth_getBalance", at.store, "latest"],
		["eth_getCode", at.token, "latest"],
		["eth_getBlockByNumber", "0x7", true],
		["eth_getTransactionReceipt", upstream.transfer.transactionHash],
	];

	await check(
		"a development upstream is asked every time, and nothing of it is kept",
		async (keep) => {
			const folder = freshFolder("untrusted");
			const counter = keep(await Counter.start(upstream.url));
			const { forkcache, rpc } = await connect(keep, {
				upstream: counter.url,
				block: final,
				folder,
				trust: false,
			});
			for (const read of reads) {
				const asked = [];
				for (let i = 0; i < 2; i++) {
					counter.reset();
					const answer = await rpc.request(...read);
					asked.push({ answer, items: counter.questions(final) });
				}
				assert.deepEqual(asked[1], asked[0], `${read[0]}, asked twice`);
				assert.ok(
					asked[0].items.length > 0,
					`${read[0]} went to the upstream`,
				);
			}
			await forkcache.stop();
			await assert.rejects(
				startForkcache({ block: final, folder, offline: true }),
				/the cache is empty/,
			);
		},
	);

	await check(
		"a development upstream with --trust-dev-upstream is asked once",
		async (keep) => {
			const counter = keep(await Counter.start(upstream.url));
			const { rpc } = await connect(keep, {
				upstream: counter.url,
				block: final,
			});
			for (const read of reads) {
				const first = await rpc.request(...read);
				counter.reset();
				assert.deepEqual(await rpc.request(...read), first);
				assert.deepEqual(
					counter.questions(final),
					[],
					`${read[0]} again`,
				);
			}
		},
	);

	// What the option is for: the same block, another state.
	for (const [trust, sees] of [
		[false, "0x22"],
		[true, "0x11"],
	])
		await check(
			`state changed under a block is ${trust ? "not seen with" : "seen without"} --trust-dev-upstream`,
			async (keep) => {
				await upstream.request("anvil_setBalance", nobody, "0x11");
				keep({
					stop: () =>
						upstream.request(
							"anvil_setBalance",
							nobody,
							"0x0",
						),
				});
				const { rpc } = await connect(keep, {
					upstream: upstream.url,
					block: "latest",
					trust,
				});
				assert.equal(
					await rpc.request("eth_getBalance", nobody, "latest"),
					"0x11",
				);
				await upstream.request("anvil_setBalance", nobody, "0x22");
				assert.equal(
					await rpc.request("eth_getBalance", nobody, "latest"),
					sees,
				);
			},
		);
}
