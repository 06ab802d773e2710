// SPDX-License-Identifier: MIT
// A compiler as forge calls one, made of the npm package: solc --version, solc --standard-json.
import fs from "node:fs";
import { require } from "../lib/packages.mjs";

const solc = require("solc");

if (process.argv.includes("--version")) {
	const [version] = solc.version().split(".Emscripten");
	console.log(
		`solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++`,
	);
} else {
	fs.writeSync(1, solc.compile(fs.readFileSync(0, "utf8")));
}
