// SPDX-License-Identifier: MIT
// A cache that one client warmed serves the others, whatever they call the same things: while
// the upstream lives, after kill -9, and with no upstream at all.
import assert from "node:assert/strict";
import { forkWithAnvil } from "./clients/anvil.mjs";
import * as cast from "./clients/cast.mjs";
import * as ethers from "./clients/ethers.mjs";
import { forgeProject, forgeTest } from "./clients/forge.mjs";
import { forkWithHardhat2, forkWithHardhat3 } from "./clients/hardhat.mjs";
import * as questions from "./clients/questions.mjs";
import { sendFromLibraries } from "./clients/senders.mjs";
import * as viem from "./clients/viem.mjs";
import { allGood, answers, same } from "./lib/compare.mjs";
import { Counter } from "./lib/counter.mjs";
import { startForkcache } from "./lib/forkcache.mjs";
import { freshFolder, require } from "./lib/packages.mjs";
import { check, figure } from "./lib/runner.mjs";

const { toHex } = require("viem");

const STATE = [
	"eth_getBalance",
	"eth_getTransactionCount",
	"eth_getCode",
	"eth_getStorageAt",
	"eth_getStorageValues",
	"eth_getAccountInfo",
	"eth_getAccount",
	"eth_getProof",
];

// Forwarded every time (src/rpc/methods.def), so an upstream is needed for them.
const FORWARDED = ["eth_call", "eth_estimateGas", "eth_createAccessList", "eth_getLogs"];

async function forkNode(keep, start, upstream, url) {
	const node = keep(await start(url, upstream.final));
	const state = await answers(questions.stateQuestions(node, upstream));
	return { ...state, ...(await questions.transactions(node, upstream)) };
}

async function warmUp(keep, upstream, url) {
	const node = keep(await forkWithAnvil(url, upstream.final));
	// ethers and viem read 150 slots one by one: here they are 150 steps of one call.
	const more = { to: upstream.at.store, data: questions.calldata(upstream).sum(0, 150) };
	await node.request("eth_call", more, "latest");
	const state = await answers(questions.stateQuestions(node, upstream));
	return { ...state, ...(await questions.transactions(node, upstream)) };
}

// name → ask(keep, url): what each client asks, in its own spelling of addresses, slots, blocks.
// The upstream's own tags mean other blocks than the pinned one: there a number stands for them.
function readers(upstream, { tags }) {
	const { final, finalHash } = upstream;
	const blockNumber = BigInt(final);
	const viemState = (way, name, slot) => async (keep, url) =>
		answers(
			viem.viemStateQuestions(
				viem.viemClient(url, upstream, way),
				upstream,
				name,
				slot,
			),
		);
	const ethersState = (way, block) => async (keep, url) => {
		const provider = ethers.ethersProvider(url, way);
		keep({ stop: () => provider.destroy() });
		return answers(ethers.ethersStateQuestions(provider, upstream, block));
	};
	return {
		"hardhat 2": (keep, url) => forkNode(keep, forkWithHardhat2, upstream, url),
		"hardhat 3": (keep, url) => forkNode(keep, forkWithHardhat3, upstream, url),
		"a second anvil": (keep, url) => forkNode(keep, forkWithAnvil, upstream, url),
		"viem by number, slots padded": viemState({}, { blockNumber }),
		"viem by hash, slots short, batched": viemState(
			{ batch: true },
			{ blockHash: finalHash },
			toHex,
		),
		"viem by tag": viemState(
			{ batch: { batchSize: 7 } },
			tags ? { blockTag: "latest" } : { blockNumber },
		),
		"ethers by number": ethersState({}, final),
		"ethers by hash, one by one": ethersState({ batchMaxCount: 1 }, finalHash),
		"ethers by tag": ethersState({}, tags ? "safe" : final),
	};
}

