// SPDX-License-Identifier: MIT
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { installed } from "../lib/packages.mjs";
import { accounts, chainId, serve, settings } from "./hardhat_child.mjs";

const { resolve } = createRequire(path.join(installed, "hardhat3/package.json"));
const { createHardhatRuntimeEnvironment } = await import(pathToFileURL(resolve("hardhat/hre")));
fs.writeFileSync(path.join(settings.folder, "package.json"), '{"type":"module"}\n');

const forked = {
	type: "edr-simulated",
	chainId,
	accounts,
	hardfork: "prague",
	forking: { url: settings.url, blockNumber: settings.block },
};
// An unknown chain's history: the upstream has the newest rules since its first block.
const config = {
	networks: { forked },
	chainDescriptors: {
		[chainId]: {
			name: "upstream",
			hardforkHistory: { prague: { blockNumber: 0 } },
		},
	},
};
const hre = await createHardhatRuntimeEnvironment(config, {}, settings.folder);
serve(hre.network.create("forked").then(({ provider }) => provider));
