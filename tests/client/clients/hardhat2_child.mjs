// SPDX-License-Identifier: MIT
import fs from "node:fs";
import path from "node:path";
import { require } from "../lib/packages.mjs";
import { accounts, chainId, serve, settings } from "./hardhat_child.mjs";

const config = {
	solidity: "0.8.28",
	networks: {
		hardhat: {
			chainId,
			accounts,
			hardfork: "prague",
			forking: { url: settings.url, blockNumber: settings.block },
		},
	},
};
const file = path.join(settings.folder, "hardhat.config.cjs");
fs.writeFileSync(file, `module.exports = ${JSON.stringify(config)};\n`);
process.env.HARDHAT_CONFIG = file;
serve(require("hardhat").network.provider);
