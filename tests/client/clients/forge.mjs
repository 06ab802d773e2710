// SPDX-License-Identifier: MIT
// A forge project below the scratch folder, its compiler the npm package behind a script.
import fs from "node:fs";
import path from "node:path";
import * as packages from "../lib/packages.mjs";
import { strangers } from "../lib/upstream.mjs";
import { cleanEnvironment, run } from "../lib/process.mjs";

export function forgeProject() {
	const folder = packages.freshFolder("forge");
	const compiler = path.join(folder, "solc");
	const script = path.join(packages.here, "clients/solc.mjs");
	fs.mkdirSync(path.join(folder, "test"));
	fs.copyFileSync(
		path.join(packages.here, "contracts/ForkTest.t.sol"),
		path.join(folder, "test/ForkTest.t.sol"),
	);
	fs.writeFileSync(
		path.join(folder, "foundry.toml"),
		'[profile.default]\nevm_version = "prague"\n',
	);
	const environment = `CLIENT_DIR='${packages.installed}'`;
	fs.writeFileSync(
		compiler,
		`#!/bin/sh\n${environment} exec '${process.execPath}' '${script}' "$@"\n`,
		{ mode: 0o755 },
	);
	return { folder, compiler };
}

// The results of `forge test` with what each test logged, without what differs between runs.
export async function forgeTest(project, upstream, url, block) {
	const { at } = upstream;
	const env = cleanEnvironment({
		STORE: at.store,
		PROXY: at.proxy,
		TOKEN: at.token,
		BIG: at.big,
		STRANGER: strangers[3],
		URL: url,
		EARLIER: String(upstream.earlier),
	});
	const args = [
		"test",
		"--offline",
		"--use",
		project.compiler,
		"--no-storage-caching",
		"--json",
		"-vvv",
	];
	const fork = ["--fork-url", url, "--fork-block-number", String(block)];
	const { code, text } = await run(packages.forge, [...args, ...fork], {
		env,
		cwd: project.folder,
	});
	const json = text.split("\n").find((line) => line.startsWith("{"));
	if (code !== 0 || !json) throw new Error(`forge test (${code}):\n${text}`);
	const [{ test_results }] = Object.values(JSON.parse(json));
	return Object.fromEntries(
		Object.entries(test_results).map(([name, { status, reason, logs, kind }]) => [
			name,
			{ status, reason, logs, kind },
		]),
	);
}
