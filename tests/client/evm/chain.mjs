// SPDX-License-Identifier: MIT
// The rules under which a recording was made, its block, and its transaction, for ethereumjs.
import { require } from "../lib/packages.mjs";
import { withPrefix } from "./recordings.mjs";

const { createBlock } = require("@ethereumjs/block");
const { createCustomCommon, Hardfork, Mainnet } = require("@ethereumjs/common");
const { createLegacyTx, createTxFromRLP } = require("@ethereumjs/tx");
const { createAddressFromString, hexToBytes } = require("@ethereumjs/util");

// The newest first. Chains of Ethereum Classic name single EIPs: one that stands for the fork.
// Theirs at 301243 (Agharta) had EIP-145 without EIP-1283: what Ethereum had after Petersburg.
const FORKS = [
	[Hardfork.Prague, { time: ["pragueTime"] }],
	[Hardfork.Cancun, { time: ["cancunTime"] }],
	[Hardfork.Shanghai, { time: ["shanghaiTime"] }],
	[Hardfork.London, { block: ["londonBlock", "eip3529FBlock"] }],
	[Hardfork.Berlin, { block: ["berlinBlock", "eip2929FBlock"] }],
	[Hardfork.Istanbul, { block: ["istanbulBlock", "eip2200FBlock"] }],
	[Hardfork.Petersburg, { block: ["petersburgBlock", "eip145FBlock"] }],
	[Hardfork.Constantinople, { block: ["constantinopleBlock"] }],
	[Hardfork.Byzantium, { block: ["byzantiumBlock", "eip658FBlock"] }],
	[Hardfork.SpuriousDragon, { block: ["eip158Block", "eip161FBlock"] }],
	[Hardfork.TangerineWhistle, { block: ["eip150Block"] }],
	[Hardfork.Homestead, { block: ["homesteadBlock", "eip2FBlock"] }],
];

export function hardforkOf({ genesis: { config }, context }) {
	const merged =
		BigInt(context.difficulty) === 0n &&
		config.terminalTotalDifficulty !== undefined;
	const reached = (key, at) =>
		config[key] !== undefined && BigInt(at) >= BigInt(config[key]);
	const active = FORKS.find(
		([, { time = [], block = [] }]) =>
			(merged && time.some((key) => reached(key, context.timestamp))) ||
			block.some((key) => reached(key, context.number)),
	);
	if (active === undefined) return Hardfork.Chainstart;
	return active[0] === Hardfork.London && merged ? Hardfork.Paris : active[0];
}

// Before EIP-161 an account that was touched stayed, though it be empty.
export function keepsEmptyAccounts(recording) {
	const forks = [Hardfork.Chainstart, Hardfork.Homestead, Hardfork.TangerineWhistle];
	return forks.includes(hardforkOf(recording));
}

// A blob transaction wants one; blobs themselves are in no file, and nothing is verified.
const NO_KZG = {};

function commonOf(recording) {
	const { chainId } = recording.genesis.config;
	const hardfork = hardforkOf(recording);
	return createCustomCommon({ chainId }, Mainnet, {
		hardfork,
		customCrypto: { kzg: NO_KZG },
	});
}

// EIP-4844: the excess of a block follows from its parent's, which the files have as "genesis".
function excessBlobGas({ genesis }, common) {
	const { excessBlobGas, blobGasUsed = 0 } = genesis;
	if (!common.isActivatedEIP(4844) || excessBlobGas === undefined) return undefined;
	const fields = {
		excessBlobGas: BigInt(excessBlobGas),
		blobGasUsed: BigInt(blobGasUsed),
	};
	const parent = createBlock(
		{ header: fields },
		{ common, skipConsensusFormatValidation: true },
	);
	return parent.header.calcNextExcessBlobGas(parent.header.common);
}

function blockOf(recording, common) {
	const { context } = recording;
	const header = {
		number: BigInt(context.number),
		timestamp: BigInt(context.timestamp),
		gasLimit: BigInt(context.gasLimit),
		difficulty: BigInt(context.difficulty),
		coinbase: context.miner,
		baseFeePerGas: context.baseFeePerGas && BigInt(context.baseFeePerGas),
		excessBlobGas: excessBlobGas(recording, common),
	};
	return createBlock({ header }, { common, skipConsensusFormatValidation: true });
}

// What was traced as a call is not signed: its sender is said.
function callOf({ input, alloc }, common) {
	const nonce = alloc.get(input.from)?.nonce ?? 0n;
	const { gas, gasPrice, value, data, to } = input;
	const tx = createLegacyTx(
		{ nonce, gasLimit: gas, gasPrice, value, data, to },
		{ common, freeze: false },
	);
	tx.getSenderAddress = () => createAddressFromString(input.from);
	return tx;
}

// A transaction on one chain: { common, block, tx }. Made anew for each run: ethereumjs keeps
// state in all three.
export function transactionOf(recording) {
	const common = commonOf(recording);
	const block = blockOf(recording, common);
	const tx =
		typeof recording.input === "string"
			? createTxFromRLP(hexToBytes(withPrefix(recording.input)), { common })
			: callOf(recording, common);
	return { common, block, tx };
}