// Blocks, transactions, calls that the upstream runs, whole forge tests.
function others(upstream) {
	const { final } = upstream;
	const project = forgeProject();
	return {
		forge: (keep, url) => forgeTest(project, upstream, url, final),
		cast: async (keep, url) =>
			answers({
				...cast.castStateQuestions(url, upstream, final),
				...cast.castChainQuestions(url, upstream),
			}),
		viem: async (keep, url) => {
			const client = viem.viemClient(url, upstream, { batch: true });
			const calls = viem.viemCallQuestions(client, upstream, {
				blockNumber: BigInt(final),
			});
			return answers({
				...calls,
				...viem.viemChainQuestions(client, upstream),
			});
		},
		ethers: async (keep, url) => {
			const provider = ethers.ethersProvider(url);
			keep({ stop: () => provider.destroy() });
			const calls = ethers.ethersCallQuestions(provider, upstream, final);
			return answers({
				...calls,
				...ethers.ethersChainQuestions(provider, upstream),
			});
		},
		"libraries on anvil": async (keep, url) =>
			sendFromLibraries(
				keep,
				keep(await forkWithAnvil(url, final)),
				upstream,
				5,
			),
		...Object.fromEntries(
			Object.entries({
				anvil: forkWithAnvil,
				"hardhat 2": forkWithHardhat2,
				"hardhat 3": forkWithHardhat3,
			}).map(([name, start]) => [
				`chain data by ${name}`,
				async (keep, url) =>
					answers(
						questions.chainQuestions(
							keep(await start(url, final)),
							upstream,
						),
					),
			]),
		),
	};
}

const NEVER_READ = "0x179"; // slot 377
const NOBODY = "0x00000000000000000000000000000000000c0ffe";

async function missingReads(keep, url, { at, final }) {
	const viemClient = viem.viemClient(url, { at });
	const provider = ethers.ethersProvider(url);
	keep({ stop: () => provider.destroy() });
	const clients = {
		viem: {
			slot: () =>
				viemClient.getStorageAt({
					address: at.store,
					slot: NEVER_READ,
				}),
			balance: () => viemClient.getBalance({ address: NOBODY }),
		},
		ethers: {
			slot: () => provider.getStorage(at.store, Number(NEVER_READ)),
			balance: () => provider.getBalance(NOBODY),
		},
		cast: {
			slot: () =>
				cast.cast(url, "storage", at.store, String(Number(NEVER_READ))),
			balance: () => cast.cast(url, "balance", NOBODY),
		},
	};
	for (const start of [forkWithAnvil, forkWithHardhat2, forkWithHardhat3]) {
		const node = keep(await start(url, final));
		clients[node.name] = {
			slot: () =>
				node.request(
					"eth_getStorageAt",
					at.store,
					NEVER_READ,
					"latest",
				),
			balance: () => node.request("eth_getBalance", NOBODY, "latest"),
		};
	}
	return clients;
}

// The whole text of the client's error, whatever it wraps round the server's message.
async function names(ask, client, ...things) {
	const error = await ask().then(
		(value) => assert.fail(`${client}: answered ${value}`),
		(thrown) => thrown,
	);
	const text = error.message.toLowerCase();
	for (const thing of things) {
		const found =
			thing instanceof RegExp
				? new RegExp(thing, "i").test(text)
				: text.includes(thing.toLowerCase());
		assert.ok(found, `${client}: ${thing} is not named in: ${error.message}`);
	}
}

function noStateRead(counter, name) {
	assert.deepEqual(
		counter.of(...STATE),
		[],
		`${name}: a state read went to the upstream`,
	);
}

// A fork node asks for the receipt of its own transaction when it is polled before it has mined
// it, which is a race. The upstream has never heard of that hash.
const isOwn = ({ method, params }, { transfer }) =>
	/^eth_getTransaction(ByHash|Receipt)$/.test(method) &&
	![transfer.transactionHash, questions.unknownHash].includes(params[0]);

function nothingAsked(counter, name, upstream) {
	const asked = counter
		.questions(upstream.final)
		.filter((item) => !FORWARDED.includes(item.method) && !isOwn(item, upstream));
	assert.deepEqual(asked, [], `${name}: the upstream was asked`);
}

// Without an upstream the forwarded ones, and only they, are errors that say so.
function sameOffline(got, direct, name) {
	const missed = new RegExp(
		`not in the cache \\(offline\\): (${FORWARDED.join("|")})\\b`,
	);
	// cast turns an error about logs into an empty list
	const swallowed = (label) => name === "cast" && label === "logs";
	const kept = Object.keys(got).filter(
		(label) => !missed.test(got[label]?.text) && !swallowed(label),
	);
	const those = (result) =>
		Object.fromEntries(kept.map((label) => [label, result[label]]));
	same(those(got), those(direct), name);
	return Object.keys(got).length - kept.length;
}

