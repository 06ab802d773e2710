// SPDX-License-Identifier: MIT
// The remote node: build/mock-node with the state of one recording, so far away.
import path from "node:path";
import { build } from "../lib/packages.mjs";
import { Process } from "../lib/process.mjs";

const LATENCY_MS = 20;

export async function startNode({ path: file }) {
	const args = [
		"--listen",
		"127.0.0.1:0",
		"--prestate",
		file,
		"--latency-ms",
		`${LATENCY_MS}`,
	];
	const process = new Process(path.join(build, "mock-node"), args);
	const [, address] = await process.line(/listening on (\S+)/);
	const url = `http://${address}/`;
	const ask = async (name, body) => {
		const options = body && { method: "POST", body: JSON.stringify(body) };
		return (await fetch(`${url}control${name}`, options)).json();
	};
	return {
		url,
		stop: () => process.stop(),
		control: (members) => ask("", members),
		counters: () => ask("/counters"),
	};
}
