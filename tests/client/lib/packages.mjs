// SPDX-License-Identifier: MIT
// Where things are: the installed packages, the program under test, folders to write to.
// run.sh installs into $CLIENT_DIR; the sources stay free of node_modules.
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const here = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const build = path.resolve(process.env.BUILD ?? path.join(here, "../../build"));
export const installed = path.resolve(
	process.env.CLIENT_DIR ?? path.join(here, "../../build/client"),
);

// Packages are found as if this file lay beside their package.json.
export const require = createRequire(path.join(installed, "package.json"));

const tool = (name) =>
	path.join(installed, `node_modules/@foundry-rs/${name}-linux-amd64/bin/${name}`);
export const anvil = tool("anvil");
export const cast = tool("cast");
export const forge = tool("forge");
export const forkcache = path.join(build, "forkcache");

// One folder for all that a run writes, made when it is first needed: the children that read
// this file write nowhere else. It is removed when the process ends.
let scratch;
let folders = 0;
process.on("exit", () => scratch && fs.rmSync(scratch, { recursive: true, force: true }));

export function freshFolder(name) {
	scratch ??= fs.mkdtempSync(path.join(os.tmpdir(), "forkcache-client-"));
	const folder = path.join(scratch, `${name}-${++folders}`);
	fs.mkdirSync(folder);
	return folder;
}