async function askAll(table, direct, url, after = () => {}, compare = same) {
	for (const [name, ask] of Object.entries(table)) {
		const kept = [];
		try {
			const got = await ask((thing) => (kept.unshift(thing), thing), url);
			if (direct[name] === undefined) direct[name] = got;
			else compare(got, direct[name], name);
			await after(name);
		} finally {
			for (const thing of kept) await thing.stop();
		}
	}
}

export async function warmChecks(upstream) {
	const folder = freshFolder("shared-cache");
	const state = readers(upstream, { tags: true });
	const rest = others(upstream);
	const direct = {};
	const pinned = (upstream_url) =>
		startForkcache({ upstream: upstream_url, block: upstream.final, folder });
	let killed;

	await check("the answers that the clients give on the upstream itself", async () => {
		await askAll(
			{ ...readers(upstream, { tags: false }), ...rest },
			direct,
			upstream.url,
		);
		for (const result of Object.values(direct))
			allGood(result, questions.expectedErrors);
	});

	await check(
		"warmed by anvil, read by the others without a state read upstream",
		async (keep) => {
			const counter = keep(await Counter.start(upstream.url));
			killed = await pinned(counter.url);
			await warmUp(keep, upstream, killed.url);
			figure(`anvil, cold: ${counter.requests} upstream requests`);
			for (const [name, ask] of Object.entries(state)) {
				counter.reset();
				await askAll({ [name]: ask }, direct, killed.url);
				noStateRead(counter, name);
				figure(
					`${name}: 0 state reads upstream, ${counter.items.length} other ${JSON.stringify(counter.byMethod())}`,
				);
			}
			await askAll(rest, direct, killed.url);
			counter.reset();
			await askAll({ ...state, ...rest }, direct, killed.url, (name) =>
				nothingAsked(counter, name, upstream),
			);
		},
	);

	await check("the same after kill -9, on the same cache folder", async (keep) => {
		await killed.kill();
		const counter = keep(await Counter.start(upstream.url));
		const forkcache = keep(await pinned(counter.url));
		figure(`start: ${counter.requests} upstream requests`);
		counter.reset();
		await askAll({ ...state, ...rest }, direct, forkcache.url, (name) =>
			nothingAsked(counter, name, upstream),
		);
	});

	await check("the same with --offline and no upstream at all", async (keep) => {
		const forkcache = keep(
			await startForkcache({ block: upstream.final, folder, offline: true }),
		);
		await askAll(state, direct, forkcache.url);
		let missed = 0;
		const compare = (...args) => (missed += sameOffline(...args));
		await askAll(rest, direct, forkcache.url, undefined, compare);
		figure(
			`${missed} answers that only an upstream can compute were refused by name`,
		);
	});

	await check("--offline: transactions that nobody has sent before", async (keep) => {
		const forkcache = keep(
			await startForkcache({ block: upstream.final, folder, offline: true }),
		);
		const data = questions.calldata(upstream).note(77);
		for (const start of [forkWithAnvil, forkWithHardhat2, forkWithHardhat3]) {
			const node = keep(await start(forkcache.url, upstream.final));
			const receipt = await questions.sendOwn(node, upstream.at.store, data);
			assert.equal(receipt.status, "0x1", node.name);
		}
		const anvil = keep(await forkWithAnvil(forkcache.url, upstream.final));
		const sent = await sendFromLibraries(keep, anvil, upstream, 6);
		same(sent, direct["libraries on anvil"], "libraries");
	});

	await check(
		"--offline: a miss names what is missing in each client's error",
		async (keep) => {
			const forkcache = keep(
				await startForkcache({
					block: upstream.final,
					folder,
					offline: true,
				}),
			);
			const clients = await missingReads(keep, forkcache.url, upstream);
			for (const [name, { slot, balance }] of Object.entries(clients)) {
				const place = `at block ${upstream.final}`;
				await names(
					slot,
					name,
					/eth_getStorageAt/,
					upstream.at.store,
					NEVER_READ.slice(2),
					place,
				);
				await names(
					balance,
					name,
					/eth_get(Balance|Code|TransactionCount|AccountInfo)/,
					NOBODY,
					place,
				);
			}
		},
	);
}
